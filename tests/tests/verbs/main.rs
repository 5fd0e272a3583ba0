//! Every verb of the program against three nodes, as people and their scripts type it: what is
//! answered in JSON, with which exit code, and in which language it is refused.
//!
//! `demo` has a scene of its own; the harness starts the nodes by `init`, `join` and `run`.

mod edxml;
mod receipts;

use std::{collections::BTreeSet, fs, path::Path, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use lgsp_tests::harness::{Cluster, Program, digest_of, eventually, free_port};
use parking_lot::Mutex;
use rand::Rng;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

/// What the harness, and the scenes of the demonstration and of the simulated nation, call.
const ELSEWHERE: [&str; 4] = ["demo", "run", "simulate", "simulate national"];
/// A content that travels in pieces: three and a bit, so that the last one is short.
const LARGE: usize = (3 << 20) + 4321;
/// How long a command may wait for what another one causes.
const WAIT: &str = "--wait=45 s";
/// How long the cluster may take to see that a node is away, or that a debt is paid.
const SEEN_TIME_MAX: Duration = Duration::from_secs(30);

/// How the program ends, as its guide lists it.
mod exit {
    pub const OK: i32 = 0;
    pub const FAILED: i32 = 1;
    pub const USAGE: i32 = 2;
    pub const DEGRADED: i32 = 3;
    pub const UNREACHABLE: i32 = 4;
    pub const NOT_PERMITTED: i32 = 5;
    pub const NOT_FOUND: i32 = 6;
    pub const CONFLICT: i32 = 7;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_answers_and_refuses_as_it_must() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    let desk = Desk::new(&cluster);
    let well =
        |step: &str, done: Result<()>| done.unwrap_or_else(|error| panic!("{step}: {error:?}"));
    well("completion", completion(&desk).await);
    well("configuration", configuration(&desk, &cluster).await);
    well("units", units(&desk).await);
    well("applications and keys", applications(&desk).await);
    well("a small packet", small_packet(&desk).await);
    well("packets that do not arrive", ended_packets(&desk).await);
    well("a large packet", large_packet(&desk).await);
    well("receipts", receipts::receipts(&desk).await);
    well("documents of the nation", edxml::edxml(&desk).await);
    well("a revoked key", revoked_key(&desk).await);
    well("members", members(&desk, &cluster).await);
    well("the authority", authority(&desk, &mut cluster).await);
    well("status and check", standing(&desk, &mut cluster).await);
    let never: Vec<_> = desk.verbs.lock().difference(&desk.typed.lock()).cloned().collect();
    assert_eq!(never, ELSEWHERE, "verbs that no scene types");
}

/// Where commands are typed, and which verbs were.
struct Desk {
    program: Program,
    root: PathBuf,
    admin: String,
    verbs: Mutex<BTreeSet<String>>,
    typed: Mutex<BTreeSet<String>>,
}

impl Desk {
    fn new(cluster: &Cluster) -> Self {
        Self {
            program: cluster.program().clone(),
            root: cluster.root().to_owned(),
            admin: cluster.nodes[0].data.join("admin.toml").display().to_string(),
            verbs: Mutex::default(),
            typed: Mutex::default(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }

    /// Types a command; its exit code, its output and its talk come back.
    async fn typed(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        let words = arguments.iter().take_while(|word| !word.starts_with('-'));
        let words: Vec<_> = words.take(3).copied().collect();
        // The completions write a hyphen as they write what is between words.
        let path = |count: usize| words[..count].join(" ").replace('-', " ");
        self.typed.lock().extend((1..=words.len()).map(path));
        let output = self.program.run(arguments).await?;
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let code = output.status.code().context("it ended by itself")?;
        Ok((code, text(&output.stdout), text(&output.stderr)))
    }

    /// Types a command with a profile; its JSON document comes back, which names its schema.
    async fn ask(&self, profile: &str, schema: &str, arguments: &[&str]) -> Result<Value> {
        let shown = arguments.join(" ");
        let mut all = arguments.to_vec();
        all.extend(["-o", "json", "--profile", profile]);
        let (code, out, said) = self.typed(&all).await?;
        ensure!(code == exit::OK, "`{shown}` ended with {code}: {said}{out}");
        let document: Value =
            serde_json::from_str(&out).with_context(|| format!("{shown}: {out}"))?;
        ensure!(document["schema"] == schema, "`{shown}` answered {document:#}");
        Ok(document)
    }

    /// Types a command that must fail with an exit code; the error comes back.
    async fn refused(&self, exit: i32, profile: &str, arguments: &[&str]) -> Result<Value> {
        let shown = arguments.join(" ");
        let mut all = arguments.to_vec();
        all.extend(["-o", "json", "--profile", profile]);
        let (code, out, said) = self.typed(&all).await?;
        ensure!(code == exit, "`{shown}` ended with {code}: {said}{out}");
        let document: Value =
            serde_json::from_str(&said).with_context(|| format!("{shown}: {said}"))?;
        ensure!(document["schema"] == "lgsp.error/1", "`{shown}` answered {document:#}");
        let error = document["error"].clone();
        ensure!(error["exit"] == exit && error["what"].is_string(), "`{shown}`: {error:#}");
        Ok(error)
    }

    /// The same for people, in a language: each of these must be said.
    async fn told(
        &self,
        exit: i32,
        profile: &str,
        lang: &str,
        arguments: &[&str],
        texts: &[&str],
    ) -> Result<()> {
        let mut all = arguments.to_vec();
        all.extend(["--lang", lang, "--profile", profile]);
        let (code, out, said) = self.typed(&all).await?;
        let shown = arguments.join(" ");
        ensure!(code == exit, "`{shown}` ended with {code}: {said}{out}");
        for text in texts {
            ensure!(said.contains(text), "`{shown}` does not say {text}: {said}");
        }
        Ok(())
    }
}

fn items(document: &Value) -> Result<&Vec<Value>> {
    list(document, "items")
}

fn list<'d>(document: &'d Value, name: &str) -> Result<&'d Vec<Value>> {
    document[name].as_array().with_context(|| format!("{name} in {document:#}"))
}

fn text(document: &Value, pointer: &str) -> Result<String> {
    let text = document.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("{pointer} in {document:#}"))?.to_owned())
}

