//! Bad networks: cuts, loss, narrow lines, in network namespaces that the scenes make themselves.
//!
//! Needs root, `ip`, `nft` and `tc`; see `harness/network.rs`. Times and rates are asserted as they are
//! promised, of the middle one of several cuts or windows; rates are compared within one run. What was
//! acknowledged meanwhile is read back in the end.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lgsp_tests::{
    harness::{Cluster, Layout, Network, Party, Program, digest_of, eventually},
    wire::{Answer, Conn, Endpoint, Request},
};
use parking_lot::Mutex;
use rand::Rng;
use tokio::task::JoinHandle;

/// Nodes of every scene.
const NODES: usize = 3;
/// How long a client of these scenes waits for one answer: longer than any node may hold it.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two tries of a client that was refused.
const PAUSE: Duration = Duration::from_millis(20);
/// Within what a cut must be over for clients, both at the majority and at who is cut off, in the middle one of
/// the cuts of a kind. A second is promised, and in virtual time (`cuts.rs` of consensus) every node is held to
/// it; here three nodes, their clients and whatever else is built share two processors.
const CUT_TIME_MAX: Duration = Duration::from_millis(1300);
/// The same for the worst of them: in one of a dozen the first election fails, for two stand at once.
const CUT_TIME_WORST: Duration = Duration::from_secs(2);
/// Cuts of each kind.
const ROUNDS: usize = 3;
/// Of the time beside a narrow line while it carries a content: how long the node behind it may refuse reads.
const STALE_TIME_MAX: f64 = 0.05;
/// What is left of the rate with 5 % loss.
const LOSS_RATE_MIN: f64 = 0.6;

fn run(network: Network, scene: impl AsyncFnOnce(&Network, &mut Cluster) -> Result<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let program = Program::at(env!("CARGO_BIN_EXE_node"));
        let (layout, places) = (Layout::Temporary, network.places());
        let cluster = Cluster::start_at(&program, NODES, layout, places, |_| Ok(())).await;
        let mut cluster = cluster.expect("a cluster");
        let ended = scene(&network, &mut cluster).await;
        ended.unwrap_or_else(|error| panic!("{error:#}"));
    });
}

#[test]
fn a_cut_is_over_within_a_second() {
    Network::run("a_cut_is_over_within_a_second", NODES, |network| run(network, cuts));
}

#[test]
fn loss_leaves_most_of_the_rate() {
    Network::run("loss_leaves_most_of_the_rate", NODES, |network| run(network, loss));
}

#[test]
fn a_narrow_line_holds_up_nobody_else() {
    Network::run("a_narrow_line_holds_up_nobody_else", NODES, |network| run(network, narrow));
}

/// One answered request.
#[derive(Debug, Clone)]
struct Seen {
    node: usize,
    begun: Instant,
    ended: Instant,
    taken: bool,
    what: String,
    title: String,
    /// The packet that was acknowledged.
    packet: Option<String>,
}

/// Clients that submit small packets, each to its own node, one after the other.
struct Clients {
    source: Party,
    target: Party,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    async fn start(cluster: &Cluster, each: usize) -> Result<Self> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let unit = format!("H41.8.{:02}", STARTED.fetch_add(1, Relaxed));
        let source = cluster.party(&unit, &["send"]).await?;
        let target = cluster.party(&format!("{unit}.1"), &["receive"]).await?;
        let (seen, stop, tasks) = (Arc::default(), Arc::default(), Vec::new());
        let mut clients = Self { source, target, seen, stop, tasks };
        for worker in 0..NODES * each {
            let (node, endpoint) = (worker % NODES, cluster.endpoint(worker % NODES));
            let (seen, stop) = (clients.seen.clone(), clients.stop.clone());
            let (source, unit) = (clients.source.clone(), clients.target.unit.clone());
            clients.tasks.push(tokio::spawn(async move {
                submit(node, worker, &endpoint, (&source, &unit), &seen, &stop).await;
            }));
        }
        Ok(clients)
    }

    fn look<T>(&self, look: impl FnOnce(&[Seen]) -> T) -> T {
        look(&self.seen.lock())
    }

    /// Waits until every client has so many answers of success to requests begun from now on.
    async fn well(&self, more: usize) -> Result<()> {
        let from = Instant::now();
        eventually("every node takes packets", Duration::from_secs(60), async || {
            let enough = |node| {
                let taken = |seen: &&Seen| seen.node == node && seen.begun >= from && seen.taken;
                self.look(|all| all.iter().filter(taken).count()) >= more
            };
            (0..NODES).all(enough).then_some(())
        })
        .await
    }

    /// Stops, and reads back what was acknowledged: at every node, by the source and by the target, each
    /// packet is there once, and nothing is there twice.
    async fn end(self, cluster: &Cluster) -> Result<()> {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await?;
        }
        cluster.whole().await?;
        let seen = std::mem::take(&mut *self.seen.lock());
        let acknowledged: Vec<_> =
            seen.iter().filter_map(|seen| Some((seen.packet.as_ref()?, &seen.title))).collect();
        ensure!(!acknowledged.is_empty(), "nothing was acknowledged, so nothing was tested");
        for endpoint in cluster.endpoints() {
            for (who, list) in [(&self.source, "/v1/packets"), (&self.target, "/v1/inbox")] {
                let mut known = HashMap::new();
                let mut titles = HashSet::new();
                for packet in who.list(&endpoint, list).await? {
                    let text = |name: &str| packet[name].as_str().unwrap_or_default().to_owned();
                    ensure!(titles.insert(text("title")), "{} is there twice", text("title"));
                    known.insert(text("packet"), text("title"));
                }
                for (packet, title) in &acknowledged {
                    let found = known.get(*packet);
                    ensure!(found == Some(*title), "{title} ({packet}) is {found:?} in {list}");
                }
            }
        }
        println!("{} packets were acknowledged, and each is there once", acknowledged.len());
        Ok(())
    }
}

