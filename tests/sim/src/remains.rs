//! What a purge must destroy, as it lies on a disk: samples of key slots and of ciphertext are taken
//! while contents are held, and searched for when every debt is paid.
//!
//! It knows where slot and ciphertext lie in the stored forms of version 1 (`content/src/record.rs`),
//! and nothing of how they are destroyed.

use machine::View;
use model::{PacketId, SpaceId};

use crate::{oracle::Ledger, world::World};

/// Contents that are sampled in a run, small and large: each sample is searched for on every disk.
pub const SMALL_MAX: usize = 2;
/// See [`SMALL_MAX`].
pub const LARGE_MAX: usize = 1;
/// Octets of a sample: a chance hit has the odds of 2^-256.
const SAMPLE: usize = 32;

/// A record begins at a multiple of this, with this, and with the octet of a content at 5.
const ALIGN: usize = 64;
const RECORD_MAGIC: &[u8] = b"LGRC";
const CONTENT: u8 = 1;
const RECORD_HEAD: usize = 128;
/// A file's slot, its length, and its first frame.
const FILE_SLOT: usize = 48;
const FILE_FRAMES: usize = 4096;
const FRAME_HEAD: usize = 40;
const TAG: usize = 16;
/// A sealed slot begins with the form and the version of the cluster key, the same in every slot.
const SLOT_PREFIX: usize = 5;

/// Octets that must be nowhere once their packet's content is destroyed.
#[derive(Clone)]
pub struct Sample {
    packet: PacketId,
    what: &'static str,
    octets: Vec<u8>,
}

/// Samples an acknowledged content at the first node that holds it still, if there are too few yet.
pub fn sample(world: &World, ledger: &Ledger, packet: PacketId, large: bool) {
    if ledger.is_sampled(large) {
        return;
    }
    for node in world.nodes() {
        let (Some(consensus), Some(content)) = (world.consensus(node), world.content(node)) else {
            continue;
        };
        let reader = consensus.view();
        let Some(record) = View::new(&*reader).packet(packet) else { continue };
        if !content.holds(record.space) {
            continue;
        }
        if ledger.needle(packet).is_some_and(|needle| world.disk(node).contains(&needle)) {
            ledger.violation(format!("{packet} lies in the clear on node {node} while it is held"));
        }
        let files = world.disk(node).files();
        if let Some([slot, ciphertext]) = cut(&files, record.space) {
            let slot = Sample { packet, what: "key slot", octets: slot };
            let ciphertext = Sample { packet, what: "ciphertext", octets: ciphertext };
            ledger.sampled(large, [slot, ciphertext]);
            return;
        }
    }
}

/// What is left of the sampled contents. Every debt must be paid by now.
pub fn left(world: &World, ledger: &Ledger) -> Vec<String> {
    let samples = ledger.samples();
    if samples.is_empty() {
        return vec!["no content was seen while it was held: nothing can be searched for".into()];
    }
    let mut left = Vec::new();
    for node in world.nodes() {
        let disk = world.disk(node);
        for Sample { packet, what, octets } in &samples {
            if disk.contains(octets) {
                left.push(format!("the {what} of {packet} still lies on the disk of node {node}"));
            }
        }
    }
    left
}

/// Octets of the slot and of the ciphertext of a space, from a disk's files.
fn cut(files: &[(String, Vec<u8>)], space: SpaceId) -> Option<[Vec<u8>; 2]> {
    let path = format!("spaces/{space}");
    if let Some((_, file)) = files.iter().find(|(name, _)| *name == path) {
        // The first frame is the meta, which is purged as the content is.
        return pieces(file, FILE_SLOT, FILE_FRAMES + FRAME_HEAD);
    }
    let (file, at) = files.iter().find_map(|(_, file)| Some((file, record_of(file, space)?)))?;
    let record = &file[at..];
    let slot_len = usize::from(u16::from_be_bytes([*record.get(6)?, *record.get(7)?]));
    let meta_len = u32::from_be_bytes(record.get(12..16)?.try_into().ok()?) as usize;
    let meta = RECORD_HEAD + slot_len;
    pieces(record, RECORD_HEAD, meta + FRAME_HEAD + meta_len + TAG + FRAME_HEAD)
}

fn pieces(form: &[u8], slot: usize, ciphertext: usize) -> Option<[Vec<u8>; 2]> {
    let piece = |at: usize| form.get(at..at + SAMPLE).map(<[u8]>::to_vec);
    Some([piece(slot + SLOT_PREFIX)?, piece(ciphertext)?])
}

/// Where the record of a space begins in a segment.
fn record_of(file: &[u8], space: SpaceId) -> Option<usize> {
    let space = space.to_bytes();
    (0..file.len().saturating_sub(RECORD_HEAD)).step_by(ALIGN).find(|&at| {
        let head = &file[at..at + RECORD_HEAD];
        head.starts_with(RECORD_MAGIC) && head[5] == CONTENT && head[16..32] == space
    })
}
