//! The facts themselves, in segments. What is here, what is missing, and what is durable.
//!
//! One lock guards where the facts are; no sync is done under it. A gap is nothing but the space
//! between two segments, so no file says that there is one.

pub(crate) mod open;
pub(crate) mod scan;
pub(crate) mod segment;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, Range},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;

use model::lengths::{in_form, in_memory};

use crate::{
    Error, FACT_OCTETS_MAX, Limits,
    disk::{Disk, File},
    facts::segment::{FACTS, Name, Open},
    v1,
};

/// Tables of closed segments in memory, with their open files. Each has at most 64 KiB.
const TABLES: usize = 16;

/// Octets that one read takes at most, so that nobody's range takes all memory. A fact always fits.
pub(crate) const READ_OCTETS_MAX: usize = 2 << 20;

/// All segments.
pub(crate) struct Facts {
    disk: Arc<dyn Disk>,
    limits: Limits,
    state: Mutex<State>,
    /// Held by whoever syncs, so that one sync serves all who wait for it.
    syncing: Mutex<()>,
    failed: AtomicBool,
}

struct State {
    /// By the first position.
    segments: BTreeMap<u64, Segment>,
    /// The first positions of those that are open.
    open: BTreeSet<u64>,
    /// The closed ones that were read last, the newest at the end.
    tables: Vec<(u64, Arc<Table>)>,
    /// All positions below are here.
    whole: u64,
    durable: Durable,
}

enum Segment {
    Open(Open),
    Closed { next: u64 },
}

/// Where the frames of a closed segment are.
struct Table {
    file: Arc<dyn File>,
    path: String,
    offsets: Vec<u32>,
}

/// What a sync has made durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Durable {
    /// Where the facts ended.
    pub(crate) end: u64,
    /// Below that all of them were here.
    pub(crate) whole: u64,
}

/// Whether a position has its fact.
#[derive(PartialEq, Eq)]
enum Here {
    Yes,
    /// In a gap that ends here.
    No {
        until: u64,
    },
    /// Where the facts end, or beyond.
    Beyond,
}

/// A segment that a sync makes durable.
struct Work {
    name: Name,
    file: Arc<dyn File>,
    octets: usize,
    /// Its name from now on, if it is full.
    closed: Option<Name>,
    /// The directory has to be synced too.
    is_named: bool,
}

/// Octets to be read: facts that follow one another in a file.
struct Place {
    file: Arc<dyn File>,
    path: String,
    offsets: Vec<u32>,
}

impl Segment {
    fn next(&self) -> u64 {
        match self {
            Self::Open(open) => open.next(),
            Self::Closed { next } => *next,
        }
    }
}

impl State {
    fn end(&self) -> u64 {
        self.segments.last_key_value().map_or(0, |(_, last)| last.next())
    }

    fn at(&self, position: u64) -> Here {
        if self.segments.range(..=position).next_back().is_some_and(|(_, s)| s.next() > position) {
            return Here::Yes;
        }
        // An island that was just begun here is empty: what is behind it tells.
        match self.segments.range(position..).find(|(_, segment)| segment.next() > position) {
            Some((first, _)) => Here::No { until: *first },
            None => Here::Beyond,
        }
    }

    /// Looks again how far everything is here.
    fn advance(&mut self) {
        while let Some((_, segment)) = self.segments.range(..=self.whole).next_back()
            && segment.next() > self.whole
        {
            self.whole = segment.next();
        }
    }

    /// The open segment that ends at a position and has room for so many octets more.
    fn extensible(&mut self, position: u64, octets: usize, limits: Limits) -> Option<u64> {
        let (first, segment) = self.segments.range_mut(..=position).next_back()?;
        let Segment::Open(open) = segment else { return None };
        if open.next() != position || open.is_full {
            return None;
        }
        let is_full = open.count() >= limits.segment_facts
            || (open.count() > 0 && open.octets() + octets > limits.segment_octets);
        open.is_full = is_full;
        (!is_full).then_some(*first)
    }
}

impl Facts {
    /// Where the facts end: the position of the next new one.
    pub(crate) fn end(&self) -> u64 {
        self.state.lock().end()
    }

    /// All positions below are here.
    pub(crate) fn whole(&self) -> u64 {
        self.state.lock().whole
    }

    /// What is durable.
    pub(crate) fn durable(&self) -> Durable {
        self.state.lock().durable
    }