async fn submit(
    node: usize,
    worker: usize,
    endpoint: &Arc<Endpoint>,
    (source, unit): (&Party, &str),
    seen: &Mutex<Vec<Seen>>,
    stop: &AtomicBool,
) {
    let mut conn = Conn::new(endpoint);
    conn.patience = PATIENCE;
    for number in 0.. {
        if stop.load(Relaxed) {
            return;
        }
        let title = format!("network {worker}-{number}");
        let request = Party::submission(&[unit], &title, "n.bin", title.as_bytes(), "");
        let begun = Instant::now();
        let answer = conn.call(&source.key.sign(&endpoint.authority, request)).await;
        let (taken, what) = match &answer {
            Ok(answer) => (answer.is_success(), format!("{} {}", answer.status, answer.word())),
            Err(error) => (false, format!("{error:#}")),
        };
        let packet = answer.ok().filter(Answer::is_success).map(|answer| answer.text("/packet"));
        let ended = Instant::now();
        seen.lock().push(Seen { node, begun, ended, taken, what, title, packet });
        if !taken {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What is cut: the name, the ways by place (leader, one follower, the other), and who is cut off.
struct Cut {
    name: &'static str,
    ways: &'static [(Who, Who)],
    off: &'static [Who],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Leader,
    One,
    Other,
}

use Who::{Leader, One, Other};

const CUTS: &[Cut] = &[
    Cut {
        name: "the leader is gone",
        ways: &[(Leader, One), (Leader, Other), (One, Leader), (Other, Leader)],
        off: &[Leader],
    },
    Cut { name: "the leader is deaf", ways: &[(One, Leader), (Other, Leader)], off: &[Leader] },
    Cut { name: "the leader is mute", ways: &[(Leader, One), (Leader, Other)], off: &[Leader] },
    Cut {
        name: "the leader hears one and is heard by the other",
        ways: &[(Leader, One), (Other, Leader)],
        off: &[Leader],
    },
    Cut { name: "a follower does not hear the leader", ways: &[(Leader, One)], off: &[One] },
    Cut { name: "a follower is not heard by the leader", ways: &[(One, Leader)], off: &[One] },
    Cut {
        name: "a follower is gone",
        ways: &[(One, Leader), (One, Other), (Leader, One), (Other, One)],
        off: &[One],
    },
    Cut { name: "the followers are apart", ways: &[(One, Other), (Other, One)], off: &[] },
];

async fn cuts(network: &Network, cluster: &mut Cluster) -> Result<()> {
    let clients = Clients::start(cluster, 2).await?;
    for cut in CUTS {
        let (mut served, mut held) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let one = one_cut(network, cluster, &clients, cut).await.context(cut.name)?;
            served.push(one.0);
            held.push(one.1);
            network.heal()?;
            cluster.whole().await.with_context(|| format!("after {}", cut.name))?;
            clients.well(2).await.with_context(|| format!("after {}", cut.name))?;
        }
        println!("{}: served again {served:?}, waited at who is cut off {held:?}", cut.name);
        served.sort_unstable();
        held.sort_unstable();
        for (what, times) in [("served again after", served), ("requests were held", held)] {
            let (middle, worst) = (times[ROUNDS / 2], times[ROUNDS - 1]);
            let is_kept = middle <= CUT_TIME_MAX && worst <= CUT_TIME_WORST;
            ensure!(is_kept, "{}: {what} {times:?}", cut.name);
        }
    }
    clients.end(cluster).await
}

/// Cuts, and tells after what time the others serve, and how long who is cut off has held requests.
async fn one_cut(
    network: &Network,
    cluster: &Cluster,
    clients: &Clients,
    cut: &Cut,
) -> Result<(Duration, Duration)> {
    let leader = cluster.leader().await?;
    let node = |who| match who {
        Leader => leader,
        One => (leader + 1) % NODES,
        Other => (leader + 2) % NODES,
    };
    clients.well(5).await?;
    // Places on the network count from one.
    let ways: Vec<_> = cut.ways.iter().map(|(a, b)| (node(*a) + 1, node(*b) + 1)).collect();
    let off: Vec<_> = cut.off.iter().map(|who| node(*who)).collect();
    network.cut(&ways)?;
    let at = Instant::now();
    let taken = |seen: &&Seen| seen.begun >= at && seen.taken && !off.contains(&seen.node);
    let served = eventually("the majority serves", PATIENCE, async || {
        clients.look(|all| all.iter().filter(taken).map(|seen| seen.ended - at).min())
    })
    .await;
    let served = served.with_context(|| recent(clients, at))?;
    // What waited at the cut, and what came after it, as long as it is refused.
    let answered = |node| {
        clients.look(|all| {
            let late = |seen: &&Seen| seen.node == node && seen.begun >= at + served;
            all.iter().filter(late).count() >= 4
        })
    };
    eventually("who is cut off answers", PATIENCE, async || {
        off.iter().all(|node| answered(*node)).then_some(())
    })
    .await?;
    let held = clients.look(|all| {
        let at_off = all.iter().filter(|seen| off.contains(&seen.node) && seen.ended > at);
        at_off.map(|seen| seen.ended - seen.begun.max(at)).max().unwrap_or_default()
    });
    if served > CUT_TIME_MAX || held > CUT_TIME_MAX {
        println!("{}", recent(clients, at));
    }
    Ok((served, held))
}

/// What clients saw since a moment, for people.
fn recent(clients: &Clients, at: Instant) -> String {
    let line = |seen: &Seen| {
        let (begun, ended) = (seen.begun.saturating_duration_since(at), seen.ended - at);
        format!("  node {}: {begun:.0?} to {ended:.0?}: {}", seen.node + 1, seen.what)
    };
    let lines: Vec<_> = clients.look(|all| {
        let since = all.iter().filter(|seen| seen.ended > at && !seen.taken);
        since.take(30).map(line).collect()
    });
    format!("not taken since:\n{}", lines.join("\n"))
}

/// Windows of a measurement, each without and with loss.
const WINDOWS: usize = 5;
const WINDOW: Duration = Duration::from_secs(2);

async fn loss(network: &Network, cluster: &mut Cluster) -> Result<()> {
    // A few, so that they wait for the network and not for the processor.
    let clients = Clients::start(cluster, 1).await?;
    clients.well(20).await?;
    let mut rates = [(); 3].map(|()| Vec::new());
    for _ in 0..WINDOWS {
        for (rates, of_thousand) in rates.iter_mut().zip([0, 50, 100]) {
            network.lose(of_thousand)?;
            let from = Instant::now();
            let window = || from.elapsed() >= WINDOW;
            eventually("a window ends", WINDOW * 2, async || window().then_some(())).await?;
            let (until, counts) = (Instant::now(), |seen: &&Seen| seen.taken && seen.ended >= from);
            let count = clients.look(|all| all.iter().filter(counts).count());
            rates.push(count as f64 / (until - from).as_secs_f64());
        }
    }
    network.lose(0)?;
    let [whole, five, ten] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[WINDOWS / 2]
    });
    println!(
        "small submits a second: {whole:.0}; with 5 % loss {five:.0} ({:.2}); with 10 % {ten:.0} ({:.2})",
        five / whole,
        ten / whole
    );
    ensure!(
        five / whole >= LOSS_RATE_MIN,
        "5 % loss leaves {five:.0} of {whole:.0} submits a second"
    );
    clients.end(cluster).await
}

