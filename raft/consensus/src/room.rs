//! The room that log and state have of their own, for the day on which somebody else fills the disk.
//!
//! The open chunk of the log owns its blocks before it is written, and a file beside the log, the
//! spare, holds blocks for nobody. While the disk is short of room the state keeps new rows in memory
//! and writes to the log alone. Once nothing more is being taken away, a half of the spare is given
//! back, and later the other: receipts, rejections, cancellations and purges go on, and they are what
//! frees room. It is made again when there is room.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// The spare's file in the node's directory.
const SPARE: &str = "spare";

/// Less free than this is short: more than the state writes at once, merges of files included.
const SHORT_BYTES: u64 = 32 << 20;

/// Less free than this, and the state takes of the spare before it writes.
const NONE_BYTES: u64 = 8 << 20;

/// The spare is made only where so many times its size is free: on a small disk it would itself be
/// what fills it.
const SPARE_SHARE: u64 = 3;

/// Octets that an open chunk owns: its full size, and the entry that overflows it.
const CHUNK_BLOCKS: u64 = (16 + 5) << 20;

/// Between two looks at the disk.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Free room that moves less than this between two looks is not being taken away.
const STILL_BYTES: u64 = 1 << 20;

/// The room of one node.
pub(crate) struct Room {
    directory: PathBuf,
    chunks: PathBuf,
    /// Octets that the spare has when it is whole.
    spare_bytes: u64,
    short: AtomicBool,
    last_free: AtomicU64,
    owned: Mutex<Option<PathBuf>>,
    /// Held while the spare changes.
    spare: Mutex<()>,
}

impl Room {
    pub(crate) fn of(directory: &Path, chunks: PathBuf, spare_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            directory: directory.to_owned(),
            chunks,
            spare_bytes,
            short: AtomicBool::new(false),
            last_free: AtomicU64::new(u64::MAX),
            owned: Mutex::new(None),
            spare: Mutex::new(()),
        })
    }

    /// Whether the disk is short of room.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Acquire)
    }

    /// The same at this moment, for whoever is about to write much: between two looks a disk can be filled.
    pub(crate) fn is_short_now(&self) -> bool {
        if self.free().is_ok_and(|free| free < SHORT_BYTES)
            && !self.short.swap(true, Ordering::AcqRel)
        {
            tracing::warn!("the disk is short of room: log and state live on their own");
        }
        self.is_short()
    }

    /// Before the state writes where the disk is short: takes of the spare what it needs.
    pub(crate) fn before_writing(&self) {
        if self.is_short() && self.free().is_ok_and(|free| free < NONE_BYTES) {
            self.give_back();
        }
    }

    /// One look at the disk. Blocks.
    pub(crate) fn look(&self) -> io::Result<()> {
        self.own_chunk();
        let free = self.free()?;
        let before = self.last_free.swap(free, Ordering::AcqRel);
        let short = free < SHORT_BYTES;
        if short != self.short.swap(short, Ordering::AcqRel) {
            if short {
                tracing::warn!(free, "the disk is short of room: log and state live on their own");
            } else {
                tracing::warn!(free, "the disk has room again");
            }
        }
        if short {
            // Whoever fills the disk would take what is given back while he is at it.
            if free.abs_diff(before) < STILL_BYTES {
                self.give_back();
            }
            return Ok(());
        }
        self.make_spare(free)
    }

    fn free(&self) -> io::Result<u64> {
        let disk = statvfs(&self.directory)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Gives a half of the whole spare back to the disk, or what is left of it; whether there was something.
    pub(crate) fn give_back(&self) -> bool {
        let _changing = self.spare.lock();
        let path = self.directory.join(SPARE);
        let Ok(length) = fs::metadata(&path).map(|metadata| metadata.len()) else {
            return false;
        };
        if length == 0 {
            return false;
        }
        let left = length.saturating_sub(self.spare_bytes.div_ceil(2));
        let given = File::options().write(true).open(&path).and_then(|file| file.set_len(left));
        match given {
            Ok(()) => {
                tracing::warn!(given = length - left, left, "room was given back to the disk");
            }
            Err(error) => {
                tracing::warn!(%error, "the spare room cannot be given back");
                return false;
            }
        }
        true
    }

    /// Makes the spare whole, where that leaves enough.
    fn make_spare(&self, free: u64) -> io::Result<()> {
        let _changing = self.spare.lock();
        let path = self.directory.join(SPARE);
        let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let lacking = self.spare_bytes.saturating_sub(length);
        if lacking == 0 || free < lacking.saturating_mul(SPARE_SHARE) {
            return Ok(());
        }
        let file =
            File::options().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        // Not every file system can promise blocks; one that cannot has no spare.
        match fallocate(&file, FallocateFlags::empty(), 0, self.spare_bytes) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The newest chunk of the log gets its blocks before they are written.
    fn own_chunk(&self) {
        let Ok(files) = fs::read_dir(&self.chunks) else { return };
        let names = files.flatten().map(|file| file.path());
        let chunks = names.filter(|path| path.extension().is_some_and(|it| it == "wal"));
        let Some(newest) = chunks.max() else { return };
        let mut owned = self.owned.lock();
        if owned.as_ref() == Some(&newest) {
            return;
        }
        let blocks = File::options().write(true).open(&newest).and_then(|file| {
            fallocate(&file, FallocateFlags::KEEP_SIZE, 0, CHUNK_BLOCKS).map_err(io::Error::from)
        });
        match blocks {
            Ok(()) => *owned = Some(newest),
            Err(error) => {
                tracing::debug!(%error, "the log's newest chunk has no blocks of its own")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_spare_is_given_back_by_halves_and_made_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let chunks = directory.path().join("log");
        fs::create_dir(&chunks).expect("made");
        fs::write(chunks.join("r-00.wal"), b"an entry").expect("written");
        let room = Room::of(directory.path(), chunks.clone(), 1 << 20);
        room.look().expect("there is room");
        let spare = directory.path().join(SPARE);
        let length = || fs::metadata(&spare).expect("there").len();
        assert_eq!(length(), 1 << 20);
        let chunk = fs::metadata(chunks.join("r-00.wal")).expect("there");
        assert_eq!(chunk.len(), 8, "its length says what was written");
        assert!(chunk.blocks() * 512 >= CHUNK_BLOCKS, "its blocks are its own");
        assert!(room.give_back());
        assert_eq!(length(), 1 << 19);
        assert!(room.give_back());
        assert!(!room.give_back());
        assert_eq!(length(), 0);
        room.look().expect("there is room");
        assert_eq!(length(), 1 << 20);
    }
}
