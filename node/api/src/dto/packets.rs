//! Packets: requests, commits, receipts, and what a packet looks like from outside.

use machine::{
    DeliveryRecord, ExchangePolicy, PACKETS_A_COMMAND_MAX, PacketRecord, Receipt, Request,
};
use model::{
    AppId, DeliveryState, Digest, Importance, Label, MediaType, Moment, NodeId, PacketId,
    PacketState, SpaceId, Title, UnitCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{At, Whole, check::Check, schemas};
use crate::problem::Problem;

/// What is to be sent: where to, what, how urgent (Article 13(2)).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPacket {
    #[schema(schema_with = schemas::targets)]
    targets: Vec<String>,
    /// The title; a record, it outlives the content.
    #[schema(schema_with = schemas::title)]
    title: String,
    /// How important it is; `normal` when not given.
    #[schema(schema_with = schemas::importance_or_null)]
    importance: Option<String>,
    /// The kind of data.
    #[schema(schema_with = schemas::media_type)]
    media_type: String,
    /// Octets of the content, if known.
    #[schema(schema_with = schemas::octets_or_null)]
    size: Option<Whole>,
    /// The source's policy.
    policy: Option<NewPolicy>,
}

/// The source's exchange policy (Article 13(3)).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPolicy {
    /// Deliveries not confirmed by then expire.
    #[schema(schema_with = schemas::moment_or_null)]
    deliver_by: Option<String>,
}

impl NewPacket {
    /// What the machine is asked, and the announced size.
    pub(crate) fn checked(
        self,
        part: Option<NewPolicy>,
    ) -> Result<(Request, Option<u64>), Problem> {
        let mut check = Check::default();
        if part.is_some() && self.policy.is_some() {
            check.wrong("/policy", "it is given twice");
        }
        let policy = part.or(self.policy).unwrap_or_default().check(&mut check, "/policy");
        let targets = check.words("/targets", &self.targets);
        let title = check.word("/title", &self.title);
        let importance = match self.importance.as_deref() {
            None => Some(Importance::Normal),
            given => check.optional("/importance", given),
        };
        let media_type = check.word("/media_type", &self.media_type);
        let request = (|| {
            Some(Request {
                targets,
                title: title?,
                importance: importance?,
                media_type: media_type?,
                policy,
            })
        })();
        Ok((check.done(request)?, self.size.map(|size| size.0)))
    }
}

impl NewPolicy {
    fn check(&self, check: &mut Check, pointer: &str) -> ExchangePolicy {
        let deliver_by =
            check.moment(format_args!("{pointer}/deliver_by"), self.deliver_by.as_deref());
        ExchangePolicy { deliver_by }
    }
}

/// The parts of the one round trip, in this order.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used, in the OpenAPI document")]
pub(crate) struct OneRoundForm {
    request: NewPacket,
    /// The policy, if it is not in the request.
    #[schema(nullable = false)]
    policy: Option<NewPolicy>,
    /// The octets; `filename` of the part is the file's name.
    #[schema(content_media_type = "application/octet-stream")]
    content: String,
}

/// What a request has led to: a space, or at once the whole.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum PacketCreated {
    /// From JSON.
    Opened(PacketOpened),
    /// From multipart.
    Accepted(PacketAccepted),
}

/// A packet was opened; its content is awaited in the space.
#[derive(Serialize, ToSchema)]
pub(crate) struct PacketOpened {
    /// The packet.
    #[schema(schema_with = schemas::packet_id)]
    pub(crate) packet: PacketId,
    /// Always `awaiting_content`.
    #[schema(schema_with = schemas::packet_state)]
    pub(crate) state: PacketState,
    /// Where the content goes.
    pub(crate) space: Space,
}

/// A space that waits for a content.
#[derive(Serialize, ToSchema)]
pub(crate) struct Space {
    /// Its id.
    #[schema(schema_with = schemas::space_id)]
    pub(crate) id: SpaceId,
    /// Create a tus upload here.
    #[schema(schema_with = schemas::url)]
    pub(crate) url: String,
    /// PATCH (tus) or PUT the content here.
    #[schema(schema_with = schemas::url)]
    pub(crate) upload_url: String,
    /// Opens the space, as `Authorization: Bearer`.
    #[schema(example = "st_AKMZXW6YTBOI2DGNBVHA4Q_3q2-7wEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    pub(crate) token: String,
    /// After this moment the space is gone.
    #[schema(schema_with = schemas::moment)]
    pub(crate) expires_at: At,
}

