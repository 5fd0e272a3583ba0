//! Checking a document: everything that is found in it, also where it cannot be read to its end.

use super::{event::Event, finding::Finding, limits::Limits, read::Reader};

/// A check of one document, in pieces.
pub struct Check {
    reader: Reader,
}

impl Check {
    /// A check of a new document.
    pub fn new(limits: Limits) -> Self {
        Self { reader: Reader::new(limits) }
    }

    /// More octets of the document. After the first thing that cannot be read they are ignored.
    pub fn feed(&mut self, octets: &[u8]) {
        self.reader.feed(octets, &mut |_: Event<'_>| {}).ok();
    }

    /// The document is over: what was found, in the order of its places; what ended the reading, if
    /// anything did, comes last.
    pub fn finish(self) -> Vec<Finding> {
        let (done, mut findings) = self.reader.end(&mut |_: Event<'_>| {});
        if let Err(error) = done {
            findings.push(error.finding().clone());
        }
        findings
    }
}

/// Checks a document that is in memory.
pub fn check(octets: &[u8]) -> Vec<Finding> {
    let mut check = Check::new(Limits::DEFAULT);
    check.feed(octets);
    check.finish()
}
