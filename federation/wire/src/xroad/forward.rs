//! The adapter of the Government Office for the National Public Service Portal (section 4.2): a path that is forwarded to
//! the member that `dstcode` names.
//!
//! Both `dstcode` and `providerurl` stand in the query or in headers, as the caller likes. `providerurl` is somebody's word:
//! whoever serves such a call must not follow it without asking whether it is one that he knows.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::identifier::{ClientId, NoIdentifier};
use crate::{
    gateway::form,
    vxp::{
        Field, Header, HeaderError,
        headers::{self, check_sizes, one},
    },
};

/// Octets of a path with its query.
pub const FORWARD_TARGET_MAX: usize = 8 << 10;
/// Octets of a provider's address.
pub const PROVIDER_URL_MAX: usize = 2048;

const DESTINATION: &str = "dstcode";
const PROVIDER: &str = "providerurl";
const FORWARD: &str = "/RestService/forward";
/// What a query carries as it is here, beside letters and digits: what real calls leave as it is too.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'/');

/// Which of the two sibling paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adapter {
    /// `/XrdAdapter`
    Xrd,
    /// `/VXPAdapter`
    Vxp,
}

impl Adapter {
    const ALL: [(Self, &'static str); 2] = [(Self::Xrd, "/XrdAdapter"), (Self::Vxp, "/VXPAdapter")];

    fn path(self) -> &'static str {
        let row = Self::ALL.iter().find(|(adapter, _)| *adapter == self);
        row.expect("every adapter stands in the table").1
    }
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the query.
    Query,
    /// In a header of its name.
    Header,
}

/// A call to be forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Which adapter.
    pub adapter: Adapter,
    path: String,
    destination: (ClientId, Place),
    provider_url: Option<(String, Place)>,
    query: String,
}

/// A call as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardOutgoing {
    /// The path and the query.
    pub target: String,
    /// The headers.
    pub headers: Vec<Header>,
}

/// Why a call cannot be forwarded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// The headers themselves are wrong.
    #[error("the headers of the call are wrong")]
    Headers(#[from] HeaderError),
    /// The path is none of an adapter.
    #[error("the path is none of an adapter that forwards")]
    Path,
    /// The path or the query has a character that no address has, or they are longer than [`FORWARD_TARGET_MAX`].
    #[error(
        "the path or the query has a forbidden character or is longer than {FORWARD_TARGET_MAX} octets"
    )]
    Target,
    /// `dstcode` is missing.
    #[error("the parameter dstcode is missing")]
    Missing,
    /// A parameter stands twice with different values.
    #[error("the parameter {name} stands twice with different values")]
    Twice {
        /// Which.
        name: &'static str,
    },
    /// `dstcode` is none, or cannot be written where it should stand.
    #[error("the parameter dstcode is wrong")]
    Destination(#[source] NoIdentifier),
    /// `providerurl` is no address of HTTP, or longer than [`PROVIDER_URL_MAX`].
    #[error("the parameter providerurl is no address of HTTP")]
    ProviderUrl,
}

impl Forward {
    /// A call: the path of the provider, which begins with a slash, and to whom.
    ///
    /// # Errors
    ///
    /// [`ForwardError::Target`], and [`ForwardError::Destination`] for an identifier with a colon in a part, or with
    /// other characters than ASCII in a header.
    pub fn new(
        adapter: Adapter,
        path: &str,
        destination: (ClientId, Place),
    ) -> Result<Self, ForwardError> {
        let is_path = path.starts_with('/') && !path.contains('?') && is_visible(path);
        if !is_path || path.len() > FORWARD_TARGET_MAX {
            return Err(ForwardError::Target);
        }
        let text = destination.0.to_colons();
        let is_sound = |text: &String| destination.1 == Place::Query || headers::is_value(text);
        if !text.as_ref().is_some_and(is_sound) {
            return Err(ForwardError::Destination(NO_DESTINATION));
        }
        let (path, query) = (path.to_owned(), String::new());
        Ok(Self { adapter, path, destination, provider_url: None, query })
    }

