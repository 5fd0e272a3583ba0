//! The answering side: who may connect, and what is done with what they send.

use std::{
    future::poll_fn,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use model::NodeId;
use quinn::{Connection, Incoming, RecvStream, SendStream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use crate::{
    Channel, MESSAGE_MAX, Receiver, Sender,
    frame::{Frame, GREETING_MAX, Inbox, Kind, Outbox},
    handshakes::Handshake,
    lane::{BATCH_MAX, STREAM_LOST, next_frame, recv_ready},
    link::{CLOSE_BROKEN, CLOSE_REFUSED},
    mesh::Shared,
};

/// Beyond so many handshakes, a caller must first show that its address is its own.
const HANDSHAKES_UNPROVEN_MAX: usize = 8;
/// A handshake that takes longer is not of a node.
const HANDSHAKE_MAX: Duration = Duration::from_secs(3);
/// A stream that does not say what it is, is given up.
const OPENING_MAX: Duration = Duration::from_secs(5);
/// Requests in progress on one lane, counted by size: the memory that a peer may occupy.
const IN_FLIGHT_KIB: usize = 32 * 1024;
/// What the smallest request counts, so that at most 2,048 are in progress on a lane.
const REQUEST_KIB: usize = 16;
/// Answers that wait to be written; each holds its request's share of `IN_FLIGHT_KIB` until then.
const ANSWERS_MAX: usize = IN_FLIGHT_KIB / REQUEST_KIB;

/// Takes connections until the endpoint closes.
pub(crate) async fn accept(shared: Arc<Shared>) {
    while let Some(incoming) = shared.endpoint.clone().accept().await {
        if shared.handshakes.count() >= HANDSHAKES_UNPROVEN_MAX && incoming.may_retry() {
            // It fails only for one that has retried already, which `may_retry` excludes.
            incoming.retry().ok();
            continue;
        }
        let Some(handshake) = shared.handshakes.begin(incoming.remote_address().ip()) else {
            shared.counters.refused();
            incoming.refuse();
            continue;
        };
        tokio::spawn(welcome(shared.clone(), incoming, handshake));
    }
}

/// Finishes a handshake, checks who it is, and serves the connection until it ends.
async fn welcome(shared: Arc<Shared>, incoming: Incoming, handshake: Handshake) {
    let Ok(connecting) = incoming.accept() else { return };
    let Ok(Ok(connection)) = timeout(HANDSHAKE_MAX, connecting).await else {
        shared.counters.refused();
        return;
    };
    drop(handshake);
    let claim = match shared.claim_of(&connection) {
        Some(claim) if claim.node != shared.node && (shared.allowed)(claim) => claim,
        _ => {
            shared.counters.refused();
            let claim = shared.claim_of(&connection);
            let reason = claim.map(|claim| shared.greeter.stranger(claim.node));
            connection.close(CLOSE_REFUSED, &reason.unwrap_or_default());
            return;
        }
    };
    let from = claim.node;
    shared.handshakes.is_members(connection.remote_address().ip());
    shared.register(claim, &connection);
    // The member may have been removed between the check and the entry in the list.
    if !(shared.allowed)(claim) {
        connection.close(CLOSE_REFUSED, &shared.greeter.stranger(from));
    }
    let caller = Caller { from, connection, greeted: Arc::default() };
    while let Ok((send, recv)) = caller.connection.accept_bi().await {
        // It ends with the connection: every read and write of it fails then.
        tokio::spawn(stream(shared.clone(), caller.clone(), send, recv));
    }
    shared.ended(from, &caller.connection);
    shared.unregister(from, &caller.connection);
}

/// Who has connected, and whether it has greeted: until then it gets nothing.
#[derive(Clone)]
struct Caller {
    from: NodeId,
    connection: Connection,
    greeted: Arc<AtomicBool>,
}

/// Serves one stream: a lane or a bulk transfer.
async fn stream(shared: Arc<Shared>, caller: Caller, mut send: SendStream, mut recv: RecvStream) {
    let Caller { from, connection, greeted } = caller;
    let mut inbox = Inbox::default();
    let first = timeout(OPENING_MAX, next_frame(&mut recv, &mut inbox)).await;
    let Ok(Ok(Some(first))) = first else {
        if matches!(first, Ok(Err(reason)) if reason != STREAM_LOST) {
            shared.counters.broken();
        }
        // Dropped, it would look like an answer that is whole and empty.
        send.reset(CLOSE_BROKEN).ok();
        return;
    };
    let channel = first.body.first().and_then(|code| Channel::from_code(*code));
    match (first.kind, channel) {
        (Kind::Open, Some(channel)) if first.body.len() <= GREETING_MAX => {
            let greeting = first.body.slice(1..);
            if !shared.meet(from, &connection, first.number, greeting).await {
                return;
            }
            greeted.store(true, Ordering::Release);
            let served = Serving { shared: shared.clone(), from, channel };
            if let Err(reason) = served.lane(send, recv, inbox).await {
                tracing::warn!(%from, reason, "a peer's connection is closed");
                shared.counters.broken();
                connection.close(CLOSE_BROKEN, b"");
            }
        }
        (Kind::Bulk, _) if greeted.load(Ordering::Acquire) => {
            let sender = Sender::new(from, send);
            let receiver = Receiver::new(from, recv, inbox.into_rest());
            shared.handler.stream(from, first.body, sender, receiver).await;
        }
        _ => {
            shared.counters.broken();
            connection.close(CLOSE_BROKEN, b"");
        }
    }
}

/// One lane of a caller.
struct Serving {
    shared: Arc<Shared>,
    from: NodeId,
    channel: Channel,
}

type Answering = (Frame, Option<OwnedSemaphorePermit>);

impl Serving {
    /// Reads requests until the lane ends; an error is a breach of the protocol.
    async fn lane(
        self,
        send: SendStream,
        mut recv: RecvStream,
        mut inbox: Inbox,
    ) -> Result<(), &'static str> {
        let room = Arc::new(Semaphore::new(IN_FLIGHT_KIB));
        let (answers, queue) = mpsc::channel(ANSWERS_MAX + 1);
        let body = self.shared.greeter.greeting(self.from);
        let opened = Frame { kind: Kind::Open, number: self.shared.process, body };
        if answers.send((opened, None)).await.is_err() {
            return Ok(());
        }
        tokio::spawn(write(send, queue));
        loop {
            let frame = match next_frame(&mut recv, &mut inbox).await {
                Ok(Some(frame)) if frame.kind == Kind::Request => frame,
                Ok(Some(_)) => return Err("a caller sends what is not a request"),
                Ok(None) => return Ok(()),
                Err(STREAM_LOST) => return Ok(()),
                Err(reason) => return Err(reason),
            };
            let share = (frame.body.len() / 1024).clamp(REQUEST_KIB, IN_FLIGHT_KIB);
            let share = u32::try_from(share).expect("clamped to a small number");
            // Nothing more is read while the lane is full: the caller is held back.
            let permit = room.clone().acquire_many_owned(share).await.expect("never closed");
            self.serve(frame, permit, &answers).await;
        }
    }

    async fn serve(
        &self,
        request: Frame,
        permit: OwnedSemaphorePermit,
        answers: &mpsc::Sender<Answering>,
    ) {
        let number = request.number;
        let mut handling = self.handle(request.body);
        // The first step of each request is made in the order of sending: log entries that a
        // leader has sent one after another are taken up one after another.
        if self.channel != Channel::Content
            && let Poll::Ready(answer) = poll_fn(|cx| Poll::Ready(handling.poll_unpin(cx))).await
        {
            // The queue has room for every permit; it fails only when the writer has ended.
            answers.send((framed(number, answer), Some(permit))).await.ok();
            return;
        }
        let (answers, mut stopped) = (answers.clone(), self.shared.stopped());
        tokio::spawn(async move {
            let answer = tokio::select! {
                answer = handling => answer,
                _ = stopped.wait_for(|stopped| *stopped) => return,
            };
            // It fails only when the writer has ended, and the lane with it.
            answers.send((framed(number, answer), Some(permit))).await.ok();
        });
    }

    /// The handler's answer, or nothing if it panicked.
    fn handle(&self, message: Bytes) -> BoxFuture<'static, Option<Bytes>> {
        self.shared.counters.served();
        let handler = self.shared.handler.clone();
        let (from, channel) = (self.from, self.channel);
        let handling =
            std::panic::catch_unwind(AssertUnwindSafe(|| handler.request(from, channel, message)));
        match handling {
            Ok(handling) => AssertUnwindSafe(handling).catch_unwind().map(Result::ok).boxed(),
            Err(_) => std::future::ready(None).boxed(),
        }
    }
}

fn framed(number: u64, answer: Option<Bytes>) -> Frame {
    match answer {
        Some(body) if body.len() <= MESSAGE_MAX => Frame { kind: Kind::Answer, number, body },
        _ => Frame { kind: Kind::Failure, number, body: Bytes::new() },
    }
}

async fn write(mut stream: SendStream, mut queue: mpsc::Receiver<Answering>) {
    let (mut batch, mut outbox) = (Vec::with_capacity(BATCH_MAX), Outbox::default());
    // The permits of a batch are given back when the next one takes its place.
    let mut permits = Vec::new();
    while recv_ready(&mut queue, &mut batch).await {
        for (frame, permit) in batch.drain(..) {
            outbox.push(frame);
            permits.extend(permit);
        }
        if stream.write_all_chunks(&mut outbox.take()).await.is_err() {
            return;
        }
        permits.clear();
    }
}
