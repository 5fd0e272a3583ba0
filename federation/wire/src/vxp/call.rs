//! What each call of the axis asks, as values, and the parameters that say so (section 3.2).
//!
//! The content of a document is nobody's value here: it streams beside the call, and `hash-file` speaks for it.

use serde::{Deserialize, Serialize};

use super::{
    endpoint::{BodyKind, Endpoint},
    words::{Acknowledgement, Code, MessageType, Opaque, ServiceType},
};

pub(crate) const STATUS: &str = "status";

/// A body that is added to the directory, as the JSON of `registerAgency` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Empty for a new one.
    #[serde(default)]
    pub id: String,
    /// The code of the body above it; may be empty.
    #[serde(default)]
    pub pcode: String,
    /// Its code.
    pub code: Code,
    /// Its name.
    pub name: String,
    /// Its address for mail; may be empty.
    #[serde(default)]
    pub mail: String,
    /// Its telephone; may be empty.
    #[serde(default)]
    pub mobile: String,
    /// Its fax; may be empty.
    #[serde(default)]
    pub fax: String,
}

/// What `sendEdoc` says of the message that follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// What is carried.
    pub service: ServiceType,
    /// Document or status.
    pub kind: MessageType,
    /// SHA-256 of the message without its last CR LF, in hex with or without the zeros; the text as it came.
    pub hash_file: Opaque,
    /// The sender. The axis refuses one that is not the caller's registered code.
    pub from: Code,
    /// The receivers, where the header says so. Usually the document alone names them.
    pub to: Option<Vec<Code>>,
}

/// What `getReceivedEdocList` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What is carried.
    pub service: ServiceType,
    /// Documents or status messages.
    pub kind: MessageType,
    /// Those of this sender only.
    pub from: Option<Code>,
    /// Those of this day and later, in the axis' own form.
    pub from_date: Option<Opaque>,
    /// Those of this day and earlier, in the axis' own form.
    pub to_date: Option<Opaque>,
    /// Those that stand like this only.
    pub status: Option<Opaque>,
    /// Rows of a page.
    pub page_size: Option<u32>,
    /// Which page.
    pub page_index: Option<u32>,
}

impl Waiting {
    /// Everything of this kind that waits, on one page.
    pub fn all(service: ServiceType, kind: MessageType) -> Self {
        let (from, from_date, to_date, status) = (None, None, None, None);
        let (page_size, page_index) = (None, None);
        Self { service, kind, from, from_date, to_date, status, page_size, page_index }
    }
}

/// What `getSentEdocList` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What is carried.
    pub service: ServiceType,
    /// Documents or status messages.
    pub kind: MessageType,
    /// The message, by the axis' identifier.
    pub document: Opaque,
}

/// What the two counting calls ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    /// What is carried.
    pub service: ServiceType,
    /// Documents or status messages, where the header says so.
    pub kind: Option<MessageType>,
}

/// One call with its own parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// `getAgenciesList`, of one body if its identifier is there.
    AgenciesList(Option<Opaque>),
    /// `getAgenciesListQD20`, down to a level; the SDK asks for 1.
    AgenciesListQd20(u32),
    /// `getSynchronizeUnit`.
    SynchronizeUnit,
    /// `registerAgency`.
    RegisterAgency(Registration),
    /// `deleteAgency`.
    DeleteAgency(Code),
    /// `sendEdoc`.
    SendEdoc(Sending),
    /// `getReceivedEdocList`.
    ReceivedEdocList(Waiting),
    /// `getEdoc`: the message, and where the SDK would write it, which it sends along.
    GetEdoc(Opaque, Option<Opaque>),
    /// `downloadEdoc`.
    DownloadEdoc(Opaque),
    /// `updateStatus`.
    UpdateStatus(Opaque, Acknowledgement),
    /// `getSentEdocList`.
    SentEdocList(Sent),
    /// `countReceiveEdoc`.
    CountReceiveEdoc(Counting),
    /// `countReceiveStatus`.
    CountReceiveStatus(Counting),
}

