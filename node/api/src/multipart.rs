//! The one round trip: request, policy and small content in one multipart body.
//!
//! The body is whole and its digest has matched before it comes here.

use axum::{
    body::Body,
    extract::{FromRequest, Multipart, Request, multipart::Field},
    http::{HeaderValue, header},
};
use bytes::{Bytes, BytesMut};
use conductor::ONE_ROUND_MAX;
use model::FileName;

use crate::{
    dto::packets::{NewPacket, NewPolicy},
    header::Parameters,
    json::from_json,
    names,
    problem::Problem,
    settings::MULTIPART_FRAME_MAX,
    texts::Fault,
};

/// The largest body of the one round trip.
pub(crate) const BODY_MAX: usize = ONE_ROUND_MAX + MULTIPART_FRAME_MAX;

/// What came in one body.
#[cfg_attr(test, derive(Debug))]
pub(crate) struct OneRound {
    pub(crate) request: NewPacket,
    pub(crate) policy: Option<NewPolicy>,
    pub(crate) file_name: Option<FileName>,
    pub(crate) content: Bytes,
}

/// Reads the parts, in their order: `request`, perhaps `policy`, `content`.
pub(crate) async fn read(content_type: &HeaderValue, body: Bytes) -> Result<OneRound, Problem> {
    check_frame(content_type, &body)?;
    let mut request = Request::new(Body::from(body));
    request.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
    // The body is bounded already; axum's own, smaller bound would refuse it.
    axum::extract::DefaultBodyLimit::disable().apply(&mut request);
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| malformed("/"))?;
    let field = next(&mut parts).await?.ok_or_else(|| malformed("request"))?;
    if !is_named(&field, disposition(&field).as_ref(), "request") {
        return Err(malformed("request"));
    }
    let request = from_json(&whole(field, MULTIPART_FRAME_MAX).await?)?;
    let mut field = next(&mut parts).await?.ok_or_else(|| malformed("content"))?;
    let mut given = disposition(&field);
    let mut policy = None;
    if is_named(&field, given.as_ref(), "policy") {
        policy = Some(from_json(&whole(field, MULTIPART_FRAME_MAX).await?)?);
        field = next(&mut parts).await?.ok_or_else(|| malformed("content"))?;
        given = disposition(&field);
    }
    if !is_named(&field, given.as_ref(), "content") {
        return Err(malformed("content"));
    }
    let file_name = file_name(&field, given.as_ref())?;
    let content = whole(field, ONE_ROUND_MAX).await?;
    if next(&mut parts).await?.is_some() {
        return Err(malformed("/"));
    }
    Ok(OneRound { request, policy, file_name, content })
}

/// A body is its parts and nothing else. What stands before the first boundary, or behind the closing one,
/// MIME would pass over: where a source's fixed boundary occurs in a citizen's file, that is the rest of the
/// file, cut off in silence. White space is what some clients end with, and says nothing.
fn check_frame(content_type: &HeaderValue, body: &[u8]) -> Result<(), Problem> {
    let parameters = content_type.to_str().ok().and_then(Parameters::of);
    let boundary = parameters.and_then(|parameters| parameters.get("boundary"));
    let boundary =
        boundary.filter(|boundary| !boundary.is_empty()).ok_or_else(|| malformed("/"))?;
    let opening = format!("--{boundary}");
    let closing = format!("\r\n--{boundary}--");
    let framed = body.trim_ascii_start().starts_with(opening.as_bytes())
        && memchr::memmem::find(body, closing.as_bytes())
            .is_some_and(|at| body[at + closing.len()..].trim_ascii().is_empty());
    if framed { Ok(()) } else { Err(malformed("/")) }
}

/// Whether a part has this name, and only this one: of two names in one header, somebody else might read the
/// other. (Of a header that comes twice the parser keeps one, which is the one that is looked at.)
fn is_named(field: &Field<'_>, given: Option<&Parameters>, name: &str) -> bool {
    let given = || given.and_then(|parameters| parameters.get("name"));
    field.name() == Some(name) && given().is_some_and(|given| given == name)
}

/// What a part says of itself. An encoding that is none is told where the file's name is read.
fn disposition(field: &Field<'_>) -> Option<Parameters> {
    let value = field.headers().get(header::CONTENT_DISPOSITION)?;
    Parameters::of(&String::from_utf8_lossy(value.as_bytes()))
}

/// The name of the file whose content a part is.
fn file_name(field: &Field<'_>, given: Option<&Parameters>) -> Result<Option<FileName>, Problem> {
    let value = field.headers().get(header::CONTENT_DISPOSITION);
    let read = match value.map(|value| std::str::from_utf8(value.as_bytes())) {
        Some(Err(_)) => Err("the text is not UTF-8: save and send it as UTF-8"),
        _ => given.map_or(Ok(None), names::of_parameters),
    };
    let malformed =
        |reason| Problem::new(Fault::FieldsMalformed).error("/content/filename", reason);
    read.map_err(malformed)
}

async fn next(parts: &mut Multipart) -> Result<Option<Field<'_>>, Problem> {
    parts.next_field().await.map_err(|_| malformed("/"))
}

