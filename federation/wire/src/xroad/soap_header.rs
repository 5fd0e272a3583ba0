//! The SOAP header of X-Road (PR-MESS 4.0 section 2.2): who calls what, for whom, and the hash of the request.
//!
//! A provider sends every field back, in the same order and with the same values, so a header that was read remembers its
//! order.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha512};

use super::{
    identifier::{ClientId, MemberId, Part, RepresentedParty, ServerId, ServiceId},
    xml::{Element, IDENTIFIERS, REPRESENTATION, XROAD, escaped},
};

/// Characters of a message's identifier, a user or an issue.
pub const SOAP_TEXT_MAX: usize = 1024;

const VERSION: &str = "4.0";
const SHA512: &str = "http://www.w3.org/2001/04/xmlenc#sha512";

/// A text of the header: at most [`SOAP_TEXT_MAX`] characters, no control character, no space at an end; may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoapText(String);

impl SoapText {
    /// Reads a text; spaces at its ends are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_text = text.chars().count() <= SOAP_TEXT_MAX
            && !text.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
        is_text.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The hash of a request in its answer, made by the provider's security server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHash {
    /// Which hash it is, as a URI.
    pub algorithm: SoapText,
    /// The hash in base64, without spaces and line breaks.
    pub value: SoapText,
}

impl RequestHash {
    /// The hash of a request: of the very octets of its HTTP body, or of its first MIME part.
    pub fn of_request(octets: &[u8]) -> Self {
        let value = SoapText(STANDARD.encode(Sha512::digest(octets)));
        Self { algorithm: SoapText(SHA512.to_owned()), value }
    }

    /// Whether it is the hash of this request. Only SHA-512 is known; any other says no.
    pub fn is_of(&self, octets: &[u8]) -> bool {
        *self == Self::of_request(octets)
    }
}

/// The fields of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Client,
    Service,
    Server,
    Party,
    Id,
    User,
    Issue,
    Protocol,
    Hash,
}

/// Every field in the order of the specification, with its namespace and name.
const KINDS: [(Kind, &str, &str); 9] = [
    (Kind::Client, XROAD, "client"),
    (Kind::Service, XROAD, "service"),
    (Kind::Server, XROAD, "securityServer"),
    (Kind::Party, REPRESENTATION, "representedParty"),
    (Kind::Id, XROAD, "id"),
    (Kind::User, XROAD, "userId"),
    (Kind::Issue, XROAD, "issue"),
    (Kind::Protocol, XROAD, "protocolVersion"),
    (Kind::Hash, XROAD, "requestHash"),
];

/// The header of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoapHeader {
    /// Who calls.
    pub client: ClientId,
    /// What is called.
    pub service: ServiceId,
    /// The provider's security server that should be asked, of several.
    pub server: Option<ServerId>,
    /// For whom the client calls.
    pub party: Option<RepresentedParty>,
    /// The message's identifier.
    id: SoapText,
    /// Who sits before the screen.
    pub user: Option<SoapText>,
    /// The case or document that it is about.
    pub issue: Option<SoapText>,
    /// In answers: the hash of the request.
    pub request_hash: Option<RequestHash>,
    /// The order of the fields that were read; empty for that of the specification.
    order: Vec<Kind>,
}

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// A field that must be there is not.
    #[error("the header field {name} is missing")]
    Missing {
        /// Which.
        name: &'static str,
    },
    /// A field stands twice.
    #[error("the header field {name} stands twice")]
    Twice {
        /// Which.
        name: &'static str,
    },
    /// A field is not what it must be.
    #[error("the header field {name} is wrong: {reason}")]
    Wrong {
        /// Which.
        name: &'static str,
        /// Why.
        reason: &'static str,
    },
}

impl SoapHeader {
    /// The header of a request; none if the identifier is empty.
    pub fn new(client: ClientId, service: ServiceId, id: SoapText) -> Option<Self> {
        let is_sound = !id.0.is_empty();
        is_sound.then_some(Self {
            client,
            service,
            server: None,
            party: None,
            id,
            user: None,
            issue: None,
            request_hash: None,
            order: Vec::new(),
        })
    }

    /// The message's identifier, which is not empty.
    pub fn id(&self) -> &SoapText {
        &self.id
    }

