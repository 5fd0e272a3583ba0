//! The answers to peers: messages, and streams of frames.

use std::sync::Arc;

use bytes::Bytes;
use model::{NodeId, SpaceId};

use crate::{
    Error, FrameSink, FrameSource,
    protocol::{
        self, About, AskAppend, AskFence, AskHolds, HOLDS_MAX, Operation, Outcome, ReadRaw,
        SPANS_MAX, STREAM_HEADER_MAX, Signal, Standing,
    },
    record::Identity,
    store::Store,
};

/// Octets after which a holder syncs on its own, so that the last sync of a transfer is short.
pub(crate) const SYNC_EVERY: usize = 8 << 20;

impl Store {
    /// Answers a peer's message.
    pub async fn handle(&self, from: NodeId, message: Bytes) -> Bytes {
        match self.answer(message).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%from, %error, "a peer's message was refused");
                protocol::refusal(outcome_of(&error))
            }
        }
    }

    async fn answer(&self, message: Bytes) -> Result<Bytes, Error> {
        let (operation, body) =
            protocol::split(&message).ok_or(Error::Malformed { what: "a message" })?;
        match operation {
            Operation::Put => Ok(protocol::raw_answer(&self.take_records(body).await?)),
            Operation::Describe => {
                let about: About = protocol::decode(&body)?;
                Ok(protocol::answer(&self.describe(about.space).await?))
            }
            Operation::Read => {
                let ask: ReadRaw = protocol::decode(&body)?;
                Ok(protocol::raw_answer(&self.raw_for_peer(ask).await?))
            }
            Operation::Fence => {
                Ok(protocol::answer(&self.fence_here_for(protocol::decode(&body)?).await?))
            }
            Operation::Stand => {
                let about: About = protocol::decode(&body)?;
                Ok(protocol::answer(&self.stand(about.space).await?))
            }
            Operation::Holds => {
                let AskHolds { spaces } = protocol::decode(&body)?;
                if spaces.len() > HOLDS_MAX {
                    return Err(Error::Malformed { what: "a list of spaces" });
                }
                let mut holdings = Vec::with_capacity(spaces.len());
                for space in spaces {
                    holdings.push(self.holding(space).await as u8);
                }
                Ok(protocol::raw_answer(&holdings))
            }
            Operation::Append => Err(Error::Malformed { what: "a stream's header as a message" }),
        }
    }

    /// Promises an epoch if it is higher than every one before, and tells how the log stands.
    pub async fn fence_here_for(&self, ask: AskFence) -> Result<Standing, Error> {
        let mut space = self.lock_space(ask.space, Some(ask.packet)).await?;
        let granted = match self.promise(&mut space, ask.epoch, ask.packet).await {
            Ok(()) => true,
            Err(Error::Fenced { .. }) => false,
            Err(error) => return Err(error),
        };
        // What is reported must be durable: the new writer may count it for its majority.
        self.sync_space(&mut space).await?;
        Ok(Standing { granted, ..space.standing() })
    }

    /// Serves a stream that a peer opened.
    pub async fn handle_stream(
        self: &Arc<Self>,
        from: NodeId,
        header: Bytes,
        mut sink: Box<dyn FrameSink>,
        mut source: Box<dyn FrameSource>,
    ) {
        if let Err(error) = self.take_frames(header, &mut *sink, &mut *source).await {
            tracing::debug!(%from, %error, "a peer's stream was refused");
            let word = match error {
                Error::Fenced { epoch, .. } => Signal::Refused(epoch),
                Error::Full | Error::TooMany => Signal::Full,
                _ => Signal::Refused(0),
            };
            let _ = sink.send(word.encode()).await;
        }
    }

    async fn take_frames(
        &self,
        header: Bytes,
        sink: &mut dyn FrameSink,
        source: &mut dyn FrameSource,
    ) -> Result<(), Error> {
        if header.len() > STREAM_HEADER_MAX {
            return Err(Error::TooLarge {
                what: "a stream's header",
                max: STREAM_HEADER_MAX as u64,
            });
        }
        let Some((Operation::Append, body)) = protocol::split(&header) else {
            return Err(Error::Malformed { what: "a stream's header" });
        };
        let ask: AskAppend = protocol::decode(&body)?;
        if ask.spans.len() > SPANS_MAX {
            return Err(Error::Malformed { what: "a stream's spans" });
        }
        let identity = Identity::from_peer(&ask.identity, ask.space)?;
        let next = {
            let mut space = self.lock_space(ask.space, Some(ask.packet)).await?;
            self.admit(&mut space, (ask.epoch, ask.packet), &identity, &ask.spans).await?
        };
        let _feed = Feed::begin(self, ask.space);
        let gone = |_| Error::Unavailable { space: ask.space };
        sink.send(Signal::From(next).encode()).await.map_err(gone)?;
        let mut unsynced = 0;
        while let Some(frame) = source.next().await {
            let mut space = self.lock_space(ask.space, None).await?;
            if Signal::parse(&frame) != Some(Signal::Sync) {
                self.append(&mut space, ask.epoch, std::slice::from_ref(&frame)).await?;
                unsynced += frame.len();
                if unsynced < SYNC_EVERY {
                    continue;
                }
            }
            unsynced = 0;
            if space.promised() != ask.epoch {
                return Err(Error::Fenced { space: ask.space, epoch: space.promised() });
            }
            self.sync_space(&mut space).await?;
            let next = space.layout.next;
            drop(space);
            sink.send(Signal::Durable(next).encode()).await.map_err(gone)?;
        }
        Ok(())
    }
}

/// A stream that brings a content here; while there is one, nobody fetches the same.
struct Feed<'a> {
    store: &'a Store,
    space: SpaceId,
}

impl<'a> Feed<'a> {
    fn begin(store: &'a Store, space: SpaceId) -> Self {
        *store.feeds.lock().entry(space).or_default() += 1;
        Self { store, space }
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        let mut feeds = self.store.feeds.lock();
        if let Some(count) = feeds.get_mut(&self.space) {
            *count -= 1;
            if *count == 0 {
                feeds.remove(&self.space);
            }
        }
    }
}

fn outcome_of(error: &Error) -> Outcome {
    match error {
        Error::Missing { .. } => Outcome::Missing,
        Error::Purged { .. } => Outcome::Purged,
        Error::Fenced { .. } => Outcome::Fenced,
        Error::Full | Error::TooMany => Outcome::Full,
        Error::Malformed { .. } | Error::TooLarge { .. } => Outcome::Malformed,
        _ => Outcome::Failed,
    }
}
