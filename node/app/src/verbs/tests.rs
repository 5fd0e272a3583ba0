//! What the commands do without a cluster: profiles, lists of units, refusals.

use std::path::Path;

use super::*;
use crate::{profile, texts::Lang};

fn run(line: &[&str]) -> Exit {
    main(std::iter::once("lgsp").chain(line.iter().copied()).map(OsString::from).collect())
}

#[test]
fn a_profile_reads_back_and_its_secret_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("admin.toml");
    let authority =
        certs::Authority::create("c1", 1, model::Moment(1_795_334_851_204)).expect("an authority");
    let key = (model::AccessKey::from_random([7; 20]), model::KeyAlgorithm::HmacSha256);
    let urls = vec!["https://127.0.0.1:8443".parse().expect("an address")];
    let secret = client::Secret::new("s3cret");
    profile::write(Lang::En, &path, urls, &[authority.certificate().clone()], key, Some(&secret))
        .expect("written");
    let loaded = profile::Loaded::read(&path, Lang::En).expect("read");
    assert!(loaded.client(std::time::Duration::from_secs(1)).is_ok());
    let text = std::fs::read_to_string(&path).expect("the profile");
    assert!(!text.contains("s3cret"));
    for file in ["admin.toml", "admin.secret"] {
        let mode = std::fs::metadata(directory.path().join(file)).expect(file).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // A secret that others can read is not used.
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(directory.path().join("admin.secret"), open).expect("set");
    let failure = loaded.client(std::time::Duration::from_secs(1)).expect_err("refused");
    assert_eq!(failure.exit, Exit::NotPermitted);
}

#[test]
fn the_files_of_a_secret_are_made_before_it_and_never_written_over_unasked() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let files = [directory.path().join("a.toml"), directory.path().join("a.secret")];
    let make = |yes| profile::Reserved::make(Lang::En, &files, yes);
    drop(make(false).expect("nothing is there"));
    assert!(files.iter().all(|file| !file.exists()), "a request that failed leaves nothing behind");
    std::fs::write(&files[1], "in use").expect("written");
    assert_eq!(make(false).expect_err("it is there").exit, Exit::Conflict);
    assert!(!files[0].exists(), "what was made on the way is gone");
    drop(make(true).expect("it may be replaced"));
    assert_eq!(std::fs::read(&files[1]).expect("still there"), b"in use");
    make(true).expect("again").keep();
    let mode = std::fs::metadata(&files[0]).expect("kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let nowhere = [directory.path().join("none/a.secret")];
    assert!(profile::Reserved::make(Lang::En, &nowhere, true).is_err());
}

#[test]
fn the_units_of_the_province_are_read() {
    let csv = include_bytes!("../../data/nghe-an-units.csv");
    let units = read_units(Lang::Vi, Path::new("x.csv"), csv).expect("the units");
    assert_eq!(units.len(), 146);
    assert_eq!(units[0].unit.code.as_str(), "H41");
    let marked = [b"\xef\xbb\xbf".as_slice(), csv].concat();
    assert_eq!(read_units(Lang::Vi, Path::new("x.csv"), &marked).expect("the units").len(), 146);
    let wrong = read_units(
        Lang::Vi,
        Path::new("x.csv"),
        b"code,name,kind\nH41,A,province\nH 41,B,commune\n",
    );
    assert!(wrong.expect_err("a wrong line").what.contains('3'));
}

/// Finding 27: whoever waits is told, and neither of a hiccup nor with every attempt.
#[test]
fn what_goes_unanswered_is_told_now_and_then() {
    let span = Duration::from_secs;
    assert!(!waits_long(span(1), None), "an election");
    assert!(waits_long(span(2), None));
    assert!(!waits_long(span(9), Some(span(7))));
    assert!(waits_long(span(12), Some(span(10))));
}

#[test]
fn commands_end_with_their_exit_codes() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("none.toml");
    let missing = missing.to_str().expect("text");
    assert_eq!(run(&["statsu"]), Exit::Usage);
    assert_eq!(run(&["--version"]), Exit::Ok);
    assert_eq!(run(&["status", "--profile", missing]), Exit::NotFound);
    // Monitoring plugins: 3 is "unknown".
    assert_eq!(run(&["check", "--nagios", "--profile", missing]), Exit::Degraded);
    assert_eq!(run(&["config", "check", missing]), Exit::Usage);
    let node = [
        "--data-dir",
        directory.path().to_str().expect("text"),
        "--name",
        "n",
        "--mesh-advertise",
        "127.0.0.1:7443",
        "--api-url",
        "https://127.0.0.1:8443",
    ];
    let join = [&["join", "https://127.0.0.1:1", "--token", "jn_wrong"][..], &node].concat();
    assert_eq!(run(&join), Exit::Usage);
    std::fs::write(directory.path().join("x"), "x").expect("written");
    assert_eq!(run(&[&["init"][..], &node].concat()), Exit::Conflict);
}

#[test]
fn a_removal_is_not_done_without_a_person_or_yes() {
    let context = Context {
        out: Out::new(Lang::En, crate::cli::Output::Table, Default::default(), false),
        global: crate::cli::Cli::from_arg_matches(
            &command(Lang::En).try_get_matches_from(["lgsp", "status"]).expect("a command"),
        )
        .expect("a command")
        .global,
        used: Default::default(),
    };
    assert!(context.confirm(words::ASK_REVOKE, "AK1", true).is_ok());
    if !std::io::stdin().is_terminal() {
        assert_eq!(
            context.confirm(words::ASK_REVOKE, "AK1", false).expect_err("asked").exit,
            Exit::Usage
        );
    }
}

