//! The wiring of a running node: engines, links, doors, and the order in which they start and stop.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use anyhow::Context;
use certs::{Keyring, Presented};
use conductor::{Conductor, Exchange, HistoryLog, Parts, Riding};
use consensus::{Clock, Consensus, SystemClock};
use content::Content;
use history::History;
use mesh::Mesh;
use model::NodeId;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use super::{
    Descriptors, Directory, Identity, Meeting, Memory, Outcast, Threads, asks,
    book::Book,
    greeting::Reason,
    keeper,
    life::{self, Life},
    meeting::Refused,
    members::Members,
    presented, reload,
    tls::{ClusterNames, NodeTls},
};
use crate::{
    config::Config,
    links::{
        Dispatch, DispatchHandler, KeyringSealer, MeshNetwork, MeshNodes, MeshPeers, Own, Services,
        SystemRandom,
    },
    options::RunOptions,
    stop::Stop,
};

/// How long a clean stop waits for the new leader before it goes on without one.
const STEP_DOWN_TIME_MAX: Duration = Duration::from_secs(3);

/// How long the first of two lives waits for the peers to see that its copy has ended.
const ELDER_TIME_MAX: Duration = Duration::from_secs(30);

/// What a running node is made of; dropped in this order when it stops.
pub(super) struct Node {
    pub(super) config: Config,
    pub(super) directory: Directory,
    pub(super) identity: Identity,
    pub(super) tls: Arc<NodeTls>,
    pub(super) mesh: Mesh,
    pub(super) consensus: Consensus,
    pub(super) content: Content,
    pub(super) exchange: Exchange,
    pub(super) members: Arc<Members>,
    pub(super) book: Arc<Book>,
    pub(super) meeting: Arc<Meeting>,
    /// What HTTPS presents; the node's own certificate where the operator has given none.
    pub(super) https: Arc<Presented>,
    /// Connections of the API, as far as descriptors and memory reach.
    pub(super) connections: usize,
    /// Octets of bodies that are collected at once, as far as memory reaches.
    pub(super) bodies: usize,
}

/// Runs the node of a configuration until it is told to stop, or cannot keep its promises.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    let signals = Harmless::listen()?;
    let wanted = options.config.limits.connections as usize;
    let descriptors = Descriptors::raise(wanted)?;
    if descriptors.connections < wanted {
        tracing::warn!(
            granted = descriptors.granted,
            connections = descriptors.connections,
            wanted,
            "the system grants too few file descriptors for all connections: raise LimitNOFILE"
        );
    }
    let memory = Memory::find(wanted)?;
    if memory.connections < wanted {
        tracing::warn!(
            granted_mib = memory.granted_mib,
            connections = memory.connections,
            wanted,
            "the system grants too little memory for all connections: raise MemoryMax"
        );
    }
    Threads::try_all().await?;
    let directory = Directory::at(&options.config.data_dir);
    let identity = directory.identity()?;
    let _lock = directory.lock()?;
    if directory.close()? {
        let path = directory.root().display();
        tracing::warn!(%path, "other users could read the data directory; it is closed now (0700)");
    }
    if directory.is_removed() {
        return Err(Outcast::Removed { path: directory.root().to_owned() }.into());
    }
    let life = life::begin(&directory.life(), options.moved)?;
    tracing::info!(
        life = %life.id,
        start = life.start,
        machine_generation = if life::machine_is_known() { "known" } else { "not readable here" },
        "this node begins"
    );
    let node = start(&options, directory, identity, life, (descriptors, memory)).await?;
    let listener = TcpListener::bind(node.config.api.listen)
        .await
        .with_context(|| format!("cannot listen on {}", node.config.api.listen))?;
    let server = api::serve(api::Options {
        listener,
        tls: Arc::new(certs::https_server_config(node.https.clone())?),
        exchange: node.exchange.clone(),
        settings: keeper::api_settings(&node),
    });
    let mut conductor = tokio::spawn(Conductor::new(node.exchange.clone()).run());
    let keeper = tokio::spawn(keeper::keep(node.keeper()));
    let asks = tokio::spawn(asks::answer_all(node.directory.asks(), node.exchange.clone()));
    tracing::info!(node = %node.identity.node, api = %node.config.api.listen, "the node runs");

    let ended = tokio::select! {
        ended = wait(&node, options, signals) => ended,
        // Without purges and deadlines the node would break its promises quietly.
        _ = &mut conductor => Err(anyhow::anyhow!("the conductor has ended: this is a bug of the program")),
    };
    // First nobody new, then the leadership, then the open requests, then the engines.
    server.stop_accepting();
    let stepped =
        tokio::time::timeout(STEP_DOWN_TIME_MAX, node.exchange.members().step_down()).await;
    if stepped.is_err() {
        tracing::warn!("no other node took the leadership in time");
    }
    server.drain().await;
    keeper.abort();
    asks.abort();
    conductor.abort();
    // What rides with entries is kept until the last one.
    node.consensus.shutdown().await;
    node.content.shutdown().await;
    node.mesh.shutdown().await;
    ended
}

