//! The head of a request as it was received, and the public names it may have been sent to.

use core::net::Ipv6Addr;
use std::borrow::Cow;

use model::Malformed;

use crate::Rejection;

/// A header field: its lower-case name and its value as received.
pub type Header<'a> = (&'a str, &'a [u8]);

/// The head of a request, as received: nothing decoded, nothing normalised.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method, case-sensitive.
    pub method: &'a str,
    /// The `Host` header or `:authority`: where the client believes it speaks to.
    pub authority: &'a str,
    /// The path as on the wire, percent-encoding included.
    pub path: &'a str,
    /// The query without its question mark; none when the target had no question mark.
    pub query: Option<&'a str>,
    /// The fields in order of arrival, repeated ones included.
    pub headers: &'a [Header<'a>],
}

/// Only the shape: values may be secrets.
impl std::fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("header_count", &self.headers.len())
            .finish_non_exhaustive()
    }
}

impl<'a> RequestHead<'a> {
    /// The values of a field, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// Whether the field is there, be it empty.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Whether the fields announce content. HTTP/2 may bring some unannounced: the body's
    /// digest checker refuses that.
    pub fn announces_content(&self) -> bool {
        self.has("transfer-encoding")
            || self.values("content-length").any(|value| value.trim_ascii() != b"0")
    }

    /// Whether the method only reads, so that a replay changes nothing.
    pub fn is_safe(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS")
    }

    /// The field's value as RFC 9421 section 2.1 has it: each trimmed, joined by a comma and a space.
    pub(crate) fn joined(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, Rejection> {
        let mut values = self.values(name).map(trim);
        let Some(first) = values.next() else { return Ok(None) };
        let mut joined = Cow::Borrowed(first);
        for value in values {
            let joined = joined.to_mut();
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(value);
        }
        // A line break inside a value could forge a line of the signature base.
        if joined.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
            return Err(Rejection::Malformed {
                field: "header",
                reason: "a value has a line break or NUL",
            });
        }
        Ok(Some(joined))
    }
}

/// Without optional white space (space and tab) at both ends.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// How clients reach a public name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP: only for development.
    Http,
    /// HTTPS.
    Https,
}

impl Scheme {
    /// The scheme as in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> &'static str {
        match self {
            Self::Http => ":80",
            Self::Https => ":443",
        }
    }
}

/// One name that clients may use for the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicName {
    pub(crate) scheme: Scheme,
    /// In lower case, without the scheme's default port.
    pub(crate) authority: String,
}

impl PublicName {
    pub(crate) fn new(scheme: Scheme, authority: &str) -> Self {
        Self { scheme, authority: spelt(bare(scheme, authority)) }
    }

    fn is(&self, authority: &str) -> bool {
        let authority = bare(self.scheme, authority);
        // Only an IPv6 address has several spellings beside capitals.
        authority.eq_ignore_ascii_case(&self.authority)
            || (authority.starts_with('[') && spelt(authority) == self.authority)
    }

    /// The authority as a caller has spelt it, normalised as RFC 9421 section 2.2.3 has it: what was
    /// signed. It differs from ours where an IPv6 address is spelt in another way.
    pub(crate) fn as_called(&self, authority: &str) -> String {
        bare(self.scheme, authority).to_ascii_lowercase()
    }
}

/// An authority without the scheme's default port.
fn bare(scheme: Scheme, authority: &str) -> &str {
    authority.strip_suffix(scheme.default_port()).unwrap_or(authority)
}

/// The one spelling of an authority that names are compared in: lower case, and an IPv6 address as RFC
/// 5952 writes it, so that `[0:0:0:0:0:0:0:1]` is `[::1]`.
fn spelt(authority: &str) -> String {
    let ipv6 = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if let Some((address, port)) = ipv6
        && let Ok(address) = address.parse::<Ipv6Addr>()
    {
        return format!("[{address}]{port}");
    }
    authority.to_ascii_lowercase()
}

/// The names that clients may use for the platform: scheme and authority, as configured.
///
/// What is signed is a full target, so the `Host` of a request is believed only when it is in
/// this list; the scheme comes from the list alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicNames(Vec<PublicName>);

