//! Receipts: what they prove, and that nothing in them can be changed.

#![allow(clippy::cast_possible_truncation, reason = "a test that fails says enough")]

mod fixture;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use fixture::*;
use lgsp_receipts::{
    Content, Error, JWKS_OCTETS_MAX, KEYS_MAX, KeyEnd, KeySet, KeySetError, Kind, MakeError,
    Origin, Receipt, Recorded, Report, STATEMENT_SHOWN_MAX, Statement, Unreadable, attest, verify,
};
use machine::{Fact, Signed, Step, What};
use model::{Digest, Moment, NodeId, checkpoint::NoteError, tree::ProofError};
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

/// So many facts has the history.
const SIZE: u64 = 300;

fn history() -> History {
    History::new(&facts(&office(5)), SIZE)
}

fn json(receipt: &Receipt) -> Vec<u8> {
    serde_json::to_vec(receipt).expect("a receipt is texts")
}

fn check(receipt: &Receipt) -> Result<Report, Error> {
    verify(receipt, &keys(1, &[]), None)
}

/// What comes of octets that should be a receipt.
fn read_and_check(octets: &[u8], keys: &KeySet) -> Result<Report, Error> {
    let receipt = Receipt::parse(octets).map_err(|_| Error::Forged)?;
    verify(&receipt, keys, None)
}

/// The receipt of a fact that somebody signed, where both are what the test wants.
fn receipt_of(signed: Signed, what: What) -> Receipt {
    let mut all = facts(&office(5));
    all[1] = Fact { at: AT, what: What::Signed(signed), evidence: None, salt: [9; 16] };
    all[2] = Fact { at: AT, what, evidence: Some(1), salt: [9; 16] };
    History::new(&all, SIZE).receipt(&key(1), ACCEPTED)
}

#[test]
fn a_receipt_is_the_same_on_every_node_and_in_every_release() {
    let made: Vec<_> = ALL.iter().map(|position| history().receipt(&key(1), *position)).collect();
    let made = serde_json::to_string(&made).expect("receipts are texts");
    assert_eq!(
        format!("{{\"receipts\":{made}}}"),
        include_str!("../vectors/receipts.json").trim_end()
    );
    assert_eq!(keys(1, &[2]).to_string(), include_str!("../vectors/jwks.json").trim_end());
}

#[test]
fn the_four_kinds_prove_what_happened() {
    let [accepted, confirmed, rejected, destroyed] =
        ALL.map(|position| check(&history().receipt(&key(1), position)).expect("it holds"));
    assert_eq!((accepted.kind, accepted.at, accepted.packet), (Kind::Accepted, AT, packet()));
    assert_eq!((&*accepted.issuer, accepted.position, accepted.head.size), (ISSUER, 2, SIZE));
    assert_eq!(accepted.title.as_ref().map(model::Title::as_str), Some("Công văn số 12/UBND"));
    assert_eq!((accepted.targets.len(), accepted.digest), (2, Some(sha256(CONTENT))));
    let evidence = accepted.evidence.expect("the source signed");
    assert_eq!((evidence.origin, evidence.unit.as_str()), (Origin::Verified, "H41.02"));
    assert!(evidence.names_packet && evidence.names_content);
    assert!(matches!(evidence.statement, Statement::Shown(_)));

    assert_eq!((confirmed.kind, confirmed.targets[0].as_str()), (Kind::Confirmed, "H41.05"));
    let evidence = confirmed.evidence.expect("the target signed");
    assert_eq!((evidence.origin, evidence.names_content), (Origin::PlatformOnly, true));

    assert_eq!((rejected.kind, rejected.digest), (Kind::Rejected, None));
    assert_eq!(rejected.reason.expect("a reason").as_str(), "Sai nơi nhận");
    assert!(!rejected.evidence.expect("the target signed").names_content);

    let destruction = destroyed.destruction.expect("it was destroyed");
    assert_eq!(destruction.nodes[1], (NodeId(2), Moment(AT.0 + 8_000)));
    assert_eq!(destruction.undestroyed, [NodeId(3)]);
    assert_eq!((destroyed.kind, destroyed.evidence), (Kind::Destroyed, None));
}

