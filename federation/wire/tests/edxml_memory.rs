//! Memory: whatever comes, a reader stays below what its limits say; a writer holds nothing of a file.
//!
//! Every octet that a thread has from the allocator is counted, so this needs a program of its own.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fmt::Write,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use lgsp_wire::edxml::{Attachment, Event, Limits, Reader, Writer};
use miniz_oxide::deflate::compress_to_vec;
use proptest::prelude::*;

#[path = "common/measured.rs"]
mod measured;

use measured::{message, noise};

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get().wrapping_add(layout.size());
        HELD.set(held);
        // What another thread gave back here may have made the number wrap: that is no peak.
        if held < usize::MAX / 2 && held > PEAK.get() {
            PEAK.set(held);
        }
        // SAFETY: as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: as it came.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that some work held at a time beyond what was held before it.
fn peak(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    PEAK.get() - before
}

const KIB: usize = 1_024;
/// What the limits of whole documents come to at the worst: the envelope as values, which are some times
/// its text where it is floods of small elements, and the findings.
const WORST: usize = 16 << 20;

const PIECE: usize = 64 * KIB;

/// Feeds a document until it is refused, if it is; the message is dropped as it comes.
fn read(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> usize {
    let mut reader = Reader::new(Limits::DEFAULT);
    peak(|| {
        let mut take = |_: Event<'_>| {};
        for piece in pieces {
            if reader.feed(piece.as_ref(), &mut take).is_err() {
                break;
            }
        }
        reader.end(&mut take).0.ok();
    })
}

#[test]
fn files_of_any_size_pass_through_little_memory() {
    // Pages of text; and a compressor, and a decompressor with its window.
    for (name, most) in [("tep.pdf", 64 * KIB), ("tep.bin", 1_024 * KIB)] {
        let file = Attachment::of_file("tep-1", name);
        let message = message(&file);
        let piece = noise(PIECE);
        let mut reader = Reader::new(Limits::DEFAULT);
        let mut octets = 0;
        let mut out = Vec::with_capacity(4 * PIECE);
        let held = peak(|| {
            let mut take = |event: Event<'_>| {
                if let Event::Octets(octets_of) = event {
                    octets += octets_of.len();
                }
            };
            let mut hand_on = |out: &mut Vec<u8>| {
                reader.feed(out, &mut take).expect("a document");
                out.clear();
            };
            let writer = Writer::begin(&message, &mut out).expect("a message");
            let mut attaching = writer.attach(&file, &mut out).expect("it is named");
            for _ in 0..256 {
                attaching.octets(&piece, &mut out).expect("not too long");
                hand_on(&mut out);
            }
            let writer = attaching.end(&mut out).expect("a file");
            writer.finish(&mut out).expect("a document");
            hand_on(&mut out);
        });
        reader.finish(&mut |_: Event<'_>| {}).expect("a document");
        assert_eq!(octets, 256 * PIECE);
        assert!(held < most, "{name}: {} KiB", held / KIB);
    }
}

#[test]
fn a_status_is_read_in_little_memory() {
    let octets = include_bytes!("vectors/edxml/status-03.edxml");
    let held = read(octets.chunks(100));
    assert!(held < 32 * KIB, "{held}");
}

const BEGIN: &str = "<edXML><edXMLEnvelope><edXMLHeader>";

#[test]
fn floods_stay_below_the_worst() {
    let long = "x".repeat(60 * KIB);
    let names = "y".repeat(1_000);
    let mut deep = format!("{BEGIN}<MessageHeader>");
    for _ in 0..28 {
        write!(deep, "<{}>", "d".repeat(4_000)).expect("a String takes everything");
    }
    for (name, begin, piece) in [
        ("receivers", format!("{BEGIN}<MessageHeader>"), "<To/>".to_owned()),
        (
            "long receivers",
            format!("{BEGIN}<MessageHeader>"),
            format!("<To><Fax>{long}</Fax></To>"),
        ),
        (
            "answers",
            format!("{BEGIN}<MessageHeader>"),
            "<ResponseFor><Code>1</Code></ResponseFor>".to_owned(),
        ),
        ("staff", format!("{BEGIN}<TraceHeaderList><Bussiness>"), "<StaffInfo/>".to_owned()),
        (
            "updates",
            format!("{BEGIN}<TraceHeaderList><Bussiness>"),
            "<BussinessDocumentInfo/>".to_owned(),
        ),
        (
            "tasks",
            format!("{BEGIN}<MessageHeader><ResponseForTask>"),
            "<TaskCode>1</TaskCode>".to_owned(),
        ),
        (
            "references",
            format!("{BEGIN}</edXMLHeader><edXMLBody><Manifest>"),
            "<Reference/>".to_owned(),
        ),
        ("unknown", BEGIN.to_owned(), "<unknown/>".to_owned()),
        ("deep", deep, "<z/>".to_owned()),
        ("attributes", format!("{BEGIN}<MessageHeader "), "a=\"\" ".to_owned()),
        (
            "many attributes",
            BEGIN.to_owned(),
            format!("<x{}/>", (0..2_000).map(|n| format!(" a{n}=''")).collect::<String>()),
        ),
        (
            "namespaces",
            BEGIN.to_owned(),
            format!("<x{}/>", (0..900).map(|n| format!(" xmlns:a{n}='u'")).collect::<String>()),
        ),
        ("text", format!("{BEGIN}<MessageHeader><Subject>"), long.clone()),
        ("space", BEGIN.to_owned(), " ".repeat(PIECE)),
        ("comment", format!("{BEGIN}<!--"), " x".to_owned()),
        ("stray text", BEGIN.to_owned(), "chữ ".repeat(1_000)),
        (
            "attachments",
            "<edXML><AttachmentEncoded>".to_owned(),
            format!(
                "<Attachment><ContentId>{names}</ContentId><AttachmentName>{names}</AttachmentName></Attachment>"
            ),
        ),
    ] {
        let pieces = std::iter::once(begin).chain(std::iter::repeat_n(piece, 200_000));
        let held = read(pieces);
        assert!(held < WORST, "{name}: {} KiB", held / KIB);
    }
}

#[test]
fn floods_of_everything_together_stay_below_the_worst() {
    let mut document = format!("{BEGIN}<MessageHeader>{}", "<To/>".repeat(5_000));
    let fax = format!("<From><Fax>{}</Fax></From>", "x".repeat(60 * KIB));
    document.push_str(&fax);
    document.push_str("</MessageHeader><TraceHeaderList><Bussiness>");
    document.push_str(&"<StaffInfo/>".repeat(9_000));
    document.push_str("</Bussiness></TraceHeaderList></edXMLHeader><edXMLBody><Manifest>");
    let id = format!("<Reference><ContentId>{}</ContentId></Reference>", "y".repeat(3_500));
    document.push_str(&id.repeat(900));
    document.push_str("</Manifest></edXMLBody></edXMLEnvelope><AttachmentEncoded>");
    let name = "z".repeat(1_000);
    let id = format!("<ContentId>{name}</ContentId><AttachmentName>{name}</AttachmentName>");
    document.push_str(&format!("<Attachment>{id}</Attachment>").repeat(1_000));
    document.push_str("</AttachmentEncoded></edXML>");
    let mut reader = Reader::new(Limits::DEFAULT);
    let mut kept = None;
    let held = peak(|| {
        let mut take = |event: Event<'_>| {
            if let Event::Message(message) = event {
                kept = Some(message);
            }
        };
        for piece in document.as_bytes().chunks(PIECE) {
            reader.feed(piece, &mut take).expect("within the limits");
        }
        reader.finish(&mut take).expect("within the limits");
    });
    assert!(kept.is_some());
    assert!(held > 8 << 20, "the flood is a flood: {} KiB", held / KIB);
    assert!(held < WORST, "{} KiB", held / KIB);
}

