//! The words of the axis: codes and identifiers as opaque texts that fit a header, and its closed lists.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::headers;

/// Characters of a foreign code. Ours have 35 at most (Decision 20/2020); those of hubs and tests follow no rule.
pub const CODE_MAX: usize = 64;
/// Octets of any other parameter, but the list of receivers: identifiers of documents are UUIDs, dates are shorter.
pub const PARAMETER_MAX: usize = 1024;

/// The code of a body or a system on the axis (mã định danh), as it is written there: opaque, its case kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(String);

/// A text that is no code: it has other characters, none, or more than [`CODE_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code has 1 to 64 letters, digits, full stops, hyphens and underscores")]
pub struct NoCode;

impl TryFrom<String> for Code {
    type Error = NoCode;

    fn try_from(text: String) -> Result<Self, NoCode> {
        Self::parse(&text).ok_or(NoCode)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.0
    }
}

impl Code {
    /// Reads a code: one to [`CODE_MAX`] letters, digits, full stops, hyphens and underscores (section 1.4).
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        let is_code = (1..=CODE_MAX).contains(&text.len()) && text.bytes().all(allowed);
        is_code.then(|| Self(text.to_owned()))
    }

    /// The code as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value of a parameter that we do not look into: an identifier of a document, a hash, a date.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opaque(String);

impl Opaque {
    /// Reads a value: one to [`PARAMETER_MAX`] visible ASCII characters and spaces, no space at an end.
    pub fn parse(text: &str) -> Option<Self> {
        let is_opaque = (1..=PARAMETER_MAX).contains(&text.len()) && headers::is_value(text);
        is_opaque.then(|| Self(text.to_owned()))
    }

    /// The value as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is carried: the SDK knows documents only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceType {
    /// `eDoc`.
    Document,
}

impl ServiceType {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        "eDoc"
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        (text == Self::Document.as_str()).then_some(Self::Document)
    }
}

/// Which of the two kinds of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// `edoc`: a document, or its recall, update or replacement.
    Document,
    /// `status`: what became of a document.
    Status,
}

impl MessageType {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Document => "edoc",
            Self::Status => "status",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Document, Self::Status].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What a receiver says of a message that it fetched: the acknowledgement of the transport, no answer of an office.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// `processing`: it is being taken over.
    Processing,
    /// `done`: it was taken over, and leaves the list.
    Done,
    /// `fail`: it could not be taken over.
    Fail,
}

impl Acknowledgement {
    const ALL: [Self; 3] = [Self::Processing, Self::Done, Self::Fail];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Done => "done",
            Self::Fail => "fail",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}

/// Where a message of a list stands in the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportStatus {
    /// `initial`: nobody acknowledged it.
    Initial,
    /// The receiver's last acknowledgement.
    Acknowledged(Acknowledgement),
    /// A word that we do not know, as it came. It is never one of the words above.
    Other(String),
}

impl TransportStatus {
    /// Reads a word; one that is not known is kept.
    pub fn parse(text: &str) -> Self {
        match Acknowledgement::parse(text) {
            Some(word) => Self::Acknowledged(word),
            None if text == "initial" => Self::Initial,
            None => Self::Other(text.to_owned()),
        }
    }

    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Initial => "initial",
            Self::Acknowledged(word) => word.as_str(),
            Self::Other(word) => word,
        }
    }
}
