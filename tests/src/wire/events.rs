//! The stream of events of one application: server-sent events as they arrive.

use std::sync::Arc;

use anyhow::{Result, ensure};
use bytes::BytesMut;
use serde_json::Value;

use super::{Conn, Credential, Endpoint, Request};

/// One event.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// Its position in the unit's feed; none for those that do not move it.
    pub id: Option<String>,
    /// The CloudEvents envelope.
    pub data: Value,
}

impl Event {
    /// The CloudEvents type.
    pub fn kind(&self) -> &str {
        self.data["type"].as_str().unwrap_or_default()
    }

    /// Whether it says that a packet waits.
    pub fn is_available(&self) -> bool {
        self.kind().contains(".packet.available.")
    }

    /// The packet that it speaks of.
    pub fn packet(&self) -> &str {
        self.data["subject"].as_str().unwrap_or_default()
    }
}

/// An open stream of events.
#[derive(Debug)]
pub struct Events {
    conn: Conn,
    text: BytesMut,
}

impl Events {
    /// Opens the stream; `after` is a position, none begins at the present end.
    pub async fn open(
        endpoint: &Arc<Endpoint>,
        who: &Credential,
        after: Option<&str>,
    ) -> Result<Self> {
        let target = after.map_or("/v1/events".into(), |after| format!("/v1/events?after={after}"));
        let request = Request::get(target).header("accept", "text/event-stream");
        let mut conn = Conn::new(endpoint);
        let answer = conn.begin(&who.sign(&endpoint.authority, request)).await?;
        if !answer.is_success() {
            let body = conn.rest().await?;
            ensure!(false, "events: status {}: {}", answer.status, String::from_utf8_lossy(&body));
        }
        Ok(Self { conn, text: BytesMut::new() })
    }

    /// The next event; none when the server ended the stream. Comments are passed over.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some(end) = self.text.windows(2).position(|window| window == b"\n\n") {
                let block = self.text.split_to(end + 2);
                if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                    return Ok(Some(event));
                }
            }
            match self.conn.chunk().await? {
                Some(piece) => self.text.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }
}

/// An event of a block of lines; none when it has no data.
fn parse(block: &str) -> Option<Event> {
    let mut event = Event::default();
    let mut data = String::new();
    for line in block.lines() {
        if let Some(value) = line.strip_prefix("data:") {
            data.push_str(value.trim_start());
        } else if let Some(value) = line.strip_prefix("id:") {
            event.id = Some(value.trim().to_owned());
        }
    }
    event.data = serde_json::from_str(&data).ok()?;
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_an_event_and_a_comment_is_none() {
        let event = parse(
            "id: 7\nevent: x\ndata: {\"type\":\"vn.gov.nghean.lgsp.packet.available.v1\",\"subject\":\"pk_1\"}\n\n",
        );
        let event = event.expect("an event");
        assert!(
            event.is_available() && event.packet() == "pk_1" && event.id.as_deref() == Some("7")
        );
        assert!(parse(": alive\n\n").is_none() && parse("retry: 2000\n\n").is_none());
    }
}
