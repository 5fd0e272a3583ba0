//! REST: the path, and headers both ways.

use lgsp_wire::{
    vxp::{Field, HeaderError},
    xroad::{
        Arrived, Evidence, Method, RepresentedParty, RequestMeta, RestError, RestRequest, ServerId,
        TARGET_MAX, passed_answers, passed_requests,
    },
};

use crate::{client, fields, opaque, service};

const SERVICE: &str = "VN/GOV/G22/dvc/hoso";
const TARGET: &str = "/r1/VN/GOV/G22/dvc/hoso/2026/a%2Fb//?q=1&q=2?x";

fn meta() -> RequestMeta {
    RequestMeta {
        client: client("VN/GOV/H41.08/lgsp"),
        id: Some(opaque("29f4d011-ef17-4f2f-9bb1-0452ce17d3f5")),
        user: Some(opaque("VN040123456789")),
        issue: Some(opaque("1542/SKHCN")),
        server: Some(ServerId::parse("VN/GOV/G22/ss1").expect("a server")),
        party: Some(RepresentedParty::parse("COM/0106001236").expect("a party")),
    }
}

fn request() -> RestRequest {
    let tail = ("/2026/a%2Fb//", Some("q=1&q=2?x"));
    RestRequest::new(Method::Post, service(SERVICE), tail, meta()).expect("a request")
}

#[test]
fn as_it_is_sent() {
    assert_eq!(request().target(), TARGET);
    let headers = request().headers();
    let expected: [Field<'_>; 6] = [
        ("X-Road-Client", b"VN/GOV/H41.08/lgsp"),
        ("X-Road-Id", b"29f4d011-ef17-4f2f-9bb1-0452ce17d3f5"),
        ("X-Road-UserId", b"VN040123456789"),
        ("X-Road-Issue", b"1542/SKHCN"),
        ("X-Road-Security-Server", b"VN/GOV/G22/ss1"),
        ("X-Road-Represented-Party", b"COM/0106001236"),
    ];
    assert_eq!(fields(&headers), expected);
    assert_eq!(RestRequest::parse("POST", TARGET, &fields(&headers)), Ok(request()));
    let bare =
        RestRequest::parse("GET", "/r1/VN/GOV/G22/dvc/hoso", &expected[..1]).expect("a request");
    assert_eq!((bare.tail(), bare.meta.id.is_none()), (("", None), true));
    let empty = RestRequest::parse("GET", "/r1/VN/GOV/G22/dvc/hoso/?", &expected[..1]);
    let empty = empty.expect("a request");
    assert_eq!(
        (empty.tail(), empty.target().as_str()),
        (("/", Some("")), "/r1/VN/GOV/G22/dvc/hoso/?")
    );
}

