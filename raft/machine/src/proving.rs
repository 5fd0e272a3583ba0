//! Whether an entry's proof shows who asks.

use model::{Grant, KeyStatus};

use crate::{
    caller::Caller,
    limits::{BASE_OCTETS_MAX, STATEMENT_OCTETS_MAX},
    refusal::Refusal,
    store::Store,
    tables::SIGNERS,
    time,
    v1::{Proof, Signer, Time},
};

/// Checks a proof again, against the entry's time. `spent` says whether its nonce has passed.
pub(crate) fn caller<'p, S: Store>(
    store: &S,
    now: Time,
    proof: &'p Proof,
    grant: Grant,
    spent: bool,
) -> Result<Caller<'p>, Refusal> {
    let key = SIGNERS.get(store, &proof.key).ok_or(Refusal::KeyUnknown)?;
    // No node sends more; what is longer would make a fact that the history does not take.
    if proof.base.len() > BASE_OCTETS_MAX || proof.statement.len() > STATEMENT_OCTETS_MAX {
        return Err(Refusal::ProofMissing);
    }
    if key.status != KeyStatus::Active {
        return Err(Refusal::KeyRevoked);
    }
    if !time::may_pass(store, now, proof.created) {
        return Err(Refusal::ClockOutOfWindow);
    }
    if spent {
        return Err(Refusal::NonceReused);
    }
    if !key.grants.has(grant) {
        return Err(Refusal::NotGranted);
    }
    let Signer { app, unit, algorithm, material, .. } = key;
    Ok(Caller { app, unit, proof, algorithm, material })
}
