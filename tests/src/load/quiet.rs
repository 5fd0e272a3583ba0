//! What is asked of nodes from beside: idle CPU, memory, octets on the disk.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::{
    Args, cycle,
    field::Field,
    figures::{Report, round},
    machine, submit,
};

/// After load, before idleness is measured.
const SETTLE: Duration = Duration::from_secs(5);
/// How long idleness is measured: a tick of the clock is then a thousandth of it.
const IDLE: Duration = Duration::from_secs(10);
/// How long the writes of others are measured.
const OTHERS: Duration = Duration::from_secs(3);
/// After a point, until its purges and their records have reached the disk.
const AFTER: Duration = Duration::from_secs(2);

/// CPU of nodes that have nothing to do.
pub async fn idle(field: &Field, report: &mut Report) -> Result<()> {
    tokio::time::sleep(SETTLE).await;
    let pids = field.pids();
    let before: Vec<Duration> = pids.iter().map(|&pid| machine::cpu(pid)).collect();
    let begun = Instant::now();
    tokio::time::sleep(IDLE).await;
    let took = begun.elapsed().as_secs_f64();
    let percent = |(pid, before): (&u32, &Duration)| {
        round(machine::cpu(*pid).saturating_sub(*before).as_secs_f64() * 100.0 / took, 2)
    };
    let percents: Vec<f64> = pids.iter().zip(&before).map(percent).collect();
    let mut point = memory_of(&pids);
    point["cpu_pct"] = json!(percents);
    report.add("idle", point);
    Ok(())
}

/// Memory of the nodes now.
pub fn memory(field: &Field, report: &mut Report) {
    report.add("memory", memory_of(&field.pids()));
}

fn memory_of(pids: &[u32]) -> serde_json::Value {
    let each = |of: fn(u32) -> f64| pids.iter().map(|&pid| round(of(pid), 1)).collect::<Vec<_>>();
    let files: Vec<usize> = pids.iter().map(|&pid| machine::open_files(pid)).collect();
    json!({ "rss_mib": each(machine::rss_mib), "pss_mib": each(machine::pss_mib), "open_files": files })
}

/// Octets that reach the disk a packet: for submits alone as the peers are measured, and for the
/// whole life of packets, purge included.
pub async fn disk(args: &Args, field: &mut Field, report: &mut Report) -> Result<()> {
    for (mode, conc) in [("disk", 1), ("disk", 64), ("disk_life", 16)] {
        machine::sync_disks();
        let before = machine::disk_written();
        tokio::time::sleep(OTHERS).await;
        machine::sync_disks();
        let others = (machine::disk_written() - before) as f64 / OTHERS.as_secs_f64();

        let by_nodes =
            |field: &Field| field.pids().into_iter().map(machine::process_written).sum::<u64>();
        let (before, claimed, begun) = (machine::disk_written(), by_nodes(field), Instant::now());
        let mut inner = Report::new(None)?;
        if mode == "disk" {
            submit::point("publish", conc, args.size[0], args, field, &mut inner).await?;
        } else {
            cycle::point(conc, args.size[0], args, field, &mut inner).await?;
        }
        tokio::time::sleep(AFTER).await;
        machine::sync_disks();
        let written = (machine::disk_written() - before) as f64;
        let own = (written - others * begun.elapsed().as_secs_f64()).max(0.0);
        let total = inner.last("total").max(1.0);
        report.add(
            mode,
            json!({
                "conc": conc,
                "size": args.size[0],
                "total": total,
                "bytes_per_msg": round(own / total, 0),
                "bytes_per_msg_with_others": round(written / total, 0),
                "write_bytes_per_msg": round((by_nodes(field) - claimed) as f64 / total, 0),
                "node_cpu_us_per_msg": inner.last("node_cpu_us_per_msg"),
            }),
        );
    }
    Ok(())
}
