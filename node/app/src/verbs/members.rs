//! The nodes of the cluster: list, token, remove.

use client::NodeStatus;
use model::NodeId;
use serde_json::json;

use super::{Context, Done};
use crate::{
    cli::{Exit, Failure, Mark},
    texts::{Text, failures as t, words},
};

/// Lists the nodes.
pub async fn list(context: &Context) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let members = client.members().await.map_err(context.failed())?;
    if !out.is_table() {
        out.json("lgsp.members/1", members);
        return Ok(Exit::Ok);
    }
    let rows = members.iter().map(|member| {
        let (mark, state) = standing(member);
        let state = if member.role == "removed" {
            String::new()
        } else {
            format!("{} {}", out.sign(mark), out.text(state))
        };
        vec![
            member.node.to_string(),
            member.name.clone(),
            out.text(role(&member.role)).to_owned(),
            state,
            member.mesh_address.clone().unwrap_or_default(),
            member.api_url.clone().unwrap_or_default(),
            member.version.clone().unwrap_or_default(),
        ]
    });
    let headers = [
        words::COL_NODE,
        words::COL_NAME,
        words::COL_ROLE,
        words::COL_STATUS,
        words::COL_ADDRESS,
        Text { vi: "API", en: "API" },
        words::COL_VERSION,
    ];
    out.rows(&headers, rows.collect());
    Ok(Exit::Ok)
}

/// Whether a node answers, as a mark and a word.
pub fn standing(member: &NodeStatus) -> (Mark, Text) {
    match (member.reachable, member.role.as_str()) {
        (false, _) => (Mark::Bad, words::AWAY),
        (true, _) if member.standing.as_deref() == Some("copied") => (Mark::Bad, words::COPIED),
        (true, _) if member.standing.as_deref() == Some("went_back") => {
            (Mark::Bad, words::WENT_BACK)
        }
        (true, _) if member.standing.as_deref() == Some("apart") => (Mark::Bad, words::APART),
        (true, _) if member.standing.as_deref() == Some("catching_up") => {
            (Mark::Warn, words::LEARNER)
        }
        (true, "learner") => (Mark::Warn, words::LEARNER),
        (true, _) => (Mark::Good, words::GOOD),
    }
}

/// The word for a role.
pub fn role(role: &str) -> Text {
    match role {
        "leader" => words::LEADER,
        "voter" => words::VOTER,
        "learner" => words::LEARNER,
        "removed" => words::REMOVED,
        _ => words::UNKNOWN,
    }
}

/// Makes a join token and prints the line to type elsewhere.
pub async fn token(context: &Context, minutes: Option<u32>) -> Done {
    let out = &context.out;
    let (client, loaded) = context.client()?;
    let issued = client.join_token(minutes).await.map_err(context.failed())?;
    let token = issued.token.expose();
    let url = &loaded.profile.urls[0];
    let expires = issued.expires_at.as_deref().unwrap_or("?");
    let line = format!(
        "LGSP_JOIN_TOKEN={token} lgsp join {url} --data-dir /var/lib/lgsp --name NAME --mesh-advertise HOST:7443 --api-url https://HOST:8443"
    );
    if out.is_table() {
        out.say(out.fill(words::TOKEN_HINT, &[("expires", &expires)]));
        out.print(line);
    } else {
        out.json(
            "lgsp.join-token/1",
            json!({ "token": token, "expires_at": issued.expires_at, "join": line }),
        );
    }
    Ok(Exit::Ok)
}

/// Removes a node, after asking for its name.
pub async fn remove(context: &Context, node: NodeId, (force, yes): (bool, bool)) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let members = client.members().await.map_err(context.failed())?;
    let Some(member) =
        members.iter().find(|member| member.node == node && member.role != "removed")
    else {
        return Err(Failure::new(
            Exit::NotFound,
            format!("{} {node}: {}", out.text(words::COL_NODE), out.text(words::UNKNOWN)),
        )
        .fix("lgsp member list")
        .code(1006));
    };
    let name = if member.name.is_empty() { node.to_string() } else { member.name.clone() };
    context.confirm(words::ASK_REMOVE, &name, yes)?;
    client.remove_member(node, force).await.map_err(|error| {
        let mut failure = context.failed_doing(t::LOOK_MEMBERS)(error);
        failure.fix.get_or_insert_with(|| out.text(t::FIX_STATUS).to_owned());
        failure
    })?;
    if out.is_table() {
        out.done(words::DONE_MEMBER_REMOVED, &[("node", &node)]);
    }
    // It knew every secret of its last day: whoever removes it hears which.
    super::renew::tell(context, &client, member).await
}
