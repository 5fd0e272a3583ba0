//! Who holds contents, and who owes them: after a restore without contents, and where a node takes
//! packets that does not vote yet.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lgsp_tests::{
    harness::{Cluster, Party, Program, Searched, digest_of, eventually, search},
    wire::{Conn, Request},
};
use model::SpaceId;
use serde_json::{Value, json};

/// Contents are looked for again after 10 seconds, or a minute; a debug build on a busy machine
/// takes its time to start.
const LOOK_TIME_MAX: Duration = Duration::from_secs(120);
/// What the log says once a day.
const SAID: &str = "contents of live packets are gone";
/// Small packets of the restored cluster.
const SMALL: usize = 4;
/// Octets of a large content.
const LARGE: usize = (1 << 20) + (300 << 10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contents_that_are_gone_are_said_to_be_gone_and_closed_by_one_command() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let cluster = Cluster::start(&program, 3).await.expect("a cluster");
    let mut scene = Scene::new(cluster).await.unwrap_or_else(|error| panic!("{error:?}"));
    let well =
        |step: &str, done: Result<()>| done.unwrap_or_else(|error| panic!("{step}: {error:?}"));
    well("packets", scene.sends().await);
    well("no contents, and a node away", scene.comes_back_without_contents(2).await);
    well("every node has answered", scene.is_told_of_the_loss().await);
    well("a disk comes back", scene.finds_a_disk().await);
    well("they are lost for good", scene.comes_back_without_contents(0).await);
    well("one command", scene.closes().await);
}

struct Scene {
    cluster: Cluster,
    source: Party,
    target: Party,
    other: Party,
    /// Packet and content, in the order of their sending.
    sent: Vec<(String, Vec<u8>)>,
    /// The token of the one that was accepted before.
    token: String,
}

impl Scene {
    async fn new(cluster: Cluster) -> Result<Self> {
        let source = cluster.party("H41.40", &["send"]).await?;
        let target = cluster.party("H41.41", &["receive"]).await?;
        let other = cluster.party("H41.42", &["receive"]).await?;
        Ok(Self { cluster, source, target, other, sent: Vec::new(), token: String::new() })
    }

    async fn sends(&mut self) -> Result<()> {
        let at = self.cluster.endpoint(0);
        let targets = [&*self.target.unit, &*self.other.unit];
        for number in 0..SMALL {
            let content = format!("nội dung số {number}").into_bytes();
            let targets = if number == 0 { &targets[..] } else { &targets[..1] };
            let answer = self.source.submit(&at, targets, "small", &content, "").await?;
            self.sent.push((answer.success()?.text("/packet"), content));
        }
        let content = vec![7; LARGE];
        let (packet, space, token) =
            self.source.open(&at, &targets[..1], "large", Some(LARGE as u64)).await?;
        let piece = Party::patch(&space, &token, 0, Bytes::copy_from_slice(&content));
        Conn::new(&at).call(&piece).await?.success()?;
        self.source.commit(&at, &packet, LARGE as u64, &digest_of(&content)).await?.success()?;
        self.sent.push((packet, content));
        self.token = self.target.accept(&at, &self.sent[1].0).await?.token;
        self.cluster.whole().await
    }

