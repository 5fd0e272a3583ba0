//! File names on their way in and out, in the forms that clients write and read.
//!
//! In: a parameter of a form (RFC 7578), raw or as browsers, mail libraries and RFC 8187 write it; a path is
//! cut to its last part. Out: a name of ASCII for old clients, and the name itself for the others (RFC 6266).

use base64::{Engine, prelude::BASE64_STANDARD};
use model::FileName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::header::Parameters;

/// Everything but the characters that RFC 8187 leaves as they are.
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// What was given as a file's name, maybe with the path that it had where it came from; none where it is empty.
pub(crate) fn file_name(given: &str) -> Result<Option<FileName>, &'static str> {
    if given.is_empty() {
        return Ok(None);
    }
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    last.parse().map(Some).map_err(|error: model::Malformed| error.reason)
}

/// The file's name among the parameters of a `Content-Disposition`.
pub(crate) fn of_parameters(parameters: &Parameters) -> Result<Option<FileName>, &'static str> {
    // The newer form says in which encoding it is, so it counts where it can be read (RFC 6266 section 4.3).
    let extended = parameters.get("filename*").and_then(|value| extended(&value));
    let given = extended.or_else(|| parameters.get("filename").map(|value| plain(&value)));
    given.map_or(Ok(None), |given| file_name(&given))
}

/// `UTF-8''C%C3%B4ng%20v%C4%83n.pdf` (RFC 8187).
fn extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    decoded(charset, percent_decode_str(text).collect())
}

/// A value as it stands, a chain of encoded words of mail (RFC 2047), or with the quotes that browsers write
/// as `%22` (HTML, section 4.10.21.8).
fn plain(value: &str) -> String {
    let words: Option<String> = value.split_ascii_whitespace().map(encoded_word).collect();
    words.filter(|words| !words.is_empty()).unwrap_or_else(|| value.replace("%22", "\""))
}

/// `=?UTF-8?B?Q8O0bmc=?=`, or with Q for a kind of percent-encoding.
fn encoded_word(word: &str) -> Option<String> {
    let inner = word.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut parts = inner.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    let octets = match encoding {
        "B" | "b" => BASE64_STANDARD.decode(text).ok()?,
        "Q" | "q" => {
            // The same with other signs; a percent sign stands for itself.
            let text = text.replace('%', "%25").replace('_', " ").replace('=', "%");
            percent_decode_str(&text).collect()
        }
        _ => return None,
    };
    // RFC 2231 lets a language follow the charset.
    decoded(charset.split('*').next().unwrap_or_default(), octets)
}

fn decoded(charset: &str, octets: Vec<u8>) -> Option<String> {
    match &*charset.to_ascii_lowercase() {
        "utf-8" | "utf8" | "us-ascii" => String::from_utf8(octets).ok(),
        "iso-8859-1" => Some(octets.into_iter().map(char::from).collect()),
        _ => None,
    }
}

