//! The legacy profile: draft-cavage-http-signatures-12, for keys whose record allows it.
//!
//! The only place of hmac-sha1, which Article 8(4) names. What is not signed is not believed:
//! the window goes by the signed `date`, never by the parameters `created` and `expires`.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use model::{AccessKey, KeyAlgorithm, KeyStatus, Moment};
use sha2::{Digest as _, Sha256};

use crate::{
    COVERED_WHEN_PRESENT, ContentDigest, Evidence, KeyLookup, KeyMaterial, Material, Policy,
    Rejection, RequestHead, date, head::trim, raw, verify::Proven,
};

/// The longest signature header that is read: the largest RSA key and a dozen headers.
const HEADER_MAX: usize = 4096;
/// The most headers of one signature, as in the current profile.
const COVERED_MAX: usize = 64;
/// What every signature covers.
const REQUIRED: [&str; 3] = ["(request-target)", "host", "date"];
/// Whether the request is signed in the legacy way.
pub(crate) fn is_present(head: &RequestHead<'_>) -> bool {
    header(head).is_some()
}

/// The text of the signature, and whether it stands in `Authorization`.
fn header<'a>(head: &RequestHead<'a>) -> Option<(&'a [u8], bool)> {
    const SCHEME: &[u8] = b"signature ";
    let authorization = head.values("authorization").map(trim).find_map(|value| {
        let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
        scheme.eq_ignore_ascii_case(SCHEME).then_some((rest, true))
    });
    authorization.or_else(|| head.values("signature").next().map(|value| (value, false)))
}

/// The parameters of the header. `created` and `expires` are passed over: they are not signed.
struct Parameters<'a> {
    key: AccessKey,
    algorithm: Option<&'a str>,
    covered: Vec<Cow<'a, str>>,
    signature: Vec<u8>,
}

pub(crate) fn verify(
    head: &RequestHead<'_>,
    now: Moment,
    keys: &(impl KeyLookup + ?Sized),
    policy: &Policy,
) -> Result<Proven, Rejection> {
    let (text, in_authorization) = header(head).ok_or(Rejection::SignatureMissing)?;
    let input = text_of(text)?;
    let parameters = read(input)?;
    let material = keys.find(&parameters.key).ok_or(Rejection::KeyUnknown)?;
    let is_sha1 = check_key(&parameters, &material)?;
    let created = check_date(head, now, policy)?;
    let content = check_coverage(head, &parameters.covered, in_authorization)?;

    let base = build(head, policy, &parameters.covered)?;
    let valid = match &material.material {
        Material::Secret(secret) if is_sha1 => {
            raw::verify_hmac_sha1(secret, &base, &parameters.signature)
        }
        material => raw::verify(material, &base, &parameters.signature),
    };
    if !valid {
        return Err(policy.invalid(&base, None));
    }

    let Parameters { key, signature, .. } = parameters;
    // The scheme has no nonce: the signature itself passes once. So two equal requests of one
    // second are a replay, unless the client covers something of its own.
    let evidence = (!head.is_safe()).then(|| Evidence {
        key: key.clone(),
        created,
        nonce: format!("cavage-{}", hex::encode(Sha256::digest(&signature)))
            .parse()
            .expect("71 printable characters are a nonce"),
        base,
        signature,
    });
    Ok(Proven { key, material, is_legacy: true, evidence, content })
}

fn malformed(reason: &'static str) -> Rejection {
    Rejection::Malformed { field: "signature", reason }
}

fn text_of(text: &[u8]) -> Result<&str, Rejection> {
    if text.len() > HEADER_MAX {
        return Err(Rejection::FieldTooLong { field: "signature", max: HEADER_MAX });
    }
    match std::str::from_utf8(text) {
        Ok(text) if text.bytes().all(|c| matches!(c, b' '..=b'~' | b'\t')) => Ok(text),
        _ => Err(malformed("it is not printable ASCII")),
    }
}

