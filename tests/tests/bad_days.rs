//! Bad days: a second process on a directory, a directory of a newer version, a corrupt log, corrupt
//! content, a full disk. Each is a clear error, and nothing is lost.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lgsp_tests::{
    harness::{Cluster, Party, Program, Traffic, digest_of, eventually, search},
    wire::{Conn, Request},
};
use rand::Rng;
use serde_json::json;

/// How long a node may take to see that it cannot start.
const REFUSE_TIME_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_days_are_told_clearly_and_lose_nothing() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    let well =
        |step: &str, done: Result<()>| done.unwrap_or_else(|error| panic!("{step}: {error:?}"));
    // Before there is traffic, so that what changes on the disk is the content in question.
    well("damaged content", damaged_content(&mut cluster).await);
    let traffic = Traffic::start(&cluster, 2).await.expect("traffic");
    traffic.progress(40).await.unwrap_or_else(|error| panic!("{error:#}"));
    well("a second process", second_process(&mut cluster).await);
    well("a directory of another program", other_directory(&mut cluster).await);
    let ledger = traffic.stop().await.unwrap_or_else(|error| panic!("{error:#}"));
    well("all that was acknowledged", ledger.check(&cluster).await);
    // Nothing is live now that only the damaged node and one other hold, so it can be removed.
    well("a damaged log", damaged_log(&mut cluster).await);
    well("a full disk", full_disk(&mut cluster).await);
}

async fn second_process(cluster: &mut Cluster) -> Result<()> {
    let data = cluster.nodes[0].data.display().to_string();
    let output = cluster.program().run(&["run", "--data-dir", &data]).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "a second process ran on {data}");
    ensure!(said.contains(&data), "it names the directory: {said}");
    ensure!(cluster.nodes[0].is_running(), "the first one goes on");
    let again = cluster
        .program()
        .run(&["init", "--data-dir", &data, "--name", "n9", "--zone", "H41"])
        .await?;
    ensure!(!again.status.success(), "a directory in use is not initialised again");
    cluster.whole().await
}

async fn other_directory(cluster: &mut Cluster) -> Result<()> {
    let index = cluster.follower().await?;
    cluster.nodes[index].stop().await?;
    let path = cluster.nodes[index].data.join("identity.toml");
    let kept = fs::read_to_string(&path)?;
    // Of a later program, and of one before the first release.
    for (other, word) in [("99", "99"), ("1", "format 1")] {
        fs::write(&path, kept.replace("format = 2", &format!("format = {other}")))?;
        ensure!(fs::read_to_string(&path)? != kept, "the version was changed");
        let said = refuses(cluster, index).await?;
        ensure!(
            said.contains("identity.toml") && (said.contains(word) || said.contains("định dạng 1")),
            "it names file and version: {said}"
        );
    }
    fs::write(&path, kept)?;
    cluster.restart(index).await?;
    cluster.whole().await
}

/// Starts a node that must end by itself with an error. What it said comes back.
async fn refuses(cluster: &mut Cluster, index: usize) -> Result<String> {
    let node = &mut cluster.nodes[index];
    let before = fs::read(&node.log)?.len();
    node.start()?;
    let status = node.ended(REFUSE_TIME_MAX).await.context("it must not run")?;
    let said = String::from_utf8_lossy(&fs::read(&node.log)?[before..]).into_owned();
    ensure!(!status.success(), "it ended with {status}: {said}");
    ensure!(!said.contains("panicked"), "an error, not a panic: {said}");
    Ok(said)
}

/// A content is damaged on the node that is asked for it: it is right nevertheless, and healed.
async fn damaged_content(cluster: &mut Cluster) -> Result<()> {
    let source = cluster.party("H41.30", &["send"]).await?;
    let target = cluster.party("H41.31", &["receive"]).await?;
    for size in [900, 3 << 20] {
        let index = cluster.follower().await?;
        heal(cluster, &source, &target, index, size)
            .await
            .with_context(|| format!("{size} octets"))?;
    }
    Ok(())
}