#[test]
fn no_octet_of_a_receipt_can_be_changed() {
    let (history, keys) = (history(), keys(1, &[]));
    for position in ALL {
        let octets = json(&history.receipt(&key(1), position));
        read_and_check(&octets, &keys).expect("it holds as it is");
        for at in 0..octets.len() {
            // A neighbour of the octet, so that most are still of the form; and another case of letters.
            for mask in [1, 0x20] {
                let mut changed = octets.clone();
                changed[at] ^= mask;
                let found = read_and_check(&changed, &keys);
                assert!(found.is_err(), "octet {at} of fact {position} with {mask}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_receipt_holds_with_any_part_of_another(
        position in 0..4_usize, other in 0..4_usize, part in 0..5_usize, size in 9..SIZE,
    ) {
        let (ours, theirs) = (history(), History::new(&facts(&office(5)), size));
        let mut mixed = ours.receipt(&key(1), ALL[position]);
        let whole = mixed.clone();
        let another = theirs.receipt(&key(1), ALL[other]);
        match part {
            0 => mixed.payload = another.payload,
            1 => mixed.signature = another.signature,
            2 => mixed.header.proof.path = another.header.proof.path,
            3 => mixed.header.evidence = another.header.evidence,
            _ => mixed.header.proof.checkpoint = another.header.proof.checkpoint,
        }
        prop_assert_eq!(check(&mixed).is_ok(), mixed == whole);
    }

    #[test]
    fn any_text_is_a_receipt_or_an_error(text in "\\PC{0,80}", parts in proptest::collection::vec("[A-Za-z0-9_-]{0,40}", 4)) {
        prop_assert!(Receipt::parse_all(text.as_bytes()).is_err());
        let [payload, protected, signature, hash] = &parts[..] else { unreachable!("four were made") };
        let receipt = serde_json::json!({"payload": payload, "protected": protected, "signature": signature,
            "header": {"proof": {"size": 1, "path": [hash], "checkpoint": text}}});
        let receipt = Receipt::parse(receipt.to_string().as_bytes()).expect("the form is right");
        prop_assert!(check(&receipt).is_err());
    }
}

#[test]
fn what_is_not_signed_proves_itself() {
    let receipt = history().receipt(&key(1), ACCEPTED);
    let with = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = receipt.clone();
        change(&mut receipt);
        check(&receipt).expect_err("it does not hold")
    };
    let error = with(&|r| r.header.proof.path[0] = "0".repeat(64));
    assert!(matches!(error, Error::Proof(ProofError::WrongRoot)), "{error}");
    let error = with(&|r| r.header.proof.path[0] = r.header.proof.path[0].to_ascii_uppercase());
    assert!(matches!(error, Error::Hash { index: 0 }), "{error}");
    let error = with(&|r| r.header.proof.path.truncate(3));
    assert!(matches!(error, Error::Proof(ProofError::WrongCount)), "{error}");
    let error = with(&|r| r.header.evidence = None);
    assert!(matches!(error, Error::EvidenceUnproved), "{error}");
    let error = with(&|r| r.header.evidence = Some(r.header.proof.path.clone()));
    assert!(matches!(error, Error::Proof(ProofError::WrongRoot)), "{error}");
    let mut none = history().receipt(&key(1), DESTROYED);
    none.header.evidence = receipt.header.evidence.clone();
    assert!(matches!(check(&none), Err(Error::EvidenceUnproved)), "there is none to be proved");
    let error = with(&|r| r.header.proof.size += 1);
    assert!(matches!(error, Error::OtherSize { proof: 301, checkpoint: 300 }), "{error}");
    let error = with(&|r| r.header.proof.checkpoint = history().checkpoint(&key(2)).to_string());
    assert!(matches!(error, Error::Checkpoint(NoteError::Unknown)), "{error}");
    let error = with(&|r| {
        r.header.proof.checkpoint = r.header.proof.checkpoint.replace("\n300\n", "\n299\n");
    });
    assert!(matches!(error, Error::Checkpoint(NoteError::Wrong { .. })), "{error}");
    let error = with(&|r| r.protected = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
    assert!(matches!(error, Error::OtherType), "{error}");
    // What an error repeats is shown on terminals.
    let escapes = "{\"alg\":\"ES256\",\"kid\":\"\\u001b[2J\",\"typ\":\"lgsp-receipt+jwt\"}";
    let error = with(&|r| r.protected = URL_SAFE_NO_PAD.encode(escapes));
    assert!(matches!(error, Error::OtherType), "{error}");
    let error = with(&|r| r.payload.push_str(&"A".repeat(lgsp_receipts::RECEIPT_OCTETS_MAX)));
    assert!(matches!(error, Error::TooLong), "{error}");
}

#[test]
fn a_proof_may_be_renewed_as_the_history_grows() {
    let early = history().receipt(&key(1), CONFIRMED);
    let late = History::new(&facts(&office(5)), 5_000).receipt(&key(1), CONFIRMED);
    assert_eq!((&early.payload, &early.signature), (&late.payload, &late.signature));
    assert_eq!(check(&late).expect("it holds").head.size, 5_000);
}

#[test]
fn a_receipt_outlives_its_key() {
    let receipt = history().receipt(&key(2), ACCEPTED);
    let error = check(&receipt).expect_err("the key is not known");
    assert!(matches!(error, Error::UnknownKey { .. }), "{error}");
    let set = keys(1, &[3, 2]);
    let set = KeySet::parse(set.to_string().as_bytes()).expect("a set reads back");
    let report = verify(&receipt, &set, None).expect("it holds");
    assert!(report.key.is_former && report.log.is_former);
    let report = verify(&history().receipt(&key(1), ACCEPTED), &set, None).expect("it holds");
    assert!(!report.key.is_former && !report.log.is_former);
    assert_eq!((set.kids().count(), set.kids().next()), (3, Some(key(1).kid())));
}

/// A removed node may still have the secret of a former key. It can say nothing of what happened later.
#[test]
fn a_former_key_proves_nothing_newer() {
    let until = |facts| {
        let former = key(2).public().clone().ended(Some(KeyEnd { facts, at_secs: 1_800_000_000 }));
        let set = KeySet::new(key(1).public().clone(), [former]).to_string();
        assert!(set.contains(&format!("\"facts\":{facts},\"exp\":1800000000")), "{set}");
        KeySet::parse(set.as_bytes()).expect("a set reads back")
    };
    let old = History::new(&facts(&office(5)), 20).receipt(&key(2), CONFIRMED);
    let report = verify(&old, &until(20), None).expect("it was signed before");
    assert_eq!(report.key.until, Some(Moment::from_secs(1_800_000_000)));
    assert!(report.key.is_former && report.log.until == report.key.until);
    // The fact is older, its checkpoint is not.
    let error = verify(&old, &until(19), None).expect_err("the checkpoint is newer");
    assert!(matches!(&error, Error::KeyEnded { name, facts: 19 } if name.starts_with("history.")));
    let error = verify(&old, &until(CONFIRMED), None).expect_err("the fact is newer");
    assert!(matches!(&error, Error::KeyEnded { name, .. } if name == key(2).kid()), "{error}");
    let half = until(20).to_string().replacen("\"facts\":20,", "", 1);
    let error = KeySet::parse(half.as_bytes()).expect_err("half an end");
    assert!(matches!(error, KeySetError::Key { index: 1, .. }), "{error}");
    // One that is made anew is signed by the present key.
    let anew = History::new(&facts(&office(5)), 20).receipt(&key(1), CONFIRMED);
    assert_eq!(verify(&anew, &until(3), None).expect("it holds").key.until, None);
}

#[test]
fn a_file_is_compared_with_the_content() {
    let keys = keys(1, &[]);
    let file = Content { size: CONTENT.len() as u64, digest: sha256(CONTENT) };
    let with = |position, file| verify(&history().receipt(&key(1), position), &keys, Some(&file));
    assert!(with(ACCEPTED, file).expect("it is the content").is_content);
    assert!(with(DESTROYED, file).expect("it was the content").is_content);
    let error = with(CONFIRMED, Content { size: 1, ..file }).expect_err("another size");
    assert!(matches!(error, Error::OtherLength { found: 1, .. }), "{error}");
    let error = with(CONFIRMED, Content { digest: Digest([0; 32]), ..file }).expect_err("another");
    assert!(matches!(error, Error::OtherContent { .. }), "{error}");
    let error = with(REJECTED, file).expect_err("no content is named");
    assert!(matches!(error, Error::NoContent), "{error}");
}

#[test]
fn evidence_that_does_not_prove_is_refused_though_the_platform_signed_it() {
    let good = || signed("H41.02", "van-ban", &office(5), "commit", "{}");
    let accepted = || What::Accepted(sending());
    let refused = |signed| check(&receipt_of(signed, accepted())).expect_err("no proof");
    check(&receipt_of(good(), accepted())).expect("it holds");

    let mut other = good();
    other.signature[3] ^= 1;
    assert!(matches!(refused(other), Error::EvidenceForged));
    let other = Signed { public_key: office(6).public_key().unwrap_or_default(), ..good() };
    assert!(matches!(refused(other), Error::EvidenceForged));
    let other = Signed { public_key: Vec::new(), ..good() };
    assert!(matches!(refused(other), Error::Evidence { part: "public_key" }));
    let other = Signed { statement: b"{ }".to_vec(), ..good() };
    assert!(matches!(refused(other), Error::StatementOther));
    let other = Signed { statement: vec![b' '; STATEMENT_SHOWN_MAX + 1], ..good() };
    assert!(matches!(refused(other), Error::StatementOther));
    let other = Signed { unit: "H41.05".parse().expect("a unit"), ..good() };
    assert!(matches!(refused(other), Error::EvidenceOther));
    let base = b"\"@method\": POST".to_vec();
    let other = Signed { signature: office(5).sign(&base).expect("signed"), base, ..good() };
    assert!(matches!(refused(other), Error::StatementOther), "a body that nobody signed");
}

/// A base that names a file is not kept: then the platform alone says whose signature it was.
#[test]
fn what_was_not_kept_is_not_claimed_to_be_proved() {
    let signed = signed("H41.02", "van-ban", &office(5), "commit", "{}");
    let signed = Signed { base: Vec::new(), ..signed };
    let report = check(&receipt_of(signed, What::Accepted(sending()))).expect("it holds");
    let evidence = report.evidence.expect("it was signed");
    assert_eq!((evidence.origin, evidence.statement), (Origin::NotKept, Statement::Absent));
    assert!(!evidence.names_packet && !evidence.names_content);
    assert!(!evidence.is_in_history, "its statement is in the leaf, and proves nothing");
}

#[test]
fn a_long_body_is_known_by_its_digest() {
    let body = " ".repeat(STATEMENT_SHOWN_MAX + 1);
    let signed = signed("H41.02", "van-ban", &office(5), "commit", &body);
    let report = check(&receipt_of(signed, What::Accepted(sending()))).expect("it holds");
    let digest = sha256(body.as_bytes());
    let evidence = report.evidence.expect("it was signed");
    assert_eq!(evidence.statement, Statement::Digest { digest, is_named: true });
    assert!(!evidence.names_content, "what is not there names nothing");
    assert!(!evidence.is_in_history, "its leaf has the body");
}

/// What the legacy profile has signed, with a digest of either field.
#[test]
fn legacy_signatures_are_evidence_too() {
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest("{}"));
    for line in [
        format!("digest: SHA-256={digest}"),
        format!("content-digest: sha-256=:{digest}:"),
        format!("digest: SHA-256={digest}\ncontent-digest: sha-256=:{digest}:"),
    ] {
        let base =
            format!("(request-target): post /v1/packets\nhost: a.example\n{line}").into_bytes();
        let signature = office(5).sign(&base).expect("signed");
        let signed =
            Signed { signature, base, ..signed("H41.02", "van-ban", &office(5), "", "{}") };
        let report = check(&receipt_of(signed, What::Accepted(sending()))).expect("it holds");
        assert!(!report.evidence.expect("it was signed").names_packet, "{line}");
    }
}

#[test]
fn only_facts_that_belong_together_make_a_receipt() {
    let history = history();
    let make = |fact: Recorded<'_>, evidence| attest(&key(1), ISSUER, fact, evidence).err();
    let fact = |position| history.fact(position);
    assert!(matches!(
        make(fact(ACCEPTED), None),
        Some(MakeError::OtherEvidence { position: 2, expected: Some(1), found: None })
    ));
    assert!(matches!(
        make(fact(ACCEPTED), Some(fact(3))),
        Some(MakeError::OtherEvidence { expected: Some(1), found: Some(3), .. })
    ));
    let node = Recorded { position: 1, ..fact(0) };
    assert!(matches!(
        make(fact(ACCEPTED), Some(node)),
        Some(MakeError::NoSignature { position: 1 })
    ));
    assert!(matches!(make(fact(0), None), Some(MakeError::NoReceipt { position: 0 })));
    let octets = &fact(0).octets[1..];
    let broken = Recorded { position: 0, octets };
    assert!(matches!(make(broken, None), Some(MakeError::Unreadable { position: 0, .. })));
}

/// A platform that signs what its history does not say: its key is made here, to sign anything.
#[test]
fn a_claim_that_the_fact_does_not_bear_is_refused_though_the_platform_signed_it() {
    let liar = SigningKey::from_slice(&[4; 32]).expect("a scalar");
    let point = liar.verifying_key().to_sec1_point(false);
    let text = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
    let (x, y) = (text(&point.as_bytes()[1..33]), text(&point.as_bytes()[33..]));
    let kid = text(&Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)));
    let mut jwks: serde_json::Value =
        serde_json::from_str(&keys(1, &[]).to_string()).expect("a set");
    jwks["keys"]
        .as_array_mut()
        .expect("keys")
        .push(serde_json::json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid}));
    let set = KeySet::parse(jwks.to_string().as_bytes()).expect("a set");
    let header = format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"lgsp-receipt+jwt"}}"#);
    let sign = |claims: &serde_json::Value, of: &Receipt| {
        let (protected, payload) = (text(header.as_bytes()), text(claims.to_string().as_bytes()));
        let signature: Signature = liar.sign(format!("{protected}.{payload}").as_bytes());
        let signature = text(&signature.to_bytes());
        let receipt = Receipt { payload, protected, signature, header: of.header.clone() };
        verify(&receipt, &set, None)
    };
    for position in ALL {
        let receipt = history().receipt(&key(1), position);
        let payload = URL_SAFE_NO_PAD.decode(&receipt.payload).expect("base64url");
        let claims: serde_json::Value = serde_json::from_slice(&payload).expect("claims");
        sign(&claims, &receipt).expect("it holds as it is");
        let names: Vec<_> = claims.as_object().expect("claims").keys().cloned().collect();
        for name in names.iter().filter(|name| *name != "iss") {
            let mut lie = claims.clone();
            lie.as_object_mut().expect("claims").remove(name);
            assert!(sign(&lie, &receipt).is_err(), "{name} is missing");
            let mut lie = claims.clone();
            lie[name] = match &claims[name] {
                serde_json::Value::Number(number) => (number.as_u64().unwrap_or(0) + 1).into(),
                serde_json::Value::String(text) => format!("{text}x").into(),
                serde_json::Value::Array(list) => list.iter().skip(1).cloned().collect(),
                _ => serde_json::Value::Null,
            };
            assert!(sign(&lie, &receipt).is_err(), "{name} is another");
        }
        let mut lie = claims.clone();
        lie["more"] = true.into();
        assert!(matches!(sign(&lie, &receipt), Err(Error::Claims(_))));
        let mut lie = claims;
        lie["at"] = "2020-01-01T00:00:00.000Z".into();
        assert!(matches!(sign(&lie, &receipt), Err(Error::Disagrees { claim: "at" })));
    }
}

