//! Somebody else fills the disk of all nodes to the last octet, under load: what frees room goes on,
//! new packets are refused, and nothing is lost.
//!
//! All nodes lie on a small file system of their own: ext4 in an image, or one in memory. Needs root;
//! where neither may be mounted that is said on the real standard error.

use std::{fs, io::Write as _, path::Path, process::Command, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use lgsp_tests::{
    harness::{Cluster, Layout, Party, Program, digest_of, eventually},
    wire::{Conn, Endpoint, Request},
};
use serde_json::json;
use tempfile::TempDir;

/// Room for three nodes with their spares, and little more.
const SIZE: &str = "1200M";
/// What contents leave free; more than the spares of all three nodes, who give them back to one disk here.
const RESERVE: &str = "256 MiB";
/// What each node keeps for its log and state.
const SPARE: &str = "64 MiB";
/// Packets on their way when the disk fills; each is ended in one of three ways.
const PACKETS: usize = 30;
/// How long anything may take on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_go_on_when_somebody_else_has_filled_the_disk() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let Some(disk) = Disk::make() else { return };
    let done = fill(&program, &disk.root()).await;
    done.unwrap_or_else(|error| panic!("{error:#}"));
}

/// A small file system; unmounted with its end.
struct Disk(TempDir);

impl Disk {
    fn make() -> Option<Self> {
        let directory = TempDir::with_prefix("lgsp-full-").expect("a temporary directory");
        let (image, root) = (directory.path().join("image"), directory.path().join("mount"));
        fs::create_dir(&root).expect("made");
        let (image, at) = (image.display().to_string(), root.display().to_string());
        let ext4 = does("truncate", &["-s", SIZE, &image])
            && does("mkfs.ext4", &["-q", "-F", "-m", "0", &image])
            && does("mount", &["-o", "loop", &image, &at]);
        let size = format!("size={SIZE}");
        if ext4 || does("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &at]) {
            return Some(Self(directory));
        }
        let required = std::env::var_os("LGSP_REQUIRE_POWER").is_some();
        let line = "LEFT OUT: a full disk: no file system may be mounted here\n";
        assert!(!required || !has("mkfs.ext4"), "LGSP_REQUIRE_POWER is set: {line}");
        drop(std::io::stderr().write_all(line.as_bytes()));
        None
    }

    fn root(&self) -> std::path::PathBuf {
        self.0.path().join("mount")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The nodes have been ended; what lingers lets go of it in its own time.
        does("umount", &["-l", &self.root().display().to_string()]);
    }
}

fn does(tool: &str, arguments: &[&str]) -> bool {
    Command::new(tool).args(arguments).output().is_ok_and(|done| done.status.success())
}

