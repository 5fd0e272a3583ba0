//! Refusals over sockets: their sender reads them, whatever it has sent, or waits with.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    house::{self, Ask, House},
    new_packet,
    sockets::{Tls, ask_over, connect, serve, written},
    text,
};

/// Octets that a program sends whole before it reads a word (case 13).
const SENT: usize = 50_000_000;
/// A refusal does not wait for the body: far below the time that this one would take.
pub const SOON: Duration = Duration::from_secs(20);

/// What was answered first; none where the connection was reset.
pub async fn status(connection: &mut Tls) -> Option<u16> {
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        if connection.read_buf(&mut answer).await.ok()? == 0 {
            return None;
        }
    }
    // Behind the head may be a part of the body, which ends anywhere.
    let text = String::from_utf8_lossy(&answer);
    text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// What the head alone refuses, at every kind of door that takes a body: the request without its body, and
/// the status.
async fn refused(house: &House) -> Vec<(Ask, u16)> {
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let open = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened: Value = house.ask(open).await.ok(201);
    let (space, token) = (text(&opened, "/space/id"), &opened["space"]["token"]);
    let (space, content) = (format!("/v1/spaces/{space}"), format!("/v1/spaces/{space}/content"));
    let tus =
        |method, path: &str| Ask::new(method, path).header("tus-resumable", "1.0.0").bearer(token);
    house.ask(tus("POST", &space).header("upload-length", "3")).await.ok(201);
    let announced = |ask: Ask, octets: u64| ask.header("content-length", octets.to_string());
    let patch = |offset: &str, octets| {
        let ask = tus("PATCH", &content).header("upload-offset", offset);
        announced(ask.header("content-type", "application/offset+octet-stream"), octets)
    };
    let digest = auth::content_digest_sha256(&[0; 32]);
    let json = |path: &str| Ask::new("POST", path).header("content-type", "application/json");
    let many = " ".repeat(2 << 20);
    vec![
        (announced(tus("PUT", &content).header("content-digest", &*digest), 1 << 40), 413),
        (announced(tus("PUT", &content).header("content-digest", &*digest), SENT as u64), 422),
        (announced(tus("PUT", &content), SENT as u64), 400),
        (patch("7", SENT as u64), 409),
        (patch("0", SENT as u64), 413),
        (patch("x", SENT as u64), 400),
        (announced(tus("PATCH", &content).header("upload-offset", "0"), SENT as u64), 415),
        (announced(Ask::new("PATCH", &content).bearer(token), SENT as u64), 412),
        (announced(Ask::new("PUT", &content).bearer(&json!("st_x")), SENT as u64), 401),
        (announced(Ask::new("PUT", &content), SENT as u64), 401),
        (announced(json("/v1/packets"), SENT as u64), 401),
        (announced(json("/v2"), SENT as u64), 404),
        (announced(Ask::new("DELETE", "/v1/packets"), SENT as u64), 405),
        (json("/v1/packets").body(many.clone()).signed(&source), 413),
        (Ask::new("POST", "/v1/packets").body(many.clone()).signed(&source), 415),
        (json("/v1/packets/pk_x/commit").body(many.clone()).signed(&source), 400),
        (json("/v1/packets/pk_x/confirm").body(many.clone()).signed(&target), 400),
        (json("/v1/confirmations").body(many.clone()).signed(&target), 413),
        (announced(json("/v1/cluster/join"), SENT as u64), 413),
        (announced(Ask::new("POST", "/v1/cluster/join"), SENT as u64), 415),
    ]
}

/// Case 13: `100 Continue` says that the body is wanted, so it does not come before a refusal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_for_a_body_that_the_head_refuses() {
    let house = House::found().await;
    let (_server, address, tls) = serve(&house).await;
    for (ask, expected) in refused(&house).await {
        let shown = format!("{:?}", ask.request());
        let mut connection = connect(address, &tls, b"http/1.1").await;
        let asks = written(ask.header("expect", "100-Continue"));
        connection.write_all(&asks).await.expect("it is taken");
        let status = tokio::time::timeout(SOON, status(&mut connection)).await;
        assert_eq!(status.expect("it is answered"), Some(expected), "{shown}");
    }
    // What is wanted is asked for.
    let source = house.party("H41.07", &["send"]).await;
    let ask = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let body = ask.octets().clone();
    let mut connection = connect(address, &tls, b"http/1.1").await;
    let asks = written(ask.header("expect", "100-continue"));
    connection.write_all(&asks).await.expect("it is taken");
    assert_eq!(status(&mut connection).await, Some(100));
    connection.write_all(&body).await.expect("it is taken");
    assert_eq!(status(&mut connection).await, Some(201));
}

