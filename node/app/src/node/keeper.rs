//! What a running node keeps in order beside its work: who its peers are, its own announcement, and
//! its certificate, which renews itself without a restart.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use anyhow::Context;
use certs::{Access, NodeKey, Presented};
use consensus::Consensus;
use delivery::Exchange;
use machine::{Effect, NewNode, View};
use mesh::{Channel, Claim, Mesh};
use model::NodeId;
use rustls_pki_types::CertificateDer;
use tokio::{sync::broadcast::error::RecvError, time::Instant};

use super::{Directory, Meeting, Renewal, book::Book, members::Members, run::Node};
use crate::{config::Config, links::Topic};

/// Between two looks at the certificate and the announcement. Both are days away, but where clocks
/// jump, a certificate that was made under the other date is good for nobody.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Until the first look has found a majority.
const FIRST_LOOK_EVERY: Duration = Duration::from_millis(500);

/// Between two rounds in which nodes tell each other where the nodes are, if nothing has changed.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// How long a peer may be away until the log says where it is looked for, and how often it says so.
const MISSED_AFTER: Duration = Duration::from_secs(15);
const MISSED_EVERY: Duration = Duration::from_secs(600);

/// How nodes are named in this cluster's certificates.
pub(super) struct ClusterNames(pub(super) String);

impl mesh::Names for ClusterNames {
    fn server_name(&self, node: NodeId) -> String {
        certs::node_name(node, &self.0)
    }

    fn claim_of(&self, certificate: &[u8]) -> Option<Claim> {
        let node = certs::identity_of(certificate, &self.0).ok()?;
        Some(Claim { node, key: certs::key_digest(certificate).ok()? })
    }
}

pub(super) fn mesh_identity(
    authority: &CertificateDer<'static>,
    presented: &Arc<Presented>,
) -> anyhow::Result<mesh::Identity> {
    Ok(mesh::Identity {
        server: Arc::new(certs::mesh_server_config(authority, presented.clone())?),
        client: Arc::new(certs::mesh_client_config(authority, presented.clone())?),
    })
}

/// The certificate for HTTPS: the operator's own, or the node's.
pub(super) fn https_presented(
    config: &Config,
    presented: &Arc<Presented>,
) -> anyhow::Result<Arc<Presented>> {
    match (&config.api.tls_cert, &config.api.tls_key) {
        (Some(chain), Some(key)) => {
            let (chain, key) = certs::load_certified_pem(chain, key)?;
            Ok(Presented::new(chain, &key)?)
        }
        _ => Ok(presented.clone()),
    }
}

pub(super) fn public_names(config: &Config) -> anyhow::Result<auth::PublicNames> {
    let urls = config.api.public_urls.iter().map(|url| url.as_str());
    auth::PublicNames::new(urls).context("the public URLs cannot be used")
}

pub(super) fn timing(config: &Config) -> consensus::Timing {
    let timing = &config.timing;
    consensus::Timing {
        heartbeat: timing.heartbeat.0,
        election_min: timing.election_min.0,
        election_max: timing.election_max.0,
        propose_deadline: timing.propose_deadline.0,
        fresh_max: timing.fresh_max.0,
        persist_every: timing.persist_every.0,
    }
}

pub(super) fn api_settings(node: &Node) -> api::Settings {
    let url = node.config.api.public_urls.first().map(|url| url.as_str()).unwrap_or_default();
    let mut settings = api::Settings::new(url);
    settings.cors_origins = node.config.api.cors_origins.clone();
    settings.content_max = node.config.storage.content_max.0;
    let limits = &node.config.limits;
    settings.limits = api::Limits {
        connections_max: node.descriptors.connections,
        connections_an_address_max: limits.connections_an_address as usize,
        gateways: limits.gateways.clone(),
        requests_a_second: limits.requests_a_second,
    };
    let (consensus, content, mesh) =
        (node.consensus.clone(), node.content.clone(), node.mesh.clone());
    settings.gauges = Arc::new(move || super::gauges::all(&consensus, &content, &mesh));
    settings
}

/// What the keeper needs; all of it cheap to hold.
pub(super) struct Keeper {
    pub(super) now: NewNode,
    pub(super) hosts: (Vec<String>, Vec<IpAddr>),
    pub(super) node: NodeId,
    pub(super) directory: Directory,
    pub(super) key: Arc<NodeKey>,
    pub(super) authority: CertificateDer<'static>,
    pub(super) presented: Arc<Presented>,
    pub(super) mesh: Mesh,
    pub(super) consensus: Consensus,
    pub(super) exchange: Exchange,
    pub(super) members: Arc<Members>,
    pub(super) book: Arc<Book>,
    pub(super) meeting: Arc<Meeting>,
}

