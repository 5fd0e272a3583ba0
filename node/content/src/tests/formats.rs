//! Stored forms and messages: fixed octets for each, and no input that makes a parser panic.

use bytes::{Bytes, BytesMut};
use model::{Digest, NodeId};
use proptest::prelude::*;

use super::{Cluster, Dice, TestKeys, packet, space};
use crate::{
    layout::{Layout, RUNS_MAX, Tenure, locate},
    protocol::{self, AskAppend, AskFence, Description, Operation, ReadRaw, Signal, Standing},
    record::{
        FILE_HEAD, FRAME, Fence, FrameHead, FrameKind, Identity, RecordHead, SealMark, frame_total,
    },
    seal::{Built, Cipher, Hash, NewFrame, Sealer, SmallContent, digest_of},
};

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn identity() -> Identity {
    Identity { space: space(1), packet: packet(2), generation: 3, slot: vec![4; 60] }
}

fn frame_head() -> FrameHead {
    FrameHead { kind: FrameKind::Data, epoch: 1, sequence: 2, offset: 3, len: 4, body_crc: 5 }
}

/// A form is stored for years: these octets may never change under version 1.
#[test]
fn the_forms_of_version_1_are_these_octets() {
    let mark = SealMark { at: 4096, len: 100, size: 5, digest: Digest([6; 32]) };
    let (meta, plaintext) = (Bytes::from_static(b"name"), Bytes::from_static(b"content"));
    let content = SmallContent { space: space(1), packet: packet(2), meta, plaintext };
    let random: crate::Random = std::sync::Arc::new(|octets: &mut [u8]| octets.fill(9));
    let sealer = Sealer::new(TestKeys::new(), random);
    let Built { message, record } = sealer.record(&content, b"before").expect("built");
    assert_eq!(message, [b"before", &record.octets()[..]].concat());
    assert_eq!(RecordHead::parse_whole(record.octets()), Some(*record.head()));
    let tenures = vec![Tenure { epoch: 1, last: 9 }];
    let standing = Standing { granted: true, promised: 3, tenures, ..Standing::default() };
    let forms = [
        hex(&frame_head().encode(space(7))),
        hex(&Fence { epoch: 9, packet: packet(2) }.encode()),
        digest_of(&mark.encode()).to_string(),
        digest_of(&identity().encode()).to_string(),
        digest_of(&RecordHead::dead(640).encode()).to_string(),
        digest_of(record.octets()).to_string(),
        hex(&protocol::answer(&standing)),
        hex(&Signal::Durable(258).encode()),
    ];
    assert_eq!(forms, FORMS_V1);
}

/// Frame head, fence, seal mark, identity, dead record, small record, standing, signal; the long
/// ones by their SHA-256.
const FORMS_V1: [&str; 8] = [
    "4c4601010000000100000000000000020000000000000003000000040000000500000000585e4afe",
    "4c47464500000009000000000000000000000000000000020000000048f6e3b0",
    "09dc692ca0016292ed0941bdb80c119cd337577f0ceced0fb823a1f3a3f5efd9",
    "a60bb666ca382e705d4d2d2344bed8f41cf30781270786d329856a7da2f1815b",
    "e0fb57b4f15a0889c2b16291da5a66c9d1d9e83fd2812acf683bf357e1c6d490",
    "8b15972862d45d14a6b1b226b9e7b3167de004ea937cb1b35bec89c6e9629b0f",
    "01000000a500f50103024003818201090400",
    "640000000000000102",
];

#[test]
fn forms_read_back_as_they_were_written() {
    let head = frame_head();
    assert_eq!(FrameHead::parse(&head.encode(space(7)), space(7)), Some(head));
    assert_eq!(
        FrameHead::parse(&head.encode(space(7)), space(8)),
        None,
        "a frame of another space"
    );
    assert!(Identity::parse(&identity().encode(), space(1)) == Some(identity()));
    assert!(Identity::parse(&identity().encode(), space(2)).is_none());
    let mark = SealMark { at: 4096, len: 100, size: 5, digest: Digest([6; 32]) };
    assert_eq!(SealMark::parse(&mark.encode()), Some(mark));
}

