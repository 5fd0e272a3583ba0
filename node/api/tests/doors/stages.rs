//! The stages of a packet's path, as `/metrics` counts them.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    digest_of,
    house::{Ask, House},
    new_packet, one_round,
};

const NAME: &str = "lgsp_packet_stage_duration_seconds";

/// How often each stage was counted.
async fn counts(house: &House) -> BTreeMap<String, u64> {
    let metrics = house.ask(Ask::new("GET", "/metrics")).await;
    let metrics = String::from_utf8(metrics.body.to_vec()).expect("UTF-8");
    let stages = metrics.lines().filter_map(|line| {
        let (stage, count) =
            line.strip_prefix(NAME)?.strip_prefix("_count{stage=\"")?.split_once("\"} ")?;
        Some((stage.to_owned(), count.parse().expect("a count")))
    });
    stages.collect()
}

/// The stages that were counted since then, and how often.
async fn moved(house: &House, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let now = counts(house).await;
    assert!(now.keys().eq(before.keys()), "every stage is there from the start");
    let moved = now.into_iter().map(|(stage, count)| (count - before[&stage], stage));
    moved.filter(|(count, _)| *count > 0).map(|(count, stage)| (stage, count)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_count_a_packet_at_each_stage() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let before = counts(&house).await;
    assert_eq!(before.len(), 13, "{before:?}");

    let sent = house.ask(one_round(&new_packet("H41.05"), "mật").signed(&source)).await.ok(201);
    let sending = moved(&house, &before).await;
    for stage in ["head", "body", "prepare", "propose", "answer"] {
        assert_eq!(sending.get(stage), Some(&1), "{stage}: {sending:?}");
    }
    // The node's own commands are counted here, too. It leads, so it forwards nothing.
    for stage in ["gather", "log", "commit", "apply"] {
        assert!(sending.contains_key(stage), "{stage}: {sending:?}");
    }
    assert_eq!(sending.len(), 9, "{sending:?}");

    let before = counts(&house).await;
    let packet = sent["packet"].as_str().expect("a packet");
    let accept = Ask::new("POST", format!("/v1/packets/{packet}/accept"));
    let got = house.ask(accept.header("accept", "application/octet-stream").signed(&target)).await;
    assert_eq!(&got.body[..], "mật".as_bytes());
    let confirm = Ask::new("POST", format!("/v1/packets/{packet}/confirm"));
    let confirm = confirm.json(json!({ "digest": digest_of("mật") }));
    house.ask(confirm.signed(&target)).await.ok(200);
    let receiving = moved(&house, &before).await;
    for stage in ["accept", "content", "confirm"] {
        assert_eq!(receiving.get(stage), Some(&1), "{stage}: {receiving:?}");
    }
    for stage in ["head", "body", "prepare", "propose", "answer"] {
        assert_eq!(receiving.get(stage), None, "only what is sent: {receiving:?}");
    }
}
