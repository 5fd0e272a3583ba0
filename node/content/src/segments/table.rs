//! The table of segments: their files, what lives in each, and which ranges are dead.
//!
//! A place in a segment takes one record in its life, and a segment's number is not used twice
//! while the node runs, so an old location cannot mean a new content. A start that finds no
//! segment left counts from the beginning; by then no location from before is remembered.

use std::{collections::BTreeMap, io, sync::Arc};

use model::lengths::in_form;
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::{
    Error,
    disk::{File, SHORT_PAUSE, Write, is_short},
    index::RecordAt,
    record::{RECORD_HEAD, RecordHead},
    segments::{
        dead::{Dead, DeadRanges},
        wipe::wipes_of,
    },
    volume::Volume,
};

/// The block of every usual file system: only whole ones can be given back.
const BLOCK: u32 = 4096;

/// One segment.
pub(crate) struct Segment {
    pub file: Arc<dyn File>,
    /// Records that live in it.
    pub live: u32,
    /// Where the next record goes.
    pub end: u32,
    pub dead: DeadRanges,
}

/// All segments of a store.
pub(crate) struct Table {
    volume: Arc<Volume>,
    segment_bytes: u32,
    state: Mutex<State>,
}

struct State {
    all: BTreeMap<u32, Segment>,
    /// The one that takes records.
    active: Option<u32>,
    next: u32,
}

/// The active segment.
pub(crate) struct Active {
    pub segment: u32,
    pub file: Arc<dyn File>,
}

/// A place that is taken for a record.
pub(crate) struct Taken {
    pub segment: u32,
    pub offset: u32,
}

pub(crate) fn segment_path(id: u32) -> String {
    format!("segments/{id:08x}")
}

impl Table {
    /// An empty table; a segment takes at least `segment_bytes`.
    pub fn new(volume: Arc<Volume>, segment_bytes: u32) -> Self {
        let state = State { all: BTreeMap::new(), active: None, next: 1 };
        Self { volume, segment_bytes, state: Mutex::new(state) }
    }

    pub fn file(&self, segment: u32) -> Option<Arc<dyn File>> {
        self.state.lock().all.get(&segment).map(|segment| segment.file.clone())
    }

    pub fn active(&self) -> Option<Active> {
        let state = self.state.lock();
        let segment = state.active?;
        Some(Active { segment, file: state.all.get(&segment)?.file.clone() })
    }

    pub fn is_active(&self, segment: u32) -> bool {
        self.state.lock().active == Some(segment)
    }

    /// Enters a segment that a start has found.
    pub fn restore(&self, id: u32, segment: Segment) {
        let mut state = self.state.lock();
        state.next = state.next.max(id + 1);
        state.all.insert(id, segment);
    }

    /// Takes a place in the active segment; none if it lacks the room.
    pub fn take_place(&self, total: u32) -> Option<Taken> {
        let mut state = self.state.lock();
        let segment = state.active?;
        let active = state.all.get_mut(&segment)?;
        let offset = active.end;
        active.end = offset.checked_add(total).filter(|end| *end <= self.segment_bytes)?;
        Some(Taken { segment, offset })
    }

    /// Counts records that are durable. Before they enter the index: whatever is found there may
    /// be purged, and the segment must not go with its last record while another one is entering.
    pub fn count_live(&self, segment: u32, records: usize) {
        if let Some(segment) = self.state.lock().all.get_mut(&segment) {
            segment.live += in_form(records);
        }
    }

    /// Closes the active segment and begins a new one.
    pub async fn roll(&self) -> io::Result<()> {
        let (id, old) = {
            let mut state = self.state.lock();
            state.next += 1;
            (state.next - 1, state.active.take())
        };
        if let Some(old) = old {
            self.close(old).await?;
        }
        let path = segment_path(id);
        let disk = self.volume.disk();
        let file = disk.create(&path).await?;
        let made = async {
            file.allocate(u64::from(self.segment_bytes)).await?;
            file.sync_data().await?;
            disk.sync_dir("segments").await
        };
        if let Err(error) = made.await {
            if let Err(left) = disk.remove(&path).await {
                tracing::warn!(error = %left, path, "an empty segment is left until the next start");
            }
            return Err(error);
        }
        let segment = Segment { file, live: 0, end: 0, dead: DeadRanges::default() };
        let mut state = self.state.lock();
        state.all.insert(id, segment);
        state.active = Some(id);
        Ok(())
    }

