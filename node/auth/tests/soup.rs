//! Properties: whatever stands in a header, the answer is a refusal and never a panic.

#![allow(clippy::let_underscore_must_use, reason = "a test that fails says enough")]

extern crate lgsp_auth as auth;

mod common;

use auth::{ContentDigest, PublicKey, PublicNames, UploadChecksum, idempotency_key, raw};
use common::{KEY, NOW, Request, check, hmac, key_pair, record};
use model::KeyAlgorithm;
use proptest::prelude::*;

/// Text that is nearly a structured field, so that it comes far into the parsers.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("sig=("),
        Just("\"@method\""),
        Just(" "),
        Just("\"@target-uri\""),
        Just("\"@query\""),
        Just(")"),
        Just(";created=1795334851"),
        Just(";created"),
        Just(";keyid=\"AKAAAAAAAAAAAAAAAAAAAA\""),
        Just(";tag=\"lgsp-v1\""),
        Just(";nonce=\"0123456789abcdef\""),
        Just(";alg=\"hmac-sha256\""),
        Just(";expires=99999999999999"),
        Just(","),
        Just(":AAAA:"),
        Just(";req"),
        Just(";sf"),
        Just("\"@query-param\";name=\"a\""),
        Just("\""),
        Just("\\"),
        Just("="),
        Just("sig"),
        Just("1.5"),
        Just("?1"),
        Just("@12"),
        Just("%\"x\""),
        Just("*"),
        Just("("),
        Just("\"date\""),
        Just("Signature "),
        Just("keyId=\"AKAAAAAAAAAAAAAAAAAAAA\","),
        Just("headers=\"(request-target) host date\","),
        Just("signature=\"AAAA\""),
        Just("algorithm=\"hmac-sha1\","),
        Just("Sun, 22 Nov 2026 08:07:31 GMT"),
        Just("\r\n"),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat().into_bytes())
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![nearly(), proptest::collection::vec(any::<u8>(), 0..200)]
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("signature-input"),
        Just("signature"),
        Just("authorization"),
        Just("content-digest"),
        Just("digest"),
        Just("date"),
        Just("host"),
        Just("content-length"),
        Just("idempotency-key"),
        Just("transfer-encoding"),
    ]
}

/// The fields that the good request is signed by or must have covered.
fn signed_name() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("signature-input"),
        Just("signature"),
        Just("authorization"),
        Just("content-digest"),
        Just("idempotency-key"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn soup_in_headers_is_refused(
        headers in proptest::collection::vec((name(), soup()), 0..6),
        target in "\\PC{0,30}",
        authority in "\\PC{0,20}",
        ours in any::<bool>(),
    ) {
        let mut request = Request::new("POST", &target);
        if !ours {
            request.authority = authority;
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut record = record(key_pair(KeyAlgorithm::HmacSha256).1);
        record.legacy = true;
        record.hmac_sha1 = true;
        prop_assert!(check(&request, NOW, &record).is_err());
    }

    #[test]
    fn soup_in_one_field_of_a_good_request_is_refused(name in signed_name(), value in soup()) {
        let good = Request::new("POST", "/v1/packets?a=1").body(b"x").header("idempotency-key", "k").signed(hmac());
        let mut request = good.clone();
        request.set(name, &value);
        prop_assume!(request.get(name).map(str::trim) != good.get(name));
        prop_assert!(check(&request, NOW, &record(key_pair(KeyAlgorithm::HmacSha256).1)).is_err());
    }

    #[test]
    fn the_small_parsers_take_anything(value in soup()) {
        let _ = ContentDigest::parse("content-digest", &value);
        let _ = ContentDigest::parse_old(&value);
        let _ = UploadChecksum::parse(&value);
        let request = Request::new("POST", "/").header("idempotency-key", &value);
        let _ = request.with_head(idempotency_key);
        let text = String::from_utf8_lossy(&value).into_owned();
        let _ = PublicNames::new([&text]);
        let _ = Request::new("GET", "/?a=%").with_head(|head| raw::signature_base(head, &common::names(), &text));
        for algorithm in KeyAlgorithm::ALL {
            prop_assert!(PublicKey::parse(*algorithm, &value).is_err());
        }
    }

    #[test]
    fn every_target_that_is_signed_is_verified(
        path in "(/[a-zA-Z0-9._~%!$&'()*+,;=:@-]{0,12}){1,4}",
        query in proptest::option::of("[a-zA-Z0-9._~%!$&'()*+,;=:@/?-]{0,30}"),
        method in "[A-Z]{1,8}",
        body in proptest::collection::vec(any::<u8>(), 1..100),
    ) {
        let target = match query { Some(query) => format!("{path}?{query}"), None => path };
        let request = Request::new(&method, &target).body(&body).signed(hmac());
        let caller = check(&request, NOW, &record(key_pair(KeyAlgorithm::HmacSha256).1));
        let caller = caller.expect("accepted");
        prop_assert_eq!(caller.key().as_str(), KEY);
    }
}
