//! What time it is, from an entry's word, and what may be forgotten of signatures.
//!
//! An entry carries two times (decision 0007). Its *date* is what a majority of the nodes' clocks
//! say, right or wrong, ahead of the last entry's or behind it: signatures are judged by it and records
//! are dated with it. Its *tick* counts how long the cluster has run and never steps: deadlines, ages
//! and the order of lists are ticks, so a clock that jumps ends nothing.
//!
//! A nonce may be forgotten once no signature of its date can pass any more. Dates step back, so that
//! is decided by a third time: the *trusted date*, which goes on with the ticks and follows the clocks
//! only as fast as a bad crystal drifts. It is behind the truth after an outage, so nonces are kept for
//! longer, and never ahead of it because of a clock that jumped, so nobody is shut out.

use model::{Moment, Tick, lengths::millis_of};

use crate::{
    limits::{NONCE_TIME_MS, PROOF_AGE_MAX_MS, PROOF_AHEAD_MAX_MS},
    store::{Reader, Store},
    tables::{CLOCK, FLOORS, NONCES, TRUST, Tables},
    v1::{Answer, Entry, Outcome, Time, Trust},
};

/// Between two leaders' clocks there may be so much: a date that lies behind the last one by less
/// stands still instead of stepping back.
pub const DATE_STILL_MS: u64 = 10_000;
/// Between two looks at how far the trusted date has drifted.
const TRUST_STEP_MS: u64 = 60_000;
/// The trusted date follows the clocks by one part in so many: twice what a bad crystal drifts. Clocks
/// that are wrong for a week move it by two minutes, less than a signature's window.
const TRUST_DRIFT: u64 = 5_000;

/// Whether a signature of this date may pass: near the entry's date, and none whose nonce may be
/// forgotten.
pub(crate) fn may_pass<S: Store>(store: &S, now: Time, created: Moment) -> bool {
    let oldest = now.date.0.saturating_sub(PROOF_AGE_MAX_MS);
    let latest = now.date.0.saturating_add(PROOF_AHEAD_MAX_MS);
    let floor = || TRUST.get(store, &()).map(|trust| trust.floor);
    (oldest..=latest).contains(&created.0) && floor().is_none_or(|floor| floor <= created)
}

/// Lets an entry's time begin.
pub(crate) fn begin<S: Store>(store: &mut S, entry: &Entry) -> Time {
    let last = CLOCK.get(store, &()).unwrap_or_default();
    let behind = millis_of(last.date.since(entry.at));
    let date = if behind <= DATE_STILL_MS { last.date.max(entry.at) } else { entry.at };
    let time = Time { date, tick: entry.tick.max(last.tick) };
    if time != last {
        CLOCK.put(store, &(), &time);
    }
    follow(store, time);
    time
}

/// Carries the trusted date on; the first entry's date is the first trusted one.
fn follow<S: Store>(store: &mut S, now: Time) {
    let Some(mut trust) = TRUST.get(store, &()) else {
        let trust = Trust { time: now, floor: Moment::default() };
        return TRUST.put(store, &(), &trust);
    };
    let span = millis_of(now.tick.since(trust.time.tick));
    if span >= TRUST_STEP_MS {
        let date = trust.date_at(now.tick).0;
        let most = span / TRUST_DRIFT;
        let followed = now.date.0.clamp(date.saturating_sub(most), date.saturating_add(most));
        trust.time = Time { date: Moment(followed), tick: now.tick };
        TRUST.put(store, &(), &trust);
    }
}

/// The date before which nonces may be forgotten.
pub(crate) fn forgettable(tables: &Tables) -> Option<Moment> {
    let trust = tables.get(&TRUST, &())?;
    Some(Moment(trust.date_at(tables.tick).0.checked_sub(NONCE_TIME_MS)?))
}

/// From now on signatures before this date never pass.
pub(crate) fn shut_before(tables: &mut Tables, floor: Moment) {
    let trust = tables.get(&TRUST, &()).filter(|trust| trust.floor < floor);
    if let Some(trust) = trust {
        tables.put(&TRUST, &(), &Trust { floor, ..trust });
    }
}

/// The tick at which the trusted date is so far that nonces of this date may be forgotten.
pub(crate) fn forgotten_at<R: Reader + ?Sized>(reader: &R, created: Moment) -> Option<Tick> {
    let Time { date, tick } = TRUST.get(reader, &())?.time;
    // Both are counted from the trusted date, which may have passed it.
    Some(Tick(
        tick.0.saturating_add(created.0).saturating_add(NONCE_TIME_MS).saturating_sub(date.0),
    ))
}

/// An administrator at a node has seen that the clocks are right: the trusted date is theirs.
///
/// After an outage that ends the longer keeping of nonces. Where the trusted date was ahead of the
/// truth (a cluster that was founded under a clock that was ahead) it lets signatures pass again.
pub(crate) fn confirm(tables: &mut Tables) -> Answer {
    let time = Time { date: tables.at, tick: tables.tick };
    let trust = tables.get(&TRUST, &()).expect("every entry leaves a trusted date");
    let newest = Moment(time.date.0.saturating_sub(NONCE_TIME_MS));
    let floor = trust.floor.min(newest);
    tables.put(&TRUST, &(), &Trust { time, floor });
    if floor < trust.floor {
        // Rows of earlier dates may come again below what was pruned.
        tables.delete(&FLOORS, &NONCES.tag);
    }
    Ok(Outcome::Done)
}
