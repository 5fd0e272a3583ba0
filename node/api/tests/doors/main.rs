//! The API's doors on a real exchange: strangers, a packet's whole way, uploads, ranges, events, bad input.

#![allow(
    clippy::cast_possible_truncation,
    clippy::let_underscore_must_use,
    reason = "a test that fails says enough"
)]

mod at_limits;
mod bound;
mod by_whom;
mod circulars;
mod cut_off;
mod document;
mod exact;
mod feeds;
mod fetching;
mod floods;
mod granted;
mod house;
mod joining;
mod keyless;
mod kinds;
mod lacking;
mod limits;
mod lists;
mod malformed;
mod names;
mod queries;
mod reading;
mod receipts;
mod refusals;
mod rotations;
mod sockets;
mod stages;
mod submits;
mod table;
mod tokens;
mod told;
mod uploads;

use axum::body::Body;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::StreamExt;
use house::{Ask, House};
use serde_json::{Value, json};
use tower::ServiceExt;

const PACKET: &str = "pk_01KM3Z8Q9TC4V0J7N2XW5R6YAB";
const SPACE: &str = "sp_01KM3Z8Q9TF1S8E4D2C7B6A5GH";

fn text<'a>(json: &'a Value, pointer: &str) -> &'a str {
    json.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{pointer} is missing in {json}"))
}

fn new_packet(target: &str) -> Value {
    json!({"targets": [target], "title": "Công văn số 12", "importance": "urgent", "media_type": "text/plain"})
}

fn one_round(request: &Value, content: &str) -> Ask {
    let body = format!(
        "--xyz\r\nContent-Disposition: form-data; name=\"request\"\r\nContent-Type: application/json\r\n\r\n{request}\r\n\
         --xyz\r\nContent-Disposition: form-data; name=\"content\"; filename=\"Công văn.txt\"\r\n\r\n{content}\r\n--xyz--\r\n"
    );
    Ask::new("POST", "/v1/packets")
        .header("content-type", "multipart/form-data; boundary=xyz")
        .body(body)
}

