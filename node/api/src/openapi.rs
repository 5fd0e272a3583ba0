//! The OpenAPI document: what the routes say of themselves, and what holds for all of them.

mod refusals;

use bytes::Bytes;
use serde_json::Value;
use utoipa::{
    OpenApi,
    openapi::{
        Content, InfoBuilder, KnownFormat, License, ObjectBuilder, OpenApi as Document, PathItem,
        RefOr, SchemaFormat, Server, Tag,
        path::Operation,
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
        tag::TagBuilder,
    },
};

use crate::{dto, routes};

#[derive(OpenApi)]
#[openapi(components(schemas(
    dto::problems::Problem,
    dto::problems::ProblemField,
    // Named by lists with limits, which are written by hand.
    dto::packets::NewReceipt,
    dto::units::AddUnit
)))]
struct Shared;

/// How requests are signed, for people who read the document.
const SIGNING: &str = "RFC 9421 with the tag `lgsp-v1`: parameters `created`, `keyid` (the access key), `tag` and, for \
    everything but GET and HEAD, `nonce`; covering `@method`, `@target-uri` (or `@authority`, `@path`, `@query`), \
    `content-digest` where there is content, and `authorization`, `idempotency-key`, `upload-length`, `upload-offset`, \
    `upload-metadata` where they are present. An HMAC key is the ASCII octets of the secret as it was issued. Where an operation names \
    `send`, `receive` or `admin` with it, the application must have that grant.";

/// The document without paths: they come with the routes.
pub(crate) fn document() -> Document {
    let mut document = Shared::openapi();
    let mut license = License::new("EUPL-1.2");
    license.identifier = Some("EUPL-1.2".into());
    document.info = InfoBuilder::new()
        .title("LGSP Nghệ An")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Carries data packets between public offices and forgets their content once it has arrived \
             (Decision 74/2025/QĐ-UBND). Errors are problems of RFC 9457 in Vietnamese or English.",
        ))
        .license(Some(license))
        .build();
    document.tags = Some(tags());
    let components = document.components.get_or_insert_default();
    let signature = ApiKeyValue::with_description("Signature", SIGNING);
    components.add_security_scheme("lgsp-v1", SecurityScheme::ApiKey(ApiKey::Header(signature)));
    components.add_security_scheme(
        "space-token",
        bearer("The token of the space, from the answer to open a packet."),
    );
    components.add_security_scheme(
        "download-token",
        bearer("The token from the answer to accept a packet."),
    );
    document
}

fn bearer(description: &str) -> SecurityScheme {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description));
    SecurityScheme::Http(scheme.build())
}

fn tags() -> Vec<Tag> {
    let tags = [
        ("packets", "Packets from their source's side (Article 13)"),
        ("spaces", "Contents on their way in: tus 1.0.0 or PUT"),
        ("pickup", "Packets from their targets' side (Article 14)"),
        ("events", "What happened, pushed or polled"),
        ("history", "What happened, provably: checkpoints, proofs, keys"),
        ("units", "The directory of units (Article 9)"),
        ("admin", "Registry and members, for administrators"),
        ("cluster", "Nodes that join"),
        ("health", "Health, numbers, this document"),
    ];
    let tag =
        |(name, description)| TagBuilder::new().name(name).description(Some(description)).build();
    tags.map(tag).into()
}

/// The whole document as JSON.
pub(crate) fn rendered() -> Bytes {
    let mut document = finished(routes::all().into_openapi());
    // Relative to where the document was fetched: by whatever name that was.
    document.servers = Some(vec![Server::new("/")]);
    let mut document = serde_json::to_value(document).expect("the document is JSON");
    bound(&mut document);
    name_items(&mut document["components"]["schemas"]);
    let mut octets = serde_json::to_vec_pretty(&document).expect("a value is JSON");
    octets.push(b'\n');
    octets.into()
}

/// Adds to every operation what holds for all of them.
fn finished(mut document: Document) -> Document {
    for (path, item) in &mut document.paths.paths {
        for (method, slot) in slots(item) {
            let Some(operation) = slot else { continue };
            // Said aloud: without it a reader takes the operation for one that was forgotten.
            let security = operation.security.get_or_insert_default();
            let signed = !security.is_empty();
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                body.content.iter_mut().for_each(|(kind, content)| as_octets(kind, content));
            }
            for response in operation.responses.responses.values_mut() {
                let RefOr::T(response) = response else { continue };
                response.content.iter_mut().for_each(|(kind, content)| as_octets(kind, content));
                response.headers.insert("trace-id".into(), RefOr::T(refusals::trace_id()));
            }
            refusals::add(method, path, signed, operation);
        }
    }
    let components = document.components.get_or_insert_default();
    components.responses.extend(refusals::named());
    document
}

