//! The door of the machine: who may ask, what was answered before, and which rule answers.
//!
//! No rule stands here. A refusal keeps nothing of what its rule wrote: only the clock, the nonce
//! of a good proof and the remembered answer. A bad proof does not even spend its nonce and is judged
//! again when it comes again; a good one does not spend it for another command where the node that
//! carried it named the wrong holders.

use crate::{
    caller::Caller,
    cluster, leases,
    limits::ROWS_AN_ENTRY_MAX,
    memory::Past,
    refusal::Refusal,
    rules,
    ruling::{Ruling, ruling},
    store::Store,
    tables::{CLUSTER, Tables},
    time,
    v1::{Answer, Effect, Entry, Proposal, Proposer, Time},
};

/// What an entry brought about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// One for each proposal, in order.
    pub answers: Vec<Answer>,
    /// Of all its proposals, in order.
    pub effects: Vec<Effect>,
    /// Rows that the rules wrote or deleted.
    pub rows: usize,
}

/// Applies an entry. Total, and the same on every node: it reads the store and the entry alone.
///
/// An entry does bounded work: once its rules have written [`ROWS_AN_ENTRY_MAX`] rows, the proposals that are
/// left are answered [`Refusal::EntryFull`], spend nothing and come again.
pub fn apply<S: Store>(store: &mut S, entry: &Entry) -> Applied {
    // Article 9(4): one time for all.
    let now = time::begin(store, entry);
    let mut founded = CLUSTER.has(store, &());
    let mut applied = Applied::default();
    for proposal in &entry.proposals {
        if applied.rows >= ROWS_AN_ENTRY_MAX {
            applied.answers.push(Err(Refusal::EntryFull));
            continue;
        }
        let past = Past::of(store, now.tick, proposal);
        let answer = match past {
            Past { answer: Some(answer), .. } => answer,
            past => {
                let decided = decide(store, now, founded, &past, proposal);
                founded |= decided.answer.is_ok();
                past.keep(store, now.tick, proposal, &decided.answer, decided.is_proven);
                applied.effects.extend(decided.effects);
                applied.rows += decided.rows;
                decided.answer
            }
        };
        applied.answers.push(answer);
    }
    applied
}

/// What was answered, and what it leaves.
struct Decided {
    answer: Answer,
    /// Whether the proof was good, so that its nonce is kept with the answer.
    is_proven: bool,
    effects: Vec<Effect>,
    rows: usize,
}

impl Decided {
    fn refused(refusal: Refusal, is_proven: bool) -> Self {
        Self { answer: Err(refusal), is_proven, effects: Vec::new(), rows: 0 }
    }
}

fn decide<S: Store>(
    store: &mut S,
    now: Time,
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
    let mut tables = Tables::new(store, now);
    let decided = match (ruling, &proposal.by) {
        (Ruling::Signed(grant, rule), Proposer::Signed(proof)) => {
            match Caller::of(store, now, proof, grant, past.spent) {
                Ok(caller) => rule(&mut tables, &caller),
                Err(refusal) => return refused(refusal),
            }
        }
        (Ruling::SignedOrNode(grant, rule), Proposer::Signed(proof)) => {
            match Caller::of(store, now, proof, grant, past.spent) {
                Ok(caller) => rule(&mut tables, Some(&caller)),
                Err(refusal) => return refused(refusal),
            }
        }
        (Ruling::Founder(rule), Proposer::Node(node)) => rule(&mut tables, *node),
        (Ruling::Node(rule), Proposer::Node(node)) => match cluster::present(store, *node) {
            Ok(record) => rule(&mut tables, record.node),
            Err(refusal) => return refused(refusal),
        },
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
    let (writes, effects) = tables.into_parts();
    let outcome = match decided {
        Ok(outcome) => outcome,
        Err(refusal) => return Decided::refused(refusal, true),
    };
    for (key, value) in writes {
        match value {
            Some(value) => store.put(key, value),
            None => store.delete(key),
        }
    }
    Decided { answer: Ok(outcome), is_proven: true, effects, rows }
}
