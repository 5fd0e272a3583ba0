//! Opening what is on the disk: torn ends are cut, tables that are damaged are made again, and damaged
//! facts are written again from a peer's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicBool},
};

use parking_lot::Mutex;

use model::lengths::{in_form, in_memory};

use super::{Durable, Facts, Here, Segment, State, Table};
use crate::{
    Error, FACT_OCTETS_MAX, Limits,
    disk::{Disk, File},
    facts::{
        scan::{Scanned, cut, scan},
        segment::{FACTS, Name, Open},
    },
    v1,
};

impl Facts {
    /// Opens the segments of a history, or begins one. What was torn by a crash is cut.
    pub(crate) fn open(disk: Arc<dyn Disk>, limits: Limits) -> Result<Self, Error> {
        disk.make_dir(FACTS).map_err(Error::io("create", FACTS))?;
        let mut names = BTreeMap::new();
        for file in disk.list(FACTS).map_err(Error::io("list", FACTS))? {
            let strange = || Error::Strange { file: format!("{FACTS}/{file}") };
            let name = Name::parse(&file).ok_or_else(strange)?;
            if names.insert(name.first(), name).is_some() {
                return Err(strange());
            }
        }
        let state = State {
            segments: BTreeMap::new(),
            open: BTreeSet::new(),
            tables: Vec::new(),
            whole: 0,
            durable: Durable::default(),
        };
        let facts = Self {
            disk,
            limits,
            state: Mutex::new(state),
            syncing: Mutex::new(()),
            failed: AtomicBool::new(false),
        };
        let mut dropped = false;
        for name in names.into_values() {
            dropped = facts.take_in(name, dropped)?;
            if dropped {
                // It must not come back once others have its facts.
                facts.disk.sync_dir(FACTS).map_err(Error::io("sync", FACTS))?;
            }
        }
        facts.state.lock().advance();
        // What was found may be only in the memory of the operating system.
        facts.sync()?;
        Ok(facts)
    }

    /// Takes in one segment, or drops it, as its answer tells.
    ///
    /// A segment that goes on where another ends was begun once that one was full, and the next sync
    /// would have closed that one. So if that one has lost its end, this one was never synced.
    fn take_in(&self, name: Name, dropped_before: bool) -> Result<bool, Error> {
        let state = &mut *self.state.lock();
        let (first, path) = (name.first(), name.path());
        if first < state.end() {
            return Err(Error::Strange { file: path });
        }
        if let Name::Closed { next, .. } = name {
            state.segments.insert(first, Segment::Closed { next });
            return Ok(false);
        }
        let file = self.disk.open(&path).map_err(Error::io("open", &path))?;
        let octets = file.read(0, self.scan_octets()).map_err(Error::io("read", &path))?;
        if v1::is_of_another_version(&octets) {
            return Err(Error::Newer { file: path });
        }
        let mut scanned = scan(&octets, first, None);
        cut(&mut scanned);
        let end = u64::from(*scanned.offsets.last().expect("where the last frame ends"));
        let last = state.segments.last_key_value();
        let follows_torn =
            last.is_some_and(|(_, last)| matches!(last, Segment::Open(_)) && last.next() != first);
        let is_empty = scanned.offsets.len() == 1;
        if matches!(name, Name::Open { .. }) && (dropped_before || follows_torn || is_empty) {
            self.disk.remove(&path).map_err(Error::io("remove", &path))?;
            return Ok(true);
        }
        mend_head(&*file, &path, first, &octets)?;
        if file.size().map_err(Error::io("read", &path))? > end {
            file.truncate(end).map_err(Error::io("cut", &path))?;
            tracing::info!(file = path, "the end of a segment that a crash tore is cut");
        }
        for n in &scanned.bad {
            tracing::error!(file = path, position = first + *n as u64, "a fact is damaged");
        }
        state.open.insert(first);
        let open = Open::found(name, file, scanned.offsets);
        state.segments.insert(first, Segment::Open(open));
        Ok(false)
    }

    /// What a segment has at most: its limit, or one fact that is larger, and its table.
    fn scan_octets(&self) -> usize {
        let facts = self.limits.segment_octets.max(FACT_OCTETS_MAX + v1::FRAME_HEAD);
        v1::HEAD + facts + v1::TABLE_END + 4 * (self.limits.segment_facts + 1)
    }

    /// Opens a closed segment. Where its table is damaged, its frames tell where they are.
    pub(super) fn open_table(&self, name: Name, count: usize) -> Result<Table, Error> {
        let path = name.path();
        let file = self.disk.open(&path).map_err(Error::io("open", &path))?;
        let size = file.size().map_err(Error::io("read", &path))?;
        let len = (count + 1) * 4 + v1::TABLE_END;
        let at = size.saturating_sub(len as u64);
        let octets = file.read(at, len).map_err(Error::io("read", &path))?;
        let offsets = v1::read_table(&octets, count + 1);
        let is_table = |offsets: &Vec<u32>| {
            offsets.is_sorted() && offsets.last().is_some_and(|end| u64::from(*end) == at)
        };
        if let Some(offsets) = offsets.filter(is_table) {
            return Ok(Table { file, path, offsets });
        }
        let scanned = self.scan_closed(&*file, &path, name.first(), count)?;
        if scanned.bad.is_empty() {
            tracing::warn!(file = path, "the table of a segment was damaged and is made again");
            close(&*file, &path, &scanned.offsets)?;
        }
        Ok(Table { file, path, offsets: scanned.offsets })
    }

