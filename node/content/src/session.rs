//! The writing of one large content under one epoch: whole requests apart or in a row.
//!
//! Plaintext is hashed and sealed once, in frames of [`FRAME`] octets; a piece that ends early makes
//! a short frame, so that nothing is ever sealed twice under one nonce. Memory a transfer: the
//! frame that is filling, [`crate::carrier::WINDOW`] sealed frames shared by all branches, and one
//! piece for each holder that is catching up or has fallen behind: below 3 MiB.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use model::{Digest, SpaceId};

use crate::{
    Error, Metrics, Stored,
    carrier::Order,
    files::Files,
    layout::Layout,
    record::{FRAME, FrameKind},
    seal::{Cipher, Hash, NewFrame},
    transfers::Transfer,
};

/// How long a finished content waits for the holders beyond the majority.
const FINISH_GRACE: Duration = Duration::from_millis(200);

/// What can be read of a session while it is in use.
#[derive(Default)]
pub(crate) struct Live {
    epoch: AtomicU32,
    acknowledged: AtomicU64,
    /// Whether its answers count: it has its majority and has not lost it.
    sound: AtomicBool,
}

impl Live {
    /// The epoch and the acknowledged octets, while the session's answers count.
    pub fn acknowledged(&self) -> Option<(u32, u64)> {
        let known = (self.epoch.load(Relaxed), self.acknowledged.load(Relaxed));
        self.sound.load(Relaxed).then_some(known)
    }

    fn acknowledge(&self, epoch: u32, octets: u64) {
        self.epoch.store(epoch, Relaxed);
        self.acknowledged.store(octets, Relaxed);
        self.sound.store(true, Relaxed);
    }

    /// From here on the answers do not count.
    pub fn lose(&self) {
        self.sound.store(false, Relaxed);
    }
}

/// What a takeover has prepared for a session.
pub(crate) struct Prepared {
    pub space: SpaceId,
    pub epoch: u32,
    pub cipher: Cipher,
    /// The log here, and the hash of the content that is in it.
    pub layout: Layout,
    pub hash: Hash,
    pub transfer: Transfer,
}

/// The writing of one space under one epoch.
pub(crate) struct Session {
    files: Arc<Files>,
    metrics: Arc<Metrics>,
    space: SpaceId,
    epoch: u32,
    cipher: Cipher,
    transfer: Transfer,
    /// The log as handed to the branches.
    layout: Layout,
    /// Plaintext that waits for its frame to fill.
    buffer: BytesMut,
    /// Of everything taken.
    hash: Hash,
    /// Of everything acknowledged.
    synced_hash: Hash,
    synced: u64,
    /// The sequence before which everything is acknowledged.
    synced_next: u64,
    live: Arc<Live>,
    /// It was finished: nothing is added any more.
    stored: bool,
    /// A session that failed once is over: only a new epoch goes on.
    broken: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.live.lose();
    }
}

impl Session {
    /// Opens the branches and begins the epoch: its first frame is durable on a majority before
    /// anything is answered. `meta` is given for a content that was never begun before.
    pub async fn begin(
        files: Arc<Files>,
        metrics: Arc<Metrics>,
        prepared: Prepared,
        live: Arc<Live>,
        meta: Option<&[u8]>,
    ) -> Result<Self, Error> {
        let Prepared { space, epoch, cipher, layout, hash, mut transfer } = prepared;
        transfer.open(&layout);
        let mut session = Self {
            files,
            metrics,
            space,
            epoch,
            cipher,
            transfer,
            layout,
            buffer: BytesMut::new(),
            synced_hash: hash.clone(),
            hash,
            synced: 0,
            synced_next: 0,
            live,
            stored: false,
            broken: false,
        };
        match meta {
            Some(meta) => session.push(FrameKind::Meta, 0, meta).await?,
            None => session.push(FrameKind::Barrier, session.layout.offset, &[]).await?,
        }
        session.sync().await?;
        Ok(session)
    }

    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Octets acknowledged so far.
    pub fn synced(&self) -> u64 {
        self.synced
    }

