//! Receipts: what the platform attests of a packet, checked with nothing but its public keys; and packets that
//! have left the state, which are found by the same routes.

use std::time::Duration;

use auth::content_digest_sha256;
use model::{
    checkpoint::{Checkpoint, NoteKey},
    tree::LeafHash,
};
use receipts::{Content, KeySet, Kind, Receipt};
use serde_json::{Value, json};

use crate::{
    digest_of,
    house::{Ask, House, found, until},
    new_packet, one_round, text,
};

/// Long enough that a packet is looked at in the state, short enough that a test waits for it to leave.
const KEPT: Duration = Duration::from_secs(2);

async fn receipts_of(house: &House, packet: &str, signer: &auth::Signer) -> Vec<Receipt> {
    let ask = Ask::new("GET", format!("/v1/packets/{packet}/receipts")).signed(signer);
    let answer = house.ask(ask).await.ok(200);
    let octets = serde_json::to_vec(&answer).expect("JSON");
    if answer["receipts"] == json!([]) {
        return Vec::new();
    }
    Receipt::parse_all(&octets).expect("a list of receipts")
}

async fn keys(house: &House) -> KeySet {
    let answer = house.ask(Ask::new("GET", "/.well-known/jwks.json")).await;
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    KeySet::parse(answer.ok(200).to_string().as_bytes()).expect("a set of keys")
}

