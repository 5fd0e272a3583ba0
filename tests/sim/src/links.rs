//! Where the engines of a simulated node meet: the cluster key, and the other nodes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use certs::Keyring;
use conductor::{HandedPart, KeyOctets, Nodes, Riding, Vitals};
use consensus::{Attachment, AttachmentKey, Attachments, Kept, TellKept};
use content::{ContentKey, KeyError, KeySealer};
use futures_util::future::BoxFuture;
use model::{NodeId, SpaceId};

use crate::network::{Net, Port};

/// Seals contents' keys under the cluster key.
pub struct Sealer(pub Arc<Keyring>);

impl KeySealer for Sealer {
    fn seal(&self, aad: &[u8], key: &ContentKey) -> Result<Vec<u8>, KeyError> {
        Ok(self.0.seal(aad, key.as_slice()))
    }

    fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<ContentKey, KeyError> {
        let opened = self.0.open(aad, sealed).map_err(|_| KeyError)?;
        Ok(ContentKey::new(opened.as_slice().try_into().map_err(|_| KeyError)?))
    }
}

/// What rides with entries, and a bug that can be planted there.
pub struct Rides {
    pub riding: Riding,
    /// Says that it is kept before it is.
    pub hasty: Arc<AtomicBool>,
}

impl Attachments for Rides {
    fn is_sound(&self, attachment: &Attachment) -> bool {
        self.riding.is_sound(attachment)
    }

    fn has_room(&self) -> bool {
        self.riding.has_room()
    }

    fn keep(&self, attachments: Vec<Attachment>, tell: TellKept) {
        if self.hasty.load(Ordering::Relaxed) {
            self.riding.keep(attachments, Box::new(|_| {}));
            tell(Kept::Whole);
        } else {
            self.riding.keep(attachments, tell);
        }
    }

    fn holds(&self, key: AttachmentKey) -> bool {
        self.riding.holds(key)
    }

    fn find(&self, key: AttachmentKey) -> BoxFuture<'static, Option<Bytes>> {
        self.riding.find(key)
    }
}

/// In the simulation nobody asks for vitals but the conductor, which only needs to know who is up.
pub struct Reachable {
    pub net: Net,
    pub port: Port,
}

impl Nodes for Reachable {
    fn vitals(&self, node: NodeId) -> BoxFuture<'static, Option<Vitals>> {
        let up = self.net.is_up(self.port.node, node);
        Box::pin(async move { up.then(Vitals::default) })
    }

    fn own_vitals(&self) -> Vitals {
        Vitals::default()
    }

    // All nodes of the simulation share one ring.
    fn cluster_key(&self, _: NodeId, _: u32) -> BoxFuture<'static, Option<KeyOctets>> {
        Box::pin(async { None })
    }

    fn facts(&self, node: NodeId, from: u64, size: u64) -> BoxFuture<'static, Option<Bytes>> {
        let (net, own) = (self.net.clone(), self.port.node);
        Box::pin(async move { net.facts(own, node, (from, size)).await })
    }

    fn discard(&self, space: SpaceId) -> BoxFuture<'static, ()> {
        let (net, node) = (self.net.clone(), self.port.node);
        Box::pin(async move { net.discard(node, space).await })
    }

    // Nobody of the simulation fetches in parts.
    fn tell_handed(&self, _: Vec<HandedPart>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}
