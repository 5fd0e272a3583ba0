//! `cluster authority`: who certifies the nodes, its rotation, and what applications have to do.

use std::time::Duration;

use client::{Authority, Client, Status, TrustedAuthorities};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Context, Done, check::Findings, founding::fingerprint};
use crate::{
    cli::{AuthorityVerb, Exit, Failure, Mark, Out},
    profile::Loaded,
    texts::{authority as t, identity as i, states, words as w},
};

/// How long the command waits for the new authority; the cluster goes on without it. The cluster key
/// is rotated before, where a member was removed.
const ROTATED_TIME_MAX: Duration = Duration::from_secs(60);
/// An older authority that ends sooner is warned of.
const OLDER_WARNED_SECONDS: u64 = 7 * 24 * 3600;
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What is asked about the authority.
pub async fn authority(context: &Context, verb: AuthorityVerb) -> Done {
    match verb {
        AuthorityVerb::Show { pem } => show(context, pem).await,
        AuthorityVerb::Rotate { overlap_days } => rotate(context, overlap_days).await,
        AuthorityVerb::End { yes } => end_older(context, yes).await,
    }
}

async fn trusted(context: &Context, client: &Client) -> Result<TrustedAuthorities, Failure> {
    let told = client.nodes().await.map_err(context.failed())?;
    told.authority.ok_or_else(|| {
        Failure::new(Exit::Failed, context.out.text(t::UNKNOWN))
            .fix(context.out.text(t::FIX_UNKNOWN))
            .code(9602)
    })
}

async fn show(context: &Context, pem: bool) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let told = trusted(context, &client).await?;
    if pem {
        out.print(told.pem.trim_end());
    } else if out.is_table() {
        lines(out, &told).iter().for_each(|line| out.print(line));
    } else {
        out.json("lgsp.authority/1", json!(told));
    }
    Ok(Exit::Ok)
}

async fn rotate(context: &Context, overlap_days: u32) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let before = client.status().await.map_err(context.failed())?;
    let number = before.authority.as_ref().map_or(0, |authority| authority.number);
    let asked = client.rotate_authority(overlap_days).await;
    asked.map_err(context.failed_doing(t::LOOK))?;
    let now = settle(&client, number).await.map_err(context.failed())?;
    if now.is_none_or(|now| now.number <= number) {
        return Err(slow(out));
    }
    let told = trusted(context, &client).await?;
    if out.is_table() {
        out.done(t::ROTATED, &[("number", &told.number)]);
        lines(out, &told).iter().for_each(|line| out.say(line));
    } else {
        out.json("lgsp.authority/1", json!(told));
    }
    Ok(Exit::Ok)
}

/// Waits for an authority after this number, or for as long as a person waits.
async fn settle(client: &Client, number: u32) -> Result<Option<Authority>, client::Error> {
    let end = Instant::now() + ROTATED_TIME_MAX;
    loop {
        let authority = client.status().await?.authority;
        let is_new = authority.as_ref().is_some_and(|now| now.number > number && !now.wanted);
        if is_new || Instant::now() >= end {
            return Ok(authority);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Whom a profile that is written now is to trust: the authority of the cluster, once none is on its way.
pub async fn settled(
    context: &Context,
    client: &Client,
    loaded: &Loaded,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let now = settle(client, 0).await.map_err(context.failed())?;
    if now.is_some_and(|now| now.wanted) {
        return Err(slow(&context.out));
    }
    loaded.authority_as_told(&trusted(context, client).await?.pem)
}

fn slow(out: &Out) -> Failure {
    Failure::new(Exit::Degraded, out.text(t::SLOW))
        .why(out.text(t::SLOW_WHY))
        .fix(out.text(t::LOOK))
        .code(9603)
}

async fn end_older(context: &Context, yes: bool) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let status = client.status().await.map_err(context.failed())?;
    let name = if status.name.is_empty() { "lgsp".to_owned() } else { status.name.clone() };
    context.confirm(t::ASK_END, &name, yes)?;
    let status = client.end_older_authorities().await.map_err(context.failed_doing(t::LOOK))?;
    if out.is_table() {
        out.done(t::ENDED, &[("number", &number_of(&status))]);
    } else {
        out.json("lgsp.authority/1", json!(trusted(context, &client).await?));
    }
    Ok(Exit::Ok)
}

fn number_of(status: &Status) -> u32 {
    status.authority.as_ref().map_or(0, |authority| authority.number)
}

/// Who certifies, and what is to be done until when.
fn lines(out: &Out, told: &TrustedAuthorities) -> Vec<String> {
    let first = CertificateDer::pem_slice_iter(told.pem.as_bytes()).find_map(Result::ok);
    let mark = first.map(|der| fingerprint(&der)).unwrap_or_default();
    let mut lines = vec![out.fill(t::SHOWN, &[("number", &told.number), ("fingerprint", &mark)])];
    if let Some(until) = &told.older_until {
        lines.push(out.fill(t::OLDER_UNTIL, &[("until", until)]));
        lines.push(out.text(t::TAKE).to_owned());
    }
    lines
}

impl Findings<'_> {
    pub(super) fn cluster_key(&mut self, status: &Status) {
        let (out, group) = (self.out, w::CHECK_SECURITY);
        let Some(key) = &status.cluster_key else { return };
        if key.phase == "settled" {
            let text = out.fill(i::CHECK_CLUSTER_KEY, &[("version", &key.version)]);
            return self.add(group, "cluster_key", Mark::Good, text, None);
        }
        let holders = super::cluster::holders(key);
        let phase = states::phase(out.lang, &key.phase);
        let values: [(&str, &dyn std::fmt::Display); 2] =
            [("phase", &phase), ("holders", &holders)];
        let text = out.fill(i::CHECK_CLUSTER_KEY_TURNING, &values);
        let fix = Some(out.text(i::FIX_CLUSTER_KEY).to_owned());
        self.add(group, "cluster_key", Mark::Warn, text, fix);
    }

    /// Who has to do something by a date is told from the beginning, and warned in its last week.
    pub(super) fn authority(&mut self, status: &Status) {
        let (out, group) = (self.out, w::CHECK_SECURITY);
        let Some(authority) = &status.authority else { return };
        let number: (&str, &dyn std::fmt::Display) = ("number", &authority.number);
        if authority.wanted {
            let text = out.fill(t::CHECK_WANTED, &[number]);
            let fix = Some(out.text(i::FIX_CLUSTER_KEY).to_owned());
            return self.add(group, "authority", Mark::Warn, text, fix);
        }
        let Some(until) = &authority.older_until else {
            return self.add(group, "authority", Mark::Good, out.fill(t::CHECK, &[number]), None);
        };
        let ends_soon =
            authority.older_left_seconds.is_some_and(|left| left < OLDER_WARNED_SECONDS);
        let mark = if ends_soon { Mark::Warn } else { Mark::Good };
        let text = out.fill(t::CHECK_OLDER, &[number, ("until", until)]);
        self.add(group, "authority", mark, text, Some(out.text(t::FIX_OLDER).to_owned()));
    }
}
