//! Who calls: the request's head is checked by its signature, its body by the digest that was signed.
//!
//! Nothing acts on a body before its digest has matched: it is collected up to the route's limit, or
//! streams into a space that nobody sees before the commit.

use std::sync::atomic::Ordering;

use auth::{Header, Rejection, RequestHead, VerifiedCaller};
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use model::IdempotencyKey;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    app::{App, Notes},
    problem::Problem,
    settings::{BODY_IDLE_MAX, BUFFER_WAIT_MAX, BUFFERED_STRANGERS_MAX, JSON_MAX},
    texts::Fault,
};

/// A request whose head was signed by its caller.
pub(crate) struct Signed {
    /// Who it is.
    pub(crate) caller: VerifiedCaller,
    /// The head.
    pub(crate) head: Parts,
    /// The body, not yet read.
    pub(crate) octets: Octets,
}

/// A body as it arrives.
pub(crate) struct Octets {
    body: Body,
    app: App,
    /// Whether its sender has shown a key or a token.
    known: bool,
    /// The room that the collected body takes, as long as its request is worked on.
    room: Option<OwnedSemaphorePermit>,
}

impl App {
    /// Checks the signature of a request's head.
    pub(crate) async fn signed(&self, request: Request) -> Result<Signed, Problem> {
        let (head, mut octets) = self.unsigned(request);
        let caller = self.caller(&head).await?;
        octets.known();
        Ok(Signed { caller, head, octets })
    }

    /// A request that shows who it is by other means, or need not.
    pub(crate) fn unsigned(&self, request: Request) -> (Parts, Octets) {
        let (head, body) = request.into_parts();
        (head, Octets { body, app: self.clone(), known: false, room: None })
    }

    /// Who signed the head.
    pub(crate) async fn caller(&self, head: &Parts) -> Result<VerifiedCaller, Problem> {
        let headers: Vec<Header<'_>> =
            head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let as_received = request_head(head, &headers);
        let without_majority = as_received.is_safe() && WITHOUT_MAJORITY.contains(&head.uri.path());
        let caller = if without_majority {
            self.exchange.verify_as_known(&as_received)?
        } else {
            self.exchange.await_fresh().await;
            match self.exchange.verify(&as_received) {
                Err(delivery::Error::Signature(Rejection::KeyUnknown)) => {
                    self.exchange.look_for_strangers().await?;
                    self.exchange.verify(&as_received)?
                }
                verified => verified?,
            }
        };
        if let Some(notes) = head.extensions.get::<std::sync::Arc<Notes>>() {
            let _ = notes.unit.set(caller.unit().clone());
            notes.legacy.store(caller.is_legacy(), Ordering::Relaxed);
        }
        Ok(caller)
    }
}

/// What a node that is cut off from the majority goes on answering to signed callers: the status
/// that an operator needs then, and the plain directory.
const WITHOUT_MAJORITY: [&str; 2] = ["/v1/admin/status", "/v1/units"];

/// The head as the signature check reads it.
fn request_head<'a>(head: &'a Parts, headers: &'a [Header<'a>]) -> RequestHead<'a> {
    let host = || head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 carries the authority in the target, HTTP/1.1 in `Host`.
    let authority = head.uri.authority().map(|authority| authority.as_str()).or_else(host);
    RequestHead {
        method: head.method.as_str(),
        authority: authority.unwrap_or_default(),
        path: head.uri.path(),
        query: head.uri.query(),
        headers,
    }
}

/// The request's idempotency key, if it has one.
pub(crate) fn idempotency_key(head: &Parts) -> Result<Option<IdempotencyKey>, Problem> {
    let headers: Vec<Header<'_>> = head
        .headers
        .get_all("idempotency-key")
        .iter()
        .map(|value| ("idempotency-key", value.as_bytes()))
        .collect();
    auth::idempotency_key(&request_head(head, &headers))
        .map_err(|_| Problem::new(Fault::HeaderMalformed).member("header", "idempotency-key"))
}

impl Signed {
    /// The whole body, once its digest has matched.
    pub(crate) async fn body(&mut self, max: usize) -> Result<Bytes, Problem> {
        let body = self.octets.collect(&self.head.headers, max).await?;
        let mut digest = self.caller.content().checker();
        digest.update(&body);
        digest.finish()?;
        Ok(body)
    }

    /// The body as JSON, once its digest has matched.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self, max: usize) -> Result<T, Problem> {
        let body = self.body(max).await?;
        check_json_type(&self.head.headers)?;
        from_json(&body)
    }

    /// A body that says nothing: empty, or `{}`.
    pub(crate) async fn no_body(&mut self) -> Result<(), Problem> {
        let body = self.body(JSON_MAX).await?;
        if body.is_empty() { Ok(()) } else { from_json::<Nothing>(&body).map(drop) }
    }
}

