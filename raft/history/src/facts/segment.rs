//! A segment: facts that follow one another, in a file of their own. Its name says which.
//!
//! `<first>.open` is still written to and goes on where another segment ends; `<first>.island` likewise,
//! but facts before it were missing when it was begun. `<first>-<next>.facts` is closed: synced, and
//! never written to again, unless it is repaired.

use std::sync::Arc;

use model::lengths::in_form;

use crate::{Error, disk::File, v1};

/// The directory of the segments.
pub(crate) const FACTS: &str = "facts";

/// Octets that are gathered before they are handed to the operating system; a sync hands on the rest.
const BUFFER_OCTETS: usize = 256 << 10;

/// Facts in a segment whatever its limits are: so that no name of a file makes us take memory.
const COUNT_MAX: u64 = 1 << 20;

/// What a file's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Open { first: u64 },
    Island { first: u64 },
    Closed { first: u64, next: u64 },
}

impl Name {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let number = |text: &str| text.parse().ok().filter(|_| text.len() == 20);
        if let Some(first) = name.strip_suffix(".open") {
            return Some(Self::Open { first: number(first)? });
        }
        if let Some(first) = name.strip_suffix(".island") {
            return Some(Self::Island { first: number(first)? });
        }
        let (first, next) = name.strip_suffix(".facts")?.split_once('-')?;
        let (first, next) = (number(first)?, number(next)?);
        let count = u64::checked_sub(next, first)?;
        (1..=COUNT_MAX).contains(&count).then_some(Self::Closed { first, next })
    }

    pub(crate) fn first(self) -> u64 {
        match self {
            Self::Open { first } | Self::Island { first } | Self::Closed { first, .. } => first,
        }
    }

    /// The path below the directory of the history.
    pub(crate) fn path(self) -> String {
        match self {
            Self::Open { first } => format!("{FACTS}/{first:020}.open"),
            Self::Island { first } => format!("{FACTS}/{first:020}.island"),
            Self::Closed { first, next } => format!("{FACTS}/{first:020}-{next:020}.facts"),
        }
    }
}

/// A segment that is still written to.
pub(crate) struct Open {
    pub(crate) name: Name,
    pub(crate) file: Arc<dyn File>,
    /// Where each frame begins, and where the last one ends.
    pub(crate) offsets: Vec<u32>,
    /// Octets that were handed to the operating system.
    written: usize,
    /// The octets after them.
    buffer: Vec<u8>,
    /// Octets that are known to be durable.
    pub(crate) durable: u32,
    /// Nothing more comes into it: it is closed by the next sync.
    pub(crate) is_full: bool,
    /// Its name is not durable yet.
    pub(crate) is_new: bool,
}

impl Open {
    /// A new one, whose head is not written yet.
    pub(crate) fn new(name: Name, file: Arc<dyn File>) -> Self {
        Self {
            name,
            file,
            offsets: vec![in_form(v1::HEAD)],
            written: 0,
            buffer: v1::head(name.first()).to_vec(),
            durable: 0,
            is_full: false,
            is_new: true,
        }
    }

    /// One that was found, with frames at these offsets.
    pub(crate) fn found(name: Name, file: Arc<dyn File>, offsets: Vec<u32>) -> Self {
        let written = offsets.last().map_or(v1::HEAD, |end| *end as usize);
        let buffer = Vec::new();
        Self { name, file, offsets, written, buffer, durable: 0, is_full: false, is_new: true }
    }

    pub(crate) fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(crate) fn next(&self) -> u64 {
        self.name.first() + self.count() as u64
    }

    /// Octets with all that was added.
    pub(crate) fn octets(&self) -> usize {
        self.written + self.buffer.len()
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.durable as usize == self.octets() && !self.is_new && !self.is_full
    }

    /// Adds a fact at the next position.
    pub(crate) fn push(&mut self, fact: &[u8]) {
        let position = self.next();
        v1::put_frame(&mut self.buffer, position, self.durable, fact);
        self.offsets.push(in_form(self.written + self.buffer.len()));
    }

    /// Hands what was added to the operating system once it is much.
    pub(crate) fn flush_if_large(&mut self) -> Result<(), Error> {
        if self.buffer.len() >= BUFFER_OCTETS { self.flush() } else { Ok(()) }
    }

    /// Hands what was added to the operating system, so that the file can be read.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        if !self.buffer.is_empty() {
            let written = self.file.write(self.written as u64, &self.buffer);
            written.map_err(Error::io("write", &self.name.path()))?;
            self.written += self.buffer.len();
            self.buffer.clear();
        }
        Ok(())
    }
}
