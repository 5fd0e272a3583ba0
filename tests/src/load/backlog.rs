//! A backlog: very many packets that wait, what they cost, and a member that is removed with them.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{
    Args,
    field::{Field, Maker},
    figures::{Report, round},
    machine, submit,
};
use crate::wire::{Answer, Conn, Endpoint, Request};

/// Connections that fill the backlog.
const CONNECTIONS: usize = 64;
/// Connections that submit while the member is removed.
const BESIDE: usize = 16;
/// The rate is looked at in windows of so long.
const WINDOW: Duration = Duration::from_secs(5);
/// How long clients are watched without the removal, and at least with it.
const WATCHED: Duration = Duration::from_secs(10);

/// Fills the backlog and measures it; restarts all nodes; removes a member. The field has two nodes afterwards.
pub async fn point(args: &Args, field: &mut Field, report: &mut Report) -> Result<()> {
    let size = args.size[0];
    submit::point("empty", CONNECTIONS, size, args, field, report).await?;
    let empty = report.last("ops_s");
    let worst = fill(args, field, size).await?;
    submit::point("full", CONNECTIONS, size, args, field, report).await?;
    let full = report.last("ops_s");
    let rss: Vec<f64> = field.pids().iter().map(|&pid| round(machine::rss_mib(pid), 1)).collect();
    let disk: Vec<u64> = field.cluster.nodes.iter().map(|node| octets_of(&node.data)).collect();
    let each = |octets: &u64| round(*octets as f64 / 1024.0 / args.backlog as f64, 2);
    let restart = field.restart().await?;
    report.add(
        "backlog",
        json!({
            "size": size, "packets": args.backlog, "of_empty": round(full / empty, 2),
            "worst_5s_of_empty": round(worst / empty, 2), "rss_mib": rss,
            "disk_kib_a_packet": disk.iter().map(each).collect::<Vec<_>>(),
            "restart_s": round(restart.as_secs_f64(), 2),
        }),
    );
    let without = gap(args, field, None).await?;
    let node = field.cluster.follower().await?;
    let url = field.cluster.nodes[node].url();
    let status = field.cluster.status(node).await.context("a status")?;
    let listed = status["nodes"].as_array().context("nodes")?;
    let own = listed.iter().find(|listed| listed["api_url"] == url.as_str());
    let id = own.context("the node is listed")?["node"].clone();
    let (gap_of, took) = gap(args, field, Some((node, id))).await?;
    report.add(
        "removal",
        json!({
            "packets": args.backlog, "gap_ms": gap_of, "gap_without_ms": without.0, "took_s": took,
        }),
    );
    Ok(())
}

/// Submits until the backlog is there; the worst rate of a window.
async fn fill(args: &Args, field: &mut Field, size: usize) -> Result<f64> {
    let run = field.next_run();
    let doors = field.doors().await?;
    let (ids, done) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(0)));
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|worker| {
            let maker = field.maker(run, size, &[&field.store]);
            let door = doors[worker % doors.len()].clone();
            let (ids, done, count) = (ids.clone(), done.clone(), args.backlog);
            tokio::spawn(async move { one(maker, door, &ids, &done, count).await })
        })
        .collect();
    let (mut before, mut worst) = (0, f64::INFINITY);
    while workers.iter().any(|worker| !worker.is_finished()) {
        let begun = Instant::now();
        tokio::time::sleep(WINDOW).await;
        let now = done.load(Relaxed);
        let rate = (now - before) as f64 / begun.elapsed().as_secs_f64();
        // The last window ends with the work.
        if now < args.backlog {
            worst = worst.min(rate);
        }
        before = now;
    }
    for worker in workers {
        worker.await??;
    }
    Ok(if worst.is_finite() { worst } else { 0.0 })
}

async fn one(
    mut maker: Maker,
    door: Arc<Endpoint>,
    ids: &AtomicU64,
    done: &AtomicU64,
    count: u64,
) -> Result<()> {
    let mut conn = Conn::new(&door);
    loop {
        let id = ids.fetch_add(1, Relaxed);
        if id > count {
            return Ok(());
        }
        let request = maker.request(id);
        let request = maker.source().key.sign(&door.authority, request);
        conn.call(&request).await.and_then(Answer::success)?;
        done.fetch_add(1, Relaxed);
    }
}

/// The longest time without an acknowledgement to any client, in milliseconds; and how long the removal took.
async fn gap(
    args: &Args,
    field: &mut Field,
    removed: Option<(usize, Value)>,
) -> Result<(f64, f64)> {
    let run = field.next_run();
    // Clients use the nodes that stay.
    let stay = removed.as_ref().map_or(usize::MAX, |(node, _)| *node);
    let doors: Vec<_> = (0..field.cluster.nodes.len())
        .filter(|node| *node != stay)
        .map(|node| field.cluster.endpoint(node))
        .collect();
    let begun = Instant::now();
    let (last, longest) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let ids = Arc::new(AtomicU64::new(1));
    let workers: Vec<_> = (0..BESIDE)
        .map(|worker| {
            let mut maker = field.maker(run, args.size[0], &[&field.store]);
            let door = doors[worker % doors.len()].clone();
            let (ids, last, longest) = (ids.clone(), last.clone(), longest.clone());
            tokio::spawn(async move {
                let mut conn = Conn::new(&door);
                loop {
                    let request = maker.request(ids.fetch_add(1, Relaxed));
                    let request = maker.source().key.sign(&door.authority, request);
                    if conn.call(&request).await.is_ok_and(|answer| answer.is_success()) {
                        let now = begun.elapsed().as_micros() as u64;
                        longest.fetch_max(now - last.swap(now, Relaxed).min(now), Relaxed);
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(submit::WARM).await;
    longest.store(0, Relaxed);
    let watched = Instant::now();
    let mut took = Duration::ZERO;
    if let Some((_, id)) = &removed {
        let path = format!("/v1/admin/members/{id}/remove");
        // Asked at the node that goes, the answer may be lost; another one says that there is no such node any more.
        let asked = field.cluster.administer(Request::post(path, &json!({}))).await;
        let gone = asked.as_ref().is_err_and(|error| format!("{error:#}").contains("LGSP-1006"));
        ensure!(gone || asked?["node"] == *id, "the member was not removed");
        took = watched.elapsed();
    }
    tokio::time::sleep(WATCHED.saturating_sub(watched.elapsed())).await;
    let longest = longest.load(Relaxed);
    ensure!(longest > 0, "no client was answered: there is no gap to tell of");
    for worker in workers {
        worker.abort();
        // It was aborted on purpose.
        drop(worker.await);
    }
    Ok((round(longest as f64 / 1e3, 1), round(took.as_secs_f64(), 2)))
}

/// Octets that a directory takes on the disk.
fn octets_of(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => octets_of(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(of).sum()
}
