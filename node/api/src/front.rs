//! What every request passes: trace, method override, CORS, panics caught, problems written, counts.
//!
//! One service around the router instead of a stack of layers, so that a request is boxed once.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, future::BoxFuture};
use tower::Service;
use tracing::Instrument;

use model::lengths::micros_of;

use crate::{
    answer,
    app::{App, Notes},
    lang::Lang,
    problem::{PROBLEM_JSON, Problem},
    routes,
    shares::{RATE_LIMIT, RATE_LIMIT_POLICY},
    texts::Fault,
    trace::{TRACE_ID, TRACEPARENT, Trace},
    tus,
};

const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// The legacy profile is deprecated since the platform began (RFC 9745: 2026-01-01).
const DEPRECATION: HeaderValue = HeaderValue::from_static("@1767225600");
/// The legacy profile may end then (RFC 8594).
const SUNSET: HeaderValue = HeaderValue::from_static("Sun, 31 Dec 2028 23:59:59 GMT");

const ALLOW_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const ALLOW_HEADERS: &str = "Authorization, Content-Type, Content-Digest, Range, If-Range, Tus-Resumable, Upload-Length, \
    Upload-Offset, Upload-Metadata, Upload-Checksum, Upload-Concat, X-HTTP-Method-Override, Signature, Signature-Input, \
    Idempotency-Key, Last-Event-ID, Accept-Language, traceparent";
const EXPOSE_HEADERS: &str = "Location, Upload-Offset, Upload-Length, Upload-Defer-Length, Upload-Expires, Tus-Resumable, \
    Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, ETag, Repr-Digest, Content-Range, Content-Disposition, Link, \
    Retry-After, RateLimit, RateLimit-Policy, trace-id, traceparent";
/// How long a request of a node that is out of touch has yet for an answer of its own.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(50);
/// How long an upload waits at such a node: what it has sent may be good yet.
const UPLOAD_GIVEN_UP_AFTER: Duration = Duration::from_secs(1);
/// How long a browser may remember a preflight.
const PREFLIGHT_SECS: &str = "600";

/// Headers that say one thing: where one comes twice, who is in front of us may have read the other one
/// (RFC 9112 section 3.2 asks for this of `Host`).
static ONCE: [HeaderName; 13] = [
    header::HOST,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::RANGE,
    header::IF_RANGE,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("idempotency-key"),
    tus::TUS_RESUMABLE,
    tus::UPLOAD_OFFSET,
    tus::UPLOAD_LENGTH,
    tus::UPLOAD_METADATA,
    tus::UPLOAD_CHECKSUM,
    tus::METHOD_OVERRIDE,
];

/// The router and what every request passes on its way there and back. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Front {
    app: App,
    router: Router,
}

impl Front {
    pub(crate) fn new(app: App) -> Self {
        let (router, _) = routes::all().split_for_parts();
        let router = router
            .fallback(async || Problem::new(Fault::RouteUnknown))
            .method_not_allowed_fallback(async || Problem::new(Fault::MethodNotAllowed))
            .with_state(app.clone());
        Self { app, router }
    }

    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// Answers one request.
    pub(crate) async fn answer(&mut self, mut request: Request) -> Response {
        let started = Instant::now();
        let trace = Trace::of(request.headers());
        let lang = Lang::of(request.headers());
        let origin = self.allowed_origin(&request);
        if let Some(method) = tus::overridden(request.method(), request.headers()) {
            *request.method_mut() = method;
        }
        let method = known(request.method());
        let place = routes::place(request.uri().path());
        let route = place.map_or(routes::UNMATCHED, |place| place.pattern);
        let called = place.and_then(|place| place.route(method));
        let notes = Arc::new(Notes::of(called, started));
        let mut response = if origin.is_some() && is_preflight(&request) {
            answer::empty(StatusCode::NO_CONTENT)
        } else if let Some(name) = doubled(request.headers()) {
            let problem = Problem::new(Fault::HeaderMalformed).member("header", name.as_str());
            axum::response::IntoResponse::into_response(problem)
        } else {
            request.extensions_mut().insert(notes.clone());
            let signed = request.headers().contains_key("signature-input");
            let span = tracing::info_span!("request", trace = %trace.id(), method, route);
            // A panic is a bug of ours and ends its request only: nothing is shared with others that it could leave half done.
            let answered =
                AssertUnwindSafe(self.router.call(request)).catch_unwind().instrument(span);
            tokio::select! {
                biased;
                answered = answered => answered.map_or_else(
                    |panic| panicked(&*panic, trace),
                    |answered: Result<_, Infallible>| answered.unwrap_or_else(|never| match never {}),
                ),
                // Who has not been verified has asked for nothing yet.
                () = self.given_up(method) => match notes.unit.get() {
                    None if signed => Problem::from(conductor::Error::Unavailable {
                        retry_after: Duration::from_secs(1),
                    }),
                    _ => Problem::from(conductor::Error::Unknown),
                }
                .into_response(),
            }
        };
        response = self.written(response, lang, trace);
        if route.starts_with(routes::SPACES) {
            // tus asks for it on every answer, also on those that the router gives.
            response.headers_mut().insert(tus::TUS_RESUMABLE, tus::VERSION);
        }
        finish(response.headers_mut(), trace, origin, &notes);
        if let Some(rate) = notes.rate.get() {
            response.headers_mut().insert(RATE_LIMIT, rate.clone());
            response.headers_mut().insert(RATE_LIMIT_POLICY, self.app.shares.policy().clone());
        }
        if let Some(at) = notes.answered_at.get() {
            self.app.metrics.path.answer.count(at.elapsed());
        }
        let status = response.status().as_u16();
        let took = started.elapsed();
        self.app.metrics.answered(method, route, status, took);
        if let Some(octets) = response.body().size_hint().exact() {
            self.app.metrics.sent(octets);
        }
        let unit = notes.unit.get().map_or("-", |unit| unit.as_str());
        tracing::debug!(trace = %trace.id(), method, route, status, unit, took_us = micros_of(took), "answered");
        response
    }

