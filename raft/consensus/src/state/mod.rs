//! The replicated state on a node: where it lies, how entries change it, how it travels.

pub(crate) mod disk;
mod edges;
mod hot;
pub(crate) mod machine;
mod settle;
pub(crate) mod snapshot;
pub(crate) mod sums;
mod young;

use std::{io, sync::Arc};

use ::machine::{Reader, Write};
use futures_util::future::BoxFuture;

pub(crate) use self::machine::{Machine, Shared};

/// A consistent view of the state at one moment; later entries do not change it.
pub type StateView = Arc<dyn Reader + Send + Sync>;

/// The key-value pairs of one block of a snapshot.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Where the state lies: on disk, or in memory for simulation.
///
/// A reader never fails towards the rules. A store that fails says so by [`StateDisk::check`], and
/// nothing that was computed from it is written.
pub(crate) trait StateDisk: Send + Sync + 'static {
    /// The newest state; only the one who applies may read here, between its own writes.
    fn reader(&self) -> &(dyn Reader + Send + Sync);

    /// Rows of the newest state for everybody else, one by one: all that was acknowledged is there, but
    /// two reads may see different moments, in any order, and a part of an entry that is being
    /// applied. A read that fails panics, as with a view.
    fn latest(&self) -> &(dyn Reader + Send + Sync);

    /// Shows the newest state as it is at this moment: nothing is applied meanwhile. A read that fails
    /// panics.
    fn peek(&self, look: &mut dyn FnMut(&dyn Reader));

    /// A consistent view of the newest state, and the position that it stands at.
    fn view(&self) -> io::Result<(StateView, Option<Vec<u8>>)>;

    /// Writes all of it and the position that it brings the state to, or nothing.
    fn write(&self, writes: &mut dyn Iterator<Item = Write>, position: Vec<u8>) -> io::Result<()>;

    /// Whether every read so far has worked.
    fn check(&self) -> io::Result<()>;

    /// Brings everything written so far to the disk.
    fn persist(&self) -> BoxFuture<'static, io::Result<()>>;

    /// Whether the disk is so short of room that what can wait must wait.
    fn is_short(&self) -> bool {
        false
    }

    /// Begins to take another state in, in a place where nobody reads. A later stage makes an
    /// earlier one useless.
    fn stage(&self) -> io::Result<Box<dyn Stage>>;
}

/// A state that is being taken in.
pub(crate) trait Stage: Send + Sync {
    /// Adds pairs.
    fn put(&mut self, pairs: Pairs) -> io::Result<()>;

    /// Makes it the state, atomically, at this position.
    fn switch(self: Box<Self>, position: Vec<u8>) -> io::Result<()>;
}
