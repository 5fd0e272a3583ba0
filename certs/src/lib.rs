//! Identity of a cluster: its authority, its nodes' certificates, its key, its join tokens.
//!
//! The authority is one ECDSA P-256 key; a node is known by its number and its
//! own key, and the certificate ties them together. The
//! cluster key seals secrets at rest and derives tokens. TLS settings for the mesh and for
//! the HTTPS server are built here, always with one cryptographic provider and never a global one.
//! There is no network here, no clock (a moment is handed in) and no revocation list: a removed
//! node is refused by the mesh, which asks the replicated state.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::unwrap_used,
        reason = "a test that fails says enough"
    )
)]

mod authority;
mod error;
mod files;
mod identity;
mod key;
mod keyring;
mod pem;
mod pinned;
mod tls;
mod token;

pub use authority::{
    Authority, CERTIFICATE_LIFE, NodeKey, NodeRequest, check_request, requested_key,
};
pub use error::Error;
pub use files::{Access, read_secret, write_file};
pub use identity::{
    are_of_one_cluster, carries_hosts, identity_of, is_issued_by, key_digest, needs_renewal,
    node_name, not_after, renew_at,
};
pub use key::{ClusterKey, SEAL_OVERHEAD, sealed_under};
pub use keyring::Keyring;
pub use pem::{certificates_from_pem, certificates_to_pem, chain_from_pem, key_from_pem};
pub use pinned::{IsMember, mesh_client_config, mesh_server_config};
pub use tls::{Presented, https_server_config, provider};
pub use token::JoinToken;

/// The protocol that nodes speak to each other, as TLS negotiates it.
pub const MESH_PROTOCOL: &[u8] = b"lgsp/1";

/// Fills a buffer from the system's random number generator.
///
/// It is what `generate` functions take in production; a simulation hands in its own.
pub fn system_random(buffer: &mut [u8]) {
    aws_lc_rs::rand::fill(buffer)
        .expect("the system's random number generator works, or nothing here can be safe");
}

/// The SHA-256 of some octets: of a certificate it is the pin that a join token carries.
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets);
    digest.as_ref().try_into().expect("a SHA-256 has 32 octets")
}
