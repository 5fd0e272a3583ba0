//! Uploads: octets on their way into a space, by PATCH and PUT, through whichever node is asked.
//!
//! The node that writes a space holds its writer between requests. Another node takes over by a
//! command that gives it a higher epoch; holders then refuse the former writer, so two nodes may
//! both believe that they write and no octet is ever acknowledged twice with different content.

use std::{collections::HashMap, sync::Arc, time::Duration};

use auth::VerifiedCaller;
use bytes::Bytes;
use content::{Stored, Writer};
use machine::{ClaimSpace, Command, Outcome, PacketRow, Refusal, View};
use model::{AccessKey, AppId, Digest, FileName, Grant, Moment, PacketId, SpaceId};
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch},
    time::Instant,
};

use crate::{Error, Exchange, Hold, SpaceToken, intake::FileMeta};

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

/// How long a request waits for another one that writes the same space. The other one is told to end, and
/// what has come of it is made durable first, which a cluster in good health does in far less.
const TAKE_OVER_GRACE: Duration = Duration::from_secs(2);

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
enum Intent {
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
struct Turn {
    writer: Arc<AsyncMutex<Option<Open>>>,
    newer: watch::Receiver<u64>,
}

struct Open {
    writer: Writer,
    epoch: u32,
    packet: PacketId,
    size: Option<u64>,
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
    fn session(&self, space: SpaceId, app: &AppId, intent: Intent) -> Result<Turn, Error> {
        let mut sessions = self.sessions.lock();
        if !sessions.contains_key(&space) {
            let own = |session: &Session| session.app == *app;
            if sessions.values().filter(|session| own(session)).count() >= self.an_app_max()
                && !give_way(&mut sessions, own)
            {
                let what = "uploads_of_application";
                return Err(Error::ShareUsed { what, max: self.an_app_max() as u64 });
            }
            if sessions.len() >= self.max && !give_way(&mut sessions, |_| true) {
                let what = "uploads";
                return Err(Error::TooMany { what, max: self.max });
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

/// Who writes into a space.
#[derive(Clone, Copy)]
pub enum SpaceAccess<'a> {
    /// Whoever shows a token of the space.
    Token(&'a str),
    /// The source, by its signature.
    Caller(&'a VerifiedCaller),
}

impl<'a> SpaceAccess<'a> {
    /// Who has signed, if anybody has.
    fn caller(self) -> Option<&'a VerifiedCaller> {
        match self {
            Self::Token(_) => None,
            Self::Caller(caller) => Some(caller),
        }
    }
}

/// What an upload's creation tells of the content.
#[derive(Debug, Clone, Default)]
pub struct NewUpload {
    /// Octets of the whole content.
    pub size: Option<u64>,
    /// The file's name. Of what kind it is was said, and signed, when the packet was opened.
    pub file_name: Option<FileName>,
}

/// How far a space is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceStatus {
    /// Its packet.
    pub packet: PacketId,
    /// Octets that a majority holds durably.
    pub offset: u64,
    /// Octets of the whole content, if announced.
    pub size: Option<u64>,
    /// After this moment the space is gone.
    pub expires_at: Moment,
    /// Whether it can still be written.
    pub sealed: bool,
}

/// The right to write one space on this node, until it is dropped.
pub struct Upload {
    open: OwnedMutexGuard<Option<Open>>,
    /// Changes when a newer request wants to write the space.
    newer: watch::Receiver<u64>,
    /// The key that writes; none where this node acts in its own name.
    hold: Option<Hold>,
    content_max: u64,
    expires_at: Moment,
    /// A write, a sync or a rollback has failed: such a writer is not used again.
    failed: bool,
}

pub(crate) struct Finished {
    pub(crate) stored: Stored,
    pub(crate) epoch: u32,
}

/// Whether a request belongs to what is here: where it goes on, and the size that it announces.
fn fits(open: &Open, offset: Option<u64>, size: Option<u64>) -> Result<(), Error> {
    let here = open.writer.offset();
    if offset.is_some_and(|offset| offset != here) {
        return Err(Error::OffsetMismatch { offset: here });
    }
    match (size, open.size) {
        (Some(size), announced) if size < here || announced.is_some_and(|it| it != size) => {
            Err(Error::Refused(Refusal::SizeMismatch))
        }
        _ => Ok(()),
    }
}

/// A space that is this node's to write.
struct Claimed {
    packet: PacketId,
    epoch: u32,
    /// Octets of the whole content, if announced.
    size: Option<u64>,
}

impl Upload {
    fn open(&mut self) -> &mut Open {
        self.open.as_mut().expect("an upload is handed out with its writer")
    }

    /// Where the next octet goes.
    pub fn offset(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.writer.offset())
    }

    /// After this moment the space is gone.
    pub fn expires_at(&self) -> Moment {
        self.expires_at
    }

    /// The digest of the octets taken so far.
    pub fn digest(&self) -> Digest {
        self.open.as_ref().map_or(Digest(certs::sha256(&[])), |open| open.writer.digest())
    }

    /// Octets of the whole content, if announced.
    pub fn size(&self) -> Option<u64> {
        self.open.as_ref().and_then(|open| open.size)
    }

    /// Waits until the upload is over because its key is, its node is cut off, or a newer request writes the
    /// space; for those who wait for octets meanwhile.
    pub async fn lost(&mut self) -> Error {
        let Self { hold, newer, .. } = self;
        let held = async {
            match hold {
                Some(hold) => hold.lost().await,
                None => std::future::pending().await,
            }
        };
        let fenced = async {
            if newer.changed().await.is_err() {
                // The space was given up, or has ended: its content says so to whoever writes on.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            error = held => error,
            () = fenced => Error::SpaceBusy,
        }
    }

    /// A newer request with the same right is what writes the space, as a newer claim of another node would be.
    fn check_newest(&self) -> Result<(), Error> {
        if self.newer.has_changed().unwrap_or(false) { Err(Error::SpaceBusy) } else { Ok(()) }
    }

    /// Whether so many more octets may come.
    pub fn has_room_for(&self, octets: u64) -> Result<(), Error> {
        let max = self.size().unwrap_or(self.content_max);
        if self.offset().saturating_add(octets) > max {
            return Err(Error::TooLarge { max });
        }
        Ok(())
    }

    /// Takes octets in; they count once [`Upload::sync`] has said so.
    pub async fn write(&mut self, octets: Bytes) -> Result<(), Error> {
        self.has_room_for(octets.len() as u64)?;
        self.check_newest()?;
        if let Some(hold) = &mut self.hold {
            hold.step().await?;
        }
        let written = self.open().writer.write(octets).await;
        self.failed |= written.is_err();
        Ok(written?)
    }

    /// Drops what was taken since the last sync: a piece whose checksum was wrong.
    pub async fn rollback(&mut self) -> Result<u64, Error> {
        let kept = self.open().writer.rollback().await;
        self.failed |= kept.is_err();
        Ok(kept?)
    }

    /// Waits until a majority holds all octets taken so far; answers the offset that may be told.
    pub async fn sync(&mut self) -> Result<u64, Error> {
        let synced = self.open().writer.sync().await;
        self.failed |= synced.is_err();
        Ok(synced?)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.failed {
            // The next request claims the space anew and learns from the holders where it stands.
            *self.open = None;
        }
    }
}

impl Exchange {
    /// Opens a space for writing at an offset; `None` writes on wherever it stands.
    pub async fn upload(
        &self,
        space: SpaceId,
        access: SpaceAccess<'_>,
        offset: Option<u64>,
        create: Option<NewUpload>,
    ) -> Result<Upload, Error> {
        let (record, key) = self.space(space, access).await?;
        if record.sealed_at.is_some() {
            return Err(Error::Refused(Refusal::AlreadySealed));
        }
        let create = create.unwrap_or_default();
        let taken = self.take_space(&record, access.caller(), offset, create, Intent::Write);
        let mut upload = taken.await?;
        upload.hold = Some(self.hold_on(&key, Some(Grant::Send)));
        Ok(upload)
    }

    /// How far a space is. The offset is one that a majority holds and never goes back.
    pub async fn space_status(
        &self,
        space: SpaceId,
        access: SpaceAccess<'_>,
    ) -> Result<SpaceStatus, Error> {
        let (record, _) = self.space(space, access).await?;
        let sealed = record.sealed_at.is_some();
        let offset = match record.size.filter(|_| sealed) {
            Some(size) => size,
            None => match self.content().offset(space).await? {
                content::Offset::At(offset) => offset,
                // Its writer is gone: who writes next learns from the holders where it stands.
                // This node claims it in its own name: who only asks need not sign for a command.
                content::Offset::Unclaimed => {
                    let new = NewUpload::default();
                    self.take_space(&record, None, None, new, Intent::Ask).await?.offset()
                }
            },
        };
        Ok(SpaceStatus {
            packet: record.packet,
            offset,
            size: record.size,
            expires_at: record.due_at,
            sealed,
        })
    }

    /// Gives a space up before its packet is sealed (tus termination).
    pub async fn terminate(&self, space: SpaceId, access: SpaceAccess<'_>) -> Result<(), Error> {
        let (record, _) = self.space(space, access).await?;
        self.inner.uploads.forget(space);
        let abandon = Command::AbandonSpace(machine::AbandonSpace { space: record.space });
        match access.caller() {
            None => self.propose(None, abandon).await.map(drop),
            Some(caller) => self.propose_for(caller, abandon).await.map(drop),
        }
    }

    /// The live packet of a space, and the access key that may write it: one that signs, or one whose
    /// token is shown and that could sign now.
    async fn space(
        &self,
        space: SpaceId,
        access: SpaceAccess<'_>,
    ) -> Result<(PacketRow, AccessKey), Error> {
        let (key, stranger) = match access {
            SpaceAccess::Caller(caller) => (caller.key().clone(), Refusal::SpaceUnknown.into()),
            SpaceAccess::Token(token) => {
                let key = self.key_of_token(|ring| SpaceToken::holder(ring, space, token))?;
                (key, Error::TokenInvalid)
            }
        };
        self.fresh()?;
        self.consensus().read_index().await?;
        let record = self.consensus().peek(|rows| {
            let view = View::new(rows);
            // Writing on into an open space is no command, so nobody else asks for the grant.
            let holder = Self::holder(view, &key, Grant::Send)?;
            let record = view.packet_of_space(space);
            let record = record.ok_or(Error::Refused(Refusal::SpaceUnknown))?;
            if record.source != holder.unit {
                return Err(stranger);
            }
            if !view.may_act(&holder.app, &record) {
                return Err(Error::Refused(Refusal::TargetNotGranted));
            }
            Ok(record)
        })?;
        if record.ended.is_some() {
            return Err(Error::ContentGone);
        }
        Ok((record, key))
    }

    /// Makes this node the writer of a space. What a caller has signed claims the space always: that
    /// command spends the nonce, once in the whole cluster.
    async fn take_space(
        &self,
        record: &PacketRow,
        caller: Option<&VerifiedCaller>,
        offset: Option<u64>,
        create: NewUpload,
        intent: Intent,
    ) -> Result<Upload, Error> {
        let Turn { writer, newer } =
            self.inner.uploads.session(record.space, &record.app, intent)?;
        let mut open = tokio::time::timeout(TAKE_OVER_GRACE, writer.lock_owned())
            .await
            .map_err(|_| Error::SpaceBusy)?;
        // Another node may have taken the space over since: its epoch is then in the state.
        let known = open.as_ref().filter(|open| open.epoch == record.epoch);
        let size = create.size;
        let checked = |open: Option<&Open>| open.map_or(Ok(()), |open| fits(open, offset, size));
        checked(known)?;
        if known.is_none() || caller.is_some() {
            // A size goes into the state for good, so what is here is looked at before.
            let claimed = self.claim(record, caller, record.size.and(size)).await?;
            *open = None;
            *open = Some(self.open_claimed(record, claimed, create.clone()).await?);
            checked(open.as_ref())?;
        }
        if size.is_some() && open.as_ref().is_some_and(|here| here.size.is_none()) {
            let claimed = self.claim(record, None, size).await?;
            *open = None;
            *open = Some(self.open_claimed(record, claimed, create).await?);
            // Another node may have written between the two.
            checked(open.as_ref())?;
        }
        let content_max = self.inner.parts.content_max;
        let expires_at = record.due_at;
        Ok(Upload { open, newer, hold: None, content_max, expires_at, failed: false })
    }

    async fn claim(
        &self,
        record: &PacketRow,
        caller: Option<&VerifiedCaller>,
        size: Option<u64>,
    ) -> Result<Claimed, Error> {
        let claim =
            Command::ClaimSpace(ClaimSpace { space: record.space, node: self.node(), size });
        let outcome = match caller {
            None => self.propose(None, claim).await?,
            Some(caller) => self.propose_for(caller, claim).await?,
        };
        let Outcome::SpaceClaimed { packet, epoch, size } = outcome else {
            unreachable!("a claimed space is claimed, not {outcome:?}")
        };
        Ok(Claimed { packet, epoch, size })
    }

    async fn open_claimed(
        &self,
        record: &PacketRow,
        Claimed { packet, epoch, size }: Claimed,
        create: NewUpload,
    ) -> Result<Open, Error> {
        let meta = FileMeta { file_name: create.file_name };
        let writer =
            self.content().open_writer(record.space, packet, epoch, meta.to_bytes(), None).await?;
        Ok(Open { writer, epoch, packet, size })
    }

    /// Finishes the content of a packet, here or after taking it over from another node.
    pub(crate) async fn finish_upload(
        &self,
        record: &PacketRow,
        size: u64,
    ) -> Result<Finished, Error> {
        // The commit's nonce rides in the seal, so the claim goes without it.
        let differs = |announced: Option<u64>| announced.is_some_and(|it| it != size);
        // No more than was announced may come, so there is no use in waiting for it.
        if differs(record.size) {
            return Err(Error::Refused(Refusal::SizeMismatch));
        }
        let new = NewUpload::default();
        let mut upload = self.take_space(record, None, None, new, Intent::Write).await?;
        let have = upload.offset();
        if have > size || differs(upload.size()) {
            return Err(Error::Refused(Refusal::SizeMismatch));
        }
        if have < size {
            return Err(Error::ContentIncomplete { have, want: size });
        }
        let open = upload.open();
        debug_assert_eq!(open.packet, record.packet, "a space belongs to one packet");
        let finished = open.writer.finish().await;
        let epoch = open.epoch;
        upload.failed |= finished.is_err();
        Ok(Finished { stored: finished?, epoch })
    }
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
        assert!(matches!(refused, Err(Error::ShareUsed { max: 32, .. })));
        open(9_000, &app(2)).expect("another application has its own share");
        drop(busy);
        open(9_001, &app(1)).expect("its own idle one gives way");
        assert!(uploads.sessions.lock().contains_key(&SpaceId(9_000)));
    }
}
