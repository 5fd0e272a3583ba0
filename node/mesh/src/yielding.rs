//! A congestion controller that yields: bulk that fills no queue of the line.
//!
//! The usual controllers send until something is lost, and so fill the queue before a narrow line; what
//! the nodes agree on then waits behind contents, for the third of a second that such a queue holds, or is
//! lost with them. This one is the usual one below a ceiling. Where packets come back later than an empty
//! line would bring them, the ceiling falls to what the line carries in a short time, as measured; it rises
//! again while they come back soon. So a bulk connection takes what is left of a line, and small messages
//! beside it find it nearly empty.
//!
//! What a line carried a while ago says little of what it carries now. So the ceiling is low at the
//! beginning and after a rest, and doubles with each round trip that is full and quick: a wide line has it
//! at its highest after some milliseconds.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn_proto::RttEstimator;

/// What bulk may add to the round trip of a line: heartbeats wait 140 ms for their answers.
const QUEUE_MAX: Duration = Duration::from_millis(50);
/// How long the line is looked at before its queue is judged: as long as such a queue needs to grow.
const LOOK_MAX: Duration = Duration::from_millis(50);
/// What is on its way at the least: 65 ms of a line of 8 Mbit/s. A machine that is so busy that it looks
/// like a narrow line still carries a mebibyte a second.
const CEILING_MIN: u64 = 64 * 1024;
/// The ceiling at the beginning and after a rest: 130 ms of a line of 8 Mbit/s, so that even two connections
/// that begin at once lose nothing in the ordinary queue before one (300 ms).
const CEILING_FIRST: u64 = 128 * 1024;
/// The ceiling at the most: more is never sent before it is acknowledged.
const CEILING_MAX: u64 = crate::transport::SEND_WINDOW;
/// After so long in which no window held the connection back, what was learnt of the line is forgotten.
const RESTED_AFTER: Duration = Duration::from_millis(250);

/// Makes yielding controllers.
#[derive(Debug, Default)]
pub(crate) struct YieldingConfig(Arc<CubicConfig>);

impl ControllerFactory for YieldingConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let usual = self.0.clone().build(now, current_mtu);
        Box::new(Yielding { usual, ceiling: Ceiling::begin(now) })
    }
}

struct Yielding {
    usual: Box<dyn Controller>,
    ceiling: Ceiling,
}

/// Octets that may be on their way, whatever the usual controller says.
#[derive(Debug, Clone, Copy)]
struct Ceiling {
    octets: u64,
    /// When the last packet was acknowledged that a window had held back.
    held_back_at: Instant,
    /// The quickest round trip since the last rest: that of an empty line. A line that has changed its way since is
    /// learnt anew with the next rest.
    empty: Duration,
    /// Octets that came through quickly under the present ceiling, while it was what held them back.
    carried: u64,
    look: Option<Look>,
}

/// The acknowledgements of one short interval, judged by the quickest packet: a queue delays every one, a
/// processor that is busy only some.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// When the first one came, whose octets belong to the time before.
    began_at: Instant,
    last_at: Instant,
    quickest: Duration,
    delivered: u64,
    /// Whether a window held any of it back. What an application sends now and then fills no queue.
    is_full: bool,
}

/// A packet that was acknowledged.
#[derive(Debug, Clone, Copy)]
struct Acked {
    sent: Instant,
    octets: u64,
    /// Whether there was nothing more to send, so that no window held it back.
    app_limited: bool,
}

impl Look {
    const fn begin(now: Instant) -> Self {
        let (quickest, delivered) = (Duration::MAX, 0);
        Self { began_at: now, last_at: now, quickest, delivered, is_full: false }
    }

    /// Octets that a line which carries so many in this time carries in that span.
    fn carries_in(&self, span: Duration) -> u64 {
        let seen = self.last_at.saturating_duration_since(self.began_at).as_micros().max(1);
        let octets = u128::from(self.delivered) * span.as_micros() / seen;
        u64::try_from(octets).unwrap_or(u64::MAX)
    }
}

impl Ceiling {
    const fn begin(now: Instant) -> Self {
        let (octets, empty) = (CEILING_FIRST, Duration::MAX);
        Self { octets, held_back_at: now, empty, carried: 0, look: None }
    }

    fn set(&mut self, octets: u64) {
        (self.octets, self.carried) = (octets, 0);
    }

    fn on_sent(&mut self, now: Instant) {
        if now.saturating_duration_since(self.held_back_at) > RESTED_AFTER {
            let held_back_at = self.held_back_at;
            *self = Self { held_back_at, ..Self::begin(now) };
        }
    }

