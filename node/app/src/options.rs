//! What the command line asks of the node's own wiring (`crate::node`), and what it gets back.
//!
//! `node::run(options)` runs until SIGTERM or SIGINT. `node::init` and `node::join` create the
//! data directory (it is absent or empty) and everything in it but the files that the command
//! line writes afterwards: `lgsp.toml`, `admin.toml`, `admin.secret` and `authority.pem`.

use std::path::PathBuf;

use client::Secret;
use model::{AccessKey, Label, NodeId, Zone};

use crate::config::{ApiUrl, Config, HostPort, Level};

/// `lgsp init`: a cluster of one node.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// The node; `certificate_hosts()` says what its certificate carries.
    pub config: Config,
    /// The cluster's name for people.
    pub cluster_name: Label,
    /// The province.
    pub zone: Zone,
}

/// What `lgsp init` made.
#[derive(Debug, Clone)]
pub struct Founded {
    /// The node's number.
    pub node: NodeId,
    /// The cluster's identifier.
    pub cluster: String,
    /// The authority's certificate in DER.
    pub authority: Vec<u8>,
    /// The administrator's access key.
    pub access_key: AccessKey,
    /// Its secret key.
    pub secret_key: Secret,
}

/// `lgsp join`: one more node.
#[derive(Debug)]
pub struct JoinOptions {
    /// The node; `certificate_hosts()` says what its certificate carries.
    pub config: Config,
    /// A member's API.
    pub url: ApiUrl,
    /// The token, which also pins the authority.
    pub token: certs::JoinToken,
}

/// `lgsp run`: the node itself.
pub struct RunOptions {
    /// The configuration.
    pub config: Config,
    /// Its file, which is read again when the operator says so (SIGHUP).
    pub path: PathBuf,
    /// Where a peer may be, beside what the configuration says.
    pub peers: Vec<HostPort>,
    /// The operator's word that a directory that looks copied is the node now.
    pub moved: bool,
    /// Changes how much the log says while the node runs.
    pub set_level: Box<dyn Fn(Level) + Send + Sync>,
}

impl RunOptions {
    /// Where peers may be, as the operator says in a configuration and at the start.
    pub fn hints(&self, config: &Config) -> Vec<String> {
        config.mesh.peers.iter().chain(&self.peers).map(ToString::to_string).collect()
    }
}

/// What `lgsp join` got.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The node's number.
    pub node: NodeId,
    /// The cluster's identifier.
    pub cluster: String,
    /// The cluster's name.
    pub cluster_name: String,
    /// The authority's certificate in DER.
    pub authority: Vec<u8>,
}
