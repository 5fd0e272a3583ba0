//! What the cluster shares: its key, which is rotated while it runs.

use std::time::Duration;

use client::{Client, ClusterKey, Status};
use tokio::time::{Instant, sleep};

use super::{Context, Done};
use crate::{
    cli::{Exit, Failure, Out},
    texts::{identity as t, states},
};

/// How long the command waits for the rotation to settle; the cluster goes on without it.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Rotates the cluster key, and waits until every secret is sealed under the new version.
pub async fn rotate_key(context: &Context, end_tokens: bool) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let before = client.status().await.map_err(context.failed())?;
    let version = before.cluster_key.as_ref().map_or(0, |key| key.version);
    match client.rotate_cluster_key(end_tokens).await {
        Err(error) if error.word() == Some("rotations_full") => {
            return Err(full(out, &key_of(before)));
        }
        asked => asked.map_err(context.failed_doing(t::FIX_ROTATE_SLOW))?,
    };
    let settled = settle(&client, out, version).await.map_err(context.failed())?;
    if settled.version == version || settled.phase != "settled" {
        return Err(Failure::new(
            Exit::Degraded,
            out.fill(t::ROTATE_SLOW, &[("phase", &states::phase(out.lang, &settled.phase))]),
        )
        .why(out.fill(t::ROTATE_SLOW_WHY, &[("holders", &holders(&settled))]))
        .fix(out.text(t::FIX_ROTATE_SLOW))
        .code(9601));
    }
    if out.is_table() {
        out.done(t::ROTATED, &[("version", &settled.version)]);
        left_over(out, &settled);
    } else {
        out.json("lgsp.cluster-key/1", &settled);
    }
    Ok(Exit::Ok)
}

/// Says how many versions are kept, and until when.
fn full(out: &Out, key: &ClusterKey) -> Failure {
    let until = key.oldest_until.as_deref().unwrap_or("?");
    Failure::new(Exit::Conflict, out.fill(t::ROTATE_FULL, &[("count", &key.older_versions)]))
        .why(out.text(t::ROTATE_FULL_WHY))
        .fix(out.fill(t::FIX_ROTATE_FULL, &[("until", &until)]))
        .code(1008)
}

/// Waits until a version after this one has settled, or for as long as a person waits.
pub async fn settle(client: &Client, out: &Out, version: u32) -> Result<ClusterKey, client::Error> {
    let (end, mut told) = (Instant::now() + SETTLE_TIME_MAX, String::new());
    loop {
        let key = key_of(client.status().await?);
        let late = Instant::now() >= end;
        if late || (key.version > version && key.phase == "settled") {
            return Ok(key);
        }
        if out.is_table() && key.phase != told {
            let phase = states::phase(out.lang, &key.phase);
            out.say(out.fill(t::ROTATING, &[("phase", &phase)]));
            told.clone_from(&key.phase);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What an older node does not tell is not known.
fn key_of(status: Status) -> ClusterKey {
    status.cluster_key.unwrap_or_else(|| ClusterKey {
        version: 0,
        phase: "unknown".into(),
        active_at: None,
        holders: Vec::new(),
        old_tokens_until: None,
        old_contents_until: None,
        older_versions: 0,
        older_versions_max: None,
        oldest_until: None,
    })
}

/// Says what of the older versions is still good, and until when.
fn left_over(out: &Out, key: &ClusterKey) {
    if let Some(until) = &key.old_tokens_until {
        out.say(out.fill(t::OLD_TOKENS, &[("until", until)]));
    }
    if let Some(until) = &key.old_contents_until {
        out.say(out.fill(t::OLD_CONTENTS, &[("until", until)]));
    }
}

/// The numbers of the nodes that hold the new version.
pub fn holders(key: &ClusterKey) -> String {
    let numbers: Vec<String> = key.holders.iter().map(ToString::to_string).collect();
    if numbers.is_empty() { "-".into() } else { numbers.join(", ") }
}
