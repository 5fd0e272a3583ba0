//! Whether this node's state is the leader's: the sums of what both have written, compared (D12).
//!
//! The leader tells its sum with every append, so with every heartbeat. Two programs that apply an entry in two ways
//! are found out with the next one. The node that follows says so in its answer: a leader that a majority contradicts is
//! the one that differs, and stops; a follower stops where the leader does not, and says between which entries it
//! happened (decision 0024). Sums behind different entries say nothing of programs: a log that forks is for others to
//! find.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Sums that are kept to be compared: those of the entries that a follower may be behind or ahead of what it hears, at
/// a few thousand entries a second.
const SUMS_KEPT: usize = 4_096;

/// A contradiction counts for so long: followers renew it with each answer, several times in this while.
const CONTRADICTION_FRESH: Duration = Duration::from_secs(1);

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
    /// What the leader of a term told and this node has not reached. The oldest is kept: a node that is always behind
    /// compares too.
    heard: Option<(Mark, u64)>,
    /// The last entry of the log on which both agreed.
    agreed: Option<u64>,
    difference: Option<Difference>,
    /// As leader: what the others have said last.
    contradicted: BTreeMap<u64, Contradiction>,
}

/// A follower says that its state is not its leader's.
struct Contradiction {
    /// At which entry.
    index: u64,
    /// The term of that leader.
    term: u64,
    at: Instant,
}

/// This node's state is not somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The entry at which it was found.
    index: u64,
    /// The term of the last leader whose state it is not; its own where the others contradict it.
    pub(crate) term: u64,
    pub(crate) text: String,
}

impl Known {
    fn compare(&mut self) {
        let Some((heard, term)) = self.heard else { return };
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
            // It was the leader before that differed.
            let is_over = |known: &Difference| known.term < term && known.index <= index;
            self.difference.take_if(|known| is_over(known));
        } else if let Some(known) = &mut self.difference {
            // The next leader is told as well: it may be the one that differs. What was found first is what people need.
            if known.term < term {
                (known.index, known.term) = (index, term);
            }
        } else {
            let since = match self.agreed {
                Some(agreed) => format!("they agreed up to entry {agreed} of the log"),
                None => "they have not agreed since this node's start".to_owned(),
            };
            let text = format!(
                "the state of this node is not the leader's: {since}, and at entry {index} they do not. Two programs \
                 apply the same entry in two ways, or a disk has changed a row, here or at the leader. See that all nodes \
                 run one program, and which two of three agree, before a node is given up"
            );
            self.difference = Some(Difference { index, term, text });
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

    /// The leader of a term, which this node follows, has told its sum.
    pub(crate) fn hear(&self, mark: Mark, term: u64) {
        let mut known = self.0.lock();
        if mark.index > 0 {
            // What an older leader told, and this node never reached, is of no use any more.
            known.heard.take_if(|(_, of)| *of < term);
            if known.heard.is_none_or(|(_, of)| of <= term) {
                known.heard.get_or_insert((mark, term));
            }
            known.compare();
        }
    }

    /// The entry at which this node's state is not that of the leader of a term; zero where it is, or is not known.
    pub(crate) fn differs_at(&self, term: u64) -> u64 {
        let known = self.0.lock();
        known.difference.as_ref().filter(|it| it.term == term).map_or(0, |it| it.index)
    }

    /// This node begins to lead: whoever led before is measured no longer, and nobody has contradicted it yet.
    pub(crate) fn lead(&self) {
        let mut known = self.0.lock();
        (known.heard, known.difference) = (None, None);
        known.contradicted.clear();
    }

    /// As leader of a term: a follower says at which entry its state is not this one; zero where it is.
    pub(crate) fn contradict(&self, by: u64, index: u64, term: u64) {
        let mut known = self.0.lock();
        match index {
            0 => drop(known.contradicted.remove(&by)),
            index => {
                let said = Contradiction { index, term, at: Instant::now() };
                known.contradicted.insert(by, said);
            }
        }
    }

    /// As leader of a term: whether a majority of the voters contradicts this node now. Then it is the one that differs.
    pub(crate) fn is_outvoted(&self, voters: &[u64], term: u64) -> bool {
        let mut known = self.0.lock();
        let counts =
            |said: &&Contradiction| said.term == term && said.at.elapsed() <= CONTRADICTION_FRESH;
        let against = voters.iter().filter_map(|voter| known.contradicted.get(voter));
        let against: Vec<_> = against.filter(counts).map(|said| said.index).collect();
        if against.len() * 2 <= voters.len() {
            return false;
        }
        // One of an earlier leadership says nothing of this one.
        known.difference.take_if(|known| known.term < term);
        if known.difference.is_none() {
            let first = against.into_iter().min().unwrap_or_default();
            let text = format!(
                "a majority of the nodes says that this leader's state is not theirs: at entry {first} of the log they do \
                 not agree with it. Two programs apply the same entry in two ways, or a disk has changed a row, most \
                 likely here. See that all nodes run one program, and which of them agree, before a node is given up"
            );
            known.difference = Some(Difference { index: first, term, text });
        }
        true
    }

    /// The sum behind the newest entry.
    pub(crate) fn newest(&self) -> Mark {
        self.0.lock().own.back().copied().unwrap_or_default()
    }

    /// Why this node must stop; none where no difference was found.
    pub(crate) fn difference(&self) -> Option<Difference> {
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
            sums.hear(mark(index), 3);
            assert_eq!(sums.difference(), None, "{index}");
        }
        // Heard before it is reached, and the oldest of two counts.
        sums.hear(mark(21), 3);
        sums.hear(mark(22), 3);
        let wrong = |index| Mark { sum: 1, ..mark(index) };
        sums.applied([mark(20), wrong(21), wrong(22)]);
        let difference = sums.difference().expect("it is found");
        let text = &difference.text;
        assert!(text.contains("up to entry 19 of the log, and at entry 21"), "{text}");
        // It stays, whatever comes.
        sums.forget();
        assert_eq!(sums.difference(), Some(difference));
    }

