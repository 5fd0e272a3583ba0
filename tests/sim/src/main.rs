//! One simulated cluster in one process, from one seed: the production code of machine, consensus,
//! content and delivery over a simulated network, disk and clock.
//!
//! What the simulation replaces (the log and state stores on real disks, QUIC, HTTPS) is shown by
//! the scenes with real processes. One process a seed: libraries keep process-wide counters, and
//! seeds that share a process disturb each other.

mod clock;
mod clocks;
mod dice;
mod entropy;
mod links;
mod network;
mod office;
mod oracle;
mod panics;
mod plan;
mod remains;
mod twist;
mod world;

use std::{
    panic::AssertUnwindSafe,
    process::{Command, ExitCode},
    time::Duration,
};

use clap::{Parser, ValueEnum};

use crate::{dice::Dice, oracle::Ledger, world::World};

/// A bug that is planted, so that the simulation shows that it can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Planted {
    /// The log acknowledges before it has synced.
    LogAckBeforeSync,
    /// The disks of contents say that they have synced and have not.
    ContentLies,
    /// An append is acknowledged before the content that rides with it is on the disk.
    AppendAckBeforeRecord,
    /// A node compares nothing of what it had promised with what its peers remember. Found only
    /// where disks go back.
    PledgesUnread,
    /// A leader counts its ticks by its wall clock.
    TicksByClock,
    /// One node applies an entry in another way than the others.
    ProgramDiffers,
}

/// Runs simulated clusters and says whether every promise held.
#[derive(Debug, Parser)]
struct Arguments {
    /// Everything follows from it; with `--seeds` the first of them.
    #[arg(long, required_unless_present = "seeds")]
    seed: Option<u64>,
    /// Runs so many seeds, one after the other, each in a process of its own.
    #[arg(long)]
    seeds: Option<u64>,
    /// Virtual seconds with faults; healing comes on top.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Disks of log and state go back to older copies of themselves, too.
    #[arg(long)]
    disks: bool,
    /// Plants a bug that must be found.
    #[arg(long, value_enum)]
    plant: Option<Planted>,
    /// Lets clocks jump, any set of them, instead of the usual faults.
    #[arg(long)]
    clocks: bool,
    /// Prints the log of the nodes on stderr.
    #[arg(long)]
    verbose: bool,
}

impl Arguments {
    /// What follows the seed on a command line.
    fn rest(&self) -> Vec<String> {
        let mut rest = vec!["--seconds".to_owned(), self.seconds.to_string()];
        if self.disks {
            rest.push("--disks".to_owned());
        }
        if self.clocks {
            rest.push("--clocks".to_owned());
        }
        if let Some(bug) = self.plant.and_then(|bug| bug.to_possible_value()) {
            rest.extend(["--plant".to_owned(), bug.get_name().to_owned()]);
        }
        rest
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_default();
    match arguments.seeds {
        Some(count) => run_many(seed, count, &arguments),
        None => run_one(seed, &arguments),
    }
}

fn run_many(first: u64, count: u64, arguments: &Arguments) -> ExitCode {
    let program = std::env::current_exe().expect("a running program has a path");
    let mut failed = Vec::new();
    for seed in first..first.saturating_add(count) {
        let mut command = Command::new(&program);
        command.args(["--seed", &seed.to_string()]).args(arguments.rest());
        if arguments.verbose {
            command.arg("--verbose");
        }
        if !command.status().is_ok_and(|status| status.success()) {
            failed.push(seed.to_string());
        }
    }
    println!("{count} seeds from {first}: {} failed {}", failed.len(), failed.join(" "));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_one(seed: u64, arguments: &Arguments) -> ExitCode {
    entropy::seed(seed);
    consensus::sim::seed_elections(seed);
    panics::watch();
    if arguments.verbose {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without drivers needs nothing of the system");
    let run = AssertUnwindSafe(|| runtime.block_on(run(seed, arguments)));
    let (summary, mut violations) = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        (String::new(), vec!["the simulation did not come to its end".to_owned()])
    });
    violations.extend(panics::seen());
    runtime.shutdown_timeout(Duration::from_millis(100));
    if violations.is_empty() {
        println!("seed {seed} ok: {summary}");
        return ExitCode::SUCCESS;
    }
    println!("seed {seed} FAILED: {summary}\n  {}", violations.join("\n  "));
    println!("replay: cargo run -p lgsp-sim -- --seed {seed} {}", arguments.rest().join(" "));
    ExitCode::FAILURE
}

/// What happened, and which promises were broken.
async fn run(seed: u64, arguments: &Arguments) -> (String, Vec<String>) {
    let world = World::found(Dice::new(seed), arguments.plant, arguments.clocks).await;
    let ledger = Ledger::default();
    let offices = office::open_all(&world, &ledger).await;
    if arguments.plant == Some(Planted::ProgramDiffers) {
        tokio::spawn(twist::differ(world.clone()));
    }
    let span = Duration::from_secs(arguments.seconds);
    let untold = if arguments.clocks {
        let storm = clocks::storm(world.clone(), ledger.clone(), span);
        tokio::spawn(storm).await.expect("the storm does not panic");
        Vec::new()
    } else {
        let faults = tokio::spawn(plan::faults(world.clone(), span, arguments.disks));
        faults.await.expect("the plan of faults does not panic")
    };
    world.end_faults().await;
    offices.finish_sending().await;
    offices.every_node_takes_one().await;
    let liveness = oracle::until_quiet(&world, &ledger).await;
    offices.close();
    // The loss first: what else is broken mostly follows from it.
    let mut violations = oracle::losses(&world, &ledger);
    violations.extend(clocks::expired_early(&world, &ledger));
    violations.extend(ledger.violations());
    violations.extend(untold);
    // Whoever signs by a right clock is out for as long as most clocks are wrong.
    let part = if arguments.clocks { 40 } else { 1 };
    violations.extend(ledger.too_little(arguments.seconds / part));
    violations.extend(oracle::stopped(&world).await);
    let is_quiet = liveness.is_empty();
    violations.extend(liveness);
    violations.extend(oracle::final_checks(&world, &ledger).await);
    if is_quiet {
        violations.extend(remains::left(&world, &ledger));
    }
    let history = oracle::history(&world, &ledger);
    (format!("{}; {}; history {history}", ledger.summary(), world.summary()), violations)
}
