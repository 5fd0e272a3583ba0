//! A unit's feed: what it is told, and who gives way when the feed is full.
//!
//! A feed keeps the latest events, and one source cannot push out what the others told: while a source
//! has more than its share of a full feed, the oldest of its own events goes, and what others told
//! stays. So a feed has holes, and who reads over one is told so. What goes is a notice and never a
//! packet: lists and inboxes are complete without feeds.

use model::{AccessKey, AppId, Moment, UnitCode};

use crate::{
    caller::Caller,
    limits::{FEED_EVENTS_MAX, FEED_SHARE},
    queue,
    tables::{EVENT_SOURCES, FEEDS, HEADS, TOLD, Tables},
    v1::{About, AccessNews, Effect, Event, EventKind, PacketNews, PacketRow, Told, UnitHead},
};

/// Every so many events the floors of a unit's queue are moved up: seldom enough to cost nothing, often
/// enough that a look into the queue does not walk over thousands of deleted rows.
const QUEUE_FLOORS_STEP: u64 = 256;

/// How large a feed is, and what making room in it may cost.
struct Room {
    /// See [`FEED_EVENTS_MAX`].
    events_max: u64,
    /// See [`FEED_SHARE`].
    share: u64,
    /// Events that one event's place may cost: more than one, so that a feed that has grown over its
    /// size comes back to it.
    dropped_max: usize,
    /// Rows looked at for the next event of a source, which others' events hide. Between two events of a
    /// source that has more than its share lie three others in the mean.
    looked_max: usize,
}

const ROOM: Room =
    Room { events_max: FEED_EVENTS_MAX, share: FEED_SHARE, dropped_max: 2, looked_max: 64 };

/// How far a feed may grow over its size while the events of a source are looked for. Each of the four
/// sources at most that can have more than their share is looked for once in all that is kept, 64 rows an
/// event: a sixteenth of what is kept, which is a fifteenth of the feed's size.
pub(crate) const FEED_SLACK: u64 = FEED_EVENTS_MAX / 15;

/// Tells a unit what happened to a packet.
pub(crate) fn tell(
    tables: &mut Tables,
    unit: &UnitCode,
    kind: EventKind,
    packet: &PacketRow,
    target: Option<&UnitCode>,
) {
    let about = About::Packet(PacketNews {
        packet: packet.packet,
        target: target.cloned(),
        importance: packet.importance,
        title: packet.title.clone(),
        size: packet.size,
        digest: packet.digest,
    });
    let (at, source) = (tables.at, packet.source.clone());
    append(tables, unit, Event { position: 0, at, kind, about, source }, &ROOM);
}

/// Tells a unit what an administrator did with what may act for it. The founding tells nobody.
pub(crate) fn tell_of_access(
    tables: &mut Tables,
    unit: &UnitCode,
    caller: Option<&Caller>,
    kind: EventKind,
    (app, key, ends_at): (&AppId, Option<&AccessKey>, Option<Moment>),
) {
    let Some(caller) = caller else { return };
    let news = AccessNews { app: app.clone(), key: key.cloned(), by: caller.by(), ends_at };
    let (at, source) = (tables.at, caller.unit.clone());
    let event = Event { position: 0, at, kind, about: About::Access(news), source };
    append(tables, unit, event, &ROOM);
}

/// Writes an event at the end of a unit's feed.
fn append(tables: &mut Tables, unit: &UnitCode, event: Event, room: &Room) {
    let mut head = tables.get(&HEADS, unit).unwrap_or_default();
    head.last += 1;
    head.kept += 1;
    let position = head.last;
    let event = Event { position, ..event };
    tables.put(&FEEDS, &(unit.clone(), position), &event);
    let mut own = Share::of(tables, unit, event.source, position);
    own.told.count += 1;
    if own.told.count == room.share + 1 {
        head.heavy.push(own.source.clone());
    }
    for _ in 0..room.dropped_max {
        if head.kept <= room.events_max || !drop_one(tables, unit, (&mut head, &mut own), room) {
            break;
        }
    }
    own.keep(tables, unit);
    if position.is_multiple_of(QUEUE_FLOORS_STEP) {
        queue::raise_floors(tables, unit);
    }
    tables.put(&HEADS, unit, &head);
    tables.effects.push(Effect::Notice { unit: unit.clone(), position });
}

