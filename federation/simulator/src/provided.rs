//! Services of the integrator's own: what is called through X-Road reaches a program on this machine, and no other.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Uri,
    client::conn::http1,
    header::{HOST, HeaderMap, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::Semaphore, task::JoinSet};
use wire::xroad::Part;

/// Services that are provided: each is one system of an office.
pub const PROVIDED_MAX: usize = 64;
/// Calls of providers at a time; further ones wait.
pub const PROVIDER_CALLS_MAX: usize = 64;
/// Octets of a provider's answer.
pub const PROVIDER_OCTETS_MAX: usize = 16 << 20;
/// How long a provider may take: what security servers wait by default.
pub const PROVIDER_PATIENCE: Duration = Duration::from_secs(60);

/// What a service speaks. X-Road does not translate between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// REST.
    Rest,
    /// SOAP.
    Soap,
}

const PROTOCOLS: [(Protocol, &str); 2] = [(Protocol::Rest, "rest"), (Protocol::Soap, "soap")];

/// A service of the integrator's first system, in its subsystem `lgsp`, and where it really is: a port of loopback.
/// It is written `protocol:code=address`, as in `soap:TraCuuHoSo=http://127.0.0.1:8000/service`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    pub(crate) protocol: Protocol,
    pub(crate) code: Part,
    port: u16,
    path: String,
}

/// Why a text names no service that could be provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProvidedError {
    /// It has not the form of one.
    #[error(
        "a service is written protocol:code=address, as in soap:TraCuuHoSo=http://127.0.0.1:8000/service"
    )]
    Form,
    /// The protocol is unknown.
    #[error("the protocol is rest or soap")]
    Protocol,
    /// The code is none that an identifier can have.
    #[error("the code of the service is empty, too long, or has characters that no identifier has")]
    Code,
    /// There is another one of this code.
    #[error("two services have the same code")]
    Twice,
    /// There are more than [`PROVIDED_MAX`].
    #[error("there may be {PROVIDED_MAX} services at most")]
    TooMany,
    /// The address is not on this machine.
    #[error("the address is http:// with 127.0.0.1 or localhost, and has no query")]
    Address,
}

impl FromStr for Provided {
    type Err = ProvidedError;

    fn from_str(text: &str) -> Result<Self, ProvidedError> {
        let (name, address) = text.trim().split_once('=').ok_or(ProvidedError::Form)?;
        let (protocol, code) = name.split_once(':').ok_or(ProvidedError::Form)?;
        let protocol = PROTOCOLS.iter().find(|(_, name)| *name == protocol);
        let protocol = protocol.ok_or(ProvidedError::Protocol)?.0;
        let code = Part::parse(code).filter(Part::is_advised).ok_or(ProvidedError::Code)?;
        let address: Uri = address.parse().map_err(|_| ProvidedError::Address)?;
        let is_here = matches!(address.host(), Some("127.0.0.1" | "localhost"));
        let has_user = address.authority().is_some_and(|at| at.as_str().contains('@'));
        if address.scheme_str() != Some("http") || !is_here || has_user || address.query().is_some()
        {
            return Err(ProvidedError::Address);
        }
        // A port that is none is no missing one.
        let port = match address.authority().and_then(|at| at.as_str().split_once(':')) {
            Some((_, port)) => port.parse().map_err(|_| ProvidedError::Address)?,
            None => 80,
        };
        Ok(Self { protocol, code, port, path: address.path().to_owned() })
    }
}

impl fmt::Display for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = PROTOCOLS.iter().find(|(protocol, _)| *protocol == self.protocol);
        let protocol = row.expect("both stand in the table").1;
        write!(f, "{protocol}:{}=http://127.0.0.1:{}{}", self.code, self.port, self.path)
    }
}

