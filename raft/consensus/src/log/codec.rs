//! How votes, log ids and entries stand in the log, version 1. The records around them carry
//! checksums.

use std::{
    fmt,
    io::{self, Read, Write},
};

use bytes::{Buf as _, Bytes};
use openraft::vote::{RaftLeaderId, RaftLeaderIdExt};
use raft_log::codeq::{Decode, Encode};

use crate::{
    log::mark::Mark,
    options::{BATCH_PROPOSALS, PROPOSAL_BYTES_MAX},
    riders::Logged,
    stored::v1,
    types::{EntryBytes, LeaderId, LogId, Payload, Rider, Vote},
};

/// Kinds of entries as they stand in the log.
const BLANK: u8 = 0;
const NORMAL: u8 = 1;
const MEMBERSHIP: u8 = 2;
/// One with which something rides: how many, their names, and then the entry.
const LADEN: u8 = 3;

/// Octets of what the log says of a rider: its name, its length, whether it came.
const RIDER: usize = 21;

/// No entry is longer: the batch limits are far below. A longer one is damage.
const ENTRY_BYTES_MAX: usize = PROPOSAL_BYTES_MAX * 4;

/// The types of the log on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogTypes;

impl raft_log::Types for LogTypes {
    type LogId = StoredLogId;
    type LogPayload = StoredPayload;
    type Vote = StoredVote;
    type Callback = Flushed;
    type UserData = StoredLanded;

    fn log_index(log_id: &StoredLogId) -> u64 {
        log_id.0.index()
    }

    fn payload_size(payload: &StoredPayload) -> u64 {
        match &payload.0 {
            Payload::Normal(entry) => entry.0.len() as u64,
            _ => 0,
        }
    }
}

/// A log id: term, node, index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StoredLogId(pub(crate) LogId);

/// A vote: term, node, whether a majority granted it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd)]
pub(crate) struct StoredVote(pub(crate) Vote);

/// What an entry carries.
#[derive(Clone)]
pub(crate) struct StoredPayload(pub(crate) Payload);

/// The index behind the entries that have landed with all that rides with them, or are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredLanded(pub(crate) u64);

impl fmt::Debug for StoredPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

fn put_u64(w: &mut impl Write, value: u64) -> io::Result<usize> {
    w.write_all(&value.to_be_bytes())?;
    Ok(8)
}

