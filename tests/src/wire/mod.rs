//! A lean HTTPS client for load and scenes: HTTP/1.1 by hand over one TLS connection.
//!
//! The load shares the machine with the nodes, so a request costs one write and few reads: no
//! pool, no extra task a connection, one buffer each way. It speaks what our own server speaks,
//! and nothing more: no redirects, no compression, no `100 Continue`.

mod answer;
mod conn;
mod events;
mod request;
mod sign;

pub use answer::Answer;
pub use conn::{Conn, Endpoint, Tls};
pub use events::{Event, Events};
pub use request::{Request, multipart, percent};
pub use sign::Credential;
