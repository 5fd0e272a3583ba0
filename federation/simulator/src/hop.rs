//! What a hub does to a document that it passes on: it appends a `TraceHeader`, after the sender signed.
//!
//! Only the octets of the new element are put in; all others stay as they were. Tags are found without an XML reader:
//! the document was read by one before, so they are where they seem to be. A document in UTF-16 is passed on as it is.

use std::ops::Range;

use model::Moment;

use crate::time;

/// The code of the axis' hub, as a document of 2019 shows one.
pub(crate) const HUB: &str = "001.00.20.TT2";

/// The document as the hub passes it on; as it came where its header cannot be found.
pub(crate) fn stamped(document: Vec<u8>, at: Moment) -> Vec<u8> {
    append(&document, HUB, &time::written(at)).unwrap_or(document)
}

/// A start or end tag.
struct Tag<'d> {
    name: &'d str,
    is_end: bool,
    is_empty: bool,
    at: Range<usize>,
}

/// The name behind the prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// The prefix with its colon; empty without one.
fn prefix(name: &str) -> &str {
    &name[..name.len() - local(name).len()]
}

/// The tags of a document, one after the other. Comments and CDATA are skipped.
struct Tags<'d> {
    text: &'d str,
    at: usize,
}

const SKIPPED: [(&str, &str); 3] = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];

impl<'d> Iterator for Tags<'d> {
    type Item = Tag<'d>;

    fn next(&mut self) -> Option<Tag<'d>> {
        loop {
            let start = self.at + self.text.get(self.at..)?.find('<')?;
            let rest = &self.text[start..];
            let skipped = SKIPPED.iter().find(|(opening, _)| rest.starts_with(opening));
            if let Some((_, closing)) = skipped {
                self.at = start + rest.find(closing)? + closing.len();
                continue;
            }
            let end = start + end_of_tag(rest)?;
            self.at = end;
            let inner = &self.text[start + 1..end - 1];
            let is_end = inner.starts_with('/');
            let inner = inner.trim_start_matches('/');
            let name = inner.split(|c: char| c.is_ascii_whitespace() || c == '/').next()?;
            return Some(Tag { name, is_end, is_empty: inner.ends_with('/'), at: start..end });
        }
    }
}

/// Where a tag ends; `>` may stand in the value of an attribute.
fn end_of_tag(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, octet) in rest.bytes().enumerate() {
        match (quote, octet) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(octet),
            (Some(open), _) if open == octet => quote = None,
            _ => {}
        }
    }
    None
}

/// Where the new element belongs, and what is written around it.
enum Spot {
    /// After the last `TraceHeader`, or the beginning of the list.
    Within(usize, String),
    /// In a list of its own, which replaces an empty one or stands before the end of the header.
    Alone(Range<usize>, String),
}

fn spot(text: &str) -> Option<Spot> {
    let mut within = None;
    for tag in (Tags { text, at: 0 }) {
        let prefix = prefix(tag.name).to_owned();
        match (local(tag.name), tag.is_end) {
            ("TraceHeaderList", false) if tag.is_empty => return Some(Spot::Alone(tag.at, prefix)),
            ("TraceHeaderList", false) => within = Some(Spot::Within(tag.at.end, prefix)),
            ("TraceHeader", true) => within = Some(Spot::Within(tag.at.end, prefix)),
            ("TraceHeader", false) if tag.is_empty => {
                within = Some(Spot::Within(tag.at.end, prefix));
            }
            ("TraceHeaderList", true) => return within,
            ("edXMLHeader", true) => {
                let before = tag.at.start..tag.at.start;
                return Some(Spot::Alone(before, prefix));
            }
            _ => {}
        }
    }
    None
}

