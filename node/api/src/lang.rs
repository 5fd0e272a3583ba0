//! The language that people read: Vietnamese unless `Accept-Language` prefers English.

use axum::http::{HeaderMap, header};

/// A language that titles and details are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Lang {
    /// Vietnamese, the default.
    #[default]
    Vi,
    /// English.
    En,
}

/// Ranges of `Accept-Language` that are looked at: browsers send fewer than ten.
const RANGES_MAX: usize = 20;

impl Lang {
    /// The BCP 47 tag.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }

    /// The language that a request asks for.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .map_or(Self::default(), Self::parse)
    }

    /// Takes the best of the two; what cannot be read counts as not said.
    fn parse(text: &str) -> Self {
        let (mut vi, mut en, mut any) = (None, None, None);
        for range in text.split(',').take(RANGES_MAX) {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let quality = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(Some(1000), thousandths);
            let Some(quality) = quality else { continue };
            let primary = tag.split('-').next().unwrap_or_default();
            let best = if primary.eq_ignore_ascii_case("vi") {
                &mut vi
            } else if primary.eq_ignore_ascii_case("en") {
                &mut en
            } else if tag == "*" {
                &mut any
            } else {
                continue;
            };
            *best = (*best).max(Some(quality));
        }
        if en.or(any).unwrap_or(0) > vi.or(any).unwrap_or(0) { Self::En } else { Self::Vi }
    }
}

/// A quality value of RFC 9110 section 12.4.2 in thousandths.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    match whole {
        "1" => rest.bytes().all(|c| c == b'0').then_some(1000),
        "0" => Some(format!("{rest:0<3}").parse().unwrap_or(0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vietnamese_unless_english_is_preferred() {
        for text in [
            "",
            "vi",
            "fr",
            "vi-VN,vi;q=0.9,en;q=0.8",
            "en;q=0.5, vi;q=0.6",
            "*",
            "en;q=x",
            "en;q=0",
            "en;q=2",
        ] {
            assert_eq!(Lang::parse(text), Lang::Vi, "{text}");
        }
        for text in ["en", "en-GB,en;q=0.9", "fr,en;q=0.2", "vi;q=0.4,en;q=0.401", "EN-us"] {
            assert_eq!(Lang::parse(text), Lang::En, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_language(text in "\\PC{0,200}") {
            Lang::parse(&text);
        }

        #[test]
        fn anything_like_a_list_has_a_language(text in "([a-z*-]{0,6}(;q=[0-9.]{0,6})?,?){0,30}") {
            Lang::parse(&text);
        }
    }
}