    #[test]
    fn another_entry_at_the_same_place_says_nothing_of_programs() {
        let sums = Sums::default();
        sums.applied((10..20).map(mark));
        sums.hear(Mark { term: 4, sum: 1, ..mark(15) }, 4);
        assert_eq!(sums.difference(), None);
    }

    #[test]
    fn memory_does_not_grow() {
        let sums = Sums::default();
        sums.applied((1..10_000).map(mark));
        assert_eq!(sums.0.lock().own.len(), SUMS_KEPT);
        sums.hear(mark(9_000), 3);
        sums.hear(mark(100), 3);
        assert_eq!((sums.difference(), sums.0.lock().agreed), (None, Some(9_000)));
    }

    #[test]
    fn whoever_agrees_with_the_next_leader_was_right() {
        let sums = Sums::default();
        sums.applied((10..20).map(mark));
        sums.hear(Mark { sum: 1, ..mark(15) }, 3);
        assert_eq!((sums.differs_at(3), sums.differs_at(4)), (15, 0));
        // Not the same leader, that says nothing of the entry between, and not of an entry before.
        sums.hear(mark(16), 3);
        sums.hear(mark(14), 4);
        assert!(sums.difference().is_some());
        sums.hear(mark(17), 4);
        assert_eq!((sums.difference(), sums.differs_at(3)), (None, 0));
        // Nor does it matter to whoever leads itself.
        sums.hear(Mark { sum: 1, ..mark(18) }, 4);
        sums.lead();
        assert_eq!(sums.difference(), None);
    }

    #[test]
    fn the_next_leader_is_contradicted_too() {
        let sums = Sums::default();
        sums.applied((10..20).map(mark));
        sums.hear(Mark { sum: 1, ..mark(15) }, 3);
        let first = sums.difference().expect("it is found").text;
        sums.hear(Mark { sum: 2, ..mark(16) }, 5);
        assert_eq!((sums.differs_at(3), sums.differs_at(5)), (0, 16));
        assert_eq!(sums.difference().expect("it stays").text, first, "where it began is told");
        // What comes late of the leader before says nothing any more.
        sums.hear(mark(30), 5);
        sums.hear(mark(17), 3);
        assert_eq!(sums.differs_at(5), 16);
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_is_outvoted_by_a_majority_only() {
        let sums = Sums::default();
        sums.contradict(2, 15, 7);
        assert!(!sums.is_outvoted(&[1, 2, 3], 7), "one of three");
        // Who does not vote does not count, and who takes it back neither.
        sums.contradict(9, 15, 7);
        assert!(!sums.is_outvoted(&[1, 2, 3], 7));
        sums.contradict(3, 14, 7);
        sums.contradict(3, 0, 7);
        assert!(!sums.is_outvoted(&[1, 2, 3], 7));
        sums.contradict(3, 14, 6);
        assert!(!sums.is_outvoted(&[1, 2, 3], 7), "that was the leader before");
        sums.contradict(3, 14, 7);
        assert!(!sums.is_outvoted(&[1, 2, 3, 4, 5], 7), "two of five");
        assert!(sums.is_outvoted(&[1, 2, 3], 7));
        assert!(sums.difference().expect("it is said").text.contains("at entry 14"));
        // Of two that are never heard together one may be long gone.
        tokio::time::advance(CONTRADICTION_FRESH * 2).await;
        sums.contradict(3, 14, 7);
        assert!(!sums.is_outvoted(&[1, 2, 3], 7));
        sums.lead();
        assert!(!sums.is_outvoted(&[1, 2, 3], 8), "the next time it leads nobody has said so yet");
    }
}
