//! A lane: the calling end of one channel's long-lived stream.
//!
//! One task writes what has queued up, in one go; another reads answers and hands them out.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use model::NodeId;
use parking_lot::Mutex;
use quinn::{RecvStream, SendStream};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Channel, Error,
    frame::{Frame, GREETING_MAX, Inbox, Kind, Outbox},
};

/// Requests that wait to be written; more than a few mean that the connection is held back, and
/// then callers wait.
const QUEUE_MAX: usize = 1024;
/// Frames that leave in one write.
pub(crate) const BATCH_MAX: usize = 256;
/// Octets taken from the connection at once.
pub(crate) const READ_MAX: usize = 64 * 1024;

/// A stream that ended by a lost connection or a reset, and not by its own octets.
pub(crate) const STREAM_LOST: &str = "the stream was lost";

type Answers = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Frame>>>>>;

pub(crate) struct Lane {
    node: NodeId,
    queue: mpsc::Sender<Frame>,
    /// Who waits for which number; nothing once the stream has ended.
    waiting: Answers,
    next: AtomicU64,
}

impl Lane {
    /// Opens a lane on a connection and waits until the peer has taken it up. Gives the number of
    /// the peer's process and its greeting, too.
    pub async fn open(
        connection: &quinn::Connection,
        node: NodeId,
        channel: Channel,
        (process, greeting): (u64, &[u8]),
    ) -> Result<(Self, u64, Bytes), Error> {
        let lost = || Error::Lost(node);
        let (mut send, mut recv) = connection.open_bi().await.map_err(|_| lost())?;
        let mut outbox = Outbox::default();
        let body = [&[channel.code()], greeting].concat().into();
        outbox.push(Frame { kind: Kind::Open, number: process, body });
        send.write_all_chunks(&mut outbox.take()).await.map_err(|_| lost())?;
        let mut inbox = Inbox::default();
        let first =
            next_frame(&mut recv, &mut inbox).await.map_err(|_| lost())?.ok_or_else(lost)?;
        if first.kind != Kind::Open || first.body.len() > GREETING_MAX {
            return Err(Error::Protocol { node, reason: "a lane that does not begin as one" });
        }
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let waiting: Answers = Arc::new(Mutex::new(Some(HashMap::new())));
        // Both tasks end with the stream: the writer when the lane is dropped, the reader when the
        // connection closes, which the link sees to.
        tokio::spawn(write(send, queued));
        tokio::spawn(read(recv, inbox, waiting.clone(), connection.clone()));
        let lane = Self { node, queue, waiting, next: AtomicU64::new(0) };
        Ok((lane, first.number, first.body))
    }

    /// Sends a request and waits for its answer; dropping the future forgets it.
    pub async fn request(&self, message: Bytes) -> Result<Bytes, Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let lost = || Error::Lost(self.node);
        self.waiting.lock().as_mut().ok_or_else(lost)?.insert(number, answer);
        let _forget = Forget { waiting: &self.waiting, number };
        let frame = Frame { kind: Kind::Request, number, body: message };
        self.queue.send(frame).await.map_err(|_| lost())?;
        let frame = answered.await.map_err(|_| lost())?;
        match frame.kind {
            Kind::Answer => Ok(frame.body),
            _ => Err(Error::Failed(self.node)),
        }
    }

    /// Whether somebody waits for an answer.
    pub fn is_waiting(&self) -> bool {
        self.waiting.lock().as_ref().is_some_and(|waiting| !waiting.is_empty())
    }
}

/// Takes back a request that nobody waits for any more: expired, dropped or answered.
struct Forget<'a> {
    waiting: &'a Answers,
    number: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            waiting.remove(&self.number);
        }
    }
}

/// Waits for something to write and takes what every task that is ready now has to say, so that it
/// leaves in one datagram. False at the end of the queue.
pub(crate) async fn recv_ready<T>(queue: &mut mpsc::Receiver<T>, batch: &mut Vec<T>) -> bool {
    if queue.recv_many(batch, BATCH_MAX).await == 0 {
        return false;
    }
    tokio::task::yield_now().await;
    while batch.len() < BATCH_MAX
        && let Ok(next) = queue.try_recv()
    {
        batch.push(next);
    }
    true
}

async fn write(mut stream: SendStream, mut queue: mpsc::Receiver<Frame>) {
    let (mut batch, mut outbox) = (Vec::with_capacity(BATCH_MAX), Outbox::default());
    while recv_ready(&mut queue, &mut batch).await {
        batch.drain(..).for_each(|frame| outbox.push(frame));
        if stream.write_all_chunks(&mut outbox.take()).await.is_err() {
            return;
        }
    }
}

async fn read(
    mut stream: RecvStream,
    mut inbox: Inbox,
    waiting: Answers,
    connection: quinn::Connection,
) {
    while let Ok(Some(frame)) = next_frame(&mut stream, &mut inbox).await {
        if !matches!(frame.kind, Kind::Answer | Kind::Failure) {
            tracing::warn!("a peer answers out of protocol; its connection is closed");
            break;
        }
        let waiter = waiting.lock().as_mut().and_then(|waiting| waiting.remove(&frame.number));
        if let Some(waiter) = waiter {
            // Whoever waited may have given up just now.
            waiter.send(frame).ok();
        }
    }
    // A lane lives as long as its connection: without one of them the other is of no use.
    waiting.lock().take();
    connection.close(crate::link::CLOSE_BROKEN, b"");
}

/// Reads the next frame of a stream; nothing at its end.
pub(crate) async fn next_frame(
    stream: &mut RecvStream,
    inbox: &mut Inbox,
) -> Result<Option<Frame>, &'static str> {
    loop {
        if let Some(frame) = inbox.next()? {
            return Ok(Some(frame));
        }
        match stream.read_chunk(READ_MAX, true).await {
            Ok(Some(chunk)) => inbox.push(&chunk.bytes),
            Ok(None) => return Ok(None),
            Err(_) => return Err(STREAM_LOST),
        }
    }
}
