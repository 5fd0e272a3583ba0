//! Strangers: replays, forged and missing signatures, other units. None of them gets anything, on
//! any route that the document of the API names.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use lgsp_tests::{
    harness::{Cluster, Layout, Party, Program, eventually},
    wire::{Answer, Conn, Credential, Request},
};
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// A name that all nodes answer to, so that one signed request fits each of them.
const SHARED_NAME: &str = "lgsp.example.test";
/// Replays of one request at the same time.
const REPLAYS: usize = 20;
/// Routes that are open to everybody; all others must refuse the unsigned.
const OPEN: [(&str, &str); 11] = [
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/.well-known/lgsp"),
    ("GET", "/.well-known/lgsp/authority.pem"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/v1/history/checkpoint"),
    ("POST", "/v1/cluster/join"),
    ("OPTIONS", "/v1/spaces/{id}"),
    ("OPTIONS", "/v1/spaces/{id}/content"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_get_nothing() {
    let program = Program::at(env!("CARGO_BIN_EXE_node"));
    let prepare = |node: &lgsp_tests::harness::NodeProcess| {
        node.configure(|config| {
            let urls = config.get_mut("api").and_then(|api| api.get_mut("public_urls"));
            let urls = urls.and_then(toml::Value::as_array_mut).expect("a node has public URLs");
            urls.push(format!("https://{SHARED_NAME}").into());
        })
    };
    let cluster =
        Cluster::start_in(&program, 3, Layout::Temporary, prepare).await.expect("a cluster");
    let source = cluster.party("H41.40", &["send"]).await.expect("a party");
    let target = cluster.party("H41.41", &["receive"]).await.expect("a party");
    let other = cluster.party("H41.42", &["send", "receive"]).await.expect("a party");
    let well =
        |step: &str, done: Result<()>| done.unwrap_or_else(|error| panic!("{step}: {error:?}"));
    // A token lives for a minute at least: this one runs out while the other steps go on.
    let short = join_token(&cluster).await.expect("a join token");
    for round in 0..3 {
        well("replays", replays(&cluster, &source, &target, round).await);
    }
    well("forgeries", forgeries(&cluster, &source, &target).await);
    well("every route", every_route(&cluster, &source, &target).await);
    well("another unit", another_unit(&cluster, &source, &target, &other).await);
    well("a revoked key", revoked(&cluster, &other).await);
    well("join tokens", join_tokens(&cluster).await);
    well("an old join token", expired(&cluster, short).await);
}

/// One signed request, sent twenty times at once over three nodes: it passes once.
async fn replays(cluster: &Cluster, source: &Party, target: &Party, round: usize) -> Result<()> {
    let title = format!("replay {round}");
    let request = Party::submission(&[&target.unit], &title, "r.bin", b"mot lan thoi", "");
    let signed = Arc::new(source.key.sign(SHARED_NAME, request));
    let start = Arc::new(Barrier::new(REPLAYS));
    let tasks: Vec<_> = (0..REPLAYS)
        .map(|number| {
            let (signed, start) = (signed.clone(), start.clone());
            let endpoint = cluster.endpoint(number % 3).called(SHARED_NAME);
            tokio::spawn(async move {
                let mut conn = Conn::new(&endpoint);
                // The connection is there before all begin at once.
                conn.call(&Request::get("/livez")).await?;
                start.wait().await;
                conn.call(&signed).await
            })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        let answer = task.await??;
        if answer.is_success() {
            passed += 1;
        } else {
            answer.problem(401, "nonce_reused")?;
        }
    }
    ensure!(passed == 1, "{passed} of {REPLAYS} replays passed");
    let late = Conn::new(&cluster.endpoint(0).called(SHARED_NAME)).call(&signed).await?;
    late.problem(401, "nonce_reused").context("a replay after all others")?;
    let sent = source.list(&cluster.endpoint(0), "/v1/packets").await?;
    let count = sent.iter().filter(|item| item["title"] == title.as_str()).count();
    ensure!(count == 1, "{count} packets came of one request");
    Ok(())
}

/// A good request with one thing changed.
async fn forgeries(cluster: &Cluster, source: &Party, target: &Party) -> Result<()> {
    let at = cluster.endpoint(0);
    let good = || {
        source.key.sign(
            &at.authority,
            Party::submission(&[&target.unit], "forged", "f.bin", b"gia mao", ""),
        )
    };
    type Change = (&'static str, fn(&mut Request));
    let changes: [Change; 10] = [
        ("another body", |r| {
            r.body = r
                .body
                .iter()
                .map(|o| if *o == b'g' { b'k' } else { *o })
                .collect::<Vec<u8>>()
                .into()
        }),
        ("a longer body", |r| r.body = [&r.body[..], b"x"].concat().into()),
        ("an idempotency key added", |r| r.headers.push(("idempotency-key", "\"x\"".into()))),
        ("an upload length added", |r| r.headers.push(("upload-length", "7".into()))),
        ("another method", |r| r.method = "PUT"),
        ("another path", |r| r.target = "/v1/packets/".into()),
        ("a query added", |r| r.target = "/v1/packets?x=1".into()),
        ("no digest", |r| r.headers.retain(|(name, _)| *name != "content-digest")),
        ("no signature", |r| r.headers.retain(|(name, _)| *name != "signature")),
        ("a later time", |r| {
            for (name, value) in &mut r.headers {
                if *name == "signature-input" {
                    *value = value.replace(";created=1", ";created=2");
                }
            }
        }),
    ];
    for (what, change) in changes {
        let mut forged = good();
        change(&mut forged);
        let answer = Conn::new(&at).call(&forged).await?;
        ensure!(
            (400..500).contains(&answer.status),
            "{what} is answered with {}: {}",
            answer.status,
            answer.summary()
        );
    }
    // Octets of the signature flipped one by one.
    let signed = good();
    let signature = signed
        .headers
        .iter()
        .find(|(name, _)| *name == "signature")
        .map(|(_, value)| value.clone());
    let signature = signature.context("a signed request has a signature")?;
    let mut conn = Conn::new(&at);
    for place in signature.find(':').context("octets follow a colon")? + 1..signature.len() - 3 {
        let mut octets = signature.clone().into_bytes();
        octets[place] = if octets[place] == b'A' { b'B' } else { b'A' };
        let mut forged = signed.clone();
        forged.headers.retain(|(name, _)| *name != "signature");
        forged.headers.push(("signature", String::from_utf8(octets)?));
        let answer = conn.call(&forged).await?;
        ensure!(
            (400..500).contains(&answer.status),
            "place {place} is answered with {}",
            answer.status
        );
    }
    let sent = source.list(&at, "/v1/packets").await?;
    ensure!(!sent.iter().any(|item| item["title"] == "forged"), "a forged request made a packet");
    ensure!(Conn::new(&at).call(&good()).await?.is_success(), "the unchanged one passes");
    Ok(())
}

/// Every operation of the document: unsigned, with an unknown key, with the wrong secret, with a
/// wrong token.
async fn every_route(cluster: &Cluster, source: &Party, target: &Party) -> Result<()> {
    let at = cluster.endpoint(1);
    let sent =
        source.submit(&at, &[&target.unit], "route", b"noi dung kin", "").await?.success()?;
    let packet = source.packet(&at, &sent.text("/packet")).await?.success()?;
    let document = Conn::new(&at).call(&Request::get("/openapi.json")).await?.success()?.json();
    let paths = document["paths"].as_object().context("the document has paths")?;
    let unknown = Credential::new("AKAAAAAAAAAAAAAAAAAAAA", "secret-that-nobody-was-given")?;
    let thief = Credential::new(target.key.access_key(), "secret-that-nobody-was-given")?;
    let mut seen = 0;
    for (path, operations) in paths {
        for method in operations.as_object().context("a path has operations")?.keys() {
            let Some(method) = method_of(method) else { continue };
            seen += 1;
            let open = OPEN.contains(&(method, path.as_str()));
            let request = filled(method, path, &packet);
            let bare = Conn::new(&at).call(&request).await?;
            refused(open, "unsigned", method, path, &bare)?;
            for (who, key) in [("an unknown key", &unknown), ("a wrong secret", &thief)] {
                let answer = Conn::new(&at).call(&key.sign(&at.authority, request.clone())).await?;
                refused(open, who, method, path, &answer)?;
            }
            let answer = Conn::new(&at)
                .call(&request.clone().bearer("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
                .await?;
            refused(open, "a wrong token", method, path, &answer)?;
        }
    }
    ensure!(seen >= 30, "only {seen} operations are in the document");
    let after = source.packet(&at, &sent.text("/packet")).await?.success()?;
    ensure!(
        after.json()["deliveries"] == packet.json()["deliveries"],
        "a stranger changed something: {}",
        after.summary()
    );
    Ok(())
}

fn method_of(word: &str) -> Option<&'static str> {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
        .into_iter()
        .find(|method| method.eq_ignore_ascii_case(word))
}

/// A request for a route, about a packet that is really there.
fn filled(method: &'static str, path: &str, packet: &Answer) -> Request {
    let id = if path.contains("/spaces/") { packet.text("/space") } else { packet.text("/packet") };
    let path = path
        .replace("{id}", &id)
        .replace("{code}", "H41.41")
        .replace("{access_key}", "AKAAAAAAAAAAAAAAAAAAAA");
    match method {
        "POST" => Request::post(path, &body_of(packet)),
        "PATCH" => Request::new(method, path)
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", "0")
            .body("application/offset+octet-stream", b"x".as_slice().into()),
        "PUT" => {
            Request::new(method, path).body("application/octet-stream", b"x".as_slice().into())
        }
        _ => Request::new(method, path),
    }
}

/// A body that would do something on one route or another, if only it were signed.
fn body_of(packet: &Answer) -> Value {
    json!({ "digest": packet.text("/digest"), "reason": "x", "minutes": 5 })
}

fn refused(open: bool, who: &str, method: &str, path: &str, answer: &Answer) -> Result<()> {
    ensure!(answer.status < 500, "{who}: {method} {path} is answered with {}", answer.status);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(!text.contains("noi dung kin"), "{who}: {method} {path} gives the content away");
    if open {
        return Ok(());
    }
    ensure!(
        matches!(answer.status, 400 | 401 | 403 | 404 | 405 | 412 | 415),
        "{who}: {method} {path} is answered with {}: {}",
        answer.status,
        answer.summary(),
    );
    // Who is not known learns nothing of what is there, not even that it is.
    ensure!(
        !matches!(who, "an unknown key" | "a wrong secret") || answer.status == 401,
        "{who}: {method} {path} is answered with {}: {}",
        answer.status,
        answer.summary()
    );
    if who == "unsigned" && method != "HEAD" {
        ensure!(
            answer.status == 401,
            "{method} {path} is answered with {}: {}",
            answer.status,
            answer.summary()
        );
        ensure!(
            answer.header("accept-signature").is_some(),
            "{method} {path}: 401 says how to sign"
        );
    }
    Ok(())
}

/// A unit with a good key gets nothing of a packet between two others.
async fn another_unit(
    cluster: &Cluster,
    source: &Party,
    target: &Party,
    other: &Party,
) -> Result<()> {
    let at = cluster.endpoint(2);
    let sent =
        source.submit(&at, &[&target.unit], "giữa hai bên", b"rieng", "").await?.success()?;
    let packet = sent.text("/packet");
    let path = |word: &str| format!("/v1/packets/{packet}{word}");
    let digest = sent.text("/digest");
    let requests = [
        Request::get(path("")),
        Request::get(path("/content")),
        Request::new("POST", path("/accept")),
        Request::new("POST", path("/accept")).header("accept", "application/octet-stream"),
        Request::post(path("/confirm"), &json!({ "digest": digest })),
        Request::post(path("/reject"), &json!({ "reason": "x" })),
        Request::post(path("/cancel"), &json!({})),
        Request::post(path("/commit"), &json!({ "digest": digest, "size": 5 })),
    ];
    for request in requests {
        for index in 0..3 {
            let answer = cluster.call(index, &other.key, request.clone()).await?;
            let what = format!("{} {}", request.method, request.target);
            ensure!(
                matches!(answer.status, 403 | 404 | 409),
                "{what} is answered with {}: {}",
                answer.status,
                answer.summary()
            );
        }
    }
    let receipts = json!({ "receipts": [{ "packet": packet, "digest": digest }] });
    let answer = cluster.call(0, &other.key, Request::post("/v1/confirmations", &receipts)).await?;
    ensure!(
        answer.json()["results"][0]["ok"] != true,
        "another's receipt was taken: {}",
        answer.summary()
    );
    for path in ["/v1/admin/status", "/v1/admin/keys", "/v1/admin/apps", "/v1/admin/members"] {
        let answer = cluster.call(0, &other.key, Request::get(path)).await?;
        ensure!(answer.status == 403, "{path} is answered with {}", answer.status);
    }
    ensure!(other.list(&at, "/v1/inbox").await?.is_empty(), "another's packet is in the inbox");
    ensure!(target.receive(&at, &packet).await? == b"rieng"[..], "the target receives it");
    Ok(())
}

/// A revoked key is dead at the node that revoked it at once, and at all within the bound.
async fn revoked(cluster: &Cluster, other: &Party) -> Result<()> {
    let spare = cluster.app(&other.unit, "app-spare", &["send"]).await?;
    let path = format!("/v1/admin/keys/{}/revoke", spare.key.access_key());
    cluster.administer(Request::post(path, &json!({}))).await?;
    let deadline = Duration::from_secs(3);
    eventually("the key is dead at every node", deadline, async || {
        for index in 0..3 {
            let answer = cluster.call(index, &spare.key, Request::get("/v1/packets")).await.ok()?;
            if answer.status != 401 {
                return None;
            }
        }
        Some(())
    })
    .await
}

/// A join token of the shortest life, and when it ends.
async fn join_token(cluster: &Cluster) -> Result<(String, String)> {
    let made = cluster
        .administer(Request::post("/v1/admin/join-tokens", &json!({ "minutes": 1 })))
        .await?;
    let text = |name: &str| made[name].as_str().map(str::to_owned);
    text("token").zip(text("expires_at")).context("a token and its end are answered")
}

/// What a node sends that would join. Nothing listens at its addresses.
fn joining(token: &str) -> Result<Request> {
    let request = STANDARD.encode(certs::NodeKey::generate()?.request()?);
    let body = json!({
        "token": token,
        "name": "x", "mesh_address": "127.0.0.1:1", "api_url": "https://127.0.0.1:1",
        "certificate_request": request, "dns_names": [], "ip_addresses": ["127.0.0.1"], "version": "0", "rules_max": 2,
    });
    Ok(Request::post("/v1/cluster/join", &body))
}

async fn members(cluster: &Cluster) -> Result<usize> {
    let members = cluster.administer(Request::get("/v1/admin/members")).await?;
    let nodes = members["nodes"].as_array().context("members are listed")?;
    Ok(nodes.iter().filter(|node| node["role"] != "removed").count())
}

/// A join token is good once, and a made-up one never.
async fn join_tokens(cluster: &Cluster) -> Result<()> {
    let made_up = joining(&format!("jn_{}", "A".repeat(87)))?;
    let answer = cluster.call_unsigned(0, made_up).await?;
    ensure!(
        (400..500).contains(&answer.status),
        "a made-up token is answered with {}: {}",
        answer.status,
        answer.summary()
    );
    ensure!(members(cluster).await? == 3, "a made-up token made a member");

    let (token, _) = join_token(cluster).await?;
    let first =
        cluster.call_unsigned(0, joining(&token)?).await?.success().context("a good token")?;
    for index in 0..3 {
        let again = cluster.call_unsigned(index, joining(&token)?).await?;
        again.problem(401, "token_used").with_context(|| format!("at node {index}"))?;
    }
    ensure!(members(cluster).await? == 4, "a token used once made one member");
    let path = format!("/v1/admin/members/{}/remove", first.text("/node"));
    cluster.administer(Request::post(path, &json!({}))).await?;
    ensure!(members(cluster).await? == 3, "the node that never came is removed");
    Ok(())
}

/// A join token that has run out is refused as that, and lets nobody in.
async fn expired(cluster: &Cluster, (token, end): (String, String)) -> Result<()> {
    // Moments of one form in UTC: as texts they sort as moments do.
    let life = Duration::from_secs(90);
    eventually(&format!("it is later than {end}"), life, async || {
        let told = cluster.call_unsigned(0, Request::get("/.well-known/lgsp")).await.ok()?;
        (told.text("/server_time") > end).then_some(())
    })
    .await?;
    for index in 0..3 {
        let late = cluster.call_unsigned(index, joining(&token)?).await?;
        late.problem(401, "token_expired").with_context(|| format!("at node {index}"))?;
    }
    ensure!(members(cluster).await? == 3, "an old token made a member");
    Ok(())
}
