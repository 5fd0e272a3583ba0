//! What there is in X-Road: `listClients`, `listMethods` and `allowedMethods` (PR-META 2.15, PR-MREST 0.5).
//!
//! The specification's examples and its annexes name the same things differently; both are read, the examples' names are
//! written, since those are what security servers send.

use serde::{Deserialize, Serialize};

use super::{
    identifier::{ClientId, MemberId, NoIdentifier, Part, RestServiceId, ServiceId},
    soap_header::{HeaderFault, client_of, client_to_xml, service_of, service_to_xml},
    xml::{Element, IDENTIFIERS, XROAD, XmlError, XmlLimits, escaped},
};
use crate::{
    gateway::form,
    vxp::loose::{self, Object},
};

/// A list of clients comes whole, without pages: room for the 111,339 bodies of the national directory, each with eight
/// elements and an attribute. A list in JSON may have as many octets.
pub const CLIENTS_LIMITS: XmlLimits =
    XmlLimits { octets_max: 64 << 20, depth_max: 8, elements_max: 1_200_000 };
/// Endpoints of one service.
pub const ENDPOINTS_MAX: usize = 10_000;

const CLIENTS: &str = "/listClients";
const INSTANCE: &str = "xRoadInstance";

/// A member or a subsystem, with its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientEntry {
    /// Who it is.
    pub id: ClientId,
    /// The member's name.
    pub name: Option<String>,
    /// The subsystem's name.
    pub subsystem_name: Option<String>,
}

/// How a service of REST is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// `REST`: by its address only.
    Rest,
    /// `OPENAPI`: by a document, which `getOpenAPI` gives.
    OpenApi,
    /// A word that we do not know, as it came. It is never one of the words above.
    Other(String),
}

impl ServiceKind {
    /// Reads a word; one that is not known is kept.
    pub fn parse(text: &str) -> Self {
        match text {
            "REST" => Self::Rest,
            "OPENAPI" => Self::OpenApi,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Rest => "REST",
            Self::OpenApi => "OPENAPI",
            Self::Other(word) => word,
        }
    }
}

/// A method and a path of a service; both may be `*`, and a path may have it in the place of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEndpoint {
    /// The method of HTTP, or `*`.
    pub method: String,
    /// The path behind the service.
    pub path: String,
}

/// A service of REST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestService {
    /// Which.
    pub id: RestServiceId,
    /// How it is described.
    pub kind: ServiceKind,
    /// What of it is offered, or allowed.
    pub endpoints: Vec<ServiceEndpoint>,
}

/// Why a list cannot be read. It is never read in part.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// There is nothing.
    #[error("the answer has no body")]
    Empty,
    /// It is longer than [`CLIENTS_LIMITS`] allows.
    #[error("the list is longer than {} octets", CLIENTS_LIMITS.octets_max)]
    TooLong,
    /// It is no JSON of a list.
    #[error("the list is no JSON that is known")]
    Json(#[source] serde_json::Error),
    /// It is no XML.
    #[error("the list is no XML that is accepted")]
    Xml(#[source] XmlError),
    /// It is XML of something else.
    #[error("the XML has no {expected}")]
    NoList {
        /// What it should have been.
        expected: &'static str,
    },
    /// An entry of it is wrong.
    #[error("entry {index} of the list is wrong")]
    Entry {
        /// Which, from zero.
        index: usize,
        /// Why.
        #[source]
        source: HeaderFault,
    },
}

#[derive(Serialize, Deserialize)]
struct WireClients {
    #[serde(deserialize_with = "loose::rows")]
    member: Vec<WireClient>,
}

#[derive(Serialize, Deserialize)]
struct WireClient {
    id: WireId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "subsystemName")]
    subsystem_name: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireId {
    #[serde(default, alias = "objectType")]
    object_type: String,
    #[serde(alias = "xRoadInstance", alias = "xroadInstance")]
    xroad_instance: String,
    #[serde(alias = "memberClass")]
    member_class: String,
    #[serde(alias = "memberCode")]
    member_code: String,
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "subsystemCode")]
    subsystem_code: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireServices {
    #[serde(alias = "member", deserialize_with = "loose::rows")]
    service: Vec<WireService>,
}

#[derive(Serialize, Deserialize)]
struct WireService {
    #[serde(alias = "memberClass")]
    member_class: String,
    #[serde(alias = "memberCode")]
    member_code: String,
    // The annex makes an object of it, so whatever it is, it is passed over.
    #[serde(skip_deserializing)]
    object_type: &'static str,
    #[serde(alias = "serviceCode")]
    service_code: String,
    #[serde(default, alias = "serviceType")]
    service_type: String,
    #[serde(alias = "subsystemCode")]
    subsystem_code: String,
    #[serde(alias = "xRoadInstance", alias = "xroadInstance")]
    xroad_instance: String,
    #[serde(default, alias = "endpointList")]
    endpoint_list: WireEndpoints,
}

