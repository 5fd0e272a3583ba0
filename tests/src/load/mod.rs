//! The load tool: three node processes, signed requests over TLS, and figures.
//!
//! A closed loop, as the peers' client has it: so many connections, one packet under way on each.
//! The points of a run have the same keys as the peers' lines, so that they can stand side by side.
//! Nothing is tuned for the tool: it says what a client sees.

mod backlog;
mod broadcast;
mod cycle;
mod field;
mod figures;
mod kill;
mod large;
mod machine;
mod neighbours;
mod quiet;
mod stages;
mod submit;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use crate::harness::{Layout, Program};
use field::Field;
use figures::Report;
use stages::Stages;

/// The variable that makes the load tool's program a node.
pub const NODE_VARIABLE: &str = "LOAD_TOOL_IS_A_NODE";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// Durable submits in one round trip, at each size and number of connections.
    Submit,
    /// Full cycles: submit, notice, accept and fetch, confirm.
    Cycle,
    /// A modest application alone, and beside a greedy one: what shares leave to everybody else.
    Neighbours,
    /// One client alone.
    Solo,
    /// Submits of 64 KiB and 1 MiB on 16 connections.
    Sizes,
    /// One large content in by PATCH and out by Range, with the nodes' memory meanwhile.
    Large,
    /// CPU of nodes that have nothing to do.
    Idle,
    /// kill -9 of the leader under load, on a fresh cluster.
    Kill,
    /// A planned stop of the leader under load.
    Stop,
    /// Bytes written to the disk for each packet.
    Disk,
    /// Circulars of 512 targets beside packets of one.
    Broadcast,
    /// Very many packets that wait: rate, memory, disk, restart, and a member removed with them.
    Backlog,
    /// Memory of the nodes now: fresh when it is the first phase, after load when it is a later one.
    Memory,
}

/// Load on a cluster of three nodes on this machine.
#[derive(Debug, Clone, Parser)]
#[command(name = "load")]
pub struct Args {
    /// What to measure, in this order.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "memory,idle,large,solo,submit,cycle,sizes,disk,memory,stop,kill"
    )]
    pub phases: Vec<Phase>,
    /// Octets of a packet's content.
    #[arg(long, value_delimiter = ',', default_value = "1024")]
    pub size: Vec<usize>,
    /// Connections, each with one packet under way.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    pub conc: Vec<usize>,
    /// Seconds of a point, after half a second to warm up.
    #[arg(long, default_value_t = 4)]
    pub secs: u64,
    /// How often the phases (except kill and stop) are gone through.
    #[arg(long, default_value_t = 1)]
    pub rounds: usize,
    /// How often a leader is killed, and how often it is stopped: the figure is a median of ten.
    #[arg(long, default_value_t = 10)]
    pub kills: usize,
    /// Seconds of load around a kill or stop; it comes at a third of them.
    #[arg(long, default_value_t = 9)]
    pub kill_secs: u64,
    /// MiB of the large content.
    #[arg(long, default_value_t = 1024)]
    pub large_mib: u64,
    /// Packets of the backlog.
    #[arg(long, default_value_t = 200_000)]
    pub backlog: u64,
    /// Send each submit with an idempotency key, as a client that may repeat does.
    #[arg(long)]
    pub repeatable: bool,
    /// Make a few requests a connection, digests included, before the measured time, and send them
    /// again and again with fresh signatures: what is measured is then the nodes, not this client.
    #[arg(long)]
    pub prepared: bool,
    /// Connect all clients to the leader instead of to all nodes in turn.
    #[arg(long)]
    pub to_leader: bool,
    /// After each point, print how long packets took from stage to stage, as the nodes count it in /metrics:
    /// in microseconds, at the leader and at the other nodes.
    #[arg(long)]
    pub stages: bool,
    /// Append one JSON line a point to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Keep the nodes' directories here; otherwise they are temporary and go.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Run the nodes by another program: a tracer or profiler and its arguments, split at spaces.
    #[arg(long)]
    pub under: Option<String>,
}

