//! Bad input: each is a finding or an error that says where, soon, and in little memory.

use base64::{Engine, engine::general_purpose::STANDARD};
use lgsp_wire::edxml::{
    Attachment, Check, Error, Event, Limits, Message, Reader, Said, Word, check,
};
use miniz_oxide::deflate::compress_to_vec;

use super::document::{NEW, Read, STATUS, edited, read, write};

fn refused(document: &str) -> Error {
    read(document.as_bytes()).expect_err("it is refused")
}

fn word(document: &str) -> Word {
    refused(document).word()
}

/// The findings of a document that is read, as text.
fn said(document: &str) -> Vec<String> {
    let read = read(document.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    read.findings.iter().map(ToString::to_string).collect()
}

/// Feeds the same piece until the reader refuses, or so often; how often it took it.
fn feed_on(begin: &str, piece: &str, times: usize) -> (usize, Error) {
    let mut reader = Reader::new(Limits::DEFAULT);
    let mut take = |_: Event<'_>| {};
    reader.feed(begin.as_bytes(), &mut take).expect("a beginning");
    for count in 0..times {
        if let Err(error) = reader.feed(piece.as_bytes(), &mut take) {
            // It stays refused.
            assert_eq!(reader.feed(b"x", &mut take), Err(error.clone()));
            return (count, error);
        }
    }
    panic!("{times} times {piece} are borne");
}

/// The new document up to what stands first, without it.
fn up_to(mark: &str) -> &'static str {
    NEW.split_once(mark).expect("the mark").0
}

#[test]
fn a_million_elements_and_a_hundred_thousand_receivers_end_early() {
    let to = "<edXML:To><edXML:OrganId>H41</edXML:OrganId></edXML:To>";
    let (count, error) = feed_on(up_to("<edXML:To>"), to, 100_000);
    assert_eq!((count, error.word()), (Limits::DEFAULT.receivers_max, Word::TooManyReceivers));
    assert!(error.finding().path.ends_with("MessageHeader/To"), "{error}");
    let (count, error) = feed_on(up_to("<edXML:To>"), "<a/>", 1_000_000);
    assert_eq!(error.word(), Word::TooManyElements);
    assert!(count <= 100_000);
    let task = "<edXML:ResponseFor><edXML:Code>1</edXML:Code></edXML:ResponseFor>";
    assert_eq!(feed_on(up_to("<edXML:To>"), task, 100_000).1.word(), Word::TooManyRows);
    let (count, error) = feed_on(up_to("    <Attachment>"), "<Attachment></Attachment>", 10_000);
    assert_eq!((count, error.word()), (Limits::DEFAULT.attachments_max, Word::TooManyAttachments));
    let (_, error) = feed_on(up_to("<edXML:To>"), &" ".repeat(100_000), 100);
    assert_eq!(error.word(), Word::HeaderTooLong);
}

#[test]
fn depth_10_000_and_long_tokens_end_early() {
    let (count, error) = feed_on(up_to("<edXML:To>"), "<a>", 10_000);
    assert_eq!((count, error.word()), (28, Word::TooDeep));
    assert_eq!(error.finding().path.split('/').count(), 33);
    for (begin, piece) in [
        ("<edXML:To ", "a"),
        ("<edXML:To a=\"", "x"),
        ("<", "a"),
        ("<!-- ", " x"),
        ("<edXML:Subject>&#", "1"),
        ("</edXML:MessageHeader", " "),
    ] {
        let begin = format!("{}{begin}", up_to("<edXML:To>"));
        let (count, error) = feed_on(&begin, piece, 100_000);
        assert!(count <= 16 * 1_024, "{begin}: {error}");
    }
    let many: String = (0..17).map(|index| format!(" a{index}=\"\"")).collect();
    let tag = edited(NEW, "<edXML:To>", &format!("<edXML:To{many}>"));
    assert_eq!(word(&tag), Word::TooManyAttributes);
    let long = "x".repeat(64 * 1_024 + 1);
    let long = edited(NEW, "V/v kết nối", &long);
    assert_eq!(word(&long), Word::TextTooLong);
    let long = edited(NEW, "<AttachmentName>", &format!("<AttachmentName>{}", "x".repeat(1_025)));
    assert_eq!(word(&long), Word::TextTooLong);
    assert_eq!(feed_on("", "x", 100).1.word(), Word::NotXml);
    assert_eq!(feed_on("<!-- ", " x", 100_000).1.word(), Word::TokenTooLong);
    assert_eq!(feed_on("<?xml ", " ", 1_000).1.word(), Word::Declaration);
}

