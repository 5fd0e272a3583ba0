//! Stored forms, version 1: records of segments, headers of files, heads of frames.
//!
//! Fixed fields, big-endian, each form with magic, version and CRC-32, so that a scan tells what
//! it meets without any key. A CRC finds accidents; forgery is found by the seals.
//!
//! - A *record* holds one small content: head (128), slot, meta frame, data frames, padding to 64.
//! - A *file* holds one large content: 4 KiB of header (identity, two fence places, seal mark),
//!   then frames in the order of their sequence.

use bytes::Bytes;
use model::{Digest, PacketId, SpaceId, lengths::in_memory};

use crate::{META_MAX, SLOT_MAX, SMALL_MAX};

/// The version of all forms here.
pub const VERSION: u8 = 1;
/// Octets of a record's head.
pub const RECORD_HEAD: usize = 128;
/// Records begin at multiples of this, so that a scan can find the next one after damage.
pub const ALIGN: usize = 64;
/// The largest record: a small content, its overhead, and room.
pub const RECORD_MAX: usize = SMALL_MAX + (32 << 10);
/// Octets overwritten at the beginning of a purged record or file: slot, meta and the head of the
/// first data frames' ciphertext, with room.
pub const WIPED: u32 = 8 << 10;
/// Octets of a frame's head.
pub const FRAME_HEAD: usize = 40;
/// Octets of a frame's tag.
pub const TAG: usize = 16;
/// Plaintext octets of a full frame: large enough that heads and hops cost nothing, small enough
/// that a transfer's windows stay far below 8 MiB.
pub const FRAME: usize = 128 << 10;
/// Octets of a file's header.
pub const FILE_HEAD: usize = 4096;
/// Octets of a file's identity.
pub const IDENTITY: usize = 512;
/// The two places of a fence: the new one never overwrites the only good one.
pub const FENCE_PLACES: [usize; 2] = [1024, 1536];
/// Octets of a fence.
pub const FENCE: usize = 32;
/// The place of the seal mark.
pub const SEAL_PLACE: usize = 2048;
/// Octets of a seal mark.
pub const SEAL: usize = 64;

/// What a record begins with.
pub const RECORD_MAGIC: [u8; 4] = *b"LGRC";
const FRAME_MAGIC: [u8; 2] = *b"LF";
const FILE_MAGIC: [u8; 4] = *b"LGSF";
const FENCE_MAGIC: [u8; 4] = *b"LGFE";
const SEAL_MAGIC: [u8; 4] = *b"LGSE";
const CONTENT: u8 = 1;
const DEAD: u8 = 2;

/// Reads fixed fields one after the other; running past the end is a bug of the caller, who
/// checks the length first.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk().expect("the caller checked the length");
        self.0 = rest;
        *head
    }
    fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }
    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }
    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }
    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
}

/// Closes a form with the CRC of what stands before its last four octets.
fn close(form: &mut [u8]) {
    let end = form.len() - 4;
    let crc = crc32fast::hash(&form[..end]);
    form[end..].copy_from_slice(&crc.to_be_bytes());
}

fn is_closed(form: &[u8]) -> bool {
    let end = form.len() - 4;
    crc32fast::hash(&form[..end]).to_be_bytes() == form[end..]
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A content.
    Content,
    /// A purged range, of one record or of several that lay side by side.
    Dead,
}

/// The head of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHead {
    pub kind: RecordKind,
    pub slot_len: u16,
    /// Octets of the whole record, a multiple of [`ALIGN`].
    pub total: u32,
    pub meta_len: u32,
    pub space: SpaceId,
    pub packet: PacketId,
    pub generation: u64,
    pub size: u64,
    pub digest: Digest,
    /// CRC of everything after the head.
    pub body_crc: u32,
}

impl RecordHead {
    /// The head of a dead range.
    pub fn dead(total: u32) -> Self {
        Self {
            kind: RecordKind::Dead,
            slot_len: 0,
            total,
            meta_len: 0,
            space: SpaceId(0),
            packet: PacketId(0),
            generation: 0,
            size: 0,
            digest: Digest([0; 32]),
            body_crc: 0,
        }
    }

