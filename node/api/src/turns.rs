//! Turns: while a node has more work than it should carry at once, applications take turns.
//!
//! So many requests are worked on side by side; whoever comes beyond that waits, and the next turn goes to the
//! application that has fewest in work, in order within one. A greedy one then waits for itself, and a modest one
//! for one of the others' requests to end. Below that number nobody waits for anything.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use model::AppId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{
    limits::{Limit, Reached, TURNS_MAX, WAITING_AN_APP_MAX},
    problem::Problem,
    texts::Fault,
};

/// The turns of one server.
pub(crate) struct Turns {
    reached: Arc<Reached>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    in_work: usize,
    /// Applications that have requests in work or waiting.
    apps: HashMap<AppId, App>,
    waiting: usize,
}

#[derive(Default)]
struct App {
    in_work: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// The right to be worked on, until it is dropped.
pub(crate) struct Turn {
    /// None once it was taken back.
    turns: Option<Arc<Turns>>,
    app: AppId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            turns.end(&self.app);
        }
    }
}

impl Table {
    fn app(&mut self, app: &AppId) -> &mut App {
        if !self.apps.contains_key(app) {
            self.apps.insert(app.clone(), App::default());
        }
        self.apps.get_mut(app).expect("it was entered where it was not there")
    }

    /// A request of an application is worked on no more.
    fn ended(&mut self, app: &AppId) {
        self.in_work -= 1;
        if let Some(entry) = self.apps.get_mut(app) {
            entry.in_work -= 1;
            if entry.in_work == 0 && entry.waiting.is_empty() {
                self.apps.remove(app);
            }
        }
    }
}

impl Turns {
    /// Nobody is at work.
    pub(crate) fn new(reached: Arc<Reached>) -> Arc<Self> {
        Arc::new(Self { reached, table: Mutex::default() })
    }

    /// Waits for a turn of an application.
    pub(crate) async fn take(self: &Arc<Self>, app: &AppId) -> Result<Turn, Problem> {
        let wait = {
            let mut table = self.table.lock();
            let free = table.in_work < TURNS_MAX && table.waiting == 0;
            if free {
                table.app(app).in_work += 1;
                table.in_work += 1;
                return Ok(Turn { turns: Some(self.clone()), app: app.clone() });
            }
            let entry = table.app(app);
            if entry.waiting.len() >= WAITING_AN_APP_MAX {
                self.reached.count(Limit::Waiting);
                return Err(Problem::new(Fault::ShareUsed)
                    .member("what", Limit::Waiting.as_str())
                    .member("max", WAITING_AN_APP_MAX));
            }
            let (given, wait) = oneshot::channel();
            entry.waiting.push_back(given);
            table.waiting += 1;
            wait
        };
        self.reached.count(Limit::Turns);
        // Whoever hands a turn on keeps it in the channel: it is never lost.
        Ok(wait.await.expect("a turn is given to everybody who waits"))
    }

    /// A request is done: its turn goes to the application that has fewest in work.
    fn end(self: &Arc<Self>, app: &AppId) {
        let mut table = self.table.lock();
        table.ended(app);
        while table.in_work < TURNS_MAX && table.waiting > 0 {
            let waiting = table.apps.iter_mut().filter(|(_, entry)| !entry.waiting.is_empty());
            let Some((app, entry)) = waiting.min_by_key(|(_, entry)| entry.in_work) else { return };
            let Some(given) = entry.waiting.pop_front() else { return };
            entry.in_work += 1;
            let turn = Turn { turns: Some(self.clone()), app: app.clone() };
            table.waiting -= 1;
            table.in_work += 1;
            if let Err(mut turn) = given.send(turn) {
                // Its request was given up. The turn is taken back here: its drop would lock again.
                turn.turns = None;
                table.ended(&turn.app);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::BoxFuture};

    use super::*;

    fn app(name: &str) -> AppId {
        format!("app-{name}").parse().expect("an application")
    }

    fn turns() -> Arc<Turns> {
        Turns::new(Arc::default())
    }

    fn ask(turns: &Arc<Turns>, of: &str) -> BoxFuture<'static, Result<Turn, Problem>> {
        let (turns, app) = (turns.clone(), app(of));
        let mut asked = async move { turns.take(&app).await }.boxed();
        match (&mut asked).now_or_never() {
            Some(turn) => futures_util::future::ready(turn).boxed(),
            None => asked,
        }
    }

    fn has(asked: &mut BoxFuture<'static, Result<Turn, Problem>>) -> Option<Turn> {
        asked.now_or_never().map(|turn| turn.expect("a turn"))
    }

    #[test]
    fn the_next_turn_is_of_who_has_fewest_in_work() {
        let turns = turns();
        let mut greedy: Vec<_> =
            (0..TURNS_MAX).map(|_| has(&mut ask(&turns, "greedy")).expect("free")).collect();
        let mut waiting: Vec<_> = (0..5).map(|_| ask(&turns, "greedy")).collect();
        let mut modest = ask(&turns, "modest");
        assert!(has(&mut modest).is_none() && has(&mut waiting[0]).is_none());
        greedy.pop();
        let first = has(&mut modest).expect("before those who waited longer");
        assert!(waiting.iter_mut().all(|asked| has(asked).is_none()));
        greedy.pop();
        let second = has(&mut waiting[0]).expect("in order within one");
        assert!(has(&mut waiting[1]).is_none());
        drop((greedy, first, second));
        assert!(waiting[1..].iter_mut().all(|asked| has(asked).is_some()));
        drop(waiting);
        let table = turns.table.lock();
        assert!(table.in_work == 0 && table.waiting == 0 && table.apps.is_empty());
    }

    #[test]
    fn who_gave_up_takes_no_turn_along() {
        let turns = turns();
        let mut held: Vec<_> =
            (0..TURNS_MAX).map(|_| has(&mut ask(&turns, "a")).expect("free")).collect();
        let (given_up, mut last) = (ask(&turns, "b"), ask(&turns, "c"));
        drop(given_up);
        held.pop();
        assert!(has(&mut last).is_some());
        // One that was given a turn and did not live to use it gives it on.
        let mut next = ask(&turns, "d");
        let mut after = ask(&turns, "e");
        held.truncate(TURNS_MAX - 2);
        assert!(turns.table.lock().in_work <= TURNS_MAX);
        drop(has(&mut next));
        drop((held, has(&mut after)));
        let table = turns.table.lock();
        assert!(table.in_work == 0 && table.waiting == 0 && table.apps.is_empty());
    }

    #[test]
    fn an_application_waits_with_so_many_at_once() {
        let turns = turns();
        let _held: Vec<_> =
            (0..TURNS_MAX).map(|_| has(&mut ask(&turns, "a")).expect("free")).collect();
        let _waiting: Vec<_> = (0..WAITING_AN_APP_MAX).map(|_| ask(&turns, "a")).collect();
        let refused = ask(&turns, "a").now_or_never().expect("at once").err().expect("refused");
        assert_eq!((refused.status().as_u16(), refused.word()), (429, "share_used"));
        assert!(ask(&turns, "b").now_or_never().is_none(), "another one waits for its turn");
    }
}