#[test]
fn dtd_entities_and_instructions_are_refused_where_they_stand() {
    for (from, to, word, line) in [
        ("<edXML xmlns", "<!DOCTYPE edXML [<!ENTITY a \"b\">]><edXML xmlns", Word::Dtd, 2),
        (
            "<edXML xmlns",
            "<?xml-stylesheet href=\"a\"?><edXML xmlns",
            Word::ProcessingInstruction,
            2,
        ),
        ("<edXML xmlns", "<?xml version=\"1.0\"?><edXML xmlns", Word::ProcessingInstruction, 2),
        ("V/v", "&a;", Word::Entity, 32),
        ("V/v", "&#0;", Word::Character, 32),
        ("V/v", "&#xD800;", Word::Character, 32),
        ("V/v", "\0", Word::Character, 32),
        ("V/v", "\u{1B}[2J", Word::Character, 32),
        ("V/v", "\u{FFFE}", Word::Character, 32),
        ("V/v", "<?php?>", Word::ProcessingInstruction, 32),
        ("<edXML:To>", "<edXML:To a=\"\" a=\"\">", Word::AttributeTwice, 11),
        ("<edXML:To>", "<x:To>", Word::Namespace, 11),
        ("<edXML:To>", "<edXML:To", Word::Syntax, 12),
        ("version=\"1.0\"", "version=\"1.1\"", Word::Declaration, 1),
        ("encoding=\"UTF-8\"", "encoding=UTF-8", Word::Declaration, 1),
        ("</edXML>\n", "</edXML>\n<edXML/>", Word::AfterEnd, 110),
        ("</edXML>\n", "</edXML>\nx", Word::AfterEnd, 110),
        ("</edXML>\n", "", Word::Cut, 109),
    ] {
        let bad = edited(NEW, from, to);
        let error = refused(&bad);
        let found = error.finding();
        assert_eq!((found.word, found.place.line), (word, line), "{to}: {found}");
    }
    for cut in [0, 1, 20, 60, 1_000, NEW.len() - 9] {
        let octets = &NEW.as_bytes()[..cut];
        let error = read(octets).expect_err("it is cut");
        let word = if cut == 0 { Word::NotXml } else { Word::Cut };
        assert_eq!(error.word(), word, "{cut}");
    }
}

#[test]
fn wrong_encodings_are_refused() {
    let (front, back) = NEW.split_once("Công văn<").expect("the type");
    let latin = [front.as_bytes(), b"C\xF4ng v\xE3n<", back.as_bytes()].concat();
    let error = read(&latin).expect_err("no UTF-8");
    assert_eq!((error.word(), error.finding().place.line), (Word::Encoding, 30));

    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    assert_eq!(read(&wide(NEW)).expect_err("no mark").word(), Word::Utf16Unmarked);
    let mut lone = vec![0xFF, 0xFE];
    let (front, back) = NEW.split_once("V/v").expect("the subject");
    lone.extend(wide(front));
    lone.extend([0x00, 0xD8]);
    lone.extend(wide(back));
    let error = read(&lone).expect_err("a lone surrogate");
    assert_eq!((error.word(), error.finding().place.line), (Word::Encoding, 32));
    let words: Vec<Word> = check(&lone).iter().map(|finding| finding.word).collect();
    assert_eq!(words, [Word::NotUtf8, Word::EncodingDeclared, Word::Encoding]);
    let mut half = vec![0xFE, 0xFF];
    half.extend(NEW.encode_utf16().flat_map(u16::to_be_bytes));
    half.push(0);
    assert_eq!(read(&half).expect_err("half a unit").word(), Word::Encoding);
}

