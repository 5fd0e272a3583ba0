//! Tidy: floors, owners, purity, file lengths and headers, read off the sources themselves.
//!
//! It reads text and manifests only; what the compiler and clippy see is theirs. Each rule is a
//! function of what it reads, so that planted text shows that it can fail.

mod circles;
mod manifest;
mod source;
mod spelling;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use toml::Table;

/// Our crates: package, folder, floor. A crate may use crates of lower floors only.
const HOUSE: &[(&str, &str, u8)] = &[
    ("lgsp-model", "raft/model", 0),
    ("lgsp-machine", "raft/machine", 1),
    ("lgsp-auth", "node/auth", 1),
    ("lgsp-wire", "federation/wire", 1),
    ("lgsp-receipts", "node/receipts", 2),
    ("lgsp-consensus", "raft/consensus", 2),
    ("lgsp-history", "raft/history", 2),
    ("lgsp-certs", "certs", 2),
    ("lgsp-https", "node/https", 2),
    ("lgsp-mesh", "node/mesh", 2),
    ("lgsp-content", "node/content", 2),
    ("lgsp-conductor", "node/conductor", 3),
    // The other side to practise on: it speaks by wire and shows certificates by certs.
    ("lgsp-simulator", "federation/simulator", 3),
    ("lgsp-api", "node/api", 4),
    // The client is a tool of the program's command line: it signs, below it.
    ("lgsp-client", "node/client", 4),
    ("lgsp-app", "node/app", 5),
];

/// Members that are no part of the house: they look at it from outside.
const OUTSIDE: &[&str] = &["tests", "tests/sim"];

/// Crates without I/O, clock, randomness, async, threads or floats.
const PURE: &[&str] =
    &["raft/model", "raft/machine", "node/auth", "node/receipts", "federation/wire"];

/// Outside libraries that anybody may name: plumbing, words of every crate.
const COMMON: &[&str] = &[
    "anyhow",
    "base64",
    "bytes",
    "futures-util",
    "hex",
    "minicbor",
    "parking_lot",
    "rand",
    "rustix",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "tokio",
    "toml",
    "tracing",
    "zeroize",
];

/// The other outside libraries, and the only crates that may name them.
const OWNERS: &[(&str, &[&str])] = &[
    ("aws-lc-rs", &["lgsp-certs", "lgsp-auth", "lgsp-content"]),
    ("axum", &["lgsp-api"]),
    ("clap", &["lgsp-app"]),
    ("clap_complete", &["lgsp-app"]),
    ("comfy-table", &["lgsp-app"]),
    ("crc32fast", &["lgsp-consensus", "lgsp-history", "lgsp-content", "lgsp-machine", "lgsp-wire"]),
    ("csv", &["lgsp-app"]),
    // Receipts are signed by it and by p256 without a random number; what is verified is verified by auth.
    ("ed25519-dalek", &["lgsp-auth", "lgsp-receipts"]),
    ("encoding_rs", &["lgsp-wire"]),
    // Each has a store of its own in a directory of its own: one is the state, the other can be lost.
    ("fjall", &["lgsp-consensus", "lgsp-history"]),
    ("hmac", &["lgsp-auth", "lgsp-wire"]),
    ("http-body-util", &["lgsp-api", "lgsp-simulator"]),
    // The simulator accepts header lines of two megabytes, for which it sets up its connections itself.
    ("hyper", &["lgsp-api", "lgsp-simulator"]),
    ("hyper-util", &["lgsp-api", "lgsp-simulator"]),
    ("indicatif", &["lgsp-app"]),
    ("memchr", &["lgsp-api", "lgsp-wire"]),
    ("mimalloc", &["lgsp-app"]),
    ("openraft", &["lgsp-consensus"]),
    ("p256", &["lgsp-auth", "lgsp-receipts"]),
    ("miniz_oxide", &["lgsp-wire"]),
    ("percent-encoding", &["lgsp-api", "lgsp-client", "lgsp-wire"]),
    ("postcard", &["lgsp-consensus"]),
    ("quick_cache", &["lgsp-consensus"]),
    ("foldhash", &["lgsp-consensus"]),
    ("quick-xml", &["lgsp-wire"]),
    ("quinn", &["lgsp-mesh"]),
    ("quinn-proto", &["lgsp-mesh"]),
    ("raft-log", &["lgsp-consensus"]),
    ("rcgen", &["lgsp-certs"]),
    ("reqwest", &["lgsp-https"]),
    ("rsa", &["lgsp-auth"]),
    // Both ends of every connection are set up by it; only certs and https decide what is trusted.
    (
        "rustls",
        &["lgsp-certs", "lgsp-https", "lgsp-mesh", "lgsp-api", "lgsp-simulator", "lgsp-app"],
    ),
    ("rustls-pki-types", &["lgsp-certs", "lgsp-mesh", "lgsp-app"]),
    ("serde_path_to_error", &["lgsp-api"]),
    ("rxml", &["lgsp-wire"]),
    ("sfv", &["lgsp-auth"]),
    ("sha1", &["lgsp-auth"]),
    ("socket2", &["lgsp-mesh"]),
    ("subtle", &["lgsp-auth", "lgsp-wire"]),
    ("tokio-rustls", &["lgsp-api", "lgsp-simulator"]),
    ("tower", &["lgsp-api"]),
    ("tracing-subscriber", &["lgsp-app"]),
    ("ulid", &["lgsp-model"]),
    ("unicode-normalization", &["lgsp-model"]),
    ("utoipa", &["lgsp-api"]),
    ("utoipa-axum", &["lgsp-api"]),
    ("x509-parser", &["lgsp-certs"]),
];

