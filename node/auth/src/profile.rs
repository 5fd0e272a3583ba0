//! The profile `lgsp-v1` of RFC 9421: which signature counts, what it must say and cover.

use std::time::Duration;

use model::{AccessKey, KeyAlgorithm, KeyStatus, Moment, Nonce};
use sfv::{BareItem, Dictionary, InnerList, ListEntry, Parser};

use crate::{
    ContentDigest, Evidence, KeyLookup, KeyMaterial, Policy, Rejection, RequestHead, base, raw,
    verify::Proven,
};

/// The most signatures that a request may carry: its own and those of a few gateways.
const SIGNATURES_MAX: usize = 4;
/// The longest `Signature-Input` that is read: four signatures of a dozen components each.
const INPUT_MAX: usize = 4096;
/// The longest `Signature` that is read: four of the largest RSA key in base64.
const SIGNATURE_MAX: usize = 8192;
/// How long after `created` a signature may expire by its own word.
const EXPIRES_MAX: Duration = Duration::from_secs(300);

/// Fields that change what a request means, so they must be covered when they are there.
pub const COVERED_WHEN_PRESENT: [&str; 7] = [
    "authorization",
    "idempotency-key",
    "packet-digest",
    "upload-length",
    "upload-offset",
    "upload-metadata",
    "upload-concat",
];

/// The parameters of a signature, read and typed; their order lives in the text.
struct Parameters {
    key: AccessKey,
    created: Moment,
    expires: Option<Moment>,
    nonce: Option<Nonce>,
}

pub(crate) fn verify(
    head: &RequestHead<'_>,
    now: Moment,
    keys: &(impl KeyLookup + ?Sized),
    policy: &Policy,
) -> Result<Proven, Rejection> {
    let inputs = dictionary(head, "signature-input", INPUT_MAX)?;
    let (label, list) = select(&inputs, policy.tag)?;
    let parameters = read(list)?;
    if parameters.nonce.is_none() && !head.is_safe() {
        return Err(Rejection::NonceMissing);
    }

    // Cheap checks first: RSA is verified once, for a known key and a request that could pass.
    let material = keys.find(&parameters.key).ok_or(Rejection::KeyUnknown)?;
    check_key(list, &material)?;
    policy.check_window(parameters.created, now)?;
    if parameters.expires.is_some_and(|expires| expires < now) {
        return Err(Rejection::SignatureExpired);
    }
    let content = check_coverage(head, list)?;

    let signature = signature_of(head, label)?;
    let input = base::serialize(list);
    let base = base::build(head, &policy.names, list, &input)?;
    if !raw::verify(&material.material, &base, &signature) {
        let is_pss = material.material.algorithm() == KeyAlgorithm::RsaPssSha512;
        let hint =
            is_pss.then_some("the salt of RSA-PSS has 64 octets, or is the largest possible");
        return Err(policy.invalid(&base, hint));
    }

    let Parameters { key, created, nonce, .. } = parameters;
    let evidence =
        nonce.map(|nonce| Evidence { key: key.clone(), created, nonce, base, signature });
    Ok(Proven { key, material, is_legacy: false, evidence, content })
}

fn malformed(reason: &'static str) -> Rejection {
    Rejection::Malformed { field: "signature-input", reason }
}

fn dictionary(
    head: &RequestHead<'_>,
    field: &'static str,
    max: usize,
) -> Result<Dictionary, Rejection> {
    let value = head.joined(field)?.ok_or(Rejection::SignatureMissing)?;
    if value.len() > max {
        return Err(Rejection::FieldTooLong { field, max });
    }
    Parser::new(value.as_ref())
        .parse()
        .map_err(|_| Rejection::Malformed { field, reason: "it is not a dictionary of RFC 9651" })
}

/// Finds the one signature that carries the tag. Labels are the client's own business.
fn select<'a>(
    inputs: &'a Dictionary,
    tag: &str,
) -> Result<(&'a sfv::Key, &'a InnerList), Rejection> {
    if inputs.len() > SIGNATURES_MAX {
        return Err(Rejection::TooManySignatures { max: SIGNATURES_MAX });
    }
    let mut tagged = inputs.iter().filter_map(|(label, member)| match member {
        ListEntry::InnerList(list) if text(list, "tag") == Some(tag) => Some((label, list)),
        _ => None,
    });
    let found = tagged.next().ok_or(if inputs.is_empty() {
        Rejection::SignatureMissing
    } else {
        Rejection::TagMissing
    })?;
    // One verification a request: a second signature with our tag has no meaning.
    if tagged.next().is_some() {
        return Err(Rejection::TagRepeated);
    }
    Ok(found)
}

