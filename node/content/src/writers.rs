//! Writers of large contents: one session a space, which requests take up one after the other.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use model::{Digest, NodeId, SpaceId};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::{
    Error, META_MAX, Offset, Stored,
    files::Files,
    poll::{self, Poll},
    protocol::{About, Operation, Standing},
    seal::digest_of,
    session::{Live, Session},
    takeover::Takeover,
    volume::Volume,
    words::Claim,
};

/// Spaces that one node writes at once, three mebibytes each. The oldest idle session gives way, and
/// its upload claims the space again.
pub const SESSIONS_MAX: usize = 128;

type SessionCell = Arc<AsyncMutex<Option<Session>>>;

/// The place of a space's session.
#[derive(Clone, Default)]
struct Seat {
    session: SessionCell,
    live: Arc<Live>,
    /// When it was last asked for, by the table's count.
    since: u64,
}

/// The sessions of this node.
#[derive(Default)]
struct Sessions {
    seats: BTreeMap<SpaceId, Seat>,
    /// Counts how often a seat was asked for.
    clock: u64,
}

/// The writers of this node.
pub(crate) struct Writers {
    files: Arc<Files>,
    volume: Arc<Volume>,
    takeover: Takeover,
    poll: Arc<Poll>,
    sessions: Mutex<Sessions>,
}

/// One request's hold on the writing of a space; dropping it keeps what it wrote.
pub struct Writer {
    session: OwnedMutexGuard<Option<Session>>,
}

impl Sessions {
    /// The seat of a space; none if all seats are in use.
    fn seat(&mut self, space: SpaceId) -> Option<Seat> {
        self.clock += 1;
        if self.seats.len() >= SESSIONS_MAX && !self.seats.contains_key(&space) {
            let is_idle = |(_, seat): &(&SpaceId, &Seat)| Arc::strong_count(&seat.session) == 1;
            let idle = self.seats.iter().filter(is_idle);
            let oldest = idle.min_by_key(|(_, seat)| seat.since).map(|(space, _)| *space);
            self.seats.remove(&oldest?);
        }
        let seat = self.seats.entry(space).or_default();
        seat.since = self.clock;
        Some(seat.clone())
    }
}

impl Writers {
    pub fn new(
        files: Arc<Files>,
        volume: Arc<Volume>,
        takeover: Takeover,
        poll: Arc<Poll>,
    ) -> Self {
        Self { files, volume, takeover, poll, sessions: Mutex::default() }
    }

    /// See [`crate::Content::open_writer`].
    pub async fn open(
        &self,
        claim: Claim,
        former: &[Vec<NodeId>],
        meta: Bytes,
        expected: Option<u64>,
    ) -> Result<Writer, Error> {
        let Claim { space, epoch, .. } = claim;
        if meta.len() > META_MAX {
            return Err(Error::TooLarge { what: "a meta", max: META_MAX as u64 });
        }
        self.files.check(space)?;
        // A takeover writes too: without room it would fail halfway, and with a worse answer.
        self.volume.check_room().await?;
        let seat = self.sessions.lock().seat(space).ok_or(Error::Unavailable { space })?;
        let mut held = seat.session.try_lock_owned().map_err(|_| Error::Busy { space })?;
        match held.as_mut() {
            Some(session) if session.epoch() > epoch => {
                return Err(Error::Fenced { space, epoch: session.epoch() });
            }
            Some(session) if session.epoch() == epoch => session.go_on().await?,
            _ => {
                seat.live.lose();
                *held = None;
                *held = Some(self.takeover.run(claim, former, &meta, seat.live).await?);
            }
        }
        let writer = Writer { session: held };
        match expected {
            Some(expected) if expected != writer.offset() => {
                Err(Error::Offset { space, expected, actual: writer.offset() })
            }
            _ => Ok(writer),
        }
    }

    /// Ends the session of a space, if it has one.
    pub fn end(&self, space: SpaceId) {
        self.sessions.lock().seats.remove(&space);
    }

    /// Ends all sessions.
    pub fn end_all(&self) {
        self.sessions.lock().seats.clear();
    }

    fn find(&self, space: SpaceId) -> Option<Seat> {
        self.sessions.lock().seats.get(&space).cloned()
    }

    /// How the writing of a space stands here, for a peer that was asked for its offset.
    pub async fn stand(&self, space: SpaceId) -> Result<Standing, Error> {
        let mut standing = match self.files.lock(space).await {
            Ok(log) => log.standing(),
            Err(Error::Missing { .. }) => Standing::default(),
            Err(error) => return Err(error),
        };
        standing.writer = self.find(space).and_then(|seat| seat.live.acknowledged());
        Ok(standing)
    }

    /// See [`crate::Content::offset`]. Only a writer knows what it has acknowledged. Its word counts
    /// while a majority has promised no higher epoch, because then no other writer can have
    /// acknowledged more. Where no writer answers, either nothing was ever begun, or the content is
    /// complete on a majority, or the space must be claimed: a guess from the holders' logs could go
    /// back later.
    pub async fn offset(&self, space: SpaceId, former: &[Vec<NodeId>]) -> Result<Offset, Error> {
        if let Some(seat) = self.find(space)
            && let Ok(mut held) = seat.session.try_lock_owned()
            && let Some(session) = held.as_mut().filter(|session| session.is_open())
        {
            // Keep what a request that broke off has left: the client need not send it again.
            session.sync().await?;
        }
        let here = self.stand(space).await?;
        let (about, body) = (poll::About { space, former }, About { space });
        let answers = self.poll.ask(about, Operation::Stand, &body, here).await;
        if !answers.majority(|_| true) {
            return Err(Error::Unavailable { space });
        }
        let writer = answers.all.iter().filter_map(|answer| answer.standing.writer).max();
        let bows_to = |epoch: u32| answers.majority(|standing| standing.promised <= epoch);
        if let Some((epoch, acknowledged)) = writer
            && bows_to(epoch)
        {
            return Ok(Offset::At(acknowledged));
        }
        if bows_to(0) {
            return Ok(Offset::At(0));
        }
        let sealed: Vec<u64> = answers.of_voters().filter_map(|standing| standing.sealed).collect();
        match sealed[..] {
            [size, ..]
                if answers.majority(|standing| standing.sealed.is_some())
                    && sealed.iter().all(|other| *other == size) =>
            {
                Ok(Offset::At(size))
            }
            _ => Ok(Offset::Unclaimed),
        }
    }
}

impl Writer {
    fn session(&mut self) -> Result<&mut Session, Error> {
        self.session.as_mut().ok_or(Error::Failed)
    }

    /// Octets taken so far.
    pub fn offset(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.offset())
    }

    /// Octets acknowledged so far.
    pub fn synced(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.synced())
    }

    /// SHA-256 of the octets taken so far.
    pub fn digest(&self) -> Digest {
        self.session.as_ref().map_or_else(|| digest_of(&[]), |session| session.digest())
    }

    /// Takes octets; waits while the disk or a needed peer is behind.
    pub async fn write(&mut self, data: Bytes) -> Result<(), Error> {
        self.session()?.write(data).await
    }

    /// Makes what was taken durable on a majority; the answer is the acknowledged offset.
    pub async fn sync(&mut self) -> Result<u64, Error> {
        self.session()?.sync().await
    }

    /// Drops what was taken since the last sync (a piece whose checksum was wrong).
    pub async fn rollback(&mut self) -> Result<u64, Error> {
        self.session()?.rollback().await
    }

    /// Completes the content; a second call gives the same answer.
    pub async fn finish(&mut self) -> Result<Stored, Error> {
        self.session()?.finish().await
    }
}