    /// Octets of slot and frames, without padding; none if the fields cannot be.
    pub fn body_len(&self) -> Option<usize> {
        if self.size > SMALL_MAX as u64 || self.meta_len as usize > META_MAX {
            return None;
        }
        let (full, rest) = (in_memory(self.size) / FRAME, in_memory(self.size) % FRAME);
        let mut len = usize::from(self.slot_len) + FRAME_HEAD + self.meta_len as usize + TAG;
        len += full * (FRAME_HEAD + FRAME + TAG);
        if rest > 0 {
            len += FRAME_HEAD + rest + TAG;
        }
        Some(len)
    }

    /// Octets of the whole record of such a body.
    pub fn total_of(body_len: usize) -> usize {
        (RECORD_HEAD + body_len).next_multiple_of(ALIGN)
    }

    pub fn encode(&self) -> [u8; RECORD_HEAD] {
        let mut form = [0; RECORD_HEAD];
        form[..4].copy_from_slice(&RECORD_MAGIC);
        form[4] = VERSION;
        form[5] = match self.kind {
            RecordKind::Content => CONTENT,
            RecordKind::Dead => DEAD,
        };
        form[6..8].copy_from_slice(&self.slot_len.to_be_bytes());
        form[8..12].copy_from_slice(&self.total.to_be_bytes());
        form[12..16].copy_from_slice(&self.meta_len.to_be_bytes());
        form[16..32].copy_from_slice(&self.space.to_bytes());
        form[32..48].copy_from_slice(&self.packet.to_bytes());
        form[48..56].copy_from_slice(&self.generation.to_be_bytes());
        form[56..64].copy_from_slice(&self.size.to_be_bytes());
        form[64..96].copy_from_slice(&self.digest.0);
        form[96..100].copy_from_slice(&self.body_crc.to_be_bytes());
        close(&mut form);
        form
    }

    /// Reads a head and checks that its fields agree; the body is not looked at.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let form = octets.get(..RECORD_HEAD)?;
        if form[..4] != RECORD_MAGIC || form[4] != VERSION || !is_closed(form) {
            return None;
        }
        let kind = match form[5] {
            CONTENT => RecordKind::Content,
            DEAD => RecordKind::Dead,
            _ => return None,
        };
        let mut fields = Fields(&form[6..]);
        let head = Self {
            kind,
            slot_len: fields.u16(),
            total: fields.u32(),
            meta_len: fields.u32(),
            space: SpaceId::from_bytes(fields.take()),
            packet: PacketId::from_bytes(fields.take()),
            generation: fields.u64(),
            size: fields.u64(),
            digest: Digest(fields.take()),
            body_crc: fields.u32(),
        };
        let sound = match kind {
            RecordKind::Dead => {
                head.total as usize >= RECORD_HEAD && (head.total as usize).is_multiple_of(ALIGN)
            }
            RecordKind::Content => {
                usize::from(head.slot_len) <= SLOT_MAX
                    && head.body_len().is_some_and(|len| Self::total_of(len) == head.total as usize)
            }
        };
        sound.then_some(head)
    }

    /// Tells one record of a space from another: the CRC of the head.
    pub fn mark(&self) -> u32 {
        let form = self.encode();
        u32::from_be_bytes(form[RECORD_HEAD - 4..].try_into().expect("four octets"))
    }

    /// Reads a whole record, head and body, as a peer sends it.
    pub fn parse_whole(record: &[u8]) -> Option<Self> {
        let head = Self::parse(record)?;
        let body = record.get(RECORD_HEAD..head.total as usize)?;
        (head.kind == RecordKind::Content && crc32fast::hash(body) == head.body_crc).then_some(head)
    }
}

/// A small content as every holder stores it and nodes send it: sealed, with a head in the clear.
#[derive(Clone)]
pub struct SealedRecord {
    octets: Bytes,
    head: RecordHead,
}

impl SealedRecord {
    /// The record that stands at the beginning of these octets, whole; none if it is damaged.
    pub(crate) fn first_of(octets: &Bytes) -> Option<Self> {
        let head = RecordHead::parse_whole(octets)?;
        Some(Self { octets: octets.slice(..head.total as usize), head })
    }

    /// A record that was just built under that head.
    pub(crate) fn built(octets: Bytes, head: RecordHead) -> Self {
        debug_assert_eq!(octets.len(), head.total as usize, "the head says how long it is");
        Self { octets, head }
    }