fn read(text: &str) -> Result<Parameters<'_>, Rejection> {
    let (mut key, mut algorithm, mut covered, mut signature) = (None, None, None, None);
    let mut rest = text;
    while let Some((name, value, next)) = parameter(rest)? {
        rest = next;
        // Names of parameters have no case (RFC 9110 section 11.2).
        let place = match &*lower(name) {
            "keyid" => &mut key,
            "algorithm" => &mut algorithm,
            "headers" => &mut covered,
            "signature" => &mut signature,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(malformed("a parameter is given twice"));
        }
    }
    let missing = |parameter| Rejection::ParameterMissing { parameter };
    let key = key.ok_or(missing("keyId"))?.parse().map_err(|_| Rejection::KeyUnknown)?;
    let signature = STANDARD
        .decode(signature.ok_or(missing("signature"))?)
        .map_err(|_| malformed("the signature is not base64"))?;
    // The draft's default, which never suffices here; the refusal then names what is missing.
    let covered = covered.unwrap_or("date").split(' ').filter(|name| !name.is_empty());
    let covered: Vec<Cow<'_, str>> = covered.map(lower).take(COVERED_MAX + 1).collect();
    if covered.len() > COVERED_MAX {
        return Err(malformed("too many headers are covered"));
    }
    Ok(Parameters { key, algorithm, covered, signature })
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|c| c.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Reads one `name="value"` or `name=value`, and gives what is left.
fn parameter(text: &str) -> Result<Option<(&str, &str, &str)>, Rejection> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    if text.is_empty() {
        return Ok(None);
    }
    let (name, rest) = text.split_once('=').ok_or(malformed("name=value is expected"))?;
    let (value, rest) = match rest.strip_prefix('"') {
        // No value of ours needs an escape; a backslash would only hide where a value ends.
        Some(quoted) => quoted
            .split_once('"')
            .filter(|(value, _)| !value.contains('\\'))
            .ok_or(malformed("a quoted value does not end"))?,
        None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    if !rest.is_empty() && !rest.starts_with(',') {
        return Err(malformed("a comma is expected between parameters"));
    }
    Ok(Some((name.trim(), value.trim(), rest)))
}

/// Checks that the key may sign so, and says whether by hmac-sha1. The algorithm is the key's;
/// what the message says may only agree, or choose the one weaker algorithm that a switch opens.
fn check_key(parameters: &Parameters<'_>, material: &KeyMaterial) -> Result<bool, Rejection> {
    let disabled = |reason| Err(Rejection::LegacyAlgorithmDisabled { reason });
    if material.status != KeyStatus::Active {
        return Err(Rejection::KeyDisabled);
    }
    if !material.legacy {
        return disabled("this key signs by RFC 9421 only");
    }
    let expected = material.material.algorithm();
    // Two signatures of one ECDSA message are easily made from each other, so they cannot serve
    // as a nonce.
    if expected == KeyAlgorithm::EcdsaP256Sha256 {
        return disabled("keys of ECDSA sign by RFC 9421 only");
    }
    match (&*lower(parameters.algorithm.unwrap_or("hs2019")), expected) {
        ("hs2019", _) => Ok(false),
        ("hmac-sha256", KeyAlgorithm::HmacSha256) => Ok(false),
        ("rsa-sha256", KeyAlgorithm::RsaV15Sha256) => Ok(false),
        ("hmac-sha1", KeyAlgorithm::HmacSha256) if material.hmac_sha1 => Ok(true),
        ("hmac-sha1", KeyAlgorithm::HmacSha256) => disabled("hmac-sha1 is not open to this key"),
        ("rsa-sha1", _) => disabled("rsa-sha1 is never accepted"),
        _ => Err(Rejection::AlgorithmMismatch { expected }),
    }
}

fn check_date(head: &RequestHead<'_>, now: Moment, policy: &Policy) -> Result<Moment, Rejection> {
    let malformed = |reason| Rejection::Malformed { field: "date", reason };
    let mut dates = head.values("date").map(trim);
    let date = dates.next().ok_or(Rejection::ComponentMissing { component: "date" })?;
    if dates.next().is_some() {
        return Err(malformed("it is given twice"));
    }
    let created = date::parse(date)
        .ok_or(malformed("a date as in Sun, 06 Nov 1994 08:49:37 GMT is expected"))?;
    policy.check_window(created, now)?;
    Ok(created)
}

