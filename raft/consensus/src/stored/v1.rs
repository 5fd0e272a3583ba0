//! Version 1: fields by number, after an octet that says the version. What does not read back as the very
//! octets that would be written is not of this version.

use std::{collections::BTreeMap, io};

use minicbor::{Decode, Encode};
use openraft::{
    EmptyNode,
    vote::{RaftLeaderId as _, RaftLeaderIdExt as _},
};

use crate::{
    state::machine::Position,
    types::{LeaderId, LogId, Membership, StoredMembership},
};

const VERSION: u8 = 1;

#[derive(Encode, Decode)]
struct EntryId {
    #[n(0)]
    term: u64,
    #[n(1)]
    node: u64,
    #[n(2)]
    index: u64,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Members {
    /// Whose majorities count: one set, or two while a change is under way.
    #[n(0)]
    voters: Vec<Vec<u64>>,
    /// Everybody, learners too.
    #[n(1)]
    nodes: Vec<u64>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Place {
    /// The last entry that the state holds.
    #[n(0)]
    applied: Option<EntryId>,
    /// The entry that made these the members.
    #[n(1)]
    since: Option<EntryId>,
    #[n(2)]
    members: Members,
}

/// A membership, as it stands in the log.
pub(crate) fn membership(membership: &Membership) -> Vec<u8> {
    encoded(&Members::of(membership))
}

/// The membership in these octets.
pub(crate) fn read_membership(octets: &[u8]) -> io::Result<Membership> {
    decoded::<Members>(octets, "a membership")?.read()
}

/// Where the state stands.
pub(crate) fn position(position: &Position) -> Vec<u8> {
    let Position { applied, membership } = position;
    encoded(&Place {
        applied: applied.map(EntryId::of),
        since: membership.log_id().map(EntryId::of),
        members: Members::of(membership.membership()),
    })
}

/// The position in these octets.
pub(crate) fn read_position(octets: &[u8]) -> io::Result<Position> {
    let Place { applied, since, members } = decoded(octets, "the state's position")?;
    let membership = StoredMembership::new(since.map(EntryId::read), members.read()?);
    Ok(Position { applied: applied.map(EntryId::read), membership })
}

impl EntryId {
    fn of(id: LogId) -> Self {
        let leader = id.committed_leader_id();
        Self { term: leader.term(), node: *leader.node_id(), index: id.index() }
    }

    fn read(self) -> LogId {
        LogId::new(LeaderId::new_committed(self.term, self.node), self.index)
    }
}

impl Members {
    fn of(membership: &Membership) -> Self {
        let sets = membership.get_joint_config();
        Self {
            voters: sets.iter().map(|set| set.iter().copied().collect()).collect(),
            nodes: membership.nodes().map(|(node, _)| *node).collect(),
        }
    }

    fn read(self) -> io::Result<Membership> {
        let voters = self.voters.into_iter().map(|set| set.into_iter().collect()).collect();
        let nodes: BTreeMap<u64, EmptyNode> =
            self.nodes.into_iter().map(|node| (node, EmptyNode::default())).collect();
        Membership::new(voters, nodes).map_err(|error| invalid(error.to_string()))
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn encoded(value: &impl Encode<()>) -> Vec<u8> {
    let mut octets = vec![VERSION];
    minicbor::encode(value, &mut octets).expect("a vector takes every octet");
    octets
}

fn decoded<T: Encode<()> + for<'b> Decode<'b, ()>>(octets: &[u8], what: &str) -> io::Result<T> {
    let value = match octets {
        [VERSION, rest @ ..] => minicbor::decode::<T>(rest)
            .map_err(|error| invalid(format!("{what} cannot be read: {error}")))?,
        [other, ..] => return Err(invalid(format!("{what} is of version {other}"))),
        [] => return Err(invalid(format!("{what} is empty"))),
    };
    // A field of a later program, which a decoder would pass over, and what is written twice.
    if encoded(&value) == octets {
        Ok(value)
    } else {
        Err(invalid(format!("{what} has more in it")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn joint() -> Membership {
        let voters = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 300])];
        Membership::new_with_defaults(voters, [1, 2, 3, 7, 300])
    }

    fn id(term: u64, node: u64, index: u64) -> LogId {
        LogId::new(LeaderId::new_committed(term, node), index)
    }

    #[test]
    fn the_octets_of_version_1() {
        let members = "a200828301020382011901 2c0185010203071901 2c".replace(' ', "");
        assert_eq!(hex(&membership(&joint())), format!("01{members}"));
        assert_eq!(hex(&membership(&Membership::default())), "01a200800180");
        let stood = Position {
            applied: Some(id(5, 2, 70_000)),
            membership: StoredMembership::new(Some(id(4, 3, 9)), joint()),
        };
        let expected = format!("01a300830502 1a00011170 0183040309 02{members}").replace(' ', "");
        assert_eq!(hex(&position(&stood)), expected);
        assert_eq!(hex(&position(&Position::default())), "01a102a200800180");
    }

    #[test]
    fn what_is_written_reads_back() {
        for members in [joint(), Membership::default()] {
            assert_eq!(read_membership(&membership(&members)).expect("it reads"), members);
            for at in [None, Some(id(u64::MAX, 1, 0))] {
                let membership = StoredMembership::new(at, members.clone());
                let written = Position { applied: at, membership };
                let read = read_position(&position(&written)).expect("it reads");
                assert_eq!((read.applied, read.membership), (at, written.membership));
            }
        }
    }

    #[test]
    fn what_is_not_of_version_1_is_refused() {
        let whole = membership(&joint());
        for length in 0..whole.len() {
            read_membership(&whole[..length]).expect_err("it is cut");
        }
        read_membership(&[&[2], &whole[1..]].concat()).expect_err("a later version");
        read_membership(&[&whole[..], &[0]].concat()).expect_err("more behind it");
        // {0: [], 1: [], 2: 7}
        read_membership(&[1, 0xa3, 0, 0x80, 1, 0x80, 2, 7]).expect_err("a later field");
        // {0: [[1]], 1: []}
        read_membership(&[1, 0xa2, 0, 0x81, 0x81, 1, 1, 0x80]).expect_err("a voter that is nobody");
        read_position(&whole).expect_err("not a position");
    }

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}
