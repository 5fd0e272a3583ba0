//! A disk that went back to an older copy of itself, under load: the node says so, helps nobody to
//! lose anything, and is taken in again; and where it has happened all the same, the only copy is
//! kept and becomes the source.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use lgsp_tests::{
    harness::{Cluster, Party, Program, Traffic, eventually},
    wire::{Conn, Request},
};

/// How long a node may take to notice, on a busy machine; on an idle one it is a second.
const NOTICE_TIME_MAX: Duration = Duration::from_secs(60);

/// Packets that two nodes alone have taken.
const PACKETS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_went_back_is_told_and_nothing_is_lost() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    let source = cluster.party("H41.01", &["send"]).await.expect("a source");
    let target = cluster.party("H41.02", &["receive"]).await.expect("a target");
    let well =
        |step: &str, done: Result<()>| done.unwrap_or_else(|error| panic!("{step}: {error:?}"));
    well("one node goes back", one_goes_back(&mut cluster).await);
    let packets = double_fault(&mut cluster, &source, &target).await;
    let packets = packets.unwrap_or_else(|error| panic!("a double fault: {error:?}"));
    well("the only copy is kept", the_only_copy(&mut cluster, &target, &packets).await);
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure!(done.success(), "cp -a {} {}", from.display(), to.display());
    Ok(())
}

fn go_back(old: &Path, data: &Path) -> Result<()> {
    std::fs::remove_dir_all(data)?;
    copy(old, data)
}

/// What a node says of its readiness.
async fn reasons(cluster: &Cluster, index: usize) -> Option<String> {
    let endpoint = cluster.endpoint(index);
    let answer = Conn::new(&endpoint).call(&Request::get("/readyz")).await.ok()?;
    Some(String::from_utf8_lossy(&answer.body).into_owned())
}

