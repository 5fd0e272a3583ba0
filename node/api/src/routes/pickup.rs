//! Packets from their targets' side: accept, fetch, confirm, reject.

use auth::{content_digest_sha256, digest_sha256};
use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use conductor::{Download, Part, PickupProof};
use futures_util::TryStreamExt;
use model::{PacketId, PacketState};

use super::{Answer, id};
use crate::{
    answer,
    app::App,
    dto::{
        packets::{
            Confirm, ConfirmationResult, ConfirmationResults, Confirmations, PacketNow,
            PickupGranted, Reject,
        },
        params::{OfPacket, Ranged},
    },
    header::preferences,
    lang::Lang,
    names,
    problem::Problem,
    range,
    settings::{JSON_BULK_MAX, JSON_MAX},
    tus,
};

/// Say that the target is ready
///
/// With `Accept: application/octet-stream` the content itself comes back, with the headers of GET content.
#[utoipa::path(
    post, path = "/v1/packets/{id}/accept", tag = "pickup", operation_id = "accept_packet", security(("lgsp-v1" = [])),
    params(OfPacket),
    responses((status = 200, description = "The content may be fetched, or is here", content(
        (PickupGranted = "application/json"), (String = "*/*"))))
)]
pub(crate) async fn accept(
    State(app): State<App>,
    Path(packet): Path<String>,
    request: Request,
) -> Answer {
    let mut signed = app.signed(request).await?;
    signed.no_body().await?;
    let packet = id(&packet)?;
    if accepts(&signed.head.headers, "application/octet-stream") {
        let download = app.exchange.accept_and_download(&signed.caller, packet).await?;
        return Ok(send(&app, download, None));
    }
    let pickup = app.exchange.accept(&signed.caller, packet).await?;
    let body = PickupGranted {
        packet,
        space: pickup.space,
        content_url: format!("{}/v1/packets/{packet}/content", app.url_for(&signed.head)),
        token: pickup.token.as_str().to_owned(),
        size: pickup.size,
        digest: pickup.digest,
        media_type: pickup.media_type,
    };
    Ok(answer::json(StatusCode::OK, &body))
}

/// Whether a media type is named among those that the caller accepts. A quality of zero says "not this one".
pub(super) fn accepts(headers: &HeaderMap, essence: &str) -> bool {
    preferences(headers, header::ACCEPT)
        .any(|(named, quality)| quality > 0 && named.eq_ignore_ascii_case(essence))
}

/// Fetch a content, or a part of it
///
/// By a target that has accepted the packet, or with the download token. The octets behind this URL
/// never change; once the delivery has ended it answers 410.
#[utoipa::path(
    get, path = "/v1/packets/{id}/content", tag = "pickup", operation_id = "fetch_content",
    security(("lgsp-v1" = []), ("download-token" = [])),
    params(OfPacket, Ranged),
    responses(
        (status = 200, description = "The content, as the media type that its source gave it", body = String, content_type = "*/*",
            headers(("ETag" = String), ("Repr-Digest" = String), ("Digest" = String), ("Accept-Ranges" = String),
                ("Content-Disposition" = String))),
        (status = 206, description = "The range", body = String, content_type = "*/*",
            headers(("Content-Range" = String), ("ETag" = String), ("Repr-Digest" = String))),
    )
)]
pub(crate) async fn content(
    State(app): State<App>,
    Path(packet): Path<String>,
    request: Request,
) -> Answer {
    fetch(app, &packet, request).await
}

/// What a fetch would send
#[utoipa::path(
    head, path = "/v1/packets/{id}/content", tag = "pickup", operation_id = "content_info",
    security(("lgsp-v1" = []), ("download-token" = [])),
    params(OfPacket),
    responses((status = 200, description = "The headers of GET, without the octets"))
)]
pub(crate) async fn content_head(
    State(app): State<App>,
    Path(packet): Path<String>,
    request: Request,
) -> Answer {
    fetch(app, &packet, request).await
}

async fn fetch(app: App, packet: &str, request: Request) -> Answer {
    if let Some(token) = tus::bearer(request.headers()).map(str::to_owned) {
        let (head, _) = app.unsigned(request);
        let packet = id(packet)?;
        let bearer = app.exchange.bearer_of_packet(packet, &token).await?;
        app.count(&head, &bearer.app, &bearer.unit)?;
        return download(&app, &head, packet, PickupProof::Token(&token)).await;
    }
    let mut signed = app.signed(request).await?;
    signed.body(JSON_MAX).await?;
    download(&app, &signed.head, id(packet)?, PickupProof::Caller(&signed.caller)).await
}

async fn download(app: &App, head: &Parts, packet: PacketId, proof: PickupProof<'_>) -> Answer {
    // A range has a meaning for GET only (RFC 9110 section 14.2).
    if head.method == Method::HEAD {
        let info = app.exchange.download_info(packet, proof, None).await?;
        return Ok(send(app, info, None));
    }
    let mut part = range::asked(&head.headers);
    if part.is_some() && head.headers.contains_key(header::IF_RANGE) {
        let info = app.exchange.download_info(packet, proof, None).await?;
        part = part.filter(|_| range::counts_for(&head.headers, &info.digest));
    }
    let download = app.exchange.download(packet, proof, part).await?;
    Ok(send(app, download, part))
}