fn take_u64(r: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    r.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

fn take_u8(r: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0; 1];
    r.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Encode for StoredLogId {
    fn encode<W: Write>(&self, mut w: W) -> io::Result<usize> {
        let leader = self.0.committed_leader_id();
        put_u64(&mut w, leader.term())?;
        put_u64(&mut w, *leader.node_id())?;
        put_u64(&mut w, self.0.index())?;
        Ok(24)
    }
}

impl Decode for StoredLogId {
    fn decode<R: Read>(mut r: R) -> io::Result<Self> {
        let (term, node, index) = (take_u64(&mut r)?, take_u64(&mut r)?, take_u64(&mut r)?);
        Ok(Self(LogId::new(LeaderId::new_committed(term, node), index)))
    }
}

impl Encode for StoredVote {
    fn encode<W: Write>(&self, mut w: W) -> io::Result<usize> {
        put_u64(&mut w, self.0.leader_id.term())?;
        put_u64(&mut w, *self.0.leader_id.node_id())?;
        w.write_all(&[u8::from(self.0.committed)])?;
        Ok(17)
    }
}

impl Decode for StoredVote {
    fn decode<R: Read>(mut r: R) -> io::Result<Self> {
        let (term, node) = (take_u64(&mut r)?, take_u64(&mut r)?);
        match take_u8(&mut r)? {
            0 => Ok(Self(Vote::new(term, node))),
            1 => Ok(Self(Vote::new_committed(term, node))),
            _ => Err(damaged("a vote is granted or not")),
        }
    }
}

impl Encode for StoredPayload {
    fn encode<W: Write>(&self, mut w: W) -> io::Result<usize> {
        let made;
        let (kind, riders, body): (u8, &[u8], &[u8]) = match &self.0 {
            Payload::Blank => (BLANK, &[], &[]),
            Payload::Normal(entry) if entry.1.is_empty() => (NORMAL, &[], &entry.0),
            Payload::Normal(entry) => {
                made = put_riders(&entry.1)?;
                (LADEN, &made, &entry.0)
            }
            Payload::Membership(change) => {
                made = v1::membership(change);
                (MEMBERSHIP, &[], &made)
            }
        };
        let octets = riders.len() + body.len();
        let length = u32::try_from(octets).map_err(io::Error::other)?;
        w.write_all(&[kind])?;
        w.write_all(&length.to_be_bytes())?;
        w.write_all(riders)?;
        w.write_all(body)?;
        Ok(5 + octets)
    }
}

impl Decode for StoredPayload {
    fn decode<R: Read>(mut r: R) -> io::Result<Self> {
        let kind = take_u8(&mut r)?;
        let mut length = [0; 4];
        r.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > ENTRY_BYTES_MAX {
            return Err(damaged("an entry is longer than any that is written"));
        }
        let mut body = vec![0; length];
        r.read_exact(&mut body)?;
        match kind {
            BLANK if body.is_empty() => Ok(Self(Payload::Blank)),
            NORMAL => Ok(Self(Payload::Normal(EntryBytes(Bytes::from(body), Vec::new())))),
            LADEN => take_riders(body.into()).map(|entry| Self(Payload::Normal(entry))),
            MEMBERSHIP => {
                v1::read_membership(&body).map(|change| Self(Payload::Membership(change)))
            }
            _ => Err(damaged("an entry of an unknown kind")),
        }
    }
}

/// What the log says of riders, never their octets.
fn put_riders(riders: &[Rider]) -> io::Result<Vec<u8>> {
    let count = u16::try_from(riders.len()).map_err(io::Error::other)?;
    let mut octets = Vec::with_capacity(2 + riders.len() * RIDER);
    octets.extend_from_slice(&count.to_be_bytes());
    for rider in riders {
        octets.extend_from_slice(&rider.key);
        octets.extend_from_slice(&rider.octets.to_be_bytes());
        octets.push(u8::from(rider.came));
    }
    Ok(octets)
}

fn take_riders(mut body: Bytes) -> io::Result<EntryBytes> {
    let short = || damaged("an entry's riders cannot be read");
    let count = body.first_chunk::<2>().ok_or_else(short)?;
    let count = usize::from(u16::from_be_bytes(*count));
    body.advance(2);
    if count > BATCH_PROPOSALS || body.len() < count * RIDER {
        return Err(short());
    }
    let rider = |octets: &[u8; RIDER]| {
        let (key, rest) = octets.split_first_chunk().ok_or_else(short)?;
        let (length, came) = rest.split_first_chunk().ok_or_else(short)?;
        let came = match came {
            [0] => false,
            [1] => true,
            _ => return Err(short()),
        };
        Ok(Rider { key: *key, octets: u32::from_be_bytes(*length), record: None, came })
    };
    let riders = body.split_to(count * RIDER);
    let riders = riders.as_chunks::<RIDER>().0.iter().map(rider).collect::<io::Result<_>>()?;
    Ok(EntryBytes(body, riders))
}

impl Encode for StoredLanded {
    fn encode<W: Write>(&self, mut w: W) -> io::Result<usize> {
        put_u64(&mut w, self.0)
    }
}

impl Decode for StoredLanded {
    fn decode<R: Read>(mut r: R) -> io::Result<Self> {
        Ok(Self(take_u64(&mut r)?))
    }
}

/// Told once what was written before it is on disk, or that it never will be.
pub(crate) struct Flushed {
    told: Option<Told>,
    mark: Mark,
    end: u64,
}

/// Who is told.
pub(crate) enum Told {
    /// The Raft core, about entries.
    Core(Logged),
    /// A caller that waits.
    Caller(tokio::sync::oneshot::Sender<io::Result<()>>),
    /// Nobody; the mark moves on all the same.
    Nobody,
}

impl Flushed {
    /// The log's end, once this is on disk, is noted in the mark.
    pub(crate) fn new(told: Told, mark: Mark, end: u64) -> Self {
        Self { told: Some(told), mark, end }
    }

    fn tell(&mut self, result: io::Result<()>) {
        match self.told.take() {
            Some(Told::Core(callback)) => callback.io_completed(result),
            // A caller that went away no longer cares.
            Some(Told::Caller(sender)) => {
                sender.send(result).ok();
            }
            Some(Told::Nobody) | None => {}
        }
    }
}

impl raft_log::Callback for Flushed {
    fn send(mut self, result: Result<(), io::Error>) {
        let result = result.and_then(|()| self.mark.advance(self.end));
        self.tell(result);
    }
}

impl Drop for Flushed {
    fn drop(&mut self) {
        // A writer that died drops its queue: silence would leave the core waiting for ever.
        self.tell(Err(io::Error::other("the log's writer has stopped")));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::types::{Membership, Octets};

    fn octets(value: &impl Encode) -> String {
        let mut octets = Vec::new();
        let length = value.encode(&mut octets).expect("a vector takes every octet");
        assert_eq!(length, octets.len());
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn the_octets_of_version_1() {
        let id = StoredLogId(LogId::new(LeaderId::new_committed(5, 2), 70_000));
        assert_eq!(octets(&id), "000000000000000500000000000000020000000000011170");
        let vote = |vote| octets(&StoredVote(vote));
        assert_eq!(vote(Vote::new(5, 2)), "0000000000000005000000000000000200");
        assert_eq!(vote(Vote::new_committed(5, 2)), "0000000000000005000000000000000201");
        let payload = |payload| octets(&StoredPayload(payload));
        assert_eq!(payload(Payload::Blank), "0000000000");
        let entry = EntryBytes::bare(Bytes::from_static(&[7, 8, 9]));
        assert_eq!(payload(Payload::Normal(entry.clone())), "0100000003070809");
        let record = Some(Octets(Bytes::from_static(b"never in the log")));
        let rider = Rider { key: [9; 16], octets: 300, record, came: true };
        let laden = StoredPayload(Payload::Normal(EntryBytes(entry.0, vec![rider.clone()])));
        let written = "030000001a0001090909090909090909090909090909090000012c01070809";
        assert_eq!(octets(&laden), written);
        let mut again = Vec::new();
        laden.encode(&mut again).expect("a vector takes every octet");
        let read = StoredPayload::decode(&again[..]).expect("it reads back");
        let Payload::Normal(EntryBytes(entry, riders)) = read.0 else { panic!("another kind") };
        assert_eq!(entry[..], [7, 8, 9]);
        assert!(riders == [Rider { record: None, ..rider }]);
        let alone = Membership::new_with_defaults(vec![BTreeSet::from([1])], [1, 2]);
        assert_eq!(payload(Payload::Membership(alone)), "020000000a01a20081810101820102");
    }
}
