//! `Range` and `If-Range` of RFC 9110: single ranges of octets, strong validators.

use axum::http::{HeaderMap, HeaderValue, header};
use model::Digest;

/// What part of a content is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it.
    Whole,
    /// From an octet to another one, both included, or to the end.
    From {
        /// The first octet.
        start: u64,
        /// The last octet; none means the end.
        last: Option<u64>,
    },
    /// The last so many octets.
    Suffix(u64),
}

/// A part of a content: `start` is in it, `end` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The first octet.
    pub(crate) start: u64,
    /// One past the last octet.
    pub(crate) end: u64,
}

/// The strong entity tag of a content.
pub(crate) fn etag(digest: &Digest) -> String {
    format!("\"sha256-{digest}\"")
}

impl Asked {
    /// What the headers ask for. A unit that we do not know, several ranges and a range that is none
    /// are answered with the whole, as RFC 9110 section 14.2 allows.
    pub(crate) fn of(headers: &HeaderMap, digest: &Digest) -> Self {
        let mut ranges = headers.get_all(header::RANGE).iter();
        let (Some(range), None) = (ranges.next(), ranges.next()) else { return Self::Whole };
        if let Some(validator) = headers.get(header::IF_RANGE)
            && !is_strong_match(validator, digest)
        {
            return Self::Whole;
        }
        range.to_str().ok().and_then(parse).unwrap_or(Self::Whole)
    }

    /// The part of a content of this size; none when it lies outside (416).
    pub(crate) fn within(self, size: u64) -> Option<Part> {
        let part = match self {
            Self::Whole => return Some(Part { start: 0, end: size }),
            Self::From { start, last } => {
                Part { start, end: last.map_or(size, |last| last.saturating_add(1).min(size)) }
            }
            Self::Suffix(len) => Part { start: size.saturating_sub(len), end: size },
        };
        (part.start < part.end).then_some(part)
    }
}

// Dates are no strong validators here: contents have none.
fn is_strong_match(validator: &HeaderValue, digest: &Digest) -> bool {
    validator.as_bytes() == etag(digest).as_bytes()
}

fn parse(text: &str) -> Option<Asked> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => Some(Asked::Suffix(number(last)?)),
        (first, "") => Some(Asked::From { start: number(first)?, last: None }),
        (first, last) => {
            let (start, last) = (number(first)?, number(last)?);
            (start <= last).then_some(Asked::From { start, last: Some(last) })
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    // A number beyond 64 bits lies outside every content.
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: Digest = Digest([7; 32]);

    fn asked(range: &str, if_range: Option<&str>) -> Asked {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(range) {
            headers.insert(header::RANGE, value);
        }
        if let Some(value) = if_range {
            headers.insert(header::IF_RANGE, value.parse().expect("a header's value"));
        }
        Asked::of(&headers, &DIGEST)
    }

    #[test]
    fn single_ranges_are_read() {
        assert_eq!(asked("bytes=0-9", None).within(100), Some(Part { start: 0, end: 10 }));
        assert_eq!(asked("bytes=90-", None).within(100), Some(Part { start: 90, end: 100 }));
        assert_eq!(asked("bytes=-7", None).within(100), Some(Part { start: 93, end: 100 }));
        assert_eq!(asked("bytes=-700", None).within(100), Some(Part { start: 0, end: 100 }));
        assert_eq!(asked("bytes=5-999", None).within(100), Some(Part { start: 5, end: 100 }));
        assert_eq!(asked("BYTES = 5-99999999999999999999999", None).within(100), Some(Part { start: 5, end: 100 }));
    }

    #[test]
    fn a_range_outside_is_refused() {
        for range in ["bytes=100-", "bytes=200-300", "bytes=-0"] {
            assert_eq!(asked(range, None).within(100), None, "{range}");
        }
        assert_eq!(asked("bytes=0-", None).within(0), None);
        assert_eq!(Asked::Whole.within(0), Some(Part { start: 0, end: 0 }));
    }

    #[test]
    fn what_is_no_single_range_gets_the_whole() {
        for range in ["", "bytes", "bytes=", "lines=0-1", "bytes=5-1", "bytes=0-1,3-4", "bytes=a-b", "bytes=--1"] {
            assert_eq!(asked(range, None), Asked::Whole, "{range}");
        }
    }

    #[test]
    fn if_range_needs_the_same_content() {
        let same = etag(&DIGEST);
        assert_ne!(asked("bytes=1-", Some(&same)), Asked::Whole);
        assert_eq!(asked("bytes=1-", Some(&format!("W/{same}"))), Asked::Whole);
        assert_eq!(asked("bytes=1-", Some(&etag(&Digest([8; 32])))), Asked::Whole);
        assert_eq!(asked("bytes=1-", Some("Sat, 21 Nov 2026 08:00:00 GMT")), Asked::Whole);
    }

    proptest! {
        #[test]
        fn any_range_stays_within(text in "(bytes=)?[0-9, -]{0,40}", size in 0u64..1000) {
            if let Some(part) = asked(&text, None).within(size) {
                prop_assert!(part.start <= part.end && part.end <= size);
            }
        }

        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,100}", size: u64) {
            asked(&text, None).within(size);
        }
    }
}
