//! The table of routes: which there are, who may call each, and what else holds for it.
//!
//! The router, the security of the OpenAPI document, the labels of logs and counts, and what a node answers
//! without a majority are made from it. What a route is for and what it answers stands at its handler.
//!
//! Nobody asks for a signature by hand. A handler is given what its caller has shown, and the table does not
//! compile where it says another access than the handler's: see [`Shown`].

use std::sync::LazyLock;

use axum::{
    extract::{Path, Request, State},
    handler::Handler,
};
use model::Grant;
use utoipa::openapi::security::SecurityRequirement;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

use super::{admin, authority, events, history, lost, open, packets, pickup, spaces, units};
use crate::{
    app::App,
    multipart, openapi,
    problem::Problem,
    settings::{JSON_BULK_MAX, JSON_MAX},
    signed::Signed,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody. What it says is no secret, or the body itself is the proof.
    Open,
    /// An application, by its signature.
    Signed,
    /// Who holds the token of the space, or the source by its signature.
    Space,
    /// A target that has accepted the packet, by its signature or by the token that it was given.
    Download,
}

impl Access {
    /// As the document says it: any one of these will do, and a signature that of an application with the grant.
    fn security(self, grants: &[Grant]) -> Vec<SecurityRequirement> {
        let schemes: &[&str] = match self {
            Self::Open => &[],
            Self::Signed => &[SIGNATURE],
            Self::Space => &["space-token", SIGNATURE],
            Self::Download => &[SIGNATURE, "download-token"],
        };
        let none: [&str; 0] = [];
        let said = schemes.iter().flat_map(|scheme| match *scheme {
            // A token was given to who has the grant, and is worth nothing once they have it no more.
            SIGNATURE if !grants.is_empty() => grants
                .iter()
                .map(|grant| SecurityRequirement::new(SIGNATURE, [grant.as_str()]))
                .collect(),
            scheme => vec![SecurityRequirement::new(scheme, none)],
        });
        said.collect()
    }
}

/// How the document calls the signature of an application.
const SIGNATURE: &str = "lgsp-v1";

/// What a handler is given last: it says who can have called.
trait Shown {
    const ACCESS: Access;
}

impl Shown for Signed {
    const ACCESS: Access = Access::Signed;
}

/// For who answers a refusal in a form of its own.
impl Shown for Result<Signed, Problem> {
    const ACCESS: Access = Access::Signed;
}

impl Shown for spaces::Visitor {
    const ACCESS: Access = Access::Space;
}

impl Shown for pickup::Fetcher {
    const ACCESS: Access = Access::Download;
}

impl Shown for Request {
    const ACCESS: Access = Access::Open;
}

impl Shown for State<App> {
    const ACCESS: Access = Access::Open;
}

impl Shown for Path<String> {
    const ACCESS: Access = Access::Open;
}

/// All that a handler is given, as axum has it: a mark of its own, then the arguments.
trait Given {
    const ACCESS: Access;
}

impl Given for ((),) {
    const ACCESS: Access = Access::Open;
}

impl<M, L: Shown> Given for (M, L) {
    const ACCESS: Access = L::ACCESS;
}

impl<M, A, L: Shown> Given for (M, A, L) {
    const ACCESS: Access = L::ACCESS;
}

impl<M, A, B, L: Shown> Given for (M, A, B, L) {
    const ACCESS: Access = L::ACCESS;
}

/// The access that the table says, if the handler's is the same.
const fn agreed<H: Handler<G, App>, G: Given>(said: Access, _: &H) -> Access {
    assert!(said as u8 == G::ACCESS as u8, "the handler is called by others than the table says");
    said
}

