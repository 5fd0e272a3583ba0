//! Takeovers under partitions and power cuts: an acknowledged offset is never lost nor altered.

use std::time::Duration;

use model::NodeId;

use super::{Cluster, Dice, claim, read_all, space};
use crate::{Content, Error, Offset, Writer, seal::digest_of};

/// What the world knows of one upload.
#[derive(Default)]
struct Upload {
    epoch: u32,
    acknowledged: Vec<u8>,
    /// What any session ever believed the content to be.
    beliefs: Vec<Vec<u8>>,
    takeovers: u32,
    /// The last answer of HEAD.
    head: u64,
}

impl Upload {
    /// A node claims the space; what it finds must hold everything acknowledged, and be something
    /// that a session wrote.
    async fn claim(&mut self, store: &Content, seed: u64) -> Option<(Writer, Vec<u8>)> {
        self.epoch += 1;
        let opened = store.open_writer(claim(1, self.epoch), vec![], "meta".into(), None);
        let writer = tokio::time::timeout(Duration::from_secs(60), opened).await.ok()?.ok()?;
        let (offset, digest) = (writer.offset() as usize, writer.digest());
        assert!(
            offset >= self.acknowledged.len(),
            "seed {seed}: {offset} of {} octets",
            self.acknowledged.len()
        );
        let empty = Vec::new();
        let content = self
            .beliefs
            .iter()
            .chain([&empty])
            .find(|belief| belief.len() >= offset && digest_of(&belief[..offset]) == digest);
        let content = content.unwrap_or_else(|| panic!("seed {seed}: a content that nobody wrote"))
            [..offset]
            .to_vec();
        assert!(
            content.starts_with(&self.acknowledged),
            "seed {seed}: what was acknowledged was altered"
        );
        self.acknowledged.clone_from(&content);
        self.takeovers += 1;
        Some((writer, content))
    }
}

