//! What is found in a document, as data; and the finding after which nothing more can be read.

use std::fmt;

use super::{
    names::steers,
    place::Place,
    words::{Severity, Word},
};

/// How much of a value a finding shows: enough to find it, too little to leak a document into a log.
pub const VALUE_SHOWN_MAX: usize = 64;

/// Something found in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// The elements around it, from the root: `edXML/edXMLEnvelope/edXMLHeader`; for something that is
    /// missing, up to what is missing. Empty before the root.
    pub path: String,
    /// What is the matter.
    pub word: Word,
    /// The value in question, at most [`VALUE_SHOWN_MAX`] characters of it, control characters escaped; may
    /// be empty.
    pub value: String,
}

impl Finding {
    /// Shows of a value what may be shown.
    pub(super) fn new(place: Place, path: String, word: Word, value: &str) -> Self {
        let mut shown = String::new();
        for c in value.chars().take(VALUE_SHOWN_MAX) {
            if steers(c) {
                shown.extend(c.escape_unicode());
            } else {
                shown.push(c);
            }
        }
        Self { place, path, word, value: shown }
    }

    /// How grave it is.
    pub const fn severity(&self) -> Severity {
        self.word.severity()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "line {line}, column {column}: {}", self.word)?;
        if !self.path.is_empty() {
            write!(f, " at {}", self.path)?;
        }
        if !self.value.is_empty() {
            write!(f, " ({:?})", self.value)?;
        }
        Ok(())
    }
}

/// Why a document cannot be read any further: a finding whose word is [`Severity::Unreadable`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the document cannot be read: {0}")]
pub struct Error(Box<Finding>);

impl Error {
    pub(super) fn new(finding: Finding) -> Self {
        debug_assert!(finding.severity() == Severity::Unreadable, "{finding}");
        Self(Box::new(finding))
    }

    /// What was found, and where.
    pub fn finding(&self) -> &Finding {
        &self.0
    }

    /// The stable word.
    pub fn word(&self) -> Word {
        self.0.word
    }
}
