//! Strangers who ask to join write nothing: only a token that may be spent is worth an entry of the log.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    house::{Ask, House},
    text,
};

/// More than the node writes by itself meanwhile.
const STRANGERS: u64 = 40;

fn join(token: &str) -> Ask {
    let request = certs::NodeKey::generate().and_then(|key| key.request()).expect("a request");
    let body = json!({
        "token": token, "name": "x", "mesh_address": "127.0.0.1:1", "api_url": "https://127.0.0.1:1",
        "certificate_request": BASE64_STANDARD.encode(request), "dns_names": [], "ip_addresses": ["127.0.0.1"],
        "version": "0", "rules_max": machine::RULES_KNOWN.0,
    });
    Ask::new("POST", "/v1/cluster/join").json(body)
}

/// How far the log has grown.
async fn applied(house: &House) -> u64 {
    let status = house.ask(Ask::new("GET", "/v1/admin/status").signed(&house.admin)).await.ok(200);
    status["applied"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_would_join_writes_nothing() {
    let house = House::found().await;
    let made_up = || crate::house::made_up_token().to_string();
    let begun = applied(&house).await;
    for _ in 0..STRANGERS {
        house.ask(join(&made_up())).await.problem(401, "token_unknown");
    }
    let grown = applied(&house).await - begun;
    assert!(grown < STRANGERS / 2, "{STRANGERS} made-up tokens wrote {grown} entries");

    // A good one is spent once.
    let new = Ask::new("POST", "/v1/admin/join-tokens").json(json!({"minutes": 5}));
    let token: Value = house.ask(new.signed(&house.admin)).await.ok(201);
    house.ask(join(text(&token, "/token"))).await.ok(200);
    let begun = applied(&house).await;
    for _ in 0..STRANGERS {
        house.ask(join(text(&token, "/token"))).await.problem(401, "token_used");
    }
    let grown = applied(&house).await - begun;
    assert!(grown < STRANGERS / 2, "{STRANGERS} repeats of a spent token wrote {grown} entries");
}
