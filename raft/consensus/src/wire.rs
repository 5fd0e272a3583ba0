//! What nodes say to each other, version 1: one octet of version, one of kind, then a body.
//!
//! Bodies of the Raft library's own calls are postcard; ours are minicbor. An answer begins with
//! the version and whether it is one; a refusal is a text for the log. Nothing that comes in here
//! can make a node panic.

use bytes::Bytes;
use machine::Answer;
use minicbor::{Decode, Encode};
use serde::{Serialize, de::DeserializeOwned};

use crate::state::sums::Mark;

/// The version of every message; a node of another version says so instead of guessing.
pub(crate) const VERSION: u8 = 1;

const ANSWERED: u8 = 0;
const REFUSED: u8 = 1;
const UNMET: u8 = 2;

/// What a message asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Entries or a heartbeat.
    Append = 1,
    /// A vote.
    Vote = 2,
    /// Whether a vote would be given.
    PreVote = 3,
    /// Leadership is handed over.
    Transfer = 4,
    /// A snapshot begins.
    SnapshotBegin = 5,
    /// A block of a snapshot.
    SnapshotBlock = 6,
    /// The end of a snapshot.
    SnapshotEnd = 7,
    /// Proposals for the leader.
    Propose = 16,
    /// The leader's read index.
    ReadIndex = 17,
    /// A change of the membership, for the leader.
    Member = 18,
    /// What the sender has promised, and what it remembers of the receiver's promises.
    Greet = 19,
    /// A node whose disk went back asks the leader to be taken in again.
    Return = 20,
}

impl Kind {
    fn read(octet: u8) -> Option<Self> {
        [
            Self::Append,
            Self::Vote,
            Self::PreVote,
            Self::Transfer,
            Self::SnapshotBegin,
            Self::SnapshotBlock,
            Self::SnapshotEnd,
            Self::Propose,
            Self::ReadIndex,
            Self::Member,
            Self::Greet,
            Self::Return,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == octet)
    }
}

/// A message or answer that cannot be read, or a refusal from the other side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// Of a version that is not known here.
    #[error("a message of version {0} came in")]
    Version(u8),
    /// Not a message at all.
    #[error("a malformed message came in: {0}")]
    Malformed(&'static str),
    /// The other side answered with an error.
    #[error("the other node refuses: {0}")]
    Refused(String),
    /// The other side has begun another life and must be greeted first.
    #[error("the other node must be greeted first")]
    Unmet,
}

/// A message of a kind.
pub(crate) fn request(kind: Kind, body: &[u8]) -> Bytes {
    framed(kind as u8, body)
}

/// The kind and the body of a message.
pub(crate) fn parse_request(message: &Bytes) -> Result<(Kind, Bytes), WireError> {
    let (octet, body) = split(message)?;
    let kind = Kind::read(octet).ok_or(WireError::Malformed("the kind is not known"))?;
    Ok((kind, body))
}

/// An answer, or why there is none.
pub(crate) fn answer(result: Result<Vec<u8>, WireError>) -> Bytes {
    match result {
        Ok(body) => framed(ANSWERED, &body),
        Err(WireError::Unmet) => framed(UNMET, &[]),
        Err(error) => framed(REFUSED, error.to_string().as_bytes()),
    }
}

/// The body of an answer.
pub(crate) fn parse_answer(message: &Bytes) -> Result<Bytes, WireError> {
    match split(message)? {
        (ANSWERED, body) => Ok(body),
        (UNMET, _) => Err(WireError::Unmet),
        (REFUSED, text) => Err(WireError::Refused(String::from_utf8_lossy(&text).into_owned())),
        _ => Err(WireError::Malformed("neither an answer nor a refusal")),
    }
}

fn framed(octet: u8, body: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(2 + body.len());
    message.extend_from_slice(&[VERSION, octet]);
    message.extend_from_slice(body);
    message.into()
}

fn split(message: &Bytes) -> Result<(u8, Bytes), WireError> {
    match message[..] {
        [VERSION, octet, ..] => Ok((octet, message.slice(2..))),
        [VERSION] | [] => Err(WireError::Malformed("it ends too early")),
        [other, ..] => Err(WireError::Version(other)),
    }
}

/// A value of the Raft library as a body, behind `head`.
pub(crate) fn to_body(head: Vec<u8>, value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, head).expect("the Raft library's types always encode into memory")
}

/// A value of the Raft library from a body.
pub(crate) fn from_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    postcard::from_bytes(body).map_err(|_| WireError::Malformed("the body cannot be read"))
}