/// The completions name every verb: those are the ones that must be typed here.
async fn completion(desk: &Desk) -> Result<()> {
    let (code, script, _) = desk.typed(&["completion", "bash"]).await?;
    ensure!(
        code == exit::OK && script.contains("complete -F _lgsp"),
        "a script for bash: {script}"
    );
    let verbs: BTreeSet<String> = script
        .lines()
        .filter_map(|line| line.trim().strip_prefix("cmd=\"lgsp__subcmd__")?.strip_suffix('"'))
        .map(|path| path.replace("__subcmd__", " "))
        .collect();
    ensure!(verbs.contains("packet confirm") && verbs.contains("demo"), "verbs: {verbs:?}");
    *desk.verbs.lock() = verbs;
    let (code, _, said) = desk.typed(&["completion", "none", "--lang", "en"]).await?;
    ensure!(code == exit::USAGE && said.contains("none"), "an unknown shell: {said}");
    Ok(())
}

async fn configuration(desk: &Desk, cluster: &Cluster) -> Result<()> {
    let file = cluster.nodes[0].data.join("lgsp.toml").display().to_string();
    let good = desk.ask("-", "lgsp.config.check/1", &["config", "check", &file]).await?;
    ensure!(good["good"] == true, "{good:#}");
    let shown = desk.ask("-", "lgsp.config/1", &["config", "show", &file]).await?;
    ensure!(text(&shown, "/api/listen")? == cluster.nodes[0].api.to_string(), "{shown:#}");
    let wrong = desk.path("wrong.toml");
    fs::write(&wrong, fs::read_to_string(&file)? + "\n[unknown]\nkey = 1\n")?;
    desk.refused(exit::USAGE, "-", &["config", "check", &wrong]).await?;
    Ok(())
}

