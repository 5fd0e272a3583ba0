//! Who is no member gets nothing, and what is no protocol harms nobody.

#![allow(
    clippy::cast_possible_truncation,
    clippy::let_underscore_must_use,
    clippy::unwrap_used,
    reason = "a test that fails says enough"
)]

mod common;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use common::{CLUSTER, Cluster, Node, now, until};
use lgsp_mesh::{Channel, Identity};
use model::NodeId;
use quinn::crypto::rustls::QuicClientConfig;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Starts a caller with this identity, and shows that node 2 gives it nothing.
async fn is_refused(cluster: &Cluster, identity: Identity) {
    let two = cluster.start(2);
    let caller = cluster.start_at(1, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), identity);
    caller.knows(2, &two);
    until("it is refused", async || {
        assert!(caller.ask(2, Channel::Raft, b"let me in").await.is_err());
        two.mesh.counts().refused > 0
    })
    .await;
    assert!(two.echo.seen.lock().is_empty());
    assert_eq!(two.mesh.counts().accepted, 0);
}

#[tokio::test]
async fn a_node_of_another_authority_gets_nothing() {
    let (ours, theirs) = (Cluster::new(), Cluster::new());
    is_refused(
        &ours,
        Identity { client: theirs.identity(1, CLUSTER).client, ..ours.identity(1, CLUSTER) },
    )
    .await;
    // Believing our authority does not make it believed.
    let key = certs::NodeKey::generate().unwrap();
    let request = certs::NodeRequest {
        node: NodeId(1),
        cluster: CLUSTER.to_owned(),
        request: key.request().unwrap(),
        names: vec![],
        addresses: vec![],
    };
    let foreign = vec![theirs.authority.issue(&request, now()).unwrap()];
    let presented = certs::Presented::new(foreign, &key.private_key()).unwrap();
    let client =
        certs::mesh_client_config(ours.authority.certificate(), Arc::new(|_| None), presented)
            .unwrap();
    is_refused(&ours, Identity { client: Arc::new(client), ..ours.identity(1, CLUSTER) }).await;
}

#[tokio::test]
async fn a_node_of_another_cluster_gets_nothing() {
    let cluster = Cluster::new();
    is_refused(&cluster, cluster.identity(1, "other")).await;
}

#[tokio::test]
async fn an_expired_certificate_gets_nothing() {
    let cluster = Cluster::new();
    is_refused(&cluster, cluster.identity_at(1, CLUSTER, now().minus(91 * DAY))).await;
}

#[tokio::test]
async fn a_node_that_is_no_member_gets_nothing() {
    let cluster = Cluster::new();
    is_refused(&cluster, cluster.identity(9, CLUSTER)).await;
}

/// What somebody can make who holds the authority's key: a good certificate for a number, for a key
/// that is not the number's.
fn forged(cluster: &Cluster, node: u64) -> Identity {
    cluster.certified(node, CLUSTER, now(), &certs::NodeKey::generate().unwrap())
}

#[tokio::test]
async fn a_certificate_for_another_key_is_nobody_whatever_its_number() {
    let cluster = Cluster::new();
    is_refused(&cluster, forged(&cluster, 1)).await;
    is_refused(&cluster, forged(&cluster, 999)).await;
}

#[tokio::test]
async fn whoever_answers_with_another_key_is_not_the_node_that_was_called() {
    let cluster = Cluster::new();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (one, false_two) = (cluster.start(1), cluster.start_at(2, listen, forged(&cluster, 2)));
    // The true node 2 has been there before, so its key is known.
    let two = cluster.start(2);
    one.knows(2, &two);
    one.ask(2, Channel::Raft, b"").await.unwrap();
    two.mesh.shutdown().await;
    one.knows(2, &false_two);
    assert!(one.ask(2, Channel::Raft, b"for two only").await.is_err());
    assert!(!one.mesh.peers()[0].connected);
    assert!(false_two.echo.seen.lock().is_empty());
}

#[tokio::test]
async fn a_key_that_is_pinned_no_more_is_cut_off_in_both_directions() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    two.knows(1, &one);
    one.ask(2, Channel::Raft, b"").await.unwrap();
    two.ask(1, Channel::Raft, b"").await.unwrap();
    cluster.members.lock().remove(&NodeId(1));
    two.mesh.recheck();
    until("neither calls the other", async || {
        one.ask(2, Channel::Raft, b"").await.is_err()
            && two.ask(1, Channel::Raft, b"").await.is_err()
    })
    .await;
}

#[tokio::test]
async fn nobody_calls_a_node_in_its_own_name() {
    let cluster = Cluster::new();
    is_refused(&cluster, cluster.identity(2, CLUSTER)).await;
}

#[tokio::test]
async fn a_caller_without_a_certificate_gets_nothing() {
    let cluster = Cluster::new();
    let trust = https::Trust::Authority(cluster.authority.certificate().to_vec());
    let mut client = https::tls_config(&trust, None).unwrap();
    client.alpn_protocols = vec![certs::MESH_PROTOCOL.to_vec()];
    is_refused(&cluster, Identity { client: Arc::new(client), ..cluster.identity(1, CLUSTER) })
        .await;
}

#[tokio::test]
async fn another_node_under_the_address_is_not_taken_for_the_one_called() {
    let cluster = Cluster::new();
    let (one, three) = (cluster.start(1), cluster.start(3));
    one.knows(2, &three);
    assert!(one.ask(2, Channel::Raft, b"for two only").await.is_err());
    assert!(three.echo.seen.lock().is_empty());
    assert!(!one.mesh.peers()[0].connected);
}

