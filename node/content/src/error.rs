//! What can go wrong in the store, and whether trying again may help.
//!
//! Nothing here carries content, names or keys.

use std::io;

use model::SpaceId;

use crate::{KeyError, disk::is_short};

/// A failure of the store, or its refusal to do harm.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk has failed before: nothing more is promised until the node is restarted.
    #[error("the content store has failed and takes nothing more")]
    Failed,
    /// An operation of the disk failed.
    #[error("the content store cannot {what}")]
    Disk {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system gives no descriptor for a file: nothing was done, and nothing is wrong with the disk.
    #[error("the system has no file descriptor left to {what}")]
    Short {
        /// What was tried.
        what: &'static str,
    },
    /// Only the reserve is left of the disk: HTTP 507.
    #[error("the disk is full up to its reserve")]
    Full,
    /// No majority has more than the reserve of its disk left: HTTP 507. Some nodes may hold a copy.
    #[error("no majority of the nodes has room on its disk for the content of space {space}")]
    FullElsewhere {
        /// Which space.
        space: SpaceId,
    },
    /// More contents than the index may hold: HTTP 507.
    #[error("the store holds as many contents as it may")]
    TooMany,
    /// Too large for the small path, or for a name: a bug of the caller or a hostile peer.
    #[error("{what} is larger than {max} octets")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// Too many pieces were taken back, or the upload went from node to node too often: its table of runs
    /// would not fit.
    #[error("too many pieces of space {space} were taken back")]
    TooManyPieces {
        /// Which space.
        space: SpaceId,
    },
    /// No majority answered in time; trying again may help.
    #[error("no majority of the nodes could take or give the content of space {space}")]
    Unavailable {
        /// Which space.
        space: SpaceId,
    },
    /// A newer writer exists, or this epoch was used before a restart: claim the space again.
    #[error("space {space} is fenced at epoch {epoch}: claim it anew")]
    Fenced {
        /// Which space.
        space: SpaceId,
        /// The highest epoch that a holder has promised.
        epoch: u32,
    },
    /// Another request writes this space at this moment: HTTP 423.
    #[error("space {space} is being written by another request")]
    Busy {
        /// Which space.
        space: SpaceId,
    },
    /// The piece does not begin where the content ends: HTTP 409.
    #[error("space {space} holds {actual} octets, not {expected}")]
    Offset {
        /// Which space.
        space: SpaceId,
        /// Where the caller wanted to go on.
        expected: u64,
        /// Where the content ends.
        actual: u64,
    },
    /// None of the nodes that were asked holds it.
    #[error("nobody who was asked holds the content of space {space}")]
    Missing {
        /// Which space.
        space: SpaceId,
    },
    /// The content was destroyed here.
    #[error("the content of space {space} was destroyed")]
    Purged {
        /// Which space.
        space: SpaceId,
    },
    /// The content is complete and takes no more octets.
    #[error("the content of space {space} is complete")]
    Sealed {
        /// Which space.
        space: SpaceId,
    },
    /// Another content was put under this space before.
    #[error("space {space} holds another content already")]
    Exists {
        /// Which space.
        space: SpaceId,
    },
    /// The asked range does not lie in the content: HTTP 416.
    #[error("the range lies outside the {size} octets of space {space}")]
    Range {
        /// Which space.
        space: SpaceId,
        /// The content's size.
        size: u64,
    },
    /// A frame is not what its writer sealed.
    #[error("frame {sequence} of space {space} fails its seal")]
    Forged {
        /// Which space.
        space: SpaceId,
        /// Which frame.
        sequence: u64,
    },
    /// A stored form is damaged.
    #[error("the stored form of space {space} is damaged: {what}")]
    Damaged {
        /// Which space.
        space: SpaceId,
        /// What is wrong with it.
        what: &'static str,
    },
    /// What a peer sent is not our protocol.
    #[error("a peer's message is malformed: {what}")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The slot's key could not be sealed or opened.
    #[error("the content key of space {space} cannot be sealed or opened")]
    Key {
        /// Which space.
        space: SpaceId,
        /// What the cluster key said.
        #[source]
        source: KeyError,
    },
    /// A newer program wrote this directory.
    #[error(
        "the content directory has format {found}, this program knows {known}: start the newer program"
    )]
    Format {
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// The file `format` is not ours.
    #[error("the content directory's `format` file is damaged")]
    FormatDamaged,
}

impl Error {
    /// An operation that failed without harm: nothing was written.
    pub(crate) fn disk(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match is_short(&source) {
            true => Self::Short { what },
            false => Self::Disk { what, source },
        }
    }

    /// Whether a copy is not what its writer made, or its disk cannot read it: an operator must look. A
    /// holder that is away, or has destroyed its copy, is no damage.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Forged { .. } | Self::Damaged { .. } | Self::Key { .. } | Self::Disk { .. }
        )
    }
}