/// One route.
pub(crate) struct Route {
    /// The method, in capitals.
    pub(crate) method: &'static str,
    /// The pattern of its paths: a segment in braces is anything but nothing.
    pub(crate) path: &'static str,
    /// Who may call it.
    pub(crate) access: Access,
    /// The application must have one of these grants; all may call it where there is none. The conductor and the
    /// machine ask for them, after the body was read; a test of the doors holds them against this.
    pub(crate) grants: &'static [Grant],
    /// The longest body that is collected before anything is done. What goes into a space streams, and has a limit
    /// of its own.
    pub(crate) body_max: usize,
    /// Whether a node that is cut off from the majority answers it, by what it knows.
    pub(crate) without_majority: bool,
    /// The handler, with what it says of itself.
    handler: fn() -> UtoipaMethodRouter<App>,
}

macro_rules! route {
    ($method:ident $path:literal, $access:ident$(: $($grant:ident)+)?, $($handler:ident)::+) => {
        Route {
            method: stringify!($method),
            path: $path,
            access: agreed(Access::$access, &$($handler)::+),
            grants: &[$($(Grant::$grant),+)?],
            body_max: JSON_MAX,
            without_majority: false,
            handler: || routes!($($handler)::+),
        }
    };
}

/// Every route of the API.
pub(crate) static ROUTES: &[Route] = &[
    Route {
        body_max: multipart::BODY_MAX,
        ..route!(POST "/v1/packets", Signed: Send, packets::open)
    },
    route!(GET "/v1/packets", Signed: Send, packets::sent),
    route!(GET "/v1/packets/{id}", Signed: Send Receive, packets::show),
    route!(GET "/v1/packets/{id}/receipts", Signed: Send Receive, history::receipts),
    route!(POST "/v1/packets/{id}/commit", Signed: Send, packets::commit),
    route!(POST "/v1/packets/{id}/cancel", Signed: Send, packets::cancel),
    route!(GET "/v1/inbox", Signed: Receive, packets::inbox),
    route!(POST "/v1/packets/{id}/accept", Signed: Receive, pickup::accept),
    route!(GET "/v1/packets/{id}/content", Download: Receive, pickup::content),
    route!(HEAD "/v1/packets/{id}/content", Download: Receive, pickup::content_head),
    route!(POST "/v1/packets/{id}/confirm", Signed: Receive, pickup::confirm),
    Route {
        body_max: JSON_BULK_MAX,
        ..route!(POST "/v1/confirmations", Signed: Receive, pickup::confirmations)
    },
    route!(POST "/v1/packets/{id}/reject", Signed: Receive, pickup::reject),
    route!(POST "/v1/spaces/{id}", Space: Send, spaces::create),
    route!(OPTIONS "/v1/spaces/{id}", Open, spaces::offer),
    route!(HEAD "/v1/spaces/{id}/content", Space: Send, spaces::status),
    route!(PATCH "/v1/spaces/{id}/content", Space: Send, spaces::patch),
    route!(PUT "/v1/spaces/{id}/content", Space: Send, spaces::put),
    route!(DELETE "/v1/spaces/{id}/content", Space: Send, spaces::terminate),
    route!(OPTIONS "/v1/spaces/{id}/content", Open, spaces::content_offer),
    route!(GET "/v1/events", Signed, events::events),
    // The plain directory goes on where a node is cut off.
    Route { without_majority: true, ..route!(GET "/v1/units", Signed, units::search) },
    route!(GET "/v1/units/{code}", Signed, units::show),
    route!(GET "/v1/nodes", Signed, units::nodes),
    Route {
        body_max: JSON_BULK_MAX,
        ..route!(POST "/v1/admin/units", Signed: Admin, admin::add_units)
    },
    route!(POST "/v1/admin/units/{code}/rename", Signed: Admin, units::rename),
    route!(POST "/v1/admin/units/{code}/remove", Signed: Admin, units::remove),
    route!(POST "/v1/admin/apps", Signed: Admin, admin::add_app),
    route!(GET "/v1/admin/apps", Signed: Admin, admin::apps),
    route!(POST "/v1/admin/keys", Signed: Admin, admin::issue_key),
    route!(GET "/v1/admin/keys", Signed: Admin, admin::keys),
    route!(POST "/v1/admin/keys/{access_key}/revoke", Signed: Admin, admin::revoke_key),
    // An operator needs it most where a node is cut off.
    Route {
        without_majority: true,
        ..route!(GET "/v1/admin/status", Signed: Admin, admin::status)
    },
    route!(POST "/v1/admin/join-tokens", Signed: Admin, admin::join_token),
    route!(GET "/v1/admin/members", Signed: Admin, admin::members),
    route!(POST "/v1/admin/members/{id}/remove", Signed: Admin, admin::remove_member),
    route!(GET "/v1/admin/lost", Signed: Admin, lost::list),
    route!(POST "/v1/admin/lost/close", Signed: Admin, lost::close),
    route!(POST "/v1/admin/cluster-key/rotate", Signed: Admin, admin::rotate_cluster_key),
    route!(POST "/v1/admin/authority/rotate", Signed: Admin, authority::rotate),
    route!(POST "/v1/admin/authority/end-older", Signed: Admin, authority::end_older),
    route!(GET "/.well-known/lgsp/authority.pem", Open, authority::certificate),
    route!(POST "/v1/cluster/join", Open, open::join),
    route!(GET "/v1/history/checkpoint", Open, history::checkpoint),
    route!(GET "/v1/history/proof", Signed, history::proof),
    route!(GET "/.well-known/jwks.json", Open, history::keys),
    route!(GET "/livez", Open, open::live),
    route!(GET "/readyz", Open, open::ready),
    route!(GET "/metrics", Open, open::metrics),
    route!(GET "/openapi.json", Open, open::openapi),
    route!(GET "/.well-known/lgsp", Open, open::well_known),
];

