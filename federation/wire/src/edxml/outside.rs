//! What may stand before the root and after it: space and comments, which the XML reader does not take
//! there.

use super::{limits::TAG_OCTETS_MAX, place::Place, words::Word};

const OPENING: &[u8] = b"<!--";

/// Text outside of the root.
pub(super) struct Outside {
    state: State,
    /// Where it is, and where the last `<` stood that may open a comment.
    at: Place,
    tag_at: Place,
    /// Octets of the comment.
    length: usize,
}

enum State {
    Space,
    /// So many characters of the opening came.
    Opening(usize),
    /// A comment, of which the last characters are so many hyphens.
    Comment(usize),
}

/// What some text was.
pub(super) enum Skipped<'t> {
    /// All of it was space and comments, or the beginning of one.
    All,
    /// Something else begins at a place: with characters that came earlier, and the rest.
    Else(Place, &'static [u8], &'t [u8]),
}

impl Outside {
    pub(super) const fn new(at: Place) -> Self {
        Self { state: State::Space, at, tag_at: at, length: 0 }
    }

    /// Whether it ends amid nothing.
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.state, State::Space)
    }

    /// Where it is.
    pub(super) const fn at(&self) -> Place {
        self.at
    }

    /// More text. An error is the word of a limit.
    pub(super) fn skip<'t>(&mut self, text: &'t [u8]) -> Result<Skipped<'t>, Word> {
        for (index, octet) in text.iter().enumerate() {
            self.state = match (&self.state, octet) {
                (State::Space, b' ' | b'\t' | b'\r' | b'\n') => State::Space,
                (State::Space, b'<') => {
                    self.tag_at = self.at;
                    State::Opening(1)
                }
                (State::Space, _) => return Ok(Skipped::Else(self.at, b"", &text[index..])),
                (State::Opening(seen), _) if OPENING[*seen] != *octet => {
                    return Ok(Skipped::Else(self.tag_at, &OPENING[..*seen], &text[index..]));
                }
                (State::Opening(3), _) => {
                    self.length = 0;
                    State::Comment(0)
                }
                (State::Opening(seen), _) => State::Opening(seen + 1),
                (State::Comment(2..), b'>') => State::Space,
                (State::Comment(hyphens), b'-') => State::Comment(hyphens + 1),
                (State::Comment(_), _) => State::Comment(0),
            };
            self.length += 1;
            if matches!(self.state, State::Comment(_)) && self.length > TAG_OCTETS_MAX {
                return Err(Word::TokenTooLong);
            }
            self.at = self.at.after(&text[index..=index]);
        }
        Ok(Skipped::All)
    }
}
