//! The stores against the Raft library's own suite, and the log against damage.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use model::NodeId;
use openraft::{
    RaftLogReader, StorageError,
    entry::RaftEntry,
    storage::{IOFlushed, RaftLogStorage, RaftLogStorageExt},
    testing::log::{StoreBuilder, Suite},
    vote::RaftLeaderIdExt,
};
use tempfile::TempDir;

use crate::{
    Error, FactLog,
    dates::Dates,
    directory::{begin, claim},
    log::file::FileLog,
    node::Hold,
    sim,
    sim::log::LogSession,
    state::{Machine, Shared, disk::DiskState},
    types::{EntryBytes, LeaderId, LogEntry, LogId, Payload, Types, Vote},
};

fn shared() -> Shared {
    Shared::new(Arc::new(Dates::new()))
}

fn hold() -> Hold {
    tokio::sync::mpsc::channel(1).0
}

fn open(directory: &Path) -> Result<FileLog, Error> {
    FileLog::open(directory, false, hold())
}

fn facts() -> Arc<dyn FactLog> {
    Arc::new(sim::Facts::new())
}

struct OnDisk;

impl StoreBuilder<Types, FileLog, Machine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, FileLog, Machine), StorageError<Types>> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = open(directory.path()).expect("a fresh log opens");
        let state =
            DiskState::open(directory.path(), 32, (facts(), None)).expect("a fresh state opens");
        let machine = Machine::open((Arc::new(state), facts()), Arc::new(shared()), hold());
        Ok((directory, log, machine.expect("a fresh machine opens")))
    }
}

struct InMemory;

impl StoreBuilder<Types, LogSession, Machine, ()> for InMemory {
    async fn build(&self) -> Result<((), LogSession, Machine), StorageError<Types>> {
        let state = Arc::new(sim::State::new().session(facts()));
        let machine = Machine::open((state, facts()), Arc::new(shared()), hold());
        Ok(((), sim::Log::new().session(), machine.expect("a fresh machine opens")))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_on_disk_pass_the_suite_of_the_raft_library() {
    Suite::test_all(OnDisk).await.expect("the suite passes");
}

#[tokio::test]
async fn stores_in_memory_pass_the_suite_of_the_raft_library() {
    Suite::test_all(InMemory).await.expect("the suite passes");
}

fn id(index: u64) -> LogId {
    LogId::new(LeaderId::new_committed(1, 1), index)
}

fn entries(range: std::ops::Range<u64>) -> Vec<LogEntry> {
    let payload =
        |n: u64| Payload::Normal(EntryBytes::bare(Bytes::from(n.to_be_bytes().repeat(32))));
    range.map(|n| LogEntry::new(id(n), payload(n))).collect()
}

/// A log with a vote and the entries 0 to 99, closed.
async fn written(directory: &Path) {
    let mut log = open(directory).expect("a fresh log opens");
    log.save_vote(&Vote::new_committed(1, 1)).await.expect("saved");
    for step in 0..10 {
        log.blocking_append(entries(step * 10..step * 10 + 10)).await.expect("appended");
    }
}

fn chunk(directory: &Path) -> std::path::PathBuf {
    let names = fs::read_dir(directory.join("log")).expect("the log's directory");
    let mut chunks: Vec<_> = names
        .map(|name| name.expect("a name").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wal"))
        .collect();
    chunks.sort();
    chunks.pop().expect("a chunk")
}

fn refuses(directory: &Path, what: &str) {
    // Twice: a refusal must not mend what it refused.
    for _ in 0..2 {
        match open(directory) {
            Err(Error::CorruptLog { .. }) => {}
            Err(other) => panic!("{what}: {other}"),
            Ok(_) => panic!("{what} was not found"),
        }
    }
}

#[tokio::test]
async fn a_log_reads_back_after_a_restart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    written(directory.path()).await;
    let mut log = open(directory.path()).expect("it opens again");
    assert_eq!(log.read_vote().await.expect("read"), Some(Vote::new_committed(1, 1)));
    assert_eq!(log.try_get_log_entries(0..100).await.expect("read"), entries(0..100));
    assert!(matches!(open(directory.path()), Err(Error::Locked { .. })));
}

#[tokio::test]
async fn a_shortened_log_is_found_wherever_it_was_cut() {
    for cut in [1, 9, 100, 1_000, 20_000] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        written(directory.path()).await;
        let path = chunk(directory.path());
        let file = fs::OpenOptions::new().write(true).open(&path).expect("the chunk");
        let length = file.metadata().expect("its length").len();
        file.set_len(length.saturating_sub(cut)).expect("cut");
        refuses(directory.path(), "a cut");
    }
}

#[tokio::test]
async fn a_zeroed_tail_and_a_flipped_bit_and_a_lost_file_are_found() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    written(directory.path()).await;
    let path = chunk(directory.path());
    let good = fs::read(&path).expect("the chunk");

    let mut zeroed = good.clone();
    let from = zeroed.len() - 500;
    zeroed[from..].fill(0);
    fs::write(&path, &zeroed).expect("written");
    refuses(directory.path(), "a zeroed tail");