/// Writes to the last octet, as fast as a good disk takes it. A node measures the disk in the moment before its state is
/// written; whoever takes 32 MiB in between ends it, which a file system in memory makes possible and no disk does.
fn fill_up(path: &Path) -> Result<()> {
    const PIECE: usize = 4 << 20;
    const PIECE_TIME: Duration = Duration::from_millis(10);
    let mut file = fs::File::create(path)?;
    let zeros = vec![0; PIECE];
    let mut size = PIECE;
    loop {
        match file.write(&zeros[..size]) {
            Ok(_) => std::thread::sleep(PIECE_TIME * u32::from(size == PIECE)),
            // What is left has no room for so much: less of it has.
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull && size > 4096 => {
                size /= 2
            }
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn has(tool: &str) -> bool {
    does("sh", &["-c", &format!("command -v {tool}")])
}

/// Submits until it is told to stop; the packets that were acknowledged come back.
async fn load(
    source: Party,
    target: String,
    at: Arc<Endpoint>,
    stop: Arc<tokio::sync::Notify>,
) -> Vec<String> {
    let mut taken = Vec::new();
    let stopped = stop.notified();
    tokio::pin!(stopped);
    loop {
        let content = format!("packet {} under load", taken.len());
        let targets = [target.as_str()];
        let sent = source.submit(&at, &targets, "load", content.as_bytes(), "");
        tokio::select! {
            () = &mut stopped => return taken,
            sent = sent => match sent {
                Ok(answer) if answer.is_success() => taken.push(answer.text("/packet")),
                // A full disk, or a node that is being busy: the next one is tried.
                Ok(_) | Err(_) => tokio::task::yield_now().await,
            },
        }
    }
}

async fn fill(program: &Program, root: &Path) -> Result<()> {
    let prepare = |node: &lgsp_tests::harness::NodeProcess| {
        node.configure(|config| {
            let storage = config.entry("storage").or_insert_with(|| toml::Table::new().into());
            let storage = storage.as_table_mut().expect("storage is a table");
            storage.insert("reserve".into(), RESERVE.into());
            storage.insert("spare".into(), SPARE.into());
        })
    };
    let layout = Layout::Kept(root.join("cluster"));
    let mut cluster = Cluster::start_in(program, 3, layout, prepare).await?;
    let done = play(&mut cluster, root).await;
    if done.is_err() {
        cluster.show_logs();
    }
    done
}

async fn play(cluster: &mut Cluster, root: &Path) -> Result<()> {
    let source = cluster.party("H41.01", &["send"]).await?;
    let target = cluster.party("H41.02", &["receive"]).await?;
    let mut waiting = Vec::new();
    for number in 0..PACKETS {
        let content = format!("it was there before, number {number}");
        let at = cluster.endpoint(number % 3);
        let sent = source.submit(&at, &[&target.unit], "before", content.as_bytes(), "").await?;
        waiting.push((sent.success()?.text("/packet"), content));
    }

    let stop = Arc::new(tokio::sync::Notify::new());
    let loads: Vec<_> = (0..2)
        .map(|index| {
            let (party, at) = (source.clone(), cluster.endpoint(index));
            tokio::spawn(load(party, target.unit.clone(), at, stop.clone()))
        })
        .collect();
    let fill = root.join("fill");
    let path = fill.clone();
    tokio::task::spawn_blocking(move || fill_up(&path)).await??;
    for index in 0..3 {
        let at = cluster.endpoint(index);
        eventually("a new packet gets 507", TIME_MAX, async || {
            let sent = source.submit(&at, &[&target.unit], "full", b"full", "").await.ok()?;
            (sent.status == 507).then_some(())
        })
        .await?;
        // Another node may have had no room for that submit; this one sees it at its next look.
        eventually("a packet that is opened gets 507", TIME_MAX, async || {
            let open = Request::post("/v1/packets", &Party::request(&[&target.unit], "full"));
            let answer = cluster.call(index, &source.key, open).await.ok()?;
            answer.problem(507, "disk_full").ok().map(drop)
        })
        .await?;
    }

    // What frees room goes on, at every node.
    for (number, (packet, content)) in waiting.iter().enumerate() {
        let index = number % 3;
        let at = cluster.endpoint(index);
        let body = eventually("a packet ends", TIME_MAX, async || match number / (PACKETS / 3) {
            0 => target.receive(&at, packet).await.ok().map(|body| body.to_vec()),
            1 => {
                let reason = json!({ "reason": "gửi nhầm" });
                let reject = Request::post(format!("/v1/packets/{packet}/reject"), &reason);
                let answer = cluster.call(index, &target.key, reject).await.ok()?;
                answer.is_success().then(Vec::new)
            }
            _ => {
                let cancel = Request::post(format!("/v1/packets/{packet}/cancel"), &json!({}));
                let answer = cluster.call(index, &source.key, cancel).await.ok()?;
                answer.is_success().then(Vec::new)
            }
        })
        .await?;
        ensure!(body.is_empty() || digest_of(&body) == digest_of(content.as_bytes()), "unchanged");
    }
    for node in &mut cluster.nodes {
        ensure!(node.is_running(), "{} ended:\n{}", node.name, node.log_tail());
    }

    fs::remove_file(&fill)?;
    let at = cluster.endpoint(0);
    eventually("there is room again", TIME_MAX, async || {
        let sent = source.submit(&at, &[&target.unit], "after", b"after", "").await.ok()?;
        sent.is_success().then_some(())
    })
    .await?;
    stop.notify_waiters();
    let mut taken = 0;
    for load in loads {
        for packet in load.await? {
            source.packet(&at, &packet).await?.success().context("acknowledged under load")?;
            taken += 1;
        }
    }
    println!("{taken} packets were taken under load, and none is lost");
    cluster.whole().await?;
    for (packet, _) in &waiting {
        let known: Result<_> = Conn::new(&at)
            .call(&source.key.sign(&at.authority, Request::get(format!("/v1/packets/{packet}"))))
            .await;
        known?.success()?;
    }
    for node in &mut cluster.nodes {
        node.stop().await?;
    }
    Ok(())
}
