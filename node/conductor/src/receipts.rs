//! Receipts of packets, the proofs of the history, and the keys that both are checked with (D18).
//!
//! Nothing is stored: a receipt follows from a fact. Its keys follow from the cluster key and turn with it;
//! their public parts stay in the state.

use std::sync::Arc;

use ::history::History;
use ::receipts::{KeyEnd, KeySet, Kind, PlatformKey, Receipt, ReceiptKey, Recorded, attest};
use auth::VerifiedCaller;
use certs::Keyring;
use machine::{Command, Fact, NewReceiptKey, View, What};
use model::{
    PacketId,
    checkpoint::{Checkpoint, KeyName, Note, NoteKey, Signer},
    tree::{Consistency, Inclusion, TreeHead},
};

use parking_lot::Mutex;

use crate::{
    door::{self, Core},
    history::{self, Past, aside, packet_key, read},
    packets::Packets,
};

/// What the seeds of the keys are derived for.
const SEED_PURPOSE: &[u8] = b"receipts";

/// Positions of a packet's facts that are asked of the index at once: a page of receipts has some more.
const LOOKED_AT_ONCE: usize = 256;

/// Receipts of one packet.
#[derive(Debug)]
pub struct ReceiptPage {
    /// In the order in which it happened.
    pub receipts: Vec<Receipt>,
    /// The position after which the next page begins; none on the last one.
    pub next: Option<u64>,
}

/// A proof that a fact is in the history.
#[derive(Debug, Clone)]
pub struct FactProof {
    /// The proof itself.
    pub inclusion: Inclusion,
    /// What it leads to.
    pub head: TreeHead,
    /// The hash of the leaf.
    pub leaf: model::tree::LeafHash,
}

/// A proof that the history of one size is the beginning of that of another.
#[derive(Debug, Clone)]
pub struct GrowthProof {
    /// The proof itself.
    pub consistency: Consistency,
    /// From where.
    pub from: TreeHead,
    /// To where.
    pub to: TreeHead,
}