#[tokio::test]
async fn a_removed_node_is_cut_off_at_once() {
    let cluster = Cluster::new();
    let (one, two, three) = (cluster.start(1), cluster.start(2), cluster.start(3));
    let both = |node: &Node, other: &Node, ids: [u64; 2]| {
        node.mesh.set_peers(&[
            (NodeId(ids[0]), vec![two.address.to_string()]),
            (NodeId(ids[1]), vec![other.address.to_string()]),
        ]);
    };
    both(&one, &three, [2, 3]);
    both(&three, &one, [2, 1]);
    for node in [&one, &three] {
        until("it is let in", async || node.ask(2, Channel::Raft, b"").await.is_ok()).await;
    }
    two.echo.seen.lock().clear();
    cluster.members.lock().remove(&NodeId(1));
    two.mesh.recheck();
    three.mesh.remove_peer(NodeId(1));
    until("it is cut off", async || one.ask(2, Channel::Raft, b"still here").await.is_err()).await;
    let seen = two.echo.seen.lock().len();
    for _ in 0..3 {
        assert!(one.ask(2, Channel::Raft, b"let me in").await.is_err());
    }
    assert_eq!(two.echo.seen.lock().len(), seen);
    assert!(three.ask(1, Channel::Raft, b"").await.is_err());
    assert!(three.ask(2, Channel::Raft, b"a member").await.is_ok());
    let told = (NodeId(2), Bytes::from_static(b"a stranger"));
    assert!(one.echo.refusals.lock().contains(&told), "it is told why");
}

#[tokio::test]
async fn a_certificate_is_renewed_while_running() {
    let cluster = Cluster::new();
    // Node 2 begins with a certificate that has just expired: nobody takes it for node 2.
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let old = cluster.identity_at(2, CLUSTER, now().minus(91 * DAY));
    let (one, two) = (cluster.start(1), cluster.start_at(2, listen, old));
    one.knows(2, &two);
    two.knows(1, &one);
    assert!(one.ask(2, Channel::Raft, b"").await.is_err());
    assert!(two.ask(1, Channel::Raft, b"").await.is_err());
    two.mesh.set_identity(&cluster.identity(2, CLUSTER)).unwrap();
    until("it is believed", async || one.ask(2, Channel::Raft, b"").await.is_ok()).await;
    until("it is let in", async || two.ask(1, Channel::Raft, b"").await.is_ok()).await;
    until("content, too", async || {
        [&one, &two].iter().all(|node| node.mesh.peers()[0].content_connected)
    })
    .await;
    // A further renewal leaves what is connected alone.
    let accepted = one.mesh.counts().accepted;
    two.mesh.set_identity(&cluster.identity(2, CLUSTER)).unwrap();
    assert!(two.ask(1, Channel::Raft, b"").await.is_ok());
    assert_eq!(one.mesh.counts().accepted, accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_floods_harm_nobody() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    one.ask(2, Channel::Raft, b"before").await.unwrap();
    let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..3000u32 {
        let mut datagram: Vec<u8> = (0..1200)
            .map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                noise as u8
            })
            .collect();
        if round % 2 == 0 {
            // The first octets of an initial packet of version 1, then nonsense.
            datagram[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
            datagram[14] = 8;
        }
        datagram.truncate(if round % 3 == 0 { 40 } else { 1200 });
        socket.send_to(&datagram, two.address).await.unwrap();
    }
    // Handshakes that are begun and left.
    let client = quic_client(&cluster, 1);
    let endpoint = quinn::Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    for _ in 0..500 {
        let name = certs::node_name(NodeId(2), CLUSTER);
        drop(endpoint.connect_with(client.clone(), two.address, &name).unwrap());
    }
    assert_eq!(one.ask(2, Channel::Raft, b"after").await.unwrap(), &b"after"[..]);
    let newcomer = cluster.start(3);
    newcomer.knows(2, &two);
    until("a new member gets in", async || newcomer.ask(2, Channel::Raft, b"").await.is_ok()).await;
    assert_eq!(two.echo.seen.lock().len(), 3);
}

#[tokio::test]
async fn a_member_that_breaks_the_protocol_loses_its_connection_only() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    one.ask(2, Channel::Raft, b"").await.unwrap();
    let endpoint = quinn::Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let open: &[u8] = b"\0\0\0\x01\0\0\0\0\0\0\0\x07\0\0";
    let breaches: [&[&[u8]]; 6] = [
        &[b"GET / HTTP/1.1\r\n\r\n"],
        &[b"\0\0\0\x01\0\0\0\0\0\0\0\x07\0\x09"],
        &[b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0"],
        &[open, open],
        &[open, b"\0\x80\0\x01\0\0\0\0\0\0\0\x01\x02"],
        &[open, b"\0\0\0\0\0\0\0\0\0\0\0\x01\x63"],
    ];
    for (index, pieces) in breaches.into_iter().enumerate() {
        let name = certs::node_name(NodeId(2), CLUSTER);
        let connecting =
            endpoint.connect_with(quic_client(&cluster, 3), two.address, &name).unwrap();
        let connection = connecting.await.unwrap();
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        for piece in pieces {
            send.write_all(piece).await.unwrap();
        }
        until(&format!("breach {index} is seen"), async || two.mesh.counts().broken > index as u64)
            .await;
    }
    assert_eq!(one.ask(2, Channel::Raft, b"well").await.unwrap(), &b"well"[..]);
    let message = Bytes::from_static(b"well");
    assert_eq!(
        *two.echo.seen.lock(),
        [(NodeId(1), Channel::Raft, Bytes::new()), (NodeId(1), Channel::Raft, message),]
    );
}

fn quic_client(cluster: &Cluster, node: u64) -> quinn::ClientConfig {
    let tls = QuicClientConfig::try_from(cluster.identity(node, CLUSTER).client).unwrap();
    quinn::ClientConfig::new(Arc::new(tls))
}
