//! CloudEvents 1.0 in structured JSON: attributes are ASCII, titles stay inside `data`.

use conductor::Behind;
use machine::{About, AccessNews, Event, EventKind, PacketNews};
use model::{AccessKey, AppId, Digest, Importance, Moment, PacketId, Title, UnitCode};
use serde::{Serialize, Serializer};

use crate::dto::{At, admin::ByView};

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
    subject: Option<Subject<'a>>,
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

/// What an event of a feed is about.
#[derive(Serialize)]
#[serde(untagged)]
enum Subject<'a> {
    Packet(PacketId),
    Key(&'a AccessKey),
    App(&'a AppId),
}

/// What an event of a feed says.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Data<'a> {
    Packet(PacketData<'a>),
    Access(AccessData<'a>),
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

/// What happened to an application of the unit, or to a key of one.
#[derive(Serialize)]
pub(crate) struct AccessData<'a> {
    app: &'a AppId,
    access_key: Option<&'a AccessKey>,
    /// Who did it.
    by: ByView,
    /// The unit of whoever did it.
    by_unit: &'a UnitCode,
    /// Until when a revoked key goes on.
    ends_at: Option<At>,
}

/// What awaits a unit that connects (Articles 13(1) and 14(1)).
#[derive(Serialize)]
pub(crate) struct Started {
    /// Packets that wait.
    pub(crate) waiting: usize,
    /// The one that is offered next.
    pub(crate) next: Option<PacketId>,
    /// The last position of the feed.
    pub(crate) position: u64,
    /// Whether more wait than were counted.
    pub(crate) more_waiting: bool,
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
) -> CloudEvent<'a, Data<'a>> {
    let (subject, importance, target, data) = match &event.about {
        About::Packet(news) => (
            Subject::Packet(news.packet),
            Some(news.importance),
            news.target.as_ref(),
            Data::Packet(packet_data(&event.source, news)),
        ),
        About::Access(news) => (
            news.key.as_ref().map_or(Subject::App(&news.app), Subject::Key),
            None,
            None,
            Data::Access(access_data(&event.source, news)),
        ),
    };
    CloudEvent {
        specversion: "1.0",
        id: Id::Feed(unit, event.position),
        source,
        kind: Kind(EventKind::as_str(event.kind)),
        time: At(event.at),
        subject: Some(subject),
        datacontenttype: "application/json",
        sequence: Some(Position(event.position)),
        importance,
        sourceunit: Some(&event.source),
        targetunit: target.unwrap_or(unit),
        data,
    }
}

fn packet_data<'a>(source: &'a UnitCode, news: &'a PacketNews) -> PacketData<'a> {
    PacketData {
        packet: news.packet,
        source,
        target: news.target.as_ref(),
        title: &news.title,
        size: news.size,
        digest: news.digest,
        importance: news.importance,
    }
}

fn access_data<'a>(by_unit: &'a UnitCode, news: &'a AccessNews) -> AccessData<'a> {
    AccessData {
        app: &news.app,
        access_key: news.key.as_ref(),
        by: news.by.clone().into(),
        by_unit,
        ends_at: At::some(news.ends_at),
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
    behind: Behind,
) -> CloudEvent<'a, Reset> {
    let Behind { asked, position } = behind;
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
        let news = PacketNews {
            packet: PacketId(1),
            target: Some(unit.clone()),
            importance: Importance::Flash,
            title: "Công văn".parse().expect("a title"),
            size: Some(3),
            digest: Some(Digest([1; 32])),
        };
        let event = Event {
            position: 7,
            at: Moment(1_795_334_851_204),
            kind: EventKind::Available,
            about: About::Packet(news),
            source: "H41.02".parse().expect("a code"),
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
