//! A congestion controller that yields: bulk that fills no queue of the line.
//!
//! The usual controllers send until something is lost, and so fill the queue before a narrow line; what
//! the nodes agree on then waits behind contents, for the third of a second that such a queue holds. This
//! one is the usual one below a ceiling: the ceiling falls when packets come back later than an empty
//! line would bring them, and rises again while they do not. So a bulk connection takes what is left
//! of a line, and small messages beside it find it nearly empty.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn_proto::RttEstimator;

/// What bulk may add to the round trip of a line: heartbeats wait 140 ms for their answers.
const QUEUE_MAX: Duration = Duration::from_millis(50);
/// What is on its way at the least: 65 ms of a line of 8 Mbit/s. A machine that is so busy that it looks
/// like a narrow line still carries a mebibyte a second.
const CEILING_MIN: u64 = 64 * 1024;
/// The ceiling at the beginning and at the most: more is never sent before it is acknowledged.
const CEILING_MAX: u64 = crate::transport::SEND_WINDOW;

/// Makes yielding controllers.
#[derive(Debug, Default)]
pub(crate) struct YieldingConfig(Arc<CubicConfig>);

impl ControllerFactory for YieldingConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let usual = self.0.clone().build(now, current_mtu);
        Box::new(Yielding { usual, ceiling: CEILING_MAX, round: Round::begin(now) })
    }
}

struct Yielding {
    usual: Box<dyn Controller>,
    ceiling: u64,
    round: Round,
}

/// A round trip of the connection, judged by its quickest packet: a queue delays every one, a processor
/// that is busy only some.
#[derive(Clone, Copy)]
struct Round {
    began_at: Instant,
    quickest: Duration,
}

impl Round {
    const fn begin(now: Instant) -> Self {
        Self { began_at: now, quickest: Duration::MAX }
    }
}

impl Controller for Yielding {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.usual.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.usual.on_ack(now, sent, bytes, app_limited, rtt);
        if sent < self.round.began_at {
            self.round.quickest = self.round.quickest.min(now.saturating_duration_since(sent));
            return;
        }
        // The first packet of the present round has come back: the one before is over.
        let quickest = std::mem::replace(&mut self.round, Round::begin(now)).quickest;
        let Some(queued) = quickest.checked_sub(rtt.min()) else { return };
        if quickest == Duration::MAX {
            return;
        }
        if queued <= QUEUE_MAX / 2 {
            self.ceiling = self.ceiling.saturating_mul(2).min(CEILING_MAX);
        } else if queued > QUEUE_MAX {
            let present = self.window();
            let fits = present as f64 * QUEUE_MAX.as_secs_f64() / queued.as_secs_f64();
            self.ceiling = (fits as u64).max(present / 2).max(CEILING_MIN);
        }
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.usual.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.usual.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.usual.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.usual.window().min(self.ceiling)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        let usual = self.usual.clone_box();
        Box::new(Self { usual, ceiling: self.ceiling, round: self.round })
    }

    fn initial_window(&self) -> u64 {
        self.usual.initial_window().min(self.ceiling)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