/// A list, or the annex's object with the list in it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WireEndpoints {
    List(Vec<ServiceEndpoint>),
    Annex { member: Vec<ServiceEndpoint> },
}

impl Default for WireEndpoints {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

const WRONG_PART: &str = "a part of it is empty, too long or forbidden";

fn part(text: &str, name: &'static str) -> Result<Part, HeaderFault> {
    Part::parse(text.trim()).ok_or(HeaderFault::Wrong { name, reason: WRONG_PART })
}

fn parsed<R, E>(
    rows: Vec<R>,
    parse: impl Fn(R) -> Result<E, HeaderFault>,
) -> Result<Vec<E>, MetadataError> {
    let rows = rows.into_iter().enumerate();
    let entry = |(index, row)| parse(row).map_err(|source| MetadataError::Entry { index, source });
    rows.map(entry).collect()
}

/// Whether a body is XML and no JSON, by its first character.
fn is_xml(body: &[u8]) -> Result<bool, MetadataError> {
    if body.len() > CLIENTS_LIMITS.octets_max {
        return Err(MetadataError::TooLong);
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match body.trim_ascii_start().first() {
        None => Err(MetadataError::Empty),
        Some(first) => Ok(*first == b'<'),
    }
}

/// The path and the query that ask a security server for the clients of an instance, or of its own.
pub fn clients_target(instance: Option<&Part>) -> String {
    let query = instance.map(|instance| form::write(&[(INSTANCE, instance.as_str())]).to_string());
    query.map_or_else(|| CLIENTS.to_owned(), |query| format!("{CLIENTS}?{query}"))
}

/// Reads such a path: none if it is another one, and the instance where it names one. Other parameters are ignored.
///
/// # Errors
///
/// A query that is none, or an instance that no identifier has.
pub fn parse_clients_target(target: &str) -> Option<Result<Option<Part>, NoIdentifier>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let wrong = NoIdentifier { kind: "an instance" };
    (path == CLIENTS).then(|| {
        let pairs = form::read(query).ok_or(wrong)?;
        let named = pairs.iter().find(|(name, _)| name == INSTANCE);
        named.map(|(_, text)| Part::parse(text).ok_or(wrong)).transpose()
    })
}

/// Whether the clients are wanted in JSON: if `Accept` is exactly that. In XML otherwise (PR-META section 2).
pub fn wants_clients_json(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| accept.trim().eq_ignore_ascii_case("application/json"))
}

/// Reads the answer of `listClients`, in JSON or XML.
///
/// # Errors
///
/// Anything that is not such a list whole: an answer that cannot be read is never an empty directory.
pub fn read_clients(body: &[u8]) -> Result<Vec<ClientEntry>, MetadataError> {
    if !is_xml(body)? {
        let clients = serde_json::from_slice::<Object<WireClients>>(body);
        let Object(clients) = clients.map_err(MetadataError::Json)?;
        return parsed(clients.member, entry_of_json);
    }
    let list = Element::parse(body, CLIENTS_LIMITS).map_err(MetadataError::Xml)?;
    if !list.is(XROAD, "clientList") {
        return Err(MetadataError::NoList { expected: "clientList" });
    }
    parsed(list.all(XROAD, "member").collect(), entry_of_xml)
}

fn entry_of_json(row: WireClient) -> Result<ClientEntry, HeaderFault> {
    let WireId { object_type, xroad_instance, member_class, member_code, subsystem_code } = row.id;
    let member = MemberId {
        instance: part(&xroad_instance, "xroad_instance")?,
        class: part(&member_class, "member_class")?,
        code: part(&member_code, "member_code")?,
    };
    let subsystem = subsystem_code.map(|code| part(&code, "subsystem_code")).transpose()?;
    let fits = match object_type.as_str() {
        "" => true,
        "MEMBER" => subsystem.is_none(),
        "SUBSYSTEM" => subsystem.is_some(),
        _ => false,
    };
    if !fits {
        let reason = "it does not fit the parts";
        return Err(HeaderFault::Wrong { name: "object_type", reason });
    }
    let id = ClientId { member, subsystem };
    Ok(ClientEntry { id, name: row.name, subsystem_name: row.subsystem_name })
}

fn entry_of_xml(member: &Element) -> Result<ClientEntry, HeaderFault> {
    let text = |name| member.all(XROAD, name).next().map(|child| child.text().to_owned());
    let id = member.all(XROAD, "id").next().ok_or(HeaderFault::Missing { name: "id" })?;
    Ok(ClientEntry {
        id: client_of(id, "id")?,
        name: text("name"),
        subsystem_name: text("subsystemName"),
    })
}

