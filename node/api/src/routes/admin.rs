//! The registry and the members, for applications with the grant `admin`.

use std::time::Duration;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use model::NodeId;

use super::{Answer, id, units::naming_units};
use crate::{
    answer,
    app::App,
    dto::{
        At, Page,
        admin::{
            AppAdded, AppView, IssueKey, JoinTokenIssued, KeyIssued, KeyRevoked, KeyView,
            MemberRemoved, Members, NewApp, NewJoinToken, Removal, RevokeKey, RotateClusterKey,
            StatusView,
        },
        params::{OfKey, OfNode, Paging},
        units::{AddUnits, UnitsAdded},
    },
    query::Query,
    signed::Signed,
};

/// How long a join token is valid unless told otherwise.
const JOIN_MINUTES: u64 = 30;

/// Add units, all or none
#[utoipa::path(
    post, path = "/v1/admin/units", tag = "admin", operation_id = "add_units",
    request_body = AddUnits, responses((status = 200, description = "Added", body = UnitsAdded))
)]
pub(crate) async fn add_units(State(app): State<App>, signed: Signed) -> Answer {
    let (signed, units) = signed.json::<AddUnits>().await?;
    let units = units.checked()?;
    let added = units.len();
    app.exchange.registry().add_units(&signed.caller, units).await?;
    Ok(answer::json(StatusCode::OK, &UnitsAdded { added }))
}

/// Register an application of a unit
#[utoipa::path(
    post, path = "/v1/admin/apps", tag = "admin", operation_id = "add_app",
    request_body = NewApp, responses((status = 201, description = "Registered", body = AppAdded))
)]
pub(crate) async fn add_app(State(app): State<App>, signed: Signed) -> Answer {
    let (signed, new) = signed.json::<NewApp>().await?;
    let new = new.checked()?;
    let added = AppAdded { app: new.app.clone() };
    let units: Vec<_> = std::iter::once(&new.unit).chain(&new.targets).cloned().collect();
    if let Err(error) = app.exchange.registry().add_app(&signed.caller, new).await {
        let place = |index: usize| match index.checked_sub(1) {
            None => "/unit".into(),
            Some(target) => format!("/targets/{target}"),
        };
        return Err(naming_units(&app, error, &units, place).await);
    }
    Ok(answer::json(StatusCode::CREATED, &added))
}

/// Applications in the order of their names
#[utoipa::path(
    get, path = "/v1/admin/apps", tag = "admin", operation_id = "list_apps",
    params(Paging),
    responses((status = 200, description = "One page", body = Page<AppView>))
)]
pub(crate) async fn apps(State(app): State<App>, signed: Signed) -> Answer {
    let signed = signed.no_body().await?;
    let query = Query::of(&signed.head.uri, &["cursor", "limit"])?;
    let (limit, cursor) = (query.limit()?, query.cursor()?);
    let apps = app.exchange.registry().apps(&signed.caller, cursor.as_ref(), limit + 1).await?;
    Ok(answer::page::<_, AppView, _>(&signed.head.uri, apps, limit, |record| record.app.clone()))
}

/// Issue a key to an application
///
/// The secret of an HMAC key is shown in this answer and never again.
#[utoipa::path(
    post, path = "/v1/admin/keys", tag = "admin", operation_id = "issue_key",
    request_body = IssueKey, responses((status = 201, description = "Issued", body = KeyIssued))
)]
pub(crate) async fn issue_key(State(app): State<App>, signed: Signed) -> Answer {
    let (signed, new) = signed.json::<IssueKey>().await?;
    let new = new.checked()?;
    let issued = app.exchange.registry().issue_key(&signed.caller, new).await?;
    Ok(answer::json(StatusCode::CREATED, &KeyIssued::from(&issued)))
}

/// Keys in the order of their names, without secrets
#[utoipa::path(
    get, path = "/v1/admin/keys", tag = "admin", operation_id = "list_keys",
    params(Paging),
    responses((status = 200, description = "One page", body = Page<KeyView>))
)]
pub(crate) async fn keys(State(app): State<App>, signed: Signed) -> Answer {
    let signed = signed.no_body().await?;
    let query = Query::of(&signed.head.uri, &["cursor", "limit"])?;
    let (limit, cursor) = (query.limit()?, query.cursor()?);
    let keys = app.exchange.registry().keys(&signed.caller, cursor.as_ref(), limit + 1).await?;
    Ok(answer::page::<_, KeyView, _>(&signed.head.uri, keys, limit, |record| record.key.clone()))
}

