//! What an operator is told of the cluster and its nodes, in closed words.

use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            /// Every member, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in API and CLI; never translated.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// What a node is to the cluster.
    MemberRole {
        /// It votes, and leads.
        Leader = "leader",
        /// It votes.
        Voter = "voter",
        /// It catches up, and does not vote yet.
        Learner = "learner",
        /// It was admitted and has not been seen.
        Waiting = "waiting",
        /// It is being removed: others take over what it holds.
        Leaving = "leaving",
        /// It was removed, for ever.
        Removed = "removed",
    }
);

impl MemberRole {
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
        /// This node does not hear of a majority.
        Unavailable = "unavailable",
    }
);

words!(
    /// What an operator should look at.
    WarningKind {
        /// The node's directory is a copy, which may be older than its promises.
        NodeCopied = "node_copied",
        /// The node's disk went back: others have heard more of it than it knows.
        NodeWentBack = "node_went_back",
        /// The node was taken in again, and catches up.
        NodeCatchingUp = "node_catching_up",
        /// The node holds committed entries that the leader does not have.
        NodeApart = "node_apart",
        /// The node has told of entries that no other one holds.
        NodeHoldsMore = "node_holds_more",
        /// The node does not answer.
        NodeUnreachable = "node_unreachable",
        /// The node's clock is off, by so many milliseconds.
        ClockOffset = "clock_offset",
        /// The node's disk has no room for contents; so many MiB are left.
        DiskFull = "disk_full",
        /// So many per cent of the node's disk are free.
        DiskFree = "disk_free",
        /// The node lacks so many contents that no other one has.
        ContentMissing = "content_missing",
        /// The node lacks up to so many facts of the history, which no node that answers has.
        HistoryMissing = "history_missing",
        /// The node may open fewer connections than it wants: so many.
        ConnectionsFew = "connections_few",
        /// The node does not vote.
        NotAVoter = "not_a_voter",
        /// Two lives of the node were met.
        SecondLife = "second_life",
        /// So many live packets have a content that no node holds.
        ContentLost = "content_lost",
        /// The trusted date is so many milliseconds ahead of the cluster's.
        TimeAhead = "time_ahead",
        /// The same where it is behind, so that the number is negative.
        TimeBehind = "time_behind",
    }
);
