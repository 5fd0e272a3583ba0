//! File names at every door that takes one, and as they are sent back (cases 2 and 3).

use auth::Signer;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    digest_of, document,
    house::{Answer, Ask, House},
    new_packet, one_round, text,
};

/// The doors that take a name.
const DOORS: [&str; 3] = ["multipart", "tus", "PUT"];
/// Their operations.
const OPERATIONS: [&str; 3] =
    ["POST /v1/packets", "POST /v1/spaces/{id}", "PUT /v1/spaces/{id}/content"];

/// A door that takes names and is not tried here is found missing.
#[test]
fn the_doors_that_take_a_name_are_those_of_the_document() {
    let mut doors = document::taking("multipart/form-data");
    doors.extend(document::with_header("Upload-Metadata"));
    assert_eq!(doors, OPERATIONS.map(str::to_owned).into());
}

/// Sends a packet whose content has a name as the client of that door writes it; the answer of the door that
/// took the name, and the packet where it was taken.
async fn send(house: &House, source: &Signer, door: &str, name: &str) -> (Answer, String) {
    if door == "multipart" {
        let form = one_round(&new_packet("H41.05"), "tin");
        let body = String::from_utf8(form.octets().to_vec()).expect("text");
        let name = name.replace('"', "%22");
        let form = form.body(body.replace("Công văn.txt", &name)).signed(source);
        let answer = house.ask(form).await;
        let packet = answer.json()["packet"].as_str().unwrap_or_default().to_owned();
        return (answer, packet);
    }
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(source);
    let opened = house.ask(opened).await.ok(201);
    let (packet, token) = (text(&opened, "/packet").to_owned(), &opened["space"]["token"]);
    let space = format!("/v1/spaces/{}", text(&opened, "/space/id"));
    let metadata = format!("filename {}", BASE64_STANDARD.encode(name));
    let taken = match door {
        "tus" => Ask::new("POST", &space)
            .header("tus-resumable", "1.0.0")
            .header("upload-length", "3")
            .header("content-type", "application/offset+octet-stream")
            .body("tin"),
        _ => Ask::new("PUT", format!("{space}/content"))
            .header("content-digest", auth::content_digest_sha256(&certs::sha256(b"tin")))
            .body("tin"),
    };
    let answer = house.ask(taken.header("upload-metadata", metadata).bearer(token)).await;
    if answer.status.is_success() {
        let commit = Ask::new("POST", format!("/v1/packets/{packet}/commit"));
        let commit = commit.json(json!({"digest": digest_of("tin"), "size": 3}));
        house.ask(commit.signed(source)).await.ok(200);
    }
    (answer, packet)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_comes_through_every_door_as_it_was_sent() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let long = format!("{}.pdf", "Quyết định ".repeat(18).trim_end());
    for (sent, old, new) in [
        ("Công văn số 12.pdf", "Cong van so 12.pdf", "C%C3%B4ng%20v%C4%83n%20s%E1%BB%91%2012.pdf"),
        ("C:\\Users\\an\\x.pdf", "x.pdf", "x.pdf"),
        ("a \"b\".txt", "a _b_.txt", "a%20%22b%22.txt"),
        (&long, &model::without_marks(&long), ""),
    ] {
        for door in DOORS {
            let (_, packet) = send(&house, &source, door, sent).await;
            let accept = Ask::new("POST", format!("/v1/packets/{packet}/accept"));
            let accept = accept.header("accept", "application/octet-stream").signed(&target);
            let fetched = house.ask(accept).await;
            let disposition = fetched.header("content-disposition");
            let expected = format!("attachment; filename=\"{old}\"; filename*=UTF-8''{new}");
            assert!(disposition.starts_with(&expected), "{door} {sent}: {disposition}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_a_name_is_none_is_told_at_every_door() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let long = "ệ".repeat(256);
    for (name, reason) in [
        (&*long, "cần từ 1 đến 255 ký tự"),
        ("..", "là tên thư mục"),
        ("a\u{202e}fdp.exe", "có ký tự đảo chiều chữ"),
        ("a\u{200b}/", "cần từ 1 đến 255 ký tự"),
    ] {
        for door in DOORS {
            let (answer, _) = send(&house, &source, door, name).await;
            assert!(answer.status.is_client_error(), "{door} {name}");
            let detail = text(&answer.json(), "/errors/0/detail").to_owned();
            assert_eq!(detail, reason, "{door} {name}");
        }
    }
}
