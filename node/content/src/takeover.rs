//! Takeover: a node that was given an epoch makes itself the writer of a space.
//!
//! 1. *Fence.* A majority promises the epoch durably and tells how its log stands: of those who vote, and of each list
//!    of voters since the space was granted, for they may have acknowledged what nobody else has. A promise is
//!    given once, so an epoch has one writer, even if a node lost its memory in between.
//! 2. *Choose.* Of the nodes that promised, the log with the highest (epoch of its last frame, length)
//!    holds everything that was ever acknowledged: that needed a majority, and two meet.
//! 3. *Bring here.* This node cuts what its log has beside the chosen one, fetches what it lacks,
//!    and hashes the content again by reading it back.
//! 4. *Barrier.* An empty frame of the new epoch goes to a majority before anything is answered:
//!    from then on no older log can be chosen any more.

use std::sync::Arc;

use bytes::BytesMut;
use model::{NodeId, SpaceId, lengths::in_memory};

use crate::{
    Error, Metrics, Peers,
    files::{Admission, Files, LockedLog},
    frames::{PIECE, open_frames},
    layout::{Layout, cursor_at},
    poll::{About, Answer, Answers, Poll},
    protocol::{self, AskFence, Operation, Standing},
    record::FrameHead,
    seal::{Cipher, Hash, Sealer},
    session::{Live, Prepared, Session},
    source::{Form, Source},
    transfers::Transfers,
    words::Claim,
};

/// Takes spaces over.
pub(crate) struct Takeover {
    files: Arc<Files>,
    transfers: Arc<Transfers>,
    sealer: Arc<Sealer>,
    poll: Arc<Poll>,
    peers: Arc<dyn Peers>,
    metrics: Arc<Metrics>,
}

impl Takeover {
    pub fn new(
        files: Arc<Files>,
        transfers: Arc<Transfers>,
        sealer: Arc<Sealer>,
        poll: Arc<Poll>,
        peers: Arc<dyn Peers>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { files, transfers, sealer, poll, peers, metrics }
    }

    /// Makes this node the writer of the claim. `meta` is used if nothing was written before.
    pub async fn run(
        &self,
        claim: Claim,
        former: &[Vec<NodeId>],
        meta: &[u8],
        live: Arc<Live>,
    ) -> Result<Session, Error> {
        let Claim { space, packet, epoch } = claim;
        let granted = self.fence(claim, former).await?;
        let best = granted.all.iter().max_by_key(|answer| answer.standing.position());
        let Answer { node: holder, standing: best } = best.ok_or(Error::Unavailable { space })?;
        let is_fresh = best.position() == (0, 0);
        let (identity, cipher) = if is_fresh {
            self.sealer.begin(space, packet)?
        } else {
            let identity = protocol::identity(&best.identity, space)?;
            let cipher = self.sealer.open(&identity)?;
            (identity, cipher)
        };
        let mut log = self.files.lock_or_begin(space, packet).await?;
        let writer = Admission { epoch, packet, identity: &identity, tenures: &best.tenures };
        self.files.admit(&mut log, &writer).await?;
        if *holder != granted.members.node {
            self.bring_here(&mut log, *holder, best).await?;
        }
        if log.layout.tenures() != best.tenures {
            return Err(Error::Damaged { space, what: "the log here is not the chosen one" });
        }
        self.files.sync(&mut log).await?;
        let (layout, source) = (log.layout.clone(), log.source());
        drop(log);
        let hash = hash_again(&source, &cipher, &layout).await?;
        let transfer = self.transfers.begin(claim, identity);
        let prepared = Prepared { space, epoch, cipher, layout, hash, transfer };
        let (files, metrics) = (self.files.clone(), self.metrics.clone());
        Session::begin(files, metrics, prepared, live, is_fresh.then_some(meta)).await
    }

    /// Fences a majority at an epoch; gives the answers of the nodes that promised it.
    async fn fence(&self, claim: Claim, former: &[Vec<NodeId>]) -> Result<Answers, Error> {
        let Claim { space, packet, epoch } = claim;
        let ask = AskFence { space, packet, epoch };
        let here = self.files.fence(&ask).await?;
        if !here.granted {
            return Err(Error::Fenced { space, epoch: here.promised });
        }
        let mut answers =
            self.poll.ask(About { space, former }, Operation::Fence, &ask, here).await;
        if !answers.majority(|standing| standing.granted) {
            let standings = || answers.all.iter().map(|answer| &answer.standing);
            let higher = standings().map(|standing| standing.promised).max().unwrap_or(0);
            return Err(match standings().all(|standing| standing.granted) {
                true => Error::Unavailable { space },
                false => Error::Fenced { space, epoch: higher },
            });
        }
        answers.all.retain(|answer| answer.standing.granted);
        Ok(answers)
    }

    /// Fetches what the chosen log has and the one here lacks. The chosen one does not change
    /// meanwhile: its holder has promised this epoch.
    async fn bring_here(
        &self,
        log: &mut LockedLog,
        holder: NodeId,
        best: &Standing,
    ) -> Result<(), Error> {
        let space: SpaceId = log.space;
        let source = Source::peer(space, Form::File, self.peers.clone(), holder);
        while log.layout.end < best.end {
            let len = in_memory((best.end - log.layout.end).min(PIECE as u64));
            let mut octets = source.read(log.layout.end, len).await?.freeze();
            let mut frames = Vec::new();
            while let Some(head) =
                FrameHead::parse(&octets, space).filter(|head| head.total() <= octets.len())
            {
                frames.push(octets.split_to(head.total()));
            }
            if frames.is_empty() {
                return Err(Error::Damaged { space, what: "the chosen holder's frames" });
            }
            let epoch = log.promised();
            self.files.append(log, epoch, &frames).await?;
        }
        Ok(())
    }
}

/// Hashes the content again, by reading back what is here.
async fn hash_again(source: &Source, cipher: &Cipher, layout: &Layout) -> Result<Hash, Error> {
    let mut hash = Hash::new();
    for run in layout.live() {
        let mut cursor = cursor_at(&run, 0);
        while cursor.offset < cursor.end {
            let range = cursor.offset..cursor.end;
            let hashed = |_, plaintext: BytesMut| hash.update(&plaintext);
            open_frames(source, cipher, &mut cursor, range, hashed).await?;
        }
    }
    Ok(hash)
}
