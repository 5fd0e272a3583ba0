//! Making a receipt of a fact.
//!
//! What is signed depends on the fact, its evidence and the key alone. The proof changes with the size of the
//! history, so it is added to what was signed and is no part of it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use machine::{Fact, What};
use model::{
    PacketId,
    checkpoint::Note,
    tree::{Inclusion, TreeHash},
};

use crate::{
    Header, Proof, Receipt, ReceiptKey, claims::Claims, evidence::EvidenceClaims,
    receipt::Protected,
};

/// A fact as the history has it.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    /// Which leaf, from zero.
    pub position: u64,
    /// Its octets.
    pub octets: &'a [u8],
}

/// Why no receipt can be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The octets are no fact, or one that only a newer program understands.
    #[error("fact {position} cannot be read")]
    Unreadable {
        /// Which.
        position: u64,
        /// Why.
        #[source]
        source: machine::Unreadable,
    },
    /// It is a fact of another kind.
    #[error("fact {position} is good for no receipt")]
    NoReceipt {
        /// Which.
        position: u64,
    },
    /// Another fact is the evidence, or this one has none.
    #[error("the evidence of fact {position} is {expected:?}, not {found:?}")]
    OtherEvidence {
        /// Which fact.
        position: u64,
        /// Where its evidence stands.
        expected: Option<u64>,
        /// Where the fact stands that was handed in.
        found: Option<u64>,
    },
    /// What should be the evidence is no signature.
    #[error("fact {position} is no signature")]
    NoSignature {
        /// Which.
        position: u64,
    },
}

/// A receipt without its proof. The same on every node that has the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    position: u64,
    evidence: Option<u64>,
    protected: String,
    payload: String,
    signature: String,
}

/// Signs what a fact says. `issuer` names the cluster; `evidence` is the fact that `fact` names, if it
/// names one.
///
/// # Errors
///
/// The facts cannot be read, are of other kinds, or do not belong together.
pub fn attest(
    key: &ReceiptKey,
    issuer: &str,
    fact: Recorded<'_>,
    evidence: Option<Recorded<'_>>,
) -> Result<Attested, MakeError> {
    let Recorded { position, octets } = fact;
    let said = read(fact)?;
    let found = evidence.map(|evidence| evidence.position);
    if said.evidence != found {
        return Err(MakeError::OtherEvidence { position, expected: said.evidence, found });
    }
    let packet = said.what.packet().ok_or(MakeError::NoReceipt { position })?;
    let evidence = evidence.map(|evidence| signature(evidence, packet)).transpose()?;
    let whole = evidence.as_ref().filter(|evidence| evidence.is_whole());
    let proved = whole.map(|evidence| evidence.position);
    let claims = Claims::of(issuer.to_owned(), (position, octets), &said, evidence)
        .ok_or(MakeError::NoReceipt { position })?;
    let json = serde_json::to_vec(&claims).expect("claims are texts, numbers and lists of them");
    let payload = URL_SAFE_NO_PAD.encode(json);
    let protected = Protected::of(key.kid());
    let signature = URL_SAFE_NO_PAD.encode(key.es256(format!("{protected}.{payload}").as_bytes()));
    Ok(Attested { position, evidence: proved, protected, payload, signature })
}

fn read(fact: Recorded<'_>) -> Result<Fact, MakeError> {
    let Recorded { position, octets } = fact;
    machine::decode(octets).map_err(|source| MakeError::Unreadable { position, source })
}

fn signature(evidence: Recorded<'_>, packet: PacketId) -> Result<EvidenceClaims, MakeError> {
    let fact = read(evidence)?;
    match &fact.what {
        What::Signed(signed) => Ok(EvidenceClaims::of(evidence.position, &fact, signed, packet)),
        _ => Err(MakeError::NoSignature { position: evidence.position }),
    }
}

impl Attested {
    /// Where the evidence stands in the history, if it is to be proved, too: if the receipt has all of it.
    pub const fn evidence(&self) -> Option<u64> {
        self.evidence
    }

    /// Adds the proof that the fact is in the history, and the same for its evidence: paths in one tree, and that
    /// tree's checkpoint.
    ///
    /// # Panics
    ///
    /// If a proof is that of another fact, or of another tree than the other.
    pub fn proved(
        self,
        inclusion: &Inclusion,
        evidence: Option<&Inclusion>,
        checkpoint: &Note,
    ) -> Receipt {
        assert_eq!(inclusion.position, self.position, "a receipt is proved by its own fact");
        let known = evidence.map(|evidence| (evidence.position, evidence.size));
        let expected = self.evidence.map(|position| (position, inclusion.size));
        assert_eq!(known, expected, "evidence is proved by itself, in the same tree");
        let proof = Proof {
            size: inclusion.size,
            path: inclusion.path.iter().map(TreeHash::to_string).collect(),
            checkpoint: checkpoint.to_string(),
        };
        let Self { protected, payload, signature, .. } = self;
        let evidence =
            evidence.map(|evidence| evidence.path.iter().map(TreeHash::to_string).collect());
        Receipt { payload, protected, header: Header { proof, evidence }, signature }
    }
}
