//! Refusals: the rules saying no. A closed list with stable codes.

use std::fmt;

use minicbor::{Decode, Encode};

macro_rules! refusals {
    ($($(#[$doc:meta])* $n:literal $variant:ident = $word:literal $number:literal: $sentence:literal,)*) => {
        /// Why the rules say no. The word and the number are stable; the sentence is for developers
        /// (people read the translations of the API and the CLI).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(index_only)]
        pub enum Refusal {
            $($(#[$doc])* #[n($n)] $variant,)*
        }

        impl Refusal {
            /// Every refusal.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable word, as scripts and problem types write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The stable number, as in `LGSP-1203`.
            pub const fn number(self) -> u16 {
                match self { $(Self::$variant => $number),* }
            }
        }

        impl fmt::Display for Refusal {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $sentence),* })
            }
        }
    };
}

refusals! {
    /// A second `Found`.
    0 AlreadyFounded = "already_founded" 1001: "the cluster was founded before",
    /// A command before `Found`.
    1 NotFounded = "not_founded" 1002: "the cluster has not been founded",
    /// The join token is not known.
    2 TokenUnknown = "token_unknown" 1003: "the join token is not known here",
    /// The join token was spent before.
    3 TokenUsed = "token_used" 1004: "the join token was used before",
    /// The join token's time is over.
    4 TokenExpired = "token_expired" 1005: "the join token has expired",
    /// No such node, or it was removed.
    5 NodeUnknown = "node_unknown" 1006: "there is no such node",
    /// Removing this node would leave live contents without a majority of holders, or no node at all.
    6 NodeNeeded = "node_needed" 1007: "the node still holds what the others lack",
    /// A code under our zone that is not of Decision 20/2020.
    7 CodeMalformed = "code_malformed" 1203: "a code of our own zone must be one of Decision 20/2020",
    /// A local unit whose code does not begin with the zone, or a remote one whose code does.
    8 CodeOutsideZone = "code_outside_zone" 1204: "the code and the kind of unit do not fit the zone",
    /// The unit, or one of its aliases, is registered.
    9 UnitExists = "unit_exists" 1205: "a unit with this code is registered",
    /// No such unit.
    10 UnitUnknown = "unit_unknown" 1206: "there is no such unit",
    /// The parent is not registered.
    11 ParentUnknown = "parent_unknown" 1207: "the unit above it is not registered",
    /// An application of this name is registered.
    12 AppExists = "app_exists" 1208: "an application with this name is registered",
    /// No such application.
    13 AppUnknown = "app_unknown" 1209: "there is no such application",
    /// A key with this name was issued.
    14 KeyExists = "key_exists" 1210: "a key with this access key was issued",
    /// No such key.
    15 KeyUnknown = "key_unknown" 1211: "there is no such key",
    /// The key was revoked.
    16 KeyRevoked = "key_revoked" 1212: "the key was revoked",
    /// The application lacks the grant.
    17 NotGranted = "not_granted" 1213: "the application has not been granted this",
    /// The application may not send to this target.
    18 TargetNotGranted = "target_not_granted" 1214: "the application may not send to this target",
    /// The command needs a signature and has none.
    19 ProofMissing = "proof_missing" 1301: "the command needs a signature",
    /// The signature's time is outside the window.
    20 ClockOutOfWindow = "clock_out_of_window" 1302: "the signature's time is outside the window",
    /// The nonce passed before, anywhere in the cluster.
    21 NonceReused = "nonce_reused" 1303: "the nonce was used before",
    /// No target, too many, or one twice.
    22 TargetsMalformed = "targets_malformed" 1401: "one to 512 different targets are expected",
    /// The deadline is past or too far away.
    23 DeadlineMalformed = "deadline_malformed" 1402: "the deadline is past or too far away",
    /// No such packet, or not for the caller's eyes.
    24 PacketUnknown = "packet_unknown" 1403: "there is no such packet",
    /// No such space, or it is gone.
    25 SpaceUnknown = "space_unknown" 1404: "there is no such space",
    /// The space's time is over.
    26 SpaceExpired = "space_expired" 1405: "the space has expired",
    /// The packet is sealed: its content cannot change.
    27 AlreadySealed = "already_sealed" 1406: "the packet is sealed",
    /// A writer with an older epoch.
    28 EpochStale = "epoch_stale" 1407: "another node has taken over this space",
    /// The content's size is not the one that was announced.
    29 SizeMismatch = "size_mismatch" 1408: "the content's size is not the announced one",
    /// Too few holders, or one that is no node.
    30 HoldersTooFew = "holders_too_few" 1409: "the content is not durable on a majority",
    /// The idempotency key was used for something else.
    31 IdempotencyConflict = "idempotency_conflict" 1410: "the idempotency key was used for another request",
    /// Too many idempotency keys are remembered for this application.
    32 IdempotencyFull = "idempotency_full" 1411: "too many idempotency keys are remembered for this application",
    /// The packet is not sealed yet.
    33 NotSealed = "not_sealed" 1412: "the packet's content has not arrived",
    /// The caller's unit is not a target of the packet.
    34 NotATarget = "not_a_target" 1413: "the unit is not a target of this packet",
    /// The digest is not the one that the source signed.
    35 DigestMismatch = "digest_mismatch" 1414: "the digest is not the one that the source signed",
    /// The packet, or this delivery, has ended.
    36 AlreadyEnded = "already_ended" 1415: "it has ended before",
    /// The target has not accepted the packet yet.
    37 NotAccepted = "not_accepted" 1416: "the target has not accepted the packet",
    /// A list in the command is empty or too long.
    38 ListMalformed = "list_malformed" 1417: "the list is empty or too long",
    /// An identifier that was minted twice.
    39 IdExists = "id_exists" 1418: "the identifier is in use",
    /// Not a level-1 code of our own, the unit of the administrator is another zone's, or alike.
    40 ZoneMalformed = "zone_malformed" 1202: "the zone and the unit do not fit",
    /// No other key could administer the cluster any more.
    41 LastAdminKey = "last_admin_key" 1215: "no other key may administer the cluster",
    /// No node holds the content any more.
    42 ContentLost = "content_lost" 1419: "no node holds the packet's content any more",
    /// So many versions of the cluster key are kept that only a removal may bring another.
    43 RotationsFull = "rotations_full" 1008: "too many versions of the cluster key are kept",
    /// The secret is sealed under a version of the cluster key that has ended, or that never sealed.
    44 KeyVersionEnded = "key_version_ended" 1216: "the version of the cluster key has ended",
    /// Units below it, applications or open packets still refer to the unit.
    45 UnitInUse = "unit_in_use" 1217: "something still refers to the unit",
    /// The command is of rules that the cluster has not adopted yet.
    46 NotYet = "not_yet" 1009: "the cluster has not adopted the rules for this yet",
    /// The program of a node does not know the rules that the cluster has adopted.
    47 RulesTooOld = "rules_too_old" 1010: "the program does not know the rules that the cluster has adopted",
    /// The entry was full before this command was reached.
    48 EntryFull = "entry_full" 1011: "the entry of the log was full",
    /// The node already leaves, or has to be asked to leave first.
    49 NotLeaving = "not_leaving" 1012: "the node has not been asked to leave",
    /// Another node holds the lease, or the fence is an older one.
    50 LeaseHeld = "lease_held" 1013: "another node holds the lease",
    /// No such letter, or it is settled.
    51 LetterUnknown = "letter_unknown" 1014: "no such letter waits",
}