    /// `window`: what may be on its way now, which is the ceiling or less.
    fn on_ack(&mut self, now: Instant, acked: Acked, window: u64) {
        let took = now.saturating_duration_since(acked.sent);
        self.empty = self.empty.min(took);
        // A pause is not measured with what comes after it.
        let goes_on = |look: &Look| now.saturating_duration_since(look.last_at) < LOOK_MAX;
        let mut look = match self.look.filter(goes_on) {
            Some(look) => Look { delivered: look.delivered.saturating_add(acked.octets), ..look },
            None => Look::begin(now),
        };
        (look.last_at, look.quickest) = (now, look.quickest.min(took));
        let late = look.quickest.saturating_sub(self.empty);
        if !acked.app_limited {
            (self.held_back_at, look.is_full) = (now, true);
            if late <= QUEUE_MAX / 2 && window >= self.octets {
                self.carried = self.carried.saturating_add(acked.octets);
            }
        }
        // A whole window came through: what was sent first says nothing of those that waited behind it.
        if self.carried >= self.octets {
            self.set(self.octets.saturating_mul(2).min(CEILING_MAX));
        }
        if now.saturating_duration_since(look.began_at) < LOOK_MAX {
            self.look = Some(look);
            return;
        }
        self.look = None;
        if late > QUEUE_MAX / 2 {
            self.carried = 0;
        }
        if late > QUEUE_MAX && look.is_full {
            let fits = look.carries_in(self.empty.saturating_add(QUEUE_MAX));
            self.set(fits.min(window).max(CEILING_MIN));
        }
    }
}