impl Route {
    /// Its handler and its part of the document, with what the table says of it.
    fn documented(&self) -> UtoipaMethodRouter<App> {
        let Self { method, path, .. } = *self;
        let (schemas, mut paths, router) = (self.handler)();
        let items = paths.paths.iter_mut();
        let mut operations = items.flat_map(|(path, item)| {
            openapi::slots(item)
                .into_iter()
                .filter_map(move |(method, slot)| Some(((method, path.as_str()), slot.as_mut()?)))
        });
        let (said, operation) = operations.next().expect("a handler says what it answers");
        assert_eq!(said, (method, path), "the handler says another route than the table");
        assert!(
            !self.without_majority || method == "GET",
            "{path} changes something: it needs a majority"
        );
        operation.security = Some(self.access.security(self.grants));
        drop(operations);
        (schemas, paths, router)
    }
}

/// Every route with its documentation.
pub(crate) fn all() -> OpenApiRouter<App> {
    let begun = OpenApiRouter::with_openapi(openapi::document());
    ROUTES.iter().fold(begun, |router, route| router.routes(route.documented()))
}

/// The routes that have one pattern, each of another method.
pub(crate) struct Place {
    /// The pattern: a bounded label for logs and counts.
    pub(crate) pattern: &'static str,
    segments: Vec<&'static str>,
    routes: Vec<&'static Route>,
}

impl Place {
    /// The route of a method. As the router has it, HEAD is answered by GET where it has none of its own.
    pub(crate) fn route(&self, method: &str) -> Option<&'static Route> {
        let of = |method| self.routes.iter().copied().find(|route| route.method == method);
        of(method).or_else(|| of("GET").filter(|_| method == "HEAD"))
    }

    fn is_of(&self, segments: &[&str]) -> bool {
        let is_one = |(pattern, segment): (&&str, &&str)| {
            pattern == segment || (is_any(pattern) && !segment.is_empty())
        };
        self.segments.len() == segments.len() && self.segments.iter().zip(segments).all(is_one)
    }
}

fn is_any(pattern: &str) -> bool {
    pattern.starts_with('{')
}