/// An object without members.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Octets {
    /// The next octets; none at the end. A client that sends nothing for long is given up.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let frame = tokio::time::timeout(BODY_IDLE_MAX, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| Problem::new(Fault::BodyTooSlow))? else {
                return Ok(None);
            };
            let frame = frame.map_err(|_| Problem::new(Fault::BodyIncomplete))?;
            // Trailers say nothing here.
            if let Ok(octets) = frame.into_data()
                && !octets.is_empty()
            {
                self.app.metrics.received(octets.len() as u64);
                return Ok(Some(octets));
            }
        }
    }

    /// Its sender has shown who it is.
    pub(crate) const fn known(&mut self) {
        self.known = true;
    }

    /// Waits until so many octets may be held.
    async fn take_room(&mut self, octets: usize) -> Result<(), Problem> {
        let (room, max) = match self.known {
            true => (&self.app.buffers, self.app.settings.buffered_max),
            false => (&self.app.strangers_buffers, BUFFERED_STRANGERS_MAX),
        };
        let kib = u32::try_from(octets.div_ceil(1024)).unwrap_or(u32::MAX);
        let taken = room.clone().acquire_many_owned(kib);
        let taken = tokio::time::timeout(BUFFER_WAIT_MAX, taken).await.map_err(|_| {
            Problem::new(Fault::TooMany).member("what", "octets of bodies").member("max", max)
        })?;
        self.room = Some(taken.expect("the semaphores are never closed"));
        Ok(())
    }

    /// The whole body up to a limit, without a copy where it came in one piece.
    pub(crate) async fn collect(
        &mut self,
        headers: &HeaderMap,
        max: usize,
    ) -> Result<Bytes, Problem> {
        let too_large = || Problem::new(Fault::BodyTooLarge).member("max", max);
        let announced = content_length(headers);
        if announced.is_some_and(|length| length > max as u64) {
            return Err(too_large());
        }
        // What is announced takes its room before it comes; a body without a length may become `max`.
        if let Some(length) = announced.filter(|length| *length > 0) {
            self.take_room(usize::try_from(length).unwrap_or(max)).await?;
        }
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        if first.len() > max {
            return Err(too_large());
        }
        let Some(second) = self.next().await? else { return Ok(first) };
        if self.room.is_none() {
            self.take_room(max).await?;
        }
        // The announced length is within the limit, so it may be believed for the room it takes.
        let room =
            announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(first.len() * 2);
        let mut whole = BytesMut::with_capacity(room.max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        drop(first);
        let mut next = Some(second);
        while let Some(octets) = next {
            if whole.len() + octets.len() > max {
                return Err(too_large());
            }
            whole.extend_from_slice(&octets);
            next = self.next().await?;
        }
        Ok(whole.freeze())
    }

    /// Reads and forgets what is left, up to a limit, so that the connection can be used again.
    pub(crate) async fn drain(&mut self, mut max: usize) {
        while let Ok(Some(octets)) = self.next().await {
            let Some(left) = max.checked_sub(octets.len()) else { break };
            max = left;
        }
    }
}

/// The announced length of a body.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The media type of a body without its parameters, if it has one.
pub(crate) fn essence(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim())
}

/// JSON must say that it is JSON.
pub(crate) fn check_json_type(headers: &HeaderMap) -> Result<(), Problem> {
    match essence(headers) {
        Some(essence) if essence.eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(Problem::new(Fault::MediaTypeUnsupported).member("expected", "application/json")),
    }
}

/// Reads JSON. What is wrong is said without repeating what was sent.
pub(crate) fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // serde would take a list for a structure, by position: a second spelling that nobody documents.
    if body.trim_ascii_start().first().is_some_and(|first| *first == b'[') {
        return Err(Problem::new(Fault::JsonMalformed).member("reason", "expected an object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let problem = Problem::new(Fault::JsonMalformed)
            .member("line", error.line())
            .member("column", error.column());
        match without_values(&error) {
            Some(reason) => problem.member("reason", reason),
            None => problem,
        }
    })
}

/// The part of the message that is ours: names of our fields, and what was expected.
fn without_values(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    if text.starts_with("missing field") || text.starts_with("duplicate field") {
        return Some(text.to_owned());
    }
    // A value of the caller comes before the last `expected`, never after it.
    text.rfind("expected ").filter(|_| error.is_data()).map(|at| text[at..].to_owned())
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
    }

    fn reason(body: &str) -> String {
        let error = serde_json::from_str::<Sample>(body).expect_err("malformed");
        without_values(&error).unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_said_without_what_was_sent() {
        assert_eq!(reason("{}"), "missing field `title`");
        assert_eq!(reason(r#"{"title":"a","secret-1":1}"#), "expected `title`");
        assert!(from_json::<Sample>(br#" ["secret"]"#).is_err());
        assert_eq!(reason(r#"{"title":["secret"]}"#), "expected a string");
        assert_eq!(reason(r#"{"title":"secret"#), "");
    }

    proptest! {
        #[test]
        fn any_body_is_a_client_error(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Err(problem) = from_json::<Sample>(&octets) {
                prop_assert!(problem.status().is_client_error());
            }
        }
    }
}
