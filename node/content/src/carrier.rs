//! Carries the frames of a transfer: to the log here, or to a peer.
//!
//! A branch that has fallen behind gets no more frames from memory: it reads the log here instead,
//! at the holder's own pace.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use model::{NodeId, SpaceId, lengths::in_memory};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Error, FrameSink, FrameSource, Peers,
    files::{Files, SYNC_EVERY},
    frames::{PIECE, walk},
    layout::Layout,
    progress::Progress,
    protocol::{self, AskAppend, Operation, Signal},
    record::FrameHead,
    source::Source,
};

/// Frames on their way to one holder: a mebibyte, as much as the mesh keeps under way.
pub(crate) const WINDOW: usize = 8;
/// Branches of this node that have fallen behind: each reads a piece of a file at a time. Beyond it
/// a holder is dropped, and fetches the whole content later.
const BEHIND_MAX: usize = 16;
/// How long a branch whose writer is done waits for its holder's last word.
const LAST_WORD_TIME: Duration = Duration::from_secs(10);

/// What a branch carries.
#[derive(Clone)]
pub(crate) enum Order {
    Frame(Bytes),
    Sync,
}

/// The carrier's end of a branch.
pub(crate) struct Branch {
    pub node: NodeId,
    pub orders: mpsc::Receiver<Order>,
    /// Set when the orders end because the branch has fallen behind.
    pub behind: Arc<AtomicBool>,
    pub progress: Arc<Progress>,
}

/// The two ends of a stream to a peer.
struct Stream {
    sink: Box<dyn FrameSink>,
    source: Box<dyn FrameSource>,
}

/// Where a holder's next frame is: its sequence, and its place in the log here if that is known.
#[derive(Clone, Copy)]
struct Next {
    sequence: u64,
    at: Option<u64>,
}

/// Carries frames out of memory and out of the logs here.
pub(crate) struct Carrier {
    files: Arc<Files>,
    peers: Arc<dyn Peers>,
    /// One permit for each branch that has fallen behind.
    behind: Semaphore,
}

impl Carrier {
    pub fn new(files: Arc<Files>, peers: Arc<dyn Peers>) -> Self {
        Self { files, peers, behind: Semaphore::new(BEHIND_MAX) }
    }

    /// Writes what the writer of `epoch` orders to the log here.
    pub async fn run_here(
        &self,
        space: SpaceId,
        epoch: u32,
        branch: &mut Branch,
    ) -> Result<(), Error> {
        let (mut batch, mut unsynced) = (Vec::with_capacity(WINDOW), 0);
        while let Some(order) = branch.orders.recv().await {
            let mut sync = false;
            let mut next = Some(order);
            while let Some(order) = next.take() {
                match order {
                    Order::Frame(frame) => {
                        unsynced += frame.len();
                        batch.push(frame);
                    }
                    Order::Sync => sync = true,
                }
                if !sync && batch.len() < WINDOW {
                    next = branch.orders.try_recv().ok();
                }
            }
            let mut log = self.files.lock(space).await?;
            self.files.append(&mut log, epoch, &batch).await?;
            batch.clear();
            if sync || unsynced >= SYNC_EVERY {
                unsynced = 0;
                self.files.sync(&mut log).await?;
                branch.progress.durable(branch.node, log.layout.next);
            }
        }
        Ok(())
    }

