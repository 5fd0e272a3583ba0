//! The writer: a message and the attached files in, octets out, in pieces.
//!
//! It writes what the national SDK writes and refuses everything else, so what it wrote is read back to
//! the same value. It holds nothing of a file but a few octets. The caller owns the text: it empties
//! `out` between calls, as often as it likes.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    envelope,
    finding::Finding,
    limits::Limits,
    pack::Pack,
    read::Reader,
    values::{Attachment, Message, NAMESPACE, Reference},
    words::Word,
    xml::{PLAIN, PREFIXED, Unwritable, Xml},
};

/// A document of which the envelope is written.
pub struct Writer {
    /// What the manifest names and was not attached yet.
    awaited: Vec<Reference>,
    has_attachments: bool,
}

/// Elements of one attachment: itself, its seven fields and its content.
const ATTACHMENT_ELEMENTS: usize = 9;

const ROOT: (&str, &str) = (PLAIN, "edXML");
const ATTACHMENTS: (&str, &str) = (PLAIN, "AttachmentEncoded");
const CONTENT: &str = "edXML:ContentTransferEncoded";

impl Writer {
    /// Writes everything up to the attachments.
    ///
    /// # Errors
    /// What is required is missing, a code or a date is not known, a text cannot stand in XML, a list or
    /// text is longer than readers bear. Nothing is written then.
    pub fn begin(message: &Message, out: &mut Vec<u8>) -> Result<Self, Unwritable> {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        text.push_str(&format!("<edXML xmlns=\"{NAMESPACE}\">\n"));
        let mut xml = Xml::new(&mut text, &[ROOT]);
        let declared = [("xmlns:edXML", Some(NAMESPACE))];
        xml.spelt(PREFIXED, "edXMLEnvelope", &declared, |xml| envelope::write(message, xml))?;
        let refused = xml.refuse("edXMLEnvelope", Word::HeaderTooLong);
        let length = u64::try_from(text.len()).expect("a text is shorter than 2^64 octets");
        if length > Limits::DEFAULT.header_octets_max {
            return Err(refused);
        }
        let awaited = match message {
            Message::Document(document) => document.manifest.clone().unwrap_or_default(),
            Message::Status(_) => Vec::new(),
        };
        let writer = Self { awaited, has_attachments: false };
        writer.check_manifest()?;
        writer.check_readable(&text)?;
        out.extend_from_slice(text.as_bytes());
        Ok(writer)
    }

    /// Begins an attachment. It is zipped where its type says so and its name does not
    /// ([`Attachment::is_zipped`]).
    ///
    /// # Errors
    /// The manifest does not name it so, or named it and it was attached before; or as [`Writer::begin`].
    pub fn attach(
        mut self,
        attachment: &Attachment,
        out: &mut Vec<u8>,
    ) -> Result<Attaching, Unwritable> {
        let mut text = String::new();
        let is_named = |reference: &Reference| {
            reference.content_id == attachment.content_id
                && reference.name == attachment.name
                && reference.content_type == attachment.content_type
        };
        let Some(index) = self.awaited.iter().position(is_named) else {
            return Err(unwritable("Attachment", Word::AttachmentUnmatched));
        };
        if !self.has_attachments {
            text.push_str("  <AttachmentEncoded>\n");
        }
        let mut xml = Xml::new(&mut text, &[ROOT, ATTACHMENTS]);
        xml.start(PLAIN, "Attachment", &[])?;
        text.push_str(">\n");
        let mut xml = Xml::new(&mut text, &[ROOT, ATTACHMENTS, (PLAIN, "Attachment")]);
        write_fields(attachment, &mut xml)?;
        text.push_str(&format!("      <{CONTENT} xmlns:edXML=\"{NAMESPACE}\">"));
        let mut quads = Quads::default();
        let mut packed = Vec::new();
        let name = attachment.name.as_deref().unwrap_or_default();
        let pack = attachment.is_zipped().then(|| Pack::begin(name, &mut packed)).transpose();
        let pack = pack.map_err(|word| unwritable("Attachment/AttachmentName", word))?;
        out.extend_from_slice(text.as_bytes());
        quads.push(&packed, out);
        self.awaited.remove(index);
        self.has_attachments = true;
        Ok(Attaching { writer: self, quads, pack, packed: Vec::new(), octets: 0 })
    }

