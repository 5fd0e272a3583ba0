//! Whom the client believes and what it presents, in real handshakes in memory.

#![allow(clippy::cast_possible_truncation, reason = "a test that fails says enough")]

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use certs::{Authority, NodeKey, NodeRequest, Presented, https_server_config};
use lgsp_https::{Identity, Trust, tls_config};
use model::{Moment, NodeId};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    pki_types::ServerName, server::WebPkiClientVerifier,
};

const CLUSTER: &str = "nghe-an";

fn now() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
    Moment(since.as_millis() as u64)
}

fn authority() -> Authority {
    Authority::create(CLUSTER, 1, now()).expect("an authority")
}

fn request(key: &NodeKey) -> NodeRequest {
    NodeRequest {
        node: NodeId(1),
        cluster: CLUSTER.to_owned(),
        request: key.request().expect("a request"),
        names: vec!["n1.nghean.gov.vn".to_owned()],
        addresses: vec![IpAddr::from([127, 0, 0, 1])],
    }
}

/// What a server presents that an authority has certified then.
fn certified(authority: &Authority, at: Moment) -> Arc<Presented> {
    let key = NodeKey::generate().expect("a key");
    let leaf = authority.issue(&request(&key), at).expect("a certificate");
    Presented::new(vec![leaf, authority.certificate().clone()], &key.private_key())
        .expect("a chain")
}

/// Runs a handshake to its end and gives both sides' views of it.
fn handshake(
    client: ClientConfig,
    server: ServerConfig,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
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
            client.write_tls(&mut wire).expect("memory takes it");
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("memory gives it");
            server.process_new_packets()?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("memory takes it");
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("memory gives it");
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

fn is_believed(trust: Trust, server: ServerConfig, name: &str) -> bool {
    handshake(tls_config(&trust, None).expect("settings"), server, name).is_ok()
}

fn known(authority: &Authority) -> Trust {
    Trust::Authority(authority.certificate().to_vec())
}

fn pinned(authority: &Authority) -> Trust {
    Trust::PinnedAuthority(authority.fingerprint())
}

#[test]
fn a_server_is_believed_by_its_authority_or_by_the_pin_of_it() {
    let (ours, theirs) = (authority(), authority());
    let server = || https_server_config(certified(&ours, now())).expect("settings");
    let client = tls_config(&known(&ours), None).expect("settings");
    let (client, _) = handshake(client, server(), "n1.nghean.gov.vn").expect("it is believed");
    assert_eq!(client.alpn_protocol(), Some(&b"h2"[..]));
    assert!(is_believed(known(&ours), server(), "127.0.0.1"));
    assert!(!is_believed(known(&ours), server(), "n2.nghean.gov.vn"));
    assert!(is_believed(pinned(&ours), server(), "127.0.0.1"));
    assert!(!is_believed(pinned(&ours), server(), "127.0.0.2"));
    assert!(!is_believed(pinned(&theirs), server(), "127.0.0.1"));
    assert!(!is_believed(known(&theirs), server(), "127.0.0.1"));
}

#[test]
fn a_pin_on_the_servers_own_certificate_or_on_a_foreign_issuer_is_not_enough() {
    let (ours, theirs) = (authority(), authority());
    let leaf = certified(&ours, now());
    let own = Trust::PinnedAuthority(certs::sha256(&leaf.certificate()));
    assert!(!is_believed(own, https_server_config(leaf).expect("settings"), "127.0.0.1"));
    // The pinned authority is sent along, but it did not issue the server's certificate.
    let key = NodeKey::generate().expect("a key");
    let leaf = theirs.issue(&request(&key), now()).expect("a certificate");
    let chain = vec![leaf, ours.certificate().clone()];
    let mixed = Presented::new(chain, &key.private_key()).expect("a chain");
    let mixed = https_server_config(mixed).expect("settings");
    assert!(!is_believed(pinned(&ours), mixed, "127.0.0.1"));
}

#[test]
fn a_certificate_that_has_run_out_is_refused_for_its_dates_however_it_is_trusted() {
    let ours = authority();
    let old = Moment(now().0 - Duration::from_secs(91 * 24 * 3600).as_millis() as u64);
    for trust in [known(&ours), pinned(&ours)] {
        let server = https_server_config(certified(&ours, old)).expect("settings");
        let client = tls_config(&trust, None).expect("settings");
        let refused = handshake(client, server, "127.0.0.1").expect_err("it has run out");
        let refused = lgsp_https::refused_certificate(&refused).expect("for its certificate");
        assert!(lgsp_https::is_about_dates(refused), "{refused:?}");
    }
}

#[test]
fn a_server_that_wants_to_know_who_calls_is_shown_the_callers_certificate() {
    let (ours, theirs) = (authority(), authority());
    let asks = || {
        let mut roots = RootCertStore::empty();
        roots.add(ours.certificate().clone()).expect("an authority");
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), certs::provider());
        ServerConfig::builder_with_provider(certs::provider())
            .with_safe_default_protocol_versions()
            .expect("the usual versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_cert_resolver(certified(&ours, now()))
    };
    let calls = |identity: Option<&Identity>| {
        let client = tls_config(&known(&ours), identity).expect("settings");
        handshake(client, asks(), "127.0.0.1")
    };
    let caller = |authority: &Authority| {
        let key = NodeKey::generate().expect("a key");
        let leaf = authority.issue(&request(&key), now()).expect("a certificate");
        Identity { chain: vec![leaf.to_vec()], key: key.private_key().secret_der().to_vec() }
    };
    let known = caller(&ours);
    let (_, server) = calls(Some(&known)).expect("it is known");
    let shown = server.peer_certificates().expect("it has shown one");
    assert_eq!(shown[0].as_ref(), known.chain[0]);
    assert!(calls(Some(&caller(&theirs))).is_err());
    assert!(calls(None).is_err());
    // Where the key is not that of the certificate, nothing is set up at all.
    let mixed = Identity { key: caller(&ours).key, ..known };
    assert!(tls_config(&Trust::PinnedAuthority([0; 32]), Some(&mixed)).is_err());
}
