//! The axis of documents: each call, as the wire's own builders make it and as the real SDK was captured.

use lgsp_simulator::{Bodies, Settings, System};
use wire::{
    edxml::{Event, Limits, Message, OrganCode, Reader, Said, StatusCode, hash_file},
    vxp::{
        Acknowledgement, Agency, Answer, Call, Counted, Counting, Listed, MessageType, Nothing,
        Registration, Secret, Sent, SentRow, ServiceType, TransportStatus, UnitChange,
    },
};

use crate::client::{
    Client, DOCUMENT, code, exchange, opaque, sending, settings, systems, waiting,
};

/// What a document says, and the octets of its files.
fn read(content: &[u8]) -> (Message, Vec<u8>) {
    let (mut message, mut files) = (None, Vec::new());
    let mut take = |event: Event<'_>| match event {
        Event::Message(read) => message = Some(*read),
        Event::Octets(octets) => files.extend_from_slice(octets),
        Event::Begin(_) | Event::End(_) => {}
    };
    let mut reader = Reader::new(Limits::DEFAULT);
    reader.feed(content, &mut take).expect("it can be read");
    reader.finish(&mut take).expect("it is whole");
    (message.expect("an envelope"), files)
}

fn status_of(content: &[u8]) -> StatusCode {
    match read(content).0 {
        Message::Status(status) => *status.code.expect("a code").known().expect("a known code"),
        Message::Document(_) => panic!("it is a document"),
    }
}

fn refusal<P: std::fmt::Debug>(answer: Answer<P>) -> (String, String) {
    match answer {
        Answer::Refused(note) => (note.code, note.description),
        Answer::Done(_, payload) => panic!("accepted: {payload:?}"),
    }
}

#[tokio::test]
async fn every_captured_request_of_the_real_sdk_is_believed() {
    let secret = Some(Secret::new("c2FtcGxlLXNlY3JldC1mb3ItdGVzdHMtb25seS0wMDE="));
    let mut systems = systems(&["H41.101", "H41.230"]);
    systems.push(System { code: code("H41.08"), secret });
    let client = Client::new(Settings { systems, ..settings() }).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../wire/tests/vectors/vxp");
    let files =
        std::fs::read_dir(folder).expect("the vectors").map(|file| file.expect("one").path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "http")).collect();
    files.sort();
    assert_eq!(files.len(), 11);
    for path in files {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let request = std::fs::read(&path).expect("a vector");
        // The only change: the connection ends with the answer.
        let request = replaced(&request, b"Connection: Keep-Alive", b"Connection: close");
        let request = replaced(&request, b"Connection: keep-alive", b"Connection: close");
        let request = replaced(&request, b"Expect: 100-continue\r\n", b"");
        let heard = exchange(client.running.address(), &request).await.expect("an answer");
        let json = heard.json();
        let wanted = match &name[..2] {
            // The captured status is that of another body, and the identifiers are those of another axis.
            "07" => "19",
            "09" | "10" | "11" => "10",
            _ => "0",
        };
        assert_eq!(json["ErrorCode"], wanted, "{name}: {json}");
    }
}

fn replaced(octets: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match octets.windows(from.len()).position(|window| window == from) {
        Some(at) => [&octets[..at], to, &octets[at + from.len()..]].concat(),
        None => octets.to_vec(),
    }
}

#[tokio::test]
async fn the_directory_has_both_codes_of_each_body() {
    let client = Client::quiet(&[]).await;
    let old: Listed<Agency> = client.done("H41.08", Call::AgenciesList(None)).await;
    let new: Listed<Agency> = client.done("H41.08", Call::AgenciesListQd20(9)).await;
    assert_eq!(old.rows.len(), new.rows.len());
    assert!(old.rows.len() > 300, "{}", old.rows.len());
    for (old, new) in old.rows.iter().zip(&new.rows) {
        assert_eq!(old.old_code.as_deref(), Some(new.code.as_str()));
        assert_eq!(new.code102.as_deref(), Some(old.code.as_str()));
    }
    let province = old.rows.iter().find(|row| row.code == "000.00.00.H41").expect("the province");
    assert_eq!(province.name.as_deref(), Some("UBND Tỉnh Nghệ An"));
    let one: Listed<Agency> = client
        .done("H41.08", Call::AgenciesList(Some(opaque(province.id.as_ref().expect("an id")))))
        .await;
    assert_eq!(one.rows, std::slice::from_ref(province));
    let tops: Listed<Agency> = client.done("H41.08", Call::AgenciesListQd20(1)).await;
    assert!(tops.rows.len() < 60 && tops.rows.iter().all(|row| !row.code.contains('.')));
}

