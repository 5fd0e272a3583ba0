//! A cluster of two versions of the program: nothing new happens until every node knows it, and one entry ends that.

use consensus::Consensus;
use machine::{AdoptRules, Answer, Command, Outcome, Proposal, Proposer, Refusal, Rules, View};
use model::{CommandId, NodeId};

use crate::{
    cluster::{Cluster, caught_up, id},
    office::{admit_under, command, content, found_under, knows},
};

const OLD: Rules = Rules::FIRST;
const NEW: Rules = Rules::LEASES;

/// What the newer program does and the older one has never heard of.
fn new_command(number: u128) -> Proposal {
    let (id, by) = (CommandId(5_000_000 + number), Proposer::Node(NodeId(1)));
    Proposal { id, by, command: Command::Pulse }
}

fn adopt(number: u128, rules: Rules) -> Proposal {
    let (id, by) = (CommandId(6_000_000 + number), Proposer::Node(NodeId(1)));
    Proposal { id, by, command: Command::AdoptRules(AdoptRules { rules }) }
}

async fn answer(node: &Consensus, proposal: Proposal) -> Answer {
    node.propose(proposal).await.expect("a majority answers")
}

/// Each node, with all of the log applied.
async fn all_alike(cluster: &Cluster) {
    let leader = cluster.node(cluster.leader().await.0);
    for node in cluster.running() {
        caught_up(&node, &leader).await;
        assert!(content(&node.view()) == content(&leader.view()), "{:?}", node.status());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_two_versions_applies_nothing_new_until_all_know_it() {
    // The third node has the newer program already, the others have the older one.
    let mut cluster = Cluster::new();
    cluster.start(id(1)).await;
    cluster.node(1).found(found_under(OLD)).await.expect("founded").expect("accepted");
    for (number, rules) in [(2, OLD), (3, NEW)] {
        admit_under(&cluster.node(1), id(number), rules).await;
        cluster.start(id(number)).await;
        cluster.node(1).admit(id(number)).await.expect("admitted");
    }
    let mut count = 0;
    // One node after the other gets the newer program.
    for newest in [3, 1, 2] {
        if newest != 3 {
            // It was off meanwhile, and whoever leads then knows the newer rules or does not.
            cluster.crash(id(newest)).await;
            cluster.start(id(newest)).await;
            cluster.back(newest).await;
            let known = answer(&cluster.node(newest), knows(newest.into(), NEW)).await;
            assert_eq!(known, Ok(Outcome::Done));
        }
        if newest == 2 {
            break;
        }
        for node in cluster.running() {
            count += 1;
            // Not even from the node that knows it, and whoever leads.
            assert_eq!(answer(&node, new_command(count)).await, Err(Refusal::NotYet));
            assert_eq!(answer(&node, adopt(count, NEW)).await, Err(Refusal::RulesTooOld));
            assert_eq!(View::new(&*node.view()).rules(), OLD);
            // What every program knows goes on.
            answer(&node, command(count)).await.expect("accepted");
        }
        all_alike(&cluster).await;
    }
    // All know it, and still it waits for the one entry that says so.
    let last = cluster.node(2);
    assert_eq!(answer(&last, new_command(90)).await, Err(Refusal::NotYet));
    assert_eq!(answer(&last, adopt(90, NEW)).await, Ok(Outcome::Done));
    for node in cluster.running() {
        count += 1;
        assert_eq!(answer(&node, new_command(100 + count)).await, Ok(Outcome::Done));
    }
    all_alike(&cluster).await;
    // There is no way back for a single node.
    assert_eq!(answer(&last, knows(91, OLD)).await, Err(Refusal::RulesTooOld));
    assert_eq!(View::new(&*last.view()).rules(), NEW);
    assert!(cluster.running().iter().all(|node| node.status().failure.is_none()));
}

/// The state has adopted what this program does not know: it applies nothing under rules that it cannot read.
#[tokio::test(start_paused = true)]
async fn a_program_that_does_not_know_what_was_adopted_stops_before_it_applies_more() {
    const UNKNOWN: Rules = Rules(machine::RULES_KNOWN.0 + 1);
    let mut cluster = Cluster::new();
    cluster.start(id(1)).await;
    // It told of rules that its program does not have: as good as an older program on a newer state.
    cluster.node(1).found(found_under(NEW)).await.expect("founded").expect("accepted");
    let node = cluster.node(1);
    answer(&node, knows(1, UNKNOWN)).await.expect("accepted");
    let before = content(&node.view());
    assert!(node.propose(adopt(1, UNKNOWN)).await.is_err(), "nobody answers");
    let mut status = node.watch_status();
    let failed = status.wait_for(|status| status.failure.is_some());
    let failed = tokio::time::timeout(std::time::Duration::from_secs(10), failed).await;
    let failure = failed.expect("in time").expect("it runs").failure.clone().expect("failed");
    assert!(failure.contains("rules"), "{failure}");
    assert!(content(&node.view()) == before, "the entry left nothing");
}