#[test]
fn two_envelopes_are_refused_and_two_senders_are_said() {
    let from = "</edXML:From>";
    let second = "</edXML:From><edXML:From><edXML:OrganId>K41</edXML:OrganId></edXML:From>";
    let twice = edited(NEW, from, second);
    let header = "edXML/edXMLEnvelope/edXMLHeader";
    assert_eq!(
        said(&twice),
        [format!("line 10, column 22: from_twice at {header}/MessageHeader/From")]
    );
    let Some(Message::Document(document)) = read(twice.as_bytes()).expect("read").message else {
        panic!("a document")
    };
    let first = document.from.id.map(|id| id.to_string());
    assert_eq!(first.as_deref(), Some("H41.08"), "the first sender stands");
    let begin = NEW.find("  <edXML:edXMLEnvelope").expect("an envelope");
    let end = NEW.find("  <AttachmentEncoded>").expect("attachments");
    let twice = format!("{}{}{}", &NEW[..end], &NEW[begin..end], &NEW[end..]);
    let error = refused(&twice);
    assert_eq!((error.word(), error.finding().place.line), (Word::EnvelopeTwice, 67));
    let none = format!("{}{}", &NEW[..begin], &NEW[end..]);
    assert_eq!(word(&none), Word::EnvelopeMissing);
    assert_eq!(word(&NEW.replace("QCVN_102_2016", "QCVN_102")), Word::Root);
    assert_eq!(word("<html><body>502 Bad Gateway</body></html>"), Word::Root);
    assert_eq!(word("{\"status\":\"FAIL\"}"), Word::NotXml);
    let twice = edited(NEW, "<edXML:Subject>", "<edXML:Subject>a</edXML:Subject><edXML:Subject>");
    assert!(said(&twice)[0].contains("element_twice"));
}

#[test]
fn attachments_that_match_nothing_or_twice_are_said() {
    let other = edited(NEW, "<ContentId>cid:van-ban-1", "<ContentId>cid:khac");
    let [unknown, missing] = &said(&other)[..] else { panic!("two findings") };
    assert_eq!(
        unknown,
        "line 52, column 9: reference_unmatched at \
         edXML/edXMLEnvelope/edXMLBody/edXMLManifest/Reference (\"van-ban-1\")"
    );
    assert_eq!(
        missing,
        "line 68, column 5: attachment_unmatched at edXML/AttachmentEncoded/Attachment (\"khac\")"
    );
    let twice = NEW.replace("phu-luc-1", "van-ban-1");
    let words = read(twice.as_bytes()).expect("read").words();
    assert_eq!(words, [Word::ContentIdTwice, Word::ContentIdTwice]);
    let none = edited(NEW, "<ContentId>cid:van-ban-1</ContentId>", "");
    let words = read(none.as_bytes()).expect("read").words();
    assert_eq!(words, [Word::ReferenceUnmatched, Word::Missing]);
    let content = "</edXML:ContentTransferEncoded>";
    let twice = edited(NEW, content, &format!("{content}<ContentTransferEncoded/>"));
    let error = refused(&twice);
    assert_eq!((error.word(), error.finding().place.line), (Word::ContentTwice, 75));
    let begin = NEW.find("      <edXML:ContentTransferEncoded").expect("a content");
    let end = NEW.find(content).expect("its end") + content.len();
    let none = format!("{}{}", &NEW[..begin], &NEW[end..]);
    assert_eq!(read(none.as_bytes()).expect("read").words(), [Word::ContentMissing]);
}

