//! The writers that this node keeps open between requests, and who gives way to whom.

use std::{collections::HashMap, sync::Arc, time::Duration};

use content::Writer;
use model::{AppId, PacketId, SpaceId};
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::Instant,
};

/// Why a space cannot be written now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTurn {
    /// Its application writes as many as it may.
    #[error("an application writes {max} spaces at most")]
    OfApp { max: usize },
    /// This node does.
    #[error("a node writes {max} spaces at most")]
    OfNode { max: usize },
}

/// Writers that a node keeps open between requests at the most: as many as its store writes at once; fewer
/// where its memory does not reach. Beyond that the one that was idle longest gives way, which costs its upload a takeover; if none is idle,
/// the client is asked to come again.
pub const UPLOADS_MAX: usize = content::SESSIONS_MAX;

/// Writers that one application may keep open on a node, as a part of all: a quarter, so that one that opens
/// many and finishes none does not shut the others out.
const UPLOADS_AN_APP_PART: usize = 4;

/// A writer that nobody has used for so long is closed; the next request takes the space over anew,
/// which costs reading it back.
pub(crate) const UPLOAD_IDLE_MAX: Duration = Duration::from_secs(300);

/// The writers that this node keeps open between requests.
pub(crate) struct Uploads {
    sessions: Mutex<HashMap<SpaceId, Session>>,
    max: usize,
}

struct Session {
    app: AppId,
    writer: Arc<AsyncMutex<Option<Open>>>,
    /// Counts the requests that came to write: the newest is the writer, and the one before it ends.
    newest: watch::Sender<u64>,
    used_at: Instant,
}

/// Why a request takes a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    /// It writes, or finishes: with the same right, the newer one is where the client is now. The older may
    /// hang on a connection of which this node does not know yet that it is dead.
    Write,
    /// It only asks how far the space is, and ends nobody.
    Ask,
}

impl Session {
    /// No request has it or waits for it.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.writer) == 1
    }
}

/// One request's turn to write.
pub(crate) struct Turn {
    pub(crate) writer: Arc<AsyncMutex<Option<Open>>>,
    pub(crate) newer: watch::Receiver<u64>,
}

/// A writer that is open.
pub(crate) struct Open {
    pub(crate) writer: Writer,
    pub(crate) epoch: u32,
    pub(crate) packet: PacketId,
    /// Octets of the whole content, if announced.
    pub(crate) size: Option<u64>,
}

impl Uploads {
    /// Room for so many at once, [`UPLOADS_MAX`] at the most.
    pub(crate) fn new(max: usize) -> Self {
        Self { sessions: Mutex::default(), max: max.min(UPLOADS_MAX) }
    }

    fn an_app_max(&self) -> usize {
        self.max.div_ceil(UPLOADS_AN_APP_PART)
    }

    /// The writer of a space, and what tells whoever waits for it of a newer request.
    pub(crate) fn session(
        &self,
        space: SpaceId,
        app: &AppId,
        intent: Intent,
    ) -> Result<Turn, NoTurn> {
        let mut sessions = self.sessions.lock();
        if !sessions.contains_key(&space) {
            let own = |session: &Session| session.app == *app;
            if sessions.values().filter(|session| own(session)).count() >= self.an_app_max()
                && !give_way(&mut sessions, own)
            {
                return Err(NoTurn::OfApp { max: self.an_app_max() });
            }
            if sessions.len() >= self.max && !give_way(&mut sessions, |_| true) {
                return Err(NoTurn::OfNode { max: self.max });
            }
        }
        let session = sessions.entry(space).or_insert_with(|| Session {
            app: app.clone(),
            writer: Arc::default(),
            newest: watch::Sender::new(0),
            used_at: Instant::now(),
        });
        session.used_at = Instant::now();
        if intent == Intent::Write {
            session.newest.send_modify(|newest| *newest += 1);
        }
        Ok(Turn { writer: session.writer.clone(), newer: session.newest.subscribe() })
    }

    /// Closes the writer of a space.
    pub(crate) fn forget(&self, space: SpaceId) {
        self.sessions.lock().remove(&space);
    }

    /// Closes writers that nobody uses.
    pub(crate) fn close_idle(&self) {
        self.sessions.lock().retain(|_, session| {
            session.used_at.elapsed() < UPLOAD_IDLE_MAX || session.writer.try_lock().is_err()
        });
    }
}

/// Closes the writer that was idle longest; answers whether there was one.
fn give_way(sessions: &mut HashMap<SpaceId, Session>, of: impl Fn(&Session) -> bool) -> bool {
    let idle = sessions.iter().filter(|(_, session)| session.is_idle() && of(session));
    let oldest = idle.min_by_key(|(_, session)| session.used_at).map(|(space, _)| *space);
    oldest.is_some_and(|space| sessions.remove(&space).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(number: usize) -> AppId {
        format!("app-{number}").parse().expect("an application")
    }

    #[tokio::test(start_paused = true)]
    async fn the_upload_that_was_idle_longest_gives_way() {
        let uploads = Uploads::new(UPLOADS_MAX);
        let open =
            |space: usize, app: &AppId| uploads.session(SpaceId(space as u128), app, Intent::Write);
        for space in 0..UPLOADS_MAX {
            open(space, &app(space)).expect("there is room");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let busy = open(0, &app(0)).expect("it is open");
        open(UPLOADS_MAX, &app(9)).expect("another gives way");
        let sessions = uploads.sessions.lock();
        assert_eq!(sessions.len(), UPLOADS_MAX);
        assert!(sessions.contains_key(&SpaceId(0)) && !sessions.contains_key(&SpaceId(1)));
        drop((sessions, busy));
    }

    #[tokio::test(start_paused = true)]
    async fn an_application_does_not_shut_the_others_out() {
        let uploads = Uploads::new(UPLOADS_MAX);
        let open =
            |space: usize, app: &AppId| uploads.session(SpaceId(space as u128), app, Intent::Write);
        let busy: Vec<_> = (0..uploads.an_app_max())
            .map(|space| open(space, &app(1)).expect("there is room"))
            .collect();
        let refused = open(9_000, &app(1));
        assert!(matches!(refused, Err(NoTurn::OfApp { max: 32 })));
        open(9_000, &app(2)).expect("another application has its own share");
        drop(busy);
        open(9_001, &app(1)).expect("its own idle one gives way");
        assert!(uploads.sessions.lock().contains_key(&SpaceId(9_000)));
    }
}
