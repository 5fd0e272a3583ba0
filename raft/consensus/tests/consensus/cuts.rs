//! Cuts, one way and both: the majority serves again within a second, and who is cut off says so.

use std::time::Duration;

use consensus::ProposeError;
use model::NodeId;
use tokio::time::Instant;

use crate::{
    cluster::{Cluster, id},
    office::{command, holds},
};

/// What the operators are promised.
const SECOND: Duration = Duration::from_secs(1);

async fn cut(ways: &[(usize, usize)], off: &[usize]) {
    cut_in(3, ways, off).await;
}

/// Cuts ways in a cluster of so many (0 leads) and sees how long proposals take at the majority and at
/// who is cut off.
async fn cut_in(count: usize, ways: &[(usize, usize)], off: &[usize]) {
    let cluster = Cluster::of(count as u64).await;
    // A node is given some seconds after its start.
    tokio::time::sleep(Duration::from_secs(6)).await;
    for round in 0..8_u128 {
        let leader = cluster.leader().await;
        let who = |number: usize| id((leader.0 - 1 + number as u64) % count as u64 + 1);
        let ways: Vec<(NodeId, NodeId)> = ways.iter().map(|(a, b)| (who(*a), who(*b))).collect();
        // At another phase of the heartbeats each time.
        tokio::time::sleep(Duration::from_millis(500 + 37 * round as u64)).await;
        cluster.wires.cut_ways(&ways);
        let begun = Instant::now();
        let mut asked = Vec::new();
        for number in 0..count {
            let node = cluster.node(who(number).0);
            let is_off = off.contains(&number);
            asked.push(tokio::spawn(async move {
                let proposal = command(1000 * round + number as u128);
                let asked = (node.propose(proposal.clone()), node.read_index());
                let (answer, read) = tokio::join!(asked.0, asked.1);
                if is_off {
                    assert!(answer.is_err(), "node {number} is cut off and acknowledges");
                    assert!(read.is_err(), "node {number} is cut off and reads");
                } else {
                    read.expect("the majority reads");
                    // What was sent to the old leader is repeated under the same command id.
                    let retried = match answer {
                        Err(ProposeError::Unknown) => node.propose(proposal.clone()).await,
                        other => other,
                    };
                    retried.expect("answered by the majority").expect("accepted");
                }
                (is_off, begun.elapsed(), proposal)
            }));
        }
        let mut acknowledged = Vec::new();
        for task in asked {
            let (is_off, took, proposal) = task.await.expect("it runs");
            assert!(took <= SECOND, "{ways:?}: {took:?}, cut off: {is_off}");
            if !is_off {
                acknowledged.push(proposal);
            }
        }
        cluster.wires.cut_ways(&[]);
        for node in cluster.running() {
            cluster.back(node.status().node.0).await;
            assert!(acknowledged.iter().all(|proposal| holds(&node.view(), proposal)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_gone() {
    cut(&[(0, 1), (0, 2), (1, 0), (2, 0)], &[0]).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_deaf() {
    cut(&[(1, 0), (2, 0)], &[0]).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_mute() {
    cut(&[(0, 1), (0, 2)], &[0]).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_hears_one_and_is_heard_by_the_other() {
    cut(&[(0, 1), (2, 0)], &[0]).await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_does_not_hear_the_leader() {
    cut(&[(0, 1)], &[1]).await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_the_leader_does_not_hear() {
    cut(&[(1, 0)], &[1]).await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_is_gone() {
    cut(&[(0, 1), (2, 1), (1, 0), (1, 2)], &[1]).await;
}

#[tokio::test(start_paused = true)]
async fn followers_that_are_apart() {
    cut(&[(1, 2), (2, 1)], &[]).await;
}

/// Two who hear each other: what one grants the other makes no majority.
#[tokio::test(start_paused = true)]
async fn two_of_five_that_are_gone_together() {
    let apart = |(one, other): (usize, usize)| [(one, other), (other, one)];
    let pairs = [0, 1, 2].into_iter().flat_map(|one| [(one, 3), (one, 4)]);
    let ways: Vec<_> = pairs.flat_map(apart).collect();
    cut_in(5, &ways, &[3, 4]).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_and_one_more_of_five_that_are_gone_together() {
    let apart = |(one, other): (usize, usize)| [(one, other), (other, one)];
    let pairs = [2, 3, 4].into_iter().flat_map(|one| [(one, 0), (one, 1)]);
    let ways: Vec<_> = pairs.flat_map(apart).collect();
    cut_in(5, &ways, &[0, 1]).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_of_five_that_is_gone() {
    let ways: Vec<_> = (1..5).flat_map(|other| [(0, other), (other, 0)]).collect();
    cut_in(5, &ways, &[0]).await;
}
