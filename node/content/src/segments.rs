//! Segments: small contents in preallocated append-only files, made durable in groups.
//!
//! The table knows the files and what in them is dead; the group commit is the only one that
//! writes records; a scan reads them back at start. It deliberately lacks: what a record holds
//! (seal), who else has it (copies).

mod commit;
mod dead;
mod scan;
mod table;
mod verdict;
mod wipe;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use model::{SpaceId, lengths::in_form};
use tokio::sync::oneshot;

use self::{
    commit::{Answer, Committer, Job, Rule},
    table::Table,
    wipe::wipes_of,
};
use crate::{
    Error, Metrics, SealedRecord,
    disk::File,
    index::{Index, Location, RecordAt},
    queue::{Closed, Queue, queue},
    record::RECORD_MAX,
    tasks::{Tasks, tell},
    volume::Volume,
};

#[cfg(test)]
pub(crate) use self::table::segment_path;
pub(crate) use self::verdict::Verdict;

/// Octets that may wait for the disk: a second of a slow disk, and a bound on memory.
const QUEUE_BYTES_MAX: u32 = 32 << 20;
/// Jobs that may wait for the disk.
const QUEUE_JOBS_MAX: usize = 4096;

/// The segments of one store.
pub(crate) struct Segments {
    table: Arc<Table>,
    index: Arc<Index>,
    jobs: Queue<Job>,
    /// Puts that were queued and not answered yet.
    unanswered: Arc<AtomicU64>,
}

impl Segments {
    /// Reads the segments that are there and starts the group commit.
    pub async fn open(
        volume: Arc<Volume>,
        index: Arc<Index>,
        tasks: &Arc<Tasks>,
        metrics: Arc<Metrics>,
        segment_bytes: u32,
    ) -> Result<Self, Error> {
        // A segment takes at least the largest record.
        let segment_bytes = segment_bytes.max(in_form(RECORD_MAX));
        let table = Arc::new(Table::new(volume.clone(), segment_bytes));
        scan::read_all(&volume, &table, &index).await?;
        let (jobs, queue) = queue(QUEUE_BYTES_MAX, QUEUE_JOBS_MAX);
        let unanswered = Arc::new(AtomicU64::new(0));
        let committer = Committer {
            table: table.clone(),
            index: index.clone(),
            volume,
            metrics,
            unanswered: unanswered.clone(),
        };
        tasks.spawn(committer.run(queue));
        Ok(Self { table, index, jobs, unanswered })
    }

    /// Queues records and waits for room in the queue; the answer comes when they are durable.
    pub async fn put(&self, records: Vec<SealedRecord>, answer: Answer) -> Result<(), Error> {
        self.queue_put(Job::Put { records, rule: Rule::Keep, answer }).await
    }

    /// Queues one record and waits for room in the queue; `done` is told its verdict.
    pub async fn put_one(
        &self,
        record: SealedRecord,
        done: impl FnOnce(Verdict) + Send + 'static,
    ) -> Result<(), Error> {
        self.put(vec![record], first(done)).await
    }

    /// Queues records that others have agreed on, beside the index's cap. The answer comes when they are durable;
    /// it is dropped untold when the store ends first. Where the queue is full a task waits for room.
    pub fn keep(self: &Arc<Self>, tasks: &Arc<Tasks>, records: Vec<SealedRecord>, answer: Answer) {
        let job = Job::Put { records, rule: Rule::Agreed, answer };
        let Some(place) = self.jobs.try_reserve(job.octets()) else {
            let segments = self.clone();
            tasks.spawn(async move {
                segments.queue_put(job).await.ok();
            });
            return;
        };
        self.unanswered.fetch_add(1, Relaxed);
        place.send(job);
    }

    /// Puts a record and waits until it is durable. It replaces `bad`, if that is there: a record that
    /// is damaged or is another content.
    pub async fn put_instead(
        &self,
        record: SealedRecord,
        bad: Option<RecordAt>,
    ) -> Result<(), Error> {
        let space = record.space();
        let (answer, done) = oneshot::channel();
        let answer = first(move |verdict| tell(answer, verdict));
        let rule = bad.map_or(Rule::Keep, Rule::Replace);
        self.queue_put(Job::Put { records: vec![record], rule, answer }).await?;
        done.await.map_err(|_| Error::Failed)?.into_result(space)
    }

    async fn queue_put(&self, job: Job) -> Result<(), Error> {
        let place = self.jobs.reserve(job.octets()).await.map_err(|Closed| Error::Failed)?;
        // Counted before it is queued: a purge that sees no put may be sure that none is under way.
        self.unanswered.fetch_add(1, Relaxed);
        place.send(job);
        Ok(())
    }

    async fn queue_other(&self, job: Job) -> Result<(), Error> {
        let place = self.jobs.reserve(job.octets()).await.map_err(|Closed| Error::Failed)?;
        place.send(job);
        Ok(())
    }

    /// Waits until every put that was queued before is answered.
    pub async fn settle(&self) -> Result<(), Error> {
        if self.unanswered.load(Relaxed) == 0 {
            return Ok(());
        }
        let (answer, done) = oneshot::channel();
        self.queue_other(Job::Barrier(answer)).await?;
        done.await.map_err(|_| Error::Failed)
    }

    /// Destroys records that have left the index; their keys cannot be read any more afterwards.
    pub async fn destroy(&self, records: &[RecordAt]) -> Result<(), Error> {
        let mut by_segment: BTreeMap<u32, Vec<RecordAt>> = BTreeMap::new();
        for record in records {
            by_segment.entry(record.segment).or_default().push(*record);
        }
        for (segment, records) in by_segment {
            if !self.table.is_active(segment) {
                self.table.destroy(segment, &records).await?;
                continue;
            }
            // The group commit's sync serves these too.
            let (answer, done) = oneshot::channel();
            let wipe = Job::Wipe { segment, writes: wipes_of(&records), answer };
            self.queue_other(wipe).await?;
            done.await.map_err(|_| Error::Failed)??;
            self.table.free(segment, &records).await?;
        }
        Ok(())
    }

    /// Octets that wait for the group commit, or are being written.
    pub fn queued(&self) -> u64 {
        self.jobs.octets() as u64
    }

    /// The file of a segment.
    pub fn file(&self, segment: u32) -> Option<Arc<dyn File>> {
        self.table.file(segment)
    }

    /// The record of a space as it was sealed; none if the content has none here.
    pub async fn sealed(&self, space: SpaceId) -> Result<SealedRecord, Error> {
        self.index.check(space)?;
        let Some(Location::Record(at)) = self.index.location(space) else {
            return Err(Error::Missing { space });
        };
        let file = self.table.file(at.segment).ok_or(Error::Missing { space })?;
        let read = file.read(u64::from(at.offset), at.total as usize).await;
        let octets = read.map_err(Error::disk("read a record"))?.freeze();
        // A purge may have wiped it while it was read.
        self.index.check(space)?;
        let record = SealedRecord::parse(octets).filter(|record| record.space() == space);
        record.ok_or(Error::Damaged { space, what: "its record" })
    }
}

/// The answer to a put of one record.
fn first(done: impl FnOnce(Verdict) + Send + 'static) -> Answer {
    Box::new(move |verdicts| done(verdicts.first().copied().unwrap_or(Verdict::Failed)))
}