impl PublicNames {
    /// Reads names like `https://lgsp.example.vn` or `http://127.0.0.1:8080`.
    ///
    /// One authority has one scheme: otherwise it would not be clear what a signature means.
    pub fn new<T: AsRef<str>>(urls: impl IntoIterator<Item = T>) -> Result<Self, Malformed> {
        let wrong = |reason| Malformed { word: "public name", reason };
        let mut names: Vec<PublicName> = Vec::new();
        for url in urls {
            let url = url.as_ref();
            let (scheme, rest) = if let Some(rest) = url.strip_prefix("https://") {
                (Scheme::Https, rest)
            } else if let Some(rest) = url.strip_prefix("http://") {
                (Scheme::Http, rest)
            } else {
                return Err(wrong("it begins with https:// or http://"));
            };
            let authority = rest.strip_suffix('/').unwrap_or(rest);
            if authority.is_empty()
                || !authority.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_:[]".contains(&c))
            {
                return Err(wrong(
                    "a host name and perhaps a port follow the scheme, and nothing else",
                ));
            }
            let name = PublicName::new(scheme, authority);
            if names.iter().any(|n| n.authority == name.authority && n.scheme != name.scheme) {
                return Err(wrong("one authority has one scheme"));
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Self(names))
    }

    /// The URL of a name as a caller has spelt it; none where it is not one of these.
    pub fn url(&self, authority: &str) -> Option<String> {
        let name = self.find(authority)?;
        Some(format!("{}://{}", name.scheme.as_str(), name.as_called(authority)))
    }

    /// The configured name that this authority stands for.
    pub(crate) fn find(&self, authority: &str) -> Option<&PublicName> {
        self.0.iter().find(|name| name.is(authority))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_port_and_capitals_make_no_difference() {
        let names = PublicNames::new(["https://LGSP.example.vn:443/", "http://127.0.0.1:8080"])
            .expect("names");
        for authority in ["lgsp.example.vn", "LGSP.Example.vn", "lgsp.example.vn:443"] {
            assert_eq!(
                names.find(authority).map(|n| n.authority.as_str()),
                Some("lgsp.example.vn")
            );
        }
        assert!(names.find("127.0.0.1:8080").is_some());
        for authority in
            ["", "lgsp.example.vn:80", "lgsp.example.vn:8443", "evil.example.vn", "127.0.0.1"]
        {
            assert!(names.find(authority).is_none(), "{authority}");
        }
    }

    #[test]
    fn an_ipv6_address_is_one_name_however_it_is_spelt() {
        let names =
            PublicNames::new(["https://[::1]:8443", "https://[2001:DB8::0:0:A]"]).expect("names");
        for authority in ["[::1]:8443", "[0:0:0:0:0:0:0:1]:8443", "[0000:0::0001]:8443"] {
            let found = names.find(authority).map(|name| name.authority.as_str());
            assert_eq!(found, Some("[::1]:8443"), "{authority}");
            // As the caller spelt it: it may compare what it is told with what it knows.
            assert_eq!(names.url(authority), Some(format!("https://{authority}")));
        }
        assert!(names.find("[2001:db8:0:0:0:0:0:a]:443").is_some());
        assert!(names.find("[2001:db8::a]").is_some());
        for authority in ["[::1]", "[::1]:8444", "[::2]:8443", "::1:8443", "[::1:8443", "[x]:8443"]
        {
            assert!(names.find(authority).is_none(), "{authority}");
        }
    }

    #[test]
    fn names_that_are_not_names_are_refused() {
        for url in
            ["lgsp.example.vn", "https://", "https://a/b", "ftp://a", "https://a b", "https://u@a"]
        {
            assert!(PublicNames::new([url]).is_err(), "{url}");
        }
        assert!(PublicNames::new(["https://a:8000", "http://a:8000"]).is_err());
    }

    #[test]
    fn values_are_trimmed_and_joined() {
        let headers: &[Header<'_>] = &[("a", b" 1\t"), ("b", b"x"), ("a", b"2"), ("c", b"1\n2")];
        let head = RequestHead { method: "GET", authority: "", path: "/", query: None, headers };
        assert_eq!(head.joined("a").expect("joined").as_deref(), Some(b"1, 2".as_slice()));
        assert_eq!(head.joined("z").expect("joined"), None);
        assert!(head.joined("c").is_err());
    }
}
