//! One number from which everything follows that would be random elsewhere: identifiers, secrets, names, dice.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use wire::vxp::Secret;

/// The number. It makes secrets for practice only: whoever knows it knows them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    fn octets(self, what: &[&str], number: u64) -> [u8; 32] {
        let mut hash = Sha256::new().chain_update(self.0.to_be_bytes());
        for word in what {
            // The length keeps "ab", "c" and "a", "bc" apart.
            let length = u64::try_from(word.len()).unwrap_or(u64::MAX);
            hash = hash.chain_update(length.to_be_bytes()).chain_update(word);
        }
        hash.chain_update(number.to_be_bytes()).finalize().into()
    }

    /// A number that looks random.
    pub(crate) fn roll(self, what: &[&str], number: u64) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.octets(what, number);
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A number below a limit, which is not zero.
    pub(crate) fn below(self, what: &[&str], number: u64, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.roll(what, number) % limit).unwrap_or_default()
    }

    /// An identifier in the form of a UUID of version 4.
    pub(crate) fn uuid(self, what: &str, number: u64) -> String {
        let mut octets = self.octets(&["uuid", what], number);
        octets[6] = octets[6] & 0x0f | 0x40;
        octets[8] = octets[8] & 0x3f | 0x80;
        let digits = hex::encode(&octets[..16]);
        let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        parts.join("-")
    }

    /// The secret of a system or a client: 44 characters that look like base64, as real ones do.
    pub(crate) fn secret(self, of: &str) -> Secret {
        Secret::new(STANDARD.encode(self.octets(&["secret", of], 0)))
    }
}
