//! A node's disk was copied by somebody, and the node is removed: the copy opens nothing any more.
//!
//! Each thing is first shown to work for the thief while the node is a member, so that what is refused
//! afterwards is not refused for a mistake of the test.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use certs::{NodeKey, Presented};
use futures_util::future::BoxFuture;
use lgsp_tests::{
    harness::{Cluster, Loot, Party, Program, Traffic, eventually},
    wire::{Credential, Request},
};
use machine::KeyRecord;
use mesh::{Channel, Claim, Mesh, Receiver, Sender};
use model::{Grant, NodeId};
use rustls_pki_types::CertificateDer;
use serde_json::Value;

/// How long a step may take.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);
/// Within what the tokens of a removed node are dead at every node, from the answer to the removal on.
const TOKENS_DEAD_MAX: Duration = Duration::from_secs(2);
/// Refusals after which it is believed that somebody does not get in.
const REFUSALS: u64 = 2;
/// The first octet of the question how a node is.
const VITALS: u8 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copied_disk_of_a_removed_node_opens_nothing() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    let traffic = Traffic::start(&cluster, 2).await.expect("traffic");
    let played = play(&mut cluster, &traffic).await;
    let loot = played.unwrap_or_else(|error| panic!("{error:?}"));
    let ledger = traffic.stop().await.unwrap_or_else(|error| panic!("{error:#}"));
    ledger.check(&cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
    let renewed = renew(&cluster, &loot).await;
    renewed.unwrap_or_else(|error| panic!("{error:?}"));
}

/// What the copy could read of secrets is told, and one command takes its worth away.
async fn renew(cluster: &Cluster, loot: &Loot) -> Result<()> {
    let mut stolen = Vec::new();
    for record in loot.keys.iter().filter(|record| record.grants.has(Grant::Admin)) {
        let secret = loot.keyring.open(&secret_context(record), &record.material)?;
        stolen.push(Credential::new(record.key.as_str(), std::str::from_utf8(&secret)?)?);
    }
    let status = || Request::get("/v1/admin/status");
    ensure!(!stolen.is_empty(), "there is an administrator");
    for thief in &stolen {
        let answer = cluster.call(0, thief, status()).await?;
        ensure!(answer.is_success(), "until they are renewed, they sign: {}", answer.status);
    }
    let profile = cluster.nodes[0].data.join("admin.toml").display().to_string();
    let checked = cluster.program().run(&["check", "-o", "json", "--profile", &profile]).await?;
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    ensure!(told.contains("keys_exposed"), "check tells of them: {told}");

    let directory = cluster.root().join("khoa-moi");
    let to = directory.display().to_string();
    let words = ["key", "renew", "--since-removal", "3", "--to-dir", &to, "--overlap-days", "0"];
    let words = [&words[..], &["--yes", "-o", "json", "--profile", &profile]].concat();
    let renewed: Value = serde_json::from_str(&cluster.program().run_well(&words).await?)?;
    let list = renewed["renewed"].as_array().context("a list of keys")?;
    let known = loot.keys.iter().filter(|key| key.algorithm.is_symmetric()).count();
    ensure!(list.len() >= known, "all of them: {} of {known}", list.len());
    for thief in &stolen {
        eventually("the copied secret signs nothing", STEP_TIME_MAX, async || {
            let answer = cluster.call(0, thief, status()).await.ok()?;
            (answer.status == 401).then_some(())
        })
        .await?;
    }
    let admin = list.iter().find(|key| key["app"] == "quan-tri").context("the administrator's")?;
    let new = admin["profile_file"].as_str().context("a profile")?;
    cluster.program().run_well(&["member", "list", "--profile", new]).await.map(drop)
}

/// What the secret of a key is sealed to.
fn secret_context(record: &KeyRecord) -> Vec<u8> {
    [&b"lgsp/app-secret/v1/"[..], record.key.as_str().as_bytes()].concat()
}

