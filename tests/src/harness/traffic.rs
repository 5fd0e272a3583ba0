//! Traffic under which faults happen, and the ledger that is checked afterwards.
//!
//! Sources repeat what failed under the same idempotency key at another node; targets take and
//! confirm most of what comes. The ledger holds what was acknowledged, and what the targets got.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rand::Rng;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Cluster, Party, answered, cluster::SETTLE_TIME_MAX, digest_of, eventually};
use crate::wire::{Conn, Endpoint, Request};

/// One try; a killed node answers at once, a frozen one never.
const TRY_TIME_MAX: Duration = Duration::from_secs(4);
/// Between tries, so that nodes which elect a leader are not flooded.
const PAUSE: Duration = Duration::from_millis(30);
/// One in so many packets is left for the end, so that purge and delivery are under way in faults.
const LEFT_EVERY: u64 = 4;

/// A packet that was acknowledged to its source.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Its title, which is its own.
    pub title: String,
    /// The packet.
    pub packet: String,
    /// The digest of what was sent.
    pub digest: String,
    /// Which of the targets it is for.
    pub target: usize,
}

/// Sources and targets at work.
#[derive(Debug)]
pub struct Traffic {
    source: Party,
    targets: Vec<Party>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    senders: Vec<JoinHandle<Result<Vec<Sent>>>>,
    receivers: Vec<JoinHandle<Result<HashMap<String, String>>>>,
}

impl Traffic {
    /// Registers the parties and begins, with so many sources.
    pub async fn start(cluster: &Cluster, senders: usize) -> Result<Self> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        // Units of its own, so that a cluster may have traffic more than once.
        let unit = format!("H41.7.{:02}", STARTED.fetch_add(1, Relaxed));
        let source = cluster.party(&unit, &["send"]).await?;
        let mut targets = Vec::new();
        for number in 0..2 {
            targets.push(cluster.party(&format!("{unit}.{number}"), &["receive"]).await?);
        }
        let mut traffic = Self {
            source,
            targets,
            stop: Arc::default(),
            count: Arc::default(),
            senders: Vec::new(),
            receivers: Vec::new(),
        };
        let doors = cluster.endpoints();
        for worker in 0..senders {
            let sender = Sender {
                source: traffic.source.clone(),
                units: traffic.targets.iter().map(|target| target.unit.clone()).collect(),
                doors: doors.clone(),
                stop: traffic.stop.clone(),
                count: traffic.count.clone(),
                worker,
            };
            traffic.senders.push(tokio::spawn(sender.run()));
        }
        for (number, target) in traffic.targets.iter().enumerate() {
            let work = receive(target.clone(), number, doors.clone(), traffic.stop.clone());
            traffic.receivers.push(tokio::spawn(work));
        }
        Ok(traffic)
    }

    /// Waits until so many more packets are acknowledged from now on.
    pub async fn progress(&self, more: u64) -> Result<()> {
        let goal = self.count.load(Relaxed) + more;
        let what = format!("{more} more packets are acknowledged");
        eventually(&what, SETTLE_TIME_MAX, async || {
            let failed = self.senders.iter().any(JoinHandle::is_finished);
            (failed || self.count.load(Relaxed) >= goal).then_some(failed)
        })
        .await
        .and_then(|failed| {
            ensure!(!failed, "a source was refused; the end of the traffic says why");
            Ok(())
        })
    }

    /// Ends the traffic. What was acknowledged, and what the targets got, comes back.
    pub async fn stop(self) -> Result<Ledger> {
        self.stop.store(true, Relaxed);
        let mut ledger = Ledger {
            source: self.source,
            targets: self.targets,
            sent: Vec::new(),
            got: Vec::new(),
        };
        for sender in self.senders {
            ledger.sent.extend(sender.await??);
        }
        for receiver in self.receivers {
            ledger.got.push(receiver.await??);
        }
        Ok(ledger)
    }
}

struct Sender {
    source: Party,
    units: Vec<String>,
    doors: Vec<Arc<Endpoint>>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    worker: usize,
}

impl Sender {
    async fn run(self) -> Result<Vec<Sent>> {
        let mut sent = Vec::new();
        let mut turn = self.worker;
        let mut conn = self.connect(turn);
        for number in 0.. {
            let target = (number % self.units.len() as u64) as usize;
            let title = format!("traffic {target} {}-{number}", self.worker);
            let content = content_of(number);
            loop {
                if self.stop.load(Relaxed) {
                    return Ok(sent);
                }
                let request = Party::submission(
                    &[&self.units[target]],
                    &title,
                    "t.bin",
                    &content,
                    &title.replace(' ', "-"),
                );
                let authority = conn.endpoint().authority.clone();
                match conn.call(&self.source.key.sign(&authority, request)).await {
                    Ok(answer) if answer.is_success() => {
                        let digest = digest_of(&content);
                        sent.push(Sent { title, packet: answer.text("/packet"), digest, target });
                        self.count.fetch_add(1, Relaxed);
                        break;
                    }
                    // 409: the first try is still under way.
                    Ok(answer) if answer.status < 500 && !matches!(answer.status, 409 | 429) => {
                        anyhow::bail!(
                            "a submit was refused: {} {}",
                            answer.status,
                            answer.summary()
                        );
                    }
                    _ => {
                        tokio::time::sleep(PAUSE).await;
                        turn += 1;
                        conn = self.connect(turn);
                    }
                }
            }
        }
        Ok(sent)
    }

