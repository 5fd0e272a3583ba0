//! The door of the machine: who may ask, what was answered before, and which rule answers.
//!
//! No rule stands here. A refusal keeps nothing of what its rule wrote: only the clock, the nonce
//! of a good proof and the remembered answer. A bad proof does not even spend its nonce and is judged
//! again when it comes again; a good one does not spend it for another command where the node that
//! carried it named the wrong holders.

use model::tree::LeafHash;

use crate::{
    cluster, leases,
    limits::ROWS_AN_ENTRY_MAX,
    memory::Past,
    proving,
    refusal::Refusal,
    rules,
    ruling::{Ruling, ruling},
    store::Store,
    sum::Summed,
    tables::{CLUSTER, HISTORY, Tables},
    time,
    v1::{Answer, Command, Effect, Entry, Outcome, Proposal, Proposer, Sum, Time},
    work,
};

/// What an entry brought about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// One for each proposal, in order.
    pub answers: Vec<Answer>,
    /// Of all its proposals, in order.
    pub effects: Vec<Effect>,
    /// What it adds to the history, in order: octets that are encoded [`crate::Fact`]s.
    pub facts: Vec<Vec<u8>>,
    /// Where the first of them stands; without facts, how many there are.
    pub position: u64,
    /// Rows that the rules wrote or deleted.
    pub rows: usize,
    /// The same, and at least the rows that each command named that was judged.
    pub work: usize,
    /// The sum of all writes so far, these included: the same on every node.
    pub sum: Sum,
}

/// Applies an entry. Total, and the same on every node: it reads the store and the entry alone.
///
/// An entry does bounded work: once its rules have written [`ROWS_AN_ENTRY_MAX`] rows, or looked at as many that
/// commands named, the proposals that are left are answered [`Refusal::EntryFull`], spend nothing and come again.
pub fn apply<S: Store>(store: &mut S, entry: &Entry) -> Applied {
    let mut summed = Summed::new(store);
    let store = &mut summed;
    // Article 9(4): one time for all.
    let now = time::begin(store, entry);
    let mut founded = CLUSTER.has(store, &());
    let mut history = HISTORY.get(store, &()).unwrap_or_default();
    let mut applied = Applied { position: history.size(), ..Applied::default() };
    for proposal in &entry.proposals {
        if applied.work >= ROWS_AN_ENTRY_MAX {
            applied.answers.push(Err(Refusal::EntryFull));
            continue;
        }
        let past = Past::of(store, now.tick, proposal);
        let answer = match past {
            Past { answer: Some(answer), .. } => {
                applied.effects.extend(unwanted(proposal, &answer));
                answer
            }
            past => {
                let position = applied.position + applied.facts.len() as u64;
                // Before its rule, which may change what is counted.
                let named = work::named(store, &proposal.command);
                let decided = decide(store, (now, position), founded, &past, proposal);
                founded |= decided.answer.is_ok();
                past.keep(store, now.tick, proposal, &decided.answer, decided.is_proven);
                applied.effects.extend(decided.effects);
                applied.facts.extend(decided.facts);
                applied.rows += decided.rows;
                // Of what no rule has looked at, only the proof was.
                applied.work += if decided.was_ruled { decided.rows.max(named) } else { 1 };
                if decided.is_proven {
                    applied.effects.extend(unwanted(proposal, &decided.answer));
                }
                decided.answer
            }
        };
        applied.answers.push(answer);
    }
    if !applied.facts.is_empty() {
        applied.facts.iter().for_each(|fact| history.push(LeafHash::of(fact)));
        HISTORY.put(store, &(), &history);
    }
    applied.sum = summed.finish();
    applied
}

