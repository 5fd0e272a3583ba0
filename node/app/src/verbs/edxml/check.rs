//! `edxml check`: what is found in documents, each with its line and how to mend it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wire::edxml::{Check, Finding, Limits, Place, Severity};

use super::{
    super::Done,
    source::{Source, plain, shown},
};
use crate::{
    cli::{Exit, Failure, Mark, Out},
    texts::edxml as t,
};

/// Checks every file. One that is wrong, or cannot be read, is a failure of the whole, and the others are checked all the
/// same.
pub fn check(out: &Out, files: &[PathBuf], strict: bool) -> Done {
    let least = if strict { Severity::Odd } else { Severity::Wrong };
    let (mut bad, mut odd, mut first, mut items) = (0, 0, None, Vec::new());
    let mut unread = Vec::new();
    for path in files {
        let findings = match found(out, path) {
            Ok(findings) => findings,
            Err(failure) => {
                if out.is_table() {
                    out.print(format_args!("{} {}", out.sign(Mark::Bad), failure.what));
                }
                unread.push(failure);
                continue;
            }
        };
        let is_bad = findings.iter().any(|finding| finding.severity() >= least);
        odd += findings.iter().filter(|finding| finding.severity() < least).count();
        bad += usize::from(is_bad);
        if is_bad && first.is_none() {
            first = Some(path.display().to_string());
        }
        for finding in findings {
            if out.is_table() {
                show(out, path, &finding);
            } else {
                items.push(told(out, path, &finding));
            }
        }
    }
    let count = files.len();
    if !out.is_table() {
        let good = bad == 0 && unread.is_empty();
        // A file that is not there has its own exit code only where nothing else is wrong.
        let exit = match unread.first() {
            _ if bad > 0 => Exit::Failed,
            Some(failure) => failure.exit,
            None => Exit::Ok,
        };
        let summary = json!({
            "good": good, "documents": count, "bad": bad, "items": items, "unread": unread,
        });
        out.json("lgsp.edxml.check/1", summary);
        return Ok(exit);
    }
    if first.is_none() && !unread.is_empty() {
        return Err(unread.swap_remove(0));
    }
    let Some(first) = first else {
        out.done(t::CHECK_GOOD, &[("count", &count), ("odd", &odd)]);
        return Ok(Exit::Ok);
    };
    Err(Failure::new(Exit::Failed, out.fill(t::CHECK_BAD, &[("bad", &bad), ("count", &count)]))
        .why(out.text(t::CHECK_BAD_WHY))
        .fix(out.fill(t::FIX_CHECK, &[("path", &first)]))
        .code(9801))
}

/// What is found in one document.
fn found(out: &Out, path: &Path) -> Result<Vec<Finding>, Failure> {
    let mut check = Check::new(Limits::DEFAULT);
    let mut source = Source::open(out, path)?;
    while let Some(piece) = source.piece()? {
        check.feed(piece);
    }
    Ok(check.finish())
}

/// A finding for people: where, as compilers write it, and below it the element and how to mend it.
fn show(out: &Out, path: &Path, finding: &Finding) {
    let (language, severity) = (t::language(out.lang), finding.severity());
    let Place { line, column } = finding.place;
    let mark = if severity >= Severity::Wrong { Mark::Bad } else { Mark::Warn };
    let (path, word) = (shown(out, path), finding.word.as_str());
    let where_: [(&str, &dyn std::fmt::Display); 5] = [
        ("path", &path),
        ("line", &line),
        ("column", &column),
        ("severity", &out.text(t::severity(severity).1)),
        ("text", &finding.word.text(language)),
    ];
    out.print(format_args!("{} {}", out.sign(mark), out.fill(t::FOUND, &where_)));
    let element = match finding.path.as_str() {
        "" => out.text(t::ROOT),
        path => path,
    };
    let value = plain(&finding.value);
    let text = if value.is_empty() { t::FOUND_AT } else { t::FOUND_VALUE };
    out.print(out.fill(text, &[("element", &element), ("value", &value), ("word", &word)]));
    out.print(out.fill(t::FOUND_MEND, &[("mend", &finding.word.mend(language))]));
}

fn told(out: &Out, path: &Path, finding: &Finding) -> Value {
    let language = t::language(out.lang);
    let Place { line, column } = finding.place;
    json!({
        "file": path.display().to_string(), "line": line, "column": column, "path": finding.path,
        "severity": t::severity(finding.severity()).0, "word": finding.word.as_str(),
        "value": finding.value, "what": finding.word.text(language), "fix": finding.word.mend(language),
    })
}
