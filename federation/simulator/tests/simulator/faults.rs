//! Each fault does what it says, as a client sees it.

use std::time::Duration;

use lgsp_simulator::{Fault, Settings, Tls};
use tokio::time::Instant;
use wire::vxp::{Agency, Answer, Call, Listed, MessageType, Nothing, Unreadable};

use crate::client::{Client, DOCUMENT, opaque, sending, settings};

const LIST: Call = Call::AgenciesList(None);

fn send() -> Call {
    Call::SendEdoc(sending("H41.08", MessageType::Document, DOCUMENT))
}

/// Whether what was sent is there.
async fn is_there(client: &Client) -> bool {
    !client.received("H41.101", MessageType::Document).await.is_empty()
}

#[tokio::test]
async fn answers_that_come_instead_of_an_effect() {
    let client = Client::quiet(&["vxp.sendEdoc=error-500:1"]).await;
    let heard = client.try_call("H41.08", send(), DOCUMENT).await.expect("an answer");
    assert_eq!(heard.http, 500);
    assert!(!is_there(&client).await);

    let client = Client::quiet(&["vxp.sendEdoc=html:1"]).await;
    let heard = client.try_call("H41.08", send(), DOCUMENT).await.expect("an answer");
    assert_eq!((heard.http, heard.header("content-type")), (200, Some("text/html")));
    let read = Answer::<Nothing>::read(heard.http, &heard.body);
    assert!(matches!(read, Err(Unreadable::Markup { http: 200 })), "{read:?}");
    assert!(!is_there(&client).await);
}