    /// The same call to an address of the provider's.
    ///
    /// # Errors
    ///
    /// [`ForwardError::ProviderUrl`].
    pub fn with_provider_url(mut self, url: &str, place: Place) -> Result<Self, ForwardError> {
        let is_http = ["http://", "https://"].iter().any(|scheme| {
            let rest = headers::behind(scheme, url);
            rest.is_some_and(|rest| !rest.is_empty())
        });
        if !is_http || url.len() > PROVIDER_URL_MAX || !url.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(ForwardError::ProviderUrl);
        }
        self.provider_url = Some((url.to_owned(), place));
        Ok(self)
    }

    /// The same call with a query of the provider's own, which reaches it as it is.
    ///
    /// # Errors
    ///
    /// [`ForwardError::Target`] for characters that no query has, and [`ForwardError::Twice`] for the adapter's own
    /// parameters.
    pub fn with_query(mut self, query: &str) -> Result<Self, ForwardError> {
        if !is_visible(query) || query.len() > FORWARD_TARGET_MAX {
            return Err(ForwardError::Target);
        }
        for name in [DESTINATION, PROVIDER] {
            if query.split('&').any(|pair| value_of(pair, name).is_some()) {
                return Err(ForwardError::Twice { name });
            }
        }
        self.query = query.to_owned();
        Ok(self)
    }

    /// The path of the provider.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// To whom, and where it stands.
    pub fn destination(&self) -> (&ClientId, Place) {
        (&self.destination.0, self.destination.1)
    }

    /// The provider's address, and where it stands.
    pub fn provider_url(&self) -> Option<(&str, Place)> {
        self.provider_url.as_ref().map(|(url, place)| (url.as_str(), *place))
    }

    /// The provider's own query; empty if there is none.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// Builds the call.
    ///
    /// # Errors
    ///
    /// [`ForwardError::Target`] if the target would be too long.
    pub fn build(&self) -> Result<ForwardOutgoing, ForwardError> {
        let json = "application/json";
        let mut headers = vec![
            Header::new("Accept", json),
            Header::new("Content-Type", json),
            Header::new("Charset", "utf-8"),
        ];
        let destination = self.destination.0.to_colons();
        let destination = destination.expect("it was checked when the call was made");
        let parameters = [
            Some((DESTINATION, destination.as_str(), self.destination.1)),
            self.provider_url.as_ref().map(|(url, place)| (PROVIDER, url.as_str(), *place)),
        ];
        let mut query = Vec::new();
        for (name, value, place) in parameters.into_iter().flatten() {
            match place {
                Place::Header => headers.push(Header::new(name, value)),
                Place::Query => {
                    query.push(format!("{name}={}", utf8_percent_encode(value, ENCODED)));
                }
            }
        }
        query.extend((!self.query.is_empty()).then(|| self.query.clone()));
        let mark = if query.is_empty() { "" } else { "?" };
        let (adapter, query) = (self.adapter.path(), query.join("&"));
        let target = format!("{adapter}{FORWARD}{}{mark}{query}", self.path);
        match target.len() > FORWARD_TARGET_MAX {
            true => Err(ForwardError::Target),
            false => Ok(ForwardOutgoing { target, headers }),
        }
    }

    /// Reads a call. A parameter that stands in the query and in a header with one value counts for the query.
    ///
    /// # Errors
    ///
    /// Whatever makes it none.
    pub fn parse(target: &str, fields: &[Field<'_>]) -> Result<Self, ForwardError> {
        check_sizes(fields)?;
        if target.len() > FORWARD_TARGET_MAX {
            return Err(ForwardError::Target);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let forwarded = Adapter::ALL.iter().find_map(|(adapter, root)| {
            let rest = path.strip_prefix(root)?.strip_prefix(FORWARD)?;
            rest.starts_with('/').then_some((*adapter, rest))
        });
        let (adapter, path) = forwarded.ok_or(ForwardError::Path)?;
        let (code, place) = parameter(query, fields, DESTINATION)?.ok_or(ForwardError::Missing)?;
        let code = ClientId::parse_colons(&code).map_err(ForwardError::Destination)?;
        let mut call = Self::new(adapter, path, (code, place))?;
        if let Some((url, place)) = parameter(query, fields, PROVIDER)? {
            call = call.with_provider_url(&url, place)?;
        }
        let is_ours =
            |pair: &&str| [DESTINATION, PROVIDER].iter().any(|name| value_of(pair, name).is_some());
        let others: Vec<_> = query.split('&').filter(|pair| !is_ours(pair)).collect();
        call.with_query(&others.join("&"))
    }
}

const NO_DESTINATION: NoIdentifier = NoIdentifier { kind: "a destination with colons" };

fn is_visible(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_graphic() && c != b'#')
}

/// The encoded value of a pair, if it has this name.
fn value_of<'p>(pair: &'p str, name: &str) -> Option<&'p str> {
    let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
    (found == name).then_some(value)
}

fn parameter(
    query: &str,
    fields: &[Field<'_>],
    name: &'static str,
) -> Result<Option<(String, Place)>, ForwardError> {
    let mut found: Option<String> = None;
    for value in query.split('&').filter_map(|pair| value_of(pair, name)) {
        let value = form::decoded(value).ok_or(ForwardError::Target)?.to_string();
        if found.as_ref().is_some_and(|before| *before != value) {
            return Err(ForwardError::Twice { name });
        }
        found = Some(value);
    }
    match (found, one(fields, name)?) {
        (Some(query), Some(header)) if query != header => Err(ForwardError::Twice { name }),
        (Some(query), _) => Ok(Some((query, Place::Query))),
        (None, header) => Ok(header.map(|value| (value.to_owned(), Place::Header))),
    }
}
