//! Failures of keys, certificates and their files. None of them repeats a secret.

use std::{io, path::PathBuf};

/// Why a key, a certificate or a token could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A cluster name that cannot stand in a host name.
    #[error("a cluster name has 1 to 40 characters of a-z, 0-9 and inner hyphens")]
    ClusterName,
    /// A host name that a node's certificate must not carry.
    #[error("the host name {0:?} cannot stand in a node's certificate")]
    HostName(String),
    /// The request for a certificate is malformed, or is not signed by the key it names.
    #[error("the certificate request is malformed or not signed by its own key")]
    Request(#[source] rcgen::Error),
    /// The key asked to be certified is of another kind than the cluster's nodes use.
    #[error("a node's key must be ECDSA P-256")]
    KeyKind,
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Issue(#[source] rcgen::Error),
    /// Octets that are not a private key.
    #[error("not a private key that can be used")]
    PrivateKey,
    /// The key does not belong to the certificate.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// Octets that are not a certificate.
    #[error("not an X.509 certificate")]
    Certificate,
    /// A certificate that names no node of this cluster, or more than one.
    #[error("the certificate does not name one node of the cluster")]
    Identity,
    /// A text that is not a join token.
    #[error("not a join token: {0}")]
    Token(&'static str),
    /// Sealed octets that were altered, belong elsewhere, or were sealed under another key.
    #[error("sealed octets fail their seal")]
    Forged,
    /// Sealed octets under a version of the cluster key that this node does not hold.
    #[error("sealed under version {0} of the cluster key, which this node does not hold")]
    KeyVersion(u32),
    /// A key ring whose file is malformed.
    #[error("not a cluster key: {0}")]
    Keyring(&'static str),
    /// A PEM file without what is expected of it.
    #[error("{path}: {reason}", path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong, for people.
        reason: &'static str,
    },
    /// A secret's file that others may read.
    #[error("{path} may be read by others: its mode must be 0600", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// A file that could not be read or written.
    #[error("cannot {action} {path}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// TLS settings that do not fit together.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// A verifier that could not be built from the authority.
    #[error("cannot verify with this authority")]
    Verifier(#[source] rustls::client::VerifierBuilderError),
}
