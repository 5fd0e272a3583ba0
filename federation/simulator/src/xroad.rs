//! A security server of X-Road as an information system sees it, with one provider behind it; and the adapter before it.
//!
//! The provider has services that answer, and a subsystem `troubles` whose services are the errors of X-Road by name.

use bytes::Bytes;
use hyper::Method;
use wire::xroad::{
    ClientEntry, ClientId, Part, clients_target, parse_clients_target, wants_clients_json,
    write_clients_json, write_clients_xml,
};

use crate::{
    hub::{Began, Hub},
    reply::{Head, JSON, Outcome, Reply, XML},
};

mod forward;
mod members;
mod rest;
mod soap;
mod troubles;

use members::{COMMON, INSTANCE, PORTAL, PROVIDER, TROUBLES, member, part, trouble};

/// A call of X-Road.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Rest,
    ListClients,
    ListMethods,
    AllowedMethods,
    Soap,
    Wsdl,
    Forward,
}

const CALLS: [(Call, &str); 7] = [
    (Call::Rest, "rest"),
    (Call::ListClients, "listClients"),
    (Call::ListMethods, "listMethods"),
    (Call::AllowedMethods, "allowedMethods"),
    (Call::Soap, "soap"),
    (Call::Wsdl, "wsdl"),
    (Call::Forward, "forward"),
];

impl Call {
    /// The call of a request.
    pub(crate) fn of(head: &Head) -> Option<Self> {
        let path = head.path();
        if path.starts_with("/r1/") {
            let service = path.split('/').nth(6).unwrap_or_default();
            let listed = [Self::ListMethods, Self::AllowedMethods];
            return Some(
                listed.into_iter().find(|call| call.name() == service).unwrap_or(Self::Rest),
            );
        }
        let is_forward = ["/XrdAdapter/", "/VXPAdapter/"].iter().any(|root| path.starts_with(root));
        match path {
            _ if is_forward => Some(Self::Forward),
            "/wsdl" => Some(Self::Wsdl),
            _ if head.method == Method::POST && (path == "/" || is_xml(head)) => Some(Self::Soap),
            _ if path == clients_target(None) => Some(Self::ListClients),
            _ => None,
        }
    }

    /// Its name in switches and in the ledger.
    pub(crate) fn name(self) -> &'static str {
        let row = CALLS.iter().find(|(call, _)| *call == self);
        row.expect("every call stands in the table").1
    }
}

/// Whether XML comes: whatever its path, a security server takes it for SOAP. Clients that were made from a WSDL post to
/// its address, whose path is anything, and have the server for a proxy.
fn is_xml(head: &Head) -> bool {
    let content_type = head.header("content-type").unwrap_or_default();
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/xml"))
}

/// Answers a call.
pub(crate) async fn answer(
    hub: &Hub,
    began: &Began,
    call: Call,
    (head, body): (&Head, &Bytes),
) -> Outcome {
    match call {
        Call::Rest => rest::answer(hub, head, body).await,
        Call::ListMethods => rest::services(hub, head, false),
        Call::AllowedMethods => rest::services(hub, head, true),
        Call::ListClients => clients(hub, head),
        Call::Soap => soap::answer(hub, head, body).await,
        Call::Wsdl => soap::wsdl(hub, head).await,
        Call::Forward => forward::answer(hub, began, head, body),
    }
}

fn clients(hub: &Hub, head: &Head) -> Outcome {
    let asked = match parse_clients_target(&head.target) {
        Some(Ok(instance)) => instance,
        Some(Err(_)) | None => {
            return trouble(hub, head, "client.invalid_request", "The query is wrong");
        }
    };
    let mut all = Vec::new();
    if asked.is_none_or(|instance| instance.as_str() == INSTANCE) {
        let world = hub.world();
        for body in world.directory.tops().filter(|body| Part::parse(&body.code102).is_some()) {
            let name = Some(body.name.clone());
            let entry = |subsystem: Option<&str>| ClientEntry {
                id: ClientId { member: member(&body.code102), subsystem: subsystem.map(part) },
                name: name.clone(),
                subsystem_name: subsystem.map(str::to_owned),
            };
            all.extend([entry(None), entry(Some(COMMON))]);
            let own = [PORTAL, TROUBLES].map(|subsystem| entry(Some(subsystem)));
            all.extend(own.into_iter().filter(|_| body.code102 == PROVIDER));
        }
    }
    let accept = head.header("accept");
    let reply = match wants_clients_json(accept) {
        true => Reply::new(200, JSON, write_clients_json(&all)),
        false => Reply::new(200, XML, write_clients_xml(&all)),
    };
    Outcome::ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Family;

    /// A name that only one of the two knows would be a switch that never strikes.
    #[test]
    fn switches_name_these_calls() {
        assert_eq!(CALLS.map(|(call, _)| call.name()).to_vec(), Family::XRoad.calls());
    }
}
