//! A request of the axis: a call of a system at a moment, signed and built, and read back from signed parameters.

use model::Moment;

use super::{
    call::{Call, Counting, Registration, STATUS, Sending, Sent, Waiting},
    endpoint::{BodyKind, Endpoint},
    headers::{self, HEADER_OCTETS_MAX, Header},
    loose::Object,
    secret::Secret,
    sign::{self, PREFIX, VERSION, Verified},
    timestamp,
    words::{Acknowledgement, Code, MessageType, Opaque, ServiceType},
};

/// The version of the protocol that the SDK declares; nothing signs it and nobody asks for another.
pub const PROTOCOL_VERSION: &str = "3.0.201608";
/// How the SDK calls itself.
pub const USER_AGENT: &str = "JAVASDKAgent/1.0.0 XRoad/VPCP";
/// Octets of the body that registers an agency: seven short texts.
pub const REGISTRATION_OCTETS_MAX: usize = 64 << 10;
/// Parameters of a call beyond its own: those of the SDK's earlier calls leak into later ones.
pub const EXTRA_MAX: usize = 32;

const SYSTEM: &str = "systemid";
const TIMESTAMP: &str = "timestamp";
const CONTENT_TYPE: &str = "Content-Type";

/// A parameter that the call does not know: one of an earlier call that leaked, or of a newer SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    name: String,
    value: Opaque,
}

impl Extra {
    /// None if the name is no header's name.
    pub fn new(name: &str, value: Opaque) -> Option<Self> {
        let is_free = headers::is_name(name) && name.len() <= CODE_NAME_MAX;
        is_free.then(|| Self { name: name.to_owned(), value })
    }

    /// The name without its prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    pub fn value(&self) -> &Opaque {
        &self.value
    }
}

/// Characters of a parameter's name: the longest known has 15.
const CODE_NAME_MAX: usize = 64;

/// A call of a system at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The calling system.
    pub system: Code,
    /// When it was made, by the caller's clock. The SDK makes it once and repeats it, so it proves little.
    pub at: Moment,
    /// What is asked.
    pub call: Call,
    /// Other parameters, in their order; ignored by whoever answers.
    pub extra: Vec<Extra>,
}

/// A request as it is sent. The path is `/` and [`Endpoint::name`] behind the base of the axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to, and by which method.
    pub endpoint: Endpoint,
    /// The headers in the SDK's order; those of the transport (Host, Content-Length …) are the HTTP client's.
    pub headers: Vec<Header>,
    /// The body; of [`BodyKind::Document`] it is empty, and the document and CR LF are sent instead.
    pub body: Vec<u8>,
}