/// What a source has in the feed, while an event is written.
#[derive(Clone)]
struct Share {
    source: UnitCode,
    told: Told,
}

impl Share {
    /// Of who tells something now, at this position.
    fn of(tables: &Tables, unit: &UnitCode, source: UnitCode, position: u64) -> Self {
        let row = (unit.clone(), source);
        let told = tables.get(&TOLD, &row).unwrap_or(Told { count: 0, from: position });
        Self { source: row.1, told }
    }

    /// Of somebody who has told something.
    fn counted(tables: &Tables, unit: &UnitCode, source: &UnitCode) -> Self {
        let row = (unit.clone(), source.clone());
        let told = tables.get(&TOLD, &row).expect("whoever told something is counted");
        Self { source: row.1, told }
    }

    /// Writes the row, where there is anything left.
    fn keep(&self, tables: &mut Tables, unit: &UnitCode) {
        let row = (unit.clone(), self.source.clone());
        if self.told.count == 0 {
            tables.delete(&TOLD, &row);
        } else {
            tables.put(&TOLD, &row, &self.told);
        }
    }

    /// Its oldest event goes.
    fn drop_oldest(
        &mut self,
        tables: &mut Tables,
        unit: &UnitCode,
        head: &mut UnitHead,
        (position, room): (u64, &Room),
    ) {
        tables.delete(&FEEDS, &(unit.clone(), position));
        head.kept -= 1;
        self.told.count -= 1;
        self.told.from = position + 1;
        if self.told.count == room.share {
            head.heavy.retain(|source| *source != self.source);
        }
    }
}

/// Makes room for one event, and answers whether it did: who has most gives way if that is more than
/// a share, else the oldest event goes. What its teller has is at hand.
fn drop_one(
    tables: &mut Tables,
    unit: &UnitCode,
    (head, own): (&mut UnitHead, &mut Share),
    room: &Room,
) -> bool {
    let share_of = |tables: &Tables, source: &UnitCode| match *source == own.source {
        true => own.clone(),
        false => Share::counted(tables, unit, source),
    };
    // The source that has most, if that is more than a share.
    let heaviest = head.heavy.iter().map(|source| share_of(tables, source));
    let (mut share, found) = match heaviest.max_by_key(|share| share.told.count) {
        Some(share) => {
            let found = oldest_of(tables, unit, &share.source, (share.told.from, room));
            (share, found)
        }
        None => {
            let position = oldest(tables, unit, head.first);
            head.first = position + 1;
            let event = tables.get(&EVENT_SOURCES, &(unit.clone(), position));
            let source = event.expect("only what is kept is dropped").source;
            (share_of(tables, &source), Ok(position))
        }
    };
    match found {
        Ok(position) => share.drop_oldest(tables, unit, head, (position, room)),
        // Others' events lie before it; the next event goes on looking from there.
        Err(looked_to) => share.told.from = looked_to,
    }
    if share.source == own.source {
        *own = share;
    } else {
        share.keep(tables, unit);
    }
    found.is_ok()
}

/// The position of the oldest event, which is not before `first`.
fn oldest(tables: &Tables, unit: &UnitCode, first: u64) -> u64 {
    let first = (unit.clone(), first);
    if tables.has(&FEEDS, &first) {
        return first.1;
    }
    let span = FEEDS.under(unit).from(FEEDS.key(&first));
    FEEDS.first(&tables.store, &span).expect("a feed that is full has an event").1
}

