//! The program `lgsp`: it wires everything, knows everything and decides nothing.
//!
//! `cli` is what people type and read, `verbs` does what they ask, `node` and `links` are the
//! running node, `demo` is a whole cluster for the first minutes.

mod cli;
pub mod config;
mod demo;
pub mod links;
pub mod node;
pub mod options;
mod profile;
mod texts;
mod verbs;

use std::process::ExitCode;

/// The program: reads the arguments, does what they ask, tells how it went.
pub fn main() -> ExitCode {
    ExitCode::from(verbs::main(std::env::args_os().collect()) as u8)
}