async fn start(
    options: &RunOptions,
    directory: Directory,
    identity: Identity,
    life: Life,
    (descriptors, memory): (Descriptors, Memory),
) -> anyhow::Result<Node> {
    let connections = descriptors.connections.min(memory.connections);
    let config = options.config.clone();
    let keyring = Arc::new(Keyring::load(&directory.cluster_key())?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);

    let dispatch = Arc::new(Dispatch::default());
    let book = Arc::new(Book::open(directory.addresses()));
    let members = Arc::new(Members::new(&identity, book.clone(), options.hints(&config)));
    let names = ClusterNames(identity.cluster.clone());
    let hosts = config.certificate_hosts();
    let known = (names.clone(), members.clone());
    let tls = Arc::new(NodeTls::open(identity.node, directory.clone(), hosts, known)?);
    let known = (book.clone(), members.clone());
    let advertised = config.mesh.advertise.to_string();
    let meeting = Meeting::new(identity.node, life, advertised, known);
    let mesh = Mesh::bind(mesh::Options {
        node: identity.node,
        listen: config.mesh.listen,
        identity: tls.mesh_identity()?,
        names: Arc::new(names),
        allowed: members.allowed(),
        handler: Arc::new(DispatchHandler(dispatch.clone())),
        greeter: meeting.clone(),
        process: meeting.process(),
    })
    .with_context(|| format!("cannot listen on {}", config.mesh.listen))?;
    meeting.speak_over(mesh.clone());
    mesh.set_peers(&members.addresses());

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
    let mut options = consensus::Options::new(identity.node, directory.consensus());
    options.timing = keeper::timing(&config);
    options.state_files_max = descriptors.state_files;
    options.spare_bytes = config.storage.spare.0;
    options.attachments = Arc::new(Riding(content.clone()));
    let network = Arc::new(MeshNetwork(mesh.clone()));
    let history = Arc::new(History::open(directory.root(), conductor::history_keys())?);
    let facts = Arc::new(HistoryLog(history.clone()));
    let consensus = Consensus::start(options, facts, network, clock.clone()).await?;
    members.follow(consensus.clone());

    let facts_wanted = Arc::<AtomicU64>::default();
    let own = Arc::new(Own {
        consensus: consensus.clone(),
        content: content.clone(),
        clock: clock.clone(),
        root: config.data_dir.clone(),
        reserve: config.storage.reserve.0,
        meeting: meeting.clone(),
        connections: (connections as u64, u64::from(config.limits.connections)),
        facts_wanted: facts_wanted.clone(),
    });
    let exchange = Exchange::new(Parts {
        node: identity.node,
        consensus: consensus.clone(),
        history,
        content: content.clone(),
        cluster_key: keyring,
        clock,
        random: Arc::new(SystemRandom),
        nodes: Arc::new(MeshNodes { mesh: mesh.clone(), own: own.clone() }),
        public_names: keeper::public_names(&config)?,
        content_max: config.storage.content_max.0,
        ended_kept: config.storage.ended_kept.0,
        open_max: open_max(&config),
        uploads_max: memory.uploads,
        facts_wanted,
    });
    dispatch.serve(Services {
        consensus: consensus.clone(),
        content: content.clone(),
        own,
        exchange: exchange.clone(),
        meeting: meeting.clone(),
    });
    let https = keeper::https_presented(&config, &tls.presented)?;
    Ok(Node {
        config,
        directory,
        identity,
        tls,
        mesh,
        consensus,
        content,
        exchange,
        members,
        book,
        meeting,
        https,
        connections,
        bodies: memory.bodies,
    })
}

/// What one source may have under way: octets are a quarter of the disk where nothing else is said.
fn open_max(config: &Config) -> conductor::OpenMax {
    let quarter = || {
        let disk = rustix::fs::statvfs(&config.data_dir);
        disk.map_or(u64::MAX, |disk| disk.f_blocks.saturating_mul(disk.f_frsize) / 4)
    };
    conductor::OpenMax {
        packets_a_target: config.limits.open_packets_a_target,
        octets_a_unit: config.limits.octets_a_unit.map_or_else(quarter, |octets| octets.0),
    }
}

