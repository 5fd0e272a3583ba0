//! Counts for `/metrics`, rendered in Prometheus' text form.
//!
//! They belong to one server, not to the process, so that several nodes in one process (tests,
//! simulation) do not mix theirs. Series are bounded: routes and words are closed lists.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use model::{Histogram, Stage};
use parking_lot::Mutex;

use crate::{
    limits::{Limit, Reached},
    settings::Gauge,
};

/// Upper bounds of the latency buckets in microseconds.
const BUCKETS_US: [u64; 13] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];

/// The counts of one server.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, &'static str, u16), u64>>,
    latencies: Mutex<BTreeMap<&'static str, Latency>>,
    problems: Mutex<BTreeMap<&'static str, u64>>,
    received: AtomicU64,
    sent: AtomicU64,
    connections: Arc<AtomicI64>,
    streams: Arc<AtomicI64>,
    /// The stages of a packet's path that this crate walks.
    pub(crate) path: Path,
}

/// How long a packet takes from stage to stage, at the edge. The others come from the conductor.
///
/// Head, body, the conductor's `prepare` and `propose`, and answer make up the whole request of a packet that is sent
/// in one round; what follows them is of packets that are picked up.
#[derive(Default)]
pub(crate) struct Path {
    /// From the request's head until its signature is checked.
    pub(crate) head: Histogram,
    /// Until the body is here, its digest is compared and its parts are read.
    pub(crate) body: Histogram,
    /// From the cluster's answer to the answer of the request.
    pub(crate) answer: Histogram,
    /// A target says that it is ready: from the request's head to the cluster's answer.
    pub(crate) accept: Histogram,
    /// From when a content is asked of the store until its last octet is handed out.
    pub(crate) content: Histogram,
    /// A target confirms: from the request's head to the cluster's answer.
    pub(crate) confirm: Histogram,
}

impl Path {
    fn stages(&self) -> [Stage; 6] {
        [
            self.head.stage("head"),
            self.body.stage("body"),
            self.answer.stage("answer"),
            self.accept.stage("accept"),
            self.content.stage("content"),
            self.confirm.stage("confirm"),
        ]
    }
}

#[derive(Default)]
struct Latency {
    buckets: [u64; BUCKETS_US.len()],
    count: u64,
    sum_us: u64,
}

/// Counts one connection or stream until it is dropped.
pub(crate) struct Counted(Arc<AtomicI64>);

