//! A document with one file, and the octets of that file: what speed and memory are measured with.

use lgsp_wire::edxml::{Attachment, Document, Message, Organ, Said, Trace};

/// A document with one file.
pub fn message(file: &Attachment) -> Message {
    let organ = |code| Organ { id: Some(Said::read(code)), ..Organ::default() };
    let text = |text: &str| Some(text.to_owned());
    let mut document = Document {
        from: organ("H41.08"),
        to: vec![organ("H41.101")],
        code_number: text("1"),
        code_notation: text("SKHCN"),
        place: text("Nghệ An"),
        date: Some(Said::read("2026/11/20")),
        subject: text("Đo"),
        manifest: Some(vec![file.reference()]),
        ..Document::default()
    };
    document.kind.number = Some(Said::read("1"));
    document.kind.name = text("Công văn");
    let mut trace = Trace::default();
    trace.business.get_or_insert_default().business = Some(Said::read("0"));
    document.trace = Some(trace);
    Message::Document(Box::new(document))
}

/// Octets that do not repeat soon, so that a ZIP of them is as large as they are.
pub fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..size).map(next).collect()
}
