//! The first entry of a ZIP, unfolded while it comes in. Inflating is `miniz_oxide`'s.
//!
//! Only what stands in front of the entry is believed, since the directory at the end of the file comes
//! too late. Checksum and sizes must hold. Deliberately no encryption, no other methods than stored and
//! deflate, no entry beyond the first.

use crc32fast::Hasher;
use miniz_oxide::{
    DataFormat, MZError, MZFlush, MZStatus,
    inflate::stream::{InflateState, inflate},
};

use super::{
    limits::{Limits, ZIP_RATIO_FROM_OCTETS},
    words::Word,
};

/// What takes unfolded octets, in pieces.
pub(super) type Take<'t> = &'t mut dyn FnMut(&[u8]) -> Result<(), Word>;

/// The octets of a local file header before the name.
const HEAD_LENGTH: usize = 30;
const LOCAL: &[u8] = b"PK\x03\x04";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// What an empty ZIP begins with: the end of its directory.
const EMPTY: &[u8] = b"PK\x05\x06";
/// A size that stands in the 64-bit extension instead.
const ELSEWHERE: u32 = u32::MAX;
const OUT_LENGTH: usize = 16 * 1_024;

/// What became of the octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The first entry was unfolded, and there is no other.
    Whole,
    /// The first entry was unfolded, and others follow.
    More,
    /// It was no ZIP; everything was handed on as it came.
    NotZip,
}

enum State {
    /// The local file header comes, up to the name.
    Head,
    /// Name and extension come: so many octets.
    Names(usize),
    /// So many octets of the entry come as they are.
    Stored(u64),
    Deflated(Box<InflateState>),
    /// Checksum and sizes come after the entry.
    Sums,
    /// What follows the entry: another one, or the directory.
    Next,
    Done(Ended),
}

/// What the ZIPs of a document held so far, packed and unfolded: bombs may be spread over many of them.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Unfolded {
    pub(super) packed: u64,
    pub(super) octets: u64,
}

/// One ZIP.
pub(super) struct Unzip {
    state: State,
    /// Octets of a header that is not complete.
    held: Vec<u8>,
    head: Head,
    out: Box<[u8]>,
    crc: Hasher,
    packed: u64,
    unpacked: u64,
    total: u64,
    before: Unfolded,
    limits: Limits,
}

/// What a local file header says.
#[derive(Default, Clone, Copy)]
struct Head {
    is_streamed: bool,
    is_deflated: bool,
    crc: u32,
    packed: u32,
    unpacked: u32,
    names: usize,
}

impl Head {
    fn read(head: &[u8]) -> Result<Self, Word> {
        let two = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let flags = two(6);
        let read = Self {
            is_streamed: flags & 8 != 0,
            is_deflated: two(8) == 8,
            crc: four(head, 14),
            packed: four(head, 18),
            unpacked: four(head, 22),
            names: usize::from(two(26)) + usize::from(two(28)),
        };
        if flags & 1 != 0 {
            return Err(Word::ZipEncrypted);
        }
        // What is stored and tells its size only afterwards has no end that one could find.
        if !matches!(two(8), 0 | 8) || (read.is_streamed && !read.is_deflated) {
            return Err(Word::ZipMethod);
        }
        if !read.is_deflated && read.packed == ELSEWHERE {
            return Err(Word::AttachmentTooLong);
        }
        if !read.is_deflated && read.packed != read.unpacked {
            return Err(Word::ZipBroken);
        }
        Ok(read)
    }
}