/// A packet was accepted: its content is durable on a majority, its targets are notified.
#[derive(Serialize, ToSchema)]
pub(crate) struct PacketAccepted {
    /// The packet.
    #[schema(schema_with = schemas::packet_id)]
    pub(crate) packet: PacketId,
    /// `notified`.
    #[schema(schema_with = schemas::packet_state)]
    pub(crate) state: PacketState,
    /// When.
    #[schema(schema_with = schemas::moment)]
    pub(crate) accepted_at: At,
    /// Octets of the content.
    pub(crate) size: u64,
    /// The content's SHA-256.
    #[schema(schema_with = schemas::digest)]
    pub(crate) digest: Digest,
}

impl From<conductor::Accepted> for PacketAccepted {
    fn from(accepted: conductor::Accepted) -> Self {
        Self {
            packet: accepted.packet,
            state: PacketState::Notified,
            accepted_at: At(accepted.at),
            size: accepted.size,
            digest: accepted.digest,
        }
    }
}

/// A packet has come to a state.
#[derive(Serialize, ToSchema)]
pub(crate) struct PacketNow {
    /// The packet.
    #[schema(schema_with = schemas::packet_id)]
    pub(crate) packet: PacketId,
    /// Its state, or that of the caller's delivery.
    #[schema(schema_with = schemas::packet_state)]
    pub(crate) state: PacketState,
}

/// A packet as its source, or one of its targets, sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Packet {
    #[schema(schema_with = schemas::packet_id)]
    packet: PacketId,
    #[schema(schema_with = schemas::space_id)]
    space: SpaceId,
    /// The unit that sends it.
    #[schema(schema_with = schemas::unit_code)]
    source: UnitCode,
    /// The application that sends it.
    #[schema(schema_with = schemas::app_id)]
    app: AppId,
    #[schema(schema_with = schemas::title)]
    title: Title,
    #[schema(schema_with = schemas::importance)]
    importance: Importance,
    #[schema(schema_with = schemas::media_type)]
    media_type: MediaType,
    #[schema(schema_with = schemas::packet_state)]
    state: PacketState,
    /// Octets of the content, once known.
    size: Option<u64>,
    #[schema(schema_with = schemas::digest_or_null)]
    digest: Option<Digest>,
    policy: Policy,
    #[schema(schema_with = schemas::moment)]
    opened_at: At,
    #[schema(schema_with = schemas::moment_or_null)]
    sealed_at: Option<At>,
    /// The application that sealed it, which may be another one of the same unit.
    #[schema(schema_with = schemas::app_id_or_null)]
    sealed_by: Option<AppId>,
    /// The present deadline.
    #[schema(schema_with = schemas::moment)]
    due_at: At,
    #[schema(schema_with = schemas::moment_or_null)]
    ended_at: Option<At>,
    /// Since when it is known that no node holds the content any more.
    #[schema(schema_with = schemas::moment_or_null)]
    content_lost_at: Option<At>,
    /// One for each target; a target sees only its own.
    deliveries: Vec<Delivery>,
    /// Nodes that hold the content durably.
    #[schema(value_type = Vec<u64>)]
    holders: Vec<NodeId>,
    /// Nodes that have destroyed the content.
    purged: Vec<Purged>,
    /// Nodes that have yet to destroy it.
    #[schema(value_type = Vec<u64>)]
    purge_debt: Vec<NodeId>,
    /// Nodes that were removed before they had destroyed it: their disks are out of reach.
    #[schema(value_type = Vec<u64>)]
    undestroyed: Vec<NodeId>,
}

/// The source's policy.
#[derive(Serialize, ToSchema)]
pub(crate) struct Policy {
    #[schema(schema_with = schemas::moment_or_null)]
    deliver_by: Option<At>,
}

