//! The document holds: every request that was taken and every answer is as `/openapi.json` says.
//!
//! [`crate::house::House`] hands over all that goes through its doors. The checker knows the part of
//! JSON Schema that the document uses, and refuses the rest, so that nothing is passed over.

use std::{collections::BTreeSet, sync::LazyLock};

use axum::http::{HeaderMap, Method, header};
use regex::Regex;
use serde_json::{Value, json};

use crate::house::{Answer, Ask, House};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let document = lgsp_api::openapi_json();
    serde_json::from_slice(&document).expect("JSON")
});

/// All of it.
pub fn whole() -> &'static Value {
    &DOCUMENT
}

/// What says something to people, or to programs that write code, and nothing of a value.
const ANNOTATIONS: [&str; 6] =
    ["description", "examples", "example", "title", "default", "contentMediaType"];

/// The documented operation of a request, with its name.
fn operation(method: &Method, headers: &HeaderMap, path: &str) -> Option<(String, &'static Value)> {
    let over = headers.get("x-http-method-override").and_then(|over| over.to_str().ok());
    let method = over.unwrap_or(method.as_str());
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let fits = |pattern: &str| {
        let mut asked = path.split('/');
        let mut segments = pattern.split('/');
        let each = segments.all(|segment| {
            asked.next().is_some_and(|asked| {
                segment == asked || segment.starts_with('{') && !asked.is_empty()
            })
        });
        each && asked.next().is_none()
    };
    let item = paths.iter().find(|(pattern, _)| fits(pattern))?;
    let operation = item.1.get(method.to_lowercase())?;
    Some((format!("{method} {}", item.0), operation))
}

/// The name of a documented operation.
pub fn name(method: &Method, path: &str) -> String {
    let operation = operation(method, &HeaderMap::new(), path);
    operation.unwrap_or_else(|| panic!("{method} {path} is not documented")).0
}

/// The operations that take a body of a media type.
pub fn taking(kind: &str) -> BTreeSet<String> {
    all(|operation| operation["requestBody"]["content"][kind].is_object())
}

/// The operations that take a body of any kind.
pub fn with_body() -> BTreeSet<String> {
    all(|operation| operation["requestBody"].is_object())
}

/// The operations that take a header.
pub fn with_header(header: &str) -> BTreeSet<String> {
    let named = |parameter: &Value| {
        parameter["in"] == "header"
            && parameter["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(header))
    };
    all(|operation| operation["parameters"].as_array().into_iter().flatten().any(named))
}

fn all(fits: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let paths = DOCUMENT["paths"].as_object().expect("paths").iter();
    let each = paths.flat_map(|(path, item)| {
        let item = item.as_object().expect("operations").iter();
        item.map(move |(method, operation)| {
            (format!("{} {path}", method.to_uppercase()), operation)
        })
    });
    each.filter(|(_, operation)| fits(operation)).map(|(name, _)| name).collect()
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().expect("text");
    value.split(';').next().map(str::trim)
}

/// The schema of a JSON body that is posted to a path.
pub fn posted_to(path: &str) -> &'static Value {
    let (name, operation) =
        operation(&Method::POST, &HeaderMap::new(), path).expect("an operation");
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{name} takes no JSON");
    of_a_value(schema)
}

