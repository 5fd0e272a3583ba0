//! What nodes say to each other about content, version 1.
//!
//! A message is four octets (version, operation, two zeros) and a body. Records and raw octets
//! travel as they are; the rest is encoded by field number. An answer is four octets (version,
//! outcome, two zeros) and a body.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use minicbor::{Decode, Encode};
use model::{Digest, PacketId, SpaceId};

use crate::{
    Error, SealedRecord,
    layout::Tenure,
    record::{IDENTITY, Identity},
};

/// The version of the protocol.
pub const VERSION: u8 = 1;
/// Octets before a body.
pub const PREFIX: usize = 4;
/// Tenures that a message may carry: an upload whose token expires sees fewer takeovers.
pub const TENURES_MAX: usize = 4096;
/// Spaces that one question may name: the answer takes a little of a disk's time for each.
pub const HOLDS_MAX: usize = 1000;
/// Octets of a header of a stream: an identity, tenures, and room.
pub const STREAM_HEADER_MAX: usize = 128 << 10;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// Takes sealed records: they follow each other.
    Put = 1,
    /// What is your copy of the space?
    Describe = 2,
    /// Raw octets of your copy.
    Read = 3,
    /// Promise to take nothing below an epoch.
    Fence = 4,
    /// How does the writing of the space stand at yours?
    Stand = 5,
    /// The header of a stream of frames.
    Append = 6,
    /// Which of these contents do you hold?
    Holds = 7,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    Ok = 0,
    Missing = 1,
    Purged = 2,
    Fenced = 3,
    Full = 4,
    Failed = 5,
    Malformed = 6,
}

/// Asks about a space.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct About {
    #[n(0)]
    pub space: SpaceId,
}

/// Asks about many spaces; the answer is one octet for each (see [`crate::Holding`]).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AskHolds {
    #[n(0)]
    pub spaces: Vec<SpaceId>,
}

/// A complete copy.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Description {
    #[n(0)]
    pub packet: PacketId,
    /// Octets of the copy: the record, or the file up to the end of its seal frame.
    #[n(1)]
    pub total: u64,
    /// Where a file's seal frame lies; none for a record.
    #[n(2)]
    pub seal_at: Option<u64>,
    #[n(3)]
    pub size: u64,
    #[n(4)]
    pub digest: Digest,
}

/// Asks for raw octets of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReadRaw {
    #[n(0)]
    pub space: SpaceId,
    #[n(1)]
    pub offset: u64,
    #[n(2)]
    pub len: u32,
}

/// Asks for the promise of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AskFence {
    #[n(0)]
    pub space: SpaceId,
    #[n(1)]
    pub packet: PacketId,
    #[n(2)]
    pub epoch: u32,
}

/// How the log of a space stands at a holder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Standing {
    /// Whether the fence was promised; else `promised` is at least as high already.
    #[n(0)]
    pub granted: bool,
    #[n(1)]
    pub promised: u32,
    /// The file's identity, if it has one.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub identity: Vec<u8>,
    #[n(3)]
    pub tenures: Vec<Tenure>,
    /// The end of the frames in the file.
    #[n(4)]
    pub end: u64,
    /// The epoch and the acknowledged offset of a writer that lives there.
    #[n(5)]
    pub writer: Option<(u32, u64)>,
    /// The size of a complete copy.
    #[n(6)]
    pub sealed: Option<u64>,
}

/// Opens a stream of frames.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AskAppend {
    #[n(0)]
    pub space: SpaceId,
    #[n(1)]
    pub packet: PacketId,
    #[n(2)]
    pub epoch: u32,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub identity: Vec<u8>,
    #[n(4)]
    pub tenures: Vec<Tenure>,
}

/// What goes through a stream of frames, beside the frames themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// To the holder: make durable what came, and say so.
    Sync,
    /// From the holder: the next sequence it needs.
    From(u64),
    /// From the holder: everything before this sequence is durable.
    Durable(u64),
    /// From the holder: it takes no more, because of a higher epoch (or 0: for another reason).
    Refused(u32),
    /// From the holder: it takes no more, because only the reserve is left of its disk.
    Full,
}

impl Standing {
    /// The last frame's epoch and the count of frames: the higher one has what was acknowledged.
    pub fn position(&self) -> (u32, u64) {
        self.tenures.last().map_or((0, 0), |last| (last.epoch, last.last.saturating_add(1)))
    }
}

