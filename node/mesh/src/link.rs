//! A link: the connection that this node dials to a peer for one purpose, kept up by one task.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use model::NodeId;
use parking_lot::Mutex;
use quinn::VarInt;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Allowed, Channel, Claim, Error, Receiver, Sender,
    addresses::Addresses,
    frame::{Frame, Kind, Outbox},
    lane::Lane,
    mesh::Shared,
};

/// Closed on purpose: a removed peer, a shutdown.
pub(crate) const CLOSE_DONE: VarInt = VarInt::from_u32(0);
/// Closed because the caller is not a member.
pub(crate) const CLOSE_REFUSED: VarInt = VarInt::from_u32(1);
/// Closed because a stream broke or the peer fell silent; a new connection may do better.
pub(crate) const CLOSE_BROKEN: VarInt = VarInt::from_u32(2);

/// The first pause between attempts to connect; it doubles up to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LAST: Duration = Duration::from_secs(1);
/// The pause while requests want the peer: a node that comes back is found within it.
const PAUSE_WANTED: Duration = Duration::from_millis(50);
/// Attempts side by side: an early one may be slow, a late one may meet the peer just started.
const ATTEMPTS_MAX: usize = 8;
/// One attempt: a handshake over a bad line, with a lost packet or two.
const ATTEMPT_MAX: Duration = Duration::from_secs(1);
/// How long a request waits for a connection before it fails.
const CONNECT_WAIT: Duration = Duration::from_millis(300);
/// How often the link looks for signs of life.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Silence while somebody waits for an answer, after which the connection is given up: a peer
/// that crashed and came back cannot answer for the old one. A healthy peer acknowledges every
/// packet within milliseconds, however slow its answer is.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long a new bulk stream may wait for room among the peer's streams.
const STREAM_WAIT: Duration = Duration::from_secs(5);

/// What a link carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Control,
    Content,
}

impl Purpose {
    pub const fn of(channel: Channel) -> Self {
        match channel {
            Channel::Raft | Channel::Control => Self::Control,
            Channel::Content => Self::Content,
        }
    }

    const fn channels(self) -> &'static [Channel] {
        match self {
            Self::Control => &[Channel::Raft, Channel::Control],
            Self::Content => &[Channel::Content],
        }
    }
}

/// A connection that works.
pub(crate) struct Live {
    pub connection: quinn::Connection,
    /// Whom the peer's certificate claims to be; it was a member when we connected.
    claim: Claim,
    lanes: Vec<(Channel, Lane)>,
    /// Tells apart the peer's processes.
    pub process: u64,
    heard: Mutex<Heard>,
}

struct Heard {
    datagrams: u64,
    at: Instant,
}

impl Live {
    fn lane(&self, channel: Channel) -> &Lane {
        let found = self.lanes.iter().find(|(held, _)| *held == channel);
        &found.expect("a link opens a lane for each of its channels").1
    }

    /// How long nothing has come from the peer.
    pub fn silence(&self) -> Duration {
        let datagrams = self.connection.stats().udp_rx.datagrams;
        let mut heard = self.heard.lock();
        if heard.datagrams != datagrams {
            *heard = Heard { datagrams, at: Instant::now() };
        }
        heard.at.elapsed()
    }
}

/// The link and the task that keeps it up; dropping it stops both.
pub(crate) struct Link {
    node: NodeId,
    live: watch::Receiver<Option<Arc<Live>>>,
    wanted: Arc<Notify>,
    keeper: JoinHandle<()>,
}

impl Link {
    pub fn start(
        shared: Arc<Shared>,
        node: NodeId,
        addresses: Addresses,
        purpose: Purpose,
    ) -> Self {
        let (publish, live) = watch::channel(None);
        let wanted = Arc::new(Notify::new());
        let dialler = Dialler { shared, node, addresses, purpose };
        let keeper = tokio::spawn(keep(dialler, publish, wanted.clone()));
        Self { node, live, wanted, keeper }
    }

