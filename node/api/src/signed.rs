//! Who calls: the request's head is checked by its signature, its body by the digest that was signed.
//!
//! Nothing acts on a body before its digest has matched: it is collected up to the route's limit, or
//! streams into a space that nobody sees before the commit.

use std::{
    sync::{Arc, atomic::Ordering},
    time,
};

use auth::{ContentDigest, Head, Header, Rejection, RequestHead, Whole};
use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use model::{AppId, IdempotencyKey, UnitCode};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use crate::{
    app::{App, Notes},
    json::{check_json_type, from_json},
    limits::Limit,
    problem::Problem,
    routes::Route,
    settings::{BODY_IDLE_MAX, JSON_MAX},
    shares::{Caller, Pace, Room, Sender},
    slots::Visitor,
    texts::Fault,
    turns::Turn,
};

/// A request that was signed: its head, or all of it once the body was compared.
pub(crate) struct Signed<Part = Head> {
    /// Who it is, and how much is proven.
    pub(crate) caller: auth::Signed<Part>,
    /// The head.
    pub(crate) head: Parts,
    /// The body, and the room that it takes.
    pub(crate) octets: Octets,
    /// When the head was here.
    pub(crate) begun: time::Instant,
}

/// A body as it arrives.
pub(crate) struct Octets {
    body: Body,
    app: App,
    sender: Sender,
    /// The room that the collected body takes, as long as its request is worked on.
    room: Room,
    /// The turn of its application, held as long.
    _turn: Option<Turn>,
    pace: Pace,
    /// When its first octet was awaited.
    began: Option<Instant>,
    /// Octets that have come.
    received: u64,
}

/// Checks the signature of a request's head: a handler that takes this is called only by who has signed.
impl FromRequest<App> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (head, mut octets) = app.unsigned(request);
        let begun = notes(&head).map_or_else(time::Instant::now, |notes| notes.begun);
        let caller = app.caller(&head).await?;
        octets.sent_by(app.shares.of(caller.app(), caller.unit()));
        Ok(Self { caller, head, octets, begun })
    }
}

impl App {
    /// A request that shows who it is by other means, or need not.
    pub(crate) fn unsigned(&self, request: Request) -> (Parts, Octets) {
        let (head, body) = request.into_parts();
        let sender = Sender::Stranger(visitor(&head).map(|visitor| visitor.address()));
        let octets = Octets {
            body,
            app: self.clone(),
            sender,
            room: Room::default(),
            _turn: None,
            pace: Pace::STREAMED,
            began: None,
            received: 0,
        };
        (head, octets)
    }

    /// Who signed the head.
    pub(crate) async fn caller(&self, head: &Parts) -> Result<auth::Signed<Head>, Problem> {
        let headers: Vec<Header<'_>> =
            head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let as_received = request_head(head, &headers);
        let notes = notes(head);
        let without_majority = route(head).is_some_and(|route| route.without_majority);
        let caller = if without_majority {
            self.exchange.gate().verify_as_known(&as_received)?
        } else {
            self.exchange.gate().await_fresh().await;
            match self.exchange.gate().verify(&as_received) {
                Err(conductor::gate::Error::Signature(Rejection::KeyUnknown)) => {
                    self.exchange.gate().look_for_strangers().await?;
                    self.exchange.gate().verify(&as_received)?
                }
                verified => verified?,
            }
        };
        if let Some(notes) = notes {
            notes.legacy.store(caller.is_legacy(), Ordering::Relaxed);
        }
        self.count(head, caller.app(), caller.unit())?;
        Ok(caller)
    }

    /// How URLs in the answer begin: with the name that the caller called, as it may know no other. Where
    /// that is none of ours (a token is no signature of a name), with our first.
    pub(crate) fn url_for(&self, head: &Parts) -> String {
        let called = self.exchange.gate().url_of_name(authority(head));
        called.unwrap_or_else(|| self.settings.public_url.clone())
    }

