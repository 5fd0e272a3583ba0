//! The mistakes that other verifiers shipped, each by name, and every rule of the profile.

extern crate lgsp_auth as auth;

mod common;

use std::time::Duration;

use auth::{Material, Rejection, Secret, SigningKey, content_digest_sha256};
use common::{
    KEY, NONCE, NOW, OTHER_HOST, OTHER_KEY, Request, check, check_hmac, hmac, key_pair, record,
};
use model::{KeyAlgorithm, KeyStatus};
use sha2::{Digest as _, Sha256};

const BODY: &[u8] = b"{\"title\": \"C\xc3\xb4ng v\xc4\x83n\"}";

fn get() -> Request {
    Request::new("GET", "/v1/units?q=s%E1%BB%9F")
}

fn post() -> Request {
    Request::new("POST", "/v1/packets").body(BODY)
}

/// Signs with these components and the usual parameters, some of them replaced.
fn signed(request: Request, components: &str, parameters: &str) -> Request {
    request.signed_as("sig", &format!("({components}){parameters}"), &hmac())
}

fn parameters() -> String {
    format!(";created={};keyid=\"{KEY}\";nonce=\"{NONCE}\";tag=\"lgsp-v1\"", NOW.secs())
}

fn with(components: &str, request: Request) -> Result<(), Rejection> {
    check_hmac(&signed(request, components, &parameters())).map(drop)
}

fn missing(component: &'static str) -> Result<(), Rejection> {
    Err(Rejection::ComponentMissing { component })
}

#[test]
fn a_signature_that_covers_nothing_is_refused() {
    assert_eq!(with("", get()), missing("@method"));
    assert_eq!(with("\"@method\"", get()), missing("@target-uri"));
    assert_eq!(with("\"@target-uri\"", get()), missing("@method"));
    assert_eq!(with("\"user-agent\"", get()), missing("@method"));
}

#[test]
fn parts_of_the_target_must_be_all_of_it() {
    assert_eq!(with("\"@method\" \"@authority\" \"@path\"", get()), missing("@query"));
    assert_eq!(with("\"@method\" \"@authority\" \"@query\"", get()), missing("@path"));
    assert_eq!(with("\"@method\" \"@path\" \"@query\"", get()), missing("@authority"));
    assert_eq!(with("\"@method\" \"@request-target\"", get()), missing("@target-uri"));
    assert_eq!(with("\"@method\" \"@authority\" \"@path\" \"@query\"", get()), Ok(()));
    // Without a query there is none to cover; covering it anyway says that there is none.
    let plain = || Request::new("GET", "/v1/units");
    assert_eq!(with("\"@method\" \"@authority\" \"@path\"", plain()), Ok(()));
    assert_eq!(with("\"@method\" \"@authority\" \"@path\" \"@query\"", plain()), Ok(()));
    let mut grown = signed(plain(), "\"@method\" \"@authority\" \"@path\"", &parameters());
    grown.query = Some(String::new());
    assert_eq!(check_hmac(&grown).map(drop), missing("@query"));
}

#[test]
fn a_covered_content_digest_that_is_absent_is_not_an_empty_value() {
    let mut request = post().signed(hmac());
    request.remove("content-digest");
    assert_eq!(check_hmac(&request).map(drop), Err(Rejection::ContentUnsigned));

    // Signed by somebody who believes in empty values.
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": https://lgsp.example.vn/v1/packets\n\"content-digest\": \n\"@signature-params\": (\"@method\" \"@target-uri\" \"content-digest\"){}",
        parameters()
    );
    let signature = hmac().sign(base.as_bytes()).expect("signed");
    let mut request = Request::new("POST", "/v1/packets");
    request.body = BODY.to_vec();
    request.set(
        "signature-input",
        format!("a=(\"@method\" \"@target-uri\" \"content-digest\"){}", parameters()),
    );
    request.set("signature", format!("a=:{}:", common::base64(&signature)));
    assert!(check_hmac(&request).is_err());
    request.set("content-digest", "");
    assert!(check_hmac(&request).is_err());
}

#[test]
fn content_must_have_its_digest_covered() {
    assert_eq!(with("\"@method\" \"@target-uri\"", post()), missing("content-digest"));
    let mut chunked = Request::new("POST", "/v1/packets").header("transfer-encoding", "chunked");
    assert_eq!(with("\"@method\" \"@target-uri\"", chunked.clone()), missing("content-digest"));
    chunked.remove("transfer-encoding");
    // Content without any announcement, as HTTP/2 allows: found when it comes.
    chunked.body = BODY.to_vec();
    assert_eq!(with("\"@method\" \"@target-uri\"", chunked), Err(Rejection::ContentUnsigned));
    let empty = Request::new("POST", "/v1/packets").header("content-length", "0");
    assert_eq!(with("\"@method\" \"@target-uri\"", empty), Ok(()));
}

