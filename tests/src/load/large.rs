//! One large content: in by one `PATCH`, out by `Range`, and what it costs the nodes in memory.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{Context as Hasher, SHA256};
use rand::Rng;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{
    Args,
    field::Field,
    figures::{Report, round},
    machine,
};
use crate::{
    harness::Party,
    wire::{Conn, Endpoint, Request},
};

/// What is written at once.
const PIECE: usize = 1 << 20;
/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// A content that is made as it is sent: a random piece whose beginning counts up.
struct Stream {
    piece: Vec<u8>,
    left: u64,
    number: u64,
}

impl Stream {
    fn new(piece: Vec<u8>, size: u64) -> Self {
        Self { piece, left: size, number: 0 }
    }

    fn next(&mut self) -> Option<&[u8]> {
        let count = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        if count == 0 {
            return None;
        }
        self.left -= count as u64;
        self.number += 1;
        self.piece[..8].copy_from_slice(&self.number.to_be_bytes());
        Some(&self.piece[..count])
    }
}

/// In, out, and memory meanwhile.
pub async fn point(args: &Args, field: &mut Field, report: &mut Report) -> Result<()> {
    let size = args.large_mib << 20;
    let mut piece = vec![0; PIECE];
    rand::rng().fill_bytes(&mut piece);
    // A client knows its file's digest before it sends; it is not part of the measured time.
    let mut hasher = Hasher::new(&SHA256);
    let mut stream = Stream::new(piece.clone(), size);
    while let Some(piece) = stream.next() {
        hasher.update(piece);
    }
    let digest = hex::encode(hasher.finish());

    let doors = field.doors().await?;
    let target = field.targets[0].clone();
    let watch = Watch::begin(field.pids());
    let begun = Instant::now();
    let packet =
        upload(&field.source, &doors[0], &target.unit, Stream::new(piece, size), &digest, size)
            .await?;
    let took = begun.elapsed();
    let growth = watch.end().await?;
    report.add("large_in", figures(size, took, &growth));

    let watch = Watch::begin(field.pids());
    let begun = Instant::now();
    // Through another node than the one that took it in.
    download(&target, &doors[1 % doors.len()], &packet, &digest, size).await?;
    let took = begun.elapsed();
    let growth = watch.end().await?;
    report.add("large_out", figures(size, took, &growth));
    target.confirm(&doors[0], &packet, &digest).await?.success()?;
    Ok(())
}

fn figures(size: u64, took: Duration, growth: &[f64]) -> serde_json::Value {
    let mib = size as f64 / 1_048_576.0;
    let secs = took.as_secs_f64();
    json!({
        "bytes": size,
        "secs": round(secs, 2),
        "mib_s": round(mib / secs, 1),
        "rss_growth_mib": growth,
    })
}

async fn upload(
    source: &Party,
    door: &Arc<Endpoint>,
    target: &str,
    mut stream: Stream,
    digest: &str,
    size: u64,
) -> Result<String> {
    let (packet, space, token) = source.open(door, &[target], "large", Some(size)).await?;
    let request = Party::patch(&space, &token, 0, bytes::Bytes::new());
    let mut conn = Conn::new(door);
    conn.send_head(&request, size).await?;
    while let Some(piece) = stream.next() {
        conn.write(piece).await?;
    }
    let mut answer = conn.answer(request.method).await?;
    answer.body = conn.rest().await?;
    answer.success().context("the upload")?;
    source.commit(door, &packet, size, digest).await?.success().context("the commit")?;
    Ok(packet)
}

async fn download(
    target: &Party,
    door: &Arc<Endpoint>,
    packet: &str,
    digest: &str,
    size: u64,
) -> Result<()> {
    let accepted = target.accept(door, packet).await?;
    let request = Request::get(format!("/v1/packets/{packet}/content"))
        .bearer(&accepted.token)
        .header("range", "bytes=0-");
    let mut conn = Conn::new(door);
    let answer = conn.begin(&request).await?;
    ensure!(answer.status == 206, "a range is answered with 206, not {}", answer.status);
    let mut hasher = Hasher::new(&SHA256);
    let mut taken = 0;
    while let Some(piece) = conn.chunk().await? {
        taken += piece.len() as u64;
        hasher.update(&piece);
    }
    ensure!(taken == size, "{taken} of {size} octets came");
    ensure!(hex::encode(hasher.finish()) == digest, "the content was altered");
    Ok(())
}

/// Looks at the memory of processes until it is ended.
struct Watch {
    stop: tokio::sync::oneshot::Sender<()>,
    task: JoinHandle<Vec<f64>>,
}

impl Watch {
    fn begin(pids: Vec<u32>) -> Self {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let before: Vec<f64> = pids.iter().map(|&pid| machine::rss_mib(pid)).collect();
        let task = tokio::spawn(async move {
            let mut most = before.clone();
            loop {
                for (most, &pid) in most.iter_mut().zip(&pids) {
                    *most = most.max(machine::rss_mib(pid));
                }
                if tokio::time::timeout(SAMPLE_EVERY, &mut stopped).await.is_ok() {
                    return most
                        .iter()
                        .zip(&before)
                        .map(|(most, before)| round(most - before, 1))
                        .collect();
                }
            }
        });
        Self { stop, task }
    }

    /// By how many MiB each has grown at most.
    async fn end(self) -> Result<Vec<f64>> {
        drop(self.stop);
        Ok(self.task.await?)
    }
}
