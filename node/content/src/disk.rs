//! The disk as the store sees it: what a disk really does, no more.
//!
//! Paths are relative to the store's directory, with `/` between their parts. Nothing is durable
//! before a sync: a file's octets by `sync_data` (or a durable write), a name by `sync_dir`.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use rustix::io::Errno;

pub mod real;
pub mod sim;

pub use real::RealDisk;
pub use sim::SimDisk;

/// An operation of the disk under way.
pub type DiskFuture<T> = BoxFuture<'static, io::Result<T>>;

/// Octets and where they go.
#[derive(Clone)]
pub struct Write {
    /// Offset in the file.
    pub offset: u64,
    /// What is written there.
    pub bytes: Bytes,
}

/// A directory of a disk.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file that exists.
    fn open(&self, path: &str) -> DiskFuture<Arc<dyn File>>;
    /// Creates a file, empty; one that exists is emptied.
    fn create(&self, path: &str) -> DiskFuture<Arc<dyn File>>;
    /// Creates a directory and what is above it; one that exists is left alone.
    fn make_dir(&self, path: &str) -> DiskFuture<()>;
    /// The files in a directory, by name, with their lengths; in no order.
    fn list(&self, path: &str) -> DiskFuture<Vec<(String, u64)>>;
    /// Gives a file another name in the same directory, replacing what had it.
    fn rename(&self, from: &str, to: &str) -> DiskFuture<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> DiskFuture<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &str) -> DiskFuture<()>;
    /// Octets that may still be written.
    fn free_space(&self) -> DiskFuture<u64>;
}

/// An open file.
pub trait File: Send + Sync + 'static {
    /// Writes the pieces, in order; with `durable`, a sync of the file's data follows.
    fn write(&self, writes: Vec<Write>, durable: bool) -> DiskFuture<()>;
    /// Reads up to `len` octets; fewer only at the end of the file.
    fn read(&self, offset: u64, len: usize) -> DiskFuture<BytesMut>;
    /// Makes the file's octets and length durable.
    fn sync_data(&self) -> DiskFuture<()>;
    /// Cuts the file, or lengthens it by zeros.
    fn truncate(&self, len: u64) -> DiskFuture<()>;
    /// Reserves room up to `len` octets; what was not written reads as zeros.
    fn allocate(&self, len: u64) -> DiskFuture<()>;
    /// Gives a range back to the disk; it reads as zeros.
    fn punch_hole(&self, offset: u64, len: u64) -> DiskFuture<()>;
    /// The file's length.
    fn size(&self) -> DiskFuture<u64>;
}

/// Whether the disk took nothing because it is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Between two tries of what must be done, while the system gives no descriptor.
pub(crate) const SHORT_PAUSE: Duration = Duration::from_millis(200);

/// Whether the process, or the system, has no descriptor left. Only opening asks for one, so no
/// octet was written.
pub(crate) fn is_short(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}
