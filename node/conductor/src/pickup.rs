//! Pickup: a target says that it is ready, fetches, and confirms, Article 14.

use std::{ops::Range, sync::Arc};

use auth::{Signed, Whole};
use bytes::Bytes;
use certs::Keyring;
use consensus::Unavailable;
use content::Content;
use futures_util::{StreamExt, stream::BoxStream};
use machine::{
    Command, ConfirmReceipts, GrantPickup, Outcome, PacketRow, Receipt, ReceiptAnswer,
    RecordPickup, Refusal, RejectDelivery, View,
};
use model::{
    AccessKey, DeliveryState, Digest, FileName, Grant, Label, MediaType, PacketId, SpaceId,
    UnitCode,
};

use crate::{
    door::{self, Core, require},
    fetches::HandedPart,
    file_meta::FileMeta,
    gate::{self, Gate},
    handed::{Handed, Handing},
    hold::{self, Hold},
    ports::Nodes,
    tokens::DownloadToken,
};

/// Pickups that one record names.
const PICKUPS_A_RECORD_MAX: usize = 500;

/// Why a target does not get what it asks for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules say no, or the cluster cannot be asked.
    #[error(transparent)]
    Door(#[from] door::Error),
    /// The token or the key that is shown opens nothing.
    #[error(transparent)]
    Gate(#[from] gate::Error),
    /// What was under way is over.
    #[error(transparent)]
    Hold(#[from] hold::Error),
    /// The content is gone: the packet has ended.
    #[error("the content is gone, as the packet has ended")]
    ContentGone,
    /// The range lies outside the content.
    #[error("the range lies outside the content of {size} octets")]
    RangeOutside {
        /// The content's size.
        size: u64,
    },
    /// The content cannot be read.
    #[error(transparent)]
    Content(#[from] content::Error),
}

door::through_core!(Error: Refusal, Unavailable);

impl Error {
    /// Whether what was under way ended with its key or with the majority, and nothing is broken.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Hold(_) | Self::Content(content::Error::Unavailable { .. }))
    }
}

/// A target may fetch a packet's content.
#[derive(Debug)]
pub struct Pickup {
    /// Which packet.
    pub packet: PacketId,
    /// Its space.
    pub space: SpaceId,
    /// Opens the content for this target.
    pub token: DownloadToken,
    /// Octets of plaintext.
    pub size: u64,
    /// The digest that the source signed.
    pub digest: Digest,
    /// The kind of data.
    pub media_type: MediaType,
}

/// Who fetches a content.
#[derive(Clone, Copy)]
pub enum PickupProof<'a> {
    /// Whoever holds a target's download token.
    Token(&'a str),
    /// A target, by its signature.
    Caller(&'a Signed<Whole>),
}

/// Part of a content that a client asks for (RFC 9110 section 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// From an offset to the end.
    From(u64),
    /// From an offset to an offset, both included.
    Between(u64, u64),
    /// The last octets.
    Last(u64),
}

impl Part {
    fn within(self, size: u64) -> Result<Range<u64>, Error> {
        let range = match self {
            Self::From(first) => first..size,
            Self::Between(first, last) => first..size.min(last.saturating_add(1)),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        if range.is_empty() { Err(Error::RangeOutside { size }) } else { Ok(range) }
    }
}

/// A content on its way to a target.
pub struct Download {
    /// Octets of the whole content.
    pub size: u64,
    /// The digest that the source signed.
    pub digest: Digest,
    /// The kind of data.
    pub media_type: MediaType,
    /// The file's name, if the source gave one.
    pub file_name: Option<FileName>,
    /// Which octets are sent.
    pub range: Range<u64>,
    /// The octets; nothing in answer to a HEAD. An error ends it before a wrong octet is sent.
    pub stream: Option<BoxStream<'static, Result<Bytes, Error>>>,
}

/// Who fetches: an access key, and the unit that it belongs to.
struct Holder {
    key: AccessKey,
    target: UnitCode,
}

/// The door of targets: they say that they are ready, fetch, and confirm or reject. Cheap to clone.
#[derive(Clone)]
pub struct Pickups {
    core: Core,
    gate: Arc<Gate>,
    content: Content,
    cluster_key: Arc<Keyring>,
    nodes: Arc<dyn Nodes>,
    handing: Handing,
}

impl Pickups {
    pub(crate) fn new(
        core: Core,
        gate: Arc<Gate>,
        content: Content,
        cluster_key: Arc<Keyring>,
        nodes: Arc<dyn Nodes>,
    ) -> Self {
        Self { core, gate, content, cluster_key, nodes, handing: Handing::default() }
    }

    /// Hears which parts another node has handed out.
    pub fn hear_handed(&self, parts: Vec<HandedPart>) {
        self.handing.hear(parts);
    }

    /// Tells the other nodes, for ever, which parts this one hands out.
    pub(crate) async fn tell_handed(&self) {
        loop {
            self.handing.tell(&*self.nodes).await;
        }
    }

    /// Records who has fetched what, leaving out deliveries that have gone further since.
    pub(crate) async fn record(&self) -> Result<(), Error> {
        let waiting = self.handing.take_pickups();
        for (index, chunk) in waiting.chunks(PICKUPS_A_RECORD_MAX).enumerate() {
            // Each for itself, and the rule looks again.
            let view = View::new(self.core.consensus.latest());
            let state = |(packet, target): &(PacketId, UnitCode)| {
                Some(view.delivery(*packet, target)?.state)
            };
            let is_due = |pickup: &&_| state(pickup) == Some(DeliveryState::Accepted);
            let pickups: Vec<_> = chunk.iter().filter(is_due).cloned().collect();
            if pickups.is_empty() {
                continue;
            }
            let command = Command::RecordPickup(RecordPickup { pickups });
            if let Err(error) = self.core.propose(command).await {
                // Without a majority for the moment: what is recorded twice is recorded once.
                for (packet, target) in waiting.into_iter().skip(index * PICKUPS_A_RECORD_MAX) {
                    self.handing.picked_up(packet, target);
                }
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// A target says that it is ready, Article 14(2).
    pub async fn accept(&self, caller: &Signed<Whole>, packet: PacketId) -> Result<Pickup, Error> {
        let record = self.granted(caller, packet).await?;
        let (size, digest) = sealed(&record)?;
        Ok(Pickup {
            packet,
            space: record.space,
            token: DownloadToken::of(&self.cluster_key, packet, caller.key()),
            size,
            digest,
            media_type: record.media_type,
        })
    }

    /// A target says that it is ready and has the content in the same answer.
    ///
    /// The grant was decided by all of the cluster a moment ago, so nothing more is asked.
    pub async fn accept_and_download(
        &self,
        caller: &Signed<Whole>,
        packet: PacketId,
    ) -> Result<Download, Error> {
        let record = self.granted(caller, packet).await?;
        let holder = Holder { key: caller.key().clone(), target: caller.unit().clone() };
        self.open_download(&record, holder, None).await
    }

    /// Records that a target is ready; gives the packet as it was then or is now.
    async fn granted(&self, caller: &Signed<Whole>, packet: PacketId) -> Result<PacketRow, Error> {
        require(caller, Grant::Receive)?;
        let grant = Command::GrantPickup(GrantPickup { packet });
        let outcome = self.core.propose_for(caller, grant).await?;
        let Outcome::PickupGranted { .. } = outcome else {
            unreachable!("a ready target is granted the pickup, not {outcome:?}")
        };
        // The grant was answered after this node's state had it, so the packet is here.
        let record = View::new(self.core.consensus.latest()).packet_row(packet);
        record.ok_or(Error::from(Refusal::PacketUnknown))
    }

    /// Opens a content, or a part of it, for a target that has accepted it.
    pub async fn download(
        &self,
        packet: PacketId,
        proof: PickupProof<'_>,
        part: Option<Part>,
    ) -> Result<Download, Error> {
        let (record, holder) = self.fetchable(packet, proof).await?;
        self.open_download(&record, holder, part).await
    }

    async fn open_download(
        &self,
        record: &PacketRow,
        Holder { key, target }: Holder,
        part: Option<Part>,
    ) -> Result<Download, Error> {
        let (size, digest) = sealed(record)?;
        let range = part.map_or(Ok(0..size), |part| part.within(size))?;
        let mut reader = self.content.read(record.space, Some(range.clone()), Some(digest)).await?;
        let meta = FileMeta::from_bytes(&reader.meta().await?);
        let hold = Hold::on(&self.core.consensus, &key, Some(Grant::Receive));
        let handed = Handed::new(&self.handing, record.packet, target, size, &range);
        let state = (reader, hold, handed);
        let octets =
            futures_util::stream::unfold(state, |(mut reader, mut hold, mut handed)| async {
                // What has ended waits for no holder that is slow, and hands nothing out any more.
                let piece = tokio::select! {
                    biased;
                    piece = reader.next() => piece?.map_err(Error::from),
                    lost = hold.lost() => Err(lost.into()),
                };
                let piece = match piece {
                    Ok(octets) => hold.step().await.map(|()| octets).map_err(Error::from),
                    Err(error) => Err(error),
                };
                if let Ok(octets) = &piece {
                    handed.out(octets.len());
                }
                Some((piece, (reader, hold, handed)))
            });
        let stream = octets.boxed();
        Ok(described(record, (size, digest), meta, (range, Some(stream))))
    }

    /// What a download would send, without its octets.
    pub async fn download_info(
        &self,
        packet: PacketId,
        proof: PickupProof<'_>,
        part: Option<Part>,
    ) -> Result<Download, Error> {
        let (record, _) = self.fetchable(packet, proof).await?;
        self.describe(&record, part).await
    }

    /// A target holds contents whole, Article 14(3). Each receipt has its own answer.
    pub async fn confirm(
        &self,
        caller: &Signed<Whole>,
        receipts: Vec<Receipt>,
    ) -> Result<Vec<ReceiptAnswer>, Error> {
        require(caller, Grant::Receive)?;
        let confirm = Command::ConfirmReceipts(ConfirmReceipts { receipts });
        match self.core.propose_for(caller, confirm).await? {
            Outcome::Receipts(answers) => Ok(answers),
            other => unreachable!("receipts are answered one by one, not by {other:?}"),
        }
    }

    /// A target refuses a packet.
    pub async fn reject(
        &self,
        caller: &Signed<Whole>,
        packet: PacketId,
        reason: Label,
    ) -> Result<(), Error> {
        require(caller, Grant::Receive)?;
        let reject = Command::RejectDelivery(RejectDelivery { packet, reason });
        self.core.propose_for(caller, reject).await?;
        Ok(())
    }

    /// The packet and who fetches it: a target that has accepted it, by its signature or by a token
    /// whose key could sign now.
    async fn fetchable(
        &self,
        packet: PacketId,
        proof: PickupProof<'_>,
    ) -> Result<(PacketRow, Holder), Error> {
        let (key, stranger) = match proof {
            PickupProof::Caller(caller) => {
                (caller.key().clone(), Error::from(Refusal::PacketUnknown))
            }
            PickupProof::Token(token) => {
                let key =
                    self.gate.key_of_token(|ring| DownloadToken::holder(ring, packet, token))?;
                (key, gate::Error::TokenInvalid.into())
            }
        };
        // What grants something is a linearizable read (D5): a revoked key and an ended delivery are
        // known here. A node that is cut off says so at once.
        self.gate.fresh()?;
        self.core.consensus.read_index().await?;
        let view = View::new(self.core.consensus.latest());
        let target = gate::holder(view, &key, Grant::Receive)?.unit;
        let record = view.packet_row(packet).ok_or(Error::from(Refusal::PacketUnknown))?;
        let delivery = view.delivery(packet, &target).ok_or(stranger)?;
        match delivery.state {
            DeliveryState::Accepted | DeliveryState::PickedUp if record.lost_at.is_some() => {
                return Err(Error::from(Refusal::ContentLost));
            }
            DeliveryState::Accepted | DeliveryState::PickedUp => {}
            state if state.is_final() => return Err(Error::ContentGone),
            _ => return Err(Error::from(Refusal::NotAccepted)),
        }
        Ok((record, Holder { key, target }))
    }

    async fn describe(&self, record: &PacketRow, part: Option<Part>) -> Result<Download, Error> {
        let (size, digest) = sealed(record)?;
        let range = part.map_or(Ok(0..size), |part| part.within(size))?;
        let meta = FileMeta::from_bytes(&self.content.meta(record.space).await?);
        Ok(described(record, (size, digest), meta, (range, None)))
    }
}

fn sealed(record: &PacketRow) -> Result<(u64, Digest), Error> {
    record.size.zip(record.digest).ok_or(Error::from(Refusal::NotSealed))
}

fn described(
    record: &PacketRow,
    (size, digest): (u64, Digest),
    meta: FileMeta,
    (range, stream): (Range<u64>, Option<BoxStream<'static, Result<Bytes, Error>>>),
) -> Download {
    Download {
        size,
        digest,
        media_type: record.media_type.clone(),
        file_name: meta.file_name,
        range,
        stream,
    }
}
