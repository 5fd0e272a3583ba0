//! Requests that clients of others signed, recorded from the wire by `vectors/record.py`.

extern crate lgsp_auth as auth;

mod common;

use auth::{KeyMaterial, Material};
use auth::{Policy, PublicKey, PublicNames, Rejection, Signed, Whole, verify};
use common::{Request, record, unbase64};
use model::{AccessKey, KeyAlgorithm, Moment};
use serde_json::Value;

struct Vector {
    name: String,
    profile: String,
    request: Request,
    now: Moment,
    key: AccessKey,
    record: KeyMaterial,
    policy: Policy,
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("vectors/foreign.json")).expect("the vectors are JSON");
    vectors.iter().map(vector).collect()
}

fn vector(v: &Value) -> Vector {
    let text = |field: &str| v[field].as_str().expect("a text").to_owned();
    let algorithm: KeyAlgorithm = text("algorithm").parse().expect("an algorithm");
    let material = match algorithm {
        KeyAlgorithm::HmacSha256 => text("material").into_bytes(),
        _ => PublicKey::parse(algorithm, text("material").as_bytes()).expect("a public key"),
    };
    let profile = text("profile");
    let mut record = record(Material::new(algorithm, &material).expect("a key"));
    record.legacy = profile.starts_with("cavage");
    record.hmac_sha1 = profile == "cavage-sha1";
    let header = |pair: &Value| {
        let part = |index: usize| pair[index].as_str().expect("a text").to_owned();
        (part(0), part(1).into_bytes())
    };
    Vector {
        name: text("name"),
        request: Request {
            method: text("method"),
            authority: text("authority"),
            path: text("path"),
            query: v["query"].as_str().map(str::to_owned),
            headers: v["headers"].as_array().expect("headers").iter().map(header).collect(),
            body: unbase64(&text("body")),
        },
        now: Moment::from_secs(v["now"].as_u64().expect("a time")),
        key: text("access_key").parse().expect("an access key"),
        policy: Policy::new(PublicNames::new([text("public_name")]).expect("a name")),
        profile,
        record,
    }
}

impl Vector {
    fn check(&self) -> Result<Signed<Whole>, Rejection> {
        let keys = |key: &AccessKey| (*key == self.key).then(|| self.record.clone());
        let head = self.request.with_head(|head| verify(head, self.now, &keys, &self.policy))?;
        head.with_statement(&self.request.body)
    }
}

#[test]
fn requests_of_foreign_clients_are_accepted() {
    let mut count = 0;
    for vector in vectors().iter().filter(|v| v.profile != "cavage-never") {
        let caller = vector.check().unwrap_or_else(|why| panic!("{}: {why}", vector.name));
        assert_eq!(caller.key(), &vector.key, "{}", vector.name);
        assert_eq!(caller.is_legacy(), vector.profile != "lgsp-v1", "{}", vector.name);
        let changes = !matches!(vector.request.method.as_str(), "GET" | "HEAD");
        assert!(caller.evidence().is_some() || !changes, "{}", vector.name);
        count += 1;
    }
    assert_eq!(count, 27);
}

#[test]
fn rsa_sha1_is_never_accepted() {
    for mut vector in vectors().into_iter().filter(|v| v.profile == "cavage-never") {
        vector.record.hmac_sha1 = true;
        assert!(
            matches!(vector.check(), Err(Rejection::LegacyAlgorithmDisabled { .. })),
            "{}",
            vector.name
        );
    }
}

#[test]
fn the_legacy_scheme_is_closed_without_its_switches() {
    for mut vector in
        vectors().into_iter().filter(|v| v.profile == "cavage" || v.profile == "cavage-sha1")
    {
        vector.record.hmac_sha1 = false;
        assert_eq!(vector.check().is_ok(), vector.profile == "cavage", "{}", vector.name);
        vector.record.hmac_sha1 = true;
        vector.record.legacy = false;
        assert!(
            matches!(vector.check(), Err(Rejection::LegacyAlgorithmDisabled { .. })),
            "{}",
            vector.name
        );
    }
}

#[test]
fn what_was_recorded_cannot_be_changed() {
    for vector in vectors().into_iter().filter(|v| v.profile != "cavage-never") {
        let refused = |change: fn(&mut Vector)| {
            let mut changed = Vector {
                request: vector.request.clone(),
                record: vector.record.clone(),
                policy: vector.policy.clone(),
                key: vector.key.clone(),
                name: vector.name.clone(),
                profile: vector.profile.clone(),
                now: vector.now,
            };
            change(&mut changed);
            assert!(changed.check().is_err(), "{}", vector.name);
        };
        refused(|v| v.request.method = "DELETE".to_owned());
        refused(|v| v.request.path.push('x'));
        refused(|v| v.request.query = Some("a=1&b=2".to_owned()));
        refused(|v| v.request.body.push(b' '));
        refused(|v| v.now = v.now.plus(std::time::Duration::from_secs(302)));
        refused(|v| v.now = v.now.minus(std::time::Duration::from_secs(62)));
        refused(|v| {
            v.policy.names = PublicNames::new(["https://lgsp.example.vn"]).expect("a name")
        });
        refused(|v| {
            v.request
                .headers
                .retain(|(name, _)| !name.starts_with("signature") && name != "authorization")
        });
    }
}
