//! The sealed streaming store of packet content of one node, and its copies to the other holders.
//!
//! An engine: disk and peers, no rules of the regulation. Small contents lie in segments with
//! group commit, large ones in files of their own; every content has its own key in a slot that
//! the purge overwrites. What is acknowledged is durable on a majority of the voters.
//!
//! It deliberately lacks: who may read or write (conductor), what a packet's state is (machine),
//! connections (mesh), the cluster key (certs), the lock of the directory (app).

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::let_underscore_must_use,
        reason = "a test that fails says enough"
    )
)]

mod carrier;
mod content;
mod copies;
mod error;
mod fetch;
mod files;
mod format;
mod frames;
mod heal;
mod holdings;
mod incoming;
mod index;
mod layout;
mod limits;
mod membership;
mod metrics;
mod opener;
mod poll;
mod ports;
mod progress;
mod protocol;
mod purge;
mod queue;
mod reading;
mod record;
mod seal;
mod segments;
mod serve;
mod session;
mod source;
mod takeover;
mod tasks;
mod transfers;
mod volume;
mod words;
mod writers;

pub mod disk;

#[cfg(test)]
mod tests;

pub use content::{Content, Options};
pub use disk::{Disk, RealDisk, SimDisk};
pub use error::Error;
pub use limits::{META_MAX, SEGMENT_BYTES, SMALL_MAX};
pub use metrics::Metrics;
pub use ports::{
    ContentKey, FrameSink, FrameSource, FrameStream, KeyError, KeySealer, MESSAGE_MAX, PeerError,
    Peers, Random, SLOT_MAX,
};
pub use reading::Reading;
pub use record::SealedRecord;
pub use words::{Claim, Held, Holding, Offset, Stat, Stored};
pub use writers::{SESSIONS_MAX, Writer};
