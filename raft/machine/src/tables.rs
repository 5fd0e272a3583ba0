//! The tables of the state: one octet that says which, an ordered key, an encoded record.
//!
//! A record that does not decode is a bug of ours, not a refusal: the node stops.

use std::{cell::RefCell, marker::PhantomData, ops::ControlFlow};

use minicbor::{Decode, Encode, bytes::ByteVec};
use model::{
    AccessKey, AppId, CommandId, Digest, IdempotencyKey, LeaseName, Moment, NodeId, Nonce,
    PacketId, SpaceId, Tick, UnitCode, tree::Frontier,
};

use sha2::{Digest as _, Sha256};

use crate::{
    caller::Caller,
    keys::{Band, Key, Newest, Timer},
    store::{Overlay, Reader, Store, Write},
    v1::{
        Answer, AppRecord, AuthorityRecord, Closing, ClusterKeyRecord, ClusterRecord, DeliveryRow,
        Effect, EndedRow, Event, EventSource, Fact, IdempotencyRecord, JoinTokenRecord, KeyRecord,
        LeaseRecord, Letter, LetterId, NodeRecord, PacketRow, Reach, ReceiptKeyRecord, Rules,
        SALT_OCTETS, Signer, Spent, Sum, Time, Told, Trust, UnitHead, UnitRecord, What,
    },
};

