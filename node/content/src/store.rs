//! What all parts of one store share: its ports, its index, its members, and its failure.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use model::{NodeId, SpaceId};
use parking_lot::{Mutex, RwLock};
use rustix::io::Errno;
use tokio::{
    sync::{Semaphore, watch},
    task::AbortHandle,
    time::Instant,
};

use crate::{
    Disk, Error, KeySealer, Metrics, Options, Peers, Random, copies::Lane, files::Spaces,
    index::Index, lanes::BEHIND_MAX, reconcile::Healings, segments::Segments, writer::Sessions,
};

/// The version of the directory.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const FORMAT_NEW: &str = "format.new";
/// How long an answer of the disk about its free space is used: a reserve is far larger than what
/// a second can write.
const ROOM_TIME: Duration = Duration::from_secs(1);

/// Who this node is and who votes.
#[derive(Default)]
pub(crate) struct Members {
    pub node: NodeId,
    pub voters: Vec<NodeId>,
    /// Small copies go to each other voter through its lane.
    pub lanes: BTreeMap<NodeId, Lane>,
}

impl Members {
    pub fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    pub fn others(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.voters.iter().copied().filter(|voter| *voter != self.node)
    }
}

/// One store.
pub(crate) struct Store {
    pub disk: Arc<dyn Disk>,
    pub peers: Arc<dyn Peers>,
    pub keys: Arc<dyn KeySealer>,
    pub random: Random,
    pub metrics: Metrics,
    pub index: Mutex<Index>,
    pub members: RwLock<Arc<Members>>,
    pub segments: Segments,
    pub spaces: Spaces,
    pub sessions: Sessions,
    pub healings: Healings,
    /// One permit for each lane of this node that has fallen behind.
    pub behind: Semaphore,
    /// Contents that a writer is sending here now, and by how many streams.
    pub feeds: Mutex<BTreeMap<SpaceId, usize>>,
    failed: watch::Sender<bool>,
    reserve: u64,
    room: Mutex<Option<Instant>>,
    has_room: AtomicBool,
    free: AtomicU64,
    tasks: Mutex<HashMap<u64, AbortHandle>>,
    next_task: AtomicU64,
}

impl Store {
    /// Opens the directory and reads what is there.
    pub async fn open(options: Options) -> Result<Arc<Self>, Error> {
        let Options { disk, peers, keys, random, reserve, segment_bytes } = options;
        check_format(&*disk).await?;
        let (segments, jobs) = Segments::new(segment_bytes);
        let store = Arc::new(Self {
            disk,
            peers,
            keys,
            random,
            metrics: Metrics::default(),
            index: Mutex::default(),
            members: RwLock::default(),
            segments,
            spaces: Spaces::default(),
            sessions: Sessions::default(),
            healings: Healings::default(),
            behind: Semaphore::new(BEHIND_MAX),
            feeds: Mutex::default(),
            failed: watch::channel(false).0,
            reserve,
            room: Mutex::new(None),
            has_room: AtomicBool::new(true),
            free: AtomicU64::new(u64::MAX),
            tasks: Mutex::default(),
            next_task: AtomicU64::new(0),
        });
        store.scan_segments().await?;
        store.scan_files().await?;
        let committer = store.clone();
        store.spawn(async move { committer.commit_loop(jobs).await });
        Ok(store)
    }

    /// Starts a task that `shutdown` ends.
    pub fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let id = self.next_task.fetch_add(1, Relaxed);
        let store = Arc::downgrade(self);
        let mut tasks = self.tasks.lock();
        let handle = tokio::spawn(async move {
            task.await;
            if let Some(store) = store.upgrade() {
                store.tasks.lock().remove(&id);
            }
        });
        tasks.insert(id, handle.abort_handle());
        handle.abort_handle()
    }

    pub fn shutdown(&self) {
        *self.members.write() = Arc::default();
        self.sessions.clear();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.into_values().for_each(|task| task.abort());
    }

    pub fn members(&self) -> Arc<Members> {
        self.members.read().clone()
    }

    pub fn watch_failure(&self) -> watch::Receiver<bool> {
        self.failed.subscribe()
    }

    /// After a failed write or sync nobody knows what the disk holds, so nothing is promised any more.
    /// Without a descriptor nothing was tried, so the store is as sound as before.
    pub fn fail(&self, what: &'static str, source: io::Error) -> Error {
        if is_short(&source) {
            tracing::warn!(what, "the content store has no file descriptor left");
            return Error::Short { what };
        }
        tracing::error!(what, %source, "the content store has failed");
        self.failed.send_replace(true);
        Error::Disk { what, source }
    }

    /// A failed write: only a full disk leaves the store sound.
    pub fn write_failed(&self, what: &'static str, source: io::Error) -> Error {
        if is_full(&source) { Error::Full } else { self.fail(what, source) }
    }

    pub fn alive(&self) -> Result<(), Error> {
        if *self.failed.borrow() { Err(Error::Failed) } else { Ok(()) }
    }

    /// Whether a content may be added: the disk's reserve and the index's cap.
    pub async fn check_room(&self) -> Result<(), Error> {
        self.alive()?;
        if self.index.lock().is_full() {
            return Err(Error::TooMany);
        }
        self.check_disk().await
    }

    /// Whether octets may be added to the disk.
    pub async fn check_disk(&self) -> Result<(), Error> {
        let now = Instant::now();
        let due = {
            let mut room = self.room.lock();
            let due = room.is_none_or(|at| now.duration_since(at) >= ROOM_TIME);
            if due {
                *room = Some(now);
            }
            due
        };
        if due && let Ok(free) = self.disk.free_space().await {
            self.free.store(free, Relaxed);
            self.has_room.store(free > self.reserve, Relaxed);
        }
        if self.has_room.load(Relaxed) { Ok(()) } else { Err(Error::Full) }
    }

    pub fn check_alive_here(&self, space: SpaceId) -> Result<(), Error> {
        self.alive()?;
        if self.index.lock().is_gone(space) { Err(Error::Purged { space }) } else { Ok(()) }
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// The process, or the system, has no descriptor left. Only opening asks for one: no octet was written.
pub(crate) fn is_short(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

pub(crate) fn disk_error(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| match is_short(&source) {
        true => Error::Short { what },
        false => Error::Disk { what, source },
    }
}

/// Reads the directory's version, or writes it into an empty directory.
async fn check_format(disk: &dyn Disk) -> Result<(), Error> {
    match disk.open(FORMAT_FILE).await {
        Ok(file) => {
            let text = file.read(0, 64).await.map_err(disk_error("read its format"))?;
            let text = std::str::from_utf8(&text).map_err(|_| Error::FormatDamaged)?;
            let found: u32 = text
                .trim_end()
                .strip_prefix("lgsp content ")
                .and_then(|number| number.parse().ok())
                .ok_or(Error::FormatDamaged)?;
            if found > FORMAT {
                return Err(Error::Format { found, known: FORMAT });
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_format(disk).await.map_err(disk_error("make its directory ready"))
        }
        Err(source) => Err(Error::Disk { what: "open its format", source }),
    }
}

async fn make_format(disk: &dyn Disk) -> io::Result<()> {
    disk.make_dir("segments").await?;
    disk.make_dir("spaces").await?;
    let file = disk.create(FORMAT_NEW).await?;
    let bytes = format!("lgsp content {FORMAT}\n").into();
    file.write(vec![crate::disk::Write { offset: 0, bytes }], true).await?;
    disk.rename(FORMAT_NEW, FORMAT_FILE).await?;
    disk.sync_dir("").await
}