/// Why there is no receipt or proof.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The history does not answer, or the cluster.
    #[error(transparent)]
    History(#[from] history::Error),
    /// No receipt could be made of a fact: a bug of ours.
    #[error("no receipt could be made")]
    Make(#[source] ::receipts::MakeError),
}

impl From<door::Error> for Error {
    fn from(error: door::Error) -> Self {
        Self::History(error.into())
    }
}

impl From<machine::Refusal> for Error {
    fn from(refusal: machine::Refusal) -> Self {
        door::Error::from(refusal).into()
    }
}

impl From<::history::Error> for Error {
    fn from(error: ::history::Error) -> Self {
        Self::History(error.into())
    }
}

/// The keys of the active version, kept while it is.
type KnownKey = Option<(u32, Arc<::receipts::ReceiptKey>)>;

/// The set of public keys: with which present key, and of which versions of the cluster key.
type KnownKeys = Option<(String, Vec<u64>, Arc<str>)>;

/// The door of receipts, proofs and the keys that both are checked with.
pub struct Receipts {
    core: Core,
    past: Past,
    packets: Packets,
    cluster_key: Arc<Keyring>,
    known_key: Mutex<KnownKey>,
    known_keys: Mutex<KnownKeys>,
}

impl Receipts {
    pub(crate) fn new(core: Core, past: Past, packets: Packets, cluster_key: Arc<Keyring>) -> Self {
        let (known_key, known_keys) = (Mutex::default(), Mutex::default());
        Self { core, past, packets, cluster_key, known_key, known_keys }
    }

    /// What receipts name as their issuer, and checkpoints as their log.
    fn log_name(&self) -> Result<KeyName, Error> {
        let cluster = self.core.cluster().ok_or(machine::Refusal::NotFounded)?.cluster;
        Ok(format!("lgsp-{cluster}/history").parse().expect("a cluster's name is a plain word"))
    }

    /// The keys that sign receipts and checkpoints now, and how many facts they may speak of: those of the same moment,
    /// as the keys' use ends with the fact at which the next ones begin.
    ///
    /// # Errors
    ///
    /// [`Error::History`] while this node fetches the version of the cluster key that is active.
    fn receipt_key(&self) -> Result<(Arc<ReceiptKey>, u64), Error> {
        let (record, facts) = self.core.consensus.peek(|rows| {
            let view = View::new(rows);
            (view.cluster_key(), view.history().size())
        });
        let version = record.ok_or(machine::Refusal::NotFounded)?.active;
        if let Some((known, key)) = &*self.known_key.lock()
            && *known == version
        {
            return Ok((key.clone(), facts));
        }
        let held = self.receipt_key_of(version)?;
        let key = Arc::new(held.ok_or_else(history::Error::behind)?);
        *self.known_key.lock() = Some((version, key.clone()));
        Ok((key, facts))
    }

    /// The platform's public keys, the present ones first, as a JWK set. Anybody may ask: it is made once for each
    /// version, as checking a thousand points of a curve takes a tenth of a second.
    pub fn platform_keys(&self) -> Result<Arc<str>, Error> {
        let (key, _) = self.receipt_key()?;
        let versions = self.core.consensus.peek(|rows| View::new(rows).receipt_key_versions());
        let present = key.public().clone();
        if let Some((kid, of, text)) = &*self.known_keys.lock()
            && (kid, of) == (&present.kid().to_owned(), &versions)
        {
            return Ok(text.clone());
        }
        let text = Arc::<str>::from(self.key_set(present.clone())?.to_string());
        *self.known_keys.lock() = Some((present.kid().to_owned(), versions, text.clone()));
        Ok(text)
    }

    fn key_set(&self, present: PlatformKey) -> Result<KeySet, Error> {
        let name = self.log_name()?;
        let recorded = self.core.consensus.peek(|rows| View::new(rows).receipt_keys());
        let former = recorded.into_iter().rev().filter_map(|record| {
            let public = record.keys.ed25519.as_slice().try_into().ok()?;
            let end = record.ended.map(|end| KeyEnd { facts: end.facts, at_secs: end.at.secs() });
            let key = NoteKey { name: name.clone(), public };
            Some(PlatformKey::of_octets(&record.keys.es256, key)?.ended(end))
        });
        let former = former.filter(|key| key.kid() != present.kid()).collect::<Vec<_>>();
        Ok(KeySet::new(present, former))
    }

    /// Records the public keys of every version that may have signed, once. Only the leader does.
    pub(crate) async fn keep_keys(&self) -> Result<(), Error> {
        let unrecorded = self.core.consensus.peek(|rows| {
            let view = View::new(rows);
            let Some(record) = view.cluster_key() else { return Vec::new() };
            // Two turns may follow one another before anybody looks.
            let versions = record.opens_from..=record.active;
            versions.filter(|version| view.receipt_key(*version).is_none()).collect()
        });
        for version in unrecorded {
            let Some(key) = self.receipt_key_of(version)? else { continue };
            let record = NewReceiptKey {
                version,
                es256: key.public().octets(),
                ed25519: Signer::key(&key).public.to_vec(),
            };
            self.core.propose(Command::RecordReceiptKey(record)).await?;
        }
        Ok(())
    }

    /// The keys of a version, as long as this node holds it.
    fn receipt_key_of(&self, version: u32) -> Result<Option<ReceiptKey>, Error> {
        let name = self.log_name()?;
        let held = self.cluster_key.version(version);
        Ok(held.map(|held| {
            let seed = zeroize::Zeroizing::new(held.derive(SEED_PURPOSE, name.as_str().as_bytes()));
            ReceiptKey::new(&seed, name)
        }))
    }

    /// Receipts of a packet that the caller may see, after a position of the history: the source all of them, a target
    /// those of its own delivery. In the order in which it happened.
    pub async fn of_packet(
        &self,
        caller: &VerifiedCaller,
        packet: PacketId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<ReceiptPage, Error> {
        let record = self.packets.packet(caller, packet).await?;
        let unit = caller.unit().clone();
        // Who may see one delivery alone sees no fact that names the others.
        let sees_all = record.source == unit && caller.grants().has(model::Grant::Send);
        let may_see = move |fact: &Fact| match &fact.what {
            What::Confirmed(step) | What::Rejected(step) => sees_all || step.target == unit,
            what => sees_all && Kind::of(what).is_some(),
        };
        let ((key, facts), history) = (self.receipt_key()?, self.past.history().clone());
        self.past.indexed(facts).await?;
        let issuer = key.public().checkpoints().name.to_string();
        let size = history.progress().hashed.min(facts);
        // A signature and a proof each: what a page costs is bounded, and holds up nobody who waits for a thread.
        let made = aside(move || {
            let may_see = |position, fact: &Fact| position < facts && may_see(fact);
            let mut facts = seen_facts(&history, packet, after, limit + 1, may_see)?;
            let more = facts.len() > limit;
            facts.truncate(limit);
            let next = facts.last().filter(|_| more).map(|seen| seen.position);
            let checkpoint = Checkpoint::signed(head_at(&history, size)?, &*key);
            let receipt = |Seen { position, octets, evidence }: Seen| {
                let signed = evidence.map(|at| history.fact(at)).transpose()?;
                let signed = evidence.zip(signed.as_deref());
                let signed = signed.map(|(position, octets)| Recorded { position, octets });
                let fact = Recorded { position, octets: &octets };
                let attested = attest(&key, &issuer, fact, signed).map_err(Error::Make)?;
                let proof = |position| history.inclusion(position, size);
                let evidence = attested.evidence().map(proof).transpose()?;
                Ok(attested.proved(&proof(position)?, evidence.as_ref(), &checkpoint))
            };
            let receipts = facts.into_iter().map(receipt).collect::<Result<Vec<_>, Error>>()?;
            Ok(ReceiptPage { receipts, next })
        });
        made.await
    }

    /// The newest checkpoint of the history, signed.
    pub async fn checkpoint(&self) -> Result<Note, Error> {
        let ((key, facts), history) = (self.receipt_key()?, self.past.history().clone());
        let head = aside(move || {
            let size = history.progress().hashed.min(facts);
            head_at(&history, size)
        });
        Ok(Checkpoint::signed(head.await?, &*key))
    }

    /// The proof that a fact is in the history when it had a size; of the newest, where none is named.
    pub async fn prove_fact(&self, position: u64, size: Option<u64>) -> Result<FactProof, Error> {
        let history = self.past.history().clone();
        aside(move || {
            let size = size.unwrap_or_else(|| history.progress().hashed);
            Ok(FactProof {
                inclusion: history.inclusion(position, size)?,
                head: head_at(&history, size)?,
                leaf: history.leaf_hash(position)?,
            })
        })
        .await
    }

    /// The proof that the history of one size is the beginning of a later one; of the newest, where none is named.
    pub async fn prove_growth(&self, from: u64, to: Option<u64>) -> Result<GrowthProof, Error> {
        let history = self.past.history().clone();
        aside(move || {
            let to = to.unwrap_or_else(|| history.progress().hashed);
            Ok(GrowthProof {
                consistency: history.consistency(from, to)?,
                from: head_at(&history, from)?,
                to: head_at(&history, to)?,
            })
        })
        .await
    }
}

/// A fact that a caller may see.
struct Seen {
    position: u64,
    octets: Vec<u8>,
    evidence: Option<u64>,
}

/// The first facts about a packet after a position that may be seen, at most so many.
fn seen_facts(
    history: &History,
    packet: PacketId,
    mut after: Option<u64>,
    most: usize,
    may_see: impl Fn(u64, &Fact) -> bool,
) -> Result<Vec<Seen>, ::history::Error> {
    let (key, mut found) = (packet_key(packet), Vec::new());
    loop {
        let positions = history.positions(&key, after, LOOKED_AT_ONCE)?;
        let Some(last) = positions.last() else { return Ok(found) };
        after = Some(*last);
        for position in positions {
            let octets = history.fact(position)?;
            let fact = read(&octets);
            if may_see(position, &fact) {
                found.push(Seen { position, octets, evidence: fact.evidence });
            }
            if found.len() == most {
                return Ok(found);
            }
        }
    }
}

/// The head of the history when it had a size.
fn head_at(history: &History, size: u64) -> Result<TreeHead, ::history::Error> {
    Ok(TreeHead { size, root: history.root_at(size)? })
}
