//! XML as it is written: elements in one order, indented, texts escaped and looked at before.

use std::fmt::Write;

use super::{
    codes::{Code, Said},
    limits::Limits,
    words::Word,
};

/// Why a message is not written: it would not be what the regulation asks, or not be read back alike.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} cannot be written: {word}")]
pub struct Unwritable {
    /// The elements around what is the matter, from the root.
    pub path: String,
    /// What is the matter.
    pub word: Word,
}

/// Elements on their way to text.
pub(super) struct Xml<'o> {
    out: &'o mut String,
    /// Names of open elements, each as it is spelt, with its prefix.
    open: Vec<(&'static str, &'static str)>,
}

/// How the names of the envelope are spelt.
pub(super) const PREFIXED: &str = "edXML:";
/// How the names of signature and attachments are spelt.
pub(super) const PLAIN: &str = "";

impl<'o> Xml<'o> {
    /// Writes into a text, amid elements that are open.
    pub(super) fn new(out: &'o mut String, open: &[(&'static str, &'static str)]) -> Self {
        Self { out, open: open.to_vec() }
    }

    /// Writes an element and what is in it.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: &[(&str, Option<&str>)],
        inside: impl FnOnce(&mut Self) -> Result<(), Unwritable>,
    ) -> Result<(), Unwritable> {
        let prefix = self.prefix();
        self.spelt(prefix, name, attributes, inside)
    }

    /// As [`Xml::element`], with a prefix of its own.
    pub(super) fn spelt(
        &mut self,
        prefix: &'static str,
        name: &'static str,
        attributes: &[(&str, Option<&str>)],
        inside: impl FnOnce(&mut Self) -> Result<(), Unwritable>,
    ) -> Result<(), Unwritable> {
        self.start(prefix, name, attributes)?;
        let began = self.out.len();
        self.out.push_str(">\n");
        self.open.push((prefix, name));
        let within = self.out.len();
        inside(self)?;
        self.open.pop();
        if self.out.len() == within {
            self.out.truncate(began);
            self.out.push_str("/>\n");
        } else {
            self.indent();
            self.end(prefix, name);
        }
        Ok(())
    }

    /// A text that may be missing.
    pub(super) fn text(
        &mut self,
        name: &'static str,
        text: Option<&String>,
    ) -> Result<(), Unwritable> {
        let Some(text) = text else { return Ok(()) };
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        // Both would be read as nothing.
        match text {
            "" => return Err(self.refuse(name, Word::Missing)),
            "null" => return Err(self.refuse(name, Word::NullText)),
            _ => {}
        }
        let prefix = self.prefix();
        self.start(prefix, name, &[])?;
        self.out.push('>');
        self.escape(name, text, false)?;
        self.end(prefix, name);
        Ok(())
    }

    /// A text that is required.
    pub(super) fn required(
        &mut self,
        name: &'static str,
        text: Option<&String>,
    ) -> Result<(), Unwritable> {
        if text.is_none() { Err(self.refuse(name, Word::Missing)) } else { self.text(name, text) }
    }

    /// A code or a date that may be missing, and must be known.
    pub(super) fn said<T: Code>(
        &mut self,
        name: &'static str,
        said: Option<&Said<T>>,
        word: Word,
    ) -> Result<(), Unwritable> {
        match said {
            None => Ok(()),
            Some(Said::Other(_)) => Err(self.refuse(name, word)),
            Some(said) => self.text(name, Some(&said.to_string())),
        }
    }

    /// A code or a date that is required.
    pub(super) fn required_said<T: Code>(
        &mut self,
        name: &'static str,
        said: Option<&Said<T>>,
        word: Word,
    ) -> Result<(), Unwritable> {
        if said.is_none() {
            Err(self.refuse(name, Word::Missing))
        } else {
            self.said(name, said, word)
        }
    }

    /// An element that says something by its attribute `Algorithm`.
    pub(super) fn algorithm(
        &mut self,
        name: &'static str,
        algorithm: Option<&str>,
    ) -> Result<(), Unwritable> {
        if algorithm.is_none() {
            return Ok(());
        }
        self.element(name, &[("Algorithm", algorithm)], |_| Ok(()))
    }

    /// Why something below the open elements is not written.
    pub(super) fn refuse(&self, name: &str, word: Word) -> Unwritable {
        let names = self.open.iter().map(|(_, name)| *name).chain([name]);
        Unwritable { path: names.collect::<Vec<_>>().join("/"), word }
    }

    /// A start tag up to its `>`.
    pub(super) fn start(
        &mut self,
        prefix: &str,
        name: &str,
        attributes: &[(&str, Option<&str>)],
    ) -> Result<(), Unwritable> {
        self.indent();
        write!(self.out, "<{prefix}{name}").expect("a String takes everything");
        for (attribute, value) in attributes {
            let Some(value) = value else { continue };
            write!(self.out, " {attribute}=\"").expect("a String takes everything");
            self.escape(name, value, true)?;
            self.out.push('"');
        }
        Ok(())
    }

    fn end(&mut self, prefix: &str, name: &str) {
        writeln!(self.out, "</{prefix}{name}>").expect("a String takes everything");
    }

    fn indent(&mut self) {
        for _ in 0..self.open.len() {
            self.out.push_str("  ");
        }
    }

    fn prefix(&self) -> &'static str {
        self.open.last().map_or(PREFIXED, |(prefix, _)| prefix)
    }

    /// A text or the value of an attribute.
    fn escape(&mut self, name: &str, text: &str, is_attribute: bool) -> Result<(), Unwritable> {
        // The XML reader takes shorter attributes than texts.
        let octets_max =
            if is_attribute { ATTRIBUTE_OCTETS_MAX } else { Limits::DEFAULT.text_octets_max };
        if text.len() > octets_max {
            return Err(self.refuse(name, Word::FieldTooLong));
        }
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' if is_attribute => self.out.push_str("&quot;"),
                // Otherwise they would be read as something else.
                '\r' => self.out.push_str("&#13;"),
                '\n' if is_attribute => self.out.push_str("&#10;"),
                '\t' if is_attribute => self.out.push_str("&#9;"),
                '\t' | '\n' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'.. => {
                    self.out.push(c);
                }
                _ => return Err(self.refuse(name, Word::Character)),
            }
        }
        Ok(())
    }
}

/// Octets of the value of an attribute: names of algorithms have a hundred.
const ATTRIBUTE_OCTETS_MAX: usize = 1_024;
