//! One node as a process: it is started, stopped, killed, frozen, and ends with its owner.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use app::trial::{Addresses, free_port};
use rustix::process::{Pid, Signal, kill_process};

use super::eventually;

/// How long a command may take that only asks or tells: a debug build waits for elections too.
const RUN_TIME_MAX: Duration = Duration::from_secs(60);
/// How much of a log a failed test shows.
const LOG_LINES_MAX: usize = 60;

/// How the node's program is called.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    variable: Option<String>,
    wrapper: Vec<String>,
}

impl Program {
    /// The program at a path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), variable: None, wrapper: Vec::new() }
    }

    /// This very program, which becomes a node when this variable is set.
    pub fn this_with(variable: &str) -> Result<Self> {
        let path = std::env::current_exe().context("where this program is")?;
        Ok(Self { path, variable: Some(variable.to_owned()), wrapper: Vec::new() })
    }

    /// The same, run by another program, such as a tracer.
    pub fn under(&self, wrapper: &[&str]) -> Self {
        let wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        Self { wrapper, ..self.clone() }
    }

    fn command(&self) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&self.path),
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(&self.path);
                command
            }
        };
        command.stdin(Stdio::null());
        // What the developer has set for their own client must not steer the nodes of a test.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LGSP_") {
                command.env_remove(name);
            }
        }
        if let Some(variable) = &self.variable {
            command.env(variable, "1");
        }
        command
    }

    /// Runs it to its end. What it wrote comes back; an end without success is no error here.
    pub async fn run(&self, arguments: &[&str]) -> Result<Output> {
        self.run_for(RUN_TIME_MAX, arguments).await
    }

    /// The same for a command that may take its time.
    pub async fn run_for(&self, patience: Duration, arguments: &[&str]) -> Result<Output> {
        let output = self.begin(arguments)?.wait_with_output();
        tokio::time::timeout(patience, output)
            .await
            .with_context(|| format!("`{}` did not end in {patience:?}", arguments.join(" ")))?
            .with_context(|| format!("cannot run {}", self.path.display()))
    }

    /// Begins it; what it writes can be read on the way. It ends with the value.
    pub fn begin(&self, arguments: &[&str]) -> Result<tokio::process::Child> {
        let mut command = tokio::process::Command::from(self.command());
        command.args(arguments).env("LANG", "C").kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().with_context(|| format!("cannot run {}", self.path.display()))
    }

    /// Runs it to its end, which must be a success; what it wrote to standard output comes back.
    pub async fn run_well(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments).await?;
        ensure!(
            output.status.success(),
            "`{}` ended with {}: {}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout),
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Where a node runs: on which address, and in what.
#[derive(Debug, Clone)]
pub struct Place {
    /// The address that it listens on.
    pub address: IpAddr,
    /// The program that runs it there, with its arguments; empty for none.
    pub wrapper: Vec<String>,
}

impl Default for Place {
    /// On loopback.
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST.into(), wrapper: Vec::new() }
    }
}

/// A node: its directory, its addresses and, while it runs, its process.
#[derive(Debug)]
pub struct NodeProcess {
    /// Its name, as `n1`.
    pub name: String,
    /// Its data directory.
    pub data: PathBuf,
    /// What it writes to its standard streams.
    pub log: PathBuf,
    /// Where its API listens.
    pub api: SocketAddr,
    /// Where its mesh listens.
    pub mesh: SocketAddr,
    program: Program,
    child: Option<Child>,
}

impl NodeProcess {
    /// A node under `root`, with free ports, not yet initialised.
    pub(super) fn new(program: &Program, root: &Path, number: usize, place: Place) -> Result<Self> {
        let name = format!("n{number}");
        let home = root.join(&name);
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let Addresses { api, mesh } = Addresses::free(place.address)?;
        Ok(Self {
            data: home.join("data"),
            log: home.join("log.txt"),
            api,
            mesh,
            program: Program {
                wrapper: [place.wrapper, program.wrapper.clone()].concat(),
                ..program.clone()
            },
            child: None,
            name,
        })
    }

    /// The program that it is, where it runs.
    pub(super) const fn program(&self) -> &Program {
        &self.program
    }

    /// The URL of its API.
    pub fn url(&self) -> String {
        format!("https://{}", self.api)
    }

    /// The flags that `init` and `join` share.
    pub(super) fn addresses(&self) -> Vec<String> {
        Addresses { api: self.api, mesh: self.mesh }.flags(&self.name, &self.data)
    }

