//! SOAP through X-Road: `POST /`. Errors of X-Road come with the status 200, as they really do.

use bytes::Bytes;
use wire::xroad::{
    ClientId, HeaderFault, RequestHash, ServiceId, SoapBody, SoapError, SoapFault, SoapHeader,
    SoapMessage, write_soap_services,
};

use super::{
    members::{PORTAL, PROVIDER, TROUBLES, is_member, is_provider, member, part, spelt},
    troubles,
};
use crate::{
    hub::Hub,
    reply::{Outcome, Reply, XML, escaped},
};

/// The one service that answers: which body has a code.
const SERVICE: &str = "traCuuDonVi";
const VERSION: &str = "v1";
const NAMESPACE: &str = "http://vpcp.example/traCuuDonVi";

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
pub(super) fn answer(hub: &Hub, body: &Bytes) -> Outcome {
    let message = match SoapMessage::read(body) {
        Ok(message) => message,
        Err(error) => return fault(hub, None, kind_of(&error), &error.to_string()),
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
    let is_own = is_provider(&service.provider.member);
    let outcome = match (subsystem.as_deref(), service.code.as_str()) {
        _ if !is_request => {
            failed("server.clientproxy.invalid_body", "The body is not named like the service")
        }
        _ if !is_client => {
            failed("server.clientproxy.invalid_client_identifier", "The client is not registered")
        }
        _ if !is_there => failed("server.clientproxy.unknown_member", "There is no such member"),
        (Some(TROUBLES), code) if is_own && troubles::of(code).is_some() => {
            failed(troubles::of(code).unwrap_or_default(), "It fails on purpose")
        }
        (Some(PORTAL), method @ ("listMethods" | "allowedMethods")) if is_own => {
            let listed = write_soap_services(method, &[own()]);
            done(hub, &header, body, listed.expect("it is one of the two"))
        }
        (Some(PORTAL), SERVICE) if is_own => {
            let asked = content.children().iter().find(|child| child.name() == "MaDonVi");
            let asked = asked.map(|child| child.text().trim()).unwrap_or_default();
            look_up(hub, &header, body, asked)
        }
        (Some(PORTAL), _) if is_own => {
            failed("server.serverproxy.unknown_service", "There is no such service")
        }
        _ => failed("server.serverproxy.network_error", "The member is offline"),
    };
    outcome.by(caller)
}

fn own() -> ServiceId {
    let provider = ClientId { member: member(PROVIDER), subsystem: Some(part(PORTAL)) };
    ServiceId { provider, code: part(SERVICE), version: Some(part(VERSION)) }
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
            fault(hub, Some(&header), "server.serverproxy.internal_error", &error.to_string())
        }
    }
}
