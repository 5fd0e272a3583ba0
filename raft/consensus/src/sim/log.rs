//! A log in memory: appends are acknowledged after a sync that takes a while, and a crash takes
//! everything back that had not been synced.

use std::{collections::BTreeMap, fmt::Debug, io, ops::RangeBounds, sync::Arc, time::Duration};

use futures_util::{Stream, future::BoxFuture};
use openraft::{
    OptionalSend, RaftLogReader,
    entry::RaftEntry,
    storage::{IOFlushed, LeaderBoundedStreamResult, LogState, RaftLogStorage},
};
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    log::read::{self, Entries},
    options::PAYLOAD_BYTES,
    pledge::vault::{Vault, Word},
    riders::Riders,
    types::{LeaderId, LogEntry, LogId, Types, Vote},
};

/// A log in memory, with its disk.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    /// What a reader sees.
    seen: Image,
    /// What a crash leaves.
    synced: Image,
    /// What has been written and not synced, with numbers.
    pending: Vec<(u64, Change)>,
    written: u64,
    /// When the last sync that was asked for will be done: syncs keep their order.
    busy_until: Option<Instant>,
    sync_delay: Duration,
    ack_before_sync: bool,
    failing: bool,
    session: u64,
    syncs: u64,
    /// How far the log is on disk, in writes.
    synced_to: u64,
    words: BTreeMap<Word, Vec<u8>>,
    /// Another one for each copy.
    place: u64,
    blind: bool,
}

/// A log as it was once, to go back to.
#[derive(Clone)]
pub struct LogCopy {
    image: Image,
    synced_to: u64,
    words: BTreeMap<Word, Vec<u8>>,
}

#[derive(Clone, Default)]
struct Image {
    entries: BTreeMap<u64, LogEntry>,
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    landed: u64,
}

#[derive(Clone)]
enum Change {
    Append(Vec<LogEntry>),
    Vote(Vote),
    Committed(LogId),
    /// Everything from this index on goes.
    Truncate(u64),
    Purge(LogId),
    /// Entries below this index have landed.
    Landed(u64),
}

impl Image {
    fn change(&mut self, change: Change) {
        match change {
            Change::Append(entries) => {
                self.entries.extend(entries.into_iter().map(|entry| (entry.index(), entry)));
            }
            Change::Vote(vote) => self.vote = Some(vote),
            Change::Committed(id) => self.committed = Some(id),
            Change::Truncate(from) => {
                drop(self.entries.split_off(&from));
                self.landed = self.landed.min(from);
            }
            Change::Landed(upto) => self.landed = upto,
            Change::Purge(upto) => {
                self.entries = self.entries.split_off(&(upto.index() + 1));
                self.purged = self.purged.max(Some(upto));
            }
        }
    }

    fn last(&self) -> Option<LogId> {
        self.entries.last_key_value().map(|(_, entry)| entry.log_id).or(self.purged)
    }
}

impl Log {
    /// An empty log whose syncs take no time.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a sync takes from now on.
    pub fn set_sync_delay(&self, delay: Duration) {
        self.0.lock().sync_delay = delay;
    }

    /// The negative control: acknowledges before the sync. A test that still passes proves nothing.
    pub fn set_ack_before_sync(&self, wrong: bool) {
        self.0.lock().ack_before_sync = wrong;
    }

    /// Lets every sync from now on fail, as a dying disk does.
    pub fn set_failing(&self, failing: bool) {
        self.0.lock().failing = failing;
    }

    /// The power fails: what was not synced is gone, and whoever still runs on the log gets errors.
    pub fn crash(&self) {
        let mut store = self.0.lock();
        store.seen = store.synced.clone();
        store.pending.clear();
        store.session += 1;
        store.busy_until = None;
    }

    /// What is on disk now, as a backup keeps it.
    pub fn copy(&self) -> LogCopy {
        let store = self.0.lock();
        LogCopy {
            image: store.synced.clone(),
            synced_to: store.synced_to,
            words: store.words.clone(),
        }
    }

    /// The disk goes back: the log is what it was at the copy. Where it was `copied`, the file system
    /// gives it another place; a machine that was taken back whole has the same one. The node must
    /// not run.
    pub fn go_back(&self, copy: &LogCopy, copied: bool) {
        let mut store = self.0.lock();
        let LogCopy { image, synced_to, words } = copy.clone();
        store.synced = image.clone();
        store.seen = image;
        (store.written, store.synced_to, store.words) = (synced_to, synced_to, words);
        store.pending.clear();
        store.busy_until = None;
        store.session += 1;
        store.place += u64::from(copied);
    }

    /// The negative control: the node compares no promise with what its peers remember.
    pub fn set_blind(&self, blind: bool) {
        self.0.lock().blind = blind;
    }

    pub(crate) fn is_blind(&self) -> bool {
        self.0.lock().blind
    }

    /// The index of the last entry that a crash would leave.
    pub fn synced_last(&self) -> Option<u64> {
        self.0.lock().synced.last().map(|id| id.index())
    }

    /// How many syncs have been done.
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// The log as the next node sees it; earlier ones are cut off.
    pub(crate) fn session(&self) -> LogSession {
        let mut store = self.0.lock();
        store.session += 1;
        LogSession { log: self.clone(), number: store.session, riders: Riders::none() }
    }
}

/// The log in the hands of one node.
#[derive(Clone)]
pub(crate) struct LogSession {
    log: Log,
    number: u64,
    riders: Arc<Riders>,
}

fn gone() -> io::Error {
    io::Error::other("the disk is gone")
}

