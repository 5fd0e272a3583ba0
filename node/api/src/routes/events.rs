//! The feed of the caller's unit: server-sent events, or a batch by long poll.

use std::{pin::Pin, time::Duration};

use auth::{Rejection, VerifiedCaller, Whole};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use conductor::{Begin, End, Heard, Reader, Told};
use model::UnitCode;

use super::{Answer, pickup::accepts};
use crate::{
    answer,
    app::App,
    cloud_event,
    dto::params::{Following, LastEvent},
    problem::Problem,
    query::Query,
    signed::Signed,
    sse::{self, Feeding},
    texts::Fault,
};

/// A long poll waits at most so long.
const WAIT_MAX_SECS: u64 = 30;

/// Events of the caller's unit
///
/// As `text/event-stream` (begins after `Last-Event-ID`, else after `after`, else at the present end), or as
/// `application/cloudevents-batch+json` by long poll (begins after `after`, else after `Last-Event-ID`). A position that is not kept any
/// more gets an event `feed.reset`. A node that is cut off from the cluster ends its streams and answers polls
/// with 503: go on at another one. What is told depends on the grants: to who may send, what becomes of what
/// the unit has sent; to who may receive, what waits for it; to all, which applications and keys of the unit
/// were added, issued or revoked, and by whom. Positions count all of it: a line `id:` without data
/// moves the position past events for others, and so does the link `next` of a batch. A stream that is asked for with a revoked key gets 204: a client of
/// server-sent events stops then. Where there is none for the moment, who accepts `text/event-stream` gets one
/// that ends at once and says in `retry:` when to come back; who accepts `application/problem+json` too gets the problem.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", operation_id = "events",
    params(LastEvent, Following),
    responses(
        (status = 200, description = "CloudEvents 1.0", content(
            (String = "text/event-stream"), (Vec<Object> = "application/cloudevents-batch+json")),
            headers(("Link" = String, description = "Long poll: where the next one goes on"))),
        (status = 204, description = "The key was revoked: do not connect again"),
    )
)]
pub(crate) async fn events(
    State(app): State<App>,
    headers: HeaderMap,
    signed: Result<Signed, Problem>,
) -> Answer {
    match told(app.clone(), &headers, signed).await {
        Err(problem) if gives_up(&headers) && problem.is_temporary() => {
            app.metrics.refused(problem.word());
            Ok(sse::response(Body::from(sse::later(&problem))))
        }
        answer => answer,
    }
}

/// Whether the client is a plain one of server-sent events, as browsers have it: it gives up for good where
/// the answer is another than 200. One that understands problems says so.
fn gives_up(headers: &HeaderMap) -> bool {
    let (wants_batch, _) = wanted(headers);
    !wants_batch
        && accepts(headers, "text/event-stream")
        && !accepts(headers, "application/problem+json")
}

async fn told(app: App, headers: &HeaderMap, signed: Result<Signed, Problem>) -> Answer {
    let (wants_batch, wants_stream) = wanted(headers);
    let signed = match signed {
        Err(problem) if problem.is(&Rejection::KeyDisabled) && wants_stream => {
            return Ok(answer::empty(StatusCode::NO_CONTENT));
        }
        signed => signed?,
    };
    let signed = signed.no_body().await?;
    if wants_batch {
        let seen = last_event_id(&signed.head.headers)?;
        return poll(&app, &signed.caller, &signed.head.uri, seen).await;
    }
    if wants_stream {
        return stream(app, signed).await;
    }
    Err(Problem::new(Fault::NotAcceptable)
        .member("expected", "text/event-stream, application/cloudevents-batch+json"))
}

/// Whether a batch is asked for, or else a stream.
fn wanted(headers: &HeaderMap) -> (bool, bool) {
    let batch = accepts(headers, cloud_event::BATCH);
    let any = !headers.contains_key(header::ACCEPT)
        || accepts(headers, "*/*")
        || accepts(headers, "text/*");
    (batch, !batch && (any || accepts(headers, "text/event-stream")))
}

