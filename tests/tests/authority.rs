//! The authority is rotated under load: nodes take new certificates, whoever trusts the older one goes on
//! until its end, profiles and files follow, and a node that was away comes back.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use lgsp_tests::{
    harness::{Cluster, Program, Traffic, eventually},
    wire::{Conn, Endpoint, Request, Tls},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;

/// How long a step may take.
const STEP_TIME_MAX: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_is_rotated_under_load() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let mut cluster = Cluster::start(&program, 3).await.expect("a cluster");
    let first = trusted(&cluster, 0).expect("an authority").remove(0);
    let traffic = Traffic::start(&cluster, 2).await.expect("traffic");
    let played = play(&mut cluster, &traffic).await;
    if let Err(error) = &played {
        cluster.show_logs();
        panic!("{error:?}");
    }
    let ledger = traffic.stop().await.unwrap_or_else(|error| panic!("{error:#}"));
    ledger.check(&cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
    let ended = end(&mut cluster, first).await;
    if ended.is_err() {
        cluster.show_logs();
    }
    ended.unwrap_or_else(|error| panic!("{error:?}"));
}

async fn play(cluster: &mut Cluster, traffic: &Traffic) -> Result<()> {
    traffic.progress(20).await?;
    planned(cluster, traffic).await.context("a planned rotation")?;
    crash(cluster, traffic).await.context("a rotation with a crash")?;
    away(cluster, traffic).await.context("a rotation while a node is away")
}

/// The traffic trusts the first authority alone, all the time.
async fn planned(cluster: &Cluster, traffic: &Traffic) -> Result<()> {
    let old = trusted(cluster, 0)?;
    ensure!(old.len() == 1, "a cluster begins with one authority");
    // An application that trusts a file of its own, and a profile that names it.
    let file = cluster.root().join("app.pem");
    fs::write(&file, certs::certificates_to_pem(&old))?;
    let named = profile_with(cluster, "authority = \"app.pem\"")?;
    let told: Value = serde_json::from_str(&authority(cluster, &["rotate", "-o", "json"]).await?)?;
    ensure!(told["number"] == 2 && told["older_until"].is_string(), "{told}");
    let new = turned(cluster, 2).await?;
    ensure!(new.len() == 1 && new != old, "whom to trust is the new one alone");

    for index in 0..cluster.nodes.len() {
        // The older one is honoured: who trusts it alone is led on.
        for one in new.iter().chain(&old) {
            let tls = Tls::trusting(one.clone())?;
            let at = Endpoint::new(cluster.nodes[index].api, &tls);
            Conn::new(&at).call(&Request::get("/livez")).await?.success()?;
            // Not only by our own TLS library.
            let only = cluster.root().join("only.pem");
            fs::write(&only, certs::certificates_to_pem(std::slice::from_ref(one)))?;
            curl(&only, &format!("https://{}/livez", cluster.nodes[index].api)).await?;
        }
    }
    // What asked has followed; so does who names a file, by any command.
    let text = fs::read_to_string(cluster.nodes[0].data.join("admin.toml"))?;
    ensure!(certificates(text.as_bytes())? == new, "the profile follows: {text}");
    let named = named.display().to_string();
    cluster.program().run_well(&["member", "list", "--profile", &named]).await?;
    ensure!(certificates(&fs::read(&file)?)? == new, "and so does the file that a profile names");
    let shown = authority(cluster, &["show", "--pem"]).await?;
    ensure!(certificates(shown.as_bytes())? == new, "what is to be saved is shown: {shown}");
    let checked = cluster.program().run(&["check", "-o", "json", "--profile", &named]).await?;
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    ensure!(told.contains("authority.pem"), "check tells what is to be done: {told}");
    traffic.progress(20).await
}

/// Whoever leads dies as soon as the rotation is wanted; it goes on.
async fn crash(cluster: &mut Cluster, traffic: &Traffic) -> Result<()> {
    let leader = cluster.leader().await?;
    let asked = Request::new("POST", "/v1/admin/authority/rotate");
    cluster.persist(&cluster.admin, asked).await?.success()?;
    cluster.nodes[leader].kill()?;
    traffic.progress(5).await?;
    cluster.restart(leader).await?;
    turned(cluster, 3).await?;
    traffic.progress(20).await
}

/// A node that was away knows neither the new authority nor a certificate of it; its peers know it by
/// its key, and it knows them.
async fn away(cluster: &mut Cluster, traffic: &Traffic) -> Result<()> {
    let index = 2;
    cluster.nodes[index].stop().await?;
    let before = number_of_last(cluster).await?;
    authority(cluster, &["rotate"]).await?;
    traffic.progress(5).await?;
    cluster.restart(index).await?;
    turned(cluster, before + 1).await?;
    traffic.progress(20).await
}

