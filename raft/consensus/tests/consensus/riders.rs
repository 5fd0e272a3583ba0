//! What rides with entries: kept beside the log on every node before the entry is answered.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use consensus::{Attachment, AttachmentKey, Attachments, Consensus, Kept, ProposeError, TellKept};
use futures_util::future::BoxFuture;
use model::NodeId;
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{
    cluster::{Cluster, PATIENCE, caught_up, id, until},
    office::{command, holds},
};

/// Where a node keeps what rides, as a disk does: what was not synced is lost in a crash.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Shelves>>);

#[derive(Default)]
struct Shelves {
    synced: BTreeMap<AttachmentKey, Bytes>,
    /// Syncs that wait until they are let go.
    waiting: Vec<(Vec<Attachment>, TellKept)>,
    slow: bool,
    full: bool,
    short: bool,
}

impl Shelf {
    /// Syncs wait from now on, or are let go.
    pub fn set_slow(&self, slow: bool) {
        let waiting = {
            let mut shelves = self.0.lock();
            shelves.slow = slow;
            if slow { Vec::new() } else { std::mem::take(&mut shelves.waiting) }
        };
        waiting.into_iter().for_each(|(attachments, tell)| self.keep(attachments, tell));
    }

    /// Nothing more fits.
    pub fn set_full(&self, full: bool) {
        self.0.lock().full = full;
    }

    /// Only the reserve is left.
    pub fn set_short(&self, short: bool) {
        self.0.lock().short = short;
    }

    pub fn crash(&self) {
        let waiting = std::mem::take(&mut self.0.lock().waiting);
        self.0.lock().slow = false;
        drop(waiting);
    }

    pub fn has(&self, number: u8) -> bool {
        self.holds([number; 16])
    }

    pub fn destroy(&self, number: u8) {
        self.0.lock().synced.remove(&[number; 16]);
    }
}

impl Attachments for Shelf {
    fn is_sound(&self, attachment: &Attachment) -> bool {
        attachment.record[..16] == attachment.key
    }

    fn has_room(&self) -> bool {
        !self.0.lock().short
    }

    fn keep(&self, attachments: Vec<Attachment>, tell: TellKept) {
        let kept = {
            let mut shelves = self.0.lock();
            if shelves.slow {
                return shelves.waiting.push((attachments, tell));
            }
            match shelves.full {
                true => Kept::NoRoom,
                false => {
                    shelves.synced.extend(attachments.into_iter().map(|it| (it.key, it.record)));
                    Kept::Whole
                }
            }
        };
        tell(kept);
    }

    fn holds(&self, key: AttachmentKey) -> bool {
        self.0.lock().synced.contains_key(&key)
    }

    fn find(&self, key: AttachmentKey) -> BoxFuture<'static, Option<Bytes>> {
        Box::pin(std::future::ready(self.0.lock().synced.get(&key).cloned()))
    }
}

fn attachment(number: u8) -> Attachment {
    Attachment { key: [number; 16], record: vec![number; 1_000].into() }
}

/// Many times what an append takes here, and less than what makes a leader doubt that it is followed.
const WELL_WITHIN: Duration = Duration::from_millis(300);

async fn ride(node: &Consensus, number: u8) -> Result<(), ProposeError> {
    let answer = node.propose_with(command(number.into()), attachment(number)).await?;
    answer.expect("accepted");
    Ok(())
}

impl Cluster {
    fn shelf(&self, node: NodeId) -> &Shelf {
        &self.nodes[&node].shelf
    }

    async fn others(&self) -> (NodeId, [NodeId; 2]) {
        let leader = self.leader().await;
        (leader, [id(leader.0 % 3 + 1), id((leader.0 + 1) % 3 + 1)])
    }
}

/// Waits until a node has something.
async fn comes(cluster: &Cluster, node: NodeId, number: u8) {
    let look = async {
        while !cluster.shelf(node).has(number) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, look).await.expect("it comes in time");
}

