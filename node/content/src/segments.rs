//! Segments: small contents in preallocated append-only files, made durable in groups.
//!
//! One task drains the queue, writes what it found in one go and syncs once for all of it. A
//! place in a segment is never used twice, nor is a segment's number while the node runs, so an old
//! offset cannot mean a new content. A start that finds no segment left counts from the beginning;
//! by then nobody remembers a place from before.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use model::SpaceId;
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};

use crate::{
    Error,
    disk::{File, Write},
    index::{Entry, Place},
    purge::wipes_of,
    record::RecordHead,
    store::{Store, is_full},
};

/// Octets that may wait for the disk: a second of a slow disk, and a bound on memory.
const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Jobs that may wait for the disk.
const QUEUE_JOBS_MAX: usize = 4096;
/// Octets of one group commit: more would only make the first of the group wait.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// What was tried where a new segment could not be made.
const BEGIN: &str = "begin a segment";

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// Durable.
    Durable = 0,
    /// The space holds another content.
    Exists = 1,
    /// The space was purged here.
    Purged = 2,
    /// No room.
    Full = 3,
    /// The store has failed, or the record is damaged.
    Failed = 4,
    /// No descriptor for a new segment.
    Short = 5,
}

impl Status {
    pub fn from_u8(status: u8) -> Self {
        let all =
            [Self::Durable, Self::Exists, Self::Purged, Self::Full, Self::Failed, Self::Short];
        all.get(usize::from(status)).copied().unwrap_or(Self::Failed)
    }

    pub fn into_result(self, space: SpaceId) -> Result<(), Error> {
        match self {
            Self::Durable => Ok(()),
            Self::Exists => Err(Error::Exists { space }),
            Self::Purged => Err(Error::Purged { space }),
            Self::Full => Err(Error::Full),
            Self::Failed => Err(Error::Failed),
            Self::Short => Err(Error::Short { what: BEGIN }),
        }
    }
}

/// Who hears what became of the records of a job.
pub(crate) type Answer = Box<dyn FnOnce(Vec<Status>) + Send>;

/// Work for the group commit.
pub(crate) enum Job {
    Put {
        records: Vec<(Bytes, RecordHead)>,
        answer: Answer,
        room: OwnedSemaphorePermit,
    },
    /// Overwrites of purged records.
    Wipe {
        segment: u32,
        writes: Vec<Write>,
        answer: oneshot::Sender<Result<(), Error>>,
    },
    /// Answered when everything before it is done.
    Barrier(oneshot::Sender<()>),
}

pub(crate) struct Segment {
    pub file: Arc<dyn File>,
    pub live: u32,
    pub end: u32,
    /// Dead ranges, merged: offset and length.
    pub dead: BTreeMap<u32, u32>,
}

#[derive(Default)]
pub(crate) struct SegmentTable {
    pub all: BTreeMap<u32, Segment>,
    pub active: Option<u32>,
    pub next: u32,
}

pub(crate) struct Segments {
    pub table: Mutex<SegmentTable>,
    pub segment_bytes: u32,
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    /// Puts that were queued and not answered yet.
    pub pending: AtomicU64,
}

/// Overwrites of a purge, and who waits for them.
type Wipe = (Vec<Write>, oneshot::Sender<Result<(), Error>>);

/// A group on its way to one segment.
#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    /// Which job, which of its records, and where it goes.
    placed: Vec<(usize, usize, RecordHead, u32)>,
    wipes: Vec<Wipe>,
}

struct Waiting {
    statuses: Vec<Status>,
    answer: Answer,
    _room: OwnedSemaphorePermit,
}

pub(crate) fn segment_path(id: u32) -> String {
    format!("segments/{id:08x}")
}

impl Segments {
    pub fn new(segment_bytes: u32) -> (Self, mpsc::Receiver<Job>) {
        let (jobs, queue) = mpsc::channel(QUEUE_JOBS_MAX);
        let table = Mutex::new(SegmentTable { next: 1, ..SegmentTable::default() });
        let room = Arc::new(Semaphore::new(QUEUE_BYTES_MAX));
        // A segment takes at least the largest record.
        let segment_bytes = segment_bytes.max(crate::record::RECORD_MAX as u32);
        (Self { table, segment_bytes, jobs, room, pending: AtomicU64::new(0) }, queue)
    }

    /// Queues records; waits for room in the queue.
    pub async fn put(
        &self,
        records: Vec<(Bytes, RecordHead)>,
        answer: Answer,
    ) -> Result<(), Error> {
        let octets: usize = records.iter().map(|(record, _)| record.len()).sum();
        let permits = octets.min(QUEUE_BYTES_MAX) as u32;
        let room =
            self.room.clone().acquire_many_owned(permits).await.map_err(|_| Error::Failed)?;
        self.pending.fetch_add(1, Relaxed);
        let job = Job::Put { records, answer, room };
        if self.jobs.send(job).await.is_err() {
            self.pending.fetch_sub(1, Relaxed);
            return Err(Error::Failed);
        }
        Ok(())
    }