impl Controller for Yielding {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.usual.on_sent(now, bytes, last_packet_number);
        self.ceiling.on_sent(now);
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
        let window = self.window();
        self.ceiling.on_ack(now, Acked { sent, octets: bytes, app_limited }, window);
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
        self.usual.window().min(self.ceiling.octets)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        let usual = self.usual.clone_box();
        Box::new(Self { usual, ceiling: self.ceiling })
    }

    fn initial_window(&self) -> u64 {
        self.usual.initial_window().min(self.ceiling.octets)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Octets of a packet.
    const PACKET: u64 = 1_400;
    /// Round trip of an empty line inside a town.
    const EMPTY: Duration = Duration::from_micros(100);
    /// Of one between provinces.
    const FAR: Duration = Duration::from_millis(100);

    /// A line with a queue before it, and a sender with always more to send, below a ceiling and nothing else.
    struct Line {
        octets_a_second: u64,
        empty: Duration,
        queue_max: Duration,
        /// When what is queued has left.
        free_at: Instant,
        /// Packets on their way: when they were sent, and when their acknowledgement is here.
        flying: VecDeque<(Instant, Instant)>,
        lost: u64,
        longest: Duration,
        delivered: u64,
    }

    impl Line {
        fn new(now: Instant, octets_a_second: u64, empty: Duration) -> Self {
            let queue_max = Duration::from_millis(300);
            let (flying, longest) = (VecDeque::new(), Duration::ZERO);
            let (free_at, lost, delivered) = (now, 0, 0);
            Self { octets_a_second, empty, queue_max, free_at, flying, lost, longest, delivered }
        }

        fn send(&mut self, now: Instant) {
            let waits = self.free_at.saturating_duration_since(now);
            if waits > self.queue_max {
                self.lost += 1;
                return;
            }
            self.longest = self.longest.max(waits);
            let takes = Duration::from_nanos(PACKET * 1_000_000_000 / self.octets_a_second);
            self.free_at = now.max(self.free_at) + takes;
            self.flying.push_back((now, self.free_at + self.empty));
        }

        /// Sends for so long; the moment after it.
        fn carry(&mut self, ceiling: &mut Ceiling, from: Instant, time: Duration) -> Instant {
            let mut now = from;
            while now < from + time {
                while (self.flying.len() as u64 + 1) * PACKET <= ceiling.octets {
                    ceiling.on_sent(now);
                    self.send(now);
                    if self.lost > 0 {
                        return now;
                    }
                }
                let (sent, back_at) = self.flying.pop_front().expect("a ceiling above a packet");
                now = now.max(back_at);
                self.delivered += PACKET;
                ack(ceiling, now, sent);
            }
            now
        }
    }

    fn ack(ceiling: &mut Ceiling, now: Instant, sent: Instant) {
        let acked = Acked { sent, octets: PACKET, app_limited: false };
        ceiling.on_ack(now, acked, ceiling.octets);
    }

    #[test]
    fn a_wide_line_is_filled_after_some_round_trips() {
        let now = Instant::now();
        let mut ceiling = Ceiling::begin(now);
        let mut line = Line::new(now, 1 << 30, EMPTY);
        line.carry(&mut ceiling, now, Duration::from_millis(20));
        assert_eq!((ceiling.octets, line.lost), (CEILING_MAX, 0));
    }

    #[test]
    fn a_narrow_line_loses_nothing_and_its_queue_becomes_short() {
        let now = Instant::now();
        let mut ceiling = Ceiling::begin(now);
        let mut line = Line::new(now, 1_000_000, EMPTY);
        let later = line.carry(&mut ceiling, now, Duration::from_millis(700));
        line.longest = Duration::ZERO;
        line.carry(&mut ceiling, later, Duration::from_secs(5));
        assert_eq!(line.lost, 0, "{ceiling:?}");
        assert!(line.longest < Duration::from_millis(80), "{:?}", line.longest);
    }

    #[test]
    fn a_far_line_is_used_well_and_its_queue_stays_short() {
        let now = Instant::now();
        let mut ceiling = Ceiling::begin(now);
        let rate = 12_500_000;
        let mut line = Line::new(now, rate, FAR);
        let later = line.carry(&mut ceiling, now, Duration::from_secs(3));
        (line.longest, line.delivered) = (Duration::ZERO, 0);
        line.carry(&mut ceiling, later, Duration::from_secs(20));
        assert_eq!(line.lost, 0, "{ceiling:?}");
        assert!(line.delivered > 20 * rate * 9 / 10, "{} of {}", line.delivered, 20 * rate);
        assert!(line.longest < Duration::from_millis(150), "{:?}", line.longest);
    }

    #[test]
    fn a_line_that_became_narrow_while_it_rested_loses_nothing() {
        let now = Instant::now();
        let mut ceiling = Ceiling::begin(now);
        let mut line = Line::new(now, 1 << 30, EMPTY);
        let later = line.carry(&mut ceiling, now, Duration::from_secs(1));
        assert_eq!(ceiling.octets, CEILING_MAX);
        let later = later + RESTED_AFTER + Duration::from_millis(1);
        let mut narrow = Line::new(later, 1_000_000, EMPTY);
        narrow.carry(&mut ceiling, later, Duration::from_secs(5));
        assert_eq!((narrow.lost, ceiling.octets), (0, CEILING_MIN));
    }

    #[test]
    fn a_line_that_became_longer_is_learnt_anew_after_a_rest() {
        let now = Instant::now();
        let mut ceiling = Ceiling::begin(now);
        let mut line = Line::new(now, 12_500_000, Duration::from_millis(5));
        let later = line.carry(&mut ceiling, now, Duration::from_secs(1));
        let mut longer = Line::new(later, 12_500_000, FAR);
        let later = longer.carry(&mut ceiling, later, Duration::from_secs(2));
        assert_eq!(ceiling.octets, CEILING_MIN, "it is taken for a queue");
        let later = later + RESTED_AFTER + Duration::from_millis(1);
        let mut longer = Line::new(later, 12_500_000, FAR);
        longer.carry(&mut ceiling, later, Duration::from_secs(3));
        assert!(ceiling.octets > 8 * CEILING_MIN, "{ceiling:?}");
    }

    #[test]
    fn what_is_sent_now_and_then_lowers_nothing() {
        let start = Instant::now();
        let mut ceiling = Ceiling::begin(start);
        for second in 0..20 {
            let sent = start + Duration::from_secs(second);
            ceiling.on_sent(sent);
            let took = if second == 0 { EMPTY } else { FAR };
            for ms in [0, 30, 60] {
                let acked = Acked { sent, octets: PACKET, app_limited: true };
                ceiling.on_ack(sent + took + Duration::from_millis(ms), acked, ceiling.octets);
            }
        }
        assert_eq!(ceiling.octets, CEILING_FIRST);
    }

    #[test]
    fn a_processor_that_pauses_lowers_nothing_on_a_wide_line() {
        let start = Instant::now();
        let mut ceiling = Ceiling { octets: CEILING_MAX, ..Ceiling::begin(start) };
        ack(&mut ceiling, start + EMPTY, start);
        // All that was on its way comes back late, and at once; what is sent then comes back soon.
        let late = start + Duration::from_millis(200);
        for _ in 0..CEILING_MAX / PACKET {
            ack(&mut ceiling, late, start);
        }
        for ms in 1..200 {
            let now = late + Duration::from_millis(ms);
            ack(&mut ceiling, now, now - Duration::from_millis(1));
        }
        assert_eq!(ceiling.octets, CEILING_MAX);
    }
}