#[test]
fn a_set_of_keys_is_read_strictly() {
    let set = keys(1, &[2]).to_string();
    let read = |text: &str| KeySet::parse(text.as_bytes());
    assert_eq!(read(&set).expect("a set").to_string(), set);
    // Whatever else a set has is not ours to judge.
    let more =
        set.replacen("\"keys\":[", "\"more\":1,\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\"},", 1);
    assert_eq!(read(&more).expect("a set").to_string(), set);
    let kid = key(1).kid().to_owned();
    for (from, to) in [
        (&*kid, key(2).kid()),
        ("\"kty\":\"EC\"", "\"d\":\"AA\",\"kty\":\"EC\""),
        ("\"x\":\"", "\"x\":\"A"),
        ("\"vkey\":\"history", "\"vkey\":\"other"),
    ] {
        let wrong = set.replacen(from, to, 1);
        assert!(matches!(read(&wrong), Err(KeySetError::Key { .. })), "{to}");
    }
    assert!(matches!(read("{\"keys\":[]}"), Err(KeySetError::Incomplete)));
    assert!(matches!(read("[]"), Err(KeySetError::Form(_))));
    assert!(matches!(
        read(&set.replace("Ed25519\",\"x", "Ed448\",\"x")),
        Err(KeySetError::Incomplete)
    ));
    assert!(matches!(read(&" ".repeat(JWKS_OCTETS_MAX + 1)), Err(KeySetError::TooLong)));
    let many = format!("{{\"keys\":[{}]}}", vec!["{\"kty\":\"oct\"}"; KEYS_MAX + 1].join(","));
    assert!(matches!(read(&many), Err(KeySetError::TooLong)));
}