/// What a provider answered.
pub(crate) struct Provision {
    pub(crate) http: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Whether services can be provided together: not too many, and each code once.
pub(crate) fn check(provided: &[Provided]) -> Result<(), ProvidedError> {
    if provided.len() > PROVIDED_MAX {
        return Err(ProvidedError::TooMany);
    }
    let codes: std::collections::BTreeSet<_> = provided.iter().map(|one| &one.code).collect();
    if codes.len() < provided.len() { Err(ProvidedError::Twice) } else { Ok(()) }
}

/// Why a provider gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unprovided {
    /// Nobody listens there.
    #[error("nobody can be reached at 127.0.0.1:{port}")]
    Unreachable {
        /// Where.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It took longer than [`PROVIDER_PATIENCE`].
    #[error("the provider did not answer in time")]
    Late,
    /// It broke the connection, spoke no HTTP, or answered more than is carried.
    #[error("the provider gave no whole answer")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A call as a provider sees it.
pub(crate) struct Passed<'c> {
    pub(crate) method: Method,
    /// The path behind that of the service; empty or with its slash.
    pub(crate) tail: &'c str,
    pub(crate) query: Option<&'c str>,
    pub(crate) headers: Vec<(&'c str, &'c [u8])>,
    pub(crate) body: Bytes,
}

impl Provided {
    /// The path at the provider: the slash between is joined once.
    fn target(&self, tail: &str, query: Option<&str>) -> String {
        let root = if tail.is_empty() { &self.path } else { self.path.trim_end_matches('/') };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{root}{tail}{query}")
    }

    /// Calls the provider, one of [`PROVIDER_CALLS_MAX`].
    pub(crate) async fn call(
        &self,
        calls: &Semaphore,
        passed: Passed<'_>,
    ) -> Result<Provision, Unprovided> {
        let called = async {
            let _one = calls.acquire().await.expect("nobody closes it");
            self.called(passed).await
        };
        tokio::time::timeout(PROVIDER_PATIENCE, called).await.map_err(|_| Unprovided::Late)?
    }

    async fn called(&self, passed: Passed<'_>) -> Result<Provision, Unprovided> {
        let broken = |error: hyper::Error| Unprovided::Broken(error.into());
        let mut request = Request::new(Full::new(passed.body));
        *request.method_mut() = passed.method;
        let target = self.target(passed.tail, passed.query).parse::<Uri>();
        *request.uri_mut() = target.map_err(|error| Unprovided::Broken(error.into()))?;
        for (name, value) in passed.headers {
            let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
            if let (Ok(name), Ok(value)) = pair {
                request.headers_mut().append(name, value);
            }
        }
        let host = HeaderValue::try_from(format!("127.0.0.1:{}", self.port));
        request.headers_mut().insert(HOST, host.expect("it is visible ASCII"));
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let unreachable = |source| Unprovided::Unreachable { port: self.port, source };
        let stream = TcpStream::connect(at).await.map_err(unreachable)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(broken)?;
        // The connection ends with this call.
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = Limited::new(body, PROVIDER_OCTETS_MAX).collect().await;
        let body = body.map_err(Unprovided::Broken)?.to_bytes();
        Ok(Provision { http: head.status.as_u16(), headers: head.headers, body })
    }
}

impl Provision {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_read_as_it_is_written_and_stands_on_this_machine() {
        for text in
            ["soap:TraCuuHoSo=http://127.0.0.1:8000/service", "rest:ho-so=http://127.0.0.1:80/"]
        {
            assert_eq!(text.parse::<Provided>().expect("a service").to_string(), text);
        }
        for (text, error) in [
            ("TraCuuHoSo", ProvidedError::Form),
            ("TraCuuHoSo=http://127.0.0.1/", ProvidedError::Form),
            ("grpc:x=http://127.0.0.1/", ProvidedError::Protocol),
            ("rest:a/b=http://127.0.0.1/", ProvidedError::Code),
            ("rest:=http://127.0.0.1/", ProvidedError::Code),
            ("rest:x=https://127.0.0.1/", ProvidedError::Address),
            ("rest:x=http://10.0.0.1/", ProvidedError::Address),
            ("rest:x=http://127.0.0.1/?a=b", ProvidedError::Address),
            ("rest:x=/path", ProvidedError::Address),
            ("rest:x=http://127.0.0.1:99999/", ProvidedError::Address),
            ("rest:x=http://me@127.0.0.1:80/", ProvidedError::Address),
        ] {
            assert_eq!(text.parse::<Provided>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_slash_between_is_joined_once() {
        let of = |address: &str| format!("rest:x={address}").parse::<Provided>().expect("one");
        for (address, tail, target) in [
            ("http://127.0.0.1:1/api", "/a", "/api/a"),
            ("http://127.0.0.1:1/api/", "/a", "/api/a"),
            ("http://127.0.0.1:1/api/", "", "/api/"),
            ("http://127.0.0.1:1", "/a", "/a"),
            ("http://127.0.0.1:1", "", "/"),
        ] {
            assert_eq!(of(address).target(tail, None), target, "{address} {tail}");
        }
        assert_eq!(of("http://127.0.0.1:1/a").target("/b", Some("c=1")), "/a/b?c=1");
    }
}
