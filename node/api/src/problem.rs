//! Problems (RFC 9457): what every error of the API looks like.
//!
//! A handler answers a [`Problem`]; the front writes it in the caller's language and with the trace.
//! Nothing of what the caller sent is repeated beyond names of fields, so no secret and no content
//! comes back.

use std::{error::Error as _, time::Duration};

use auth::Rejection;
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use conductor::Error;
use machine::Refusal;
use serde_json::{Map, Value, json};

use crate::{
    lang::Lang,
    texts::{self, Fault, Row},
    trace::TraceId,
};

/// The media type of problems.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// What a signature should look like (RFC 9421 section 5).
const ACCEPT_SIGNATURE: HeaderName = HeaderName::from_static("accept-signature");
const ACCEPT_SIGNATURE_VALUE: HeaderValue = HeaderValue::from_static(
    "lgsp=(\"@method\" \"@target-uri\" \"content-digest\");created;nonce;keyid;tag=\"lgsp-v1\"",
);
/// Who is asked for what (RFC 9110 section 15.5.2); no scheme is registered for RFC 9421.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Signature realm=\"lgsp\"");
/// The same for a token that opens nothing (RFC 6750 section 3).
const TOKEN_CHALLENGE: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"lgsp\", error=\"invalid_token\"");
/// How a type begins. It is an identifier, the same in every cluster, and no route serves it (RFC 9457
/// section 3.1.1): a problem itself says in two languages what to do, and the connection guide lists them all.
const TYPE_BASE: &str = "https://lgsp.nghean.gov.vn/problems/";
/// When to try again, where the world does not say: a new leader is found in less.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// When to try again after the disk was full, or a source had too much under way: people must act.
const DISK_RETRY_AFTER: Duration = Duration::from_secs(60);

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// A JSON pointer (RFC 6901) into the body.
    pub(crate) pointer: String,
    /// What is wrong, in English; its Vietnamese is looked up.
    pub(crate) reason: &'static str,
    /// Words of ours that the reason ends with, the same in every language; mostly none.
    pub(crate) named: String,
}

impl FieldError {
    /// What is wrong in a place.
    pub(crate) fn new(pointer: impl Into<String>, reason: &'static str) -> Self {
        Self { pointer: pointer.into(), reason, named: String::new() }
    }

    /// The same, with words that the reason ends with.
    pub(crate) fn naming(self, named: &str) -> Self {
        Self { named: named.to_owned(), ..self }
    }

    fn detail(&self, lang: Lang) -> String {
        let reason = match lang {
            Lang::Vi => texts::reason_vi(self.reason),
            Lang::En => self.reason,
        };
        if self.named.is_empty() { reason.to_owned() } else { format!("{reason}: {}", self.named) }
    }
}

