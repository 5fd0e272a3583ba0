//! The ledger: everything in order, nothing secret, and the same for the same seed.

use lgsp_simulator::{Seed, Settings};
use wire::{
    gateway::{Style, TokenRequest},
    vxp::{Acknowledgement, Call, MessageType},
};

use crate::client::{Client, settings};

/// An afternoon: documents, answers, faults, and a clock that is moved.
async fn afternoon(seed: u64) -> String {
    let faults = ["vxp.sendEdoc=duplicate:0.5", "vxp.getReceivedEdocList=forgetful:0.5"];
    let faults = faults.iter().map(|fault| fault.parse().expect("a fault")).collect();
    let client = Client::new(Settings { seed: Seed(seed), faults, ..settings() }).await;
    for _ in 0..6 {
        client.send_document().await;
        client.forward("20 min").await;
        for row in client.received("H41.08", MessageType::Status).await {
            client.fetch("H41.08", &row.document).await;
            client.acknowledge("H41.08", &row.document, Acknowledgement::Done).await;
        }
    }
    client.turn("vxp.getAgenciesList=lost-answer:0.5").await;
    for _ in 0..6 {
        client.try_call("H41.08", Call::AgenciesList(None), b"").await;
    }
    let (name, secret) = client.running.settings().gateway_client();
    let token = TokenRequest::new(Style::Json, name, secret, None).expect("a request").build();
    let headers: Vec<_> = token.headers.iter().map(|h| (h.name(), h.value())).collect();
    client.http("POST", "/token", &headers, token.body.as_bytes()).await;
    let consumer = [("X-Road-Client", "VN/GOV/000.00.00.H41/lgsp")];
    for service in ["vpcpdvcprovider/echo", "troubles/network_error"] {
        let target = format!("/r1/VN/GOV/000.00.00.G22/{service}");
        client.http("POST", &target, &consumer, b"hello").await;
    }
    client.get("/_sim/ledger").await.text()
}

#[tokio::test]
async fn two_runs_from_one_seed_are_alike_and_another_seed_is_not() {
    let first = afternoon(7).await;
    assert!(first.len() > 20_000, "{}", first.len());
    assert_eq!(first, afternoon(7).await);
    assert_ne!(first, afternoon(8).await);
}

#[tokio::test]
async fn every_call_and_document_stands_in_it_in_order_and_no_secret() {
    let client = Client::quiet(&[]).await;
    let id = client.send_document().await;
    let row = client.received("H41.101", MessageType::Document).await.remove(0);
    client.fetch("H41.101", &row.document).await;
    let entries = client.ledger().await;
    let numbers: Vec<_> = entries.iter().map(|entry| entry["n"].as_u64()).collect();
    assert_eq!(numbers, (0..entries.len() as u64).map(Some).collect::<Vec<_>>());
    let said = |name: &str| entries.iter().filter_map(|e| e[name].as_str()).collect::<Vec<_>>();
    assert_eq!(said("event"), ["delivered", "delivered"]);
    assert_eq!(said("call"), ["sendEdoc", "getReceivedEdocList", "getEdoc"]);
    assert_eq!(said("caller"), ["H41.08", "H41.101", "H41.101"]);
    assert!(said("document").contains(&id.as_str()));
    assert!(entries.iter().all(|entry| entry["at"] == "2026/11/29 08:30:15.000"));
    let text = client.get("/_sim/ledger").await.text();
    for code in ["H41.08", "H41.101"] {
        assert!(!text.contains(client.running.settings().secret_of(code).expose()));
    }
    let page = client.get("/_sim/ledger?from=4").await.json();
    assert_eq!((&page["entries"][0]["n"], &page["next"]), (&4.into(), &entries.len().into()));
}

#[tokio::test]
async fn refusals_and_faults_stand_in_it() {
    let client = Client::quiet(&["vxp.getAgenciesList=lost-answer:1"]).await;
    client.try_call("H41.08", Call::AgenciesList(None), b"").await;
    client.try_call("G99", Call::SynchronizeUnit, b"").await;
    let entries = client.ledger().await;
    assert_eq!(entries[0]["switch"], "vxp.getAgenciesList=lost-answer:1");
    assert_eq!(entries[1]["faults"], serde_json::json!(["lost-answer"]));
    assert_eq!(
        (&entries[2]["verdict"], &entries[2]["caller"]),
        (&"15".into(), &serde_json::Value::Null)
    );
}
