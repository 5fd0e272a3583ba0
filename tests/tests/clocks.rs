//! Clocks jump under real nodes: one, a majority, all; by hours and by a hundred days, ahead and back;
//! while they run and while they are down. What waits stays, nothing is lost, one wrong node harms
//! nobody, and once the clocks are right everybody is let in again.
//!
//! The nodes' wall clocks are set by libfaketime (Debian's package `faketime`); their monotonic time
//! goes on as it does on a machine whose clock is set. Where the library is missing this is left out,
//! and says so; with `LGSP_REQUIRE_CLOCKS` set (continuous integration) that fails.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lgsp_tests::{
    harness::{Cluster, Party, Program, Traffic, digest_of, eventually, eventually_quick},
    wire::Endpoint,
};
use tokio::task::JoinHandle;

/// How long a cluster may take to see that clocks have jumped, or that they are right again. A
/// signature's window, five minutes, is what is promised.
const SEEN_TIME_MAX: Duration = Duration::from_secs(60);
/// Packets that wait through all of it.
const WAITING: usize = 12;
/// How far dates are apart that are the same, with a loaded machine between their readings.
const SAME_MS: i64 = 20_000;
const DAY_MS: i64 = 86_400_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_jump_and_come_right_again() {
    let Some(library) = library() else { return };
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let cluster = Cluster::start(&program, 3).await.expect("a cluster");
    let mut scene = Scene { clocks: Clocks { library, root: cluster.root().to_owned() }, cluster };
    let played = scene.play().await;
    if played.is_err() {
        scene.cluster.show_logs();
    }
    played.unwrap_or_else(|error| panic!("{error:?}"));
}

