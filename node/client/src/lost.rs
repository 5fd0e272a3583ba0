//! Packets whose content is lost: an administrator lists and closes them.

use model::{PacketId, UnitCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Client, Error, Page, packets::query, send::Call};

/// Packets that one request closes.
pub const LOST_CLOSED_MAX: u32 = 100;

/// A packet whose content no node holds any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LostPacket {
    /// The packet.
    pub packet: PacketId,
    /// The unit that sent it.
    #[serde(default)]
    pub source: Option<UnitCode>,
    /// The units that still wait for it.
    #[serde(default)]
    pub targets: Vec<UnitCode>,
    /// The size of its content.
    #[serde(default)]
    pub size: Option<u64>,
    /// When its content was whole.
    #[serde(default)]
    pub sealed_at: Option<String>,
    /// Since when it is known that no node holds it.
    #[serde(default)]
    pub lost_at: Option<String>,
}

/// What a request to close packets has left.
#[derive(Debug, Deserialize)]
struct LostClosed {
    left: usize,
}

impl Client {
    /// A page of the packets whose content no node holds any more.
    pub async fn lost(&self, cursor: Option<&str>, limit: u32) -> Result<Page<LostPacket>, Error> {
        let limit = limit.to_string();
        self.json(Call::get(query(
            "/v1/admin/lost",
            &[("cursor", cursor), ("limit", Some(&limit))],
        )))
        .await
    }

    /// Ends packets whose content is lost, at most [`LOST_CLOSED_MAX`] at once; how many of them are left for another
    /// such call.
    pub async fn close_lost(&self, packets: &[PacketId]) -> Result<usize, Error> {
        let body = json!({ "packets": packets });
        let closed: LostClosed = self.json(Call::post("/v1/admin/lost/close", &body)).await?;
        Ok(closed.left)
    }
}
