//! Notices by server-sent events: an endless stream that comes back by itself where it broke off.

use std::{collections::VecDeque, time::Duration};

use https::Pieces;
use model::PacketId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;

use crate::{Client, Error, Problem, send::Call};

/// How long a stream may be silent: the node comments every 15 s, so two were lost.
pub const SILENCE_MAX: Duration = Duration::from_secs(40);
/// How long to wait before coming back, until the node says otherwise.
const RETRY: Duration = Duration::from_millis(500);
/// The longest it may say.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// The longest event: a title and some codes are far below.
const EVENT_MAX: usize = 256 * 1024;

/// The status of a stream that is not to be taken up again.
const NO_CONTENT: u16 = 204;

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With what comes from now on.
    Now,
    /// After this position of the unit's feed; 0 is the oldest that is kept.
    After(u64),
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The connection stands.
    SessionStarted,
    /// A packet waits for the unit.
    PacketAvailable,
    /// Events were missed: the inbox says what waits.
    FeedReset,
    /// Something else, by its `type`.
    Other,
}

/// One event: CloudEvents 1.0 in JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Its position in the unit's feed; none for the events of the connection itself.
    #[serde(skip_deserializing, default)]
    pub position: Option<u64>,
    /// Its type, as `vn.gov.nghean.lgsp.packet.available.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    #[serde(default)]
    pub time: Option<String>,
    /// The packet it is about.
    #[serde(default)]
    pub subject: Option<String>,
    /// What it says.
    #[serde(default)]
    pub data: Value,
}

impl Event {
    /// What the event says.
    pub fn kind(&self) -> EventKind {
        match self.kind.as_str() {
            kind if kind.ends_with(".packet.available.v1") => EventKind::PacketAvailable,
            kind if kind.ends_with(".session.started.v1") => EventKind::SessionStarted,
            kind if kind.ends_with(".feed.reset.v1") => EventKind::FeedReset,
            _ => EventKind::Other,
        }
    }

    /// The packet it is about.
    pub fn packet(&self) -> Option<PacketId> {
        self.subject.as_deref()?.parse().ok()
    }
}

/// The stream of a unit's events.
pub struct Events {
    client: Client,
    start: Start,
    /// The last position seen, which the next connection goes on from.
    position: Option<u64>,
    retry: Duration,
    parser: Parser,
    waiting: VecDeque<Event>,
    connection: Option<Pieces>,
    /// How often the stream was taken up again.
    pub reconnected: u32,
}

impl Client {
    /// Listens to the events of the caller's unit. Nothing is sent before the first `next`.
    pub fn events(&self, start: Start) -> Events {
        Events {
            client: self.clone(),
            start,
            position: None,
            retry: RETRY,
            parser: Parser::default(),
            waiting: VecDeque::new(),
            connection: None,
            reconnected: 0,
        }
    }

    /// Asks once for the events after a position, and waits up to so many seconds for one.
    pub async fn poll_events(
        &self,
        after: u64,
        limit: u32,
        wait: u32,
    ) -> Result<Vec<Event>, Error> {
        let mut call = Call::get(format!("/v1/events?after={after}&limit={limit}&wait={wait}"))
            .header("accept", "application/cloudevents-batch+json");
        call.timeout = Some(Duration::from_secs(u64::from(wait) + 15));
        let values: Vec<Value> = self.json(call).await?;
        Ok(values.into_iter().filter_map(|value| event_of(None, value)).collect())
    }
}

impl Events {
    /// The next event. A broken connection is taken up again at another node, after the last
    /// event that was seen; an error means that no node takes it now, and `next` may be tried again.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.position =
                    event.position.or(self.position).or_else(|| self.present_end(&event));
                return Ok(event);
            }
            let Some(connection) = &mut self.connection else {
                self.connect().await?;
                continue;
            };
            match connection.next(SILENCE_MAX).await {
                Ok(Some(octets)) => self.read(&octets)?,
                Ok(None) | Err(_) => {
                    self.client.leave(connection.origin());
                    self.connection = None;
                    self.reconnected += 1;
                    sleep(self.retry).await;
                }
            }
        }
    }

    /// Where a stream that starts now begins: said by its first event, so that nothing is missed
    /// when the connection breaks before the second.
    fn present_end(&self, event: &Event) -> Option<u64> {
        let now = self.start == Start::Now && event.kind() == EventKind::SessionStarted;
        event.data.get("position").and_then(Value::as_u64).filter(|_| now)
    }

    async fn connect(&mut self) -> Result<(), Error> {
        self.parser = Parser::default();
        let path = match (self.position, self.start) {
            (None, Start::After(position)) => format!("/v1/events?after={position}"),
            _ => "/v1/events".to_owned(),
        };
        // Who understands problems is told of them, and goes to another node.
        let kinds = "text/event-stream, application/problem+json";
        let mut call = Call::get(path).header("accept", kinds);
        if let Some(position) = self.position {
            call = call.header("last-event-id", position.to_string());
        }
        call.streams = true;
        let answer = self.client.send(call).await?;
        if answer.response.status() == NO_CONTENT {
            return Err(key_disabled());
        }
        self.connection = Some(answer.response.pieces());
        Ok(())
    }

    fn read(&mut self, octets: &[u8]) -> Result<(), Error> {
        for item in self.parser.read(octets) {
            match item {
                Item::Retry(span) => self.retry = span.min(RETRY_MAX),
                // Passed over for want of a grant. Where events before it are still to be taken, their
                // positions come first, and the next such line goes on from there.
                Item::Position(position) => {
                    if self.waiting.is_empty() {
                        self.position = Some(position);
                    }
                }
                Item::Event { id, data } => {
                    let value = serde_json::from_str(&data).unwrap_or_default();
                    self.waiting.extend(event_of(id, value));
                }
                Item::TooLong => {
                    let url = self.client.current_url().to_owned();
                    self.connection = None;
                    return Err(Error::Protocol { url, what: "an event without an end".into() });
                }
            }
        }
        Ok(())
    }
}

