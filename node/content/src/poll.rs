//! Asks all voters how the log of a space stands, and counts their answers.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use model::{NodeId, SpaceId};
use tokio::time::{Instant, timeout_at};

use crate::{
    Peers,
    membership::{Members, Membership},
    protocol::{self, Operation, Standing, TENURES_MAX},
};

/// How long a majority is given to answer.
const ASK_TIME: Duration = Duration::from_secs(5);
/// How long the others are waited for once a majority has answered.
const ASK_GRACE: Duration = Duration::from_millis(50);

/// Asks the voters.
pub(crate) struct Poll {
    peers: Arc<dyn Peers>,
    membership: Arc<Membership>,
}

/// How the log stands at one node.
pub(crate) struct Answer {
    pub node: NodeId,
    pub standing: Standing,
}

/// The answers of the nodes that answered in time, this one's among them.
pub(crate) struct Answers {
    pub members: Arc<Members>,
    pub all: Vec<Answer>,
}

impl Answers {
    /// The answers of voters.
    pub fn of_voters(&self) -> impl Iterator<Item = &Standing> {
        let votes = |answer: &&Answer| self.members.votes(answer.node);
        self.all.iter().filter(votes).map(|answer| &answer.standing)
    }

    /// Whether a majority of the voters answered so.
    pub fn majority(&self, test: impl Fn(&Standing) -> bool) -> bool {
        self.of_voters().filter(|standing| test(standing)).count() >= self.members.majority()
    }
}

impl Poll {
    pub fn new(peers: Arc<dyn Peers>, membership: Arc<Membership>) -> Self {
        Self { peers, membership }
    }

    /// Asks all other voters; waits for a majority, and a little for the rest.
    pub async fn ask(
        &self,
        space: SpaceId,
        operation: Operation,
        body: &impl minicbor::Encode<()>,
        here: Standing,
    ) -> Answers {
        let members = self.membership.get();
        let message = protocol::message(operation, body);
        let mut asked: FuturesUnordered<_> = members
            .others()
            .map(|node| {
                let answer = self.peers.request(node, message.clone());
                async move { (node, answer.await) }
            })
            .collect();
        let mut votes = usize::from(members.votes(members.node));
        let mut all = vec![Answer { node: members.node, standing: here }];
        let mut deadline = Instant::now() + ASK_TIME;
        while let Ok(Some((node, answer))) = timeout_at(deadline, asked.next()).await {
            let body = answer.ok().and_then(|answer| protocol::accepted(&answer, space).ok());
            let standing: Option<Standing> = body.and_then(|body| protocol::decode(&body).ok());
            let Some(standing) = standing.filter(|standing| standing.tenures.len() <= TENURES_MAX)
            else {
                continue;
            };
            all.push(Answer { node, standing });
            votes += 1;
            if votes == members.majority() {
                deadline = deadline.min(Instant::now() + ASK_GRACE);
            }
        }
        drop(asked);
        Answers { members, all }
    }
}
