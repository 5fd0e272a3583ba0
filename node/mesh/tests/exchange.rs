//! Requests and bulk between nodes that trust each other.

#![allow(
    clippy::cast_possible_truncation,
    clippy::let_underscore_must_use,
    clippy::unwrap_used,
    reason = "a test that fails says enough"
)]

mod common;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{CLUSTER, Cluster, until};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lgsp_mesh::{CHUNK_MAX, Channel, Error, MESSAGE_MAX, TRANSFERS_MAX};
use model::NodeId;

#[tokio::test]
async fn a_request_is_answered_on_every_channel() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    for channel in [Channel::Raft, Channel::Control, Channel::Content] {
        assert_eq!(one.ask(2, channel, b"xin chao").await.unwrap(), &b"xin chao"[..]);
    }
    let seen = two.echo.seen.lock().clone();
    assert_eq!(seen[1], (NodeId(1), Channel::Control, Bytes::from_static(b"xin chao")));
    until("both connections are up", async || {
        let status = &one.mesh.peers()[0];
        status.connected && status.content_connected && status.rtt.is_some()
    })
    .await;
    assert!(matches!(one.ask(3, Channel::Raft, b"").await, Err(Error::UnknownPeer(NodeId(3)))));
    assert!(matches!(two.ask(1, Channel::Raft, b"").await, Err(Error::UnknownPeer(NodeId(1)))));
    one.mesh.shutdown().await;
    assert!(matches!(one.ask(2, Channel::Raft, b"").await, Err(Error::Stopped)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_requests_run_side_by_side() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    one.ask(2, Channel::Raft, b"first").await.unwrap();
    two.echo.seen.lock().clear();
    let mut running = FuturesUnordered::new();
    for number in 0..5000u32 {
        let message = Bytes::copy_from_slice(&number.to_be_bytes());
        let mesh = one.mesh.clone();
        running.push(async move {
            let answer = mesh.request(NodeId(2), Channel::Raft, message.clone()).await.unwrap();
            assert_eq!(answer, message);
        });
    }
    while running.next().await.is_some() {}
    assert_eq!(two.echo.seen.lock().len(), 5000);
    assert_eq!(one.mesh.counts().failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_channel_are_taken_up_in_the_order_of_sending() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    for channel in [Channel::Raft, Channel::Content] {
        one.ask(2, channel, b"").await.unwrap();
        two.echo.seen.lock().clear();
        // Few enough that the join begins them in this order.
        let sent: Vec<_> = (0..20u8).map(|number| Bytes::copy_from_slice(&[number])).collect();
        let all = sent.iter().map(|message| one.mesh.request(NodeId(2), channel, message.clone()));
        futures_util::future::join_all(all).await;
        let seen: Vec<_> = two.echo.seen.lock().iter().map(|seen| seen.2.clone()).collect();
        assert_eq!(seen, sent);
    }
}

#[tokio::test]
async fn answers_come_as_they_are_ready() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    let slow = one.ask(2, Channel::Control, b"wait");
    let quick = async {
        let answer = one.ask(2, Channel::Control, b"quick").await;
        two.echo.gate.add_permits(1);
        answer
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!(
        (slow.unwrap(), quick.unwrap()),
        (Bytes::from_static(b"wait"), Bytes::from_static(b"quick"))
    );
}

#[tokio::test]
async fn a_slow_answer_costs_only_its_own_request() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    one.ask(2, Channel::Control, b"").await.unwrap();
    let connections = two.mesh.counts().accepted;
    let message = Bytes::from_static(b"wait");
    let slow =
        one.mesh.request_within(NodeId(2), Channel::Control, message, Duration::from_millis(50));
    assert!(matches!(slow.await, Err(Error::Expired(NodeId(2)))));
    assert_eq!(one.ask(2, Channel::Control, b"next").await.unwrap(), &b"next"[..]);
    // The late answer finds nobody and harms nobody.
    two.echo.gate.add_permits(1);
    assert_eq!(one.ask(2, Channel::Control, b"last").await.unwrap(), &b"last"[..]);
    until("the content connection", async || one.mesh.peers()[0].content_connected).await;
    assert!(two.mesh.counts().accepted <= connections + 1);
}

#[tokio::test]
async fn a_handler_that_panics_fails_only_its_own_request() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    for channel in [Channel::Raft, Channel::Content] {
        assert!(matches!(one.ask(2, channel, b"panic").await, Err(Error::Failed(NodeId(2)))));
        assert_eq!(one.ask(2, channel, b"next").await.unwrap(), &b"next"[..]);
    }
}

