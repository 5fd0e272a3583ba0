//! Bodies that are nearly right, at every door that reads one: each answer is the client's fault and
//! told as a problem, never the server's; nothing that is certainly wrong is taken.

use std::{sync::Arc, time::Duration};

use auth::Signer;
use base64::{Engine, prelude::BASE64_STANDARD};
use consensus::{Clock, SystemClock};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::{Map, Value, json};

use crate::{
    PACKET, digest_of,
    house::{Answer, Ask, House},
    new_packet, one_round, text,
};

/// Random octets and changed texts that each door is given.
const RANDOM_COUNT: usize = 60;
/// Deeper than any body here, and than the parser follows.
const DEPTH: usize = 2_000;

/// A door: who may come in, a body that is right, and the word of what refuses even that; empty where
/// it is taken.
pub struct Door {
    pub path: String,
    signer: Option<Arc<Signer>>,
    pub body: Value,
    word: &'static str,
}

/// Every door that reads JSON.
pub async fn doors(house: &House) -> Vec<Door> {
    let source = Arc::new(house.party("H41.02", &["send"]).await);
    let target = Arc::new(house.party("H41.05", &["receive"]).await);
    let admin = Arc::new(house.party("H41.01", &["admin"]).await);
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened = text(&house.ask(opened).await.ok(201), "/packet").to_owned();
    let sent = one_round(&new_packet("H41.05"), "xin chào").signed(&source);
    let sent = text(&house.ask(sent).await.ok(201), "/packet").to_owned();
    let other = digest_of("khác");
    // It pins the authority that the house was founded with, so that the request is read too.
    let token = crate::house::made_up_token();
    let request = certs::NodeKey::generate().and_then(|key| key.request()).expect("a request");
    let tomorrow = SystemClock.now().plus(Duration::from_secs(24 * 3600));
    let policy = json!({"deliver_by": tomorrow.to_string()});
    let mut packet = new_packet("H41.05");
    packet["size"] = json!(12);
    packet["policy"] = policy.clone();
    let of_admin = [
        (
            "/v1/admin/units",
            json!({"units": [{"code": "H41.08", "name": "Sở", "kind": "department", "parent": "H41", "aliases": ["H41.09"]}]}),
        ),
        (
            "/v1/admin/apps",
            json!({"app": "a-1", "unit": "H41.02", "name": "Ứng dụng", "grants": ["send"], "targets": ["H41.05"]}),
        ),
        (
            "/v1/admin/keys",
            json!({"app": "app-h41-02", "algorithm": "hmac-sha256", "public_key": null, "legacy": true, "hmac_sha1": false}),
        ),
        ("/v1/admin/join-tokens", json!({"minutes": 5})),
        ("/v1/admin/units/H41.01/rename", json!({"name": "Sở"})),
        ("/v1/admin/lost/close", json!({"packets": [PACKET]})),
    ];
    let of_admin = of_admin.map(|(path, body)| (path.to_owned(), Some(&admin), "", body));
    let of_parties = [
        ("/v1/packets".to_owned(), Some(&source), "", packet),
        (
            format!("/v1/packets/{opened}/commit"),
            Some(&source),
            "content_incomplete",
            json!({"digest": other, "size": 12, "policy": policy}),
        ),
        (
            format!("/v1/packets/{sent}/confirm"),
            Some(&target),
            "not_accepted",
            json!({"digest": other}),
        ),
        // Nobody's packet: a rejection that is right would end the one above.
        (
            format!("/v1/packets/{PACKET}/reject"),
            Some(&target),
            "packet_unknown",
            json!({"reason": "sai"}),
        ),
        (
            "/v1/confirmations".to_owned(),
            Some(&target),
            "",
            json!({"receipts": [{"packet": sent, "digest": other}]}),
        ),
        (
            "/v1/cluster/join".to_owned(),
            None,
            "token_unknown",
            json!({
                "token": token.to_string(), "name": "nut-2", "mesh_address": "10.0.0.2:7443",
                "api_url": "https://10.0.0.2:8443", "version": "0.1.0", "dns_names": ["nut-2"],
                "ip_addresses": ["10.0.0.2"], "certificate_request": BASE64_STANDARD.encode(request),
            }),
        ),
    ];
    let all = of_admin.into_iter().chain(of_parties);
    let all = all.map(|(path, signer, word, body)| {
        let signer = signer.cloned();
        Door { path, signer, body, word }
    });
    let doors: Vec<Door> = all.collect();
    for door in &doors {
        // Else what is wrong would be refused for another reason, or never be read.
        let answer = door.give(house, door.body.to_string()).await;
        match door.word {
            "" => assert!(answer.status.is_success(), "{}: {answer:?}", door.path),
            word => assert_eq!(answer.json()["word"], word, "{}: {answer:?}", door.path),
        }
    }
    doors
}