/// Case 13: a program that sends all of its body before it reads an answer still reads one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_before_it_reads_hears_the_refusal() {
    let house = House::found().await;
    let (_server, address, tls) = serve(&house).await;
    let octets = vec![0; SENT];
    for (ask, expected) in refused(&house).await {
        let request = ask.request();
        let shown = format!("{request:?}");
        // A body as large as the head says, up to what a program sends without asking first.
        let length = &request.headers()["content-length"];
        let length: u64 = length.to_str().expect("a number").parse().expect("a number");
        let mut connection = connect(address, &tls, b"http/1.1").await;
        connection.write_all(&written(ask)).await.expect("it is taken");
        let sent = connection.write_all(&octets[..length.min(SENT as u64) as usize]).await;
        assert!(sent.is_ok(), "{shown}: {sent:?}");
        let status = tokio::time::timeout(SOON, status(&mut connection)).await;
        assert_eq!(status.expect("it is answered"), Some(expected), "{shown}");
    }
}

/// Over HTTP/1.1 nothing can follow an unread body: whoever sends one hears that its connection ends, and a
/// small one ends no connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_says_whether_another_request_may_follow() {
    let house = House::found().await;
    let (_server, address, tls) = serve(&house).await;
    let livez = written(Ask::new("GET", "/livez"));
    let post = |octets: usize| {
        let ask = Ask::new("POST", "/v1/packets").header("content-type", "application/json");
        ask.header("content-length", octets.to_string())
    };
    // Whether another request may follow; then it does.
    let follows = async |asks: Vec<u8>| {
        let mut connection = connect(address, &tls, b"http/1.1").await;
        let answer = ask_over(&mut connection, &asks).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        if answer.contains("\r\nconnection: close\r\n") {
            return false;
        }
        let next = ask_over(&mut connection, &livez).await.expect("it goes on");
        assert!(next.starts_with("HTTP/1.1 200 "), "{next}");
        true
    };
    for (octets, sent) in [
        (65_537, 65_537),
        (200_000, 200_000),
        // It does not come: nobody waits for it.
        (20_000, 0),
    ] {
        assert!(!follows([written(post(octets)), vec![b' '; sent]].concat()).await, "{octets}");
    }
    let asked = post(20).header("expect", "100-continue");
    assert!(!follows(written(asked)).await, "it was not asked for");
    for octets in [20_000, 65_536] {
        // On a machine that has other things to do the rest may come too late for once.
        let small = [written(post(octets)), vec![b' '; octets]].concat();
        let mut tries = 1;
        while !follows(small.clone()).await {
            tries += 1;
            assert!(tries < 20, "{octets} octets end their connection");
        }
    }
}

/// The same over HTTP/2: the answer is whole, and the rest of the body is not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_whole_over_http2() {
    let house = House::found().await;
    let (_server, address, tls) = serve(&house).await;
    for (ask, expected) in refused(&house).await {
        let io = hyper_util::rt::TokioIo::new(connect(address, &tls, b"h2").await);
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, io).await.expect("HTTP/2");
        tokio::spawn(connection);
        let (mut head, _) = ask.request().into_parts();
        let target = format!("https://{}{}", house::AUTHORITY, head.uri);
        let shown = format!("{head:?}");
        head.uri = target.parse().expect("a target");
        head.headers.remove("host");
        let length = head.headers["content-length"].to_str().expect("a number");
        // It goes on sending as long as it may, and never comes to an end.
        let piece = Bytes::from(vec![0; 64 * 1024]);
        let pieces = length.parse::<u64>().expect("a number").min(SENT as u64) / piece.len() as u64;
        let pieces = stream::iter((0..pieces).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
        let pieces = pieces.chain(stream::pending());
        let request = axum::http::Request::from_parts(head, Body::from_stream(pieces));
        let answer = async {
            let answer = sender.send_request(request).await.expect("an answer");
            let status = answer.status().as_u16();
            (status, answer.into_body().collect().await.expect("it is whole").to_bytes())
        };
        let (status, body) = tokio::time::timeout(SOON, answer).await.expect("it is answered");
        assert_eq!(status, expected, "{shown}");
        let problem: Value = serde_json::from_slice(&body).expect("a problem");
        assert_eq!(problem["status"], expected, "{shown}");
    }
}

/// Case 16: plain HTTP at the port of HTTPS is told to use https, whatever it has sent by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_is_told_to_use_https() {
    let house = House::found().await;
    let (_server, address, _) = serve(&house).await;
    for (head, body) in [
        ("GET /livez HTTP/1.1\r\nhost: lgsp\r\n\r\n", 0),
        ("POST /v1/packets HTTP/1.1\r\nhost: lgsp\r\ncontent-length: 10000000\r\n\r\n", 10_000_000),
    ] {
        let mut plain = tokio::net::TcpStream::connect(address).await.expect("a connection");
        plain.write_all(head.as_bytes()).await.expect("it is taken");
        plain.write_all(&vec![0; body]).await.expect("it is taken");
        let mut answer = String::new();
        plain.read_to_string(&mut answer).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert!(
            body.contains("hãy gọi lại bằng https://") && body.contains("call again with https://")
        );
    }
}