/// Keeps peers, announcement and certificate in order until it is dropped.
pub(super) async fn keep(keeper: Keeper) {
    tokio::join!(look_after(&keeper), keeper.members.ask(&keeper.mesh));
}

async fn look_after(keeper: &Keeper) {
    let mut effects = keeper.consensus.subscribe();
    let mut look = tokio::time::interval(FIRST_LOOK_EVERY);
    let mut announced = false;
    let mut moved = keeper.book.changes();
    let mut tell = tokio::time::interval(TELL_EVERY);
    let mut missed = Missed::default();
    keeper.mesh.set_peers(&keeper.members.addresses());
    loop {
        tokio::select! {
            changed = moved.changed() => {
                if changed.is_err() {
                    return;
                }
                keeper.mesh.set_peers(&keeper.members.addresses());
                keeper.meeting.tell_all(&keeper.mesh).await;
            }
            _ = tell.tick() => keeper.meeting.tell_all(&keeper.mesh).await,
            heard = effects.recv() => match heard {
                Ok(effects) if !effects.contains(&Effect::NodesChanged) => {}
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    keeper.mesh.set_peers(&keeper.members.addresses());
                    keeper.mesh.recheck();
                    keeper.book.keep(|node| !keeper.members.was_removed(node));
                }
                Err(RecvError::Closed) => return,
            },
            _ = look.tick() => {
                missed.look(&keeper.mesh);
                if !announced {
                    announced = keeper.announce().await;
                    if announced {
                        look = tokio::time::interval(LOOK_EVERY);
                    }
                }
                if let Err(error) = keeper.renew_if_due().await {
                    tracing::warn!(%error, "the node's certificate could not be renewed yet");
                }
            }
        }
    }
}

/// The peers that cannot be reached: an operator who has moved them must learn where they are looked
/// for.
#[derive(Default)]
struct Missed(BTreeMap<NodeId, (Instant, Option<Instant>)>);

impl Missed {
    fn look(&mut self, mesh: &Mesh) {
        let (now, peers) = (Instant::now(), mesh.peers());
        self.0.retain(|node, _| peers.iter().any(|peer| peer.node == *node && !peer.connected));
        for peer in peers.into_iter().filter(|peer| !peer.connected) {
            let (since, said) = self.0.entry(peer.node).or_insert((now, None));
            let due = said.map_or(*since + MISSED_AFTER, |said| said + MISSED_EVERY);
            if now < due {
                continue;
            }
            *said = Some(now);
            tracing::warn!(
                node = %peer.node,
                looked_for_at = peer.addresses.join(", "),
                "a node is not reached; if its address has changed, name the new one in mesh.peers of \
                 lgsp.toml and reload, or start with lgsp run --peer HOST:PORT",
            );
        }
    }
}

impl Keeper {
    async fn announce(&self) -> bool {
        let known = self.consensus.peek(|rows| View::new(rows).node(self.node)).is_some();
        known && self.exchange.announce(self.now.clone()).await.is_ok()
    }

    async fn renew_if_due(&self) -> anyhow::Result<()> {
        let (now, certificate) = (self.exchange.now(), self.presented.certificate());
        let (names, addresses) = &self.hosts;
        // The operator may have given the node other names since it was certified.
        if !certs::needs_renewal(&certificate, now)?
            && certs::carries_hosts(&certificate, names, addresses)?
        {
            return Ok(());
        }
        let renewal = Renewal {
            request: self.key.request()?,
            names: self.hosts.0.clone(),
            addresses: self.hosts.1.iter().map(ToString::to_string).collect(),
        };
        let certificate = self.certify(renewal).await?;
        let chain = vec![certificate.clone(), self.authority.clone()];
        certs::write_file(&self.directory.node_certificate(), &certificate, Access::Public)?;
        self.presented.replace(chain, &self.key.private_key())?;
        self.mesh.set_identity(&mesh_identity(&self.authority, &self.presented)?)?;
        tracing::info!("the node's certificate was renewed");
        Ok(())
    }

    /// This node can certify itself: the authority's key lies in the state of each node. Others are
    /// asked only while this node has no state.
    async fn certify(&self, renewal: Renewal) -> anyhow::Result<CertificateDer<'static>> {
        if self.exchange.cluster().is_some() {
            let request = renewal.into_request(self.node, &self.exchange);
            return Ok(CertificateDer::from(self.exchange.renew_certificate(&request)?));
        }
        let question = minicbor::to_vec(&renewal).expect("a vector takes every octet");
        for (peer, _) in self.members.addresses() {
            let asked = self.mesh.request(peer, Channel::Control, Topic::Renewal.wrap(&question));
            match asked.await {
                Ok(answer) if !answer.is_empty() => {
                    return Ok(CertificateDer::from(answer.to_vec()));
                }
                _ => {}
            }
        }
        anyhow::bail!("no member could be asked")
    }
}
