//! The tree's hashes, in tiles as `c2sp.org/tlog-tiles` has them: 256 hashes a tile, a tier for each
//! eight levels of the tree. Any proof reads a few tiles.
//!
//! A tile is written once it is full; the hashes of the others, the edge, are in memory. All of it
//! follows from the facts. So nothing here needs to be synced, and a damaged tile is made again.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use model::tree::{Frontier, LeafHash, Subtree, TreeHash, cover, range_hash};
use parking_lot::Mutex;

use model::lengths::in_memory;

use crate::{
    Error,
    disk::{Disk, File},
    facts::Facts,
    v1::{self, TILE_HASHES, TILE_OCTETS},
};

/// The directory of the tiles.
const TREE: &str = "tree";

/// Levels of the tree in one tile: 2^8 hashes.
const TILE_LEVELS: u32 = 8;

/// Tiers of tiles: eight levels each, for sizes of 64 bits.
const TIERS: usize = 8;

/// Full tiles that are kept for one proof: most of its hashes lie in few of them.
const KEPT: usize = 16;

/// The tree, as far as it is built.
pub(crate) struct Tiles {
    disk: Arc<dyn Disk>,
    edge: Mutex<Edge>,
    mended: AtomicU64,
}

struct Edge {
    /// How many leaves the tree has.
    size: u64,
    tiers: Vec<Tier>,
}

#[derive(Default)]
struct Tier {
    file: Option<Arc<dyn File>>,
    /// How many full tiles are written.
    tiles: u64,
    /// The hashes behind them: fewer than a tile has.
    hashes: Vec<TreeHash>,
}

/// Tiles that one proof has read.
#[derive(Default)]
pub(crate) struct Kept(BTreeMap<(usize, u64), Vec<TreeHash>>);

fn path(tier: usize) -> String {
    format!("{TREE}/{tier}")
}

/// The root of a perfect subtree, by its leaves or lower roots.
fn perfect(hashes: &[TreeHash]) -> TreeHash {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|pair| TreeHash::node(pair[0], pair[1])).collect();
    }
    level.first().copied().unwrap_or_else(TreeHash::empty)
}

impl Tiles {
    /// Opens what is there of the tree. Further leaves are pushed again.
    pub(crate) fn open(disk: Arc<dyn Disk>, facts: &Facts) -> Result<Self, Error> {
        disk.make_dir(TREE).map_err(Error::io("create", TREE))?;
        let names = disk.list(TREE).map_err(Error::io("list", TREE))?;
        let mut tiers: Vec<Tier> = Vec::new();
        let mut entries = facts.whole();
        for tier in 0..TIERS {
            if !names.contains(&tier.to_string()) {
                break;
            }
            let file = disk.open(&path(tier)).map_err(Error::io("open", &path(tier)))?;
            let size = file.size().map_err(Error::io("read", &path(tier)))?;
            let tiles = (size / TILE_OCTETS as u64).min(entries / TILE_HASHES as u64);
            entries = tiles;
            tiers.push(Tier { file: Some(file), tiles, hashes: Vec::new() });
        }
        tiers.push(Tier::default());
        // Where an upper tier has lost tiles, the lower ones are counted only as far as the edge goes.
        for tier in (0..tiers.len() - 1).rev() {
            let most = (tiers[tier + 1].tiles + 1) * TILE_HASHES as u64 - 1;
            tiers[tier].tiles = tiers[tier].tiles.min(most);
        }
        let size = tiers[0].tiles * TILE_HASHES as u64;
        let edge = Mutex::new(Edge { size, tiers });
        let tree = Self { disk, edge, mended: AtomicU64::new(0) };
        match tree.read_edge(facts) {
            Ok(()) => {}
            // Its tile cannot be made again either before the fact is repaired: the tree begins anew, so
            // that the node can start and fetch that fact.
            Err(Error::Damaged { file, position }) => {
                tracing::error!(file, position, "a fact is damaged, and the tree is built again");
                let mut edge = tree.edge.lock();
                edge.size = 0;
                edge.tiers.iter_mut().for_each(|tier| {
                    tier.tiles = 0;
                    tier.hashes.clear();
                });
            }
            Err(error) => return Err(error),
        }
        Ok(tree)
    }