    /// The first positions that are missing.
    pub(crate) fn missing(&self) -> Option<Range<u64>> {
        let state = self.state.lock();
        let whole = state.whole;
        let mut behind = state.segments.range((Bound::Excluded(whole), Bound::Unbounded));
        behind.next().map(|(first, _)| whole..*first)
    }

    fn check(&self) -> Result<(), Error> {
        if self.failed.load(Ordering::Acquire) { Err(Error::Failed) } else { Ok(()) }
    }

    /// Writes a fact. One that is here already must be the same.
    pub(crate) fn write(&self, position: u64, fact: &[u8]) -> Result<(), Error> {
        self.check()?;
        if fact.len() > FACT_OCTETS_MAX {
            return Err(Error::TooLarge { position, octets: fact.len() });
        }
        let mut state = self.state.lock();
        match state.at(position) {
            Here::Yes => {
                drop(state);
                return self.compare(position, fact);
            }
            Here::Beyond if position > state.end() => {
                return Err(Error::Behind { have: state.end(), want: position });
            }
            Here::Beyond | Here::No { .. } => {}
        }
        let octets = v1::FRAME_HEAD + fact.len();
        let first = match state.extensible(position, octets, self.limits) {
            Some(first) => first,
            None => self.begin(&mut state, position)?,
        };
        let Some(Segment::Open(open)) = state.segments.get_mut(&first) else {
            unreachable!("the segment at {first} was found open, or was begun, under this lock")
        };
        open.push(fact);
        let next = open.next();
        // Where the gap ends nothing more comes into this segment.
        let is_joined = state.segments.contains_key(&next);
        state.advance();
        let Some(Segment::Open(open)) = state.segments.get_mut(&first) else { return Ok(()) };
        open.is_full |= is_joined;
        // The fact is added whatever becomes of this: the next sync hands it on again, and says so if it
        // cannot. A disk that is full for a moment stops nobody who only adds.
        if let Err(error) = open.flush_if_large() {
            tracing::debug!(%error, "facts wait in memory");
        }
        Ok(())
    }

    /// Checks that this fact is the one that is recorded. If that one is damaged, this one mends it.
    fn compare(&self, position: u64, fact: &[u8]) -> Result<(), Error> {
        match self.read(position..position + 1) {
            Ok(found) if found.first().is_some_and(|found| found == fact) => Ok(()),
            Ok(_) => Err(Error::Differs { position }),
            Err(Error::Damaged { .. }) => self.rewrite(position, &[fact.to_vec()]).map(|_| ()),
            Err(error) => Err(error),
        }
    }

    fn begin(&self, state: &mut State, first: u64) -> Result<u64, Error> {
        let before = state.segments.range(..first).next_back();
        let continues = first == 0 || before.is_some_and(|(_, segment)| segment.next() == first);
        let name = if continues { Name::Open { first } } else { Name::Island { first } };
        let path = name.path();
        let file = self.disk.create(&path).map_err(Error::io("create", &path))?;
        state.segments.insert(first, Segment::Open(Open::new(name, file)));
        state.open.insert(first);
        Ok(first)
    }

    /// Notes that the facts before `want` are missing: the next one goes there.
    pub(crate) fn begin_gap(&self, want: u64) -> Result<(), Error> {
        self.check()?;
        let mut state = self.state.lock();
        if want > state.end() {
            self.begin(&mut state, want)?;
        }
        Ok(())
    }

    /// Makes durable all that was written before the call.
    pub(crate) fn sync(&self) -> Result<Durable, Error> {
        let _one = self.syncing.lock();
        self.check()?;
        let (work, durable) = self.flush()?;
        // A failed write may be tried again. After a failed sync nobody knows what the disk has.
        let synced = self.sync_files(&work);
        if synced.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        synced?;
        let mut state = self.state.lock();
        for Work { name, octets, closed, .. } in work {
            let first = name.first();
            if let Some(Name::Closed { next, .. }) = closed {
                state.segments.insert(first, Segment::Closed { next });
                state.open.remove(&first);
            } else if let Some(Segment::Open(open)) = state.segments.get_mut(&first) {
                open.durable = in_form(octets);
                open.is_new = false;
            }
        }
        state.durable = durable;
        Ok(durable)
    }