/// A problem on its way to the front.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    row: Row,
    members: Map<String, Value>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A fault of the request, or of the world.
    pub(crate) fn new(fault: Fault) -> Self {
        let problem = Self::of(fault.row());
        match fault {
            Fault::TokenInvalid => problem.header(header::WWW_AUTHENTICATE, TOKEN_CHALLENGE),
            _ => problem,
        }
    }

    fn of(row: Row) -> Self {
        let mut problem = Self(Box::new(Inner {
            row,
            members: Map::new(),
            errors: Vec::new(),
            headers: Vec::new(),
        }));
        match row.status {
            401 => {
                problem = problem
                    .header(header::WWW_AUTHENTICATE, CHALLENGE)
                    .header(ACCEPT_SIGNATURE, ACCEPT_SIGNATURE_VALUE);
            }
            429 | 503 => problem = problem.retry_after(RETRY_AFTER),
            507 => problem = problem.retry_after(DISK_RETRY_AFTER),
            _ => {}
        }
        problem
    }

    /// Fields that are not what they should be.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        Self::new(Fault::FieldsMalformed).errors(errors)
    }

    /// One thing that is wrong in the body.
    pub(crate) fn error(self, pointer: impl Into<String>, reason: &'static str) -> Self {
        self.errors(vec![FieldError::new(pointer, reason)])
    }

    /// Things that are wrong in the body.
    pub(crate) fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors.extend(errors);
        self
    }

    /// What is wrong in the body.
    #[cfg(test)]
    pub(crate) fn field_errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// A further member.
    pub(crate) fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// A header that goes with it.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.retain(|(present, _)| *present != name);
        self.0.headers.push((name, value));
        self
    }

    /// Where to go on.
    pub(crate) fn location(self, url: &str) -> Self {
        let value = HeaderValue::from_str(url).expect("our own URLs are visible ASCII");
        self.header(header::LOCATION, value)
    }

    /// When to try again; at least a second, as the header counts in seconds.
    pub(crate) fn retry_after(self, after: Duration) -> Self {
        let secs = after.as_millis().div_ceil(1000).max(1);
        self.header(header::RETRY_AFTER, HeaderValue::from(u64::try_from(secs).unwrap_or(u64::MAX)))
    }

    /// When to try again, where it says so.
    pub(crate) fn comes_back_after(&self) -> Option<Duration> {
        let (_, value) = self.0.headers.iter().find(|(name, _)| *name == header::RETRY_AFTER)?;
        value.to_str().ok()?.parse().ok().map(Duration::from_secs)
    }

    /// Whether the same request may succeed later as it is.
    pub(crate) fn is_temporary(&self) -> bool {
        self.0.row.retryable
    }

    /// The stable word.
    pub(crate) fn word(&self) -> &'static str {
        self.0.row.word
    }

    /// Whether it tells of this rejection of a signature.
    pub(crate) fn is(&self, rejection: &Rejection) -> bool {
        self.0.row.number == rejection.number()
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.row.status).expect("the tables hold statuses, as a test checks")
    }

    /// Code, word and detail: what a list of results says of one that was refused.
    pub(crate) fn brief(&self, lang: Lang) -> (String, &'static str, &'static str) {
        let row = &self.0.row;
        (code(row.number), row.word, row.text(lang).detail)
    }

    /// The whole problem.
    fn render(&self, lang: Lang, trace: TraceId) -> Vec<u8> {
        let Inner { row, members, errors, .. } = &*self.0;
        let text = row.text(lang);
        let mut body = Map::new();
        body.insert("type".into(), format!("{TYPE_BASE}{}", row.kind()).into());
        body.insert("title".into(), text.title.into());
        body.insert("status".into(), row.status.into());
        body.insert("detail".into(), text.detail.into());
        body.insert("code".into(), code(row.number).into());
        body.insert("word".into(), row.word.into());
        body.insert("trace_id".into(), trace.to_string().into());
        body.insert("retryable".into(), row.retryable.into());
        if !errors.is_empty() {
            let errors = errors
                .iter()
                .map(|error| json!({"pointer": error.pointer, "detail": error.detail(lang)}));
            body.insert("errors".into(), errors.collect());
        }
        body.extend(members.clone());
        if let (Lang::Vi, Some(Value::String(reason))) = (lang, body.get_mut("reason")) {
            *reason = texts::reason_vi(reason).to_owned();
        }
        serde_json::to_vec(&body).expect("a map of strings is JSON")
    }

    /// The answer as it goes out.
    pub(crate) fn into_written(self, lang: Lang, trace: TraceId) -> Response {
        let mut response = Response::new(Body::from(self.render(lang, trace)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(lang.tag()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
        headers.extend(self.0.headers.into_iter().map(|(name, value)| (Some(name), value)));
        response
    }
}

fn code(number: u16) -> String {
    format!("LGSP-{number:04}")
}

/// The front finds the problem among the extensions and writes it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::of(texts::refusal(refusal))
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let problem = Self::of(texts::rejection(&rejection));
        match rejection {
            Rejection::Malformed { field, reason } => {
                problem.member("field", field).member("reason", reason)
            }
            Rejection::TooManySignatures { max } => problem.member("max", max),
            Rejection::FieldTooLong { field, max } => {
                problem.member("field", field).member("max", max)
            }
            Rejection::ParameterMissing { parameter } => problem.member("parameter", parameter),
            Rejection::AlgorithmMismatch { expected } => {
                problem.member("expected", expected.as_str())
            }
            Rejection::ComponentMissing { component } => problem.member("component", component),
            Rejection::ComponentRefused { component, reason } => {
                problem.member("component", component).member("reason", reason)
            }
            Rejection::ClockOutOfWindow { server_time, skew_seconds } => problem
                .member("server_time", server_time.to_string())
                .member("skew_seconds", skew_seconds),
            Rejection::SignatureInvalid { base_digest, base, hint } => {
                let problem = problem.member("base_sha256", base_digest.to_string());
                let problem =
                    base.into_iter().fold(problem, |problem, base| problem.member("base", base));
                hint.into_iter().fold(problem, |problem, hint| problem.member("hint", hint))
            }
            Rejection::LegacyAlgorithmDisabled { reason } | Rejection::KeyUnusable { reason } => {
                problem.member("reason", reason)
            }
            Rejection::DigestUnsupported { field } => problem.member("field", field),
            _ => problem,
        }
    }
}

/// A door's own errors are some of those of all doors, so that each has one problem wherever it is met.
macro_rules! of_doors {
    ($($door:ident),*) => {$(
        impl From<conductor::$door::Error> for Problem {
            fn from(error: conductor::$door::Error) -> Self {
                Error::from(error).into()
            }
        }
    )*};
}

