//! SOAP through X-Road: `POST /`. Errors of X-Road come with the status 200, as they really do.

use bytes::Bytes;
use hyper::Method;
use wire::xroad::{
    ClientId, Element, HeaderFault, MemberId, Part, RequestHash, SOAP_LIMITS, ServiceId, SoapBody,
    SoapError, SoapFault, SoapHeader, SoapMessage, XROAD, write_soap_services,
};

use super::{
    members::{
        COMMON, PORTAL, PROVIDER, SOAP_SERVICE as SERVICE, TROUBLES, is_member, is_own,
        is_provider, member, own_member, part, provided, spelt, unprovided,
    },
    troubles,
};
use crate::{
    hub::Hub,
    provided::{Passed, Protocol, Provided},
    reply::{Head, Outcome, Reply, XML, causes, escaped},
};

const VERSION: &str = "v1";
const NAMESPACE: &str = "http://vpcp.example/traCuuDonVi";
/// Its description, with the schemas of X-Road's header in it, so that a client needs nothing else.
const WSDL: &str = include_str!("traCuuDonVi.wsdl");
/// What stands in place of an address.
const PLACEHOLDER: &str = "http://example.org/xroad-endpoint";

fn fault(hub: &Hub, header: Option<&SoapHeader>, kind: &str, message: &str) -> Outcome {
    let kind = spelt(hub, kind);
    let detail = Some(hub.world().identifier("detail"));
    let fault =
        SoapFault { code: kind.clone(), message: message.to_owned(), actor: String::new(), detail };
    let reply = Reply::new(200, XML, SoapMessage::write_fault(header, &fault));
    Outcome::refused(reply, kind)
}

fn kind_of(error: &SoapError) -> &'static str {
    match error {
        SoapError::Xml(_) => "server.clientproxy.invalid_soap",
        SoapError::Form { .. } => "server.clientproxy.missing_soap",
        SoapError::Header(HeaderFault::Missing { .. }) => "server.clientproxy.missing_header_field",
        SoapError::Header(HeaderFault::Twice { .. }) => "server.clientproxy.duplicate_header_field",
        SoapError::Header(HeaderFault::Wrong { name: "protocolVersion", .. }) => {
            "server.clientproxy.invalid_protocol_version"
        }
        SoapError::Header(HeaderFault::Wrong { .. }) => "server.clientproxy.invalid_request",
    }
}

/// Answers a message.
pub(super) async fn answer(hub: &Hub, head: &Head, body: &Bytes) -> Outcome {
    let message = match SoapMessage::read(body) {
        Ok(message) => message,
        Err(error) => return fault(hub, None, kind_of(&error), &causes(&error)),
    };
    let is_request = message.is_request();
    let (Some(header), SoapBody::Content(content)) = (message.header, message.body) else {
        return fault(hub, None, "server.clientproxy.missing_header", "The message has no header");
    };
    let failed = |kind: &str, message: &str| fault(hub, Some(&header), kind, message);
    let caller = header.client.to_string();
    let service = &header.service;
    let subsystem = service.provider.subsystem.as_ref().map(|part| part.as_str().to_owned());
    let (is_client, is_there) = {
        let world = hub.world();
        (is_member(&world, &header.client.member), is_member(&world, &service.provider.member))
    };
    let is_portal = is_provider(&service.provider.member);
    let is_common = subsystem.as_deref() == Some(COMMON) && is_own(hub, &service.provider.member);
    let client = (&service.provider.member, subsystem.as_deref());
    let code = service.code.as_str();
    if is_request
        && is_client
        && is_there
        && let Some(own) = provided(hub, client, code)
    {
        return pass_on(hub, head, (&header, body), own).await.by(caller);
    }
    let outcome = match (subsystem.as_deref(), service.code.as_str()) {
        _ if !is_request => {
            failed("server.clientproxy.invalid_body", "The body is not named like the service")
        }
        _ if !is_client => {
            failed("server.clientproxy.invalid_client_identifier", "The client is not registered")
        }
        _ if !is_there => failed("server.clientproxy.unknown_member", "There is no such member"),
        (Some(TROUBLES), code) if is_portal && troubles::of(code).is_some() => {
            failed(troubles::of(code).unwrap_or_default(), "It fails on purpose")
        }
        (Some(PORTAL), method @ ("listMethods" | "allowedMethods")) if is_portal => {
            let listed = write_soap_services(method, &[own()]);
            done(hub, &header, body, listed.expect("it is one of the two"))
        }
        (Some(COMMON), method @ ("listMethods" | "allowedMethods")) if is_common => {
            let listed = write_soap_services(method, &provided_ones(hub));
            done(hub, &header, body, listed.expect("it is one of the two"))
        }
        (Some(PORTAL), SERVICE) if is_portal => {
            let asked = content.children().iter().find(|child| child.name() == "MaDonVi");
            let asked = asked.map(|child| child.text().trim()).unwrap_or_default();
            look_up(hub, &header, body, asked)
        }
        (Some(PORTAL | COMMON), _) if is_portal || is_common => {
            failed("server.serverproxy.unknown_service", "There is no such service")
        }
        _ => failed("server.serverproxy.network_error", "The member is offline"),
    };
    // Who is not registered is nobody.
    if is_client { outcome.by(caller) } else { outcome }
}

