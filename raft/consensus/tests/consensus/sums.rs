//! Two programs that apply one entry in two ways: the node that differs stops, and says at which entry.

use std::{ops::ControlFlow, time::Duration};

use consensus::{Consensus, Role};
use machine::{Proposal, View};
use model::{CommandId, NodeId};

use crate::{
    cluster::{Cluster, caught_up},
    office::{command, update},
};

/// The first node's row in a state.
fn row(node: &Consensus) -> (Vec<u8>, Vec<u8>) {
    const NODES: u8 = 3;
    let mut found = None;
    node.view().scan(&[NODES], &[NODES + 1], &mut |key, value| {
        found = Some((key.to_vec(), value.to_vec()));
        ControlFlow::Break(())
    });
    found.expect("the cluster has a node")
}

#[tokio::test(start_paused = true)]
async fn a_state_that_differs_is_found_with_the_entry_that_differs() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.node(cluster.leader().await.0);
    let follower = (1..=3).find(|number| leader.status().node.0 != *number).expect("another one");
    for number in 0..30 {
        leader.propose(command(number)).await.expect("answered").expect("accepted");
    }
    leader.propose(update(5)).await.expect("answered").expect("accepted");
    for node in cluster.running() {
        caught_up(&node, &leader).await;
    }
    let (key, old) = row(&leader);
    leader.propose(update(6)).await.expect("answered").expect("accepted");
    for node in cluster.running() {
        caught_up(&node, &leader).await;
    }
    let sums: Vec<_> =
        cluster.running().iter().map(|node| View::new(&*node.view()).sum()).collect();
    assert!(sums.iter().all(|sum| *sum == sums[0] && sum.entries > 30), "{sums:?}");
    // Longer than between two heartbeats: all have heard that they agree.
    tokio::time::sleep(Duration::from_secs(1)).await;

    // To the follower the update is none, so it writes nothing where the others write a row.
    cluster.nodes[&NodeId(follower)].state.plant(key, old);
    let index = leader.status().applied.expect("entries") + 1;
    let again = Proposal { id: CommandId(77), ..update(5) };
    leader.propose(again).await.expect("answered").expect("accepted");
    let stopped = cluster.node(follower);
    let mut status = stopped.watch_status();
    let failed = status.wait_for(|status| status.failure.is_some());
    let failed = tokio::time::timeout(Duration::from_secs(10), failed).await;
    let failure = failed.expect("in time").expect("it runs").failure.clone().expect("failed");
    assert!(failure.contains(&format!("up to entry {} of the log", index - 1)), "{failure}");
    assert!(failure.contains(&format!("at entry {index} they do not")), "{failure}");
    // It takes part no longer, and the others go on.
    let ended = status.wait_for(|status| status.role == Role::Stopped);
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("in time").expect("it ran");
    leader.propose(command(99)).await.expect("answered").expect("accepted");

    // Nor after a restart on what it wrote, although nothing new happens: it stands where the others have told of.
    let majority = leader.status().applied;
    cluster.stop(NodeId(follower)).await;
    cluster.start(NodeId(follower)).await;
    let mut status = cluster.node(follower).watch_status();
    let failed = status.wait_for(|status| status.failure.is_some());
    let failed = tokio::time::timeout(Duration::from_secs(30), failed).await;
    failed.expect("in time").expect("it runs");
    assert_eq!(leader.status().applied, majority, "nothing was written meanwhile");
}

/// Two of three agree, and the third leads: it is the one that stops, and the two go on.
#[tokio::test(start_paused = true)]
async fn a_leader_that_a_majority_contradicts_stops_and_the_others_go_on() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.node(cluster.leader().await.0);
    let odd = leader.status().node;
    leader.propose(update(5)).await.expect("answered").expect("accepted");
    for node in cluster.running() {
        caught_up(&node, &leader).await;
    }
    let (key, old) = row(&leader);
    leader.propose(update(6)).await.expect("answered").expect("accepted");
    for node in cluster.running() {
        caught_up(&node, &leader).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;

    // To the leader the update is none, so it writes nothing where the others write a row.
    cluster.nodes[&odd].state.plant(key, old);
    let again = Proposal { id: CommandId(77), ..update(5) };
    leader.propose(again).await.expect("answered").expect("accepted");
    let mut status = leader.watch_status();
    let stopped =
        status.wait_for(|status| status.role == Role::Stopped && status.failure.is_some());
    let stopped = tokio::time::timeout(Duration::from_secs(10), stopped).await;
    let failure = stopped.expect("in time").expect("it runs").failure.clone().expect("failed");
    assert!(failure.contains("a majority of the nodes"), "{failure}");

    let others: Vec<_> =
        cluster.running().into_iter().filter(|it| it.status().node != odd).collect();
    assert_eq!(others.len(), 2);
    // For longer than either of them would have waited before it stopped itself.
    for number in 0..20 {
        let leads = |node: &&Consensus| node.status().role == Role::Leader;
        if let Some(next) = others.iter().find(leads) {
            next.propose(command(100 + number)).await.expect("answered").expect("accepted");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(others.iter().any(|node| node.status().role == Role::Leader));
    for node in &others {
        assert_eq!(node.status().failure, None);
    }

    // It comes back as a follower on what it wrote, and stops again; they still do not.
    cluster.stop(odd).await;
    cluster.start(odd).await;
    let mut status = cluster.node(odd.0).watch_status();
    let failed = status.wait_for(|status| status.failure.is_some());
    tokio::time::timeout(Duration::from_secs(30), failed).await.expect("in time").expect("it runs");
    for node in &others {
        assert_eq!(node.status().failure, None);
    }
}
