//! The test cases of RFC 9421, Appendix B.2, with the RFC's own keys.
//!
//! They have other profiles than ours (no tag, few components), so they go through the bare steps.

extern crate lgsp_auth as auth;

mod common;

use auth::{Material, PublicKey, PublicNames, RequestHead, SigningKey, raw};
use common::{ED25519, ED25519_PUBLIC, P256_PUBLIC, RSA_PSS_PUBLIC, unbase64};
use model::KeyAlgorithm;

const DIGEST: &str = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
const SHARED_SECRET: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

/// The base of `test-request` for this input.
fn base(input: &str) -> String {
    let head = RequestHead {
        method: "POST",
        authority: "example.com",
        path: "/foo",
        query: Some("param=Value&Pet=dog"),
        headers: &[
            ("host", b"example.com".as_slice()),
            ("date", b"Tue, 20 Apr 2021 02:07:55 GMT"),
            ("content-type", b"application/json"),
            ("content-digest", DIGEST.as_bytes()),
            ("content-length", b"18"),
        ],
    };
    let names = PublicNames::new(["https://example.com"]).expect("a name");
    let base = raw::signature_base(&head, &names, input).expect("a base");
    String::from_utf8(base).expect("text")
}

fn material(algorithm: KeyAlgorithm, pem: &str) -> Material {
    let spki = PublicKey::parse(algorithm, pem.as_bytes()).expect("a public key");
    Material::new(algorithm, &spki).expect("a public key")
}

fn assert_verifies(material: &Material, base: &str, signature: &str) {
    let mut signature = unbase64(signature);
    assert!(raw::verify(material, base.as_bytes(), &signature));
    assert!(!raw::verify(material, format!("{base} ").as_bytes(), &signature));
    signature[3] ^= 1;
    assert!(!raw::verify(material, base.as_bytes(), &signature));
}

#[test]
fn b21_minimal_rsa_pss() {
    let input = r#"();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#;
    let base = base(input);
    assert_eq!(base, format!("\"@signature-params\": {input}"));
    assert_verifies(
        &material(KeyAlgorithm::RsaPssSha512, RSA_PSS_PUBLIC),
        &base,
        "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
    );
}

#[test]
fn b22_selective_rsa_pss() {
    let input = r#"("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#;
    let base = base(input);
    let expected = format!(
        "\"@authority\": example.com\n\"content-digest\": {DIGEST}\n\"@query-param\";name=\"Pet\": dog\n\"@signature-params\": {input}"
    );
    assert_eq!(base, expected);
    assert_verifies(
        &material(KeyAlgorithm::RsaPssSha512, RSA_PSS_PUBLIC),
        &base,
        "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
    );
}

#[test]
fn b23_full_rsa_pss() {
    let input = r#"("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#;
    let base = base(input);
    let expected = format!(
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@query\": ?param=Value&Pet=dog\n\"@authority\": example.com\n\"content-type\": application/json\n\"content-digest\": {DIGEST}\n\"content-length\": 18\n\"@signature-params\": {input}"
    );
    assert_eq!(base, expected);
    assert_verifies(
        &material(KeyAlgorithm::RsaPssSha512, RSA_PSS_PUBLIC),
        &base,
        "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
    );
}

#[test]
fn b24_response_ecdsa_p256() {
    // A response: its base is taken from the RFC, for responses are none of our reading.
    let base = "\"@status\": 200\n\"content-type\": application/json\n\"content-digest\": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:\n\"content-length\": 23\n\"@signature-params\": (\"@status\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-ecc-p256\"";
    assert_verifies(
        &material(KeyAlgorithm::EcdsaP256Sha256, P256_PUBLIC),
        base,
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
    );
}

#[test]
fn b25_hmac_sha256() {
    let input =
        r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#;
    let base = base(input);
    let expected = format!(
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@authority\": example.com\n\"content-type\": application/json\n\"@signature-params\": {input}"
    );
    assert_eq!(base, expected);
    let secret =
        Material::new(KeyAlgorithm::HmacSha256, &unbase64(SHARED_SECRET)).expect("a secret");
    assert_verifies(&secret, &base, "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
}

#[test]
fn b26_ed25519() {
    let input = r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#;
    let base = base(input);
    let expected = format!(
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n\"content-type\": application/json\n\"content-length\": 18\n\"@signature-params\": {input}"
    );
    assert_eq!(base, expected);
    let signature =
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    assert_verifies(&material(KeyAlgorithm::Ed25519, ED25519_PUBLIC), &base, signature);
    // Ed25519 has one signature for a message, so ours must be the RFC's.
    let key =
        SigningKey::from_private_key(KeyAlgorithm::Ed25519, ED25519.as_bytes()).expect("a key");
    assert_eq!(key.sign(base.as_bytes()).expect("signed"), unbase64(signature));
}
