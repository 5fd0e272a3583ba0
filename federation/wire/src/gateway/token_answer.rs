//! The answer to a request for a token: WSO2's shape of a token, or a refusal in the shape of RFC 6749.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::vxp::{
    Secret,
    loose::{self, NoJson, Object, no_json},
};

/// Octets of an answer: a token, its scope, and a little.
pub const TOKEN_ANSWER_MAX: usize = 64 << 10;
/// Octets of a token: WSO2's are UUIDs or JWTs, and it must fit a header everywhere.
pub const TOKEN_MAX: usize = 16 << 10;

const BEARER: &str = "Bearer";

/// A token as it was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    access: Secret,
    /// What it is good for, as the gateway says.
    pub scope: Option<String>,
    /// For how long, from the answer on. None if the gateway does not say.
    pub lifetime: Option<Duration>,
}

impl Token {
    /// A token that a gateway of ours issues; none if no header could carry it. The lifetime is whole seconds.
    pub fn new(access: Secret, scope: Option<String>, lifetime: Option<Duration>) -> Option<Self> {
        let lifetime = lifetime.map(|span| Duration::from_secs(span.as_secs()));
        is_token(access.expose()).then_some(Self { access, scope, lifetime })
    }

    /// The token itself: visible ASCII without spaces.
    pub fn access(&self) -> &Secret {
        &self.access
    }
}

/// Why no token was issued (RFC 6749 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request cannot be understood.
    InvalidRequest,
    /// The client is unknown, or its secret is wrong.
    InvalidClient,
    /// The grant is wrong or expired.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// The gateway does not know this grant.
    UnsupportedGrantType,
    /// The scope is unknown or too wide.
    InvalidScope,
    /// A word that RFC 6749 does not have, as it came. It is never one of the words above.
    Other(String),
}

const CODES: [(ErrorCode, &str); 6] = [
    (ErrorCode::InvalidRequest, "invalid_request"),
    (ErrorCode::InvalidClient, "invalid_client"),
    (ErrorCode::InvalidGrant, "invalid_grant"),
    (ErrorCode::UnauthorizedClient, "unauthorized_client"),
    (ErrorCode::UnsupportedGrantType, "unsupported_grant_type"),
    (ErrorCode::InvalidScope, "invalid_scope"),
];

impl ErrorCode {
    /// Reads a code; a word that is not known is kept.
    pub fn parse(text: &str) -> Self {
        let known = CODES.iter().find(|(_, word)| *word == text);
        known.map_or_else(|| Self::Other(text.to_owned()), |(code, _)| code.clone())
    }

    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(word) => word,
            known => {
                let row = CODES.iter().find(|(code, _)| code == known);
                row.expect("every known code stands in the table").1
            }
        }
    }

    /// The status of HTTP that goes with it: 401 for an unknown client, else 400.
    pub fn http(&self) -> u16 {
        if *self == Self::InvalidClient { 401 } else { 400 }
    }
}

/// A refusal to issue a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub code: ErrorCode,
    /// The same for people.
    pub description: Option<String>,
    /// Where more is written.
    pub uri: Option<String>,
}

/// An answer that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenAnswer {
    /// A token.
    Issued(Token),
    /// None, and why.
    Refused(Refused),
}

/// Why an answer says nothing.
#[derive(Debug, thiserror::Error)]
pub enum TokenUnreadable {
    /// There is no body.
    #[error("the answer of status {http} has no body")]
    Empty {
        /// The status of HTTP.
        http: u16,
    },
    /// It is a page for people.
    #[error("the answer of status {http} is markup and no JSON")]
    Markup {
        /// The status of HTTP.
        http: u16,
    },
    /// It is longer than [`TOKEN_ANSWER_MAX`].
    #[error("the answer is longer than {TOKEN_ANSWER_MAX} octets")]
    TooLong,
    /// It is no JSON object of a token or an error.
    #[error("the answer of status {http} is no JSON object of a token")]
    Form {
        /// The status of HTTP.
        http: u16,
        /// What is wrong with it. It does not repeat the token.
        #[source]
        source: serde_json::Error,
    },
    /// It has neither a token nor an error.
    #[error("the answer of status {http} has neither a token nor an error")]
    Neither {
        /// The status of HTTP.
        http: u16,
    },
    /// The token is of another kind than `Bearer`, or no header could carry it.
    #[error("the token is no bearer token that a header can carry")]
    NoBearer,
    /// It has a token, and an error or a status of HTTP that denies it.
    #[error("the answer of status {http} has a token and denies it")]
    Contradiction {
        /// The status of HTTP.
        http: u16,
    },
}

#[derive(Deserialize)]
struct Read {
    access_token: Option<Secret>,
    token_type: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    expires_in: Option<u64>,
    scope: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    error_uri: Option<String>,
}

#[derive(Serialize)]
struct WrittenToken<'a> {
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    token_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
}

#[derive(Serialize)]
struct WrittenError<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<&'a str>,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_uri: Option<&'a str>,
}

impl TokenAnswer {
    /// Reads an answer. An error counts with any status of HTTP, a token with 200 and 201 only.
    ///
    /// # Errors
    ///
    /// Anything that is not clearly a token or a refusal.
    pub fn read(http: u16, body: &[u8]) -> Result<Self, TokenUnreadable> {
        if body.len() > TOKEN_ANSWER_MAX {
            return Err(TokenUnreadable::TooLong);
        }
        match no_json(body) {
            Some(NoJson::Empty) => return Err(TokenUnreadable::Empty { http }),
            Some(NoJson::Markup) => return Err(TokenUnreadable::Markup { http }),
            None => {}
        }
        let read = serde_json::from_slice::<Object<Read>>(body);
        let Object(read) = read.map_err(|source| TokenUnreadable::Form { http, source })?;
        match (read.access_token, read.error) {
            (None, None) => Err(TokenUnreadable::Neither { http }),
            (Some(_), Some(_)) => Err(TokenUnreadable::Contradiction { http }),
            (None, Some(error)) => Ok(Self::Refused(Refused {
                code: ErrorCode::parse(&error),
                description: read.error_description,
                uri: read.error_uri,
            })),
            (Some(_), None) if !matches!(http, 200 | 201) => {
                Err(TokenUnreadable::Contradiction { http })
            }
            (Some(access), None) => {
                let is_bearer = |kind: &String| kind.eq_ignore_ascii_case(BEARER);
                if !read.token_type.as_ref().is_some_and(is_bearer) || !is_token(access.expose()) {
                    return Err(TokenUnreadable::NoBearer);
                }
                let lifetime = read.expires_in.map(Duration::from_secs);
                Ok(Self::Issued(Token { access, scope: read.scope, lifetime }))
            }
        }
    }

    /// Writes the answer as a gateway does. It may hold a token.
    pub fn write(&self) -> Zeroizing<Vec<u8>> {
        let written = match self {
            Self::Issued(token) => serde_json::to_vec(&WrittenToken {
                access_token: token.access.expose(),
                scope: token.scope.as_deref(),
                token_type: BEARER,
                expires_in: token.lifetime.map(|span| span.as_secs()),
            }),
            Self::Refused(refused) => serde_json::to_vec(&WrittenError {
                error_description: refused.description.as_deref(),
                error: refused.code.as_str(),
                error_uri: refused.uri.as_deref(),
            }),
        };
        Zeroizing::new(written.expect("texts and numbers are JSON"))
    }
}

/// Whether a header can carry it as a token: visible ASCII without spaces.
pub(super) fn is_token(text: &str) -> bool {
    (1..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
}
