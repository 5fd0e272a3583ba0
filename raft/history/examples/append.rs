//! How many facts a second a history takes: `append [directory] [facts] [octets] [batch]`.

#![allow(clippy::cast_possible_truncation, reason = "a test that fails says enough")]

use std::{env, error::Error, path::PathBuf, time::Instant};

use lgsp_history::{History, Key, Keys};

/// Two keys a fact, as a packet and a unit would be.
fn keys(fact: &[u8]) -> Vec<Key> {
    let packet = fact.get(..8).unwrap_or_default();
    [packet, &packet[packet.len() / 2..]].into_iter().filter_map(Key::new).collect()
}

fn per_second(what: &str, count: u64, began: Instant) {
    let micros = began.elapsed().as_micros().max(1);
    let rate = u128::from(count) * 1_000_000 / micros;
    println!("{what:<40} {rate:>10} a second  ({} µs each)", micros / u128::from(count.max(1)));
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let directory = arguments.next().map_or_else(|| env::temp_dir().join("history"), PathBuf::from);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (count, octets, batch) = (number(200_000)?, number(600)?, number(100)?);
    let history = History::open(&directory, Keys { version: 1, of: keys })?;
    let start = history.size();
    let fact = |n: u64| {
        let mut fact = vec![b'x'; octets as usize];
        fact.iter_mut().zip(n.to_be_bytes()).for_each(|(to, from)| *to = from);
        fact
    };

    let began = Instant::now();
    for n in start..start + count {
        history.append(n, &[fact(n)])?;
    }
    per_second("facts appended, one a call", count, began);
    history.sync()?;
    per_second("  and all synced at the end", count, began);

    let began = Instant::now();
    let (start, syncs) = (start + count, 200);
    for sync in 0..syncs {
        let from = start + sync * batch;
        let facts: Vec<_> = (from..from + batch).map(fact).collect();
        history.append(from, &facts)?;
        history.sync()?;
    }
    per_second(&format!("facts appended and synced by {batch}"), syncs * batch, began);
    per_second("  syncs", syncs, began);

    let began = Instant::now();
    while history.derive(10_000)?.is_behind() {}
    per_second("facts indexed, two keys each", count + syncs * batch, began);

    let size = history.size();
    let began = Instant::now();
    let proofs = 2_000;
    for n in 0..proofs {
        history.inclusion(n * 7_919 % size, size)?;
    }
    per_second("proofs of inclusion", proofs, began);
    let began = Instant::now();
    for n in 0..proofs {
        history.fact(n * 7_919 % size)?;
    }
    per_second("facts read anywhere", proofs, began);

    drop(history);
    let began = Instant::now();
    let history = History::open(&directory, Keys { version: 1, of: keys })?;
    println!("opened again with {} facts in {} ms", history.size(), began.elapsed().as_millis());
    Ok(())
}
