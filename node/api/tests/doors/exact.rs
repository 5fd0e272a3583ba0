//! What could be read in two ways is refused, and what was signed is what counts.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    digest_of,
    house::{AUTHORITY, Ask, House, SECOND_AUTHORITY},
    new_packet, one_round, text,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_says_one_thing_comes_once() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened = house.ask(opened).await.ok(201);
    let content = format!("/v1/spaces/{}/content", text(&opened, "/space/id"));
    let token = opened["space"]["token"].as_str().expect("a token");
    let sum = |of: &str| format!("sha256 {}", BASE64_STANDARD.encode(certs::sha256(of.as_bytes())));
    let (right, wrong) = (sum("xin"), sum("chào"));
    let patch = || {
        Ask::new("PATCH", &content)
            .header("tus-resumable", "1.0.0")
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", "0")
            .header("authorization", format!("Bearer {token}"))
            .header("upload-checksum", &right)
            .body("xin")
    };
    for (name, second) in [
        ("upload-checksum", wrong.as_str()),
        ("upload-checksum", right.as_str()),
        ("host", "elsewhere.example.vn"),
        ("authorization", "Bearer st_other"),
        ("upload-offset", "0"),
        ("tus-resumable", "1.0.0"),
        ("content-type", "text/plain"),
    ] {
        let answer = house.send(patch().header(name, second).request()).await;
        assert_eq!(answer.problem(400, "header_malformed")["header"], name, "{name}");
    }
    let signed = Ask::new("GET", "/v1/packets").signed(&source).header("host", "elsewhere.vn");
    house.send(signed.request()).await.problem(400, "header_malformed");
    // Lists may come in pieces, and none of those above has written anything.
    let lists = patch().header("accept-language", "vi").header("accept-language", "en");
    let answer = house.send(lists.request()).await;
    answer.ok(204);
    assert_eq!(answer.header("upload-offset"), "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_media_type_is_the_signed_one() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let hint = format!("filetype {}", BASE64_STANDARD.encode("text/html"));
    for door in ["tus", "PUT"] {
        let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
        let opened = house.ask(opened).await.ok(201);
        let space = format!("/v1/spaces/{}", text(&opened, "/space/id"));
        let digest = auth::content_digest_sha256(&certs::sha256(b"xin"));
        if door == "tus" {
            let create = Ask::new("POST", &space).header("tus-resumable", "1.0.0");
            let create = create.header("upload-length", "3").header("upload-metadata", &hint);
            house.ask(create.bearer(&opened["space"]["token"])).await.ok(201);
        }
        let put = Ask::new("PUT", format!("{space}/content"))
            .header("content-digest", digest)
            .header("content-type", "text/html")
            .header("upload-metadata", &hint)
            .body("xin");
        house.send(put.bearer(&opened["space"]["token"]).request()).await.ok(204);
        let packet = text(&opened, "/packet");
        let commit = Ask::new("POST", format!("/v1/packets/{packet}/commit"))
            .json(json!({"digest": digest_of("xin"), "size": 3}));
        house.ask(commit.signed(&source)).await.ok(200);
        let accept = Ask::new("POST", format!("/v1/packets/{packet}/accept")).signed(&target);
        assert_eq!(house.ask(accept).await.ok(200)["media_type"], "text/plain");
        let content = Ask::new("GET", format!("/v1/packets/{packet}/content")).signed(&target);
        assert_eq!(house.send(content.request()).await.header("content-type"), "text/plain");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_file_name_is_another_request() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let send = |request: &serde_json::Value, name: &str| {
        let mut ask = one_round(request, "tin").header("idempotency-key", "don-1");
        let body = String::from_utf8(ask.octets().to_vec()).expect("text");
        ask = ask.body(body.replace("Công văn.txt", name));
        house.ask(ask.signed(&source))
    };
    let first = send(&new_packet("H41.05"), "a.txt").await.ok(201);
    let again = send(&new_packet("H41.05"), "a.txt").await.ok(201);
    assert_eq!(first["packet"], again["packet"]);
    send(&new_packet("H41.05"), "b.txt").await.problem(422, "idempotency_conflict");
    // Whatever else was asked for is in the fingerprint too.
    let with = |field: &str, value: serde_json::Value| {
        let mut request = new_packet("H41.05");
        request[field] = value;
        request
    };
    for request in [
        with("targets", json!(["H41.05", "H41.02"])),
        with("title", json!("Công văn khác")),
        with("importance", json!("flash")),
        with("media_type", json!("text/html")),
        with("policy", json!({"deliver_by": first["accepted_at"]})),
    ] {
        send(&request, "a.txt").await.problem(422, "idempotency_conflict");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn octets_behind_a_multipart_body_are_not_passed_over() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let cut = one_round(&new_packet("H41.05"), "real\r\n--xyz--\r\nhidden").signed(&source);
    house.ask(cut).await.problem(400, "multipart_malformed");
    let sent = house.ask(Ask::new("GET", "/v1/packets").signed(&source)).await.ok(200);
    assert_eq!(sent["items"], json!([]));
}

/// Case 10: what a header says does not hang on its case, its parameters, or on how many lines it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_is_read_as_it_is_spoken() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let json = new_packet("H41.05").to_string();
    for kind in ["Application/JSON", "application/json; charset=UTF-8", "application/json ;x"] {
        let open = Ask::new("POST", "/v1/packets").header("content-type", kind).body(json.clone());
        house.send(open.signed(&source).request()).await.ok(201);
    }
    let multipart = one_round(&new_packet("H41.05"), "xin");
    let body = multipart.octets().clone();
    let multipart = Ask::new("POST", "/v1/packets")
        .header("content-type", "Multipart/Form-Data; Charset=UTF-8; Boundary=\"xyz\"")
        .body(body);
    let sent = house.send(multipart.signed(&source).request()).await.ok(201);

    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened = house.ask(opened).await.ok(201);
    let content = format!("/v1/spaces/{}/content", text(&opened, "/space/id"));
    let token = text(&opened, "/space/token");
    let sum = BASE64_STANDARD.encode(certs::sha256(b"a"));
    let kinds = [
        "application/offset+octet-stream; charset=UTF-8",
        "Application/Offset+Octet-Stream",
        "application/offset+octet-stream ;",
    ];
    for (offset, kind) in kinds.into_iter().enumerate() {
        let patch = Ask::new("POST", &content)
            .header("x-http-method-override", ["PATCH", "patch", "Patch"][offset])
            .header("tus-resumable", "1.0.0")
            .header("authorization", format!("{}  {token}", ["bearer", "BEARER", "Bearer"][offset]))
            .header("content-type", kind)
            .header("upload-offset", offset.to_string())
            .header("upload-checksum", format!("{}  {sum}", ["sha256", "SHA256", "Sha256"][offset]))
            .body("a");
        house.send(patch.request()).await.ok(204);
    }
    let wrong = auth::content_digest_sha512(&[0; 64]);
    let put = Ask::new("PUT", &content)
        .header("authorization", format!("Bearer {token}"))
        .header("content-digest", auth::content_digest_sha256(&certs::sha256(b"aaa")))
        .body("aaa");
    // A list in two lines is one list: none of its members is passed over.
    let answer = house.send(put.header("content-digest", wrong).request()).await;
    answer.problem(400, "body_digest_mismatch");

    let packet = text(&sent, "/packet");
    let accept = |kind: &str| {
        let accept = Ask::new("POST", format!("/v1/packets/{packet}/accept"));
        house.send(accept.header("accept", kind).signed(&target).request())
    };
    for kind in ["Application/Octet-Stream", "text/html, application/octet-stream ; Q=0.1"] {
        accept(kind).await.ok_octets("xin");
    }
    for kind in ["application/octet-stream;Q=0", "application/octet-stream ; q=0.00"] {
        assert_eq!(accept(kind).await.header("content-type"), "application/json");
    }
    let get = Ask::new("GET", format!("/v1/packets/{packet}/content"));
    let get = get.header("range", "Bytes = 0-1").signed(&target);
    assert_eq!(house.send(get.request()).await.status, 206);
}

/// Case 9: whoever is behind one name of the cluster may not know its others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn urls_begin_with_the_name_that_was_called() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let sent = house.ask(one_round(&new_packet("H41.05"), "tin").signed(&source)).await.ok(201);
    let accept = format!("/v1/packets/{}/accept", text(&sent, "/packet"));
    for (called, url) in [
        (AUTHORITY, AUTHORITY),
        ("LGSP.example.vn:443", AUTHORITY),
        (SECOND_AUTHORITY, SECOND_AUTHORITY),
        ("LocalHost:8443", SECOND_AUTHORITY),
    ] {
        let url = format!("https://{url}");
        let open = Ask::new("POST", "/v1/packets").at(called).json(new_packet("H41.05"));
        let opened = house.ask(open.signed(&source)).await.ok(201);
        let space = format!("/v1/spaces/{}", text(&opened, "/space/id"));
        assert_eq!(text(&opened, "/space/url"), format!("{url}{space}"));
        assert_eq!(text(&opened, "/space/upload_url"), format!("{url}{space}/content"));
        let create = Ask::new("POST", &space)
            .at(called)
            .header("tus-resumable", "1.0.0")
            .header("upload-length", "3")
            .bearer(&opened["space"]["token"]);
        let created = house.ask(create).await;
        assert_eq!(created.header("location"), format!("{url}{space}/content"));
        let granted = house.ask(Ask::new("POST", &accept).at(called).signed(&target)).await.ok(200);
        assert!(text(&granted, "/content_url").starts_with(&url), "{granted}");
    }
    // A token is no signature of a name: who calls by one of nobody's is told one of ours.
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened = house.ask(opened).await.ok(201);
    let create = Ask::new("POST", format!("/v1/spaces/{}", text(&opened, "/space/id")))
        .at("evil.example")
        .header("tus-resumable", "1.0.0")
        .header("upload-length", "3")
        .bearer(&opened["space"]["token"]);
    let created = house.ask(create).await;
    assert!(created.header("location").starts_with(&format!("https://{AUTHORITY}/v1/")));
}

/// A request proposes something only with the body that was signed, also where it has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_space_is_given_up_by_the_request_that_was_signed_whole() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened = house.ask(opened).await.ok(201);
    let content = format!("/v1/spaces/{}/content", text(&opened, "/space/id"));
    let give_up = || Ask::new("DELETE", &content).header("tus-resumable", "1.0.0");
    let of_another_body = give_up().body("x").signed(&source).body("");
    house.ask(of_another_body).await.problem(400, "body_digest_mismatch");
    let packet = format!("/v1/packets/{}", text(&opened, "/packet"));
    let show = || Ask::new("GET", &packet).signed(&source);
    assert_eq!(house.ask(show()).await.ok(200)["state"], "awaiting_content");
    house.ask(give_up().signed(&source)).await.ok(204);
    assert_eq!(house.ask(show()).await.ok(200)["state"], "cancelled");
}