async fn one_upload(seed: u64) -> Upload {
    let cluster = Cluster::new(5000 + seed, 3).await;
    let (mut dice, mut upload) = (Dice::new(seed), Upload::default());
    let mut sessions: Vec<(u64, Writer, Vec<u8>)> = Vec::new();
    for _ in 0..40 {
        match dice.below(12) {
            0 | 1 => {
                let node = 1 + dice.below(3);
                sessions.retain(|(owner, ..)| *owner != node);
                if let Some((writer, content)) = upload.claim(&cluster.store(node), seed).await {
                    sessions.push((node, writer, content));
                }
            }
            2 => cluster.net.cut(1 + dice.below(3), 1 + dice.below(3)),
            3 => cluster.net.mend(),
            4 => {
                let node = 1 + dice.below(3);
                sessions.retain(|(owner, ..)| *owner != node);
                cluster.crash(node).await;
                cluster.start(node).await.expect("opens");
            }
            5 if dice.below(3) == 0 => {
                sessions.clear();
                for node in 1..=3 {
                    cluster.crash(node).await;
                }
                for node in 1..=3 {
                    cluster.start(node).await.expect("opens");
                }
            }
            6 => {
                let answer = cluster.store(1 + dice.below(3)).offset(space(1), vec![]).await;
                if let Ok(Offset::At(offset)) = answer {
                    assert!(offset >= upload.head, "seed {seed}: the offset went back");
                    assert!(
                        offset >= upload.acknowledged.len() as u64,
                        "seed {seed}: less than was acknowledged"
                    );
                    upload.head = offset;
                    // What HEAD has said is acknowledged too.
                    let belief = upload.beliefs.iter().find(|belief| {
                        belief.len() as u64 >= offset && belief.starts_with(&upload.acknowledged)
                    });
                    assert!(
                        belief.is_some() || offset == 0,
                        "seed {seed}: an offset that nobody wrote"
                    );
                }
            }
            _ if sessions.is_empty() => {}
            step => {
                // Any session writes, also one that was superseded and does not know it.
                let index = dice.below(sessions.len() as u64) as usize;
                let (_, writer, content) = &mut sessions[index];
                let octets = dice.octets(dice.clone().below(400_000) as usize);
                if writer.write(octets.clone().into()).await.is_ok() {
                    content.extend_from_slice(&octets);
                } else {
                    // Some of it may have gone out.
                    let mut belief = content.clone();
                    belief.extend_from_slice(&octets);
                    upload.beliefs.push(belief);
                    sessions.remove(index);
                    continue;
                }
                upload.beliefs.push(content.clone());
                if step == 7 {
                    continue;
                }
                match writer.sync().await {
                    Ok(offset) => {
                        assert_eq!(offset, content.len() as u64);
                        assert!(
                            content.starts_with(&upload.acknowledged),
                            "seed {seed}: two writers were acknowledged"
                        );
                        upload.acknowledged.clone_from(content);
                    }
                    Err(_) => drop(sessions.remove(index)),
                }
            }
        }
    }
    sessions.clear();
    cluster.net.mend();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let node = 1 + dice.below(3);
    let (mut writer, content) =
        upload.claim(&cluster.store(node), seed).await.expect("all is well again");
    assert!(content.len() as u64 >= upload.head);
    let stored = writer.finish().await.expect("finished");
    assert_eq!(stored.digest, digest_of(&content));
    tokio::time::sleep(Duration::from_secs(30)).await;
    for node in 1..=3 {
        assert_eq!(
            read_all(&cluster.store(node), space(1), None).await.expect("reads"),
            content,
            "seed {seed}"
        );
    }
    upload
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_offset_is_never_lost_nor_altered() {
    let (mut acknowledged, mut takeovers) = (0, 0);
    for seed in 0..60 {
        let upload = one_upload(seed).await;
        acknowledged += u64::from(!upload.acknowledged.is_empty());
        takeovers += upload.takeovers;
    }
    assert!(acknowledged > 40 && takeovers > 150, "{acknowledged} uploads, {takeovers} takeovers");
}

#[tokio::test(start_paused = true)]
async fn a_sealed_content_survives_its_writer() {
    let cluster = Cluster::new(31, 3).await;
    let octets = Dice::new(31).octets(700_000);
    let mut writer = cluster
        .store(1)
        .open_writer(claim(1, 1), vec![], "meta".into(), None)
        .await
        .expect("opens");
    writer.write(octets.clone().into()).await.expect("taken");
    let stored = writer.finish().await.expect("finished");
    drop(writer);
    cluster.crash(1).await;
    // The node died before it could say so; another claims the space and finds it complete.
    let mut writer = cluster
        .store(2)
        .open_writer(claim(1, 2), vec![], "meta".into(), None)
        .await
        .expect("takes over");
    assert!(writer.write("more".into()).await.is_err(), "it takes no more");
    let again = writer.finish().await.expect("it is finished");
    assert_eq!((again.digest, again.size), (stored.digest, stored.size));
    assert_eq!(again.holders.len(), 2);
    assert_eq!(read_all(&cluster.store(3), space(1), None).await.expect("reads"), octets);
}

/// Five nodes, of which two never got an octet of the upload that the other three hold.
async fn held_by_three_of_five(seed: u64) -> (Cluster, Vec<Vec<NodeId>>) {
    let cluster = Cluster::new(seed, 5).await;
    for (a, b) in [(1, 4), (1, 5)] {
        cluster.net.cut(a, b);
    }
    let store = cluster.store(1);
    let opened = store.open_writer(claim(1, 1), vec![], "meta".into(), None);
    let mut writer = opened.await.expect("three of five");
    writer.write(vec![7; 1000].into()).await.expect("taken");
    assert_eq!(writer.sync().await.expect("durable on three"), 1000);
    drop(writer);
    assert_eq!(store.offset(space(1), vec![]).await.expect("told"), Offset::At(1000));
    cluster.net.mend();
    // Two of those who hold it leave.
    let (all, left) = ([1, 2, 3, 4, 5].map(NodeId).to_vec(), [1, 4, 5].map(NodeId));
    (1..=5).for_each(|node| cluster.store(node).set_members(NodeId(node), &left));
    (cluster, vec![all, [1, 3, 4, 5].map(NodeId).to_vec()])
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_was_told_does_not_go_back_because_holders_left() {
    let (cluster, former) = held_by_three_of_five(91).await;
    for node in [1, 2, 3] {
        cluster.crash(node).await;
    }
    // The two that stay are a majority of those who vote, and have nothing.
    let store = cluster.store(4);
    let open = |epoch| store.open_writer(claim(1, epoch), former.clone(), "meta".into(), None);
    let opened = open(2).await;
    assert!(matches!(opened, Err(Error::Unavailable { .. })), "it would begin anew");
    let offset = store.offset(space(1), former.clone()).await;
    assert!(matches!(offset, Err(Error::Unavailable { .. })), "{offset:?}");
    // Whoever holds it comes back, and the upload goes on where it was.
    let left = [1, 4, 5].map(NodeId);
    cluster.start(1).await.expect("opens").set_members(NodeId(1), &left);
    let mut writer = open(3).await.expect("one of each majority answers");
    assert_eq!(writer.offset(), 1000);
    writer.write(vec![8; 10].into()).await.expect("taken");
    assert_eq!(writer.sync().await.expect("durable on those who stay"), 1010);
    drop(writer);
    assert_eq!(store.offset(space(1), former).await.expect("told"), Offset::At(1010));
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_are_asked_for_as_long_as_they_answer() {
    let (cluster, former) = held_by_three_of_five(92).await;
    cluster.crash(1).await;
    let opened = cluster.store(4).open_writer(claim(1, 2), former, "meta".into(), None).await;
    let mut writer = opened.expect("those who leave still have it");
    assert_eq!(writer.offset(), 1000);
    for node in [2, 3] {
        cluster.crash(node).await;
    }
    let stored = writer.finish().await.expect("those who stay have it now");
    assert_eq!((stored.size, stored.holders), (1000, [4, 5].map(NodeId).to_vec()));
}

/// Of two who voted both had to hold what was acknowledged, so one of them is enough: nobody waits for the other.
#[tokio::test(start_paused = true)]
async fn a_half_of_those_who_voted_before_is_enough() {
    let cluster = Cluster::new(94, 3).await;
    (1..=3).for_each(|node| cluster.store(node).set_members(NodeId(node), &[1, 2].map(NodeId)));
    let store = cluster.store(1);
    let opened = store.open_writer(claim(1, 1), vec![], "meta".into(), None);
    let mut writer = opened.await.expect("both");
    writer.write(vec![7; 1000].into()).await.expect("taken");
    assert_eq!(writer.sync().await.expect("durable on both"), 1000);
    drop(writer);
    (1..=3).for_each(|node| cluster.store(node).set_members(NodeId(node), &[1, 2, 3].map(NodeId)));
    cluster.crash(1).await;
    let former = vec![[1, 2].map(NodeId).to_vec()];
    let begun = tokio::time::Instant::now();
    let opened = cluster.store(2).open_writer(claim(1, 2), former, "meta".into(), None).await;
    assert_eq!(opened.expect("one of the two, and two of three").offset(), 1000);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "nobody is waited for: {:?}",
        begun.elapsed()
    );
}

/// Without those who voted before, the same takeover finds nothing and begins anew.
#[tokio::test(start_paused = true)]
async fn a_takeover_that_asks_only_who_votes_now_does_go_back() {
    let (cluster, _) = held_by_three_of_five(93).await;
    for node in [1, 2, 3] {
        cluster.crash(node).await;
    }
    let opened = cluster.store(4).open_writer(claim(1, 2), vec![], "meta".into(), None).await;
    assert_eq!(opened.expect("a majority of three").offset(), 0);
}
