//! The Merkle tree of RFC 6962 (the same as in RFC 9162) over SHA-256: hashes, frontier, proofs.
//!
//! It holds no tree: whoever stores one asks here which pieces a proof needs, and whoever was handed a
//! proof checks it here, with nothing but the root.

use std::ops::Range;

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::digest::sha256_word;

/// What a leaf's hash begins with, so that no leaf can be taken for a node (RFC 6962, 2.1).
const LEAF: u8 = 0;
/// What a node's hash begins with.
const NODE: u8 = 1;

/// Hashes in one proof of inclusion: one a level, and sizes are 64-bit numbers.
pub const PATH_MAX: usize = 64;
/// Hashes in one proof of consistency: a level may need one more at its beginning.
pub const CONSISTENCY_MAX: usize = 65;
/// Hashes on one side of a [`RunProof`]: the subtrees right of a run first grow, then shrink.
pub const SIDE_MAX: usize = 128;

sha256_word!(
    /// The hash of one leaf (32 octets); prints as 64 lower-case hexadecimal characters.
    LeafHash, "hash"
);

sha256_word!(
    /// The hash of a subtree or of a whole tree, its root (32 octets); prints as 64 lower-case hexadecimal characters.
    TreeHash, "hash"
);

impl LeafHash {
    /// The hash of a leaf with this content.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::new().chain_update([LEAF]).chain_update(content).finalize().into())
    }
}

impl TreeHash {
    /// The root of a tree without leaves.
    pub fn empty() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The hash of a node above two others.
    pub fn node(left: Self, right: Self) -> Self {
        let octets = Sha256::new().chain_update([NODE]).chain_update(left.0).chain_update(right.0);
        Self(octets.finalize().into())
    }
}

/// A tree of one leaf is that leaf.
impl From<LeafHash> for TreeHash {
    fn from(leaf: LeafHash) -> Self {
        Self(leaf.0)
    }
}

/// What identifies a tree: its size and its root. (RFC 6962 calls it a tree head.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// How many leaves it has.
    pub size: u64,
    /// Its root.
    pub root: TreeHash,
}

/// A perfect subtree: 2^level leaves, the first of them at index × 2^level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subtree {
    /// How many levels it has above its leaves; less than 64.
    pub level: u32,
    /// Which of its level, from the left.
    pub index: u64,
}

/// The perfect subtrees that leaves `range` consist of, from the left; as few as possible.
pub fn cover(range: Range<u64>) -> Vec<Subtree> {
    let mut found = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let fitting = (range.end - at).ilog2();
        let level = if at == 0 { fitting } else { fitting.min(at.trailing_zeros()) };
        found.push(Subtree { level, index: at >> level });
        at += 1 << level;
    }
    found
}

/// The hash above perfect subtrees that get smaller from the left to the right, as those in the
/// [`cover`] of any range that a proof names; of none, the root of an empty tree.
pub fn range_hash(roots: &[TreeHash]) -> TreeHash {
    let Some((last, before)) = roots.split_last() else { return TreeHash::empty() };
    before.iter().rev().fold(*last, |right, left| TreeHash::node(*left, right))
}

