//! The ledger: every call and every document, in order, by digests and never with a secret or a content.

use std::collections::VecDeque;

use serde::Serialize;

use crate::{fault::Struck, time};

/// Entries that are kept: an afternoon of tests. Older ones are dropped and counted.
pub const LEDGER_MAX: usize = 200_000;

/// Entries of one answer: a megabyte or two. More are asked for from where it ends.
pub const LEDGER_PAGE_MAX: usize = 5_000;

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum What {
    /// Somebody called.
    Call {
        family: &'static str,
        call: &'static str,
        /// Who, if it was believed.
        #[serde(skip_serializing_if = "Option::is_none")]
        caller: Option<String>,
        http: u16,
        /// `ok`, or the code of the refusal.
        verdict: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        document: Option<String>,
        #[serde(skip_serializing_if = "Struck::is_empty")]
        faults: Struck,
        request_sha256: String,
        /// Of the whole answer; of one that was lost or cut too.
        answer_sha256: String,
    },
    /// A document or a status moved.
    Document {
        event: &'static str,
        document: String,
        from: String,
        to: String,
        kind: &'static str,
        octets: usize,
        sha256: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
    },
    /// Somebody asked for what there is not: usually a path that was mistyped.
    Unknown { method: String, path: String },
    /// A connection was struck before anybody called.
    Connection { faults: Struck },
    /// A switch was turned.
    Fault { switch: String },
    /// The clock was moved.
    Clock { moved_ms: i64 },
    /// A step could not be done.
    Failed { step: String, why: String },
}

/// An entry.
#[derive(Debug, Clone, Serialize)]
struct Entry {
    n: u64,
    at: String,
    #[serde(flatten)]
    what: What,
}

/// The ledger.
#[derive(Default)]
pub(crate) struct Ledger {
    entries: VecDeque<Entry>,
    next: u64,
}

#[derive(Serialize)]
struct Page<'a> {
    /// Entries that were made and are no longer kept.
    dropped: u64,
    /// Where the next page begins: behind the last entry of this one.
    next: u64,
    /// Whether there is more already.
    more: bool,
    entries: Vec<&'a Entry>,
}

impl Ledger {
    pub(crate) fn note(&mut self, at: model::Moment, what: What) {
        if self.entries.len() == LEDGER_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { n: self.next, at: time::exact(at), what });
        self.next += 1;
    }

    /// The entries from a number on, [`LEDGER_PAGE_MAX`] at most, as JSON.
    pub(crate) fn page(&self, from: u64) -> Vec<u8> {
        let dropped = self.entries.front().map_or(self.next, |entry| entry.n);
        let skip = usize::try_from(from.saturating_sub(dropped)).unwrap_or(usize::MAX);
        let entries: Vec<_> = self.entries.iter().skip(skip).take(LEDGER_PAGE_MAX).collect();
        let next = entries.last().map_or(self.next, |last| last.n + 1);
        let page = Page { dropped, next, more: next < self.next, entries };
        serde_json::to_vec(&page).expect("texts and numbers are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_are_dropped_and_counted() {
        let mut ledger = Ledger::default();
        let beyond = 5;
        for number in 0..LEDGER_MAX + beyond {
            let what = What::Fault { switch: number.to_string() };
            ledger.note(model::Moment(0), what);
        }
        let page = |from: usize| {
            let page = ledger.page(u64::try_from(from).expect("small"));
            serde_json::from_slice::<serde_json::Value>(&page).expect("JSON")
        };
        let last = page(LEDGER_MAX + beyond - 1);
        assert_eq!(
            (&last["dropped"], &last["next"]),
            (&beyond.into(), &(LEDGER_MAX + beyond).into())
        );
        assert_eq!(last["entries"].as_array().map(Vec::len), Some(1));
        let first = page(0);
        assert_eq!(first["entries"][0]["n"], beyond, "what is dropped is not asked for in vain");
        let entries = first["entries"].as_array().map(Vec::len);
        assert_eq!((entries, &first["more"]), (Some(LEDGER_PAGE_MAX), &true.into()));
        assert_eq!(first["next"], beyond + LEDGER_PAGE_MAX, "the next page begins behind it");
        assert_eq!(last["more"], false);
        assert_eq!(page(LEDGER_MAX + beyond)["entries"], serde_json::json!([]));
    }
}
