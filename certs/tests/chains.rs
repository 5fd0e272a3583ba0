//! Certificate chains that must pass, and the many that must not, in real handshakes in memory.

#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test that fails says enough"
)]

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use https::{Trust, tls_config};
use lgsp_certs::{
    self as certs, Authority, Error, IsMember, NodeKey, NodeRequest, Presented,
    https_server_config, identity_of, mesh_client_config, mesh_server_config, node_name,
};
use model::{Moment, NodeId};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

const CLUSTER: &str = "nghe-an";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Moment(since.as_millis() as u64)
}

fn authority() -> Authority {
    Authority::create(CLUSTER, 1, now()).unwrap()
}

/// No member is known yet: all depends on the authority.
fn nobody() -> IsMember {
    Arc::new(|_| None)
}

fn issued(authority: &Authority, node: u64, cluster: &str, at: Moment) -> Arc<Presented> {
    let key = NodeKey::generate().unwrap();
    let request = NodeRequest {
        node: NodeId(node),
        cluster: cluster.to_owned(),
        request: key.request().unwrap(),
        names: vec!["n1.nghean.gov.vn".to_owned()],
        addresses: vec![IpAddr::from([127, 0, 0, 1])],
    };
    let chain = vec![authority.issue(&request, at).unwrap(), authority.certificate().clone()];
    Presented::new(chain, &key.private_key()).unwrap()
}

fn node(authority: &Authority, node: u64) -> Arc<Presented> {
    issued(authority, node, CLUSTER, now())
}

