//! The registry's doors: units, applications, keys. The machine checks the grant.

use std::sync::Arc;

use auth::{Signed, VerifiedCaller, Whole};
use certs::Keyring;
use machine::{
    AddApp, AddUnits, AppRecord, Command, IssueKey, KeyRecord, NewUnit, RemoveUnit, RenameUnit,
    RevokeKey, View,
};
use model::{AccessKey, AppId, Grant, KeyAlgorithm, Label, Moment, UnitCode};
use zeroize::Zeroizing;

use crate::door::{self, Core, require};

/// What a sealed application secret is bound to.
pub(crate) const SECRET_PURPOSE: &[u8] = b"lgsp/app-secret/v1/";

/// A key to be issued.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Whose it will be.
    pub app: AppId,
    /// The one algorithm that it signs with.
    pub algorithm: KeyAlgorithm,
    /// The public key (PEM or DER), for every algorithm but HMAC.
    pub public_key: Option<Vec<u8>>,
    /// Whether the legacy profile is open to it.
    pub legacy: bool,
    /// Whether hmac-sha1 is open to it, Article 8(4).
    pub hmac_sha1: bool,
}

/// A key that was issued.
pub struct IssuedKey {
    /// Public.
    pub access_key: AccessKey,
    /// Shown once; none where only a public key is held here.
    pub secret: Option<auth::Secret>,
    /// The one algorithm.
    pub algorithm: KeyAlgorithm,
}

/// Why the registry does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster does not take it.
    #[error(transparent)]
    Door(#[from] door::Error),
    /// A public key that cannot be used.
    #[error("the public key cannot be used")]
    PublicKey(#[source] auth::Rejection),
    /// A secret could not be sealed.
    #[error("a secret could not be sealed")]
    Seal(#[source] certs::Error),
}

/// The door of units, applications and keys (Articles 11 and 15).
pub struct Registry {
    core: Core,
    cluster_key: Arc<Keyring>,
}

impl Registry {
    pub(crate) fn new(core: Core, cluster_key: Arc<Keyring>) -> Self {
        Self { core, cluster_key }
    }

    /// Adds units; all or none.
    pub async fn add_units(
        &self,
        caller: &Signed<Whole>,
        units: Vec<NewUnit>,
    ) -> Result<(), door::Error> {
        self.core.propose_for(caller, Command::AddUnits(AddUnits { units })).await.map(drop)
    }

    /// Gives a unit another name.
    pub async fn rename_unit(
        &self,
        caller: &Signed<Whole>,
        code: UnitCode,
        name: Label,
    ) -> Result<(), door::Error> {
        self.core
            .propose_for(caller, Command::RenameUnit(RenameUnit { code, name }))
            .await
            .map(drop)
    }

    /// Removes a unit that nothing refers to. Its record goes; who did it stands in this node's log alone.
    pub async fn remove_unit(
        &self,
        caller: &Signed<Whole>,
        code: UnitCode,
    ) -> Result<(), door::Error> {
        let command = Command::RemoveUnit(RemoveUnit { code: code.clone() });
        self.core.propose_for(caller, command).await?;
        tracing::info!(unit = %code, app = %caller.app(), "a unit was removed");
        Ok(())
    }

    /// Registers an application, Article 11(1)(a).
    pub async fn add_app(&self, caller: &Signed<Whole>, app: AddApp) -> Result<(), door::Error> {
        self.core.propose_for(caller, Command::AddApp(app)).await.map(drop)
    }

    /// Issues a pair of keys, Article 15.
    pub async fn issue_key(&self, caller: &Signed<Whole>, new: NewKey) -> Result<IssuedKey, Error> {
        let mut octets = [0; 20];
        self.core.random.fill(&mut octets);
        let access_key = AccessKey::from_random(octets);
        let (material, secret) = self.material(&access_key, &new)?;
        let sealed_under = match secret {
            Some(_) => certs::sealed_under(&material).map_err(Error::Seal)?,
            None => 0,
        };
        let command = Command::IssueKey(IssueKey {
            key: access_key.clone(),
            app: new.app,
            algorithm: new.algorithm,
            material,
            legacy: new.legacy || new.hmac_sha1,
            hmac_sha1: new.hmac_sha1,
            sealed_under,
        });
        self.core.propose_for(caller, command).await?;
        Ok(IssuedKey { access_key, secret, algorithm: new.algorithm })
    }

    /// Revokes a key for ever: at once, or at a moment until which another may take its place.
    pub async fn revoke_key(
        &self,
        caller: &Signed<Whole>,
        key: AccessKey,
        at: Option<Moment>,
    ) -> Result<(), door::Error> {
        self.core.propose_for(caller, Command::RevokeKey(RevokeKey { key, at })).await.map(drop)
    }

    /// Applications in the order of their names.
    pub async fn apps(
        &self,
        caller: &VerifiedCaller,
        after: Option<&AppId>,
        limit: usize,
    ) -> Result<Vec<AppRecord>, door::Error> {
        require(caller, Grant::Admin)?;
        let rows = self.core.consensus.read_view().await?;
        Ok(View::new(&*rows).apps(after, limit))
    }

    /// Keys in the order of their names, without secrets that could be used.
    pub async fn keys(
        &self,
        caller: &VerifiedCaller,
        after: Option<&AccessKey>,
        limit: usize,
    ) -> Result<Vec<KeyRecord>, door::Error> {
        require(caller, Grant::Admin)?;
        let rows = self.core.consensus.read_view().await?;
        Ok(View::new(&*rows).keys(after, limit))
    }

    fn material(
        &self,
        access_key: &AccessKey,
        new: &NewKey,
    ) -> Result<(Vec<u8>, Option<auth::Secret>), Error> {
        if !new.algorithm.is_symmetric() {
            let given = new.public_key.as_deref().unwrap_or_default();
            let spki = auth::PublicKey::parse(new.algorithm, given).map_err(Error::PublicKey)?;
            return Ok((spki, None));
        }
        let mut octets = Zeroizing::new([0; 32]);
        self.core.random.fill(&mut *octets);
        let secret = auth::Secret::from_random(&octets);
        let sealed = seal_secret(&self.cluster_key, access_key, secret.expose());
        Ok((sealed, Some(secret)))
    }
}

/// Seals an application's secret under the cluster key, bound to its access key.
pub fn seal_secret(cluster_key: &certs::Keyring, access_key: &AccessKey, secret: &[u8]) -> Vec<u8> {
    cluster_key.seal(&secret_context(access_key), secret)
}

pub(crate) fn secret_context(access_key: &AccessKey) -> Vec<u8> {
    [SECRET_PURPOSE, access_key.as_str().as_bytes()].concat()
}
