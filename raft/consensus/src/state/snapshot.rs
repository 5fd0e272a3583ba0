//! A snapshot of the state: a view that is read in blocks, or a state that was taken in.
//!
//! Blocks are framed so: length of the key, length of the value (four octets each), key, value.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use model::lengths::in_form;

use crate::{
    options::SNAPSHOT_BLOCK,
    state::{Pairs, Stage, StateView},
};

/// What the Raft library hands about as the data of a snapshot.
pub(crate) enum SnapshotData {
    /// This node's state at the moment of the snapshot.
    View(StateView),
    /// A state that came from the leader and waits to be switched to.
    Taken(Box<dyn Stage>, Pending),
}

/// Held while a state that was taken in whole waits to be switched to. Another one that began
/// meanwhile would take its place away, and the switch would fail as a disk does.
pub(crate) struct Pending(Arc<AtomicBool>);

impl Pending {
    /// Until it is dropped, the flag is up.
    pub(crate) fn new(flag: &Arc<AtomicBool>) -> Self {
        flag.store(true, Ordering::Release);
        Self(flag.clone())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The next block of a view behind `after`, and the last key in it; none at the end.
pub(crate) fn next_block(view: &StateView, after: Option<&[u8]>) -> Option<(Pairs, Vec<u8>)> {
    // The smallest key behind `after`; every key of the state is shorter than the end's.
    let from = after.map_or_else(Vec::new, |key| [key, &[0]].concat());
    let to = [0xff; KEY_MAX];
    let (mut pairs, mut size) = (Pairs::new(), 0);
    view.scan(&from, &to, &mut |key, value| {
        pairs.push((key.to_vec(), value.to_vec()));
        size += key.len() + value.len();
        if size >= SNAPSHOT_BLOCK { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let last = pairs.last()?.0.clone();
    Some((pairs, last))
}

/// Keys of the state begin with a letter of their table, so none reaches so many 0xff.
const KEY_MAX: usize = 64;

/// Puts pairs into one block.
pub(crate) fn encode(pairs: &Pairs) -> Vec<u8> {
    let size = pairs.iter().map(|(key, value)| 8 + key.len() + value.len()).sum();
    let mut block = Vec::with_capacity(size);
    for (key, value) in pairs {
        block.extend_from_slice(&in_form(key.len()).to_be_bytes());
        block.extend_from_slice(&in_form(value.len()).to_be_bytes());
        block.extend_from_slice(key);
        block.extend_from_slice(value);
    }
    block
}

/// The pairs of a block; none if it is malformed.
pub(crate) fn decode(mut block: &[u8]) -> Option<Pairs> {
    let mut pairs = Pairs::new();
    while !block.is_empty() {
        let (key, rest) = block.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u32::from_be_bytes(*key) as usize)?;
        let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*value) as usize)?;
        pairs.push((key.to_vec(), value.to_vec()));
        block = rest;
    }
    Some(pairs)
}