async fn play(cluster: &mut Cluster, traffic: &Traffic) -> Result<Loot> {
    let source = cluster.party("H41.90", &["send"]).await?;
    traffic.progress(20).await?;
    cluster.nodes[2].stop().await?;
    let loot = Loot::take(&cluster.nodes[2].data, NodeId(3)).await?;
    gets_in(cluster, &loot, NodeId(3), 0).await.context("a member's own key is let in")?;
    // The number of a member, of the one that was copied, and one that nobody ever had.
    for number in [2, 3, 999].map(NodeId) {
        refused(cluster, &loot, number, loot.forge(number)?, 0).await?;
    }
    let known = opened(&loot, &loot);
    ensure!(known > 4, "the copy opens the secrets of its own state: {known}");
    let at = cluster.endpoint(0);
    let (_, space, token) = source.open(&at, &["H41.90"], "of before", Some(10)).await?;
    ensure!(Party::offset(&at, &space, &token).await?.is_success(), "a token opens its space");

    removed(cluster, NodeId(3)).await?;
    let removed_at = Instant::now();
    drop(cluster.nodes.remove(2));
    // What the copy could derive from its cluster key is what the nodes had given out.
    for index in 0..cluster.nodes.len() {
        let at = cluster.endpoint(index);
        eventually("a token of the old key is dead", STEP_TIME_MAX, async || {
            let answer = Party::offset(&at, &space, &token).await.ok()?;
            (answer.status == 401).then_some(())
        })
        .await?;
    }
    let dead = removed_at.elapsed();
    println!("tokens of the old key are dead everywhere {dead:.0?} after the removal's answer");
    ensure!(dead <= TOKENS_DEAD_MAX, "tokens of the old key lived on for {dead:?}");
    traffic.progress(20).await?;
    for index in 0..cluster.nodes.len() {
        refused(cluster, &loot, NodeId(3), loot.own()?, index).await?;
        for number in [1, 2, 3, 4, 999].map(NodeId) {
            // Nobody calls a node in its own name.
            if number != called(index) {
                refused(cluster, &loot, number, loot.forge(number)?, index).await?;
            }
        }
    }
    // The state of a member, as it is now: the copied cluster key opens nothing of it.
    cluster.nodes[1].stop().await?;
    let now = Loot::take(&cluster.nodes[1].data, NodeId(2)).await?;
    cluster.restart(1).await?;
    let keys = now.keys.iter().filter(|key| key.algorithm.is_symmetric()).count();
    ensure!(opened(&now, &now) == keys + 1, "the member itself opens all of them");
    ensure!(now.authority.number > loot.authority.number, "the authority was rotated too");
    let key = |loot: &Loot| Ok::<_, anyhow::Error>(loot.open_authority()?.key_pkcs8());
    ensure!(*key(&now)? != *key(&loot)?, "and certifies with another key than the copy has");
    ensure!(opened(&loot, &now) == 0, "the copy opens secrets of the present state");
    Ok(loot)
}

/// How many secrets of a state a cluster key opens: those of applications, and the authority's.
fn opened(key: &Loot, state: &Loot) -> usize {
    let secret =
        |record: &&KeyRecord| key.keyring.open(&secret_context(record), &record.material).is_ok();
    let sealed = &state.authority.key_sealed;
    let authority = key.keyring.open(conductor::AUTHORITY_PURPOSE, sealed).is_ok();
    state.keys.iter().filter(secret).count() + usize::from(authority)
}

/// Removes a member as an administrator does.
async fn removed(cluster: &Cluster, node: NodeId) -> Result<()> {
    let path = format!("/v1/admin/members/{node}/remove");
    // The others have to hold first what it holds.
    eventually("the member is removed", STEP_TIME_MAX, async || {
        let answer = cluster.persist(&cluster.admin, Request::new("POST", path.clone())).await;
        answer.ok().filter(lgsp_tests::wire::Answer::is_success)
    })
    .await?;
    Ok(())
}

/// The nodes of a cluster are numbered in the order of their joining.
fn called(index: usize) -> NodeId {
    NodeId(index as u64 + 1)
}

/// Waits until the copied node is let in with what it was.
async fn gets_in(cluster: &Cluster, loot: &Loot, number: NodeId, index: usize) -> Result<()> {
    let mesh = thief(loot, number, loot.own()?)?;
    mesh.set_peers(&[(called(index), vec![cluster.nodes[index].mesh.to_string()])]);
    let answer =
        eventually("it is let in", STEP_TIME_MAX, async || ask(&mesh, called(index)).await).await;
    mesh.shutdown().await;
    answer
}

