//! Services of the integrator's own, called through X-Road: what reaches the provider, and what becomes of its answer.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use lgsp_simulator::Settings;
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinSet};
use wire::{
    vxp::Field,
    xroad::{
        Arrived, Class, ClientId, Evidence, Fault, Part, ServiceId, SoapBody, SoapHeader,
        SoapMessage, SoapText, read_rest_services, read_soap_services,
    },
};

use crate::client::{Client, Heard, settings};

const OWN: &str = "VN/GOV/000.00.00.H41/lgsp";
const CALLER: &str = "VN/GOV/000.00.00.G22/vpcpdvcprovider";

/// A call that reached the provider.
struct Reached {
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
}

/// What the provider answers: a status, its content type, its body.
type Answer = (u16, &'static str, String);

/// A provider on this machine, which answers every call alike.
struct Provider {
    port: u16,
    reached: Arc<Mutex<Vec<Reached>>>,
    _task: JoinSet<()>,
}

impl Provider {
    async fn new(answer: impl Fn(&Reached) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let reached: Arc<Mutex<Vec<Reached>>> = Arc::default();
        let (noted, answer) = (reached.clone(), Arc::new(answer));
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let service = service_fn(|request: Request<Incoming>| {
                    let (noted, answer) = (noted.clone(), answer.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        let fields = head.headers.iter();
                        let fields = fields.map(|(n, v)| (n.to_string(), v.as_bytes().to_vec()));
                        let (target, headers) = (head.uri.to_string(), fields.collect());
                        let call = Reached { target, headers, body };
                        let (status, kind, text) = answer(&call);
                        noted.lock().push(call);
                        let response = Response::builder().status(status);
                        // Whoever claims to be X-Road is not believed.
                        let response = response.header("X-Road-Error", "made.up");
                        let response = response.header("X-Own", "kept");
                        let response = response.header("Content-Type", kind);
                        let response = response.body(Full::new(Bytes::from(text)));
                        Ok::<_, hyper::Error>(response.expect("a response"))
                    }
                });
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            }
        });
        Self { port, reached, _task: task }
    }

    fn reached(&self) -> Reached {
        self.reached.lock().pop().expect("it was called")
    }
}

async fn simulator(services: &[String]) -> Client {
    let provided = services.iter().map(|text| text.parse().expect("a service")).collect();
    Client::new(Settings { provided, ..settings() }).await
}

fn fields(heard: &Heard) -> Vec<Field<'_>> {
    heard.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

const AS_CALLER: (&str, &str) = ("X-Road-Client", CALLER);

#[tokio::test]
async fn a_service_of_rest_is_called_with_what_x_road_says_and_its_answer_comes_back() {
    let provider = Provider::new(|call| {
        let status = if call.target.ends_with("no") { 404 } else { 201 };
        (status, "application/json", "{\"da\":\"nhận\"}".to_owned())
    })
    .await;
    let client = simulator(&[format!("rest:ho-so=http://127.0.0.1:{}/api/", provider.port)]).await;
    let headers = [AS_CALLER, ("Authorization", "Bearer own"), ("X-Road-UserId", "VN1")];
    let heard = client.http("POST", &format!("/r1/{OWN}/ho-so/a%20b?x=1"), &headers, b"{}").await;
    assert_eq!((heard.http, heard.text().as_str()), (201, "{\"da\":\"nhận\"}"));
    assert_eq!((heard.header("x-own"), heard.header("x-road-error")), (Some("kept"), None));
    let evidence = Evidence::parse(&fields(&heard)).expect("evidence");

    let call = provider.reached();
    assert_eq!((call.target.as_str(), &call.body[..]), ("/api/a%20b?x=1", &b"{}"[..]));
    let arrived: Vec<_> = call.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    let said = Arrived::parse(&arrived).expect("what X-Road says");
    assert_eq!((said.client.to_string(), said.id), (CALLER.to_owned(), evidence.id));
    assert_eq!(said.request_id, Some(evidence.request_id));
    assert!(arrived.contains(&("authorization", &b"Bearer own"[..])), "the provider's own token");

    // A provider's own error is none of X-Road, and a body goes with some methods only.
    let heard = client.http("DELETE", &format!("/r1/{OWN}/ho-so/no"), &[AS_CALLER], b"x").await;
    assert_eq!(heard.http, 404);
    assert!(Evidence::parse(&fields(&heard)).is_ok());
    assert!(provider.reached().body.is_empty());

    let listed = client.http("GET", &format!("/r1/{OWN}/listMethods"), &[AS_CALLER], b"").await;
    let services = read_rest_services(&listed.body).expect("a list");
    assert_eq!(services[0].id.to_string(), format!("{OWN}/ho-so"));
}

