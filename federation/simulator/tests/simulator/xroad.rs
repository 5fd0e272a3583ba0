//! X-Road: REST, lists, SOAP, and the adapter, as an information system sees its security server.

use lgsp_simulator::{ErrorNames, Settings};
use serde_json::{Value, json};
use wire::{
    vxp::{Field, Header, Opaque},
    xroad::{
        Adapter, Class, ClientId, ErrorType, Evidence, Fault, Forward, Method, Part, Place,
        RequestMeta, RestRequest, RestServiceId, ServiceId, SoapBody, SoapHeader, SoapMessage,
        SoapText, read_clients, read_rest_services, read_soap_services,
    },
};

use crate::client::{Client, Heard, settings};

const PORTAL: &str = "VN/GOV/000.00.00.G22/vpcpdvcprovider";
const CLIENT: &str = "VN/GOV/000.00.00.H41/lgsp";

fn fields(heard: &Heard) -> Vec<Field<'_>> {
    heard.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

fn request(method: Method, service: &str, tail: (&str, Option<&str>)) -> RestRequest {
    let meta = RequestMeta {
        client: ClientId::parse(CLIENT).expect("a client"),
        id: Opaque::parse("our-id-1"),
        user: Opaque::parse("VN040090000001"),
        issue: None,
        server: None,
        party: None,
    };
    let service = RestServiceId::parse(service).expect("a service");
    RestRequest::new(method, service, tail, meta).expect("a request")
}

async fn call(client: &Client, request: &RestRequest, more: &[(&str, &str)], body: &[u8]) -> Heard {
    let built = request.headers();
    let mut headers: Vec<_> = built.iter().map(|h: &Header| (h.name(), h.value())).collect();
    headers.extend(more);
    client.http(request.method().as_str(), &request.target(), &headers, body).await
}

/// The error that X-Road itself answers with.
async fn trouble(client: &Client, service: &str) -> (u16, Fault) {
    let heard = call(client, &request(Method::Get, service, ("", None)), &[], b"").await;
    let fault = Fault::of_answer(&fields(&heard), &heard.body).expect("it can be read");
    (heard.http, fault.expect("an error of X-Road"))
}

#[tokio::test]
async fn a_service_answers_with_evidence_and_gets_only_some_bodies() {
    let client = Client::quiet(&[]).await;
    let echo = format!("{PORTAL}/echo");
    for (method, octets) in [(Method::Post, 5), (Method::Put, 5), (Method::Delete, 0)] {
        let request = request(method, &echo, ("/a%20b", Some("x=1&y")));
        let heard = call(&client, &request, &[], b"hello").await;
        assert_eq!(heard.http, 200);
        let json = heard.json();
        assert_eq!((&json["octets"], &json["path"]), (&json!(octets), &json!("/a%20b")));
        assert_eq!((&json["query"], &json["client"]), (&json!("x=1&y"), &json!(CLIENT)));
        let evidence = Evidence::parse(&fields(&heard)).expect("evidence");
        assert_eq!(evidence.id.as_str(), "our-id-1");
        assert_eq!(evidence.service.to_string(), echo);
        assert_eq!(evidence.request_hash.as_str().len(), 88, "SHA-512 in base64");
    }
    let failing = request(Method::Get, &format!("{PORTAL}/loi"), ("/", None));
    let heard = call(&client, &failing, &[], b"").await;
    assert_eq!(heard.http, 503);
    assert!(Evidence::parse(&fields(&heard)).is_ok());
    let fault = Fault::of_answer(&fields(&heard), &heard.body).expect("it can be read");
    assert_eq!(fault, None, "a provider's own error is none of X-Road");
}

