//! What travels sealed with a content.

use bytes::Bytes;
use minicbor::{Decode, Encode};
use model::FileName;

/// What travels sealed with a content and goes with it.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct FileMeta {
    #[n(0)]
    pub file_name: Option<FileName>,
}

impl FileMeta {
    pub(crate) fn to_bytes(&self) -> Bytes {
        minicbor::to_vec(self).expect("a vector takes every octet").into()
    }

    /// Nothing, where the octets are from a newer program: a name is a courtesy.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        minicbor::decode(bytes).unwrap_or_default()
    }
}
