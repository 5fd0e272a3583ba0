//! The door of the machine: who may ask, what was answered before, and which rule answers.
//!
//! No rule stands here. A refusal keeps nothing of what its rule wrote: only the clock, the nonce
//! of a good proof and the remembered answer. A bad proof does not even spend its nonce and is judged
//! anew when it comes again; a good one does not spend it for another command where the node that
//! carried it named the wrong holders.

use model::{AccessKey, AppId, CommandId, Grant, KeyStatus, Moment, Nonce, Tick, UnitCode};

use crate::{
    ANSWER_TIME_MS, Answer, By, Command, Effect, Entry, Proof, Proposal, Refusal, Store, authority,
    cluster, cluster_key, deadlines, exchange, lost, pickup,
    record::Spent,
    registry,
    tables::{ANSWERS, CLUSTER, NONCES, SIGNERS, Tables},
    time::{self, Time},
    units,
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
    // Article 9(4): one time for all.
    let now = time::begin(store, entry);
    let tick = now.tick;
    let mut founded = CLUSTER.has(store, &());
    let mut applied = Applied::default();
    for proposal in &entry.proposals {
        let past = Past::of(store, tick, proposal);
        let answer = match past {
            Past { answer: Some(answer), .. } => answer,
            past => {
                let decided = decide(store, now, founded, &past, proposal);
                founded |= decided.answer.is_ok();
                remember(store, tick, past, proposal, &decided);
                applied.effects.extend(decided.effects);
                decided.answer
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

impl Caller {
    /// As records keep it.
    pub(crate) fn by(&self) -> By {
        By { key: self.proof.key.clone(), app: self.app.clone() }
    }
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
        | Command::RecordLost(_)
        | Command::TurnClusterKey(_)
        | Command::TurnAuthority(_)
        | Command::PassTime(_)
        | Command::ConfirmTime(_) => Need::Nobody,
        Command::IssueJoinToken(_)
        | Command::RemoveNode(_)
        | Command::AddUnits(_)
        | Command::RenameUnit(_)
        | Command::RemoveUnit(_)
        | Command::AddApp(_)
        | Command::IssueKey(_)
        | Command::RotateClusterKey(_)
        | Command::OrderAuthority(_)
        | Command::RevokeKey(_)
        | Command::CloseLost(_) => Need::Signed(Grant::Admin),
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

/// What was answered, and what it leaves.
struct Decided {
    answer: Answer,
    /// Whether the proof was good, so that its nonce is kept with the answer.
    proven: bool,
    effects: Vec<Effect>,
}

impl Decided {
    fn refused(refusal: Refusal, proven: bool) -> Self {
        Self { answer: Err(refusal), proven, effects: Vec::new() }
    }
}

fn decide<S: Store>(
    store: &mut S,
    now: Time,
    founded: bool,
    past: &Past,
    proposal: &Proposal,
) -> Decided {
    if !founded && !matches!(proposal.command, Command::Found(_)) {
        return Decided::refused(Refusal::NotFounded, false);
    }
    let caller = match caller(store, now, past, proposal) {
        Ok(caller) => caller,
        // Of a good proof, only without the grant.
        Err(refusal) => return Decided::refused(refusal, refusal == Refusal::NotGranted),
    };
    let mut tables = Tables::new(store, now);
    let dispatched = dispatch(&mut tables, caller.as_ref(), &proposal.command);
    let (writes, effects) = tables.into_parts();
    let outcome = match dispatched {
        Ok(outcome) => outcome,
        Err(refusal) => return Decided::refused(refusal, true),
    };
    for (key, value) in writes {
        match value {
            Some(value) => store.put(key, value),
            None => store.delete(key),
        }
    }
    Decided { answer: Ok(outcome), proven: true, effects }
}

fn dispatch(tables: &mut Tables, caller: Option<&Caller>, command: &Command) -> Answer {
    let signed = || caller.ok_or(Refusal::ProofMissing);
    match command {
        Command::Found(command) => cluster::found(tables, command),
        Command::IssueJoinToken(command) => cluster::issue_join_token(tables, signed()?, command),
        Command::AdmitNode(command) => cluster::admit_node(tables, command),
        Command::UpdateNode(command) => cluster::update_node(tables, command),
        Command::RemoveNode(command) => cluster::remove_node(tables, signed()?, command),
        Command::AddUnits(command) => registry::add_units(tables, signed()?, command),
        Command::RenameUnit(command) => units::rename(tables, signed()?, command),
        Command::RemoveUnit(command) => units::remove(tables, command),
        Command::AddApp(command) => registry::add_app(tables, Some(signed()?), command),
        Command::IssueKey(command) => registry::issue_key(tables, Some(signed()?), command),
        Command::RevokeKey(command) => registry::revoke_key(tables, signed()?, command),
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
        Command::RecordLost(command) => lost::record_lost(tables, command),
        Command::CloseLost(command) => lost::close_lost(tables, command),
        Command::RotateClusterKey(command) => cluster_key::rotate(tables, command),
        Command::TurnClusterKey(step) => cluster_key::turn(tables, step),
        Command::OrderAuthority(order) => authority::order(tables, order),
        Command::TurnAuthority(step) => authority::turn(tables, step),
        Command::PassTime(command) => deadlines::pass_time(tables, command),
        Command::ConfirmTime(command) => time::confirm(tables, command),
    }
}

/// Checks the proof again, against the entry's time.
fn caller<S: Store>(
    store: &S,
    now: Time,
    past: &Past,
    proposal: &Proposal,
) -> Result<Option<Caller>, Refusal> {
    let (grant, proof) = match (need(&proposal.command), &proposal.proof) {
        (Need::Nobody, _) | (Need::MaybeSigned(_), None) => return Ok(None),
        (Need::Signed(_), None) => return Err(Refusal::ProofMissing),
        (Need::Signed(grant) | Need::MaybeSigned(grant), Some(proof)) => (grant, proof),
    };
    let key = SIGNERS.get(store, &proof.key).ok_or(Refusal::KeyUnknown)?;
    if key.status != KeyStatus::Active {
        return Err(Refusal::KeyRevoked);
    }
    if !time::may_pass(store, now, proof.created) {
        return Err(Refusal::ClockOutOfWindow);
    }
    if past.spent {
        return Err(Refusal::NonceReused);
    }
    if !key.grants.has(grant) {
        return Err(Refusal::NotGranted);
    }
    Ok(Some(Caller { app: key.app, unit: key.unit, proof: proof.clone() }))
}

/// Answers to what nobody signed are kept by generation, so that a whole generation can be pruned in
/// one range whatever the clocks were that minted the commands' ids: an answer is known for one to
/// two of these spans.
pub(crate) fn generation(tick: Tick) -> u64 {
    tick.0 / ANSWER_TIME_MS
}

/// What is known of a proposal before it is judged.
#[derive(Default)]
struct Past {
    /// What it was answered when it came before.
    answer: Option<Answer>,
    /// What it spends if its proof is good; none where no proof is looked at.
    nonce: Option<(Moment, AccessKey, Nonce)>,
    /// The nonce has passed, with itself or with another.
    spent: bool,
}

impl Past {
    /// One look for what is signed: a command whose nonce has not passed has not been answered. That
    /// is most of the traffic.
    fn of<S: Store>(store: &S, tick: Tick, proposal: &Proposal) -> Self {
        let proof = match (need(&proposal.command), &proposal.proof) {
            (Need::Signed(_) | Need::MaybeSigned(_), Some(proof)) => proof,
            _ => return Self { answer: answered(store, tick, proposal.id), ..Self::default() },
        };
        let nonce = (proof.created, proof.key.clone(), proof.nonce.clone());
        let (answer, spent) = match NONCES.get(store, &nonce) {
            None => (None, false),
            Some(spent) if spent.command == proposal.id => (Some(spent.answer), true),
            // Whom a node named as holders is not the signer's doing: the node may copy the content
            // anew and ask again with the same signature.
            Some(spent) => (None, spent.answer != Err(Refusal::HoldersTooFew)),
        };
        Self { answer, nonce: Some(nonce), spent }
    }
}

fn answered<S: Store>(store: &S, tick: Tick, id: CommandId) -> Option<Answer> {
    let now = generation(tick);
    ANSWERS.get(store, &(now, id)).or_else(|| ANSWERS.get(store, &(now.checked_sub(1)?, id)))
}

// The passing of time repeats itself without harm, and a remembered answer would itself become
// something to be pruned when time passes, without end.
fn remember<S: Store>(
    store: &mut S,
    tick: Tick,
    past: Past,
    proposal: &Proposal,
    decided: &Decided,
) {
    match past.nonce {
        Some(nonce) if decided.proven => {
            let spent = Spent { command: proposal.id, answer: decided.answer.clone() };
            NONCES.put(store, &nonce, &spent);
        }
        None if !matches!(proposal.command, Command::PassTime(_)) => {
            ANSWERS.put(store, &(generation(tick), proposal.id), &decided.answer);
        }
        _ => {}
    }
}