async fn heal(
    cluster: &mut Cluster,
    source: &Party,
    target: &Party,
    index: usize,
    size: usize,
) -> Result<()> {
    let mut content = vec![0; size];
    rand::rng().fill_bytes(&mut content);
    let store = cluster.nodes[index].data.join("content");
    let before = files(&store)?;
    let at = cluster.endpoint(index);
    let packet = if size < 1 << 20 {
        source
            .submit(&at, &[&target.unit], "damaged", &content, "")
            .await?
            .success()?
            .text("/packet")
    } else {
        let (packet, space, token) =
            source.open(&at, &[&target.unit], "damaged", Some(size as u64)).await?;
        Conn::new(&at)
            .call(&Party::patch(&space, &token, 0, Bytes::copy_from_slice(&content)))
            .await?
            .success()?;
        source.commit(&at, &packet, size as u64, &digest_of(&content)).await?.success()?;
        packet
    };
    cluster.nodes[index].stop().await?;
    let (file, place) = ciphertext_of(&before, &store, size)?;
    let good = flip(&file, place, 32)?;
    cluster.restart(index).await?;
    let at = cluster.endpoint(index);
    let got = eventually("the content is served", Duration::from_secs(20), async || {
        target.accept_whole(&at, &packet).await.ok().filter(lgsp_tests::wire::Answer::is_success)
    })
    .await?;
    ensure!(got.body == content, "what was served is what was sent");
    eventually("the damaged copy is healed", Duration::from_secs(30), async || {
        let searched = search(&store, &[("good octets".into(), good.clone())]).ok()?;
        (!searched.found.is_empty()).then_some(())
    })
    .await?;
    target.confirm(&at, &packet, &digest_of(&content)).await?.success()?;
    cluster.whole().await
}

type Files = Vec<(PathBuf, Vec<u8>)>;

fn files(root: &Path) -> Result<Files> {
    let mut files = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        } else {
            files.push((path.clone(), fs::read(&path)?));
        }
    }
    Ok(files)
}

/// A place inside the ciphertext that was written since: in the middle of the longest change.
fn ciphertext_of(before: &Files, store: &Path, size: usize) -> Result<(PathBuf, u64)> {
    const STEP: usize = 64;
    let mut longest = (0, PathBuf::new(), 0);
    for (path, now) in files(store)? {
        let was = before.iter().find(|(old, _)| *old == path).map_or(&[][..], |(_, octets)| octets);
        let mut run = 0;
        for at in (0..now.len().saturating_sub(STEP)).step_by(STEP) {
            let zero = now[at..at + STEP].iter().all(|octet| *octet == 0);
            let same = was.get(at..at + STEP) == Some(&now[at..at + STEP]);
            run = if zero || same { 0 } else { run + STEP };
            if run > longest.0 {
                longest = (run, path.clone(), at + STEP);
            }
        }
    }
    let (length, path, end) = longest;
    ensure!(
        length + 4 * STEP >= size.min(1 << 16) / 2,
        "only {length} octets were written for {size}"
    );
    Ok((path, (end - length / 2) as u64))
}

/// Inverts octets in a file. What stood there comes back.
fn flip(path: &Path, at: u64, count: usize) -> Result<Vec<u8>> {
    let file = fs::File::options().read(true).write(true).open(path)?;
    let mut good = vec![0; count];
    file.read_exact_at(&mut good, at)?;
    let bad: Vec<u8> = good.iter().map(|octet| !octet).collect();
    file.write_all_at(&bad, at)?;
    Ok(good)
}