    /// Reads a SOAP header. Fields that are not of X-Road are ignored.
    ///
    /// # Errors
    ///
    /// A field that is missing, wrong or there twice.
    pub fn parse(header: &Element) -> Result<Self, HeaderFault> {
        let mut order = Vec::new();
        for child in header.children() {
            let known = KINDS.iter().find(|(_, namespace, name)| child.is(namespace, name));
            let Some((kind, _, name)) = known else { continue };
            if order.contains(kind) {
                return Err(HeaderFault::Twice { name });
            }
            order.push(*kind);
        }
        if KINDS
            .iter()
            .map(|row| row.0)
            .filter(|kind| order.contains(kind))
            .eq(order.iter().copied())
        {
            order.clear();
        }
        let find = |kind: Kind| {
            let (_, namespace, name) = row(kind);
            (header.all(namespace, name).next(), *name)
        };
        let demanded = |kind: Kind| match find(kind) {
            (Some(element), name) => Ok((element, name)),
            (None, name) => Err(HeaderFault::Missing { name }),
        };
        let text = |kind: Kind| match find(kind) {
            (Some(element), name) => read_text(element, name).map(Some),
            (None, _) => Ok(None),
        };
        let (protocol, name) = demanded(Kind::Protocol)?;
        if protocol.text().trim() != VERSION {
            return Err(HeaderFault::Wrong { name, reason: "only 4.0 is spoken" });
        }
        let (client, name) = demanded(Kind::Client)?;
        let client = client_of(client, name)?;
        let (service, name) = demanded(Kind::Service)?;
        let service = service_of(service, name)?;
        let id = text(Kind::Id)?.filter(|id| !id.0.is_empty());
        let hash = match find(Kind::Hash) {
            (Some(element), name) => Some(hash_of(element, name)?),
            (None, _) => None,
        };
        Ok(Self {
            client,
            service,
            server: find(Kind::Server).0.map(server_of).transpose()?,
            party: find(Kind::Party).0.map(party_of).transpose()?,
            id: id.ok_or(HeaderFault::Missing { name: "id" })?,
            user: text(Kind::User)?,
            issue: text(Kind::Issue)?,
            request_hash: hash,
            order,
        })
    }

    /// The fields in which an answer's header differs from its request's. A security server refuses such an answer as
    /// `inconsistent_response`.
    pub fn differences(&self, request: &Self) -> Vec<&'static str> {
        let same = [
            ("client", self.client == request.client),
            ("service", self.service == request.service),
            ("representedParty", self.party == request.party),
            ("id", self.id == request.id),
            ("userId", self.user == request.user),
            ("issue", self.issue == request.issue),
        ];
        same.into_iter().filter(|(_, is_same)| !is_same).map(|(name, _)| name).collect()
    }

    /// The fields as XML with the prefixes `xrd`, `id` and `repr`.
    pub(crate) fn to_xml(&self) -> String {
        let specified = KINDS.iter().map(|row| row.0).filter(|kind| !self.order.contains(kind));
        let mut xml = String::new();
        for kind in self.order.iter().copied().chain(specified) {
            self.write(kind, &mut xml);
        }
        xml
    }

    fn write(&self, kind: Kind, xml: &mut String) {
        let name = row(kind).2;
        let mut text = |text: &SoapText| {
            let text = escaped(&text.0);
            write!(xml, "<xrd:{name}>{text}</xrd:{name}>").expect("a text takes what is written");
        };
        match kind {
            Kind::Id => text(&self.id),
            Kind::User => self.user.iter().for_each(text),
            Kind::Issue => self.issue.iter().for_each(text),
            Kind::Protocol => text(&SoapText(VERSION.to_owned())),
            Kind::Client => {
                let parts = client_parts(&self.client);
                identifier(xml, name, client_type(&self.client), &parts);
            }
            Kind::Service => xml.push_str(&service_to_xml(&self.service)),
            Kind::Server => {
                if let Some(ServerId { owner, code }) = &self.server {
                    let mut parts = member_parts(owner);
                    parts.push(("serverCode", code));
                    identifier(xml, name, "SERVER", &parts);
                }
            }
            Kind::Party => {
                if let Some(RepresentedParty { class, code }) = &self.party {
                    let part = |name: &str, part: &Part| {
                        format!("<repr:{name}>{}</repr:{name}>", escaped(part.as_str()))
                    };
                    let class = class.as_ref().map(|class| part("partyClass", class));
                    let parts = class.unwrap_or_default() + &part("partyCode", code);
                    write!(xml, "<repr:{name}>{parts}</repr:{name}>").expect("as above");
                }
            }
            Kind::Hash => {
                if let Some(RequestHash { algorithm, value }) = &self.request_hash {
                    let (algorithm, value) = (escaped(&algorithm.0), escaped(&value.0));
                    write!(xml, "<xrd:{name} algorithmId=\"{algorithm}\">{value}</xrd:{name}>")
                        .expect("as above");
                }
            }
        }
    }
}

fn row(kind: Kind) -> &'static (Kind, &'static str, &'static str) {
    KINDS.iter().find(|row| row.0 == kind).expect("every field stands in the table")
}

fn client_type(client: &ClientId) -> &'static str {
    if client.subsystem.is_some() { "SUBSYSTEM" } else { "MEMBER" }
}

fn member_parts(member: &MemberId) -> Vec<(&'static str, &Part)> {
    let MemberId { instance, class, code } = member;
    vec![("xRoadInstance", instance), ("memberClass", class), ("memberCode", code)]
}

fn client_parts(client: &ClientId) -> Vec<(&'static str, &Part)> {
    let mut parts = member_parts(&client.member);
    parts.extend(client.subsystem.as_ref().map(|subsystem| ("subsystemCode", subsystem)));
    parts
}

