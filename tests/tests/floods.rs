//! Floods: strangers hold and begin connections by the thousand, an application takes what it can, the
//! system runs out of descriptors. Whoever has a key is served, and no process ends.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lgsp_tests::{
    harness::{Cluster, Party, Program, answered, eventually},
    wire::{Conn, Endpoint, Request},
};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    task::JoinSet,
};

/// Strangers at each node.
const STRANGERS: usize = 3000;
/// Addresses of loopback that they come from; the first is also the callers'.
const ADDRESSES: usize = 12;
/// Callers with a key, each with one packet under way.
const CALLERS: usize = 6;
/// How long a rate is measured.
const MEASURED: Duration = Duration::from_secs(2);
/// How long a caller waits before it tries again.
const CALLER_PAUSE: Duration = Duration::from_millis(50);
/// What a stranger does between two tries: the flood is of connections, not of the client's processor.
const STRANGER_PAUSE: Duration = Duration::from_secs(2);
/// Rounds of windows: alone, beside strangers who hold their places, while bare ones come.
const ROUNDS: usize = 5;
/// Connections of strangers that a node lets in by default.
const STRANGERS_MAX: u64 = 1024;
/// Fewer connections than that are no strangers' any more.
const STRANGERS_GONE: u64 = 32;
/// What is promised to callers of their rate beside strangers.
const RATE_MIN: f64 = 0.5;

/// This process needs a descriptor a stranger.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn cluster_program(wrapper: &[&str]) -> Program {
    Program::at(env!("CARGO_BIN_EXE_node")).under(wrapper)
}

/// What strangers do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tide {
    /// They are away.
    Out,
    /// All of them come, and come again where they were refused or closed.
    Flood,
    /// Whoever has a place keeps it as long as it may, and nobody comes.
    Held,
    /// Those who do not speak TLS come, and come again.
    Bare,
}

impl Tide {
    /// Whether strangers of a kind come now.
    fn brings(self, kind: Kind) -> bool {
        self == Self::Flood || self == Self::Bare && kind.is_bare()
    }
}

/// What a stranger does with its connection, once it has one.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Nothing at all.
    Silent,
    /// The head of a TLS record that announces a handshake, then its octets one by one.
    HalfHandshake,
    /// Nothing after the handshake.
    Idle { is_h2: bool },
    /// Nothing after an answer.
    Answered { is_h2: bool },
    /// A head that never ends.
    SlowHead,
    /// A body that never ends, of who wants to join, or of an upload.
    SlowBody { of_upload: bool },
}

const KINDS: [Kind; 9] = [
    Kind::Silent,
    Kind::HalfHandshake,
    Kind::Idle { is_h2: false },
    Kind::Idle { is_h2: true },
    Kind::Answered { is_h2: false },
    Kind::Answered { is_h2: true },
    Kind::SlowHead,
    Kind::SlowBody { of_upload: false },
    Kind::SlowBody { of_upload: true },
];

impl Kind {
    /// Whether it never speaks TLS.
    const fn is_bare(self) -> bool {
        matches!(self, Self::Silent | Self::HalfHandshake)
    }

    /// Whether it sends an octet now and then.
    const fn is_slow(self) -> bool {
        matches!(self, Self::HalfHandshake | Self::SlowHead | Self::SlowBody { .. })
    }

    /// What it says before it falls silent, or slow.
    fn opening(self, authority: &str) -> Vec<u8> {
        match self {
            Self::Silent | Self::Idle { is_h2: false } => Vec::new(),
            Self::HalfHandshake => vec![0x16, 3, 1, 2, 0],
            Self::Idle { is_h2: true } => H2_PREFACE.to_vec(),
            Self::Answered { is_h2: false } => {
                format!("GET /livez HTTP/1.1\r\nhost: {authority}\r\n\r\n").into()
            }
            Self::Answered { is_h2: true } => [H2_PREFACE, &h2_get(authority)].concat(),
            Self::SlowHead => {
                format!("GET /livez HTTP/1.1\r\nhost: {authority}\r\nx-slow: ").into()
            }
            Self::SlowBody { of_upload: false } => format!(
                "POST /v1/cluster/join HTTP/1.1\r\nhost: {authority}\r\ncontent-length: 60000\r\n\
                 content-type: application/json\r\n\r\n{{"
            )
            .into(),
            Self::SlowBody { of_upload: true } => format!(
                "PATCH /v1/spaces/sp_01KM3Z8Q9TF1S8E4D2C7B6A5GH/content HTTP/1.1\r\n\
                 host: {authority}\r\ncontent-length: 60000\r\ntus-resumable: 1.0.0\r\n\
                 content-type: application/offset+octet-stream\r\nupload-offset: 0\r\n\
                 authorization: Bearer st_any\r\n\r\nx"
            )
            .into(),
        }
    }
}

