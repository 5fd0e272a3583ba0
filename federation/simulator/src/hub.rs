//! The one door to the state: a call begins, has its effect, and is written down.

use std::sync::Arc;

use bytes::Bytes;
use model::Moment;
use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::{
    fault::{Family, Fault, Struck},
    ledger::What,
    post,
    provided::PROVIDER_CALLS_MAX,
    reply::{Head, Outcome},
    settings::Settings,
    world::World,
};

/// How far the clock is ahead while `clock-off` strikes: more than a day, so that lists by day show it.
const CLOCK_OFF_MS: u64 = 26 * 3_600_000;

/// Characters of a text of somebody else's that the ledger repeats: an unknown path and its method, the code of a
/// provider's fault, who calls. The longest real ones have a hundred.
const SHOWN_MAX: usize = 200;

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

/// The state and its settings.
pub(crate) struct Hub {
    pub(crate) settings: Arc<Settings>,
    /// Calls of providers that may be made at a time.
    pub(crate) provider_calls: Semaphore,
    world: Mutex<World>,
}

/// A call that began.
pub(crate) struct Began {
    pub(crate) family: Family,
    pub(crate) call: &'static str,
    /// How many calls were made, this one included.
    pub(crate) number: u64,
    /// When, by the clock that this call sees.
    pub(crate) at: Moment,
    pub(crate) struck: Struck,
}

impl Hub {
    pub(crate) fn new(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let world = Mutex::new(World::new(settings.clone()));
        let provider_calls = Semaphore::new(PROVIDER_CALLS_MAX);
        Self { settings, provider_calls, world }
    }

    /// The state, with everything done that is due. It is held while one call has its effect.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock();
        post::settle(&mut world);
        world
    }

    /// A call begins: what time it is for it, and what strikes it.
    pub(crate) fn begin(&self, family: Family, call: &'static str) -> Began {
        let mut world = self.world();
        let seed = world.settings.seed;
        let struck = world.faults.strike(seed, family, call);
        let off = if struck.by(Fault::ClockOff) { CLOCK_OFF_MS } else { 0 };
        let at = Moment(world.now().0.saturating_add(off));
        let number = world.count_call();
        Began { family, call, number, at, struck }
    }

    /// A connection begins: what strikes it.
    pub(crate) fn connect(&self) -> Struck {
        let mut world = self.world();
        let (seed, at) = (world.settings.seed, world.now());
        let struck = world.faults.strike(seed, Family::Connection, "accept");
        if !struck.is_empty() {
            world.ledger.note(at, What::Connection { faults: struck.clone() });
        }
        struck
    }

    /// Somebody asked for what there is not.
    pub(crate) fn unknown(&self, head: &Head) {
        let (method, path) = (shown(head.method.as_str()), shown(head.path()));
        let mut world = self.world();
        let at = world.now();
        world.ledger.note(at, What::Unknown { method, path });
    }

    /// A call is over: it is written down.
    pub(crate) fn end(&self, began: &Began, request: &Bytes, outcome: &Outcome) {
        let digest = |octets: &[u8]| hex::encode(Sha256::digest(octets));
        let what = What::Call {
            family: began.family.as_str(),
            call: began.call,
            caller: outcome.caller.as_deref().map(shown),
            http: outcome.reply.http,
            verdict: shown(&outcome.verdict),
            document: outcome.document.as_deref().map(shown),
            faults: began.struck.clone(),
            request_sha256: digest(request),
            answer_sha256: digest(&outcome.reply.body),
        };
        self.world().ledger.note(began.at, what);
    }
}
