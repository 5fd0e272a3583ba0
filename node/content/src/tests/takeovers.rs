//! Takeovers under partitions and power cuts: an acknowledged offset is never lost nor altered.

use std::time::Duration;

use super::{Cluster, Dice, packet, read_all, space};
use crate::{Content, Offset, Writer, seal::digest_of};

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
        let opened = store.open_writer(space(1), packet(1), self.epoch, "meta".into(), None);
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
                let answer = cluster.store(1 + dice.below(3)).offset(space(1)).await;
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
        .open_writer(space(1), packet(1), 1, "meta".into(), None)
        .await
        .expect("opens");
    writer.write(octets.clone().into()).await.expect("taken");
    let stored = writer.finish().await.expect("finished");
    drop(writer);
    cluster.crash(1).await;
    // The node died before it could say so; another claims the space and finds it complete.
    let mut writer = cluster
        .store(2)
        .open_writer(space(1), packet(1), 2, "meta".into(), None)
        .await
        .expect("takes over");
    assert!(writer.write("more".into()).await.is_err(), "it takes no more");
    let again = writer.finish().await.expect("it is finished");
    assert_eq!((again.digest, again.size), (stored.digest, stored.size));
    assert_eq!(again.holders.len(), 2);
    assert_eq!(read_all(&cluster.store(3), space(1), None).await.expect("reads"), octets);
}
