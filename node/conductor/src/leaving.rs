//! Before a member is removed: whether something would go with it that no other has.

use std::collections::BTreeSet;

use consensus::Standing;
use futures_util::future::join_all;
use machine::View;
use model::NodeId;

use crate::{Error, Exchange, MemberStatus, Vitals};

/// Packets are looked through in pages of so many.
const PAGE: usize = 500;

/// So many live packets are looked through at most: some seconds of reading.
const LOOKED_AT_MAX: usize = 200_000;

/// Contents are counted up to this number: beyond it, how many there are changes nothing.
const COUNTED_MAX: usize = 1_000;

impl Exchange {
    /// Notes in a status which members have told of entries that no other holds.
    pub(crate) fn tell_who_holds_more(&self, members: &mut [MemberStatus]) {
        for (node, heard) in self.consensus().heard() {
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
        let others = self.present_nodes().into_iter().map(|record| record.node);
        let others: Vec<NodeId> = others.filter(|other| *other != node).collect();
        let asked = others.iter().map(|other| self.vitals_of(*other));
        let vitals: Vec<Option<Vitals>> = join_all(asked).await;
        let theirs = vitals.iter().flatten().map(|vitals| vitals.applied).max().unwrap_or_default();
        let answer = others.into_iter().zip(&vitals).filter(|(_, vitals)| vitals.is_some());
        let alive: BTreeSet<NodeId> = answer.map(|(other, _)| other).collect();

        let heard = self.consensus().heard().into_iter().find(|(heard, _)| *heard == node);
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
        if node == self.node() {
            return Some(self.inner.parts.nodes.own_vitals());
        }
        self.inner.parts.nodes.vitals(node).await
    }

    /// How many live contents this member holds and none of those that are alive does.
    async fn contents_only_with(&self, node: NodeId, alive: BTreeSet<NodeId>) -> usize {
        let (mut after, mut looked_at, mut count) = (None, 0, 0);
        loop {
            let (last, only) = {
                let reader = self.consensus().shared_view().await;
                let view = View::new(&*reader);
                let live = view.live(after, PAGE);
                let only = live.iter().filter(|(_, packet)| {
                    view.packet_row(*packet).is_some_and(|record| {
                        record.holders.contains(&node)
                            && !record.state.is_terminal()
                            && !record.holders.iter().any(|holder| alive.contains(holder))
                    })
                });
                (live.last().copied(), only.count())
            };
            count += only;
            looked_at += PAGE;
            if last.is_none() || count >= COUNTED_MAX || looked_at >= LOOKED_AT_MAX {
                return count.min(COUNTED_MAX);
            }
            after = last;
            tokio::task::yield_now().await;
        }
    }
}
