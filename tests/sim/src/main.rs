//! One simulated cluster in one process, from one seed: the production code of machine, consensus,
//! content and delivery over a simulated network, disk and clock.
//!
//! What the simulation replaces (the log and state stores on real disks, QUIC, HTTPS) is shown by
//! the scenes with real processes. One process a seed: libraries keep process-wide counters, and
//! seeds that share a process disturb each other.

mod clock;
mod dice;
mod entropy;
mod network;
mod office;
mod oracle;
mod plan;
mod world;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};

use crate::{dice::Dice, oracle::Ledger, world::World};

/// A bug that is planted, so that the simulation shows that it can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Planted {
    /// The log acknowledges before it has synced.
    LogAckBeforeSync,
    /// The disks of contents say that they have synced and have not.
    ContentLies,
}

/// Runs one simulated cluster and says whether every promise held.
#[derive(Debug, Parser)]
struct Arguments {
    /// Everything follows from it.
    #[arg(long)]
    seed: u64,
    /// Virtual seconds with faults; healing comes on top.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Plants a bug that must be found.
    #[arg(long, value_enum)]
    plant: Option<Planted>,
    /// Prints the log of the nodes on stderr.
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    entropy::seed(arguments.seed);
    consensus::sim::seed_elections(arguments.seed);
    if arguments.verbose {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without drivers needs nothing of the system");
    let outcome = runtime.block_on(run(&arguments));
    runtime.shutdown_timeout(Duration::from_millis(100));
    match outcome {
        Ok(summary) => {
            println!("seed {} ok: {summary}", arguments.seed);
            ExitCode::SUCCESS
        }
        Err(violations) => {
            println!("seed {} FAILED:\n  {}", arguments.seed, violations.join("\n  "));
            let planted = arguments.plant.and_then(|bug| bug.to_possible_value());
            let planted = planted.map(|bug| format!(" --plant {}", bug.get_name()));
            println!(
                "replay: cargo run -p lgsp-sim -- --seed {} --seconds {}{}",
                arguments.seed,
                arguments.seconds,
                planted.unwrap_or_default()
            );
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<String, Vec<String>> {
    let dice = Dice::new(arguments.seed);
    let world = World::found(dice.clone(), arguments.plant).await;
    let ledger = Ledger::default();
    let offices = office::open_all(&world, &ledger).await;
    let faults = tokio::spawn(plan::faults(world.clone(), Duration::from_secs(arguments.seconds)));
    faults.await.expect("the plan of faults does not panic");
    world.heal().await;
    offices.finish_sending().await;
    let liveness = oracle::until_quiet(&world, &ledger).await;
    offices.close();
    let mut violations = ledger.violations();
    violations.extend(liveness);
    violations.extend(oracle::final_checks(&world, &ledger).await);
    if violations.is_empty() {
        Ok(format!("{}; {}", ledger.summary(), world.summary()))
    } else {
        Err(violations)
    }
}
