//! What the answers of the axis carry (section 3.2). Members that are not known here are ignored.
//!
//! Codes and times are texts as they came: one odd row of a hundred thousand must not hide the others. A row that lacks
//! its key is an error all the same, since nobody could act on it.

use base64::{Engine, alphabet, engine};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{loose, words::TransportStatus};

/// Base64 as Java writes and reads it; padding may be missing.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

/// Nothing beside the verdict: `registerAgency`, `deleteAgency`, `updateStatus`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// The answer of `sendEdoc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The axis' identifier of the message.
    #[serde(rename = "DocId", deserialize_with = "loose::demanded")]
    pub document: String,
}

/// The answer of `getEdoc`: the octets of the edXML document, base64 on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The octets.
    #[serde(rename = "data", serialize_with = "encoded", deserialize_with = "decoded")]
    pub content: Vec<u8>,
}

/// The answer of the two counting calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// How many wait.
    #[serde(deserialize_with = "count")]
    pub count: u64,
}

/// The answer of a list: its rows, in the order in which they came. An empty list is one that the axis says is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Listed<T> {
    /// The rows.
    #[serde(rename = "data", deserialize_with = "loose::rows")]
    pub rows: Vec<T>,
}

/// A body of the directory, as `getAgenciesList` and `getAgenciesListQD20` write it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agency {
    /// Its identifier on the axis.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub id: Option<String>,
    /// The identifier of the body above it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub pid: Option<String>,
    /// Its code: by QCVN 102 or Decision 20/2020, as the call is.
    #[serde(deserialize_with = "loose::demanded")]
    pub code: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub name: Option<String>,
    /// Its address for mail.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub mail: Option<String>,
    /// `getAgenciesList`: its code in the other form.
    #[serde(
        rename = "oldCode",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "loose::text"
    )]
    pub old_code: Option<String>,
    /// `getAgenciesListQD20`: its code by QCVN 102.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub code102: Option<String>,
}

/// A change of the directory, as `getSynchronizeUnit` writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnitChange {
    /// Its identifier on the axis.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub id: Option<String>,
    /// The identifier of the body above it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub pid: Option<String>,
    /// Its code.
    #[serde(deserialize_with = "loose::demanded")]
    pub code: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub name: Option<String>,
    /// Its address for mail.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub mail: Option<String>,
    /// The centre that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub center_code: Option<String>,
    /// Counts its changes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::number")]
    pub version: Option<u64>,
    /// Whether it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::truth")]
    pub deleted: Option<bool>,
    /// When it changed, in the axis' own form.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub modify_date: Option<String>,
    /// Whether it is a body, or a group of bodies.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::truth")]
    pub is_agency: Option<bool>,
}

/// A message that waits for the caller, as `getReceivedEdocList` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The axis' identifier of the message.
    #[serde(rename = "docId", deserialize_with = "loose::demanded")]
    pub document: String,
    /// What is carried.
    #[serde(
        rename = "serviceType",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "loose::text"
    )]
    pub service: Option<String>,
    /// Document or status.
    #[serde(
        rename = "messageType",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "loose::text"
    )]
    pub kind: Option<String>,
    /// When it came to the axis, local time without a zone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub created_time: Option<String>,
    /// When its status changed, local time without a zone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub updated_time: Option<String>,
    /// The sender's code.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub from: Option<String>,
    /// The receiver's code.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub to: Option<String>,
    /// Where it stands.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "status_word",
        deserialize_with = "status"
    )]
    pub status: Option<TransportStatus>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub status_desc: Option<String>,
}

/// What became of a message at one receiver, as `getSentEdocList` writes it.
///
/// The two layers of status are words of the axis of which no list was found, so they are texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentRow {
    /// What is carried.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub service_type: Option<String>,
    /// Document or status.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub message_type: Option<String>,
    /// The document's subject.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub title: Option<String>,
    /// The document's number and notation.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub notation: Option<String>,
    /// The sender's code.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub from_code: Option<String>,
    /// The receiver's code.
    #[serde(deserialize_with = "loose::demanded")]
    pub to_code: String,
    /// The message as the sender knows it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub sender_doc_id: Option<String>,
    /// The message as the receiver knows it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub receiver_doc_id: Option<String>,
    /// Where sending it stands.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub send_status: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub send_status_desc: Option<String>,
    /// When it was sent, local time without a zone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub sent_time: Option<String>,
    /// Where receiving it stands.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub receive_status: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub receive_status_desc: Option<String>,
    /// When it was received, local time without a zone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "loose::text")]
    pub received_time: Option<String>,
}

fn count<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    loose::number(d)?.ok_or_else(|| D::Error::custom("it is empty"))
}

fn status<'de, D: Deserializer<'de>>(d: D) -> Result<Option<TransportStatus>, D::Error> {
    Ok(loose::text(d)?.map(|word| TransportStatus::parse(&word)))
}

fn status_word<S: Serializer>(status: &Option<TransportStatus>, s: S) -> Result<S::Ok, S::Error> {
    status.as_ref().map(TransportStatus::as_str).serialize(s)
}

fn encoded<S: Serializer>(content: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&BASE64.encode(content))
}

/// Base64 with or without line breaks. An empty text is no document.
fn decoded<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    let mut text = loose::demanded(d)?;
    text.retain(|c| !c.is_ascii_whitespace());
    match BASE64.decode(text) {
        Ok(content) if content.is_empty() => Err(D::Error::custom("the document is empty")),
        Ok(content) => Ok(content),
        Err(error) => Err(D::Error::custom(format!("it is no base64: {error}"))),
    }
}
