//! Small contents: copies, ranges, purge, healing, limits.

use std::time::Duration;

use bytes::Bytes;
use model::NodeId;

use super::{Cluster, Dice, packet, read_all, space};
use crate::{
    Content, Error, SMALL_MAX,
    disk::sim::Fault,
    index::{Location, RecordAt},
    record::{FRAME, RECORD_HEAD, RecordHead, frame_total},
    seal::digest_of,
    segments::segment_path,
};

/// Where a small content lies.
fn record_at(store: &Content, number: u128) -> RecordAt {
    match store.location(space(number)) {
        Some(Location::Record(at)) => at,
        location => panic!("{location:?} is no record"),
    }
}

fn meta() -> Bytes {
    Bytes::from_static(b"canary-file-name.pdf")
}

#[tokio::test(start_paused = true)]
async fn what_was_put_reads_equal_on_every_node_in_every_range() {
    let cluster = Cluster::new(1, 3).await;
    let mut dice = Dice::new(1);
    for (number, size) in
        [0, 1, 1024, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME + 77, SMALL_MAX].into_iter().enumerate()
    {
        let id = space(number as u128 + 1);
        let octets = dice.octets(size);
        let stored = cluster
            .store(1)
            .put_small(id, packet(9), meta(), octets.clone().into())
            .await
            .expect("stored");
        assert_eq!((stored.digest, stored.size), (digest_of(&octets), size as u64));
        assert!(stored.holders.len() >= 2);
        tokio::time::sleep(Duration::from_secs(1)).await;
        for node in 1..=3 {
            let store = cluster.store(node);
            assert!(store.holds(id));
            assert_eq!(store.stat(id).await.expect("held").digest, stored.digest);
            assert_eq!(store.meta(id).await.expect("held"), meta());
            assert_eq!(read_all(&store, id, None).await.expect("reads"), octets);
            for _ in 0..8 {
                let end = dice.below(size as u64 + 1);
                let start = dice.below(end + 1);
                let slice = &octets[start as usize..end as usize];
                assert_eq!(read_all(&store, id, Some(start..end)).await.expect("reads"), slice);
            }
        }
        let beyond = cluster.store(1).read(id, Some(0..size as u64 + 1), None).await;
        assert!(matches!(beyond, Err(Error::Range { .. })));
    }
    assert_eq!(cluster.store(2).list_held(None, 100).len(), 8);
    assert_eq!(cluster.store(2).list_held(Some(space(3)), 2).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_majority_is_enough_and_a_minority_is_not() {
    let cluster = Cluster::new(2, 3).await;
    cluster.net.cut(1, 3);
    let stored = cluster
        .store(1)
        .put_small(space(1), packet(1), meta(), Bytes::from_static(b"x"))
        .await
        .expect("two of three");
    assert_eq!(stored.holders, [NodeId(1), NodeId(2)]);
    // The third has not got it, and reads it from those who have.
    cluster.net.mend();
    assert!(!cluster.store(3).holds(space(1)));
    assert_eq!(read_all(&cluster.store(3), space(1), None).await.expect("from a holder"), b"x");
    cluster.store(3).fetch(space(1), Some(stored.digest), &stored.holders).await.expect("fetched");
    assert!(cluster.store(3).holds(space(1)));
    cluster.net.cut(1, 3);
    cluster.net.cut(1, 2);
    let alone =
        cluster.store(1).put_small(space(2), packet(2), meta(), Bytes::from_static(b"x")).await;
    assert!(matches!(alone, Err(Error::Unavailable { .. })), "{alone:?}");
}

#[tokio::test(start_paused = true)]
async fn a_majority_without_the_own_disk_is_a_majority() {
    let cluster = Cluster::new(3, 3).await;
    cluster.disks[&1].set_latency(Duration::from_secs(3));
    let store = cluster.store(1);
    let put = store.put_small(space(1), packet(1), meta(), Bytes::from_static(b"x"));
    let stored =
        tokio::time::timeout(Duration::from_secs(1), put).await.expect("soon").expect("stored");
    assert_eq!(stored.holders, [NodeId(2), NodeId(3)]);
}

/// Nobody would know of such a copy, so nobody would miss its destruction.
#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_vote_keeps_nothing_of_a_small_content() {
    let cluster = Cluster::new(30, 4).await;
    let voters = [1, 2, 3].map(NodeId);
    for node in 1..=4 {
        cluster.store(node).set_members(NodeId(node), &voters);
    }
    let canary = b"canary-of-a-content-that-a-learner-took";
    let learner = cluster.store(4);
    let put = learner.put_small(space(1), packet(1), meta(), Bytes::from_static(canary)).await;
    let stored = put.expect("the voters hold it");
    assert!(stored.holders.len() >= 2 && !stored.holders.contains(&NodeId(4)), "{stored:?}");
    assert_eq!(learner.list_held(None, 100), []);
    assert_eq!(read_all(&learner, space(1), None).await.expect("from the voters"), canary);
    assert_eq!(learner.list_held(None, 100), [], "who reads keeps nothing either");
}

#[tokio::test(start_paused = true)]
async fn one_sync_covers_many_packets() {
    let cluster = Cluster::new(4, 3).await;
    let store = cluster.store(1);
    store
        .put_small(space(1), packet(1), meta(), Bytes::from_static(b"first"))
        .await
        .expect("stored");
    let before = store.metrics().sync_count.load(std::sync::atomic::Ordering::Relaxed);
    let puts =
        (2..202).map(|number| {
            let store = store.clone();
            async move {
                store.put_small(space(number), packet(number), meta(), vec![1; 1024].into()).await
            }
        });
    for stored in futures_util::future::join_all(puts).await {
        stored.expect("stored");
    }
    let syncs = store.metrics().sync_count.load(std::sync::atomic::Ordering::Relaxed) - before;
    assert!(syncs <= 20, "{syncs} syncs for 200 packets");
    let messages = cluster.net.messages.load(std::sync::atomic::Ordering::Relaxed);
    assert!(messages <= 60, "{messages} messages for 201 packets");
}

#[tokio::test(start_paused = true)]
async fn a_purge_leaves_neither_plaintext_nor_key_nor_ciphertext() {
    let cluster = Cluster::new(5, 3).await;
    let canary = b"canary-in-the-content-of-this-packet-0123456789";
    let mut traces = Vec::new();
    for number in 1..=6u128 {
        let size = if number % 2 == 0 { 700 } else { 300_000 };
        let mut octets = Dice::new(number as u64).octets(size);
        octets[..canary.len()].copy_from_slice(canary);
        cluster
            .store(1)
            .put_small(space(number), packet(number), meta(), octets.into())
            .await
            .expect("stored");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for node in 1..=3 {
        for number in 1..=6 {
            let store = cluster.store(node);
            let RecordAt { segment, offset, .. } = record_at(&store, number);
            let file = &cluster.disks[&node].files()[..];
            let (_, octets) =
                file.iter().find(|(name, _)| *name == segment_path(segment)).expect("there");
            let record = &octets[offset as usize..];
            let head = RecordHead::parse(record).expect("a record");
            let slot = &record[RECORD_HEAD..RECORD_HEAD + usize::from(head.slot_len)];
            traces.push(slot.to_vec());
            let data = RECORD_HEAD
                + slot.len()
                + frame_total(head.meta_len as usize)
                + crate::record::FRAME_HEAD;
            traces.push(record[data..data + 64].to_vec());
        }
        assert!(
            traces.iter().all(|trace| cluster.disks[&1].contains(trace)),
            "the search finds what is there"
        );
    }
    traces.push(canary.to_vec());
    traces.push(meta().to_vec());
    traces.extend(cluster.keys_drawn.lock().iter().filter(|drawn| drawn.len() == 32).cloned());
    for node in 1..=3 {
        let mut open = cluster.store(node).read(space(1), None, None).await.expect("opens");
        assert!(open.next().await.expect("a piece").is_ok());
        cluster.store(node).purge((1..=6).map(space).collect()).await.expect("purged");
        assert!(
            matches!(open.next().await, Some(Err(Error::Purged { .. }))),
            "an open reader ends"
        );
        cluster
            .store(node)
            .purge((1..=7).map(space).collect())
            .await
            .expect("a second time is the same");
        for trace in &traces {
            assert!(!cluster.disks[&node].contains(trace), "something stayed on node {node}");
        }
        assert_eq!(cluster.store(node).count(), 0);
        // Not even after the power went.
        cluster.crash(node).await;
        cluster.start(node).await.expect("opens");
        assert!(traces.iter().all(|trace| !cluster.disks[&node].contains(trace)));
        assert_eq!(cluster.store(node).count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_copy_does_not_bring_a_purged_content_back() {
    let cluster = Cluster::new(6, 3).await;
    cluster.store(3).purge(vec![space(1)]).await.expect("nothing there is fine");
    cluster
        .store(1)
        .put_small(space(1), packet(1), meta(), Bytes::from_static(b"x"))
        .await
        .expect("two others");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!cluster.store(3).holds(space(1)));
    let here =
        cluster.store(3).put_small(space(1), packet(1), meta(), Bytes::from_static(b"x")).await;
    assert!(here.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_nobody_waits_for_destroys_all_the_same() {
    let cluster = Cluster::new(66, 1).await;
    cluster.disks[&1].set_latency(Duration::from_millis(5));
    let store = cluster.store(1);
    store
        .put_small(space(1), packet(1), meta(), Bytes::from_static(b"x"))
        .await
        .expect("one is a majority of one");
    let dropped = futures_util::FutureExt::now_or_never(store.purge(vec![space(1)]));
    assert!(dropped.is_none(), "whoever asked went away");
    let destroyed = async {
        while store.metrics().purged.load(std::sync::atomic::Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), destroyed).await.expect("it is destroyed");
    assert_eq!(store.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_second_purge_ends_no_earlier_than_the_first() {
    let cluster = Cluster::new(67, 1).await;
    let store = cluster.store(1);
    let put = store.put_small(space(1), packet(1), meta(), Bytes::from_static(b"x"));
    put.await.expect("one is a majority of one");
    let RecordAt { segment, offset, .. } = record_at(&store, 1);
    let files = cluster.disks[&1].files();
    let (_, octets) = files.iter().find(|(name, _)| *name == segment_path(segment)).expect("there");
    let record = &octets[offset as usize..];
    let head = RecordHead::parse(record).expect("a record");
    let slot = &record[RECORD_HEAD..RECORD_HEAD + usize::from(head.slot_len)];
    cluster.disks[&1].set_latency(Duration::from_millis(500));
    let first = futures_util::FutureExt::now_or_never(store.purge(vec![space(1)]));
    assert!(first.is_none(), "it takes its time");
    while store.count() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(cluster.disks[&1].contains(slot), "it has left the index and is not wiped yet");
    store.purge((1..=2).map(space).collect()).await.expect("purged");
    assert!(!cluster.disks[&1].contains(slot), "whoever is told that it is gone can rely on it");
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_could_not_wipe_leaves_nobody_told_that_it_did() {
    let cluster = Cluster::new(68, 1).await;
    let store = cluster.store(1);
    let put = store.put_small(space(1), packet(1), meta(), Bytes::from_static(b"x"));
    put.await.expect("one is a majority of one");
    cluster.disks[&1].set_latency(Duration::from_millis(500));
    cluster.disks[&1].inject(Fault::Write);
    let purges = (0..3).map(|_| store.purge(vec![space(1)]));
    for purged in futures_util::future::join_all(purges).await {
        assert!(purged.is_err(), "{purged:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn segments_roll_and_go_when_nothing_lives_in_them() {
    let cluster = Cluster::new(7, 1).await;
    let store = cluster.store(1);
    for number in 1..=8 {
        store
            .put_small(space(number), packet(1), meta(), vec![3; 700_000].into())
            .await
            .expect("stored");
    }
    let segments = |cluster: &Cluster| {
        cluster.disks[&1].files().iter().filter(|(name, _)| name.starts_with("segments/")).count()
    };
    assert_eq!(segments(&cluster), 4);
    store.purge(vec![space(1), space(2), space(4)]).await.expect("purged");
    assert_eq!(segments(&cluster), 3, "the first segment is empty and gone");
    cluster.crash(1).await;
    let store = cluster.start(1).await.expect("opens");
    let held: Vec<_> = store.list_held(None, 10).into_iter().map(|held| held.space).collect();
    assert_eq!(held, [3, 5, 6, 7, 8].map(space));
    for id in held {
        assert_eq!(read_all(&store, id, None).await.expect("reads"), vec![3; 700_000]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_copy_is_served_from_another_holder_and_healed() {
    let cluster = Cluster::new(8, 3).await;
    let octets = Dice::new(8).octets(400_000);
    let store = cluster.store(1);
    let stored =
        store.put_small(space(1), packet(1), meta(), octets.clone().into()).await.expect("stored");
    tokio::time::sleep(Duration::from_secs(1)).await;
    // A slot, a body, and the head itself.
    for place in [RECORD_HEAD as u64 + 3, 200_000, 20] {
        let before = record_at(&store, 1);
        let path = segment_path(before.segment);
        assert!(cluster.disks[&1].flip(&path, u64::from(before.offset) + place, 0x10));
        assert_eq!(read_all(&store, space(1), None).await.expect("from another holder"), octets);
        tokio::time::sleep(Duration::from_secs(5)).await;
        store.verify(space(1)).await.expect("healed");
        let after = record_at(&store, 1);
        assert_eq!(after.mark, before.mark, "the same record");
        assert_ne!(after.offset, before.offset, "a place takes one record in its life");
    }
    let RecordAt { segment, offset, .. } = record_at(&store, 1);
    let path = segment_path(segment);
    // Alone, a damaged copy gives no octet of the bad frame.
    cluster.net.cut(1, 2);
    cluster.net.cut(1, 3);
    cluster.disks[&1].flip(&path, u64::from(offset) + 200_000, 0x10);
    let mut reader = store.read(space(1), None, Some(stored.digest)).await.expect("opens");
    let mut given = Vec::new();
    let error = loop {
        match reader.next().await.expect("an error before the end") {
            Ok(piece) => given.extend_from_slice(&piece),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Forged { .. }));
    assert_eq!(given, octets[..given.len()]);
    assert!(given.len() <= 200_000);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_refused_before_the_reserve_is_touched() {
    let mut cluster = Cluster::new(9, 1).await;
    cluster.crash(1).await;
    cluster.reserve = 1 << 20;
    cluster.disks[&1].set_capacity(Some(3 << 20));
    let store = cluster.start(1).await.expect("opens");
    let mut stored = 0;
    let refused = loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        match store.put_small(space(stored + 1), packet(1), meta(), vec![1; 500_000].into()).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 10);
    };
    assert!(matches!(refused, Error::Full), "{refused:?}");
    assert!(stored >= 3);
    for number in 1..=stored {
        read_all(&store, space(number), None).await.expect("what was taken is there");
    }
    store.purge(vec![space(1)]).await.expect("a full disk can be purged");
    assert!(!*store.failed().borrow());
}

#[tokio::test(start_paused = true)]
async fn a_purge_during_a_healing_leaves_no_key() {
    let (mut during, mut after) = (0, 0);
    for step in 0..80 {
        let cluster = Cluster::new(80, 2).await;
        let octets = Dice::new(8).octets(100_000);
        let store = cluster.store(1);
        store.put_small(space(1), packet(1), meta(), octets.into()).await.expect("stored");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let RecordAt { segment, offset, .. } = record_at(&store, 1);
        let path = segment_path(segment);
        let slot = offset as usize + RECORD_HEAD;
        let sealed = cluster.disks[&2].files();
        let sealed = &sealed.iter().find(|(name, _)| *name == path).expect("its copy").1;
        let sealed = sealed[slot..slot + 32].to_vec();
        assert!(cluster.disks[&1].contains(&sealed), "the same record on both");
        assert!(cluster.disks[&1].flip(&path, slot as u64 + 3, 0x10));
        assert!(!cluster.disks[&1].contains(&sealed), "its key is damaged");
        // The good record takes a tenth of a second to be written, the zeros over the bad one some milliseconds.
        cluster.disks[&1].set_write_time(Duration::from_micros(1));

        let healing = store.clone();
        let healing =
            tokio::spawn(async move { healing.fetch(space(1), None, &[NodeId(2)]).await });
        tokio::time::sleep(Duration::from_millis(step * 2)).await;
        match healing.is_finished() {
            true => after += 1,
            false => during += 1,
        }
        store.purge(vec![space(1)]).await.expect("purged");
        // Nothing that comes later brings it back.
        drop(healing.await.expect("no panic"));
        assert!(!cluster.disks[&1].contains(&sealed), "a key came back at step {step}");
    }
    assert!(during > 0 && after > 0, "{during} during a healing, {after} after it");
}

#[tokio::test(start_paused = true)]
async fn a_majority_of_full_disks_is_no_lost_majority() {
    let cluster = Cluster::new(30, 3).await;
    for node in [2, 3] {
        cluster.disks[&node].set_capacity(Some(0));
    }
    let put = |number| {
        let store = cluster.store(1);
        async move {
            store.put_small(space(number), packet(1), meta(), Bytes::from_static(b"small")).await
        }
    };
    let refused = put(1).await.expect_err("two of three have no room");
    assert!(matches!(refused, Error::FullElsewhere { .. }), "{refused:?}");
    for node in [2, 3] {
        cluster.disks[&node].set_capacity(None);
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    put(2).await.expect("there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_write_without_room_leaves_the_store_sound() {
    let cluster = Cluster::new(10, 1).await;
    let store = cluster.store(1);
    store
        .put_small(space(1), packet(1), meta(), Bytes::from_static(b"first"))
        .await
        .expect("stored");
    cluster.disks[&1].inject(Fault::Full);
    let refused = store.put_small(space(2), packet(1), meta(), Bytes::from_static(b"second")).await;
    assert!(refused.is_err());
    // Until the disk is asked again it counts as full.
    tokio::time::advance(Duration::from_secs(1)).await;
    store
        .put_small(space(3), packet(1), meta(), Bytes::from_static(b"third"))
        .await
        .expect("stored");
    cluster.crash(1).await;
    let store = cluster.start(1).await.expect("opens");
    assert_eq!(read_all(&store, space(1), None).await.expect("reads"), b"first");
    assert_eq!(read_all(&store, space(3), None).await.expect("reads"), b"third");
    assert!(!store.holds(space(2)));
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_is_the_end_of_the_store() {
    let cluster = Cluster::new(11, 1).await;
    let store = cluster.store(1);
    store
        .put_small(space(1), packet(1), meta(), Bytes::from_static(b"first"))
        .await
        .expect("stored");
    let failed = store.failed();
    cluster.disks[&1].inject(Fault::Sync);
    store
        .put_small(space(2), packet(1), meta(), Bytes::from_static(b"x"))
        .await
        .expect_err("not durable");
    assert!(*failed.borrow());
    assert!(matches!(
        store.put_small(space(3), packet(1), meta(), Bytes::from_static(b"x")).await,
        Err(Error::Failed)
    ));
    assert!(matches!(store.purge(vec![space(1)]).await, Err(Error::Failed)));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_refused() {
    let cluster = Cluster::new(12, 1).await;
    let store = cluster.store(1);
    let large = store.put_small(space(1), packet(1), meta(), vec![0; SMALL_MAX + 1].into()).await;
    assert!(matches!(large, Err(Error::TooLarge { .. })));
    let meta = vec![0; crate::META_MAX + 1].into();
    assert!(matches!(
        store.put_small(space(1), packet(1), meta, Bytes::new()).await,
        Err(Error::TooLarge { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn damage_at_rest_costs_one_record_and_not_its_neighbours() {
    let cluster = Cluster::new(13, 3).await;
    let mut stored = Vec::new();
    for number in 1..=9 {
        let octets = vec![number as u8; 500_000];
        stored.push(
            cluster
                .store(1)
                .put_small(space(number), packet(1), meta(), octets.into())
                .await
                .expect("stored"),
        );
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // A head in the first segment, and a body in the last one.
    for victim in [2, 9] {
        let RecordAt { segment, offset, .. } = record_at(&cluster.store(1), victim);
        let within = if victim == 2 { 20 } else { 5000 };
        assert!(cluster.disks[&1].flip(&segment_path(segment), u64::from(offset) + within, 1));
    }
    cluster.crash(1).await;
    let store = cluster.start(1).await.expect("opens");
    assert_eq!(store.count(), 7);
    for victim in [2, 9] {
        let digest = stored[victim as usize - 1].digest;
        store.fetch(space(victim), Some(digest), &[NodeId(2), NodeId(3)]).await.expect("fetched");
    }
    cluster.crash(1).await;
    let store = cluster.start(1).await.expect("opens");
    for number in 1..=9 {
        store.verify(space(number)).await.expect("whole");
        assert_eq!(
            read_all(&store, space(number), None).await.expect("reads"),
            vec![number as u8; 500_000]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_rolls_the_segment_is_acknowledged_whole() {
    let cluster = Cluster::new(14, 3).await;
    let store = cluster.store(1);
    let puts =
        (1..=40).map(|number| {
            let store = store.clone();
            async move {
                store.put_small(space(number), packet(1), meta(), vec![1; 200_000].into()).await
            }
        });
    for stored in futures_util::future::join_all(puts).await {
        stored.expect("stored");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for node in 1..=3 {
        assert_eq!(cluster.store(node).count(), 40);
        assert_eq!(
            cluster.store(node).metrics().damage_found.load(std::sync::atomic::Ordering::Relaxed),
            0
        );
    }
}

#[tokio::test(start_paused = true)]
async fn dead_ranges_become_holes_and_the_rest_is_found_again() {
    let cluster = Cluster::new(15, 1).await;
    let store = cluster.store(1);
    for number in 1..=60 {
        store
            .put_small(space(number), packet(1), meta(), vec![number as u8; 30_000].into())
            .await
            .expect("stored");
    }
    // One by one, so that the ranges join; the first, one in the middle and the last stay.
    for number in (2..60).filter(|number| *number != 30) {
        store.purge(vec![space(number)]).await.expect("purged");
    }
    let zeros = |octets: &[u8]| octets.iter().filter(|octet| **octet == 0).count();
    let files = cluster.disks[&1].files();
    let (_, segment) = files.iter().find(|(name, _)| name.starts_with("segments/")).expect("one");
    assert!(
        zeros(segment) > 55 * 25_000,
        "{} of {} octets are free",
        zeros(segment),
        segment.len()
    );
    cluster.crash(1).await;
    let store = cluster.start(1).await.expect("opens");
    for number in [1, 30, 60] {
        assert_eq!(
            read_all(&store, space(number), None).await.expect("reads"),
            vec![number as u8; 30_000]
        );
    }
    assert_eq!(store.count(), 3);
}
