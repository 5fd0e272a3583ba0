//! Fuzzes whole documents: read or refused, alike in pieces of every size.
#![no_main]

#[path = "../../tests/edxml/bear.rs"]
#[allow(dead_code)]
mod bear;
#[path = "../../tests/edxml/document.rs"]
#[allow(dead_code)]
mod document;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| bear::document(octets));
