//! Full cycles: submit, notice by server-sent events, accept with the content, digest, confirmation.
//!
//! A cycle counts when its confirmation is answered. Each target has one stream of events, a few
//! connections that accept, and one that confirms whatever has come together meanwhile.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use super::{
    Args,
    field::{Field, Maker, TARGET_COUNT, id_in},
    figures::{Latencies, Report, round},
    submit::{Costs, Window, rates},
};
use crate::{
    harness::{Party, digest_of, eventually},
    wire::{Conn, Endpoint, Events, Request},
};

/// Connections of one target that accept: more than this only wait for each other.
const ACCEPTORS_MAX: usize = 32;
/// Receipts that travel in one request; the API takes up to 1000.
const RECEIPTS_MAX: usize = 256;
/// Notices that may wait for a free acceptor: more than are ever under way.
const NOTICES_MAX: usize = 4096;
/// How long a cycle may take before it counts as an error, as the peers' client has it.
const CYCLE_TIME_MAX: Duration = Duration::from_secs(20);
/// How long purges may take after the end of a point.
const PURGE_TIME_MAX: Duration = Duration::from_secs(30);

/// One cycle under way.
struct Waiting {
    begun: Instant,
    noticed: Option<Duration>,
    done: oneshot::Sender<(Duration, Duration)>,
}

/// The cycles under way, by number; and what went wrong outside of them.
#[derive(Default)]
struct Desk {
    waiting: Mutex<HashMap<u64, Waiting>>,
    trouble: Mutex<Option<String>>,
    altered: AtomicU64,
}

impl Desk {
    fn expect(&self, id: u64) -> oneshot::Receiver<(Duration, Duration)> {
        let (done, receiver) = oneshot::channel();
        self.waiting.lock().insert(id, Waiting { begun: Instant::now(), noticed: None, done });
        receiver
    }

    fn noticed(&self, id: u64) {
        if let Some(waiting) = self.waiting.lock().get_mut(&id) {
            waiting.noticed.get_or_insert(waiting.begun.elapsed());
        }
    }

    fn confirmed(&self, id: u64) {
        if let Some(waiting) = self.waiting.lock().remove(&id) {
            let total = waiting.begun.elapsed();
            // Nobody listens any more when the worker has given the cycle up.
            let _ = waiting.done.send((waiting.noticed.unwrap_or(total), total));
        }
    }

    fn blame(&self, error: &anyhow::Error) {
        self.trouble.lock().get_or_insert_with(|| format!("{error:#}"));
    }
}

/// A packet that a target was told of.
struct Notice {
    id: u64,
    packet: String,
}

/// A packet that a target holds.
struct Held {
    id: u64,
    packet: String,
    digest: String,
}

/// What the workers have seen.
#[derive(Default)]
struct Seen {
    put: Latencies,
    noticed: Latencies,
    full: Latencies,
    errors: u64,
}

/// One point.
pub async fn point(
    conc: usize,
    size: usize,
    args: &Args,
    field: &mut Field,
    report: &mut Report,
) -> Result<()> {
    let run = field.next_run();
    let doors = field.doors().await?;
    let desk = Arc::new(Desk::default());
    let mut receivers = JoinSet::new();
    for (number, target) in field.targets.iter().enumerate() {
        let door = |shift: usize| doors[(number + shift) % doors.len()].clone();
        let events =
            Events::open(&door(0), &target.key, None).await.context("the stream of events")?;
        let acceptors = conc.div_ceil(TARGET_COUNT).clamp(1, ACCEPTORS_MAX);
        let accepting = (0..acceptors).map(door).collect();
        receive(&mut receivers, run, target, events, accepting, door(1), &desk);
    }
    let costs = Costs::begin(field);
    let ids = Arc::new(AtomicU64::new(1));
    let window = Window::of(args.secs);
    let targets: Vec<&Party> = field.targets.iter().collect();
    let workers: Vec<_> = (0..conc)
        .map(|worker| {
            let maker = field.maker(run, size, &targets);
            tokio::spawn(drive(
                maker,
                doors[worker % doors.len()].clone(),
                ids.clone(),
                desk.clone(),
                window,
            ))
        })
        .collect();
    let mut seen = Seen::default();
    for worker in workers {
        let one = worker.await?;
        seen.put.merge(&one.put);
        seen.noticed.merge(&one.noticed);
        seen.full.merge(&one.full);
        seen.errors += one.errors;
    }
    let total = ids.load(Relaxed) - 1;
    let mut line = rates(conc, size, seen.full.count(), total, args.secs);
    seen.put.put("publish", &mut line);
    seen.noticed.put("deliver", &mut line);
    seen.full.put("cycle", &mut line);
    line.insert("errors".into(), json!(seen.errors));
    line.insert("altered".into(), json!(desk.altered.load(Relaxed)));
    costs.put(total, &mut line);
    let purged = purged_after(field).await;
    line.insert(
        "purged_after_s".into(),
        json!(purged.map(|after| round(after.as_secs_f64(), 2)).ok()),
    );
    receivers.shutdown().await;
    if let Some(trouble) = desk.trouble.lock().as_ref() {
        eprintln!("first trouble of the receivers: {trouble}");
    }
    ensure!(seen.full.count() > 0, "not one cycle was finished");
    report.add("cycle", Value::Object(line));
    Ok(())
}

/// How long until no node owes a purge any more.
async fn purged_after(field: &Field) -> Result<Duration> {
    let begun = Instant::now();
    eventually("all purges are done", PURGE_TIME_MAX, async || {
        let status = field.cluster.status(0).await?;
        let debts =
            status["nodes"].as_array()?.iter().map(|node| node["purge_debt"].as_u64().unwrap_or(0));
        (debts.sum::<u64>() == 0).then_some(())
    })
    .await?;
    Ok(begun.elapsed())
}

