//! The first door: who calls, shown by a signature, checked against this node's own state.
//!
//! Checking a key reads no other node, but only while a majority is known to follow the leader
//! within a named bound (D5), so a revoked key dies everywhere within that bound.

use auth::{KeyMaterial, Material, RequestHead, VerifiedCaller};
use machine::{Command, KeyRecord, Outcome, Proof, Refusal, View};
use model::{AccessKey, Grant};

use crate::{Error, Exchange, registry::secret_context};

impl Exchange {
    /// What a signature must be like; tells a stranger how to sign.
    pub fn policy(&self) -> &auth::Policy {
        &self.inner.policy
    }

    /// Checks the head of a request. The body's digest is the caller's to check as it streams.
    pub fn verify(&self, head: &RequestHead<'_>) -> Result<VerifiedCaller, Error> {
        self.consensus().fresh()?;
        self.verify_as_known(head)
    }

    /// As [`Exchange::verify`], by what this node knows, however long ago it heard of a majority:
    /// for the status and the plain directory, which a node that is cut off goes on answering (D5).
    pub fn verify_as_known(&self, head: &RequestHead<'_>) -> Result<VerifiedCaller, Error> {
        let find = |key: &AccessKey| self.find_key(key);
        Ok(auth::verify(head, self.now(), &find, &self.inner.policy)?)
    }

    /// Whether the caller's application was granted this; the machine asks again for commands.
    pub fn require(caller: &VerifiedCaller, grant: Grant) -> Result<(), Error> {
        if caller.grants().has(grant) { Ok(()) } else { Err(Error::Refused(Refusal::NotGranted)) }
    }

    /// Proposes a caller's command; its nonce rides in it.
    pub(crate) async fn propose_for(
        &self,
        caller: &VerifiedCaller,
        command: Command,
    ) -> Result<Outcome, Error> {
        let evidence = caller.evidence().ok_or(Error::Refused(Refusal::ProofMissing))?;
        let proof = Proof {
            key: caller.key().clone(),
            created: evidence.created,
            nonce: evidence.nonce.clone(),
            input: evidence.input.clone(),
            signature: evidence.signature.clone(),
            base_digest: evidence.base_digest,
        };
        self.propose(Some(proof), command).await
    }

    fn find_key(&self, key: &AccessKey) -> Option<KeyMaterial> {
        let record = View::new(&*self.consensus().view()).key(key)?;
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
        let secret = self.inner.parts.cluster_key.open(&context, &record.material).ok()?;
        Material::new(record.algorithm, &secret).ok()
    }
}