    /// Queues one job that is no put.
    pub async fn send(&self, job: Job) -> Result<(), Error> {
        self.jobs.send(job).await.map_err(|_| Error::Failed)
    }

    /// Octets that wait now.
    pub fn queued(&self) -> u64 {
        (QUEUE_BYTES_MAX - self.room.available_permits()) as u64
    }

    pub fn file(&self, segment: u32) -> Option<Arc<dyn File>> {
        self.table.lock().all.get(&segment).map(|segment| segment.file.clone())
    }
}

impl Store {
    /// The group commit; ends with the store.
    pub async fn commit_loop(self: Arc<Self>, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.recv().await {
            // Whoever is ready in this moment joins the group.
            tokio::task::yield_now().await;
            let (mut jobs, mut octets) = (Vec::with_capacity(16), 0);
            let mut next = Some(first);
            while let Some(job) = next.take() {
                if let Job::Put { records, .. } = &job {
                    octets += records.iter().map(|(record, _)| record.len()).sum::<usize>();
                }
                jobs.push(job);
                if octets < GROUP_BYTES_MAX {
                    next = queue.try_recv().ok();
                }
            }
            self.commit(jobs).await;
        }
    }

    async fn commit(&self, jobs: Vec<Job>) {
        let (mut waiting, mut group) = (Vec::new(), Group::default());
        let (mut barriers, mut seen) = (Vec::new(), BTreeSet::new());
        for job in jobs {
            match job {
                Job::Barrier(answer) => barriers.push(answer),
                Job::Wipe { segment, writes, answer } => {
                    if self.segments.table.lock().active == Some(segment) {
                        group.writes.extend(writes.iter().cloned());
                        group.wipes.push((writes, answer));
                    } else {
                        let _ = answer.send(self.wipe_now(segment, writes).await);
                    }
                }
                Job::Put { records, answer, room } => {
                    let (job, statuses) = (waiting.len(), vec![Status::Failed; records.len()]);
                    waiting.push(Waiting { statuses, answer, _room: room });
                    for (index, (record, head)) in records.into_iter().enumerate() {
                        if let Some(known) = self.status_of(&head, &mut seen) {
                            self.set_status(&mut waiting, (job, index), known);
                            continue;
                        }
                        match self.make_room(&mut group, &mut waiting, head.total).await {
                            Ok(()) => self.place(&mut group, (job, index), record, head),
                            Err(why) => self.set_status(&mut waiting, (job, index), why),
                        }
                    }
                }
            }
        }
        self.flush(&mut group, &mut waiting).await;
        for Waiting { statuses, answer, _room } in waiting {
            self.segments.pending.fetch_sub(1, Relaxed);
            answer(statuses);
        }
        for barrier in barriers {
            let _ = barrier.send(());
        }
    }

    /// What can be said of a record without writing it.
    fn status_of(&self, head: &RecordHead, seen: &mut BTreeSet<(SpaceId, u32)>) -> Option<Status> {
        let index = self.index.lock();
        if index.is_gone(head.space) {
            return Some(Status::Purged);
        }
        let mark = mark_of(head);
        match index.get(head.space).map(|entry| entry.place) {
            Some(Place::Small { mark: held, .. }) if held == mark => return Some(Status::Durable),
            Some(_) => return Some(Status::Exists),
            None => {}
        }
        if index.is_full() {
            return Some(Status::Full);
        }
        drop(index);
        // A second copy in the same group: whoever sent it sends it again, or has its answer soon.
        let twice = seen.range((head.space, 0)..=(head.space, u32::MAX)).next().is_some();
        seen.insert((head.space, mark));
        twice.then_some(Status::Failed)
    }

    /// Sees to it that the active segment takes so many octets; begins a new one if need be.
    async fn make_room(
        &self,
        group: &mut Group,
        waiting: &mut [Waiting],
        total: u32,
    ) -> Result<(), Status> {
        let fits = {
            let table = self.segments.table.lock();
            let segment = table.active.and_then(|id| table.all.get(&id));
            segment.is_some_and(|segment| segment.end + total <= self.segments.segment_bytes)
        };
        if fits {
            return Ok(());
        }
        self.flush(group, waiting).await;
        self.roll().await.map_err(|source| match self.write_failed(BEGIN, source) {
            Error::Full => Status::Full,
            Error::Short { .. } => Status::Short,
            _ => Status::Failed,
        })
    }

    fn place(
        &self,
        group: &mut Group,
        (job, index): (usize, usize),
        record: Bytes,
        head: RecordHead,
    ) {
        let mut table = self.segments.table.lock();
        let Some(segment) = table.active.and_then(|id| table.all.get_mut(&id)) else { return };
        let offset = segment.end;
        segment.end += head.total;
        group.writes.push(Write { offset: u64::from(offset), bytes: record });
        group.placed.push((job, index, head, offset));
    }