/// The cluster, once it is founded.
pub(crate) const CLUSTER: Table<(), ClusterRecord> = Table::new(1);
/// The date and the tick of the latest entry; the tick never runs backwards.
pub(crate) const CLOCK: Table<(), Time> = Table::new(2);
/// Nodes, present and removed.
pub(crate) const NODES: Table<NodeId, NodeRecord> = Table::new(3);
/// The nodes that vote and were not removed, in one row: every seal and every end of a packet asks
/// for them.
pub(crate) const MEMBERS: Table<(), Vec<NodeId>> = Table::new(4);
/// Join tokens by the digest of their secret.
pub(crate) const TOKENS: Table<Digest, JoinTokenRecord> = Table::new(5);
/// Units by their code.
pub(crate) const UNITS: Table<UnitCode, UnitRecord> = Table::new(6);
/// Units by their other codes.
pub(crate) const ALIASES: Table<UnitCode, UnitCode> = Table::new(7);
/// Applications.
pub(crate) const APPS: Table<AppId, AppRecord> = Table::new(8);
/// Keys.
pub(crate) const KEYS: Table<AccessKey, KeyRecord> = Table::new(9);
/// Packets, without their deliveries.
pub(crate) const PACKETS: Table<PacketId, PacketRow> = Table::new(10);
/// Which packet a space belongs to.
pub(crate) const SPACES: Table<SpaceId, PacketId> = Table::new(11);
/// Packets of a source, newest first.
pub(crate) const SENT: Table<(UnitCode, Newest), ()> = Table::new(12);
/// What a target is offered next: the target, the band of importance, the deadline, the seal, the packet.
/// Sealed packets whose delivery to the unit is not final.
pub(crate) const QUEUE: Table<(UnitCode, Band, Tick, Tick, PacketId), ()> = Table::new(13);
/// Feeds.
pub(crate) const FEEDS: Table<(UnitCode, u64), Event> = Table::new(14);
/// Where a unit's feed stands.
pub(crate) const HEADS: Table<UnitCode, UnitHead> = Table::new(15);
/// What is due, and when.
pub(crate) const TIMERS: Table<(Tick, Timer), ()> = Table::new(16);
/// No row of [`TIMERS`] lies before this tick; see `timers`.
pub(crate) const TIMER_FLOOR: Table<(), Tick> = Table::new(17);
/// Packets that have ended, by their numbers: each node destroys them in this order.
pub(crate) const ENDED: Table<u64, EndedRow> = Table::new(18);
/// The number that the next packet gets that ends.
pub(crate) const ENDED_NEXT: Table<(), u64> = Table::new(19);
/// Nonces that passed, by the moment that the signer wrote, with the answer.
pub(crate) const NONCES: Table<(Moment, AccessKey, Nonce), Spent> = Table::new(20);
/// Answers to commands that nobody signed, by generation (see `memory`) and command.
pub(crate) const ANSWERS: Table<(u64, CommandId), Answer> = Table::new(21);
/// Idempotency keys of an application.
pub(crate) const IDEMPOTENCY: Table<(AppId, IdempotencyKey), IdempotencyRecord> = Table::new(22);
/// The same in the order of time, for pruning.
pub(crate) const IDEMPOTENCY_AGES: Table<(Tick, AppId, IdempotencyKey), ()> = Table::new(23);
/// How many idempotency keys are remembered for an application.
pub(crate) const IDEMPOTENCY_COUNTS: Table<AppId, u64> = Table::new(24);
/// By table: everything below this key was pruned, so a scan need not walk over it.
pub(crate) const FLOORS: Table<u8, ByteVec> = Table::new(25);
/// When something was pruned last.
pub(crate) const PRUNED: Table<(), Tick> = Table::new(26);
/// When a node's cursor reached this number of [`ENDED`]: one row a step and not one a packet.
pub(crate) const PURGES: Table<(NodeId, u64), Moment> = Table::new(28);
/// How far clocks are believed; see `time`.
pub(crate) const TRUST: Table<(), Trust> = Table::new(29);
/// Live packets whose content no node holds, and since when that is known.
pub(crate) const LOST: Table<PacketId, Moment> = Table::new(30);
/// How far the cluster key has turned.
pub(crate) const CLUSTER_KEY: Table<(), ClusterKeyRecord> = Table::new(31);
/// Secrets of keys by the version of the cluster key that sealed them, the oldest first.
pub(crate) const SEALED: Table<(u64, AccessKey), ()> = Table::new(32);
/// Keys that will be revoked, by the tick.
pub(crate) const ENDING: Table<(Tick, AccessKey), ()> = Table::new(33);
/// The authority that certifies, and those that are still honoured.
pub(crate) const AUTHORITY: Table<(), AuthorityRecord> = Table::new(34);
/// What a source has in a unit's feed: the unit, the source.
pub(crate) const TOLD: Table<(UnitCode, UnitCode), Told> = Table::new(35);
/// Deliveries.
pub(crate) const DELIVERIES: Table<(PacketId, UnitCode), DeliveryRow> = Table::new(36);
/// Packets that have not ended: what reconciliation walks.
pub(crate) const LIVE: Table<PacketId, ()> = Table::new(37);
/// No row of [`QUEUE`] lies before this deadline, by target and band; see `queue`.
pub(crate) const QUEUE_FLOORS: Table<(UnitCode, Band), Tick> = Table::new(38);
/// A node has destroyed the contents of all ended packets below this number.
pub(crate) const CURSORS: Table<NodeId, u64> = Table::new(39);
/// The rules that the cluster has adopted.
pub(crate) const RULES: Table<(), Rules> = Table::new(40);
/// Leases, held and free.
pub(crate) const LEASES: Table<LeaseName, LeaseRecord> = Table::new(41);
/// The leases that hang on a node.
pub(crate) const HELD: Table<(NodeId, LeaseName), ()> = Table::new(42);
/// Until when a node's pulse holds what hangs on it.
pub(crate) const PULSES: Table<NodeId, Tick> = Table::new(43);
/// Letters that wait for their carrier: the carrier, when they are due, the letter.
pub(crate) const OUTBOX: Table<(LeaseName, Tick, LetterId), ()> = Table::new(44);
/// Letters, waiting and settled.
pub(crate) const LETTERS: Table<LetterId, Letter> = Table::new(45);
/// The number that the next letter gets.
pub(crate) const LETTER_NEXT: Table<(), u64> = Table::new(46);
/// The right edge of the history's tree: how many facts there are, and what their root follows from (D17).
pub(crate) const HISTORY: Table<(), Frontier> = Table::new(47);
/// How far ended packets are on their way out of the state.
pub(crate) const CLOSING: Table<(), Closing> = Table::new(48);
/// The public keys of receipts, by the versions of the cluster key.
pub(crate) const RECEIPT_KEYS: Table<u64, ReceiptKeyRecord> = Table::new(49);
/// The sum of all writes, so that nodes find out that they disagree.
pub(crate) const SUM: Table<(), Sum> = Table::new(50);
/// Nodes that belong and do not vote: they learn, or leave. Nearly always there are none, so there is no row.
pub(crate) const GUESTS: Table<(), Vec<NodeId>> = Table::new(51);
/// Who the members were before others took their place: at which tick, and how many changes that tick had before.
pub(crate) const FORMER: Table<(Tick, u64), Vec<NodeId>> = Table::new(52);
/// The highest tag of a table; audits find rows above it.
pub(crate) const TAG_MAX: u8 = FORMER.tag;
/// The rows of [`FEEDS`], read for one thing; never written by this name.
pub(crate) const EVENT_SOURCES: Table<(UnitCode, u64), EventSource> = Table::new(FEEDS.tag);
/// The rows of [`KEYS`], read for one thing; never written by this name.
pub(crate) const SIGNERS: Table<AccessKey, Signer> = Table::new(KEYS.tag);
/// The rows of [`APPS`], read for one thing; never written by this name.
pub(crate) const REACHES: Table<AppId, Reach> = Table::new(APPS.tag);