fn own() -> ServiceId {
    let provider = ClientId { member: member(PROVIDER), subsystem: Some(part(PORTAL)) };
    ServiceId { provider, code: part(SERVICE), version: Some(part(VERSION)) }
}

/// The services that the integrator provides by SOAP.
fn provided_ones(hub: &Hub) -> Vec<ServiceId> {
    let provider = own_member(hub).map(|member| ClientId { member, subsystem: Some(part(COMMON)) });
    let own = hub.settings.provided.iter().filter(|own| own.protocol == Protocol::Soap);
    let id = |provider: ClientId, own: &Provided| ServiceId {
        provider,
        code: own.code.clone(),
        version: None,
    };
    provider.iter().flat_map(|provider| own.clone().map(|own| id(provider.clone(), own))).collect()
}

/// Calls a provider of the integrator's, and holds its answer against the request as its security server does.
async fn pass_on(
    hub: &Hub,
    head: &Head,
    (header, request): (&SoapHeader, &Bytes),
    own: &Provided,
) -> Outcome {
    let failed = |kind: &str, message: &str| fault(hub, Some(header), kind, message);
    if own.protocol != Protocol::Soap {
        return failed("server.serverproxy.service_type", "The service speaks REST");
    }
    // Of the headers of HTTP only these two survive.
    let fields = head.fields();
    let survives = |name: &str| ["content-type", "soapaction"].contains(&name);
    let headers = fields.iter().copied().filter(|(name, _)| survives(name)).collect();
    let passed =
        Passed { method: Method::POST, tail: "", query: None, headers, body: request.clone() };
    let provision = match own.call(&hub.provider_calls, passed).await {
        Ok(provision) => provision,
        Err(error) => return failed(unprovided(&error), &causes(&error)),
    };
    // A fault of SOAP 1.1 comes with the status 500.
    if !matches!(provision.http, 200 | 500) {
        let kind = "server.serverproxy.service_failed.http_error";
        return failed(kind, &format!("The provider answered with the status {}", provision.http));
    }
    let content_type = provision.header("content-type").split(';').next().unwrap_or_default();
    if !content_type.trim().eq_ignore_ascii_case("text/xml") {
        let kind = "server.serverproxy.service_failed.invalid_content_type";
        return failed(kind, "The provider answered something else than text/xml");
    }
    let message = match SoapMessage::read(&provision.body) {
        Ok(message) => message,
        Err(error) => {
            let kind = "server.serverproxy.service_failed.invalid_soap";
            return failed(kind, &causes(&error));
        }
    };
    if let SoapBody::Fault(fault) = &message.body {
        let code = fault.code.clone();
        return Outcome::refused(Reply::new(200, XML, provision.body), code);
    }
    let differs = message.header.as_ref().map(|answered| answered.differences(header));
    match differs {
        Some(fields) if fields.is_empty() && message.is_answer() => {
            Outcome::ok(Reply::new(200, XML, with_hash(&provision.body, request)))
        }
        Some(fields) => {
            let kind = "server.serverproxy.service_failed.inconsistent_response";
            let what = if fields.is_empty() { "its name".to_owned() } else { fields.join(", ") };
            failed(kind, &format!("The provider's answer differs from the request: {what}"))
        }
        None => {
            let kind = "server.serverproxy.service_failed.invalid_soap";
            failed(kind, "The provider's answer has no header of X-Road")
        }
    }
}

/// A provider's answer with the hash of the request in its header, in place of one that it wrote itself.
fn with_hash(answer: &[u8], request: &Bytes) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(answer) else { return answer.to_vec() };
    let hash = RequestHash::of_request(request);
    let (algorithm, value) = (escaped(hash.algorithm.as_str()), escaped(hash.value.as_str()));
    let element = format!(
        "<h:requestHash xmlns:h=\"{XROAD}\" algorithmId=\"{algorithm}\">{value}</h:requestHash>"
    );
    let Ok(root) = Element::parse(answer, SOAP_LIMITS) else { return answer.to_vec() };
    let header = root.children().iter().find(|child| child.name() == "Header");
    let Some(header) = header else { return answer.to_vec() };
    let mut whole = text.to_owned();
    // From the end on, so that places stay where they are. A header that was read has an end tag: there is something in it.
    let end = text[..header.span().end].rfind("</").unwrap_or(header.span().end);
    whole.insert_str(end, &element);
    let own = header.children().iter().filter(|child| child.is(XROAD, "requestHash"));
    own.rev().for_each(|own| whole.replace_range(own.span(), ""));
    whole.into_bytes()
}