#[test]
fn names_with_paths_and_control_characters_are_said() {
    for (name, word) in [
        ("../../etc/passwd", Word::NamePath),
        ("C:\\a.exe", Word::NamePath),
        ("a\u{202E}fdp.exe", Word::NameControl),
        ("a&#10;b.pdf", Word::NameControl),
        ("a\u{7F}.pdf", Word::NameControl),
    ] {
        let bad = NEW.replace("Name>Công văn 1542.pdf", &format!("Name>{name}"));
        let read = read(bad.as_bytes()).expect("read");
        assert_eq!(read.words(), [word, word], "{name}");
        assert!(read.findings[0].value.chars().all(|c| !c.is_control() && c != '\u{202E}'));
    }
}

#[test]
fn dates_codes_and_numbers_that_are_none_are_kept_and_said() {
    for (from, to, word) in [
        ("2026/11/20</edXML:P", "0000/11/20</edXML:P", Word::Date),
        ("2026/11/20</edXML:P", "2026-11-20</edXML:P", Word::Date),
        ("2026/11/20</edXML:P", "2026/02/30</edXML:P", Word::Date),
        ("2026/11/20</edXML:P", "1026/11/20</edXML:P", Word::DateFar),
        ("2026/11/20 09:15:02", "2026/11/20T09:15:02+07:00", Word::Time),
        (">H41.101<", ">H41 101<", Word::OrganCode),
        (">H41.101<", ">vxp.saas.03<", Word::CodeForm),
        ("<edXML:Priority>1", "<edXML:Priority>9", Word::CodeUnknown),
        ("<edXML:Type>1", "<edXML:Type>một", Word::Number),
        ("<edXML:PageAmount>1", "<edXML:PageAmount>-1", Word::Number),
        ("<edXML:BussinessDocType>0", "<edXML:BussinessDocType>4", Word::CodeUnknown),
        ("<edXML:Email>", "<edXML:Mail>x</edXML:Mail><edXML:Email>", Word::ElementUnknown),
        ("<edXML:Email>", "<x xmlns=\"urn:x\">1<y/></x><edXML:Email>", Word::NamespaceForeign),
        ("<edXML:To>", "chữ<edXML:To>", Word::TextStray),
    ] {
        let bad = edited(NEW, from, to);
        assert_eq!(read(bad.as_bytes()).expect("read").words(), [word], "{to}");
    }
    for (length, words) in [
        (35, vec![]),
        (36, vec![Word::CodeLong]),
        (64, vec![Word::CodeLong]),
        (65, vec![Word::OrganCode]),
    ] {
        let code = format!("H41.{}", "A".repeat(length - 4));
        let long = edited(NEW, ">H41.101<", &format!(">{code}<"));
        let read = read(long.as_bytes()).expect("read");
        assert_eq!(read.words(), words, "{length}");
        let Some(Message::Document(document)) = &read.message else { panic!("a document") };
        let kept = document.to[0].id.as_ref().map(ToString::to_string);
        assert_eq!(kept, Some(code), "what was not understood is kept");
    }
}