    fn connect(&self, turn: usize) -> Conn {
        let mut conn = Conn::new(&self.doors[turn % self.doors.len()]);
        conn.patience = TRY_TIME_MAX;
        conn
    }
}

/// Most are small; some are larger than a page, a few than a TLS record.
fn content_of(number: u64) -> Vec<u8> {
    let size = match number % 16 {
        3 | 9 => 9_000,
        7 => 70_000,
        other => 200 + 100 * other as usize,
    };
    let mut content = vec![0; size];
    rand::rng().fill_bytes(&mut content);
    content
}

/// Takes what waits and confirms most of it, until told to stop. Packet and digest come back.
async fn receive(
    target: Party,
    number: usize,
    doors: Vec<Arc<Endpoint>>,
    stop: Arc<AtomicBool>,
) -> Result<HashMap<String, String>> {
    let mut got = HashMap::new();
    let mut turn = number;
    while !stop.load(Relaxed) {
        turn += 1;
        let door = &doors[turn % doors.len()];
        let work = take_some(&target, number, door, &mut got);
        match tokio::time::timeout(TRY_TIME_MAX, work).await {
            // A node that is down is no failure here; a packet of another's is.
            Ok(Err(error)) if error.is::<Misdelivered>() => return Err(error),
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    Ok(got)
}

/// A packet came to a target that it was not for.
#[derive(Debug)]
struct Misdelivered(String);

impl std::fmt::Display for Misdelivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "delivered to another: {}", self.0)
    }
}

impl std::error::Error for Misdelivered {}

async fn take_some(
    target: &Party,
    number: usize,
    door: &Arc<Endpoint>,
    got: &mut HashMap<String, String>,
) -> Result<()> {
    let mut conn = Conn::new(door);
    let request = Request::get("/v1/inbox?limit=20");
    let inbox = conn.call(&target.key.sign(&door.authority, request)).await?.success()?.json();
    let mut receipts = Vec::new();
    for item in inbox["items"].as_array().context("an inbox has items")? {
        let title = item["title"].as_str().unwrap_or_default();
        if !title.starts_with(&format!("traffic {number} ")) {
            return Err(Misdelivered(title.to_owned()).into());
        }
        let packet = item["packet"].as_str().unwrap_or_default();
        let request = Request::new("POST", format!("/v1/packets/{packet}/accept"))
            .header("accept", "application/octet-stream");
        let answer = conn.call(&target.key.sign(&door.authority, request)).await?.success()?;
        let digest = digest_of(&answer.body);
        got.insert(packet.to_owned(), digest.clone());
        if !(got.len() as u64).is_multiple_of(LEFT_EVERY) {
            receipts.push(json!({ "packet": packet, "digest": digest }));
        }
    }
    if !receipts.is_empty() {
        let request = Request::post("/v1/confirmations", &json!({ "receipts": receipts }));
        conn.call(&target.key.sign(&door.authority, request)).await?.success()?;
    }
    Ok(())
}

/// What was acknowledged and what was received.
#[derive(Debug)]
pub struct Ledger {
    /// The unit that sent.
    pub source: Party,
    /// The units that received.
    pub targets: Vec<Party>,
    /// What was acknowledged.
    pub sent: Vec<Sent>,
    /// By target: packet and digest of what was received.
    pub got: Vec<HashMap<String, String>>,
}

/// What a node knows of a packet.
type Known = BTreeMap<String, (String, String, String, Value)>;

impl Ledger {
    /// Checks that nothing acknowledged is lost, altered, doubled or with another, that all nodes
    /// agree, and that everything can be received, confirmed and forgotten.
    pub async fn check(mut self, cluster: &Cluster) -> Result<()> {
        ensure!(!self.sent.is_empty(), "nothing was acknowledged, so nothing was tested");
        self.held_everywhere(cluster).await.context("after the faults")?;
        self.strangers_get_nothing(cluster).await?;
        for number in 0..self.targets.len() {
            self.receive_rest(cluster, number).await?;
        }
        for sent in &self.sent {
            let digest = self.got[sent.target].get(&sent.packet);
            ensure!(
                digest == Some(&sent.digest),
                "{} ({}) was received as {digest:?}",
                sent.title,
                sent.packet
            );
        }
        let known = self.held_everywhere(cluster).await.context("after everything was received")?;
        for (packet, (title, _, state, _)) in &known {
            ensure!(state == "completed", "{packet} ({title}) is {state} and not completed");
        }
        forgotten(cluster).await
    }

