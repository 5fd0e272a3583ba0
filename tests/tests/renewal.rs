//! A node's certificate nears its end: the node renews it by itself, without a restart, and stays in
//! the cluster, where no application would speak to it once the old one had ended.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use certs::{Access, Authority, CERTIFICATE_LIFE, NodeKey, NodeRequest};
use consensus::{Clock, SystemClock};
use lgsp_tests::{
    harness::{Cluster, Loot, NodeProcess, Program, eventually},
    wire::Endpoint,
};
use model::{Moment, NodeId};
use rustls_pki_types::CertificateDer;

/// What is left of the old certificate of the node that joins: enough for a slow start, and an end
/// that the scene can wait for.
const LEFT: Duration = Duration::from_secs(45);
/// What is left of the first node's: long due, by weeks.
const LEFT_OF_FIRST: Duration = Duration::from_secs(10 * 24 * 3600);
/// A renewed certificate is good for longer than this.
const FRESH: Duration = Duration::from_secs(80 * 24 * 3600);
/// How long a step may take.
const STEP_TIME_MAX: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_renew_themselves_without_a_restart() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 1).await.expect("a cluster of one");
    let played = play(&mut cluster).await;
    played.unwrap_or_else(|error| panic!("{error:?}"));
}

async fn play(cluster: &mut Cluster) -> Result<()> {
    // The first node certifies itself: the authority's key lies sealed in its own state.
    cluster.nodes[0].stop().await?;
    let loot = Loot::take(&cluster.nodes[0].data, NodeId(1)).await?;
    let (authority, name) = (loot.open_authority()?, loot.cluster.cluster);
    let old = age(&cluster.nodes[0], NodeId(1), &name, &authority, LEFT_OF_FIRST)?;
    cluster.restart(0).await?;
    renewed(cluster, 0, NodeId(1), &name, &old).await.context("the first node")?;

    // A node that has only just joined has no state, and must ask a member, who is not there yet.
    let index = cluster.admit().await?;
    let old = age(&cluster.nodes[index], NodeId(2), &name, &authority, LEFT)?;
    cluster.nodes[0].freeze()?;
    cluster.nodes[index].start()?;
    let process = cluster.nodes[index].pid();
    let endpoint = cluster.endpoint(index);
    eventually("the old certificate is presented", STEP_TIME_MAX, async || {
        presented(&endpoint).await.filter(|now| *now == old)
    })
    .await?;
    cluster.nodes[0].thaw()?;
    renewed(cluster, index, NodeId(2), &name, &old).await.context("the second node")?;
    cluster.whole().await?;

    // No application accepts the old one any more, and a restarted peer has no connection from before.
    let end = certs::not_after(&old)?;
    eventually("the old certificate has ended", STEP_TIME_MAX, async || {
        (SystemClock.now() > end).then_some(())
    })
    .await?;
    cluster.nodes[0].stop().await?;
    cluster.restart(0).await?;
    cluster.whole().await?;
    ensure!(cluster.nodes[index].is_running(), "it runs");
    ensure!(cluster.nodes[index].pid() == process, "and was never started again");
    Ok(())
}

async fn presented(endpoint: &Endpoint) -> Option<Vec<u8>> {
    endpoint.presented().await.ok().map(|certificate| certificate.to_vec())
}

/// Waits until a node presents another certificate than the old one, and looks at it.
async fn renewed(
    cluster: &Cluster,
    index: usize,
    node: NodeId,
    name: &str,
    old: &[u8],
) -> Result<()> {
    let endpoint = cluster.endpoint(index);
    let new = eventually("another certificate is presented", STEP_TIME_MAX, async || {
        presented(&endpoint).await.filter(|now| now != old)
    })
    .await?;
    ensure!(certs::identity_of(&new, name)? == node, "it names the same node");
    ensure!(certs::not_after(&new)? > SystemClock.now().plus(FRESH), "it is good for long");
    let kept = certs::certificates_from_pem(&certificate(&cluster.nodes[index]))?;
    ensure!(*kept[0] == *new, "the next start presents it too");
    Ok(())
}

fn certificate(node: &NodeProcess) -> std::path::PathBuf {
    node.data.join("node.pem")
}

/// Gives a node that does not run a certificate of which so much is left, for the same key and hosts:
/// nothing but its age makes it due.
fn age(
    node: &NodeProcess,
    number: NodeId,
    cluster: &str,
    authority: &Authority,
    left: Duration,
) -> Result<Vec<u8>> {
    let addresses = vec![IpAddr::from([127, 0, 0, 1])];
    let mut chain = certs::certificates_from_pem(&certificate(node))?;
    let present = chain[0].clone();
    ensure!(certs::carries_hosts(&present, &[], &addresses)?, "the hosts stay the same");
    let now = SystemClock.now();
    ensure!(!certs::needs_renewal(&present, now)?, "what it has is fresh");
    let request = NodeRequest {
        node: number,
        cluster: cluster.to_owned(),
        request: NodeKey::load(&node.data.join("node.key"))?.request()?,
        names: Vec::new(),
        addresses,
    };
    let issued: Moment = now.plus(left).minus(CERTIFICATE_LIFE);
    let old = authority.issue(&request, issued)?.to_vec();
    ensure!(certs::needs_renewal(&old, now)?, "what it is given is due");
    chain[0] = CertificateDer::from(old.clone());
    let pem = certs::certificates_to_pem(&chain);
    certs::write_file(&certificate(node), pem.as_bytes(), Access::Public)?;
    Ok(old)
}
