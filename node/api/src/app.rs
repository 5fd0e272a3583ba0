//! What every handler has at hand.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Instant,
};

use axum::http::HeaderValue;
use conductor::Exchange;
use model::UnitCode;
use tokio::sync::watch;

use crate::{
    limits::Reached, metrics::Metrics, routes::Route, settings::Settings, shares::Shares,
    slots::Slots, streams::Streams, turns::Turns,
};

/// What every handler has at hand. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) exchange: Exchange,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    /// Who is worked on next.
    pub(crate) turns: Arc<Turns>,
    /// Places for streams of events.
    pub(crate) streams: Arc<Streams>,
    /// How often limits were reached.
    pub(crate) reached: Arc<Reached>,
    /// Places for connections.
    pub(crate) slots: Arc<Slots>,
    /// What callers and strangers may hold beside connections.
    pub(crate) shares: Shares,
    /// The OpenAPI document, rendered once.
    pub(crate) openapi: OnceLock<bytes::Bytes>,
    /// Set when the server drains: streams of events end.
    pub(crate) draining: watch::Sender<bool>,
}

impl App {
    pub(crate) fn new(exchange: Exchange, settings: Settings) -> Self {
        let reached = Arc::<Reached>::default();
        Self(Arc::new(Parts {
            exchange,
            slots: Slots::new(settings.limits.clone(), reached.clone()),
            shares: Shares::new(&settings, reached.clone()),
            turns: Turns::new(reached.clone()),
            streams: Streams::new(reached.clone()),
            reached,
            settings,
            metrics: Metrics::default(),
            openapi: OnceLock::new(),
            draining: watch::Sender::new(false),
        }))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What the front and a handler tell each other about a request.
pub(crate) struct Notes {
    /// When its head was here.
    pub(crate) begun: Instant,
    /// What was called; none where no route is.
    pub(crate) route: Option<&'static Route>,
    /// Whose request it was.
    pub(crate) unit: OnceLock<UnitCode>,
    /// Whether it was signed by the legacy profile.
    pub(crate) legacy: AtomicBool,
    /// What is left to its application, as `RateLimit` says it.
    pub(crate) rate: OnceLock<HeaderValue>,
    /// When the cluster had answered, where it was a packet in one round.
    pub(crate) answered_at: OnceLock<Instant>,
}

impl Notes {
    /// Of a request that came then.
    pub(crate) fn of(route: Option<&'static Route>, begun: Instant) -> Self {
        Self {
            begun,
            route,
            unit: OnceLock::new(),
            legacy: AtomicBool::new(false),
            rate: OnceLock::new(),
            answered_at: OnceLock::new(),
        }
    }
}
