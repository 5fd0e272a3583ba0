//! Crashes under load: leader, follower, all at once, and the node in the middle of an upload.
//!
//! After each series the ledger is checked: nothing acknowledged is lost, altered, doubled or with
//! another; the nodes agree; everything can still be received and is then forgotten.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lgsp_tests::{
    harness::{Cluster, Party, Program, Traffic, answered, digest_of},
    wire::{Answer, Conn, Endpoint},
};
use rand::Rng;
use std::{io, sync::Arc, time::Duration};

/// How often each kind of crash is repeated.
const TIMES: usize = 3;
/// Packets between one crash and the next.
const BETWEEN: u64 = 25;
/// How long a request may be repeated until a node answers it, beside the load and the faults.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_nodes_are_killed() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    crashes(&mut cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
    uploads(&mut cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
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
        upload(cluster, &traffic, (&source, &target), (intake, round == TIMES - 1))
            .await
            .with_context(|| format!("upload, round {round}"))?;
    }
    traffic.progress(BETWEEN).await?;
    traffic.stop().await?.check(cluster).await
}

/// The intake node dies while content streams into it; the upload goes on at another. With `odd`, the first
/// octets come in so many pieces that their frames share mixed runs.
async fn upload(
    cluster: &mut Cluster,
    traffic: &Traffic,
    (source, target): (&Party, &Party),
    (intake, odd): (usize, bool),
) -> Result<()> {
    const MIB: usize = 1 << 20;
    let mut content = vec![0; 8 * MIB];
    rand::rng().fill_bytes(&mut content);
    let (size, digest) = (content.len() as u64, digest_of(&content));
    let at = cluster.endpoint(intake);
    let (packet, space, token) = source.open(&at, &[&target.unit], "upload", Some(size)).await?;
    if odd {
        odd_pieces(&at, (&space, &token), &content[..MIB]).await.context("odd pieces")?;
    }
    upload_to(&at, (&space, &token), &content[..2 * MIB]).await.context("the first two MiB")?;

    // Three more MiB of the six that were announced, and the node is gone.
    let mut conn = Conn::new(&at);
    let request = Party::patch(&space, &token, 2 * MIB as u64, Bytes::new());
    conn.send_head(&request, 6 * MIB as u64).await?;
    // How much of it the node takes before it dies is up to the node: only what it told counts.
    let written = conn.write(&content[2 * MIB..5 * MIB]).await;
    cluster.nodes[intake].kill()?;
    written.or_else(|error| if error.is::<io::Error>() { Ok(()) } else { Err(error) })?;

    let other = cluster.endpoint((intake + 1) % 3);
    let told = offset_at(&other, (&space, &token)).await.context("another node")?;
    ensure!(
        (2 * MIB..=5 * MIB).contains(&told),
        "offset {told}: acknowledged octets are kept, others not invented"
    );
    upload_to(&other, (&space, &token), &content).await.context("the rest, at another node")?;
    // Whoever did not hear that asks again, and nothing is sent twice.
    upload_to(&other, (&space, &token), &content).await.context("once more")?;
    let third = cluster.endpoint((intake + 2) % 3);
    answered("the commit at a third node", ANSWER_TIME_MAX, async || {
        source.commit(&third, &packet, size, &digest).await
    })
    .await?
    .success()
    .context("the commit at a third node")?;
    let got = target.receive(&other, &packet).await?;
    ensure!(got == content, "the target got what was sent");
    traffic.progress(BETWEEN).await.context("while the intake node is down")?;
    cluster.restart(intake).await?;
    cluster.whole().await?;
    let back = cluster.endpoint(intake);
    let asked = async || source.packet(&back, &packet).await;
    let answer = answered("the node that died", ANSWER_TIME_MAX, asked).await?.success()?;
    ensure!(answer.text("/state") == "completed", "the node that died knows: {}", answer.summary());
    Ok(())
}

/// Uploads in more pieces than a content has exact runs, no two neighbours of one length.
async fn odd_pieces(at: &Arc<Endpoint>, space: (&str, &str), content: &[u8]) -> Result<()> {
    const PIECES: usize = 600;
    let (mut conn, mut offset) = (Conn::new(at), 0);
    for number in 0..PIECES {
        let len = 1 + number * 7919 % (2 * content.len() / PIECES - 1);
        let piece = Bytes::copy_from_slice(&content[offset..content.len().min(offset + len)]);
        let (len, from) = (piece.len(), offset as u64);
        let request = Party::patch(space.0, space.1, from, piece);
        let answer = conn.call(&request).await?.success()?;
        offset += len;
        ensure!(offset_of(&answer)? == offset, "piece {number}: {}", answer.summary());
    }
    Ok(())
}

/// How many octets a node says are durable.
async fn offset_at(at: &Arc<Endpoint>, (space, token): (&str, &str)) -> Result<usize> {
    let asked = async || Party::offset(at, space, token).await;
    offset_of(&answered("an offset is told", ANSWER_TIME_MAX, asked).await?.success()?)
}

fn offset_of(answer: &Answer) -> Result<usize> {
    Ok(answer.header("upload-offset").context("an answer tells the offset")?.parse()?)
}

/// Uploads as tus says: what was not acknowledged is asked for, and sent from there.
async fn upload_to(at: &Arc<Endpoint>, space: (&str, &str), content: &[u8]) -> Result<()> {
    let answer = answered("all is acknowledged", ANSWER_TIME_MAX, async || {
        let offset = offset_at(at, space).await?;
        let rest = Bytes::copy_from_slice(&content[offset..]);
        let request = Party::patch(space.0, space.1, offset as u64, rest);
        let answer = Conn::new(at).call(&request).await?;
        // A piece that was cut off may still be arriving when the offset is told.
        ensure!(answer.status != 409, "the offset has moved: {}", answer.summary());
        Ok(answer)
    })
    .await?;
    let offset = offset_of(&answer.success()?)?;
    ensure!(offset == content.len(), "{offset} octets are acknowledged of {}", content.len());
    Ok(())
}
