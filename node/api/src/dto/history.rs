//! Bodies about the history: receipts, proofs, keys. The receipts themselves have their form in their own crate.

use conductor::{FactProof, GrowthProof};
use model::tree::{TreeHash, TreeHead};
use serde::Serialize;
use utoipa::ToSchema;

use super::schemas;

/// One page of the receipts of a packet, in the order in which it happened.
#[derive(Serialize, ToSchema)]
pub(crate) struct Receipts {
    #[schema(value_type = Vec<ReceiptForm>, max_items = 200)]
    pub(crate) receipts: Vec<receipts::Receipt>,
    /// Asks for the next page as `?cursor=`; null on the last one.
    pub(crate) next: Option<String>,
}

/// A receipt: a JWS in flattened JSON serialization (RFC 7515 section 7.2.2), signed by ES256.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used, in the OpenAPI document")]
pub(crate) struct ReceiptForm {
    /// The claims, base64url.
    #[schema(schema_with = schemas::base64url)]
    payload: String,
    /// Algorithm, key and type, base64url.
    #[schema(schema_with = schemas::base64url)]
    protected: String,
    header: ReceiptHeader,
    /// The signature over `protected` and `payload`, base64url.
    #[schema(schema_with = schemas::base64url)]
    signature: String,
}

/// What the signature does not cover, because it proves itself.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used, in the OpenAPI document")]
pub(crate) struct ReceiptHeader {
    proof: ReceiptProof,
    /// The same of the application's signature, in the same tree: the hashes beside the way from its leaf to the root.
    /// Absent where the receipt does not show all that was signed.
    #[schema(schema_with = schemas::hashes)]
    evidence: Option<Vec<String>>,
}

/// The proof that the receipt's fact is in the history (RFC 6962 section 2.1.1).
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used, in the OpenAPI document")]
pub(crate) struct ReceiptProof {
    /// Facts that the history had.
    size: u64,
    /// The hashes beside the way from the leaf to the root.
    #[schema(schema_with = schemas::hashes)]
    path: Vec<String>,
    /// Size and root, signed: a C2SP signed note.
    #[schema(schema_with = schemas::signed_note)]
    checkpoint: String,
}

/// A proof of inclusion (RFC 6962 section 2.1.1), or of consistency (section 2.1.2) where `from` was asked for.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum HistoryProof {
    /// That a fact is in the history.
    Inclusion(InclusionProof),
    /// That the history of one size is the beginning of that of another.
    Consistency(ConsistencyProof),
}

/// That a fact is in the history.
#[derive(Serialize, ToSchema)]
pub(crate) struct InclusionProof {
    /// Which leaf, from zero.
    position: u64,
    /// The leaf's hash.
    #[schema(schema_with = schemas::hash)]
    leaf: String,
    /// Facts that the history had.
    size: u64,
    #[schema(schema_with = schemas::hash)]
    root: String,
    /// The hashes beside the way from the leaf to the root.
    #[schema(schema_with = schemas::hashes)]
    path: Vec<String>,
}

/// That the history of one size is the beginning of that of another.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsistencyProof {
    from: Head,
    to: Head,
    #[schema(schema_with = schemas::hashes)]
    path: Vec<String>,
}

/// The history at one size.
#[derive(Serialize, ToSchema)]
pub(crate) struct Head {
    /// Facts that it had.
    size: u64,
    #[schema(schema_with = schemas::hash)]
    root: String,
}

impl From<TreeHead> for Head {
    fn from(head: TreeHead) -> Self {
        Self { size: head.size, root: head.root.to_string() }
    }
}

fn texts(path: &[TreeHash]) -> Vec<String> {
    path.iter().map(TreeHash::to_string).collect()
}

impl From<FactProof> for HistoryProof {
    fn from(proof: FactProof) -> Self {
        Self::Inclusion(InclusionProof {
            position: proof.inclusion.position,
            leaf: proof.leaf.to_string(),
            size: proof.head.size,
            root: proof.head.root.to_string(),
            path: texts(&proof.inclusion.path),
        })
    }
}

impl From<GrowthProof> for HistoryProof {
    fn from(proof: GrowthProof) -> Self {
        Self::Consistency(ConsistencyProof {
            from: proof.from.into(),
            to: proof.to.into(),
            path: texts(&proof.consistency.path),
        })
    }
}

/// The platform's public keys (RFC 7517), those of receipts first, the present ones before former ones.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used, in the OpenAPI document")]
pub(crate) struct JwkSet {
    #[schema(max_items = 2000)]
    keys: Vec<Jwk>,
}

/// One key.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used, in the OpenAPI document")]
pub(crate) struct Jwk {
    /// `EC` signs receipts, `OKP` checkpoints.
    kty: String,
    crv: String,
    #[schema(schema_with = schemas::base64url)]
    x: String,
    #[schema(schema_with = schemas::base64url, nullable = false)]
    y: Option<String>,
    r#use: String,
    alg: String,
    /// The thumbprint (RFC 7638), by which receipts name it.
    #[schema(schema_with = schemas::base64url)]
    kid: String,
    /// The key of checkpoints as programs for C2SP signed notes take it.
    #[schema(nullable = false)]
    vkey: Option<String>,
    /// Of a former key: it signed facts before this position of the history, and checkpoints of no greater size.
    #[schema(nullable = false)]
    facts: Option<u64>,
    /// When that ended, in seconds since 1970.
    #[schema(nullable = false)]
    exp: Option<u64>,
}
