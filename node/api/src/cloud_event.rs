//! CloudEvents 1.0 in structured JSON: attributes are ASCII, titles stay inside `data`.

use machine::{Event, EventKind};
use model::{Digest, Importance, Moment, PacketId, Title, UnitCode};
use serde::{Serialize, Serializer};

use crate::dto::At;

/// The media type of one event.
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";

/// One event on its way to a unit.
#[derive(Serialize)]
pub(crate) struct CloudEvent<'a, D> {
    specversion: &'static str,
    id: Id<'a>,
    source: &'a str,
    #[serde(rename = "type")]
    kind: Kind,
    time: At,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<PacketId>,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    importance: Option<Importance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sourceunit: Option<&'a UnitCode>,
    targetunit: &'a UnitCode,
    data: D,
}

/// What happened to a packet.
#[derive(Serialize)]
pub(crate) struct PacketData<'a> {
    packet: PacketId,
    source: &'a UnitCode,
    target: Option<&'a UnitCode>,
    title: &'a Title,
    size: Option<u64>,
    digest: Option<Digest>,
    importance: Importance,
}

/// What awaits a unit that connects (Articles 13(1) and 14(1)).
#[derive(Serialize)]
pub(crate) struct Started {
    /// Packets that wait, counted up to 100.
    pub(crate) waiting: usize,
    /// The oldest of them.
    pub(crate) oldest: Option<PacketId>,
    /// The last position of the feed.
    pub(crate) position: u64,
}

/// Positions were forgotten: the lists tell what is now.
#[derive(Serialize)]
pub(crate) struct Reset {
    /// The position that was asked for.
    pub(crate) asked: u64,
    /// The feed goes on after this position.
    pub(crate) position: u64,
    /// Tells what waits.
    pub(crate) inbox: &'static str,
    /// Tells what became of what was sent.
    pub(crate) sent: &'static str,
}

/// `<unit>/<position>`, or `<unit>/<word>/<milliseconds>` for an event that is in no feed.
enum Id<'a> {
    Feed(&'a UnitCode, u64),
    Session(&'a UnitCode, &'static str, Moment),
}

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Feed(unit, position) => {
                serializer.collect_str(&format_args!("{unit}/{position}"))
            }
            Self::Session(unit, word, at) => {
                serializer.collect_str(&format_args!("{unit}/{word}/{}", at.0))
            }
        }
    }
}

/// The type: reverse-DNS with a version.
struct Kind(&'static str);

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("vn.gov.nghean.lgsp.{}.v1", self.0))
    }
}

/// A position as the `sequence` extension has it: digits that sort as text.
struct Position(u64);

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:020}", self.0))
    }
}

/// An event of a unit's feed.
pub(crate) fn of<'a>(
    unit: &'a UnitCode,
    source: &'a str,
    event: &'a Event,
) -> CloudEvent<'a, PacketData<'a>> {
    CloudEvent {
        specversion: "1.0",
        id: Id::Feed(unit, event.position),
        source,
        kind: Kind(EventKind::as_str(event.kind)),
        time: At(event.at),
        subject: Some(event.packet),
        datacontenttype: "application/json",
        sequence: Some(Position(event.position)),
        importance: Some(event.importance),
        sourceunit: Some(&event.source),
        targetunit: event.target.as_ref().unwrap_or(unit),
        data: PacketData {
            packet: event.packet,
            source: &event.source,
            target: event.target.as_ref(),
            title: &event.title,
            size: event.size,
            digest: event.digest,
            importance: event.importance,
        },
    }
}

/// An event that is in no feed.
fn session<'a, D>(
    unit: &'a UnitCode,
    source: &'a str,
    at: Moment,
    word: &'static str,
    data: D,
) -> CloudEvent<'a, D> {
    CloudEvent {
        specversion: "1.0",
        id: Id::Session(unit, word, at),
        source,
        kind: Kind(word),
        time: At(at),
        subject: None,
        datacontenttype: "application/json",
        sequence: None,
        importance: None,
        sourceunit: None,
        targetunit: unit,
        data,
    }
}

/// The first event of a connection.
pub(crate) fn started<'a>(
    unit: &'a UnitCode,
    source: &'a str,
    at: Moment,
    data: Started,
) -> CloudEvent<'a, Started> {
    session(unit, source, at, "session.started", data)
}

/// Says that positions were forgotten.
pub(crate) fn reset<'a>(
    unit: &'a UnitCode,
    source: &'a str,
    at: Moment,
    asked: u64,
    position: u64,
) -> CloudEvent<'a, Reset> {
    let data = Reset { asked, position, inbox: "GET /v1/inbox", sent: "GET /v1/packets" };
    session(unit, source, at, "feed.reset", data)
}

/// Writes an event's JSON.
pub(crate) fn write<D: Serialize>(out: &mut Vec<u8>, event: &CloudEvent<'_, D>) {
    serde_json::to_writer(out, event)
        .expect("our own structures are JSON, and a vector takes every octet");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_event_is_a_cloud_event() {
        let unit: UnitCode = "H41.05".parse().expect("a code");
        let event = Event {
            position: 7,
            at: Moment(1_795_334_851_204),
            kind: EventKind::Available,
            packet: PacketId(1),
            source: "H41.02".parse().expect("a code"),
            target: Some(unit.clone()),
            importance: Importance::Flash,
            title: "Công văn".parse().expect("a title"),
            size: Some(3),
            digest: Some(Digest([1; 32])),
        };
        let mut out = Vec::new();
        write(&mut out, &of(&unit, "/lgsp/c1", &event));
        let json: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(json["type"], "vn.gov.nghean.lgsp.packet.available.v1");
        assert_eq!((&json["id"], &json["source"]), (&"H41.05/7".into(), &"/lgsp/c1".into()));
        assert_eq!(json["sequence"], "00000000000000000007");
        assert_eq!(json["time"], "2026-11-22T08:07:31.204Z");
        assert_eq!(json["data"]["title"], "Công văn");
        assert_eq!((&json["importance"], &json["sourceunit"]), (&"flash".into(), &"H41.02".into()));
        for (name, value) in json.as_object().expect("an object") {
            let attribute = name != "data" && value.as_str().is_some_and(|text| !text.is_ascii());
            assert!(!attribute, "{name}");
        }
        assert!(!out.contains(&b'\n'));
    }
}
