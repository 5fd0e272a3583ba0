//! What an operation may refuse: each answer has a name, and stands at every operation that gives it.
//!
//! The doors' tests hold every refusal that they see against this.

use utoipa::openapi::{
    Content, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
    header::{Header, HeaderBuilder},
    path::Operation,
    schema::Type,
};

/// A status, the name of its answer, what it says, and headers beside `trace-id`.
struct Refusal(u16, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const RETRY_AFTER: (&str, &str) = ("Retry-After", "Seconds until it is worth trying again");

const ALL: &[Refusal] = &[
    Refusal(
        400,
        "Malformed",
        "The request cannot be read; `errors`, `parameter` or `header` says where",
        &[],
    ),
    Refusal(
        401,
        "Unauthorized",
        "The signature or token is missing, does not hold, or is of a key that was revoked",
        &[
            ("WWW-Authenticate", "Who is asked for what"),
            ("Accept-Signature", "How to sign (RFC 9421 section 5)"),
        ],
    ),
    Refusal(
        403,
        "Forbidden",
        "The caller may not do this: it lacks the grant, or it is another's",
        &[],
    ),
    Refusal(404, "Unknown", "There is no such thing, or none that the caller may know of", &[]),
    Refusal(406, "NotAcceptable", "None of the media types in `Accept` is spoken here", &[]),
    Refusal(408, "TooSlow", "The body came too slowly", &[]),
    Refusal(409, "Conflict", "It does not fit what is so now; `word` says what is", &[]),
    Refusal(410, "Gone", "What was here has ended, and its content is destroyed", &[]),
    Refusal(
        412,
        "TusVersionUnknown",
        "`Tus-Resumable` is missing, or of another version",
        &[("Tus-Version", "The version that is spoken")],
    ),
    Refusal(413, "TooLarge", "The body or content is larger than `max`", &[]),
    Refusal(
        415,
        "MediaTypeUnsupported",
        "The body is of another media type than those in `expected`",
        &[],
    ),
    Refusal(
        416,
        "RangeOutside",
        "The range lies outside the content",
        &[("Content-Range", "The content's size")],
    ),
    Refusal(
        422,
        "Unfit",
        "The request can be read, but says what may not be; `errors` says where",
        &[],
    ),
    Refusal(423, "Busy", "Somebody else writes into the space", &[]),
    Refusal(429, "TooMany", "The application or its unit has used its share", &[RETRY_AFTER]),
    Refusal(
        460,
        "ChecksumMismatch",
        "The octets do not have the checksum that was promised, and do not count",
        &[],
    ),
    Refusal(500, "Internal", "A bug of the platform; `trace_id` finds it in the logs", &[]),
    Refusal(
        503,
        "Unavailable",
        "No majority of the nodes can be reached, or this one lacks room for the moment; another one may answer",
        &[RETRY_AFTER],
    ),
    Refusal(507, "DiskFull", "The disks have no room for contents", &[RETRY_AFTER]),
];

/// The answers by their names.
pub(super) fn named() -> impl Iterator<Item = (String, RefOr<Response>)> {
    ALL.iter().map(|Refusal(_, name, says, headers)| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description(*says)
            .content("application/problem+json", content)
            .header("trace-id", trace_id());
        let response = headers
            .iter()
            .fold(response, |response, (name, says)| response.header(*name, header(says)));
        ((*name).to_owned(), RefOr::T(response.build()))
    })
}

/// The header that every answer has.
pub(super) fn trace_id() -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9a-f]{32}$"));
    HeaderBuilder::new()
        .schema(Some(text))
        .description(Some("Names the request in the logs"))
        .build()
}

fn header(says: &str) -> Header {
    let kind = if says == RETRY_AFTER.1 { Type::Integer } else { Type::String };
    let schema = ObjectBuilder::new().schema_type(kind);
    HeaderBuilder::new().schema(Some(schema)).description(Some(says)).build()
}

/// Adds what an operation may refuse, beside what it says itself.
pub(super) fn add(method: &str, path: &str, signed: bool, operation: &mut Operation) {
    let statuses = statuses(method, path, signed, operation);
    let responses = &mut operation.responses.responses;
    for Refusal(status, name, ..) in ALL {
        if statuses.contains(status) {
            let named = || RefOr::Ref(Ref::from_response_name(*name));
            responses.entry(status.to_string()).or_insert_with(named);
        }
    }
    let other = Content::new(Some(Ref::from_schema_name("Problem")));
    let other = ResponseBuilder::new()
        .description("Any other problem (RFC 9457)")
        .content("application/problem+json", other)
        .header("trace-id", trace_id());
    responses.entry("default".into()).or_insert(RefOr::T(other.build()));
}

fn statuses(method: &str, path: &str, signed: bool, operation: &Operation) -> Vec<u16> {
    // A header that comes twice is refused at every door.
    let mut statuses = vec![400];
    let takes_in = operation.request_body.is_some();
    if signed {
        statuses.extend([401, 403, 408, 413, 429, 500, 503]);
    }
    if takes_in {
        statuses.extend([401, 408, 413, 415, 422, 500, 503]);
    }
    if signed && path.contains('{') {
        statuses.push(404);
    }
    if signed && !matches!(method, "GET" | "HEAD") {
        statuses.extend([404, 409]);
    }
    if path.starts_with("/v1/spaces/") && signed {
        statuses.extend([410, 412]);
        if takes_in {
            statuses.extend([423, 460, 507]);
        }
    }
    if path.starts_with("/v1/packets") {
        if takes_in {
            statuses.push(507);
        }
        if path.contains('{') && path != "/v1/packets/{id}" {
            statuses.push(410);
        }
    }
    match path {
        "/v1/packets/{id}/content" if method == "GET" => statuses.extend([409, 416]),
        "/v1/packets/{id}/content" => statuses.push(409),
        "/v1/events" => statuses.push(406),
        "/v1/cluster/join" => statuses.push(409),
        _ => {}
    }
    statuses
}
