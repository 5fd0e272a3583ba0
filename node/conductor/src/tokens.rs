//! Bearer tokens of spaces and downloads: derived, not stored, so that a repeat gets the same one.
//!
//! A token names the access key that it was given to. It is the HMAC of that key and of what it opens,
//! under a key derived from the cluster key: whoever knows the state still cannot make one. It opens
//! only while its access key could open the same by a signature (D16), and that is looked up at each
//! use: see [`crate::Exchange::holder`].

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use certs::{ClusterKey, Keyring};
use model::{AccessKey, PacketId, SpaceId};
use zeroize::Zeroizing;

/// The token that opens one space for writing. Prints as nothing.
pub struct SpaceToken(Zeroizing<String>);

/// The token that opens one packet's content for the target that the access key belongs to. Prints as
/// nothing.
pub struct DownloadToken(Zeroizing<String>);

macro_rules! token {
    ($name:ident, $what:ident, $prefix:literal, $purpose:literal) => {
        impl $name {
            /// The token of an access key.
            pub(crate) fn of(ring: &Keyring, what: $what, key: &AccessKey) -> Self {
                Self::under(&ring.sealing(), what, key)
            }

            fn under(version: &ClusterKey, what: $what, key: &AccessKey) -> Self {
                let context = [&what.to_bytes()[..], key.as_str().as_bytes()].concat();
                let mac = BASE64_URL_SAFE_NO_PAD.encode(version.derive($purpose, &context));
                Self(Zeroizing::new(format!(concat!($prefix, "_{}_{}"), key, mac)))
            }

            /// The access key that a presented token was given to; none where it opens something else,
            /// or nothing. It reads no state, so a made-up token costs nothing but this.
            pub(crate) fn holder(
                ring: &Keyring,
                what: $what,
                presented: &str,
            ) -> Option<AccessKey> {
                let rest = presented.strip_prefix(concat!($prefix, "_"))?;
                let key: AccessKey = rest.split_once('_')?.0.parse().ok()?;
                // Under a version of the cluster key that is still honoured (decision 0008).
                let opens = |version| {
                    let right = Self::under(version, what, &key);
                    auth::constant_time_eq(right.0.as_bytes(), presented.as_bytes())
                };
                ring.honoured().iter().any(|version| opens(version)).then_some(key)
            }

            /// The token as the client presents it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}
token!(SpaceToken, SpaceId, "st", b"lgsp/space-token/v1");
token!(DownloadToken, PacketId, "dt", b"lgsp/download-token/v1");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_one_thing_for_one_key() {
        let ring = Keyring::new(ClusterKey::generate(1, &mut |octets| octets.fill(7)));
        let other = Keyring::new(ClusterKey::generate(1, &mut |octets| octets.fill(8)));
        let (space, packet) = (SpaceId(1), PacketId(1));
        let (key, thief) = (AccessKey::from_random([1; 20]), AccessKey::from_random([2; 20]));
        let token = SpaceToken::of(&ring, space, &key);
        let holder = |presented: &str| SpaceToken::holder(&ring, space, presented);
        assert_eq!(holder(token.as_str()), Some(key.clone()));
        assert_eq!(SpaceToken::of(&ring, space, &key).as_str(), token.as_str());
        assert_eq!(SpaceToken::holder(&ring, SpaceId(2), token.as_str()), None);
        assert_eq!(SpaceToken::holder(&other, space, token.as_str()), None);
        assert_eq!(DownloadToken::holder(&ring, packet, token.as_str()), None);
        let renamed = token.as_str().replace(key.as_str(), thief.as_str());
        assert_eq!(holder(&renamed), None, "another key in its place");
        for wrong in ["", "st_", "st__", "st_wrong", "dt_", &token.as_str().to_lowercase()] {
            assert_eq!(holder(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "SpaceToken");
    }
}
