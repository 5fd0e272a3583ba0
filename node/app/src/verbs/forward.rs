//! What `check` sees of a node's memory: whether its disk went back, whether it holds what no other
//! does, and whether it comes forward.

use std::time::Duration;

use client::{NodeStatus, Status};

use super::check::{Findings, members};
use crate::{cli::Mark, texts::words as w};

/// Between two looks at who comes forward: many heartbeats.
pub const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);

fn most(status: &Status) -> u64 {
    members(status).filter_map(|node| node.applied).max().unwrap_or_default()
}

/// Whether a node that answers has applied less than another.
pub fn somebody_is_behind(status: &Status) -> bool {
    let most = most(status);
    members(status).any(|node| node.applied.is_some_and(|applied| applied < most))
}

/// Whether a node knows less than it had promised, so that whoever is away may hold the only copy.
pub fn somebody_forgot(status: &Status) -> bool {
    let forgot = |node: &NodeStatus| {
        matches!(node.standing.as_deref(), Some("copied" | "went_back" | "catching_up" | "apart"))
    };
    members(status).any(forgot)
}

impl Findings<'_> {
    /// Who does not take part, and who must not be removed.
    pub(super) fn standing(&mut self, status: &Status) {
        let (out, group) = (self.out, w::CHECK_CLUSTER);
        for node in members(status) {
            let (mark, word, text, fix) = match node.standing.as_deref() {
                _ if node.holds_more => {
                    (Mark::Bad, "holds_more", w::CHECK_HOLDS_MORE, Some(w::FIX_HOLDS_MORE))
                }
                Some("copied") => (Mark::Bad, "copied", w::CHECK_COPIED, Some(w::FIX_WENT_BACK)),
                Some("went_back") => {
                    (Mark::Bad, "went_back", w::CHECK_WENT_BACK, Some(w::FIX_WENT_BACK))
                }
                Some("catching_up") => (Mark::Warn, "catching_up", w::CHECK_CATCHING_UP, None),
                _ => continue,
            };
            let text = out.fill(text, &[("node", &node.name)]);
            self.add(group, word, mark, text, fix.map(|fix| out.text(fix).to_owned()));
        }
    }

    /// Who stood still between two looks behind what another had applied at the first.
    pub(super) fn forward(&mut self, first: &Status, later: &Status) {
        let (out, most) = (self.out, most(first));
        let stands = |node: &&NodeStatus| {
            let before = members(first).find(|known| known.node == node.node);
            let before = before.and_then(|known| known.applied);
            node.applied.is_some_and(|applied| applied < most) && node.applied == before
        };
        for node in members(later).filter(stands) {
            let applied = node.applied.unwrap_or_default();
            let text = out.fill(
                w::CHECK_STUCK,
                &[("node", &node.name), ("applied", &applied), ("most", &most)],
            );
            let fix = Some(out.text(w::FIX_STUCK).to_owned());
            self.add(w::CHECK_CLUSTER, "stuck", Mark::Bad, text, fix);
        }
    }
}
