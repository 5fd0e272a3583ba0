//! Reconciliation: what this node holds and what the state says come together again (D4).
//!
//! A node that was away first applies up to a read index. Then it destroys only what belongs to a
//! packet that is terminal in the state, or to a space that is past its deadline by the cluster's date
//! and that nothing has claimed for a while of counted time, for dates may jump; and it fetches what
//! live packets claim and it lacks.

use std::{collections::BTreeMap, time::Duration};

use machine::{Command, PacketRecord, RecordHolding, SPACE_TIME_MS, View};
use model::{PacketId, SpaceId, Tick};

use crate::{Error, Exchange};

/// Contents that are looked at in one go; between two the task gives way, so that a sweep does not
/// hold up the exchange.
const PAGE: usize = 500;

/// A sealed packet is given so long to reach its last holder by itself, or to end, before this node
/// fetches it: most packets never cost the second copy's record.
pub(crate) const HOLDING_AFTER: Duration = Duration::from_secs(60);

/// A content whose command may still be on its way is destroyed only after this node has seen for so
/// long that nothing claims it: far longer than a command may take, whatever clocks show.
const UNCLAIMED_MIN: Duration = Duration::from_secs(3600);

/// Since which tick contents that look old have been seen here without a packet that claims them.
pub(crate) type Unclaimed = BTreeMap<SpaceId, Tick>;

/// Holdings that one record names.
const HOLDINGS_A_RECORD_MAX: usize = 500;

impl Exchange {
    /// One round over everything that is held here and everything that is live in the state. Live
    /// contents that were sealed so long ago and are not here are fetched.
    pub(crate) async fn reconcile(&self, holding_after: Duration) -> Result<(), Error> {
        self.consensus().read_index().await?;
        self.destroy_orphans().await?;
        self.fetch_missing(holding_after).await
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
            let orphans: Vec<SpaceId> = {
                let reader = self.consensus().view();
                let view = View::new(&*reader);
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
                let orphans = held.iter().filter(|held| is_orphan(held.packet, held.space));
                orphans.map(|held| held.space).collect()
            };
            if !orphans.is_empty() {
                tracing::info!(
                    count = orphans.len(),
                    "contents without a live packet are destroyed"
                );
                self.content().purge(orphans).await?;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn fetch_missing(&self, holding_after: Duration) -> Result<(), Error> {
        let mut after: Option<(Tick, PacketId)> = None;
        loop {
            let (last, lacking) = {
                let reader = self.consensus().view();
                let view = View::new(&*reader);
                // What a node holds that is no member makes nothing durable (decision 0006).
                if !view.members().contains(&self.node()) {
                    return Ok(());
                }
                let live = view.live(after, PAGE);
                let lacking: Vec<_> = live
                    .iter()
                    .map(|(_, packet)| *packet)
                    .filter(|packet| self.lacks(&view, *packet, holding_after).is_some())
                    .collect();
                (live.last().copied(), lacking)
            };
            if last.is_none() {
                return Ok(());
            }
            after = last;
            let mut held = Vec::new();
            for packet in lacking {
                if self.hold(packet, holding_after).await {
                    held.push(packet);
                }
            }
            for packets in held.chunks(HOLDINGS_A_RECORD_MAX) {
                let (node, packets) = (self.node(), packets.to_vec());
                self.propose(None, Command::RecordHolding(RecordHolding { node, packets })).await?;
            }
            tokio::task::yield_now().await;
        }
    }

    /// A live packet that this node should hold, and does not or is not known to.
    fn lacks<R: machine::Reader + ?Sized>(
        &self,
        view: &View<'_, R>,
        packet: PacketId,
        holding_after: Duration,
    ) -> Option<PacketRecord> {
        let record = view.packet(packet)?;
        let sealed_tick = record.sealed_tick.filter(|_| !record.state.is_terminal())?;
        let claimed = record.holders.contains(&self.node());
        // What the state says is here and is not (a damaged copy, say) is fetched at once.
        let held = claimed && self.content().holds(record.space);
        let young = !claimed && view.clock().tick.since(sealed_tick) < holding_after;
        (!held && !young).then_some(record)
    }

    /// Makes this node a holder of a live packet; answers whether that has to be recorded.
    async fn hold(&self, packet: PacketId, holding_after: Duration) -> bool {
        // It may have ended while others were fetched.
        let record = self.lacks(&View::new(&*self.consensus().now()), packet, holding_after);
        let Some(record) = record else { return false };
        if !self.content().holds(record.space)
            && let Err(error) =
                self.content().fetch(record.space, record.digest, &record.holders).await
        {
            tracing::warn!(%packet, %error, "a content could not be fetched from its holders");
            return false;
        }
        !record.holders.contains(&self.node())
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
    match view.packet(packet) {
        Some(record) if record.space == space && record.state.is_terminal() => Claim::Ended,
        Some(record) if record.space == space => Claim::Live,
        _ if view.clock().date.since(space.minted_at()) > Duration::from_millis(SPACE_TIME_MS) => {
            Claim::None
        }
        _ => Claim::Young,
    }
}