/// Where a tree of two or more leaves is divided: the largest power of two below its size.
fn left_size(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The right edge of a tree: all that is needed to add leaves, and to tell the root.
///
/// Encoded as an array of two fields: size, and the roots of the perfect subtrees, the largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode)]
#[cbor(array)]
pub struct Frontier {
    #[n(0)]
    size: u64,
    #[n(1)]
    roots: Vec<TreeHash>,
}

impl Frontier {
    /// A tree of this size, of perfect subtrees with these roots, the largest first.
    ///
    /// # Errors
    ///
    /// [`ProofError::WrongCount`] unless there is one root for each bit set in the size.
    pub fn new(size: u64, roots: Vec<TreeHash>) -> Result<Self, ProofError> {
        if roots.len() != size.count_ones() as usize {
            return Err(ProofError::WrongCount);
        }
        Ok(Self { size, roots })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its perfect subtrees, the largest first.
    pub fn roots(&self) -> &[TreeHash] {
        &self.roots
    }

    /// Adds a leaf.
    ///
    /// # Panics
    ///
    /// If the tree has 2^64 − 1 leaves.
    pub fn push(&mut self, leaf: LeafHash) {
        self.push_subtree(0, leaf.into());
    }

    /// Adds a perfect subtree of 2^level leaves.
    ///
    /// # Panics
    ///
    /// If the size is no multiple of 2^level, or becomes more than 2^64 − 1.
    pub fn push_subtree(&mut self, level: u32, root: TreeHash) {
        assert!(self.size.trailing_zeros() >= level, "a subtree begins at a multiple of its size");
        // Each bit that the addition carries over joins two subtrees of one size.
        let carried = (!(self.size >> level)).trailing_zeros();
        let joined = self.roots.split_off(self.roots.len() - carried as usize);
        self.roots.push(joined.iter().rev().fold(root, |right, left| TreeHash::node(*left, right)));
        self.size = self.size.checked_add(1 << level).expect("no tree has 2^64 leaves");
    }

    /// The root of the whole tree.
    pub fn root(&self) -> TreeHash {
        range_hash(&self.roots)
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }
}

/// Strict: exactly two fields, and as many hashes as the size needs.
impl<'b, C> Decode<'b, C> for Frontier {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let wrong = minicbor::decode::Error::message;
        if d.array()? != Some(2) {
            return Err(wrong("a frontier has two fields"));
        }
        let size: u64 = d.u64()?;
        // Looked at first, so that nobody's number makes us take memory.
        if d.array()? != Some(u64::from(size.count_ones())) {
            return Err(wrong("a frontier has one hash for each bit set in its size"));
        }
        let roots = (0..size.count_ones()).map(|_| d.decode()).collect::<Result<_, _>>()?;
        Ok(Self { size, roots })
    }
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It speaks of leaves that a tree of its size does not have.
    #[error("the proof speaks of leaves that its tree does not have")]
    OutOfRange,
    /// It has more or fewer hashes than it needs.
    #[error("the proof has the wrong number of hashes")]
    WrongCount,
    /// It leads to another root.
    #[error("the proof leads to another root")]
    WrongRoot,
}

fn held(found: TreeHash, wanted: TreeHash) -> Result<(), ProofError> {
    if found == wanted { Ok(()) } else { Err(ProofError::WrongRoot) }
}

/// Proves that a leaf is in a tree (RFC 9162, 2.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// Which leaf, from zero.
    pub position: u64,
    /// How many leaves the tree has.
    pub size: u64,
    /// The hashes beside the way from the leaf to the root, beginning at the leaf.
    pub path: Vec<TreeHash>,
}

impl Inclusion {
    /// Which leaves each hash of the path stands for, in the order of the path; none unless the
    /// position lies in the tree.
    pub fn ranges(position: u64, size: u64) -> Vec<Range<u64>> {
        let mut found = Vec::new();
        let (mut from, mut to) = (0, if position < size { size } else { 0 });
        while to - from > 1 {
            let middle = from + left_size(to - from);
            if position < middle {
                found.push(middle..to);
                to = middle;
            } else {
                found.push(from..middle);
                from = middle;
            }
        }
        found.reverse();
        found
    }

    /// The root to which the path leads from this leaf.
    ///
    /// # Errors
    ///
    /// The proof is not well formed: [`ProofError::OutOfRange`], [`ProofError::WrongCount`].
    pub fn root(&self, leaf: LeafHash) -> Result<TreeHash, ProofError> {
        if self.position >= self.size {
            return Err(ProofError::OutOfRange);
        }
        let ranges = Self::ranges(self.position, self.size);
        if ranges.len() != self.path.len() {
            return Err(ProofError::WrongCount);
        }
        let steps = ranges.iter().zip(&self.path);
        Ok(steps.fold(leaf.into(), |below, (range, beside)| {
            if range.start > self.position {
                TreeHash::node(below, *beside)
            } else {
                TreeHash::node(*beside, below)
            }
        }))
    }

