//! Records that are sealed first and given to each node by somebody else.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{Cluster, Dice, packet, read_all, space};
use crate::{Content, Error, SMALL_MAX, SealedRecord, disk::sim::Fault, tasks::tell};

const META: Bytes = Bytes::from_static(b"canary-file-name.pdf");

fn seal(store: &Content, number: u128, octets: Vec<u8>) -> SealedRecord {
    store.seal_small(space(number), packet(number), META, octets.into()).expect("sealed")
}

/// Submits a record and waits for its completion.
async fn submit(store: &Content, record: &SealedRecord) -> Result<(), Error> {
    let (answer, done) = oneshot::channel();
    let told = |mut results: Vec<_>| results.pop().expect("one result a record");
    store.keep_sealed(vec![record.clone()], move |results| tell(answer, told(results)));
    done.await.expect("told")
}

#[tokio::test(start_paused = true)]
async fn a_record_is_the_same_octets_on_every_node_and_reads_equal() {
    let cluster = Cluster::new(90, 3).await;
    let octets = Dice::new(90).octets(20_000);
    let record = seal(&cluster.store(1), 1, octets.clone());
    assert!(!cluster.store(1).holds(space(1)), "sealing keeps nothing");
    submit(&cluster.store(2), &record).await.expect("durable");
    let given = cluster.store(2).sealed(space(1)).await.expect("held");
    assert_eq!(given.octets(), record.octets());
    // A node that lags gets it from there.
    let travelled = SealedRecord::parse(given.octets().clone()).expect("whole");
    assert_eq!((travelled.space(), travelled.packet()), (space(1), packet(1)));
    assert_eq!((travelled.size(), travelled.digest()), (20_000, record.digest()));
    let third = cluster.store(3);
    let (one, two) = tokio::join!(submit(&third, &travelled), submit(&third, &travelled));
    one.and(two).expect("two copies of one record share its verdict");
    assert_eq!(third.metrics().records_committed.load(Relaxed), 1);
    submit(&third, &travelled).await.expect("it is there already");
    for node in [2, 3] {
        cluster.crash(node).await;
        let store = cluster.start(node).await.expect("opens");
        assert_eq!(read_all(&store, space(1), None).await.expect("reads"), octets);
        assert_eq!(store.metrics().sync_count.load(Relaxed), 0, "nothing was written again");
    }
    assert!(matches!(cluster.store(1).sealed(space(1)).await, Err(Error::Missing { .. })));
}

#[tokio::test(start_paused = true)]
async fn records_that_are_submitted_together_are_synced_together() {
    let cluster = Cluster::new(91, 1).await;
    let store = cluster.store(1);
    submit(&store, &seal(&store, 1, vec![1; 100])).await.expect("durable");
    let before = store.metrics().sync_count.load(Relaxed);
    let records: Vec<_> = (2..100).map(|number| seal(&store, number, vec![1; 100])).collect();
    for result in join_all(records.iter().map(|record| submit(&store, record))).await {
        result.expect("durable");
    }
    assert!(store.metrics().sync_count.load(Relaxed) - before <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_purge_destroys_it_and_it_does_not_come_back() {
    let cluster = Cluster::new(92, 1).await;
    let store = cluster.store(1);
    let record = seal(&store, 1, Dice::new(92).octets(3000));
    submit(&store, &record).await.expect("durable");
    let key = record.octets()[crate::record::RECORD_HEAD..][..32].to_vec();
    assert!(cluster.disks[&1].contains(&key));
    store.purge(vec![space(1)]).await.expect("purged");
    assert!(!cluster.disks[&1].contains(&key));
    assert!(matches!(store.sealed(space(1)).await, Err(Error::Purged { .. })));
    assert!(matches!(submit(&store, &record).await, Err(Error::Purged { .. })));
    // A purge beside the write: whichever is first, nothing stays.
    let record = seal(&store, 2, vec![7; 3000]);
    let key = record.octets()[crate::record::RECORD_HEAD..][..32].to_vec();
    let (written, purged) = tokio::join!(submit(&store, &record), store.purge(vec![space(2)]));
    assert!(matches!(written, Ok(()) | Err(Error::Purged { .. })), "{written:?}");
    purged.expect("purged");
    assert!(!cluster.disks[&1].contains(&key));
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_written_and_what_cannot_be_is_told() {
    let mut cluster = Cluster::new(93, 1).await;
    cluster.disks[&1].set_latency(Duration::from_secs(1));
    let store = cluster.store(1);
    // More than may wait for the disk.
    let records: Vec<_> = (1..50).map(|n| seal(&store, n, vec![1; SMALL_MAX])).collect();
    for result in join_all(records.iter().map(|record| submit(&store, record))).await {
        result.expect("durable");
    }
    cluster.disks[&1].inject(Fault::Sync);
    submit(&store, &seal(&store, 300, vec![1])).await.expect_err("not durable");
    assert!(matches!(submit(&store, &seal(&store, 301, vec![1])).await, Err(Error::Failed)));
    // Only the reserve is left: what is agreed on takes of it, and nothing new comes in.
    cluster.crash(1).await;
    cluster.reserve = u64::MAX;
    let store = cluster.start(1).await.expect("opens");
    assert!(store.check_disk().await.is_err() && !store.has_room());
    submit(&store, &seal(&store, 302, vec![1])).await.expect("durable");
    let (answer, done) = oneshot::channel();
    store.keep_sealed(vec![seal(&store, 303, vec![1])], move |results| tell(answer, results));
    cluster.crash(1).await;
    assert!(done.await.is_err(), "not told");
}

#[test]
fn a_record_that_is_not_whole_is_none() {
    let octets = Bytes::from(vec![7; 4096]);
    assert!(SealedRecord::parse(octets).is_none());
    assert!(SealedRecord::parse(Bytes::new()).is_none());
}
