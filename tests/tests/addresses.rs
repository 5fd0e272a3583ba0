//! Addresses change: one node moves under load, then all of them at once, with hints for one of them
//! alone. Nothing that was acknowledged is lost, and nobody asks a quorum that does not exist yet.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lgsp_tests::harness::{Cluster, Program, Traffic, eventually};

/// How long a cluster may take to be whole again after a move, on a loaded machine.
const FOUND_TIME_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_new_addresses_find_one_another() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    one_moves(&mut cluster).await.unwrap_or_else(|error| panic!("one moves: {error:?}"));
    all_move(&mut cluster).await.unwrap_or_else(|error| panic!("all move: {error:?}"));
    a_chain(&mut cluster).await.unwrap_or_else(|error| panic!("one hint each: {error:?}"));
}

/// The leader comes back elsewhere while the others work: it knows them, and they learn of it.
async fn one_moves(cluster: &mut Cluster) -> Result<()> {
    let traffic = Traffic::start(cluster, 2).await?;
    traffic.progress(20).await?;
    let index = cluster.leader().await?;
    cluster.nodes[index].stop().await?;
    cluster.nodes[index].readdress()?;
    let begun = Instant::now();
    cluster.restart(index).await?;
    cluster.whole().await?;
    println!("one node moved: whole again after {:?}", begun.elapsed());
    traffic.progress(20).await?;
    traffic.stop().await?.check(cluster).await?;
    recorded(cluster).await
}

/// All come back elsewhere. One is told where the two others are; they are told nothing.
async fn all_move(cluster: &mut Cluster) -> Result<()> {
    let traffic = Traffic::start(cluster, 2).await?;
    traffic.progress(20).await?;
    for node in &mut cluster.nodes {
        node.kill()?;
    }
    for node in &mut cluster.nodes {
        node.readdress()?;
    }
    let begun = Instant::now();
    cluster.nodes[1].start()?;
    cluster.nodes[2].start()?;
    let hints = [cluster.nodes[1].mesh.to_string(), cluster.nodes[2].mesh.to_string()];
    cluster.nodes[0].start_with(&["--peer", &hints[0], "--peer", &hints[1]])?;
    found(cluster, begun).await?;
    traffic.stop().await?.check(cluster).await?;
    // The hints are known from now on: nobody needs them again.
    restart_all(cluster).await
}

/// All move again. Two are told, by their configuration, where the third is; that the two find each
/// other is its doing.
async fn a_chain(cluster: &mut Cluster) -> Result<()> {
    for node in &mut cluster.nodes {
        node.stop().await?;
    }
    for node in &mut cluster.nodes {
        node.readdress()?;
    }
    let hint = cluster.nodes[0].mesh.to_string();
    for node in &mut cluster.nodes[1..] {
        node.configure(|config| {
            let mesh = config.get_mut("mesh").and_then(toml::Value::as_table_mut);
            let peers = vec![toml::Value::from(hint.clone())];
            mesh.expect("a part of the configuration").insert("peers".into(), peers.into());
        })?;
    }
    let begun = Instant::now();
    for node in &mut cluster.nodes {
        node.start()?;
    }
    found(cluster, begun).await?;
    let traffic = Traffic::start(cluster, 2).await?;
    traffic.progress(20).await?;
    traffic.stop().await?.check(cluster).await
}

async fn found(cluster: &mut Cluster, begun: Instant) -> Result<()> {
    for index in 0..cluster.nodes.len() {
        cluster.ready(index).await?;
    }
    println!("all nodes moved: ready after {:?}", begun.elapsed());
    cluster.whole().await?;
    recorded(cluster).await
}

/// The state's record follows: every node says where every node is now.
async fn recorded(cluster: &Cluster) -> Result<()> {
    let mut expected: Vec<String> = cluster.nodes.iter().map(|node| node.url()).collect();
    expected.sort();
    eventually("the record names the new addresses", FOUND_TIME_MAX, async || {
        for index in 0..cluster.nodes.len() {
            let status = cluster.status(index).await?;
            let nodes = status["nodes"].as_array()?.iter();
            let mut urls: Vec<_> =
                nodes.filter_map(|node| Some(node["api_url"].as_str()?.to_owned())).collect();
            urls.sort();
            if urls != expected {
                return None;
            }
        }
        Some(())
    })
    .await
}

async fn restart_all(cluster: &mut Cluster) -> Result<()> {
    for node in &mut cluster.nodes {
        let ended = node.stop().await?;
        ensure!(ended.success(), "{} ended with {ended}", node.name);
    }
    for node in &mut cluster.nodes {
        node.start()?;
    }
    for index in 0..cluster.nodes.len() {
        cluster.ready(index).await.context("without hints")?;
    }
    cluster.whole().await
}
