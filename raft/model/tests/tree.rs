//! The tree against RFC 6962: known answers, its definition by recursion, and a library that is not ours.

#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test that fails says enough"
)]

use ct_merkle::{InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree};
use lgsp_model::tree::{
    CONSISTENCY_MAX, Consistency, Frontier, Inclusion, LeafHash, PATH_MAX, ProofError, RunProof,
    SIDE_MAX, TreeHash, cover, range_hash,
};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

/// The leaves of Certificate Transparency's reference tests, and the root after each.
const REFERENCE: [(&str, &str); 8] = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
];

fn leaves(count: u64) -> Vec<LeafHash> {
    (0..count).map(|n| LeafHash::of(format!("fact {n}").as_bytes())).collect()
}

/// The root as RFC 6962, 2.1, defines it.
fn naive(leaves: &[LeafHash]) -> TreeHash {
    match leaves {
        [] => TreeHash(Sha256::digest(b"").into()),
        [leaf] => TreeHash(leaf.0),
        leaves => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            TreeHash::node(naive(&leaves[..k]), naive(&leaves[k..]))
        }
    }
}

fn frontier(leaves: &[LeafHash]) -> Frontier {
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree
}

/// The hash of a range that a proof names, out of the perfect subtrees that a store has.
fn stored(leaves: &[LeafHash], range: std::ops::Range<u64>) -> TreeHash {
    let perfect = cover(range).into_iter().map(|subtree| {
        let from = (subtree.index << subtree.level) as usize;
        naive(&leaves[from..from + (1 << subtree.level)])
    });
    range_hash(&perfect.collect::<Vec<_>>())
}

fn inclusion(leaves: &[LeafHash], position: u64) -> Inclusion {
    let size = leaves.len() as u64;
    let ranges = Inclusion::ranges(position, size);
    let path = ranges.into_iter().map(|range| stored(leaves, range)).collect();
    Inclusion { position, size, path }
}

fn consistency(leaves: &[LeafHash], from: u64) -> Consistency {
    let to = leaves.len() as u64;
    let ranges = Consistency::ranges(from, to);
    let path = ranges.into_iter().map(|range| stored(leaves, range)).collect();
    Consistency { from, to, path }
}

fn run(leaves: &[LeafHash], from: u64, to: u64) -> RunProof {
    let size = leaves.len() as u64;
    let side = |range| {
        cover(range)
            .into_iter()
            .map(|s| stored(leaves, s.index << s.level..(s.index + 1) << s.level))
    };
    RunProof { from, size, left: side(0..from).collect(), right: side(to..size).collect() }
}