async fn units(desk: &Desk) -> Result<()> {
    let admin = desk.admin.as_str();
    let csv = concat!(env!("CARGO_MANIFEST_DIR"), "/../node/app/data/nghe-an-units.csv");
    // The zone's unit is named after the cluster until somebody says otherwise; the list says what it changes.
    let import = async |flag: &[&str], (added, renamed, unchanged, differing)| -> Result<()> {
        let line = [&["unit", "import", csv], flag].concat();
        let told = desk.ask(admin, "lgsp.units.imported/1", &line).await?;
        let lists = [list(&told, "renamed")?.len(), list(&told, "differing")?.len()];
        ensure!(told["added"] == added && told["unchanged"] == unchanged, "{told:#}");
        ensure!(lists == [renamed, differing], "{told:#}");
        Ok(())
    };
    import(&["--dry-run"], (145, 0, 0, 1)).await?;
    import(&[], (145, 0, 0, 1)).await?;
    import(&["--dry-run", "--update"], (0, 1, 145, 0)).await?;
    import(&["--update"], (0, 1, 145, 0)).await?;
    import(&[], (0, 0, 146, 0)).await?;
    let name = "Trung tâm thử nghiệm";
    let add = ["unit", "add", "H41.950", "--name", name, "--kind", "other", "--parent", "H41"];
    let added = desk.ask(admin, "lgsp.unit.added/1", &add).await?;
    ensure!(added["code"] == "H41.950", "{added:#}");
    desk.refused(exit::CONFLICT, admin, &add).await?;
    let shown = desk.ask(admin, "lgsp.unit/1", &["unit", "show", "H41.950"]).await?;
    ensure!(shown["name"] == name && shown["parent"] == "H41", "{shown:#}");
    let rename = ["unit", "rename", "H41.950", "--name", "Trung tâm khác"];
    desk.ask(admin, "lgsp.unit.renamed/1", &rename).await?;
    let shown = desk.ask(admin, "lgsp.unit/1", &["unit", "show", "H41.950"]).await?;
    let by = &shown["renamed_by"]["app"];
    ensure!(shown["name"] == "Trung tâm khác" && by == "quan-tri", "{shown:#}");
    let below = ["unit", "add", "H41.950.1", "--name", name, "--parent", "H41.950"];
    desk.ask(admin, "lgsp.unit.added/1", &below).await?;
    let kept = desk.refused(exit::CONFLICT, admin, &["unit", "remove", "H41.950", "--yes"]).await?;
    ensure!(text(&kept, "/why")?.contains("H41.950.1"), "{kept:#}");
    desk.refused(exit::USAGE, admin, &["unit", "remove", "H41.950.1"]).await?;
    let remove = ["unit", "remove", "H41.950.1", "--yes"];
    desk.ask(admin, "lgsp.unit.removed/1", &remove).await?;
    desk.refused(exit::NOT_FOUND, admin, &remove).await?;
    desk.refused(exit::NOT_FOUND, admin, &["unit", "rename", "H41.951", "--name", "x"]).await?;
    let some = desk.ask(admin, "lgsp.units/1", &["unit", "list", "--limit", "3"]).await?;
    ensure!(items(&some)?.len() == 3 && some["more"] == true, "{some:#}");
    let all = desk.ask(admin, "lgsp.units/1", &["unit", "list", "--all"]).await?;
    ensure!(items(&all)?.len() == 147 && all["more"] == false, "all of them");
    let found =
        desk.ask(admin, "lgsp.units/1", &["unit", "search", "phuong", "thanh", "vinh"]).await?;
    ensure!(items(&found)?.iter().any(|unit| unit["code"] == "H41.101"), "{found:#}");

    let unknown = ["unit", "show", "H41.951"];
    let vi = ["vì sao:", "cách sửa:", "lgsp unit search", "mã: LGSP-"];
    desk.told(exit::NOT_FOUND, admin, "vi", &unknown, &vi).await?;
    let en = ["to fix:", "lgsp unit search", "code: LGSP-"];
    desk.told(exit::NOT_FOUND, admin, "en", &unknown, &en).await?;
    let (code, _, said) = desk.typed(&["unit", "show", "H41 951", "--lang", "en"]).await?;
    ensure!(code == exit::USAGE && said.contains("H41 951"), "a malformed code: {said}");
    Ok(())
}

