//! What a node had promised, remembered in more than one place, so that a disk that went back is
//! noticed before its node votes, leads or acknowledges by a memory that is too short.
//!
//! A node counts its starts, draws a number for each, and knows how far its log was ever on disk:
//! that is its pledge. It tells the pledge to each peer, which keeps the newest one on its own disk
//! and tells it back before the two exchange anything else. Whoever hears a newer pledge of its own
//! than it has on its disk has lost something that others rely on. What was promised since a peer
//! heard last, a few seconds at most, that peer does not know.
//!
//! Beside the pledge lies where it was written: what the file system gives a file and a copy does
//! not have. So a directory that was copied back is noticed even when no peer is left that knows.

pub(crate) mod greet;
pub(crate) mod vault;

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use model::NodeId;

/// What a node tells of its own memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Pledge {
    /// How often the node has begun anew because its disk had gone back.
    #[n(0)]
    pub(crate) era: u64,
    /// How often it has been started.
    #[n(1)]
    pub(crate) start: u64,
    /// Drawn at that start: two starts of one number are told apart.
    #[n(2)]
    pub(crate) born: u64,
    /// How far its log has been on disk, in octets or writes since the log was made. Each vote and
    /// each entry moves it on before it is answered.
    #[n(3)]
    pub(crate) end: u64,
}

impl Pledge {
    /// Whether who tells this knows less than it had told before.
    pub(crate) const fn lags(&self, known: &Self) -> bool {
        if self.era != known.era {
            return self.era < known.era;
        }
        self.start < known.start
            || (self.start == known.start && self.born != known.born)
            || self.end < known.end
    }
}

/// Whether a node takes part in votes and acknowledgements, and if not, why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub enum Standing {
    /// It takes part.
    #[default]
    #[n(0)]
    Full,
    /// Its directory is a copy. It may be older than what the node has promised since, so it waits
    /// until every other member has said that it knows of nothing newer, or a majority of the others
    /// takes it in again.
    #[n(1)]
    Copied,
    /// Its disk went back: this peer had heard more of it than it knows itself. It waits until a
    /// majority of the others takes it in again.
    #[n(2)]
    WentBack(#[n(0)] u64),
    /// It was taken in again and catches up. It does not vote before its state holds this entry.
    #[n(3)]
    CatchingUp {
        /// Entries of leaders before this term are not taken.
        #[n(0)]
        term: u64,
        /// The index of the entry.
        #[n(1)]
        until: u64,
    },
    /// It holds committed entries that the present leader does not have: the first of them is at
    /// this index. It goes on holding them and takes part in nothing.
    #[n(4)]
    Apart(#[n(0)] u64),
}

impl Standing {
    /// Whether it may vote and lead.
    pub const fn is_full(self) -> bool {
        matches!(self, Self::Full)
    }

    /// Whether it takes entries of a leader.
    pub(crate) const fn follows(self, term: u64) -> bool {
        match self {
            Self::Full => true,
            Self::CatchingUp { term: least, .. } => term >= least,
            Self::Copied | Self::WentBack(_) | Self::Apart(_) => false,
        }
    }

    /// The word for it in a status.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Copied => "copied",
            Self::WentBack(_) => "went_back",
            Self::CatchingUp { .. } => "catching_up",
            Self::Apart(_) => "apart",
        }
    }
}

/// What a node keeps of itself on its disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Own {
    /// The pledge as of the last start; its end is that of the log itself.
    #[n(0)]
    pub(crate) pledge: Pledge,
    /// Where it was written, as the file system says.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) place: Vec<u8>,
    /// Whether it takes part.
    #[n(2)]
    pub(crate) standing: Standing,
    /// The highest era that a peer has told of this node.
    #[n(3)]
    pub(crate) era_told: u64,
}

/// What a peer was heard to say of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Heard {
    /// The newest pledge.
    #[n(0)]
    pub(crate) pledge: Pledge,
    /// Whether it takes part.
    #[n(1)]
    pub standing: Standing,
    /// The number of entries that it knows to be committed.
    #[n(2)]
    pub committed: u64,
    /// When it was heard last, in milliseconds of this node's wall clock.
    #[n(3)]
    pub at: u64,
}

/// What a node remembers of its peers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Memory {
    #[n(0)]
    pub(crate) peers: BTreeMap<u64, Heard>,
}

impl Memory {
    /// Takes in what a peer says. Whether the memory must be on disk before the peer is answered:
    /// each start of a node is remembered at once, the rest within a few seconds.
    ///
    /// A pledge that lags is not taken in: what is remembered is what convicts it.
    pub(crate) fn hear(&mut self, from: NodeId, heard: Heard) -> bool {
        let known = self.peers.entry(from.0).or_default();
        let takes_part = matches!(heard.standing, Standing::Full | Standing::CatchingUp { .. });
        if !takes_part || heard.pledge.lags(&known.pledge) {
            let news = known.standing != heard.standing;
            // Its word is taken for what it is and what it holds, not for what it has promised.
            known.standing = heard.standing;
            known.committed = known.committed.max(heard.committed);
            known.at = heard.at;
            return news;
        }
        let begun = (known.pledge.era, known.pledge.start, known.standing)
            != (heard.pledge.era, heard.pledge.start, heard.standing);
        let committed = if heard.pledge.era > known.pledge.era {
            heard.committed
        } else {
            known.committed.max(heard.committed)
        };
        *known = Heard { committed, ..heard };
        begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn pledge(era: u64, start: u64, born: u64, end: u64) -> Pledge {
        Pledge { era, start, born, end }
    }

    #[test]
    fn a_node_that_knows_less_than_it_told_is_found() {
        let told = pledge(0, 3, 77, 1_000);
        for (now, lags) in [
            (pledge(0, 3, 77, 1_000), false),
            (pledge(0, 3, 77, 1_200), false),
            (pledge(0, 4, 5, 1_000), false),
            // The same start again with another number: the disk went back and was started again.
            (pledge(0, 3, 78, 1_000), true),
            (pledge(0, 2, 77, 1_000), true),
            (pledge(0, 4, 5, 999), true),
            // Taken in again, with all that is known of it.
            (pledge(1, 1, 5, 10), false),
        ] {
            assert_eq!(now.lags(&told), lags, "{now:?}");
        }
        assert!(told.lags(&pledge(1, 1, 5, 10)), "from before it was taken in again");
    }

    #[test]
    fn what_convicts_a_node_is_not_forgotten_when_it_is_heard_again() {
        let mut memory = Memory::default();
        let heard = |pledge, standing| Heard { pledge, standing, committed: 9, at: 1 };
        assert!(memory.hear(NodeId(3), heard(pledge(0, 2, 7, 500), Standing::Full)));
        assert!(!memory.hear(NodeId(3), heard(pledge(0, 2, 7, 600), Standing::Full)), "no news");
        for standing in [Standing::Full, Standing::WentBack(1), Standing::Copied] {
            memory.hear(NodeId(3), heard(pledge(0, 2, 8, 100), standing));
            assert_eq!(memory.peers[&3].pledge, pledge(0, 2, 7, 600));
        }
        // A copy that has heard of nobody yet does not make its original look old.
        memory.hear(NodeId(3), heard(pledge(0, 3, 9, 700), Standing::Copied));
        assert_eq!(memory.peers[&3].pledge, pledge(0, 2, 7, 600));
        let catching = Standing::CatchingUp { term: 4, until: 8 };
        assert!(memory.hear(NodeId(3), heard(pledge(1, 3, 9, 100), catching)));
        assert_eq!(memory.peers[&3].pledge, pledge(1, 3, 9, 100));
    }
}
