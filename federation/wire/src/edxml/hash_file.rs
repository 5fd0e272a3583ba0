//! `hash-file`: the SHA-256 of a document as VXP carries it, in both spellings (section 3.1).
//!
//! The national SDK writes each octet in hexadecimal without padding, so `0x0A` becomes `a` and the text
//! is often shorter than 64 characters. Two digests can share such a spelling; it proves little.

use std::fmt::Write;

/// The spelling that everybody else uses: 64 lower-case digits.
pub fn padded(sha256: &[u8; 32]) -> String {
    sha256.iter().fold(String::with_capacity(64), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a String takes everything");
        text
    })
}

/// The spelling of the national SDK: one or two lower-case digits an octet.
pub fn unpadded(sha256: &[u8; 32]) -> String {
    sha256.iter().fold(String::with_capacity(64), |mut text, octet| {
        write!(text, "{octet:x}").expect("a String takes everything");
        text
    })
}

/// Whether a text spells this digest, in either way and any case.
pub fn is_spelt(sha256: &[u8; 32], text: &str) -> bool {
    text.eq_ignore_ascii_case(&padded(sha256)) || text.eq_ignore_ascii_case(&unpadded(sha256))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn both_spellings_of_a_known_digest() {
        let sha256: [u8; 32] = Sha256::digest(b"abc").into();
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(padded(&sha256), text);
        // Octets 0x01, 0x03 and 0x00 lose a digit.
        let text = "ba7816bf8f1cfea414140de5dae2223b0361a396177a9cb410ff61f2015ad";
        assert_eq!(unpadded(&sha256), text);
        assert!(is_spelt(&sha256, &text.to_uppercase()));
        assert!(!is_spelt(&sha256, ""));
    }

    proptest! {
        #[test]
        fn a_digest_is_recognised_and_no_other(a in any::<[u8; 32]>(), at in 0_usize..32) {
            prop_assert!(is_spelt(&a, &padded(&a)) && is_spelt(&a, &unpadded(&a)));
            let mut b = a;
            b[at] ^= 0x80;
            prop_assert!(!is_spelt(&b, &padded(&a)));
        }
    }
}
