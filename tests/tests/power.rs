//! Power cuts and failing disks.
//!
//! All three nodes lie on one file system in an image; at a cut the image is copied as it is, the
//! nodes are killed, and they start again on the copy: what was not flushed is gone. As the negative
//! control the same is done with a disk that lies about flushing, and the loss must be seen. Needs
//! root, loop devices, mkfs.ext4 and strace. What cannot be done is said on the real standard error,
//! also where the test passes; with `LGSP_REQUIRE_POWER` set (continuous integration) a missing tool
//! is a failure, and only what this kernel or this user may not do is left out.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use lgsp_tests::{
    harness::{Cluster, Layout, Program, Traffic, eventually},
    wire::Request,
};
use serde_json::json;
use tempfile::TempDir;

/// Room for three nodes' logs, states and segments.
const IMAGE_SIZE: &str = "3G";
/// Power cuts of all nodes at once.
const CUTS: usize = 4;
/// A copy that was disturbed by a write is taken again, so often.
const COPIES_MAX: usize = 50;
/// How long nodes are waited for that a disk has lied to: they come back within it, or they do not.
const RESTART_TIME_MAX: Duration = Duration::from_secs(25);
/// How long a disk may stay busy after its nodes were killed: a tracer holds the log that its node
/// wrote to, and ends only some time after it.
const BUSY_TIME_MAX: Duration = Duration::from_secs(20);
/// How long a disk that fails may go unnoticed: its node flushes many times a second under traffic,
/// and its state every few seconds.
const FAIL_TIME_MAX: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_power_goes() {
    if has_all("power cuts", &["truncate", "mkfs.ext4", "mount", "umount", "findmnt"]) {
        let program = Program::at(env!("CARGO_BIN_EXE_node"));
        cuts_and_a_lie(&program).await.unwrap_or_else(|error| panic!("{error:#}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_fails_acknowledges_nothing() {
    if !may_trace("failing disks") {
        return;
    }
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    failing_disk(&mut cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn cuts_and_a_lie(program: &Program) -> Result<()> {
    let Some(disk) = Disk::make()? else { return Ok(()) };
    power_cuts(program, disk).await?;
    if may_trace("the lying disk")
        && let Some(disk) = Disk::make()?
    {
        lying_disk(program, disk).await.context("the negative control")?;
    }
    Ok(())
}

/// Says that a scene is left out, past the harness of tests, which shows nothing of a passing one.
fn left_out(scene: &str, why: &str) {
    let line = format!("LEFT OUT: {scene}: {why}\n");
    // Who closed standard error does not want to know.
    drop(std::io::stderr().write_all(line.as_bytes()));
}

fn has_all(scene: &str, tools: &[&str]) -> bool {
    let missing: Vec<&str> = tools.iter().copied().filter(|tool| !has(tool)).collect();
    if missing.is_empty() {
        return true;
    }
    let required = std::env::var_os("LGSP_REQUIRE_POWER").is_some();
    assert!(!required, "LGSP_REQUIRE_POWER is set, and {scene} need {}", missing.join(", "));
    left_out(scene, &format!("not here: {}", missing.join(", ")));
    false
}

/// Whether strace is here and may do its work.
fn may_trace(scene: &str) -> bool {
    has_all(scene, &["strace"])
        && match run("strace", &["-qq", "-o", "/dev/null", "true"]) {
            Ok(_) => true,
            Err(refused) => {
                left_out(scene, &format!("{refused:#}"));
                false
            }
        }
}

fn has(tool: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {tool}")])
        .output()
        .is_ok_and(|done| done.status.success())
}

fn run(tool: &str, arguments: &[&str]) -> Result<String> {
    let done = Command::new(tool)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {tool}"))?;
    ensure!(
        done.status.success(),
        "{tool} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// A file system in an image, mounted; unmounted with its end.
struct Disk {
    directory: TempDir,
    image: PathBuf,
    cuts: usize,
    mounted: bool,
}

impl Disk {
    /// A file system in a fresh image; none where this kernel, or this user, may not mount it.
    fn make() -> Result<Option<Self>> {
        let directory = TempDir::with_prefix("lgsp-power-")?;
        let image = directory.path().join("disk0");
        fs::create_dir(directory.path().join("mount"))?;
        run("truncate", &["-s", IMAGE_SIZE, text(&image)?])?;
        run(
            "mkfs.ext4",
            &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", text(&image)?],
        )?;
        let mut disk = Self { directory, image, cuts: 0, mounted: false };
        if let Err(refused) = disk.mount() {
            left_out("power cuts", &format!("{refused:#}"));
            return Ok(None);
        }
        Ok(Some(disk))
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("mount")
    }

    /// A long commit interval: only what is flushed by name reaches the image.
    fn mount(&mut self) -> Result<()> {
        run("mount", &["-o", "loop,commit=300", text(&self.image)?, text(&self.root())?])?;
        self.mounted = true;
        Ok(())
    }

    /// Writes to the loop device so far, by its own account.
    fn writes(&self) -> Result<String> {
        let device = run("findmnt", &["-n", "-o", "SOURCE", text(&self.root())?])?;
        let name = device.rsplit('/').next().unwrap_or_default();
        let stat = fs::read_to_string(format!("/sys/block/{name}/stat"))?;
        let fields: Vec<&str> = stat.split_whitespace().collect();
        // Writes done, sectors, and what is under way.
        Ok([4, 6, 8].iter().filter_map(|&at| fields.get(at).copied()).collect::<Vec<_>>().join(" "))
    }

    /// What the disk holds at one moment. The nodes are frozen; a copy during which something was
    /// still written is thrown away.
    async fn copy(&mut self) -> Result<PathBuf> {
        self.cuts += 1;
        let copy = self.directory.path().join(format!("disk{}", self.cuts));
        for _ in 0..COPIES_MAX {
            let before = self.writes()?;
            run("cp", &["--sparse=always", text(&self.image)?, text(&copy)?])?;
            if before == self.writes()? && before.ends_with(" 0") {
                return Ok(copy);
            }
        }
        bail!("the disk does not come to rest")
    }

    /// Goes on with a copy, at the same place.
    async fn replace(&mut self, copy: PathBuf) -> Result<()> {
        let mut refused = None;
        let idle = eventually("nobody holds the disk", BUSY_TIME_MAX, async || {
            refused = self.unmount(&[]).err();
            refused.is_none().then_some(())
        });
        idle.await.with_context(|| format!("the last try: {refused:?}"))?;
        fs::remove_file(&self.image)?;
        self.image = copy;
        self.mount()
    }

    fn unmount(&mut self, options: &[&str]) -> Result<()> {
        if self.mounted {
            run("umount", &[options, &[text(&self.root())?]].concat())?;
            self.mounted = false;
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still holds it keeps it, unseen, until he ends.
        if let Err(error) = self.unmount(&["--lazy"]) {
            eprintln!("{error:#}");
        }
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("paths of tests are plain text")
}

/// The cluster lies on the disk, so it ends first.
struct Powered {
    cluster: Cluster,
    disk: Disk,
}

impl Powered {
    async fn start(program: &Program, disk: Disk) -> Result<Self> {
        let cluster = Cluster::start_in(program, 3, Layout::Kept(disk.root()), |_| Ok(())).await?;
        Ok(Self { cluster, disk })
    }

    /// Cuts the power of all nodes.
    async fn cut(&mut self) -> Result<()> {
        for node in &self.cluster.nodes {
            node.freeze()?;
        }
        let copy = self.disk.copy().await?;
        for node in &mut self.cluster.nodes {
            node.kill()?;
        }
        self.disk.replace(copy).await
    }

    async fn restart(&mut self, program: &Program) -> Result<()> {
        for node in &mut self.cluster.nodes {
            node.start_as(program, &[])?;
        }
        for index in 0..3 {
            self.cluster.ready(index).await?;
        }
        self.cluster.whole().await
    }
}

async fn power_cuts(program: &Program, disk: Disk) -> Result<()> {
    let mut powered = Powered::start(program, disk).await?;
    let traffic = Traffic::start(&powered.cluster, 4).await?;
    for cut in 0..CUTS {
        traffic.progress(30).await?;
        powered.cut().await.with_context(|| format!("cut {cut}"))?;
        powered.restart(program).await.with_context(|| format!("after cut {cut}"))?;
    }
    traffic.progress(30).await?;
    traffic.stop().await?.check(&powered.cluster).await
}

/// The negative control: a disk that says «flushed» and has not. The loss must show, or the test
/// above shows nothing: packets are missing, or a node sees that its log or state is damaged.
async fn lying_disk(program: &Program, disk: Disk) -> Result<()> {
    let liar = program.under(&[
        "strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync,sync_file_range,msync",
        "-e",
        "inject=fsync,fdatasync,sync_file_range,msync:retval=0",
    ]);
    let mut powered = Powered::start(program, disk).await?;
    for node in &mut powered.cluster.nodes {
        node.stop().await?;
    }
    run("sync", &["-f", text(&powered.disk.root())?])?;
    powered.restart(&liar).await?;
    let traffic = Traffic::start(&powered.cluster, 4).await?;
    traffic.progress(60).await?;
    powered.cut().await?;
    let ledger = traffic.stop().await?;
    let sizes: Vec<u64> = powered.cluster.nodes.iter().map(|node| node.log_size()).collect();
    // Whether they come back says nothing yet: a cluster may start whole with half of its packets.
    let back = tokio::time::timeout(RESTART_TIME_MAX, powered.restart(program)).await;
    let mut nodes = powered.cluster.nodes.iter().zip(sizes);
    if let Some((node, said)) = nodes.find_map(|(node, size)| {
        let said = node.said_since(size);
        said.lines().find(|line| line.contains("is damaged")).map(|line| (node, line.to_owned()))
    }) {
        eprintln!("the lying disk was found out by {}: {said}", node.name);
        return Ok(());
    }
    let missing = ledger.missing(&powered.cluster).await.with_context(|| match back {
        Ok(Ok(())) => "the nodes came back".to_owned(),
        Ok(Err(refused)) => format!("no node names a damage: {refused:#}"),
        Err(_) => format!("no node names a damage, nor is ready after {RESTART_TIME_MAX:?}"),
    })?;
    ensure!(missing > 0, "a disk that lies has lost nothing: the power cuts prove nothing");
    eprintln!(
        "the lying disk was found out: {missing} of {} packets are missing",
        ledger.sent.len()
    );
    Ok(())
}

/// One follower's disk fails at some flush: it names the error and ends by itself, or refuses what it
/// would have to write; the others go on, and it comes back.
async fn failing_disk(cluster: &mut Cluster) -> Result<()> {
    let traffic = Traffic::start(cluster, 3).await?;
    // The count is of each thread's own calls. Whole files are flushed more seldom than logs.
    // In the log stand the system's words; who starts a node and fails hears them in the language of the talk.
    let failed = ["Input/output error", "ổ đĩa báo lỗi khi đọc hoặc ghi"];
    let full = ["No space left on device", "ổ đĩa đã đầy"];
    for (call, error, at, reasons) in [
        ("fdatasync", "EIO", 40, failed),
        ("fdatasync", "ENOSPC", 90, full),
        ("fsync", "EIO", 2, failed),
    ] {
        traffic.progress(20).await?;
        let index = cluster.follower().await?;
        cluster.nodes[index].stop().await?;
        let inject = format!("inject={call}:error={error}:when={at}+");
        let failing = cluster.program().under(&[
            "strace",
            "-D",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={call}"),
            "-e",
            &inject,
        ]);
        let size = cluster.nodes[index].log_size();
        cluster.nodes[index].start_as(&failing, &[])?;
        traffic
            .progress(60)
            .await
            .with_context(|| format!("while {call} gives {error} on one node"))?;
        let what = format!("the node names one of {reasons:?} and ends, or refuses to write");
        let noticed = eventually(&what, FAIL_TIME_MAX, async || {
            let said = cluster.nodes[index].said_since(size);
            if !reasons.iter().any(|reason| said.contains(reason)) {
                return None;
            }
            let ended = !cluster.nodes[index].is_running();
            (ended || refuses(cluster, index).await).then_some(())
        });
        noticed.await.with_context(|| {
            format!("{call} gave {error}:\n{}", cluster.nodes[index].said_since(size))
        })?;
        if cluster.nodes[index].is_running() {
            cluster.nodes[index].kill()?;
        }
        eventually(
            "the node starts on a disk that works again",
            Duration::from_secs(40),
            async || {
                if !cluster.nodes[index].is_running() {
                    cluster.nodes[index].start().ok()?;
                }
                cluster.status(index).await.map(|_| ())
            },
        )
        .await
        .with_context(|| format!("after {call} gave {error}"))?;
        cluster.ready(index).await?;
        cluster.whole().await?;
    }
    traffic.progress(20).await?;
    traffic.stop().await?.check(cluster).await
}

/// Whether a node answers that it cannot do what it would have to write for.
async fn refuses(cluster: &Cluster, index: usize) -> bool {
    let request = Request::post("/v1/admin/join-tokens", &json!({}));
    let answer = cluster.call(index, &cluster.admin, request).await;
    answer.is_ok_and(|answer| matches!(answer.status, 500..=599))
}
