//! The way from the root to where a reader is, and what it found on it.

use rxml::NcName;

use super::{
    finding::{Error, Finding},
    place::Place,
    words::Word,
};

/// The elements that are open.
#[derive(Default)]
pub(super) struct Path(Vec<(NcName, Place)>);

impl Path {
    /// The name of the innermost element.
    pub(super) fn name(&self) -> &str {
        self.0.last().map_or("", |(name, _)| name.as_str())
    }

    /// Where the innermost element opened.
    fn place(&self) -> Place {
        self.0.last().map_or(Place::START, |(_, place)| *place)
    }

    /// From the root, and something below the innermost element.
    fn below(&self, below: &str) -> String {
        let mut path = String::new();
        let below = (!below.is_empty()).then_some(below);
        for name in self.0.iter().map(|(name, _)| name.as_str()).chain(below) {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
        }
        path
    }
}

/// What was found.
pub(super) struct Notes {
    findings: Vec<Finding>,
    findings_max: usize,
    is_full: bool,
}

impl Notes {
    /// Something is the matter with what is, or should be, in the innermost element.
    pub(super) fn note(&mut self, path: &Path, below: &str, word: Word, value: &str) {
        if self.has_room(path.place()) {
            self.findings.push(Finding::new(path.place(), path.below(below), word, value));
        }
    }

    fn has_room(&mut self, place: Place) -> bool {
        if self.findings.len() < self.findings_max {
            return true;
        }
        if !self.is_full {
            self.is_full = true;
            self.findings.push(Finding::new(place, String::new(), Word::NotesLeftOut, ""));
        }
        false
    }
}

/// Open elements, and findings.
pub(super) struct Trail {
    pub(super) path: Path,
    pub(super) notes: Notes,
}

impl Trail {
    pub(super) fn new(findings_max: usize) -> Self {
        let notes = Notes { findings: Vec::new(), findings_max, is_full: false };
        Self { path: Path::default(), notes }
    }

    /// An element opens at a place.
    pub(super) fn open(&mut self, name: NcName, place: Place) {
        self.path.0.push((name, place));
    }

    /// The innermost element closes.
    pub(super) fn close(&mut self) {
        self.path.0.pop();
    }

    pub(super) fn depth(&self) -> usize {
        self.path.0.len()
    }

    /// Where the innermost element opened.
    pub(super) fn place(&self) -> Place {
        self.path.place()
    }

    /// Something is the matter with the innermost element.
    pub(super) fn note(&mut self, word: Word, value: &str) {
        self.notes.note(&self.path, "", word, value);
    }

    /// Something is the matter with what is, or should be, in the innermost element.
    pub(super) fn note_below(&mut self, below: &str, word: Word, value: &str) {
        self.notes.note(&self.path, below, word, value);
    }

    /// Something is the matter with an element in the innermost one, which opens at a place.
    pub(super) fn note_child(&mut self, name: &str, place: Place, word: Word, value: &str) {
        if self.notes.has_room(place) {
            let path = self.path.below(name);
            self.notes.findings.push(Finding::new(place, path, word, value));
        }
    }

    /// Something is the matter with what lies behind.
    pub(super) fn note_at(&mut self, place: Place, path: &str, word: Word, value: &str) {
        if self.notes.has_room(place) {
            self.notes.findings.push(Finding::new(place, path.to_owned(), word, value));
        }
    }

    /// Nothing can be read from a place on.
    pub(super) fn error(&self, place: Place, word: Word, value: &str) -> Error {
        Error::new(Finding::new(place, self.path.below(""), word, value))
    }

    /// What was found, in the order in which it was found.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.notes.findings
    }
}
