//! The same store on a real directory.

use std::sync::Arc;

use super::{Dice, Net, NetPeers, TestKeys, packet, read_all, space};
use crate::{Content, Error, Options, RealDisk, seal::digest_of};
use model::NodeId;

async fn open(root: &std::path::Path) -> Result<Content, Error> {
    let dice = parking_lot::Mutex::new(Dice::new(std::process::id().into()));
    let options = Options {
        disk: Arc::new(RealDisk::new(root)),
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
        store.open_writer(space(100), packet(100), 1, "meta".into(), Some(0)).await.expect("opens");
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
