//! The field that the load is driven on: a cluster, its sources and its targets.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use rand::Rng;
use serde_json::json;

use super::{
    Args,
    figures::{Report, round},
};
use crate::{
    harness::{Cluster, Layout, NodeProcess, Party, Program, eventually_quick},
    wire::{Endpoint, Request},
};

/// Units that receive; as many as the peers' client has consumers.
pub const TARGET_COUNT: usize = 2;
/// One application sends all that the load sends: the bound of a node would be what is measured.
const REQUESTS_A_SECOND: i64 = 1_000_000;
/// A backlog lies at one target.
const OPEN_PACKETS_A_TARGET: i64 = 10_000_000;
/// How long a cluster may take until its first durable write.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// A cluster with parties.
#[derive(Debug)]
pub struct Field {
    /// The nodes.
    pub cluster: Cluster,
    /// The unit that sends.
    pub source: Party,
    /// Units whose packets stay: submits alone go to them.
    pub store: Party,
    /// Units that receive and confirm.
    pub targets: Vec<Party>,
    to_leader: bool,
    repeatable: bool,
    filler: Vec<u8>,
    /// Tells the packets of one point from those of another.
    run: u64,
}

impl Field {
    /// Starts the nodes and registers the parties; reports how long a start takes.
    pub async fn make(
        program: &Program,
        layout: Layout,
        args: &Args,
        report: &mut Report,
    ) -> Result<Self> {
        let begun = Instant::now();
        let unbound = |node: &NodeProcess| {
            node.configure(|config| {
                let limits = config.entry("limits").or_insert_with(|| toml::Table::new().into());
                let limits = limits.as_table_mut().expect("limits are a table");
                limits.insert("requests_a_second".into(), REQUESTS_A_SECOND.into());
                limits.insert("open_packets_a_target".into(), OPEN_PACKETS_A_TARGET.into());
            })
        };
        let mut cluster = Cluster::start_in(program, 3, layout, unbound).await?;
        let source = cluster.party("H41.90", &["send"]).await?;
        let store = cluster.party("H41.91", &["receive"]).await?;
        let mut targets = Vec::new();
        for number in 0..TARGET_COUNT {
            targets.push(cluster.party(&format!("H41.92.{number:02}"), &["receive"]).await?);
        }
        let formed = begun.elapsed();
        for node in &mut cluster.nodes {
            node.stop().await?;
        }
        let largest = args.size.iter().copied().max().unwrap_or(0).max(1 << 20);
        let mut filler = vec![0; largest];
        // It must not compress, and need not be secret.
        rand::rng().fill_bytes(&mut filler);
        let mut field = Self {
            cluster,
            source,
            store,
            targets,
            to_leader: args.to_leader,
            repeatable: args.repeatable,
            filler,
            run: 0,
        };
        let ready = field.first_write().await?;
        let point = json!({ "ready_s": round(ready.as_secs_f64(), 2), "formed_s": round(formed.as_secs_f64(), 2) });
        report.add("start", point);
        field.cluster.whole().await?;
        Ok(field)
    }

    /// Starts all nodes and waits for the first durable write.
    async fn first_write(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        for node in &mut self.cluster.nodes {
            node.start()?;
        }
        let endpoints = self.cluster.endpoints();
        let mut turn = 0;
        eventually_quick("the first write is durable", START_TIME_MAX, async || {
            turn += 1;
            let at = &endpoints[turn % endpoints.len()];
            let answer = self
                .source
                .submit(at, &[&self.store.unit], "start", b"start", "start")
                .await
                .ok()?;
            answer.is_success().then_some(())
        })
        .await?;
        Ok(begun.elapsed())
    }

    /// Stops all nodes and starts them again; how long it takes until the first durable write.
    pub async fn restart(&mut self) -> Result<Duration> {
        self.end().await?;
        let ready = self.first_write().await?;
        self.cluster.whole().await?;
        Ok(ready)
    }

    /// Ends the nodes that run, as who runs them would: one that is killed leaves nothing to a profiler, nor the counts
    /// of a build that counts.
    pub async fn end(&mut self) -> Result<()> {
        for node in &mut self.cluster.nodes {
            if node.is_running() {
                node.stop().await?;
            }
        }
        Ok(())
    }

    /// Begins a new point: its packets are told from others by the number in their titles.
    pub fn next_run(&mut self) -> u64 {
        self.run += 1;
        self.run
    }

    /// The nodes that clients connect to, in turn.
    pub async fn doors(&self) -> Result<Vec<Arc<Endpoint>>> {
        if self.to_leader {
            return Ok(vec![self.cluster.endpoint(self.cluster.leader().await?)]);
        }
        Ok(self.cluster.endpoints())
    }

    /// What makes the requests of one worker.
    pub fn maker(&self, run: u64, size: usize, targets: &[&Party]) -> Maker {
        Maker {
            source: self.source.clone(),
            targets: targets.iter().map(|party| party.unit.clone()).collect(),
            content: self.filler[..size].to_vec(),
            repeatable: self.repeatable,
            run,
        }
    }

    /// The process ids of the nodes that run.
    pub fn pids(&self) -> Vec<u32> {
        self.cluster.nodes.iter().filter_map(|node| node.pid()).collect()
    }
}

/// Makes submits. The title carries run and number; so does the beginning of the content.
#[derive(Debug, Clone)]
pub struct Maker {
    source: Party,
    targets: Vec<String>,
    content: Vec<u8>,
    repeatable: bool,
    run: u64,
}

impl Maker {
    /// The same, always with an idempotency key.
    pub fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    /// The same, sent by another party.
    pub fn of(self, source: Party) -> Self {
        Self { source, ..self }
    }

    /// The content of a packet.
    pub fn content(&mut self, id: u64) -> &[u8] {
        if let Some(start) = self.content.first_chunk_mut() {
            *start = id.to_be_bytes();
        }
        &self.content
    }

    /// The title of a packet.
    pub fn title(&self, id: u64) -> String {
        format!("load {}-{id}", self.run)
    }

    /// The request that submits a packet, not yet signed.
    pub fn request(&mut self, id: u64) -> Request {
        let target = self.targets[id as usize % self.targets.len()].clone();
        let title = self.title(id);
        let repeat =
            if self.repeatable { format!("load-{}-{id}", self.run) } else { String::new() };
        self.content(id);
        Party::submission(&[&target], &title, "load.bin", &self.content, &repeat)
    }

    /// The source, which signs.
    pub fn source(&self) -> &Party {
        &self.source
    }
}

/// The number in a title of a run.
pub fn id_in(run: u64, title: &str) -> Option<u64> {
    let (of, id) = title.strip_prefix("load ")?.split_once('-')?;
    (of.parse() == Ok(run)).then(|| id.parse().ok())?
}
