//! Limits that the document tells of: what is at one is taken, what is beyond it is refused, and the place is named.
//!
//! The limits are read from the document, so that it and the code cannot drift apart.

use base64::{Engine, prelude::BASE64_STANDARD};
use model::FileName;
use serde_json::{Value, json};

use crate::{
    document,
    house::{Answer, Ask, House},
    new_packet,
    table::{Door, doors, places},
    text,
};

/// Words that say that a request is malformed; others refuse what was well said.
const MALFORMED: [&str; 3] = ["json_malformed", "fields_malformed", "targets_malformed"];

impl Door {
    /// Gives the body with another value in a place.
    async fn given(&self, house: &House, place: &str, value: &Value) -> Answer {
        let mut body = self.body.clone();
        *body.pointer_mut(place).expect("a place of the body") = value.clone();
        // Its two lists share one limit.
        if place == "/dns_names" {
            body["ip_addresses"] = json!([]);
        }
        if place == "/ip_addresses" {
            body["dns_names"] = json!([]);
        }
        self.give(house, body.to_string()).await
    }

    async fn takes(&self, house: &House, place: &str, what: &str, value: Value) {
        let answer = self.given(house, place, &value).await;
        let taken = !is_refused_at(&answer, place) && !answer.status.is_server_error();
        assert!(taken, "{} {place}: {what}: {answer:?}", self.path);
    }

    async fn refuses_at(&self, house: &House, place: &str, what: &str, value: Value) {
        let answer = self.given(house, place, &value).await;
        assert!(is_refused_at(&answer, place), "{} {place}: {what}: {answer:?}", self.path);
    }

    /// Tries what the document says of one place.
    async fn tries(&self, house: &House, place: &str, schema: &'static Value) -> usize {
        let mut tried = 0;
        for (keyword, rule) in schema.as_object().expect("a schema") {
            let limit = rule.as_u64().unwrap_or(0) as usize;
            let (at, beyond) = match &**keyword {
                "maxLength" => (text_of(schema, limit), Value::from("a".repeat(limit + 1))),
                "minLength" => (text_of(schema, limit), Value::from("a".repeat(limit - 1))),
                "minItems" => {
                    (items(&self.body, place, limit), items(&self.body, place, limit - 1))
                }
                "maxItems" => {
                    (items(&self.body, place, limit), items(&self.body, place, limit + 1))
                }
                "uniqueItems" => (items(&self.body, place, 1), twice(&self.body, place)),
                "maximum" => {
                    let most = rule.as_u64().expect("a whole number");
                    // What is beyond 64 bits is no number of serde's.
                    let beyond = most.checked_add(1).map_or(json!(1.9e19), Value::from);
                    (json!(most), beyond)
                }
                "minimum" => (rule.clone(), json!(rule.as_i64().expect("a whole number") - 1)),
                "enum" => {
                    for word in rule.as_array().expect("words") {
                        self.takes(house, place, "a word", word.clone()).await;
                    }
                    (rule[0].clone(), json!("?"))
                }
                "pattern" => {
                    let given = self.body.pointer(place).expect("a value");
                    let other = format!("{}\u{7}/?", given.as_str().expect("text"));
                    (given.clone(), json!(other))
                }
                _ => continue,
            };
            self.takes(house, place, keyword, at).await;
            self.refuses_at(house, place, keyword, beyond).await;
            tried += 1;
        }
        tried
    }
}

/// Whether a place in the body is told to be malformed.
fn is_refused_at(answer: &Answer, place: &str) -> bool {
    if answer.status.is_success() {
        return false;
    }
    let told = answer.json();
    let errors = told["errors"].as_array().into_iter().flatten();
    let named = errors.filter_map(|error| error["pointer"].as_str()).any(|at| at == place);
    // A join token has a problem of its own.
    let token = told["word"] == "join_token_malformed" && place == "/token";
    token || named && told["word"].as_str().is_some_and(|word| MALFORMED.contains(&word))
}

/// A text of so many characters that is as its schema says.
fn text_of(schema: &Value, chars: usize) -> Value {
    let texts = [
        "ạ".repeat(chars),
        "a".repeat(chars),
        "A".repeat(chars),
        format!("a/{}", "b".repeat(chars.saturating_sub(2))),
    ];
    let mut texts = texts.into_iter().map(Value::from);
    texts.find(|text| document::fits(schema, text)).expect("a text")
}