#[test]
fn the_reference_tree_has_its_roots() {
    let mut tree = Frontier::default();
    assert_eq!(
        tree.root().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (leaf, root) in REFERENCE {
        tree.push(LeafHash::of(&hex::decode(leaf).unwrap()));
        assert_eq!(tree.root().to_string(), root, "after {leaf:?}");
    }
}

#[test]
fn the_reference_tree_has_its_proofs() {
    let leaves: Vec<_> =
        REFERENCE.iter().map(|(leaf, _)| LeafHash::of(&hex::decode(leaf).unwrap())).collect();
    let text = |path: &[TreeHash]| path.iter().map(TreeHash::to_string).collect::<Vec<_>>();
    assert_eq!(
        text(&inclusion(&leaves, 0).path),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    assert_eq!(
        text(&inclusion(&leaves, 5).path),
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(
        text(&consistency(&leaves, 6).path),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
}

#[test]
fn roots_are_those_of_the_definition() {
    let leaves = leaves(600);
    let mut tree = Frontier::default();
    for (n, leaf) in leaves.iter().enumerate() {
        assert_eq!(tree.root(), naive(&leaves[..n]), "size {n}");
        tree.push(*leaf);
    }
}

#[test]
fn another_library_holds_our_proofs_for_good() {
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for n in 0..130_u64 {
        theirs.push(format!("fact {n}").into_bytes());
        let leaves = leaves(n + 1);
        let ours = frontier(&leaves).root();
        assert_eq!(ours.0, <[u8; 32]>::from(*theirs.root().as_bytes()));
        let root = RootHash::<Sha256>::new(ours.0.into(), n + 1);
        for position in 0..=n {
            let octets = inclusion(&leaves, position).path.iter().flat_map(|h| h.0).collect();
            let proof = InclusionProof::<Sha256>::try_from_bytes(octets).unwrap();
            let fact = format!("fact {position}").into_bytes();
            root.verify_inclusion(&fact, position, &proof).unwrap();
        }
        for from in 1..=n {
            let earlier = frontier(&leaves[..from as usize]).root();
            let earlier = RootHash::<Sha256>::new(earlier.0.into(), from);
            let octets = consistency(&leaves, from).path.iter().flat_map(|h| h.0).collect();
            let proof = ct_merkle::ConsistencyProof::<Sha256>::try_from_bytes(octets).unwrap();
            root.verify_consistency(&earlier, &proof).unwrap();
        }
    }
}

#[test]
fn proofs_of_every_size_and_place_hold() {
    for size in 1..=130_u64 {
        let leaves = leaves(size);
        let root = naive(&leaves);
        for position in 0..size {
            let proof = inclusion(&leaves, position);
            proof.verify(leaves[position as usize], root).unwrap();
            assert!(proof.path.len() <= PATH_MAX);
            let other = leaves[((position + 1) % size) as usize];
            assert_eq!(proof.verify(other, root).is_ok(), size == 1, "another leaf");
        }
        for from in 0..=size {
            let earlier = naive(&leaves[..from as usize]);
            consistency(&leaves, from).verify(earlier, root).unwrap();
            assert!(consistency(&leaves, from).path.len() <= CONSISTENCY_MAX);
        }
    }
}

#[test]
fn no_tree_is_too_large_for_arithmetic() {
    for (from, to) in [(1, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX), (5, 1 << 63)] {
        assert!(Consistency::ranges(from, to).len() <= CONSISTENCY_MAX);
        assert!(Inclusion::ranges(from, to).len() <= PATH_MAX);
        assert!(cover(from..to).len() <= SIDE_MAX && cover(0..to).len() <= 64);
    }
    assert!(Inclusion::ranges(u64::MAX, u64::MAX).is_empty(), "not in the tree");
    let leaf = LeafHash::of(b"");
    let proof = RunProof { from: u64::MAX, size: 3, left: vec![], right: vec![] };
    assert_eq!(proof.verify(&[leaf], leaf.into()), Err(ProofError::OutOfRange));
}

#[test]
fn a_frontier_is_encoded_by_field_number_and_decoded_strictly() {
    let tree = frontier(&leaves(3));
    let octets = minicbor::to_vec(&tree).unwrap();
    // Two fields: the size, and two hashes of 32 octets.
    assert_eq!(octets.len(), 1 + 1 + 1 + 2 * 34);
    assert_eq!(octets[..5], [0x82, 0x03, 0x82, 0x58, 0x20]);
    assert_eq!(octets[5..37], tree.roots()[0].0);
    assert_eq!(minicbor::decode::<Frontier>(&octets).unwrap(), tree);
    let empty = minicbor::to_vec(Frontier::default()).unwrap();
    assert_eq!(empty, [0x82, 0x00, 0x80]);

    let mut other = octets.clone();
    other[1] = 0x04;
    assert!(minicbor::decode::<Frontier>(&other).is_err(), "two hashes are too many for size 4");
    other[1] = 0x07;
    assert!(minicbor::decode::<Frontier>(&other).is_err(), "two hashes are too few for size 7");
    other = octets.clone();
    other[0] = 0x83;
    other.push(0);
    assert!(minicbor::decode::<Frontier>(&other).is_err(), "a third field");
    assert!(minicbor::decode::<Frontier>(&octets[..70]).is_err(), "cut");
    assert!(Frontier::new(3, vec![TreeHash::empty()]).is_err());
}

proptest! {
    #[test]
    fn a_run_is_proved_by_the_root_alone(size in 1..200_u64, a in any::<u64>(), b in any::<u64>(), flip in any::<u64>()) {
        let leaves = leaves(size);
        let root = naive(&leaves);
        let (a, b) = (a % (size + 1), b % (size + 1));
        let (from, to) = (a.min(b), a.max(b));
        let proof = run(&leaves, from, to);
        let held = &leaves[from as usize..to as usize];
        prop_assert_eq!(proof.verify(held, root), Ok(()));

        // Any other octet, in the run or in the proof, and it does not hold.
        let mut wrong = (held.to_vec(), proof.clone());
        let hashes = wrong.0.iter_mut().map(|leaf| &mut leaf.0);
        let hashes = hashes.chain(wrong.1.left.iter_mut().chain(&mut wrong.1.right).map(|hash| &mut hash.0));
        let octets: Vec<&mut u8> = hashes.flatten().collect();
        let which = flip as usize % octets.len();
        *octets.into_iter().nth(which).unwrap() ^= 1 << (flip >> 61);
        prop_assert_eq!(wrong.1.verify(&wrong.0, root), Err(ProofError::WrongRoot));

        // Nor with a leaf more or fewer.
        if let Some((_, fewer)) = held.split_last() {
            prop_assert!(proof.verify(fewer, root).is_err());
        }
        let more = [held, &[leaves[0]]].concat();
        prop_assert!(proof.verify(&more, root).is_err());
    }

    #[test]
    fn a_changed_proof_does_not_hold(size in 2..300_u64, a in any::<u64>(), flip in any::<u64>()) {
        let leaves = leaves(size);
        let root = naive(&leaves);
        let position = a % size;
        let mut proof = inclusion(&leaves, position);
        let which = flip as usize % (proof.path.len() * 32);
        proof.path[which / 32].0[which % 32] ^= 1 << (flip >> 61);
        prop_assert_eq!(proof.verify(leaves[position as usize], root), Err(ProofError::WrongRoot));
        proof.path.pop();
        prop_assert_eq!(proof.verify(leaves[position as usize], root), Err(ProofError::WrongCount));

        let from = a % (size - 1) + 1;
        let earlier = naive(&leaves[..from as usize]);
        let mut proof = consistency(&leaves, from);
        prop_assert_eq!(proof.verify(root, root).is_ok(), false);
        let which = flip as usize % (proof.path.len() * 32);
        proof.path[which / 32].0[which % 32] ^= 1 << (flip >> 61);
        prop_assert_eq!(proof.verify(earlier, root), Err(ProofError::WrongRoot));
        proof.path.push(root);
        prop_assert_eq!(proof.verify(earlier, root), Err(ProofError::WrongCount));
    }
}
