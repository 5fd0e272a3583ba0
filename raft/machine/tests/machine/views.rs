//! What the read side answers: pages, aliases, search, feeds, and the earliest due moment.

use machine::*;
use model::*;

use crate::office::{Office, digest_of, new_node, new_unit, request, word};

fn ids(packets: Vec<PacketRecord>) -> Vec<u128> {
    packets.into_iter().map(|packet| packet.packet.0).collect()
}

fn codes(units: Vec<UnitRecord>) -> Vec<String> {
    units.into_iter().map(|unit| unit.code.to_string()).collect()
}

fn open(office: &mut Office, packet: u128) {
    let command = OpenPacket {
        packet: PacketId(packet),
        space: SpaceId(packet),
        request: request(&["H41.03"], None),
        size: None,
        node: NodeId(1),
        idempotency: None,
    };
    office.must(Some("noi-vu"), Command::OpenPacket(command));
}

fn former(office: &Office, packet: u128) -> Vec<Vec<NodeId>> {
    let row = office.view().packet_row(PacketId(packet)).expect("it is open");
    former_members(&office.state, &row)
}

fn nodes(nodes: &[u64]) -> Vec<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

/// What an upload was told may be with those who were members at any time since it began, and with nobody else.
#[test]
fn former_members_are_known_for_as_long_as_a_space_is_open() {
    let mut office = Office::founded();
    office.at.0 += 3_600_000;
    open(&mut office, 1);
    assert_eq!(former(&office, 1), [] as [Vec<NodeId>; 0], "the cluster has grown long before");
    // The second leaves, a fourth comes in its place: two changes in one moment.
    let leave = LeaveNode { node: NodeId(2), gives_up: false };
    office.must(Some("quan-tri"), Command::LeaveNode(leave));
    let secret_digest = digest_of("s4");
    let expires_at = Moment(office.at.0 + 3_600_000);
    let token = IssueJoinToken { secret_digest, expires_at };
    office.must(Some("quan-tri"), Command::IssueJoinToken(token));
    let node = AdmitNode { secret_digest, node: new_node("nut-4"), key: secret_digest };
    office.must(None, Command::AdmitNode(node));
    seat_voters(&mut office.state, &nodes(&[1, 2, 3, 4]));
    assert_eq!(former(&office, 1), [nodes(&[1, 2, 3]), nodes(&[1, 3])]);
    open(&mut office, 2);
    assert_eq!(former(&office, 2), former(&office, 1), "in one tick nobody knows which was first");
    // The same voters again are no change.
    seat_voters(&mut office.state, &nodes(&[1, 3, 4]));
    office.at.0 += 3_600_000;
    open(&mut office, 3);
    assert_eq!(former(&office, 3), [] as [Vec<NodeId>; 0]);
    assert_eq!(former(&office, 1).len(), 2);
    // A day later nobody can ask for it any more, and the next change forgets it.
    office.at.0 += 24 * 3_600_000;
    open(&mut office, 4);
    seat_voters(&mut office.state, &nodes(&[1, 3]));
    const FORMER: u8 = 52;
    assert_eq!(office.state.range(vec![FORMER]..vec![FORMER + 1]).count(), 1);
    assert_eq!(former(&office, 4), [nodes(&[1, 3, 4])]);
    assert_eq!(audit(&office.state), Vec::<String>::new());
}

/// Programs that seat other voters are found by the sum, as those that apply an entry in another way are.
#[test]
fn who_votes_counts_in_the_sum() {
    let mut office = Office::founded();
    let before = office.view().sum();
    seat_voters(&mut office.state, &nodes(&[1, 2, 3]));
    assert_eq!(office.view().sum(), before, "the same voters again are no change");
    let mut other = office.state.clone();
    seat_voters(&mut office.state, &nodes(&[1, 2]));
    seat_voters(&mut other, &nodes(&[1, 3]));
    let sums = [office.view().sum(), machine::View::new(&other).sum()];
    assert!(sums[0] != before && sums[1] != before && sums[0] != sums[1], "{sums:?}");
}

#[test]
fn nobody_waits_for_who_was_given_up() {
    let mut office = Office::founded();
    office.at.0 += 3_600_000;
    open(&mut office, 1);
    office.remove(2);
    seat_voters(&mut office.state, &nodes(&[1, 3]));
    assert_eq!(former(&office, 1), [nodes(&[1, 2, 3])], "its disk may hold what was acknowledged");
    office.give_up(3);
    let left = [nodes(&[1]), nodes(&[1, 2])];
    assert_eq!(former(&office, 1), left, "of this one nothing can come");
    assert_eq!(audit(&office.state), Vec::<String>::new());
}

