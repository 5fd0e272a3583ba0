//! The simulated cluster: its nodes, their disks that outlive them, and what befalls them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use auth::{RequestHead, Secret, SignRequest, Signed, Signer, SigningKey, Whole};
use bytes::Bytes;
use certs::{ClusterKey, Keyring};
use conductor::{Conductor, Exchange, HistoryLog, Parts, Riding, history_keys};
use consensus::{Clock, Consensus, sim};
use content::{Content, SimDisk};
use history::{History, Limits};
use machine::{AddApp, Command, Found, IssueKey, NewNode, Proposal, Proposer};
use model::{AccessKey, CommandId, Grant, KeyAlgorithm, Moment, NodeId, Nonce};
use parking_lot::Mutex;
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    Planted,
    clock::SimClock,
    dice::Dice,
    links::{Reachable, Rides, Sealer},
    network::{Host, Net, Port},
    office::PATIENCE,
};

/// Nodes of a simulated cluster.
pub const NODE_COUNT: u64 = 3;
/// The name that clients call.
const AUTHORITY: &str = "lgsp.test";
/// Small enough that snapshots are made and installed in every run.
const SNAPSHOT_ENTRIES: u64 = 200;
/// Small enough that segments fill and die in every run.
const SEGMENT_BYTES: u32 = 256 << 10;
/// The same for the history.
const HISTORY: Limits = Limits { segment_octets: 64 << 10, segment_facts: 200, index_rows: 300 };
/// How long a simulated sync takes.
const SYNC_TIME: Duration = Duration::from_millis(1);

/// How long it takes on a slow disk: a log that acknowledges early has that much to lose.
const SLOW_SYNC_TIME: Duration = Duration::from_millis(400);

/// How long a node that stops waits for another one to lead.
const STEP_DOWN_TIME: Duration = Duration::from_secs(3);

/// What outlives a crash, and what runs.
struct Slot {
    log: sim::Log,
    state: sim::State,
    history: history::disk::sim::SimDisk,
    disk: SimDisk,
    clock: Arc<SimClock>,
    /// Appends are acknowledged before what rides with them is kept.
    hasty: Arc<AtomicBool>,
    running: Option<Running>,
}

struct Running {
    consensus: Consensus,
    content: Content,
    exchange: Exchange,
    conductor: JoinHandle<()>,
}

/// The cluster. Clones are the same.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    pub dice: Dice,
    pub net: Net,
    slots: Mutex<BTreeMap<NodeId, Slot>>,
    keyring: Arc<Keyring>,
    names: auth::PublicNames,
    admin: Credentials,
    begun: Instant,
    /// Whether clocks jump.
    clocks: bool,
    /// By how much offices send less.
    pace: AtomicU64,
    /// When the last fault was mended.
    calm_since: Mutex<Option<Instant>>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

/// A key that signs.
#[derive(Clone)]
pub struct Credentials {
    signer: Arc<Signer>,
}

impl World {
    /// Founds a cluster of three and waits until all vote.
    pub async fn found(dice: Dice, planted: Option<Planted>, clocks: bool) -> Self {
        let mut random = |octets: &mut [u8]| dice.fill(octets);
        let keyring = Arc::new(Keyring::new(ClusterKey::generate(1, &mut random)));
        let (admin, admin_key, material) = mint_key(&dice, &keyring);
        let begun = Instant::now();
        let slots = (1..=NODE_COUNT).map(|number| {
            let slot = Slot {
                log: sim::Log::new(),
                state: sim::State::new(),
                history: history::disk::sim::SimDisk::new(number),
                disk: SimDisk::new(dice.below(u64::MAX)),
                clock: Arc::new(SimClock::new(begun)),
                hasty: Arc::default(),
                running: None,
            };
            slot.log.set_sync_delay(SYNC_TIME);
            slot.disk.set_latency(SYNC_TIME);
            (NodeId(number), slot)
        });
        let world = Self(Arc::new(Inner {
            net: Net::new(dice.clone()),
            slots: Mutex::new(slots.collect()),
            keyring,
            names: auth::PublicNames::new([format!("https://{AUTHORITY}")]).expect("a plain name"),
            admin,
            begun,
            clocks,
            pace: AtomicU64::new(if clocks { crate::clocks::PACE } else { 1 }),
            calm_since: Mutex::default(),
            counts: Mutex::default(),
            dice,
        }));
        world.boot(NodeId(1)).await;
        let first = world.consensus(NodeId(1)).expect("just booted");
        let found = world.first_command(admin_key, material);
        let answer = first.found(found).await.expect("an empty cluster can be founded");
        answer.expect("the first command is in order");
        for number in 2..=NODE_COUNT {
            world.admit(NodeId(number)).await;
        }
        world
            .until("all nodes vote", || {
                world
                    .consensus(NodeId(1))
                    .is_some_and(|first| first.status().voters.len() == NODE_COUNT as usize)
            })
            .await;
        world.plant(planted);
        world
    }

