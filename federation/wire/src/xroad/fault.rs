//! An answer in which X-Road itself failed: a header with the error's type, and a body in JSON or XML (PR-REST section 4.6).
//!
//! A provider's own error passes without that header and is none of these.

use serde::{Deserialize, Serialize};

use super::{
    class::ErrorType,
    rest::{ERROR, Fields},
    xml::{Element, XmlError, XmlLimits, escaped},
};
use crate::vxp::{
    Field, Header, HeaderError,
    loose::{self, Object},
};

/// Octets of the body of an error that are read.
pub const FAULT_OCTETS_MAX: usize = 1 << 20;
/// An error is three elements in a fourth.
const LIMITS: XmlLimits =
    XmlLimits { octets_max: FAULT_OCTETS_MAX, depth_max: 8, elements_max: 64 };

/// What X-Road says when it fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What happened; decide by it.
    pub kind: ErrorType,
    /// The same for people; empty if it was not there.
    pub message: String,
    /// What to look for in the log of the security server; empty if it was not there.
    pub detail: String,
}

/// Why an error cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The header itself is broken.
    #[error("the headers of the answer are wrong")]
    Headers(#[from] HeaderError),
    /// The type has neither letter nor digit, is too long or no visible ASCII.
    #[error("the type of the error has neither letter nor digit, is too long or no ASCII")]
    Type,
    /// The body is longer than [`FAULT_OCTETS_MAX`].
    #[error("the body of the error is longer than {FAULT_OCTETS_MAX} octets")]
    TooLong,
    /// The body is no JSON object of an error.
    #[error("the body is no JSON object of an error")]
    Json(#[source] serde_json::Error),
    /// The body is no XML.
    #[error("the body is no XML of an error")]
    Xml(#[source] XmlError),
    /// The body is XML of something else, or lacks the type.
    #[error("the body is XML without an error in it")]
    NoError,
}

/// An error as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultAnswer {
    /// The status of HTTP.
    pub http: u16,
    /// The headers: the error's type and the body's.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Read {
    #[serde(rename = "type", deserialize_with = "loose::demanded")]
    kind: String,
    #[serde(default, deserialize_with = "loose::text")]
    message: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    detail: Option<String>,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
    detail: &'a str,
}

impl Fault {
    /// The error of an answer, by its header; none for an answer of the provider, be it a success or not.
    ///
    /// A body that cannot be read costs the words for people only: the type stands in the header.
    ///
    /// # Errors
    ///
    /// A header that is broken, or is no type.
    pub fn of_answer(fields: &[Field<'_>], body: &[u8]) -> Result<Option<Self>, FaultError> {
        let Some(kind) = Fields::new(fields)?.last(ERROR)? else { return Ok(None) };
        let kind = ErrorType::parse(kind).ok_or(FaultError::Type)?;
        let (message, detail) = match Self::of_body(body) {
            Ok(read) => (read.message, read.detail),
            Err(_) => (String::new(), String::new()),
        };
        Ok(Some(Self { kind, message, detail }))
    }

    /// Reads the body of an error, JSON or XML by its first character.
    ///
    /// # Errors
    ///
    /// A body that is neither.
    pub fn of_body(body: &[u8]) -> Result<Self, FaultError> {
        if body.len() > FAULT_OCTETS_MAX {
            return Err(FaultError::TooLong);
        }
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        if body.trim_ascii_start().first() == Some(&b'<') {
            return Self::of_xml(body);
        }
        let Object(read) =
            serde_json::from_slice::<Object<Read>>(body).map_err(FaultError::Json)?;
        let kind = ErrorType::parse(&read.kind).ok_or(FaultError::Type)?;
        let (message, detail) = (read.message.unwrap_or_default(), read.detail.unwrap_or_default());
        Ok(Self { kind, message, detail })
    }

    fn of_xml(body: &[u8]) -> Result<Self, FaultError> {
        let root = Element::parse(body.trim_ascii_start(), LIMITS).map_err(FaultError::Xml)?;
        let part = |name: &str| root.children().iter().find(|child| child.name() == name);
        let text = |name| part(name).map(|child| child.text().to_owned()).unwrap_or_default();
        if root.name() != "error" || part("type").is_none() {
            return Err(FaultError::NoError);
        }
        let kind = ErrorType::parse(text("type").trim()).ok_or(FaultError::Type)?;
        Ok(Self { kind, message: text("message"), detail: text("detail") })
    }

    /// Builds the answer as a security server does: XML if `Accept` holds it, else JSON; the status 500 if the type says
    /// that a server failed, else 400.
    pub fn answer(&self, accept: Option<&str>) -> FaultAnswer {
        let wants = |media: &str| {
            let media = media.split(';').next().unwrap_or_default().trim();
            ["text/xml", "application/xml", "text/*"].iter().any(|m| m.eq_ignore_ascii_case(media))
        };
        let (content_type, body) = match accept.is_some_and(|all| all.split(',').any(wants)) {
            true => ("text/xml;charset=utf-8", self.to_xml()),
            false => ("application/json;charset=utf-8", self.to_json()),
        };
        let http = if self.kind.plain().starts_with("server.") { 500 } else { 400 };
        let headers =
            vec![Header::new(ERROR, self.kind.as_str()), Header::new("Content-Type", content_type)];
        FaultAnswer { http, headers, body }
    }

    fn to_json(&self) -> Vec<u8> {
        let (message, detail) = (self.message.as_str(), self.detail.as_str());
        let written = Written { kind: self.kind.as_str(), message, detail };
        serde_json::to_vec(&written).expect("texts are JSON")
    }

    fn to_xml(&self) -> Vec<u8> {
        let parts = [self.kind.as_str(), &self.message, &self.detail].map(escaped);
        let [kind, message, detail] = parts;
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error><type>{kind}</type>\
             <message>{message}</message><detail>{detail}</detail></error>"
        )
        .into_bytes()
    }
}
