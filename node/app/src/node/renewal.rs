//! A node's certificate renews itself: any member may certify another, as the authority's key lies
//! sealed in the state (D6).

use std::net::IpAddr;

use certs::NodeRequest;
use conductor::Exchange;
use minicbor::{Decode, Encode};
use model::NodeId;

/// What a member asks for, version 1.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Renewal {
    /// The certificate request, DER.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub request: Vec<u8>,
    /// Host names.
    #[n(1)]
    pub names: Vec<String>,
    /// Addresses, as text.
    #[n(2)]
    pub addresses: Vec<String>,
}

impl Renewal {
    /// The request for the node that asks: a member has its own number certified and no other.
    pub fn into_request(self, from: NodeId, exchange: &Exchange) -> NodeRequest {
        NodeRequest {
            node: from,
            cluster: exchange.cluster().map(|cluster| cluster.cluster).unwrap_or_default(),
            request: self.request,
            names: self.names,
            addresses: self
                .addresses
                .iter()
                .filter_map(|text| text.parse::<IpAddr>().ok())
                .collect(),
        }
    }
}
