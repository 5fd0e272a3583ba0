//! A small network of network namespaces: one for each node, one for the client, and one with a bridge
//! between them, where frames are cut, lost and slowed down.
//!
//! The test calls itself inside the client's namespace; the outer call makes the namespaces and removes
//! them, however the inner one ends. Names carry the process id, so several runs do not meet; what a
//! killed run left behind is removed by the next one. Needs root, `ip`, `nft` and `tc`.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use super::Place;

/// With it set (continuous integration), a missing tool or a kernel that refuses fails the scenes.
const REQUIRED: &str = "LGSP_REQUIRE_NETWORKS";
/// Set inside the client's namespace: the names' prefix and the number of nodes.
const INSIDE: &str = "NETWORK_OF_THE_SCENE";
/// What the names of our namespaces begin with; the process id follows.
const PREFIX: &str = "lgsp-net-";
const TOOLS: [&str; 3] = ["ip", "nft", "tc"];
/// The client's place on the bridge; nodes count from one.
pub const CLIENT: usize = 0;

/// The namespaces of one scene, seen from inside the client's.
#[derive(Debug)]
pub struct Network {
    prefix: String,
    nodes: usize,
    rules: Mutex<Rules>,
}

/// What the bridge does to frames.
#[derive(Debug, Default)]
struct Rules {
    /// Pairs of places: nothing gets from the first to the second.
    cuts: Vec<(usize, usize)>,
    /// Lost UDP packets of a thousand, in each direction.
    loss: u32,
}

impl Network {
    /// Runs a scene in a network of its own with so many nodes. `test` is the full name of the test that
    /// calls this, for it is called once more, inside the client's namespace.
    pub fn run(test: &str, nodes: usize, scene: impl FnOnce(Self)) {
        if let Ok(inside) = std::env::var(INSIDE) {
            let network = Self { prefix: inside, nodes, rules: Mutex::default() };
            scene(network);
            return;
        }
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        // Scenes measure time, and would disturb one another.
        let _turn = ONE_AT_A_TIME.lock();
        let namespaces = match Namespaces::make(nodes) {
            Ok(namespaces) => namespaces,
            Err(error) => {
                assert!(
                    std::env::var_os(REQUIRED).is_none(),
                    "{REQUIRED} is set, and there are no network namespaces: {error:#}"
                );
                left_out(test, &format!("{error:#}"));
                return;
            }
        };
        let this = std::env::current_exe().expect("where this program is");
        let status = Command::new("ip")
            .args(["netns", "exec", &namespaces.name(CLIENT)])
            .arg(this)
            .args(["--exact", test, "--nocapture", "--test-threads", "1"])
            .env(INSIDE, &namespaces.prefix)
            .stdin(Stdio::null())
            .status();
        drop(namespaces);
        let status = status.expect("`ip netns exec` can be run");
        assert!(status.success(), "the scene inside the namespace ended with {status}");
    }

    /// Where the nodes run.
    pub fn places(&self) -> Vec<Place> {
        let place = |node| Place {
            address: address(node),
            wrapper: ["ip", "netns", "exec", &name(&self.prefix, node)].map(str::to_owned).to_vec(),
        };
        (1..=self.nodes).map(place).collect()
    }

    /// Cuts ways: nothing gets from the first place of a pair to the second.
    pub fn cut(&self, ways: &[(usize, usize)]) -> Result<()> {
        self.rules.lock().cuts = ways.to_vec();
        self.apply()
    }

    /// Mends all ways.
    pub fn heal(&self) -> Result<()> {
        self.cut(&[])
    }

    /// Loses so many of a thousand UDP packets, at random, wherever they go.
    pub fn lose(&self, of_thousand: u32) -> Result<()> {
        self.rules.lock().loss = of_thousand;
        self.apply()
    }

    /// Lets a node send and receive at most so many bits a second; a queue of 300 ms is before it, as in
    /// the routers of ordinary lines.
    pub fn narrow(&self, node: usize, rate: &str) -> Result<()> {
        let bridge = name(&self.prefix, self.nodes + 1);
        let queue = ["root", "tbf", "rate", rate, "burst", "16kb", "latency", "300ms"];
        let at = |namespace: &str, device: &str| {
            let mut arguments = vec!["-n", namespace, "qdisc", "replace", "dev", device];
            arguments.extend(queue);
            run("tc", &arguments)
        };
        at(&bridge, &port(node))?;
        at(&name(&self.prefix, node), "e0")
    }