/// Where the library lies; none where it is missing and nobody demands it.
fn library() -> Option<PathBuf> {
    let below = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let found = below
        .chain([PathBuf::from("/usr/lib"), PathBuf::from("/usr/local/lib")])
        .map(|directory| directory.join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    if found.is_none() {
        let required = std::env::var_os("LGSP_REQUIRE_CLOCKS").is_some();
        assert!(!required, "LGSP_REQUIRE_CLOCKS is set, and libfaketime is not here");
        // Past the harness of tests, which shows nothing of a passing one.
        drop(std::io::stderr().write_all(b"LEFT OUT: clocks that jump: libfaketime is not here\n"));
    }
    found
}

/// The clocks of the nodes.
struct Clocks {
    library: PathBuf,
    root: PathBuf,
}

impl Clocks {
    fn file(&self, index: usize) -> PathBuf {
        self.root.join(format!("clock-{index}"))
    }

    /// Sets the clock of a node, as `+100d`; it runs on from there.
    fn set(&self, index: usize, offset: &str) -> Result<()> {
        let fresh = self.root.join("clock.new");
        fs::write(&fresh, format!("{offset}\n"))?;
        Ok(fs::rename(fresh, self.file(index))?)
    }

    fn variables(&self, index: usize) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file(index).display().to_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    /// A command of a machine whose clock is so far off.
    fn caller(&self, program: &Program, offset: &str) -> Program {
        let library = format!("LD_PRELOAD={}", self.library.display());
        let offset = format!("FAKETIME={offset}");
        program.under(&["env", &library, &offset, "FAKETIME_DONT_FAKE_MONOTONIC=1"])
    }
}

struct Scene {
    cluster: Cluster,
    clocks: Clocks,
}

impl Scene {
    async fn play(&mut self) -> Result<()> {
        for index in 0..3 {
            self.cluster.nodes[index].stop().await?;
            self.clocks.set(index, "+0")?;
        }
        self.start_all().await?;
        self.one_wrong_node_harms_nobody().await.context("one wrong node")?;

        let source = self.cluster.party("H41.60", &["send"]).await?;
        let target = self.cluster.party("H41.61", &["receive"]).await?;
        let mut waiting = Vec::new();
        for number in 0..WAITING {
            waiting.push(self.submit_waiting(&source, &target, number).await?);
        }
        let load = Load::start(&self.cluster, &source, &target);
        for offset in ["+100d", "-100d"] {
            let what = format!("a majority {offset} at run");
            self.majority_at_run(&load, offset).await.context(what)?;
        }
        self.callers_are_told().await.context("callers with wrong clocks")?;
        for (count, offset) in [(2, "+100d"), (3, "-100d")] {
            let what = format!("{count} clocks {offset} while down");
            self.while_down(&load, count, offset).await.context(what)?;
        }
        let sent = load.stop().await?;
        println!("{} packets were acknowledged between and beside the jumps", sent.len());
        waiting.extend(sent);
        self.all_is_there(&target, &waiting).await.context("what waited")?;
        self.off_for_months().await.context("off for months")
    }

    async fn start_all(&mut self) -> Result<()> {
        self.begin_all()?;
        for index in 0..3 {
            self.cluster.ready(index).await?;
        }
        Ok(())
    }

    /// Starts all. A node whose clock is wrong takes a certificate that is good by that clock, so that it
    /// cannot be asked by a right one whether it is ready.
    fn begin_all(&mut self) -> Result<()> {
        let program = self.cluster.program().clone();
        for index in 0..3 {
            let variables = self.clocks.variables(index);
            let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
            self.cluster.nodes[index].start_as(&program, &variables)?;
        }
        Ok(())
    }

    async fn stop_all(&mut self) -> Result<()> {
        for node in &self.cluster.nodes {
            node.signal(rustix::process::Signal::TERM)?;
        }
        for node in &mut self.cluster.nodes {
            node.ended(SEEN_TIME_MAX).await?;
        }
        Ok(())
    }

    /// The leader's clock is wrong, then a follower's: sources at every node go on, as does time.
    async fn one_wrong_node_harms_nobody(&mut self) -> Result<()> {
        let traffic = Traffic::start(&self.cluster, 2).await?;
        traffic.progress(10).await?;
        let leader = self.cluster.leader().await?;
        for (index, offset) in [(leader, "+100d"), ((leader + 1) % 3, "-3h")] {
            self.clocks.set(index, offset)?;
            self.offset_is_seen(index, |ms| ms.abs() > 3_000_000).await?;
            traffic.progress(30).await.with_context(|| format!("n{} {offset}", index + 1))?;
            self.clocks.set(index, "+0")?;
            self.offset_is_seen(index, |ms| ms.abs() < SAME_MS).await?;
        }
        // No source was refused once: an answer of 401 would have ended it.
        let ledger = traffic.stop().await?;
        ledger.check(&self.cluster).await
    }

    /// Whether a node other than the wrong one tells by how much it is wrong.
    async fn offset_is_seen(&self, index: usize, wanted: impl Fn(i64) -> bool) -> Result<()> {
        let asked = (index + 1) % 3;
        eventually("the wrong clock is told", SEEN_TIME_MAX, async || {
            let status = self.cluster.status(asked).await?;
            let node = status["nodes"].as_array()?.get(index)?.clone();
            wanted(node["clock_offset_ms"].as_i64()?).then_some(())
        })
        .await
    }

    async fn submit_waiting(
        &self,
        source: &Party,
        target: &Party,
        number: usize,
    ) -> Result<(String, String)> {
        let content = format!("cong van so {number} doi qua nhung ngay dong ho sai");
        let at = self.cluster.endpoint(number % 3);
        let units = [target.unit.as_str()];
        let sent = source.submit(&at, &units, "Công văn", content.as_bytes(), "").await?;
        Ok((sent.success()?.text("/packet"), digest_of(content.as_bytes())))
    }

    async fn majority_at_run(&self, load: &Load, offset: &str) -> Result<()> {
        let (one, other) = (self.cluster.leader().await?, self.cluster.follower().await?);
        load.acknowledges(5).await?;
        for index in [one, other] {
            self.clocks.set(index, offset)?;
        }
        load.is_locked_out().await?;
        self.told_at_a_node(0, false).await?;
        let right = Instant::now();
        for index in [one, other] {
            self.clocks.set(index, "+0")?;
        }
        load.acknowledges(1).await?;
        println!("a majority {offset} at run: let in again after {:?}", right.elapsed());
        self.cluster.whole().await
    }

    async fn while_down(&mut self, load: &Load, count: usize, offset: &str) -> Result<()> {
        load.acknowledges(5).await?;
        self.stop_all().await?;
        for index in 0..count {
            self.clocks.set(index, offset)?;
        }
        self.begin_all()?;
        load.is_locked_out().await?;
        self.stop_all().await?;
        for index in 0..count {
            self.clocks.set(index, "+0")?;
        }
        self.start_all().await?;
        let right = Instant::now();
        load.acknowledges(1).await?;
        println!("{count} clocks {offset} while down: let in again after {:?}", right.elapsed());
        self.cluster.whole().await
    }

    /// `lgsp cluster time show` at a node, which needs no signature.
    async fn told_at_a_node(&self, index: usize, right: bool) -> Result<serde_json::Value> {
        let data = self.cluster.nodes[index].data.display().to_string();
        let show = ["cluster", "time", "show", "--data-dir", &data, "-o", "json"];
        eventually("the time at a node is as wanted", SEEN_TIME_MAX, async || {
            let output = self.cluster.program().run(&show).await.ok()?;
            let told: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
            (output.status.code() == Some(if right { 0 } else { 3 })).then_some(told)
        })
        .await
    }

    /// Who comes with a wrong clock is told that it is the clock: `status`, and `join`.
    async fn callers_are_told(&mut self) -> Result<()> {
        let profile = self.cluster.nodes[0].data.join("admin.toml").display().to_string();
        let status = ["status", "--lang", "en", "--profile", &profile];
        let token = self.cluster.administer(lgsp_tests::wire::Request::post(
            "/v1/admin/join-tokens",
            &serde_json::json!({}),
        ));
        let token = token.await?["token"].as_str().context("a token")?.to_owned();
        let (url, data) = (self.cluster.nodes[0].url(), self.clocks.root.join("n9"));
        let data = data.display().to_string();
        let node = ["--data-dir", &data, "--name", "n9", "--mesh-advertise", "127.0.0.1:1"];
        let join = [&["join", &url, "--token", &token, "--lang", "en"][..], &node].concat();
        let join = [&join[..], &["--api-url", "https://127.0.0.1:1"]].concat();
        for offset in ["-3h", "+100d"] {
            let caller = self.clocks.caller(self.cluster.program(), offset);
            for command in [&status[..], &join] {
                let said = told(&caller.run(command).await?)?;
                ensure!(said.contains("(date)"), "{offset} {}: {said}", command[0]);
            }
        }
        let output = self.cluster.program().run(&status).await?;
        // How full the disk of this machine is may degrade it.
        ensure!(matches!(output.status.code(), Some(0 | 3)), "with a right clock: {output:?}");
        Ok(())
    }

    /// All that waited is there, and its content is what was sent.
    async fn all_is_there(&self, target: &Party, waiting: &[(String, String)]) -> Result<()> {
        for (number, (packet, digest)) in waiting.iter().enumerate() {
            let at = self.cluster.endpoint(number % 3);
            let content = target.receive(&at, packet).await.with_context(|| packet.clone())?;
            ensure!(digest_of(&content) == *digest, "{packet} came as another content");
        }
        Ok(())
    }

    /// It starts by itself with the date that it is; what it was off for is told with the command that
    /// ends it, and that command works at a node without a signature.
    async fn off_for_months(&mut self) -> Result<()> {
        self.stop_all().await?;
        for index in 0..3 {
            self.clocks.set(index, "+60d")?;
        }
        self.begin_all()?;
        let caller = self.clocks.caller(self.cluster.program(), "+60d");
        let profile = self.cluster.nodes[0].data.join("admin.toml").display().to_string();
        let check = ["check", "-o", "json", "--profile", &profile];
        let findings = async |wanted: bool| {
            eventually("check tells of the months", SEEN_TIME_MAX, async || {
                let output = caller.run(&check).await.ok()?;
                let told: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
                let behind = told["findings"].as_array()?.iter().find(|finding| {
                    finding["word"] == "time_behind"
                        && finding["fix"].as_str().is_some_and(|fix| fix.contains("time confirm"))
                });
                (behind.is_some() == wanted).then_some(())
            })
            .await
        };
        findings(true).await?;
        let data = self.cluster.nodes[1].data.display().to_string();
        let confirm = ["cluster", "time", "confirm", "--data-dir", &data, "-o", "json"];
        let confirmed = caller.run_well(&confirm).await?;
        let told: serde_json::Value = serde_json::from_str(&confirmed)?;
        let ahead = told["answer"]["trusted_ahead_ms"].as_i64().context("a number")?;
        ensure!(ahead.abs() < SAME_MS, "the trusted date follows: {told}");
        let date = told["answer"]["date"].as_i64().context("a date")?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        ensure!(date - now.as_millis() as i64 > 59 * DAY_MS, "the date is the clocks': {told}");
        findings(false).await
    }
}

/// What a command that was refused told.
fn told(output: &Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "it was answered: {said}");
    Ok(said)
}

