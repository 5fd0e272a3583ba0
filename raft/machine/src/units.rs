//! Units after their registration: another name, or an end.
//!
//! A code never changes, and what was told to it stays with it. So a unit that was ever told something keeps
//! its code for good, and only one that was registered by a mistake goes: whoever is registered under the code
//! again finds nothing there.

use model::UnitCode;

use crate::{
    caller::Caller,
    refusal::Refusal,
    tables::{ALIASES, APPS, HEADS, Tables, UNITS},
    v1::{Answer, Outcome, RemoveUnit, RenameUnit},
};

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

/// Removes a unit that nothing refers to: no unit below it, no application of it or held to it, and nothing
/// was ever told to it. A packet to it whose content is not whole yet is not sealed any more.
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
    if tables.has(&HEADS, code) {
        return true;
    }
    let units = UNITS.rows(store, &UNITS.all(), usize::MAX);
    let apps = APPS.rows(store, &APPS.all(), usize::MAX);
    units.iter().any(|(_, unit)| unit.parent.as_ref() == Some(code))
        || apps.iter().any(|(_, app)| app.unit == *code || app.targets.contains(code))
}
