//! What the API keeps within bounds: memory of bodies, streams of events, requests a second.

use auth::Signer;
use axum::{body::Body, http::Request};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    house::{self, Ask, House},
    new_packet, one_round, text,
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
    house.ask(stranger).await.problem(422, "fields_malformed");
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

/// A piece of an upload, whose checksum is that of nothing: it is held until it is whole.
fn piece(opened: &Value, size: usize) -> Ask {
    let sum = BASE64_STANDARD.encode(certs::sha256(b""));
    Ask::new("PATCH", format!("/v1/spaces/{}/content", text(opened, "/space/id")))
        .header("tus-resumable", "1.0.0")
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", "0")
        .header("upload-checksum", format!("sha256 {sum}"))
        .body(vec![b' '; size])
}

/// What a packet whose content comes next was answered.
async fn opened(house: &House, source: &Signer) -> Value {
    let open = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(source);
    house.ask(open).await.ok(201)
}

/// Pieces that are held until their checksum holds are bodies as all others, by token or by signature.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_of_uploads_take_the_share_of_their_application() {
    let house = house(|settings| settings.buffered_max = 8 << 20).await;
    let greedy = house.party("H41.02", &["send"]).await;
    let modest = house.party("H41.03", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let own = opened(&house, &modest).await;
    let (further, other) = (opened(&house, &greedy).await, opened(&house, &greedy).await);
    let mut come = Vec::new();
    for by_token in [true, false] {
        let open = opened(&house, &greedy).await;
        let ask = piece(&open, 1 << 20);
        let ask = match by_token {
            true => ask.bearer(&open["space"]["token"]),
            false => ask.signed(&greedy),
        };
        come.push(tokio::spawn(house.router.clone().oneshot(stalled(ask, 1000 << 10))));
    }
    // A quarter of the room is the greedy one's, and nearly all of it is taken.
    let ask = || piece(&further, 60 << 10).bearer(&further["space"]["token"]);
    house::until("the greedy one has used its share up", async || {
        house.ask(ask()).await.status == 429
    })
    .await;
    house.ask(ask()).await.problem(429, "share_used");
    house.ask(piece(&other, 60 << 10).signed(&greedy)).await.problem(429, "share_used");
    house.ask(sized("H41.05", 60 << 10).signed(&greedy)).await.problem(429, "share_used");
    for _ in 0..4 {
        // There is room for it, and so its checksum is looked at.
        let ask = piece(&own, 900 << 10).bearer(&own["space"]["token"]);
        house.ask(ask).await.problem(460, "tus_checksum_mismatch");
    }
    come.into_iter().for_each(|task| task.abort());
    house::until("there is room again", async || house.ask(ask()).await.status == 460).await;
}

/// A piece that is larger than the room of one application is never held: it streams and is taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_piece_that_is_larger_than_a_share_streams() {
    let house = house(|settings| settings.buffered_max = 64 << 10).await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let open = opened(&house, &source).await;
    let ask = piece(&open, 200 << 10).bearer(&open["space"]["token"]);
    house.ask(ask).await.problem(460, "tus_checksum_mismatch");
}

/// Whoever shows a token asks for the application that it was given to, as a signature does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_by_token_have_the_rate_of_their_application() {
    let house = house(|settings| settings.limits.requests_a_second = 5).await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let open = opened(&house, &source).await;
    let sent = house.ask(one_round(&new_packet("H41.05"), "mật").signed(&source)).await.ok(201);
    let packet = text(&sent, "/packet");
    let accept = Ask::new("POST", format!("/v1/packets/{packet}/accept"));
    let granted = house.ask(accept.signed(&target)).await.ok(200);

    let space = format!("/v1/spaces/{}/content", text(&open, "/space/id"));
    let content = format!("/v1/packets/{packet}/content");
    let of_space =
        |token: &Value| Ask::new("HEAD", &space).header("tus-resumable", "1.0.0").bearer(token);
    let of_content = |token: &Value| Ask::new("GET", &content).bearer(token);
    let fetched = house.ask(of_content(&granted["token"])).await;
    fetched.ok_octets("mật");
    assert_eq!(fetched.header("ratelimit-policy"), "\"app\";q=10;w=2");
    assert!(fetched.header("ratelimit").starts_with("\"app\";r="), "{fetched:?}");
    // Made-up tokens are nobody's, and take nothing from anybody.
    let made_up = json!(format!("{}A", text(&granted, "/token")));
    for _ in 0..20 {
        house.ask(of_content(&made_up)).await.problem(401, "token_invalid");
        assert_eq!(house.ask(of_space(&made_up)).await.status, 401);
    }
    house.ask(of_content(&granted["token"])).await.ok_octets("mật");

    let units = || Ask::new("GET", "/v1/units?q=x");
    for (ask, token, signer) in [
        (&of_space as &dyn Fn(&Value) -> Ask, &open["space"]["token"], &source),
        (&of_content, &granted["token"], &target),
    ] {
        let refused = async || house.ask(ask(token)).await.status == 429;
        house::until("the application has used its rate up", refused).await;
        // It is one rate, however the application shows itself.
        let signed = async || house.ask(units().signed(signer)).await.status == 429;
        house::until("its signatures have no more", signed).await;
        house::until("its tokens come back", async || !refused().await).await;
    }
    let refused = loop {
        let answer = house.ask(of_content(&granted["token"])).await;
        if answer.status != 200 {
            break answer;
        }
    };
    refused.problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    house::until("another application has its own", async || {
        house.ask(of_space(&open["space"]["token"])).await.status == 200
    })
    .await;
}
