//! What stands in the path, the query and the headers of requests, for the document; `Query`, `id` and the
//! readers of headers take them in.

use utoipa::{
    IntoParams,
    openapi::{
        Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::schemas;

/// Groups of parameters: where they stand, and each one's name, whether it must be there, its schema, its meaning.
/// Never made, only named by routes.
macro_rules! params {
    ($($(#[$doc:meta])* $group:ident in $place:ident { $($name:literal $required:ident $schema:ident: $says:literal,)* })*) => {$(
        $(#[$doc])*
        pub(crate) enum $group {}

        impl IntoParams for $group {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                let parameter = |name, required, schema, says| {
                    ParameterBuilder::new()
                        .name(name)
                        .parameter_in(ParameterIn::$place)
                        .required(required)
                        .schema(Some(schema))
                        .description(Some(says))
                        .build()
                };
                vec![$(parameter($name, required!($required), schemas::$schema(), $says),)*]
            }
        }
    )*};
}
macro_rules! required {
    (always) => {
        Required::True
    };
    (perhaps) => {
        Required::False
    };
}
params! {
    /// A packet in the path.
    OfPacket in Path { "id" always packet_id: "The packet", }
    /// A space in the path.
    OfSpace in Path { "id" always space_id: "The space", }
    /// A unit in the path.
    OfUnit in Path { "code" always unit_code: "Its code, or an alias", }
    /// A key in the path.
    OfKey in Path { "access_key" always access_key: "The key", }
    /// A node in the path.
    OfNode in Path { "id" always node_id: "The node's number", }

    /// One page of a list.
    Paging in Query {
        "cursor" perhaps cursor: "From `next` of the page before, as it stands there",
        "limit" perhaps limit: "Items of the page: 50 when not given; more than 200 are 200",
    }
    /// What units are looked for.
    Search in Query { "q" perhaps search: "Part of a name or code; not with `cursor`", }
    /// Where a feed goes on.
    Following in Query {
        "after" perhaps position: "A position; 0 begins at the oldest event kept",
        "limit" perhaps limit: "Long poll: events at most; more than 200 are 200",
        "wait" perhaps seconds: "Long poll: seconds to wait; 30 when not given, and more than 30 are 30",
    }

    /// What is to be proved of the history.
    Proving in Query {
        "position" perhaps facts: "Which fact, from 0; not with `from`",
        "size" perhaps facts: "Facts that the history had; with `position`",
        "from" perhaps facts: "Facts that the history had first; not with `position`",
        "to" perhaps facts: "Facts that it had later; with `from`",
    }

    /// Where a client of server-sent events goes on.
    LastEvent in Header { "Last-Event-ID" perhaps seen: "The last position seen", }
    /// A repeated request is known again.
    Idempotent in Header {
        "Idempotency-Key" perhaps idempotency_key: "The same key and request get the same answer for 7 days",
    }
    /// The content's own digest, under the signature.
    ContentNamed in Header {
        "Packet-Digest" perhaps packet_digest:
            "With multipart: sha-256 of the content part, as in RFC 9530; covered by the signature, and compared. It alone proves \
             later which content was signed",
    }
    /// The protocol of uploads.
    Tus in Header { "Tus-Resumable" always tus_version: "The version of tus", }
    /// What an upload is of.
    Announced in Header { "Upload-Length" always octets: "Octets of the whole content", }
    /// Where an upload goes on.
    FromOffset in Header { "Upload-Offset" always octets: "Where the first octet goes", }
    /// What a file is called.
    Named in Header {
        "Upload-Metadata" perhaps upload_metadata:
            "`filename`, in base64; a `filetype` is looked at, but what the packet's request says counts",
    }
    /// What a body hashes to, by tus.
    Checked in Header { "Upload-Checksum" perhaps upload_checksum: "sha256 or sha1 of this body", }
    /// What a body hashes to, by RFC 9530.
    Digested in Header { "Content-Digest" always content_digest: "sha-256 or sha-512 of the content (RFC 9530)", }
    /// A part of a content.
    Ranged in Header {
        "Range" perhaps range: "A single range of octets; what is none is answered with the whole (RFC 9110 section 14.2)",
        "If-Range" perhaps entity_tag: "The strong ETag",
    }
}
