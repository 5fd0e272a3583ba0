//! The cluster key turns: a new version is made, handed from node to node, and everything is sealed
//! anew under it (decision 0008).
//!
//! What is to be done follows from the record of the state alone, so a rotation goes on after the crash of
//! any node. Each node follows the record; the leader takes the steps. The key goes over the mesh, from
//! member to member, and is on the disk of whoever says that it holds it.

use std::{sync::Arc, time::Duration};

use auth::{Signed, VerifiedCaller, Whole};
use certs::{ClusterKey, Keyring};
use consensus::Role;
use machine::{
    ClusterKeyRecord, Command, KeyRecord, RESEALED_A_COMMAND_MAX, Refusal, Resealed,
    RotateClusterKey, StagedKey, Time, TurnClusterKey, View,
};
use minicbor::bytes::ByteVec;
use model::{Digest, Grant, NodeId};
use zeroize::Zeroizing;

use crate::{
    authority::AUTHORITY_PURPOSE,
    door::{self, Core, require},
    ports::{KeyOctets, Nodes},
    registry::secret_context,
};

/// How long the leader waits for members that do not hold a staged version yet, beyond the majority. A
/// node that is away longer fetches it when it is back.
const HOLDERS_WAIT_MAX: Duration = Duration::from_secs(10);
/// The same where tokens end with the rotation: until then a removed node derives tokens that are honoured,
/// and two seconds are promised for all of it. A member that is up takes a version within some tens of
/// milliseconds.
const ENDING_WAIT_MAX: Duration = Duration::from_millis(500);
/// After so long without a holder that can be asked, another version is made.
const STAGED_TIME_MAX: Duration = Duration::from_secs(30);

/// How far the cluster key has turned, as operators see it.
#[derive(Debug, Clone)]
pub struct ClusterKeyStatus {
    /// What the state says.
    pub record: ClusterKeyRecord,
    /// Whether all secrets are sealed under the active version.
    pub is_resealed: bool,
}

impl ClusterKeyStatus {
    /// `settled`, or what a rotation is at: `wanted`, `handed_out`, `resealing`.
    pub fn phase(&self) -> &'static str {
        let record = &self.record;
        match (self.is_resealed, record.wanted, &record.staged) {
            (false, ..) => "resealing",
            (true, true, Some(_)) => "handed_out",
            (true, true, None) => "wanted",
            (true, false, _) => "settled",
        }
    }
}

