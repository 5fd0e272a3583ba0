//! Asking a gateway for a token: OAuth2 client credentials in the three shapes that are in use (section 4.3).
//!
//! The SDKs of NGSP misspell `Content-Type` as `ContentType`, so a server must do without it.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    basic::{AUTHORIZATION, basic, read_basic},
    form,
    token_answer::{ErrorCode, Token},
};
use crate::vxp::{
    Field, Header, HeaderError, Secret,
    headers::{self, one},
    loose::Object,
};

/// Octets of a client's name or secret; those of WSO2 have 28.
pub const CREDENTIAL_MAX: usize = 512;
/// Octets of a scope: a list of words.
pub const SCOPE_MAX: usize = 1024;
/// Octets of a body that asks for a token: a name, a secret and a scope, each octet escaped.
pub const TOKEN_BODY_MAX: usize = 16 << 10;

const GRANT: &str = "client_credentials";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// The right name, and the SDKs' own.
const CONTENT_TYPES: [&str; 2] = ["Content-Type", "ContentType"];

/// Where the client's name and secret stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// In the header `Authorization: Basic`, beside a form: NGSP and most provinces.
    Basic,
    /// In the form: Đà Nẵng.
    Form,
    /// In a JSON object.
    Json,
}

/// A request for a token by client credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    style: Style,
    client: String,
    secret: Secret,
    scope: Option<String>,
}

/// A request for a token as it is sent: POST to the gateway's own address.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenOutgoing {
    /// The headers.
    pub headers: Vec<Header>,
    /// The body. It may hold the secret.
    pub body: Zeroizing<String>,
}

/// Why a request for a token is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenRequestError {
    /// The headers themselves are wrong.
    #[error("the headers of the request are wrong")]
    Headers(#[from] HeaderError),
    /// `Content-Type` names neither a form nor JSON.
    #[error("the body is neither a form nor JSON by its Content-Type")]
    ContentType,
    /// The body is longer than [`TOKEN_BODY_MAX`], no form or no JSON object of texts.
    #[error("the body cannot be read as a form or as JSON")]
    Body,
    /// A parameter stands twice.
    #[error("the parameter {name} stands twice")]
    Twice {
        /// Which.
        name: &'static str,
    },
    /// A parameter that must be there is not.
    #[error("the parameter {name} is missing")]
    Missing {
        /// Which.
        name: &'static str,
    },
    /// The grant is another than client credentials.
    #[error("the grant is not client_credentials")]
    Grant,
    /// `Authorization` is not `Basic` with a name and a secret.
    #[error("the header Authorization is not Basic with a name and a secret")]
    Authorization,
    /// The secret stands in the header and in the body (RFC 6749 section 2.3).
    #[error("the client proves itself twice")]
    TwoProofs,
    /// A name or a secret that no client has: empty, too long, no ASCII, or a colon in the name.
    #[error("the client's name or secret has a form that no gateway issues")]
    Credentials,
    /// A scope that is empty, too long or no ASCII.
    #[error("the scope is empty, too long or no ASCII")]
    Scope,
}

impl TokenRequestError {
    /// The code to answer with (RFC 6749 section 5.2).
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Authorization | Self::Credentials => ErrorCode::InvalidClient,
            Self::Grant => ErrorCode::UnsupportedGrantType,
            Self::Scope => ErrorCode::InvalidScope,
            Self::Headers(_)
            | Self::ContentType
            | Self::Body
            | Self::Twice { .. }
            | Self::Missing { .. }
            | Self::TwoProofs => ErrorCode::InvalidRequest,
        }
    }
}

/// The parameters of a body, whatever its shape.
#[derive(Default, Deserialize)]
struct Parameters {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    scope: Option<String>,
}

#[derive(Serialize)]
struct Written<'a> {
    grant_type: &'a str,
    client_id: &'a str,
    client_secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

impl TokenRequest {
    /// A request of a client.
    ///
    /// # Errors
    ///
    /// [`TokenRequestError::Credentials`] and [`TokenRequestError::Scope`].
    pub fn new(
        style: Style,
        client: &str,
        secret: Secret,
        scope: Option<&str>,
    ) -> Result<Self, TokenRequestError> {
        let is_text = |text: &str, max: usize| {
            (1..=max).contains(&text.len()) && text.bytes().all(|c| matches!(c, b' '..=b'~'))
        };
        if !is_text(client, CREDENTIAL_MAX)
            || client.contains(':')
            || !is_text(secret.expose(), CREDENTIAL_MAX)
        {
            return Err(TokenRequestError::Credentials);
        }
        if scope.is_some_and(|scope| !is_text(scope, SCOPE_MAX)) {
            return Err(TokenRequestError::Scope);
        }
        Ok(Self { style, client: client.to_owned(), secret, scope: scope.map(str::to_owned) })
    }

    /// Where the client's name and secret stand.
    pub fn style(&self) -> Style {
        self.style
    }

