//! The calls of the axis by name: where each goes and what it carries (section 3.2).

/// What a call carries behind its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// Nothing.
    Empty,
    /// The two octets `{}`.
    EmptyObject,
    /// A JSON object.
    Json,
    /// The octets of an edXML document, then CR LF.
    Document,
}

/// Which call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The directory, codes by QCVN 102.
    AgenciesList,
    /// The directory, codes by Decision 20/2020.
    AgenciesListQd20,
    /// The directory's changes.
    SynchronizeUnit,
    /// Adds a body to the directory.
    RegisterAgency,
    /// Removes a body from the directory.
    DeleteAgency,
    /// Sends a document or a status message.
    SendEdoc,
    /// What waits for the caller.
    ReceivedEdocList,
    /// Fetches a message as base64 in JSON.
    GetEdoc,
    /// Fetches a message as it is.
    DownloadEdoc,
    /// Acknowledges a message.
    UpdateStatus,
    /// What became of what the caller sent.
    SentEdocList,
    /// How many documents wait.
    CountReceiveEdoc,
    /// How many status messages wait.
    CountReceiveStatus,
}

/// Each call once: its name in the path, and what it carries.
const ENDPOINTS: [(Endpoint, &str, BodyKind); 13] = [
    (Endpoint::AgenciesList, "getAgenciesList", BodyKind::Empty),
    (Endpoint::AgenciesListQd20, "getAgenciesListQD20", BodyKind::Empty),
    (Endpoint::SynchronizeUnit, "getSynchronizeUnit", BodyKind::Empty),
    (Endpoint::RegisterAgency, "registerAgency", BodyKind::Json),
    (Endpoint::DeleteAgency, "deleteAgency", BodyKind::EmptyObject),
    (Endpoint::SendEdoc, "sendEdoc", BodyKind::Document),
    (Endpoint::ReceivedEdocList, "getReceivedEdocList", BodyKind::Empty),
    (Endpoint::GetEdoc, "getEdoc", BodyKind::EmptyObject),
    (Endpoint::DownloadEdoc, "downloadEdoc", BodyKind::Empty),
    (Endpoint::UpdateStatus, "updateStatus", BodyKind::EmptyObject),
    (Endpoint::SentEdocList, "getSentEdocList", BodyKind::Empty),
    (Endpoint::CountReceiveEdoc, "countReceiveEdoc", BodyKind::EmptyObject),
    (Endpoint::CountReceiveStatus, "countReceiveStatus", BodyKind::EmptyObject),
];

impl Endpoint {
    /// Every call.
    pub fn all() -> impl Iterator<Item = Self> {
        ENDPOINTS.iter().map(|(endpoint, ..)| *endpoint)
    }

    /// The call of a path's last part, in its very case.
    pub fn of_name(name: &str) -> Option<Self> {
        ENDPOINTS.iter().find(|(_, known, _)| *known == name).map(|(endpoint, ..)| *endpoint)
    }

    /// The last part of its path.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What it carries.
    pub fn body_kind(self) -> BodyKind {
        self.row().2
    }

    /// The method of HTTP.
    pub fn method(self) -> &'static str {
        if self == Self::DownloadEdoc { "GET" } else { "POST" }
    }

    /// What the call says its body is.
    pub fn content_type(self) -> &'static str {
        match self.body_kind() {
            BodyKind::Document => "application/octet-stream",
            BodyKind::Empty | BodyKind::EmptyObject | BodyKind::Json => "application/json",
        }
    }

    fn row(self) -> &'static (Self, &'static str, BodyKind) {
        let row = ENDPOINTS.iter().find(|(endpoint, ..)| *endpoint == self);
        row.expect("every call stands in the table")
    }
}
