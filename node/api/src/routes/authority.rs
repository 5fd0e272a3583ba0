//! The authorities: their certificates for everybody, their rotation for administrators.

use axum::{extract::State, http::StatusCode, response::Response};

use super::{Answer, open::text};
use crate::{
    answer,
    app::App,
    dto::{admin::StatusView, authority::RotateAuthority},
    signed::Signed,
};

/// The certificate that applications trust
///
/// It is that of the authority that certifies the nodes. Save it as `authority.pem` before the one that you have
/// is honoured no longer: `/v1/nodes` and the status of the cluster say when.
#[utoipa::path(
    get, path = "/.well-known/lgsp/authority.pem", tag = "health", operation_id = "authority",
    responses((status = 200, description = "PEM (RFC 7468)", body = String, content_type = "application/x-pem-file"))
)]
pub(crate) async fn certificate(State(app): State<App>) -> Response {
    let pem = app.exchange.authority().authorities().map(|authorities| authorities.pem());
    text("application/x-pem-file", pem.unwrap_or_default())
}

/// Rotate the authority
///
/// A new authority is made and certifies the nodes; those before it are honoured for a while. The answer
/// comes when the rotation is wanted; `authority` of the status says how far it is.
#[utoipa::path(
    post, path = "/v1/admin/authority/rotate", tag = "admin", operation_id = "rotate_authority",
    request_body = Option<RotateAuthority>, responses((status = 202, description = "Wanted", body = StatusView))
)]
pub(crate) async fn rotate(State(app): State<App>, signed: Signed) -> Answer {
    let (signed, asked): (_, RotateAuthority) = signed.json_or_default().await?;
    let overlap_ms = asked.checked()?;
    app.exchange.authority().rotate(&signed.caller, overlap_ms).await?;
    let status = app.exchange.members().status(&signed.caller).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &StatusView::from(status)))
}

/// End the older authorities
///
/// Whoever trusts only an older one believes the nodes no longer.
#[utoipa::path(
    post, path = "/v1/admin/authority/end-older", tag = "admin", operation_id = "end_older_authorities",
    responses((status = 200, description = "Ended", body = StatusView))
)]
pub(crate) async fn end_older(State(app): State<App>, signed: Signed) -> Answer {
    let signed = signed.no_body().await?;
    app.exchange.authority().end_older(&signed.caller).await?;
    let status = app.exchange.members().status(&signed.caller).await?;
    Ok(answer::json(StatusCode::OK, &StatusView::from(status)))
}