    /// The connection as it is now.
    pub fn current(&self) -> Option<Arc<Live>> {
        self.live.borrow().clone()
    }

    /// Looks at the connection again: the peer has shown that this is its process.
    pub fn met(&self, process: u64) {
        match self.current() {
            Some(live) if live.process != process => live.connection.close(CLOSE_BROKEN, b""),
            Some(_) => {}
            None => self.wanted.notify_one(),
        }
    }

    /// Closes the connection if the peer is no member any more.
    pub fn recheck(&self, allowed: &Allowed) {
        if let Some(live) = self.current().filter(|live| !allowed(live.claim)) {
            live.connection.close(CLOSE_REFUSED, b"");
        }
    }

    async fn live(&self, deadline: Instant) -> Result<Arc<Live>, Error> {
        if let Some(live) = self.current()
            && live.connection.close_reason().is_none()
        {
            return Ok(live);
        }
        let mut live = self.live.clone();
        self.wanted.notify_one();
        let deadline = deadline.min(Instant::now() + CONNECT_WAIT);
        let usable = |live: &Option<Arc<Live>>| {
            live.as_ref().is_some_and(|live| live.connection.close_reason().is_none())
        };
        let found = tokio::time::timeout_at(deadline, live.wait_for(usable)).await;
        match found {
            Ok(Ok(live)) => live.clone().ok_or(Error::Unreachable(self.node)),
            Ok(Err(_)) => Err(Error::UnknownPeer(self.node)),
            Err(_) => Err(Error::Unreachable(self.node)),
        }
    }

    pub async fn request(
        &self,
        channel: Channel,
        message: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let live = self.live(deadline).await?;
        match tokio::time::timeout_at(deadline, live.lane(channel).request(message)).await {
            Ok(result) => result,
            Err(_) => {
                close_if_silent(&live);
                Err(Error::Expired(self.node))
            }
        }
    }

    pub async fn open_stream(&self, header: Bytes) -> Result<(Sender, Receiver), Error> {
        let live = self.live(Instant::now() + CONNECT_WAIT).await?;
        let lost = |_| Error::Lost(self.node);
        let Ok(opened) = timeout(STREAM_WAIT, live.connection.open_bi()).await else {
            close_if_silent(&live);
            return Err(Error::Expired(self.node));
        };
        let (send, recv) = opened.map_err(lost)?;
        // A lane's small messages go first where both wait.
        send.set_priority(-1).ok();
        let mut outbox = Outbox::default();
        outbox.push(Frame { kind: Kind::Bulk, number: 0, body: header });
        let mut sender = Sender::new(self.node, send);
        sender.write(&mut outbox.take()).await?;
        Ok((sender, Receiver::new(self.node, recv, Default::default())))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
        if let Some(live) = self.current() {
            live.connection.close(CLOSE_DONE, b"");
        }
    }
}

fn close_if_silent(live: &Live) {
    if live.silence() >= SILENCE_MAX {
        live.connection.close(CLOSE_BROKEN, b"");
    }
}

/// Connects, watches the connection until it ends, and connects again.
async fn keep(dialler: Dialler, publish: watch::Sender<Option<Arc<Live>>>, wanted: Arc<Notify>) {
    loop {
        let live = Arc::new(dialler.connect(&wanted).await);
        publish.send_replace(Some(live.clone()));
        // It may have been removed between the check and the publication.
        if !(dialler.shared.allowed)(live.claim) {
            live.connection.close(CLOSE_REFUSED, b"");
        }
        let began = Instant::now();
        watch_over(&live).await;
        publish.send_replace(None);
        dialler.shared.ended(dialler.node, &live.connection);
        drop(live);
        if began.elapsed() < PAUSE_LAST {
            // A peer that takes us up and drops us at once is not asked again and again.
            sleep_until(Instant::now() + PAUSE_FIRST).await;
        }
    }
}

