//! Reading entries in bounded steps, shared by the log on disk and the one in memory.

use std::{
    io,
    ops::{Bound, RangeBounds},
};

use futures_util::{Stream, future::BoxFuture, stream};
use openraft::{
    errors::LeaderChanged,
    storage::{LeaderBoundedStreamError, LeaderBoundedStreamResult},
};

use crate::{
    options::PAYLOAD_BYTES,
    riders,
    types::{LeaderId, LogEntry, Payload, Types, Vote},
};

/// Entries read at a time, so that a node that catches up never holds the whole log in memory.
const READ_ENTRIES: u64 = 64;

/// A log that can be read: the one on disk or the one in memory.
pub(crate) trait Entries: Clone + Send + Sync + 'static {
    /// Entries `from..to`, as far as they exist and at most about `bytes` octets, at least one.
    fn entries(&self, from: u64, to: u64, bytes: usize) -> io::Result<Vec<LogEntry>>;

    /// The last vote.
    fn vote(&self) -> io::Result<Option<Vote>>;

    /// The index behind the entries of which the log says that they have landed with what rides with them.
    fn landed(&self) -> io::Result<u64>;

    /// Brings to the disk up to where entries have landed, at least those below `applied`.
    fn note_landed(&self, applied: u64) -> BoxFuture<'static, io::Result<()>>;
}

/// The half-open range of indexes that a range means.
pub(crate) fn indexes(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(index) => index.saturating_add(1),
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

/// Octets of an entry with what rides with it, for limits.
pub(crate) fn size(payload: &Payload) -> usize {
    match payload {
        Payload::Normal(entry) => entry.0.len() + riders::octets(&entry.1),
        _ => 0,
    }
}

/// Entries in steps.
pub(crate) fn stream_entries<L: Entries>(
    log: L,
    (from, to): (u64, u64),
) -> impl Stream<Item = io::Result<LogEntry>> + Send {
    steps(from, to, move |from, to| log.entries(from, to, PAYLOAD_BYTES))
}

/// Entries in steps, while the vote is still the one of this leader.
pub(crate) fn stream_bounded<L: Entries>(
    log: L,
    leader: LeaderId,
    (from, to): (u64, u64),
) -> impl Stream<Item = LeaderBoundedStreamResult<Types>> + Send {
    steps(from, to, move |from, to| {
        let entries = log.entries(from, to, PAYLOAD_BYTES)?;
        // Read after the entries: a vote that still stands proves that they were this leader's.
        match log.vote()? {
            Some(vote) if vote.leader_id == leader && vote.committed => Ok(entries),
            other => {
                Err(LeaderBoundedStreamError::LeaderChanged(LeaderChanged::new(leader, other)))
            }
        }
    })
}

/// Reads step by step, as the entries are asked for; an error or an empty step is the end.
fn steps<E: Send>(
    from: u64,
    to: u64,
    step: impl Fn(u64, u64) -> Result<Vec<LogEntry>, E> + Send,
) -> impl Stream<Item = Result<LogEntry, E>> + Send {
    let (mut from, mut ready) = (from, Vec::new().into_iter());
    stream::iter(std::iter::from_fn(move || {
        if let Some(entry) = ready.next() {
            return Some(Ok(entry));
        }
        if from >= to {
            return None;
        }
        match step(from, to.min(from.saturating_add(READ_ENTRIES))) {
            Ok(entries) => {
                from = entries.last().map_or(to, |last| last.log_id.index() + 1);
                ready = entries.into_iter();
                ready.next().map(Ok)
            }
            Err(error) => {
                from = to;
                Some(Err(error))
            }
        }
    }))
}
