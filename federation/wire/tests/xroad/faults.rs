//! Errors in both spellings, and what they mean.

use lgsp_wire::{
    vxp::{Field, HeaderError},
    xroad::{Class, ErrorType, FAULT_OCTETS_MAX, Fault, FaultError, Origin, Retry, TYPE_MAX},
};

use crate::fields;

fn kind(text: &str) -> ErrorType {
    ErrorType::parse(text).expect("a type")
}

#[test]
fn each_row_of_the_table_in_both_spellings() {
    use Class::{
        Destination, Disabled, Evidence, Identity, Maintenance, Message, Protocol, Provider, Right,
        Server, Transport, Unknown, Version,
    };
    for (class, retry, types) in [
        (
            Transport,
            Retry::BackOff,
            &[
                "server.serverproxy.network_error",
                "Server.ServerProxy.NetworkError",
                "server.clientproxy.io_error",
                "Server.ClientProxy.IOError",
                "server.clientproxy.http_error",
                "Server.ClientProxy.HttpError",
                "server.clientproxy.unknown_host",
            ][..],
        ),
        (
            Provider,
            Retry::IfIdempotent,
            &[
                "server.serverproxy.service_failed",
                "Server.ServerProxy.ServiceFailed",
                "server.serverproxy.service_failed.http_error",
                "Server.ServerProxy.ServiceFailed.NetworkError",
                "server.clientproxy.service_failed.internal_error",
            ],
        ),
        (
            Maintenance,
            Retry::Later,
            &["server.clientproxy.maintenance_mode", "Server.ServerProxy.MaintenanceMode"],
        ),
        (
            Server,
            Retry::SlowlyWithAlarm,
            &[
                "server.clientproxy.global_conf_outdated",
                "Server.ClientProxy.OutdatedGlobalConf",
                "server.serverproxy.timestamping_failed",
                "Server.ServerProxy.TimestampingFailed",
                "server.serverproxy.logging_failed",
                "Server.ServerProxy.LoggingFailed",
                "signer.hsm_non_operational",
                "Signer.HSMNonOperational",
                "server.clientproxy.database_error",
                "Server.ClientProxy.DatabaseError",
                "server.clientproxy.internal_error",
                "Server.ClientProxy.InternalError",
            ],
        ),
        (
            Disabled,
            Retry::Never,
            &["server.serverproxy.service_disabled", "Server.ServerProxy.ServiceDisabled"],
        ),
        (
            Destination,
            Retry::Never,
            &[
                "server.clientproxy.unknown_member",
                "Server.ClientProxy.UnknownMember",
                "server.serverproxy.unknown_service",
                "Server.ServerProxy.UnknownService",
                "server.clientproxy.invalid_security_server",
                "Server.ClientProxy.InvalidSecurityServer",
                "server.serverproxy.service_missing_url",
                "Server.ServerProxy.ServiceMissingUrl",
                "server.serverproxy.service_malformed_url",
                "Server.ServerProxy.ServiceMalformedUrl",
            ],
        ),
        (
            Right,
            Retry::Never,
            &["server.serverproxy.access_denied", "Server.ServerProxy.AccessDenied"],
        ),
        (
            Identity,
            Retry::NeverWithAlarm,
            &[
                "server.clientproxy.ssl_authentication_failed",
                "Server.ClientProxy.SslAuthenticationFailed",
                "server.clientproxy.invalid_client_identifier",
                "Client.InvalidClientIdentifier",
            ],
        ),
        (
            Protocol,
            Retry::Never,
            &["server.serverproxy.service_type", "Server.ServerProxy.ServiceType"],
        ),
        (
            Message,
            Retry::Never,
            &[
                "server.clientproxy.invalid_request",
                "server.clientproxy.bad_request",
                "Server.ClientProxy.BadRequest",
                "client.invalid_http_method",
                "Client.InvalidHttpMethod",
                "client.invalid_content_type",
                "client.missing_header_field",
                "Client.MissingHeaderField",
                "client.duplicate_header_field",
                "client.invalid_soap",
                "Client.InvalidSoap",
                "client.invalid_soap_action",
                "Client.InvalidSoapAction",
            ],
        ),
        (
            Evidence,
            Retry::NeverWithAlarm,
            &[
                "server.clientproxy.inconsistent_response",
                "Server.ClientProxy.InconsistentResponse",
                "server.clientproxy.missing_signature",
                "server.clientproxy.invalid_signature_value",
                "server.clientproxy.signature_verification",
                "Server.ClientProxy.SignatureVerification",
                "server.clientproxy.signature_verification.cert_validation",
                "Server.ClientProxy.CertValidation",
            ],
        ),
        (
            Version,
            Retry::Never,
            &[
                "server.serverproxy.client_proxy_version_not_supported",
                "Server.ServerProxy.ClientProxyVersionNotSupported",
            ],
        ),
        (Unknown, Retry::Never, &["server.serverproxy.something_new", "soap:Server", "x"]),
    ] {
        for text in types {
            assert_eq!((kind(text).class(), kind(text).class().retry()), (class, retry), "{text}");
        }
    }
}