/// Puts the number of entries that are committed behind the body of an append.
pub(crate) fn with_committed(mut body: Vec<u8>, committed: u64) -> Vec<u8> {
    body.extend_from_slice(&committed.to_be_bytes());
    body
}

/// An append and the number of committed entries behind it.
pub(crate) fn from_body_with_committed<T: DeserializeOwned>(
    body: &[u8],
) -> Result<(T, u64), WireError> {
    let unread = |_| WireError::Malformed("the body cannot be read");
    let (value, rest) = postcard::take_from_bytes(body).map_err(unread)?;
    let committed = rest
        .try_into()
        .map_err(|_| WireError::Malformed("the number of committed entries is missing"))?;
    Ok((value, u64::from_be_bytes(committed)))
}

/// Room for what is encoded most often, a proposal or a handful of answers: a vector that grew with it would
/// be moved several times.
const ENCODED_MOSTLY: usize = 1024;

/// One of our own values as a body.
pub(crate) fn to_cbor(value: &impl Encode<()>) -> Vec<u8> {
    let mut octets = Vec::with_capacity(ENCODED_MOSTLY);
    minicbor::encode(value, &mut octets).expect("a vector takes every octet");
    octets
}

/// One of our own values from a body.
pub(crate) fn from_cbor<T: for<'b> Decode<'b, ()>>(body: &[u8]) -> Result<T, WireError> {
    minicbor::decode(body).map_err(|_| WireError::Malformed("the body cannot be read"))
}

/// What a leader says with every append: the newest sign of life of the follower that a majority
/// has confirmed since, and what time the cluster believes it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AppendHead {
    pub(crate) proven: Sign,
    /// The date; zero where the leader knows none.
    pub(crate) clock: u64,
    /// How long the cluster has run.
    pub(crate) tick: u64,
    /// Whether a majority of the clocks shows the date.
    pub(crate) by_majority: bool,
    /// The sum of what the leader has written, behind its newest entry.
    pub(crate) mark: Mark,
}

/// What a follower says with every answer to an append: a sign of life, its wall clock, and whether it has room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AnswerHead {
    pub(crate) sign: Sign,
    pub(crate) clock: u64,
    /// Whether it lacks room for what rides with entries.
    pub(crate) is_short: bool,
    /// The entry at which its state is not the leader's; zero where it is.
    pub(crate) differs_at: u64,
}

/// A moment of a node's own monotonic time, meaningful to that node alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sign {
    /// Which life of the node; zero is no sign at all.
    pub(crate) life: u64,
    /// Milliseconds since that life began.
    pub(crate) at: u64,
}

/// The numbers of a head, in front of a body.
fn written<const N: usize>(numbers: [u64; N]) -> Vec<u8> {
    numbers.into_iter().flat_map(u64::to_be_bytes).collect()
}

/// The numbers of a head, and the rest of a body.
fn read<const N: usize>(mut body: &[u8]) -> Result<([u64; N], &[u8]), WireError> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let short = WireError::Malformed("the head is too short");
        let (octets, rest) = body.split_first_chunk::<8>().ok_or(short)?;
        *number = u64::from_be_bytes(*octets);
        body = rest;
    }
    Ok((numbers, body))
}

impl AppendHead {
    /// In front of the body of an append.
    pub(crate) fn written(self) -> Vec<u8> {
        let Self { proven, clock, tick, by_majority, mark } = self;
        let flags = u64::from(by_majority);
        let Mark { index, term, sum } = mark;
        written([proven.life, proven.at, clock, tick, flags, index, term, sum.into()])
    }

    /// The head and the rest of a body.
    pub(crate) fn read(body: &[u8]) -> Result<(Self, &[u8]), WireError> {
        let ([life, at, clock, tick, flags, index, term, sum], rest) = read(body)?;
        let proven = Sign { life, at };
        let sum = sum.try_into().map_err(|_| WireError::Malformed("a sum of more than 32 bits"))?;
        let mark = Mark { index, term, sum };
        Ok((Self { proven, clock, tick, by_majority: flags != 0, mark }, rest))
    }
}

impl AnswerHead {
    /// In front of the body of an answer to an append.
    pub(crate) fn written(self) -> Vec<u8> {
        let Self { sign, clock, is_short, differs_at } = self;
        written([sign.life, sign.at, clock, is_short.into(), differs_at])
    }

    /// The head and the rest of a body.
    pub(crate) fn read(body: &[u8]) -> Result<(Self, &[u8]), WireError> {
        let ([life, at, clock, short, differs_at], rest) = read(body)?;
        let sign = Sign { life, at };
        Ok((Self { sign, clock, is_short: short != 0, differs_at }, rest))
    }
}