#[test]
fn lists_come_in_pages() {
    let office = Office::founded();
    let view = office.view();
    let all = codes(view.units(None, usize::MAX));
    assert_eq!(all, ["G22", "H41", "H41.02", "H41.03", "H41.05"]);
    assert_eq!(codes(view.units(Some(&word("H41")), 2)), ["H41.02", "H41.03"]);
    assert_eq!(codes(view.units(Some(&word("H41.05")), 2)), Vec::<String>::new());
    let apps: Vec<_> = view.apps(Some(&word("noi-vu")), 2).into_iter().map(|a| a.app).collect();
    assert_eq!(apps, [word("nong"), word("quan-tri")]);
    assert_eq!(view.keys(None, usize::MAX).len(), 5);
    assert_eq!(view.keys(None, 0).len(), 0);
    assert_eq!(view.nodes().len(), 3);
    assert!(view.node(NodeId(4)).is_none());
    assert_eq!(view.clock(), Time { date: office.at, tick: office.tick() });
    assert_eq!(view.cluster().map(|cluster| cluster.next_node), Some(NodeId(4)));
}

#[test]
fn a_unit_is_known_by_every_code_it_has() {
    let office = Office::founded();
    let unit = office.view().unit(&word("000.00.05.H41")).expect("an alias");
    assert_eq!(unit.code, word("H41.05"));
    assert!(office.view().unit(&word("H41.99")).is_none());
}

#[test]
fn search_forgives_marks_and_order_and_ranks_what_was_meant() {
    let mut office = Office::founded();
    let commune = |code, name| new_unit(code, name, UnitKind::Commune, Some("H41"), &[]);
    let units = vec![
        commune("H41.21", "Xã Đô Lương"),
        commune("H41.22", "Xã Đồ Lương Sơn"),
        commune("H41.23", "Xã Lương Sơn"),
        commune("H41.24", "Xã Sơn Lâm"),
        commune("H41.25", "Xã Sơn Lam"),
    ];
    office.must(Some("quan-tri"), Command::AddUnits(AddUnits { units }));
    let found = |query: &str| codes(office.view().search_units(query, 10));
    assert_eq!(found("so nong nghiep"), ["H41.05"]);
    assert_eq!(found("NGHIỆP nông"), ["H41.05"]);
    assert_eq!(found("do luong"), ["H41.21", "H41.22"]);
    assert_eq!(found("đồ lương"), ["H41.22", "H41.21"]);
    assert_eq!(found("Sơn Lâm"), ["H41.24", "H41.25"]);
    assert_eq!(found("luong son"), ["H41.23", "H41.22"]);
    // The beginning of a word is enough, the middle is not.
    assert_eq!(found("mô trư"), ["H41.05"]);
    assert_eq!(found("rường"), Vec::<String>::new());
    // A code comes before every name, and an alias is a code.
    assert_eq!(found("h41.2"), ["H41.21", "H41.22", "H41.23", "H41.24", "H41.25"]);
    assert_eq!(found("H41").first().map(String::as_str), Some("H41"));
    assert_eq!(found("000.00.05.H41"), ["H41.05"]);
    // Decomposed marks are the same marks.
    assert_eq!(found("Sơn La\u{302}m"), ["H41.24", "H41.25"]);
    for nothing in ["", "   ", "---", "line\nbreak", &"x".repeat(300)] {
        assert_eq!(found(nothing), Vec::<String>::new(), "{nothing:?}");
    }
    assert_eq!(codes(office.view().search_units("xã", 2)).len(), 2);
}

#[test]
fn packets_are_listed_for_source_target_and_node() {
    let mut office = Office::founded();
    for packet in [3, 1, 2] {
        office.submit("noi-vu", packet, &["H41.03"]);
        office.at.0 += 1;
    }
    let (source, target): (UnitCode, UnitCode) = (word("H41.02"), word("H41.03"));
    let view = office.view();
    assert_eq!(ids(view.sent(&source, None, 2)), [3, 2]);
    assert_eq!(ids(view.sent(&source, Some(PacketId(2)), 2)), [1]);
    assert_eq!(ids(view.sent(&target, None, 2)), Vec::<u128>::new());
    // In the order of the seals, not of the ids.
    assert_eq!(ids(view.inbox(&target, None, 2)), [3, 1]);
    assert_eq!(ids(view.inbox(&target, Some(PacketId(1)), 2)), [2]);
    assert_eq!(view.packet_of_space(SpaceId(2)).map(|packet| packet.packet), Some(PacketId(2)));
    let live = view.live(None, 10);
    assert_eq!(live.len(), 3);
    assert_eq!(view.live(Some(live[0]), 10), live[1..]);

    office.receive("tu-phap", 1);
    office.at.0 += 1;
    office.receive("tu-phap", 3);
    let view = office.view();
    assert_eq!(ids(view.inbox(&target, None, 10)), [2]);
    assert_eq!(view.debts(NodeId(2), None, 10), (vec![SpaceId(1), SpaceId(3)], 2));
    assert_eq!(view.debts(NodeId(2), None, 1), (vec![SpaceId(1)], 1));
    assert_eq!(view.debts(NodeId(2), Some(1), 10), (vec![SpaceId(3)], 2));
    assert_eq!((view.debt_count(NodeId(2)), view.debt_count(NodeId(9))), (2, 0));
    office.must_of(2, Command::RecordPurge(RecordPurge { below: 1 }));
    assert_eq!(office.view().debts(NodeId(2), None, 10), (vec![SpaceId(3)], 2));
    assert_eq!(office.view().debt_count(NodeId(2)), 1);
}