#[tokio::test(start_paused = true)]
async fn what_rides_is_on_a_majority_when_the_answer_comes() {
    let cluster = Cluster::of(3).await;
    for number in 1..=3 {
        ride(&cluster.node(number), number as u8).await.expect("answered");
        let nodes = (1..=3).filter(|node| cluster.shelf(id(*node)).has(number as u8));
        assert!(nodes.count() >= 2);
        for node in 1..=3 {
            comes(&cluster, id(node), number as u8).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_is_not_acknowledged_before_what_rides_with_it_is_kept() {
    let cluster = Cluster::of(3).await;
    let (leader, others) = cluster.others().await;
    others.iter().for_each(|node| cluster.shelf(*node).set_slow(true));
    let node = cluster.node(leader.0);
    let riding = tokio::spawn(async move { ride(&node, 7).await });
    let bare = cluster.node(leader.0);
    tokio::time::sleep(WELL_WITHIN).await;
    assert!(!riding.is_finished(), "its own log and shelf are no majority");
    let after = tokio::spawn(async move { bare.propose(command(8)).await });
    tokio::time::sleep(WELL_WITHIN).await;
    assert!(!after.is_finished(), "nor is what comes behind it");
    cluster.shelf(others[0]).set_slow(false);
    riding.await.expect("it runs").expect("answered");
    after.await.expect("it runs").expect("answered").expect("accepted");
    assert!(cluster.shelf(others[0]).has(7) && !cluster.shelf(others[1]).has(7));
    cluster.shelf(others[1]).set_slow(false);
    comes(&cluster, others[1], 7).await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_whose_companion_was_lost_with_the_power_is_forgotten_and_comes_again() {
    let mut cluster = Cluster::of(3).await;
    let (leader, others) = cluster.others().await;
    cluster.shelf(others[0]).set_slow(true);
    ride(&cluster.node(leader.0), 7).await.expect("answered by two");
    // The log of this one is synced, and what rides is not.
    tokio::time::sleep(Duration::from_millis(500)).await;
    cluster.crash(others[0]).await;
    assert!(!cluster.shelf(others[0]).has(7));
    // It may not lead with that entry, nor agree to it as it is.
    cluster.crash(others[1]).await;
    cluster.crash(leader).await;
    cluster.start(others[0]).await;
    cluster.start(leader).await;
    comes(&cluster, others[0], 7).await;
    cluster.back(leader.0).await;
    for node in [leader, others[0]] {
        cluster.back(node.0).await;
        assert!(holds(&cluster.node(node.0).view(), &command(7)), "it was answered");
    }
}

#[tokio::test(start_paused = true)]
async fn who_lags_gets_it_with_the_entry_while_it_is_there() {
    let mut cluster = Cluster::of(3).await;
    let (leader, others) = cluster.others().await;
    let (node, behind) = (cluster.node(leader.0), others[0]);
    cluster.crash(behind).await;
    for number in 1..20 {
        ride(&node, number).await.expect("answered");
    }
    node.before_destroying().await.expect("noted");
    (1..=3).for_each(|number| cluster.shelf(id(number)).destroy(5));
    // The leader remembers nothing of it any more.
    tokio::time::sleep(Duration::from_secs(20)).await;
    cluster.start(behind).await;
    caught_up(&cluster.node(behind.0), &node).await;
    for number in 1..20 {
        assert_eq!(cluster.shelf(behind).has(number), number != 5);
    }
    // What was destroyed does not make a log look torn, here nor there.
    for node in [leader, behind] {
        cluster.node(node.0).before_destroying().await.expect("noted");
        let before = cluster.nodes[&node].log.synced_last();
        cluster.crash(node).await;
        cluster.start(node).await;
        assert!(cluster.nodes[&node].log.synced_last() >= before);
        cluster.back(node.0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_a_node_lacks_room_nothing_rides_and_commands_go_on() {
    let cluster = Cluster::of(3).await;
    let (leader, others) = cluster.others().await;
    let node = cluster.node(leader.0);
    for short in [leader, others[0], others[1]] {
        cluster.shelf(short).set_short(true);
        // Some heartbeats later the leader knows.
        tokio::time::sleep(Duration::from_secs(1)).await;
        for number in 1..=3 {
            assert_eq!(ride(&cluster.node(number), 9).await, Err(ProposeError::NoRide));
        }
        cluster.shelf(short).set_short(false);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    ride(&node, 9).await.expect("answered");
    // One that has no room at all takes what the others hold, and goes on with the log.
    cluster.shelf(others[0]).set_full(true);
    ride(&node, 10).await.expect("answered");
    ride(&cluster.node(others[1].0), 11).await.expect("answered");
    caught_up(&cluster.node(others[0].0), &node).await;
    until(&cluster.node(others[0].0), "it is well", |status| status.failure.is_none()).await;
    assert!(!cluster.shelf(others[0]).has(10));
}