/// Why the cluster key does not turn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster does not take it.
    #[error(transparent)]
    Door(#[from] door::Error),
    /// A version could not be made, kept or opened.
    #[error("a version of the cluster key failed")]
    Certs(#[from] certs::Error),
}

/// The door of the cluster key. Cheap to clone.
#[derive(Clone)]
pub struct ClusterKeys {
    core: Core,
    ring: Arc<Keyring>,
    nodes: Arc<dyn Nodes>,
}

fn holders_wait(record: &ClusterKeyRecord) -> Duration {
    if record.ends_tokens { ENDING_WAIT_MAX } else { HOLDERS_WAIT_MAX }
}

impl ClusterKeys {
    pub(crate) fn new(core: Core, ring: Arc<Keyring>, nodes: Arc<dyn Nodes>) -> Self {
        Self { core, ring, nodes }
    }

    /// How far the cluster key has turned; none before the founding.
    pub fn state(&self) -> Option<ClusterKeyStatus> {
        self.core.consensus.peek(|rows| {
            let view = View::new(rows);
            let record = view.cluster_key()?;
            Some(ClusterKeyStatus { is_resealed: view.is_resealed(record.active), record })
        })
    }

    /// Asks for a new version of the cluster key. With `ends_tokens`, tokens derived under versions
    /// before it die with the rotation, and not a day later.
    pub async fn rotate(
        &self,
        caller: &Signed<Whole>,
        ends_tokens: bool,
    ) -> Result<(), door::Error> {
        let rotate = Command::RotateClusterKey(RotateClusterKey { ends_tokens });
        self.core.propose_for(caller, rotate).await.map(drop)
    }

    /// A version of the cluster key for a member that lacks it. A node that the state does not know as
    /// a member gets nothing, and nobody gets a version that the state does not name yet.
    pub fn version_for(&self, member: NodeId, version: u32) -> Option<KeyOctets> {
        let (node, record) = self.core.consensus.peek(|rows| {
            let view = View::new(rows);
            Some((view.node(member)?, view.cluster_key()?))
        })?;
        let named = version <= record.active
            || record.staged.is_some_and(|staged| staged.version == version);
        if node.removed_at.is_some() || !named {
            return None;
        }
        Some(self.ring.version(version)?.octets())
    }

    /// How long the next look at the rotation has time, if nothing happens: what is waited for is noticed
    /// when it is over.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let record = self.state()?.record;
        let waited = self.core.consensus.tick().since(record.staged.as_ref()?.at);
        Some(holders_wait(&record).saturating_sub(waited)).filter(|wait| !wait.is_zero())
    }

    /// Follows the record, and takes the next step where this node leads.
    pub(crate) async fn keep(&self) -> Result<(), Error> {
        let Some(status) = self.state() else { return Ok(()) };
        let mut followed = self.follow(&status).await;
        if self.core.consensus.status().role == Role::Leader {
            followed = followed.and(self.lead(&status).await);
        }
        followed
    }

    async fn follow(&self, status: &ClusterKeyStatus) -> Result<(), Error> {
        let (ring, record) = (&self.ring, &status.record);
        if ring.active() < record.active {
            self.obtain(record.active, record.check).await?;
            ring.activate(record.active)?;
            tracing::info!(version = record.active, "the cluster key has a new version");
        }
        ring.honour_from(record.tokens_from)?;
        if ring.oldest() < record.opens_from {
            ring.forget_before(record.opens_from)?;
            tracing::info!(
                version = record.opens_from,
                "older versions of the cluster key are gone"
            );
        }
        if let Some(staged) = &record.staged
            && !staged.holders.contains(&self.core.node)
        {
            let (version, check) = (staged.version, staged.check);
            if !ring.holds(version, check) {
                ring.stage(self.fetch(version, check, &staged.holders).await?)?;
            }
            self.turn(TurnClusterKey::Hold { version }).await?;
        }
        // Contents, or secrets, may lie sealed under a version that came and went while this node was away.
        for older in &record.older {
            self.obtain(older.version, older.check).await?;
        }
        Ok(())
    }

    /// Sees to it that a version is held: the very one that the state means. What is here under that number may
    /// be one that was staged in vain.
    async fn obtain(&self, version: u32, check: Digest) -> Result<(), Error> {
        let ring = &self.ring;
        if ring.holds(version, check) {
            return Ok(());
        }
        let members: Vec<_> =
            self.core.present_nodes().into_iter().map(|record| record.node).collect();
        Ok(ring.take_over(self.fetch(version, check, &members).await?)?)
    }

    /// Asks for a version whose check is known, so that it does not matter who answers.
    async fn fetch(
        &self,
        version: u32,
        check: Digest,
        holders: &[NodeId],
    ) -> Result<ClusterKey, Error> {
        for holder in holders.iter().filter(|holder| **holder != self.core.node) {
            let Some(octets) = self.nodes.cluster_key(*holder, version).await else {
                continue;
            };
            let key = ClusterKey::from_octets(version, octets);
            if key.check() == check {
                return Ok(key);
            }
            tracing::warn!(%holder, version, "another key was answered than the state names");
        }
        Err(door::Error::Unavailable { retry_after: Duration::from_secs(1) }.into())
    }

    /// Takes the next step of a rotation.
    async fn lead(&self, status: &ClusterKeyStatus) -> Result<(), Error> {
        let record = &status.record;
        if !status.is_resealed {
            return self.reseal(record).await;
        }
        let now = self.core.consensus.tick();
        let is_due = |until: Option<Time>| until.is_some_and(|until| until.tick <= now);
        let first = record.older.first().map(|older| older.until);
        if is_due(record.tokens_until) || is_due(first) {
            self.turn(TurnClusterKey::End { version: record.active }).await?;
        }
        match &record.staged {
            None if record.wanted => self.make_version(record).await,
            Some(staged) if self.is_handed_out(staged, holders_wait(record)) => {
                self.turn(TurnClusterKey::Activate { version: staged.version }).await
            }
            Some(staged) if self.is_lost(staged) => self.make_version(record).await,
            _ => Ok(()),
        }
    }

    /// Makes the next version, or takes the one that an earlier attempt has left here: whether that
    /// was heard is not known, and nobody else has it before the state names it.
    async fn make_version(&self, record: &ClusterKeyRecord) -> Result<(), Error> {
        let version = record.last.saturating_add(1);
        let (ring, random) = (&self.ring, &self.core.random);
        // What is staged takes the place of whatever is not active yet, and this must not be lost.
        if ring.active() != record.active {
            return Ok(());
        }
        if ring.version(version).is_none() {
            ring.stage(ClusterKey::generate(version, &mut |octets| random.fill(octets)))?;
        }
        let check = ring.version(version).ok_or(certs::Error::KeyVersion(version))?.check();
        self.turn(TurnClusterKey::Stage { version, check }).await
    }

    /// Whether a majority holds a version, and everybody else, or has had the time.
    fn is_handed_out(&self, staged: &StagedKey, wait_max: Duration) -> bool {
        let holds = |node: &NodeId| staged.holders.contains(node);
        let members = self.core.consensus.peek(|rows| View::new(rows).members());
        let majority = members.iter().filter(|node| holds(node)).count() > members.len() / 2;
        let waited = self.core.consensus.tick().since(staged.at) >= wait_max;
        let all = self.core.present_nodes().iter().all(|record| holds(&record.node));
        holds(&self.core.node) && majority && (all || waited)
    }

    /// Whether those who hold a version have been away for long, so that nobody else can get it.
    fn is_lost(&self, staged: &StagedKey) -> bool {
        let ours = self.ring.holds(staged.version, staged.check);
        !ours && self.core.consensus.tick().since(staged.at) >= STAGED_TIME_MAX
    }

    /// Seals a slice of what lies under older versions anew.
    async fn reseal(&self, record: &ClusterKeyRecord) -> Result<(), Error> {
        let version = record.active;
        let (sealed, authority) = {
            let reader = self.core.consensus.shared_view().await;
            let view = View::new(&*reader);
            (view.sealed_before(version, RESEALED_A_COMMAND_MAX), view.authority())
        };
        let ring = &self.ring;
        let sealing = ring.sealing();
        if sealing.version() != version {
            return Ok(());
        }
        let anew = |key: KeyRecord| {
            let context = secret_context(&key.key);
            let secret = match ring.open(&context, &key.material) {
                Err(certs::Error::Forged) => self.useless_secret(&key),
                // A version that the state still knows may be held by others: they will lead one day.
                Err(certs::Error::KeyVersion(version)) if !may_be_held(record, version) => {
                    self.useless_secret(&key)
                }
                opened => opened?,
            };
            let material = ByteVec::from(sealing.seal(&context, &secret));
            Ok::<_, certs::Error>(Resealed { key: key.key, material })
        };
        let secrets = sealed.into_iter().map(anew).collect::<Result<Vec<_>, _>>()?;
        let authority = match authority.filter(|authority| authority.sealed_under < version) {
            Some(authority) => {
                let key = ring.open(AUTHORITY_PURPOSE, &authority.key_sealed)?;
                Some(ByteVec::from(sealing.seal(AUTHORITY_PURPOSE, &key)))
            }
            None => None,
        };
        self.turn(TurnClusterKey::Reseal { version, secrets, authority }).await
    }

    /// What is damaged, or sealed under a version that nobody holds any more, opens for nobody and must not
    /// hold up a rotation: the key goes on being useless, under a secret that nobody knows.
    fn useless_secret(&self, key: &KeyRecord) -> Zeroizing<Vec<u8>> {
        tracing::error!(key = %key.key, "the secret of a key opens for nobody; revoke it");
        let mut secret = Zeroizing::new(vec![0; 32]);
        self.core.random.fill(&mut secret);
        secret
    }

    async fn turn(&self, step: TurnClusterKey) -> Result<(), Error> {
        self.core.propose(Command::TurnClusterKey(step)).await?;
        Ok(())
    }

    /// Only administrators see how far a rotation is.
    pub fn status(&self, caller: &VerifiedCaller) -> Result<Option<ClusterKeyStatus>, Refusal> {
        require(caller, Grant::Admin)?;
        Ok(self.state())
    }
}

/// Whether any node may hold a version: it has not ended, and it was given.
fn may_be_held(record: &ClusterKeyRecord, version: u32) -> bool {
    (record.opens_from..=record.last).contains(&version)
}
