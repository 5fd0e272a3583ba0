//! The authorities: who certifies the nodes, and whom applications may still trust.

use conductor::Authorities;
use machine::{AUTHORITY_OVERLAP_MAX_MS, AUTHORITY_OVERLAP_MS};
use model::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{At, Whole, check::Check, schemas};
use crate::problem::Problem;

const DAY_MS: u64 = 24 * 3_600_000;
/// Days that older authorities may be honoured, as the machine has it.
pub(super) const OVERLAP_DAYS_MAX: u64 = AUTHORITY_OVERLAP_MAX_MS / DAY_MS;

/// The authority that certifies the nodes, and how far a rotation is.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuthorityView {
    /// Its number; the first is 1.
    number: u32,
    /// The SHA-256 of its certificate.
    #[schema(schema_with = schemas::digest)]
    fingerprint: Digest,
    /// Whether a new one is wanted and not made yet.
    wanted: bool,
    /// How many before it are still honoured.
    older: usize,
    /// Until when the first of them is: who trusts only an older one has to take the file of this one before.
    #[schema(schema_with = schemas::moment_or_null)]
    older_until: Option<At>,
    /// How many seconds that is from now.
    older_left_seconds: Option<u64>,
}

/// Whom applications may trust.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrustedAuthorities {
    /// The number of the authority that certifies the nodes.
    number: u32,
    /// The certificate to trust, as text (PEM).
    pem: String,
    /// Until when the first of the older ones is honoured.
    #[schema(schema_with = schemas::moment_or_null)]
    older_until: Option<At>,
}

/// A new authority to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateAuthority {
    /// For how many days the present one is honoured after it: 0 to 366, 30 when not given.
    #[serde(default)]
    #[schema(schema_with = schemas::overlap_days)]
    overlap_days: Option<Whole>,
}

impl RotateAuthority {
    /// For how long, in milliseconds.
    pub(crate) fn checked(&self) -> Result<u64, Problem> {
        let Some(days) = self.overlap_days.map(|days| days.0) else {
            return Ok(AUTHORITY_OVERLAP_MS);
        };
        let mut check = Check::default();
        if days > OVERLAP_DAYS_MAX {
            check.wrong("/overlap_days", "at most 366 days are allowed");
        }
        check.done(Some(days.min(OVERLAP_DAYS_MAX) * DAY_MS))
    }
}

impl From<Authorities> for AuthorityView {
    fn from(authorities: Authorities) -> Self {
        Self {
            number: authorities.number,
            fingerprint: authorities.fingerprint(),
            wanted: authorities.wanted,
            older: authorities.older.len(),
            older_left_seconds: authorities.older_left().map(|left| left.as_secs()),
            older_until: authorities.older_until.map(At),
        }
    }
}

impl From<Authorities> for TrustedAuthorities {
    fn from(authorities: Authorities) -> Self {
        Self {
            number: authorities.number,
            pem: authorities.pem(),
            older_until: authorities.older_until.map(At),
        }
    }
}
