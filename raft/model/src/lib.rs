//! The words of the platform: codes, identifiers, moments, digests and states; and the arithmetic of
//! its history, [`tree`] and [`checkpoint`], which those need too who verify a receipt far from any node.
//!
//! Each is parsed once, at the edge, into a type that cannot be wrong; inside, nobody checks
//! again. No I/O, clock or randomness here: moments and random bits come from outside.
//! What is stored or sent is encoded by minicbor, by field number.

#![cfg_attr(test, allow(clippy::let_underscore_must_use, reason = "a test that fails says enough"))]

pub mod checkpoint;
mod codes;
mod digest;
mod fold;
mod histogram;
mod ids;
pub mod lengths;
mod names;
mod states;
mod text;
mod time;
pub mod tree;

pub use codes::{AccessKey, AppId, UnitCode, Zone};
pub use digest::Digest;
pub use fold::{fold, without_marks};
pub use histogram::{Histogram, Spans, Stage};
pub use ids::{CommandId, NodeId, PacketId, SpaceId};
pub use names::{FileName, IdempotencyKey, Label, LeaseName, MediaType, Nonce, Title};
pub use states::{
    DeliveryState, Grant, Grants, Importance, KeyAlgorithm, KeyStatus, PacketState, UnitKind,
};
pub use text::{Utf16, utf_16, without_mark};
pub use time::{Moment, Tick};

/// A text that is not one of our words: which word it should have been, and what is wrong.
///
/// The offending text is not repeated: it may be a secret that was put in the wrong field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no valid {word}: {reason}")]
pub struct Malformed {
    /// The word that was expected, as the glossary writes it.
    pub word: &'static str,
    /// What is wrong, for people.
    pub reason: &'static str,
}

impl Malformed {
    pub(crate) const fn new(word: &'static str, reason: &'static str) -> Self {
        Self { word, reason }
    }
}
