//! Our signer against our verifier, in every algorithm, and both against a second implementation.

extern crate lgsp_auth as auth;

mod common;

use auth::{
    Material, PublicKey, Rejection, Scheme, Secret, SignError, SignRequest, Signer, SigningKey, raw,
};
use common::{KEY, NONCE, NOW, Request, check, key_pair, record};
use model::KeyAlgorithm;
use rsa::{RsaPublicKey, pkcs8::DecodePublicKey, sha2::Digest as _};

const MESSAGE: &[u8] = b"\"@method\": POST";

#[test]
fn every_algorithm_signs_what_it_verifies() {
    for algorithm in KeyAlgorithm::ALL.iter().copied() {
        let (key, material) = key_pair(algorithm);
        assert_eq!((key.algorithm(), material.algorithm()), (algorithm, algorithm));
        let request = Request::new("POST", "/v1/packets?x=%C4%91")
            .body(b"{}")
            .header("idempotency-key", "k")
            .signed(key);
        let record = record(material);
        let caller =
            check(&request, NOW, &record).unwrap_or_else(|why| panic!("{algorithm}: {why}"));
        assert_eq!((caller.app().as_str(), caller.unit().as_str()), ("hscv", "H41.02"));
        assert!(caller.grants().has(model::Grant::Send) && !caller.is_legacy());

        // What is kept as evidence can be checked again without the request.
        let evidence = caller.evidence().expect("evidence");
        let input = request.get("signature-input").expect("set");
        let input = input.strip_prefix("lgsp=").expect("the label");
        let base = request
            .with_head(|head| raw::signature_base(head, &common::names(), input))
            .expect("a base");
        assert_eq!(evidence.base, base);
        assert!(raw::verify(&record.material, &evidence.base, &evidence.signature));
    }
}

#[test]
fn no_algorithm_verifies_anothers_signature() {
    for signing in KeyAlgorithm::ALL.iter().copied() {
        let signature = key_pair(signing).0.sign(MESSAGE).expect("signed");
        for verifying in KeyAlgorithm::ALL.iter().copied() {
            let verified = raw::verify(&key_pair(verifying).1, MESSAGE, &signature);
            assert_eq!(verified, signing == verifying, "{signing} by {verifying}");
        }
    }
}

#[test]
fn the_rsa_crate_agrees() {
    let (key, material) = key_pair(KeyAlgorithm::RsaV15Sha256);
    let public =
        RsaPublicKey::from_public_key_der(&key.public_key().expect("a key")).expect("a key");
    let digest = rsa::sha2::Sha256::digest(MESSAGE);
    let scheme = rsa::Pkcs1v15Sign::new::<rsa::sha2::Sha256>;
    let mut signature = key.sign(MESSAGE).expect("signed");
    assert!(public.verify(scheme(), &digest, &signature).is_ok());
    signature[9] ^= 1;
    assert!(public.verify(scheme(), &digest, &signature).is_err());
    assert!(!raw::verify(&material, MESSAGE, &signature));

    let signature = key_pair(KeyAlgorithm::RsaPssSha512).0.sign(MESSAGE).expect("signed");
    let digest = rsa::sha2::Sha512::digest(MESSAGE);
    assert!(public.verify(rsa::Pss::new::<rsa::sha2::Sha512>(), &digest, &signature).is_ok());
}

#[test]
fn a_pss_signature_may_have_the_largest_salt() {
    use rsa::{RsaPrivateKey, pkcs1::DecodeRsaPrivateKey, rand_core::OsRng};
    let private = RsaPrivateKey::from_pkcs1_pem(common::RSA).expect("a key");
    let digest = rsa::sha2::Sha512::digest(MESSAGE);
    let material = key_pair(KeyAlgorithm::RsaPssSha512).1;
    // 256 octets of modulus, less the hash and two octets.
    for (salt, accepted) in [(64, true), (256 - 64 - 2, true), (20, false), (0, false)] {
        let scheme = rsa::Pss::new_with_salt::<rsa::sha2::Sha512>(salt);
        let signature = private.sign_with_rng(&mut OsRng, scheme, &digest).expect("signed");
        assert_eq!(raw::verify(&material, MESSAGE, &signature), accepted, "salt of {salt}");
    }
    let mut request =
        Request::new("GET", "/v1/units").signed(key_pair(KeyAlgorithm::RsaPssSha512).0);
    request.path.push('x');
    let refusal = check(&request, NOW, &record(material)).expect_err("changed");
    let Rejection::SignatureInvalid { hint: Some(hint), .. } = refusal else { panic!("{refusal}") };
    assert!(hint.contains("salt"));
}

