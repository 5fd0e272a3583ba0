//! The cluster key is rotated under load: nobody notices but the disks.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use certs::Keyring;
use lgsp_tests::{
    harness::{Cluster, Party, Program, Traffic, digest_of, eventually},
    wire::{Answer, Conn, Request},
};
use serde_json::Value;

/// How long a step may take.
const STEP_TIME_MAX: Duration = Duration::from_secs(90);
/// Within what tokens are dead that end with a rotation, whoever is down.
const TOKENS_DEAD_MAX: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_key_is_rotated_under_load() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    let traffic = Traffic::start(&cluster, 2).await.expect("traffic");
    let played = play(&mut cluster, &traffic).await;
    if let Err(error) = &played {
        cluster.show_logs();
        panic!("{error:?}");
    }
    let ledger = traffic.stop().await.unwrap_or_else(|error| panic!("{error:#}"));
    ledger.check(&cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn play(cluster: &mut Cluster, traffic: &Traffic) -> Result<()> {
    let source = cluster.party("H41.80", &["send"]).await?;
    let target = cluster.party("H41.81", &["receive"]).await?;
    traffic.progress(20).await?;
    planned(cluster, traffic, &source, &target).await.context("a planned rotation")?;
    crashes(cluster, traffic).await.context("a rotation with crashes")?;
    away(cluster, traffic, (&source, &target)).await.context("a rotation while a node is away")
}

/// An upload goes on over the rotation, with the token that it was given before.
async fn planned(
    cluster: &Cluster,
    traffic: &Traffic,
    source: &Party,
    target: &Party,
) -> Result<()> {
    let content = vec![7u8; 600_000];
    let at = cluster.endpoint(0);
    let (packet, space, token) =
        source.open(&at, &[&target.unit], "over a rotation", Some(content.len() as u64)).await?;
    let half = content.len() / 2;
    let piece = |range: std::ops::Range<usize>| Bytes::copy_from_slice(&content[range]);
    patch(cluster, 0, Party::patch(&space, &token, 0, piece(0..half))).await?.success()?;
    let rotated: Value = serde_json::from_str(&rotate(cluster, &[]).await?)?;
    ensure!(rotated["version"] == 2 && rotated["phase"] == "settled", "{rotated}");
    ensure!(rotated["old_tokens_until"].is_string(), "tokens of before live on: {rotated}");
    let rest = Party::patch(&space, &token, half as u64, piece(half..content.len()));
    patch(cluster, 0, rest).await?.success()?;
    source.commit(&at, &packet, content.len() as u64, &digest_of(&content)).await?.success()?;
    // What was written half before and half after, read at another node.
    let got = eventually("the content is served", STEP_TIME_MAX, async || {
        target.accept_whole(&cluster.endpoint(1), &packet).await.ok().filter(Answer::is_success)
    })
    .await?;
    ensure!(got.body == content, "what was sent is received");
    for index in 0..cluster.nodes.len() {
        ensure!(ring(cluster, index)?.active() == 2, "every node seals with the new version");
    }
    traffic.progress(20).await
}

/// Whoever crashes while the key turns, it goes on.
async fn crashes(cluster: &mut Cluster, traffic: &Traffic) -> Result<()> {
    for round in 0..2 {
        let before = ring(cluster, 0)?.active();
        let leader = cluster.leader().await?;
        let victim = if round == 0 { leader } else { cluster.follower().await? };
        let asked = Request::new("POST", "/v1/admin/cluster-key/rotate");
        cluster.persist(&cluster.admin, asked).await?.success()?;
        cluster.nodes[victim].kill()?;
        traffic.progress(5).await?;
        cluster.restart(victim).await?;
        settled(cluster, before + 1).await?;
    }
    traffic.progress(20).await
}

/// A node that was away fetches the new version when it is back. Tokens of the old one end at once.
async fn away(
    cluster: &mut Cluster,
    traffic: &Traffic,
    (source, target): (&Party, &Party),
) -> Result<()> {
    let at = cluster.endpoint(0);
    let (_, space, token) = source.open(&at, &["H41.81"], "never written", Some(10)).await?;
    ensure!(Party::offset(&at, &space, &token).await?.is_success(), "the token opens the space");
    let index = 2;
    cluster.nodes[index].stop().await?;
    let asked = Request::new("POST", "/v1/admin/cluster-key/rotate");
    let asked = asked.body("application/json", r#"{"end_tokens":true}"#.into());
    cluster.persist(&cluster.admin, asked).await?.success()?;
    let asked_at = Instant::now();
    for door in 0..2 {
        eventually("a token of before is dead", STEP_TIME_MAX, async || {
            let answer = Party::offset(&cluster.endpoint(door), &space, &token).await.ok()?;
            (answer.status == 401).then_some(())
        })
        .await?;
    }
    let dead = asked_at.elapsed();
    println!("with a node down, tokens of before are dead {dead:.0?} after the answer");
    ensure!(dead <= TOKENS_DEAD_MAX, "tokens of before lived on for {dead:?}");
    // A content under a version that comes and goes while the node is away: it opens there later, too.
    let (title, octets) = ("of a version between", b"between".as_slice());
    let between = source.submit(&at, &["H41.81"], title, octets, "between-1").await?.success()?;
    let between = between.text("/packet");
    rotate(cluster, &["--end-tokens"]).await?;
    let (old, now) = (ring(cluster, index)?.active(), ring(cluster, 0)?.active());
    ensure!(old + 2 <= now, "it was away for two rotations: {old}, {now}");
    cluster.restart(index).await?;
    eventually("the node has fetched the new version", STEP_TIME_MAX, async || {
        ring(cluster, index).ok().filter(|ring| ring.active() == now)
    })
    .await?;
    eventually("a token of before is dead there too", STEP_TIME_MAX, async || {
        let answer = Party::offset(&cluster.endpoint(index), &space, &token).await.ok()?;
        (answer.status == 401).then_some(())
    })
    .await?;
    // Every signature is checked by a secret that is sealed under the new version.
    ensure!(
        source.list(&cluster.endpoint(index), "/v1/packets").await.is_ok(),
        "it knows the keys"
    );
    let held = ring(cluster, index)?;
    ensure!((old..=now).all(|version| held.version(version).is_some()), "{held:?}");
    let got = target.receive(&cluster.endpoint(index), &between).await.context(title)?;
    ensure!(got == octets, "what was sent between is received");
    traffic.progress(20).await
}

async fn patch(cluster: &Cluster, index: usize, request: Request) -> Result<Answer> {
    Conn::new(&cluster.endpoint(index)).call(&request).await
}

/// Rotates the key as an administrator does. What the command said comes back.
async fn rotate(cluster: &Cluster, more: &[&str]) -> Result<String> {
    let profile = cluster.nodes[0].data.join("admin.toml").display().to_string();
    let mut arguments = vec!["cluster", "key", "rotate", "-o", "json", "--profile", &profile];
    arguments.extend(more);
    cluster.program().run_well(&arguments).await
}

/// Waits until every node says that a version has settled.
async fn settled(cluster: &Cluster, version: u32) -> Result<()> {
    let what = format!("version {version} has settled");
    eventually(&what, STEP_TIME_MAX, async || {
        for index in 0..cluster.nodes.len() {
            let key = cluster.status(index).await?["cluster_key"].clone();
            // A request whose answer was lost may have been made twice.
            if key["version"].as_u64()? < version.into() || key["phase"] != "settled" {
                return None;
            }
        }
        Some(())
    })
    .await
}

/// The versions on a node's disk. Of a running node a copy is read.
fn ring(cluster: &Cluster, index: usize) -> Result<Keyring> {
    let copy = tempfile::tempdir()?;
    let path = copy.path().join("cluster.key");
    fs::copy(cluster.nodes[index].data.join("cluster.key"), &path)?;
    Ok(Keyring::load(&path)?)
}