/// Why a call means nothing, or cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A parameter that must be there is not.
    #[error("the parameter {name} is missing")]
    Missing {
        /// Which, without its prefix.
        name: &'static str,
    },
    /// A parameter has a value that it cannot have.
    #[error("the parameter {name} has a wrong value: expected {expected}")]
    Wrong {
        /// Which, without its prefix.
        name: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// A further parameter is one of the call's own, or one that cannot be a parameter.
    #[error("the parameter {name} stands twice or is reserved")]
    Twice {
        /// Which, without its prefix.
        name: String,
    },
    /// There are more than [`EXTRA_MAX`] further parameters.
    #[error("the call has more than {EXTRA_MAX} parameters that are not its own")]
    TooMany,
    /// A header would be longer than the axis accepts.
    #[error("the header {name} would be longer than {HEADER_OCTETS_MAX} octets")]
    TooLong {
        /// Which.
        name: String,
    },
    /// A body where none belongs.
    #[error("the call has no body, yet one came")]
    Body,
    /// The body of a registration cannot be read.
    #[error("the body is no JSON object of an agency")]
    Registration(#[source] serde_json::Error),
}

impl Request {
    /// Builds and signs the call.
    ///
    /// # Errors
    ///
    /// A further parameter that is one of the call's own, too many of them, or a header that would be too long.
    pub fn build(&self, secret: &Secret) -> Result<Outgoing, RequestError> {
        let endpoint = self.call.endpoint();
        let own = self.call.parameters();
        let (at, content_type) = (timestamp::write(self.at), endpoint.content_type());
        let mut signed = vec![(SYSTEM, self.system.as_str())];
        // The SDK sets the new status last, behind what every call has.
        let is_late = |name: &str| endpoint == Endpoint::UpdateStatus && name == STATUS;
        signed.extend(own.iter().filter(|(name, _)| !is_late(name)).map(|(n, v)| (*n, v.as_str())));
        signed.extend(self.extra.iter().map(|extra| (extra.name(), extra.value.as_str())));
        signed.extend([(TIMESTAMP, at.as_str()), (CONTENT_TYPE, content_type)]);
        signed.extend(own.iter().filter(|(name, _)| is_late(name)).map(|(n, v)| (*n, v.as_str())));
        self.check(&signed)?;
        let headers = headers_of(endpoint, &signed, secret);
        match headers.iter().find(|header| header.value().len() > HEADER_OCTETS_MAX) {
            Some(header) => Err(RequestError::TooLong { name: header.name().to_owned() }),
            None => Ok(Outgoing { endpoint, headers, body: self.call.body() }),
        }
    }

    fn check(&self, signed: &[(&str, &str)]) -> Result<(), RequestError> {
        if self.extra.len() > EXTRA_MAX {
            return Err(RequestError::TooMany);
        }
        let count =
            |name: &str| signed.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).count();
        let twice = |extra: &&Extra| sign::is_reserved(&extra.name) || count(&extra.name) > 1;
        match self.extra.iter().find(twice) {
            Some(extra) => Err(RequestError::Twice { name: extra.name.clone() }),
            None => Ok(()),
        }
    }

    /// Reads a call whose signature is right. The body of [`BodyKind::Document`] is not asked for.
    ///
    /// # Errors
    ///
    /// A parameter that is missing or wrong, or a body that does not belong to the call.
    pub fn parse(
        endpoint: Endpoint,
        verified: &Verified<'_>,
        body: &[u8],
    ) -> Result<Self, RequestError> {
        match endpoint.body_kind() {
            BodyKind::Empty | BodyKind::EmptyObject if !is_blank(body) => {
                return Err(RequestError::Body);
            }
            _ => {}
        }
        let from = Parameters(verified);
        let call = from.call(endpoint, body)?;
        let own = call.parameters();
        let is_known = |name: &str| {
            let own = own.iter().map(|(own, _)| *own);
            own.chain([SYSTEM, TIMESTAMP, CONTENT_TYPE]).any(|own| own.eq_ignore_ascii_case(name))
        };
        let mut extra: Vec<Extra> = Vec::new();
        for (name, value) in verified.parameters().filter(|(name, _)| !is_known(name)) {
            // Two spellings of one name have one value: the signature was checked for it.
            if extra.iter().any(|before| before.name.eq_ignore_ascii_case(name)) {
                continue;
            }
            if extra.len() == EXTRA_MAX {
                return Err(RequestError::TooMany);
            }
            let parsed = Opaque::parse(value).and_then(|value| Extra::new(name, value));
            extra.push(parsed.ok_or_else(|| wrong(name, "1 to 1024 visible ASCII characters"))?);
        }
        let at = timestamp::parse(from.demanded(TIMESTAMP)?);
        let at = at.ok_or_else(|| wrong(TIMESTAMP, "ddMMyyyy'T'HHmmss+SSSS"))?;
        Ok(Self { system: from.code(SYSTEM)?, at, call, extra })
    }
}

/// The headers in the order in which the SDK sends them.
fn headers_of(endpoint: Endpoint, signed: &[(&str, &str)], secret: &Secret) -> Vec<Header> {
    let plain = || Header::new(CONTENT_TYPE, endpoint.content_type());
    let is_first = endpoint.body_kind() == BodyKind::Document;
    let mut headers: Vec<_> = is_first.then(plain).into_iter().collect();
    for (name, value) in signed {
        headers.extend((*name == CONTENT_TYPE && !is_first).then(plain));
        headers.push(Header::new(format!("{PREFIX}{name}"), *value));
    }
    headers.extend(sign::sign(signed, secret));
    headers.push(Header::new("User-Agent", USER_AGENT));
    headers.push(Header::new(format!("{PREFIX}{VERSION}"), PROTOCOL_VERSION));
    headers
}

fn is_blank(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    body.is_empty() || body == b"{}"
}

fn wrong(name: &str, expected: &'static str) -> RequestError {
    RequestError::Wrong { name: headers::shown(name), expected }
}

/// The signed parameters, asked for by name.
struct Parameters<'v, 'h>(&'v Verified<'h>);

impl Parameters<'_, '_> {
    fn demanded(&self, name: &'static str) -> Result<&str, RequestError> {
        self.0.get(name).ok_or(RequestError::Missing { name })
    }

    fn code(&self, name: &'static str) -> Result<Code, RequestError> {
        Code::parse(self.demanded(name)?).ok_or_else(|| wrong(name, CODE_FORM))
    }

    fn opaque(&self, name: &'static str) -> Result<Opaque, RequestError> {
        self.given(name)?.ok_or(RequestError::Missing { name })
    }

