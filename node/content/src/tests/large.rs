//! Large contents: pieces, ranges, copies, rollback, purge, healing, laggards.

use std::time::Duration;

use bytes::Bytes;
use model::NodeId;

use super::{Cluster, Dice, claim, read_all, space};
use crate::{
    Content, Error, Offset, Stored, Writer,
    files::space_path,
    record::{FILE_HEAD, FRAME},
    seal::digest_of,
};

const META: Bytes = Bytes::from_static(b"canary-file-name-of-a-large-one.pdf");

async fn open(store: &Content, epoch: u32, expected: Option<u64>) -> Result<Writer, Error> {
    store.open_writer(claim(1, epoch), vec![], META, expected).await
}

/// Writes octets in pieces, each a request of its own.
async fn upload(store: &Content, octets: &[u8], pieces: &[usize]) -> Stored {
    let mut at = 0usize;
    for piece in pieces.iter().copied().chain([usize::MAX]) {
        let mut writer = open(store, 1, Some(at as u64)).await.expect("goes on");
        let end = at.saturating_add(piece).min(octets.len());
        for chunk in octets[at..end].chunks(10_000) {
            writer.write(Bytes::copy_from_slice(chunk)).await.expect("taken");
        }
        assert_eq!(writer.sync().await.expect("durable"), end as u64);
        at = end;
    }
    let mut writer = open(store, 1, None).await.expect("goes on");
    assert_eq!(writer.digest(), digest_of(octets));
    let stored = writer.finish().await.expect("finished");
    assert_eq!(writer.finish().await.expect("again"), stored);
    stored
}

