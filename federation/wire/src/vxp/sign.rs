//! The signature of a VXP call: HMAC-SHA256 over a JSON object that repeats the parameters (section 3.1).
//!
//! The object travels in a header of its own, so the order of its names is free and the signed octets are those that
//! came. What a call means is read from the signed values only. There is no nonce, and the body is not covered.

use std::{borrow::Cow, cmp::Ordering, fmt};

use hmac::Mac;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::{
    headers::{self, Field, Header, HeaderError},
    secret::{Secret, same},
};

/// What stands before the name of every parameter.
pub(crate) const PREFIX: &str = "XroadVnpt-";
/// Signed parameters of one call: the SDK sends ten at most, and those of earlier calls leak into later ones.
pub const SIGNED_MAX: usize = 256;

const SIGNED_NAMES: &str = "sign-header-key";
const SIGNED_VALUES: &str = "sign-header";
const HASH: &str = "hash-header";
pub(crate) const VERSION: &str = "version";
/// Headers with the prefix that are no parameters, so nothing signs them.
const UNSIGNED: [&str; 4] = [SIGNED_NAMES, SIGNED_VALUES, HASH, VERSION];

/// Why the headers of a call cannot be read, before anybody looks at the secret.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The headers themselves are wrong.
    #[error("the headers of the call are wrong")]
    Headers(#[from] HeaderError),
    /// `sign-header` is no JSON object of texts, or has a name twice.
    #[error("the header XroadVnpt-sign-header is no JSON object of texts")]
    Values(#[source] serde_json::Error),
    /// A name in `sign-header` does not begin with the prefix.
    #[error("the header XroadVnpt-sign-header signs {name}, which is no parameter")]
    Foreign {
        /// The name.
        name: String,
    },
    /// A list of signed names has one twice, or signs what cannot be signed.
    #[error("the header XroadVnpt-sign-header-key names {name} wrongly")]
    Named {
        /// The name.
        name: String,
    },
    /// More than [`SIGNED_MAX`] parameters are signed.
    #[error("more than {SIGNED_MAX} parameters are signed")]
    TooMany,
}

/// A header that differs from what was signed. Names are written without their prefix, `XroadVnpt-`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// `hash-header` is not the hash of `sign-header`: another secret, or one of the two was changed.
    #[error("the header XroadVnpt-hash-header is not the HMAC of XroadVnpt-sign-header")]
    Hash,
    /// `sign-header-key` names a parameter that did not come.
    #[error("the header XroadVnpt-{name} is named as signed and is missing")]
    Missing {
        /// Which.
        name: String,
    },
    /// `sign-header-key` names a parameter that `sign-header` lacks.
    #[error("the header XroadVnpt-{name} is named as signed and has no signed value")]
    NoValue {
        /// Which.
        name: String,
    },
    /// The value that came is not the one that was signed.
    #[error("the header XroadVnpt-{name} differs from its signed value")]
    Value {
        /// Which.
        name: String,
    },
    /// `sign-header` has a parameter that `sign-header-key` does not name.
    #[error("the header XroadVnpt-{name} has a signed value and is not named as signed")]
    NotNamed {
        /// Which.
        name: String,
    },
    /// A parameter came that nothing signs.
    #[error("the header XroadVnpt-{name} is not signed")]
    Unsigned {
        /// Which.
        name: String,
    },
}

/// The headers of a call, read and not yet believed.
#[derive(Debug)]
pub struct Unverified<'h> {
    /// The parameters that came, sorted by name.
    sent: Vec<(&'h str, &'h str)>,
    named: Vec<&'h str>,
    /// The parameters that are signed, in their order.
    signed: Vec<(Cow<'h, str>, Cow<'h, str>)>,
    signed_text: &'h str,
    hash: &'h str,
}

/// The parameters of a call whose signature is right: only signed ones, in the order in which they were signed.
#[derive(Debug)]
pub struct Verified<'h> {
    parameters: Vec<(Cow<'h, str>, Cow<'h, str>)>,
}