#[tokio::test]
async fn a_body_is_registered_and_deleted_and_both_are_changes() {
    let client = Client::quiet(&[]).await;
    let asked = |code_: &str| {
        Call::RegisterAgency(Registration {
            id: String::new(),
            pcode: "H41".to_owned(),
            code: code(code_),
            name: "Sở thử nghiệm".to_owned(),
            mail: String::new(),
            mobile: String::new(),
            fax: String::new(),
        })
    };
    let change = async || {
        let all: Listed<UnitChange> = client.done("H41.08", Call::SynchronizeUnit).await;
        all.rows.into_iter().find(|row| row.code == "H41.99")
    };
    assert_eq!(change().await, None);
    client.done::<Nothing>("H41.08", asked("H41.99")).await;
    let there = change().await.expect("a row");
    assert_eq!((there.version, there.deleted), (Some(1), Some(false)));
    let again: Answer<Nothing> = client.call("H41.08", asked("H41.99"), b"").await;
    assert_eq!(refusal(again).0, "10");
    client.done::<Nothing>("H41.08", Call::DeleteAgency(code("H41.99"))).await;
    let gone = change().await.expect("a row");
    assert_eq!((gone.version, gone.deleted), (Some(2), Some(true)));
    let again: Answer<Nothing> =
        client.call("H41.08", Call::DeleteAgency(code("H41.99")), b"").await;
    assert_eq!(refusal(again).0, "18");
}

#[tokio::test]
async fn a_document_arrives_with_one_more_trace_header_and_waits_until_it_is_done() {
    let client = Client::quiet(&[]).await;
    let id = client.send_document().await;
    let (by, kind) = ("H41.101", MessageType::Document);
    let count = async || {
        let counting = Counting { service: ServiceType::Document, kind: None };
        client.done::<Counted>(by, Call::CountReceiveEdoc(counting)).await.count
    };
    assert_eq!(count().await, 1);
    let rows = client.received(by, kind).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].status, Some(TransportStatus::Initial));
    assert_eq!((rows[0].from.as_deref(), rows[0].to.as_deref()), (Some("H41.08"), Some(by)));
    assert_eq!(rows[0].created_time.as_deref(), Some("2026/11/29 08:30:15"));
    let delivery = rows[0].document.clone();
    assert_ne!(delivery, id, "each receiver has an identifier of its own");

    let content = client.fetch(by, &delivery).await;
    let ((before, files), (after, files_after)) = (read(DOCUMENT), read(&content));
    assert_eq!(files, files_after);
    let (Message::Document(before), Message::Document(after)) = (before, after) else {
        panic!("both are documents");
    };
    let (mut before, after) = (*before, *after);
    let trace = before.trace.as_mut().expect("a trace");
    let hop = after.trace.as_ref().expect("a trace").hops.last().expect("a hop").clone();
    let hub = hop.organ.as_ref().map(ToString::to_string);
    assert_eq!(hub.as_deref(), Some("001.00.20.TT2"));
    assert_eq!(hop.at.as_ref().map(ToString::to_string).as_deref(), Some("2026/11/29 08:30:15"));
    trace.hops.push(hop);
    assert_eq!(before, after, "nothing else was changed");
    let raw = client.try_call(by, Call::DownloadEdoc(opaque(&delivery)), b"").await;
    assert_eq!(raw.expect("an answer").body, content);

    // It is delivered at least once: only `done` takes it off the list.
    for word in [Acknowledgement::Processing, Acknowledgement::Fail] {
        client.acknowledge(by, &delivery, word).await;
        let rows = client.received(by, kind).await;
        assert_eq!(rows[0].status, Some(TransportStatus::Acknowledged(word)));
    }
    client.acknowledge(by, &delivery, Acknowledgement::Done).await;
    assert_eq!((client.received(by, kind).await, count().await), (Vec::new(), 0));
    assert_eq!(client.received("H41.230", kind).await.len(), 1, "the other receiver's own");

    let asked = Sent { service: ServiceType::Document, kind, document: opaque(&id) };
    let sent: Listed<SentRow> = client.done("H41.08", Call::SentEdocList(asked)).await;
    let stand: Vec<_> =
        sent.rows.iter().map(|r| (r.to_code.as_str(), r.receive_status.as_deref())).collect();
    assert_eq!(stand, [("H41.101", Some("done")), ("H41.230", Some("initial"))]);
    assert_eq!(sent.rows[0].notation.as_deref(), Some("1542/SKHCN-CĐS"));
}

