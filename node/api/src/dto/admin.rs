//! Applications, keys and members, for administrators.

use std::fmt::Display;

use conductor::{
    ClusterKeyStatus, Health, IssuedKey, MemberRole, MemberStatus, NewKey, Status, WarningKind,
};
use machine::{AddApp, AppRecord, By, KeyRecord, TARGETS_MAX};
use model::{
    AccessKey, AppId, Grant, Grants, KeyAlgorithm, KeyStatus, Label, Moment, NodeId, UnitCode,
};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::{At, Whole, authority::AuthorityView, check::Check, schemas};
use crate::problem::Problem;

/// An application to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApp {
    #[schema(schema_with = schemas::app_id)]
    app: String,
    /// The unit that it acts for.
    #[schema(schema_with = schemas::unit_code)]
    unit: String,
    #[schema(schema_with = schemas::label)]
    name: String,
    /// What it may do.
    #[schema(schema_with = schemas::grants)]
    grants: Vec<String>,
    #[serde(default)]
    #[schema(schema_with = schemas::reach)]
    targets: Vec<String>,
}

impl NewApp {
    /// The application.
    pub(crate) fn checked(&self) -> Result<AddApp, Problem> {
        let mut check = Check::default();
        let app = check.word("/app", &self.app);
        let unit = check.word("/unit", &self.unit);
        let name = check.word("/name", &self.name);
        let grants: Vec<Grant> = check.words("/grants", &self.grants);
        check.count("/targets", self.targets.len(), 0..=TARGETS_MAX);
        let targets = check.words("/targets", &self.targets);
        let app = (|| {
            Some(AddApp {
                app: app?,
                unit: unit?,
                name: name?,
                grants: grants.into_iter().collect(),
                targets,
            })
        })();
        check.done(app)
    }
}

/// Who had something made or changed. Null where the founding or the nodes did it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ByView {
    #[schema(schema_with = schemas::access_key)]
    access_key: AccessKey,
    #[schema(schema_with = schemas::app_id)]
    app: AppId,
}

impl From<By> for ByView {
    fn from(by: By) -> Self {
        Self { access_key: by.key, app: by.app }
    }
}

/// An application.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppView {
    #[schema(schema_with = schemas::app_id)]
    app: AppId,
    #[schema(schema_with = schemas::unit_code)]
    unit: UnitCode,
    #[schema(schema_with = schemas::label)]
    name: Label,
    #[schema(schema_with = schemas::grants)]
    grants: Vec<Grant>,
    /// Units that it may send to; empty means every unit.
    #[schema(value_type = Vec<String>)]
    targets: Vec<UnitCode>,
    #[schema(schema_with = schemas::moment)]
    added_at: At,
    /// Who registered it.
    added_by: Option<ByView>,
}

impl From<AppRecord> for AppView {
    fn from(record: AppRecord) -> Self {
        Self {
            app: record.app,
            unit: record.unit,
            name: record.name,
            grants: words(record.grants),
            targets: record.targets,
            added_at: At(record.added_at),
            added_by: record.added_by.map(ByView::from),
        }
    }
}

/// An application was registered.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppAdded {
    #[schema(schema_with = schemas::app_id)]
    pub(crate) app: AppId,
}

fn words(grants: Grants) -> Vec<Grant> {
    grants.iter().collect()
}

/// A key to be issued.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssueKey {
    #[schema(schema_with = schemas::app_id)]
    app: String,
    /// The one algorithm; `hmac-sha256` when not given.
    #[schema(schema_with = schemas::key_algorithm_or_null)]
    algorithm: Option<String>,
    /// The public key in PEM, for every algorithm but `hmac-sha256`.
    public_key: Option<String>,
    /// Opens the legacy profile (draft-cavage-12) to it.
    #[serde(default)]
    legacy: bool,
    /// Opens hmac-sha1 to it in the legacy profile (Article 8(4)).
    #[serde(default)]
    hmac_sha1: bool,
}

