//! The gateways of NGSP and of provinces: OAuth2 client credentials and their relatives (sections 4.3 to 4.5).
//!
//! Each sends a secret or what stands for one, so nothing here prints what it carries. What lies behind a gateway is
//! JSON or SOAP of somebody's service and is not ours.

mod basic;
pub(crate) mod form;
mod partner;
mod population;
mod token;
mod token_answer;

pub use partner::{PARTNER_OCTETS_MAX, PartnerError, PartnerToken};
pub use population::{PopulationCall, PopulationError, USER_MAX};
pub use token::{
    CREDENTIAL_MAX, SCOPE_MAX, Style, TOKEN_BODY_MAX, TokenOutgoing, TokenRequest,
    TokenRequestError, bearer, read_bearer,
};
pub use token_answer::{
    ErrorCode, Refused, TOKEN_ANSWER_MAX, TOKEN_MAX, Token, TokenAnswer, TokenUnreadable,
};
