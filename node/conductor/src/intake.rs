//! Intake: a source asks for a space, or sends a small packet in one round trip, Article 13.
//!
//! Content is durable on a majority before the command that speaks of it is accepted, never after: it goes ahead of
//! its command, or, where it is small, rides with it (decision 0019). What will certainly be named by no command is
//! destroyed at once (see `discard`); what an unknown outcome leaves behind is for reconciliation to judge.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use bytes::Bytes;
use certs::Keyring;
use consensus::ProposeError;
use content::Content;
use machine::{
    CancelPacket, Command, Idempotency, OpenPacket, Outcome, PacketRow, RIDING_SIZE_MAX, Refusal,
    Request, SealPacket, SubmitPacket, View,
};
use model::{
    Digest, FileName, Grant, Histogram, IdempotencyKey, Moment, NodeId, PacketId, SpaceId, Stage,
    UnitCode,
};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use auth::{Signed, Whole};

use crate::{
    census::{Asked, Census, OpenMax, ShareUsed},
    discard::Discards,
    door::{self, Core, require},
    file_meta::FileMeta,
    gate::{self, Gate},
    hold, riding,
    sessions::{NoTurn, Uploads},
    tokens::SpaceToken,
    voters::Voters,
};

/// The largest content that may travel inside the first request: what the store takes whole (1 MiB).
///
/// It is held in memory, sealed once, until a majority has it; with the sealed copy that stays far
/// under the 8 MiB that one transfer may take.
pub const ONE_ROUND_MAX: usize = content::SMALL_MAX;

/// How often a content is copied and proposed where the voters change in between. They change one at
/// a time, seconds apart.
const HOLDER_TRIES_MAX: u32 = 3;

/// A request for a space, Article 13(2).
#[derive(Debug, Clone)]
pub struct OpenRequest {
    /// Where to, what, how urgent.
    pub request: Request,
    /// The content's size if it is known.
    pub size: Option<u64>,
    /// The client's idempotency key.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// A granted space.
#[derive(Debug)]
pub struct Opened {
    /// The packet.
    pub packet: PacketId,
    /// Its space.
    pub space: SpaceId,
    /// Opens the space for writing.
    pub token: SpaceToken,
    /// After this moment the space is gone.
    pub expires_at: Moment,
    /// Whether this answer repeats an earlier one.
    pub repeated: bool,
}

/// A small packet, whole.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Where to, what, how urgent.
    pub request: Request,
    /// Travels and goes with the content.
    pub file_name: Option<FileName>,
    /// At most [`ONE_ROUND_MAX`] octets.
    pub content: Bytes,
    /// The client's idempotency key.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// A packet that was accepted: durable on a majority, its targets notified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Which packet.
    pub packet: PacketId,
    /// When.
    pub at: Moment,
    /// Octets of plaintext.
    pub size: u64,
    /// The content's digest.
    pub digest: Digest,
    /// Whether this answer repeats an earlier one.
    pub repeated: bool,
}