    /// Plants a bug into a cluster that is sound so far: what a store wrote when it was made ready is
    /// on its disk, so that only packets can get lost.
    fn plant(&self, planted: Option<Planted>) {
        for (node, slot) in &*self.0.slots.lock() {
            match planted {
                None => {}
                Some(Planted::LogAckBeforeSync) => {
                    slot.log.set_sync_delay(SLOW_SYNC_TIME);
                    slot.log.set_ack_before_sync(true);
                }
                Some(Planted::ContentLies) => slot.disk.set_lies(true),
                Some(Planted::AppendAckBeforeRecord) => {
                    slot.disk.set_latency(SLOW_SYNC_TIME);
                    slot.hasty.store(true, Ordering::Relaxed);
                }
                // It differs once the offices are at work: see `twist`.
                Some(Planted::ProgramDiffers) => {}
                // Read at the next start, which every plan has.
                Some(Planted::PledgesUnread) => slot.log.set_blind(true),
                Some(Planted::TicksByClock) => self.0.net.tick_by(*node, &slot.clock),
            }
        }
    }

    fn first_command(&self, key: AccessKey, material: Vec<u8>) -> Proposal {
        let command = Command::Found(Found {
            name: "Simulation".parse().expect("a name"),
            zone: "H41".parse().expect("a zone"),
            cluster: "c0".into(),
            authority: vec![1],
            authority_key_sealed: vec![1],
            node: new_node(1),
            admin: AddApp {
                app: "quan-tri".parse().expect("an application"),
                unit: "H41".parse().expect("a unit"),
                name: "Simulation".parse().expect("a name"),
                grants: [Grant::Admin].into_iter().collect(),
                targets: Vec::new(),
            },
            admin_key: IssueKey {
                key,
                app: "quan-tri".parse().expect("an application"),
                algorithm: KeyAlgorithm::HmacSha256,
                material,
                legacy: false,
                hmac_sha1: false,
                sealed_under: 1,
            },
            key_check: self.0.keyring.sealing().check(),
            node_key: node_key(NodeId(1)),
        });
        Proposal { id: self.command_id(), by: Proposer::Node(NodeId(1)), command }
    }

    async fn admit(&self, node: NodeId) {
        let exchange = self.exchange(NodeId(1)).expect("the first node is up");
        let caller = self.sign(&exchange, &self.0.admin, "POST", "/v1/admin/join-tokens");
        let hour = Duration::from_secs(3600);
        // The token's pin is of the authority in the state; the join itself needs no certificate here.
        let (token, _) =
            exchange.members().join_token(&caller, hour).await.expect("an administrator asks");
        let token: certs::JoinToken = token.parse().expect("just made");
        let admit = machine::AdmitNode {
            secret_digest: token.secret_digest(),
            node: new_node(node.0),
            key: node_key(node),
        };
        let proposal = Proposal {
            id: self.command_id(),
            by: Proposer::Node(NodeId(1)),
            command: Command::AdmitNode(admit),
        };
        let consensus = self.consensus(NodeId(1)).expect("the first node is up");
        let answer = consensus.propose(proposal).await.expect("a cluster of one has a majority");
        answer.expect("the token is fresh");
        self.boot(node).await;
    }

