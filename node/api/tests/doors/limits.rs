//! What the API keeps within bounds: memory of bodies.

use axum::{body::Body, http::Request};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tower::ServiceExt;

use crate::{
    house::{self, Ask, House},
    new_packet,
};

/// A signed request whose body has begun and does not go on.
fn stalled(ask: Ask) -> Request<Body> {
    let (head, _) = ask.request().into_parts();
    let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    Request::from_parts(head, Body::from_stream(begun.chain(stream::pending())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_collected_have_a_bound_in_sum() {
    let mut house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let mut settings = lgsp_api::Settings::new(format!("https://{}", house::AUTHORITY));
    settings.buffered_max = 64 * 1024;
    house.router = lgsp_api::router(house.exchange.clone(), settings);
    let of = |size: usize| {
        let body = new_packet("H41.05").to_string();
        let body = format!("{body}{}", " ".repeat(size - body.len()));
        let ask = Ask::new("POST", "/v1/packets").header("content-type", "application/json");
        ask.body(body).signed(&source)
    };
    let holding = tokio::spawn(house.router.clone().oneshot(stalled(of(60 * 1024))));
    house::until("the first body has its room", async || {
        house.ask(of(8 * 1024)).await.status == 503
    })
    .await;
    house.ask(of(8 * 1024)).await.problem(503, "too_many");
    house.ask(of(2 * 1024)).await.ok(201);
    // A stranger's body neither takes that room nor waits for it.
    let stranger = Ask::new("POST", "/v1/cluster/join").json(serde_json::json!({"token": "jn_x"}));
    house.ask(stranger).await.problem(400, "json_malformed");
    holding.abort();
    let _ = holding.await;
    house.ask(of(8 * 1024)).await.ok(201);
}