/// Paths that a pure crate may not name outside its tests, nor anything below them.
const IMPURE_PATHS: &[&str] = &[
    "std::*",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "rand",
    "tokio",
];

/// Names that a pure crate may not say outside its tests, in whatever path.
const IMPURE_NAMES: &[&str] = &[
    "HashMap",
    "HashSet",
    "Instant",
    "OsRng",
    "RandomState",
    "SystemRandom",
    "SystemTime",
    "async",
    "await",
    "f32",
    "f64",
    source::FLOAT,
];

/// What a pure crate may say nevertheless: the file, the word, and why.
const EXCUSED: &[(&str, &str, &str)] = &[
    (
        "node/auth/src/sign.rs",
        "SystemRandom",
        "signing is the client's side, no node does it; RSA-PSS needs a salt and ECDSA a random \
         number, which aws-lc-rs draws itself whatever generator it is handed",
    ),
    (
        "node/auth/src/head.rs",
        "std::net",
        "the address in a Host header is read as text, to know its other spellings; no socket is made",
    ),
];

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

fn is_pure(name: &str) -> bool {
    PURE.iter().any(|folder| name.starts_with(&format!("{folder}/src/"))) && !is_test(name)
}

fn read_manifest(folder: &str) -> Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The house as its manifests have it: package, floor, and the packages it is built from.
fn house() -> Vec<(&'static str, u8, Vec<String>)> {
    let workspace = read_manifest("");
    let built = |folder: &str| manifest::packages(&read_manifest(folder), &workspace);
    HOUSE.iter().map(|(name, folder, floor)| (*name, *floor, built(folder))).collect()
}

