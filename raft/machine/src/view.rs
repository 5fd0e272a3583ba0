//! The read side of the state: what delivery, the API and the command line ask for.
//!
//! It reads one state and nothing else; whether that state is fresh is for consensus to say.

use model::{
    AccessKey, AppId, DeliveryState, Digest, Importance, Label, LeaseName, MediaType, Moment,
    NodeId, PacketId, PacketState, SpaceId, Tick, Title, UnitCode, tree::Frontier,
};

use crate::{
    cluster_key,
    debts::{self, Debts},
    keys::{Key, Newest},
    queue, rules,
    search::Query,
    sending,
    store::Reader,
    tables::{
        ALIASES, APPS, AUTHORITY, CLOCK, CLOSING, CLUSTER, CLUSTER_KEY, DELIVERIES, ENDED, FEEDS,
        HEADS, HISTORY, KEYS, LEASES, LETTERS, LIVE, LOST, MEMBERS, NODES, OUTBOX, PACKETS,
        RECEIPT_KEYS, SEALED, SENT, SPACES, SUM, Span, TOKENS, TRUST, Table, UNITS, Value,
    },
    timers,
    v1::{
        AppRecord, AuthorityRecord, ClusterKeyRecord, ClusterRecord, DeliveryRow, Event,
        ExchangePolicy, JoinTokenRecord, KeyRecord, LeaseRecord, Letter, LetterId, NodeRecord,
        PacketRow, ReceiptKeyRecord, Rules, Sum, TARGETS_MAX, Time, UnitRecord,
    },
};

/// Lost contents are counted up to this number: beyond it, how many there are changes nothing.
const LOST_COUNTED_MAX: usize = 10_000;

/// A part of a unit's feed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Feed {
    /// The position after which the events go on, where that is not the one that was asked for: events
    /// in between are not kept any more, or the one that was asked for was never given. The reader has
    /// missed something, and looks into the lists.
    pub reset: Option<u64>,
    /// In order. Without a reset they end before the next hole; after one, holes are passed over, as the
    /// lists tell of them too.
    pub events: Vec<Event>,
    /// The last position; 0 if there is none.
    pub last: u64,
}

/// A packet with its deliveries, as the read side knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct PacketRecord {
    /// Its id.
    pub packet: PacketId,
    /// Its space.
    pub space: SpaceId,
    /// The unit that sends it.
    pub source: UnitCode,
    /// The application that sends it.
    pub app: AppId,
    /// Its title.
    pub title: Title,
    /// How important it is.
    pub importance: Importance,
    /// The kind of data.
    pub media_type: MediaType,
    /// The source's policy.
    pub policy: ExchangePolicy,
    /// Its state, which follows from its deliveries.
    pub state: PacketState,
    /// Octets of plaintext, once known.
    pub size: Option<u64>,
    /// The digest that the source signed, once sealed.
    pub digest: Option<Digest>,
    /// Nodes that hold the content durably.
    pub holders: Vec<NodeId>,
    /// One for each target, in the order of their codes.
    pub deliveries: Vec<DeliveryRecord>,
    /// When it was asked for.
    pub opened_at: Moment,
    /// When it was sealed.
    pub sealed_at: Option<Moment>,
    /// The date of the present deadline, as it looks now: of the space until the seal, of the deliveries
    /// after it.
    pub due_at: Moment,
    /// When it came to an end.
    pub ended_at: Option<Moment>,
    /// Nodes that have yet to destroy its content (the purge debt).
    pub debtors: Vec<NodeId>,
    /// The application that sealed it, which may be another one of the unit.
    pub sealed_by: Option<AppId>,
    /// Which node destroyed the content, and when.
    pub purged: Vec<(NodeId, Moment)>,
    /// Nodes that were removed before they had destroyed it.
    pub undestroyed: Vec<NodeId>,
    /// When it was found that no node holds the content.
    pub lost_at: Option<Moment>,
}

impl PacketRecord {
    /// The same packet with the delivery to one unit alone; none where the unit is no target.
    pub fn for_target(mut self, target: &UnitCode) -> Option<Self> {
        self.deliveries.retain(|delivery| delivery.target == *target);
        (!self.deliveries.is_empty()).then_some(self)
    }