/// The cluster as the `source` of events.
fn source(app: &App) -> String {
    let cluster = app.exchange.cluster().map(|record| record.cluster);
    format!("/lgsp/{}", cluster.unwrap_or_default())
}

async fn stream(app: App, signed: Signed<Whole>) -> Answer {
    let Signed { caller, head, .. } = signed;
    let query = Query::of(&head.uri, &["after"])?;
    let after = match last_event_id(&head.headers)? {
        None => query.number("after")?,
        seen => seen,
    };
    let stop = stop(&app, &caller)?;
    let stream = app.exchange.notices().feed(&caller, sse::reader(after, stop)).await?;
    let feeding = Feeding { source: source(&app), stream, _counted: app.metrics.stream(), app };
    Ok(sse::response(Body::from_stream(sse::octets(feeding))))
}

/// A place for one more stream or poll: what ends where another needs the place, or the server drains. Dropped, it
/// is free again.
fn stop(
    app: &App,
    caller: &VerifiedCaller,
) -> Result<Pin<Box<dyn Future<Output = ()> + Send>>, Problem> {
    let place = app.streams.enter(caller.key(), caller.unit())?;
    let mut draining = app.draining.subscribe();
    Ok(Box::pin(async move {
        tokio::select! {
            _ = draining.wait_for(|draining| *draining) => {}
            () = place.gave_way() => {}
        }
    }))
}

/// The position that a client which comes back has seen.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    match value.to_str() {
        Ok("") => Ok(None),
        Ok(text) if text.bytes().all(|c| c.is_ascii_digit()) => {
            // A number beyond 64 bits is a position that was never given: the feed resets.
            Ok(Some(text.parse().unwrap_or(u64::MAX)))
        }
        _ => Err(Problem::new(Fault::HeaderMalformed).member("header", "last-event-id")),
    }
}

async fn poll(app: &App, caller: &VerifiedCaller, uri: &Uri, seen: Option<u64>) -> Answer {
    let query = Query::of(uri, &["after", "limit", "wait"])?;
    let (after, limit) = (query.number("after")?.or(seen).unwrap_or(0), query.limit()?);
    let wait = query.number("wait")?.unwrap_or(WAIT_MAX_SECS).min(WAIT_MAX_SECS);
    let reader = Reader {
        begin: Begin::After(after),
        page_max: limit,
        beat_every: None,
        life: Duration::from_secs(wait),
        stop: stop(app, caller)?,
    };
    let mut stream = app.exchange.notices().feed(caller, reader).await?;
    let mut batch = Batch { source: source(app), octets: b"[".to_vec() };
    while batch.is_empty() {
        match stream.next().await {
            Ok(Told::Heard(heard)) => batch.write(app, stream.unit(), &heard),
            Ok(Told::Started(_) | Told::Beat) => {}
            // An empty batch: the client asks again.
            Err(End::Over) => break,
            Err(End::Lost(error)) => return Err(error.into()),
        }
        // A page may hold nothing for this caller, and there may be many such.
        tokio::task::yield_now().await;
    }
    Ok(batch.answer(uri, stream.position()))
}

/// Events on their way into one answer.
struct Batch {
    source: String,
    octets: Vec<u8>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.octets.len() == 1
    }

    fn write(&mut self, app: &App, unit: &UnitCode, heard: &Heard) {
        if let Some(behind) = heard.behind {
            let reset = cloud_event::reset(unit, &self.source, app.exchange.now(), behind);
            cloud_event::write(&mut self.octets, &reset);
        }
        for event in &heard.events {
            if !self.is_empty() {
                self.octets.push(b',');
            }
            cloud_event::write(&mut self.octets, &cloud_event::of(unit, &self.source, event));
        }
    }

    /// The link says where to go on: an empty batch may have passed over what is not for its caller.
    fn answer(mut self, uri: &Uri, position: u64) -> Response {
        self.octets.push(b']');
        let mut response = Response::new(Body::from(self.octets));
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(cloud_event::BATCH));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::LINK, answer::next_link(uri, "after", &position.to_string()));
        response
    }
}