    /// Checks that this leaf is in the tree with this root.
    ///
    /// # Errors
    ///
    /// The proof is not well formed, or leads elsewhere.
    pub fn verify(&self, leaf: LeafHash, root: TreeHash) -> Result<(), ProofError> {
        held(self.root(leaf)?, root)
    }
}

/// Proves that a tree is the beginning of a later one (RFC 9162, 2.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// The size of the earlier tree.
    pub from: u64,
    /// The size of the later tree.
    pub to: u64,
    /// The hashes, in the order of the RFC.
    pub path: Vec<TreeHash>,
}

impl Consistency {
    /// Which leaves each hash of the path stands for, in the order of the path.
    ///
    /// None where nothing is to be proved: between equal trees, and from an empty one.
    pub fn ranges(from: u64, to: u64) -> Vec<Range<u64>> {
        let mut found = Vec::new();
        if from == 0 || from >= to {
            return found;
        }
        let (mut low, mut high) = (0, to);
        while high != from {
            let middle = low + left_size(high - low);
            if from <= middle {
                found.push(middle..high);
                high = middle;
            } else {
                found.push(low..middle);
                low = middle;
            }
        }
        // Whoever checks knows the earlier root, which is this hash where nothing lies left of it.
        if low > 0 {
            found.push(low..high);
        }
        found.reverse();
        found
    }

    /// Checks that the tree with the root `earlier` is the beginning of the one with `later`.
    ///
    /// # Errors
    ///
    /// The proof is not well formed, or leads to other roots.
    pub fn verify(&self, earlier: TreeHash, later: TreeHash) -> Result<(), ProofError> {
        if self.from > self.to {
            return Err(ProofError::OutOfRange);
        }
        let ranges = Self::ranges(self.from, self.to);
        if ranges.len() != self.path.len() {
            return Err(ProofError::WrongCount);
        }
        if self.from == 0 {
            held(earlier, TreeHash::empty())?;
            return if self.to == 0 { held(later, TreeHash::empty()) } else { Ok(()) };
        }
        if self.from == self.to {
            return held(earlier, later);
        }
        let mut steps = ranges.iter().zip(&self.path).peekable();
        let mut begun = earlier;
        if let Some((_, hash)) = steps.next_if(|(range, _)| range.end == self.from) {
            begun = *hash;
        }
        // Hashes of leaves that both trees have count for both, the others for the later one.
        let (mut old, mut new) = (begun, begun);
        for (range, hash) in steps {
            if range.start < self.from {
                old = TreeHash::node(*hash, old);
                new = TreeHash::node(*hash, new);
            } else {
                new = TreeHash::node(new, *hash);
            }
        }
        held(old, earlier).and_then(|()| held(new, later))
    }
}

/// Proves that leaves which follow one another are at their place in a tree.
///
/// It stands for what lies left and right of them by the perfect subtrees there. So it has at most
/// [`SIDE_MAX`] hashes a side however many leaves it is for, and needs no other knowledge than the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunProof {
    /// The first leaf, from zero.
    pub from: u64,
    /// How many leaves the tree has.
    pub size: u64,
    /// The subtrees that cover what lies before the run.
    pub left: Vec<TreeHash>,
    /// The subtrees that cover what lies after it.
    pub right: Vec<TreeHash>,
}

impl RunProof {
    /// Checks that these leaves, from `from` on, are in the tree with this root.
    ///
    /// # Errors
    ///
    /// The proof is not well formed, or leads elsewhere.
    pub fn verify(&self, leaves: &[LeafHash], root: TreeHash) -> Result<(), ProofError> {
        let count = leaves.len() as u64;
        let Some(to) = self.from.checked_add(count).filter(|to| *to <= self.size) else {
            return Err(ProofError::OutOfRange);
        };
        let after = cover(to..self.size);
        if self.left.len() != self.from.count_ones() as usize || after.len() != self.right.len() {
            return Err(ProofError::WrongCount);
        }
        let mut tree = Frontier::new(self.from, self.left.clone())?;
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        for (subtree, hash) in after.iter().zip(&self.right) {
            tree.push_subtree(subtree.level, *hash);
        }
        held(tree.root(), root)
    }
}
