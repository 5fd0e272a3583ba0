//! Takeover: a node that was given an epoch makes itself the writer of a space.
//!
//! 1. *Fence.* A majority promises the epoch durably and tells how its log stands. A promise is
//!    given once, so an epoch has one writer, even if a node lost its memory in between.
//! 2. *Choose.* Of those who promised, the log with the highest (epoch of its last frame, length)
//!    holds everything that was ever acknowledged: that needed a majority, and two meet.
//! 3. *Bring here.* What this node's log has otherwise is cut, what it lacks is fetched, and the
//!    content is hashed again by reading it back.
//! 4. *Barrier.* An empty frame of the new epoch goes to a majority before anything is answered:
//!    from then on no older log can be chosen any more.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::FuturesUnordered};
use model::{NodeId, PacketId, SpaceId};
use tokio::time::{Instant, timeout_at};

use crate::{
    Error, Offset,
    files::Locked,
    lanes::Lanes,
    layout::{Layout, place},
    protocol::{self, About, AskFence, Operation, SPANS_MAX, Standing},
    reader::{PIECE, Source},
    record::{FRAME, FrameHead, FrameKind, Identity, frame_total},
    seal::{Cipher, Hash, SlotOwner, fresh_generation, fresh_key},
    store::Store,
    writer::{Live, Session},
};

/// How long a majority is given to answer.
const ASK_TIME: Duration = Duration::from_secs(5);
/// How long the others are waited for once a majority has answered.
const ASK_GRACE: Duration = Duration::from_millis(50);

impl Store {
    /// See [`crate::Content::open_writer`].
    pub async fn take_over(
        self: &Arc<Self>,
        space: SpaceId,
        packet: PacketId,
        epoch: u32,
        meta: &[u8],
        live: Arc<Live>,
    ) -> Result<Session, Error> {
        let granted = self.fence(space, packet, epoch).await?;
        let best = granted.iter().max_by_key(|(_, standing)| standing.position());
        let (holder, best) = best.ok_or(Error::Unavailable { space })?;
        let fresh = best.position() == (0, 0);
        let (identity, cipher) = if fresh {
            let (key, generation) = (fresh_key(&self.random), fresh_generation(&self.random));
            let owner = SlotOwner { space, packet, generation, small: None };
            let slot = owner.seal(&*self.keys, &key)?;
            (Identity { space, packet, generation, slot }, Cipher::new(space, &key))
        } else {
            let identity = Identity::from_peer(&best.identity, space)?;
            let cipher = identity.owner().open(&*self.keys, &identity.slot)?;
            (identity, cipher)
        };
        let mut log = self.lock_space(space, Some(packet)).await?;
        self.admit(&mut log, (epoch, packet), &identity, &best.spans).await?;
        self.bring_here(&mut log, *holder, best).await?;
        let (layout, file) = (log.layout.clone(), log.file.clone());
        drop(log);
        let source = Source::Here { file, base: 0, small: false };
        let hash = self.hash_again(space, &cipher, &source, &layout).await?;
        let mut lanes = Lanes::new(self.clone(), (space, packet, epoch), identity);
        lanes.open(&layout);
        let mut session = Session {
            store: self.clone(),
            space,
            epoch,
            cipher,
            lanes,
            buffer: Default::default(),
            synced_hash: hash.clone(),
            hash,
            synced: 0,
            synced_next: 0,
            live,
            stored: false,
            broken: false,
            layout,
        };
        let (kind, offset) =
            if fresh { (FrameKind::Meta, 0) } else { (FrameKind::Barrier, session.layout.offset) };
        session.push(kind, offset, if fresh { meta } else { &[] }).await?;
        session.sync().await?;
        Ok(session)
    }

    /// Fences a majority at an epoch; gives who promised and how their logs stand.
    async fn fence(
        &self,
        space: SpaceId,
        packet: PacketId,
        epoch: u32,
    ) -> Result<Vec<(NodeId, Standing)>, Error> {
        let members = self.members();
        let ask = AskFence { space, packet, epoch };
        let here = self.fence_here_for(ask.clone()).await?;
        if !here.granted {
            return Err(Error::Fenced { space, epoch: here.promised });
        }
        let answers = self.ask_all(space, Operation::Fence, &ask, (members.node, here)).await;
        let granted = |(node, standing): &(NodeId, Standing)| {
            standing.granted && members.voters.contains(node)
        };
        if answers.iter().filter(|answer| granted(answer)).count() < members.majority() {
            let higher = answers.iter().map(|(_, standing)| standing.promised).max().unwrap_or(0);
            let refused = answers.iter().any(|(_, standing)| !standing.granted);
            return Err(if refused {
                Error::Fenced { space, epoch: higher }
            } else {
                Error::Unavailable { space }
            });
        }
        Ok(answers.into_iter().filter(|(_, standing)| standing.granted).collect())
    }