impl Signal {
    pub fn encode(self) -> Bytes {
        let (letter, number) = match self {
            Self::Sync => (b's', 0),
            Self::From(sequence) => (b'f', sequence),
            Self::Durable(sequence) => (b'd', sequence),
            Self::Refused(epoch) => (b'r', u64::from(epoch)),
            Self::Full => (b'x', 0),
        };
        let mut signal = BytesMut::with_capacity(9);
        signal.put_u8(letter);
        signal.put_u64(number);
        signal.freeze()
    }

    /// Reads a signal; none if it is a frame or nothing of ours.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let (letter, number) = octets.split_first()?;
        let number = u64::from_be_bytes(number.try_into().ok()?);
        match letter {
            b's' => Some(Self::Sync),
            b'f' => Some(Self::From(number)),
            b'd' => Some(Self::Durable(number)),
            b'r' => Some(Self::Refused(u32::try_from(number).ok()?)),
            b'x' => Some(Self::Full),
            _ => None,
        }
    }
}

/// The prefix of a message.
pub fn prefix(operation: Operation) -> [u8; PREFIX] {
    [VERSION, operation as u8, 0, 0]
}

/// A message with an encoded body.
pub fn message(operation: Operation, body: &impl Encode<()>) -> Bytes {
    with_body(prefix(operation), body)
}

/// An answer with an encoded body.
pub fn answer(body: &impl Encode<()>) -> Bytes {
    with_body([VERSION, Outcome::Ok as u8, 0, 0], body)
}

/// An answer with raw octets.
pub fn raw_answer(octets: &[u8]) -> Bytes {
    let mut answer = BytesMut::with_capacity(PREFIX + octets.len());
    answer.extend_from_slice(&[VERSION, Outcome::Ok as u8, 0, 0]);
    answer.extend_from_slice(octets);
    answer.freeze()
}

/// An answer without a body.
pub fn refusal(outcome: Outcome) -> Bytes {
    Bytes::copy_from_slice(&[VERSION, outcome as u8, 0, 0])
}

fn with_body(prefix: [u8; PREFIX], body: &impl Encode<()>) -> Bytes {
    let mut octets = prefix.to_vec();
    minicbor::encode(body, &mut octets).expect("a vector takes every octet");
    octets.into()
}

/// The operation and the body of a message.
pub fn split(message: &Bytes) -> Option<(Operation, Bytes)> {
    use Operation::{Append, Describe, Fence, Holds, Put, Read, Stand};
    let prefix = message.get(..PREFIX)?;
    let operations = [Put, Describe, Read, Fence, Stand, Append, Holds];
    let operation = operations.into_iter().find(|operation| *operation as u8 == prefix[1])?;
    (prefix[0] == VERSION).then(|| (operation, message.slice(PREFIX..)))
}

/// The body of an answer that says yes.
pub fn accepted(answer: &Bytes, space: SpaceId) -> Result<Bytes, Error> {
    let malformed = Error::Malformed { what: "an answer" };
    match answer.get(..PREFIX) {
        Some([VERSION, 0, ..]) => Ok(answer.slice(PREFIX..)),
        Some([VERSION, outcome, ..]) => Err(match outcome {
            1 => Error::Missing { space },
            2 => Error::Purged { space },
            3 => Error::Fenced { space, epoch: 0 },
            4 => Error::Full,
            5 => Error::Failed,
            _ => malformed,
        }),
        _ => Err(malformed),
    }
}

/// Reads a whole body; trailing octets are refused.
pub fn decode<'b, T: Decode<'b, ()>>(body: &'b [u8]) -> Result<T, Error> {
    let mut decoder = minicbor::Decoder::new(body);
    let value = decoder.decode().map_err(|_| Error::Malformed { what: "a body" })?;
    if decoder.position() == body.len() {
        Ok(value)
    } else {
        Err(Error::Malformed { what: "octets after a body" })
    }
}

/// Takes a batch of records apart; every one is whole and says the truth about its length.
pub fn records(mut body: Bytes) -> Result<Vec<SealedRecord>, Error> {
    let mut records = Vec::new();
    while !body.is_empty() {
        let record = SealedRecord::first_of(&body).ok_or(Error::Malformed { what: "a record" })?;
        body.advance(record.octets().len());
        records.push(record);
    }
    Ok(records)
}

/// Reads the identity of a file that a peer sent.
pub fn identity(octets: &[u8], space: SpaceId) -> Result<Identity, Error> {
    let identity = (octets.len() == IDENTITY).then(|| Identity::parse(octets, space)).flatten();
    identity.ok_or(Error::Malformed { what: "a file's identity" })
}
