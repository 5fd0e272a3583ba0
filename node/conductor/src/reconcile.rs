//! Reconciliation: what this node holds and what the state says come together again (D4).
//!
//! A node that was away first applies up to a read index. Then it destroys only what belongs to a
//! packet that is terminal in the state, or to a space that is past its deadline by the cluster's date
//! and that nothing has claimed for a while of counted time, for dates may jump; and it fetches what
//! live packets claim and it lacks. What no node holds is said to be gone, once every node has
//! answered (D22).

use std::{collections::BTreeMap, time::Duration};

use consensus::Role;
use content::Holding;
use futures_util::future::join_all;
use machine::{
    Command, LOST_A_COMMAND_MAX, PacketRow, RecordHolding, RecordLost, SPACE_TIME_MS, View,
};
use model::{NodeId, PacketId, SpaceId};
use tokio::time::Instant;

use crate::{
    Error, Exchange, Unclaimed,
    census::Tally,
    pages::{PAGE, STEP, rest},
};

/// A sealed packet is given so long to reach its last holder by itself, or to end, before this node
/// fetches it: most packets never cost the second copy's record.
pub(crate) const HOLDING_AFTER: Duration = Duration::from_secs(60);

/// A content whose command may still be on its way is destroyed only after this node has seen for so
/// long that nothing claims it: far longer than a command may take, whatever clocks show.
const UNCLAIMED_MIN: Duration = Duration::from_secs(3600);
/// An identifier may be so much ahead of the date that this node knows, as clocks that show the same date
/// may differ.
const MINTED_AHEAD_MAX: Duration = Duration::from_secs(60);

/// Holdings that one record names.
const HOLDINGS_A_RECORD_MAX: usize = 500;

/// Between two lines of the log that say that contents are gone or not found: people act on it by the
/// day, and a line a packet and round would hide everything else.
const SAID_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What a round of reconciliation left open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// Contents that this node should hold and that nobody who answered gave.
    missing: u64,
    /// Nodes that did not answer, and may hold them.
    away: Vec<NodeId>,
}

impl Looked {
    /// Whether another look is worth while soon.
    pub(crate) fn is_waiting(&self) -> bool {
        self.missing > 0
    }

    fn unheard(&mut self, node: NodeId) {
        if !self.away.contains(&node) {
            self.away.push(node);
        }
    }
}

/// A live content that this node should hold.
struct Lacking {
    packet: PacketId,
    space: SpaceId,
}

/// Who holds what, of those contents that were asked for.
struct Holders {
    /// By space: the nodes that hold it whole. Every space that was asked for is in it.
    whole: BTreeMap<SpaceId, Vec<NodeId>>,
    /// Spaces of which some node may hold a copy, or may not have been heard.
    doubtful: Vec<SpaceId>,
}

impl Exchange {
    /// One round over everything that is held here and everything that is live in the state. Live
    /// contents that were sealed so long ago and are not here are fetched.
    pub(crate) async fn reconcile(&self, holding_after: Duration) -> Result<Looked, Error> {
        self.consensus().read_index().await?;
        self.destroy_orphans().await?;
        let looked = self.fetch_missing(holding_after).await?;
        self.say_missing(&looked).await;
        Ok(looked)
    }

    async fn destroy_orphans(&self) -> Result<(), Error> {
        let (mut after, mut unclaimed) = (None, Unclaimed::new());
        let now = self.consensus().tick();
        loop {
            let held = self.content().list_held(after, PAGE);
            let Some(last) = held.last() else {
                // What was claimed or destroyed meanwhile is left out.
                *self.inner.unclaimed.lock() = unclaimed;
                return Ok(());
            };
            after = Some(last.space);
            let reader = self.consensus().shared_view().await;
            let view = View::new(&*reader);
            let mut orphans = Vec::new();
            for step in held.chunks(STEP) {
                let begun = Instant::now();
                {
                    let before = self.inner.unclaimed.lock();
                    let mut is_orphan = |packet, space| match claim(&view, packet, space) {
                        Claim::Ended => true,
                        Claim::Live | Claim::Young => false,
                        Claim::None => {
                            let since = before.get(&space).copied().unwrap_or(now);
                            unclaimed.insert(space, since);
                            now.since(since) >= UNCLAIMED_MIN
                        }
                    };
                    let found = step.iter().filter(|held| is_orphan(held.packet, held.space));
                    orphans.extend(found.map(|held| held.space));
                }
                rest(begun.elapsed()).await;
            }
            // It keeps old data alive.
            drop(reader);
            if !orphans.is_empty() {
                tracing::info!(
                    count = orphans.len(),
                    "contents without a live packet are destroyed"
                );
                self.inner.discards.destroy(orphans).await?;
            }
        }
    }

