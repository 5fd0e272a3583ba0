//! Reading asks for a grant too: what was sent is for who may send, what waits for who may receive.

use std::time::Duration;

use auth::Signer;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    house::{Ask, House},
    new_packet, one_round, read, text,
};

const BATCH: &str = "application/cloudevents-batch+json";

/// The doors that read something of packets: a new one belongs here too.
const READING: [&str; 6] = [
    "/v1/packets",
    "/v1/packets/{id}",
    "/v1/packets/{id}/content",
    "/v1/packets/{id}/receipts",
    "/v1/inbox",
    "/v1/events",
];
/// What is read elsewhere is for every application, or for administrators.
const OTHERS: [&str; 4] = ["/v1/history/proof", "/v1/nodes", "/v1/units", "/v1/units/{code}"];

#[test]
fn every_door_that_reads_is_in_the_table() {
    for (method, path, signed) in lgsp_api::documented_routes() {
        if method == "GET" && signed && !path.starts_with("/v1/admin") {
            let known = READING.contains(&&*path) || OTHERS.contains(&&*path);
            assert!(known, "{path}: which grant does it ask for?");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_side_is_read_with_its_grant() {
    let house = House::found().await;
    let send = house.party("H41.02", &["send"]).await;
    let receive = house.app("app-receive", "H41.02", &["receive"], &[]).await;
    let both = house.app("app-both", "H41.02", &["send", "receive"], &[]).await;
    let admin = house.app("app-admin", "H41.02", &["admin"], &[]).await;
    let other = house.party("H41.05", &["send", "receive"]).await;
    let submit = async |by: &Signer, to: &str| {
        let sent = house.ask(one_round(&new_packet(to), "tin").signed(by)).await.ok(201);
        format!("/v1/packets/{}", text(&sent, "/packet"))
    };
    let sent = submit(&send, "H41.05").await;
    let received = submit(&other, "H41.02").await;
    let own = submit(&send, "H41.02").await;
    house.ask(Ask::new("POST", format!("{received}/accept")).signed(&receive)).await.ok(200);
    let content = format!("{received}/content");
    for (what, by, allowed) in [
        ("send", &send, ["/v1/packets", &sent, &own].as_slice()),
        ("receive", &receive, &["/v1/inbox", &received, &own, &content]),
        ("both", &both, &["/v1/packets", "/v1/inbox", &sent, &received, &own, &content]),
        ("admin", &admin, &[]),
    ] {
        for path in ["/v1/packets", "/v1/inbox", &sent, &received, &own, &content] {
            let answer = house.ask(Ask::new("GET", path).signed(by)).await;
            if [&sent, &received, &own].contains(&&path.to_owned()) {
                let receipts = Ask::new("GET", format!("{path}/receipts")).signed(by);
                let receipts = house.ask(receipts).await;
                assert_eq!(receipts.status, answer.status, "{what} {path}: {:?}", receipts.body);
            }
            if allowed.contains(&path) {
                assert_eq!(answer.status, 200, "{what} {path}: {:?}", answer.body);
            } else {
                assert_eq!(answer.status, 403, "{what} {path}");
                answer.problem(403, "not_granted");
            }
        }
    }
    // A packet to the own unit is told by the side that the grants cover.
    let two =
        json!({"targets": ["H41.02", "H41.05"], "title": "Hai nơi", "media_type": "text/plain"});
    let two = house.ask(one_round(&two, "tin").signed(&send)).await.ok(201);
    for (by, seen) in [(&send, 2), (&receive, 1), (&both, 2)] {
        let show = Ask::new("GET", format!("/v1/packets/{}", text(&two, "/packet")));
        let show = house.ask(show.signed(by)).await.ok(200);
        assert_eq!(show["deliveries"].as_array().map(Vec::len), Some(seen));
    }
    // Of other units' packets nothing is told but that there is none.
    let foreign = house.party("H41.07", &["admin"]).await;
    house.ask(Ask::new("GET", &sent).signed(&foreign)).await.problem(404, "packet_unknown");
}

fn kinds(batch: &Value) -> Vec<String> {
    let kind = |event: &Value| {
        let kind = text(event, "/type").trim_start_matches("vn.gov.nghean.lgsp.packet.");
        format!("{} {}", kind.trim_end_matches(".v1"), text(event, "/sequence"))
    };
    batch.as_array().expect("a list").iter().map(kind).collect()
}

fn position(number: u64) -> String {
    format!("{number:020}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_told_by_grant_and_positions_stay() {
    let house = House::found().await;
    let send = house.party("H41.02", &["send"]).await;
    let receive = house.app("app-receive", "H41.02", &["receive"], &[]).await;
    let admin = house.app("app-admin", "H41.02", &["admin"], &[]).await;
    let other = house.party("H41.05", &["send", "receive"]).await;
    let begun = last(&house, &send).await;
    let submit = async |by: &Signer, to: &str| {
        let sent = house.ask(one_round(&new_packet(to), "tin").signed(by)).await.ok(201);
        text(&sent, "/packet").to_owned()
    };
    // available, rejected, available, cancelled: the second is for the source, the rest for the target.
    submit(&other, "H41.02").await;
    let refused = submit(&send, "H41.05").await;
    let reject = Ask::new("POST", format!("/v1/packets/{refused}/reject"));
    house.ask(reject.json(json!({"reason": "Nhầm nơi"})).signed(&other)).await.ok(200);
    let taken_back = submit(&other, "H41.02").await;
    let cancel = Ask::new("POST", format!("/v1/packets/{taken_back}/cancel"));
    house.ask(cancel.signed(&other)).await.ok(200);

    let poll = |by: &Signer, after: u64, limit: u64| {
        let target = format!("/v1/events?after={after}&limit={limit}&wait=0");
        house.ask(Ask::new("GET", target).header("accept", BATCH).signed(by))
    };
    let at = |number: u64| position(begun + number);
    let to_target = [
        format!("available {}", at(1)),
        format!("available {}", at(3)),
        format!("cancelled {}", at(4)),
    ];
    assert_eq!(kinds(&poll(&receive, begun, 50).await.ok(200)), to_target);
    let to_source = [format!("rejected {}", at(2))];
    assert_eq!(kinds(&poll(&send, begun, 50).await.ok(200)), to_source);
    assert!(kinds(&poll(&admin, begun, 50).await.ok(200)).is_empty());
    // A page of what is for others does not end the answer, and the link goes on behind all of it.
    assert_eq!(kinds(&poll(&send, begun, 1).await.ok(200)), to_source);
    let nothing = poll(&send, begun + 2, 1).await;
    assert!(kinds(&nothing.ok(200)).is_empty());
    let next = format!("</v1/events?after={}&limit=1&wait=0>; rel=\"next\"", begun + 4);
    assert_eq!(nothing.header("link"), next);

    // A stream tells the same, and moves the position past what is for others.
    let stream = async |by: &Signer| {
        let ask = Ask::new("GET", format!("/v1/events?after={begun}"));
        let answer = house.router.clone().oneshot(ask.signed(by).request()).await;
        let mut stream = answer.expect("an answer").into_body().into_data_stream();
        (read(stream.next().await), read(stream.next().await))
    };
    let (started, events) = stream(&send).await;
    assert!(started.contains("\"waiting\":0,\"next\":null"), "{started}");
    assert!(events.contains("packet.rejected.v1") && !events.contains("packet.available"));
    assert!(events.ends_with(&format!("\n\nid: {}\n\n", begun + 4)), "{events}");
    let (started, events) = stream(&receive).await;
    assert!(started.contains("\"waiting\":1"), "{started}");
    assert!(events.contains("packet.cancelled.v1") && !events.contains("packet.rejected"));
    let (started, events) = stream(&admin).await;
    assert!(started.contains("\"waiting\":0"), "{started}");
    assert_eq!(events, format!("id: {}\n\n", begun + 4));
}

/// The last position of the feed of a caller's unit.
async fn last(house: &House, by: &Signer) -> u64 {
    let ask = Ask::new("GET", "/v1/events").signed(by);
    let answer = house.router.clone().oneshot(ask.request()).await.expect("an answer");
    let started = read(answer.into_body().into_data_stream().next().await);
    let data = started.lines().find_map(|line| line.strip_prefix("data: ")).expect("an event");
    let started: Value = serde_json::from_str(data).expect("JSON");
    started.pointer("/data/position").and_then(Value::as_u64).expect("a position")
}

/// More than one write of a stream takes.
const BACKLOG: usize = 120;

#[tokio::test(start_paused = true)]
async fn a_stream_whose_reader_is_slower_than_the_feed_ends_with_its_key() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let spare = house.app("app-spare", "H41.05", &["receive"], &[]).await;
    for _ in 0..BACKLOG {
        house.ask(one_round(&new_packet("H41.05"), "tin").signed(&source)).await.ok(201);
    }
    let stream = async |by: &Signer| {
        let ask = Ask::new("GET", "/v1/events?after=0").signed(by);
        let answer = house.router.clone().oneshot(ask.request()).await.expect("an answer");
        let mut stream = answer.into_body().into_data_stream();
        let started = read(stream.next().await);
        assert!(started.contains("session.started.v1"), "{started}");
        let waiting = format!("\"waiting\":{BACKLOG},");
        assert!(started.contains(&waiting) && started.contains("\"more_waiting\":false"));
        assert!(read(stream.next().await).contains("packet.available.v1"));
        stream
    };
    let (mut revoked, mut living) = (stream(&target).await, stream(&spare).await);
    house.revoke(&target).await;
    assert!(revoked.next().await.is_none(), "more is told to a dead key");
    assert!(read(living.next().await).contains("packet.available.v1"));

    // A node that is cut off cannot know of revoked keys: what it has it keeps to itself, and then ends.
    let mut behind = stream(&spare).await;
    house.grow().await;
    house.cut(true);
    while house.ask(Ask::new("GET", "/readyz")).await.status == 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while let Some(octets) = behind.next().await {
        assert!(read(Some(octets)).starts_with(':'), "a node that is stale tells something");
    }
}
