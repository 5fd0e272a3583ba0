//! The form of a receipt: a JWS in flattened JSON serialization (RFC 7515 section 7.2.2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// Octets of one receipt. The fact of a packet that was destroyed has 512 deliveries with a reason each, half a
/// megabyte, and is encoded twice.
pub const RECEIPT_OCTETS_MAX: usize = 2 << 20;
/// Octets of a list of receipts: those of the largest circular, with a signed body of 8 KiB each.
pub const ANSWER_OCTETS_MAX: usize = 32 << 20;
/// Receipts of a list: one or two for each of 512 targets, and two for the packet.
pub const RECEIPTS_MAX: usize = 2_048;

const ALG: &str = "ES256";
const TYP: &str = "lgsp-receipt+jwt";

/// A text that is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is longer than any receipt.
    #[error("it has more than {max} octets")]
    TooLong {
        /// So many are read.
        max: usize,
    },
    /// More than any packet has.
    #[error("it has more than {RECEIPTS_MAX} receipts")]
    TooMany,
    /// It has no receipt at all.
    #[error("it has no receipt")]
    None,
    /// It is no JSON of the form that is expected.
    #[error("it is no receipt, and no list of receipts")]
    Form(#[from] serde_json::Error),
}

/// A receipt. What it says is worth nothing before [`crate::verify()`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The claims, base64url.
    pub payload: String,
    /// Algorithm, key and type, base64url.
    pub protected: String,
    /// What the signature does not cover, because it proves itself.
    pub header: Header,
    /// The signature over `protected` and `payload`, base64url.
    pub signature: String,
}

/// The header that is not signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// That the receipt's fact is in the history.
    pub proof: Proof,
    /// The same of its evidence, in the same tree: the hashes beside the way from its leaf to the root. None where the
    /// receipt does not have all of the evidence, or there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Vec<String>>,
}

/// A proof of inclusion (RFC 6962 section 2.1.1) with a checkpoint that it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// How many leaves the history had.
    pub size: u64,
    /// The hashes beside the way from the leaf to the root, in hexadecimal.
    pub path: Vec<String>,
    /// Size and root, signed: a C2SP signed note.
    pub checkpoint: String,
}

/// What the API answers with: a list. It has no signature of its own, so other members do no harm.
#[derive(Deserialize)]
struct Answer {
    receipts: Option<Vec<Receipt>>,
}

impl Receipt {
    /// Reads one receipt.
    ///
    /// # Errors
    ///
    /// It is too long, or no receipt.
    pub fn parse(octets: &[u8]) -> Result<Self, Unreadable> {
        if octets.len() > RECEIPT_OCTETS_MAX {
            return Err(Unreadable::TooLong { max: RECEIPT_OCTETS_MAX });
        }
        Ok(serde_json::from_slice(octets)?)
    }

    /// Reads one receipt, or the API's answer with a list of them.
    ///
    /// # Errors
    ///
    /// It is too long, has none or too many, or is neither of the two.
    pub fn parse_all(octets: &[u8]) -> Result<Vec<Self>, Unreadable> {
        if octets.len() > ANSWER_OCTETS_MAX {
            return Err(Unreadable::TooLong { max: ANSWER_OCTETS_MAX });
        }
        let Answer { receipts } = serde_json::from_slice(octets)?;
        match receipts {
            None => Ok(vec![Self::parse(octets)?]),
            Some(receipts) if receipts.is_empty() => Err(Unreadable::None),
            Some(receipts) if receipts.len() > RECEIPTS_MAX => Err(Unreadable::TooMany),
            Some(receipts) => Ok(receipts),
        }
    }

    /// Octets of all its texts together.
    pub(crate) fn length(&self) -> usize {
        let Proof { path, checkpoint, .. } = &self.header.proof;
        let evidence = self.header.evidence.iter().flatten();
        let path: usize = path.iter().chain(evidence).map(String::len).sum();
        self.payload.len() + self.protected.len() + self.signature.len() + path + checkpoint.len()
    }
}

/// The protected header, in the order of the alphabet.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Protected {
    alg: String,
    kid: String,
    typ: String,
}

impl Protected {
    /// Encoded, for a key.
    pub(crate) fn of(kid: &str) -> String {
        let header = Self { alg: ALG.to_owned(), kid: kid.to_owned(), typ: TYP.to_owned() };
        let json = serde_json::to_vec(&header).expect("a header is three texts");
        URL_SAFE_NO_PAD.encode(json)
    }

    /// The key that an encoded header names; none unless it is the header of a receipt. An unknown member,
    /// as `crit`, makes it another thing.
    pub(crate) fn kid(encoded: &str) -> Option<String> {
        let json = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let Self { alg, kid, typ } = serde_json::from_slice(&json).ok()?;
        // Not signed yet: whatever it says may be told to people, so it must be what thumbprints are.
        let is_thumbprint = URL_SAFE_NO_PAD.decode(&kid).is_ok_and(|octets| octets.len() == 32);
        (alg == ALG && typ == TYP && is_thumbprint).then_some(kid)
    }
}