    /// Starts a node on what its disks hold.
    pub async fn boot(&self, node: NodeId) {
        let port = Port { net: self.0.net.clone(), node };
        let (log, state, disk, clock, hasty, history) = {
            let slots = self.0.slots.lock();
            let slot = &slots[&node];
            assert!(slot.running.is_none(), "a node runs once");
            let history = History::open_on(Arc::new(slot.history.clone()), HISTORY, history_keys());
            let history = Arc::new(history.expect("a history opens after any crash"));
            let Slot { log, state, disk, clock, hasty, .. } = slot;
            (log.clone(), state.clone(), disk.clone(), clock.clone(), hasty.clone(), history)
        };
        let dice = self.0.dice.clone();
        let content = Content::open(content::Options {
            disk: Arc::new(disk),
            peers: Arc::new(port.clone()),
            keys: Arc::new(Sealer(self.0.keyring.clone())),
            random: Arc::new(move |octets: &mut [u8]| dice.fill(octets)),
            reserve: 0,
            segment_bytes: SEGMENT_BYTES,
        })
        .await
        .expect("a store opens after any crash");
        let mut options = consensus::Options::new(node, "simulated");
        options.snapshot_entries = SNAPSHOT_ENTRIES;
        options.attachments = Arc::new(Rides { riding: Riding(content.clone()), hasty });
        let network = Arc::new(port.clone());
        let facts = Arc::new(HistoryLog(history.clone()));
        let stores = (&log, &state);
        let started = Consensus::start_with(options, stores, facts, network, clock.clone()).await;
        let consensus = started.expect("a simulated log opens after any crash");
        self.0
            .net
            .attach(node, Host { consensus: consensus.clone(), content: None, exchange: None });
        let exchange = Exchange::new(Parts {
            node,
            consensus: consensus.clone(),
            history,
            content: content.clone(),
            cluster_key: self.0.keyring.clone(),
            clock,
            random: Arc::new(self.0.dice.clone()),
            nodes: Arc::new(Reachable { net: self.0.net.clone(), port }),
            public_names: self.0.names.clone(),
            content_max: 1 << 30,
            ended_kept: Duration::from_millis(machine::ENDED_KEPT_MS),
            open_max: conductor::OpenMax { packets_a_target: u32::MAX, octets_a_unit: u64::MAX },
            uploads_max: conductor::UPLOADS_MAX,
            facts_wanted: Arc::default(),
        });
        self.0.net.attach(
            node,
            Host {
                consensus: consensus.clone(),
                content: Some(content.clone()),
                exchange: Some(exchange.clone()),
            },
        );
        let conductor = tokio::spawn(Conductor::new(exchange.clone()).run());
        let running = Running { consensus, content, exchange, conductor };
        self.0.slots.lock().get_mut(&node).expect("a node of this world").running = Some(running);
        self.count("boots");
    }

    /// The power of a node fails: what was not synced is gone.
    pub async fn crash(&self, node: NodeId) {
        let running = {
            let mut slots = self.0.slots.lock();
            let slot = slots.get_mut(&node).expect("a node of this world");
            let Some(running) = slot.running.take() else { return };
            self.0.net.detach(node);
            slot.log.crash();
            slot.state.crash();
            slot.history.restart();
            slot.disk.crash();
            running
        };
        self.count("crashes");
        running.conductor.abort();
        running.consensus.kill().await;
        running.content.shutdown().await;
    }

    /// A node is stopped as its program stops it, and loses its power once it has said that it is down.
    pub async fn stop(&self, node: NodeId) {
        let running = self.0.slots.lock().get_mut(&node).and_then(|slot| slot.running.take());
        let Some(Running { consensus, content, exchange, conductor }) = running else { return };
        // It may wait for a leader that does not come, as the program does not for ever.
        let _ = tokio::time::timeout(STEP_DOWN_TIME, exchange.members().step_down()).await;
        conductor.abort();
        consensus.shutdown().await;
        content.shutdown().await;
        self.0.net.detach(node);
        let slots = self.0.slots.lock();
        let slot = &slots[&node];
        slot.log.crash();
        slot.state.crash();
        slot.history.restart();
        slot.disk.crash();
        drop(slots);
        self.count("stops");
    }

    /// Everything is well again: clocks, network, and every node is up.
    pub async fn heal(&self) {
        self.0.net.heal();
        for node in self.nodes() {
            self.set_clock(node, 0);
            if !self.is_running(node) {
                self.boot(node).await;
            }
        }
    }

    /// Everything is well again, and stays so.
    pub async fn end_faults(&self) {
        self.heal().await;
        *self.0.calm_since.lock() = Some(Instant::now());
    }

