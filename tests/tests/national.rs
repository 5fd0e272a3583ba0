//! `lgsp simulate national`: it runs on loopback, says where, ends when it is told to, and refuses what makes no sense.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn lgsp(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_node"));
    command.args(["simulate", "national"]).args(arguments).env("LGSP_LANG", "en");
    command
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Starts it; where it listens, as host and port.
fn started(arguments: &[&str]) -> (Running, String) {
    let mut child = lgsp(&[&["--port", "0", "-o", "json"], arguments].concat())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stdout = child.stdout.take().expect("it is piped");
    let child = Running(child);
    let said = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>().next();
    let said = said.expect("it says where it listens").expect("in JSON");
    let url = said["url"].as_str().expect("an address").to_owned();
    (child, url.split_once("://").expect("a URL").1.to_owned())
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended, which is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(host).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

fn end(mut child: Running) {
    let pid = Pid::from_raw(child.0.id().cast_signed()).expect("a process has a number");
    kill_process(pid, Signal::TERM).expect("it runs");
    assert!(child.0.wait().expect("it ends").success());
}

#[test]
fn it_runs_until_it_is_told_to_end() {
    let (child, host) = started(&["--seed", "7", "--fault", "vxp.getEdoc=empty:1"]);
    assert!(host.starts_with("127.0.0.1:"), "{host}");
    let faults = get(&host, "/_sim/faults");
    assert!(
        faults.starts_with("HTTP/1.1 200") && faults.contains("vxp.getEdoc=empty:1"),
        "{faults}"
    );
    let ledger = get(&host, "/_sim/ledger");
    assert!(ledger.starts_with("HTTP/1.1 200"), "{ledger}");
    end(child);
}

/// Two processes that hear the same calls tell the same, to the octet: the clock stands where it was told to.
#[test]
fn two_runs_with_a_standing_clock_are_alike() {
    let arguments =
        ["--standing-clock", "2026/11/29 08:30:15", "--script", "H37=01:1s", "--system", "H41.101"];
    let arguments = [&arguments[..], &["--provide", "rest:ho-so=http://127.0.0.1:9/"]].concat();
    let run = || {
        let (child, host) = started(&arguments);
        for path in ["/listClients", "/nothing", "/dmdc/Category/madantoc"] {
            get(&host, path);
        }
        let ledger = get(&host, "/_sim/ledger");
        end(child);
        ledger
    };
    let first = run();
    assert!(first.contains("2026/11/29 08:30:15.000"), "{first}");
    assert_eq!(first, run());
}

/// What curl needs to trust it is in the file, and every line that is printed works with it.
#[test]
fn its_certificate_is_trusted_by_who_was_given_the_authority() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("authority.pem");
    let path = file.to_str().expect("UTF-8");
    let (child, host) = started(&["--tls", "--authority", path]);
    let url = format!("https://{host}/_sim/");
    let curl = |trust: &[&str]| {
        Command::new("curl")
            .args(["-sS", "-m", "20"])
            .args(trust)
            .arg(&url)
            .output()
            .expect("curl runs")
    };
    let trusted = curl(&["--cacert", path]);
    assert!(trusted.status.success(), "{}", text(&trusted.stderr));
    assert_eq!(curl(&[]).status.code(), Some(60), "nobody else trusts it");
    end(child);
}

#[test]
fn scripts_are_told_all_secrets() {
    let mut child = lgsp(&["--port", "0", "-o", "json", "--seed", "9"]);
    let mut child = Running(child.stdout(Stdio::piped()).spawn().expect("the program starts"));
    let stdout = child.0.stdout.take().expect("it is piped");
    let said = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>().next();
    let said = said.expect("it says something").expect("in JSON");
    for pointer in [
        "/systems/1/secret",
        "/gateway/secret",
        "/population/secret",
        "/population/url",
        "/adapter/password",
    ] {
        let secret = said.pointer(pointer).and_then(Value::as_str);
        assert!(secret.is_some_and(|secret| !secret.is_empty()), "{pointer}: {said}");
    }
    end(child);
}

#[test]
fn what_makes_no_sense_is_refused_in_both_languages() {
    let refused = |language: &str, arguments: &[&str]| -> Output {
        lgsp(arguments).env("LGSP_LANG", language).output().expect("the program starts")
    };
    for (fault, why) in [
        ("vxp.sendEdoc=explode:1", "there is no fault of that name"),
        ("vxp.send=slow:1", "vxp has the calls"),
        ("vxp.sendEdoc=slow:2", "the probability is a number from 0 to 1"),
        ("slow", "family.call=fault:probability"),
        ("connection.accept=plain-http:1", "plain-http needs --tls"),
    ] {
        let output = refused("en", &["--port", "0", "--fault", fault]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{fault}: {said}");
        assert!(said.contains(why) && said.contains("LGSP-9901"), "{fault}: {said}");
        let said = text(&refused("vi", &["--port", "0", "--fault", fault]).stderr);
        assert!(said.contains("cách sửa"), "{fault}: {said}");
    }
    for (arguments, why, code) in [
        (["--script", "H37=99:1s"], "a status is one of", "LGSP-9904"),
        (["--script", "H73=01:1s"], "the directory has no such code", "LGSP-9904"),
        (["--script", "H41=01:1s"], "a system of yours", "LGSP-9904"),
        (["--system", "ư"], "write the code of a body", "LGSP-9907"),
        (["--slow", "soon"], "a span is a number", "LGSP-9908"),
        (["--standing-clock", "noon"], "2026/11/29 08:30:15", "LGSP-9905"),
        (["--provide", "soap:A=http://10.0.0.1/"], "127.0.0.1 or localhost", "LGSP-9906"),
    ] {
        let output = refused("en", &[&arguments[..], &["--port", "0"]].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(why) && said.contains(code), "{arguments:?}: {said}");
        let said = text(&refused("vi", &[&arguments[..], &["--port", "0"]].concat()).stderr);
        assert!(said.contains("cách sửa"), "{arguments:?}: {said}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let scene = directory.path().join("scene.txt");
    std::fs::write(&scene, "# A morning.\nat 1 s fault vxp.getEdoc=slow:1\nat noon clock\n")
        .expect("written");
    let output = refused("en", &["--scene", scene.to_str().expect("UTF-8")]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("wrong in line 3") && said.contains("LGSP-9902"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let output = lgsp(&["--port", &port]).output().expect("the program starts");
    let said = text(&output.stderr);
    assert!(
        !output.status.success() && said.contains(&port) && said.contains("LGSP-9903"),
        "{said}"
    );
}
