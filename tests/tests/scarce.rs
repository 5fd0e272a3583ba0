//! The system grants no thread any more while nodes run: storage has its own since the start, every caller is
//! served, and nothing looks like a failed disk. A node that gets too few of them does not start.
//!
//! The kernel bounds the threads of a user, and not those of root: the nodes run as somebody else, which root
//! alone can bring about. Otherwise the scene says what it leaves out; with `LGSP_REQUIRE_NETWORKS` set
//! (continuous integration) that fails.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use lgsp_tests::{
    harness::{Cluster, Layout, Party, Program, Traffic, digest_of, eventually},
    wire::Conn,
};
use tempfile::TempDir;

/// A user of whom nothing else runs.
const USER: &str = "64901";
/// Packets that go at once, each with a content that has a file of its own.
const AT_ONCE: usize = 24;
/// A content beyond what goes into a segment.
const CONTENT: usize = 1_500_000;
/// How long a step may take.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_thread_is_to_be_had_and_nothing_fails() {
    if !rustix::process::geteuid().is_root() {
        let required = std::env::var_os("LGSP_REQUIRE_NETWORKS").is_some();
        assert!(
            !required,
            "LGSP_REQUIRE_NETWORKS is set, and only root can run nodes as somebody else"
        );
        return println!("left out: only root can run nodes as somebody else");
    }
    let place = TempDir::with_prefix("lgsp-").expect("a directory");
    let program = program_for_all(place.path()).expect("a copy of the program");
    let nodes = place.path().join("nodes");
    let wrapped = as_user(&program, &nodes, "");
    let layout = Layout::Kept(nodes.clone());
    let cluster = Cluster::start_in(&wrapped, 3, layout, |_| Ok(()));
    let mut cluster = cluster.await.expect("a cluster");
    let few = as_user(&program, &nodes, "prlimit --nproc=12");
    let played = play(&mut cluster, &few).await;
    if let Err(error) = played {
        cluster.show_logs();
        panic!("{error:?}");
    }
}

async fn play(cluster: &mut Cluster, few: &Program) -> Result<()> {
    let traffic = Traffic::start(cluster, 2).await?;
    traffic.progress(5).await?;
    for node in &cluster.nodes {
        let pid = node.pid().context("it runs")?.to_string();
        // Whose process it is may lower its limits.
        let mut lower = tokio::process::Command::new("setpriv");
        lower.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
        lower.args(["prlimit", "--pid", &pid, "--nproc=1:1"]);
        ensure!(lower.status().await?.success(), "the limit of {} is lowered", node.name);
    }
    large(cluster).await?;
    traffic.progress(50).await?;
    for node in &mut cluster.nodes {
        ensure!(node.is_running(), "{} has ended", node.name);
        let log = node.said_since(0);
        for word in ["panicked", "disk failed", "no thread"] {
            ensure!(!log.contains(word), "{} says {word:?}", node.name);
        }
    }
    traffic.stop().await?.check(cluster).await?;

    cluster.nodes[2].stop().await?;
    let data = cluster.nodes[2].data.display().to_string();
    let refused = few.run(&["run", "--data-dir", &data, "--lang", "en"]).await?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(!refused.status.success() && said.contains("LGSP-9513"), "{said}");
    // Without the bound it comes back.
    cluster.restart(2).await?;
    cluster.whole().await
}

/// Contents with files of their own, many at once.
async fn large(cluster: &Cluster) -> Result<()> {
    let source = cluster.party("H41.66", &["send"]).await?;
    let target = cluster.party("H41.67", &["receive"]).await?;
    let sent = (0..AT_ONCE).map(|number| one(cluster, (&source, &target), number));
    try_join_all(sent).await.map(drop)
}

async fn one(cluster: &Cluster, (source, target): (&Party, &Party), number: usize) -> Result<()> {
    let (at, content) = (cluster.endpoint(number % 3), vec![number as u8; CONTENT]);
    let (title, size) = (format!("nhiều {number}"), CONTENT as u64);
    let (packet, space, token) = source.open(&at, &[&target.unit], &title, Some(size)).await?;
    let piece = Party::patch(&space, &token, 0, content.clone().into());
    Conn::new(&at).call(&piece).await?.success()?;
    source.commit(&at, &packet, size, &digest_of(&content)).await?.success()?;
    let got = eventually("it is received", STEP_TIME_MAX, async || {
        target.receive(&at, &packet).await.ok()
    })
    .await?;
    ensure!(got == content, "what was sent is received");
    Ok(())
}

/// The program as another user runs it, under further limits. The harness makes the directories as root.
fn as_user(program: &Program, nodes: &Path, limits: &str) -> Program {
    let nodes = nodes.display();
    let line = format!(
        "chmod 777 {nodes} {nodes}/n*; \
         exec setpriv --reuid {USER} --regid {USER} --clear-groups {limits} \"$0\" \"$@\""
    );
    program.under(&["/bin/sh", "-c", &line])
}

/// A copy of the program that any user may run, in a directory that any user may use.
fn program_for_all(place: &Path) -> Result<Program> {
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    open(place, 0o755)?;
    let program = place.join("lgsp");
    fs::copy(env!("CARGO_BIN_EXE_node"), &program)?;
    open(&program, 0o755)?;
    let nodes = place.join("nodes");
    fs::create_dir(&nodes)?;
    open(&nodes, 0o777)?;
    Ok(Program::at(program))
}
