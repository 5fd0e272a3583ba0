//! Small packets that are refused: what can be known before is refused before a content is copied, and
//! what was copied for nothing is destroyed, whoever hangs up meanwhile (C11).

use std::{future::poll_fn, pin::pin, sync::atomic::Ordering, task::Poll};

use tower::ServiceExt;

use crate::{
    house::{self, House},
    new_packet, one_round,
};

/// A request is cut off at so many points at most; it has far fewer.
const POINTS_MAX: usize = 200;

/// Records and octets that the content store has taken in since its start.
fn written(house: &House) -> (u64, u64) {
    let metrics = house.content.metrics();
    (metrics.records_committed.load(Ordering::Relaxed), metrics.bytes_in.load(Ordering::Relaxed))
}

/// What is refused by what this node knows leaves nothing on any store, as nothing ever comes there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submit_that_cannot_be_taken_copies_nothing() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    house.party("H41.06", &["receive"]).await;
    let bound = house.app("app-bound", "H41.02", &["send"], &["H41.05"]).await;
    let reader = house.app("app-reader", "H41.02", &["receive"], &[]).await;
    let to = |target: &str| one_round(&new_packet(target), "mật");
    let keyed = |content: &str| {
        one_round(&new_packet("H41.05"), content).header("idempotency-key", "don-1")
    };
    house.ask(keyed("mật").signed(&source)).await.ok(201);
    let before = written(&house);
    assert!(before.0 > 0 && before.1 > 0, "a packet that is taken is written");

    house.ask(to("H41.99").signed(&source)).await.problem(404, "unit_unknown");
    house.ask(to("H41.06").signed(&bound)).await.problem(403, "target_not_granted");
    house.ask(to("H41.05").signed(&reader)).await.problem(403, "not_granted");
    house.ask(keyed("khác").signed(&source)).await.problem(422, "idempotency_conflict");
    house.ask(keyed("mật").signed(&source)).await.ok(201);
    assert_eq!(written(&house), before, "nothing was copied");
    assert_eq!(house.content.count(), 1, "the packet that was taken");
    assert!(
        house.told.discarded.lock().is_empty(),
        "and no other node is asked to destroy anything"
    );
}

/// Polls a future so often at most, then lets it go.
async fn cut<T>(future: impl Future<Output = T>, after: usize) -> Option<T> {
    let (mut future, mut polled) = (pin!(future), 0);
    poll_fn(|context| {
        if polled == after {
            return Poll::Ready(None);
        }
        polled += 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// A client that hangs up at any moment leaves no copy: the request is cut off at each point where it
/// waits, and its content is one that the machine refuses after it was copied, as a nonce passes once.
#[tokio::test]
async fn a_refused_submit_whose_client_hangs_up_leaves_no_copy() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let submit = one_round(&new_packet("H41.05"), "mật").signed(&source);
    house.send(submit.request()).await.ok(201);
    let (before, _) = written(&house);
    let mut points = 0;
    let refused = loop {
        points += 1;
        assert!(points < POINTS_MAX, "it is answered at last");
        let asked = house.router.clone().oneshot(submit.request());
        if let Some(answer) = cut(asked, points).await {
            break answer.expect("the router never fails");
        }
        // The content of one that was cut off late is here for a while.
        settled(&house, points).await;
    };
    assert_eq!(refused.status(), 401);
    let (after, _) = written(&house);
    assert!(after > before, "a copy is made where the machine refuses: {before} {after} {points}");
    settled(&house, points).await;
    assert!(!house.told.discarded.lock().is_empty(), "the other nodes are asked to destroy theirs");
}

/// Only the packet that was taken is here.
async fn settled(house: &House, points: usize) {
    let what = format!("the copies of a request that was cut off at point {points} are destroyed");
    house::until(&what, async || house.content.count() == 1).await;
}
