//! What stands in the path, the query and the headers of requests, for the document; `Query`, `id` and the
//! readers of headers take them in.
#![allow(dead_code, reason = "only their shapes are used, in the OpenAPI document")]

use utoipa::IntoParams;

use super::schemas;

/// A packet in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfPacket {
    /// The packet.
    #[param(schema_with = schemas::packet_id)]
    id: String,
}

/// A space in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfSpace {
    /// The space.
    #[param(schema_with = schemas::space_id)]
    id: String,
}

/// A unit in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfUnit {
    /// Its code, or an alias.
    #[param(schema_with = schemas::unit_code)]
    code: String,
}

/// A key in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfKey {
    /// The key.
    #[param(schema_with = schemas::access_key)]
    access_key: String,
}

/// A node in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfNode {
    /// The node's number.
    #[param(schema_with = schemas::node_id)]
    id: u64,
}

/// One page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// From `next` of the page before, as it stands there.
    #[param(schema_with = schemas::cursor)]
    cursor: Option<String>,
    /// Items of the page: 50 when not given; more than 200 are 200.
    #[param(schema_with = schemas::limit)]
    limit: Option<u64>,
}

/// What units are looked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// Part of a name or code; not with `cursor`.
    #[param(schema_with = schemas::search)]
    q: Option<String>,
}

/// Where a feed goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Following {
    /// A position; 0 begins at the oldest event kept.
    #[param(schema_with = schemas::position)]
    after: Option<u64>,
    /// Long poll: events at most; more than 200 are 200.
    #[param(schema_with = schemas::limit)]
    limit: Option<u64>,
    /// Long poll: seconds to wait; 30 when not given, and more than 30 are 30.
    #[param(schema_with = schemas::seconds)]
    wait: Option<u64>,
}

/// Where a client of server-sent events goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct LastEvent {
    /// The last position seen.
    #[param(rename = "Last-Event-ID", schema_with = schemas::position)]
    last_event_id: Option<u64>,
}

/// A repeated request is known again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Idempotent {
    /// The same key and request get the same answer for 7 days.
    #[param(rename = "Idempotency-Key", schema_with = schemas::idempotency_key)]
    idempotency_key: Option<String>,
}

/// The protocol of uploads.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Tus {
    /// The version of tus.
    #[param(rename = "Tus-Resumable", schema_with = schemas::tus_version)]
    tus_resumable: String,
}

/// What an upload is of.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Announced {
    /// Octets of the whole content.
    #[param(rename = "Upload-Length", schema_with = schemas::octets)]
    upload_length: u64,
}

/// Where an upload goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct FromOffset {
    /// Where the first octet goes.
    #[param(rename = "Upload-Offset", schema_with = schemas::octets)]
    upload_offset: u64,
}

/// What a file is called.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Named {
    /// `filename`, in base64; a `filetype` is looked at, but what the packet's request says counts.
    #[param(rename = "Upload-Metadata", schema_with = schemas::upload_metadata)]
    upload_metadata: Option<String>,
}

/// What a body hashes to, by tus.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Checked {
    /// sha256 or sha1 of this body.
    #[param(rename = "Upload-Checksum", schema_with = schemas::upload_checksum)]
    upload_checksum: Option<String>,
}

/// What a body hashes to, by RFC 9530.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Digested {
    /// sha-256 or sha-512 of the content (RFC 9530).
    #[param(rename = "Content-Digest", schema_with = schemas::content_digest)]
    content_digest: String,
}

/// A part of a content. What is no range is answered with the whole (RFC 9110 section 14.2).
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Ranged {
    /// A single range of octets.
    #[param(rename = "Range", nullable = false, example = "bytes=1048576-")]
    range: Option<String>,
    /// The strong ETag.
    #[param(rename = "If-Range", nullable = false)]
    if_range: Option<String>,
}