/// An upload that takes 25 s on the narrow line, and a second or two without it.
const UPLOAD: usize = 24 << 20;
const NARROW: &str = "8mbit";
/// Until the node on the narrow line holds what was fed to it behind the upload.
const FED_TIME_MAX: Duration = Duration::from_secs(90);

async fn narrow(network: &Network, cluster: &mut Cluster) -> Result<()> {
    let clients = Clients::start(cluster, 1).await?;
    let source = cluster.party("H41.9", &["send"]).await?;
    let target = cluster.party("H41.9.1", &["receive"]).await?;
    clients.well(5).await?;
    let entry = cluster.leader().await?;
    let slow = (entry + 1) % NODES;
    let wide = upload(cluster, entry, &source, &target).await.context("on a wide line")?;

    network.narrow(slow + 1, NARROW)?;
    clients.well(5).await?;
    let (stop, endpoint) = (Arc::new(AtomicBool::new(false)), cluster.endpoint(slow));
    let watch = tokio::spawn(watch_freshness(source.clone(), endpoint, stop.clone()));
    let from = Instant::now();
    let one_narrow =
        upload(cluster, entry, &source, &target).await.context("beside one narrow line")?;
    let until = Instant::now();
    let spaces = cluster.nodes[slow].data.join("content").join("spaces");
    eventually("the slow holder is fed", FED_TIME_MAX, async || {
        let files = std::fs::read_dir(&spaces).ok()?.flatten();
        let whole =
            files.filter(|file| file.metadata().is_ok_and(|file| file.len() > UPLOAD as u64));
        (whole.count() == 2).then_some(())
    })
    .await?;
    let fed = from.elapsed();
    stop.store(true, Relaxed);
    let watched = watch.await?;
    let during =
        |seen: &&Seen| seen.node == slow && seen.begun >= from && seen.ended <= until + fed;
    let (taken, refused) = clients.look(|all| {
        let all: Vec<_> = all.iter().filter(during).collect();
        let taken = all.iter().filter(|seen| seen.taken).count();
        (taken, all.len() - taken)
    });
    println!(
        "{} MiB: {wide:.1?} on wide lines, {one_narrow:.1?} beside one of {NARROW} (fed after {fed:.1?}); \
         there {watched:.1?}; {taken} submits taken, {refused} not",
        UPLOAD >> 20
    );
    // The slowest of three would take 25 s more than the machine itself does.
    let most = wide.mul_f64(1.5) + Duration::from_secs(6);
    ensure!(
        one_narrow <= most,
        "an upload took {one_narrow:?} beside a narrow line, {wide:?} without"
    );
    // Not a share of the reads: who is refused asks again at once, who is answered has waited.
    ensure!(
        watched.stale.as_secs_f64() <= STALE_TIME_MAX * watched.time.as_secs_f64(),
        "too long refused at the node on the narrow line: {watched:?}"
    );
    clients.end(cluster).await
}

