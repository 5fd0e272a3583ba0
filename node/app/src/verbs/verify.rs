//! `verify`: what receipts prove, by nothing but the files that are named. No node is asked.

use std::{fmt::Display, io, path::Path};

use receipts::{
    ANSWER_OCTETS_MAX, Content, Error, Evidence, JWKS_OCTETS_MAX, KeySet, Origin, Receipt, Report,
    Statement, verify as check,
};
use serde_json::{Value, json};

use super::{Context, Done, receive::digest_of};
use crate::{
    cli::{Exit, Failure, Mark, Out, VerifyArgs},
    profile,
    texts::{Text, receipts as t},
    written,
};

/// Verifies each receipt of a file. One that does not hold is a failure of the whole.
pub fn verify(context: &Context, args: &VerifyArgs) -> Done {
    let out = &context.out;
    let keys = keys(context, args.keys.as_deref())?;
    let receipts = read(out, &args.receipt)?;
    let content = args.file.as_deref().map(|path| content(path).map_err(unusable(out, path)));
    let content = content.transpose()?;
    let checked: Vec<_> = compared(&receipts, &keys, content.as_ref());
    let count = checked.len();
    let bad = checked.iter().filter(|one| one.is_err()).count();
    if !out.is_table() {
        let items: Vec<_> = checked.iter().map(|one| told(out, one)).collect();
        out.json("lgsp.verify/1", json!({ "good": bad == 0, "items": items }));
        return Ok(if bad == 0 { Exit::Ok } else { Exit::Failed });
    }
    let shown = args.file.as_ref().map(|path| path.display().to_string());
    for (index, one) in checked.iter().enumerate() {
        if index > 0 {
            out.print("");
        }
        match one {
            Ok(report) => show(out, report, shown.as_deref()),
            Err(error) if count > 1 => {
                out.print(line(out, Mark::Bad, t::WHAT, t::why(out.lang, error)).join("  "));
            }
            // Told as the failure of the command.
            Err(_) => {}
        }
    }
    match checked.into_iter().find_map(Result::err) {
        None if count == 1 => out.done(t::DONE_ONE, &[]),
        None => out.done(t::DONE_SEVERAL, &[("count", &count)]),
        Some(error) if count == 1 => return Err(failed(out, &error)),
        Some(error) => {
            let what = out.fill(t::BAD_SEVERAL, &[("bad", &bad), ("count", &count)]);
            return Err(Failure::new(Exit::Failed, what)
                .why(out.text(t::BAD_SEVERAL_WHY))
                .fix(out.text(t::fix(&error)))
                .code(9701));
        }
    }
    Ok(Exit::Ok)
}

/// Checks all. In a list the file is compared with those that name a content; if none does, with the first, which
/// says so.
fn compared(
    receipts: &[Receipt],
    keys: &KeySet,
    content: Option<&Content>,
) -> Vec<Result<Report, Error>> {
    let mut checked: Vec<_> = receipts.iter().map(|receipt| check(receipt, keys, None)).collect();
    let Some(content) = content else { return checked };
    let names_none = |one: &Result<Report, Error>| one.as_ref().is_ok_and(|r| r.digest.is_none());
    let none_does = checked.iter().all(names_none);
    for (index, one) in checked.iter_mut().enumerate() {
        if !names_none(one) || none_does && index == 0 {
            let report = std::mem::replace(one, Err(Error::NoContent));
            *one = report.and_then(|report| report.compared(content));
        }
    }
    checked
}

/// The platform's keys: from the file that is named, else from the one beside the profile. Never from beside the
/// receipt: whoever forged it would have put theirs there.
fn keys(context: &Context, named: Option<&Path>) -> Result<KeySet, Failure> {
    let out = &context.out;
    let path = named
        .map_or_else(|| profile::path(&context.global).with_extension("jwks.json"), Path::to_owned);
    let shown = path.display();
    let octets = match written::read_up_to(&path, JWKS_OCTETS_MAX as u64) {
        Ok(octets) => octets,
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::new(Exit::NotFound, out.text(t::KEYS_MISSING))
                .why(out.fill(t::KEYS_MISSING_WHY, &[("path", &shown)]))
                .fix(out.fill(t::FIX_KEYS, &[("path", &shown)]))
                .code(9704));
        }
        Err(error) => return Err(Failure::file(out.lang, &path, &error)),
    };
    KeySet::parse(octets.as_bytes()).map_err(|error| {
        Failure::new(Exit::Failed, out.fill(t::NO_KEYS, &[("path", &shown)]))
            .why(t::no_keys(out.lang, &error))
            .fix(out.fill(t::FIX_KEYS, &[("path", &"jwks.json")]))
            .code(9703)
    })
}

