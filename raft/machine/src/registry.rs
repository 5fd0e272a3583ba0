//! The registry: units, their applications, and the keys that applications sign with, Article 11.
//!
//! Nothing is taken away here except a key's validity; what may still happen to a unit is in `units`.

use model::{AccessKey, AppId, Grant, KeyStatus, Label, Moment, UnitCode, UnitKind, Zone};

use crate::{
    caller::Caller,
    cluster_key, feed,
    refusal::Refusal,
    tables::{ALIASES, APPS, CLUSTER, ENDING, KEYS, SEALED, Tables, UNITS},
    v1::{
        AccessChange, AccessKind, AddApp, AddUnits, Answer, AppRecord, Effect, EventKind, IssueKey,
        KeyRecord, NewUnit, Outcome, RevokeKey, TARGETS_MAX, Time, UNITS_A_COMMAND_MAX, UnitRecord,
        What,
    },
};

/// Other codes of one unit: the forms of two decisions and of some mergers.
pub const ALIASES_MAX: usize = 16;
/// How long a key may go on beside the one that takes its place: 90 days.
pub const KEY_OVERLAP_MAX_MS: u64 = 90 * 24 * 3_600_000;
/// Keys that one passing of time revokes.
const KEYS_ENDED_MAX: usize = 100;

/// Adds all the units or none.
pub(crate) fn add_units(tables: &mut Tables, caller: &Caller, command: &AddUnits) -> Answer {
    if !(1..=UNITS_A_COMMAND_MAX).contains(&command.units.len()) {
        return Err(Refusal::ListMalformed);
    }
    let zone = tables.get(&CLUSTER, &()).ok_or(Refusal::NotFounded)?.zone;
    for unit in &command.units {
        add_unit(tables, caller, &zone, unit)?;
    }
    Ok(Outcome::Done)
}

fn add_unit(
    tables: &mut Tables,
    caller: &Caller,
    zone: &Zone,
    unit: &NewUnit,
) -> Result<(), Refusal> {
    if unit.aliases.len() > ALIASES_MAX {
        return Err(Refusal::ListMalformed);
    }
    check_code(zone, unit.kind, &unit.code)?;
    for alias in &unit.aliases {
        check_alias(zone, unit.kind, alias)?;
    }
    // A unit that stands earlier in the same command is registered by now.
    let parent = match &unit.parent {
        Some(parent) => Some(tables.resolve(parent).ok_or(Refusal::ParentUnknown)?),
        None => None,
    };
    let record = UnitRecord {
        code: unit.code.clone(),
        name: unit.name.clone(),
        kind: unit.kind,
        parent,
        aliases: unit.aliases.clone(),
        added_at: tables.at,
        added_by: Some(caller.by()),
        renamed_by: None,
    };
    put_unit(tables, &record)
}

/// Puts a unit under all its codes, each of which must be new.
fn put_unit(tables: &mut Tables, unit: &UnitRecord) -> Result<(), Refusal> {
    if tables.resolve(&unit.code).is_some() {
        return Err(Refusal::UnitExists);
    }
    tables.put(&UNITS, &unit.code, unit);
    for alias in &unit.aliases {
        if tables.resolve(alias).is_some() {
            return Err(Refusal::UnitExists);
        }
        tables.put(&ALIASES, alias, &unit.code);
    }
    Ok(())
}

// Article 11(1): our own units carry codes of Decision 20/2020; what others carry is theirs to say,
// but no code under our zone.
fn check_code(zone: &Zone, kind: UnitKind, code: &UnitCode) -> Result<(), Refusal> {
    if kind == UnitKind::Remote {
        return if looks_like_ours(zone, code) { Err(Refusal::CodeOutsideZone) } else { Ok(()) };
    }
    if !code.is_decision_20() {
        return Err(Refusal::CodeMalformed);
    }
    if !code.is_in(zone) {
        return Err(Refusal::CodeOutsideZone);
    }
    Ok(())
}

// An alias may be of any older form; one that looks like ours is held to the same rule.
fn check_alias(zone: &Zone, kind: UnitKind, alias: &UnitCode) -> Result<(), Refusal> {
    if !looks_like_ours(zone, alias) {
        return Ok(());
    }
    check_code(zone, kind, alias)
}

