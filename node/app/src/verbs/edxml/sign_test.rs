//! `edxml sign-test`: whether a captured VXP call is signed with a secret, and if not, which header differs.
//!
//! The secret stays in its file, and no value of a capture is repeated: it may be another's.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use serde_json::json;
use sha2::{Digest, Sha256};
use wire::{
    edxml::hash_file,
    vxp::{Field, Secret, Unverified},
};

use super::{
    super::Done,
    source::{PIECE, Source, plain, shown},
};
use crate::{
    cli::{Exit, Failure, Mark, Out, SignTestArgs},
    texts::{Text, edxml as t},
    written,
};

/// Octets of all headers of a capture: four times the longest line that the axis takes.
const HEAD_OCTETS_MAX: u64 = 8_000_000;

/// A call as it was captured.
struct Capture {
    headers: Vec<(String, Vec<u8>)>,
    /// The SHA-256 of the body's document: without the CR LF that the SDK puts behind it, and with it. None if no body
    /// was captured.
    documents: Option<[[u8; 32]; 2]>,
}

/// A header that is wrong: the stable word, the header, and what is the matter.
type Wrong = (&'static str, String, Text);

/// Tests one call.
pub fn sign_test(out: &Out, args: &SignTestArgs) -> Done {
    let path = &args.secret_file;
    let secret = written::read(path).map_err(|error| Failure::file(out.lang, path, &error))?;
    let secret = Secret::new(secret.trim());
    let capture = Capture::read(out, &args.file)?;
    let fields = capture.fields();
    let unverified = Unverified::read(&fields).map_err(|error| {
        let mut failure = no_capture(out, &args.file, t::unreadable_call(out.lang, &error));
        failure.chain = vec![error.to_string()];
        failure
    })?;
    let system = unverified.system_id().map(plain);
    let differences = unverified.differences(&secret);
    let mut wrong: Vec<Wrong> = differences.iter().map(named).collect();
    let body = capture.body();
    if body == Some(Body::Differs) {
        wrong.push(("body", "XroadVnpt-hash-file".to_owned(), t::SIGN_BODY_DIFFERS));
    }
    let verified = unverified.verify(&secret).ok();
    let signed = verified.iter().flat_map(|verified| verified.parameters());
    let signed: Vec<String> =
        signed.map(|(name, _)| format!("XroadVnpt-{}", plain(name))).collect();
    if !out.is_table() {
        let items: Vec<_> = wrong
            .iter()
            .map(|(word, header, text)| json!({ "header": header, "word": word, "what": out.text(*text) }))
            .collect();
        let (good, body) = (wrong.is_empty(), body.map(|body| body != Body::Differs));
        out.json(
            "lgsp.vxp-signature/1",
            json!({ "good": good, "system": system, "signed": signed, "body": body, "items": items }),
        );
        return Ok(if good { Exit::Ok } else { Exit::Failed });
    }
    let mut rows: Vec<_> =
        signed.iter().map(|header| row(out, Mark::Good, header, t::SIGN_HEADER)).collect();
    rows.extend(wrong.iter().map(|(_, header, text)| row(out, Mark::Bad, header, *text)));
    let body = body.filter(|body| *body != Body::Differs);
    rows.extend(body.map(|body| row(out, Mark::Good, "XroadVnpt-hash-file", body.text())));
    out.rows(&[t::COL_HEADER, t::COL_SAID], rows);
    let Some((word, ..)) = wrong.first() else {
        let (system, count) = (system.unwrap_or_default(), signed.len());
        out.done(t::SIGN_HOLDS, &[("system", &system), ("count", &count)]);
        return Ok(Exit::Ok);
    };
    let fix = match *word {
        "hash" => t::FIX_SIGN_HASH,
        "body" => t::FIX_SIGN_BODY,
        _ => t::FIX_SIGN_VALUE,
    };
    Err(Failure::new(Exit::Failed, out.text(t::SIGN_DIFFERS))
        .why(out.fill(t::SIGN_DIFFERS_WHY, &[("count", &wrong.len())]))
        .fix(out.text(fix))
        .code(9809))
}

fn named(difference: &wire::vxp::Difference) -> Wrong {
    let (word, name, text) = t::difference(difference);
    (word, format!("XroadVnpt-{name}"), text)
}

fn row(out: &Out, mark: Mark, header: &str, text: Text) -> Vec<String> {
    vec![format!("{} {header}", out.sign(mark)), out.text(text).to_owned()]
}

fn no_capture(out: &Out, path: &Path, why: String) -> Failure {
    let path = shown(out, path);
    Failure::new(Exit::Failed, out.fill(t::CAPTURE, &[("path", &path)]))
        .why(why)
        .fix(out.text(t::FIX_CAPTURE))
        .code(9810)
}

/// How `hash-file` stands to the body that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Padded,
    Unpadded,
    Differs,
}