#[test]
fn what_is_missing_is_said_where_it_should_be() {
    for (from, to, path) in [
        ("<edXML:OrganId>H41.08</edXML:OrganId>", "", "From/OrganId"),
        ("<edXML:CodeNumber>1542</edXML:CodeNumber>", "", "Code/CodeNumber"),
        ("<edXML:Place>Nghệ An</edXML:Place>", "", "PromulgationInfo/Place"),
        ("<edXML:TypeName>Công văn</edXML:TypeName>", "<edXML:TypeName/>", "DocumentType/TypeName"),
        ("<edXML:BussinessDocType>0</edXML:BussinessDocType>", "", "Bussiness/BussinessDocType"),
    ] {
        let less = edited(NEW, from, to);
        let read = read(less.as_bytes()).expect("read");
        assert_eq!(read.words(), [Word::Missing], "{path}");
        let found = &read.findings[0];
        assert!(found.path.ends_with(path), "{found}");
        assert!(found.place.line > 4, "{found}");
        let (message, files) = read.value();
        let refused = write(message.as_ref().expect("a message"), &files, 1).expect_err("strict");
        assert_eq!((refused.word, refused.path.ends_with(path)), (Word::Missing, true));
    }
    let less = edited(STATUS, "<edXML:PromulgationDate>2026/11/20</edXML:PromulgationDate>", "");
    let found = check(less.as_bytes());
    assert_eq!(found[0].path.rsplit('/').next(), Some("PromulgationDate"));
    let none = edited(STATUS, "<edXML:StatusCode>03</edXML:StatusCode>", "");
    let found = check(none.as_bytes());
    assert_eq!(found.len(), 1, "a status without its code is a status: {found:?}");
    assert!(found[0].path.ends_with("MessageHeader/StatusCode"), "{}", found[0]);
    let response = STATUS.find("<edXML:ResponseFor>").expect("an answer");
    let end = STATUS.find("<edXML:StatusCode>").expect("a code");
    let twice = format!("{}{}{}", &STATUS[..end], &STATUS[response..end], &STATUS[end..]);
    assert_eq!(check(twice.as_bytes())[0].word, Word::ElementTwice);
    for (from, to, word) in [
        ("<edXML:Bussiness>", "<edXML:Business>", Word::BusinessMissing),
        ("<edXML:TraceHeaderList>", "<edXML:TraceList>", Word::TraceMissing),
    ] {
        let other = edited(NEW, from, to);
        let other = edited(&other, &from.replace('<', "</"), &to.replace('<', "</"));
        let words = read(other.as_bytes()).expect("read").words();
        assert!(words.contains(&word) && words.contains(&Word::ElementUnknown), "{words:?}");
    }
    let reason = edited(STATUS, "StatusCode>03", "StatusCode>02");
    let begin = reason.find("<edXML:Description>").expect("a reason");
    let end = reason.find("<edXML:Timestamp>").expect("a time");
    let reason = format!("{}{}", &reason[..begin], &reason[end..]);
    assert_eq!(check(reason.as_bytes())[0].word, Word::ReasonMissing);
}

/// A new document whose second file is this ZIP.
fn with_zip(zip: &[u8]) -> String {
    let begin = NEW.find("UEsDBBQ").expect("the ZIP");
    let end = begin + NEW[begin..].find('<').expect("its end");
    format!("{}{}{}", &NEW[..begin], STANDARD.encode(zip), &NEW[end..])
}

/// The header before one entry, and the entry.
fn zip_entry(flags: u16, method: u16, crc: u32, size: u32, packed: &[u8]) -> Vec<u8> {
    let mut zip = b"PK\x03\x04\x14\0".to_vec();
    zip.extend(flags.to_le_bytes());
    zip.extend(method.to_le_bytes());
    zip.extend([0; 4]);
    for number in [crc, u32::try_from(packed.len()).expect("small"), size] {
        zip.extend(number.to_le_bytes());
    }
    zip.extend([3, 0, 2, 0]);
    zip.extend(b"a.b\0\0");
    zip.extend(packed);
    zip
}

fn entry_of(octets: &[u8]) -> Vec<u8> {
    let size = u32::try_from(octets.len()).expect("small");
    zip_entry(0, 8, crc32fast::hash(octets), size, &compress_to_vec(octets, 6))
}

