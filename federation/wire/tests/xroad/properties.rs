//! What holds of any message: read after write is the same, and no octets panic.

use lgsp_wire::xroad::{
    Adapter, Arrived, ClientEntry, ClientId, Element, ErrorType, Evidence, Fault, Forward, Method,
    Place, RepresentedParty, RequestHash, RequestMeta, RestRequest, RestService, RestServiceId,
    SOAP_LIMITS, ServerId, ServiceEndpoint, ServiceKind, SoapBody, SoapFault, SoapHeader,
    SoapMessage, read_clients, read_rest_services, read_soap_services, write_clients_json,
    write_clients_xml, write_rest_services, write_soap_services,
};
use proptest::{collection::vec, option, prelude::*};

use crate::{
    fields,
    strategies::{carried, client, opaque, party, rest_service, server, service, soap_text},
};

fn meta() -> impl Strategy<Value = RequestMeta> {
    let texts = (option::of(opaque()), option::of(opaque()), option::of(opaque()));
    (client(), texts, option::of(server()), option::of(party())).prop_map(
        |(client, (id, user, issue), server, party)| RequestMeta {
            client,
            id,
            user,
            issue,
            server,
            party,
        },
    )
}

fn header() -> impl Strategy<Value = SoapHeader> {
    let id = soap_text().prop_filter("an identifier", |id| !id.as_str().is_empty());
    let hash = vec(any::<u8>(), 0..9).prop_map(|octets| RequestHash::of_request(&octets));
    let more = (
        option::of(server()),
        option::of(party()),
        option::of(soap_text()),
        option::of(soap_text()),
        option::of(hash),
    );
    (client(), service(), id, more).prop_map(
        |(client, service, id, (server, party, user, issue, hash))| {
            let mut header = SoapHeader::new(client, service, id).expect("an identifier");
            (header.server, header.party, header.user, header.issue, header.request_hash) =
                (server, party, user, issue, hash);
            header
        },
    )
}

fn entry() -> impl Strategy<Value = ClientEntry> {
    (client(), option::of(carried()), option::of(carried()))
        .prop_map(|(id, name, subsystem_name)| ClientEntry { id, name, subsystem_name })
}

fn rest() -> impl Strategy<Value = RestService> {
    let kind = prop_oneof![
        Just(ServiceKind::Rest),
        Just(ServiceKind::OpenApi),
        any::<String>().prop_map(|word| ServiceKind::parse(&word)),
    ];
    let endpoint = (any::<String>(), any::<String>())
        .prop_map(|(method, path)| ServiceEndpoint { method, path });
    (rest_service(), kind, vec(endpoint, 0..4)).prop_map(|(id, kind, endpoints)| RestService {
        id,
        kind,
        endpoints,
    })
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![Just(Place::Query), Just(Place::Header)]
}

/// Text that is nearly a message, so that it comes far into the parsers.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "<",
        ">",
        "/",
        "</",
        "/>",
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\">",
        "</e:Envelope>",
        "<e:Header>",
        "</e:Header>",
        "<e:Body>",
        "</e:Body>",
        "<e:Fault>",
        "</e:Fault>",
        "<a/>",
        "<error>",
        "</error>",
        "<type>",
        "</type>",
        "&amp;",
        "&x;",
        "&#",
        ";",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<!DOCTYPE a>",
        "<?xml version=\"1.0\"?>",
        "xmlns:x=",
        "'",
        "\"",
        "\u{feff}",
        "é",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"member\"",
        "\"service\"",
        "\"id\"",
        "\"type\"",
        "VN/GOV/a",
        "%2F",
        "/r1/",
        "?",
        "dstcode=",
        "VN:GOV:a",
        "&",
        "1",
        "a.b",
    ];
    let piece = proptest::sample::select(pieces.to_vec());
    prop_oneof![
        vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes()),
        vec(any::<u8>(), 0..80)
    ]
}

