//! The history on a disk that forgets, tears and rots, beside peers that lie.

mod copies;
mod crashes;
mod damage;
mod formats;
mod index;
mod proofs;

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use model::tree::{Frontier, TreeHead};

use crate::{Error, History, Key, Keys, Limits, disk::sim::SimDisk, facts::segment::Name, v1};

/// Segments so small that some dozen facts make many.
const SMALL: Limits = Limits { segment_octets: 1500, segment_facts: 7, index_rows: 40 };

const KEYS: Keys = Keys { version: 1, of: keys };

/// A fact's octets, of all kinds of lengths.
fn fact(n: u64) -> Vec<u8> {
    let len = [0, 3, 40, 200, 700, 1600][(n * n % 6) as usize];
    format!("{n} ").into_bytes().into_iter().chain((0..len).map(|i| (n + i) as u8)).collect()
}

fn facts(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(fact).collect()
}

/// The fact's number, the last digit of it, and how long the fact is.
fn keys(fact: &[u8]) -> Vec<Key> {
    let number: Vec<u8> = fact.iter().copied().take_while(|c| *c != b' ').collect();
    let digit = number.last().map(|digit| vec![*digit]).unwrap_or_default();
    let len = format!("len {}", fact.len());
    [number, digit, len.into_bytes()].into_iter().filter_map(Key::new).collect()
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// The tree's right edge at a size, as a state keeps it.
fn frontier(size: u64) -> Frontier {
    static ALL: LazyLock<Vec<Frontier>> = LazyLock::new(|| {
        let mut tree = Frontier::default();
        let push = |n: u64| {
            let before = tree.clone();
            tree.push(v1::leaf(&fact(n)));
            before
        };
        (0..=2000).map(push).collect()
    });
    ALL[size as usize].clone()
}

fn known(size: u64) -> TreeHead {
    frontier(size).head()
}

fn open(disk: &SimDisk) -> Result<History, Error> {
    History::open_on(Arc::new(disk.clone()), SMALL, KEYS)
}

/// A history with so many facts, synced and derived, and its disk.
fn filled(size: u64) -> (SimDisk, History) {
    let disk = SimDisk::new(7);
    let history = open(&disk).unwrap();
    for n in 0..size {
        history.append(n, &[fact(n)]).unwrap();
    }
    history.sync().unwrap();
    history.derive(u64::MAX).unwrap();
    (disk, history)
}

/// The file of the closed segment in which a position lies.
fn segment_of(disk: &SimDisk, position: u64) -> String {
    let is_in = |path: &String| {
        let name = path.strip_prefix("facts/").and_then(Name::parse);
        matches!(name, Some(Name::Closed { first, next }) if (first..next).contains(&position))
    };
    disk.files().into_keys().find(is_in).expect("a closed segment")
}

/// All facts of a range, however many reads that takes.
fn read_all(history: &History, range: std::ops::Range<u64>) -> Result<Vec<Vec<u8>>, Error> {
    let mut found = Vec::new();
    while (found.len() as u64) < range.end - range.start {
        found.extend(history.read(range.start + found.len() as u64..range.end)?);
    }
    Ok(found)
}

/// The history is what it would be had nothing ever happened to it.
fn assert_whole(history: &History, size: u64) {
    assert_eq!((history.size(), history.missing()), (size, None));
    assert_eq!(read_all(history, 0..size).unwrap(), facts(0..size));
    history.sync().unwrap();
    let progress = history.derive(u64::MAX).unwrap();
    assert!(!progress.is_behind(), "{progress:?}");
    assert_eq!((progress.hashed, progress.indexed, progress.durable), (size, size, size));
    assert_eq!(history.frontier_at(size).unwrap(), frontier(size));
    assert_eq!(history.check(0..size, u64::MAX).unwrap(), (vec![], size));
    let fresh = crate::index::Index::in_memory(KEYS, usize::MAX);
    fresh.add(0, &facts(0..size)).unwrap();
    assert_eq!(history.index().unwrap().dump(), fresh.dump());
}

#[test]
fn facts_are_appended_again_after_a_crash_and_never_changed() {
    let (_, history) = filled(50);
    // The same again, and further ones behind them.
    history.append(40, &facts(40..60)).unwrap();
    assert_whole(&history, 60);
    let mut other = fact(45);
    other.push(0);
    assert!(matches!(history.append(45, &[other]), Err(Error::Differs { position: 45 })));
    assert!(matches!(history.append(59, &[fact(59), fact(60), fact(62)]), Ok(())));
    assert!(matches!(history.append(61, &[fact(61)]), Err(Error::Differs { position: 61 })));
    let behind = history.append(70, &[fact(70)]);
    assert!(matches!(behind, Err(Error::Behind { have: 62, want: 70 })));
    let large = vec![0; crate::FACT_OCTETS_MAX + 1];
    assert!(matches!(history.append(62, &[large]), Err(Error::TooLarge { position: 62, .. })));
    assert_eq!(history.size(), 62);
}

#[test]
fn the_largest_fact_and_the_empty_one_are_kept() {
    let disk = SimDisk::new(1);
    let history = open(&disk).unwrap();
    let large = vec![7; crate::FACT_OCTETS_MAX];
    let all = [vec![], large.clone(), vec![], large];
    history.append(0, &all).unwrap();
    history.sync().unwrap();
    drop(history);
    let history = open(&disk).unwrap();
    assert_eq!(read_all(&history, 0..4).unwrap(), all);
    assert_eq!(history.fact(3).unwrap(), all[3]);
    assert!(matches!(history.fact(4), Err(Error::Beyond { position: 4, size: 4 })));
    assert!(matches!(history.fact(u64::MAX), Err(Error::Beyond { .. })));
}

#[test]
fn an_empty_history_has_the_empty_root() {
    let disk = SimDisk::new(1);
    let history = open(&disk).unwrap();
    assert_whole(&history, 0);
    assert!(matches!(history.root_at(1), Err(Error::Beyond { .. })));
    assert!(matches!(history.inclusion(0, 0), Err(Error::Beyond { .. })));
}

#[test]
fn after_a_failed_sync_nothing_is_promised() {
    let (disk, history) = filled(20);
    history.append(20, &[fact(20)]).unwrap();
    disk.fail_syncs(true);
    assert!(matches!(history.sync(), Err(Error::Io { doing: "sync", .. })));
    disk.fail_syncs(false);
    assert!(matches!(history.sync(), Err(Error::Failed)));
    assert!(matches!(history.append(21, &[fact(21)]), Err(Error::Failed)));
    assert_eq!(history.fact(3).unwrap(), fact(3), "what is there is read");
    drop(history);
    disk.restart();
    let history = open(&disk).unwrap();
    history.append(20, &facts(20..22)).unwrap();
    assert_whole(&history, 22);
}

#[test]
fn a_real_directory_is_opened_again_and_by_one_process_only() {
    let directory = tempfile::tempdir().unwrap();
    let history = History::open(directory.path(), KEYS).unwrap();
    history.append(0, &facts(0..600)).unwrap();
    assert_eq!(history.sync().unwrap(), 600);
    history.derive(u64::MAX).unwrap();
    assert!(matches!(History::open(directory.path(), KEYS), Err(Error::Locked)));
    drop(history);
    let history = History::open(directory.path(), KEYS).unwrap();
    // The index is opened by whoever needs it, and begins where its files end: there are none yet.
    assert_eq!((history.progress().indexed, history.index().unwrap().indexed()), (0, 0));
    assert_whole(&history, 600);
}

#[test]
fn writers_readers_and_syncs_run_beside_one_another() {
    let disk = SimDisk::new(3);
    let history = open(&disk).unwrap();
    let done = AtomicBool::new(false);
    let until_done = |step: &dyn Fn()| {
        while !done.load(Relaxed) {
            step();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..2000).for_each(|n| history.append(n, &[fact(n)]).unwrap());
            done.store(true, Relaxed);
        });
        scope.spawn(|| until_done(&|| assert!(history.sync().is_ok())));
        scope.spawn(|| until_done(&|| assert!(history.derive(300).is_ok())));
        scope.spawn(|| {
            until_done(&|| {
                let size = history.progress().hashed;
                if size > 0 {
                    let position = size * 2 / 3;
                    let proof = history.inclusion(position, size).unwrap();
                    let leaf = v1::leaf(&history.fact(position).unwrap());
                    proof.verify(leaf, history.root_at(size).unwrap()).unwrap();
                }
            });
        });
    });
    assert_whole(&history, 2000);
}