#[tokio::test]
async fn answers_that_are_spoilt_after_the_effect() {
    let client = Client::quiet(&["vxp.sendEdoc=wrong-json:1"]).await;
    let heard = client.try_call("H41.08", send(), DOCUMENT).await.expect("an answer");
    let read = Answer::<Nothing>::read(heard.http, &heard.body);
    assert!(matches!(read, Err(Unreadable::Form { http: 200, .. })), "{read:?}");
    assert!(is_there(&client).await);

    let client = Client::quiet(&["vxp.sendEdoc=empty:1"]).await;
    let heard = client.try_call("H41.08", send(), DOCUMENT).await.expect("an answer");
    let read = Answer::<Nothing>::read(heard.http, &heard.body);
    assert!(matches!(read, Err(Unreadable::Empty { http: 200 })), "{read:?}");
    assert!(is_there(&client).await);

    let client = Client::quiet(&["vxp.sendEdoc=cut:1"]).await;
    let heard = client.try_call("H41.08", send(), DOCUMENT).await.expect("a beginning");
    assert!(!heard.is_whole && !heard.body.is_empty());
    assert!(is_there(&client).await);

    let client = Client::quiet(&["vxp.sendEdoc=lost-answer:1"]).await;
    assert!(client.try_call("H41.08", send(), DOCUMENT).await.is_none());
    assert!(is_there(&client).await);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_comes_late_and_whole() {
    let faults = vec!["vxp.getAgenciesList=slow:1".parse().expect("a fault")];
    let slow = Duration::from_secs(40);
    let client = Client::new(Settings { faults, slow, ..settings() }).await;
    let began = Instant::now();
    let heard = client.try_call("H41.08", LIST, b"").await.expect("an answer");
    assert!(heard.is_whole && heard.http == 200);
    assert!(began.elapsed() >= slow, "{:?}", began.elapsed());
    let began = Instant::now();
    client.try_call("H41.08", Call::SynchronizeUnit, b"").await.expect("an answer");
    assert!(began.elapsed() < slow, "only the call that was named");
}

#[tokio::test]
async fn a_message_is_delivered_twice() {
    let client = Client::quiet(&["vxp.sendEdoc=duplicate:1"]).await;
    client.send_document().await;
    let rows = client.received("H41.101", MessageType::Document).await;
    assert_eq!(rows.len(), 2);
    assert_ne!(rows[0].document, rows[1].document);
    let (first, second) = (&rows[0].document, &rows[1].document);
    assert_eq!(client.fetch("H41.101", first).await, client.fetch("H41.101", second).await);
}

#[tokio::test]
async fn lists_lose_their_order_and_their_rows() {
    let client = Client::quiet(&[]).await;
    let mut sent = Vec::new();
    for _ in 0..8 {
        client.send_document().await;
    }
    let rows = async || {
        let rows = client.received("H41.101", MessageType::Document).await;
        rows.into_iter().map(|row| row.document).collect::<Vec<_>>()
    };
    sent.extend(rows().await);
    assert_eq!(sent.len(), 8);
    client.turn("vxp.getReceivedEdocList=unordered:1").await;
    let mut mixed = rows().await;
    assert_ne!(mixed, sent);
    mixed.sort();
    let mut sorted = sent.clone();
    sorted.sort();
    assert_eq!(mixed, sorted, "nothing is lost");
    client.turn("vxp.getReceivedEdocList=unordered:0").await;
    assert_eq!(rows().await, sent);
    client.turn("vxp.getReceivedEdocList=forgetful:1").await;
    let left = rows().await;
    assert!(left.len() < sent.len());
    assert!(left.iter().all(|id| sent.contains(id)), "what is left was there before");
    let mut seen = std::collections::BTreeSet::from_iter(left);
    for _ in 0..40 {
        seen.extend(rows().await);
    }
    assert_eq!(seen.len(), sent.len(), "other rows are forgotten each time");
}

#[tokio::test]
async fn a_directory_shrinks_and_is_whole_again() {
    let client = Client::quiet(&[]).await;
    let count = async || client.done::<Listed<Agency>>("H41.08", LIST).await.rows.len();
    let before = count().await;
    client.turn("vxp.getAgenciesList=shrinking:1").await;
    assert_eq!(count().await, before / 2);
    client.turn("vxp.getAgenciesList=shrinking:0").await;
    assert_eq!(count().await, before);
}

#[tokio::test]
async fn a_clock_that_is_off_dates_documents_wrongly() {
    let client = Client::quiet(&["vxp.sendEdoc=clock-off:1"]).await;
    client.send_document().await;
    let rows = client.received("H41.101", MessageType::Document).await;
    assert_eq!(rows[0].created_time.as_deref(), Some("2026/11/30 10:30:15"));
}

#[tokio::test]
async fn switches_are_read_turned_and_refused_at_run_time() {
    let client = Client::quiet(&["vxp.sendEdoc=lost-answer:0.25"]).await;
    let on = client.get("/_sim/faults").await.json();
    assert_eq!(on["faults"], serde_json::json!(["vxp.sendEdoc=lost-answer:0.25"]));
    // One wrong line, and none is turned.
    let heard = client.turn("vxp.*=slow:0.5\nvxp.sendEdoc=late:1").await;
    assert_eq!(heard.http, 400);
    assert_eq!(client.get("/_sim/faults").await.json(), on);
    assert_eq!(client.turn("connection.accept=plain-http:1").await.http, 400, "there is no TLS");
    assert_eq!(
        client.turn("vxp.sendEdoc=lost-answer:0").await.json()["faults"],
        serde_json::json!([])
    );
    let known = client.get("/_sim/").await.json();
    assert_eq!(known["faults"].as_array().expect("a list").len(), Fault::all().count());
}

#[tokio::test]
async fn a_fault_with_a_chance_strikes_some_calls_and_not_others() {
    let client = Client::quiet(&["vxp.getAgenciesListQD20=error-500:0.5"]).await;
    let mut statuses = Vec::new();
    for _ in 0..32 {
        let heard = client.try_call("H41.08", Call::AgenciesListQd20(1), b"").await;
        statuses.push(heard.expect("an answer").http);
    }
    assert!(statuses.contains(&200) && statuses.contains(&500), "{statuses:?}");
}

mod tls {
    //! What stands before HTTP.

    use std::sync::Arc;

    use rustls::{ClientConfig, RootCertStore};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::client::{heard, octets};

    async fn started(faults: &[&str]) -> Client {
        let faults = faults.iter().map(|fault| fault.parse().expect("a fault")).collect();
        Client::new(Settings { tls: Tls::Own, faults, ..settings() }).await
    }

    /// Asks over TLS, trusting what the simulator says is its authority.
    async fn ask(client: &Client) -> std::io::Result<u16> {
        let mut roots = RootCertStore::empty();
        let pem = client.running.authority().expect("an authority");
        for certificate in certs::chain_from_pem(pem.as_bytes()).expect("certificates") {
            roots.add(certificate).expect("an authority");
        }
        let config = ClientConfig::builder_with_provider(certs::provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(client.running.address()).await?;
        let name = "localhost".try_into().expect("a name");
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(&octets("GET", "/_sim/", &[], b"")).await?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await?;
        Ok(heard(&all).expect("an answer").http)
    }

    #[tokio::test]
    async fn its_own_certificate_is_trusted_and_somebody_elses_is_not() {
        let client = started(&[]).await;
        assert!(client.running.base().starts_with("https://"));
        assert_eq!(ask(&client).await.expect("it is trusted"), 200);
        assert!(client.try_http("GET", "/_sim/", &[], b"").await.is_none(), "plain is not spoken");
        let client = started(&["connection.accept=foreign-tls:1"]).await;
        let error = ask(&client).await.expect_err("it is not trusted").to_string();
        assert!(error.contains("UnknownIssuer"), "{error}");
    }

    #[tokio::test]
    async fn plain_http_stands_where_tls_should() {
        let client = started(&["connection.accept=plain-http:1"]).await;
        assert!(ask(&client).await.is_err());
        assert_eq!(client.http("GET", "/_sim/", &[], b"").await.http, 200);
        let entries = client.ledger().await;
        let struck = entries.iter().filter(|entry| entry["what"] == "connection").count();
        assert!(struck >= 2, "{entries:?}");
    }
}

#[tokio::test]
async fn an_unknown_document_is_no_fault_but_a_refusal() {
    let client = Client::quiet(&[]).await;
    let answer = client.call::<Nothing>("H41.08", Call::GetEdoc(opaque("x"), None), b"").await;
    assert!(matches!(answer, Answer::Refused(note) if note.code == "10"));
}
