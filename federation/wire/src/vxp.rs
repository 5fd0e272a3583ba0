//! VXP, the national axis of documents: the calls and answers of its Java SDK 2.0.1, as captured (section 3).
//!
//! Every parameter is a header `XroadVnpt-…`, and the headers are signed. A façade reads a call like this:
//! [`Unverified::read`], the secret of its [`Unverified::system_id`], [`Unverified::verify`], [`Request::parse`].
//! A client goes the other way: [`Request::build`], and [`Answer::read`] for what comes back.

mod answer;
mod call;
mod endpoint;
pub(crate) mod headers;
pub(crate) mod loose;
mod request;
mod rows;
pub(crate) mod secret;
mod sign;
pub mod timestamp;
mod words;

pub use answer::{ANSWER_OCTETS_MAX, Answer, Note, Unreadable};
pub use call::{Call, Counting, Registration, Sending, Sent, Waiting};
pub use endpoint::{BodyKind, Endpoint};
pub use headers::{Field, HEADER_OCTETS_MAX, HEADERS_MAX, Header, HeaderError};
pub use loose::ROWS_MAX;
pub use request::{
    EXTRA_MAX, Extra, Outgoing, PROTOCOL_VERSION, REGISTRATION_OCTETS_MAX, Request, RequestError,
    USER_AGENT,
};
pub use rows::{
    Accepted, Agency, Counted, Fetched, Listed, Nothing, Received, SentRow, UnitChange,
};
pub use secret::Secret;
pub use sign::{Difference, ReadError, SIGNED_MAX, Unverified, Verified};
pub use words::{
    Acknowledgement, CODE_MAX, Code, MessageType, NoCode, Opaque, PARAMETER_MAX, ServiceType,
    TransportStatus,
};
