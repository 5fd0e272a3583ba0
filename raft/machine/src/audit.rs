//! An audit of a whole state: every row is read and every invariant checked.
//!
//! For tests; far too slow, and too large in memory, for anything else. A row that does not decode
//! panics, as it does everywhere.

use std::collections::{BTreeMap, BTreeSet};

use model::{AppId, DeliveryState, NodeId, PacketId, UnitCode, lengths::in_form};

use crate::{
    authority::OLDER_AUTHORITIES_MAX,
    feed::FEED_SLACK,
    keys::{Band, Key, Newest, Timer},
    limits::{FEED_EVENTS_MAX, FEED_SHARE},
    memory::generation,
    receipt_keys::RECEIPT_KEYS_MAX,
    store::Reader,
    tables::{
        ALIASES, ANSWERS, APPS, AUTHORITY, CLOCK, CLOSING, CLUSTER, CLUSTER_KEY, CURSORS,
        DELIVERIES, ENDED, ENDED_NEXT, ENDING, FEEDS, FLOORS, GUESTS, HEADS, HELD, IDEMPOTENCY,
        IDEMPOTENCY_AGES, IDEMPOTENCY_COUNTS, KEYS, LEASES, LETTER_NEXT, LETTERS, LIVE, LOST,
        MEMBERS, NODES, NONCES, OUTBOX, PACKETS, PRUNED, PULSES, PURGES, QUEUE, QUEUE_FLOORS,
        RECEIPT_KEYS, RULES, SEALED, SENT, SPACES, TAG_MAX, TIMER_FLOOR, TIMERS, TOKENS, TOLD,
        TRUST, Table, UNITS, Value,
    },
    v1::{Counts, DeliveryRow, LetterState, PacketRow},
};

/// The deliveries of each packet.
type Deliveries = BTreeMap<PacketId, BTreeMap<UnitCode, DeliveryRow>>;

/// Names every broken invariant of the state; none is what is expected.
pub fn audit<R: Reader + ?Sized>(reader: &R) -> Vec<String> {
    let mut audit = Audit { reader, broken: Vec::new() };
    audit.cluster();
    audit.receipt_keys();
    audit.registry();
    let (packets, deliveries) = audit.packets();
    audit.lists(&packets, &deliveries);
    audit.purges();
    audit.leases();
    audit.feeds();
    audit.memory();
    audit.strangers();
    audit.broken
}

struct Audit<'a, R: Reader + ?Sized> {
    reader: &'a R,
    broken: Vec<String>,
}

