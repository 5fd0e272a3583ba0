//! The forms of the history on disk and between nodes, version 1. Numbers are little-endian.
//!
//! A segment is a head, frames, and, once it is closed, a table of where its frames are. A tile is 256
//! hashes and a checksum. A run goes from node to node.

use crc32fast::Hasher;
use model::tree::{LeafHash, RunProof, SIDE_MAX, TreeHash};

use model::lengths::in_form;

use crate::{Error, FACT_OCTETS_MAX, RUN_FACTS_MAX, RUN_OCTETS_MAX, copies::Run};

/// What a segment begins with: kind and version.
const SEGMENT: [u8; 8] = *b"lgsphis1";
/// What a segment's table ends with.
const TABLE: [u8; 8] = *b"lgsptab1";
/// What a tile's checksum begins with, so that another version's tile is none of ours.
const TILE: [u8; 8] = *b"lgsptil1";
/// The version that a run begins with.
const RUN: u8 = 1;

/// Octets of a segment's head: magic, first position, checksum.
pub(crate) const HEAD: usize = 20;
/// Octets of a frame before its fact: checksum, length, position, octets that were durable before.
pub(crate) const FRAME_HEAD: usize = 20;
/// Octets of a table beside its offsets: checksum, count, magic.
pub(crate) const TABLE_END: usize = 16;
/// Hashes in a tile, as `c2sp.org/tlog-tiles` has it.
pub(crate) const TILE_HASHES: usize = 256;
/// Octets of a tile.
pub(crate) const TILE_OCTETS: usize = TILE_HASHES * 32 + 4;

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// A segment's head.
pub(crate) fn head(first: u64) -> [u8; HEAD] {
    let mut octets = [0; HEAD];
    octets[..8].copy_from_slice(&SEGMENT);
    octets[8..16].copy_from_slice(&first.to_le_bytes());
    let sum = checksum(&[&octets[..16]]);
    octets[16..].copy_from_slice(&sum.to_le_bytes());
    octets
}

/// Whether these octets begin with the head of another version: whole, so that it is no damage.
pub(crate) fn is_of_another_version(octets: &[u8]) -> bool {
    let Some(head) = octets.get(..HEAD) else { return false };
    let is_whole = u32_at(head, 16) == Some(checksum(&[&head[..16]]));
    is_whole && head[..7] == SEGMENT[..7] && head[7] != SEGMENT[7]
}

/// A fact as it lies in a segment.
pub(crate) struct Frame<'a> {
    pub(crate) fact: &'a [u8],
    /// Octets of the segment that were known to be durable when this frame was written.
    pub(crate) durable: u32,
    /// Octets of the whole frame.
    pub(crate) len: usize,
}

/// Adds a frame.
pub(crate) fn put_frame(octets: &mut Vec<u8>, position: u64, durable: u32, fact: &[u8]) {
    let start = octets.len();
    octets.extend([0; 4]);
    octets.extend(in_form(fact.len()).to_le_bytes());
    octets.extend(position.to_le_bytes());
    octets.extend(durable.to_le_bytes());
    octets.extend(fact);
    let sum = checksum(&[&octets[start + 4..]]);
    octets[start..start + 4].copy_from_slice(&sum.to_le_bytes());
}

/// The position that a frame here would have, and its length; nothing is checked but that it fits.
pub(crate) fn peek_frame(octets: &[u8]) -> Option<(u64, usize)> {
    let len = u32_at(octets, 4)? as usize;
    let position = u64::from_le_bytes(octets.get(8..16)?.try_into().ok()?);
    let whole = FRAME_HEAD.checked_add(len)?;
    (len <= FACT_OCTETS_MAX && whole <= octets.len()).then_some((position, whole))
}

/// The frame of this position that these octets begin with, if it is whole and unchanged.
pub(crate) fn frame(octets: &[u8], position: u64) -> Option<Frame<'_>> {
    let (found, len) = peek_frame(octets)?;
    if found != position || u32_at(octets, 0)? != checksum(&[&octets[4..len]]) {
        return None;
    }
    Some(Frame { fact: &octets[FRAME_HEAD..len], durable: u32_at(octets, 16)?, len })
}

/// The table of a closed segment: where each frame begins, and where the last one ends.
pub(crate) fn table(offsets: &[u32]) -> Vec<u8> {
    let mut octets: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
    let count = in_form(offsets.len()).to_le_bytes();
    let sum = checksum(&[&octets, &count, &TABLE]);
    octets.extend(sum.to_le_bytes());
    octets.extend(count);
    octets.extend(TABLE);
    octets
}

