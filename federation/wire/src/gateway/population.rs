//! The proof that the population database asks for: a digest of address, user, time and secret (section 4.4).
//!
//! It binds neither the body nor the method, and its parts are joined without a mark between them. `ApiKey` and
//! `X-Road-Client`, which stand beside it, are the caller's.

use std::fmt;

use model::Moment;
use sha2::{Digest, Sha256};

use super::basic::{AUTHORIZATION, basic, read_basic};
use crate::vxp::{Field, Header, HeaderError, Secret, headers, headers::one, secret::same};

/// Octets of a user's name.
pub const USER_MAX: usize = 256;

const TIMESTAMP: &str = "Timestamp";

/// Who calls and when, with the digest that shall prove it. It prints without the digest.
#[derive(Clone, PartialEq, Eq)]
pub struct PopulationCall {
    user: String,
    at: Moment,
    digest: [u8; 64],
}

/// Why a call has no proof that can be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PopulationError {
    /// The headers themselves are wrong, or one is missing.
    #[error("the headers of the call are wrong")]
    Headers(#[from] HeaderError),
    /// `Timestamp` is no number of milliseconds since 1970.
    #[error("the header Timestamp is no number of milliseconds")]
    Timestamp,
    /// `Authorization` is not `Basic` with a user and a digest in lower-case hex.
    #[error("the header Authorization is not Basic with a user and a digest")]
    Authorization,
    /// The user's name is empty, longer than [`USER_MAX`], no ASCII, or has a colon.
    #[error("the user's name is empty, too long, no ASCII or has a colon")]
    User,
}

impl PopulationCall {
    /// Proves a call to the address of a service, as it is written in the agreement with it.
    ///
    /// # Errors
    ///
    /// [`PopulationError::User`].
    pub fn prove(
        service_url: &str,
        user: &str,
        at: Moment,
        secret: &Secret,
    ) -> Result<Self, PopulationError> {
        if !is_user(user) {
            return Err(PopulationError::User);
        }
        let digest = digest(service_url, user, at, secret);
        Ok(Self { user: user.to_owned(), at, digest })
    }

    /// Reads the proof of a call.
    ///
    /// # Errors
    ///
    /// Headers that are missing, broken or repeated, or that are no proof.
    pub fn parse(fields: &[Field<'_>]) -> Result<Self, PopulationError> {
        headers::check_sizes(fields)?;
        let demanded = |name: &str| {
            let missing = || HeaderError::Missing { name: name.to_owned() };
            one(fields, name)?.ok_or_else(missing)
        };
        let at = demanded(TIMESTAMP)?;
        let is_plain =
            at.bytes().all(|c| c.is_ascii_digit()) && (at == "0" || !at.starts_with('0'));
        let at = Some(at).filter(|_| is_plain).and_then(|at| at.parse().ok());
        let at = at.ok_or(PopulationError::Timestamp)?;
        let pair = read_basic(demanded(AUTHORIZATION)?);
        let (user, digest) = pair.ok_or(PopulationError::Authorization)?;
        if !is_user(&user) {
            return Err(PopulationError::User);
        }
        let digits = digest.expose().as_bytes();
        let is_hex = digits.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        let digest = Some(digits).filter(|_| is_hex).and_then(|digits| digits.try_into().ok());
        let digest = digest.ok_or(PopulationError::Authorization)?;
        Ok(Self { user, at: Moment(at), digest })
    }

    /// The two headers of the proof.
    pub fn headers(&self) -> [Header; 2] {
        let digest = std::str::from_utf8(&self.digest).expect("the digits are ASCII");
        [Header::new(TIMESTAMP, self.at.0.to_string()), basic(&self.user, digest)]
    }

    /// Whether the digest is that of this address and this secret. How old it may be is for the caller to say.
    pub fn is_proved(&self, service_url: &str, secret: &Secret) -> bool {
        same(&digest(service_url, &self.user, self.at, secret), &self.digest)
    }

    /// Who calls; by the name the secret is found.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// When, by the caller's clock.
    pub fn at(&self) -> Moment {
        self.at
    }
}

impl fmt::Debug for PopulationCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PopulationCall");
        shown.field("user", &self.user).field("at", &self.at).finish_non_exhaustive()
    }
}

fn is_user(user: &str) -> bool {
    let allowed = |c: u8| matches!(c, b' '..=b'~') && c != b':';
    (1..=USER_MAX).contains(&user.len()) && user.bytes().all(allowed)
}

/// The digits in lower case of SHA-256 over the four parts.
fn digest(service_url: &str, user: &str, at: Moment, secret: &Secret) -> [u8; 64] {
    let at = at.0.to_string();
    let parts = [service_url, user, &at, secret.expose()];
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
    let mut digits = [0; 64];
    hex::encode_to_slice(hash.finalize(), &mut digits).expect("32 octets are 64 digits");
    digits
}
