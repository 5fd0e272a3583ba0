//! The layout of a large content: which frames lie where, in runs.
//!
//! The table is small whatever the content's size and however many pieces it came in, and is written
//! into the seal frame. A run of equal frames finds any offset by arithmetic, so a download starts in
//! constant time. An upload whose pieces end in the middle of frames, over and over, has *mixed* runs
//! from some point on: frames of any lengths, which their own heads tell. A frame in a mixed run is found
//! by walking along the heads, a bounded way; so the table grows with the content's octets, and not with
//! the number of its pieces. Without a seal frame the table is rebuilt by scanning the heads.
//! The runs are the log as it was written; what counts as content (a cut takes back what came before
//! it) follows from them.

use model::lengths::in_form;

use crate::record::{FILE_HEAD, FRAME, FRAME_HEAD, FrameHead, FrameKind, TAG, frame_total};

/// Runs of one content: the table takes less than one frame.
pub const RUNS_MAX: usize = 4096;
/// Runs kept back from data, for barriers, cuts and the seal.
pub const RUNS_KEPT: usize = 256;
/// From this number of runs on, frames of another length join the run before them. An upload in ordinary
/// pieces stays below it. It is small in tests, which would otherwise never meet a mixed run.
pub const EXACT_MAX: usize = if cfg!(test) { 6 } else { 512 };
/// Octets of the file that a mixed run may have: the longest walk to one of its frames. Two runs that
/// follow each other are longer together.
pub const MIXED_MAX: u64 = if cfg!(test) { 900_000 } else { 16 << 20 };
/// In a larger file a mixed run may have one such part of it instead (85 MiB of 16 GiB), so that a file
/// of 1 TiB stays below [`RUNS_MAX`].
const MIXED_PART: u64 = 192;
/// Octets of a run in the table.
const RUN: usize = 21;
/// Octets of a frame beside its plaintext.
const OVERHEAD: u64 = (FRAME_HEAD + TAG) as u64;

/// Frames one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub kind: FrameKind,
    pub epoch: u32,
    /// Plaintext octets of each frame; 0 of a mixed run of data.
    pub len: u32,
    pub count: u32,
    /// Sequence of the first frame.
    pub first: u64,
    /// Where the first frame lies in the file.
    pub at: u64,
    /// Plaintext offset of the first frame (of a cut: where it cuts).
    pub offset: u64,
    /// Plaintext octets of all its frames. A mixed run that was cut has fewer of them than its count says.
    pub plain: u64,
}

/// The frames that the writer of one epoch has written: they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Tenure {
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

/// The frame to read next, and how the frames behind it in its run lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameCursor {
    /// Where the frame lies in the file.
    pub at: u64,
    /// Plaintext offset where it begins: of a mixed run perhaps far before what is looked for.
    pub offset: u64,
    /// Plaintext octets of each frame; 0 of a mixed run.
    pub len: u32,
    /// The epoch of the run's writer.
    pub epoch: u32,
    /// The frame's sequence.
    pub sequence: u64,
    /// Plaintext offset where the run ends.
    pub end: u64,
}

impl FrameCursor {
    /// Moves behind the frame that it stands at.
    pub fn pass(&mut self, head: &FrameHead) {
        self.at += head.total() as u64;
        self.offset += u64::from(head.len);
        self.sequence += 1;
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self { runs: Vec::new(), end: FILE_HEAD as u64, next: 0, offset: 0 }
    }
}

impl Run {
    /// Octets in the file, of a run as it was written.
    fn octets(&self) -> u64 {
        self.plain + u64::from(self.count) * OVERHEAD
    }

    fn is_mixed(&self) -> bool {
        self.kind == FrameKind::Data && self.len == 0
    }

    /// Plaintext offset where it ends.
    pub fn end(&self) -> u64 {
        self.offset + self.plain
    }
}

impl Layout {
    /// Adds the next frame, if it may follow.
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
        let count = self.runs.len();
        let mixed_max = MIXED_MAX.max(self.end / MIXED_PART);
        let grows = self.runs.last_mut().filter(|run| {
            head.kind == FrameKind::Data
                && run.kind == head.kind
                && run.epoch == head.epoch
                && run.count < u32::MAX
                && (run.len == head.len
                    || count >= EXACT_MAX && run.octets() + head.total() as u64 <= mixed_max)
        });
        match grows {
            Some(run) => {
                if run.len != head.len {
                    run.len = 0;
                }
                run.count += 1;
                run.plain += u64::from(head.len);
            }
            None if count >= RUNS_MAX => return Err("too many runs"),
            None => self.runs.push(Run {
                kind: head.kind,
                epoch: head.epoch,
                len: head.len,
                count: 1,
                first: head.sequence,
                at: self.end,
                offset: head.offset,
                plain: u64::from(head.len),
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

    /// Whether another piece of data may come: not after too many cuts and takeovers.
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
                // Within a mixed run only the heads of its frames know. A wrong cut is found when it is read.
                (run.offset..run.end()).contains(&offset)
                    && (run.is_mixed() || (offset - run.offset).is_multiple_of(u64::from(run.len)))
            })
    }

    /// The epochs in order, each with its last sequence.
    pub fn tenures(&self) -> Vec<Tenure> {
        let mut tenures: Vec<Tenure> = Vec::new();
        for run in &self.runs {
            let last = run.first + u64::from(run.count) - 1;
            match tenures.last_mut().filter(|tenure| tenure.epoch == run.epoch) {
                Some(tenure) => tenure.last = last,
                None => tenures.push(Tenure { epoch: run.epoch, last }),
            }
        }
        tenures
    }