    /// Hands all that was added to the operating system: what is to be synced then, and what that makes
    /// durable.
    fn flush(&self) -> Result<(Vec<Work>, Durable), Error> {
        let mut work = Vec::new();
        let mut state = self.state.lock();
        let durable = Durable { end: state.end(), whole: state.whole };
        let firsts: Vec<u64> = state.open.iter().copied().collect();
        for first in firsts {
            let Some(Segment::Open(open)) = state.segments.get_mut(&first) else { continue };
            if open.is_durable() {
                continue;
            }
            open.flush()?;
            let (name, file, octets) = (open.name, open.file.clone(), open.octets());
            let mut closed = None;
            if open.is_full {
                let table = v1::table(&open.offsets);
                let path = name.path();
                file.write(octets as u64, &table).map_err(Error::io("write", &path))?;
                closed = Some(Name::Closed { first, next: open.next() });
            }
            let is_named = open.is_new || closed.is_some();
            work.push(Work { name, file, octets, closed, is_named });
        }
        Ok((work, durable))
    }

    fn sync_files(&self, work: &[Work]) -> Result<(), Error> {
        for Work { name, file, closed, .. } in work {
            file.sync().map_err(Error::io("sync", &name.path()))?;
            if let Some(closed) = closed {
                let renamed = self.disk.rename(&name.path(), &closed.path());
                renamed.map_err(Error::io("rename", &name.path()))?;
            }
        }
        if work.iter().any(|work| work.is_named) {
            self.disk.sync_dir(FACTS).map_err(Error::io("sync", FACTS))?;
        }
        Ok(())
    }

    /// Facts from the beginning of a range: at least one, and as many as [`READ_OCTETS_MAX`] allows
    /// and as lie together.
    pub(crate) fn read(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Error> {
        self.read_some(range, READ_OCTETS_MAX)
    }

    /// The same, with so many octets at most.
    pub(crate) fn read_some(
        &self,
        range: Range<u64>,
        most_octets: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let place = self.place(&range, most_octets)?;
        let start = place.offsets[0];
        let len = (place.offsets[place.offsets.len() - 1] - start) as usize;
        let read = place.file.read(u64::from(start), len);
        let octets = read.map_err(Error::io("read", &place.path))?;
        let mut facts = Vec::new();
        for (position, ends) in (range.start..).zip(place.offsets.windows(2)) {
            let within = (ends[0] - start) as usize..(ends[1] - start) as usize;
            match octets.get(within).and_then(|frame| v1::frame(frame, position)) {
                Some(frame) => facts.push(frame.fact.to_vec()),
                // What is good before it is worth something; the next read tells of the damage.
                None if !facts.is_empty() => break,
                None => return Err(Error::Damaged { file: place.path, position }),
            }
        }
        Ok(facts)
    }

    /// Where the facts of a range are, as far as they lie in one segment.
    fn place(&self, range: &Range<u64>, most_octets: usize) -> Result<Place, Error> {
        let mut state = self.state.lock();
        let position = range.start;
        match state.at(position) {
            Here::Yes => {}
            Here::No { until } => return Err(Error::Missing { from: position, to: until }),
            Here::Beyond => return Err(Error::Beyond { position, size: state.end() }),
        }
        let (first, _) = state.segments.range(..=position).next_back().expect("it is here");
        let first = *first;
        let from = in_memory(position - first);
        let part = |offsets: &[u32]| {
            let to =
                offsets.len().min(from + 1 + usize::try_from(range.end - position).unwrap_or(0));
            let start = offsets[from] as usize;
            let fits = |offset: &u32| *offset as usize - start <= most_octets;
            let fitting = 1 + offsets[from + 1..to.max(from + 2)].partition_point(fits);
            offsets[from..from + fitting.max(2)].to_vec()
        };
        if let Some(Segment::Open(open)) = state.segments.get_mut(&first) {
            open.flush()?;
            let (file, path) = (open.file.clone(), open.name.path());
            return Ok(Place { file, path, offsets: part(&open.offsets) });
        }
        let table = self.table(&mut state, first)?;
        let offsets = part(&table.offsets);
        Ok(Place { file: table.file.clone(), path: table.path.clone(), offsets })
    }

    /// The table of a closed segment, from memory or from its file.
    fn table(&self, state: &mut State, first: u64) -> Result<Arc<Table>, Error> {
        if let Some(n) = state.tables.iter().position(|(known, _)| *known == first) {
            let known = state.tables.remove(n);
            state.tables.push(known);
        } else {
            let next = state.segments.get(&first).map_or(first, Segment::next);
            let table = self.open_table(Name::Closed { first, next }, in_memory(next - first))?;
            if state.tables.len() == TABLES {
                state.tables.remove(0);
            }
            state.tables.push((first, Arc::new(table)));
        }
        Ok(state.tables[state.tables.len() - 1].1.clone())
    }
}
