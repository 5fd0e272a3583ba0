//! An application that may send to some units only: it touches nothing that is for others, at no door.

use serde_json::json;

use crate::{
    digest_of,
    house::{Ask, House},
    new_packet, one_round, text,
};

/// The doors of a source to a packet that there is, and what each is asked. A new one belongs here too.
const DOORS: [(&str, &str); 7] = [
    ("POST", "/v1/packets/{id}/commit"),
    ("POST", "/v1/packets/{id}/cancel"),
    ("POST", "/v1/spaces/{id}"),
    ("HEAD", "/v1/spaces/{id}/content"),
    ("PATCH", "/v1/spaces/{id}/content"),
    ("PUT", "/v1/spaces/{id}/content"),
    ("DELETE", "/v1/spaces/{id}/content"),
];
/// Doors of targets, and doors that only read.
const OTHERS: [(&str, &str); 9] = [
    ("GET", "/v1/packets/{id}"),
    ("GET", "/v1/packets/{id}/receipts"),
    ("POST", "/v1/packets/{id}/accept"),
    ("GET", "/v1/packets/{id}/content"),
    ("HEAD", "/v1/packets/{id}/content"),
    ("POST", "/v1/packets/{id}/confirm"),
    ("POST", "/v1/packets/{id}/reject"),
    ("OPTIONS", "/v1/spaces/{id}"),
    ("OPTIONS", "/v1/spaces/{id}/content"),
];

#[test]
fn every_door_to_a_packet_is_in_the_table() {
    for (method, path, _) in lgsp_api::documented_routes() {
        if path.starts_with("/v1/packets/{id}") || path.starts_with("/v1/spaces/{id}") {
            let known = DOORS.iter().chain(&OTHERS).any(|door| *door == (method, &*path));
            assert!(known, "{method} {path}: may an application bound to targets do it?");
        }
    }
}

fn asked(method: &'static str, path: &str, packet: &str, space: &str) -> Ask {
    let id = if path.starts_with("/v1/spaces") { space } else { packet };
    let ask = Ask::new(method, path.replace("{id}", id));
    match (method, path) {
        (_, "/v1/packets/{id}/commit") => {
            let later = "2026-01-01T00:00:00Z";
            let policy = json!({"deliver_by": later});
            ask.json(json!({"digest": digest_of("xin chào"), "size": 9, "policy": policy}))
        }
        ("POST", "/v1/spaces/{id}") => {
            ask.header("tus-resumable", "1.0.0").header("upload-length", "9")
        }
        ("PATCH", _) => ask
            .header("tus-resumable", "1.0.0")
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", "9")
            .body("!"),
        ("PUT", _) => ask.body("lén lút"),
        ("HEAD" | "DELETE", _) => ask.header("tus-resumable", "1.0.0"),
        _ => ask,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_application_began_for_others_is_not_touched() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    for unit in ["H41.04", "H41.05"] {
        house.party(unit, &["receive"]).await;
    }
    let bound = house.app("app-bound", "H41.02", &["send"], &["H41.04"]).await;
    let open = |targets: &[&str]| {
        let request = json!({"targets": targets, "title": "Mật", "media_type": "text/plain"});
        Ask::new("POST", "/v1/packets").json(request)
    };
    house.ask(open(&["H41.05"]).signed(&bound)).await.problem(403, "target_not_granted");
    let opened = house.ask(open(&["H41.04", "H41.05"]).signed(&source)).await.ok(201);
    let (packet, space) = (text(&opened, "/packet"), text(&opened, "/space/id"));
    let content = format!("/v1/spaces/{space}/content");
    let token = &opened["space"]["token"];
    let patch = |offset: &str, body: &'static str| {
        Ask::new("PATCH", &content)
            .header("tus-resumable", "1.0.0")
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", offset)
            .body(body)
            .bearer(token)
    };
    house.ask(patch("0", "xin ch")).await.ok(204);
    house.ask(patch("6", "ào")).await.ok(204);
    for (method, path) in DOORS {
        let answer = house.ask(asked(method, path, packet, space).signed(&bound)).await;
        assert_eq!(answer.status, 403, "{method} {path}: {:?}", answer.body);
        if method != "HEAD" {
            answer.problem(403, "target_not_granted");
        }
    }
    // Nothing was finished, taken over or taken back meanwhile.
    let commit = |by: &auth::Signer| {
        let body = json!({"digest": digest_of("xin chào"), "size": 9});
        let commit = Ask::new("POST", format!("/v1/packets/{packet}/commit"));
        house.ask(commit.json(body).signed(by))
    };
    commit(&source).await.ok(200);
    commit(&bound).await.problem(403, "target_not_granted");
    let show = house.ask(Ask::new("GET", format!("/v1/packets/{packet}")).signed(&source)).await;
    assert_eq!(show.ok(200)["sealed_by"], "app-h41-02");
    let sent = house.ask(one_round(&new_packet("H41.05"), "tin").signed(&source)).await.ok(201);
    let cancel = format!("/v1/packets/{}/cancel", text(&sent, "/packet"));
    house.ask(Ask::new("POST", &cancel).signed(&bound)).await.problem(403, "target_not_granted");
    house.ask(Ask::new("POST", &cancel).signed(&source)).await.ok(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_shows_who_has_sealed() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.04", &["receive"]).await;
    let bound = house.app("app-bound", "H41.02", &["send"], &["H41.04"]).await;
    let open = Ask::new("POST", "/v1/packets").json(new_packet("H41.04")).signed(&source);
    let opened = house.ask(open).await.ok(201);
    let (packet, space) = (text(&opened, "/packet"), text(&opened, "/space/id"));
    let put = Ask::new("PUT", format!("/v1/spaces/{space}/content")).body("xin chào");
    house.ask(put.signed(&bound)).await.ok(204);
    let commit = Ask::new("POST", format!("/v1/packets/{packet}/commit"))
        .json(json!({"digest": digest_of("xin chào"), "size": 9}));
    house.ask(commit.signed(&bound)).await.ok(200);
    let show = house.ask(Ask::new("GET", format!("/v1/packets/{packet}")).signed(&source)).await;
    let show = show.ok(200);
    assert_eq!((text(&show, "/app"), text(&show, "/sealed_by")), ("app-h41-02", "app-bound"));
}
