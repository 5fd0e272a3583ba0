//! Frames of a copy, read through its runs: every one is checked by its seal before it is given out.

use std::ops::Range;

use bytes::BytesMut;

use model::lengths::in_memory;

use crate::{
    Error,
    layout::FrameCursor,
    record::{FRAME, FRAME_HEAD, FrameHead, FrameKind, frame_total},
    seal::Cipher,
    source::Source,
};

/// Octets of one read: four full frames, below the largest message.
pub(crate) const PIECE: usize = 4 * frame_total(FRAME);
/// Octets that are read for a head and perhaps more heads behind it: a block of the disk.
const WALK_MIN: usize = 4096;

// A full frame and its overhead must fit into one piece, or reading would stand still.
const _: () = assert!(PIECE >= frame_total(FRAME));

/// Whether a frame is the one that the cursor stands at. Its seal says whether the head is true.
fn follows(cursor: &FrameCursor, head: &FrameHead) -> bool {
    let len = if cursor.len == 0 { head.len } else { cursor.len };
    let FrameCursor { epoch, sequence, offset, .. } = *cursor;
    let expected = FrameHead { kind: FrameKind::Data, epoch, sequence, offset, len, ..*head };
    *head == expected && len > 0 && offset + u64::from(len) <= cursor.end
}

/// Moves a cursor in a mixed run along the heads of its frames, to the first one that `stops` or to
/// the end of the run. Where frames are small, one read has the heads of many; where they are large,
/// little more than the heads is read.
pub(crate) async fn walk(
    source: &Source,
    cursor: &mut FrameCursor,
    stops: impl Fn(&FrameHead) -> bool,
) -> Result<(), Error> {
    let space = source.space;
    let (mut octets, mut asked) = (BytesMut::new(), WALK_MIN);
    while cursor.offset < cursor.end {
        if octets.len() < FRAME_HEAD {
            octets = source.read(cursor.at, asked).await?;
        }
        let head = FrameHead::parse(&octets, space).filter(|head| follows(cursor, head));
        let head = head.ok_or(Error::Forged { space, sequence: cursor.sequence })?;
        if stops(&head) {
            break;
        }
        cursor.pass(&head);
        if head.total() + FRAME_HEAD <= octets.len() {
            drop(octets.split_to(head.total()));
        } else {
            // Many small frames used up what was read, so the next read is larger; or one large
            // frame did, and only the head behind it is wanted.
            asked = if head.total() < asked { (asked * 2).min(PIECE) } else { WALK_MIN };
            octets.clear();
        }
    }
    Ok(())
}

/// Reads [`PIECE`] octets of a run at most, and opens the frames that have octets of the range; the
/// cursor moves behind what was read. Frames before a bad one are given out.
pub(crate) async fn open_frames(
    source: &Source,
    cipher: &Cipher,
    cursor: &mut FrameCursor,
    range: Range<u64>,
    mut opened: impl FnMut(u64, BytesMut),
) -> Result<(), Error> {
    let space = source.space;
    let end = cursor.end.min(range.end);
    if cursor.len == 0 {
        let has_some = |head: &FrameHead| head.offset + u64::from(head.len) > range.start;
        walk(source, cursor, has_some).await?;
    }
    let mut octets = source.read(cursor.at, octets_of(cursor, end)).await?;
    let before = cursor.offset;
    while cursor.offset < end {
        let forged = Error::Forged { space, sequence: cursor.sequence };
        let Some(head) = FrameHead::parse(&octets, space) else { break };
        if head.total() > octets.len() {
            break;
        }
        if !follows(cursor, &head) {
            return Err(forged);
        }
        let (_, plaintext) = cipher.open(octets.split_to(head.total())).ok_or(forged)?;
        opened(cursor.offset, plaintext);
        cursor.pass(&head);
    }
    if cursor.offset == before {
        return Err(Error::Forged { space, sequence: cursor.sequence });
    }
    Ok(())
}

/// Octets to read for the frames from the cursor to a plaintext offset, whole frames where their
/// length is known.
fn octets_of(cursor: &FrameCursor, end: u64) -> usize {
    let FrameCursor { len, offset, .. } = *cursor;
    if len == 0 {
        // Frames of any lengths: no more than if each had a single octet.
        let octets = (cursor.end - offset).saturating_mul(frame_total(1) as u64);
        return in_memory(octets.min(PIECE as u64));
    }
    let total = frame_total(len as usize);
    let frames = in_memory((end - offset).div_ceil(u64::from(len)));
    frames.min(PIECE / total) * total
}