#[test]
fn any_changed_bit_of_a_frame_or_its_place_breaks_its_seal() {
    let cipher = Cipher::new(space(1), &zeroize::Zeroizing::new([1; 32]));
    let mut frame = BytesMut::new();
    let data = NewFrame {
        kind: FrameKind::Data,
        epoch: 1,
        sequence: 2,
        offset: 3,
        plaintext: b"plaintext",
    };
    cipher.seal(&mut frame, data);
    assert_eq!(cipher.open(frame.clone()).expect("opens").1, b"plaintext"[..]);
    for bit in 0..frame.len() * 8 {
        let mut changed = frame.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(cipher.open(changed).is_none(), "bit {bit}");
    }
    // A head that was written anew over the same body is no better.
    let head = FrameHead::parse(&frame, space(1)).expect("a head");
    for forged in [
        FrameHead { offset: 4, ..head },
        FrameHead { sequence: 3, ..head },
        FrameHead { kind: FrameKind::Seal, ..head },
    ] {
        let mut changed = frame.clone();
        changed[..crate::record::FRAME_HEAD].copy_from_slice(&forged.encode(space(1)));
        assert!(cipher.open(changed).is_none());
    }
    assert!(
        Cipher::new(space(2), &zeroize::Zeroizing::new([1; 32])).open(frame).is_none(),
        "another space"
    );
}

#[test]
fn sealed_frames_never_share_a_nonce() {
    // Epoch and sequence are the nonce: what a session pushes is strictly ascending in both.
    let mut layout = Layout::default();
    let meta =
        FrameHead { kind: FrameKind::Meta, epoch: 2, sequence: 0, offset: 0, len: 1, body_crc: 0 };
    layout.push(&meta).expect("first");
    assert!(
        layout.push(&FrameHead { kind: FrameKind::Data, len: 5, ..meta }).is_err(),
        "a sequence twice"
    );
    let lower =
        FrameHead { kind: FrameKind::Data, epoch: 1, sequence: 1, offset: 0, len: 5, body_crc: 0 };
    assert!(layout.push(&lower).is_err(), "a lower epoch");
}

/// A random log that a writer could have made.
fn random_layout(dice: &mut Dice) -> Layout {
    random_log(dice).0
}

/// The same, and the heads of its frames.
fn random_log(dice: &mut Dice) -> (Layout, Vec<FrameHead>) {
    let (mut layout, mut heads) = (Layout::default(), Vec::new());
    let (mut epoch, mut boundaries) = (1, vec![0]);
    let mut push = |layout: &mut Layout, kind, epoch, offset, len| {
        let head = FrameHead { kind, epoch, sequence: layout.next, offset, len, body_crc: 0 };
        layout.push(&head).expect("follows");
        heads.push(head);
    };
    push(&mut layout, FrameKind::Meta, epoch, 0, 20);
    for _ in 0..dice.below(60) {
        match dice.below(8) {
            0 => {
                epoch += 1;
                let offset = layout.offset;
                push(&mut layout, FrameKind::Barrier, epoch, offset, 0);
            }
            1 => {
                let to = boundaries[dice.below(boundaries.len() as u64) as usize];
                push(&mut layout, FrameKind::Cut, epoch, to, 0);
                boundaries.retain(|offset| *offset <= to);
            }
            size => {
                let len = if size < 6 { FRAME as u32 } else { 1 + dice.below(FRAME as u64) as u32 };
                let offset = layout.offset;
                push(&mut layout, FrameKind::Data, epoch, offset, len);
                boundaries.push(layout.offset);
            }
        }
    }
    (layout, heads)
}

