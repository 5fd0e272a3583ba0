//! A request before it is signed, and the bodies that the API takes.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

/// One request. The body is whole, or streamed by the caller after the head.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: &'static str,
    /// Path and query, as on the wire.
    pub target: String,
    /// Header fields beside `host` and `content-length`, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A request that reads.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// A request with a JSON body.
    pub fn post(target: impl Into<String>, body: &Value) -> Self {
        Self::new("POST", target).body("application/json", body.to_string().into())
    }

    /// The same with a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with a token of a space or a download.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// The same with a body.
    pub fn body(mut self, media_type: impl Into<String>, body: Bytes) -> Self {
        self.body = body;
        self.header("content-type", media_type)
    }

    /// The path alone.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The query alone.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }
}

/// Between the parts of a form; contents of scenes and load never hold it.
const BOUNDARY: &str = "lgsp-tests-7d1f0c52b9";

/// A small packet in one round trip: the request as JSON, then the content.
pub fn multipart(request: &Value, file_name: &str, media_type: &str, content: &[u8]) -> Request {
    let mut body = BytesMut::with_capacity(content.len() + 1024);
    body.put_slice(b"--");
    body.put_slice(BOUNDARY.as_bytes());
    body.put_slice(
        b"\r\nContent-Disposition: form-data; name=\"request\"\r\nContent-Type: application/json\r\n\r\n",
    );
    body.put_slice(request.to_string().as_bytes());
    body.put_slice(b"\r\n--");
    body.put_slice(BOUNDARY.as_bytes());
    body.put_slice(b"\r\nContent-Disposition: form-data; name=\"content\"; filename=\"");
    body.put_slice(file_name.as_bytes());
    body.put_slice(b"\"\r\nContent-Type: ");
    body.put_slice(media_type.as_bytes());
    body.put_slice(b"\r\n\r\n");
    body.put_slice(content);
    body.put_slice(b"\r\n--");
    body.put_slice(BOUNDARY.as_bytes());
    body.put_slice(b"--\r\n");
    Request::new("POST", "/v1/packets")
        .body(format!("multipart/form-data; boundary={BOUNDARY}"), body.freeze())
}

/// A text as it may stand in a query.
pub fn percent(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(octet));
        } else {
            write!(out, "%{octet:02X}").expect("a string takes every character");
        }
    }
    out
}
