//! REST through X-Road (PR-REST 1.0.4): the path that names a service, and headers both ways.
//!
//! Only `POST`, `PUT` and `PATCH` reach the provider with their body. The request hash that comes back is evidence to be
//! kept: nobody but the security server can compute it.

use super::identifier::{ClientId, NoIdentifier, RepresentedParty, RestServiceId, ServerId};
use crate::vxp::{
    Field, Header, HeaderError, Opaque,
    headers::{self, check_sizes, text},
};

/// Octets of a path with its query that are read. About 2,000 pass everywhere ([`TARGET_ADVISED_MAX`]).
pub const TARGET_MAX: usize = 8 << 10;
/// Octets of a path with its query that pass every proxy on the way.
pub const TARGET_ADVISED_MAX: usize = 2000;

const ROOT: &str = "/r1/";
const CLIENT: &str = "X-Road-Client";
const SERVICE: &str = "X-Road-Service";
const ID: &str = "X-Road-Id";
const USER: &str = "X-Road-UserId";
const ISSUE: &str = "X-Road-Issue";
const SERVER: &str = "X-Road-Security-Server";
const PARTY: &str = "X-Road-Represented-Party";
const REQUEST_ID: &str = "X-Road-Request-Id";
const REQUEST_HASH: &str = "X-Road-Request-Hash";
pub(crate) const ERROR: &str = "X-Road-Error";

/// Headers of the transport: a security server drops them both ways.
const DROPPED: [&str; 13] = [
    "transfer-encoding",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
    "connection",
    "user-agent",
    "host",
    "content-length",
    "server",
    "expect",
];
/// What a security server makes anew for each request.
const MADE_FOR_REQUESTS: [&str; 2] = [REQUEST_ID, REQUEST_HASH];
/// What a security server makes anew for each answer, or what would be believed of a provider that sent it.
const MADE_FOR_ANSWERS: [&str; 6] = [ID, CLIENT, SERVICE, REQUEST_ID, REQUEST_HASH, ERROR];

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The headers of a consumer's request that reach the provider. `Authorization` is among them.
pub fn passed_requests<'h>(fields: &[Field<'h>]) -> Vec<Field<'h>> {
    let passes = |name: &str| !is_one_of(&DROPPED, name) && !is_one_of(&MADE_FOR_REQUESTS, name);
    fields.iter().filter(|field| passes(field.0)).copied().collect()
}

/// The headers of a provider's answer that it may send: what the server makes is left out, and so are `X-Road-Service`
/// and `X-Road-Error`, which a security server would pass on as they are and the consumer would believe.
pub fn passed_answers<'h>(fields: &[Field<'h>]) -> Vec<Field<'h>> {
    let passes = |name: &str| !is_one_of(&DROPPED, name) && !is_one_of(&MADE_FOR_ANSWERS, name);
    fields.iter().filter(|field| passes(field.0)).copied().collect()
}

/// A method that X-Road carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `DELETE`
    Delete,
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
    /// `PATCH`
    Patch,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `TRACE`
    Trace,
}

impl Method {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Delete, "DELETE"),
        (Self::Get, "GET"),
        (Self::Head, "HEAD"),
        (Self::Options, "OPTIONS"),
        (Self::Patch, "PATCH"),
        (Self::Post, "POST"),
        (Self::Put, "PUT"),
        (Self::Trace, "TRACE"),
    ];

    /// Reads a method, which is in capitals.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(method, _)| *method)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        let row = Self::ALL.iter().find(|(method, _)| *method == self);
        row.expect("every method stands in the table").1
    }

    /// Whether the provider gets the body.
    pub fn carries_body(self) -> bool {
        matches!(self, Self::Patch | Self::Post | Self::Put)
    }
}

/// What a consumer says of itself and its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestMeta {
    /// Who calls.
    pub client: ClientId,
    /// The message's identifier. Keep it on each retry: nobody but us sees a double by it.
    pub id: Option<Opaque>,
    /// Who sits before the screen, with the country's two letters.
    pub user: Option<Opaque>,
    /// The case or document that it is about.
    pub issue: Option<Opaque>,
    /// The provider's security server that should be asked, of several.
    pub server: Option<ServerId>,
    /// For whom the client calls.
    pub party: Option<RepresentedParty>,
}

/// A request of a consumer to its security server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestRequest {
    method: Method,
    service: RestServiceId,
    tail: String,
    query: Option<String>,
    /// What it says of itself.
    pub meta: RequestMeta,
}