#[tokio::test]
async fn errors_come_in_both_spellings_and_mean_the_same() {
    let new = Client::quiet(&[]).await;
    let old = Settings { error_names: ErrorNames::Before78, ..settings() };
    let old = Client::new(old).await;
    let troubles = "VN/GOV/000.00.00.G22/troubles";
    for (service, class) in [
        (format!("{troubles}/network_error"), Class::Transport),
        (format!("{troubles}/maintenance_mode"), Class::Maintenance),
        (format!("{troubles}/global_conf_outdated"), Class::Server),
        (format!("{troubles}/http_error"), Class::Provider),
        (format!("{PORTAL}/noibo"), Class::Right),
        (format!("{PORTAL}/khongco"), Class::Destination),
        (format!("{PORTAL}/traCuuDonVi"), Class::Protocol),
        ("VN/GOV/000.00.00.X99/lgsp/x".to_owned(), Class::Destination),
        ("VN/GOV/000.00.00.H57/lgsp/x".to_owned(), Class::Transport),
    ] {
        let (first, second) = (trouble(&new, &service).await, trouble(&old, &service).await);
        assert_eq!((first.1.kind.class(), second.1.kind.class()), (class, class), "{service}");
        let (first, second) = (first.1.kind.as_str(), second.1.kind.as_str());
        assert_eq!(first, first.to_lowercase());
        assert_ne!(second, second.to_lowercase());
        assert_eq!(
            first.replace('_', ""),
            second.to_lowercase().replace("outdatedglobalconf", "globalconfoutdated")
        );
    }
    let (http, fault) = trouble(&new, &format!("{troubles}/network_error")).await;
    assert_eq!((http, fault.kind.as_str()), (500, "server.serverproxy.network_error"));
    let (_, fault) = trouble(&old, &format!("{troubles}/network_error")).await;
    assert_eq!(fault.kind.as_str(), "Server.ServerProxy.NetworkError");
}

#[tokio::test]
async fn an_error_is_xml_where_that_is_accepted_and_a_client_must_name_itself() {
    let client = Client::quiet(&[]).await;
    let asked = request(Method::Get, &format!("{PORTAL}/khongco"), ("", None));
    let heard = call(&client, &asked, &[("Accept", "text/xml")], b"").await;
    assert!(heard.text().starts_with("<?xml"), "{}", heard.text());
    let fault = Fault::of_body(&heard.body).expect("an error");
    assert_eq!(fault.kind.class(), Class::Destination);
    let heard = client.get(&format!("/r1/{PORTAL}/echo")).await;
    let fault = Fault::of_answer(&fields(&heard), &heard.body).expect("it can be read");
    // The code of security servers says 500 here, whatever the specification says.
    let fault = fault.expect("an error");
    assert_eq!((heard.http, fault.kind.class()), (500, Class::Message));
    assert!(fault.message.contains("X-Road-Client is missing"), "{}", fault.message);
    let stranger = [("X-Road-Client", "VN/GOV/000.00.00.X99/lgsp")];
    let heard = client.http("GET", &format!("/r1/{PORTAL}/echo"), &stranger, b"").await;
    let fault = Fault::of_answer(&fields(&heard), &heard.body).expect("it can be read");
    assert_eq!(fault.expect("an error").kind.class(), Class::Identity);
}

#[tokio::test]
async fn clients_and_methods_are_listed() {
    let client = Client::quiet(&[]).await;
    let xml = client.get("/listClients").await;
    let clients = read_clients(&xml.body).expect("a list");
    let accept = [("Accept", "application/json")];
    let json = client.http("GET", "/listClients?xRoadInstance=VN", &accept, b"").await;
    assert_eq!(read_clients(&json.body).expect("a list"), clients);
    assert!(clients.iter().any(|entry| entry.id.to_string() == PORTAL));
    assert!(clients.iter().any(|entry| entry.id.to_string() == CLIENT));
    let other = client.get("/listClients?xRoadInstance=EE").await;
    assert_eq!(read_clients(&other.body).expect("a list"), []);

    let mut codes = Vec::new();
    for name in ["listMethods", "allowedMethods"] {
        let asked = request(Method::Get, &format!("{PORTAL}/{name}"), ("", None));
        let heard = call(&client, &asked, &[], b"").await;
        let services = read_rest_services(&heard.body).expect("a list");
        codes.push(services.iter().map(|s| s.id.code.to_string()).collect::<Vec<_>>());
    }
    assert!(codes[0].contains(&"noibo".to_owned()) && !codes[1].contains(&"noibo".to_owned()));
    assert!(codes[1].contains(&"echo".to_owned()));

    // Nobody's list is empty because nobody is there.
    for (subsystem, class) in [
        ("VN/GOV/000.00.00.H57/lgsp", Class::Transport),
        ("VN/GOV/000.00.00.G22/khongco", Class::Destination),
        ("VN/GOV/H41.101/lgsp", Class::Destination),
        ("EE/GOV/000.00.00.G22/vpcpdvcprovider", Class::Destination),
    ] {
        let (_, fault) = trouble(&client, &format!("{subsystem}/listMethods")).await;
        assert_eq!(fault.kind.class(), class, "{subsystem}");
    }
}

