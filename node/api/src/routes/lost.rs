//! Packets whose content is lost: listed and closed, for applications with the grant `admin`.

use axum::{extract::State, http::StatusCode};

use super::Answer;
use crate::{
    answer,
    app::App,
    dto::{
        Page,
        lost::{CloseLost, LostClosed, LostPacket},
        params::Paging,
    },
    query::Query,
    signed::Signed,
};

/// Packets whose content no node holds any more
#[utoipa::path(
    get, path = "/v1/admin/lost", tag = "admin", operation_id = "list_lost",
    params(Paging),
    responses((status = 200, description = "One page", body = Page<LostPacket>))
)]
pub(crate) async fn list(State(app): State<App>, signed: Signed) -> Answer {
    let signed = signed.no_body().await?;
    let query = Query::of(&signed.head.uri, &["cursor", "limit"])?;
    let limit = query.limit()?;
    let records = app.exchange.lost().list(&signed.caller, query.cursor()?, limit + 1).await?;
    Ok(answer::page::<_, LostPacket, _>(&signed.head.uri, records, limit, |record| record.packet))
}

/// End packets whose content is lost: their open deliveries have failed
#[utoipa::path(
    post, path = "/v1/admin/lost/close", tag = "admin", operation_id = "close_lost",
    request_body = CloseLost, responses((status = 200, description = "Closed", body = LostClosed))
)]
pub(crate) async fn close(State(app): State<App>, signed: Signed) -> Answer {
    let (signed, packets) = signed.json::<CloseLost>().await?;
    let packets = packets.checked()?;
    let asked = packets.len();
    let left = app.exchange.lost().close(&signed.caller, packets).await?;
    Ok(answer::json(StatusCode::OK, &LostClosed { asked, left }))
}
