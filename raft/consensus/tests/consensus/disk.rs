//! Clusters on real files, in real time.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use consensus::{Consensus, Error, Options, SystemClock, Timing};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::{
    cluster::{Socket, Wires, caught_up, id},
    office::{admit, command, content, found, holds},
};

/// A busy machine with slow disks must not hold elections for nothing.
fn calm() -> Timing {
    Timing {
        heartbeat: Duration::from_millis(150),
        election_min: Duration::from_millis(900),
        election_max: Duration::from_millis(1_500),
        propose_deadline: Duration::from_secs(20),
        ..Timing::default()
    }
}

async fn start(wires: &Wires, number: u64, directory: &Path) -> Result<Consensus, Error> {
    let mut options = Options::new(id(number), directory.join(number.to_string()));
    options.timing = calm();
    options.snapshot_entries = 60;
    let network = Arc::new(Socket { own: id(number), wires: wires.clone() });
    let facts = Arc::new(wires.facts(id(number)));
    let node = Consensus::start(options, facts, network, Arc::new(SystemClock)).await?;
    wires.attach(id(number), node.clone());
    Ok(node)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_stops_and_kills() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wires = Wires::default();
    let node = start(&wires, 1, directory.path()).await.expect("it starts");
    node.found(found()).await.expect("founded").expect("accepted");
    // A handle that stays holds the directory.
    drop(node);
    let mut next = 0;
    for kill in [false, true, true, false] {
        let node = wires.detach(id(1)).expect("it runs");
        for _ in 0..30 {
            node.propose(command(next)).await.expect("answered").expect("accepted");
            next += 1;
        }
        // Another start on the same directory is refused while this one runs.
        let second = start(&Wires::default(), 1, directory.path()).await;
        assert!(matches!(second, Err(Error::Locked { .. })));
        if kill {
            node.kill().await
        } else {
            node.shutdown().await
        }
        drop(node);
        let node = start(&wires, 1, directory.path()).await.expect("it starts again");
        node.read_index().await.expect("it leads itself");
        let state = node.view();
        assert!((0..next).all(|number| holds(&state, &command(number))), "all is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_on_disk_agree_and_one_comes_back_by_a_snapshot() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wires = Wires::default();
    let one = start(&wires, 1, directory.path()).await.expect("it starts");
    one.found(found()).await.expect("founded").expect("accepted");
    for number in 2..=3 {
        admit(&one, id(number)).await;
        start(&wires, number, directory.path()).await.expect("it starts");
        one.admit(id(number)).await.expect("admitted");
    }
    let three = wires.detach(id(3)).expect("it runs");
    three.kill().await;
    drop(three);
    for step in 0..40 {
        let all = (0..25).map(|n| one.propose(command(step * 25 + n)));
        for answer in join_all(all).await {
            answer.expect("answered").expect("accepted");
        }
        // One at a time too, so that there are many entries.
        for n in 0..10 {
            let answer = one.propose(command(100_000 + step * 10 + n)).await;
            answer.expect("answered").expect("accepted");
        }
    }
    let before = wires.bulk();
    let three = start(&wires, 3, directory.path()).await.expect("it starts again");
    caught_up(&three, &one).await;
    assert!(wires.bulk() > before, "blocks were sent");
    assert_eq!(content(&three.view()), content(&one.view()));
    // The taken state is on disk, whatever happens.
    wires.detach(id(3));
    three.kill().await;
    drop(three);
    let three = start(&wires, 3, directory.path()).await.expect("it starts again");
    three.read_index().await.expect("it is back");
    assert_eq!(content(&three.view()), content(&one.view()));
    for number in 1..=3 {
        if let Some(node) = wires.detach(id(number)) {
            node.shutdown().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_shortened_log_does_not_start_and_says_which_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wires = Wires::default();
    let node = start(&wires, 1, directory.path()).await.expect("it starts");
    node.found(found()).await.expect("founded").expect("accepted");
    node.shutdown().await;
    wires.detach(id(1));
    drop(node);
    let chunk = std::fs::read_dir(directory.path().join("1/log")).expect("the log");
    let chunk = chunk.map(|file| file.expect("a file").path());
    let chunk = chunk.max().expect("a chunk");
    let file = std::fs::OpenOptions::new().write(true).open(&chunk).expect("the chunk");
    let length = file.metadata().expect("its length").len();
    file.set_len(length / 2).expect("cut");
    match start(&wires, 1, directory.path()).await {
        Err(Error::CorruptLog { file, .. }) => assert_eq!(file, chunk),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a shortened log was taken"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_stands_still_holds_up_nobody() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wires = Wires::default();
    let node = start(&wires, 1, directory.path()).await.expect("it starts");
    node.found(found()).await.expect("founded").expect("accepted");
    for number in 0..20 {
        node.propose(command(number)).await.expect("answered").expect("accepted");
    }
    let view = node.read_view().await.expect("read");
    let before = content(&view);
    let ((stand, stands), (go, goes_on)) = (mpsc::channel(), mpsc::channel());
    let list = tokio::task::spawn_blocking(move || {
        let mut rows = Vec::new();
        view.scan(&[], &[0xff; 32], &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            if rows.len() == 3 {
                stand.send(()).expect("the test waits");
                goes_on.recv().expect("the test goes on");
            }
            ControlFlow::Continue(())
        });
        rows
    });
    let standing = tokio::task::spawn_blocking(move || stands.recv());
    standing.await.expect("it runs").expect("the list has begun");
    for number in 20..40 {
        // Answered is applied.
        let answer = timeout(Duration::from_secs(10), node.propose(command(number))).await;
        answer.expect("nothing waits for a list").expect("answered").expect("accepted");
    }
    let newer = timeout(Duration::from_secs(10), node.read_view()).await;
    assert!(holds(&newer.expect("nor does another list").expect("read"), &command(39)));
    go.send(()).expect("the list waits");
    assert_eq!(list.await.expect("it ends"), before, "the moment at which it began");
}

/// A view settles what the state holds in memory, so views are few: one for all lists of a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_share_their_views_while_others_write() {
    const PAUSE: Duration = Duration::from_millis(25);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wires = Wires::default();
    let node = start(&wires, 1, directory.path()).await.expect("it starts");
    node.found(found()).await.expect("founded").expect("accepted");
    let is_over = Arc::new(AtomicBool::new(false));
    let (writer, over) = (node.clone(), is_over.clone());
    let writes = tokio::spawn(async move {
        let mut number = 0;
        while !over.load(Ordering::Acquire) {
            writer.propose(command(number)).await.expect("answered").expect("accepted");
            number += 1;
        }
        number
    });
    let (begun, mut views) = (Instant::now(), Vec::new());
    for turn in 0..20 {
        let mine = command(1_000_000 + turn);
        node.propose(mine.clone()).await.expect("answered").expect("accepted");
        for view in join_all((0..20).map(|_| node.read_view())).await {
            let view = view.expect("read");
            assert!(holds(&view, &mine), "what was acknowledged before is there");
            views.push(view);
        }
    }
    let took = begun.elapsed();
    is_over.store(true, Ordering::Release);
    let written = writes.await.expect("it ends");
    // None of them is gone, so no two are at the same place.
    let made: BTreeSet<_> = views.iter().map(|view| Arc::as_ptr(view).cast::<u8>()).collect();
    let most = 1 + (took.as_millis() / PAUSE.as_millis()) as usize;
    assert!(made.len() <= most, "{} views in {took:?} for 400 lists", made.len());
    println!("{} views for {} lists beside {written} writes in {took:?}", made.len(), views.len());
    // Where nothing is written, a list costs nothing at all.
    let first = node.read_view().await.expect("read");
    for _ in 0..100 {
        let next = node.read_view().await.expect("read");
        assert!(content(&next) == content(&first));
    }
}
