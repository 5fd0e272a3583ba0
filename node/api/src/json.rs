//! JSON bodies: read as people's editors write them, and what is wrong with them is told by its place.
//!
//! A value that was sent is never repeated; the name of a field is, cut short.

use axum::http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::{
    header::is_kind,
    problem::{FieldError, Problem},
    texts::Fault,
};

/// Characters of a name that are repeated: far more than any field here has.
const NAME_MAX: usize = 64;

/// JSON must say that it is JSON.
pub(crate) fn check_json_type(headers: &HeaderMap) -> Result<(), Problem> {
    if is_kind(headers, "application/json") {
        return Ok(());
    }
    Err(Problem::new(Fault::MediaTypeUnsupported).member("expected", "application/json"))
}

/// Reads JSON.
pub(crate) fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = text(body).map_err(malformed)?;
    // serde would take a list for a structure, by position: a second spelling that nobody documents.
    if text.trim_ascii_start().starts_with('[') {
        return Err(malformed("an object is expected"));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let place = pointer(error.path());
        misfit(place, &error.into_inner())
    })?;
    json.end().map_err(|error| broken(&error))?;
    Ok(read)
}

/// The text of a body, or why it is none.
fn text(body: &[u8]) -> Result<&str, &'static str> {
    let body = model::without_mark(body)
        .map_err(|model::Utf16| "the text is UTF-16: save and send it as UTF-8")?;
    if body.trim_ascii().is_empty() {
        return Err("the body is empty");
    }
    std::str::from_utf8(body).map_err(|_| "the text is not UTF-8: save and send it as UTF-8")
}

fn malformed(reason: &'static str) -> Problem {
    Problem::new(Fault::JsonMalformed).error("", reason)
}

/// Text that is no JSON.
fn broken(error: &serde_json::Error) -> Problem {
    let reason = if error.is_eof() {
        "the text ends before the JSON does"
    } else {
        "the text is no JSON from this line and column on"
    };
    malformed(reason).member("line", error.line()).member("column", error.column())
}

/// JSON that is not what is expected here.
fn misfit(place: String, error: &serde_json::Error) -> Problem {
    if !error.is_data() {
        return broken(error);
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
    // Those two are told at the object that the field belongs to.
    let of = |prefix| text.strip_prefix(prefix).and_then(|rest: &str| rest.strip_suffix('`'));
    if let Some(name) = of("missing field `") {
        let place = format!("{place}/{name}");
        return Problem::fields(vec![FieldError::new(place, "it is missing")]);
    }
    let problem = match of("duplicate field `") {
        Some(name) => malformed_at(format!("{place}/{name}"), "it is given twice", ""),
        None if text.starts_with("unknown field ") => {
            let known = text.rfind("`, expected ").map(|at| names(&text[at + 1..]));
            let known = known.unwrap_or_default();
            malformed_at(place, "there is no such field; there are", &known)
        }
        None => malformed_at(place, expected(text), ""),
    };
    problem.member("line", error.line()).member("column", error.column())
}

fn malformed_at(place: String, reason: &'static str, named: &str) -> Problem {
    let error = FieldError::new(place, reason).naming(named);
    Problem::new(Fault::JsonMalformed).errors(vec![error])
}

/// The names between grave accents.
fn names(text: &str) -> String {
    let names: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    names.join(", ")
}

/// What serde expected, in our words. A value of the caller comes before the last `expected`, never after.
fn expected(text: &str) -> &'static str {
    let expected = text.rfind("expected ").map_or("", |at| &text[at + "expected ".len()..]);
    match expected {
        "a string" | "a borrowed string" | "str" => "a text is expected",
        "a boolean" => "true or false is expected",
        "a sequence" => "a list is expected",
        "a map" => "an object is expected",
        _ if expected.starts_with("struct ") => "an object is expected",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on is expected",
        "i8" | "i16" | "i32" | "i64" => "a whole number is expected",
        _ => "another kind of value is expected",
    }
}

