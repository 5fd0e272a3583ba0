//! The exchange from outside: several targets, large and small contents, ranges, events, and what
//! happens to requests that cannot be met.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lgsp_tests::{
    harness::{Cluster, Party, Program, digest_of, eventually},
    wire::{Conn, Endpoint, Events, Request},
};
use rand::Rng;
use serde_json::json;

const MIB: usize = 1 << 20;
/// A deadline that is waited for: it must not pass before a debug build on two busy cores has taken
/// the packet in.
const DEADLINE: Duration = Duration::from_secs(10);
/// Packets that are sent while a node is admitted and not started.
const WHILE_ADMITTED: usize = 12;
/// How long a node may take from its start until it votes.
const VOTES_TIME_MAX: Duration = Duration::from_secs(60);
/// A new voter fetches what is live at once, and not with the next reconciliation a minute later.
const HOLDS_TIME_MAX: Duration = Duration::from_secs(15);
/// How long the end of a packet may take to be known and its content to be forgotten everywhere.
const END_TIME_MAX: Duration = Duration::from_secs(60);

/// One cluster for all steps of this file: its start costs more than they do.
struct Scene {
    cluster: Cluster,
    source: Party,
    first: Party,
    second: Party,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_travel_and_wrong_requests_change_nothing() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let cluster = Cluster::start(&program, 3).await.expect("a cluster");
    let party =
        async |unit: &str, grants: &[&str]| cluster.party(unit, grants).await.expect("a party");
    let source = party("H41.50", &["send"]).await;
    let first = party("H41.51", &["receive"]).await;
    let second = party("H41.52", &["receive"]).await;
    let mut scene = Scene { cluster, source, first, second };
    let well =
        |step: &str, done: Result<()>| done.unwrap_or_else(|error| panic!("{step}: {error:?}"));
    well("a small packet to two targets", scene.small().await);
    well("a large packet", scene.large().await);
    well("events", scene.events().await);
    well("repeats", scene.repeats().await);
    well("rejected and cancelled", scene.refused_by_people().await);
    well("wrong requests", scene.wrong().await);
    well("a wrong digest", scene.wrong_digest().await);
    well("sizes that come late", scene.late_sizes().await);
    well("a deadline", scene.deadline().await);
    well("units", scene.units().await);
    well("a fourth node", scene.a_fourth_node().await);
}

fn random(size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    rand::rng().fill_bytes(&mut content);
    content
}

impl Scene {
    fn at(&self, index: usize) -> Arc<Endpoint> {
        self.cluster.endpoint(index)
    }

    fn both(&self) -> [&str; 2] {
        [&self.first.unit, &self.second.unit]
    }

    /// In at one node, out at another, confirmed at a third: any node takes any request.
    async fn small(&self) -> Result<()> {
        let content = random(1500);
        let sent = self
            .source
            .submit(&self.at(0), &self.both(), "Công văn số 1", &content, "")
            .await?
            .success()?;
        let packet = sent.text("/packet");
        ensure!(
            sent.status == 201 && sent.text("/digest") == digest_of(&content),
            "{}",
            sent.summary()
        );
        ensure!(self.first.receive(&self.at(1), &packet).await? == content, "the first target");
        let half = self.source.packet(&self.at(2), &packet).await?.success()?;
        ensure!(half.text("/state") == "confirmed", "one of two has confirmed: {}", half.summary());
        let again = self.first.confirm(&self.at(0), &packet, &digest_of(&content)).await?;
        ensure!(again.is_success(), "a repeated receipt is the same answer: {}", again.summary());
        ensure!(self.second.receive(&self.at(2), &packet).await? == content, "the second target");
        self.ended(&packet, "completed").await?;
        let late = self.first.accept_whole(&self.at(1), &packet).await?;
        ensure!(
            (400..500).contains(&late.status),
            "nothing is given out after the end: {}",
            late.status
        );
        Ok(())
    }

