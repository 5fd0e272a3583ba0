//! A holder's verdict on a record that it was given: one octet in the protocol.

use model::SpaceId;

use crate::Error;

/// What was tried where a new segment could not be made.
pub(crate) const BEGIN: &str = "begin a segment";

/// The verdict on one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verdict {
    /// Durable.
    Durable = 0,
    /// The space holds another content.
    Exists = 1,
    /// The space was purged here.
    Purged = 2,
    /// No room.
    Full = 3,
    /// The store has failed, or the record is damaged.
    Failed = 4,
    /// No descriptor for a new segment.
    Short = 5,
}

impl Verdict {
    /// Reads what a peer wrote; an unknown octet is no yes.
    pub fn from_u8(verdict: u8) -> Self {
        let all =
            [Self::Durable, Self::Exists, Self::Purged, Self::Full, Self::Failed, Self::Short];
        all.get(usize::from(verdict)).copied().unwrap_or(Self::Failed)
    }

    /// Why a record could not be put; an error without its own octet is a failure.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Purged { .. } => Self::Purged,
            Error::Full | Error::TooMany => Self::Full,
            Error::Short { .. } => Self::Short,
            _ => Self::Failed,
        }
    }

    pub fn into_result(self, space: SpaceId) -> Result<(), Error> {
        match self {
            Self::Durable => Ok(()),
            Self::Exists => Err(Error::Exists { space }),
            Self::Purged => Err(Error::Purged { space }),
            Self::Full => Err(Error::Full),
            Self::Failed => Err(Error::Failed),
            Self::Short => Err(Error::Short { what: BEGIN }),
        }
    }
}