/// Waits until a node has refused whoever shows this certificate, and shows that it never answered.
async fn refused(
    cluster: &Cluster,
    loot: &Loot,
    number: NodeId,
    shown: (CertificateDer<'static>, NodeKey),
    index: usize,
) -> Result<()> {
    let before = refusals(cluster, index).await.context("a node counts what it refuses")?;
    let mesh = thief(loot, number, shown)?;
    mesh.set_peers(&[(called(index), vec![cluster.nodes[index].mesh.to_string()])]);
    let what = format!("{number} is refused by {}", cluster.nodes[index].name);
    let answered = eventually(&what, STEP_TIME_MAX, async || {
        let answer = ask(&mesh, called(index)).await;
        let judged = refusals(cluster, index).await? >= before + REFUSALS;
        (judged || answer.is_some()).then_some(answer.is_some())
    })
    .await;
    mesh.shutdown().await;
    ensure!(!answered?, "{number} got in at {}", cluster.nodes[index].name);
    Ok(())
}

/// The question how a node is, and whether it was answered.
async fn ask(mesh: &Mesh, called: NodeId) -> Option<()> {
    let asked = mesh.request(called, Channel::Control, Bytes::from_static(&[VITALS])).await;
    asked.is_ok_and(|answer| !answer.is_empty()).then_some(())
}

/// How many connections a node has refused.
async fn refusals(cluster: &Cluster, index: usize) -> Option<u64> {
    let answer = cluster.call_unsigned(index, Request::get("/metrics")).await.ok()?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let line = text.lines().find(|line| line.starts_with("lgsp_mesh_refused_total "))?;
    line.split(' ').nth(1)?.parse().ok()
}

fn thief(
    loot: &Loot,
    number: NodeId,
    (certificate, key): (CertificateDer<'static>, NodeKey),
) -> Result<Mesh> {
    let authority = CertificateDer::from(loot.authority.certificate.clone());
    let chain = vec![certificate, authority.clone()];
    let presented = Presented::new(chain, &key.private_key())?;
    let trusted = authority;
    let nobody = || -> certs::IsMember { Arc::new(|_| None) };
    let identity = mesh::Identity {
        server: Arc::new(certs::mesh_server_config(&trusted, nobody(), presented.clone())?),
        client: Arc::new(certs::mesh_client_config(&trusted, nobody(), presented)?),
    };
    Mesh::bind(mesh::Options {
        node: number,
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        identity,
        names: Arc::new(Names(loot.cluster.cluster.clone())),
        allowed: Arc::new(|_| true),
        handler: Arc::new(Silent),
        greeter: Arc::new(Polite { process: PROCESS }),
        process: PROCESS,
    })
    .context("the thief's mesh")
}

/// The thief's process, as it tells it.
const PROCESS: u64 = 7;

/// Greets as a node does that begins a new life, and welcomes everybody.
struct Polite {
    process: u64,
}

impl mesh::Greeter for Polite {
    fn greeting(&self, _: NodeId) -> Bytes {
        let mut greeting = minicbor::Encoder::new(Vec::new());
        let written = greeting
            .map(6)
            .and_then(|e| e.u8(0)?.u32(1))
            .and_then(|e| e.u8(1)?.bytes(&[7; 16]))
            .and_then(|e| e.u8(2)?.u64(1))
            .and_then(|e| e.u8(3)?.u64(self.process))
            .and_then(|e| e.u8(4)?.str("127.0.0.1:9"))
            .and_then(|e| e.u8(5)?.array(0));
        written.expect("a vector takes every octet");
        greeting.into_writer().into()
    }

    fn met(&self, _: mesh::Met) -> BoxFuture<'static, Result<(), Bytes>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn stranger(&self, _: NodeId) -> Bytes {
        Bytes::new()
    }

    fn refused(&self, _: NodeId, _: SocketAddr, _: Bytes) {}
}

struct Names(String);

impl mesh::Names for Names {
    fn server_name(&self, node: NodeId) -> String {
        certs::node_name(node, &self.0)
    }

    fn claim_of(&self, certificate: &[u8]) -> Option<Claim> {
        let node = certs::identity_of(certificate, &self.0).ok()?;
        Some(Claim { node, key: certs::key_digest(certificate).ok()? })
    }
}

struct Silent;

impl mesh::Handler for Silent {
    fn request(&self, _: NodeId, _: Channel, _: Bytes) -> BoxFuture<'static, Bytes> {
        Box::pin(std::future::ready(Bytes::new()))
    }

    fn stream(&self, _: NodeId, _: Bytes, _: Sender, _: Receiver) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}