proptest! {
    #[test]
    fn layouts_keep_their_promises(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let (layout, heads) = random_log(&mut dice);
        prop_assert_eq!(Layout::parse(&layout.encode()), Some(layout.clone()));
        // Where each frame lies, and the plaintext that the live ones hold.
        let (mut ends, mut offsets) = (vec![FILE_HEAD as u64], std::collections::BTreeMap::new());
        for head in &heads {
            match head.kind {
                FrameKind::Data => drop(offsets.insert(head.offset, (ends[ends.len() - 1], head.sequence))),
                FrameKind::Cut => offsets.retain(|offset, _| *offset < head.offset),
                _ => {}
            }
            ends.push(ends[ends.len() - 1] + head.total() as u64);
        }
        // The live runs cover the content without gap or overlap, and every offset is found in them.
        let live = layout.live();
        let mut end = 0;
        for run in &live {
            prop_assert_eq!(run.offset, end);
            end = run.end();
        }
        prop_assert_eq!(end, layout.offset);
        for _ in 0..20 {
            let offset = dice.below(layout.offset + 10);
            let place = locate(&live, offset);
            prop_assert_eq!(place.is_some(), offset < layout.offset);
            if let Some(place) = place {
                let end = if place.len == 0 { place.end } else { place.offset + u64::from(place.len) };
                prop_assert!((place.offset..end).contains(&offset) && end <= place.end);
                prop_assert_eq!(offsets.get(&place.offset), Some(&(place.at, place.sequence)));
            }
        }
        // Cutting the log is as if the rest had never been written.
        let keep = dice.below(layout.next + 1);
        let mut cut = layout.clone();
        if let Some(run) = cut.mixed_around(keep) {
            let before = &heads[run.first as usize..keep as usize];
            cut.split(keep, before.iter().map(|head| u64::from(head.len)).sum());
            prop_assert_eq!(cut.offset, layout.offset);
            prop_assert_eq!(cut.tenures(), layout.tenures());
        }
        let at = cut.find(keep).map_or(cut.end, |place| place.at);
        cut.truncate(keep);
        prop_assert_eq!(cut.next, keep);
        prop_assert_eq!(Layout::common(&cut.tenures(), &layout.tenures()), keep);
        prop_assert_eq!(Layout::parse(&cut.encode()), Some(cut.clone()));
        prop_assert_eq!((cut.end, at), (ends[keep as usize], ends[keep as usize]));
        // And it goes on as if it had been written so far.
        let mut again = Layout::default();
        for head in &heads[..keep as usize] {
            again.push(head).expect("follows");
        }
        prop_assert_eq!((again.offset, again.end, again.last_epoch()), (cut.offset, cut.end, cut.last_epoch()));
    }

    #[test]
    fn no_octets_make_a_parser_panic(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        parse_all(&octets);
    }

    #[test]
    fn no_damage_makes_a_parser_panic(which in 0usize..6, places in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let layout = random_layout(&mut Dice::new(which as u64));
        let mut octets = match which {
            0 => frame_head().encode(space(1)).to_vec(),
            1 => identity().encode().to_vec(),
            2 => RecordHead::dead(640).encode().to_vec(),
            3 => layout.encode(),
            4 => protocol::answer(&Standing::default()).to_vec(),
            _ => protocol::message(Operation::Append, &AskAppend {
                space: space(1), packet: packet(1), epoch: 1, identity: vec![1; 512], tenures: layout.tenures(),
            }).to_vec(),
        };
        for (place, octet) in places {
            let place = place % octets.len();
            octets[place] = octet;
        }
        parse_all(&octets);
    }

    #[test]
    fn no_message_makes_a_store_panic(seed in any::<u64>(), octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let cluster = Cluster::new(seed, 1).await;
            let store = cluster.store(1);
            for operation in 0..10 {
                let mut message = vec![1, operation, 0, 0];
                message.extend_from_slice(&octets);
                let answer = store.handle(NodeId(2), message.into()).await;
                assert!(answer.len() >= 4);
            }
            store.handle(NodeId(2), octets.into()).await;
        });
    }
}

fn parse_all(octets: &[u8]) {
    let _ = FrameHead::parse_whole(octets, space(1));
    let _ = RecordHead::parse_whole(octets);
    let _ = Identity::parse(octets, space(1));
    let _ = (Fence::parse(octets), Fence::of_header(octets), SealMark::parse(octets));
    let _ = Layout::parse(octets);
    let _ = Signal::parse(octets);
    let body = Bytes::copy_from_slice(octets);
    let _ = protocol::split(&body);
    let _ = protocol::accepted(&body, space(1));
    let _ = protocol::records(body.clone());
    let _ = protocol::decode::<Standing>(octets);
    let _ = protocol::decode::<Description>(octets);
    let _ = protocol::decode::<ReadRaw>(octets);
    let _ = protocol::decode::<AskFence>(octets);
    let _ = protocol::decode::<AskAppend>(octets);
    let cipher = Cipher::new(space(1), &zeroize::Zeroizing::new([1; 32]));
    let _ = cipher.open(BytesMut::from(octets));
    let _ = cipher.open_seal(BytesMut::from(octets));
}

#[test]
fn the_limits_fit_into_each_other() {
    // The largest table and a digest fit into a seal frame.
    const { assert!(RUNS_MAX * 21 + 40 <= FRAME) };
    // The largest record and its prefix fit into a message, and a piece too.
    const { assert!(crate::record::RECORD_MAX + protocol::PREFIX <= crate::MESSAGE_MAX) };
    const { assert!(crate::frames::PIECE + protocol::PREFIX <= crate::MESSAGE_MAX) };
    // A transfer: the filling frame, its window, and a piece for each of four peers catching up.
    const {
        assert!(
            FRAME + (crate::carrier::WINDOW + 1) * frame_total(FRAME) + 5 * crate::frames::PIECE
                <= 8 << 20
        )
    };
    let head = RecordHead {
        size: crate::SMALL_MAX as u64,
        meta_len: crate::META_MAX as u32,
        slot_len: crate::SLOT_MAX as u16,
        kind: crate::record::RecordKind::Content,
        ..RecordHead::dead(0)
    };
    assert!(RecordHead::total_of(head.body_len().expect("fits")) <= crate::record::RECORD_MAX);
    let mut hash = Hash::new();
    hash.update(b"abc");
    assert_eq!(
        hash.digest().to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}
