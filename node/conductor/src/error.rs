//! Why a door stays shut: the rules, the signature, or the world.

use std::time::Duration;

use machine::Refusal;

use crate::{
    authority, cluster_key, discard, door, gate, history, hold, intake, members, pickup, receipts,
    registry,
};

/// What a door answers when it does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules say no; nothing was changed.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The signature does not hold.
    #[error("the request's signature was not accepted")]
    Signature(#[source] auth::Rejection),
    /// The bearer token is not one for this space.
    #[error("the token does not open this space")]
    TokenInvalid,
    /// This node is cut off from a majority, or too busy; the same request may succeed later or elsewhere.
    #[error("no majority of the nodes can be reached")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The command was handed on but its answer did not come: it may or may not have happened.
    #[error("the answer did not come in time; it is not known whether it happened")]
    Unknown,
    /// An upload continues at another offset.
    #[error("the space continues at offset {offset}")]
    OffsetMismatch {
        /// Where it continues.
        offset: u64,
    },
    /// More octets than were announced, or than a content may have.
    #[error("the content is larger than allowed ({max} octets)")]
    TooLarge {
        /// The largest size.
        max: u64,
    },
    /// Another request writes this space at this moment.
    #[error("another request is writing this space")]
    SpaceBusy,
    /// The content is gone: the packet has ended.
    #[error("the content is gone, as the packet has ended")]
    ContentGone,
    /// The content is not whole yet.
    #[error("the content has not arrived whole: {have} of {want} octets")]
    ContentIncomplete {
        /// Octets that are here.
        have: u64,
        /// Octets that were to be sealed.
        want: u64,
    },
    /// The content came in so many pieces that it cannot be taken any further: only a new packet can.
    #[error("the content came in too many small pieces")]
    TooManyPieces,
    /// None of the nodes that can be asked now holds the content.
    #[error("none of the nodes that answer holds the content")]
    ContentUnreachable,
    /// The range lies outside the content.
    #[error("the range lies outside the content of {size} octets")]
    RangeOutside {
        /// The content's size.
        size: u64,
    },
    /// The named reserve of the disk would be touched.
    #[error("the disk is full up to its reserve")]
    DiskFull,
    /// This node's system has no file descriptor left.
    #[error("this node has no file descriptor left")]
    Short,
    /// Too many of something that has a named limit.
    #[error("too many {what} (at most {max})")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A member that holds what no other member does.
    #[error("node {node} may hold what no other node does")]
    OnlyCopy {
        /// Which node.
        node: model::NodeId,
        /// Whether it holds entries that the others lack.
        entries: bool,
        /// Contents that no other node that answers holds, counted up to a limit.
        contents: usize,
    },
    /// A caller has all that it may have of something.
    #[error("the share of {what} is used up (at most {max})")]
    ShareUsed {
        /// Of what.
        what: &'static str,
        /// The share.
        max: u64,
    },
    /// A public key that cannot be used.
    #[error("the public key cannot be used")]
    PublicKey(#[source] auth::Rejection),
    /// A join token that is not one, or not of this cluster.
    #[error("the join token is not one of this cluster")]
    JoinToken,
    /// A joining node asks for what cannot be certified: its key, or the names of its hosts.
    #[error("the joining node's request cannot be certified: {field}")]
    JoinRequest {
        /// The field that is wrong.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: certs::Error,
    },
    /// The content store failed.
    #[error("the content store failed")]
    Content(#[source] content::Error),
    /// No receipt could be made of a fact: a bug of ours.
    #[error("no receipt could be made")]
    Receipt(#[source] ::receipts::MakeError),
    /// The history is not so long.
    #[error("the history has {size} facts")]
    BeyondHistory {
        /// How many facts it has.
        size: u64,
    },
    /// The history failed.
    #[error("the history failed")]
    History(#[source] ::history::Error),
    /// A certificate or a sealed secret failed.
    #[error("a certificate or a sealed secret failed")]
    Certs(#[source] certs::Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<auth::Rejection> for Error {
    fn from(rejection: auth::Rejection) -> Self {
        Self::Signature(rejection)
    }
}

impl From<history::Error> for Error {
    fn from(error: history::Error) -> Self {
        match error {
            history::Error::Door(error) => error.into(),
            history::Error::Beyond { size } => Self::BeyondHistory { size },
            history::Error::Failed(source) => Self::History(source),
        }
    }
}

impl From<receipts::Error> for Error {
    fn from(error: receipts::Error) -> Self {
        match error {
            receipts::Error::History(error) => error.into(),
            receipts::Error::Make(source) => Self::Receipt(source),
        }
    }
}

impl From<certs::Error> for Error {
    fn from(error: certs::Error) -> Self {
        Self::Certs(error)
    }
}

impl From<door::Error> for Error {
    fn from(error: door::Error) -> Self {
        match error {
            door::Error::Refused(refusal) => Self::Refused(refusal),
            door::Error::Unavailable { retry_after } => Self::Unavailable { retry_after },
            door::Error::Unknown => Self::Unknown,
            door::Error::TooLarge { max } => Self::TooLarge { max },
        }
    }
}

impl From<authority::Error> for Error {
    fn from(error: authority::Error) -> Self {
        match error {
            authority::Error::Door(error) => error.into(),
            authority::Error::Certs(source) => Self::Certs(source),
        }
    }
}

impl From<gate::Error> for Error {
    fn from(error: gate::Error) -> Self {
        match error {
            gate::Error::Signature(rejection) => Self::Signature(rejection),
            gate::Error::TokenInvalid => Self::TokenInvalid,
            gate::Error::Door(error) => error.into(),
        }
    }
}

impl From<hold::Error> for Error {
    fn from(error: hold::Error) -> Self {
        match error {
            hold::Error::KeyDisabled => Self::Signature(auth::Rejection::KeyDisabled),
            hold::Error::NotGranted => Self::Refused(Refusal::NotGranted),
            hold::Error::CutOff { retry_after } => Self::Unavailable { retry_after },
        }
    }
}

impl From<intake::Error> for Error {
    fn from(error: intake::Error) -> Self {
        match error {
            intake::Error::Door(error) => error.into(),
            intake::Error::Gate(error) => error.into(),
            intake::Error::Hold(error) => error.into(),
            intake::Error::Content(error) => error.into(),
            intake::Error::TooLarge { max } => Self::TooLarge { max },
            intake::Error::OffsetMismatch { offset } => Self::OffsetMismatch { offset },
            intake::Error::SpaceBusy => Self::SpaceBusy,
            intake::Error::ContentGone => Self::ContentGone,
            intake::Error::ContentIncomplete { have, want } => {
                Self::ContentIncomplete { have, want }
            }
            intake::Error::ShareUsed { what, max } => Self::ShareUsed { what, max },
            intake::Error::TooMany { what, max } => Self::TooMany { what, max },
        }
    }
}

impl From<discard::Error> for Error {
    fn from(error: discard::Error) -> Self {
        match error {
            discard::Error::Door(error) => error.into(),
            discard::Error::Content(error) => error.into(),
        }
    }
}

impl From<members::Error> for Error {
    fn from(error: members::Error) -> Self {
        match error {
            members::Error::Door(error) => error.into(),
            members::Error::Gate(error) => error.into(),
            members::Error::Authority(error) => error.into(),
            members::Error::Certs(source) => Self::Certs(source),
            members::Error::JoinToken => Self::JoinToken,
            members::Error::JoinRequest { field, source } => Self::JoinRequest { field, source },
            members::Error::OnlyCopy { node, entries, contents } => {
                Self::OnlyCopy { node, entries, contents }
            }
        }
    }
}

impl From<cluster_key::Error> for Error {
    fn from(error: cluster_key::Error) -> Self {
        match error {
            cluster_key::Error::Door(error) => error.into(),
            cluster_key::Error::Certs(source) => Self::Certs(source),
        }
    }
}

impl From<pickup::Error> for Error {
    fn from(error: pickup::Error) -> Self {
        match error {
            pickup::Error::Door(error) => error.into(),
            pickup::Error::Gate(error) => error.into(),
            pickup::Error::Hold(error) => error.into(),
            pickup::Error::ContentGone => Self::ContentGone,
            pickup::Error::RangeOutside { size } => Self::RangeOutside { size },
            pickup::Error::Content(error) => error.into(),
        }
    }
}

impl From<registry::Error> for Error {
    fn from(error: registry::Error) -> Self {
        match error {
            registry::Error::Door(error) => error.into(),
            registry::Error::PublicKey(source) => Self::PublicKey(source),
            registry::Error::Seal(source) => Self::Certs(source),
        }
    }
}

impl From<consensus::ProposeError> for Error {
    fn from(error: consensus::ProposeError) -> Self {
        door::Error::from(error).into()
    }
}

impl From<consensus::Unavailable> for Error {
    fn from(error: consensus::Unavailable) -> Self {
        Self::Unavailable { retry_after: error.retry_after }
    }
}

/// How long a client waits before it tries a store again that lacks a majority of holders: about
/// the time in which a new leader is found.
const HOLDERS_RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<content::Error> for Error {
    fn from(error: content::Error) -> Self {
        match error {
            content::Error::Unavailable { .. } => {
                Self::Unavailable { retry_after: HOLDERS_RETRY_AFTER }
            }
            content::Error::Full
            | content::Error::FullElsewhere { .. }
            | content::Error::TooMany => Self::DiskFull,
            content::Error::Short { .. } => Self::Short,
            content::Error::Purged { .. } => Self::ContentGone,
            content::Error::Busy { .. } => Self::SpaceBusy,
            content::Error::Offset { actual, .. } => Self::OffsetMismatch { offset: actual },
            // Another node has taken the space over: the next request finds the new epoch.
            content::Error::Fenced { .. } => Self::SpaceBusy,
            content::Error::TooManyPieces { .. } => Self::TooManyPieces,
            content::Error::Missing { .. } => Self::ContentUnreachable,
            content::Error::Sealed { .. } => Self::Refused(Refusal::AlreadySealed),
            other => Self::Content(other),
        }
    }
}