impl LogSession {
    /// The same log, with what rides with its entries.
    pub(crate) fn with_riders(self, riders: Arc<Riders>) -> Self {
        Self { riders, ..self }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Store) -> T) -> io::Result<T> {
        let mut store = self.log.0.lock();
        if store.session == self.number { Ok(act(&mut store)) } else { Err(gone()) }
    }

    /// Writes, without a sync. Gives the number of the write.
    fn write(&self, change: Change) -> io::Result<u64> {
        self.with(|store| {
            store.seen.change(change.clone());
            store.written += 1;
            store.pending.push((store.written, change));
            store.written
        })
    }

    /// When a sync that is asked for now will be done.
    fn done_at(&self) -> io::Result<Instant> {
        self.with(|store| {
            let done =
                Instant::now().max(store.busy_until.unwrap_or(Instant::now())) + store.sync_delay;
            store.busy_until = Some(done);
            done
        })
    }

    /// The sync is done: everything up to this write is on disk.
    fn sync(&self, upto: u64) -> io::Result<()> {
        self.with(|store| {
            if store.failing {
                return Err(io::Error::other("the disk fails"));
            }
            let rest = store.pending.split_off(store.pending.partition_point(|(n, _)| *n <= upto));
            for (_, change) in std::mem::replace(&mut store.pending, rest) {
                store.synced.change(change);
            }
            store.syncs += 1;
            store.synced_to = store.synced_to.max(upto);
            Ok(())
        })?
    }

    /// Syncs later, and tells then, or before under the negative control.
    fn sync_later(
        &self,
        upto: u64,
        tell: impl FnOnce(io::Result<()>) + Send + 'static,
    ) -> io::Result<()> {
        let done_at = self.done_at()?;
        let early = self.with(|store| store.ack_before_sync)?;
        let session = self.clone();
        if !early && done_at <= Instant::now() {
            tell(session.sync(upto));
            return Ok(());
        }
        let mut tell = Some(tell);
        if early && let Some(tell) = tell.take() {
            tell(Ok(()));
        }
        tokio::spawn(async move {
            tokio::time::sleep_until(done_at).await;
            let result = session.sync(upto);
            if let Some(tell) = tell {
                tell(result);
            }
        });
        Ok(())
    }

    async fn synced(&self, change: Change) -> io::Result<()> {
        let upto = self.write(change)?;
        let (sender, receiver) = oneshot::channel();
        // A caller that went away no longer cares.
        self.sync_later(upto, move |result| {
            sender.send(result).ok();
        })?;
        receiver.await.map_err(|_| gone())?
    }
}

impl Vault for LogSession {
    fn load(&self, word: Word) -> io::Result<Option<Vec<u8>>> {
        self.with(|store| store.words.get(&word).cloned())
    }

    fn save(&self, word: Word, octets: &[u8]) -> io::Result<()> {
        self.with(|store| drop(store.words.insert(word, octets.to_vec())))
    }

    fn end(&self) -> u64 {
        self.log.0.lock().synced_to
    }

    fn blocks(&self) -> bool {
        false
    }

    fn place(&self) -> io::Result<Vec<u8>> {
        self.with(|store| store.place.to_be_bytes().to_vec())
    }
}

impl Entries for LogSession {
    fn entries(&self, from: u64, to: u64, bytes: usize) -> io::Result<Vec<LogEntry>> {
        self.with(|store| {
            let (mut entries, mut taken) = (Vec::new(), 0_usize);
            for (_, entry) in store.seen.entries.range(from..to.max(from)) {
                taken = taken.saturating_add(read::size(&entry.payload));
                if taken > bytes && !entries.is_empty() {
                    break;
                }
                entries.push(entry.clone());
            }
            entries
        })
    }

    fn vote(&self) -> io::Result<Option<Vote>> {
        self.with(|store| store.seen.vote)
    }

    fn landed(&self) -> io::Result<u64> {
        self.with(|store| store.seen.landed)
    }

    fn note_landed(&self, applied: u64) -> BoxFuture<'static, io::Result<()>> {
        let this = self.clone();
        Box::pin(async move {
            let word = this.riders.landed(applied);
            this.synced(Change::Landed(word.upto)).await?;
            this.riders.noted(word);
            Ok(())
        })
    }
}

impl RaftLogReader<Types> for LogSession {
    async fn leader_bounded_stream<RB>(
        &mut self,
        leader: LeaderId,
        range: RB,
    ) -> impl Stream<Item = LeaderBoundedStreamResult<Types>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        read::stream_bounded(self.clone(), leader, read::indexes(&range))
    }

    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<LogEntry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        read::stream_entries(self.clone(), read::indexes(&range))
    }

    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<LogEntry>> {
        let (from, to) = read::indexes(&range);
        self.entries(from, to, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<LogEntry>> {
        self.entries(start, end, PAYLOAD_BYTES)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        self.vote()
    }
}

impl RaftLogStorage<Types> for LogSession {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        self.with(|store| LogState {
            last_purged_log_id: store.seen.purged,
            last_log_id: store.seen.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.synced(Change::Vote(*vote)).await?;
        self.riders.all_landed().await;
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if let Some(id) = committed {
            self.write(Change::Committed(id))?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        self.with(|store| store.seen.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let (entries, logged) = self.riders.board(entries, callback);
        let upto = self.write(Change::Append(entries))?;
        self.sync_later(upto, move |result| logged.io_completed(result))
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let next = last.map_or(0, |id| id.index() + 1);
        self.riders.truncated(next);
        self.synced(Change::Truncate(next)).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let upto = self.write(Change::Purge(log_id))?;
        self.sync_later(upto, drop)
    }
}
