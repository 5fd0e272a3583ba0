//! Project Wycheproof's vectors against our primitives: each result must be the one foretold.

extern crate lgsp_auth as auth;

mod common;

use auth::{Material, PublicKey, Secret, raw};
use model::KeyAlgorithm;
use wycheproof::TestResult;

/// Checks one public key with all its cases; gives how many there were.
fn check<'a>(
    algorithm: KeyAlgorithm,
    der: &[u8],
    cases: impl Iterator<Item = (usize, TestResult, &'a [u8], &'a [u8])>,
) -> usize {
    let spki = PublicKey::parse(algorithm, der).expect("a key of the vectors");
    let material = Material::new(algorithm, &spki).expect("a key of the vectors");
    let mut count = 0;
    for (id, result, message, signature) in cases {
        let verified = raw::verify(&material, message, signature);
        match result {
            TestResult::Valid => assert!(verified, "{algorithm} case {id} is valid"),
            TestResult::Invalid => assert!(!verified, "{algorithm} case {id} is invalid"),
            // Odd but harmless encodings; either answer is right.
            TestResult::Acceptable => {}
        }
        count += 1;
    }
    count
}

#[test]
fn hmac_sha256() {
    let set =
        wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).expect("vectors");
    let mut count = 0;
    // A cut tag is not accepted by us at all, whatever its set says.
    for group in set.test_groups.iter().filter(|group| group.tag_size == 256) {
        for test in group.tests.iter().filter(|test| !test.key.is_empty()) {
            let material = Material::new(KeyAlgorithm::HmacSha256, &test.key).expect("a secret");
            let verified = raw::verify(&material, &test.msg, &test.tag);
            assert_eq!(verified, test.result == TestResult::Valid, "case {}", test.tc_id);
            count += 1;
        }
    }
    assert!(count > 50);
    for group in set.test_groups.iter().filter(|group| group.tag_size < 256) {
        for test in group.tests.iter().filter(|test| !test.key.is_empty()) {
            let material = Material::new(KeyAlgorithm::HmacSha256, &test.key).expect("a secret");
            assert!(!raw::verify(&material, &test.msg, &test.tag), "case {}", test.tc_id);
        }
    }
}

#[test]
fn hmac_sha1() {
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha1).expect("vectors");
    let mut count = 0;
    for group in set.test_groups.iter() {
        for test in &group.tests {
            let secret = Secret::from_octets(test.key.to_vec());
            let verified = raw::verify_hmac_sha1(&secret, &test.msg, &test.tag);
            let expected = group.tag_size == 160 && test.result == TestResult::Valid;
            assert_eq!(verified, expected, "case {}", test.tc_id);
            count += 1;
        }
    }
    assert!(count > 50);
}

#[test]
fn rsa_pkcs1_sha256() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut count = 0;
    for name in [
        TestName::Rsa2048Sha256,
        TestName::Rsa3072Sha256,
        TestName::Rsa4096Sha256,
        TestName::Rsa8192Sha256,
    ] {
        for group in &TestSet::load(name).expect("vectors").test_groups {
            let cases =
                group.tests.iter().map(|t| (t.tc_id, t.result, t.msg.as_ref(), t.sig.as_ref()));
            count += check(KeyAlgorithm::RsaV15Sha256, &group.der, cases);
        }
    }
    assert!(count > 500);
}

#[test]
fn rsa_pss_sha512() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let mut count = 0;
    for group in
        &TestSet::load(TestName::RsaPss4096Sha512Mgf1SaltLen64).expect("vectors").test_groups
    {
        let cases = group.tests.iter().map(|t| {
            // The one other salt that we accept on purpose: the largest, 512 - 64 - 2 octets.
            let result =
                if t.comment == "s_len changed to 446" { TestResult::Valid } else { t.result };
            (t.tc_id, result, t.msg.as_ref(), t.sig.as_ref())
        });
        count += check(KeyAlgorithm::RsaPssSha512, &group.der, cases);
    }
    assert!(count > 50);
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut count = 0;
    for group in &TestSet::load(TestName::Ed25519).expect("vectors").test_groups {
        let cases = group.tests.iter().map(|t| (t.tc_id, t.result, t.msg.as_ref(), t.sig.as_ref()));
        count += check(KeyAlgorithm::Ed25519, &group.der, cases);
    }
    assert!(count > 100);
}

#[test]
fn ecdsa_p256_sha256() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut count = 0;
    for group in &TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).expect("vectors").test_groups {
        let cases = group.tests.iter().map(|t| (t.tc_id, t.result, t.msg.as_ref(), t.sig.as_ref()));
        count += check(KeyAlgorithm::EcdsaP256Sha256, &group.der, cases);
    }
    assert!(count > 200);
}
