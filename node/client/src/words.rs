//! Words of the API that come from closed lists, as far as this client knows them.

use serde::{Deserialize, Serialize};

/// A word from a list: one that this client knows, or one of a newer server, which is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Word<T> {
    /// One of the list.
    Known(T),
    /// Another; empty where nothing was said.
    Newer(String),
}

impl<T> Default for Word<T> {
    fn default() -> Self {
        Self::Newer(String::new())
    }
}

impl<T: Copy> Word<T> {
    /// The member of the list, if it is one.
    pub const fn known(&self) -> Option<T> {
        match self {
            Self::Known(member) => Some(*member),
            Self::Newer(_) => None,
        }
    }
}

impl<T: PartialEq> PartialEq<T> for Word<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Self::Known(member) if member == other)
    }
}

impl<T: Serialize> std::fmt::Display for Word<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A unit variant writes its word.
        self.serialize(f)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }
    };
}

words!(
    /// What a node is to the cluster.
    Role {
        /// It votes, and leads.
        Leader = "leader",
        /// It votes.
        Voter = "voter",
        /// It catches up, and does not vote yet.
        Learner = "learner",
        /// It was admitted and has not been seen.
        Waiting = "waiting",
        /// It is being removed.
        Leaving = "leaving",
        /// It was removed, for ever.
        Removed = "removed",
    }
);

impl Role {
    /// Whether it counts for a majority.
    pub const fn votes(self) -> bool {
        matches!(self, Self::Leader | Self::Voter)
    }
}

words!(
    /// How the cluster is.
    Health {
        /// All is well.
        Healthy = "healthy",
        /// It works, but tolerates less than it should, or something is to be looked at.
        Degraded = "degraded",
        /// The node that answers does not hear of a majority.
        Unavailable = "unavailable",
    }
);

words!(
    /// What an operator should look at.
    WarningKind {
        /// The node's directory is a copy.
        NodeCopied = "node_copied",
        /// The node's disk went back.
        NodeWentBack = "node_went_back",
        /// The node was taken in again, and catches up.
        NodeCatchingUp = "node_catching_up",
        /// The node holds entries that the leader does not have.
        NodeApart = "node_apart",
        /// The node has told of entries that no other one holds.
        NodeHoldsMore = "node_holds_more",
        /// The node does not answer.
        NodeUnreachable = "node_unreachable",
        /// The node's clock is off.
        ClockOffset = "clock_offset",
        /// The node's disk has no room for contents.
        DiskFull = "disk_full",
        /// The node's disk is rather full.
        DiskFree = "disk_free",
        /// The node lacks contents that no other one has.
        ContentMissing = "content_missing",
        /// The node lacks facts of the history that no node which answers has.
        HistoryMissing = "history_missing",
        /// The node may open fewer connections than it wants.
        ConnectionsFew = "connections_few",
        /// The node does not vote.
        NotAVoter = "not_a_voter",
        /// Two lives of the node were met.
        SecondLife = "second_life",
        /// Live packets have a content that no node holds.
        ContentLost = "content_lost",
        /// The trusted date is ahead of the cluster's.
        TimeAhead = "time_ahead",
        /// The trusted date is behind the cluster's.
        TimeBehind = "time_behind",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_newer_server_is_kept_as_it_came() {
        let read = |text: &str| serde_json::from_str::<Word<Role>>(text).expect("a word");
        assert_eq!(read("\"voter\"").known(), Some(Role::Voter));
        let newer = read("\"witness\"");
        assert!(newer.known().is_none() && newer != Role::Voter);
        assert_eq!(serde_json::to_string(&newer).expect("JSON"), "\"witness\"");
        assert_eq!(
            (newer.to_string(), read("\"voter\"").to_string()),
            ("witness".into(), "voter".into())
        );
        assert_eq!(Word::<Role>::default().to_string(), "");
    }
}
