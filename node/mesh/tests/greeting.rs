//! What nodes tell each other before anything else, and how one finds another whose address changed.

#![allow(
    clippy::cast_possible_truncation,
    clippy::let_underscore_must_use,
    clippy::unwrap_used,
    reason = "a test that fails says enough"
)]

mod common;

use bytes::Bytes;
use common::{Cluster, until};
use lgsp_mesh::Channel;
use model::NodeId;

#[tokio::test]
async fn both_sides_hear_the_other_before_any_request() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    *one.echo.says.lock() = Bytes::from_static(b"I am one");
    *two.echo.says.lock() = Bytes::from_static(b"I am two");
    one.knows(2, &two);
    one.ask(2, Channel::Raft, b"").await.expect("an answer");
    for (node, met_node, says, at) in
        [(&one, 2, "I am two", two.address), (&two, 1, "I am one", one.address)]
    {
        let met = node.echo.met.lock()[0].clone();
        assert_eq!((met.node, &met.greeting[..]), (NodeId(met_node), says.as_bytes()));
        // Nodes call and listen on one socket: who is called learns where the caller listens.
        assert_eq!(met.at, at);
    }
}

#[tokio::test]
async fn who_is_refused_gets_nothing_and_is_told_why_whoever_calls() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    let bad = Bytes::from_static(b"a second life");
    one.echo.says.lock().clone_from(&bad);
    *two.echo.refuses.lock() = Some(bad);
    let told = (NodeId(2), Bytes::from_static(b"a bad word"));
    one.knows(2, &two);
    assert!(one.ask(2, Channel::Raft, b"let me in").await.is_err());
    assert!(one.mesh.open_stream(NodeId(2), Bytes::new()).await.is_err());
    until("the caller is told", async || one.echo.refusals.lock().contains(&told)).await;
    // The other way round: the one who is called learns that the caller refuses it.
    one.mesh.remove_peer(NodeId(2));
    one.echo.refusals.lock().clear();
    two.knows(1, &one);
    assert!(two.ask(1, Channel::Raft, b"are you well").await.is_err());
    until("the called one is told", async || one.echo.refusals.lock().contains(&told)).await;
    assert!(one.echo.seen.lock().is_empty() && two.echo.seen.lock().is_empty());
}

#[tokio::test]
async fn a_peer_is_found_at_whichever_of_its_addresses_it_answers() {
    let cluster = Cluster::new();
    let (one, two, three) = (cluster.start(1), cluster.start(2), cluster.start(3));
    let gone = {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("bound")
    };
    // Nobody, another node, and at last the right one.
    let named = [gone, three.address, two.address].map(|address| address.to_string());
    one.mesh.set_peers(&[(NodeId(2), named.to_vec())]);
    until("it is found", async || one.ask(2, Channel::Raft, b"").await.is_ok()).await;
    assert!(three.echo.seen.lock().is_empty(), "nobody else hears what is meant for it");
    let status = one.mesh.peers().remove(0);
    assert_eq!(status.reached.map(|(at, _)| at), Some(two.address));
}
