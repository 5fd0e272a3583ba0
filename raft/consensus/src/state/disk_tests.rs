//! The state on disk against a plain map: what it reads is what was written last, whatever is in
//! memory, and after another state was taken in.

use std::{collections::BTreeMap, ops::ControlFlow};

use proptest::prelude::*;

use super::*;
use crate::sim::Facts;

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
    /// Somebody looks at a view, for which young rows are frozen.
    View,
    /// The node ends and starts again.
    Reopen,
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
        1 => Just(Step::View),
        1 => Just(Step::Reopen),
    ]
}

/// Every row one by one, and all rows between two keys in a scan.
fn reads(reader: &(impl Reader + ?Sized), rows: &Rows, who: &str) {
    for number in 0..40 {
        let key = key(number);
        assert!(reader.get(&key).as_ref() == rows.get(&key), "row {number} {who}");
    }
    let (from, to) = (key(3), key(33));
    let mut seen = Rows::new();
    reader.scan(&from, &to, &mut |key, value| {
        assert!(seen.insert(key.to_vec(), value.to_vec()).is_none(), "a row comes once");
        ControlFlow::Continue(())
    });
    assert!(seen.iter().eq(rows.range(from..to)), "a scan {who}");
}

/// Not by the one who applies: its reads are steps of their own. Nor in a view, which freezes rows.
fn same(state: &DiskState, rows: &Rows) {
    reads(state.latest(), rows, "one by one");
    state.peek(&mut |reader| reads(reader, rows, "at one moment"));
}

fn position(state: &DiskState) -> Option<Vec<u8>> {
    state.view().expect("a view").1
}

#[test]
fn rows_are_settled_with_their_position_when_they_are_many() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let state = DiskState::open(directory.path(), 32, (Arc::new(Facts::new()), None))
        .expect("a fresh state opens");
    let (mut rows, mut positions) = (Rows::new(), Vec::new());
    for number in 0..200_u8 {
        let row = (vec![number], vec![number; 20_000]);
        rows.insert(row.0.clone(), row.1.clone());
        let write = (row.0, Some(row.1));
        state.write(&mut [write].into_iter(), vec![number]).expect("a write");
        assert!(state.0.young.read().newest.octets < YOUNG_BYTES);
        // What a node would find that dies now: rows and position of one moment.
        let place = state.0.current.read().keyspace.clone();
        let snapshot = state.0.database.snapshot();
        let last = snapshot.last_key_value(&place).map(|last| last.key().expect("a key")[0]);
        let position = snapshot.get(&state.0.meta, POSITION).expect("a read").map(|at| at[0]);
        assert_eq!(last, position);
        positions.push(position);
    }
    let (_, frozen) = state.0.young.read().frozen();
    state.0.settling.wait(frozen).expect("settled");
    positions.push(state.0.meta.get(POSITION).expect("a read").map(|position| position[0]));
    let settled = positions.last().copied().flatten().expect("most of it is settled");
    assert!((150..200).contains(&settled), "four megabytes in all, up to {settled}");
    state.peek(&mut |reader| reads(reader, &rows, "young and settled"));
}

/// A look at a list costs no write: views freeze layers, and only some of these together are settled.
#[test]
fn views_alone_do_not_make_the_disk_write() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let state = DiskState::open(directory.path(), 32, (Arc::new(Facts::new()), None))
        .expect("a fresh state opens");
    let mut rows = Rows::new();
    for number in 1..=20_u8 {
        rows.insert(key(number), vec![number]);
        let write = (key(number), Some(vec![number]));
        state.write(&mut [write].into_iter(), vec![number]).expect("a write");
        let (view, position) = state.view().expect("a view");
        reads(&*view, &rows, "in a view");
        assert_eq!(position, Some(vec![number]));
        if usize::from(number) <= FROZEN_LAYERS_MAX {
            assert_eq!(state.0.meta.get(POSITION).expect("a read"), None);
        }
    }
    let (_, frozen) = state.0.young.read().frozen();
    state.0.settling.wait(frozen.saturating_sub(FROZEN_LAYERS_MAX as u64)).expect("settled");
    assert_ne!(state.0.meta.get(POSITION).expect("a read"), None);
    same(&state, &rows);
}

/// A disk that is full so many times.
struct Full(std::sync::atomic::AtomicU32);