fn read(out: &Out, path: &Path) -> Result<Vec<Receipt>, Failure> {
    let text = written::read_up_to(path, ANSWER_OCTETS_MAX as u64).map_err(unusable(out, path))?;
    Receipt::parse_all(text.as_bytes()).map_err(|error| {
        Failure::new(Exit::Failed, out.fill(t::NO_RECEIPT, &[("path", &path.display())]))
            .why(t::unreadable(out.lang, &error))
            .fix(out.text(t::FIX_RECEIPT))
            .code(9702)
    })
}

fn unusable(out: &Out, path: &Path) -> impl Fn(io::Error) -> Failure {
    let lang = out.lang;
    move |error| Failure::file(lang, path, &error)
}

fn content(path: &Path) -> io::Result<Content> {
    digest_of(path).map(|(digest, size)| Content { size, digest })
}

fn failed(out: &Out, error: &Error) -> Failure {
    let mut failure = Failure::new(Exit::Failed, out.text(t::BAD_ONE))
        .why(t::why(out.lang, error))
        .fix(out.text(t::fix(error)))
        .code(9701);
    failure.chain = chain(error);
    failure
}

fn chain(error: &Error) -> Vec<String> {
    let mut all = vec![error.to_string()];
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        all.push(cause.to_string());
        next = cause.source();
    }
    all
}

fn line(out: &Out, mark: Mark, what: Text, finding: String) -> Vec<String> {
    vec![format!("{} {}", out.sign(mark), out.text(what)), finding]
}

/// What one receipt proves, for people.
fn show(out: &Out, report: &Report, file: Option<&str>) {
    let good = |what, finding| line(out, Mark::Good, what, finding);
    let plain = |what, finding| vec![format!("  {}", out.text(what)), finding];
    let target = report.targets.first().map(ToString::to_string).unwrap_or_default();
    let reason = report.reason.as_ref().map(ToString::to_string).unwrap_or_default();
    let happened: [(&str, &dyn Display); 3] =
        [("at", &report.at), ("target", &target), ("reason", &reason)];
    let mut rows = vec![
        good(t::WHAT, out.fill(t::kind(report.kind), &happened)),
        plain(t::PACKET, way(report)),
    ];
    if let (Some(size), Some(digest)) = (report.size, report.digest) {
        let content = out.fill(t::CONTENT_IS, &[("size", &size), ("digest", &digest)]);
        rows.push(plain(t::CONTENT, content));
    }
    if let Some(destruction) = &report.destruction {
        for (node, at) in &destruction.nodes {
            let by = out.fill(t::DESTROYED_BY, &[("node", node), ("at", at)]);
            rows.push(good(t::DESTRUCTION, by));
        }
        if !destruction.undestroyed.is_empty() {
            let nodes = joined(&destruction.undestroyed);
            let by = out.fill(t::UNDESTROYED_BY, &[("nodes", &nodes)]);
            rows.push(line(out, Mark::Warn, t::UNDESTROYED, by));
        }
    }
    let by = match (report.key.is_former, report.key.until) {
        (_, Some(_)) => t::SIGNED_BY_ENDED,
        (true, None) => t::SIGNED_BY_FORMER,
        (false, None) => t::SIGNED_BY,
    };
    let until = report.key.until.map(|until| until.to_string()).unwrap_or_default();
    let signed: [(&str, &dyn Display); 3] =
        [("issuer", &report.issuer), ("key", &report.key.name), ("until", &until)];
    rows.push(good(t::SIGNATURE, out.fill(by, &signed)));
    let place: [(&str, &dyn Display); 3] =
        [("position", &report.position), ("size", &report.head.size), ("log", &report.log.name)];
    rows.push(good(t::HISTORY, out.fill(t::IN_HISTORY, &place)));
    match &report.evidence {
        Some(evidence) => {
            rows.extend(shown(out, evidence));
            let (mark, text) = match evidence.is_in_history {
                true => (Mark::Good, t::EVIDENCE_IN_HISTORY),
                false => (Mark::Warn, t::EVIDENCE_SAID),
            };
            let place = out.fill(text, &[("position", &evidence.position)]);
            rows.push(line(out, mark, t::EVIDENCE_PLACE, place));
        }
        None => rows.push(plain(t::APPLICATION, out.text(t::APPLICATION_NONE).to_owned())),
    }
    if let Some(path) = file {
        rows.push(match report.is_content {
            true => good(t::FILE, out.fill(t::FILE_SAME, &[("path", &path)])),
            false => plain(t::FILE, out.text(t::FILE_NONE).to_owned()),
        });
    }
    out.rows(&[t::COL_PROVED, t::COL_FINDING], rows);
}