fn report(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn wrong_floors(name: &str, floor: u8, packages: &[String]) -> Vec<String> {
    let floors: BTreeMap<_, _> = HOUSE.iter().map(|(name, _, floor)| (*name, *floor)).collect();
    let above = |package: &&String| match floors.get(package.as_str()) {
        Some(below) => *below >= floor,
        // A crate of ours that has no floor: a tool that looks at the house from outside.
        None => package.starts_with("lgsp"),
    };
    packages.iter().filter(above).map(|package| format!("{name} uses {package}")).collect()
}

fn wrong_owners(name: &str, packages: &[String]) -> Vec<String> {
    let foreign = packages.iter().filter(|package| !package.starts_with("lgsp"));
    let foreign = foreign.filter(|package| !COMMON.contains(&package.as_str()));
    let wrong =
        foreign.filter_map(|package| match OWNERS.iter().find(|(library, _)| library == package) {
            Some((_, owners)) if owners.contains(&name) => None,
            Some((_, owners)) => Some(format!("{name} uses {package}, which is of {owners:?}")),
            None => Some(format!("{name} uses {package}, which has no owner here")),
        });
    wrong.collect()
}

fn wrong_members(members: &[String]) -> Vec<String> {
    let known: BTreeSet<&str> =
        HOUSE.iter().map(|(_, folder, _)| *folder).chain(OUTSIDE.iter().copied()).collect();
    let members: BTreeSet<&str> = members.iter().map(String::as_str).collect();
    let missing = known.difference(&members).map(|folder| format!("{folder} is no member"));
    let new = members.difference(&known).map(|folder| format!("{folder} has no floor here"));
    missing.chain(new).collect()
}

/// The impure words of a source, each once.
fn impurities(text: &str) -> BTreeSet<&'static str> {
    let tokens = source::product(text);
    let paths = source::paths(&tokens);
    let core = |path: &str| path.replacen("core::", "std::", 1).replacen("alloc::", "std::", 1);
    let named = |forbidden: &&&str| {
        paths.iter().map(|path| core(path)).any(|path| {
            let below = path.strip_prefix(**forbidden);
            // A name of one's own may be `rand` or `tokio`: only a path leads out of the crate.
            below.is_some_and(|rest| rest.starts_with("::"))
                || (path == **forbidden && path.contains("::"))
        })
    };
    let renamed = tokens.windows(2).any(|pair| pair[0] == "std" && pair[1] == "as");
    let said = |word: &&&str| {
        tokens.iter().any(|token| token == **word)
            || paths.iter().any(|path| path.split("::").any(|name| name == **word))
    };
    IMPURE_PATHS
        .iter()
        .filter(named)
        .chain(IMPURE_NAMES.iter().filter(said))
        .copied()
        .chain(renamed.then_some("std as"))
        .collect()
}

fn wrong_purity(name: &str, text: &str) -> Vec<String> {
    let said = impurities(text);
    let excused: BTreeSet<&str> =
        EXCUSED.iter().filter(|(file, ..)| *file == name).map(|(_, word, _)| *word).collect();
    let wrong = said.difference(&excused).map(|word| format!("{name} says {word:?}"));
    let vain =
        excused.difference(&said).map(|word| format!("{name} is excused for {word:?} in vain"));
    wrong.chain(vain).collect()
}

fn wrong_form(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let long = (lines > LINES_MAX).then(|| format!("{name} has {lines} lines"));
    let header = !text.starts_with("//!");
    let header = header.then(|| format!("{name} does not begin with its header"));
    long.into_iter().chain(header).collect()
}

fn left_for_later(name: &str, text: &str) -> Vec<String> {
    // Written apart, so that this file does not find itself.
    let words = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
    ];
    let said = words.into_iter().filter(|word| text.contains(word));
    said.map(|word| format!("{name} says {word:?}")).collect()
}

fn unwraps(name: &str, text: &str) -> Vec<String> {
    let tokens = source::product(text);
    let unwrap = |part: &[String]| part[0] == "." && part[1] == "unwrap" && part[2] == "(";
    let count = tokens.windows(3).filter(|part| unwrap(part)).count();
    let wrong = (count > 0).then(|| format!("{name} unwraps {count} times without a reason"));
    wrong.into_iter().collect()
}

#[test]
fn every_crate_has_its_place() {
    report(wrong_members(&manifest::members(&read_manifest(""))));
    let named = |folder: &str| read_manifest(folder)["package"]["name"].as_str().map(str::to_owned);
    let wrong = HOUSE.iter().filter(|(name, folder, _)| named(folder).as_deref() != Some(*name));
    report(wrong.map(|(name, folder, _)| format!("{folder} is not {name}")).collect());
}

