//! Base64 in pieces: characters go in as they come, with whatever line breaks, and octets come out.
//!
//! The `base64` crate decodes; ours is where one piece ends and the next begins.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use memchr::memchr3;

use super::words::Word;

/// Real encoders leave bits behind the last octet; they mean nothing.
const QUADS: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A decoder amid a text.
#[derive(Default)]
pub(super) struct Quads {
    /// Characters of a quad that is not complete.
    carry: [u8; 4],
    carried: usize,
    /// How many `=` may still come; none before the end.
    padding: Option<usize>,
}

/// What one step did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Characters taken.
    pub(super) read: usize,
    /// Octets given.
    pub(super) wrote: usize,
    /// Why it went no further, if not for want of characters or room.
    pub(super) stop: Option<Stop>,
}

/// Why a decoder stops at a character.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is none of base64, nor space: `<`, for one.
    Foreign,
    /// It must not stand here.
    Fault(Word),
}

impl Quads {
    /// Decodes as far as there are characters of base64, and room: three octets at least.
    pub(super) fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        let (mut read, mut wrote) = (0, 0);
        while read < input.len() && out.len() - wrote >= 3 {
            let rest = &input[read..];
            if self.carried == 0 && self.padding.is_none() {
                let taken = whole_quads(rest, &mut out[wrote..]);
                read += taken;
                wrote += taken / 4 * 3;
                if taken > 0 {
                    continue;
                }
            }
            match rest[0] {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'=' => match self.pad(&mut out[wrote..]) {
                    Ok(flushed) => wrote += flushed,
                    Err(word) => return Step { read, wrote, stop: Some(Stop::Fault(word)) },
                },
                character if is_base64(character) => {
                    if self.padding.is_some() {
                        let stop = Some(Stop::Fault(Word::Base64AfterEnd));
                        return Step { read, wrote, stop };
                    }
                    self.carry[self.carried] = character;
                    self.carried += 1;
                    if self.carried == 4 {
                        wrote += self.flush(&mut out[wrote..]);
                    }
                }
                _ => return Step { read, wrote, stop: Some(Stop::Foreign) },
            }
            read += 1;
        }
        Step { read, wrote, stop: None }
    }

    /// The text is over: the last octets, two at most, and whether it lacked its `=`.
    pub(super) fn finish(mut self, out: &mut [u8]) -> Result<(usize, bool), Word> {
        match (self.carried, self.padding) {
            (1, _) => Err(Word::Base64Length),
            (0, padding) => Ok((0, padding.is_some_and(|left| left > 0))),
            _ => Ok((self.flush(out), true)),
        }
    }

    /// A `=`: the first one ends the text.
    fn pad(&mut self, out: &mut [u8]) -> Result<usize, Word> {
        match (self.padding, self.carried) {
            (None, 2 | 3) => {
                self.padding = Some(3 - self.carried);
                Ok(self.flush(out))
            }
            (Some(left @ 1..), _) => {
                self.padding = Some(left - 1);
                Ok(0)
            }
            (Some(_), _) => Err(Word::Base64AfterEnd),
            (None, _) => Err(Word::Base64Character),
        }
    }

    /// Decodes what is carried: two characters at least, all of the alphabet.
    fn flush(&mut self, out: &mut [u8]) -> usize {
        let carried = std::mem::take(&mut self.carried);
        let wrote = QUADS.decode_slice_unchecked(&self.carry[..carried], &mut out[..3]);
        wrote.expect("two to four characters of the alphabet are one to three octets")
    }
}

/// Decodes from the beginning as many whole quads as stand without a break and have room; how many
/// characters that were.
fn whole_quads(input: &[u8], out: &mut [u8]) -> usize {
    let input = &input[..input.len().min(out.len() / 3 * 4)];
    let line = memchr3(b'\n', b'\r', b'<', input).unwrap_or(input.len());
    let quads = &input[..line / 4 * 4];
    if quads.is_empty() || QUADS.decode_slice_unchecked(quads, out).is_ok() {
        return quads.len();
    }
    // Something else stands in the line: what is before it is decoded, and it is looked at by itself.
    let good = quads.iter().position(|octet| !is_base64(*octet)).unwrap_or(0) / 4 * 4;
    let decoded = QUADS.decode_slice_unchecked(&quads[..good], out);
    if decoded.is_ok() { good } else { 0 }
}

fn is_base64(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'+' || octet == b'/'
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD as PADDED;
    use proptest::prelude::*;

    /// Decodes pieces through a window of a few octets.
    fn decode(pieces: &[&[u8]], window: usize) -> Result<(Vec<u8>, bool), Word> {
        let (mut quads, mut found) = (Quads::default(), Vec::new());
        let mut out = vec![0; window];
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let step = quads.decode(rest, &mut out);
                found.extend_from_slice(&out[..step.wrote]);
                rest = &rest[step.read..];
                match step.stop {
                    None => {}
                    Some(Stop::Foreign) => return Err(Word::Base64Character),
                    Some(Stop::Fault(word)) => return Err(word),
                }
            }
        }
        let (wrote, unpadded) = quads.finish(&mut out)?;
        found.extend_from_slice(&out[..wrote]);
        Ok((found, unpadded))
    }

    #[test]
    fn bad_base64_is_named() {
        for (text, word) in [
            ("QQ==QQ==", Word::Base64AfterEnd),
            ("QQ===", Word::Base64AfterEnd),
            ("Q", Word::Base64Length),
            ("QUJDR", Word::Base64Length),
            ("=", Word::Base64Character),
            ("Q=", Word::Base64Character),
            ("QUJD<", Word::Base64Character),
            ("QU-_", Word::Base64Character),
            ("QU\0D", Word::Base64Character),
        ] {
            assert_eq!(decode(&[text.as_bytes()], 64), Err(word), "{text}");
        }
        assert_eq!(decode(&[b"QQ"], 64), Ok((b"A".to_vec(), true)));
        assert_eq!(decode(&[b"QQ="], 64), Ok((b"A".to_vec(), true)));
        assert_eq!(decode(&[b"QR=="], 64), Ok((b"A".to_vec(), false)));
        assert_eq!(decode(&[b" Q U\tJ\r\nD "], 64), Ok((b"ABC".to_vec(), false)));
    }

    proptest! {
        #[test]
        fn pieces_lines_and_windows_change_nothing(
            octets in proptest::collection::vec(any::<u8>(), 0..400),
            line in 1_usize..100,
            cut in 1_usize..50,
            window in 3_usize..40,
        ) {
            let text = PADDED.encode(&octets).into_bytes();
            let lines: Vec<&[u8]> = text.chunks(line).collect();
            let text = lines.join(&b"\r\n"[..]);
            let pieces: Vec<&[u8]> = text.chunks(cut).collect();
            prop_assert_eq!(decode(&pieces, window), Ok((octets, false)));
        }

        #[test]
        fn any_text_is_decoded_or_refused(text in any::<Vec<u8>>(), cut in 1_usize..9) {
            let pieces: Vec<&[u8]> = text.chunks(cut).collect();
            prop_assert_eq!(decode(&pieces, 7), decode(&[&text], 4_096));
        }
    }
}
