//! Properties: what is written is read back alike, pieces change nothing, no octets harm.

use lgsp_wire::edxml::{Limits, Message, Severity, Word};
use proptest::prelude::*;

use super::{
    bear,
    document::{NEW, STATUS, read_pieces, write},
    generate::message,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_written_is_read_back_alike((message, files) in message(), cut in 1_usize..5_000) {
        let files: Vec<_> = files.iter().map(|(file, octets)| (file, &octets[..])).collect();
        let written = write(&message, &files, cut).expect("it may be written");
        let read = read_pieces(written.chunks(cut), Limits::DEFAULT).expect("what is written");
        prop_assert_eq!(read.value(), (&Some(message), files));
        // Random names and codes are odd; nothing else is the matter with what we write.
        let wrong = read.findings.iter().find(|finding| {
            finding.severity() >= Severity::Wrong
                && !matches!(finding.word, Word::NamePath | Word::NameControl)
        });
        prop_assert_eq!(wrong, None);
    }

    #[test]
    fn what_is_written_does_not_depend_on_pieces((message, files) in message()) {
        let files: Vec<_> = files.iter().map(|(file, octets)| (file, &octets[..])).collect();
        // Deflate may end its blocks elsewhere; nothing else may differ.
        let files: Vec<_> = files.into_iter().filter(|(file, _)| !file.is_zipped()).collect();
        let message = match message {
            Message::Document(mut document) => {
                let references = files.iter().map(|(file, _)| file.reference());
                document.manifest = Some(references.collect());
                Message::Document(document)
            }
            status @ Message::Status(_) => status,
        };
        let whole = write(&message, &files, usize::MAX).expect("it may be written");
        prop_assert_eq!(write(&message, &files, 1).expect("it may be written"), whole);
    }

    #[test]
    fn any_octets_are_borne(octets in any::<Vec<u8>>()) {
        bear::document(&octets);
    }

    #[test]
    fn a_document_with_anything_in_it_is_borne(
        is_status in any::<bool>(),
        at in any::<prop::sample::Index>(),
        length in 0_usize..40,
        octets in prop_oneof![
            any::<Vec<u8>>(),
            "[<>/&;!?a-zA-Z\"'= \n\0-]{0,20}".prop_map(String::into_bytes),
            Just(b"<edXML:To>".to_vec()),
            Just(b"</edXML:To>".to_vec()),
            Just(b"<![CDATA[".to_vec()),
        ],
    ) {
        let document = if is_status { STATUS } else { NEW }.as_bytes();
        let at = at.index(document.len());
        let end = (at + length).min(document.len());
        bear::document(&[&document[..at], &octets, &document[end..]].concat());
    }

    #[test]
    fn any_zip_and_any_base64_are_borne(octets in any::<Vec<u8>>()) {
        bear::zip(&octets);
        bear::base64(&octets);
    }
}
