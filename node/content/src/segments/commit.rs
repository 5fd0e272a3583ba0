//! The group commit: one task writes what waits in one go and syncs once for all of it.
//!
//! It alone puts records into segments, so each place has one owner and a record that is repaired
//! gets a new place: a purge never meets a write to the octets that it wipes.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use model::{PacketId, SpaceId};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Error, Metrics, SealedRecord,
    disk::{Write, is_full},
    index::{Entered, Index, Located, Location, RecordAt},
    queue::{Queued, Room},
    segments::{
        table::{Active, Table, Taken},
        verdict::{BEGIN, Verdict},
    },
    tasks::tell,
    volume::Volume,
};

/// Octets of one group commit: more would only make the first of the group wait.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Told the verdicts on the records of a job, in their order.
pub(crate) type Answer = Box<dyn FnOnce(Vec<Verdict>) + Send>;

/// What becomes of a record whose space has one already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The first one stays: the same record is durable, another one is refused.
    Keep,
    /// The same; and all nodes hold it by what they agreed on, so that this one does beyond the index's cap.
    Agreed,
    /// A repair: the new one replaces the bad one at this place, which is destroyed afterwards. One
    /// that lies elsewhere by then stays.
    Replace(RecordAt),
}

/// Work for the group commit.
pub(crate) enum Job {
    /// Writes records.
    Put { records: Vec<SealedRecord>, rule: Rule, answer: Answer },
    /// Overwrites purged records of a segment.
    Wipe { segment: u32, writes: Vec<Write>, answer: oneshot::Sender<Result<(), Error>> },
    /// Answered when everything before it is done.
    Barrier(oneshot::Sender<()>),
}

impl Job {
    /// Octets that it takes up until it is answered.
    pub fn octets(&self) -> usize {
        match self {
            Self::Put { records, .. } => records.iter().map(|record| record.octets().len()).sum(),
            Self::Wipe { .. } | Self::Barrier(_) => 0,
        }
    }
}

/// The task of the group commit.
pub(crate) struct Committer {
    pub table: Arc<Table>,
    pub index: Arc<Index>,
    pub volume: Arc<Volume>,
    pub metrics: Arc<Metrics>,
    /// Puts that were queued and not answered yet.
    pub unanswered: Arc<AtomicU64>,
}

/// The puts of a commit, until they are answered.
#[derive(Default)]
struct Puts {
    all: Vec<Put>,
    /// The records of this commit that are written, by their spaces.
    written: BTreeMap<SpaceId, Written>,
    /// Records that came twice.
    twins: Vec<Twin>,
}

/// A record that is written in this commit.
struct Written {
    mark: u32,
    asked: Asked,
}

/// A second copy of a record, which shares the verdict on the first.
struct Twin {
    first: Asked,
    second: Asked,
}

struct Put {
    verdicts: Vec<Verdict>,
    answer: Answer,
    _room: Room,
}

/// One record of a put.
#[derive(Clone, Copy)]
struct Asked {
    put: usize,
    record: usize,
}

/// What one write and one sync make durable in the active segment.
#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    placed: Vec<Placed>,
    wipes: Vec<Wipe>,
}

/// A record that has its place in the segment.
struct Placed {
    asked: Asked,
    space: SpaceId,
    packet: PacketId,
    at: RecordAt,
}

/// The overwrites of a purge, and the purge that waits for them.
struct Wipe {
    writes: Vec<Write>,
    answer: oneshot::Sender<Result<(), Error>>,
}

impl Puts {
    /// Gives second copies the verdicts on the first ones.
    fn settle_twins(&mut self) {
        for Twin { first, second } in std::mem::take(&mut self.twins) {
            let put = self.all.get(first.put);
            if let Some(verdict) = put.and_then(|put| put.verdicts.get(first.record)).copied() {
                self.set(second, verdict);
            }
        }
    }

    fn set(&mut self, Asked { put, record }: Asked, verdict: Verdict) {
        let verdicts = self.all.get_mut(put).map(|put| &mut put.verdicts);
        if let Some(place) = verdicts.and_then(|verdicts| verdicts.get_mut(record)) {
            *place = verdict;
        }
    }
}

impl Committer {
    /// Commits what is queued, until the queue is gone.
    pub async fn run(self, mut queue: mpsc::Receiver<Queued<Job>>) {
        while let Some(first) = queue.recv().await {
            // A task that is ready in this moment joins the group.
            tokio::task::yield_now().await;
            let (mut jobs, mut octets) = (Vec::with_capacity(16), 0);
            let mut next = Some(first);
            while let Some(job) = next.take() {
                octets += job.item.octets();
                jobs.push(job);
                if octets < GROUP_BYTES_MAX {
                    next = queue.try_recv().ok();
                }
            }
            self.commit(jobs).await;
        }
    }

    async fn commit(&self, jobs: Vec<Queued<Job>>) {
        let (mut puts, mut group) = (Puts::default(), Group::default());
        let mut barriers = Vec::new();
        for Queued { item, room } in jobs {
            match item {
                Job::Barrier(answer) => barriers.push(answer),
                Job::Wipe { segment, writes, answer } if self.table.is_active(segment) => {
                    group.writes.extend(writes.iter().cloned());
                    group.wipes.push(Wipe { writes, answer });
                }
                // The segment was closed since the purge looked.
                Job::Wipe { segment, writes, answer } => {
                    tell(answer, self.table.overwrite(segment, writes).await);
                }
                Job::Put { records, rule, answer } => {
                    let put = puts.all.len();
                    let verdicts = vec![Verdict::Failed; records.len()];
                    puts.all.push(Put { verdicts, answer, _room: room });
                    for (index, record) in records.into_iter().enumerate() {
                        let asked = Asked { put, record: index };
                        self.take(&mut group, &mut puts, asked, record, rule).await;
                    }
                }
            }
        }
        self.flush(&mut group, &mut puts).await;
        puts.settle_twins();
        for Put { verdicts, answer, _room } in puts.all {
            self.unanswered.fetch_sub(1, Relaxed);
            answer(verdicts);
        }
        barriers.into_iter().for_each(|barrier| tell(barrier, ()));
    }

