//! Limits and spans that rules, forms and the doors share.

/// How long a space waits for its content: 24 hours.
pub const SPACE_TIME_MS: u64 = 24 * 3_600_000;

/// How long a delivery may wait at the most: 30 days. Content is not kept longer for an absent target.
pub const DELIVERY_TIME_MAX_MS: u64 = 30 * 24 * 3_600_000;

/// A signature's `created` may be this much older than the entry: 300 s.
pub const PROOF_AGE_MAX_MS: u64 = 300_000;

/// A signature's `created` may be this much ahead of the entry: 60 s.
pub const PROOF_AHEAD_MAX_MS: u64 = 60_000;

/// How long a nonce is kept, with the answer to what it was spent for, after the moment that the signer
/// wrote: a minute longer than a signature is good, so that a node which repeats a command that came
/// at the last moment still hears its answer.
pub const NONCE_TIME_MS: u64 = PROOF_AGE_MAX_MS + 60_000;

/// How long the answer to what nobody signed is remembered by its command id: 10 minutes, longer than
/// any retry of a node.
pub const ANSWER_TIME_MS: u64 = 600_000;

/// How long an idempotency key is remembered: 7 days.
pub const IDEMPOTENCY_TIME_MS: u64 = 7 * 24 * 3_600_000;

/// Idempotency keys remembered for one application: beyond it, new keys are refused.
pub const IDEMPOTENCY_KEYS_MAX: u64 = 1_000_000;

/// Events kept in one unit's feed; who asks for what is not kept gets a reset.
pub const FEED_EVENTS_MAX: u64 = 10_000;

/// Events of one source that a full feed keeps whatever others tell: a quarter. Whoever holds more gives
/// way first, so that one source cannot push out what the others told, and three together cannot either.
pub const FEED_SHARE: u64 = FEED_EVENTS_MAX / 4;

/// How long a packet stays in the state after its end unless told otherwise: a day, in which a repeated receipt is
/// answered as the first one was. Content and file name have gone long before.
pub const ENDED_KEPT_MS: u64 = 24 * 3_600_000;

/// Octets of a body that is kept as evidence: a thousand receipts in one confirmation. A longer one is known by
/// its digest alone, which the signature base names.
pub const STATEMENT_OCTETS_MAX: usize = 256 << 10;

/// Octets of a signature base: a request's head has half as many at most.
pub const BASE_OCTETS_MAX: usize = 64 << 10;

/// Packets that one confirmation or record may name.
pub const PACKETS_A_COMMAND_MAX: usize = 1000;
/// Rows that the rules of one entry write, or that its commands name where that is more, before what is left of it is
/// put off: some tens of milliseconds of work, a small part of the time in which a follower misses its leader.
pub const ROWS_AN_ENTRY_MAX: usize = 8_192;
/// Rows that one command may write: a thousand receipts, each of which ends a packet of several targets. So no
/// entry writes more than this and [`ROWS_AN_ENTRY_MAX`] together.
pub const ROWS_A_COMMAND_MAX: usize = 24_576;
/// How long a node's pulse holds what hangs on it: three pulses of a node that sends one each five seconds may be
/// lost. What the node did is free for others this much later at most.
pub const PULSE_TIME_MS: u64 = 15_000;
/// How long a letter may wait for another try: a day, so that a mistake in a carrier's answer is noticed.
pub const LETTER_PAUSE_MAX_MS: u64 = 24 * 3_600_000;
/// Leases that may hang on one node: some for each carrier, webhook and claim that it serves.
pub const LEASES_A_NODE_MAX: usize = 1_000;
/// How far ahead a join token may expire: 7 days. It lies in mails and chats.
pub const JOIN_TOKEN_TIME_MAX_MS: u64 = 7 * 24 * 3_600_000;
/// Join tokens that are looked at when one is issued, so that old ones are forgotten.
pub(crate) const TOKENS_LOOKED_AT_MAX: usize = 1_000;
/// Rows that a command writes which settles, marks or frees packets of many targets, before it leaves the rest for the
/// next such command; one packet more may be under way. With what is pruned it stays within a command's budget.
pub(crate) const SETTLED_ROWS_MAX: usize = 4096;

/// Octets of the largest content that rides with its entry. What every node writes beside its log stays small beside
/// a heartbeat; above it the octets cost more than the round that riding saves.
pub const RIDING_SIZE_MAX: u64 = 32 << 10;