#[test]
fn the_digest_is_compared_with_the_body() {
    let mut request = post().signed(hmac());
    assert!(check_hmac(&request).is_ok());
    request.body.pop();
    assert_eq!(check_hmac(&request).map(drop), Err(Rejection::DigestMismatch));
    request.body.clear();
    assert_eq!(check_hmac(&request).map(drop), Err(Rejection::DigestMismatch));
}

#[test]
fn a_get_may_carry_the_digest_of_nothing() {
    let digest = content_digest_sha256(&Sha256::digest(b"").into());
    let request = get().header("content-digest", digest);
    assert!(check_hmac(&request.clone().signed(hmac())).is_ok());
    assert_eq!(with("\"@method\" \"@target-uri\"", request), missing("content-digest"));
}

#[test]
fn a_component_listed_twice_is_refused() {
    for twice in ["\"@method\" \"@method\"", "\"@method\" \"user-agent\" \"user-agent\""] {
        let mut request = get().signed(hmac());
        request.set("signature-input", format!("lgsp=(\"@target-uri\" {twice}){}", parameters()));
        assert!(matches!(check_hmac(&request), Err(Rejection::ComponentRefused { .. })), "{twice}");
    }
}

#[test]
fn components_with_parameters_do_not_count_as_covered() {
    for (odd, plain) in
        [("\"@method\";req", "\"@target-uri\""), ("\"@target-uri\";req", "\"@method\"")]
    {
        let mut request = get().signed(hmac());
        request.set("signature-input", format!("lgsp=({odd} {plain}){}", parameters()));
        assert!(matches!(check_hmac(&request), Err(Rejection::ComponentMissing { .. })), "{odd}");
    }
    for odd in [
        "\"user-agent\";req",
        "\"user-agent\";tr",
        "\"user-agent\";sf",
        "\"user-agent\";bs",
        "\"@unknown\"",
        "\"@status\"",
    ] {
        let mut request = get().signed(hmac());
        request.set(
            "signature-input",
            format!("lgsp=(\"@method\" \"@target-uri\" {odd}){}", parameters()),
        );
        let Err(Rejection::ComponentRefused { component, .. }) = check_hmac(&request) else {
            panic!("{odd} was not refused");
        };
        assert_eq!(component, odd);
    }
}

#[test]
fn the_algorithm_is_the_keys_and_not_the_messages() {
    // The public key is public: used as an HMAC secret it must open nothing.
    for algorithm in
        [KeyAlgorithm::RsaV15Sha256, KeyAlgorithm::Ed25519, KeyAlgorithm::EcdsaP256Sha256]
    {
        let (private, public) = key_pair(algorithm);
        let record = record(public);
        let spki = private.public_key().expect("a public key");
        for octets in [spki.clone(), common::base64(&spki).into_bytes(), common::RSA_PUBLIC.into()]
        {
            for alg in ["", ";alg=\"hmac-sha256\""] {
                let forger = SigningKey::from_secret(&Secret::from_octets(octets.clone()));
                let input = format!("(\"@method\" \"@target-uri\"){}{alg}", parameters());
                let request = get().signed_as("sig", &input, &forger);
                let refusal = check(&request, NOW, &record).expect_err("a forgery");
                if alg.is_empty() {
                    assert!(matches!(refusal, Rejection::SignatureInvalid { .. }), "{refusal}");
                } else {
                    assert_eq!(refusal, Rejection::AlgorithmMismatch { expected: algorithm });
                }
            }
        }
    }
}

#[test]
fn the_algorithm_may_be_named_if_it_is_the_keys() {
    let named = |alg: &str| {
        check_hmac(&signed(get(), "\"@method\" \"@target-uri\"", &format!("{}{alg}", parameters())))
            .map(drop)
    };
    assert_eq!(named(";alg=\"hmac-sha256\""), Ok(()));
    let expected = KeyAlgorithm::HmacSha256;
    for alg in [";alg=\"ed25519\"", ";alg=\"none\"", ";alg=\"\"", ";alg=hmac-sha256", ";alg"] {
        assert_eq!(named(alg), Err(Rejection::AlgorithmMismatch { expected }), "{alg}");
    }
}

#[test]
fn a_replay_carries_the_nonce_and_time_that_were_signed() {
    // The cache of nonces is the machine's; what it is given must be what was signed.
    let evidence = |request: &Request| {
        check_hmac(request).expect("accepted").evidence().cloned().expect("evidence")
    };
    let request = post().signed(hmac());
    let first = evidence(&request);
    assert_eq!((first.nonce.as_str(), first.created, first.key.as_str()), (NONCE, NOW, KEY));
    assert_eq!(evidence(&request), first);
    let mut replay = request.clone();
    let input =
        request.get("signature-input").expect("an input").replace(NONCE, &NONCE.replace('0', "9"));
    replay.set("signature-input", input);
    assert!(matches!(check_hmac(&replay), Err(Rejection::SignatureInvalid { .. })));
}

