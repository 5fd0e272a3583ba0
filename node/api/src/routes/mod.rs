//! The routes, one file a family, registered together with their documentation.

pub(crate) mod admin;
pub(crate) mod authority;
pub(crate) mod events;
pub(crate) mod lost;
pub(crate) mod open;
pub(crate) mod packets;
pub(crate) mod pickup;
pub(crate) mod spaces;
pub(crate) mod units;

use std::{
    pin::Pin,
    str::FromStr,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use model::Malformed;
use tokio::runtime::Handle;
use tracing::Instrument;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::App, problem::Problem, texts::Fault};

/// What a handler answers: a problem is written by the front.
pub(crate) type Answer = Result<axum::response::Response, Problem>;

/// Every route with its documentation.
pub(crate) fn all() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(crate::openapi::document())
        .routes(routes!(packets::open, packets::sent))
        .routes(routes!(packets::show))
        .routes(routes!(packets::commit))
        .routes(routes!(packets::cancel))
        .routes(routes!(packets::inbox))
        .routes(routes!(pickup::accept))
        .routes(routes!(pickup::content, pickup::content_head))
        .routes(routes!(pickup::confirm))
        .routes(routes!(pickup::confirmations))
        .routes(routes!(pickup::reject))
        .routes(routes!(spaces::create, spaces::offer))
        .routes(routes!(
            spaces::status,
            spaces::patch,
            spaces::put,
            spaces::terminate,
            spaces::content_offer
        ))
        .routes(routes!(events::events))
        .routes(routes!(units::search))
        .routes(routes!(units::show))
        .routes(routes!(units::nodes))
        .routes(routes!(admin::add_units))
        .routes(routes!(units::rename))
        .routes(routes!(units::remove))
        .routes(routes!(admin::add_app, admin::apps))
        .routes(routes!(admin::issue_key, admin::keys))
        .routes(routes!(admin::revoke_key))
        .routes(routes!(admin::status))
        .routes(routes!(admin::join_token))
        .routes(routes!(admin::members))
        .routes(routes!(admin::remove_member))
        .routes(routes!(lost::list))
        .routes(routes!(lost::close))
        .routes(routes!(admin::rotate_cluster_key))
        .routes(routes!(authority::rotate))
        .routes(routes!(authority::end_older))
        .routes(routes!(authority::certificate))
        .routes(routes!(open::join))
        .routes(routes!(open::live))
        .routes(routes!(open::ready))
        .routes(routes!(open::metrics))
        .routes(routes!(open::openapi))
        .routes(routes!(open::well_known))
}

/// An identifier in the path.
pub(crate) fn id<T: FromStr<Err = Malformed>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: Malformed| {
        Problem::new(Fault::IdMalformed)
            .member("expected", error.word)
            .member("reason", error.reason)
    })
}

/// Goes on when the connection breaks and the handler is dropped with it: what has arrived is still
/// synced, and what was copied and is not wanted is still destroyed. It ends by itself.
///
/// Until then it is worked on by its handler: a task of its own would cost each request a change of threads.
pub(crate) fn detached(work: impl Future<Output = Answer> + Send + 'static) -> Detached {
    Detached { work: Some(Box::pin(work)), span: tracing::Span::current() }
}

/// See [`detached`].
pub(crate) struct Detached {
    /// None once it has ended.
    work: Option<BoxFuture<'static, Answer>>,
    span: tracing::Span,
}

impl Future for Detached {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        // If it panics it is not there any more, and is not gone on with.
        let mut work = self.work.take().expect("it is not asked again after its end");
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        // Without a runtime there is nobody to go on with it: the node has stopped.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            drop(runtime.spawn(work.instrument(self.span.clone())));
        }
    }
}

