//! What the machine remembers of proposals: their nonces and their answers.
//!
//! A signed command is found by its nonce, and what a node proposes by the command's id.

use model::{AccessKey, CommandId, Moment, Nonce, Tick};

use crate::{
    limits::ANSWER_TIME_MS,
    refusal::Refusal,
    store::Store,
    tables::{ANSWERS, NONCES},
    v1::{Answer, Command, Proposal, Proposer, Spent},
};

/// What is known of a proposal before it is judged.
#[derive(Default)]
pub(crate) struct Past {
    /// What it was answered when it came before.
    pub(crate) answer: Option<Answer>,
    /// What it spends if its proof is good; none where nobody signed.
    nonce: Option<(Moment, AccessKey, Nonce)>,
    /// The nonce has passed, with this command or with another.
    pub(crate) spent: bool,
}

impl Past {
    /// One look for what is signed: a command whose nonce has not passed has not been answered. That
    /// is most of the traffic.
    pub(crate) fn of<S: Store>(store: &S, tick: Tick, proposal: &Proposal) -> Self {
        let Proposer::Signed(proof) = &proposal.by else {
            return Self { answer: answered(store, tick, proposal.id), ..Self::default() };
        };
        let nonce = (proof.created, proof.key.clone(), proof.nonce.clone());
        let (answer, spent) = match NONCES.get(store, &nonce) {
            None => (None, false),
            Some(spent) if spent.command == proposal.id => (Some(spent.answer), true),
            // The node, not the signer, chose the holders, so that refusal must not burn the nonce: the node
            // may copy the content again and ask again with the same signature.
            Some(spent) => (None, spent.answer != Err(Refusal::HoldersTooFew)),
        };
        Self { answer, nonce: Some(nonce), spent }
    }

    /// Keeps the answer to a proposal that was judged. A bad proof (`is_proven` is false) spends nothing.
    pub(crate) fn keep<S: Store>(
        self,
        store: &mut S,
        tick: Tick,
        proposal: &Proposal,
        answer: &Answer,
        is_proven: bool,
    ) {
        match self.nonce {
            Some(nonce) if is_proven => {
                let spent = Spent { command: proposal.id, answer: answer.clone() };
                NONCES.put(store, &nonce, &spent);
            }
            None if is_remembered(&proposal.command) => {
                ANSWERS.put(store, &(generation(tick), proposal.id), answer);
            }
            _ => {}
        }
    }
}

/// Whether the answer to a node's command is kept. These may be applied twice without harm, and a
/// remembered answer would itself have to be pruned, which is work for the next `PassTime`.
const fn is_remembered(command: &Command) -> bool {
    !matches!(command, Command::PassTime(_) | Command::RecordPurge(_) | Command::Pulse)
}

/// Answers to what nobody signed are kept by generation, so that a whole generation can be pruned in
/// one range whatever the clocks were that minted the commands' ids: an answer is known for one to
/// two of these spans.
pub(crate) const fn generation(tick: Tick) -> u64 {
    tick.0 / ANSWER_TIME_MS
}

fn answered<S: Store>(store: &S, tick: Tick, id: CommandId) -> Option<Answer> {
    let now = generation(tick);
    ANSWERS.get(store, &(now, id)).or_else(|| ANSWERS.get(store, &(now.checked_sub(1)?, id)))
}