impl Door {
    pub async fn give(&self, house: &House, body: impl Into<bytes::Bytes>) -> Answer {
        let ask = Ask::new("POST", &self.path).header("content-type", "application/json");
        let ask = ask.body(body);
        let ask = match &self.signer {
            Some(signer) => ask.signed(signer),
            None => ask,
        };
        // Not held against the document: what is sent is what it does not describe.
        house.send(ask.request()).await
    }

    /// A body that is certainly wrong.
    async fn refuses(&self, house: &House, what: &str, body: Vec<u8>) {
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        let answer = self.give(house, body).await;
        // Refused for what it is, before anything was looked up or done.
        let read = matches!(answer.status.as_u16(), 400 | 413 | 422) && is_problem(&answer);
        assert!(read, "{} {what}: {answer:?} for {shown}", self.path);
    }

    /// A body that may be right after all.
    async fn bears(&self, house: &House, what: &str, body: Vec<u8>) {
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        let answer = self.give(house, body).await;
        let well =
            answer.status.is_success() || (answer.status.is_client_error() && is_problem(&answer));
        assert!(well, "{} {what}: {answer:?} for {shown}", self.path);
    }
}

fn is_problem(answer: &Answer) -> bool {
    answer.header("content-type") == "application/problem+json"
        && answer.json()["code"].as_str().is_some_and(|code| code.starts_with("LGSP-"))
}

/// The places of all values in a body.
pub fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (key, child) in children {
        let place = format!("{at}/{key}");
        places(child, &place, found);
        found.push(place);
    }
}

/// The body with another text in a place; the text need not be JSON.
fn with(body: &Value, place: &str, text: &str) -> Vec<u8> {
    const MARK: &str = "the place of another value";
    let mut body = body.clone();
    *body.pointer_mut(place).expect("a place of the body") = MARK.into();
    body.to_string().replace(&format!("\"{MARK}\""), text).into_bytes()
}

/// What no field of any body is.
fn never() -> Vec<(&'static str, String)> {
    vec![
        ("a number with a fraction", "1.5".into()),
        ("a number beyond all numbers", "1e400".into()),
        ("a number of many digits", "9".repeat(5_000)),
        ("more than 64 bits", "18446744073709551616".into()),
        ("a negative number", "-1".into()),
        ("an object with a stranger", "{\"stranger\": 1}".into()),
        ("a list of lists", "[[[]]]".into()),
        ("a list for a structure", "[1, 2]".into()),
        ("nested lists", "[".repeat(DEPTH) + &"]".repeat(DEPTH)),
        ("nested objects", "{\"a\":".repeat(DEPTH) + "1" + &"}".repeat(DEPTH)),
        ("lists without an end", "[".repeat(DEPTH)),
        ("half of a pair", "\"\\ud800\"".into()),
        ("an unknown escape", "\"\\x41\"".into()),
        ("a bare control sign", "\"\u{1}\"".into()),
        ("a word without quotes", "NaN".into()),
        ("a comment", "/* \"a\" */ \"a\"".into()),
    ]
}

