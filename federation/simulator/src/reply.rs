//! A call as it came, and what is answered: the words between the server and the families.

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use wire::vxp::Field;

/// Octets of a body: a document with an attachment of 50 MB, which clients allow, is 68 MB in base64.
pub const BODY_OCTETS_MAX: usize = 96 << 20;

/// What came before the body.
pub(crate) struct Head {
    pub(crate) method: Method,
    /// The path and the query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

impl Head {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of a parameter of the query, as it stands there.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(crate) fn fields(&self) -> Vec<Field<'_>> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) http: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

pub(crate) const JSON: &str = "application/json;charset=utf-8";
pub(crate) const XML: &str = "text/xml;charset=utf-8";
pub(crate) const TEXT: &str = "text/plain;charset=utf-8";

impl Reply {
    pub(crate) fn new(http: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { http, headers, body: body.into() }
    }

    pub(crate) fn json(body: impl Into<Bytes>) -> Self {
        Self::new(200, JSON, body)
    }
}

/// What a family made of a call.
pub(crate) struct Outcome {
    pub(crate) reply: Reply,
    /// Who called, if it was believed.
    pub(crate) caller: Option<String>,
    /// `ok`, or the code of the refusal.
    pub(crate) verdict: String,
    pub(crate) document: Option<String>,
}

impl Outcome {
    pub(crate) fn ok(reply: Reply) -> Self {
        Self { reply, caller: None, verdict: "ok".to_owned(), document: None }
    }

    pub(crate) fn refused(reply: Reply, verdict: impl Into<String>) -> Self {
        Self { verdict: verdict.into(), ..Self::ok(reply) }
    }

    pub(crate) fn by(self, caller: impl Into<String>) -> Self {
        Self { caller: Some(caller.into()), ..self }
    }

    pub(crate) fn about(self, document: impl Into<String>) -> Self {
        Self { document: Some(document.into()), ..self }
    }
}

/// An error with its sources, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut whole = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Some libraries tell their sources themselves.
        let text = error.to_string();
        if !whole.ends_with(&text) {
            whole.push_str(&format!(": {text}"));
        }
        source = error.source();
    }
    whole
}

/// A text as it stands in XML.
pub(crate) fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(escape).collect()
}
