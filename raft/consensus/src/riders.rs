//! What rides with entries: a content of a packet, say, that this crate knows by its name alone.
//!
//! An entry goes into the log and what rides with it beside the log, at the same time, and the core is told
//! when both are durable, append by append in the order of the log. The log says up to where what it holds has
//! landed so; a node that begins with an entry behind that, and without what came with it, was never answered for
//! that entry, and forgets it (see [`forget_unlanded`]). So nothing is destroyed before the log says enough.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use model::Histogram;
use openraft::storage::{IOFlushed, RaftLogStorage};
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    Attachment, AttachmentKey, Attachments, Kept, NoAttachments,
    log::read::Entries,
    options::{PAYLOAD_BYTES, RIDERS_REMEMBERED, ROOM_AGAIN, ROOM_KNOWN},
    types::{LogEntry, LogId, Octets, Payload, Rider, Types},
};

/// Brings to the disk up to where entries have landed, at least those that are applied.
pub(crate) type Note = Box<dyn Fn(u64) -> BoxFuture<'static, io::Result<()>> + Send + Sync>;

/// What rides with the entries of one node.
pub(crate) struct Riders {
    port: Arc<dyn Attachments>,
    runtime: Option<Handle>,
    remembered: Mutex<Remembered>,
    queue: Mutex<Queue>,
    /// Appends that have not landed.
    open: watch::Sender<usize>,
    /// The index behind the last entry that is committed, as far as this node was told.
    committed: AtomicU64,
    /// Writes the log's word; it holds the log, so it goes with the core.
    note: Mutex<Option<Note>>,
    /// Peers that have said that they lack room, and when.
    short: Mutex<BTreeMap<u64, Instant>>,
    /// How long appends take until they, and what rides with them, are on the disk.
    pub(crate) landing: Histogram,
}

/// Attachments of the last seconds, for appends: first the present generation, then the one before.
#[derive(Default)]
struct Remembered {
    young: HashMap<AttachmentKey, Bytes>,
    old: HashMap<AttachmentKey, Bytes>,
    octets: usize,
}

/// Appends that have not landed, in the order of the log.
#[derive(Default)]
struct Queue {
    berths: VecDeque<Berth>,
    next: u64,
    /// Behind the last entry of all that has landed.
    landed: u64,
    /// What the log says of that, on disk.
    noted: u64,
    /// An append has failed: the node stops, and nothing behind it has landed, whatever is told of it.
    broken: bool,
    /// How often the log was cut: what was said of it before holds no more.
    cuts: u64,
}

/// What a log says of its entries.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Word {
    /// Those below this index need no look at a start.
    pub(crate) upto: u64,
    cuts: u64,
}

impl Word {
    /// As a log says it when it is opened.
    pub(crate) const fn read(upto: u64) -> Self {
        Self { upto, cuts: 0 }
    }
}

/// One append.
struct Berth {
    number: u64,
    /// Behind its last entry.
    end: u64,
    /// What came with it, until it is kept.
    records: Vec<Attachment>,
    logged: bool,
    kept: Option<Kept>,
    failed: Option<io::Error>,
    noting: bool,
    begun: Instant,
    callback: Option<IOFlushed<Types>>,
}

impl Berth {
    /// Whether all that can be done for it is done.
    fn is_ready(&self) -> bool {
        self.failed.is_some() || (self.logged && self.kept.is_some())
    }
}

/// Told when an append is in the log.
pub(crate) enum Logged {
    /// Nothing rides with it, and nothing before it is under way.
    Alone(Arc<Riders>, Instant, IOFlushed<Types>),
    /// It has its place behind others.
    Berthed(Arc<Riders>, u64),
}

impl Logged {
    /// The entries are on the disk, or never will be.
    pub(crate) fn io_completed(self, result: io::Result<()>) {
        match self {
            Self::Alone(riders, begun, callback) => {
                riders.landing.count(begun.elapsed());
                callback.io_completed(result);
            }
            Self::Berthed(riders, number) => riders.step(number, |berth| match result {
                Ok(()) => berth.logged = true,
                Err(error) => berth.failed = Some(error),
            }),
        }
    }
}

/// The promise to tell what became of attachments.
struct Telling {
    riders: Arc<Riders>,
    number: u64,
    told: bool,
}