fn soap(service: &str, code: &str, content: &str) -> Vec<u8> {
    let part = |text: &str| Part::parse(text).expect("a part");
    let service = ServiceId {
        provider: ClientId::parse(service).expect("a provider"),
        code: part(code),
        version: None,
    };
    let id = SoapText::parse("our-id-2").expect("a text");
    let header = SoapHeader::new(ClientId::parse(CLIENT).expect("a client"), service, id);
    SoapMessage::write(&header.expect("a header"), content).expect("a message")
}

async fn post(client: &Client, body: &[u8]) -> SoapMessage {
    let headers = [("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", "\"\"")];
    let heard = client.http("POST", "/", &headers, body).await;
    assert_eq!(heard.http, 200, "faults too come with 200");
    SoapMessage::read(&heard.body).expect("a message")
}

#[tokio::test]
async fn soap_answers_with_its_header_and_the_hash_of_the_request() {
    let client = Client::quiet(&[]).await;
    let content = "<traCuuDonVi><MaDonVi>000.00.00.H41</MaDonVi></traCuuDonVi>";
    let asked = soap(PORTAL, "traCuuDonVi", content);
    let answer = post(&client, &asked).await;
    assert!(answer.is_answer());
    let header = answer.header.as_ref().expect("a header");
    let sent = SoapMessage::read(&asked).expect("ours").header.expect("a header");
    assert_eq!(header.differences(&sent), Vec::<&str>::new());
    assert!(header.request_hash.as_ref().expect("a hash").is_of(&asked));
    let SoapBody::Content(content) = &answer.body else { panic!("{answer:?}") };
    assert!(content.children().iter().any(|child| child.text() == "UBND Tỉnh Nghệ An"));

    let asked = soap(PORTAL, "listMethods", "<listMethods/>");
    let answer = post(&client, &asked).await;
    let SoapBody::Content(content) = &answer.body else { panic!("{answer:?}") };
    assert_eq!(read_soap_services(content).expect("a list")[0].code.as_str(), "traCuuDonVi");
}

#[tokio::test]
async fn soap_faults_say_whose_they_are() {
    let client = Client::quiet(&[]).await;
    let fault = async |body: Vec<u8>| match post(&client, &body).await.body {
        SoapBody::Fault(fault) => fault,
        SoapBody::Content(content) => panic!("no fault: {content:?}"),
    };
    let class = |kind: Option<ErrorType>| kind.map(|kind| kind.class());
    let own =
        fault(soap(PORTAL, "traCuuDonVi", "<traCuuDonVi><MaDonVi>x</MaDonVi></traCuuDonVi>")).await;
    assert_eq!(own.x_road(), None, "the provider's own");
    let troubles = "VN/GOV/000.00.00.G22/troubles";
    let on_purpose = fault(soap(troubles, "network_error", "<network_error/>")).await;
    assert_eq!(class(on_purpose.x_road()), Some(Class::Transport));
    assert!(on_purpose.detail.is_some());
    let unknown = fault(soap(PORTAL, "khongco", "<khongco/>")).await;
    assert_eq!(class(unknown.x_road()), Some(Class::Destination));
    let misnamed = fault(soap(PORTAL, "traCuuDonVi", "<other/>")).await;
    assert_eq!(class(misnamed.x_road()), Some(Class::Message));
    let broken = fault(b"<e>".to_vec()).await;
    assert_eq!(class(broken.x_road()), Some(Class::Message));
}

