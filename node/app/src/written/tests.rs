//! Every door by which a file of people's comes in, tried with what their editors make of it.

use std::path::{Path, PathBuf};

use super::*;
use crate::{
    cli::{Failure, Out, Output},
    config::Config,
    profile::Loaded,
    verbs,
};

const CONFIG: &str = include_str!("../../../../deploy/lgsp.toml");
const SECRET: &str = "c2VjcmV0LW5vYm9keS1zaG91bGQtc2Vl";
// The example keys of RFC 8410.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

/// A directory of files as an editor has saved them.
struct Desk<'a> {
    directory: &'a Path,
    saved: &'a dyn Fn(&str) -> Vec<u8>,
}

impl Desk<'_> {
    /// A file that the editor has saved.
    fn edited(&self, name: &str, text: &str) -> PathBuf {
        self.put(name, &(self.saved)(text))
    }

    /// A file that the program has written.
    fn plain(&self, name: &str, text: &str) -> PathBuf {
        self.put(name, text.as_bytes())
    }

    fn put(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.directory.join(name);
        certs::write_file(&path, octets, certs::Access::Secret).expect("written");
        path
    }
}

type Door = fn(&Desk<'_>, Lang) -> Result<(), Failure>;

fn authority() -> String {
    let made = certs::Authority::create("c1", 1, model::Moment(1_795_334_851_204));
    certs::certificates_to_pem(&[made.expect("an authority").certificate()])
}

fn profile(authority: &str, algorithm: &str) -> String {
    format!(
        "urls = [\"https://127.0.0.1:1\"]\naccess_key = \"AKMZXW6YTBOI2DGNBVHA4Q\"\nalgorithm = \"{algorithm}\"\n\
         authority = \"{authority}\"\nsecret_file = \"p.secret\"\n"
    )
}

fn connected(path: &Path, lang: Lang) -> Result<(), Failure> {
    Loaded::read(path, lang)?.client(std::time::Duration::from_secs(1)).map(drop)
}

fn started(path: &Path, lang: Lang) -> Result<(), Failure> {
    let key = path.with_file_name("key.pem");
    let read = certified(path, &key).map(drop);
    read.map_err(|error| Failure::certs(lang, &error).expect("it is about a file"))
}

const DOORS: [(&str, Door); 10] = [
    ("lgsp.toml", |desk, lang| {
        let path = desk.edited("lgsp.toml", CONFIG);
        Config::load(&path).map(drop).map_err(|error| Failure::config(lang, &path, &error))
    }),
    ("profile", |desk, lang| {
        desk.plain("a.pem", &authority());
        desk.plain("p.secret", SECRET);
        connected(&desk.edited("p.toml", &profile("a.pem", "hmac-sha256")), lang)
    }),
    ("authority of a profile", |desk, lang| {
        desk.edited("a.pem", &authority());
        desk.plain("p.secret", SECRET);
        connected(&desk.plain("p.toml", &profile("a.pem", "hmac-sha256")), lang)
    }),
    ("secret of a profile", |desk, lang| {
        desk.plain("a.pem", &authority());
        desk.edited("p.secret", SECRET);
        connected(&desk.plain("p.toml", &profile("a.pem", "hmac-sha256")), lang)
    }),
    ("private key of a profile", |desk, lang| {
        desk.plain("a.pem", &authority());
        desk.edited("p.secret", PRIVATE);
        connected(&desk.plain("p.toml", &profile("a.pem", "ed25519")), lang)
    }),
    ("public key", |desk, lang| {
        let text = verbs::public_key_of(lang, &desk.edited("k.pem", PUBLIC))?;
        assert!(text.starts_with("-----BEGIN"), "{text}");
        Ok(())
    }),
    ("api.tls_cert", |desk, lang| {
        desk.plain("key.pem", PRIVATE);
        started(&desk.edited("cert.pem", &authority()), lang)
    }),
    ("api.tls_key", |desk, lang| {
        desk.edited("key.pem", PRIVATE);
        started(&desk.plain("cert.pem", &authority()), lang)
    }),
    ("list of units", |desk, lang| {
        let path = desk.edited("units.csv", "code,name,kind\nH41.92,Sở Thử,department\n");
        let octets = std::fs::read(&path).expect("it was written");
        verbs::read_units(lang, &path, &octets).map(|units| assert_eq!(units.len(), 1))
    }),
    ("join token", |desk, lang| {
        let made = certs::JoinToken::generate(b"authority", &mut |octets| octets.fill(7));
        let token = std::fs::read(desk.edited("token", &made.to_string())).expect("it was written");
        // What a shell makes of it: `--token "$(cat token)"`.
        let text = String::from_utf8_lossy(&token).replace('\0', "");
        let out = Out::new(lang, Output::Table, Default::default(), false);
        verbs::token_of(&out, text.trim_end()).map(drop)
    }),
];

fn through(door: Door, lang: Lang, saved: &dyn Fn(&str) -> Vec<u8>) -> Result<(), Failure> {
    let directory = tempfile::tempdir().expect("a directory");
    door(&Desk { directory: directory.path(), saved }, lang)
}

/// Case 5 of the field: Notepad puts a mark before UTF-8 and ends lines with CR and LF.
#[test]
fn every_door_takes_what_an_editor_of_windows_saves() {
    for (name, door) in DOORS {
        for saved in [
            |text: &str| text.as_bytes().to_vec(),
            |text: &str| format!("\u{feff}{text}").into_bytes(),
            |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n")).into_bytes(),
        ] {
            through(door, Lang::En, &saved).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        }
    }
}

#[test]
fn every_door_names_another_encoding_and_says_no_secret() {
    let utf_16 = |text: &str, mark: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("{mark}{text}").encode_utf16().flat_map(order).collect()
    };
    let little = |text: &str| utf_16(text, "\u{feff}", u16::to_le_bytes);
    let big = |text: &str| utf_16(text, "\u{feff}", u16::to_be_bytes);
    let bare = |text: &str| utf_16(text, "", u16::to_le_bytes);
    // A list of units comes as a spreadsheet's «Unicode text», and is read; a shell makes rubbish of a token.
    let named = DOORS.iter().filter(|(name, _)| !["list of units", "join token"].contains(name));
    for (name, door) in named {
        for saved in [&little as &dyn Fn(&str) -> Vec<u8>, &big, &bare] {
            for lang in [Lang::Vi, Lang::En] {
                let failure = through(*door, lang, saved).expect_err(name);
                let why = failure.why.clone().unwrap_or_default();
                assert!(why.contains("UTF-16"), "{name}: {failure:?}");
                let fix = failure.fix.clone().unwrap_or_default();
                assert!(fix.contains("UTF-8") && fix.contains("iconv"), "{name}: {failure:?}");
                assert!(!format!("{failure:?}").contains(SECRET), "{name}");
            }
        }
        let latin = |text: &str| [text.as_bytes(), b"\xe9\n"].concat();
        let read = through(*door, Lang::En, &latin);
        // Beside the blocks of PEM other programs write names in whatever encoding they have.
        if ["authority of a profile", "api.tls_cert", "api.tls_key"].contains(name) {
            read.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
            continue;
        }
        let failure = read.expect_err(name);
        assert!(
            failure.fix.as_ref().is_some_and(|fix| fix.contains("UTF-8")),
            "{name}: {failure:?}"
        );
    }
}

