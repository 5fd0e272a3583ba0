//! Octets that change on the disk: found, named, and mended from a peer.

use super::*;
use crate::Run;

/// Two full tiles, and some hundred segments.
const SIZE: u64 = 520;

/// Reads everything there is to read.
fn use_all(history: &History) -> Result<(), Error> {
    let size = history.size();
    assert_eq!(read_all(history, 0..size)?, facts(0..size));
    history.derive(u64::MAX)?;
    for position in (0..size).step_by(37) {
        let proof = history.inclusion(position, size)?;
        proof.verify(v1::leaf(&fact(position)), known(size).root).unwrap();
    }
    assert_eq!(history.root_at(size)?, known(size).root);
    Ok(())
}

/// Mends all that can be found to be wrong, as a node does.
fn mend(history: &History, peer: &History) {
    let head = known(SIZE);
    let (damaged, _) = history.check(0..SIZE, u64::MAX).unwrap();
    let mut mended = 0;
    for position in damaged {
        if position >= mended {
            let run = peer.segment(position, 2000, SIZE).unwrap();
            mended = history.repair(&run, &head).unwrap();
        }
    }
    while let Some(missing) = history.missing() {
        history.fill(&peer.segment(missing.start, 2000, SIZE).unwrap(), &head).unwrap();
    }
    // The log has the newest.
    let size = history.size();
    history.append(size, &facts(size..SIZE)).unwrap();
    history.sync().unwrap();
}

#[test]
fn a_flipped_bit_anywhere_is_found_named_and_mended() {
    let (whole, peer) = filled(SIZE);
    let originals = whole.files();
    assert!(originals.contains_key("tree/0"));
    let mut named = 0;
    for (n, (path, octets)) in originals.iter().enumerate() {
        // Many places of some files, one place of all.
        let step = if n % 30 == 0 { octets.len() / 30 + 1 } else { octets.len() };
        for at in (n * 97 % octets.len() % step..octets.len()).step_by(step) {
            let disk = SimDisk::new(1);
            for (path, octets) in &originals {
                crate::disk::Disk::create(&disk, path).unwrap().write(0, octets).unwrap();
            }
            disk.tamper(path, |file| file[at] ^= 1 << (at % 8));
            let history = open(&disk).unwrap();
            match use_all(&history) {
                // What can be derived is made again; a torn end is cut, and the log has it.
                Ok(()) => {}
                Err(Error::Damaged { file, .. }) => {
                    assert_eq!(&file, path);
                    named += 1;
                }
                Err(error) => panic!("{path} at {at}: {error}"),
            }
            mend(&history, &peer);
            drop(history);
            assert_whole(&open(&disk).unwrap(), SIZE);
        }
    }
    assert!(named > 100, "{named} damaged facts were named");
}

#[test]
fn damage_in_an_open_segment_is_told_from_a_torn_end() {
    let disk = SimDisk::new(1);
    let history = open(&disk).unwrap();
    for n in 0..3 {
        history.append(n, &[fact(n)]).unwrap();
        history.sync().unwrap();
    }
    drop(history);
    // The third says that the second was durable, so nobody may call the second torn.
    let path = disk.files().into_keys().find(|name| name.contains("facts")).unwrap();
    let second = v1::HEAD + v1::FRAME_HEAD + fact(0).len() + v1::FRAME_HEAD;
    disk.tamper(&path, |file| file[second] ^= 1);
    let history = open(&disk).unwrap();
    assert_eq!(history.size(), 3);
    assert!(matches!(history.fact(1), Err(Error::Damaged { file, position: 1 }) if file == path));
    assert_eq!(history.fact(2).unwrap(), fact(2));
    assert_eq!(history.check(0..3, u64::MAX).unwrap(), (vec![1], 3));
    // The log has it again, and mends it.
    history.append(1, &[fact(1)]).unwrap();
    assert_whole(&history, 3);
}

#[test]
fn several_facts_that_are_damaged_together_are_mended_from_the_first_on() {
    let (disk, history) = filled(60);
    drop(history);
    let (_, peer) = filled(60);
    let path = segment_of(&disk, 16);
    disk.tamper(&path, |file| {
        let len = file.len();
        file[v1::HEAD + 1..len - 3].fill(0);
    });
    let history = open(&disk).unwrap();
    let (damaged, _) = history.check(0..60, u64::MAX).unwrap();
    assert!(damaged.len() > 2 && damaged[0] == 16, "{damaged:?}");
    let late = peer.segment(damaged[1], 0, 60).unwrap();
    let refused = history.repair(&late, &known(60));
    assert!(matches!(refused, Err(Error::Damaged { position: 16, .. })), "{refused:?}");
    for position in damaged {
        let run = peer.segment(position, 0, 60).unwrap();
        assert_eq!(history.repair(&run, &known(60)).unwrap(), position + 1);
    }
    assert_whole(&history, 60);
    drop(history);
    assert_whole(&open(&disk).unwrap(), 60);
}

