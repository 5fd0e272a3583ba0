//! What every handler has at hand.

use std::sync::{Arc, OnceLock, atomic::AtomicBool};

use delivery::Exchange;
use model::UnitCode;
use tokio::sync::{Semaphore, watch};

use crate::{
    metrics::Metrics,
    settings::{BUFFERED_STRANGERS_MAX, STREAMS_OF_EVENTS_MAX, Settings},
};

/// What every handler has at hand. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) exchange: Exchange,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    /// One permit a stream of events.
    pub(crate) streams: Arc<Semaphore>,
    /// A permit for each KiB of the bodies that are collected.
    pub(crate) buffers: Arc<Semaphore>,
    /// The same for strangers.
    pub(crate) strangers_buffers: Arc<Semaphore>,
    /// The OpenAPI document, rendered once.
    pub(crate) openapi: OnceLock<bytes::Bytes>,
    /// Set when the server drains: streams of events end.
    pub(crate) draining: watch::Sender<bool>,
}

impl App {
    pub(crate) fn new(exchange: Exchange, settings: Settings) -> Self {
        Self(Arc::new(Parts {
            exchange,
            buffers: Arc::new(Semaphore::new(settings.buffered_max / 1024)),
            strangers_buffers: Arc::new(Semaphore::new(BUFFERED_STRANGERS_MAX / 1024)),
            settings,
            metrics: Metrics::default(),
            streams: Arc::new(Semaphore::new(STREAMS_OF_EVENTS_MAX)),
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

/// What a handler tells the front about its request.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Whose request it was.
    pub(crate) unit: OnceLock<UnitCode>,
    /// Whether it was signed by the legacy profile.
    pub(crate) legacy: AtomicBool,
}
