//! Feeds under a flood: any commands of one source leave what the others told.

use std::collections::BTreeSet;

use machine::*;
use model::*;
use proptest::{collection::vec, prelude::*};

use crate::office::*;

/// The flood, whatever it does, is longer than a feed.
const FLOODED: u64 = FEED_EVENTS_MAX + 600;

/// What the flooding source does with one packet.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Submit,
    Broadcast,
    SubmitAndCancel,
    OpenAndSeal,
    OpenAndAbandon,
}

fn flood(office: &mut Office, packet: u128, deed: Deed) {
    let (id, space) = (PacketId(packet), SpaceId(packet));
    let open = |targets: &[&str]| {
        Command::OpenPacket(OpenPacket {
            packet: id,
            space,
            request: request(targets, None),
            size: None,
            node: NodeId(1),
            idempotency: None,
        })
    };
    match deed {
        Deed::Submit => office.submit("nong", packet, &["H41.03"]),
        Deed::Broadcast => office.submit("nong", packet, &["H41.03", "H41.02", "H41.05"]),
        Deed::SubmitAndCancel => {
            office.submit("nong", packet, &["H41.03", "G22"]);
            office.must(Some("nong"), Command::CancelPacket(CancelPacket { packet: id }));
        }
        Deed::OpenAndSeal => {
            office.must(Some("nong"), open(&["H41.03"]));
            let (digest, holders) = (digest_of("d1"), vec![NodeId(1), NodeId(2)]);
            let seal = SealPacket { packet: id, digest, size: 10, epoch: 1, holders, policy: None };
            office.must(Some("nong"), Command::SealPacket(seal));
        }
        Deed::OpenAndAbandon => {
            office.must(Some("nong"), open(&["H41.03"]));
            office.must(Some("nong"), Command::AbandonSpace(AbandonSpace { space }));
        }
    }
}

/// What the others told a unit, as a reader finds it that begins anew: by source and packet.
fn heard(office: &Office, unit: &UnitCode) -> BTreeSet<(Option<PacketId>, EventKind)> {
    let (mut after, mut heard) = (0, BTreeSet::new());
    loop {
        let feed = office.view().feed(unit, after, 200);
        let position = feed.events.last().map(|event| event.position).or(feed.reset);
        let Some(position) = position else { return heard };
        after = position;
        let others = feed.events.into_iter().filter(|event| event.source != word("H41.05"));
        heard.extend(others.map(|event| match event.about {
            About::Packet(news) => (Some(news.packet), event.kind),
            About::Access(_) => (None, event.kind),
        }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn one_source_leaves_what_the_others_told(
        others in vec(any::<bool>(), 1..40),
        deeds in vec(0..5u8, 8),
    ) {
        let mut office = Office::founded();
        let unit: UnitCode = word("H41.03");
        let mut packet = 0;
        for first in others {
            packet += 1;
            office.submit(if first { "noi-vu" } else { "vpcp" }, packet, &["H41.03"]);
            packet += 1;
            flood(&mut office, packet, Deed::Submit);
        }
        let told = heard(&office, &unit);
        let end = office.view().feed_end(&unit) + FLOODED;
        // Some deeds tell nobody anything; the others are chosen again and again.
        let deeds = deeds.into_iter().chain([0]).map(|deed| match deed {
            0 => Deed::Submit,
            1 => Deed::Broadcast,
            2 => Deed::SubmitAndCancel,
            3 => Deed::OpenAndSeal,
            _ => Deed::OpenAndAbandon,
        });
        for deed in deeds.cycle() {
            if office.view().feed_end(&unit) >= end {
                break;
            }
            packet += 1;
            flood(&mut office, packet, deed);
        }
        prop_assert_eq!(heard(&office, &unit), told);
        prop_assert_eq!(audit(&office.state), Vec::<String>::new());
    }
}
