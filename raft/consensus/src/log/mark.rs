//! The mark: how far the log had been synced, kept in a second place.
//!
//! A log that ends before its mark was shortened or damaged after it had been synced: that is no
//! torn write, and the node may not vote with it. The mark itself is not synced each time (an
//! older mark detects less and never accuses wrongly); it survives a killed process, and is synced
//! now and then for the loss of power.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The mark's first octets: what it is and its version.
const MAGIC: [u8; 8] = *b"lgspmrk1";
const LENGTH: usize = 20;

/// How far the log is known to be on disk.
#[derive(Clone)]
pub(crate) struct Mark(Arc<Inner>);

struct Inner {
    file: File,
    end: AtomicU64,
    synced: AtomicU64,
}

impl Mark {
    /// Opens a mark, or makes the first one.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if !path.exists() {
            // Whole from the moment that it has its name: an empty mark would look like damage.
            let mut unfinished = path.as_os_str().to_owned();
            unfinished.push(".new");
            let file =
                OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished)?;
            file.write_all_at(&encode(0), 0)?;
            file.sync_all()?;
            fs::rename(&unfinished, path)?;
            if let Some(parent) = path.parent() {
                File::open(parent)?.sync_all()?;
            }
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let end = read(&file)?;
        Ok(Self(Arc::new(Inner { file, end: AtomicU64::new(end), synced: AtomicU64::new(end) })))
    }

    /// Where the synced part of the log ended when the mark was last written.
    pub(crate) fn end(&self) -> u64 {
        self.0.end.load(Ordering::Acquire)
    }

    /// Notes that the log is on disk up to this offset. Only the log's writer calls this.
    pub(crate) fn advance(&self, end: u64) -> io::Result<()> {
        if end <= self.0.end.fetch_max(end, Ordering::AcqRel) {
            return Ok(());
        }
        self.write(end)
    }

    /// Brings the mark itself to disk, if it moved. Blocks.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let end = self.end();
        if self.0.synced.swap(end, Ordering::AcqRel) != end {
            self.0.file.sync_data()?;
        }
        Ok(())
    }

    fn write(&self, end: u64) -> io::Result<()> {
        self.0.file.write_all_at(&encode(end), 0)
    }
}

fn encode(end: u64) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&end.to_be_bytes());
    let check = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&check.to_be_bytes());
    bytes
}

fn read(file: &File) -> io::Result<u64> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the mark cannot be read");
    let mut bytes = [0; LENGTH];
    file.read_exact_at(&mut bytes, 0).map_err(|_| damaged())?;
    let (head, check) = bytes.split_at(16);
    if head[..8] != MAGIC || check != crc32fast::hash(head).to_be_bytes() {
        return Err(damaged());
    }
    Ok(u64::from_be_bytes(head[8..].try_into().map_err(|_| damaged())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_was_being_made_is_made_anew() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("log.synced");
        let unfinished = directory.path().join("log.synced.new");
        fs::write(&unfinished, b"").expect("the process died here");
        let mark = Mark::open(&path).expect("nothing was promised yet");
        assert!(!unfinished.exists(), "it has got its name");
        mark.advance(77).expect("written");
        drop(mark);
        assert_eq!(Mark::open(&path).expect("whole").end(), 77);
        // A mark with its name is never empty: that one is damaged.
        fs::write(&path, b"").expect("written");
        assert!(Mark::open(&path).is_err());
    }
}
