//! What can go wrong with a request, and whether another try may help.

use std::{path::PathBuf, time::Duration};

use https::Cause;
use serde::{Deserialize, Serialize};

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster said no.
    #[error("the cluster answered {status}: {problem}")]
    Problem {
        /// The HTTP status.
        status: u16,
        /// What it said.
        problem: Box<Problem>,
    },
    /// No node could be reached.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The last one tried.
        url: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A node answered with a certificate that is not the cluster's, or not at all in TLS.
    #[error("{url} does not prove that it belongs to the cluster")]
    Tls {
        /// The node.
        url: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// No answer in time.
    #[error("{url} did not answer within {after:?}")]
    Timeout {
        /// The node.
        url: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// An answer that is not of this API.
    #[error("{url} answered what cannot be understood: {what}")]
    Protocol {
        /// The node.
        url: String,
        /// What was wrong.
        what: String,
    },
    /// A file on this machine.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What came is not what was signed.
    #[error("the content received does not have its digest")]
    Altered,
    /// The content to send ended early or grew while it was sent.
    #[error("the content to send is not {size} octets long")]
    Size {
        /// What was said.
        size: u64,
    },
    /// The client's own settings.
    #[error("the client cannot be set up: {what}")]
    Options {
        /// What is wrong with them.
        what: String,
    },
}

impl Error {
    /// The problem's word, as `unit_unknown`, if the cluster said one.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Problem { problem, .. } => Some(&problem.word),
            _ => None,
        }
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same request may succeed later or at another node.
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Problem { status, problem } => *status == 503 || problem.retryable,
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            _ => false,
        }
    }

    /// Whether nobody knows if the request was heard and done.
    pub fn may_have_happened(&self) -> bool {
        match self {
            // A node's own 503 says that nothing was done, but for this word. One without a word is
            // not a node's own.
            Self::Problem { status: 503, problem } => {
                matches!(problem.word.as_str(), "" | "outcome_unknown")
            }
            Self::Problem { status, .. } => matches!(status, 500 | 502 | 504),
            Self::Unreachable { source, .. } => !https::is_unsent(source.as_ref()),
            Self::Timeout { .. } | Self::Protocol { .. } => true,
            _ => false,
        }
    }

    /// Why a node's certificate was refused, if that is what went wrong.
    pub fn refused_certificate(&self) -> Option<&https::CertificateError> {
        let Self::Tls { source, .. } = self else { return None };
        https::refused_certificate(source.as_ref())
    }

    /// Whether a node's certificate was refused for its dates alone. Certificates renew themselves, so
    /// that mostly a clock is wrong.
    pub fn is_about_dates(&self) -> bool {
        self.refused_certificate().is_some_and(https::is_about_dates)
    }
}

impl From<https::Error> for Error {
    fn from(error: https::Error) -> Self {
        use https::Error as E;
        match error {
            E::Unreachable { url, source } => Self::Unreachable { url, source },
            E::Tls { url, source } => Self::Tls { url, source },
            E::Timeout { url, after } => Self::Timeout { url, after },
            E::TooLong { url, max } => {
                Self::Protocol { url, what: format!("more than {max} octets") }
            }
            E::Options { what } => Self::Options { what },
        }
    }
}

/// A problem as RFC 9457 writes it, with the members of this API.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Problem {
    /// The address of its documentation.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// What happened, in the language asked for.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What to do, in the language asked for.
    #[serde(default)]
    pub detail: String,
    /// The stable code, as `LGSP-1206`.
    #[serde(default)]
    pub code: String,
    /// The stable word, as `unit_unknown`.
    #[serde(default)]
    pub word: String,
    /// What the operator finds in the logs.
    #[serde(default)]
    pub trace_id: String,
    /// Whether the same request may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// What is wrong with single fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Further members, as `server_time`.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FieldError {
    /// A JSON pointer to it.
    #[serde(default)]
    pub pointer: String,
    /// What is wrong.
    #[serde(default)]
    pub detail: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.title.is_empty() { "no reason given" } else { &self.title })?;
        if !self.code.is_empty() {
            write!(f, " ({})", self.code)?;
        }
        Ok(())
    }
}
