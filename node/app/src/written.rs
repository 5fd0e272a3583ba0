//! Files that people write or save: every one of them is read here, whoever reads it.
//!
//! Editors and office programs put a mark before UTF-8, or write UTF-16. The mark is taken off; another encoding is
//! named, for what it would be taken as is a wrong signature or a wrong name. Nothing of a file reaches an error.

use std::{
    io::{self, Read},
    path::Path,
};

use certs::Error as CertsError;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use model::lengths::in_memory;

use crate::texts::{Lang, Said, encoding as t, settings};

/// What programs of Windows put before UTF-8.
const MARK: &str = "\u{feff}";

/// Why octets are no text of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Encoding {
    /// UTF-16, with its mark or without.
    #[error("the file is UTF-16")]
    Utf16,
    /// Neither UTF-8 nor UTF-16.
    #[error("the file is not UTF-8 (line {line})")]
    Other {
        /// Where that is seen first, from 1.
        line: u64,
    },
}

impl Encoding {
    /// The encoding that an error of [`read`] tells of.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }

    /// What it is, in a language.
    pub fn in_lang(self, lang: Lang) -> String {
        match self {
            Self::Utf16 => t::UTF_16.in_lang(lang).to_owned(),
            Self::Other { line } => t::OTHER.fill(lang, &[("line", &line)]),
        }
    }

    /// How to save the file anew.
    pub fn fix(self, lang: Lang, path: &Path) -> String {
        match self {
            Self::Utf16 => t::FIX.fill(lang, &[("path", &path.display())]),
            Self::Other { .. } => t::FIX_OTHER.in_lang(lang).to_owned(),
        }
    }
}

/// The text of octets, without a mark before it.
pub fn text(octets: &[u8]) -> Result<&str, Encoding> {
    let octets = model::without_mark(octets).map_err(|model::Utf16| Encoding::Utf16)?;
    let text = std::str::from_utf8(octets).map_err(|error| {
        let good = &octets[..error.valid_up_to()];
        Encoding::Other { line: 1 + good.iter().filter(|octet| **octet == b'\n').count() as u64 }
    })?;
    Ok(without_mark(text))
}

/// A text without the mark before it: what is copied out of a file carries it along.
pub fn without_mark(text: &str) -> &str {
    text.trim_start_matches(MARK)
}

/// A text cut behind its mark: for those who write the rest anew and leave the mark to its owner.
pub fn mark_and_rest(text: &str) -> (&str, &str) {
    text.split_at(text.len() - without_mark(text).len())
}

/// Octets of a file that a person writes: far more than any key, profile or configuration has.
const FILE_MAX: u64 = 1024 * 1024;

/// The text of a file.
pub fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    read_up_to(path, FILE_MAX)
}

/// The text of a file that may be longer than what a person writes.
pub fn read_up_to(path: &Path, max: u64) -> io::Result<Zeroizing<String>> {
    let octets = read_octets(path, max)?;
    let wrong = |encoding| io::Error::new(io::ErrorKind::InvalidData, encoding);
    text(&octets).map(|text| Zeroizing::new(text.to_owned())).map_err(wrong)
}

/// The octets of a PEM file: what stands between its blocks may be in any encoding that has ASCII's letters.
pub fn read_pem(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let octets = read_octets(path, FILE_MAX)?;
    let wrong = |model::Utf16| io::Error::new(io::ErrorKind::InvalidData, Encoding::Utf16);
    model::without_mark(&octets).map(|octets| Zeroizing::new(octets.to_owned())).map_err(wrong)
}

fn read_octets(path: &Path, max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = std::fs::File::open(path)?;
    // Room for all of it at once: a vector that grows would leave copies of a secret behind.
    let room = in_memory(file.metadata()?.len().min(max)) + 1;
    let mut octets = Zeroizing::new(Vec::with_capacity(room));
    file.take(max + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(octets)
}

/// What is wrong in a file of settings, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: Said,
}

/// Reads settings.
pub fn from_toml<T: DeserializeOwned>(text: &str) -> Result<T, Misplaced> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = &text[..text.floor_char_boundary(at)];
        let line_begin = before.rfind('\n').map_or(0, |end| end + 1);
        Misplaced {
            line: before.matches('\n').count() + 1,
            column: before[line_begin..].chars().count() + 1,
            reason: Said::of(|lang| settings::of_toml(lang, error.message().trim())),
        }
    })
}

/// An operator's own certificate chain and its private key.
pub fn certified(
    chain: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertsError> {
    let read = |path: &Path| {
        let fail = |source| CertsError::File { action: "read", path: path.to_owned(), source };
        read_pem(path).map_err(fail)
    };
    let wrong = |path: &Path, reason| CertsError::Pem { path: path.to_owned(), reason };
    let certificates = certs::chain_from_pem(&read(chain)?);
    let certificates = certificates.map_err(|reason| wrong(chain, reason))?;
    let private = certs::key_from_pem(&read(key)?);
    Ok((certificates, private.map_err(|reason| wrong(key, reason))?))
}

#[cfg(test)]
mod tests;