    /// Kills all nodes, takes their contents away, and starts all but the last few.
    async fn comes_back_without_contents(&mut self, away: usize) -> Result<()> {
        let away = usize::from(away > 0);
        for node in &mut self.cluster.nodes {
            node.kill()?;
        }
        for node in &self.cluster.nodes {
            let (content, kept) = (node.data.join("content"), node.data.join("content.kept"));
            if kept.exists() {
                fs::remove_dir_all(&content)?;
            } else {
                fs::rename(&content, &kept)?;
            }
        }
        let running = self.cluster.nodes.len() - away;
        for node in &mut self.cluster.nodes[..running] {
            node.start()?;
        }
        for index in 0..running {
            self.cluster.ready(index).await?;
        }
        if away == 0 {
            return Ok(());
        }
        // Not all who may hold them have answered: nobody says that they are gone.
        let count = self.sent.len() as u64;
        let status = eventually("the contents are missed", LOOK_TIME_MAX, async || {
            let status = self.cluster.status(0).await?;
            let most = status["nodes"].as_array()?.iter().map(|n| n["contents_missing"].as_u64());
            (most.flatten().max() == Some(count)).then_some(status)
        })
        .await?;
        ensure!(status["lost"] == 0, "nothing is called lost: {status}");
        let at = self.cluster.endpoint(0);
        let fetched = self.fetch(0).await?;
        fetched.problem(503, "content_unreachable").context("a GET while a node is away")?;
        let accepted = self.target.accept_whole(&at, &self.sent[2].0).await?;
        accepted.problem(503, "content_unreachable").context("an accept while a node is away")?;
        let (_, said) = self.checked().await?;
        ensure!(said["content_missing"].contains("n3"), "it names who is away: {said:?}");
        ensure!(!said.contains_key("content_lost"), "{said:?}");
        self.receives_what_is_behind().await?;
        let index = self.cluster.nodes.len() - 1;
        self.cluster.restart(index).await
    }

    /// Finding 1: contents that no node has hold up neither the command nor what waits behind them.
    async fn receives_what_is_behind(&self) -> Result<()> {
        let (at, program) = (self.cluster.endpoint(0), self.cluster.program());
        let admin = self.cluster.nodes[0].data.join("admin.toml").display().to_string();
        let path = |name: &str| self.cluster.root().join(name).display().to_string();
        let (profile, to) = (path("target.toml"), path("received"));
        let issue = ["key", "issue", "app-h41-41", "--profile-file", &profile, "--profile", &admin];
        program.run_well(&issue).await?;
        let answer = self.source.submit(&at, &[&self.target.unit], "behind", b"behind", "").await?;
        let behind = answer.success()?.text("/packet");
        let receive = ["packet", "receive", "--confirm", "--to-dir", &to, "--profile", &profile];
        let bounded = ["--timeout", "2 s", "-o", "json"];
        let output = program.run(&[&receive[..], &bounded].concat()).await?;
        let said: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        ensure!(output.status.code() == Some(4), "something was left: {said}");
        let (items, failed) = (&said["items"], said["failed"].as_array().context("a list")?);
        ensure!(failed.len() == self.sent.len(), "each is told: {said}");
        ensure!(items[0]["packet"] == *behind && items[0]["state"] == "confirmed", "{said}");
        ensure!(fs::read(items[0]["path"].as_str().context("a path")?)? == b"behind", "{said}");
        Ok(())
    }

    async fn fetch(&self, index: usize) -> Result<lgsp_tests::wire::Answer> {
        let request = Request::get(format!("/v1/packets/{}/content", self.sent[1].0));
        Conn::new(&self.cluster.endpoint(index)).call(&request.bearer(&self.token)).await
    }

    async fn are_lost(&self, count: u64) -> Result<()> {
        let what = format!("{count} packets are said to be lost");
        eventually(&what, LOOK_TIME_MAX, async || {
            (self.cluster.status(1).await?["lost"] == count).then_some(())
        })
        .await
    }

    async fn is_told_of_the_loss(&mut self) -> Result<()> {
        self.are_lost(self.sent.len() as u64).await?;
        let at = self.cluster.endpoint(1);
        for (packet, _) in &self.sent {
            let seen = self.source.packet(&at, packet).await?.success()?.json();
            ensure!(seen["content_lost_at"].is_string(), "{seen}");
            ensure!(seen["state"] != "failed", "only an administrator ends it: {seen}");
        }
        self.fetch(1).await?.problem(410, "content_lost").context("a GET")?;
        let accepted = self.target.accept_whole(&at, &self.sent[3].0).await?;
        accepted.problem(410, "content_lost").context("an accept")?;
        for party in [&self.source, &self.target, &self.other] {
            ensure!(self.heard(party, "content_lost").await? > 0, "{} was not told", party.unit);
        }
        let (code, said) = self.checked().await?;
        ensure!(code != Some(0) && said.contains_key("content_lost"), "{code:?} {said:?}");
        let listed = self.lost().await?;
        ensure!(listed.len() == self.sent.len(), "{listed:?}");
        Ok(())
    }

