//! A node that loses the majority does not keep its listeners waiting, and one that misses a leader
//! for a moment does not send them away. On virtual time.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::{
    house::{Ask, House},
    new_packet, one_round, read, text,
};

/// Longer than three elections that fail in a row, and than the node's knowledge is fresh.
const LEADERLESS: Duration = Duration::from_secs(3);
/// Within this time a listener is sent to another node.
const SENT_AWAY: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_ends_its_streams_and_polls() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let sent = house.ask(one_round(&new_packet("H41.05"), "tin").signed(&source)).await.ok(201);
    house.grow().await;

    let stream = Ask::new("GET", "/v1/events").header("accept", "text/event-stream");
    let stream = house.router.clone().oneshot(stream.signed(&source).request());
    let mut live = stream.await.expect("an answer").into_body().into_data_stream();
    assert!(read(live.next().await).contains("session.started.v1"));
    let poll = || {
        let poll = Ask::new("GET", "/v1/events?after=9&wait=30");
        house.ask(poll.header("accept", "application/cloudevents-batch+json").signed(&source))
    };

    house.cut(true);
    tokio::time::sleep(LEADERLESS).await;
    house.cut(false);
    while house.ask(Ask::new("GET", "/readyz")).await.status != 200 {
        // Virtual time stands still while somebody looks all the time.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let reject = format!("/v1/packets/{}/reject", text(&sent, "/packet"));
    let reject = Ask::new("POST", reject).json(json!({"reason": "Gửi nhầm nơi"}));
    house.ask(reject.signed(&target)).await.ok(200);
    assert!(read(live.next().await).contains("packet.rejected.v1"), "the stream has gone on");

    let begun = Instant::now();
    let ended = async {
        while let Some(octets) = live.next().await {
            assert!(read(Some(octets)).starts_with(':'), "there is nothing to tell");
            assert!(begun.elapsed() < SENT_AWAY, "the stream goes on");
        }
        begun.elapsed()
    };
    house.cut(true);
    let (ended, polled) = tokio::join!(ended, async { (poll().await, begun.elapsed()) });
    assert!(ended < SENT_AWAY, "the stream went on for {ended:?}");
    let (answer, polled) = polled;
    answer.problem(503, "unavailable");
    // A browser would give up for good after any other status than 200.
    for (kinds, status) in [
        ("text/event-stream", 200),
        ("text/event-stream, application/problem+json", 503),
        ("*/*", 503),
    ] {
        let stream = Ask::new("GET", "/v1/events").header("accept", kinds).signed(&source);
        let stream = house.ask(stream).await;
        assert_eq!(stream.status, status, "{kinds}");
        if status == 200 {
            assert_eq!(stream.header("content-type"), "text/event-stream");
            assert_eq!(&stream.body[..], b"retry: 2000\n: unavailable\n\n");
        }
    }
    assert!(answer.headers.contains_key("retry-after") && polled < SENT_AWAY, "{polled:?}");
}
