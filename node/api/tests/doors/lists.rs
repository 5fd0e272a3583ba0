//! Lists read views: none of them holds the lock under which entries are applied (C6).
//!
//! In a build with debug assertions, as tests have, a read under that lock panics as soon as it is more than
//! a few rows, so a list here is longer than those.

use auth::Signer;
use serde_json::{Value, json};

use crate::{
    house::{Ask, House},
    new_packet, one_round, text,
};

/// More packets than a locked read may have rows.
const PACKETS: usize = 150;

async fn list(house: &House, target: &str, signer: &Signer) -> Vec<Value> {
    let answer = house.ask(Ask::new("GET", target).signed(signer)).await.ok(200);
    answer["items"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lists_are_answered_whole_and_hold_no_lock() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    for _ in 0..PACKETS {
        house.ask(one_round(&new_packet("H41.05"), "mật").signed(&source)).await.ok(201);
    }
    let sent = list(&house, "/v1/packets?limit=200", &source).await;
    let inbox = list(&house, "/v1/inbox?limit=200", &target).await;
    assert_eq!((sent.len(), inbox.len()), (PACKETS, PACKETS));
    let events = Ask::new("GET", "/v1/events?after=0&limit=200&wait=0")
        .header("accept", "application/cloudevents-batch+json");
    let events = house.ask(events.signed(&target)).await.ok(200);
    // Beside those of its own key and application.
    let events = events.as_array().expect("a batch").iter();
    let sent = events.filter(|event| text(event, "/type").contains(".packet."));
    assert_eq!(sent.count(), PACKETS);

    // What has ended is listed with who owes it: more rows a packet, and a debt each until it is paid.
    let confirmed: Vec<_> = inbox.iter().map(|packet| text(packet, "/packet")).collect();
    for packet in &confirmed {
        let accept = Ask::new("POST", format!("/v1/packets/{packet}/accept"));
        house.ask(accept.signed(&target)).await.ok(200);
    }
    let digest = crate::digest_of("mật");
    let receipts: Vec<_> =
        confirmed.iter().map(|packet| json!({"packet": packet, "digest": digest})).collect();
    let confirm = Ask::new("POST", "/v1/confirmations").json(json!({"receipts": receipts}));
    house.ask(confirm.signed(&target)).await.ok(200);
    let sent = list(&house, "/v1/packets?limit=200", &source).await;
    assert!(sent.iter().all(|packet| packet["state"] == "completed"), "{sent:?}");
    crate::house::until("all debts are paid", async || {
        let status = Ask::new("GET", "/v1/admin/status").signed(&house.admin);
        house.ask(status).await.ok(200)["nodes"][0]["purge_debt"] == 0
    })
    .await;
    assert!(list(&house, "/v1/inbox?limit=200", &target).await.is_empty());
}
