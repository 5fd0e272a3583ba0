//! The simulation in continuous integration: a handful of seeds in processes of their own, the
//! planted bugs that must be found, and the replay that must be the same.

use std::{
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
};

/// Seeds of an ordinary run; `LGSP_SIM_SEEDS` asks for more.
const SEEDS: usize = 6;
/// The same, where disks go back.
const SEEDS_WITH_DISKS: usize = 3;
/// Virtual seconds with faults for each.
const SECONDS: &str = "30";
/// Virtual seconds of the run that is repeated.
const REPLAYED_SECONDS: &str = "10";
/// Seeds with clocks that jump, and their virtual seconds; a quiet span in which nonces are forgotten
/// comes on top in some.
const CLOCK_SEEDS: usize = 2;
const CLOCK_SECONDS: &str = "100";
/// Seeds that a planted bug may survive before the simulation counts as blind.
const PATIENCE: u64 = 12;
/// What the oracle says of an acknowledged packet that is nowhere any more: a planted bug counts as
/// found by this only, and not by whatever else goes wrong.
const LOSS: &str = " is lost: it was acknowledged, and no node ";

fn simulate(arguments: &[&str]) -> Output {
    let simulate = env!("CARGO_BIN_EXE_simulate");
    Command::new(simulate).args(arguments).output().expect("the simulation can be started")
}

fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    format!("{out}{err}")
}

#[test]
fn every_promise_holds_on_every_seed() {
    every_seed_holds(SEEDS, &["--seconds", SECONDS]);
}

#[test]
fn every_promise_holds_where_disks_go_back() {
    every_seed_holds(SEEDS_WITH_DISKS, &["--seconds", SECONDS, "--disks"]);
}

#[test]
fn clocks_jump_and_every_promise_holds() {
    every_seed_holds(CLOCK_SEEDS, &["--seconds", CLOCK_SECONDS, "--clocks"]);
}

fn every_seed_holds(seeds: usize, arguments: &[&str]) {
    let wanted = std::env::var("LGSP_SIM_SEEDS").ok().and_then(|count| count.parse().ok());
    let count: usize = wanted.unwrap_or(seeds);
    let next = AtomicUsize::new(0);
    let failed = parking_lot::Mutex::new(Vec::new());
    // One process a seed, two at a time: libraries keep counters that seeds would share.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        return;
                    }
                    let seed = seed.to_string();
                    let output = simulate(&[&["--seed", &seed], arguments].concat());
                    println!("{}", text(&output).trim());
                    if !output.status.success() {
                        failed.lock().push(text(&output));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_seed_replays_to_the_same_end() {
    let run = || simulate(&["--seed", "7", "--seconds", REPLAYED_SECONDS]);
    let (first, second) = (run(), run());
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said(&first).contains("history "), "{}", text(&first));
    assert_eq!(said(&first), said(&second), "what one seed does, it does again");
}

#[test]
fn a_log_that_acknowledges_before_its_sync_is_found() {
    must_be_found("log-ack-before-sync", &["--seconds", SECONDS], &format!("{LOSS}knows it"));
}

#[test]
fn a_node_that_reads_no_pledges_is_found() {
    let arguments = ["--seconds", SECONDS, "--disks"];
    // Mostly the history meets it first: what was agreed on once was agreed on again, and differently.
    let harms = [&*format!("{LOSS}knows it"), "another fact is recorded at "];
    must_be_found_by("pledges-unread", &arguments, &harms);
}

#[test]
fn disks_of_contents_that_lie_are_found() {
    let loss = format!("{LOSS}holds its content");
    must_be_found("content-lies", &["--seconds", SECONDS], &loss);
}

/// Whatever becomes of it: of the entry, which is forgotten at the next start, or of the content.
#[test]
fn an_append_that_is_acknowledged_before_its_content_is_found() {
    must_be_found("append-ack-before-record", &["--seconds", SECONDS], LOSS);
}

#[test]
fn ticks_that_follow_a_clock_are_found() {
    let arguments = ["--seconds", "120", "--clocks"];
    must_be_found("ticks-by-clock", &arguments, "expired before its time");
}

#[test]
fn a_program_that_differs_is_found() {
    // By the digest of the writes, which names the entry; whatever else goes wrong follows from it.
    let harms = ["they do not. Two programs apply", "do not agree with it. Two programs apply"];
    must_be_found_by("program-differs", &["--seconds", SECONDS], &harms);
}

/// By what the oracle says of the bug's own harm.
fn must_be_found(bug: &str, arguments: &[&str], how: &str) {
    must_be_found_by(bug, arguments, &[how]);
}

/// By one of several harms that are the bug's own.
fn must_be_found_by(bug: &str, arguments: &[&str], harms: &[&str]) {
    for seed in 1000..1000 + PATIENCE {
        let seed = seed.to_string();
        let output = simulate(&[&["--seed", &seed, "--plant", bug], arguments].concat());
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = output.status.code() == Some(1) && said.contains("FAILED");
        if failed && harms.iter().any(|harm| said.contains(harm)) {
            println!("{bug} was found by seed {seed}: {}", text(&output).trim());
            return;
        }
    }
    panic!("{bug} was not found by {PATIENCE} seeds: the simulation is blind to it");
}
