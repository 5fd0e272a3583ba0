//! The forms, octet by octet: a change of one is a new version.

use model::tree::{RunProof, TreeHash};

use super::*;
use crate::Run;

#[test]
fn a_segment_is_what_it_has_always_been() {
    let mut octets = v1::head(258).to_vec();
    assert_eq!(hex(&octets), "6c67737068697331020100000000000071e1bc42");
    v1::put_frame(&mut octets, 258, 20, b"abc");
    assert_eq!(hex(&octets[v1::HEAD..]), "2c3f231503000000020100000000000014000000616263");
    let frame = v1::frame(&octets[v1::HEAD..], 258).unwrap();
    assert_eq!((frame.fact, frame.durable, frame.len), (&b"abc"[..], 20, 23));
    assert!(v1::frame(&octets[v1::HEAD..], 259).is_none());
    assert_eq!(hex(&v1::table(&[20, 43])), "140000002b00000052d24d16020000006c67737074616231");
}

#[test]
fn a_tile_is_256_hashes_and_a_checksum() {
    let hashes: Vec<TreeHash> = (0..=255).map(|n| TreeHash([n; 32])).collect();
    let octets = v1::tile(1, 3, &hashes);
    assert_eq!(octets.len(), 8196);
    assert_eq!(hex(&octets[8192..]), "c10265c8");
    assert_eq!(v1::read_tile(1, 3, &octets), Some(hashes));
    assert_eq!(v1::read_tile(1, 4, &octets), None, "at another place");
    assert_eq!(v1::read_tile(0, 3, &octets), None, "in another tier");
    assert_eq!(v1::read_tile(1, 3, &octets[..8195]), None);
}

#[test]
fn a_run_is_what_it_has_always_been() {
    let proof = RunProof {
        from: 1,
        size: 3,
        left: vec![TreeHash([1; 32])],
        right: vec![TreeHash([2; 32])],
    };
    let run = Run { facts: vec![b"a".to_vec()], proof };
    let octets = run.encode();
    let (one, two) = ("01".repeat(32), "02".repeat(32));
    assert_eq!(hex(&octets), format!("86010103814161815820{one}815820{two}"));
    assert_eq!(Run::decode(&octets).unwrap(), run);
    let mut other = octets.clone();
    other[1] = 2;
    assert!(matches!(Run::decode(&other), Err(Error::Malformed { .. })), "a later version");
    other = octets.clone();
    other.push(0);
    assert!(matches!(Run::decode(&other), Err(Error::Malformed { .. })), "something behind it");
    // A number of facts that no memory has.
    let many = [0x86, 1, 1, 3, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(Run::decode(&many), Err(Error::Malformed { .. })));
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