/// The octets of a part; without a copy where they come in one piece, as they do from one buffer.
async fn whole(mut field: Field<'_>, max: usize) -> Result<Bytes, Problem> {
    let mut piece = async || field.chunk().await.map_err(|_| malformed("/"));
    let too_large = || Problem::new(Fault::BodyTooLarge).member("max", max);
    let Some(first) = piece().await? else { return Ok(Bytes::new()) };
    if first.len() > max {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    while let Some(more) = piece().await? {
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        if whole.len() + more.len() > max {
            return Err(too_large());
        }
        whole.extend_from_slice(&more);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

fn malformed(part: &'static str) -> Problem {
    Problem::new(Fault::MultipartMalformed).member("part", part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: HeaderValue = HeaderValue::from_static("multipart/form-data; boundary=xyz");
    const REQUEST: &str = r#"{"targets":["H41.05"],"title":"t","media_type":"text/plain"}"#;

    fn part(name: &str, file: &str, body: &str) -> String {
        let file = if file.is_empty() { String::new() } else { format!("; filename=\"{file}\"") };
        format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{body}\r\n")
    }

    fn body(parts: &[String]) -> Bytes {
        format!("{}--xyz--\r\n", parts.concat()).into()
    }

    fn run(body: Bytes) -> Result<OneRound, Problem> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(read(&TYPE, body))
    }

    #[test]
    fn parts_in_their_order_are_read() {
        let content = part("content", "Công văn.pdf", "xin chào");
        let one = run(body(&[part("request", "", REQUEST), content.clone()])).expect("well-formed");
        assert_eq!(&one.content[..], "xin chào".as_bytes());
        assert_eq!(one.file_name.expect("a file name").as_str(), "Công văn.pdf");
        assert!(one.policy.is_none());
        let policy = part("policy", "", r#"{"deliver_by":"2026-11-22T15:07:31+07:00"}"#);
        let one = run(body(&[part("request", "", REQUEST), policy, content])).expect("well-formed");
        assert!(one.policy.is_some());
    }

    #[test]
    fn a_content_of_the_largest_size_fits_and_not_one_octet_more() {
        let of = |size: usize| {
            body(&[part("request", "", REQUEST), part("content", "", &"x".repeat(size))])
        };
        assert_eq!(run(of(ONE_ROUND_MAX)).expect("it fits").content.len(), ONE_ROUND_MAX);
        assert_eq!(run(of(ONE_ROUND_MAX + 1)).expect_err("too large").status(), 413);
        assert!(run(of(0)).expect("it fits").content.is_empty());
    }

    #[test]
    fn nothing_stands_before_or_behind_the_parts() {
        let parts = [part("request", "", REQUEST), part("content", "a.txt", "real")].concat();
        let read = |before: &str, behind: &str| {
            run(format!("{before}{parts}--xyz--{behind}").into()).map(|one| one.content)
        };
        for (before, behind) in [("", ""), ("", "\r\n"), ("\r\n", " \r\n\r\n"), ("", "\n")] {
            assert_eq!(read(before, behind).expect("white space"), "real", "{before:?} {behind:?}");
        }
        for (before, behind) in [
            ("", "\r\nhidden"),
            ("", "\r\nhidden\r\n--xyz--\r\n"),
            ("", "\r\nreal\r\n--xyz--"),
            ("", "x"),
            ("", "\0"),
            ("preamble\r\n", ""),
            ("--xyz", ""),
        ] {
            assert_eq!(read(before, behind).expect_err("refused").status(), 400, "{behind:?}");
        }
        // A boundary that cannot be read twice the same way.
        for kind in ["multipart/form-data", "multipart/form-data; boundary=xyz; boundary=abc"] {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let body = format!("{parts}--xyz--").into();
            assert!(runtime.block_on(super::read(&HeaderValue::from_static(kind), body)).is_err());
        }
        let quoted = HeaderValue::from_static("multipart/form-data; boundary=\"xyz\"");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(super::read(&quoted, format!("{parts}--xyz--").into())).expect("quoted");
    }

    #[test]
    fn a_part_has_one_name() {
        let of = |disposition: &str| {
            let content = format!("--xyz\r\n{disposition}\r\n\r\nreal\r\n");
            run(body(&[part("request", "", REQUEST), content]))
        };
        let good = "Content-Disposition: form-data; name=\"content\"; filename=\"a;b.txt\"";
        assert_eq!(of(good).expect("one name").file_name.expect("a name").as_str(), "a;b.txt");
        of("Content-Disposition: form-data; name=content").expect("without quotes");
        for disposition in [
            "Content-Disposition: form-data; name=\"content\"; name=\"request\"",
            "Content-Disposition: form-data; name=\"request\"; name=\"content\"",
            "Content-Disposition: form-data; name=\"content\"; NAME=\"x\"",
            "Content-Disposition: form-data; x=\"; name=content\"; name=\"request\"",
            "Content-Disposition: form-data; name=\"content\"; filename=\"a\"; filename=\"b\"",
        ] {
            assert_eq!(of(disposition).expect_err("refused").status(), 400, "{disposition}");
        }
    }

    #[test]
    fn other_orders_and_broken_bodies_are_refused() {
        let request = part("request", "", REQUEST);
        let content = part("content", "", "x");
        for body in [
            Bytes::new(),
            body(&[]),
            body(std::slice::from_ref(&request)),
            body(&[content.clone(), request.clone()]),
            body(&[request.clone(), content.clone(), content.clone()]),
            body(&[request.clone(), part("content", "..", "x")]),
            body(&[part("request", "", "{}"), content.clone()]),
            Bytes::from(format!("{request}{content}")),
        ] {
            assert!(
                run(body.clone()).is_err_and(|problem| problem.status().is_client_error()),
                "{body:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_a_client_error(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(run(octets.into()).is_err_and(|problem| problem.status().is_client_error()));
        }

        #[test]
        fn a_damaged_body_never_panics(at in 0usize..300, octet: u8) {
            let whole = body(&[part("request", "", REQUEST), part("content", "a.txt", "xin chào")]);
            let mut damaged = whole.to_vec();
            let at = at % damaged.len();
            damaged[at] = octet;
            if let Err(problem) = run(damaged.into()) {
                prop_assert!(problem.status().is_client_error());
            }
        }
    }
}