#[tokio::test(start_paused = true)]
async fn pieces_become_one_content_that_reads_equal_in_every_range() {
    let cluster = Cluster::new(20, 3).await;
    let mut dice = Dice::new(20);
    let octets = dice.octets(3_000_000);
    let stored =
        upload(&cluster.store(1), &octets, &[1, 5, 700_000, FRAME, 2 * FRAME, 3, 1_000_000]).await;
    assert_eq!((stored.digest, stored.size), (digest_of(&octets), 3_000_000));
    assert_eq!(stored.holders, [1, 2, 3].map(NodeId));
    for node in 1..=3 {
        let store = cluster.store(node);
        assert!(store.holds(space(1)));
        assert_eq!(store.meta(space(1)).await.expect("held"), META);
        assert_eq!(read_all(&store, space(1), None).await.expect("reads"), octets);
        for _ in 0..40 {
            let end = dice.below(octets.len() as u64 + 1);
            let start = dice.below(end + 1);
            let slice = &octets[start as usize..end as usize];
            assert_eq!(read_all(&store, space(1), Some(start..end)).await.expect("reads"), slice);
        }
        assert_eq!(
            store.offset(space(1), vec![]).await.expect("a majority answers"),
            Offset::At(3_000_000)
        );
        cluster.crash(node).await;
        let store = cluster.start(node).await.expect("opens");
        assert!(store.holds(space(1)));
        store.verify(space(1)).await.expect("whole");
        assert_eq!(store.stat(space(1)).await.expect("held").digest, stored.digest);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_content_is_a_content() {
    let cluster = Cluster::new(21, 3).await;
    let stored = upload(&cluster.store(2), &[], &[]).await;
    assert_eq!((stored.size, stored.digest), (0, digest_of(&[])));
    assert_eq!(read_all(&cluster.store(3), space(1), None).await.expect("reads"), Vec::<u8>::new());
}

#[tokio::test(start_paused = true)]
async fn a_piece_with_a_wrong_checksum_is_taken_back() {
    let cluster = Cluster::new(22, 3).await;
    let store = cluster.store(1);
    let mut writer = open(&store, 1, Some(0)).await.expect("opens");
    writer.write(vec![1; 300_000].into()).await.expect("taken");
    writer.sync().await.expect("durable");
    writer.write(vec![2; 500_000].into()).await.expect("taken");
    assert_eq!(writer.offset(), 800_000);
    assert_eq!(writer.rollback().await.expect("taken back"), 300_000);
    writer.write(vec![3; 200_000].into()).await.expect("taken");
    assert_eq!(writer.rollback().await.expect("taken back"), 300_000);
    writer.write(vec![4; 200_000].into()).await.expect("taken");
    writer.sync().await.expect("durable");
    drop(writer);
    let mut expected = vec![1; 300_000];
    expected.extend(vec![4; 200_000]);
    // Another node takes over a log with cuts in it.
    let other = cluster.store(2);
    assert_eq!(
        other.offset(space(1), vec![]).await.expect("the writer answers"),
        Offset::At(500_000)
    );
    let mut writer = open(&other, 2, Some(500_000)).await.expect("takes over");
    assert_eq!(writer.digest(), digest_of(&expected));
    writer.finish().await.expect("finished");
    for node in 1..=3 {
        assert_eq!(read_all(&cluster.store(node), space(1), None).await.expect("reads"), expected);
    }
    assert!(
        matches!(open(&store, 1, None).await, Err(Error::Fenced { .. })),
        "the old writer is over"
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_offsets_busy_writers_and_used_epochs_are_refused() {
    let cluster = Cluster::new(23, 3).await;
    let store = cluster.store(1);
    let mut writer = open(&store, 1, Some(0)).await.expect("opens");
    writer.write(Bytes::from_static(b"abc")).await.expect("taken");
    assert!(matches!(open(&store, 1, None).await, Err(Error::Busy { .. })));
    drop(writer);
    let wrong = open(&store, 1, Some(7)).await.err().expect("refused");
    assert!(matches!(wrong, Error::Offset { actual: 3, .. }), "{wrong:?}");
    // What a broken-off request left is acknowledged when it is asked for.
    assert_eq!(store.offset(space(1), vec![]).await.expect("known"), Offset::At(3));
    assert_eq!(cluster.store(3).offset(space(1), vec![]).await.expect("known"), Offset::At(3));
    // After a restart the epoch is used up: its nonces may have met octets that are lost.
    cluster.crash(1).await;
    let store = cluster.start(1).await.expect("opens");
    assert!(matches!(open(&store, 1, None).await, Err(Error::Fenced { epoch: 1, .. })));
    assert_eq!(
        cluster.store(3).offset(space(1), vec![]).await.expect("nobody knows"),
        Offset::Unclaimed
    );
    let writer = open(&store, 2, Some(3)).await.expect("claimed anew");
    assert_eq!(writer.digest(), digest_of(b"abc"));
    assert_eq!(store.offset(space(77), vec![]).await.expect("nothing was begun"), Offset::At(0));
}

#[tokio::test(start_paused = true)]
async fn a_lagging_holder_is_dropped_and_a_lost_majority_is_an_error() {
    let cluster = Cluster::new(24, 3).await;
    let store = cluster.store(1);
    let mut writer = open(&store, 1, None).await.expect("opens");
    writer.write(vec![1; 400_000].into()).await.expect("taken");
    cluster.net.cut(1, 3);
    writer.write(vec![2; 4_000_000].into()).await.expect("taken");
    assert_eq!(writer.sync().await.expect("two of three"), 4_400_000);
    cluster.net.cut(1, 2);
    let lost = async {
        writer.write(vec![3; 4_000_000].into()).await?;
        writer.sync().await
    };
    assert!(matches!(lost.await, Err(Error::Unavailable { .. })));
    drop(writer);
    cluster.net.mend();
    assert!(open(&store, 1, None).await.is_err(), "a session that broke is over");
    let mut writer = open(&store, 2, None).await.expect("claimed anew");
    assert!(writer.offset() >= 4_400_000);
    let stored = writer.finish().await.expect("finished");
    assert_eq!(stored.holders.len(), 3);
    let octets = read_all(&cluster.store(3), space(1), None).await.expect("reads");
    assert_eq!(octets[..4_400_000], [vec![1; 400_000], vec![2; 4_000_000]].concat());
}

/// The commit may have met a change of the members, and is tried again.
#[tokio::test(start_paused = true)]
async fn a_finished_content_goes_to_those_who_vote_when_it_is_asked_for_again() {
    let cluster = Cluster::new(31, 4).await;
    let vote = |voters: &[u64]| {
        let voters: Vec<NodeId> = voters.iter().copied().map(NodeId).collect();
        (1..=4).for_each(|node| cluster.store(node).set_members(NodeId(node), &voters));
    };
    // A cluster of one that grows to three, and then loses its first node.
    vote(&[1]);
    let octets = Dice::new(31).octets(700_000);
    let mut writer = open(&cluster.store(1), 1, None).await.expect("a writer");
    writer.write(octets.clone().into()).await.expect("taken");
    let stored = writer.finish().await.expect("finished");
    assert_eq!(stored.holders, [NodeId(1)]);
    for (voters, at_least) in [(vec![1, 2, 3], 2), (vec![1, 2, 3], 2), (vec![2, 3, 4], 2)] {
        vote(&voters);
        let again = writer.finish().await.expect("finished again");
        assert_eq!((again.digest, again.size), (stored.digest, stored.size));
        let all_vote = again.holders.iter().all(|holder| voters.contains(&holder.0));
        assert!(all_vote && again.holders.len() >= at_least, "{voters:?}: {again:?}");
        for holder in again.holders {
            let copy = cluster.store(holder.0);
            assert_eq!(copy.stat(space(1)).await.expect("held").digest, stored.digest);
        }
    }
    // Fewer than a majority of them is not called stored.
    cluster.net.cut(1, 4);
    vote(&[1, 4]);
    let lost = writer.finish().await;
    assert!(matches!(lost, Err(Error::Unavailable { .. })), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_holder_falls_behind_and_is_fed_at_its_own_pace() {
    let cluster = Cluster::new(29, 3).await;
    let (store, slow) = (cluster.store(1), cluster.store(3));
    // A frame of 128 KiB takes 130 ms on a line of 8 Mbit/s: the whole 16 s, and the upload a few.
    cluster.net.narrow(3, Duration::from_millis(130));
    let octets = Dice::new(29).octets(16 << 20);
    let begun = tokio::time::Instant::now();
    let stored = upload(&store, &octets, &[5 << 20, 300_000]).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
    assert_eq!(stored.holders, [1, 2].map(NodeId), "who is named holds it");
    assert!(!slow.holds(space(1)));
    // While it comes, it is not fetched a second time over the same line.
    let fetched = slow.fetch(space(1), Some(stored.digest), &stored.holders).await;
    assert!(matches!(fetched, Err(Error::Busy { .. })), "{fetched:?}");
    let fed = async {
        while !slow.holds(space(1)) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), fed).await.expect("it is fed to the end");
    slow.verify(space(1)).await.expect("whole");
    assert_eq!(read_all(&slow, space(1), None).await.expect("reads"), octets);
}

#[tokio::test(start_paused = true)]
async fn holders_that_differ_a_little_stay_together() {
    let cluster = Cluster::new(30, 3).await;
    cluster.net.narrow(2, Duration::from_millis(10));
    cluster.net.narrow(3, Duration::from_millis(11));
    let octets = Dice::new(30).octets(16 << 20);
    let stored = upload(&cluster.store(1), &octets, &[]).await;
    assert_eq!(stored.holders, [1, 2, 3].map(NodeId));
}

#[tokio::test(start_paused = true)]
async fn a_purge_ends_writers_and_leaves_nothing() {
    let cluster = Cluster::new(25, 3).await;
    let canary = b"canary-at-the-beginning-of-a-large-content";
    let mut octets = Dice::new(25).octets(1_500_000);
    octets[..canary.len()].copy_from_slice(canary);
    let store = cluster.store(1);
    let mut writer = open(&store, 1, None).await.expect("opens");
    writer.write(octets.clone().into()).await.expect("taken");
    writer.sync().await.expect("durable");
    // Two of three are enough for the answer; the third one has it a moment later.
    let frames = |node: u64| {
        let files = cluster.disks[&node].files();
        let file = files.into_iter().find(|(name, _)| *name == space_path(space(1)));
        file.map(|(_, file)| file[FILE_HEAD..].to_vec())
    };
    let copied = async {
        while frames(2) != frames(1) || frames(3) != frames(1) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), copied).await.expect("all three have it");
    let mut traces = vec![canary.to_vec(), META.to_vec()];
    traces.extend(cluster.keys_drawn.lock().iter().filter(|drawn| drawn.len() == 32).cloned());
    for node in 1..=3 {
        let files = cluster.disks[&node].files();
        let (_, file) =
            files.iter().find(|(name, _)| *name == space_path(space(1))).expect("a file");
        traces.push(file[48..108].to_vec());
        let data = FILE_HEAD + crate::record::frame_total(META.len()) + crate::record::FRAME_HEAD;
        traces.push(file[data..data + 64].to_vec());
        assert!(cluster.disks[&node].contains(&traces[traces.len() - 1]));
    }
    for node in 1..=3 {
        cluster.store(node).purge(vec![space(1)]).await.expect("purged");
    }
    assert!(matches!(writer.write(Bytes::from_static(b"more")).await, Err(Error::Purged { .. })));
    drop(writer);
    assert!(matches!(open(&cluster.store(2), 2, None).await, Err(Error::Purged { .. })));
    for node in 1..=3 {
        assert!(
            traces.iter().all(|trace| !cluster.disks[&node].contains(trace)),
            "something stayed on node {node}"
        );
        assert!(!cluster.disks[&node].files().iter().any(|(name, _)| name.starts_with("spaces/")));
        cluster.crash(node).await;
        let store = cluster.start(node).await.expect("opens");
        assert_eq!(store.count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_purge_of_a_file_ends_no_earlier_than_the_first() {
    let cluster = Cluster::new(33, 1).await;
    let store = cluster.store(1);
    upload(&store, &Dice::new(33).octets(1_500_000), &[]).await;
    let slot = slot_of(&cluster, 1);
    cluster.disks[&1].set_latency(Duration::from_millis(500));
    let first = futures_util::FutureExt::now_or_never(store.purge(vec![space(1)]));
    assert!(first.is_none(), "it takes its time");
    while store.count() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(cluster.disks[&1].contains(&slot), "it has left the index and is not wiped yet");
    store.purge(vec![space(1)]).await.expect("purged");
    assert!(!cluster.disks[&1].contains(&slot), "whoever is told that it is gone can rely on it");
}

/// A copy that comes in this moment is in no index: its key is written, and it waits for its disk.
#[tokio::test(start_paused = true)]
async fn a_purge_waits_for_a_copy_that_is_put_in_its_place() {
    let cluster = Cluster::new(34, 3).await;
    let stored = upload(&cluster.store(1), &Dice::new(34).octets(1_500_000), &[]).await;
    let slot = slot_of(&cluster, 1);
    let store = cluster.store(3);
    store.purge(vec![space(1)]).await.expect("purged");
    cluster.crash(3).await;
    let store = cluster.start(3).await.expect("opens, and has forgotten the purge");
    assert!(!cluster.disks[&3].contains(&slot));
    cluster.disks[&3].set_latency(Duration::from_millis(500));
    let fetching = store.clone();
    let holders = stored.holders.clone();
    let fetch = tokio::spawn(async move { fetching.fetch(space(1), None, &holders).await });
    let placed = async {
        while !cluster.disks[&3].contains(&slot) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), placed).await.expect("it is put in its place");
    assert_eq!(store.count(), 0, "its copy does not count yet");
    store.purge(vec![space(1)]).await.expect("purged");
    assert!(!cluster.disks[&3].contains(&slot), "nothing stays and nothing comes back");
    let fetched = fetch.await.expect("it ends");
    assert!(matches!(fetched, Err(Error::Purged { .. })), "{fetched:?}");
}

/// The sealed key in a node's file.
fn slot_of(cluster: &Cluster, node: u64) -> Vec<u8> {
    let files = cluster.disks[&node].files();
    let (_, file) = files.iter().find(|(name, _)| *name == space_path(space(1))).expect("a file");
    file[48..108].to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_served_from_another_holder_and_healed() {
    let cluster = Cluster::new(26, 3).await;
    let octets = Dice::new(26).octets(2_000_000);
    let stored = upload(&cluster.store(1), &octets, &[600_000]).await;
    let store = cluster.store(2);
    // The slot, the seal mark, a frame's head, a body.
    for place in [60, 2060, FILE_HEAD as u64 + 100, 1_000_000] {
        assert!(cluster.disks[&2].flip(&space_path(space(1)), place, 4));
        assert_eq!(read_all(&store, space(1), None).await.expect("from another holder"), octets);
        tokio::time::sleep(Duration::from_secs(5)).await;
        store.verify(space(1)).await.expect("healed");
        assert_eq!(store.meta(space(1)).await.expect("held"), META);
    }
    // A node that has nothing fetches the whole.
    cluster.store(3).purge(vec![space(1)]).await.expect("purged");
    cluster.crash(3).await;
    let store = cluster.start(3).await.expect("opens");
    store.fetch(space(1), Some(stored.digest), &stored.holders).await.expect("fetched");
    cluster.crash(3).await;
    let store = cluster.start(3).await.expect("opens");
    store.verify(space(1)).await.expect("durable");
    let wrong = store.fetch(space(1), Some(digest_of(b"other")), &[NodeId(1)]).await;
    assert!(wrong.is_err(), "another content is not what was asked for");
}

#[tokio::test(start_paused = true)]
async fn an_upload_comes_in_any_number_of_pieces_of_any_sizes() {
    let cluster = Cluster::new(27, 3).await;
    let mut dice = Dice::new(27);
    let (mut octets, mut epoch) = (Vec::new(), 1);
    let mut writer = open(&cluster.store(1), epoch, None).await.expect("opens");
    for number in 0..6000usize {
        // Twice as many as there may be runs, mostly of some octets, of changing lengths.
        let len = if number % 100 == 0 { dice.below(40_000) } else { 1 + dice.below(50) };
        let piece = dice.octets(len as usize);
        writer.write(piece.clone().into()).await.expect("taken");
        octets.extend_from_slice(&piece);
        if number == 3000 {
            // A holder is behind from the middle of a mixed run on.
            cluster.net.cut(1, 3);
        }
        if number % 1700 == 1699 {
            // Another node goes on, and reads all of it back.
            writer.sync().await.expect("durable");
            drop(writer);
            cluster.net.mend();
            epoch += 1;
            let store = cluster.store(1 + u64::from(epoch) % 3);
            writer = open(&store, epoch, None).await.expect("takes over");
            assert_eq!(
                (writer.offset(), writer.digest()),
                (octets.len() as u64, digest_of(&octets))
            );
        }
        assert_eq!(writer.sync().await.expect("durable"), octets.len() as u64);
    }
    // A large piece that is taken back: what it was written over stays.
    writer.write(dice.octets(700_000).into()).await.expect("taken");
    assert_eq!(writer.rollback().await.expect("cut"), octets.len() as u64);
    let stored = writer.finish().await.expect("finished");
    assert_eq!((stored.digest, stored.size), (digest_of(&octets), octets.len() as u64));
    tokio::time::sleep(Duration::from_secs(30)).await;
    for node in 1..=3 {
        let store = cluster.store(node);
        assert_eq!(read_all(&store, space(1), None).await.expect("reads"), octets, "node {node}");
        for _ in 0..60 {
            let start = dice.below(octets.len() as u64 + 1);
            let end = (start + dice.below(30_000)).min(octets.len() as u64);
            let slice = &octets[start as usize..end as usize];
            assert_eq!(read_all(&store, space(1), Some(start..end)).await.expect("reads"), slice);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_was_cut_too_often_is_told_so() {
    let cluster = Cluster::new(28, 1).await;
    let store = cluster.store(1);
    let mut writer = open(&store, 1, None).await.expect("opens");
    let (mut cuts, mut refused) = (0, None);
    while refused.is_none() {
        // More than is held before it is known to be right, and then it is not.
        refused = writer.write(vec![1; FRAME + 1].into()).await.err();
        writer.rollback().await.expect("cut");
        cuts += 1;
        assert!(cuts < 3000, "there is a limit");
    }
    assert!(matches!(refused, Some(Error::TooManyPieces { .. })) && cuts > 1000, "{cuts}");
    writer.finish().await.expect("what came can be finished");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fills_during_an_upload_says_so_and_the_upload_goes_on_later() {
    // The writer's own disk; those of the two others, without which there is no majority.
    for full in [vec![1], vec![2, 3]] {
        let mut cluster = Cluster::new(31, 3).await;
        cluster.reserve = 1 << 20;
        for node in 1..=3 {
            cluster.crash(node).await;
            cluster.start(node).await.expect("opens with a reserve");
        }
        for node in &full {
            cluster.disks[node].set_capacity(Some(4 << 20));
        }
        let store = cluster.store(1);
        let octets = Dice::new(31).octets(8 << 20);
        let mut writer = open(&store, 1, Some(0)).await.expect("there is room still");
        let mut refused = None;
        for chunk in octets.chunks(100_000) {
            // Free space is asked for now and then only.
            tokio::time::advance(Duration::from_millis(200)).await;
            let taken = writer.write(Bytes::copy_from_slice(chunk)).await;
            let synced = match taken {
                Ok(()) => writer.sync().await.map(|_| ()),
                Err(error) => Err(error),
            };
            if let Err(error) = synced {
                refused = Some(error);
                break;
            }
        }
        assert!(matches!(refused, Some(Error::Full)), "{full:?}: {refused:?}");
        drop(writer);
        let again = open(&store, 2, None).await.err();
        assert!(matches!(again, Some(Error::Full)), "{full:?} at another try: {again:?}");
        assert!(!*store.failed().borrow());

        for node in &full {
            cluster.disks[node].set_capacity(None);
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        let mut writer = open(&store, 3, None).await.expect("goes on");
        let at = writer.offset();
        assert!(at >= 1 << 20 && at < octets.len() as u64, "{at} octets were acknowledged");
        for chunk in octets[at as usize..].chunks(100_000) {
            writer.write(Bytes::copy_from_slice(chunk)).await.expect("taken");
        }
        let stored = writer.finish().await.expect("finished");
        assert_eq!(stored.digest, digest_of(&octets));
    }
}
