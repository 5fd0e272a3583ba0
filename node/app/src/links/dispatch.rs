//! What comes in over the mesh, and whom it is for.

use std::sync::{Arc, OnceLock};

use bytes::{Buf, Bytes};
use conductor::Exchange;
use consensus::Consensus;
use content::Content;
use futures_util::future::BoxFuture;
use mesh::{Channel, Handler};
use model::{NodeId, SpaceId};

use super::{
    Topic,
    nodes::Own,
    peers::{sink, source},
};
use crate::node::{Meeting, Renewal, tell};

/// What answers. It is complete only after the mesh is bound, as consensus and content call over it.
pub struct Services {
    /// The log and the state.
    pub consensus: Consensus,
    /// The contents.
    pub content: Content,
    /// How this node is.
    pub own: Arc<Own>,
    /// The doors; they certify members anew.
    pub exchange: Exchange,
    /// Where the nodes are.
    pub meeting: Arc<Meeting>,
}

/// Gives each message to its service. Before they are there, and for topics of a newer program, the
/// answer is empty, which every reader takes for «no».
#[derive(Default)]
pub struct Dispatch {
    services: OnceLock<Services>,
}

impl Dispatch {
    /// Tells who answers; once in the life of a node.
    pub fn serve(&self, services: Services) {
        assert!(self.services.set(services).is_ok(), "a node's services are made once");
    }
}

/// The handler that a mesh is given.
pub struct DispatchHandler(pub Arc<Dispatch>);

impl Handler for DispatchHandler {
    fn request(&self, from: NodeId, _: Channel, mut message: Bytes) -> BoxFuture<'static, Bytes> {
        let dispatch = self.0.clone();
        Box::pin(async move {
            let Some(services) = dispatch.services.get() else { return Bytes::new() };
            let Some(topic) = message.try_get_u8().ok().and_then(topic) else {
                return Bytes::new();
            };
            match topic {
                Topic::Consensus => services.consensus.handle(from, message).await,
                Topic::Content => services.content.handle(from, message).await,
                Topic::Vitals => encode(&services.own.vitals()),
                Topic::Addresses => services.meeting.hear(from, &message).into(),
                Topic::Renewal => renew(&services.exchange, from, &message),
                Topic::Members => encode(&tell(&services.exchange)),
                Topic::ClusterKey => {
                    let version = <[u8; 4]>::try_from(&message[..]).map(u32::from_be_bytes);
                    let key = version
                        .ok()
                        .and_then(|v| services.exchange.cluster_keys().version_for(from, v));
                    key.map_or_else(Bytes::new, |key| Bytes::copy_from_slice(&*key))
                }
                Topic::Discard => {
                    if let Ok(octets) = <[u8; 16]>::try_from(&message[..]) {
                        services.exchange.discards().destroy_unnamed(SpaceId::from_bytes(octets));
                    }
                    Bytes::new()
                }
                Topic::Handed => {
                    if let Ok(parts) = minicbor::decode(&message) {
                        services.exchange.pickups().hear_handed(parts);
                    }
                    Bytes::new()
                }
                Topic::Facts => match message.split_first_chunk::<8>() {
                    Some((from, size)) if size.len() == 8 => {
                        let size = size.try_into().map_or(0, u64::from_be_bytes);
                        services
                            .exchange
                            .past()
                            .facts_for(u64::from_be_bytes(*from), size)
                            .await
                            .into()
                    }
                    _ => Bytes::new(),
                },
            }
        })
    }

    fn stream(
        &self,
        from: NodeId,
        mut header: Bytes,
        sender: mesh::Sender,
        receiver: mesh::Receiver,
    ) -> BoxFuture<'static, ()> {
        let dispatch = self.0.clone();
        Box::pin(async move {
            let content = dispatch.services.get().map(|services| &services.content);
            let for_content = header.try_get_u8().is_ok_and(|octet| octet == Topic::Content as u8);
            if let Some(content) = content.filter(|_| for_content) {
                content.handle_stream(from, header, sink(sender), source(receiver)).await;
            }
        })
    }
}

fn topic(octet: u8) -> Option<Topic> {
    const ALL: [Topic; 10] = [
        Topic::Consensus,
        Topic::Content,
        Topic::Vitals,
        Topic::Renewal,
        Topic::Discard,
        Topic::Members,
        Topic::ClusterKey,
        Topic::Addresses,
        Topic::Handed,
        Topic::Facts,
    ];
    ALL.into_iter().find(|topic| *topic as u8 == octet)
}

fn encode(value: &impl minicbor::Encode<()>) -> Bytes {
    minicbor::to_vec(value).expect("a vector takes every octet").into()
}

/// A member may have its own number certified and no other.
fn renew(exchange: &Exchange, from: NodeId, message: &[u8]) -> Bytes {
    let Ok(renewal) = minicbor::decode::<Renewal>(message) else { return Bytes::new() };
    match exchange.members().renew_certificate(&renewal.into_request(from, exchange)) {
        Ok(certificate) => certificate.into(),
        Err(error) => {
            tracing::warn!(%from, %error, "a certificate could not be renewed");
            Bytes::new()
        }
    }
}
