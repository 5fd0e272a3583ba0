//! What needs no signature: health, metrics, the document, and the door for nodes with a join token.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use model::KeyAlgorithm;

use super::Answer;
use crate::{
    answer,
    app::App,
    dto::{
        At,
        cluster::{Join, Joined, Limits, Ready, TusOffer, WellKnown},
    },
    json::{check_json_type, from_json},
    settings::PAGE_MAX,
    signed::body_max,
    tus,
};

/// Join the cluster with a join token
#[utoipa::path(
    post, path = "/v1/cluster/join", tag = "cluster", operation_id = "join_cluster",
    request_body = Join, responses((status = 200, description = "Admitted", body = Joined))
)]
pub(crate) async fn join(State(app): State<App>, request: Request) -> Answer {
    let (head, mut octets) = app.unsigned(request);
    check_json_type(&head.headers)?;
    let body = octets.collect(&head.headers, body_max(&head)).await?;
    let join = from_json::<Join>(&body)?.checked()?;
    let admission = app.exchange.members().join(join).await?;
    Ok(answer::json(StatusCode::OK, &Joined::from(admission)))
}

/// Whether the program runs
#[utoipa::path(
    get, path = "/livez", tag = "health", operation_id = "livez",
    responses((status = 200, description = "It runs", body = String, content_type = "text/plain"))
)]
pub(crate) async fn live() -> Response {
    text("text/plain; charset=utf-8", "ok\n".into())
}

/// Whether the node takes requests, and if not, why
#[utoipa::path(
    get, path = "/readyz", tag = "health", operation_id = "readyz",
    responses((status = 200, description = "It does", body = Ready), (status = 503, description = "It does not", body = Ready))
)]
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let mut reasons = app.exchange.members().ready().err().unwrap_or_default();
    if *app.draining.borrow() {
        reasons.push("draining");
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::json(status, &Ready { ready, reasons })
}

/// Numbers for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((status = 200, description = "Prometheus' text form", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    let gauges = (app.settings.gauges)();
    let rendered = app.metrics.render(&app.reached, &app.exchange.stages(), &gauges);
    text("text/plain; version=0.0.4; charset=utf-8", rendered)
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "health", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub(crate) async fn openapi(State(app): State<App>) -> Response {
    let document = app.openapi.get_or_init(crate::openapi::rendered);
    let mut response = Response::new(Body::from(document.clone()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What the platform speaks, its limits and its clock
#[utoipa::path(
    get, path = "/.well-known/lgsp", tag = "health", operation_id = "well_known",
    responses((status = 200, description = "Limits, algorithms, tags, time", body = WellKnown))
)]
pub(crate) async fn well_known(State(app): State<App>) -> Response {
    let body = WellKnown {
        server_time: At(app.exchange.now()),
        tags: [auth::TAG],
        algorithms: KeyAlgorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect(),
        digests: ["sha-256", "sha-512"],
        tus: TusOffer {
            version: "1.0.0",
            extensions: tus::EXTENSIONS,
            checksum_algorithms: auth::UploadChecksum::ALGORITHMS,
        },
        limits: Limits {
            content_max: app.settings.content_max,
            one_round_max: conductor::ONE_ROUND_MAX,
            targets_max: machine::TARGETS_MAX,
            receipts_max: machine::PACKETS_A_COMMAND_MAX,
            units_max: machine::UNITS_A_COMMAND_MAX,
            page_max: PAGE_MAX,
            signature_age_max_seconds: machine::PROOF_AGE_MAX_MS / 1000,
            signature_ahead_max_seconds: machine::PROOF_AHEAD_MAX_MS / 1000,
        },
    };
    answer::json(StatusCode::OK, &body)
}

pub(super) fn text(content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
