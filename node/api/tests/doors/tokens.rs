//! Tokens and what is under way end with the key that they were given to (D16, promise 3).

use std::time::Duration;

use auth::Signer;
use axum::{
    body::{Body, BodyDataStream},
    http::Request,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;

use crate::{
    house::{Answer, Ask, House},
    new_packet, one_round, text,
};

/// Within this time a revoked key is dead everywhere.
const DEAD_AFTER: Duration = Duration::from_secs(2);

/// A packet whose content is awaited, opened by one application.
async fn opened(house: &House, source: &Signer) -> Value {
    let open = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(source);
    house.ask(open).await.ok(201)
}

fn content_of(opened: &Value) -> String {
    format!("/v1/spaces/{}/content", text(opened, "/space/id"))
}

fn piece(content: &str, offset: &str) -> Ask {
    Ask::new("PATCH", content)
        .header("tus-resumable", "1.0.0")
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", offset)
}

/// How a door that takes a token is asked, so that with a living key it does something.
fn request(method: &str, path: &str) -> Ask {
    let content = path.to_owned();
    let digest = auth::content_digest_sha256(&certs::sha256(b"xin"));
    match (method, path.rsplit('/').next()) {
        ("GET", Some("content")) => Ask::new("GET", content),
        ("HEAD", Some("content")) => Ask::new("HEAD", content).header("tus-resumable", "1.0.0"),
        ("PATCH", Some("content")) => piece(path, "3").body("chào"),
        ("PUT", Some("content")) => {
            Ask::new("PUT", content).header("content-digest", digest).body("xin")
        }
        ("DELETE", Some("content")) => Ask::new("DELETE", content).header("tus-resumable", "1.0.0"),
        ("POST", _) => {
            Ask::new("POST", content).header("tus-resumable", "1.0.0").header("upload-length", "12")
        }
        other => panic!("nobody knows how to ask {other:?}"),
    }
}

/// Every operation of the document that a kind of token opens.
async fn doors(house: &House, token: &str) -> Vec<(String, String)> {
    let document = house.ask(Ask::new("GET", "/openapi.json")).await.ok(200);
    let mut doors = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let ways = operation["security"].as_array().into_iter().flatten();
            if ways.into_iter().any(|way| way.get(token).is_some()) {
                doors.push((method.to_uppercase(), path.clone()));
            }
        }
    }
    doors
}

