//! X-Road 6 and 7 as an information system sees it: REST and SOAP messages to and from its security server.
//!
//! Servers speak to each other in ways of their own, which are not here; neither are MIME parts, whose first one is the
//! envelope that is read. Errors are decided by their type and never by the status of HTTP.

mod class;
mod fault;
mod forward;
mod identifier;
mod metadata;
mod rest;
mod soap;
mod soap_header;
mod xml;

pub use class::{Class, ErrorType, Origin, Retry, TYPE_MAX};
pub use fault::{FAULT_OCTETS_MAX, Fault, FaultAnswer, FaultError};
pub use forward::{
    Adapter, FORWARD_TARGET_MAX, Forward, ForwardError, ForwardOutgoing, PROVIDER_URL_MAX, Place,
};
pub use identifier::{
    ClientId, MemberId, NoIdentifier, PART_MAX, Part, RepresentedParty, RestServiceId, ServerId,
    ServiceId,
};
pub use metadata::{
    CLIENTS_LIMITS, ClientEntry, ENDPOINTS_MAX, MetadataError, RestService, ServiceEndpoint,
    ServiceKind, clients_target, parse_clients_target, read_clients, read_rest_services,
    read_soap_services, wants_clients_json, write_clients_json, write_clients_xml,
    write_rest_services, write_soap_services,
};
pub use rest::{
    Arrived, Evidence, Method, RequestMeta, RestError, RestRequest, TARGET_ADVISED_MAX, TARGET_MAX,
    passed_answers, passed_requests,
};
pub use soap::{SOAP_LIMITS, SoapBody, SoapError, SoapFault, SoapMessage};
pub use soap_header::{HeaderFault, RequestHash, SOAP_TEXT_MAX, SoapHeader, SoapText};
pub use xml::{Element, XROAD, XmlError, XmlLimits};
