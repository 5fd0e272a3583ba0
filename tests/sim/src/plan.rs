//! The plan of faults: what befalls the cluster, in what order, all from the dice.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::world::World;

/// Before the last power cut: time for an election, so that packets are on their way again.
const BEFORE_THE_LAST: Duration = Duration::from_secs(2);

/// Lets faults befall the cluster for so long. The last one is always a power cut of all: what was
/// acknowledged a moment before it must be on the disks.
pub async fn faults(world: World, span: Duration) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        sleep(Duration::from_millis(200 + world.dice().below(3_000))).await;
        match world.dice().below(100) {
            0..25 => crash_one(&world).await,
            25..33 => crash_all(&world).await,
            33..50 => isolate(&world).await,
            50..60 => one_way(&world).await,
            60..72 => weather(&world).await,
            72..80 => clock(&world),
            80..88 => leader_after_a_while(&world).await,
            88..97 => stop_one(&world).await,
            _ => world.heal().await,
        }
    }
    sleep(BEFORE_THE_LAST).await;
    crash_all(&world).await;
}

async fn crash_one(world: &World) {
    let nodes = world.nodes();
    let node = nodes[world.dice().below(nodes.len() as u64) as usize];
    restart(world, node, 4_000).await;
}

/// An operator stops a node, and its power fails a moment later.
async fn stop_one(world: &World) {
    let nodes = world.nodes();
    let node = nodes[world.dice().below(nodes.len() as u64) as usize];
    world.stop(node).await;
    sleep(Duration::from_millis(world.dice().below(2_000))).await;
    if !world.is_running(node) {
        world.boot(node).await;
    }
}

async fn restart(world: &World, node: model::NodeId, away_max_ms: u64) {
    world.crash(node).await;
    sleep(Duration::from_millis(world.dice().below(away_max_ms))).await;
    if !world.is_running(node) {
        world.boot(node).await;
    }
}

async fn crash_all(world: &World) {
    for node in world.nodes() {
        world.crash(node).await;
    }
    sleep(Duration::from_millis(world.dice().below(2_000))).await;
    for node in world.nodes() {
        if !world.is_running(node) {
            world.boot(node).await;
        }
    }
    world.count("power cuts of all");
}

async fn isolate(world: &World) {
    let nodes = world.nodes();
    let lonely = nodes[world.dice().below(nodes.len() as u64) as usize];
    for other in nodes.into_iter().filter(|node| *node != lonely) {
        world.net().cut(lonely, other);
        world.net().cut(other, lonely);
    }
    world.count("isolations");
    sleep(Duration::from_millis(world.dice().below(6_000))).await;
    world.net().heal();
}

async fn one_way(world: &World) {
    let nodes = world.nodes();
    let pick = || nodes[world.dice().below(nodes.len() as u64) as usize];
    world.net().cut(pick(), pick());
    world.count("one-way cuts");
    sleep(Duration::from_millis(world.dice().below(5_000))).await;
    world.net().heal();
}

async fn weather(world: &World) {
    world.net().weather(world.dice().below(150), 1 + world.dice().below(80));
    world.count("bad weather");
    sleep(Duration::from_millis(world.dice().below(6_000))).await;
    world.net().weather(0, 1);
}

fn clock(world: &World) {
    let nodes = world.nodes();
    let node = nodes[world.dice().below(nodes.len() as u64) as usize];
    let offset = match world.dice().below(4) {
        0 => 0,
        1 => world.dice().below(4_000) as i64 - 2_000,
        2 => world.dice().below(600_000) as i64 - 300_000,
        _ => (world.dice().below(20) as i64 - 10) * 365 * 86_400_000,
    };
    world.set_clock(node, offset);
    world.count("clock steps");
}

async fn leader_after_a_while(world: &World) {
    let leader = world
        .nodes()
        .into_iter()
        .find(|node| world.consensus(*node).is_some_and(|consensus| consensus.leads()));
    if let Some(leader) = leader {
        sleep(Duration::from_micros(world.dice().below(200_000))).await;
        restart(world, leader, 3_000).await;
        world.count("leader crashes");
    }
}
