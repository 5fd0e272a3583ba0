//! What nodes tell each other when a connection begins, and why one refuses another: version 1.
//!
//! Both are maps by number, so that a node reads what it knows of a newer one's.

use std::fmt;

use minicbor::{Decode, Encode};
use model::NodeId;
use serde::{Deserialize, Serialize};

/// The version of a greeting.
pub(super) const VERSION: u32 = 1;
/// Nodes of whom one greeting tells; a cluster has fewer.
pub(super) const OTHERS_MAX: usize = 100;

/// One life of a node: 16 random octets, drawn when its directory was made or was said to have been
/// moved. A copy of a directory carries the life of its original.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cbor(transparent)]
pub struct LifeId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl fmt::Display for LifeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LifeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<LifeId> for String {
    fn from(life: LifeId) -> Self {
        life.to_string()
    }
}

impl TryFrom<String> for LifeId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut octets = [0; 16];
        let read = hex::decode_to_slice(&text, &mut octets);
        read.map(|()| Self(octets))
            .map_err(|_| format!("{text:?} is no life: 32 hexadecimal digits"))
    }
}

/// What a node tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Greeting {
    /// The version of this form.
    #[n(0)]
    pub version: u32,
    /// Its life.
    #[n(1)]
    pub life: LifeId,
    /// How often it was started in this life.
    #[n(2)]
    pub start: u64,
    /// The random number of its process.
    #[n(3)]
    pub process: u64,
    /// Where it wants to be called over the mesh, `host:port`.
    #[n(4)]
    pub mesh_address: String,
    /// Where the other nodes are, as far as it knows.
    #[n(5)]
    pub others: Vec<Heard>,
}

/// Where a node is, as another one tells.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Heard {
    /// The node.
    #[n(0)]
    pub node: NodeId,
    /// Where it wants to be called over the mesh.
    #[n(1)]
    pub mesh_address: String,
    /// The start in which it has told so itself: the word of a later one is newer.
    #[n(2)]
    pub start: u64,
}

/// Why a node is refused.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Reason {
    /// It was removed from the cluster.
    #[n(0)]
    Removed,
    /// The same node lives elsewhere.
    #[n(1)]
    Twice {
        /// Where the one lives that is known.
        #[n(0)]
        elsewhere: String,
        /// Where the refused one was met.
        #[n(1)]
        here: String,
        /// The start that the known one tells.
        #[n(2)]
        start: u64,
        /// Its process.
        #[n(3)]
        process: u64,
    },
}

pub(super) fn encode(value: &impl Encode<()>) -> Vec<u8> {
    minicbor::to_vec(value).expect("a vector takes every octet")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting() -> Greeting {
        Greeting {
            version: VERSION,
            life: LifeId([7; 16]),
            start: 3,
            process: 9,
            mesh_address: "a:1".into(),
            others: vec![Heard { node: NodeId(2), mesh_address: "b:2".into(), start: 4 }],
        }
    }

    #[test]
    fn a_greeting_is_these_octets() {
        let octets = encode(&greeting());
        let golden = "a600010150070707070707070707070707070707070203030904\
                      63613a310581a3000201\
                      63623a320204";
        assert_eq!(hex::encode(&octets), golden.replace(char::is_whitespace, ""));
        assert_eq!(minicbor::decode::<Greeting>(&octets).expect("ours"), greeting());
    }

    #[test]
    fn what_a_newer_node_adds_is_passed_over() {
        let mut octets = encode(&greeting());
        octets[0] += 1;
        octets.extend([0x18, 99, 0xf5]);
        assert_eq!(minicbor::decode::<Greeting>(&octets).expect("a map"), greeting());
    }

    #[test]
    fn reasons_fit_a_datagram() {
        let twice = Reason::Twice {
            elsewhere: "x".repeat(300),
            here: "[fd00::1]:65535".into(),
            start: u64::MAX,
            process: u64::MAX,
        };
        let octets = encode(&twice);
        assert!(octets.len() < 1000);
        assert_eq!(minicbor::decode::<Reason>(&octets).expect("ours"), twice);
        assert_eq!(hex::encode(encode(&Reason::Removed)), "820080");
    }

    #[test]
    fn a_life_reads_as_it_is_written() {
        let life = LifeId([0xa5; 16]);
        assert_eq!(LifeId::try_from(String::from(life)), Ok(life));
        assert!(LifeId::try_from("a5".to_owned()).is_err());
    }
}
