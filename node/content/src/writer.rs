//! Writing a large content: one session a space and epoch, whole requests apart or in a row.
//!
//! Plaintext is hashed and sealed once, in frames of [`FRAME`] octets; a piece that ends early makes
//! a short frame, so that nothing is ever sealed twice under one nonce. Memory a transfer: the
//! frame that is filling, [`crate::lanes::WINDOW`] sealed frames shared by all lanes, and one
//! piece for each holder that is catching up or has fallen behind: below 3 MiB.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use model::{Digest, PacketId, SpaceId};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::{
    Error, META_MAX, Stored,
    lanes::{Lanes, Order},
    layout::Layout,
    record::{FRAME, FrameKind},
    seal::{Cipher, Hash},
    store::Store,
};

/// Spaces that one node writes at once, three mebibytes each; the oldest that nobody uses gives way,
/// and its upload claims anew.
pub const SESSIONS_MAX: usize = 128;
/// How long a finished content waits for the holders beyond the majority.
const FINISH_GRACE: Duration = Duration::from_millis(200);

/// What others may know of a session without stopping it.
#[derive(Default)]
pub(crate) struct Live {
    pub epoch: AtomicU32,
    pub acknowledged: AtomicU64,
    /// Whether its answers count: it has its majority and has not lost it.
    pub sound: AtomicBool,
}

pub(crate) type SessionCell = Arc<AsyncMutex<Option<Session>>>;

struct Entry {
    session: SessionCell,
    live: Arc<Live>,
    since: u64,
}

/// The sessions of this node.
#[derive(Default)]
pub(crate) struct Sessions {
    all: Mutex<(BTreeMap<SpaceId, Entry>, u64)>,
}

impl Sessions {
    /// The place of a space's session; none if all places are in use.
    pub fn cell(&self, space: SpaceId) -> Option<(SessionCell, Arc<Live>)> {
        let mut all = self.all.lock();
        let (entries, clock) = &mut *all;
        *clock += 1;
        let since = *clock;
        if entries.len() >= SESSIONS_MAX && !entries.contains_key(&space) {
            let idle = |(_, entry): &(&SpaceId, &Entry)| Arc::strong_count(&entry.session) == 1;
            let oldest =
                entries.iter().filter(idle).min_by_key(|(_, entry)| entry.since).map(|(id, _)| *id);
            entries.remove(&oldest?);
        }
        let entry = entries.entry(space).or_insert_with(|| Entry {
            session: Arc::default(),
            live: Arc::default(),
            since,
        });
        entry.since = since;
        Some((entry.session.clone(), entry.live.clone()))
    }

    pub fn find(&self, space: SpaceId) -> Option<(SessionCell, Arc<Live>)> {
        let all = self.all.lock();
        all.0.get(&space).map(|entry| (entry.session.clone(), entry.live.clone()))
    }

    pub fn end(&self, space: SpaceId) {
        self.all.lock().0.remove(&space);
    }

    pub fn clear(&self) {
        self.all.lock().0.clear();
    }
}

/// The writing of one space under one epoch.
pub(crate) struct Session {
    pub store: Arc<Store>,
    pub space: SpaceId,
    pub epoch: u32,
    pub cipher: Cipher,
    pub lanes: Lanes,
    /// The log as handed to the lanes.
    pub layout: Layout,
    /// Plaintext that waits for its frame to fill.
    pub buffer: BytesMut,
    /// Of everything taken, and of everything acknowledged.
    pub hash: Hash,
    pub synced_hash: Hash,
    pub synced: u64,
    /// The sequence before which everything is acknowledged.
    pub synced_next: u64,
    pub live: Arc<Live>,
    /// It was finished: nothing is added any more.
    pub stored: bool,
    /// A session that failed once is over: only a new epoch goes on.
    pub broken: bool,
}

/// See [`crate::Writer`].
pub(crate) type Writing = OwnedMutexGuard<Option<Session>>;

impl Store {
    pub async fn open_writer(
        self: &Arc<Self>,
        space: SpaceId,
        packet: PacketId,
        epoch: u32,
        meta: Bytes,
        expected: Option<u64>,
    ) -> Result<Writing, Error> {
        if meta.len() > META_MAX {
            return Err(Error::TooLarge { what: "a meta", max: META_MAX as u64 });
        }
        self.check_alive_here(space)?;
        // A takeover writes too: without room it would fail halfway, and with a worse answer.
        self.check_disk().await?;
        let (cell, live) = self.sessions.cell(space).ok_or(Error::Unavailable { space })?;
        let mut writing = cell.try_lock_owned().map_err(|_| Error::Busy { space })?;
        match writing.as_mut() {
            Some(session) if session.epoch > epoch => {
                return Err(Error::Fenced { space, epoch: session.epoch });
            }
            Some(session) if session.epoch == epoch => session.go_on().await?,
            _ => {
                live.sound.store(false, Relaxed);
                *writing = None;
                let session = self.take_over(space, packet, epoch, &meta, live).await?;
                *writing = Some(session);
            }
        }
        let session = writing.as_mut().expect("there is one now");
        match expected {
            Some(expected) if expected != session.offset() => {
                Err(Error::Offset { space, expected, actual: session.offset() })
            }
            _ => Ok(writing),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.live.sound.store(false, Relaxed);
    }
}

impl Session {
    pub fn offset(&self) -> u64 {
        self.layout.offset + self.buffer.len() as u64
    }

