//! Faults under load: kill -9 of the leader, and its planned stop.
//!
//! Clients repeat what failed, at another node, under the same idempotency key. Afterwards every
//! packet that was acknowledged is looked for, fetched, compared and confirmed.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};

use super::{
    Args,
    field::{Field, Maker, id_in},
    figures::{Report, median, round},
};
use crate::{
    harness::{Party, digest_of},
    wire::{Conn, Endpoint, Request, percent},
};

/// Connections of the load, as for the peers.
const CONC: usize = 16;
/// How long one try may take, as for the peers.
const TRY_TIME_MAX: Duration = Duration::from_millis(500);
/// Between tries after a kill, as for the peers.
const PAUSE_KILL: Duration = Duration::from_millis(20);
/// Between tries around a planned stop: what is looked for are tens of milliseconds.
const PAUSE_STOP: Duration = Duration::from_millis(5);
/// Pages of a list that are read back: 200 000 packets.
const PAGES_MAX: usize = 1000;
/// Connections that fetch everything afterwards.
const DRAINERS: usize = 16;

/// One acknowledged packet.
#[derive(Debug, Clone, Copy)]
struct Acked {
    id: u64,
    tried: Instant,
    at: Instant,
}

/// What one worker has seen.
#[derive(Debug, Default)]
struct Worked {
    acked: Vec<Acked>,
    retries: u64,
    refused: Vec<String>,
}

/// What was found afterwards.
#[derive(Debug, Default)]
struct Check {
    lost: usize,
    doubled: usize,
    altered: usize,
    unacked: usize,
}

/// Rounds of faults, and their median.
pub async fn rounds(kill: bool, args: &Args, field: &mut Field, report: &mut Report) -> Result<()> {
    let mode = if kill { "kill" } else { "stop" };
    let (mut down, mut gaps) = (Vec::new(), Vec::new());
    for _ in 0..args.kills {
        let point = round_of(kill, args, field).await?;
        down.extend(point["unavailable_s"].as_f64());
        gaps.extend(point["longest_gap_s"].as_f64());
        report.add(mode, point);
    }
    let most = |numbers: &[f64]| numbers.iter().copied().fold(0.0, f64::max);
    report.add(
        &format!("{mode}_median"),
        json!({
            "rounds": args.kills,
            "unavailable_s": round(median(&down), 3), "unavailable_max_s": round(most(&down), 3),
            "longest_gap_s": round(median(&gaps), 3), "longest_gap_max_s": round(most(&gaps), 3),
        }),
    );
    Ok(())
}

async fn round_of(kill: bool, args: &Args, field: &mut Field) -> Result<Value> {
    let run = field.next_run();
    let begun = Instant::now();
    let end = begun + Duration::from_secs(args.kill_secs);
    let ids = Arc::new(AtomicU64::new(1));
    let doors = field.cluster.endpoints();
    let pause = if kill { PAUSE_KILL } else { PAUSE_STOP };
    let targets: Vec<&Party> = field.targets.iter().collect();
    let workers: Vec<_> = (0..CONC)
        .map(|worker| {
            let maker = field.maker(run, args.size[0], &targets).repeatable();
            tokio::spawn(persist(maker, doors.clone(), worker, ids.clone(), end, pause))
        })
        .collect();

    let leader = field.cluster.leader().await?;
    sleep_until((begun + Duration::from_secs(args.kill_secs) / 3).into()).await;
    let struck = Instant::now();
    if kill {
        field.cluster.nodes[leader].kill()?;
    } else {
        field.cluster.nodes[leader].stop().await?;
    }
    let dead = Instant::now();
    let mut all = Worked::default();
    for worker in workers {
        let one = worker.await?;
        all.acked.extend(one.acked);
        all.retries += one.retries;
        all.refused.extend(one.refused);
    }
    if let Some(refused) = all.refused.first() {
        bail!("{} requests were refused, the first with {refused}", all.refused.len());
    }
    field.cluster.restart(leader).await?;
    field.cluster.whole().await?;
    let check = check(field, run, args, &all.acked).await?;

    let since = if kill { dead } else { struck };
    let first = all.acked.iter().filter(|acked| acked.tried > since).map(|acked| acked.at).min();
    let down = first.map_or(-1.0, |first| (first - since).as_secs_f64());
    let tail = end - Duration::from_secs(args.kill_secs) / 4;
    let before = all.acked.iter().filter(|acked| acked.at < struck).count() as f64
        / (struck - begun).as_secs_f64();
    let after = all.acked.iter().filter(|acked| acked.at >= tail).count() as f64
        / (end - tail).as_secs_f64();
    Ok(json!({
        "conc": CONC, "size": args.size[0],
        "unavailable_s": round(down, 3),
        "longest_gap_s": round(longest_gap(&all.acked, struck).as_secs_f64(), 3),
        "stop_s": round((dead - struck).as_secs_f64(), 3),
        "ops_s_before": round(before, 0), "ops_s_last": round(after, 0),
        "acked": all.acked.len(), "retries": all.retries,
        "lost_acked": check.lost, "duplicates": check.doubled, "altered": check.altered,
        "unacked_held": check.unacked,
    }))
}

