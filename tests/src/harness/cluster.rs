//! A cluster of node processes in a directory of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{NodeProcess, Party, Place, Program, eventually, eventually_quick};
use crate::wire::{Answer, Conn, Credential, Endpoint, Request, Tls};

/// How long a node may take to be ready after its start, or a cluster to be whole again: debug
/// builds on two busy cores are given ten times what a release needs.
pub(super) const SETTLE_TIME_MAX: Duration = Duration::from_secs(60);
/// How long one question to a node may take while the harness waits for something.
const ASK_TIME_MAX: Duration = Duration::from_secs(3);

/// Where a cluster lives.
#[derive(Debug)]
pub enum Layout {
    /// A directory that goes with the cluster.
    Temporary,
    /// A directory that stays.
    Kept(PathBuf),
}

/// Several nodes, and who administers them. They end with this value.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes in the order of their joining.
    pub nodes: Vec<NodeProcess>,
    /// The administration's key.
    pub admin: Credential,
    /// TLS that believes this cluster's authority.
    pub tls: Tls,
    root: PathBuf,
    program: Program,
    /// Where its nodes run, in the order of their making; those beyond run on loopback.
    places: Vec<Place>,
    /// Nodes made so far, so that a new one never gets the name of one that was removed.
    made: usize,
    _directory: Option<TempDir>,
}

/// What `lgsp init` leaves for the administrator; the rest of the file is for the command line.
#[derive(Debug, Deserialize)]
struct Profile {
    access_key: String,
    secret_file: String,
}

impl Cluster {
    /// Starts nodes of a program in a temporary directory.
    pub async fn start(program: &Program, count: usize) -> Result<Self> {
        Self::start_in(program, count, Layout::Temporary, |_| Ok(())).await
    }

    /// Starts nodes; `prepare` may change a node's directory before its first start.
    pub async fn start_in(
        program: &Program,
        count: usize,
        layout: Layout,
        prepare: impl Fn(&NodeProcess) -> Result<()>,
    ) -> Result<Self> {
        Self::start_at(program, count, layout, Vec::new(), prepare).await
    }

    /// Starts nodes at places of their own.
    pub async fn start_at(
        program: &Program,
        count: usize,
        layout: Layout,
        places: Vec<Place>,
        prepare: impl Fn(&NodeProcess) -> Result<()>,
    ) -> Result<Self> {
        let (root, directory) = match layout {
            Layout::Temporary => {
                let directory = TempDir::with_prefix("lgsp-")?;
                (directory.path().to_owned(), Some(directory))
            }
            Layout::Kept(path) => (path, None),
        };
        fs::create_dir_all(&root)?;
        let place = places.first().cloned().unwrap_or_default();
        let mut first = NodeProcess::new(program, &root, 1, place)?;
        let addresses = first.addresses();
        let mut arguments = vec!["init", "--zone", "H41"];
        arguments.extend(addresses.iter().map(String::as_str));
        first.program().run_well(&arguments).await?;
        prepare(&first)?;
        first.start()?;
        let (admin, tls) = read_profile(&first.data)?;
        let mut cluster = Self {
            nodes: vec![first],
            admin,
            tls,
            root,
            program: program.clone(),
            places,
            made: 1,
            _directory: directory,
        };
        cluster.ready(0).await.inspect_err(|_| cluster.show_logs())?;
        for _ in 1..count {
            let joined = cluster.join(&prepare).await;
            joined.inspect_err(|_| cluster.show_logs())?;
        }
        cluster.whole().await.inspect_err(|_| cluster.show_logs())?;
        Ok(cluster)
    }

    /// Adds a node and waits until it is ready. Its index comes back.
    pub async fn join(&mut self, prepare: impl Fn(&NodeProcess) -> Result<()>) -> Result<usize> {
        let index = self.admit().await?;
        prepare(&self.nodes[index])?;
        self.restart(index).await?;
        Ok(index)
    }