/// The packet, its title, and where from and to.
fn way(report: &Report) -> String {
    let title = report.title.as_ref().map(|title| format!(" «{title}»")).unwrap_or_default();
    let source = report.source.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{}{title}, {source} → {}", report.packet, joined(&report.targets))
}

fn joined(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn shown(out: &Out, evidence: &Evidence) -> [Vec<String>; 2] {
    let (mark, text) = match evidence.origin {
        Origin::Verified => (Mark::Good, t::APPLICATION_IS),
        Origin::PlatformOnly => (Mark::Warn, t::APPLICATION_SHARED),
        Origin::NotKept => (Mark::Warn, t::APPLICATION_NOT_KEPT),
    };
    let by: [(&str, &dyn Display); 4] = [
        ("unit", &evidence.unit),
        ("app", &evidence.app),
        ("key", &evidence.key),
        ("algorithm", &evidence.algorithm),
    ];
    let (what, named) = match (&evidence.statement, evidence.names_packet, evidence.names_content) {
        (_, true, true) => (Mark::Good, t::SIGNED_BOTH),
        (Statement::Digest { digest, .. }, _, _) => {
            let long = out.fill(t::SIGNED_LONG, &[("digest", digest)]);
            return [
                line(out, mark, t::APPLICATION, out.fill(text, &by)),
                line(out, Mark::Warn, t::SIGNED, long),
            ];
        }
        (_, true, false) => (Mark::Good, t::SIGNED_PACKET),
        (_, false, true) => (Mark::Good, t::SIGNED_CONTENT),
        (_, false, false) => (Mark::Warn, t::SIGNED_NEITHER),
    };
    [
        line(out, mark, t::APPLICATION, out.fill(text, &by)),
        line(out, what, t::SIGNED, out.text(named).to_owned()),
    ]
}

/// The same for programs.
fn told(out: &Out, checked: &Result<Report, Error>) -> Value {
    let report = match checked {
        Ok(report) => report,
        Err(error) => return json!({ "good": false, "error": failed(out, error) }),
    };
    let destroyed = report.destruction.as_ref().map(|destruction| {
        let nodes = destruction.nodes.iter();
        let nodes = nodes.map(|(node, at)| json!({ "node": node, "at": at.to_string() }));
        nodes.collect::<Vec<_>>()
    });
    let evidence = report.evidence.as_ref().map(|evidence| {
        json!({
            "unit": evidence.unit, "app": evidence.app, "key": evidence.key,
            "algorithm": evidence.algorithm.as_str(),
            "verified": evidence.origin == Origin::Verified,
            "names_packet": evidence.names_packet,
            "names_content": evidence.names_content,
            "position": evidence.position,
            "in_history": evidence.is_in_history,
            "statement": match &evidence.statement {
                Statement::Shown(octets) => Some(String::from_utf8_lossy(octets).into_owned()),
                Statement::Absent | Statement::Digest { .. } => None,
            },
        })
    });
    json!({
        "good": true,
        "kind": report.kind.as_str(),
        "issuer": report.issuer,
        "at": report.at.to_string(),
        "packet": report.packet,
        "source": report.source,
        "targets": report.targets,
        "title": report.title,
        "size": report.size,
        "digest": report.digest,
        "reason": report.reason,
        "destroyed": destroyed,
        "undestroyed": report.destruction.as_ref().map(|destruction| &destruction.undestroyed),
        "position": report.position,
        "history": { "size": report.head.size, "root": report.head.root.to_string() },
        "key": { "kid": report.key.name, "former": report.key.is_former,
            "until": report.key.until.map(|until| until.to_string()) },
        "log": { "name": report.log.name, "former": report.log.is_former },
        "evidence": evidence,
        "file": report.is_content,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::FromArgMatches;

    use super::*;
    use crate::{
        cli::{Cli, Output, command},
        texts::Lang,
    };

    const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../receipts/tests/vectors");
    const CONTENT: &[u8] = b"Cong van so 12\n";

    fn context(lang: Lang, output: Output, profile: &Path) -> Context {
        let words = ["lgsp", "status", "--profile", profile.to_str().expect("text")];
        let matches = command(lang).try_get_matches_from(words).expect("a command");
        let out = Out::new(lang, output, Default::default(), false);
        let global = Cli::from_arg_matches(&matches).expect("a command").global;
        Context { out, global, used: Default::default() }
    }

    fn vector(name: &str) -> PathBuf {
        Path::new(VECTORS).join(name)
    }

    fn run(receipt: &Path, keys: Option<&Path>, file: Option<&Path>) -> Done {
        let [receipt, keys, file] =
            [Some(receipt), keys, file].map(|path| path.map(Path::to_owned));
        let args = VerifyArgs { receipt: receipt.expect("a file"), keys, file };
        let context = context(Lang::Vi, Output::Table, Path::new("none.toml"));
        let json =
            Context { out: Out::new(Lang::En, Output::Json, Default::default(), false), ..context };
        let exit = verify(&json, &args);
        let table =
            Context { out: Out::new(Lang::Vi, Output::Table, Default::default(), false), ..json };
        let done = verify(&table, &args);
        let code = |done: &Done| done.as_ref().map_or_else(|failure| failure.exit, |exit| *exit);
        assert_eq!(code(&exit), code(&done), "people and programs get the same code");
        done
    }

    #[test]
    fn receipts_are_verified_with_files_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("cong-van.pdf");
        std::fs::write(&file, CONTENT).expect("written");
        let (receipts, keys) = (vector("receipts.json"), vector("jwks.json"));
        assert_eq!(run(&receipts, Some(&keys), None).expect("they hold"), Exit::Ok);
        assert_eq!(run(&receipts, Some(&keys), Some(&file)).expect("they hold"), Exit::Ok);
        std::fs::write(&file, "another").expect("written");
        let failure = run(&receipts, Some(&keys), Some(&file)).expect_err("another file");
        assert_eq!((failure.exit, failure.code.as_deref()), (Exit::Failed, Some("LGSP-9701")));
        assert!(failure.what.contains("3 trong 4"), "a refusal names no content: {}", failure.what);
    }

    #[test]
    fn one_receipt_says_what_is_wrong_with_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let keys = vector("jwks.json");
        let all = written::read(&vector("receipts.json")).expect("the vector");
        let all: Value = serde_json::from_str(&all).expect("receipts");
        let one = directory.path().join("one.json");
        let write = |receipt: &Value| {
            // As an editor of Windows saves it.
            std::fs::write(&one, format!("\u{feff}{receipt}")).expect("written");
        };
        write(&all["receipts"][2]);
        assert_eq!(run(&one, Some(&keys), None).expect("it holds"), Exit::Ok);
        let failure = run(&one, Some(&keys), Some(&one)).expect_err("it names no content");
        assert_eq!(failure.why.as_deref(), Some(t::FILE_NONE.vi));
        let mut changed = all["receipts"][0].clone();
        changed["header"]["proof"]["size"] = 301.into();
        write(&changed);
        let failure = run(&one, Some(&keys), None).expect_err("its proof does not hold");
        assert_eq!(failure.why.as_deref(), Some(t::PROOF.vi));
        assert_eq!(failure.fix.as_deref(), Some(t::FIX_ALTERED.vi));
        changed["signature"] = all["receipts"][1]["signature"].clone();
        write(&changed);
        let failure = run(&one, Some(&keys), None).expect_err("it is forged");
        assert_eq!(failure.why.as_deref(), Some(t::FORGED.vi));
    }

    #[test]
    fn files_that_are_something_else_are_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let (receipts, keys) = (vector("receipts.json"), vector("jwks.json"));
        let failure = run(&keys, Some(&keys), None).expect_err("no receipt");
        assert_eq!(failure.code.as_deref(), Some("LGSP-9702"));
        let failure = run(&receipts, Some(&receipts), None).expect_err("no keys");
        assert_eq!(failure.code.as_deref(), Some("LGSP-9703"));
        let failure = run(&receipts, Some(&directory.path().join("none")), None);
        assert_eq!(failure.expect_err("no file").exit, Exit::NotFound);
        let args = VerifyArgs { receipt: receipts.clone(), keys: None, file: None };
        let profile = directory.path().join("office.toml");
        let context = context(Lang::En, Output::Table, &profile);
        let failure = verify(&context, &args).expect_err("no keys are known");
        assert_eq!(failure.code.as_deref(), Some("LGSP-9704"));
        assert!(failure.fix.as_ref().expect("a fix").contains("office.jwks.json"));
        std::fs::copy(&keys, directory.path().join("office.jwks.json")).expect("copied");
        assert_eq!(verify(&context, &args).expect("they hold"), Exit::Ok);
    }
}
