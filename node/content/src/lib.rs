//! The sealed streaming store of packet content of one node, and its copies to the other holders.
//!
//! An engine: disk and peers, no rules of the regulation. Small contents lie in segments with
//! group commit, large ones in files of their own; every content has its own key in a slot that
//! the purge overwrites. What is acknowledged is durable on a majority of the voters.
//!
//! It deliberately lacks: who may read or write (delivery), what a packet's state is (machine),
//! connections (mesh), the cluster key (certs), the lock of the directory (app).

mod behind;
mod content;
mod copies;
mod error;
mod files;
mod index;
mod lanes;
mod layout;
mod limits;
mod metrics;
mod ports;
mod protocol;
mod purge;
mod reader;
mod reconcile;
mod record;
mod recover;
mod seal;
mod segments;
mod serve;
mod store;
mod takeover;
mod words;
mod writer;

pub mod disk;

#[cfg(test)]
mod tests;

pub use content::{Content, Options, Reader, Writer};
pub use disk::{Disk, RealDisk, SimDisk};
pub use error::Error;
pub use limits::{META_MAX, SEGMENT_BYTES, SMALL_MAX};
pub use metrics::Metrics;
pub use ports::{
    ContentKey, FrameSink, FrameSource, FrameStream, KeyError, KeySealer, MESSAGE_MAX, PeerError,
    Peers, Random, SLOT_MAX,
};
pub use words::{Held, Holding, Offset, Stat, Stored};
pub use writer::SESSIONS_MAX;
