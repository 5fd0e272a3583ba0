//! What every door has: this node, the cluster that it proposes to and reads, the date, random octets (D20).
//!
//! A door is a small struct of this and of the one or two ports that it needs beside it. What goes wrong behind it is
//! its own error; what can go wrong at each of them is here.

use std::{sync::Arc, time::Duration};

use auth::{Head, Signed, VerifiedCaller, Whole};
use consensus::{Clock, Consensus, ProposeError};
use machine::{
    ClaimSpace, ClusterRecord, Command, NodeRecord, Outcome, Proposal, Proposer, Refusal, View,
};
use model::{CommandId, Grant, Moment, NodeId};

use crate::evidence;

/// Randomness that comes in from outside, so that a simulation can steer it.
pub trait Random: Send + Sync + 'static {
    /// Fills the octets with random ones fit for keys.
    fn fill(&self, octets: &mut [u8]);
}

/// What can go wrong at any door.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules say no; nothing was changed.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// This node is cut off from a majority, or too busy; the same request may succeed later or elsewhere.
    #[error("no majority of the nodes can be reached")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The command was handed on but its answer did not come: it may or may not have happened.
    #[error("the answer did not come in time; it is not known whether it happened")]
    Unknown,
    /// A command with more octets than one may have.
    #[error("the command is larger than allowed ({max} octets)")]
    TooLarge {
        /// The largest size.
        max: u64,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ProposeError> for Error {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::Unavailable { retry_after } => Self::Unavailable { retry_after },
            ProposeError::TooLarge { max, .. } => Self::TooLarge { max: max as u64 },
            // Whoever lets something ride has another way; a bare proposal never hears it.
            ProposeError::NoRide => Self::Unavailable { retry_after: Consensus::retry_after() },
            ProposeError::Unknown => Self::Unknown,
        }
    }
}

impl From<consensus::Unavailable> for Error {
    fn from(error: consensus::Unavailable) -> Self {
        Self::Unavailable { retry_after: error.retry_after }
    }
}

/// An error with a case `Door` takes what goes wrong below `Core` as that case.
macro_rules! through_core {
    ($error:ty: $($source:ty),+) => {$(
        impl From<$source> for $error {
            fn from(source: $source) -> Self {
                Self::Door(source.into())
            }
        }
    )+};
}
pub(crate) use through_core;

/// What every door has.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) node: NodeId,
    pub(crate) consensus: Consensus,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Core {
    /// The cluster's date, whatever this node's own clock shows; its own clock before it has heard of
    /// one since its start.
    pub(crate) fn now(&self) -> Moment {
        self.consensus.date().unwrap_or_else(|| self.clock.now())
    }

    /// The cluster's own record, once it is founded.
    pub(crate) fn cluster(&self) -> Option<ClusterRecord> {
        self.consensus.peek(|rows| View::new(rows).cluster())
    }

    /// Members that were not removed.
    pub(crate) fn present_nodes(&self) -> Vec<NodeRecord> {
        let nodes = self.consensus.peek(|rows| View::new(rows).nodes());
        nodes.into_iter().filter(|record| record.removed_at.is_none()).collect()
    }

    /// Hands leadership over, so that nobody waits for an election.
    pub(crate) async fn step_down(&self) {
        if self.consensus.status().role == consensus::Role::Leader {
            let handed = self.consensus.transfer_leadership().await;
            if let Err(error) = handed {
                tracing::warn!(%error, "leadership could not be handed over");
            }
        }
    }

    /// Waits until the state says something, for at most so long; answers whether it does.
    pub(crate) async fn until(&self, wait_max: Duration, holds: impl Fn() -> bool) -> bool {
        let mut applied = self.consensus.watch_applied();
        let applying = async {
            while !holds() {
                if applied.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(wait_max, applying).await.unwrap_or(false)
    }

    pub(crate) fn random_bits(&self) -> u128 {
        let mut octets = [0; 16];
        self.random.fill(&mut octets);
        u128::from_be_bytes(octets)
    }

    /// Proposes a command of this node itself.
    pub(crate) async fn propose(&self, command: Command) -> Result<Outcome, Error> {
        let own = self.proposal(Proposer::Node(self.node), command);
        Ok(self.consensus.propose(own).await??)
    }

    /// Proposes a caller's command; its nonce rides in it.
    pub(crate) async fn propose_for(
        &self,
        caller: &Signed<Whole>,
        command: Command,
    ) -> Result<Outcome, Error> {
        Ok(self.consensus.propose(self.proposal_for(caller, command)?).await??)
    }

    /// A caller's command as it is proposed, for whoever lets a content ride with it.
    pub(crate) fn proposal_for(
        &self,
        caller: &Signed<Whole>,
        command: Command,
    ) -> Result<Proposal, Refusal> {
        let proof = evidence::of_request(caller, &command)?;
        Ok(self.proposal(Proposer::Signed(proof), command))
    }

    /// Proposes where a caller's upload goes: the one command that a head alone may propose. The body is content: it
    /// streams into a space that nobody sees before the packet's commit, whose request is whole.
    pub(crate) async fn propose_upload(
        &self,
        caller: &Signed<Head>,
        claim: ClaimSpace,
    ) -> Result<Outcome, Error> {
        let (proof, claim) = evidence::of_upload(caller, claim)?;
        Ok(self.consensus.propose(self.proposal(Proposer::Signed(proof), claim)).await??)
    }

    fn proposal(&self, by: Proposer, command: Command) -> Proposal {
        Proposal { id: CommandId::mint(self.now(), self.random_bits()), by, command }
    }
}

/// Asks whether the caller's application was granted this; the machine asks again for commands.
pub(crate) fn require(caller: &VerifiedCaller, grant: Grant) -> Result<(), Refusal> {
    if caller.grants().has(grant) { Ok(()) } else { Err(Refusal::NotGranted) }
}