#[test]
fn a_segment_that_is_gone_is_a_gap() {
    let (disk, history) = filled(60);
    drop(history);
    let (_, peer) = filled(60);
    let path = segment_of(&disk, 16);
    crate::disk::Disk::remove(&disk, &path).unwrap();
    let history = open(&disk).unwrap();
    let missing = history.missing().unwrap();
    assert_eq!(missing.start, 16);
    assert!(matches!(history.fact(16), Err(Error::Missing { from: 16, .. })));
    while let Some(missing) = history.missing() {
        history.fill(&peer.segment(missing.start, 900, 60).unwrap(), &known(60)).unwrap();
    }
    assert_whole(&history, 60);
}

#[test]
fn a_fact_that_was_forged_with_its_checksum_is_found_by_the_tree() {
    let (disk, history) = filled(600);
    drop(history);
    let (_, peer) = filled(600);
    let path = segment_of(&disk, 16);
    disk.tamper(&path, |file| {
        let mut forged = fact(16);
        forged[0] ^= 1;
        let mut frame = Vec::new();
        v1::put_frame(&mut frame, 16, 0, &forged);
        file[v1::HEAD..v1::HEAD + frame.len()].copy_from_slice(&frame);
    });
    let history = open(&disk).unwrap();
    assert!(matches!(history.append(16, &[fact(16)]), Err(Error::Differs { position: 16 })));
    assert_eq!(history.check(0..600, u64::MAX).unwrap(), (vec![16], 600));
    history.repair(&peer.segment(16, 0, 600).unwrap(), &known(600)).unwrap();
    assert_whole(&history, 600);
}

#[test]
fn lost_tiles_are_made_again() {
    let (disk, history) = filled(SIZE);
    drop(history);
    disk.tamper("tree/0", Vec::clear);
    let history = open(&disk).unwrap();
    use_all(&history).unwrap();
    assert_whole(&history, SIZE);
    drop(history);
    disk.tamper("tree/0", |file| file.fill(0));
    let history = open(&disk).unwrap();
    use_all(&history).unwrap();
    assert_eq!(history.progress().mended, SIZE / 256);
    assert_whole(&history, SIZE);
}

#[test]
fn a_node_starts_though_a_tile_and_a_fact_below_it_are_damaged() {
    let (disk, history) = filled(SIZE);
    drop(history);
    let (_, peer) = filled(SIZE);
    disk.tamper("tree/0", |file| file[40] ^= 1);
    disk.tamper(&segment_of(&disk, 16), |file| file[v1::HEAD + v1::FRAME_HEAD] ^= 1);
    let history = open(&disk).unwrap();
    assert!(matches!(history.derive(u64::MAX), Err(Error::Damaged { position: 16, .. })));
    assert!(matches!(history.root_at(SIZE), Err(Error::NotHashed { .. })));
    mend(&history, &peer);
    assert_whole(&history, SIZE);
}

#[test]
fn a_file_that_nobody_put_there_is_named() {
    for strange in [
        "facts/notes.txt",
        "facts/9.open",
        "facts/00000000000000000001-00000000000000000009.facts",
        "facts/00000000000000000900-00000000000000000900.facts",
        "facts/00000000000000000900-00000000000000000899.facts",
        "facts/00000000000000000900-18446744073709551615.facts",
    ] {
        let (disk, history) = filled(60);
        drop(history);
        crate::disk::Disk::create(&disk, strange).unwrap();
        let opened = open(&disk).err().unwrap();
        assert!(matches!(opened, Error::Strange { file } if file.starts_with("facts/")));
    }
}

#[test]
fn a_later_version_is_named_and_left_alone() {
    let (disk, history) = filled(60);
    drop(history);
    let open_one = disk.files().into_keys().find(|path| path.ends_with(".open")).unwrap();
    let later = |file: &mut Vec<u8>| {
        file[7] = b'2';
        let sum = crc32fast::hash(&file[..16]);
        file[16..20].copy_from_slice(&sum.to_le_bytes());
        file.push(0);
    };
    let closed = segment_of(&disk, 16);
    for path in [closed, open_one] {
        disk.tamper(&path, later);
        let before = disk.files();
        let opened = open(&disk).err().unwrap();
        assert!(matches!(opened, Error::Newer { file } if file == path));
        assert_eq!(disk.files(), before);
    }
}

#[test]
fn a_peers_run_mends_only_what_it_proves() {
    let (disk, history) = filled(60);
    drop(history);
    let (_, peer) = filled(60);
    let path = segment_of(&disk, 16);
    disk.tamper(&path, |file| file[v1::HEAD + v1::FRAME_HEAD] ^= 1);
    let history = open(&disk).unwrap();
    let honest = peer.segment(16, 0, 60).unwrap();
    let mut lie: Run = honest.clone();
    lie.facts[0][0] ^= 1;
    assert!(matches!(history.repair(&lie, &known(60)), Err(Error::Forged { from: 16, .. })));
    assert!(matches!(history.repair(&honest, &known(59)), Err(Error::Malformed { .. })));
    assert!(matches!(history.fact(16), Err(Error::Damaged { .. })), "nothing was taken");
    history.repair(&honest, &known(60)).unwrap();
    assert_eq!(history.fact(16).unwrap(), fact(16));
    assert_whole(&history, 60);
}
