//! The nodes of the cluster: list, token, remove.

use std::collections::BTreeMap;

use client::{NodeStatus, Role};
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
    let (client, loaded) = context.client()?;
    let mut members = client.members().await.map_err(context.failed())?;
    if !out.is_table() {
        super::certificates::fill_in(context, &loaded, &mut members).await;
        out.json("lgsp.members/1", members);
        return Ok(Exit::Ok);
    }
    let rows = members.iter().map(|member| {
        let (mark, state) = standing(member);
        let state = if member.role == Role::Removed {
            String::new()
        } else {
            format!("{} {}", out.sign(mark), out.text(state))
        };
        vec![
            member.node.to_string(),
            member.name.clone(),
            out.text(role(member.role.known())).to_owned(),
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
        words::COL_API,
        words::COL_VERSION,
    ];
    out.rows(&headers, rows.collect());
    Ok(Exit::Ok)
}

/// Whether a node answers, as a mark and a word.
pub fn standing(member: &NodeStatus) -> (Mark, Text) {
    match (member.reachable, member.role.known()) {
        (false, Some(Role::Waiting)) => (Mark::Warn, words::NOT_STARTED),
        (false, _) => (Mark::Bad, words::AWAY),
        (true, _) if member.standing.as_deref() == Some("copied") => (Mark::Bad, words::COPIED),
        (true, _) if member.standing.as_deref() == Some("went_back") => {
            (Mark::Bad, words::WENT_BACK)
        }
        (true, _) if member.standing.as_deref() == Some("apart") => (Mark::Bad, words::APART),
        (true, _) if member.standing.as_deref() == Some("catching_up") => {
            (Mark::Warn, words::LEARNER)
        }
        (true, Some(Role::Learner)) => (Mark::Warn, words::LEARNER),
        (true, _) => (Mark::Good, words::GOOD),
    }
}

/// The word for a role; none is one that we do not know.
pub fn role(role: Option<Role>) -> Text {
    match role {
        Some(Role::Leader) => words::LEADER,
        Some(Role::Voter) => words::VOTER,
        Some(Role::Learner) => words::LEARNER,
        Some(Role::Removed) => words::REMOVED,
        Some(Role::Waiting) => words::WAITING,
        Some(Role::Leaving) => words::LEAVING,
        None => words::UNKNOWN,
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

/// How many nodes vote once this one is removed, and how many of them may fail then.
fn left_without(members: &[NodeStatus], node: NodeId) -> (usize, usize) {
    let left = members.iter().filter(|member| member.votes()).filter(|member| member.node != node);
    let (voters, live) = (left.clone().count(), left.filter(|member| member.reachable).count());
    (voters, live.saturating_sub(voters / 2 + 1))
}

/// Names that several nodes of the cluster have, with their numbers.
pub fn same_names(members: &[NodeStatus]) -> Vec<(String, String)> {
    let mut nodes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for member in members.iter().filter(|member| member.role != Role::Removed) {
        nodes.entry(&member.name).or_default().push(member.node.to_string());
    }
    let several = nodes.into_iter().filter(|(name, nodes)| !name.is_empty() && nodes.len() > 1);
    several.map(|(name, nodes)| (name.to_owned(), nodes.join(", "))).collect()
}

/// Removes a node, after asking for its name.
pub async fn remove(context: &Context, node: NodeId, (force, yes): (bool, bool)) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let members = client.members().await.map_err(context.failed())?;
    let Some(member) =
        members.iter().find(|member| member.node == node && member.role != Role::Removed)
    else {
        return Err(Failure::new(Exit::NotFound, out.fill(t::NODE_UNKNOWN, &[("node", &node)]))
            .fix(out.text(t::FIX_NODE_UNKNOWN))
            .code(1006));
    };
    let name = if member.name.is_empty() { node.to_string() } else { member.name.clone() };
    let (voters, spare) = left_without(&members, node);
    if spare == 0 && out.is_table() {
        out.warn(out.fill(words::NO_SPARE_LEFT, &[("voters", &voters)]));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn members(rows: &[(u64, &str, &str, bool)]) -> Vec<NodeStatus> {
        let member = |(node, name, role, reachable): &(u64, &str, &str, bool)| {
            let member =
                json!({ "node": node, "name": name, "role": role, "reachable": reachable });
            serde_json::from_value(member).expect("a member")
        };
        rows.iter().map(member).collect()
    }

    /// The client has types of its own, so that it can differ from the server: here is where that shows.
    #[test]
    fn every_word_of_the_server_is_known_to_the_client() {
        fn is_known<T: Copy + serde::de::DeserializeOwned>(word: &str) {
            let read: client::Word<T> = serde_json::from_value(json!(word)).expect("a word");
            assert!(read.known().is_some(), "{word}");
        }
        conductor::MemberRole::ALL.iter().for_each(|role| is_known::<Role>(role.as_str()));
        conductor::Health::ALL
            .iter()
            .for_each(|health| is_known::<client::Health>(health.as_str()));
        let kinds = conductor::WarningKind::ALL.iter();
        kinds.for_each(|kind| is_known::<client::WarningKind>(kind.as_str()));
    }

    /// Finding 24: one that was admitted and has not run yet is not told as lost.
    #[test]
    fn a_node_that_has_not_run_yet_waits() {
        let waiting = &members(&[(3, "c", "waiting", false)])[0];
        assert_eq!(role(waiting.role.known()), words::WAITING);
        assert_eq!(standing(waiting), (Mark::Warn, words::NOT_STARTED));
    }

    /// Finding 15: what a removal leaves is said before it is done, and two nodes of one name are told apart.
    #[test]
    fn a_removal_tells_what_it_leaves_and_equal_names_are_seen() {
        let three = |third| {
            members(&[(1, "a", "leader", true), (2, "b", "voter", true), (3, "b", "voter", third)])
        };
        assert_eq!(left_without(&three(true), NodeId(3)), (2, 0));
        assert_eq!(left_without(&three(false), NodeId(2)), (2, 0), "the third is away");
        let mut four = three(true);
        four.extend(members(&[(4, "d", "voter", true), (5, "b", "removed", false)]));
        assert_eq!(left_without(&four, NodeId(1)), (3, 1));
        assert_eq!(left_without(&four, NodeId(5)), (4, 1));
        assert_eq!(same_names(&four), [("b".to_owned(), "2, 3".to_owned())]);
    }
}
