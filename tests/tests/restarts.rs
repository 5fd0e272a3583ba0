//! Planned restarts under load: whoever waits half a second sees no 503; and profiles that know every
//! node, learn of new addresses, and are blinded by no node that is down.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lgsp_tests::{
    harness::{Cluster, Party, Program, eventually},
    wire::Endpoint,
};
use tokio::task::JoinHandle;

/// Between two tries of a caller that waits, and between two of its requests.
const PAUSE: Duration = Duration::from_millis(50);
/// What a caller waits for who waits half a second.
const HALF_A_SECOND: Duration = Duration::from_millis(500);
/// How often all nodes are restarted at once: who is elected, and how soon, differs.
const TOGETHER: usize = 5;
/// Until a profile has learned of an address, with commands that meet nodes which are down.
const LEARNED_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a command may take although nodes are down.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_are_not_noticed_by_who_waits_half_a_second() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    rolling(&mut cluster).await.unwrap_or_else(|error| panic!("one after the other: {error:?}"));
    for _ in 0..TOGETHER {
        together(&mut cluster).await.unwrap_or_else(|error| panic!("all at once: {error:?}"));
    }
    profiles(&mut cluster).await.unwrap_or_else(|error| panic!("profiles: {error:?}"));
}

/// Every node is restarted in its turn; a caller goes to another node when one does not answer.
async fn rolling(cluster: &mut Cluster) -> Result<()> {
    let callers = Callers::start(cluster, &[0, 1, 2]).await?;
    for index in 0..cluster.nodes.len() {
        callers.progress(10).await?;
        cluster.nodes[index].stop().await?;
        cluster.restart(index).await?;
        cluster.whole().await?;
    }
    callers.progress(10).await?;
    let seen = callers.stop().await?;
    println!("one after the other: {seen:?}");
    seen.check()?;
    Ok(())
}

/// All nodes are stopped and started: from the moment that a node listens again, its callers wait at
/// it instead of being refused.
async fn together(cluster: &mut Cluster) -> Result<()> {
    for node in &mut cluster.nodes {
        node.stop().await?;
    }
    for node in &mut cluster.nodes {
        node.start()?;
    }
    let callers = Callers::start_later(cluster, &[0, 1, 2]).await?;
    callers.progress(10).await?;
    let seen = callers.stop().await?;
    println!("all at once: {seen:?}");
    seen.check()?;
    cluster.whole().await
}

/// What callers have met.
#[derive(Debug, Default)]
struct Seen {
    /// Requests that were answered.
    answered: u64,
    /// Answers of 503 among all tries.
    refused: u64,
    /// Requests that were still refused after half a second.
    refused_late: u64,
    /// The longest time from the first refusal of a request to its answer.
    longest_refused: Duration,
}

impl Seen {
    /// Whoever waits half a second, at one node after the other, is not refused any more.
    fn check(&self) -> Result<()> {
        ensure!(self.refused_late == 0, "refused after half a second: {self:?}");
        Ok(())
    }
}

/// Callers at work, one a node.
struct Callers {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Result<Seen>>>,
}

impl Callers {
    async fn start(cluster: &Cluster, first: &[usize]) -> Result<Self> {
        let source = cluster.party("H41.60", &["send"]).await?;
        let target = cluster.party("H41.61", &["receive"]).await?;
        Ok(Self::of(cluster, first, source, &target.unit))
    }

    /// The same with parties that are there already, as nobody answers yet.
    async fn start_later(cluster: &Cluster, first: &[usize]) -> Result<Self> {
        let admin = Party { unit: "H41".into(), key: cluster.admin.clone() };
        Ok(Self::of(cluster, first, admin, "H41.61"))
    }

