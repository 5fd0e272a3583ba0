//! A member leaves: whether something would go with it that no other has, and the steps until it is removed.

use std::collections::BTreeSet;

use consensus::{Role, Standing};
use content::Holding;
use futures_util::future::join_all;
use machine::{Command, NodeRecord, Outcome, Refusal, ReleaseHoldings, RemoveNode, View};
use model::{NodeId, PacketId, SpaceId};
use tokio::time::Instant;

use crate::{
    members::{Error, MemberStatus, Members},
    pages::{PAGE, STEP, rest},
    ports::Vitals,
};

/// So many live packets are looked through at most: some seconds of reading.
const LOOKED_AT_MAX: usize = 200_000;

/// Contents are counted up to this number: beyond it, how many there are changes nothing.
const COUNTED_MAX: usize = 1_000;

/// Live packets that one command takes a leaving member off: a millisecond of an entry on each node, so that clients
/// do not notice hundreds of these; and together more than they submit meanwhile, which is gone through, too.
const RELEASED_A_COMMAND: u32 = 128;

impl Members {
    /// Takes the next steps of members that leave, as far as that goes now. Only the leader does.
    pub(crate) async fn release_leavers(&self) -> Result<(), Error> {
        if self.0.core.consensus.status().role != Role::Leader {
            return Ok(());
        }
        let leaving = |record: &NodeRecord| record.leaving.is_some();
        for record in self.0.core.present_nodes().into_iter().filter(leaving) {
            self.release(record.node).await?;
        }
        Ok(())
    }