    /// Whether what befell the cluster may still show in an answer: a request that was sent before the
    /// last fault was mended is answered within an office's patience.
    pub fn in_bad_weather(&self) -> bool {
        self.0.calm_since.lock().is_none_or(|since| since.elapsed() < PATIENCE)
    }

    /// Sets a node's wall clock so far off.
    pub fn set_clock(&self, node: NodeId, offset_ms: i64) {
        self.0.slots.lock()[&node].clock.set_offset(offset_ms);
    }

    /// The numbers of all nodes.
    pub fn nodes(&self) -> Vec<NodeId> {
        (1..=NODE_COUNT).map(NodeId).collect()
    }

    /// Whether a node is up.
    pub fn is_running(&self, node: NodeId) -> bool {
        self.0.slots.lock()[&node].running.is_some()
    }

    /// The doors of a node that is up.
    pub fn exchange(&self, node: NodeId) -> Option<Exchange> {
        self.0.slots.lock()[&node].running.as_ref().map(|running| running.exchange.clone())
    }

    /// The consensus of a node that is up.
    pub fn consensus(&self, node: NodeId) -> Option<Consensus> {
        self.0.slots.lock()[&node].running.as_ref().map(|running| running.consensus.clone())
    }

    /// The contents of a node that is up.
    pub fn content(&self, node: NodeId) -> Option<Content> {
        self.0.slots.lock()[&node].running.as_ref().map(|running| running.content.clone())
    }

    /// The disk of a node's state, as it is now.
    pub fn state(&self, node: NodeId) -> sim::State {
        self.0.slots.lock()[&node].state.clone()
    }

    /// The disk of a node's contents, as it is now.
    pub fn disk(&self, node: NodeId) -> SimDisk {
        self.0.slots.lock()[&node].disk.clone()
    }

    /// Whether clocks jump in this run.
    pub fn clocks_jump(&self) -> bool {
        self.0.clocks
    }

    /// Whether the last fault was mended.
    pub fn is_calm(&self) -> bool {
        self.0.calm_since.lock().is_some()
    }

    /// By how much offices send less now.
    pub fn pace(&self) -> u64 {
        self.0.pace.load(Ordering::Relaxed)
    }

    /// Lets offices send less.
    pub fn set_pace(&self, pace: u64) {
        self.0.pace.store(pace, Ordering::Relaxed);
    }

    /// A random node that is up.
    pub fn any_exchange(&self) -> Option<Exchange> {
        let up: Vec<_> = self.nodes().into_iter().filter(|node| self.is_running(*node)).collect();
        let chosen = *up.get(self.dice().below(up.len() as u64) as usize)?;
        self.exchange(chosen)
    }

    /// The dice.
    pub fn dice(&self) -> &Dice {
        &self.0.dice
    }

    /// The network.
    pub fn net(&self) -> &Net {
        &self.0.net
    }

    /// Counts something for the summary.
    pub fn count(&self, what: &'static str) {
        *self.0.counts.lock().entry(what).or_default() += 1;
    }

    /// What befell the cluster.
    pub fn summary(&self) -> String {
        let counts = self.0.counts.lock();
        let counts: Vec<_> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        let seconds = self.0.begun.elapsed().as_secs();
        format!(
            "{}, messages {}, virtual seconds {seconds}",
            counts.join(", "),
            self.0.net.message_count()
        )
    }

    /// Whether a node runs and counts for a majority.
    pub fn takes_part(&self, node: NodeId) -> bool {
        self.consensus(node).is_some_and(|consensus| consensus.status().standing.is_full())
    }

    /// What is on the disk of a node's log and state.
    pub fn back_up(&self, node: NodeId) -> (sim::LogCopy, sim::StateCopy) {
        let slots = self.0.slots.lock();
        (slots[&node].log.copy(), slots[&node].state.copy())
    }

    /// The disk of log and state goes back, by a copy or with the whole machine. The node is down.
    pub fn go_back(&self, node: NodeId, backup: &(sim::LogCopy, sim::StateCopy), copied: bool) {
        let slots = self.0.slots.lock();
        assert!(slots[&node].running.is_none(), "a disk goes back while its node is down");
        slots[&node].log.go_back(&backup.0, copied);
        slots[&node].state.go_back(&backup.1);
    }

