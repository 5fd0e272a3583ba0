//! The real disk: plain files under a directory, `pwritev`, `preadv` and `fdatasync`.
//!
//! Each operation is one job of tokio's blocking pool, at most [`JOBS_MAX`] at once. A read that
//! the page cache can answer is done at once, without a change of thread.
//!
//! Files can still be opened when other parts of the process have used up its descriptors: some are held
//! in reserve, and beyond them an open waits for a bounded time. Directories stay open, so that a sync
//! needs no descriptor.

use std::{
    collections::HashMap,
    fs, io,
    io::{IoSlice, IoSliceMut},
    os::fd::AsFd,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use parking_lot::Mutex;
use rustix::{
    fs::{FallocateFlags, fallocate, fdatasync, statvfs},
    io::{Errno, ReadWriteFlags},
};
use tokio::sync::Semaphore;

use super::{Disk, DiskFuture, File, Write, is_short};

/// Jobs at once: beyond it a disk only queues, and each may hold a thread.
pub(crate) const JOBS_MAX: usize = 16;
/// Pieces that one `pwritev` takes (IOV_MAX of Linux).
const PIECES_MAX: usize = 1024;

/// Descriptors held in reserve: as many as there are jobs, so that each may open a file.
const SPARES: usize = JOBS_MAX;
/// How long a job waits for a descriptor once the reserve is used up, and how often it looks.
const SHORT_TIME_MAX: Duration = Duration::from_secs(1);
const SHORT_PAUSE: Duration = Duration::from_millis(20);

/// A directory of the real file system.
#[derive(Clone)]
pub struct RealDisk {
    root: PathBuf,
    jobs: Arc<Semaphore>,
    descriptors: Arc<Descriptors>,
}

/// Descriptors that are kept for the store.
#[derive(Default)]
struct Descriptors {
    spares: Mutex<Vec<fs::File>>,
    directories: Mutex<HashMap<PathBuf, Arc<fs::File>>>,
}

impl Descriptors {
    /// Fills the reserve, as far as there are descriptors.
    fn fill(&self) {
        let mut spares = self.spares.lock();
        while spares.len() < SPARES {
            let Ok(spare) = fs::File::open("/dev/null") else { return };
            spares.push(spare);
        }
    }

    /// Opens something, if necessary with a descriptor of the reserve or with the next free one.
    fn open<T>(&self, mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let began = Instant::now();
        loop {
            let error = match open() {
                Err(error) if is_short(&error) => error,
                opened => {
                    if opened.is_ok() && self.spares.lock().len() < SPARES {
                        self.fill();
                    }
                    return opened;
                }
            };
            // Dropped, the spare gives its place; another thread may be quicker, so it is a loop.
            if self.spares.lock().pop().is_some() {
                continue;
            }
            if began.elapsed() >= SHORT_TIME_MAX {
                return Err(error);
            }
            std::thread::sleep(SHORT_PAUSE);
        }
    }

    /// A directory, opened once.
    fn directory(&self, path: PathBuf) -> io::Result<Arc<fs::File>> {
        if let Some(open) = self.directories.lock().get(&path) {
            return Ok(open.clone());
        }
        let open = Arc::new(self.open(|| fs::File::open(&path))?);
        self.directories.lock().insert(path, open.clone());
        Ok(open)
    }
}

struct RealFile {
    file: Arc<fs::File>,
    jobs: Arc<Semaphore>,
}

impl RealDisk {
    /// The disk under a directory, which must exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let descriptors = Arc::<Descriptors>::default();
        descriptors.fill();
        Self { root: root.into(), jobs: Arc::new(Semaphore::new(JOBS_MAX)), descriptors }
    }

    fn open_with(&self, path: &str, options: fs::OpenOptions) -> DiskFuture<Arc<dyn File>> {
        let (path, jobs) = (self.root.join(path), self.jobs.clone());
        let descriptors = self.descriptors.clone();
        run(self.jobs.clone(), move || {
            let file = Arc::new(descriptors.open(|| options.open(&path))?);
            Ok(Arc::new(RealFile { file, jobs }) as Arc<dyn File>)
        })
    }
}

/// Runs a job on the blocking pool.
fn run<T: Send + 'static>(
    jobs: Arc<Semaphore>,
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> DiskFuture<T> {
    Box::pin(async move {
        let permit = jobs.acquire_owned().await.map_err(io::Error::other)?;
        let job = move || {
            let _permit = permit;
            job()
        };
        tokio::task::spawn_blocking(job).await.map_err(io::Error::other)?
    })
}