#[tokio::test]
async fn lists_are_by_day_by_sender_by_status_and_by_page() {
    let client = Client::quiet(&[]).await;
    for _ in 0..3 {
        client.send_document().await;
    }
    client.forward("1 d").await;
    client.send_document().await;
    let count = async |change: &dyn Fn(&mut wire::vxp::Waiting)| {
        let mut asked = waiting(MessageType::Document);
        change(&mut asked);
        let call = Call::ReceivedEdocList(asked);
        client.done::<Listed<wire::vxp::Received>>("H41.101", call).await.rows.len()
    };
    assert_eq!(count(&|_| {}).await, 4);
    assert_eq!(count(&|w| w.from_date = Some(opaque("2026/11/30"))).await, 1);
    assert_eq!(count(&|w| w.to_date = Some(opaque("2026/11/29"))).await, 3);
    assert_eq!(count(&|w| w.from_date = Some(opaque("2026/12/01"))).await, 0);
    assert_eq!(count(&|w| w.from = Some(code("000.00.08.H41"))).await, 4);
    assert_eq!(count(&|w| w.from = Some(code("G22"))).await, 0);
    assert_eq!(count(&|w| w.status = Some(opaque("fail"))).await, 0);
    // What leaks out of the calls before, in the real SDK, filters nothing.
    assert_eq!(count(&|w| w.status = Some(opaque("done"))).await, 4);
    assert_eq!(count(&|w| w.from = Some(code("H41.101"))).await, 4);
    assert_eq!(count(&|w| (w.page_size, w.page_index) = (Some(3), Some(2))).await, 1);
    let mut asked = waiting(MessageType::Document);
    asked.from_date = Some(opaque("29/11/2026"));
    let answer = client.call::<Nothing>("H41.101", Call::ReceivedEdocList(asked), b"").await;
    assert_eq!(refusal(answer).0, "10");
}

#[tokio::test]
async fn what_the_axis_refuses_it_refuses_with_its_codes() {
    let client = Client::quiet(&[]).await;
    let document = |from: &str, to: &str| {
        let text = std::str::from_utf8(DOCUMENT).expect("text");
        text.replacen("<edXML:OrganId>H41.08<", from, 1).replace("H41.101", to).into_bytes()
    };
    let kind = MessageType::Document;
    let own = "<edXML:OrganId>H41.08<";
    let unknown = client.send("H41.08", kind, &document(own, "H99.01")).await;
    assert_eq!(refusal(unknown), ("18".into(), "Don vi nhan H99.01 khong ton tai".into()));
    let other = document("<edXML:OrganId>000.00.08.H41<", "H41.101");
    let (number, text) = refusal(client.send("H41.08", kind, &other).await);
    assert_eq!(number, "19");
    let wanted = "Don vi gui 000.00.08.H41 khong dung voi ma da dang ky: H41.08";
    assert_eq!(text, wanted);
    let mut asked = sending("H41.08", kind, DOCUMENT);
    asked.from = code("H41.101");
    let answer = client.call::<Nothing>("H41.08", Call::SendEdoc(asked), DOCUMENT).await;
    assert_eq!(refusal(answer).0, "19", "`from` is another's");
    let asked = sending("H41.08", kind, b"another file");
    let answer = client.call::<Nothing>("H41.08", Call::SendEdoc(asked), DOCUMENT).await;
    assert_eq!(refusal(answer).0, "21");
    let answer = client.send("H41.08", kind, b"<edXML><a></edXML>").await;
    assert_eq!(refusal(answer).0, "22");
    let answer = client.send("H41.08", MessageType::Status, DOCUMENT).await;
    assert_eq!(refusal(answer).0, "22");
    let wrong = client.call::<Nothing>("G99", Call::AgenciesList(None), b"").await;
    assert_eq!(refusal(wrong).0, "15");
    let heard = client.http("POST", "/getAgenciesList", &[], b"").await;
    assert_eq!((heard.http, &heard.json()["status"]), (200, &"FAIL".into()));
    assert_eq!(client.http("GET", "/sendEdoc", &[], b"").await.json()["ErrorCode"], "10");
}

