//! The bare steps, without any rule of a profile: the signature base of RFC 9421 and the check of
//! a signature over octets. For test vectors and for tools that explain; [`crate::verify()`] is
//! what guards a door.

use aws_lc_rs::signature::{
    RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPssSaltLength, UnparsedPublicKey,
};
use hmac::{Hmac, KeyInit, Mac};
use model::KeyAlgorithm;
use sfv::{InnerList, ListEntry, Parser};
use sha1::Sha1;
use sha2::Sha256;

use crate::{Material, PublicNames, Rejection, RequestHead, Secret, base};

/// RSA-PSS with the largest salt that fits, as some libraries sign by default.
const PSS_LARGEST_SALT: RsaParameters =
    RSA_PSS_2048_8192_SHA512.with_pss_salt_length(RsaPssSaltLength::Max);

/// Whether the signature is that of the key over the message, by the key's own algorithm.
///
/// For RSA-PSS the salt has 64 octets (RFC 9421) or is the largest possible (what the npm library
/// `http-message-signatures` makes).
pub fn verify(material: &Material, message: &[u8], signature: &[u8]) -> bool {
    match material {
        Material::Secret(secret) => hmac_sha256(secret, message).verify_slice(signature).is_ok(),
        Material::Public(key) => {
            key.parsed().verify_sig(message, signature).is_ok()
                || key.algorithm() == KeyAlgorithm::RsaPssSha512
                    && UnparsedPublicKey::new(&PSS_LARGEST_SALT, key.parsed())
                        .verify(message, signature)
                        .is_ok()
        }
    }
}

/// The HMAC-SHA-256 of the message under the secret, to be finished or compared.
pub(crate) fn hmac_sha256(secret: &Secret, message: &[u8]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes keys of any length");
    mac.update(message);
    mac
}

/// Whether the signature is the HMAC-SHA-1 of the message: only for the legacy profile, Article 8(4).
pub fn verify_hmac_sha1(secret: &Secret, message: &[u8], signature: &[u8]) -> bool {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.expose()).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.verify_slice(signature).is_ok()
}

/// The signature base for a signature's input as it stands in `Signature-Input`, without its label.
pub fn signature_base(
    head: &RequestHead<'_>,
    names: &PublicNames,
    input: &str,
) -> Result<Vec<u8>, Rejection> {
    let malformed =
        || Rejection::Malformed { field: "signature-input", reason: "it is not an inner list" };
    let list: sfv::List = Parser::new(input).parse().map_err(|_| malformed())?;
    let [ListEntry::InnerList(list)] = list.as_slice() else { return Err(malformed()) };
    let list: &InnerList = list;
    let params = base::serialize(list);
    base::build(head, names, list, &params)
}
