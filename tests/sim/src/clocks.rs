//! Clock faults: any set of clocks jumps, while the nodes run or while they are down, and comes right
//! again; and what must hold then: nothing ends before its time, who signs by a right clock is let in
//! again, and no signature passes twice.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use auth::{Signed, Whole};
use conductor::Error;
use machine::View;
use model::{DeliveryState, NodeId, UnitCode};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::{oracle::Ledger, plan, world::World};

/// Once the clocks are right everybody is let in after so long: some heartbeats, or an election and a
/// start. Far less than a signature's window.
const LET_IN_WITHIN: Duration = Duration::from_secs(10);
/// Longer than nonces are kept: what a jump makes the cluster forget is forgotten after it.
const QUIET: Duration = Duration::from_secs(400);
/// By how much offices send and ask less where clocks jump, for these runs are long, and while it is
/// quiet.
pub const PACE: u64 = 8;
const QUIET_PACE: u64 = 100;
/// Signatures that are tried again; a new one takes the place of a random one.
const REPLAYS_MAX: usize = 64;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// Lets clocks jump for so long. The last fault is a power cut of all. Every other run has a quiet span
/// under wrong clocks, or after them, on top: they are long.
pub async fn storm(world: World, ledger: Ledger, span: Duration) {
    let (begun, mut slept) = (Instant::now(), Duration::ZERO);
    let (quiet_once, quiet_right) = (world.dice().chance(500), world.dice().chance(300));
    while begun.elapsed() < span + slept {
        let (nodes, offset_ms) = (some_nodes(&world), jump_ms(&world));
        set(&world, &nodes, offset_ms).await;
        let is_quiet = quiet_once && slept.is_zero();
        if is_quiet && !quiet_right {
            slept += quiet(&world).await;
        }
        sleep(Duration::from_millis(1_000 + world.dice().below(6_000))).await;
        match world.dice().below(10) {
            0..3 => sleep(Duration::from_millis(world.dice().below(10_000))).await,
            3..8 => plan::leader_after_a_while(&world).await,
            _ => plan::crash_one(&world).await,
        }
        set(&world, &nodes, 0).await;
        sleep(LET_IN_WITHIN).await;
        for wrong in locked_out(&world) {
            ledger.violation(wrong);
        }
        if is_quiet && quiet_right {
            slept += quiet(&world).await;
        }
    }
    plan::crash_all(&world).await;
}

/// One node, a majority, or all; the leader among them, often.
fn some_nodes(world: &World) -> Vec<NodeId> {
    let mut nodes = world.nodes();
    let leads = |node: &NodeId| world.consensus(*node).is_some_and(|consensus| consensus.leads());
    let leader = nodes.iter().position(leads).filter(|_| world.dice().chance(600));
    let first = leader.unwrap_or_else(|| world.dice().below(nodes.len() as u64) as usize);
    nodes.rotate_left(first);
    nodes.truncate(1 + world.dice().below(nodes.len() as u64) as usize);
    nodes
}

/// Minutes, days or years, ahead or back.
fn jump_ms(world: &World) -> i64 {
    let (unit, most) =
        [(MINUTE_MS, 59), (DAY_MS, 300), (365 * DAY_MS, 20)][world.dice().below(3) as usize];
    let size = (1 + world.dice().below(most) as i64) * unit;
    if world.dice().chance(500) { size } else { -size }
}

/// Sets clocks while the nodes run, or while all of them are down.
async fn set(world: &World, nodes: &[NodeId], offset_ms: i64) {
    let down = world.dice().chance(400);
    if down {
        for node in world.nodes() {
            world.crash(node).await;
        }
    }
    for node in nodes {
        world.set_clock(*node, offset_ms);
    }
    if down {
        sleep(Duration::from_millis(world.dice().below(2_000))).await;
    }
    for node in world.nodes() {
        if !world.is_running(node) {
            world.boot(node).await;
        }
    }
    world.count(if down { "clocks set while down" } else { "clocks set at run" });
}

/// Answers how long it was.
async fn quiet(world: &World) -> Duration {
    world.set_pace(QUIET_PACE);
    sleep(QUIET).await;
    world.set_pace(PACE);
    QUIET
}

/// Nodes that do not let in who signs by a right clock, although all clocks are right.
fn locked_out(world: &World) -> Vec<String> {
    let nodes = world.nodes().into_iter();
    let asked = nodes.filter_map(|node| {
        let signed = world.sign_rightly(&world.exchange(node)?, world.admin(), "GET", "/v1/status");
        match signed {
            Err(Error::Signature(auth::Rejection::ClockOutOfWindow { skew_seconds, .. })) => {
                Some(format!("node {node} locks out who signs rightly, by {skew_seconds} s"))
            }
            _ => None,
        }
    });
    asked.collect()
}

/// Every delivery has thirty days, which no run lasts: one that has expired has expired early.
pub fn expired_early(world: &World, ledger: &Ledger) -> Vec<String> {
    let mut wrong = Vec::new();
    for node in world.nodes() {
        let Some(consensus) = world.consensus(node) else { continue };
        let reader = consensus.view();
        let view = View::new(&*reader);
        for packet in ledger.answered_packets() {
            let Some(record) = view.packet(packet) else { continue };
            let expired = |state| state == DeliveryState::Expired;
            if record.deliveries.iter().any(|delivery| expired(delivery.state)) {
                wrong.push(format!("{packet} expired before its time on node {node}"));
            }
        }
    }
    wrong.truncate(5);
    wrong
}

/// A request that was signed, and the unit to which a packet can be asked for with it.
pub type Replay = (Signed<Whole>, UnitCode);

/// Signatures that have passed, kept by somebody who would like them to pass again. Clones are the same.
#[derive(Clone, Default)]
pub struct Replays(Arc<Mutex<VecDeque<Replay>>>);

impl Replays {
    /// This one has passed; a packet to the unit can be asked for with it.
    pub fn keep(&self, world: &World, caller: Signed<Whole>, unit: UnitCode) {
        let mut kept = self.0.lock();
        if kept.len() >= REPLAYS_MAX {
            let place = world.dice().below(kept.len() as u64) as usize;
            kept.remove(place);
        }
        kept.push_back((caller, unit));
    }

    /// One of them.
    pub fn any(&self, world: &World) -> Option<Replay> {
        let kept = self.0.lock();
        kept.get(world.dice().below(kept.len().max(1) as u64) as usize).cloned()
    }
}