/// Why a source's packet is not taken, or its content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules say no, or the cluster cannot be asked.
    #[error(transparent)]
    Door(#[from] door::Error),
    /// The token or the key that is shown opens nothing.
    #[error(transparent)]
    Gate(#[from] gate::Error),
    /// What was under way is over.
    #[error(transparent)]
    Hold(#[from] hold::Error),
    /// The content cannot be stored.
    #[error(transparent)]
    Content(#[from] content::Error),
    /// More octets than were announced, or than a content may have.
    #[error("the content is larger than allowed ({max} octets)")]
    TooLarge {
        /// The largest size.
        max: u64,
    },
    /// An upload continues at another offset.
    #[error("the space continues at offset {offset}")]
    OffsetMismatch {
        /// Where it continues.
        offset: u64,
    },
    /// Another request writes this space at this moment.
    #[error("another request is writing this space")]
    SpaceBusy,
    /// The content is gone: the packet has ended.
    #[error("the content is gone, as the packet has ended")]
    ContentGone,
    /// The content is not whole yet.
    #[error("the content has not arrived whole: {have} of {want} octets")]
    ContentIncomplete {
        /// Octets that are here.
        have: u64,
        /// Octets that were to be sealed.
        want: u64,
    },
    /// A source has all that it may have of something.
    #[error("the share of {what} is used up (at most {max})")]
    ShareUsed {
        /// Of what.
        what: &'static str,
        /// The share.
        max: u64,
    },
    /// Too many of something that has a named limit.
    #[error("too many {what} (at most {max})")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

door::through_core!(Error: Refusal, ProposeError, consensus::Unavailable);

impl From<ShareUsed> for Error {
    fn from(ShareUsed { what, max }: ShareUsed) -> Self {
        Self::ShareUsed { what, max }
    }
}

impl From<NoTurn> for Error {
    fn from(error: NoTurn) -> Self {
        match error {
            NoTurn::OfApp { max } => {
                Self::ShareUsed { what: "uploads_of_application", max: max as u64 }
            }
            NoTurn::OfNode { max } => Self::TooMany { what: "uploads", max },
        }
    }
}

impl Error {
    /// Whether the rules said no for this reason.
    pub fn is_refusal(&self, refusal: Refusal) -> bool {
        matches!(self, Self::Door(door::Error::Refused(why)) if *why == refusal)
    }
}

/// What the door of sources needs.
pub(crate) struct Needs {
    pub(crate) core: Core,
    pub(crate) gate: Arc<Gate>,
    pub(crate) content: Content,
    pub(crate) cluster_key: Arc<Keyring>,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) census: Arc<Census>,
    pub(crate) discards: Discards,
    pub(crate) voters: Voters,
    /// The largest content, in octets of plaintext.
    pub(crate) content_max: u64,
    /// What one source may have under way.
    pub(crate) open_max: OpenMax,
}

/// How long a packet that is sent in one round takes here.
#[derive(Default)]
struct Path {
    /// Whether it will be taken is foreseen, and its content is sealed, or copied where it goes ahead.
    prepare: Histogram,
    /// The cluster's answer to the command is awaited.
    propose: Histogram,
}

/// The door of sources: they open packets, send contents, seal and take back.
pub struct Intake {
    pub(crate) needs: Needs,
    path: Path,
}

impl Intake {
    pub(crate) fn new(needs: Needs) -> Self {
        Self { needs, path: Path::default() }
    }

    /// How long packets take here, by stage, since the start.
    pub fn stages(&self) -> Vec<Stage> {
        let Path { prepare, propose } = &self.path;
        vec![prepare.stage("prepare"), propose.stage("propose")]
    }

    /// Grants a space for a packet's content.
    pub async fn open(&self, caller: &Signed<Whole>, open: OpenRequest) -> Result<Opened, Error> {
        require(caller, Grant::Send)?;
        if let Some(size) = open.size.filter(|size| *size > self.needs.content_max) {
            tracing::debug!(size, "an announced size is over the limit");
            return Err(Error::TooLarge { max: self.needs.content_max });
        }
        // A repeat of what was granted, and what will be refused, takes no share and no room.
        let (app, key) = (caller.app(), open.idempotency_key.as_ref());
        let targets =
            machine::foreseen_targets(self.needs.core.consensus.latest(), app, &open.request, key);
        if let Some(targets) = targets {
            // The log's own room is for what frees room.
            self.needs.content.check_disk().await?;
            self.take_in(caller, &targets, open.size)?;
        }
        let now = self.needs.core.now();
        let command = Command::OpenPacket(OpenPacket {
            packet: PacketId::mint(now, self.needs.core.random_bits()),
            space: SpaceId::mint(now, self.needs.core.random_bits()),
            size: open.size,
            node: self.needs.core.node,
            idempotency: open.idempotency_key.map(|key| Idempotency {
                key,
                fingerprint: fingerprint(&open.request, open.size, None, None),
            }),
            request: open.request,
        });
        match self.needs.core.propose_for(caller, command).await? {
            Outcome::SpaceGranted(granted) => Ok(Opened {
                packet: granted.packet,
                space: granted.space,
                token: SpaceToken::of(&self.needs.cluster_key, granted.space, caller.key()),
                expires_at: granted.expires_at,
                repeated: granted.repeated,
            }),
            other => unreachable!("an opened packet is granted a space, not {other:?}"),
        }
    }

    /// Takes a small packet whole: open, send and seal in one round trip.
    pub async fn submit(
        &self,
        caller: &Signed<Whole>,
        submission: &Submission,
    ) -> Result<Accepted, Error> {
        let mut begun = Instant::now();
        require(caller, Grant::Send)?;
        if submission.content.len() > ONE_ROUND_MAX {
            return Err(Error::TooLarge { max: ONE_ROUND_MAX as u64 });
        }
        let (app, request) = (caller.app(), &submission.request);
        let key = submission.idempotency_key.as_ref();
        let targets =
            machine::foreseen_targets(self.needs.core.consensus.latest(), app, request, key);
        if targets.is_none()
            && let Some(answer) = self.ask_without_copies(caller, submission, begun).await
        {
            return answer;
        }
        let size = submission.content.len() as u64;
        self.take_in(caller, targets.as_ref().unwrap_or(&request.targets), Some(size))?;
        let mut tries = 1;
        loop {
            match self.submit_once(caller, submission, begun).await {
                // Others vote since the content was copied: it goes to those who vote now. The
                // signature is still good, as this refusal uses no nonce up (decision 0006).
                Err(error)
                    if error.is_refusal(Refusal::HoldersTooFew) && tries < HOLDER_TRIES_MAX =>
                {
                    tries += 1;
                    begun = Instant::now();
                    self.needs.voters.tell();
                }
                answer => return answer,
            }
        }
    }

    /// Proposes a submission whose content nobody holds yet. Whatever else may be refused, or was
    /// answered before, is decided so, by all of the cluster, and no node has written anything.
    /// None where only the holders are wanting: that refusal uses no nonce up (decision 0006).
    async fn ask_without_copies(
        &self,
        caller: &Signed<Whole>,
        submission: &Submission,
        begun: Instant,
    ) -> Option<Result<Accepted, Error>> {
        let (digest, size) =
            (Digest(Sha256::digest(&submission.content).into()), submission.content.len() as u64);
        let now = self.needs.core.now();
        let packet = PacketId::mint(now, self.needs.core.random_bits());
        let space = SpaceId::mint(now, self.needs.core.random_bits());
        let stored = content::Stored { digest, size, holders: Vec::new() };
        self.path.prepare.count(begun.elapsed());
        match self.propose_submission(caller, submission, (packet, space), stored).await {
            Err(error) if error.is_refusal(Refusal::HoldersTooFew) => None,
            answer => Some(answer),
        }
    }

    /// Asks whether the source may have one more packet under way. Targets go by their main codes: a
    /// unit may have other codes, and has one share.
    fn take_in(
        &self,
        caller: &Signed<Whole>,
        targets: &[UnitCode],
        size: Option<u64>,
    ) -> Result<(), Error> {
        let asked = Asked { source: caller.unit(), targets, size };
        Ok(self.needs.census.take_in(&asked, self.needs.open_max)?)
    }

    async fn submit_once(
        &self,
        caller: &Signed<Whole>,
        submission: &Submission,
        begun: Instant,
    ) -> Result<Accepted, Error> {
        let now = self.needs.core.now();
        let packet = PacketId::mint(now, self.needs.core.random_bits());
        let space = SpaceId::mint(now, self.needs.core.random_bits());
        let meta = FileMeta { file_name: submission.file_name.clone() };
        let ids = (packet, space);
        if let Some(answer) = self.submit_riding(caller, submission, ids, &meta, begun).await {
            return answer;
        }
        let unnamed = self.needs.discards.unnamed(space);
        let content = submission.content.clone();
        let put = self.needs.content.put_small(space, packet, meta.to_bytes(), content).await;
        if put.is_ok() || matches!(put, Err(content::Error::Full | content::Error::TooMany)) {
            unnamed.leave();
        }
        let stored = put?;
        self.path.prepare.count(begun.elapsed());
        let answer = self.propose_submission(caller, submission, (packet, space), stored).await;
        let useless = match &answer {
            Ok(accepted) => accepted.repeated,
            // These have certainly not happened and will not; only an unknown outcome may.
            Err(Error::Door(error)) => !matches!(error, door::Error::Unknown),
            Err(_) => false,
        };
        if useless {
            self.needs.discards.discard(space);
        }
        answer
    }

    /// Proposes a small content with the command that speaks of it. None where it is not small, or where a node
    /// lacks room for it: then it goes ahead, which needs a majority that has room. Nothing has happened then.
    async fn submit_riding(
        &self,
        caller: &Signed<Whole>,
        submission: &Submission,
        (packet, space): (PacketId, SpaceId),
        meta: &FileMeta,
        begun: Instant,
    ) -> Option<Result<Accepted, Error>> {
        let content = submission.content.clone();
        if content.len() as u64 > RIDING_SIZE_MAX || !self.needs.content.has_room() {
            return None;
        }
        let record = match self.needs.content.seal_small(space, packet, meta.to_bytes(), content) {
            Ok(record) => record,
            Err(error) => return Some(Err(error.into())),
        };
        let (digest, size) = (record.digest(), record.size());
        let stored = content::Stored { digest, size, holders: Vec::new() };
        let command = Self::submission(submission, (packet, space), stored, true);
        let proposal = match self.needs.core.proposal_for(caller, command) {
            Ok(proposal) => proposal,
            Err(refusal) => return Some(Err(refusal.into())),
        };
        let prepared = Instant::now();
        let proposed =
            self.needs.core.consensus.propose_with(proposal, riding::attachment(&record)).await;
        if !matches!(proposed, Err(ProposeError::NoRide)) {
            self.path.prepare.count(prepared - begun);
            self.path.propose.count(prepared.elapsed());
        }
        let outcome = match proposed {
            Err(ProposeError::NoRide) => return None,
            Err(error) => return Some(Err(error.into())),
            Ok(outcome) => outcome,
        };
        match &outcome {
            Ok(Outcome::Accepted { repeated: false, .. }) => {
                self.needs.content.metrics().bytes_in.fetch_add(size, Relaxed);
            }
            // Every node that has applied it knows; of a refusal that leaves nothing only this one does.
            _ => self.needs.discards.discard(space),
        }
        Some(outcome.map_err(Error::from).map(|outcome| accepted(outcome, digest, size)))
    }

    async fn propose_submission(
        &self,
        caller: &Signed<Whole>,
        submission: &Submission,
        ids: (PacketId, SpaceId),
        stored: content::Stored,
    ) -> Result<Accepted, Error> {
        let (digest, size) = (stored.digest, stored.size);
        let command = Self::submission(submission, ids, stored, false);
        let prepared = Instant::now();
        let outcome = self.needs.core.propose_for(caller, command).await;
        self.path.propose.count(prepared.elapsed());
        let outcome = outcome?;
        Ok(accepted(outcome, digest, size))
    }

    fn submission(
        submission: &Submission,
        (packet, space): (PacketId, SpaceId),
        content::Stored { digest, size, holders }: content::Stored,
        rides: bool,
    ) -> Command {
        let request = submission.request.clone();
        Command::SubmitPacket(SubmitPacket {
            packet,
            space,
            digest,
            size,
            holders,
            rides,
            idempotency: submission.idempotency_key.clone().map(|key| Idempotency {
                key,
                fingerprint: fingerprint(
                    &request,
                    None,
                    Some(digest),
                    submission.file_name.as_ref(),
                ),
            }),
            request,
        })
    }

    /// Seals a space whose content has arrived: the source signs size and digest of the whole.
    pub async fn seal(
        &self,
        caller: &Signed<Whole>,
        packet: PacketId,
        digest: Digest,
        size: u64,
        policy: Option<machine::ExchangePolicy>,
    ) -> Result<Accepted, Error> {
        require(caller, Grant::Send)?;
        self.needs.core.consensus.read_index().await?;
        let record = View::new(self.needs.core.consensus.latest()).packet_row(packet);
        let record = record.filter(|record| record.source == *caller.unit());
        let record = record.ok_or(Error::from(Refusal::PacketUnknown))?;
        // Before the content is finished: nobody could write on after that.
        if !View::new(self.needs.core.consensus.latest()).may_act(caller.app(), &record) {
            return Err(Error::from(Refusal::TargetNotGranted));
        }
        let mut tries = 1;
        loop {
            let policy = policy.clone();
            let (size, epoch, holders) = self.finished(&record, size, digest).await?;
            let seal = SealPacket { packet, digest, size, epoch, holders, policy };
            let sealed = self.needs.core.propose_for(caller, Command::SealPacket(seal)).await;
            match sealed.map_err(Error::from) {
                Ok(Outcome::Accepted { packet, at, repeated }) => {
                    self.needs.uploads.forget(record.space);
                    return Ok(Accepted { packet, at, size, digest, repeated });
                }
                Ok(other) => unreachable!("a sealed packet is accepted, not {other:?}"),
                // Others vote since the content was finished: it goes to those who vote now, and the
                // seal names them. This refusal uses no nonce up (decision 0006).
                Err(error)
                    if error.is_refusal(Refusal::HoldersTooFew) && tries < HOLDER_TRIES_MAX =>
                {
                    tries += 1;
                    self.needs.voters.tell();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What a seal says of a content: its size, the epoch of its writer, and who holds it now.
    async fn finished(
        &self,
        record: &PacketRow,
        size: u64,
        digest: Digest,
    ) -> Result<(u64, u32, Vec<NodeId>), Error> {
        if record.sealed_at.is_some() {
            // A repeat of the same commit is the same answer: the source may have lost our reply. The
            // state gives it, so that the signature's nonce passes once here too.
            let size = record.size.unwrap_or(size);
            return Ok((size, record.epoch, record.holders.clone()));
        }
        let finished = self.finish_upload(record, size).await?;
        if finished.stored.digest != digest {
            return Err(Error::from(Refusal::DigestMismatch));
        }
        Ok((size, finished.epoch, finished.stored.holders))
    }

    /// Takes a packet back.
    pub async fn cancel(&self, caller: &Signed<Whole>, packet: PacketId) -> Result<(), Error> {
        let command = Command::CancelPacket(CancelPacket { packet });
        self.needs.core.propose_for(caller, command).await?;
        Ok(())
    }
}

fn accepted(outcome: Outcome, digest: Digest, size: u64) -> Accepted {
    match outcome {
        Outcome::Accepted { packet, at, repeated } => {
            Accepted { packet, at, size, digest, repeated }
        }
        other => unreachable!("a submitted packet is accepted, not {other:?}"),
    }
}

/// What an idempotency key stands for: all that was asked, the file's name and the content's digest
/// included, and not raw octets.
fn fingerprint(
    request: &Request,
    size: Option<u64>,
    digest: Option<Digest>,
    file_name: Option<&FileName>,
) -> Digest {
    let fields = (request, size, digest, file_name);
    let fields = minicbor::to_vec(fields).expect("a vector takes every octet");
    Digest(Sha256::digest(fields).into())
}
