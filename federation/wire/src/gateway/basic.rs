//! `Authorization: Basic`: a name and a secret, or what stands for one, as they are and never form-encoded.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::vxp::{Header, Secret, headers};

pub(super) const AUTHORIZATION: &str = "Authorization";

/// The header. The name has no colon.
pub(super) fn basic(name: &str, secret: &str) -> Header {
    let pair = Zeroizing::new(format!("{name}:{secret}"));
    let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    let value = Zeroizing::new(format!("Basic {}", *pair));
    Header::new(AUTHORIZATION, value.as_str())
}

/// The name and the secret of a header's value, the name up to the first colon; none for another scheme.
pub(super) fn read_basic(value: &str) -> Option<(String, Secret)> {
    let octets = STANDARD.decode(headers::behind("Basic ", value)?.trim_ascii()).ok()?;
    let octets = Zeroizing::new(octets);
    let (name, secret) = std::str::from_utf8(&octets).ok()?.split_once(':')?;
    Some((name.to_owned(), Secret::new(secret)))
}