/// What a thread keeps to encode records in: more than nearly every record has.
const SCRATCH_MAX: usize = 16 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What can stand in a table.
pub(crate) trait Value: Encode<()> + for<'b> Decode<'b, ()> {}
impl<V: Encode<()> + for<'b> Decode<'b, ()>> Value for V {}

/// A family of rows with keys and records of one form.
pub(crate) struct Table<K, V> {
    /// The first octet of its keys; given out once and never again.
    pub(crate) tag: u8,
    form: PhantomData<fn() -> (K, V)>,
}

impl<K: Key, V: Value> Table<K, V> {
    const fn new(tag: u8) -> Self {
        Self { tag, form: PhantomData }
    }

    /// The octets of a key.
    pub(crate) fn key(&self, key: &K) -> Vec<u8> {
        self.prefix(key)
    }

    /// What all keys begin with whose first parts are these.
    pub(crate) fn prefix(&self, parts: &impl Key) -> Vec<u8> {
        let mut octets = Vec::with_capacity(64);
        octets.push(self.tag);
        parts.write(&mut octets);
        octets
    }

    /// The record under a key.
    pub(crate) fn get<R: Reader + ?Sized>(&self, reader: &R, key: &K) -> Option<V> {
        reader.get(&self.key(key)).map(|octets| self.decoded(&octets))
    }

    /// Whether there is a record under a key.
    pub(crate) fn has<R: Reader + ?Sized>(&self, reader: &R, key: &K) -> bool {
        reader.get(&self.key(key)).is_some()
    }

