//! Neighbours: a modest application alone, and beside a greedy one that sends as fast as it can.
//!
//! What is printed is the floor that shares leave to everybody else.

use std::sync::{Arc, atomic::AtomicU64};

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use super::{
    Args,
    field::{Field, Maker},
    figures::{Report, round},
    submit::{Seen, Window, submit},
};
use crate::wire::Endpoint;

/// Connections of the greedy one; each has a packet under way all the time.
const GREEDY: usize = 600;
/// Connections of the modest one.
const MODEST: usize = 4;

/// One point.
pub async fn point(size: usize, args: &Args, field: &mut Field, report: &mut Report) -> Result<()> {
    let run = field.next_run();
    let modest = field.cluster.party(&format!("H41.93.{run:02}"), &["send"]).await?;
    let doors = field.doors().await?;
    let maker = |of: &str| {
        let maker = field.maker(run, size, &[&field.store]);
        if of == "greedy" { maker } else { maker.of(modest.clone()) }
    };
    let (greedy, modest) = (maker("greedy"), maker("modest"));
    let alone = sent(&modest, MODEST, &doors, Window::of(args.secs)).await?;
    let window = Window::of(args.secs);
    let (greedy, beside) =
        tokio::join!(sent(&greedy, GREEDY, &doors, window), sent(&modest, MODEST, &doors, window),);
    let (greedy, beside) = (greedy?, beside?);
    ensure!(alone.latencies.count() > 0, "not one submit succeeded");
    let a_second = |seen: &Seen| seen.latencies.count() as f64 / args.secs as f64;
    let mut line = Map::new();
    let mut put = |key: &str, value: Value| drop(line.insert(key.into(), value));
    put("conc", json!(MODEST));
    put("size", json!(size));
    put("alone_ops_s", json!(round(a_second(&alone), 1)));
    put("beside_ops_s", json!(round(a_second(&beside), 1)));
    put("greedy_ops_s", json!(round(a_second(&greedy), 1)));
    put("kept", json!(round(a_second(&beside) / a_second(&alone), 3)));
    put("errors", json!(alone.errors + beside.errors));
    put("greedy_errors", json!(greedy.errors));
    alone.latencies.put("alone", &mut line);
    beside.latencies.put("beside", &mut line);
    if let Some(error) = beside.first_error.or(alone.first_error) {
        eprintln!("first error of the modest one: {error}");
    }
    report.add("neighbours", Value::Object(line));
    Ok(())
}

/// A closed loop of one application.
async fn sent(maker: &Maker, conc: usize, doors: &[Arc<Endpoint>], window: Window) -> Result<Seen> {
    let ids = Arc::new(AtomicU64::new(1));
    let workers: Vec<_> = (0..conc)
        .map(|worker| {
            let door = doors[worker % doors.len()].clone();
            tokio::spawn(submit(maker.clone(), door, ids.clone(), window, 0))
        })
        .collect();
    let mut seen = Seen::default();
    for worker in workers {
        seen.merge(worker.await?);
    }
    Ok(seen)
}
