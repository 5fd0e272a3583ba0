//! Who a certificate speaks for: the node number in its name, and until when.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use model::{Digest, Moment, NodeId};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use crate::Error;

/// The domain of all node names; it exists in no public name system.
pub(crate) const DOMAIN: &str = "lgsp.internal";
/// Room for `node-<20 digits>` and the domain in one host name.
const CLUSTER_NAME_MAX: usize = 40;

/// The name under which a node is certified: `node-<id>.<cluster>.lgsp.internal`.
pub fn node_name(node: NodeId, cluster: &str) -> String {
    format!("node-{node}.{cluster}.{DOMAIN}")
}

/// The node that a certificate names. Whether the certificate is genuine is for TLS to check.
pub fn identity_of(certificate: &[u8], cluster: &str) -> Result<NodeId, Error> {
    let certificate = parse(certificate)?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| Error::Identity)?
        .ok_or(Error::Identity)?;
    let mut node = None;
    for name in &names.value.general_names {
        let GeneralName::DNSName(name) = name else {
            continue;
        };
        if !in_domain(name) {
            continue;
        }
        // Two names in our domain would let one certificate be two nodes.
        if node.replace(node_in(name, cluster).ok_or(Error::Identity)?).is_some() {
            return Err(Error::Identity);
        }
    }
    node.ok_or(Error::Identity)
}

/// The SHA-256 of the public key (SubjectPublicKeyInfo, DER) that a certificate is for. A renewal
/// keeps the key, so this is what a node is known by for life.
pub fn key_digest(certificate: &[u8]) -> Result<Digest, Error> {
    Ok(Digest(crate::sha256(parse(certificate)?.public_key().raw)))
}

/// Whether a certificate was issued by this authority. Whether it is genuine is for TLS to check.
pub fn is_issued_by(certificate: &[u8], authority: &[u8]) -> Result<bool, Error> {
    Ok(parse(certificate)?.issuer() == parse(authority)?.subject())
}

/// Whether two certificates are of authorities of one cluster.
pub fn are_of_one_cluster(one: &[u8], other: &[u8]) -> Result<bool, Error> {
    // They are named alike, and numbered.
    let line = |certificate: &[u8]| {
        let certificate = parse(certificate)?;
        let name = certificate.subject().iter_common_name().next();
        let name = name.and_then(|name| name.as_str().ok()).ok_or(Error::Certificate)?;
        Ok::<_, Error>(name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned())
    };
    Ok(line(one)? == line(other)?)
}

/// From when to when a certificate is valid.
pub(crate) fn validity(certificate: &[u8]) -> Result<(Moment, Moment), Error> {
    let certificate = parse(certificate)?;
    let validity = certificate.validity();
    let moment = |time: x509_parser::time::ASN1Time| {
        Moment::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
    };
    Ok((moment(validity.not_before), moment(validity.not_after)))
}

/// When a certificate stops being valid.
pub fn not_after(certificate: &[u8]) -> Result<Moment, Error> {
    let seconds = parse(certificate)?.validity().not_after.timestamp();
    Ok(Moment::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// When to ask for the next certificate: a third of the life is left for trying.
pub fn renew_at(certificate: &[u8]) -> Result<Moment, Error> {
    let validity = parse(certificate)?;
    let validity = validity.validity();
    let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
    let (start, end) = (seconds(validity.not_before), seconds(validity.not_after));
    Ok(Moment::from_secs(end).minus(Duration::from_secs(end.saturating_sub(start) / 3)))
}

/// Whether it is time to ask for the next certificate, or this one was made by a clock that was ahead
/// and is not valid yet.
pub fn needs_renewal(certificate: &[u8], now: Moment) -> Result<bool, Error> {
    let not_before = parse(certificate)?.validity().not_before.timestamp();
    let not_before = Moment::from_secs(u64::try_from(not_before).unwrap_or(0));
    Ok(now >= renew_at(certificate)? || now < not_before)
}

/// Whether a certificate carries these hosts and no others, beside the node's own name.
pub fn carries_hosts(
    certificate: &[u8],
    names: &[String],
    addresses: &[IpAddr],
) -> Result<bool, Error> {
    let certificate = parse(certificate)?;
    let carried = certificate.subject_alternative_name().map_err(|_| Error::Certificate)?;
    let (mut own_names, mut own_addresses) = (BTreeSet::new(), BTreeSet::new());
    for name in carried.iter().flat_map(|carried| &carried.value.general_names) {
        match name {
            GeneralName::DNSName(name) if !in_domain(name) => {
                own_names.insert(*name);
            }
            GeneralName::IPAddress(octets) => {
                own_addresses.extend(address(octets));
            }
            _ => {}
        }
    }
    let names = names.iter().map(String::as_str).filter(|name| !in_domain(name));
    Ok(names.collect::<BTreeSet<_>>() == own_names
        && addresses.iter().copied().collect::<BTreeSet<_>>() == own_addresses)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// Checks a cluster's name: it becomes one label of host names.
pub(crate) fn check_cluster(cluster: &str) -> Result<(), Error> {
    let fits = (1..=CLUSTER_NAME_MAX).contains(&cluster.len())
        && cluster.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        && !cluster.starts_with('-')
        && !cluster.ends_with('-');
    if fits { Ok(()) } else { Err(Error::ClusterName) }
}

/// Whether a name lies in the domain of node names, in whatever spelling.
pub(crate) fn in_domain(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == DOMAIN || name.strip_suffix(DOMAIN).is_some_and(|rest| rest.ends_with('.'))
}

fn node_in(name: &str, cluster: &str) -> Option<NodeId> {
    let label =
        name.strip_suffix(DOMAIN)?.strip_suffix('.')?.strip_suffix(cluster)?.strip_suffix('.')?;
    let node = NodeId(label.strip_prefix("node-")?.parse().ok()?);
    // One spelling each: no leading zeros or signs.
    (node_name(node, cluster) == name).then_some(node)
}

fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, Error> {
    match X509Certificate::from_der(certificate) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(Error::Certificate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_has_one_spelling() {
        assert_eq!(node_in("node-7.nghe-an.lgsp.internal", "nghe-an"), Some(NodeId(7)));
        for wrong in [
            "node-07.nghe-an.lgsp.internal",
            "node-+7.nghe-an.lgsp.internal",
            "node-7.ha-tinh.lgsp.internal",
            "Node-7.nghe-an.lgsp.internal",
            "node-7.nghe-anxlgsp.internal",
            "node-7.x.nghe-an.lgsp.internal",
            "node-.nghe-an.lgsp.internal",
            "node-99999999999999999999.nghe-an.lgsp.internal",
        ] {
            assert_eq!(node_in(wrong, "nghe-an"), None, "{wrong}");
        }
    }

    #[test]
    fn the_domain_is_known_in_every_spelling() {
        assert!(in_domain("node-1.x.LGSP.internal."));
        assert!(in_domain("lgsp.internal"));
        assert!(!in_domain("xlgsp.internal") && !in_domain("lgsp.internal.vn"));
    }

    #[test]
    fn octets_that_are_no_certificate_name_nobody() {
        assert!(matches!(identity_of(b"", "c"), Err(Error::Certificate)));
        assert!(matches!(not_after(&[0x30, 0x82, 0xff]), Err(Error::Certificate)));
    }
}
