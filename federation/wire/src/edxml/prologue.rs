//! What comes before the root: byte order mark, stray octets, the XML declaration; and out of UTF-16.
//!
//! The XML reader takes UTF-8 and declares nothing, so what a declaration says is read here, and compared
//! with what the octets are.

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE};
use rxml::{Event, Namespace, Parse, Parser};

use super::{
    limits::{DECLARATION_OCTETS_MAX, STRAY_OCTETS_MAX},
    place::Place,
    words::Word,
};

/// How the octets of a document are text.
pub(super) enum Encoding {
    /// Not known before the first three octets.
    Unknown(Vec<u8>),
    Utf8,
    Utf16(Box<Decoder>),
}

/// How much UTF-16 is decoded at a time.
const WINDOW_LENGTH: usize = 4 * 1_024;

impl Encoding {
    pub(super) const fn new() -> Self {
        Self::Unknown(Vec::new())
    }

    pub(super) const fn is_utf16(&self) -> bool {
        matches!(self, Self::Utf16(_))
    }

    /// Hands the octets on as UTF-8, without the mark.
    pub(super) fn decode<E: From<Word>>(
        &mut self,
        octets: &[u8],
        is_last: bool,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self::Unknown(held) = self else { return self.known(octets, is_last, take) };
        let (begin, rest) = octets.split_at(octets.len().min(3 - held.len()));
        held.extend_from_slice(begin);
        if held.len() < 3 && !is_last {
            return Ok(());
        }
        let held = std::mem::take(held);
        let (encoding, mark) = match held.as_slice() {
            [0xEF, 0xBB, 0xBF] => (Self::Utf8, 3),
            [0xFE, 0xFF, ..] => {
                (Self::Utf16(Box::new(UTF_16BE.new_decoder_without_bom_handling())), 2)
            }
            [0xFF, 0xFE, ..] => {
                (Self::Utf16(Box::new(UTF_16LE.new_decoder_without_bom_handling())), 2)
            }
            _ => (Self::Utf8, 0),
        };
        *self = encoding;
        self.known(&held[mark..], false, take)?;
        self.known(rest, is_last, take)
    }

    fn known<E: From<Word>>(
        &mut self,
        mut octets: &[u8],
        is_last: bool,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self::Utf16(decoder) = self else {
            return if octets.is_empty() { Ok(()) } else { take(octets) };
        };
        let mut window = [0; WINDOW_LENGTH];
        loop {
            let (result, read, wrote) =
                decoder.decode_to_utf8_without_replacement(octets, &mut window, is_last);
            octets = &octets[read..];
            if wrote > 0 {
                take(&window[..wrote])?;
            }
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                // A surrogate without its other half, or half a unit at the end.
                DecoderResult::Malformed(..) => return Err(Word::Encoding.into()),
            }
        }
    }
}

/// What stood before the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// Whether something stood before the first `<`. Even an empty line keeps others from reading a
    /// declaration after it.
    pub(super) is_stray: bool,
    /// The encoding that is declared.
    pub(super) declared: Option<String>,
    /// Where the declaration, or the root, began.
    pub(super) began_at: Place,
}

/// A text up to the end of its declaration.
pub(super) struct Prologue {
    held: Vec<u8>,
    stray: usize,
    /// Where it is; where the `<` stood, once there was one.
    at: Place,
}

const OPENING: &[u8] = b"<?xml";

/// What the prologue makes of more text.
pub(super) enum Passed<'t> {
    /// It needs more.
    More,
    /// It is over. The place is that of the root: of what was held and is the root's, and of the rest.
    Over(Before, Place, Vec<u8>, &'t [u8]),
}

impl Prologue {
    pub(super) const fn new() -> Self {
        Self { held: Vec::new(), stray: 0, at: Place::START }
    }

    /// Where something is the matter.
    pub(super) const fn at(&self) -> Place {
        self.at
    }

    /// More text.
    pub(super) fn push<'t>(&mut self, mut text: &'t [u8]) -> Result<Passed<'t>, Word> {
        if self.held.is_empty() {
            let begin = text.iter().position(|octet| *octet == b'<').unwrap_or(text.len());
            self.stray += begin;
            if self.stray > STRAY_OCTETS_MAX {
                self.at = Place::START;
                return Err(Word::NotXml);
            }
            self.at = self.at.after(&text[..begin]);
            text = &text[begin..];
        }
        while let Some((first, rest)) = text.split_first() {
            self.held.push(*first);
            text = rest;
            let held = self.held.as_slice();
            if held == b"<\0" {
                return Err(Word::Utf16Unmarked);
            }
            let seen = held.len().min(OPENING.len());
            let is_space = held.get(OPENING.len()).is_none_or(u8::is_ascii_whitespace);
            if held[..seen] != OPENING[..seen] || !is_space {
                let held = std::mem::take(&mut self.held);
                return Ok(Passed::Over(self.before(None), self.at, held, text));
            }
            if held.ends_with(b"?>") {
                let declared = declaration(&held[OPENING.len()..held.len() - 2])?;
                let after = self.at.after(held);
                return Ok(Passed::Over(self.before(declared), after, Vec::new(), text));
            }
            if held.len() > DECLARATION_OCTETS_MAX {
                return Err(Word::Declaration);
            }
        }
        Ok(Passed::More)
    }

    fn before(&self, declared: Option<String>) -> Before {
        Before { is_stray: self.stray > 0, declared, began_at: self.at }
    }

    /// The text is over before a root began.
    pub(super) fn end(&self) -> Word {
        if self.held.is_empty() { Word::NotXml } else { Word::Cut }
    }
}

/// What stands in nearly every declaration, so that it need not be taken apart.
const USUAL: &[u8] = b" version=\"1.0\" encoding=\"UTF-8\"";

/// What a declaration declares as encoding. Its parts are attributes in all but name, so the XML reader
/// reads them as those of an element.
fn declaration(inside: &[u8]) -> Result<Option<String>, Word> {
    if inside == USUAL {
        return Ok(Some("UTF-8".to_owned()));
    }
    let element = [b"<xml", inside, b"/>"].concat();
    let mut parser = Parser::new();
    let Ok(Some(Event::StartElement(_, _, attributes))) = parser.parse(&mut &element[..], true)
    else {
        return Err(Word::Declaration);
    };
    let said = |name| attributes.get(Namespace::none(), name).map(String::as_str);
    let standalone = said("standalone").is_none_or(|said| ["yes", "no"].contains(&said));
    let known = ["version", "encoding", "standalone"].iter().filter(|name| said(name).is_some());
    if said("version") != Some("1.0") || !standalone || known.count() != attributes.len() {
        return Err(Word::Declaration);
    }
    Ok(said("encoding").map(str::to_owned))
}
