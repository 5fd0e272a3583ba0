//! The application that asks, once its signature was checked.

use model::{AppId, Grant, KeyStatus, UnitCode};

use crate::{
    refusal::Refusal,
    store::Store,
    tables::SIGNERS,
    time,
    v1::{By, Proof, Time},
};

/// The application that signed, after window, key and nonce were checked against the entry's time.
pub(crate) struct Caller {
    pub(crate) app: AppId,
    pub(crate) unit: UnitCode,
    pub(crate) proof: Proof,
}

impl Caller {
    /// Checks the proof again, against the entry's time. `spent` says whether its nonce has passed.
    pub(crate) fn of<S: Store>(
        store: &S,
        now: Time,
        proof: &Proof,
        grant: Grant,
        spent: bool,
    ) -> Result<Self, Refusal> {
        let key = SIGNERS.get(store, &proof.key).ok_or(Refusal::KeyUnknown)?;
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
        Ok(Self { app: key.app, unit: key.unit, proof: proof.clone() })
    }

    /// As records keep it.
    pub(crate) fn by(&self) -> By {
        By { key: self.proof.key.clone(), app: self.app.clone() }
    }
}
