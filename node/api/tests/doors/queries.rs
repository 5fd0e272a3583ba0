//! Queries as strange as HTTP lets them be: each gets an answer, none a failure.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::house::{Ask, House};

/// White space beyond ASCII counts as no search text, so that a page with a link is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_beyond_ascii_gets_its_next_page() {
    let house = House::found().await;
    house.party("H41.02", &["send"]).await;
    let answer =
        house.ask(Ask::new("GET", "/v1/units?limit=1&q=\u{a0}\u{3000}").signed(&house.admin)).await;
    assert!(answer.ok(200)["next"].is_string());
    let link = answer.header("link");
    assert!(link.ends_with("&limit=1&q=%C2%A0%E3%80%80>; rel=\"next\""), "{link}");
    let next = link.trim_start_matches('<').split('>').next().expect("a target").to_owned();
    let second = house.ask(Ask::new("GET", next).signed(&house.admin)).await.ok(200);
    assert_eq!(second["items"][0]["code"], "H41.02");
}

#[test]
fn no_query_makes_the_directory_fail() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let house = runtime.block_on(async {
        let house = House::found().await;
        house.party("H41.02", &["send"]).await;
        house
    });
    let query = prop_oneof![
        "\\PC{0,40}".prop_map(|text| format!("limit=1&q={text}")),
        "[\\s\u{a0}\u{3000}%+]{0,10}".prop_map(|text| format!("q={text}&limit=1")),
        "\\PC{0,60}",
    ];
    let mut runner = TestRunner::new(Config { cases: 256, ..Config::default() });
    let ran = runner.run(&query, |query| {
        let target = format!("/v1/units?{query}");
        prop_assume!(target.parse::<axum::http::Uri>().is_ok());
        let answer = runtime.block_on(house.ask(Ask::new("GET", target).signed(&house.admin)));
        prop_assert!(!answer.status.is_server_error(), "{:?}", answer);
        let links = answer.headers.get_all("link");
        prop_assert!(links.iter().all(|link| link.to_str().is_ok()), "{:?}", answer);
        Ok(())
    });
    runtime.block_on(async move { drop(house) });
    ran.expect("each query is answered");
}
