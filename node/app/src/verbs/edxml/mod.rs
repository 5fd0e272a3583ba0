//! `edxml`: documents of the national axis, read and written where they are. No node is asked.
//!
//! Octets go through in pieces: a document of any size takes the memory of its envelope. What edXML means is `wire`'s.

mod answer;
mod build;
mod check;
mod extract;
mod parts;
mod show;
mod sign_test;
mod source;

use wire::edxml::{LocalTime, Unwritable};

use super::{Context, Done, own_clock};
use crate::{
    cli::{EdxmlVerb, Exit, Failure, Out},
    texts::edxml as t,
};

/// Does what a command asks.
pub fn edxml(context: &Context, verb: EdxmlVerb) -> Done {
    let out = &context.out;
    match verb {
        EdxmlVerb::Show { file } => show::show(out, &file),
        EdxmlVerb::Check { files, strict } => check::check(out, &files, strict),
        EdxmlVerb::Extract(args) => extract::extract(out, &args),
        EdxmlVerb::Build(args) => build::build(out, &args),
        EdxmlVerb::Status(args) => answer::answer(out, *args),
        EdxmlVerb::SignTest(args) => sign_test::sign_test(out, &args),
    }
}

/// What Vietnam's clocks show now, by this machine's.
fn now() -> LocalTime {
    let seconds = i64::try_from(own_clock().0 / 1_000).ok();
    let now = seconds.and_then(LocalTime::from_unix_seconds);
    now.expect("a machine's clock does not show the year 10000")
}

/// A message that the writer refuses: the element and how to mend it.
fn unwritable(out: &Out, error: &Unwritable) -> Failure {
    let language = t::language(out.lang);
    let Unwritable { path, word } = error;
    let why = out.fill(t::UNWRITABLE_WHY, &[("element", path), ("text", &word.text(language))]);
    Failure::new(Exit::Usage, out.text(t::UNWRITABLE)).why(why).fix(word.mend(language)).code(9803)
}