    fn of(row: PacketRow, deliveries: Vec<(UnitCode, DeliveryRow)>, debts: Debts) -> Self {
        let state = row.state();
        let sealed_at = row.sealed_at;
        let deliveries = deliveries
            .into_iter()
            .map(|(target, delivery)| DeliveryRecord::of(target, delivery, sealed_at));
        PacketRecord {
            packet: row.packet,
            space: row.space,
            source: row.source,
            app: row.app,
            title: row.title,
            importance: row.importance,
            media_type: row.media_type,
            policy: row.policy,
            state,
            size: row.size,
            digest: row.digest,
            holders: row.holders,
            deliveries: deliveries.collect(),
            opened_at: row.opened_at,
            sealed_at,
            due_at: row.due_at,
            ended_at: row.ended_at,
            debtors: debts.debtors,
            sealed_by: row.sealed_by,
            purged: debts.purged,
            undestroyed: debts.undestroyed,
            lost_at: row.lost_at,
        }
    }

    /// The delivery to a unit.
    pub fn delivery_to(&self, target: &UnitCode) -> Option<&DeliveryRecord> {
        self.deliveries.iter().find(|delivery| delivery.target == *target)
    }
}

/// One delivery, as the read side knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRecord {
    /// The unit that gets it.
    pub target: UnitCode,
    /// How far it is.
    pub state: DeliveryState,
    /// When the target was notified.
    pub notified_at: Option<Moment>,
    /// When it said that it is ready.
    pub accepted_at: Option<Moment>,
    /// When it had fetched the content whole.
    pub picked_up_at: Option<Moment>,
    /// When the delivery became final.
    pub settled_at: Option<Moment>,
    /// Why it was rejected.
    pub reason: Option<Label>,
    /// When the target first confirmed another digest than the one that the source signed.
    pub mismatched_at: Option<Moment>,
}

impl DeliveryRecord {
    /// Every target is notified when the packet is sealed.
    fn of(target: UnitCode, row: DeliveryRow, sealed_at: Option<Moment>) -> Self {
        let DeliveryRow { state, accepted_at, picked_up_at, settled_at, reason, mismatched_at } =
            row;
        let notified_at = sealed_at;
        Self {
            target,
            state,
            notified_at,
            accepted_at,
            picked_up_at,
            settled_at,
            reason,
            mismatched_at,
        }
    }
}

/// A state to be read.
pub struct View<'a, R: Reader + ?Sized> {
    reader: &'a R,
}

// Derived, these would ask the reader to be cloned.
impl<R: Reader + ?Sized> Clone for View<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Reader + ?Sized> Copy for View<'_, R> {}

impl<'a, R: Reader + ?Sized> View<'a, R> {
    /// A view of a state.
    pub fn new(reader: &'a R) -> Self {
        Self { reader }
    }

    /// The cluster; none before it is founded.
    pub fn cluster(&self) -> Option<ClusterRecord> {
        CLUSTER.get(self.reader, &())
    }

    /// The date and the tick of the latest entry.
    pub fn clock(&self) -> Time {
        CLOCK.get(self.reader, &()).unwrap_or_default()
    }

    /// The trusted date as of the latest entry, and the date before which no signature passes; none
    /// before there is an entry. See decision 0007.
    pub fn trusted(&self) -> Option<(Moment, Moment)> {
        let trust = TRUST.get(self.reader, &())?;
        Some((trust.date_at(self.clock().tick), trust.floor))
    }

    /// A node, present or removed.
    pub fn node(&self, node: NodeId) -> Option<NodeRecord> {
        NODES.get(self.reader, &node)
    }

    /// Every node, present or removed.
    pub fn nodes(&self) -> Vec<NodeRecord> {
        self.page(&NODES, NODES.all(), usize::MAX)
    }

    /// The nodes that vote and were not removed, in order.
    pub fn members(&self) -> Vec<NodeId> {
        MEMBERS.get(self.reader, &()).unwrap_or_default()
    }

    /// The unit with this code, or with this alias.
    pub fn unit(&self, code: &UnitCode) -> Option<UnitRecord> {
        UNITS
            .get(self.reader, code)
            .or_else(|| UNITS.get(self.reader, &ALIASES.get(self.reader, code)?))
    }

    /// Units in the order of their codes.
    pub fn units(&self, after: Option<&UnitCode>, limit: usize) -> Vec<UnitRecord> {
        self.page(&UNITS, listed(&UNITS, after), limit)
    }