    fn apply(&self) -> Result<()> {
        let rules = self.rules.lock();
        let mut text = String::from("flush ruleset\ntable bridge scene {\n chain forward {\n");
        text.push_str("  type filter hook forward priority 0; policy accept;\n");
        for (from, to) in &rules.cuts {
            writeln!(text, "  iifname \"{}\" oifname \"{}\" drop", port(*from), port(*to))?;
        }
        if rules.loss > 0 {
            let loss = rules.loss;
            writeln!(text, "  ip protocol udp numgen random mod 1000 < {loss} drop")?;
        }
        text.push_str(" }\n}\n");
        let bridge = name(&self.prefix, self.nodes + 1);
        let mut child = Command::new("ip")
            .args(["netns", "exec", &bridge, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run nft")?;
        let input = child.stdin.take().context("nft has an input")?;
        { input }.write_all(text.as_bytes())?;
        let done = child.wait_with_output()?;
        ensure!(done.status.success(), "nft: {}\n{text}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }
}

/// The namespaces; they and what still runs in them go with this value.
struct Namespaces {
    prefix: String,
    count: usize,
}

impl Namespaces {
    fn make(nodes: usize) -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        for tool in TOOLS {
            let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
            ensure!(found.is_ok_and(|found| found.status.success()), "{tool} is not here");
        }
        sweep();
        let turn = MADE.fetch_add(1, Ordering::Relaxed);
        // The client, the nodes, and the bridge behind them.
        let namespaces =
            Self { prefix: format!("{PREFIX}{}-{turn}-", std::process::id()), count: nodes + 2 };
        let bridge = namespaces.name(nodes + 1);
        for place in 0..namespaces.count {
            run("ip", &["netns", "add", &namespaces.name(place)])?;
            run("ip", &["-n", &namespaces.name(place), "link", "set", "lo", "up"])?;
        }
        run("ip", &["-n", &bridge, "link", "add", "br0", "type", "bridge"])?;
        run("ip", &["-n", &bridge, "link", "set", "br0", "up"])?;
        for place in 0..=nodes {
            let (own, port) = (namespaces.name(place), port(place));
            let peer = ["type", "veth", "peer", "name", "e0", "netns", &own];
            let made = [&["-n", &bridge, "link", "add", &port], &peer[..]].concat();
            run("ip", &made)?;
            // Each packet is lost, cut or queued by itself, and not by the bundle.
            run("ip", &["-n", &own, "link", "set", "e0", "gso_max_segs", "1"])?;
            run("ip", &["-n", &bridge, "link", "set", &port, "master", "br0", "up"])?;
            let address = format!("{}/24", address(place));
            run("ip", &["-n", &own, "address", "add", &address, "dev", "e0"])?;
            run("ip", &["-n", &own, "link", "set", "e0", "up"])?;
        }
        // Whether this kernel filters on a bridge is found out here, and not in the midst of a scene.
        let network = Network { prefix: namespaces.prefix.clone(), nodes, rules: Mutex::default() };
        network.cut(&[(1, 2)])?;
        network.lose(10)?;
        network.heal()?;
        network.lose(0)?;
        Ok(namespaces)
    }

    fn name(&self, place: usize) -> String {
        name(&self.prefix, place)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        (0..self.count).for_each(|place| remove(&self.name(place)));
    }
}

/// Ends what runs in a namespace and removes it. Best effort: what is gone is gone.
fn remove(namespace: &str) {
    let pids = Command::new("ip").args(["netns", "pids", namespace]).output();
    let pids = pids.map(|pids| String::from_utf8_lossy(&pids.stdout).into_owned());
    for pid in pids.unwrap_or_default().split_whitespace() {
        if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    drop(Command::new("ip").args(["netns", "del", namespace]).stderr(Stdio::null()).status());
}

/// Removes what runs left behind that are no more.
fn sweep() {
    let Ok(listed) = run_for_text("ip", &["netns", "list"]) else { return };
    for namespace in listed.lines().filter_map(|line| line.split_whitespace().next()) {
        let owner = namespace.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(namespace);
        }
    }
}

fn name(prefix: &str, place: usize) -> String {
    format!("{prefix}{place}")
}

fn port(place: usize) -> String {
    format!("p{place}")
}

fn address(place: usize) -> IpAddr {
    let last = u8::try_from(10 + place).expect("a scene has a handful of nodes");
    Ipv4Addr::new(10, 77, 0, last).into()
}

fn run(tool: &str, arguments: &[&str]) -> Result<()> {
    run_for_text(tool, arguments).map(drop)
}

fn run_for_text(tool: &str, arguments: &[&str]) -> Result<String> {
    let done = Command::new(tool).args(arguments).output();
    let done = done.with_context(|| format!("cannot run {tool}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        bail!("{tool} {}: {}", arguments.join(" "), said.trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Says that a scene is left out, past the harness of tests, which shows nothing of a passing one.
fn left_out(scene: &str, why: &str) {
    let line = format!("LEFT OUT: {scene}: {why}\n");
    // Who closed standard error does not want to know.
    drop(std::io::stderr().write_all(line.as_bytes()));
}