/// The schema of a place in such a body.
pub fn at(schema: &'static Value, place: &str) -> &'static Value {
    place.split('/').skip(1).fold(schema, |schema, key| match schema["type"].as_str() {
        Some("array") => of_a_value(&schema["items"]),
        _ => of_a_value(&schema["properties"][key]),
    })
}

/// What a schema says of values that are there.
fn of_a_value(schema: &'static Value) -> &'static Value {
    let schema = resolved(schema);
    let cases = schema["oneOf"].as_array();
    let case = cases.and_then(|cases| cases.iter().find(|case| case["type"] != "null"));
    case.map_or(schema, resolved)
}

/// Whether a value is as its schema says.
pub fn fits(schema: &Value, value: &Value) -> bool {
    matches(schema, value, Extra::Refused).is_ok()
}

/// Checks an answer, and its request's body if it was taken.
pub fn check(method: &Method, path: &str, asked: (&HeaderMap, &[u8]), answer: &Answer) {
    let Some((name, operation)) = operation(method, asked.0, path) else {
        // A browser's question is answered before any route.
        let preflight = asked.0.contains_key("access-control-request-method");
        assert!(answer.status.is_client_error() || preflight, "{method} {path}: no such operation");
        return;
    };
    if answer.status.is_success() {
        check_request(&name, operation, asked.0, asked.1);
    }
    check_answer(&name, operation, answer);
}

fn check_request(name: &str, operation: &Value, headers: &HeaderMap, body: &[u8]) {
    let documented = &operation["requestBody"];
    if body.is_empty() {
        assert_ne!(documented["required"], json!(true), "{name}: it was taken without a body");
        return;
    }
    let kind = media_type(headers).unwrap_or("application/octet-stream");
    let content = &documented["content"][kind];
    match kind {
        _ if !documented.is_object() => {
            assert_eq!(body, b"{}", "{name}: only a body that says nothing is taken");
        }
        "application/json" => {
            let body = serde_json::from_slice(body).expect("what was taken is JSON");
            let checked = matches(&content["schema"], &body, Extra::Refused);
            checked.unwrap_or_else(|wrong| panic!("{name}: request{wrong}"));
        }
        "multipart/form-data" => {
            let schema = resolved(&content["schema"]);
            let text = String::from_utf8_lossy(body);
            let parts: Vec<_> = text.split("form-data; name=\"").skip(1).collect();
            let parts: Vec<_> = parts.iter().filter_map(|part| part.split('"').next()).collect();
            let known = |part: &&str| schema["properties"][*part].is_object();
            assert!(parts.iter().all(known), "{name}: {parts:?} are not all in {schema}");
            let required = schema["required"].as_array().expect("required parts");
            let there = |part: &Value| parts.iter().any(|there| part == there);
            assert!(required.iter().all(there), "{name}: {parts:?} lack some of {schema}");
        }
        _ => assert!(content.is_object(), "{name}: a body of {kind} is not documented"),
    }
}

fn check_answer(name: &str, operation: &Value, answer: &Answer) {
    let status = answer.status.as_str();
    let response = resolved(&operation["responses"][status]);
    assert!(response.is_object(), "{name}: {status} is not documented: {:?}", answer.body);
    if answer.body.is_empty() {
        let silent = response["content"].is_null() || name.starts_with("HEAD ");
        assert!(silent || !answer.status.is_success(), "{name}: {status} has no body");
        return;
    }
    let kind = media_type(&answer.headers).expect("a body has a type");
    let content = &response["content"][kind];
    if kind == "application/octet-stream" || answer.headers.contains_key("repr-digest") {
        // Contents go out as whatever their source called them.
        assert!(response["content"]["*/*"].is_object(), "{name}: {status}");
        return;
    }
    assert!(content.is_object(), "{name}: {status} with {kind} is not documented");
    if kind.ends_with("json") {
        let extra = if kind == "application/problem+json" { Extra::Taken } else { Extra::Refused };
        let checked = matches(&content["schema"], &answer.json(), extra);
        checked.unwrap_or_else(|wrong| panic!("{name} {status}: answer{wrong}"));
    }
}

/// Whether members that the schema does not name may be there. Problems have some (RFC 9457 section 3.2).
#[derive(Clone, Copy, PartialEq)]
enum Extra {
    Taken,
    Refused,
}

fn resolved(schema: &Value) -> &Value {
    let Some(reference) = schema["$ref"].as_str() else { return schema };
    let pointer = reference.strip_prefix('#').expect("a reference into the document");
    DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Where a value is not what its schema says, and what was expected there.
fn matches(schema: &Value, value: &Value, extra: Extra) -> Result<(), String> {
    let schema = resolved(schema);
    let rules = schema.as_object().ok_or_else(|| ": there is no schema".to_owned())?;
    for (keyword, rule) in rules {
        if ANNOTATIONS.contains(&&**keyword) {
            continue;
        }
        let holds = match &**keyword {
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
                kind => is(kind, value),
            },
            "enum" => rule.as_array().is_some_and(|words| words.contains(value)),
            "pattern" => value.as_str().is_none_or(|text| {
                let pattern = rule.as_str().expect("a pattern is text");
                Regex::new(pattern).expect("a pattern").is_match(text)
            }),
            "minLength" => length(value).is_none_or(|length| length >= number(rule)),
            "maxLength" => length(value).is_none_or(|length| length <= number(rule)),
            "minItems" => value.as_array().is_none_or(|items| items.len() as f64 >= number(rule)),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as f64 <= number(rule)),
            "uniqueItems" => value.as_array().is_none_or(|items| {
                items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
            }),
            "maximum" => value.as_f64().is_none_or(|value| value <= number(rule)),
            "minimum" => value.as_f64().is_none_or(|value| value >= number(rule)),
            "format" => value.as_str().is_none_or(|text| is_of_format(rule, text)),
            "oneOf" => {
                let cases = rule.as_array().expect("cases").iter();
                cases.filter(|case| matches(case, value, extra).is_ok()).count() == 1
            }
            // `false` is all that is written; "properties" sees to it.
            "additionalProperties" => *rule == json!(false),
            "required" => value.as_object().is_none_or(|value| {
                let names = rule.as_array().expect("names").iter();
                names
                    .map(|name| name.as_str().expect("a name"))
                    .all(|name| value.contains_key(name))
            }),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    matches(rule, item, extra).map_err(|wrong| format!("/{index}{wrong}"))?;
                }
                true
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    let known = rule.get(name);
                    if let Some(rule) = known {
                        matches(rule, member, extra).map_err(|wrong| format!("/{name}{wrong}"))?;
                    } else if extra == Extra::Refused {
                        return Err(format!("/{name}: it is not documented"));
                    }
                }
                true
            }
            other => panic!("the checker does not know the keyword {other}"),
        };
        if !holds {
            return Err(format!(": {value} is not of {keyword} {rule}"));
        }
    }
    Ok(())
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type is a word") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the checker does not know the type {other}"),
    }
}

