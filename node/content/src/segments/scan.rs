//! The start: scans the segments into the index, and cuts what a crash tore.
//!
//! Heads are read in windows; bodies are checked only in the last segment, the only one that may
//! have been written when the power went. A head that is damaged elsewhere is stepped over to the
//! next good one; the lost record is fetched again from another holder.

use std::{collections::BTreeMap, io, sync::Arc};

use bytes::BytesMut;
use model::{
    SpaceId,
    lengths::{in_form, in_memory},
};

use crate::{
    Error,
    disk::{File, Write},
    index::{Entered, Index, Located, Location, RecordAt},
    record::{ALIGN, RECORD_HEAD, RECORD_MAGIC, RecordHead, RecordKind},
    segments::{
        dead::{Dead, DeadRanges},
        table::{Segment, Table, segment_path},
        wipe::wipe_range,
    },
    volume::Volume,
};

/// Octets read at once while scanning.
const WINDOW: usize = 1 << 20;

/// A part of a file in memory.
struct Window {
    file: Arc<dyn File>,
    len: u64,
    start: u64,
    octets: BytesMut,
}

#[derive(Default)]
struct Scan {
    records: Vec<(u32, RecordHead)>,
    /// Ranges that hold no good record.
    dead: Vec<Dead>,
    /// Dead ranges that still hold octets to wipe.
    torn: Vec<Dead>,
    end: u32,
    /// The end of what is not zero.
    dirty: u32,
}

impl Window {
    /// The octets at a place; fewer only at the end of the file.
    async fn get(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let len = len.min(in_memory(self.len.saturating_sub(at)));
        let end = self.start + self.octets.len() as u64;
        if at < self.start || at + len as u64 > end {
            self.octets = self.file.read(at, len.max(WINDOW)).await?;
            self.start = at;
        }
        let from = in_memory(at - self.start);
        Ok(&self.octets[from.min(self.octets.len())..(from + len).min(self.octets.len())])
    }
}

async fn scan(file: Arc<dyn File>, len: u64, check_bodies: bool) -> io::Result<Scan> {
    let mut window = Window { file, len, start: 0, octets: BytesMut::new() };
    let (mut scan, mut at, mut is_torn) = (Scan::default(), 0u64, false);
    while at + (RECORD_HEAD as u64) <= len {
        let offset = in_form(at);
        let octets = window.get(at, RECORD_HEAD).await?;
        let head = RecordHead::parse(octets).filter(|head| at + u64::from(head.total) <= len);
        let Some(head) = head else {
            let (step, dirty) = step_over(window.get(at, WINDOW).await?);
            if let Some(dirty) = dirty {
                is_torn = true;
                scan.dirty = offset.saturating_add(in_form(dirty));
            }
            at += step as u64;
            continue;
        };
        if scan.end < offset {
            let gap = Dead { offset: scan.end, len: offset - scan.end };
            scan.dead.push(gap);
            if is_torn {
                scan.torn.push(gap);
            }
        }
        is_torn = false;
        let record = Dead { offset, len: head.total };
        let whole = match head.kind {
            RecordKind::Dead => false,
            RecordKind::Content if check_bodies => {
                let octets = window.get(at, head.total as usize).await?;
                let good = RecordHead::parse_whole(octets).is_some();
                if !good {
                    scan.torn.push(record);
                }
                good
            }
            RecordKind::Content => true,
        };
        if whole {
            scan.records.push((offset, head));
        } else {
            scan.dead.push(record);
        }
        at += u64::from(head.total);
        scan.end = in_form(at);
        scan.dirty = scan.dirty.max(scan.end);
    }
    Ok(scan)
}

/// From a place without a good head: octets to where the next may begin, and the end of what is
/// not zero among them.
fn step_over(octets: &[u8]) -> (usize, Option<usize>) {
    let places = octets.len().div_ceil(ALIGN).max(1);
    let begins = |place: &usize| octets[place * ALIGN..].starts_with(&RECORD_MAGIC);
    let next = (1..places).find(begins).unwrap_or(places);
    let passed = &octets[..octets.len().min(next * ALIGN)];
    let is_dirty = |piece: &[u8]| piece != &[0; ALIGN][..piece.len()];
    let dirty = passed.chunks(ALIGN).rposition(is_dirty);
    (next * ALIGN, dirty.map(|place| (place + 1) * ALIGN))
}

/// Reads all segments into the table and the index.
pub(crate) async fn read_all(volume: &Volume, table: &Table, index: &Index) -> Result<(), Error> {
    let files = volume.disk().list("segments").await.map_err(Error::disk("list its segments"))?;
    let mut found: BTreeMap<u32, u64> = BTreeMap::new();
    for (name, len) in files {
        // Segments are below 4 GiB. A file of another name is not ours and is left alone.
        if let Ok(id) = u32::from_str_radix(&name, 16)
            && name.len() == 8
        {
            found.insert(id, len.min(u64::from(u32::MAX)));
        }
    }
    let last = found.keys().next_back().copied();
    for (id, len) in found {
        let scanned = scan_segment(volume, id, len, Some(id) == last).await;
        let (segment, records) = scanned.map_err(Error::disk("read a segment"))?;
        table.restore(id, segment);
        let mut older = Vec::new();
        index.enter(records.into_iter(), |entered| {
            // Nothing is purged yet.
            if let Entered::Replaced(before) = entered {
                older.push(before);
            }
        });
        for record in older {
            table.destroy(record.segment, &[record]).await?;
        }
        table.remove_if_empty(id).await.map_err(Error::disk("read a segment"))?;
    }
    Ok(())
}

/// What a segment holds, as the index keeps it.
type Found = Vec<(SpaceId, Located)>;

async fn scan_segment(
    volume: &Volume,
    id: u32,
    len: u64,
    is_last: bool,
) -> io::Result<(Segment, Found)> {
    let file = volume.disk().open(&segment_path(id)).await?;
    let scan = scan(file.clone(), len, is_last).await?;
    let mut writes: Vec<Write> = Vec::new();
    for Dead { offset, len } in &scan.torn {
        tracing::warn!(
            segment = id,
            offset,
            len,
            "a torn or damaged record is dropped; it heals from another holder"
        );
        writes.push(wipe_range(*offset, *len, *len));
    }
    if scan.dirty > scan.end {
        let bytes = vec![0; (scan.dirty - scan.end) as usize].into();
        writes.push(Write { offset: u64::from(scan.end), bytes });
    }
    if is_last || !writes.is_empty() {
        // What a process wrote before it died may still be in memory only: from here on it counts.
        file.write(writes, true).await?;
        file.truncate(u64::from(scan.end)).await?;
        file.sync_data().await?;
    }
    let live = in_form(scan.records.len());
    let mut segment = Segment { file, live, end: scan.end, dead: DeadRanges::default() };
    for dead in scan.dead {
        segment.dead.add(dead);
    }
    let located = |(offset, head): (u32, RecordHead)| {
        let at = RecordAt { segment: id, offset, total: head.total, mark: head.mark() };
        (head.space, Located { packet: head.packet, location: Location::Record(at) })
    };
    Ok((segment, scan.records.into_iter().map(located).collect()))
}