    /// Reads the edge of the upper tiers from the tiles below them.
    fn read_edge(&self, facts: &Facts) -> Result<(), Error> {
        let tiles: Vec<u64> = self.edge.lock().tiers.iter().map(|tier| tier.tiles).collect();
        for tier in 1..tiles.len() {
            for below in tiles[tier] * TILE_HASHES as u64..tiles[tier - 1] {
                let root = perfect(&self.tile(facts, tier - 1, below)?);
                self.edge.lock().tiers[tier].hashes.push(root);
            }
        }
        Ok(())
    }

    /// How many leaves the tree has.
    pub(crate) fn size(&self) -> u64 {
        self.edge.lock().size
    }

    /// How many damaged tiles were made again.
    pub(crate) fn mended(&self) -> u64 {
        self.mended.load(Ordering::Relaxed)
    }

    /// Adds leaves that begin at a position. Those that are in the tree already are passed over; if the
    /// tree has not come to the position yet, nothing is done.
    pub(crate) fn push(&self, position: u64, leaves: &[LeafHash]) -> Result<(), Error> {
        let mut edge = self.edge.lock();
        if position > edge.size {
            return Ok(());
        }
        let known = in_memory(edge.size - position);
        leaves.iter().skip(known).try_for_each(|leaf| self.push_one(&mut edge, *leaf))
    }

    fn push_one(&self, edge: &mut Edge, leaf: LeafHash) -> Result<(), Error> {
        let mut hash = TreeHash::from(leaf);
        let mut tier = 0;
        // The tiles that this leaf fills are written first: if that fails, the leaf is not in the tree.
        while let Some(filled) = edge.tiers.get_mut(tier)
            && filled.hashes.len() + 1 == TILE_HASHES
        {
            let mut hashes = filled.hashes.clone();
            hashes.push(hash);
            let file = match &filled.file {
                Some(file) => file,
                None => {
                    let file = self.disk.create(&path(tier));
                    filled.file.insert(file.map_err(Error::io("create", &path(tier)))?)
                }
            };
            let octets = v1::tile(tier, filled.tiles, &hashes);
            let written = file.write(filled.tiles * TILE_OCTETS as u64, &octets);
            written.map_err(Error::io("write", &path(tier)))?;
            hash = perfect(&hashes);
            tier += 1;
        }
        for filled in &mut edge.tiers[..tier] {
            filled.hashes.clear();
            filled.tiles += 1;
        }
        if edge.tiers.len() == tier {
            edge.tiers.push(Tier::default());
        }
        edge.tiers[tier].hashes.push(hash);
        edge.size += 1;
        Ok(())
    }

