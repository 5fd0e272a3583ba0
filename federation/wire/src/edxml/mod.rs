//! edXML (QCVN 102:2016/BTTTT, SĐ1:2022): documents and status messages as they are really produced.
//!
//! A [`Reader`] bears what real traffic has and says what it bore; [`Check`] says it to people. A [`Writer`]
//! writes one way only, that of the national SDK. Neither holds a document: octets go through in pieces.
//! Whether a signature holds, who may send, and where files are written is somebody else's.

mod check;
mod codes;
mod content;
mod draft;
mod envelope;
mod event;
mod finding;
pub mod hash_file;
mod leaf;
mod limits;
mod names;
mod outside;
mod pack;
mod place;
mod prologue;
mod quads;
mod read;
mod rules;
mod spots;
mod text;
mod time;
mod trail;
mod unzip;
mod values;
mod words;
mod write;
mod xml;
mod xml_errors;

pub use check::{Check, check};
pub use codes::{
    Business, Code, Count, Direction, ORGAN_CODE_LENGTH_MAX, OrganCode, Priority, ReceiverChange,
    Said, StatusCode, Steering,
};
pub use content::Form;
pub use event::{Attached, Event, Take};
pub use finding::{Error, Finding, VALUE_SHOWN_MAX};
pub use limits::{Limits, STRAY_OCTETS_MAX, ZIP_RATIO_FROM_OCTETS};
pub use names::{SAFE_NAME_OCTETS_MAX, has_path, safe_name, steers};
pub use place::Place;
pub use read::Reader;
pub use time::{Day, LocalTime};
pub use values::{
    Attachment, BusinessInfo, Document, DocumentType, Hop, Message, NAMESPACE, Organ, OtherInfo,
    Receiver, Reference, Replacement, ResponseFor, Signature, SignedReference, Signer, Staff,
    Status, Trace, UpdateInfo,
};
pub use words::{Language, Severity, Word};
pub use write::{Attaching, Writer};
pub use xml::Unwritable;
