//! Meeting the other nodes: what this one tells them, what it learns of where they are, and how it
//! hears that it has no place among them.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use conductor::SecondLife;
use futures_util::future::BoxFuture;
use mesh::{Channel, Mesh, Met};
use model::NodeId;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    book::{Book, Place},
    greeting::{Greeting, OTHERS_MAX, Reason, VERSION, encode},
    life::Life,
    members::Members,
};
use crate::links::Topic;

/// How long a process that was met before has to show that it lives. A node that was killed and came
/// back elsewhere waits for so long.
const ALIVE_MAX: Duration = Duration::from_millis(400);

/// How long the status tells of a second life after it was last met: an operator looks within this.
const SECONDS_TIME_MAX: Duration = Duration::from_secs(600);
/// Second lives that are told at a time: one a node, and room for one that moves about.
const SECONDS_MAX: usize = 16;

/// How long a peer has to answer where the nodes are; it is asked again.
const TELL_MAX: Duration = Duration::from_secs(1);

/// A peer that refuses this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Who.
    pub by: NodeId,
    /// Why.
    pub reason: Reason,
}

/// What a node knows when it meets another.
pub struct Meeting {
    own: NodeId,
    process: u64,
    life: Mutex<Life>,
    mesh_address: String,
    book: Arc<Book>,
    members: Arc<Members>,
    refused: watch::Sender<Option<Refused>>,
    /// Second lives that were refused, and when.
    seconds: Mutex<Vec<(Instant, SecondLife)>>,
    mesh: OnceLock<Mesh>,
    this: Weak<Self>,
}

/// What is thought of a peer that greets.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is the node, as far as anybody can know.
    Welcome,
    /// It is, unless the process that was met before still lives.
    UnlessAlive,
    /// It is a copy, or what was left behind by a move.
    Second,
}

/// Judges a greeting by what is known of the node.
fn judge(known: &Place, at: SocketAddr, greeting: &Greeting) -> Verdict {
    if known.life.is_none() || known.process == greeting.process {
        return Verdict::Welcome;
    }
    match greeting.life {
        left if known.ended.contains(&left) => Verdict::Second,
        // Two processes do not share one socket: this one came after the other. An earlier start than
        // the last one is a disk that was put back, of which consensus takes care.
        _ if known.seen == Some(at) => Verdict::Welcome,
        _ => Verdict::UnlessAlive,
    }
}

impl Meeting {
    pub(super) fn new(
        own: NodeId,
        life: Life,
        mesh_address: String,
        (book, members): (Arc<Book>, Arc<Members>),
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            own,
            // A book is TOML, whose numbers have a sign.
            process: rand::random::<u64>() >> 1,
            life: Mutex::new(life),
            mesh_address,
            book,
            members,
            refused: watch::channel(None).0,
            seconds: Mutex::default(),
            mesh: OnceLock::new(),
            this: this.clone(),
        })
    }

    /// From now on peers can be asked whether they live.
    pub(super) fn speak_over(&self, mesh: Mesh) {
        assert!(self.mesh.set(mesh).is_ok(), "a node meets its peers over one mesh");
    }

    /// This node's life.
    pub(super) fn life(&self) -> Life {
        *self.life.lock()
    }

    /// This node goes on under a later start.
    pub(super) fn go_on(&self, life: Life) {
        *self.life.lock() = life;
    }

    /// The second lives that were refused in the last minutes, for the status.
    pub fn second_lives(&self) -> Vec<SecondLife> {
        let mut seconds = self.seconds.lock();
        seconds.retain(|(at, _)| at.elapsed() < SECONDS_TIME_MAX);
        seconds.iter().map(|(_, second)| second.clone()).collect()
    }

    fn note(&self, second: SecondLife) {
        let mut seconds = self.seconds.lock();
        seconds.retain(|(_, known)| *known != second);
        if seconds.len() >= SECONDS_MAX {
            seconds.remove(0);
        }
        seconds.push((Instant::now(), second));
    }

    /// Whether the process of a node that was met before answers: over the connection that leads to
    /// it, so that nobody else can.
    async fn is_alive(&self, node: NodeId, process: u64) -> bool {
        let Some(mesh) = self.mesh.get() else { return false };
        let leads_to = |peer: &mesh::PeerStatus| {
            peer.node == node && peer.reached.is_some_and(|(_, reached)| reached == process)
        };
        if !mesh.peers().iter().any(leads_to) {
            return false;
        }
        let question = Topic::Addresses.wrap(&encode(&self.now(node)));
        let asked = mesh.request_within(node, Channel::Control, question, ALIVE_MAX).await;
        let answer = asked.ok().and_then(|answer| minicbor::decode::<Greeting>(&answer).ok());
        answer.is_some_and(|greeting| greeting.process == process)
    }

    /// Takes a peer as the node that its certificate names, or says why not.
    async fn receive(
        &self,
        node: NodeId,
        at: SocketAddr,
        greeting: Greeting,
    ) -> Result<(), Reason> {
        let known = self.book.place(node);
        let second = match judge(&known, at, &greeting) {
            Verdict::Welcome => false,
            Verdict::UnlessAlive => self.is_alive(node, known.process).await,
            Verdict::Second => true,
        };
        if !second {
            self.learn(node, Some(at), &greeting);
            return Ok(());
        }
        let elsewhere = known.seen.map_or_else(|| "?".to_owned(), |seen| seen.to_string());
        tracing::error!(
            %node, lives_at = %elsewhere, refused_at = %at,
            "a node was met in two places; the second is refused: stop the one that is a copy"
        );
        self.note(SecondLife { node, lives_at: elsewhere.clone(), refused_at: at.to_string() });
        let (start, process) = (known.start, known.process);
        Err(Reason::Twice { elsewhere, here: at.to_string(), start, process })
    }

    /// The random number of this process.
    pub(super) fn process(&self) -> u64 {
        self.process
    }

    /// Tells when a peer refuses this node.
    pub(super) fn refusals(&self) -> watch::Receiver<Option<Refused>> {
        self.refused.subscribe()
    }

    fn now(&self, to: NodeId) -> Greeting {
        let life = *self.life.lock();
        Greeting {
            version: VERSION,
            life: life.id,
            start: life.start,
            process: self.process,
            mesh_address: self.mesh_address.clone(),
            others: self.book.others(to),
        }
    }

    /// Records what a peer has told, and brings it to the disk.
    fn learn(&self, node: NodeId, at: Option<SocketAddr>, greeting: &Greeting) {
        let mut changed = at.is_some_and(|at| self.book.met(node, at, greeting));
        for heard in greeting.others.iter().take(OTHERS_MAX) {
            changed |= heard.node != self.own && self.book.hear(heard);
        }
        if changed {
            let book = self.book.clone();
            // The disk is slow, and hints are no promise: nobody waits for it.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = book.save() {
                    tracing::warn!(%error, "the address book could not be written");
                }
            });
        }
    }

    /// A peer tells its addresses again, for one of them has changed; it is told ours.
    pub fn hear(&self, from: NodeId, message: &[u8]) -> Vec<u8> {
        if let Ok(greeting) = minicbor::decode::<Greeting>(message) {
            self.learn(from, None, &greeting);
        }
        encode(&self.now(from))
    }

    /// Tells every peer that can be reached where the nodes are, and hears what they know.
    pub(super) async fn tell_all(&self, mesh: &Mesh) {
        let reached = mesh.peers().into_iter().filter(|peer| peer.connected);
        let asked = reached.map(|peer| async move {
            let message = Topic::Addresses.wrap(&encode(&self.now(peer.node)));
            let asked = mesh.request_within(peer.node, Channel::Control, message, TELL_MAX);
            let answer = asked.await.ok()?;
            let greeting = minicbor::decode::<Greeting>(&answer).ok()?;
            self.learn(peer.node, None, &greeting);
            Some(())
        });
        futures_util::future::join_all(asked).await;
    }
}