/// What a provider learns of a request. The service is not among it: it is known by the address that was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Who calls.
    pub client: ClientId,
    /// The message's identifier. With the client it tells doubles.
    pub id: Opaque,
    /// This very request's identifier, made by the consumer's security server.
    pub request_id: Option<Opaque>,
    /// Who sits before the screen.
    pub user: Option<Opaque>,
    /// The case or document that it is about.
    pub issue: Option<Opaque>,
    /// For whom the client calls.
    pub party: Option<RepresentedParty>,
}

/// What the provider's security server adds to an answer: evidence, to be kept with the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The message's identifier, ours or made by the server.
    pub id: Opaque,
    /// Who called.
    pub client: ClientId,
    /// What was called.
    pub service: RestServiceId,
    /// The request's identifier in the logs of both servers.
    pub request_id: Opaque,
    /// The request's hash; store it, it cannot be recomputed here.
    pub request_hash: Opaque,
}

/// Why a message is none of X-Road.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// The headers themselves are wrong, or one is missing.
    #[error("the headers of the message are wrong")]
    Headers(#[from] HeaderError),
    /// The method is none that X-Road carries.
    #[error("the method is none that X-Road carries")]
    Method,
    /// The path does not begin with `/r1/` and the five parts of a service.
    #[error("the path does not name a service")]
    Path(#[source] NoIdentifier),
    /// The path or the query has a character that no address has, or they are longer than [`TARGET_MAX`].
    #[error(
        "the path or the query has a forbidden character or is longer than {TARGET_MAX} octets"
    )]
    Target,
    /// A header has a wrong identifier.
    #[error("the header {name} is wrong")]
    Identifier {
        /// Which.
        name: &'static str,
        /// What it should have been.
        #[source]
        source: NoIdentifier,
    },
    /// A header is empty, too long or not ASCII.
    #[error("the header {name} is empty, too long or no ASCII")]
    Text {
        /// Which.
        name: &'static str,
    },
}

