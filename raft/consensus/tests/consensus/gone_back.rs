//! Disks that went back to an older copy of themselves, in virtual time.

use std::time::Duration;

use consensus::{Consensus, Role, Standing, sim};
use model::NodeId;
use tokio::time::{sleep, timeout};

use crate::{
    cluster::{Cluster, PATIENCE, caught_up, id, until},
    office::{command, content, holds},
};

/// What was on a node's disks.
struct Backup(sim::LogCopy, sim::StateCopy);

impl Cluster {
    fn back_up(&self, number: u64) -> Backup {
        let node = &self.nodes[&id(number)];
        Backup(node.log.copy(), node.state.copy())
    }

    fn go_back(&self, number: u64, backup: &Backup, copied: bool) {
        let node = &self.nodes[&id(number)];
        node.log.go_back(&backup.0, copied);
        node.state.go_back(&backup.1);
    }

    fn blind(&self) {
        self.nodes.values().for_each(|node| node.log.set_blind(true));
    }
}

async fn say(node: &Consensus, numbers: std::ops::Range<u128>) {
    for number in numbers {
        node.propose(command(number)).await.expect("answered").expect("accepted");
    }
}

/// Longer than between two greetings.
const GREETED: Duration = Duration::from_secs(4);

async fn whole(node: &Consensus) {
    until(node, "it takes part again", |status| status.standing.is_full()).await;
}

/// The first form: the cluster works, and one node comes back with an older disk.
#[tokio::test(start_paused = true)]
async fn a_node_whose_disk_went_back_says_so_and_is_taken_in_again() {
    for copied in [false, true] {
        let mut cluster = Cluster::of(3).await;
        let other = (1..=3).map(id).find(|node| *node != id(3)).expect("another");
        cluster.crash(id(3)).await;
        let backup = cluster.back_up(3);
        cluster.start(id(3)).await;
        say(&cluster.node(other.0), 0..100).await;
        caught_up(&cluster.node(3), &cluster.node(other.0)).await;
        sleep(GREETED).await;
        cluster.crash(id(3)).await;
        cluster.go_back(3, &backup, copied);
        let wires = cluster.wires.clone();
        cluster.start(id(3)).await;
        let node = cluster.node(3);
        until(&node, "it is told", |status| !status.standing.is_full()).await;
        assert_ne!(node.status().role, Role::Leader);
        whole(&node).await;
        caught_up(&node, &cluster.node(other.0)).await;
        node.read_index().await.expect("it is back");
        assert!((0..100).all(|number| holds(&node.view(), &command(number))));
        assert_eq!(content(&node.view()), content(&cluster.node(other.0).view()));
        // And it counts for a majority.
        wires.cut(id(1));
        say(&node, 100..110).await;
    }
}

/// The second form: the only other witness is gone, too.
///
/// Gives a cluster in which node 2 alone holds what was acknowledged last, and is down.
async fn double_fault(blind: bool, copied: bool, heard: bool) -> Cluster {
    let mut cluster = Cluster::of(3).await;
    say(&cluster.node(1), 0..10).await;
    if blind {
        cluster.blind();
    }
    if !heard {
        cluster.crash(id(1)).await;
    }
    cluster.crash(id(3)).await;
    let backup = cluster.back_up(3);
    cluster.start(id(3)).await;
    if heard {
        // Node 1 hears that node 3 was started anew.
        sleep(GREETED).await;
        cluster.crash(id(1)).await;
    }
    say(&cluster.node(2), 10..50).await;
    cluster.crash(id(3)).await;
    cluster.go_back(3, &backup, copied);
    cluster.crash(id(2)).await;
    cluster.start(id(1)).await;
    cluster.start(id(3)).await;
    cluster
}

/// What two nodes may do in the time in which they would have found a leader many times over.
const LONG: Duration = Duration::from_secs(60);

async fn leads_in_time(cluster: &Cluster) -> Option<NodeId> {
    timeout(LONG, cluster.leader()).await.ok()
}