async fn applications(desk: &Desk) -> Result<()> {
    let admin = desk.admin.as_str();
    for (app, unit) in [("nguon", "H41.08"), ("dich", "H41.101")] {
        let add = ["app", "add", app, "--unit", unit, "--grant", "send,receive"];
        let added = desk.ask(admin, "lgsp.app.added/1", &add).await?;
        ensure!(added["app"] == app, "{added:#}");
        // A secret never goes to what is not a terminal; it goes to a file of its owner's.
        desk.refused(exit::USAGE, admin, &["key", "issue", app]).await?;
        let file = desk.path(&format!("{app}.toml"));
        let issue = ["key", "issue", app, "--profile-file", &file];
        let issued = desk.ask(admin, "lgsp.key.issued/1", &issue).await?;
        ensure!(issued["secret_key"].is_null() && Path::new(&file).exists(), "{issued:#}");
        desk.refused(exit::CONFLICT, admin, &issue).await?;
    }
    let apps = desk.ask(admin, "lgsp.apps/1", &["app", "list"]).await?;
    let listed = items(&apps)?.iter().find(|app| app["app"] == "dich").context("it is listed")?;
    ensure!(listed["unit"] == "H41.101", "{listed:#}");
    ensure!(listed["added_by"]["app"] == "quan-tri", "{listed:#}");
    let none = ["app", "add", "khong", "--unit", "H41.951"];
    desk.refused(exit::NOT_FOUND, admin, &none).await?;
    // An application is no administrator.
    let permitted = desk.path("nguon.toml");
    desk.refused(exit::NOT_PERMITTED, &permitted, &["member", "list"]).await?;
    Ok(())
}

/// In one round trip, received and confirmed by hand.
async fn small_packet(desk: &Desk) -> Result<()> {
    let (source, target) = (desk.path("nguon.toml"), desk.path("dich.toml"));
    let (octets, file) = made(desk, "cong-van.pdf", 54_321)?;
    let send = ["packet", "send", &file, "--to", "H41.101", "--title", "Công văn 12"];
    let sent = desk.ask(&source, "lgsp.sent/1", &send).await?;
    let packet = text(&sent, "/packet")?;
    ensure!(sent["digest"] == digest_of(&octets) && sent["size"] == octets.len(), "{sent:#}");

    let list = desk.ask(&source, "lgsp.packets/1", &["packet", "list"]).await?;
    let listed = items(&list)?.iter().find(|one| one["packet"] == *packet).context("listed")?;
    ensure!(listed["title"] == "Công văn 12", "{listed:#}");
    let inbox = desk.ask(&target, "lgsp.inbox/1", &["packet", "list", "--inbox"]).await?;
    ensure!(items(&inbox)?.iter().any(|one| one["packet"] == *packet), "{inbox:#}");

    let to = desk.path("small");
    let receive = ["packet", "receive", &packet, "--to-dir", &to];
    let received = desk.ask(&target, "lgsp.received/1", &receive).await?;
    let path = text(&received, "/items/0/path")?;
    ensure!(received["items"][0]["state"] == "picked_up", "{received:#}");
    ensure!(path.ends_with("/cong-van.pdf") && fs::read(&path)? == octets, "as sent: {path}");

    // Another digest settles nothing; the right one may be said twice.
    let other = digest_of(b"something else");
    let wrong = ["packet", "confirm", &packet, "--digest", &other];
    desk.refused(exit::FAILED, &target, &wrong).await?;
    for _ in 0..2 {
        let confirm = ["packet", "confirm", &packet, "--file", &path];
        let confirmed = desk.ask(&target, "lgsp.confirmed/1", &confirm).await?;
        ensure!(confirmed["state"] == "confirmed", "{confirmed:#}");
    }
    let show = ["packet", "show", &packet];
    let shown = desk.ask(&source, "lgsp.packet/1", &show).await?;
    ensure!(shown["packet"]["state"] == "completed", "{shown:#}");
    let way: Vec<_> = shown["way"].as_array().context("a way")?.iter().collect();
    ensure!(way.iter().any(|step| step["what"] == "confirmed"), "{shown:#}");
    desk.refused(exit::CONFLICT, &target, &receive).await?;
    receipts::of_packet(desk, &source, &packet, &file).await
}

