//! What an edXML document says, as values (QCVN 102:2016; section 2.2 and 2.4 of our collection).
//!
//! Texts are without the spaces around them and never empty: an empty element says nothing, and is `None`.
//! What is required and missing is `None` too, since real traffic lacks it; a writer refuses that.

use super::{
    codes::{
        Business, Count, Direction, OrganCode, Priority, ReceiverChange, Said, StatusCode, Steering,
    },
    time::{Day, LocalTime},
};

/// The one namespace of edXML.
pub const NAMESPACE: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";

/// A message: what the envelope says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A document goes from one body to others, or is recalled, updated, replaced.
    Document(Box<Document>),
    /// A receiver, or the sender for code 13, reports what became of a document.
    Status(Box<Status>),
}

/// A body: `From`, `To`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Organ {
    /// `OrganId`, required.
    pub id: Option<Said<OrganCode>>,
    /// `OrganizationInCharge`.
    pub in_charge: Option<String>,
    /// `OrganName`.
    pub name: Option<String>,
    /// `OrganAdd`.
    pub address: Option<String>,
    /// `Email`.
    pub email: Option<String>,
    /// `Telephone`.
    pub telephone: Option<String>,
    /// `Fax`.
    pub fax: Option<String>,
    /// `Website`.
    pub website: Option<String>,
}

/// A document message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// `From`, required.
    pub from: Organ,
    /// `To`, one at least.
    pub to: Vec<Organ>,
    /// `DocumentId`: `<OrganId>,<yyyy/MM/dd>,<number>/<notation>`, or a UUID.
    pub id: Option<String>,
    /// `Code/CodeNumber`, required.
    pub code_number: Option<String>,
    /// `Code/CodeNotation`, required.
    pub code_notation: Option<String>,
    /// `PromulgationInfo/Place`, required.
    pub place: Option<String>,
    /// `PromulgationInfo/PromulgationDate`, required.
    pub date: Option<Said<Day>>,
    /// `DocumentType`, required.
    pub kind: DocumentType,
    /// `Subject`, required.
    pub subject: Option<String>,
    /// `Content`.
    pub content: Option<String>,
    /// `SignerInfo`.
    pub signer: Option<Signer>,
    /// `DueDate`.
    pub due: Option<Said<Day>>,
    /// `OtherInfo`.
    pub other: Option<OtherInfo>,
    /// `ResponseFor`; empty ones are left out.
    pub response_for: Vec<ResponseFor>,
    /// `SteeringType`.
    pub steering: Option<Said<Steering>>,
    /// `ResponseForTask/TaskCode`.
    pub tasks: Vec<String>,
    /// `ApplicationType`.
    pub application: Option<String>,
    /// `ToPlaces/Place`.
    pub to_places: Vec<String>,
    /// `TraceHeaderList`.
    pub trace: Option<Trace>,
    /// `Signature`: what it says, not whether it holds. Hubs append a `TraceHeader` and break it.
    pub signature: Option<Signature>,
    /// `edXMLManifest` or `Manifest`; none where the document has no such element.
    pub manifest: Option<Vec<Reference>>,
}

/// `DocumentType`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentType {
    /// `Type`, required: a number of a list that grows (SĐ1:2022), so any number is known.
    pub number: Option<Said<Count>>,
    /// `TypeDetail`.
    pub detail: Option<Said<Count>>,
    /// `TypeName`, required.
    pub name: Option<String>,
}

/// `SignerInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signer {
    /// `Competence`.
    pub competence: Option<String>,
    /// `Position`.
    pub position: Option<String>,
    /// `FullName`, required.
    pub full_name: Option<String>,
}

/// `OtherInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherInfo {
    /// `Priority`.
    pub priority: Option<Said<Priority>>,
    /// `SphereOfPromulgation`.
    pub sphere: Option<String>,
    /// `TyperNotation`.
    pub typer: Option<String>,
    /// `PromulgationAmount`.
    pub promulgation_amount: Option<Said<Count>>,
    /// `PageAmount`.
    pub page_amount: Option<Said<Count>>,
    /// `ReplyFors`.
    pub reply_for: Option<String>,
    /// `Direction`.
    pub direction: Option<Said<Direction>>,
    /// `ReferenceCodes`.
    pub reference_codes: Option<String>,
    /// `Appendixes/Appendix`.
    pub appendixes: Vec<String>,
}

/// `ResponseFor`: the document that is answered. Correlation goes by all four.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseFor {
    /// `OrganId`: who sent it.
    pub organ: Option<Said<OrganCode>>,
    /// `Code`: number and notation, `7816/VPCP-TTĐT`.
    pub code: Option<String>,
    /// `PromulgationDate`.
    pub date: Option<Said<Day>>,
    /// `DocumentId`.
    pub document_id: Option<String>,
}

/// `TraceHeaderList`: the way a document took, and what it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// The attribute `id`.
    pub id: Option<String>,
    /// The attribute `version`.
    pub version: Option<String>,
    /// `Paper`: of the list, not of the business.
    pub paper: Option<String>,
    /// `TraceHeader`, one for each hub.
    pub hops: Vec<Hop>,
    /// `Bussiness`, spelt so.
    pub business: Option<BusinessInfo>,
}

/// `TraceHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hop {
    /// `OrganId`; missing or `null` in real traffic.
    pub organ: Option<Said<OrganCode>>,
    /// `Timestamp`.
    pub at: Option<Said<LocalTime>>,
}

