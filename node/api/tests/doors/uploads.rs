//! Uploads that are repeated or checked.

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    house::{Ask, House},
    new_packet, text,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_whose_answer_was_lost_is_answered_again() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened = house.ask(opened).await.ok(201);
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
    house.ask(put("xin")).await.problem(409, "offset_mismatch");
    house.ask(put("xin chao!")).await.problem(409, "offset_mismatch");
    // The digest of what is here does not stand for another body.
    let other = put("xin chào").body("xin chao!");
    house.ask(other).await.problem(400, "body_digest_mismatch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_chunk_counts_with_its_checksum_and_not_without() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened = house.ask(opened).await.ok(201);
    let content = format!("/v1/spaces/{}/content", text(&opened, "/space/id"));
    let tus = |method| {
        Ask::new(method, &content)
            .header("tus-resumable", "1.0.0")
            .bearer(&opened["space"]["token"])
    };
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
