//! Rejections: why a request's signature, digest or key is not accepted.
//!
//! A closed list with stable words and numbers. Nothing secret and no content is repeated;
//! names of components and headers are.

use model::{Digest, KeyAlgorithm, Moment};

/// Why a request, or something in it, is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no signature at all.
    #[error("the request carries no signature")]
    SignatureMissing,
    /// A field cannot be read.
    #[error("the field {field} cannot be read: {reason}")]
    Malformed {
        /// Which header field, or part of the signature.
        field: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// More signatures than we look at.
    #[error("the request carries more than {max} signatures")]
    TooManySignatures {
        /// How many are allowed.
        max: usize,
    },
    /// A signature field is longer than we read.
    #[error("the field {field} is longer than {max} octets")]
    FieldTooLong {
        /// Which field.
        field: &'static str,
        /// How long it may be.
        max: usize,
    },
    /// No signature carries our tag.
    #[error("no signature carries the tag that is expected here")]
    TagMissing,
    /// Two signatures carry our tag.
    #[error("more than one signature carries the tag that is expected here")]
    TagRepeated,
    /// A required parameter is not in the signature's input.
    #[error("the signature's input lacks the parameter {parameter}")]
    ParameterMissing {
        /// Which one.
        parameter: &'static str,
    },
    /// The access key is not known.
    #[error("the access key is not known")]
    KeyUnknown,
    /// The access key was revoked.
    #[error("the access key was revoked")]
    KeyDisabled,
    /// The message names another algorithm than the key's.
    #[error("the signature names another algorithm than its key's, which is {expected}")]
    AlgorithmMismatch {
        /// The one algorithm of the key.
        expected: KeyAlgorithm,
    },
    /// A component that must be covered is not.
    #[error("the signature does not cover {component}")]
    ComponentMissing {
        /// Which one.
        component: &'static str,
    },
    /// A covered component cannot be accepted.
    #[error("the covered component {component} is refused: {reason}")]
    ComponentRefused {
        /// Which one, as the client wrote it.
        component: String,
        /// Why.
        reason: &'static str,
    },
    /// The request was sent to a name that is not ours.
    #[error("the request was sent to a name that is not one of this platform's")]
    AuthorityUnknown,
    /// The signature was made too long ago, or in the future.
    #[error("the signature's time is {skew_seconds} s away from ours")]
    ClockOutOfWindow {
        /// Our time.
        server_time: Moment,
        /// The signer's time less ours; positive when the signer's clock is ahead.
        skew_seconds: i64,
    },
    /// The signature's own `expires` has passed.
    #[error("the signature has expired")]
    SignatureExpired,
    /// A method that changes something needs a nonce.
    #[error("the signature has no nonce, and this method needs one")]
    NonceMissing,
    /// The signature is not that of the key over this request.
    #[error(
        "the signature does not fit the request; the base that was checked has the SHA-256 {base_digest}"
    )]
    SignatureInvalid {
        /// SHA-256 of the signature base that we built.
        base_digest: Digest,
        /// The base itself, where the policy shows it (the sandbox).
        base: Option<String>,
        /// What to look at first, where the algorithm has a known trap.
        hint: Option<&'static str>,
    },
    /// The legacy profile, or the algorithm in it, is not open to the key.
    #[error("the legacy profile is not open: {reason}")]
    LegacyAlgorithmDisabled {
        /// Which switch is off, or which algorithm is never accepted.
        reason: &'static str,
    },
    /// The body is not the one whose digest was signed.
    #[error("the content does not have the digest that was signed")]
    DigestMismatch,
    /// The digest is of algorithms that we do not compute.
    #[error("the field {field} has no digest of an algorithm accepted here")]
    DigestUnsupported {
        /// Which field.
        field: &'static str,
    },
    /// There is content, but the signature does not cover a digest of it.
    #[error("there is content, but no digest of it is signed")]
    ContentUnsigned,
    /// A public key cannot be used.
    #[error("the public key cannot be used: {reason}")]
    KeyUnusable {
        /// Why.
        reason: &'static str,
    },
}

impl Rejection {
    /// The stable word, the last part of the problem type.
    pub const fn as_str(&self) -> &'static str {
        self.row().0
    }

    /// The stable number, as in `LGSP-1310`.
    pub const fn number(&self) -> u16 {
        self.row().1
    }

    /// The HTTP status that fits: 401 for what a new signature can mend, 400 and 421 for the rest.
    pub const fn status(&self) -> u16 {
        self.row().2
    }

    const fn row(&self) -> (&'static str, u16, u16) {
        match self {
            Self::SignatureMissing => ("signature-missing", 1310, 401),
            Self::Malformed { .. } => ("signature-malformed", 1311, 400),
            Self::TooManySignatures { .. } => ("signatures-too-many", 1312, 400),
            Self::FieldTooLong { .. } => ("signature-too-long", 1313, 400),
            Self::TagMissing => ("tag-missing", 1314, 401),
            Self::TagRepeated => ("tag-repeated", 1315, 401),
            Self::ParameterMissing { .. } => ("parameter-missing", 1316, 401),
            Self::KeyUnknown => ("key-unknown", 1317, 401),
            Self::KeyDisabled => ("key-disabled", 1318, 401),
            Self::AlgorithmMismatch { .. } => ("algorithm-mismatch", 1319, 401),
            Self::ComponentMissing { .. } => ("component-missing", 1320, 401),
            Self::ComponentRefused { .. } => ("component-refused", 1321, 401),
            Self::AuthorityUnknown => ("authority-unknown", 1322, 421),
            Self::ClockOutOfWindow { .. } => ("clock-out-of-window", 1323, 401),
            Self::SignatureExpired => ("signature-expired", 1324, 401),
            Self::NonceMissing => ("nonce-missing", 1325, 401),
            Self::SignatureInvalid { .. } => ("signature-invalid", 1326, 401),
            Self::LegacyAlgorithmDisabled { .. } => ("legacy-algorithm-disabled", 1327, 401),
            Self::DigestMismatch => ("digest-mismatch", 1328, 400),
            Self::DigestUnsupported { .. } => ("digest-unsupported", 1329, 400),
            Self::ContentUnsigned => ("content-unsigned", 1330, 401),
            Self::KeyUnusable { .. } => ("key-unusable", 1331, 422),
        }
    }
}
