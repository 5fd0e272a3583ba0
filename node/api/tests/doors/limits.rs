//! What the API keeps within bounds: memory of bodies, streams of events, requests a second.

use axum::{body::Body, http::Request};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tower::ServiceExt;

use crate::{
    house::{self, Ask, House},
    new_packet,
};

/// A signed request of whose body so much has come; the rest does not.
fn stalled(ask: Ask, come: usize) -> Request<Body> {
    let (head, _) = ask.request().into_parts();
    let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b' '; come]))]);
    Request::from_parts(head, Body::from_stream(begun.chain(stream::pending())))
}

/// A node whose bodies have so much room, and its settings otherwise.
async fn house(change: impl FnOnce(&mut lgsp_api::Settings)) -> House {
    let mut house = House::found().await;
    let mut settings = lgsp_api::Settings::new(format!("https://{}", house::AUTHORITY));
    change(&mut settings);
    house.router = lgsp_api::router(house.exchange.clone(), settings);
    house
}

fn sized(target: &str, size: usize) -> Ask {
    let body = new_packet(target).to_string();
    let body = format!("{body}{}", " ".repeat(size - body.len()));
    Ask::new("POST", "/v1/packets").header("content-type", "application/json").body(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_collected_have_a_bound_in_sum() {
    let house = house(|settings| settings.buffered_max = 64 * 1024).await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let of = |size: usize| sized("H41.05", size).signed(&source);
    let holding = tokio::spawn(house.router.clone().oneshot(stalled(of(62 * 1024), 60 * 1024)));
    house::until("the first body has its room", async || {
        house.ask(of(8 * 1024)).await.status == 429
    })
    .await;
    // This house has room for one application only, so the share is all there is.
    house.ask(of(8 * 1024)).await.problem(429, "share_used");
    house.ask(of(2 * 1024)).await.ok(201);
    // A stranger's body neither takes that room nor waits for it.
    let stranger = Ask::new("POST", "/v1/cluster/join").json(serde_json::json!({"token": "jn_x"}));
    house.ask(stranger).await.problem(400, "json_malformed");
    holding.abort();
    let _ = holding.await;
    house.ask(of(8 * 1024)).await.ok(201);
}

/// Redteam F5: 258 bodies are announced with a MiB each, an octet of each comes, and nobody else is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announced_bodies_take_no_room_and_an_application_only_its_own() {
    let house = house(|settings| settings.buffered_max = 8 << 20).await;
    let greedy = house.party("H41.02", &["send"]).await;
    let modest = house.party("H41.03", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let begin = |come: usize| {
        let ask = Ask::new("POST", "/v1/packets")
            .header("content-type", "multipart/form-data; boundary=xyz")
            .body(vec![b' '; 1 << 20])
            .signed(&greedy);
        tokio::spawn(house.router.clone().oneshot(stalled(ask, come)))
    };
    let announced: Vec<_> = (0..258).map(|_| begin(1)).collect();
    house.ask(sized("H41.05", 700).signed(&modest)).await.ok(201);
    house.ask(sized("H41.05", 700).signed(&greedy)).await.ok(201);
    announced.into_iter().for_each(|task| task.abort());
    // What has really come counts: the greedy one waits for its own, the others do not.
    let come: Vec<_> = (0..2).map(|_| begin(1000 << 10)).collect();
    house::until("the greedy one has used its share up", async || {
        house.ask(sized("H41.05", 60 << 10).signed(&greedy)).await.status == 429
    })
    .await;
    for _ in 0..4 {
        house.ask(sized("H41.05", 60 << 10).signed(&modest)).await.ok(201);
    }
    let metrics = house.ask(Ask::new("GET", "/metrics")).await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    let reached = "lgsp_limit_reached_total{limit=\"bodies_of_application\"}";
    let count = metrics.lines().find_map(|line| line.strip_prefix(reached));
    assert!(count.is_some_and(|count| count.trim() != "0"), "{metrics}");
    assert!(metrics.contains("lgsp_limit_reached_total{limit=\"bodies\"} 0"), "{metrics}");
    come.into_iter().for_each(|task| task.abort());
}

/// Redteam F6: one application asks for 1080 streams; another one still gets its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_does_not_take_all_streams_of_events() {
    let house = House::found().await;
    let greedy = house.party("H41.02", &["send", "receive"]).await;
    let modest = house.party("H41.03", &["receive"]).await;
    let open = async |signer| {
        let request = Ask::new("GET", "/v1/events").signed(signer).request();
        house.router.clone().oneshot(request).await.expect("the router never fails")
    };
    let mut streams = Vec::new();
    for _ in 0..1080 {
        let stream = open(&greedy).await;
        assert_eq!(stream.status(), 200);
        streams.push(stream.into_body().into_data_stream());
    }
    let mut own = open(&modest).await.into_body().into_data_stream();
    assert!(own.next().await.is_some_and(|first| first.is_ok()), "the greeting");
    // The oldest of the same key have ended, as a whole and not by a cut.
    let mut first = streams.swap_remove(0);
    let ended = async { while first.next().await.is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), ended).await.expect("it has ended");
    let metrics = house.ask(Ask::new("GET", "/metrics")).await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("lgsp_limit_reached_total{limit=\"streams\"} 0"), "{metrics}");
    assert!(
        metrics.contains("lgsp_limit_reached_total{limit=\"streams_of_key\"} 1064"),
        "{metrics}"
    );
}

/// Redteam F7: requests have a rate, and the answers say so before it is reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_an_application_have_a_rate() {
    let house = house(|settings| settings.limits.requests_a_second = 5).await;
    let greedy = house.party("H41.02", &["send"]).await;
    let modest = house.party("H41.03", &["send"]).await;
    let ask = async |signer| house.ask(Ask::new("GET", "/v1/units?q=x").signed(signer)).await;
    let first = ask(&greedy).await;
    first.ok(200);
    assert_eq!(first.header("ratelimit-policy"), "\"app\";q=10;w=2");
    assert!(first.header("ratelimit").starts_with("\"app\";r=9;"), "{first:?}");
    let refused = loop {
        let answer = ask(&greedy).await;
        if answer.status != 200 {
            break answer;
        }
    };
    refused.problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.header("ratelimit").starts_with("\"app\";r=0;"), "{refused:?}");
    ask(&modest).await.ok(200);
    house::until("its tokens come back", async || ask(&greedy).await.status == 200).await;
}