impl Disk for RealDisk {
    fn open(&self, path: &str) -> DiskFuture<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true);
        self.open_with(path, options)
    }

    fn create(&self, path: &str) -> DiskFuture<Arc<dyn File>> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        self.open_with(path, options)
    }

    fn make_dir(&self, path: &str) -> DiskFuture<()> {
        use std::os::unix::fs::DirBuilderExt;
        let path = self.root.join(path);
        run(self.jobs.clone(), move || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
        })
    }

    fn list(&self, path: &str) -> DiskFuture<Vec<(String, u64)>> {
        let (path, descriptors) = (self.root.join(path), self.descriptors.clone());
        run(self.jobs.clone(), move || {
            let mut files = Vec::new();
            for entry in descriptors.open(|| fs::read_dir(&path))? {
                let entry = entry?;
                let meta = entry.metadata()?;
                // A name that is not UTF-8 is not ours.
                if let (true, Ok(name)) = (meta.is_file(), entry.file_name().into_string()) {
                    files.push((name, meta.len()));
                }
            }
            Ok(files)
        })
    }

    fn rename(&self, from: &str, to: &str) -> DiskFuture<()> {
        let (from, to) = (self.root.join(from), self.root.join(to));
        run(self.jobs.clone(), move || fs::rename(from, to))
    }

    fn remove(&self, path: &str) -> DiskFuture<()> {
        let path = self.root.join(path);
        run(self.jobs.clone(), move || fs::remove_file(path))
    }

    fn sync_dir(&self, path: &str) -> DiskFuture<()> {
        let (path, descriptors) = (self.root.join(path), self.descriptors.clone());
        run(self.jobs.clone(), move || descriptors.directory(path)?.sync_all())
    }

    fn free_space(&self) -> DiskFuture<u64> {
        let root = self.root.clone();
        run(self.jobs.clone(), move || {
            let room = statvfs(&root)?;
            Ok(room.f_bavail.saturating_mul(room.f_frsize))
        })
    }
}

impl File for RealFile {
    fn write(&self, writes: Vec<Write>, durable: bool) -> DiskFuture<()> {
        let file = self.file.clone();
        run(self.jobs.clone(), move || {
            let mut rest = &writes[..];
            while let Some(first) = rest.first() {
                let count = adjoining(rest);
                write_vectored(&file, first.offset, &rest[..count])?;
                rest = &rest[count..];
            }
            if durable { Ok(fdatasync(&*file)?) } else { Ok(()) }
        })
    }

    fn read(&self, offset: u64, len: usize) -> DiskFuture<BytesMut> {
        let mut buffer = BytesMut::zeroed(len);
        let mut done = 0;
        while done < len {
            let mut slices = [IoSliceMut::new(&mut buffer[done..])];
            let at = offset + done as u64;
            match rustix::io::preadv2(self.file.as_fd(), &mut slices, at, ReadWriteFlags::NOWAIT) {
                // Zero is the end of the file only when asked in earnest: the job below asks again.
                Ok(0) | Err(_) => break,
                Ok(count) => done += count,
            }
        }
        if done == len {
            return Box::pin(std::future::ready(Ok(buffer)));
        }
        let file = self.file.clone();
        run(self.jobs.clone(), move || {
            while done < len {
                match rustix::io::pread(&*file, &mut buffer[done..], offset + done as u64) {
                    Ok(0) => break,
                    Ok(count) => done += count,
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            buffer.truncate(done);
            Ok(buffer)
        })
    }

    fn sync_data(&self) -> DiskFuture<()> {
        let file = self.file.clone();
        run(self.jobs.clone(), move || Ok(fdatasync(&*file)?))
    }

    fn truncate(&self, len: u64) -> DiskFuture<()> {
        let file = self.file.clone();
        run(self.jobs.clone(), move || file.set_len(len))
    }

    fn allocate(&self, len: u64) -> DiskFuture<()> {
        let file = self.file.clone();
        run(self.jobs.clone(), move || match fallocate(&*file, FallocateFlags::empty(), 0, len) {
            // A file system without preallocation only loses some speed.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(len),
            other => Ok(other?),
        })
    }

    fn punch_hole(&self, offset: u64, len: u64) -> DiskFuture<()> {
        let file = self.file.clone();
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        run(self.jobs.clone(), move || match fallocate(&*file, flags, offset, len) {
            // The space comes back when the whole file goes.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            other => Ok(other?),
        })
    }

    fn size(&self) -> DiskFuture<u64> {
        let file = self.file.clone();
        run(self.jobs.clone(), move || Ok(file.metadata()?.len()))
    }
}

/// How many of the first pieces follow each other without a gap.
fn adjoining(writes: &[Write]) -> usize {
    let mut end = None;
    let gap = writes.iter().take(PIECES_MAX).position(|write| {
        let adjoins = end.is_none_or(|end| end == write.offset);
        end = Some(write.offset + write.bytes.len() as u64);
        !adjoins
    });
    gap.unwrap_or(writes.len().min(PIECES_MAX))
}

fn write_vectored(file: &fs::File, mut offset: u64, writes: &[Write]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> =
        writes.iter().map(|write| IoSlice::new(&write.bytes)).collect();
    let mut slices = &mut slices[..];
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match rustix::io::pwritev(file, slices, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                offset += count as u64;
                IoSlice::advance_slices(&mut slices, count);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
