//! Forms of the registry, version 1: units, their applications and keys; commands and records.

use minicbor::{Decode, Encode};
use model::{
    AccessKey, AppId, Grants, KeyAlgorithm, KeyStatus, Label, Moment, Tick, UnitCode, UnitKind,
};

use super::{By, Time};

/// See [`Command::AddUnits`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AddUnits {
    /// 1 to [`UNITS_A_COMMAND_MAX`] units; all are added or none.
    #[n(0)]
    pub units: Vec<NewUnit>,
}

/// Units that one command may add: keeps an entry well under a megabyte.
pub const UNITS_A_COMMAND_MAX: usize = 1000;

/// A unit to be added.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct NewUnit {
    /// Its code.
    #[n(0)]
    pub code: UnitCode,
    /// Its name.
    #[n(1)]
    pub name: Label,
    /// What kind it is.
    #[n(2)]
    pub kind: UnitKind,
    /// The unit above it, which must be registered or stand earlier in the same command.
    #[n(3)]
    pub parent: Option<UnitCode>,
    /// Other codes of the same unit (the older form of QCVN 102, say).
    #[n(4)]
    pub aliases: Vec<UnitCode>,
}

/// See [`Command::AddApp`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AddApp {
    /// Its name in the cluster.
    #[n(0)]
    pub app: AppId,
    /// The unit that it acts for.
    #[n(1)]
    pub unit: UnitCode,
    /// A name for people.
    #[n(2)]
    pub name: Label,
    /// What it may do.
    #[n(3)]
    pub grants: Grants,
    /// The units that it may send to; empty means every unit.
    #[n(4)]
    pub targets: Vec<UnitCode>,
}

/// See [`Command::IssueKey`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct IssueKey {
    /// Minted outside.
    #[n(0)]
    pub key: AccessKey,
    /// Whose it is.
    #[n(1)]
    pub app: AppId,
    /// The one algorithm that it signs with.
    #[n(2)]
    pub algorithm: KeyAlgorithm,
    /// The secret sealed under the cluster key (HMAC), or the public key (DER, SubjectPublicKeyInfo).
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub material: Vec<u8>,
    /// Whether it may sign by the legacy profile (draft-cavage-12).
    #[n(4)]
    pub legacy: bool,
    /// Whether it may sign by hmac-sha1 in the legacy profile, Article 8(4).
    #[n(5)]
    pub hmac_sha1: bool,
    /// The version of the cluster key that sealed the secret; 0 for a public key.
    #[n(6)]
    pub sealed_under: u32,
}

/// See [`crate::Command::RevokeKey`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RevokeKey {
    /// Which key.
    #[n(0)]
    pub key: AccessKey,
    /// From when on it is worth nothing; none, or a moment that is past, is at once.
    #[n(1)]
    pub at: Option<Moment>,
}

/// See [`crate::Command::RenameUnit`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RenameUnit {
    /// Which unit, by any of its codes.
    #[n(0)]
    pub code: UnitCode,
    /// Its new name.
    #[n(1)]
    pub name: Label,
}

/// See [`crate::Command::RemoveUnit`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RemoveUnit {
    /// Which unit, by any of its codes.
    #[n(0)]
    pub code: UnitCode,
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct UnitRecord {
    /// Its code.
    #[n(0)]
    pub code: UnitCode,
    /// Its name.
    #[n(1)]
    pub name: Label,
    /// What kind it is.
    #[n(2)]
    pub kind: UnitKind,
    /// The unit above it.
    #[n(3)]
    pub parent: Option<UnitCode>,
    /// Other codes of the same unit.
    #[n(4)]
    pub aliases: Vec<UnitCode>,
    /// When it was added.
    #[n(5)]
    pub added_at: Moment,
    /// Who added it.
    #[n(6)]
    pub added_by: Option<By>,
    /// Who gave it its present name, if that is another than it was added with.
    #[n(7)]
    pub renamed_by: Option<By>,
}

/// An application.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AppRecord {
    /// Its name in the cluster.
    #[n(0)]
    pub app: AppId,
    /// The unit that it acts for.
    #[n(1)]
    pub unit: UnitCode,
    /// Its name for people.
    #[n(2)]
    pub name: Label,
    /// What it may do.
    #[n(3)]
    pub grants: Grants,
    /// The units that it may send to; empty means every unit.
    #[n(4)]
    pub targets: Vec<UnitCode>,
    /// When it was registered.
    #[n(5)]
    pub added_at: Moment,
    /// Who registered it.
    #[n(6)]
    pub added_by: Option<By>,
}

/// Of an application's record, whom it may send to. Sending asks for nothing else.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Reach {
    /// See [`AppRecord::targets`].
    #[n(4)]
    pub(crate) targets: Vec<UnitCode>,
}

impl Reach {
    /// Whether the application may send to every unit.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.targets.is_empty()
    }

    /// Whether the application may send to a unit, given by its main code.
    pub(crate) fn includes(&self, target: &UnitCode) -> bool {
        self.is_everywhere() || self.targets.binary_search(target).is_ok()
    }
}

/// Of a key's record, for whom it signs and whether it may. Each signed command asks for nothing else.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Signer {
    /// See [`KeyRecord::app`].
    #[n(1)]
    pub(crate) app: AppId,
    /// See [`KeyRecord::unit`].
    #[n(2)]
    pub(crate) unit: UnitCode,
    /// See [`KeyRecord::grants`].
    #[n(3)]
    pub(crate) grants: Grants,
    /// See [`KeyRecord::algorithm`].
    #[n(4)]
    pub(crate) algorithm: KeyAlgorithm,
    /// See [`KeyRecord::material`].
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) material: Vec<u8>,
    /// See [`KeyRecord::status`].
    #[n(8)]
    pub(crate) status: KeyStatus,
}

/// A key. Nothing in it is a usable secret.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct KeyRecord {
    /// The access key.
    #[n(0)]
    pub key: AccessKey,
    /// Whose it is.
    #[n(1)]
    pub app: AppId,
    /// The unit that the application acts for.
    #[n(2)]
    pub unit: UnitCode,
    /// What the application may do, copied so that one read answers for a request.
    #[n(3)]
    pub grants: Grants,
    /// The one algorithm.
    #[n(4)]
    pub algorithm: KeyAlgorithm,
    /// The sealed secret or the public key.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub material: Vec<u8>,
    /// Whether the legacy profile is open to it.
    #[n(6)]
    pub legacy: bool,
    /// Whether hmac-sha1 is open to it.
    #[n(7)]
    pub hmac_sha1: bool,
    /// Whether it may be used.
    #[n(8)]
    pub status: KeyStatus,
    /// When it was issued.
    #[n(9)]
    pub issued_at: Moment,
    /// When it was revoked.
    #[n(10)]
    pub revoked_at: Option<Moment>,
    /// The version of the cluster key that sealed the secret; 0 for a public key.
    #[n(11)]
    pub sealed_under: u32,
    /// When it will be revoked, where another key has taken its place.
    #[n(12)]
    pub ends_at: Option<Time>,
    /// When it was issued, counted.
    #[n(13)]
    pub issued_tick: Tick,
    /// Who issued it.
    #[n(14)]
    pub issued_by: Option<By>,
    /// Who revoked it, or last said when it ends.
    #[n(15)]
    pub revoked_by: Option<By>,
}