impl IssueKey {
    /// The key.
    pub(crate) fn checked(self) -> Result<NewKey, Problem> {
        let mut check = Check::default();
        let app = check.word("/app", &self.app);
        let algorithm = match self.algorithm.as_deref() {
            None => Some(KeyAlgorithm::HmacSha256),
            given => check.optional("/algorithm", given),
        };
        match (algorithm.map(KeyAlgorithm::is_symmetric), &self.public_key) {
            (Some(true), Some(_)) => check.wrong("/public_key", "this algorithm has no public key"),
            (Some(false), None) => check.wrong("/public_key", "this algorithm needs a public key"),
            _ => {}
        }
        let public_key = self.public_key.map(String::into_bytes);
        let (legacy, hmac_sha1) = (self.legacy, self.hmac_sha1);
        let key = app.zip(algorithm).map(|(app, algorithm)| NewKey {
            app,
            algorithm,
            public_key,
            legacy,
            hmac_sha1,
        });
        check.done(key)
    }
}

/// A key was issued.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyIssued<'a> {
    #[schema(schema_with = schemas::access_key)]
    access_key: &'a AccessKey,
    /// Shown once and never again; only for `hmac-sha256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<&'a str>,
    #[schema(schema_with = schemas::key_algorithm)]
    algorithm: KeyAlgorithm,
}

impl<'a> From<&'a IssuedKey> for KeyIssued<'a> {
    fn from(issued: &'a IssuedKey) -> Self {
        Self {
            access_key: &issued.access_key,
            secret_key: issued
                .secret
                .as_ref()
                .and_then(|secret| std::str::from_utf8(secret.expose()).ok()),
            algorithm: issued.algorithm,
        }
    }
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyView {
    #[schema(schema_with = schemas::access_key)]
    access_key: AccessKey,
    #[schema(schema_with = schemas::app_id)]
    app: AppId,
    #[schema(schema_with = schemas::unit_code)]
    unit: UnitCode,
    #[schema(schema_with = schemas::grants)]
    grants: Vec<Grant>,
    #[schema(schema_with = schemas::key_algorithm)]
    algorithm: KeyAlgorithm,
    legacy: bool,
    hmac_sha1: bool,
    #[schema(schema_with = schemas::key_status)]
    status: KeyStatus,
    #[schema(schema_with = schemas::moment)]
    issued_at: At,
    /// The same, counted by how long the cluster has run: no clock moves it.
    issued_tick: u64,
    /// Who issued it.
    issued_by: Option<ByView>,
    #[schema(schema_with = schemas::moment_or_null)]
    revoked_at: Option<At>,
    /// Who revoked it, or said when it ends.
    revoked_by: Option<ByView>,
    /// When it will be revoked, where another has taken its place.
    #[schema(schema_with = schemas::moment_or_null)]
    ends_at: Option<At>,
}

impl From<KeyRecord> for KeyView {
    fn from(record: KeyRecord) -> Self {
        Self {
            access_key: record.key,
            app: record.app,
            unit: record.unit,
            grants: words(record.grants),
            algorithm: record.algorithm,
            legacy: record.legacy,
            hmac_sha1: record.hmac_sha1,
            status: record.status,
            issued_at: At(record.issued_at),
            issued_tick: record.issued_tick.0,
            issued_by: record.issued_by.map(ByView::from),
            revoked_at: At::some(record.revoked_at),
            revoked_by: record.revoked_by.map(ByView::from),
            ends_at: record.ends_at.map(|end| At(end.date)),
        }
    }
}

/// A key was revoked.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyRevoked {
    #[schema(schema_with = schemas::access_key)]
    pub(crate) access_key: AccessKey,
    #[schema(schema_with = schemas::key_status)]
    pub(crate) status: KeyStatus,
    /// When it ends, if it goes on for a while.
    #[schema(schema_with = schemas::moment_or_null)]
    pub(crate) ends_at: Option<At>,
}

/// A key to be revoked.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeKey {
    /// From when on it is worth nothing: up to 90 days ahead; at once when not given.
    #[schema(schema_with = schemas::moment_or_null)]
    at: Option<String>,
}

impl RevokeKey {
    /// The moment, if one is named.
    pub(crate) fn checked(self) -> Result<Option<Moment>, Problem> {
        let mut check = Check::default();
        let at = check.moment("/at", self.at.as_deref());
        check.done(Some(at))
    }
}

