//! The cluster's certificate authority and the certificates it issues.
//!
//! The private key of a node is made on the node and never leaves it: only a request, signed by
//! that key, goes to the authority. What the request claims beside its key is ignored.

use std::{fmt, net::IpAddr, path::Path, time::Duration};

use model::{Digest, Moment, NodeId};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};
use zeroize::Zeroizing;

use crate::{
    Access, Error,
    identity::{check_cluster, in_domain},
    node_name, read_secret, sha256, write_file,
};

const HOUR: Duration = Duration::from_secs(3600);
/// How long a node's certificate is valid; it renews itself when a third is left.
pub const CERTIFICATE_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// The authority lives as long as a cluster may: replacing it means a new trust anchor at every
/// application, for which there is a command (decision 0014).
const AUTHORITY_LIFE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// Clocks of nodes differ; a certificate is valid a little before it was made.
const CLOCK_SKEW: Duration = HOUR;
/// X.509 ends with the year 9999; a clock beyond this moment is broken and is treated as this.
const LATEST: Moment = Moment::from_secs(200_000_000_000);
/// Names and addresses of one node; more is a mistake in the configuration.
const NAMES_MAX: usize = 64;

/// What a node asks the authority to certify.
#[derive(Debug, Clone)]
pub struct NodeRequest {
    /// The node's number in the cluster.
    pub node: NodeId,
    /// The cluster.
    pub cluster: String,
    /// The request of `NodeKey::request`, in DER.
    pub request: Vec<u8>,
    /// Host names under which applications reach the node.
    pub names: Vec<String>,
    /// Addresses under which applications reach the node.
    pub addresses: Vec<IpAddr>,
}

/// Checks what a node asks for that has no number yet: what [`Authority::issue`] would refuse, and
/// what passes here it certifies under any number. Answers the digest of the key that is asked for,
/// as [`crate::key_digest`] finds it in the certificate.
pub fn check_request(
    request: &[u8],
    names: &[String],
    addresses: &[IpAddr],
) -> Result<Digest, Error> {
    let asked = requested_key(request)?;
    host_names(names, addresses)?;
    Ok(asked)
}

/// The digest of the key that a request asks to be certified, and by which it is signed.
pub fn requested_key(request: &[u8]) -> Result<Digest, Error> {
    let asked = read_request(request)?;
    Ok(Digest(sha256(&asked.public_key.subject_public_key_info())))
}

/// The cluster's authority: a self-signed certificate and its key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    /// Makes an authority of a cluster, which has a number of its own: two of one name would be
    /// mistaken for each other by whoever looks for the issuer of a certificate.
    pub fn create(cluster: &str, number: u32, now: Moment) -> Result<Self, Error> {
        check_cluster(cluster)?;
        let key = new_key()?;
        let params = authority_params(authority_name(cluster, number), now);
        let certificate = params.self_signed(&key).map_err(Error::Issue)?.der().clone();
        Ok(Self { certificate, key })
    }

    /// Makes the next authority, and the certificate of it by this one, by which whoever trusts this one
    /// believes what the next certifies.
    ///
    /// Both are valid since this one is, and for no shorter time: made on a day on which the date is wrong, they
    /// would be good for nobody once it is right, and a certificate of an authority renews itself nowhere.
    pub fn succeed(
        &self,
        cluster: &str,
        number: u32,
        now: Moment,
    ) -> Result<(Self, CertificateDer<'static>), Error> {
        check_cluster(cluster)?;
        let key = new_key()?;
        let (since, until) = crate::identity::validity(&self.certificate)?;
        let until = until.max(now.min(LATEST).plus(AUTHORITY_LIFE));
        let params = || {
            let mut params = authority_params(authority_name(cluster, number), now);
            valid_between(&mut params, since, until);
            params
        };
        let certificate = params().self_signed(&key).map_err(Error::Issue)?.der().clone();
        let mut by_this = params();
        by_this.use_authority_key_identifier_extension = true;
        let issuer =
            Issuer::from_ca_cert_der(&self.certificate, &self.key).map_err(Error::Issue)?;
        let by_this = by_this.signed_by(&key, &issuer).map_err(Error::Issue)?.der().clone();
        Ok((Self { certificate, key }, by_this))
    }

    /// The authority of a stored certificate (DER) and key (PKCS#8 DER).
    pub fn from_parts(certificate: &[u8], key: &[u8]) -> Result<Self, Error> {
        let certificate = CertificateDer::from(certificate.to_vec());
        let key = read_key(key)?;
        // The subject and identifiers of what it issues come from the certificate.
        Issuer::from_ca_cert_der(&certificate, &key).map_err(|_| Error::Certificate)?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&certificate).map_err(|_| Error::Certificate)?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(Error::KeyMismatch);
        }
        Ok(Self { certificate, key })
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The SHA-256 of its certificate, which join tokens pin.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.certificate)
    }

    /// Its private key in PKCS#8 DER, to be sealed at once.
    pub fn key_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.key.serialize_der())
    }

    /// Certifies a node from an hour ago for 90 days, for both ends of TLS.
    pub fn issue(
        &self,
        request: &NodeRequest,
        now: Moment,
    ) -> Result<CertificateDer<'static>, Error> {
        check_cluster(&request.cluster)?;
        let asked = read_request(&request.request)?;
        let own = node_name(request.node, &request.cluster);
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&own);
        params.subject_alt_names = alternative_names(own, request)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, now, CERTIFICATE_LIFE);
        let issuer =
            Issuer::from_ca_cert_der(&self.certificate, &self.key).map_err(Error::Issue)?;
        Ok(params.signed_by(&asked.public_key, &issuer).map_err(Error::Issue)?.der().clone())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

