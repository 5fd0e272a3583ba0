//! Time: what happens because nothing else happened, and what may be forgotten. All of it by ticks,
//! which no clock on a wall can make step.
//!
//! Timers of settled packets are deleted long before they are due, and most lie in the far future,
//! so a search for the earliest one would walk over ranges full of deleted rows. A floor stands in
//! for it: no timer lies before it. It is lowered when an earlier timer is set, and raised
//! when time passes, by a bounded look ahead; so a `PassTime` is sometimes proposed with nothing due.

use model::{DeliveryState, Tick, lengths::in_form};

use crate::{
    closing, feed,
    keys::{Key, Timer},
    leases,
    limits::{ANSWER_TIME_MS, IDEMPOTENCY_TIME_MS, PACKETS_A_COMMAND_MAX, SETTLED_ROWS_MAX},
    memory::generation,
    packets, registry,
    store::Reader,
    tables::{
        ANSWERS, ENDING, FLOORS, IDEMPOTENCY, IDEMPOTENCY_AGES, IDEMPOTENCY_COUNTS, NONCES,
        PACKETS, PRUNED, Span, TIMER_FLOOR, TIMERS, Table, Tables, Value,
    },
    time,
    v1::{Answer, EventKind, Outcome, PassTime},
};

/// How far the deadline floor is raised at once: an idle cluster passes time once an hour.
const LOOK_AHEAD_MS: u64 = 3_600_000;
/// Rows of one table that are pruned at once: some milliseconds of work.
const PRUNED_ROWS_MAX: usize = 2048;
/// Between two prunings: with the number above, twenty thousand rows a second can be forgotten.
const PRUNE_PAUSE_MS: u64 = 100;
/// Nonces are pruned in steps of half a minute, so that a trickle of requests costs little.
const NONCE_STEP_MS: u64 = 30_000;
/// Idempotency keys are pruned in steps of an hour.
const IDEMPOTENCY_STEP_MS: u64 = 3_600_000;

/// Settles what is due, a bounded number of packets, and forgets a bounded number of rows.
pub(crate) fn pass_time(tables: &mut Tables, command: &PassTime) -> Answer {
    let (settled, due) = expire_due(tables, command.due_max)?;
    let nonces = forget_nonces(tables);
    let answers = generation(tables.tick).checked_sub(1);
    let answers = prune(tables, &ANSWERS, answers.map(|oldest| ANSWERS.prefix(&oldest))).len();
    let ages = tables.tick.0.checked_sub(IDEMPOTENCY_TIME_MS);
    let ages = ages.map(|latest| IDEMPOTENCY_AGES.prefix(&Tick(latest + 1)));
    let ages = forget_idempotency(tables, ages);
    let keys = registry::end_due_keys(tables);
    let closing = closing::pass_time(tables, command.ended_kept_ms);
    let more = due || keys || closing || [nonces, answers, ages].contains(&PRUNED_ROWS_MAX);
    Ok(Outcome::TimePassed { settled, more })
}

/// The earliest tick at which passing time does something, where packets stay so long after their end.
pub(crate) fn next_due<R: Reader + ?Sized>(reader: &R, ended_kept_ms: u64) -> Option<Tick> {
    let nonce = first_unpruned(reader, &NONCES)
        .and_then(|(created, ..)| time::forgotten_at(reader, created))
        .map(|tick| next_step(tick.0, NONCE_STEP_MS));
    let answer = first_unpruned(reader, &ANSWERS)
        .map(|(generation, _)| generation.saturating_add(2).saturating_mul(ANSWER_TIME_MS));
    let idempotency = first_unpruned(reader, &IDEMPOTENCY_AGES).map(|(tick, ..)| {
        next_step(tick.0.saturating_add(IDEMPOTENCY_TIME_MS), IDEMPOTENCY_STEP_MS)
    });
    let closing = closing::next_due(reader, ended_kept_ms).map(|tick| tick.0);
    let prunable = [nonce, answer, idempotency, closing].into_iter().flatten().min();
    let rested = PRUNED.get(reader, &()).map_or(0, |tick| tick.0.saturating_add(PRUNE_PAUSE_MS));
    let prunable = prunable.map(|tick| Tick(tick.max(rested)));
    let key = ENDING.first(reader, &ENDING.all()).map(|(tick, _)| tick);
    [TIMER_FLOOR.get(reader, &()), prunable, key].into_iter().flatten().min()
}

/// The rows of the timers that there can be.
fn timer_span<R: Reader + ?Sized>(reader: &R) -> Span {
    let floor = TIMER_FLOOR.get(reader, &()).unwrap_or_default();
    TIMERS.all().from(TIMERS.prefix(&floor))
}

