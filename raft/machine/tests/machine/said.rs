//! The commands that scripts write, from their words.

use machine::*;
use model::*;

use crate::{
    office::*,
    scripts::{Script, Words, list, number, span},
    turning::{replace, turn},
};

impl Script {
    /// The command that a line asks for.
    pub(crate) fn command_of(&self, verb: &str, words: &Words) -> Command {
        let get =
            |name: &str| *words.get(name).unwrap_or_else(|| panic!("{}: {name}=", self.place));
        let or = |name: &str, other| words.get(name).copied().unwrap_or(other);
        let packet = || PacketId(number(get("packet")).into());
        let space = || SpaceId(number(or("space", or("packet", "0"))).into());
        let size = || words.get("size").map(|size| number(size));
        let node = || NodeId(number(or("node", "1")));
        let packets = || list(get("packets")).map(|id| PacketId(number(id).into())).collect();
        let policy =
            || words.get("deliver").map(|by| ExchangePolicy { deliver_by: Some(self.moment(by)) });
        let request = || Request {
            policy: policy().unwrap_or_default(),
            ..request(&list(get("to")).collect::<Vec<_>>(), None)
        };
        let idempotency = || {
            words.get("idempotency").map(|both| {
                let (key, fingerprint) = both.split_once('/').expect("idempotency=KEY/FINGERPRINT");
                Idempotency { key: word(key), fingerprint: digest_of(fingerprint) }
            })
        };
        let rides = || or("rides", "no") == "yes";
        let holders = || list(or("holders", "1,2")).map(|node| NodeId(number(node))).collect();
        let digest = || digest_of(or("digest", "d1"));
        let secret_digest = || digest_of(get("secret"));
        match verb {
            "found" => Command::Found(Found {
                zone: word(or("zone", "H41")),
                admin: new_app("quan-tri", or("unit", "H41"), &grants(or("grants", "admin")), &[]),
                admin_key: new_key("quan-tri", or("key-of", "quan-tri")),
                node: presented("nut-1", words),
                ..founding()
            }),
            "issue-token" => Command::IssueJoinToken(IssueJoinToken {
                secret_digest: secret_digest(),
                expires_at: self.moment(or("expires", "+1h")),
            }),
            "admit" => Command::AdmitNode(AdmitNode {
                secret_digest: secret_digest(),
                node: presented(or("name", "nut-9"), words),
                key: digest_of(or("key", get("secret"))),
            }),
            "update-node" => Command::UpdateNode(UpdateNode { now: presented(get("name"), words) }),
            "adopt" => {
                Command::AdoptRules(AdoptRules { rules: Rules(number(get("rules")) as u16) })
            }
            "leave" => {
                let gives_up = words.contains_key("gives-up");
                Command::LeaveNode(LeaveNode { node: node(), gives_up })
            }
            "release" => Command::ReleaseHoldings(ReleaseHoldings {
                node: node(),
                packets_max: number(or("most", "100")) as u32,
                through: words.get("through").map(|id| PacketId(number(id).into())),
            }),
            "remove" => Command::RemoveNode(RemoveNode { node: node() }),
            "pulse" => Command::Pulse,
            "take" => Command::TakeLease(TakeLease { name: word(get("lease")) }),
            "give-back" => Command::ReturnLease(ReturnLease {
                name: word(get("lease")),
                fence: number(get("fence")),
            }),
            "post" => Command::PostLetter(PostLetter {
                carrier: word(get("carrier")),
                packet: packet(),
                target: word(get("target")),
            }),
            "receipt-key" => Command::RecordReceiptKey(NewReceiptKey {
                version: number(or("version", "1")) as u32,
                es256: vec![number(or("es256", "7")) as u8; ES256_OCTETS],
                ed25519: vec![9; ED25519_OCTETS],
            }),
            "report" => Command::ReportLetter(ReportLetter {
                letter: LetterId(number(get("letter"))),
                report: match or("again", "") {
                    "" if words.contains_key("refused") => Report::Refused(word(get("refused"))),
                    "" => Report::Taken(word(or("taken", "done"))),
                    after => Report::Again { said: word("no answer"), after_ms: span(after) },
                },
            }),
            "add-units" => Command::AddUnits(AddUnits { units: units(or("units", "")) }),
            "rename-unit" => rename_unit(get("unit"), get("name")),
            "remove-unit" => Command::RemoveUnit(RemoveUnit { code: word(get("unit")) }),
            "add-app" => Command::AddApp(new_app(
                get("app"),
                get("unit"),
                &grants(or("grants", "send,receive")),
                &list(or("targets", "")).collect::<Vec<_>>(),
            )),
            "issue-key" => Command::IssueKey(IssueKey {
                sealed_under: number(or("sealed-under", "1")) as u32,
                ..new_key(get("key"), get("app"))
            }),
            "revoke-key" => Command::RevokeKey(RevokeKey {
                key: key_of(get("key")),
                at: words.get("at").map(|at| self.moment(at)),
            }),
            "rotate-key" => Command::RotateClusterKey(RotateClusterKey {
                ends_tokens: or("tokens", "") == "end",
            }),
            "stage-key" | "hold-key" | "activate-key" | "reseal-key" | "end-key" => {
                Command::TurnClusterKey(turn(verb, number(get("version")) as u32, words))
            }
            "rotate-authority" => Command::OrderAuthority(OrderAuthority::Rotate {
                overlap_ms: span(or("overlap", "30d")),
            }),
            "end-authorities" => Command::OrderAuthority(OrderAuthority::EndOlder),
            "replace-authority" => Command::TurnAuthority(replace(words)),
            "pass-authorities" => Command::TurnAuthority(TurnAuthority::End),
            "open" => Command::OpenPacket(OpenPacket {
                packet: packet(),
                space: space(),
                request: request(),
                size: size(),
                node: node(),
                idempotency: idempotency(),
            }),
            "claim" => {
                Command::ClaimSpace(ClaimSpace { space: space(), node: node(), size: size() })
            }
            "confirm-time" => Command::ConfirmTime(ConfirmTime {}),
            "abandon" => Command::AbandonSpace(AbandonSpace { space: space() }),
            "seal" => Command::SealPacket(SealPacket {
                packet: packet(),
                digest: digest(),
                size: size().unwrap_or(10),
                epoch: number(or("epoch", "1")) as u32,
                holders: holders(),
                policy: policy(),
            }),
            "submit" => Command::SubmitPacket(SubmitPacket {
                packet: packet(),
                space: space(),
                request: request(),
                digest: digest(),
                size: size().unwrap_or(10),
                holders: if rides() { Vec::new() } else { holders() },
                rides: rides(),
                idempotency: idempotency(),
            }),
            "cancel" => Command::CancelPacket(CancelPacket { packet: packet() }),
            "accept" => Command::GrantPickup(GrantPickup { packet: packet() }),
            "confirm" => {
                let packets: Vec<_> = list(or("packet", "")).collect();
                let receipt =
                    |id: &&str| Receipt { packet: PacketId(number(id).into()), digest: digest() };
                let receipts = packets.iter().map(receipt).collect();
                Command::ConfirmReceipts(ConfirmReceipts { receipts })
            }
            "reject" => Command::RejectDelivery(RejectDelivery {
                packet: packet(),
                reason: word(or("reason", "trùng")),
            }),
            "purge" => Command::RecordPurge(RecordPurge { below: number(get("below")) }),
            "hold" => Command::RecordHolding(RecordHolding { packets: packets() }),
            "fetched" => Command::RecordPickup(RecordPickup {
                pickups: vec![(packet(), word(get("target")))],
            }),
            "lose" => Command::RecordLost(RecordLost { packets: packets() }),
            "close" => Command::CloseLost(CloseLost { packets: packets() }),
            "pass" => Command::PassTime(PassTime {
                due_max: number(or("due-max", "100")) as u32,
                ended_kept_ms: number(or("kept-ms", "86400000")),
            }),
            _ => panic!("{}: nobody knows this verb", self.place),
        }
    }
}

