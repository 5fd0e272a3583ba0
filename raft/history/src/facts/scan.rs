//! Reading a segment from its beginning: where its frames are, and which are damaged.
//!
//! It is done at the start for segments that are still written to, and for a closed one whose table does
//! not tell. A frame says how many octets were durable before it was written. So a damaged frame below
//! what a later one calls durable was damaged after it had been synced; any other was torn by a crash.

use model::lengths::in_form;

use crate::v1;

/// What was found in a segment.
pub(crate) struct Scanned {
    /// Where each frame begins, and where the last one ends. A damaged frame reaches to the next good
    /// one; where several are damaged together, all but the first of them have no room.
    pub(crate) offsets: Vec<u32>,
    /// The damaged positions, counted from the segment's first.
    pub(crate) bad: Vec<usize>,
    /// Octets that some good frame calls durable.
    pub(crate) durable: u32,
}

/// Reads all frames of a segment that begins with position `first`.
///
/// With `count` it is closed and has so many facts; without, it ends where nothing good follows.
pub(crate) fn scan(octets: &[u8], first: u64, count: Option<usize>) -> Scanned {
    let mut found = Scanned { offsets: Vec::new(), bad: Vec::new(), durable: in_form(v1::HEAD) };
    let mut at = v1::HEAD;
    let is_short = |found: &Scanned| count.is_none_or(|count| found.offsets.len() < count);
    while is_short(&found) {
        let position = first + found.offsets.len() as u64;
        let rest = octets.get(at..).unwrap_or_default();
        if let Some(frame) = v1::frame(rest, position) {
            found.offsets.push(in_form(at));
            found.durable = found.durable.max(frame.durable);
            at += frame.len;
            continue;
        }
        let most = count.map_or(u64::MAX, |count| first + count as u64);
        let Some((ahead, next)) = next_good(rest, position, most) else { break };
        for n in 0..next - position {
            found.bad.push(found.offsets.len());
            found.offsets.push(in_form(if n == 0 { at } else { at + ahead }));
        }
        at += ahead;
    }
    while count.is_some_and(|count| found.offsets.len() < count) {
        found.bad.push(found.offsets.len());
        found.offsets.push(in_form(at));
    }
    found.offsets.push(in_form(at));
    found
}

/// The next good frame from a position on: how far ahead it is, and its position.
fn next_good(octets: &[u8], from: u64, below: u64) -> Option<(usize, u64)> {
    (1..octets.len()).find_map(|ahead| {
        let rest = &octets[ahead..];
        let (position, _) = v1::peek_frame(rest)?;
        // No segment has more facts than octets, so most octets are passed over without a checksum.
        let is_near = position >= from && position < below && position - from <= ahead as u64;
        (is_near && v1::frame(rest, position).is_some()).then_some((ahead, position))
    })
}

/// Cuts what a crash has torn: from the first damaged frame on that nobody calls durable.
pub(crate) fn cut(scanned: &mut Scanned) -> bool {
    let torn = scanned.bad.iter().find(|n| scanned.offsets[**n] >= scanned.durable).copied();
    if let Some(torn) = torn {
        scanned.offsets.truncate(torn + 1);
        scanned.bad.retain(|n| *n < torn);
    }
    torn.is_some()
}