impl Drop for Telling {
    fn drop(&mut self) {
        if !self.told {
            let gone = io::Error::other("the store of what rides with entries has ended");
            self.riders.step(self.number, |berth| berth.failed = Some(gone));
        }
    }
}

impl Riders {
    pub(crate) fn new(port: Arc<dyn Attachments>) -> Arc<Self> {
        Arc::new(Self {
            port,
            // Who only looks into a log has none, and keeps nothing.
            runtime: Handle::try_current().ok(),
            remembered: Mutex::default(),
            queue: Mutex::default(),
            open: watch::Sender::new(0),
            committed: AtomicU64::new(0),
            note: Mutex::default(),
            short: Mutex::default(),
            landing: Histogram::default(),
        })
    }

    /// Nothing rides.
    pub(crate) fn none() -> Arc<Self> {
        Self::new(Arc::new(NoAttachments))
    }

    /// Whether the octets are what their name says.
    pub(crate) fn is_sound(&self, attachment: &Attachment) -> bool {
        self.port.is_sound(attachment)
    }

    /// Takes off the entries what rides with them and has it kept. The rest is for the log, which tells `Logged`.
    pub(crate) fn board(
        self: &Arc<Self>,
        entries: impl IntoIterator<Item = LogEntry>,
        callback: IOFlushed<Types>,
    ) -> (Vec<LogEntry>, Logged) {
        let begun = Instant::now();
        let (mut records, mut end) = (Vec::new(), 0);
        let entries: Vec<_> = entries
            .into_iter()
            .map(|mut entry| {
                end = entry.log_id.index() + 1;
                if let Payload::Normal(bytes) = &mut entry.payload {
                    for rider in &mut bytes.1 {
                        let record = rider.record.take();
                        rider.came = record.is_some();
                        let key = rider.key;
                        records.extend(record.map(|Octets(record)| Attachment { key, record }));
                    }
                }
                entry
            })
            .collect();
        let mut queue = self.queue.lock();
        if records.is_empty() && queue.berths.is_empty() {
            return (entries, Logged::Alone(self.clone(), begun, callback));
        }
        let number = queue.next;
        queue.next += 1;
        queue.berths.push_back(Berth {
            number,
            end,
            records: records.clone(),
            logged: false,
            kept: records.is_empty().then_some(Kept::Whole),
            failed: None,
            noting: false,
            begun,
            callback: Some(callback),
        });
        self.open.send_replace(queue.berths.len());
        drop(queue);
        if !records.is_empty() {
            self.remember(&records);
            self.keep(number, end, records);
        }
        (entries, Logged::Berthed(self.clone(), number))
    }

    fn keep(self: &Arc<Self>, number: u64, end: u64, records: Vec<Attachment>) {
        let mut telling = Telling { riders: self.clone(), number, told: false };
        let again = records.clone();
        let tell = move |kept: Kept| {
            telling.told = true;
            let riders = telling.riders.clone();
            if kept == Kept::NoRoom {
                let waiting = riders.clone();
                if let Some(runtime) = &riders.runtime {
                    runtime.spawn(async move { waiting.wait_for_room(number, end, again).await });
                }
                return;
            }
            riders.step(number, |berth| match kept {
                Kept::Failed(reason) => berth.failed = Some(io::Error::other(reason)),
                kept => {
                    berth.kept = Some(kept);
                    berth.records = Vec::new();
                }
            });
        };
        self.port.keep(records, Box::new(tell));
    }

    /// Tries again; an entry that is committed lies with a majority of the others, and this node does without what
    /// rides with it until there is room. Nobody waits for its answer to that entry any more.
    async fn wait_for_room(self: Arc<Self>, number: u64, end: u64, records: Vec<Attachment>) {
        sleep(ROOM_AGAIN).await;
        if !self.queue.lock().berths.iter().any(|berth| berth.number == number) {
            return;
        }
        if self.committed.load(Ordering::Acquire) >= end {
            tracing::warn!("an entry is taken without what rides with it: there is no room for it");
            return self.step(number, |berth| {
                berth.kept = Some(Kept::Partly);
                berth.records = Vec::new();
            });
        }
        self.keep(number, end, records);
    }