async fn watch_over(live: &Live) {
    loop {
        if timeout(LOOK_EVERY, live.connection.closed()).await.is_ok() {
            return;
        }
        // The look itself notes when the peer was last heard.
        let silence = live.silence();
        if silence >= SILENCE_MAX && live.lanes.iter().any(|(_, lane)| lane.is_waiting()) {
            live.connection.close(CLOSE_BROKEN, b"");
        }
    }
}

struct Dialler {
    shared: Arc<Shared>,
    node: NodeId,
    addresses: Addresses,
    purpose: Purpose,
}

impl Dialler {
    /// Attempts until one succeeds.
    async fn connect(&self, wanted: &Notify) -> Live {
        let mut turn = 0;
        let mut attempts = FuturesUnordered::from_iter([self.attempt(turn)]);
        let (mut began, mut pause, mut hurry) = (Instant::now(), PAUSE_FIRST, false);
        loop {
            let next = began + if hurry { PAUSE_WANTED } else { pause };
            tokio::select! {
                Some(attempt) = attempts.next(), if !attempts.is_empty() => match attempt {
                    Ok(live) => return live,
                    Err(error) => tracing::debug!(node = %self.node, %error, "cannot connect"),
                },
                () = sleep_until(next), if attempts.len() < ATTEMPTS_MAX => {
                    turn += 1;
                    attempts.push(self.attempt(turn));
                    began = Instant::now();
                    pause = (pause * 2).min(PAUSE_LAST);
                    hurry = false;
                }
                () = wanted.notified(), if !hurry => hurry = true,
            }
        }
    }

    async fn attempt(&self, turn: usize) -> Result<Live, Error> {
        timeout(ATTEMPT_MAX, self.dial(turn)).await.unwrap_or(Err(Error::Unreachable(self.node)))
    }

    async fn dial(&self, turn: usize) -> Result<Live, Error> {
        let unreachable = || Error::Unreachable(self.node);
        let ours = self.shared.endpoint.local_addr().map_err(|_| unreachable())?;
        let address = self.addresses.resolve(turn, ours).await.ok_or_else(unreachable)?;
        let name = self.shared.names.server_name(self.node);
        let config = self.shared.client_config(self.purpose);
        let connecting =
            self.shared.endpoint.connect_with(config, address, &name).map_err(|_| unreachable())?;
        let connection = connecting.await.map_err(|_| unreachable())?;
        let claim = self.shared.claim_of(&connection);
        let Some(claim) = claim.filter(|claim| claim.node == self.node && self.allows(claim))
        else {
            connection.close(CLOSE_REFUSED, b"");
            return Err(unreachable());
        };
        let opened = self.open(&connection, claim).await;
        match &opened {
            Ok(_) => self.addresses.answered(address),
            Err(_) => self.shared.ended(self.node, &connection),
        }
        opened
    }

    /// Opens the lanes. The peer judges our certificate and our greeting after our handshake has
    /// ended: only its answer on a lane shows that we are in.
    async fn open(&self, connection: &quinn::Connection, claim: Claim) -> Result<Live, Error> {
        let (mut lanes, mut process) = (Vec::new(), 0);
        for &channel in self.purpose.channels() {
            let ours = self.shared.greeter.greeting(self.node);
            let us = (self.shared.process, &ours[..]);
            let (lane, theirs, greeting) = Lane::open(connection, self.node, channel, us).await?;
            // Each lane says the same; the first one that has done so decides.
            if lanes.is_empty() && !self.shared.meet(self.node, connection, theirs, greeting).await
            {
                return Err(Error::Unreachable(self.node));
            }
            process = theirs;
            lanes.push((channel, lane));
        }
        let heard = Mutex::new(Heard { datagrams: 0, at: Instant::now() });
        Ok(Live { connection: connection.clone(), claim, lanes, process, heard })
    }

    fn allows(&self, claim: &Claim) -> bool {
        (self.shared.allowed)(*claim)
    }
}