    /// Reads a record that another node built; none if it is damaged or more follows.
    pub fn parse(octets: Bytes) -> Option<Self> {
        let record = Self::first_of(&octets)?;
        (record.octets.len() == octets.len()).then_some(record)
    }

    pub(crate) fn head(&self) -> &RecordHead {
        &self.head
    }

    /// The octets that are stored and sent.
    pub fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// The space that it was sealed for.
    pub fn space(&self) -> SpaceId {
        self.head.space
    }

    /// The packet that it was sealed for.
    pub fn packet(&self) -> PacketId {
        self.head.packet
    }

    /// Octets of plaintext.
    pub fn size(&self) -> u64 {
        self.head.size
    }

    /// SHA-256 of the plaintext.
    pub fn digest(&self) -> Digest {
        self.head.digest
    }
}

impl std::fmt::Debug for SealedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Contents print as nothing.
        let Self { head: RecordHead { space, total, .. }, .. } = self;
        f.debug_struct("SealedRecord").field("space", space).field("total", total).finish()
    }
}

/// What a frame is in the log of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum FrameKind {
    /// The meta; sequence 0 of every content.
    Meta = 0,
    /// A piece of the content.
    Data = 1,
    /// The first frame of a writer that took over; empty.
    Barrier = 2,
    /// What lies at and after this frame's offset is taken back; empty.
    Cut = 3,
    /// The content is complete: digest, size and run table.
    Seal = 4,
}

impl FrameKind {
    pub fn from_u8(kind: u8) -> Option<Self> {
        [Self::Meta, Self::Data, Self::Barrier, Self::Cut, Self::Seal]
            .get(usize::from(kind))
            .copied()
    }

    /// The most plaintext that such a frame may hold.
    pub fn len_max(self) -> usize {
        match self {
            Self::Meta => META_MAX,
            Self::Data | Self::Seal => FRAME,
            Self::Barrier | Self::Cut => 0,
        }
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    pub kind: FrameKind,
    pub epoch: u32,
    pub sequence: u64,
    /// Plaintext octets before this frame.
    pub offset: u64,
    /// Plaintext octets in it.
    pub len: u32,
    /// CRC of ciphertext and tag.
    pub body_crc: u32,
}

impl FrameHead {
    /// Octets of the whole frame.
    pub fn total(&self) -> usize {
        frame_total(self.len as usize)
    }

    pub fn encode(&self, space: SpaceId) -> [u8; FRAME_HEAD] {
        let mut form = [0; FRAME_HEAD];
        form[..2].copy_from_slice(&FRAME_MAGIC);
        form[2] = VERSION;
        form[3] = self.kind as u8;
        form[4..8].copy_from_slice(&self.epoch.to_be_bytes());
        form[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        form[16..24].copy_from_slice(&self.offset.to_be_bytes());
        form[24..28].copy_from_slice(&self.len.to_be_bytes());
        form[28..32].copy_from_slice(&self.body_crc.to_be_bytes());
        let crc = frame_crc(&form[..36], space);
        form[36..].copy_from_slice(&crc.to_be_bytes());
        form
    }

    /// Reads a head that belongs to the space; the body is not looked at.
    pub fn parse(octets: &[u8], space: SpaceId) -> Option<Self> {
        let form = octets.get(..FRAME_HEAD)?;
        if form[..2] != FRAME_MAGIC
            || form[2] != VERSION
            || frame_crc(&form[..36], space).to_be_bytes() != form[36..]
        {
            return None;
        }
        let mut fields = Fields(&form[3..]);
        let head = Self {
            kind: FrameKind::from_u8(fields.u8())?,
            epoch: fields.u32(),
            sequence: fields.u64(),
            offset: fields.u64(),
            len: fields.u32(),
            body_crc: fields.u32(),
        };
        (head.len as usize <= head.kind.len_max()).then_some(head)
    }

    /// Reads a whole frame and checks its CRC.
    pub fn parse_whole(frame: &[u8], space: SpaceId) -> Option<Self> {
        let head = Self::parse(frame, space)?;
        let body = frame.get(FRAME_HEAD..head.total())?;
        (crc32fast::hash(body) == head.body_crc).then_some(head)
    }
}

/// Octets of a frame with so much plaintext.
pub const fn frame_total(len: usize) -> usize {
    FRAME_HEAD + len + TAG
}

/// The space is part of the check, so that a frame that strayed in from another is none.
fn frame_crc(head: &[u8], space: SpaceId) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(&space.to_bytes());
    hasher.finalize()
}

/// A file's identity; identical on every holder.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    pub space: SpaceId,
    pub packet: PacketId,
    pub generation: u64,
    /// The content key, sealed under the cluster key.
    pub slot: Vec<u8>,
}

