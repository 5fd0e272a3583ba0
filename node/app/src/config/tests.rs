//! The sample file, the errors and their places.

use std::path::Path;

use super::*;

const SAMPLE: &str = include_str!("../../../../deploy/lgsp.toml");

fn sample() -> Config {
    Config::new(
        "/var/lib/lgsp".into(),
        "nut-1".parse().expect("a name"),
        Mesh {
            listen: "0.0.0.0:7443".parse().expect("an address"),
            advertise: "10.0.0.11:7443".parse().expect("an address"),
            peers: Vec::new(),
        },
        Api {
            listen: "0.0.0.0:8443".parse().expect("an address"),
            public_urls: vec!["https://nut-1.lgsp.example.vn:8443".parse().expect("an address")],
            hosts: vec!["10.0.0.11".into()],
            tls_cert: None,
            tls_key: None,
            cors_origins: Vec::new(),
        },
    )
}

#[test]
fn the_sample_file_is_what_the_program_writes() {
    assert_eq!(to_toml(&sample()), SAMPLE, "write deploy/lgsp.toml anew");
    let read = Config::parse(SAMPLE, Path::new("lgsp.toml")).expect("the sample");
    assert_eq!(read, sample());
    read.check().expect("the sample is fit");
}

#[test]
fn every_error_names_its_line_in_the_language_of_the_talk() {
    let listen = "listen = \"0.0.0.0:8443\"";
    let cases = [
        (
            SAMPLE.replace("reserve", "reserv"),
            "reserv",
            "there is no setting reserv; did you mean reserve?",
        ),
        (SAMPLE.replace("content_max", "kho"), "kho", "there is no setting kho"),
        (SAMPLE.replace("\"512 MiB\"", "\"512 MB\""), "512 MB", "KiB, MiB"),
        (SAMPLE.replace("\"140 ms\"", "100"), "heartbeat", "a text in quotation marks"),
        (SAMPLE.replace("\"140 ms\"", "\"soon\""), "soon", "ms, s, min"),
        (SAMPLE.replace(listen, "listen = \"8443\""), "\"8443\"", "an IP address and a port"),
        (SAMPLE.replace(listen, "listen = 8443"), "8443", "an IP address and a port"),
        (
            SAMPLE.replace("level = \"info\"", "level = \"loud\""),
            "loud",
            "error, warn, info, debug, trace",
        ),
        (SAMPLE.replace("[log]", "[log"), "[log", "square bracket"),
        (SAMPLE.replace("name = \"nut-1\"", "name = \"\""), "name", "it is empty"),
        (SAMPLE.replace("name = \"nut-1\"", "name = \"nut-1"), "name", "closing quotation mark"),
        (SAMPLE.replace("name = \"nut-1\"", "name"), "name", "no ="),
        (SAMPLE.replace("name = \"nut-1\"", "name ="), "name", "quotation marks"),
        (SAMPLE.replace("name = \"nut-1\"", "name = \"a\"\nname = \"b\""), "name", "further up"),
        (SAMPLE.replace("name = \"nut-1\"\n", ""), "", "the setting name is missing"),
        (
            SAMPLE.replace("[\"10.0.0.11\"]", "\"10.0.0.11\""),
            "10.0.0.11",
            "a list in square brackets",
        ),
        (
            SAMPLE.replace("connections = ", "connections = -"),
            "connections",
            "a whole number from 0",
        ),
        (SAMPLE.replace("name = \"nut-1\"", "Sở Nội vụ = 1"), "Sở", "no ="),
    ];
    for (text, at, says) in cases {
        assert_ne!(text, SAMPLE, "{at}");
        let Err(Error::Malformed { line, reason, .. }) = Config::parse(&text, Path::new("x"))
        else {
            panic!("{at} was taken");
        };
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[line - 1].contains(at), "{at}: line {line} is {:?}", lines[line - 1]);
        assert!(reason.in_lang(Lang::En).contains(says), "{at}: {reason}");
        let vi = reason.in_lang(Lang::Vi);
        for word in
            ["expected", "unknown", "missing", "invalid", "unclosed", "is no", " is ", "string"]
        {
            assert!(!vi.contains(word), "{at}: {vi}");
        }
    }
    let marked = "# Sở Nội vụ\nname = \"Sở Nội vụ\" x\n";
    let Err(Error::Malformed { column, .. }) = Config::parse(marked, Path::new("x")) else {
        panic!("it was taken");
    };
    assert_eq!(column, 20, "characters are counted, not octets");
}

