//! The directory of units (Article 9(7)), and of the nodes that any application may call.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};

use conductor::{Error, StrangeUnit};
use machine::Refusal;
use model::{Label, UnitCode};

use super::{Answer, id};
use crate::{
    answer,
    app::App,
    dto::{
        Page,
        authority::TrustedAuthorities,
        params::{OfUnit, Paging, Search},
        units::{ApiNode, ApiNodes, RenameUnit, Unit, UnitRemoved},
    },
    problem::{FieldError, Problem},
    query::Query,
    signed::Signed,
    texts::Fault,
};

/// Units in the order of their codes, or those that a text finds
///
/// The search ignores diacritics and takes words in any order; it answers one page, best first.
#[utoipa::path(
    get, path = "/v1/units", tag = "units", operation_id = "list_units",
    params(Search, Paging),
    responses((status = 200, description = "One page", body = Page<Unit>))
)]
pub(crate) async fn search(State(app): State<App>, signed: Signed) -> Answer {
    let signed = signed.no_body().await?;
    let query = Query::of(&signed.head.uri, &["q", "cursor", "limit"])?;
    let (limit, cursor) = (query.limit()?, query.cursor()?);
    let uri = &signed.head.uri;
    let Some(text) = query.get("q").filter(|text| !text.trim().is_empty()) else {
        let units = app.exchange.directory().units(cursor.as_ref(), limit + 1).await;
        return Ok(answer::page::<_, Unit, _>(uri, units, limit, |unit| unit.code.clone()));
    };
    if text.chars().count() > Label::CHARS_MAX || cursor.is_some() {
        return Err(Problem::new(Fault::QueryMalformed).member("parameter", "q"));
    }
    let units = app.exchange.directory().search_units(text, limit).await;
    Ok(answer::page::<_, Unit, _>(uri, units, limit, |unit| unit.code.clone()))
}

/// Names the codes that no unit has, where that is what is wrong, each by its place in the body.
pub(super) async fn naming_units(
    app: &App,
    error: impl Into<Error>,
    codes: &[UnitCode],
    place: impl Fn(usize) -> String,
) -> Problem {
    let error = error.into();
    let Error::Refused(Refusal::UnitUnknown) = error else { return error.into() };
    let strange = app.exchange.directory().strange_units(codes).await.into_iter();
    let errors = strange.map(|StrangeUnit { index, meant }| {
        let (at, code) = (place(index), &codes[index]);
        match meant {
            None => FieldError::new(at, "no unit has this code").naming(code.as_str()),
            Some(meant) => {
                FieldError::new(at, "no unit has this code; in brackets is the nearest one")
                    .naming(&format!("{code} ({meant})"))
            }
        }
    });
    Problem::from(error).errors(errors.collect())
}

/// The same of the one unit that a path names.
async fn naming_unit(app: &App, error: impl Into<Error>, code: &UnitCode) -> Problem {
    naming_units(app, error, std::slice::from_ref(code), |_| String::new()).await
}

/// One unit, by its code or an alias
#[utoipa::path(
    get, path = "/v1/units/{code}", tag = "units", operation_id = "show_unit",
    params(OfUnit),
    responses((status = 200, description = "The unit", body = Unit))
)]
pub(crate) async fn show(
    State(app): State<App>,
    Path(code): Path<String>,
    signed: Signed,
) -> Answer {
    signed.no_body().await?;
    let code: UnitCode = id(&code)?;
    let unit = match app.exchange.directory().unit(&code).await {
        Ok(unit) => unit,
        Err(error) => return Err(naming_unit(&app, error, &code).await),
    };
    Ok(answer::json(StatusCode::OK, &Unit::from(unit)))
}

/// Give a unit another name
///
/// Its code stays: what was sent to it, and who acts for it, does not change.
#[utoipa::path(
    post, path = "/v1/admin/units/{code}/rename", tag = "admin", operation_id = "rename_unit",
    params(OfUnit),
    request_body = RenameUnit,
    responses((status = 200, description = "The unit", body = Unit))
)]
pub(crate) async fn rename(
    State(app): State<App>,
    Path(code): Path<String>,
    signed: Signed,
) -> Answer {
    let (signed, name) = signed.json::<RenameUnit>().await?;
    let name = name.checked()?;
    let code: UnitCode = id(&code)?;
    if let Err(error) =
        app.exchange.registry().rename_unit(&signed.caller, code.clone(), name).await
    {
        return Err(naming_unit(&app, error, &code).await);
    }
    let unit = app.exchange.directory().unit(&code).await?;
    Ok(answer::json(StatusCode::OK, &Unit::from(unit)))
}

/// Remove a unit
///
/// Only where no unit below it and no application refers to it, and nothing was ever told to it.
#[utoipa::path(
    post, path = "/v1/admin/units/{code}/remove", tag = "admin", operation_id = "remove_unit",
    params(OfUnit),
    responses((status = 200, description = "Removed", body = UnitRemoved))
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Path(code): Path<String>,
    signed: Signed,
) -> Answer {
    let signed = signed.no_body().await?;
    let code: UnitCode = id(&code)?;
    if let Err(error) = app.exchange.registry().remove_unit(&signed.caller, code.clone()).await {
        return Err(naming_unit(&app, error, &code).await);
    }
    Ok(answer::json(StatusCode::OK, &UnitRemoved { code }))
}

/// The nodes of the cluster, and where each one's API is
///
/// Any node takes any request: an application that knows all of them misses none of them.
#[utoipa::path(
    get, path = "/v1/nodes", tag = "units", operation_id = "list_nodes",
    responses((status = 200, description = "The nodes", body = ApiNodes))
)]
pub(crate) async fn nodes(State(app): State<App>, signed: Signed) -> Answer {
    signed.no_body().await?;
    let present = app.exchange.members().present().into_iter();
    let nodes = present.map(|record| ApiNode { node: record.node, url: record.now.api_url });
    let authority = app.exchange.authority().authorities().map(TrustedAuthorities::from);
    Ok(answer::json(StatusCode::OK, &ApiNodes { nodes: nodes.collect(), authority }))
}