/// What 204 says where a stream was asked for: the key was revoked, and coming back is of no use.
fn key_disabled() -> Error {
    let problem = Problem {
        status: 401,
        code: "LGSP-1318".into(),
        word: "key_disabled".into(),
        ..Problem::default()
    };
    Error::Problem { status: 401, problem: Box::new(problem) }
}

/// An event from its JSON; what is no event is passed over. Its position is the line `id:`, or
/// the last part of the event's own id (`H41.02/17`).
fn event_of(id: Option<String>, value: Value) -> Option<Event> {
    let own =
        value.get("id").and_then(Value::as_str).and_then(|id| id.rsplit_once('/')?.1.parse().ok());
    let sequence = value.get("sequence").is_some();
    let mut event: Event = serde_json::from_value(value).ok()?;
    event.position = match id {
        Some(id) => id.rsplit('/').next().and_then(|text| text.parse().ok()),
        None => own.filter(|_| sequence),
    };
    Some(event)
}

#[derive(Debug, PartialEq, Eq)]
enum Item {
    Event {
        id: Option<String>,
        data: String,
    },
    /// An `id:` without data.
    Position(u64),
    Retry(Duration),
    TooLong,
}

/// The event stream format of the HTML standard, fed in any pieces.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    /// A carriage return ended the last line: a line feed right after it is part of that end.
    after_cr: bool,
    id: Option<String>,
    data: String,
}

impl Parser {
    fn read(&mut self, octets: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        for &octet in octets {
            let after_cr = std::mem::take(&mut self.after_cr);
            match octet {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    self.after_cr = octet == b'\r';
                    let line = std::mem::take(&mut self.line);
                    items.extend(self.end_line(&String::from_utf8_lossy(&line)));
                }
                _ => self.line.push(octet),
            }
            if self.line.len() + self.data.len() > EVENT_MAX {
                *self = Self::default();
                items.push(Item::TooLong);
                return items;
            }
        }
        items
    }

    fn end_line(&mut self, line: &str) -> Option<Item> {
        if line.is_empty() {
            let (id, data) = (self.id.take(), std::mem::take(&mut self.data));
            if data.is_empty() {
                return id?.parse().ok().map(Item::Position);
            }
            return Some(Item::Event { id, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" => return value.parse().ok().map(|ms| Item::Retry(Duration::from_millis(ms))),
            // Comments keep the connection alive; other fields are for browsers.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "retry: 2000\n\n: still here\n\nid: 7\nevent: x\ndata: {\"a\":\ndata: 1}\n\nid: 9\n\ndata:{}\r\n\r\ndata: cut";

    #[test]
    fn pieces_of_any_size_give_the_same_events() {
        let expected = vec![
            Item::Retry(Duration::from_secs(2)),
            Item::Event { id: Some("7".into()), data: "{\"a\":\n1}".into() },
            Item::Position(9),
            Item::Event { id: None, data: "{}".into() },
        ];
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let items: Vec<Item> =
                STREAM.as_bytes().chunks(size).flat_map(|piece| parser.read(piece)).collect();
            assert_eq!(items, expected, "pieces of {size}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_cut_off() {
        let mut parser = Parser::default();
        assert_eq!(parser.read(&vec![b'x'; EVENT_MAX + 1]), [Item::TooLong]);
    }

    #[test]
    fn positions_and_packets_are_read() {
        let value = serde_json::json!({
            "specversion": "1.0", "id": "H41.02/17", "type": "vn.gov.nghean.lgsp.packet.available.v1",
            "subject": "pk_01ARZ3NDEKTSV4RRFFQ69G5FAV", "sequence": "17", "data": {}, "unknown": 1,
        });
        let event = event_of(Some("17".into()), value.clone()).expect("an event");
        assert_eq!((event.position, event.kind()), (Some(17), EventKind::PacketAvailable));
        assert!(event.packet().is_some());
        assert_eq!(event_of(None, value).expect("an event").position, Some(17));
        let started =
            serde_json::json!({"id": "H41.02/17", "type": "vn.gov.nghean.lgsp.session.started.v1"});
        assert_eq!(event_of(None, started).expect("an event").position, None);
        assert!(event_of(None, serde_json::json!([1])).is_none());
    }
}
