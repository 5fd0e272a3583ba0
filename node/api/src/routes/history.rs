//! The history from outside: receipts, checkpoints, proofs, and the keys that all of it is checked with.

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::Response,
};

use super::{Answer, id, open::text};
use crate::{
    answer,
    app::App,
    dto::{
        history::{HistoryProof, JwkSet, Receipts},
        params::{OfPacket, Paging, Proving},
    },
    problem::Problem,
    query::{self, Query},
    signed::Signed,
    texts::Fault,
};

/// The receipts of a packet
///
/// The source gets all of them: accepted, confirmed or rejected by each target, destroyed everywhere. A target gets
/// those of its own delivery. In the order in which it happened, page by page: each is signed and proved when it is asked
/// for. `lgsp verify`, or any program for JWS, checks them without the platform.
#[utoipa::path(
    get, path = "/v1/packets/{id}/receipts", tag = "packets", operation_id = "packet_receipts",
    params(OfPacket, Paging),
    responses((status = 200, description = "What the platform attests so far: one page", body = Receipts))
)]
pub(crate) async fn receipts(
    State(app): State<App>,
    Path(packet): Path<String>,
    signed: Signed,
) -> Answer {
    let signed = signed.no_body().await?;
    let query = Query::of(&signed.head.uri, &["cursor", "limit"])?;
    let (after, limit) = (query.cursor()?, query.limit()?);
    let page =
        app.exchange.receipts().of_packet(&signed.caller, id(&packet)?, after, limit).await?;
    let next = page.next.map(query::cursor);
    let link = next.as_deref().map(|next| answer::next_link(&signed.head.uri, "cursor", next));
    let mut response = answer::json(StatusCode::OK, &Receipts { receipts: page.receipts, next });
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The newest checkpoint of the history
///
/// A C2SP checkpoint: how many facts there are and the root of their tree, signed by the platform. Whoever keeps one can
/// have it proved later that nothing before it was changed.
#[utoipa::path(
    get, path = "/v1/history/checkpoint", tag = "history", operation_id = "history_checkpoint",
    responses((status = 200, description = "A C2SP signed note", body = String, content_type = "text/plain"))
)]
pub(crate) async fn checkpoint(State(app): State<App>) -> Answer {
    let note = app.exchange.receipts().checkpoint().await?;
    Ok(text("text/plain; charset=utf-8", note.to_string()))
}

/// Prove something of the history
///
/// With `position`, and perhaps `size`: that this fact is in the history of that size. With `from`, and perhaps `to`: that
/// the history of one size is the beginning of the other. Left out, a size is the newest.
#[utoipa::path(
    get, path = "/v1/history/proof", tag = "history", operation_id = "history_proof",
    params(Proving),
    responses((status = 200, description = "The proof", body = HistoryProof))
)]
pub(crate) async fn proof(State(app): State<App>, signed: Signed) -> Answer {
    let signed = signed.no_body().await?;
    let query = Query::of(&signed.head.uri, &["position", "size", "from", "to"])?;
    let number = |name| query.number(name);
    let proof = match (number("position")?, number("size")?, number("from")?, number("to")?) {
        (Some(position), size, None, None) => {
            HistoryProof::from(app.exchange.receipts().prove_fact(position, size).await?)
        }
        (None, None, Some(from), to) => {
            HistoryProof::from(app.exchange.receipts().prove_growth(from, to).await?)
        }
        _ => {
            let problem = Problem::new(Fault::QueryMalformed).member("parameter", "position");
            return Err(
                problem.member("expected", "position and perhaps size, or from and perhaps to")
            );
        }
    };
    Ok(answer::json(StatusCode::OK, &proof))
}

/// The platform's public keys
///
/// A JWK set (RFC 7517): the keys that receipts and checkpoints are signed with, the present ones first. Former ones
/// stay, for what they have signed, each with its end: `facts` and `exp`.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "history", operation_id = "platform_keys",
    responses((status = 200, description = "A JWK set", body = JwkSet, content_type = "application/jwk-set+json"))
)]
pub(crate) async fn keys(State(app): State<App>) -> Result<Response, Problem> {
    Ok(text("application/jwk-set+json", app.exchange.receipts().platform_keys()?.to_string()))
}
