//! A node that lacks facts which nobody gives: it says so, and what it cannot know it does not answer.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use conductor::HistoryLog;
use serde_json::Value;

use crate::house::{Ask, House, until};

/// Passes over the first facts, as a snapshot does.
struct LedOver(HistoryLog);

impl consensus::FactLog for LedOver {
    fn begin(&self, size: u64) -> io::Result<()> {
        self.0.begin(size)
    }

    fn append(&self, position: u64, facts: &[Vec<u8>]) -> io::Result<()> {
        if position == 0 { self.begin(facts.len() as u64) } else { self.0.append(position, facts) }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_that_nobody_gives_are_told_to_the_operator() {
    let kept = Duration::from_millis(machine::ENDED_KEPT_MS);
    let house = House::found_with(kept, |history| Arc::new(LedOver(HistoryLog(history)))).await;
    let status = || Ask::new("GET", "/v1/admin/status").signed(&house.admin);
    let warned = |status: &Value| {
        let all = status["warnings"].as_array().expect("warnings").iter();
        let mut of = all.filter(|warning| warning["word"] == "history_missing");
        of.next().map(|warning| warning["detail"].as_str().expect("a text").to_owned())
    };
    let wanted = || house.told.facts_wanted.load(Ordering::Relaxed);
    until("nobody has given them for some time", async || wanted() > 0).await;
    let said = house.ask(status()).await.ok(200);
    assert_eq!(warned(&said), Some(format!("node 1: {}", wanted())));
    assert_eq!(said["nodes"][0]["facts_wanted"], wanted());
    assert_eq!(said["health"], "degraded");
    let source = house.party("H41.02", &["send"]).await;
    let unknown = format!("/v1/packets/{}", crate::PACKET);
    // Nothing has left the state, so the state alone knows that there is no such packet.
    house.ask(Ask::new("GET", unknown).signed(&source)).await.problem(404, "packet_unknown");
}
