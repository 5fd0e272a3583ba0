//! Units: what a list changes before it changes it, a new name, an end.

use std::collections::{BTreeMap, BTreeSet};

use client::{App, Client, NewUnit, UNITS_A_REQUEST, Unit};
use model::{Label, UnitCode};
use serde::Serialize;
use serde_json::json;

use super::{
    Context, Done,
    registry::collect,
    units_list::{Listed, in_order, read_units},
};
use crate::{
    cli::{Exit, Failure, ImportArgs, Out},
    texts::{Text, failures as t, states, units as u, words as w},
};

/// How many names a line of people's output lists.
const NAMED_MAX: usize = 10;

/// A unit that is registered otherwise than a list says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Difference {
    /// Where the list says so.
    line: u64,
    code: UnitCode,
    /// `name`, `kind` or `parent`.
    field: &'static str,
    registered: String,
    file: String,
}

impl Difference {
    /// One of the two values, as people read it.
    fn shown(&self, out: &Out, value: &str) -> String {
        if self.field == "kind" { states::kind(out.lang, value) } else { value.to_owned() }
    }

    fn text(&self, update: bool) -> Text {
        match self.field {
            "name" if update => u::RENAME,
            "name" => u::OTHER_NAME,
            "kind" => u::OTHER_KIND,
            _ => u::OTHER_PARENT,
        }
    }
}

/// What a list would change.
struct Plan {
    /// Units to add, those above before those below.
    add: Vec<NewUnit>,
    /// Units to rename.
    rename: Vec<Difference>,
    /// What stays as it is registered.
    differing: Vec<Difference>,
    /// Units that are registered as the list says.
    unchanged: usize,
}

impl Plan {
    fn of(
        out: &Out,
        args: &ImportArgs,
        listed: Vec<Listed>,
        units: Vec<Unit>,
    ) -> Result<Self, Failure> {
        let aliases = units
            .iter()
            .flat_map(|unit| unit.aliases.iter().map(|alias| (alias.clone(), unit.code.clone())));
        let main: BTreeMap<UnitCode, UnitCode> = aliases.collect();
        let units: BTreeMap<_, _> = units.iter().map(|unit| (unit.code.clone(), unit)).collect();
        let found = |code: &UnitCode| units.get(main.get(code).unwrap_or(code)).copied();
        let (mut fresh, mut all, mut unchanged) = (Vec::new(), Vec::new(), 0);
        for one in listed {
            let Some(there) = found(&one.unit.code) else {
                fresh.push(one);
                continue;
            };
            let above = one.unit.parent.as_ref().map(|code| main.get(code).unwrap_or(code));
            let differences = differences(&one, there, above);
            unchanged += usize::from(differences.is_empty());
            all.extend(differences);
        }
        let known: BTreeSet<UnitCode> = units.keys().chain(main.keys()).cloned().collect();
        let add = in_order(out.lang, &args.file, fresh, &known)?;
        let (rename, differing) =
            all.into_iter().partition(|one: &Difference| args.update && one.field == "name");
        Ok(Self { add, rename, differing, unchanged })
    }

    /// Whether it would change nothing.
    fn is_empty(&self) -> bool {
        self.add.is_empty() && self.rename.is_empty()
    }

