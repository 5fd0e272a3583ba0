//! One test for each kind of fault that the field has shown, at every door of the table.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::{
    document,
    house::{Answer, Ask, House},
    refusals::{SOON, status},
    sockets::{connect, serve, written},
    table::{Door, doors, places, with},
};

/// Texts that no line for people may hold (cases 2 and 4), and the word for each.
const HOSTILE: [(&str, &str); 7] = [
    ("a line break", "Công văn\n12"),
    ("a carriage return", "Công văn\r12"),
    ("a next line", "Công văn\u{85}12"),
    ("a line separator", "Công văn\u{2028}12"),
    ("a paragraph separator", "Công văn\u{2029}12"),
    ("an override", "Công văn\u{202e}fdp.exe"),
    ("an isolate", "Công văn\u{2066}fdp.exe"),
];
/// Longer than any text of a body, and shorter than a body may be.
const LONG: usize = 6_000;

/// The places of a body's texts.
fn texts(door: &Door) -> Vec<String> {
    let mut all = Vec::new();
    places(&door.body, "", &mut all);
    all.retain(|place| door.body.pointer(place).is_some_and(Value::is_string));
    all
}

/// That a refusal names the place, and why, in Vietnamese.
fn check_told(answer: &Answer, door: &Door, place: &str, what: &str) {
    let at = format!("{} {place}: {what}: {answer:?}", door.path);
    assert!(matches!(answer.status.as_u16(), 400 | 422), "{at}");
    let problem = answer.json();
    // A stranger who joins is told no more of its token and its request than that they are none.
    if ["join_token_malformed", "join_request_malformed"]
        .map(Value::from)
        .contains(&problem["word"])
    {
        assert!(["/token", "/certificate_request"].contains(&place), "{at}");
        return;
    }
    let error = problem["errors"].as_array().into_iter().flatten();
    let mut error = error.filter(|error| error["pointer"] == place);
    let detail = error.next().unwrap_or_else(|| panic!("{at}"))["detail"].as_str();
    assert!(detail.is_some_and(|detail| !detail.is_ascii()), "{at}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_at_any_door_breaks_a_line_or_reverses_it_or_has_no_end() {
    let house = House::found().await;
    let long = "ệ".repeat(LONG);
    for door in doors(&house).await {
        for place in texts(&door) {
            for (what, text) in HOSTILE.into_iter().chain([("a long text", &*long)]) {
                let body = with(&door.body, &place, &json!(text).to_string());
                check_told(&door.give(&house, body).await, &door, &place, what);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_reads_its_media_type_as_it_is_spoken() {
    let house = House::found().await;
    for door in doors(&house).await {
        let told = |answer: &Answer| (answer.status, answer.json()["word"].clone());
        let plain = told(&door.give(&house, door.body.to_string()).await);
        for kind in ["APPLICATION/json", "application/json;charset=utf-8", "application/json ; q=1"]
        {
            let answer = door.give_as(&house, kind, door.body.to_string()).await;
            assert_eq!(told(&answer), plain, "{} as {kind}", door.path);
        }
        for kind in ["text/plain", "application/jsonx", "application/x-www-form-urlencoded"] {
            let answer = door.give_as(&house, kind, door.body.to_string()).await;
            let problem = answer.problem(415, "media_type_unsupported");
            assert!(problem["expected"].to_string().contains("application/json"), "{problem}");
        }
    }
}

/// Every moment may be written in any offset, as Vietnam's clocks show it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_moment_may_be_written_with_any_offset() {
    let house = House::found().await;
    let mut tried = BTreeSet::new();
    for door in doors(&house).await {
        let told = |answer: &Answer| (answer.status, answer.json()["word"].clone());
        let plain = told(&door.give(&house, door.body.to_string()).await);
        for place in texts(&door) {
            let text = door.body.pointer(&place).and_then(Value::as_str).expect("a text");
            // A packet id may end in `Z` and hold a `T` too, but never a colon.
            let Some(utc) = text.strip_suffix('Z').filter(|text| text.contains(':')) else {
                continue;
            };
            for written in [format!("{utc}+00:00"), format!("{utc}-00:00"), format!("{utc}-07:00")]
            {
                let body = with(&door.body, &place, &json!(written).to_string());
                assert_eq!(told(&door.give(&house, body).await), plain, "{} {written}", door.path);
            }
            for wrong in [utc, "2026-13-01T00:00:00Z", "26/11/2026", "1795334851"] {
                let body = with(&door.body, &place, &json!(wrong).to_string());
                check_told(&door.give(&house, body).await, &door, &place, wrong);
            }
            tried.insert(document::name(&axum::http::Method::POST, &door.path));
        }
    }
    assert_eq!(tried.len(), 3, "{tried:?}");
}

/// Case 13 at every door that takes a body of any kind: who is refused is not asked for it first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_door_asks_a_stranger_for_a_body() {
    let house = House::found().await;
    let (_server, address, tls) = serve(&house).await;
    let operations = document::with_body();
    assert!(operations.len() > 15, "{operations:?}");
    for operation in operations {
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        let id = if path.contains("spaces") { crate::SPACE } else { crate::PACKET };
        let path = path
            .replace("/members/{id}", "/members/3")
            .replace("{id}", id)
            .replace("{code}", "H41")
            .replace("{access_key}", "AKMZXW6YTBOI2DGNBVHA4Q");
        let method = ["POST", "PUT", "PATCH"].into_iter().find(|known| *known == method);
        let ask = Ask::new(method.expect("it takes a body"), path)
            .header("tus-resumable", "1.0.0")
            .header("content-type", "application/json")
            .header("upload-offset", "0")
            .header("content-length", "50000000")
            .header("expect", "100-continue");
        let mut connection = connect(address, &tls, b"http/1.1").await;
        connection.write_all(&written(ask)).await.expect("it is taken");
        let status = tokio::time::timeout(SOON, status(&mut connection)).await;
        let status = status.expect("it is answered").expect("a status");
        assert!(matches!(status, 401 | 413 | 415), "{operation}: {status}");
    }
}
