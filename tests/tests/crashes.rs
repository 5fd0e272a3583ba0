//! Crashes under load: leader, follower, all at once, and the node in the middle of an upload.
//!
//! After each series the ledger is checked: nothing acknowledged is lost, altered, doubled or with
//! another; the nodes agree; everything can still be received and is then forgotten.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lgsp_tests::{
    harness::{Cluster, Party, Program, Traffic, digest_of, eventually},
    wire::Conn,
};
use rand::Rng;
use std::time::Duration;

/// How often each kind of crash is repeated.
const TIMES: usize = 3;
/// Packets between one crash and the next.
const BETWEEN: u64 = 25;
/// How long an upload may take to find its way to another node, beside the load.
const TAKE_OVER_TIME_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_nodes_are_killed() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    crashes(&mut cluster).await.unwrap_or_else(|error| panic!("{error:?}"));
    uploads(&mut cluster).await.unwrap_or_else(|error| panic!("{error:?}"));
}

async fn crashes(cluster: &mut Cluster) -> Result<()> {
    let traffic = Traffic::start(cluster, 4).await?;
    traffic.progress(BETWEEN).await?;
    for round in 0..TIMES {
        let leader = cluster.leader().await?;
        crash(cluster, &traffic, &[leader])
            .await
            .with_context(|| format!("leader, round {round}"))?;
        let follower = cluster.follower().await?;
        crash(cluster, &traffic, &[follower])
            .await
            .with_context(|| format!("follower, round {round}"))?;
        crash(cluster, &traffic, &[0, 1, 2])
            .await
            .with_context(|| format!("all three, round {round}"))?;
    }
    let leader = cluster.leader().await?;
    freeze(cluster, &traffic, leader).await.context("a frozen leader")?;
    traffic.stop().await?.check(cluster).await
}

/// Kills nodes; a majority that is left must go on without them, before they come back.
async fn crash(cluster: &mut Cluster, traffic: &Traffic, which: &[usize]) -> Result<()> {
    for &index in which {
        cluster.nodes[index].kill()?;
    }
    if which.len() < 2 {
        traffic.progress(BETWEEN).await.context("while a minority is down")?;
    }
    for &index in which {
        cluster.nodes[index].start()?;
    }
    for &index in which {
        cluster.ready(index).await?;
    }
    traffic.progress(BETWEEN).await.context("after they came back")?;
    cluster.whole().await
}

/// A leader that is stopped and wakes up later must not disturb what was decided meanwhile.
async fn freeze(cluster: &mut Cluster, traffic: &Traffic, index: usize) -> Result<()> {
    cluster.nodes[index].freeze()?;
    traffic.progress(BETWEEN).await.context("while the leader is frozen")?;
    cluster.nodes[index].thaw()?;
    cluster.ready(index).await?;
    traffic.progress(BETWEEN).await?;
    cluster.whole().await
}

async fn uploads(cluster: &mut Cluster) -> Result<()> {
    let source = cluster.party("H41.80", &["send"]).await?;
    let target = cluster.party("H41.81", &["receive"]).await?;
    let traffic = Traffic::start(cluster, 2).await?;
    for round in 0..TIMES {
        traffic.progress(BETWEEN).await?;
        let intake = match round {
            0 => cluster.leader().await?,
            _ => cluster.follower().await?,
        };
        upload(cluster, &traffic, (&source, &target), intake)
            .await
            .with_context(|| format!("upload, round {round}"))?;
    }
    traffic.progress(BETWEEN).await?;
    traffic.stop().await?.check(cluster).await
}

/// The intake node dies while content streams into it; the upload goes on at another.
async fn upload(
    cluster: &mut Cluster,
    traffic: &Traffic,
    (source, target): (&Party, &Party),
    intake: usize,
) -> Result<()> {
    const MIB: usize = 1 << 20;
    let mut content = vec![0; 8 * MIB];
    rand::rng().fill_bytes(&mut content);
    let (size, digest) = (content.len() as u64, digest_of(&content));
    let at = cluster.endpoint(intake);
    let (packet, space, token) = source.open(&at, &[&target.unit], "upload", Some(size)).await?;
    let first = Bytes::copy_from_slice(&content[..2 * MIB]);
    let answer = Conn::new(&at).call(&Party::patch(&space, &token, 0, first)).await?.success()?;
    ensure!(
        answer.header("upload-offset") == Some("2097152"),
        "two MiB are acknowledged: {}",
        answer.summary()
    );

    // Three more MiB of the six that were announced, and the node is gone.
    let mut conn = Conn::new(&at);
    let request = Party::patch(&space, &token, 2 * MIB as u64, Bytes::new());
    conn.send_head(&request, 6 * MIB as u64).await?;
    conn.write(&content[2 * MIB..5 * MIB]).await?;
    cluster.nodes[intake].kill()?;

    let other = cluster.endpoint((intake + 1) % 3);
    let offset = eventually("another node tells the offset", TAKE_OVER_TIME_MAX, async || {
        let answer = Party::offset(&other, &space, &token).await.ok()?;
        answer.is_success().then(|| answer.header("upload-offset")?.parse::<u64>().ok())?
    })
    .await?;
    let told = offset as usize;
    ensure!(
        (2 * MIB..=5 * MIB).contains(&told),
        "offset {told}: acknowledged octets are kept, others not invented"
    );
    let rest = Bytes::copy_from_slice(&content[told..]);
    let answer = eventually("the rest is taken at another node", TAKE_OVER_TIME_MAX, async || {
        Conn::new(&other)
            .call(&Party::patch(&space, &token, offset, rest.clone()))
            .await
            .ok()
            .filter(|a| a.status < 500)
    })
    .await?
    .success()?;
    ensure!(
        answer.header("upload-offset") == Some(&size.to_string()),
        "all is acknowledged: {}",
        answer.summary()
    );
    let third = cluster.endpoint((intake + 2) % 3);
    source
        .commit(&third, &packet, size, &digest)
        .await?
        .success()
        .context("the commit at a third node")?;
    let got = target.receive(&other, &packet).await?;
    ensure!(got == content, "the target got what was sent");
    traffic.progress(BETWEEN).await.context("while the intake node is down")?;
    cluster.restart(intake).await?;
    cluster.whole().await?;
    let answer = source.packet(&cluster.endpoint(intake), &packet).await?.success()?;
    ensure!(answer.text("/state") == "completed", "the node that died knows: {}", answer.summary());
    Ok(())
}