/// What a client of HTTP/2 says first: its preface and settings as they are by default.
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// `GET /livez` as one frame of HTTP/2: method, scheme, path, authority (RFC 7541, appendix A).
fn h2_get(authority: &str) -> Vec<u8> {
    let mut block = b"\x82\x87\x04\x06/livez\x01".to_vec();
    block.push(u8::try_from(authority.len()).expect("an address is short"));
    block.extend_from_slice(authority.as_bytes());
    let size = u8::try_from(block.len()).expect("so is the block");
    [&[0, 0, size, 1, 5, 0, 0, 0, 1], &block[..]].concat()
}

/// How many strangers are at what.
#[derive(Debug, Default)]
struct Counts {
    /// They are about to have a connection.
    coming: AtomicU64,
    /// They hold one.
    open: AtomicU64,
}

/// Strangers at work at every node.
struct Strangers {
    tide: watch::Sender<Tide>,
    counts: Arc<Counts>,
    tasks: JoinSet<()>,
}

impl Strangers {
    /// So many at each node, who are away.
    fn of(cluster: &Cluster, each: usize) -> Self {
        let (tide, counts) = (watch::Sender::new(Tide::Out), Arc::<Counts>::default());
        let mut tasks = JoinSet::new();
        for endpoint in cluster.endpoints() {
            for number in 0..each {
                tasks.spawn(stranger(endpoint.clone(), number, tide.subscribe(), counts.clone()));
            }
        }
        Self { tide, counts, tasks }
    }

    fn turn(&self, tide: Tide) {
        self.tide.send_replace(tide);
    }

    async fn end(mut self) {
        self.tasks.shutdown().await;
    }
}

/// One that has no key: it comes from its address, does what its kind does, and comes again when it was closed
/// or refused.
async fn stranger(
    at: Arc<Endpoint>,
    number: usize,
    mut tide: watch::Receiver<Tide>,
    counts: Arc<Counts>,
) {
    let from = IpAddr::from([127, 0, 0, (number % ADDRESSES) as u8 + 1]);
    let kind = KINDS[number / ADDRESSES % KINDS.len()];
    // They come within some seconds: what is shown is a flood that lasts, not its first moment.
    let mut pause = STRANGER_PAUSE * 2 * (number % 100) as u32 / 100;
    while tide.wait_for(|tide| tide.brings(kind)).await.is_ok() {
        // The pace of the flood; nothing is waited for.
        tokio::time::sleep(pause).await;
        pause = STRANGER_PAUSE;
        if !tide.borrow().brings(kind) {
            continue;
        }
        tokio::select! {
            _ = tide.wait_for(|tide| *tide == Tide::Out) => {}
            // Closed or refused: it comes again.
            _ = visit(&at, kind, from, &counts) => {}
        }
    }
}

/// Counts until it is dropped.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

async fn visit(at: &Endpoint, kind: Kind, from: IpAddr, counts: &Counts) -> io::Result<()> {
    let coming = Counted::new(&counts.coming);
    let tcp = at.dial(from).await?;
    let opening = kind.opening(&at.authority);
    let is_h2 = match kind {
        Kind::Silent | Kind::HalfHandshake => {
            drop(coming);
            let _open = Counted::new(&counts.open);
            return hold(tcp, &opening, kind.is_slow()).await;
        }
        Kind::Idle { is_h2 } | Kind::Answered { is_h2 } => is_h2,
        Kind::SlowHead | Kind::SlowBody { .. } => false,
    };
    let tls = at.shake(tcp, is_h2).await?;
    drop(coming);
    let _open = Counted::new(&counts.open);
    hold(tls, &opening, kind.is_slow()).await
}