#[test]
fn zips_of_every_make_are_opened() {
    let octets = b"abc".repeat(10_000);
    let crc = crc32fast::hash(&octets);
    let packed = compress_to_vec(&octets, 6);
    let (size, packed_size) = (30_000_u32, u32::try_from(packed.len()).expect("small"));
    let directory = b"PK\x01\x02 and more";
    let streamed = |sums: &[u8]| [&zip_entry(8, 8, 0, 0, &packed), sums, directory].concat();
    let sums = [crc, packed_size, size].map(u32::to_le_bytes).concat();
    let long =
        [&crc.to_le_bytes()[..], &u64::from(packed_size).to_le_bytes(), &30_000_u64.to_le_bytes()];
    let long = long.concat();
    let marked = |sums: &[u8]| [b"PK\x07\x08", sums].concat();
    for (name, zip) in [
        ("deflated", [&entry_of(&octets)[..], directory].concat()),
        ("stored", zip_entry(0, 0, crc, size, &octets)),
        ("streamed", streamed(&sums)),
        ("streamed with a mark", streamed(&marked(&sums))),
        ("streamed in 64 bits", streamed(&long)),
        ("streamed with a mark in 64 bits", streamed(&marked(&long))),
    ] {
        let Read { files, findings, .. } = read(with_zip(&zip).as_bytes()).expect(name);
        assert_eq!(files[1].1, octets, "{name}");
        assert_eq!(findings, [], "{name}");
    }
    let two = [entry_of(b"first"), entry_of(b"second")].concat();
    let read_two = read(with_zip(&two).as_bytes()).expect("read");
    assert_eq!((&read_two.files[1].1[..], read_two.words()), (&b"first"[..], vec![Word::ZipMore]));
    let plain = read(with_zip(b"no ZIP at all").as_bytes()).expect("read");
    assert_eq!((&plain.files[1].1[..], plain.words()), (&b"no ZIP at all"[..], vec![Word::ZipNot]));
    for short in [&b"P"[..], b"PK\x03"] {
        assert_eq!(read(with_zip(short).as_bytes()).expect("read").files[1].1, short);
    }
    let empty = [&b"PK\x05\x06"[..], &[0; 18]].concat();
    let empty = read(with_zip(&empty).as_bytes()).expect("read");
    assert_eq!((empty.files[1].1.len(), empty.words()), (0, vec![Word::AttachmentEmpty]));
}

#[test]
fn broken_zips_and_bombs_are_refused() {
    let good = entry_of(b"some octets");
    let with = |at: usize, octet: u8| {
        let mut bad = good.clone();
        bad[at] ^= octet;
        bad
    };
    let stored = zip_entry(8, 0, 0, 0, b"abc");
    let unequal = zip_entry(0, 0, 0, 4, b"abc");
    for (name, zip, word) in [
        ("encrypted", with(6, 1), Word::ZipEncrypted),
        ("another method", with(8, 1), Word::ZipMethod),
        ("stored without a size", stored, Word::ZipMethod),
        ("two sizes of what is stored", unequal, Word::ZipBroken),
        ("another checksum", with(14, 1), Word::ZipChecksum),
        ("another size", with(22, 1), Word::ZipChecksum),
        ("cut in the header", good[..20].to_vec(), Word::ZipBroken),
        ("cut in the name", good[..31].to_vec(), Word::ZipBroken),
        ("cut in the entry", good[..40].to_vec(), Word::ZipBroken),
        ("no deflate", zip_entry(0, 8, 0, 0, &[0xFF; 20]), Word::ZipBroken),
    ] {
        let error = refused(&with_zip(&zip));
        assert_eq!(error.word(), word, "{name}");
        assert_eq!(error.finding().place.line, 81, "{name}");
    }
    // A kibibyte for each octet, more than any file has.
    let bomb = entry_of(&vec![0; 64 << 20]);
    assert!(bomb.len() < 70_000);
    let mut octets = 0_u64;
    let mut reader = Reader::new(Limits::DEFAULT);
    let mut take = |event: Event<'_>| {
        if let Event::Octets(piece) = event {
            octets += piece.len() as u64;
        }
    };
    let error = reader.feed(with_zip(&bomb).as_bytes(), &mut take).expect_err("a bomb");
    assert_eq!(error.word(), Word::ZipBomb);
    assert!(octets < 20 << 20, "{octets} octets came out of it");
}