/// The content that rode with a command in vain. Only of an answer that is remembered: where another one may follow,
/// the content is still wanted.
fn unwanted(proposal: &Proposal, answer: &Answer) -> Option<Effect> {
    let Command::SubmitPacket(command) = &proposal.command else { return None };
    let is_named =
        |it: &Outcome| matches!(it, Outcome::Accepted { packet, .. } if *packet == command.packet);
    let is_wanted = !command.rides || answer.as_ref().is_ok_and(is_named);
    (!is_wanted).then_some(Effect::Unwanted(command.space))
}

/// What was answered, and what it leaves.
struct Decided {
    answer: Answer,
    /// Whether the proof was good, so that its nonce is kept with the answer.
    is_proven: bool,
    effects: Vec<Effect>,
    facts: Vec<Vec<u8>>,
    rows: usize,
    /// Whether its rule has answered, and not what stands before the rules.
    was_ruled: bool,
}

impl Decided {
    fn refused(refusal: Refusal, is_proven: bool) -> Self {
        let (effects, facts) = (Vec::new(), Vec::new());
        Self { answer: Err(refusal), is_proven, effects, facts, rows: 0, was_ruled: false }
    }
}

fn decide<S: Store>(
    store: &mut S,
    (now, position): (Time, u64),
    founded: bool,
    past: &Past,
    proposal: &Proposal,
) -> Decided {
    let ruling = ruling(&proposal.command);
    if !founded && !matches!(ruling, Ruling::Founder(_)) {
        return Decided::refused(Refusal::NotFounded, false);
    }
    if founded && let Err(refusal) = rules::check(store, &proposal.command) {
        return Decided::refused(refusal, false);
    }
    let refused = |refusal| {
        // Of a good proof, only without the grant.
        Decided::refused(refusal, refusal == Refusal::NotGranted)
    };
    // The mesh checks it at the connection; what a node proposed before it was removed may come later.
    if founded
        && let Some(node) = proposal.by.node()
        && let Err(refusal) = cluster::present(store, node)
    {
        return Decided::refused(refusal, false);
    }
    let mut tables = Tables::new(store, now).recording(proposal.id, position);
    let decided = match (ruling, &proposal.by) {
        (Ruling::Signed(grant, rule), Proposer::Signed(proof)) => {
            match proving::caller(store, now, proof, grant, past.spent) {
                Ok(caller) => rule(&mut tables, &caller),
                Err(refusal) => return refused(refusal),
            }
        }
        (Ruling::SignedOrNode(grant, rule), Proposer::Signed(proof)) => {
            match proving::caller(store, now, proof, grant, past.spent) {
                Ok(caller) => rule(&mut tables, Some(&caller)),
                Err(refusal) => return refused(refusal),
            }
        }
        (Ruling::Founder(rule) | Ruling::Node(rule), Proposer::Node(node)) => {
            rule(&mut tables, *node)
        }
        (Ruling::Cluster(rule), Proposer::Node(_)) => rule(&mut tables),
        // The node has checked the bearer's token.
        (Ruling::SignedOrNode(_, rule), Proposer::Node(_)) => rule(&mut tables, None),
        (Ruling::Carrier(rule), Proposer::Carrier { node, lease, fence }) => {
            match leases::held(store, now, *node, lease, *fence) {
                Ok(held) => rule(&mut tables, &held),
                Err(refusal) => return refused(refusal),
            }
        }
        (Ruling::Signed(..), _) => return refused(Refusal::ProofMissing),
        // No grant covers what nodes propose; the proof was not looked at and spends nothing.
        (_, Proposer::Signed(_)) => return Decided::refused(Refusal::NotGranted, false),
        _ => return refused(Refusal::LeaseHeld),
    };
    let rows = tables.written();
    let (writes, effects, facts) = tables.into_parts();
    let outcome = match decided {
        Ok(outcome) => outcome,
        Err(refusal) => return Decided { was_ruled: true, ..Decided::refused(refusal, true) },
    };
    for (key, value) in writes {
        match value {
            Some(value) => store.put(key, value),
            None => store.delete(key),
        }
    }
    Decided { answer: Ok(outcome), is_proven: true, effects, facts, rows, was_ruled: true }
}