/// Holds a connection until it is closed: silently, or with an octet now and then.
async fn hold(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    opening: &[u8],
    is_slow: bool,
) -> io::Result<()> {
    stream.write_all(opening).await?;
    stream.flush().await?;
    let mut octets = [0; 4096];
    loop {
        match tokio::time::timeout(STRANGER_PAUSE, stream.read(&mut octets)).await {
            Ok(Ok(0)) => return Ok(()),
            Ok(read) => drop(read?),
            Err(_) if is_slow => {
                stream.write_all(b" ").await?;
                stream.flush().await?;
            }
            Err(_) => {}
        }
    }
}

/// How many packets a second callers send together, each on its own connection.
async fn rate(cluster: &Arc<Cluster>, source: &Party, target: &Party) -> Result<f64> {
    let ends_at = Instant::now() + MEASURED;
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let (endpoint, source, target) =
            (cluster.endpoint(number % 3), source.clone(), target.unit.clone());
        callers.spawn(async move {
            let (mut conn, mut sent) = (Conn::new(&endpoint), 0u64);
            while Instant::now() < ends_at {
                let request =
                    Party::submission(&[&target], "giữa cơn lũ", "l.bin", b"noi dung", "");
                let answer = conn.call(&source.key.sign(&endpoint.authority, request)).await;
                match answer.and_then(lgsp_tests::wire::Answer::success) {
                    Ok(_) => sent += 1,
                    // A newcomer may be closed while others are as young, and a loaded node may miss an
                    // election: a client tries again. What counts is what it gets done.
                    Err(error) => {
                        println!("a caller tries again: {error:#}");
                        tokio::time::sleep(CALLER_PAUSE).await;
                    }
                }
            }
            sent
        });
    }
    let mut sent = 0;
    while let Some(one) = callers.join_next().await {
        sent += one?;
    }
    Ok(sent as f64 / MEASURED.as_secs_f64())
}

/// A new connection of a caller: it comes in, at the latest as soon as a stranger has had its time.
async fn caller(cluster: &Cluster, node: usize, source: &Party) -> Result<Conn> {
    let endpoint = cluster.endpoint(node);
    eventually("a caller comes in", Duration::from_secs(30), async || {
        let mut conn = Conn::new(&endpoint);
        let units = source.key.sign(&endpoint.authority, Request::get("/v1/units?q=x"));
        conn.call(&units).await.ok().filter(|answer| answer.is_success())?;
        Some(conn)
    })
    .await
}

/// A number of `/metrics`, asked over a connection of a caller: a stranger's may be refused.
async fn metric(cluster: &Cluster, node: usize, source: &Party, name: &str) -> Result<u64> {
    let mut conn = caller(cluster, node, source).await?;
    let answer = conn.call(&Request::get("/metrics")).await?.success()?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|count| count.trim().parse().ok()).with_context(|| format!("{name} in:\n{text}"))
}

fn all_run(cluster: &mut Cluster) {
    for node in &mut cluster.nodes {
        assert!(node.is_running(), "{} has ended:\n{}", node.name, node.log_tail());
        let log = node.said_since(0);
        for word in ["has failed", "panicked", "has stopped"] {
            assert!(!log.contains(word), "{} says {word:?}:\n{}", node.name, node.log_tail());
        }
    }
}

/// What is left of the rate, by the middle one of all rounds: the windows of one round follow each other
/// closely, and whatever else works on the machine is in both or spoils one round.
fn left(of: &[f64], alone: &[f64]) -> f64 {
    let mut left: Vec<_> = of.iter().zip(alone).map(|(of, alone)| of / alone).collect();
    left.sort_by(f64::total_cmp);
    left[left.len() / 2]
}

