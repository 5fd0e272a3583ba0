//! REST through X-Road: the consumer's side, and the one provider that answers.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256, Sha512};
use wire::{
    vxp::{Field, Opaque},
    xroad::{
        Evidence, Method, RestError, RestRequest, RestService, ServiceEndpoint, ServiceKind,
        passed_requests, write_rest_services,
    },
};

use super::{
    members::{INSTANCE, PORTAL, TROUBLES, is_member, is_provider, service, trouble},
    troubles,
};
use crate::{
    hub::Hub,
    reply::{Head, JSON, Outcome, Reply},
};

/// Services of the provider: code, whether everybody may call it, and its endpoint.
const SERVICES: [(&str, bool, &str, &str); 4] = [
    ("echo", true, "*", "/**"),
    ("danhmuc", true, "GET", "/coquan"),
    // Its own failure passes through X-Road unchanged.
    ("loi", true, "GET", "/"),
    ("noibo", false, "*", "/**"),
];

/// The request, or the type and the words of the error.
fn parsed(hub: &Hub, head: &Head) -> Result<RestRequest, (&'static str, String)> {
    let request = RestRequest::parse(head.method.as_str(), &head.target, &head.fields());
    let request = request.map_err(|error| {
        let kind = match error {
            RestError::Method => "server.clientproxy.invalid_http_method",
            RestError::Headers(_) => "server.clientproxy.missing_header_field",
            RestError::Identifier { .. } => "server.clientproxy.invalid_client_identifier",
            RestError::Path(_) | RestError::Target | RestError::Text { .. } => {
                "server.clientproxy.invalid_request"
            }
        };
        (kind, error.to_string())
    })?;
    let is_known = is_member(&hub.world(), &request.meta.client.member);
    if !is_known {
        let kind = "server.clientproxy.invalid_client_identifier";
        return Err((kind, "The client is not registered".to_owned()));
    }
    Ok(request)
}

/// `listMethods` of a subsystem, or `allowedMethods`, which leaves out what the caller may not call.
pub(super) fn services(hub: &Hub, head: &Head, only_allowed: bool) -> Outcome {
    let request = match parsed(hub, head) {
        Ok(request) => request,
        Err((kind, message)) => return trouble(hub, head, kind, &message),
    };
    let caller = request.meta.client.to_string();
    let id = request.service();
    if !is_member(&hub.world(), &id.member) {
        let kind = "server.clientproxy.unknown_member";
        return trouble(hub, head, kind, "There is no such member").by(caller);
    }
    let is_own = is_provider(&id.member) && id.subsystem.as_str() == PORTAL;
    let rows = SERVICES.iter().filter(|row| is_own && (row.1 || !only_allowed));
    let row = |(code, _, method, path): &(&str, bool, &str, &str)| RestService {
        id: service(code),
        kind: ServiceKind::Rest,
        endpoints: vec![ServiceEndpoint { method: (*method).to_owned(), path: (*path).to_owned() }],
    };
    let rows: Vec<_> = rows.map(row).collect();
    let reply = Reply::new(200, JSON, write_rest_services(&rows));
    with_evidence(hub, head, &request, &Bytes::new(), Outcome::ok(reply)).by(caller)
}

/// A call of a service.
pub(super) fn answer(hub: &Hub, head: &Head, body: &Bytes) -> Outcome {
    let request = match parsed(hub, head) {
        Ok(request) => request,
        Err((kind, message)) => return trouble(hub, head, kind, &message),
    };
    let caller = request.meta.client.to_string();
    let id = request.service();
    let (subsystem, code) = (id.subsystem.as_str(), id.code.as_str());
    let failed = |kind: &str, message: &str| trouble(hub, head, kind, message);
    let outcome = if !is_member(&hub.world(), &id.member) {
        failed("server.clientproxy.unknown_member", "There is no such member")
    } else if is_provider(&id.member) && subsystem == TROUBLES && troubles::of(code).is_some() {
        failed(troubles::of(code).unwrap_or_default(), "It fails on purpose")
    } else if !is_provider(&id.member) || subsystem != PORTAL {
        failed("server.serverproxy.network_error", "The security server of the member is offline")
    } else {
        match SERVICES.iter().find(|(known, ..)| *known == code) {
            None => failed("server.serverproxy.unknown_service", "There is no such service"),
            Some((_, false, ..)) => {
                failed("server.serverproxy.access_denied", "The service is not allowed")
            }
            Some(_) => {
                // Only some methods carry their body to the provider.
                let body =
                    if request.method().carries_body() { body.clone() } else { Bytes::new() };
                let provided = provide(hub, &request, code, &body);
                with_evidence(hub, head, &request, &body, provided)
            }
        }
    };
    outcome.by(caller)
}

