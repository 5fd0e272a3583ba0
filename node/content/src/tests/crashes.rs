//! Power cuts at every point: what was acknowledged is there afterwards, what was purged is not.
//!
//! The negative control takes the syncs away and must find a loss.

use std::{collections::BTreeMap, time::Duration};

use super::{Cluster, Dice, packet, read_all, space};
use crate::Error;

/// Octets that differ from all others, cheaply.
fn filler(number: u64, len: usize) -> Vec<u8> {
    let mut octets = vec![number as u8; len];
    octets.iter_mut().zip(number.to_be_bytes()).for_each(|(octet, new)| *octet = new);
    octets
}

/// Runs puts and purges on one node until its power goes off at `cut`; gives what was lost.
async fn one_life(seed: u64, cut: u64, lies: bool) -> Result<u64, String> {
    let cluster = Cluster::new(seed, 1).await;
    let disk = cluster.disks[&1].clone();
    disk.set_lies(lies);
    disk.crash_at(disk.operations() + cut);
    let (mut dice, mut kept, mut purged) = (Dice::new(seed), BTreeMap::new(), Vec::new());
    let store = cluster.store(1);
    let mut number = 0;
    while !disk.is_dead() && number < 60 {
        let puts = (0..1 + dice.below(6)).map(|_| {
            number += 1;
            // Most are small; some roll a segment now and then.
            let size = if dice.below(4) == 0 { dice.below(600_000) } else { dice.below(3000) };
            let (octets, store) = (filler(dice.next(), size as usize), store.clone());
            async move {
                let put = store
                    .put_small(space(number), packet(number), "meta".into(), octets.clone().into())
                    .await;
                (number, octets, put.is_ok())
            }
        });
        let puts: Vec<_> = puts.collect();
        for (number, octets, stored) in futures_util::future::join_all(puts).await {
            if stored {
                kept.insert(number, octets);
            }
        }
        if dice.below(3) == 0 {
            let victims: Vec<u128> = kept.keys().copied().filter(|_| dice.below(3) == 0).collect();
            let gone = store.purge(victims.iter().copied().map(space).collect()).await.is_ok();
            for victim in victims {
                kept.remove(&victim);
                if gone {
                    purged.push(victim);
                }
            }
        }
    }
    cluster.crash(1).await;
    disk.set_lies(false);
    let store = cluster.start(1).await.map_err(|error| format!("does not open: {error:?}"))?;
    let mut found = 0;
    for (number, octets) in &kept {
        let read = read_all(&store, space(*number), None).await;
        if !matches!(&read, Ok(read) if read == octets) {
            return Err(format!("packet {number} was lost: {:?}", read.err()));
        }
        found += 1;
    }
    if let Some(number) = purged.iter().find(|number| store.holds(space(**number))) {
        return Err(format!("packet {number} came back"));
    }
    // Whatever else came through is whole or is refused; and the store goes on.
    for held in store.list_held(None, 1000) {
        if let Err(Error::Forged { .. } | Error::Damaged { .. }) = store.verify(held.space).await {
            return Err(format!("{held:?} was taken for good"));
        }
    }
    let more = store.put_small(space(9999), packet(1), "meta".into(), vec![1; 10].into()).await;
    more.map_err(|error| format!("takes no more: {error:?}"))?;
    Ok(found)
}

#[tokio::test(start_paused = true)]
async fn nothing_acknowledged_is_lost_at_any_power_cut() {
    let mut found = 0;
    for seed in 0..600 {
        match one_life(seed, 1 + seed % 75, false).await {
            Ok(kept) => found += kept,
            Err(loss) => panic!("seed {seed}: {loss}"),
        }
    }
    assert!(found > 2000, "only {found} contents were ever acknowledged");
}

#[tokio::test(start_paused = true)]
async fn without_syncs_the_same_test_finds_a_loss() {
    let mut losses = 0;
    for seed in 0..20 {
        losses += u64::from(one_life(seed, 40, true).await.is_err());
    }
    assert!(losses >= 15, "only {losses} of 20 lives lost something");
}

#[tokio::test(start_paused = true)]
async fn three_nodes_that_lose_power_together_keep_what_they_acknowledged() {
    for seed in 0..40 {
        let cluster = Cluster::new(1000 + seed, 3).await;
        let (mut dice, mut kept) = (Dice::new(seed), BTreeMap::new());
        for (node, disk) in &cluster.disks {
            if *node != 1 + seed % 3 {
                disk.crash_at(disk.operations() + 1 + dice.below(60));
            }
        }
        for number in 0..40u128 {
            let node = 1 + dice.below(3);
            let octets = dice.octets(dice.clone().below(5000) as usize);
            let store = cluster.store(node);
            let put = store.put_small(
                space(number),
                packet(number),
                "meta".into(),
                octets.clone().into(),
            );
            if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(20), put).await {
                kept.insert(number, octets);
            }
        }
        for node in 1..=3 {
            cluster.crash(node).await;
        }
        // One of them does not come back.
        let away = 1 + dice.below(3);
        for node in (1..=3).filter(|node| *node != away) {
            cluster.start(node).await.expect("opens");
        }
        let reader = cluster.store(if away == 1 { 2 } else { 1 });
        for (number, octets) in kept {
            let read = read_all(&reader, space(number), None).await;
            assert_eq!(
                read.expect("some node of the majority has it"),
                octets,
                "seed {seed}, packet {number}"
            );
        }
    }
}
