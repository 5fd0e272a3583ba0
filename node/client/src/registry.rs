//! The bodies of the registry: units, applications, keys, and who had them made.

use model::{AccessKey, AppId, Grant, KeyAlgorithm, UnitCode, UnitKind};
use serde::{Deserialize, Serialize};

use crate::Secret;

/// Who had something made or changed. Nobody where the founding or the nodes did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// The key that signed.
    pub access_key: AccessKey,
    /// Its application.
    pub app: AppId,
}

/// A unit to register.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewUnit {
    /// Its code.
    pub code: UnitCode,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: UnitKind,
    /// The unit above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<UnitCode>,
    /// Other codes it is known by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<UnitCode>,
}

/// A registered unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unit {
    /// Its code.
    pub code: UnitCode,
    /// Its name.
    pub name: String,
    /// Its kind, as a word.
    #[serde(default)]
    pub kind: String,
    /// The unit above it.
    #[serde(default)]
    pub parent: Option<UnitCode>,
    /// Other codes it is known by.
    #[serde(default)]
    pub aliases: Vec<UnitCode>,
    /// When it was registered.
    #[serde(default)]
    pub added_at: Option<String>,
    /// Who registered it.
    #[serde(default)]
    pub added_by: Option<By>,
    /// Who gave it its present name, if that is another than it was registered with.
    #[serde(default)]
    pub renamed_by: Option<By>,
}

/// How many were added.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Added {
    /// The number.
    pub added: u64,
}

/// An application to register.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewApp {
    /// Its name in the cluster.
    pub app: AppId,
    /// The unit it speaks for.
    pub unit: UnitCode,
    /// Its name for people.
    pub name: String,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// The only units it may send to; none listed means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<UnitCode>,
}

/// A registered application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct App {
    /// Its name in the cluster.
    pub app: AppId,
    /// The unit it speaks for; none for the cluster's own administration.
    #[serde(default)]
    pub unit: Option<UnitCode>,
    /// Its name for people.
    #[serde(default)]
    pub name: String,
    /// What it may do, as words.
    #[serde(default)]
    pub grants: Vec<String>,
    /// The only units it may send to; none listed means all.
    #[serde(default)]
    pub targets: Vec<UnitCode>,
    /// When it was registered.
    #[serde(default)]
    pub added_at: Option<String>,
    /// Who registered it.
    #[serde(default)]
    pub added_by: Option<By>,
}

/// A key to issue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewKey {
    /// The application that will sign with it.
    pub app: AppId,
    /// Its one algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<KeyAlgorithm>,
    /// The public key in PEM, for the algorithms that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Whether the legacy profile is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<bool>,
    /// Whether HMAC-SHA1 is allowed in the legacy profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac_sha1: Option<bool>,
}

/// A key as it was issued: the only time that its secret is seen.
#[derive(Debug, Clone, Deserialize)]
pub struct IssuedKey {
    /// The public name of the key.
    pub access_key: AccessKey,
    /// The secret, when the platform made one.
    #[serde(default)]
    pub secret_key: Option<Secret>,
    /// Its algorithm.
    #[serde(default)]
    pub algorithm: String,
}

/// A key as it is listed, without any secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    /// The public name of the key.
    pub access_key: AccessKey,
    /// The application that signs with it.
    pub app: AppId,
    /// Its algorithm.
    #[serde(default)]
    pub algorithm: String,
    /// `active` or `revoked`.
    #[serde(default)]
    pub status: String,
    /// Whether the legacy profile is allowed.
    #[serde(default)]
    pub legacy: bool,
    /// Whether HMAC-SHA1 is allowed.
    #[serde(default)]
    pub hmac_sha1: bool,
    /// When it was issued.
    #[serde(default)]
    pub issued_at: Option<String>,
    /// The same, counted by how long the cluster had run.
    #[serde(default)]
    pub issued_tick: Option<u64>,
    /// Who issued it.
    #[serde(default)]
    pub issued_by: Option<By>,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<String>,
    /// Who revoked it, or said when it ends.
    #[serde(default)]
    pub revoked_by: Option<By>,
    /// When it will be revoked.
    #[serde(default)]
    pub ends_at: Option<String>,
}