#[test]
fn methods_that_change_something_need_a_nonce() {
    let bare = format!(";created={};keyid=\"{KEY}\";tag=\"lgsp-v1\"", NOW.secs());
    for method in ["POST", "PUT", "PATCH", "DELETE", "get", "UNHEARD-OF"] {
        let request = signed(Request::new(method, "/v1/x"), "\"@method\" \"@target-uri\"", &bare);
        assert_eq!(check_hmac(&request).map(drop), Err(Rejection::NonceMissing), "{method}");
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        let request = signed(Request::new(method, "/v1/x"), "\"@method\" \"@target-uri\"", &bare);
        assert!(check_hmac(&request).expect("accepted").evidence().is_none(), "{method}");
    }
    for nonce in ["short", &"x".repeat(129), "0123456789abcde"] {
        let parameters = parameters().replace(NONCE, nonce);
        let request = signed(get(), "\"@method\" \"@target-uri\"", &parameters);
        assert!(matches!(check_hmac(&request), Err(Rejection::Malformed { .. })), "{nonce}");
    }
}

#[test]
fn the_window_is_five_minutes_back_and_one_ahead() {
    let request = post().signed(hmac());
    let record = record(key_pair(KeyAlgorithm::HmacSha256).1);
    let at = |now| check(&request, now, &record).map(drop);
    assert_eq!(at(NOW.plus(Duration::from_secs(300))), Ok(()));
    assert_eq!(at(NOW.minus(Duration::from_secs(60))), Ok(()));
    let late = NOW.plus(Duration::from_millis(300_001));
    assert_eq!(
        at(late),
        Err(Rejection::ClockOutOfWindow { server_time: late, skew_seconds: -300 })
    );
    let early = NOW.minus(Duration::from_secs(7200));
    assert_eq!(
        at(early),
        Err(Rejection::ClockOutOfWindow { server_time: early, skew_seconds: 7200 })
    );
}

#[test]
fn expires_is_kept() {
    let record = record(key_pair(KeyAlgorithm::HmacSha256).1);
    let at = |expires: u64, now| {
        let request = signed(
            get(),
            "\"@method\" \"@target-uri\"",
            &format!("{};expires={expires}", parameters()),
        );
        check(&request, now, &record).map(drop)
    };
    let later = NOW.plus(Duration::from_secs(31));
    assert_eq!(at(NOW.secs() + 30, NOW), Ok(()));
    assert_eq!(at(NOW.secs() + 30, later), Err(Rejection::SignatureExpired));
    assert!(matches!(at(NOW.secs() + 301, NOW), Err(Rejection::Malformed { .. })));
    assert!(matches!(at(NOW.secs() - 1, NOW), Err(Rejection::Malformed { .. })));
}