/// The cluster as an operator sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusView {
    /// The random name that tells this cluster from every other.
    cluster: String,
    #[schema(schema_with = schemas::label)]
    name: Label,
    /// The level-1 code of its own units.
    #[schema(schema_with = schemas::zone)]
    zone: String,
    #[schema(schema_with = schemas::health)]
    #[serde(serialize_with = "as_word")]
    health: Health,
    /// How many more nodes may die.
    tolerates: usize,
    /// The cluster's date: what a majority of the nodes' clocks shows.
    #[schema(schema_with = schemas::moment)]
    time: At,
    /// The same, in milliseconds since 1970.
    #[schema(example = 1_795_334_851_204_u64)]
    time_ms: u64,
    /// How far the trusted date is ahead of the cluster's date: nonces are kept by it.
    #[schema(example = -1200)]
    trusted_ahead_ms: Option<i64>,
    nodes: Vec<Member>,
    #[schema(value_type = Option<u64>)]
    leader: Option<NodeId>,
    term: u64,
    applied: u64,
    /// Live packets whose content no node holds any more.
    lost: u64,
    warnings: Vec<WarningView>,
    cluster_key: Option<ClusterKeyView>,
    authority: Option<AuthorityView>,
}

/// How far the cluster key has turned.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClusterKeyView {
    /// The version that seals.
    version: u32,
    /// `settled`, or what a rotation is at: `wanted`, `handed_out`, `resealing`.
    #[schema(example = "settled")]
    phase: &'static str,
    #[schema(schema_with = schemas::moment)]
    active_at: At,
    /// Nodes that hold the version that is being handed out.
    #[schema(value_type = Vec<u64>)]
    holders: Vec<NodeId>,
    /// Until when tokens of older versions are honoured.
    #[schema(schema_with = schemas::moment_or_null)]
    old_tokens_until: Option<At>,
    /// Until when older versions are kept to open contents.
    #[schema(schema_with = schemas::moment_or_null)]
    old_contents_until: Option<At>,
    /// How many older versions are kept.
    older_versions: usize,
    /// From so many on an administrator's rotation is refused; a removal's is not.
    older_versions_max: usize,
    /// When the oldest of them is forgotten.
    #[schema(schema_with = schemas::moment_or_null)]
    oldest_until: Option<At>,
}

/// A rotation of the cluster key to be begun.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateClusterKey {
    /// Whether tokens derived under older versions end with the rotation instead of a day later.
    #[serde(default)]
    pub(crate) end_tokens: bool,
}

impl From<ClusterKeyStatus> for ClusterKeyView {
    fn from(status: ClusterKeyStatus) -> Self {
        let phase = status.phase();
        let record = status.record;
        Self {
            version: record.active,
            phase,
            active_at: At(record.active_at),
            old_tokens_until: record.tokens_until.map(|until| At(until.date)),
            old_contents_until: record.contents_until().map(|until| At(until.date)),
            older_versions: record.older.len(),
            older_versions_max: machine::OLDER_VERSIONS_MAX,
            oldest_until: record.older.first().map(|older| At(older.until.date)),
            holders: record.staged.map(|staged| staged.holders).unwrap_or_default(),
        }
    }
}

/// One node.
#[derive(Serialize, ToSchema)]
pub(crate) struct Member {
    #[schema(value_type = u64)]
    node: NodeId,
    #[schema(schema_with = schemas::label)]
    name: Label,
    #[schema(schema_with = schemas::member_role)]
    #[serde(serialize_with = "as_word")]
    role: MemberRole,
    reachable: bool,
    #[schema(example = "10.0.0.1:7443")]
    mesh_address: String,
    #[schema(schema_with = schemas::url)]
    api_url: String,
    version: String,
    /// How far its clock is ahead of the cluster's date.
    clock_offset_ms: Option<i64>,
    disk_free: Option<u64>,
    disk_total: Option<u64>,
    /// Free octets below which it takes no contents.
    disk_reserve: Option<u64>,
    applied: Option<u64>,
    /// Contents that it holds.
    contents: Option<u64>,
    /// Contents that it should hold, and that no node that answers it has.
    contents_missing: Option<u64>,
    /// Facts of the history that it lacks, at most, and that no node that answers it has.
    facts_wanted: Option<u64>,
    /// Packets whose content it has yet to destroy.
    purge_debt: u64,
    /// Ended packets that it had not destroyed when it was removed; its disk is out of reach.
    undestroyed: u64,
    /// `full`, `copied`, `went_back`, `catching_up` or `apart`.
    #[schema(example = "full")]
    standing: Option<String>,
    /// It has told of entries that no other member that answers holds.
    holds_more: bool,
    /// Who issued the join token that it was admitted with.
    admitted_by: Option<ByView>,
    #[schema(schema_with = schemas::moment_or_null)]
    removed_at: Option<At>,
    /// The same, counted by how long the cluster has run.
    removed_tick: Option<u64>,
    /// Who removed it.
    removed_by: Option<ByView>,
}

