//! Bearer tokens of spaces and downloads: derived, not stored, so that a repeat gets the same one.
//!
//! A token is the HMAC of what it opens under a key derived from the cluster key; whoever knows the
//! state still cannot make one.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use certs::Keyring;
use model::{PacketId, SpaceId, UnitCode};
use zeroize::Zeroizing;

/// The token that opens one space for writing. Prints as nothing.
pub struct SpaceToken(Zeroizing<String>);

/// The token that opens one packet's content for one target. Prints as nothing.
pub struct DownloadToken(Zeroizing<String>);

macro_rules! token {
    ($name:ident) => {
        impl $name {
            /// The token as the client presents it.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether this is the presented token, compared in constant time.
            pub(crate) fn is(&self, presented: &str) -> bool {
                auth::constant_time_eq(self.0.as_bytes(), presented.as_bytes())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}
token!(SpaceToken);
token!(DownloadToken);

impl SpaceToken {
    pub(crate) fn of(key: &Keyring, space: SpaceId) -> Self {
        let mac = key.derive(b"lgsp/space-token/v1", &space.to_bytes());
        Self(Zeroizing::new(format!("st_{}", BASE64_URL_SAFE_NO_PAD.encode(mac))))
    }
}

impl DownloadToken {
    pub(crate) fn of(key: &Keyring, packet: PacketId, target: &UnitCode) -> Self {
        let mut context = packet.to_bytes().to_vec();
        context.extend_from_slice(target.as_str().as_bytes());
        let mac = key.derive(b"lgsp/download-token/v1", &context);
        Self(Zeroizing::new(format!("dt_{}", BASE64_URL_SAFE_NO_PAD.encode(mac))))
    }
}