/// A description whose address is a placeholder, so that its clients come by their security server and not past it.
fn with_placeholder(wsdl: &[u8]) -> Vec<u8> {
    let Ok(root) = Element::parse(wsdl, SOAP_LIMITS) else { return wsdl.to_vec() };
    let Ok(text) = std::str::from_utf8(wsdl) else { return wsdl.to_vec() };
    let mut whole = text.to_owned();
    let mut open = vec![&root];
    let mut places = Vec::new();
    while let Some(element) = open.pop() {
        open.extend(element.children());
        let location = element.attribute("", "location").filter(|_| element.name() == "address");
        let spelt = location.map(escaped).unwrap_or_default();
        let tag = &text[element.span()];
        if let Some(at) = tag.find(&spelt).filter(|_| !spelt.is_empty()) {
            let start = element.span().start + at;
            places.push(start..start + spelt.len());
        }
    }
    places.sort_by_key(|place| place.start);
    places.into_iter().rev().for_each(|place| whole.replace_range(place, PLACEHOLDER));
    whole.into_bytes()
}

/// The description of a service: the portal's own, or what a provider says at its address with `?wsdl`.
pub(super) async fn wsdl(hub: &Hub, head: &Head) -> Outcome {
    let asked = |name| head.query(name).and_then(Part::decode);
    let missing = "The query names a service by xRoadInstance, memberClass, memberCode, subsystemCode, serviceCode";
    let failed = |kind: &str, message: &str| fault(hub, None, kind, message);
    let parts = ["xRoadInstance", "memberClass", "memberCode", "subsystemCode", "serviceCode"];
    let [Some(instance), Some(class), Some(code), Some(subsystem), Some(service)] =
        parts.map(asked)
    else {
        return failed("client.invalid_request", missing);
    };
    let member = MemberId { instance, class, code };
    if let Some(own) = provided(hub, (&member, Some(subsystem.as_str())), service.as_str()) {
        let passed = Passed {
            method: Method::GET,
            tail: "",
            query: Some("wsdl"),
            headers: Vec::new(),
            body: Bytes::new(),
        };
        return match own.call(&hub.provider_calls, passed).await {
            Ok(provision) if provision.http == 200 => {
                Outcome::ok(Reply::new(200, XML, with_placeholder(&provision.body)))
            }
            Ok(_) => failed("server.serverproxy.service_failed.http_error", "It has no WSDL"),
            Err(error) => failed(unprovided(&error), &causes(&error)),
        };
    }
    let is_it = is_provider(&member) && subsystem.as_str() == PORTAL && service.as_str() == SERVICE;
    match is_it {
        true => Outcome::ok(Reply::new(200, XML, WSDL)),
        false => failed("server.serverproxy.unknown_service", "There is no such service"),
    }
}

fn look_up(hub: &Hub, header: &SoapHeader, request: &Bytes, asked: &str) -> Outcome {
    let found = {
        let world = hub.world();
        world.directory.find(asked).map(|body| world.directory.body(body).name.clone())
    };
    match found {
        Some(name) => {
            let (code, name) = (escaped(asked), escaped(&name));
            let content = format!(
                "<p:{SERVICE}Response xmlns:p=\"{NAMESPACE}\"><MaDonVi>{code}</MaDonVi><TenDonVi>{name}</TenDonVi>\
                 </p:{SERVICE}Response>"
            );
            done(hub, header, request, content)
        }
        None => {
            // The provider's own fault passes as it is.
            let fault = SoapFault {
                code: "e:Client".to_owned(),
                message: "Không có đơn vị này".to_owned(),
                actor: String::new(),
                detail: None,
            };
            let reply = Reply::new(200, XML, SoapMessage::write_fault(Some(header), &fault));
            Outcome::refused(reply, "e:Client")
        }
    }
}

/// An answer with the header of its request, and the hash that the provider's security server adds.
fn done(hub: &Hub, header: &SoapHeader, request: &Bytes, content: String) -> Outcome {
    let mut header = header.clone();
    header.request_hash = Some(RequestHash::of_request(request));
    match SoapMessage::write(&header, &content) {
        Ok(message) => Outcome::ok(Reply::new(200, XML, message)),
        Err(error) => {
            fault(hub, Some(&header), "server.serverproxy.internal_error", &causes(&error))
        }
    }
}
