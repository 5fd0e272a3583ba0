//! The outbox: what must go out of the cluster, exactly once as far as the other side can tell (D19).
//!
//! A letter stands here until its carrier, the one holder of a lease, has reported what became of it. Its
//! number is given once and goes along as the idempotency key, so a carrier that died between sending and
//! reporting is repeated by the next one without harm.

use crate::{
    leases::Held,
    limits::LETTER_PAUSE_MAX_MS,
    refusal::Refusal,
    tables::{DELIVERIES, LETTER_NEXT, LETTERS, OUTBOX, Tables},
    v1::{
        Answer, Effect, Letter, LetterId, LetterState, Outcome, PostLetter, Report, ReportLetter,
    },
};

/// Posts a letter for a delivery.
pub(crate) fn post(tables: &mut Tables, command: &PostLetter) -> Answer {
    let delivery = tables.get(&DELIVERIES, &(command.packet, command.target.clone()));
    if delivery.ok_or(Refusal::PacketUnknown)?.state.is_final() {
        return Err(Refusal::AlreadyEnded);
    }
    let number = tables.get(&LETTER_NEXT, &()).unwrap_or(1);
    tables.put(&LETTER_NEXT, &(), &(number + 1));
    let letter = Letter {
        letter: LetterId(number),
        carrier: command.carrier.clone(),
        packet: command.packet,
        target: command.target.clone(),
        posted_at: tables.at,
        due_tick: tables.tick,
        tries: 0,
        said: None,
        state: LetterState::Waiting,
    };
    tables.put(&OUTBOX, &(letter.carrier.clone(), letter.due_tick, letter.letter), &());
    tables.put(&LETTERS, &letter.letter, &letter);
    tables.effects.push(Effect::Letter(letter.carrier));
    Ok(Outcome::Done)
}

/// A carrier tells what became of a letter. The holder of another lease learns nothing of it.
pub(crate) fn report(tables: &mut Tables, held: &Held, command: &ReportLetter) -> Answer {
    let letter = tables.get(&LETTERS, &command.letter);
    let waits =
        |letter: &Letter| letter.carrier == held.name && letter.state == LetterState::Waiting;
    let mut letter = letter.filter(waits).ok_or(Refusal::LetterUnknown)?;
    tables.delete(&OUTBOX, &(letter.carrier.clone(), letter.due_tick, letter.letter));
    letter.tries += 1;
    match &command.report {
        Report::Taken(said) => {
            letter.said = Some(said.clone());
            letter.state = LetterState::Taken;
        }
        Report::Refused(said) => {
            letter.said = Some(said.clone());
            letter.state = LetterState::Refused;
        }
        Report::Again { said, after_ms } => {
            letter.said = Some(said.clone());
            letter.due_tick = tables.tick.plus_ms((*after_ms).min(LETTER_PAUSE_MAX_MS));
            tables.put(&OUTBOX, &(letter.carrier.clone(), letter.due_tick, letter.letter), &());
        }
    }
    tables.put(&LETTERS, &letter.letter, &letter);
    Ok(Outcome::Done)
}