    /// Waits until every node knows the end of a packet, and each has forgotten its content.
    async fn ended(&self, packet: &str, state: &str) -> Result<()> {
        let what = format!("{packet} is {state} and purged");
        eventually(&what, END_TIME_MAX, async || {
            for index in 0..3 {
                let answer = self.source.packet(&self.at(index), packet).await.ok()?;
                let debt = answer.json()["purge_debt"].as_array()?.len();
                if answer.text("/state") != state || debt != 0 {
                    return None;
                }
            }
            Some(())
        })
        .await
    }

    async fn large(&self) -> Result<()> {
        let content = random(20 * MIB + 12_345);
        let (size, digest) = (content.len() as u64, digest_of(&content));
        let (packet, space, token) =
            self.source.open(&self.at(0), &[&self.first.unit], "Bản đồ", Some(size)).await?;
        let early = self.source.commit(&self.at(0), &packet, size, &digest).await?;
        ensure!(
            (400..500).contains(&early.status),
            "what is not there cannot be committed: {}",
            early.summary()
        );
        // In pieces, each at another node, as a client on a bad line does.
        let mut offset = 0;
        for (turn, piece) in content.chunks(7 * MIB).enumerate() {
            let at = self.at(turn % 3);
            let request = Party::patch(&space, &token, offset, Bytes::copy_from_slice(piece));
            let answer = Conn::new(&at)
                .call(&request)
                .await?
                .success()
                .with_context(|| format!("piece {turn}"))?;
            offset += piece.len() as u64;
            ensure!(
                answer.header("upload-offset") == Some(&offset.to_string()),
                "the offset after piece {turn}"
            );
        }
        let wrong = Conn::new(&self.at(0))
            .call(&Party::patch(&space, &token, 5, Bytes::from_static(b"x")))
            .await?;
        ensure!((400..500).contains(&wrong.status), "a wrong offset is refused: {}", wrong.status);
        self.source.commit(&self.at(1), &packet, size, &digest).await?.success()?;

        let accepted = self.first.accept(&self.at(2), &packet).await?;
        ensure!(
            accepted.size == size && accepted.digest == digest,
            "what was committed is offered"
        );
        let whole = Party::fetch(&self.at(2), &accepted, "").await?.success()?;
        ensure!(whole.body == content, "the whole");
        for (from, to) in
            [(0, 0), (MIB - 1, MIB + 1), (19 * MIB, 20 * MIB + 12_344), (5 * MIB, 9 * MIB)]
        {
            let part = Party::fetch(&self.at(0), &accepted, &format!("bytes={from}-{to}")).await?;
            ensure!(
                part.status == 206 && part.body == content[from..=to],
                "octets {from} to {to}: {}",
                part.status
            );
        }
        let tail = Party::fetch(&self.at(1), &accepted, "bytes=-100").await?;
        ensure!(
            tail.status == 206 && tail.body == content[content.len() - 100..],
            "the last hundred"
        );
        let beyond = Party::fetch(&self.at(1), &accepted, &format!("bytes={size}-")).await?;
        ensure!(beyond.status == 416, "beyond the end: {}", beyond.status);
        self.first.confirm(&self.at(0), &packet, &digest).await?.success()?;
        self.ended(&packet, "completed").await?;
        let gone = Party::fetch(&self.at(2), &accepted, "").await?;
        ensure!(
            gone.status == 410,
            "after the end the content is gone: {} {}",
            gone.status,
            gone.summary()
        );
        Ok(())
    }

