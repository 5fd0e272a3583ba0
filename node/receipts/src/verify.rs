//! Verifying a receipt, with nothing but the platform's public keys.
//!
//! In an order in which nothing is believed before it is proved: signature, fact, claims, evidence, proof,
//! checkpoint, and the content where there is one to compare.

use auth::Material;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use machine::Fact;
use model::{
    Digest, Label, Moment, NodeId, PacketId, Title, UnitCode,
    checkpoint::{Checkpoint, KeyName, Note, NoteError},
    tree::{Inclusion, LeafHash, ProofError, TreeHash, TreeHead},
};

use crate::{
    Evidence, KeySet, Kind, Receipt,
    claims::{About, Claims, destruction},
    jwks::Known,
    receipt::{Proof, Protected, RECEIPT_OCTETS_MAX},
};

/// Why a receipt proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Longer than any receipt.
    #[error("it has more than {RECEIPT_OCTETS_MAX} octets")]
    TooLong,
    /// Its protected header is that of something else.
    #[error("its header is not that of a receipt: ES256 and lgsp-receipt+jwt are expected")]
    OtherType,
    /// Signed with a key that is not in the set.
    #[error("it names the key {kid}, which the set of keys does not have")]
    UnknownKey {
        /// The thumbprint that it names.
        kid: String,
    },
    /// Signed with a former key, about something that happened, or with a checkpoint that was made, after its end.
    #[error("the use of the key {name} had ended before: it signed facts before {facts} alone")]
    KeyEnded {
        /// Thumbprint of the key, or name of the log.
        name: String,
        /// Where its use ended.
        facts: u64,
    },
    /// The proof of its evidence is missing, or there is one and nothing that it could prove.
    #[error("its evidence is not proved as it should be")]
    EvidenceUnproved,
    /// The platform did not sign this.
    #[error("the platform's signature does not fit what it says")]
    Forged,
    /// Signed, but not by the form that this program knows.
    #[error("its claims cannot be read")]
    Claims(#[source] serde_json::Error),
    /// The fact in it cannot be read.
    #[error("its fact cannot be read")]
    Fact(#[source] machine::Unreadable),
    /// The fact in it is no base64url, or is good for no receipt.
    #[error("its fact is not one that receipts are made of")]
    OtherFact,
    /// The fact says otherwise.
    #[error("its claim {claim:?} is not what its fact says")]
    Disagrees {
        /// Which claim.
        claim: &'static str,
    },
    /// A part of the evidence cannot be used.
    #[error("the {part} of its evidence cannot be used")]
    Evidence {
        /// Which part.
        part: &'static str,
    },
    /// The application did not sign what the evidence says.
    #[error("the application's signature does not fit what it is said to have signed")]
    EvidenceForged,
    /// The evidence is a signature by somebody else than the fact speaks of.
    #[error("the evidence was signed for another unit than the one that it speaks for")]
    EvidenceOther,
    /// The body in the evidence is not the one that was signed.
    #[error("the body in the evidence is not the one that was signed")]
    StatementOther,
    /// A hash of the path is not written as hashes are.
    #[error("hash {index} of its proof is not 64 lower-case hexadecimal characters")]
    Hash {
        /// Which, from zero.
        index: usize,
    },
    /// The path does not lead to the history that the checkpoint names.
    #[error("its proof does not hold")]
    Proof(#[from] ProofError),
    /// The proof is for a history of another size than its checkpoint.
    #[error("its proof is for a history of {proof} facts, its checkpoint for one of {checkpoint}")]
    OtherSize {
        /// The size that the proof names.
        proof: u64,
        /// The size that the checkpoint names.
        checkpoint: u64,
    },
    /// The checkpoint is not to be believed.
    #[error("its checkpoint is not to be believed")]
    Checkpoint(#[from] NoteError),
    /// The receipt says nothing of a content.
    #[error("it names no content that a file could be compared with")]
    NoContent,
    /// The file has another size.
    #[error("the file has {found} octets, the content had {expected}")]
    OtherLength {
        /// As the receipt has it.
        expected: u64,
        /// As the file is.
        found: u64,
    },
    /// The file is another one.
    #[error("the file has the SHA-256 {found}, the content had {expected}")]
    OtherContent {
        /// As the receipt has it.
        expected: Digest,
        /// As the file is.
        found: Digest,
    },
}

/// What a file is, to be compared with the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Octets.
    pub size: u64,
    /// SHA-256.
    pub digest: Digest,
}

/// Which of the platform's keys signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// Thumbprint of the key of receipts, or name of the log.
    pub name: String,
    /// Whether newer keys stand before it in the set.
    pub is_former: bool,
    /// Until when the platform used it.
    pub until: Option<Moment>,
}

impl SignedBy {
    /// `facts` is how many facts there must have been for what was signed.
    fn with<K>(name: String, known: &Known<'_, K>, facts: u64) -> Result<Self, Error> {
        if let Some(end) = known.end.filter(|end| facts > end.facts) {
            return Err(Error::KeyEnded { name, facts: end.facts });
        }
        let until = known.end.map(|end| Moment::from_secs(end.at_secs));
        Ok(Self { name, is_former: known.is_former, until })
    }
}

/// How a content went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destruction {
    /// Which node destroyed it, and when.
    pub nodes: Vec<(NodeId, Moment)>,
    /// Nodes that were removed before they had destroyed it.
    pub undestroyed: Vec<NodeId>,
}

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The cluster that says so.
    pub issuer: String,
    /// What happened.
    pub kind: Kind,
    /// When.
    pub at: Moment,
    /// To which packet.
    pub packet: PacketId,
    /// Who sent it.
    pub source: Option<UnitCode>,
    /// Where to; for a confirmation and a refusal the one target that it is of.
    pub targets: Vec<UnitCode>,
    /// The title, where the fact has it.
    pub title: Option<Title>,
    /// Octets of the content.
    pub size: Option<u64>,
    /// Its SHA-256.
    pub digest: Option<Digest>,
    /// Why it was refused.
    pub reason: Option<Label>,
    /// How the content went.
    pub destruction: Option<Destruction>,
    /// Which fact of the history it is.
    pub position: u64,
    /// The history that has it.
    pub head: TreeHead,
    /// The key of the receipt's signature.
    pub key: SignedBy,
    /// The key of the checkpoint's signature.
    pub log: SignedBy,
    /// The application's signature.
    pub evidence: Option<Evidence>,
    /// Whether a file was compared, and is the content.
    pub is_content: bool,
}

