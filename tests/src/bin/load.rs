//! The load tool. It starts itself again as the nodes, so that nothing else need be built.

use std::process::ExitCode;

use clap::Parser;
use lgsp_tests::load::{Args, NODE_VARIABLE, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if std::env::var_os(NODE_VARIABLE).is_some() {
        return app::main();
    }
    let args = Args::parse();
    // One thread: the load shares two cores with three nodes, and wakes nobody but itself.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made at the start of a program");
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