#[test]
fn the_last_of_a_name_counts() {
    let twice: [Field<'_>; 2] =
        [("X-Road-Client", b"VN/GOV/other"), ("x-road-client", b"VN/GOV/H41")];
    let read = RestRequest::parse("GET", "/r1/VN/GOV/G22/dvc/hoso", &twice).expect("a request");
    assert_eq!(read.meta.client, client("VN/GOV/H41"));
}

#[test]
fn wrong_ones() {
    let who: Field<'_> = ("X-Road-Client", b"VN/GOV/H41");
    let parse = |method, target: &str, more: &[Field<'_>]| {
        RestRequest::parse(method, target, &[&[who], more].concat())
    };
    let target = "/r1/VN/GOV/G22/dvc/hoso";
    assert!(parse("GET", target, &[]).is_ok());
    for method in ["get", "CONNECT", "", "POST "] {
        assert_eq!(parse(method, target, &[]), Err(RestError::Method), "{method}");
    }
    for target in [
        "",
        "/",
        "/r1",
        "/r1/",
        "/r1/VN/GOV/G22/dvc",
        "/r2/VN/GOV/G22/dvc/hoso",
        "r1/VN/GOV/G22/dvc/hoso",
        "/r1/VN/GOV/G22//hoso",
        "/r1/VN/GOV/G22/dvc/hoso%",
    ] {
        assert!(matches!(parse("GET", target, &[]), Err(RestError::Path(_))), "{target}");
    }
    let long = format!("{target}/{}", "a".repeat(TARGET_MAX));
    for tail in ["/a b", "/a#b", "/é", "/a\r\nX: y", "?a b", "?é", "?\0"] {
        let target = format!("{target}{tail}");
        assert_eq!(parse("GET", &target, &[]), Err(RestError::Target), "{tail}");
    }
    assert_eq!(parse("GET", &long, &[]), Err(RestError::Target));
    let none = RestRequest::parse("GET", target, &[]);
    assert!(matches!(none, Err(RestError::Headers(HeaderError::Missing { .. }))));
    for (name, value) in [
        ("X-Road-Client", "VN/GOV"),
        ("X-Road-Client", ""),
        ("X-Road-Security-Server", "VN/GOV/G22"),
        ("X-Road-Represented-Party", "a/b/c"),
    ] {
        let read = parse("GET", target, &[(name, value.as_bytes())]);
        assert!(matches!(read, Err(RestError::Identifier { name: n, .. }) if n == name), "{name}");
    }
    for name in ["X-Road-Id", "X-Road-UserId", "X-Road-Issue"] {
        for value in ["", &"a".repeat(2000)] {
            let read = parse("GET", target, &[(name, value.as_bytes())]);
            assert_eq!(read, Err(RestError::Text { name }));
        }
        for value in [&b"a\r\nb"[..], b"a\0", b"\xc3\xa9"] {
            let read = parse("GET", target, &[(name, value)]);
            assert!(matches!(read, Err(RestError::Headers(HeaderError::Broken { .. }))));
        }
    }
    let new = |tail| RestRequest::new(Method::Get, service(SERVICE), tail, meta());
    for tail in [("a", None), ("/a?b", None), ("/a b", None), ("", Some("#"))] {
        assert_eq!(new(tail), Err(RestError::Target), "{tail:?}");
    }
}

#[test]
fn bodies_pass_for_three_methods_only() {
    let names = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
    let carried: Vec<_> = names
        .into_iter()
        .filter(|name| Method::parse(name).expect("a method").carries_body())
        .collect();
    assert_eq!(carried, ["PATCH", "POST", "PUT"]);
    for name in names {
        assert_eq!(Method::parse(name).expect("a method").as_str(), name);
    }
}

#[test]
fn headers_that_pass() {
    let all = [
        "Transfer-Encoding",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Upgrade",
        "Connection",
        "User-Agent",
        "Host",
        "Content-Length",
        "Server",
        "Expect",
        "X-Road-Request-Id",
        "X-Road-Request-Hash",
        "X-Road-Service",
        "X-Road-Error",
        "X-Road-Id",
        "X-Road-Client",
        "Authorization",
        "Content-Type",
        "X-Own",
    ];
    let all: Vec<Field<'_>> = all.into_iter().map(|name| (name, &b"1"[..])).collect();
    let names = |fields: Vec<Field<'static>>| fields.into_iter().map(|f| f.0).collect::<Vec<_>>();
    let requests = [
        "X-Road-Service",
        "X-Road-Error",
        "X-Road-Id",
        "X-Road-Client",
        "Authorization",
        "Content-Type",
        "X-Own",
    ];
    assert_eq!(names(passed_requests(&all)), requests);
    assert_eq!(names(passed_answers(&all)), ["Authorization", "Content-Type", "X-Own"]);
}

#[test]
fn what_a_provider_learns() {
    let arrived = Arrived {
        client: client("VN/GOV/H41.08/lgsp"),
        id: opaque("7"),
        request_id: Some(opaque("8")),
        user: None,
        issue: Some(opaque("9")),
        party: None,
    };
    let headers = arrived.headers();
    assert_eq!(Arrived::parse(&fields(&headers)), Ok(arrived));
    let without: Vec<_> = fields(&headers).into_iter().filter(|f| f.0 != "X-Road-Id").collect();
    let missing = HeaderError::Missing { name: "X-Road-Id".to_owned() };
    assert_eq!(Arrived::parse(&without), Err(RestError::Headers(missing)));
}

#[test]
fn evidence_of_an_answer() {
    let evidence = Evidence {
        id: opaque("7"),
        client: client("VN/GOV/H41.08/lgsp"),
        service: service(SERVICE),
        request_id: opaque("8"),
        request_hash: opaque("abc=="),
    };
    let headers = evidence.headers();
    assert_eq!(Evidence::parse(&fields(&headers)), Ok(evidence));
    for missing in 0..headers.len() {
        let mut rest = fields(&headers);
        let (name, _) = rest.remove(missing);
        let error = RestError::Headers(HeaderError::Missing { name: name.to_owned() });
        assert_eq!(Evidence::parse(&rest), Err(error));
    }
}
