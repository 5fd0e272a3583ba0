//! Packets from their source's side: open, commit, cancel, look.

use std::time::Instant;

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
};
use conductor::{Error, OpenRequest, Submission};
use machine::Refusal;
use model::{PacketId, PacketState, UnitCode};

use super::{Answer, detached, id, units::naming_units};
use crate::{
    answer,
    app::App,
    dto::{
        At, Page,
        packets::{
            Commit, NewPacket, OneRoundForm, Packet, PacketAccepted, PacketCreated, PacketNow,
            PacketOpened, Space,
        },
        params::{ContentNamed, Idempotent, OfPacket, Paging},
    },
    header::is_kind,
    multipart,
    problem::Problem,
    query::Query,
    settings::JSON_MAX,
    signed::{self, Signed},
    texts::Fault,
};

/// Open a packet, or send a small one whole
///
/// With JSON a space is granted for the content. With `multipart/form-data` the content (at most `one_round_max` of `/.well-known/lgsp`)
/// comes in the same request: parts `request` (JSON), perhaps `policy` (JSON), `content`, in this order.
#[utoipa::path(
    post, path = "/v1/packets", tag = "packets", operation_id = "open_packet",
    params(Idempotent, ContentNamed),
    request_body(content((NewPacket = "application/json"), (OneRoundForm = "multipart/form-data"))),
    responses(
        (status = 201, description = "A space was granted (JSON), or the packet was accepted whole (multipart)", body = PacketCreated,
            headers(("Location" = String, description = "The packet"))),
    )
)]
pub(crate) async fn open(State(app): State<App>, signed: Signed) -> Answer {
    signed::check_packet_digest(&signed.head)?;
    let headers = &signed.head.headers;
    if is_kind(headers, "multipart/form-data") {
        return submit(app, signed).await;
    }
    if is_kind(headers, "application/json") {
        return grant(app, signed).await;
    }
    Err(Problem::new(Fault::MediaTypeUnsupported)
        .member("expected", "application/json, multipart/form-data"))
}

async fn grant(app: App, signed: Signed) -> Answer {
    let idempotency_key = signed::idempotency_key(&signed.head)?;
    let (signed, new) = signed.json_up_to::<NewPacket>(JSON_MAX).await?;
    let (request, size) = new.checked(None)?;
    let targets = request.targets.clone();
    let open = OpenRequest { request, size, idempotency_key };
    let opened = match app.exchange.intake().open(&signed.caller, open).await {
        Ok(opened) => opened,
        Err(error) => return Err(naming_fields(&app, error.into(), &targets).await),
    };
    let url = format!("{}/v1/spaces/{}", app.url_for(&signed.head), opened.space);
    let body = PacketOpened {
        packet: opened.packet,
        state: PacketState::AwaitingContent,
        space: Space {
            id: opened.space,
            upload_url: format!("{url}/content"),
            url,
            token: opened.token.as_str().to_owned(),
            expires_at: At(opened.expires_at),
        },
    };
    Ok(created(PacketCreated::Opened(body), opened.packet))
}

async fn submit(app: App, signed: Signed) -> Answer {
    let verified_at = Instant::now();
    app.metrics.path.head.count(verified_at - signed.begun);
    let idempotency_key = signed::idempotency_key(&signed.head)?;
    let (signed, body) = signed.content().await?;
    let content_type = &signed.head.headers[header::CONTENT_TYPE];
    let one = multipart::read(content_type, body).await?;
    let (request, size) = one.request.checked(one.policy)?;
    if size.is_some_and(|size| size != one.content.len() as u64) {
        return Err(Refusal::SizeMismatch.into());
    }
    let submission =
        Submission { request, file_name: one.file_name, content: one.content, idempotency_key };
    app.metrics.path.body.count(verified_at.elapsed());
    // From here on copies are made, and only the one who made them can have them destroyed. The room
    // for the body stays taken until this has ended.
    detached(async move {
        let accepted = match app.exchange.intake().submit(&signed.caller, &submission).await {
            Ok(accepted) => accepted,
            Err(error) => {
                return Err(naming_fields(&app, error.into(), &submission.request.targets).await);
            }
        };
        if let Some(notes) = signed::notes(&signed.head) {
            notes.answered_at.set(Instant::now()).ok();
        }
        let packet = accepted.packet;
        Ok(created(PacketCreated::Accepted(accepted.into()), packet))
    })
    .await
}

