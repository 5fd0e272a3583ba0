//! The versions of the cluster key: a new one when a member is removed, and on any day by command.
//!
//! The key itself is never here. A version is a number and a check by which nodes know that they hold
//! the same key; it goes from node to node over the mesh. A rotation is a row that says how far it is,
//! so that whichever node leads goes on with it: wanted, staged (handed out, it seals nothing yet),
//! active (it seals, and what older versions sealed is sealed anew), ended.

use minicbor::bytes::ByteVec;
use model::{Digest, Moment, NodeId};

use crate::{
    limits::{DELIVERY_TIME_MAX_MS, SPACE_TIME_MS},
    packets, receipt_keys,
    refusal::Refusal,
    store::Reader,
    tables::{AUTHORITY, CLUSTER_KEY, KEYS, SEALED, Tables},
    v1::{
        Answer, ClusterKeyRecord, Effect, OlderKey, Outcome, RESEALED_A_COMMAND_MAX, Resealed,
        RotateClusterKey, StagedKey, Time, TurnClusterKey,
    },
};

/// The version of the cluster key that a cluster is founded with.
pub const FIRST_KEY_VERSION: u32 = 1;
/// Versions before the active one that may still open a content when an administrator asks for another:
/// one a day for as long as a content lives, and one that is about to end. A removal is never refused for that.
pub const OLDER_VERSIONS_MAX: usize = 33;
/// How long a content may live that was sealed before a version became active, with a day of slack for
/// one that was under way: until then older versions are kept to open it.
const CONTENT_TIME_MS: u64 = SPACE_TIME_MS + DELIVERY_TIME_MAX_MS + 24 * 3_600_000;

/// A cluster begins with one version.
pub(crate) fn begin(tables: &mut Tables, check: Digest) {
    let first = FIRST_KEY_VERSION;
    let record = ClusterKeyRecord {
        active: first,
        check,
        active_at: tables.at,
        last: first,
        wanted: false,
        ends_tokens: false,
        staged: None,
        tokens_from: first,
        tokens_until: None,
        opens_from: first,
        older: Vec::new(),
    };
    tables.put(&CLUSTER_KEY, &(), &record);
}

/// Whether nothing is sealed under a version before the active one, contents apart.
pub(crate) fn is_resealed<R: Reader + ?Sized>(reader: &R, active: u32) -> bool {
    let oldest = SEALED.first(reader, &SEALED.all()).map(|(version, _)| version);
    let authority = AUTHORITY.get(reader, &()).map(|authority| authority.sealed_under);
    oldest.is_none_or(|oldest| oldest >= u64::from(active))
        && authority.is_none_or(|version| version >= active)
}

/// Whether a secret may come sealed under a version: one that has ended opens nowhere, or a removed
/// member knows it, and one that never sealed is none. While a rotation seals anew, what a node that has not
/// heard of it seals under the version before is sealed anew with the rest.
pub(crate) fn may_seal(tables: &Tables, version: u32) -> bool {
    let Some(record) = tables.get(&CLUSTER_KEY, &()) else { return false };
    let before = record.older.last().filter(|_| !is_resealed(&tables.store, record.active));
    let from = before.map_or(record.tokens_from, |older| older.version.min(record.tokens_from));
    let sealed = record.older.iter().any(|older| older.version == version);
    version == record.active || sealed && version >= from
}

/// A rotation that an administrator asks for. Too many within the life of a content are refused, so that
/// nodes have room for the versions of removals.
pub(crate) fn rotate(tables: &mut Tables, command: &RotateClusterKey) -> Answer {
    let mut record = tables.get(&CLUSTER_KEY, &()).ok_or(Refusal::NotFounded)?;
    let kept = record.older.iter().filter(|older| older.until.tick > tables.tick).count();
    if !record.wanted && kept >= OLDER_VERSIONS_MAX {
        return Err(Refusal::RotationsFull);
    }
    record.wanted = true;
    record.ends_tokens |= command.ends_tokens;
    put(tables, &record);
    Ok(Outcome::Done)
}

/// A member was removed: it knows every version up to now, the staged one included.
pub(crate) fn member_removed(tables: &mut Tables) {
    let Some(mut record) = tables.get(&CLUSTER_KEY, &()) else { return };
    record.wanted = true;
    record.ends_tokens = true;
    record.staged = None;
    put(tables, &record);
}

/// A step of a rotation, by the node that does it.
pub(crate) fn turn(tables: &mut Tables, node: NodeId, step: &TurnClusterKey) -> Answer {
    let record = tables.get(&CLUSTER_KEY, &()).ok_or(Refusal::NotFounded)?;
    match step {
        TurnClusterKey::Stage { version, check } => stage(tables, record, *version, *check, node),
        TurnClusterKey::Hold { version } => hold(tables, record, *version, node),
        TurnClusterKey::Activate { version } => activate(tables, record, *version),
        TurnClusterKey::Reseal { version, secrets, authority } => {
            reseal(tables, &record, *version, secrets, authority.as_ref())
        }
        TurnClusterKey::End { version } => end(tables, record, *version),
    }
}

