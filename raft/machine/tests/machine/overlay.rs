//! An overlay, or one over another, reads as a plain map with the same writes.

use std::ops::ControlFlow;

use machine::{Overlay, Reader, Store};
use proptest::{collection::vec, prelude::*};

use crate::office::State;

type Writes = Vec<(u8, Option<u8>)>;

fn write(store: &mut impl Store, writes: &Writes) {
    for (key, value) in writes {
        match value {
            Some(value) => store.put(vec![*key], vec![*value]),
            None => store.delete(vec![*key]),
        }
    }
}

fn scanned(reader: &impl Reader, from: u8, to: u8, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    reader.scan(&[from], &[to], &mut |key, value| {
        assert!(rows.len() < limit, "visited after the break");
        rows.push((key.to_vec(), value.to_vec()));
        if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    rows
}

fn writes() -> impl Strategy<Value = Writes> {
    vec((0..24u8, any::<Option<u8>>()), 0..24)
}

proptest! {
    #[test]
    fn overlays_read_as_a_plain_map(
        below in writes(), middle in writes(), above in writes(),
        from in 0..25u8, to in 0..25u8, limit in 1..30usize,
    ) {
        let mut plain = State::new();
        write(&mut plain, &below);
        let base = plain.clone();
        write(&mut plain, &middle);
        let half = plain.clone();
        write(&mut plain, &above);

        let mut first = Overlay::new(&base);
        write(&mut first, &middle);
        let dynamic: &dyn Reader = &first;
        let mut second = Overlay::new(dynamic);
        write(&mut second, &above);
        prop_assert_eq!(scanned(&second, from, to, limit), scanned(&plain, from, to, limit));
        for key in 0..24 {
            prop_assert_eq!(Reader::get(&second, &[key]), Reader::get(&plain, &[key]));
        }
        prop_assert_eq!(scanned(&first, from, to, limit), scanned(&half, from, to, limit));

        let drained: Vec<_> = second.into_writes().collect();
        prop_assert!(drained.is_sorted_by(|a, b| a.0 < b.0));
        let mut landed = half;
        for (key, value) in drained {
            match value {
                Some(value) => landed.put(key, value),
                None => landed.delete(key),
            }
        }
        prop_assert_eq!(landed, plain);
    }
}