#[test]
fn a_feed_keeps_the_latest_events_and_says_from_where() {
    let mut office = Office::founded();
    let unit: UnitCode = word("H41.03");
    // Its application and its key.
    let begun = office.view().feed(&unit, 0, 10);
    assert_eq!((begun.reset, begun.events.len(), begun.last), (None, 2, 2));
    let nobody = office.view().feed(&word("H41.99"), 0, 10);
    assert_eq!(nobody, Feed::default());
    let positions = |feed: &Feed| feed.events.iter().map(|e| e.position).collect::<Vec<_>>();
    let sent = FEED_EVENTS_MAX + 300;
    for packet in 1..=sent {
        office.submit("noi-vu", u128::from(packet), &["H41.03"]);
        if packet == 3 {
            let feed = office.view().feed(&unit, 3, 10);
            assert_eq!((feed.reset, feed.last, positions(&feed)), (None, 5, vec![4, 5]));
        }
    }
    // What the administrator told stays, however much the other source tells.
    let last = sent + 2;
    let feed = office.view().feed(&unit, 0, 5);
    assert_eq!((feed.reset, feed.last, positions(&feed)), (None, last, vec![1, 2]));
    let feed = office.view().feed(&unit, 2, 2);
    assert_eq!((feed.reset, positions(&feed)), (Some(304), vec![305, 306]));
    assert_eq!(office.view().feed(&unit, 304, 2).reset, None);
    let end = Feed { last, ..Feed::default() };
    assert_eq!(office.view().feed(&unit, last, 2), end);
    let beyond = Feed { reset: Some(last), ..end };
    assert_eq!(office.view().feed(&unit, u64::MAX, 2), beyond);
    assert_eq!(audit(&office.state), Vec::<String>::new());
}

#[test]
fn inbox_floors_hide_nothing() {
    let mut office = Office::founded();
    office.submit("noi-vu", 1, &["H41.03"]);
    for packet in 2..=600 {
        office.at.0 += 1000;
        office.submit("noi-vu", packet, &["H41.03"]);
        office.receive("tu-phap", packet);
    }
    assert_eq!(ids(office.view().inbox(&word("H41.03"), None, 10)), [1]);
    office.receive("tu-phap", 1);
    for packet in 601..=900 {
        office.submit("noi-vu", packet, &["H41.03"]);
    }
    assert_eq!(ids(office.view().inbox(&word("H41.03"), None, 1)), [601]);
    assert_eq!(audit(&office.state), Vec::<String>::new());
}

#[test]
fn time_is_due_until_everything_is_settled_and_forgotten() {
    let mut office = Office::founded();
    let idempotency = Some(Idempotency { key: word("k"), fingerprint: digest_of("f") });
    let open = OpenPacket {
        packet: PacketId(1),
        space: SpaceId(1),
        request: request(&["H41.03"], None),
        size: None,
        node: NodeId(1),
        idempotency,
    };
    office.must(Some("noi-vu"), Command::OpenPacket(open));
    let expires_at = Moment(office.at.0 + SPACE_TIME_MS);
    let mut passed = 0;
    while let Some(due) = office.view().next_due(ENDED_KEPT_MS) {
        assert!(due > office.tick() || passed > 0, "due at once");
        assert!(due.0 <= expires_at.0 || passed > 0);
        office.at = office.at.max(Moment(due.0));
        office
            .must(None, Command::PassTime(PassTime { due_max: 10, ended_kept_ms: ENDED_KEPT_MS }));
        passed += 1;
        // After the idempotency key's week only the hourly look for deadlines is left.
        if office.at.0 > expires_at.0 + IDEMPOTENCY_TIME_MS {
            break;
        }
    }
    assert!(passed < 24 * 9, "passed {passed} times");
    let packet = office.view().packet(PacketId(1)).expect("it is record");
    assert_eq!((packet.state, packet.ended_at), (PacketState::Expired, Some(expires_at)));
    // Of nonces, answers and idempotency keys nothing is left: a table's rows begin with its number.
    for table in [20u8, 21, 22, 23] {
        assert_eq!(office.state.range(vec![table]..vec![table + 1]).count(), 0, "table {table}");
    }
    assert_eq!(audit(&office.state), Vec::<String>::new());
}
