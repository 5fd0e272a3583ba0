//! The plan of faults: what befalls the cluster, in what order, all from the dice.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::world::World;

/// Before the last power cut: time for an election, so that packets are on their way again.
const BEFORE_THE_LAST: Duration = Duration::from_secs(2);

/// Lets faults befall the cluster for so long. The last one is always a power cut of all: what was
/// acknowledged a moment before it must be on the disks.
///
/// Where `disks` may go back, gives what a node did not notice that should have.
pub async fn faults(world: World, span: Duration, disks: bool) -> Vec<String> {
    let end = Instant::now() + span;
    let mut untold = Vec::new();
    while Instant::now() < end {
        sleep(Duration::from_millis(200 + world.dice().below(3_000))).await;
        if disks && world.dice().below(3) == 0 {
            untold.extend(disk_goes_back(&world).await);
            continue;
        }
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
    untold
}

/// Longer than between two greetings of a peer.
const GREETED: Duration = Duration::from_secs(4);

/// Until every node takes part again after a fault, in good weather.
const WHOLE_TIME_MAX: Duration = Duration::from_secs(20);

/// How long a node may take to notice that its disk went back.
const TOLD_TIME_MAX: Duration = Duration::from_secs(5);

/// One node goes back to an older copy of its disk in the worst moment: one of the others was away
/// meanwhile, and the only one that knows all goes away before the first comes back.
///
/// A copy that the file system shows, or one that the node was started on since; the third kind, a
/// machine that was taken back whole while nobody was left who had heard of it since, nobody can
/// tell, and it is not in the plan. Nor are two disks that go back at once.
async fn disk_goes_back(world: &World) -> Option<String> {
    world.heal().await;
    let whole = async {
        while !world.nodes().iter().all(|node| world.takes_part(*node)) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(WHOLE_TIME_MAX, whole).await.ok()?;
    let mut nodes = world.nodes();
    let mut pick = || nodes.swap_remove(world.dice().below(nodes.len() as u64) as usize);
    let (back, behind, knows) = (pick(), pick(), pick());
    let copied = world.dice().below(2) == 0;
    let backup = world.back_up(back);
    if copied {
        world.crash(behind).await;
    } else {
        restart(world, back, 500).await;
        sleep(GREETED).await;
        world.crash(behind).await;
    }
    sleep(Duration::from_millis(1_000 + world.dice().below(4_000))).await;
    world.crash(back).await;
    world.go_back(back, &backup, copied);
    world.crash(knows).await;
    world.boot(behind).await;
    world.boot(back).await;
    world.count("disks that went back");
    let told = async {
        while world.takes_part(back) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let told = tokio::time::timeout(TOLD_TIME_MAX, told).await.is_ok();
    sleep(Duration::from_millis(world.dice().below(4_000))).await;
    world.boot(knows).await;
    (!told).then(|| format!("{back} was not told that its disk went back"))
}

pub async fn crash_one(world: &World) {
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

pub async fn crash_all(world: &World) {
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

pub async fn leader_after_a_while(world: &World) {
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
