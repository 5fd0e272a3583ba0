//! Content keys under the cluster key.

use std::sync::Arc;

use certs::Keyring;
use content::{ContentKey, KeyError, KeySealer};
use zeroize::Zeroizing;

/// What content slots are bound to, before the store's own context.
const PURPOSE: &[u8] = b"lgsp/content-slot/v1/";

/// Seals content keys under the node's keyring.
pub struct KeyringSealer(pub Arc<Keyring>);

impl KeySealer for KeyringSealer {
    fn seal(&self, aad: &[u8], key: &ContentKey) -> Result<Vec<u8>, KeyError> {
        Ok(self.0.seal(&context(aad), key.as_slice()))
    }

    fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<ContentKey, KeyError> {
        let opened = self.0.open(&context(aad), sealed).map_err(|_| KeyError)?;
        let octets: [u8; 32] = opened.as_slice().try_into().map_err(|_| KeyError)?;
        Ok(Zeroizing::new(octets))
    }
}

fn context(aad: &[u8]) -> Vec<u8> {
    [PURPOSE, aad].concat()
}