proptest! {
    #[test]
    fn identifiers_come_back(client in client(), rest in rest_service(), server in server(), party in party()) {
        prop_assert_eq!(ClientId::parse(&client.to_string()), Ok(client.clone()));
        prop_assert_eq!(RestServiceId::parse(&rest.to_string()), Ok(rest));
        prop_assert_eq!(ServerId::parse(&server.to_string()), Ok(server));
        prop_assert_eq!(RepresentedParty::parse(&party.to_string()), Ok(party));
        if let Some(text) = client.to_colons() {
            prop_assert_eq!(ClientId::parse_colons(&text), Ok(client));
        }
    }

    #[test]
    fn requests_come_back(service in rest_service(), tail in "(/[!-\"$->@-~]{0,20})?", query in option::of("[!-\"$-~]{0,20}"), meta in meta()) {
        let tail = (tail.as_str(), query.as_deref());
        let request = RestRequest::new(Method::Put, service, tail, meta).expect("a request");
        let headers = request.headers();
        let read = RestRequest::parse("PUT", &request.target(), &fields(&headers));
        prop_assert_eq!(read, Ok(request));
    }

    #[test]
    fn headers_come_back(meta in meta(), id in opaque(), service in rest_service(), hash in opaque()) {
        let RequestMeta { client, id: request_id, user, issue, party, .. } = meta;
        let arrived = Arrived { client: client.clone(), id: id.clone(), request_id, user, issue, party };
        prop_assert_eq!(Arrived::parse(&fields(&arrived.headers())), Ok(arrived));
        let evidence = Evidence { id: id.clone(), client, service, request_id: id, request_hash: hash };
        prop_assert_eq!(Evidence::parse(&fields(&evidence.headers())), Ok(evidence));
    }

    #[test]
    fn faults_come_back(kind in "[!-~]{0,20}[0-9A-Za-z][!-~]{0,19}", message in carried(), detail in carried(), xml: bool) {
        let kind = ErrorType::parse(&kind).expect("a type");
        let fault = Fault { kind, message, detail };
        let answer = fault.answer(xml.then_some("text/xml"));
        let read = Fault::of_answer(&fields(&answer.headers), &answer.body).expect("an answer");
        prop_assert_eq!(read.as_ref(), Some(&fault));
        prop_assert_eq!(Fault::of_body(&answer.body).expect("an error"), fault);
    }

    #[test]
    fn messages_come_back(header in header(), text in carried()) {
        let content = format!("<p:x xmlns:p='urn:p' y='1'><![CDATA[{}]]></p:x>", text.replace("]]>", ""));
        let message = SoapMessage::write(&header, &content).expect("a message");
        let read = SoapMessage::read(&message).expect("the same message");
        prop_assert_eq!(read.header.as_ref(), Some(&header));
        let SoapBody::Content(element) = read.body else { panic!("no content") };
        prop_assert_eq!(&message[element.span()], content.as_bytes());
    }

    #[test]
    fn soap_faults_come_back(header in option::of(header()), code in "[!-~]{1,40}", texts in vec(carried(), 2), detail in option::of(carried())) {
        let fault = SoapFault { code, message: texts[0].clone(), actor: texts[1].clone(), detail };
        let message = SoapMessage::write_fault(header.as_ref(), &fault);
        let read = SoapMessage::read(&message).expect("the same fault");
        prop_assert_eq!(read, SoapMessage { header, body: SoapBody::Fault(fault) });
    }

    #[test]
    fn lists_come_back(clients in vec(entry(), 0..4), services in vec(rest(), 0..4), soap in vec(service(), 0..4)) {
        prop_assert_eq!(&read_clients(&write_clients_json(&clients)).expect("a list"), &clients);
        prop_assert_eq!(&read_clients(&write_clients_xml(&clients)).expect("a list"), &clients);
        prop_assert_eq!(&read_rest_services(&write_rest_services(&services)).expect("a list"), &services);
        let content = write_soap_services("listMethods", &soap).expect("a method");
        let content = Element::parse(content.as_bytes(), SOAP_LIMITS).expect("XML");
        prop_assert_eq!(read_soap_services(&content).expect("a list"), soap);
    }

    #[test]
    fn forwards_come_back(client in client(), places in (place(), place()), path in "/[!-\"$->@-~]{0,20}", query in "[!-\"$-%'-<>-~]{0,9}(&[b-c]=[!-\"$-%'-~]{0,9})?", url in option::of("https?://[!-~]{1,20}")) {
        let Ok(mut call) = Forward::new(Adapter::Vxp, &path, (client, places.0)) else { return Ok(()) };
        if let Some(url) = url {
            call = call.with_provider_url(&url, places.1).expect("an address");
        }
        let call = call.with_query(&query).expect("a query");
        let built = call.build().expect("a call");
        prop_assert_eq!(Forward::parse(&built.target, &fields(&built.headers)), Ok(call));
    }

    #[test]
    fn no_octets_panic(body in nearly(), value in nearly()) {
        let _ = SoapMessage::read(&body);
        let _ = Fault::of_body(&body);
        let _ = read_clients(&body);
        let _ = read_rest_services(&body);
        let headers = ["X-Road-Client", "X-Road-Id", "X-Road-Error", "dstcode", "providerurl"];
        let all = headers.map(|name| (name, value.as_slice()));
        let _ = Fault::of_answer(&all, &body);
        let _ = Arrived::parse(&all);
        let _ = Evidence::parse(&all);
        if let Ok(target) = std::str::from_utf8(&body) {
            let _ = RestRequest::parse("GET", target, &all);
            let _ = RestRequest::parse("GET", &format!("/r1/{target}"), &all);
            let _ = Forward::parse(&format!("/XrdAdapter/RestService/forward/{target}"), &all);
            let _ = ClientId::parse(target);
            let _ = ClientId::parse_colons(target);
            if let Some(kind) = ErrorType::parse(target) {
                let _ = (kind.class(), kind.origin());
            }
        }
        if let Ok(element) = Element::parse(&body, SOAP_LIMITS) {
            prop_assert!(element.span().end <= body.len());
            let _ = SoapHeader::parse(&element);
            let _ = read_soap_services(&element);
        }
    }
}
