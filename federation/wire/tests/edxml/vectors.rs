//! Every sample is read, written, and read again to the same value; those without oddities octet for octet.

use std::{fs, path::Path};

use lgsp_wire::edxml::{
    Business, Form, Language, Message, Place, Priority, Said, Severity, StatusCode, Word, check,
    hash_file,
};
use sha2::{Digest, Sha256};

use super::document::{NEW, RECALL, STATUS, edited, read, read_pieces, write};

fn vectors() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/edxml");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the vectors") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        found.push((name, fs::read(&path).expect("a file")));
    }
    found.sort();
    assert_eq!(found.len(), 13, "every sample is here");
    found
}

#[test]
fn every_sample_is_read_written_and_read_again() {
    for (name, octets) in vectors() {
        let first = read(&octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (message, files) = first.value();
        let message = message.as_ref().expect("a message");
        let written = write(message, &files, 7).unwrap_or_else(|error| panic!("{name}: {error}"));
        let again = read(&written).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(again.value(), first.value(), "{name}");
        let grave = |word: &Word| word.severity() >= Severity::Wrong;
        assert!(!again.words().iter().any(grave), "{name}: {:?}", again.findings);
        let attaches = !first.files.is_empty();
        if !attaches && name != "document-odd-but-real.edxml" {
            assert_eq!(String::from_utf8(written), String::from_utf8(octets), "{name}");
        }
    }
}

#[test]
fn pieces_of_any_size_say_the_same() {
    for (name, octets) in vectors() {
        let whole = read(&octets).expect("a document");
        for size in [1, 2, 3, 7, 64, 1_000] {
            let pieces = read_pieces(octets.chunks(size), Default::default()).expect("a document");
            assert_eq!(pieces, whole, "{name} in pieces of {size}");
        }
    }
}

#[test]
fn the_new_document_says_what_stands_in_it() {
    let read = read(NEW.as_bytes()).expect("a document");
    let Some(Message::Document(document)) = &read.message else { panic!("a document") };
    assert_eq!(document.from.id.as_ref().map(ToString::to_string).as_deref(), Some("H41.08"));
    assert_eq!(document.to.len(), 2);
    assert_eq!(document.to[1].name.as_deref(), Some("\u{1EE6}y ban nhân dân xã Lam Thành"));
    assert_eq!(document.id.as_deref(), Some("H41.08,2026/11/20,1542/SKHCN-CĐS"));
    assert_eq!(document.date.as_ref().map(ToString::to_string).as_deref(), Some("2026/11/20"));
    let other = document.other.as_ref().expect("OtherInfo");
    assert_eq!(other.priority, Some(Said::Known(Priority::Urgent)));
    let business = document.trace.as_ref().and_then(|trace| trace.business.as_ref());
    assert_eq!(business.and_then(|info| info.business.clone()), Some(Business::New.into()));
    assert_eq!(document.manifest.as_ref().map(Vec::len), Some(2));

    let [(pdf, pdf_octets), (sheet, sheet_octets)] = &read.files[..] else { panic!("two files") };
    assert!(pdf_octets.starts_with(b"%PDF-1.4"));
    assert_eq!((pdf.form, pdf.octets), (Form::Plain, pdf.packed_octets));
    assert_eq!(sheet.form, Form::Unzipped);
    assert!(sheet_octets.starts_with(b"not a real workbook, only bytes\n"));
    assert_eq!(sheet.attachment.name.as_deref(), Some("Danh sách kèm theo.xlsx"));
    for (file, octets) in &read.files {
        assert_eq!(file.sha256, <[u8; 32]>::from(Sha256::digest(octets)));
    }
    assert_eq!(pdf.place, Place { line: 68, column: 5 });
    assert_eq!(read.words(), []);
}

#[test]
fn oddities_of_real_traffic_are_borne_and_said() {
    let odd = include_bytes!("../vectors/edxml/document-odd-but-real.edxml");
    let read = read(odd).expect("a document");
    let said: Vec<String> = read.findings.iter().map(ToString::to_string).collect();
    let header = "edXML/edXMLEnvelope/edXMLHeader";
    let expected = [
        "line 1, column 1: stray_octets".to_owned(),
        format!("line 11, column 9: name_missing at {header}/MessageHeader/To"),
        format!("line 33, column 9: response_for_empty at {header}/MessageHeader/ResponseFor"),
        format!("line 36, column 7: trace_twice at {header}/TraceHeaderList"),
        format!("line 41, column 9: trace_organ_missing at {header}/TraceHeaderList/TraceHeader"),
        format!(
            "line 42, column 11: null_text at {header}/TraceHeaderList/TraceHeader/OrganId (\"null\")"
        ),
    ];
    assert_eq!(said, expected);
    let Some(Message::Document(document)) = &read.message else { panic!("a document") };
    let trace = document.trace.as_ref().expect("a trace");
    assert_eq!(trace.hops.len(), 2);
    assert_eq!(trace.hops[1].organ, None);
    assert!(document.response_for.is_empty());
}

#[test]
fn statuses_are_told_from_documents() {
    let codes: Vec<StatusCode> = vectors()
        .iter()
        .filter(|(name, _)| name.starts_with("status"))
        .map(|(name, octets)| match read(octets).expect("a status").message {
            Some(Message::Status(status)) => match status.code {
                Some(Said::Known(code)) => code,
                other => panic!("{name}: {other:?}"),
            },
            other => panic!("{name}: {other:?}"),
        })
        .collect();
    assert_eq!(codes, StatusCode::ALL);
    let unknown = edited(STATUS, "<edXML:StatusCode>03", "<edXML:StatusCode>07");
    let read = read(unknown.as_bytes()).expect("a status");
    let Some(Message::Status(status)) = &read.message else { panic!("a status") };
    assert_eq!(status.code, Some(Said::Other("07".to_owned())));
    assert_eq!(read.words(), [Word::CodeUnknown]);
    let refused = write(read.message.as_ref().expect("a message"), &[], 1).expect_err("strict");
    assert_eq!(refused.word, Word::CodeUnknown);
    assert_eq!(refused.path, "edXML/edXMLEnvelope/edXMLHeader/MessageHeader/StatusCode");
}

#[test]
fn other_encodings_of_the_same_text_say_the_same() {
    let whole = read(NEW.as_bytes()).expect("a document");
    let marked = format!("\u{FEFF}{NEW}");
    assert_eq!(read(marked.as_bytes()).expect("marked"), whole);
    let wide = edited(NEW, "encoding=\"UTF-8\"", "encoding=\"UTF-16\"");
    for big in [false, true] {
        let units = std::iter::once(0xFEFF).chain(wide.encode_utf16());
        let octets: Vec<u8> = units
            .flat_map(|unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect();
        for size in [1, 2, 5, octets.len()] {
            let read = read_pieces(octets.chunks(size), Default::default()).expect("UTF-16");
            assert_eq!(read.value(), whole.value());
            assert_eq!(read.words(), [Word::NotUtf8]);
        }
    }
    for (declared, words) in [
        ("encoding=\"utf-16\"", vec![Word::EncodingDeclared]),
        ("encoding=\"windows-1258\"", vec![Word::EncodingDeclared]),
        ("encoding=\"utf-8\" standalone=\"no\"", vec![]),
        ("", vec![]),
    ] {
        let other = edited(NEW, "encoding=\"UTF-8\"", declared);
        assert_eq!(read(other.as_bytes()).expect("a document").words(), words, "{declared}");
    }
}

#[test]
fn names_of_elements_count_and_not_their_prefixes_or_order() {
    let whole = read(NEW.as_bytes()).expect("a document");
    let bare = NEW
        .replace("edXML:", "")
        .replace(" xmlns:edXML=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"", "")
        .replace(" xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"", "")
        .replace(" xmlns:http://www.mic.gov.vn/TBT/QCVN_102_2016\"", "");
    let bare = bare.replace(" xmlns:edXML=", " a=");
    let read_bare = read(bare.as_bytes()).expect("a document in no namespace");
    assert_eq!(read_bare.value(), whole.value());
    assert_eq!(read_bare.words(), [Word::NamespaceNone]);
    let renamed = NEW.replace("edXMLManifest", "Manifest");
    assert_eq!(read(renamed.as_bytes()).expect("Manifest").value(), whole.value());
    // The subject before everything else, the attachments before the envelope.
    let subject = "<edXML:Subject>V/v kết nối, liên thông dữ liệu qua LGSP tỉnh</edXML:Subject>";
    let moved = edited(NEW, subject, "");
    let open = "<edXML:MessageHeader>";
    let moved = edited(&moved, open, &format!("{open}{subject}"));
    assert_eq!(read(moved.as_bytes()).expect("moved").value(), whole.value());
    let (front, back) = NEW.split_once("  <edXML:edXMLEnvelope").expect("an envelope");
    let (envelope, files) = back.split_once("  <AttachmentEncoded>").expect("attachments");
    let files = files.strip_suffix("</edXML>\n").expect("the end");
    let moved =
        format!("{front}  <AttachmentEncoded>{files}  <edXML:edXMLEnvelope{envelope}</edXML>\n");
    assert_eq!(read(moved.as_bytes()).expect("turned round").value(), whole.value());
}

#[test]
fn comments_say_nothing_wherever_they_stand() {
    let whole = read(NEW.as_bytes()).expect("a document");
    let comment = "<!-- made by \u{1EA5} <b> -- ->\n-->\n";
    let before = edited(NEW, "<edXML xmlns", &format!("\n{comment} {comment}<edXML xmlns"));
    let around = format!("{before}\r\n{comment}");
    let within = edited(&around, "<edXML:To>", "<!-- to whom --><edXML:To><!-- this -->");
    for size in [1, 3, 10_000] {
        let read = read_pieces(within.as_bytes().chunks(size), Default::default());
        assert_eq!(read.expect("a document").value(), whole.value());
    }
    let (_, bare) = around.split_once("?>").expect("a declaration");
    assert_eq!(read(bare.trim_start().as_bytes()).expect("a document").value(), whole.value());
    for (more, word, place) in [
        ("<!-- a", Word::Cut, (110, 7)),
        ("<!", Word::Cut, (110, 3)),
        ("\n<!-- a --> <a/>", Word::AfterEnd, (111, 12)),
        ("<!-- a --><!a", Word::AfterEnd, (110, 11)),
    ] {
        let error = read(format!("{NEW}{more}").as_bytes()).expect_err(more);
        let found = error.finding();
        assert_eq!((found.word, (found.place.line, found.place.column)), (word, place), "{more}");
    }
}

#[test]
fn a_type_after_the_content_leaves_it_zipped() {
    let kind = "<ContentType>application/zip</ContentType>";
    let late = edited(NEW, &format!("{kind}\n"), "\n");
    let (front, back) = late.rsplit_once("</edXML:ContentTransferEncoded>").expect("a content");
    let late = format!("{front}</edXML:ContentTransferEncoded>{kind}{back}");
    let read = read(late.as_bytes()).expect("a document");
    assert_eq!(read.files[1].0.form, Form::LeftZipped);
    assert!(read.files[1].1.starts_with(b"PK\x03\x04"));
    assert_eq!(read.words(), [Word::ZipLate]);
}

#[test]
fn base64_with_character_references_is_read_the_slow_way() {
    let whole = read(NEW.as_bytes()).expect("a document");
    let slow: String = NEW.replace("Bv\nYmo8", "Bv&#13;\nYmo8");
    assert!(slow != NEW);
    assert_eq!(read(slow.as_bytes()).expect("a document").value(), whole.value());
    let slow = NEW.replace("Bv\nYmo8", "Bv<!-- amid --><![CDATA[Ymo8]]>");
    assert_eq!(read(slow.as_bytes()).expect("a document").value(), whole.value());
}

#[test]
fn tampering_is_seen_where_it_is() {
    let sheet = "edXML/AttachmentEncoded/Attachment/ContentTransferEncoded";
    let header = "edXML/edXMLEnvelope/edXMLHeader/MessageHeader";
    for (from, to, place, word, path) in [
        // A letter of the zipped file: its checksum fails when it ends.
        ("bm90IGEg\ncmVhbCB3", "bm90IGEg\ncmVhbCB4", (81, 7), Word::ZipChecksum, sheet),
        ("\nYmo8", "\nYmo*", (73, 4), Word::Base64Character, sheet),
        ("RU9GCg==<", "RU9GCg==QQ==<", (75, 33), Word::Base64AfterEnd, sheet),
        ("</edXML:Subject>", "</edXML:Content>", (32, 69), Word::Tags, header),
        ("liên thông", "liên &thong;", (32, 49), Word::Entity, header),
    ] {
        let tampered = edited(NEW, from, to);
        let error = read(tampered.as_bytes()).expect_err(from);
        let found = error.finding();
        assert_eq!((found.word, found.path.trim_end_matches("/Subject")), (word, path), "{found}");
        assert_eq!((found.place.line, found.place.column), place, "{found}");
    }
}

#[test]
fn hash_files_are_those_of_the_samples() {
    let sha256 = Sha256::digest(RECALL.as_bytes()).into();
    assert!(hash_file::is_spelt(&sha256, &hash_file::padded(&sha256)));
    assert!(hash_file::is_spelt(&sha256, &hash_file::unpadded(&sha256)));
}

#[test]
fn findings_speak_both_languages() {
    for finding in check(RECALL.as_bytes()) {
        assert_eq!(finding.word, Word::BusinessDropped);
        assert_eq!(finding.severity(), Severity::Refused);
        assert!(finding.word.text(Language::Vietnamese).contains("thu hồi"));
        assert!(finding.word.mend(Language::English).contains("15 or 16"));
    }
    assert_eq!(check(RECALL.as_bytes()).len(), 1);
}