/// What `lgsp` says to an administrator of the first node.
async fn lgsp(cluster: &Cluster, words: &[&str]) -> Result<(Option<i32>, String)> {
    let profile = cluster.nodes[0].data.join("admin.toml").display().to_string();
    let words = [words, &["--profile", &profile, "--lang", "en"]].concat();
    let output = cluster.program().run(&words).await?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

/// Case 19, first form: the others work on, and one node comes back with an older disk.
async fn one_goes_back(cluster: &mut Cluster) -> Result<()> {
    let index = cluster.follower().await?;
    let data = cluster.nodes[index].data.clone();
    let old = data.with_extension("old");
    cluster.nodes[index].stop().await?;
    copy(&data, &old)?;
    cluster.restart(index).await?;
    let traffic = Traffic::start(cluster, 2).await?;
    traffic.progress(60).await?;
    cluster.nodes[index].stop().await?;
    go_back(&old, &data)?;
    let before = cluster.nodes[index].log_size();
    cluster.restart(index).await?;
    traffic.progress(40).await?;
    traffic.stop().await?.check(cluster).await?;
    cluster.whole().await?;
    let said = cluster.nodes[index].said_since(before);
    ensure!(said.contains("is a copy") || said.contains("went back"), "it says so:\n{said}");
    ensure!(said.contains("votes again") || said.contains("takes part again"), "and ends:\n{said}");
    std::fs::remove_dir_all(&old)?;
    Ok(())
}

/// Case 19, second form: node 3 goes back while node 1, that was away, and node 3 are all that is
/// left. They must not agree on anything; when node 2 is back, all is there.
async fn double_fault(
    cluster: &mut Cluster,
    source: &Party,
    target: &Party,
) -> Result<Vec<String>> {
    let data = cluster.nodes[2].data.clone();
    let old = data.with_extension("old");
    cluster.nodes[2].stop().await?;
    copy(&data, &old)?;
    cluster.restart(2).await?;
    cluster.whole().await?;
    cluster.nodes[0].kill()?;
    let at = cluster.endpoint(1);
    let mut packets = Vec::new();
    for number in 0..PACKETS {
        let content = format!("only two nodes know number {number}");
        let targets = [target.unit.as_str()];
        let answer = eventually("a packet is taken", NOTICE_TIME_MAX, async || {
            let sent = source.submit(&at, &targets, "two", content.as_bytes(), "").await.ok()?;
            sent.is_success().then_some(sent)
        })
        .await?;
        packets.push(answer.text("/packet"));
    }
    cluster.nodes[2].kill()?;
    go_back(&old, &data)?;
    cluster.nodes[1].kill()?;
    cluster.nodes[0].start()?;
    cluster.nodes[2].start()?;
    eventually("node 3 says that its disk went back", NOTICE_TIME_MAX, async || {
        let said = reasons(cluster, 2).await?;
        (said.contains("copied") || said.contains("went_back")).then_some(())
    })
    .await?;
    // Both are up and in touch, and neither leads.
    let (code, said) = eventually("check sees node 3", NOTICE_TIME_MAX, async || {
        let (code, said) = lgsp(cluster, &["check"]).await.ok()?;
        (said.contains("copied directory") || said.contains("went back")).then_some((code, said))
    })
    .await?;
    ensure!(code == Some(1), "check fails, not {code:?}:\n{said}");
    ensure!(!said.contains("member remove"), "nobody is advised to remove anybody:\n{said}");
    ensure!(said.contains("no node leads"), "nobody leads:\n{said}");
    let sent = source.submit(&cluster.endpoint(0), &[&target.unit], "no", b"no", "").await?;
    ensure!(sent.status == 503, "nothing is promised: {}", sent.status);
    // The only one that knows comes back.
    cluster.restart(1).await?;
    cluster.whole().await?;
    for index in 0..3 {
        for packet in &packets {
            source.packet(&cluster.endpoint(index), packet).await?.success().context(index)?;
        }
    }
    // For the next step: the same once more, and this time somebody decides against node 2.
    let at = cluster.endpoint(1);
    cluster.nodes[2].stop().await?;
    std::fs::remove_dir_all(&old)?;
    copy(&data, &old)?;
    cluster.restart(2).await?;
    cluster.whole().await?;
    cluster.nodes[0].kill()?;
    let mut only = Vec::new();
    for number in 0..PACKETS {
        let content = format!("node 2 alone will know number {number}");
        let targets = [target.unit.as_str()];
        let answer = eventually("a packet is taken", NOTICE_TIME_MAX, async || {
            let sent = source.submit(&at, &targets, "one", content.as_bytes(), "").await.ok()?;
            sent.is_success().then_some(sent)
        })
        .await?;
        only.push(answer.text("/packet"));
    }
    cluster.nodes[2].kill()?;
    go_back(&old, &data)?;
    cluster.nodes[1].kill()?;
    Ok(only)
}

/// An operator has decided that node 3 votes with what it has, and then node 2 turns up after all.
async fn the_only_copy(cluster: &mut Cluster, target: &Party, packets: &[String]) -> Result<()> {
    let path = |index: usize| cluster.nodes[index].data.display().to_string();
    let (two, three) = (path(1), path(2));
    let told = cluster.program().run(&["recover", "--data-dir", &three, "--trust"]).await?;
    ensure!(!told.status.success(), "it asks before it gives something up");
    let trust = ["recover", "--data-dir", &three, "--trust", "--yes"];
    cluster.program().run_well(&trust).await?;
    cluster.nodes[0].start()?;
    cluster.nodes[2].start()?;
    cluster.ready(0).await?;
    cluster.ready(2).await?;
    let lost = target.packet(&cluster.endpoint(0), &packets[0]).await?;
    ensure!(lost.status == 404, "they go on without it: {}", lost.status);

    let before = cluster.nodes[1].log_size();
    cluster.nodes[1].start()?;
    eventually("node 2 stands apart", NOTICE_TIME_MAX, async || {
        reasons(cluster, 1).await.filter(|said| said.contains("apart"))
    })
    .await?;
    let said = cluster.nodes[1].said_since(before);
    ensure!(said.contains("only copy"), "it says why:\n{said}");
    eventually("check warns of node 2", NOTICE_TIME_MAX, async || {
        let (_, said) = lgsp(cluster, &["check"]).await.ok()?;
        (said.contains("do NOT remove") && !said.contains("member remove 2")).then_some(())
    })
    .await?;
    let (code, said) = lgsp(cluster, &["member", "remove", "2", "--yes"]).await?;
    ensure!(code != Some(0) && said.contains("only copy"), "not without a word: {said}");

    // The documented way: node 2 is the source, the others begin anew.
    for index in 0..3 {
        cluster.nodes[index].stop().await?;
    }
    let held = |said: &str| -> Result<(u64, u64)> {
        let held: serde_json::Value = serde_json::from_str(said)?;
        let number = |name: &str| held[name].as_u64().with_context(|| format!("{name}: {said}"));
        Ok((number("last_term")?, number("last_log")?))
    };
    let shown = cluster.program().run_well(&["recover", "--data-dir", &two, "-o", "json"]).await?;
    let (term, last) = held(&shown)?;
    ensure!(term > 0 && last as usize > PACKETS, "what it holds is shown: {shown}");
    let source = ["recover", "--data-dir", &two, "--as-source", "--yes"];
    cluster.program().run_well(&source).await?;
    cluster.restart(1).await?;
    for packet in packets {
        target.packet(&cluster.endpoint(1), packet).await?.success()?;
        target.receive(&cluster.endpoint(1), packet).await?;
    }
    Ok(())
}
