//! The cluster's authority: a new one when a member is removed, and on any day by command.
//!
//! The new authority certifies from the entry on that names it. Those before it are *honoured* for a while:
//! they have certified their successor, so that whoever trusts only an older one still believes the
//! nodes until its end, and has that long to take the new one.

use crate::{
    cluster_key,
    refusal::Refusal,
    tables::{AUTHORITY, CLUSTER_KEY, Tables},
    v1::{
        AUTHORITY_OVERLAP_MAX_MS, Answer, AuthorityRecord, Effect, FIRST_AUTHORITY, OlderAuthority,
        OrderAuthority, Outcome, Time, TurnAuthority,
    },
};

/// How long an older authority is honoured if nothing else is asked: people have to replace a file on
/// the machines of every application.
pub const AUTHORITY_OVERLAP_MS: u64 = 30 * 24 * 3_600_000;
/// Older authorities that are honoured at once; each adds a certificate to every handshake. Beyond it an
/// administrator's rotation is refused, and the removal of a member ends the oldest.
pub const OLDER_AUTHORITIES_MAX: usize = 4;
/// A certificate of an authority, or its sealed key, has some hundred octets.
const CERTIFICATE_MAX: usize = 4 * 1024;

/// A cluster begins with one authority.
pub(crate) fn begin(tables: &mut Tables, certificate: &[u8], key_sealed: &[u8], version: u32) {
    let record = AuthorityRecord {
        number: FIRST_AUTHORITY,
        certificate: certificate.to_vec(),
        key_sealed: key_sealed.to_vec(),
        sealed_under: version,
        since: tables.at,
        wanted: None,
        older: Vec::new(),
    };
    tables.put(&AUTHORITY, &(), &record);
}

/// What an administrator asks for.
pub(crate) fn order(tables: &mut Tables, order: &OrderAuthority) -> Answer {
    let mut record = tables.get(&AUTHORITY, &()).ok_or(Refusal::NotFounded)?;
    match order {
        OrderAuthority::Rotate { overlap_ms } if *overlap_ms > AUTHORITY_OVERLAP_MAX_MS => {
            return Err(Refusal::DeadlineMalformed);
        }
        // One more would end the oldest before its time. What is to end at once makes room.
        OrderAuthority::Rotate { overlap_ms: 1.. }
            if record.wanted.is_none() && record.older.len() >= OLDER_AUTHORITIES_MAX =>
        {
            return Err(Refusal::RotationsFull);
        }
        OrderAuthority::Rotate { overlap_ms } => want(&mut record, *overlap_ms),
        OrderAuthority::EndOlder => record.older.clear(),
    }
    put(tables, &record);
    Ok(Outcome::Done)
}

/// A member was removed: whoever has its disk has the authority's key.
pub(crate) fn member_removed(tables: &mut Tables) {
    let Some(mut record) = tables.get(&AUTHORITY, &()) else { return };
    want(&mut record, AUTHORITY_OVERLAP_MS);
    put(tables, &record);
}

/// Of two wishes the shorter overlap holds.
fn want(record: &mut AuthorityRecord, overlap_ms: u64) {
    record.wanted = Some(record.wanted.map_or(overlap_ms, |wanted| wanted.min(overlap_ms)));
}

/// A step of a rotation, by the node that leads.
pub(crate) fn turn(tables: &mut Tables, step: &TurnAuthority) -> Answer {
    let record = tables.get(&AUTHORITY, &()).ok_or(Refusal::NotFounded)?;
    match step {
        TurnAuthority::Replace { number, certificate, by_former, key_sealed, sealed_under } => {
            let sizes = [certificate.len(), by_former.len(), key_sealed.len()];
            if sizes.into_iter().any(|size| size > CERTIFICATE_MAX) {
                return Err(Refusal::ListMalformed);
            }
            let Some(overlap_ms) = record.wanted else { return Ok(Outcome::Done) };
            if Some(*number) != record.number.checked_add(1) || !seals(tables, *sealed_under) {
                return Ok(Outcome::Done);
            }
            let next = AuthorityRecord {
                number: *number,
                certificate: certificate.to_vec(),
                key_sealed: key_sealed.to_vec(),
                sealed_under: *sealed_under,
                since: tables.at,
                wanted: None,
                older: honoured(tables, record, by_former, overlap_ms),
            };
            put(tables, &next);
        }
        TurnAuthority::End => end(tables, record),
    }
    Ok(Outcome::Done)
}

/// The older ones once another authority has taken the place of this one.
fn honoured(
    tables: &Tables,
    record: AuthorityRecord,
    successor: &[u8],
    overlap_ms: u64,
) -> Vec<OlderAuthority> {
    if overlap_ms == 0 {
        return Vec::new();
    }
    let now = Time { date: tables.at, tick: tables.tick };
    let mut older = record.older;
    // The way from one that is trusted leads over those after it, so these stay as long; and what was promised
    // is not taken back.
    let promised = older.last().map(|older| older.until);
    let asked = cluster_key::after(now, overlap_ms);
    let until = promised.filter(|promised| promised.tick > asked.tick).unwrap_or(asked);
    older.push(OlderAuthority {
        number: record.number,
        certificate: record.certificate,
        successor: successor.to_vec(),
        until,
    });
    let beyond = older.len().saturating_sub(OLDER_AUTHORITIES_MAX);
    older.drain(..beyond);
    older
}

/// Whether a version of the cluster key is the one that seals, and stays so: one that a removed node
/// holds is about to be replaced, and must not seal the key of a new authority.
fn seals(tables: &Tables, version: u32) -> bool {
    let key = tables.get(&CLUSTER_KEY, &());
    key.is_some_and(|key| key.active == version && !key.wanted)
}

fn end(tables: &mut Tables, mut record: AuthorityRecord) {
    let (now, count) = (tables.tick, record.older.len());
    record.older.retain(|older| older.until.tick > now);
    if record.older.len() != count {
        put(tables, &record);
    }
}

fn put(tables: &mut Tables, record: &AuthorityRecord) {
    tables.put(&AUTHORITY, &(), record);
    tables.effects.push(Effect::AuthorityTurned);
}