#[tokio::test(start_paused = true)]
async fn a_node_that_went_back_helps_nobody_to_lead_who_lacks_what_it_had_acknowledged() {
    // Told by the one that was left, or, where that one was down before, seen in the copy itself.
    for (copied, heard) in [(false, true), (true, true), (true, false)] {
        let mut cluster = double_fault(false, copied, heard).await;
        let (one, three) = (cluster.node(1), cluster.node(3));
        until(&three, "it knows", |status| !status.standing.is_full()).await;
        // No majority: nobody leads, nothing is promised, nothing is lost.
        sleep(LONG).await;
        assert!(!one.leads() && !three.leads());
        assert!(one.fresh().is_err() && three.fresh().is_err());
        // The one that holds it comes back, and all is there.
        cluster.start(id(2)).await;
        whole(&three).await;
        for node in [1, 2, 3].map(|number| cluster.node(number)) {
            node.read_index().await.expect("a majority is back");
            assert!((0..50).all(|number| holds(&node.view(), &command(number))));
        }
        say(&three, 50..60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_comparison_the_same_double_fault_does_lose() {
    let cluster = double_fault(true, true, true).await;
    let leader = leads_in_time(&cluster).await.expect("they find a leader");
    let node = cluster.node(leader.0);
    node.read_index().await.expect("read");
    assert!(!holds(&node.view(), &command(49)), "the negative control must find the loss");
}

/// Where it has happened all the same, the node that holds what the others lack keeps it.
#[tokio::test(start_paused = true)]
async fn a_node_that_holds_committed_entries_keeps_them_against_a_leader_that_lacks_them() {
    let mut cluster = double_fault(true, true, true).await;
    let leader = leads_in_time(&cluster).await.expect("they find a leader");
    say(&cluster.node(leader.0), 100..110).await;
    // Their history is the newer one, whatever the terms were in which they have found each other.
    for _ in 0..3 {
        let leader = cluster.leader().await;
        cluster.node(leader.0).transfer_leadership().await.expect("handed over");
    }
    let leader = cluster.leader().await;
    let before = cluster.nodes[&id(2)].log.synced_last();
    cluster.start(id(2)).await;
    let two = cluster.node(2);
    until(&two, "it parts", |status| matches!(status.standing, Standing::Apart(_))).await;
    sleep(GREETED).await;
    assert_eq!(two.status().failure, None, "it runs, and can be asked");
    assert_eq!(cluster.nodes[&id(2)].log.synced_last(), before, "nothing was cut off");
    // The word that the last one was committed is written with the next entry, and there was none.
    assert!((0..49).all(|number| holds(&two.view(), &command(number))));
    let heard = cluster.node(leader.0).heard();
    let (_, heard) = heard.iter().find(|(node, _)| *node == id(2)).expect("it was heard");
    assert!(matches!(heard.standing, Standing::Apart(_)), "the others know: {heard:?}");
    // It stays so.
    cluster.crash(id(2)).await;
    cluster.start(id(2)).await;
    assert!(matches!(cluster.node(2).status().standing, Standing::Apart(_)));
    say(&cluster.node(leader.0), 110..120).await;
}

/// A cluster that moves to other machines, copied while it was off, goes on by itself.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_copied_whole_goes_on() {
    for size in [1, 3] {
        let mut cluster = Cluster::of(size).await;
        say(&cluster.node(1), 0..20).await;
        for number in 1..=size {
            cluster.crash(id(number)).await;
        }
        for number in 1..=size {
            let backup = cluster.back_up(number);
            cluster.go_back(number, &backup, true);
            cluster.start(id(number)).await;
        }
        for number in 1..=size {
            whole(&cluster.node(number)).await;
        }
        say(&cluster.node(1), 20..30).await;
        assert!((0..30).all(|number| holds(&cluster.node(1).view(), &command(number))));
    }
}

/// Nobody is accused who has only been away.
#[tokio::test(start_paused = true)]
async fn a_node_that_stops_and_starts_is_no_suspect() {
    let mut cluster = Cluster::of(3).await;
    for round in 0..6_u128 {
        let number = (round % 3) as u64 + 1;
        say(&cluster.node(number), round * 10..round * 10 + 10).await;
        if round % 2 == 0 {
            cluster.crash(id(number)).await;
        } else {
            cluster.node(number).shutdown().await;
            cluster.crash(id(number)).await;
        }
        cluster.start(id(number)).await;
        let node = cluster.node(number);
        node.read_index().await.expect("it is back");
        sleep(GREETED).await;
        assert!(cluster.running().iter().all(|node| node.status().standing.is_full()));
    }
    timeout(PATIENCE, cluster.leader()).await.expect("somebody leads");
}