    /// The first sequence at which two logs differ: frames of the same epoch and sequence are the
    /// same frame, and so is everything before them.
    pub fn common(ours: &[Tenure], theirs: &[Tenure]) -> u64 {
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

    /// The mixed run that a sequence lies within, unless it begins the run. Before the log can be cut there,
    /// the frame must be found in the file and told to [`Layout::split`].
    pub fn mixed_around(&self, sequence: u64) -> Option<Run> {
        let run = self.run_of(sequence)?;
        (run.is_mixed() && run.first < sequence).then_some(*run)
    }

    /// Splits the mixed run around a sequence in two; `plain` octets of plaintext are in the frames before it.
    pub fn split(&mut self, sequence: u64, plain: u64) {
        let around = self.mixed_around(sequence);
        let index = around.and_then(|run| self.runs.iter().position(|it| it.first == run.first));
        let Some(index) = index else { return };
        let run = &mut self.runs[index];
        let count = in_form(sequence - run.first);
        let before = Run { count, plain, ..*run };
        let behind = Run {
            count: run.count - count,
            plain: run.plain.saturating_sub(plain),
            first: sequence,
            at: run.at + before.octets(),
            offset: run.offset + plain,
            ..*run
        };
        *run = before;
        self.runs.insert(index + 1, behind);
    }

    /// Forgets the frames from a sequence on. It must not lie within a mixed run.
    pub fn truncate(&mut self, sequence: u64) {
        debug_assert!(self.mixed_around(sequence).is_none(), "it was split first");
        self.runs.retain_mut(|run| {
            let count = in_form(sequence.saturating_sub(run.first).min(u64::from(run.count)));
            if count < run.count {
                run.count = count;
                run.plain = u64::from(count) * u64::from(run.len);
            }
            run.count > 0
        });
        self.end = self.runs.last().map_or(FILE_HEAD as u64, |run| run.at + run.octets());
        self.next = self.runs.last().map_or(0, |run| run.first + u64::from(run.count));
        self.offset = self.live().last().map_or(0, Run::end);
    }

    fn run_of(&self, sequence: u64) -> Option<&Run> {
        let index = self.runs.partition_point(|run| run.first <= sequence).checked_sub(1)?;
        let run = &self.runs[index];
        (sequence - run.first < u64::from(run.count)).then_some(run)
    }

    /// Where the frame of a sequence lies, or the first one of the mixed run that it is in.
    pub fn find(&self, sequence: u64) -> Option<FrameCursor> {
        self.run_of(sequence).map(|run| cursor_at(run, sequence - run.first))
    }

    /// The run table, for the seal frame. The offset of a mixed run follows from the runs before it, so
    /// its plaintext octets stand in that place.
    pub fn encode(&self) -> Vec<u8> {
        let mut table = Vec::with_capacity(self.runs.len() * RUN);
        for run in &self.runs {
            table.push(run.kind as u8);
            table.extend_from_slice(&run.epoch.to_be_bytes());
            table.extend_from_slice(&run.len.to_be_bytes());
            table.extend_from_slice(&run.count.to_be_bytes());
            let last = if run.is_mixed() { run.plain } else { run.offset };
            table.extend_from_slice(&last.to_be_bytes());
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
            let last = u64::from_be_bytes(form[13..21].try_into().ok()?);
            let (epoch, len, count) = (u32_at(1), u32_at(5), u32_at(9));
            let kind = FrameKind::from_u8(form[0])?;
            let is_mixed = kind == FrameKind::Data && len == 0;
            let (offset, plain) = match is_mixed {
                true => (layout.offset, last),
                false => (last, u64::from(len) * u64::from(count)),
            };
            let follows = match kind {
                FrameKind::Data => offset == layout.offset,
                FrameKind::Cut => offset <= layout.offset,
                _ => count == 1,
            };
            let possible = u64::from(count)..=u64::from(count) * FRAME as u64;
            if count == 0
                || !follows
                || len as usize > FRAME
                || is_mixed && !possible.contains(&plain)
                || offset.checked_add(plain).is_none()
            {
                return None;
            }
            let (first, at) = (layout.next, layout.end);
            let run = Run { kind, epoch, len, count, first, at, offset, plain };
            layout.next = layout.next.checked_add(u64::from(count))?;
            layout.end = layout.end.checked_add(run.octets())?;
            match kind {
                FrameKind::Data => layout.offset += plain,
                FrameKind::Cut => layout.offset = offset,
                _ => {}
            }
            layout.runs.push(run);
        }
        Some(layout)
    }
}

/// Where the content's octet at `offset` lies, in runs as [`Layout::live`] gives them.
pub fn locate(live: &[Run], offset: u64) -> Option<FrameCursor> {
    let index = live.partition_point(|run| run.offset <= offset).checked_sub(1)?;
    let run = &live[index];
    let skip = (offset - run.offset).checked_div(u64::from(run.len)).unwrap_or(0);
    (offset < run.end()).then(|| cursor_at(run, skip))
}

/// A cursor at a frame of a run, `skip` frames behind its first, or at the first one of a mixed run.
pub fn cursor_at(run: &Run, skip: u64) -> FrameCursor {
    let skip = if run.is_mixed() { 0 } else { skip };
    FrameCursor {
        at: run.at + skip * frame_total(run.len as usize) as u64,
        offset: run.offset + skip * u64::from(run.len),
        len: run.len,
        epoch: run.epoch,
        sequence: run.first + skip,
        end: run.end(),
    }
}

fn cut(live: &mut Vec<Run>, offset: u64) {
    live.retain_mut(|run| {
        let keep = offset.saturating_sub(run.offset).min(run.plain);
        if run.is_mixed() {
            run.plain = keep;
            return keep > 0;
        }
        run.count = in_form(keep / u64::from(run.len));
        run.plain = u64::from(run.count) * u64::from(run.len);
        run.count > 0
    });
}
