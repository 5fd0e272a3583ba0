//! Uploads: octets on their way into a space, by PATCH and PUT, through whichever node is asked.
//!
//! The node that writes a space holds its writer between requests. Another node takes over by a
//! command that gives it a higher epoch; holders then refuse the former writer, so two nodes may
//! both believe that they write and no octet is ever acknowledged twice with different content.

use std::time::Duration;

use auth::{Head, Signed, Whole};
use bytes::Bytes;
use content::{Claim, Stored};
use machine::{ClaimSpace, Command, Outcome, PacketRow, Refusal, View};
use model::{AccessKey, Digest, FileName, Grant, Moment, NodeId, PacketId, SpaceId};
use tokio::sync::{OwnedMutexGuard, watch};

use crate::{
    file_meta::FileMeta,
    gate,
    hold::Hold,
    intake::{Error, Intake},
    sessions::{Intent, Open, Turn},
    tokens::SpaceToken,
};

/// How long a request waits for another one that writes the same space. The other one is told to end, and
/// what has come of it is made durable first, which a cluster in good health does in far less.
const TAKE_OVER_GRACE: Duration = Duration::from_secs(2);

/// Who writes into a space, whose body streams, or does something else with it.
pub enum SpaceAccess<'a, Part = Head> {
    /// Whoever shows a token of the space.
    Token(&'a str),
    /// The source, by its signature.
    Caller(&'a Signed<Part>),
}

impl<Part> Clone for SpaceAccess<'_, Part> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Part> Copy for SpaceAccess<'_, Part> {}

impl<'a, Part> SpaceAccess<'a, Part> {
    /// Who has signed, if anybody has.
    fn caller(self) -> Option<&'a Signed<Part>> {
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
            Err(Error::from(Refusal::SizeMismatch))
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
            lost = held => lost.into(),
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

impl Intake {
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
            return Err(Error::from(Refusal::AlreadySealed));
        }
        let create = create.unwrap_or_default();
        let taken = self.take_space(&record, access.caller(), offset, create, Intent::Write);
        let mut upload = taken.await?;
        upload.hold = Some(Hold::on(&self.needs.core.consensus, &key, Some(Grant::Send)));
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
            None => match self.needs.content.offset(space, self.former_members(&record)).await? {
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
    pub async fn terminate(
        &self,
        space: SpaceId,
        access: SpaceAccess<'_, Whole>,
    ) -> Result<(), Error> {
        let (record, _) = self.space(space, access).await?;
        self.needs.uploads.forget(space);
        let abandon = Command::AbandonSpace(machine::AbandonSpace { space: record.space });
        match access.caller() {
            None => self.needs.core.propose(abandon).await?,
            Some(caller) => self.needs.core.propose_for(caller, abandon).await?,
        };
        Ok(())
    }

    /// The live packet of a space, and the access key that may write it: one that signs, or one whose
    /// token is shown and that could sign now.
    async fn space<Part>(
        &self,
        space: SpaceId,
        access: SpaceAccess<'_, Part>,
    ) -> Result<(PacketRow, AccessKey), Error> {
        let (key, stranger) = match access {
            SpaceAccess::Caller(caller) => {
                (caller.key().clone(), Error::from(Refusal::SpaceUnknown))
            }
            SpaceAccess::Token(token) => {
                let key =
                    self.needs.gate.key_of_token(|ring| SpaceToken::holder(ring, space, token))?;
                (key, gate::Error::TokenInvalid.into())
            }
        };
        self.needs.gate.fresh()?;
        self.needs.core.consensus.read_index().await?;
        let record = self.needs.core.consensus.peek(|rows| {
            let view = View::new(rows);
            // Writing on into an open space is no command, so nobody else asks for the grant.
            let holder = gate::holder(view, &key, Grant::Send)?;
            let record = view.packet_of_space(space);
            let record = record.ok_or(Error::from(Refusal::SpaceUnknown))?;
            if record.source != holder.unit {
                return Err(stranger);
            }
            if !view.may_act(&holder.app, &record) {
                return Err(Error::from(Refusal::TargetNotGranted));
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
        caller: Option<&Signed<Head>>,
        offset: Option<u64>,
        create: NewUpload,
        intent: Intent,
    ) -> Result<Upload, Error> {
        let Turn { writer, newer } =
            self.needs.uploads.session(record.space, &record.app, intent)?;
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
        let content_max = self.needs.content_max;
        let expires_at = record.due_at;
        Ok(Upload { open, newer, hold: None, content_max, expires_at, failed: false })
    }

    async fn claim(
        &self,
        record: &PacketRow,
        caller: Option<&Signed<Head>>,
        size: Option<u64>,
    ) -> Result<Claimed, Error> {
        let claim = ClaimSpace { space: record.space, node: self.needs.core.node, size };
        let outcome = match caller {
            None => self.needs.core.propose(Command::ClaimSpace(claim)).await?,
            Some(caller) => self.needs.core.propose_upload(caller, claim).await?,
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
        let meta = FileMeta { file_name: create.file_name }.to_bytes();
        // As of the claim: whoever took the octets before it is in the state, too. And whoever votes then is who what
        // comes is counted by.
        self.needs.core.consensus.read_index().await?;
        self.needs.voters.tell();
        let claim = Claim { space: record.space, packet, epoch };
        let former = self.former_members(record);
        let writer = self.needs.content.open_writer(claim, former, meta, None).await?;
        Ok(Open { writer, epoch, packet, size })
    }

    /// Who voted at any time since a space was granted.
    fn former_members(&self, record: &PacketRow) -> Vec<Vec<NodeId>> {
        self.needs.core.consensus.peek(|rows| machine::former_members(rows, record))
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
            return Err(Error::from(Refusal::SizeMismatch));
        }
        let new = NewUpload::default();
        let mut upload = self.take_space(record, None, None, new, Intent::Write).await?;
        let have = upload.offset();
        if have > size || differs(upload.size()) {
            return Err(Error::from(Refusal::SizeMismatch));
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
