//! Headers as names and octets: no library of HTTP stands between us and what was sent.
//!
//! The parameters of a VXP call are headers, so a header may be as long as a document is elsewhere. Values are ASCII:
//! no encoding was ever agreed on for anything else, and a line break in a value would be a header of its own.

use std::{borrow::Cow, fmt};

use zeroize::Zeroizing;

/// Octets of one header's value: what the SDK of the axis itself accepts (section 3.1).
pub const HEADER_OCTETS_MAX: usize = 2_000_000;
/// Headers of one message: what the SDK of the axis itself accepts (section 3.1).
pub const HEADERS_MAX: usize = 20_000;

/// A header as it came: its name in any case, and the octets of its value.
pub type Field<'h> = (&'h str, &'h [u8]);

/// A header to send. Its value may be a secret, so it prints as its name and is wiped.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    name: Cow<'static, str>,
    value: Zeroizing<String>,
}

impl Header {
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Zeroizing::new(value.into()) }
    }

    /// The name, in the case in which it is sent.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value: visible ASCII and spaces.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The same header as it will come to the other side.
    pub fn field(&self) -> Field<'_> {
        (&self.name, self.value.as_bytes())
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Header").field(&self.name).finish_non_exhaustive()
    }
}

/// What is wrong with the headers of a message, before anybody asks what they mean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There are more than [`HEADERS_MAX`].
    #[error("{count} headers are more than {HEADERS_MAX}")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// One is longer than [`HEADER_OCTETS_MAX`].
    #[error("the header {name} is longer than {HEADER_OCTETS_MAX} octets")]
    TooLong {
        /// Which.
        name: String,
    },
    /// A value has an octet that no header may have: a line break, a NUL, or one beyond ASCII.
    #[error("the header {name} has a forbidden octet at {at}")]
    Broken {
        /// Which.
        name: String,
        /// The octet's place in the value, from zero.
        at: usize,
    },
    /// A header came more than once, and the values differ.
    #[error("the header {name} came twice with different values")]
    Repeated {
        /// Which.
        name: String,
    },
    /// A header that must be there is not.
    #[error("the header {name} is missing")]
    Missing {
        /// Which.
        name: String,
    },
}

/// Refuses a message whose headers are too many, or one of which is too long.
pub(crate) fn check_sizes(fields: &[Field<'_>]) -> Result<(), HeaderError> {
    if fields.len() > HEADERS_MAX {
        return Err(HeaderError::TooMany { count: fields.len() });
    }
    match fields.iter().find(|(name, value)| name.len().max(value.len()) > HEADER_OCTETS_MAX) {
        Some((name, _)) => Err(HeaderError::TooLong { name: shown(name) }),
        None => Ok(()),
    }
}

/// The value as text: visible ASCII, spaces and tabs.
pub(crate) fn text<'h>((name, value): Field<'h>) -> Result<&'h str, HeaderError> {
    let allowed = |octet: &u8| matches!(octet, b' '..=b'~' | b'\t');
    let broken = |at| HeaderError::Broken { name: shown(name), at };
    match value.iter().position(|octet| !allowed(octet)) {
        Some(at) => Err(broken(at)),
        None => std::str::from_utf8(value).map_err(|error| broken(error.valid_up_to())),
    }
}

/// The one value of a header, if it came. Repeated with the same value it is still one.
pub(crate) fn one<'h>(fields: &[Field<'h>], name: &str) -> Result<Option<&'h str>, HeaderError> {
    let mut found = None;
    for field in fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name)) {
        let value = text(*field)?;
        if found.replace(value).is_some_and(|before| before != value) {
            return Err(HeaderError::Repeated { name: name.to_owned() });
        }
    }
    Ok(found)
}

/// The part of a name behind a prefix, in whatever case the prefix is.
pub(crate) fn behind<'n>(prefix: &str, name: &'n str) -> Option<&'n str> {
    let (head, rest) = name.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A header's name by RFC 9110: one or more of the characters of a token.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    !name.is_empty() && name.bytes().all(allowed)
}

/// A value that arrives as it was sent: nothing breaks the line, and nothing at its ends is stripped on the way.
pub(crate) fn is_value(value: &str) -> bool {
    value.bytes().all(|c| matches!(c, b' '..=b'~')) && value.trim_ascii() == value
}

/// Characters of a foreign name that an error repeats.
const SHOWN_MAX: usize = 64;

/// A foreign name as an error may repeat it.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(SHOWN_MAX).flat_map(char::escape_default).collect()
}
