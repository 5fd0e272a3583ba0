//! Uploads that are repeated or checked.

use auth::Signer;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use tower::ServiceExt;

use crate::{
    SPACE, digest_of,
    house::{Ask, House},
    new_packet, text,
    tokens::{received, stalled, until_received},
};

/// A node, and the key of an office that sends to `H41.05`.
async fn offices() -> (House, Signer) {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    (house, source)
}

/// What a packet whose content comes next was answered.
async fn open(house: &House, source: &Signer) -> Value {
    let asked = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(source);
    house.ask(asked).await.ok(201)
}

/// A request of tus with the token of a packet's space.
fn tus(opened: &Value, method: &'static str, target: &str) -> Ask {
    Ask::new(method, target).header("tus-resumable", "1.0.0").bearer(&opened["space"]["token"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_whose_answer_was_lost_is_answered_again() {
    let (house, source) = offices().await;
    let opened = open(&house, &source).await;
    let content = format!("/v1/spaces/{}/content", text(&opened, "/space/id"));
    let put = |body: &'static str| {
        let digest = auth::content_digest_sha256(&certs::sha256(body.as_bytes()));
        Ask::new("PUT", &content)
            .bearer(&opened["space"]["token"])
            .header("content-digest", digest)
            .body(body)
    };
    for _ in 0..2 {
        let answer = house.ask(put("xin chào")).await;
        answer.ok(204);
        assert_eq!(answer.header("upload-offset"), "9");
    }
    house.ask(put("xin")).await.problem(422, "size_mismatch");
    house.ask(put("xin chao!")).await.problem(409, "offset_mismatch");
    // The digest of what is here does not stand for another body.
    let other = put("xin chào").body("xin chao!");
    house.ask(other).await.problem(409, "offset_mismatch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_chunk_counts_with_its_checksum_and_not_without() {
    let (house, source) = offices().await;
    let opened = open(&house, &source).await;
    let content = format!("/v1/spaces/{}/content", text(&opened, "/space/id"));
    let tus = |method| tus(&opened, method, &content);
    // More than is held, so it streams.
    let large = "x".repeat((4 << 20) + 1);
    let patch = |sum_of: &str| {
        let sum = BASE64_STANDARD.encode(certs::sha256(sum_of.as_bytes()));
        tus("PATCH")
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", "0")
            .header("upload-checksum", format!("sha256 {sum}"))
            .body(large.clone())
    };
    house.ask(patch("y")).await.problem(460, "tus_checksum_mismatch");
    assert_eq!(house.ask(tus("HEAD")).await.header("upload-offset"), "0");
    let answer = house.ask(patch(&large)).await;
    answer.ok(204);
    assert_eq!(answer.header("upload-offset"), large.len().to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_is_repeated_or_refused_and_never_ignored() {
    let (house, source) = offices().await;
    let opened = open(&house, &source).await;
    let url = format!("/v1/spaces/{}", text(&opened, "/space/id"));
    let content = format!("{url}/content");
    let tus = |method, target: &str| tus(&opened, method, target);
    let head = async || house.ask(tus("HEAD", &content)).await;
    let unknown = head().await;
    assert_eq!(unknown.header("upload-defer-length"), "1");
    assert!(unknown.headers.get("upload-length").is_none());

    // That HEAD made this node the writer without a size; the creation tells it.
    let create = |size: &str| tus("POST", &url).header("upload-length", size);
    house.ask(create("12")).await.ok(201);
    house.ask(create("12")).await.ok(201);
    house.ask(create("13")).await.problem(422, "size_mismatch");
    let known = head().await;
    assert_eq!((known.header("upload-length"), known.header("upload-offset")), ("12", "0"));
    assert!(known.headers.get("upload-defer-length").is_none());

    let with_upload =
        || create("12").header("content-type", "application/offset+octet-stream").body("Hello ");
    let location = format!("https://{}{content}", crate::house::AUTHORITY);
    let first = house.ask(with_upload()).await;
    first.ok(201);
    let repeated = house.ask(with_upload()).await;
    repeated.problem(409, "offset_mismatch");
    for answer in [first, repeated] {
        assert_eq!((answer.header("location"), answer.header("upload-offset")), (&*location, "6"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_size_that_comes_late_does_not_cut_what_is_here() {
    let (house, source) = offices().await;
    let opened = open(&house, &source).await;
    let url = format!("/v1/spaces/{}", text(&opened, "/space/id"));
    let content = format!("{url}/content");
    let tus = |method, target: &str| tus(&opened, method, target);
    let patch = |offset: &str, body: &'static str| {
        let patch = tus("PATCH", &content).header("upload-offset", offset).body(body);
        patch.header("content-type", "application/offset+octet-stream")
    };
    house.ask(patch("0", "Hello ")).await.ok(204);
    let create = |size: &str| tus("POST", &url).header("upload-length", size);
    house.ask(create("5")).await.problem(422, "size_mismatch");
    house.ask(create("12")).await.ok(201);
    assert_eq!(house.ask(tus("HEAD", &content)).await.header("upload-offset"), "6");
    assert_eq!(house.ask(patch("6", "World!")).await.header("upload-offset"), "12");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_a_space_says_which_tus_it_is() {
    let house = House::found().await;
    let content = format!("/v1/spaces/{SPACE}/content");
    let space = format!("/v1/spaces/{SPACE}");
    let unknown = json!("st_wrong");
    for (ask, status) in [
        (Ask::new("HEAD", &content), 401),
        (Ask::new("HEAD", &content).header("tus-resumable", "1.0.0").bearer(&unknown), 401),
        (Ask::new("PATCH", &content).bearer(&unknown), 412),
        (Ask::new("HEAD", "/v1/spaces/x/content").bearer(&unknown), 400),
        (Ask::new("PUT", &content).bearer(&unknown), 401),
        (Ask::new("GET", &space), 405),
        (Ask::new("OPTIONS", &space), 204),
    ] {
        let answer = house.ask(ask).await;
        assert_eq!((answer.status.as_u16(), answer.header("tus-resumable")), (status, "1.0.0"));
    }
    assert!(house.ask(Ask::new("GET", "/livez")).await.headers.get("tus-resumable").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_goes_on_where_a_dead_node_has_left_off() {
    let (house, source) = offices().await;
    // Larger than what is held before it counts.
    let whole: Vec<u8> = (0..5 << 20).map(|at: u32| (at / 7) as u8).collect();
    let mut altered = whole.clone();
    altered[9] ^= 1;
    for begun in [1, 300_000, whole.len()] {
        let opened = open(&house, &source).await;
        let content = format!("/v1/spaces/{}/content", text(&opened, "/space/id"));
        // What a takeover leaves of a body that did not arrive whole looks like a piece of it.
        let piece = tus(&opened, "PATCH", &content)
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", "0")
            .body(whole[..begun].to_vec());
        house.ask(piece).await.ok(204);
        let put = |body: &[u8]| {
            Ask::new("PUT", &content)
                .bearer(&opened["space"]["token"])
                .header("content-digest", auth::content_digest_sha256(&certs::sha256(body)))
        };
        if begun > 9 {
            let other = put(&altered).body(altered.clone());
            house.ask(other).await.problem(409, "offset_mismatch");
        }
        let lying = put(&altered).body(whole.clone());
        house.ask(lying).await.problem(400, "body_digest_mismatch");
        for _ in 0..2 {
            let answer = house.ask(put(&whole).body(whole.clone())).await;
            answer.ok(204);
            assert_eq!(answer.header("upload-offset"), whole.len().to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_in_a_space_passes_once() {
    let (house, source) = offices().await;
    let opened = open(&house, &source).await;
    let space = format!("/v1/spaces/{}", text(&opened, "/space/id"));
    let content = format!("{space}/content");
    let create = Ask::new("POST", &space).header("tus-resumable", "1.0.0");
    let create = create.header("upload-length", "9").signed(&source);
    let patch = Ask::new("PATCH", &content)
        .header("tus-resumable", "1.0.0")
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", "0")
        .body("xin ")
        .signed(&source);
    let put = Ask::new("PUT", &content).body("xin chào").signed(&source);
    for (asked, status, again) in [
        (create, 201, (401, "nonce_reused")),
        // What does not go on where the content ends is refused before anything else.
        (patch, 204, (409, "offset_mismatch")),
        (put, 204, (401, "nonce_reused")),
    ] {
        house.send(asked.request()).await.ok(status);
        for _ in 0..2 {
            house.send(asked.request()).await.problem(again.0, again.1);
        }
    }
    // Whoever holds the token goes on where the signed ones have left off.
    let head = Ask::new("HEAD", &content).header("tus-resumable", "1.0.0");
    let head = house.ask(head.bearer(&opened["space"]["token"])).await;
    assert_eq!(head.header("upload-offset"), "9");
}

/// Far less than the time after which a silent connection, or another request, is given up.
const AT_ONCE: std::time::Duration = std::time::Duration::from_millis(500);

/// Case 11: a holder that has gone silent, at each door that writes, and whoever comes after it with the same
/// right.
#[tokio::test(start_paused = true)]
async fn a_silent_upload_gives_way_to_a_newer_one() {
    let (house, source) = offices().await;
    let digest = auth::content_digest_sha256(&certs::sha256("xin chào".as_bytes()));
    let sum = format!("sha256 {}", BASE64_STANDARD.encode(certs::sha256("xin chào".as_bytes())));
    for holder in ["PATCH", "signed", "held", "streamed", "PUT", "creation"] {
        for newer in ["PATCH", "signed", "PUT", "commit"] {
            let case = format!("{newer} after {holder}");
            let opened = open(&house, &source).await;
            let space = format!("/v1/spaces/{}", text(&opened, "/space/id"));
            let content = format!("{space}/content");
            let tus = |method, target: &str| tus(&opened, method, target);
            let octets = |ask: Ask| ask.header("content-type", "application/offset+octet-stream");
            let at = |offset: &str| octets(tus("PATCH", &content).header("upload-offset", offset));
            let signed = |offset: &str| {
                let ask = Ask::new("PATCH", &content).header("tus-resumable", "1.0.0");
                octets(ask.header("upload-offset", offset))
            };
            let put = || {
                Ask::new("PUT", &content)
                    .bearer(&opened["space"]["token"])
                    .header("content-digest", &*digest)
            };
            let (ask, length) = match holder {
                "PATCH" => (at("0"), None),
                "signed" => (signed("0").body("xin chào").signed(&source), None),
                "held" => (at("0").header("upload-checksum", &*sum), Some(9)),
                "streamed" => (at("0").header("upload-checksum", &*sum), None),
                "PUT" => (put(), None),
                _ => (octets(tus("POST", &space).header("upload-length", "9")), None),
            };
            let before = received(&house).await;
            let older = tokio::spawn(house.router.clone().oneshot(stalled(ask, b"xi", length)));
            until_received(&house, before + 2).await;

            // What came without a promise is kept.
            let kept = if matches!(holder, "PATCH" | "creation") { "2" } else { "0" };
            let came = tokio::time::Instant::now();
            match newer {
                "PATCH" | "signed" => {
                    let piece = |offset: &str, body: &'static str| match newer {
                        "PATCH" => at(offset).body(body),
                        _ => signed(offset).body(body).signed(&source),
                    };
                    let answer = house.ask(piece("1", "n")).await;
                    answer.problem(409, "offset_mismatch");
                    assert_eq!(answer.header("upload-offset"), kept, "{case}");
                    let rest = if kept == "2" { "n chào" } else { "xin chào" };
                    house.ask(piece(kept, rest)).await.ok(204);
                }
                "PUT" => drop(house.ask(put().body("xin chào")).await.ok(204)),
                _ => {
                    let commit = Ask::new(
                        "POST",
                        format!("/v1/packets/{}/commit", text(&opened, "/packet")),
                    );
                    let whole = json!({"digest": digest_of("xin chào"), "size": 9});
                    let answer = house.ask(commit.json(whole).signed(&source)).await;
                    let told = answer.problem(409, "content_incomplete");
                    let have = kept.parse::<u64>().expect("a number");
                    assert_eq!((&told["have"], &told["want"]), (&json!(have), &json!(9)));
                }
            }
            assert!(came.elapsed() < AT_ONCE, "{case}: {:?}", came.elapsed());
            let answer = older.await.expect("no panic").expect("an answer");
            assert_eq!(answer.status(), 423, "{case}: the older one hears of it");
        }
    }
}

/// Who only asks how far a space is ends nobody's upload.
#[tokio::test(start_paused = true)]
async fn a_head_leaves_an_upload_alone() {
    let (house, source) = offices().await;
    let opened = open(&house, &source).await;
    let content = format!("/v1/spaces/{}/content", text(&opened, "/space/id"));
    let patch = tus(&opened, "PATCH", &content)
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", "0");
    let (body, rest) = tokio::sync::mpsc::channel::<Result<&'static str, std::io::Error>>(1);
    let (head, _) = patch.request().into_parts();
    let mut rest = rest;
    let rest = futures_util::stream::poll_fn(move |cx| rest.poll_recv(cx));
    let request = axum::http::Request::from_parts(head, axum::body::Body::from_stream(rest));
    let before = received(&house).await;
    let under_way = tokio::spawn(house.router.clone().oneshot(request));
    body.send(Ok("xin ")).await.expect("it is awaited");
    until_received(&house, before + 4).await;
    for _ in 0..3 {
        assert_eq!(house.ask(tus(&opened, "HEAD", &content)).await.header("upload-offset"), "0");
    }
    body.send(Ok("chào")).await.expect("it is awaited");
    drop(body);
    let answer = under_way.await.expect("no panic").expect("an answer");
    assert_eq!((answer.status().as_u16(), &answer.headers()["upload-offset"]), (204, &9.into()));
}