/// The longest time without an acknowledgement to anybody, from shortly before the fault on.
fn longest_gap(acked: &[Acked], struck: Instant) -> Duration {
    let from = struck.checked_sub(Duration::from_millis(200)).unwrap_or(struck);
    let mut times: Vec<Instant> =
        acked.iter().map(|acked| acked.at).filter(|at| *at >= from).collect();
    times.sort_unstable();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// Submits until the end; what fails is tried again at the next node, under the same key.
async fn persist(
    mut maker: Maker,
    doors: Vec<Arc<Endpoint>>,
    worker: usize,
    ids: Arc<AtomicU64>,
    end: Instant,
    pause: Duration,
) -> Worked {
    let mut turn = worker;
    let mut conn = Conn::new(&doors[turn % doors.len()]);
    conn.patience = TRY_TIME_MAX;
    let mut worked = Worked::default();
    while Instant::now() < end {
        let id = ids.fetch_add(1, Relaxed);
        while Instant::now() < end {
            let tried = Instant::now();
            let request = maker.request(id);
            let request = maker.source().key.sign(&conn.endpoint().authority.clone(), request);
            match conn.call(&request).await {
                Ok(answer) if answer.is_success() => {
                    worked.acked.push(Acked { id, tried, at: Instant::now() });
                    break;
                }
                // 409 says that the first try is still under way; it is asked again.
                Ok(answer) if answer.status < 500 && !matches!(answer.status, 409 | 429) => {
                    worked.refused.push(format!("{} {}", answer.status, answer.summary()));
                    return worked;
                }
                _ => {}
            }
            worked.retries += 1;
            turn += 1;
            conn = Conn::new(&doors[turn % doors.len()]);
            conn.patience = TRY_TIME_MAX;
            sleep(pause).await;
        }
    }
    worked
}

/// Looks for every acknowledged packet, and fetches, compares and confirms all that wait.
async fn check(field: &Field, run: u64, args: &Args, acked: &[Acked]) -> Result<Check> {
    let endpoints = field.cluster.endpoints();
    let mut held: HashMap<u64, usize> = HashMap::new();
    read_back(&field.source, &endpoints[0], run, &mut held).await?;
    let mut fetched = HashSet::new();
    let mut check = Check::default();
    for target in &field.targets {
        let waiting = waiting_of(target, &endpoints[0], run).await?;
        let tasks: Vec<_> = (0..DRAINERS)
            .map(|drainer| {
                let mine: Vec<_> =
                    waiting.iter().skip(drainer).step_by(DRAINERS).cloned().collect();
                let maker = field.maker(run, args.size[0], &[target]);
                tokio::spawn(drain(
                    target.clone(),
                    endpoints[drainer % endpoints.len()].clone(),
                    maker,
                    mine,
                ))
            })
            .collect();
        for task in tasks {
            for (id, same) in task.await?? {
                fetched.insert(id);
                check.altered += usize::from(!same);
            }
        }
    }
    let known: HashSet<u64> = acked.iter().map(|acked| acked.id).collect();
    check.lost = known.iter().filter(|id| !held.contains_key(id) || !fetched.contains(id)).count();
    check.doubled = held.values().map(|count| count - 1).sum();
    check.unacked = held.keys().filter(|id| !known.contains(id)).count();
    Ok(check)
}

/// Counts the packets of a run by number, newest first, until the run before it begins.
async fn read_back(
    source: &Party,
    door: &Arc<Endpoint>,
    run: u64,
    held: &mut HashMap<u64, usize>,
) -> Result<()> {
    let mut conn = Conn::new(door);
    let mut cursor = String::new();
    for _ in 0..PAGES_MAX {
        let page = page(source, &mut conn, "/v1/packets", &cursor).await?;
        let items = page["items"].as_array().context("a list has items")?;
        for item in items {
            match id_in(run, item["title"].as_str().unwrap_or_default()) {
                Some(id) => *held.entry(id).or_default() += 1,
                None => return Ok(()),
            }
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(()),
        }
    }
    bail!("more than {PAGES_MAX} pages of packets")
}

/// The packets of a run that wait for a target: number, packet.
async fn waiting_of(target: &Party, door: &Arc<Endpoint>, run: u64) -> Result<Vec<(u64, String)>> {
    let mut conn = Conn::new(door);
    let mut cursor = String::new();
    let mut waiting = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = page(target, &mut conn, "/v1/inbox", &cursor).await?;
        for item in page["items"].as_array().context("a list has items")? {
            let id = id_in(run, item["title"].as_str().unwrap_or_default());
            waiting.extend(id.zip(item["packet"].as_str().map(str::to_owned)));
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(waiting),
        }
    }
    bail!("more than {PAGES_MAX} pages in an inbox")
}

async fn page(who: &Party, conn: &mut Conn, path: &str, cursor: &str) -> Result<Value> {
    let cursor =
        if cursor.is_empty() { String::new() } else { format!("&cursor={}", percent(cursor)) };
    let request = Request::get(format!("{path}?limit=200{cursor}"));
    let request = who.key.sign(&conn.endpoint().authority.clone(), request);
    Ok(conn.call(&request).await?.success()?.json())
}

/// Fetches packets, compares their content with what was sent, and confirms them.
async fn drain(
    target: Party,
    door: Arc<Endpoint>,
    mut maker: Maker,
    mine: Vec<(u64, String)>,
) -> Result<Vec<(u64, bool)>> {
    let mut conn = Conn::new(&door);
    let mut seen = Vec::new();
    for part in mine.chunks(100) {
        let mut receipts = Vec::new();
        for (id, packet) in part {
            let request = Request::new("POST", format!("/v1/packets/{packet}/accept"))
                .header("accept", "application/octet-stream");
            let answer = conn.call(&target.key.sign(&door.authority, request)).await?.success()?;
            seen.push((*id, answer.body == maker.content(*id)));
            receipts.push(json!({ "packet": packet, "digest": digest_of(&answer.body) }));
        }
        let request = Request::post("/v1/confirmations", &json!({ "receipts": receipts }));
        let answer = conn.call(&target.key.sign(&door.authority, request)).await?.success()?;
        let taken = answer.json()["results"]
            .as_array()
            .is_some_and(|all| all.iter().all(|one| one["ok"] == true));
        ensure!(taken, "receipts were not taken: {}", answer.summary());
    }
    Ok(seen)
}
