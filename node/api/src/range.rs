//! `Range` and `If-Range` of RFC 9110: single ranges of octets, strong validators.

use axum::http::{HeaderMap, HeaderValue, header};
use conductor::Part;
use model::Digest;

/// The strong entity tag of a content.
pub(crate) fn etag(digest: &Digest) -> String {
    format!("\"sha256-{digest}\"")
}

/// The part that the headers ask for. A unit that we do not know, several ranges and a range that is
/// none are answered with the whole, as RFC 9110 section 14.2 allows.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Part> {
    let mut ranges = headers.get_all(header::RANGE).iter();
    match (ranges.next(), ranges.next()) {
        (Some(range), None) => range.to_str().ok().and_then(parse),
        _ => None,
    }
}

/// Whether the range counts for this content; `If-Range` needs the strong tag of the same octets.
pub(crate) fn counts_for(headers: &HeaderMap, digest: &Digest) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|validator| is_strong_match(validator, digest))
}

// Dates are no strong validators here: contents have none.
fn is_strong_match(validator: &HeaderValue, digest: &Digest) -> bool {
    validator.as_bytes() == etag(digest).as_bytes()
}

fn parse(text: &str) -> Option<Part> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => Some(Part::Last(number(last)?)),
        (first, "") => Some(Part::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Part::Between(first, last))
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

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter(HeaderValue::from_str(value).ok().map(|value| (name, value)))
    }

    #[test]
    fn single_ranges_are_read() {
        let read = |range| asked(&headers(header::RANGE, range));
        assert_eq!(read("bytes=0-9"), Some(Part::Between(0, 9)));
        assert_eq!(read("bytes=90-"), Some(Part::From(90)));
        assert_eq!(read("bytes=-7"), Some(Part::Last(7)));
        assert_eq!(read("BYTES = 5-99999999999999999999999"), Some(Part::Between(5, u64::MAX)));
    }

    #[test]
    fn what_is_no_single_range_gets_the_whole() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "lines=0-1",
            "bytes=5-1",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "bytes=--1",
        ] {
            assert_eq!(asked(&headers(header::RANGE, range)), None, "{range}");
        }
    }

    #[test]
    fn if_range_needs_the_same_content() {
        let same = etag(&DIGEST);
        let counts = |value: &str| counts_for(&headers(header::IF_RANGE, value), &DIGEST);
        assert!(counts(&same) && counts_for(&HeaderMap::new(), &DIGEST));
        for value in
            [format!("W/{same}"), etag(&Digest([8; 32])), "Sat, 21 Nov 2026 08:00:00 GMT".into()]
        {
            assert!(!counts(&value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn anything_like_a_range_is_read_without_harm(text in "(bytes=)?[0-9, -]{0,40}") {
            asked(&headers(header::RANGE, &text));
        }

        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,100}") {
            asked(&headers(header::RANGE, &text));
        }
    }
}