#[test]
fn a_bomb_stays_small() {
    let bomb = compress_to_vec(&vec![0; 64 << 20], 9);
    let mut zip = b"PK\x03\x04\x14\0\x08\0\x08\0".to_vec();
    zip.extend([0; 20]);
    zip.extend(bomb);
    let begin = "<edXML><AttachmentEncoded><Attachment><AttachmentName>a</AttachmentName>\
                 <ContentType>application/zip</ContentType><ContentTransferEncoded>";
    let document = format!("{begin}{}", STANDARD.encode(zip));
    let held = read(std::iter::once(document));
    assert!(held < 256 * KIB, "{} KiB", held / KIB);
}

/// A part of a document, or of none.
fn part() -> impl Strategy<Value = String> {
    let names = prop::sample::select(
        &["To", "From", "OrganId", "Bussiness", "Reference", "Attachment", "TraceHeader", "x"][..],
    );
    prop_oneof![
        names.clone().prop_map(|name| format!("<{name}>")),
        names.clone().prop_map(|name| format!("</{name}>")),
        names.prop_map(|name| format!("<{name}>1</{name}>")),
        "[a-z<>&\"= ]{0,50}",
        Just("<ContentTransferEncoded>QUJD".to_owned()),
    ]
}

proptest! {
    #[test]
    fn anything_stays_below_the_worst(
        begin in prop::sample::select(&[
            "", BEGIN, "<edXML><edXMLEnvelope><edXMLHeader><MessageHeader>",
            "<edXML><edXMLEnvelope><edXMLHeader><TraceHeaderList>", "<edXML><AttachmentEncoded>",
        ][..]),
        parts in prop::collection::vec(part(), 1..6),
        octets in any::<Vec<u8>>(),
    ) {
        let flood = parts.concat();
        let pieces = std::iter::once(begin.as_bytes())
            .chain(std::iter::repeat_n(flood.as_bytes(), 300))
            .chain(std::iter::once(&octets[..]));
        let held = read(pieces);
        prop_assert!(held < WORST, "{} KiB", held / KIB);
    }
}
