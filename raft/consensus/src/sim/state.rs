//! A state in memory: writes are seen at once, and a crash takes back what was not persisted.

use std::{collections::BTreeMap, io, ops::ControlFlow, sync::Arc};

use futures_util::future::BoxFuture;
use machine::{Reader, Write};
use parking_lot::Mutex;

use crate::{
    FactLog,
    state::{Pairs, Stage, StateDisk, StateView},
};

/// A state in memory, with its disk.
#[derive(Clone, Default)]
pub struct State(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    seen: Image,
    synced: Image,
    session: u64,
    stage: u64,
    /// What the node saw that died last, by its session.
    dead: (u64, Image),
}

#[derive(Clone, Default)]
struct Image {
    pairs: Arc<BTreeMap<Vec<u8>, Vec<u8>>>,
    position: Option<Vec<u8>>,
}

/// A state as it was once, to go back to.
#[derive(Clone)]
pub struct StateCopy(Image);

impl State {
    /// An empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// The power fails: what was not persisted is gone, and whoever still writes gets errors. The
    /// tasks of the node end one after the other; until then they see what they saw last.
    pub fn crash(&self) {
        let mut store = self.0.lock();
        store.dead = (store.session, store.seen.clone());
        store.seen = store.synced.clone();
        store.session += 1;
    }

    /// What is on disk now, as a backup keeps it.
    pub fn copy(&self) -> StateCopy {
        StateCopy(self.0.lock().synced.clone())
    }

    /// The disk goes back to a copy. The node must not run.
    pub fn go_back(&self, copy: &StateCopy) {
        let mut store = self.0.lock();
        store.dead = (store.session, store.seen.clone());
        (store.seen, store.synced) = (copy.0.clone(), copy.0.clone());
        store.session += 1;
    }

    /// Plants a fault: a row is another one, as if another program had written it.
    pub fn plant(&self, key: Vec<u8>, value: Vec<u8>) {
        let mut store = self.0.lock();
        Arc::make_mut(&mut store.seen.pairs).insert(key, value);
    }

    /// The newest state, as a node on it sees it.
    pub fn view(&self) -> StateView {
        self.0.lock().seen.pairs.clone()
    }

    /// The state as the next node sees it; earlier ones are cut off.
    pub(crate) fn session(&self, facts: Arc<dyn FactLog>) -> StateSession {
        let mut store = self.0.lock();
        store.session += 1;
        StateSession { state: self.clone(), number: store.session, facts }
    }
}

/// The state in the hands of one node.
#[derive(Clone)]
pub(crate) struct StateSession {
    state: State,
    number: u64,
    facts: Arc<dyn FactLog>,
}

impl StateSession {
    fn with<T>(&self, act: impl FnOnce(&mut Store) -> T) -> io::Result<T> {
        let mut store = self.state.0.lock();
        if store.session == self.number {
            Ok(act(&mut store))
        } else {
            Err(io::Error::other("the disk is gone"))
        }
    }

    fn image<T>(&self, look: impl FnOnce(&Image) -> T) -> T {
        let store = self.state.0.lock();
        look(if store.dead.0 == self.number { &store.dead.1 } else { &store.seen })
    }

    fn pairs(&self) -> Arc<BTreeMap<Vec<u8>, Vec<u8>>> {
        self.image(|image| image.pairs.clone())
    }
}

impl Reader for StateSession {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.pairs().get(key).cloned()
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>) {
        // The visitor may read in turn: the lock must not be held.
        self.pairs().scan(from, to, visit);
    }
}

impl StateDisk for StateSession {
    fn reader(&self) -> &(dyn Reader + Send + Sync) {
        self
    }

    fn latest(&self) -> &(dyn Reader + Send + Sync) {
        self
    }

    fn peek(&self, look: &mut dyn FnMut(&dyn Reader)) {
        // A node that is killed in the middle goes on seeing what it has.
        look(&*self.pairs());
    }

    fn view(&self) -> io::Result<(StateView, Option<Vec<u8>>)> {
        let Image { pairs, position } = self.image(Image::clone);
        Ok((pairs, position))
    }

    fn write(&self, writes: &mut dyn Iterator<Item = Write>, position: Vec<u8>) -> io::Result<()> {
        self.with(|store| {
            let pairs = Arc::make_mut(&mut store.seen.pairs);
            for (key, value) in writes {
                match value {
                    Some(value) => pairs.insert(key, value),
                    None => pairs.remove(&key),
                };
            }
            store.seen.position = Some(position);
        })
    }

    fn check(&self) -> io::Result<()> {
        self.with(|_| ())
    }

    fn persist(&self) -> BoxFuture<'static, io::Result<()>> {
        // What is added meanwhile is counted by a state that is not synced here.
        let seen = self.with(|store| store.seen.clone());
        let done = seen.and_then(|seen| {
            self.facts.sync()?;
            self.with(|store| store.synced = seen)
        });
        Box::pin(std::future::ready(done))
    }

    fn stage(&self) -> io::Result<Box<dyn Stage>> {
        let number = self.with(|store| {
            store.stage += 1;
            store.stage
        })?;
        Ok(Box::new(SimStage { session: self.clone(), number, pairs: BTreeMap::new() }))
    }
}

struct SimStage {
    session: StateSession,
    number: u64,
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Stage for SimStage {
    fn put(&mut self, pairs: Pairs) -> io::Result<()> {
        self.session.check()?;
        self.pairs.extend(pairs);
        Ok(())
    }

    fn switch(self: Box<Self>, position: Vec<u8>) -> io::Result<()> {
        let Self { session, number, pairs } = *self;
        session.with(|store| {
            if store.stage != number {
                return Err(io::Error::other("a later snapshot has begun"));
            }
            store.seen = Image { pairs: Arc::new(pairs), position: Some(position) };
            store.synced = store.seen.clone();
            Ok(())
        })?
    }
}
