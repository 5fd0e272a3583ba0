//! Every captured call is read to the values that a person reads in it, and built again octet for octet.

use lgsp_wire::vxp::{
    Acknowledgement, Call, Code, Endpoint, MessageType, Opaque, Registration, Request, Sending,
    Sent, ServiceType, Unverified, Waiting,
};
use model::Moment;

use crate::{Captured, all, secret};

const DOCUMENT: &str = "8af226c8-7cde-4fbe-88fe-e15a768b49cb";
/// What the HTTP client of the SDK adds, in its order; nothing of it is ours.
const TRANSPORT: [&str; 9] = [
    "Content-Length",
    "Cache-Control",
    "Pragma",
    "Host",
    "Accept",
    "Connection",
    "Expect",
    "Accept-Encoding",
    "Content-Length",
];

fn code(text: &str) -> Code {
    Code::parse(text).expect("a code")
}

fn opaque(text: &str) -> Opaque {
    Opaque::parse(text).expect("a value")
}

fn sending(kind: MessageType, hash: &str) -> Call {
    let (service, hash_file) = (ServiceType::Document, opaque(hash));
    Call::SendEdoc(Sending { service, kind, hash_file, from: code("H41.08"), to: None })
}

/// The moment of each file, in milliseconds since 1970, and what it asks.
fn expected(file: &str) -> (u64, Call) {
    let service = ServiceType::Document;
    let kind = MessageType::Document;
    match file {
        "01" => (1_795_334_903_100, Call::AgenciesList(None)),
        "02" => (1_795_334_904_957, Call::AgenciesListQd20(1)),
        "03" => (1_795_334_906_031, Call::SynchronizeUnit),
        "04" => (
            1_795_334_907_217,
            Call::RegisterAgency(Registration {
                id: String::new(),
                pcode: "H41".to_owned(),
                code: code("H41.16"),
                name: "Sở thử nghiệm".to_owned(),
                mail: "t@example.vn".to_owned(),
                mobile: String::new(),
                fax: String::new(),
            }),
        ),
        "05" => (1_795_334_909_222, Call::DeleteAgency(code("H41.16"))),
        "06" => {
            let hash = "2d918ad1a6d1571df30e60816632d3e94e6359c878cb3cda983fafd4c1ef88";
            (1_795_334_910_580, sending(MessageType::Document, hash))
        }
        "07" => {
            let hash = "37498da66fd7e6341d48d9f1ec8ac4c3fa337c2bf5a64a2cc1ef851913e1b9";
            (1_795_334_911_076, sending(MessageType::Status, hash))
        }
        "08" => (1_795_334_911_489, Call::ReceivedEdocList(Waiting::all(service, kind))),
        "09" => (1_795_340_366_151, Call::GetEdoc(opaque(DOCUMENT), Some(opaque("xml")))),
        "10" => (1_795_334_915_470, Call::UpdateStatus(opaque(DOCUMENT), Acknowledgement::Done)),
        "11" => (
            1_795_334_916_964,
            Call::SentEdocList(Sent { service, kind, document: opaque(DOCUMENT) }),
        ),
        _ => unreachable!("every file is in the list"),
    }
}

fn endpoint(call: &Captured) -> Endpoint {
    let path = call.line.split(' ').nth(1).expect("a path");
    Endpoint::of_name(path.trim_start_matches('/')).expect("a call of the axis")
}

fn read(call: &Captured) -> Request {
    let unverified = Unverified::read(&call.fields()).expect("headers of a call");
    assert_eq!(unverified.system_id(), Some("H41.08"));
    assert_eq!(unverified.differences(&secret()), []);
    let verified = unverified.verify(&secret()).expect("a right signature");
    Request::parse(endpoint(call), &verified, &call.body).expect("a call that means something")
}

#[test]
fn each_is_read_to_its_values() {
    for captured in all() {
        let (at, call) = expected(captured.file);
        let request = Request { system: code("H41.08"), at: Moment(at), call, extra: Vec::new() };
        assert_eq!(read(&captured), request, "{}", captured.file);
    }
}

#[test]
fn each_is_built_again_octet_for_octet() {
    for captured in all() {
        let (at, call) = expected(captured.file);
        let request = Request { system: code("H41.08"), at: Moment(at), call, extra: Vec::new() };
        let built = request.build(&secret()).expect("values of a call");
        let line = format!("{} /{} HTTP/1.1", built.endpoint.method(), built.endpoint.name());
        assert_eq!(line, captured.line);
        let built_headers: Vec<_> = built
            .headers
            .iter()
            .map(|header| (header.name().to_owned(), header.value().to_owned()))
            .collect();
        let (ours, transport) = captured.headers.split_at(built_headers.len());
        assert_eq!(built_headers, ours, "{}", captured.file);
        for (name, _) in transport {
            assert!(TRANSPORT.contains(&name.as_str()), "{}: {name}", captured.file);
        }
        if built.endpoint != Endpoint::SendEdoc {
            assert_eq!(built.body, captured.body, "{}", captured.file);
        } else {
            assert!(built.body.is_empty(), "the document is not the call's");
            assert!(captured.body.ends_with(b"</edXML>\n\r\n"), "the document, then CR LF");
        }
    }
}

#[test]
fn names_may_come_in_any_case_and_any_order() {
    for mut captured in all() {
        captured.headers.reverse();
        for (name, _) in &mut captured.headers {
            *name = name.to_lowercase();
        }
        let (at, call) = expected(captured.file);
        let request = Request { system: code("H41.08"), at: Moment(at), call, extra: Vec::new() };
        assert_eq!(read(&captured), request, "{}", captured.file);
    }
}