impl Call {
    /// Which call it is.
    pub fn endpoint(&self) -> Endpoint {
        match self {
            Self::AgenciesList(_) => Endpoint::AgenciesList,
            Self::AgenciesListQd20(_) => Endpoint::AgenciesListQd20,
            Self::SynchronizeUnit => Endpoint::SynchronizeUnit,
            Self::RegisterAgency(_) => Endpoint::RegisterAgency,
            Self::DeleteAgency(_) => Endpoint::DeleteAgency,
            Self::SendEdoc(_) => Endpoint::SendEdoc,
            Self::ReceivedEdocList(_) => Endpoint::ReceivedEdocList,
            Self::GetEdoc(..) => Endpoint::GetEdoc,
            Self::DownloadEdoc(_) => Endpoint::DownloadEdoc,
            Self::UpdateStatus(..) => Endpoint::UpdateStatus,
            Self::SentEdocList(_) => Endpoint::SentEdocList,
            Self::CountReceiveEdoc(_) => Endpoint::CountReceiveEdoc,
            Self::CountReceiveStatus(_) => Endpoint::CountReceiveStatus,
        }
    }

    /// Its own parameters in the SDK's order.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, String)> {
        let text = |value: &Opaque| value.as_str().to_owned();
        let given = |name, value: &Option<Opaque>| value.as_ref().map(|value| (name, text(value)));
        match self {
            Self::AgenciesList(id) => given("id", id).into_iter().collect(),
            Self::AgenciesListQd20(level) => vec![("level", level.to_string())],
            Self::SynchronizeUnit | Self::RegisterAgency(_) => Vec::new(),
            Self::DeleteAgency(code) => vec![("AgencyCode", code.to_string())],
            Self::SendEdoc(sending) => sending.parameters(),
            Self::ReceivedEdocList(waiting) => {
                let number =
                    |name, value: Option<u32>| value.map(|value| (name, value.to_string()));
                let code = waiting.from.as_ref().map(|code| ("from", code.to_string()));
                let options = [
                    code,
                    given("fromDate", &waiting.from_date),
                    given("toDate", &waiting.to_date),
                    given(STATUS, &waiting.status),
                    number("pageSize", waiting.page_size),
                    number("pageIndex", waiting.page_index),
                ];
                let kind = kind_of(waiting.service, Some(waiting.kind));
                kind.chain(options.into_iter().flatten()).collect()
            }
            Self::GetEdoc(document, path) => {
                std::iter::once(("docId", text(document))).chain(given("filePath", path)).collect()
            }
            Self::DownloadEdoc(document) => vec![("docId", text(document))],
            Self::UpdateStatus(document, word) => {
                vec![("docId", text(document)), (STATUS, word.as_str().to_owned())]
            }
            Self::SentEdocList(sent) => {
                let document = ("docId", text(&sent.document));
                kind_of(sent.service, Some(sent.kind)).chain([document]).collect()
            }
            Self::CountReceiveEdoc(count) | Self::CountReceiveStatus(count) => {
                kind_of(count.service, count.kind).collect()
            }
        }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        match (self, self.endpoint().body_kind()) {
            (Self::RegisterAgency(registration), _) => {
                serde_json::to_vec(registration).expect("texts are JSON")
            }
            (_, BodyKind::EmptyObject) => b"{}".to_vec(),
            (_, BodyKind::Empty | BodyKind::Json | BodyKind::Document) => Vec::new(),
        }
    }
}

fn kind_of(
    service: ServiceType,
    kind: Option<MessageType>,
) -> impl Iterator<Item = (&'static str, String)> {
    let kind = kind.map(|kind| ("messagetype", kind.as_str().to_owned()));
    std::iter::once(("servicetype", service.as_str().to_owned())).chain(kind)
}

impl Sending {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut all: Vec<_> = kind_of(self.service, Some(self.kind)).collect();
        all.push(("hash-file", self.hash_file.to_string()));
        all.push(("from", self.from.to_string()));
        let list = |codes: &Vec<Code>| {
            let codes: Vec<_> = codes.iter().map(Code::as_str).collect();
            serde_json::to_string(&codes).expect("texts are JSON")
        };
        all.extend(self.to.as_ref().map(|codes| ("to", list(codes))));
        all
    }
}
