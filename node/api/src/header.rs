//! Values of headers as they are spoken: media types with parameters, lists in pieces, any case of letters.

use axum::http::{HeaderMap, HeaderName, header};

/// Members of a list that are looked at: browsers send fewer than ten.
const MEMBERS_MAX: usize = 20;

/// Parameters of a header that are read: none has a third of them. Each is compared with those before it.
const PARAMETERS_MAX: usize = 32;

/// The media type of a body without its parameters, if it has one.
pub(crate) fn essence(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim())
}

/// Whether a body is of a kind, whatever its parameters say.
pub(crate) fn is_kind(headers: &HeaderMap, kind: &str) -> bool {
    essence(headers).is_some_and(|essence| essence.eq_ignore_ascii_case(kind))
}

/// The parameters behind a header's first word, by their names in lower case.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads them; none where one comes twice, as somebody else might read the other one, and none where
    /// there are more than anybody sends.
    pub(crate) fn of(value: &str) -> Option<Self> {
        let parts = split(value);
        if parts.len() > PARAMETERS_MAX + 1 {
            return None;
        }
        let mut parameters = Self(Vec::new());
        for parameter in parts.into_iter().skip(1) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let name = name.trim().to_ascii_lowercase();
            if parameters.0.iter().any(|(known, _)| *known == name) {
                return None;
            }
            parameters.0.push((name, value.trim().to_owned()));
        }
        Some(parameters)
    }

    /// The value of one, out of its quotes. Only a quote and a backslash are undone: a backslash before
    /// anything else stands for itself, as in the paths that old programs send.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let Some(quoted) = quoted else { return Some(value.clone()) };
        let (mut plain, mut rest) =
            (String::with_capacity(quoted.len()), quoted.chars().peekable());
        while let Some(c) = rest.next() {
            let escaped =
                if c == '\\' { rest.next_if(|next| matches!(next, '"' | '\\')) } else { None };
            plain.push(escaped.unwrap_or(c));
        }
        Some(plain)
    }
}

/// The parts of a header between semicolons that stand in no quotes.
fn split(value: &str) -> Vec<&str> {
    let (mut parts, mut begun) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in value.bytes().enumerate() {
        if c == b';' && !quoted {
            parts.push(&value[begun..at]);
            begun = at + 1;
            continue;
        }
        quoted ^= c == b'"' && !escaped;
        escaped = quoted && c == b'\\' && !escaped;
    }
    parts.push(&value[begun..]);
    parts
}

/// The members of a list with their quality in thousandths (RFC 9110 section 12.4.2), in one line or
/// several. A quality that is none says nothing of its member, which is passed over.
pub(crate) fn preferences(
    headers: &HeaderMap,
    name: HeaderName,
) -> impl Iterator<Item = (&str, u32)> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).take(MEMBERS_MAX).filter_map(|member| {
        let mut parts = member.split(';');
        let what = parts.next().unwrap_or_default().trim();
        let quality = parts.filter_map(|part| part.split_once('=')).find_map(|(name, value)| {
            name.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
        });
        Some((what, quality.unwrap_or(Some(1000))?))
    })
}

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
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes());
            headers.append(&name, value.expect("a value"));
        }
        headers
    }

    #[test]
    fn no_header_has_thousands_of_parameters() {
        let of = |count: usize| {
            let names: String = (0..count).map(|number| format!(";a{number}=1")).collect();
            Parameters::of(&format!("form-data{names}"))
        };
        assert!(of(PARAMETERS_MAX).is_some());
        assert!(of(PARAMETERS_MAX + 1).is_none() && of(200_000).is_none());
        assert!(Parameters::of(&format!("form-data; filename=\"{}\"", ";".repeat(200))).is_some());
    }

    #[test]
    fn a_media_type_is_the_same_with_parameters_and_in_any_case() {
        for value in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\";x=y",
            "application/json ;",
        ] {
            assert!(
                is_kind(&headers(header::CONTENT_TYPE, &[value]), "application/json"),
                "{value}"
            );
        }
        for value in ["", "application/jsonl", "text/plain; x=application/json", "é/json"] {
            assert!(
                !is_kind(&headers(header::CONTENT_TYPE, &[value]), "application/json"),
                "{value}"
            );
        }
        assert!(!is_kind(&HeaderMap::new(), "application/json"));
    }

    #[test]
    fn lists_are_read_in_one_line_or_several() {
        let read = |values: &[&str]| {
            let headers = headers(header::ACCEPT, values);
            let read = preferences(&headers, header::ACCEPT);
            read.map(|(what, quality)| format!("{what} {quality}")).collect::<Vec<_>>()
        };
        assert_eq!(read(&["a/b, c/d;Q=0.5"]), ["a/b 1000", "c/d 500"]);
        assert_eq!(read(&["a/b; v=1 ; q = 0", "c/d;q=0.001"]), ["a/b 0", "c/d 1"]);
        assert_eq!(read(&["a;q=2", "b;q=x", "c;q=0.0001", "d;q=1.000"]), ["d 1000"]);
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_harm(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&octets) {
                let headers = HeaderMap::from_iter([(header::ACCEPT, value.clone()), (header::CONTENT_TYPE, value)]);
                let _ = (essence(&headers), preferences(&headers, header::ACCEPT).count());
            }
        }
    }
}
