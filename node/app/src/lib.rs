//! The program `lgsp`: it wires everything, knows everything and decides nothing.
//!
//! `cli` is what people type and read, `verbs` does what they ask, `node` and `links` are the
//! running node, `demo` is a whole cluster for the first minutes, `trial` what it shares with the tests.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::let_underscore_must_use,
        reason = "a test that fails says enough"
    )
)]

mod agree;
mod cli;
pub mod config;
mod demo;
pub mod links;
pub mod node;
pub mod options;
mod profile;
mod stop;
mod texts;
pub mod trial;
mod verbs;
mod written;

use std::{ffi::OsString, process::ExitCode};

/// The program: reads the arguments, does what they ask, tells how it went.
pub fn main() -> ExitCode {
    main_from(std::env::args_os().collect())
}

/// The same, from given arguments, the first of which is the program's name: for tools that are a
/// node under another name.
pub fn main_from(args: Vec<OsString>) -> ExitCode {
    // What the program or a library of it writes is its user's alone, unless a file asks for more.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    ExitCode::from(verbs::main(args) as u8)
}