    async fn fetch_missing(&self, holding_after: Duration) -> Result<Looked, Error> {
        let mut after: Option<PacketId> = None;
        let mut looked = Looked::default();
        let mut tally = self.inner.census.begin();
        loop {
            let reader = self.consensus().shared_view().await;
            let view = View::new(&*reader);
            // What a node holds that is no member makes nothing durable (decision 0006).
            if !view.members().contains(&self.node()) {
                // What it took in is counted by the members.
                self.inner.census.end(Tally::default());
                return Ok(looked);
            }
            let live = view.live(after, PAGE);
            let Some(last) = live.last() else {
                self.inner.census.end(tally);
                return Ok(looked);
            };
            after = Some(*last);
            let mut lacking = Vec::new();
            for step in live.chunks(STEP) {
                let begun = Instant::now();
                for record in step.iter().filter_map(|packet| view.packet_row(*packet)) {
                    tally.count(&view, &record);
                    if self.is_lacking(&view, &record, holding_after) {
                        lacking.push(Lacking { packet: record.packet, space: record.space });
                    }
                }
                rest(begun.elapsed()).await;
            }
            drop(reader);
            if !lacking.is_empty() {
                self.gather(lacking, holding_after, &mut looked).await?;
            }
        }
    }

    /// Makes this node a holder of what it lacks and somebody has, and says what is gone.
    async fn gather(
        &self,
        lacking: Vec<Lacking>,
        holding_after: Duration,
        looked: &mut Looked,
    ) -> Result<(), Error> {
        let elsewhere: Vec<SpaceId> = lacking
            .iter()
            .map(|lacking| lacking.space)
            .filter(|space| !self.content().holds(*space))
            .collect();
        let holders = self.ask_holders(elsewhere, looked).await;
        let (mut held, mut gone) = (Vec::new(), Vec::new());
        for Lacking { packet, space } in lacking {
            let nodes = holders.whole.get(&space).map(Vec::as_slice).unwrap_or_default();
            match self.hold(packet, nodes, holding_after).await {
                Some(true) => held.push(packet),
                Some(false) => {}
                None if nodes.is_empty() && !holders.doubtful.contains(&space) => gone.push(packet),
                None => looked.missing += 1,
            }
        }
        for packets in held.chunks(HOLDINGS_A_RECORD_MAX) {
            let packets = packets.to_vec();
            self.propose(Command::RecordHolding(RecordHolding { packets })).await?;
        }
        // One node says so for all, and it is the one whose state is never behind.
        if self.consensus().status().role != Role::Leader {
            looked.missing += gone.len() as u64;
            return Ok(());
        }
        for packets in gone.chunks(LOST_A_COMMAND_MAX) {
            let packets = packets.to_vec();
            self.propose(Command::RecordLost(RecordLost { packets })).await?;
        }
        Ok(())
    }

    /// Asks every node that belongs to the cluster for these contents, one message each. A node that
    /// was removed is out of reach; whichever other may ever have held one is asked.
    async fn ask_holders(&self, spaces: Vec<SpaceId>, looked: &mut Looked) -> Holders {
        let mut holders = Holders {
            whole: spaces.iter().map(|space| (*space, Vec::new())).collect(),
            doubtful: Vec::new(),
        };
        if spaces.is_empty() {
            return holders;
        }
        for space in &spaces {
            // What lies here and is no whole copy may be one that cannot be read now.
            if self.content().holding(*space).await != Holding::Nothing {
                holders.doubtful.push(*space);
            }
        }
        let others = self.core().present_nodes().into_iter().map(|record| record.node);
        let asked = others.filter(|node| *node != self.node()).map(|node| {
            let spaces = spaces.clone();
            async move { (node, self.content().ask_holdings(node, spaces).await) }
        });
        for (node, answer) in join_all(asked).await {
            let Some(holdings) = answer else {
                looked.unheard(node);
                holders.doubtful.clone_from(&spaces);
                continue;
            };
            for (space, holding) in spaces.iter().zip(holdings) {
                match holding {
                    Holding::Nothing => {}
                    Holding::Whole => holders.whole.entry(*space).or_default().push(node),
                    Holding::Unread => holders.doubtful.push(*space),
                }
            }
        }
        holders
    }

