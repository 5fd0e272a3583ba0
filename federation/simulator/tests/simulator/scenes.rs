//! Scenes: what happens by itself, in the order of its times.

use lgsp_simulator::Settings;
use wire::vxp::{Call, MessageType};

use crate::client::{Client, settings};

const SCENE: &str = "\
# The Government Office writes, then the axis is ill for ten minutes, then it is the next day.
at 0 s    send from=G22 to=H41.08 number=7816 notation=VPCP-TTĐT subject=V/v báo cáo kết nối
at 5 min  fault vxp.getAgenciesList=error-500:1
at 15 min fault vxp.getAgenciesList=error-500:0
at 20 min send from=H57 to=H41.08 number=12 notation=UBND-TH subject=V/v phối hợp
at 30 min send from=X99 to=H41.08 number=1 notation=A subject=Nobody sends this
at 1 h    clock forward 1 d
";

#[tokio::test]
async fn documents_come_faults_go_and_the_clock_is_moved() {
    let scene = Some(SCENE.parse().expect("a scene"));
    let client = Client::new(Settings { scene, ..settings() }).await;
    let kind = MessageType::Document;
    let senders = async || {
        let rows = client.received("H41.08", kind).await;
        rows.into_iter().filter_map(|row| row.from).collect::<Vec<_>>()
    };
    let status = async || {
        let heard = client.try_call("H41.08", Call::AgenciesList(None), b"").await;
        heard.expect("an answer").http
    };
    assert_eq!((senders().await, status().await), (vec!["G22".to_owned()], 200));
    let row = client.received("H41.08", kind).await.remove(0);
    let content = String::from_utf8(client.fetch("H41.08", &row.document).await).expect("text");
    assert!(content.contains("G22,2026/11/29,7816/VPCP-TTĐT"), "{content}");
    assert!(content.contains("001.00.20.TT2"), "the hub passed it on");
    client.forward("6 min").await;
    assert_eq!(status().await, 500);
    client.forward("10 min").await;
    assert_eq!(status().await, 200);
    client.forward("10 min").await;
    assert_eq!(senders().await, ["G22", "H57"]);
    client.forward("1 h").await;
    let now = client.get("/_sim/").await.json()["now"].clone();
    assert_eq!(now, "2026/11/30 09:56:15.000");
    let entries = client.ledger().await;
    let failed: Vec<_> = entries.iter().filter(|entry| entry["what"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["step"], "send 1/A");
}

#[tokio::test]
async fn what_to_type_next_is_said_in_two_languages_with_lines_that_work() {
    let client = Client::quiet(&[]).await;
    let text = client.running.next_steps();
    assert!(text.contains("Mô phỏng") && text.contains("simulated"), "{text}");
    let base = client.running.base();
    let mut asked = 0;
    for line in text.lines().map(str::trim).filter(|line| line.starts_with("curl ")) {
        // The lines of this text are simple: options, one body in quotes, one address.
        let target = line.split(&base).nth(1).expect("our address").trim_end_matches('\'');
        let body = line.split("-d '").nth(1).map(|rest| rest.split('\'').next().expect("a body"));
        let user = line.split("-u '").nth(1).map(|rest| rest.split('\'').next().expect("a user"));
        let method = if body.is_some() { "POST" } else { "GET" };
        let header = line.split("-H '").nth(1).map(|rest| rest.split('\'').next().expect("one"));
        let basic = user.map(|user| {
            use base64::Engine;
            let pair = base64::engine::general_purpose::STANDARD.encode(user);
            format!("Basic {pair}")
        });
        let mut headers: Vec<_> =
            header.and_then(|line| line.split_once(": ")).into_iter().collect();
        headers.extend(basic.as_deref().map(|basic| ("Authorization", basic)));
        let heard =
            client.http(method, target, &headers, body.unwrap_or_default().as_bytes()).await;
        assert_eq!(heard.http, 200, "{line}: {}", heard.text());
        asked += 1;
    }
    assert!(asked >= 8, "{asked} lines");
}
