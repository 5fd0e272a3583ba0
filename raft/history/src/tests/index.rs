//! The index: what it finds, and that it is the same however it came to be.

use super::*;
use crate::{KEY_OCTETS_MAX, POSITIONS_MAX};

#[test]
fn facts_are_found_by_their_keys_from_both_ends() {
    let (_, history) = filled(1000);
    assert_eq!(history.positions(&key("437"), None, 10).unwrap(), [437]);
    let sevens: Vec<u64> = (0..1000).filter(|n| n % 10 == 7).collect();
    assert_eq!(history.positions(&key("7"), None, 1000).unwrap(), sevens);
    assert_eq!(history.positions(&key("7"), Some(17), 3).unwrap(), [27, 37, 47]);
    assert_eq!(history.positions(&key("7"), Some(18), 1).unwrap(), [27]);
    assert_eq!(history.latest(&key("7"), None, 2).unwrap(), [997, 987]);
    assert_eq!(history.latest(&key("7"), Some(37), 9).unwrap(), [27, 17, 7]);
    assert!(history.latest(&key("7"), Some(0), 9).unwrap().is_empty());
    assert!(history.positions(&key("7"), Some(u64::MAX), 9).unwrap().is_empty());
    assert!(history.positions(&key("no such"), None, 9).unwrap().is_empty());
    assert!(history.positions(&key(""), None, 9).unwrap().is_empty());
}

#[test]
fn no_key_is_the_beginning_of_another() {
    // The octets of a position, behind a shorter key, are no longer key.
    let long = [b"7".as_slice(), &7_u64.to_be_bytes()].concat();
    let (_, history) = filled(100);
    assert!(history.positions(&Key::new(long).unwrap(), None, 9).unwrap().is_empty());
    assert!(Key::new([0; KEY_OCTETS_MAX]).is_some() && Key::new([0; KEY_OCTETS_MAX + 1]).is_none());
}

#[test]
fn the_index_is_behind_for_all_to_see_and_never_ahead_of_what_is_durable() {
    let disk = SimDisk::new(1);
    let history = open(&disk).unwrap();
    history.append(0, &facts(0..500)).unwrap();
    assert_eq!(history.derive(u64::MAX).unwrap().indexed, 0, "nothing is durable yet");
    history.sync().unwrap();
    assert!(history.progress().is_behind());
    let steps: Vec<u64> = (0..6).map(|_| history.derive(100).unwrap().indexed).collect();
    assert_eq!(steps, [100, 200, 300, 400, 500, 500]);
    assert_eq!(history.indexed(), 500);
    assert!(!history.progress().is_behind());
}

#[test]
fn an_index_that_is_made_again_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let history = History::open_with(directory.path(), SMALL, KEYS).unwrap();
    for n in 0..700 {
        history.append(n, &[fact(n)]).unwrap();
        if n % 90 == 0 {
            history.sync().unwrap();
            history.derive(n % 70).unwrap();
        }
    }
    history.sync().unwrap();
    history.derive(u64::MAX).unwrap();
    let step_by_step = history.index().unwrap().dump();
    assert_eq!(step_by_step.len(), 2090, "numbers below ten are one key with their digit");
    drop(history);

    // It goes on where its files end: the rows that were in memory are made again.
    let history = History::open_with(directory.path(), SMALL, KEYS).unwrap();
    let filed = history.index().unwrap().indexed();
    assert!((500..700).contains(&filed), "{filed}");
    assert_eq!(history.derive(u64::MAX).unwrap().indexed, 700);
    assert_eq!(history.index().unwrap().dump(), step_by_step);
    drop(history);

    // Other keys make another index.
    let later = Keys { version: 2, of: |fact| Key::new([fact[0]]).into_iter().collect() };
    let history = History::open(directory.path(), later).unwrap();
    assert_eq!(history.index().unwrap().indexed(), 0);
    history.derive(u64::MAX).unwrap();
    let ones = history.positions(&key("1"), None, POSITIONS_MAX).unwrap();
    assert_eq!(ones.len(), 1 + 10 + 100);
    drop(history);

    // Without its directory it is made again.
    std::fs::remove_dir_all(directory.path().join("history/index")).unwrap();
    let history = History::open_with(directory.path(), SMALL, KEYS).unwrap();
    history.derive(u64::MAX).unwrap();
    assert_eq!(history.index().unwrap().dump(), step_by_step);
    drop(history);

    // So it is where the facts went back.
    std::fs::remove_dir_all(directory.path().join("history/facts")).unwrap();
    let history = History::open(directory.path(), KEYS).unwrap();
    assert_eq!(
        (history.size(), history.indexed(), history.index().unwrap().dump().len()),
        (0, 0, 0)
    );
    history.append(0, &facts(0..20)).unwrap();
    assert_whole(&history, 20);
}
