//! One request to one server: written, sent, and waited for so long and no longer.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::{Error, Identity, Response, Trust, tls_config};

/// How long a connection may take to stand, its TLS included, where nobody else can be asked: a few lost
/// packets at the start of a connection are sent again within it.
pub const CONNECT_MAX: Duration = Duration::from_secs(3);

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whom to believe.
    pub trust: Trust,
    /// What to present to servers that want to know who calls.
    pub identity: Option<Identity>,
    /// How long a connection may take to stand, its TLS included.
    pub connect_max: Duration,
    /// What the client calls itself, as `name/version`.
    pub user_agent: &'static str,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To read.
    Get,
    /// To read all but the body.
    Head,
    /// To do.
    Post,
    /// To change a part.
    Patch,
}

impl Method {
    /// As it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Patch => "PATCH",
        }
    }
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Head => Self::HEAD,
            Method::Post => Self::POST,
            Method::Patch => Self::PATCH,
        }
    }
}

/// One request, as it goes out.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// What it asks for.
    pub method: Method,
    /// The server, as [`origin`] gives it.
    pub origin: &'a str,
    /// Path and query, percent-encoded.
    pub path: &'a str,
    /// Names and values, in this order.
    pub headers: &'a [(String, String)],
    /// What is sent along.
    pub body: Option<Bytes>,
    /// How long the head of the answer may take, and its body with it unless it is a stream.
    pub timeout: Duration,
    /// Whether the body of the answer takes as long as it takes.
    pub streams: bool,
}

/// The client. Cheap to clone; connections are shared.
#[derive(Debug, Clone)]
pub struct Https(reqwest::Client);

impl Https {
    /// Sets a client up; nothing is sent yet.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let tls = tls_config(&options.trust, options.identity.as_ref())?;
        let built = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .connect_timeout(options.connect_max)
            .tcp_nodelay(true)
            // Callers look at the certificates that servers present.
            .tls_info(true)
            // A proxy of the surroundings would see what is meant for the server alone.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(options.user_agent)
            .build();
        built.map(Self).map_err(|error| Error::Options { what: error.to_string() })
    }

    /// Sends once, and waits for the head of the answer.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, Error> {
        let Request { method, origin, path, body, timeout, streams, .. } = request;
        let headers = headers(request.headers)?;
        let mut sent = self.0.request(method.into(), format!("{origin}{path}")).headers(headers);
        if let Some(octets) = body {
            sent = sent.body(octets);
        }
        if !streams {
            sent = sent.timeout(timeout);
        }
        match tokio::time::timeout(timeout, sent.send()).await {
            Ok(Ok(answer)) => Ok(Response::new(origin, timeout, answer)),
            Ok(Err(error)) => Err(Error::of(origin, timeout, error)),
            Err(_) => Err(Error::Timeout { url: origin.to_owned(), after: timeout }),
        }
    }
}

/// The server that an address names, as `https://host:port`; an address that says more is none.
pub fn origin(url: &str) -> Result<String, Error> {
    let wrong = |what: String| Error::Options { what };
    let parsed = reqwest::Url::parse(url).map_err(|error| wrong(format!("{url}: {error}")))?;
    if parsed.scheme() != "https" || parsed.host_str().is_none() || parsed.path() != "/" {
        return Err(wrong(format!("{url}: https://host:port is expected")));
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

fn headers(plain: &[(String, String)]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::with_capacity(plain.len());
    for (name, value) in plain {
        let fail = || Error::Options { what: format!("the header {name} cannot be sent") };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| fail())?;
        headers.append(key, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| fail())?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_written_as_they_are_sent() {
        for method in [Method::Get, Method::Head, Method::Post, Method::Patch] {
            assert_eq!(reqwest::Method::from(method).as_str(), method.as_str());
        }
    }

    #[test]
    fn only_servers_are_addresses() {
        assert_eq!(origin("https://10.0.0.1:8443/").expect("one"), "https://10.0.0.1:8443");
        for url in ["http://10.0.0.1", "https://10.0.0.1/v1", "10.0.0.1:8443", ""] {
            assert!(matches!(origin(url), Err(Error::Options { .. })), "{url}");
        }
    }

    #[test]
    fn a_header_that_would_end_its_line_is_not_sent() {
        let plain = [("x-note".to_owned(), "a\r\nb: c".to_owned())];
        assert!(matches!(headers(&plain), Err(Error::Options { .. })));
    }
}