impl Report {
    /// Compares a file with the content.
    ///
    /// # Errors
    ///
    /// It is another one, or the receipt names no content.
    pub fn compared(self, content: &Content) -> Result<Self, Error> {
        let (Some(size), Some(digest)) = (self.size, self.digest) else {
            return Err(Error::NoContent);
        };
        if size != content.size {
            return Err(Error::OtherLength { expected: size, found: content.size });
        }
        if digest != content.digest {
            return Err(Error::OtherContent { expected: digest, found: content.digest });
        }
        Ok(Self { is_content: true, ..self })
    }
}

/// Verifies a receipt, and compares a file with the content where one is handed in.
///
/// # Errors
///
/// Whatever is wrong first; nothing of such a receipt is to be believed.
pub fn verify(
    receipt: &Receipt,
    keys: &KeySet,
    content: Option<&Content>,
) -> Result<Report, Error> {
    if receipt.length() > RECEIPT_OCTETS_MAX {
        return Err(Error::TooLong);
    }
    let (known, kid, payload) = signed(receipt, keys)?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(Error::Claims)?;
    let key = SignedBy::with(kid, &known, claims.position.saturating_add(1))?;
    let octets = URL_SAFE_NO_PAD.decode(&claims.fact).map_err(|_| Error::OtherFact)?;
    let fact: Fact = machine::decode(&octets).map_err(Error::Fact)?;
    let about = About::of(&fact.what).ok_or(Error::OtherFact)?;
    let packet = fact.what.packet().ok_or(Error::OtherFact)?;
    agree(&claims, &octets, &fact)?;
    let evidence = check_evidence(&claims, &fact, &about, packet)?;
    let (log, head) = proved(&receipt.header.proof, claims.position, &octets, keys)?;
    let leaf = claims.evidence.as_ref().map(|evidence| evidence.leaf(fact.at)).transpose()?;
    let evidence = match (evidence, leaf.flatten(), &receipt.header.evidence) {
        (Some(evidence), Some(leaf), Some(path)) => {
            included(evidence.position, &head, path, leaf)?;
            Some(Evidence { is_in_history: true, ..evidence })
        }
        (evidence, None, None) => evidence,
        _ => return Err(Error::EvidenceUnproved),
    };
    let destruction = about.destroyed.map(|destroyed| Destruction {
        nodes: destruction(destroyed),
        undestroyed: destroyed.undestroyed.clone(),
    });
    let report = Report {
        issuer: claims.iss,
        kind: about.kind,
        at: fact.at,
        packet,
        source: about.source.cloned(),
        targets: about.targets.iter().copied().cloned().collect(),
        title: about.title.cloned(),
        size: about.size,
        digest: about.digest,
        reason: about.reason.cloned(),
        destruction,
        position: claims.position,
        head,
        key,
        log,
        evidence,
        is_content: false,
    };
    match content {
        Some(content) => report.compared(content),
        None => Ok(report),
    }
}