#[test]
fn the_header_values_are_as_documented() {
    let (key, _) = key_pair(KeyAlgorithm::HmacSha256);
    let signer = Signer::new(KEY.parse().expect("a key"), key);
    let nonce = NONCE.parse().expect("a nonce");
    let request = SignRequest {
        method: "GET",
        scheme: Scheme::Https,
        authority: "LGSP.example.vn:443",
        path_and_query: "/v1/units?q=a",
        content_digest: None,
        headers: &[],
        created: NOW,
        nonce: Some(&nonce),
    };
    let signed = signer.sign(&request).expect("signed");
    assert_eq!(
        signed.signature_input,
        format!(
            "lgsp=(\"@method\" \"@target-uri\");created=1795334851;nonce=\"{NONCE}\";keyid=\"{KEY}\";tag=\"lgsp-v1\""
        )
    );
    // The same by: printf %s "$base" | openssl dgst -sha256 -hmac "$secret" -binary | base64
    assert_eq!(signed.signature, include_str!("vectors/openssl-hmac.txt").trim());

    let tagged = Signer::new(KEY.parse().expect("a key"), common::hmac()).with_tag("lgsp-access");
    assert!(
        tagged.sign(&request).expect("signed").signature_input.ends_with("tag=\"lgsp-access\"")
    );
    for headers in [[("X-Upper", "a")], [("", "a")], [("a b", "a")], [("a", "x\ny: z")]] {
        let request = SignRequest { headers: &headers, ..request };
        assert!(matches!(signer.sign(&request), Err(SignError::Header { .. })), "{headers:?}");
    }
}

#[test]
fn keys_are_read_from_pem_and_der_and_checked() {
    for algorithm in KeyAlgorithm::ALL.iter().copied().filter(|a| !a.is_symmetric()) {
        let (key, _) = key_pair(algorithm);
        let der = key.public_key().expect("a key");
        assert_eq!(PublicKey::parse(algorithm, &der), Ok(der.clone()), "{algorithm}");
        assert!(Material::new(algorithm, &der[1..]).is_err());
        for text in [common::RSA_PUBLIC, common::P256_PUBLIC, common::ED25519_PUBLIC] {
            let fits =
                PublicKey::parse(algorithm, text.as_bytes()).is_ok_and(|parsed| parsed == der);
            let wrong = PublicKey::parse(algorithm, text.as_bytes()).is_err();
            assert!(fits || wrong, "{algorithm}");
            // As editors of Windows write it: with a mark and their ends of lines, or as «Unicode».
            let edited = format!("\u{feff}{}", text.replace('\n', "\r\n"));
            assert_eq!(PublicKey::parse(algorithm, edited.as_bytes()).is_ok(), fits, "{algorithm}");
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let refusal = PublicKey::parse(algorithm, &wide);
            let named = |reason: &str| reason.contains("UTF-16");
            assert!(matches!(refusal, Err(Rejection::KeyUnusable { reason }) if named(reason)));
        }
    }
    for private in [common::RSA, common::P256, common::ED25519] {
        let refusal = PublicKey::parse(KeyAlgorithm::RsaV15Sha256, private.as_bytes());
        let Err(Rejection::KeyUnusable { reason }) = refusal else {
            panic!("a private key was taken")
        };
        assert!(reason.contains("private"));
    }
    assert!(PublicKey::parse(KeyAlgorithm::HmacSha256, common::RSA_PUBLIC.as_bytes()).is_err());
}

#[test]
fn keys_that_are_too_small_or_weak_are_refused() {
    use rsa::{BigUint, pkcs8::EncodePublicKey};
    let small =
        RsaPublicKey::new((BigUint::from(1u8) << 1023) + 1u8, 65537u32.into()).expect("a key");
    let der = small.to_public_key_der().expect("a key");
    let refused = PublicKey::parse(KeyAlgorithm::RsaV15Sha256, der.as_bytes());
    assert_eq!(refused, Err(Rejection::KeyUnusable { reason: "an RSA key has 2048 to 8192 bits" }));
    let large =
        RsaPublicKey::new_with_max_size((BigUint::from(1u8) << 8200) + 1u8, 65537u32.into(), 9000);
    let der = large.expect("a key").to_public_key_der().expect("a key");
    assert!(PublicKey::parse(KeyAlgorithm::RsaPssSha512, der.as_bytes()).is_err());

    // The neutral point of Ed25519: it would verify signatures that nobody made.
    let mut der = key_pair(KeyAlgorithm::Ed25519).0.public_key().expect("a key");
    let point = der.len() - 32;
    der[point..].fill(0);
    der[point] = 1;
    assert!(PublicKey::parse(KeyAlgorithm::Ed25519, &der).is_err());
    // Not a point of the curve.
    let mut der = key_pair(KeyAlgorithm::EcdsaP256Sha256).0.public_key().expect("a key");
    *der.last_mut().expect("octets") ^= 1;
    assert!(PublicKey::parse(KeyAlgorithm::EcdsaP256Sha256, &der).is_err());
}

#[test]
fn secrets_are_43_characters_and_print_as_nothing() {
    let secret = Secret::from_random(&[0xfb; 32]);
    let text = String::from_utf8(secret.expose().to_vec()).expect("ASCII");
    assert_eq!(text.len(), 43);
    assert!(text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')));
    let material = Material::Secret(secret.clone());
    let key = SigningKey::from_secret(&secret);
    for printed in [
        format!("{secret:?}"),
        format!("{material:?}"),
        format!("{key:?}"),
        format!("{:?}", record(material.clone())),
    ] {
        assert!(!printed.contains(&text) && !printed.contains("251"), "{printed}");
    }
}

#[test]
fn equality_in_constant_time_is_equality() {
    assert!(auth::constant_time_eq(b"abc", b"abc"));
    assert!(!auth::constant_time_eq(b"abc", b"abd"));
    assert!(!auth::constant_time_eq(b"abc", b"ab"));
}
