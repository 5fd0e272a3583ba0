//! Takes the frames of a large content that a writer sends here.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use model::{NodeId, SpaceId};
use parking_lot::Mutex;

use crate::{
    Error, FrameSink, FrameSource,
    files::{Admission, Files, SYNC_EVERY},
    protocol::{self, AskAppend, Operation, STREAM_HEADER_MAX, Signal, TENURES_MAX},
};

/// The streams of frames that come to this node.
pub(crate) struct Incoming {
    files: Arc<Files>,
    /// Contents that a writer is sending here now, and by how many streams.
    under_way: Mutex<BTreeMap<SpaceId, usize>>,
}

/// One stream that brings a content here, as it is counted.
struct Counted<'a> {
    incoming: &'a Incoming,
    space: SpaceId,
}

impl Incoming {
    pub fn new(files: Arc<Files>) -> Self {
        Self { files, under_way: Mutex::default() }
    }

    /// Whether a writer is sending this content here: then fetching it would carry it twice.
    pub fn is_under_way(&self, space: SpaceId) -> bool {
        self.under_way.lock().contains_key(&space)
    }

    /// Serves a stream that a peer opened, until it ends.
    pub async fn serve(
        &self,
        from: NodeId,
        header: Bytes,
        mut sink: Box<dyn FrameSink>,
        mut source: Box<dyn FrameSource>,
    ) {
        let Err(error) = self.take(header, &mut *sink, &mut *source).await else { return };
        tracing::debug!(%from, %error, "a peer's stream was refused");
        let word = match error {
            Error::Fenced { epoch, .. } => Signal::Refused(epoch),
            Error::Full | Error::TooMany => Signal::Full,
            _ => Signal::Refused(0),
        };
        if let Err(error) = sink.send(word.encode()).await {
            tracing::debug!(%from, %error, "a peer is gone before it heard why");
        }
    }

    async fn take(
        &self,
        header: Bytes,
        sink: &mut dyn FrameSink,
        source: &mut dyn FrameSource,
    ) -> Result<(), Error> {
        let AskAppend { space, packet, epoch, identity, tenures } = parse(&header)?;
        let identity = protocol::identity(&identity, space)?;
        let next = {
            let mut log = self.files.lock_or_begin(space, packet).await?;
            let writer = Admission { epoch, packet, identity: &identity, tenures: &tenures };
            self.files.admit(&mut log, &writer).await?
        };
        let _counted = Counted::begin(self, space);
        let gone = |_| Error::Unavailable { space };
        sink.send(Signal::From(next).encode()).await.map_err(gone)?;
        let mut unsynced = 0;
        while let Some(frame) = source.next().await {
            let mut log = self.files.lock(space).await?;
            if Signal::parse(&frame) != Some(Signal::Sync) {
                self.files.append(&mut log, epoch, std::slice::from_ref(&frame)).await?;
                unsynced += frame.len();
                if unsynced < SYNC_EVERY {
                    continue;
                }
            }
            unsynced = 0;
            if log.promised() != epoch {
                return Err(Error::Fenced { space, epoch: log.promised() });
            }
            self.files.sync(&mut log).await?;
            let next = log.layout.next;
            drop(log);
            sink.send(Signal::Durable(next).encode()).await.map_err(gone)?;
        }
        Ok(())
    }
}

/// Reads a stream's header.
fn parse(header: &Bytes) -> Result<AskAppend, Error> {
    if header.len() > STREAM_HEADER_MAX {
        let max = STREAM_HEADER_MAX as u64;
        return Err(Error::TooLarge { what: "a stream's header", max });
    }
    let Some((Operation::Append, body)) = protocol::split(header) else {
        return Err(Error::Malformed { what: "a stream's header" });
    };
    let ask: AskAppend = protocol::decode(&body)?;
    match ask.tenures.len() {
        0..=TENURES_MAX => Ok(ask),
        _ => Err(Error::Malformed { what: "a stream's tenures" }),
    }
}

impl<'a> Counted<'a> {
    fn begin(incoming: &'a Incoming, space: SpaceId) -> Self {
        *incoming.under_way.lock().entry(space).or_default() += 1;
        Self { incoming, space }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut under_way = self.incoming.under_way.lock();
        if let Some(count) = under_way.get_mut(&self.space) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.space);
            }
        }
    }
}
