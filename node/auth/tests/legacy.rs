//! The legacy profile: what must be covered, and forgeries by hand, none of which may pass.

extern crate lgsp_auth as auth;

mod common;

use std::time::Duration;

use common::{KEY, NOW, OTHER_HOST, OTHER_KEY, Request, base64, check, hmac, key_pair, record};
use model::{KeyAlgorithm, Moment};
use sha2::{Digest as _, Sha256};

/// A request and the time at which it arrives.
type Arrival = (Request, Moment);

/// A legacy request and its signature, by the draft's words.
fn legacy(algorithm: &str, covered: &str, lines: &str) -> Request {
    use hmac::{Hmac, KeyInit, Mac};
    let octets = match algorithm {
        "hmac-sha1" => {
            let mut mac =
                Hmac::<sha1::Sha1>::new_from_slice(common::SECRET.as_bytes()).expect("a key");
            mac.update(lines.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        _ => hmac().sign(lines.as_bytes()).expect("signed"),
    };
    let digest = auth::digest_sha256(&Sha256::digest(b"abc").into());
    let mut request = Request::new("POST", "/v1/packets?a=1")
        .header("date", "Sun, 22 Nov 2026 08:07:31 GMT")
        .header("digest", digest)
        .header("x-request-id", "r-1")
        .header("content-length", "3")
        .header("authorization", format!(
            "Signature keyId=\"{KEY}\",algorithm=\"{algorithm}\",created=1,expires=2,headers=\"{covered}\",signature=\"{}\"",
            base64(&octets)
        ));
    request.body = b"abc".to_vec();
    request
}

fn legacy_lines() -> String {
    let digest = auth::digest_sha256(&Sha256::digest(b"abc").into());
    format!(
        "(request-target): post /v1/packets?a=1\nhost: lgsp.example.vn\ndate: Sun, 22 Nov 2026 08:07:31 GMT\ndigest: {digest}\nx-request-id: r-1"
    )
}

const LEGACY_COVERED: &str = "(request-target) host date digest x-request-id";

#[test]
fn legacy_forgeries_are_refused() {
    let mut open = record(key_pair(KeyAlgorithm::HmacSha256).1);
    (open.legacy, open.hmac_sha1) = (true, true);
    let changes: Vec<fn(&mut Arrival)> = vec![
        |a| a.0.method = "PUT".to_owned(),
        |a| a.0.path.push('x'),
        |a| a.0.query = None,
        |a| a.0.body[0] ^= 1,
        |a| a.0.body.clear(),
        |a| a.0.set("digest", auth::digest_sha256(&Sha256::digest(b"abd").into())),
        |a| a.0.set("host", OTHER_HOST),
        |a| a.0.set("host", "evil.example"),
        |a| a.0.set("date", "Sun, 22 Nov 2026 08:07:32 GMT"),
        |a| a.0.headers.push(("date".to_owned(), b"Sun, 22 Nov 2026 08:07:31 GMT".to_vec())),
        |a| a.0.headers.push(("x-request-id".to_owned(), b"r-2".to_vec())),
        |a| a.0.headers.push(("idempotency-key".to_owned(), b"k".to_vec())),
        |a| a.0.remove("x-request-id"),
        |a| a.0.remove("digest"),
        |a| a.1 = NOW.plus(Duration::from_secs(301)),
        |a| a.1 = NOW.minus(Duration::from_secs(61)),
        |a| legacy_edit(a, "hmac-sha", "rsa-sha"),
        |a| legacy_edit(a, KEY, OTHER_KEY),
        |a| legacy_edit(a, " x-request-id", ""),
        |a| legacy_edit(a, " digest", ""),
        |a| legacy_edit(a, "(request-target) ", ""),
        |a| legacy_edit(a, " host", ""),
        |a| legacy_edit(a, "host date", "date host"),
        |a| legacy_edit(a, "x-request-id", "x-request-id x-request-id"),
        |a| legacy_edit(a, "x-request-id", "x-request-id (created)"),
        |a| legacy_edit(a, "x-request-id", "x-absent"),
        |a| legacy_edit(a, ",signature=\"", ",signature=\"AAAA"),
        |a| legacy_edit(a, "hmac-sha1\"", "hmac-sha256\""),
        |a| legacy_edit(a, "hmac-sha256\"", "hmac-sha1\""),
    ];
    for algorithm in ["hmac-sha1", "hmac-sha256"] {
        let good = legacy(algorithm, LEGACY_COVERED, &legacy_lines());
        let caller = check(&good, NOW, &open).expect("accepted");
        let evidence = caller.evidence().expect("evidence");
        assert!(caller.is_legacy() && evidence.nonce.as_str().starts_with("cavage-"));
        assert_eq!(evidence.created, NOW);
        for (index, change) in changes.iter().enumerate() {
            let mut arrival = (good.clone(), NOW);
            change(&mut arrival);
            if arrival != (good.clone(), NOW) {
                assert!(
                    check(&arrival.0, arrival.1, &open).is_err(),
                    "{algorithm}, change {index}"
                );
            }
        }
    }
}

fn legacy_edit(arrival: &mut Arrival, from: &str, to: &str) {
    let value = arrival.0.get("authorization").expect("signed").replacen(from, to, 1);
    arrival.0.set("authorization", value);
}

#[test]
fn a_legacy_signature_must_cover_what_gives_the_request_its_meaning() {
    let mut open = record(key_pair(KeyAlgorithm::HmacSha256).1);
    open.legacy = true;
    for leave_out in LEGACY_COVERED.split(' ') {
        let covered: Vec<&str> =
            LEGACY_COVERED.split(' ').filter(|name| *name != leave_out).collect();
        let lines = legacy_lines();
        let lines: Vec<&str> =
            lines.lines().filter(|line| !line.starts_with(&format!("{leave_out}: "))).collect();
        let request = legacy("hs2019", &covered.join(" "), &lines.join("\n"));
        assert_eq!(check(&request, NOW, &open).is_ok(), leave_out == "x-request-id", "{leave_out}");
    }
}
