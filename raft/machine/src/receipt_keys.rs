//! The public keys that receipts are checked with, present and former (D18).
//!
//! Whichever node leads records those of the version of the cluster key that is active. When the next one is
//! activated their use ends: a former key signs nothing about what happened later, whoever has got hold of it.

use crate::{
    refusal::Refusal,
    tables::{CLUSTER_KEY, RECEIPT_KEYS, Tables},
    v1::{Answer, KeyEnd, NewReceiptKey, Outcome, ReceiptKeyRecord},
};

/// Octets of a P-256 key: its two coordinates.
pub const ES256_OCTETS: usize = 64;
/// Octets of an Ed25519 key.
pub const ED25519_OCTETS: usize = 32;

/// Versions whose keys are kept: a turn a week, as with each removal of a member, for nineteen years. The oldest go
/// first. Nothing is lost with them: receipts are made of facts, which stay, and whoever asks for one anew gets it
/// signed by the present key.
pub const RECEIPT_KEYS_MAX: usize = 1_000;

/// Records the keys of a version that is, or has been, active. A version has one pair of them for ever.
pub(crate) fn record(tables: &mut Tables, command: &NewReceiptKey) -> Answer {
    let known = tables.get(&CLUSTER_KEY, &()).ok_or(Refusal::NotFounded)?;
    if !(1..=known.active).contains(&command.version) {
        return Err(Refusal::KeyVersionEnded);
    }
    if command.es256.len() != ES256_OCTETS || command.ed25519.len() != ED25519_OCTETS {
        return Err(Refusal::KeyUnknown);
    }
    let version = command.version;
    if let Some(recorded) = tables.get(&RECEIPT_KEYS, &version.into()) {
        return if recorded.keys == *command { Ok(Outcome::Done) } else { Err(Refusal::KeyExists) };
    }
    // Two turns may follow one another before anybody looks.
    let ended = (version < known.active).then(|| now(tables));
    let record = ReceiptKeyRecord { keys: command.clone(), ended };
    tables.put(&RECEIPT_KEYS, &version.into(), &record);
    forget_oldest(tables);
    Ok(Outcome::Done)
}

fn forget_oldest(tables: &mut Tables) {
    let kept = RECEIPT_KEYS.keys(&tables.store, &RECEIPT_KEYS.all(), RECEIPT_KEYS_MAX + 1);
    if let Some(oldest) = kept.first().filter(|_| kept.len() > RECEIPT_KEYS_MAX) {
        tables.delete(&RECEIPT_KEYS, oldest);
    }
}

/// Another version is active from now on.
pub(crate) fn end(tables: &mut Tables, version: u32) {
    let Some(record) = tables.get(&RECEIPT_KEYS, &version.into()) else { return };
    let record = ReceiptKeyRecord { ended: Some(now(tables)), ..record };
    tables.put(&RECEIPT_KEYS, &version.into(), &record);
}

fn now(tables: &Tables) -> KeyEnd {
    KeyEnd { facts: tables.facts.next, at: tables.at }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Digest, Moment, Tick};

    use super::*;
    use crate::v1::{ClusterKeyRecord, Time};

    #[test]
    fn keys_of_so_many_versions_are_kept_and_the_oldest_go_first() {
        let at = Moment(1_800_000_000_000);
        let state = BTreeMap::new();
        let mut tables = Tables::new(&state, Time { date: at, tick: Tick(1) });
        let active = RECEIPT_KEYS_MAX as u32 + 1;
        let cluster_key = ClusterKeyRecord {
            active,
            check: Digest([0; 32]),
            active_at: at,
            last: active,
            wanted: false,
            ends_tokens: false,
            staged: None,
            tokens_from: active,
            tokens_until: None,
            opens_from: active,
            older: Vec::new(),
        };
        tables.put(&CLUSTER_KEY, &(), &cluster_key);
        for version in 1..=active {
            let (es256, ed25519) = (vec![7; ES256_OCTETS], vec![9; ED25519_OCTETS]);
            let key = NewReceiptKey { version, es256, ed25519 };
            record(&mut tables, &key).expect("it is in order");
        }
        let kept = RECEIPT_KEYS.keys(&tables.store, &RECEIPT_KEYS.all(), usize::MAX);
        assert_eq!((kept.len(), kept.first()), (RECEIPT_KEYS_MAX, Some(&2)));
        let ended = |version: u64| tables.get(&RECEIPT_KEYS, &version).map(|key| key.ended);
        assert_eq!(ended(2), Some(Some(KeyEnd { facts: 0, at })), "a newer one is active");
        assert_eq!(ended(active.into()), Some(None));
    }
}