async fn drive(
    mut maker: Maker,
    door: Arc<Endpoint>,
    ids: Arc<AtomicU64>,
    desk: Arc<Desk>,
    window: Window,
) -> Seen {
    let mut conn = Conn::new(&door);
    let mut seen = Seen::default();
    while window.open() {
        let id = ids.fetch_add(1, Relaxed);
        let request = maker.request(id);
        let done = desk.expect(id);
        let begun = Instant::now();
        let request = maker.source().key.sign(&door.authority, request);
        if let Err(error) = conn.call(&request).await.and_then(crate::wire::Answer::success) {
            desk.blame(&error);
            seen.errors += 1;
            continue;
        }
        if window.counts() {
            seen.put.add(begun.elapsed());
        }
        match timeout(CYCLE_TIME_MAX, done).await {
            Ok(Ok((noticed, full))) if window.counts() => {
                seen.noticed.add(noticed);
                seen.full.add(full);
            }
            Ok(Ok(_)) => {}
            _ => seen.errors += 1,
        }
    }
    seen
}

/// Sets up the receiving side of one target.
fn receive(
    tasks: &mut JoinSet<()>,
    run: u64,
    target: &Party,
    events: Events,
    accepting: Vec<Arc<Endpoint>>,
    confirming: Arc<Endpoint>,
    desk: &Arc<Desk>,
) {
    let (notices, noticed) = mpsc::channel(NOTICES_MAX);
    let (held, holding) = mpsc::channel(NOTICES_MAX);
    let noticed = Arc::new(tokio::sync::Mutex::new(noticed));
    let blame = |desk: &Arc<Desk>, outcome: Result<()>| {
        if let Err(error) = outcome {
            desk.blame(&error);
        }
    };
    let listener = desk.clone();
    tasks.spawn(
        async move { blame(&listener.clone(), listen(run, events, notices, &listener).await) },
    );
    for door in accepting {
        let (key, noticed, held, desk) =
            (target.clone(), noticed.clone(), held.clone(), desk.clone());
        tasks.spawn(async move {
            blame(&desk.clone(), accept(&key, &door, &noticed, held, &desk).await)
        });
    }
    let (target, desk) = (target.clone(), desk.clone());
    tasks.spawn(async move {
        blame(&desk.clone(), confirm(&target, &confirming, holding, &desk).await)
    });
}

async fn listen(
    run: u64,
    mut events: Events,
    notices: mpsc::Sender<Notice>,
    desk: &Desk,
) -> Result<()> {
    while let Some(event) = events.next().await? {
        let title = event.data["data"]["title"].as_str().unwrap_or_default();
        // What an earlier point left behind is not of this one.
        let Some(id) = id_in(run, title).filter(|_| event.is_available()) else { continue };
        desk.noticed(id);
        notices
            .send(Notice { id, packet: event.packet().to_owned() })
            .await
            .context("no acceptor is left")?;
    }
    anyhow::bail!("the stream of events ended")
}

async fn accept(
    target: &Party,
    door: &Arc<Endpoint>,
    notices: &tokio::sync::Mutex<mpsc::Receiver<Notice>>,
    held: mpsc::Sender<Held>,
    desk: &Desk,
) -> Result<()> {
    let mut conn = Conn::new(door);
    loop {
        let Some(notice) = notices.lock().await.recv().await else { return Ok(()) };
        let request = Request::new("POST", format!("/v1/packets/{}/accept", notice.packet))
            .header("accept", "application/octet-stream");
        let answer = conn.call(&target.key.sign(&door.authority, request)).await;
        match answer.and_then(crate::wire::Answer::success) {
            Ok(answer) => {
                let digest = digest_of(&answer.body);
                // The strong tag carries the digest that the source signed.
                if answer.header("etag").is_some_and(|tag| !tag.contains(&digest)) {
                    desk.altered.fetch_add(1, Relaxed);
                }
                let Notice { id, packet } = notice;
                held.send(Held { id, packet, digest }).await.context("no confirmer is left")?;
            }
            Err(error) => desk.blame(&error),
        }
    }
}

async fn confirm(
    target: &Party,
    door: &Arc<Endpoint>,
    mut held: mpsc::Receiver<Held>,
    desk: &Desk,
) -> Result<()> {
    let mut conn = Conn::new(door);
    let mut batch = Vec::new();
    while held.recv_many(&mut batch, RECEIPTS_MAX).await > 0 {
        let receipts: Vec<Value> = batch
            .iter()
            .map(|held| json!({ "packet": held.packet, "digest": held.digest }))
            .collect();
        let request = Request::post("/v1/confirmations", &json!({ "receipts": receipts }));
        let answer = conn.call(&target.key.sign(&door.authority, request)).await;
        match answer.and_then(crate::wire::Answer::success) {
            Ok(answer) => settle(&batch, &answer.json(), desk),
            Err(error) => desk.blame(&error),
        }
        batch.clear();
    }
    Ok(())
}

/// Counts the receipts that were taken.
fn settle(batch: &[Held], answer: &Value, desk: &Desk) {
    let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    let taken: HashMap<&str, &Value> =
        results.iter().filter_map(|result| Some((result["packet"].as_str()?, result))).collect();
    for held in batch {
        match taken.get(held.packet.as_str()) {
            Some(result) if result["ok"] == true => desk.confirmed(held.id),
            other => desk.blame(&anyhow::anyhow!("a receipt was not taken: {other:?}")),
        }
    }
}