    /// Units that people may mean, the likeliest first, Article 9(7): by the beginnings of the words
    /// of their names, in any order and without marks, or by the beginnings of their codes.
    pub fn search_units(&self, query: &str, limit: usize) -> Vec<UnitRecord> {
        // A label is NFC and bounded; what is not a label is the name of nothing.
        let Ok(query) = query.parse::<Label>() else { return Vec::new() };
        let query = Query::new(query.as_str());
        let units = self.page(&UNITS, UNITS.all(), usize::MAX);
        let mut found: Vec<_> =
            units.into_iter().filter_map(|unit| Some((query.rank(&unit)?, unit))).collect();
        found.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.code.cmp(&y.code)));
        found.into_iter().map(|(_, unit)| unit).take(limit).collect()
    }

    /// A join token, by the digest of its secret.
    pub fn join_token(&self, secret_digest: &Digest) -> Option<JoinTokenRecord> {
        TOKENS.get(self.reader, secret_digest)
    }

    /// An application.
    pub fn app(&self, app: &AppId) -> Option<AppRecord> {
        APPS.get(self.reader, app)
    }

    /// Applications in the order of their names.
    pub fn apps(&self, after: Option<&AppId>, limit: usize) -> Vec<AppRecord> {
        self.page(&APPS, listed(&APPS, after), limit)
    }

    /// The date of a tick to come, as it looks now: counted time lags behind dates by what the cluster was
    /// down for.
    fn date_of(&self, tick: Tick) -> Moment {
        let now = self.clock();
        now.date.plus(tick.since(now.tick))
    }

    /// A key.
    pub fn key(&self, key: &AccessKey) -> Option<KeyRecord> {
        KEYS.get(self.reader, key)
    }

    /// Keys in their order.
    pub fn keys(&self, after: Option<&AccessKey>, limit: usize) -> Vec<KeyRecord> {
        let mut keys = self.page(&KEYS, listed(&KEYS, after), limit);
        for end in keys.iter_mut().filter_map(|key: &mut KeyRecord| key.ends_at.as_mut()) {
            end.date = self.date_of(end.tick);
        }
        keys
    }

    /// How far the cluster key has turned; none before the founding.
    pub fn cluster_key(&self) -> Option<ClusterKeyRecord> {
        let mut record = CLUSTER_KEY.get(self.reader, &())?;
        let older = record.older.iter_mut().map(|older| &mut older.until);
        for until in older.chain(&mut record.tokens_until) {
            until.date = self.date_of(until.tick);
        }
        Some(record)
    }

    /// The authority that certifies, and those that are still honoured; none before the founding.
    pub fn authority(&self) -> Option<AuthorityRecord> {
        AUTHORITY.get(self.reader, &())
    }

    /// Keys whose secret is sealed under a version of the cluster key before this one.
    pub fn sealed_before(&self, version: u32, limit: usize) -> Vec<KeyRecord> {
        let span = SEALED.all().below(SEALED.prefix(&u64::from(version)));
        let keys = SEALED.keys(self.reader, &span, limit);
        keys.into_iter().filter_map(|(_, key)| self.key(&key)).collect()
    }

    /// Whether nothing but contents is sealed under a version before this one.
    pub fn is_resealed(&self, version: u32) -> bool {
        cluster_key::is_resealed(self.reader, version)
    }

    /// The rules that the cluster has adopted.
    pub fn rules(&self) -> Rules {
        rules::adopted(self.reader)
    }

    /// The newest rules that every node of the cluster knows.
    pub fn rules_known_to_all(&self) -> Rules {
        rules::known_to_all(self.reader)
    }

    /// A lease, held or free; none if it was never taken.
    pub fn lease(&self, name: &LeaseName) -> Option<LeaseRecord> {
        LEASES.get(self.reader, name)
    }

    /// Letters that wait for a carrier and are due, the oldest first.
    pub fn due_letters(&self, carrier: &LeaseName, limit: usize) -> Vec<Letter> {
        let after_now = OUTBOX.prefix(&(carrier.clone(), self.clock().tick.plus_ms(1)));
        let span = OUTBOX.under(carrier).below(after_now);
        let keys = OUTBOX.keys(self.reader, &span, limit).into_iter();
        keys.filter_map(|(_, _, letter)| self.letter(letter)).collect()
    }

    /// A letter, waiting or settled.
    pub fn letter(&self, letter: LetterId) -> Option<Letter> {
        LETTERS.get(self.reader, &letter)
    }

    /// A packet with all its deliveries.
    pub fn packet(&self, packet: PacketId) -> Option<PacketRecord> {
        let row = self.packet_row(packet)?;
        let deliveries = self.deliveries(packet);
        Some(self.packet_of(row, deliveries))
    }

    /// A packet with the delivery to one unit alone; none where the unit is no target.
    pub fn packet_for(&self, packet: PacketId, target: &UnitCode) -> Option<PacketRecord> {
        let delivery = self.delivery(packet, target)?;
        let row = self.packet_row(packet)?;
        Some(self.packet_of(row, vec![(target.clone(), delivery)]))
    }

    fn packet_of(&self, row: PacketRow, deliveries: Vec<(UnitCode, DeliveryRow)>) -> PacketRecord {
        let due_at = match row.ended {
            None => self.date_of(row.due_tick),
            Some(_) => row.due_at,
        };
        let debts = Debts::of(self.reader, &row);
        PacketRecord::of(PacketRow { due_at, ..row }, deliveries, debts)
    }

    /// A packet as its own row has it, without deliveries and without who has destroyed it. One read, so it may
    /// be asked of a state that moves.
    pub fn packet_row(&self, packet: PacketId) -> Option<PacketRow> {
        PACKETS.get(self.reader, &packet)
    }

    /// The delivery of a packet to a unit.
    pub fn delivery(&self, packet: PacketId, target: &UnitCode) -> Option<DeliveryRow> {
        DELIVERIES.get(self.reader, &(packet, target.clone()))
    }

    /// The deliveries of a packet, in the order of the targets' codes.
    pub fn deliveries(&self, packet: PacketId) -> Vec<(UnitCode, DeliveryRow)> {
        let rows = DELIVERIES.rows(self.reader, &DELIVERIES.under(&packet), TARGETS_MAX);
        rows.into_iter().map(|((_, target), delivery)| (target, delivery)).collect()
    }

    /// Whether an application of a packet's source may act on it: it has begun it, or may send to all
    /// of its targets. The rules ask the same of every command.
    pub fn may_act(&self, app: &AppId, packet: &PacketRow) -> bool {
        sending::may_act(self.reader, app, packet)
    }

    /// The packet that a space belongs to, as its own row has it.
    pub fn packet_of_space(&self, space: SpaceId) -> Option<PacketRow> {
        self.packet_row(SPACES.get(self.reader, &space)?)
    }

    /// Packets that a unit sent, newest first.
    pub fn sent(
        &self,
        unit: &UnitCode,
        before: Option<PacketId>,
        limit: usize,
    ) -> Vec<PacketRecord> {
        let mut span = SENT.under(unit);
        if let Some(before) = before {
            span = span.after(SENT.key(&(unit.clone(), Newest(before))));
        }
        let keys = SENT.keys(self.reader, &span, limit);
        keys.into_iter().map(|(_, Newest(packet))| self.listed_packet(packet)).collect()
    }

    /// Sealed packets whose delivery to the unit is not final, each with that delivery alone, in the order in
    /// which the unit is offered them: by importance, by deadline, by age. From the first where `after` is
    /// not a sealed packet.
    pub fn inbox(
        &self,
        unit: &UnitCode,
        after: Option<PacketId>,
        limit: usize,
    ) -> Vec<PacketRecord> {
        let ids = self.inbox_ids(unit, after, limit).into_iter();
        ids.filter_map(|packet| self.packet_for(packet, unit)).collect()
    }

    /// The same packets by their identifiers alone; their own rows are not read.
    pub fn inbox_ids(
        &self,
        unit: &UnitCode,
        after: Option<PacketId>,
        limit: usize,
    ) -> Vec<PacketId> {
        // Of others' packets nobody learns a place.
        let after = after.filter(|after| self.delivery(*after, unit).is_some());
        let after = after.and_then(|after| self.packet_row(after));
        queue::waiting(self.reader, unit, after.as_ref(), limit)
    }

    /// The last position of a unit's feed; 0 if there is none.
    pub fn feed_end(&self, unit: &UnitCode) -> u64 {
        HEADS.get(self.reader, unit).unwrap_or_default().last
    }

    /// Events of a unit after a position.
    pub fn feed(&self, unit: &UnitCode, after: u64, limit: usize) -> Feed {
        let head = HEADS.get(self.reader, unit).unwrap_or_default();
        let last = head.last;
        if after >= last {
            return Feed { reset: (after > last).then_some(last), events: Vec::new(), last };
        }
        let next = (after + 1).max(head.first);
        let span = FEEDS.under(unit).from(FEEDS.key(&(unit.clone(), next)));
        let mut events = self.page(&FEEDS, span, limit);
        let reset = events.first().map(|event| event.position - 1).filter(|before| *before > after);
        if reset.is_none() {
            let whole = (after + 1..).zip(&events).take_while(|(at, event)| *at == event.position);
            events.truncate(whole.count());
        }
        Feed { reset, events, last }
    }

    /// What a node has yet to destroy, in the order in which the packets ended: the space of each, and the
    /// number below which everything is destroyed once these are. A number that an earlier page answered goes on
    /// there.
    pub fn debts(&self, node: NodeId, page: Option<u64>, limit: usize) -> (Vec<SpaceId>, u64) {
        let Some(record) = self.node(node) else { return (Vec::new(), 0) };
        let from = debts::cursor(self.reader, &record).max(page.unwrap_or_default());
        let span = ENDED.all().from(ENDED.key(&from));
        let rows = ENDED.rows(self.reader, &span, limit);
        let below = rows.last().map_or(from, |(number, _)| number + 1);
        (rows.into_iter().map(|(_, ended)| ended.space).collect(), below)
    }

    /// How many contents a node has yet to destroy. One that was removed destroys nothing any more; see
    /// [`NodeRecord::owing`].
    pub fn debt_count(&self, node: NodeId) -> u64 {
        let record = self.node(node).filter(NodeRecord::is_present);
        let owing = record.and_then(|record| debts::owing(self.reader, &record));
        owing.map_or(0, |owing| owing.count())
    }

    /// Live packets whose content no node holds, in the order of their identifiers.
    pub fn lost(&self, after: Option<PacketId>, limit: usize) -> Vec<PacketRecord> {
        let keys = LOST.keys(self.reader, &listed(&LOST, after.as_ref()), limit);
        keys.into_iter().map(|packet| self.listed_packet(packet)).collect()
    }

    /// How many of them there are; counted up to ten thousand.
    pub fn lost_count(&self) -> u64 {
        LOST.keys(self.reader, &LOST.all(), LOST_COUNTED_MAX).len() as u64
    }

    /// Every packet that has not ended, in the order of their identifiers.
    pub fn live(&self, after: Option<PacketId>, limit: usize) -> Vec<PacketId> {
        LIVE.keys(self.reader, &listed(&LIVE, after.as_ref()), limit)
    }

    /// The earliest tick at which passing time does something: a deadline (or the end of a
    /// bounded look ahead, so it may be for nothing), or rows that may be forgotten.
    ///
    /// `ended_kept_ms` says how long packets stay after their end.
    pub fn next_due(&self, ended_kept_ms: u64) -> Option<Tick> {
        timers::next_due(self.reader, ended_kept_ms)
    }

    /// How many entries have been applied, and the sum of what they wrote.
    pub fn sum(&self) -> Sum {
        SUM.get(self.reader, &()).unwrap_or_default()
    }

    /// The public keys of receipts, the oldest first.
    pub fn receipt_keys(&self) -> Vec<ReceiptKeyRecord> {
        self.page(&RECEIPT_KEYS, RECEIPT_KEYS.all(), usize::MAX)
    }

    /// The versions of the cluster key whose public keys of receipts are known, the oldest first.
    pub fn receipt_key_versions(&self) -> Vec<u64> {
        RECEIPT_KEYS.keys(self.reader, &RECEIPT_KEYS.all(), usize::MAX)
    }

    /// The public keys of receipts under a version of the cluster key.
    pub fn receipt_key(&self, version: u32) -> Option<ReceiptKeyRecord> {
        RECEIPT_KEYS.get(self.reader, &version.into())
    }

    /// All facts about packets that have left the state stand before this position of the history.
    pub fn left_before(&self) -> u64 {
        CLOSING.get(self.reader, &()).unwrap_or_default().facts
    }

    /// The right edge of the history's tree: how many facts it has, and their root.
    pub fn history(&self) -> Frontier {
        HISTORY.get(self.reader, &()).unwrap_or_default()
    }

    fn listed_packet(&self, packet: PacketId) -> PacketRecord {
        self.packet(packet).expect("every list names packets that there are")
    }

    fn page<K: Key, V: Value>(&self, table: &Table<K, V>, span: Span, limit: usize) -> Vec<V> {
        table.rows(self.reader, &span, limit).into_iter().map(|(_, record)| record).collect()
    }
}

fn listed<K: Key, V: Value>(table: &Table<K, V>, after: Option<&K>) -> Span {
    match after {
        Some(after) => table.all().after(table.key(after)),
        None => table.all(),
    }
}
