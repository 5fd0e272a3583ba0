//! The reader: octets in, in pieces of any size; the message and the attached files out.
//!
//! It never holds a document. What it holds is bounded by its [`Limits`]: the envelope while it comes, one
//! tag, some pages of an attachment. XML is `rxml`'s, which is restarted with each piece and refuses DTD,
//! entities and processing instructions by design; ours is what the elements mean.

use super::{
    event::Take,
    finding::{Error, Finding},
    limits::Limits,
    prologue::Encoding,
    text::Text,
};

/// A reader of one document.
///
/// ```
/// use lgsp_wire::edxml::{Event, Limits, Message, Reader};
///
/// # let pieces = [&b"<edXML><edXMLEnvelope><edXMLHeader><MessageHeader><Subject>V/v"[..],
/// #     b" k\xE1\xBA\xBF", b"t n\xE1\xBB\x91i</Subject></MessageHeader></edXMLHeader></edXMLEnvelope></edXML>"];
/// let mut reader = Reader::new(Limits::DEFAULT);
/// let mut subject = None;
/// let mut take = |event: Event<'_>| match event {
///     Event::Message(message) => {
///         if let Message::Document(document) = *message {
///             subject = document.subject;
///         }
///     }
///     Event::Begin(attachment) => println!("{:?} begins", attachment.name),
///     Event::Octets(octets) => println!("{} octets of it", octets.len()),
///     Event::End(attached) => println!("it has {} and is whole", attached.octets),
/// };
/// for piece in pieces {
///     reader.feed(piece, &mut take)?;
/// }
/// let findings = reader.finish(&mut take)?;
/// assert_eq!(subject.as_deref(), Some("V/v kết nối"));
/// // It lacks nearly everything, and says where.
/// assert!(findings.iter().any(|finding| finding.path.ends_with("MessageHeader/From")));
/// # Ok::<(), lgsp_wire::edxml::Error>(())
/// ```
pub struct Reader {
    encoding: Encoding,
    text: Text,
    failed: Option<Error>,
}

impl Reader {
    /// A reader of a new document.
    pub fn new(limits: Limits) -> Self {
        Self { encoding: Encoding::new(), text: Text::new(limits), failed: None }
    }

    /// More octets of the document.
    ///
    /// # Errors
    /// The first thing after which nothing can be read; the same again for every later call.
    pub fn feed(&mut self, octets: &[u8], take: Take<'_>) -> Result<(), Error> {
        self.step(octets, false, take)
    }

    /// The document is over: what was found in it, in the order of its places.
    ///
    /// # Errors
    /// As [`Reader::feed`], and where the document ends too early.
    pub fn finish(self, take: Take<'_>) -> Result<Vec<Finding>, Error> {
        let (done, findings) = self.end(take);
        done.map(|()| findings)
    }

    /// As [`Reader::finish`], with what was found before an error too.
    pub fn end(mut self, take: Take<'_>) -> (Result<(), Error>, Vec<Finding>) {
        let done = self.step(&[], true, take);
        (done, self.text.end())
    }

    fn step(&mut self, octets: &[u8], is_last: bool, take: Take<'_>) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let Self { encoding, text, .. } = self;
        let done = encoding.decode(octets, is_last, &mut |octets| text.push(octets, take));
        text.is_utf16 = encoding.is_utf16();
        let done = done.and_then(|()| if is_last { text.finish(take) } else { Ok(()) });
        done.map_err(|stop| {
            let error = text.error(stop);
            self.failed = Some(error.clone());
            error
        })
    }
}