/// What its source takes back, and what its target refuses.
async fn ended_packets(desk: &Desk) -> Result<()> {
    let (source, target) = (desk.path("nguon.toml"), desk.path("dich.toml"));
    let (_, file) = made(desk, "nham.pdf", 10)?;
    let mut packets = Vec::new();
    for _ in 0..2 {
        let send = ["packet", "send", &file, "--to", "H41.101"];
        packets.push(text(&desk.ask(&source, "lgsp.sent/1", &send).await?, "/packet")?);
    }
    desk.refused(exit::USAGE, &source, &["packet", "cancel", &packets[0]]).await?;
    let cancel = ["packet", "cancel", &packets[0], "--yes"];
    let cancelled = desk.ask(&source, "lgsp.cancelled/1", &cancel).await?;
    ensure!(items(&cancelled)?[0]["state"] == "cancelled", "{cancelled:#}");
    let reject = |packet| ["packet", "reject", packet, "--reason", "Gửi nhầm đơn vị"];
    desk.refused(exit::CONFLICT, &target, &reject(&packets[0])).await?;
    desk.ask(&target, "lgsp.rejected/1", &reject(&packets[1])).await?;
    let shown = desk.ask(&source, "lgsp.packet/1", &["packet", "show", &packets[1]]).await?;
    ensure!(shown["packet"]["deliveries"][0]["reason"] == "Gửi nhầm đơn vị", "{shown:#}");
    Ok(())
}

/// In pieces, to a target that waits for its notice and confirms at once.
async fn large_packet(desk: &Desk) -> Result<()> {
    let (source, target) = (desk.path("nguon.toml"), desk.path("dich.toml"));
    let (octets, file) = made(desk, "ban-do.zip", LARGE)?;
    desk.refused(exit::NOT_FOUND, &target, &["packet", "receive"]).await?;
    let to = desk.path("large");
    let mut waiting = desk.program.begin(&[
        "packet",
        "receive",
        WAIT,
        "--confirm",
        "--to-dir",
        &to,
        "-o",
        "json",
        "--profile",
        &target,
    ])?;
    // It talks before it listens: nothing is sent until it waits.
    let mut talk = BufReader::new(waiting.stderr.take().context("it talks")?).lines();
    let first = talk.next_line().await?.context("it says that it waits")?;
    let send = ["packet", "send", &file, "--to", "H41.101", WAIT];
    let sent = desk.ask(&source, "lgsp.sent/1", &send).await?;
    ensure!(sent["state"] == "completed" && sent["digest"] == digest_of(&octets), "{sent:#}");
    let output = waiting.wait_with_output().await?;
    let received: Value = serde_json::from_slice(&output.stdout).context(first)?;
    ensure!(output.status.success() && items(&received)?.len() == 1, "{received:#}");
    ensure!(received["items"][0]["packet"] == sent["packet"], "{received:#}");
    let path = text(&received, "/items/0/path")?;
    ensure!(path.ends_with("/ban-do.zip") && fs::read(&path)? == octets, "as sent: {path}");

    let packet = text(&sent, "/packet")?;
    let watch = ["packet", "show", &packet, "--watch"];
    let shown = desk.ask(&source, "lgsp.packet/1", &watch).await?;
    ensure!(shown["packet"]["state"] == "completed", "{shown:#}");
    Ok(())
}

fn made(desk: &Desk, name: &str, size: usize) -> Result<(Vec<u8>, String)> {
    let mut octets = vec![0; size];
    rand::rng().fill_bytes(&mut octets);
    let path = desk.path(name);
    fs::write(&path, &octets)?;
    Ok((octets, path))
}