fn looks_like_ours(zone: &Zone, code: &UnitCode) -> bool {
    let rest = code.as_str().strip_prefix(zone.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Registers the zone's own unit, under which all others stand.
pub(crate) fn add_zone_unit(
    tables: &mut Tables,
    code: &UnitCode,
    name: &Label,
) -> Result<(), Refusal> {
    let unit = UnitRecord {
        code: code.clone(),
        name: name.clone(),
        kind: UnitKind::Province,
        parent: None,
        aliases: Vec::new(),
        added_at: tables.at,
        added_by: None,
        renamed_by: None,
    };
    put_unit(tables, &unit)
}

/// Registers an application of a unit, Article 11(1a); the unit is told who did it.
pub(crate) fn add_app(tables: &mut Tables, caller: Option<&Caller>, command: &AddApp) -> Answer {
    if tables.has(&APPS, &command.app) {
        return Err(Refusal::AppExists);
    }
    if command.targets.len() > TARGETS_MAX {
        return Err(Refusal::ListMalformed);
    }
    let unit = tables.resolve(&command.unit).ok_or(Refusal::UnitUnknown)?;
    let mut targets = Vec::with_capacity(command.targets.len());
    for target in &command.targets {
        targets.push(tables.resolve(target).ok_or(Refusal::UnitUnknown)?);
    }
    // In order, so that a request is checked against it quickly.
    targets.sort();
    targets.dedup();
    let app = AppRecord {
        app: command.app.clone(),
        unit,
        name: command.name.clone(),
        grants: command.grants,
        targets,
        added_at: tables.at,
        added_by: caller.map(Caller::by),
    };
    tables.put(&APPS, &command.app, &app);
    let about = (&app.app, None, None);
    record_access(tables, caller, AccessKind::AppAdded, &app.unit, about);
    feed::tell_of_access(tables, &app.unit, caller, EventKind::AppAdded, about);
    Ok(Outcome::Done)
}

/// Issues a key to an application, Article 15; the application's unit is told who did it.
pub(crate) fn issue_key(
    tables: &mut Tables,
    caller: Option<&Caller>,
    command: &IssueKey,
) -> Answer {
    if tables.has(&KEYS, &command.key) {
        return Err(Refusal::KeyExists);
    }
    let app = tables.get(&APPS, &command.app).ok_or(Refusal::AppUnknown)?;
    if command.algorithm.is_symmetric() && !cluster_key::may_seal(tables, command.sealed_under) {
        return Err(Refusal::KeyVersionEnded);
    }
    let key = KeyRecord {
        key: command.key.clone(),
        app: app.app,
        unit: app.unit,
        grants: app.grants,
        algorithm: command.algorithm,
        material: command.material.clone(),
        legacy: command.legacy,
        hmac_sha1: command.hmac_sha1,
        status: KeyStatus::Active,
        issued_at: tables.at,
        revoked_at: None,
        sealed_under: command.sealed_under,
        ends_at: None,
        issued_tick: tables.tick,
        issued_by: caller.map(Caller::by),
        revoked_by: None,
    };
    if key.algorithm.is_symmetric() {
        tables.put(&SEALED, &(u64::from(key.sealed_under), key.key.clone()), &());
    }
    tables.put(&KEYS, &command.key, &key);
    let about = (&key.app, Some(&key.key), None);
    record_access(tables, caller, AccessKind::KeyIssued, &key.unit, about);
    feed::tell_of_access(tables, &key.unit, caller, EventKind::KeyIssued, about);
    Ok(Outcome::Done)
}

/// Revokes a key, for ever, now or at a moment, and tells its unit who did it; never the last one that
/// may administer, for nobody could issue another.
pub(crate) fn revoke_key(tables: &mut Tables, caller: &Caller, command: &RevokeKey) -> Answer {
    let mut key = tables.get(&KEYS, &command.key).ok_or(Refusal::KeyUnknown)?;
    // A repeat is the same answer, not an error.
    if key.status != KeyStatus::Active {
        return Ok(Outcome::Done);
    }
    if key.grants.has(Grant::Admin) && !has_other_admin(tables, &key) {
        return Err(Refusal::LastAdminKey);
    }
    let later = command.at.filter(|at| *at > tables.at);
    if later.is_some_and(|at| at.0 > tables.at.0.saturating_add(KEY_OVERLAP_MAX_MS)) {
        return Err(Refusal::DeadlineMalformed);
    }
    if let Some(before) = key.ends_at.take() {
        tables.delete(&ENDING, &(before.tick, key.key.clone()));
    }
    key.revoked_by = Some(caller.by());
    let about = (&key.app, Some(&key.key), later);
    record_access(tables, Some(caller), AccessKind::KeyRevoked, &key.unit, about);
    feed::tell_of_access(tables, &key.unit, Some(caller), EventKind::KeyRevoked, about);
    match later {
        Some(at) => {
            // From now on it is ticks that count, so a clock that jumps ends no key.
            let tick = tables.tick.plus_ms(at.0 - tables.at.0);
            key.ends_at = Some(Time { date: at, tick });
            tables.put(&ENDING, &(tick, key.key.clone()), &());
            tables.put(&KEYS, &command.key, &key);
        }
        None => end_key(tables, key),
    }
    Ok(Outcome::Done)
}

/// Records a change of what may act for a unit, with the signature of the administrator.
fn record_access(
    tables: &mut Tables,
    caller: Option<&Caller>,
    kind: AccessKind,
    unit: &UnitCode,
    (app, key, ends_at): (&AppId, Option<&AccessKey>, Option<Moment>),
) {
    if let Some(caller) = caller {
        tables.signed(caller);
    }
    let (unit, app, key) = (unit.clone(), app.clone(), key.cloned());
    tables.record(What::Access(AccessChange { kind, unit, app, key, ends_at }));
}

/// Revokes keys whose time is over; answers whether there are more.
pub(crate) fn end_due_keys(tables: &mut Tables) -> bool {
    let after_now = ENDING.prefix(&tables.tick.plus_ms(1));
    let mut due = ENDING.keys(&tables.store, &ENDING.all().below(after_now), KEYS_ENDED_MAX + 1);
    let more = due.len() > KEYS_ENDED_MAX;
    due.truncate(KEYS_ENDED_MAX);
    for (tick, id) in due {
        tables.delete(&ENDING, &(tick, id.clone()));
        let mut key = tables.get(&KEYS, &id).expect("every ending belongs to a key");
        key.ends_at = None;
        end_key(tables, key);
    }
    more
}

fn end_key(tables: &mut Tables, mut key: KeyRecord) {
    key.status = KeyStatus::Revoked;
    key.revoked_at = Some(tables.at);
    tables.put(&KEYS, &key.key, &key);
    tables.effects.push(Effect::KeyRevoked(key.key));
}

/// Whether another active key may administer. Keys are few and such a revocation is rare, so that all
/// of them are looked at.
fn has_other_admin(tables: &Tables, key: &KeyRecord) -> bool {
    let keys = KEYS.rows(&tables.store, &KEYS.all(), usize::MAX);
    keys.iter().any(|(id, other)| {
        *id != key.key
            && other.status == KeyStatus::Active
            && other.ends_at.is_none()
            && other.grants.has(Grant::Admin)
    })
}