    /// Writes a group to the active segment and syncs it.
    async fn flush(&self, group: &mut Group, waiting: &mut [Waiting]) {
        let group = std::mem::take(group);
        if group.writes.is_empty() {
            return;
        }
        let active = {
            let table = self.segments.table.lock();
            table.active.and_then(|id| Some((id, table.all.get(&id)?.file.clone())))
        };
        let Some((segment, file)) = active.filter(|_| self.alive().is_ok()) else {
            group.wipes.into_iter().for_each(|(_, answer)| drop(answer.send(Err(Error::Failed))));
            return;
        };
        let started = Instant::now();
        let written = file.write(group.writes, true).await;
        self.metrics.synced(started.elapsed());
        match written {
            Ok(()) => {
                self.publish(segment, &group.placed, waiting).await;
                group.wipes.into_iter().for_each(|(_, answer)| drop(answer.send(Ok(()))));
            }
            Err(source) => {
                let status = if is_full(&source) { Status::Full } else { Status::Failed };
                for (job, index, ..) in &group.placed {
                    self.set_status(waiting, (*job, *index), status);
                }
                self.write_failed("write a segment", source);
                self.give_up_tail(segment, &group.placed).await;
                // A purge overwrites what is there and needs no room: it goes on by itself.
                for (writes, answer) in group.wipes {
                    let _ = answer.send(self.wipe_now(segment, writes).await);
                }
            }
        }
    }

    fn set_status(&self, waiting: &mut [Waiting], (job, index): (usize, usize), status: Status) {
        if let Some(place) =
            waiting.get_mut(job).and_then(|waiting| waiting.statuses.get_mut(index))
        {
            *place = status;
        }
    }

    /// Enters durable records into the index; what was purged meanwhile is wiped at once.
    async fn publish(
        &self,
        segment: u32,
        placed: &[(usize, usize, RecordHead, u32)],
        waiting: &mut [Waiting],
    ) {
        let mut purged = Vec::new();
        {
            let (mut index, mut table) = (self.index.lock(), self.segments.table.lock());
            for (job, position, head, offset) in placed {
                let place = Place::Small {
                    segment,
                    offset: *offset,
                    total: head.total,
                    mark: mark_of(head),
                };
                let status = if index.is_gone(head.space) {
                    purged.push(place);
                    Status::Purged
                } else {
                    index.insert(head.space, Entry { packet: head.packet, place });
                    Status::Durable
                };
                if let Some(segment) = table.all.get_mut(&segment) {
                    segment.live += 1;
                }
                self.set_status(waiting, (*job, *position), status);
            }
        }
        self.metrics.records_committed.fetch_add(placed.len() as u64, Relaxed);
        if !purged.is_empty() {
            let wiped = async {
                self.wipe_now(segment, wipes_of(&purged)).await?;
                self.free(segment, &purged).await
            };
            if let Err(error) = wiped.await {
                tracing::error!(%error, "a purged record could not be wiped");
            }
        }
    }

    /// A group that was not written leaves nothing behind: the tail is cut and the segment closed.
    async fn give_up_tail(&self, segment: u32, placed: &[(usize, usize, RecordHead, u32)]) {
        let Some(first) = placed.iter().map(|(.., offset)| *offset).min() else { return };
        let file = {
            let mut table = self.segments.table.lock();
            table.active = None;
            let Some(segment) = table.all.get_mut(&segment) else { return };
            segment.end = first;
            segment.file.clone()
        };
        let cut = async {
            file.truncate(u64::from(first)).await?;
            file.sync_data().await
        };
        if let Err(source) = cut.await {
            self.fail("cut a segment", source);
        }
    }

    /// Begins a new segment.
    async fn roll(&self) -> io::Result<()> {
        let (id, old) = {
            let mut table = self.segments.table.lock();
            table.next += 1;
            let old = table.active.take();
            (table.next - 1, old)
        };
        if let Some(old) = old {
            self.close_segment(old).await?;
        }
        let path = segment_path(id);
        let file = self.disk.create(&path).await?;
        let made = async {
            file.allocate(u64::from(self.segments.segment_bytes)).await?;
            file.sync_data().await?;
            self.disk.sync_dir("segments").await
        };
        if let Err(error) = made.await {
            let _ = self.disk.remove(&path).await;
            return Err(error);
        }
        let segment = Segment { file, live: 0, end: 0, dead: BTreeMap::new() };
        let mut table = self.segments.table.lock();
        table.all.insert(id, segment);
        table.active = Some(id);
        Ok(())
    }

    /// Gives back what a segment reserved and did not use, or all of it when nothing lives there.
    async fn close_segment(&self, id: u32) -> io::Result<()> {
        let (file, end, live) = {
            let table = self.segments.table.lock();
            let Some(segment) = table.all.get(&id) else { return Ok(()) };
            (segment.file.clone(), segment.end, segment.live)
        };
        if live == 0 { self.drop_segment(id).await } else { file.truncate(u64::from(end)).await }
    }
}

/// Tells one record of a space from another.
pub(crate) fn mark_of(head: &RecordHead) -> u32 {
    let form = head.encode();
    u32::from_be_bytes(form[form.len() - 4..].try_into().expect("four octets"))
}