/// A node with a damaged log stops, names the file, and comes back as a new one; it never votes
/// with a shortened log.
async fn damaged_log(cluster: &mut Cluster) -> Result<()> {
    let index = cluster.follower().await?;
    let name = cluster.nodes[index].name.clone();
    let status = cluster.status(index).await.context("the node answers")?;
    let url = cluster.nodes[index].url();
    let listed = status["nodes"].as_array().context("nodes are listed")?;
    let id = listed
        .iter()
        .find(|node| node["api_url"] == url.as_str())
        .context("the node is listed")?["node"]
        .clone();
    cluster.nodes[index].kill()?;
    let log = cluster.nodes[index].data.join("consensus").join("log");
    let mut logs = files(&log)?;
    logs.sort_by_key(|(_, octets)| octets.len());
    let (path, octets) = logs.pop().context("the log has files")?;
    // In the middle of what was written, well before its end: that cannot be a torn write.
    let written = octets.iter().rposition(|octet| *octet != 0).context("the log is not empty")?;
    flip(&path, written as u64 / 2, 16)?;
    let said = refuses(cluster, index).await?;
    let file = path.file_name().and_then(|name| name.to_str()).context("a log has a name")?;
    ensure!(said.contains(file), "{name} names {file}: {said}");
    let traffic = Traffic::start(cluster, 2).await?;
    traffic.progress(20).await.context("the others go on")?;

    let path = format!("/v1/admin/members/{}/remove", id);
    cluster
        .administer(Request::post(path, &json!({})))
        .await
        .context("the damaged member is removed")?;
    // Its place in the cluster is taken by a new node; its directory is of no more use.
    let gone = cluster.nodes.remove(index);
    fs::remove_dir_all(&gone.data)?;
    drop(gone);
    cluster.join(|_| Ok(())).await.context("a new node joins")?;
    cluster.whole().await.context("three nodes again")?;
    traffic.progress(20).await?;
    traffic.stop().await?.check(cluster).await
}

/// Below the reserve uploads get 507, and the log goes on.
async fn full_disk(cluster: &mut Cluster) -> Result<()> {
    let source = cluster.party("H41.32", &["send"]).await?;
    let target = cluster.party("H41.33", &["receive"]).await?;
    let at = cluster.endpoint(0);
    let packet = source
        .submit(&at, &[&target.unit], "before", b"before", "")
        .await?
        .success()?
        .text("/packet");
    // An upload that is under way when the disk fills.
    let (begun, half, half_token) =
        source.open(&at, &[&target.unit], "half", Some(2 << 20)).await?;
    let first = Party::patch(&half, &half_token, 0, vec![1; 1 << 20].into());
    ensure!(Conn::new(&at).call(&first).await?.status == 204, "there is room still");
    reserve(cluster, "900000 GiB").await?;
    let at = cluster.endpoint(0);
    let second = Party::patch(&half, &half_token, 1 << 20, vec![2; 1 << 20].into());
    let refused = Conn::new(&at).call(&second).await?;
    refused.problem(507, "disk_full").context("the second half of an upload")?;
    let refused = source.submit(&at, &[&target.unit], "full", b"full", "").await?;
    refused.problem(507, "disk_full")?;
    // A new packet is refused before anything is written for it, the log included.
    let mut large = Party::request(&[&target.unit], "full");
    large["size"] = json!(3 << 20);
    let refused = cluster.call(0, &source.key, Request::post("/v1/packets", &large)).await?;
    refused.problem(507, "disk_full").context("a new packet")?;
    // What needs no new content goes on: commands, deliveries, receipts.
    cluster.party("H41.34", &["receive"]).await.context("the log takes commands")?;
    ensure!(target.receive(&at, &packet).await? == b"before"[..], "what is held is delivered");
    reserve(cluster, "64 MiB").await?;
    let at = cluster.endpoint(0);
    let packet = source
        .submit(&at, &[&target.unit], "after", b"after", "")
        .await?
        .success()?
        .text("/packet");
    ensure!(target.receive(&at, &packet).await? == b"after"[..], "space again");
    ensure!(Conn::new(&at).call(&second).await?.status == 204, "the second half has room");
    let whole = [vec![1; 1 << 20], vec![2; 1 << 20]].concat();
    source.commit(&at, &begun, 2 << 20, &digest_of(&whole)).await?.success()?;
    ensure!(target.receive(&at, &begun).await? == whole, "both halves, whole");
    Ok(())
}

/// Sets the reserve of every node; each is started again.
async fn reserve(cluster: &mut Cluster, size: &str) -> Result<()> {
    for index in 0..cluster.nodes.len() {
        cluster.nodes[index].stop().await?;
        cluster.nodes[index].configure(|config| {
            let storage = config.entry("storage").or_insert_with(|| toml::Table::new().into());
            let storage = storage.as_table_mut().expect("storage is a table");
            storage.insert("reserve".into(), size.into());
        })?;
        cluster.restart(index).await?;
        cluster.whole().await?;
    }
    Ok(())
}