    /// Waits for something that must come about; a world without faults gets there.
    pub async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        for _ in 0..60_000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("within ten virtual minutes it did not happen that {what}");
    }

    /// The first administrator.
    pub fn admin(&self) -> &Credentials {
        &self.0.admin
    }

    fn command_id(&self) -> CommandId {
        CommandId::mint(Moment(1_767_225_600_000), self.0.dice.bits())
    }

    /// Takes a secret that was issued.
    pub fn credentials(key: AccessKey, secret: &Secret) -> Credentials {
        Credentials { signer: Arc::new(Signer::new(key, SigningKey::from_secret(secret))) }
    }

    /// Signs a request now and has it checked at a node, as the API does.
    pub fn sign(
        &self,
        exchange: &Exchange,
        credentials: &Credentials,
        method: &str,
        path: &str,
    ) -> Signed<Whole> {
        self.try_sign(exchange, credentials, method, path)
            .unwrap_or_else(|error| panic!("a good signature is refused in good weather: {error}"))
    }

    /// As [`World::sign`], where the node may be cut off, or its clock wrong. Where clocks jump, some
    /// sign by what the cluster shows: their clocks jumped with it.
    pub fn try_sign(
        &self,
        exchange: &Exchange,
        credentials: &Credentials,
        method: &str,
        path: &str,
    ) -> Result<Signed<Whole>, conductor::Error> {
        if self.0.clocks && self.0.dice.chance(300) {
            return self.sign_at(exchange, credentials, (method, path), exchange.now());
        }
        self.sign_rightly(exchange, credentials, method, path)
    }

    /// Signs with the right date.
    pub fn sign_rightly(
        &self,
        exchange: &Exchange,
        credentials: &Credentials,
        method: &str,
        path: &str,
    ) -> Result<Signed<Whole>, conductor::Error> {
        let right = SimClock::new(self.0.begun).now();
        self.sign_at(exchange, credentials, (method, path), right)
    }

    fn sign_at(
        &self,
        exchange: &Exchange,
        credentials: &Credentials,
        (method, path): (&str, &str),
        created: Moment,
    ) -> Result<Signed<Whole>, conductor::Error> {
        let nonce: Nonce = format!("{:032x}", self.0.dice.bits()).parse().expect("32 characters");
        let signed = credentials.signer.sign(&SignRequest {
            method,
            scheme: auth::Scheme::Https,
            authority: AUTHORITY,
            path_and_query: path,
            content_digest: None,
            headers: &[],
            created,
            nonce: Some(&nonce),
        });
        let signed = signed.expect("HMAC always signs");
        let head = exchange.gate().verify(&RequestHead {
            method,
            authority: AUTHORITY,
            path,
            query: None,
            headers: &[
                ("content-length", b"0"),
                ("signature-input", signed.signature_input.as_bytes()),
                ("signature", signed.signature.as_bytes()),
            ],
        })?;
        Ok(head.with_statement(&[]).expect("no body was signed, and none is there"))
    }
}

fn mint_key(dice: &Dice, keyring: &Keyring) -> (Credentials, AccessKey, Vec<u8>) {
    let (mut name, mut octets) = ([0; 20], [0; 32]);
    dice.fill(&mut name);
    dice.fill(&mut octets);
    let (key, secret) = (AccessKey::from_random(name), Secret::from_random(&octets));
    let material = conductor::seal_secret(keyring, &key, secret.expose());
    (World::credentials(key.clone(), &secret), key, material)
}

/// A digest that stands for a node's key: there are no certificates in the simulation.
fn node_key(node: NodeId) -> model::Digest {
    model::Digest([node.0 as u8; 32])
}

fn new_node(number: u64) -> NewNode {
    NewNode {
        name: format!("nut-{number}").parse().expect("a name"),
        mesh_address: format!("nut-{number}:7443"),
        api_url: format!("https://nut-{number}"),
        version: "sim".into(),
        rules_max: machine::RULES_KNOWN,
    }
}

/// Octets for a content: nobody else's, so that a search for them means something.
pub fn canary(dice: &Dice, length: usize) -> Bytes {
    let mut octets = vec![0; length];
    dice.fill(&mut octets);
    octets.into()
}
