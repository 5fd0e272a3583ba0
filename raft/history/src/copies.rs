//! Copies of facts from peers: a run of them with its proof, which needs no trust in the peer.
//!
//! Whoever fetches knows one root from its own state. The proof shows that the run's facts are at their
//! place under that root. So runs may come from anybody, in any order, one at a time in memory.

use model::tree::{LeafHash, RunProof, TreeHead};

use crate::{Error, History, tiles::Kept, v1};

/// Octets of facts in a run: a message between nodes, and what a newcomer holds while it checks. One
/// fact that is larger goes alone.
pub const RUN_OCTETS_MAX: usize = 1 << 20;

/// Facts in a run: as many as can be checked in some milliseconds.
pub const RUN_FACTS_MAX: usize = 16_384;

/// Facts that follow one another, with the proof of their place in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub(crate) facts: Vec<Vec<u8>>,
    pub(crate) proof: RunProof,
}

impl Run {
    /// Reads a run that a peer sent.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`]. A run that can be read is not proved yet.
    pub fn decode(octets: &[u8]) -> Result<Self, Error> {
        v1::read_run(octets)
    }

    /// The run as it is sent.
    pub fn encode(&self) -> Vec<u8> {
        v1::run(self)
    }

    /// The position of its first fact.
    pub fn from(&self) -> u64 {
        self.proof.from
    }

    /// The position after its last one. A run that was not proved may say anything.
    pub fn to(&self) -> u64 {
        self.proof.from.saturating_add(self.facts.len() as u64)
    }

    /// Its facts.
    pub fn facts(&self) -> &[Vec<u8>] {
        &self.facts
    }

    /// Checks that these are the facts that a tree has at their place: their leaves, then.
    pub(crate) fn proved(&self, known: &TreeHead) -> Result<Vec<LeafHash>, Error> {
        if self.facts.is_empty() {
            return Err(Error::Malformed { reason: "it has no facts" });
        }
        if self.proof.size != known.size {
            return Err(Error::Malformed { reason: "it is proved for another size" });
        }
        let leaves: Vec<LeafHash> = self.facts.iter().map(|fact| v1::leaf(fact)).collect();
        let proved = self.proof.verify(&leaves, known.root);
        proved.map_err(|source| Error::Forged { from: self.proof.from, source })?;
        Ok(leaves)
    }
}

impl History {
    /// Facts for a peer: from a position on, at least one, up to `most_octets` of them and no more than
    /// [`RUN_OCTETS_MAX`], with their proof under the root that the tree has at `size`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); [`Error::NotHashed`] where this node's tree is smaller;
    /// [`Error::Beyond`] where `size` is not beyond `from`.
    pub fn segment(&self, from: u64, most_octets: usize, size: u64) -> Result<Run, Error> {
        self.hashed(size)?;
        if from >= size {
            return Err(Error::Beyond { position: from, size });
        }
        let to = size.min(from.saturating_add(RUN_FACTS_MAX as u64));
        let facts = self.facts.read_some(from..to, most_octets.min(RUN_OCTETS_MAX))?;
        let to = from + facts.len() as u64;
        let mut kept = Kept::default();
        let left = self.tiles.side(&self.facts, &mut kept, 0..from)?;
        let right = self.tiles.side(&self.facts, &mut kept, to..size)?;
        Ok(Run { facts, proof: RunProof { from, size, left, right } })
    }

    /// Takes in facts that were missing, once they are proved under a known root. Facts of the run that
    /// are here already must be the same. Durable after the next [`sync`](Self::sync).
    ///
    /// `known` must come from this node's own state, never from a peer.
    ///
    /// # Errors
    ///
    /// [`Error::Forged`] or [`Error::Malformed`]: nothing was taken, another peer may do better.
    /// [`Error::Behind`] if the run begins after the end of this history; [`Error::Differs`] if a
    /// fact that is here contradicts the known root.
    pub fn fill(&self, run: &Run, known: &TreeHead) -> Result<(), Error> {
        let leaves = run.proved(known)?;
        let _writing = self.writing.lock();
        for (position, fact) in (run.from()..).zip(&run.facts) {
            self.facts.write(position, fact)?;
        }
        self.tiles.push(run.from(), &leaves)
    }

    /// Writes facts over damaged ones, once they are proved under a known root, and syncs them. Returns
    /// the position up to which that was done: facts in another segment need another call.
    ///
    /// Where several positions are damaged, the lowest is repaired first.
    ///
    /// # Errors
    ///
    /// [`Error::Forged`] or [`Error::Malformed`]: nothing was taken, another peer may do better.
    /// [`Error::Damaged`] names an earlier position that must be repaired first.
    pub fn repair(&self, run: &Run, known: &TreeHead) -> Result<u64, Error> {
        run.proved(known)?;
        let _writing = self.writing.lock();
        let written = self.facts.rewrite(run.from(), &run.facts)? as u64;
        let to = run.from() + written;
        // A tile may have been made of what is repaired now.
        let mut position = run.from();
        while position < to {
            match self.tiles.mend_leaf(&self.facts, position) {
                // Another fact of the same tile is still damaged: its repair makes the tile.
                Ok(()) | Err(Error::Damaged { .. }) => position += v1::TILE_HASHES as u64,
                Err(error) => return Err(error),
            }
        }
        Ok(to)
    }
}
