//! Fetching: parts and wholes, and that a delivery is picked up however its content was fetched.

use auth::Signer;
use axum::body::Body;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    digest_of,
    house::{self, Ask, House},
    new_packet, one_round,
    sockets::{Tls, ask_over, connect, serve, written},
    text,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_a_content_are_served() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let sent =
        house.ask(one_round(&new_packet("H41.05"), "0123456789").signed(&source)).await.ok(201);
    let packet = text(&sent, "/packet");
    let granted = house
        .ask(Ask::new("POST", format!("/v1/packets/{packet}/accept")).signed(&target))
        .await
        .ok(200);
    let content = format!("/v1/packets/{packet}/content");
    assert_eq!(text(&granted, "/content_url"), format!("https://{}{content}", house::AUTHORITY));
    let get = |method| Ask::new(method, &content).bearer(&granted["token"]);
    let etag = format!("\"sha256-{}\"", digest_of("0123456789"));
    for (range, if_range, status, body) in [
        ("bytes=2-4", None, 206, "234"),
        ("bytes=7-", None, 206, "789"),
        ("bytes=-2", None, 206, "89"),
        ("bytes=2-4", Some(&*etag), 206, "234"),
        ("bytes=2-4", Some("\"other\""), 200, "0123456789"),
        ("bytes=0-1,3-4", None, 200, "0123456789"),
        ("lines=1-2", None, 200, "0123456789"),
    ] {
        let ask = get("GET").header("range", range);
        let ask = if_range.into_iter().fold(ask, |ask, etag| ask.header("if-range", etag));
        let answer = house.ask(ask).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (status, body.as_bytes()),
            "{range}"
        );
        assert_eq!(
            answer.header("repr-digest"),
            auth::content_digest_sha256(&certs::sha256(b"0123456789"))
        );
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert_eq!(answer.header("content-length"), body.len().to_string());
    }
    let outside = house.ask(get("GET").header("range", "bytes=10-")).await;
    outside.problem(416, "range_not_satisfiable");
    assert_eq!(outside.header("content-range"), "bytes */10");
    let head = house.ask(get("HEAD")).await;
    assert_eq!(
        (head.status.as_u16(), head.header("content-length"), head.body.len()),
        (200, "10", 0)
    );
    house
        .ask(Ask::new("GET", &content).bearer(&json!("dt_wrong")))
        .await
        .problem(401, "token_invalid");
}

/// A packet that its target has accepted: its path, and the token that opens its content.
async fn accepted(
    house: &House,
    source: &Signer,
    target: &Signer,
    content: &str,
) -> (String, Value) {
    let sent = house.ask(one_round(&new_packet("H41.05"), content).signed(source)).await.ok(201);
    let packet = format!("/v1/packets/{}", text(&sent, "/packet"));
    let accept = Ask::new("POST", format!("{packet}/accept")).signed(target);
    let granted = house.ask(accept).await.ok(200);
    (packet, granted["token"].clone())
}

/// The state of the one delivery of a packet.
async fn state(house: &House, target: &Signer, packet: &str) -> String {
    let show = house.ask(Ask::new("GET", packet).signed(target)).await.ok(200);
    text(&show, "/deliveries/0/state").to_owned()
}

async fn picked_up(house: &House, target: &Signer, packet: &str, how: &str) {
    house::until(how, async || state(house, target, packet).await == "picked_up").await;
}

/// Asks over HTTP/1.1 and reads what the length tells, as most programs do.
async fn get(connection: &mut Tls, content: &str, token: &Value, range: Option<&str>) -> String {
    let ask = Ask::new("GET", content).bearer(token);
    let ask = range.into_iter().fold(ask, |ask, range| ask.header("range", range));
    let answer = ask_over(connection, &written(ask)).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
}

/// Case 14b: over HTTP/1.1 nothing is asked for behind the last octet of a body whose length is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_fetched_over_either_version_is_picked_up() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let (_server, address, tls) = serve(&house).await;
    for content in ["xin", "", &"x".repeat(300_000)] {
        let (packet, token) = accepted(&house, &source, &target, content).await;
        let path = format!("{packet}/content");
        let mut plain = connect(address, &tls, b"http/1.1").await;
        assert_eq!(get(&mut plain, &path, &token, None).await, content);
        picked_up(&house, &target, &packet, "picked up over HTTP/1.1").await;

        let (packet, token) = accepted(&house, &source, &target, content).await;
        let io = hyper_util::rt::TokioIo::new(connect(address, &tls, b"h2").await);
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, io).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let mut request = Ask::new("GET", format!("{packet}/content")).bearer(&token).request();
        let target_uri = format!("https://{}{packet}/content", house::AUTHORITY);
        *request.uri_mut() = target_uri.parse().expect("a target");
        request.headers_mut().remove("host");
        let answer = sender.send_request(request).await.expect("an answer");
        let octets = answer.into_body().collect().await.expect("it is whole").to_bytes();
        assert_eq!(octets, content.as_bytes());
        picked_up(&house, &target, &packet, "picked up over HTTP/2").await;
        drop(sender);
        connection.await.expect("no panic").expect("the connection ends cleanly");
    }
}

