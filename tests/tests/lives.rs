//! One node, one life: a copied directory, a copied disk beside its original, a move, a removed node
//! that is started again, and SIGHUP under load.

use std::{
    fs,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use lgsp_tests::{
    harness::{Cluster, NodeProcess, Program, Traffic, eventually},
    wire::Request,
};
use rustix::process::Signal;
use serde_json::json;

/// How long a node may take to see that it must not run.
const END_TIME_MAX: Duration = Duration::from_secs(60);
/// The program's exit codes for a removed node and for a second life.
const REMOVED: i32 = 8;
const TWICE: i32 = 9;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_lives_once_and_a_removed_one_stays_down() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    let traffic = Traffic::start(&cluster, 2).await.expect("traffic");
    let well =
        |step: &str, done: Result<()>| done.unwrap_or_else(|error| panic!("{step}: {error:?}"));
    well("SIGHUP", hangup(&mut cluster, &traffic).await);
    well("a copied directory", copied_directory(&mut cluster, &traffic).await);
    well("a copied disk", copied_disk(&mut cluster, &traffic).await);
    well("a move", moved(&mut cluster, &traffic).await);
    let ledger = traffic.stop().await.unwrap_or_else(|error| panic!("{error:#}"));
    well("all that was acknowledged", ledger.check(&cluster).await);
    well("a removed node", removed(&mut cluster).await);
}

/// The leader reads its configuration again, goes on, and says what it took over.
async fn hangup(cluster: &mut Cluster, traffic: &Traffic) -> Result<()> {
    let index = cluster.leader().await?;
    let before = cluster.nodes[index].log_size();
    cluster.nodes[index].configure(|config| {
        let log = config.get_mut("log").and_then(toml::Value::as_table_mut);
        log.expect("a part of the configuration").insert("level".into(), "debug".into());
        let storage = config.get_mut("storage").and_then(toml::Value::as_table_mut);
        let storage = storage.expect("a part of the configuration");
        storage.insert("content_max".into(), "15 GiB".into());
    })?;
    cluster.nodes[index].signal(Signal::HUP)?;
    let said = eventually("the log says what was taken over", END_TIME_MAX, async || {
        let said = cluster.nodes[index].said_since(before);
        said.contains("SIGHUP").then_some(said)
    })
    .await?;
    let line = said.lines().find(|line| line.contains("SIGHUP")).context("a line")?;
    ensure!(line.contains("took_over=\"log.level\""), "{line}");
    ensure!(line.contains("needs_restart=\"storage\""), "{line}");
    // A file that cannot be used changes nothing.
    let path = cluster.nodes[index].data.join("lgsp.toml");
    let good = fs::read_to_string(&path)?;
    fs::write(&path, "no configuration")?;
    let before = cluster.nodes[index].log_size();
    cluster.nodes[index].signal(Signal::HUP)?;
    eventually("the log says that the file is wrong", END_TIME_MAX, async || {
        cluster.nodes[index].said_since(before).contains("cannot be used").then_some(())
    })
    .await?;
    fs::write(&path, good)?;
    // What tools that rotate logs send ends no node (case 24 of the field).
    for (signal, name) in [(Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2")] {
        cluster.nodes[index].signal(signal)?;
        eventually("the log says that it means nothing", END_TIME_MAX, async || {
            cluster.nodes[index].said_since(before).contains(name).then_some(())
        })
        .await?;
    }
    traffic.progress(10).await?;
    ensure!(cluster.nodes[index].is_running(), "the leader ended");
    ensure!(cluster.leader().await? == index, "the leadership moved");
    Ok(())
}

/// A copy made by `cp` does not even start; its original does.
async fn copied_directory(cluster: &mut Cluster, traffic: &Traffic) -> Result<()> {
    let index = cluster.follower().await?;
    // Ctrl-\ at a terminal is a clean stop as well.
    cluster.nodes[index].signal(Signal::QUIT)?;
    let ended = cluster.nodes[index].ended(END_TIME_MAX).await?;
    ensure!(ended.success(), "stopped by SIGQUIT: {ended}");
    let mut copy = cluster.nodes[index].copied("copy")?;
    cluster.restart(index).await?;
    let said = ends(&mut copy, TWICE, &[]).await?;
    ensure!(said.contains("--moved"), "it says what to do: {said}");
    // Even where its operator says that it is the node: the original lives, and the peers know it.
    let original = cluster.nodes[index].mesh;
    let said = ends(&mut copy, TWICE, &["--moved"]).await?;
    for address in [original.to_string(), copy.mesh.to_string()] {
        ensure!(said.contains(&address), "it names {address}: {said}");
    }
    undisturbed(cluster, traffic, index).await
}

/// A copy of the whole disk cannot be told from its original by itself; the peers tell it.
async fn copied_disk(cluster: &mut Cluster, traffic: &Traffic) -> Result<()> {
    let index = cluster.follower().await?;
    cluster.nodes[index].stop().await?;
    let mut copy = cluster.nodes[index].copied("clone")?;
    as_on_a_copied_disk(&copy.data.join("life.toml"))?;
    cluster.restart(index).await?;
    cluster.whole().await?;
    let original = cluster.nodes[index].mesh;
    let said = ends(&mut copy, TWICE, &[]).await?;
    for address in [original.to_string(), copy.mesh.to_string()] {
        ensure!(said.contains(&address), "it names {address}: {said}");
    }
    // Whoever looks at the status sees it, too.
    let other = (index + 1) % cluster.nodes.len();
    let status = cluster.status(other).await.context("a status")?;
    let warned = status["warnings"].as_array().context("warnings")?.iter();
    let told: Vec<_> = warned.filter(|warning| warning["word"] == "second_life").collect();
    ensure!(
        told.iter().any(|told| told["detail"].as_str().is_some_and(|detail| {
            detail.contains(&original.to_string()) && detail.contains(&copy.mesh.to_string())
        })),
        "the status tells of both: {status}"
    );
    undisturbed(cluster, traffic, index).await
}

/// Gives a copied file the marks of its own place: on a copied disk they are those of the original.
fn as_on_a_copied_disk(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path)?;
    let born = metadata.created()?.duration_since(UNIX_EPOCH)?.as_nanos().to_string();
    let mut table: toml::Table = fs::read_to_string(path)?.parse()?;
    let marks = table.get_mut("marks").and_then(toml::Value::as_table_mut).context("marks")?;
    marks.insert("inode".into(), toml::Value::Integer(metadata.ino().cast_signed()));
    marks.insert("born".into(), born.into());
    let place = fs::canonicalize(path.parent().context("a directory")?)?;
    marks.insert("place".into(), place.display().to_string().into());
    // In place: a new file would have marks of its own.
    let file = fs::File::options().write(true).open(path)?;
    let text = table.to_string();
    file.write_all_at(text.as_bytes(), 0)?;
    Ok(file.set_len(text.len() as u64)?)
}