    /// How often a party was told something about packets.
    async fn heard(&self, party: &Party, kind: &str) -> Result<usize> {
        let at = self.cluster.endpoint(1);
        let request = Request::get("/v1/events?after=0&limit=200&wait=0")
            .header("accept", "application/cloudevents-batch+json");
        let request = party.key.sign(&at.authority, request);
        let batch = Conn::new(&at).call(&request).await?.success()?;
        let text = String::from_utf8_lossy(&batch.body).into_owned();
        Ok(text.matches(&format!("packet.{kind}.v1")).count())
    }

    async fn finds_a_disk(&mut self) -> Result<()> {
        let found_before = self.heard(&self.target, "content_found").await?;
        let node = &mut self.cluster.nodes[0];
        node.kill()?;
        fs::remove_dir_all(node.data.join("content"))?;
        copy(&node.data.join("content.kept"), &node.data.join("content"))?;
        self.cluster.restart(0).await?;
        self.are_lost(0).await?;
        ensure!(self.heard(&self.target, "content_found").await? > found_before, "targets hear");
        // One is delivered meanwhile, and is lost no more.
        let (packet, content) = self.sent.pop().context("the large one")?;
        let at = self.cluster.endpoint(2);
        ensure!(self.target.receive(&at, &packet).await? == content, "what was sent");
        self.cluster.whole().await
    }

    async fn closes(&mut self) -> Result<()> {
        self.are_lost(self.sent.len() as u64).await?;
        let profile = self.cluster.nodes[0].data.join("admin.toml").display().to_string();
        let close = ["packet", "lost", "--close", "--yes", "--profile", &profile, "-o", "json"];
        let said: Value = serde_json::from_str(&self.cluster.program().run_well(&close).await?)?;
        ensure!(said["closed"] == self.sent.len(), "{said}");
        let at = self.cluster.endpoint(1);
        for (packet, _) in &self.sent {
            let seen = self.source.packet(&at, packet).await?.success()?.json();
            ensure!(seen["state"] == "failed", "{seen}");
            ensure!(seen["deliveries"][0]["reason"] == "content_lost", "{seen}");
        }
        for party in [&self.source, &self.target, &self.other] {
            ensure!(self.heard(party, "failed").await? > 0, "{} was not told", party.unit);
        }
        ensure!(self.lost().await?.is_empty(), "nothing is left in the list");
        self.cluster.whole().await.context("nothing is warned of any more")?;
        for node in &self.cluster.nodes {
            let said = node.said_since(0);
            let (lines, starts) = (said.matches(SAID).count(), 3);
            ensure!(lines <= starts, "{} said it {lines} times in {starts} lives", node.name);
            let packets = self.sent.iter().filter(|(packet, _)| said.contains(packet)).count();
            ensure!(packets == 0, "{} has lines about {packets} packets", node.name);
        }
        Ok(())
    }

    async fn lost(&self) -> Result<Vec<Value>> {
        let profile = self.cluster.nodes[0].data.join("admin.toml").display().to_string();
        let list = ["packet", "lost", "--profile", &profile, "-o", "json"];
        let said: Value = serde_json::from_str(&self.cluster.program().run_well(&list).await?)?;
        Ok(said["items"].as_array().context("a list")?.clone())
    }

    /// What `lgsp check` finds wrong: its exit code, and the texts by their words.
    async fn checked(&self) -> Result<(Option<i32>, BTreeMap<String, String>)> {
        let profile = self.cluster.nodes[0].data.join("admin.toml").display().to_string();
        let check = ["check", "--profile", &profile, "-o", "json"];
        let output = self.cluster.program().run(&check).await?;
        let said: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        let findings = said["findings"].as_array().context("findings")?;
        let wrong = findings.iter().filter(|finding| finding["mark"] != "good");
        let text = |finding: &Value, name| finding[name].as_str().unwrap_or_default().to_owned();
        let wrong = wrong.map(|finding| (text(finding, "word"), text(finding, "text")));
        Ok((output.status.code(), wrong.collect()))
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), &place)?;
        }
    }
    Ok(())
}