    /// A notice arrives at whichever node the target listens, and can be taken up again.
    async fn events(&self) -> Result<()> {
        let mut streams = Vec::new();
        for index in 0..3 {
            streams.push(Events::open(&self.at(index), &self.second.key, None).await?);
        }
        let sent = self
            .source
            .submit(&self.at(0), &[&self.second.unit], "Thông báo", b"tin", "")
            .await?
            .success()?;
        let packet = sent.text("/packet");
        let mut position = String::new();
        for stream in &mut streams {
            let event =
                tokio::time::timeout(Duration::from_secs(20), next_available(stream)).await??;
            ensure!(event.packet() == packet, "the notice is of {}", event.packet());
            position = event.id.context("a notice has a position")?;
        }
        let before: u64 =
            position.parse::<u64>().context("positions are numbers")?.saturating_sub(1);
        let mut again =
            Events::open(&self.at(1), &self.second.key, Some(&before.to_string())).await?;
        let event =
            tokio::time::timeout(Duration::from_secs(20), next_available(&mut again)).await??;
        ensure!(event.packet() == packet, "taken up after {before}: {}", event.packet());
        self.second.receive(&self.at(1), &packet).await?;
        Ok(())
    }

    /// The same idempotency key gives the same packet at every node; with other content, a refusal.
    async fn repeats(&self) -> Result<()> {
        let mut packets = Vec::new();
        for index in [0, 1, 2, 0] {
            let sent = self
                .source
                .submit(&self.at(index), &[&self.first.unit], "Lặp", b"mot", "lap-1")
                .await?
                .success()?;
            packets.push(sent.text("/packet"));
        }
        packets.dedup();
        ensure!(packets.len() == 1, "one packet of four requests: {packets:?}");
        let other =
            self.source.submit(&self.at(1), &[&self.first.unit], "Lặp", b"hai", "lap-1").await?;
        ensure!(
            (400..500).contains(&other.status),
            "other content under the key: {}",
            other.summary()
        );
        ensure!(other.word() == "idempotency_conflict", "{}", other.summary());
        self.first.receive(&self.at(1), &packets[0]).await?;
        Ok(())
    }

    async fn refused_by_people(&self) -> Result<()> {
        let sent = self
            .source
            .submit(&self.at(0), &[&self.first.unit], "Nhầm", b"nham", "")
            .await?
            .success()?;
        let packet = sent.text("/packet");
        let reject =
            Request::post(format!("/v1/packets/{packet}/reject"), &json!({ "reason": "gửi nhầm" }));
        self.cluster.call(1, &self.first.key, reject).await?.success()?;
        self.ended(&packet, "rejected").await?;
        let sent = self
            .source
            .submit(&self.at(0), &self.both(), "Thu hồi", b"thu hoi", "")
            .await?
            .success()?;
        let packet = sent.text("/packet");
        let cancel = || Request::post(format!("/v1/packets/{packet}/cancel"), &json!({}));
        let foreign = self.cluster.call(2, &self.first.key, cancel()).await?;
        ensure!(
            (400..500).contains(&foreign.status),
            "only the source takes back: {}",
            foreign.status
        );
        self.cluster.call(2, &self.source.key, cancel()).await?.success()?;
        self.ended(&packet, "cancelled").await
    }

    async fn wrong(&self) -> Result<()> {
        let (_, before) = self.counts().await?;
        let unknown = self.source.submit(&self.at(1), &["H41.99.99"], "Không có", b"x", "").await?;
        let unknown = unknown.problem(404, "unit_unknown")?;
        ensure!(
            unknown.header("content-language") == Some("vi"),
            "Vietnamese unless asked for another language"
        );
        let none = self.source.submit(&self.at(1), &[], "Không ai", b"x", "").await?;
        ensure!(none.word() == "targets_malformed", "{}", none.summary());
        for body in ["", "{", "[]", "{\"targets\":7}", "{\"no_such_field\":1}", "\u{0}"] {
            let request = Request::new("POST", "/v1/packets")
                .body("application/json", body.as_bytes().to_vec().into());
            let answer = self.cluster.call(2, &self.source.key, request).await?;
            ensure!(
                (400..500).contains(&answer.status),
                "{body:?} is answered with {}",
                answer.status
            );
        }
        let not_granted =
            self.first.submit(&self.at(0), &[&self.second.unit], "Không quyền", b"x", "").await?;
        ensure!(not_granted.status == 403, "a receiver may not send: {}", not_granted.summary());
        for path in [
            "/v1/packets/x",
            "/v1/packets/pk_00000000000000000000000000",
            "/v1/no-such",
            "/v1/units/H41.99.99",
        ] {
            let answer = self.cluster.call(0, &self.source.key, Request::get(path)).await?;
            ensure!(
                (400..500).contains(&answer.status),
                "{path} is answered with {}",
                answer.status
            );
        }
        let (_, after) = self.counts().await?;
        ensure!(before == after, "nothing came of wrong requests: {before} and {after} packets");
        Ok(())
    }

