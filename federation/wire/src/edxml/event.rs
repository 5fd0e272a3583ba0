//! What a reader says of a document, piece by piece.

use super::{
    content::Form,
    place::Place,
    values::{Attachment, Message},
};

/// What a document says, in the order in which it stands.
#[derive(Debug)]
pub enum Event<'e> {
    /// The envelope is complete: header and manifest. Attachments before it come before it.
    Message(Box<Message>),
    /// The content of an attachment begins. What stood before the content is known, which in all that we
    /// have seen is everything; what stands after it comes with the end.
    Begin(&'e Attachment),
    /// Octets of the file, never empty: decoded, and unzipped where type and name came before them.
    Octets(&'e [u8]),
    /// The attachment is complete. Nothing says before this that its octets are whole.
    End(&'e Attached),
}

/// An attachment that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// What is said of it.
    pub attachment: Attachment,
    /// Where it stood.
    pub place: Place,
    /// How its octets stood in the document.
    pub form: Form,
    /// Octets of the file, as they were handed out.
    pub octets: u64,
    /// Octets in the document, after base64 and before unzipping.
    pub packed_octets: u64,
    /// The SHA-256 of the octets that were handed out.
    pub sha256: [u8; 32],
}

/// What takes events. It cannot fail: who writes them to a disk keeps the failure until `feed` returns.
pub type Take<'t> = &'t mut dyn FnMut(Event<'_>);