async fn forward(client: &Client, places: [Place; 2], path: &str, body: &Value) -> Value {
    let destination = ClientId::parse(PORTAL).expect("a subsystem");
    let call = Forward::new(Adapter::Xrd, path, (destination, places[0])).expect("a call");
    let call = call.with_provider_url("http://10.0.0.1:8080", places[1]).expect("an address");
    let built = call.build().expect("a call");
    let headers: Vec<_> = built.headers.iter().map(|h| (h.name(), h.value())).collect();
    client.http("POST", &built.target, &headers, body.to_string().as_bytes()).await.json()
}

#[tokio::test]
async fn the_adapter_logs_in_and_answers_wherever_its_parameters_stand() {
    let client = Client::quiet(&[]).await;
    let (user, password) = client.running.settings().adapter_user();
    let login = json!({ "username": user, "password": password.expose() });
    for places in [
        [Place::Query, Place::Query],
        [Place::Header, Place::Header],
        [Place::Query, Place::Header],
    ] {
        let wrong = json!({ "username": user, "password": "x" });
        assert_eq!(forward(&client, places, "/mapi/login", &wrong).await["error_code"], 1);
        let session = forward(&client, places, "/mapi/login", &login).await;
        assert_eq!(session["error_code"], 0, "{session}");
        let ask = async |service: &str| {
            let body =
                json!({ "session": session["session"], "madonvi": user, "service": service });
            forward(&client, places, "/mapi/g", &body).await
        };
        let bodies = ask("LayDanhMucCoQuan").await;
        assert_eq!(bodies["error_code"], 0);
        let rows = bodies["result"].as_array().expect("rows");
        assert!(rows.iter().any(|row| row["MADONVI"] == "000.00.00.H41"));
        assert_eq!(ask("KhongCo").await["error_code"], 3);
        client.forward("31 min").await;
        assert_eq!(ask("LayDanhMucCoQuan").await["error_code"], 2, "the session is over");
    }
}

#[tokio::test]
async fn a_dossier_is_taken_over_once_updated_and_found() {
    let client = Client::quiet(&[]).await;
    let (user, password) = client.running.settings().adapter_user();
    let places = [Place::Query, Place::Query];
    let login = json!({ "username": user, "password": password.expose() });
    let session = forward(&client, places, "/mapi/login", &login).await["session"].clone();
    let ask = async |service: &str, more: Value| {
        let mut body = json!({ "session": session, "madonvi": user, "service": service });
        body.as_object_mut().expect("one").extend(more.as_object().expect("one").clone());
        forward(&client, places, "/mapi/g", &body).await
    };
    let row = json!({ "data": [{ "MaHoSo": "H41.08-261129-0001", "TrangThai": "1" }] });
    assert_eq!(ask("DongBoHoSoMC", row.clone()).await["error_code"], 0);
    assert_eq!(ask("DongBoHoSoMC", row.clone()).await["error_code"], 4, "it is there");
    let mut again = row;
    again["isUpdating"] = json!(true);
    assert_eq!(ask("DongBoHoSoMC", again).await["error_code"], 0);
    let step = json!({ "mahoso": "H41.08-261129-0001", "TrangThai": "4" });
    assert_eq!(ask("CapNhatTienDoHoSoMC", step).await["error_code"], 0);
    let found = ask("TraCuuHoSo", json!({ "mahoso": "H41.08-261129-0001" })).await;
    assert_eq!(found["result"][0]["TrangThai"], "4");
}

#[tokio::test]
async fn faults_strike_x_road_too() {
    let client = Client::quiet(&["xroad.rest=empty:1", "xroad.soap=html:1"]).await;
    let echo = request(Method::Get, &format!("{PORTAL}/echo"), ("", None));
    let heard = call(&client, &echo, &[], b"").await;
    assert_eq!((heard.http, heard.body.len()), (200, 0));
    let heard = client.http("POST", "/", &[], b"<e/>").await;
    assert_eq!(heard.header("content-type"), Some("text/html"));
}