fn stage(
    tables: &mut Tables,
    mut record: ClusterKeyRecord,
    version: u32,
    check: Digest,
    node: NodeId,
) -> Answer {
    // One rotation after the other: what is sealed lies under two versions at the most.
    let settled = is_resealed(&tables.store, record.active);
    if record.wanted && settled && Some(version) == record.last.checked_add(1) {
        record.last = version;
        record.staged = Some(StagedKey { version, check, holders: vec![node], at: tables.tick });
        put(tables, &record);
    }
    Ok(Outcome::Done)
}

fn hold(tables: &mut Tables, mut record: ClusterKeyRecord, version: u32, node: NodeId) -> Answer {
    if let Some(staged) = record.staged.as_mut().filter(|staged| staged.version == version)
        && let Err(place) = staged.holders.binary_search(&node)
    {
        staged.holders.insert(place, node);
        put(tables, &record);
    }
    Ok(Outcome::Done)
}

fn activate(tables: &mut Tables, mut record: ClusterKeyRecord, version: u32) -> Answer {
    let Some(staged) = record.staged.take_if(|staged| staged.version == version) else {
        return Ok(Outcome::Done);
    };
    let members = tables.members();
    let holders: Vec<_> =
        staged.holders.into_iter().filter(|holder| members.contains(holder)).collect();
    if !packets::is_majority(&holders, &members) {
        return Err(Refusal::HoldersTooFew);
    }
    let now = Time { date: tables.at, tick: tables.tick };
    // A removed node derives tokens of older versions, so they end here and wait for no further step. Else a
    // token is older than its space, which lives a day; a target that is late accepts again.
    let (tokens_from, tokens_until) = match record.ends_tokens {
        true => (version, None),
        false => (record.tokens_from, Some(after(now, SPACE_TIME_MS))),
    };
    receipt_keys::end(tables, record.active);
    let until = after(now, CONTENT_TIME_MS);
    record.older.push(OlderKey { version: record.active, until, check: record.check });
    record = ClusterKeyRecord {
        active: version,
        check: staged.check,
        active_at: now.date,
        wanted: false,
        ends_tokens: false,
        tokens_from,
        tokens_until,
        ..record
    };
    put(tables, &record);
    Ok(Outcome::Done)
}

/// The tick decides; the date is for people.
pub(crate) fn after(now: Time, span: u64) -> Time {
    Time { date: Moment(now.date.0.saturating_add(span)), tick: now.tick.plus_ms(span) }
}

fn reseal(
    tables: &mut Tables,
    record: &ClusterKeyRecord,
    version: u32,
    secrets: &[Resealed],
    authority: Option<&ByteVec>,
) -> Answer {
    if secrets.len() > RESEALED_A_COMMAND_MAX {
        return Err(Refusal::ListMalformed);
    }
    if version != record.active {
        return Ok(Outcome::Done);
    }
    for Resealed { key: id, material } in secrets {
        let Some(mut key) = tables.get(&KEYS, id) else { continue };
        if key.algorithm.is_symmetric() && key.sealed_under < version {
            tables.delete(&SEALED, &(u64::from(key.sealed_under), id.clone()));
            tables.put(&SEALED, &(u64::from(version), id.clone()), &());
            key.material = material.to_vec();
            key.sealed_under = version;
            tables.put(&KEYS, id, &key);
        }
    }
    if let Some(key_sealed) = authority
        && let Some(mut authority) = tables.get(&AUTHORITY, &())
        && authority.sealed_under < version
    {
        authority.key_sealed = key_sealed.to_vec();
        authority.sealed_under = version;
        tables.put(&AUTHORITY, &(), &authority);
    }
    Ok(Outcome::Done)
}

fn end(tables: &mut Tables, mut record: ClusterKeyRecord, version: u32) -> Answer {
    if version != record.active || !is_resealed(&tables.store, version) {
        return Ok(Outcome::Done);
    }
    let now = tables.tick;
    let tokens = record.tokens_until.take_if(|until| until.tick <= now).is_some();
    let ended = record.older.iter().take_while(|older| older.until.tick <= now).count();
    record.older.drain(..ended);
    if tokens {
        record.tokens_from = version;
    }
    if ended > 0 {
        record.opens_from = record.older.first().map_or(version, |older| older.version);
        // Rotations that follow each other closely put off the end of tokens, which live a day.
        record.tokens_from = record.tokens_from.max(record.opens_from);
    }
    if tokens || ended > 0 {
        put(tables, &record);
    }
    Ok(Outcome::Done)
}

fn put(tables: &mut Tables, record: &ClusterKeyRecord) {
    tables.put(&CLUSTER_KEY, &(), record);
    tables.effects.push(Effect::ClusterKeyTurned);
}