fn text<'a>(list: &'a InnerList, parameter: &str) -> Option<&'a str> {
    match list.params.get(parameter) {
        Some(BareItem::String(text)) => Some(text.as_str()),
        _ => None,
    }
}

fn read(list: &InnerList) -> Result<Parameters, Rejection> {
    let created =
        moment(list, "created")?.ok_or(Rejection::ParameterMissing { parameter: "created" })?;
    let expires = moment(list, "expires")?;
    if expires.is_some_and(|expires| expires < created || expires > created.plus(EXPIRES_MAX)) {
        return Err(malformed("expires is between created and 300 s after it"));
    }
    let key = match list.params.get("keyid") {
        None => return Err(Rejection::ParameterMissing { parameter: "keyid" }),
        Some(BareItem::String(key)) => key.as_str().parse().map_err(|_| Rejection::KeyUnknown)?,
        Some(_) => return Err(malformed("keyid is a string")),
    };
    let nonce = match list.params.get("nonce") {
        None => None,
        Some(BareItem::String(nonce)) => {
            Some(nonce.as_str().parse().map_err(|_| malformed("nonce has 16 to 128 characters"))?)
        }
        Some(_) => return Err(malformed("nonce is a string")),
    };
    Ok(Parameters { key, created, expires, nonce })
}

fn moment(list: &InnerList, parameter: &'static str) -> Result<Option<Moment>, Rejection> {
    match list.params.get(parameter) {
        None => Ok(None),
        Some(BareItem::Integer(seconds)) => u64::try_from(i64::from(*seconds))
            .map(|seconds| Some(Moment::from_secs(seconds)))
            .map_err(|_| malformed("created and expires are seconds since 1970")),
        Some(_) => Err(malformed("created and expires are integers")),
    }
}

/// The algorithm is the key's; what the message says may only agree.
fn check_key(list: &InnerList, material: &KeyMaterial) -> Result<(), Rejection> {
    if material.status != KeyStatus::Active {
        return Err(Rejection::KeyDisabled);
    }
    let expected = material.material.algorithm();
    match list.params.get("alg") {
        None => Ok(()),
        Some(BareItem::String(named)) if named.as_str() == expected.as_str() => Ok(()),
        Some(_) => Err(Rejection::AlgorithmMismatch { expected }),
    }
}

/// Checks that the signature covers what gives the request its meaning, and says what the
/// content must hash to.
fn check_coverage(head: &RequestHead<'_>, list: &InnerList) -> Result<ContentDigest, Rejection> {
    // A component with parameters is another component: it does not count.
    let covers = |name: &str| {
        list.items.iter().any(|item| {
            item.params.is_empty()
                && matches!(&item.bare_item, BareItem::String(n) if n.as_str() == name)
        })
    };
    let need = |component: &'static str| {
        if covers(component) { Ok(()) } else { Err(Rejection::ComponentMissing { component }) }
    };
    need("@method")?;
    if !covers("@target-uri") {
        // Named as the whole when neither form was begun, otherwise by the part that is missing.
        if !covers("@authority") && !covers("@path") {
            return Err(Rejection::ComponentMissing { component: "@target-uri" });
        }
        need("@authority")?;
        need("@path")?;
        if head.query.is_some() {
            need("@query")?;
        }
    }
    for field in COVERED_WHEN_PRESENT {
        if head.has(field) {
            need(field)?;
        }
    }
    let digest = ContentDigest::of(head)?;
    if head.announces_content() || digest.is_some() {
        need("content-digest")?;
        // Covered but absent is refused here, before the base is built: nothing was signed.
        return digest.ok_or(Rejection::ContentUnsigned);
    }
    Ok(ContentDigest::default())
}

fn signature_of(head: &RequestHead<'_>, label: &sfv::Key) -> Result<Vec<u8>, Rejection> {
    let mut signatures = dictionary(head, "signature", SIGNATURE_MAX)?;
    match signatures.swap_remove(label) {
        Some(ListEntry::Item(item)) => match item.bare_item {
            BareItem::ByteSequence(octets) => Ok(octets),
            _ => Err(Rejection::Malformed {
                field: "signature",
                reason: "a signature is a byte sequence",
            }),
        },
        Some(_) => Err(Rejection::Malformed {
            field: "signature",
            reason: "a signature is a byte sequence",
        }),
        None => {
            Err(Rejection::Malformed { field: "signature", reason: "the label has no signature" })
        }
    }
}