    /// How many acknowledged packets a node does not know, at the node that knows the fewest. A node
    /// that does not answer is passed over; that none answers is an error.
    pub async fn missing(&self, cluster: &Cluster) -> Result<usize> {
        let mut most = None;
        for index in 0..cluster.nodes.len() {
            let list = Request::get("/v1/packets?limit=1");
            let missing = match cluster.call(index, &self.source.key, list).await {
                // The very key of the source is gone, and with it all that it signed.
                Ok(answer) if answer.status == 401 => self.sent.len(),
                Ok(answer) if answer.is_success() => {
                    let Ok(known) = self.known_at(cluster, index).await else { continue };
                    self.sent.iter().filter(|sent| !known.contains_key(&sent.packet)).count()
                }
                _ => continue,
            };
            most = most.max(Some(missing));
        }
        most.context("no node tells which packets it knows")
    }

    /// Waits until all nodes tell the same; then every acknowledged packet must be there, once.
    async fn held_everywhere(&self, cluster: &Cluster) -> Result<Known> {
        let known =
            eventually("all nodes tell the same of all packets", SETTLE_TIME_MAX, async || {
                let first = self.known_at(cluster, 0).await.ok()?;
                for index in 1..cluster.nodes.len() {
                    if self.known_at(cluster, index).await.ok()? != first {
                        return None;
                    }
                }
                Some(first)
            })
            .await?;
        let mut titles: HashMap<&str, &str> = HashMap::new();
        for (packet, (title, ..)) in &known {
            let other = titles.insert(title, packet);
            ensure!(other.is_none(), "{title} is there twice: {packet} and {other:?}");
        }
        for sent in &self.sent {
            let (title, digest, ..) = known
                .get(&sent.packet)
                .with_context(|| format!("lost: {} ({})", sent.title, sent.packet))?;
            ensure!(*title == sent.title && *digest == sent.digest, "{} was altered", sent.title);
        }
        Ok(known)
    }

    async fn known_at(&self, cluster: &Cluster, index: usize) -> Result<Known> {
        let items = self.source.list(&cluster.endpoint(index), "/v1/packets").await?;
        let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let ours = items.iter().filter(|item| text(item, "title").starts_with("traffic "));
        Ok(ours
            .map(|item| {
                let known = (
                    text(item, "title"),
                    text(item, "digest"),
                    text(item, "state"),
                    item["deliveries"].clone(),
                );
                (text(item, "packet"), known)
            })
            .collect())
    }

    /// A target gets nothing of a packet that is for another.
    async fn strangers_get_nothing(&self, cluster: &Cluster) -> Result<()> {
        for sent in self.sent.iter().rev().take(3) {
            let other = &self.targets[(sent.target + 1) % self.targets.len()];
            for index in 0..cluster.nodes.len() {
                let at = cluster.endpoint(index);
                let answer = answered("a stranger's accept", SETTLE_TIME_MAX, async || {
                    other.accept_whole(&at, &sent.packet).await
                })
                .await?;
                ensure!(
                    (400..500).contains(&answer.status),
                    "a stranger's accept is answered with {}",
                    answer.status
                );
            }
        }
        Ok(())
    }

    /// Takes and confirms everything that still waits for a target.
    async fn receive_rest(&mut self, cluster: &Cluster, number: usize) -> Result<()> {
        let (target, door) =
            (self.targets[number].clone(), cluster.endpoint(number % cluster.nodes.len()));
        let waiting = target.list(&door, "/v1/inbox").await?;
        for item in waiting {
            let title = item["title"].as_str().unwrap_or_default();
            ensure!(
                title.starts_with(&format!("traffic {number} ")),
                "delivered to another: {title}"
            );
            let packet = item["packet"].as_str().unwrap_or_default().to_owned();
            let digest = digest_of(&target.receive(&door, &packet).await?);
            self.got[number].insert(packet, digest);
        }
        Ok(())
    }
}

/// Waits until no node owes a purge.
async fn forgotten(cluster: &Cluster) -> Result<()> {
    eventually("no node owes a purge", SETTLE_TIME_MAX, async || {
        let status = cluster.status(0).await?;
        let owed =
            status["nodes"].as_array()?.iter().map(|node| node["purge_debt"].as_u64().unwrap_or(0));
        (owed.sum::<u64>() == 0).then_some(())
    })
    .await
}
