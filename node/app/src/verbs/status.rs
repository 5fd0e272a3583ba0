//! `status`: the cluster on one screen.

use client::{Health, NodeStatus, Role, Status};

use super::{
    Context, Done,
    members::{role, standing},
};
use crate::{
    cli::{Exit, Out, size_text},
    texts::{Text, words},
};

/// Shows the cluster; a degraded one has its own exit code.
pub async fn status(context: &Context) -> Done {
    let out = &context.out;
    let (client, loaded) = context.client()?;
    let mut status = client.status().await.map_err(context.failed())?;
    if out.is_table() {
        show(out, &status);
    } else {
        super::certificates::fill_in(context, &loaded, &mut status.nodes).await;
        out.json("lgsp.status/1", &status);
    }
    Ok(exit_of(status.health.known()))
}

/// The exit code that a health has; one that we do not know is no good one.
pub fn exit_of(health: Option<Health>) -> Exit {
    match health {
        Some(Health::Healthy) => Exit::Ok,
        Some(Health::Degraded) => Exit::Degraded,
        Some(Health::Unavailable) | None => Exit::Failed,
    }
}

fn health(status: &Status) -> Text {
    match status.health.known() {
        Some(Health::Healthy) => words::HEALTHY,
        Some(Health::Degraded) => words::DEGRADED,
        Some(Health::Unavailable) | None => words::UNAVAILABLE,
    }
}

fn show(out: &Out, status: &Status) {
    let time = status.time.as_deref().unwrap_or("?");
    let head = [
        ("name", &status.name as &dyn std::fmt::Display),
        ("health", &out.text(health(status))),
        ("tolerates", &status.tolerates),
        ("time", &time),
    ];
    out.print(out.fill(words::STATUS_HEAD, &head));
    out.print("");
    let nodes = status.nodes.iter().filter(|node| node.role != Role::Removed);
    let can_lead = status.health != Health::Unavailable;
    let headers = [
        words::COL_NODE,
        words::COL_NAME,
        words::COL_ROLE,
        words::COL_STATUS,
        words::COL_CLOCK,
        words::COL_DISK,
        words::COL_CONTENTS,
        words::COL_DEBT,
        words::COL_VERSION,
    ];
    out.rows(&headers, nodes.map(|node| row(out, node, can_lead)).collect());
    if status.lost > 0 {
        out.print(format_args!(
            "\n{} {}",
            out.sign(crate::cli::Mark::Bad),
            out.fill(words::STATUS_LOST, &[("count", &status.lost)])
        ));
    }
    if !status.warnings.is_empty() {
        out.print(format_args!(
            "\n{} {}",
            out.sign(crate::cli::Mark::Warn),
            out.fill(words::WARNINGS, &[("count", &status.warnings.len())])
        ));
    }
}

/// The role of a node. Without a majority nobody leads, whoever did last.
fn role_now(node: &NodeStatus, can_lead: bool) -> Text {
    let known = node.role.known();
    role(if can_lead || known != Some(Role::Leader) { known } else { Some(Role::Voter) })
}

fn row(out: &Out, node: &NodeStatus, can_lead: bool) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let (mark, state) = standing(node);
    vec![
        node.node.to_string(),
        node.name.clone(),
        out.text(role_now(node, can_lead)).to_owned(),
        format!("{} {}", out.sign(mark), out.text(state)),
        or_dash(node.clock_offset_ms.map(|ms| format!("{ms:+} ms"))),
        or_dash(node.disk_free.map(size_text)),
        or_dash(node.contents.map(|count| count.to_string())),
        or_dash(node.purge_debt.map(|count| count.to_string())),
        or_dash(node.version.clone()),
    ]
}