#[test]
fn who_speaks() {
    for (text, origin) in [
        ("server.clientproxy.x", Some(Origin::ConsumerServer)),
        ("Server.ServerProxy", Some(Origin::ProviderServer)),
        ("Server.ServerProxy.OpMonitor.InvalidRequest", Some(Origin::Monitor)),
        ("server.serverproxy.op_monitor.x", Some(Origin::Monitor)),
        ("Client.InvalidSoap", Some(Origin::Client)),
        ("signer.x", Some(Origin::Signer)),
        ("clients.x", None),
        ("server.serverproxyx", None),
        ("Server", None),
    ] {
        assert_eq!(kind(text).origin(), origin, "{text}");
    }
    for text in ["", "_", "._.", "a b", "a\n", "é", &"a".repeat(TYPE_MAX + 1)] {
        assert_eq!(ErrorType::parse(text), None, "{text:?}");
    }
}

fn fault() -> Fault {
    Fault {
        kind: kind("server.serverproxy.network_error"),
        message: "Không kết nối được <a & b>".to_owned(),
        detail: "7d7f3f80".to_owned(),
    }
}

#[test]
fn in_json_and_in_xml() {
    let json = r#"{"type":"server.serverproxy.network_error","message":"Không kết nối được <a & b>","detail":"7d7f3f80"}"#;
    for accept in [None, Some("application/json"), Some("*/*"), Some("text/plain, text/xmlx")] {
        let answer = fault().answer(accept);
        assert_eq!((answer.http, answer.body.as_slice()), (500, json.as_bytes()));
        let expected: [Field<'_>; 2] = [
            ("X-Road-Error", b"server.serverproxy.network_error"),
            ("Content-Type", b"application/json;charset=utf-8"),
        ];
        assert_eq!(fields(&answer.headers), expected);
        let read = Fault::of_answer(&expected, &answer.body).expect("an answer");
        assert_eq!(read, Some(fault()));
    }
    for accept in ["text/xml", "application/json;q=0.5, Application/XML ;q=0.9", "text/*"] {
        let answer = fault().answer(Some(accept));
        assert!(answer.body.ends_with(b"</detail></error>"), "{accept}");
        assert_eq!(Fault::of_body(&answer.body).expect("an error"), fault());
    }
    let mut mine = fault();
    mine.kind = kind("client.invalid_soap");
    assert_eq!(mine.answer(None).http, 400);
    mine.kind = kind("Server.ClientProxy.BadRequest");
    assert_eq!(mine.answer(None).http, 500);
    let odd = b"\xef\xbb\xbf <error xmlns=\"urn:x\"><detail/><more/><type> a.b </type></error>";
    let read = Fault::of_body(odd).expect("an error");
    assert_eq!((read.kind.as_str(), read.message.as_str(), read.detail.as_str()), ("a.b", "", ""));
    let odd = br#"{"message":null,"type":"a.b","new":{}}"#;
    assert_eq!(Fault::of_body(odd).expect("an error").kind.as_str(), "a.b");
}

#[test]
fn the_header_decides() {
    let header: [Field<'_>; 1] = [("x-road-error", b"server.clientproxy.bad_request")];
    for body in [&b""[..], b"<html>", b"{", b"{\"type\":1.5}", b"\xff"] {
        let read = Fault::of_answer(&header, body).expect("an answer").expect("a fault");
        assert_eq!(
            (read.kind.as_str(), read.message.as_str()),
            ("server.clientproxy.bad_request", "")
        );
    }
    // An error of the provider that looks like one of X-Road.
    let provider = fault().answer(None).body;
    assert_eq!(
        Fault::of_answer(&[("Content-Type", b"application/json")], &provider).expect("no"),
        None
    );
    for value in [&b""[..], b"a b"] {
        let read = Fault::of_answer(&[("X-Road-Error", value)], b"");
        assert!(matches!(read, Err(FaultError::Type)));
    }
    let read = Fault::of_answer(&[("X-Road-Error", b"a\r\nb")], b"");
    assert!(matches!(read, Err(FaultError::Headers(HeaderError::Broken { at: 1, .. }))));
}

#[test]
fn bodies_that_cannot_be_read() {
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"[\"a\",\"b\",\"c\"]",
        b"{}",
        b"{\"type\":\"\"}",
        b"{\"type\":\"a\",\"type\":\"b\"}",
        b"{\"type\":null}",
    ] {
        assert!(matches!(Fault::of_body(body), Err(FaultError::Json(_))), "{body:?}");
    }
    for body in [
        &b"<error>"[..],
        b"<error></type></error>",
        b"<!DOCTYPE error []><error/>",
        b"<error><type>&x;</type></error>",
    ] {
        assert!(matches!(Fault::of_body(body), Err(FaultError::Xml(_))), "{body:?}");
    }
    for body in [&b"<html/>"[..], b"<error/>", b"<error><a><type>x</type></a></error>"] {
        assert!(matches!(Fault::of_body(body), Err(FaultError::NoError)), "{body:?}");
    }
    assert!(matches!(Fault::of_body(b"<error><type/></error>"), Err(FaultError::Type)));
    assert!(matches!(Fault::of_body(b"{\"type\":\"a b\"}"), Err(FaultError::Type)));
    assert!(matches!(Fault::of_body(&vec![b' '; FAULT_OCTETS_MAX + 1]), Err(FaultError::TooLong)));
}
