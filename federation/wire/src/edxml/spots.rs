//! Where a reader may be in a document: the elements that hold others, and which holds which.

/// An element that holds others, or what becomes of an element that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    Root,
    Envelope,
    Header,
    Body,
    Manifest,
    Reference,
    MessageHeader,
    From,
    To,
    Code,
    Promulgation,
    DocumentType,
    Signer,
    Other,
    Appendixes,
    ResponseFor,
    Tasks,
    ToPlaces,
    StatusStaff,
    Traces,
    Hop,
    Business,
    Update,
    Receivers,
    Receiver,
    Replacements,
    Replacement,
    Organs,
    Staff,
    Signature,
    SignedInfo,
    SignedReference,
    Transforms,
    KeyInfo,
    X509,
    Attachments,
    Attachment,
    /// `ContentTransferEncoded`.
    Content,
    /// An element with text only.
    Leaf,
    /// An element that is not read, nor what is in it.
    Skipped,
}

impl Spot {
    /// What an element is in this one, by its local name. In places that hold no texts, whatever is not
    /// known is skipped; elsewhere it is a text, and whoever takes texts knows its name or does not.
    pub(super) fn child(self, name: &str) -> Self {
        match (self, name) {
            (Self::Root, "edXMLEnvelope") => Self::Envelope,
            (Self::Root | Self::Envelope, "AttachmentEncoded") => Self::Attachments,
            (Self::Envelope, "edXMLHeader") => Self::Header,
            (Self::Envelope, "edXMLBody") => Self::Body,
            (Self::Header, "MessageHeader") => Self::MessageHeader,
            (Self::Header, "TraceHeaderList") => Self::Traces,
            (Self::Header, "Signature") => Self::Signature,
            (Self::Body, "edXMLManifest" | "Manifest") => Self::Manifest,
            (Self::Manifest, "Reference") => Self::Reference,
            (Self::MessageHeader, _) => Self::in_message_header(name),
            (Self::Other, "Appendixes") => Self::Appendixes,
            (Self::Traces, "TraceHeader") => Self::Hop,
            (Self::Traces, "Bussiness") => Self::Business,
            (Self::Business, "BussinessDocumentInfo") => Self::Update,
            (Self::Business, "ReplacementInfoList") => Self::Replacements,
            (Self::Business, "StaffInfo") => Self::Staff,
            (Self::Update, "ReceiverList") => Self::Receivers,
            (Self::Receivers, "Receiver") => Self::Receiver,
            (Self::Replacements, "ReplacementInfo") => Self::Replacement,
            (Self::Replacement, "OrganIdList") => Self::Organs,
            (Self::Signature, "SignedInfo") => Self::SignedInfo,
            (Self::Signature, "KeyInfo") => Self::KeyInfo,
            (Self::SignedInfo, "Reference") => Self::SignedReference,
            (Self::SignedReference, "Transforms") => Self::Transforms,
            (Self::KeyInfo, "X509Data") => Self::X509,
            (Self::Attachments, "Attachment") => Self::Attachment,
            (Self::Attachment, "ContentTransferEncoded") => Self::Content,
            _ if self.holds_texts() => Self::Leaf,
            _ => Self::Skipped,
        }
    }

    fn in_message_header(name: &str) -> Self {
        match name {
            "From" => Self::From,
            "To" => Self::To,
            "Code" => Self::Code,
            "PromulgationInfo" => Self::Promulgation,
            "DocumentType" => Self::DocumentType,
            "SignerInfo" => Self::Signer,
            "OtherInfo" => Self::Other,
            "ResponseFor" => Self::ResponseFor,
            "ResponseForTask" => Self::Tasks,
            "ToPlaces" => Self::ToPlaces,
            "StaffInfo" => Self::StatusStaff,
            _ => Self::Leaf,
        }
    }

    /// Whether elements with text only may stand in it.
    const fn holds_texts(self) -> bool {
        !matches!(
            self,
            Self::Root
                | Self::Envelope
                | Self::Header
                | Self::Body
                | Self::Manifest
                | Self::Receivers
                | Self::Replacements
                | Self::KeyInfo
                | Self::Attachments
                | Self::Content
                | Self::Leaf
                | Self::Skipped
        )
    }

    /// Whether it may stand only once in the document.
    pub(super) const fn is_single(self) -> bool {
        matches!(
            self,
            Self::Header
                | Self::Body
                | Self::Manifest
                | Self::MessageHeader
                | Self::From
                | Self::Code
                | Self::Promulgation
                | Self::DocumentType
                | Self::Signer
                | Self::Other
                | Self::Appendixes
                | Self::Tasks
                | Self::ToPlaces
                | Self::StatusStaff
                | Self::Traces
                | Self::Business
                | Self::Signature
                | Self::SignedInfo
                | Self::KeyInfo
                | Self::X509
        )
    }
}