impl FactLog for Full {
    fn begin(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn append(&self, _: u64, _: &[Vec<u8>]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

/// The disk was filled since it was measured: facts take what the spare gives back, and end the node without that.
#[test]
fn facts_that_meet_a_full_disk_take_of_the_spare() {
    for (times, settles) in [(1, true), (2, true), (3, false)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let room = Room::of(directory.path(), directory.path().join("log"), 1 << 20);
        room.look().expect("there is room");
        let facts = Arc::new(Full(times.into()));
        let state = DiskState::open(directory.path(), 32, (facts, Some(room)));
        let state = state.expect("a fresh state opens");
        let write = (vec![7], Some(vec![7; 2 * YOUNG_BYTES]));
        state.write(&mut [write].into_iter(), vec![1]).expect("a write");
        let (_, frozen) = state.0.young.read().frozen();
        assert_eq!(state.0.settling.wait(frozen).is_ok(), settles, "full {times} times");
        let spare = std::fs::metadata(directory.path().join("spare")).expect("a spare").len();
        assert_eq!(spare, (1_u64 << 20).saturating_sub(u64::from(times) << 19));
    }
}

/// What was written before a settling failed is not lost in silence: nothing more is taken.
#[test]
fn a_settling_that_fails_stops_the_writes() {
    let settling = Arc::new(Settling::default());
    let mut settler = Settler::start(settling.clone(), || Err(io::Error::other("no disk")))
        .expect("a thread starts");
    settling.check().expect("nothing was asked for");
    settling.ask(1);
    settling.wait(1).expect_err("it is not settled");
    settling.check().expect_err("and it is remembered");
    settler.end(false);
}

/// Everybody at once: whoever looks at one moment sees one batch whole, and never an older one than
/// before, while rows are written, settled, looked at and replaced.
#[test]
fn readers_see_whole_batches_while_rows_settle() {
    /// Enough for some dozen settlings.
    const BATCHES: u32 = 600;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let state = DiskState::open(directory.path(), 32, (Arc::new(Facts::new()), None))
        .expect("a fresh state opens");
    let batch = |number: u32| {
        let value = [&number.to_be_bytes()[..], &[7; 1_000]].concat();
        (0..40).map(move |row| (key(row), Some(value.clone())))
    };
    state.write(&mut batch(0), b"0".to_vec()).expect("a write");
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let watch = |look: &dyn Fn() -> Rows| {
        let mut seen = 0;
        loop {
            // One look more when all is written.
            let is_last = is_over.load(Ordering::Acquire);
            let rows = look();
            assert_eq!(rows.len(), 40, "every row");
            let numbers: Vec<_> = rows.values().map(|value| &value[..4]).collect();
            assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]), "one batch");
            let number = u32::from_be_bytes(numbers[0].try_into().expect("four octets"));
            assert!(number >= seen, "{number} after {seen}");
            seen = number;
            if is_last {
                return assert_eq!(seen, BATCHES, "the last one");
            }
        }
    };
    let rows_of = |reader: &dyn Reader| {
        let mut rows = Rows::new();
        reader.scan(&key(0), &key(40), &mut |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
            ControlFlow::Continue(())
        });
        // Row by row it is the same moment.
        let one_by_one = (0..40).filter_map(|row| Some((key(row), reader.get(&key(row))?)));
        assert!(one_by_one.eq(rows.clone()), "rows of a scan, one by one");
        rows
    };
    /// Whoever writes may fail: those who look must not wait for it.
    struct Over<'a>(&'a std::sync::atomic::AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        scope.spawn(|| {
            watch(&|| {
                let mut rows = Rows::new();
                state.peek(&mut |reader| rows = rows_of(reader));
                rows
            })
        });
        scope.spawn(|| watch(&|| rows_of(&*state.view().expect("a view").0)));
        for number in 1..=BATCHES {
            if number % 7 == 0 {
                drop(state.reader().get(&key((number % 40) as u8)));
            }
            if number % 97 == 0 {
                let mut stage = state.stage().expect("a stage");
                let rows = batch(number).filter_map(|(key, value)| Some((key, value?)));
                stage.put(rows.collect()).expect("staged");
                stage.switch(number.to_string().into()).expect("a switch");
            } else {
                state.write(&mut batch(number), number.to_string().into()).expect("a write");
            }
        }
    });
    assert_eq!(position(&state), Some(BATCHES.to_string().into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_reader_sees_what_was_written_last(steps in prop::collection::vec(step(), 1..60)) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut state = DiskState::open(directory.path(), 32, (Arc::new(Facts::new()), None)).expect("a fresh state opens");
        let (mut rows, mut at) = (Rows::new(), None);
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
                    at = Some(b"here".to_vec());
                }
                Step::Switch(pairs) => {
                    rows = pairs.into_iter().map(|(number, new)| (key(number), value(new))).collect();
                    let mut stage = state.stage().expect("a stage");
                    stage.put(rows.clone().into_iter().collect()).expect("pairs are staged");
                    stage.switch(b"there".to_vec()).expect("a switch");
                    at = Some(b"there".to_vec());
                }
                Step::View => {
                    let (view, position) = state.view().expect("a view");
                    reads(&*view, &rows, "in a view");
                    assert_eq!(position, at);
                }
                Step::Reopen => {
                    drop(state);
                    state = DiskState::open(directory.path(), 32, (Arc::new(Facts::new()), None)).expect("the state opens again");
                    assert_eq!(position(&state), at);
                }
            }
            same(&state, &rows);
        }
    }
}
