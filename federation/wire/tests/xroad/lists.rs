//! Lists of clients and services, in each of their shapes.

use lgsp_wire::xroad::{
    CLIENTS_LIMITS, ClientEntry, ENDPOINTS_MAX, MetadataError, RestService, ServiceEndpoint,
    ServiceId, ServiceKind, SoapBody, SoapHeader, SoapMessage, SoapText, clients_target,
    parse_clients_target, read_clients, read_rest_services, read_soap_services, wants_clients_json,
    write_clients_json, write_clients_xml, write_rest_services, write_soap_services,
};

use crate::{client, part, service};

fn clients() -> Vec<ClientEntry> {
    vec![
        ClientEntry {
            id: client("VN/GOV/000.00.00.H41"),
            name: Some("UBND tỉnh Nghệ An".to_owned()),
            subsystem_name: None,
        },
        ClientEntry {
            id: client("VN/GOV/000.00.00.H41/lgsp"),
            name: Some("UBND tỉnh <Nghệ An>".to_owned()),
            subsystem_name: Some("LGSP".to_owned()),
        },
        ClientEntry { id: client("VN/COM/0106001236"), name: None, subsystem_name: None },
    ]
}

#[test]
fn clients_in_json() {
    let json = r#"{"member":[
        {"id":{"member_class":"GOV","member_code":"000.00.00.H41","object_type":"MEMBER","xroad_instance":"VN"},"name":"UBND tỉnh Nghệ An"},
        {"id":{"memberClass":"GOV","memberCode":"000.00.00.H41","subsystemCode":"lgsp","objectType":"SUBSYSTEM","xRoadInstance":"VN"},"name":"UBND tỉnh <Nghệ An>","subsystemName":"LGSP","new":1},
        {"id":{"member_class":"COM","member_code":"0106001236","xroad_instance":"VN"},"name":null}]}"#;
    assert_eq!(read_clients(json.as_bytes()).expect("a list"), clients());
    assert_eq!(read_clients(&write_clients_json(&clients())).expect("a list"), clients());
    assert_eq!(read_clients(br#"{"member":[]}"#).expect("an empty list"), []);
}

#[test]
fn clients_in_xml() {
    let xml = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<ns2:clientList xmlns:ns1="http://x-road.eu/xsd/identifiers" xmlns:ns2="http://x-road.eu/xsd/xroad.xsd">
    <ns2:member>
        <ns2:id ns1:objectType="MEMBER"><ns1:xRoadInstance>VN</ns1:xRoadInstance><ns1:memberClass>GOV</ns1:memberClass><ns1:memberCode>000.00.00.H41</ns1:memberCode></ns2:id>
        <ns2:name>UBND tỉnh Nghệ An</ns2:name>
    </ns2:member>
    <ns2:member>
        <ns2:id ns1:objectType="SUBSYSTEM">
            <ns1:xRoadInstance>VN</ns1:xRoadInstance>
            <ns1:memberClass>GOV</ns1:memberClass>
            <ns1:memberCode> 000.00.00.H41 </ns1:memberCode>
            <ns1:subsystemCode>lgsp</ns1:subsystemCode>
        </ns2:id>
        <ns2:name>UBND tỉnh &lt;Nghệ An&gt;</ns2:name>
        <ns2:subsystemName>LGSP</ns2:subsystemName>
    </ns2:member>
    <ns2:member><ns2:id ns1:objectType="MEMBER"><ns1:xRoadInstance>VN</ns1:xRoadInstance><ns1:memberClass>COM</ns1:memberClass><ns1:memberCode>0106001236</ns1:memberCode></ns2:id></ns2:member>
</ns2:clientList>"#;
    assert_eq!(read_clients(xml.as_bytes()).expect("a list"), clients());
    assert_eq!(read_clients(&write_clients_xml(&clients())).expect("a list"), clients());
    assert_eq!(read_clients(&write_clients_xml(&[])).expect("an empty list"), []);
}

#[test]
fn clients_that_cannot_be_read() {
    use MetadataError::{Empty, Entry, Json, NoList, TooLong, Xml};
    assert!(matches!(read_clients(b" \n"), Err(Empty)));
    assert!(matches!(read_clients(&vec![b' '; CLIENTS_LIMITS.octets_max + 1]), Err(TooLong)));
    for body in [
        "{",
        "[]",
        "{}",
        r#"{"member":null}"#,
        r#"{"member":{}}"#,
        r#"{"member":[{}]}"#,
        r#"{"member":[[]]}"#,
        r#"{"member":[{"id":{"member_class":"GOV"}}]}"#,
        r#"{"service":[]}"#,
    ] {
        assert!(matches!(read_clients(body.as_bytes()), Err(Json(_))), "{body}");
    }
    for body in ["<html>", "<!DOCTYPE html><html></html>", "<a>&x;</a>"] {
        assert!(matches!(read_clients(body.as_bytes()), Err(Xml(_))), "{body}");
    }
    for body in ["<html/>", "<clientList/>", "<a:clientList xmlns:a='urn:a'/>"] {
        assert!(matches!(read_clients(body.as_bytes()), Err(NoList { .. })), "{body}");
    }
    let json = String::from_utf8(write_clients_json(&clients())).expect("UTF-8");
    for (from, to) in [
        (r#""SUBSYSTEM""#, r#""MEMBER""#),
        (r#""SUBSYSTEM""#, r#""SERVER""#),
        (r#""subsystem_code":"lgsp""#, r#""subsystem_code":"""#),
        (r#""subsystem_code":"lgsp""#, r#""subsystem_code":"\u0000""#),
        (r#""subsystem_code":"lgsp","#, ""),
        (r#","subsystem_code":"lgsp""#, ""),
    ] {
        if !json.contains(from) {
            continue;
        }
        let changed = json.replacen(from, to, 1);
        assert!(matches!(read_clients(changed.as_bytes()), Err(Entry { index: 1, .. })), "{to}");
    }
    let xml = String::from_utf8(write_clients_xml(&clients())).expect("UTF-8");
    for (from, to) in [
        ("\"SUBSYSTEM\"", "\"MEMBER\""),
        ("lgsp", "."),
        ("<id:subsystemCode>lgsp</id:subsystemCode>", ""),
    ] {
        let changed = xml.replacen(from, to, 1);
        assert!(matches!(read_clients(changed.as_bytes()), Err(Entry { index: 1, .. })), "{to}");
    }
}

fn services() -> Vec<RestService> {
    let endpoint = |method: &str, path: &str| ServiceEndpoint {
        method: method.to_owned(),
        path: path.to_owned(),
    };
    vec![
        RestService {
            id: service("VN/GOV/G22/dvc/hoso"),
            kind: ServiceKind::OpenApi,
            endpoints: vec![endpoint("GET", "/hoso/*"), endpoint("*", "/**")],
        },
        RestService {
            id: service("VN/GOV/G22/dvc/cu"),
            kind: ServiceKind::Rest,
            endpoints: vec![],
        },
    ]
}

#[test]
fn services_of_rest() {
    let example = br#"{"service":[{"member_class":"GOV","member_code":"G22","object_type":"SERVICE","service_code":"hoso","service_type":"OPENAPI","subsystem_code":"dvc","xroad_instance":"VN","endpoint_list":[{"method":"GET","path":"/hoso/*"},{"method":"*","path":"/**"}]},{"member_class":"GOV","member_code":"G22","object_type":"SERVICE","service_code":"cu","service_type":"REST","subsystem_code":"dvc","xroad_instance":"VN","endpoint_list":[]}]}"#;
    assert_eq!(read_rest_services(example).expect("a list"), services());
    assert_eq!(write_rest_services(&services()), example);
    let annex = br#"{"member":[{"memberClass":"GOV","memberCode":"G22","objectType":{"object_type":"SERVICE"},"serviceCode":"hoso","serviceType":"OPENAPI","subsystemCode":"dvc","xRoadInstance":"VN","endpointList":{"member":[{"method":"GET","path":"/hoso/*"},{"method":"*","path":"/**"}]}},{"memberClass":"GOV","memberCode":"G22","serviceCode":"cu","serviceType":"REST","subsystemCode":"dvc","xRoadInstance":"VN"}]}"#;
    assert_eq!(read_rest_services(annex).expect("a list"), services());
    for body in [
        &b"{}"[..],
        b"{\"service\":null}",
        b"{\"service\":[{}]}",
        b"{\"service\":[],\"member\":[]}",
        b"[[]]",
    ] {
        assert!(matches!(read_rest_services(body), Err(MetadataError::Json(_))), "{body:?}");
    }
    assert!(matches!(read_rest_services(b"<html/>"), Err(MetadataError::NoList { .. })));
    assert!(matches!(read_rest_services(b""), Err(MetadataError::Empty)));
    let mut many = services();
    many[1].endpoints = vec![services()[0].endpoints[0].clone(); ENDPOINTS_MAX];
    assert!(read_rest_services(&write_rest_services(&many)).is_ok());
    many[1].endpoints.push(services()[0].endpoints[0].clone());
    let read = read_rest_services(&write_rest_services(&many));
    assert!(matches!(read, Err(MetadataError::Entry { index: 1, .. })));
    assert_eq!(ServiceKind::parse("WSDL"), ServiceKind::Other("WSDL".to_owned()));
}

#[test]
fn services_of_soap() {
    let of = |provider: &str, version: Option<&str>| ServiceId {
        provider: client(provider),
        code: part("traCuu"),
        version: version.map(part),
    };
    let all = [of("VN/GOV/G22/dvc", Some("v1")), of("VN/GOV/G22", None)];
    let mut called = of("VN/GOV/G22/dvc", None);
    for method in ["listMethods", "allowedMethods"] {
        called.code = part(method);
        let id = SoapText::parse("7").expect("a text");
        let header = SoapHeader::new(client("VN/GOV/H41"), called.clone(), id).expect("a header");
        let content = write_soap_services(method, &all).expect("a method");
        let message = SoapMessage::write(&header, &content).expect("a message");
        let read = SoapMessage::read(&message).expect("a message");
        assert!(read.is_answer());
        let SoapBody::Content(content) = read.body else { panic!() };
        assert_eq!(read_soap_services(&content).expect("a list"), all);
        let request = SoapMessage::write(&header, "<x/>").expect("a message");
        let SoapBody::Content(other) = SoapMessage::read(&request).expect("a message").body else {
            panic!()
        };
        assert!(matches!(read_soap_services(&other), Err(MetadataError::NoList { .. })));
    }
    assert_eq!(write_soap_services("getWsdl", &all), None);
}

#[test]
fn the_whole_nation_fits() {
    let entry = |n: u32| ClientEntry {
        id: client(&format!("VN/GOV/000.{:02}.{:02}.H{:02}/lgsp", n % 97, n % 89, n % 83)),
        name: Some(format!("Uỷ ban nhân dân xã số {n} huyện cũ, nay thuộc tỉnh Nghệ An")),
        subsystem_name: Some(format!("Hệ thống quản lý văn bản và điều hành số {n}")),
    };
    // As many bodies as the directory of documents had in October 2025.
    let all: Vec<_> = (0..111_339).map(entry).collect();
    let read = read_clients(&write_clients_xml(&all)).expect("a list");
    assert_eq!(read.len(), all.len());
}

#[test]
fn clients_are_asked_for() {
    assert_eq!(clients_target(None), "/listClients");
    assert_eq!(clients_target(Some(&part("VN & x"))), "/listClients?xRoadInstance=VN+%26+x");
    for (target, instance) in [
        ("/listClients", None),
        ("/listClients?", None),
        ("/listClients?a=b", None),
        ("/listClients?a=b&xRoadInstance=VN", Some(part("VN"))),
        ("/listClients?xRoadInstance=VN+%26+x", Some(part("VN & x"))),
    ] {
        assert_eq!(parse_clients_target(target), Some(Ok(instance)), "{target}");
    }
    for target in ["", "/", "/listclients", "/listClients/", "/r1/listClients"] {
        assert_eq!(parse_clients_target(target), None, "{target}");
    }
    for target in
        ["/listClients?xRoadInstance=", "/listClients?xRoadInstance=%00", "/listClients?a=%"]
    {
        assert!(matches!(parse_clients_target(target), Some(Err(_))), "{target}");
    }
    assert!(wants_clients_json(Some(" Application/JSON ")));
    for accept in [None, Some(""), Some("*/*"), Some("text/xml, application/json")] {
        assert!(!wants_clients_json(accept), "{accept:?}");
    }
}