    for at in (0..good.len()).step_by(977) {
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).expect("written");
        refuses(directory.path(), "a flipped bit");
    }

    fs::remove_file(&path).expect("removed");
    refuses(directory.path(), "a lost file");

    fs::write(&path, &good).expect("written");
    drop(open(directory.path()).expect("whole again"));
    fs::remove_file(directory.path().join("log.synced")).expect("removed");
    refuses(directory.path(), "a lost mark");
}

#[tokio::test]
async fn what_was_never_synced_may_be_torn() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    written(directory.path()).await;
    let path = chunk(directory.path());
    let mut torn = fs::read(&path).expect("the chunk");
    torn.extend_from_slice(&[0, 0, 0, 1, 0, 0]);
    fs::write(&path, &torn).expect("written");
    let mut log = open(directory.path()).expect("a torn tail is cut off");
    assert_eq!(log.try_get_log_entries(0..200).await.expect("read").len(), 100);
    log.blocking_append(entries(100..110)).await.expect("and the log goes on");
    drop(log);
    let mut log = open(directory.path()).expect("it opens again");
    assert_eq!(log.try_get_log_entries(0..200).await.expect("read"), entries(0..110));
}

#[tokio::test]
async fn a_purge_frees_chunks_and_survives_a_restart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(directory.path()).expect("a fresh log opens");
    let large = |n| {
        let payload = Payload::Normal(EntryBytes::bare(Bytes::from(vec![n as u8; 1 << 20])));
        LogEntry::new(id(n), payload)
    };
    for n in 0..40 {
        log.blocking_append([large(n)]).await.expect("appended");
    }
    let chunks = || fs::read_dir(directory.path().join("log")).expect("the directory").count();
    let before = chunks();
    log.purge(id(35)).await.expect("purged");
    log.blocking_append([large(40)]).await.expect("appended");
    drop(log);
    assert!(chunks() < before, "{before} chunks before, {} after", chunks());
    let mut log = open(directory.path()).expect("it opens again");
    let left = log.try_get_log_entries(0..100).await.expect("read");
    assert_eq!(left.first().map(|entry| entry.index()), Some(36));
    assert_eq!(left.len(), 5);
    assert_eq!(log.limited_get_log_entries(36, 41).await.expect("read").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_log_in_memory_loses_what_was_not_synced() {
    let log = sim::Log::new();
    log.set_sync_delay(std::time::Duration::from_millis(5));
    let mut session = log.session();
    session.blocking_append(entries(0..3)).await.expect("appended");
    session.append(entries(3..5), IOFlushed::noop()).await.expect("appended");
    assert_eq!(session.try_get_log_entries(0..9).await.expect("read").len(), 5);
    log.crash();
    assert!(session.try_get_log_entries(0..9).await.is_err(), "the old node has lost its disk");
    assert_eq!(log.session().try_get_log_entries(0..9).await.expect("read"), entries(0..3));
}

#[test]
fn a_directory_belongs_to_one_node_and_one_format() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = &directory.path().join("consensus");
    claim(path, NodeId(3)).expect("claimed");
    claim(path, NodeId(3)).expect("claimed again");
    assert!(matches!(claim(path, NodeId(4)), Err(Error::OtherNode { .. })));
    fs::write(path.join("format"), "lgsp-consensus 2 3\n").expect("written");
    assert!(matches!(claim(path, NodeId(3)), Err(Error::NewerFormat { found: 2, .. })));
    fs::write(path.join("format"), "something else").expect("written");
    assert!(matches!(claim(path, NodeId(3)), Err(Error::CorruptState { .. })));
}

#[test]
fn a_node_that_took_part_does_not_begin_anew() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = &directory.path().join("consensus");
    // As a node starts.
    let start = || {
        let begun = claim(path, NodeId(3))?;
        drop(FileLog::open(path, begun, hold())?);
        if begun { Ok(()) } else { begin(path, NodeId(3)) }
    };
    start().expect("a fresh node");
    start().expect("again");
    // The log goes, mark and all; the rest stays.
    fs::remove_dir_all(path.join("log")).expect("lost");
    assert!(matches!(start(), Err(Error::CorruptLog { .. })));
    fs::remove_file(path.join("log.synced")).expect("lost");
    for _ in 0..2 {
        assert!(matches!(start(), Err(Error::CorruptLog { .. })));
    }
    fs::remove_dir_all(path).expect("the directory is lost");
    for _ in 0..2 {
        assert!(matches!(start(), Err(Error::LogGone { .. })));
    }
    // An unmounted disk leaves an empty directory.
    fs::create_dir(path).expect("made");
    assert!(matches!(start(), Err(Error::LogGone { .. })));
    // One that was made before there was such a word goes on, and has it from then on; so does one
    // that died before it had written it.
    fs::remove_file(directory.path().join("consensus.begun")).expect("it never was");
    start().expect("claimed");
    fs::remove_file(directory.path().join("consensus.begun")).expect("it never was");
    start().expect("claimed again");
    fs::remove_dir_all(path).expect("the directory is lost");
    assert!(matches!(start(), Err(Error::LogGone { .. })));
}
