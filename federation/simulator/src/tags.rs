//! The tags of a document that an XML reader has read before, so that they are where they seem to be: for putting something
//! in and leaving all other octets as they were.

use std::ops::Range;

/// A start or end tag.
pub(crate) struct Tag<'d> {
    pub(crate) name: &'d str,
    pub(crate) is_end: bool,
    pub(crate) is_empty: bool,
    pub(crate) at: Range<usize>,
}

/// The name behind the prefix.
pub(crate) fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// The prefix with its colon; empty without one.
pub(crate) fn prefix(name: &str) -> &str {
    &name[..name.len() - local(name).len()]
}

/// The tags of a document, one after the other. Comments and CDATA are skipped.
pub(crate) struct Tags<'d> {
    text: &'d str,
    at: usize,
}

impl<'d> Tags<'d> {
    pub(crate) fn of(text: &'d str) -> Self {
        Self { text, at: 0 }
    }
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