/// Callers keep half of their rate beside strangers of every kind who hold all the places that strangers may
/// have, and while those who speak no TLS come again and again.
///
/// What is promised is room. While all strangers come and come again, both halves of their handshakes, with
/// programs built for tests, take the two processors that callers and nodes have too, and a rate says nothing of
/// the node: it is measured once those who come have come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_strangers_a_node_starve_nobody() {
    raise_descriptors();
    let cluster = Cluster::start(&cluster_program(&[]), 3).await.expect("a cluster");
    let source = cluster.party("H41.60", &["send"]).await.expect("a party");
    let target = cluster.party("H41.61", &["receive"]).await.expect("a party");
    let cluster = Arc::new(cluster);
    let strangers = Strangers::of(&cluster, STRANGERS);
    let [mut alone, mut held, mut bare] = [(); 3].map(|()| Vec::new());
    for _ in 0..ROUNDS {
        let rate = async || rate(&cluster, &source, &target).await.expect("they are served");
        strangers.turn(Tide::Out);
        everywhere(&cluster, &source, |open| open < STRANGERS_GONE).await;
        alone.push(rate().await);
        strangers.turn(Tide::Flood);
        everywhere(&cluster, &source, |open| open >= STRANGERS_MAX).await;
        strangers.turn(Tide::Held);
        let counts = &strangers.counts;
        eventually("those who come have come", Duration::from_secs(30), async || {
            (counts.coming.load(Relaxed) == 0).then_some(())
        })
        .await
        .expect("each is let in or closed");
        let from = counts.open.load(Relaxed);
        held.push(rate().await);
        let until = counts.open.load(Relaxed);
        println!("strangers hold {from} connections, and {until} at the end of the window");
        assert!(until > STRANGERS_MAX * 3 / 2, "half of the places at the least are held");
        strangers.turn(Tide::Bare);
        bare.push(rate().await);
    }
    let (beside, coming) = (left(&held, &alone), left(&bare, &alone));
    println!(
        "packets a second: alone {alone:?}, beside strangers {held:?} ({beside:.2}), \
         while bare ones come {bare:?} ({coming:.2})"
    );
    let full = "lgsp_limit_reached_total{limit=\"connections_of_strangers\"}";
    for node in 0..3 {
        let reached = metric(&cluster, node, &source, full).await.expect("it answers");
        assert!(reached > 0, "strangers at node {node} have had all that they may");
        let connections = metric(&cluster, node, &source, "lgsp_http_connections ").await;
        assert!(connections.expect("it answers") <= 2048);
    }
    assert!(beside >= RATE_MIN, "{held:?} is too little of {alone:?}");
    assert!(coming >= RATE_MIN, "{bare:?} is too little of {alone:?}");
    strangers.end().await;
    let mut cluster = Arc::into_inner(cluster).expect("nobody calls any more");
    cluster.whole().await.expect("all is well");
    all_run(&mut cluster);
}

