//! A client that speaks HTTP by hand, and a simulator that stands ready for it.

use std::{net::SocketAddr, sync::Arc};

use lgsp_simulator::{Running, Settings, Simulator, Standing, System};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wire::{
    edxml::hash_file,
    vxp::{
        Accepted, Acknowledgement, Answer, Call, Code, Fetched, Header, Listed, MessageType,
        Nothing, Opaque, Received, Request, Sending, ServiceType, Waiting,
    },
};

use crate::NOW;

/// The new document of the vectors: H41.08 to H41.101 and H41.230.
pub const DOCUMENT: &[u8] = include_bytes!("../../../wire/tests/vectors/edxml/document-new.edxml");

/// An answer, as far as it came.
#[derive(Debug)]
pub struct Heard {
    pub http: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether as many octets came as were announced.
    pub is_whole: bool,
}

impl Heard {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// The octets of a request.
pub fn octets(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: national\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Connection: close\r\nContent-Length: {}\r\n\r\n", body.len()));
    let mut request = request.into_bytes();
    request.extend_from_slice(body);
    request
}

/// What comes back; none if the connection ended without a word.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Option<Heard> {
    let mut stream = TcpStream::connect(address).await.expect("the simulator listens");
    // A server that refuses early may close before it has read everything.
    stream.write_all(request).await.ok();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.ok();
    heard(&all)
}

pub fn heard(all: &[u8]) -> Option<Heard> {
    let end = all.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&all[..end]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let status = lines.next().expect("a first line").split(' ').nth(1).expect("a status");
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a header");
        (name.to_owned(), value.to_owned())
    });
    let headers: Vec<_> = headers.collect();
    let body = all[end + 4..].to_vec();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().expect("a length"));
    let is_whole = body.len() == length;
    Some(Heard { http: status.parse().expect("a number"), headers, body, is_whole })
}

/// A client of one simulator.
pub struct Client {
    pub running: Running,
}

pub fn code(text: &str) -> Code {
    Code::parse(text).expect("a code")
}

pub fn opaque(text: &str) -> Opaque {
    Opaque::parse(text).expect("a text")
}

/// Settings with a clock that stands: what waits for its time comes when a test moves it.
pub fn settings() -> Settings {
    Settings { clock: Arc::new(Standing(NOW)), ..Settings::default() }
}

/// The systems of whoever should not be scripted.
pub fn systems(codes: &[&str]) -> Vec<System> {
    codes.iter().map(|text| System { code: code(text), secret: None }).collect()
}

impl Client {
    pub async fn new(settings: Settings) -> Self {
        Self { running: Simulator::start(settings).await.expect("it starts") }
    }

    /// A simulator in which the sender and both receivers of the document are ours.
    pub async fn quiet(faults: &[&str]) -> Self {
        let faults = faults.iter().map(|fault| fault.parse().expect("a fault")).collect();
        let systems = systems(&["H41.08", "H41.101", "H41.230"]);
        Self::new(Settings { systems, faults, ..settings() }).await
    }

    pub async fn try_http(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Heard> {
        exchange(self.running.address(), &octets(method, target, headers, body)).await
    }

    pub async fn http(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Heard {
        self.try_http(method, target, headers, body).await.expect("an answer")
    }

    pub async fn get(&self, target: &str) -> Heard {
        self.http("GET", target, &[], b"").await
    }

    pub async fn forward(&self, span: &str) {
        let body = format!("forward {span}");
        assert_eq!(self.http("POST", "/_sim/clock", &[], body.as_bytes()).await.http, 200);
    }

    pub async fn turn(&self, switch: &str) -> Heard {
        self.http("POST", "/_sim/faults", &[], switch.as_bytes()).await
    }

    pub async fn ledger(&self) -> Vec<serde_json::Value> {
        let page = self.get("/_sim/ledger").await.json();
        page["entries"].as_array().expect("entries").clone()
    }

    /// A call as the wire builds it, and a document behind it.
    pub async fn try_call(&self, system: &str, call: Call, document: &[u8]) -> Option<Heard> {
        let secret = self.running.settings().secret_of(system);
        let request = Request { system: code(system), at: NOW, call, extra: Vec::new() };
        let built = request.build(&secret).expect("a request");
        let headers: Vec<_> =
            built.headers.iter().map(|h: &Header| (h.name(), h.value())).collect();
        let target = format!("/{}", built.endpoint.name());
        let body = if document.is_empty() { built.body.clone() } else { document.to_vec() };
        self.try_http(built.endpoint.method(), &target, &headers, &body).await
    }

    pub async fn call<P: Serialize + DeserializeOwned>(
        &self,
        system: &str,
        call: Call,
        document: &[u8],
    ) -> Answer<P> {
        let heard = self.try_call(system, call, document).await.expect("an answer");
        Answer::read(heard.http, &heard.body).expect("it can be read")
    }

    pub async fn done<P: Serialize + DeserializeOwned + std::fmt::Debug>(
        &self,
        system: &str,
        call: Call,
    ) -> P {
        match self.call(system, call, b"").await {
            Answer::Done(_, payload) => payload,
            Answer::Refused(note) => panic!("refused: {note:?}"),
        }
    }

    pub async fn send(&self, from: &str, kind: MessageType, file: &[u8]) -> Answer<Accepted> {
        let mut body = file.to_vec();
        body.extend_from_slice(b"\r\n");
        self.call(from, Call::SendEdoc(sending(from, kind, file)), &body).await
    }

    /// Sends the document of the vectors, and answers its identifier.
    pub async fn send_document(&self) -> String {
        match self.send("H41.08", MessageType::Document, DOCUMENT).await {
            Answer::Done(_, accepted) => accepted.document,
            Answer::Refused(note) => panic!("refused: {note:?}"),
        }
    }

    pub async fn received(&self, by: &str, kind: MessageType) -> Vec<Received> {
        self.done::<Listed<Received>>(by, Call::ReceivedEdocList(waiting(kind))).await.rows
    }

    pub async fn fetch(&self, by: &str, id: &str) -> Vec<u8> {
        self.done::<Fetched>(by, Call::GetEdoc(opaque(id), None)).await.content
    }

    pub async fn acknowledge(&self, by: &str, id: &str, word: Acknowledgement) {
        self.done::<Nothing>(by, Call::UpdateStatus(opaque(id), word)).await;
    }
}

pub fn sending(from: &str, kind: MessageType, file: &[u8]) -> Sending {
    let sha256: [u8; 32] = Sha256::digest(file).into();
    Sending {
        service: ServiceType::Document,
        kind,
        hash_file: opaque(&hash_file::unpadded(&sha256)),
        from: code(from),
        to: None,
    }
}

pub fn waiting(kind: MessageType) -> Waiting {
    Waiting::all(ServiceType::Document, kind)
}