    /// Gives back what a segment reserved and did not use, or all of it when nothing lives there.
    async fn close(&self, id: u32) -> io::Result<()> {
        let (file, end, live) = {
            let state = self.state.lock();
            let Some(segment) = state.all.get(&id) else { return Ok(()) };
            (segment.file.clone(), segment.end, segment.live)
        };
        if live == 0 { self.remove(id).await } else { file.truncate(u64::from(end)).await }
    }

    /// Closes a segment whose tail could not be written: what stands behind `end` is cut.
    pub async fn cut(&self, segment: u32, end: u32) -> io::Result<()> {
        let file = {
            let mut state = self.state.lock();
            state.active = None;
            let Some(segment) = state.all.get_mut(&segment) else { return Ok(()) };
            segment.end = end;
            segment.file.clone()
        };
        file.truncate(u64::from(end)).await?;
        file.sync_data().await
    }

    /// Removes a segment if nothing lives in it; the active one stays.
    pub async fn remove_if_empty(&self, id: u32) -> io::Result<()> {
        let is_empty = {
            let state = self.state.lock();
            state.active != Some(id) && state.all.get(&id).is_some_and(|segment| segment.live == 0)
        };
        if is_empty { self.remove(id).await } else { Ok(()) }
    }

    async fn remove(&self, id: u32) -> io::Result<()> {
        if self.state.lock().all.remove(&id).is_none() {
            return Ok(());
        }
        self.volume.disk().remove(&segment_path(id)).await?;
        // Nobody comes again for what it held: wait for the next descriptor.
        while let Err(error) = self.volume.disk().sync_dir("segments").await {
            if !is_short(&error) {
                return Err(error);
            }
            sleep(SHORT_PAUSE).await;
        }
        Ok(())
    }

    /// Overwrites octets of a segment, durably. A segment that is gone has none.
    pub async fn overwrite(&self, segment: u32, writes: Vec<Write>) -> Result<(), Error> {
        let Some(file) = self.file(segment) else { return Ok(()) };
        self.volume.alive()?;
        let written = self.volume.timed(file.write(writes, true)).await;
        written.map_err(|source| self.volume.fail("wipe a segment", source))
    }

    /// Overwrites records that no index names any more, durably, and frees what they took.
    pub async fn destroy(&self, segment: u32, records: &[RecordAt]) -> Result<(), Error> {
        self.overwrite(segment, wipes_of(records)).await?;
        self.free(segment, records).await
    }

    /// Counts records as dead, whose keys are overwritten durably, and gives back what is dead for
    /// good. Not earlier: a block that is freed before it is overwritten keeps its key.
    pub async fn free(&self, segment: u32, records: &[RecordAt]) -> Result<(), Error> {
        let (file, is_empty, ranges) = {
            let mut state = self.state.lock();
            let is_active = state.active == Some(segment);
            let Some(found) = state.all.get_mut(&segment) else { return Ok(()) };
            found.live = found.live.saturating_sub(in_form(records.len()));
            let ranges = found.dead.add_records(records);
            (found.file.clone(), found.live == 0 && !is_active, ranges)
        };
        if is_empty {
            let removed = self.remove(segment).await;
            return removed.map_err(|source| self.volume.fail("remove a segment", source));
        }
        for Dead { offset, len } in ranges {
            let from = (offset + in_form(RECORD_HEAD)).next_multiple_of(BLOCK);
            let to = (offset + len) / BLOCK * BLOCK;
            if to <= from {
                continue;
            }
            // One head for the whole range first: those inside go with the hole.
            let bytes = RecordHead::dead(len).encode().to_vec().into();
            self.overwrite(segment, vec![Write { offset: u64::from(offset), bytes }]).await?;
            // Room that does not come back now comes back with the segment.
            if let Err(error) = file.punch_hole(u64::from(from), u64::from(to - from)).await {
                tracing::warn!(segment, %error, "a hole could not be punched");
            }
        }
        Ok(())
    }
}
