//! The log on disk.
//!
//! One writer thread takes what was appended, writes it in one go and syncs once for all of it;
//! only then the core is told. Damage is never healed here: see [`FileLog::open`].

use std::{
    fmt::Debug,
    fs, io,
    ops::RangeBounds,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{Stream, future::BoxFuture};
use openraft::{
    OptionalSend, RaftLogReader,
    entry::RaftEntry,
    storage::{IOFlushed, LeaderBoundedStreamResult, LogState, RaftLogStorage},
};
use parking_lot::RwLock;
use raft_log::{RaftLog, api::raft_log_writer::RaftLogWriter, codeq::OffsetSize as _};

use crate::{
    Error,
    log::{
        codec::{Flushed, LogTypes, StoredLanded, StoredLogId, StoredPayload, StoredVote, Told},
        mark::Mark,
        read::{self, Entries},
    },
    node::Hold,
    options::PAYLOAD_BYTES,
    pledge::vault::Files,
    riders::{Riders, Word},
    room::Room,
    types::{LeaderId, LogEntry, LogId, Types, Vote},
};

/// The directory of the log's chunks and the file of its mark, inside the node's directory.
const CHUNKS: &str = "log";
const MARK: &str = "log.synced";

/// Octets of a chunk. The entries of the open chunk are held in memory, so a chunk is small; a
/// purge frees whole chunks.
const CHUNK_BYTES: usize = 16 << 20;

/// Octets of entries held in memory for followers and the apply; about one chunk.
const CACHE_BYTES: usize = 16 << 20;

/// Octets read at a time when the log is opened.
const OPEN_BUFFER: usize = 1 << 20;

/// The writer waits for more so long before it syncs: not at all, so it takes one request at a time.
/// With one entry on its way another is seldom queued. Any other time is a sleep, and the system
/// makes 50 µs or more of it, for every sync of every node.
const LINGER: Duration = Duration::ZERO;

/// The log on disk.
#[derive(Clone)]
pub(crate) struct FileLog {
    log: Arc<RwLock<RaftLog<LogTypes>>>,
    mark: Mark,
    riders: Arc<Riders>,
    _hold: Hold,
}

impl FileLog {
    /// Opens the log in a node's directory.
    ///
    /// A tail that was being written when the process or the power died is cut off, because nobody
    /// was told that it had been synced. Everything else that does not read back, and a log that
    /// ends before its mark, is damage: the node must not vote with it.
    /// A node that has `begun` has a log.
    pub(crate) fn open(directory: &Path, begun: bool, hold: Hold) -> Result<Self, Error> {
        let chunks = directory.join(CHUNKS);
        let marked = directory.join(MARK);
        fs::create_dir_all(&chunks)
            .map_err(|source| Error::Open { path: chunks.clone(), source })?;
        // The mark is made before the first chunk.
        let is_log = fs::read_dir(&chunks)
            .map_err(|source| Error::Open { path: chunks.clone(), source })?
            .next()
            .is_some();
        if (is_log || begun) && !marked.exists() {
            return Err(Error::CorruptLog {
                file: marked,
                reason: "it is missing, and nothing else says how far the log had been synced"
                    .into(),
            });
        }
        if begun && !is_log {
            let reason = "its files are missing".into();
            return Err(Error::CorruptLog { file: chunks, reason });
        }
        let mark = Mark::open(&marked).map_err(|source| match source.kind() {
            io::ErrorKind::InvalidData => {
                Error::CorruptLog { file: marked.clone(), reason: source.to_string() }
            }
            _ => Error::Open { path: marked.clone(), source },
        })?;
        check_length(&chunks, mark.end())?;

        let mut config = raft_log::Config::new(chunks.display());
        config.wal.read_buffer_size = Some(OPEN_BUFFER);
        config.wal.chunk_max_size = Some(CHUNK_BYTES);
        config.wal.flush_batch_wait = Some(LINGER);
        config.log_cache_capacity = Some(CACHE_BYTES);
        let log = RaftLog::<LogTypes>::open(Arc::new(config))
            .map_err(|source| explain(&chunks, source))?;
        check_opened(&log, &chunks, mark.end())?;
        // What was read may be in no more than the memory of the system, and peers are told how far
        // the log is on disk.
        let open = |source| Error::Open { path: marked.clone(), source };
        fs::File::open(newest(&chunks)).and_then(|file| file.sync_all()).map_err(open)?;
        mark.advance(log.stat().open_chunk.global_end).map_err(open)?;
        let log = Arc::new(RwLock::new(log));
        Ok(Self { log, mark, riders: Riders::none(), _hold: hold })
    }

    /// The same log, with what rides with its entries.
    pub(crate) fn with_riders(self, riders: Arc<Riders>) -> Self {
        Self { riders, ..self }
    }

    /// The room of the log in a node's directory.
    pub(crate) fn room(directory: &Path, spare_bytes: u64) -> Arc<Room> {
        Room::of(directory, directory.join(CHUNKS), spare_bytes)
    }

    /// What else is kept beside the log.
    pub(crate) fn vault(&self, directory: &Path) -> Files {
        Files::beside(directory, directory.join(MARK), self.mark.clone())
    }

    /// The mark, to be synced now and then.
    pub(crate) fn mark(&self) -> Mark {
        self.mark.clone()
    }

    async fn synced(
        &self,
        write: impl FnOnce(&mut RaftLog<LogTypes>) -> io::Result<raft_log::Segment> + Send,
    ) -> io::Result<()> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        {
            let mut log = self.log.write();
            let segment = write(&mut log)?;
            let end = segment.end().0;
            log.flush(true, Some(Flushed::new(Told::Caller(sender), self.mark.clone(), end)))?;
        }
        receiver.await.map_err(|_| io::Error::other("the log's writer has stopped"))?
    }
}