#[tokio::test]
async fn hash_file_is_taken_in_both_spellings() {
    use sha2::{Digest, Sha256};
    let client = Client::quiet(&[]).await;
    let sha256: [u8; 32] = Sha256::digest(DOCUMENT).into();
    assert_ne!(hash_file::padded(&sha256), hash_file::unpadded(&sha256));
    for hash in [hash_file::padded(&sha256), hash_file::unpadded(&sha256)] {
        let mut asked = sending("H41.08", MessageType::Document, DOCUMENT);
        asked.hash_file = opaque(&hash);
        // With and without the line break behind the file.
        for end in [&b""[..], b"\r\n"] {
            let body = [DOCUMENT, end].concat();
            let call = Call::SendEdoc(asked.clone());
            let answer = client.call::<wire::vxp::Accepted>("H41.08", call, &body).await;
            assert!(matches!(answer, Answer::Done(..)), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn the_header_to_decides_who_receives() {
    let client = Client::quiet(&[]).await;
    let mut asked = sending("H41.08", MessageType::Document, DOCUMENT);
    asked.to = Some(vec![code("H41.230")]);
    let answer =
        client.call::<wire::vxp::Accepted>("H41.08", Call::SendEdoc(asked), DOCUMENT).await;
    assert!(matches!(answer, Answer::Done(..)), "{answer:?}");
    assert!(client.received("H41.101", MessageType::Document).await.is_empty());
    assert_eq!(client.received("H41.230", MessageType::Document).await.len(), 1);
}

#[tokio::test]
async fn scripted_bodies_answer_when_their_time_has_come() {
    let client = Client::new(settings()).await;
    client.send_document().await;
    let kind = MessageType::Status;
    assert!(client.received("H41.08", kind).await.is_empty());
    let mut codes = Vec::new();
    for span in ["2 s", "8 s", "1 h"] {
        client.forward(span).await;
        let rows = client.received("H41.08", kind).await;
        assert_eq!(rows.len(), 2, "both receivers answer");
        for row in rows {
            codes.push(status_of(&client.fetch("H41.08", &row.document).await));
            client.acknowledge("H41.08", &row.document, Acknowledgement::Done).await;
        }
    }
    use StatusCode::{Accepted, Arrived, Finished};
    assert_eq!(codes, [Arrived, Arrived, Accepted, Accepted, Finished, Finished]);
    client.forward("1 d").await;
    assert!(client.received("H41.08", kind).await.is_empty(), "they have said everything");
}

#[tokio::test]
async fn a_refused_word_is_refused_and_a_silent_body_says_nothing() {
    let mut bodies = Bodies { refused_words: vec!["Kết nối".to_owned()], ..Bodies::default() };
    let silent = lgsp_simulator::Script { steps: Vec::new(), ..lgsp_simulator::Script::default() };
    bodies.scripts.insert(code("H41.230"), silent);
    let client = Client::new(Settings { bodies, ..settings() }).await;
    client.send_document().await;
    client.forward("2 h").await;
    let mut codes = Vec::new();
    for row in client.received("H41.08", MessageType::Status).await {
        assert_eq!(row.from.as_deref(), Some("H41.101"));
        codes.push(status_of(&client.fetch("H41.08", &row.document).await));
    }
    assert_eq!(codes, [StatusCode::Arrived, StatusCode::Refused]);
}

#[tokio::test]
async fn a_recall_is_agreed_to() {
    let client = Client::new(settings()).await;
    let recall = include_bytes!("../../../wire/tests/vectors/edxml/document-recall.edxml");
    let answer = client.send("H41.08", MessageType::Document, recall).await;
    assert!(matches!(answer, Answer::Done(..)), "{answer:?}");
    client.forward("10 s").await;
    let rows = client.received("H41.08", MessageType::Status).await;
    assert!(!rows.is_empty());
    let content = client.fetch("H41.08", &rows[0].document).await;
    assert_eq!(status_of(&content), StatusCode::RecallAgreed);
    let Message::Status(status) = read(&content).0 else { panic!("a status") };
    let about = status.response_for.expect("it says what it is about");
    assert_eq!(about.organ, OrganCodeOf("H41.08").said());
}

#[tokio::test]
async fn whoever_has_a_document_is_asked_to_give_it_back() {
    let client = Client::new(settings()).await;
    client.send_document().await;
    let status = include_str!("../../../wire/tests/vectors/edxml/status-03.edxml");
    let status = status.replace(">03<", ">13<").replace("H41.101", "H41.08");
    let kind = MessageType::Status;
    let answer = client.send("H41.08", kind, status.as_bytes()).await;
    assert!(matches!(answer, Answer::Done(..)), "{answer:?}");
    assert!(client.received("H41.08", kind).await.is_empty(), "it is not its sender's own");
    client.forward("10 s").await;
    let mut agreed = 0;
    for row in client.received("H41.08", kind).await {
        let code = status_of(&client.fetch("H41.08", &row.document).await);
        agreed += usize::from(code == StatusCode::RecallAgreed);
    }
    assert_eq!(agreed, 2, "both receivers answer");
}

/// A code as a document has it.
struct OrganCodeOf(&'static str);

impl OrganCodeOf {
    fn said(&self) -> Option<Said<OrganCode>> {
        Some(Said::read(self.0))
    }
}

#[tokio::test]
async fn a_status_that_we_send_reaches_the_sender() {
    let client = Client::quiet(&[]).await;
    let status = include_bytes!("../../../wire/tests/vectors/edxml/status-03.edxml");
    let answer = client.send("H41.101", MessageType::Status, status).await;
    assert!(matches!(answer, Answer::Done(..)), "{answer:?}");
    let rows = client.received("H41.08", MessageType::Status).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(client.fetch("H41.08", &rows[0].document).await, status, "unchanged");
    let counting = Counting { service: ServiceType::Document, kind: None };
    let count: Counted = client.done("H41.08", Call::CountReceiveStatus(counting)).await;
    assert_eq!(count.count, 1);
}

#[tokio::test]
async fn a_system_that_is_no_body_of_the_directory_may_send_too() {
    let systems = systems(&["vxp.saas.03", "H41.101", "H41.230"]);
    let client = Client::new(Settings { systems, ..settings() }).await;
    let text = std::str::from_utf8(DOCUMENT).expect("text");
    let file = text.replacen("<edXML:OrganId>H41.08<", "<edXML:OrganId>vxp.saas.03<", 1);
    let answer = client.send("vxp.saas.03", MessageType::Document, file.as_bytes()).await;
    assert!(matches!(answer, Answer::Done(..)), "{answer:?}");
    let rows = client.received("H41.101", MessageType::Document).await;
    assert_eq!(rows[0].from.as_deref(), Some("vxp.saas.03"));
}

#[tokio::test(start_paused = true)]
async fn a_ticking_clock_goes_with_the_time_of_the_runtime() {
    let clock = std::sync::Arc::new(lgsp_simulator::Ticking::from(crate::NOW));
    let client = Client::new(Settings { clock, ..settings() }).await;
    client.send_document().await;
    assert!(client.received("H41.08", MessageType::Status).await.is_empty());
    tokio::time::advance(std::time::Duration::from_secs(3600)).await;
    let rows = client.received("H41.08", MessageType::Status).await;
    assert_eq!(rows.len(), 6, "three answers of two bodies");
    assert_eq!(rows[5].created_time.as_deref(), Some("2026/11/29 09:30:15"));
}
