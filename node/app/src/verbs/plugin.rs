//! `check --nagios`: one line and one of four exit codes, for what watches day and night.

use super::check::{Finding, count};
use crate::cli::{Exit, Failure, Mark, Out};

/// The line and the exit code of a monitoring plugin that could not look: a wrong profile is no better
/// for it than a cluster that does not answer.
pub(super) fn unknown(out: &Out, failure: &Failure) -> Exit {
    let why = failure.why.as_deref().map(|why| format!(" - {why}")).unwrap_or_default();
    out.print(format!("LGSP UNKNOWN - {}{why}", failure.what).replace(['\n', '|'], " "));
    Exit::Degraded
}

/// What an administrator has allowed on purpose and for long: an alarm of months hides the next one.
const ALLOWED: [&str; 2] = ["legacy", "hmac_sha1"];

/// One line and the exit codes of monitoring plugins: 0 ok, 1 warning, 2 critical, 3 unknown.
pub(super) fn nagios(out: &Out, all: &[Finding]) -> Exit {
    let (line, exit) = plugin(all);
    out.print(line);
    exit
}

pub(super) fn plugin(all: &[Finding]) -> (String, Exit) {
    let (allowed, all): (Vec<Finding>, Vec<Finding>) =
        all.iter().cloned().partition(|finding| ALLOWED.contains(&finding.word));
    let (bad, warned, good) =
        (count(&all, Mark::Bad), count(&all, Mark::Warn), count(&all, Mark::Good));
    let (word, exit) = match (bad, warned) {
        (0, 0) => ("OK", Exit::Ok),
        (0, _) => ("WARNING", Exit::Failed),
        _ => ("CRITICAL", Exit::Usage),
    };
    let said: Vec<&str> = all
        .iter()
        .filter(|finding| finding.mark != Mark::Good)
        .map(|finding| finding.text.as_str())
        .collect();
    let said = if said.is_empty() { format!("{good} good") } else { said.join("; ") };
    let counts = format!("bad={bad} warnings={warned} good={good} legacy={}", allowed.len());
    (format!("LGSP {word} - {said} | {counts}"), exit)
}