/// Before the log is touched: its files must reach the mark.
fn check_length(chunks: &Path, mark: u64) -> Result<(), Error> {
    let open = |source| Error::Open { path: chunks.to_owned(), source };
    let (mut last, mut end) = (chunks.to_owned(), 0);
    for file in fs::read_dir(chunks).map_err(open)? {
        let file = file.map_err(open)?;
        let name = file.file_name();
        let Some(start) = chunk_start(&name.to_string_lossy()) else { continue };
        let length = file.metadata().map_err(open)?.len();
        if start + length >= end {
            (last, end) = (file.path(), start + length);
        }
    }
    if end < mark {
        let reason = format!("it ends at {end}, but had been synced up to {mark}");
        return Err(Error::CorruptLog { file: last, reason });
    }
    Ok(())
}

/// After it was read: what reads back must reach the mark, and begin where the purge ended.
fn check_opened(log: &RaftLog<LogTypes>, chunks: &Path, mark: u64) -> Result<(), Error> {
    let end = log.stat().open_chunk.global_end;
    let file = newest(chunks);
    if end < mark {
        let reason = format!("it reads back up to {end}, but had been synced up to {mark}");
        return Err(Error::CorruptLog { file, reason });
    }
    let state = log.log_state();
    let next = state.purged().map_or(0, |id| id.0.index() + 1);
    let has_more = state.last().is_some_and(|last| last.0.index() >= next);
    if has_more && log.read(next, next + 1).next().is_none() {
        return Err(Error::CorruptLog { file, reason: format!("entry {next} is missing") });
    }
    Ok(())
}

fn newest(chunks: &Path) -> PathBuf {
    let names = fs::read_dir(chunks).into_iter().flatten().flatten();
    let files = names.filter(|file| chunk_start(&file.file_name().to_string_lossy()).is_some());
    files.map(|file| file.path()).max().unwrap_or_else(|| chunks.to_owned())
}

fn chunk_start(name: &str) -> Option<u64> {
    raft_log::chunked_wal::Config::parse_chunk_file_name(name).ok()
}

