//! A reader of a feed that is neither server-sent events nor a long poll, as one of another way of telling is.

use std::time::Duration;

use auth::{Head, RequestHead, Signed, Signer};
use conductor::{Begin, End, FeedStream, Heard, Reader, Told};
use machine::{About, EventKind};
use tokio::sync::oneshot;

use crate::{
    house::{Ask, House},
    new_packet, one_round,
};

fn caller(house: &House, signer: &Signer) -> Signed<Head> {
    let request = Ask::new("GET", "/v1/events").signed(signer).request();
    let headers: Vec<_> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let head = RequestHead {
        method: "GET",
        authority: request.headers()["host"].to_str().expect("a name"),
        path: "/v1/events",
        query: None,
        headers: &headers,
    };
    house.exchange.gate().verify(&head).expect("a signature of an active key")
}

/// A stream that goes on after a position, and what stops it.
async fn read_after(
    house: &House,
    signer: &Signer,
    position: u64,
    beat_every: Option<Duration>,
) -> (FeedStream, oneshot::Sender<()>) {
    let (stop, stopped) = oneshot::channel();
    let reader = Reader {
        begin: Begin::After(position),
        page_max: 1,
        beat_every,
        life: Duration::from_secs(600),
        stop: Box::pin(async { stopped.await.unwrap_or_default() }),
    };
    let stream =
        house.exchange.notices().feed(&caller(house, signer), reader).await.expect("a stream");
    (stream, stop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_keeps_its_position_is_told_each_event_once_until_its_key_dies() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let target = house.party("H41.05", &["receive"]).await;
    let submit = || one_round(&new_packet("H41.05"), "tin").signed(&source);

    // A reader on a task of its own, as a sender of webhooks is; the second packet comes while it waits.
    house.ask(submit()).await.ok(201);
    let (mut stream, _stop) = read_after(&house, &target, 0, None).await;
    let reading = tokio::spawn(async move {
        let mut available = Vec::new();
        while available.len() < 2 {
            let Ok(Told::Heard(heard)) = stream.next().await else { panic!("it is told events") };
            let Heard { behind, events, position } = heard;
            assert!(behind.is_none() && events.len() <= 1 && position == stream.position());
            let packets = events.iter().filter(|event| event.kind == EventKind::Available);
            available.extend(packets.map(|event| match &event.about {
                About::Packet(news) => news.packet,
                About::Access(_) => unreachable!("a packet became available"),
            }));
        }
        (available, stream.position())
    });
    house.ask(submit()).await.ok(201);
    let (available, position) = reading.await.expect("the reader ends");
    assert_ne!(available[0], available[1], "each is told once");

    // It comes back where it was: nothing is told again, and silence is told as it asked.
    let (mut stream, stop) =
        read_after(&house, &target, position, Some(Duration::from_millis(20))).await;
    assert_eq!(stream.next().await.expect("a word"), Told::Beat);
    stop.send(()).expect("it is read");
    while let Ok(told) = stream.next().await {
        assert_eq!(told, Told::Beat);
    }
    assert!(matches!(stream.next().await, Err(End::Over)), "it was stopped");

    let (mut stream, _stop) = read_after(&house, &target, position, None).await;
    house.revoke(&target).await;
    let end = loop {
        match stream.next().await {
            Ok(Told::Heard(heard)) => assert!(heard.position > position),
            Ok(told) => panic!("{told:?}"),
            Err(end) => break end,
        }
    };
    assert!(matches!(end, End::Lost(_)), "{end:?}");
}
