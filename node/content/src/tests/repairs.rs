//! Repairs of small contents: a good record gets a new place, and the bad one is destroyed.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use model::NodeId;

use super::{Cluster, Dice, packet, read_all, space};
use crate::{
    Content,
    index::{Location, RecordAt},
    record::RECORD_HEAD,
    segments::segment_path,
};

fn record_at(store: &Content) -> RecordAt {
    match store.location(space(1)) {
        Some(Location::Record(at)) => at,
        location => panic!("{location:?} is no record"),
    }
}

/// Two nodes with a content of two reads; the first one's key slot is damaged.
async fn damaged(seed: u64) -> (Cluster, Vec<u8>) {
    let cluster = Cluster::new(seed, 2).await;
    let octets = Dice::new(seed).octets(900_000);
    let (store, content) = (cluster.store(1), octets.clone().into());
    let stored = store.put_small(space(1), packet(1), Bytes::new(), content).await;
    assert_eq!(stored.expect("stored").holders.len(), 2);
    (cluster, octets)
}

fn damage(cluster: &Cluster) -> RecordAt {
    let at = record_at(&cluster.store(1));
    let slot = u64::from(at.offset) + RECORD_HEAD as u64 + 3;
    assert!(cluster.disks[&1].flip(&segment_path(at.segment), slot, 0x10));
    at
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_meets_a_repair_goes_on_at_the_new_place() {
    let (cluster, octets) = damaged(110).await;
    let store = cluster.store(1);
    let mut reading = store.read(space(1), None, None).await.expect("opens");
    let mut given = reading.next().await.expect("a piece").expect("good").to_vec();
    let before = damage(&cluster);
    store.fetch(space(1), None, &[NodeId(2)]).await.expect("repaired");
    assert_ne!(record_at(&store).offset, before.offset);
    // From here on only this node can give it.
    cluster.net.cut(1, 2);
    while let Some(piece) = reading.next().await {
        given.extend_from_slice(&piece.expect("good"));
    }
    assert_eq!(given, octets);
    assert_eq!(store.metrics().damage_found.load(Relaxed), 0, "the disk is not blamed");
}

#[tokio::test(start_paused = true)]
async fn repairs_at_the_same_time_write_one_record() {
    let (cluster, octets) = damaged(111).await;
    let store = cluster.store(1);
    damage(&cluster);
    let before = store.metrics().records_committed.load(Relaxed);
    let holders = [NodeId(2)];
    let repairs = (0..4).map(|_| store.fetch(space(1), None, &holders));
    for repaired in futures_util::future::join_all(repairs).await {
        repaired.expect("repaired");
    }
    assert_eq!(store.metrics().records_committed.load(Relaxed) - before, 1);
    cluster.crash(1).await;
    let store = cluster.start(1).await.expect("opens");
    assert_eq!(store.count(), 1);
    assert_eq!(read_all(&store, space(1), None).await.expect("reads"), octets);
}

/// Power cuts at every point of a repair: what the node holds afterwards is whole or is not there.
#[tokio::test(start_paused = true)]
async fn a_power_cut_during_a_repair_leaves_no_second_record() {
    for step in 1..16 {
        let (cluster, octets) = damaged(120 + step).await;
        let store = cluster.store(1);
        damage(&cluster);
        cluster.disks[&1].crash_at(cluster.disks[&1].operations() + step);
        drop(store.fetch(space(1), None, &[NodeId(2)]).await);
        cluster.crash(1).await;
        let store = cluster.start(1).await.expect("opens");
        store.fetch(space(1), None, &[NodeId(2)]).await.expect("repaired");
        assert_eq!(read_all(&store, space(1), None).await.expect("reads"), octets);
        store.purge(vec![space(1)]).await.expect("purged");
        let files = cluster.disks[&2].files();
        let record = record_at(&cluster.store(2));
        let path = segment_path(record.segment);
        let (_, segment) = files.iter().find(|(name, _)| *name == path).expect("its copy");
        let slot = record.offset as usize + RECORD_HEAD;
        assert!(!cluster.disks[&1].contains(&segment[slot..slot + 32]), "step {step}");
    }
}