    /// Returns when a request that waits here is better made elsewhere: this node is out of touch with
    /// the majority, and what changes something would wait for it. Whether it happens is not known.
    async fn given_up(&self, method: &str) {
        let exchange = &self.app.exchange;
        match method {
            // They wait for nobody, or for a read that is given up by itself.
            "GET" | "HEAD" | "OPTIONS" => std::future::pending().await,
            // The octets of an upload would have to come again.
            "PATCH" | "PUT" => exchange.gate().lost_for(UPLOAD_GIVEN_UP_AFTER).await,
            _ => {
                exchange.gate().out_of_touch().await;
                // Who waits in the consensus is answered by it, and knows more.
                tokio::time::sleep(GIVEN_UP_AFTER).await;
            }
        }
    }

    /// Every error goes out as a problem, also those that the router itself gives.
    fn written(&self, mut response: Response, lang: Lang, trace: Trace) -> Response {
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return response;
        }
        let problem = match response.extensions_mut().remove::<Problem>() {
            Some(problem) => problem,
            // An answer with a body of its own, as /readyz.
            None if response
                .headers()
                .get(header::CONTENT_TYPE)
                .is_some_and(|kind| kind == "application/json") =>
            {
                return response;
            }
            None => Problem::new(match status.as_u16() {
                404 => Fault::RouteUnknown,
                405 => Fault::MethodNotAllowed,
                413 => Fault::BodyTooLarge,
                415 => Fault::MediaTypeUnsupported,
                400..=499 => Fault::RequestRefused,
                _ => Fault::Internal,
            }),
        };
        self.app.metrics.refused(problem.word());
        let mut written = problem.into_written(lang, trace.id());
        if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
            written.headers_mut().insert(header::ALLOW, allow);
        }
        debug_assert_eq!(written.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        written
    }

    /// The origin of a browser, if it is one that may come here.
    fn allowed_origin(&self, request: &Request) -> Option<HeaderValue> {
        let origin = request.headers().get(header::ORIGIN)?;
        let allowed = self
            .app
            .settings
            .cors_origins
            .iter()
            .any(|allowed| allowed.as_bytes() == origin.as_bytes());
        (allowed && request.uri().path().starts_with("/v1/")).then(|| origin.clone())
    }
}

/// Methods as labels: anybody may send any word as a method.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// A header that may come once only and comes again.
fn doubled(headers: &HeaderMap) -> Option<&'static HeaderName> {
    // Hardly a request has any header twice.
    if headers.len() == headers.keys_len() {
        return None;
    }
    ONCE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some())
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The log has the panic's words; the caller gets the trace's id only.
fn panicked(panic: &(dyn std::any::Any + Send), trace: Trace) -> Response {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no words");
    tracing::error!(trace = %trace.id(), panic = words, "a request met a bug");
    Problem::new(Fault::Internal).into_response()
}

fn finish(headers: &mut HeaderMap, trace: Trace, origin: Option<HeaderValue>, notes: &Notes) {
    headers.insert(TRACEPARENT, trace.to_header());
    headers.insert(TRACE_ID, trace.id_to_header());
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if notes.legacy.load(Ordering::Relaxed) {
        headers.insert(HeaderName::from_static("deprecation"), DEPRECATION);
        headers.insert(HeaderName::from_static("sunset"), SUNSET);
    }
    let Some(origin) = origin else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, ALLOW_METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECS),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let mut front = self.clone();
        Box::pin(async move { Ok(front.answer(request.map(Body::new)).await) })
    }
}
