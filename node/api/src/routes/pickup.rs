//! Packets from their targets' side: accept, fetch, confirm, reject.

use std::time::Instant;

use auth::{Whole, content_digest_sha256, digest_sha256};
use axum::{
    body::Body,
    extract::{FromRequest, Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use conductor::{Download, Part, PickupProof};
use futures_util::TryStreamExt;
use model::{PacketId, PacketState};

use super::{Answer, id, parameter};
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
    signed::{Octets, Signed},
    tus,
};

/// Say that the target is ready
///
/// With `Accept: application/octet-stream` the content itself comes back, with the headers of GET content.
#[utoipa::path(
    post, path = "/v1/packets/{id}/accept", tag = "pickup", operation_id = "accept_packet",
    params(OfPacket),
    responses((status = 200, description = "The content may be fetched, or is here", content(
        (PickupGranted = "application/json"), (String = "*/*"))))
)]
pub(crate) async fn accept(
    State(app): State<App>,
    Path(packet): Path<String>,
    signed: Signed,
) -> Answer {
    let signed = signed.no_body().await?;
    let packet = id(&packet)?;
    if accepts(&signed.head.headers, "application/octet-stream") {
        let download = app.exchange.pickups().accept_and_download(&signed.caller, packet).await?;
        app.metrics.path.accept.count(signed.begun.elapsed());
        return Ok(send(&app, download, None, Instant::now()));
    }
    let pickup = app.exchange.pickups().accept(&signed.caller, packet).await?;
    app.metrics.path.accept.count(signed.begun.elapsed());
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
    params(OfPacket, Ranged),
    responses(
        (status = 200, description = "The content, as the media type that its source gave it", body = String, content_type = "*/*",
            headers(("ETag" = String), ("Repr-Digest" = String), ("Digest" = String), ("Accept-Ranges" = String),
                ("Content-Disposition" = String))),
        (status = 206, description = "The range", body = String, content_type = "*/*",
            headers(("Content-Range" = String), ("ETag" = String), ("Repr-Digest" = String))),
    )
)]
pub(crate) async fn content(State(app): State<App>, by: Fetcher) -> Answer {
    download(&app, by).await
}

/// What a fetch would send
#[utoipa::path(
    head, path = "/v1/packets/{id}/content", tag = "pickup", operation_id = "content_info",
    params(OfPacket),
    responses((status = 200, description = "The headers of GET, without the octets"))
)]
pub(crate) async fn content_head(State(app): State<App>, by: Fetcher) -> Answer {
    download(&app, by).await
}

/// Who fetches which content: it was given a token for it, or signs.
pub(crate) struct Fetcher {
    packet: PacketId,
    head: Parts,
    shown: Shown,
}

#[expect(clippy::large_enum_variant, reason = "it is made once a request and lies still")]
enum Shown {
    Token(String),
    /// Who has signed, and the body, whose room is held as long.
    Signature(auth::Signed<Whole>, #[expect(dead_code, reason = "it is held")] Octets),
}

impl FromRequest<App> for Fetcher {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (mut head, body) = request.into_parts();
        let packet = parameter(&mut head).await?;
        let request = Request::from_parts(head, body);
        if let Some(token) = tus::bearer(request.headers()).map(str::to_owned) {
            let (head, _) = app.unsigned(request);
            let packet = id(&packet)?;
            let bearer = app.exchange.gate().bearer_of_packet(packet, &token).await?;
            app.count(&head, &bearer.app, &bearer.unit)?;
            return Ok(Self { packet, head, shown: Shown::Token(token) });
        }
        let (signed, _) = Signed::from_request(request, app).await?.body().await?;
        let Signed { caller, head, octets, .. } = signed;
        Ok(Self { packet: id(&packet)?, head, shown: Shown::Signature(caller, octets) })
    }
}

impl Shown {
    fn proof(&self) -> PickupProof<'_> {
        match self {
            Self::Token(token) => PickupProof::Token(token),
            Self::Signature(caller, _) => PickupProof::Caller(caller),
        }
    }
}

