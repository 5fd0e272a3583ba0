//! Roots and proofs out of the tiles, against the frontier that a state keeps.

use model::tree::LeafHash;

use super::*;

#[test]
fn every_root_and_every_proof_up_to_600_holds() {
    let (_, history) = filled(600);
    let mut tree = Frontier::default();
    let leaves: Vec<LeafHash> = (0..600).map(|n| v1::leaf(&fact(n))).collect();
    let mut roots = vec![tree.root()];
    for (n, leaf) in leaves.iter().enumerate() {
        assert_eq!(history.leaf_hash(n as u64).unwrap(), *leaf);
        tree.push(*leaf);
        assert_eq!(history.frontier_at(n as u64 + 1).unwrap(), tree);
        roots.push(tree.root());
    }
    for size in 1..=600_u64 {
        // All sizes and places take minutes; each place meets many sizes, and the edges meet all.
        let step = if size == 600 || size.abs_diff(256) < 2 || size < 40 { 1 } else { 61 };
        for position in (size % step..size).step_by(step as usize).chain([0, size - 1]) {
            let proof = history.inclusion(position, size).unwrap();
            proof.verify(leaves[position as usize], roots[size as usize]).unwrap();
            let proof = history.consistency(position, size).unwrap();
            proof.verify(roots[position as usize], roots[size as usize]).unwrap();
        }
    }
    assert!(matches!(history.inclusion(600, 600), Err(Error::Beyond { .. })));
    assert!(matches!(history.inclusion(0, 601), Err(Error::Beyond { .. })));
    assert!(matches!(history.consistency(5, 4), Err(Error::Beyond { .. })));
}

#[test]
fn proofs_hold_at_a_hundred_thousand() {
    const SIZE: u64 = 100_000;
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys { version: 1, of: |_| Vec::new() };
    let history = History::open(directory.path(), keys).unwrap();
    let fact = |n: u64| n.to_be_bytes();
    let mut tree = Frontier::default();
    let mut before = Frontier::default();
    for from in (0..SIZE).step_by(1000) {
        let facts: Vec<_> = (from..from + 1000).map(fact).collect();
        history.append(from, &facts).unwrap();
        facts.iter().for_each(|fact| tree.push(v1::leaf(fact)));
        if from == 65_000 {
            before = tree.clone();
        }
    }
    history.sync().unwrap();
    let check = |history: &History| {
        assert_eq!(history.frontier_at(SIZE).unwrap(), tree);
        for position in [0, 1, 255, 256, 65_535, 65_536, 65_537, 99_999] {
            let proof = history.inclusion(position, SIZE).unwrap();
            proof.verify(v1::leaf(&fact(position)), tree.root()).unwrap();
        }
        let proof = history.consistency(before.size(), SIZE).unwrap();
        proof.verify(before.root(), tree.root()).unwrap();
    };
    check(&history);
    drop(history);
    // The edge is read from the tiles.
    let history = History::open(directory.path(), keys).unwrap();
    check(&history);
    drop(history);
    // An upper tier that is lost takes the lower ones with it as far as need be.
    std::fs::remove_file(directory.path().join("history/tree/1")).unwrap();
    let history = History::open(directory.path(), keys).unwrap();
    history.derive(u64::MAX).unwrap();
    check(&history);
}