/// What the provider answers.
fn provide(hub: &Hub, request: &RestRequest, code: &str, body: &Bytes) -> Outcome {
    let (path, query) = request.tail();
    let meta = &request.meta;
    match code {
        "danhmuc" if path == "/coquan" && request.method() == Method::Get => {
            let world = hub.world();
            let rows = world.directory.tops();
            let rows = rows.map(|body| json!({ "MADONVI": body.code102, "TENDONVI": body.name }));
            Outcome::ok(Reply::json(json!({ "result": rows.collect::<Vec<_>>() }).to_string()))
        }
        "echo" => Outcome::ok(Reply::json(
            json!({
                "method": request.method().as_str(),
                "path": path,
                "query": query,
                "client": meta.client.to_string(),
                "user": meta.user.as_ref().map(Opaque::as_str),
                "issue": meta.issue.as_ref().map(Opaque::as_str),
                "octets": body.len(),
                "sha256": hex::encode(Sha256::digest(body)),
            })
            .to_string(),
        )),
        "loi" => {
            let reply = Reply::new(503, JSON, json!({ "error": "Dịch vụ tạm dừng" }).to_string());
            Outcome::refused(reply, "503")
        }
        _ => {
            let reply =
                Reply::new(404, JSON, json!({ "error": "Không có đường dẫn này" }).to_string());
            Outcome::refused(reply, "404")
        }
    }
}

/// The answer of the provider with what its security server adds.
fn with_evidence(
    hub: &Hub,
    head: &Head,
    request: &RestRequest,
    body: &Bytes,
    mut outcome: Outcome,
) -> Outcome {
    let (id, request_id) = {
        let mut world = hub.world();
        (world.identifier("x-road-id"), world.identifier("x-road-request"))
    };
    let opaque = |text: &str| Opaque::parse(text).expect("it is ASCII and short");
    let made = opaque(&format!("{}-{id}", INSTANCE));
    let id = request.meta.id.clone();
    let hash = hash(head, (&id, &made, &request_id), body);
    let evidence = Evidence {
        id: id.unwrap_or(made),
        client: request.meta.client.clone(),
        service: request.service().clone(),
        request_id: opaque(&request_id),
        request_hash: opaque(&hash),
    };
    let added = evidence.headers();
    let added = added.iter().map(|header| (header.name().to_owned(), header.value().to_owned()));
    outcome.reply.headers.extend(added);
    outcome
}

/// The hash of a request by PR-REST, over what reached the provider.
fn hash(
    head: &Head,
    (id, made, request_id): (&Option<Opaque>, &Opaque, &str),
    body: &Bytes,
) -> String {
    let mut text = format!("{}\r\n{}\r\n", head.method, head.target).into_bytes();
    let fields = head.fields();
    let added: [Field<'_>; 2] =
        [("X-Road-Id", made.as_str().as_bytes()), ("X-Road-Request-Id", request_id.as_bytes())];
    let added = added.into_iter().skip(usize::from(id.is_some()));
    for (name, value) in passed_requests(&fields).into_iter().chain(added) {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
    }
    let head = Sha512::digest(&text);
    let hash = match body.is_empty() {
        true => head,
        false => Sha512::new().chain_update(head).chain_update(Sha512::digest(body)).finalize(),
    };
    STANDARD.encode(hash)
}