#[tokio::test]
async fn what_cannot_be_provided_is_an_error_of_x_road() {
    // Nobody listens at a port that was free a moment ago.
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = gone.local_addr().expect("an address").port();
    drop(gone);
    let client = simulator(&[
        format!("rest:gone=http://127.0.0.1:{port}/"),
        format!("soap:Soap=http://127.0.0.1:{port}/"),
    ])
    .await;
    for (service, class) in
        [("gone", Class::Transport), ("Soap", Class::Protocol), ("none", Class::Destination)]
    {
        let heard = client.http("GET", &format!("/r1/{OWN}/{service}"), &[AS_CALLER], b"").await;
        let fault = Fault::of_answer(&fields(&heard), &heard.body).expect("it can be read");
        assert_eq!(fault.expect("an error").kind.class(), class, "{service}");
    }
}

fn asked(code: &str, inner: &str) -> Vec<u8> {
    let provider = ClientId::parse(OWN).expect("a provider");
    let code_part = Part::parse(code).expect("a code");
    let service = ServiceId { provider, code: code_part, version: None };
    let id = SoapText::parse("our-id-3").expect("a text");
    let header = SoapHeader::new(ClientId::parse(CALLER).expect("a client"), service, id);
    let content = format!("<{code}>{inner}</{code}>");
    SoapMessage::write(&header.expect("a header"), &content).expect("a message")
}

async fn post(client: &Client, path: &str, body: &[u8]) -> SoapMessage {
    let headers = [("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", "\"TraCuu\"")];
    let heard = client.http("POST", path, &headers, body).await;
    assert_eq!(heard.http, 200, "faults too come with 200");
    SoapMessage::read(&heard.body).expect("a message")
}

/// The envelope of a request, answered as a provider should: everything copied back. And with a hash of its own, which
/// it should not.
fn answered(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).expect("text");
    let hash = "<xrd:requestHash algorithmId=\"own\">own</xrd:requestHash></e:Header>";
    let text = text.replace("</e:Header>", hash);
    text.replace("<TraCuu>", "<TraCuuResponse>").replace("</TraCuu>", "</TraCuuResponse>")
}

#[tokio::test]
async fn a_service_of_soap_is_called_and_gets_its_hash() {
    let provider = Provider::new(|call| (200, "text/xml", answered(&call.body))).await;
    let client = simulator(&[format!("soap:TraCuu=http://127.0.0.1:{}/ws", provider.port)]).await;
    let request = asked("TraCuu", "<Ma>1</Ma>");
    // Clients made from a WSDL post to its address, through the server as a proxy.
    for path in ["/", "http://example.org/xroad-endpoint"] {
        let answer = post(&client, path, &request).await;
        assert!(answer.is_answer(), "{answer:?}");
        let header = answer.header.expect("a header");
        assert!(header.request_hash.expect("a hash").is_of(&request));
        let call = provider.reached();
        assert_eq!((call.target.as_str(), &call.body[..]), ("/ws", &request[..]));
        let names: Vec<_> = call.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"soapaction") && !names.contains(&"x-road-client"), "{names:?}");
    }
    let list = post(&client, "/", &asked("listMethods", "")).await;
    let SoapBody::Content(content) = list.body else { panic!("a list") };
    assert_eq!(read_soap_services(&content).expect("a list")[0].code.as_str(), "TraCuu");
}