fn digest_of(content: &str) -> String {
    certs::sha256(content.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_refuses_the_unsigned_but_the_named_ones() {
    let house = House::found().await;
    let routes = lgsp_api::documented_routes();
    assert!(routes.len() > 30);
    for (method, path, signed) in routes {
        let id = if path.contains("spaces") { SPACE } else { PACKET };
        let path = path
            .replace("{id}", id)
            .replace("{code}", "H41")
            .replace("{access_key}", "AKMZXW6YTBOI2DGNBVHA4Q");
        let ask = Ask::new(method, &path)
            .header("tus-resumable", "1.0.0")
            .header("content-type", "application/json");
        let answer = house.ask(ask.body("{}")).await;
        if signed {
            assert_eq!(answer.status, 401, "{method} {path}");
            assert!(answer.header("accept-signature").contains("lgsp-v1"));
            if method != "HEAD" {
                answer.problem(401, "signature_missing");
            }
        } else {
            assert_ne!(answer.status, 401, "{method} {path}");
        }
        assert!(!answer.status.is_server_error(), "{method} {path}: {answer:?}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.headers.contains_key("strict-transport-security"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_packet_goes_the_whole_way() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let sent = one_round(&new_packet("H41.05"), "xin chào")
        .header("idempotency-key", "don-1")
        .signed(&source);
    let sent = house.ask(sent).await.ok(201);
    let packet = text(&sent, "/packet").to_owned();
    assert_eq!(
        (text(&sent, "/state"), text(&sent, "/digest")),
        ("notified", &*digest_of("xin chào"))
    );
    let again = one_round(&new_packet("H41.05"), "xin chào")
        .header("idempotency-key", "don-1")
        .signed(&source);
    assert_eq!(text(&house.ask(again).await.ok(201), "/packet"), packet);
    let other =
        one_round(&new_packet("H41.05"), "khác").header("idempotency-key", "don-1").signed(&source);
    house.ask(other).await.problem(422, "idempotency_conflict");

    let inbox = house.ask(Ask::new("GET", "/v1/inbox?limit=1").signed(&target)).await.ok(200);
    assert_eq!((text(&inbox, "/items/0/packet"), &inbox["next"]), (&*packet, &Value::Null));
    assert_eq!(inbox["items"][0]["deliveries"].as_array().map(Vec::len), Some(1));
    let content = format!("/v1/packets/{packet}/content");
    house.ask(Ask::new("GET", &content).signed(&target)).await.problem(409, "not_accepted");

    let accept = || Ask::new("POST", format!("/v1/packets/{packet}/accept"));
    house.ask(accept().signed(&source)).await.problem(403, "not_granted");
    let octets =
        house.ask(accept().header("accept", "application/octet-stream").signed(&target)).await;
    assert_eq!((octets.status.as_u16(), &octets.body[..]), (200, "xin chào".as_bytes()));
    assert_eq!(
        octets.header("content-disposition"),
        "attachment; filename=\"Cong van.txt\"; filename*=UTF-8''C%C3%B4ng%20v%C4%83n.txt"
    );
    assert_eq!(octets.header("etag"), format!("\"sha256-{}\"", digest_of("xin chào")));
    let granted = house.ask(accept().signed(&target)).await.ok(200);

    let wrong = json!({"digest": digest_of("khác")});
    let confirm = || Ask::new("POST", format!("/v1/packets/{packet}/confirm"));
    house.ask(confirm().json(wrong).signed(&target)).await.problem(422, "digest_mismatch");
    let receipts = json!({"receipts": [
        {"packet": packet, "digest": digest_of("xin chào")},
        {"packet": PACKET, "digest": digest_of("xin chào")},
    ]});
    let results = Ask::new("POST", "/v1/confirmations")
        .header("accept-language", "en")
        .json(receipts)
        .signed(&target);
    let results = house.ask(results).await.ok(200);
    assert_eq!(
        (&results["results"][0]["ok"], &results["results"][1]["ok"]),
        (&true.into(), &false.into())
    );
    assert_eq!(results["results"][1]["word"], "packet_unknown");
    assert!(text(&results, "/results/1/detail").is_ascii());

    let gone = Ask::new("GET", &content).bearer(&granted["token"]);
    house.ask(gone).await.problem(410, "content_purged");
    let show =
        house.ask(Ask::new("GET", format!("/v1/packets/{packet}")).signed(&source)).await.ok(200);
    assert_eq!(
        (text(&show, "/state"), text(&show, "/deliveries/0/state")),
        ("completed", "confirmed")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_passes_once_and_strangers_see_nothing() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let stranger = house.party("H41.07", &["send", "receive"]).await;
    let ask = one_round(&new_packet("H41.05"), "một lần").signed(&source);
    let first = house.send(ask.request()).await.ok(201);
    house.send(ask.request()).await.problem(401, "nonce_reused");
    let show = format!("/v1/packets/{}", text(&first, "/packet"));
    house.ask(Ask::new("GET", &show).signed(&stranger)).await.problem(404, "packet_unknown");
    house.ask(Ask::new("GET", &show).signed(&target)).await.ok(200);
    house
        .ask(Ask::new("GET", "/v1/admin/status").signed(&stranger))
        .await
        .problem(403, "not_granted");
    let changed = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    house.ask(changed.body(r#"{"targets":[]}"#)).await.problem(400, "body_digest_mismatch");
    let moved = Ask::new("GET", "/v1/inbox").signed(&target).request();
    let (mut head, body) = moved.into_parts();
    head.uri = "/v1/packets".parse().expect("a target");
    let moved = house.send(axum::http::Request::from_parts(head, body)).await;
    assert_eq!(
        moved.problem(401, "signature_invalid")["base_sha256"].as_str().map(str::len),
        Some(64)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tus_upload_resumes_and_is_sealed() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened = house.ask(opened).await.ok(201);
    let (packet, space, token) =
        (text(&opened, "/packet"), text(&opened, "/space/id"), &opened["space"]["token"]);
    let (url, content) = (format!("/v1/spaces/{space}"), format!("/v1/spaces/{space}/content"));
    let tus = |method, target: &str| {
        Ask::new(method, target).header("tus-resumable", "1.0.0").bearer(token)
    };
    let patch = |offset: &str| {
        tus("PATCH", &content)
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", offset)
    };

    let name = BASE64_STANDARD.encode("Báo cáo.txt");
    let create = || {
        tus("POST", &url)
            .header("upload-length", "12")
            .header("upload-metadata", format!("filename {name}"))
    };
    house
        .ask(Ask::new("POST", &url).header("upload-length", "12").bearer(token))
        .await
        .problem(412, "tus_version");
    house
        .ask(tus("POST", &url).header("upload-defer-length", "1"))
        .await
        .problem(400, "tus_extension");
    let stranger = Ask::new("HEAD", &content).header("tus-resumable", "1.0.0");
    house.ask(stranger.bearer(&json!("st_wrong"))).await.problem(401, "token_invalid");
    let created = house.ask(create()).await;
    created.ok(201);
    assert_eq!(created.header("location"), format!("https://{}{content}", house::AUTHORITY));
    assert!(created.header("upload-expires").ends_with("GMT"));

    house
        .ask(
            patch("0")
                .header("upload-checksum", "sha1 Lve95gjOVATpfV8EL5X4nxwjKHE=")
                .body("Hello World?"),
        )
        .await
        .problem(460, "tus_checksum_mismatch");
    let half = house.ask(patch("0").body("Hello ")).await;
    half.ok(204);
    assert_eq!(half.header("upload-offset"), "6");
    let head = house.ask(tus("HEAD", &content)).await;
    assert_eq!((head.header("upload-offset"), head.header("upload-length")), ("6", "12"));
    assert_eq!(head.header("cache-control"), "no-store");
    let wrong = house.ask(patch("3").body("lo ")).await;
    assert_eq!(
        (wrong.problem(409, "offset_mismatch")["offset"].as_u64(), wrong.header("upload-offset")),
        (Some(6), "6")
    );
    house.ask(patch("x").body("lo ")).await.problem(400, "header_malformed");
    house
        .ask(tus("PATCH", &content).header("upload-offset", "6").body("x"))
        .await
        .problem(415, "media_type_unsupported");
    house.ask(patch("6").body("World! and more")).await.problem(413, "content_too_large");
    let sum = BASE64_STANDARD.encode(certs::sha256(b"World!"));
    let over = tus("POST", &content)
        .header("x-http-method-override", "PATCH")
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", "6")
        .header("upload-checksum", format!("sha256 {sum}"))
        .body("World!");
    let done = house.ask(over).await;
    done.ok(204);
    assert_eq!(done.header("upload-offset"), "12");

    let commit = |content: &str, size: u64| {
        Ask::new("POST", format!("/v1/packets/{packet}/commit"))
            .json(json!({"digest": digest_of(content), "size": size}))
    };
    house.ask(commit("khác", 12).signed(&source)).await.problem(422, "digest_mismatch");
    // No more than what was announced can come.
    house.ask(commit("Hello World!", 13).signed(&source)).await.problem(422, "size_mismatch");
    house.ask(commit("Hello World!", 12).signed(&source)).await.ok(200);
    house.ask(patch("12").body("!")).await.problem(403, "space_sealed");
    assert_eq!(house.ask(tus("HEAD", &content)).await.header("upload-offset"), "12");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_patch_counts_and_a_wrong_put_leaves_nothing() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened = house.ask(opened).await.ok(201);
    let content = format!("/v1/spaces/{}/content", text(&opened, "/space/id"));
    let token = &opened["space"]["token"];
    let put = |body: &'static str, of: &str| {
        let digest = auth::content_digest_sha256(&certs::sha256(of.as_bytes()));
        Ask::new("PUT", &content).bearer(token).header("content-digest", digest).body(body)
    };
    house
        .ask(Ask::new("PUT", &content).bearer(token).body("x"))
        .await
        .problem(400, "content_digest_missing");
    house.ask(put("xin chào", "khác")).await.problem(400, "body_digest_mismatch");
    // Without an announced length it streams, and what has streamed is taken back.
    let (mut head, _) = put("", "khác").request().into_parts();
    head.headers.remove("content-length");
    let pieces = futures_util::stream::iter([
        Ok::<_, std::io::Error>(Bytes::from("xin ")),
        Ok(Bytes::from("chào")),
    ]);
    let streamed = axum::http::Request::from_parts(head, Body::from_stream(pieces));
    house.send(streamed).await.problem(400, "body_digest_mismatch");

    let tus = |method| Ask::new(method, &content).header("tus-resumable", "1.0.0").bearer(token);
    assert_eq!(house.ask(tus("HEAD")).await.header("upload-offset"), "0");
    let patch = tus("PATCH")
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", "0");
    let (head, _) = patch.request().into_parts();
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let pieces = futures_util::stream::iter([Ok(Bytes::from("xin ")), Err(broken)]);
    let broken = axum::http::Request::from_parts(head, Body::from_stream(pieces));
    house.send(broken).await.problem(400, "body_incomplete");
    assert_eq!(house.ask(tus("HEAD")).await.header("upload-offset"), "4");
    house.ask(put("xIn chào", "xIn chào")).await.problem(409, "offset_mismatch");
    house.ask(tus("DELETE")).await.ok(204);
    house.ask(tus("HEAD")).await.problem(410, "content_purged");
    house
        .ask(
            tus("PATCH")
                .header("content-type", "application/offset+octet-stream")
                .header("upload-offset", "4")
                .body("c"),
        )
        .await
        .problem(410, "content_purged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_pushed_polled_and_resumed() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let send = || async {
        let sent = house.ask(one_round(&new_packet("H41.05"), "tin").signed(&source)).await.ok(201);
        text(&sent, "/packet").to_owned()
    };
    // At 1 and 2 stand the unit's application and its key.
    let first = send().await;
    let stream = |ask: Ask| {
        let (router, request) = (house.router.clone(), ask.signed(&target).request());
        async move {
            let response = router.oneshot(request).await.expect("an answer");
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            response.into_body().into_data_stream()
        }
    };
    let mut live =
        stream(Ask::new("GET", "/v1/events").header("accept", "text/event-stream")).await;
    let started = read(live.next().await);
    assert!(
        started.contains("session.started.v1")
            && started.contains("\"waiting\":1")
            && !started.contains("\nid:")
    );
    assert!(started.contains(&first) && started.starts_with("retry: 2000\n"));
    let second = send().await;
    let event = read(live.next().await);
    assert!(
        event.contains(&second)
            && event.contains("packet.available.v1")
            && event.ends_with("\nid: 4\n\n"),
        "{event}"
    );

    let mut back = stream(Ask::new("GET", "/v1/events").header("last-event-id", "3")).await;
    assert!(read(back.next().await).contains("session.started"));
    let resumed = read(back.next().await);
    assert!(resumed.contains(&second) && !resumed.contains(&first));
    let mut strange = stream(Ask::new("GET", "/v1/events").header("last-event-id", "99")).await;
    assert!(read(strange.next().await).contains("session.started"));
    let reset = read(strange.next().await);
    assert!(
        reset.contains("feed.reset.v1")
            && reset.contains("GET /v1/inbox")
            && reset.ends_with("\nid: 4\n\n")
    );

    let poll = |query: &str| {
        Ask::new("GET", format!("/v1/events?{query}"))
            .header("accept", "application/cloudevents-batch+json")
            .signed(&target)
    };
    let batch = house.ask(poll("after=2&wait=0")).await.ok(200);
    let packets: Vec<_> =
        batch.as_array().expect("a list").iter().map(|event| text(event, "/data/packet")).collect();
    assert_eq!(packets, [&*first, &*second]);
    assert_eq!(house.ask(poll("after=4&wait=0")).await.ok(200), json!([]));
    house.ask(poll("after=x")).await.problem(400, "query_malformed");
    house
        .ask(Ask::new("GET", "/v1/events").header("last-event-id", "x").signed(&target))
        .await
        .problem(400, "header_malformed");
    house
        .ask(Ask::new("GET", "/v1/events").header("accept", "image/png").signed(&target))
        .await
        .problem(406, "not_acceptable");

    let key = target.access_key();
    let revoke = Ask::new("POST", format!("/v1/admin/keys/{key}/revoke")).signed(&house.admin);
    let long = house.ask(poll("after=4&wait=30"));
    let (long, ()) = tokio::join!(long, async {
        house.ask(revoke).await.ok(200);
        assert!(live.next().await.is_none(), "a dead key's stream ends");
    });
    long.problem(401, "key_disabled");
    // 204 tells a client of server-sent events that it need not come back.
    let again = Ask::new("GET", "/v1/events").header("accept", "text/event-stream");
    assert!(house.ask(again.signed(&target)).await.ok(204).is_null());
    house.ask(poll("after=4&wait=0")).await.problem(401, "key_disabled");
    house.ask(Ask::new("GET", "/v1/inbox").signed(&target)).await.problem(401, "key_disabled");
}

fn read(octets: Option<Result<Bytes, axum::Error>>) -> String {
    let octets = octets.expect("the stream goes on").expect("the stream is well");
    String::from_utf8(octets.to_vec()).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_the_clients_and_is_told_in_its_language() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let post = |body: &str| {
        Ask::new("POST", "/v1/packets")
            .header("content-type", "application/json")
            .body(body.to_owned())
            .signed(&source)
    };
    house.ask(post("{")).await.problem(400, "json_malformed");
    let missing = house.ask(post(r#"{"targets":["H41.05"]}"#)).await;
    let missing = missing.problem(422, "fields_malformed");
    assert_eq!(missing["errors"], json!([{"pointer": "/title", "detail": "còn thiếu"}]));
    let fields = house
        .ask(post(r#"{"targets":["?"],"title":"","media_type":"x"}"#))
        .await
        .problem(422, "fields_malformed");
    let pointers: Vec<_> = fields["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| text(error, "/pointer"))
        .collect();
    assert_eq!(pointers, ["/targets/0", "/title", "/media_type"]);
    let unknown = post(&new_packet("H41.99").to_string());
    let unknown = house.ask(unknown).await;
    unknown.problem(404, "unit_unknown");
    assert_eq!(unknown.header("content-language"), "vi");
    let english = Ask::new("GET", "/v1/units/H41.99")
        .header("accept-language", "en-GB,en;q=0.9")
        .signed(&source);
    let english = house.ask(english).await;
    assert_eq!(english.problem(404, "unit_unknown")["title"], "There is no such unit");
    assert_eq!(english.header("content-language"), "en");

    house.ask(Ask::new("GET", "/v2")).await.problem(404, "route_unknown");
    let other = house.ask(Ask::new("DELETE", "/v1/packets")).await;
    other.problem(405, "method_not_allowed");
    assert!(other.header("allow").contains("POST"));
    house
        .ask(Ask::new("POST", "/v1/packets").body("x").signed(&source))
        .await
        .problem(415, "media_type_unsupported");
    house
        .ask(Ask::new("GET", "/v1/packets/pk_x").signed(&source))
        .await
        .problem(400, "id_malformed");
    house
        .ask(Ask::new("GET", "/v1/packets/%ff").signed(&source))
        .await
        .problem(400, "request_refused");
    house
        .ask(Ask::new("GET", "/v1/packets?limit=0").signed(&source))
        .await
        .problem(400, "query_malformed");
    house.ask(post(&" ".repeat(70_000))).await.problem(413, "body_too_large");
    house
        .ask(Ask::new("POST", "/v1/cluster/join").json(json!({"token": "jn_x"})))
        .await
        .problem(422, "fields_malformed");
    let joins = json!({"token": "jn_x", "name": "n", "mesh_address": "a:1", "api_url": "https://a", "certificate_request": "", "version": "0", "rules_max": 2});
    house
        .ask(Ask::new("POST", "/v1/cluster/join").json(joins))
        .await
        .problem(400, "join_token_malformed");
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = house.ask(Ask::new("GET", "/v1/inbox").header("traceparent", trace)).await;
    assert_eq!(
        traced.problem(401, "signature_missing")["trace_id"],
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_open_doors_and_browsers() {
    let house = House::found().await;
    assert_eq!(&house.ask(Ask::new("GET", "/livez")).await.body[..], b"ok\n");
    let known = house.ask(Ask::new("GET", "/.well-known/lgsp")).await.ok(200);
    assert_eq!(known["tags"], json!(["lgsp-v1"]));
    assert_eq!(known["limits"]["one_round_max"], conductor::ONE_ROUND_MAX);
    assert!(
        text(&house.ask(Ask::new("GET", "/openapi.json")).await.ok(200), "/openapi")
            .starts_with("3.1")
    );
    let metrics = house.ask(Ask::new("GET", "/metrics")).await;
    let metrics = String::from_utf8(metrics.body.to_vec()).expect("UTF-8");
    assert!(
        metrics
            .contains("lgsp_http_requests_total{route=\"/livez\",method=\"GET\",status=\"200\"} 1"),
        "{metrics}"
    );
    let offer = house.ask(Ask::new("OPTIONS", format!("/v1/spaces/{SPACE}"))).await;
    assert_eq!((offer.status.as_u16(), offer.header("tus-version")), (204, "1.0.0"));
    assert_eq!(
        offer.header("tus-extension"),
        "creation,creation-with-upload,checksum,expiration,termination"
    );
    assert!(offer.headers.get("access-control-allow-origin").is_none());

    let preflight = |origin: &str| {
        Ask::new("OPTIONS", format!("/v1/spaces/{SPACE}/content"))
            .header("origin", origin)
            .header("access-control-request-method", "PATCH")
    };
    let allowed = house.ask(preflight("https://console.example.vn")).await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://console.example.vn");
    assert!(allowed.header("access-control-allow-headers").contains("Upload-Offset"));
    let other = house.ask(preflight("https://evil.example")).await;
    assert!(other.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_directory_is_searched_without_marks_and_paged() {
    let house = House::found().await;
    for unit in ["H41.02", "H41.05", "H41.07"] {
        house.party(unit, &["send"]).await;
    }
    let page = |query: &str| Ask::new("GET", format!("/v1/units?{query}")).signed(&house.admin);
    let first = house.ask(page("limit=2")).await;
    assert!(first.header("link").ends_with("rel=\"next\""));
    let first = first.ok(200);
    assert_eq!((text(&first, "/items/0/code"), text(&first, "/items/1/code")), ("H41", "H41.02"));
    let second =
        house.ask(page(&format!("limit=2&cursor={}", text(&first, "/next")))).await.ok(200);
    assert_eq!((text(&second, "/items/0/code"), &second["next"]), ("H41.05", &Value::Null));
    let found = house.ask(page("q=don+vi+h41.07")).await.ok(200);
    assert_eq!(text(&found, "/items/0/code"), "H41.07");
    let status = house.ask(Ask::new("GET", "/v1/admin/status").signed(&house.admin)).await.ok(200);
    assert_eq!(text(&status, "/zone"), "H41");
    assert_eq!(status["nodes"].as_array().map(Vec::len), Some(1));
    assert_eq!(text(&status, "/nodes/0/role"), "leader");
}
