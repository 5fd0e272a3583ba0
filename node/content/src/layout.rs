//! The layout of a large content: which frames lie where, in runs of equal frames.
//!
//! The table is small whatever the content's size, is written into the seal frame, and finds any
//! offset by arithmetic, so a download starts in constant time. Without a seal frame it is
//! rebuilt by scanning the frames' heads. The runs are the log as it was written; what counts
//! as content (a cut takes back what came before it) follows from them.

use crate::record::{FILE_HEAD, FRAME, FrameHead, FrameKind, frame_total};

/// Runs of one content. Each piece of an upload that ends in the middle of a frame costs two, so
/// two thousand pieces fit; the table takes less than one frame.
pub const RUNS_MAX: usize = 4096;
/// Runs kept back from data, for barriers, cuts and the seal.
pub const RUNS_KEPT: usize = 256;
/// Octets of a run in the table.
const RUN: usize = 21;

/// Equal frames one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub kind: FrameKind,
    pub epoch: u32,
    /// Plaintext octets of each frame.
    pub len: u32,
    pub count: u32,
    /// Sequence of the first frame.
    pub first: u64,
    /// Where the first frame lies in the file.
    pub at: u64,
    /// Plaintext offset of the first frame (of a cut: where it cuts).
    pub offset: u64,
}

/// Frames of one epoch that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Span {
    /// The epoch.
    #[n(0)]
    pub epoch: u32,
    /// Its last sequence.
    #[n(1)]
    pub last: u64,
}

/// The frames of a space, as far as they are known to be good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    runs: Vec<Run>,
    /// Where the next frame goes in the file.
    pub end: u64,
    /// The next frame's sequence.
    pub next: u64,
    /// Plaintext octets so far.
    pub offset: u64,
}

/// Frames to read for an offset: all in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub at: u64,
    /// Plaintext offset where the first of the frames begins.
    pub offset: u64,
    pub len: u32,
    /// Frames from there to the end of the run.
    pub count: u32,
    pub first: u64,
}

impl Default for Layout {
    fn default() -> Self {
        Self { runs: Vec::new(), end: FILE_HEAD as u64, next: 0, offset: 0 }
    }
}

impl Run {
    fn octets(&self) -> u64 {
        u64::from(self.count) * frame_total(self.len as usize) as u64
    }
}

