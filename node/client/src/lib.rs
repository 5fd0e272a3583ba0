//! The client: signed HTTPS requests to any node of a cluster.
//!
//! It tries the next node when one cannot be reached, signs every attempt anew (a nonce passes
//! once) and repeats under the same idempotency key, so that a repeat does nothing twice. It
//! keeps no state on disk and decides nothing: what a packet is allowed to do is the cluster's.
//! Trust, connections and their limits are of `https`.

#![cfg_attr(
    test,
    allow(clippy::cast_possible_truncation, reason = "a test that fails says enough")
)]

mod admin;
mod body;
mod cluster;
mod download;
mod dto;
mod error;
mod events;
mod lost;
mod marks;
mod naming;
mod packets;
mod registry;
mod send;
mod sign;
mod upload;
mod waiting;
mod words;

pub use admin::{PAGE_MAX, UNITS_A_REQUEST};
pub use cluster::{ApiNode, ApiNodes, Authority, ClusterKey, Ready, TrustedAuthorities};
pub use download::Fetched;
pub use dto::*;
pub use error::{Error, FieldError, Problem};
pub use events::{Event, EventKind, Events, SILENCE_MAX, Start};
pub use https::Trust;
pub use lost::{LOST_CLOSED_MAX, LostPacket};
pub use packets::{File, fresh_idempotency_key};
pub use registry::{Added, App, By, IssuedKey, Key, NewApp, NewKey, NewUnit, Unit};
pub use send::{ATTEMPTS_MAX, Client, Language, Options};
pub use sign::{Credentials, Secret};
pub use upload::{PIECE, Sent};
pub use waiting::Waiting;
pub use words::{Health, Role, WarningKind, Word};
