//! The same store on a real directory.

use std::sync::Arc;

use super::{Dice, Net, NetPeers, TestKeys, claim, packet, read_all, space};
use crate::{Content, Error, Options, RealDisk, seal::digest_of};
use model::NodeId;

async fn open(root: &std::path::Path) -> Result<Content, Error> {
    open_on(Arc::new(RealDisk::new(root))).await
}

async fn open_on(disk: Arc<dyn crate::Disk>) -> Result<Content, Error> {
    let dice = parking_lot::Mutex::new(Dice::new(std::process::id().into()));
    let options = Options {
        disk,
        peers: Arc::new(NetPeers { net: Net::new(), me: NodeId(1) }),
        keys: TestKeys::new(),
        random: Arc::new(move |octets| {
            let random = dice.lock().octets(octets.len());
            octets.copy_from_slice(&random);
        }),
        reserve: 0,
        segment_bytes: 4 << 20,
    };
    let store = Content::open(options).await?;
    store.set_members(NodeId(1), &[NodeId(1)]);
    Ok(store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_on_a_real_disk_comes_back_as_it_was() {
    let root = tempfile::tempdir().expect("a directory");
    let store = open(root.path()).await.expect("opens");
    let mut dice = Dice::new(1);
    let contents: Vec<Vec<u8>> =
        (0..60).map(|number| dice.octets(if number % 10 == 0 { 900_000 } else { 1024 })).collect();
    let puts = contents.iter().enumerate().map(|(number, octets)| {
        let number = number as u128;
        store.put_small(space(number), packet(number), "meta".into(), octets.clone().into())
    });
    for put in futures_util::future::join_all(puts).await {
        put.expect("stored");
    }
    let large = dice.octets(5_000_000);
    let mut writer =
        store.open_writer(claim(100, 1), vec![], "meta".into(), Some(0)).await.expect("opens");
    for chunk in large.chunks(65_536) {
        writer.write(bytes::Bytes::copy_from_slice(chunk)).await.expect("taken");
    }
    assert_eq!(writer.finish().await.expect("finished").digest, digest_of(&large));
    drop(writer);
    store.purge((0..20).map(space).collect()).await.expect("purged");
    store.shutdown().await;
    drop(store);
    let store = open(root.path()).await.expect("opens again");
    assert_eq!(store.count(), 41);
    for (number, octets) in contents.iter().enumerate().skip(20) {
        assert_eq!(&read_all(&store, space(number as u128), None).await.expect("reads"), octets);
    }
    assert_eq!(
        read_all(&store, space(100), Some(4_000_000..4_100_000)).await.expect("reads"),
        large[4_000_000..4_100_000]
    );
    store.purge((20..101).map(space).collect()).await.expect("purged");
    assert_eq!(store.count(), 0);
    assert_eq!(std::fs::read_dir(root.path().join("spaces")).expect("a directory").count(), 0);
}

#[tokio::test]
async fn a_directory_of_a_newer_version_is_refused() {
    let root = tempfile::tempdir().expect("a directory");
    open(root.path()).await.expect("opens").shutdown().await;
    std::fs::write(root.path().join("format"), "lgsp content 2\n").expect("written");
    assert!(matches!(open(root.path()).await.err(), Some(Error::Format { found: 2, known: 1 })));
    std::fs::write(root.path().join("format"), "what is this").expect("written");
    assert!(matches!(open(root.path()).await.err(), Some(Error::FormatDamaged)));
}

/// A disk on which nothing can be opened, while it is told so.
struct Starved(RealDisk, Arc<std::sync::atomic::AtomicBool>);

impl crate::Disk for Starved {
    fn open(&self, path: &str) -> crate::disk::DiskFuture<Arc<dyn crate::disk::File>> {
        if self.1.load(std::sync::atomic::Ordering::Relaxed) {
            starved()
        } else {
            self.0.open(path)
        }
    }
    fn create(&self, path: &str) -> crate::disk::DiskFuture<Arc<dyn crate::disk::File>> {
        if self.1.load(std::sync::atomic::Ordering::Relaxed) {
            starved()
        } else {
            self.0.create(path)
        }
    }
    fn make_dir(&self, path: &str) -> crate::disk::DiskFuture<()> {
        self.0.make_dir(path)
    }
    fn list(&self, path: &str) -> crate::disk::DiskFuture<Vec<(String, u64)>> {
        self.0.list(path)
    }
    fn rename(&self, from: &str, to: &str) -> crate::disk::DiskFuture<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &str) -> crate::disk::DiskFuture<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, path: &str) -> crate::disk::DiskFuture<()> {
        self.0.sync_dir(path)
    }
    fn free_space(&self) -> crate::disk::DiskFuture<u64> {
        self.0.free_space()
    }
}

/// What `open` answers when the process has used its descriptors up (EMFILE).
fn starved<T: Send + 'static>() -> crate::disk::DiskFuture<T> {
    Box::pin(async { Err(std::io::Error::from_raw_os_error(24)) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_want_of_descriptors_is_refused_and_no_failed_disk() {
    let root = tempfile::tempdir().expect("a directory");
    let wants = Arc::<std::sync::atomic::AtomicBool>::default();
    let want = |yes| wants.store(yes, std::sync::atomic::Ordering::Relaxed);
    let store = open_on(Arc::new(Starved(RealDisk::new(root.path()), wants.clone()))).await;
    let store = store.expect("opens");
    let put = |number: u128, len: usize| {
        let octets = Dice::new(number as u64).octets(len);
        store.put_small(space(number), packet(number), "meta".into(), octets.into())
    };
    let begin = |number| store.open_writer(claim(number, 1), vec![], "m".into(), Some(0));
    want(true);
    // No segment can be begun, and no file of its own.
    for refused in [put(1, 1024).await.map(drop), begin(100).await.map(drop)] {
        assert!(
            !matches!(refused, Ok(()) | Err(Error::Failed | Error::Disk { .. })),
            "{refused:?}"
        );
    }
    want(false);
    put(2, 1024).await.expect("stored");
    let mut writer = begin(100).await.expect("opens");
    want(true);
    // What is open goes on; a purge that finds no descriptor waits for one and is not forgotten.
    put(3, 1024).await.expect("stored");
    writer.write(bytes::Bytes::from(vec![7; 100_000])).await.expect("taken");
    writer.finish().await.expect("finished");
    drop(writer);
    let mut purging = Box::pin(store.purge(vec![space(100)]));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(300), &mut purging).await;
    assert!(waited.is_err(), "it waits for a descriptor: {waited:?}");
    assert!(!*store.failed().borrow(), "nothing is wrong with the disk");
    want(false);
    purging.await.expect("purged");
    assert_eq!(std::fs::read_dir(root.path().join("spaces")).expect("a directory").count(), 0);
    put(1, 1024).await.expect("stored");
    assert_eq!(store.count(), 3);
    store.shutdown().await;
}
