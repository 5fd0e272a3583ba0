//! The door of the machine: who may ask, what was answered before, and which rule answers.
//!
//! No rule stands here. A refusal keeps nothing of what its rule wrote: only the clock, the nonce
//! of a good proof and the remembered answer. A bad proof does not even spend its nonce, nor does a
//! good one where the node that carried it named the wrong holders.

use model::{AccessKey, AppId, Grant, KeyStatus, Moment, Nonce, UnitCode};

use crate::{
    ANSWER_TIME_MS, Answer, Command, Effect, Entry, PROOF_AGE_MAX_MS, PROOF_AHEAD_MAX_MS, Proof,
    Proposal, Refusal, Store, cluster, deadlines, exchange, pickup, registry,
    tables::{ANSWERS, CLOCK, CLUSTER, KEYS, NONCES, Tables},
};

/// What an entry brought about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// One for each proposal, in order.
    pub answers: Vec<Answer>,
    /// Of all its proposals, in order.
    pub effects: Vec<Effect>,
}

/// Applies an entry. Total, and the same on every node: it reads the store and the entry alone.
pub fn apply<S: Store>(store: &mut S, entry: &Entry) -> Applied {
    let clock = CLOCK.get(store, &()).unwrap_or_default();
    // Article 9(4): one time for all, which no leader's clock can turn back.
    let at = entry.at.max(clock);
    if at > clock {
        CLOCK.put(store, &(), &at);
    }
    let mut founded = CLUSTER.has(store, &());
    let mut applied = Applied::default();
    for proposal in &entry.proposals {
        let answer = match remembered(store, at, proposal) {
            Some(answer) => answer,
            None => {
                let answer = decide(store, at, founded, proposal, &mut applied.effects);
                founded |= answer.is_ok();
                remember(store, at, proposal, &answer);
                answer
            }
        };
        applied.answers.push(answer);
    }
    applied
}

/// The one who signed, after window, key and nonce were checked against the entry's time.
pub(crate) struct Caller {
    pub(crate) app: AppId,
    pub(crate) unit: UnitCode,
    pub(crate) proof: Proof,
}

/// What a command asks of its caller.
enum Need {
    /// A node's own command, or one that carries its authority in itself; a proof is not looked at.
    Nobody,
    /// A signature of an application with this grant.
    Signed(Grant),
    /// The same, where there is a signature at all.
    MaybeSigned(Grant),
}

// Article 15: who may ask for what.
fn need(command: &Command) -> Need {
    match command {
        Command::Found(_)
        | Command::AdmitNode(_)
        | Command::UpdateNode(_)
        | Command::RecordPurge(_)
        | Command::RecordHolding(_)
        | Command::RecordPickup(_)
        | Command::PassTime(_) => Need::Nobody,
        Command::IssueJoinToken(_)
        | Command::RemoveNode(_)
        | Command::AddUnits(_)
        | Command::AddApp(_)
        | Command::IssueKey(_)
        | Command::RevokeKey(_) => Need::Signed(Grant::Admin),
        Command::OpenPacket(_)
        | Command::SealPacket(_)
        | Command::SubmitPacket(_)
        | Command::CancelPacket(_) => Need::Signed(Grant::Send),
        Command::ClaimSpace(_) | Command::AbandonSpace(_) => Need::MaybeSigned(Grant::Send),
        Command::GrantPickup(_) | Command::ConfirmReceipts(_) | Command::RejectDelivery(_) => {
            Need::Signed(Grant::Receive)
        }
    }
}

fn decide<S: Store>(
    store: &mut S,
    at: Moment,
    founded: bool,
    proposal: &Proposal,
    effects: &mut Vec<Effect>,
) -> Answer {
    if !founded && !matches!(proposal.command, Command::Found(_)) {
        return Err(Refusal::NotFounded);
    }
    let caller = caller(store, at, proposal)?;
    let mut tables = Tables::new(store, at);
    let dispatched = dispatch(&mut tables, caller.as_ref(), &proposal.command);
    let (writes, caused) = tables.into_parts();
    let outcome = match dispatched {
        Ok(outcome) => outcome,
        Err(refusal) => {
            // Whom a node named as holders is not the signer's doing: the node may copy the content
            // anew and ask again with the same signature.
            if let (Refusal::HoldersTooFew, Some(caller)) = (refusal, &caller) {
                NONCES.delete(store, &nonce_of(&caller.proof));
            }
            return Err(refusal);
        }
    };
    for (key, value) in writes {
        match value {
            Some(value) => store.put(key, value),
            None => store.delete(key),
        }
    }
    effects.extend(caused);
    Ok(outcome)
}