/// The longest pattern has so many segments, as a test checks.
const SEGMENTS_MAX: usize = 5;

static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
    let mut places: Vec<Place> = Vec::new();
    for route in ROUTES {
        match places.iter_mut().find(|place| place.pattern == route.path) {
            Some(place) => place.routes.push(route),
            None => places.push(Place {
                pattern: route.path,
                segments: route.path[1..].split('/').collect(),
                routes: vec![route],
            }),
        }
    }
    // A word comes before whatever may stand in its place, as the router has it.
    places.sort_by_key(|place| {
        place.segments.iter().map(|segment| is_any(segment)).collect::<Vec<_>>()
    });
    places
});

/// The place that a path belongs to, if it is one of ours.
pub(crate) fn place(path: &str) -> Option<&'static Place> {
    let mut segments = [""; SEGMENTS_MAX];
    let mut count = 0;
    for segment in path.strip_prefix('/')?.split('/') {
        *segments.get_mut(count)? = segment;
        count += 1;
    }
    PLACES.iter().find(|place| place.is_of(&segments[..count]))
}

/// How the patterns of spaces begin.
pub(crate) const SPACES: &str = "/v1/spaces/";
/// The label of a path that no route has.
pub(crate) const UNMATCHED: &str = "unmatched";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn named() -> BTreeSet<(&'static str, String)> {
        ROUTES.iter().map(|route| (route.method, route.path.to_owned())).collect()
    }

    #[test]
    fn the_document_has_the_routes_of_the_table_and_no_others() {
        let router = all();
        let operations = openapi::operations(router.get_openapi());
        let documented: BTreeSet<_> = operations.map(|(method, path, _)| (method, path)).collect();
        assert_eq!(documented, named());
        assert_eq!(named().len(), ROUTES.len(), "no route stands there twice");
    }

    #[test]
    fn every_path_finds_its_own_place() {
        for route in ROUTES {
            let path = route.path.replace("{id}", "pk_1").replace("{code}", "H41");
            let path = path.replace("{access_key}", "AK");
            let found = place(&path).expect("a place");
            assert_eq!(found.pattern, route.path);
            assert!(found.route(route.method).is_some_and(|found| std::ptr::eq(found, route)));
            assert!(found.segments.len() <= SEGMENTS_MAX);
        }
        for path in [
            "",
            "/",
            "/v1",
            "v1/inbox",
            "/v1/packets/",
            "/v1/packets/a/b",
            "/v1/packets/a/commit/c/d/e/f",
        ] {
            assert!(place(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_head_is_answered_where_a_get_is() {
        let units = place("/v1/units").expect("a place");
        assert!(units.route("HEAD").is_some_and(|route| route.without_majority));
        assert!(units.route("POST").is_none());
        let content = place("/v1/packets/pk_1/content").expect("a place");
        assert_eq!(content.route("HEAD").map(|route| route.method), Some("HEAD"));
    }

    /// Whatever is added here is open to everybody: it belongs into `tests/tests/strangers.rs` too.
    #[test]
    fn only_the_named_routes_are_open() {
        let open = ROUTES.iter().filter(|route| route.access == Access::Open);
        let open: BTreeSet<_> = open.map(|route| (route.method, route.path)).collect();
        let expected = [
            ("GET", "/.well-known/jwks.json"),
            ("GET", "/.well-known/lgsp"),
            ("GET", "/.well-known/lgsp/authority.pem"),
            ("GET", "/livez"),
            ("GET", "/metrics"),
            ("GET", "/openapi.json"),
            ("GET", "/readyz"),
            ("GET", "/v1/history/checkpoint"),
            ("OPTIONS", "/v1/spaces/{id}"),
            ("OPTIONS", "/v1/spaces/{id}/content"),
            ("POST", "/v1/cluster/join"),
        ];
        assert_eq!(open, expected.into());
    }
}
