//! Appends to one peer: several under way, answered in their order.
//!
//! The library's own stream sends one request at a time, so a commit notice, which carries no entry, holds up
//! the entry behind it for an exchange. Here the next one goes while the one before is under way. The order
//! is the network's. Where it fails, a peer misses the entry before a request, which it will have in a moment;
//! the library would take that for a log that went back, so it is told of a fault of the network and begins anew.

use std::{collections::VecDeque, future::Future, time::Duration};

use futures_util::{Stream, StreamExt, future::BoxFuture, stream, stream::FuturesOrdered};
use openraft::{
    errors::{NetworkError, RPCError},
    raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult},
};
use tokio::time::{Instant, sleep_until};

use crate::{
    log::read,
    options::{APPEND_OCTETS_UNDER_WAY, APPENDS_UNDER_WAY, NOTICE_HELD_MAX},
    peer::unreachable,
    types::{LogId, Types},
};

type Answer = Result<AppendEntriesResponse<Types>, RPCError<Types>>;
type Outcome = Result<StreamAppendResult<Types>, RPCError<Types>>;

/// What appends need of a way to a peer.
pub(crate) trait Way: Send {
    /// Sends an append behind those that are under way, which have so many octets. It is on its way when the
    /// future was polled once.
    fn append(
        &self,
        request: AppendEntriesRequest<Types>,
        octets_before: usize,
    ) -> BoxFuture<'static, Answer>;

    /// Whether an append with entries is about to follow.
    fn is_more_coming(&self) -> bool;
}

/// The part of a request that its answer is read with.
struct Sent {
    prev: Option<LogId>,
    last: Option<LogId>,
    octets: usize,
    /// Nothing was under way when it went: its answer speaks of the peer's log and not of the order.
    alone: bool,
}

struct Pipeline<S, W> {
    requests: Option<S>,
    way: W,
    answers: FuturesOrdered<BoxFuture<'static, Answer>>,
    sent: VecDeque<Sent>,
    octets: usize,
    /// A commit notice that waits for the append that will carry it.
    held: Option<(AppendEntriesRequest<Types>, Instant)>,
    /// The peer has taken something in this stream: from then on more than one is under way.
    proven: bool,
}

/// What becomes of the requests, in their order, up to the first that is not taken whole.
pub(crate) fn answers<'s, S, W>(requests: S, way: W) -> stream::BoxStream<'s, Outcome>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 's,
    W: Way + 's,
{
    let pipeline = Pipeline {
        requests: Some(requests),
        way,
        answers: FuturesOrdered::new(),
        sent: VecDeque::new(),
        octets: 0,
        held: None,
        proven: false,
    };
    stream::unfold(Some(pipeline), |pipeline| async move {
        let mut pipeline = pipeline?;
        let (outcome, goes_on) = pipeline.next().await?;
        Some((outcome, goes_on.then_some(pipeline)))
    })
    .boxed()
}

impl<S, W> Pipeline<S, W>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin,
    W: Way,
{
    /// The next outcome, and whether more may follow; none at the end.
    async fn next(&mut self) -> Option<(Outcome, bool)> {
        loop {
            let most = if self.proven { APPENDS_UNDER_WAY } else { 1 };
            let has_room = self.sent.len() < most && self.octets < APPEND_OCTETS_UNDER_WAY;
            let held_until = self.held.as_ref().map(|(_, until)| *until);
            tokio::select! {
                biased;
                // First, for this also sends what was pushed last.
                Some(answer) = self.answers.next() => return Some(self.read(answer)),
                Some(request) = next_of(&mut self.requests), if has_room => match request {
                    Some(request) => self.take(request),
                    None => self.end(),
                },
                () = wait(held_until), if held_until.is_some() => self.release(),
                else => return None,
            }
        }
    }

    /// Takes the next request. A notice waits a moment where an append follows that carries it.
    fn take(&mut self, request: AppendEntriesRequest<Types>) {
        let is_notice = request.entries.is_empty();
        if is_notice && self.proven && self.way.is_more_coming() {
            let until = Instant::now() + NOTICE_HELD_MAX;
            let until = self.held.take().map_or(until, |(_, held_until)| held_until);
            self.held = Some((request, until));
            return;
        }
        // What is held says nothing that this one does not say.
        self.held = None;
        self.send(request);
    }

    /// Nothing more comes to carry what is held.
    fn end(&mut self) {
        self.requests = None;
        self.release();
    }

    fn release(&mut self) {
        if let Some((notice, _)) = self.held.take() {
            self.send(notice);
        }
    }

    fn send(&mut self, request: AppendEntriesRequest<Types>) {
        let prev = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(prev);
        let octets = request.entries.iter().map(|entry| read::size(&entry.payload)).sum();
        self.answers.push_back(self.way.append(request, self.octets));
        let alone = self.sent.is_empty();
        self.sent.push_back(Sent { prev, last, octets, alone });
        self.octets += octets;
    }

    fn read(&mut self, answer: Answer) -> (Outcome, bool) {
        let Sent { prev, last, octets, alone } =
            self.sent.pop_front().expect("an answer belongs to what was sent");
        self.octets -= octets;
        let outcome = match answer {
            Ok(AppendEntriesResponse::Conflict) if prev.is_none() => {
                return (Err(unreachable(&"nothing contradicts an empty log")), false);
            }
            Ok(AppendEntriesResponse::Conflict) if !alone => {
                let error = NetworkError::from_string("appends have overtaken each other");
                return (Err(RPCError::Network(error)), false);
            }
            Ok(answer) => answer.into_stream_result(prev, last),
            Err(error) => return (Err(error), false),
        };
        let is_whole = outcome.as_ref().is_ok_and(|taken| *taken == last);
        self.proven |= is_whole;
        (Ok(outcome), is_whole)
    }
}

