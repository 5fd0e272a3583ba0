//! XML of X-Road in memory: a tree of bounded size, names resolved by their namespaces.
//!
//! Document types, processing instructions and entities beyond XML's own five are refused, so nothing expands and nothing
//! is fetched. UTF-8 only, with or without a mark.

use std::{borrow::Cow, ops::Range};

use quick_xml::{
    XmlVersion,
    events::{BytesStart, Event},
    name::ResolveResult,
    reader::NsReader,
};

pub(crate) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The namespace of X-Road's header.
pub const XROAD: &str = "http://x-road.eu/xsd/xroad.xsd";
pub(crate) const IDENTIFIERS: &str = "http://x-road.eu/xsd/identifiers";
pub(crate) const REPRESENTATION: &str = "http://x-road.eu/xsd/representation.xsd";
/// Namespaces of which an element holds no copy.
const KNOWN: [&str; 4] = [SOAP, XROAD, IDENTIFIERS, REPRESENTATION];

/// Attributes of one element: X-Road's have one, SOAP's a handful.
const ATTRIBUTES_MAX: usize = 32;

/// What one document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XmlLimits {
    /// Octets of the document.
    pub octets_max: usize,
    /// Elements inside one another.
    pub depth_max: usize,
    /// Elements and attributes in all. Each takes some two hundred octets of memory beside its text.
    pub elements_max: usize,
}

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum XmlError {
    /// It is longer than its limit.
    #[error("the document has {octets} octets, more than {octets_max}")]
    TooLong {
        /// Its octets.
        octets: usize,
        /// The limit.
        octets_max: usize,
    },
    /// It is not UTF-8, or says that it is something else.
    #[error("the document is not UTF-8, at {at}")]
    Encoding {
        /// The octet, from zero.
        at: usize,
    },
    /// It is no XML.
    #[error("the document is no XML, at {at}")]
    Syntax {
        /// The octet, from zero.
        at: usize,
        /// What is wrong.
        #[source]
        source: quick_xml::Error,
    },
    /// It is no XML in a way that the parser leaves to us.
    #[error("the document is no XML, at {at}: {reason}")]
    Form {
        /// The octet, from zero.
        at: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// It has something that no message of X-Road needs and that does harm.
    #[error("the document has {what} at {at}, which is refused")]
    Refused {
        /// The octet, from zero.
        at: usize,
        /// What it is.
        what: &'static str,
    },
    /// It is deeper or larger than its limits.
    #[error("the document has more {what} than {max}, at {at}")]
    TooMuch {
        /// The octet, from zero.
        at: usize,
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

/// An attribute: its namespace, its name, its value.
type Attribute = (Cow<'static, str>, String, String);

/// An element of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    namespace: Cow<'static, str>,
    name: String,
    attributes: Vec<Attribute>,
    text: String,
    children: Vec<Element>,
    span: Range<usize>,
}

impl Element {
    /// Reads a document within its limits.
    ///
    /// # Errors
    ///
    /// [`XmlError`], which says where.
    pub fn parse(octets: &[u8], limits: XmlLimits) -> Result<Self, XmlError> {
        let XmlLimits { octets_max, .. } = limits;
        if octets.len() > octets_max {
            return Err(XmlError::TooLong { octets: octets.len(), octets_max });
        }
        let text = std::str::from_utf8(octets);
        let text = text.map_err(|error| XmlError::Encoding { at: error.valid_up_to() })?;
        Tree { limits, text, open: Vec::new(), root: None, count: 0 }.read()
    }

    /// The namespace; empty if it has none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name without its prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text that stands in it directly, as it is.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The elements that stand in it directly.
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// Its octets in the document, tags included.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The value of an attribute.
    pub fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(ns, n, _)| ns == namespace && n == name);
        found.map(|(.., value)| value.as_str())
    }

    /// Whether it is this one.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The children of this namespace and name.
    pub(crate) fn all<'e>(
        &'e self,
        namespace: &'e str,
        name: &'e str,
    ) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.is(namespace, name))
    }
}

/// A document that is being read.
struct Tree<'d> {
    limits: XmlLimits,
    text: &'d str,
    open: Vec<Element>,
    root: Option<Element>,
    count: usize,
}

