//! Peers whose answers are not what our program would send: nothing that comes in makes a node
//! panic, is taken for a content, or is called damage of a disk where none is.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use bytes::Bytes;
use model::{Digest, NodeId};
use parking_lot::Mutex;
use proptest::prelude::*;

use super::{Cluster, Dice, Twist, claim, packet, read_all, space};
use crate::{
    Error,
    layout::Tenure,
    protocol::{self, Description, Operation, PREFIX, ReadRaw, Standing},
    record::FRAME,
    seal::digest_of,
};

/// A number as a peer may write it: at the edges, or near what is right.
fn number(dice: &mut Dice, right: u64) -> u64 {
    match dice.below(9) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => i64::MAX as u64,
        4 => u64::from(u32::MAX),
        5 => right.wrapping_add(dice.below(9)),
        6 => right.wrapping_sub(dice.below(9)),
        7 => dice.next(),
        _ => right,
    }
}

fn garbled_description(dice: &mut Dice, body: &[u8]) -> Option<Bytes> {
    let right: Description = protocol::decode(body).ok()?;
    let seal_at = match (right.seal_at, dice.below(5)) {
        (_, 0) => None,
        (at, 1) => Some(number(dice, at.unwrap_or(4096))),
        (at, _) => at,
    };
    let digest = if dice.below(6) == 0 { Digest([7; 32]) } else { right.digest };
    let (total, size) = (number(dice, right.total), number(dice, right.size));
    let size = if dice.below(2) == 0 { right.size } else { size };
    Some(protocol::answer(&Description { total, seal_at, size, digest, ..right }))
}

fn garbled_standing(dice: &mut Dice, body: &[u8]) -> Option<Bytes> {
    let mut standing: Standing = protocol::decode(body).ok()?;
    let epoch = |dice: &mut Dice| number(dice, 2) as u32;
    if dice.below(3) == 0 {
        let tenure = Tenure { epoch: epoch(dice), last: number(dice, 4) };
        standing.tenures.push(tenure);
    }
    if let Some(tenure) = standing.tenures.last_mut().filter(|_| dice.below(2) == 0) {
        tenure.last = number(dice, tenure.last);
    }
    standing.granted ^= dice.below(5) == 0;
    standing.promised = epoch(dice);
    standing.end = number(dice, standing.end);
    standing.writer = (dice.below(3) == 0).then(|| (epoch(dice), number(dice, 9)));
    standing.sealed = (dice.below(3) == 0).then(|| number(dice, 9));
    if dice.below(4) == 0 {
        standing.identity = dice.octets(512);
    }
    Some(protocol::answer(&standing))
}

/// What is left of an answer, or more than it was.
fn garbled_octets(dice: &mut Dice, answer: &Bytes) -> Bytes {
    let mut octets = answer.to_vec();
    match dice.below(5) {
        0 => octets.truncate(dice.below(octets.len() as u64 + 1) as usize),
        1 => {
            let more = dice.below(2000) as usize;
            octets.extend(dice.octets(more));
        }
        2 => octets.splice(PREFIX.min(octets.len()).., []).for_each(drop),
        3 => {
            for _ in 0..=dice.below(4) {
                if let Some(place) = (dice.next() as usize).checked_rem(octets.len()) {
                    octets[place] ^= dice.next() as u8 | 1;
                }
            }
        }
        _ => {}
    }
    octets.into()
}

fn garble(dice: &mut Dice, message: &Bytes, answer: Bytes) -> Bytes {
    let body = answer.get(PREFIX..).unwrap_or_default();
    let twisted = match protocol::split(message).map(|(operation, _)| operation) {
        Some(Operation::Describe) => garbled_description(dice, body),
        Some(Operation::Fence | Operation::Stand) => garbled_standing(dice, body),
        _ => None,
    };
    match twisted.filter(|_| dice.below(4) > 0) {
        Some(answer) => answer,
        None => garbled_octets(dice, &answer),
    }
}

