//! A document read whole, for tests: what a reader said, put together.

use lgsp_wire::edxml::{
    Attached, Attaching, Attachment, Error, Event, Finding, Limits, Message, Reader, Unwritable,
    Word, Writer,
};

/// A document as a reader said it.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub message: Option<Message>,
    pub files: Vec<(Attached, Vec<u8>)>,
    pub findings: Vec<Finding>,
}

impl Read {
    pub fn words(&self) -> Vec<Word> {
        self.findings.iter().map(|finding| finding.word).collect()
    }

    /// What does not depend on how it was spelt.
    pub fn value(&self) -> (&Option<Message>, Vec<(&Attachment, &[u8])>) {
        let files = self.files.iter().map(|(file, octets)| (&file.attachment, &octets[..]));
        (&self.message, files.collect())
    }
}

pub fn read_pieces<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    limits: Limits,
) -> Result<Read, Error> {
    let mut reader = Reader::new(limits);
    let mut read = Read { message: None, files: Vec::new(), findings: Vec::new() };
    let mut octets = Vec::new();
    let mut began: Option<Attachment> = None;
    let mut take = |event: Event<'_>| match event {
        Event::Message(message) => {
            assert!(read.message.is_none(), "one message");
            read.message = Some(*message);
        }
        Event::Begin(attachment) => {
            assert!(began.is_none(), "an attachment begins after the last one ended");
            began = Some(attachment.clone());
        }
        Event::Octets(piece) => {
            assert!(!piece.is_empty() && began.is_some());
            octets.extend_from_slice(piece);
        }
        Event::End(attached) => {
            assert!(began.take().is_some(), "what ends began");
            assert_eq!(attached.octets, octets.len() as u64);
            read.files.push((attached.clone(), std::mem::take(&mut octets)));
        }
    };
    for piece in pieces {
        reader.feed(piece, &mut take)?;
    }
    let findings = reader.finish(&mut take)?;
    read.findings = findings;
    Ok(read)
}

pub fn read(octets: &[u8]) -> Result<Read, Error> {
    read_pieces([octets], Limits::DEFAULT)
}

/// Writes a document, its files in pieces.
pub fn write(
    message: &Message,
    files: &[(&Attachment, &[u8])],
    piece: usize,
) -> Result<Vec<u8>, Unwritable> {
    let mut out = Vec::new();
    let mut writer = Writer::begin(message, &mut out)?;
    for (attachment, octets) in files {
        let mut attaching: Attaching = writer.attach(attachment, &mut out)?;
        for piece in octets.chunks(piece) {
            attaching.octets(piece, &mut out)?;
        }
        writer = attaching.end(&mut out)?;
    }
    writer.finish(&mut out)?;
    Ok(out)
}

/// A document in which one part is another.
pub fn edited(document: &str, from: &str, to: &str) -> String {
    assert!(document.contains(from), "there is {from}");
    document.replacen(from, to, 1)
}

/// The new document of the vectors.
pub const NEW: &str = include_str!("../vectors/edxml/document-new.edxml");
/// A status of the vectors.
pub const STATUS: &str = include_str!("../vectors/edxml/status-03.edxml");
/// The recall of the vectors.
pub const RECALL: &str = include_str!("../vectors/edxml/document-recall.edxml");