/// Names the field that a request was refused for.
async fn naming_fields(app: &App, error: Error, targets: &[UnitCode]) -> Problem {
    let (place, reason) = match error {
        Error::Refused(Refusal::TargetsMalformed) => {
            ("/targets", "1 to 512 units are expected, each once")
        }
        Error::Refused(Refusal::DeadlineMalformed) => {
            ("/policy/deliver_by", "a moment from now on is expected, up to 30 days ahead")
        }
        _ => {
            return naming_units(app, error, targets, |index| format!("/targets/{index}")).await;
        }
    };
    Problem::from(error).error(place, reason)
}

fn created(body: PacketCreated, packet: PacketId) -> axum::response::Response {
    let mut response = answer::json(StatusCode::CREATED, &body);
    answer::set(&mut response, header::LOCATION, &format!("/v1/packets/{packet}"));
    response
}

/// Packets that the caller's unit has sent, newest first
#[utoipa::path(
    get, path = "/v1/packets", tag = "packets", operation_id = "list_packets",
    params(Paging),
    responses((status = 200, description = "One page", body = Page<Packet>))
)]
pub(crate) async fn sent(State(app): State<App>, signed: Signed) -> Answer {
    let signed = signed.no_body().await?;
    let query = Query::of(&signed.head.uri, &["cursor", "limit"])?;
    let limit = query.limit()?;
    let records = app.exchange.packets().sent(&signed.caller, query.cursor()?, limit + 1).await?;
    Ok(answer::page::<_, Packet, _>(&signed.head.uri, records, limit, |record| record.packet))
}

/// One packet
///
/// The source sees all of it, a target its own delivery.
#[utoipa::path(
    get, path = "/v1/packets/{id}", tag = "packets", operation_id = "show_packet",
    params(OfPacket),
    responses((status = 200, description = "The packet", body = Packet))
)]
pub(crate) async fn show(
    State(app): State<App>,
    Path(packet): Path<String>,
    signed: Signed,
) -> Answer {
    let signed = signed.no_body().await?;
    let record = app.exchange.packets().packet(&signed.caller, id(&packet)?).await?;
    Ok(answer::json(StatusCode::OK, &Packet::from(record)))
}

/// Seal a packet whose content has arrived
///
/// The source signs digest and size of the whole content; the targets are notified.
#[utoipa::path(
    post, path = "/v1/packets/{id}/commit", tag = "packets", operation_id = "commit_packet",
    params(OfPacket),
    request_body = Commit,
    responses((status = 200, description = "Durable on a majority, the targets notified", body = PacketAccepted))
)]
pub(crate) async fn commit(
    State(app): State<App>,
    Path(packet): Path<String>,
    signed: Signed,
) -> Answer {
    let packet = id(&packet)?;
    let (signed, commit): (_, Commit) = signed.json().await?;
    let (digest, policy) = commit.checked()?;
    let sealed =
        app.exchange.intake().seal(&signed.caller, packet, digest, commit.size.0, policy).await;
    let accepted = match sealed {
        Ok(accepted) => accepted,
        Err(error) => return Err(naming_fields(&app, error.into(), &[]).await),
    };
    Ok(answer::json(StatusCode::OK, &PacketAccepted::from(accepted)))
}

/// Take a packet back
#[utoipa::path(
    post, path = "/v1/packets/{id}/cancel", tag = "packets", operation_id = "cancel_packet",
    params(OfPacket),
    responses((status = 200, description = "Cancelled", body = PacketNow))
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Path(packet): Path<String>,
    signed: Signed,
) -> Answer {
    let signed = signed.no_body().await?;
    let packet = id(&packet)?;
    app.exchange.intake().cancel(&signed.caller, packet).await?;
    Ok(answer::json(StatusCode::OK, &PacketNow { packet, state: PacketState::Cancelled }))
}

/// Packets that wait for the caller's unit, by importance, deadline and age
#[utoipa::path(
    get, path = "/v1/inbox", tag = "pickup", operation_id = "inbox",
    params(Paging),
    responses((status = 200, description = "One page, each with the caller's own delivery", body = Page<Packet>))
)]
pub(crate) async fn inbox(State(app): State<App>, signed: Signed) -> Answer {
    let signed = signed.no_body().await?;
    let query = Query::of(&signed.head.uri, &["cursor", "limit"])?;
    let limit = query.limit()?;
    let records = app.exchange.packets().inbox(&signed.caller, query.cursor()?, limit + 1).await?;
    Ok(answer::page::<_, Packet, _>(&signed.head.uri, records, limit, |record| record.packet))
}