fn four(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

impl Unzip {
    pub(super) fn new(limits: Limits, before: Unfolded) -> Self {
        Self {
            state: State::Head,
            held: Vec::new(),
            head: Head::default(),
            out: vec![0; OUT_LENGTH].into(),
            crc: Hasher::new(),
            packed: 0,
            unpacked: 0,
            total: 0,
            before,
            limits,
        }
    }

    /// More octets of the file.
    pub(super) fn push(&mut self, mut octets: &[u8], take: Take<'_>) -> Result<(), Word> {
        self.total += length(octets);
        while !octets.is_empty() {
            octets = match &mut self.state {
                State::Head => self.push_head(octets, take)?,
                State::Names(left) => {
                    let skipped = octets.len().min(*left);
                    *left -= skipped;
                    if *left == 0 {
                        self.begin();
                    }
                    &octets[skipped..]
                }
                State::Stored(_) => self.push_stored(octets, take)?,
                State::Deflated(_) => self.push_deflated(octets, take)?,
                State::Sums => self.push_sums(octets)?,
                State::Next => {
                    let rest = self.hold(octets, LOCAL.len());
                    if self.held.len() == LOCAL.len() {
                        let more = self.held == LOCAL;
                        self.state = State::Done(if more { Ended::More } else { Ended::Whole });
                    }
                    rest
                }
                State::Done(Ended::NotZip) => {
                    take(octets)?;
                    &[]
                }
                State::Done(_) => &[],
            };
        }
        Ok(())
    }

    /// There are no more octets.
    pub(super) fn finish(mut self, take: Take<'_>) -> Result<Ended, Word> {
        if matches!(self.state, State::Names(0)) {
            self.begin();
        }
        match self.state {
            State::Head if self.held.starts_with(LOCAL) => Err(Word::ZipBroken),
            State::Head => {
                take(&self.held)?;
                Ok(Ended::NotZip)
            }
            // The entry held, so a directory that was cut off is no loss.
            State::Next => Ok(Ended::Whole),
            State::Done(ended) => Ok(ended),
            State::Names(_) | State::Stored(_) | State::Deflated(_) | State::Sums => {
                Err(Word::ZipBroken)
            }
        }
    }

    /// Keeps octets until there are so many; what is left of them.
    fn hold<'o>(&mut self, octets: &'o [u8], wanted: usize) -> &'o [u8] {
        let (kept, rest) = octets.split_at(octets.len().min(wanted - self.held.len()));
        self.held.extend_from_slice(kept);
        rest
    }

    fn push_head<'o>(&mut self, octets: &'o [u8], take: Take<'_>) -> Result<&'o [u8], Word> {
        let wanted = if self.held.len() < LOCAL.len() { LOCAL.len() } else { HEAD_LENGTH };
        let rest = self.hold(octets, wanted);
        if self.held.len() == LOCAL.len() && self.held == EMPTY {
            self.state = State::Done(Ended::Whole);
        } else if self.held.len() >= LOCAL.len() && !self.held.starts_with(LOCAL) {
            self.state = State::Done(Ended::NotZip);
            take(&self.held)?;
        } else if self.held.len() == HEAD_LENGTH {
            self.head = Head::read(&self.held)?;
            self.held.clear();
            self.state = State::Names(self.head.names);
            if self.head.names == 0 {
                self.begin();
            }
        }
        Ok(rest)
    }

    /// The entry's octets begin.
    fn begin(&mut self) {
        self.state = match (self.head.is_deflated, self.head.packed) {
            (true, _) => State::Deflated(InflateState::new_boxed(DataFormat::Raw)),
            (false, 0) => State::Next,
            (false, packed) => State::Stored(packed.into()),
        };
    }

    fn push_stored<'o>(&mut self, octets: &'o [u8], take: Take<'_>) -> Result<&'o [u8], Word> {
        let State::Stored(left) = &mut self.state else { return Ok(octets) };
        let size = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
        let (stored, rest) = octets.split_at(size);
        *left -= length(stored);
        let is_over = *left == 0;
        self.packed += length(stored);
        self.unpacked += length(stored);
        self.crc.update(stored);
        take(stored)?;
        if is_over {
            self.check(self.head.crc)?;
            self.state = State::Next;
        }
        Ok(rest)
    }

    fn push_deflated<'o>(&mut self, octets: &'o [u8], take: Take<'_>) -> Result<&'o [u8], Word> {
        let mut rest = octets;
        loop {
            let State::Deflated(state) = &mut self.state else { return Ok(rest) };
            let step = inflate(state, rest, &mut self.out, MZFlush::None);
            rest = &rest[step.bytes_consumed..];
            self.packed += count(step.bytes_consumed);
            let out = &self.out[..step.bytes_written];
            self.unpacked += length(out);
            self.crc.update(out);
            // What comes in at one time is counted whole: it may unfold before the next is seen.
            let packed = self.before.packed.saturating_add(self.total);
            let unfolded = self.before.octets.saturating_add(self.unpacked);
            let allowed = self.limits.zip_ratio_max.saturating_mul(packed);
            if unfolded > ZIP_RATIO_FROM_OCTETS && unfolded > allowed {
                return Err(Word::ZipBomb);
            }
            if !out.is_empty() {
                take(out)?;
            }
            match step.status {
                Ok(MZStatus::StreamEnd) => {
                    if self.head.is_streamed {
                        self.state = State::Sums;
                    } else {
                        self.check_sizes(self.head.packed.into(), self.head.unpacked.into())?;
                        self.check(self.head.crc)?;
                        self.state = State::Next;
                    }
                    return Ok(rest);
                }
                Ok(_) if step.bytes_written == OUT_LENGTH => {}
                Ok(_) if !rest.is_empty() && step.bytes_consumed + step.bytes_written > 0 => {}
                // There is nothing more to unfold without more octets.
                Ok(_) | Err(MZError::Buf) if rest.is_empty() => return Ok(rest),
                _ => return Err(Word::ZipBroken),
            }
        }
    }

    /// Checksum and sizes after the entry: with or without a mark, in 32 or in 64 bits.
    fn push_sums<'o>(&mut self, octets: &'o [u8]) -> Result<&'o [u8], Word> {
        let mark = if self.held.starts_with(DESCRIPTOR) { DESCRIPTOR.len() } else { 0 };
        let wanted = match self.held.len() - mark.min(self.held.len()) {
            0..4 => 4 + mark,
            4..12 => 12 + mark,
            _ => 20 + mark,
        };
        let rest = self.hold(octets, wanted);
        if self.held.len() < wanted || self.held == DESCRIPTOR {
            return Ok(rest);
        }
        let sums = &self.held[mark..];
        match sums.len() {
            12 => {
                let sizes = (u64::from(four(sums, 4)), u64::from(four(sums, 8)));
                // Otherwise the sizes may have 64 bits.
                if sizes == (self.packed, self.unpacked) {
                    return self.end(rest);
                }
            }
            20 => {
                let eight = |at| u64::from(four(sums, at)) | u64::from(four(sums, at + 4)) << 32;
                self.check_sizes(eight(4), eight(12))?;
                return self.end(rest);
            }
            _ => {}
        }
        Ok(rest)
    }

    fn end<'o>(&mut self, rest: &'o [u8]) -> Result<&'o [u8], Word> {
        let mark = if self.held.starts_with(DESCRIPTOR) { DESCRIPTOR.len() } else { 0 };
        self.check(four(&self.held, mark))?;
        self.held.clear();
        self.state = State::Next;
        Ok(rest)
    }

    fn check_sizes(&self, packed: u64, unpacked: u64) -> Result<(), Word> {
        let same = |said: u64, seen: u64| said == seen || said == u64::from(ELSEWHERE);
        let good = same(packed, self.packed) && same(unpacked, self.unpacked);
        if good { Ok(()) } else { Err(Word::ZipChecksum) }
    }

    fn check(&self, crc: u32) -> Result<(), Word> {
        if self.crc.clone().finalize() == crc { Ok(()) } else { Err(Word::ZipChecksum) }
    }
}

fn length(octets: &[u8]) -> u64 {
    count(octets.len())
}

fn count(size: usize) -> u64 {
    u64::try_from(size).expect("memory has less than 2^64 octets")
}