/// What some fields are.
fn perhaps() -> Vec<(&'static str, String)> {
    vec![
        ("nothing", "null".into()),
        ("a truth", "true".into()),
        ("zero", "0".into()),
        ("64 bits", "18446744073709551615".into()),
        ("an empty text", "\"\"".into()),
        ("an empty list", "[]".into()),
        ("an empty object", "{}".into()),
        ("a zero sign", "\"\\u0000\"".into()),
        ("a long text", format!("\"{}\"", "ạ".repeat(9_000))),
        ("a text that looks like a path", "\"../../etc/passwd\"".into()),
        ("a text of marks", "\"\\u202e\\u0301\\ufeff\"".into()),
        ("a long list", format!("[{}\"H41.05\"]", "\"H41.05\",".repeat(5_000))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_of_wrong_kinds_are_the_clients_fault() {
    let house = House::found().await;
    for door in doors(&house).await {
        let mut all = Vec::new();
        places(&door.body, "", &mut all);
        assert!(!all.is_empty());
        for place in &all {
            for (what, text) in never() {
                door.refuses(&house, &format!("{place}: {what}"), with(&door.body, place, &text))
                    .await;
            }
            for (what, text) in perhaps() {
                door.bears(&house, &format!("{place}: {what}"), with(&door.body, place, &text))
                    .await;
            }
        }
        let members = door.body.as_object().expect("bodies are objects");
        for key in members.keys() {
            let mut fewer = members.clone();
            fewer.remove(key);
            door.bears(&house, &format!("without {key}"), Value::from(fewer).to_string().into())
                .await;
            door.refuses(&house, &format!("{key} twice"), twice(members, key)).await;
        }
        let mut more = members.clone();
        more.insert("stranger".into(), 1.into());
        door.refuses(&house, "a stranger", Value::from(more).to_string().into()).await;
    }
    assert_eq!(house.ask(Ask::new("GET", "/readyz")).await.status, 200, "it still serves");
}

fn twice(members: &Map<String, Value>, key: &str) -> Vec<u8> {
    let body = Value::from(members.clone()).to_string();
    format!("{{\"{key}\":{},{}", members[key], &body[1..]).into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_encodings_and_torn_bodies_are_the_clients_fault() {
    let house = House::found().await;
    let seed = RngSeed::Fixed(0x1465);
    let mut runner = TestRunner::new(Config { rng_seed: seed, ..Config::default() });
    let octets = proptest::collection::vec(any::<u8>(), 1..200);
    for door in doors(&house).await {
        let body = door.body.to_string().into_bytes();
        let wide: Vec<u8> =
            String::from_utf8_lossy(&body).encode_utf16().flat_map(u16::to_le_bytes).collect();
        let middle = body.len() / 2;
        for (what, wrong) in [
            ("UTF-16", wide),
            ("two marks of UTF-8", [b"\xef\xbb\xbf\xef\xbb\xbf", &body[..]].concat()),
            ("Latin-1 in a name", [b"{\"S\xe0\": 1,", &body[1..]].concat()),
            ("half a sign at the end", [&body[..], b"\xe1\xba"].concat()),
            ("two bodies", [&body[..], &body[..]].concat()),
            ("something after it", [&body[..], b" x"].concat()),
            ("a zero in it", [&body[..middle], b"\0", &body[middle..]].concat()),
            ("a list around it", [b"[", &body[..], b"]"].concat()),
            ("a text around it", json!(door.body.to_string()).to_string().into()),
            ("no object", b"true".to_vec()),
            ("spaces", b"    ".to_vec()),
            ("lists without an end", b"[".repeat(60_000)),
            ("objects without an end", b"{\"a\":".repeat(12_000)),
        ] {
            door.refuses(&house, what, wrong).await;
        }
        for length in 1..body.len() {
            door.refuses(&house, "cut", body[..length].to_vec()).await;
        }
        for _ in 0..RANDOM_COUNT {
            let random = octets.new_tree(&mut runner).expect("octets").current();
            door.refuses(&house, "random", random.clone()).await;
            // The right body with one octet set to another.
            let mut changed = body.clone();
            let at = random.iter().map(|octet| usize::from(*octet)).sum::<usize>() % changed.len();
            changed[at] = random[0];
            door.bears(&house, "changed", changed).await;
        }
    }
    assert_eq!(house.ask(Ask::new("GET", "/readyz")).await.status, 200, "it still serves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn torn_requests_for_certificates_are_the_strangers_fault() {
    let house = House::found().await;
    let doors = doors(&house).await;
    let join = doors.iter().find(|door| door.signer.is_none()).expect("the door for nodes");
    let request = BASE64_STANDARD.decode(text(&join.body, "/certificate_request")).expect("base64");
    let mut torn: Vec<Vec<u8>> = (0..request.len()).map(|end| request[..end].to_vec()).collect();
    // What it says is signed; the frame of three octets around it is not.
    let said = 3..5 + usize::from(request[4]);
    assert!(said.len() > 100 && said.end < request.len(), "{request:02x?}");
    torn.extend(said.map(|at| {
        let mut changed = request.clone();
        changed[at] ^= 0x15;
        changed
    }));
    torn.extend([vec![0x30; 8_000], vec![0xff; 8_000], [0x30, 0x80].repeat(4_000)]);
    for octets in torn {
        let text = json!(BASE64_STANDARD.encode(&octets)).to_string();
        let body = with(&join.body, "/certificate_request", &text);
        let answer = join.give(&house, body).await;
        answer.problem(422, "join_request_malformed");
    }
}

/// Case 5 and finding 8, at every door that reads JSON: the mark of an encoding is no content, and what is
/// wrong is told by its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_tells_where_a_body_is_wrong() {
    let house = House::found().await;
    for door in doors(&house).await {
        let told = |answer: &Answer| (answer.status, answer.json()["word"].clone());
        let body = door.body.to_string();
        let plain = door.give(&house, body.clone()).await;
        let marked = door.give(&house, [b"\xef\xbb\xbf", body.as_bytes()].concat()).await;
        assert_eq!(told(&marked), told(&plain), "{}", door.path);

        let detail = async |body: Vec<u8>, status: u16, pointer: &str| {
            let answer = door.give(&house, body).await;
            assert_eq!(answer.status, status, "{} {pointer}: {answer:?}", door.path);
            let problem = answer.json();
            let errors = problem["errors"].as_array().expect("errors");
            let error = errors.iter().find(|error| error["pointer"] == pointer);
            let error = error.unwrap_or_else(|| panic!("{} {pointer}: {problem}", door.path));
            text(error, "/detail").to_owned()
        };
        let utf16: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(detail(utf16, 400, "").await.contains("UTF-16"));
        let broken = detail(body.replace('{', "{,").into(), 400, "").await;
        assert!(broken.contains("dòng"), "{broken}");
        if !["/v1/admin/join-tokens"].contains(&&*door.path) {
            assert!(detail(" ".into(), 400, "").await.contains("trống"));
        }
        let members = door.body.as_object().expect("bodies are objects");
        let mut more = members.clone();
        more.insert("stranger".into(), 1.into());
        let known = detail(Value::from(more).to_string().into(), 400, "/stranger").await;
        assert!(members.keys().all(|key| known.contains(&**key)), "{known}");
        for key in members.keys() {
            let mut fewer = members.clone();
            fewer.remove(key);
            let answer = door.give(&house, Value::from(fewer).to_string()).await;
            if answer.status == 422 && answer.json()["word"] == "fields_malformed" {
                let error = json!([{"pointer": format!("/{key}"), "detail": "còn thiếu"}]);
                assert_eq!(answer.json()["errors"], error, "{} without {key}", door.path);
            }
            let mut other = members.clone();
            other.insert(key.clone(), json!({"x": {}}));
            let answer = door.give(&house, Value::from(other).to_string()).await;
            let places = answer.json()["errors"].clone();
            let place = text(&places, "/0/pointer");
            assert!(place.starts_with(&format!("/{key}")), "{} {key}: {places}", door.path);
        }
    }
}
