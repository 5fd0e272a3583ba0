//! The replicated state of the platform: commands in; outcome and effects out.
//!
//! [`apply`] is total and the same on every node: it reads the [`Store`] and the entry and nothing
//! else. Time, identifiers and sealed secrets are in the entry. No I/O, clock, randomness, async,
//! threads or floats.

#![cfg_attr(
    test,
    allow(clippy::cast_possible_truncation, reason = "a test that fails says enough")
)]

mod apply;
mod audit;
mod authority;
mod caller;
mod closing;
mod cluster;
mod cluster_key;
mod debts;
mod feed;
mod holdings;
mod keys;
mod leases;
mod leaving;
mod limits;
mod lost;
mod memory;
mod outbox;
mod packets;
mod past;
mod proving;
mod queue;
mod recall;
mod receipt_keys;
mod receiving;
mod refusal;
mod registry;
mod rules;
mod ruling;
mod search;
mod sending;
mod store;
mod sum;
mod tables;
mod time;
mod timers;
mod units;
mod v1;
mod view;
mod work;

pub use apply::{Applied, apply};
pub use audit::audit;
pub use authority::{AUTHORITY_OVERLAP_MS, OLDER_AUTHORITIES_MAX};
pub use cluster::{former_members, seat_voters};
pub use cluster_key::{FIRST_KEY_VERSION, OLDER_VERSIONS_MAX};
pub use limits::{
    ANSWER_TIME_MS, DELIVERY_TIME_MAX_MS, ENDED_KEPT_MS, FEED_EVENTS_MAX, FEED_SHARE,
    IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_TIME_MS, JOIN_TOKEN_TIME_MAX_MS, LEASES_A_NODE_MAX,
    LETTER_PAUSE_MAX_MS, NONCE_TIME_MS, PACKETS_A_COMMAND_MAX, PROOF_AGE_MAX_MS,
    PROOF_AHEAD_MAX_MS, PULSE_TIME_MS, RIDING_SIZE_MAX, ROWS_A_COMMAND_MAX, ROWS_AN_ENTRY_MAX,
    SPACE_TIME_MS, STATEMENT_OCTETS_MAX,
};
pub use lost::LOST_REASON;
pub use receipt_keys::{ED25519_OCTETS, ES256_OCTETS, RECEIPT_KEYS_MAX};
pub use refusal::Refusal;
pub use registry::{ALIASES_MAX, KEY_OVERLAP_MAX_MS};
pub use sending::foreseen_targets;
pub use store::{Overlay, Reader, Store, Visit, Write, Writes, scan_over};
pub use time::DATE_STILL_MS;
pub use v1::{
    AUTHORITY_OVERLAP_MAX_MS, AbandonSpace, About, AccessChange, AccessKind, AccessNews, AddApp,
    AddUnits, AdmitNode, AdoptRules, Answer, AppRecord, AuthorityRecord, By, CancelPacket,
    ClaimSpace, CloseLost, ClusterKeyRecord, ClusterRecord, Command, ConfirmReceipts, ConfirmTime,
    Counts, DeliveryRow, Destroyed, Effect, Ended, Entry, Event, EventKind, ExchangePolicy,
    FIRST_AUTHORITY, Fact, Found, GrantPickup, Granted, Idempotency, IdempotencyRecord,
    IssueJoinToken, IssueKey, JoinTokenRecord, KeyEnd, KeyRecord, LOST_A_COMMAND_MAX, Lapse,
    LeaseRecord, LeaveNode, Leaving, Letter, LetterId, LetterState, NewNode, NewReceiptKey,
    NewUnit, NodeChange, NodeKind, NodeRecord, OlderAuthority, OlderKey, OpenPacket, Opening,
    OrderAuthority, Outcome, Owing, PacketNews, PacketRow, PassTime, PostLetter, Proof, Proposal,
    Proposer, RESEALED_A_COMMAND_MAX, RULES_KNOWN, Receipt, ReceiptAnswer, ReceiptKeyRecord,
    RecordHolding, RecordLost, RecordPickup, RecordPurge, RejectDelivery, ReleaseHoldings,
    RemoveNode, RemoveUnit, RenameUnit, Report, ReportLetter, Request, Resealed, ReturnLease,
    RevokeKey, RotateClusterKey, Rules, SALT_OCTETS, SealPacket, Sending, Settled, Signed,
    StagedKey, Step, SubmitPacket, Sum, TARGETS_MAX, TakeLease, Time, TurnAuthority,
    TurnClusterKey, UNITS_A_COMMAND_MAX, UnitHead, UnitRecord, Unreadable, UpdateNode, What,
    decode, decode_one,
};
pub use view::{DeliveryRecord, Feed, PacketRecord, View};