/// Whose signature it is, and what was signed.
fn signed<'k>(
    receipt: &Receipt,
    keys: &'k KeySet,
) -> Result<(Known<'k, Material>, String, Vec<u8>), Error> {
    let kid = Protected::kid(&receipt.protected).ok_or(Error::OtherType)?;
    let Some(known) = keys.for_receipts(&kid) else {
        return Err(Error::UnknownKey { kid });
    };
    let signature = URL_SAFE_NO_PAD.decode(&receipt.signature).map_err(|_| Error::Forged)?;
    let message = format!("{}.{}", receipt.protected, receipt.payload);
    if !auth::raw::verify(known.key, message.as_bytes(), &signature) {
        return Err(Error::Forged);
    }
    let payload = URL_SAFE_NO_PAD.decode(&receipt.payload).map_err(|_| Error::Forged)?;
    Ok((known, kid, payload))
}

/// Each claim is what the fact says. Issuer, position and evidence are not in it.
fn agree(claims: &Claims, octets: &[u8], fact: &Fact) -> Result<(), Error> {
    let expected = Claims::of(String::new(), (claims.position, octets), fact, None);
    match claims.first_difference(&expected.ok_or(Error::OtherFact)?) {
        Some(claim) => Err(Error::Disagrees { claim }),
        None => Ok(()),
    }
}

fn check_evidence(
    claims: &Claims,
    fact: &Fact,
    about: &About<'_>,
    packet: PacketId,
) -> Result<Option<Evidence>, Error> {
    if claims.evidence.as_ref().map(|evidence| evidence.position) != fact.evidence {
        return Err(Error::Disagrees { claim: "evidence" });
    }
    let Some(evidence) = &claims.evidence else { return Ok(None) };
    if about.signer().is_some_and(|unit| !evidence.is_of(unit)) {
        return Err(Error::EvidenceOther);
    }
    evidence.check(packet, about.digest).map(Some)
}

/// The fact is in the history that the platform has signed.
fn proved(
    proof: &Proof,
    position: u64,
    octets: &[u8],
    keys: &KeySet,
) -> Result<(SignedBy, TreeHead), Error> {
    let (log, head) = checkpoint(&proof.checkpoint, keys)?;
    if proof.size != head.size {
        return Err(Error::OtherSize { proof: proof.size, checkpoint: head.size });
    }
    included(position, &head, &proof.path, LeafHash::of(octets))?;
    Ok((log, head))
}

/// The leaf is in the tree.
fn included(position: u64, head: &TreeHead, path: &[String], leaf: LeafHash) -> Result<(), Error> {
    let hash = |(index, text): (usize, &String)| {
        let hash = text.parse::<TreeHash>().ok();
        // One spelling each.
        hash.filter(|hash| hash.to_string() == *text).ok_or(Error::Hash { index })
    };
    let path = path.iter().enumerate().map(hash).collect::<Result<_, _>>()?;
    Ok(Inclusion { position, size: head.size, path }.verify(leaf, head.root)?)
}

fn checkpoint(text: &str, keys: &KeySet) -> Result<(SignedBy, TreeHead), Error> {
    let note: Note = text.parse().map_err(NoteError::from)?;
    let mut known = note.signatures().iter().filter_map(|signature| {
        let name: &KeyName = &signature.name;
        keys.for_checkpoints(name, signature.id)
    });
    let known = known.next().ok_or(Error::Checkpoint(NoteError::Unknown))?;
    let check = |public: &[u8; 32], octets: &[u8], signature: &[u8; 64]| {
        keys.has_signed(public, octets, signature)
    };
    let checkpoint = Checkpoint::verified(text, known.key, check)?;
    let by = SignedBy::with(known.key.name.to_string(), &known, checkpoint.head.size)?;
    Ok((by, checkpoint.head))
}
