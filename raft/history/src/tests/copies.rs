//! Gaps that are filled from peers, honest ones and others.

use proptest::prelude::*;

use super::*;
use crate::{RUN_OCTETS_MAX, Run};

static PEER: LazyLock<History> = LazyLock::new(|| filled(61).1);

fn newcomer(at: u64) -> (SimDisk, History) {
    let disk = SimDisk::new(2);
    let history = open(&disk).unwrap();
    history.begin_gap(at).unwrap();
    (disk, history)
}

#[test]
fn a_newcomer_appends_at_once_and_fetches_what_was_before() {
    let (_, peer) = filled(300);
    let (disk, history) = newcomer(250);
    history.append(250, &facts(250..260)).unwrap();
    assert_eq!(history.sync().unwrap(), 260);
    assert_eq!(history.missing(), Some(0..250));
    assert!(matches!(history.fact(0), Err(Error::Missing { from: 0, to: 250 })));
    assert!(matches!(history.root_at(255), Err(Error::Missing { from: 0, to: 250 })));
    assert_eq!(history.fact(255).unwrap(), fact(255));
    drop(history);

    let history = open(&disk).unwrap();
    assert_eq!((history.size(), history.missing()), (260, Some(0..250)));
    // The root that it knows is that of its own state, whatever the peer has since.
    let mut runs = 0;
    while let Some(missing) = history.missing() {
        let run = peer.segment(missing.start, 5000, 260).unwrap();
        let run = Run::decode(&run.encode()).unwrap();
        history.fill(&run, &known(260)).unwrap();
        runs += 1;
        let whole = history.progress().whole;
        assert!(whole >= 260 || history.root_at(whole).unwrap() == known(whole).root);
    }
    assert!(runs > 5);
    history.append(260, &facts(260..300)).unwrap();
    assert_whole(&history, 300);
}

#[test]
fn runs_may_come_in_any_order_and_twice() {
    let (_, peer) = filled(200);
    let (_, history) = newcomer(200);
    for from in [150, 0, 40, 150, 90, 110, 20, 60, 5] {
        history.fill(&peer.segment(from, 9000, 200).unwrap(), &known(200)).unwrap();
    }
    while let Some(missing) = history.missing() {
        history.fill(&peer.segment(missing.start, 9000, 200).unwrap(), &known(200)).unwrap();
    }
    assert_whole(&history, 200);
}

#[test]
fn several_gaps_are_filled_one_after_the_other() {
    let (_, peer) = filled(120);
    let (disk, history) = newcomer(20);
    history.append(20, &facts(20..25)).unwrap();
    history.begin_gap(50).unwrap();
    history.begin_gap(40).unwrap();
    history.begin_gap(70).unwrap();
    history.append(70, &facts(70..71)).unwrap();
    history.sync().unwrap();
    drop(history);
    let history = open(&disk).unwrap();
    assert_eq!((history.size(), history.missing()), (71, Some(0..20)));
    while let Some(missing) = history.missing() {
        history.fill(&peer.segment(missing.start, 2000, 71).unwrap(), &known(71)).unwrap();
    }
    assert_whole(&history, 71);
}

#[test]
fn a_run_is_bounded_and_never_empty() {
    let (_, peer) = filled(200);
    let run = peer.segment(10, 0, 200).unwrap();
    assert_eq!((run.from(), run.to(), run.facts()), (10, 11, &[fact(10)][..]));
    let run = peer.segment(0, usize::MAX, 200).unwrap();
    assert!(run.facts().iter().map(Vec::len).sum::<usize>() <= RUN_OCTETS_MAX);
    assert!(matches!(peer.segment(200, 9, 200), Err(Error::Beyond { .. })));
    assert!(matches!(peer.segment(0, 9, 201), Err(Error::Beyond { .. })));
    let mut empty = run.clone();
    empty.facts.clear();
    let (_, history) = newcomer(200);
    let refused = history.fill(&empty, &known(200));
    assert!(matches!(refused, Err(Error::Malformed { .. })));
}

#[test]
fn a_run_behind_the_end_is_not_taken() {
    let (_, peer) = filled(200);
    let (_, history) = newcomer(100);
    let run = peer.segment(150, 0, 200).unwrap();
    let refused = history.fill(&run, &known(200));
    assert!(matches!(refused, Err(Error::Behind { have: 100, want: 150 })));
}

#[test]
fn a_fact_that_contradicts_the_known_root_is_named() {
    let (_, peer) = filled(50);
    let disk = SimDisk::new(2);
    let history = open(&disk).unwrap();
    history.append(0, &[b"something else".to_vec()]).unwrap();
    let refused = history.fill(&peer.segment(0, 0, 50).unwrap(), &known(50));
    assert!(matches!(refused, Err(Error::Differs { position: 0 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_octet_that_a_peer_changes_is_refused(from in 0..60_u64, octets in 0..3000_usize, at in any::<usize>(), bit in 0..8_u8) {
        let (_, history) = newcomer(61);
        let mut sent = PEER.segment(from, octets, 61).unwrap().encode();
        let at = at % sent.len();
        sent[at] ^= 1 << bit;
        let refused = Run::decode(&sent).and_then(|run| history.fill(&run, &known(61)));
        prop_assert!(matches!(refused, Err(Error::Forged { .. } | Error::Malformed { .. })), "{:?}", refused);
        prop_assert_eq!(history.missing(), Some(0..61), "nothing was taken");
        sent[at] ^= 1 << bit;
        sent.truncate(at);
        prop_assert!(Run::decode(&sent).is_err());
    }

    #[test]
    fn no_octets_make_a_reader_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (_, history) = newcomer(61);
        if let Ok(run) = Run::decode(&octets) {
            let refused = history.fill(&run, &known(61));
            prop_assert!(refused.is_err());
        }
    }
}
