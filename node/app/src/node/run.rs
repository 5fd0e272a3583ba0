//! The wiring of a running node: engines, links, doors, and the order in which they start and stop.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use certs::{Keyring, NodeKey, Presented};
use consensus::{Clock, Consensus, SystemClock};
use content::Content;
use delivery::{Conductor, Exchange, Parts};
use machine::View;
use mesh::Mesh;
use model::NodeId;
use rustls_pki_types::CertificateDer;
use tokio::net::TcpListener;

use super::{Directory, Identity, asks, keeper, members::Members, presented};
use crate::{
    config::Config,
    links::{
        Dispatch, DispatchHandler, KeyringSealer, MeshNetwork, MeshNodes, MeshPeers, Own, Services,
        SystemRandom,
    },
};

/// How long a clean stop waits for the new leader before it goes on without one.
const STEP_DOWN_TIME_MAX: Duration = Duration::from_secs(3);

/// What a running node is made of; dropped in this order when it stops.
pub(super) struct Node {
    pub(super) config: Config,
    pub(super) directory: Directory,
    pub(super) identity: Identity,
    pub(super) key: Arc<NodeKey>,
    pub(super) authority: CertificateDer<'static>,
    pub(super) presented: Arc<Presented>,
    pub(super) mesh: Mesh,
    pub(super) consensus: Consensus,
    pub(super) content: Content,
    pub(super) exchange: Exchange,
    pub(super) members: Arc<Members>,
}

/// Runs the node of a configuration until it is told to stop, or cannot keep its promises.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let directory = Directory::at(&config.data_dir);
    let identity = directory.identity()?;
    let _lock = directory.lock()?;
    if directory.close()? {
        let path = directory.root().display();
        tracing::warn!(%path, "other users could read the data directory; it is closed now (0700)");
    }
    let node = start(config, directory, identity).await?;
    let listener = TcpListener::bind(node.config.api.listen)
        .await
        .with_context(|| format!("cannot listen on {}", node.config.api.listen))?;
    let server = api::serve(api::Options {
        listener,
        tls: Arc::new(keeper::https_config(&node)?),
        exchange: node.exchange.clone(),
        settings: keeper::api_settings(&node),
    });
    let mut conductor = tokio::spawn(Conductor::new(node.exchange.clone()).run());
    let keeper = tokio::spawn(keeper::keep(node.keeper()));
    let asks = tokio::spawn(asks::answer_all(node.directory.asks(), node.exchange.clone()));
    tracing::info!(node = %node.identity.node, api = %node.config.api.listen, "the node runs");

    let ended = tokio::select! {
        ended = wait(&node) => ended,
        // Without purges and deadlines the node would break its promises quietly.
        _ = &mut conductor => Err(anyhow::anyhow!("the conductor has ended: this is a bug of the program")),
    };
    // First nobody new, then the leadership, then the open requests, then the engines.
    server.stop_accepting();
    let stepped = tokio::time::timeout(STEP_DOWN_TIME_MAX, node.exchange.step_down()).await;
    if stepped.is_err() {
        tracing::warn!("no other node took the leadership in time");
    }
    server.drain().await;
    keeper.abort();
    asks.abort();
    conductor.abort();
    node.content.shutdown().await;
    node.consensus.shutdown().await;
    node.mesh.shutdown().await;
    ended
}

async fn start(config: Config, directory: Directory, identity: Identity) -> anyhow::Result<Node> {
    let keyring = Arc::new(Keyring::load(&directory.cluster_key())?);
    let key = Arc::new(NodeKey::load(&directory.node_key())?);
    let read = |path: std::path::PathBuf| {
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let authority = CertificateDer::from(read(directory.authority())?);
    let certificate = CertificateDer::from(read(directory.node_certificate())?);
    let chain = vec![certificate, authority.clone()];
    let presented = Presented::new(chain, &key.private_key())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);

    let dispatch = Arc::new(Dispatch::default());
    let members = Arc::new(Members::new(&identity));
    let mesh = Mesh::bind(mesh::Options {
        node: identity.node,
        listen: config.mesh.listen,
        identity: keeper::mesh_identity(&authority, &presented)?,
        names: Arc::new(keeper::ClusterNames(identity.cluster.clone())),
        allowed: members.allowed(),
        handler: Arc::new(DispatchHandler(dispatch.clone())),
    })
    .with_context(|| format!("cannot listen on {}", config.mesh.listen))?;
    mesh.set_peers(&members.addresses());

    let mut options = consensus::Options::new(identity.node, directory.consensus());
    options.timing = keeper::timing(&config);
    let network = Arc::new(MeshNetwork(mesh.clone()));
    let consensus = Consensus::start(options, network, clock.clone()).await?;
    members.follow(consensus.clone());

    std::fs::create_dir_all(directory.content()).context("cannot make the content directory")?;
    let content = Content::open(content::Options {
        disk: Arc::new(content::RealDisk::new(directory.content())),
        peers: Arc::new(MeshPeers(mesh.clone())),
        keys: Arc::new(KeyringSealer(keyring.clone())),
        random: Arc::new(certs::system_random),
        reserve: config.storage.reserve.0,
        segment_bytes: content::SEGMENT_BYTES,
    })
    .await?;
    let own = Arc::new(Own {
        consensus: consensus.clone(),
        content: content.clone(),
        clock: clock.clone(),
        root: config.data_dir.clone(),
        reserve: config.storage.reserve.0,
    });
    let exchange = Exchange::new(Parts {
        node: identity.node,
        consensus: consensus.clone(),
        content: content.clone(),
        cluster_key: keyring,
        clock,
        random: Arc::new(SystemRandom),
        nodes: Arc::new(MeshNodes { mesh: mesh.clone(), own: own.clone() }),
        public_names: keeper::public_names(&config)?,
        content_max: config.storage.content_max.0,
    });
    dispatch.serve(Services {
        consensus: consensus.clone(),
        content: content.clone(),
        own,
        exchange: exchange.clone(),
    });
    Ok(Node {
        config,
        directory,
        identity,
        key,
        authority,
        presented,
        mesh,
        consensus,
        content,
        exchange,
        members,
    })
}

/// Waits for a signal, for the removal of this node, or for an engine that cannot go on.
async fn wait(node: &Node) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut content_failed = node.content.failed();
    let mut status = node.consensus.watch_status();
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            _ = content_failed.wait_for(|failed| *failed) => {
                anyhow::bail!("the content store has stopped: its disk failed; mend the disk and start again")
            }
            changed = status.changed() => {
                let failure = status.borrow_and_update().failure.clone();
                if changed.is_err() || failure.is_some() {
                    anyhow::bail!("consensus has stopped: {}", failure.unwrap_or_default())
                }
            }
        }
        if removed(node) {
            anyhow::bail!("this node was removed from its cluster: wipe its directory, join again")
        }
    }
}

fn removed(node: &Node) -> bool {
    let own: NodeId = node.identity.node;
    let record = View::new(&*node.consensus.now()).node(own);
    record.is_some_and(|record| record.removed_at.is_some())
}

impl Node {
    fn keeper(&self) -> keeper::Keeper {
        keeper::Keeper {
            now: presented(&self.config),
            hosts: self.config.certificate_hosts(),
            node: self.identity.node,
            directory: self.directory.clone(),
            key: self.key.clone(),
            authority: self.authority.clone(),
            presented: self.presented.clone(),
            mesh: self.mesh.clone(),
            consensus: self.consensus.clone(),
            exchange: self.exchange.clone(),
            members: self.members.clone(),
        }
    }
}