    /// Adds, then renames. Where that fails, only what was done before is left in the plan.
    async fn carry_out<E>(
        &mut self,
        add: impl AsyncFn(&[NewUnit]) -> Result<(), E>,
        rename: impl AsyncFn(&Difference) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut added = 0;
        for chunk in self.add.chunks(UNITS_A_REQUEST) {
            if let Err(error) = add(chunk).await {
                self.add.truncate(added);
                self.rename.clear();
                return Err(error);
            }
            added += chunk.len();
        }
        for renamed in 0..self.rename.len() {
            if let Err(error) = rename(&self.rename[renamed]).await {
                self.rename.truncate(renamed);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Says for people what the list would change.
    fn show(&self, out: &Out) {
        let added = self.add.iter().map(|unit| {
            let change = out.text(u::ADD).to_owned();
            vec![change, unit.code.to_string(), String::new(), unit.name.clone()]
        });
        let renamed = self.rename.iter().map(|one| row(out, one, true));
        let differing = self.differing.iter().map(|one| row(out, one, false));
        let rows: Vec<_> = added.chain(renamed).chain(differing).collect();
        out.rows(&[u::COL_CHANGE, w::COL_CODE, u::COL_REGISTERED, u::COL_FILE], rows);
    }
}

fn row(out: &Out, one: &Difference, update: bool) -> Vec<String> {
    let change = out.text(one.text(update)).to_owned();
    let shown = |value: &str| one.shown(out, value);
    vec![change, one.code.to_string(), shown(&one.registered), shown(&one.file)]
}

fn differences(one: &Listed, there: &Unit, above: Option<&UnitCode>) -> Vec<Difference> {
    let shown = |code: Option<&UnitCode>| code.map(ToString::to_string).unwrap_or_default();
    let fields = [
        ("name", there.name.clone(), one.unit.name.clone()),
        ("kind", there.kind.clone(), one.unit.kind.as_str().to_owned()),
        ("parent", shown(there.parent.as_ref()), shown(above)),
    ];
    let differing = fields.into_iter().filter(|(_, registered, file)| registered != file);
    differing
        .map(|(field, registered, file)| Difference {
            line: one.line,
            code: there.code.clone(),
            field,
            registered,
            file,
        })
        .collect()
}

/// Adds the units of a list; what is registered otherwise is told, and renamed where that is asked for.
pub async fn import(context: &Context, args: ImportArgs) -> Done {
    let out = &context.out;
    let octets =
        std::fs::read(&args.file).map_err(|error| Failure::file(out.lang, &args.file, &error))?;
    let listed = read_units(out.lang, &args.file, &octets)?;
    let (client, _) = context.client()?;
    let units = all_units(&client).await.map_err(context.failed())?;
    let mut plan = Plan::of(out, &args, listed, units)?;
    if !args.dry_run {
        let add = async |units: &[NewUnit]| client.add_units(units).await.map(drop);
        let rename = async |one: &Difference| client.rename_unit(&one.code, &one.file).await;
        if let Err(error) = plan.carry_out(add, rename).await {
            if !plan.is_empty() {
                told(out, &args, &plan);
            }
            return Err(context.failed_doing(t::LOOK_UNITS)(error));
        }
    }
    told(out, &args, &plan);
    // Whoever asks for the file's state and does not get it hears so by the exit code too.
    let short = args.update && !plan.differing.is_empty();
    Ok(if short { Exit::Conflict } else { Exit::Ok })
}

fn told(out: &Out, args: &ImportArgs, plan: &Plan) {
    let (added, renamed) = (plan.add.len(), plan.rename.len());
    if !out.is_table() {
        let document = json!({
            "dry_run": args.dry_run, "added": added, "renamed": plan.rename,
            "unchanged": plan.unchanged, "differing": plan.differing,
        });
        return out.json("lgsp.units.imported/1", document);
    }
    let counts: [(&str, &dyn std::fmt::Display); 3] =
        [("added", &added), ("renamed", &renamed), ("unchanged", &plan.unchanged)];
    if args.dry_run {
        plan.show(out);
        out.say(out.fill(u::DRY_RUN, &counts));
    } else {
        out.done(u::DONE_IMPORTED, &counts);
    }
    if plan.differing.is_empty() {
        return;
    }
    out.warn(out.fill(u::DIFFERING, &[("count", &plan.differing.len())]));
    if !args.dry_run {
        for one in &plan.differing {
            let what = out.text(one.text(false));
            let (line, code) = (one.line, &one.code);
            let (registered, file) = (one.shown(out, &one.registered), one.shown(out, &one.file));
            let place = out.text(u::COL_LINE).to_lowercase();
            out.say(format_args!("  {place} {line}: {code}, {what}: «{registered}» ≠ «{file}»"));
        }
    }
    let fix = out.fill(u::FIX_DIFFERING, &[("path", &args.file.display())]);
    out.say(format_args!("  {} {fix}", out.text(t::FIX)));
}

/// Gives a unit a new name.
pub async fn rename(context: &Context, code: UnitCode, name: Label) -> Done {
    let (client, _) = context.client()?;
    client.rename_unit(&code, name.as_str()).await.map_err(context.failed())?;
    if context.out.is_table() {
        context.out.done(u::DONE_RENAMED, &[("code", &code), ("name", &name)]);
    } else {
        context.out.json("lgsp.unit.renamed/1", json!({ "code": code, "name": name }));
    }
    Ok(Exit::Ok)
}

/// Removes a unit that nothing refers to any more, after asking for its code.
pub async fn remove(context: &Context, code: UnitCode, yes: bool) -> Done {
    let (client, _) = context.client()?;
    context.confirm(u::ASK_REMOVE_UNIT, code.as_str(), yes)?;
    if let Err(error) = client.remove_unit(&code).await {
        let referred = error.word() == Some("unit_in_use");
        let mut failure = context.failed_doing(t::LOOK_UNITS)(error);
        if referred {
            let still = still(context, &client, &code).await?;
            failure = failure.why(still).fix(context.out.text(u::FIX_STILL));
        }
        return Err(failure);
    }
    if context.out.is_table() {
        context.out.done(u::DONE_REMOVED, &[("code", &code)]);
    } else {
        context.out.json("lgsp.unit.removed/1", json!({ "code": code }));
    }
    Ok(Exit::Ok)
}

/// What still refers to a unit, as far as an administrator may see it: what is left are packets.
async fn still(context: &Context, client: &Client, code: &UnitCode) -> Result<String, Failure> {
    let out = &context.out;
    let main = client.unit(code).await.map_err(context.failed())?.code;
    let units = all_units(client).await.map_err(context.failed())?.into_iter();
    let below = units.filter(|unit| unit.parent.as_ref() == Some(&main));
    let below: Vec<String> = below.map(|unit| unit.code.to_string()).collect();
    let apps = collect(u32::MAX, async |cursor, limit| client.apps(cursor, limit).await);
    let apps = apps.await.map_err(context.failed())?.items.into_iter();
    let naming = |app: &App| app.unit.as_ref() == Some(&main) || app.targets.contains(&main);
    let apps: Vec<String> = apps.filter(naming).map(|app| app.app.to_string()).collect();
    let parts = [(u::STILL_UNITS, below), (u::STILL_APPS, apps)];
    let told: Vec<String> = parts
        .into_iter()
        .filter(|(_, all)| !all.is_empty())
        .map(|(text, all)| out.fill(text, &[("list", &shortened(&all))]))
        .collect();
    if told.is_empty() {
        return Ok(out.text(u::STILL_PACKETS).to_owned());
    }
    Ok(told.join("; "))
}

fn shortened(all: &[String]) -> String {
    let more = if all.len() > NAMED_MAX { ", …" } else { "" };
    all[..all.len().min(NAMED_MAX)].join(", ") + more
}

async fn all_units(client: &Client) -> Result<Vec<Unit>, client::Error> {
    let all = collect(u32::MAX, async |cursor, limit| client.units(None, cursor, limit).await);
    Ok(all.await?.items)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{cli::Output, texts::Lang};

    /// Finding 7: a list says before it changes anything what differs, and no difference is passed over.
    #[test]
    fn a_list_is_held_against_what_is_registered() {
        let units: Vec<Unit> = serde_json::from_value(json!([
            { "code": "H41", "name": "nghean", "kind": "province" },
            { "code": "H41.02", "name": "Sở A", "kind": "department", "parent": "H41", "aliases": ["OLD.02"] },
            { "code": "H41.03", "name": "Sở B", "kind": "department", "parent": "H41" },
        ]))
        .expect("units");
        let list = "code,name,kind,parent\nH41.04.01,D,other,H41.04\nH41.04,C,department,H41\n\
                    H41,Tỉnh Nghệ An,province,\nOLD.02,Sở A,department,H41\nH41.03,Sở X,other,H41.02\n";
        let out = Out::new(Lang::En, Output::Table, Default::default(), false);
        let plan = |update| {
            let args = ImportArgs { file: "x.csv".into(), dry_run: false, update };
            let listed = read_units(Lang::En, Path::new("x.csv"), list.as_bytes()).expect("read");
            Plan::of(&out, &args, listed, units.clone()).expect("a plan")
        };
        let fields = |all: &[Difference]| -> Vec<(String, &str)> {
            all.iter().map(|one| (format!("{}:{}", one.line, one.code), one.field)).collect()
        };
        let told = plan(false);
        let added: Vec<_> = told.add.iter().map(|unit| unit.code.as_str()).collect();
        assert_eq!(added, ["H41.04", "H41.04.01"]);
        assert!(told.rename.is_empty() && told.unchanged == 1, "the alias means the same unit");
        let names = [("4:H41".to_owned(), "name"), ("6:H41.03".to_owned(), "name")];
        let rest = [("6:H41.03".to_owned(), "kind"), ("6:H41.03".to_owned(), "parent")];
        assert_eq!(fields(&told.differing), [&names[..], &rest].concat());
        let done = plan(true);
        assert_eq!(fields(&done.rename), names);
        assert_eq!(fields(&done.differing), rest);
    }

    /// What was done before a failure is told, and nothing else.
    #[tokio::test]
    async fn a_plan_that_fails_keeps_what_was_done() {
        let unit = |at: usize| {
            let (code, name) = (format!("H41.{at}").parse().expect("a code"), "A".to_owned());
            NewUnit { code, name, kind: model::UnitKind::Other, parent: None, aliases: Vec::new() }
        };
        let rename = |at: u64| {
            let (registered, file) = ("A".to_owned(), "B".to_owned());
            Difference { line: at, code: unit(1).code, field: "name", registered, file }
        };
        let many = UNITS_A_REQUEST + 1;
        let plan = || Plan {
            add: (0..many).map(unit).collect(),
            rename: (0..3).map(rename).collect(),
            differing: Vec::new(),
            unchanged: 0,
        };
        let of = |plan: &Plan| (plan.add.len(), plan.rename.len());
        let (added, renamed) = (async |_: &[NewUnit]| Ok(()), async |_: &Difference| Ok(()));

        let mut all = plan();
        assert_eq!(all.carry_out(added, renamed).await, Ok(()));
        assert_eq!(of(&all), (many, 3));
        let mut some = plan();
        let third = async |one: &Difference| if one.line < 2 { Ok(()) } else { Err("third") };
        assert_eq!(some.carry_out(added, third).await, Err("third"));
        assert_eq!(of(&some), (many, 2));
        let mut few = plan();
        let full = async |units: &[NewUnit]| if units.len() > 1 { Ok(()) } else { Err("second") };
        assert_eq!(few.carry_out(full, renamed).await, Err("second"));
        assert_eq!(of(&few), (UNITS_A_REQUEST, 0));
        let mut none = plan();
        let refused = async |_: &[NewUnit]| Err("first");
        assert_eq!(none.carry_out(refused, renamed).await, Err("first"));
        assert!(none.is_empty());
    }
}
