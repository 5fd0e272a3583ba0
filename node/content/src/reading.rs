//! Reading: plaintext in pieces, every frame checked by its seal before a byte of it goes out.
//!
//! When this node's copy is missing or fails, another holder's raw octets are read through the same
//! checks, from the same offset on, and the local copy is healed. Memory: one read of
//! [`crate::frames::PIECE`] octets and what of it was not given out yet.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use model::{Digest, NodeId, lengths::in_memory};

use crate::{
    Error, Metrics,
    fetch::Wanted,
    files::Files,
    frames::open_frames,
    heal::Healer,
    index::Index,
    layout::{FrameCursor, locate},
    membership::Membership,
    opener::{Opened, Opener},
};

/// Begins the readings of this node.
pub(crate) struct Readings {
    index: Arc<Index>,
    files: Arc<Files>,
    opener: Arc<Opener>,
    healer: Arc<Healer>,
    membership: Arc<Membership>,
    metrics: Arc<Metrics>,
}

/// A content being read, piece by piece.
pub struct Reading {
    readings: Arc<Readings>,
    wanted: Wanted,
    opened: Opened,
    range: Range<u64>,
    at: u64,
    /// Behind the last frame that was read.
    cursor: Option<FrameCursor>,
    ready: VecDeque<Bytes>,
    /// Peers that were not tried yet.
    others: VecDeque<NodeId>,
    failed: bool,
}

impl Readings {
    pub fn new(
        index: Arc<Index>,
        files: Arc<Files>,
        opener: Arc<Opener>,
        healer: Arc<Healer>,
        membership: Arc<Membership>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { index, files, opener, healer, membership, metrics }
    }

    /// Opens a copy here or at another voter, and begins to read it.
    pub async fn open(
        self: &Arc<Self>,
        wanted: Wanted,
        range: Option<Range<u64>>,
    ) -> Result<Reading, Error> {
        let space = wanted.space;
        self.files.check(space)?;
        let mut others: VecDeque<NodeId> = self.membership.get().others().collect();
        let here = self.opener.open_here(space).await;
        let is_held = self.index.is_complete(space);
        let mut found = here.ok().filter(|opened| wanted.is(opened.digest));
        if found.is_none() && is_held {
            self.healer.heal_later(wanted);
        }
        let opened = loop {
            if let Some(opened) = found {
                break opened;
            }
            let node = others.pop_front().ok_or(Error::Missing { space })?;
            let there = self.opener.open_peer(space, node).await;
            found = there.ok().filter(|opened| wanted.is(opened.digest));
        };
        let size = opened.size;
        let range = range.unwrap_or(0..size);
        if range.start > range.end || range.end > size {
            return Err(Error::Range { space, size });
        }
        Ok(Reading {
            readings: self.clone(),
            wanted: Wanted { space, digest: Some(opened.digest) },
            opened,
            at: range.start,
            range,
            cursor: None,
            ready: VecDeque::new(),
            others,
            failed: false,
        })
    }
}

impl Reading {
    /// The content's whole size.
    pub fn size(&self) -> u64 {
        self.opened.size
    }

    /// The range that is given out.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// SHA-256 of the whole content.
    pub fn digest(&self) -> Digest {
        self.opened.digest
    }

    /// The meta that the content's writer gave.
    pub fn meta(&mut self) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move {
            loop {
                match self.opened.meta().await {
                    Ok(meta) => return Ok(meta),
                    Err(error) => self.turn_to_another(error).await?,
                }
            }
        })
    }

    /// The next piece of the plaintext; none at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if self.failed {
            return None;
        }
        if let Err(error) = self.fill().await {
            self.failed = true;
            self.ready.clear();
            return Some(Err(error));
        }
        let piece = self.ready.pop_front()?;
        self.readings.metrics.bytes_out.fetch_add(piece.len() as u64, Relaxed);
        Some(Ok(piece))
    }

    async fn fill(&mut self) -> Result<(), Error> {
        // A purge ends this reading too, whatever it has read ahead.
        self.readings.files.check(self.wanted.space)?;
        while self.ready.is_empty() && self.at < self.range.end {
            if let Err(error) = self.read_piece().await {
                self.turn_to_another(error).await?;
            }
        }
        Ok(())
    }

    /// Reads some frames of one run and opens them; those before a bad one are kept.
    async fn read_piece(&mut self) -> Result<(), Error> {
        let opened = &self.opened;
        // Of a mixed run, what was read last may end far before what is looked for.
        let goes_on = |cursor: &FrameCursor| (cursor.offset..cursor.end).contains(&self.at);
        let cursor = self.cursor.filter(goes_on).or_else(|| locate(&opened.live, self.at));
        let damaged = Error::Damaged { space: self.wanted.space, what: "its table" };
        let mut cursor = cursor.ok_or(damaged)?;
        let range = self.at..self.range.end;
        let (ready, at) = (&mut self.ready, &mut self.at);
        let end = range.end;
        let keep = |offset: u64, plaintext: BytesMut| {
            let plaintext = plaintext.freeze();
            let from = in_memory(*at - offset);
            let to = plaintext.len().min(in_memory(end - offset));
            ready.push_back(plaintext.slice(from..to));
            *at = offset + to as u64;
        };
        let read = open_frames(&opened.source, &opened.cipher, &mut cursor, range, keep).await;
        self.cursor = Some(cursor);
        read
    }

    /// Whether another copy has the same content.
    fn goes_on_with(&self, opened: &Opened) -> bool {
        self.wanted.is(opened.digest) && opened.size == self.opened.size
    }

    /// Goes on with another holder's copy; this node's own, if it was that, is healed.
    async fn turn_to_another(&mut self, error: Error) -> Result<(), Error> {
        let (readings, space) = (self.readings.clone(), self.wanted.space);
        readings.files.check(space)?;
        if let Some(opened) = readings.opener.reopen(&self.opened).await
            && self.goes_on_with(&opened)
        {
            // A repair has given this node's copy another place.
            (self.opened, self.cursor) = (opened, None);
            return Ok(());
        }
        let error = self.cause(error).await;
        if error.is_damage() {
            readings.metrics.damage_found.fetch_add(1, Relaxed);
            tracing::warn!(%space, %error, "a copy failed; reading goes on from another holder");
        } else {
            tracing::debug!(%space, %error, "a holder gives no more; reading goes on from another");
        }
        if self.opened.source.node().is_none() {
            readings.healer.heal_later(self.wanted);
        }
        while let Some(node) = self.others.pop_front() {
            if let Ok(opened) = readings.opener.open_peer(space, node).await
                && self.goes_on_with(&opened)
            {
                // Its frames may lie elsewhere.
                (self.opened, self.cursor) = (opened, None);
                return Ok(());
            }
        }
        Err(error)
    }

    /// Why a copy gave no good octets. What a peer destroys while we read it arrives as zeros, or
    /// cut short: it is asked whether it still has the content, before its disk is blamed.
    async fn cause(&self, error: Error) -> Error {
        let Some(node) = self.opened.source.node() else { return error };
        if !error.is_damage() {
            return error;
        }
        match self.readings.opener.describe(self.wanted.space, node).await {
            Err(
                gone @ (Error::Purged { .. } | Error::Missing { .. } | Error::Unavailable { .. }),
            ) => gone,
            _ => error,
        }
    }
}