    /// Adds a node as far as `lgsp join` does: the cluster knows it, and it has not been started yet.
    /// Its index comes back.
    pub async fn admit(&mut self) -> Result<usize> {
        let made = self.administer(Request::post("/v1/admin/join-tokens", &json!({}))).await?;
        let token = made["token"].as_str().context("a join token is answered")?.to_owned();
        let member = self.nodes.iter().find(|node| node.pid().is_some()).context("a node runs")?;
        self.made += 1;
        let place = self.places.get(self.made - 1).cloned().unwrap_or_default();
        let node = NodeProcess::new(&self.program, &self.root, self.made, place)?;
        let (url, addresses) = (member.url(), node.addresses());
        let mut arguments = vec!["join", &url, "--token", &token];
        arguments.extend(addresses.iter().map(String::as_str));
        node.program().run_well(&arguments).await?;
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// The directory that everything of this cluster lies in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The program that its nodes run.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Believes another authority from now on.
    pub fn trust(&mut self, authority: CertificateDer<'static>) -> Result<()> {
        self.tls = Tls::trusting(authority)?;
        Ok(())
    }

    /// The API of a node.
    pub fn endpoint(&self, index: usize) -> Arc<Endpoint> {
        Endpoint::new(self.nodes[index].api, &self.tls)
    }

    /// The APIs of all nodes.
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        (0..self.nodes.len()).map(|index| self.endpoint(index)).collect()
    }

    /// Sends a signed request to a node over a connection of its own.
    pub async fn call(&self, index: usize, who: &Credential, request: Request) -> Result<Answer> {
        let endpoint = self.endpoint(index);
        Conn::new(&endpoint).call(&who.sign(&endpoint.authority, request)).await
    }

    /// Sends a request as it is.
    pub async fn call_unsigned(&self, index: usize, request: Request) -> Result<Answer> {
        Conn::new(&self.endpoint(index)).call(&request).await
    }

    /// Sends a request of the administration, which must succeed. Where an attempt had no answer and
    /// the repeat finds that the thing exists, that attempt has made it: null comes back.
    pub async fn administer(&self, request: Request) -> Result<Value> {
        let admin = self.admin.clone();
        let (answer, unsure) = self.persist_and_note(&admin, request).await?;
        if unsure && answer.status == 409 && answer.word().ends_with("_exists") {
            return Ok(Value::Null);
        }
        Ok(answer.success()?.json())
    }

    /// Sends a request to whichever node takes it, again and again while nodes cannot be reached or
    /// answer 5xx. Only for requests that may be repeated.
    pub async fn persist(&self, who: &Credential, request: Request) -> Result<Answer> {
        Ok(self.persist_and_note(who, request).await?.0)
    }

    /// The same, and whether an attempt before the answer may have done its work unheard.
    async fn persist_and_note(&self, who: &Credential, request: Request) -> Result<(Answer, bool)> {
        let (mut turn, mut unsure) = (0, false);
        let what = format!("{} {} is answered", request.method, request.target);
        let answer = eventually(&what, SETTLE_TIME_MAX, async || {
            let index = turn % self.nodes.len();
            turn += 1;
            let answer = self.call(index, who, request.clone()).await.ok();
            let answer = answer.filter(|answer| answer.status < 500);
            unsure |= answer.is_none();
            answer
        })
        .await?;
        Ok((answer, unsure))
    }

    /// Waits until a node takes requests.
    pub async fn ready(&mut self, index: usize) -> Result<()> {
        let endpoint = self.endpoint(index);
        let node = &mut self.nodes[index];
        let what = format!("{} is ready", node.name);
        let ready = eventually_quick(&what, SETTLE_TIME_MAX, async || {
            if !node.is_running() {
                return Some(false);
            }
            let mut conn = Conn::new(&endpoint);
            conn.patience = ASK_TIME_MAX;
            let answer = conn.call(&Request::get("/readyz")).await.ok()?;
            answer.is_success().then_some(true)
        })
        .await?;
        ensure!(
            ready,
            "{} ended while it was starting:\n{}",
            self.nodes[index].name,
            self.nodes[index].log_tail()
        );
        Ok(())
    }

    /// Waits until every node says that all of them vote and answer, and warns of nothing.
    pub async fn whole(&self) -> Result<()> {
        let count = self.nodes.len();
        eventually("every node sees a whole cluster", SETTLE_TIME_MAX, async || {
            for index in 0..count {
                let status = self.status(index).await?;
                let voters = status["nodes"].as_array()?.iter().filter(|node| {
                    matches!(node["role"].as_str(), Some("leader" | "voter"))
                        && node["reachable"] == true
                });
                // How full the disk of this machine is says nothing of the cluster, nor does how many
                // descriptors it grants, nor a copy of a node that was refused and has ended.
                let warned = status["warnings"].as_array()?;
                let well = status["health"] != "unavailable"
                    && warned.iter().all(|warning| {
                        matches!(
                            warning["word"].as_str(),
                            Some("disk_free" | "disk_full" | "second_life" | "connections_few")
                        )
                    });
                if !well || voters.count() != count {
                    return None;
                }
            }
            Some(())
        })
        .await
    }

