//! What can go wrong on the way to a server and back, and what is known of it.

use std::{error::Error as Source, time::Duration};

use rustls::CertificateError;

/// A source of which only its text is known, and what the functions of this file find in it.
pub type Cause = Box<dyn Source + Send + Sync>;

/// Why a request has no answer. What a server answers is never an error here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server could not be reached, or the connection broke.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The server.
        url: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The server's certificate is not trusted, or it does not speak TLS.
    #[error("{url} does not prove who it is")]
    Tls {
        /// The server.
        url: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// No answer, or none of its octets, in time.
    #[error("{url} did not answer within {after:?}")]
    Timeout {
        /// The server.
        url: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// An answer longer than it may be.
    #[error("{url} answered more than {max} octets")]
    TooLong {
        /// The server.
        url: String,
        /// The limit.
        max: usize,
    },
    /// The client's own settings, or a request that cannot be written.
    #[error("the HTTPS client cannot be set up: {what}")]
    Options {
        /// What is wrong with them.
        what: String,
    },
}

impl Error {
    /// Sorts what the HTTP library says.
    pub(crate) fn of(url: &str, after: Duration, error: reqwest::Error) -> Self {
        let url = url.to_owned();
        let unsent = error.is_connect();
        // A connection that did not stand in its own, shorter time carried no request.
        if error.is_timeout() && !unsent {
            return Self::Timeout { url, after };
        }
        let tls = tls_error(&error).is_some();
        // The address is already in our own sentence.
        let source: Cause = Box::new(error.without_url());
        if tls && unsent { Self::Tls { url, source } } else { Self::Unreachable { url, source } }
    }
}

/// Whether the connection never stood, so that nobody can have heard the request.
pub fn is_unsent(source: &(dyn Source + Send + Sync + 'static)) -> bool {
    source.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
}

/// Why a certificate was refused, if that is at the bottom of an error.
pub fn refused_certificate<'e>(source: &'e (dyn Source + 'static)) -> Option<&'e CertificateError> {
    match tls_error(source) {
        Some(rustls::Error::InvalidCertificate(refused)) => Some(refused),
        _ => None,
    }
}

/// Whether a certificate was refused for its dates alone.
pub fn is_about_dates(refused: &CertificateError) -> bool {
    use CertificateError as C;
    matches!(
        refused,
        C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. }
    )
}

/// The TLS error at the bottom: the library hides it under its own.
fn tls_error<'e>(error: &'e (dyn Source + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(tls) = inner.and_then(|inner| tls_error(inner)) {
            return Some(tls);
        }
        next = error.source();
    }
    None
}