/// Revoke a key for ever, now or at a moment
#[utoipa::path(
    post, path = "/v1/admin/keys/{access_key}/revoke", tag = "admin", operation_id = "revoke_key",
    params(OfKey),
    request_body = Option<RevokeKey>, responses((status = 200, description = "Revoked, or to be", body = KeyRevoked))
)]
pub(crate) async fn revoke_key(
    State(app): State<App>,
    Path(key): Path<String>,
    signed: Signed,
) -> Answer {
    let (signed, asked): (_, RevokeKey) = signed.json_or_default().await?;
    let at = asked.checked()?;
    let access_key: model::AccessKey = id(&key)?;
    app.exchange.registry().revoke_key(&signed.caller, access_key.clone(), at).await?;
    let now = at.is_none_or(|at| at <= app.exchange.now());
    let status = if now { model::KeyStatus::Revoked } else { model::KeyStatus::Active };
    let revoked = KeyRevoked { access_key, status, ends_at: At::some(at.filter(|_| !now)) };
    Ok(answer::json(StatusCode::OK, &revoked))
}

/// The cluster as this node sees it
#[utoipa::path(
    get, path = "/v1/admin/status", tag = "admin", operation_id = "cluster_status",
    responses((status = 200, description = "The status", body = StatusView))
)]
pub(crate) async fn status(State(app): State<App>, signed: Signed) -> Answer {
    let signed = signed.no_body().await?;
    let status = app.exchange.members().status(&signed.caller).await?;
    Ok(answer::json(StatusCode::OK, &StatusView::from(status)))
}

/// Make a join token
#[utoipa::path(
    post, path = "/v1/admin/join-tokens", tag = "admin", operation_id = "make_join_token",
    request_body = Option<NewJoinToken>, responses((status = 201, description = "Made; shown once", body = JoinTokenIssued))
)]
pub(crate) async fn join_token(State(app): State<App>, signed: Signed) -> Answer {
    let (signed, new): (_, NewJoinToken) = signed.json_or_default().await?;
    let minutes = new.minutes.map_or(JOIN_MINUTES, |minutes| minutes.0.max(1));
    let valid = Duration::from_secs(minutes.saturating_mul(60));
    let (token, expires_at) = app.exchange.members().join_token(&signed.caller, valid).await?;
    let issued = JoinTokenIssued { token: &token, expires_at: At(expires_at) };
    Ok(answer::json(StatusCode::CREATED, &issued))
}

/// The nodes, present and removed
#[utoipa::path(
    get, path = "/v1/admin/members", tag = "admin", operation_id = "list_members",
    responses((status = 200, description = "The nodes", body = Members))
)]
pub(crate) async fn members(State(app): State<App>, signed: Signed) -> Answer {
    let signed = signed.no_body().await?;
    let status = app.exchange.members().status(&signed.caller).await?;
    Ok(answer::json(StatusCode::OK, &Members::from(status)))
}

/// Remove a node for ever
#[utoipa::path(
    post, path = "/v1/admin/members/{id}/remove", tag = "admin", operation_id = "remove_member",
    params(OfNode),
    request_body = Option<Removal>, responses((status = 200, description = "Removed", body = MemberRemoved))
)]
pub(crate) async fn remove_member(
    State(app): State<App>,
    Path(node): Path<String>,
    signed: Signed,
) -> Answer {
    let (signed, removal): (_, Removal) = signed.json_or_default().await?;
    let node: NodeId = id(&node)?;
    app.exchange.members().remove_member(&signed.caller, node, removal.force).await?;
    Ok(answer::json(StatusCode::OK, &MemberRemoved { node }))
}

/// Rotate the cluster key
///
/// A new version of the key that seals secrets and derives tokens is made and handed to the members;
/// everything is sealed anew under it. The answer comes when the rotation is wanted; `cluster_key` of the
/// status says how far it is.
#[utoipa::path(
    post, path = "/v1/admin/cluster-key/rotate", tag = "admin", operation_id = "rotate_cluster_key",
    request_body = Option<RotateClusterKey>, responses((status = 202, description = "Wanted", body = StatusView))
)]
pub(crate) async fn rotate_cluster_key(State(app): State<App>, signed: Signed) -> Answer {
    let (signed, asked): (_, RotateClusterKey) = signed.json_or_default().await?;
    app.exchange.cluster_keys().rotate(&signed.caller, asked.end_tokens).await?;
    let status = app.exchange.members().status(&signed.caller).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &StatusView::from(status)))
}