    fn scan_closed(
        &self,
        file: &dyn File,
        path: &str,
        first: u64,
        count: usize,
    ) -> Result<Scanned, Error> {
        let octets = file.read(0, self.scan_octets()).map_err(Error::io("read", path))?;
        mend_head(file, path, first, &octets)?;
        Ok(scan(&octets, first, Some(count)))
    }

    /// Writes proved facts over damaged ones, from `position` on, durably: how many of them.
    ///
    /// What lies there may be good: it is written again. Facts beyond the segment are left.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] for an earlier position that must be mended first, to tell where this one is.
    pub(crate) fn rewrite(&self, position: u64, facts: &[Vec<u8>]) -> Result<usize, Error> {
        self.check()?;
        if facts.is_empty() {
            return Ok(0);
        }
        let mut state = self.state.lock();
        if state.at(position) != Here::Yes {
            return Err(Error::Beyond { position, size: state.end() });
        }
        let (first, segment) = state.segments.range(..=position).next_back().expect("it is here");
        let (first, room) = (*first, in_memory(segment.next() - position));
        let facts = &facts[..facts.len().min(room)];
        if let Some(Segment::Open(open)) = state.segments.get_mut(&first) {
            open.flush()?;
            let path = open.name.path();
            write_over(&*open.file, &path, first, &mut open.offsets, position, facts)?;
        } else {
            let table = self.table(&mut state, first)?;
            let mut offsets = table.offsets.clone();
            write_over(&*table.file, &table.path, first, &mut offsets, position, facts)?;
            // It is read again from the file, which tells best what is still damaged.
            state.tables.retain(|(known, _)| *known != first);
        }
        Ok(facts.len())
    }
}

/// Writes the head again where it is damaged: the file's name says all that stands there.
fn mend_head(file: &dyn File, path: &str, first: u64, octets: &[u8]) -> Result<(), Error> {
    if v1::is_of_another_version(octets) {
        return Err(Error::Newer { file: path.to_owned() });
    }
    if octets.get(..v1::HEAD) == Some(&v1::head(first)) {
        return Ok(());
    }
    file.write(0, &v1::head(first)).map_err(Error::io("write", path))
}

fn is_good(
    file: &dyn File,
    path: &str,
    offsets: &[u32],
    n: usize,
    first: u64,
) -> Result<bool, Error> {
    let Some([start, end]) = offsets.get(n..n + 2) else { return Ok(false) };
    let octets = file.read(u64::from(*start), (end - start) as usize);
    let octets = octets.map_err(Error::io("read", path))?;
    Ok(v1::frame(&octets, first + n as u64).is_some())
}

/// Writes frames where the damaged ones were. A frame is as long as its fact, so they fit.
fn write_over(
    file: &dyn File,
    path: &str,
    first: u64,
    offsets: &mut [u32],
    position: u64,
    facts: &[Vec<u8>],
) -> Result<(), Error> {
    let damaged = |position| Error::Damaged { file: path.to_owned(), position };
    let from = in_memory(position - first);
    let to = from + facts.len();
    if from > 0 && !is_good(file, path, offsets, from - 1, first)? {
        return Err(damaged(position - 1));
    }
    let start = offsets[from];
    let mut octets = Vec::new();
    let mut ends = Vec::new();
    for (position, fact) in (position..).zip(facts) {
        v1::put_frame(&mut octets, position, 0, fact);
        ends.push(start + in_form(octets.len()));
    }
    let end = *ends.last().unwrap_or(&start);
    // Where the file was cut, nothing lies behind.
    if end > offsets[to] && offsets[to] > start {
        return Err(damaged(position));
    }
    file.write(u64::from(start), &octets).map_err(Error::io("write", path))?;
    file.sync().map_err(Error::io("sync", path))?;
    let next_is_good = is_good(file, path, offsets, to, first)?;
    let known = if next_is_good { facts.len() - 1 } else { facts.len() };
    offsets[from + 1..][..known].copy_from_slice(&ends[..known]);
    Ok(())
}

/// Writes the table behind the frames of a closed segment.
fn close(file: &dyn File, path: &str, offsets: &[u32]) -> Result<(), Error> {
    let (end, table) = (*offsets.last().expect("where the last frame ends"), v1::table(offsets));
    file.write(u64::from(end), &table).map_err(Error::io("write", path))?;
    file.truncate(u64::from(end) + table.len() as u64).map_err(Error::io("cut", path))?;
    file.sync().map_err(Error::io("sync", path))
}
