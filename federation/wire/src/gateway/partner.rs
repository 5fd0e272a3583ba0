//! The header `lgspaccesstoken` of Hậu Giang, and the same text in `Authorization` at TP. Hồ Chí Minh (section 4.5).
//!
//! It carries the key and the secret themselves, on each call: whoever reads one call can make others.

use std::fmt;

use base64::{Engine, alphabet, engine};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::vxp::{
    Field, Header, HeaderError, Secret,
    headers::{self, one},
    loose::Object,
};

/// Octets of the header: five short texts in base64.
pub const PARTNER_OCTETS_MAX: usize = 16 << 10;

const NAME: &str = "lgspaccesstoken";
const AUTHORIZATION: &str = "Authorization";
/// Padding may be missing.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

/// What the header carries. It prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct PartnerToken {
    /// `AccessKey`.
    pub access_key: Secret,
    /// `SecretKey`.
    pub secret_key: Secret,
    /// `AppName`: which application calls.
    pub app_name: String,
    /// `PartnerCode`: the caller's code, such as `0.0.H30`.
    pub partner_code: String,
    /// `PartnerCodeCus`: the code of the body that it calls for, such as `000.00.01.H29`.
    pub partner_code_cus: String,
}

/// Why a header is no partner's token. It does not repeat it.
#[derive(Debug, thiserror::Error)]
pub enum PartnerError {
    /// The headers themselves are wrong, or the one that is asked for is missing.
    #[error("the headers of the call are wrong")]
    Headers(#[from] HeaderError),
    /// It is longer than [`PARTNER_OCTETS_MAX`].
    #[error("the token is longer than {PARTNER_OCTETS_MAX} octets")]
    TooLong,
    /// It is no base64.
    #[error("the token is no base64")]
    Base64,
    /// It is no JSON object of the five texts, or a key is empty.
    #[error("the token is no JSON object of two keys, an application and two codes")]
    Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Read {
    access_key: Secret,
    secret_key: Secret,
    #[serde(default)]
    app_name: String,
    #[serde(default)]
    partner_code: String,
    #[serde(default)]
    partner_code_cus: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Written<'a> {
    access_key: &'a str,
    secret_key: &'a str,
    app_name: &'a str,
    partner_code: &'a str,
    partner_code_cus: &'a str,
}

impl PartnerToken {
    /// The header of Hậu Giang.
    ///
    /// # Errors
    ///
    /// [`PartnerError::Json`] for an empty key, [`PartnerError::TooLong`] for texts that no reader accepts.
    pub fn header(&self) -> Result<Header, PartnerError> {
        Ok(Header::new(NAME, self.text()?.as_str()))
    }

    /// The header of TP. Hồ Chí Minh.
    ///
    /// # Errors
    ///
    /// Those of [`PartnerToken::header`].
    pub fn authorization(&self) -> Result<Header, PartnerError> {
        Ok(Header::new(AUTHORIZATION, self.text()?.as_str()))
    }

    /// Reads the header of Hậu Giang. `Authorization` beside it is the token of OAuth2.
    ///
    /// # Errors
    ///
    /// The header is missing or repeated, or is no partner's token.
    pub fn parse(fields: &[Field<'_>]) -> Result<Self, PartnerError> {
        Self::of_header(fields, NAME)
    }

    /// Reads the header of TP. Hồ Chí Minh.
    ///
    /// # Errors
    ///
    /// The header is missing or repeated, or is no partner's token.
    pub fn parse_authorization(fields: &[Field<'_>]) -> Result<Self, PartnerError> {
        Self::of_header(fields, AUTHORIZATION)
    }

    fn of_header(fields: &[Field<'_>], name: &str) -> Result<Self, PartnerError> {
        headers::check_sizes(fields)?;
        let missing = || HeaderError::Missing { name: name.to_owned() };
        let text = one(fields, name)?.ok_or_else(missing)?;
        if text.len() > PARTNER_OCTETS_MAX {
            return Err(PartnerError::TooLong);
        }
        let json = BASE64.decode(text.trim_ascii()).map_err(|_| PartnerError::Base64)?;
        let json = Zeroizing::new(json);
        let read = serde_json::from_slice::<Object<Read>>(&json);
        let Object(read) = read.map_err(|_| PartnerError::Json)?;
        let token = Self {
            access_key: read.access_key,
            secret_key: read.secret_key,
            app_name: read.app_name,
            partner_code: read.partner_code,
            partner_code_cus: read.partner_code_cus,
        };
        if token.lacks_a_key() { Err(PartnerError::Json) } else { Ok(token) }
    }

    fn lacks_a_key(&self) -> bool {
        self.access_key.expose().is_empty() || self.secret_key.expose().is_empty()
    }

    fn text(&self) -> Result<Zeroizing<String>, PartnerError> {
        if self.lacks_a_key() {
            return Err(PartnerError::Json);
        }
        let json = serde_json::to_vec(&Written {
            access_key: self.access_key.expose(),
            secret_key: self.secret_key.expose(),
            app_name: &self.app_name,
            partner_code: &self.partner_code,
            partner_code_cus: &self.partner_code_cus,
        });
        let json = Zeroizing::new(json.expect("texts are JSON"));
        let text = Zeroizing::new(BASE64.encode(&json));
        if text.len() > PARTNER_OCTETS_MAX { Err(PartnerError::TooLong) } else { Ok(text) }
    }
}

impl fmt::Debug for PartnerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartnerToken")
    }
}