/// One delivery of a packet.
#[derive(Serialize, ToSchema)]
pub(crate) struct Delivery {
    #[schema(schema_with = schemas::unit_code)]
    target: UnitCode,
    #[schema(schema_with = schemas::delivery_state)]
    state: DeliveryState,
    #[schema(schema_with = schemas::moment_or_null)]
    notified_at: Option<At>,
    #[schema(schema_with = schemas::moment_or_null)]
    accepted_at: Option<At>,
    #[schema(schema_with = schemas::moment_or_null)]
    picked_up_at: Option<At>,
    #[schema(schema_with = schemas::moment_or_null)]
    settled_at: Option<At>,
    /// Why it was rejected, or failed.
    #[schema(schema_with = schemas::label_or_null)]
    reason: Option<Label>,
}

/// A node has destroyed a content.
#[derive(Serialize, ToSchema)]
pub(crate) struct Purged {
    #[schema(value_type = u64)]
    node: NodeId,
    #[schema(schema_with = schemas::moment)]
    at: At,
}

impl From<PacketRecord> for Packet {
    fn from(record: PacketRecord) -> Self {
        Self {
            packet: record.packet,
            space: record.space,
            source: record.source,
            app: record.app,
            title: record.title,
            importance: record.importance,
            media_type: record.media_type,
            state: record.state,
            size: record.size,
            digest: record.digest,
            policy: Policy { deliver_by: At::some(record.policy.deliver_by) },
            opened_at: At(record.opened_at),
            sealed_at: At::some(record.sealed_at),
            sealed_by: record.sealed_by,
            due_at: At(record.due_at),
            ended_at: At::some(record.ended_at),
            content_lost_at: At::some(record.lost_at),
            deliveries: record.deliveries.into_iter().map(Delivery::from).collect(),
            holders: record.holders,
            purged: record.purged.into_iter().map(Purged::from).collect(),
            purge_debt: record.debtors,
            undestroyed: record.undestroyed,
        }
    }
}

impl From<DeliveryRecord> for Delivery {
    fn from(record: DeliveryRecord) -> Self {
        Self {
            target: record.target,
            state: record.state,
            notified_at: At::some(record.notified_at),
            accepted_at: At::some(record.accepted_at),
            picked_up_at: At::some(record.picked_up_at),
            settled_at: At::some(record.settled_at),
            reason: record.reason,
        }
    }
}

impl From<(NodeId, Moment)> for Purged {
    fn from((node, at): (NodeId, Moment)) -> Self {
        Self { node, at: At(at) }
    }
}

/// The source signs digest and size of the whole content.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Commit {
    #[schema(schema_with = schemas::digest)]
    digest: String,
    /// Octets of the whole content.
    #[schema(schema_with = schemas::octets)]
    pub(crate) size: Whole,
    /// The policy, if it was not in the request.
    policy: Option<NewPolicy>,
}

impl Commit {
    /// The digest and the policy.
    pub(crate) fn checked(&self) -> Result<(Digest, Option<ExchangePolicy>), Problem> {
        let mut check = Check::default();
        let digest = check.word("/digest", &self.digest);
        let policy = self.policy.as_ref().map(|policy| policy.check(&mut check, "/policy"));
        check.done(digest.map(|digest| (digest, policy)))
    }
}

/// The target may fetch the content.
#[derive(Serialize, ToSchema)]
pub(crate) struct PickupGranted {
    #[schema(schema_with = schemas::packet_id)]
    pub(crate) packet: PacketId,
    #[schema(schema_with = schemas::space_id)]
    pub(crate) space: SpaceId,
    /// Fetch the content here.
    #[schema(schema_with = schemas::url)]
    pub(crate) content_url: String,
    /// Opens it, as `Authorization: Bearer`.
    #[schema(example = "dt_AKMZXW6YTBOI2DGNBVHA4Q_3q2-7wEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    pub(crate) token: String,
    /// Octets of the content.
    pub(crate) size: u64,
    #[schema(schema_with = schemas::digest)]
    pub(crate) digest: Digest,
    #[schema(schema_with = schemas::media_type)]
    pub(crate) media_type: MediaType,
}

/// The target says what it holds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirm {
    #[schema(schema_with = schemas::digest)]
    digest: String,
}