#[test]
fn a_profile_learns_the_nodes_and_keeps_all_else() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("p.toml");
    let url = |port: u16| format!("https://127.0.0.1:{port}").parse().expect("an address");
    let text = "# ours\nurls = [\"https://127.0.0.1:1\"]\nauthority = \"a.pem\" # beside it\n\
                access_key = \"AKMZXW6YTBOI2DGNBVHA4Q\"\nsecret_file = \"p.secret\"\n";
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("a mode");
    let link = directory.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    for (told, expected) in [
        (vec![url(1), url(2), url(3)], vec![url(1), url(2), url(3)]),
        (vec![url(1), url(4)], vec![url(1), url(4)]),
        (vec![url(1)], vec![url(1)]),
    ] {
        profile::Loaded::read(&link, Lang::En).expect("read").learn(&told).expect("learned");
        let now = profile::Loaded::read(&path, Lang::En).expect("it reads");
        let all: Vec<crate::config::ApiUrl> = expected;
        assert_eq!(now.profile.all_urls(), all);
        let written = std::fs::read_to_string(&path).expect("it is there");
        assert!(written.ends_with(text), "what its owner wrote stays: {written}");
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
    assert!(std::fs::symlink_metadata(&link).expect("a link").is_symlink());
}

/// Case 5 of the field: what an editor of Windows has saved goes on learning, and keeps its mark.
#[test]
fn a_profile_with_the_mark_of_an_editor_learns_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("p.toml");
    let text = "# của Sở\r\nurls = [\"https://127.0.0.1:1\"]\r\nauthority = \"a.pem\"\r\n\
                access_key = \"AKMZXW6YTBOI2DGNBVHA4Q\"\r\nsecret_file = \"p.secret\"\r\n";
    std::fs::write(&path, format!("\u{feff}{text}")).expect("written");
    let told = ["https://127.0.0.1:2".parse().expect("an address")];
    for _ in 0..2 {
        profile::Loaded::read(&path, Lang::En).expect("read").learn(&told).expect("learned");
        let now = profile::Loaded::read(&path, Lang::En).expect("it reads");
        assert_eq!(now.profile.learned, told);
        let written = std::fs::read_to_string(&path).expect("it is there");
        assert!(written.starts_with('\u{feff}') && written.ends_with(text), "{written:?}");
        assert_eq!(written.matches('\u{feff}').count(), 1);
    }
}

#[test]
fn a_profile_follows_the_authority_of_its_cluster_and_keeps_those_of_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("p.toml");
    let now = model::Moment(1_795_334_851_204);
    let made = |cluster: &str, number| {
        let authority = certs::Authority::create(cluster, number, now).expect("an authority");
        authority.certificate().clone()
    };
    let (one, two, three) = (made("c1", 1), made("c1", 2), made("c1", 3));
    let (office, another) = (made("so-noi-vu", 1), made("c2", 1));
    let url = || vec!["https://127.0.0.1:1".parse().expect("an address")];
    let key =
        || ("AKMZXW6YTBOI2DGNBVHA4Q".parse().expect("a key"), model::KeyAlgorithm::HmacSha256);
    let read = || profile::Loaded::read(&path, Lang::En).expect("it reads");
    let trusted = || read().authority().expect("they read");
    let told = |all: &[&rustls_pki_types::CertificateDer<'static>]| {
        let pem: Vec<_> = all.iter().map(|one| (*one).clone()).collect();
        certs::certificates_to_pem(&pem)
    };
    let written =
        profile::write(Lang::En, &path, url(), &[one.clone(), office.clone()], key(), None);
    written.expect("written");
    assert_eq!(
        read().authority_as_told(&told(&[&two])).expect("told"),
        [two.clone(), office.clone()]
    );
    assert_eq!(read().follow(&told(&[&two])).expect("followed"), Some(two.clone()));
    assert_eq!(trusted(), [two, office.clone()]);
    assert_eq!(read().follow(&told(&[&three])).expect("followed"), Some(three.clone()));
    assert_eq!(read().follow(&told(&[&three])).expect("the same"), None);
    assert_eq!(trusted(), [three.clone(), office.clone()]);
    // Whoever trusts the cluster by another authority alone goes on so.
    for word in [told(&[&another]), String::new(), "rubbish".into()] {
        let _ = read().follow(&word);
        assert_eq!(trusted(), [three.clone(), office.clone()]);
    }
    // In a file of its own.
    let file = directory.path().join("a.pem");
    std::fs::write(&file, told(&[&one])).expect("written");
    let text = std::fs::read_to_string(&path).expect("it is there");
    let mut table: toml::Table = toml::from_str(&text).expect("a table");
    table.insert("authority".into(), "a.pem".into());
    std::fs::write(&path, toml::to_string(&table).expect("a text")).expect("written");
    read().follow(&told(&[&three])).expect("followed");
    assert_eq!(trusted(), [three]);
    // What is more than certificates is its owner's.
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let key = format!("{}{key}", told(&[&one]));
    std::fs::write(&file, &key).expect("written");
    assert_eq!(read().follow(&told(&[&made("c1", 4)])).expect("nothing"), None);
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), key);
    assert!(!std::fs::read_to_string(&path).expect("it is there").contains("BEGIN"));
}