/// Another instance's member of the same code is another member, and nobody's is not ours.
#[tokio::test]
async fn only_the_own_member_is_provided_for() {
    let provider = Provider::new(|call| (200, "text/xml", answered(&call.body))).await;
    let client = simulator(&[format!("soap:TraCuu=http://127.0.0.1:{}/ws", provider.port)]).await;
    let request = String::from_utf8(asked("TraCuu", "<Ma>1</Ma>")).expect("text");
    let service = request.rfind("<xrd:service").expect("a service");
    for (from, to) in [(">VN<", ">EE<"), (">000.00.00.H41<", ">000.00.00.X99<")] {
        let other = format!("{}{}", &request[..service], request[service..].replacen(from, to, 1));
        let SoapBody::Fault(fault) = post(&client, "/", other.as_bytes()).await.body else {
            panic!("a fault")
        };
        assert_eq!(fault.x_road().expect("X-Road's").class(), Class::Destination, "{to}");
    }
    assert!(provider.reached.lock().is_empty());
}

#[tokio::test]
async fn an_answer_that_differs_from_its_request_is_held_back() {
    type Twist = fn(&[u8]) -> Answer;
    let cases: [(Twist, Class); 5] = [
        (|_| (404, "text/html", String::new()), Class::Provider),
        (|_| (200, "application/json", "{}".to_owned()), Class::Provider),
        (|_| (200, "text/xml", "<e>".to_owned()), Class::Provider),
        (|body| (200, "text/xml", answered(body).replace("our-id-3", "our-id-4")), Class::Provider),
        (
            |body| (200, "text/xml", answered(body).replace("TraCuuResponse", "Khac")),
            Class::Provider,
        ),
    ];
    for (number, (twist, class)) in cases.into_iter().enumerate() {
        let provider = Provider::new(move |call| twist(&call.body)).await;
        let service = format!("soap:TraCuu=http://127.0.0.1:{}/ws", provider.port);
        let client = simulator(&[service]).await;
        match post(&client, "/", &asked("TraCuu", "<Ma>1</Ma>")).await.body {
            SoapBody::Fault(fault) => {
                let kind = fault.x_road().expect("X-Road's own");
                assert_eq!(kind.class(), class, "{number}: {}", kind.as_str());
            }
            SoapBody::Content(content) => panic!("{number}: {content:?}"),
        }
    }
}

#[tokio::test]
async fn a_provider_s_own_fault_passes_as_it_is() {
    let own = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><e:Fault>\
               <faultcode>e:Client</faultcode><faultstring>không có</faultstring></e:Fault></e:Body>\
               </e:Envelope>";
    let provider = Provider::new(move |_| (500, "text/xml", own.to_owned())).await;
    let client = simulator(&[format!("soap:TraCuu=http://127.0.0.1:{}/ws", provider.port)]).await;
    let SoapBody::Fault(fault) = post(&client, "/", &asked("TraCuu", "<Ma>1</Ma>")).await.body
    else {
        panic!("a fault")
    };
    assert_eq!((fault.x_road(), fault.message.as_str()), (None, "không có"));
}

#[tokio::test]
async fn descriptions_come_from_the_provider_or_are_the_portal_s() {
    // As WSDLs have it: an attribute that others may have too, in whatever order.
    let provider = Provider::new(|call| {
        let address =
            format!("<s:address a=\"{0}\" location=\"http://127.0.0.1:1{0}\"/>", call.target);
        (
            200,
            "text/xml",
            format!("<d xmlns:s=\"http://schemas.xmlsoap.org/wsdl/soap/\">{address}</d>"),
        )
    })
    .await;
    let client = simulator(&[format!("soap:TraCuu=http://127.0.0.1:{}/ws", provider.port)]).await;
    let target = |member: &str, subsystem: &str, service: &str| {
        format!(
            "/wsdl?xRoadInstance=VN&memberClass=GOV&memberCode={member}&subsystemCode={subsystem}&serviceCode={service}"
        )
    };
    let heard = client.get(&target("000.00.00.H41", "lgsp", "TraCuu")).await;
    let wanted = "<s:address a=\"/ws?wsdl\" location=\"http://example.org/xroad-endpoint\"/>";
    assert!(heard.text().contains(wanted), "{}", heard.text());
    let heard = client.get(&target("000.00.00.G22", "vpcpdvcprovider", "traCuuDonVi")).await;
    assert!(heard.text().contains("wsdl:definitions"), "{}", heard.text());
    for other in [target("000.00.00.G22", "vpcpdvcprovider", "khongco"), "/wsdl".to_owned()] {
        let heard = client.get(&other).await;
        let message = SoapMessage::read(&heard.body).expect("a message");
        assert!(matches!(message.body, SoapBody::Fault(_)), "{message:?}");
    }
}