    /// Counts a request for its application, which has shown itself by a signature or by a token of its
    /// own; answers the shares that its body comes out of.
    pub(crate) fn count(
        &self,
        head: &Parts,
        app: &AppId,
        unit: &UnitCode,
    ) -> Result<Arc<Caller>, Problem> {
        if let Some(visitor) = visitor(head) {
            visitor.is_of(app, unit);
        }
        let caller = self.shares.of(app, unit);
        let rate = self.shares.request(&caller);
        if let Some(notes) = notes(head) {
            notes.unit.set(unit.clone()).ok();
            if let Ok(rate) = &rate {
                notes.rate.set(rate.clone()).ok();
            }
        }
        rate.map(|_| caller)
    }
}

/// Who came over the connection of a request; nobody where there is no connection.
pub(crate) fn visitor(head: &Parts) -> Option<&Arc<Visitor>> {
    head.extensions.get::<Arc<Visitor>>()
}

/// What the front has noted of a request.
pub(crate) fn notes(head: &Parts) -> Option<&Arc<Notes>> {
    head.extensions.get::<Arc<Notes>>()
}

/// What the table says of the route that was called.
fn route(head: &Parts) -> Option<&'static Route> {
    notes(head)?.route
}

/// The longest body that is collected for a request.
pub(crate) fn body_max(head: &Parts) -> usize {
    route(head).map_or(JSON_MAX, |route| route.body_max)
}

/// Whom the caller believes it speaks to: HTTP/2 says so in the target, HTTP/1.1 in `Host`.
fn authority(head: &Parts) -> &str {
    let host = || head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = head.uri.authority().map(|authority| authority.as_str()).or_else(host);
    authority.unwrap_or_default()
}

/// The head as the signature check reads it.
fn request_head<'a>(head: &'a Parts, headers: &'a [Header<'a>]) -> RequestHead<'a> {
    RequestHead {
        method: head.method.as_str(),
        authority: authority(head),
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

/// Checks the form of the field that names the content of a packet; the machine compares what it says.
pub(crate) fn check_packet_digest(head: &Parts) -> Result<(), Problem> {
    const FIELD: &str = "packet-digest";
    let is_read = |value: &HeaderValue| {
        // An empty dictionary is none (RFC 9651, 3.2).
        if value.is_empty() {
            return true;
        }
        let digest = ContentDigest::parse(FIELD, value.as_bytes());
        digest.is_ok_and(|digest| digest.sha256.is_some())
    };
    let mut values = head.headers.get_all(FIELD).iter();
    let is_well = values.next().is_none_or(is_read) && values.next().is_none();
    if is_well {
        return Ok(());
    }
    Err(Problem::new(Fault::HeaderMalformed).member("header", FIELD))
}

/// The digest that goes with a request, whether it was signed or not.
pub(crate) fn content_digest(head: &Parts) -> Result<Option<ContentDigest>, Rejection> {
    let values = head.headers.get_all("content-digest").iter();
    let headers: Vec<Header<'_>> =
        values.map(|value| ("content-digest", value.as_bytes())).collect();
    ContentDigest::of(&request_head(head, &headers))
}

impl Signed {
    /// The whole body, not yet compared.
    async fn collected(&mut self, max: usize) -> Result<Bytes, Problem> {
        let body = self.octets.collect(&self.head.headers, max).await?;
        if !self.head.method.is_safe() {
            // Not before the body is whole: who sends slowly keeps nobody waiting.
            self.octets._turn = Some(self.octets.app.turns.take(self.caller.app()).await?);
        }
        Ok(body)
    }

    /// The request and its body, which carries a content, once its digest has matched.
    pub(crate) async fn content(mut self) -> Result<(Signed<Whole>, Bytes), Problem> {
        let body = self.collected(body_max(&self.head)).await?;
        let Self { caller, head, octets, begun } = self;
        let caller = caller.with_content(&body)?;
        Ok((Signed { caller, head, octets, begun }, body))
    }

    /// The request and its body, once its digest has matched: what the caller states.
    pub(crate) async fn body(self) -> Result<(Signed<Whole>, Bytes), Problem> {
        let max = body_max(&self.head);
        self.body_up_to(max).await
    }

    async fn body_up_to(mut self, max: usize) -> Result<(Signed<Whole>, Bytes), Problem> {
        let body = self.collected(max).await?;
        let Self { caller, head, octets, begun } = self;
        let caller = caller.with_statement(&body)?;
        Ok((Signed { caller, head, octets, begun }, body))
    }

    /// The request and its body as JSON, once its digest has matched.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<(Signed<Whole>, T), Problem> {
        let max = body_max(&self.head);
        self.json_up_to(max).await
    }

    /// The same where the route has a larger body of another kind.
    pub(crate) async fn json_up_to<T: DeserializeOwned>(
        self,
        max: usize,
    ) -> Result<(Signed<Whole>, T), Problem> {
        check_json_type(&self.head.headers)?;
        let (signed, body) = self.body_up_to(max).await?;
        Ok((signed, from_json(&body)?))
    }

    /// The same where all of it may be left out: no body, or `null`.
    pub(crate) async fn json_or_default<T>(self) -> Result<(Signed<Whole>, T), Problem>
    where
        T: DeserializeOwned + Default,
    {
        let (signed, body) = self.body().await?;
        if body.is_empty() {
            return Ok((signed, T::default()));
        }
        check_json_type(&signed.head.headers)?;
        let json = from_json::<Option<T>>(&body)?.unwrap_or_default();
        Ok((signed, json))
    }

    /// The request, whose body says nothing: empty, or `{}`.
    pub(crate) async fn no_body(self) -> Result<Signed<Whole>, Problem> {
        let (signed, body) = self.body().await?;
        if !body.is_empty() {
            from_json::<Nothing>(&body)?;
        }
        Ok(signed)
    }
}

