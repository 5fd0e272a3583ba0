//! The head of an answer, and the whole of a small one.

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use serde_json::Value;

/// How the body of an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many octets.
    Exactly(u64),
    /// With a chunk of no octets.
    Chunked,
}

/// An answer; the body is empty while it is still being streamed.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The status line and the header lines, as received.
    head: Bytes,
    /// The body.
    pub body: Bytes,
}

/// The longest head that we read: our server's heads are under 4 KiB.
const HEAD_SIZE_MAX: usize = 64 * 1024;

impl Answer {
    /// Takes a whole head off the front of what was received, if it is there.
    pub(super) fn take_head(inbox: &mut BytesMut) -> Result<Option<Self>> {
        let Some(end) = inbox.windows(4).position(|window| window == b"\r\n\r\n") else {
            if inbox.len() > HEAD_SIZE_MAX {
                bail!("the head of an answer does not end");
            }
            return Ok(None);
        };
        let head = inbox.split_to(end + 2).freeze();
        inbox.advance(2);
        let status = head
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok())
            .context("the answer does not begin with a status line")?;
        Ok(Some(Self { status, head, body: Bytes::new() }))
    }

    pub(super) fn framing(&self, method: &str) -> Result<Framing> {
        if method == "HEAD" || matches!(self.status, 100..=199 | 204 | 304) {
            return Ok(Framing::Exactly(0));
        }
        if self.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            return Ok(Framing::Chunked);
        }
        let length = self.header("content-length").context("an answer without a length")?;
        Ok(Framing::Exactly(length.parse().context("a length that is not a number")?))
    }

    /// The first value of a header; names are compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(&self.head).ok()?;
        head.split("\r\n").skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A member of the JSON body as text; empty where it is not there.
    pub fn text(&self, pointer: &str) -> String {
        match self.json().pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    /// The word of a problem; empty where the answer is none.
    pub fn word(&self) -> String {
        self.text("/word")
    }

    /// Checks that this is a problem as every refusal must be: its media type, its members, its code.
    pub fn problem(self, status: u16, word: &str) -> Result<Self> {
        let media_type = self.header("content-type").unwrap_or_default();
        ensure!(
            self.status == status,
            "status {} where {status} is expected: {}",
            self.status,
            self.summary()
        );
        ensure!(
            media_type.starts_with("application/problem+json"),
            "a problem is sent as {media_type}"
        );
        ensure!(
            self.word() == word,
            "the word is {} and not {word}: {}",
            self.word(),
            self.summary()
        );
        for member in ["/type", "/title", "/detail", "/code", "/trace_id"] {
            ensure!(
                !self.text(member).is_empty(),
                "a problem without {member}: {}",
                self.summary()
            );
        }
        ensure!(self.text("/code").starts_with("LGSP-"), "the code is {}", self.text("/code"));
        Ok(self)
    }

    /// This answer, if it is a success; else an error that shows what the server said.
    pub fn success(self) -> Result<Self> {
        if self.is_success() {
            return Ok(self);
        }
        bail!("status {}: {}", self.status, self.summary())
    }

    /// The beginning of the body, for messages of failed tests.
    pub fn summary(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(600).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_when_it_is_whole() {
        let mut inbox = BytesMut::from("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r");
        assert!(Answer::take_head(&mut inbox).expect("not yet").is_none());
        inbox.extend_from_slice(b"\n{}");
        let answer = Answer::take_head(&mut inbox).expect("a head").expect("whole");
        assert_eq!((answer.status, answer.header("content-length")), (201, Some("2")));
        assert_eq!(answer.framing("POST").expect("framed"), Framing::Exactly(2));
        assert_eq!(&inbox[..], b"{}");
    }
}
