//! The language that people read: Vietnamese unless `Accept-Language` prefers English.

use axum::http::{HeaderMap, header};

use crate::header::preferences;

/// A language that titles and details are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Lang {
    /// Vietnamese, the default.
    #[default]
    Vi,
    /// English.
    En,
}

impl Lang {
    /// The BCP 47 tag.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }

    /// The language that a request asks for: the best of the two; what cannot be read counts as not said.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let (mut vi, mut en, mut any) = (None, None, None);
        for (tag, quality) in preferences(headers, header::ACCEPT_LANGUAGE) {
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn lang(text: &str) -> Lang {
        let value = HeaderValue::from_str(text).into_iter();
        Lang::of(&value.map(|value| (header::ACCEPT_LANGUAGE, value)).collect())
    }

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
            assert_eq!(lang(text), Lang::Vi, "{text}");
        }
        for text in
            ["en", "en-GB,en;q=0.9", "fr,en;q=0.2", "vi;q=0.4,en;q=0.401", "EN-us", "vi;Q=0.1, EN"]
        {
            assert_eq!(lang(text), Lang::En, "{text}");
        }
        let lines = [("accept-language", "vi;q=0.5"), ("accept-language", "en")];
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        assert_eq!(Lang::of(&headers), Lang::En);
    }

    proptest! {
        #[test]
        fn any_text_has_a_language(text in "\\PC{0,200}") {
            lang(&text);
        }

        #[test]
        fn anything_like_a_list_has_a_language(text in "([a-z*-]{0,6}(;q=[0-9.]{0,6})?,?){0,30}") {
            lang(&text);
        }
    }
}