/// A list of so many items, each another one where they are texts.
fn items(body: &Value, place: &str, count: usize) -> Value {
    let first = &body.pointer(place).expect("a list")[0];
    let another = |index: usize| match first.as_str() {
        Some(_) if place.ends_with("/ip_addresses") => json!(format!("10.0.0.{index}")),
        Some(_) if !place.ends_with("/packets") => json!(format!("a{index}")),
        _ => first.clone(),
    };
    (0..count).map(another).collect()
}

/// A list of the same item twice.
fn twice(body: &Value, place: &str) -> Value {
    let first = &body.pointer(place).expect("a list")[0];
    json!([first, first])
}

/// Members that a schema names and a body lacks.
fn left_out(schema: &'static Value, body: &Value, at: &str, found: &mut Vec<String>) {
    for name in schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name) {
        let place = format!("{at}/{name}");
        match body.get(name) {
            None => found.push(place),
            Some(Value::Array(list)) => {
                let place = format!("/{name}/0");
                left_out(document::at(schema, &place), &list[0], &place, found);
            }
            Some(member) => {
                left_out(document::at(schema, &format!("/{name}")), member, &place, found);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_the_document_are_those_of_the_doors() {
    let house = House::found().await;
    let mut tried = 0;
    for door in doors(&house).await {
        let schema = document::posted_to(&door.path);
        let mut missing = Vec::new();
        left_out(schema, &door.body, "", &mut missing);
        assert!(missing.is_empty(), "{}: nobody tries {missing:?}", door.path);
        let mut all = Vec::new();
        places(&door.body, "", &mut all);
        for place in all {
            tried += door.tries(&house, &place, document::at(schema, &place)).await;
        }
    }
    assert!(tried > 60, "{tried}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_queries_and_headers_are_those_of_the_document() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send", "receive"]).await;
    let get = async |target: String| house.ask(Ask::new("GET", target).signed(&source)).await;
    for (good, bad, parameter) in [
        (format!("q={}", "a".repeat(200)), format!("q={}", "a".repeat(201)), "q"),
        ("limit=1".into(), "limit=0".into(), "limit"),
        ("limit=18446744073709551615".into(), "limit=18446744073709551616".into(), "limit"),
        ("cursor=SDQxLjA1".into(), format!("cursor={}", "A".repeat(87)), "cursor"),
    ] {
        get(format!("/v1/units?{good}")).await.ok(200);
        let told = get(format!("/v1/units?{bad}")).await.problem(400, "query_malformed");
        assert_eq!(told["parameter"], parameter);
    }
    let create = async |metadata: String| {
        let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.02")).signed(&source);
        let opened = house.ask(opened).await.ok(201);
        let ask = Ask::new("POST", format!("/v1/spaces/{}", text(&opened, "/space/id")));
        let ask = ask.header("tus-resumable", "1.0.0").header("upload-length", "3");
        house.ask(ask.header("upload-metadata", metadata).bearer(&opened["space"]["token"])).await
    };
    let named = |chars: usize| format!("filename {}", BASE64_STANDARD.encode("ệ".repeat(chars)));
    for (good, bad, place) in [
        ("a".repeat(4096), "a".repeat(4097), ""),
        (named(FileName::CHARS_MAX), named(FileName::CHARS_MAX + 1), "/filename"),
    ] {
        create(good).await.ok(201);
        let told = create(bad).await.problem(400, "tus_metadata");
        assert_eq!(text(&told, "/errors/0/pointer"), place);
    }
    let open = async |key: String| {
        let ask = Ask::new("POST", "/v1/packets").json(new_packet("H41.02"));
        house.ask(ask.header("idempotency-key", key).signed(&source)).await
    };
    for (good, bad) in [
        ("k".repeat(128), "k".repeat(129)),
        (format!("\"{}\"", " ".repeat(128)), format!("\"{}\"", " ".repeat(129))),
        ("k".into(), "\"\"".into()),
        ("a;b".into(), "a,b".into()),
    ] {
        open(good).await.ok(201);
        let told = open(bad).await.problem(400, "header_malformed");
        assert_eq!(told["header"], "idempotency-key");
    }
}