/// Whether so many of the other nodes are enough to say that this one was removed. One alone may have gone
/// its own way: a node that was made the source of a new cluster has removed all others in its own state,
/// and they may be the majority that lives.
fn is_believed(say_so: usize, others: usize) -> bool {
    say_so > others / 2
}

/// Signals that must not end a node, from its first moment on: a service manager's reload, and those of tools
/// that rotate logs. A node that dies of one takes its leadership along.
struct Harmless {
    hangup: Signal,
    first: Signal,
    second: Signal,
}

impl Harmless {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            first: signal(SignalKind::user_defined1())?,
            second: signal(SignalKind::user_defined2())?,
        })
    }
}

/// Waits for a signal, for the removal of this node, or for an engine that cannot go on.
async fn wait(node: &Node, mut options: RunOptions, mut signals: Harmless) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    let (mut refused, mut elder) = (node.meeting.refusals(), None);
    let mut removed_by = BTreeSet::new();
    let mut content_failed = node.content.failed();
    let mut status = node.consensus.watch_status();
    loop {
        tokio::select! {
            () = stop.asked() => return Ok(()),
            _ = signals.hangup.recv() => reload::reload(node, &mut options),
            _ = signals.first.recv() => tracing::info!("SIGUSR1 means nothing to a node"),
            _ = signals.second.recv() => tracing::info!("SIGUSR2 means nothing to a node"),
            _ = refused.changed() => {
                let refusal = refused.borrow_and_update().clone();
                if let Some(refusal) = refusal {
                    node.weigh(&refusal, &mut elder, &mut removed_by)?;
                }
            }
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
        if node.members.was_removed(node.identity.node) {
            return Err(node.removed());
        }
    }
}

impl Node {
    /// Judges what a peer has said that refuses this node: an error ends it.
    fn weigh(
        &self,
        refused: &Refused,
        elder: &mut Option<Instant>,
        removed_by: &mut BTreeSet<NodeId>,
    ) -> anyhow::Result<()> {
        let (by, node) = (refused.by, self.identity.node);
        let Reason::Twice { elsewhere, here, start, process } = &refused.reason else {
            removed_by.insert(by);
            let others = self.members.addresses().len();
            if is_believed(removed_by.len(), others) {
                return Err(self.removed());
            }
            tracing::error!(
                %by, others,
                "a node says that this one was removed; it is believed once most of the others say so"
            );
            return Ok(());
        };
        let life = self.meeting.life();
        // The peer met a copy while it did not reach this node. Of two, the one that began first goes
        // on where another peer knows it; the copy is refused there, and ends.
        let first = (life.start, self.meeting.process()) < (*start, *process);
        let known = self.mesh.peers().iter().any(|peer| peer.connected && peer.node != by);
        let waits = elder.is_some_and(|since| since.elapsed() < ELDER_TIME_MAX);
        if known && (first || waits) {
            tracing::error!(
                %by, %elsewhere, %here,
                "a copy of this node was met; this one goes on, for it began first: stop the copy"
            );
            if first {
                self.meeting.go_on(life::outlive(&self.directory.life(), life, *start)?);
                elder.get_or_insert_with(Instant::now);
            }
            return Ok(());
        }
        let (elsewhere, here) = (elsewhere.clone(), here.clone());
        Err(Outcast::Twice { node, by, elsewhere, here }.into())
    }

    /// The node was removed, and will remember it.
    fn removed(&self) -> anyhow::Error {
        if let Err(error) = self.directory.set_removed() {
            tracing::warn!(%error, "the removal could not be written down");
        }
        Outcast::Removed { path: self.directory.root().to_owned() }.into()
    }

    fn keeper(&self) -> keeper::Keeper {
        keeper::Keeper {
            now: presented(&self.config),
            node: self.identity.node,
            tls: self.tls.clone(),
            mesh: self.mesh.clone(),
            consensus: self.consensus.clone(),
            exchange: self.exchange.clone(),
            members: self.members.clone(),
            book: self.book.clone(),
            meeting: self.meeting.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_believed;

    #[test]
    fn most_of_the_others_say_that_a_node_was_removed() {
        for (say_so, others, believed) in
            [(1, 1, true), (1, 2, false), (2, 2, true), (1, 4, false), (2, 4, false), (3, 4, true)]
        {
            assert_eq!(is_believed(say_so, others), believed, "{say_so} of {others}");
        }
    }
}
