//! Asks all voters how the log of a space stands, and counts their answers.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

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

/// What is asked about.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub space: SpaceId,
    /// Who voted at any time since the space was granted; see [`crate::Content::open_writer`].
    pub former: &'a [Vec<NodeId>],
}

/// How the log stands at one node.
pub(crate) struct Answer {
    pub node: NodeId,
    pub standing: Standing,
}

/// The answers of the nodes that answered in time, this one's among them.
pub(crate) struct Answers {
    pub members: Arc<Members>,
    /// Who voted before, where what they hold alone may count.
    former: Vec<Vec<NodeId>>,
    pub all: Vec<Answer>,
}

impl Answers {
    /// The answers of voters.
    pub fn of_voters(&self) -> impl Iterator<Item = &Standing> {
        let votes = |answer: &&Answer| self.members.votes(answer.node);
        self.all.iter().filter(votes).map(|answer| &answer.standing)
    }

    /// Whether a majority of the voters answered so, and a half of each list of those before: what was acknowledged
    /// was with a majority of one of these lists, which meets each half of it; and a writer of that time has no
    /// majority left.
    pub fn majority(&self, test: impl Fn(&Standing) -> bool) -> bool {
        let so = self.all.iter().filter(|answer| test(&answer.standing));
        let so: Vec<NodeId> = so.map(|answer| answer.node).collect();
        let of =
            |voters: &Vec<NodeId>| voters.iter().filter(|voter| so.contains(voter)).count() * 2;
        let present = &self.members.voters;
        of(present) > present.len() && self.former.iter().all(|list| of(list) >= list.len())
    }
}

impl Poll {
    pub fn new(peers: Arc<dyn Peers>, membership: Arc<Membership>) -> Self {
        Self { peers, membership }
    }

    /// Asks all other voters, and those who voted before; waits for a majority, and a little for the rest.
    pub async fn ask(
        &self,
        About { space, former }: About<'_>,
        operation: Operation,
        body: &impl minicbor::Encode<()>,
        here: Standing,
    ) -> Answers {
        let members = self.membership.get();
        let message = protocol::message(operation, body);
        let voters = members.voters.iter().chain(former.iter().flatten()).copied();
        let others: BTreeSet<NodeId> = voters.filter(|voter| *voter != members.node).collect();
        let mut asked: FuturesUnordered<_> = others
            .into_iter()
            .map(|node| {
                let answer = self.peers.request(node, message.clone());
                async move { (node, answer.await) }
            })
            .collect();
        let all = vec![Answer { node: members.node, standing: here }];
        let mut answers = Answers { members, former: former.to_vec(), all };
        let is_enough = answers.majority(|_| true);
        let mut deadline = Instant::now() + if is_enough { ASK_GRACE } else { ASK_TIME };
        while let Ok(Some((node, answer))) = timeout_at(deadline, asked.next()).await {
            let body = answer.ok().and_then(|answer| protocol::accepted(&answer, space).ok());
            let standing: Option<Standing> = body.and_then(|body| protocol::decode(&body).ok());
            let Some(standing) = standing.filter(|standing| standing.tenures.len() <= TENURES_MAX)
            else {
                continue;
            };
            let was_majority = answers.majority(|_| true);
            answers.all.push(Answer { node, standing });
            if !was_majority && answers.majority(|_| true) {
                deadline = deadline.min(Instant::now() + ASK_GRACE);
            }
        }
        drop(asked);
        answers
    }
}