/// The pattern of the route that a path belongs to: bounded labels for logs and counts.
pub(crate) fn pattern(path: &str) -> &'static str {
    let mut segments = [""; 6];
    let mut count = 0;
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        let Some(place) = segments.get_mut(count) else { return UNMATCHED };
        *place = segment;
        count += 1;
    }
    match &segments[..count] {
        ["livez"] => "/livez",
        ["readyz"] => "/readyz",
        ["metrics"] => "/metrics",
        ["openapi.json"] => "/openapi.json",
        [".well-known", "lgsp"] => "/.well-known/lgsp",
        [".well-known", "lgsp", "authority.pem"] => "/.well-known/lgsp/authority.pem",
        ["v1", "packets"] => "/v1/packets",
        ["v1", "packets", _] => "/v1/packets/{id}",
        ["v1", "packets", _, "commit"] => "/v1/packets/{id}/commit",
        ["v1", "packets", _, "cancel"] => "/v1/packets/{id}/cancel",
        ["v1", "packets", _, "accept"] => "/v1/packets/{id}/accept",
        ["v1", "packets", _, "content"] => "/v1/packets/{id}/content",
        ["v1", "packets", _, "confirm"] => "/v1/packets/{id}/confirm",
        ["v1", "packets", _, "reject"] => "/v1/packets/{id}/reject",
        ["v1", "confirmations"] => "/v1/confirmations",
        ["v1", "inbox"] => "/v1/inbox",
        ["v1", "events"] => "/v1/events",
        ["v1", "spaces", _] => "/v1/spaces/{id}",
        ["v1", "spaces", _, "content"] => "/v1/spaces/{id}/content",
        ["v1", "nodes"] => "/v1/nodes",
        ["v1", "units"] => "/v1/units",
        ["v1", "units", _] => "/v1/units/{code}",
        ["v1", "admin", "units"] => "/v1/admin/units",
        ["v1", "admin", "units", _, "rename"] => "/v1/admin/units/{code}/rename",
        ["v1", "admin", "units", _, "remove"] => "/v1/admin/units/{code}/remove",
        ["v1", "admin", "apps"] => "/v1/admin/apps",
        ["v1", "admin", "keys"] => "/v1/admin/keys",
        ["v1", "admin", "keys", _, "revoke"] => "/v1/admin/keys/{access_key}/revoke",
        ["v1", "admin", "status"] => "/v1/admin/status",
        ["v1", "admin", "join-tokens"] => "/v1/admin/join-tokens",
        ["v1", "admin", "members"] => "/v1/admin/members",
        ["v1", "admin", "members", _, "remove"] => "/v1/admin/members/{id}/remove",
        ["v1", "admin", "lost"] => "/v1/admin/lost",
        ["v1", "admin", "lost", "close"] => "/v1/admin/lost/close",
        ["v1", "admin", "authority", "rotate"] => "/v1/admin/authority/rotate",
        ["v1", "admin", "authority", "end-older"] => "/v1/admin/authority/end-older",
        ["v1", "admin", "cluster-key", "rotate"] => "/v1/admin/cluster-key/rotate",
        ["v1", "cluster", "join"] => "/v1/cluster/join",
        _ => UNMATCHED,
    }
}

/// How the patterns of spaces begin.
pub(crate) const SPACES: &str = "/v1/spaces/";
/// The pattern of a path that no route has.
const UNMATCHED: &str = "unmatched";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The routes as the contract with the clients lists them.
    const EXPECTED: &[&str] = &[
        "DELETE /v1/spaces/{id}/content",
        "GET /.well-known/lgsp",
        "GET /.well-known/lgsp/authority.pem",
        "GET /livez",
        "GET /metrics",
        "GET /openapi.json",
        "GET /readyz",
        "GET /v1/admin/apps",
        "GET /v1/admin/keys",
        "GET /v1/admin/lost",
        "GET /v1/admin/members",
        "GET /v1/admin/status",
        "GET /v1/events",
        "GET /v1/inbox",
        "GET /v1/nodes",
        "GET /v1/packets",
        "GET /v1/packets/{id}",
        "GET /v1/packets/{id}/content",
        "GET /v1/units",
        "GET /v1/units/{code}",
        "HEAD /v1/packets/{id}/content",
        "HEAD /v1/spaces/{id}/content",
        "OPTIONS /v1/spaces/{id}",
        "OPTIONS /v1/spaces/{id}/content",
        "PATCH /v1/spaces/{id}/content",
        "POST /v1/admin/apps",
        "POST /v1/admin/authority/end-older",
        "POST /v1/admin/authority/rotate",
        "POST /v1/admin/cluster-key/rotate",
        "POST /v1/admin/join-tokens",
        "POST /v1/admin/lost/close",
        "POST /v1/admin/keys",
        "POST /v1/admin/keys/{access_key}/revoke",
        "POST /v1/admin/members/{id}/remove",
        "POST /v1/admin/units",
        "POST /v1/admin/units/{code}/remove",
        "POST /v1/admin/units/{code}/rename",
        "POST /v1/cluster/join",
        "POST /v1/confirmations",
        "POST /v1/packets",
        "POST /v1/packets/{id}/accept",
        "POST /v1/packets/{id}/cancel",
        "POST /v1/packets/{id}/commit",
        "POST /v1/packets/{id}/confirm",
        "POST /v1/packets/{id}/reject",
        "POST /v1/spaces/{id}",
        "PUT /v1/spaces/{id}/content",
    ];

    #[test]
    fn the_document_lists_the_routes_of_the_contract_and_no_others() {
        let documented: BTreeSet<String> = crate::openapi::operations(all().get_openapi())
            .map(|(method, path, _)| format!("{method} {path}"))
            .collect();
        assert_eq!(documented, EXPECTED.iter().map(|route| (*route).to_owned()).collect());
    }

    #[test]
    fn every_route_has_its_pattern() {
        for (_, path, _) in crate::openapi::operations(all().get_openapi()) {
            let filled =
                path.replace("{id}", "pk_1").replace("{code}", "H41").replace("{access_key}", "AK");
            assert_eq!(pattern(&filled), path);
        }
        for path in ["", "/", "/v1", "/v1/packets/a/b", "/v1/packets/a/commit/c/d/e/f"] {
            assert_eq!(pattern(path), UNMATCHED, "{path}");
        }
    }
}