/// The next request, or that the last one was there; nothing once that was said.
async fn next_of<S: Stream + Unpin>(requests: &mut Option<S>) -> Option<Option<S::Item>> {
    Some(requests.as_mut()?.next().await)
}

fn wait(until: Option<Instant>) -> impl Future<Output = ()> {
    let until = until.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
    sleep_until(until)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use bytes::Bytes;
    use openraft::{entry::RaftEntry as _, raft::StreamAppendError, vote::RaftLeaderIdExt as _};
    use parking_lot::Mutex;
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::types::{EntryBytes, LeaderId, LogEntry, Payload, Vote};

    type Told = (u64, usize, oneshot::Sender<Answer>);

    /// A peer that answers when the test says so.
    #[derive(Clone, Default)]
    struct Peer {
        asked: Arc<Mutex<VecDeque<Told>>>,
        more: Arc<AtomicBool>,
    }

    impl Way for Peer {
        fn append(
            &self,
            request: AppendEntriesRequest<Types>,
            before: usize,
        ) -> BoxFuture<'static, Answer> {
            let (answer, answered) = oneshot::channel();
            let last = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
            let index = last.map_or(0, |id| id.index());
            self.asked.lock().push_back((index, before, answer));
            Box::pin(async move { answered.await.expect("the test answers") })
        }

        fn is_more_coming(&self) -> bool {
            self.more.load(Ordering::Relaxed)
        }
    }

    impl Peer {
        /// The last entries of the requests that are under way, in the order of sending.
        fn under_way(&self) -> Vec<u64> {
            self.asked.lock().iter().map(|(index, ..)| *index).collect()
        }

        fn answer(&self, answer: AppendEntriesResponse<Types>) {
            let (.., asked) = self.asked.lock().pop_front().expect("a request is under way");
            asked.send(Ok(answer)).expect("somebody waits");
        }
    }

    fn id(index: u64) -> LogId {
        LogId::new(LeaderId::new_committed(1, 1), index)
    }

    /// An append of one entry, or a notice behind the entry before it.
    fn request(index: u64, octets: Option<usize>) -> AppendEntriesRequest<Types> {
        let entry = |octets| {
            let payload = Payload::Normal(EntryBytes::bare(Bytes::from(vec![7; octets])));
            LogEntry::new(id(index), payload)
        };
        AppendEntriesRequest {
            vote: Vote::new_committed(1, 1),
            prev_log_id: Some(id(if octets.is_some() { index - 1 } else { index })),
            entries: octets.map(entry).into_iter().collect(),
            leader_commit: None,
        }
    }

    struct Stage {
        peer: Peer,
        say: mpsc::UnboundedSender<AppendEntriesRequest<Types>>,
        outcomes: stream::BoxStream<'static, Outcome>,
    }

    impl Stage {
        fn begin() -> Self {
            let (say, said) = mpsc::unbounded_channel();
            let peer = Peer::default();
            let requests = stream::unfold(said, |mut said| async {
                said.recv().await.map(|request| (request, said))
            });
            let outcomes = answers(Box::pin(requests), peer.clone());
            Self { peer, say, outcomes }
        }

        fn say(&self, index: u64, octets: Option<usize>) {
            self.say.send(request(index, octets)).expect("the stream reads on");
        }

        /// Nothing comes out, whatever is done meanwhile.
        async fn nothing(&mut self) {
            let next = tokio::time::timeout(NOTICE_HELD_MAX / 2, self.outcomes.next()).await;
            assert!(next.is_err(), "{next:?}");
        }

        async fn taken(&mut self) -> u64 {
            let outcome = self.outcomes.next().await.expect("an outcome").expect("an answer");
            outcome.expect("it is taken").expect("an entry").index()
        }

        /// The first append is taken.
        async fn prove(&mut self) {
            self.say(1, Some(1));
            self.nothing().await;
            self.peer.answer(AppendEntriesResponse::Success);
            assert_eq!(self.taken().await, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn several_are_under_way_once_one_was_taken_and_come_out_in_order() {
        let mut stage = Stage::begin();
        stage.say(1, Some(1));
        stage.say(2, Some(10));
        stage.nothing().await;
        assert_eq!(stage.peer.under_way(), [1]);
        stage.peer.answer(AppendEntriesResponse::Success);
        assert_eq!(stage.taken().await, 1);
        stage.say(2, None);
        stage.say(3, Some(100));
        stage.nothing().await;
        assert_eq!(stage.peer.under_way(), [2, 2, 3]);
        let before: Vec<_> = stage.peer.asked.lock().iter().map(|(_, before, _)| *before).collect();
        assert_eq!(before, [0, 10, 10], "each waits for the octets before it");
        for index in [2, 2, 3] {
            stage.peer.answer(AppendEntriesResponse::Success);
            assert_eq!(stage.taken().await, index);
        }
        drop(stage.say);
        assert!(stage.outcomes.next().await.is_none(), "the end is the end");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_go_than_there_is_room_for() {
        let mut stage = Stage::begin();
        stage.prove().await;
        (2..10).for_each(|index| stage.say(index, Some(1)));
        stage.nothing().await;
        assert_eq!(stage.peer.under_way().len(), APPENDS_UNDER_WAY);
        let mut stage = Stage::begin();
        stage.prove().await;
        (2..10).for_each(|index| stage.say(index, Some(APPEND_OCTETS_UNDER_WAY)));
        stage.nothing().await;
        assert_eq!(stage.peer.under_way(), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_is_not_taken_whole_is_the_last() {
        let partly = AppendEntriesResponse::PartialSuccess(Some(id(1)));
        for answer in [AppendEntriesResponse::Conflict, partly] {
            let mut stage = Stage::begin();
            stage.prove().await;
            stage.say(2, Some(1));
            stage.say(3, Some(1));
            stage.nothing().await;
            stage.peer.answer(answer.clone());
            let outcome = stage.outcomes.next().await.expect("an outcome").expect("an answer");
            match outcome {
                Err(StreamAppendError::Conflict(at)) => assert_eq!(at, id(1)),
                taken => assert_eq!(taken, Ok(Some(id(1)))),
            }
            assert!(stage.outcomes.next().await.is_none());
        }
    }

    /// The peer has the entry by the time that it is asked again; a conflict would say that it lost it.
    #[tokio::test(start_paused = true)]
    async fn an_append_that_overtook_another_is_a_fault_of_the_network() {
        let mut stage = Stage::begin();
        stage.prove().await;
        stage.say(2, Some(1));
        stage.say(3, Some(1));
        stage.nothing().await;
        stage.peer.answer(AppendEntriesResponse::Success);
        stage.peer.answer(AppendEntriesResponse::Conflict);
        assert_eq!(stage.taken().await, 2);
        let outcome = stage.outcomes.next().await.expect("an outcome");
        assert!(matches!(outcome, Err(RPCError::Network(_))), "{outcome:?}");
        assert!(stage.outcomes.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_notice_rides_on_the_append_that_follows_or_goes_alone_in_a_moment() {
        let mut stage = Stage::begin();
        stage.prove().await;
        stage.peer.more.store(true, Ordering::Relaxed);
        stage.say(1, None);
        stage.nothing().await;
        assert_eq!(stage.peer.under_way(), [0; 0]);
        stage.say(2, Some(1));
        stage.nothing().await;
        assert_eq!(stage.peer.under_way(), [2]);
        stage.say(2, None);
        stage.nothing().await;
        stage.nothing().await;
        stage.nothing().await;
        assert_eq!(stage.peer.under_way(), [2, 2]);
        stage.peer.more.store(false, Ordering::Relaxed);
        stage.say(2, None);
        stage.nothing().await;
        assert_eq!(stage.peer.under_way(), [2, 2, 2]);
    }
}
