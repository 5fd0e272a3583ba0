//! HTTPS for applications and people: routes, signatures at the door, problems, events, the document.
//!
//! It decides nothing: what a request asks goes to [`conductor::Exchange`], and what comes back is put
//! into words. [`serve`] runs it on sockets, [`router`] without any.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::let_underscore_must_use,
        reason = "a test that fails says enough"
    )
)]

mod activity;
mod answer;
mod app;
mod bucket;
mod cloud_event;
mod dto;
mod front;
mod header;
mod json;
mod lang;
mod limits;
mod linger;
mod metrics;
mod multipart;
mod names;
mod openapi;
mod problem;
mod query;
mod range;
mod routes;
mod server;
mod settings;
mod shares;
mod signed;
mod slots;
mod sse;
mod streams;
mod texts;
mod trace;
mod turns;
mod tus;

use conductor::Exchange;

pub use limits::{
    CONNECTIONS_AN_ADDRESS_DEFAULT, CONNECTIONS_MAX_DEFAULT, Limits, REQUESTS_A_SECOND_DEFAULT,
};
pub use server::{Options, Server, serve};
pub use settings::{
    BUFFERED_MAX_DEFAULT, BUFFERED_STRANGERS_MAX, CONTENT_MAX_DEFAULT, Gauge, PAGE_MAX, Settings,
};
pub use sse::COMMENT_EVERY;
pub use texts::reason_vi;

/// The whole API as a router, for those who bring their own connections (tests, simulation).
pub fn router(exchange: Exchange, settings: Settings) -> axum::Router {
    axum::Router::new().fallback_service(front::Front::new(app::App::new(exchange, settings)))
}

/// The OpenAPI 3.1 document as JSON, as `/openapi.json` gives it.
pub fn openapi_json() -> bytes::Bytes {
    openapi::rendered()
}

/// Every route of the document: method, path pattern, and whether it asks for a signature or token.
pub fn documented_routes() -> Vec<(&'static str, String, bool)> {
    openapi::operations(routes::all().get_openapi()).collect()
}