    /// Whether it may still take octets.
    pub fn is_open(&self) -> bool {
        !self.broken && !self.stored
    }

    /// Octets taken so far.
    pub fn offset(&self) -> u64 {
        self.layout.offset + self.buffer.len() as u64
    }

    /// SHA-256 of the octets taken so far.
    pub fn digest(&self) -> Digest {
        self.hash.digest()
    }

    fn check(&self) -> Result<(), Error> {
        self.files.check(self.space)?;
        if self.broken {
            Err(Error::Fenced { space: self.space, epoch: self.epoch })
        } else {
            Ok(())
        }
    }

    /// Goes on for a later request: first syncs what an earlier one left unsynced.
    pub async fn go_on(&mut self) -> Result<(), Error> {
        self.check()?;
        if !self.stored {
            // A later writer has fenced this node too, if it could: then this one is over.
            let promised = self.files.lock(self.space).await?.promised();
            if promised != self.epoch {
                return self.keep(Err(Error::Fenced { space: self.space, epoch: promised }));
            }
            self.sync().await?;
            self.transfer.open(&self.layout);
        }
        Ok(())
    }

    /// Breaks the session if that step failed.
    fn keep<T>(&mut self, step: Result<T, Error>) -> Result<T, Error> {
        if step.is_err() {
            self.broken = true;
            self.live.lose();
            self.transfer.close();
        }
        step
    }

    /// Takes plaintext, and seals each frame that is full.
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
            self.metrics.bytes_in.fetch_add(piece.len() as u64, Relaxed);
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

    /// Seals a frame and hands it to the branches.
    async fn push(&mut self, kind: FrameKind, offset: u64, plaintext: &[u8]) -> Result<(), Error> {
        let (epoch, sequence) = (self.epoch, self.layout.next);
        let mut frame = BytesMut::new();
        let new = NewFrame { kind, epoch, sequence, offset, plaintext };
        let head = self.cipher.seal(&mut frame, new);
        let space = self.space;
        if self.layout.push(&head).is_err() {
            // Only the cap on runs can refuse what we made; the nonce is used, so the session ends.
            return self.keep(Err(Error::TooManyPieces { space }));
        }
        let sent = self.transfer.send(Order::Frame(frame.freeze())).await;
        self.keep(sent)
    }

    /// Makes everything durable on a majority.
    pub async fn sync(&mut self) -> Result<u64, Error> {
        self.check()?;
        self.flush().await?;
        if self.synced_next == self.layout.next {
            return Ok(self.synced);
        }
        let sent = self.transfer.send(Order::Sync).await;
        self.keep(sent)?;
        let waited = self.transfer.wait(self.layout.next).await;
        self.keep(waited)?;
        (self.synced, self.synced_next) = (self.layout.offset, self.layout.next);
        self.synced_hash = self.hash.clone();
        self.live.acknowledge(self.epoch, self.synced);
        Ok(self.synced)
    }

    /// Takes back what was taken since the last sync.
    pub async fn rollback(&mut self) -> Result<u64, Error> {
        self.check()?;
        self.buffer.clear();
        self.hash = self.synced_hash.clone();
        if self.layout.offset > self.synced {
            self.push(FrameKind::Cut, self.synced, &[]).await?;
        }
        self.sync().await
    }

    /// Completes the content; a second call gives the same answer.
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
        self.transfer.linger(next, FINISH_GRACE).await;
        self.transfer.close();
        self.stored = true;
        Ok(Stored { digest, size, holders: self.transfer.holders(next) })
    }

    /// Copies a content that was finished before to the current voters, if too few of them have it:
    /// the voters may have changed since.
    async fn copy_again(&mut self, next: u64) -> Result<(), Error> {
        if self.transfer.settled(next) == Some(true) {
            return Ok(());
        }
        self.transfer.open_again(&self.layout);
        let sent = self.transfer.send(Order::Sync).await;
        self.keep(sent)?;
        let waited = self.transfer.wait(next).await;
        self.keep(waited)
    }
}