    async fn counts(&self) -> Result<(usize, usize)> {
        let inbox = self.first.list(&self.at(0), "/v1/inbox").await?.len();
        Ok((inbox, self.source.list(&self.at(0), "/v1/packets").await?.len()))
    }

    async fn wrong_digest(&self) -> Result<()> {
        let content = random(MIB + 1);
        let size = content.len() as u64;
        let (packet, space, token) =
            self.source.open(&self.at(0), &[&self.first.unit], "Sai", Some(size)).await?;
        let stranger = Party::patch(&space, "no-such-token", 0, Bytes::from_static(b"x"));
        ensure!(
            matches!(Conn::new(&self.at(1)).call(&stranger).await?.status, 401 | 403 | 404),
            "a wrong token"
        );
        let request = Party::patch(&space, &token, 0, content.clone().into());
        Conn::new(&self.at(1)).call(&request).await?.success()?;
        let wrong = self.source.commit(&self.at(2), &packet, size, &digest_of(b"other")).await?;
        ensure!(
            (400..500).contains(&wrong.status),
            "a wrong digest is refused: {}",
            wrong.summary()
        );
        ensure!(wrong.word().replace('-', "_") == "digest_mismatch", "{}", wrong.summary());
        let inbox = self.first.list(&self.at(0), "/v1/inbox").await?;
        ensure!(
            !inbox.iter().any(|item| item["packet"] == packet.as_str()),
            "the target was told of it"
        );
        // The space is as it was: the right digest goes through.
        self.source.commit(&self.at(2), &packet, size, &digest_of(&content)).await?.success()?;
        let wrong = self.first.accept_whole(&self.at(0), &packet).await?.success()?;
        ensure!(wrong.body == content, "the content is right");
        let refused = self.first.confirm(&self.at(0), &packet, &digest_of(b"other")).await?;
        ensure!(refused.word() == "digest_mismatch", "{}", refused.summary());
        self.first.confirm(&self.at(1), &packet, &digest_of(&content)).await?.success()?;
        self.ended(&packet, "completed").await
    }

    /// A size that cannot be right does not stick, whichever node it is told; a whole content goes on
    /// from what another node has taken in.
    async fn late_sizes(&self) -> Result<()> {
        let content = random(MIB);
        let (size, digest) = (content.len() as u64, digest_of(&content));
        let (packet, space, token) =
            self.source.open(&self.at(0), &[&self.first.unit], "Kích thước", None).await?;
        let piece = Party::patch(&space, &token, 0, Bytes::copy_from_slice(&content[..1_000]));
        Conn::new(&self.at(0)).call(&piece).await?.success()?;
        let put = |body: &[u8]| {
            Request::new("PUT", format!("/v1/spaces/{space}/content"))
                .bearer(&token)
                .header("content-digest", auth::content_digest_sha256(&certs::sha256(body)))
                .body("application/octet-stream", Bytes::copy_from_slice(body))
        };
        for node in [1, 0, 2] {
            let small = Conn::new(&self.at(node)).call(&put(&content[..500])).await?;
            small.problem(422, "size_mismatch").with_context(|| format!("at node {node}"))?;
        }
        Conn::new(&self.at(1)).call(&put(&content)).await?.success()?;
        self.source.commit(&self.at(2), &packet, size, &digest).await?.success()?;
        ensure!(self.first.receive(&self.at(0), &packet).await? == content, "the whole");
        self.ended(&packet, "completed").await
    }

