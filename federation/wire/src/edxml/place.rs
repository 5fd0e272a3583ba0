//! Where in a document something stands: lines and columns, counted while octets go by.

use memchr::{memchr_iter, memrchr};

/// A place in a document, counted in its text after decoding: both numbers begin with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, each ended by a line feed.
    pub line: u64,
    /// The character in the line.
    pub column: u64,
}

impl Place {
    /// Where every document begins.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place after more octets of UTF-8, which may begin and end amid a character.
    pub(super) fn after(self, octets: &[u8]) -> Self {
        self.moved(octets, characters)
    }

    /// The place after some octets of markup, and that of the last `<` in them. They are few, so one look
    /// at each is less than preparing to look at many together.
    pub(super) fn after_markup(self, octets: &[u8]) -> (Self, Option<Self>) {
        let (mut at, mut tag) = (self, None);
        for octet in octets {
            match octet {
                b'\n' => at = Self { line: at.line + 1, column: 1 },
                b'<' => {
                    tag = Some(at);
                    at.column += 1;
                }
                _ => at.column += u64::from(octet & 0xC0 != 0x80),
            }
        }
        (at, tag)
    }

    /// The place after more octets of ASCII: as [`Place::after`], without a look at each.
    pub(super) fn after_ascii(self, octets: &[u8]) -> Self {
        self.moved(octets, |octets| count(octets.len()))
    }

    fn moved(self, octets: &[u8], characters: impl Fn(&[u8]) -> u64) -> Self {
        match memrchr(b'\n', octets) {
            None => Self { line: self.line, column: self.column + characters(octets) },
            Some(last) => Self {
                line: self.line + count(memchr_iter(b'\n', octets).count()),
                column: 1 + characters(&octets[last + 1..]),
            },
        }
    }
}

/// How many characters begin in these octets of UTF-8.
fn characters(octets: &[u8]) -> u64 {
    count(octets.iter().filter(|octet| **octet & 0xC0 != 0x80).count())
}

fn count(size: usize) -> u64 {
    u64::try_from(size).expect("a slice is shorter than 2^64 octets")
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn lines_and_characters_are_counted_across_pieces() {
        let text = "một\nhai ba\n\nbốn".as_bytes();
        let whole = Place::START.after(text);
        assert_eq!(whole, Place { line: 4, column: 4 });
        let markup = "ê\n<a>ộ</a>".as_bytes();
        let (after, tag) = Place::START.after_markup(markup);
        assert_eq!(after, Place::START.after(markup));
        assert_eq!(tag, Some(Place { line: 2, column: 5 }));
        let ascii = &b"a\nbc\n\ndef"[..];
        assert_eq!(Place::START.after_ascii(ascii), Place::START.after(ascii));
        for cut in 0..=text.len() {
            assert_eq!(Place::START.after(&text[..cut]).after(&text[cut..]), whole, "cut at {cut}");
        }
    }
}