of_doors!(cluster_key, door, gate, history, hold, intake, members, pickup, receipts, registry);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Signature(rejection) | Error::PublicKey(rejection) => rejection.into(),
            Error::TokenInvalid => Self::new(Fault::TokenInvalid),
            Error::Unavailable { retry_after } => {
                Self::new(Fault::Unavailable).retry_after(retry_after)
            }
            Error::Unknown => Self::new(Fault::OutcomeUnknown),
            Error::OffsetMismatch { offset } => Self::new(Fault::OffsetMismatch)
                .member("offset", offset)
                .header(crate::tus::UPLOAD_OFFSET, HeaderValue::from(offset)),
            Error::TooLarge { max } => Self::new(Fault::ContentTooLarge).member("max", max),
            Error::SpaceBusy => Self::new(Fault::SpaceBusy),
            Error::ContentGone => Self::new(Fault::ContentPurged),
            Error::ContentIncomplete { have, want } => {
                Self::new(Fault::ContentIncomplete).member("have", have).member("want", want)
            }
            Error::TooManyPieces => Self::new(Fault::TooManyPieces),
            Error::ContentUnreachable => Self::new(Fault::ContentUnreachable),
            Error::RangeOutside { size } => Self::range_outside(size),
            Error::DiskFull => Self::new(Fault::DiskFull),
            Error::Short => Self::new(Fault::NodeShort),
            Error::TooMany { what, max } => {
                Self::new(Fault::TooMany).member("what", what).member("max", max)
            }
            Error::OnlyCopy { node, entries, contents } => Self::new(Fault::OnlyCopy)
                .member("node", node.0)
                .member("entries", entries)
                .member("contents", contents),
            Error::ShareUsed { what, max } => Self::new(Fault::ShareUsed)
                .member("what", what)
                .member("max", max)
                .retry_after(DISK_RETRY_AFTER),
            Error::JoinToken => Self::new(Fault::JoinTokenMalformed),
            Error::JoinRequest { field, .. } => {
                Self::new(Fault::JoinRequestMalformed).member("field", field)
            }
            Error::BeyondHistory { size } => Self::new(Fault::QueryMalformed)
                .member("parameter", "position")
                .member("size", size),
            ours => Self::internal(&ours),
        }
    }
}

impl Problem {
    /// A range outside a content of this size.
    pub(crate) fn range_outside(size: u64) -> Self {
        let value =
            HeaderValue::from_str(&format!("bytes */{size}")).expect("digits are a header's value");
        Self::new(Fault::RangeOutside).member("size", size).header(header::CONTENT_RANGE, value)
    }

    /// A failure of ours: the log has the whole chain, the caller the trace's id.
    fn internal(error: &Error) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(error = %chain, "a request failed");
        Self::new(Fault::Internal)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use model::Moment;

    use super::*;
    use crate::trace::Trace;

    fn written(problem: Problem, lang: Lang) -> (Response, Value) {
        let trace = Trace::of(&HeaderMap::new()).id();
        let body = serde_json::from_slice(&problem.render(lang, trace)).expect("JSON");
        (problem.into_written(lang, trace), body)
    }

    #[test]
    fn a_refusal_says_what_and_how_to_mend_in_two_languages() {
        let (response, body) = written(Refusal::UnitUnknown.into(), Lang::Vi);
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::CONTENT_LANGUAGE], "vi");
        assert_eq!(body["type"], "https://lgsp.nghean.gov.vn/problems/unit-unknown");
        assert_eq!(body["code"], "LGSP-1206");
        assert_eq!(body["retryable"], false);
        let (_, english) = written(Refusal::UnitUnknown.into(), Lang::En);
        assert_ne!(body["detail"], english["detail"]);
    }

    #[test]
    fn statuses_carry_their_headers() {
        let (response, body) = written(
            Rejection::ClockOutOfWindow { server_time: Moment(0), skew_seconds: -900 }.into(),
            Lang::En,
        );
        assert_eq!(response.status(), 401);
        assert!(response.headers().contains_key("accept-signature"));
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Signature realm=\"lgsp\"");
        let (response, _) = written(Error::TokenInvalid.into(), Lang::En);
        let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str().expect("text");
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        assert_eq!(body["skew_seconds"], -900);
        let unavailable = Error::Unavailable { retry_after: Duration::from_millis(300) };
        let (response, body) = written(unavailable.into(), Lang::En);
        assert_eq!((response.status().as_u16(), body["retryable"].clone()), (503, true.into()));
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let (response, _) = written(Error::RangeOutside { size: 7 }.into(), Lang::En);
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes */7");
        let (response, _) = written(Error::OffsetMismatch { offset: 5 }.into(), Lang::En);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["upload-offset"]),
            (409, &"5".parse().expect("a value"))
        );
    }

    #[test]
    fn fields_are_named_by_pointers() {
        let (_, body) = written(
            Problem::new(Fault::FieldsMalformed).error("/targets/0", "it is empty"),
            Lang::Vi,
        );
        assert_eq!(body["errors"][0]["pointer"], "/targets/0");
        assert_eq!(body["errors"][0]["detail"], "không được để trống");
    }
}