/// Says which file a failed opening is about.
fn explain(chunks: &Path, source: io::Error) -> Error {
    let reason = source.to_string();
    if lacks_descriptors(&source, &reason) {
        // Nothing is wrong with the log: nobody could look.
        return Error::Open { path: chunks.to_owned(), source };
    }
    match source.kind() {
        io::ErrorKind::WouldBlock => return Error::Locked { directory: chunks.to_owned() },
        io::ErrorKind::PermissionDenied | io::ErrorKind::StorageFull => {
            return Error::Open { path: chunks.to_owned(), source };
        }
        _ => {}
    }
    let names = fs::read_dir(chunks).into_iter().flatten().flatten().map(|file| file.path());
    let named = names.filter(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        stem.strip_prefix("r-").is_some_and(|digits| reason.contains(digits))
    });
    let file = named.max().unwrap_or_else(|| newest(chunks));
    Error::CorruptLog { file, reason }
}

/// The process, or the system, had no descriptor left; the log's library tells it as a text.
fn lacks_descriptors(source: &io::Error, reason: &str) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(source.raw_os_error(), Some(EMFILE | ENFILE))
        || ["(os error 24)", "(os error 23)"].iter().any(|error| reason.contains(error))
}

fn entry((id, payload): (StoredLogId, StoredPayload)) -> LogEntry {
    LogEntry { log_id: id.0, payload: payload.0 }
}

impl Entries for FileLog {
    fn entries(&self, from: u64, to: u64, bytes: usize) -> io::Result<Vec<LogEntry>> {
        let log = self.log.read();
        let (mut entries, mut taken) = (Vec::new(), 0);
        for found in log.read(from, to.max(from)) {
            let entry = entry(found?);
            taken += read::size(&entry.payload);
            if taken > bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn vote(&self) -> io::Result<Option<Vote>> {
        Ok(self.log.read().log_state().vote().map(|vote| vote.0))
    }

    fn landed(&self) -> io::Result<u64> {
        Ok(self.log.read().log_state().user_data.map_or(0, |landed| landed.0))
    }

    fn note_landed(&self, applied: u64) -> BoxFuture<'static, io::Result<()>> {
        let this = self.clone();
        Box::pin(async move {
            let mut word = Word::default();
            let written = this.synced(|log| {
                word = this.riders.landed(applied);
                log.save_user_data(Some(StoredLanded(word.upto)))
            });
            written.await?;
            this.riders.noted(word);
            Ok(())
        })
    }
}

impl RaftLogReader<Types> for FileLog {
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

impl RaftLogStorage<Types> for FileLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let log = self.log.read();
        let state = log.log_state();
        Ok(LogState {
            last_purged_log_id: state.purged().map(|id| id.0),
            last_log_id: state.last().map(|id| id.0),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let vote = StoredVote(*vote);
        self.synced(move |log| log.save_vote(vote)).await?;
        // The core takes a newer vote on disk for all that was written before it.
        self.riders.all_landed().await;
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(committed) = committed else { return Ok(()) };
        let mut log = self.log.write();
        let (id, state) = (StoredLogId(committed), log.log_state());
        // Only a hint for the next start: what the log does not hold yet, or knows, is no news.
        if Some(&id) <= state.committed() || Some(&id) > state.last() {
            return Ok(());
        }
        // It is written with the next entries: by itself it would cost a wake and a write each.
        log.commit(id).map(drop)
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.log.read().log_state().committed().map(|id| id.0))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let (entries, logged) = self.riders.board(entries, callback);
        let mut log = self.log.write();
        let stored = entries
            .into_iter()
            .map(|entry| (StoredLogId(entry.log_id()), StoredPayload(entry.payload)));
        let end = log.append(stored)?.end().0;
        log.flush(true, Some(Flushed::new(Told::Core(logged), self.mark.clone(), end)))
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let next = last.map_or(0, |id| id.index() + 1);
        let end = self.log.read().log_state().last().map_or(0, |id| id.0.index() + 1);
        if next >= end {
            return Ok(());
        }
        let riders = self.riders.clone();
        let truncated = self.synced(move |log| {
            riders.truncated(next);
            // What comes in the place of these has not landed.
            if log.log_state().user_data.is_some_and(|landed| landed.0 > next) {
                log.save_user_data(Some(StoredLanded(next)))?;
            }
            log.truncate(next)
        });
        truncated.await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let mut log = self.log.write();
        let end = log.purge(StoredLogId(log_id))?.end().0;
        log.flush(true, Some(Flushed::new(Told::Nobody, self.mark.clone(), end)))
    }
}
