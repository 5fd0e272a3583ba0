//! Durable submits: a closed loop of small packets in one round trip.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use super::{
    Args,
    field::{Field, Maker},
    figures::{Latencies, Report, round},
    machine,
};
use crate::wire::{Conn, Endpoint};

/// Before the measured time, as the peers' client has it.
pub const WARM: Duration = Duration::from_millis(500);
/// Requests of a worker that are made before the measured time, where that is asked for.
const PREPARED: u64 = 4;
/// A pause after an error, so that a node that refuses is not flooded.
const ERROR_PAUSE: Duration = Duration::from_millis(20);

/// The measured time of a point.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    begin: Instant,
    end: Instant,
}

impl Window {
    /// Begins after the warm-up.
    pub fn of(secs: u64) -> Self {
        let begin = Instant::now() + WARM;
        Self { begin, end: begin + Duration::from_secs(secs) }
    }

    /// Whether there is more to do.
    pub fn open(&self) -> bool {
        Instant::now() < self.end
    }

    /// Whether what ends now counts.
    pub fn counts(&self) -> bool {
        (self.begin..=self.end).contains(&Instant::now())
    }
}

/// What one point costs the nodes and this client.
#[derive(Debug)]
pub struct Costs {
    nodes: Vec<(u32, Duration)>,
    own: Duration,
    counts: Counts,
}

/// What all nodes have done so far. Counts hardly depend on how busy a machine is.
#[derive(Debug, Clone, Copy)]
struct Counts {
    switches: u64,
    datagrams: u64,
    written: u64,
}

impl Counts {
    fn of(nodes: &[u32]) -> Self {
        let sum = |count: fn(u32) -> u64| nodes.iter().map(|pid| count(*pid)).sum();
        // Nodes of one machine share its network, and so its count.
        let datagrams = nodes.first().map_or(0, |pid| machine::datagrams(*pid));
        Self { switches: sum(machine::switches), datagrams, written: sum(machine::process_written) }
    }
}

impl Costs {
    /// Begins to count.
    pub fn begin(field: &Field) -> Self {
        let pids = field.pids();
        let nodes = pids.iter().map(|&pid| (pid, machine::cpu(pid))).collect();
        Self { nodes, own: machine::cpu(std::process::id()), counts: Counts::of(&pids) }
    }

    /// Adds to a point what a packet cost all nodes together (processor time, context switches, datagrams,
    /// octets sent to the disk), and their memory now.
    pub fn put(&self, total: u64, point: &mut Map<String, Value>) {
        let each = |spent: Duration| round(spent.as_micros() as f64 / total.max(1) as f64, 1);
        let spent =
            self.nodes.iter().map(|(pid, before)| machine::cpu(*pid).saturating_sub(*before));
        let per_node: Vec<f64> = spent.clone().map(each).collect();
        let own = machine::cpu(std::process::id()).saturating_sub(self.own);
        let rss: Vec<f64> =
            self.nodes.iter().map(|(pid, _)| round(machine::rss_mib(*pid), 1)).collect();
        point.insert("node_cpu_us_per_msg".into(), json!(each(spent.sum())));
        point.insert("cpu_us_per_msg_by_node".into(), json!(per_node));
        point.insert("client_cpu_us_per_msg".into(), json!(each(own)));
        point.insert("rss_mib".into(), json!(rss));
        let pids: Vec<u32> = self.nodes.iter().map(|(pid, _)| *pid).collect();
        let (now, before) = (Counts::of(&pids), self.counts);
        let counted = [
            ("switches_per_msg", now.switches, before.switches),
            ("datagrams_per_msg", now.datagrams, before.datagrams),
            ("written_per_msg", now.written, before.written),
        ];
        for (key, now, before) in counted {
            let each = now.saturating_sub(before) as f64 / total.max(1) as f64;
            point.insert(key.into(), json!(round(each, 2)));
        }
    }
}

/// What the workers of a point have seen together.
#[derive(Debug, Default)]
pub struct Seen {
    /// Of the submits that were accepted in the measured time.
    pub latencies: Latencies,
    /// Submits that were not.
    pub errors: u64,
    /// What the first of them said.
    pub first_error: Option<String>,
}

impl Seen {
    /// Adds what another worker has seen.
    pub fn merge(&mut self, one: Self) {
        self.latencies.merge(&one.latencies);
        self.errors += one.errors;
        self.first_error = self.first_error.take().or(one.first_error);
    }
}

/// One point; the packets go to a unit that keeps them.
pub async fn point(
    mode: &str,
    conc: usize,
    size: usize,
    args: &Args,
    field: &mut Field,
    report: &mut Report,
) -> Result<()> {
    let run = field.next_run();
    let doors = field.doors().await?;
    let ids = Arc::new(AtomicU64::new(1));
    let costs = Costs::begin(field);
    let window = Window::of(args.secs);
    let workers: Vec<_> = (0..conc)
        .map(|worker| {
            let maker = field.maker(run, size, &[&field.store]);
            let door = doors[worker % doors.len()].clone();
            let prepared = if args.prepared { PREPARED } else { 0 };
            tokio::spawn(submit(maker, door, ids.clone(), window, prepared))
        })
        .collect();
    let mut seen = Seen::default();
    for worker in workers {
        seen.merge(worker.await?);
    }
    let total = ids.load(Relaxed) - 1;
    if let Some(error) = &seen.first_error {
        eprintln!("first of {} errors: {error}", seen.errors);
    }
    ensure!(seen.latencies.count() > 0, "not one submit succeeded");
    let mut line = rates(conc, size, seen.latencies.count(), total, args.secs);
    seen.latencies.put("publish", &mut line);
    line.insert("errors".into(), json!(seen.errors));
    costs.put(total, &mut line);
    report.add(mode, Value::Object(line));
    Ok(())
}

/// The figures that all closed loops share.
pub fn rates(conc: usize, size: usize, count: u64, total: u64, secs: u64) -> Map<String, Value> {
    let per_second = count as f64 / secs as f64;
    let mut line = Map::new();
    line.insert("conc".into(), json!(conc));
    line.insert("size".into(), json!(size));
    line.insert("n".into(), json!(count));
    line.insert("total".into(), json!(total));
    line.insert("ops_s".into(), json!(round(per_second, 1)));
    line.insert("mib_s".into(), json!(round(per_second * size as f64 / 1_048_576.0, 2)));
    line
}

/// One worker: a packet after the other, as fast as it is answered.
pub async fn submit(
    mut maker: Maker,
    door: Arc<Endpoint>,
    ids: Arc<AtomicU64>,
    window: Window,
    prepared: u64,
) -> Seen {
    let mut conn = Conn::new(&door);
    let prepared: Vec<_> = (0..prepared).map(|id| maker.request(id).digested()).collect();
    let mut seen = Seen::default();
    while window.open() {
        let id = ids.fetch_add(1, Relaxed);
        let request = match prepared.get(id as usize % prepared.len().max(1)) {
            Some(request) => request.clone(),
            None => maker.request(id),
        };
        let begun = Instant::now();
        let request = maker.source().key.sign(&door.authority, request);
        match conn.call(&request).await.and_then(crate::wire::Answer::success) {
            Ok(_) if window.counts() => seen.latencies.add(begun.elapsed()),
            Ok(_) => {}
            Err(error) => {
                seen.errors += 1;
                seen.first_error.get_or_insert_with(|| format!("{error:#}"));
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
    seen
}
