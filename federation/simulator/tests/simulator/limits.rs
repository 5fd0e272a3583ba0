//! Limits: what the axis' own SDK accepts is accepted, and no more.

use lgsp_simulator::{
    BODIES_OCTETS_MAX, BODY_OCTETS_MAX, CONNECTIONS_MAX, HEADERS_COUNT_MAX, Settings, Simulator,
    StartError,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wire::vxp::{Call, Code, HEADER_OCTETS_MAX, MessageType, Request};

use crate::{
    NOW,
    client::{Client, DOCUMENT, code, exchange, heard, sending, settings},
};

/// A request for this call with this header instead of a built one.
async fn with_header(client: &Client, name: &str, value: &str) -> Option<u16> {
    let secret = client.running.settings().secret_of("H41.08");
    let call = Call::AgenciesListQd20(1);
    let request = Request { system: code("H41.08"), at: NOW, call, extra: Vec::new() };
    let built = request.build(&secret).expect("a request");
    let mut headers: Vec<_> = built.headers.iter().map(|h| (h.name(), h.value())).collect();
    headers.push((name, value));
    let heard = client.try_http("POST", "/getAgenciesListQD20", &headers, b"").await?;
    assert!(
        heard.http != 200 || heard.json()["status"] == "OK" || heard.json()["status"] == "FAIL"
    );
    Some(match heard.http {
        200 if heard.json()["status"] == "FAIL" => 400,
        status => status,
    })
}

#[tokio::test]
async fn a_header_of_two_megabytes_is_accepted_and_a_longer_one_refused() {
    let client = Client::quiet(&[]).await;
    let mut long = "x".repeat(HEADER_OCTETS_MAX);
    assert_eq!(with_header(&client, "X-Long", &long).await, Some(200));
    long.push('x');
    assert_eq!(with_header(&client, "X-Long", &long).await, Some(400));
    let endless = "x".repeat(5 * HEADER_OCTETS_MAX);
    assert_eq!(with_header(&client, "X-Long", &endless).await, Some(431));
}

#[tokio::test]
async fn thousands_of_headers_are_accepted() {
    let client = Client::quiet(&[]).await;
    let secret = client.running.settings().secret_of("H41.08");
    let call = Call::SynchronizeUnit;
    let request = Request { system: code("H41.08"), at: NOW, call, extra: Vec::new() };
    let built = request.build(&secret).expect("a request");
    for (count, status) in [(HEADERS_COUNT_MAX - 64, 200), (HEADERS_COUNT_MAX, 431)] {
        let names: Vec<_> = (0..count).map(|number| format!("X-{number}")).collect();
        let mut headers: Vec<_> = built.headers.iter().map(|h| (h.name(), h.value())).collect();
        headers.extend(names.iter().map(|name| (name.as_str(), "1")));
        let heard = client.http("POST", "/getSynchronizeUnit", &headers, b"").await;
        assert_eq!(heard.http, status, "{count} headers");
    }
}

#[tokio::test]
async fn a_list_of_receivers_as_long_as_a_header_may_be_is_read() {
    let client = Client::quiet(&[]).await;
    let mut asked = sending("H41.08", MessageType::Document, DOCUMENT);
    // The signed object repeats the list with its quotes escaped, and may be no longer than a header either.
    let known = ["H41.101", "H41.230"].map(code);
    let receivers: Vec<Code> = known.iter().cycle().take(140_000).cloned().collect();
    asked.to = Some(receivers);
    let heard = client.try_call("H41.08", Call::SendEdoc(asked), DOCUMENT).await;
    let json = heard.expect("an answer").json();
    assert_eq!(json["status"], "OK", "{json}");
    assert_eq!(client.received("H41.101", MessageType::Document).await.len(), 1, "each once");
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_is_refused_before_it_comes() {
    let client = Client::quiet(&[]).await;
    let head = format!(
        "POST /sendEdoc HTTP/1.1\r\nHost: n\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        BODY_OCTETS_MAX + 1
    );
    let heard = exchange(client.running.address(), head.as_bytes()).await.expect("an answer");
    assert_eq!(heard.http, 413);
}

#[tokio::test]
async fn what_is_no_call_is_not_found() {
    let client = Client::quiet(&[]).await;
    assert_eq!(client.get("/nothing?secret=x").await.http, 404);
    let entry = client.ledger().await.remove(0);
    assert_eq!((&entry["what"], &entry["path"]), (&"unknown".into(), &"/nothing".into()));
    assert_eq!(client.get("/_sim/nothing").await.http, 404);
    assert_eq!(client.http("POST", "/_sim/clock", &[], b"sideways").await.http, 400);
    assert_eq!(client.get("/_sim/ledger?from=x").await.http, 400);
    assert!(client.running.address().ip().is_loopback());
}

#[tokio::test]
async fn the_clock_stays_where_times_can_be_written() {
    let client = Client::quiet(&[]).await;
    for (moved, now) in [
        ("forward 99999999 d", "9990/01/01 07:00:00.000"),
        ("forward 1 d", "9990/01/01 07:00:00.000"),
        ("back 99999999 d", "2025/07/01 00:00:00.000"),
    ] {
        let heard = client.http("POST", "/_sim/clock", &[], moved.as_bytes()).await;
        assert_eq!(heard.json()["now"], now, "{moved}");
    }
}

#[tokio::test]
async fn what_nobody_can_follow_is_refused_at_the_start() {
    let start = async |settings: Settings| Simulator::start(settings).await.map(drop);
    for text in ["H73=01:1s", "000.00.00.H37=01:1s", "H41.08=01:1s"] {
        let mut settings = settings();
        settings.bodies.set(text.parse().expect("a script"));
        let refused = start(settings).await;
        assert!(matches!(refused, Err(StartError::Script { .. })), "{text}: {refused:?}");
    }
    let provided = ["rest:x=http://127.0.0.1:1/", "soap:x=http://127.0.0.1:2/"];
    let provided = provided.map(|text| text.parse().expect("a service")).to_vec();
    let refused = start(Settings { provided, ..settings() }).await;
    assert!(matches!(refused, Err(StartError::Provided(_))), "{refused:?}");
    let scene = "at 1 s fault connection.accept=plain-http:1".parse().expect("a scene");
    let refused = start(Settings { scene: Some(scene), ..settings() }).await;
    assert!(matches!(refused, Err(StartError::Fault(_))), "{refused:?}");
}

/// Bodies that are announced take room only as long as they are as long as that, and questions take none.
#[tokio::test]
async fn many_bodies_of_unknown_length_do_not_keep_anybody_waiting() {
    let client = Client::quiet(&[]).await;
    let head = "POST /sendEdoc HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut begun = Vec::new();
    // As many as have room at a time, and they do not go on.
    for _ in 0..BODIES_OCTETS_MAX / BODY_OCTETS_MAX {
        let mut stream = TcpStream::connect(client.running.address()).await.expect("it listens");
        stream.write_all(head.as_bytes()).await.expect("sent");
        begun.push(stream);
    }
    assert_eq!(client.turn("vxp.getEdoc=slow:0").await.http, 200, "questions are answered");
    // One of them goes on, and its room is free for somebody else.
    begun[0].write_all(b"2\r\n{}\r\n0\r\n\r\n").await.expect("sent");
    assert!(begun[0].read(&mut [0; 512]).await.expect("an answer") > 0);
    let heard = client.http("POST", "/sendEdoc", &[], b"{}").await;
    assert_eq!(heard.json()["ErrorCode"], "10");
}

#[tokio::test]
async fn it_stops_with_every_connection_taken() {
    let client = Client::quiet(&[]).await;
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(client.running.address()).await.expect("it listens");
        stream.write_all(b"GET /_sim/faults HTTP/1.1\r\nHost: n\r\n\r\n").await.expect("sent");
        assert!(stream.read(&mut [0; 512]).await.expect("an answer") > 0);
        streams.push(stream);
    }
    client.running.stop().await;
    for mut stream in streams {
        let read = stream.read(&mut [0; 512]).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}

#[tokio::test]
async fn it_stops_and_its_port_is_free() {
    let client = Client::quiet(&[]).await;
    let address = client.running.address();
    client.running.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_client_that_waits_for_leave_to_send_its_body_gets_it() {
    let client = Client::quiet(&[]).await;
    let mut stream = TcpStream::connect(client.running.address()).await.expect("it listens");
    let request = "POST /_sim/clock HTTP/1.1\r\nHost: national\r\nExpect: 100-continue\r\n\
                   Connection: close\r\nContent-Length: 11\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("the head is sent");
    let mut leave = [0; 25];
    stream.read_exact(&mut leave).await.expect("leave comes before the body");
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"forward 1 h").await.expect("the body is sent");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("an answer");
    assert_eq!(heard(&rest).expect("an answer").json()["now"], "2026/11/29 09:30:15.000");
}

#[tokio::test]
async fn one_connection_carries_many_calls() {
    let client = Client::quiet(&[]).await;
    let mut stream = TcpStream::connect(client.running.address()).await.expect("it listens");
    for _ in 0..3 {
        stream.write_all(b"GET /_sim/faults HTTP/1.1\r\nHost: n\r\n\r\n").await.expect("sent");
        let mut all = Vec::new();
        while heard(&all).is_none_or(|heard| !heard.is_whole) {
            assert!(stream.read_buf(&mut all).await.expect("an answer") > 0, "it stays open");
        }
        assert_eq!(heard(&all).expect("an answer").http, 200);
    }
}
