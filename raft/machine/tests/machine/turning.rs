//! Steps of rotations, as scripts write them.

use machine::*;
use model::*;

use crate::{
    office::*,
    scripts::{Words, list, number},
};

/// A step of a rotation of the cluster key.
pub(crate) fn turn(verb: &str, version: u32, words: &Words) -> TurnClusterKey {
    let or = |name: &str, other| words.get(name).copied().unwrap_or(other);
    let node = NodeId(number(or("node", "1")));
    let check = || digest_of(&format!("key-{version}-{node}"));
    let resealed = |key| Resealed { key: key_of(key), material: b"anew".to_vec().into() };
    match verb {
        "stage-key" => TurnClusterKey::Stage { version, check: check() },
        "hold-key" => TurnClusterKey::Hold { version },
        "activate-key" => TurnClusterKey::Activate { version },
        "reseal-key" => TurnClusterKey::Reseal {
            version,
            secrets: list(or("keys", "")).map(resealed).collect(),
            authority: words.contains_key("authority").then(|| b"anew".to_vec().into()),
        },
        _ => TurnClusterKey::End { version },
    }
}

/// The next authority.
pub(crate) fn replace(words: &Words) -> TurnAuthority {
    let or = |name: &str, other| words.get(name).copied().unwrap_or(other);
    let octets = |what: &str| format!("{what} {}", or("number", "2")).into_bytes().into();
    TurnAuthority::Replace {
        number: number(or("number", "2")) as u32,
        certificate: octets("certificate"),
        by_former: octets("by former"),
        key_sealed: vec![7; number(or("octets", "100")) as usize].into(),
        sealed_under: number(or("version", "1")) as u32,
    }
}