fn kinds(receipts: &[Receipt], keys: &KeySet, content: &str) -> Vec<Kind> {
    let digest = digest_of(content).parse().expect("a digest");
    let content = Content { size: content.len() as u64, digest };
    let verified = receipts.iter().map(|receipt| {
        let report = receipts::verify(receipt, keys, Some(&content));
        report.unwrap_or_else(|error| panic!("{error}: {receipt:?}")).kind
    });
    verified.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packet_has_receipts_that_anybody_can_check_and_outlives_its_rows() {
    let house = House::found_keeping(KEPT).await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.03", &["receive"]).await;
    let other = house.party("H41.05", &["send", "receive"]).await;
    let content = "công văn số 12";
    let mut request = new_packet("H41.03");
    request["targets"] = json!(["H41.03", "H41.05"]);
    let answer = house.ask(one_round(&request, content).signed(&source)).await.ok(201);
    let packet = text(&answer, "/packet").to_owned();
    let path = |rest: &str| format!("/v1/packets/{packet}{rest}");

    let keys = keys(&house).await;
    let accepted = receipts_of(&house, &packet, &source).await;
    assert_eq!(kinds(&accepted, &keys, content), [Kind::Accepted]);
    // The fact of the acceptance names every target: a target is not shown the others.
    assert!(receipts_of(&house, &packet, &target).await.is_empty());

    house.ask(Ask::new("POST", path("/accept")).signed(&target)).await.ok(200);
    let confirm = json!({ "digest": digest_of(content) });
    let confirm = Ask::new("POST", path("/confirm")).json(confirm).signed(&target);
    house.ask(confirm).await.ok(200);
    let reject = Ask::new("POST", path("/reject")).json(json!({ "reason": "trùng" }));
    house.ask(reject.signed(&other)).await.ok(200);
    let confirmed = receipts_of(&house, &packet, &target).await;
    assert_eq!(kinds(&confirmed, &keys, content), [Kind::Confirmed]);

    // Every node has destroyed it: the house has one.
    let all = found("the content is destroyed", async || {
        let all = receipts_of(&house, &packet, &source).await;
        (all.len() == 4).then_some(all)
    });
    let all = all.await;
    let expected = [Kind::Accepted, Kind::Confirmed, Kind::Rejected, Kind::Destroyed];
    for (receipt, expected) in all.iter().zip(expected) {
        let report = receipts::verify(receipt, &keys, None).expect("it proves what it says");
        assert_eq!((report.kind, report.packet.to_string()), (expected, packet.clone()));
        let in_history = report.evidence.map(|evidence| evidence.is_in_history);
        assert_eq!(in_history, (expected != Kind::Destroyed).then_some(true));
    }
    // Every node makes the same octets, and so does this one again; the proof grows with the history.
    let again = receipts_of(&house, &packet, &source).await;
    for (receipt, again) in all.iter().zip(&again) {
        assert_eq!((&receipt.payload, &receipt.signature), (&again.payload, &again.signature));
    }
    let strange = Ask::new("GET", path("/receipts"));
    let stranger = house.party("H41.07", &["send", "receive"]).await;
    house.ask(strange.signed(&stranger)).await.problem(404, "packet_unknown");

    let show = |signer| Ask::new("GET", path("")).signed(signer);
    let before = house.ask(show(&source)).await.ok(200);
    let listed = house.ask(Ask::new("GET", "/v1/packets").signed(&source)).await.ok(200);
    until("the packet has left the state", async || {
        let id = packet.parse().expect("a packet");
        house.consensus().peek(|rows| machine::View::new(rows).packet_row(id).is_none())
    })
    .await;
    // The same routes, the same answers.
    assert_eq!(house.ask(show(&source)).await.ok(200), before);
    assert_eq!(house.ask(Ask::new("GET", "/v1/packets").signed(&source)).await.ok(200), listed);
    let own = house.ask(show(&target)).await.ok(200);
    assert_eq!(own["deliveries"].as_array().map(Vec::len), Some(1), "{own}");
    house.ask(show(&stranger)).await.problem(404, "packet_unknown");
    assert_eq!(receipts_of(&house, &packet, &source).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_before_a_turn_of_the_keys_hold_and_say_until_when() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.03", &["receive"]).await;
    let send = async || {
        let sent = house.ask(one_round(&new_packet("H41.03"), "một").signed(&source)).await;
        text(&sent.ok(201), "/packet").to_owned()
    };
    let packet = send().await;
    let old = receipts_of(&house, &packet, &source).await.remove(0);
    let before = keys(&house).await;
    let recorded = || house.consensus().peek(|rows| machine::View::new(rows).receipt_keys());
    until("the keys are recorded", async || recorded().len() == 1).await;
    let rotate = Ask::new("POST", "/v1/admin/cluster-key/rotate").json(json!({}));
    house.ask(rotate.signed(&house.admin)).await.ok(202);
    until("the next ones are recorded", async || recorded().len() == 2).await;

    let now = keys(&house).await;
    assert_eq!((now.kids().count(), now.kids().nth(1)), (2, before.kids().next()));
    let report = receipts::verify(&old, &now, None).expect("it was signed in time");
    assert!(report.key.is_former && report.key.until.is_some() && report.log.until.is_some());
    // Who asks anew gets the same fact by the present key, as does what happened since.
    for packet in [packet, send().await] {
        let anew = receipts_of(&house, &packet, &source).await.remove(0);
        let report = receipts::verify(&anew, &now, None).expect("it holds");
        assert!(!report.key.is_former && report.key.until.is_none() && !report.log.is_former);
        receipts::verify(&anew, &before, None).expect_err("the old set does not know the key");
    }
    assert_eq!(keys(&house).await.to_string(), now.to_string(), "made once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_signs_the_contents_own_digest_can_show_it_for_ever() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.03", &["receive"]).await;
    let field = |content: &str| content_digest_sha256(&certs::sha256(content.as_bytes()));
    let submit = || one_round(&new_packet("H41.03"), "một");
    let named = submit().header("packet-digest", field("một")).signed(&source);
    let another = submit().header("packet-digest", field("hai")).signed(&source);
    let uncovered = submit().signed(&source).header("packet-digest", field("một"));
    house.ask(another).await.problem(422, "digest_mismatch");
    house.ask(uncovered).await.problem(401, "component_missing");
    let open = || Ask::new("POST", "/v1/packets").json(new_packet("H41.03"));
    for wrong in ["{}", "sha-512=:AA==:", "sha-256=:AA==:"] {
        let ask = open().header("packet-digest", wrong).signed(&source);
        house.ask(ask).await.problem(400, "header_malformed");
    }
    for right in ["", &field("một")] {
        house.ask(open().header("packet-digest", right).signed(&source)).await.ok(201);
    }
    let keys = keys(&house).await;
    for (ask, names_content) in [(named, true), (submit().signed(&source), false)] {
        let answer = house.ask(ask).await.ok(201);
        let receipt = receipts_of(&house, text(&answer, "/packet"), &source).await.remove(0);
        let report = receipts::verify(&receipt, &keys, None).expect("it holds");
        assert_eq!(report.evidence.expect("it was signed").names_content, names_content);
    }
}

/// Targets of a circular that make two pages of receipts.
const CIRCULAR_TARGETS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_a_circular_come_page_by_page() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let mut targets = Vec::new();
    let mut request = new_packet("H41.100");
    request["targets"] = (100..100 + CIRCULAR_TARGETS).map(|n| format!("H41.{n}")).collect();
    for number in 100..100 + CIRCULAR_TARGETS {
        targets.push(house.party(&format!("H41.{number}"), &["receive"]).await);
    }
    let answer = house.ask(one_round(&request, "công văn").signed(&source)).await.ok(201);
    let path = format!("/v1/packets/{}", text(&answer, "/packet"));
    for target in &targets {
        let reject = Ask::new("POST", format!("{path}/reject")).json(json!({ "reason": "trùng" }));
        house.ask(reject.signed(target)).await.ok(200);
    }
    let page = async |query: String| {
        let ask = Ask::new("GET", format!("{path}/receipts{query}")).signed(&source);
        let answer = house.ask(ask).await;
        let (page, link) = (answer.ok(200), answer.headers.get("link").is_some());
        assert_eq!(page["next"].is_string(), link, "the link says the same");
        let next = page["next"].as_str().map(|next| format!("?cursor={next}&limit=7"));
        (Receipt::parse_all(&answer.body).expect("receipts"), next)
    };
    let (first, next) = page(String::new()).await;
    assert_eq!(first.len(), 50);
    let (mut all, mut next) = (first, next);
    while let Some(query) = next {
        let (more, after) = page(query).await;
        assert!(more.len() <= 7);
        all.extend(more);
        next = after;
    }
    let keys = keys(&house).await;
    let said = all.iter().map(|receipt| receipts::verify(receipt, &keys, None).expect("it holds"));
    let said: Vec<_> = said.map(|report| (report.position, report.kind, report.targets)).collect();
    assert!(said.is_sorted_by_key(|(position, ..)| *position));
    // It may have been destroyed by now.
    let rejected = said.iter().filter(|(_, kind, _)| *kind == Kind::Rejected);
    let mut named: Vec<_> = rejected.flat_map(|(_, _, of)| of).collect();
    named.dedup();
    assert_eq!((said[0].1, named.len()), (Kind::Accepted, CIRCULAR_TARGETS), "each once");
    // A target finds its own behind those of the others.
    let last = targets.last().expect("targets");
    let own = receipts_of(&house, text(&answer, "/packet"), last).await;
    assert_eq!(own.len(), 1);
    let wrong = Ask::new("GET", format!("{path}/receipts?cursor=x")).signed(&source);
    house.ask(wrong).await.problem(400, "query_malformed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_proves_its_facts_and_its_growth() {
    let house = House::found().await;
    let asker = house.party("H41.02", &["send"]).await;
    let answer = house.ask(Ask::new("GET", "/.well-known/jwks.json")).await.ok(200);
    let mut logs =
        answer["keys"].as_array().expect("keys").iter().filter_map(|key| key["vkey"].as_str());
    let log: NoteKey = logs.next().expect("a key of checkpoints").parse().expect("a key");
    let checkpoint = async || {
        let answer = house.ask(Ask::new("GET", "/v1/history/checkpoint")).await;
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let note = String::from_utf8(answer.body.to_vec()).expect("a text");
        let checked = Checkpoint::verified(&note, &log, |key, octets, signature| {
            let key = ed25519_dalek::VerifyingKey::from_bytes(key).expect("a key");
            key.verify_strict(octets, &signature.into()).is_ok()
        });
        checked.expect("a checkpoint of this platform").head
    };
    let first = checkpoint().await;
    house.party("H41.03", &["receive"]).await;
    let second = checkpoint().await;
    assert!(first.size > 0 && first.size < second.size);

    let prove = async |query: String| {
        house.ask(Ask::new("GET", format!("/v1/history/proof?{query}")).signed(&asker)).await
    };
    let growth = prove(format!("from={}&to={}", first.size, second.size)).await.ok(200);
    let path = hashes(&growth["path"]);
    let proof = model::tree::Consistency { from: first.size, to: second.size, path };
    proof.verify(first.root, second.root).expect("nothing before the first was changed");
    for position in [0, first.size - 1] {
        let fact = prove(format!("position={position}&size={}", second.size)).await.ok(200);
        let leaf: LeafHash = text(&fact, "/leaf").parse().expect("a hash");
        let path = hashes(&fact["path"]);
        let proof = model::tree::Inclusion { position, size: second.size, path };
        assert_eq!(proof.root(leaf), Ok(second.root));
    }
    for wrong in
        ["", "position=0&from=1", "size=3", "position=99999999", "from=5&to=2", "position=x"]
    {
        prove(wrong.to_owned()).await.problem(400, "query_malformed");
    }
}

fn hashes(list: &Value) -> Vec<model::tree::TreeHash> {
    let list = list.as_array().expect("a list").iter();
    list.map(|hash| hash.as_str().expect("a text").parse().expect("a hash")).collect()
}