#[test]
fn a_bomb_that_is_spread_over_attachments_is_refused() {
    let page = STANDARD.encode(entry_of(&vec![0; 8 << 20]));
    let one = format!(
        "<Attachment><ContentId>cid:x</ContentId><AttachmentName>x.bmp</AttachmentName>\
         <ContentType>application/zip</ContentType>\
         <edXML:ContentTransferEncoded xmlns:edXML=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\">{page}\
         </edXML:ContentTransferEncoded></Attachment>"
    );
    let (count, error) = feed_on(up_to("    <Attachment>"), &one, 100);
    assert_eq!((count, error.word()), (2, Word::ZipBomb), "two pages are one harmless size");
}

/// What follows a tag that closes itself is a stray text, as behind two tags.
#[test]
fn a_content_that_closes_itself_has_no_octets() {
    let begin = up_to("JVBERi0xLjQK").rsplit_once("<edXML:ContentTransferEncoded");
    let begin = begin.expect("the content's tag").0;
    let name =
        "edXML:ContentTransferEncoded xmlns:edXML=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"";
    let seen = |content: &str| {
        let (mut octets, mut findings) = (Vec::new(), Vec::new());
        for size in [1, 7, 100_000] {
            octets.clear();
            let document = format!("{begin}{content}</Attachment></AttachmentEncoded></edXML>");
            let mut reader = Reader::new(Limits::DEFAULT);
            let mut take = |event: Event<'_>| {
                if let Event::Octets(piece) = event {
                    octets.extend_from_slice(piece);
                }
            };
            let fed = document
                .as_bytes()
                .chunks(size)
                .try_for_each(|piece| reader.feed(piece, &mut take));
            fed.unwrap_or_else(|error| panic!("{error}"));
            let found = reader.finish(&mut take).unwrap_or_else(|error| panic!("{error}"));
            findings = found.iter().map(|finding| finding.word).collect();
        }
        (octets, findings)
    };
    let closed = seen(&format!("<{name}/>QUJD"));
    assert_eq!(closed, seen(&format!("<{name}></edXML:ContentTransferEncoded>QUJD")));
    assert_eq!(closed.0, b"");
    assert!(closed.1.contains(&Word::TextStray), "{:?}", closed.1);
}

#[test]
fn a_writer_packs_nothing_that_looks_like_a_bomb() {
    let Some(Message::Document(mut document)) = read(NEW.as_bytes()).expect("read").message else {
        panic!("a document")
    };
    let file = Attachment::of_file("trang", "trang.bmp");
    document.manifest = Some(vec![file.reference()]);
    let message = Message::Document(document);
    let page = vec![0xFF; 18 << 20];
    let refused = write(&message, &[(&file, &page)], 100_000).expect_err("a bomb");
    assert_eq!(refused.word, Word::ZipBomb);
    // An empty page of usual size passes, and so does one with something on it.
    let written = write(&message, &[(&file, &page[..15 << 20])], 100_000).expect("a page");
    assert_eq!(read(&written).expect("read").files[0].1.len(), 15 << 20);
    let mut drawn = page;
    let mut state = 1_u32;
    for octet in drawn.iter_mut().step_by(120) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *octet = state.to_le_bytes()[3];
    }
    let written = write(&message, &[(&file, &drawn)], 100_000).expect("a page");
    assert_eq!(read(&written).expect("read").files[0].1, drawn);
}

#[test]
fn attachments_beyond_the_limit_end_early() {
    let limits = Limits { attachment_octets_max: 1_000, ..Limits::DEFAULT };
    let mut reader = Reader::new(limits);
    let begin = up_to("JVBERi0xLjQK");
    let mut octets = 0;
    let mut take = |event: Event<'_>| {
        if let Event::Octets(piece) = event {
            octets += piece.len();
        }
    };
    reader.feed(begin.as_bytes(), &mut take).expect("a beginning");
    let fed = (0..1_000_000).find(|_| reader.feed(b"QUJD\n", &mut take).is_err());
    assert!(fed.is_some_and(|count| count < 5_000), "{fed:?}");
    assert_eq!(octets, 0, "nothing of a window that is too long is handed out");
    // Zipped, it counts as it is unfolded.
    let zip = with_zip(&entry_of(&vec![7; 100_000]));
    let mut check = Check::new(limits);
    check.feed(zip.as_bytes());
    let found = check.finish();
    assert_eq!(found.last().map(|finding| finding.word), Some(Word::AttachmentTooLong));
}

