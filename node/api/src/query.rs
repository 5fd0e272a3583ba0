//! Query strings and cursors: known parameters only, each once.

use std::{borrow::Cow, str::FromStr};

use axum::http::Uri;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;

use crate::{
    problem::Problem,
    settings::{PAGE_DEFAULT, PAGE_MAX},
    texts::Fault,
};

/// Characters of an unknown name that are repeated: far more than any parameter here has.
const NAME_MAX: usize = 64;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Query<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads the query; a parameter that is not among the known ones, or comes twice, is refused.
    pub(crate) fn of(uri: &'a Uri, known: &[&'static str]) -> Result<Self, Problem> {
        Self::parse(uri.query().unwrap_or_default(), known)
    }

    fn parse(text: &'a str, known: &[&'static str]) -> Result<Self, Problem> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = known.iter().copied().find(|known| *known == name).ok_or_else(|| {
                Problem::new(Fault::QueryMalformed)
                    .member("parameter", shown(name))
                    .member("expected", known.join(", "))
            })?;
            let value = decode(value).ok_or_else(|| malformed(name))?;
            if query.get(name).is_some() {
                return Err(malformed(name));
            }
            query.0.push((name, value));
        }
        Ok(query)
    }

    /// A parameter's text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    /// A parameter that is a number.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        match text.parse() {
            Ok(number) if plain => Ok(Some(number)),
            _ => Err(malformed(name).member("expected", "a whole number from 0 on")),
        }
    }

    /// How many items a page may have.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let out_of_range = |problem: Problem| problem.member("min", 1).member("max", PAGE_MAX);
        match self.number("limit").map_err(out_of_range)? {
            None => Ok(PAGE_DEFAULT),
            Some(0) => Err(out_of_range(malformed("limit"))),
            Some(limit) => Ok(usize::try_from(limit).unwrap_or(PAGE_MAX).min(PAGE_MAX)),
        }
    }

    /// Where the page begins: after the item that the cursor names.
    pub(crate) fn cursor<T: FromStr>(&self) -> Result<Option<T>, Problem> {
        let Some(cursor) = self.get("cursor") else { return Ok(None) };
        let text = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
        let text = text.and_then(|octets| String::from_utf8(octets).ok());
        let item = text.and_then(|text| text.parse().ok());
        item.map(Some).ok_or_else(|| malformed("cursor"))
    }
}

/// The cursor that names an item.
pub(crate) fn cursor(item: impl ToString) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(item.to_string())
}

fn malformed(name: &'static str) -> Problem {
    Problem::new(Fault::QueryMalformed).member("parameter", name)
}

/// A name that is unknown, so that it may be anything: what a name is made of, cut short.
fn shown(name: &str) -> String {
    let name = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    name.take(NAME_MAX).collect()
}

/// Decodes a form's value; none when it is no UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().ok();
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| Cow::Owned(text.into_owned()))
}

#[cfg(test)]
mod tests {
    use model::PacketId;
    use proptest::prelude::*;

    use super::*;

    const KNOWN: &[&str] = &["q", "cursor", "limit", "after"];

    #[test]
    fn known_parameters_are_read() {
        let query =
            Query::parse("q=s%E1%BB%9F+n%C3%B4ng&limit=500&after=7", KNOWN).expect("well-formed");
        assert_eq!(query.get("q"), Some("sở nông"));
        assert_eq!(query.limit().ok(), Some(PAGE_MAX));
        assert_eq!(query.number("after").ok(), Some(Some(7)));
        let id = PacketId(9);
        let text = format!("cursor={}", cursor(id));
        let query = Query::parse(&text, KNOWN).expect("well-formed");
        assert_eq!(query.cursor::<PacketId>().ok(), Some(Some(id)));
    }

    #[test]
    fn others_are_refused() {
        for text in ["x=1", "q=a&q=b", "q=%ff", "limits=1", "Q=a"] {
            assert!(Query::parse(text, KNOWN).is_err(), "{text}");
        }
        for text in ["limit=0", "limit=-1", "limit=", "limit=+1", "limit=99999999999999999999999"] {
            assert!(Query::parse(text, KNOWN).expect("well-formed").limit().is_err(), "{text}");
        }
        for text in ["cursor=", "cursor=%2F", "cursor=cGtfeA", "cursor=!"] {
            assert!(
                Query::parse(text, KNOWN).expect("well-formed").cursor::<PacketId>().is_err(),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(text in "\\PC{0,100}") {
            if let Ok(query) = Query::parse(&text, KNOWN) {
                let _ = (query.limit(), query.cursor::<PacketId>(), query.number("after"));
            }
        }

        #[test]
        fn anything_like_a_query_is_read_or_refused(text in "((q|cursor|limit|after)=[A-Za-z0-9%+_-]{0,12}&?){0,5}") {
            if let Ok(query) = Query::parse(&text, KNOWN) {
                let _ = (query.limit(), query.cursor::<PacketId>(), query.number("after"));
            }
        }
    }
}