/// Proposals on their way to the leader.
#[derive(Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Propose {
    /// Encoded proposals.
    #[n(0)]
    pub(crate) proposals: Vec<minicbor::bytes::ByteVec>,
    /// How long the sender still waits.
    #[n(1)]
    pub(crate) patience_ms: u64,
    /// What rides with them.
    #[n(2)]
    pub(crate) riding: Vec<Riding>,
}

/// What rides with a proposal on its way to the leader.
#[derive(Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Riding {
    /// With which of them, from zero.
    #[n(0)]
    pub(crate) proposal: u32,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) key: crate::AttachmentKey,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) record: Vec<u8>,
}

/// What became of a forwarded proposal.
#[derive(Debug, Encode, Decode)]
pub(crate) enum Fate {
    /// It stands in the log at this index and has this answer.
    #[n(0)]
    Applied(#[n(0)] u64, #[n(1)] Answer),
    /// It has not happened here: this node does not lead, or has no room.
    #[n(1)]
    NotTaken,
    /// It may happen or have happened.
    #[n(2)]
    Unknown,
    /// This node cannot read it, so it has not happened and asking again does not help.
    #[n(3)]
    Unreadable,
    /// What rides with it finds no room, so it has not happened.
    #[n(4)]
    NoRide,
}

/// The fates in an answer, in the order of the proposals. One that cannot be read here is none, and
/// spoils no other.
pub(crate) fn fates(body: &[u8]) -> Result<Vec<Option<Fate>>, WireError> {
    let unread = |_| WireError::Malformed("the fates cannot be read");
    let mut decoder = minicbor::Decoder::new(body);
    let count = decoder.array().map_err(unread)?;
    let count = count.ok_or(WireError::Malformed("the fates are not counted"))?;
    let mut fates = Vec::new();
    // Each round takes octets or fails, so a wrong count does no harm.
    for _ in 0..count {
        let start = decoder.position();
        let fate = decoder.decode::<Fate>().ok();
        if fate.is_none() {
            decoder.set_position(start);
            decoder.skip().map_err(unread)?;
        }
        fates.push(fate);
    }
    Ok(fates)
}

/// A change of the membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Change {
    /// Add as a learner.
    #[n(0)]
    Learn(#[n(0)] u64),
    /// Make a learner a voter, once it has caught up.
    #[n(1)]
    Promote(#[n(0)] u64),
    /// Remove from voters and learners.
    #[n(2)]
    Remove(#[n(0)] u64),
    /// Hand leadership over to the most advanced voter.
    #[n(3)]
    HandOver,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Changed {
    /// Done.
    #[n(0)]
    Done,
    /// This node does not lead.
    #[n(1)]
    NotLeader,
    /// The node has not caught up.
    #[n(2)]
    Behind,
    /// The cluster says no.
    #[n(3)]
    Refused(#[n(0)] String),
    /// Another change is under way; it may be asked again.
    #[n(4)]
    Busy,
    /// It may have happened.
    #[n(5)]
    Unknown,
}

/// The leader's read index, or none if this node does not lead.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ReadIndex {
    /// The reader's state must hold this entry.
    #[n(0)]
    pub(crate) index: Option<u64>,
}

/// The beginning of a snapshot.
#[derive(Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SnapshotHead {
    /// A number that the sender chose; later messages carry it.
    #[n(0)]
    pub(crate) token: u64,
}

/// A block of a snapshot.
#[derive(Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SnapshotBlock {
    /// Which snapshot.
    #[n(0)]
    pub(crate) token: u64,
    /// From zero.
    #[n(1)]
    pub(crate) number: u64,
    /// Framed pairs.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) pairs: Vec<u8>,
}

/// The end of a snapshot.
#[derive(Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SnapshotTail {
    /// Which snapshot.
    #[n(0)]
    pub(crate) token: u64,
    /// How many blocks there were.
    #[n(1)]
    pub(crate) blocks: u64,
    /// SHA-256 over the framed pairs of all blocks.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) digest: Vec<u8>,
    /// Vote and position, as the Raft library writes them.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) meta: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_append_carries_the_number_of_committed_entries() {
        let bare = to_body(Vec::new(), &(7_u64, "entries"));
        let read = |body: &[u8]| from_body_with_committed::<(u64, String)>(body);
        let whole = with_committed(bare.clone(), 300);
        assert_eq!(read(&whole), Ok(((7, "entries".into()), 300)));
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
        }
        assert!(read(&[&whole[..], &[0]].concat()).is_err(), "an octet too many");
    }
}
