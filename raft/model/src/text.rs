//! Texts of files and bodies that a person's editor may have written.

/// A text is UTF-16, as Windows' «Unicode» is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is UTF-16: save it as UTF-8")]
pub struct Utf16;

/// How two octets make a unit of UTF-16.
type Order = fn([u8; 2]) -> u16;

/// The order of the octets where a text is UTF-16, and the units. Without a mark: the first letter is of ASCII.
pub fn utf_16(octets: &[u8]) -> Option<(Order, &[u8])> {
    match octets {
        [0xff, 0xfe, units @ ..] => Some((u16::from_le_bytes, units)),
        [0xfe, 0xff, units @ ..] => Some((u16::from_be_bytes, units)),
        [letter, 0, ..] if *letter != 0 => Some((u16::from_le_bytes, octets)),
        [0, letter, ..] if *letter != 0 => Some((u16::from_be_bytes, octets)),
        _ => None,
    }
}

/// A text without the byte order mark of UTF-8, which says nothing.
pub fn without_mark(octets: &[u8]) -> Result<&[u8], Utf16> {
    if utf_16(octets).is_some() {
        return Err(Utf16);
    }
    Ok(octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_off_or_named() {
        assert_eq!(without_mark(b"\xef\xbb\xbfa"), Ok(&b"a"[..]));
        assert_eq!(without_mark(b"a\xef\xbb\xbf"), Ok(&b"a\xef\xbb\xbf"[..]));
        for plain in [&b""[..], b"a", b"\xe1\xba\xa1", b"\xef\xbb", b"\0\0\0"] {
            assert_eq!(without_mark(plain), Ok(plain));
        }
        for wide in ["a", "\u{feff}a", "\u{feff}Sở"] {
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                let octets: Vec<u8> = wide.encode_utf16().flat_map(order).collect();
                assert_eq!(without_mark(&octets), Err(Utf16));
                let (order, units) = utf_16(&octets).expect("it is");
                let units = units.as_chunks().0.iter().map(|unit| order(*unit));
                let read = String::from_utf16(&units.collect::<Vec<_>>()).expect("it is well");
                assert_eq!(read, wide.trim_start_matches('\u{feff}'));
            }
        }
    }
}