    /// Notes something of an append, and lets go what is ready, in order.
    fn step(self: &Arc<Self>, number: u64, note: impl FnOnce(&mut Berth)) {
        let mut queue = self.queue.lock();
        if let Some(berth) = queue.berths.iter_mut().find(|berth| berth.number == number) {
            note(berth);
        }
        let noted = queue.noted;
        while let Some(front) = queue.berths.front_mut().filter(|front| front.is_ready()) {
            // The log must say first that nothing will be missed here.
            if front.failed.is_none() && front.kept == Some(Kept::Partly) && noted < front.end {
                if !std::mem::replace(&mut front.noting, true) {
                    self.note_partly(front.number, front.end);
                }
                break;
            }
            let Some(mut berth) = queue.berths.pop_front() else { break };
            if queue.broken && berth.failed.is_none() {
                berth.failed = Some(io::Error::other("an append before this one has failed"));
            }
            if berth.failed.is_none() {
                queue.landed = queue.landed.max(berth.end);
            }
            queue.broken |= berth.failed.is_some();
            self.landing.count(berth.begun.elapsed());
            // Under the lock: the core must hear them in their order. It only passes them on.
            if let Some(callback) = berth.callback {
                callback.io_completed(berth.failed.map_or(Ok(()), Err));
            }
        }
        let open = queue.berths.len();
        self.open.send_if_modified(|known| std::mem::replace(known, open) != open);
    }

    fn note_partly(self: &Arc<Self>, number: u64, end: u64) {
        let riders = self.clone();
        let Some(runtime) = &self.runtime else { return };
        runtime.spawn(async move {
            let noted = riders.note(end).await;
            riders.step(number, |berth| berth.failed = noted.err());
        });
    }

    /// Brings to the disk, with the log, up to where entries have landed, and at least to `applied`.
    pub(crate) async fn note(&self, applied: u64) -> io::Result<()> {
        let writing = {
            let queue = self.queue.lock();
            if queue.noted >= applied {
                return Ok(());
            }
            if queue.broken {
                return Err(io::Error::other("an append has failed: the node stops"));
            }
            self.note.lock().as_ref().map(|note| note(applied))
        };
        match writing {
            Some(writing) => writing.await,
            None => Err(io::Error::other("the node stops")),
        }
    }

    /// Up to where the log may say that its entries need no look, at least to `applied`. Called by the log, under
    /// its lock.
    pub(crate) fn landed(&self, applied: u64) -> Word {
        let queue = self.queue.lock();
        Word { upto: queue.landed.max(applied), cuts: queue.cuts }
    }

    /// The log says this, on disk.
    pub(crate) fn noted(&self, word: Word) {
        let mut queue = self.queue.lock();
        if word.cuts == queue.cuts {
            queue.noted = queue.noted.max(word.upto);
            queue.landed = queue.landed.max(word.upto);
        }
    }

    /// The log ends here now. Called by the log, under its lock.
    pub(crate) fn truncated(&self, end: u64) {
        let mut queue = self.queue.lock();
        queue.cuts += 1;
        queue.landed = queue.landed.min(end);
        queue.noted = queue.noted.min(end);
        queue.berths.iter_mut().for_each(|berth| berth.end = berth.end.min(end));
    }

    /// Waits until every append that was begun has landed. What is told to the core later counts for all before it.
    pub(crate) async fn all_landed(&self) {
        // The sender is this node's own and outlives the wait.
        self.open.subscribe().wait_for(|open| *open == 0).await.ok();
    }

    /// A leader has said that all entries below this index are committed.
    pub(crate) fn committed(&self, end: u64) {
        self.committed.fetch_max(end, Ordering::AcqRel);
    }

    /// Who writes the log's word, and brings it to the disk.
    pub(crate) fn attach(&self, note: Note) {
        *self.note.lock() = Some(note);
    }

    /// Lets go of the log.
    pub(crate) fn detach(&self) {
        *self.note.lock() = None;
    }

    fn remember(&self, records: &[Attachment]) {
        let mut remembered = self.remembered.lock();
        for Attachment { key, record } in records {
            remembered.octets += record.len();
            remembered.young.insert(*key, record.clone());
        }
        if remembered.octets > RIDERS_REMEMBERED {
            remembered.turn();
        }
    }

    /// Forgets what is older than one turn: nothing that was destroyed stays in memory for long.
    pub(crate) fn forget(&self) {
        self.remembered.lock().turn();
    }

