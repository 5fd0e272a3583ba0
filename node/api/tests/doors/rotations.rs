//! The cluster key turns, whatever secrets lie under it.

use auth::Secret;
use certs::{ClusterKey, Keyring};
use consensus::{Clock, SystemClock};
use machine::{Answer, Command, IssueKey, Outcome, Proof, Proposal, Proposer, Refusal};
use model::{AccessKey, CommandId, KeyAlgorithm};
use serde_json::json;

use crate::house::{Ask, House, until};

/// Issues a key with a secret that some ring has sealed, as a node would propose it.
async fn issue(house: &House, ring: &Keyring, sealed_under: u32) -> (AccessKey, Secret, Answer) {
    let (mut name, mut octets) = ([0; 20], [0; 32]);
    certs::system_random(&mut name);
    certs::system_random(&mut octets);
    let (key, secret) = (AccessKey::from_random(name), Secret::from_random(&octets));
    let now = SystemClock.now();
    let proof = Proof {
        key: house.admin.access_key().clone(),
        created: now,
        nonce: key.as_str().parse().expect("a nonce"),
        base: Vec::new(),
        signature: Vec::new(),
        statement: Vec::new(),
    };
    let command = Command::IssueKey(IssueKey {
        key: key.clone(),
        app: "app-h41-02".parse().expect("an application"),
        algorithm: KeyAlgorithm::HmacSha256,
        material: conductor::seal_secret(ring, &key, secret.expose()),
        legacy: false,
        hmac_sha1: false,
        sealed_under,
    });
    let mut number = [0; 16];
    number.copy_from_slice(&octets[..16]);
    let id = CommandId::mint(now, u128::from_be_bytes(number));
    let proposal = Proposal { id, by: Proposer::Signed(proof), command };
    let answer = house.consensus().propose(proposal).await.expect("the node leads");
    (key, secret, answer)
}

async fn settles(house: &House, version: u64) {
    until("the cluster key has settled", async || {
        let status = Ask::new("GET", "/v1/admin/status").signed(&house.admin);
        let status = house.ask(status).await.ok(200);
        status["cluster_key"]["version"] == version && status["cluster_key"]["phase"] == "settled"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_opens_for_nobody_holds_up_no_rotation() {
    let house = House::found().await;
    house.party("H41.02", &["send"]).await;
    let foreign = |version| Keyring::new(ClusterKey::generate(version, &mut certs::system_random));
    let rotate = async || {
        let rotate = Ask::new("POST", "/v1/admin/cluster-key/rotate").json(json!({}));
        house.ask(rotate.signed(&house.admin)).await.ok(202)
    };
    let before = rotate().await;
    assert_eq!(before["cluster_key"]["older_versions_max"], 33);
    settles(&house, 2).await;

    // Under another key of the old number, and under a number that was never given.
    let (damaged, secret, answer) = issue(&house, &foreign(1), 1).await;
    assert_eq!(answer, Ok(Outcome::Done));
    settles(&house, 2).await;
    let (lost, other, answer) = issue(&house, &foreign(99), 1).await;
    assert_eq!(answer, Ok(Outcome::Done));
    settles(&house, 2).await;
    for (key, secret) in [(damaged, secret), (lost, other)] {
        let signer = crate::house::signer(key, &secret);
        let ask = Ask::new("GET", "/v1/packets").signed(&signer);
        house.ask(ask).await.problem(401, "signature_invalid");
    }
    rotate().await;
    settles(&house, 3).await;
    let (.., answer) = issue(&house, &foreign(4), 4).await;
    assert_eq!(answer, Err(Refusal::KeyVersionEnded), "it never sealed");
}