    /// Ends the document.
    ///
    /// # Errors
    /// A file that the manifest names was not attached. The document is not complete then.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        if !self.awaited.is_empty() {
            return Err(unwritable("Attachment", Word::ReferenceUnmatched));
        }
        if self.has_attachments {
            out.extend_from_slice(b"  </AttachmentEncoded>\n");
        }
        out.extend_from_slice(b"</edXML>\n");
        Ok(())
    }

    /// Whether readers bear the envelope with all the attachments that it names: rows and elements are theirs to count.
    fn check_readable(&self, envelope: &str) -> Result<(), Unwritable> {
        let attached = ATTACHMENT_ELEMENTS * self.awaited.len() + 1;
        let attached = u32::try_from(attached).unwrap_or(u32::MAX);
        let elements_max = Limits::DEFAULT.elements_max.saturating_sub(attached);
        let mut reader = Reader::new(Limits { elements_max, ..Limits::DEFAULT });
        let read = reader.feed(envelope.as_bytes(), &mut |_| {});
        read.map_err(|error| {
            let Finding { path, word, .. } = error.finding();
            Unwritable { path: path.clone(), word: *word }
        })
    }

    fn check_manifest(&self) -> Result<(), Unwritable> {
        let path = "edXML/edXMLEnvelope/edXMLBody/edXMLManifest/Reference";
        let refuse = |word| Err(Unwritable { path: path.to_owned(), word });
        if self.awaited.len() > Limits::DEFAULT.attachments_max {
            return refuse(Word::TooManyAttachments);
        }
        let mut ids: Vec<_> = self.awaited.iter().map(|one| &one.content_id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return refuse(Word::ContentIdTwice);
        }
        Ok(())
    }
}

fn unwritable(below: &str, word: Word) -> Unwritable {
    Unwritable { path: format!("edXML/AttachmentEncoded/{below}"), word }
}

fn write_fields(attachment: &Attachment, xml: &mut Xml<'_>) -> Result<(), Unwritable> {
    let id = attachment.content_id.as_ref().map(|id| format!("cid:{id}"));
    for (name, text) in [
        ("ContentId", id.as_ref()),
        ("AttachmentName", attachment.name.as_ref()),
        ("Description", attachment.description.as_ref()),
        ("FieldName", attachment.field_name.as_ref()),
        ("MimeType", attachment.mime_type.as_ref()),
        ("Format", attachment.format.as_ref()),
        ("ContentType", attachment.content_type.as_ref()),
    ] {
        if text.is_some_and(|text| text.len() > Limits::DEFAULT.field_octets_max) {
            return Err(xml.refuse(name, Word::FieldTooLong));
        }
        xml.text(name, text)?;
    }
    Ok(())
}

/// A document in which an attachment is being written.
pub struct Attaching {
    writer: Writer,
    quads: Quads,
    pack: Option<Pack>,
    packed: Vec<u8>,
    octets: u64,
}

impl Attaching {
    /// Writes more octets of the file.
    ///
    /// # Errors
    /// The file is larger than readers bear, or would be zipped and folds so well that they take it for a
    /// bomb; it can be attached as a `.zip` of its own then. The document cannot be completed.
    pub fn octets(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Result<(), Unwritable> {
        self.octets += u64::try_from(octets.len()).expect("a slice is shorter than 2^64 octets");
        if self.octets > Limits::DEFAULT.attachment_octets_max {
            return Err(too_long(Word::AttachmentTooLong));
        }
        match &mut self.pack {
            None => self.quads.push(octets, out),
            Some(pack) => {
                pack.push(octets, &mut self.packed).map_err(too_long)?;
                self.quads.push(&self.packed, out);
                self.packed.clear();
            }
        }
        Ok(())
    }

    /// The file is over.
    ///
    /// # Errors
    /// As [`Attaching::octets`].
    pub fn end(mut self, out: &mut Vec<u8>) -> Result<Writer, Unwritable> {
        if let Some(pack) = self.pack {
            pack.finish(&mut self.packed).map_err(too_long)?;
            self.quads.push(&self.packed, out);
        }
        self.quads.finish(out);
        out.extend_from_slice(format!("</{CONTENT}>\n    </Attachment>\n").as_bytes());
        Ok(self.writer)
    }
}

fn too_long(word: Word) -> Unwritable {
    unwritable("Attachment/ContentTransferEncoded", word)
}

/// Base64 in pieces, without line breaks: strict decoders, that of Java for one, refuse them.
#[derive(Default)]
struct Quads {
    carry: [u8; 3],
    carried: usize,
}

impl Quads {
    fn push(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        while self.carried > 0 && self.carried < 3 {
            let Some((first, rest)) = octets.split_first() else { return };
            self.carry[self.carried] = *first;
            self.carried += 1;
            octets = rest;
        }
        if self.carried == 3 {
            encode(&self.carry, out);
            self.carried = 0;
        }
        let (whole, rest) = octets.split_at(octets.len() / 3 * 3);
        encode(whole, out);
        self.carry[..rest.len()].copy_from_slice(rest);
        self.carried = rest.len();
    }

    fn finish(&self, out: &mut Vec<u8>) {
        encode(&self.carry[..self.carried], out);
    }
}

fn encode(octets: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + octets.len().div_ceil(3) * 4, 0);
    let wrote = STANDARD.encode_slice(octets, &mut out[begin..]);
    wrote.expect("there is room for four characters for each three octets");
}