    /// A live packet that this node should hold, and does not or is not known to.
    fn lacks<R: machine::Reader + ?Sized>(
        &self,
        view: &View<'_, R>,
        packet: PacketId,
        holding_after: Duration,
    ) -> Option<PacketRow> {
        view.packet_row(packet).filter(|record| self.is_lacking(view, record, holding_after))
    }

    /// Whether this node should hold a packet, and does not or is not known to.
    fn is_lacking<R: machine::Reader + ?Sized>(
        &self,
        view: &View<'_, R>,
        record: &PacketRow,
        holding_after: Duration,
    ) -> bool {
        let Some(sealed_tick) = record.sealed_tick.filter(|_| record.ended.is_none()) else {
            return false;
        };
        let here = self.content().holds(record.space);
        // Nobody is asked again and again for what is gone; a node whose disk came back says so.
        if record.lost_at.is_some() {
            return here;
        }
        let claimed = record.holders.contains(&self.node());
        // What the state says is here and is not (a damaged copy, say) is fetched at once.
        let held = claimed && here;
        let young = !claimed && view.clock().tick.since(sealed_tick) < holding_after;
        !held && !young
    }

    /// Makes this node a holder of a live packet; answers whether that has to be recorded, and none
    /// where nobody gives the content.
    async fn hold(
        &self,
        packet: PacketId,
        nodes: &[NodeId],
        holding_after: Duration,
    ) -> Option<bool> {
        // It may have ended while others were fetched.
        let record =
            self.consensus().peek(|rows| self.lacks(&View::new(rows), packet, holding_after));
        let Some(record) = record else { return Some(false) };
        if !self.content().holds(record.space) {
            match self.content().fetch(record.space, record.digest, nodes).await {
                Ok(()) => {}
                // Its writer is sending it: the next round finds it whole.
                Err(content::Error::Busy { .. }) => return Some(false),
                Err(error) => {
                    tracing::debug!(%packet, %error, "a content could not be fetched from its holders");
                    return None;
                }
            }
        }
        Some(!record.holders.contains(&self.node()))
    }

    /// Says once a day, and not once a packet and round, that contents are gone or not found.
    async fn say_missing(&self, looked: &Looked) {
        use std::sync::atomic::Ordering::Relaxed;
        self.content().metrics().missing.store(looked.missing, Relaxed);
        let leads = self.consensus().status().role == Role::Leader;
        let lost = match leads {
            true => View::new(&*self.consensus().shared_view().await).lost_count(),
            false => 0,
        };
        let mut said = self.inner.missing_said.lock();
        if looked.missing == 0 && lost == 0 {
            *said = None;
            return;
        }
        if said.is_none_or(|at| at.elapsed() >= SAID_EVERY) {
            *said = Some(Instant::now());
            tracing::warn!(
                gone = lost, not_found = looked.missing, away = ?looked.away,
                "contents of live packets are gone, or not found yet: `lgsp check` says more"
            );
        }
    }
}

/// What the state says of a content that is held.
enum Claim {
    /// A packet needs it.
    Live,
    /// Its packet has ended.
    Ended,
    /// No packet is known; its command may still be on its way.
    Young,
    /// No packet is known, and by the cluster's date its time is over.
    None,
}

fn claim<R: machine::Reader + ?Sized>(
    view: &View<'_, R>,
    packet: PacketId,
    space: SpaceId,
) -> Claim {
    match view.packet_row(packet) {
        Some(record) if record.space == space && record.ended.is_some() => Claim::Ended,
        Some(record) if record.space == space => Claim::Live,
        _ => {
            let (date, minted_at) = (view.clock().date, space.minted_at());
            let old = date.since(minted_at) > Duration::from_millis(SPACE_TIME_MS);
            // Minted under a clock that was ahead: how old it is nobody knows, and the while of counted
            // time that nothing may claim it is long enough.
            let ahead = minted_at.since(date) > MINTED_AHEAD_MAX;
            if old || ahead { Claim::None } else { Claim::Young }
        }
    }
}