/// Makes one setting of a good configuration a bad one.
type Spoil = fn(&mut Config);

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let cases: [(&str, Spoil); 10] = [
        ("api.public_urls", |c| c.api.public_urls.clear()),
        ("api.tls_key", |c| c.api.tls_cert = Some("a.pem".into())),
        ("mesh.advertise", |c| c.mesh.advertise = "0.0.0.0:7443".parse().expect("an address")),
        ("listen", |c| c.api.listen.set_port(0)),
        ("api.hosts", |c| c.api.hosts.push("a b".into())),
        ("api.cors_origins", |c| c.api.cors_origins.push("nghean".into())),
        ("limits.connections", |c| c.limits.connections = 0),
        ("storage.reserve", |c| c.storage.reserve = values::Size(c.storage.spare.0 - 1)),
        ("timing.election_min", |c| c.timing.election_min = c.timing.heartbeat),
        ("timing.fresh_max", |c| c.timing.fresh_max = c.timing.heartbeat),
    ];
    for (key, spoil) in cases {
        let mut config = sample();
        spoil(&mut config);
        let Err(error @ Error::Unfit { key: named, .. }) = config.check() else {
            panic!("{key} was taken")
        };
        assert_eq!(named, key);
        assert_eq!(error.to_string(), error.in_lang(Lang::En));
        assert_ne!(error.to_string(), error.in_lang(Lang::Vi));
    }
}

#[test]
fn addresses_that_cannot_work_are_refused_with_a_sentence() {
    let of = |listen: &str, advertise: &str, url: &str| {
        let mut config = sample();
        config.mesh.listen = listen.parse().expect("an address");
        config.mesh.advertise = advertise.parse().expect("an address");
        config.api.public_urls = vec![url.parse().expect("an address")];
        config.check().err().map(|error| error.in_lang(Lang::En))
    };
    let url = "https://10.0.0.11:8443";
    for (listen, advertise, url, names, says) in [
        ("0.0.0.0:7443", "0.0.0.0:7443", url, "mesh.advertise", "no other host"),
        ("0.0.0.0:7443", "[::]:7443", url, "mesh.advertise", "no other host"),
        ("0.0.0.0:7443", "[::ffff:0.0.0.0]:7443", url, "mesh.advertise", "no other host"),
        ("0.0.0.0:7443", "[0:0:0:0:0:0:0:0]:7443", url, "mesh.advertise", "no other host"),
        ("0.0.0.0:7443", "224.0.0.1:7443", url, "mesh.advertise", "no other host"),
        ("0.0.0.0:7443", "[::1]:7443", url, "mesh.advertise", "IPv4 only"),
        ("10.0.0.11:7443", "[fd00::1]:7443", url, "mesh.advertise", "IPv4 only"),
        ("[fd00::1]:7443", "10.0.0.11:7443", url, "mesh.advertise", "IPv6 only"),
        ("0.0.0.0:7443", "10.0.0.11:7443", "https://[::]:8443", "api.public_urls", "no other"),
        ("0.0.0.0:7443", "10.0.0.11:7443", "https://0.0.0.0:8443", "api.public_urls", "no other"),
    ] {
        let said = of(listen, advertise, url).unwrap_or_else(|| panic!("{advertise} was taken"));
        assert!(said.starts_with(names) && said.contains(says), "{listen} {advertise}: {said}");
    }
    for (listen, advertise) in [
        ("0.0.0.0:7443", "10.0.0.11:7443"),
        ("0.0.0.0:7443", "nut-1.lgsp.example.vn:7443"),
        ("[::]:7443", "10.0.0.11:7443"),
        ("[::]:7443", "[fd00::1]:7443"),
        ("[::1]:7443", "[::1]:7443"),
        ("[fd00::1]:7443", "nut-1.lgsp.example.vn:7443"),
    ] {
        assert_eq!(of(listen, advertise, url), None, "{listen} {advertise}");
    }
    let mut config = sample();
    config.mesh.peers = vec!["[fd00::2]:7443".parse().expect("an address")];
    let said = config.check().expect_err("a hint that cannot be called");
    assert!(said.to_string().starts_with("mesh.peers"), "{said}");
}

#[test]
fn origins_are_what_browsers_send() {
    for origin in ["https://console.example.vn", "http://localhost:8080", "https://10.0.0.1:8443"] {
        assert!(is_origin(origin), "{origin}");
    }
    for origin in ["*", "", "console.example.vn", "https://", "https://a.vn/x", "ftp://a.vn"] {
        assert!(!is_origin(origin), "{origin}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE);
    let text = SAMPLE.replace("cors_origins = []", "cors_origins = [\"https://a.vn/\"]");
    assert_ne!(text, SAMPLE);
    std::fs::write(&path, text).expect("written");
    assert_eq!(Config::load(&path).expect("the sample").api.cors_origins, ["https://a.vn"]);
}

#[test]
fn certificates_carry_the_hosts_of_the_addresses() {
    let (names, addresses) = sample().certificate_hosts();
    assert_eq!(names, ["nut-1.lgsp.example.vn"]);
    assert_eq!(addresses, ["10.0.0.11".parse::<IpAddr>().expect("an address")]);
}

#[test]
fn paths_are_relative_to_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE);
    std::fs::write(&path, SAMPLE.replace("/var/lib/lgsp", ".")).expect("written");
    assert_eq!(Config::load(&path).expect("the sample").data_dir, directory.path().join("."));
    let missing = Config::load(&directory.path().join("other.toml"));
    assert!(matches!(missing, Err(Error::Unreadable { .. })));
}