fn dispatch(tables: &mut Tables, caller: Option<&Caller>, command: &Command) -> Answer {
    let signed = || caller.ok_or(Refusal::ProofMissing);
    match command {
        Command::Found(command) => cluster::found(tables, command),
        Command::IssueJoinToken(command) => cluster::issue_join_token(tables, command),
        Command::AdmitNode(command) => cluster::admit_node(tables, command),
        Command::UpdateNode(command) => cluster::update_node(tables, command),
        Command::RemoveNode(command) => cluster::remove_node(tables, command),
        Command::AddUnits(command) => registry::add_units(tables, command),
        Command::AddApp(command) => registry::add_app(tables, command),
        Command::IssueKey(command) => registry::issue_key(tables, command),
        Command::RevokeKey(command) => registry::revoke_key(tables, command),
        Command::OpenPacket(command) => exchange::open(tables, signed()?, command),
        Command::ClaimSpace(command) => exchange::claim(tables, caller, command),
        Command::SealPacket(command) => exchange::seal(tables, signed()?, command),
        Command::SubmitPacket(command) => exchange::submit(tables, signed()?, command),
        Command::CancelPacket(command) => exchange::cancel(tables, signed()?, command),
        Command::GrantPickup(command) => pickup::grant(tables, signed()?, command),
        Command::ConfirmReceipts(command) => pickup::confirm(tables, signed()?, command),
        Command::RejectDelivery(command) => pickup::reject(tables, signed()?, command),
        Command::RecordPurge(command) => pickup::record_purge(tables, command),
        Command::RecordHolding(command) => pickup::record_holding(tables, command),
        Command::RecordPickup(command) => pickup::record_pickup(tables, command),
        Command::AbandonSpace(command) => exchange::abandon(tables, caller, command),
        Command::PassTime(command) => deadlines::pass_time(tables, command),
    }
}

/// Checks the proof again, against the entry's time, and spends its nonce.
fn caller<S: Store>(
    store: &mut S,
    at: Moment,
    proposal: &Proposal,
) -> Result<Option<Caller>, Refusal> {
    let (grant, proof) = match (need(&proposal.command), &proposal.proof) {
        (Need::Nobody, _) | (Need::MaybeSigned(_), None) => return Ok(None),
        (Need::Signed(_), None) => return Err(Refusal::ProofMissing),
        (Need::Signed(grant) | Need::MaybeSigned(grant), Some(proof)) => (grant, proof),
    };
    let key = KEYS.get(store, &proof.key).ok_or(Refusal::KeyUnknown)?;
    if key.status != KeyStatus::Active {
        return Err(Refusal::KeyRevoked);
    }
    let oldest = at.0.saturating_sub(PROOF_AGE_MAX_MS);
    let latest = at.0.saturating_add(PROOF_AHEAD_MAX_MS);
    if !(oldest..=latest).contains(&proof.created.0) {
        return Err(Refusal::ClockOutOfWindow);
    }
    let nonce = nonce_of(proof);
    if NONCES.has(store, &nonce) {
        return Err(Refusal::NonceReused);
    }
    NONCES.put(store, &nonce, &proposal.id);
    if !key.grants.has(grant) {
        return Err(Refusal::NotGranted);
    }
    Ok(Some(Caller { app: key.app, unit: key.unit, proof: proof.clone() }))
}

fn nonce_of(proof: &Proof) -> (Moment, AccessKey, Nonce) {
    (proof.created, proof.key.clone(), proof.nonce.clone())
}

/// Answers are kept by generation, so that a whole generation can be pruned in one range whatever
/// the clocks were that minted the commands' ids: an answer is known for one to two of these spans.
pub(crate) fn generation(at: Moment) -> u64 {
    at.0 / ANSWER_TIME_MS
}

fn remembered<S: Store>(store: &S, at: Moment, proposal: &Proposal) -> Option<Answer> {
    let now = generation(at);
    ANSWERS
        .get(store, &(now, proposal.id))
        .or_else(|| ANSWERS.get(store, &(now.checked_sub(1)?, proposal.id)))
}

// The passing of time repeats itself without harm, and a remembered answer would itself become
// something to be pruned when time passes, without end.
fn remember<S: Store>(store: &mut S, at: Moment, proposal: &Proposal, answer: &Answer) {
    if !matches!(proposal.command, Command::PassTime(_)) {
        ANSWERS.put(store, &(generation(at), proposal.id), answer);
    }
}