    /// Starts it on its directory.
    pub fn start(&mut self) -> Result<()> {
        self.start_as(&self.program.clone(), &[])
    }

    /// Starts it with further flags of `run`.
    pub fn start_with(&mut self, flags: &[&str]) -> Result<()> {
        self.spawn(&self.program.clone(), &[], flags)
    }

    /// Starts it by another program, such as one under a tracer, with variables set.
    pub fn start_as(&mut self, program: &Program, variables: &[(&str, &str)]) -> Result<()> {
        self.spawn(program, variables, &[])
    }

    fn spawn(
        &mut self,
        program: &Program,
        variables: &[(&str, &str)],
        flags: &[&str],
    ) -> Result<()> {
        ensure!(!self.is_running(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = program.command();
        command.args(["run", "--data-dir"]).arg(&self.data).args(flags);
        command.envs(variables.iter().copied());
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        self.child = Some(child);
        Ok(())
    }

    /// Changes its configuration, which it reads at its next start.
    pub fn configure(&self, change: impl FnOnce(&mut toml::Table)) -> Result<()> {
        let path = self.data.join("lgsp.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut table: toml::Table = text.parse().context("the configuration is TOML")?;
        change(&mut table);
        fs::write(&path, table.to_string())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Gives it new ports for mesh and API, as if it had moved; it must not run.
    pub fn readdress(&mut self) -> Result<()> {
        ensure!(!self.is_running(), "{} runs", self.name);
        self.mesh.set_port(free_port()?);
        self.api.set_port(free_port()?);
        let (mesh, api, url) = (self.mesh.to_string(), self.api.to_string(), self.url());
        self.configure(|config| {
            let part = |config: &mut toml::Table, name: &str, key: &str, value: toml::Value| {
                let part = config.get_mut(name).and_then(toml::Value::as_table_mut);
                part.expect("a part of the configuration").insert(key.into(), value);
            };
            part(config, "mesh", "listen", mesh.clone().into());
            part(config, "mesh", "advertise", mesh.into());
            part(config, "api", "listen", api.into());
            part(config, "api", "public_urls", vec![toml::Value::from(url)].into());
        })
    }

    /// A copy of its directory under another name, with addresses of its own, not started. It must not
    /// run meanwhile.
    pub fn copied(&self, name: &str) -> Result<Self> {
        ensure!(self.pid().is_none(), "{} runs", self.name);
        let root = self.data.parent().and_then(Path::parent).context("a node has a home")?;
        let home = root.join(name);
        fs::create_dir_all(&home)?;
        let data = home.join("data");
        let copied = Command::new("cp").arg("-a").arg(&self.data).arg(&data).status()?;
        ensure!(copied.success(), "cannot copy {}", self.data.display());
        let mut copy = Self {
            name: name.to_owned(),
            log: home.join("log.txt"),
            data,
            program: self.program.clone(),
            child: None,
            ..*self
        };
        copy.readdress()?;
        Ok(copy)
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether the process is there. One that has ended is taken note of.
    pub fn is_running(&mut self) -> bool {
        match self.child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) => true,
            Some(_) => {
                self.child = None;
                false
            }
            None => false,
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().with_context(|| format!("{} does not run", self.name))?;
        kill_process(Pid::from_child(child), signal)
            .with_context(|| format!("signal to {}", self.name))
    }

    /// `kill -9`, and waits until the process is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        if let Some(mut child) = self.child.take() {
            child.wait().context("a killed process ends")?;
        }
        Ok(())
    }

    /// Stops its threads where they are.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended(Duration::from_secs(20)).await
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let child = self.child.as_mut().with_context(|| format!("{} does not run", self.name))?;
        let what = format!("{} has ended", self.name);
        let status = eventually(&what, deadline, async || child.try_wait().ok().flatten()).await?;
        self.child = None;
        Ok(status)
    }

    /// How much it has written to its log so far.
    pub fn log_size(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |log| log.len())
    }

    /// What it has written to its log since it had that size.
    pub fn said_since(&self, size: u64) -> String {
        let octets = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(octets.get(size as usize..).unwrap_or_default()).into_owned()
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).map(|octets| String::from_utf8_lossy(&octets).into_owned());
        let text = text.unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n")
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A frozen process dies of SIGKILL as well; both calls fail only if it is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