/// A source with a right clock that goes on sending, whatever it is answered.
struct Load {
    acknowledged: Arc<AtomicU64>,
    locked_out: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    sender: JoinHandle<Vec<(String, String)>>,
}

impl Load {
    fn start(cluster: &Cluster, source: &Party, target: &Party) -> Self {
        let (acknowledged, locked_out) = (Arc::<AtomicU64>::default(), Arc::default());
        let stop = Arc::<AtomicBool>::default();
        let sender = Sender {
            doors: cluster.endpoints(),
            source: source.clone(),
            target: target.unit.clone(),
            acknowledged: acknowledged.clone(),
            locked_out: Arc::clone(&locked_out),
            stop: stop.clone(),
        };
        Self { acknowledged, locked_out, stop, sender: tokio::spawn(sender.run()) }
    }

    async fn acknowledges(&self, more: u64) -> Result<()> {
        let goal = self.acknowledged.load(Relaxed) + more;
        eventually_quick("packets are acknowledged", SEEN_TIME_MAX, async || {
            (self.acknowledged.load(Relaxed) >= goal).then_some(())
        })
        .await
    }

    /// Its signatures are out of the window, at every node one after the other, and for some seconds:
    /// deadlines are looked at each second.
    async fn is_locked_out(&self) -> Result<()> {
        let goal = self.locked_out.load(Relaxed) + 24;
        eventually_quick("right signatures are out of the window", SEEN_TIME_MAX, async || {
            (self.locked_out.load(Relaxed) >= goal).then_some(())
        })
        .await
    }

