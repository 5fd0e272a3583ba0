//! The command line: its shape, its help in two languages, its output and its errors.

mod args;
mod edxml;
mod failure;
mod localise;
mod node_failure;
mod out;
mod simulate;
mod usage;

pub use args::*;
pub use edxml::{AnswerArgs, Body, BuildArgs, EdxmlVerb, ExtractArgs, Kind, SignTestArgs};
pub use failure::{Exit, Failure};
pub use localise::{command, language, usage_in};
pub use out::{Mark, Out, Output, meant, size_text};
pub use simulate::{NationalArgs, SimulateVerb};
pub use usage::usage_failure;
