//! Receipts (D18): what the platform says of a packet, signed, and proved by its history.
//!
//! A receipt is made of a fact and of nothing else, so every node makes the same octets. Whoever has it needs
//! the platform's public keys to check it, and no node. Deliberately no I/O, clock or randomness: keys, facts
//! and proofs are handed in.

mod claims;
mod evidence;
mod jwks;
mod key;
mod make;
mod receipt;
mod verify;

pub use claims::Kind;
pub use evidence::{Evidence, Origin, STATEMENT_SHOWN_MAX, Statement};
pub use jwks::{JWKS_OCTETS_MAX, KEYS_MAX, KeyEnd, KeySet, KeySetError, PlatformKey};
pub use key::ReceiptKey;
pub use make::{Attested, MakeError, Recorded, attest};
pub use receipt::{
    ANSWER_OCTETS_MAX, Header, Proof, RECEIPT_OCTETS_MAX, RECEIPTS_MAX, Receipt, Unreadable,
};
pub use verify::{Content, Destruction, Error, Report, SignedBy, verify};