#[test]
fn imports_go_down_only() {
    let house = house();
    report(house.iter().flat_map(|(name, floor, used)| wrong_floors(name, *floor, used)).collect());
}

#[test]
fn each_outside_library_has_its_owners() {
    let house = house();
    report(house.iter().flat_map(|(name, _, used)| wrong_owners(name, used)).collect());
    let used = |owner: &str, library: &str| {
        let built = house.iter().find(|(name, ..)| *name == owner);
        built.is_some_and(|(.., packages)| packages.iter().any(|package| package == library))
    };
    let vain = OWNERS.iter().flat_map(|(library, owners)| {
        let vain = owners.iter().filter(|owner| !used(owner, library));
        vain.map(move |owner| format!("{owner} owns {library} and does not use it"))
    });
    report(vain.collect());
}

#[test]
fn pure_crates_are_pure() {
    let pure: Vec<_> = all_sources().into_iter().filter(|(name, _)| is_pure(name)).collect();
    assert!(pure.len() > 20, "the pure crates were found");
    report(pure.iter().flat_map(|(name, text)| wrong_purity(name, text)).collect());
}

#[test]
fn excuses_are_of_files_that_are_there() {
    let sources = all_sources();
    let gone = EXCUSED.iter().filter(|(file, ..)| !sources.iter().any(|(name, _)| name == file));
    report(gone.map(|(file, ..)| format!("{file} is excused and is not there")).collect());
}

#[test]
fn files_are_short_and_say_what_they_are() {
    report(all_sources().iter().flat_map(|(name, text)| wrong_form(name, text)).collect());
}

#[test]
fn nothing_is_left_for_later() {
    report(all_sources().iter().flat_map(|(name, text)| left_for_later(name, text)).collect());
}

#[test]
fn panics_outside_tests_carry_a_reason() {
    let product = all_sources().into_iter().filter(|(name, _)| !is_test(name));
    report(product.flat_map(|(name, text)| unwraps(&name, &text)).collect());
}

mod planted {
    //! Each rule finds what is planted for it, and passes over what only looks like it.

    use super::*;

    #[test]
    fn impurity_is_found_in_every_spelling() {
        for (text, words) in [
            ("use std::{fs, fmt};", &["std::fs"][..]),
            ("use std::{self, fmt}; fn f() { std::thread::spawn(g) }", &["std::thread"]),
            (
                "use std::{collections::{BTreeMap, HashSet}, net::{self, IpAddr}};",
                &["HashSet", "std::net"],
            ),
            ("use core::net::IpAddr;", &["std::net"]),
            ("use std::*;", &["std::*"]),
            ("use std as s;", &["std as"]),
            (
                "fn f() { ::std::env::var(\"A\"); std::process::exit(1) }",
                &["std::env", "std::process"],
            ),
            ("fn f(all: Vec<f64>) {}", &["f64"]),
            ("const HALF: u8 = (255 as f32 * 0.5) as u8;", &["a float", "f32"]),
            ("async fn f() { g().await }", &["async", "await"]),
            ("use std::time::Instant;", &["Instant"]),
            ("fn f() { rand::random::<u8>(); tokio::spawn(g()) }", &["rand", "tokio"]),
            ("#[cfg(test)]\nmod tests;\nuse std::io::Write;", &["std::io"]),
        ] {
            let found: Vec<_> = impurities(text).into_iter().collect();
            assert_eq!(found, words, "{text}");
        }
        for text in [
            "// std::fs and f64\nuse std::{collections::BTreeMap, fmt};",
            "fn f() -> &'static str { \"SystemTime::now() 0.5\" }",
            "fn f() { for n in 0..5 { g(n.0.1, rand) } }",
            "fn f() {}\n#[cfg(test)]\nmod tests { use std::{fs, thread}; const A: f64 = 0.5; }",
        ] {
            assert!(impurities(text).is_empty(), "{text}: {:?}", impurities(text));
        }
        assert_eq!(wrong_purity("a.rs", "use std::{fmt, fs};"), ["a.rs says \"std::fs\""]);
        let vain = wrong_purity("node/auth/src/sign.rs", "fn f() {}");
        assert_eq!(vain.len(), 1, "an excuse that is not needed: {vain:?}");
        assert!(is_pure("raft/machine/src/a/b.rs") && !is_pure("raft/machine/tests/a.rs"));
    }

