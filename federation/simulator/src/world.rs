//! The state of the national side, in memory: what there is, what waits, what will happen by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::Moment;
use wire::edxml::{ResponseFor, StatusCode};

use crate::{
    directory::{BodyIndex, Directory},
    dossiers::Dossiers,
    fault::Faults,
    ledger::{Ledger, What},
    lists::Lists,
    mail::Mail,
    scene::{ClockMove, Step},
    settings::Settings,
    time::{LATEST, POPULATED_AT},
    tokens::Living,
};

/// Things that will happen by themselves: three answers of each of a hundred thousand deliveries.
pub const SCHEDULED_MAX: usize = 300_000;

/// Something that happens by itself.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A scripted body answers what was delivered to it.
    Answer { delivery: usize, code: StatusCode, about: Arc<ResponseFor> },
    /// A step of the scene.
    Step(Step),
}

/// The state.
pub(crate) struct World {
    pub(crate) settings: Arc<Settings>,
    pub(crate) directory: Directory,
    pub(crate) mail: Mail,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    pub(crate) lists: Lists,
    /// Tokens of the gateway.
    pub(crate) tokens: Living,
    /// Sessions of the adapter.
    pub(crate) sessions: Living,
    pub(crate) dossiers: Dossiers,
    /// The integrator's own bodies: no script answers for them.
    own: BTreeSet<BodyIndex>,
    schedule: BTreeMap<(Moment, u64), Event>,
    scheduled: u64,
    identifiers: u64,
    calls: u64,
    shift_ms: i64,
}

impl World {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let directory = Directory::populate(settings.seed, POPULATED_AT);
        let mut world = Self {
            lists: Lists::new(&directory),
            tokens: Living::default(),
            sessions: Living::default(),
            dossiers: Dossiers::default(),
            directory,
            mail: Mail::default(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            own: BTreeSet::new(),
            schedule: BTreeMap::new(),
            scheduled: 0,
            identifiers: 0,
            calls: 0,
            shift_ms: 0,
            settings,
        };
        let settings = world.settings.clone();
        for system in &settings.systems {
            let code = system.code.as_str();
            let index = world.directory.find(code);
            let index = index.unwrap_or_else(|| world.directory.join(code, POPULATED_AT));
            world.own.insert(index);
        }
        let now = world.now();
        for switch in &settings.faults {
            world.turn(switch.clone(), now);
        }
        for (after, step) in settings.scene.iter().flat_map(|scene| &scene.steps) {
            world.schedule(now.plus(*after), Event::Step(step.clone()));
        }
        world
    }

    /// What time it is here.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.settings.clock.now().0.saturating_add_signed(self.shift_ms))
    }

    /// Moves the clock, within the years that can be written. What becomes due by it happens at the next call.
    pub(crate) fn move_clock(&mut self, by: ClockMove) {
        let before = self.now();
        let wanted = before.0.saturating_add_signed(by.ms()).clamp(POPULATED_AT.0, LATEST.0);
        let moved_ms = wanted.checked_signed_diff(before.0).unwrap_or_default();
        self.shift_ms = self.shift_ms.saturating_add(moved_ms);
        let at = self.now();
        self.ledger.note(at, What::Clock { moved_ms });
    }

    /// Turns a switch.
    pub(crate) fn turn(&mut self, switch: crate::fault::Switch, at: Moment) {
        self.ledger.note(at, What::Fault { switch: switch.to_string() });
        self.faults.turn(switch);
    }

    /// Whether a script answers for a body.
    pub(crate) fn is_scripted(&self, body: BodyIndex) -> bool {
        !self.own.contains(&body)
    }

    /// A body that has a script and cannot follow it: it is not there, or is the integrator's own.
    pub(crate) fn strange_script(&self) -> Option<String> {
        let follows = |code: &str| {
            let body = self.directory.find(code).map(|body| (body, self.directory.body(body)));
            // Scripts go by the first of the two codes.
            body.is_some_and(|(index, body)| body.code == code && self.is_scripted(index))
        };
        let codes = self.settings.bodies.scripts.keys().map(|code| code.as_str());
        codes.filter(|code| !follows(code)).map(str::to_owned).next()
    }

    /// Something will happen at a moment; false if too much waits already.
    pub(crate) fn schedule(&mut self, at: Moment, event: Event) -> bool {
        if self.schedule.len() >= SCHEDULED_MAX {
            return false;
        }
        self.schedule.insert((at, self.scheduled), event);
        self.scheduled += 1;
        true
    }

    /// The next thing that is due, and when it was.
    pub(crate) fn due(&mut self) -> Option<(Moment, Event)> {
        let now = self.now();
        let first = self.schedule.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), event) = first.remove_entry();
        Some((at, event))
    }

    /// One more call: its number.
    pub(crate) fn count_call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    /// A new identifier.
    pub(crate) fn identifier(&mut self, what: &str) -> String {
        self.identifiers += 1;
        self.settings.seed.uuid(what, self.identifiers)
    }
}
