//! The first door: who calls, shown by a signature, checked against this node's own state.
//!
//! Checking a key reads no other node, but only while a majority is known to follow the leader
//! within a named bound (D5), so a revoked key dies everywhere within that bound.

use std::{sync::Arc, time::Duration};

use auth::{Head, KeyMaterial, Material, Rejection, RequestHead, Signed};
use certs::Keyring;
use consensus::Unavailable;
use machine::{KeyRecord, Reader, Refusal, View};
use model::{AccessKey, AppId, Grant, KeyStatus, PacketId, SpaceId, UnitCode};
use parking_lot::Mutex;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    door::{self, Core},
    registry::secret_context,
    tokens::{DownloadToken, SpaceToken},
};

/// Between two looks for keys and join tokens that are unknown here.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// A look may take so long: the node has just heard of a majority.
const LOOK_MAX: Duration = Duration::from_secs(1);

/// How long it may go unnoticed that the cluster key has turned without this node: callers whose secret it
/// cannot open notice at once.
const KEY_LOOK_EVERY: Duration = Duration::from_millis(100);
/// How soon a node has fetched a version of the cluster key that it lacks.
const KEY_FETCH_TIME: Duration = Duration::from_secs(1);

/// How long a request waits for a majority that was there a moment ago, or is about to be: an election
/// takes less. One that waits half a second itself then gets its answer.
const FRESH_WAIT_MAX: Duration = Duration::from_millis(500);
/// Between two looks whether it is there.
const FRESH_LOOK_PAUSE: Duration = Duration::from_millis(10);
/// A node that has heard of no majority for longer, or has been up for longer without one, is cut off:
/// its callers are told so at once, and go elsewhere.
const FRESH_HOPE_MAX: Duration = Duration::from_secs(10);

/// Requests that may wait for a majority at a time: strangers can be among them, and each holds its connection.
const FRESH_WAITING_MAX: usize = 1024;

/// Why a request does not come in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The signature does not hold, or its key may not be used.
    #[error("the request's signature was not accepted")]
    Signature(#[source] Rejection),
    /// The bearer token opens nothing here.
    #[error("the token does not open this")]
    TokenInvalid,
    /// The key's application was not granted it, or this node cannot know now.
    #[error(transparent)]
    Door(#[from] door::Error),
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Signature(rejection)
    }
}

door::through_core!(Error: Unavailable);

fn keyless_if(lacks: bool) -> Result<(), Error> {
    let keyless = || door::Error::Unavailable { retry_after: KEY_FETCH_TIME };
    if lacks { Err(keyless().into()) } else { Ok(()) }
}

/// Whose token a request shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The application that asked for the token.
    pub app: AppId,
    /// The unit that it belongs to.
    pub unit: UnitCode,
}

/// The first door.
pub struct Gate {
    core: Core,
    cluster_key: Arc<Keyring>,
    policy: auth::Policy,
    /// When the last look for unknown keys and join tokens began.
    strangers_look: tokio::sync::Mutex<Option<Instant>>,
    /// When it was looked last whether the active version of the cluster key is lacking, and whether it was.
    key_looked: Mutex<Option<(Instant, bool)>>,
    /// When the doors were opened.
    opened_at: Instant,
    /// Room for requests that wait until a majority is there.
    waiting: Semaphore,
}

impl Gate {
    pub(crate) fn new(core: Core, cluster_key: Arc<Keyring>, names: auth::PublicNames) -> Self {
        Self {
            core,
            cluster_key,
            policy: auth::Policy::new(names),
            strangers_look: tokio::sync::Mutex::default(),
            key_looked: Mutex::default(),
            opened_at: Instant::now(),
            waiting: Semaphore::new(FRESH_WAITING_MAX),
        }
    }

    /// The URL of one of this cluster's names, as a caller has spelt it; none where it is no name of ours.
    pub fn url_of_name(&self, authority: &str) -> Option<String> {
        self.policy.names.url(authority)
    }