fn is_of_format(format: &Value, text: &str) -> bool {
    match format.as_str().expect("a format is a word") {
        "date-time" => {
            let pattern = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$";
            Regex::new(pattern).expect("a pattern").is_match(text)
        }
        // Of numbers; the type has spoken.
        "int32" | "int64" | "uint32" | "uint64" | "binary" => true,
        "uri" => text.parse::<axum::http::Uri>().is_ok_and(|uri| uri.scheme().is_some()),
        other => panic!("the checker does not know the format {other}"),
    }
}

fn length(value: &Value) -> Option<f64> {
    value.as_str().map(|text| text.chars().count() as f64)
}

fn number(rule: &Value) -> f64 {
    rule.as_f64().expect("a number")
}

/// The checker finds each kind of difference; without that its silence would mean nothing.
#[test]
fn differences_are_found() {
    let packet = json!({
        "packet": crate::PACKET, "state": "notified", "accepted_at": "2026-11-22T08:07:31.204Z",
        "size": 3, "digest": crate::digest_of("tin"),
    });
    let schema = json!({"$ref": "#/components/schemas/PacketAccepted"});
    assert_eq!(matches(&schema, &packet, Extra::Refused), Ok(()));
    for (member, wrong) in [
        ("packet", json!("pk_1")),
        ("state", json!("gone")),
        ("state", Value::Null),
        ("accepted_at", json!("yesterday")),
        ("size", json!("3")),
        ("digest", Value::Null),
        ("more", json!(1)),
    ] {
        let mut packet = packet.clone();
        packet[member] = wrong;
        assert!(matches(&schema, &packet, Extra::Refused).is_err(), "{packet}");
    }
    let mut lacking = packet.clone();
    lacking.as_object_mut().expect("an object").remove("size");
    assert!(matches(&schema, &lacking, Extra::Refused).is_err());
    let both = json!({"oneOf": [schema.clone(), schema]});
    assert!(matches(&both, &packet, Extra::Refused).is_err());
}

/// An example that is none would be the first thing that somebody tries.
#[test]
fn examples_are_as_their_schemas_say() {
    fn look(value: &Value, at: &str, found: &mut usize) {
        let schema = value.get("schema").unwrap_or(value);
        let examples = value["examples"].as_array().into_iter().flatten();
        for example in examples.chain(value.get("example").filter(|_| value["type"] != "object")) {
            let checked = matches(schema, example, Extra::Refused);
            checked.unwrap_or_else(|wrong| panic!("{at}: the example{wrong}"));
            *found += 1;
        }
        match value {
            Value::Object(members) => {
                members
                    .iter()
                    .for_each(|(name, member)| look(member, &format!("{at}/{name}"), found));
            }
            Value::Array(items) => items.iter().for_each(|item| look(item, at, found)),
            _ => {}
        }
    }
    let mut found = 0;
    look(&DOCUMENT["paths"], "", &mut found);
    look(&DOCUMENT["components"], "", &mut found);
    assert!(found > 100, "{found}");
}

/// Routes and forms of a body that no other test takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_administrators_lists_and_tokens_are_as_documented() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let admin = |ask: Ask| house.ask(ask.signed(&house.admin));
    for list in ["apps", "keys", "members"] {
        admin(Ask::new("GET", format!("/v1/admin/{list}"))).await.ok(200);
    }
    admin(Ask::new("POST", "/v1/admin/join-tokens")).await.ok(201);
    let tokens = || Ask::new("POST", "/v1/admin/join-tokens");
    admin(tokens().json(Value::Null)).await.ok(201);
    admin(tokens().json(json!({"minutes": 5}))).await.ok(201);
    admin(tokens().json(json!({"minutes": "5"}))).await.problem(400, "json_malformed");
    house.ask(Ask::new("GET", "/v1/units/H41").signed(&source)).await.ok(200);
    house.ask(Ask::new("GET", "/v1/units/H41.02").signed(&source)).await.ok(200);
    // Any application may know where the nodes are; a stranger may not.
    let nodes = house.ask(Ask::new("GET", "/v1/nodes").signed(&source)).await.ok(200);
    assert!(nodes["nodes"][0]["url"].as_str().is_some_and(|url| url.starts_with("https://")));
}