/// A key that is revoked opens nothing from the next request on.
async fn revoked_key(desk: &Desk) -> Result<()> {
    let (admin, profile) = (desk.admin.as_str(), desk.path("nguon.toml"));
    let listed = async || -> Result<Value> {
        let keys = desk.ask(admin, "lgsp.keys/1", &["key", "list", "--all"]).await?;
        let key = items(&keys)?.iter().find(|key| key["app"] == "nguon").context("its key")?;
        Ok(key.clone())
    };
    let before = listed().await?;
    let key = text(&before, "/access_key")?;
    ensure!(before["issued_by"]["app"] == "quan-tri" && before["revoked_by"].is_null());
    desk.ask(&profile, "lgsp.packets/1", &["packet", "list"]).await?;
    let asked = desk.refused(exit::USAGE, admin, &["key", "revoke", &key]).await?;
    ensure!(text(&asked, "/fix")?.contains("--yes"), "{asked:#}");
    let revoke = ["key", "revoke", &key, "--yes"];
    let revoked = desk.ask(admin, "lgsp.key.revoked/1", &revoke).await?;
    ensure!(revoked["access_key"] == *key && revoked["status"] == "revoked", "{revoked:#}");
    let error = desk.refused(exit::NOT_PERMITTED, &profile, &["packet", "list"]).await?;
    ensure!(text(&error, "/code")?.starts_with("LGSP-"), "{error:#}");
    let after = listed().await?;
    ensure!(before["status"] == "active" && after["status"] == "revoked", "{before} {after}");
    ensure!(after["revoked_by"] == before["issued_by"], "the same administrator: {after}");
    for (lang, heads) in [("vi", ["BÊN CẤP", "BÊN THU HỒI"]), ("en", ["ISSUED BY", "REVOKED BY"])]
    {
        let table = ["key", "list", "--all", "--lang", lang, "--profile", admin];
        let (code, out, said) = desk.typed(&table).await?;
        ensure!(code == exit::OK && heads.iter().all(|head| out.contains(head)), "{said}{out}");
    }
    Ok(())
}

/// A node is admitted by a token, which is good once, and removed again.
async fn members(desk: &Desk, cluster: &Cluster) -> Result<()> {
    let admin = desk.admin.as_str();
    let issued = desk.ask(admin, "lgsp.join-token/1", &["member", "token"]).await?;
    let token = text(&issued, "/token")?;
    ensure!(text(&issued, "/join")?.contains(&token), "the line to type: {issued:#}");
    let url = cluster.nodes[0].url();
    let place = |name: &str| -> Result<Vec<String>> {
        let (mesh, api) = (free_port()?, free_port()?);
        let flags = format!(
            "--name {name} --mesh-listen 127.0.0.1:{mesh} --mesh-advertise 127.0.0.1:{mesh} \
             --api-listen 127.0.0.1:{api} --api-url https://127.0.0.1:{api}"
        );
        let data = ["--data-dir".to_owned(), desk.path(name)];
        Ok(flags.split(' ').map(str::to_owned).chain(data).collect())
    };
    let joining = |place: &[String]| -> Vec<String> {
        let head = ["join", &url, "--token", &token].map(str::to_owned);
        head.into_iter().chain(place.iter().cloned()).collect()
    };
    let line = joining(&place("n4")?);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let joined = desk.ask("-", "lgsp.join/1", &line).await?;
    ensure!(joined["node"] == 4, "{joined:#}");
    let line = joining(&place("n5")?);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let vi = ["Mã gia nhập này đã dùng rồi.", "lgsp member token"];
    desk.told(exit::CONFLICT, "-", "vi", &line, &vi).await?;
    let en = ["This join token was used before.", "lgsp member token"];
    desk.told(exit::CONFLICT, "-", "en", &line, &en).await?;
    ensure!(!Path::new(&desk.path("n5")).exists(), "a refused node leaves nothing behind");

    let member = async |name: &str| -> Result<Value> {
        let list = desk.ask(admin, "lgsp.members/1", &["member", "list"]).await?;
        let found = items(&list)?.iter().find(|member| member["name"] == name);
        Ok(found.with_context(|| format!("{name} in {list:#}"))?.clone())
    };
    ensure!(member("n4").await?["node"] == 4, "the admitted node is listed");
    desk.refused(exit::USAGE, admin, &["member", "remove", "4"]).await?;
    let remove = ["member", "remove", "4", "--yes"];
    let removed = desk.ask(admin, "lgsp.member.removed/1", &remove).await?;
    ensure!(removed["node"] == 4, "{removed:#}");
    let gone = member("n4").await?;
    ensure!(gone["role"] == "removed", "the removed node is told as such");
    let by = (&gone["admitted_by"]["app"], &gone["removed_by"]["app"]);
    ensure!(by.0 == "quan-tri" && by.1 == "quan-tri", "{gone:#}");
    desk.refused(exit::NOT_FOUND, admin, &remove).await?;

    // What the removed node could read is told, and renewed by one command.
    let told = list(&removed, "exposed_keys")?.len();
    ensure!(told > 0, "it could read keys: {removed:#}");
    let to = desk.path("khoa-moi");
    let renew = |node: &'static str| {
        ["key", "renew", "--since-removal", node, "--to-dir", &to, "--yes"].map(str::to_owned)
    };
    let typed = renew("4");
    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
    let renewed = desk.ask(admin, "lgsp.keys.renewed/1", &typed).await?;
    ensure!(list(&renewed, "renewed")?.len() == told, "{renewed:#}");
    let again = desk.ask(admin, "lgsp.keys.renewed/1", &typed).await?;
    ensure!(list(&again, "renewed")?.is_empty(), "nothing is left: {again:#}");
    let typed = renew("2");
    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
    desk.refused(exit::NOT_FOUND, admin, &typed).await?;
    let turned = desk.ask(admin, "lgsp.cluster-key/1", &["cluster", "key", "rotate"]).await?;
    ensure!(turned["phase"] == "settled", "{turned:#}");

    // A cluster of its own, founded and not started.
    let line =
        [&["init".to_owned(), "--cluster-name".into(), "khac".into()][..], &place("n6")?].concat();
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let founded = desk.ask("-", "lgsp.init/1", &line).await?;
    ensure!(
        founded["node"] == 1 && founded["name"] == "khac" && founded["zone"] == "H41",
        "{founded:#}"
    );
    let other = text(&founded, "/admin_profile")?;
    let quick = ["status", "--timeout", "1 s"];
    desk.refused(exit::UNREACHABLE, &other, &quick).await?;
    desk.refused(exit::CONFLICT, "-", &line).await?;
    Ok(())
}

