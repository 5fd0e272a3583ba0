//! Proposals to test with: the founding, and commands that no one signs.

use consensus::{Consensus, StateView};
use machine::{
    AddApp, AdmitNode, Command, Found, IssueJoinToken, IssueKey, NewNode, Proof, Proposal,
    Proposer, RULES_KNOWN, RecordPickup, Rules, UpdateNode,
};
use model::{AccessKey, CommandId, Digest, Grant, KeyAlgorithm, Moment, NodeId, PacketId};
use std::{fmt::Debug, ops::ControlFlow, str::FromStr};

fn word<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("a word of the tests")
}

fn node(version: String, rules_max: Rules) -> NewNode {
    NewNode {
        name: word("nut-1"),
        mesh_address: "127.0.0.1:1".into(),
        api_url: "https://127.0.0.1:2".into(),
        version,
        rules_max,
    }
}

/// The founding of a cluster.
pub fn found() -> Proposal {
    found_under(RULES_KNOWN)
}

/// The founding by a node whose program knows rules up to these.
pub fn found_under(rules: Rules) -> Proposal {
    let admin = AddApp {
        app: word("quan-tri"),
        unit: word("H41"),
        name: word("quan-tri"),
        grants: [Grant::Admin].into_iter().collect(),
        targets: Vec::new(),
    };
    let admin_key = IssueKey {
        key: admin_key(),
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
        node: node("0".into(), rules),
        admin,
        admin_key,
        node_key: Digest([1; 32]),
        key_check: Digest([2; 32]),
    };
    Proposal { id: CommandId(1), by: Proposer::Node(NodeId(1)), command: Command::Found(found) }
}

fn admin_key() -> AccessKey {
    AccessKey::from_random([7; 20])
}

/// Takes a node into the cluster, as its administrator and another node do; it does not vote yet.
pub async fn admit(by: &Consensus, node: NodeId) {
    admit_under(by, node, RULES_KNOWN).await;
}

/// The same, of a node whose program knows rules up to these.
pub async fn admit_under(by: &Consensus, node: NodeId, rules: Rules) {
    let created = by.date().expect("a node that leads knows the date");
    let number = u128::from(node.0);
    let proof = Proof {
        key: admin_key(),
        created,
        nonce: word(&format!("nonce-of-admissions-{number}")),
        base: b"token".to_vec(),
        signature: vec![7; 32],
        statement: b"{}".to_vec(),
    };
    let secret_digest = Digest([10 + node.0 as u8; 32]);
    let token = IssueJoinToken { secret_digest, expires_at: Moment(created.0 + 3_600_000) };
    let new = AdmitNode { secret_digest, node: self::node("0".into(), rules), key: secret_digest };
    for (id, by_whom, command) in [
        (3_000_000, Proposer::Signed(proof), Command::IssueJoinToken(token)),
        (3_100_000, Proposer::Node(NodeId(1)), Command::AdmitNode(new)),
    ] {
        let proposal = Proposal { id: CommandId(id + number), by: by_whom, command };
        by.propose(proposal).await.expect("answered").expect("accepted");
    }
}

/// A command that can be told from every other by its number.
pub fn command(number: u128) -> Proposal {
    let pickups = vec![(PacketId(number), word("H41"))];
    let (id, by) = (CommandId(1_000_000 + number), Proposer::Node(NodeId(1)));
    Proposal { id, by, command: Command::RecordPickup(RecordPickup { pickups }) }
}

/// A command of the first node that has an effect.
pub fn update(number: u128) -> Proposal {
    let update = UpdateNode { now: node(number.to_string(), RULES_KNOWN) };
    let (id, by) = (CommandId(2_000_000 + number), Proposer::Node(NodeId(1)));
    Proposal { id, by, command: Command::UpdateNode(update) }
}

/// What a node tells once its program knows rules up to these.
pub fn knows(number: u128, rules: Rules) -> Proposal {
    let (id, by) = (CommandId(4_000_000 + number), Proposer::Node(NodeId(1)));
    let now = node(format!("knows {}", rules.0), rules);
    Proposal { id, by, command: Command::UpdateNode(UpdateNode { now }) }
}

/// A command that is larger than any that can travel.
pub fn huge() -> Proposal {
    let update = UpdateNode { now: node("9".repeat(5 << 20), RULES_KNOWN) };
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