    /// Puts a record.
    pub(crate) fn put<S: Store + ?Sized>(&self, store: &mut S, key: &K, value: &V) {
        // A record is encoded where the one before was, and copied once: a vector that grows with it would
        // be moved several times.
        let octets = SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            minicbor::encode(value, &mut *scratch).expect("a vector takes every octet");
            let octets = scratch.as_slice().to_vec();
            scratch.shrink_to(SCRATCH_MAX);
            octets
        });
        store.put(self.key(key), octets);
    }

    /// Deletes a record.
    pub(crate) fn delete<S: Store + ?Sized>(&self, store: &mut S, key: &K) {
        store.delete(self.key(key));
    }

    /// All its rows.
    pub(crate) fn all(&self) -> Span {
        Span { from: vec![self.tag], to: vec![self.tag + 1] }
    }

    /// The rows whose keys begin with these parts.
    pub(crate) fn under(&self, parts: &impl Key) -> Span {
        let from = self.prefix(parts);
        let mut to = from.clone();
        while let Some(last) = to.pop() {
            if last < u8::MAX {
                to.push(last + 1);
                break;
            }
        }
        Span { from, to }
    }

    /// The first rows of a span.
    pub(crate) fn rows<R: Reader + ?Sized>(
        &self,
        reader: &R,
        span: &Span,
        limit: usize,
    ) -> Vec<(K, V)> {
        let mut rows = Vec::new();
        if limit > 0 {
            reader.scan(&span.from, &span.to, &mut |key, value| {
                rows.push((self.parsed(key), self.decoded(value)));
                if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
        }
        rows
    }

    /// The first keys of a span; the records are not decoded.
    pub(crate) fn keys<R: Reader + ?Sized>(&self, reader: &R, span: &Span, limit: usize) -> Vec<K> {
        let mut keys = Vec::new();
        if limit > 0 {
            reader.scan(&span.from, &span.to, &mut |key, _| {
                keys.push(self.parsed(key));
                if keys.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
        }
        keys
    }

    /// The first key of a span whose record a test takes, among so many that are looked at; else the
    /// last key that was looked at, as an error.
    pub(crate) fn find<R: Reader + ?Sized>(
        &self,
        reader: &R,
        span: &Span,
        looked_max: usize,
        mut test: impl FnMut(&V) -> bool,
    ) -> Result<K, Option<K>> {
        let (mut found, mut last, mut looked_count) = (false, None, 0);
        reader.scan(&span.from, &span.to, &mut |key, value| {
            looked_count += 1;
            found = test(&self.decoded(value));
            last = Some(self.parsed(key));
            let go_on = !found && looked_count < looked_max;
            if go_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match (found, last) {
            (true, Some(key)) => Ok(key),
            (_, last) => Err(last),
        }
    }

    /// The first key of a span.
    pub(crate) fn first<R: Reader + ?Sized>(&self, reader: &R, span: &Span) -> Option<K> {
        self.keys(reader, span, 1).pop()
    }

    fn decoded(&self, octets: &[u8]) -> V {
        minicbor::decode(octets).unwrap_or_else(|error| {
            panic!("a record of table {} does not decode: {error}", self.tag)
        })
    }

    fn parsed(&self, octets: &[u8]) -> K {
        let mut rest = octets.get(1..).unwrap_or_default();
        match K::take(&mut rest) {
            Some(key) if rest.is_empty() => key,
            _ => panic!("a key of table {} is not of its form: {octets:02x?}", self.tag),
        }
    }
}

/// A range of keys, the end excluded.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
}

impl Span {
    /// What of the span is at or after a key.
    pub(crate) fn from(mut self, key: Vec<u8>) -> Self {
        self.from = self.from.max(key);
        self
    }

    /// What of the span is after a key.
    pub(crate) fn after(self, mut key: Vec<u8>) -> Self {
        key.push(0);
        self.from(key)
    }

    /// What of the span is before a key.
    pub(crate) fn below(mut self, key: Vec<u8>) -> Self {
        self.to = self.to.min(key);
        self
    }
}

/// What salts are derived for.
const SALT: &[u8] = b"lgsp fact salt, 1";

/// What a command adds to the history.
#[derive(Default)]
pub(crate) struct Facts {
    /// The command's identifier.
    command: [u8; 16],
    /// Where the next one stands.
    pub(crate) next: u64,
    /// Where the command's signature stands, once it was recorded.
    evidence: Option<u64>,
    octets: Vec<Vec<u8>>,
}

impl Facts {
    /// The identifier of a command has 80 random bits that no caller ever sees.
    fn salt(&self) -> [u8; SALT_OCTETS] {
        let hash = Sha256::new().chain_update(SALT).chain_update(self.command);
        let hash = hash.chain_update(self.next.to_be_bytes()).finalize();
        hash[..SALT_OCTETS].try_into().expect("a SHA-256 has more octets")
    }

    fn push(&mut self, at: Moment, what: What, evidence: Option<u64>) -> usize {
        let fact = Fact { at, what, evidence, salt: self.salt() };
        let octets = fact.to_octets();
        let length = octets.len();
        self.octets.push(octets);
        self.next += 1;
        length
    }
}

/// What a rule sees: the state, what it has written so far, the entry's moment, and its effects.
pub(crate) struct Tables<'a> {
    /// Kept only if the rule says yes.
    pub(crate) store: Overlay<'a, dyn Reader + 'a>,
    /// The entry's date.
    pub(crate) at: Moment,
    /// The entry's tick.
    pub(crate) tick: Tick,
    /// Kept only if the rule says yes.
    pub(crate) effects: Vec<Effect>,
    /// The same.
    pub(crate) facts: Facts,
}

impl<'a> Tables<'a> {
    /// The state as it is at a time.
    pub(crate) fn new(below: &'a (dyn Reader + 'a), time: Time) -> Self {
        let Time { date: at, tick } = time;
        Self { store: Overlay::new(below), at, tick, effects: Vec::new(), facts: Facts::default() }
    }

    /// The entry's time.
    pub(crate) const fn time(&self) -> Time {
        Time { date: self.at, tick: self.tick }
    }

    /// Facts that are recorded are of this command, and follow those that the history has before this position.
    pub(crate) fn recording(mut self, command: CommandId, position: u64) -> Self {
        (self.facts.command, self.facts.next) = (command.to_bytes(), position);
        self
    }

    /// What the rule wrote, its effects, and the facts.
    pub(crate) fn into_parts(
        self,
    ) -> (impl Iterator<Item = Write> + use<>, Vec<Effect>, Vec<Vec<u8>>) {
        (self.store.into_writes(), self.effects, self.facts.octets)
    }

    /// Records what happened, with the signature that [`Tables::signed`] has recorded. Answers how many
    /// octets it has.
    pub(crate) fn record(&mut self, what: What) -> usize {
        self.facts.push(self.at, what, self.facts.evidence)
    }

    /// Records the signature under the facts that follow, once.
    pub(crate) fn signed(&mut self, caller: &Caller) {
        if self.facts.evidence.is_none() {
            let (at, position) = (self.at, self.facts.next);
            self.facts.push(at, What::Signed(caller.evidence()), None);
            self.facts.evidence = Some(position);
        }
    }

    /// How many rows the rule has written so far.
    pub(crate) fn written(&self) -> usize {
        self.store.len()
    }

    /// The record under a key.
    pub(crate) fn get<K: Key, V: Value>(&self, table: &Table<K, V>, key: &K) -> Option<V> {
        table.get(&self.store, key)
    }

    /// Whether there is a record under a key.
    pub(crate) fn has<K: Key, V: Value>(&self, table: &Table<K, V>, key: &K) -> bool {
        table.has(&self.store, key)
    }

    /// Puts a record.
    pub(crate) fn put<K: Key, V: Value>(&mut self, table: &Table<K, V>, key: &K, value: &V) {
        table.put(&mut self.store, key, value);
    }

    /// Deletes a record.
    pub(crate) fn delete<K: Key, V: Value>(&mut self, table: &Table<K, V>, key: &K) {
        table.delete(&mut self.store, key);
    }

    /// The nodes that vote and were not removed, in order.
    pub(crate) fn members(&self) -> Vec<NodeId> {
        self.get(&MEMBERS, &()).unwrap_or_default()
    }

    /// The main code of a unit, given that or another of its codes.
    pub(crate) fn resolve(&self, code: &UnitCode) -> Option<UnitCode> {
        if self.has(&UNITS, code) {
            return Some(code.clone());
        }
        self.get(&ALIASES, code)
    }
}