async fn download(app: &App, by: Fetcher) -> Answer {
    let asked_at = Instant::now();
    let Fetcher { packet, head, shown } = by;
    let proof = shown.proof();
    // A range has a meaning for GET only (RFC 9110 section 14.2).
    if head.method == Method::HEAD {
        let info = app.exchange.pickups().download_info(packet, proof, None).await?;
        return Ok(send(app, info, None, asked_at));
    }
    let mut part = range::asked(&head.headers);
    if part.is_some() && head.headers.contains_key(header::IF_RANGE) {
        let info = app.exchange.pickups().download_info(packet, proof, None).await?;
        part = part.filter(|_| range::counts_for(&head.headers, &info.digest));
    }
    let download = app.exchange.pickups().download(packet, proof, part).await?;
    Ok(send(app, download, part, asked_at))
}

/// The answer that carries a content, or only its headers where there is no stream. It was asked of the store then.
fn send(app: &App, download: Download, part: Option<Part>, asked_at: Instant) -> Response {
    let Download { size, digest, media_type, file_name, range, stream, .. } = download;
    let len = range.end - range.start;
    let body = stream.map_or_else(Body::empty, |stream| {
        let (app, mut left) = (app.clone(), len);
        let counted = stream
            .inspect_ok(move |octets| {
                app.metrics.sent(octets.len() as u64);
                left = left.saturating_sub(octets.len() as u64);
                if left == 0 {
                    app.metrics.path.content.count(asked_at.elapsed());
                }
            })
            .inspect_err(|error| match error.is_end() {
                true => {
                    tracing::warn!(%error, "a download ended with its key, or with the majority");
                }
                false => tracing::error!(%error, "a content broke off while it was sent"),
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
    post, path = "/v1/packets/{id}/confirm", tag = "pickup", operation_id = "confirm_packet",
    params(OfPacket),
    request_body = Confirm,
    responses((status = 200, description = "Confirmed", body = PacketNow))
)]
pub(crate) async fn confirm(
    State(app): State<App>,
    Path(packet): Path<String>,
    signed: Signed,
) -> Answer {
    let packet = id(&packet)?;
    let (signed, confirm): (_, Confirm) = signed.json().await?;
    let answers =
        app.exchange.pickups().confirm(&signed.caller, vec![confirm.checked(packet)?]).await?;
    app.metrics.path.confirm.count(signed.begun.elapsed());
    if let Some(refusal) = answers.first().and_then(|answer| answer.refusal) {
        return Err(refusal.into());
    }
    Ok(answer::json(StatusCode::OK, &PacketNow { packet, state: PacketState::Confirmed }))
}

/// Confirm many packets at once
///
/// Each receipt has its own answer; one that is refused does not hold back the others.
#[utoipa::path(
    post, path = "/v1/confirmations", tag = "pickup", operation_id = "confirm_packets",
    request_body = Confirmations,
    responses((status = 200, description = "The answers, in the order of the receipts", body = ConfirmationResults))
)]
pub(crate) async fn confirmations(State(app): State<App>, signed: Signed) -> Answer {
    let (signed, confirmations): (_, Confirmations) = signed.json().await?;
    let answers = app.exchange.pickups().confirm(&signed.caller, confirmations.checked()?).await?;
    app.metrics.path.confirm.count(signed.begun.elapsed());
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
    post, path = "/v1/packets/{id}/reject", tag = "pickup", operation_id = "reject_packet",
    params(OfPacket),
    request_body = Reject,
    responses((status = 200, description = "Rejected", body = PacketNow))
)]
pub(crate) async fn reject(
    State(app): State<App>,
    Path(packet): Path<String>,
    signed: Signed,
) -> Answer {
    let packet = id(&packet)?;
    let (signed, reject): (_, Reject) = signed.json().await?;
    app.exchange.pickups().reject(&signed.caller, packet, reject.checked()?).await?;
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