#[tokio::test]
async fn the_largest_message_passes_and_a_larger_one_is_refused_here() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    let largest = Bytes::from(vec![7; MESSAGE_MAX]);
    let answer = one.mesh.request(NodeId(2), Channel::Raft, largest.clone()).await.unwrap();
    assert!(answer == largest);
    let larger = Bytes::from(vec![7; MESSAGE_MAX + 1]);
    let refused = one.mesh.request(NodeId(2), Channel::Raft, larger).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_comes_back_whole() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    let (mut sender, mut receiver) =
        one.mesh.open_stream(NodeId(2), Bytes::from_static(b"echo")).await.unwrap();
    let sizes = [0, 1, 70_000, CHUNK_MAX, 3, CHUNK_MAX];
    let sending = async {
        for (index, size) in sizes.into_iter().enumerate() {
            sender.send(Bytes::from(vec![index as u8; size])).await.unwrap();
        }
        let larger = sender.send(Bytes::from(vec![0; CHUNK_MAX + 1])).await;
        assert!(matches!(larger, Err(Error::TooLarge { .. })));
        sender.finish().unwrap();
    };
    let receiving = async {
        for (index, size) in sizes.into_iter().enumerate() {
            let chunk = receiver.receive().await.unwrap().unwrap();
            assert!(chunk == vec![index as u8; size]);
        }
        assert!(receiver.receive().await.unwrap().is_none());
    };
    tokio::join!(sending, receiving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_transfers_as_are_promised_are_open_beside_the_lanes() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    // The lane's stream comes first, and is one of those that are counted.
    one.ask(2, Channel::Content, b"first").await.unwrap();
    let mut held = Vec::new();
    for number in 0..TRANSFERS_MAX {
        let opened = one.mesh.open_stream(NodeId(2), Bytes::from_static(b"echo")).await;
        let (mut sender, mut receiver) =
            opened.unwrap_or_else(|error| panic!("transfer {number}: {error:?}"));
        sender.send(Bytes::from(vec![number as u8])).await.unwrap();
        assert_eq!(receiver.receive().await.unwrap().unwrap(), vec![number as u8]);
        held.push((sender, receiver));
    }
    assert_eq!(one.ask(2, Channel::Content, b"last").await.unwrap(), &b"last"[..]);
}

#[tokio::test]
async fn bulk_that_is_cut_never_looks_whole() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    let (mut sender, mut receiver) =
        one.mesh.open_stream(NodeId(2), Bytes::from_static(b"sink")).await.unwrap();
    sender.send(Bytes::from_static(b"part")).await.unwrap();
    drop(sender);
    two.echo.gate.add_permits(1);
    // The handler gave up after a failure: what it answers counts nothing as whole, and our
    // own receiving half shows no more than that.
    let answer = receiver.receive().await;
    assert!(!matches!(answer, Ok(None)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raft_stays_quick_while_bulk_is_held_back() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    one.ask(2, Channel::Raft, b"").await.unwrap();
    let mut held = Vec::new();
    // More than both windows hold: nobody reads until the gate opens.
    let mut sent = 0;
    for _ in 0..8 {
        let (mut sender, receiver) =
            one.mesh.open_stream(NodeId(2), Bytes::from_static(b"sink")).await.unwrap();
        let chunk = Bytes::from(vec![1; CHUNK_MAX / 4]);
        while tokio::time::timeout(Duration::from_millis(300), sender.send(chunk.clone()))
            .await
            .is_ok()
        {
            sent += 1;
            assert!(sent < 8 * 40, "nothing held the senders back");
        }
        held.push((sender, receiver));
    }
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        one.ask(2, Channel::Raft, b"heartbeat").await.unwrap();
        times.push(start.elapsed());
    }
    // Content's own lane passes by the held streams, too.
    one.ask(2, Channel::Content, b"small").await.unwrap();
    // The machine may have been busy now and then; the link was not.
    times.sort();
    assert!(times[150] < Duration::from_millis(75), "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_restarts_is_found_at_once() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.start(1), cluster.start(2));
    one.knows(2, &two);
    two.knows(1, &one);
    one.ask(2, Channel::Raft, b"before").await.unwrap();
    let address = two.address;
    two.mesh.shutdown().await;
    let start = Instant::now();
    assert!(one.ask(2, Channel::Raft, b"down").await.is_err());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    drop(two);
    let again = restart(&cluster, address).await;
    again.knows(1, &one);
    let start = Instant::now();
    until("the peer is back", async || one.ask(2, Channel::Raft, b"after").await.is_ok()).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_died_without_a_word_is_found_when_it_calls() {
    let cluster = Cluster::new();
    let (one, address) = after_a_crash(&cluster).await;
    let again = restart(&cluster, address).await;
    again.knows(1, &one);
    let start = Instant::now();
    until("the peer is back", async || one.ask(2, Channel::Raft, b"after").await.is_ok()).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_died_without_a_word_is_given_up_when_it_stays_silent() {
    let cluster = Cluster::new();
    let (one, address) = after_a_crash(&cluster).await;
    let _again = restart(&cluster, address).await;
    let start = Instant::now();
    let short = Duration::from_millis(100);
    until("the peer is found", async || {
        one.mesh.request_within(NodeId(2), Channel::Raft, Bytes::new(), short).await.is_ok()
    })
    .await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Node 1 and where node 2 was, which has ended as a killed process does: no farewell.
async fn after_a_crash(cluster: &Cluster) -> (common::Node, SocketAddr) {
    let one = cluster.start(1);
    let dying =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let two = {
        let _runtime = dying.enter();
        cluster.start(2)
    };
    one.knows(2, &two);
    one.ask(2, Channel::Raft, b"before").await.unwrap();
    let address = two.address;
    dying.shutdown_background();
    drop(two);
    (one, address)
}

/// Binds the same address as soon as the earlier life has let it go.
async fn restart(cluster: &Cluster, address: SocketAddr) -> common::Node {
    until("the port is free", async || std::net::UdpSocket::bind(address).is_ok()).await;
    cluster.start_at(2, address, cluster.identity(2, CLUSTER))
}