/// Nothing is to be mended after the copy has ended.
async fn undisturbed(cluster: &mut Cluster, traffic: &Traffic, index: usize) -> Result<()> {
    ensure!(cluster.nodes[index].is_running(), "the original ended");
    traffic.progress(10).await?;
    cluster.whole().await?;
    cluster.nodes[index].stop().await?;
    cluster.restart(index).await?;
    cluster.whole().await
}

/// A node that is really moved goes on elsewhere by its operator's word, and what it left behind is
/// refused.
async fn moved(cluster: &mut Cluster, traffic: &Traffic) -> Result<()> {
    let index = cluster.follower().await?;
    cluster.nodes[index].stop().await?;
    let here = cluster.nodes[index].copied("moved")?;
    let mut left = std::mem::replace(&mut cluster.nodes[index], here);
    cluster.nodes[index].start_with(&["--moved"])?;
    cluster.ready(index).await?;
    cluster.whole().await?;
    traffic.progress(10).await?;
    let said = ends(&mut left, TWICE, &[]).await?;
    let elsewhere = cluster.nodes[index].mesh.to_string();
    ensure!(said.contains(&elsewhere), "it names {elsewhere}: {said}");
    undisturbed(cluster, traffic, index).await
}

/// A node that was removed while it was down learns so, and knows it at every later start, alone.
async fn removed(cluster: &mut Cluster) -> Result<()> {
    let index = cluster.follower().await?;
    let url = cluster.nodes[index].url();
    let status = cluster.status(index).await.context("the node answers")?;
    let nodes = status["nodes"].as_array().context("nodes are listed")?;
    let node = nodes.iter().find(|node| node["api_url"] == url.as_str()).context("it is listed")?;
    let path = format!("/v1/admin/members/{}/remove", node["node"]);
    cluster.nodes[index].stop().await?;
    cluster.administer(Request::post(path, &json!({}))).await?;
    let mut gone = cluster.nodes.remove(index);
    let said = ends(&mut gone, REMOVED, &[]).await?;
    ensure!(said.contains("lgsp join"), "it says what to do: {said}");
    for _ in 0..2 {
        ends(&mut gone, REMOVED, &[]).await.context("it remembers")?;
    }
    cluster.whole().await
}

/// Starts a node that must end by itself with an exit code. What it said comes back.
async fn ends(node: &mut NodeProcess, code: i32, flags: &[&str]) -> Result<String> {
    let before = node.log_size();
    node.start_with(flags)?;
    let status = node.ended(END_TIME_MAX).await?;
    let said = node.said_since(before);
    ensure!(status.code() == Some(code), "{} ended with {status}: {said}", node.name);
    ensure!(!said.contains("panicked"), "an error, not a panic: {said}");
    Ok(said)
}