    /// A packet that nobody confirmed by its deadline expires, and its content goes.
    async fn deadline(&self) -> Result<()> {
        let soon = soon(DEADLINE);
        let mut request = Party::request(&[&self.first.unit], "Hạn");
        request["policy"] = json!({ "deliver_by": soon });
        let request =
            lgsp_tests::wire::multipart(&request, "han.bin", "application/octet-stream", b"han");
        let sent = self.cluster.call(0, &self.source.key, request).await?.success()?;
        let packet = sent.text("/packet");
        self.ended(&packet, "expired").await?;
        let late = self.first.accept_whole(&self.at(1), &packet).await?;
        ensure!((400..500).contains(&late.status), "after its deadline: {}", late.summary());
        Ok(())
    }

    async fn units(&self) -> Result<()> {
        let found = self
            .cluster
            .call(1, &self.source.key, Request::get("/v1/units?q=don%20vi%20H41.51"))
            .await?
            .success()?;
        let items = found.json()["items"].as_array().map_or(0, Vec::len);
        ensure!(items >= 1, "a unit is found without diacritics: {}", found.summary());
        Ok(())
    }

    /// Between `lgsp join` and its first vote a new node costs nobody anything: every submit is taken
    /// at the first attempt. The last step, as the cluster has four nodes after it.
    async fn a_fourth_node(&mut self) -> Result<()> {
        let index = self.cluster.admit().await?;
        for number in 0..2 * WHILE_ADMITTED {
            self.sends(number).await.context("while it is admitted and not started")?;
        }
        self.cluster.nodes[index].start()?;
        let (begun, mut number) = (Instant::now(), 0);
        while !self.votes(index).await {
            self.sends(number).await.context("while it catches up")?;
            number += 1;
            ensure!(begun.elapsed() < VOTES_TIME_MAX, "it does not vote");
        }
        // A majority of three may be none of four, so a new voter holds at once what is live.
        eventually("it holds what was sent before it came", HOLDS_TIME_MAX, async || {
            self.contents(index).await.ok().filter(|count| *count >= 2 * WHILE_ADMITTED)
        })
        .await?;
        for number in 0..WHILE_ADMITTED {
            self.sends(number).await.context("now that it votes")?;
        }
        self.cluster.whole().await
    }

    /// One of the first three nodes takes a packet.
    async fn sends(&self, number: usize) -> Result<()> {
        let targets = [self.first.unit.as_str()];
        let sent =
            self.source.submit(&self.at(number % 3), &targets, "Nút mới", b"moi", "").await?;
        sent.success().map(drop).with_context(|| format!("packet {number}"))
    }

    /// How many contents a node holds.
    async fn contents(&self, index: usize) -> Result<usize> {
        let answer =
            self.cluster.call(index, &self.cluster.admin, Request::get("/metrics")).await?;
        let body = answer.success()?.body;
        let text = std::str::from_utf8(&body)?;
        let count = text.lines().find_map(|line| line.strip_prefix("lgsp_contents "));
        Ok(count.context("a count of contents")?.parse()?)
    }

    async fn votes(&self, index: usize) -> bool {
        let url = self.cluster.nodes[index].url();
        let status = self.cluster.status(0).await.unwrap_or_default();
        status["nodes"].as_array().is_some_and(|nodes| {
            nodes.iter().any(|node| {
                node["api_url"] == url.as_str()
                    && matches!(node["role"].as_str(), Some("voter" | "leader"))
            })
        })
    }
}

async fn next_available(stream: &mut Events) -> Result<lgsp_tests::wire::Event> {
    while let Some(event) = stream.next().await? {
        if event.is_available() {
            return Ok(event);
        }
    }
    anyhow::bail!("the stream of events ended")
}

/// A moment from now, as RFC 3339 in UTC.
fn soon(after: Duration) -> String {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("it is after 1970");
    let at = model::Moment((since + after).as_millis() as u64);
    at.to_string()
}
