//! What the other side speaks: edXML documents, the VXP document axis, OAuth2 gateways, X-Road (Article 9.10).
//!
//! Octets in, values out, and back. Deliberately no I/O, clock or randomness: moments, identifiers and keys
//! are handed in, and nothing here knows a socket or a file.

pub mod edxml;
pub mod gateway;
pub mod vxp;
pub mod xroad;