/// Runs the phases.
pub async fn run(args: Args) -> Result<()> {
    let mut program = Program::this_with(NODE_VARIABLE)?;
    if let Some(under) = &args.under {
        program = program.under(&under.split_whitespace().collect::<Vec<_>>());
    }
    let mut report = Report::new(args.json.as_deref())?;
    let outcome = phases(&args, &program, &mut report).await;
    report.summary();
    outcome
}

async fn phases(args: &Args, program: &Program, report: &mut Report) -> Result<()> {
    let (faults, steady): (Vec<Phase>, Vec<Phase>) =
        args.phases.iter().partition(|phase| matches!(phase, Phase::Kill | Phase::Stop));
    if !steady.is_empty() {
        let mut field = Field::make(program, layout(args, "steady"), args, report).await?;
        for _ in 0..args.rounds {
            for phase in &steady {
                let done = steady_phase(*phase, args, &mut field, report).await;
                done.inspect_err(|_| field.cluster.show_logs())
                    .with_context(|| format!("phase {phase:?}"))?;
            }
        }
        field.end().await?;
    }
    for phase in faults {
        // A fresh cluster, as the peers have it, so that earlier phases leave no backlog.
        let mut field = Field::make(program, layout(args, "faults"), args, report).await?;
        let mut watch = Watch::begin(args, &field).await?;
        let done = kill::rounds(phase == Phase::Kill, args, &mut field, report).await;
        done.inspect_err(|_| field.cluster.show_logs())
            .with_context(|| format!("phase {phase:?}"))?;
        watch.show(&field, &format!("{phase:?}").to_lowercase()).await?;
    }
    Ok(())
}

async fn steady_phase(
    phase: Phase,
    args: &Args,
    field: &mut Field,
    report: &mut Report,
) -> Result<()> {
    let mut watch = Watch::begin(args, field).await?;
    match phase {
        Phase::Submit => {
            for &size in &args.size {
                for &conc in &args.conc {
                    submit::point("publish", conc, size, args, field, report).await?;
                    watch.show(field, &format!("submit, {conc} x {size}")).await?;
                }
            }
        }
        Phase::Neighbours => neighbours::point(args.size[0], args, field, report).await?,
        Phase::Solo => submit::point("publish", 1, args.size[0], args, field, report).await?,
        Phase::Sizes => {
            for size in [64 << 10, 1 << 20] {
                submit::point("publish", 16, size, args, field, report).await?;
                watch.show(field, &format!("submit, 16 x {size}")).await?;
            }
        }
        Phase::Cycle => {
            for &size in &args.size {
                for &conc in &args.conc {
                    cycle::point(conc, size, args, field, report).await?;
                    watch.show(field, &format!("cycle, {conc} x {size}")).await?;
                }
            }
        }
        Phase::Large => large::point(args, field, report).await?,
        Phase::Idle => quiet::idle(field, report).await?,
        Phase::Memory => quiet::memory(field, report),
        Phase::Broadcast => broadcast::point(field, report).await?,
        Phase::Backlog => backlog::point(args, field, report).await?,
        Phase::Disk => quiet::disk(args, field, report).await?,
        Phase::Kill | Phase::Stop => {}
    }
    match phase {
        Phase::Submit | Phase::Sizes | Phase::Cycle => Ok(()),
        phase => watch.show(field, &format!("{phase:?}").to_lowercase()).await,
    }
}

/// Shows the stages of a packet's path after each point, where that is asked for.
struct Watch(Option<Stages>);

impl Watch {
    async fn begin(args: &Args, field: &Field) -> Result<Self> {
        Ok(Self(if args.stages { Some(Stages::read(field).await?) } else { None }))
    }

    /// Shows what came since the last time.
    async fn show(&mut self, field: &Field, point: &str) -> Result<()> {
        let Some(before) = &self.0 else { return Ok(()) };
        let now = Stages::read(field).await?;
        eprintln!("stages of {point}:\n{}", now.table(before));
        self.0 = Some(now);
        Ok(())
    }
}

fn layout(args: &Args, part: &str) -> Layout {
    match &args.dir {
        None => Layout::Temporary,
        // A directory that is there already holds somebody's node: each run has its own.
        Some(dir) => Layout::Kept(dir.join(format!(
            "{part}-{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        ))),
    }
}