fn check_coverage(
    head: &RequestHead<'_>,
    covered: &[Cow<'_, str>],
    in_authorization: bool,
) -> Result<ContentDigest, Rejection> {
    for (index, name) in covered.iter().enumerate() {
        if covered[..index].contains(name) {
            return Err(refused(name, "it is covered twice"));
        }
    }
    let need = |component: &'static str| {
        if covered.iter().any(|name| name == component) {
            Ok(())
        } else {
            Err(Rejection::ComponentMissing { component })
        }
    };
    REQUIRED.into_iter().try_for_each(need)?;
    // The signature itself stands in `Authorization`.
    for field in COVERED_WHEN_PRESENT.into_iter().filter(|field| *field != "authorization") {
        if head.has(field) {
            need(field)?;
        }
    }
    // Unless it is the signature itself.
    if !in_authorization && head.has("authorization") {
        need("authorization")?;
    }
    if head.announces_content() || head.has("digest") {
        need("digest")?;
        let value = head.joined("digest")?.ok_or(Rejection::ContentUnsigned)?;
        let digest = ContentDigest::parse_old(&value)?;
        if digest.sha256.is_none() {
            return Err(Rejection::DigestUnsupported { field: "digest" });
        }
        return Ok(digest);
    }
    Ok(ContentDigest::default())
}

fn refused(name: &str, reason: &'static str) -> Rejection {
    Rejection::ComponentRefused { component: name.to_owned(), reason }
}

/// The signing string, section 2.3 of the draft: one line a header, in the order of the list.
fn build(
    head: &RequestHead<'_>,
    policy: &Policy,
    covered: &[Cow<'_, str>],
) -> Result<Vec<u8>, Rejection> {
    let mut out = Vec::with_capacity(512);
    for (index, name) in covered.iter().enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        match name.as_ref() {
            "(request-target)" => {
                out.extend(head.method.bytes().map(|c| c.to_ascii_lowercase()));
                out.push(b' ');
                out.extend_from_slice(head.path.as_bytes());
                if let Some(query) = head.query {
                    out.push(b'?');
                    out.extend_from_slice(query.as_bytes());
                }
            }
            "host" => out.extend_from_slice(&host(head, policy)?),
            name if name.starts_with('(') => {
                return Err(refused(name, "the window goes by the header date: sign that"));
            }
            name => {
                let value = head
                    .joined(name)?
                    .ok_or_else(|| refused(name, "the request has no such field"))?;
                out.extend_from_slice(&value);
            }
        }
    }
    Ok(out)
}

/// The host as the client wrote it, if it is one of ours. HTTP/2 has it in `:authority` only.
fn host<'a>(head: &RequestHead<'a>, policy: &Policy) -> Result<Cow<'a, [u8]>, Rejection> {
    let host = head.joined("host")?.unwrap_or(Cow::Borrowed(head.authority.as_bytes()));
    let known = std::str::from_utf8(&host).is_ok_and(|host| policy.names.find(host).is_some());
    if known { Ok(host) } else { Err(Rejection::AuthorityUnknown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_quoted_or_not() {
        let text = r#"keyId="AKAAAAAAAAAAAAAAAAAAAA",algorithm="hs2019", created=1402170695,headers="(Request-Target) Host",signature="AAAA""#;
        let parameters = read(text).expect("parameters");
        assert_eq!(parameters.algorithm, Some("hs2019"));
        assert_eq!(parameters.covered, ["(request-target)", "host"]);
        assert_eq!(parameters.signature, [0, 0, 0]);
    }

    #[test]
    fn parameters_that_could_be_read_in_two_ways_are_refused() {
        let key = "keyId=\"AKAAAAAAAAAAAAAAAAAAAA\"";
        for text in [
            "",
            "keyId",
            "keyId=\"",
            &format!("{key},signature=\"AA"),
            key,
            &format!("{key},{key},signature=\"AAAA\""),
            &format!("{key} signature=\"AAAA\""),
            &format!("{key},signature=\"A\\\"AA\""),
            &format!("{key},signature=\"*\""),
            "signature=\"AAAA\"",
            "keyId=\"AK\",signature=\"AAAA\"",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