    /// The packets that were acknowledged, with their digests.
    async fn stop(self) -> Result<Vec<(String, String)>> {
        self.stop.store(true, Relaxed);
        Ok(self.sender.await?)
    }
}

struct Sender {
    doors: Vec<Arc<Endpoint>>,
    source: Party,
    target: String,
    acknowledged: Arc<AtomicU64>,
    locked_out: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Sender {
    async fn run(self) -> Vec<(String, String)> {
        let (mut sent, mut number) = (Vec::new(), 0);
        while !self.stop.load(Relaxed) {
            number += 1;
            let content = format!("goi tin so {number} trong khi dong ho nhay");
            let at = &self.doors[number % self.doors.len()];
            let (targets, repeat) = ([self.target.as_str()], format!("khoa-{number}"));
            let tried =
                self.source.submit(at, &targets, "Công văn", content.as_bytes(), &repeat).await;
            match tried {
                Ok(answer) if answer.is_success() => {
                    sent.push((answer.text("/packet"), digest_of(content.as_bytes())));
                    self.acknowledged.fetch_add(1, Relaxed);
                }
                Ok(answer) if answer.word() == "clock_out_of_window" => {
                    self.locked_out.fetch_add(1, Relaxed);
                }
                // A node whose clock is behind has a certificate that is over by a right clock.
                Err(error) if format!("{error:#}").contains("certificate") => {
                    self.locked_out.fetch_add(1, Relaxed);
                }
                // A node that starts, or has no leader yet.
                Ok(_) | Err(_) => {}
            }
            // A source, not a flood: each packet is received at the end.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        sent
    }
}