/// An object without members.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Octets {
    /// The next octets; none at the end. A client that sends nothing for long is given up, and so is one
    /// that sends less than its pace.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let began = *self.began.get_or_insert_with(Instant::now);
        let ends_at = began + self.pace.allows(self.received);
        loop {
            let silent_at = Instant::now() + BODY_IDLE_MAX;
            let frame = timeout_at(ends_at.min(silent_at), self.body.frame()).await;
            let Ok(frame) = frame else {
                self.app.reached.count(Limit::BodyTime);
                return Err(Problem::new(Fault::BodyTooSlow));
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|_| Problem::new(Fault::BodyIncomplete))?;
            // Trailers say nothing here.
            if let Ok(octets) = frame.into_data()
                && !octets.is_empty()
            {
                self.received += octets.len() as u64;
                self.app.metrics.received(octets.len() as u64);
                return Ok(Some(octets));
            }
        }
    }

    /// Its sender has shown who it is: what is collected comes out of the shares of that application.
    pub(crate) fn sent_by(&mut self, caller: Arc<Caller>) {
        self.sender = Sender::Caller(caller);
    }

    /// Waits until so many octets may be held.
    async fn grow(&mut self, octets: usize) -> Result<(), Problem> {
        self.app.shares.grow(&mut self.room, &self.sender, octets).await
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
        self.pace = match self.sender {
            Sender::Stranger(_) => Pace::STRANGER,
            _ => Pace::COLLECTED,
        };
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        if first.len() > max {
            return Err(too_large());
        }
        // Room is taken for what has come, not for what is announced: who sends nothing holds nothing.
        self.grow(first.len()).await?;
        let Some(second) = self.next().await? else { return Ok(first) };
        let mut whole = BytesMut::from(&first[..]);
        drop(first);
        let mut next = Some(second);
        while let Some(octets) = next {
            let len = whole.len() + octets.len();
            if len > max {
                return Err(too_large());
            }
            self.grow(len).await?;
            reserve(&mut whole, octets.len(), announced);
            whole.extend_from_slice(&octets);
            next = self.next().await?;
        }
        Ok(whole.freeze())
    }
}

/// Makes room for more octets, at once for all that are announced where half of them are here: a body that
/// is copied again and again costs more than it weighs.
fn reserve(whole: &mut BytesMut, more: usize, announced: Option<u64>) {
    let needed = whole.len() + more;
    if needed <= whole.capacity() {
        return;
    }
    let announced = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let target = announced.min(needed * 4).max(needed);
    whole.reserve(target - whole.len());
}

/// The announced length of a body.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