/// Once the older ones have ended, who trusts only them believes nobody; the removal of a member rotates by itself.
async fn end(cluster: &mut Cluster, first: CertificateDer<'static>) -> Result<()> {
    authority(cluster, &["end", "--yes"]).await?;
    eventually("only the last one is honoured", STEP_TIME_MAX, async || {
        for index in 0..cluster.nodes.len() {
            let at = Endpoint::new(cluster.nodes[index].api, &Tls::trusting(first.clone()).ok()?);
            let tried = Conn::new(&at).call(&Request::get("/livez")).await;
            tried.is_err().then_some(())?;
        }
        Some(())
    })
    .await?;
    let last = trusted(cluster, 0)?.remove(0);
    cluster.trust(last.clone())?;
    cluster.whole().await?;
    let before = number_of_last(cluster).await?;
    let profile = profile(cluster);
    let words = ["member", "remove", "3", "--yes", "--profile", &profile];
    cluster.program().run_well(&words).await?;
    drop(cluster.nodes.remove(2));
    // Its place is taken at once, while the new authority is being made.
    cluster.join(|_| Ok(())).await.context("a machine joins while the authority is rotated")?;
    let new = turned(cluster, before + 1).await?;
    ensure!(
        new != [last],
        "whoever has the disk of the removed node cannot certify for who trusts this one"
    );
    cluster.whole().await.context("who trusts the one before is led on")
}

/// Waits until every running node shows a certificate of an authority of at least this number, and
/// trusts the same ones as the others. Who they are comes back.
async fn turned(cluster: &Cluster, number: u64) -> Result<Vec<CertificateDer<'static>>> {
    let what = format!("authority {number} certifies");
    eventually(&what, STEP_TIME_MAX, async || {
        let all = trusted(cluster, 0).ok()?;
        for index in 0..cluster.nodes.len() {
            let told = cluster.status(index).await?["authority"].clone();
            // A request whose answer was lost may have been made twice.
            let is_new = told["number"].as_u64()? >= number && told["wanted"] == false;
            // A connection of its own: one that is resumed shows the certificate of before.
            let tls = Tls::trusting(all[0].clone()).ok()?;
            let shown = Endpoint::new(cluster.nodes[index].api, &tls).presented().await.ok()?;
            let is_issued = certs::is_issued_by(&shown, &all[0]).ok()?;
            let same = trusted(cluster, index).is_ok_and(|trusted| trusted == all);
            (is_new && is_issued && same).then_some(())?;
        }
        Some(all)
    })
    .await
}

async fn number_of_last(cluster: &Cluster) -> Result<u64> {
    eventually("a status is answered", STEP_TIME_MAX, async || {
        cluster.status(0).await?["authority"]["number"].as_u64()
    })
    .await
}

/// Whom a node tells applications to trust.
fn trusted(cluster: &Cluster, index: usize) -> Result<Vec<CertificateDer<'static>>> {
    certificates(&fs::read(cluster.nodes[index].data.join("authority.pem"))?)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?)
}

fn profile(cluster: &Cluster) -> String {
    cluster.nodes[0].data.join("admin.toml").display().to_string()
}

/// The administrator's profile with another line in the place of its authority.
fn profile_with(cluster: &Cluster, line: &str) -> Result<std::path::PathBuf> {
    let text = fs::read_to_string(profile(cluster))?;
    let mut table: toml::Table = toml::from_str(&text)?;
    table.extend(toml::from_str::<toml::Table>(line)?);
    let secret = cluster.nodes[0].data.join("admin.secret").display().to_string();
    table.insert("secret_file".into(), secret.into());
    let path = cluster.root().join("app.toml");
    fs::write(&path, toml::to_string(&table)?)?;
    Ok(path)
}

/// Asks about the authority as an administrator does.
async fn authority(cluster: &Cluster, words: &[&str]) -> Result<String> {
    let profile = profile(cluster);
    let words = [&["cluster", "authority"][..], words, &["--profile", &profile]].concat();
    cluster.program().run_well(&words).await
}

async fn curl(trusted: &std::path::Path, url: &str) -> Result<()> {
    let mut curl = tokio::process::Command::new("curl");
    let ran = curl.args(["-sSf", "--cacert"]).arg(trusted).arg(url).output().await?;
    ensure!(ran.status.success(), "{url}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}