/// `Bussiness`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BusinessInfo {
    /// `DocumentId`.
    pub document_id: Option<String>,
    /// `BussinessDocType`, required.
    pub business: Option<Said<Business>>,
    /// `BussinessDocReason`.
    pub reason: Option<String>,
    /// `Paper`.
    pub paper: Option<String>,
    /// `BussinessDocumentInfo`, for an update.
    pub updates: Vec<UpdateInfo>,
    /// `ReplacementInfo` of every `ReplacementInfoList`.
    pub replacements: Vec<Replacement>,
    /// `StaffInfo`.
    pub staff: Vec<Staff>,
}

/// `BussinessDocumentInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateInfo {
    /// `DocumentInfo`.
    pub document: Option<String>,
    /// `DocumentReceiver`.
    pub receiver: Option<String>,
    /// `Receiver` of every `ReceiverList`.
    pub receivers: Vec<Receiver>,
}

/// `Receiver` of an update.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receiver {
    /// `OrganId`.
    pub organ: Option<Said<OrganCode>>,
    /// `ReceiverType`.
    pub change: Option<Said<ReceiverChange>>,
}

/// `ReplacementInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replacement {
    /// `DocumentId`.
    pub document_id: Option<String>,
    /// `OrganIdList/OrganId`.
    pub organs: Vec<Said<OrganCode>>,
}

/// `StaffInfo`: who handled it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staff {
    /// `Department`.
    pub department: Option<String>,
    /// `DepartmentId`.
    pub department_id: Option<String>,
    /// `Staff`.
    pub name: Option<String>,
    /// `StaffId`.
    pub id: Option<String>,
    /// `Email`.
    pub email: Option<String>,
    /// `Mobile`.
    pub mobile: Option<String>,
}

/// `Signature`, in the namespace of edXML and not in that of XML signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// `CanonicalizationMethod/@Algorithm`.
    pub canonicalization: Option<String>,
    /// `SignatureMethod/@Algorithm`.
    pub method: Option<String>,
    /// `SignedInfo/Reference`.
    pub references: Vec<SignedReference>,
    /// `SignatureValue`.
    pub value: Option<String>,
    /// `X509SubjectName`.
    pub subject: Option<String>,
    /// `X509Certificate`.
    pub certificate: Option<String>,
}

/// `SignedInfo/Reference`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedReference {
    /// The attribute `URI`; may be empty, which means the whole document.
    pub uri: Option<String>,
    /// `Transforms/Transform/@Algorithm`.
    pub transforms: Vec<String>,
    /// `DigestMethod/@Algorithm`.
    pub digest_method: Option<String>,
    /// `DigestValue`.
    pub digest_value: Option<String>,
}

/// `Reference` of the manifest: an attachment is announced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// `ContentId` without its `cid:`, required.
    pub content_id: Option<String>,
    /// `ContentType`, required.
    pub content_type: Option<String>,
    /// `Description`.
    pub description: Option<String>,
    /// `AttachmentName`, required.
    pub name: Option<String>,
}

/// `Attachment`: all that is said of an attached file beside its octets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// `ContentId` without its `cid:`, required.
    pub content_id: Option<String>,
    /// `AttachmentName`, required.
    pub name: Option<String>,
    /// `Description`.
    pub description: Option<String>,
    /// `FieldName`.
    pub field_name: Option<String>,
    /// `MimeType`.
    pub mime_type: Option<String>,
    /// `Format`.
    pub format: Option<String>,
    /// `ContentType`, required.
    pub content_type: Option<String>,
}

/// The type of what is zipped, or is a ZIP by itself.
pub(super) const ZIP_TYPE: &str = "application/zip";

impl Attachment {
    /// A file as the national SDK attaches it: `pdf`, `doc`, `docx`, `zip` and the misspelt `xsl` and
    /// `xslx` go as they are, everything else goes in a ZIP of one entry.
    pub fn of_file(content_id: &str, name: &str) -> Self {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let plain = ["pdf", "doc", "docx", "zip", "xsl", "xslx"];
        let plain = plain.into_iter().find(|plain| ending.as_deref() == Some(*plain));
        let content_type =
            plain.map_or_else(|| ZIP_TYPE.to_owned(), |ending| format!("application/{ending}"));
        Self {
            content_id: Some(content_id.to_owned()),
            name: Some(name.to_owned()),
            description: Some(name.to_owned()),
            content_type: Some(content_type),
            ..Self::default()
        }
    }

    /// Whether its octets stand in a ZIP that is not part of the file: the type says ZIP, the name does not.
    pub fn is_zipped(&self) -> bool {
        let zip =
            self.content_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case(ZIP_TYPE));
        let ending = |name: &str| {
            name.len() >= 4
                && name.is_char_boundary(name.len() - 4)
                && name[name.len() - 4..].eq_ignore_ascii_case(".zip")
        };
        zip && !self.name.as_deref().is_some_and(ending)
    }

    /// What the manifest says of it.
    pub fn reference(&self) -> Reference {
        Reference {
            content_id: self.content_id.clone(),
            content_type: self.content_type.clone(),
            description: self.description.clone(),
            name: self.name.clone(),
        }
    }
}

/// A status message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// `From`: who reports.
    pub from: Organ,
    /// `ResponseFor`: the document it is about, required.
    pub response_for: Option<ResponseFor>,
    /// `StaffInfo`.
    pub staff: Option<Staff>,
    /// `StatusCode`, required.
    pub code: Option<Said<StatusCode>>,
    /// `Description`: free text; the reason, where there is one.
    pub description: Option<String>,
    /// `Timestamp`, required.
    pub at: Option<Said<LocalTime>>,
}
