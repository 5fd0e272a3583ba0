//! The disk as the history sees it: what a disk really does, no more. All of it blocks.
//!
//! Paths are relative to the directory of the history, with `/` between their parts. Nothing is durable
//! before a sync: a file's octets by [`File::sync`], a name by [`Disk::sync_dir`].

use std::{io, sync::Arc};

pub mod real;
pub mod sim;

/// A directory of a disk.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file that exists.
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>>;
    /// Creates a file, empty; one that exists is emptied.
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>>;
    /// Creates a directory and what is above it, durably; one that exists is left alone.
    fn make_dir(&self, path: &str) -> io::Result<()>;
    /// The names of the files in a directory, in no order.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
    /// Gives a file another name in the same directory.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &str) -> io::Result<()>;
}

/// An open file. Whoever has it may go on when it is renamed.
pub trait File: Send + Sync {
    /// Writes octets at an offset; lengthens the file where need be.
    fn write(&self, offset: u64, octets: &[u8]) -> io::Result<()>;
    /// Reads up to so many octets; fewer only at the end of the file.
    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// Makes the file's octets and length durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file, or lengthens it by zeros.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// The file's length.
    fn size(&self) -> io::Result<u64>;
}