fn dead(answer: &Answer, door: &str) {
    assert_eq!(answer.status, 401, "{door}: {:?}", answer.body);
    if !answer.body.is_empty() {
        answer.problem(401, "key_disabled");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_dies_with_its_key_at_every_door() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let open = opened(&house, &source).await;
    let (space, token) = (text(&open, "/space/id"), &open["space"]["token"]);
    house.ask(piece(&content_of(&open), "0").body("xin").bearer(token)).await.ok(204);
    let sent = house.ask(one_round(&new_packet("H41.05"), "mật").signed(&source)).await.ok(201);
    let packet = text(&sent, "/packet");
    let accept = Ask::new("POST", format!("/v1/packets/{packet}/accept"));
    let granted = house.ask(accept.signed(&target)).await.ok(200);
    let content = format!("/v1/packets/{packet}/content");
    house.ask(Ask::new("GET", &content).bearer(&granted["token"])).await.ok_octets("mật");

    house.revoke(&source).await;
    house.revoke(&target).await;
    let (of_spaces, of_downloads) =
        (doors(&house, "space-token").await, doors(&house, "download-token").await);
    assert!(of_spaces.len() >= 5 && of_downloads.len() >= 2, "{of_spaces:?} {of_downloads:?}");
    for (method, path) in of_spaces {
        let ask = request(&method, &path.replace("{id}", space)).bearer(token);
        dead(&house.ask(ask).await, &format!("{method} {path}"));
    }
    for (method, path) in of_downloads {
        let ask = request(&method, &path.replace("{id}", packet)).bearer(&granted["token"]);
        dead(&house.ask(ask).await, &format!("{method} {path}"));
    }
    for method in ["PATCH", "DELETE", "HEAD"] {
        let body = if method == "PATCH" { "chào" } else { "" };
        let ask = piece(&content_of(&open), "3").bearer(token).body(body);
        let mut ask = ask.request();
        *ask.method_mut() = axum::http::Method::POST;
        let value = axum::http::HeaderValue::from_static(method);
        ask.headers_mut().insert("x-http-method-override", value);
        dead(&house.send(ask).await, method);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_application_has_a_token_of_its_own() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let second = house.app("app-second", "H41.05", &["receive"], &[]).await;
    let sent = house.ask(one_round(&new_packet("H41.05"), "mật").signed(&source)).await.ok(201);
    let packet = text(&sent, "/packet");
    let accept = |by: &Signer| {
        house.ask(Ask::new("POST", format!("/v1/packets/{packet}/accept")).signed(by))
    };
    let first = accept(&target).await.ok(200)["token"].clone();
    let other = accept(&second).await.ok(200)["token"].clone();
    assert_ne!(first, other);
    assert_eq!(accept(&target).await.ok(200)["token"], first, "a repeat is the same answer");
    house.revoke(&target).await;
    let content = format!("/v1/packets/{packet}/content");
    house.ask(Ask::new("GET", &content).bearer(&first)).await.problem(401, "key_disabled");
    house.ask(Ask::new("GET", &content).bearer(&other)).await.ok_octets("mật");
    // A token for one thing is none for another, whoever its key is.
    let as_space = Ask::new("HEAD", format!("/v1/spaces/{}/content", crate::SPACE));
    let as_space = as_space.header("tus-resumable", "1.0.0").bearer(&other);
    assert_eq!(house.ask(as_space).await.status, 401);
    house
        .ask(Ask::new("GET", format!("/v1/packets/{}/content", crate::PACKET)).bearer(&other))
        .await
        .problem(401, "token_invalid");
}

/// A packet with a content of several pieces, accepted by its target.
async fn large(house: &House, source: &Signer, target: &Signer) -> (String, Value) {
    let open = opened(house, source).await;
    let whole = vec![7; 6 << 20];
    let digest = certs::sha256(&whole);
    let put = Ask::new("PUT", content_of(&open))
        .header("content-digest", auth::content_digest_sha256(&digest))
        .body(whole.clone());
    house.ask(put.bearer(&open["space"]["token"])).await.ok(204);
    let hex: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    let packet = text(&open, "/packet").to_owned();
    let commit = Ask::new("POST", format!("/v1/packets/{packet}/commit"))
        .json(json!({"digest": hex, "size": whole.len()}));
    house.ask(commit.signed(source)).await.ok(200);
    let accept = Ask::new("POST", format!("/v1/packets/{packet}/accept"));
    let granted = house.ask(accept.signed(target)).await.ok(200);
    (packet, granted["token"].clone())
}

async fn begun(house: &House, ask: Ask) -> BodyDataStream {
    let answer = house.router.clone().oneshot(ask.request()).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let mut octets = answer.into_body().into_data_stream();
    octets.next().await.expect("it begins").expect("it is well");
    octets
}

#[tokio::test(start_paused = true)]
async fn a_download_under_way_ends_with_its_key() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let spare = house.app("app-spare", "H41.05", &["receive"], &[]).await;
    let (packet, token) = large(&house, &source, &target).await;
    let content = format!("/v1/packets/{packet}/content");
    let accept = Ask::new("POST", format!("/v1/packets/{packet}/accept"));
    let mut under_way = [
        ("token", begun(&house, Ask::new("GET", &content).bearer(&token)).await),
        ("signature", begun(&house, Ask::new("GET", &content).signed(&target)).await),
        (
            "accept",
            begun(&house, accept.header("accept", "application/octet-stream").signed(&target))
                .await,
        ),
    ];
    let mut other = begun(&house, Ask::new("GET", &content).signed(&spare)).await;
    house.revoke(&target).await;
    tokio::time::advance(DEAD_AFTER).await;
    for (door, octets) in &mut under_way {
        assert!(octets.next().await.expect("it breaks off").is_err(), "{door} goes on");
    }
    let mut rest = 0;
    while let Some(octets) = other.next().await {
        rest += octets.expect("another key's download goes on").len();
    }
    assert!(rest > 1 << 20, "{rest}");
}

/// Octets of bodies that the node has received.
pub async fn received(house: &House) -> u64 {
    let metrics = house.ask(Ask::new("GET", "/metrics")).await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    let count =
        metrics.lines().find_map(|line| line.strip_prefix("lgsp_http_received_bytes_total "));
    count.and_then(|count| count.parse().ok()).expect("a count")
}

/// Waits until so many have come. Virtual time stands still while somebody looks all the time.
pub async fn until_received(house: &House, count: u64) {
    for _ in 0..60_000 {
        if received(house).await >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{count} octets have not come");
}

/// A body that begins and never goes on.
pub fn stalled(ask: Ask, begun: &'static [u8], length: Option<usize>) -> Request<Body> {
    let (mut head, _) = ask.request().into_parts();
    if let Some(length) = length {
        head.headers.insert("content-length", length.into());
    }
    let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(begun))]);
    Request::from_parts(head, Body::from_stream(begun.chain(stream::pending())))
}

