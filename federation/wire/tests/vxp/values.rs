//! Parameters that are missing, wrong or foreign, in calls whose signature is right.

use lgsp_wire::vxp::{
    CODE_MAX, Call, Code, EXTRA_MAX, Endpoint, Extra, HEADER_OCTETS_MAX, MessageType, Opaque,
    PARAMETER_MAX, Request, RequestError, Secret, Sending, ServiceType, Unverified,
};
use model::Moment;

use crate::secret;

/// Signs any parameters by hand, as a peer of ours might, and reads the call.
fn read(endpoint: Endpoint, pairs: &[(&str, &str)], body: &[u8]) -> Result<Request, RequestError> {
    use hmac::{Hmac, KeyInit, Mac};
    let names: Vec<_> = pairs.iter().map(|pair| pair.0).collect();
    let json = |(name, value): &(&str, &str)| {
        format!("\"XroadVnpt-{name}\":{}", serde_json::Value::from(*value))
    };
    let json = format!("{{{}}}", pairs.iter().map(json).collect::<Vec<_>>().join(","));
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret().expose().as_bytes()).expect("a key");
    let hash = hex::encode(mac.chain_update(&json).finalize().into_bytes());
    let mut headers: Vec<(String, String)> = pairs
        .iter()
        .map(|(name, value)| (format!("XroadVnpt-{name}"), (*value).to_owned()))
        .collect();
    headers.push(("XroadVnpt-sign-header".to_owned(), json));
    headers.push(("XroadVnpt-sign-header-key".to_owned(), names.join(";")));
    headers.push(("XroadVnpt-hash-header".to_owned(), hash));
    let fields: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    let verified = Unverified::read(&fields).expect("headers").verify(&secret()).expect("signed");
    Request::parse(endpoint, &verified, body)
}

const AT: (&str, &str) = ("timestamp", "22112026T150823+0100");
const WHO: (&str, &str) = ("systemid", "H41.08");

fn code(text: &str) -> Code {
    Code::parse(text).expect("a code")
}