impl<'d> Tree<'d> {
    fn read(mut self) -> Result<Element, XmlError> {
        const MARK: &str = "\u{feff}";
        let document = self.text.strip_prefix(MARK).unwrap_or(self.text);
        let skipped = self.text.len() - document.len();
        let mut reader = NsReader::from_str(document);
        reader.config_mut().check_comments = true;
        let place = |position: u64| {
            usize::try_from(position).map_or(usize::MAX, |at| at.saturating_add(skipped))
        };
        loop {
            let begins = place(reader.buffer_position());
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(source) => {
                    return Err(XmlError::Syntax { at: place(reader.error_position()), source });
                }
            };
            let ends = place(reader.buffer_position());
            match event {
                Event::Start(start) => self.begin(&start, &reader, begins)?,
                Event::Empty(start) => {
                    self.begin(&start, &reader, begins)?;
                    self.end(begins, ends)?;
                }
                Event::End(_) => self.end(begins, ends)?,
                Event::Text(text) => self.add(&text.xml10_content(), begins)?,
                Event::CData(text) => {
                    if self.open.is_empty() {
                        return Err(form(begins, "text outside of the root"));
                    }
                    self.add(&text.xml10_content(), begins)?;
                }
                Event::GeneralRef(name) => self.refer(&name, begins)?,
                Event::Comment(_) => {}
                Event::Decl(declared) => {
                    let is_utf8 = |name: &str| {
                        ["utf-8", "utf8", "us-ascii"].iter().any(|n| n.eq_ignore_ascii_case(name))
                    };
                    if begins != skipped {
                        return Err(form(begins, "a declaration that is not at the beginning"));
                    }
                    match declared.encoding() {
                        None => {}
                        Some(Ok(name)) if is_utf8(&name) => {}
                        Some(_) => return Err(XmlError::Encoding { at: begins }),
                    }
                }
                Event::DocType(_) => return Err(refused(begins, "a document type")),
                Event::PI(_) => return Err(refused(begins, "a processing instruction")),
                Event::Eof => break,
            }
        }
        match (self.open.is_empty(), self.root) {
            (true, Some(root)) => Ok(root),
            (true, None) => Err(form(self.text.len(), "no element")),
            (false, _) => Err(form(self.text.len(), "an element that does not end")),
        }
    }

    fn begin(
        &mut self,
        start: &BytesStart<'_>,
        reader: &NsReader<&'d [u8]>,
        at: usize,
    ) -> Result<(), XmlError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(form(at, "a second root"));
        }
        let depth_max = self.limits.depth_max;
        if self.open.len() == depth_max {
            return Err(XmlError::TooMuch { at, what: "depth", max: depth_max });
        }
        self.count_one(at)?;
        let (namespace, name) = reader.resolver().resolve_element(start.name());
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let syntax = |source| XmlError::Syntax { at, source };
            let attribute = attribute.map_err(|error| syntax(error.into()))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            if attributes.len() == ATTRIBUTES_MAX {
                return Err(XmlError::TooMuch { at, what: "attributes", max: ATTRIBUTES_MAX });
            }
            self.count_one(at)?;
            let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(syntax)?;
            let (namespace, name) = (bound(&namespace, at)?, name.into_inner().to_owned());
            check(&value, at)?;
            if attributes.iter().any(|(ns, n, _): &Attribute| *ns == namespace && *n == name) {
                return Err(form(at, "an attribute that stands twice"));
            }
            attributes.push((namespace, name, value.into_owned()));
        }
        let (namespace, name) = (bound(&namespace, at)?, name.into_inner().to_owned());
        let (text, children, span) = (String::new(), Vec::new(), at..at);
        self.open.push(Element { namespace, name, attributes, text, children, span });
        Ok(())
    }

    fn count_one(&mut self, at: usize) -> Result<(), XmlError> {
        let max = self.limits.elements_max;
        if self.count == max {
            return Err(XmlError::TooMuch { at, what: "elements and attributes", max });
        }
        self.count += 1;
        Ok(())
    }

    fn end(&mut self, at: usize, ends: usize) -> Result<(), XmlError> {
        let mut element = self.open.pop().ok_or_else(|| form(at, "an end without a beginning"))?;
        element.span.end = ends;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn add(&mut self, text: &str, at: usize) -> Result<(), XmlError> {
        check(text, at)?;
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.bytes().all(|c| matches!(c, b' ' | b'\t' | b'\r' | b'\n')) => {}
            None => return Err(form(at, "text outside of the root")),
        }
        Ok(())
    }

    fn refer(&mut self, name: &quick_xml::events::BytesRef<'_>, at: usize) -> Result<(), XmlError> {
        if self.open.is_empty() {
            return Err(form(at, "text outside of the root"));
        }
        let character =
            name.resolve_char_ref().map_err(|source| XmlError::Syntax { at, source })?;
        match (character, quick_xml::escape::resolve_xml_entity(name)) {
            (Some(character), _) => self.add(character.encode_utf8(&mut [0; 4]), at),
            (None, Some(text)) => self.add(text, at),
            (None, None) => Err(refused(at, "an entity")),
        }
    }
}

fn bound(resolved: &ResolveResult<'_>, at: usize) -> Result<Cow<'static, str>, XmlError> {
    match resolved {
        ResolveResult::Unbound => Ok(Cow::Borrowed("")),
        ResolveResult::Bound(namespace) => {
            let name = namespace.into_inner();
            let known = KNOWN.iter().find(|known| **known == name);
            Ok(known.map_or_else(|| Cow::Owned(name.to_owned()), |known| Cow::Borrowed(*known)))
        }
        ResolveResult::Unknown(_) => Err(form(at, "a prefix without a namespace")),
    }
}

fn check(text: &str, at: usize) -> Result<(), XmlError> {
    match text.chars().all(is_char) {
        true => Ok(()),
        false => Err(form(at, "a character that XML forbids")),
    }
}

/// What XML 1.0 can carry.
fn is_char(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

fn form(at: usize, reason: &'static str) -> XmlError {
    XmlError::Form { at, reason }
}

fn refused(at: usize, what: &'static str) -> XmlError {
    XmlError::Refused { at, what }
}

/// Text for an element or an attribute. What XML cannot carry becomes U+FFFD.
pub(crate) fn escaped(text: &str) -> String {
    let carried = |c| if is_char(c) { c } else { char::REPLACEMENT_CHARACTER };
    let carried: String = text.chars().map(carried).collect();
    // A bare carriage return would be read as a line feed.
    quick_xml::escape::escape(carried).replace('\r', "&#13;")
}