    /// Brings a peer's log to `base`, which the log here holds, and sends on what the writer orders.
    pub async fn run_peer(
        &self,
        ask: AskAppend,
        base: Layout,
        branch: &mut Branch,
    ) -> Result<(), Error> {
        let (peer, space) = (branch.node, ask.space);
        let gone = || Error::Unavailable { space };
        let header = protocol::message(Operation::Append, &ask);
        let (sink, source) = self.peers.open_stream(peer, header).await.map_err(|_| gone())?;
        let mut stream = Stream { sink, source };
        let first = timeout(LAST_WORD_TIME, stream.source.next()).await.ok().flatten();
        let sequence = match Signal::parse(&first.ok_or_else(gone)?) {
            Some(Signal::From(from)) if from <= base.next => from,
            word => return Err(refusal(word, space)),
        };
        let next = Next { sequence, at: None };
        let mut sent = self.catch_up(space, &base, next, &mut *stream.sink).await?.sequence;
        loop {
            tokio::select! {
                order = branch.orders.recv() => {
                    let frame = match order {
                        None => break,
                        Some(Order::Sync) => Signal::Sync.encode(),
                        Some(Order::Frame(frame)) => {
                            sent += 1;
                            frame
                        }
                    };
                    stream.sink.send(frame).await.map_err(|_| gone())?;
                }
                word = stream.source.next() => note(branch, space, word)?,
            }
        }
        if branch.behind.load(Relaxed) {
            let _room = self.behind.try_acquire().map_err(|_| gone())?;
            sent = self.trail(space, sent, &mut stream, branch).await?;
        }
        // The writer is done; its last frames still count for this holder.
        let deadline = Instant::now() + LAST_WORD_TIME;
        stream.sink.send(Signal::Sync.encode()).await.map_err(|_| gone())?;
        while branch.progress.lacks(peer, sent) {
            let word = timeout_at(deadline, stream.source.next()).await.ok().flatten();
            note(branch, space, word)?;
        }
        Ok(())
    }

    /// Sends what is in the log here and what comes into it, from a sequence on, until the writer is
    /// done; gives the next sequence.
    async fn trail(
        &self,
        space: SpaceId,
        sent: u64,
        stream: &mut Stream,
        branch: &Branch,
    ) -> Result<u64, Error> {
        let progress = &branch.progress;
        let mut next = Next { sequence: sent, at: None };
        loop {
            let changed = progress.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let done = progress.is_finished();
            let layout = self.files.lock(space).await?.layout.clone();
            if next.sequence < layout.next {
                next = self.catch_up(space, &layout, next, &mut *stream.sink).await?;
                let synced = stream.sink.send(Signal::Sync.encode()).await;
                synced.map_err(|_| Error::Unavailable { space })?;
            } else if done {
                return Ok(next.sequence);
            } else {
                tokio::select! {
                    () = changed => {}
                    word = stream.source.next() => note(branch, space, word)?,
                }
            }
        }
    }

    /// Sends the frames of the log here that the holder lacks; gives the frame behind them.
    async fn catch_up(
        &self,
        space: SpaceId,
        base: &Layout,
        from: Next,
        sink: &mut dyn FrameSink,
    ) -> Result<Next, Error> {
        let end = Next { sequence: base.next, at: Some(base.end) };
        let Some(mut cursor) = base.find(from.sequence) else { return Ok(end) };
        let source = Source::file(space, self.files.raw(space).await?);
        if cursor.sequence < from.sequence && from.at.is_none() {
            // Within a mixed run.
            walk(&source, &mut cursor, |head| head.sequence >= from.sequence).await?;
        }
        let (mut at, mut next) = (from.at.unwrap_or(cursor.at), from.sequence);
        while at < base.end {
            let len = in_memory((base.end - at).min(PIECE as u64));
            let mut octets = source.read(at, len).await?.freeze();
            let begun = at;
            // A log that another epoch has cut meanwhile goes on with other frames.
            while let Some(head) = FrameHead::parse(&octets, space)
                .filter(|head| head.sequence == next && head.total() <= octets.len())
            {
                let frame = octets.split_to(head.total());
                at += head.total() as u64;
                next += 1;
                sink.send(frame).await.map_err(|_| Error::Unavailable { space })?;
            }
            if at == begun {
                return Err(Error::Damaged { space, what: "its frames here" });
            }
        }
        Ok(end)
    }
}

/// Notes what a holder says of its progress.
fn note(branch: &Branch, space: SpaceId, word: Option<Bytes>) -> Result<(), Error> {
    match word.as_deref().and_then(Signal::parse) {
        Some(Signal::Durable(next)) => {
            branch.progress.durable(branch.node, next);
            Ok(())
        }
        word => Err(refusal(word, space)),
    }
}

/// Why a holder takes nothing, or nothing more.
fn refusal(word: Option<Signal>, space: SpaceId) -> Error {
    match word {
        Some(Signal::Refused(epoch @ 1..)) => Error::Fenced { space, epoch },
        Some(Signal::Full) => Error::Full,
        _ => Error::Unavailable { space },
    }
}
