//! The types that the Raft library is set up with.
//!
//! The log carries encoded entries and never looks into them; they are decoded once a node, when
//! they are applied. None of these types leaves the crate.

use std::{cell::Cell, convert::Infallible, fmt, future::Future, time::Duration};

use bytes::Bytes;
use machine::Answer;
use openraft::{AsyncRuntime, OptionalSend, impls::TokioRuntime};
use rand::{Rng, SeedableRng, TryRng, rngs::SmallRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio::time::Instant;

use crate::{Attachment, AttachmentKey};

openraft::declare_raft_types!(
    /// Numbers for nodes, nothing known about a node, encoded entries, answers.
    pub(crate) Types:
        D = EntryBytes,
        R = Answers,
        NodeId = u64,
        Node = openraft::EmptyNode,
        AsyncRuntime = Runtime,
);

pub(crate) type LogId = openraft::type_config::alias::LogIdOf<Types>;
pub(crate) type LeaderId = openraft::type_config::alias::LeaderIdOf<Types>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<Types>;
pub(crate) type LogEntry = openraft::type_config::alias::EntryOf<Types>;
pub(crate) type Payload = openraft::type_config::alias::PayloadOf<Types>;
pub(crate) type Membership = openraft::Membership<u64, openraft::EmptyNode>;
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<Types>;
pub(crate) type Raft = openraft::Raft<Types, crate::state::Machine>;

/// An encoded [`machine::Entry`], and what rides with it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EntryBytes(pub(crate) Bytes, pub(crate) Vec<Rider>);

impl EntryBytes {
    /// An entry with which nothing rides.
    #[cfg(test)]
    pub(crate) const fn bare(entry: Bytes) -> Self {
        Self(entry, Vec::new())
    }
}

impl fmt::Display for EntryBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets, {} riders", self.0.len(), self.1.len())
    }
}

impl fmt::Debug for EntryBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What rides with an entry. The log keeps its name and never its octets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rider {
    pub(crate) key: AttachmentKey,
    /// How long it is, for limits, also where it is not at hand.
    pub(crate) octets: u32,
    /// Its octets on the way from node to node; none in the log, and none of what is gone.
    pub(crate) record: Option<Octets>,
    /// Whether it came here with its entry, as the log knows.
    #[serde(skip)]
    pub(crate) came: bool,
}

impl From<Attachment> for Rider {
    fn from(attachment: Attachment) -> Self {
        let octets = u32::try_from(attachment.record.len()).unwrap_or(u32::MAX);
        let record = Some(Octets(attachment.record));
        Self { key: attachment.key, octets, record, came: false }
    }
}

/// Octets that travel as such.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Octets(pub(crate) Bytes);

impl Serialize for EntryBytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        (Octets(self.0.clone()), &self.1).serialize(s)
    }
}

impl<'de> Deserialize<'de> for EntryBytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let (Octets(entry), riders) = Deserialize::deserialize(d)?;
        Ok(Self(entry, riders))
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Octets;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("octets")
            }
            fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Octets, E> {
                Ok(Octets(Bytes::copy_from_slice(v)))
            }
        }
        d.deserialize_bytes(Visitor)
    }
}

/// The answers to the proposals of one entry, in their order, and when this node knew it to be committed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Answers(pub(crate) Vec<Answer>, pub(crate) Option<Instant>);

impl Serialize for Answers {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let bytes = minicbor::to_vec(&self.0).map_err(serde::ser::Error::custom)?;
        s.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bytes = Octets::deserialize(d)?;
        let answers = minicbor::decode(&bytes.0).map_err(de::Error::custom)?;
        Ok(Self(answers, None))
    }
}

thread_local! {
    /// The seed of elections on this thread; none means the operating system's randomness.
    static ELECTIONS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Makes the election timeouts drawn on this thread follow from a seed, for simulation.
pub(crate) fn seed_elections(seed: Option<u64>) {
    ELECTIONS.set(seed);
}

/// A number that tells two starts of a node apart.
pub(crate) fn draw() -> u64 {
    Runtime::thread_rng().next_u64()
}

/// Tokio, with randomness that a simulation can seed.
#[derive(Debug)]
pub(crate) struct Runtime(TokioRuntime);

/// Randomness for election timeouts only; no secret is ever drawn from it.
pub(crate) enum ElectionRng {
    Seeded(SmallRng),
    System(rand::rngs::ThreadRng),
}

impl TryRng for ElectionRng {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(match self {
            Self::Seeded(rng) => rng.next_u32(),
            Self::System(rng) => rng.next_u32(),
        })
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(match self {
            Self::Seeded(rng) => rng.next_u64(),
            Self::System(rng) => rng.next_u64(),
        })
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        match self {
            Self::Seeded(rng) => rng.fill_bytes(bytes),
            Self::System(rng) => rng.fill_bytes(bytes),
        }
        Ok(())
    }
}

impl AsyncRuntime for Runtime {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <TokioRuntime as AsyncRuntime>::Sleep;
    type Instant = <TokioRuntime as AsyncRuntime>::Instant;
    type TimeoutError = <TokioRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> =
        <TokioRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = ElectionRng;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        TokioRuntime::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(join_error)
    }

    fn thread_rng() -> ElectionRng {
        ELECTIONS.with(|seed| match seed.get() {
            None => ElectionRng::System(rand::rng()),
            Some(now) => {
                let mut rng = SmallRng::seed_from_u64(now);
                // The next draw on this thread starts elsewhere, and always at the same place.
                seed.set(Some(rng.next_u64()));
                ElectionRng::Seeded(rng)
            }
        })
    }

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}