/// The document with one more `TraceHeader`; none where its header cannot be found.
fn append(document: &[u8], organ: &str, stamp: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(document).ok()?;
    let spot = spot(text)?;
    let (Spot::Within(_, p) | Spot::Alone(_, p)) = &spot;
    let hop = format!(
        "<{p}TraceHeader><{p}OrganId>{organ}</{p}OrganId><{p}Timestamp>{stamp}</{p}Timestamp></{p}TraceHeader>"
    );
    let (place, added) = match &spot {
        Spot::Within(at, _) => (*at..*at, hop),
        Spot::Alone(place, p) => {
            (place.clone(), format!("<{p}TraceHeaderList>{hop}</{p}TraceHeaderList>"))
        }
    };
    let mut whole = Vec::with_capacity(document.len() + added.len());
    whole.extend_from_slice(&document[..place.start]);
    whole.extend_from_slice(added.as_bytes());
    whole.extend_from_slice(&document[place.end..]);
    Some(whole)
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*, sample};

    use super::*;

    fn appended(document: &str) -> String {
        let whole = append(document.as_bytes(), "hub", "now").expect("a header");
        String::from_utf8(whole).expect("text")
    }

    const HOP: &str = "<TraceHeader><OrganId>hub</OrganId><Timestamp>now</Timestamp></TraceHeader>";

    #[test]
    fn it_stands_after_the_last_one_and_before_the_business() {
        let document = "<edXMLHeader><TraceHeaderList a='>'><TraceHeader/><TraceHeader></TraceHeader>\
                        <Bussiness/></TraceHeaderList></edXMLHeader>";
        let wanted = document.replace("<Bussiness/>", &format!("{HOP}<Bussiness/>"));
        assert_eq!(appended(document), wanted);
    }

    #[test]
    fn a_list_that_is_empty_or_missing_is_made() {
        for list in [
            "",
            "<TraceHeaderList/>",
            "<!-- </edXMLHeader> -->",
            "<S><![CDATA[</edXMLHeader>]]></S>",
        ] {
            let document = format!("<edXMLHeader>{list}</edXMLHeader>");
            let kept = if list == "<TraceHeaderList/>" { "" } else { list };
            let wanted = format!(
                "<edXMLHeader>{kept}<TraceHeaderList>{HOP}</TraceHeaderList></edXMLHeader>"
            );
            assert_eq!(appended(&document), wanted);
        }
    }

    proptest! {
        /// Whatever it is: nothing but the new element is put in, or an empty list replaced.
        #[test]
        fn what_was_there_stays(pieces in collection::vec(sample::select(PIECES), 0..20)) {
            let document = pieces.concat();
            if let Some(whole) = append(document.as_bytes(), "hub", "now") {
                let whole = String::from_utf8(whole).expect("text");
                let list = format!("<TraceHeaderList>{HOP}</TraceHeaderList>");
                let before = [(list.as_str(), ""), (&list, "<TraceHeaderList/>"), (HOP, "")];
                let is_kept = |(added, was): &(&str, &str)| {
                    let places = whole.match_indices(added).map(|(at, _)| at);
                    let back = |at: usize| [&whole[..at], was, &whole[at + added.len()..]].concat();
                    places.map(back).any(|back| back == document)
                };
                prop_assert!(before.iter().any(is_kept), "{document} became {whole}");
            }
        }
    }

    const PIECES: &[&str] = &[
        "<edXMLHeader>",
        "</edXMLHeader>",
        "<TraceHeaderList>",
        "</TraceHeaderList>",
        "<TraceHeaderList/>",
        "<TraceHeader>",
        "</TraceHeader>",
        "<TraceHeader/>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "?>",
        "<",
        ">",
        "/",
        "a='>'",
        "\"",
        "ư",
        " ",
    ];

    #[test]
    fn a_prefix_is_kept_and_what_has_no_header_is_left() {
        let whole = appended("<e:edXMLHeader></e:edXMLHeader>");
        assert!(whole.contains("<e:TraceHeaderList><e:TraceHeader><e:OrganId>"), "{whole}");
        assert_eq!(append(b"<edXML></edXML>", "hub", "now"), None);
        assert_eq!(append(b"\xff\xfe<\0", "hub", "now"), None);
    }
}