/// The answer that carries a content, or only its headers where there is no stream.
fn send(app: &App, download: Download, part: Option<Part>) -> Response {
    let Download { size, digest, media_type, file_name, range, stream, .. } = download;
    let len = range.end - range.start;
    let body = stream.map_or_else(Body::empty, |stream| {
        let app = app.clone();
        let counted = stream
            .inspect_ok(move |octets| app.metrics.sent(octets.len() as u64))
            .inspect_err(|error| match error {
                conductor::Error::Signature(_) | conductor::Error::Unavailable { .. } => {
                    tracing::warn!(%error, "a download ended with its key, or with the majority");
                }
                _ => tracing::error!(%error, "a content broke off while it was sent"),
            });
        Body::from_stream(counted)
    });
    let mut response = Response::new(body);
    if part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let value = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
        answer::set(&mut response, header::CONTENT_RANGE, &value);
    }
    answer::set(&mut response, header::CONTENT_TYPE, media_type.as_str());
    answer::set(&mut response, header::ETAG, &range::etag(&digest));
    answer::set(
        &mut response,
        header::HeaderName::from_static("repr-digest"),
        &content_digest_sha256(&digest.0),
    );
    answer::set(
        &mut response,
        header::HeaderName::from_static("digest"),
        &digest_sha256(&digest.0),
    );
    answer::set(
        &mut response,
        header::CONTENT_DISPOSITION,
        &names::disposition(file_name.as_ref()),
    );
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Say that the target holds the content
#[utoipa::path(
    post, path = "/v1/packets/{id}/confirm", tag = "pickup", operation_id = "confirm_packet", security(("lgsp-v1" = [])),
    params(OfPacket),
    request_body = Confirm,
    responses((status = 200, description = "Confirmed", body = PacketNow))
)]
pub(crate) async fn confirm(
    State(app): State<App>,
    Path(packet): Path<String>,
    request: Request,
) -> Answer {
    let mut signed = app.signed(request).await?;
    let packet = id(&packet)?;
    let confirm: Confirm = signed.json(JSON_MAX).await?;
    let answers = app.exchange.confirm(&signed.caller, vec![confirm.checked(packet)?]).await?;
    if let Some(refusal) = answers.first().and_then(|answer| answer.refusal) {
        return Err(refusal.into());
    }
    Ok(answer::json(StatusCode::OK, &PacketNow { packet, state: PacketState::Confirmed }))
}

/// Confirm many packets at once
///
/// Each receipt has its own answer; one that is refused does not hold back the others.
#[utoipa::path(
    post, path = "/v1/confirmations", tag = "pickup", operation_id = "confirm_packets", security(("lgsp-v1" = [])),
    request_body = Confirmations,
    responses((status = 200, description = "The answers, in the order of the receipts", body = ConfirmationResults))
)]
pub(crate) async fn confirmations(State(app): State<App>, request: Request) -> Answer {
    let mut signed = app.signed(request).await?;
    let confirmations: Confirmations = signed.json(JSON_BULK_MAX).await?;
    let answers = app.exchange.confirm(&signed.caller, confirmations.checked()?).await?;
    let lang = Lang::of(&signed.head.headers);
    let results = answers.into_iter().map(|answer| {
        let brief = answer.refusal.map(|refusal| Problem::from(refusal).brief(lang));
        ConfirmationResult {
            packet: answer.packet,
            ok: brief.is_none(),
            word: brief.as_ref().map(|brief| brief.1),
            detail: brief.as_ref().map(|brief| brief.2),
            code: brief.map(|brief| brief.0),
        }
    });
    Ok(answer::json(StatusCode::OK, &ConfirmationResults { results: results.collect() }))
}

/// Refuse a packet
#[utoipa::path(
    post, path = "/v1/packets/{id}/reject", tag = "pickup", operation_id = "reject_packet", security(("lgsp-v1" = [])),
    params(OfPacket),
    request_body = Reject,
    responses((status = 200, description = "Rejected", body = PacketNow))
)]
pub(crate) async fn reject(
    State(app): State<App>,
    Path(packet): Path<String>,
    request: Request,
) -> Answer {
    let mut signed = app.signed(request).await?;
    let packet = id(&packet)?;
    let reject: Reject = signed.json(JSON_MAX).await?;
    app.exchange.reject(&signed.caller, packet, reject.checked()?).await?;
    Ok(answer::json(StatusCode::OK, &PacketNow { packet, state: PacketState::Rejected }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_must_be_named() {
        let accept = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]);
            accepts(&headers, "application/octet-stream")
        };
        assert!(
            accept("application/octet-stream")
                && accept("text/html, Application/Octet-Stream;q=0.5")
        );
        assert!(
            !accept("*/*")
                && !accept("application/json")
                && !accept("application/octet-stream;q=0")
                && !accept("application/octet-stream; Q=0.000")
        );
    }
}
