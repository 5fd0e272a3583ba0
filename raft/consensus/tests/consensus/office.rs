//! Proposals to test with: the founding, and commands that no one signs.

use consensus::StateView;
use machine::{
    AddApp, Command, Found, IssueKey, NewNode, Proposal, Proposer, RULES_KNOWN, RecordPickup,
    UpdateNode,
};
use model::{CommandId, Grant, KeyAlgorithm, NodeId, PacketId};
use std::{fmt::Debug, ops::ControlFlow, str::FromStr};

fn word<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("a word of the tests")
}

fn node(version: String) -> NewNode {
    NewNode {
        name: word("nut-1"),
        mesh_address: "127.0.0.1:1".into(),
        api_url: "https://127.0.0.1:2".into(),
        version,
        rules_max: RULES_KNOWN,
    }
}

/// The founding of a cluster.
pub fn found() -> Proposal {
    let admin = AddApp {
        app: word("quan-tri"),
        unit: word("H41"),
        name: word("quan-tri"),
        grants: [Grant::Admin].into_iter().collect(),
        targets: Vec::new(),
    };
    let admin_key = IssueKey {
        key: model::AccessKey::from_random([7; 20]),
        app: word("quan-tri"),
        algorithm: KeyAlgorithm::HmacSha256,
        material: b"sealed".to_vec(),
        legacy: false,
        hmac_sha1: false,
        sealed_under: 1,
    };
    let found = Found {
        name: word("Nghệ An"),
        zone: word("H41"),
        cluster: "c0ffee".into(),
        authority: b"certificate".to_vec(),
        authority_key_sealed: b"sealed".to_vec(),
        node: node("0".into()),
        admin,
        admin_key,
        node_key: model::Digest([1; 32]),
        key_check: model::Digest([2; 32]),
    };
    Proposal { id: CommandId(1), by: Proposer::Node(NodeId(1)), command: Command::Found(found) }
}

/// A command that can be told from every other by its number.
pub fn command(number: u128) -> Proposal {
    let pickups = vec![(PacketId(number), word("H41"))];
    let (id, by) = (CommandId(1_000_000 + number), Proposer::Node(NodeId(1)));
    Proposal { id, by, command: Command::RecordPickup(RecordPickup { pickups }) }
}

/// A command of the first node that has an effect.
pub fn update(number: u128) -> Proposal {
    let update = UpdateNode { now: node(number.to_string()) };
    let (id, by) = (CommandId(2_000_000 + number), Proposer::Node(NodeId(1)));
    Proposal { id, by, command: Command::UpdateNode(update) }
}

/// A command that is larger than any that can travel.
pub fn huge() -> Proposal {
    let update = UpdateNode { now: node("9".repeat(5 << 20)) };
    Proposal {
        id: CommandId(2),
        by: Proposer::Node(NodeId(1)),
        command: Command::UpdateNode(update),
    }
}

/// Whether a state has applied a command: it remembers the answer under the command's id.
pub fn holds(state: &StateView, proposal: &Proposal) -> bool {
    let (id, mut found) = (proposal.id.to_bytes(), false);
    state.scan(&[], &[0xff; 32], &mut |key, _| {
        found |= key.windows(id.len()).any(|part| part == id);
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found
}

/// Everything that a state holds.
pub fn content(state: &StateView) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = Vec::new();
    state.scan(&[], &[0xff; 32], &mut |key, value| {
        pairs.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    });
    pairs
}
