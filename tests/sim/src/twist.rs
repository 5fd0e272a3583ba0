//! A node whose program differs from that of the others, once: to it, something that an entry did was not done.
//!
//! What a unit's feed stands at is taken back on that node alone, as a program would leave it that does not count one
//! event. The next event of that unit is then another one there, so the digests of the writes part at that entry.

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use consensus::sim::State;
use tokio::time::sleep;

use crate::world::World;

/// The table of where each unit's feed stands, as its keys begin.
const HEADS: u8 = 15;

/// Longer than the founding and the first elections.
const AFTER: Duration = Duration::from_secs(2);

/// Shorter than the pause between two events of one feed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits for a feed that goes on at one node, and takes it back there.
pub async fn differ(world: World) {
    sleep(AFTER).await;
    let nodes = world.nodes();
    let node = nodes[world.dice().below(nodes.len() as u64) as usize];
    let state = world.state(node);
    let mut before = heads(&state);
    loop {
        sleep(LOOK_EVERY).await;
        let now = heads(&state);
        let moved = before.iter().find(|(key, old)| now.get(*key).is_some_and(|new| new != *old));
        if let Some((key, old)) = moved {
            state.plant(key.clone(), old.clone());
            world.count("programs that differ");
            return;
        }
        before = now;
    }
}

fn heads(state: &State) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    state.view().scan(&[HEADS], &[HEADS + 1], &mut |key, value| {
        found.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    });
    found
}
