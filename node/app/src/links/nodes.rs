//! How the other nodes are, asked over the mesh; and how this one is.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use conductor::{HandedPart, KeyOctets, Nodes, Vitals};
use consensus::{Clock, Consensus};
use content::Content;
use futures_util::future::BoxFuture;
use mesh::{Channel, Mesh};
use model::{NodeId, SpaceId};
use zeroize::Zeroizing;

use super::Topic;
use crate::node::Meeting;

/// How long a node has to say how it is: an operator waits for this.
const VITALS_DEADLINE: Duration = Duration::from_millis(800);

/// How long a run of facts may take: a mebibyte over a slow line.
const FACTS_DEADLINE: Duration = Duration::from_secs(10);

/// What this node can say of itself.
pub struct Own {
    /// Its consensus.
    pub consensus: Consensus,
    /// Its contents.
    pub content: Content,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its data directory.
    pub root: PathBuf,
    /// Octets of its disk that contents must leave free.
    pub reserve: u64,
    /// Whom it has met.
    pub meeting: Arc<Meeting>,
    /// Connections that its system lets it serve, and those that it was told to serve.
    pub connections: (u64, u64),
    /// Facts that it lacks and nobody gives, as its conductor notes them.
    pub facts_wanted: Arc<AtomicU64>,
}

impl Own {
    /// This node's vitals.
    pub fn vitals(&self) -> Vitals {
        let (disk_free, disk_total) = rustix::fs::statvfs(&self.root)
            .map(|disk| (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))
            .unwrap_or_default();
        Vitals {
            now: self.clock.now(),
            applied: self.consensus.status().applied.unwrap_or_default(),
            contents_count: self.content.count() as u64,
            disk_free,
            disk_total,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            disk_reserve: self.reserve,
            second_lives: self.meeting.second_lives(),
            standing: self.consensus.status().standing.word().to_owned(),
            contents_missing: self.content.metrics().missing.load(Relaxed),
            connections_max: self.connections.0,
            connections_wanted: self.connections.1,
            facts_wanted: self.facts_wanted.load(Relaxed),
        }
    }
}

/// Asks over the mesh.
pub struct MeshNodes {
    /// The mesh.
    pub mesh: Mesh,
    /// This node.
    pub own: Arc<Own>,
}

impl Nodes for MeshNodes {
    fn vitals(&self, node: NodeId) -> BoxFuture<'static, Option<Vitals>> {
        let mesh = self.mesh.clone();
        Box::pin(async move {
            let question = Topic::Vitals.wrap(&[]);
            let asked = mesh.request_within(node, Channel::Control, question, VITALS_DEADLINE);
            minicbor::decode(&asked.await.ok()?).ok()
        })
    }

    fn own_vitals(&self) -> Vitals {
        self.own.vitals()
    }

    fn cluster_key(&self, node: NodeId, version: u32) -> BoxFuture<'static, Option<KeyOctets>> {
        let mesh = self.mesh.clone();
        Box::pin(async move {
            let question = Topic::ClusterKey.wrap(&version.to_be_bytes());
            let asked = mesh.request_within(node, Channel::Control, question, VITALS_DEADLINE);
            let answer = Zeroizing::new(asked.await.ok()?.to_vec());
            Some(Zeroizing::new(<[u8; 32]>::try_from(&answer[..]).ok()?))
        })
    }

    fn facts(&self, node: NodeId, from: u64, size: u64) -> BoxFuture<'static, Option<Bytes>> {
        let mesh = self.mesh.clone();
        Box::pin(async move {
            let question = Topic::Facts.wrap(&[from.to_be_bytes(), size.to_be_bytes()].concat());
            let asked = mesh.request_within(node, Channel::Content, question, FACTS_DEADLINE);
            asked.await.ok()
        })
    }

    fn discard(&self, space: SpaceId) -> BoxFuture<'static, ()> {
        self.tell_all(Topic::Discard.wrap(&space.to_bytes()))
    }

    fn tell_handed(&self, parts: Vec<HandedPart>) -> BoxFuture<'static, ()> {
        let parts = minicbor::to_vec(&parts).expect("a vector takes every octet");
        self.tell_all(Topic::Handed.wrap(&parts))
    }
}

impl MeshNodes {
    /// Tells all other nodes at once; what one of them does not hear is of no great harm.
    fn tell_all(&self, message: Bytes) -> BoxFuture<'static, ()> {
        let mesh = self.mesh.clone();
        Box::pin(async move {
            let asked = mesh.peers().into_iter().map(|peer| {
                let (mesh, message) = (mesh.clone(), message.clone());
                async move {
                    mesh.request_within(peer.node, Channel::Content, message, VITALS_DEADLINE).await
                }
            });
            for answer in futures_util::future::join_all(asked).await {
                if let Err(error) = answer {
                    tracing::debug!(%error, "a node did not hear what all were told");
                }
            }
        })
    }
}
