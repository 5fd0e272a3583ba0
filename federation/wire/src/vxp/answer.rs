//! Answers of the axis: the verdict that all of them have, and what a success carries.
//!
//! An answer that cannot be read is an error and never an empty list: the SDK makes "nothing new" of an outage.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::loose::{self, NoJson, Object, no_json};

/// Octets of an answer: an attachment of 50 MB, the axis' own limit, is base64 in edXML and again in JSON, 90 MB.
pub const ANSWER_OCTETS_MAX: usize = 128 << 20;

const OK: &str = "OK";
const FAIL: &str = "FAIL";

/// What the axis says beside its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `ErrorCode`: `0` for a success. Empty if it was not there.
    pub code: String,
    /// `ErrorDesc`, for people. Empty if it was not there.
    pub description: String,
}

impl Note {
    /// What the axis writes beside a success.
    pub fn success() -> Self {
        Self { code: "0".to_owned(), description: "Thanh cong".to_owned() }
    }
}

/// An answer that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<P> {
    /// `"status":"OK"`.
    Done(Note, P),
    /// `"status":"FAIL"`: the axis says no, and why.
    Refused(Note),
}

/// Why an answer says nothing. Nobody knows whether the call had its effect.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// There is no body.
    #[error("the answer of status {http} has no body")]
    Empty {
        /// The status of HTTP.
        http: u16,
    },
    /// It is a page for people: a proxy or a server that is ill.
    #[error("the answer of status {http} is markup and no JSON")]
    Markup {
        /// The status of HTTP.
        http: u16,
    },
    /// It is longer than [`ANSWER_OCTETS_MAX`].
    #[error("the answer is longer than {ANSWER_OCTETS_MAX} octets")]
    TooLong,
    /// It is no JSON object, or its verdict is no text.
    #[error("the answer of status {http} is no JSON object with a verdict")]
    Form {
        /// The status of HTTP.
        http: u16,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Its verdict is neither `OK` nor `FAIL`.
    #[error("the verdict {verdict:?} is neither OK nor FAIL")]
    Verdict {
        /// The verdict, cut; none if it is missing.
        verdict: Option<String>,
    },
    /// It says that all went well, and HTTP says that it did not.
    #[error("the answer says OK with the status {http}")]
    Contradiction {
        /// The status of HTTP.
        http: u16,
    },
    /// All went well, and what should have come with it is missing or wrong.
    #[error("the answer says OK and does not carry what was asked for")]
    Payload(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default, deserialize_with = "loose::text")]
    status: Option<String>,
    #[serde(default, rename = "ErrorCode", deserialize_with = "loose::text")]
    code: Option<String>,
    #[serde(default, rename = "ErrorDesc", deserialize_with = "loose::text")]
    description: Option<String>,
}

#[derive(Serialize)]
struct Written<'a, P> {
    status: &'a str,
    #[serde(rename = "ErrorCode")]
    code: &'a str,
    #[serde(rename = "ErrorDesc")]
    description: &'a str,
    #[serde(flatten)]
    payload: Option<&'a P>,
}

impl<P: Serialize + DeserializeOwned> Answer<P> {
    /// Reads the answer to a call, whatever status of HTTP it came with: 200 and 201 are those of a success.
    ///
    /// # Errors
    ///
    /// Anything that is not clearly one of the two verdicts, and a success without what was asked for.
    pub fn read(http: u16, body: &[u8]) -> Result<Self, Unreadable> {
        if body.len() > ANSWER_OCTETS_MAX {
            return Err(Unreadable::TooLong);
        }
        match no_json(body) {
            Some(NoJson::Empty) => return Err(Unreadable::Empty { http }),
            Some(NoJson::Markup) => return Err(Unreadable::Markup { http }),
            None => {}
        }
        let verdict = serde_json::from_slice::<Object<Verdict>>(body);
        let Object(verdict) = verdict.map_err(|source| Unreadable::Form { http, source })?;
        let note = Note {
            code: verdict.code.unwrap_or_default(),
            description: verdict.description.unwrap_or_default(),
        };
        match verdict.status.as_deref() {
            Some(OK) if !matches!(http, 200 | 201) => Err(Unreadable::Contradiction { http }),
            Some(OK) => {
                let payload = serde_json::from_slice(body);
                let Object(payload) = payload.map_err(Unreadable::Payload)?;
                Ok(Self::Done(note, payload))
            }
            Some(FAIL) => Ok(Self::Refused(note)),
            other => {
                let verdict = other.map(|text| text.chars().take(32).collect());
                Err(Unreadable::Verdict { verdict })
            }
        }
    }

    /// Writes the answer as the axis does.
    pub fn write(&self) -> Vec<u8> {
        let (status, note, payload) = match self {
            Self::Done(note, payload) => (OK, note, Some(payload)),
            Self::Refused(note) => (FAIL, note, None),
        };
        let (code, description) = (note.code.as_str(), note.description.as_str());
        let written = Written { status, code, description, payload };
        serde_json::to_vec(&written).expect("texts, numbers and truths are JSON")
    }
}