/// A node that has just joined takes packets from its first moment, whether it votes or not. It is
/// killed before they end, so that it cannot clear up: what lies on its disk must be owed by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_joins_and_dies_keeps_nothing_that_it_does_not_owe() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    if let Err(error) = joins_and_dies(&mut cluster).await {
        cluster.show_logs();
        panic!("{error:?}");
    }
}

async fn joins_and_dies(cluster: &mut Cluster) -> Result<()> {
    let source = cluster.party("H41.43", &["send"]).await?;
    let target = cluster.party("H41.44", &["receive"]).await?;
    let index = cluster.admit().await?;
    cluster.nodes[index].start()?;
    let at = cluster.endpoint(index);
    let mut sent: Vec<(String, Vec<u8>)> = Vec::new();
    let mut begun: Vec<String> = Vec::new();
    // From its first answer on, small and large in turn; some of the large ones are finished elsewhere.
    eventually("the new node takes packets", LOOK_TIME_MAX, async || {
        let content = format!("the packet of number {}", sent.len()).into_bytes();
        let answer = source.submit(&at, &[&target.unit], "small", &content, "").await.ok()?;
        if answer.is_success() {
            sent.push((answer.text("/packet"), content));
            let opened = source.open(&at, &[&target.unit], "large", None).await;
            if let Ok((packet, space, token)) = opened {
                let piece = Party::patch(&space, &token, 0, vec![9; 200_000].into());
                if Conn::new(&at).call(&piece).await.is_ok_and(|answer| answer.is_success()) {
                    begun.push(packet);
                }
            }
        }
        (sent.len() >= 6 && begun.len() >= 3).then_some(())
    })
    .await?;
    let number = number_of(cluster, index).await?;
    cluster.nodes[index].kill()?;
    let elsewhere = cluster.endpoint(0);
    for (packet, content) in &sent {
        ensure!(target.receive(&elsewhere, packet).await? == *content, "what was sent");
    }
    for packet in &begun {
        let cancel = Request::post(format!("/v1/packets/{packet}/cancel"), &json!({}));
        cluster.persist(&source.key, cancel).await?.success()?;
    }
    let store = cluster.nodes[index].data.join("content");
    let (mut owed, mut clean) = (0, 0);
    for packet in sent.iter().map(|(packet, _)| packet).chain(&begun) {
        let seen = source.packet(&elsewhere, packet).await?.success()?.json();
        let space: SpaceId = seen["space"].as_str().context("a space")?.parse()?;
        let needle = vec![(packet.clone(), space.to_bytes().to_vec())];
        let Searched { found, octets, .. } = search(&store, &needle)?;
        let named = fs::read_dir(store.join("spaces"))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .any(|name| name.contains(&space.to_string()));
        ensure!(octets > 0, "the disk was searched");
        let debt = seen["purge_debt"].as_array().context("a debt")?.contains(&json!(number));
        ensure!(
            debt || (found.is_empty() && !named),
            "{packet} lies on the disk of a node that owes nothing: {found:?}"
        );
        if debt { owed += 1 } else { clean += 1 }
    }
    println!("the new node owes {owed} packets, and has nothing of {clean}");
    // Back again, it pays, and everybody sees that.
    cluster.restart(index).await?;
    eventually("the new node has paid", LOOK_TIME_MAX, async || {
        let status = cluster.status(0).await?;
        let nodes = status["nodes"].as_array()?;
        nodes.iter().all(|node| node["purge_debt"] == 0).then_some(())
    })
    .await
}

async fn number_of(cluster: &Cluster, index: usize) -> Result<u64> {
    let status = eventually("a status", LOOK_TIME_MAX, async || cluster.status(0).await).await?;
    let url = cluster.nodes[index].url();
    let nodes = status["nodes"].as_array().context("nodes")?;
    let node = nodes.iter().find(|node| node["api_url"] == url.as_str()).context("the node")?;
    node["node"].as_u64().context("a number")
}