#[test]
fn findings_are_bounded_and_the_last_one_says_so() {
    let odd = "<edXML:x/>".repeat(5_000);
    let many = edited(NEW, "<edXML:To>", &format!("{odd}<edXML:To>"));
    let found = check(many.as_bytes());
    assert_eq!(found.len(), Limits::DEFAULT.findings_max + 1);
    assert!(found.iter().any(|finding| finding.word == Word::NotesLeftOut));
}

#[test]
fn a_document_with_a_stray_status_stays_a_document() {
    let stray = "<edXML:StatusCode>03</edXML:StatusCode><edXML:To>";
    let read = read(edited(NEW, "<edXML:To>", stray).as_bytes()).expect("read");
    let Some(Message::Document(document)) = read.message else { panic!("a document") };
    assert_eq!(document.to.len(), 2);
    let is_said = |found: &lgsp_wire::edxml::Finding| found.path.ends_with("StatusCode");
    assert!(read.findings.iter().any(is_said), "{:?}", read.findings);
}

#[test]
fn a_writer_refuses_what_would_not_be_read_back() {
    let Some(Message::Document(good)) = read(NEW.as_bytes()).expect("read").message else {
        panic!("a document")
    };
    let refused = |change: &dyn Fn(&mut lgsp_wire::edxml::Document)| {
        let mut document = good.clone();
        change(&mut document);
        let message = Message::Document(document);
        let mut out = b"before".to_vec();
        let refused = lgsp_wire::edxml::Writer::begin(&message, &mut out).map(|_| ());
        assert_eq!(out, b"before", "nothing is written");
        refused.expect_err("strict").word
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(refused(&|it| it.subject = text("a\0b")), Word::Character);
    assert_eq!(refused(&|it| it.subject = text("\u{FFFF}")), Word::Character);
    assert_eq!(refused(&|it| it.subject = text(" \n")), Word::Missing);
    assert_eq!(refused(&|it| it.subject = text("null")), Word::NullText);
    assert_eq!(refused(&|it| it.subject = text(&"x".repeat(70_000))), Word::FieldTooLong);
    assert_eq!(refused(&|it| it.to.clear()), Word::Missing);
    assert_eq!(refused(&|it| it.to = vec![it.from.clone(); 5_001]), Word::TooManyReceivers);
    let replace = |it: &mut lgsp_wire::edxml::Document| {
        let trace = it.trace.as_mut().expect("a trace");
        trace.business.as_mut().expect("a business").business = Some(Said::read("3"));
    };
    assert_eq!(refused(&replace), Word::Missing);
    assert_eq!(refused(&|it| it.due = Some(Said::read("mai"))), Word::Date);
    assert_eq!(refused(&|it| it.tasks = vec!["x".to_owned(); 10_001]), Word::TooManyRows);
    let long = |it: &mut lgsp_wire::edxml::Document| {
        it.from.name = text(&"x".repeat(60_000));
        it.to = vec![it.from.clone(); 100];
    };
    assert_eq!(refused(&long), Word::HeaderTooLong);
    let twice = |it: &mut lgsp_wire::edxml::Document| {
        let first = it.manifest.as_ref().expect("a manifest")[0].clone();
        it.manifest = Some(vec![first; 2]);
    };
    assert_eq!(refused(&twice), Word::ContentIdTwice);

    let message = Message::Document(good);
    let other = Attachment::of_file("khac", "a.pdf");
    assert_eq!(
        write(&message, &[(&other, b"")], 1).expect_err("not named").word,
        Word::AttachmentUnmatched
    );
    assert_eq!(write(&message, &[], 1).expect_err("not attached").word, Word::ReferenceUnmatched);
}
