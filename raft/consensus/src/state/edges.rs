//! The last key of each table in the place that counts: behind it there is no row, which then is not looked for.
//!
//! Packets, spaces and nonces are named by the time at which they began. Whether a new one is there already
//! is asked for every packet, and it nearly always lies behind all that has been settled: not where a signer's clock
//! is ahead, and then it is looked for.

use fjall::Keyspace;
use parking_lot::Mutex;

/// The end of a table.
#[derive(Clone, Default)]
struct Edge {
    /// The last key that has come into the table since the start, or since another place counts. Its row may be gone.
    last: Option<Vec<u8>>,
    /// Whether what was there before is counted, too.
    is_known: bool,
}

impl Edge {
    fn is_before(&self, key: &[u8]) -> bool {
        self.last.as_ref().is_none_or(|last| key > last.as_slice())
    }

    fn widen(&mut self, key: &[u8]) {
        if self.is_before(key) {
            self.last = Some(key.to_vec());
        }
    }
}

/// The ends of all tables, by the first octet of a key, which says the table.
pub(crate) struct Edges(Mutex<Vec<Edge>>);

impl Edges {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(vec![Edge::default(); usize::from(u8::MAX) + 1]))
    }

    /// Whether a place has nothing at this key for sure. The place must be the one that counts until this returns.
    pub(crate) fn is_beyond(&self, place: &Keyspace, key: &[u8]) -> fjall::Result<bool> {
        let Some(&table) = key.first() else { return Ok(false) };
        let at = usize::from(table);
        {
            let edges = self.0.lock();
            if edges[at].is_known {
                return Ok(edges[at].is_before(key));
            }
        }
        // Without the lock: where the end of a table was deleted, this walks over what is left of it. What comes
        // meanwhile, others note first.
        let before = place.prefix([table]).next_back().map(fjall::Guard::key).transpose()?;
        let mut edges = self.0.lock();
        if let Some(before) = before {
            edges[at].widen(&before);
        }
        edges[at].is_known = true;
        Ok(edges[at].is_before(key))
    }

    /// Rows with these keys, in order, are about to come into the place that counts.
    pub(crate) fn widen<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        let mut edges = self.0.lock();
        let mut keys = keys.filter(|key| !key.is_empty()).peekable();
        while let Some(key) = keys.next() {
            // Only the last one of each table.
            if keys.peek().is_none_or(|next| next[0] != key[0]) {
                edges[usize::from(key[0])].widen(key);
            }
        }
    }

    /// Another place counts from now on.
    pub(crate) fn forget(&self) {
        self.0.lock().fill(Edge::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(directory: &std::path::Path) -> (fjall::Database, Keyspace) {
        let database = fjall::Database::builder(directory).open().expect("a database");
        let place = database.keyspace("place", Default::default).expect("a keyspace");
        (database, place)
    }

    #[test]
    fn what_was_there_before_counts_and_what_comes_before_somebody_looks() {
        let directory = tempfile::tempdir().expect("a directory");
        let (_database, place) = place(directory.path());
        place.insert([7, 5], "row").expect("written");
        place.insert([8, 9], "row").expect("written");
        place.remove([8, 9]).expect("written");
        let edges = Edges::new();
        let beyond = |edges: &Edges, key: &[u8]| edges.is_beyond(&place, key).expect("a look");
        // Before anybody has looked: lower than what is there, and higher.
        edges.widen([&[7, 3][..], &[9, 1], &[9, 4]].into_iter());
        assert!(!beyond(&edges, &[7, 4]) && !beyond(&edges, &[7, 5]) && beyond(&edges, &[7, 6]));
        assert!(!beyond(&edges, &[9, 4]) && beyond(&edges, &[9, 4, 0]));
        assert!(beyond(&edges, &[8, 0]) && beyond(&edges, &[6]) && !beyond(&edges, &[]));
        // And after it.
        edges.widen([&[6, 1][..], &[7, 8]].into_iter());
        assert!(!beyond(&edges, &[7, 8]) && beyond(&edges, &[7, 9]) && !beyond(&edges, &[6, 1]));
        edges.forget();
        assert!(beyond(&edges, &[7, 8]), "in this place it never was");
        assert!(!beyond(&edges, &[7, 5]));
    }
}