/// The place as a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                let shown = key.chars().filter(|c| !c.is_control()).take(NAME_MAX);
                let shown: String = shown.collect();
                pointer.push_str(&shown.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "title")]
        _title: String,
        #[serde(rename = "size")]
        _size: Option<u64>,
        #[serde(rename = "parts", default)]
        _parts: Vec<Part>,
    }

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Part {
        #[serde(rename = "last")]
        _last: bool,
    }

    /// The status, the pointer and the reason.
    fn told(body: impl AsRef<[u8]>) -> (u16, String, String) {
        let problem = from_json::<Sample>(body.as_ref()).expect_err("malformed");
        let [error] = problem.field_errors() else { panic!("one error: {problem:?}") };
        let FieldError { pointer, reason, named } = error;
        let reason = if named.is_empty() { (*reason).into() } else { format!("{reason}: {named}") };
        (problem.status().as_u16(), pointer.clone(), reason)
    }

    #[test]
    fn what_is_wrong_is_said_by_its_place_and_without_what_was_sent() {
        for (body, status, pointer, reason) in [
            ("{}", 422, "/title", "it is missing"),
            (r#"{"title":"a","parts":[{"last":true},{}]}"#, 422, "/parts/1/last", "it is missing"),
            (
                r#"{"title":"a","titel":"secret"}"#,
                400,
                "/titel",
                "there is no such field; there are: title, size, parts",
            ),
            (
                r#"{"title":"a","parts":[{"a/b~`, expected `x":1}]}"#,
                400,
                "/parts/0/a~1b~0`, expected `x",
                "there is no such field; there are: last",
            ),
            (r#"{"title":"a","title":"b"}"#, 400, "/title", "it is given twice"),
            (r#"{"title":["secret"]}"#, 400, "/title", "a text is expected"),
            (r#"{"title":"a","size":"3"}"#, 400, "/size", "a whole number from 0 on is expected"),
            (r#"{"title":"a","size":-3}"#, 400, "/size", "a whole number from 0 on is expected"),
            (r#"{"title":"a","parts":{}}"#, 400, "/parts", "a list is expected"),
            (r#"{"title":"a","parts":[7]}"#, 400, "/parts/0", "an object is expected"),
            (
                r#"{"title":"a","parts":[{"last":1}]}"#,
                400,
                "/parts/0/last",
                "true or false is expected",
            ),
            (r#" ["secret"]"#, 400, "", "an object is expected"),
            (r#"{"title":"secret"#, 400, "", "the text ends before the JSON does"),
            ("{'title'}", 400, "", "the text is no JSON from this line and column on"),
            (r#"{"title":"a"} x"#, 400, "", "the text is no JSON from this line and column on"),
            ("", 400, "", "the body is empty"),
            (" \r\n", 400, "", "the body is empty"),
        ] {
            assert_eq!(told(body), (status, pointer.into(), reason.into()), "{body}");
        }
        let long = format!("{{\"{}\":1}}", "x".repeat(500));
        assert_eq!(told(long).1.len(), NAME_MAX + 1);
    }

    /// Case 5: the mark of an encoding is no content.
    #[test]
    fn marks_of_encodings_are_taken_off_or_named() {
        let json = r#"{"title":"Công văn"}"#;
        let marked = ["\u{feff}".as_bytes(), json.as_bytes()].concat();
        from_json::<Sample>(&marked).expect("a mark says nothing");
        for mark in [&[0xfeff][..], &[]] {
            let units: Vec<u16> = mark.iter().copied().chain(json.encode_utf16()).collect();
            let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            for body in [little, big] {
                assert_eq!(told(body).2, "the text is UTF-16: save and send it as UTF-8");
            }
        }
        let reason = "the text is not UTF-8: save and send it as UTF-8";
        assert_eq!(told(b"{\"title\":\"C\xf4ng\"}").2, reason);
        assert_eq!(told("\u{feff}").2, "the body is empty");
    }

    proptest! {
        #[test]
        fn any_body_is_a_client_error(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Err(problem) = from_json::<Sample>(&octets) {
                prop_assert!(problem.status().is_client_error());
            }
        }

        #[test]
        fn any_names_are_a_client_error(name in "\\PC{0,80}") {
            let body = serde_json::json!({"title": "a", name: 1}).to_string();
            if let Err(problem) = from_json::<Sample>(body.as_bytes()) {
                prop_assert!(problem.status().is_client_error());
            }
        }
    }
}