/// What a node tells of itself, with the rules that its program knows.
fn presented(name: &str, words: &Words) -> NewNode {
    let known = words.get("knows").map_or(RULES_KNOWN, |known| Rules(number(known) as u16));
    NewNode { rules_max: known, ..new_node(name) }
}

/// `CODE/KIND/PARENT/ALIAS+ALIAS`, of which all but the code may be missing; `CODE*3` is three
/// units under the code.
fn units(text: &str) -> Vec<NewUnit> {
    let mut units = Vec::new();
    for unit in list(text) {
        let mut parts = unit.split('/');
        let code = parts.next().unwrap_or_default();
        let kind = parts.next().unwrap_or("department").parse().expect("a kind of unit");
        let parent = parts.next().filter(|parent| !parent.is_empty());
        let aliases: Vec<_> = parts.next().into_iter().flat_map(|a| a.split('+')).collect();
        match code.split_once('*') {
            None => units.push(new_unit(code, code, kind, parent, &aliases)),
            Some((code, many)) => {
                units.extend((0..number(many)).map(|index| {
                    new_unit(&format!("{code}.{index}"), code, kind, parent, &aliases)
                }))
            }
        }
    }
    units
}

fn grants(text: &str) -> Vec<Grant> {
    list(text).map(|grant| grant.parse().expect("a grant")).collect()
}