impl<R: Reader + ?Sized> Audit<'_, R> {
    fn rows<K: Key, V: Value>(&self, table: &Table<K, V>) -> Vec<(K, V)> {
        table.rows(self.reader, &table.all(), usize::MAX)
    }

    fn keys<K: Key, V: Value>(&self, table: &Table<K, V>) -> Vec<K> {
        self.rows(table).into_iter().map(|(key, _)| key).collect()
    }

    fn check(&mut self, holds: bool, invariant: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(invariant());
        }
    }

    fn members(&self) -> Vec<NodeId> {
        MEMBERS.get(self.reader, &()).unwrap_or_default()
    }

    fn present(&self) -> BTreeSet<NodeId> {
        let nodes = self.rows(&NODES).into_iter().filter(|(_, node)| node.removed_at.is_none());
        nodes.map(|(id, _)| id).collect()
    }

    fn cluster(&mut self) {
        let (nodes, present) = (self.rows(&NODES), self.present());
        let members = self.members();
        let belong = members.iter().all(|node| present.contains(node));
        self.check(belong, || format!("of the members {members:?} only {present:?} are here"));
        self.check(members.is_sorted_by(|a, b| a < b), || "the members are unsorted".into());
        let guests = GUESTS.get(self.reader, &()).unwrap_or_default();
        let strangers = present.iter().filter(|node| !members.contains(node));
        self.check(strangers.eq(&guests), || format!("the guests are not {guests:?}"));
        let founded = CLUSTER.has(self.reader, &());
        self.check(founded != members.is_empty(), || "a founded cluster has members".into());
        let cluster = CLUSTER.get(self.reader, &());
        let next = cluster.map_or(NodeId(1), |cluster| cluster.next_node);
        let given = nodes.iter().all(|(id, node)| *id < next && *id == node.node);
        self.check(given, || "a node has an id that was not given out".into());
        if let Some(key) = CLUSTER_KEY.get(self.reader, &()) {
            let staged = key.staged.as_ref().is_none_or(|staged| staged.version == key.last);
            let ordered = key.opens_from <= key.tokens_from
                && key.tokens_from <= key.active
                && key.active <= key.last;
            let mut versions: Vec<_> = key.older.iter().map(|older| older.version).collect();
            let first = versions.first().is_none_or(|first| *first == key.opens_from);
            versions.push(key.active);
            let older = first && versions.is_sorted_by(|a, b| a < b);
            let bare = key.older.is_empty() && key.opens_from != key.active;
            self.check(older && !bare, || format!("the versions are in disorder: {key:?}"));
            self.check(staged && ordered, || format!("the cluster key is in disorder: {key:?}"));
            self.check(key.staged.is_none() || key.wanted, || {
                "a key nobody wants is staged".into()
            });
        }
        let authority = AUTHORITY.get(self.reader, &());
        self.check(founded == authority.is_some(), || "a founded cluster has an authority".into());
        if let Some(authority) = authority {
            let numbers: Vec<_> = authority.older.iter().map(|older| older.number).collect();
            let before = numbers.iter().all(|number| *number < authority.number);
            let ends: Vec<_> = authority.older.iter().map(|older| older.until.tick).collect();
            let ordered = numbers.is_sorted_by(|a, b| a < b) && before && ends.is_sorted();
            self.check(ordered && numbers.len() <= OLDER_AUTHORITIES_MAX, || {
                format!("the older authorities are in disorder: {numbers:?}")
            });
        }
        for (_, token) in self.rows(&TOKENS) {
            let spent = token.node.is_none_or(|node| NODES.has(self.reader, &node));
            self.check(spent, || "a join token was spent by no node".into());
        }
    }

    fn receipt_keys(&mut self) {
        let active = CLUSTER_KEY.get(self.reader, &()).map_or(0, |key| key.active);
        let keys = self.rows(&RECEIPT_KEYS);
        self.check(keys.len() <= RECEIPT_KEYS_MAX, || "receipts have too many keys".into());
        for (version, key) in keys {
            let ended = key.ended.is_some() == (key.keys.version < active);
            let fits =
                version == u64::from(key.keys.version) && key.keys.version <= active && ended;
            self.check(fits, || format!("receipts have a key of version {version}"));
        }
    }

    fn registry(&mut self) {
        let units: BTreeMap<_, _> = self.rows(&UNITS).into_iter().collect();
        let mut aliases = BTreeMap::new();
        for (code, unit) in &units {
            self.check(unit.code == *code, || format!("unit {code} stands elsewhere"));
            let parent = unit.parent.as_ref().is_none_or(|parent| units.contains_key(parent));
            self.check(parent, || format!("the parent of {code} is missing"));
            for alias in &unit.aliases {
                let new = !units.contains_key(alias)
                    && aliases.insert(alias.clone(), code.clone()).is_none();
                self.check(new, || format!("{alias} means two units"));
            }
        }
        let listed: BTreeMap<_, _> = self.rows(&ALIASES).into_iter().collect();
        self.check(listed == aliases, || "the aliases differ from the units'".into());
        for (id, app) in self.rows(&APPS) {
            let known = [&app.unit].into_iter().chain(&app.targets).all(|u| units.contains_key(u));
            self.check(known && app.app == id, || format!("{id} names an unknown unit"));
            self.check(app.targets.is_sorted(), || format!("the targets of {id} are unsorted"));
        }
        let sealed: BTreeSet<_> = self.keys(&SEALED).into_iter().collect();
        let secrets = self.rows(&KEYS).into_iter().filter(|(_, key)| key.algorithm.is_symmetric());
        let secrets: BTreeSet<_> =
            secrets.map(|(id, key)| (u64::from(key.sealed_under), id)).collect();
        self.check(sealed == secrets, || "the sealed secrets differ from the keys'".into());
        let ending: BTreeSet<_> = self.keys(&ENDING).into_iter().collect();
        let ends =
            self.rows(&KEYS).into_iter().filter_map(|(id, key)| Some((key.ends_at?.tick, id)));
        self.check(ending == ends.collect(), || "the ending keys differ from the keys'".into());
        for (id, key) in self.rows(&KEYS) {
            let app = APPS.get(self.reader, &key.app);
            let copied = app.is_some_and(|app| app.unit == key.unit && app.grants == key.grants);
            self.check(copied && key.key == id, || format!("{id} differs from its application"));
        }
    }

    fn packets(&mut self) -> (BTreeMap<PacketId, PacketRow>, Deliveries) {
        let packets: BTreeMap<_, _> = self.rows(&PACKETS).into_iter().collect();
        let mut deliveries = Deliveries::new();
        for ((packet, target), delivery) in self.rows(&DELIVERIES) {
            let settled = delivery.settled_at.is_some() == delivery.state.is_final();
            self.check(settled, || format!("{packet}: has a delivery settled in part"));
            deliveries.entry(packet).or_default().insert(target, delivery);
        }
        let strays = deliveries.keys().find(|packet| !packets.contains_key(packet));
        self.check(strays.is_none(), || format!("{strays:?} has deliveries and is no packet"));
        let (present, reader) = (self.present(), self.reader);
        for (id, packet) in &packets {
            let sealed = packet.sealed_at.is_some();
            let ended = packet.state().is_terminal();
            let mut rule = |holds, what: &str| self.check(holds, || format!("{id}: {what}"));
            rule(packet.packet == *id, "stands under another id");
            let counted = deliveries.get(id).map(counts);
            rule(counted.as_ref() == Some(&packet.counts), "miscounts its deliveries");
            rule(packet.ended_at.is_some() == ended, "ended without a moment, or the reverse");
            rule(packet.ended.is_some() == ended, "ended without a number, or the reverse");
            rule(packet.sealed_tick.is_some() == sealed, "sealed without a tick, or the reverse");
            rule(packet.digest.is_some() == sealed, "has a digest without a seal, or the reverse");
            let held = sealed && !ended && packet.lost_at.is_none();
            rule(packet.holders.is_empty() != held, "has the wrong holders");
            rule(packet.lost_at.is_none() || sealed, "lost a content that it never had");
            let listed = packet.lost_at.filter(|_| !ended);
            rule(LOST.get(reader, id) == listed, "is lost without a list, or the reverse");
            rule(packet.holders.is_sorted_by(|a, b| a < b), "names a holder twice");
            rule(packet.holders.iter().all(|n| present.contains(n)), "is held by no node");
            let known = |n: &NodeId| NODES.has(reader, n);
            rule(packet.touched.iter().all(known), "was touched by an unknown node");
            let gone = packet.touched.iter().all(|n| !present.contains(n));
            rule(!ended || gone, "is touched after its end");
            rule(packet.epoch >= 1, "has no epoch");
        }
        (packets, deliveries)
    }

    /// Every list of packets says what the packets say, no more and no less.
    fn lists(&mut self, packets: &BTreeMap<PacketId, PacketRow>, deliveries: &Deliveries) {
        let stray = self.keys(&LOST).into_iter().find(|id| !packets.contains_key(id));
        self.check(stray.is_none(), || format!("{stray:?} is lost and no packet"));
        let (mut sent, mut spaces, mut ended) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let (mut live, mut timers) = (BTreeSet::new(), BTreeSet::new());
        let mut queue = BTreeSet::new();
        for (id, packet) in packets {
            sent.insert((packet.source.clone(), *id));
            spaces.insert(packet.space, *id);
            match packet.ended {
                Some(number) => {
                    let twice = ended.insert(number, (*id, packet.space)).is_some();
                    self.check(!twice, || format!("two packets ended as number {number}"));
                }
                None => {
                    live.insert(*id);
                    let timer = match packet.sealed_at {
                        None => Timer::SpaceEnds(*id),
                        Some(_) => Timer::GiveUp(*id),
                    };
                    timers.insert((packet.due_tick, timer));
                }
            }
            for (target, delivery) in deliveries.get(id).into_iter().flatten() {
                let waits = packet.sealed_tick.filter(|_| !delivery.state.is_final());
                let band = Band::of(packet.importance);
                queue.extend(waits.map(|at| (target.clone(), band, packet.due_tick, at, *id)));
            }
        }
        let rows = self.keys(&SENT).into_iter().map(|(unit, Newest(packet))| (unit, packet));
        let same = rows.collect::<BTreeSet<_>>() == sent;
        self.check(same, || "the sent lists differ from the packets".into());
        let rows: BTreeMap<_, _> = self.rows(&SPACES).into_iter().collect();
        self.check(rows == spaces, || "the spaces differ from the packets'".into());
        let rows: BTreeSet<_> = self.keys(&LIVE).into_iter().collect();
        self.check(rows == live, || "the live packets differ from the packets".into());
        let rows = self.rows(&ENDED).into_iter().map(|(at, row)| (at, (row.packet, row.space)));
        let same = rows.collect::<BTreeMap<_, _>>() == ended;
        self.check(same, || "the ended packets differ from the packets".into());
        for (node, until) in self.rows(&PULSES) {
            timers.insert((until, Timer::PulseLapses(node)));
        }
        let rows = self.keys(&TIMERS);
        let floor = TIMER_FLOOR.get(self.reader, &());
        let above = rows.iter().all(|(at, _)| floor.is_some_and(|floor| floor <= *at));
        self.check(above, || "a timer lies below the floor".into());
        let rows: BTreeSet<_> = rows.into_iter().collect();
        self.check(rows == timers, || "the timers differ from what is due".into());
        let rows: BTreeSet<_> = self.keys(&QUEUE).into_iter().collect();
        for (unit, band, due, _, id) in &rows {
            let floor = QUEUE_FLOORS.get(self.reader, &(unit.clone(), *band)).unwrap_or_default();
            self.check(floor <= *due, || format!("{id} lies below the floor of {unit}"));
        }
        self.check(rows == queue, || "the queues differ from the open deliveries".into());
    }

    /// What nodes have destroyed, and what they owe.
    fn purges(&mut self) {
        let next = ENDED_NEXT.get(self.reader, &()).unwrap_or_default();
        let numbers = self.keys(&ENDED);
        let last = numbers.last().map_or(0, |number| number + 1);
        self.check(last <= next, || format!("a packet ended as {last} and the next one is {next}"));
        let closing = CLOSING.get(self.reader, &()).unwrap_or_default();
        let ordered = closing.left <= closing.recorded
            && closing.recorded <= closing.destroyed
            && closing.destroyed <= next;
        self.check(ordered, || format!("ended packets leave in disorder: {closing:?}"));
        let kept = numbers == (closing.left..next).collect::<Vec<_>>();
        self.check(kept, || format!("the ended packets are not those from {}", closing.left));
        let present = self.present();
        for (node, cursor) in self.rows(&CURSORS) {
            let step = PURGES.has(self.reader, &(node, cursor));
            let known = present.contains(&node) && cursor <= next && step;
            self.check(known, || format!("the cursor of {node} is at {cursor}"));
        }
        for (node, record) in self.rows(&NODES) {
            let owing = record.owing.is_none_or(|owing| owing.from < owing.to && owing.to <= next);
            let gone = record.is_present() || record.leaving.is_none();
            let fits = owing && gone && record.owes_from <= next;
            self.check(fits, || format!("{node} owes what there is not"));
        }
    }

    /// Leases, pulses and letters.
    fn leases(&mut self) {
        let present = self.present();
        let held: BTreeSet<_> = self.keys(&HELD).into_iter().collect();
        let leases = self.rows(&LEASES);
        let holds = leases.iter().filter_map(|(name, lease)| Some((lease.holder?, name.clone())));
        let same = holds.collect::<BTreeSet<_>>() == held;
        self.check(same, || "the leases differ from what hangs on the nodes".into());
        let pulses: BTreeSet<_> = self.keys(&PULSES).into_iter().collect();
        let hangs = held.iter().all(|(node, _)| pulses.contains(node) || !present.contains(node));
        self.check(hangs, || "a lease hangs on a node without a pulse".into());
        let waiting = self.rows(&LETTERS).into_iter().filter_map(|(id, letter)| {
            let waits = letter.state == LetterState::Waiting;
            waits.then_some((letter.carrier, letter.due_tick, id))
        });
        let waiting: BTreeSet<_> = waiting.collect();
        let rows: BTreeSet<_> = self.keys(&OUTBOX).into_iter().collect();
        self.check(rows == waiting, || "the outbox differs from the letters".into());
        let next = LETTER_NEXT.get(self.reader, &()).unwrap_or(1);
        let given = self.keys(&LETTERS).iter().all(|letter| letter.0 < next);
        self.check(given, || "a letter has a number that was not given out".into());
        let adopted = RULES.get(self.reader, &()).unwrap_or_default();
        let nodes = self.rows(&NODES).into_iter().filter(|(_, node)| node.is_present());
        let known = nodes.into_iter().all(|(_, node)| adopted <= node.now.rules_max);
        self.check(known, || "a node does not know the rules".into());
    }

    fn feeds(&mut self) {
        let mut feeds: BTreeMap<UnitCode, BTreeMap<UnitCode, Vec<u64>>> = BTreeMap::new();
        for ((unit, position), event) in self.rows(&FEEDS) {
            self.check(event.position == position, || format!("an event of {unit} is elsewhere"));
            feeds.entry(unit).or_default().entry(event.source).or_default().push(position);
        }
        let mut counts: BTreeMap<_, _> = self.rows(&TOLD).into_iter().collect();
        for (unit, head) in self.rows(&HEADS) {
            let (mut kept, mut heavy, mut last) = (0, BTreeSet::new(), 0);
            for (source, positions) in feeds.remove(&unit).unwrap_or_default() {
                let count = positions.len() as u64;
                let told = counts.remove(&(unit.clone(), source.clone()));
                let counted = told.is_some_and(|t| t.count == count && t.from <= positions[0]);
                self.check(counted, || format!("{source} is miscounted in the feed of {unit}"));
                self.check(head.first <= positions[0], || format!("the feed of {unit} is cut"));
                kept += count;
                last = positions.last().copied().max(Some(last)).unwrap_or_default();
                if count > FEED_SHARE {
                    heavy.insert(source);
                }
            }
            let whole = last == head.last && kept == head.kept;
            self.check(whole, || format!("the feed of {unit} lacks its end, or is miscounted"));
            let bounded = kept <= FEED_EVENTS_MAX + FEED_SLACK;
            self.check(bounded, || format!("the feed of {unit} keeps {kept}"));
            let known = head.heavy.into_iter().collect::<BTreeSet<_>>() == heavy;
            self.check(known, || format!("others fill the feed of {unit}"));
        }
        self.check(feeds.is_empty(), || "a feed has no head".into());
        self.check(counts.is_empty(), || "who told nothing is counted".into());
    }

    /// What is remembered of requests.
    fn memory(&mut self) {
        let clock = CLOCK.get(self.reader, &()).unwrap_or_default().tick;
        let answers = self.keys(&ANSWERS);
        let known = answers.iter().all(|(of, _)| *of <= generation(clock));
        self.check(known, || "an answer is of the future".into());
        let nonces = self.keys(&NONCES);
        let issued = nonces.iter().all(|(_, key, _)| KEYS.has(self.reader, key));
        self.check(issued, || "a nonce passed with an unknown key".into());
        let trust = TRUST.get(self.reader, &());
        let counted = trust.is_none_or(|trust| trust.time.tick <= clock);
        self.check(counted, || "the trusted date is of the future".into());
        let (mut ages, mut counts) = (BTreeSet::new(), BTreeMap::<AppId, u64>::new());
        for ((app, key), record) in self.rows(&IDEMPOTENCY) {
            *counts.entry(app.clone()).or_default() += 1;
            ages.insert((record.tick, app, key));
            // The packet may have left the state.
            let first = PACKETS.get(self.reader, &record.packet);
            let first = first.is_none_or(|packet| packet.space == record.space);
            self.check(first, || "an idempotency key stands for another packet".into());
        }
        let rows: BTreeSet<_> = self.keys(&IDEMPOTENCY_AGES).into_iter().collect();
        self.check(rows == ages, || "the ages differ from the idempotency keys'".into());
        let rows = self.rows(&IDEMPOTENCY_COUNTS).into_iter().filter(|(_, count)| *count > 0);
        let same = rows.eq(counts);
        self.check(same, || "the counts differ from the idempotency keys'".into());
        for (tag, floor) in self.rows(&FLOORS) {
            let mut below = false;
            self.reader.scan(&[tag], &floor, &mut |_, _| {
                below = true;
                std::ops::ControlFlow::Break(())
            });
            self.check(!below, || format!("table {tag} has a row below its floor"));
        }
        let pruned = PRUNED.get(self.reader, &()).unwrap_or_default();
        self.check(pruned <= clock, || "something was pruned in the future".into());
    }

    /// Nothing stands outside the tables.
    fn strangers(&mut self) {
        for (from, to) in [(0, CLUSTER.tag), (TAG_MAX + 1, u8::MAX)] {
            let mut found = false;
            self.reader.scan(&[from], &[to], &mut |_, _| {
                found = true;
                std::ops::ControlFlow::Break(())
            });
            self.check(!found, || "a row belongs to no table".into());
        }
    }
}

fn counts(deliveries: &BTreeMap<UnitCode, DeliveryRow>) -> Counts {
    let mut counts = Counts::of(DeliveryState::Planned, in_form(deliveries.len()));
    for delivery in deliveries.values() {
        counts.step(DeliveryState::Planned, delivery.state);
    }
    counts
}
