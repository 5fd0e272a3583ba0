//! A small cluster of meshes on loopback, certified by an authority of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use certs::{Authority, NodeKey, NodeRequest, Presented};
use futures_util::future::BoxFuture;
use lgsp_mesh::{
    Channel, Claim, Greeter, Handler, Identity, Mesh, Met, Names, Options, Receiver, Sender,
};
use model::{Moment, NodeId};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub const CLUSTER: &str = "test";

pub struct Named(pub &'static str);

impl Names for Named {
    fn server_name(&self, node: NodeId) -> String {
        certs::node_name(node, self.0)
    }

    fn claim_of(&self, certificate: &[u8]) -> Option<Claim> {
        let node = certs::identity_of(certificate, self.0).ok()?;
        Some(Claim { node, key: certs::key_digest(certificate).ok()? })
    }
}

/// Answers by what the message says.
pub struct Echo {
    /// Requests that begin with `wait` end when a permit is here.
    pub gate: Arc<Semaphore>,
    /// What was received, by whom and where.
    pub seen: Mutex<Vec<(NodeId, Channel, Bytes)>>,
    /// What it says when it greets.
    pub says: Mutex<Bytes>,
    /// Whom it refuses: who greets so.
    pub refuses: Mutex<Option<Bytes>>,
    /// Who has greeted it.
    pub met: Mutex<Vec<Met>>,
    /// Who has refused it, and why.
    pub refusals: Mutex<Vec<(NodeId, Bytes)>>,
}

impl Default for Echo {
    fn default() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            seen: Mutex::default(),
            says: Mutex::default(),
            refuses: Mutex::default(),
            met: Mutex::default(),
            refusals: Mutex::default(),
        }
    }
}

impl Handler for Echo {
    fn request(&self, from: NodeId, channel: Channel, message: Bytes) -> BoxFuture<'static, Bytes> {
        self.seen.lock().push((from, channel, message.clone()));
        let gate = self.gate.clone();
        Box::pin(async move {
            assert!(!message.starts_with(b"panic"), "asked to");
            if message.starts_with(b"wait") {
                gate.acquire().await.expect("never closed").forget();
            }
            message
        })
    }

    /// `sink` counts what comes once the gate is open, and answers with its size; anything else
    /// comes back as it came.
    fn stream(
        &self,
        _: NodeId,
        header: Bytes,
        mut sender: Sender,
        mut receiver: Receiver,
    ) -> BoxFuture<'static, ()> {
        let gate = self.gate.clone();
        Box::pin(async move {
            if &header[..] == b"sink" {
                gate.acquire().await.expect("never closed").forget();
                let mut size = 0u64;
                while let Ok(Some(chunk)) = receiver.receive().await {
                    size += chunk.len() as u64;
                }
                let _ = sender.send(Bytes::copy_from_slice(&size.to_be_bytes())).await;
            } else {
                while let Ok(Some(chunk)) = receiver.receive().await {
                    if sender.send(chunk).await.is_err() {
                        return;
                    }
                }
            }
            let _ = sender.finish();
        })
    }
}

/// Greets by a word, and refuses whoever says the word that it was told to refuse.
impl Greeter for Echo {
    fn greeting(&self, _: NodeId) -> Bytes {
        self.says.lock().clone()
    }

    fn met(&self, peer: Met) -> BoxFuture<'static, Result<(), Bytes>> {
        let refused = self.refuses.lock().as_ref() == Some(&peer.greeting);
        self.met.lock().push(peer);
        let verdict = if refused { Err(Bytes::from_static(b"a bad word")) } else { Ok(()) };
        Box::pin(std::future::ready(verdict))
    }

    fn stranger(&self, _: NodeId) -> Bytes {
        Bytes::from_static(b"a stranger")
    }

    fn refused(&self, by: NodeId, _: SocketAddr, reason: Bytes) {
        self.refusals.lock().push((by, reason));
    }
}

pub struct Cluster {
    pub authority: Authority,
    pub members: Arc<Mutex<BTreeSet<NodeId>>>,
    /// The key of each number, as records pin them.
    keys: Arc<Mutex<BTreeMap<NodeId, Arc<NodeKey>>>>,
}

pub struct Node {
    pub mesh: Mesh,
    pub echo: Arc<Echo>,
    pub address: SocketAddr,
}

pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Moment(since.as_millis() as u64)
}

impl Cluster {
    pub fn new() -> Self {
        let members = (1..=3).map(NodeId).collect();
        let authority = Authority::create(CLUSTER, 1, now()).unwrap();
        Self { authority, members: Arc::new(Mutex::new(members)), keys: Arc::default() }
    }

    pub fn identity(&self, node: u64, cluster: &str) -> Identity {
        self.identity_at(node, cluster, now())
    }

    pub fn identity_at(&self, node: u64, cluster: &str, at: Moment) -> Identity {
        self.certified(node, cluster, at, &self.key_of(NodeId(node)))
    }

    fn key_of(&self, node: NodeId) -> Arc<NodeKey> {
        let mut keys = self.keys.lock();
        keys.entry(node).or_insert_with(|| Arc::new(NodeKey::generate().unwrap())).clone()
    }

    pub fn certified(&self, node: u64, cluster: &str, at: Moment, key: &NodeKey) -> Identity {
        let request = NodeRequest {
            node: NodeId(node),
            cluster: cluster.to_owned(),
            request: key.request().unwrap(),
            names: vec![],
            addresses: vec![],
        };
        let chain = vec![self.authority.issue(&request, at).unwrap()];
        let presented = Presented::new(chain, &key.private_key()).unwrap();
        let trusted = self.authority.certificate();
        let nobody = || -> certs::IsMember { Arc::new(|_| None) };
        Identity {
            server: Arc::new(
                certs::mesh_server_config(trusted, nobody(), presented.clone()).unwrap(),
            ),
            client: Arc::new(certs::mesh_client_config(trusted, nobody(), presented).unwrap()),
        }
    }

    pub fn start(&self, node: u64) -> Node {
        self.start_at(
            node,
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            self.identity(node, CLUSTER),
        )
    }

    pub fn start_at(&self, node: u64, listen: SocketAddr, identity: Identity) -> Node {
        let (members, keys) = (self.members.clone(), self.keys.clone());
        let pinned = move |claim: &Claim| {
            keys.lock().get(&claim.node).is_some_and(|key| key.digest() == claim.key)
        };
        let echo = Arc::new(Echo::default());
        let mesh = Mesh::bind(Options {
            node: NodeId(node),
            listen,
            identity,
            names: Arc::new(Named(CLUSTER)),
            allowed: Arc::new(move |claim| members.lock().contains(&claim.node) && pinned(&claim)),
            handler: echo.clone(),
            greeter: echo.clone(),
            process: rand::random(),
        })
        .unwrap();
        let address = mesh.local_addr().unwrap();
        Node { mesh, echo, address }
    }
}

impl Node {
    pub fn knows(&self, node: u64, other: &Self) {
        self.mesh.set_peers(&[(NodeId(node), vec![other.address.to_string()])]);
    }

    pub async fn ask(
        &self,
        to: u64,
        channel: Channel,
        text: &'static [u8],
    ) -> Result<Bytes, lgsp_mesh::Error> {
        self.mesh.request(NodeId(to), channel, Bytes::from_static(text)).await
    }
}

/// Asks again until it holds; a test that never gets there fails with what it waited for.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        tokio::task::yield_now().await;
    }
}