async fn one_peer_lies(seed: u64) {
    let cluster = Cluster::new(seed, 3).await;
    let mut dice = Dice::new(seed);
    let small = dice.octets(2 * FRAME + 77);
    let large = dice.octets(3 * FRAME + 500);
    cluster.net.cut(1, 3);
    cluster.net.cut(2, 3);
    let writer = cluster.store(1);
    let put = writer.put_small(space(1), packet(1), Bytes::from_static(b"m"), small.clone().into());
    put.await.expect("two of three");
    let mut upload = writer
        .open_writer(claim(2, 1), vec![], Bytes::from_static(b"m"), None)
        .await
        .expect("a writer");
    upload.write(large.clone().into()).await.expect("taken");
    upload.finish().await.expect("two of three");
    cluster.net.mend();
    // The one that tells the truth is away, so that nobody is asked but the one that lies.
    cluster.net.cut(1, 3);
    let lies = Arc::new(Mutex::new(dice.clone()));
    cluster.net.twist(Some(Arc::new(move |from, message, answer| {
        if from == NodeId(2) { garble(&mut lies.lock(), message, answer) } else { answer }
    })));
    let third = cluster.store(3);
    for (id, content) in [(space(1), &small), (space(2), &large)] {
        if let Ok(read) = read_all(&third, id, None).await {
            assert!(read == *content, "what was read is what was written");
        }
        let fetched = third.fetch(id, Some(digest_of(content)), &[NodeId(2)]).await;
        // What it holds now is the content, or a copy that says of itself that it is damaged.
        let held = third.holds(id);
        assert!(fetched.is_err() || held, "{fetched:?}");
        if held && let Ok(stat) = third.stat(id).await {
            assert_eq!(stat.digest, digest_of(content));
        }
        let _ = third.offset(id, vec![]).await;
        if id == space(2) {
            let taken = third.open_writer(claim(2, 2), vec![], Bytes::new(), None).await;
            drop(taken);
        }
    }
    for offset in [0, 4096, i64::MAX as u64, u64::MAX - 8, u64::MAX] {
        for (id, len) in [(space(1), u32::MAX), (space(2), 1)] {
            let ask = protocol::message(Operation::Read, &ReadRaw { space: id, offset, len });
            assert!(writer.handle(NodeId(2), ask).await.len() >= PREFIX);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_peer_makes_a_store_panic_or_take_another_content(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(one_peer_lies(seed));
    }
}

/// A description whose seal lies behind its own end: an underflow, once.
#[tokio::test(start_paused = true)]
async fn a_description_that_does_not_fit_together_is_refused() {
    let mut cluster = Cluster::new(40, 2).await;
    let mut upload = cluster
        .store(1)
        .open_writer(claim(1, 1), vec![], Bytes::new(), None)
        .await
        .expect("a writer");
    upload.write(Bytes::from_static(b"content")).await.expect("taken");
    upload.finish().await.expect("finished");
    let lie = |total: u64, seal_at: Option<u64>| -> Twist {
        Arc::new(move |_, message: &Bytes, answer: Bytes| {
            let asked = protocol::split(message).map(|(operation, _)| operation);
            let body = answer.get(PREFIX..).unwrap_or_default();
            match protocol::decode::<Description>(body) {
                Ok(right) if asked == Some(Operation::Describe) => {
                    protocol::answer(&Description { total, seal_at, ..right })
                }
                _ => answer,
            }
        })
    };
    let fresh = cluster.join(3).await;
    for (total, seal_at) in
        [(4096, Some(5000)), (u64::MAX, Some(0)), (u64::MAX, Some(4096)), (10, None)]
    {
        cluster.net.twist(Some(lie(total, seal_at)));
        let fetched = fresh.fetch(space(1), None, &[NodeId(1)]).await;
        assert!(matches!(fetched, Err(Error::Damaged { .. })), "{total} {seal_at:?}: {fetched:?}");
        assert_eq!(fresh.list_held(None, 10), []);
    }
}

/// The metric sends somebody to look at a disk.
#[tokio::test(start_paused = true)]
async fn a_peer_that_is_away_or_destroys_its_copy_is_no_damage() {
    for destroyed in [false, true] {
        let mut cluster = Cluster::new(41, 3).await;
        let content = Dice::new(41).octets(12 * FRAME);
        let mut upload = cluster
            .store(1)
            .open_writer(claim(1, 1), vec![], Bytes::new(), None)
            .await
            .expect("a writer");
        upload.write(content.clone().into()).await.expect("taken");
        upload.finish().await.expect("finished");
        // A fourth one, which holds nothing: it does not vote.
        let fresh = cluster.join(4).await;
        let mut reading = fresh.read(space(1), None, None).await.expect("from a holder");
        reading.next().await.expect("a piece").expect("a good one");
        if destroyed {
            for node in 1..=3 {
                cluster.store(node).purge(vec![space(1)]).await.expect("destroyed");
            }
        } else {
            (1..=3).for_each(|node| cluster.net.cut(node, 4));
        }
        let mut last = None;
        while let Some(piece) = reading.next().await {
            last = piece.err();
        }
        let gone = matches!(last, Some(Error::Purged { .. } | Error::Missing { .. }));
        let away = matches!(last, Some(Error::Unavailable { .. }));
        assert!(if destroyed { gone } else { away }, "{destroyed}: {last:?}");
        assert_eq!(fresh.metrics().damage_found.load(Relaxed), 0, "{destroyed}");
    }
}
