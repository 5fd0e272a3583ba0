//! Failures of the history: what went wrong, where, and what mends it.

use std::io;

use model::tree::ProofError;

/// Why the history could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed. Trying again may help where it was full; after a failed sync it never does.
    #[error("cannot {doing} {file} of the history")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Which file, below the directory of the history.
        file: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process has the history open.
    #[error("the history is in use by another process: stop that one first")]
    Locked,
    /// Facts before these are missing: [`begin_gap`](crate::History::begin_gap), and fetch them.
    #[error("the history of this node ends at {have}, and facts from {want} on came")]
    Behind {
        /// Where the history ends.
        have: u64,
        /// Where the facts begin.
        want: u64,
    },
    /// Another fact is at this position. Two programs disagree: the node must stop.
    #[error("another fact is recorded at {position}: two programs do not agree")]
    Differs {
        /// The position.
        position: u64,
    },
    /// The facts are still to be fetched from a peer.
    #[error("the facts from {from} to before {to} have not been fetched yet")]
    Missing {
        /// The first that is missing.
        from: u64,
        /// The first that is there again.
        to: u64,
    },
    /// The history is shorter.
    #[error("the history ends at {size}, and {position} is asked for")]
    Beyond {
        /// What was asked for.
        position: u64,
        /// How many facts there are.
        size: u64,
    },
    /// The tree has yet to be built so far: see [`derive`](crate::History::derive).
    #[error("the tree of the history has {have} leaves so far, and {want} are asked for")]
    NotHashed {
        /// How many leaves it has.
        have: u64,
        /// How many are wanted.
        want: u64,
    },
    /// A fact on disk is not what was written: [`repair`](crate::History::repair) it from a peer.
    #[error("fact {position} in {file} of the history is damaged; a peer's copy mends it")]
    Damaged {
        /// Which file, below the directory of the history.
        file: String,
        /// The fact's position.
        position: u64,
    },
    /// Two files claim the same facts, or one has a name that nobody gave it.
    #[error("{file} is no file that this history can have: remove it, a peer has what is in it")]
    Strange {
        /// Which file, below the directory of the history.
        file: String,
    },
    /// A later version of the program wrote it.
    #[error("{file} of the history was written by a later version of the program: run that one")]
    Newer {
        /// Which file, below the directory of the history.
        file: String,
    },
    /// A fact is larger than [`FACT_OCTETS_MAX`](crate::FACT_OCTETS_MAX).
    #[error("the fact at {position} is too large: {octets} octets")]
    TooLarge {
        /// Its position.
        position: u64,
        /// Its length.
        octets: usize,
    },
    /// A peer sent facts that are not those of the known root. Ask another peer.
    #[error("a peer's facts from {from} on are not those of the known root")]
    Forged {
        /// The first of them.
        from: u64,
        /// What is wrong with their proof.
        #[source]
        source: ProofError,
    },
    /// A peer sent what is no run of facts.
    #[error("a peer's run of facts cannot be read: {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// The disk failed to sync before. What is durable is known only after a restart.
    #[error("the disk has failed to sync the history before; restart the node")]
    Failed,
}

impl Error {
    pub(crate) fn io(doing: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, file: file.to_owned(), source }
    }
}