impl<'h> Unverified<'h> {
    /// Reads the headers of a call; those that do not begin with `XroadVnpt-` are somebody else's.
    ///
    /// # Errors
    ///
    /// Headers that are too many, too long, broken, missing or repeated with another value, and a `sign-header` that
    /// is no JSON object of texts.
    pub fn read(fields: &[Field<'h>]) -> Result<Self, ReadError> {
        headers::check_sizes(fields)?;
        let ours = |name| headers::one(fields, &format!("{PREFIX}{name}"));
        let missing = |name| HeaderError::Missing { name: format!("{PREFIX}{name}") };
        let demanded = |name| ours(name)?.ok_or_else(|| missing(name));
        let (named, signed_text, hash) =
            (demanded(SIGNED_NAMES)?, demanded(SIGNED_VALUES)?, demanded(HASH)?);
        let Pairs(pairs) = serde_json::from_str(signed_text).map_err(ReadError::Values)?;
        let signed = pairs.into_iter().map(without_prefix).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { sent: parameters(fields)?, named: names(named)?, signed, signed_text, hash })
    }

    /// The system that claims to call: by it the secret is found. None if the call does not say.
    pub fn system_id(&self) -> Option<&str> {
        self.sent("systemid")
    }

    /// Checks the signature and every parameter against it.
    ///
    /// # Errors
    ///
    /// The first difference. The hash comes first: with a wrong one nothing else is looked at, so a stranger costs us one
    /// hash.
    pub fn verify(self, secret: &Secret) -> Result<Verified<'h>, Difference> {
        if !self.is_hashed_with(secret) {
            return Err(Difference::Hash);
        }
        let mut first = None;
        self.compare(&mut |difference| first = first.take().or(Some(difference)));
        first.map_or(Ok(Verified { parameters: self.signed }), Err)
    }

    /// Every difference, for people who look for their mistake. Empty if [`Unverified::verify`] agrees.
    pub fn differences(&self, secret: &Secret) -> Vec<Difference> {
        let is_hashed = self.is_hashed_with(secret);
        let mut all: Vec<_> = (!is_hashed).then_some(Difference::Hash).into_iter().collect();
        self.compare(&mut |difference| all.push(difference));
        all
    }

    /// In a time that does not depend on where the hashes differ.
    fn is_hashed_with(&self, secret: &Secret) -> bool {
        let mut hash = [0; 64];
        let sum = secret.hmac(self.signed_text).finalize().into_bytes();
        hex::encode_to_slice(sum, &mut hash).expect("32 octets are 64 digits");
        same(&hash, self.hash.as_bytes())
    }

    fn compare(&self, found: &mut dyn FnMut(Difference)) {
        for name in &self.named {
            let owned = || headers::shown(name);
            match (self.sent(name), self.signed(name)) {
                (None, _) => found(Difference::Missing { name: owned() }),
                (_, None) => found(Difference::NoValue { name: owned() }),
                (Some(sent), Some(signed)) if sent != signed => {
                    found(Difference::Value { name: owned() });
                }
                _ => {}
            }
        }
        let is_named = |name: &str| self.named.iter().any(|named| named.eq_ignore_ascii_case(name));
        for (name, _) in self.signed.iter().filter(|(name, _)| !is_named(name)) {
            found(Difference::NotNamed { name: headers::shown(name) });
        }
        for (name, _) in self.sent.iter().filter(|(name, _)| !is_named(name)) {
            found(Difference::Unsigned { name: headers::shown(name) });
        }
    }

    fn sent(&self, name: &str) -> Option<&'h str> {
        let at = self.sent.binary_search_by(|(sent, _)| by_name(sent, name)).ok()?;
        Some(self.sent[at].1)
    }

    fn signed(&self, name: &str) -> Option<&str> {
        value_of(&self.signed, name)
    }
}

impl Verified<'_> {
    /// The value of a parameter, by its name without the prefix in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        value_of(&self.parameters, name)
    }

    /// Every parameter, named without the prefix, in the order in which they were signed.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// The three headers that sign the parameters, in the order in which the SDK sends them.
pub(crate) fn sign(parameters: &[(&str, &str)], secret: &Secret) -> [Header; 3] {
    let names: Vec<_> = parameters.iter().map(|(name, _)| *name).collect();
    let text = Object(parameters).to_string();
    let hash = hex::encode(secret.hmac(&text).finalize().into_bytes());
    [(SIGNED_NAMES, names.join(";")), (SIGNED_VALUES, text), (HASH, hash)]
        .map(|(name, value)| Header::new(format!("{PREFIX}{name}"), value))
}

