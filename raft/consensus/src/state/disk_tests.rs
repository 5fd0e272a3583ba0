//! The state on disk against a plain map: what it reads is what was written last, whatever is in
//! memory, and after another state was taken in.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Enough for the rows in memory to give way to each other.
const LARGE: usize = 300 << 10;

#[derive(Debug, Clone)]
enum Step {
    /// The one who applies reads.
    Read(Vec<u8>),
    /// One atomic batch.
    Write(Vec<(u8, Option<u8>)>),
    /// Another state is taken in.
    Switch(Vec<(u8, u8)>),
}

fn key(number: u8) -> Vec<u8> {
    vec![7, number]
}

/// Some values are so large that few of them fit into memory together.
fn value(number: u8) -> Vec<u8> {
    let len = if number.is_multiple_of(5) { LARGE } else { usize::from(number) };
    vec![number; len]
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0..40_u8;
    prop_oneof![
        4 => prop::collection::vec(number.clone(), 1..20).prop_map(Step::Read),
        4 => prop::collection::vec((number.clone(), prop::option::weighted(0.7, any::<u8>())), 1..10)
            .prop_map(Step::Write),
        1 => prop::collection::vec((number, any::<u8>()), 0..10).prop_map(Step::Switch),
    ]
}

fn same(state: &DiskState, rows: &Rows) {
    let (view, _) = state.view().expect("a view");
    for number in 0..40 {
        let (key, wanted) = (key(number), rows.get(&key(number)).cloned());
        // Not by the one who applies: its reads are steps of their own.
        assert!(state.latest().get(&key) == wanted, "row {number} by itself");
        assert!(view.get(&key) == wanted, "row {number} in a view");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_reader_sees_what_was_written_last(steps in prop::collection::vec(step(), 1..60)) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = DiskState::open(directory.path()).expect("a fresh state opens");
        let mut rows = Rows::new();
        for step in steps {
            match step {
                Step::Read(numbers) => {
                    for number in numbers {
                        let key = key(number);
                        assert!(state.reader().get(&key).as_ref() == rows.get(&key), "row {number}");
                    }
                }
                Step::Write(changes) => {
                    // As an overlay gives them: each key once.
                    let writes: BTreeMap<_, _> = changes
                        .into_iter()
                        .map(|(number, new)| (key(number), new.map(value)))
                        .collect();
                    for (key, value) in writes.clone() {
                        match value {
                            Some(value) => drop(rows.insert(key, value)),
                            None => drop(rows.remove(&key)),
                        }
                    }
                    state.write(&mut writes.into_iter(), b"here".to_vec()).expect("a write");
                }
                Step::Switch(pairs) => {
                    rows = pairs.into_iter().map(|(number, new)| (key(number), value(new))).collect();
                    let mut stage = state.stage().expect("a stage");
                    stage.put(rows.clone().into_iter().collect()).expect("pairs are staged");
                    stage.switch(b"there".to_vec()).expect("a switch");
                }
            }
            same(&state, &rows);
        }
    }
}