impl Counted {
    fn new(count: &Arc<AtomicI64>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    /// A request was answered.
    pub(crate) fn answered(
        &self,
        method: &'static str,
        route: &'static str,
        status: u16,
        took: Duration,
    ) {
        *self.requests.lock().entry((route, method, status)).or_default() += 1;
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut latencies = self.latencies.lock();
        let latency = latencies.entry(route).or_default();
        latency.count += 1;
        latency.sum_us = latency.sum_us.saturating_add(us);
        if let Some(bucket) = BUCKETS_US.iter().position(|bound| us <= *bound) {
            latency.buckets[bucket] += 1;
        }
    }

    /// A problem was answered.
    pub(crate) fn refused(&self, word: &'static str) {
        *self.problems.lock().entry(word).or_default() += 1;
    }

    /// Octets of bodies came in.
    pub(crate) fn received(&self, octets: u64) {
        self.received.fetch_add(octets, Relaxed);
    }

    /// Octets of bodies went out.
    pub(crate) fn sent(&self, octets: u64) {
        self.sent.fetch_add(octets, Relaxed);
    }

    /// A connection is open.
    pub(crate) fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// A stream of events is open.
    pub(crate) fn stream(&self) -> Counted {
        Counted::new(&self.streams)
    }

    /// Everything, with the limits that were reached, and the stages and gauges of the other parts of the node.
    pub(crate) fn render(&self, reached: &Reached, stages: &[Stage], gauges: &[Gauge]) -> String {
        let mut text = String::with_capacity(32 * 1024);
        self.render_requests(&mut text);
        self.render_latencies(&mut text);
        self.render_stages(&mut text, stages);
        head(&mut text, "lgsp_http_problems_total", "Problems answered, by word.", "counter");
        for (word, count) in self.problems.lock().iter() {
            line(&mut text, format_args!("lgsp_http_problems_total{{word=\"{word}\"}} {count}"));
        }
        let own = [
            (
                "lgsp_http_received_bytes_total",
                "Octets of bodies received.",
                true,
                self.received.load(Relaxed),
            ),
            ("lgsp_http_sent_bytes_total", "Octets of bodies sent.", true, self.sent.load(Relaxed)),
            ("lgsp_http_connections", "Open connections.", false, positive(&self.connections)),
            ("lgsp_event_streams", "Open streams of events.", false, positive(&self.streams)),
        ];
        for (name, help, counter, value) in own {
            single(&mut text, &Gauge { name, help, value, counter });
        }
        const REACHED: &str = "lgsp_limit_reached_total";
        head(&mut text, REACHED, "Times that a limit was reached, by limit.", "counter");
        for limit in Limit::ALL {
            let (word, count) = (limit.as_str(), reached.of(*limit));
            line(&mut text, format_args!("{REACHED}{{limit=\"{word}\"}} {count}"));
        }
        for gauge in gauges {
            single(&mut text, gauge);
        }
        text
    }

    fn render_requests(&self, text: &mut String) {
        head(
            text,
            "lgsp_http_requests_total",
            "Requests answered, by route, method and status.",
            "counter",
        );
        for ((route, method, status), count) in self.requests.lock().iter() {
            line(
                text,
                format_args!(
                    "lgsp_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {count}"
                ),
            );
        }
    }

    fn render_latencies(&self, text: &mut String) {
        const NAME: &str = "lgsp_http_request_duration_seconds";
        head(text, NAME, "Time from a request's head to its answer's head.", "histogram");
        for (route, latency) in self.latencies.lock().iter() {
            let buckets =
                BUCKETS_US.iter().zip(latency.buckets).scan(0, |below, (bound, count)| {
                    *below += count;
                    Some((*bound, *below))
                });
            histogram(text, NAME, ("route", route), buckets, (latency.count, latency.sum_us));
        }
    }

    fn render_stages(&self, text: &mut String, others: &[Stage]) {
        const NAME: &str = "lgsp_packet_stage_duration_seconds";
        head(text, NAME, "Time that a packet takes, by stage of its path.", "histogram");
        for Stage { name, spans } in self.path.stages().iter().chain(others) {
            let total = (spans.total(), spans.sum_us);
            histogram(text, NAME, ("stage", name), spans.up_to(), total);
        }
    }
}

/// One series of a histogram: bounds in microseconds with how many were not longer; how many in all, and their sum.
fn histogram(
    text: &mut String,
    name: &str,
    (label, word): (&str, &str),
    buckets: impl Iterator<Item = (u64, u64)>,
    (count, sum_us): (u64, u64),
) {
    for (bound, below) in buckets {
        let bound = seconds(bound);
        line(text, format_args!("{name}_bucket{{{label}=\"{word}\",le=\"{bound}\"}} {below}"));
    }
    line(text, format_args!("{name}_bucket{{{label}=\"{word}\",le=\"+Inf\"}} {count}"));
    line(text, format_args!("{name}_sum{{{label}=\"{word}\"}} {}", seconds(sum_us)));
    line(text, format_args!("{name}_count{{{label}=\"{word}\"}} {count}"));
}

fn positive(count: &AtomicI64) -> u64 {
    u64::try_from(count.load(Relaxed)).unwrap_or(0)
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    line(text, format_args!("# HELP {name} {help}"));
    line(text, format_args!("# TYPE {name} {kind}"));
}

fn single(text: &mut String, gauge: &Gauge) {
    head(text, gauge.name, gauge.help, if gauge.counter { "counter" } else { "gauge" });
    line(text, format_args!("{} {}", gauge.name, gauge.value));
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line)
        .and_then(|()| text.write_char('\n'))
        .expect("a string takes every character");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_rendered() {
        let metrics = Metrics::default();
        metrics.answered("GET", "/v1/units", 200, Duration::from_millis(3));
        metrics.answered("GET", "/v1/units", 200, Duration::from_secs(60));
        metrics.refused("unit_unknown");
        let reached = Reached::default();
        reached.count(Limit::Requests);
        let stream = metrics.stream();
        let gauge = Gauge { name: "lgsp_raft_term", help: "The term.", value: 7, counter: false };
        metrics.path.head.count(Duration::from_micros(20));
        metrics.path.head.count(Duration::from_secs(60));
        let other = Histogram::default();
        other.count(Duration::from_millis(1));
        let text = metrics.render(&reached, &[other.stage("apply")], std::slice::from_ref(&gauge));
        for expected in [
            "lgsp_http_requests_total{route=\"/v1/units\",method=\"GET\",status=\"200\"} 2",
            "lgsp_http_request_duration_seconds_bucket{route=\"/v1/units\",le=\"0.002500\"} 0",
            "lgsp_http_request_duration_seconds_bucket{route=\"/v1/units\",le=\"0.005000\"} 1",
            "lgsp_http_request_duration_seconds_bucket{route=\"/v1/units\",le=\"+Inf\"} 2",
            "# TYPE lgsp_packet_stage_duration_seconds histogram",
            "lgsp_packet_stage_duration_seconds_bucket{stage=\"head\",le=\"0.000016\"} 0",
            "lgsp_packet_stage_duration_seconds_bucket{stage=\"head\",le=\"0.000032\"} 1",
            "lgsp_packet_stage_duration_seconds_bucket{stage=\"head\",le=\"8.388608\"} 1",
            "lgsp_packet_stage_duration_seconds_bucket{stage=\"head\",le=\"+Inf\"} 2",
            "lgsp_packet_stage_duration_seconds_sum{stage=\"head\"} 60.000020",
            "lgsp_packet_stage_duration_seconds_count{stage=\"head\"} 2",
            "lgsp_packet_stage_duration_seconds_count{stage=\"apply\"} 1",
            "lgsp_http_problems_total{word=\"unit_unknown\"} 1",
            "lgsp_event_streams 1",
            "lgsp_limit_reached_total{limit=\"requests\"} 1",
            "# TYPE lgsp_raft_term gauge\nlgsp_raft_term 7",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        drop(stream);
        assert!(metrics.render(&reached, &[], &[]).contains("lgsp_event_streams 0"));
    }
}
