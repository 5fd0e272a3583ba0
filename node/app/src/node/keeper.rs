//! What a running node keeps in order beside its work: who its peers are, its own announcement, and
//! its certificate, which renews itself without a restart.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use certs::Presented;
use conductor::Exchange;
use consensus::Consensus;
use machine::{Effect, NewNode, View};
use mesh::Mesh;
use model::NodeId;
use tokio::{sync::broadcast::error::RecvError, time::Instant};

use super::{Meeting, book::Book, members::Members, run::Node, tls::NodeTls};
use crate::config::Config;

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

/// The certificate for HTTPS: the operator's own, or the node's.
pub(super) fn https_presented(
    config: &Config,
    presented: &Arc<Presented>,
) -> anyhow::Result<Arc<Presented>> {
    match (&config.api.tls_cert, &config.api.tls_key) {
        (Some(chain), Some(key)) => {
            let (chain, key) = crate::written::certified(chain, key)?;
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
    settings.buffered_max = node.bodies;
    let limits = &node.config.limits;
    settings.limits = api::Limits {
        connections_max: node.connections,
        connections_an_address_max: limits.connections_an_address as usize,
        gateways: limits.gateways.clone(),
        requests_a_second: limits.requests_a_second,
    };
    let (consensus, content, mesh) =
        (node.consensus.clone(), node.content.clone(), node.mesh.clone());
    let exchange = node.exchange.clone();
    settings.gauges =
        Arc::new(move || super::gauges::all(&consensus, &content, &mesh, exchange.past().status()));
    settings
}

/// What the keeper needs; all of it cheap to hold.
pub(super) struct Keeper {
    pub(super) now: NewNode,
    pub(super) node: NodeId,
    pub(super) tls: Arc<NodeTls>,
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
    let mut replaced = keeper.consensus.watch_replaced();
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
                Ok(effects) => {
                    if effects.contains(&Effect::NodesChanged) {
                        keeper.nodes_changed();
                    }
                    if effects.contains(&Effect::AuthorityTurned) {
                        keeper.keep_tls().await;
                    }
                }
                // The next look follows the authorities.
                Err(RecvError::Lagged(_)) => keeper.nodes_changed(),
                Err(RecvError::Closed) => return,
            },
            // A snapshot has replaced the state: who came and went in it is told by no effect.
            changed = replaced.changed() => {
                if changed.is_err() {
                    return;
                }
                keeper.nodes_changed();
                keeper.keep_tls().await;
            }
            _ = look.tick() => {
                missed.look(&keeper.mesh);
                if !announced {
                    announced = keeper.announce().await;
                    if announced {
                        look = tokio::time::interval(LOOK_EVERY);
                    }
                }
                keeper.keep_tls().await;
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
    fn nodes_changed(&self) {
        self.mesh.set_peers(&self.members.addresses());
        self.mesh.recheck();
        self.book.keep(|node| !self.members.was_removed(node));
    }

    async fn keep_tls(&self) {
        if let Err(error) = self.tls.keep(&self.exchange, &self.mesh).await {
            tracing::warn!(%error, "the node's certificate could not be renewed yet");
        }
    }

    async fn announce(&self) -> bool {
        let known = self.consensus.peek(|rows| View::new(rows).node(self.node)).is_some();
        known && self.exchange.members().announce(self.now.clone()).await.is_ok()
    }
}