    fn given(&self, name: &'static str) -> Result<Option<Opaque>, RequestError> {
        let parse = |text| Opaque::parse(text).ok_or_else(|| wrong(name, OPAQUE_FORM));
        self.0.get(name).map(parse).transpose()
    }

    fn number(&self, name: &'static str) -> Result<Option<u32>, RequestError> {
        let is_plain = |text: &&str| text.bytes().all(|c| c.is_ascii_digit());
        let parse = |text: &str| Some(text).filter(is_plain).and_then(|text| text.parse().ok());
        let parse = |text: &str| parse(text).ok_or_else(|| wrong(name, "a whole number"));
        self.0.get(name).map(parse).transpose()
    }

    fn service(&self) -> Result<ServiceType, RequestError> {
        let service = ServiceType::parse(self.demanded("servicetype")?);
        service.ok_or_else(|| wrong("servicetype", "eDoc"))
    }

    fn kind(&self) -> Result<MessageType, RequestError> {
        self.given_kind()?.ok_or(RequestError::Missing { name: "messagetype" })
    }

    fn given_kind(&self) -> Result<Option<MessageType>, RequestError> {
        let parse =
            |text| MessageType::parse(text).ok_or_else(|| wrong("messagetype", "edoc or status"));
        self.0.get("messagetype").map(parse).transpose()
    }

    fn receivers(&self) -> Result<Option<Vec<Code>>, RequestError> {
        let Some(text) = self.0.get("to") else { return Ok(None) };
        let wrong = || wrong("to", "a JSON array of codes");
        let codes: Vec<String> = serde_json::from_str(text).map_err(|_| wrong())?;
        let codes = codes.iter().map(|code| Code::parse(code).ok_or_else(wrong));
        codes.collect::<Result<_, _>>().map(Some)
    }

    fn acknowledgement(&self) -> Result<Acknowledgement, RequestError> {
        let word = Acknowledgement::parse(self.demanded(STATUS)?);
        word.ok_or_else(|| wrong(STATUS, "processing, done or fail"))
    }

    fn call(&self, endpoint: Endpoint, body: &[u8]) -> Result<Call, RequestError> {
        let count = || Ok(Counting { service: self.service()?, kind: self.given_kind()? });
        Ok(match endpoint {
            Endpoint::AgenciesList => Call::AgenciesList(self.given("id")?),
            Endpoint::AgenciesListQd20 => {
                let level = self.number("level")?;
                Call::AgenciesListQd20(level.ok_or(RequestError::Missing { name: "level" })?)
            }
            Endpoint::SynchronizeUnit => Call::SynchronizeUnit,
            Endpoint::RegisterAgency => Call::RegisterAgency(registration(body)?),
            Endpoint::DeleteAgency => Call::DeleteAgency(self.code("AgencyCode")?),
            Endpoint::SendEdoc => Call::SendEdoc(Sending {
                service: self.service()?,
                kind: self.kind()?,
                hash_file: self.opaque("hash-file")?,
                from: self.code("from")?,
                to: self.receivers()?,
            }),
            Endpoint::ReceivedEdocList => Call::ReceivedEdocList(Waiting {
                service: self.service()?,
                kind: self.kind()?,
                from: self.0.get("from").map(|_| self.code("from")).transpose()?,
                from_date: self.given("fromDate")?,
                to_date: self.given("toDate")?,
                status: self.given(STATUS)?,
                page_size: self.number("pageSize")?,
                page_index: self.number("pageIndex")?,
            }),
            Endpoint::GetEdoc => Call::GetEdoc(self.opaque("docId")?, self.given("filePath")?),
            Endpoint::DownloadEdoc => Call::DownloadEdoc(self.opaque("docId")?),
            Endpoint::UpdateStatus => {
                Call::UpdateStatus(self.opaque("docId")?, self.acknowledgement()?)
            }
            Endpoint::SentEdocList => Call::SentEdocList(Sent {
                service: self.service()?,
                kind: self.kind()?,
                document: self.opaque("docId")?,
            }),
            Endpoint::CountReceiveEdoc => Call::CountReceiveEdoc(count()?),
            Endpoint::CountReceiveStatus => Call::CountReceiveStatus(count()?),
        })
    }
}

const CODE_FORM: &str = "1 to 64 letters, digits, full stops, hyphens and underscores";
const OPAQUE_FORM: &str = "1 to 1024 visible ASCII characters";

fn registration(body: &[u8]) -> Result<Registration, RequestError> {
    use serde::de::Error as _;
    if body.len() > REGISTRATION_OCTETS_MAX {
        let long = serde_json::Error::custom("more than 64 KiB");
        return Err(RequestError::Registration(long));
    }
    let registration = serde_json::from_slice(body);
    registration.map(|Object(whole)| whole).map_err(RequestError::Registration)
}
