//! REST through X-Road: the consumer's side, and the one provider that answers.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256, Sha512};
use wire::{
    vxp::{Field, HeaderError, Opaque},
    xroad::{
        Evidence, Method, RestError, RestRequest, RestService, RestServiceId, ServiceEndpoint,
        ServiceKind, passed_answers, passed_requests, write_rest_services,
    },
};

use super::{
    members::{
        COMMON, INSTANCE, PORTAL, SOAP_SERVICE, TROUBLES, is_member, is_own, is_provider,
        own_member, provided, service, trouble, unprovided,
    },
    troubles,
};
use crate::{
    hub::Hub,
    provided::{Passed, Protocol, Provided, Provision},
    reply::{Head, JSON, Outcome, Reply, causes},
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
            RestError::Headers(HeaderError::Missing { .. }) => {
                "server.clientproxy.missing_header_field"
            }
            RestError::Headers(HeaderError::Repeated { .. }) => {
                "server.clientproxy.duplicate_header_field"
            }
            RestError::Headers(_) => "server.clientproxy.invalid_request",
            RestError::Identifier { .. } => "server.clientproxy.invalid_client_identifier",
            RestError::Path(_) | RestError::Target | RestError::Text { .. } => {
                "server.clientproxy.invalid_request"
            }
        };
        (kind, causes(&error))
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
    let is_portal = is_provider(&id.member) && id.subsystem.as_str() == PORTAL;
    let is_common = is_own(hub, &id.member) && id.subsystem.as_str() == COMMON;
    if !is_portal && !is_common {
        let (kind, message) = if is_provider(&id.member) || is_own(hub, &id.member) {
            ("server.serverproxy.unknown_service", "There is no such subsystem")
        } else {
            ("server.serverproxy.network_error", "The security server of the member is offline")
        };
        return trouble(hub, head, kind, message).by(caller);
    }
    let row = |id: RestServiceId, method: &str, path: &str| RestService {
        id,
        kind: ServiceKind::Rest,
        endpoints: vec![ServiceEndpoint { method: method.to_owned(), path: path.to_owned() }],
    };
    let rows = SERVICES.iter().filter(|row| is_portal && (row.1 || !only_allowed));
    let mut rows: Vec<_> =
        rows.map(|(code, _, method, path)| row(service(code), method, path)).collect();
    if id.subsystem.as_str() == COMMON
        && is_own(hub, &id.member)
        && let Some(member) = own_member(hub)
    {
        let id = |provided: &Provided| RestServiceId {
            member: member.clone(),
            subsystem: id.subsystem.clone(),
            code: provided.code.clone(),
        };
        let own = hub.settings.provided.iter().filter(|own| own.protocol == Protocol::Rest);
        rows.extend(own.map(|own| row(id(own), "*", "/**")));
    }
    let reply = Reply::new(200, JSON, write_rest_services(&rows));
    let stamp = Stamp::new(hub, head, &request, &Bytes::new());
    stamp.on(&request, Outcome::ok(reply)).by(caller)
}