fn expire_due(tables: &mut Tables, due_max: u32) -> Result<(u32, bool), crate::Refusal> {
    let Some(floor) = tables.get(&TIMER_FLOOR, &()) else { return Ok((0, false)) };
    if floor > tables.tick {
        return Ok((0, false));
    }
    let due_max = (due_max as usize).clamp(1, PACKETS_A_COMMAND_MAX);
    let after_now = TIMERS.prefix(&tables.tick.plus_ms(1));
    let span = timer_span(&tables.store).below(after_now.clone());
    // One more than is settled now: it says whether there is more, and from when.
    let due = TIMERS.keys(&tables.store, &span, due_max + 1);
    let mut settled = 0;
    for (tick, timer) in due.iter().take(due_max) {
        if tables.written() >= SETTLED_ROWS_MAX {
            break;
        }
        match timer {
            Timer::SpaceEnds(packet) | Timer::GiveUp(packet) => expire(tables, *packet),
            Timer::PulseLapses(node) => {
                tables.delete(&TIMERS, &(*tick, *timer));
                leases::lapse(tables, *node);
            }
        }
        settled += 1;
    }
    let next = due.get(settled);
    let floor = match next {
        Some((tick, _)) => *tick,
        None => {
            let horizon = tables.tick.plus_ms(LOOK_AHEAD_MS);
            let ahead = TIMERS.all().from(after_now).below(TIMERS.prefix(&horizon));
            TIMERS.first(&tables.store, &ahead).map_or(horizon, |(tick, _)| tick)
        }
    };
    tables.put(&TIMER_FLOOR, &(), &floor);
    Ok((in_form(settled), next.is_some()))
}

/// Ends a packet whose space got no content in time, or whose targets did not confirm in time;
/// the source decides what follows, Article 9(9).
fn expire(tables: &mut Tables, id: model::PacketId) {
    let mut packet = tables.get(&PACKETS, &id).expect("every deadline belongs to a packet");
    let late = packets::settle_open(tables, &mut packet, DeliveryState::Expired, None);
    if packet.sealed_at.is_some() {
        for target in &late {
            feed::tell(tables, target, EventKind::Expired, &packet, Some(target));
        }
    }
    // One event for the source, whatever the number of targets; it names the target if it is one.
    let target = if let [target] = &late[..] { Some(target) } else { None };
    feed::tell(tables, &packet.source, EventKind::Expired, &packet, target);
    packets::advance(tables, &mut packet, Some(DeliveryState::Expired));
    packets::put(tables, &packet);
}

/// Forgets nonces of signatures that can pass no more; answers how many.
fn forget_nonces(tables: &mut Tables) -> usize {
    let Some(oldest) = time::forgettable(tables) else { return 0 };
    let count = prune(tables, &NONCES, Some(NONCES.prefix(&oldest))).len();
    if count > 0 {
        time::shut_before(tables, oldest);
    }
    count
}

/// Forgets idempotency keys whose time is over, with what they stand for; answers how many.
fn forget_idempotency(tables: &mut Tables, below: Option<Vec<u8>>) -> usize {
    let forgotten = prune(tables, &IDEMPOTENCY_AGES, below);
    let count = forgotten.len();
    for (tick, app, key) in forgotten {
        let name = (app, key);
        let record = tables.get(&IDEMPOTENCY, &name).expect("every age belongs to a key");
        assert!(record.tick == tick, "an idempotency key has one age");
        tables.delete(&IDEMPOTENCY, &name);
        let kept = tables.get(&IDEMPOTENCY_COUNTS, &name.0).expect("remembered keys are counted");
        tables.put(&IDEMPOTENCY_COUNTS, &name.0, &(kept - 1));
    }
    count
}

/// Deletes the first rows of a table below a key, and moves the table's floor up behind them.
fn prune<K: Key, V: Value>(
    tables: &mut Tables,
    table: &Table<K, V>,
    below: Option<Vec<u8>>,
) -> Vec<K> {
    let Some(below) = below else { return Vec::new() };
    let span = unpruned(&tables.store, table).below(below);
    let keys = table.keys(&tables.store, &span, PRUNED_ROWS_MAX);
    let Some(last) = keys.last() else { return keys };
    let floor = if keys.len() < PRUNED_ROWS_MAX { span.to } else { table.key(last) };
    tables.put(&FLOORS, &table.tag, &floor.into());
    let now = tables.tick;
    tables.put(&PRUNED, &(), &now);
    for key in &keys {
        tables.delete(table, key);
    }
    keys
}

fn unpruned<K: Key, V: Value, R: Reader + ?Sized>(reader: &R, table: &Table<K, V>) -> Span {
    let floor = FLOORS.get(reader, &table.tag).map(Vec::from).unwrap_or_default();
    table.all().from(floor)
}

fn first_unpruned<K: Key, V: Value, R: Reader + ?Sized>(
    reader: &R,
    table: &Table<K, V>,
) -> Option<K> {
    table.first(reader, &unpruned(reader, table))
}

fn next_step(tick: u64, step: u64) -> u64 {
    (tick / step).saturating_add(1).saturating_mul(step)
}