impl Identity {
    pub fn encode(&self) -> [u8; IDENTITY] {
        let mut form = [0; IDENTITY];
        form[..4].copy_from_slice(&FILE_MAGIC);
        form[4] = VERSION;
        let slot_len = u16::try_from(self.slot.len()).expect("a slot is at most SLOT_MAX");
        form[6..8].copy_from_slice(&slot_len.to_be_bytes());
        form[8..24].copy_from_slice(&self.space.to_bytes());
        form[24..40].copy_from_slice(&self.packet.to_bytes());
        form[40..48].copy_from_slice(&self.generation.to_be_bytes());
        form[48..48 + self.slot.len()].copy_from_slice(&self.slot);
        close(&mut form);
        form
    }

    pub fn parse(octets: &[u8], space: SpaceId) -> Option<Self> {
        let form = octets.get(..IDENTITY)?;
        if form[..4] != FILE_MAGIC || form[4] != VERSION || !is_closed(form) {
            return None;
        }
        let mut fields = Fields(&form[6..48]);
        let slot_len = usize::from(fields.u16());
        let identity = Self {
            space: SpaceId::from_bytes(fields.take()),
            packet: PacketId::from_bytes(fields.take()),
            generation: fields.u64(),
            slot: form.get(48..48 + slot_len)?.to_vec(),
        };
        (identity.space == space && (1..=SLOT_MAX).contains(&slot_len)).then_some(identity)
    }
}

/// The highest epoch that a holder has promised for a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    pub epoch: u32,
    pub packet: PacketId,
}

impl Fence {
    pub fn encode(&self) -> [u8; FENCE] {
        let mut form = [0; FENCE];
        form[..4].copy_from_slice(&FENCE_MAGIC);
        form[4..8].copy_from_slice(&self.epoch.to_be_bytes());
        form[8..24].copy_from_slice(&self.packet.to_bytes());
        close(&mut form);
        form
    }

    pub fn parse(octets: &[u8]) -> Option<Self> {
        let form = octets.get(..FENCE)?;
        if form[..4] != FENCE_MAGIC || !is_closed(form) {
            return None;
        }
        let mut fields = Fields(&form[4..]);
        Some(Self { epoch: fields.u32(), packet: PacketId::from_bytes(fields.take()) })
    }

    /// The higher of the two fences in a file's header, and the place for the next.
    pub fn of_header(header: &[u8]) -> (Option<Self>, usize) {
        let [first, second] = FENCE_PLACES.map(|at| header.get(at..).and_then(Self::parse));
        let epoch = |fence: Option<Self>| fence.map_or(0, |fence| fence.epoch);
        if epoch(second) > epoch(first) { (second, 0) } else { (first, 1) }
    }
}

/// Where a complete file's seal frame lies, and what the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealMark {
    pub at: u64,
    pub len: u32,
    pub size: u64,
    pub digest: Digest,
}

impl SealMark {
    pub fn encode(&self) -> [u8; SEAL] {
        let mut form = [0; SEAL];
        form[..4].copy_from_slice(&SEAL_MAGIC);
        form[4..12].copy_from_slice(&self.at.to_be_bytes());
        form[12..16].copy_from_slice(&self.len.to_be_bytes());
        form[16..24].copy_from_slice(&self.size.to_be_bytes());
        form[24..56].copy_from_slice(&self.digest.0);
        close(&mut form);
        form
    }

    pub fn parse(octets: &[u8]) -> Option<Self> {
        let form = octets.get(..SEAL)?;
        if form[..4] != SEAL_MAGIC || !is_closed(form) {
            return None;
        }
        let mut fields = Fields(&form[4..]);
        let mark = Self {
            at: fields.u64(),
            len: fields.u32(),
            size: fields.u64(),
            digest: Digest(fields.take()),
        };
        (mark.at >= FILE_HEAD as u64 && mark.len as usize <= FRAME).then_some(mark)
    }
}
