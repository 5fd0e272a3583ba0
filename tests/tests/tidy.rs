//! Tidy: floors, owners, purity, file lengths and headers, read off the sources themselves.
//!
//! It reads text and manifests only; what the compiler and clippy see is theirs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Our crates: alias, folder, floor. A crate may use crates of lower floors only.
const HOUSE: &[(&str, &str, u8)] = &[
    ("model", "raft/model", 0),
    ("machine", "raft/machine", 1),
    ("auth", "node/auth", 1),
    ("consensus", "raft/consensus", 2),
    ("certs", "certs", 2),
    ("mesh", "node/mesh", 2),
    ("content", "node/content", 2),
    ("delivery", "node/delivery", 3),
    ("api", "node/api", 4),
    ("client", "node/client", 4),
    ("app", "node/app", 5),
];

/// Crates without I/O, clock, randomness, async, threads or floats.
const PURE: &[&str] = &["raft/model", "raft/machine", "node/auth"];

/// Outside libraries and the only crates that may name them.
const OWNERS: &[(&str, &[&str])] = &[
    ("openraft", &["consensus"]),
    ("raft-log", &["consensus"]),
    ("fjall", &["consensus"]),
    ("quick_cache", &["consensus"]),
    ("quinn", &["mesh"]),
    ("reqwest", &["client"]),
    ("axum", &["api"]),
    ("utoipa", &["api"]),
    ("hmac", &["auth", "certs"]),
    ("sha1", &["auth"]),
    ("rsa", &["auth"]),
    ("rcgen", &["certs"]),
    ("clap", &["app"]),
];

/// What a pure crate may not say outside its tests.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
    "SystemTime",
    "Instant::now",
    "async fn",
    ".await",
    "tokio::",
    "use rand::",
    "rand::rng",
    "OsRng",
    "SystemRandom",
    " f32",
    " f64",
    ": f64",
    "HashMap<",
];

/// What a pure crate may say nevertheless: the file, the word, and why.
const EXCUSED: &[(&str, &str, &str)] = &[(
    "node/auth/src/sign.rs",
    "SystemRandom",
    "signing is the client's side, no node does it; RSA-PSS needs a salt and ECDSA a random number, \
     which aws-lc-rs draws itself whatever generator it is handed",
)];

const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the project").to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("a directory entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(&root(), &mut found);
    assert!(found.len() > 100, "the sources were found");
    let read = |path: PathBuf| {
        let name =
            path.strip_prefix(root()).expect("under the root").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("sources are UTF-8"))
    };
    found.into_iter().map(read).collect()
}

fn is_test(name: &str) -> bool {
    name.starts_with("tests/")
        || name.contains("/tests/")
        || name.ends_with("tests.rs")
        || name.contains("/benches/")
        || name.contains("/examples/")
}

/// The part of a source before its own tests, without comments.
fn product(text: &str) -> String {
    let before = text.split("#[cfg(test)]").next().unwrap_or_default();
    before
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn dependencies(folder: &str) -> Vec<String> {
    let path = root().join(folder).join("Cargo.toml");
    let manifest: toml::Table =
        fs::read_to_string(&path).expect("a manifest").parse().expect("a manifest is TOML");
    let table = manifest.get("dependencies").and_then(|value| value.as_table());
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn report(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn imports_go_down_only() {
    let floors: BTreeMap<_, _> = HOUSE.iter().map(|(name, _, floor)| (*name, *floor)).collect();
    let mut wrong = Vec::new();
    for (name, folder, floor) in HOUSE {
        for dependency in dependencies(folder) {
            // The client is a tool of the program's command line: it signs and trusts, below it.
            match floors.get(dependency.as_str()) {
                Some(below) if below >= floor => wrong.push(format!("{name} uses {dependency}")),
                _ => {}
            }
        }
    }
    report(wrong);
}

#[test]
fn each_outside_library_has_its_owners() {
    let mut wrong = Vec::new();
    for (name, folder, _) in HOUSE {
        for dependency in dependencies(folder) {
            if let Some((_, owners)) = OWNERS.iter().find(|(library, _)| *library == dependency)
                && !owners.contains(name)
            {
                wrong.push(format!("{name} uses {dependency}, which belongs to {owners:?}"));
            }
        }
    }
    report(wrong);
}

#[test]
fn pure_crates_are_pure() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        let pure = PURE.iter().any(|folder| name.starts_with(&format!("{folder}/src/")));
        if !pure || is_test(&name) {
            continue;
        }
        let product = product(&text);
        for word in IMPURE {
            let excused = EXCUSED.iter().any(|(file, what, _)| *file == name && what == word);
            match (product.contains(word), excused) {
                (true, false) => wrong.push(format!("{name} says {word:?}")),
                (false, true) => wrong.push(format!("{name} is excused for {word:?} in vain")),
                _ => {}
            }
        }
    }
    report(wrong);
}

#[test]
fn excuses_are_of_files_that_are_there() {
    let sources = all_sources();
    let gone = EXCUSED.iter().filter(|(file, ..)| !sources.iter().any(|(name, _)| name == file));
    report(gone.map(|(file, ..)| format!("{file} is excused and is not there")).collect());
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{name} has {lines} lines"));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{name} does not begin with its header"));
        }
    }
    report(wrong);
}

#[test]
fn nothing_is_left_for_later() {
    // Written apart, so that this file does not find itself.
    let words = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
    ];
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        for word in words {
            if text.contains(word) {
                wrong.push(format!("{name} says {word:?}"));
            }
        }
    }
    report(wrong);
}

#[test]
fn panics_outside_tests_carry_a_reason() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources().into_iter().filter(|(name, _)| !is_test(name)) {
        let count = product(&text).matches(".unwrap()").count();
        if count > 0 {
            wrong.push(format!("{name} unwraps {count} times without a reason"));
        }
    }
    report(wrong);
}
