//! Power cuts and failing disks.
//!
//! All three nodes lie on one file system in an image; at a cut the image is copied as it is, the
//! nodes are killed, and they start again on the copy: what was not flushed is gone. As the negative
//! control the same is done with a disk that lies about flushing, and the loss must be seen. Needs
//! root, loop devices, mkfs.ext4 and strace; a step that cannot be done says so.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use lgsp_tests::harness::{Cluster, Layout, Program, Traffic, eventually};
use tempfile::TempDir;

/// Room for three nodes' logs, states and segments.
const IMAGE_SIZE: &str = "3G";
/// Power cuts of all nodes at once.
const CUTS: usize = 4;
/// A copy that was disturbed by a write is taken again, so often.
const COPIES_MAX: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    match Disk::make() {
        Err(missing) => eprintln!("power cuts are left out: {missing:#}"),
        Ok(disk) => {
            power_cuts(&program, disk).await.unwrap_or_else(|error| panic!("{error:?}"));
            if has("strace") {
                lying_disk(&program).await.unwrap_or_else(|error| panic!("{error:?}"));
            } else {
                eprintln!("the lying disk is left out: strace is not here");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_fails_acknowledges_nothing() {
    if !has("strace") {
        eprintln!("failing disks are left out: strace is not here");
        return;
    }
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    failing_disk(&mut cluster).await.unwrap_or_else(|error| panic!("{error:?}"));
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
    fn make() -> Result<Self> {
        let directory = TempDir::with_prefix("lgsp-power-")?;
        let image = directory.path().join("disk0");
        fs::create_dir(directory.path().join("mount"))?;
        run("truncate", &["-s", IMAGE_SIZE, text(&image)?])?;
        run(
            "mkfs.ext4",
            &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", text(&image)?],
        )?;
        let mut disk = Self { directory, image, cuts: 0, mounted: false };
        disk.mount()?;
        Ok(disk)
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
    fn replace(&mut self, copy: PathBuf) -> Result<()> {
        self.unmount()?;
        fs::remove_file(&self.image)?;
        self.image = copy;
        self.mount()
    }

    fn unmount(&mut self) -> Result<()> {
        if self.mounted {
            run("umount", &[text(&self.root())?])?;
            self.mounted = false;
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
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
        self.disk.replace(copy)
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
/// above shows nothing.
async fn lying_disk(program: &Program) -> Result<()> {
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
    let mut powered = Powered::start(program, Disk::make()?).await?;
    for node in &mut powered.cluster.nodes {
        node.stop().await?;
    }
    run("sync", &["-f", text(&powered.disk.root())?])?;
    powered.restart(&liar).await?;
    let traffic = Traffic::start(&powered.cluster, 4).await?;
    traffic.progress(60).await?;
    powered.cut().await?;
    let ledger = traffic.stop().await?;
    // Either the nodes see the damage and refuse, or packets are missing: both are the loss.
    let outcome = match powered.restart(program).await {
        Ok(()) => ledger.check(&powered.cluster).await,
        Err(refused) => Err(refused),
    };
    let Err(loss) = outcome else {
        bail!("a disk that lies has lost nothing: the power cuts prove nothing")
    };
    eprintln!("the lying disk was found out: {:.200}", format!("{loss:#}"));
    Ok(())
}

/// One follower's disk fails at some flush: it stops or refuses, the others go on, and it comes back.
async fn failing_disk(cluster: &mut Cluster) -> Result<()> {
    let traffic = Traffic::start(cluster, 3).await?;
    for (call, error, at) in
        [("fdatasync", "EIO", 40), ("fdatasync", "ENOSPC", 90), ("fsync", "EIO", 12)]
    {
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
        cluster.nodes[index].start_as(&failing, &[])?;
        traffic
            .progress(60)
            .await
            .with_context(|| format!("while {call} gives {error} on one node"))?;
        // It may have ended by itself; if not, it is ended, as an operator would.
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