    async fn release(&self, node: NodeId) -> Result<(), Error> {
        'released: loop {
            let through = match self.held_by_enough(node).await {
                Ok(through) => through,
                Err(space) => {
                    // Whoever lacks it fetches it; the next round goes on here.
                    tracing::debug!(%node, ?space, "a content of a node that leaves is with too few others");
                    return Ok(());
                }
            };
            for _ in 0..PAGE / RELEASED_A_COMMAND as usize {
                let release = ReleaseHoldings { node, packets_max: RELEASED_A_COMMAND, through };
                match self.0.core.propose(Command::ReleaseHoldings(release)).await? {
                    Outcome::HoldingsReleased { is_released: true, .. } => break 'released,
                    // The others copy its content; the next round goes on here.
                    Outcome::HoldingsReleased { needed_for: Some(packet), .. } => {
                        tracing::debug!(%node, %packet, "a node that leaves is still needed");
                        return Ok(());
                    }
                    _ => {}
                }
            }
        }
        // Consensus lets it go first: once it is removed nobody hears it any more, and its vote may be needed to
        // change who votes.
        let status = self.0.core.consensus.status();
        if status.voters.contains(&node) || status.learners.contains(&node) {
            if node == self.0.core.node {
                // The next leader goes on.
                self.0.core.step_down().await;
                return Ok(());
            }
            if let Err(error) = self.0.core.consensus.remove(node).await {
                tracing::warn!(%node, %error, "a node that leaves still votes");
                return Ok(());
            }
        }
        self.0.core.propose(Command::RemoveNode(RemoveNode { node })).await?;
        Ok(())
    }

    /// Through which live packet the next commands may take a leaving member off, none for all of them; or a content
    /// that they would take it off and that too few members have, none where the view does not show yet that it leaves.
    ///
    /// All members count as holders of a content that rode with its entry, those too that lag behind: who leaves
    /// because its disk goes, say, leaves nothing with them. So they are asked. What is sealed from now on names nobody
    /// who leaves.
    async fn held_by_enough(&self, node: NodeId) -> Result<Option<PacketId>, Option<SpaceId>> {
        let (members, spaces, through) = {
            let reader = self.0.core.consensus.shared_view().await;
            let view = View::new(&*reader);
            let leaving = view.node(node).and_then(|record| record.leaving).ok_or(None)?;
            // Who is given up is not waited for.
            if leaving.gives_up || !leaving.was_member || leaving.is_released {
                return Ok(None);
            }
            let held = |packet: &PacketId| {
                let row = view.packet_row(*packet)?;
                let is_held = row.sealed_at.is_some() && row.lost_at.is_none();
                (is_held && row.holders.contains(&node)).then_some(row.space)
            };
            let live = view.live(leaving.released_to, PAGE);
            let mut spaces = Vec::with_capacity(live.len());
            for step in live.chunks(STEP) {
                let begun = Instant::now();
                spaces.extend(step.iter().filter_map(held));
                rest(begun.elapsed()).await;
            }
            (view.members(), spaces, live.get(PAGE - 1).copied())
        };
        if spaces.is_empty() {
            return Ok(through);
        }
        let answers = members.iter().map(|member| self.holdings_of(*member, spaces.clone()));
        let answers: Vec<Vec<Holding>> = join_all(answers).await.into_iter().flatten().collect();
        let wanting = spaces.into_iter().enumerate().find(|(at, _)| {
            let whole = answers.iter().filter(|answer| answer.get(*at) == Some(&Holding::Whole));
            whole.count() * 2 <= members.len()
        });
        wanting.map_or(Ok(through), |(_, space)| Err(Some(space)))
    }

    async fn holdings_of(&self, member: NodeId, spaces: Vec<SpaceId>) -> Option<Vec<Holding>> {
        if member != self.0.core.node {
            return self.0.content.ask_holdings(member, spaces).await;
        }
        let mut holdings = Vec::with_capacity(spaces.len());
        for space in spaces {
            holdings.push(self.0.content.holding(space).await);
        }
        Some(holdings)
    }

    /// Notes in a status which members have told of entries that no other holds.
    pub(crate) fn tell_who_holds_more(&self, members: &mut [MemberStatus]) {
        for (node, heard) in self.0.core.consensus.heard() {
            let theirs = members
                .iter()
                .filter(|member| member.record.node != node)
                .filter_map(|member| member.vitals.as_ref())
                .map(|vitals| vitals.applied)
                .max();
            let known = members.iter_mut().find(|member| member.record.node == node);
            let Some(member) = known.filter(|member| member.record.removed_at.is_none()) else {
                continue;
            };
            let apart = matches!(heard.standing, Standing::Apart(_));
            let ahead = theirs.is_some_and(|theirs| heard.committed > theirs.saturating_add(1));
            member.holds_more = apart || (ahead && member.vitals.is_none());
            member.standing.get_or_insert_with(|| heard.standing.word().to_owned());
        }
    }

    /// Refuses where entries or contents would be lost with a member, as far as the others that
    /// answer can tell.
    pub(crate) async fn nothing_goes_with(&self, node: NodeId) -> Result<(), Error> {
        let others = self.0.core.present_nodes().into_iter().map(|record| record.node);
        let others: Vec<NodeId> = others.filter(|other| *other != node).collect();
        let asked = others.iter().map(|other| self.vitals_of(*other));
        let vitals: Vec<Option<Vitals>> = join_all(asked).await;
        let theirs = vitals.iter().flatten().map(|vitals| vitals.applied).max().unwrap_or_default();
        let answer = others.into_iter().zip(&vitals).filter(|(_, vitals)| vitals.is_some());
        let alive: BTreeSet<NodeId> = answer.map(|(other, _)| other).collect();
        // Those who vote without it must be able to go on: what has begun to leave is not taken back.
        let voters =
            self.0.core.consensus.status().voters.into_iter().filter(|voter| *voter != node);
        let (alive_count, count) = voters.fold((0, 0), |(alive_count, count), voter| {
            (alive_count + usize::from(alive.contains(&voter)), count + 1)
        });
        if alive_count * 2 <= count {
            return Err(Error::from(Refusal::NodeNeeded));
        }

        let heard = self.0.core.consensus.heard().into_iter().find(|(heard, _)| *heard == node);
        let entries = heard.is_some_and(|(_, heard)| {
            matches!(heard.standing, Standing::Apart(_))
                || heard.committed > theirs.saturating_add(1)
        });
        let contents = self.contents_only_with(node, alive).await;
        if entries || contents > 0 {
            return Err(Error::OnlyCopy { node, entries, contents });
        }
        Ok(())
    }

    async fn vitals_of(&self, node: NodeId) -> Option<Vitals> {
        if node == self.0.core.node {
            return Some(self.0.nodes.own_vitals());
        }
        self.0.nodes.vitals(node).await
    }

    /// How many live contents this member holds and none of those that are alive does.
    async fn contents_only_with(&self, node: NodeId, alive: BTreeSet<NodeId>) -> usize {
        let (mut after, mut looked_at, mut count) = (None, 0, 0);
        loop {
            let reader = self.0.core.consensus.shared_view().await;
            let view = View::new(&*reader);
            let live = view.live(after, PAGE);
            for step in live.chunks(STEP) {
                let begun = Instant::now();
                let only = step.iter().filter(|packet| {
                    view.packet_row(**packet).is_some_and(|record| {
                        record.holders.contains(&node)
                            && record.ended.is_none()
                            && !record.holders.iter().any(|holder| alive.contains(holder))
                    })
                });
                count += only.count();
                rest(begun.elapsed()).await;
            }
            looked_at += PAGE;
            after = live.last().copied();
            if after.is_none() || count >= COUNTED_MAX || looked_at >= LOOKED_AT_MAX {
                return count.min(COUNTED_MAX);
            }
        }
    }
}