    /// Asks all other voters; waits for a majority, and a little for the rest.
    async fn ask_all(
        &self,
        space: SpaceId,
        operation: Operation,
        body: &impl minicbor::Encode<()>,
        here: (NodeId, Standing),
    ) -> Vec<(NodeId, Standing)> {
        let members = self.members();
        let message = protocol::message(operation, body);
        let mut asked: FuturesUnordered<_> = members
            .others()
            .map(|peer| {
                let answer = self.peers.request(peer, message.clone());
                async move { (peer, answer.await) }
            })
            .collect();
        let mut votes = usize::from(members.voters.contains(&here.0));
        let mut answers = vec![here];
        let mut deadline = Instant::now() + ASK_TIME;
        while let Ok(Some((peer, answer))) = timeout_at(deadline, asked.next()).await {
            let body = answer.ok().and_then(|answer| protocol::accepted(&answer, space).ok());
            let standing: Option<Standing> = body.and_then(|body| protocol::decode(&body).ok());
            let Some(standing) = standing.filter(|standing| standing.spans.len() <= SPANS_MAX)
            else {
                continue;
            };
            answers.push((peer, standing));
            votes += 1;
            if votes == members.majority() {
                deadline = deadline.min(Instant::now() + ASK_GRACE);
            }
        }
        answers
    }

    /// Fetches what the chosen log has and the one here lacks. The chosen one does not change
    /// meanwhile: its holder has promised this epoch.
    async fn bring_here(
        &self,
        log: &mut Locked,
        holder: NodeId,
        best: &Standing,
    ) -> Result<(), Error> {
        let space = log.id;
        let source = Source::Peer { node: holder, small: false };
        while holder != self.members().node && log.layout.end < best.end {
            let len = (best.end - log.layout.end).min(PIECE as u64) as usize;
            let mut octets: Bytes =
                self.read_raw(space, &source, log.layout.end, len).await?.freeze();
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
            self.append(log, epoch, &frames).await?;
        }
        if log.layout.spans() != best.spans {
            return Err(Error::Damaged { space, what: "the log here is not the chosen one" });
        }
        self.sync_space(log).await
    }

    /// Hashes the content again, by reading back what is here.
    async fn hash_again(
        &self,
        space: SpaceId,
        cipher: &Cipher,
        source: &Source,
        layout: &Layout,
    ) -> Result<Hash, Error> {
        let mut hash = Hash::new();
        for run in layout.live() {
            let mut place = place(&run, 0);
            while place.offset < place.end {
                let range = place.offset..place.end;
                let hashed = |_, plaintext: BytesMut| hash.update(&plaintext);
                self.read_frames((space, source, cipher), &mut place, range, hashed).await?;
            }
        }
        Ok(hash)
    }

    /// How the writing of a space stands here, for a peer that was asked for its offset.
    pub async fn stand(&self, space: SpaceId) -> Result<Standing, Error> {
        let mut standing = match self.lock_space(space, None).await {
            Ok(log) => log.standing(),
            Err(Error::Missing { .. }) => Standing::default(),
            Err(error) => return Err(error),
        };
        if let Some((_, live)) = self.sessions.find(space) {
            use std::sync::atomic::Ordering::Relaxed;
            if live.sound.load(Relaxed) {
                standing.writer = Some((live.epoch.load(Relaxed), live.acknowledged.load(Relaxed)));
            }
        }
        Ok(standing)
    }

    /// See [`crate::Content::offset`]. Only a writer knows what it has acknowledged; its word counts
    /// while a majority has promised nobody a higher epoch, for then nobody can have acknowledged
    /// more. Where no writer answers, either nothing was ever begun, or the content is complete on
    /// a majority, or the space must be claimed: a guess from the holders' logs could go back later.
    pub async fn offset(&self, space: SpaceId) -> Result<Offset, Error> {
        let members = self.members();
        if let Some((cell, _)) = self.sessions.find(space)
            && let Ok(mut writing) = cell.try_lock_owned()
            && let Some(session) =
                writing.as_mut().filter(|session| !session.broken && !session.stored)
        {
            // What a broken-off request left is worth keeping: the client need not send it again.
            session.sync().await?;
        }
        let here = self.stand(space).await?;
        let answers =
            self.ask_all(space, Operation::Stand, &About { space }, (members.node, here)).await;
        let voters: Vec<_> =
            answers.iter().filter(|(node, _)| members.voters.contains(node)).collect();
        if voters.len() < members.majority() {
            return Err(Error::Unavailable { space });
        }
        let writer = answers.iter().filter_map(|(_, standing)| standing.writer).max();
        let bowing =
            |epoch: u32| voters.iter().filter(|(_, standing)| standing.promised <= epoch).count();
        if let Some((epoch, acknowledged)) = writer
            && bowing(epoch) >= members.majority()
        {
            return Ok(Offset::At(acknowledged));
        }
        if bowing(0) >= members.majority() {
            return Ok(Offset::At(0));
        }
        let sealed: Vec<u64> = voters.iter().filter_map(|(_, standing)| standing.sealed).collect();
        if sealed.len() >= members.majority() && sealed.iter().all(|size| *size == sealed[0]) {
            return Ok(Offset::At(sealed[0]));
        }
        Ok(Offset::Unclaimed)
    }
}

// A full frame and its overhead must fit into one piece, or reading back would stand still.
const _: () = assert!(PIECE >= frame_total(FRAME));
