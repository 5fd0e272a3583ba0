//! Join tokens: a secret for one use, and the pin of the authority to be trusted.
//!
//! That a token is used once and expires is for the replicated state, which holds its digest.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use model::Digest;
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, sha256};

const PREFIX: &str = "jn_";
const VERSION: u8 = 1;
const SIZE: usize = 1 + 32 + 32;

/// A token that lets one node join: `jn_` and base64url of version, secret and pin.
///
/// `Display` writes the whole token, to be shown once; `Debug` writes nothing of it.
#[derive(Clone)]
pub struct JoinToken {
    secret: Zeroizing<[u8; 32]>,
    authority: [u8; 32],
}

impl JoinToken {
    /// Makes a token for the cluster of this authority.
    pub fn generate(authority: &[u8], random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        random(&mut *secret);
        Self { secret, authority: sha256(authority) }
    }

    /// What the state keeps instead of the token.
    pub fn secret_digest(&self) -> Digest {
        Digest(sha256(&*self.secret))
    }

    /// The SHA-256 of the authority's certificate, for `https::Trust::PinnedAuthority`.
    pub const fn authority_pin(&self) -> [u8; 32] {
        self.authority
    }

    /// Whether this certificate is the authority that the token pins.
    pub fn pins(&self, authority: &[u8]) -> bool {
        sha256(authority) == self.authority
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = Zeroizing::new([VERSION; SIZE]);
        octets[1..33].copy_from_slice(&*self.secret);
        octets[33..].copy_from_slice(&self.authority);
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(octets.as_slice()));
        write!(f, "{PREFIX}{}", *text)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken")
    }
}

impl FromStr for JoinToken {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let rest = text.strip_prefix(PREFIX).ok_or(Error::Token("it begins with jn_"))?;
        let mut octets = Zeroizing::new([0; SIZE + 8]);
        let size = URL_SAFE_NO_PAD
            .decode_slice(rest, &mut *octets)
            .map_err(|_| Error::Token("base64url without padding follows the prefix"))?;
        // What is cut short is no other version, whatever its first octet is taken for.
        if size < SIZE {
            return Err(Error::Token("cut short"));
        }
        if octets[0] != VERSION {
            return Err(Error::Token("made by a newer version"));
        }
        if size != SIZE {
            return Err(Error::Token("more than one token"));
        }
        let mut token = Self { secret: Zeroizing::new([0; 32]), authority: [0; 32] };
        token.secret.copy_from_slice(&octets[1..33]);
        token.authority.copy_from_slice(&octets[33..SIZE]);
        octets.zeroize();
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_reads_back_and_prints_nothing_in_debug() {
        let token = JoinToken::generate(b"authority", &mut crate::system_random);
        let text = token.to_string();
        let again: JoinToken = text.parse().unwrap();
        assert_eq!(again.secret_digest(), token.secret_digest());
        assert!(again.pins(b"authority") && !again.pins(b"another"));
        assert_eq!(format!("{token:?}"), "JoinToken");
        assert!(text.len() < 96 && !text.contains('='), "{}", text.len());
    }

    #[test]
    fn the_format_never_changes() {
        let token = JoinToken::generate(b"authority", &mut |octets| octets.fill(7));
        assert_eq!(
            token.to_string(),
            "jn_AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHj3b9UBu2jvcfTidrwo8pvOEAOwwsnZR43oG1v8DN4ek"
        );
    }

    #[test]
    fn other_texts_are_refused_without_repeating_them() {
        let text = JoinToken::generate(b"a", &mut crate::system_random).to_string();
        for wrong in [
            &text[..text.len() - 2],
            &text[3..],
            &format!("{text}AAAA"),
            &format!("{text}="),
            "jn_",
            "",
            &"jn_A".repeat(99),
        ] {
            let error = wrong.parse::<JoinToken>().unwrap_err().to_string();
            assert!(!error.contains("jn_A"), "{error}");
        }
        let short = "jn_abcd".parse::<JoinToken>().unwrap_err().to_string();
        assert!(short.contains("cut short"), "{short}");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(jn_)?[A-Za-z0-9_=-]{0,120}") {
            if let Ok(token) = text.parse::<JoinToken>() {
                prop_assert_eq!(token.to_string(), text);
            }
        }
    }
}