/// Writes a list of clients in JSON.
pub fn write_clients_json(clients: &[ClientEntry]) -> Vec<u8> {
    let wire = |entry: &ClientEntry| {
        let MemberId { instance, class, code } = &entry.id.member;
        let subsystem = entry.id.subsystem.as_ref().map(ToString::to_string);
        let kind = if subsystem.is_some() { "SUBSYSTEM" } else { "MEMBER" };
        let id = WireId {
            object_type: kind.to_owned(),
            xroad_instance: instance.to_string(),
            member_class: class.to_string(),
            member_code: code.to_string(),
            subsystem_code: subsystem,
        };
        WireClient { id, name: entry.name.clone(), subsystem_name: entry.subsystem_name.clone() }
    };
    let wire = WireClients { member: clients.iter().map(wire).collect() };
    serde_json::to_vec(&wire).expect("texts are JSON")
}

/// Writes a list of clients in XML.
pub fn write_clients_xml(clients: &[ClientEntry]) -> Vec<u8> {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
         <xrd:clientList xmlns:id=\"{IDENTIFIERS}\" xmlns:xrd=\"{XROAD}\">"
    );
    let text = |name: &str, text: &Option<String>| {
        let text = text.as_deref().map(|t| format!("<xrd:{name}>{}</xrd:{name}>", escaped(t)));
        text.unwrap_or_default()
    };
    for entry in clients {
        let id = client_to_xml(&entry.id);
        let (name, subsystem) =
            (text("name", &entry.name), text("subsystemName", &entry.subsystem_name));
        xml += &format!("<xrd:member>{id}{name}{subsystem}</xrd:member>");
    }
    xml += "</xrd:clientList>";
    xml.into_bytes()
}

/// Reads the answer of `listMethods` or `allowedMethods` of REST.
///
/// # Errors
///
/// Anything that is not such a list whole.
pub fn read_rest_services(body: &[u8]) -> Result<Vec<RestService>, MetadataError> {
    if is_xml(body)? {
        return Err(MetadataError::NoList { expected: "list in JSON" });
    }
    let services = serde_json::from_slice::<Object<WireServices>>(body);
    let Object(services) = services.map_err(MetadataError::Json)?;
    parsed(services.service, |row| {
        let member = MemberId {
            instance: part(&row.xroad_instance, "xroad_instance")?,
            class: part(&row.member_class, "member_class")?,
            code: part(&row.member_code, "member_code")?,
        };
        let (WireEndpoints::List(endpoints) | WireEndpoints::Annex { member: endpoints }) =
            row.endpoint_list;
        if endpoints.len() > ENDPOINTS_MAX {
            return Err(HeaderFault::Wrong { name: "endpoint_list", reason: "it is too long" });
        }
        let subsystem = part(&row.subsystem_code, "subsystem_code")?;
        let code = part(&row.service_code, "service_code")?;
        let id = RestServiceId { member, subsystem, code };
        Ok(RestService { id, kind: ServiceKind::parse(&row.service_type), endpoints })
    })
}

/// Writes a list of services of REST.
pub fn write_rest_services(services: &[RestService]) -> Vec<u8> {
    let wire = |service: &RestService| {
        let MemberId { instance, class, code } = &service.id.member;
        WireService {
            member_class: class.to_string(),
            member_code: code.to_string(),
            object_type: "SERVICE",
            service_code: service.id.code.to_string(),
            service_type: service.kind.as_str().to_owned(),
            subsystem_code: service.id.subsystem.to_string(),
            xroad_instance: instance.to_string(),
            endpoint_list: WireEndpoints::List(service.endpoints.clone()),
        }
    };
    let wire = WireServices { service: services.iter().map(wire).collect() };
    serde_json::to_vec(&wire).expect("texts are JSON")
}

/// Reads the content of an answer of SOAP: `listMethodsResponse` or `allowedMethodsResponse`.
///
/// # Errors
///
/// Anything that is not such a list whole.
pub fn read_soap_services(content: &Element) -> Result<Vec<ServiceId>, MetadataError> {
    let is_list = ["listMethodsResponse", "allowedMethodsResponse"];
    if !is_list.iter().any(|name| content.is(XROAD, name)) {
        return Err(MetadataError::NoList { expected: "list of services" });
    }
    let rows = content.all(XROAD, "service").collect();
    parsed(rows, |service| service_of(service, "service"))
}

/// Writes the content of an answer of SOAP to `listMethods` or `allowedMethods`.
pub fn write_soap_services(method: &str, services: &[ServiceId]) -> Option<String> {
    let is_method = matches!(method, "listMethods" | "allowedMethods");
    let rows: String = services.iter().map(service_to_xml).collect();
    is_method.then(|| {
        format!(
            "<xrd:{method}Response xmlns:xrd=\"{XROAD}\" xmlns:id=\"{IDENTIFIERS}\">{rows}\
             </xrd:{method}Response>"
        )
    })
}
