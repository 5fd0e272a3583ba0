//! The log of entries and votes: on disk, or in memory for simulation.

pub(crate) mod codec;
pub(crate) mod file;
pub(crate) mod mark;
pub(crate) mod read;
