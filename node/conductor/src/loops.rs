//! The conductor's loops: notices as entries are applied, purges, discarded contents, time, members,
//! pickups, parts of fetches, reconciliation.
//!
//! Each loop is woken by what happens and looks at the state, so a missed wake costs a moment and
//! nothing is forgotten.

use std::{collections::HashMap, sync::Arc, time::Duration};

use consensus::Role;
use futures_util::future::BoxFuture;
use machine::Effect;
use tokio::{
    sync::{Notify, broadcast::error::RecvError},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{Error, Exchange, reconcile::HOLDING_AFTER};

/// Purges gather for so long: short enough that content is gone within a second of the receipt,
/// long enough that one sync and one record serve many packets.
const PURGE_GATHER: Duration = Duration::from_millis(200);

/// Between two looks at the clock for what is due, at members, and at purge debts that no effect
/// told of (after a restart).
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Pickups gather for so long before they are recorded; most deliveries are confirmed by then.
const PICKUPS_GATHER: Duration = Duration::from_secs(2);

/// Between two reconciliations; a restart begins with one, and so does a change of the members.
const RECONCILE_EVERY: Duration = Duration::from_secs(60);

/// Between two while a content is not found and a node that may hold it is away, or has just come.
const RECONCILE_SOON: Duration = Duration::from_secs(10);

/// Between attempts of the first reconciliation while there is no majority.
const RECONCILE_RETRY: Duration = Duration::from_secs(2);

/// Does what must be done behind the doors, until it is dropped.
pub struct Conductor {
    exchange: Exchange,
}

impl Conductor {
    /// The conductor of an exchange.
    pub fn new(exchange: Exchange) -> Self {
        Self { exchange }
    }

    /// Runs until the future is dropped; its tasks end with it.
    ///
    /// The future is boxed, so that it is compiled here and not by every program that runs a node.
    pub fn run(self) -> BoxFuture<'static, ()> {
        Box::pin(self.conduct())
    }

    async fn conduct(self) {
        let (purge, members) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mut tasks = JoinSet::new();
        let keys = Arc::new(Notify::new());
        let leaving = Arc::new(Notify::new());
        let wakes = Wakes {
            purge: purge.clone(),
            members: members.clone(),
            keys: keys.clone(),
            leaving: leaving.clone(),
        };
        tasks.spawn(listen(self.exchange.clone(), wakes));
        tasks.spawn(turning_loop(self.exchange.clone(), keys));
        tasks.spawn(purge_loop(self.exchange.clone(), purge));
        tasks.spawn(discard_loop(self.exchange.clone()));
        tasks.spawn(lead_loop(self.exchange.clone()));
        tasks.spawn(removal_loop(self.exchange.clone(), leaving));
        tasks.spawn(admission_loop(self.exchange.clone()));
        tasks.spawn(pickup_loop(self.exchange.clone()));
        tasks.spawn(handed_loop(self.exchange.clone()));
        tasks.spawn(derive_loop(self.exchange.clone()));
        tasks.spawn(fill_loop(self.exchange.clone()));
        tasks.spawn(check_loop(self.exchange.clone()));
        tasks.spawn(reconcile_loop(self.exchange, members));
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

async fn derive_loop(exchange: Exchange) {
    exchange.past().derive().await;
}

async fn fill_loop(exchange: Exchange) {
    exchange.past().fill().await;
}

async fn check_loop(exchange: Exchange) {
    exchange.past().check().await;
}

/// What wakes the loops.
struct Wakes {
    purge: Arc<Notify>,
    members: Arc<Notify>,
    keys: Arc<Notify>,
    leaving: Arc<Notify>,
}

impl Wakes {
    /// Effects may have been missed: every loop looks.
    fn all(&self) {
        for wake in [&self.purge, &self.members, &self.keys, &self.leaving] {
            wake.notify_one();
        }
    }
}

async fn listen(exchange: Exchange, wakes: Wakes) {
    let mut effects = exchange.consensus().subscribe();
    let mut replaced = exchange.consensus().watch_replaced();
    exchange.inner.voters.tell();
    loop {
        tokio::select! {
            heard = effects.recv() => match heard {
                Ok(effects) => {
                    effects.iter().for_each(|effect| act(&exchange, effect, &wakes));
                    let turned = [Effect::ClusterKeyTurned, Effect::AuthorityTurned];
                    if turned.iter().any(|turned| effects.contains(turned)) {
                        wakes.keys.notify_one();
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    exchange.inner.hub.wake_all();
                    exchange.inner.voters.tell();
                    wakes.all();
                }
                Err(RecvError::Closed) => return,
            },
            // A snapshot has replaced the state: the effects of what it holds never come.
            changed = replaced.changed() => match changed {
                Ok(()) => {
                    exchange.inner.hub.wake_all();
                    exchange.inner.voters.tell();
                    wakes.all();
                }
                Err(_) => return,
            },
        }
    }
}

fn act(exchange: &Exchange, effect: &Effect, wakes: &Wakes) {
    match effect {
        Effect::Notice { unit, position } => exchange.inner.hub.grown(unit, *position),
        Effect::Purge => wakes.purge.notify_one(),
        Effect::Unwanted(space) => exchange.discards().destroy_unnamed(*space),
        // Streams look at their key when they are woken.
        Effect::KeyRevoked(_) => exchange.inner.hub.wake_all(),
        Effect::NodesChanged => {
            // A removed node counts no more, before consensus has let it go.
            exchange.inner.voters.tell();
            wakes.members.notify_one();
            wakes.leaving.notify_one();
        }
        // Told to a loop of its own.
        Effect::ClusterKeyTurned | Effect::AuthorityTurned => {}
        // Carriers look at the outbox themselves.
        Effect::Letter(_) => {}
    }
}

async fn purge_loop(exchange: Exchange, purge: Arc<Notify>) {
    loop {
        tokio::select! {
            () = purge.notified() => {}
            () = sleep(LOOK_EVERY * 5) => {}
        }
        sleep(PURGE_GATHER).await;
        loop {
            match exchange.pay_purge_debts().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    report("contents could not be destroyed yet", &error);
                    purge.notify_one();
                    sleep(LOOK_EVERY).await;
                    break;
                }
            }
        }
    }
}

async fn discard_loop(exchange: Exchange) {
    loop {
        exchange.discards().added().await;
        if let Err(error) = exchange.discards().discard_waiting().await {
            report("contents that nobody names could not be destroyed yet", &error.into());
            sleep(LOOK_EVERY).await;
        }
    }
}

// Each step of a rotation wakes the loop for the next one; the look is for what an effect did not tell, and
// for what is due.
async fn turning_loop(exchange: Exchange, keys: Arc<Notify>) {
    loop {
        if let Err(error) = exchange.cluster_keys().keep().await {
            report("the cluster key could not be turned yet", &error.into());
        }
        if let Err(error) = exchange.authority().keep().await {
            report("the authority could not be turned yet", &error.into());
        }
        tokio::select! {
            () = keys.notified() => {}
            () = sleep(exchange.cluster_keys().wait().unwrap_or(LOOK_EVERY).min(LOOK_EVERY)) => {}
        }
    }
}

async fn lead_loop(exchange: Exchange) {
    let mut next = Instant::now();
    loop {
        next += LOOK_EVERY;
        sleep_until(next).await;
        exchange.inner.uploads.close_idle();
        if exchange.consensus().status().role != Role::Leader {
            continue;
        }
        if let Err(error) = exchange.pass_time().await {
            report("what is due could not be settled yet", &error);
        }
        if let Err(error) = exchange.adopt_rules().await {
            report("newer rules could not be adopted yet", &error);
        }
        if let Err(error) = exchange.receipts().keep_keys().await {
            report("the keys of receipts could not be recorded yet", &error.into());
        }
        next = next.max(Instant::now());
    }
}

// A change of the members may take minutes, and neither time nor the other change waits for it.
async fn removal_loop(exchange: Exchange, leaving: Arc<Notify>) {
    loop {
        tokio::select! {
            () = leaving.notified() => {}
            () = sleep(LOOK_EVERY) => {}
        }
        if let Err(error) = exchange.members().release_leavers().await {
            report("a member could not be removed yet", &error.into());
        }
        exchange.take_members_out().await;
    }
}

async fn admission_loop(exchange: Exchange) {
    let mut attempts = HashMap::new();
    loop {
        sleep(LOOK_EVERY).await;
        exchange.bring_members_in(&mut attempts).await;
    }
}

async fn pickup_loop(exchange: Exchange) {
    loop {
        sleep(PICKUPS_GATHER).await;
        if let Err(error) = exchange.pickups().record().await {
            report("pickups could not be recorded", &error.into());
        }
    }
}

async fn handed_loop(exchange: Exchange) {
    exchange.pickups().tell_handed().await;
}

async fn reconcile_loop(exchange: Exchange, members: Arc<Notify>) {
    // What a node lacks when it starts, or when it becomes a member, nobody is about to send it: it
    // fetches without waiting. A majority of the old members may be none of the new ones.
    let mut holding_after = Duration::ZERO;
    loop {
        let pause = match exchange.reconcile(holding_after).await {
            // What was missed in this round is looked for in the next one too, however young it is.
            Ok(looked) if looked.is_waiting() => RECONCILE_SOON,
            Ok(_) => {
                holding_after = HOLDING_AFTER;
                RECONCILE_EVERY
            }
            Err(error) => {
                report("reconciliation is put off", &error);
                RECONCILE_RETRY
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = members.notified() => holding_after = Duration::ZERO,
        }
    }
}

fn report(what: &'static str, error: &Error) {
    match error {
        // No majority is the cluster's news, told by status and logs of consensus; not by every loop.
        Error::Unavailable { .. } | Error::Unknown => tracing::debug!(%error, "{what}"),
        _ => tracing::warn!(error = error as &dyn std::error::Error, "{what}"),
    }
}