#[tokio::test(start_paused = true)]
async fn an_upload_under_way_ends_with_its_key() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let spare = house.app("app-spare", "H41.02", &["send"], &[]).await;
    house.party("H41.05", &["receive"]).await;
    let sum = format!("sha256 {}", BASE64_STANDARD.encode(certs::sha256(b"xin")));
    let digest = auth::content_digest_sha256(&certs::sha256(b"xin"));
    let mut opens = Vec::new();
    for door in [("PATCH", None), ("held", Some(3)), ("streamed", None), ("PUT", None)] {
        opens.push((door, opened(&house, &source).await));
    }
    let (mut under_way, before) = (Vec::new(), received(&house).await);
    for ((door, length), open) in opens {
        let content = content_of(&open);
        let ask = match door {
            "PATCH" => piece(&content, "0"),
            "PUT" => Ask::new("PUT", &content).header("content-digest", &digest),
            _ => piece(&content, "0").header("upload-checksum", &sum),
        };
        let request = stalled(ask.bearer(&open["space"]["token"]), b"xi", length);
        let router = house.router.clone();
        let asked = tokio::spawn(async move { router.oneshot(request).await.expect("an answer") });
        under_way.push((door, content, asked));
    }
    // Each has begun: a body is awaited when its space was taken.
    let begun = before + 2 * under_way.len() as u64;
    until_received(&house, begun).await;
    house.revoke(&source).await;
    let revoked = Instant::now();
    for (door, content, asked) in under_way {
        let answer = asked.await.expect("it is answered");
        assert_eq!(answer.status(), 401, "{door}");
        assert!(revoked.elapsed() < DEAD_AFTER, "{door} ended after {:?}", revoked.elapsed());
        // The office goes on with another key.
        let head = Ask::new("HEAD", &content).header("tus-resumable", "1.0.0").signed(&spare);
        let offset = house.ask(head).await.header("upload-offset").to_owned();
        let kept = if door == "PATCH" { "2" } else { "0" };
        assert_eq!(offset, kept, "{door}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_up_token_does_not_reach_the_leader() {
    let house = House::found().await;
    house.grow().await;
    house.cut(true);
    // A node that cannot ask anybody tells a made-up token from a right one all the same.
    let content = format!("/v1/packets/{}/content", crate::PACKET);
    for token in ["dt_x", "dt_AKMZXW6YTBOI2DGNBVHA4Q_AAAA", "st_x"] {
        let answer = house.ask(Ask::new("GET", &content).bearer(&json!(token))).await;
        answer.problem(401, "token_invalid");
    }
    let content = format!("/v1/spaces/{}/content", crate::SPACE);
    let head = Ask::new("HEAD", &content).header("tus-resumable", "1.0.0");
    assert_eq!(house.ask(head.bearer(&json!("st_x"))).await.status, 401);
}
