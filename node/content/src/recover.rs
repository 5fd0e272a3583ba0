//! The start: segments are scanned into the index, and what a crash tore is cut.
//!
//! Heads are read in windows; bodies are checked only in the last segment, the only one that may
//! have been written when the power went. A head that is damaged elsewhere is stepped over to the
//! next good one; what it held is fetched again from another holder.

use std::{collections::BTreeMap, io, sync::Arc};

use bytes::{Bytes, BytesMut};

use crate::{
    Error,
    disk::{File, Write},
    index::{Entry, Place},
    record::{ALIGN, RECORD_HEAD, RECORD_MAGIC, RecordHead, RecordKind},
    segments::{Segment, mark_of, segment_path},
    store::{Store, disk_error},
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
    dead: Vec<(u32, u32)>,
    /// Dead ranges that still hold octets to wipe.
    torn: Vec<(u32, u32)>,
    end: u32,
    /// The end of what is not zero.
    dirty: u32,
}

impl Window {
    /// The octets at a place; fewer only at the end of the file.
    async fn get(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let len = len.min(self.len.saturating_sub(at) as usize);
        let end = self.start + self.octets.len() as u64;
        if at < self.start || at + len as u64 > end {
            self.octets = self.file.read(at, len.max(WINDOW)).await?;
            self.start = at;
        }
        let from = (at - self.start) as usize;
        Ok(&self.octets[from.min(self.octets.len())..(from + len).min(self.octets.len())])
    }
}

async fn scan(file: Arc<dyn File>, len: u64, check_bodies: bool) -> io::Result<Scan> {
    let mut window = Window { file, len, start: 0, octets: BytesMut::new() };
    let (mut scan, mut at, mut is_torn) = (Scan::default(), 0u64, false);
    while at + (RECORD_HEAD as u64) <= len {
        let octets = window.get(at, RECORD_HEAD).await?;
        let head = RecordHead::parse(octets).filter(|head| at + u64::from(head.total) <= len);
        let Some(head) = head else {
            let (step, dirty) = step_over(window.get(at, WINDOW).await?);
            if let Some(dirty) = dirty {
                is_torn = true;
                scan.dirty = at as u32 + dirty as u32;
            }
            at += step as u64;
            continue;
        };
        if scan.end < at as u32 {
            let gap = (scan.end, at as u32 - scan.end);
            scan.dead.push(gap);
            if is_torn {
                scan.torn.push(gap);
            }
        }
        is_torn = false;
        let whole = match head.kind {
            RecordKind::Dead => false,
            RecordKind::Content if check_bodies => {
                let octets = window.get(at, head.total as usize).await?;
                let good = RecordHead::parse_whole(octets).is_some();
                if !good {
                    scan.torn.push((at as u32, head.total));
                }
                good
            }
            RecordKind::Content => true,
        };
        if whole {
            scan.records.push((at as u32, head));
        } else {
            scan.dead.push((at as u32, head.total));
        }
        at += u64::from(head.total);
        scan.end = at as u32;
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

impl Store {
    /// Reads all segments.
    pub async fn scan_segments(&self) -> Result<(), Error> {
        let files = self.disk.list("segments").await.map_err(disk_error("list its segments"))?;
        let mut found: BTreeMap<u32, u64> = BTreeMap::new();
        for (name, len) in files {
            // Segments are below 4 GiB; what has another name is none of ours and is left alone.
            if let Ok(id) = u32::from_str_radix(&name, 16)
                && name.len() == 8
            {
                found.insert(id, len.min(u64::from(u32::MAX)));
            }
        }
        let last = found.keys().next_back().copied();
        self.segments.table.lock().next = last.unwrap_or(0) + 1;
        for (id, len) in found {
            self.scan_segment(id, len, Some(id) == last)
                .await
                .map_err(disk_error("read a segment"))?;
        }
        Ok(())
    }

    async fn scan_segment(&self, id: u32, len: u64, last: bool) -> io::Result<()> {
        let file = self.disk.open(&segment_path(id)).await?;
        let scan = scan(file.clone(), len, last).await?;
        let mut writes: Vec<Write> = Vec::new();
        for (offset, len) in &scan.torn {
            tracing::warn!(
                segment = id,
                offset,
                len,
                "a torn or damaged record is dropped; it heals from another holder"
            );
            writes.extend(wipe_range(*offset, *len, *len));
        }
        if scan.dirty > scan.end {
            let bytes = vec![0; (scan.dirty - scan.end) as usize].into();
            writes.push(Write { offset: u64::from(scan.end), bytes });
        }
        if last || !writes.is_empty() {
            // What a process wrote before it died may still be in memory only: from here on it counts.
            file.write(writes, true).await?;
            file.truncate(u64::from(scan.end)).await?;
            file.sync_data().await?;
        }
        let mut segment = Segment { file, live: 0, end: scan.end, dead: BTreeMap::new() };
        for (offset, len) in scan.dead {
            merge(&mut segment.dead, offset, len);
        }
        let mut older = Vec::new();
        {
            let mut index = self.index.lock();
            for (offset, head) in scan.records {
                let place =
                    Place::Small { segment: id, offset, total: head.total, mark: mark_of(&head) };
                segment.live += 1;
                older.extend(index.insert(head.space, Entry { packet: head.packet, place }));
            }
        }
        self.segments.table.lock().all.insert(id, segment);
        for entry in older {
            self.retire(entry.place).await.map_err(io::Error::other)?;
        }
        if self.segments.table.lock().all.get(&id).is_some_and(|segment| segment.live == 0) {
            self.drop_segment(id).await?;
        }
        Ok(())
    }
}

/// The writes that make a range dead: a head that says so, and zeros over its first octets.
pub(crate) fn wipe_range(offset: u32, len: u32, zeros: u32) -> Vec<Write> {
    let mut octets = RecordHead::dead(len).encode().to_vec();
    octets.resize((zeros.min(len) as usize).max(RECORD_HEAD), 0);
    // A range shorter than a head (padding before a good record) takes zeros only.
    if (len as usize) < RECORD_HEAD {
        octets = vec![0; len as usize];
    }
    vec![Write { offset: u64::from(offset), bytes: Bytes::from(octets) }]
}

/// Adds a dead range and joins it with its neighbours; the answer is the joined range.
pub(crate) fn merge(dead: &mut BTreeMap<u32, u32>, mut offset: u32, mut len: u32) -> (u32, u32) {
    if let Some((before, before_len)) =
        dead.range(..offset).next_back().map(|(at, len)| (*at, *len))
        && before + before_len >= offset
    {
        len = (offset + len).max(before + before_len) - before;
        offset = before;
    }
    while let Some((after, after_len)) =
        dead.range(offset + 1..=offset + len).next().map(|(at, len)| (*at, *len))
    {
        dead.remove(&after);
        len = len.max(after + after_len - offset);
    }
    dead.insert(offset, len);
    (offset, len)
}