/// A node's own key: ECDSA P-256, made on the node.
pub struct NodeKey(KeyPair);

impl NodeKey {
    /// Makes a new key.
    pub fn generate() -> Result<Self, Error> {
        new_key().map(Self)
    }

    /// The key of such octets (PKCS#8 DER).
    pub fn from_pkcs8(octets: &[u8]) -> Result<Self, Error> {
        read_key(octets).map(Self)
    }

    /// The SHA-256 of its public half, by which the cluster knows the node.
    pub fn digest(&self) -> Digest {
        Digest(sha256(&self.0.subject_public_key_info()))
    }

    /// A request for a certificate in DER, signed by this key.
    pub fn request(&self) -> Result<Vec<u8>, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject("LGSP node");
        Ok(params.serialize_request(&self.0).map_err(Error::Issue)?.der().to_vec())
    }

    /// The key for TLS.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.serialize_der()))
    }

    /// Writes the key to a file that only its owner may read, durably.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        write_file(path, &Zeroizing::new(self.0.serialize_der()), Access::Secret)
    }

    /// Reads the key from such a file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::from_pkcs8(&read_secret(path)?)
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey")
    }
}

fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::Issue)
}

fn read_key(octets: &[u8]) -> Result<KeyPair, Error> {
    let octets = PrivatePkcs8KeyDer::from(octets);
    KeyPair::from_pkcs8_der_and_sign_algo(&octets, &PKCS_ECDSA_P256_SHA256)
        .map_err(|_| Error::PrivateKey)
}

fn authority_name(cluster: &str, number: u32) -> String {
    format!("LGSP {cluster} authority {number}")
}

/// An authority certifies nodes and its successor, which certifies nodes and its own.
fn authority_params(name: String, now: Moment) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(&name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, now, AUTHORITY_LIFE);
    params
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn valid(params: &mut CertificateParams, now: Moment, life: Duration) {
    let now = now.min(LATEST);
    valid_between(params, now.minus(CLOCK_SKEW), now.plus(life));
}

fn valid_between(params: &mut CertificateParams, since: Moment, until: Moment) {
    let date =
        |moment: Moment| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(moment.secs());
    params.not_before = date(since);
    params.not_after = date(until);
    // Two certificates of one key must not share a number; the first bit keeps it positive.
    let mut serial = [0; 16];
    crate::system_random(&mut serial);
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
}

