//! The table of doors: every operation that reads JSON, with a body that is right. A test of a kind of fault
//! tries it at each of them; one that the document has and the table has not is found missing.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use auth::Signer;
use axum::http::Method;
use base64::{Engine, prelude::BASE64_STANDARD};
use consensus::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::{
    PACKET, digest_of, document,
    house::{Answer, Ask, House},
    new_packet, one_round, text,
};

/// A door: who may come in, a body that is right, and the word of what refuses even that; empty where
/// it is taken.
pub struct Door {
    pub path: String,
    pub signer: Option<Arc<Signer>>,
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
            "",
            json!({"units": [{"code": "H41.08", "name": "Sở", "kind": "department", "parent": "H41", "aliases": ["H41.09"]}]}),
        ),
        ("/v1/admin/units/H41.08/rename", "", json!({"name": "Sở Thử"})),
        (
            "/v1/admin/apps",
            "",
            json!({"app": "a-1", "unit": "H41.02", "name": "Ứng dụng", "grants": ["send"], "targets": ["H41.05"]}),
        ),
        (
            "/v1/admin/keys",
            "",
            json!({"app": "app-h41-02", "algorithm": "hmac-sha256", "public_key": null, "legacy": true, "hmac_sha1": false}),
        ),
        (
            "/v1/admin/keys/AKMZXW6YTBOI2DGNBVHA4Q/revoke",
            "key_unknown",
            json!({"at": tomorrow.to_string()}),
        ),
        ("/v1/admin/join-tokens", "", json!({"minutes": 5})),
        ("/v1/admin/members/99/remove", "node_unknown", json!({"force": false})),
        ("/v1/admin/lost/close", "", json!({"packets": [PACKET]})),
    ];
    let of_admin = of_admin.map(|(path, word, body)| (path.to_owned(), Some(&admin), word, body));
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
        // Both would turn what the other doors stand on: they are read, and refused for who asks.
        (
            "/v1/admin/authority/rotate".to_owned(),
            Some(&source),
            "not_granted",
            json!({"overlap_days": 30}),
        ),
        (
            "/v1/admin/cluster-key/rotate".to_owned(),
            Some(&source),
            "not_granted",
            json!({"end_tokens": false}),
        ),
        (
            "/v1/cluster/join".to_owned(),
            None,
            "token_unknown",
            json!({
                "token": token.to_string(), "name": "nut-2", "mesh_address": "10.0.0.2:7443",
                "api_url": "https://10.0.0.2:8443", "version": "0.1.0", "rules_max": 2, "dns_names": ["nut-2"],
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
    let operation = |door: &Door| document::name(&Method::POST, &door.path);
    let known: BTreeSet<String> = doors.iter().map(operation).collect();
    assert_eq!(known, document::taking("application/json"), "the table has every door");
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
    /// Gives a body to the door.
    pub async fn give(&self, house: &House, body: impl Into<bytes::Bytes>) -> Answer {
        self.give_as(house, "application/json", body).await
    }

    /// The same, called by another media type.
    pub async fn give_as(
        &self,
        house: &House,
        kind: &str,
        body: impl Into<bytes::Bytes>,
    ) -> Answer {
        let ask = Ask::new("POST", &self.path).header("content-type", kind).body(body);
        let ask = match &self.signer {
            Some(signer) => ask.signed(signer),
            None => ask,
        };
        // Not held against the document: what is sent is what it does not describe.
        house.send(ask.request()).await
    }

    /// A body that is certainly wrong.
    pub async fn refuses(&self, house: &House, what: &str, body: Vec<u8>) {
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        let answer = self.give(house, body).await;
        // Refused for what it is, before anything was looked up or done.
        let read = matches!(answer.status.as_u16(), 400 | 413 | 422) && is_problem(&answer);
        assert!(read, "{} {what}: {answer:?} for {shown}", self.path);
    }

    /// A body that may be right after all.
    pub async fn bears(&self, house: &House, what: &str, body: Vec<u8>) {
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
pub fn with(body: &Value, place: &str, text: &str) -> Vec<u8> {
    const MARK: &str = "the place of another value";
    let mut body = body.clone();
    *body.pointer_mut(place).expect("a place of the body") = MARK.into();
    body.to_string().replace(&format!("\"{MARK}\""), text).into_bytes()
}