/// A certificate that our own code would not make.
fn odd(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Arc<Presented> {
    let key = KeyPair::generate().unwrap();
    let signer = KeyPair::try_from(authority.key_pkcs8().as_slice()).unwrap();
    let issuer = Issuer::from_ca_cert_der(authority.certificate(), signer).unwrap();
    let mut params = CertificateParams::new(vec![node_name(NodeId(1), CLUSTER)]).unwrap();
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
    present(certificate, &key)
}

fn present(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<Presented> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Presented::new(vec![certificate], &key).unwrap()
}

/// Runs a handshake to its end and gives both sides' views of it.
fn handshake(
    client: ClientConfig,
    server: ServerConfig,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    let mut wire = Vec::new();
    while client.is_handshaking()
        || server.is_handshaking()
        || client.wants_write()
        || server.wants_write()
    {
        wire.clear();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

/// A mesh handshake in which node 2 calls `server` as node 1.
fn call(authority: &Authority, server: Arc<Presented>) -> Result<(), rustls::Error> {
    mesh(authority, node(authority, 2), server)
}

/// A mesh handshake in which `client` calls node 1.
fn answer(authority: &Authority, client: Arc<Presented>) -> Result<(), rustls::Error> {
    mesh(authority, client, node(authority, 1))
}

fn mesh(
    authority: &Authority,
    client: Arc<Presented>,
    server: Arc<Presented>,
) -> Result<(), rustls::Error> {
    let client = mesh_client_config(authority.certificate(), nobody(), client).unwrap();
    let server = mesh_server_config(authority.certificate(), nobody(), server).unwrap();
    handshake(client, server, &node_name(NodeId(1), CLUSTER)).map(drop)
}

#[test]
fn two_nodes_of_one_authority_know_each_other() {
    let authority = authority();
    let client =
        mesh_client_config(authority.certificate(), nobody(), node(&authority, 2)).unwrap();
    let server =
        mesh_server_config(authority.certificate(), nobody(), node(&authority, 1)).unwrap();
    let (client, server) = handshake(client, server, &node_name(NodeId(1), CLUSTER)).unwrap();
    let seen = |chain: Option<&[CertificateDer<'static>]>| {
        identity_of(&chain.unwrap()[0], CLUSTER).unwrap()
    };
    assert_eq!(seen(client.peer_certificates()), NodeId(1));
    assert_eq!(seen(server.peer_certificates()), NodeId(2));
    assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(client.alpn_protocol(), Some(certs::MESH_PROTOCOL));
}

#[test]
fn an_expired_certificate_is_refused_on_both_sides() {
    let authority = authority();
    let old = || issued(&authority, 1, CLUSTER, now().minus(91 * DAY));
    assert!(call(&authority, old()).is_err());
    assert!(answer(&authority, old()).is_err());
}

#[test]
fn a_certificate_of_the_future_is_refused_on_both_sides() {
    let authority = authority();
    let future = || issued(&authority, 1, CLUSTER, now().plus(DAY));
    assert!(call(&authority, future()).is_err());
    assert!(answer(&authority, future()).is_err());
}

#[test]
fn another_authority_of_the_same_name_is_refused_on_both_sides() {
    let (ours, theirs) = (authority(), authority());
    assert!(call(&ours, node(&theirs, 1)).is_err());
    assert!(answer(&ours, node(&theirs, 2)).is_err());
}

#[test]
fn another_node_does_not_answer_for_the_one_called() {
    let authority = authority();
    assert!(call(&authority, node(&authority, 3)).is_err());
}

#[test]
fn a_node_of_another_cluster_does_not_answer_for_ours() {
    let authority = authority();
    assert!(call(&authority, issued(&authority, 1, "ha-tinh", now())).is_err());
}

#[test]
fn a_node_of_another_cluster_is_nobody_here() {
    // The chain is good, so TLS lets it in; its identity does not.
    let authority = authority();
    let stranger = issued(&authority, 2, "ha-tinh", now());
    assert!(answer(&authority, stranger.clone()).is_ok());
    assert!(matches!(identity_of(&stranger.certificate(), CLUSTER), Err(Error::Identity)));
}

#[test]
fn a_certificate_for_servers_only_does_not_call() {
    let authority = authority();
    let only = |usage| odd(&authority, |params| params.extended_key_usages = vec![usage]);
    assert!(answer(&authority, only(ExtendedKeyUsagePurpose::ServerAuth)).is_err());
    assert!(call(&authority, only(ExtendedKeyUsagePurpose::ClientAuth)).is_err());
    assert!(call(&authority, only(ExtendedKeyUsagePurpose::ServerAuth)).is_ok());
    assert!(answer(&authority, only(ExtendedKeyUsagePurpose::CodeSigning)).is_err());
}

#[test]
fn a_self_signed_certificate_is_refused_on_both_sides() {
    let authority = authority();
    let alone = || {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![node_name(NodeId(1), CLUSTER)]).unwrap();
        present(params.self_signed(&key).unwrap().der().clone(), &key)
    };
    assert!(call(&authority, alone()).is_err());
    assert!(answer(&authority, alone()).is_err());
}

#[test]
fn a_caller_without_a_certificate_is_refused() {
    let authority = authority();
    let mut client = tls_config(&Trust::Authority(authority.certificate().to_vec()), None).unwrap();
    client.alpn_protocols = vec![certs::MESH_PROTOCOL.to_vec()];
    let server =
        mesh_server_config(authority.certificate(), nobody(), node(&authority, 1)).unwrap();
    assert!(handshake(client, server, &node_name(NodeId(1), CLUSTER)).is_err());
}

#[test]
fn another_protocol_is_refused() {
    let authority = authority();
    let mut client =
        mesh_client_config(authority.certificate(), nobody(), node(&authority, 2)).unwrap();
    client.alpn_protocols = vec![b"lgsp/2".to_vec()];
    let server =
        mesh_server_config(authority.certificate(), nobody(), node(&authority, 1)).unwrap();
    assert!(handshake(client, server, &node_name(NodeId(1), CLUSTER)).is_err());
}

#[test]
fn a_node_does_not_certify_others() {
    // Node 3 signs, with its own certified key, a certificate in the name of node 1.
    let authority = authority();
    let (own, leaf_key) = (NodeKey::generate().unwrap(), KeyPair::generate().unwrap());
    let request = NodeRequest {
        node: NodeId(3),
        cluster: CLUSTER.to_owned(),
        request: own.request().unwrap(),
        names: vec![],
        addresses: vec![],
    };
    let certificate = authority.issue(&request, now()).unwrap();
    let signer = KeyPair::try_from(own.private_key().secret_der()).unwrap();
    let below = Issuer::from_ca_cert_der(&certificate, signer).unwrap();
    let params = CertificateParams::new(vec![node_name(NodeId(1), CLUSTER)]).unwrap();
    let leaf = params.signed_by(&leaf_key, &below).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let forged = Presented::new(vec![leaf, certificate], &key).unwrap();
    assert!(call(&authority, forged.clone()).is_err());
    assert!(answer(&authority, forged).is_err());
}

#[test]
fn a_certificate_with_two_node_names_is_nobody() {
    let authority = authority();
    let two = odd(&authority, |params| {
        let name = node_name(NodeId(2), CLUSTER).try_into().unwrap();
        params.subject_alt_names.push(SanType::DnsName(name));
    });
    assert!(matches!(identity_of(&two.certificate(), CLUSTER), Err(Error::Identity)));
}

#[test]
fn a_renewed_certificate_is_presented_without_a_restart() {
    let authority = authority();
    let presented = issued(&authority, 1, CLUSTER, now().minus(91 * DAY));
    assert!(call(&authority, presented.clone()).is_err());
    let key = NodeKey::generate().unwrap();
    let request = NodeRequest {
        node: NodeId(1),
        cluster: CLUSTER.to_owned(),
        request: key.request().unwrap(),
        names: vec![],
        addresses: vec![],
    };
    let chain = vec![authority.issue(&request, now()).unwrap()];
    let foreign = NodeKey::generate().unwrap().private_key();
    assert!(matches!(presented.replace(chain.clone(), &foreign), Err(Error::KeyMismatch)));
    presented.replace(chain, &key.private_key()).unwrap();
    assert!(call(&authority, presented).is_ok());
}

#[test]
fn an_operators_pem_files_serve_https() {
    let own = rcgen::generate_simple_self_signed(vec!["lgsp.nghean.gov.vn".to_owned()]).unwrap();
    let chain_text = certs::certificates_to_pem(&[own.cert.der().clone()]);
    let key_text = own.signing_key.serialize_pem();
    let chain = certs::chain_from_pem(chain_text.as_bytes()).unwrap();
    let key = certs::key_from_pem(key_text.as_bytes()).unwrap();
    assert_eq!(chain[0], *own.cert.der());
    let server = https_server_config(Presented::new(chain.clone(), &key).unwrap()).unwrap();
    let known = chain.iter().map(|der| der.to_vec()).collect();
    let client = tls_config(&Trust::Authorities(known), None).unwrap();
    assert!(handshake(client, server, "lgsp.nghean.gov.vn").is_ok());
    assert!(certs::chain_from_pem(key_text.as_bytes()).is_err());
    assert!(certs::key_from_pem(chain_text.as_bytes()).is_err());
}

/// Whoever knows a member by its key needs no authority for it.
#[test]
fn a_member_is_known_by_its_key_whoever_certified_it_and_until_when() {
    let (ours, theirs) = (authority(), authority());
    let old = issued(&theirs, 1, CLUSTER, now().minus(91 * DAY));
    let knows = |presented: &Arc<Presented>| -> IsMember {
        let certificate = presented.certificate();
        let name = node_name(identity_of(&certificate, CLUSTER).unwrap(), CLUSTER);
        let known = certs::key_digest(&certificate).unwrap();
        Arc::new(move |shown| (certs::key_digest(shown).ok()? == known).then(|| name.clone()))
    };
    let trusted = ours.certificate();
    let meet = |client: Arc<Presented>, server: Arc<Presented>, called: u64, known: IsMember| {
        let client = mesh_client_config(trusted, known.clone(), client).unwrap();
        let server = mesh_server_config(trusted, known, server).unwrap();
        handshake(client, server, &node_name(NodeId(called), CLUSTER)).map(drop)
    };
    assert!(meet(node(&ours, 2), old.clone(), 1, knows(&old)).is_ok(), "it is called");
    assert!(meet(old.clone(), node(&ours, 2), 2, knows(&old)).is_ok(), "it calls");
    assert!(meet(node(&ours, 2), old.clone(), 3, knows(&old)).is_err(), "for nobody else");
    // Another key under its name is judged as a stranger's is.
    let other = issued(&theirs, 1, CLUSTER, now());
    assert!(meet(node(&ours, 2), other.clone(), 1, knows(&old)).is_err());
    assert!(meet(other, node(&ours, 2), 2, knows(&old)).is_err());
}

#[test]
fn who_trusts_an_older_authority_believes_what_its_successors_certify() {
    let first = authority();
    // Made on bad days: the clocks were years ahead, and then long ago.
    let (second, by_first) = first.succeed(CLUSTER, 2, now().plus(2000 * DAY)).unwrap();
    let (third, by_second) = second.succeed(CLUSTER, 3, Moment(0)).unwrap();
    let bridges = [by_second, by_first];
    let key = NodeKey::generate().unwrap();
    let request = NodeRequest {
        node: NodeId(1),
        cluster: CLUSTER.to_owned(),
        request: key.request().unwrap(),
        names: vec![],
        addresses: vec![],
    };
    let leaf = third.issue(&request, now()).unwrap();
    assert!(certs::is_issued_by(&leaf, third.certificate()).unwrap());
    assert!(!certs::is_issued_by(&leaf, first.certificate()).unwrap());
    assert!(certs::are_of_one_cluster(first.certificate(), third.certificate()).unwrap());
    let another = Authority::create("ha-tinh", 1, now()).unwrap();
    assert!(!certs::are_of_one_cluster(first.certificate(), another.certificate()).unwrap());
    let shown = |bridges: &[CertificateDer<'static>]| {
        let own = std::iter::once(leaf.clone());
        let chain = own.chain(bridges.iter().cloned()).chain([third.certificate().clone()]);
        Presented::new(chain.collect(), &key.private_key()).unwrap()
    };
    let believes = |authority: &Authority, bridges: &[CertificateDer<'static>]| {
        let trust = Trust::Authority(authority.certificate().to_vec());
        let client = tls_config(&trust, None).unwrap();
        let server = https_server_config(shown(bridges)).unwrap();
        handshake(client, server, &node_name(NodeId(1), CLUSTER)).is_ok()
    };
    for authority in [&first, &second, &third] {
        assert!(believes(authority, &bridges));
    }
    // The first one has ended, then the second.
    assert!(!believes(&first, &bridges[..1]) && believes(&second, &bridges[..1]));
    assert!(!believes(&second, &[]) && believes(&third, &[]));
    assert!(!believes(&another, &bridges));
}
