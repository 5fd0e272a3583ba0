//! What concerns the cluster as a whole: its key, its nodes.

use std::time::Duration;

use https::Method;
use model::NodeId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Client, Error, Status, send::Call};

/// How far the cluster key has turned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterKey {
    /// The version that seals.
    pub version: u32,
    /// `settled`, or what a rotation is at: `wanted`, `handed_out`, `resealing`.
    #[serde(default)]
    pub phase: String,
    /// Since when the version seals.
    #[serde(default)]
    pub active_at: Option<String>,
    /// Nodes that hold the version that is being handed out.
    #[serde(default)]
    pub holders: Vec<NodeId>,
    /// Until when tokens of older versions are honoured.
    #[serde(default)]
    pub old_tokens_until: Option<String>,
    /// Until when older versions are kept to open contents.
    #[serde(default)]
    pub old_contents_until: Option<String>,
    /// How many older versions are kept.
    #[serde(default)]
    pub older_versions: u64,
    /// From so many on an administrator's rotation is refused.
    #[serde(default)]
    pub older_versions_max: Option<u64>,
    /// When the oldest of them is forgotten.
    #[serde(default)]
    pub oldest_until: Option<String>,
}

/// The authority that certifies the nodes, and how far a rotation is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Authority {
    /// Its number; the first is 1.
    pub number: u32,
    /// The SHA-256 of its certificate, in hexadecimal.
    #[serde(default)]
    pub fingerprint: String,
    /// Whether a new one is wanted and not made yet.
    #[serde(default)]
    pub wanted: bool,
    /// How many before it are still honoured.
    #[serde(default)]
    pub older: usize,
    /// Until when the first of them is: who trusts only an older one has to take this one's file before.
    #[serde(default)]
    pub older_until: Option<String>,
    /// How many seconds that is from now.
    #[serde(default)]
    pub older_left_seconds: Option<u64>,
}

/// Whom applications may trust.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrustedAuthorities {
    /// The number of the authority that certifies the nodes.
    pub number: u32,
    /// The certificate to trust, as text (PEM).
    pub pem: String,
    /// Until when the first of the older ones is honoured.
    #[serde(default)]
    pub older_until: Option<String>,
}

/// The nodes as any application may know them, and whom it may trust.
#[derive(Debug, Clone, Deserialize)]
pub struct ApiNodes {
    /// The nodes.
    pub nodes: Vec<ApiNode>,
    /// The authorities.
    pub authority: Option<TrustedAuthorities>,
}

/// Whether a node takes requests, and if not, why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// Whether it does.
    pub ready: bool,
    /// Why not.
    #[serde(default)]
    pub reasons: Vec<serde_json::Value>,
}

/// A node and where its API is, as any application may know.
#[derive(Debug, Clone, Deserialize)]
pub struct ApiNode {
    /// Its number.
    pub node: NodeId,
    /// Where its API is.
    pub url: String,
}

impl Client {
    /// Asks for a new version of the cluster key. A request that may have been heard is not repeated.
    pub async fn rotate_cluster_key(&self, end_tokens: bool) -> Result<Status, Error> {
        let body = json!({ "end_tokens": end_tokens });
        self.json(Call::post("/v1/admin/cluster-key/rotate", &body).only_unsent()).await
    }

    /// Asks for a new authority; the present one is honoured for so many days after it. A request that
    /// may have been heard is not repeated.
    pub async fn rotate_authority(&self, overlap_days: u32) -> Result<Status, Error> {
        let body = json!({ "overlap_days": overlap_days });
        self.json(Call::post("/v1/admin/authority/rotate", &body).only_unsent()).await
    }

    /// Ends the authorities before the one that certifies, whatever time they have left.
    pub async fn end_older_authorities(&self) -> Result<Status, Error> {
        self.json(Call::new(Method::Post, "/v1/admin/authority/end-older")).await
    }

    /// Where the nodes' APIs are and whom to trust; asked once, of the node that answered last.
    pub async fn nodes(&self) -> Result<ApiNodes, Error> {
        let mut call = Call::get("/v1/nodes");
        call.timeout = Some(Duration::from_secs(1));
        let answer = self.once(&call).await.map_err(|failed| failed.error)?;
        answer.json().await
    }
}
