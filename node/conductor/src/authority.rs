//! The authority turns: a new one is made and certified by the one before it, which is honoured for a
//! while (decision 0014).
//!
//! What is to be done follows from the record of the state alone. The leader makes the next authority once
//! the cluster key does not turn any more: its key is sealed under a version that no removed node
//! holds. Each node then certifies itself anew, which is for its keeper to do.

use std::{sync::Arc, time::Duration};

use auth::{Signed, Whole};
use certs::{Authority, Keyring};
use consensus::Role;
use machine::{
    AuthorityRecord, Command, OlderAuthority, OrderAuthority, Refusal, Time, TurnAuthority, View,
};
use minicbor::bytes::ByteVec;
use model::{Digest, Moment};

use crate::door::{self, Core};

/// What the authority's key is sealed to in the state.
pub const AUTHORITY_PURPOSE: &[u8] = b"lgsp/authority-key/v1";

/// A join token waits so long for a new authority that is wanted: a rotation takes some tenths of a second where
/// every node is there. Where one is away it may take hours, and a machine that replaces it must be able
/// to join before: its token is then good until the rotation.
const ROTATION_WAIT: Duration = Duration::from_secs(3);

/// The authorities of the cluster, as nodes and applications use them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities {
    /// The number of the one that certifies.
    pub number: u32,
    /// Its certificate, DER: what applications are to trust, and nothing beside it. Whoever trusts an older one
    /// is led on by what nodes show.
    pub certificate: Vec<u8>,
    /// What a node shows behind its own certificate, DER: how each honoured authority has certified its
    /// successor, the newest first, and the one that certifies as it certified itself.
    pub chain: Vec<Vec<u8>>,
    /// The older ones that are honoured, the oldest first: number, and how long from now.
    pub older: Vec<(u32, Duration)>,
    /// Until when the first of them is honoured; none when there is none.
    pub older_until: Option<Moment>,
    /// Whether a new one is wanted and not made yet.
    pub wanted: bool,
}

impl Authorities {
    fn of(record: &AuthorityRecord, now: Time) -> Self {
        let left = |older: &OlderAuthority| (older.number, older.until.tick.since(now.tick));
        let older: Vec<_> = record.older.iter().map(left).collect();
        let first = older.iter().map(|(_, left)| *left).min();
        let own = std::iter::once(record.certificate.clone());
        let successors = record.older.iter().rev().map(|older| older.successor.clone());
        Self {
            number: record.number,
            certificate: record.certificate.clone(),
            chain: successors.chain(own).collect(),
            older_until: first.map(|left| now.date.plus(left)),
            older,
            wanted: record.wanted.is_some(),
        }
    }

    /// The certificate to trust, as text (RFC 7468).
    pub fn pem(&self) -> String {
        certs::certificates_to_pem(std::slice::from_ref(&self.certificate))
    }

    /// How long the first of the older ones is honoured from now.
    pub fn older_left(&self) -> Option<Duration> {
        self.older.iter().map(|(_, left)| *left).min()
    }

    /// The SHA-256 of the certificate of the authority that certifies.
    pub fn fingerprint(&self) -> Digest {
        Digest(certs::sha256(&self.certificate))
    }
}

/// Why the authority does not turn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster does not take it.
    #[error(transparent)]
    Door(#[from] door::Error),
    /// A certificate, or the sealed key of one, failed.
    #[error("a certificate or a sealed secret failed")]
    Certs(#[from] certs::Error),
}

/// The door of the authority and those before it.
pub struct AuthorityDoor {
    core: Core,
    cluster_key: Arc<Keyring>,
}

impl AuthorityDoor {
    pub(crate) fn new(core: Core, cluster_key: Arc<Keyring>) -> Self {
        Self { core, cluster_key }
    }

    /// The authorities as this node's state knows them; none before the founding.
    pub fn authorities(&self) -> Option<Authorities> {
        let latest = View::new(self.core.consensus.latest());
        latest.authority().map(|record| Authorities::of(&record, latest.clock()))
    }

    /// Asks for a new authority. Those before it are honoured for so long (milliseconds).
    pub async fn rotate(&self, caller: &Signed<Whole>, overlap_ms: u64) -> Result<(), door::Error> {
        let order = OrderAuthority::Rotate { overlap_ms };
        self.core.propose_for(caller, Command::OrderAuthority(order)).await.map(drop)
    }

    /// Ends the authorities before the one that certifies, whatever time they have left.
    pub async fn end_older(&self, caller: &Signed<Whole>) -> Result<(), door::Error> {
        let order = Command::OrderAuthority(OrderAuthority::EndOlder);
        self.core.propose_for(caller, order).await.map(drop)
    }

    /// Waits for a rotation that is under way, but not for long: what is made now and pins the authority
    /// would end with the next one.
    pub(crate) async fn rotated(&self) {
        // Where it takes longer, what is made now is good until then.
        let _is_rotated = self
            .core
            .until(ROTATION_WAIT, || {
                let record = View::new(self.core.consensus.latest()).authority();
                record.is_none_or(|record| record.wanted.is_none())
            })
            .await;
    }

    /// Takes the next step of a rotation, where this node leads.
    pub(crate) async fn keep(&self) -> Result<(), Error> {
        let latest = View::new(self.core.consensus.latest());
        let (Some(record), Some(key)) = (latest.authority(), latest.cluster_key()) else {
            return Ok(());
        };
        if self.core.consensus.status().role != Role::Leader {
            return Ok(());
        }
        let now = self.core.consensus.tick();
        if record.older.iter().any(|older| older.until.tick <= now) {
            self.core.propose(Command::TurnAuthority(TurnAuthority::End)).await?;
        }
        // Of two rotations the cluster key's is first.
        let seals = self.cluster_key.active() == key.active && !key.wanted;
        if record.wanted.is_none() || !seals {
            return Ok(());
        }
        let replace = self.next_authority(&record)?;
        self.core.propose(Command::TurnAuthority(replace)).await?;
        Ok(())
    }

    fn next_authority(&self, record: &AuthorityRecord) -> Result<TurnAuthority, Error> {
        let (now, cluster) = (
            self.core.now(),
            self.core.cluster().ok_or(door::Error::Refused(Refusal::NotFounded))?,
        );
        let former = self.open(record)?;
        let number = record.number.saturating_add(1);
        let (next, by_former) = former.succeed(&cluster.cluster, number, now)?;
        let sealing = self.cluster_key.sealing();
        Ok(TurnAuthority::Replace {
            number,
            certificate: ByteVec::from(next.certificate().to_vec()),
            by_former: ByteVec::from(by_former.to_vec()),
            key_sealed: ByteVec::from(sealing.seal(AUTHORITY_PURPOSE, &next.key_pkcs8())),
            sealed_under: sealing.version(),
        })
    }

    /// The authority that certifies, with its key.
    pub(crate) fn open(&self, record: &AuthorityRecord) -> Result<Authority, Error> {
        let key = self.cluster_key.open(AUTHORITY_PURPOSE, &record.key_sealed)?;
        Ok(Authority::from_parts(&record.certificate, &key)?)
    }
}
