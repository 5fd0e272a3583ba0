//! Fetches copies that this node should have and has not, or has and cannot use.
//!
//! Others say what is to be fetched; here it is done. A fetched copy is checked frame by frame
//! under the content's key before it counts.

use std::sync::Arc;

use bytes::BytesMut;
use model::{Digest, NodeId, SpaceId, lengths::in_memory};

use crate::{
    Error, SealedRecord,
    files::{FileHeader, Files},
    frames::PIECE,
    incoming::Incoming,
    index::{Index, Location},
    membership::Membership,
    opener::{Opened, Opener},
    protocol::Description,
    record::{FILE_HEAD, FRAME, FrameHead, Identity, RECORD_MAX, SealMark, frame_total},
    segments::Segments,
    volume::Volume,
};

/// The longest frame that a seal may be.
const SEAL_MAX: usize = frame_total(FRAME);

/// Fetches contents from other holders.
pub(crate) struct Fetcher {
    index: Arc<Index>,
    segments: Arc<Segments>,
    files: Arc<Files>,
    volume: Arc<Volume>,
    opener: Arc<Opener>,
    incoming: Arc<Incoming>,
    membership: Arc<Membership>,
}

/// A content that is wanted here.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub space: SpaceId,
    /// A copy of another digest is not the content.
    pub digest: Option<Digest>,
}

impl Wanted {
    /// Whether that is the content.
    pub fn is(&self, digest: Digest) -> bool {
        self.digest.is_none_or(|wanted| wanted == digest)
    }
}

/// Where a file's seal frame lies.
#[derive(Clone, Copy)]
struct SealAt {
    at: u64,
    len: u32,
}

impl Fetcher {
    pub fn new(
        index: Arc<Index>,
        segments: Arc<Segments>,
        files: Arc<Files>,
        volume: Arc<Volume>,
        opener: Arc<Opener>,
        incoming: Arc<Incoming>,
        membership: Arc<Membership>,
    ) -> Self {
        Self { index, segments, files, volume, opener, incoming, membership }
    }

    /// Fetches a content unless a good copy is here or on its way.
    pub async fn fetch(&self, wanted: Wanted, holders: &[NodeId]) -> Result<(), Error> {
        let space = wanted.space;
        self.files.check(space)?;
        self.volume.check_room().await?;
        let here = self.index.location(space);
        if let Ok(opened) = self.opener.open_here(space).await
            && wanted.is(opened.digest)
        {
            return Ok(());
        }
        if self.incoming.is_under_way(space) {
            // Its writer is sending it: fetching would carry it twice.
            return Err(Error::Busy { space });
        }
        self.fetch_from_any(wanted, here, holders).await
    }

    /// Fetches a content whose copy here failed, although it may seem good.
    pub async fn fetch_again(&self, wanted: Wanted, holders: &[NodeId]) -> Result<(), Error> {
        self.files.check(wanted.space)?;
        self.volume.check_room().await?;
        self.fetch_from_any(wanted, self.index.location(wanted.space), holders).await
    }