/// A call of a service.
pub(super) async fn answer(hub: &Hub, head: &Head, body: &Bytes) -> Outcome {
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
    } else if let Some(own) = provided(hub, (&id.member, Some(subsystem)), code) {
        pass_on(hub, head, &request, body, own).await
    } else if is_own(hub, &id.member) && subsystem == COMMON {
        failed("server.serverproxy.unknown_service", "There is no such service")
    } else if !is_provider(&id.member) || subsystem != PORTAL {
        failed("server.serverproxy.network_error", "The security server of the member is offline")
    } else {
        match SERVICES.iter().find(|(known, ..)| *known == code) {
            None if code == SOAP_SERVICE => {
                failed("server.serverproxy.service_type", "The service speaks SOAP")
            }
            None => failed("server.serverproxy.unknown_service", "There is no such service"),
            Some((_, false, ..)) => {
                failed("server.serverproxy.access_denied", "The service is not allowed")
            }
            Some(_) => {
                let body = carried(&request, body);
                let provided = provide(hub, &request, code, &body);
                Stamp::new(hub, head, &request, &body).on(&request, provided)
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

/// The body that reaches the provider: only some methods carry theirs.
fn carried(request: &RestRequest, body: &Bytes) -> Bytes {
    if request.method().carries_body() { body.clone() } else { Bytes::new() }
}

/// Calls a provider of the integrator's.
async fn pass_on(
    hub: &Hub,
    head: &Head,
    request: &RestRequest,
    body: &Bytes,
    own: &Provided,
) -> Outcome {
    if own.protocol != Protocol::Rest {
        let kind = "server.serverproxy.service_type";
        return trouble(hub, head, kind, "The service speaks SOAP");
    }
    let body = carried(request, body);
    let stamp = Stamp::new(hub, head, request, &body);
    let (tail, query) = request.tail();
    let fields = head.fields();
    let mut headers = passed_requests(&fields);
    headers.extend(stamp.of_request());
    let passed = Passed { method: head.method.clone(), tail, query, headers, body };
    match own.call(&hub.provider_calls, passed).await {
        Ok(provision) => stamp.on(request, passed_back(provision)),
        Err(error) => trouble(hub, head, unprovided(&error), &causes(&error)),
    }
}

/// A provider's answer as it passes: its status, its body, and the headers that it may send.
fn passed_back(provision: Provision) -> Outcome {
    let Provision { http, headers, body } = provision;
    let fields: Vec<_> = headers.iter().map(|(n, value)| (n.as_str(), value.as_bytes())).collect();
    let kept = passed_answers(&fields).into_iter();
    let kept = kept.map(|(n, value)| (n.to_owned(), String::from_utf8_lossy(value).into_owned()));
    let reply = Reply { http, headers: kept.collect(), body };
    if http < 400 { Outcome::ok(reply) } else { Outcome::refused(reply, http.to_string()) }
}

/// What the security servers make for one request.
struct Stamp {
    /// The message's identifier, where the client gave none.
    made: Option<Opaque>,
    request_id: Opaque,
    hash: Opaque,
}

impl Stamp {
    fn new(hub: &Hub, head: &Head, request: &RestRequest, body: &Bytes) -> Self {
        let (id, request_id) = {
            let mut world = hub.world();
            (world.identifier("x-road-id"), world.identifier("x-road-request"))
        };
        let opaque = |text: &str| Opaque::parse(text).expect("it is ASCII and short");
        let is_made = request.meta.id.is_none();
        let made = is_made.then(|| opaque(&format!("{INSTANCE}-{id}")));
        let mut stamp = Self { made, request_id: opaque(&request_id), hash: opaque("-") };
        stamp.hash = opaque(&stamp.hash_of(head, body));
        stamp
    }

    /// The headers that a request gets on its way.
    fn of_request(&self) -> Vec<Field<'_>> {
        let made = self.made.iter().map(|made| ("X-Road-Id", made.as_str().as_bytes()));
        made.chain([("X-Road-Request-Id", self.request_id.as_str().as_bytes())]).collect()
    }

    /// The answer of a provider with what its security server adds.
    fn on(self, request: &RestRequest, mut outcome: Outcome) -> Outcome {
        let given = request.meta.id.clone().or(self.made);
        let evidence = Evidence {
            id: given.expect("one of the two is there"),
            client: request.meta.client.clone(),
            service: request.service().clone(),
            request_id: self.request_id,
            request_hash: self.hash,
        };
        let added = evidence.headers();
        let added =
            added.iter().map(|header| (header.name().to_owned(), header.value().to_owned()));
        outcome.reply.headers.extend(added);
        outcome
    }

    /// The hash of a request by PR-REST, over what reached the provider.
    fn hash_of(&self, head: &Head, body: &Bytes) -> String {
        let mut text = format!("{}\r\n{}\r\n", head.method, head.target).into_bytes();
        let fields = head.fields();
        for (name, value) in passed_requests(&fields).into_iter().chain(self.of_request()) {
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
}