#[test]
fn each_parameter_is_demanded_and_checked() {
    let sound = [
        WHO,
        AT,
        ("servicetype", "eDoc"),
        ("messagetype", "edoc"),
        ("hash-file", "ab"),
        ("from", "H41.08"),
        ("to", r#"["H41.101","vxp.saas.03"]"#),
    ];
    let request = read(Endpoint::SendEdoc, &sound, b"anything").expect("a sound call");
    let Call::SendEdoc(sending) = &request.call else { panic!("{request:?}") };
    assert_eq!(sending.to.as_deref(), Some(&[code("H41.101"), code("vxp.saas.03")][..]));
    for missing in 0..6 {
        let mut pairs = sound.to_vec();
        let (name, _) = pairs.remove(missing);
        let error = read(Endpoint::SendEdoc, &pairs, b"").expect_err(name);
        assert!(matches!(error, RequestError::Missing { name: found } if found == name), "{name}");
    }
    let long = "H".repeat(CODE_MAX + 1);
    let too_long = "a".repeat(PARAMETER_MAX + 1);
    for (name, value) in [
        ("systemid", ""),
        ("systemid", "H41 08"),
        ("systemid", &long),
        ("from", &long),
        ("from", "H41/08"),
        ("timestamp", "31022026T150823+0100"),
        ("timestamp", "22112026T150823+1000"),
        ("timestamp", "now"),
        ("servicetype", "edoc"),
        ("messagetype", "eDoc"),
        ("messagetype", ""),
        ("hash-file", ""),
        ("hash-file", &too_long),
        ("to", "H41.101"),
        ("to", "[1]"),
        ("to", r#"["H41/101"]"#),
        ("to", "{}"),
    ] {
        let mut pairs = sound.to_vec();
        pairs.iter_mut().filter(|pair| pair.0 == name).for_each(|pair| pair.1 = value);
        let error = read(Endpoint::SendEdoc, &pairs, b"").expect_err(value);
        assert!(matches!(&error, RequestError::Wrong { name: n, .. } if n == name), "{error}");
    }
    let pages =
        |value| [WHO, AT, ("servicetype", "eDoc"), ("messagetype", "edoc"), ("pageSize", value)];
    assert!(read(Endpoint::ReceivedEdocList, &pages("4294967295"), b"").is_ok());
    for value in ["", "+1", "-1", "1.0", "4294967296", "x"] {
        assert!(read(Endpoint::ReceivedEdocList, &pages(value), b"").is_err(), "{value}");
    }
    for value in ["initial", "DONE", ""] {
        let pairs = [WHO, AT, ("docId", "1"), ("status", value)];
        assert!(read(Endpoint::UpdateStatus, &pairs, b"{}").is_err(), "{value}");
    }
}

#[test]
fn codes_up_to_their_limit() {
    for text in ["H41", "000.00.00.H41", "vxp.saas.03", "001.00.20.TT2", &"H".repeat(CODE_MAX)] {
        assert_eq!(Code::parse(text).map(String::from).as_deref(), Some(text));
    }
    for text in ["", " H41", "H41;G22", "Đ", "H41\n", &"H".repeat(CODE_MAX + 1)] {
        assert_eq!(Code::parse(text), None, "{text}");
    }
    assert!(Opaque::parse(&"a".repeat(PARAMETER_MAX)).is_some());
    for text in ["", " a", "a ", "a\tb", "a\r\nb: c", "á", "a\0", &"a".repeat(PARAMETER_MAX + 1)] {
        assert_eq!(Opaque::parse(text), None, "{text:?}");
    }
}

#[test]
fn parameters_of_earlier_calls_leak() {
    let pairs = [WHO, ("messagetype", "edoc"), ("docId", "7"), ("docid", "7"), AT, ("x", "y")];
    let request = read(Endpoint::GetEdoc, &pairs, b"{}").expect("a sound call");
    let opaque = |text| Opaque::parse(text).expect("a value");
    assert_eq!(request.call, Call::GetEdoc(opaque("7"), None));
    let extra: Vec<_> =
        request.extra.iter().map(|one| (one.name(), one.value().as_str())).collect();
    assert_eq!(extra, [("messagetype", "edoc"), ("x", "y")]);
    let names: Vec<_> = (0..=EXTRA_MAX).map(|n| format!("p{n}")).collect();
    let mut pairs = vec![WHO, AT];
    pairs.extend(names[1..].iter().map(|name| (name.as_str(), "1")));
    assert!(read(Endpoint::SynchronizeUnit, &pairs, b"").is_ok());
    pairs.push((names[0].as_str(), "1"));
    let error = read(Endpoint::SynchronizeUnit, &pairs, b"").expect_err("one too many");
    assert!(matches!(error, RequestError::TooMany));
}

#[test]
fn bodies_that_do_not_belong() {
    for body in [&b""[..], b"{}", b"\r\n", b" {} \n"] {
        assert!(read(Endpoint::SynchronizeUnit, &[WHO, AT], body).is_ok());
    }
    for body in [&b"x"[..], b"{\"a\":1}", b"{}{}", b"\0"] {
        let read = read(Endpoint::SynchronizeUnit, &[WHO, AT], body);
        assert!(matches!(read, Err(RequestError::Body)), "{body:?}");
    }
    let sound = br#"{"code":"H41.16","name":"S","new":[1]}"#;
    assert!(read(Endpoint::RegisterAgency, &[WHO, AT], sound).is_ok());
    let long = format!(r#"{{"code":"H41.16","name":"{}"}}"#, "S".repeat(64 << 10));
    for body in [
        &b""[..],
        b"{}",
        b"[]",
        b"<html>",
        br#"{"code":"H41/16","name":"S"}"#,
        br#"{"code":"","name":"S"}"#,
        br#"{"code":"H41","code":"H42","name":"S"}"#,
        br#"{"code":"H41"}"#,
        br#"["","H41","H41.16","S","","",""]"#,
        b"{\"code\":\"H41\",\"name\":\"\xff\"}",
        long.as_bytes(),
    ] {
        let read = read(Endpoint::RegisterAgency, &[WHO, AT], body);
        assert!(matches!(read, Err(RequestError::Registration(_))), "{read:?}");
    }
}

fn request(call: Call) -> Request {
    Request { system: code("H41.08"), at: Moment(0), call, extra: Vec::new() }
}

#[test]
fn calls_that_cannot_be_sent() {
    fn extra(name: &str) -> Option<Extra> {
        Extra::new(name, Opaque::parse("1").expect("a value"))
    }
    for name in ["", "a b", "a:b", "a\r\nb", "á", &"n".repeat(65)] {
        assert_eq!(extra(name), None, "{name}");
    }
    for name in ["systemid", "TIMESTAMP", "docid", "content-type", "Sign-Header", "version"] {
        let mut request = request(Call::DownloadEdoc(Opaque::parse("1").expect("a value")));
        request.extra = extra(name).into_iter().collect();
        let error = request.build(&secret()).expect_err(name);
        assert!(matches!(error, RequestError::Twice { name: found } if found == name));
    }
    let mut many = request(Call::SynchronizeUnit);
    many.extra = (0..=EXTRA_MAX).filter_map(|n| extra(&format!("p{n}"))).collect();
    assert!(matches!(many.build(&secret()), Err(RequestError::TooMany)));
    let send = |count: usize| {
        let to = Some(vec![code(&"H".repeat(CODE_MAX)); count]);
        let (service, kind) = (ServiceType::Document, MessageType::Document);
        let hash_file = Opaque::parse("ab").expect("a value");
        let from = code("H41.08");
        request(Call::SendEdoc(Sending { service, kind, hash_file, from, to })).build(&secret())
    };
    // In the signed JSON each receiver takes 69 octets more two, since its quotes are escaped.
    let most = HEADER_OCTETS_MAX / (CODE_MAX + 5);
    assert!(send(most - 10).is_ok());
    let error = send(most).expect_err("the signed JSON is too long");
    assert!(matches!(error, RequestError::TooLong { name } if name == "XroadVnpt-sign-header"));
}

#[test]
fn secrets_and_values_print_as_nothing() {
    let secret = Secret::new("c2VjcmV0");
    assert_eq!(format!("{secret:?}"), "Secret");
    let built = request(Call::SynchronizeUnit).build(&secret).expect("a sound call");
    let printed = format!("{built:?}");
    assert!(printed.contains("XroadVnpt-hash-header"), "{printed}");
    for header in &built.headers {
        assert!(!printed.contains(header.value()) || header.value().len() < 5, "{printed}");
    }
}
