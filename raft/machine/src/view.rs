//! The read side of the state: what delivery, the API and the command line ask for.
//!
//! It reads one state and nothing else; whether that state is fresh is for consensus to say.

use model::{
    AccessKey, AppId, Digest, Label, Moment, NodeId, PacketId, SpaceId, Tick, UnitCode, fold,
};

use crate::{
    AppRecord, AuthorityRecord, ClusterKeyRecord, ClusterRecord, Event, JoinTokenRecord, KeyRecord,
    NodeRecord, PacketRecord, Proof, Reader, UnitRecord, cluster_key, deadlines, exchange,
    keys::{Key, Newest},
    tables::{
        ALIASES, APPS, AUTHORITY, CLOCK, CLUSTER, CLUSTER_KEY, DEBT_FLOORS, DEBTS, DUE, EVIDENCE,
        FEEDS, HEADS, INBOX, KEYS, LOST, MEMBERS, NODES, PACKET_ENDS, PACKETS, PURGES, SEALED,
        SENT, SPACES, Span, TOKENS, TRUST, Table, UNITS, Value,
    },
    time::Time,
};

/// Debts are counted up to this number: beyond it, how many there are changes nothing.
const DEBTS_COUNTED_MAX: usize = 10_000;

/// The same for lost contents.
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

    /// A packet.
    pub fn packet(&self, packet: PacketId) -> Option<PacketRecord> {
        let mut packet = self.packet_row(packet)?;
        let Some(ended_tick) = packet.ended_tick else {
            packet.due_at = self.date_of(packet.due_tick);
            return Some(packet);
        };
        let (id, purged) = (packet.packet, &mut packet.purged);
        packet.debtors.retain(|node| match PURGES.get(self.reader, &(id, *node)) {
            Some(at) => {
                purged.push((*node, at));
                false
            }
            None => DEBTS.has(self.reader, &(*node, ended_tick, id)),
        });
        purged.sort_by_key(|(node, at)| (*at, *node));
        Some(packet)
    }

    /// A packet as its own row has it, without who has purged it. One read, so it may be asked of a
    /// state that moves.
    pub fn packet_row(&self, packet: PacketId) -> Option<PacketRecord> {
        PACKETS.get(self.reader, &packet)
    }

    /// The signature under the request of a packet, or under its seal where that was another.
    pub fn evidence(&self, packet: PacketId) -> Option<Proof> {
        let record = self.packet_row(packet)?;
        SENT.get(self.reader, &(record.source, Newest(packet)))
    }

    /// The signature under the receipt or the refusal of a unit.
    pub fn receipt_evidence(&self, packet: PacketId, target: &UnitCode) -> Option<Proof> {
        let mut deliveries = (1..).zip(self.packet_row(packet)?.deliveries);
        let (place, _) = deliveries.find(|(_, delivery)| delivery.target == *target)?;
        EVIDENCE.get(self.reader, &(packet, place))
    }

    /// Whether an application of a packet's source may act on it: it has begun it, or may send to all
    /// of its targets. The rules ask the same of every command.
    pub fn may_act(&self, app: &AppId, packet: &PacketRecord) -> bool {
        exchange::may_act(self.reader, app, packet)
    }

    /// The packet that a space belongs to.
    pub fn packet_of_space(&self, space: SpaceId) -> Option<PacketRecord> {
        self.packet(SPACES.get(self.reader, &space)?)
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

    /// Sealed packets whose delivery to the unit is not final, in the order of their seals; from
    /// the first where `after` is not a sealed packet.
    pub fn inbox(
        &self,
        unit: &UnitCode,
        after: Option<PacketId>,
        limit: usize,
    ) -> Vec<PacketRecord> {
        let ids = self.inbox_ids(unit, after, limit).into_iter();
        ids.map(|packet| self.listed_packet(packet)).collect()
    }

    /// The same packets by their identifiers alone; their own rows are not read.
    pub fn inbox_ids(
        &self,
        unit: &UnitCode,
        after: Option<PacketId>,
        limit: usize,
    ) -> Vec<PacketId> {
        let floor = HEADS.get(self.reader, unit).unwrap_or_default().inbox_floor;
        let mut span = INBOX.under(unit).from(INBOX.prefix(&(unit.clone(), floor)));
        let sealed = |packet| self.packet_row(packet).and_then(|packet| packet.sealed_tick);
        if let Some((after, sealed_tick)) = after.and_then(|after| Some((after, sealed(after)?))) {
            span = span.after(INBOX.key(&(unit.clone(), sealed_tick, after)));
        }
        let keys = INBOX.keys(self.reader, &span, limit);
        keys.into_iter().map(|(_, _, packet)| packet).collect()
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

    /// Contents that a node has yet to destroy, in the order in which the packets ended.
    pub fn debts(
        &self,
        node: NodeId,
        after: Option<PacketId>,
        limit: usize,
    ) -> Vec<(PacketId, SpaceId)> {
        let mut span = self.debt_span(node);
        let ended =
            |packet| PACKET_ENDS.get(self.reader, &packet).and_then(|packet| packet.ended_tick);
        if let Some((after, ended_tick)) = after.and_then(|after| Some((after, ended(after)?))) {
            span = span.after(DEBTS.key(&(node, ended_tick, after)));
        }
        let rows = DEBTS.rows(self.reader, &span, limit);
        rows.into_iter().map(|((_, _, packet), space)| (packet, space)).collect()
    }

    /// How many contents a node has yet to destroy; counted up to ten thousand.
    pub fn debt_count(&self, node: NodeId) -> u64 {
        DEBTS.keys(self.reader, &self.debt_span(node), DEBTS_COUNTED_MAX).len() as u64
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

    /// Every packet that is not terminal, in the order of the deadlines.
    pub fn live(&self, after: Option<(Tick, PacketId)>, limit: usize) -> Vec<(Tick, PacketId)> {
        let mut span = deadlines::due_span(self.reader);
        if let Some(after) = after {
            span = span.after(DUE.key(&after));
        }
        DUE.keys(self.reader, &span, limit)
    }

    /// The earliest tick at which passing time does something: a deadline (or the end of a
    /// bounded look ahead, so it may be for nothing), or rows that may be forgotten.
    pub fn next_due(&self) -> Option<Tick> {
        deadlines::next_due(self.reader)
    }

    fn debt_span(&self, node: NodeId) -> Span {
        let floor = DEBT_FLOORS.get(self.reader, &node).unwrap_or_default();
        DEBTS.under(&node).from(DEBTS.prefix(&(node, floor)))
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

/// What somebody looks for, prepared once for all units.
struct Query {
    code: String,
    words: Vec<String>,
    folded: Vec<String>,
    phrase: String,
}

/// How well a unit fits, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The code, or an alias, is what was asked.
    Code,
    /// The code, or an alias, begins so.
    CodeBegins,
    /// The words begin so, marks included, one after the other.
    ExactPhrase,
    /// The words begin so, marks included.
    Exact,
    /// The same without marks, one after the other.
    FoldedPhrase,
    /// The same without marks.
    Folded,
}

impl Query {
    fn new(query: &str) -> Self {
        let folded = fold(query);
        Self {
            code: query.to_lowercase(),
            words: words(&query.to_lowercase()),
            phrase: words(&folded).join(" "),
            folded: words(&folded),
        }
    }

    /// How well the unit fits, and how much of its name was not asked for; none if it does not fit.
    fn rank(&self, unit: &UnitRecord) -> Option<(Rank, usize)> {
        let codes = || [&unit.code].into_iter().chain(&unit.aliases);
        let begins = |code: &&UnitCode| code.as_str().to_lowercase().starts_with(&self.code);
        if let Some(code) = codes().filter(begins).min_by_key(|code| code.as_str().len()) {
            let rest = code.as_str().len() - self.code.len().min(code.as_str().len());
            return Some((if rest == 0 { Rank::Code } else { Rank::CodeBegins }, rest));
        }
        let folded = words(&fold(unit.name.as_str()));
        if self.folded.is_empty() || !all_begin(&self.folded, &folded) {
            return None;
        }
        let exact = all_begin(&self.words, &words(&unit.name.as_str().to_lowercase()));
        let phrase = format!(" {}", folded.join(" ")).contains(&format!(" {}", self.phrase));
        let rank = match (exact, phrase) {
            (true, true) => Rank::ExactPhrase,
            (true, false) => Rank::Exact,
            (false, true) => Rank::FoldedPhrase,
            (false, false) => Rank::Folded,
        };
        Some((rank, folded.len()))
    }
}

fn all_begin(asked: &[String], words: &[String]) -> bool {
    asked.iter().all(|asked| words.iter().any(|word| word.starts_with(asked)))
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