impl Confirm {
    /// The receipt for a packet.
    pub(crate) fn checked(&self, packet: PacketId) -> Result<Receipt, Problem> {
        let mut check = Check::default();
        let digest = check.word("/digest", &self.digest);
        check.done(digest.map(|digest| Receipt { packet, digest }))
    }
}

/// Many receipts at once; each has its own answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmations {
    #[schema(schema_with = schemas::receipts)]
    receipts: Vec<NewReceipt>,
}

/// A target holds the content of a packet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReceipt {
    #[schema(schema_with = schemas::packet_id)]
    packet: String,
    #[schema(schema_with = schemas::digest)]
    digest: String,
}

impl Confirmations {
    /// The receipts.
    pub(crate) fn checked(&self) -> Result<Vec<Receipt>, Problem> {
        let mut check = Check::default();
        check.count("/receipts", self.receipts.len(), 1..=PACKETS_A_COMMAND_MAX);
        let mut receipts = Vec::with_capacity(self.receipts.len());
        for (index, receipt) in self.receipts.iter().enumerate() {
            let packet = check.word(format_args!("/receipts/{index}/packet"), &receipt.packet);
            let digest = check.word(format_args!("/receipts/{index}/digest"), &receipt.digest);
            if let (Some(packet), Some(digest)) = (packet, digest) {
                receipts.push(Receipt { packet, digest });
            }
        }
        check.done(Some(receipts))
    }
}

/// The answers, in the order of the receipts.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfirmationResults {
    pub(crate) results: Vec<ConfirmationResult>,
}

/// The answer to one receipt.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfirmationResult {
    #[schema(schema_with = schemas::packet_id)]
    pub(crate) packet: PacketId,
    /// Whether it was taken.
    pub(crate) ok: bool,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) word: Option<&'static str>,
    /// Why it was not, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<&'static str>,
}

/// The target refuses the packet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reject {
    /// Why, for the source's people.
    #[schema(schema_with = schemas::label)]
    reason: String,
}

impl Reject {
    /// The reason.
    pub(crate) fn checked(&self) -> Result<Label, Problem> {
        let mut check = Check::default();
        let reason = check.word("/reason", &self.reason);
        check.done(reason)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::from_json;

    fn read(body: &str) -> Result<(Request, Option<u64>), Problem> {
        from_json::<NewPacket>(body.as_bytes())?.checked(None)
    }

    #[test]
    fn a_request_is_read_and_checked() {
        let body = r#"{"targets":["H41.05"],"title":"Công văn","media_type":"application/pdf","size":12,
            "policy":{"deliver_by":"2026-11-22T15:07:31+07:00"}}"#;
        let (request, size) = read(body).expect("well-formed");
        assert_eq!((request.importance, size), (Importance::Normal, Some(12)));
        assert_eq!(request.policy.deliver_by, Some(Moment(1_795_334_851_000)));
    }

    #[test]
    fn bad_fields_and_unknown_ones_are_refused() {
        for body in [
            r#"{"targets":["H41.05"],"title":"","media_type":"application/pdf"}"#,
            r#"{"targets":["?"],"title":"t","media_type":"application/pdf"}"#,
            r#"{"targets":["H41.05"],"title":"t","media_type":"pdf"}"#,
            r#"{"targets":["H41.05"],"title":"t","media_type":"a/b","importance":"very"}"#,
            r#"{"targets":["H41.05"],"title":"t","media_type":"a/b","policy":{"deliver_by":"soon"}}"#,
            r#"{"targets":["H41.05"],"title":"t","media_type":"a/b","content":"x"}"#,
            r#"{"targets":"H41.05","title":"t","media_type":"a/b"}"#,
            "[]",
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_fields_are_a_request_or_a_client_error(
            targets in proptest::collection::vec("\\PC{0,10}", 0..4), title in "\\PC{0,20}", kind in "\\PC{0,20}",
            importance in "[a-z]{0,8}", at in "[0-9TZ:+-]{0,30}",
        ) {
            let body = serde_json::json!({"targets": targets, "title": title, "media_type": kind,
                "importance": importance, "policy": {"deliver_by": at}});
            if let Err(problem) = read(&body.to_string()) {
                prop_assert!(problem.status().is_client_error());
            }
        }
    }
}
