//! Units after their registration: another name, or an end.
//!
//! A code never changes, and what was told to it stays with it: whoever is registered under the code again
//! reads on in the same feed. A code is given to another office by a decision, not by a mistake.

use minicbor::{Decode, Encode};
use model::{Label, UnitCode};

use crate::{
    Answer, Outcome, Refusal,
    apply::Caller,
    tables::{ALIASES, APPS, INBOX, Tables, UNITS},
};

/// See [`crate::Command::RenameUnit`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RenameUnit {
    /// Which unit, by any of its codes.
    #[n(0)]
    pub code: UnitCode,
    /// Its new name.
    #[n(1)]
    pub name: Label,
}

/// See [`crate::Command::RemoveUnit`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RemoveUnit {
    /// Which unit, by any of its codes.
    #[n(0)]
    pub code: UnitCode,
}

/// Gives a unit another name. The same name again changes nothing.
pub(crate) fn rename(tables: &mut Tables, caller: &Caller, command: &RenameUnit) -> Answer {
    let code = tables.resolve(&command.code).ok_or(Refusal::UnitUnknown)?;
    let mut unit = tables.get(&UNITS, &code).ok_or(Refusal::UnitUnknown)?;
    if unit.name != command.name {
        unit.name = command.name.clone();
        unit.renamed_by = Some(caller.by());
        tables.put(&UNITS, &code, &unit);
    }
    Ok(Outcome::Done)
}

/// Removes a unit that nothing refers to any more: no unit below it, no application of it or held to it, no
/// packet that it has yet to settle. A packet whose content is not whole yet waits for nobody: its delivery
/// to the removed unit expires.
pub(crate) fn remove(tables: &mut Tables, command: &RemoveUnit) -> Answer {
    let code = tables.resolve(&command.code).ok_or(Refusal::UnitUnknown)?;
    if is_referred_to(tables, &code) {
        return Err(Refusal::UnitInUse);
    }
    let unit = tables.get(&UNITS, &code).ok_or(Refusal::UnitUnknown)?;
    for alias in &unit.aliases {
        tables.delete(&ALIASES, alias);
    }
    tables.delete(&UNITS, &code);
    Ok(Outcome::Done)
}

/// Units and applications are some thousands and such a removal is rare, so that all of them are looked at.
fn is_referred_to(tables: &Tables, code: &UnitCode) -> bool {
    let store = &tables.store;
    let units = UNITS.rows(store, &UNITS.all(), usize::MAX);
    let apps = APPS.rows(store, &APPS.all(), usize::MAX);
    units.iter().any(|(_, unit)| unit.parent.as_ref() == Some(code))
        || apps.iter().any(|(_, app)| app.unit == *code || app.targets.contains(code))
        || INBOX.first(store, &INBOX.under(code)).is_some()
}