    pub fn digest(&self) -> Digest {
        self.hash.digest()
    }

    fn check(&self) -> Result<(), Error> {
        self.store.check_alive_here(self.space)?;
        if self.broken {
            Err(Error::Fenced { space: self.space, epoch: self.epoch })
        } else {
            Ok(())
        }
    }

    /// A later request goes on: what an earlier one left unsynced is made good first.
    pub async fn go_on(&mut self) -> Result<(), Error> {
        self.check()?;
        if !self.stored {
            // A later writer has fenced this node too, if it could: then this one is over.
            let promised = self.store.lock_space(self.space, None).await?.promised();
            if promised != self.epoch {
                return self.keep(Err(Error::Fenced { space: self.space, epoch: promised }));
            }
            self.sync().await?;
            self.lanes.open(&self.layout);
        }
        Ok(())
    }

    /// Breaks the session if that step failed.
    fn keep<T>(&mut self, step: Result<T, Error>) -> Result<T, Error> {
        if step.is_err() {
            self.broken = true;
            self.live.sound.store(false, Relaxed);
            self.lanes.close();
        }
        step
    }

    pub async fn write(&mut self, mut data: Bytes) -> Result<(), Error> {
        self.check()?;
        if self.layout.seal().is_some() {
            return Err(Error::Sealed { space: self.space });
        }
        while !data.is_empty() {
            if self.buffer.is_empty() && !self.layout.has_room() {
                return Err(Error::TooManyPieces { space: self.space });
            }
            let piece = data.split_to(data.len().min(FRAME - self.buffer.len()));
            self.hash.update(&piece);
            self.store.metrics.bytes_in.fetch_add(piece.len() as u64, Relaxed);
            self.buffer.extend_from_slice(&piece);
            if self.buffer.len() == FRAME {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Seals what waits into a frame.
    async fn flush(&mut self) -> Result<(), Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let offset = self.layout.offset;
        let mut plaintext = std::mem::take(&mut self.buffer);
        let result = self.push(FrameKind::Data, offset, &plaintext).await;
        plaintext.clear();
        self.buffer = plaintext;
        result
    }

    /// Seals a frame and hands it to the lanes.
    pub async fn push(
        &mut self,
        kind: FrameKind,
        offset: u64,
        plaintext: &[u8],
    ) -> Result<(), Error> {
        let place = (self.epoch, self.layout.next);
        let mut frame = BytesMut::new();
        let head = self.cipher.seal(&mut frame, kind, place, offset, plaintext);
        let space = self.space;
        if self.layout.push(&head).is_err() {
            // Only the cap on runs can refuse what we made; the nonce is used, so the session ends.
            return self.keep(Err(Error::TooManyPieces { space }));
        }
        let sent = self.lanes.send(Order::Frame(frame.freeze())).await;
        self.keep(sent)
    }

    /// Makes everything durable on a majority.
    pub async fn sync(&mut self) -> Result<u64, Error> {
        self.check()?;
        self.flush().await?;
        if self.synced_next == self.layout.next {
            return Ok(self.synced);
        }
        let sent = self.lanes.send(Order::Sync).await;
        self.keep(sent)?;
        let waited = self.lanes.wait(self.layout.next).await;
        self.keep(waited)?;
        (self.synced, self.synced_next) = (self.layout.offset, self.layout.next);
        self.synced_hash = self.hash.clone();
        self.live.epoch.store(self.epoch, Relaxed);
        self.live.acknowledged.store(self.synced, Relaxed);
        self.live.sound.store(true, Relaxed);
        Ok(self.synced)
    }

    pub async fn rollback(&mut self) -> Result<u64, Error> {
        self.check()?;
        self.buffer.clear();
        self.hash = self.synced_hash.clone();
        if self.layout.offset > self.synced {
            self.push(FrameKind::Cut, self.synced, &[]).await?;
        }
        self.sync().await
    }

    pub async fn finish(&mut self) -> Result<Stored, Error> {
        self.check()?;
        self.flush().await?;
        let (digest, size) = (self.digest(), self.layout.offset);
        if self.layout.seal().is_none() {
            let body = Cipher::seal_body(digest, size, &self.layout);
            self.push(FrameKind::Seal, size, &body).await?;
        }
        self.sync().await?;
        let next = self.layout.next;
        if self.stored {
            self.copy_again(next).await?;
        }
        self.lanes.linger(next, FINISH_GRACE).await;
        self.lanes.close();
        self.stored = true;
        Ok(Stored { digest, size, holders: self.lanes.holders(next) })
    }

    /// Brings a content that was finished before to those who vote now, where too few of them have
    /// it: the voters may have changed since.
    async fn copy_again(&mut self, next: u64) -> Result<(), Error> {
        if self.lanes.settled(next) == Some(true) {
            return Ok(());
        }
        self.lanes.open_anew(&self.layout);
        let sent = self.lanes.send(Order::Sync).await;
        self.keep(sent)?;
        let waited = self.lanes.wait(next).await;
        self.keep(waited)
    }
}