fn identifier(xml: &mut String, name: &str, kind: &str, parts: &[(&str, &Part)]) {
    let parts = parts.iter().map(|(name, part)| {
        let part = escaped(part.as_str());
        format!("<id:{name}>{part}</id:{name}>")
    });
    let parts: String = parts.collect();
    write!(xml, "<xrd:{name} id:objectType=\"{kind}\">{parts}</xrd:{name}>")
        .expect("a text takes what is written");
}

/// A service as the element `xrd:service`.
pub(super) fn service_to_xml(service: &ServiceId) -> String {
    let mut parts = client_parts(&service.provider);
    parts.push(("serviceCode", &service.code));
    parts.extend(service.version.as_ref().map(|version| ("serviceVersion", version)));
    let mut xml = String::new();
    identifier(&mut xml, "service", "SERVICE", &parts);
    xml
}

/// A client as the element `xrd:id` of a list.
pub(super) fn client_to_xml(client: &ClientId) -> String {
    let mut xml = String::new();
    identifier(&mut xml, "id", client_type(client), &client_parts(client));
    xml
}

fn read_text(element: &Element, name: &'static str) -> Result<SoapText, HeaderFault> {
    let wrong = HeaderFault::Wrong { name, reason: "it is too long or has control characters" };
    if !element.children().is_empty() {
        return Err(HeaderFault::Wrong { name, reason: "it has elements" });
    }
    SoapText::parse(element.text()).ok_or(wrong)
}

fn hash_of(element: &Element, name: &'static str) -> Result<RequestHash, HeaderFault> {
    let algorithm = element.attribute("", "algorithmId").and_then(SoapText::parse);
    let value: String = element.text().chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let wrong = HeaderFault::Wrong { name, reason: "it needs an algorithm and a hash" };
    match (algorithm, SoapText::parse(&value)) {
        (Some(algorithm), Some(value)) => Ok(RequestHash { algorithm, value }),
        _ => Err(wrong),
    }
}

/// The part of an identifier, if the element has it once.
fn part_of(
    element: &Element,
    namespace: &str,
    part: &str,
    name: &'static str,
) -> Result<Option<Part>, HeaderFault> {
    let wrong = |reason| HeaderFault::Wrong { name, reason };
    let mut found = element.all(namespace, part);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(wrong("a part of it stands twice")),
        (Some(one), None) => {
            let part = Part::parse(one.text().trim());
            part.map(Some).ok_or_else(|| wrong("a part of it is empty, too long or forbidden"))
        }
    }
}

fn demanded_part(element: &Element, part: &str, name: &'static str) -> Result<Part, HeaderFault> {
    let found = part_of(element, IDENTIFIERS, part, name)?;
    found.ok_or(HeaderFault::Wrong { name, reason: "a part of it is missing" })
}

fn check_type(element: &Element, kind: &str, name: &'static str) -> Result<(), HeaderFault> {
    match element.attribute(IDENTIFIERS, "objectType") {
        Some(found) if found == kind => Ok(()),
        _ => Err(HeaderFault::Wrong { name, reason: "its objectType does not fit its parts" }),
    }
}

fn member_of(element: &Element, name: &'static str) -> Result<MemberId, HeaderFault> {
    Ok(MemberId {
        instance: demanded_part(element, "xRoadInstance", name)?,
        class: demanded_part(element, "memberClass", name)?,
        code: demanded_part(element, "memberCode", name)?,
    })
}

/// Reads a client from an element whose parts are its children.
pub(super) fn client_of(element: &Element, name: &'static str) -> Result<ClientId, HeaderFault> {
    let subsystem = part_of(element, IDENTIFIERS, "subsystemCode", name)?;
    let client = ClientId { member: member_of(element, name)?, subsystem };
    check_type(element, client_type(&client), name)?;
    Ok(client)
}

/// Reads a service from an element whose parts are its children.
pub(super) fn service_of(element: &Element, name: &'static str) -> Result<ServiceId, HeaderFault> {
    check_type(element, "SERVICE", name)?;
    let subsystem = part_of(element, IDENTIFIERS, "subsystemCode", name)?;
    Ok(ServiceId {
        provider: ClientId { member: member_of(element, name)?, subsystem },
        code: demanded_part(element, "serviceCode", name)?,
        version: part_of(element, IDENTIFIERS, "serviceVersion", name)?,
    })
}

fn server_of(element: &Element) -> Result<ServerId, HeaderFault> {
    const NAME: &str = "securityServer";
    check_type(element, "SERVER", NAME)?;
    let code = demanded_part(element, "serverCode", NAME)?;
    Ok(ServerId { owner: member_of(element, NAME)?, code })
}

fn party_of(element: &Element) -> Result<RepresentedParty, HeaderFault> {
    const NAME: &str = "representedParty";
    let code = part_of(element, REPRESENTATION, "partyCode", NAME)?;
    Ok(RepresentedParty {
        class: part_of(element, REPRESENTATION, "partyClass", NAME)?,
        code: code.ok_or(HeaderFault::Wrong { name: NAME, reason: "a part of it is missing" })?,
    })
}