#[test]
fn one_receipt_or_a_list_of_them_is_read() {
    let receipt = history().receipt(&key(1), REJECTED);
    assert_eq!(Receipt::parse_all(&json(&receipt)).expect("one"), std::slice::from_ref(&receipt));
    let list = serde_json::json!({"receipts": [receipt, receipt], "next": null}).to_string();
    assert_eq!(Receipt::parse_all(list.as_bytes()).expect("two").len(), 2);
    let refused = |text: &str| Receipt::parse_all(text.as_bytes()).expect_err("no receipt");
    assert!(matches!(refused("{\"receipts\":[]}"), Unreadable::None));
    assert!(matches!(refused("{\"receipts\":[{}]}"), Unreadable::Form(_)));
    assert!(matches!(refused("{}"), Unreadable::Form(_)));
    assert!(matches!(refused(&" ".repeat(33 << 20)), Unreadable::TooLong { .. }));
}

#[test]
fn secrets_are_not_printed() {
    assert_eq!(format!("{:?}", key(1)), format!("ReceiptKey({})", key(1).kid()));
}

/// A step of another unit than the one that signed.
#[test]
fn a_target_speaks_for_itself_alone() {
    let by = signed("H41.05", "mot-cua", &office(5), "confirm", "{}");
    let confirmed = |target| {
        let digest = Some(sha256(CONTENT));
        What::Confirmed(Step { digest, ..step(target) })
    };
    check(&receipt_of(by.clone(), confirmed("H41.05"))).expect("it holds");
    let error = check(&receipt_of(by, confirmed("H41.07"))).expect_err("another signed");
    assert!(matches!(error, Error::EvidenceOther), "{error}");
}