/// Writes a member of a closed list by its word.
fn as_word<S: Serializer>(member: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(member)
}

/// Something to look at.
#[derive(Serialize, ToSchema)]
pub(crate) struct WarningView {
    /// What it is about. A newer node may say more of them.
    #[schema(value_type = String, example = "clock_offset")]
    #[serde(serialize_with = "as_word")]
    word: WarningKind,
    /// Which node, and the number that belongs to the word.
    #[schema(example = "node 2: 812")]
    detail: String,
}

impl From<MemberStatus> for Member {
    fn from(member: MemberStatus) -> Self {
        let (record, vitals) = (member.record, member.vitals);
        let told = vitals.as_ref();
        Self {
            node: record.node,
            role: member.role,
            reachable: told.is_some(),
            clock_offset_ms: member.clock_offset_ms,
            disk_free: told.map(|vitals| vitals.disk_free),
            disk_total: told.map(|vitals| vitals.disk_total),
            disk_reserve: told.map(|vitals| vitals.disk_reserve),
            applied: told.map(|vitals| vitals.applied),
            contents: told.map(|vitals| vitals.contents_count),
            contents_missing: told.map(|vitals| vitals.contents_missing),
            facts_wanted: told.map(|vitals| vitals.facts_wanted),
            purge_debt: member.purge_debt_count,
            undestroyed: record.owing.map_or(0, |owing| owing.count()),
            standing: member.standing,
            holds_more: member.holds_more,
            admitted_by: record.admitted_by.map(ByView::from),
            removed_at: At::some(record.removed_at),
            removed_tick: record.removed_tick.map(|tick| tick.0),
            removed_by: record.removed_by.map(ByView::from),
            name: record.now.name,
            mesh_address: record.now.mesh_address,
            api_url: record.now.api_url,
            version: record.now.version,
        }
    }
}

impl From<Status> for StatusView {
    fn from(status: Status) -> Self {
        let warnings = status.warnings.into_iter().map(|warning| WarningView {
            word: warning.kind,
            detail: match warning.note.as_str() {
                "" => format!("node {}: {}", warning.node, warning.value),
                note => format!("node {}: {note}", warning.node),
            },
        });
        Self {
            cluster: status.cluster.cluster,
            name: status.cluster.name,
            zone: status.cluster.zone.to_string(),
            health: status.health,
            tolerates: status.tolerates,
            time: At(status.now),
            time_ms: status.now.0,
            trusted_ahead_ms: status.trusted_ahead_ms,
            nodes: status.members.into_iter().map(Member::from).collect(),
            leader: status.leader,
            term: status.term,
            applied: status.applied,
            lost: status.lost_count,
            warnings: warnings.collect(),
            cluster_key: status.cluster_key.map(ClusterKeyView::from),
            authority: status.authorities.map(AuthorityView::from),
        }
    }
}

/// The nodes, present and removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Members {
    pub(crate) nodes: Vec<Member>,
}

impl From<Status> for Members {
    fn from(status: Status) -> Self {
        Self { nodes: status.members.into_iter().map(Member::from).collect() }
    }
}

/// A node was removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct MemberRemoved {
    #[schema(value_type = u64)]
    pub(crate) node: NodeId,
}

/// A join token to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewJoinToken {
    /// How long it is valid; 30 when not given. Less than one is one, more than a day is a day.
    #[schema(schema_with = schemas::minutes_or_null)]
    pub(crate) minutes: Option<Whole>,
}

/// How a member is removed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Removal {
    /// Also where the member holds what no other does.
    #[serde(default)]
    pub(crate) force: bool,
}

/// A join token; shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct JoinTokenIssued<'a> {
    #[schema(example = "jn_…")]
    pub(crate) token: &'a str,
    #[schema(schema_with = schemas::moment)]
    pub(crate) expires_at: At,
}
