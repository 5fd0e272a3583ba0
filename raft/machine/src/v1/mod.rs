//! Forms, version 1: what is logged, sent and stored, encoded by field number.
//!
//! No rule stands here. A form never changes its meaning: a changed meaning is a new command, a new record
//! or a new field since later [`Rules`]. Until the first release forms change freely.

mod command;
mod event;
mod facts;
mod leases;
mod members;
mod outcome;
mod packets;
mod record;
mod registry;
mod rules;
mod strict;
mod time;
mod turning;

pub use command::{Command, Entry, Found, Proof, Proposal, Proposer};
pub use event::{About, AccessNews, Event, EventKind, PacketNews, UnitHead};
pub(crate) use event::{EventSource, Told};
pub use facts::{
    AccessChange, AccessKind, Destroyed, Ended, Fact, Lapse, NodeChange, NodeKind, Opening,
    SALT_OCTETS, Sending, Settled, Signed, Step, What,
};
pub use leases::{
    LeaseRecord, Letter, LetterId, LetterState, PostLetter, Report, ReportLetter, ReturnLease,
    TakeLease,
};
pub use members::{
    AdmitNode, IssueJoinToken, JoinTokenRecord, LeaveNode, Leaving, NewNode, NodeRecord, Owing,
    ReleaseHoldings, RemoveNode, UpdateNode,
};
pub use outcome::{Answer, Effect, Granted, Outcome, ReceiptAnswer};
pub use packets::{
    AbandonSpace, CancelPacket, ClaimSpace, CloseLost, ConfirmReceipts, ExchangePolicy,
    GrantPickup, Idempotency, LOST_A_COMMAND_MAX, OpenPacket, PassTime, Receipt, RecordHolding,
    RecordLost, RecordPickup, RecordPurge, RejectDelivery, Request, SealPacket, SubmitPacket,
    TARGETS_MAX,
};
pub use record::{By, ClusterRecord, Counts, DeliveryRow, IdempotencyRecord, PacketRow};
pub(crate) use record::{Closing, EndedRow, Spent};
pub use registry::{
    AddApp, AddUnits, AppRecord, IssueKey, KeyRecord, NewUnit, RemoveUnit, RenameUnit, RevokeKey,
    UNITS_A_COMMAND_MAX, UnitRecord,
};
pub(crate) use registry::{Reach, Signer};
pub use rules::{AdoptRules, RULES_KNOWN, Rules};
pub use strict::{Unreadable, decode, decode_one};
pub(crate) use time::Trust;
pub use time::{ConfirmTime, Sum, Time};
pub use turning::{
    AUTHORITY_OVERLAP_MAX_MS, AuthorityRecord, ClusterKeyRecord, FIRST_AUTHORITY, KeyEnd,
    NewReceiptKey, OlderAuthority, OlderKey, OrderAuthority, RESEALED_A_COMMAND_MAX,
    ReceiptKeyRecord, Resealed, RotateClusterKey, StagedKey, TurnAuthority, TurnClusterKey,
};
