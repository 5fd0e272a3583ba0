//! The text of one element on its way into a value: what says nothing is left out, what is odd is noted.

use super::{
    codes::{Code, OrganCode, Said},
    names::{has_path, steers},
    time::Day,
    trail::{Notes, Path},
    words::Word,
};

/// How long a code is by Decision 20/2020. Some clients store fewer still (section 1.2).
const LAWFUL_LENGTH_MAX: usize = 35;

/// A text whose element closes now.
pub(super) struct Leaf<'t> {
    /// Without spaces around it; empty where it says nothing.
    text: &'t str,
    path: &'t Path,
    notes: &'t mut Notes,
}

impl<'t> Leaf<'t> {
    pub(super) fn new(text: &'t str, path: &'t Path, notes: &'t mut Notes) -> Self {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        if text == "null" {
            notes.note(path, "", Word::NullText, text);
            return Self { text: "", path, notes };
        }
        Self { text, path, notes }
    }

    fn note(&mut self, word: Word, value: &str) {
        self.notes.note(self.path, "", word, value);
    }

    /// Nobody knows this element.
    pub(super) fn unknown(&mut self) {
        self.note(Word::ElementUnknown, "");
    }

    pub(super) fn put(&mut self, slot: &mut Option<String>) {
        if self.may_stand(slot.is_some()) {
            *slot = Some(self.text.to_owned());
        }
    }

    /// A code or a date; the word is said where it is none.
    pub(super) fn put_said<T: Code>(&mut self, slot: &mut Option<Said<T>>, word: Word) {
        if self.may_stand(slot.is_some()) {
            let said = Said::read(self.text);
            if said.known().is_none() {
                self.note(word, self.text);
            }
            *slot = Some(said);
        }
    }

    /// The code of a body.
    pub(super) fn put_organ(&mut self, slot: &mut Option<Said<OrganCode>>) {
        self.put_said(slot, Word::OrganCode);
        if let Some(code) = slot.as_ref().and_then(Said::known) {
            if code.as_str().len() > LAWFUL_LENGTH_MAX {
                self.note(Word::CodeLong, code.as_str());
            } else if !code.is_lawful() {
                self.note(Word::CodeForm, code.as_str());
            }
        }
    }

    /// A day of a document.
    pub(super) fn put_day(&mut self, slot: &mut Option<Said<Day>>) {
        self.put_said(slot, Word::Date);
        let far = |day: &Day| !(1945..=2100).contains(&day.year());
        if slot.as_ref().and_then(Said::known).is_some_and(far) {
            self.note(Word::DateFar, self.text);
        }
    }

    /// The name of a file.
    pub(super) fn put_name(&mut self, slot: &mut Option<String>) {
        self.put(slot);
        if has_path(self.text) {
            self.note(Word::NamePath, self.text);
        }
        if self.text.contains(steers) {
            self.note(Word::NameControl, self.text);
        }
    }

    /// The name under which manifest and attachment know each other.
    pub(super) fn put_content_id(&mut self, slot: &mut Option<String>) {
        if !self.may_stand(slot.is_some()) {
            return;
        }
        let id = self.text.strip_prefix("cid:");
        if id.is_none() {
            self.note(Word::CidMissing, self.text);
        }
        *slot = id.or(Some(self.text)).filter(|id| !id.is_empty()).map(str::to_owned);
    }

    pub(super) fn push(&mut self, list: &mut Vec<String>) {
        if !self.text.is_empty() {
            list.push(self.text.to_owned());
        }
    }

    /// Whether the text says something, and is the first to do so.
    fn may_stand(&mut self, is_taken: bool) -> bool {
        if is_taken {
            self.note(Word::ElementTwice, self.text);
        }
        !is_taken && !self.text.is_empty()
    }
}