    /// Gives a record its place in the group, or its verdict.
    async fn take(
        &self,
        group: &mut Group,
        puts: &mut Puts,
        asked: Asked,
        record: SealedRecord,
        rule: Rule,
    ) {
        let (head, mark) = (record.head(), record.head().mark());
        if let Some(known) = self.known(head.space, mark, rule) {
            return puts.set(asked, known);
        }
        match puts.written.entry(head.space) {
            Entry::Vacant(space) => {
                space.insert(Written { mark, asked });
            }
            Entry::Occupied(first) if first.get().mark == mark => {
                let first = first.get().asked;
                return puts.twins.push(Twin { first, second: asked });
            }
            // Whether the first one stays is not known yet; the sender of this one tries again.
            Entry::Occupied(_) => return puts.set(asked, Verdict::Failed),
        }
        let (space, packet, total) = (head.space, head.packet, head.total);
        let taken = match self.table.take_place(total) {
            Some(taken) => Some(taken),
            None => {
                self.flush(group, puts).await;
                if let Err(source) = self.table.roll().await {
                    let error = self.volume.write_failed(BEGIN, source);
                    return puts.set(asked, Verdict::of(&error));
                }
                self.table.take_place(total)
            }
        };
        let Some(Taken { segment, offset }) = taken else { return };
        let write = Write { offset: u64::from(offset), bytes: record.octets().clone() };
        group.writes.push(write);
        let at = RecordAt { segment, offset, total, mark };
        group.placed.push(Placed { asked, space, packet, at });
    }

    /// The verdict on a record that need not be written.
    fn known(&self, space: SpaceId, mark: u32, rule: Rule) -> Option<Verdict> {
        match self.index.look(space) {
            Ok(None) => None,
            Ok(Some(Location::Record(held))) if rule == Rule::Replace(held) => None,
            Ok(Some(Location::Record(held))) if held.mark == mark => Some(Verdict::Durable),
            Ok(Some(_)) => Some(Verdict::Exists),
            Err(Error::TooMany) if rule == Rule::Agreed => None,
            Err(error) => Some(Verdict::of(&error)),
        }
    }

    /// Writes a group to the active segment and syncs it.
    async fn flush(&self, group: &mut Group, puts: &mut Puts) {
        let group = std::mem::take(group);
        if group.writes.is_empty() {
            return;
        }
        let active = self.table.active().filter(|_| self.volume.alive().is_ok());
        let Some(Active { segment, file }) = active else {
            group.wipes.into_iter().for_each(|wipe| tell(wipe.answer, Err(Error::Failed)));
            return;
        };
        match self.volume.timed(file.write(group.writes, true)).await {
            Ok(()) => {
                self.publish(segment, &group.placed, puts).await;
                group.wipes.into_iter().for_each(|wipe| tell(wipe.answer, Ok(())));
            }
            Err(source) => {
                let verdict = if is_full(&source) { Verdict::Full } else { Verdict::Failed };
                group.placed.iter().for_each(|placed| puts.set(placed.asked, verdict));
                self.volume.write_failed("write a segment", source);
                self.give_up_tail(segment, &group.placed).await;
                // A purge overwrites what is there and needs no room, so it goes on without the group.
                for Wipe { writes, answer } in group.wipes {
                    tell(answer, self.table.overwrite(segment, writes).await);
                }
            }
        }
    }

    /// Enters durable records into the index. A record that was purged meanwhile is destroyed at
    /// once, and so is one that another has replaced.
    async fn publish(&self, segment: u32, placed: &[Placed], puts: &mut Puts) {
        self.table.count_live(segment, placed.len());
        let (mut told, mut dead) = (placed.iter(), Vec::new());
        let contents = placed.iter().map(|placed| {
            let location = Location::Record(placed.at);
            (placed.space, Located { packet: placed.packet, location })
        });
        self.index.enter(contents, |entered| {
            let Some(placed) = told.next() else { return };
            let verdict = match entered {
                Entered::New => Verdict::Durable,
                Entered::Replaced(before) => {
                    dead.push(before);
                    Verdict::Durable
                }
                Entered::Purged => {
                    dead.push(placed.at);
                    Verdict::Purged
                }
            };
            puts.set(placed.asked, verdict);
        });
        self.metrics.records_committed.fetch_add(placed.len() as u64, Relaxed);
        for record in dead {
            if let Err(error) = self.table.destroy(record.segment, &[record]).await {
                tracing::error!(%error, "a purged record could not be wiped");
            }
        }
    }

    /// Cuts the tail that was not written, so that it leaves nothing behind, and closes the segment.
    async fn give_up_tail(&self, segment: u32, placed: &[Placed]) {
        let Some(first) = placed.iter().map(|placed| placed.at.offset).min() else { return };
        if let Err(source) = self.table.cut(segment, first).await {
            self.volume.fail("cut a segment", source);
        }
    }
}
