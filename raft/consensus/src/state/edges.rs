//! The last key of each table in the place that counts: behind it there is no row, which then is not looked for.
//!
//! Packets, spaces and nonces are named by the time at which they began. Whether a new one is there already
//! is asked for every packet, and it always lies behind all that has been settled.

use fjall::Keyspace;
use parking_lot::Mutex;

/// The last key of a table, none of an empty one. Its row may be gone by now.
type Last = Option<Vec<u8>>;

/// By the first octet of a key, which says its table: the end of that table, where somebody has looked for it since the
/// start, and since another state came.
pub(crate) struct Edges(Mutex<Vec<Option<Last>>>);

impl Edges {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(vec![None; usize::from(u8::MAX) + 1]))
    }

    /// Whether a place has nothing at this key for sure. The place must be the one that counts until this returns.
    pub(crate) fn is_beyond(&self, place: &Keyspace, key: &[u8]) -> fjall::Result<bool> {
        let Some(&table) = key.first() else { return Ok(false) };
        let mut edges = self.0.lock();
        let last = known(&mut edges, place, table)?;
        Ok(last.as_ref().is_none_or(|last| key > last.as_slice()))
    }

    /// Rows with these keys, in order, are about to come into the place that counts.
    pub(crate) fn widen<'k>(
        &self,
        place: &Keyspace,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> fjall::Result<()> {
        let mut edges = self.0.lock();
        let mut keys = keys.filter(|key| !key.is_empty()).peekable();
        while let Some(key) = keys.next() {
            // Only the last one of each table.
            if keys.peek().is_some_and(|next| next[0] == key[0]) {
                continue;
            }
            let last = known(&mut edges, place, key[0])?;
            if last.as_ref().is_none_or(|last| key > last.as_slice()) {
                *last = Some(key.to_vec());
            }
        }
        Ok(())
    }

    /// Another place counts from now on.
    pub(crate) fn forget(&self) {
        self.0.lock().fill(None);
    }
}

/// The end of a table; looked up where nobody has looked yet.
fn known<'e>(
    edges: &'e mut [Option<Last>],
    place: &Keyspace,
    table: u8,
) -> fjall::Result<&'e mut Last> {
    let edge = &mut edges[usize::from(table)];
    let last = match edge.take() {
        Some(last) => last,
        None => {
            let last = place.prefix([table]).next_back().map(fjall::Guard::key).transpose()?;
            last.map(|key| key.to_vec())
        }
    };
    Ok(edge.insert(last))
}