/// Who certifies the nodes, on any day. The removal of a member has rotated it by now.
async fn authority(desk: &Desk, cluster: &mut Cluster) -> Result<()> {
    let (admin, kind) = (&desk.admin, "lgsp.authority/1");
    let shown = desk.ask(admin, kind, &["cluster", "authority", "show"]).await?;
    ensure!(shown["number"] == 2 && shown["older_until"].is_string(), "{shown:#}");
    let rotate = ["cluster", "authority", "rotate", "--overlap-days", "7"];
    let rotated = desk.ask(admin, kind, &rotate).await?;
    ensure!(rotated["number"] == 3 && rotated["older_until"].is_string(), "{rotated:#}");
    let end = ["cluster", "authority", "end", "--yes"];
    let ended = desk.ask(admin, kind, &end).await?;
    ensure!(ended["older_until"].is_null(), "the older ones serve no longer: {ended:#}");
    cluster.trust(CertificateDer::from_pem_slice(text(&ended, "/pem")?.as_bytes())?)
}

/// What is told of a whole cluster, and of one that lacks a node.
async fn standing(desk: &Desk, cluster: &mut Cluster) -> Result<()> {
    cluster.whole().await?;
    let whole = status(desk).await?;
    ensure!(whole["tolerates"] == 1 && whole["leader"].is_u64(), "{whole:#}");
    let nodes = whole["nodes"].as_array().context("nodes")?;
    ensure!(nodes.iter().filter(|node| node["reachable"] == true).count() == 3, "{whole:#}");
    check(desk, &["quorum", "leader", "tolerates"], None).await?;
    desk.refused(exit::NOT_FOUND, &desk.path("none.toml"), &["check"]).await?;
    // Asked at a node, without a signature.
    let data = cluster.nodes[1].data.display().to_string();
    for verb in ["show", "confirm"] {
        let told = ["cluster", "time", verb, "--data-dir", &data];
        let told = desk.ask(&desk.path("none.toml"), "lgsp.time/1", &told).await?;
        ensure!(told["answer"]["clocks"].as_array().context("clocks")?.len() == 3, "{told:#}");
    }
    let none = desk.path("none");
    let nobody = ["cluster", "time", "show", "--data-dir", &none];
    desk.refused(exit::UNREACHABLE, &desk.admin, &nobody).await?;

    // Nothing is lost here, and so there is nothing to close.
    let lost = desk.ask(&desk.admin, "lgsp.lost/1", &["packet", "lost"]).await?;
    ensure!(lost["items"].as_array().is_some_and(Vec::is_empty), "{lost:#}");
    let closed = ["packet", "lost", "--close", "--yes"];
    let closed = desk.ask(&desk.admin, "lgsp.lost.closed/1", &closed).await?;
    ensure!(closed["closed"] == 0, "{closed:#}");

    let index = cluster.follower().await?;
    let data = cluster.nodes[index].data.display().to_string();
    let recover = ["recover", "--data-dir", &data];
    desk.refused(exit::CONFLICT, &desk.admin, &recover).await.context("it runs")?;
    cluster.nodes[index].kill()?;
    let held = desk.ask(&desk.admin, "lgsp.recover/1", &recover).await?;
    ensure!(held["standing"] == "full" && held["committed"].is_u64(), "{held:#}");
    let name = cluster.nodes[index].name.clone();
    eventually("a node is seen to be away", SEEN_TIME_MAX, async || {
        let seen = status(desk).await.ok().filter(|status| status["health"] == "degraded")?;
        let nodes = seen["nodes"].as_array()?;
        nodes.iter().any(|node| node["name"] == *name && node["reachable"] == false).then_some(())
    })
    .await?;
    check(desk, &["quorum", "leader"], Some("tolerates")).await?;
    cluster.restart(index).await?;
    cluster.whole().await
}

