//! Circulars: packets of many targets beside as many packets of one target.
//!
//! Both ways make the same number of deliveries, and each delivery is accepted and confirmed by its own
//! target. Compared are deliveries a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    field::Field,
    figures::{Report, round},
    submit::Costs,
};
use crate::{
    harness::{Party, digest_of},
    wire::{Conn, Endpoint, Request},
};

/// Targets of a circular: the most that a packet may have.
const TARGETS: usize = 512;
/// Circulars of a point.
const CIRCULARS: usize = 4;
/// Connections, each with one request under way.
const CONNECTIONS: usize = 16;
/// What each packet carries.
const CONTENT: &[u8] = b"a circular of the load";

/// A delivery that waits for its target: which one, and the packet.
type Waiting = (usize, String);

/// Registers the targets and measures both ways.
pub async fn point(field: &mut Field, report: &mut Report) -> Result<()> {
    let mut targets = Vec::with_capacity(TARGETS);
    for number in 0..TARGETS {
        targets.push(field.cluster.party(&format!("H41.93.{number:03}"), &["receive"]).await?);
    }
    let targets = Arc::new(targets);
    for (mode, at_once) in [("circular", TARGETS), ("single", 1)] {
        let (line, sent, received) = way(field, &targets, at_once).await?;
        let mut line = line;
        let deliveries = (CIRCULARS * TARGETS) as f64;
        let rate = |took: Duration| json!(round(deliveries / took.as_secs_f64(), 1));
        line.insert("targets".into(), json!(at_once));
        line.insert("deliveries".into(), json!(deliveries));
        line.insert("sent_s".into(), rate(sent));
        line.insert("received_s".into(), rate(received));
        line.insert("ops_s".into(), rate(sent + received));
        report.add(mode, Value::Object(line));
    }
    Ok(())
}

/// All deliveries one way: what they cost, how long sending took, and how long receiving.
async fn way(
    field: &Field,
    targets: &Arc<Vec<Party>>,
    at_once: usize,
) -> Result<(serde_json::Map<String, Value>, Duration, Duration)> {
    let doors = field.doors().await?;
    let costs = Costs::begin(field);
    let begun = Instant::now();
    let packets = CIRCULARS * TARGETS / at_once;
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for worker in 0..CONNECTIONS {
        let (door, source) = (doors[worker % doors.len()].clone(), field.source.clone());
        let (next, targets) = (next.clone(), targets.clone());
        senders.spawn(async move { send(&door, &source, &targets, at_once, packets, &next).await });
    }
    let mut waiting = Vec::with_capacity(CIRCULARS * TARGETS);
    for sent in senders.join_all().await {
        waiting.extend(sent?);
    }
    let sent = begun.elapsed();
    let begun = Instant::now();
    let waiting = Arc::new(waiting);
    let next = Arc::new(AtomicUsize::new(0));
    let mut receivers = JoinSet::new();
    for worker in 0..CONNECTIONS {
        let door = doors[worker % doors.len()].clone();
        let (next, targets, waiting) = (next.clone(), targets.clone(), waiting.clone());
        receivers.spawn(async move { receive(&door, &targets, &waiting, &next).await });
    }
    for received in receivers.join_all().await {
        received?;
    }
    let received = begun.elapsed();
    let mut line = serde_json::Map::new();
    costs.put((CIRCULARS * TARGETS) as u64, &mut line);
    Ok((line, sent, received))
}

async fn send(
    door: &Arc<Endpoint>,
    source: &Party,
    targets: &[Party],
    at_once: usize,
    packets: usize,
    next: &AtomicUsize,
) -> Result<Vec<Waiting>> {
    let mut conn = Conn::new(door);
    let mut waiting = Vec::new();
    loop {
        let number = next.fetch_add(1, Relaxed);
        if number >= packets {
            return Ok(waiting);
        }
        let first = number * at_once % targets.len();
        let to: Vec<&str> =
            targets[first..first + at_once].iter().map(|target| target.unit.as_str()).collect();
        let request = Party::submission(&to, "circular", "circular.txt", CONTENT, "");
        let answer = conn.call(&source.key.sign(&door.authority, request)).await?.success()?;
        let packet = answer.text("/packet");
        waiting.extend((first..first + at_once).map(|target| (target, packet.clone())));
    }
}

async fn receive(
    door: &Arc<Endpoint>,
    targets: &[Party],
    waiting: &[Waiting],
    next: &AtomicUsize,
) -> Result<()> {
    let mut conn = Conn::new(door);
    let digest = digest_of(CONTENT);
    while let Some((target, packet)) = waiting.get(next.fetch_add(1, Relaxed)) {
        let key = &targets[*target].key;
        let accept = Request::new("POST", format!("/v1/packets/{packet}/accept"));
        conn.call(&key.sign(&door.authority, accept)).await?.success().context("an accept")?;
        let body = json!({ "digest": digest });
        let confirm = Request::post(format!("/v1/packets/{packet}/confirm"), &body);
        conn.call(&key.sign(&door.authority, confirm)).await?.success().context("a receipt")?;
    }
    Ok(())
}