    /// Waits, a bounded while, until this node has heard of a majority: after a start of the whole
    /// cluster, or while a new leader is elected. Whether it has, the check that follows tells.
    pub async fn await_fresh(&self) {
        if self.fresh().is_ok() {
            return;
        }
        let since = self.core.consensus.status().since_quorum;
        let hope = since.unwrap_or_else(|| self.opened_at.elapsed()) < FRESH_HOPE_MAX;
        let Some(_room) = self.waiting.try_acquire().ok().filter(|_| hope) else { return };
        let deadline = Instant::now() + FRESH_WAIT_MAX;
        while self.fresh().is_err() && Instant::now() < deadline {
            sleep_until(deadline.min(Instant::now() + FRESH_LOOK_PAUSE)).await;
        }
    }

    /// What a signature must be like; tells a stranger how to sign.
    pub fn policy(&self) -> &auth::Policy {
        &self.policy
    }

    /// Whether this node has heard of a majority within the named bound (D5). One that is cut off hears
    /// neither of events nor of revoked keys.
    pub fn fresh(&self) -> Result<(), Error> {
        Ok(self.core.consensus.fresh()?)
    }

    /// Returns when what has waited here since the call is better asked elsewhere: this node is out of
    /// touch with the majority.
    pub async fn out_of_touch(&self) {
        self.core.consensus.lost().await;
    }

    /// Returns when this node has been out of touch with the majority for so long without a break.
    pub async fn lost_for(&self, span: Duration) {
        self.core.consensus.lost_for(span).await;
    }

    /// Checks the head of a request. The body's digest is the caller's to check as it streams. Before a
    /// caller is told that its key is unknown, see [`Gate::look_for_strangers`].
    pub fn verify(&self, head: &RequestHead<'_>) -> Result<Signed<Head>, Error> {
        self.fresh()?;
        self.can_open()?;
        self.verify_as_known(head).map_err(|error| self.or_keyless(error))
    }

    /// Refuses what comes by a signature or a token while this node lacks the active version of the cluster
    /// key: it was away during a rotation and is fetching it. It opens neither secrets nor contents of the
    /// others until then, and does not know which tokens have ended, whatever its caller signs with.
    ///
    /// Every request asks, and the state is looked at now and then, and wherever something was refused.
    fn can_open(&self) -> Result<(), Error> {
        let looked = *self.key_looked.lock();
        match looked {
            Some((at, lacks)) if at.elapsed() < KEY_LOOK_EVERY => keyless_if(lacks),
            _ => self.look_for_key(),
        }
    }

    /// The same, by what the state says at this moment.
    fn look_for_key(&self) -> Result<(), Error> {
        let lacks = self.lacks_cluster_key();
        *self.key_looked.lock() = Some((Instant::now(), lacks));
        keyless_if(lacks)
    }

    /// What is refused because this node lacks the active version of the cluster key is refused for that.
    fn or_keyless(&self, error: Error) -> Error {
        self.look_for_key().err().unwrap_or(error)
    }

    /// The access key that a token was given to. A made-up token costs the cluster nothing.
    pub(crate) fn key_of_token(
        &self,
        holder: impl FnOnce(&certs::Keyring) -> Option<AccessKey>,
    ) -> Result<AccessKey, Error> {
        self.can_open()?;
        let held = holder(&self.cluster_key);
        held.ok_or_else(|| self.or_keyless(Error::TokenInvalid))
    }

    /// Catches up with the leader before a key, or a join token, is called unknown: it may have been
    /// issued at another node a moment ago.
    ///
    /// It is strangers who ask for this, so that many share one look, and looks have a pause.
    pub async fn look_for_strangers(&self) -> Result<(), Error> {
        let asked = Instant::now();
        let mut last = self.strangers_look.lock().await;
        if let Some(begun) = *last {
            if begun > asked {
                // It began while this request waited, and so it has seen all that this one would.
                return Ok(());
            }
            sleep_until(begun + LOOK_PAUSE).await;
        }
        let begun = Instant::now();
        let looked = timeout(LOOK_MAX, self.core.consensus.read_index()).await;
        // One that failed answers for nobody else.
        *last = if matches!(looked, Ok(Ok(()))) { Some(begun) } else { None };
        looked.unwrap_or(Err(Unavailable { retry_after: LOOK_MAX }))?;
        Ok(())
    }

