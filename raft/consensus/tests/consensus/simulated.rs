//! Clusters on simulated disks: every scene runs in virtual time.

use std::time::Duration;

use bytes::Bytes;
use consensus::{Consensus, MemberError, ProposeError, Role};
use futures_util::future::join_all;
use machine::Outcome;
use tokio::time::{Instant, timeout};

use crate::{
    cluster::{Cluster, PATIENCE, caught_up, id, until},
    office::{admit, command, content, found, holds, huge, update},
};

#[tokio::test(start_paused = true)]
async fn a_node_alone_is_founded_once_and_answers() {
    let mut cluster = Cluster::new();
    cluster.start(id(1)).await;
    let node = cluster.node(1);
    assert!(node.fresh().is_err(), "a node without a cluster knows nothing");
    let answer = node.found(found()).await.expect("founded");
    assert!(matches!(answer, Ok(Outcome::NodeAdmitted(_))), "{answer:?}");
    node.found(found()).await.expect_err("only once");
    node.propose(command(1)).await.expect("answered").expect("accepted");
    node.fresh().expect("alone it is the majority");
    node.read_index().await.expect("read");
    assert!(holds(&node.view(), &command(1)));
    assert_eq!(node.status().role, Role::Leader);
}

#[tokio::test(start_paused = true)]
async fn every_node_takes_proposals_and_reads_its_own_writes() {
    let cluster = Cluster::of(3).await;
    for number in 1..=3 {
        let node = cluster.node(number);
        let mut effects = node.subscribe();
        let proposal = command(number.into());
        node.propose(proposal.clone()).await.expect("answered").expect("accepted");
        assert!(holds(&node.shared_view().await, &proposal), "node {number} reads its own write");
        cluster.node(1).propose(update(number.into())).await.expect("answered").expect("accepted");
        effects.recv().await.expect("an effect");
        for other in cluster.running() {
            let view = other.read_view().await.expect("read");
            assert!(holds(&view, &proposal), "a linearizable read sees it anywhere");
            assert!(holds(&other.view(), &proposal), "and so does every later one");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_command_gets_the_same_answer_everywhere() {
    let cluster = Cluster::of(3).await;
    let first = cluster.node(2).propose(command(1)).await.expect("answered");
    for node in cluster.running() {
        assert_eq!(node.propose(command(1)).await.expect("answered"), first);
    }
}

#[tokio::test(start_paused = true)]
async fn many_proposals_share_entries() {
    let cluster = Cluster::of(3).await;
    for node in cluster.nodes.values() {
        node.log.set_sync_delay(Duration::from_millis(2));
    }
    let before = cluster.node(1).status().last_log.expect("a log");
    let all = (0..3_000_u32).map(|n| {
        let node = cluster.node(u64::from(n % 3) + 1);
        async move { node.propose(command(n.into())).await }
    });
    for answer in join_all(all).await {
        answer.expect("answered").expect("accepted");
    }
    let entries = cluster.node(1).status().last_log.expect("a log") - before;
    assert!(entries < 300, "{entries} entries for 3000 proposals");
}

#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_replaced_and_nothing_is_lost() {
    let mut cluster = Cluster::of(3).await;
    for node in cluster.nodes.values() {
        node.log.set_sync_delay(Duration::from_millis(1));
    }
    let mut acknowledged = Vec::new();
    for round in 0..5_u128 {
        let leader = cluster.leader().await;
        let others: Vec<_> = cluster.running();
        let others: Vec<_> = others.into_iter().filter(|n| n.status().node != leader).collect();
        let load = (0..20_u128).map(|n| {
            let node = others[(n % 2) as usize].clone();
            let proposal = command(round * 100 + n);
            async move {
                let begin = Instant::now();
                loop {
                    let answer = node.propose(proposal.clone()).await;
                    // A node that hears no majority for long (an election that needs a second round)
                    // says so, and its callers ask again.
                    if answer.is_ok() || begin.elapsed() > Duration::from_secs(2) {
                        return (proposal, answer);
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
        let load = tokio::spawn(join_all(load.collect::<Vec<_>>()));
        cluster.crash(leader).await;
        let begin = Instant::now();
        for (proposal, answer) in load.await.expect("the load runs") {
            answer.expect("answered by the next leader").expect("accepted");
            acknowledged.push(proposal);
        }
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        cluster.start(leader).await;
        cluster.node(leader.0).read_index().await.expect("it is back");
    }
    for node in cluster.running() {
        node.read_index().await.expect("read");
        let state = node.view();
        assert!(acknowledged.iter().all(|proposal| holds(&state, proposal)));
    }
    let states: Vec<_> = cluster.running().iter().map(|node| content(&node.view())).collect();
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "the states agree");
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_of_all_nodes_loses_nothing_that_was_acknowledged() {
    assert!(power_cut(false).await, "nothing is lost");
}

#[tokio::test(start_paused = true)]
async fn without_the_sync_the_same_power_cut_does_lose() {
    assert!(!power_cut(true).await, "the negative control must find the loss");
}

/// Whether everything acknowledged is there after all nodes lost their power at once.
async fn power_cut(ack_before_sync: bool) -> bool {
    let mut cluster = Cluster::of(3).await;
    for node in cluster.nodes.values() {
        node.log.set_sync_delay(Duration::from_millis(20));
        node.log.set_ack_before_sync(ack_before_sync);
    }
    let node = cluster.node(1);
    for n in 0..10 {
        node.propose(command(n)).await.expect("answered").expect("accepted");
    }
    for number in 1..=3 {
        cluster.crash(id(number)).await;
    }
    for number in 1..=3 {
        cluster.nodes[&id(number)].log.set_ack_before_sync(false);
        cluster.start(id(number)).await;
    }
    let node = cluster.node(2);
    node.read_index().await.expect("a majority is back");
    let state = node.view();
    (0..10).all(|n| holds(&state, &command(n)))
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_away_catches_up_by_a_snapshot() {
    let mut cluster = Cluster::new();
    cluster.snapshot_entries = 50;
    cluster.grow(3).await;
    let away = (1..=3).map(id).find(|n| *n != id(1)).expect("another");
    cluster.wires.cut(away);
    let leader = cluster.node(1);
    for n in 0..400 {
        leader.propose(command(n)).await.expect("answered").expect("accepted");
    }
    let before = cluster.wires.bulk();
    let node = cluster.node(away.0);
    let replaced = node.watch_replaced();
    cluster.wires.join(away);
    caught_up(&node, &leader).await;
    assert!(cluster.wires.bulk() > before, "blocks were sent");
    assert!(*replaced.borrow() > 0, "the state was replaced");
    assert_eq!(content(&node.view()), content(&leader.view()));
    // And it survives the loss of its power.
    cluster.crash(away).await;
    cluster.start(away).await;
    cluster.node(away.0).read_index().await.expect("it is back");
    assert_eq!(content(&cluster.node(away.0).view()), content(&leader.view()));
}

/// The leader has the proposal of another node in its log, tells nobody, and stops.
#[tokio::test(start_paused = true)]
async fn what_a_stopping_leader_has_taken_may_happen_and_nobody_says_that_it_will_not() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let [asking, third] = [id(leader.0 % 3 + 1), id((leader.0 + 1) % 3 + 1)];
    cluster.wires.cut(third);
    cluster.wires.mute(leader);
    let (node, leading) = (cluster.node(asking.0), cluster.node(leader.0));
    let before = leading.status().last_log;
    let proposal = command(4);
    let proposed = tokio::spawn({
        let (node, proposal) = (node.clone(), proposal.clone());
        async move { node.propose(proposal).await }
    });
    until(&leading, "the proposal stands in the log", |status| status.last_log > before).await;
    leading.kill().await;
    let answer = proposed.await.expect("the proposal runs");
    assert_eq!(answer.expect_err("no majority is left"), ProposeError::Unknown);
    // And it does happen: the log of the node that comes back is the longest.
    drop((node, leading));
    cluster.wires.detach(leader);
    cluster.crash(asking).await;
    cluster.wires.join(third);
    cluster.wires.join(leader);
    cluster.start(leader).await;
    cluster.leader().await;
    let node = cluster.node(third.0);
    cluster.back(third.0).await;
    assert!(holds(&node.view(), &proposal), "it has happened");
}

/// The kind of a message that carries proposals.
const PROPOSE: u8 = 16;

/// An answer that this program cannot read says nothing about what became of the proposal.
#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_unknown_and_is_not_asked_for_again() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let other = cluster.node(leader.0 % 3 + 1);
    cluster.wires.garble(Some(|message, answer| {
        let garbled = Bytes::from_static(&[1, 0, 0xff, 0xff]);
        if message[1] == PROPOSE { garbled } else { answer }
    }));
    let (sent, begin) = (cluster.wires.messages(PROPOSE), Instant::now());
    let answer = other.propose(command(1)).await;
    assert_eq!(answer.expect_err("nobody can read it"), ProposeError::Unknown);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(cluster.wires.messages(PROPOSE) - sent, 1, "it was proposed once");
    other.read_index().await.expect("read");
    assert!(holds(&other.view(), &command(1)), "it has happened");
    cluster.wires.garble(None);
    other.propose(command(1)).await.expect("the same command again").expect("accepted");
}

/// One answer of a kind that this program does not know spoils none of the others in the batch.
#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_spoils_no_other() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let other = cluster.node(leader.0 % 3 + 1);
    // The first of several fates becomes one of a number that nobody knows.
    cluster.wires.garble(Some(|message, answer| {
        if message[1] != PROPOSE || answer[2] < 0x82 {
            return answer;
        }
        assert_eq!(answer[3..5], [0x82, 0x00], "a fate is a number and what belongs to it");
        [&answer[..4], &[0x18, 0x63], &answer[5..]].concat().into()
    }));
    let both = join_all([other.propose(command(1)), other.propose(command(2))]).await;
    let unknown = both.iter().filter(|answer| **answer == Err(ProposeError::Unknown)).count();
    let accepted = both.iter().filter(|answer| matches!(answer, Ok(Ok(_)))).count();
    assert_eq!((unknown, accepted), (1, 1), "{both:?}");
}

#[tokio::test(start_paused = true)]
async fn a_proposal_that_cannot_travel_is_refused_for_good() {
    let cluster = Cluster::of(3).await;
    for node in cluster.running() {
        let answer = node.propose(huge()).await.expect_err("it is too large");
        assert!(matches!(answer, ProposeError::TooLarge { octets, max } if octets > max));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_waits_its_own_time_and_not_that_of_another() {
    let cluster = Cluster::of(3).await;
    let cut = id(cluster.leader().await.0 % 3 + 1);
    let node = cluster.node(cut.0);
    cluster.wires.cut(cut);
    let first = tokio::spawn({
        let node = node.clone();
        async move { node.read_index().await }
    });
    // The first one's round is under way and will fail.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begin = Instant::now();
    node.read_index().await.expect_err("no majority confirms a read");
    let waited = begin.elapsed();
    assert!(waited <= Duration::from_millis(5_100), "it waited {waited:?}");
    first.await.expect("it runs").expect_err("no majority confirms a read");
}

#[tokio::test(start_paused = true)]
async fn a_cut_off_node_is_not_fresh_and_says_so() {
    let cluster = Cluster::of(3).await;
    for node in cluster.running() {
        node.propose(command(7)).await.expect("answered").expect("accepted");
    }
    tokio::time::advance(Duration::from_millis(1)).await;
    let leader = cluster.leader().await;
    for cut in [leader, id(leader.0 % 3 + 1)] {
        let node = cluster.node(cut.0);
        timeout(PATIENCE, async {
            while node.fresh().is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("a node among the others is fresh");
        cluster.wires.cut(cut);
        let begin = Instant::now();
        while node.fresh().is_ok() {
            assert!(begin.elapsed() <= Duration::from_secs(2), "it stays fresh for too long");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let answer = node.propose(command(99)).await;
        assert!(matches!(answer, Err(ProposeError::Unavailable { .. } | ProposeError::Unknown)));
        node.read_index().await.expect_err("no majority confirms a read");
        cluster.wires.join(cut);
        cluster.back(cut.0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn members_come_as_learners_and_go_for_good() {
    let mut cluster = Cluster::of(1).await;
    for number in 2..=4 {
        admit(&cluster.node(1), id(number)).await;
        cluster.start(id(number)).await;
    }
    // A node that cannot be reached stays a learner.
    cluster.wires.cut(id(4));
    assert_eq!(cluster.node(1).admit(id(4)).await, Err(MemberError::Behind { node: id(4) }));
    assert_eq!(cluster.node(1).status().voters, [id(1)]);
    assert_eq!(cluster.node(1).status().learners, [id(4)]);
    cluster.node(1).admit(id(2)).await.expect("admitted");
    cluster.node(2).admit(id(3)).await.expect("a follower may be asked");
    cluster.node(3).remove(id(4)).await.expect("a learner goes");
    assert_eq!(cluster.leader().await, id(1));
    cluster.node(2).remove(id(1)).await.expect("the leader itself goes");
    let node = cluster.node(2);
    until(&node, "another leader", |status| status.leader.is_some_and(|it| it != id(1))).await;
    assert_eq!(node.status().voters, [id(2), id(3)]);
    node.propose(command(5)).await.expect("answered").expect("accepted");
    cluster.node(3).remove(id(3)).await.expect("removed");
    let last = cluster.node(2).remove(id(2)).await;
    assert!(matches!(last, Err(MemberError::Refused { .. })), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn leadership_is_handed_over_at_a_clean_stop() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let other = cluster.node(leader.0 % 3 + 1);
    other.propose(command(1)).await.expect("answered").expect("accepted");
    let begin = Instant::now();
    let stopping = cluster.node(leader.0);
    let stop = tokio::spawn(async move { stopping.shutdown().await });
    let mut longest = Duration::ZERO;
    for n in 2..200 {
        let before = Instant::now();
        other.propose(command(n)).await.expect("answered").expect("accepted");
        longest = longest.max(before.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stop.await.expect("stopped");
    assert!(longest < Duration::from_millis(100), "a gap of {longest:?}");
    assert!(begin.elapsed() < PATIENCE);
    assert_eq!(cluster.node(leader.0).status().role, Role::Stopped);
}

#[tokio::test(start_paused = true)]
async fn leadership_can_be_moved_by_hand() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    cluster.node(leader.0 % 3 + 1).transfer_leadership().await.expect("moved");
    assert_ne!(cluster.leader().await, leader);
}

#[tokio::test(start_paused = true)]
async fn a_node_with_a_wrong_clock_does_not_lead_nor_drag_time_along() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let node = cluster.node(leader.0);
    node.propose(command(1)).await.expect("answered").expect("accepted");
    cluster.nodes[&leader].clock.set_wrong_by(3_600_000);
    node.propose(command(2)).await.expect("answered").expect("accepted");
    let date = machine::View::new(&*node.view()).clock().date;
    let right = consensus::Clock::now(&cluster.nodes[&id(leader.0 % 3 + 1)].clock);
    assert!(date <= right, "{date} where it is {right}");
    assert!(node.date().is_some_and(|date| date <= right), "its own clock is not asked");
    until(&node, "it gives up", |status| status.leader != Some(leader)).await;
    assert!(!node.status().may_lead);
    assert!(node.status().clock_offset_ms.expect("known") > 3_500_000);
    // It may lead again once its clock is right.
    cluster.nodes[&leader].clock.set_wrong_by(0);
    until(&node, "it is trusted again", |status| status.may_lead).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_through_an_election_gets_the_time_that_it_is() {
    let mut cluster = Cluster::of(3).await;
    cluster.node(1).propose(command(1)).await.expect("answered").expect("accepted");
    for round in 2..5 {
        // Nothing happens for a while, and then the leader dies: the last entry is old.
        tokio::time::sleep(Duration::from_secs(120)).await;
        let leader = cluster.leader().await;
        let other = cluster.node(leader.0 % 3 + 1);
        cluster.crash(leader).await;
        other.propose(command(round)).await.expect("answered").expect("accepted");
        let right = consensus::Clock::now(&cluster.nodes[&other.status().node].clock);
        let date = machine::View::new(&*other.view()).clock().date;
        assert!(right.since(date) <= Duration::from_secs(5), "{date} where it is {right}");
        cluster.start(leader).await;
    }
}

const DAY: i64 = 86_400_000;

/// The date and the tick of what is applied, and the right date now.
fn times(cluster: &Cluster, node: &Consensus) -> (machine::Time, model::Moment) {
    let right = cluster.nodes[&node.status().node].clock.right();
    (machine::View::new(&*node.view()).clock(), right)
}

#[tokio::test(start_paused = true)]
async fn a_majority_of_clocks_moves_dates_and_not_what_is_counted() {
    let cluster = Cluster::of(3).await;
    let (node, begun) = (cluster.node(2), Instant::now());
    node.propose(command(1)).await.expect("answered").expect("accepted");
    let (first, _) = times(&cluster, &node);
    for (n, days) in [100, -100, 1000, -2000].into_iter().enumerate() {
        for number in [1, 3] {
            cluster.nodes[&id(number)].clock.set_wrong_by(days * DAY);
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        node.propose(command(n as u128 * 2 + 2)).await.expect("answered").expect("accepted");
        let (now, right) = times(&cluster, &node);
        let wrong = now.date.0 as i64 - right.0 as i64;
        assert!((wrong - days * DAY).abs() < 1_000, "{} where it is {right}", now.date);
        for number in [1, 3] {
            cluster.nodes[&id(number)].clock.set_wrong_by(0);
        }
        // Some heartbeats later everybody knows.
        tokio::time::sleep(Duration::from_secs(1)).await;
        node.propose(command(n as u128 * 2 + 3)).await.expect("answered").expect("accepted");
        let (now, right) = times(&cluster, &node);
        assert!(right.since(now.date) < Duration::from_secs(1), "{} is not {right}", now.date);
        assert!(now.date <= right);
        let (counted, ran) = (now.tick.since(first.tick), begun.elapsed());
        assert!(counted <= ran && ran - counted < Duration::from_secs(1), "{counted:?}, {ran:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_off_for_months_starts_with_the_date_that_it_is() {
    let mut cluster = Cluster::of(3).await;
    cluster.node(2).propose(command(1)).await.expect("answered").expect("accepted");
    let (before, _) = times(&cluster, &cluster.node(2));
    for number in 1..=3 {
        cluster.crash(id(number)).await;
        cluster.nodes[&id(number)].clock.set_wrong_by(60 * DAY);
    }
    for number in 1..=3 {
        cluster.start(id(number)).await;
    }
    let leader = cluster.leader().await;
    cluster.node(leader.0).propose(command(2)).await.expect("answered").expect("accepted");
    let (now, right) = times(&cluster, &cluster.node(leader.0));
    assert!(now.date.since(right) > Duration::from_secs(59 * 86_400), "{} and {right}", now.date);
    // What counts is how long it ran.
    assert!(now.tick.since(before.tick) < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn two_wrong_clocks_lead_where_the_right_one_is_down() {
    let mut cluster = Cluster::of(3).await;
    cluster.node(1).propose(command(1)).await.expect("answered").expect("accepted");
    let leader = cluster.leader().await;
    let others = [leader.0 % 3 + 1, (leader.0 + 1) % 3 + 1];
    for (number, hours) in others.into_iter().zip([1, -1]) {
        cluster.nodes[&id(number)].clock.set_wrong_by(hours * 3_600_000);
    }
    // Until both know that they are wrong.
    for number in others {
        until(&cluster.node(number), "it is astray", |status| !status.may_lead).await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    cluster.crash(leader).await;
    let answer = timeout(Duration::from_secs(30), cluster.leader()).await;
    let next = answer.expect("better one with a wrong clock than none");
    cluster.node(next.0).propose(command(2)).await.expect("answered").expect("accepted");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_may_not_lead_does_not() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let node = cluster.node(leader.0);
    node.set_may_lead(false);
    until(&node, "it gives up", |status| status.leader.is_some_and(|it| it != leader)).await;
    assert_ne!(cluster.leader().await, leader);
}

#[tokio::test(start_paused = true)]
async fn a_failing_disk_stops_the_node_and_not_the_cluster() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    cluster.nodes[&leader].log.set_failing(true);
    let other = cluster.node(leader.0 % 3 + 1);
    let answer = other.propose(command(1)).await;
    answer.expect("answered by the next leader").expect("accepted");
    let node = cluster.node(leader.0);
    until(&node, "it stops", |status| status.role == Role::Stopped).await;
    assert!(node.status().failure.is_some());
    assert!(node.fresh().is_err());
}