/// How a content is sent: always to be saved, never to be shown, as it is not ours to run in a browser.
pub(crate) fn disposition(file_name: Option<&FileName>) -> String {
    let Some(name) = file_name else { return "attachment".into() };
    // What some clients would unescape, or take for a path, and others not.
    let old = model::without_marks(name.as_str())
        .replace(|c| matches!(c, '"' | '\\' | '%' | '/') || !matches!(c, ' '..='~'), "_");
    let new = utf8_percent_encode(name.as_str(), ATTR_CHAR);
    format!("attachment; filename=\"{old}\"; filename*=UTF-8''{new}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(disposition: &str) -> Result<Option<String>, &'static str> {
        let parameters = Parameters::of(disposition).expect("each once");
        of_parameters(&parameters).map(|name| name.map(|name| name.to_string()))
    }

    /// As the libraries write them: curl, browsers, Python's requests and urllib3, .NET, Java's mail, OkHttp.
    #[test]
    fn names_are_read_in_every_form_that_clients_send() {
        let name = "Công văn số 12.pdf";
        let b = BASE64_STANDARD.encode(name);
        let percent = utf8_percent_encode(name, ATTR_CHAR).to_string();
        let q: String = name.bytes().map(|c| format!("={c:02X}")).collect();
        for value in [
            format!("filename=\"{name}\""),
            format!("filename*=UTF-8''{percent}"),
            format!("filename*=utf-8'vi'{percent}"),
            format!("filename=\"Cong van.pdf\"; filename*=UTF-8''{percent}"),
            format!("filename*=UTF-8''{percent}; filename=\"C?ng v?n.pdf\""),
            format!("filename=\"=?utf-8?B?{b}?=\"; filename*=utf-8''{percent}"),
            format!("filename=\"=?UTF-8?B?{b}?=\""),
            format!("filename==?UTF-8?Q?{q}?="),
            "filename=\"=?UTF-8?Q?C=C3=B4ng_v=C4=83n?= =?utf-8*vi?q?_s=E1=BB=91_12.pdf?=\"".into(),
            format!("filename=\"=?x-unknown?B?AAAA?=\"; filename*=UTF-8''{percent}"),
            format!("filename*=UTF-16''xx; filename=\"{name}\""),
            format!("FileName=\"{name}\""),
        ] {
            assert_eq!(
                read(&format!("form-data; name=\"content\"; {value}")),
                Ok(Some(name.into())),
                "{value}"
            );
        }
    }

    #[test]
    fn quotes_and_paths_come_through() {
        for (value, name) in [
            (r#"filename="a \"b\".txt""#, "a \"b\".txt"),
            (r#"filename="a %22b%22.txt""#, "a \"b\".txt"),
            (r#"filename="C:\Users\an\Công văn.pdf""#, "Công văn.pdf"),
            (r#"filename="C:\\Users\\an\\x.pdf""#, "x.pdf"),
            (r#"filename="/home/an/x.pdf""#, "x.pdf"),
            (r#"filename="../../etc/passwd""#, "passwd"),
            ("filename*=UTF-8''C%3A%5Can%5Cx.pdf", "x.pdf"),
            (r#"filename="100%.txt""#, "100%.txt"),
            (r#"filename="a;b.txt""#, "a;b.txt"),
            ("filename=x.txt", "x.txt"),
        ] {
            assert_eq!(read(&format!("form-data; {value}")), Ok(Some(name.into())), "{value}");
        }
        assert_eq!(read("form-data; name=\"content\""), Ok(None));
        assert_eq!(read("form-data; filename=\"\""), Ok(None));
        for value in [r#"filename="..""#, r#"filename="a/""#, "filename*=UTF-8''a%0Ab"] {
            assert!(read(&format!("form-data; {value}")).is_err(), "{value}");
        }
    }

    #[test]
    fn names_are_sent_for_old_and_new_clients() {
        let sent = |name: &str| disposition(name.parse().ok().as_ref());
        assert_eq!(
            sent("Công văn Đ số 12 (bản 2).pdf"),
            "attachment; filename=\"Cong van D so 12 (ban 2).pdf\"; \
             filename*=UTF-8''C%C3%B4ng%20v%C4%83n%20%C4%90%20s%E1%BB%91%2012%20%28b%E1%BA%A3n%202%29.pdf"
        );
        assert_eq!(
            sent("a \"b\" 5%.txt"),
            "attachment; filename=\"a _b_ 5_.txt\"; filename*=UTF-8''a%20%22b%22%205%25.txt"
        );
        assert_eq!(disposition(None), "attachment");
    }

    proptest! {
        #[test]
        fn what_is_sent_reads_back(name in "\\PC{1,40}") {
            if let Ok(name) = name.parse::<FileName>() {
                let sent = disposition(Some(&name));
                prop_assert!(sent.bytes().all(|c| matches!(c, b' '..=b'~')), "{}", sent);
                let read = of_parameters(&Parameters::of(&sent).expect("each once"));
                prop_assert_eq!(read, Ok(Some(name)));
            }
        }

        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,100}", value in "(=\\?|utf-8|\\?[BQ]\\?|%[0-9A-F]{2}|'|[a-z=]){0,20}") {
            if let Some(parameters) = Parameters::of(&format!("form-data; filename={text}")) {
                let _ = of_parameters(&parameters);
            }
            if let Some(parameters) = Parameters::of(&format!("x; filename={value}; filename*={value}")) {
                let _ = of_parameters(&parameters);
            }
        }
    }
}
