//! Floods: strangers hold and begin connections by the thousand, an application takes what it can, the
//! system runs out of descriptors. Whoever has a key is served, and no process ends.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lgsp_tests::{
    harness::{Cluster, Party, Program, answered, eventually},
    wire::{Conn, Request},
};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

/// Strangers at each node.
const STRANGERS: usize = 3000;
/// Addresses of loopback that they come from; the first is also the callers'.
const ADDRESSES: usize = 12;
/// Callers with a key, each with one packet under way.
const CALLERS: usize = 6;
/// How long a rate is measured.
const MEASURED: Duration = Duration::from_secs(4);
/// How long a caller waits before it tries again.
const CALLER_PAUSE: Duration = Duration::from_millis(50);
/// What a stranger does between two tries: the flood is of connections, not of the client's processor.
const STRANGER_PAUSE: Duration = Duration::from_secs(2);

/// This process needs a descriptor a stranger.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn cluster_program(wrapper: &[&str]) -> Program {
    Program::at(env!("CARGO_BIN_EXE_node")).under(wrapper)
}

/// One that has no key: it connects from its address, does what its kind does, and begins anew when it was
/// closed or refused.
async fn stranger(at: SocketAddr, number: usize, open: Arc<AtomicU64>) {
    // They come within some seconds: what is shown is a flood that lasts, not its first moment.
    tokio::time::sleep(STRANGER_PAUSE * 3 * (number % 100) as u32 / 100).await;
    let from = SocketAddr::from(([127, 0, 0, (number % ADDRESSES) as u8 + 1], 0));
    loop {
        if let Ok(mut stream) = connect(from, at).await {
            open.fetch_add(1, Relaxed);
            hold(&mut stream, number).await;
            open.fetch_sub(1, Relaxed);
        }
        // The pace of the flood; nothing is waited for.
        tokio::time::sleep(STRANGER_PAUSE).await;
    }
}

async fn connect(from: SocketAddr, at: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(from)?;
    socket.connect(at).await
}

/// Holds a connection until it is closed: silently, or with an octet of a handshake now and then.
async fn hold(stream: &mut TcpStream, number: usize) {
    let mut octets = [0; 64];
    // The head of a TLS record that announces a handshake of 512 octets, then its octets one by one.
    let slow = number.is_multiple_of(3);
    if slow && stream.write_all(&[0x16, 3, 1, 2, 0]).await.is_err() {
        return;
    }
    loop {
        let read = tokio::time::timeout(STRANGER_PAUSE, stream.read(&mut octets)).await;
        let closed = matches!(read, Ok(Ok(0) | Err(_)));
        if closed || (slow && stream.write_all(&[1]).await.is_err()) {
            return;
        }
    }
}

/// Strangers who speak TLS: idle after an answer, or with a head or a body that never ends.
async fn speaking(cluster: Arc<Cluster>, node: usize, number: usize) {
    let endpoint = cluster.endpoint(node);
    loop {
        let mut conn = Conn::new(&endpoint);
        let join =
            Request::new("POST", "/v1/cluster/join").header("content-type", "application/json");
        let _ = match number % 3 {
            0 => conn.call(&Request::get("/livez")).await.map(drop),
            1 => conn.send_head(&join, 60_000).await,
            _ => {
                let patch = Party::patch("sp_01KM3Z8Q9TF1S8E4D2C7B6A5GH", "st_any", 0, "x".into());
                conn.send_head(&patch, 60_000).await
            }
        };
        for _ in 0..10 {
            tokio::time::sleep(STRANGER_PAUSE).await;
            if !number.is_multiple_of(3) && conn.write(b" ").await.is_err() {
                break;
            }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_strangers_a_node_starve_nobody() {
    raise_descriptors();
    let cluster = Cluster::start(&cluster_program(&[]), 3).await.expect("a cluster");
    let source = cluster.party("H41.60", &["send"]).await.expect("a party");
    let target = cluster.party("H41.61", &["receive"]).await.expect("a party");
    let cluster = Arc::new(cluster);
    let alone = rate(&cluster, &source, &target).await.expect("they are served");
    let (open, mut flood) = (Arc::<AtomicU64>::default(), JoinSet::new());
    for node in 0..3 {
        let at = cluster.endpoint(node).address;
        for number in 0..STRANGERS - 60 {
            flood.spawn(stranger(at, number, open.clone()));
        }
        for number in 0..60 {
            flood.spawn(speaking(cluster.clone(), node, number));
        }
    }
    let full = "lgsp_limit_reached_total{limit=\"connections_of_strangers\"}";
    for node in 0..3 {
        eventually("strangers hold all that they may", Duration::from_secs(90), async || {
            metric(&cluster, node, &source, full).await.ok().filter(|count| *count > 0)
        })
        .await
        .expect("the flood is bounded");
    }
    let beside = rate(&cluster, &source, &target).await.expect("they are served");
    let held = open.load(Relaxed);
    println!(
        "{alone:.0} packets a second alone, {beside:.0} beside 9,000 strangers, who hold {held}"
    );
    for node in 0..3 {
        let connections = metric(&cluster, node, &source, "lgsp_http_connections ").await;
        assert!(connections.expect("it answers") <= 2048);
    }
    // Half is what is promised; what a loaded machine takes from both is not the strangers' work.
    assert!(beside > alone * 0.2, "{beside} is too little of {alone}");
    flood.shutdown().await;
    let mut cluster = Arc::into_inner(cluster).expect("the flood has ended");
    cluster.whole().await.expect("all is well");
    all_run(&mut cluster);
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
    let (open, mut flood) = (Arc::<AtomicU64>::default(), JoinSet::new());
    for node in 0..3 {
        let at = cluster.endpoint(node).address;
        (0..400).for_each(|number| drop(flood.spawn(stranger(at, number, open.clone()))));
        (0..12).for_each(|number| drop(flood.spawn(speaking(cluster.clone(), node, number))));
    }
    eventually("strangers hold what they may", Duration::from_secs(60), async || {
        (open.load(Relaxed) > 60).then_some(())
    })
    .await
    .expect("the flood has begun");
    let beside = rate(&cluster, &source, &target).await.expect("they are served");
    upload(&cluster, 0, &source, &target).await.expect("a file of its own has its descriptor");
    println!("{beside:.0} packets a second with 256 descriptors a node and 1,200 strangers");
    taken_away(&cluster, &source, &target).await.expect("a want is refused, and passes");
    flood.shutdown().await;
    let mut cluster = Arc::into_inner(cluster).expect("the flood has ended");
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
