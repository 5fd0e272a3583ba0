//! The processes: three nodes with directories and ports of their own, ended by their ids.

use std::{
    fs::File,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use model::NodeId;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::Show;
use crate::{cli::Failure, config, texts::demo as d, trial::Addresses};

/// The nodes: the smallest number that survives the loss of one.
pub const NODES: usize = 3;
/// How long a node may take to stop by itself before it is killed.
const STOP_MAX: Duration = Duration::from_secs(8);

/// One node of the trial.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub number: usize,
    /// Its data directory.
    pub directory: PathBuf,
    /// Where it listens.
    pub addresses: Addresses,
    child: Option<Child>,
    log: PathBuf,
}

impl Node {
    /// Its number in the cluster: nodes join one after another.
    pub fn id(&self) -> NodeId {
        NodeId(self.number as u64)
    }

    /// The process that it runs as.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }
}

/// The nodes of the trial.
#[derive(Debug)]
pub struct Cluster {
    /// Where everything of the trial lies.
    pub root: PathBuf,
    /// The nodes.
    pub nodes: Vec<Node>,
    program: PathBuf,
    show: Show,
}

impl Cluster {
    /// Chooses directories and free ports; nothing runs yet.
    pub fn new(root: PathBuf, show: Show) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| show.failed(d::STEP_START, error.to_string());
        let logs = logs_under(&root);
        std::fs::create_dir(&logs).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let mut nodes = Vec::with_capacity(NODES);
        for number in 1..=NODES {
            nodes.push(Node {
                number,
                directory: root.join(format!("node-{number}")),
                addresses: Addresses::free(Ipv4Addr::LOCALHOST.into()).map_err(failed)?,
                child: None,
                log: logs.join(format!("node-{number}.log")),
            });
        }
        Ok(Self { root, nodes, program, show })
    }

    /// Where the nodes' logs lie.
    pub fn logs(&self) -> PathBuf {
        logs_under(&self.root)
    }

    /// The node's arguments for `init` and `join`.
    fn node_args(&self, index: usize) -> Vec<String> {
        let node = &self.nodes[index];
        let name = format!("nut-{}", node.number);
        let mut flags = node.addresses.flags(&name, &node.directory);
        flags.extend(["--host".to_owned(), "localhost".into()]);
        flags
    }

    /// `lgsp init` for the first node.
    pub async fn init(&self) -> Result<(), Failure> {
        let mut args = vec![
            "init".to_owned(),
            "--zone".into(),
            "H41".into(),
            "--cluster-name".into(),
            "dung-thu".into(),
        ];
        args.extend(self.node_args(0));
        self.command(args, None).await
    }

    /// `lgsp join` for a further node. The token goes by the surroundings: arguments can be seen.
    pub async fn join(&self, index: usize, token: &str) -> Result<(), Failure> {
        let mut args = vec!["join".to_owned(), self.nodes[0].addresses.url()];
        args.extend(self.node_args(index));
        self.command(args, Some(token)).await
    }

    async fn command(&self, args: Vec<String>, token: Option<&str>) -> Result<(), Failure> {
        let shown = format!("lgsp {}", args.first().map(String::as_str).unwrap_or_default());
        let mut command = Command::new(&self.program);
        command.args(&args).stdin(Stdio::null()).kill_on_drop(true).env_remove("LGSP_PROFILE");
        if let Some(token) = token {
            command.env("LGSP_JOIN_TOKEN", token);
        }
        let output = command
            .output()
            .await
            .map_err(|error| self.show.failed(d::STEP_START, error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
        let why = self.show.out.fill(d::COMMAND, &[("command", &shown), ("last", &said)]);
        Err(self.show.failed(d::STEP_START, why))
    }

    /// Starts a node's process; its log goes to a file.
    pub fn start(&mut self, index: usize) -> Result<(), Failure> {
        let show = self.show;
        let failed = |error: std::io::Error| show.failed(d::STEP_START, error.to_string());
        let node = &mut self.nodes[index];
        let log = File::options().create(true).append(true).open(&node.log).map_err(failed)?;
        let mut command = Command::new(&self.program);
        command
            .arg("run")
            .arg("--config")
            .arg(node.directory.join(config::FILE))
            .arg("--attached")
            // Held open by us: when we die, however it happens, the node sees the end of it.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C at the terminal is ours to answer, not theirs.
            .process_group(0)
            .kill_on_drop(true);
        node.child = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    /// Fails if a node that should run has ended.
    pub fn check_alive(&mut self) -> Result<(), Failure> {
        for node in &mut self.nodes {
            let Some(child) = &mut node.child else { continue };
            if let Ok(Some(status)) = child.try_wait() {
                node.child = None;
                return Err(exited(self.show, node.number, status, &node.log));
            }
        }
        Ok(())
    }

    /// SIGKILL: the process is gone when this returns.
    pub async fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.nodes[index].child.take() {
            // It may have ended by itself; then there is nothing to kill.
            child.kill().await.ok();
        }
    }

    /// Ends every node: asked first, killed if it does not.
    pub async fn stop(&mut self) {
        let children: Vec<Child> =
            self.nodes.iter_mut().filter_map(|node| node.child.take()).collect();
        for child in &children {
            if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id as i32)) {
                kill_process(pid, Signal::TERM).ok();
            }
        }
        let deadline = tokio::time::Instant::now() + STOP_MAX;
        for mut child in children {
            if tokio::time::timeout_at(deadline, child.wait()).await.is_err() {
                child.kill().await.ok();
            }
        }
    }

    /// The program, as a person types it here.
    pub fn program(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let short = self.program.strip_prefix(&here).map(Path::to_owned);
        crate::verbs::quoted(&short.unwrap_or_else(|_| self.program.clone()))
    }
}

/// Where the logs of a trial lie.
pub fn logs_under(root: &Path) -> PathBuf {
    root.join("logs")
}

fn exited(show: Show, number: usize, status: ExitStatus, log: &Path) -> Failure {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let last =
        text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
    let why = show.out.fill(d::EXITED, &[("node", &number), ("status", &status), ("last", &last)]);
    show.failed(d::STEP_START, why)
}