/// A body that is octets, and no text.
fn as_octets(kind: &str, content: &mut RefOr<Content>) {
    if let (true, RefOr::T(content)) = (kind.ends_with("octet-stream") || kind == "*/*", content) {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        let octets = ObjectBuilder::new().schema_type(Type::String).format(Some(binary));
        content.schema = Some(octets.into());
    }
}

/// A page says by name of what it is, so that clients have one type for it.
fn name_items(schemas: &mut Value) {
    for (page, schema) in schemas.as_object_mut().into_iter().flatten() {
        if let Some(item) = page.strip_prefix("Page_") {
            let named = serde_json::json!({"$ref": format!("#/components/schemas/{item}")});
            schema["properties"]["items"]["items"] = named;
        }
    }
}

/// Says how large a number may be where only its type says so: numbers without a sign have formats of their own.
fn bound(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(bound),
        Value::Object(members) => {
            let unsigned = members.get("minimum").is_some_and(|least| least == 0)
                && !members.contains_key("maximum");
            let (format, most) = match members.get("format").and_then(Value::as_str) {
                Some("int32") if unsigned => ("uint32", u64::from(u32::MAX)),
                Some("int64") if unsigned => ("uint64", u64::MAX),
                _ => return members.values_mut().for_each(bound),
            };
            members.insert("format".into(), format.into());
            members.insert("maximum".into(), most.into());
        }
        _ => {}
    }
}

type Slot<'a> = (&'static str, &'a mut Option<Operation>);

/// The operations of a path, by their methods.
pub(crate) fn slots(item: &mut PathItem) -> [Slot<'_>; 7] {
    [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("OPTIONS", &mut item.options),
        ("HEAD", &mut item.head),
        ("PATCH", &mut item.patch),
    ]
}

/// Every operation: method, path, and whether it takes a signature.
pub(crate) fn operations(
    document: &Document,
) -> impl Iterator<Item = (&'static str, String, bool)> {
    let mut operations = Vec::new();
    for (path, item) in &document.paths.paths {
        for (method, slot) in slots(&mut item.clone()) {
            if let Some(operation) = slot {
                let signed =
                    operation.security.as_ref().is_some_and(|security| !security.is_empty());
                operations.push((method, path.clone(), signed));
            }
        }
    }
    operations.into_iter()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    fn json() -> Value {
        serde_json::from_slice(&rendered()).expect("JSON")
    }

    #[test]
    fn the_document_is_openapi_3_1_with_schemes_and_problems() {
        let json = json();
        assert!(json["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")));
        assert_eq!(json["servers"][0]["url"], "/");
        for scheme in ["lgsp-v1", "space-token", "download-token"] {
            assert!(json["components"]["securitySchemes"][scheme].is_object(), "{scheme}");
        }
        let paths = json["paths"].as_object().expect("paths");
        for (path, item) in paths {
            for (method, operation) in item.as_object().expect("a path item") {
                let problem =
                    &operation["responses"]["default"]["content"]["application/problem+json"];
                assert_eq!(
                    problem["schema"]["$ref"], "#/components/schemas/Problem",
                    "{method} {path}"
                );
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let said =
                        parameter["description"].is_string() && parameter["schema"].is_object();
                    let required = parameter["in"] != "path" || parameter["required"] == true;
                    assert!(said && required, "{method} {path}: {parameter}");
                }
            }
        }
    }

    #[test]
    fn the_type_of_a_problem_promises_no_page() {
        let json = json();
        let kind = &json["components"]["schemas"]["Problem"]["properties"]["type"];
        let said = kind["description"].as_str().expect("a description");
        assert!(said.contains("identifier") && said.contains("not be opened"), "{said}");
        // Whoever follows it to a node finds no route either.
        assert!(
            json["paths"]
                .as_object()
                .is_some_and(|paths| { paths.keys().all(|path| !path.contains("problems")) })
        );
    }

    #[test]
    fn every_reference_leads_somewhere_and_ids_are_unique() {
        let json = json();
        let text = json.to_string();
        for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a name");
            assert!(json["components"]["schemas"][name].is_object(), "{name}");
        }
        let mut ids = HashSet::new();
        for id in text.split("\"operationId\":\"").skip(1) {
            assert!(ids.insert(id.split('"').next().expect("an id").to_owned()));
        }
        assert_eq!(ids.len(), operations(routes::all().get_openapi()).count());
    }
}