/// The position of a source's oldest event, which is not before `from`; or, as an error, from where it
/// is to be looked for next.
fn oldest_of(
    tables: &Tables,
    unit: &UnitCode,
    source: &UnitCode,
    (from, room): (u64, &Room),
) -> Result<u64, u64> {
    let from = (unit.clone(), from);
    // Whoever floods a feed has one event after the other.
    if tables.get(&EVENT_SOURCES, &from).is_some_and(|event| event.source == *source) {
        return Ok(from.1);
    }
    let span = EVENT_SOURCES.under(unit).from(EVENT_SOURCES.key(&from));
    let found =
        EVENT_SOURCES.find(&tables.store, &span, room.looked_max, |event| event.source == *source);
    match found {
        Ok((_, position)) => Ok(position),
        Err(last) => Err(last.map_or(from.1, |(_, position)| position + 1)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use model::{Importance, PacketId};
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{Store, View, v1::Time};

    type State = BTreeMap<Vec<u8>, Vec<u8>>;

    /// Small, so that any few hundred events go round it many times.
    const SMALL: Room = Room { events_max: 40, share: 10, dropped_max: 2, looked_max: 8 };
    /// See [`FEED_SLACK`]: four eighths of what is kept.
    const SLACK: u64 = 40;

    fn source(number: u8) -> UnitCode {
        format!("H41.{}", 10 + number).parse().expect("a code")
    }

    fn event(by: &UnitCode) -> Event {
        let about = About::Packet(PacketNews {
            packet: PacketId(0),
            target: None,
            importance: Importance::Normal,
            title: "x".parse().expect("a title"),
            size: None,
            digest: None,
        });
        let (kind, source) = (EventKind::Available, by.clone());
        Event { position: 0, at: Moment(0), kind, about, source }
    }

    struct Feed {
        state: State,
        unit: UnitCode,
    }

    impl Feed {
        fn begin() -> Self {
            Self { state: State::new(), unit: "H41.99".parse().expect("a code") }
        }

        fn tell(&mut self, by: u8) {
            self.tell_in(by, &SMALL);
        }

        fn tell_in(&mut self, by: u8, room: &Room) {
            let mut tables = Tables::new(&self.state, Time::default());
            append(&mut tables, &self.unit, event(&source(by)), room);
            let (writes, ..) = tables.into_parts();
            let writes: Vec<_> = writes.collect();
            for (key, value) in writes {
                match value {
                    Some(value) => Store::put(&mut self.state, key, value),
                    None => Store::delete(&mut self.state, key),
                }
            }
        }

        /// Positions by source.
        fn kept(&self) -> BTreeMap<UnitCode, BTreeSet<u64>> {
            let mut kept = BTreeMap::<_, BTreeSet<_>>::new();
            for ((_, position), event) in FEEDS.rows(&self.state, &FEEDS.all(), usize::MAX) {
                kept.entry(event.source).or_default().insert(position);
            }
            kept
        }

        fn of(&self, by: u8) -> BTreeSet<u64> {
            self.kept().remove(&source(by)).unwrap_or_default()
        }

        /// Everything that is kept, read from the beginning over all holes in pages of some size.
        fn read(&self, limit: usize) -> Vec<u64> {
            let (mut after, mut read) = (0, Vec::new());
            loop {
                let feed = View::new(&self.state).feed(&self.unit, after, limit);
                let end = feed.events.last().map(|event| event.position).or(feed.reset);
                let Some(end) = end else { return read };
                assert!(end > after, "the reader stands still");
                let next = feed.reset.unwrap_or(after) + 1;
                assert!(feed.events.first().is_none_or(|event| event.position == next));
                read.extend(feed.events.iter().map(|event| event.position));
                after = end;
            }
        }
    }

    proptest! {
        #[test]
        fn a_feed_is_bounded_and_counted_whatever_is_told(by in vec(0..6u8, 1..400), limit in 1..9usize) {
            let mut told = Feed::begin();
            for by in by {
                told.tell(by);
                let kept = told.kept();
                let rows = kept.iter().map(|(of, kept)| (of.clone(), kept.len() as u64));
                let rows: BTreeMap<_, _> = rows.collect();
                let counted = TOLD.rows(&told.state, &TOLD.all(), usize::MAX);
                for ((_, of), row) in &counted {
                    prop_assert!(kept[of].first().is_some_and(|first| row.from <= *first));
                }
                let counted: BTreeMap<_, _> =
                    counted.into_iter().map(|((_, of), row)| (of, row.count)).collect();
                prop_assert_eq!(&counted, &rows);
                let head = HEADS.get(&told.state, &told.unit).expect("something was told");
                prop_assert_eq!(head.kept, rows.values().sum::<u64>());
                prop_assert!(head.kept <= SMALL.events_max + SLACK, "{} are kept", head.kept);
                let heavy: BTreeSet<_> = head.heavy.iter().cloned().collect();
                let over = rows.into_iter().filter(|(_, count)| *count > SMALL.share);
                prop_assert_eq!(heavy, over.map(|(of, _)| of).collect::<BTreeSet<_>>());
            }
            let all: BTreeSet<_> = told.kept().into_values().flatten().collect();
            prop_assert_eq!(told.read(limit), all.into_iter().collect::<Vec<_>>());
        }

        /// The promise: of what others told, one source pushes out nothing that is within a share, as
        /// long as all of it leaves the source its own.
        #[test]
        fn one_source_cannot_push_out_what_the_others_told(
            before in vec(0..6u8, 0..400),
            others in vec(1..6u8, 0..31),
            alone in 1..400usize,
        ) {
            let mut told = Feed::begin();
            before.into_iter().for_each(|by| told.tell(by));
            let (mut latest, mut counts) = (Vec::new(), [0; 6]);
            for by in others {
                told.tell(by);
                counts[usize::from(by)] += 1;
                latest.push((by, told.of(by).last().copied()));
            }
            (0..alone).for_each(|_| told.tell(0));
            for (by, count) in (1..6).zip(&counts[1..]) {
                prop_assert!(told.of(by).len() as u64 >= SMALL.share.min(*count));
            }
            for (by, position) in latest {
                let within = counts[usize::from(by)] <= SMALL.share;
                prop_assert!(!within || told.of(by).contains(&position.expect("just told")));
            }
        }
    }

    #[test]
    fn a_reader_hears_what_is_kept_and_where_something_is_missing() {
        let mut told = Feed::begin();
        (0..3).for_each(|_| told.tell(1));
        (0..60).for_each(|_| told.tell(0));
        let view = View::new(&told.state);
        let positions = |feed: &crate::view::Feed| {
            feed.events.iter().map(|event| event.position).collect::<Vec<_>>()
        };
        let first = view.feed(&told.unit, 0, 10);
        assert_eq!((first.reset, positions(&first), first.last), (None, vec![1, 2, 3], 63));
        let second = view.feed(&told.unit, 3, 2);
        assert_eq!((second.reset, positions(&second)), (Some(26), vec![27, 28]));
        let third = view.feed(&told.unit, 28, 2);
        assert_eq!((third.reset, positions(&third)), (None, vec![29, 30]));
        let end = view.feed(&told.unit, 63, 2);
        assert_eq!((end.reset, positions(&end)), (None, vec![]));
        let beyond = view.feed(&told.unit, 64, 2);
        assert_eq!((beyond.reset, positions(&beyond)), (Some(63), vec![]));
    }

    /// The worst case: the next event of the source that has to give way hides behind all the others.
    #[test]
    fn a_feed_grows_a_little_while_an_event_is_looked_for_and_comes_back() {
        let mut told = Feed::begin();
        let share = FEED_SHARE as usize;
        let others = [1, 2, 3].into_iter().flat_map(|by| std::iter::repeat_n(by, share));
        let events = std::iter::repeat_n(0, share / 2).chain(others);
        events.chain(std::iter::repeat_n(0, share / 2)).for_each(|by| told.tell_in(by, &ROOM));
        let head = |told: &Feed| HEADS.get(&told.state, &told.unit).expect("something was told");
        let (mut most, mut last) = (0, 0);
        for _ in 0..2 * share {
            told.tell_in(0, &ROOM);
            last = head(&told).kept;
            most = most.max(last);
        }
        assert!((FEED_EVENTS_MAX + 1..=FEED_EVENTS_MAX + FEED_SLACK).contains(&most), "{most}");
        assert_eq!(last, FEED_EVENTS_MAX);
        // Of the others nothing has gone: their positions have no hole.
        let feed = View::new(&told.state).feed(&told.unit, share as u64 / 2, 3 * share);
        assert_eq!((feed.reset, feed.events.len()), (None, 3 * share));
    }
}
