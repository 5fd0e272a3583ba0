//! The README's first command, as a newcomer types it: it ends well, and what it reports is so.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use lgsp_tests::harness::{Program, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long the demonstration may take: six times what a debug build needs on two quiet cores.
const DEMO_TIME_MAX: Duration = Duration::from_secs(120);
/// The size of the large file that the demonstration promises.
const LARGE: u64 = 64 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_command_of_the_readme_ends_well() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let arguments = ["demo", "--once", "-o", "json", "--lang", "en"];
    let output = program.run_for(DEMO_TIME_MAX, &arguments).await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}\n{report}");
    assert!(!said.contains("panicked"), "{said}");
    let report: Value = serde_json::from_str(&report).expect("one JSON document");
    let checked = cluster(&report)
        .and_then(|()| packets(&report))
        .and_then(|()| leader_killed(&report))
        .and_then(|()| forgotten(&report));
    checked.unwrap_or_else(|error| panic!("{error:?}\n{report:#}\n{said}"));
}

fn items<'a>(report: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    report[name].as_array().with_context(|| format!("the report has {name}"))
}

fn cluster(report: &Value) -> Result<()> {
    ensure!(report["schema"] == "lgsp.demo/1" && report["ok"] == true, "the head");
    ensure!(items(report, "nodes")?.len() == 3, "three nodes");
    ensure!(report["units"] == 146, "the units of the province");
    ensure!(items(report, "offices")?.len() == 3, "three offices with keys");
    ensure!(!items(report, "next")?.is_empty(), "what to type next");
    Ok(())
}

/// The letter, the document and the large file have arrived at each of their targets.
fn packets(report: &Value) -> Result<()> {
    let packets = items(report, "packets")?;
    for (title, targets) in
        [("Công văn số 12", 1), ("1542/SKHCN-CĐS", 2), ("Bản đồ quy hoạch (64 MiB)", 1)]
    {
        let packet = packets
            .iter()
            .find(|packet| packet["title"] == title)
            .with_context(|| format!("{title} was sent"))?;
        ensure!(packet["state"] == "completed", "{title} is completed");
        ensure!(items(packet, "targets")?.len() == targets, "{title} had {targets} targets");
        let way = items(packet, "way")?;
        let count = |what: &str| way.iter().filter(|step| step["what"] == what).count();
        for what in ["accepted", "confirmed"] {
            ensure!(count(what) == targets, "{title}: {what} {} times", count(what));
        }
        ensure!(count("sealed") == 1 && count("ended") == 1, "{title} was sealed and ended once");
        // Acknowledged means a majority held it, and all who held it have forgotten it.
        ensure!(count("purged") >= 2 && count("purge_debt") == 0, "{title} is gone");
        ensure!(way.iter().all(|step| step["at"].is_string()), "{title}: each step has a time");
    }
    let large = packets.iter().find(|packet| packet["size"] == LARGE);
    let large = large.context("the large file was sent")?;
    ensure!(report["upload"]["packet"] == large["packet"], "it is the upload that was told");
    Ok(())
}

/// The leader died in the middle of the upload, which went on, and another one leads.
fn leader_killed(report: &Value) -> Result<()> {
    let killed = &report["killed"];
    let offset = killed["at_offset"].as_u64().context("an offset")?;
    ensure!(offset > 0 && offset < LARGE, "killed in the middle: {offset}");
    ensure!(killed["pid"].is_u64(), "a process was killed");
    ensure!(killed["new_leader"].is_u64(), "another one leads");
    ensure!(killed["new_leader"] != killed["node"], "and not the one that was killed");
    ensure!(report["upload"]["resumed"].as_u64() >= Some(1), "the upload went on after it");
    ensure!(report["upload"]["size"] == LARGE, "to its end");
    Ok(())
}

/// The content is gone, the search for it can find, and nothing of the trial stays behind.
fn forgotten(report: &Value) -> Result<()> {
    let status = report["purge"]["fetch_again_status"].as_u64().context("a status")?;
    ensure!((400..500).contains(&status), "fetching again is refused: {status}");
    let canary = &report["canary"];
    ensure!(items(canary, "found")?.is_empty(), "the canary is nowhere on the nodes");
    ensure!(canary["control"].as_u64() >= Some(1), "it is found in what was received");
    ensure!(canary["files"].as_u64() > Some(0) && canary["octets"].as_u64() > Some(0), "searched");
    let searched = items(canary, "directories")?;
    let logs = searched.iter().filter_map(Value::as_str).filter(|path| path.ends_with("/logs"));
    ensure!(logs.count() == 1, "the logs are searched too: {searched:?}");
    for node in items(report, "nodes")? {
        ensure!(searched.contains(&node["data_dir"]), "each node is searched: {searched:?}");
        let directory = node["data_dir"].as_str().context("a node's directory")?;
        ensure!(!Path::new(directory).exists(), "{directory} stays behind");
    }
    Ok(())
}

/// Case 24 of the field: however it is ended, a demonstration's secrets do not stay behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demonstration_that_is_ended_leaves_nothing() {
    for signal in [Signal::HUP, Signal::INT, Signal::TERM, Signal::QUIT] {
        leaves_nothing(signal).await;
    }
}

async fn leaves_nothing(signal: Signal) {
    let place = tempfile::tempdir().expect("a directory");
    let variable = format!("TMPDIR={}", place.path().display());
    let program = Program::at(env!("CARGO_BIN_EXE_node")).under(&["env", &variable]);
    let mut demo = program.begin(&["demo", "--lang", "en"]).expect("it begins");
    eventually("the first node has its administrator", DEMO_TIME_MAX, async || {
        let made = std::fs::read_dir(place.path()).ok()?.flatten().next()?.path();
        let nodes = std::fs::read_dir(made).ok()?.flatten();
        nodes.map(|node| node.path().join("admin.secret")).find(|path| path.exists())
    })
    .await
    .expect("a secret is on the disk");
    let pid = demo.id().and_then(|id| Pid::from_raw(id as i32)).expect("it runs");
    kill_process(pid, signal).expect("a signal");
    let ended = tokio::time::timeout(DEMO_TIME_MAX, demo.wait()).await;
    ended.expect("it ends").expect("by itself");
    let left: Vec<_> = std::fs::read_dir(place.path()).expect("it is there").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}