/// A request that is signed by the key it names, which is of the one kind.
fn read_request(request: &[u8]) -> Result<CertificateSigningRequestParams, Error> {
    let der = CertificateSigningRequestDer::from(request);
    let asked = CertificateSigningRequestParams::from_der(&der).map_err(Error::Request)?;
    if asked.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
        return Err(Error::KeyKind);
    }
    Ok(asked)
}

fn alternative_names(own: String, request: &NodeRequest) -> Result<Vec<SanType>, Error> {
    let others: Vec<_> = request.names.iter().filter(|name| **name != own).cloned().collect();
    let mut names = vec![SanType::DnsName(own.try_into().map_err(Error::Issue)?)];
    names.extend(host_names(&others, &request.addresses)?);
    Ok(names)
}

/// Names under which applications reach a node; never one of the nodes' own domain.
fn host_names(hosts: &[String], addresses: &[IpAddr]) -> Result<Vec<SanType>, Error> {
    if hosts.len() + addresses.len() > NAMES_MAX {
        return Err(Error::HostName(format!("more than {NAMES_MAX} names")));
    }
    let mut names = Vec::with_capacity(1 + hosts.len() + addresses.len());
    for name in hosts {
        if !is_host_name(name) || in_domain(name) {
            return Err(Error::HostName(name.clone()));
        }
        names.push(SanType::DnsName(name.clone().try_into().map_err(Error::Issue)?));
    }
    names.extend(addresses.iter().copied().map(SanType::IpAddress));
    Ok(names)
}

