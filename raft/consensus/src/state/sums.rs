//! Whether this node's state is the leader's: the sums of what both have written, compared (D12).
//!
//! The leader tells its sum with every append, so with every heartbeat. Two programs that apply an entry in two ways
//! are found out with the next one, and the node that follows stops and says between which entries it happened. Sums
//! behind different entries say nothing of programs: a log that forks is for others to find.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Sums that are kept to be compared: those of the entries that a follower may be behind or ahead of what it hears, at
/// a few thousand entries a second.
const SUMS_KEPT: usize = 4_096;

/// The sum of all that was written, behind an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The entry's index in the log; zero where there is none.
    pub(crate) index: u64,
    /// Its term.
    pub(crate) term: u64,
    /// See [`machine::Sum`].
    pub(crate) sum: u32,
}

/// The sums of the latest entries, and what was heard of the leader's.
#[derive(Default)]
pub(crate) struct Sums(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// One for each of the latest entries, in the order of the log.
    own: VecDeque<Mark>,
    /// What the leader told and this node has not reached. The oldest is kept: a node that is always behind
    /// compares too.
    heard: Option<Mark>,
    /// The last entry of the log on which both agreed.
    agreed: Option<u64>,
    difference: Option<String>,
}

impl Known {
    fn compare(&mut self) {
        let Some(heard) = self.heard else { return };
        if self.own.back().is_none_or(|newest| newest.index < heard.index) {
            return;
        }
        self.heard = None;
        let found = self.own.binary_search_by_key(&heard.index, |mark| mark.index);
        let found = found.ok().map(|at| self.own[at]);
        let Some(own) = found.filter(|own| own.term == heard.term) else { return };
        let index = own.index;
        if own == heard {
            self.agreed = Some(index);
        } else if self.difference.is_none() {
            let since = match self.agreed {
                Some(agreed) => format!("they agreed up to entry {agreed} of the log"),
                None => "they have not agreed since this node's start".to_owned(),
            };
            self.difference = Some(format!(
                "the state of this node is not the leader's: {since}, and at entry {index} they do not. Two programs \
                 apply the same entry in two ways, or a disk has changed a row, here or at the leader. See that all nodes \
                 run one program, and which two of three agree, before a node is given up"
            ));
        }
    }
}

impl Sums {
    /// Entries were applied: the sum behind each.
    pub(crate) fn applied(&self, marks: impl IntoIterator<Item = Mark>) {
        let mut known = self.0.lock();
        known.own.extend(marks);
        let over = known.own.len().saturating_sub(SUMS_KEPT);
        known.own.drain(..over);
        known.compare();
    }

    /// The state was taken over from a snapshot: what was applied before says nothing of it.
    pub(crate) fn forget(&self) {
        let mut known = self.0.lock();
        *known = Known { difference: known.difference.take(), ..Known::default() };
    }

    /// A leader that this node follows has told its sum.
    pub(crate) fn hear(&self, mark: Mark) {
        let mut known = self.0.lock();
        if mark.index > 0 {
            known.heard.get_or_insert(mark);
            known.compare();
        }
    }

    /// The sum behind the newest entry.
    pub(crate) fn newest(&self) -> Mark {
        self.0.lock().own.back().copied().unwrap_or_default()
    }

    /// Why this node must stop; none where no difference was found.
    pub(crate) fn difference(&self) -> Option<String> {
        self.0.lock().difference.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(index: u64) -> Mark {
        Mark { index, term: 3, sum: index as u32 * 7 }
    }

    #[test]
    fn the_first_entry_that_differs_is_named() {
        let sums = Sums::default();
        sums.applied((10..20).map(mark));
        for index in [3, 10, 15, 19] {
            sums.hear(mark(index));
            assert_eq!(sums.difference(), None, "{index}");
        }
        // Heard before it is reached, and the oldest of two counts.
        sums.hear(mark(21));
        sums.hear(mark(22));
        let wrong = |index| Mark { sum: 1, ..mark(index) };
        sums.applied([mark(20), wrong(21), wrong(22)]);
        let difference = sums.difference().expect("it is found");
        assert!(difference.contains("up to entry 19 of the log, and at entry 21"), "{difference}");
        // It stays, whatever comes.
        sums.forget();
        assert_eq!(sums.difference(), Some(difference));
    }

    #[test]
    fn another_entry_at_the_same_place_says_nothing_of_programs() {
        let sums = Sums::default();
        sums.applied((10..20).map(mark));
        sums.hear(Mark { term: 4, sum: 1, ..mark(15) });
        assert_eq!(sums.difference(), None);
    }

    #[test]
    fn memory_does_not_grow() {
        let sums = Sums::default();
        sums.applied((1..10_000).map(mark));
        assert_eq!(sums.0.lock().own.len(), SUMS_KEPT);
        sums.hear(mark(9_000));
        sums.hear(mark(100));
        assert_eq!((sums.difference(), sums.0.lock().agreed), (None, Some(9_000)));
    }
}