impl Layout {
    /// Takes the next frame, if it is one that may follow.
    pub fn push(&mut self, head: &FrameHead) -> Result<(), &'static str> {
        let last_epoch = self.last_epoch();
        if head.sequence != self.next || head.epoch < last_epoch {
            return Err("a frame is out of order");
        }
        let sealed = self.seal().is_some();
        let fits = match head.kind {
            FrameKind::Meta => self.runs.is_empty(),
            FrameKind::Data => head.offset == self.offset && head.len > 0 && !sealed,
            FrameKind::Barrier => head.offset == self.offset,
            FrameKind::Cut => {
                head.offset <= self.offset && !sealed && self.is_boundary(head.offset)
            }
            FrameKind::Seal => head.offset == self.offset && !sealed,
        };
        if !fits || (self.runs.is_empty() && head.kind != FrameKind::Meta) {
            return Err("a frame does not follow from the one before");
        }
        let is_full = self.runs.len() >= RUNS_MAX;
        let grows = self.runs.last_mut().filter(|run| {
            head.kind == FrameKind::Data
                && run.kind == head.kind
                && run.len == head.len
                && run.epoch == head.epoch
        });
        match grows {
            Some(run) => run.count += 1,
            None if is_full => return Err("too many runs"),
            None => self.runs.push(Run {
                kind: head.kind,
                epoch: head.epoch,
                len: head.len,
                count: 1,
                first: head.sequence,
                at: self.end,
                offset: head.offset,
            }),
        }
        self.end += head.total() as u64;
        self.next += 1;
        match head.kind {
            FrameKind::Data => self.offset += u64::from(head.len),
            FrameKind::Cut => self.offset = head.offset,
            _ => {}
        }
        Ok(())
    }

    pub fn last_epoch(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.epoch)
    }

    /// Whether another piece of data may come.
    pub fn has_room(&self) -> bool {
        self.runs.len() + RUNS_KEPT < RUNS_MAX
    }

    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The seal's run, once there is one; only barriers may stand after it.
    pub fn seal(&self) -> Option<&Run> {
        self.runs
            .iter()
            .rev()
            .take_while(|run| matches!(run.kind, FrameKind::Barrier | FrameKind::Seal))
            .find(|run| run.kind == FrameKind::Seal)
    }

    /// The runs that are the content, in order of their offsets.
    pub fn live(&self) -> Vec<Run> {
        let mut live: Vec<Run> = Vec::new();
        for run in &self.runs {
            match run.kind {
                FrameKind::Data => live.push(*run),
                FrameKind::Cut => cut(&mut live, run.offset),
                _ => {}
            }
        }
        live
    }

    fn is_boundary(&self, offset: u64) -> bool {
        offset == self.offset
            || self.live().iter().any(|run| {
                offset >= run.offset
                    && offset < run.offset + u64::from(run.count) * u64::from(run.len)
                    && (offset - run.offset).is_multiple_of(u64::from(run.len))
            })
    }

    /// The epochs in order, each with its last sequence.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for run in &self.runs {
            let last = run.first + u64::from(run.count) - 1;
            match spans.last_mut().filter(|span| span.epoch == run.epoch) {
                Some(span) => span.last = last,
                None => spans.push(Span { epoch: run.epoch, last }),
            }
        }
        spans
    }

    /// The first sequence at which two logs differ: frames of the same epoch and sequence are the
    /// same frame, and so is everything before them.
    pub fn common(ours: &[Span], theirs: &[Span]) -> u64 {
        let mut common = 0;
        for (ours, theirs) in ours.iter().zip(theirs) {
            if ours.epoch != theirs.epoch {
                break;
            }
            common = ours.last.min(theirs.last) + 1;
            if ours.last != theirs.last {
                break;
            }
        }
        common
    }

    /// Forgets the frames from a sequence on.
    pub fn truncate(&mut self, sequence: u64) {
        self.runs.retain_mut(|run| {
            run.count =
                run.count.min(sequence.saturating_sub(run.first).min(u64::from(u32::MAX)) as u32);
            run.count > 0
        });
        self.end = self.runs.last().map_or(FILE_HEAD as u64, |run| run.at + run.octets());
        self.next = self.runs.last().map_or(0, |run| run.first + u64::from(run.count));
        self.offset = self
            .live()
            .last()
            .map_or(0, |run| run.offset + u64::from(run.count) * u64::from(run.len));
    }

    /// Where the frame of a sequence lies; the frames after it in its run are counted.
    pub fn find(&self, sequence: u64) -> Option<Place> {
        let index = self.runs.partition_point(|run| run.first <= sequence).checked_sub(1)?;
        let run = &self.runs[index];
        let skip = sequence - run.first;
        (skip < u64::from(run.count)).then(|| place(run, skip))
    }

    /// The run table, for the seal frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut table = Vec::with_capacity(self.runs.len() * RUN);
        for run in &self.runs {
            table.push(run.kind as u8);
            table.extend_from_slice(&run.epoch.to_be_bytes());
            table.extend_from_slice(&run.len.to_be_bytes());
            table.extend_from_slice(&run.count.to_be_bytes());
            table.extend_from_slice(&run.offset.to_be_bytes());
        }
        table
    }

    /// Reads a run table; none if it is not one.
    pub fn parse(table: &[u8]) -> Option<Self> {
        if !table.len().is_multiple_of(RUN) || table.len() > RUNS_MAX * RUN {
            return None;
        }
        let mut layout = Self::default();
        for form in table.chunks_exact(RUN) {
            let u32_at = |at: usize| {
                u32::from_be_bytes([form[at], form[at + 1], form[at + 2], form[at + 3]])
            };
            let offset = u64::from_be_bytes(form[13..21].try_into().ok()?);
            let (epoch, len, count) = (u32_at(1), u32_at(5), u32_at(9));
            let kind = FrameKind::from_u8(form[0])?;
            let octets = u64::from(len) * u64::from(count);
            let follows = match kind {
                FrameKind::Data => offset == layout.offset && len > 0,
                FrameKind::Cut => offset <= layout.offset,
                _ => count == 1,
            };
            if count == 0
                || !follows
                || len as usize > FRAME
                || offset.checked_add(octets).is_none()
            {
                return None;
            }
            let run = Run { kind, epoch, len, count, first: layout.next, at: layout.end, offset };
            layout.next = layout.next.checked_add(u64::from(count))?;
            layout.end = layout.end.checked_add(run.octets())?;
            match kind {
                FrameKind::Data => layout.offset += octets,
                FrameKind::Cut => layout.offset = offset,
                _ => {}
            }
            layout.runs.push(run);
        }
        Some(layout)
    }
}

/// Where the content's octet at `offset` lies, in runs as [`Layout::live`] gives them.
pub fn locate(live: &[Run], offset: u64) -> Option<Place> {
    let index = live.partition_point(|run| run.offset <= offset).checked_sub(1)?;
    let run = &live[index];
    let skip = (offset - run.offset) / u64::from(run.len);
    (skip < u64::from(run.count)).then(|| place(run, skip))
}

fn place(run: &Run, skip: u64) -> Place {
    Place {
        at: run.at + skip * frame_total(run.len as usize) as u64,
        offset: run.offset + skip * u64::from(run.len),
        len: run.len,
        count: (u64::from(run.count) - skip) as u32,
        first: run.first + skip,
    }
}

fn cut(live: &mut Vec<Run>, offset: u64) {
    live.retain_mut(|run| {
        let keep = offset.saturating_sub(run.offset) / u64::from(run.len);
        run.count = run.count.min(keep.min(u64::from(u32::MAX)) as u32);
        run.count > 0
    });
}