/// Whether the name, without its prefix, is one of a header that cannot be a parameter.
pub(crate) fn is_reserved(name: &str) -> bool {
    UNSIGNED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
}

/// Parameters as the JSON object that is signed.
struct Object<'p>(&'p [(&'p str, &'p str)]);

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        f.write_str("{")?;
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", text(&format!("{PREFIX}{name}")), text(value))?;
        }
        f.write_str("}")
    }
}

fn value_of<'p>(pairs: &'p [(Cow<'_, str>, Cow<'_, str>)], name: &str) -> Option<&'p str> {
    let found = pairs.iter().find(|(signed, _)| signed.eq_ignore_ascii_case(name))?;
    Some(&found.1)
}

fn by_name(a: &str, b: &str) -> Ordering {
    let lower = |c: u8| c.to_ascii_lowercase();
    a.bytes().map(lower).cmp(b.bytes().map(lower))
}

/// The parameters among the headers, sorted by name. The SDK's sample sends one as `docId` and as `docid`: with one
/// value they are one.
fn parameters<'h>(fields: &[Field<'h>]) -> Result<Vec<(&'h str, &'h str)>, HeaderError> {
    let mut sent = Vec::with_capacity(fields.len().min(32));
    for (whole, value) in fields {
        match headers::behind(PREFIX, whole) {
            Some(name) if !is_reserved(name) => sent.push((name, headers::text((whole, value))?)),
            _ => {}
        }
    }
    sent.sort_by(|(a, _), (b, _)| by_name(a, b));
    let same_name = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    if let Some(pair) = sent.windows(2).find(|p| same_name(p[0].0, p[1].0) && p[0].1 != p[1].1) {
        return Err(HeaderError::Repeated {
            name: format!("{PREFIX}{}", headers::shown(pair[0].0)),
        });
    }
    sent.dedup_by(|a, b| same_name(a.0, b.0));
    Ok(sent)
}

/// The names of `sign-header-key`, each once. The same name in two cases is one: see [`parameters`].
fn names(list: &str) -> Result<Vec<&str>, ReadError> {
    let mut names: Vec<&str> = Vec::new();
    for name in list.split(';') {
        let wrong = || ReadError::Named { name: headers::shown(name) };
        if !headers::is_name(name) || is_reserved(name) || names.contains(&name) {
            return Err(wrong());
        }
        if names.len() == SIGNED_MAX {
            return Err(ReadError::TooMany);
        }
        names.push(name);
    }
    Ok(names)
}

type Pair<'h> = (Cow<'h, str>, Cow<'h, str>);

fn without_prefix((whole, value): Pair<'_>) -> Result<Pair<'_>, ReadError> {
    let foreign = |whole: &str| ReadError::Foreign { name: headers::shown(whole) };
    let name = match &whole {
        Cow::Borrowed(whole) => headers::behind(PREFIX, whole).map(Cow::Borrowed),
        Cow::Owned(whole) => headers::behind(PREFIX, whole).map(|name| Cow::Owned(name.to_owned())),
    };
    match name {
        Some(name) if headers::is_name(&name) && !is_reserved(&name) => Ok((name, value)),
        _ => Err(foreign(&whole)),
    }
}

/// A JSON object of texts in its order, no name twice, and no name in two cases with two values.
struct Pairs<'h>(Vec<Pair<'h>>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<Pair<'de>> = Vec::with_capacity(8);
        while let Some((Text(name), Text(value))) = map.next_entry::<Text<'de>, Text<'de>>()? {
            let twice = |(before, other): &Pair<'_>| {
                *before == name || (before.eq_ignore_ascii_case(&name) && *other != value)
            };
            if pairs.iter().any(twice) {
                return Err(A::Error::custom("a name stands twice"));
            }
            if pairs.len() == SIGNED_MAX {
                return Err(A::Error::custom("too many names"));
            }
            pairs.push((name, value));
        }
        Ok(Pairs(pairs))
    }
}

/// A text that is borrowed where it holds no escape.
struct Text<'h>(Cow<'h, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
