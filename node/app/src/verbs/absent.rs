//! What `check` sees of contents and facts that are gone, or that nobody who answers has.

use client::Status;

use super::check::{Findings, away, members};
use crate::{cli::Mark, texts::words as w};

impl Findings<'_> {
    /// Contents that are gone, and contents that nobody who answers has.
    pub(super) fn contents(&mut self, status: &Status) {
        let (out, group) = (self.out, w::CHECK_STORAGE);
        let missing = members(status).filter_map(|node| node.contents_missing).max().unwrap_or(0);
        if status.lost > 0 {
            let text = out.fill(w::CHECK_LOST, &[("count", &status.lost)]);
            let fix = Some(out.text(w::FIX_LOST).to_owned());
            self.add(group, "content_lost", Mark::Bad, text, fix);
        }
        if missing > 0 {
            let nodes = away(out, status);
            let text = out.fill(w::CHECK_MISSING, &[("count", &missing), ("nodes", &nodes)]);
            let fix = Some(out.text(w::FIX_MISSING).to_owned());
            self.add(group, "content_missing", Mark::Warn, text, fix);
        }
        if (status.lost, missing) == (0, 0) {
            self.add(group, "contents", Mark::Good, out.text(w::CHECK_CONTENTS).into(), None);
        }
    }

    /// Facts of the history that nobody who answers has: who asks for those packets gets no answer.
    pub(super) fn history(&mut self, status: &Status) {
        let out = self.out;
        for node in members(status) {
            let Some(count) = node.facts_wanted.filter(|count| *count > 0) else { continue };
            let nodes = away(out, status);
            let values: [(&str, &dyn std::fmt::Display); 3] =
                [("node", &node.name), ("count", &count), ("nodes", &nodes)];
            let text = out.fill(w::CHECK_HISTORY, &values);
            let fix = Some(out.text(w::FIX_HISTORY).to_owned());
            self.add(w::CHECK_STORAGE, "history_missing", Mark::Warn, text, fix);
        }
    }
}