    /// Makes the full tiles durable, so that fewer are made again after a loss of power.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let files: Vec<_> = self.edge.lock().tiers.iter().map(|tier| tier.file.clone()).collect();
        for (tier, file) in files.into_iter().enumerate() {
            if let Some(file) = file {
                file.sync().map_err(Error::io("sync", &path(tier)))?;
            }
        }
        self.disk.sync_dir(TREE).map_err(Error::io("sync", TREE))
    }

    /// A full tile.
    fn tile(&self, facts: &Facts, tier: usize, index: u64) -> Result<Vec<TreeHash>, Error> {
        let file = self.edge.lock().tiers[tier].file.clone();
        let Some(file) = file else { return self.mend(facts, tier, index) };
        let read = file.read(index * TILE_OCTETS as u64, TILE_OCTETS);
        let octets = read.map_err(Error::io("read", &path(tier)))?;
        match v1::read_tile(tier, index, &octets) {
            Some(hashes) => Ok(hashes),
            None => self.mend(facts, tier, index),
        }
    }

    /// Makes a damaged tile again: from the facts, or from the tiles below.
    pub(crate) fn mend(
        &self,
        facts: &Facts,
        tier: usize,
        index: u64,
    ) -> Result<Vec<TreeHash>, Error> {
        let entries = index * TILE_HASHES as u64..(index + 1) * TILE_HASHES as u64;
        let mut hashes = Vec::with_capacity(TILE_HASHES);
        if tier == 0 {
            while hashes.len() < TILE_HASHES {
                let read = facts.read(entries.start + hashes.len() as u64..entries.end)?;
                hashes.extend(read.iter().map(|fact| TreeHash::from(v1::leaf(fact))));
            }
        } else {
            for below in entries {
                hashes.push(perfect(&self.tile(facts, tier - 1, below)?));
            }
        }
        let file = self.edge.lock().tiers[tier].file.clone();
        if let Some(file) = file {
            let octets = v1::tile(tier, index, &hashes);
            let written = file.write(index * TILE_OCTETS as u64, &octets);
            written.map_err(Error::io("write", &path(tier)))?;
            self.mended.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(file = path(tier), index, "a damaged tile of the tree is made again");
        }
        Ok(hashes)
    }

    /// Makes the tile with this leaf again, if it is full.
    pub(crate) fn mend_leaf(&self, facts: &Facts, position: u64) -> Result<(), Error> {
        let index = position / TILE_HASHES as u64;
        let is_full = index < self.edge.lock().tiers[0].tiles;
        if is_full { self.mend(facts, 0, index).map(|_| ()) } else { Ok(()) }
    }

    /// The root of a perfect subtree that lies in the tree.
    pub(crate) fn node(
        &self,
        facts: &Facts,
        kept: &mut Kept,
        subtree: Subtree,
    ) -> Result<TreeHash, Error> {
        let tier = (subtree.level / TILE_LEVELS) as usize;
        let height = subtree.level % TILE_LEVELS;
        let first = subtree.index << height;
        let (index, at) = (first / TILE_HASHES as u64, in_memory(first % TILE_HASHES as u64));
        let within = at..at + (1 << height);
        let edge = self.edge.lock();
        if edge.tiers.get(tier).is_none_or(|tier| index >= tier.tiles) {
            let hashes = edge.tiers.get(tier).and_then(|tier| tier.hashes.get(within));
            let hashes = hashes.ok_or(Error::NotHashed {
                have: edge.size,
                want: (subtree.index + 1) << subtree.level,
            })?;
            return Ok(perfect(hashes));
        }
        drop(edge);
        if !kept.0.contains_key(&(tier, index)) {
            if kept.0.len() == KEPT {
                kept.0.pop_first();
            }
            kept.0.insert((tier, index), self.tile(facts, tier, index)?);
        }
        Ok(perfect(&kept.0[&(tier, index)][within]))
    }

    /// The subtrees that cover a range of leaves.
    pub(crate) fn side(
        &self,
        facts: &Facts,
        kept: &mut Kept,
        range: Range<u64>,
    ) -> Result<Vec<TreeHash>, Error> {
        cover(range).into_iter().map(|subtree| self.node(facts, kept, subtree)).collect()
    }

    /// The hashes for ranges that a proof names.
    pub(crate) fn path(
        &self,
        facts: &Facts,
        ranges: Vec<Range<u64>>,
    ) -> Result<Vec<TreeHash>, Error> {
        let mut kept = Kept::default();
        let hash = |range| Ok(range_hash(&self.side(facts, &mut kept, range)?));
        ranges.into_iter().map(hash).collect()
    }

    /// The right edge of the tree when it had this size.
    pub(crate) fn frontier(&self, facts: &Facts, size: u64) -> Result<Frontier, Error> {
        let roots = self.side(facts, &mut Kept::default(), 0..size)?;
        Ok(Frontier::new(size, roots).expect("a cover from zero has one subtree for each bit"))
    }
}