/// Sends a large content in one request; tells how long it took to its commit.
async fn upload(
    cluster: &Cluster,
    entry: usize,
    source: &Party,
    target: &Party,
) -> Result<Duration> {
    let at = cluster.endpoint(entry);
    let mut content = vec![0; UPLOAD];
    rand::rng().fill_bytes(&mut content);
    let digest = digest_of(&content);
    let size = Some(UPLOAD as u64);
    let (packet, space, token) = source.open(&at, &[&target.unit], "large", size).await?;
    let mut conn = Conn::new(&at);
    conn.patience = Duration::from_secs(120);
    let begun = Instant::now();
    let patch = Party::patch(&space, &token, 0, content.into());
    conn.call(&patch).await.context("the upload")?.success()?;
    source.commit(&at, &packet, UPLOAD as u64, &digest).await.context("the commit")?.success()?;
    Ok(begun.elapsed())
}

/// What somebody saw who read at a node again and again.
#[derive(Debug, Default)]
struct Watched {
    reads: u64,
    refused: u64,
    /// From the first read on.
    time: Duration,
    /// How long reads were refused, of that time.
    stale: Duration,
    longest: Duration,
}

async fn watch_freshness(who: Party, at: Arc<Endpoint>, stop: Arc<AtomicBool>) -> Watched {
    let mut watched = Watched::default();
    let mut conn = Conn::new(&at);
    while !stop.load(Relaxed) {
        let begun = Instant::now();
        let read = who.key.sign(&at.authority, Request::get("/v1/packets?limit=1"));
        let fresh = conn.call(&read).await.is_ok_and(|answer| answer.is_success());
        watched.longest = watched.longest.max(begun.elapsed());
        tokio::time::sleep(PAUSE).await;
        watched.reads += 1;
        watched.time += begun.elapsed();
        if !fresh {
            watched.refused += 1;
            watched.stale += begun.elapsed();
        }
    }
    watched
}
