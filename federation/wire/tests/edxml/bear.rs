//! What every octet must do: be read or refused, alike in pieces of every size. Fuzzing runs these too.

use base64::{Engine, engine::general_purpose::STANDARD};
use lgsp_wire::edxml::Limits;

use super::document::{read, read_pieces, write};

/// A whole document.
pub fn document(octets: &[u8]) {
    let whole = read(octets);
    let last = octets.last().copied().unwrap_or_default();
    for size in [1, 2 + usize::from(last)] {
        assert_eq!(read_pieces(octets.chunks(size), Limits::DEFAULT), whole, "pieces of {size}");
    }
    let Ok(read_first) = whole else { return };
    // What can be written again says the same. Files that were left zipped are zipped otherwise.
    let (message, files) = read_first.value();
    let message = message.as_ref().expect("a document that is read has a message");
    if let Ok(written) = write(message, &files, 1_000) {
        let again = read(&written).expect("what is written is read");
        assert_eq!(again.value(), read_first.value());
    }
}

/// A document around a content: the smallest that has one.
fn around(content_type: &str, content: &[u8]) -> Vec<u8> {
    let begin = format!(
        "<edXML><edXMLEnvelope/><AttachmentEncoded><Attachment><ContentId>cid:1</ContentId>\
         <AttachmentName>a.bin</AttachmentName><ContentType>{content_type}</ContentType>\
         <ContentTransferEncoded>"
    );
    let end = b"</ContentTransferEncoded></Attachment></AttachmentEncoded></edXML>";
    [begin.as_bytes(), content, end].concat()
}

/// A ZIP.
pub fn zip(octets: &[u8]) {
    document(&around("application/zip", STANDARD.encode(octets).as_bytes()));
}

/// The text of a content.
pub fn base64(text: &[u8]) {
    document(&around("application/pdf", text));
}