    /// The octets of an attachment, from memory or from where it is kept.
    async fn find(&self, key: AttachmentKey) -> Option<Bytes> {
        if let Some(record) = self.remembered.lock().get(key) {
            return Some(record);
        }
        let waiting = self.queue.lock().berths.iter().find_map(|berth| {
            berth.records.iter().find(|it| it.key == key).map(|it| it.record.clone())
        });
        match waiting {
            Some(record) => Some(record),
            None => self.port.find(key).await,
        }
    }

    /// Gives entries that were read from the log what rides with them, as far as it is there still.
    pub(crate) async fn give(&self, entries: &mut [LogEntry]) {
        for entry in entries {
            let Payload::Normal(bytes) = &mut entry.payload else { continue };
            for rider in bytes.1.iter_mut().filter(|rider| rider.record.is_none()) {
                rider.record = self.find(rider.key).await.map(Octets);
            }
        }
    }

    /// Whether this node has room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.port.has_room()
    }

    /// A peer has said whether it has room.
    pub(crate) fn hear(&self, peer: u64, is_short: bool) {
        let mut short = self.short.lock();
        if is_short {
            short.insert(peer, Instant::now());
        } else {
            short.remove(&peer);
        }
    }

    /// Whether something may ride: this node and the others have room for it, as far as is known.
    pub(crate) fn may_ride(&self, voters: &[u64]) -> bool {
        let short = self.short.lock();
        let is_short = |voter| short.get(voter).is_some_and(|at| at.elapsed() < ROOM_KNOWN);
        self.port.has_room() && !voters.iter().any(is_short)
    }
}

impl Remembered {
    fn turn(&mut self) {
        self.old = std::mem::take(&mut self.young);
        self.octets = 0;
    }

    fn get(&self, key: AttachmentKey) -> Option<Bytes> {
        self.young.get(&key).or_else(|| self.old.get(&key)).cloned()
    }
}

/// Octets of what rides with an entry.
pub(crate) fn octets(riders: &[Rider]) -> usize {
    riders.iter().map(|rider| rider.octets as usize).sum()
}

/// Forgets the end of the log from the first entry on that is there without what came with it. The power failed
/// between the two, so nobody was told of that entry by this node, and a leader that has both sends it again.
pub(crate) async fn forget_unlanded<L: RaftLogStorage<Types> + Entries>(
    log: &mut L,
    applied: u64,
    riders: &Riders,
) -> io::Result<()> {
    let landed = log.landed()?;
    riders.noted(Word::read(landed));
    let committed = log.read_committed().await?.map_or(0, |id| id.index().saturating_add(1));
    let held = log.get_log_state().await?;
    let purged = held.last_purged_log_id;
    let from = landed.max(committed).max(applied);
    let from = from.max(purged.map_or(0, |id| id.index() + 1));
    let to = held.last_log_id.map_or(0, |id| id.index() + 1);
    let before = from.checked_sub(1).map(|before| log.entries(before, from, 0)).transpose()?;
    let before = before.and_then(|entries| entries.first().map(|entry| entry.log_id)).or(purged);
    let last = first_unlanded(log, &*riders.port, (from, to), before)?;
    if let Some(last) = last {
        let from = last.map_or(0, |id| id.index() + 1);
        tracing::warn!(from, to, "entries are forgotten whose attachments had not landed");
        log.truncate_after(last).await?;
    }
    Ok(())
}

/// The last entry that stays, where the log holds one behind it without what came with it: the disk has one of the
/// two and not the other, so the core was never told of it. None where all is there.
///
/// `from` is behind what need not be looked at: what has landed, is committed, or is applied.
fn first_unlanded<L: Entries>(
    log: &L,
    port: &dyn Attachments,
    (from, to): (u64, u64),
    mut last: Option<LogId>,
) -> io::Result<Option<Option<LogId>>> {
    let mut next = from;
    while next < to {
        let entries = log.entries(next, to, PAYLOAD_BYTES)?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            if let Payload::Normal(bytes) = &entry.payload
                && bytes.1.iter().any(|rider| rider.came && !port.holds(rider.key))
            {
                return Ok(Some(last));
            }
            last = Some(entry.log_id);
            next = entry.log_id.index() + 1;
        }
    }
    Ok(None)
}