    /// The state of the cluster as one node sees it; none when it does not answer.
    pub async fn status(&self, index: usize) -> Option<Value> {
        let endpoint = self.endpoint(index);
        let mut conn = Conn::new(&endpoint);
        conn.patience = ASK_TIME_MAX;
        let request = self.admin.sign(&endpoint.authority, Request::get("/v1/admin/status"));
        let answer = conn.call(&request).await.ok()?;
        answer.is_success().then(|| answer.json())
    }

    /// The index of the node that leads, once a running node knows it.
    pub async fn leader(&self) -> Result<usize> {
        let running: Vec<usize> =
            (0..self.nodes.len()).filter(|&index| self.nodes[index].pid().is_some()).collect();
        eventually("a node leads", SETTLE_TIME_MAX, async || {
            for &index in &running {
                let Some(status) = self.status(index).await else { continue };
                let leads = self.named_leader(&status);
                if let Some(leader) = leads.filter(|leader| running.contains(leader)) {
                    return Some(leader);
                }
            }
            None
        })
        .await
    }

    /// The index of a running node that does not lead.
    pub async fn follower(&self) -> Result<usize> {
        let leader = self.leader().await?;
        (0..self.nodes.len())
            .find(|&index| index != leader && self.nodes[index].pid().is_some())
            .context("no node beside the leader runs")
    }

    fn named_leader(&self, status: &Value) -> Option<usize> {
        let leader = status.get("leader").filter(|leader| !leader.is_null())?;
        let node = status["nodes"].as_array()?.iter().find(|node| &node["node"] == leader)?;
        let url = node["api_url"].as_str()?;
        self.nodes.iter().position(|candidate| candidate.url() == url)
    }

    /// Starts a node again and waits until it is ready.
    pub async fn restart(&mut self, index: usize) -> Result<()> {
        self.nodes[index].start()?;
        self.ready(index).await
    }

    /// Registers a unit, an application of it and a key; what it may do is given by words.
    pub async fn party(&self, unit: &str, grants: &[&str]) -> Result<Party> {
        let units = json!({ "units": [{ "code": unit, "name": format!("Đơn vị {unit}"), "kind": "other" }] });
        self.administer(Request::post("/v1/admin/units", &units)).await?;
        let app = format!("app-{}", unit.to_lowercase().replace('.', "-"));
        self.app(unit, &app, grants).await
    }

    /// Registers an application of a unit that is there, and a key.
    pub async fn app(&self, unit: &str, app: &str, grants: &[&str]) -> Result<Party> {
        let body = json!({ "app": app, "unit": unit, "name": app, "grants": grants });
        self.administer(Request::post("/v1/admin/apps", &body)).await?;
        let key = self.administer(Request::post("/v1/admin/keys", &json!({ "app": app }))).await?;
        let part =
            |name: &str| key[name].as_str().with_context(|| format!("an issued key has {name}"));
        let key = Credential::new(part("access_key")?, part("secret_key")?)?;
        Ok(Party { unit: unit.to_owned(), key })
    }

    /// Prints what the nodes wrote last.
    pub fn show_logs(&self) {
        for node in &self.nodes {
            eprintln!("---- {} ({})\n{}", node.name, node.log.display(), node.log_tail());
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &mut self.nodes {
                // A node that ended by itself, or by another's hand, is told from a slow one.
                let runs = if node.is_running() { "runs" } else { "does not run" };
                eprintln!("{} {runs}", node.name);
            }
            self.show_logs();
        }
    }
}

/// The administrator's key and the authority, as `lgsp init` leaves them in the data directory.
fn read_profile(data: &Path) -> Result<(Credential, Tls)> {
    let read = |name: &str| {
        let path = data.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let profile: Profile =
        toml::from_str(&read("admin.toml")?).context("the administrator's profile")?;
    let admin = Credential::new(&profile.access_key, read(&profile.secret_file)?.trim())?;
    let authority = CertificateDer::from_pem_slice(read("authority.pem")?.as_bytes())
        .context("the authority")?;
    Ok((admin, Tls::trusting(authority)?))
}
