//! The server on real sockets: TLS, both versions of HTTP, a clean end, a cut connection.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    house::{self, Ask, House},
    new_packet, text,
};

/// A server of the house on a port of its own, and how clients speak TLS with it.
pub async fn serve(
    house: &House,
) -> (lgsp_api::Server, std::net::SocketAddr, tokio_rustls::rustls::ClientConfig) {
    let now = consensus::Clock::now(&consensus::SystemClock);
    let authority = certs::Authority::create("c0", 1, now).expect("an authority");
    let key = certs::NodeKey::generate().expect("a key");
    let request = certs::NodeRequest {
        node: model::NodeId(1),
        cluster: "c0".into(),
        request: key.request().expect("a request"),
        names: vec![house::AUTHORITY.into()],
        addresses: vec![],
    };
    let chain = vec![authority.issue(&request, now).expect("a certificate")];
    let presented = certs::Presented::new(chain, &key.private_key()).expect("a chain");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = lgsp_api::serve(lgsp_api::Options {
        listener,
        tls: certs::https_server_config(presented).expect("a configuration").into(),
        exchange: house.exchange.clone(),
        settings: lgsp_api::Settings::new(format!("https://{}", house::AUTHORITY)),
    });
    let trust = https::Trust::Authority(authority.certificate().to_vec());
    (server, address, https::tls_config(&trust, None).expect("a configuration"))
}

/// A connection of a client.
pub type Tls = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

/// Connects, and speaks TLS.
pub async fn connect(
    address: std::net::SocketAddr,
    config: &tokio_rustls::rustls::ClientConfig,
    alpn: &[u8],
) -> Tls {
    try_connect(address, config, alpn).await.expect("TLS")
}

async fn try_connect(
    address: std::net::SocketAddr,
    config: &tokio_rustls::rustls::ClientConfig,
    alpn: &[u8],
) -> Option<Tls> {
    let mut config = config.clone();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let name = house::AUTHORITY.try_into().expect("a name");
    tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await.ok()
}

/// A request as HTTP/1.1 writes it.
pub fn written(ask: Ask) -> Vec<u8> {
    let request = ask.request();
    let mut out = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    for (name, value) in request.headers() {
        out.extend_from_slice(
            &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat(),
        );
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_speaks_both_versions_and_drains() {
    let house = House::found().await;
    let target = house.party("H41.05", &["receive"]).await;
    let (server, address, tls) = serve(&house).await;
    let mut plain = connect(address, &tls, b"http/1.1").await;
    plain
        .write_all(&written(Ask::new("GET", "/livez").header("connection", "close")))
        .await
        .expect("it is taken");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200")
            && answer.contains("\r\ndate: ")
            && answer.ends_with("ok\n"),
        "{answer}"
    );

    let io = hyper_util::rt::TokioIo::new(connect(address, &tls, b"h2").await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let mut request = Ask::new("GET", "/v1/inbox").signed(&target).request();
    *request.uri_mut() =
        format!("https://{}/v1/inbox", house::AUTHORITY).parse().expect("a target");
    request.headers_mut().remove("host");
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, axum::http::Version::HTTP_2)
    );

    let mut live = connect(address, &tls, b"http/1.1").await;
    live.write_all(&written(Ask::new("GET", "/v1/events").signed(&target)))
        .await
        .expect("it is taken");
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("session.started") {
        assert!(live.read_buf(&mut heard).await.expect("the stream goes on") > 0);
    }
    server.stop_accepting();
    house::until("new connections are refused", async || {
        tokio::net::TcpStream::connect(address).await.is_err()
    })
    .await;
    server.drain().await;
    live.read_to_end(&mut heard).await.expect("the stream ends cleanly");
    assert!(heard.ends_with(b"0\r\n\r\n"), "the stream ends as a whole, not by a cut");
    drop(sender);
    connection.await.expect("no panic").expect("the connection ends cleanly");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrived_before_a_cut_connection_counts() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let (_server, address, tls) = serve(&house).await;
    let opened = Ask::new("POST", "/v1/packets").json(new_packet("H41.05")).signed(&source);
    let opened = house.ask(opened).await.ok(201);
    let content = format!("/v1/spaces/{}/content", text(&opened, "/space/id"));
    let tus = |method| {
        Ask::new(method, &content)
            .header("tus-resumable", "1.0.0")
            .bearer(&opened["space"]["token"])
    };
    let mut cut = connect(address, &tls, b"http/1.1").await;
    let patch = tus("PATCH")
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", "0")
        .header("content-length", "100");
    cut.write_all(&written(patch)).await.expect("it is taken");
    cut.write_all(b"0123456789").await.expect("it is taken");
    cut.flush().await.expect("it is sent");
    // Without a word of TLS. A socket that is dropped with unread octets in it resets the connection,
    // and what the server's system has not handed over by then is nobody's.
    cut.get_mut().0.shutdown().await.expect("it is cut");
    house::until("the octets count", async || {
        house.ask(tus("HEAD")).await.header("upload-offset") == "10"
    })
    .await;
}