    /// Fetches a content in the place of what is here, from the first holder that has it.
    async fn fetch_from_any(
        &self,
        wanted: Wanted,
        here: Option<Location>,
        holders: &[NodeId],
    ) -> Result<(), Error> {
        let node = self.membership.get().node;
        let mut last = Error::Missing { space: wanted.space };
        for holder in holders.iter().copied().filter(|holder| *holder != node) {
            match self.fetch_from(wanted, here, holder).await {
                Ok(()) => return Ok(()),
                Err(
                    error @ (Error::Purged { .. } | Error::Full | Error::TooMany | Error::Failed),
                ) => {
                    self.files.check(wanted.space)?;
                    last = error;
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn fetch_from(
        &self,
        wanted: Wanted,
        here: Option<Location>,
        holder: NodeId,
    ) -> Result<(), Error> {
        let space = wanted.space;
        let description = self.opener.describe(space, holder).await?;
        let opened = self.opener.open_described(space, holder, &description).await?;
        let same = opened.digest == description.digest && opened.size == description.size;
        if !same || !wanted.is(opened.digest) {
            return Err(Error::Damaged { space, what: "a holder's copy is another content" });
        }
        let Description { total, seal_at, .. } = description;
        let Some(at) = seal_at else {
            let bad = match here {
                Some(Location::Record(bad)) => Some(bad),
                Some(Location::File { .. }) => return Err(Error::Exists { space }),
                None => None,
            };
            let record = fetch_record(&opened, total).await?;
            return self.segments.put_instead(record, bad).await;
        };
        // The numbers are the peer's: they say nothing until they fit together.
        let len = total.checked_sub(at).and_then(|len| u32::try_from(len).ok());
        let len = len.filter(|len| *len as usize <= SEAL_MAX && at >= FILE_HEAD as u64);
        let len = len.ok_or(Error::Damaged { space, what: "a holder's description" })?;
        self.fetch_file(&opened, SealAt { at, len }).await
    }

    async fn fetch_file(&self, opened: &Opened, seal: SealAt) -> Result<(), Error> {
        let result = self.copy_file(opened, seal).await;
        if result.is_err() && self.volume.alive().is_ok() {
            self.files.discard_part(opened.source.space).await?;
        }
        result
    }

    async fn copy_file(&self, opened: &Opened, seal: SealAt) -> Result<(), Error> {
        let source = &opened.source;
        let space = source.space;
        let header = source.read(0, FILE_HEAD).await?;
        let damaged = Error::Damaged { space, what: "a holder's file" };
        let identity = Identity::parse(&header, space).ok_or(damaged)?;
        let part = self.files.begin_part(space).await?;
        let (mut at, end) = (FILE_HEAD as u64, seal.at + u64::from(seal.len));
        while at < end {
            self.files.check(space)?;
            let piece = in_memory((end - at).min(PIECE as u64));
            let octets = source.read(at, piece).await?;
            let good = good_frames(opened, &octets)?;
            if good == 0 {
                return Err(Error::Damaged { space, what: "a holder's frames" });
            }
            part.write(at, octets.freeze().slice(..good)).await?;
            at += good as u64;
        }
        let Opened { size, digest, .. } = *opened;
        let mark = SealMark { at: seal.at, len: seal.len, size, digest };
        self.files.put_in_place(part, &FileHeader { identity, mark }).await
    }
}

/// Reads a whole record and checks it.
async fn fetch_record(opened: &Opened, total: u64) -> Result<SealedRecord, Error> {
    let space = opened.source.space;
    let damaged = || Error::Damaged { space, what: "a holder's record" };
    let total = usize::try_from(total).ok().filter(|total| *total <= RECORD_MAX);
    let total = total.ok_or_else(damaged)?;
    let mut octets = BytesMut::with_capacity(total);
    while octets.len() < total {
        let rest = (total - octets.len()).min(PIECE);
        let piece = opened.source.read(octets.len() as u64, rest).await?;
        if piece.is_empty() {
            return Err(damaged());
        }
        octets.extend_from_slice(&piece);
    }
    // Its head may be another one than the holder showed before.
    let record = SealedRecord::parse(octets.freeze())
        .filter(|record| record.space() == space && record.digest() == opened.digest)
        .ok_or_else(damaged)?;
    let frames = record.octets().get(opened.frames_at()..).unwrap_or_default();
    if good_frames(opened, frames)? == 0 {
        return Err(damaged());
    }
    Ok(record)
}

/// Opens every frame in the octets, which begin at a frame and end with one or with padding; gives
/// how many octets are good frames.
fn good_frames(opened: &Opened, octets: &[u8]) -> Result<usize, Error> {
    let (space, mut rest) = (opened.source.space, octets);
    while let Some(head) = FrameHead::parse(rest, space) {
        let Some(frame) = rest.get(..head.total()) else { break };
        if opened.cipher.open(BytesMut::from(frame)).is_none() {
            return Err(Error::Forged { space, sequence: head.sequence });
        }
        rest = &rest[frame.len()..];
    }
    Ok(octets.len() - rest.len())
}
