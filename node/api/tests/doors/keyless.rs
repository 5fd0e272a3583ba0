//! A node that lacks the active version of the cluster key sends everybody elsewhere, whatever they sign with.

use std::time::Duration;

use auth::{Signer, SigningKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use model::KeyAlgorithm;
use serde_json::json;

use crate::{
    house::{Ask, House},
    new_packet, text,
};

/// The Ed25519 key of RFC 9421, appendix B.1.4.
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
";

/// Within what a node notices that it lacks the active version; a busy machine takes longer than it should.
const NOTICED_TIME_MAX: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_node_without_the_active_cluster_key_serves_no_caller() {
    let mut house = House::found().await;
    let secret = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let public = public_caller(&house, "app-h41-02").await;
    let list = |by: &Signer| Ask::new("GET", "/v1/packets").signed(by);
    for caller in [&secret, &public] {
        house.ask(list(caller)).await.ok(200);
    }
    let open = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&public);
    let open = house.ask(open).await.ok(201);
    let content = format!("/v1/spaces/{}/content", text(&open, "/space/id"));
    let offset = || {
        let offset = Ask::new("HEAD", &content).header("tus-resumable", "1.0.0");
        offset.bearer(&open["space"]["token"])
    };
    assert_eq!(house.ask(offset()).await.status, 200);

    house.miss_a_cluster_key().await;
    // The state is looked at now and then: whoever it still could serve is served for a tenth of a second.
    let noticed = async { while house.ask(list(&public)).await.status != 503 {} };
    tokio::time::timeout(NOTICED_TIME_MAX, noticed).await.expect("it is noticed");
    for caller in [&secret, &public] {
        let answer = house.ask(list(caller)).await;
        answer.problem(503, "unavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(
        house.ask(offset()).await.status,
        503,
        "whether tokens of before live on is unknown"
    );
    let ready = house.ask(Ask::new("GET", "/readyz")).await;
    assert_eq!(ready.status, 503);
    assert!(String::from_utf8_lossy(&ready.body).contains("cluster_key_missing"), "{ready:?}");
}

/// A caller of an application that signs by a key whose public half the platform knows.
async fn public_caller(house: &House, app: &str) -> Signer {
    let algorithm = KeyAlgorithm::Ed25519;
    let key = SigningKey::from_private_key(algorithm, PRIVATE_KEY.as_bytes()).expect("a key");
    let public = BASE64_STANDARD.encode(key.public_key().expect("it has a public half"));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{public}\n-----END PUBLIC KEY-----\n");
    let issue = json!({"app": app, "algorithm": algorithm.as_str(), "public_key": pem});
    let issue = Ask::new("POST", "/v1/admin/keys").json(issue).signed(&house.admin);
    let issued = house.ask(issue).await.ok(201);
    Signer::new(text(&issued, "/access_key").parse().expect("an access key"), key)
}
