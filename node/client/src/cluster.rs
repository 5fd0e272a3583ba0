//! What concerns the cluster as a whole: its key, its nodes.

use model::NodeId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Client, Error, Status, send::Call};

/// How far the cluster key has turned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterKey {
    /// The version that seals.
    pub version: u32,
    /// `settled`, or what a rotation is at: `wanted`, `handed_out`, `resealing`,
    /// `ending_tokens`.
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
}
