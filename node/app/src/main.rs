//! The program `lgsp`. Everything is in the library, so that tests and tools can be nodes too.

use std::process::ExitCode;

/// Less memory and time under many small bodies than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lgsp_app::main()
}