    fn built(manifest: &str) -> Vec<String> {
        let workspace = "[workspace.dependencies]\nauth = { path = \"a\", package = \"lgsp-auth\" }\n\
                         api = { path = \"b\", package = \"lgsp-api\" }";
        let parse = |text: &str| text.parse::<Table>().expect("TOML");
        manifest::packages(&parse(manifest), &parse(workspace))
    }

    #[test]
    fn a_crate_that_looks_up_or_sideways_is_found() {
        for dependency in [
            "[dependencies]\napi.workspace = true",
            "[dependencies]\nauth.workspace = true",
            "[target.'cfg(unix)'.dependencies]\nx = { path = \"b\", package = \"lgsp-api\" }",
            "[build-dependencies]\nlgsp-sim = { path = \"c\" }",
        ] {
            assert_eq!(
                wrong_floors("lgsp-machine", 1, &built(dependency)).len(),
                1,
                "{dependency}"
            );
        }
        assert!(
            wrong_floors("lgsp-conductor", 3, &built("[dependencies]\nauth.workspace = true"))
                .is_empty()
        );
    }

    #[test]
    fn a_library_in_the_wrong_crate_is_found() {
        for dependency in [
            "[dependencies]\nhyper = \"1\"",
            "[target.x86_64-unknown-linux-gnu.dependencies]\nquinn = \"1\"",
            "[dependencies]\nweb = { version = \"1\", package = \"axum\" }",
            "[dependencies]\nnever-heard-of = \"1\"",
        ] {
            assert_eq!(wrong_owners("lgsp-conductor", &built(dependency)).len(), 1, "{dependency}");
        }
        let good = built("[dependencies]\nhyper = \"1\"\ntokio = \"1\"\nauth.workspace = true");
        assert!(wrong_owners("lgsp-api", &good).is_empty());
    }

    #[test]
    fn a_member_without_a_place_is_found() {
        let mut members = manifest::members(&read_manifest(""));
        members.push("federation/bridge".to_owned());
        assert_eq!(wrong_members(&members), ["federation/bridge has no floor here"]);
        members.retain(|member| member != "certs" && member != "federation/bridge");
        assert_eq!(wrong_members(&members), ["certs is no member"]);
    }

    #[test]
    fn long_files_headers_leftovers_and_unwraps_are_found() {
        assert_eq!(wrong_form("a.rs", &"//! A.\n".repeat(LINES_MAX)).len(), 0);
        assert_eq!(wrong_form("a.rs", &"//! A.\n".repeat(LINES_MAX + 1)).len(), 1);
        assert_eq!(wrong_form("a.rs", "// No header.\n").len(), 1);
        assert_eq!(left_for_later("a.rs", concat!("fn f() { to", "do!() }")).len(), 1);
        assert_eq!(left_for_later("a.rs", "fn f() {}").len(), 0);
        let module = "#[cfg(test)]\n#[path = \"disk_tests.rs\"]\nmod tests;\n";
        assert_eq!(unwraps("a.rs", &format!("{module}fn f() {{ g().unwrap() }}")).len(), 1);
        let inline = "#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }\nfn h() { i\n.unwrap() }";
        assert_eq!(unwraps("a.rs", inline), ["a.rs unwraps 1 times without a reason"]);
        assert!(unwraps("a.rs", "fn f() { g().expect(\"why\"); h(\".unwrap()\") }").is_empty());
    }
}
