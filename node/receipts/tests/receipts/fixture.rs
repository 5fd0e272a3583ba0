//! A small history: one packet from its acceptance to its end, and what lies around it.

use auth::{Secret, SigningKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use lgsp_receipts::{KeySet, Receipt, ReceiptKey, Recorded, attest};
use machine::{
    Destroyed, Ended, Fact, Lapse, NodeChange, NodeKind, Sending, Settled, Signed, Step, What,
};
use model::{
    DeliveryState, Digest, Importance, KeyAlgorithm, Moment, NodeId, PacketId, PacketState,
    SpaceId,
    checkpoint::{Checkpoint, Note},
    tree::{Frontier, Inclusion, LeafHash, TreeHash},
};
use sha2::{Digest as _, Sha256};

/// The cluster.
pub const ISSUER: &str = "lgsp.h41.example";
/// What was sent.
pub const CONTENT: &[u8] = b"Cong van so 12\n";
/// When it was accepted.
pub const AT: Moment = Moment(1_795_334_851_204);

/// Where the facts stand that are good for a receipt.
pub const ACCEPTED: u64 = 2;
/// See [`ACCEPTED`].
pub const CONFIRMED: u64 = 4;
/// See [`ACCEPTED`].
pub const REJECTED: u64 = 6;
/// See [`ACCEPTED`].
pub const DESTROYED: u64 = 8;
/// All of them.
pub const ALL: [u64; 4] = [ACCEPTED, CONFIRMED, REJECTED, DESTROYED];

pub fn sha256(octets: &[u8]) -> Digest {
    Digest(Sha256::digest(octets).into())
}

pub fn packet() -> PacketId {
    PacketId::mint(AT, 7)
}

pub fn key(seed: u8) -> ReceiptKey {
    ReceiptKey::new(&[seed; 32], format!("history.{ISSUER}").parse().expect("a name"))
}

pub fn keys(present: u8, former: &[u8]) -> KeySet {
    let former = former.iter().map(|seed| key(*seed).public().clone());
    KeySet::new(key(present).public().clone(), former)
}

/// The Ed25519 key of an office, from octets that are always the same.
pub fn office(seed: u8) -> SigningKey {
    const PKCS8: [u8; 16] =
        [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let der = [&PKCS8[..], &[seed; 32]].concat();
    SigningKey::from_private_key(KeyAlgorithm::Ed25519, &der).expect("an Ed25519 key")
}

/// The signature of a request about the packet, as the history keeps it.
pub fn signed(unit: &str, app: &str, signer: &SigningKey, verb: &str, statement: &str) -> Signed {
    let digest = STANDARD.encode(sha256(statement.as_bytes()).0);
    let access = "AKMZXW6YTBOI2DGNBVHA4Q";
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": https://{ISSUER}/v1/packets/{}/{verb}\n\
         \"content-digest\": sha-256=:{digest}:\n\"@signature-params\": (\"@method\" \"@target-uri\" \
         \"content-digest\");created=1795334851;nonce=\"0123456789abcdef\";keyid=\"{access}\";\
         tag=\"lgsp-v1\"",
        packet()
    );
    Signed {
        key: access.parse().expect("a key"),
        app: app.parse().expect("an application"),
        unit: unit.parse().expect("a unit"),
        algorithm: signer.algorithm(),
        public_key: signer.public_key().unwrap_or_default(),
        signature: signer.sign(base.as_bytes()).expect("a signature"),
        base: base.into_bytes(),
        statement: statement.as_bytes().to_vec(),
    }
}

pub fn step(target: &str) -> Step {
    Step {
        packet: packet(),
        target: target.parse().expect("a unit"),
        digest: None,
        size: None,
        reason: None,
        source: Some("H41.02".parse().expect("a unit")),
    }
}

pub fn sending() -> Sending {
    Sending {
        packet: packet(),
        source: "H41.02".parse().expect("a unit"),
        targets: ["H41.05", "H41.07"].map(|unit| unit.parse().expect("a unit")).to_vec(),
        title: "Công văn số 12/UBND".parse().expect("a title"),
        importance: Importance::Urgent,
        media_type: "application/pdf".parse().expect("a media type"),
        size: CONTENT.len() as u64,
        digest: sha256(CONTENT),
        due: Lapse::between(AT, Moment(AT.0 + 86_400_000)),
    }
}

fn destroyed() -> Destroyed {
    let Sending { packet, source, title, importance, media_type, size, digest, due, .. } =
        sending();
    let after = |ms| Lapse::between(AT, Moment(AT.0 + ms));
    let settled = |target: &str, state| Settled {
        target: target.parse().expect("a unit"),
        state,
        accepted: Some(after(1_000)),
        picked_up: None,
        settled: Some(after(5_000)),
        reason: None,
        mismatched: None,
    };
    Destroyed {
        packet,
        space: SpaceId::mint(AT, 8),
        source,
        app: "van-ban".parse().expect("an application"),
        sealed_by: None,
        title,
        importance,
        media_type,
        size: Some(size),
        digest: Some(digest),
        opened_at: AT,
        sealed: Some(after(0)),
        due,
        deliver_by: None,
        ended: Some(after(6_000)),
        lost: None,
        deliveries: vec![
            settled("H41.05", DeliveryState::Confirmed),
            settled("H41.07", DeliveryState::Rejected),
        ],
        purged: vec![(NodeId(1), after(7_000)), (NodeId(2), after(8_000))],
        undestroyed: vec![NodeId(3)],
    }
}

/// The packet's facts, the first of all being that a node came. `by` signs for the source.
pub fn facts(by: &SigningKey) -> Vec<Fact> {
    let digest = sha256(CONTENT);
    let size = Some(CONTENT.len() as u64);
    let body = format!("{{\"digest\":\"{digest}\",\"size\":{}}}", CONTENT.len());
    let receipt = format!("{{\"digest\":\"{digest}\"}}");
    let hmac =
        SigningKey::from_secret(&Secret::from_octets(*b"a secret of forty-three characters"));
    let fact = |after: u64, what, evidence| Fact {
        at: Moment(AT.0 + after),
        what,
        evidence,
        salt: [9; 16],
    };
    let reason = Some("Sai nơi nhận".parse().expect("a reason"));
    vec![
        fact(0, What::Node(NodeChange { node: NodeId(1), kind: NodeKind::Admitted }), None),
        fact(0, What::Signed(signed("H41.02", "van-ban", by, "commit", &body)), None),
        fact(0, What::Accepted(sending()), Some(1)),
        fact(4_000, What::Signed(signed("H41.05", "mot-cua", &hmac, "confirm", &receipt)), None),
        fact(
            4_000,
            What::Confirmed(Step { digest: Some(digest), size, ..step("H41.05") }),
            Some(3),
        ),
        fact(
            5_000,
            What::Signed(signed("H41.07", "van-thu", &office(9), "reject", "{\"reason\":\"Sai\"}")),
            None,
        ),
        fact(5_000, What::Rejected(Step { reason, ..step("H41.07") }), Some(5)),
        fact(
            6_000,
            What::Ended(Ended { packet: packet(), state: PacketState::Completed, open: None }),
            None,
        ),
        fact(8_000, What::Destroyed(Box::new(destroyed())), None),
    ]
}

/// Facts as the history has them, and what proves them.
pub struct History {
    leaves: Vec<Vec<u8>>,
}

impl History {
    /// These facts, and others behind them up to a size.
    pub fn new(facts: &[Fact], size: u64) -> Self {
        let other = |node| {
            let kind = NodeKind::Leaving;
            let what = What::Node(NodeChange { node: NodeId(node), kind });
            Fact { at: AT, what, evidence: None, salt: [9; 16] }
        };
        let others = (facts.len() as u64..size).map(other);
        let encode = |fact: Fact| minicbor::to_vec(fact).expect("a vector takes every octet");
        Self { leaves: facts.iter().cloned().chain(others).map(encode).collect() }
    }

    pub fn fact(&self, position: u64) -> Recorded<'_> {
        Recorded { position, octets: &self.leaves[position as usize] }
    }

    fn hash(&self, range: std::ops::Range<u64>) -> TreeHash {
        let mut tree = Frontier::default();
        for leaf in &self.leaves[range.start as usize..range.end as usize] {
            tree.push(LeafHash::of(leaf));
        }
        tree.root()
    }

    pub fn inclusion(&self, position: u64) -> Inclusion {
        let size = self.leaves.len() as u64;
        let ranges = Inclusion::ranges(position, size).into_iter();
        Inclusion { position, size, path: ranges.map(|range| self.hash(range)).collect() }
    }

    pub fn checkpoint(&self, key: &ReceiptKey) -> Note {
        let size = self.leaves.len() as u64;
        let head = model::tree::TreeHead { size, root: self.hash(0..size) };
        Checkpoint::signed(head, key)
    }

    /// The receipt of a fact. Its evidence is the fact before it, but for the last.
    pub fn receipt(&self, key: &ReceiptKey, position: u64) -> Receipt {
        let evidence = (position != DESTROYED).then(|| self.fact(position - 1));
        let attested = attest(key, ISSUER, self.fact(position), evidence);
        let attested = attested.expect("a receipt");
        let evidence = attested.evidence().map(|position| self.inclusion(position));
        attested.proved(&self.inclusion(position), evidence.as_ref(), &self.checkpoint(key))
    }
}