/// Connections that the stranger of redteam F4 opens, from one address.
const IDLE: usize = 2048;
/// Connections that it opens side by side.
const IDLE_ABREAST: usize = 16;
/// Before the stranger tries again where it was refused.
const IDLE_PAUSE: Duration = Duration::from_millis(50);
/// After so long the reproduction gave up; it had waited in the handshake all the time.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(10);

/// Redteam F4: a stranger opens 2048 connections from one address, speaks TLS, asks once over each and keeps
/// it. Whoever has a key is served, from that address too, and so is a probe.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_idle_connections_shuts_nobody_out() {
    // Both ends of every connection are in this process.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("it is raised");
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let (_server, address, tls) = serve(&house).await;
    let signed = || written(Ask::new("GET", "/v1/units?q=x").signed(&source));
    let mut caller = connect(address, &tls, b"http/1.1").await;
    assert!(ask_over(&mut caller, &signed()).await.expect("an answer").starts_with("HTTP/1.1 200"));
    let mut strangers = tokio::task::JoinSet::new();
    for _ in 0..IDLE_ABREAST {
        let tls = tls.clone();
        strangers.spawn(async move { idle(address, &tls, IDLE / IDLE_ABREAST).await });
    }
    let idle: Vec<_> = strangers.join_all().await.into_iter().flatten().collect();
    assert_eq!(idle.len(), IDLE, "the stranger has had all of them");
    // The connection that was there before is untouched, and the address has no more than its share.
    // One that gave way counts until it has ended.
    house::found("no more are open than may be", async || {
        let metrics = ask_over(&mut caller, &written(Ask::new("GET", "/metrics"))).await;
        let metrics = metrics.expect("it was left alone");
        let open = metrics.lines().find_map(|line| line.strip_prefix("lgsp_http_connections "));
        let open: usize = open.and_then(|count| count.parse().ok()).expect("a count");
        (open <= lgsp_api::CONNECTIONS_AN_ADDRESS_DEFAULT + 1).then_some(())
    })
    .await;
    // New ones come in: with a key, and without for a probe.
    for ask in [signed(), written(Ask::new("GET", "/readyz"))] {
        let begun = Instant::now();
        let answer = house::found("a newcomer is served", async || {
            let mut newcomer = try_connect(address, &tls, b"http/1.1").await?;
            ask_over(&mut newcomer, &ask).await
        });
        let answer = tokio::time::timeout(GIVEN_UP_AFTER, answer).await;
        let answer = answer.expect("it is not kept waiting");
        println!("a newcomer was answered after {:?}", begun.elapsed());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    drop(idle);
}

/// Opens connections one after the other until it had so many, asks over each whether the node lives, and
/// keeps them.
async fn idle(
    address: std::net::SocketAddr,
    tls: &tokio_rustls::rustls::ClientConfig,
    count: usize,
) -> Vec<Tls> {
    let mut idle = Vec::new();
    while idle.len() < count {
        let answered = async {
            let mut one = try_connect(address, tls, b"http/1.1").await?;
            ask_over(&mut one, &written(Ask::new("GET", "/livez"))).await?;
            Some(one)
        };
        match answered.await {
            Some(one) => idle.push(one),
            // The pace of the stranger; nothing is waited for.
            None => tokio::time::sleep(IDLE_PAUSE).await,
        }
    }
    idle
}

/// Asks over a connection that stays open, and reads the whole answer; none where it was closed.
pub async fn ask_over(connection: &mut Tls, request: &[u8]) -> Option<String> {
    connection.write_all(request).await.ok()?;
    let mut answer = Vec::new();
    loop {
        if connection.read_buf(&mut answer).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        if answer.len() >= head.len() + 4 + length {
            return Some(text);
        }
    }
}