    fn of(cluster: &Cluster, first: &[usize], source: Party, target: &str) -> Self {
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let tasks = first.iter().map(|&first| {
            let (stop, count) = (stop.clone(), count.clone());
            let (source, target, doors) = (source.clone(), target.to_owned(), cluster.endpoints());
            tokio::spawn(async move {
                let mut seen = Seen::default();
                let mut turn = first;
                while !stop.load(Relaxed) {
                    call(&source, &target, &doors, &mut turn, &mut seen).await?;
                    count.fetch_add(1, Relaxed);
                    // The machine is shared with the nodes that restart.
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(seen)
            })
        });
        let tasks = tasks.collect();
        Self { stop, count, tasks }
    }

    async fn progress(&self, more: u64) -> Result<()> {
        let goal = self.count.load(Relaxed) + more;
        eventually("requests are answered", Duration::from_secs(60), async || {
            let failed = self.tasks.iter().any(JoinHandle::is_finished);
            (failed || self.count.load(Relaxed) >= goal).then_some(())
        })
        .await
    }

    async fn stop(self) -> Result<Seen> {
        self.stop.store(true, Relaxed);
        let mut all = Seen::default();
        for task in self.tasks {
            let seen = task.await??;
            all.answered += seen.answered;
            all.refused += seen.refused;
            all.refused_late += seen.refused_late;
            all.longest_refused = all.longest_refused.max(seen.longest_refused);
        }
        Ok(all)
    }
}

/// One submission, tried at one node after the other until it is answered.
async fn call(
    source: &Party,
    target: &str,
    doors: &[Arc<Endpoint>],
    turn: &mut usize,
    seen: &mut Seen,
) -> Result<()> {
    let mut refused_at: Option<Instant> = None;
    loop {
        let door = &doors[*turn % doors.len()];
        let answer = match source.submit(door, &[target], "restart", b"restart", "").await {
            Ok(answer) if answer.status != 503 => answer,
            other => {
                if other.is_ok() {
                    seen.refused += 1;
                    let since = refused_at.get_or_insert_with(Instant::now).elapsed();
                    seen.refused_late += u64::from(since >= HALF_A_SECOND);
                }
                *turn += 1;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        ensure!(answer.is_success(), "a submission is answered with {}", answer.summary());
        seen.answered += 1;
        let refused = refused_at.map_or(Duration::ZERO, |since| since.elapsed());
        seen.longest_refused = seen.longest_refused.max(refused);
        return Ok(());
    }
}

/// The administrator's profile names the first node alone; it learns the others, and follows them.
async fn profiles(cluster: &mut Cluster) -> Result<()> {
    let profile = cluster.nodes[0].data.join("admin.toml");
    fs::set_permissions(&profile, fs::Permissions::from_mode(0o640))?;
    let program = cluster.program().clone();
    let list = async |profile: &Path| asks(&program, profile).await;
    list(&profile).await?;
    known(&profile, cluster)?;
    ensure!(fs::metadata(&profile)?.permissions().mode() & 0o777 == 0o640, "the mode stays");
    // A copy elsewhere, for the first node will be down.
    let copy: PathBuf = cluster.root().join("admin.toml");
    for (from, to) in [("admin.toml", "admin.toml"), ("admin.secret", "admin.secret")] {
        let to = cluster.root().join(to);
        fs::copy(cluster.nodes[0].data.join(from), &to)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600))?;
    }
    cluster.nodes[0].stop().await?;
    list(&copy).await.context("the first node is down")?;
    // The last node moves; the profile learns where to.
    cluster.nodes[2].stop().await?;
    cluster.nodes[2].readdress()?;
    cluster.restart(2).await?;
    let moved = cluster.nodes[2].url();
    eventually("the profile knows the new address", LEARNED_TIME_MAX, async || {
        list(&copy).await.ok()?;
        fs::read_to_string(&copy).ok()?.contains(&moved).then_some(())
    })
    .await?;
    // A node that accepts nothing and refuses nothing blinds nobody either.
    cluster.restart(0).await?;
    cluster.nodes[0].freeze()?;
    let listed = list(&copy).await.context("the first node is frozen");
    cluster.nodes[0].thaw()?;
    listed?;
    cluster.whole().await?;
    known(&copy, cluster)
}

/// A command by a profile, which must succeed in time.
async fn asks(program: &Program, profile: &Path) -> Result<()> {
    let begun = Instant::now();
    let profile = profile.display().to_string();
    program.run_well(&["unit", "list", "--profile", &profile]).await?;
    ensure!(begun.elapsed() < COMMAND_TIME_MAX, "it took {:?}", begun.elapsed());
    Ok(())
}

/// Whether a profile names every node.
fn known(profile: &Path, cluster: &Cluster) -> Result<()> {
    let text = fs::read_to_string(profile)?;
    for node in &cluster.nodes {
        ensure!(text.contains(&node.url()), "{} is not in {text}", node.url());
    }
    Ok(())
}
