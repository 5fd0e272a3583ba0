//! W3C Trace Context: continued where a caller began one, begun here otherwise.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries a trace.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The trace's id alone, for people who read answers.
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("trace-id");

/// The trace of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    id: u128,
    span: u64,
    sampled: bool,
}

/// The trace's id, as 32 hexadecimal characters.
#[derive(Clone, Copy)]
pub(crate) struct TraceId(u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Trace {
    /// Continues the caller's trace under a span of our own; a malformed one is ignored, as the standard asks.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let span = rand::random::<u64>().max(1);
        let caller = headers.get(TRACEPARENT).and_then(|value| parse(value.as_bytes()));
        match caller {
            Some((id, sampled)) => Self { id, span, sampled },
            None => Self { id: rand::random::<u128>().max(1), span, sampled: false },
        }
    }

    /// The id of the whole trace.
    pub(crate) const fn id(&self) -> TraceId {
        TraceId(self.id)
    }

    /// The header's value with our span.
    pub(crate) fn to_header(self) -> HeaderValue {
        let text = format!("00-{:032x}-{:016x}-{:02x}", self.id, self.span, u8::from(self.sampled));
        HeaderValue::from_str(&text)
            .expect("hexadecimal characters and hyphens are a header's value")
    }

    /// The header's value for the id alone.
    pub(crate) fn id_to_header(self) -> HeaderValue {
        HeaderValue::from_str(&self.id().to_string())
            .expect("hexadecimal characters are a header's value")
    }
}

/// The trace id and the sampled flag of `version-traceid-parentid-flags`.
fn parse(text: &[u8]) -> Option<(u128, bool)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.split('-');
    let version = lower_hex(parts.next()?, 2)?;
    let id = lower_hex(parts.next()?, 32)?;
    let parent = lower_hex(parts.next()?, 16)?;
    let flags = lower_hex(parts.next()?, 2)?;
    // Version 0 has four parts; a later one may have more; 255 is forbidden.
    let whole = parts.next().is_none() || version > 0;
    (version != 0xff && id != 0 && parent != 0 && whole).then_some((id, flags & 1 == 1))
}

fn lower_hex(text: &str, len: usize) -> Option<u128> {
    let lower = text.len() == len && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    lower.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(TRACEPARENT, value);
        }
        headers
    }

    #[test]
    fn a_trace_is_continued_under_a_new_span() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::of(&headers(given));
        assert_eq!(trace.id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let header = trace.to_header();
        let header = header.to_str().expect("ASCII");
        assert!(
            header.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && header.ends_with("-01")
        );
        assert!(!header.contains("00f067aa0ba902b7"));
    }

    #[test]
    fn a_malformed_trace_begins_a_new_one() {
        for text in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
            assert_ne!(Trace::of(&headers(text)).id, 0);
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_harm(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            parse(&octets);
        }
    }
}