    /// As [`Gate::verify`], by what this node knows, however long ago it heard of a majority:
    /// for the status and the plain directory, which a node that is cut off goes on answering (D5).
    pub fn verify_as_known(&self, head: &RequestHead<'_>) -> Result<Signed<Head>, Error> {
        let find = |key: &AccessKey| self.find_key(key);
        Ok(auth::verify(head, self.core.now(), &find, &self.policy)?)
    }

    /// Whose request it is that shows the token of a space.
    pub async fn bearer_of_space(&self, space: SpaceId, token: &str) -> Result<Bearer, Error> {
        self.bearer(self.key_of_token(|ring| SpaceToken::holder(ring, space, token))?).await
    }

    /// Whose request it is that shows the token of a download.
    pub async fn bearer_of_packet(&self, packet: PacketId, token: &str) -> Result<Bearer, Error> {
        self.bearer(self.key_of_token(|ring| DownloadToken::holder(ring, packet, token))?).await
    }

    /// The application whose key a token was given to, for its shares, by what this node knows. A key that
    /// is none any more takes nothing of it; what the token opens each door asks for itself.
    async fn bearer(&self, key: AccessKey) -> Result<Bearer, Error> {
        self.fresh()?;
        let known = || View::new(self.core.consensus.latest()).key(&key);
        let record = match known() {
            // It may have been issued at another node a moment ago.
            None => {
                self.look_for_strangers().await?;
                known()
            }
            found => found,
        };
        let record = record.filter(|record| record.status == KeyStatus::Active);
        let record = record.ok_or(Error::Signature(Rejection::KeyDisabled))?;
        Ok(Bearer { app: record.app, unit: record.unit })
    }

    /// Whether this node lacks the version that seals: it can open nothing new until it has it.
    pub(crate) fn lacks_cluster_key(&self) -> bool {
        let record = View::new(self.core.consensus.latest()).cluster_key();
        record.is_some_and(|record| !self.cluster_key.holds(record.active, record.check))
    }

    fn find_key(&self, key: &AccessKey) -> Option<KeyMaterial> {
        let record = View::new(self.core.consensus.latest()).key(key)?;
        let material = self.key_material(&record);
        if material.is_none() {
            // The sealed secret does not open: another cluster key, or damage. Nothing is told of it.
            tracing::error!(%key, "the material of a key cannot be used");
        }
        Some(KeyMaterial {
            app: record.app,
            unit: record.unit,
            grants: record.grants,
            material: material?,
            legacy: record.legacy,
            hmac_sha1: record.hmac_sha1,
            status: record.status,
        })
    }

    fn key_material(&self, record: &KeyRecord) -> Option<Material> {
        if !record.algorithm.is_symmetric() {
            return Material::new(record.algorithm, &record.material).ok();
        }
        let context = secret_context(&record.key);
        let secret = self.cluster_key.open(&context, &record.material).ok()?;
        Material::new(record.algorithm, &secret).ok()
    }
}

/// The access key that a token was given to, or that has signed, as the state knows it now: it may
/// be used and was granted this. To be asked of a state that a read index has brought up to date.
pub(crate) fn holder<R: Reader + ?Sized>(
    view: View<'_, R>,
    key: &AccessKey,
    grant: Grant,
) -> Result<KeyRecord, Error> {
    let record = view.key(key).filter(|record| record.status == KeyStatus::Active);
    let record = record.ok_or(Error::Signature(Rejection::KeyDisabled))?;
    if record.grants.has(grant) {
        Ok(record)
    } else {
        Err(door::Error::from(Refusal::NotGranted).into())
    }
}