/// A private key in the place of the public one is not sent anywhere.
#[test]
fn a_private_key_does_not_leave_its_owner() {
    let directory = tempfile::tempdir().expect("a directory");
    let saved = |text: &str| text.as_bytes().to_vec();
    let desk = Desk { directory: directory.path(), saved: &saved };
    let refused = verbs::public_key_of(Lang::En, &desk.edited("k.pem", PRIVATE));
    let refused = refused.expect_err("it is private");
    assert_eq!(refused.exit, crate::cli::Exit::Usage);
    assert!(!format!("{refused:?}").contains("MC4C"), "{refused:?}");
}

/// A new door reads by `written::read`, or stands here with whose file it is.
#[test]
fn no_file_is_read_beside_the_doors() {
    const OTHERS: [(&str, &str); 11] = [
        ("written.rs", "the doors themselves"),
        ("profile.rs", "a profile that was read by its door and is written anew"),
        ("node/", "the node's own directory, and the system's files"),
        ("demo/", "what the demonstration has made"),
        ("trial/search.rs", "every octet of a cluster on trial"),
        ("verbs/send.rs", "a content: octets"),
        ("verbs/receive.rs", "a content: octets"),
        ("verbs/units.rs", "a list, whose dialects are its own"),
        (
            "verbs/edxml/",
            "documents and attachments: octets, and `wire` reads every encoding of a document",
        ),
        ("texts/", "tests against the guides"),
        ("tests.rs", "tests"),
    ];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut directories = vec![source.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let name = path.strip_prefix(&source).expect("it lies there").display().to_string();
            let text = std::fs::read_to_string(&path).expect("a source");
            let reads = ["read_to_string(", "fs::read(", "File::open(", "from_pem_file("];
            let found = reads.iter().find(|call| text.contains(**call));
            let known =
                OTHERS.iter().any(|(other, _)| name.starts_with(other) || name.ends_with(other));
            assert!(known || found.is_none(), "{name} reads by {found:?}");
        }
    }
}