/// Case 14: in two parts, as the guide teaches, and in any others, each over a connection of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_fetched_in_parts_is_picked_up_with_the_last_of_them() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let (_server, address, tls) = serve(&house).await;
    let mut begun = Vec::new();
    for parts in [
        ["bytes=0-4", "bytes=5-"].as_slice(),
        &["bytes=-3", "bytes=2-7", "bytes=0-1"],
        &["bytes=0-6", "bytes=0-6", "bytes=4-9"],
    ] {
        let (packet, token) = accepted(&house, &source, &target, "0123456789").await;
        let (last, first) = parts.split_last().expect("some");
        let path = format!("{packet}/content");
        for part in first {
            let mut plain = connect(address, &tls, b"http/1.1").await;
            get(&mut plain, &path, &token, Some(part)).await;
        }
        begun.push((packet, token, *last));
    }
    // Pickups are recorded in the order in which they were noted.
    let (whole, token) = accepted(&house, &source, &target, "0123456789").await;
    house
        .ask(Ask::new("GET", format!("{whole}/content")).bearer(&token))
        .await
        .ok_octets("0123456789");
    picked_up(&house, &target, &whole, "the whole one is picked up").await;
    for (packet, token, last) in begun {
        assert_eq!(state(&house, &target, &packet).await, "accepted", "a part is wanting");
        let mut plain = connect(address, &tls, b"http/1.1").await;
        get(&mut plain, &format!("{packet}/content"), &token, Some(last)).await;
        picked_up(&house, &target, &packet, "all parts were fetched").await;
    }
}

/// Any node takes any request: a target goes on at another one, before or after it was here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_fetched_in_parts_from_two_nodes_is_picked_up() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let part = |packet: &str, part: std::ops::Range<u64>| {
        let packet = packet.rsplit('/').next().expect("an id").parse().expect("an id");
        let (target, std::ops::Range { start, end }) = ("H41.05".parse().expect("a unit"), part);
        vec![conductor::HandedPart { packet, target, start, end, size: 10 }]
    };
    for elsewhere_first in [true, false] {
        let (packet, token) = accepted(&house, &source, &target, "0123456789").await;
        let elsewhere = part(&packet, 6..10);
        if elsewhere_first {
            house.exchange.pickups().hear_handed(elsewhere.clone());
        }
        let here = Ask::new("GET", format!("{packet}/content")).header("range", "bytes=0-6");
        assert_eq!(house.ask(here.bearer(&token)).await.status, 206);
        if !elsewhere_first {
            let here = part(&packet, 0..7);
            let told = async || house.told.handed.lock().ends_with(&here);
            house::until("the other nodes hear of the part", told).await;
            assert_eq!(state(&house, &target, &packet).await, "accepted");
            // What no content is does not count.
            house.exchange.pickups().hear_handed(part(&packet, 7..11));
            house.exchange.pickups().hear_handed(elsewhere);
        }
        picked_up(&house, &target, &packet, "two nodes have handed out all of it").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_broke_off_and_went_on_is_picked_up() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    // Of several pieces, so that there is one to break off after.
    let content = "x".repeat(conductor::ONE_ROUND_MAX);
    let (packet, token) = accepted(&house, &source, &target, &content).await;
    let fetch = |range: String| {
        let ask =
            Ask::new("GET", format!("{packet}/content")).bearer(&token).header("range", range);
        house.router.clone().oneshot(ask.request())
    };
    let answer = fetch("bytes=0-".into()).await.expect("an answer");
    let mut octets = answer.into_body().into_data_stream();
    let first = octets.next().await.expect("it begins").expect("it is well").len();
    assert!(first < content.len(), "{first}");
    drop(octets);
    assert_eq!(state(&house, &target, &packet).await, "accepted");
    let rest: Body = fetch(format!("bytes={first}-")).await.expect("an answer").into_body();
    let rest = rest.collect().await.expect("it is whole").to_bytes();
    assert_eq!(rest.len(), content.len() - first);
    picked_up(&house, &target, &packet, "the rest was fetched").await;
}
