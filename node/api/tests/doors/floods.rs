//! One application floods another unit, with the settings that a node has by default.

use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::{
    house::{Ask, House},
    new_packet, one_round, text,
};

/// More than a feed keeps.
const FLOOD: usize = 10_300;
/// Requests of the flood at the same time: enough for entries of many packets.
const ABREAST: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_application_does_not_push_out_what_others_told() {
    let house = House::found().await;
    let friend = house.party("H41.02", &["send"]).await;
    let flooder = house.party("H41.03", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let new = new_packet("H41.05");
    let mut wanted = Vec::new();
    for _ in 0..3 {
        let sent = house.ask(one_round(&new, "thư").signed(&friend)).await.ok(201);
        wanted.push(text(&sent, "/packet").to_owned());
    }
    let submit = || async {
        loop {
            let answer = house.send(one_round(&new, "x").signed(&flooder).request()).await;
            match answer.status.as_u16() {
                201 => return,
                // The application's share of requests is used for now.
                429 => tokio::task::yield_now().await,
                _ => panic!("{answer:?}"),
            }
        }
    };
    stream::iter(0..FLOOD).map(|_| submit()).buffer_unordered(ABREAST).count().await;

    let poll = |after: &str| {
        Ask::new("GET", format!("/v1/events?after={after}&limit=200&wait=0"))
            .header("accept", "application/cloudevents-batch+json")
            .signed(&target)
    };
    let about = |events: &Value| -> Vec<String> {
        let events = events.as_array().expect("a list").iter();
        events.map(|event| event["data"]["packet"].as_str().unwrap_or("reset").into()).collect()
    };
    // Behind the unit's application and its key. Who stands at an old position reads on from there, and is told where something is missing.
    let first = house.ask(poll("2")).await.ok(200);
    let first_at = |index: usize| first[index]["sequence"].as_str().expect("a position").to_owned();
    assert_eq!(about(&first)[..3], wanted[..]);
    let second = house.ask(poll(first_at(0).trim_start_matches('0'))).await.ok(200);
    assert_eq!(about(&second)[..2], wanted[1..]);
    assert!(!about(&second).contains(&"reset".to_owned()));
    let last = second.as_array().and_then(|events| events.last()).expect("an event");
    let last = last["sequence"].as_str().expect("a position").trim_start_matches('0');
    let third = house.ask(poll(last)).await.ok(200);
    assert!(third[0]["type"].as_str().is_some_and(|kind| kind.ends_with("feed.reset.v1")));
    assert_eq!(third[0]["data"]["asked"].to_string(), last);
    assert_eq!(about(&third).len(), 201);
    let resets = about(&third).into_iter().filter(|packet| packet == "reset").count();
    assert_eq!(resets, 1);
}
