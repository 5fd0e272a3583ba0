//! The octets of one attachment: out of base64, out of their ZIP, counted and hashed.

use sha2::{Digest, Sha256};

use super::{
    limits::Limits,
    quads::{Quads, Stop},
    unzip::{Ended, Unfolded, Unzip},
    words::Word,
};

/// How many octets are decoded at a time: some pages of cache, and a multiple of three.
const WINDOW_LENGTH: usize = 12 * 1_024;

/// What a decoder needs for one step.
const ROOM_LENGTH: usize = 3;

/// How an attachment's octets stood in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Plain,
    /// In a ZIP of one entry, which was opened.
    Unzipped,
    /// In a ZIP of more entries, of which the first was opened and the others left out.
    UnzippedFirst,
    /// Said to be zipped, and no ZIP; as they are.
    NotZip,
    /// In a ZIP that was not opened, since type or name stood after the octets.
    LeftZipped,
}

/// What an attachment's content was, when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) octets: u64,
    pub(super) packed_octets: u64,
    pub(super) sha256: [u8; 32],
    pub(super) form: Form,
    pub(super) is_unpadded: bool,
}

/// What takes octets.
pub(super) type Sink<'s> = &'s mut dyn FnMut(&[u8]);

/// An attachment's content on its way.
pub(super) struct Content {
    quads: Quads,
    window: Box<[u8]>,
    /// How much of the window waits to be handed on.
    filled: usize,
    unzip: Option<Unzip>,
    sum: Running,
    packed: u64,
}

/// What is counted of the octets that are handed on.
struct Running {
    hash: Sha256,
    octets: u64,
    octets_max: u64,
}

impl Running {
    fn take(&mut self, octets: &[u8], sink: Sink<'_>) -> Result<(), Word> {
        if octets.is_empty() {
            return Ok(());
        }
        self.octets += count(octets.len());
        if self.octets > self.octets_max {
            return Err(Word::AttachmentTooLong);
        }
        self.hash.update(octets);
        sink(octets);
        Ok(())
    }
}

impl Content {
    /// A content that begins; the window is another one's, to be used again.
    /// `before` is what the document's other ZIPs held.
    pub(super) fn new(
        is_zipped: bool,
        limits: &Limits,
        before: Unfolded,
        window: Option<Box<[u8]>>,
    ) -> Self {
        Self {
            quads: Quads::default(),
            window: window.unwrap_or_else(|| vec![0; WINDOW_LENGTH].into()),
            filled: 0,
            unzip: is_zipped.then(|| Unzip::new(*limits, before)),
            sum: Running {
                hash: Sha256::new(),
                octets: 0,
                octets_max: limits.attachment_octets_max,
            },
            packed: 0,
        }
    }

    /// Decodes characters up to the first one that is none of base64, nor space: how many that were,
    /// and what is the matter with the next one, or with what was decoded so far.
    pub(super) fn push(&mut self, characters: &[u8], sink: Sink<'_>) -> (usize, Result<(), Word>) {
        let mut read = 0;
        while read < characters.len() {
            let step = self.quads.decode(&characters[read..], &mut self.window[self.filled..]);
            read += step.read;
            self.filled += step.wrote;
            // The window is handed on when it is full, however small the pieces are that come in. So the
            // same document says the same in pieces of any size.
            let is_fault = matches!(step.stop, Some(Stop::Fault(_)));
            if (is_fault || self.window.len() - self.filled < ROOM_LENGTH)
                && let Err(word) = self.hand_on(sink)
            {
                return (read, Err(word));
            }
            match step.stop {
                None => {}
                Some(Stop::Foreign) => break,
                Some(Stop::Fault(word)) => return (read, Err(word)),
            }
        }
        (read, Ok(()))
    }

    /// The characters are over.
    pub(super) fn finish(mut self, sink: Sink<'_>) -> Result<(Sum, Box<[u8]>), Word> {
        let quads = std::mem::take(&mut self.quads);
        let finished = quads.finish(&mut self.window[self.filled..]);
        self.filled += finished.map_or(0, |(wrote, _)| wrote);
        self.hand_on(sink)?;
        let (_, is_unpadded) = finished?;
        let sum = &mut self.sum;
        let form = match self.unzip {
            None => Form::Plain,
            Some(unzip) => match unzip.finish(&mut |octets| sum.take(octets, sink))? {
                Ended::Whole => Form::Unzipped,
                Ended::More => Form::UnzippedFirst,
                Ended::NotZip => Form::NotZip,
            },
        };
        let Running { hash, octets, .. } = self.sum;
        let sha256 = hash.finalize().into();
        let sum = Sum { octets, packed_octets: self.packed, sha256, form, is_unpadded };
        Ok((sum, self.window))
    }

    fn hand_on(&mut self, sink: Sink<'_>) -> Result<(), Word> {
        let octets = &self.window[..std::mem::take(&mut self.filled)];
        self.packed += count(octets.len());
        if self.packed > self.sum.octets_max {
            return Err(Word::AttachmentTooLong);
        }
        let sum = &mut self.sum;
        match &mut self.unzip {
            None => sum.take(octets, sink),
            Some(unzip) => unzip.push(octets, &mut |octets| sum.take(octets, sink)),
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).expect("a slice is shorter than 2^64 octets")
}