impl mesh::Greeter for Meeting {
    fn greeting(&self, to: NodeId) -> Bytes {
        encode(&self.now(to)).into()
    }

    fn met(&self, peer: Met) -> BoxFuture<'static, Result<(), Bytes>> {
        let greeting = minicbor::decode::<Greeting>(&peer.greeting).ok();
        // Who does not say which process it is cannot be told from a copy.
        let greeting = greeting.filter(|greeting| greeting.process == peer.process);
        let Some(meeting) = self.this.upgrade().filter(|_| greeting.is_some()) else {
            return Box::pin(std::future::ready(Err(Bytes::new())));
        };
        Box::pin(async move {
            let greeting = greeting.expect("filtered above");
            let received = meeting.receive(peer.node, peer.at, greeting).await;
            received.map_err(|reason| encode(&reason).into())
        })
    }

    fn stranger(&self, node: NodeId) -> Bytes {
        if self.members.was_removed(node) { encode(&Reason::Removed).into() } else { Bytes::new() }
    }

    fn refused(&self, by: NodeId, _: SocketAddr, reason: Bytes) {
        match minicbor::decode::<Reason>(&reason) {
            Ok(reason) => drop(self.refused.send_replace(Some(Refused { by, reason }))),
            Err(error) => {
                tracing::warn!(%by, %error, "a node refuses this one, and cannot say why")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::greeting::LifeId;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn a_restart_is_welcome_and_a_copy_is_not() {
        let (ours, other, left) = (LifeId([1; 16]), LifeId([2; 16]), LifeId([3; 16]));
        let known = Place {
            seen: Some(at(1)),
            life: Some(ours),
            start: 5,
            process: 50,
            ended: vec![left],
            ..Place::default()
        };
        let verdict = |life, start, process, port| {
            let greeting = Greeting {
                version: VERSION,
                life,
                start,
                process,
                mesh_address: "a:1".into(),
                others: Vec::new(),
            };
            judge(&known, at(port), &greeting)
        };
        for (life, start, process, port, expected, why) in [
            (ours, 5, 50, 1, Verdict::Welcome, "the same process, again"),
            (ours, 5, 50, 2, Verdict::Welcome, "the same process by another way"),
            (ours, 6, 60, 1, Verdict::Welcome, "a restart"),
            (ours, 6, 60, 2, Verdict::UnlessAlive, "a restart elsewhere, or a copied disk"),
            (ours, 5, 60, 2, Verdict::UnlessAlive, "two processes of one start"),
            (ours, 4, 60, 1, Verdict::Welcome, "a disk that was put back in its place"),
            (ours, 4, 60, 2, Verdict::UnlessAlive, "an older copy"),
            (other, 1, 60, 2, Verdict::UnlessAlive, "moved, or so its operator says"),
            (other, 1, 60, 1, Verdict::Welcome, "moved to where it was"),
            (left, 9, 60, 2, Verdict::Second, "what a move left behind"),
        ] {
            assert_eq!(verdict(life, start, process, port), expected, "{why}");
        }
        let stranger = Place::default();
        let greeting = Greeting {
            version: VERSION,
            life: ours,
            start: 1,
            process: 1,
            mesh_address: "a:1".into(),
            others: Vec::new(),
        };
        assert_eq!(judge(&stranger, at(1), &greeting), Verdict::Welcome);
    }
}