impl RestRequest {
    /// A request. The tail of the path is empty or begins with a slash; the query is without its question mark.
    ///
    /// # Errors
    ///
    /// [`RestError::Target`].
    pub fn new(
        method: Method,
        service: RestServiceId,
        (tail, query): (&str, Option<&str>),
        meta: RequestMeta,
    ) -> Result<Self, RestError> {
        let is_visible = |text: &str| text.bytes().all(|c| c.is_ascii_graphic() && c != b'#');
        let is_tail = (tail.is_empty() || tail.starts_with('/')) && !tail.contains('?');
        if !is_tail || !is_visible(tail) || !query.is_none_or(is_visible) {
            return Err(RestError::Target);
        }
        let (tail, query) = (tail.to_owned(), query.map(str::to_owned));
        let request = Self { method, service, tail, query, meta };
        if request.target().len() > TARGET_MAX { Err(RestError::Target) } else { Ok(request) }
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// What is called.
    pub fn service(&self) -> &RestServiceId {
        &self.service
    }

    /// The path behind the service, and the query: both reach the provider unchanged.
    pub fn tail(&self) -> (&str, Option<&str>) {
        (&self.tail, self.query.as_deref())
    }

    /// The path and the query to call at the security server.
    pub fn target(&self) -> String {
        let query = self.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{ROOT}{}{}{query}", self.service, self.tail)
    }

    /// The headers of X-Road. Those of the content are the caller's.
    pub fn headers(&self) -> Vec<Header> {
        let meta = &self.meta;
        let mut all = vec![Header::new(CLIENT, meta.client.to_string())];
        all.extend(given(ID, meta.id.as_ref()));
        all.extend(given(USER, meta.user.as_ref()));
        all.extend(given(ISSUE, meta.issue.as_ref()));
        all.extend(given(SERVER, meta.server.as_ref()));
        all.extend(given(PARTY, meta.party.as_ref()));
        all
    }

    /// Reads a request as a security server does. Of a header that came twice the last one counts.
    ///
    /// # Errors
    ///
    /// Whatever makes it none.
    pub fn parse(method: &str, target: &str, fields: &[Field<'_>]) -> Result<Self, RestError> {
        let method = Method::parse(method).ok_or(RestError::Method)?;
        if target.len() > TARGET_MAX {
            return Err(RestError::Target);
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let no_service = NoIdentifier { kind: "a service of REST" };
        let parts = path.strip_prefix(ROOT).ok_or(RestError::Path(no_service))?;
        let fifth = parts.match_indices('/').nth(4).map_or(parts.len(), |(at, _)| at);
        let (service, tail) = parts.split_at(fifth);
        let service = RestServiceId::parse(service).map_err(RestError::Path)?;
        let from = Fields::new(fields)?;
        let meta = RequestMeta {
            client: from.demanded(CLIENT, ClientId::parse)?,
            id: from.given(ID)?,
            user: from.given(USER)?,
            issue: from.given(ISSUE)?,
            server: from.identifier(SERVER, ServerId::parse)?,
            party: from.identifier(PARTY, RepresentedParty::parse)?,
        };
        Self::new(method, service, (tail, query), meta)
    }
}

impl Arrived {
    /// The headers that a security server adds to a request.
    pub fn headers(&self) -> Vec<Header> {
        let mut all = vec![Header::new(CLIENT, self.client.to_string()), header(ID, &self.id)];
        all.extend(given(REQUEST_ID, self.request_id.as_ref()));
        all.extend(given(USER, self.user.as_ref()));
        all.extend(given(ISSUE, self.issue.as_ref()));
        all.extend(given(PARTY, self.party.as_ref()));
        all
    }

    /// Reads what a security server says of a request. Believe it on its pinned connection only.
    ///
    /// # Errors
    ///
    /// Headers that are missing or wrong.
    pub fn parse(fields: &[Field<'_>]) -> Result<Self, RestError> {
        let from = Fields::new(fields)?;
        Ok(Self {
            client: from.demanded(CLIENT, ClientId::parse)?,
            id: from.text(ID)?,
            request_id: from.given(REQUEST_ID)?,
            user: from.given(USER)?,
            issue: from.given(ISSUE)?,
            party: from.identifier(PARTY, RepresentedParty::parse)?,
        })
    }
}

impl Evidence {
    /// The headers that a security server adds to an answer.
    pub fn headers(&self) -> Vec<Header> {
        vec![
            header(ID, &self.id),
            Header::new(CLIENT, self.client.to_string()),
            Header::new(SERVICE, self.service.to_string()),
            header(REQUEST_ID, &self.request_id),
            header(REQUEST_HASH, &self.request_hash),
        ]
    }

    /// Reads the evidence of an answer, which has it whatever its status is, unless X-Road itself failed.
    ///
    /// # Errors
    ///
    /// Headers that are missing or wrong.
    pub fn parse(fields: &[Field<'_>]) -> Result<Self, RestError> {
        let from = Fields::new(fields)?;
        Ok(Self {
            id: from.text(ID)?,
            client: from.demanded(CLIENT, ClientId::parse)?,
            service: from.demanded(SERVICE, RestServiceId::parse)?,
            request_id: from.text(REQUEST_ID)?,
            request_hash: from.text(REQUEST_HASH)?,
        })
    }
}

fn header(name: &'static str, value: &Opaque) -> Header {
    Header::new(name, value.as_str())
}

fn given(name: &'static str, value: Option<&impl ToString>) -> Option<Header> {
    value.map(|value| Header::new(name, value.to_string()))
}

/// The headers of a message, asked for by name; the last of a name counts.
pub(crate) struct Fields<'f, 'h>(&'f [Field<'h>]);

impl<'f, 'h> Fields<'f, 'h> {
    pub(crate) fn new(fields: &'f [Field<'h>]) -> Result<Self, HeaderError> {
        check_sizes(fields)?;
        Ok(Self(fields))
    }

    pub(crate) fn last(&self, name: &str) -> Result<Option<&'h str>, HeaderError> {
        let mut found = self.0.iter().rev().filter(|field| field.0.eq_ignore_ascii_case(name));
        found.next().map(|field| text(*field)).transpose()
    }

    fn given(&self, name: &'static str) -> Result<Option<Opaque>, RestError> {
        let parse = |text| Opaque::parse(text).ok_or(RestError::Text { name });
        self.last(name)?.map(parse).transpose()
    }

    fn text(&self, name: &'static str) -> Result<Opaque, RestError> {
        Ok(self.given(name)?.ok_or_else(|| missing(name))?)
    }

    fn identifier<I>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<I, NoIdentifier>,
    ) -> Result<Option<I>, RestError> {
        let parsed = self.last(name)?.map(parse).transpose();
        parsed.map_err(|source| RestError::Identifier { name, source })
    }

    fn demanded<I>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<I, NoIdentifier>,
    ) -> Result<I, RestError> {
        Ok(self.identifier(name, parse)?.ok_or_else(|| missing(name))?)
    }
}

fn missing(name: &str) -> HeaderError {
    HeaderError::Missing { name: headers::shown(name) }
}
