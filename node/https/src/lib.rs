//! The one HTTPS client: whom it trusts, what it presents, how long it waits, how much it reads.
//!
//! It sends one request to one server and says what came of it. Whose API that is, what signs the
//! request, whether it is repeated and where: the caller knows. It reads no file and follows no
//! redirect or proxy.

mod error;
mod request;
mod response;
mod trust;

pub use error::{Cause, Error, is_about_dates, is_unsent, refused_certificate};
pub use request::{CONNECT_MAX, Https, Method, Options, Request, origin};
pub use response::{Pieces, Response};
pub use rustls::CertificateError;
pub use trust::{Identity, Trust, tls_config};