/// Waits until the count of connections is so at every node.
async fn everywhere(cluster: &Cluster, source: &Party, is_so: impl Fn(u64) -> bool) {
    for node in 0..3 {
        eventually("strangers come and go", Duration::from_secs(90), async || {
            let open = metric(cluster, node, source, "lgsp_http_connections ").await.ok()?;
            is_so(open).then_some(())
        })
        .await
        .expect("the tide turns");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_descriptors_are_storages_first_and_a_want_is_no_failed_disk() {
    raise_descriptors();
    let few = ["/bin/sh", "-c", "ulimit -n 256; exec \"$0\" \"$@\""];
    let cluster = Cluster::start(&cluster_program(&few), 3).await.expect("a cluster");
    let source = cluster.party("H41.62", &["send"]).await.expect("a party");
    let target = cluster.party("H41.63", &["receive"]).await.expect("a party");
    for node in &cluster.nodes {
        assert!(node.said_since(0).contains("too few file descriptors"), "it says so at its start");
    }
    let status = cluster.status(0).await.expect("it answers");
    assert!(status["warnings"].to_string().contains("connections_few"), "and to whoever asks");
    let cluster = Arc::new(cluster);
    let strangers = Strangers::of(&cluster, 400);
    strangers.turn(Tide::Flood);
    eventually("strangers hold what they may", Duration::from_secs(60), async || {
        (strangers.counts.open.load(Relaxed) > 60).then_some(())
    })
    .await
    .expect("the flood has begun");
    let beside = rate(&cluster, &source, &target).await.expect("they are served");
    upload(&cluster, 0, &source, &target).await.expect("a file of its own has its descriptor");
    println!("{beside:.0} packets a second with 256 descriptors a node and 1,200 strangers");
    taken_away(&cluster, &source, &target).await.expect("a want is refused, and passes");
    strangers.end().await;
    let mut cluster = Arc::into_inner(cluster).expect("nobody calls any more");
    cluster.whole().await.expect("all is well");
    all_run(&mut cluster);
    cluster.nodes[0].stop().await.expect("it stops");
    cluster.restart(0).await.expect("it starts on what it has written");
}

/// Somebody else takes all descriptors of a node away while it runs: it refuses what needs one, goes on with
/// what has one, and serves again once they are back.
async fn taken_away(cluster: &Arc<Cluster>, source: &Party, target: &Party) -> Result<()> {
    let endpoint = cluster.endpoint(0);
    let mut conn = caller(cluster, 0, source).await?;
    let submit = || {
        let request = Party::submission(&[&target.unit], "thiếu", "t.bin", b"noi dung", "");
        source.key.sign(&endpoint.authority, request)
    };
    conn.call(&submit()).await?.success()?;
    let opened = Party::request(&[&target.unit], "thiếu");
    let opened = source.key.sign(&endpoint.authority, Request::post("/v1/packets", &opened));
    let opened = conn.call(&opened).await?.success()?;
    let (space, token) = (opened.text("/space/id"), opened.text("/space/token"));
    let pid =
        cluster.nodes[0].pid().and_then(|pid| Pid::from_raw(pid as i32)).context("it runs")?;
    // Descriptors below this number are all that can be opened: those of the reserve, if it gives them.
    let none = Rlimit { current: Some(3), maximum: Some(256) };
    let before = prlimit(Some(pid), Resource::Nofile, none)?;
    let starved = async {
        for _ in 0..20 {
            let asked = async || conn.call(&submit()).await;
            answered("what is open goes on", Duration::from_secs(30), asked).await?.success()?;
        }
        let mut other = Conn::new(&endpoint);
        other.patience = Duration::from_secs(3);
        ensure!(other.call(&Request::get("/livez")).await.is_err(), "nobody new comes in");
        // A content of its own file: refused, or taken by a node that has descriptors; no 500.
        let patch = Party::patch(&space, &token, 0, "bốn".into());
        let answer = conn.call(&patch).await?;
        ensure!(answer.status == 204 || answer.status == 503, "{}", answer.summary());
        anyhow::Ok(())
    };
    let done = starved.await;
    prlimit(Some(pid), Resource::Nofile, before)?;
    done?;
    eventually("it serves again", Duration::from_secs(30), async || {
        Conn::new(&endpoint).call(&Request::get("/livez")).await.ok().filter(|a| a.is_success())
    })
    .await?;
    upload(cluster, 0, source, target).await
}

/// A content that comes by PATCH, and is committed.
async fn upload(cluster: &Cluster, node: usize, source: &Party, target: &Party) -> Result<()> {
    let endpoint = cluster.endpoint(node);
    let mut conn = caller(cluster, node, source).await?;
    let content = vec![7; 300_000];
    let size = content.len() as u64;
    let signed = |target: String, body: &serde_json::Value| {
        source.key.sign(&endpoint.authority, Request::post(target, body))
    };
    let request = Party::request(&[&target.unit], "tệp lớn");
    let opened = conn.call(&signed("/v1/packets".into(), &request)).await?.success()?;
    let (space, token) = (opened.text("/space/id"), opened.text("/space/token"));
    conn.call(&Party::patch(&space, &token, 0, content.clone().into())).await?.success()?;
    let digest = lgsp_tests::harness::digest_of(&content);
    let commit = serde_json::json!({ "digest": digest, "size": size });
    let commit = signed(format!("/v1/packets/{}/commit", opened.text("/packet")), &commit);
    conn.call(&commit).await?.success()?;
    Ok(())
}
