//! Which grant a route asks for: the document says it, and whoever has all the others is refused.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::Value;

use crate::{
    document,
    house::{Ask, House},
    new_packet, one_round, table, text,
};

/// The operations that ask for grants: any of them will do.
fn asking() -> BTreeMap<(&'static str, String), Vec<String>> {
    let granted = |(method, path, _): (&'static str, String, bool)| {
        let item = &document::whole()["paths"][&path][method.to_lowercase()];
        let ways = item["security"].as_array().expect("security is said of each").iter();
        let grants = ways.flat_map(|way| way["lgsp-v1"].as_array().into_iter().flatten());
        let grants: Vec<String> =
            grants.map(|grant| grant.as_str().expect("a word").to_owned()).collect();
        (!grants.is_empty()).then_some(((method, path), grants))
    };
    lgsp_api::documented_routes().into_iter().filter_map(granted).collect()
}

#[test]
fn what_is_for_administrators_is_all_under_their_path() {
    for ((method, path), grants) in asking() {
        assert_eq!(path.starts_with("/v1/admin/"), grants == ["admin"], "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lacks_the_grant_is_refused_at_every_door_that_asks_for_one() {
    let house = House::found().await;
    let bodies: BTreeMap<String, (String, Value)> = table::doors(&house)
        .await
        .into_iter()
        .map(|door| {
            (document::name(&Method::POST, &door.path), (door.path.clone(), door.body.clone()))
        })
        .collect();
    // A packet of theirs, so that it is not the packet that is unknown.
    let own = house.app("app-own", "H41.02", &["send", "receive"], &[]).await;
    let sent = house.ask(one_round(&new_packet("H41.02"), "tin").signed(&own)).await.ok(201);
    let sent = text(&sent, "/packet").to_owned();
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.02")).signed(&own);
    let space = text(&house.ask(opened).await.ok(201), "/space/id").to_owned();
    let mut seen = 0;
    for ((method, pattern), grants) in asking() {
        let others = ["send", "receive", "admin"].into_iter();
        let others: Vec<&str> =
            others.filter(|grant| !grants.iter().any(|one| one == grant)).collect();
        let lacking = house.app(&format!("lacking-{seen}"), "H41.02", &others, &[]).await;
        let into_a_space = pattern.contains("/spaces/");
        let id = if into_a_space { &space } else { &sent };
        let filled = pattern.replace("{id}", if pattern.contains("/members/") { "99" } else { id });
        let filled =
            filled.replace("{code}", "H41.02").replace("{access_key}", "AKMZXW6YTBOI2DGNBVHA4Q");
        let ask = match bodies.get(&format!("{method} {pattern}")) {
            Some((path, body)) => Ask::new(method, path).json(body.clone()),
            None => Ask::new(method, filled)
                .header("tus-resumable", "1.0.0")
                .header("upload-length", "3")
                .header("upload-offset", "0")
                .header("content-type", "application/offset+octet-stream")
                .body(if into_a_space && matches!(method, "POST" | "PATCH" | "PUT") {
                    "tin"
                } else {
                    ""
                }),
        };
        let answer = house.ask(ask.signed(&lacking)).await;
        assert_eq!(answer.status, 403, "{method} {pattern} without {grants:?}: {answer:?}");
        if method != "HEAD" {
            answer.problem(403, "not_granted");
        }
        seen += 1;
    }
    assert!(seen > 30, "{seen} doors ask for a grant");
    // Where none is named, none is asked for.
    let any = house.app("any", "H41.02", &["admin"], &[]).await;
    let granted = asking();
    for (method, path, signed) in lgsp_api::documented_routes() {
        if signed && !granted.contains_key(&(method, path.clone())) {
            let asked = match path.as_str() {
                "/v1/events" => "?wait=0",
                "/v1/history/proof" => "?position=0",
                _ => "",
            };
            let ask = Ask::new(method, path.replace("{code}", "H41.02") + asked);
            let ask = ask.header("accept", "application/json, application/cloudevents-batch+json");
            house.ask(ask.signed(&any)).await.ok(200);
        }
    }
}
