//! The adapter of the Government Office.

use lgsp_wire::{
    vxp::{Field, HeaderError},
    xroad::{Adapter, ClientId, FORWARD_TARGET_MAX, Forward, ForwardError, Place},
};

use crate::{client, fields};

const CODE: &str = "VN:GOV:000.00.00.G22:vpcpdvcprovider";
const URL: &str = "http://10.0.0.1:8080/mapi?x=1";

fn destination() -> ClientId {
    ClientId::parse_colons(CODE).expect("a destination")
}

fn call(code_in: Place, url_in: Place) -> Forward {
    let call = Forward::new(Adapter::Xrd, "/mapi/login", (destination(), code_in)).expect("a call");
    call.with_provider_url(URL, url_in)
        .expect("an address")
        .with_query("a=b%20c&d")
        .expect("a query")
}

#[test]
fn as_it_is_sent() {
    let built = call(Place::Query, Place::Query).build().expect("a call");
    let target = "/XrdAdapter/RestService/forward/mapi/login?dstcode=VN:GOV:000.00.00.G22:vpcpdvcprovider&providerurl=http://10.0.0.1:8080/mapi%3Fx%3D1&a=b%20c&d";
    assert_eq!(built.target, target);
    let always: [Field<'_>; 3] = [
        ("Accept", b"application/json"),
        ("Content-Type", b"application/json"),
        ("Charset", b"utf-8"),
    ];
    assert_eq!(fields(&built.headers), always);
    let built = call(Place::Header, Place::Header).build().expect("a call");
    assert_eq!(built.target, "/XrdAdapter/RestService/forward/mapi/login?a=b%20c&d");
    assert_eq!(
        fields(&built.headers)[3..],
        [("dstcode", CODE.as_bytes()), ("providerurl", URL.as_bytes())]
    );
    let bare = Forward::new(Adapter::Vxp, "/", (destination(), Place::Header)).expect("a call");
    assert_eq!(bare.build().expect("a call").target, "/VXPAdapter/RestService/forward/");
}

#[test]
fn as_it_comes() {
    for code_in in [Place::Query, Place::Header] {
        for url_in in [Place::Query, Place::Header] {
            let built = call(code_in, url_in).build().expect("a call");
            let read = Forward::parse(&built.target, &fields(&built.headers)).expect("a call");
            assert_eq!(read, call(code_in, url_in));
            assert_eq!(read.destination(), (&destination(), code_in));
            assert_eq!(read.provider_url(), Some((URL, url_in)));
            assert_eq!((read.path(), read.query()), ("/mapi/login", "a=b%20c&d"));
        }
    }
    // As real clients write it: nothing encoded, or everything; the provider's own query before it.
    for target in [
        "/XrdAdapter/RestService/forward/x?a=1&dstcode=VN:GOV:000.00.00.G22:vpcpdvcprovider",
        "/XrdAdapter/RestService/forward/x?dstcode=VN%3AGOV%3a000.00.00.G22%3Avpcpdvcprovider&a=1",
    ] {
        let read = Forward::parse(target, &[]).expect("a call");
        assert_eq!((read.destination().0, read.query()), (&destination(), "a=1"));
        let both = Forward::parse(target, &[("DstCode", CODE.as_bytes())]).expect("the same twice");
        assert_eq!(both, read);
    }
}

#[test]
fn wrong_ones() {
    let code: Field<'_> = ("dstcode", CODE.as_bytes());
    let parse = |target: &str| Forward::parse(target, &[code]);
    for target in [
        "",
        "/",
        "/XrdAdapter/RestService/forward",
        "/XrdAdapter/RestService/forwarder/x",
        "/xrdadapter/RestService/forward/x",
        "/Other/RestService/forward/x",
        "/XrdAdapter/RestService/x",
    ] {
        assert_eq!(parse(target), Err(ForwardError::Path), "{target}");
    }
    let root = "/XrdAdapter/RestService/forward/x";
    for tail in ["/a b", "/é", "/a\r\nb", "/#", "?a b", "?a#", "?dstcode=%", "?dstcode=%FF"] {
        assert_eq!(parse(&format!("{root}{tail}")), Err(ForwardError::Target), "{tail}");
    }
    assert_eq!(
        parse(&format!("{root}{}", "a".repeat(FORWARD_TARGET_MAX))),
        Err(ForwardError::Target)
    );
    assert_eq!(Forward::parse(root, &[]), Err(ForwardError::Missing));
    for value in ["", "VN", "VN:GOV", "VN:GOV:a:b:c", "VN/GOV/a"] {
        let read = Forward::parse(root, &[("dstcode", value.as_bytes())]);
        assert!(matches!(read, Err(ForwardError::Destination(_))), "{value}");
    }
    let twice = ForwardError::Twice { name: "dstcode" };
    assert_eq!(parse(&format!("{root}?dstcode=VN:GOV:a")), Err(twice.clone()));
    let target = format!("{root}?dstcode={CODE}&dstcode=VN:GOV:a");
    assert_eq!(Forward::parse(&target, &[]), Err(twice.clone()));
    let read = Forward::parse(root, &[code, ("dstcode", b"VN:GOV:a")]);
    assert!(matches!(read, Err(ForwardError::Headers(HeaderError::Repeated { .. }))));
    let read = Forward::parse(root, &[("dstcode", b"VN:GOV:a\r\nb")]);
    assert!(matches!(read, Err(ForwardError::Headers(HeaderError::Broken { .. }))));
    for url in ["", "ftp://a", "http://", "file:///etc/passwd", "javascript:1", "http://a b", "//a"]
    {
        let read = Forward::parse(root, &[code, ("providerurl", url.as_bytes())]);
        assert_eq!(read, Err(ForwardError::ProviderUrl), "{url}");
    }
    let new = |path, id, place| Forward::new(Adapter::Xrd, path, (id, place));
    assert_eq!(new("x", destination(), Place::Query), Err(ForwardError::Target));
    assert_eq!(new("/x?y", destination(), Place::Query), Err(ForwardError::Target));
    let colon = client("VN/GOV/a%3Ab");
    assert!(matches!(new("/x", colon, Place::Query), Err(ForwardError::Destination(_))));
    let accent = client("VN/GOV/%C3%A9");
    assert!(new("/x", accent.clone(), Place::Query).is_ok());
    assert!(matches!(new("/x", accent, Place::Header), Err(ForwardError::Destination(_))));
    let own = call(Place::Query, Place::Query).with_query("a=1&dstcode=x");
    assert_eq!(own, Err(twice));
    let long = call(Place::Query, Place::Query).with_query(&"a".repeat(FORWARD_TARGET_MAX));
    assert_eq!(long.expect("a query").build(), Err(ForwardError::Target));
}
