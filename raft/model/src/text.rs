//! Texts of files and bodies that a person's editor may have written.

/// A text is UTF-16, as Windows' «Unicode» is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is UTF-16: save it as UTF-8")]
pub struct Utf16;

/// A text without the byte order mark of UTF-8, which says nothing. UTF-16 is told by its own mark, or by
/// the zero octet of an ASCII character in front.
pub fn without_mark(octets: &[u8]) -> Result<&[u8], Utf16> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    if matches!(octets, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]) {
        return Err(Utf16);
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_off_or_named() {
        assert_eq!(without_mark(b"\xef\xbb\xbfa"), Ok(&b"a"[..]));
        assert_eq!(without_mark(b"a\xef\xbb\xbf"), Ok(&b"a\xef\xbb\xbf"[..]));
        for plain in [&b""[..], b"a", b"\xe1\xba\xa1", b"\xef\xbb"] {
            assert_eq!(without_mark(plain), Ok(plain));
        }
        for wide in ["a", "\u{feff}a", "\u{feff}Sở"] {
            let units: Vec<u16> = wide.encode_utf16().collect();
            let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            assert_eq!((without_mark(&little), without_mark(&big)), (Err(Utf16), Err(Utf16)));
        }
    }
}