/// Reads a table of so many offsets; none if it is damaged.
pub(crate) fn read_table(octets: &[u8], count: usize) -> Option<Vec<u32>> {
    let (offsets, end) = octets.split_at_checked(count * 4)?;
    let sum = checksum(&[offsets, &in_form(count).to_le_bytes(), &TABLE]);
    let is_whole = end.len() == TABLE_END
        && u32_at(end, 0) == Some(sum)
        && u32_at(end, 4) == Some(in_form(count))
        && end[8..] == TABLE;
    is_whole.then(|| (0..count).filter_map(|n| u32_at(offsets, n * 4)).collect())
}

fn tile_sum(tier: usize, index: u64, hashes: &[u8]) -> u32 {
    let tier_octet = u8::try_from(tier).expect("a tree of 64 bits has eight tiers");
    checksum(&[&TILE, &[tier_octet], &index.to_le_bytes(), hashes])
}

/// A tile of 256 hashes.
pub(crate) fn tile(tier: usize, index: u64, hashes: &[TreeHash]) -> Vec<u8> {
    let mut octets: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    let sum = tile_sum(tier, index, &octets);
    octets.extend(sum.to_le_bytes());
    octets
}

/// Reads a tile; none if it is damaged, or not there.
pub(crate) fn read_tile(tier: usize, index: u64, octets: &[u8]) -> Option<Vec<TreeHash>> {
    let (hashes, sum) = octets.split_at_checked(TILE_HASHES * 32)?;
    if u32_at(sum, 0)? != tile_sum(tier, index, hashes) {
        return None;
    }
    let hash = |octets: &[u8]| TreeHash(octets.try_into().expect("cut into 32 octets"));
    Some(hashes.chunks_exact(32).map(hash).collect())
}

/// A run as it is sent: version, first position, size of the tree, facts, hashes left and right.
pub(crate) fn run(run: &Run) -> Vec<u8> {
    let write = |e: &mut minicbor::Encoder<Vec<u8>>| {
        e.array(6)?.u8(RUN)?.u64(run.proof.from)?.u64(run.proof.size)?;
        e.array(run.facts.len() as u64)?;
        for fact in &run.facts {
            e.bytes(fact)?;
        }
        e.encode(&run.proof.left)?.encode(&run.proof.right)?.ok()
    };
    let mut encoder = minicbor::Encoder::new(Vec::new());
    write(&mut encoder).expect("memory takes all octets");
    encoder.into_writer()
}

/// Reads a run. Strict, and bounded whatever a peer sent.
pub(crate) fn read_run(octets: &[u8]) -> Result<Run, Error> {
    let wrong = |reason| Error::Malformed { reason };
    // Hashes and what CBOR adds are small beside the facts.
    if octets.len() > 2 * RUN_OCTETS_MAX {
        return Err(wrong("it is too long"));
    }
    let mut d = minicbor::Decoder::new(octets);
    let cut = |_: minicbor::decode::Error| wrong("it is cut or garbled");
    if d.array().map_err(cut)? != Some(6) || d.u8().map_err(cut)? != RUN {
        return Err(wrong("it is of another version"));
    }
    let (from, size) = (d.u64().map_err(cut)?, d.u64().map_err(cut)?);
    let count = d.array().map_err(cut)?.filter(|count| *count <= RUN_FACTS_MAX as u64);
    let mut facts = Vec::new();
    for _ in 0..count.ok_or(wrong("it has too many facts"))? {
        let fact = d.bytes().map_err(cut)?;
        if fact.len() > FACT_OCTETS_MAX {
            return Err(wrong("a fact is too large"));
        }
        facts.push(fact.to_vec());
    }
    let mut side = || -> Result<Vec<TreeHash>, Error> {
        let count = d.array().map_err(cut)?.filter(|count| *count <= SIDE_MAX as u64);
        let count = count.ok_or(wrong("it has too many hashes"))?;
        (0..count).map(|_| d.decode().map_err(cut)).collect()
    };
    let (left, right) = (side()?, side()?);
    if d.position() != octets.len() {
        return Err(wrong("something follows it"));
    }
    Ok(Run { facts, proof: RunProof { from, size, left, right } })
}

/// The leaf of a fact: the fact's octets, as they were encoded once.
pub(crate) fn leaf(fact: &[u8]) -> LeafHash {
    LeafHash::of(fact)
}