/// The status, whose exit code is the health's.
async fn status(desk: &Desk) -> Result<Value> {
    let line = ["status", "-o", "json", "--profile", &desk.admin];
    let (code, out, said) = desk.typed(&line).await?;
    let document: Value = serde_json::from_str(&out).with_context(|| format!("{out}{said}"))?;
    let expected = match document["health"].as_str() {
        Some("healthy") => exit::OK,
        Some("degraded") => exit::DEGRADED,
        _ => exit::FAILED,
    };
    ensure!(document["schema"] == "lgsp.status/1" && code == expected, "{code}: {document:#}");
    Ok(document)
}

/// What `check` finds, as JSON and as a monitoring plugin: some good, and one that is not. How full
/// the disk of this machine is decides over the rest.
async fn check(desk: &Desk, good: &[&str], bad: Option<&str>) -> Result<()> {
    let line = ["check", "-o", "json", "--profile", &desk.admin];
    let (code, out, said) = desk.typed(&line).await?;
    let document: Value = serde_json::from_str(&out).with_context(|| format!("{out}{said}"))?;
    let findings = document["findings"].as_array().context("findings")?;
    let mark = |word: &str| {
        let finding = findings.iter().find(|finding| finding["word"] == word);
        finding.map(|finding| finding["mark"].clone())
    };
    for word in good {
        ensure!(mark(word).context("found")? == "good", "{word} in {document:#}");
    }
    if let Some(word) = bad {
        ensure!(mark(word).context("found")? != "good", "{word} in {document:#}");
    }
    let any = |word: &str| findings.iter().any(|finding| finding["mark"] == word);
    let (expected, plugin, head) = match (any("bad"), any("warning")) {
        (true, _) => (exit::FAILED, 2, "LGSP CRITICAL - "),
        (false, true) => (exit::DEGRADED, 1, "LGSP WARNING - "),
        (false, false) => (exit::OK, 0, "LGSP OK - "),
    };
    ensure!(code == expected, "ended with {code}: {document:#}");
    let line = ["check", "--nagios", "--profile", &desk.admin];
    let (code, out, _) = desk.typed(&line).await?;
    ensure!(code == plugin && out.starts_with(head), "ended with {code}: {out}");
    ensure!(out.lines().count() == 1, "one line: {out}");
    Ok(())
}