#[test]
fn parameters_that_are_required_are_named() {
    let lacking = |parameter: &str| {
        let parameters: Vec<String> = parameters()
            .split(';')
            .filter(|p| !p.starts_with(parameter))
            .map(str::to_owned)
            .collect();
        check_hmac(&signed(get(), "\"@method\" \"@target-uri\"", &parameters.join(";"))).map(drop)
    };
    assert_eq!(lacking("created"), Err(Rejection::ParameterMissing { parameter: "created" }));
    assert_eq!(lacking("keyid"), Err(Rejection::ParameterMissing { parameter: "keyid" }));
    assert_eq!(lacking("tag"), Err(Rejection::TagMissing));
    for wrong in [
        parameters().replace("created=", "created=-"),
        parameters().replace("created=", "created=1.0;x="),
    ] {
        assert!(
            check_hmac(&signed(get(), "\"@method\" \"@target-uri\"", &wrong)).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn fields_that_change_the_meaning_must_be_covered() {
    for field in [
        "authorization",
        "idempotency-key",
        "upload-length",
        "upload-offset",
        "upload-metadata",
        "upload-concat",
    ] {
        let request = get().header(field, "x");
        assert_eq!(with("\"@method\" \"@target-uri\"", request.clone()), missing(field));
        assert_eq!(
            with(&format!("\"@method\" \"@target-uri\" \"{field}\""), request.clone()),
            Ok(())
        );
        let mut twice =
            signed(request, &format!("\"@method\" \"@target-uri\" \"{field}\""), &parameters());
        twice.headers.push((field.to_owned(), b"x".to_vec()));
        assert!(matches!(check_hmac(&twice), Err(Rejection::SignatureInvalid { .. })), "{field}");
    }
}

#[test]
fn a_signature_is_found_by_its_tag_and_not_by_its_label() {
    let ours = signed(get(), "\"@method\" \"@target-uri\"", &parameters());
    let (input, signature) =
        (ours.get("signature-input").expect("set"), ours.get("signature").expect("set"));
    let of_a_gateway = "gw=(\"@method\");created=1;keyid=\"gw\";tag=\"gateway\"";
    let mut request = ours.clone();
    request.set("signature-input", format!("{of_a_gateway}, {input}"));
    request.set("signature", format!("gw=:AAAA:, {signature}"));
    assert!(check_hmac(&request).is_ok());
    request.set("signature-input", of_a_gateway);
    assert_eq!(check_hmac(&request).map(drop), Err(Rejection::TagMissing));
    request.set("signature-input", format!("{input}, {}", input.replace("sig=", "sig2=")));
    assert_eq!(check_hmac(&request).map(drop), Err(Rejection::TagRepeated));
    let many: Vec<String> =
        (0..4).map(|i| of_a_gateway.replace("gw=", &format!("gw{i}="))).collect();
    request.set("signature-input", format!("{}, {input}", many.join(", ")));
    assert_eq!(check_hmac(&request).map(drop), Err(Rejection::TooManySignatures { max: 4 }));
    request.set("signature-input", format!("{input};x=\"{}\"", "a".repeat(4096)));
    assert!(matches!(
        check_hmac(&request),
        Err(Rejection::FieldTooLong { field: "signature-input", .. })
    ));
}

#[test]
fn two_lines_of_a_signature_field_are_one_dictionary() {
    let ours = signed(get(), "\"@method\" \"@target-uri\"", &parameters());
    let mut request = ours.clone();
    request.headers.push(("signature-input".to_owned(), b"gw=();tag=\"other\"".to_vec()));
    request.headers.push(("signature".to_owned(), b"gw=:AAAA:".to_vec()));
    assert!(check_hmac(&request).is_ok());
}

#[test]
fn the_host_is_believed_only_when_it_is_one_of_ours() {
    let mut request = get().signed(hmac());
    request.authority = "LGSP.example.vn:443".to_owned();
    assert!(check_hmac(&request).is_ok());
    request.authority = OTHER_HOST.to_owned();
    assert!(matches!(check_hmac(&request), Err(Rejection::SignatureInvalid { .. })));
    request.authority = "evil.example".to_owned();
    assert_eq!(check_hmac(&request).map(drop), Err(Rejection::AuthorityUnknown));
    // What a proxy or a client claims about the target changes nothing.
    let claim = get()
        .signed(hmac())
        .header("forwarded", "host=evil.example;proto=http")
        .header("x-forwarded-host", "evil");
    assert!(check_hmac(&claim).is_ok());
}

#[test]
fn keys_that_may_not_sign_are_refused() {
    let request = get().signed(hmac());
    let mut revoked = record(key_pair(KeyAlgorithm::HmacSha256).1);
    revoked.status = KeyStatus::Revoked;
    assert_eq!(check(&request, NOW, &revoked).map(drop), Err(Rejection::KeyDisabled));
    for key in ["AKCCCCCCCCCCCCCCCCCCCC", "", "AK", "nobody", "ÁK"] {
        let mut request = request.clone();
        let input = request.get("signature-input").expect("set").replace(KEY, key);
        request.set("signature-input", input);
        assert!(check_hmac(&request).is_err(), "{key}");
    }
    // Another application's key does not make the signature fit.
    let mut request = request;
    let input = request.get("signature-input").expect("set").replace(KEY, OTHER_KEY);
    request.set("signature-input", input);
    assert!(matches!(check_hmac(&request), Err(Rejection::SignatureInvalid { .. })));
    assert!(Material::new(KeyAlgorithm::HmacSha256, b"").is_err());
}

#[test]
fn a_refusal_shows_the_base_only_in_a_sandbox() {
    let mut request = get().signed(hmac());
    request.path.push('x');
    let keys = common::lookup(record(key_pair(KeyAlgorithm::HmacSha256).1));
    let mut policy = common::policy();
    let refusal = |policy: &auth::Policy| {
        request.with_head(|head| auth::verify(head, NOW, &keys, policy)).expect_err("changed")
    };
    let Rejection::SignatureInvalid { base: None, base_digest, .. } = refusal(&policy) else {
        panic!("shown")
    };
    policy.show_base = true;
    let Rejection::SignatureInvalid { base: Some(base), .. } = refusal(&policy) else {
        panic!("not shown")
    };
    assert_eq!(base_digest.0, <[u8; 32]>::from(Sha256::digest(&base)));
    assert!(policy.accept_signature().ends_with("created;nonce;keyid;tag=\"lgsp-v1\""));
}
