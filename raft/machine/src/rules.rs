//! Adopting newer rules (D12).

use crate::{
    refusal::Refusal,
    store::Reader,
    tables::{NODES, RULES, Tables},
    v1::{AdoptRules, Answer, Command, Outcome, Rules},
};

/// The rules that the cluster has adopted; none before the founding.
pub(crate) fn adopted<R: Reader + ?Sized>(reader: &R) -> Rules {
    RULES.get(reader, &()).unwrap_or_default()
}

/// Refuses a command of rules that the cluster has not adopted.
pub(crate) fn check<R: Reader + ?Sized>(reader: &R, command: &Command) -> Result<(), Refusal> {
    let since = command.since();
    // Every program knows the first ones: what most commands are of costs no read.
    if since <= Rules::FIRST || since <= adopted(reader) { Ok(()) } else { Err(Refusal::NotYet) }
}

/// The newest rules that every node of the cluster knows.
pub(crate) fn known_to_all<R: Reader + ?Sized>(reader: &R) -> Rules {
    // Nodes are few.
    let nodes = NODES.rows(reader, &NODES.all(), usize::MAX);
    let present = nodes.into_iter().filter(|(_, record)| record.is_present());
    present.map(|(_, record)| record.now.rules_max).min().unwrap_or_default()
}

/// Adopts rules that every node knows. Rules never go back.
pub(crate) fn adopt(tables: &mut Tables, command: &AdoptRules) -> Answer {
    if command.rules > known_to_all(&tables.store) {
        return Err(Refusal::RulesTooOld);
    }
    if command.rules > adopted(&tables.store) {
        tables.put(&RULES, &(), &command.rules);
    }
    Ok(Outcome::Done)
}