impl Body {
    const fn text(self) -> Text {
        match self {
            Self::Padded => t::SIGN_BODY_PADDED,
            Self::Unpadded => t::SIGN_BODY_UNPADDED,
            Self::Differs => t::SIGN_BODY_DIFFERS,
        }
    }
}

impl Capture {
    fn read(out: &Out, path: &Path) -> Result<Self, Failure> {
        let unusable = |error| Failure::file(out.lang, path, &error);
        let mut from = BufReader::with_capacity(PIECE, Source::open(out, path)?.into_read());
        let mut headers = Vec::new();
        let (mut left, mut number) = (HEAD_OCTETS_MAX, 0_u64);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = from.by_ref().take(left).read_until(b'\n', &mut line).map_err(unusable)?;
            left -= u64::try_from(length).expect("it is at most what was left");
            number += 1;
            if left == 0 {
                let why = out.fill(t::CAPTURE_LONG, &[("max", &HEAD_OCTETS_MAX)]);
                return Err(no_capture(out, path, why));
            }
            match header(&line) {
                Line::End => break,
                Line::Header(name, value) => headers.push((name.to_owned(), value.to_vec())),
                Line::Other if number == 1 => {}
                Line::Other => {
                    let why = out.fill(t::CAPTURE_LINE, &[("line", &number)]);
                    return Err(no_capture(out, path, why));
                }
            }
        }
        let documents = documents(&mut from).map_err(unusable)?;
        Ok(Self { headers, documents })
    }

    fn fields(&self) -> Vec<Field<'_>> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
    }

    /// None where no body came, or no header speaks of it.
    fn body(&self) -> Option<Body> {
        let is_hash = |name: &str| name.eq_ignore_ascii_case("XroadVnpt-hash-file");
        let (_, said) = self.headers.iter().find(|(name, _)| is_hash(name))?;
        let said = std::str::from_utf8(said).unwrap_or_default();
        let documents = self.documents?;
        let Some(sha256) = documents.iter().find(|sha256| hash_file::is_spelt(sha256, said)) else {
            return Some(Body::Differs);
        };
        let is_padded = said.eq_ignore_ascii_case(&hash_file::padded(sha256));
        Some(if is_padded { Body::Padded } else { Body::Unpadded })
    }
}

/// A line of a capture's head.
enum Line<'l> {
    /// The empty one, or the end of the capture.
    End,
    Header(&'l str, &'l [u8]),
    /// The line of the request, where it stands first.
    Other,
}

fn header(line: &[u8]) -> Line<'_> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // As curl -v shows what it sends.
    let line = line.strip_prefix(b"> ").unwrap_or(line);
    if line.is_empty() || line == b">" {
        return Line::End;
    }
    let Some(colon) = line.iter().position(|octet| *octet == b':') else { return Line::Other };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    match std::str::from_utf8(name) {
        Ok(name) if !name.is_empty() && !name.contains([' ', '\t']) => {
            Line::Header(name, value.trim_ascii())
        }
        _ => Line::Other,
    }
}

/// The digests of what follows, without a CR LF at its end and with it. None if nothing follows.
fn documents(from: &mut impl Read) -> std::io::Result<Option<[[u8; 32]; 2]>> {
    const END: &[u8] = b"\r\n";
    let (mut hash, mut held, mut is_empty) = (Sha256::new(), Vec::new(), true);
    let mut piece = vec![0; PIECE];
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        is_empty = false;
        // The last two octets wait: they may be the end.
        held.extend_from_slice(&piece[..length]);
        let whole = held.len().saturating_sub(END.len());
        hash.update(&held[..whole]);
        held.drain(..whole);
    }
    if is_empty {
        return Ok(None);
    }
    let mut with = hash.clone();
    with.update(&held);
    let without = if held == END { hash } else { with.clone() };
    Ok(Some([without.finalize().into(), with.finalize().into()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one octet at a time.
    struct Drops<'o>(&'o [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let length = self.0.len().min(to.len()).min(1);
            to[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    #[test]
    fn the_end_of_a_body_is_found_however_it_comes() {
        let of = |octets: &[u8]| -> [u8; 32] { Sha256::digest(octets).into() };
        for (body, without) in
            [(&b"abc\r\n"[..], &b"abc"[..]), (b"abc", b"abc"), (b"\r\n", b""), (b"a\n", b"a\n")]
        {
            for read in [documents(&mut &body[..]), documents(&mut Drops(body))] {
                assert_eq!(read.expect("it is read"), Some([of(without), of(body)]), "{body:?}");
            }
        }
        assert_eq!(documents(&mut &b""[..]).expect("it is read"), None);
    }
}
