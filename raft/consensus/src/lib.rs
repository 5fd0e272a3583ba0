//! Consensus: the nodes of a cluster agree on one log of entries, and each applies it to its own
//! copy of the state.
//!
//! The Raft library, the log on disk and the store of the state stay inside. No rules of the
//! exchange, no sockets, no wall clock of its own: see [`Network`] and [`Clock`].

#![cfg_attr(
    test,
    allow(clippy::cast_possible_truncation, reason = "a test that fails says enough")
)]

mod appends;
mod consensus;
mod dates;
mod directory;
mod error;
mod log;
mod member;
mod node;
mod options;
mod peer;
mod pledge;
mod ports;
mod propose;
mod pulse;
mod read;
mod recover;
mod riders;
mod room;
mod serve;
pub mod sim;
mod state;
mod status;
#[cfg(test)]
mod store_tests;
mod stored;
mod touch;
mod types;
mod views;
mod wire;

pub use consensus::Consensus;
pub use error::{Error, FoundError, MemberError, ProposeError, Unavailable};
pub use options::{ATTACHMENT_BYTES_MAX, Options, SNAPSHOT_ENTRIES, Timing};
pub use pledge::{Heard, Standing};
pub use ports::{
    Attachment, AttachmentKey, Attachments, Clock, FactLog, Kept, Lane, Network, NetworkError,
    NoAttachments, SystemClock, TellKept,
};
pub use recover::{Held, inspect, make_source, trust};
pub use state::StateView;
pub use status::{Role, Status};