    /// The client's name (consumer key).
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The client's secret (consumer secret).
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// What the token should be good for, if the client says.
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Builds the request.
    pub fn build(&self) -> TokenOutgoing {
        let content_type = if self.style == Style::Json { JSON } else { FORM };
        let mut headers = vec![Header::new(CONTENT_TYPES[0], content_type)];
        if self.style == Style::Basic {
            headers.insert(0, basic(&self.client, self.secret.expose()));
        }
        let (client, secret) = (self.client.as_str(), self.secret.expose());
        let body = match self.style {
            Style::Json => {
                let scope = self.scope.as_deref();
                let json =
                    Written { grant_type: GRANT, client_id: client, client_secret: secret, scope };
                Zeroizing::new(serde_json::to_string(&json).expect("texts are JSON"))
            }
            Style::Basic | Style::Form => {
                let mut pairs = vec![("grant_type", GRANT)];
                if self.style == Style::Form {
                    pairs.extend([("client_id", client), ("client_secret", secret)]);
                }
                pairs.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
                form::write(&pairs)
            }
        };
        TokenOutgoing { headers, body }
    }

    /// Reads a request in any of the three shapes. Other parameters are ignored.
    ///
    /// # Errors
    ///
    /// Whatever makes it no request of client credentials; [`TokenRequestError::code`] is the answer.
    pub fn parse(fields: &[Field<'_>], body: &[u8]) -> Result<Self, TokenRequestError> {
        headers::check_sizes(fields)?;
        if body.len() > TOKEN_BODY_MAX {
            return Err(TokenRequestError::Body);
        }
        let (parameters, style) = if is_json(fields, body)? {
            (json(body)?, Style::Json)
        } else {
            (form(body)?, Style::Form)
        };
        match parameters.grant_type.as_deref() {
            None => return Err(TokenRequestError::Missing { name: "grant_type" }),
            Some(GRANT) => {}
            Some(_) => return Err(TokenRequestError::Grant),
        }
        let (style, client, secret) = match one(fields, AUTHORIZATION)? {
            Some(proof) => {
                let (client, secret) = read_basic(proof).ok_or(TokenRequestError::Authorization)?;
                let is_other = |id: &String| *id != client;
                if parameters.client_secret.is_some() || parameters.client_id.iter().any(is_other) {
                    return Err(TokenRequestError::TwoProofs);
                }
                (Style::Basic, client, secret)
            }
            None => {
                let missing = |name| TokenRequestError::Missing { name };
                let client = parameters.client_id.ok_or_else(|| missing("client_id"))?;
                let secret = parameters.client_secret.ok_or_else(|| missing("client_secret"))?;
                (style, client, secret)
            }
        };
        Self::new(style, &client, secret, parameters.scope.as_deref())
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("style", &self.style).finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenOutgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenOutgoing").field("headers", &self.headers).finish_non_exhaustive()
    }
}

/// The header that carries a token on each call.
pub fn bearer(token: &Token) -> Header {
    let value = Zeroizing::new(format!("Bearer {}", token.access().expose()));
    Header::new(AUTHORIZATION, value.as_str())
}

/// The token of a call; none if `Authorization` is missing or of another kind.
///
/// # Errors
///
/// The header is broken, or came twice with different values.
pub fn read_bearer(fields: &[Field<'_>]) -> Result<Option<Secret>, HeaderError> {
    let token = one(fields, AUTHORIZATION)?.and_then(|value| headers::behind("Bearer ", value));
    let token = token.map(str::trim_ascii);
    Ok(token.filter(|token| super::token_answer::is_token(token)).map(Secret::new))
}

/// Whether the body is JSON. Without a header that says so, its first character does.
fn is_json(fields: &[Field<'_>], body: &[u8]) -> Result<bool, TokenRequestError> {
    let mut named = false;
    for name in CONTENT_TYPES {
        let Some(value) = one(fields, name)? else { continue };
        named = true;
        let media = value.split(';').next().unwrap_or_default().trim_ascii();
        for (known, is_json) in [(JSON, true), (FORM, false)] {
            if media.eq_ignore_ascii_case(known) {
                return Ok(is_json);
            }
        }
    }
    match named {
        true => Err(TokenRequestError::ContentType),
        false => Ok(body.trim_ascii_start().first() == Some(&b'{')),
    }
}

fn json(body: &[u8]) -> Result<Parameters, TokenRequestError> {
    let parameters = serde_json::from_slice(body);
    parameters.map(|Object(whole)| whole).map_err(|_| TokenRequestError::Body)
}

fn form(body: &[u8]) -> Result<Parameters, TokenRequestError> {
    let text = std::str::from_utf8(body.trim_ascii()).map_err(|_| TokenRequestError::Body)?;
    let pairs = form::read(text).ok_or(TokenRequestError::Body)?;
    let mut parameters = Parameters::default();
    for (name, mut value) in pairs {
        let (name, is_second) = match name.as_str() {
            "grant_type" => ("grant_type", put(&mut parameters.grant_type, &mut value)),
            "client_id" => ("client_id", put(&mut parameters.client_id, &mut value)),
            "scope" => ("scope", put(&mut parameters.scope, &mut value)),
            "client_secret" => {
                let secret = Secret::new(std::mem::take(&mut *value));
                ("client_secret", parameters.client_secret.replace(secret).is_some())
            }
            _ => continue,
        };
        if is_second {
            return Err(TokenRequestError::Twice { name });
        }
    }
    Ok(parameters)
}

fn put(place: &mut Option<String>, value: &mut String) -> bool {
    place.replace(std::mem::take(value)).is_some()
}