/// Letters, digits and inner hyphens in labels; no wildcards.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{carries_hosts, identity_of, needs_renewal, not_after, renew_at};

    const NOW: Moment = Moment::from_secs(1_795_334_851);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn ask(names: &[&str]) -> NodeRequest {
        NodeRequest {
            node: NodeId(7),
            cluster: "nghe-an".to_owned(),
            request: NodeKey::generate().unwrap().request().unwrap(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            addresses: vec![IpAddr::from([127, 0, 0, 1])],
        }
    }

    #[test]
    fn a_certificate_names_its_node_and_renews_when_a_third_is_left() {
        let authority = Authority::create("nghe-an", 1, NOW).unwrap();
        let ask = ask(&["n7.nghean.gov.vn"]);
        let certificate = authority.issue(&ask, NOW).unwrap();
        assert_eq!(identity_of(&certificate, "nghe-an").unwrap(), NodeId(7));
        let key = crate::key_digest(&certificate).unwrap();
        assert_eq!(key, requested_key(&ask.request).unwrap(), "one form of the key");
        assert!(matches!(identity_of(&certificate, "ha-tinh"), Err(Error::Identity)));
        assert!(matches!(identity_of(authority.certificate(), "nghe-an"), Err(Error::Identity)));
        assert_eq!(not_after(&certificate).unwrap(), NOW.plus(CERTIFICATE_LIFE));
        let renew = renew_at(&certificate).unwrap();
        assert!(renew > NOW.plus(59 * DAY) && renew < NOW.plus(61 * DAY), "{renew}");
        assert!(!needs_renewal(&certificate, NOW).unwrap());
        assert!(needs_renewal(&certificate, NOW.plus(61 * DAY)).unwrap());
        // Made by a clock that was a day ahead: until then nobody would believe it.
        assert!(needs_renewal(&certificate, NOW.minus(DAY)).unwrap());
    }

    #[test]
    fn a_certificate_is_known_by_the_hosts_that_it_carries() {
        let authority = Authority::create("nghe-an", 1, NOW).unwrap();
        let mut ask = ask(&["n7.nghean.gov.vn", "localhost"]);
        ask.addresses = vec![[10, 0, 0, 7].into(), std::net::Ipv6Addr::LOCALHOST.into()];
        let certificate = authority.issue(&ask, NOW).unwrap();
        let carries =
            |names: &[String], addresses: &[IpAddr]| carries_hosts(&certificate, names, addresses);
        assert!(carries(&ask.names, &ask.addresses).unwrap());
        let turned: Vec<_> = ask.names.iter().rev().cloned().collect();
        assert!(carries(&turned, &ask.addresses).unwrap(), "in any order");
        assert!(!carries(&ask.names[..1], &ask.addresses).unwrap(), "one less");
        assert!(!carries(&ask.names, &ask.addresses[1..]).unwrap(), "one less");
        let more = [&ask.names[..], &["neu.gov.vn".to_owned()]].concat();
        assert!(!carries(&more, &ask.addresses).unwrap(), "one more");
    }

    #[test]
    fn nobody_is_certified_under_another_nodes_name() {
        let authority = Authority::create("nghe-an", 1, NOW).unwrap();
        for name in
            ["node-8.nghe-an.lgsp.internal", "NODE-8.nghe-an.LGSP.INTERNAL", "*.gov.vn", "a..b", ""]
        {
            assert!(
                matches!(authority.issue(&ask(&[name]), NOW), Err(Error::HostName(_))),
                "{name}"
            );
        }
        let own = authority.issue(&ask(&["node-7.nghe-an.lgsp.internal"]), NOW).unwrap();
        assert_eq!(identity_of(&own, "nghe-an").unwrap(), NodeId(7));
    }

    #[test]
    fn what_is_checked_before_a_number_is_given_is_what_is_certified() {
        let authority = Authority::create("nghe-an", 1, NOW).unwrap();
        let check = |ask: &NodeRequest| check_request(&ask.request, &ask.names, &ask.addresses);
        let good = ask(&["n7.nghean.gov.vn", "localhost"]);
        assert!(check(&good).is_ok() && authority.issue(&good, NOW).is_ok());
        for name in ["n_7.gov.vn", "a..b", "node-9.nghe-an.lgsp.internal", "*.gov.vn", ""] {
            assert!(matches!(check(&ask(&[name])), Err(Error::HostName(_))), "{name}");
        }
        let mut many = ask(&[]);
        many.addresses = vec![IpAddr::from([127, 0, 0, 1]); NAMES_MAX + 1];
        assert!(matches!(check(&many), Err(Error::HostName(_))));
        let mut broken = ask(&[]);
        broken.request = b"any octets".to_vec();
        assert!(matches!(check(&broken), Err(Error::Request(_))));
    }

    #[test]
    fn a_request_is_signed_by_the_key_it_names() {
        let authority = Authority::create("nghe-an", 1, NOW).unwrap();
        let mut request = ask(&[]);
        let last = request.request.len() - 1;
        request.request[last] ^= 1;
        assert!(matches!(authority.issue(&request, NOW), Err(Error::Request(_))));
        request.request.truncate(40);
        assert!(matches!(authority.issue(&request, NOW), Err(Error::Request(_))));
    }

    #[test]
    fn an_authority_comes_back_from_its_parts() {
        let one = Authority::create("nghe-an", 1, NOW).unwrap();
        let other = Authority::create("nghe-an", 1, NOW).unwrap();
        let again = Authority::from_parts(one.certificate(), &one.key_pkcs8()).unwrap();
        assert_eq!(again.fingerprint(), one.fingerprint());
        assert!(again.issue(&ask(&[]), NOW).is_ok());
        let mixed = Authority::from_parts(one.certificate(), &other.key_pkcs8());
        assert!(matches!(mixed, Err(Error::KeyMismatch)));
        assert!(matches!(Authority::create("Nghệ An", 1, NOW), Err(Error::ClusterName)));
        assert_eq!(format!("{one:?} {:?}", NodeKey::generate().unwrap()), "Authority NodeKey");
    }

    #[test]
    fn a_node_key_survives_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        let key = NodeKey::generate().unwrap();
        key.save(&path).unwrap();
        assert_eq!(NodeKey::load(&path).unwrap().private_key(), key.private_key());
        assert!(matches!(NodeKey::from_pkcs8(b"no key"), Err(Error::PrivateKey)));
    }

    #[test]
    fn a_broken_clock_makes_no_panic() {
        assert!(Authority::create("c", 1, Moment(u64::MAX)).is_ok());
        assert!(Authority::create("c", 1, Moment(0)).is_ok());
    }
}
