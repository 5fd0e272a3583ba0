//! `lgsp edxml`, where it is typed, without any node: on the vectors of `federation/wire`, and on documents that
//! mean harm. What they take of memory is in `large`.

mod large;

use std::{
    fs,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{Desk, exit, items, list, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_node");
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../federation/wire/tests/vectors");
/// The secret of the captured calls.
const SECRET: &str = "c2FtcGxlLXNlY3JldC1mb3ItdGVzdHMtb25seS0wMDE=";

fn vector(name: &str) -> String {
    format!("{VECTORS}/{name}")
}

/// A directory, and the program in it.
struct Place(TempDir);

impl Place {
    fn new() -> Result<Self> {
        Ok(Self(TempDir::new()?))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, octets: impl AsRef<[u8]>) -> Result<String> {
        fs::write(self.path(name), octets)?;
        Ok(self.path(name))
    }

    fn begin(&self, arguments: &[&str], lang: &str) -> Result<Child> {
        let mut command = Command::new(PROGRAM);
        command.arg("edxml").args(arguments).args(["--lang", lang]).current_dir(self.0.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command.spawn()?)
    }

    /// Types a command to its end.
    fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.begin(arguments, "en")?.wait_with_output()?)
    }

    /// The same, which must go well; its output comes back.
    fn well(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let output = self.run(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?} ended with {}: {said}", output.status);
        Ok(output.stdout)
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_slice(&self.well(&[arguments, &["-o", "json"]].concat())?)?)
    }

    /// A command that must fail: its exit code, and all that it says.
    fn bad(&self, arguments: &[&str], lang: &str) -> Result<(i32, String)> {
        let output = self.begin(arguments, lang)?.wait_with_output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code().context("it ended")?, String::from_utf8(said)?))
    }

    /// What lies in a directory, sorted.
    fn names(&self, directory: &str) -> Result<Vec<String>> {
        let entries = fs::read_dir(self.path(directory))?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names: Vec<_> = names.collect::<Result<_>>()?;
        names.sort();
        Ok(names)
    }
}

/// An attachment of a document that is written by hand: fields before the content, the content, fields behind it.
struct Attached<'a> {
    id: &'a str,
    name: &'a str,
    kind: &'a str,
    octets: &'a [u8],
    is_kind_late: bool,
}

/// A document of the shape that hubs pass on, with attachments as they are given.
fn document(attached: &[Attached<'_>]) -> String {
    let (mut manifest, mut files) = (String::new(), String::new());
    for Attached { id, name, kind, octets, is_kind_late } in attached {
        manifest.push_str(&format!(
            "<Reference><ContentId>cid:{id}</ContentId><ContentType>{kind}</ContentType>\
             <AttachmentName>{name}</AttachmentName></Reference>"
        ));
        let content = STANDARD.encode(octets);
        let content = format!("<ContentTransferEncoded>{content}</ContentTransferEncoded>");
        let kind = format!("<ContentType>{kind}</ContentType>");
        let rest = if *is_kind_late { content + &kind } else { kind + &content };
        files.push_str(&format!(
            "<Attachment><ContentId>cid:{id}</ContentId><AttachmentName>{name}</AttachmentName>{rest}</Attachment>"
        ));
    }
    let whole = fs::read_to_string(vector("edxml/document-new.edxml")).expect("a vector");
    let end = whole.find("<edXML:edXMLBody>").expect("a body");
    format!(
        "{}<edXMLBody><edXMLManifest>{manifest}</edXMLManifest></edXMLBody></edXML:edXMLEnvelope>\
         <AttachmentEncoded>{files}</AttachmentEncoded></edXML>\n",
        &whole[..end]
    )
}

fn file<'a>(id: &'a str, name: &'a str, octets: &'a [u8]) -> Attached<'a> {
    Attached { id, name, kind: "application/pdf", octets, is_kind_late: false }
}

fn sha256(octets: &[u8]) -> String {
    hex::encode(Sha256::digest(octets))
}

/// Every verb, as scripts type it.
pub async fn edxml(desk: &Desk) -> Result<()> {
    let new = vector("edxml/document-new.edxml");
    let shown = desk.ask("-", "lgsp.edxml/1", &["edxml", "show", &new]).await?;
    ensure!(shown["number"] == "1542" && shown["from"]["code"] == "H41.08", "{shown:#}");
    ensure!(list(&shown, "to")?.len() == 2 && list(&shown, "trace")?.len() == 1, "{shown:#}");
    ensure!(shown["attachments"][1]["form"] == "unzipped" && shown["findings"] == 0, "{shown:#}");
    let told = desk.ask("-", "lgsp.edxml.check/1", &["edxml", "check", &new]).await?;
    ensure!(told["good"] == true && items(&told)?.is_empty(), "{told:#}");
    let to = desk.path("edxml");
    let extract = ["edxml", "extract", &new, "--to-dir", &to];
    let extracted = desk.ask("-", "lgsp.edxml.extracted/1", &extract).await?;
    let all = items(&extracted)?;
    ensure!(all.len() == 2, "{extracted:#}");
    for one in all {
        let octets = fs::read(text(one, "/path")?)?;
        ensure!(text(one, "/sha256")? == sha256(&octets), "{one:#}");
    }
    desk.refused(exit::CONFLICT, "-", &extract).await?;
    let vi = ["Đã có tệp", "cách sửa:", "--force", "mã: LGSP-9804"];
    desk.told(exit::CONFLICT, "-", "vi", &extract, &vi).await?;

    let line = ["edxml", "build", "--from", "H41.08", "--to", "H41.101", "--number", "1"];
    let line = [&line[..], &["--notation", "SKHCN", "--subject", "V/v"]].concat();
    let (code, built, said) = desk.typed(&line).await?;
    ensure!(code == exit::OK && built.ends_with("</edXML>\n"), "{said}");
    let replace = [&line[..], &["--kind", "replace"]].concat();
    desk.told(exit::USAGE, "-", "en", &replace, &["--replaces", "code: LGSP-9806"]).await?;
    let status = ["edxml", "status", &new, "--code", "03", "--from", "H41.101"];
    let (code, answered, said) = desk.typed(&status).await?;
    ensure!(code == exit::OK && answered.contains("1542/SKHCN-CĐS"), "{said}");
    let none = ["edxml", "status", &new, "--code", "07", "--from", "H41.101"];
    desk.told(exit::USAGE, "-", "vi", &none, &["07", "13, 15, 16"]).await?;

    let secret = desk.path("vxp.secret");
    fs::write(&secret, SECRET)?;
    let call = vector("vxp/06-sendEdoc.http");
    let test = ["edxml", "sign-test", &call, "--secret-file", &secret];
    let held = desk.ask("-", "lgsp.vxp-signature/1", &test).await?;
    ensure!(held["good"] == true && held["body"] == true && held["system"] == "H41.08", "{held:#}");
    Ok(())
}

#[test]
fn every_vector_is_shown_and_checked() -> Result<()> {
    let place = Place::new()?;
    for entry in fs::read_dir(vector("edxml"))? {
        let path = entry?.path().display().to_string();
        let shown = place.json(&["show", &path])?;
        let checked = place.json(&["check", &path])?;
        ensure!(checked["good"] == true, "{path}: {checked:#}");
        ensure!(shown["findings"] == items(&checked)?.len(), "{path}: {shown:#}");
        let table = String::from_utf8(place.well(&["show", &path])?)?;
        ensure!(table.contains("1542/SKHCN-CĐS") || table.contains("1543/SKHCN-CĐS"), "{table}");
        if path.contains("/status-") {
            let code = path.rsplit(['-', '.']).nth(1).context("a code")?;
            ensure!(shown["message"] == "status" && shown["code"] == code, "{shown:#}");
            ensure!(table.contains(&format!("{code} – ")), "what it says: {table}");
        }
    }
    // Names of files are octets.
    let octets = std::ffi::OsStr::from_bytes(b"v\xff.edxml");
    fs::copy(vector("edxml/document-recall.edxml"), place.0.path().join(octets))?;
    let mut line = Command::new(PROGRAM);
    line.args(["edxml", "check", "-o", "json"]).arg(octets).current_dir(place.0.path());
    let told: Value = serde_json::from_slice(&line.output()?.stdout)?;
    ensure!(told["items"][0]["word"] == "business_dropped", "{told:#}");
    // What is odd is told, and fails nobody who does not ask for it.
    let odd = vector("edxml/document-odd-but-real.edxml");
    let (code, said) = place.bad(&["check", "--strict", &odd], "en")?;
    ensure!(
        code == exit::FAILED && said.contains("odd-but-real.edxml:1:1: often refused:"),
        "{said}"
    );
    Ok(())
}

#[test]
fn what_is_built_is_shown_answered_and_extracted_alike() -> Result<()> {
    let place = Place::new()?;
    let pdf: Vec<u8> = (0..300_001_u32).flat_map(|number| number.to_le_bytes()).collect();
    let csv = (1..50_000).map(|number| format!("{number},Nghệ An\n")).collect::<String>();
    let given: [(&str, &[u8]); 3] =
        [("số 12.pdf", &pdf), ("phụ lục.csv", csv.as_bytes()), ("rỗng.txt", b"")];
    let line = "build --to H41.101=A --to H41.230 --number 12 --notation SKHCN --priority express --due 2026-12-05 \
                --date 2026/11/20 --position PGĐ --at 2026-11-20T09:15:02";
    let mut line: Vec<&str> = line.split_whitespace().collect();
    line.extend(["--from", "H41.08=Sở B", "--subject", "V/v <a> & \"b\"", "--signer", "Nguyễn A"]);
    for (name, octets) in &given {
        place.write(name, octets)?;
        line.extend(["--attach", name]);
    }
    place.write("out.edxml", place.well(&line)?)?;
    let shown = place.json(&["show", "out.edxml"])?;
    ensure!(shown["subject"] == "V/v <a> & \"b\"" && shown["date"] == "2026/11/20", "{shown:#}");
    ensure!(shown["priority"] == "3" && shown["due"] == "2026/12/05" && shown["kind"] == "0");
    ensure!(shown["from"]["name"] == "Sở B" && shown["to"][1]["code"] == "H41.230", "{shown:#}");
    ensure!(shown["signer"]["name"] == "Nguyễn A" && shown["signer"]["position"] == "PGĐ");
    ensure!(shown["document_id"] == "H41.08,2026/11/20,12/SKHCN", "{shown:#}");
    ensure!(shown["trace"][0]["at"] == "2026/11/20 09:15:02", "{shown:#}");
    let forms: Vec<_> =
        list(&shown, "attachments")?.iter().map(|one| one["form"].clone()).collect();
    ensure!(forms == ["plain", "unzipped", "unzipped"], "as the SDK does: {shown:#}");
    place.json(&["check", "out.edxml"])?;
    let extracted = place.json(&["extract", "out.edxml", "--to-dir", "to"])?;
    for ((name, octets), one) in given.iter().zip(items(&extracted)?) {
        ensure!(fs::read(place.path(&format!("to/{name}")))? == *octets, "{name}");
        ensure!(one["sha256"] == sha256(octets) && one["size"] == octets.len(), "{one:#}");
    }

    let answer = ["status", "out.edxml", "--from", "H41.101=A", "--code"];
    let refused = [&answer[..], &["02", "--note", "Gửi nhầm", "--staff", "Trần B"]].concat();
    place.write("status.edxml", place.well(&refused)?)?;
    let status = place.json(&["show", "status.edxml"])?;
    let about = &status["response_for"];
    ensure!(about["organ"] == "H41.08" && about["code"] == "12/SKHCN", "{status:#}");
    ensure!(about["date"] == "2026/11/20" && about["document_id"] == shown["document_id"]);
    ensure!(status["code"] == "02" && status["note"] == "Gửi nhầm" && status["findings"] == 0);
    // What is asked by a status is answered for the document that it is about.
    let again = ["status", "status.edxml", "--from", "H41.08", "--code", "06", "-o", "json"];
    place.write("again.edxml", place.well(&again)?)?;
    ensure!(place.json(&["show", "again.edxml"])?["response_for"] == *about);
    let said = place.run(&["status", "out.edxml", "--from", "H41.999", "--code", "16"])?;
    let said = String::from_utf8(said.stderr)?;
    ensure!(said.contains("--note") && said.contains("H41.999 is neither"), "{said}");
    Ok(())
}

#[test]
fn every_kind_of_document_is_built() -> Result<()> {
    let place = Place::new()?;
    let line = "build --from H41.08=A --to H41.101=B --number 12 --notation SKHCN --subject V/v --reason Sai";
    let line: Vec<&str> = line.split(' ').collect();
    let replaced = "H41.08,2026/11/20,11/SKHCN";
    for (kind, flags, code) in [
        ("new", &[][..], "0"),
        ("recall", &[], "1"),
        ("update", &["--add", "H41.230", "--remove", "H41.231"], "2"),
        ("replace", &["--replaces", replaced], "3"),
    ] {
        let built = place.well(&[&line[..], &["--kind", kind], flags].concat())?;
        place.write("out.edxml", built)?;
        let shown = place.json(&["show", "out.edxml"])?;
        ensure!(shown["kind"] == code && shown["reason"] == "Sai", "{shown:#}");
        ensure!(place.json(&["check", "out.edxml"])?["good"] == true, "{kind}");
        match kind {
            "update" => {
                let changes = list(&shown, "receiver_changes")?;
                ensure!(changes[0]["organ"] == "H41.230" && changes[0]["change"] == "1");
                ensure!(changes[1]["organ"] == "H41.231" && changes[1]["change"] == "0");
            }
            "replace" => ensure!(shown["replaces"][0] == replaced, "{shown:#}"),
            _ => ensure!(list(&shown, "replaces")?.is_empty(), "{shown:#}"),
        }
    }
    for (flags, code) in [
        (&["--kind", "recall", "--add", "H41.230"][..], exit::USAGE),
        (&["--replaces", replaced], exit::USAGE),
        (&["--attach", "none.pdf"], exit::NOT_FOUND),
        (&["--subject", "\u{1}"], exit::USAGE),
        (&["--attach", "."], exit::FAILED),
    ] {
        // A later flag stands for the earlier one of its name.
        let line: Vec<_> = match flags {
            ["--subject", _] => {
                line.iter().map(|word| if *word == "V/v" { flags[1] } else { word }).collect()
            }
            _ => [&line[..], flags].concat(),
        };
        let output = place.run(&line)?;
        ensure!(
            output.status.code() == Some(code) && output.stdout.is_empty(),
            "{flags:?}: {output:?}"
        );
    }
    Ok(())
}

#[test]
fn names_that_mean_harm_stay_inside_the_directory() -> Result<()> {
    let place = Place::new()?;
    let names = [
        "../../ngoài.pdf",
        "/etc/passwd",
        "C:\\Windows\\a.pdf",
        "..",
        ".bashrc",
        "a.pdf",
        "A.PDF",
        "x/a.pdf",
        "con.txt",
        "a\u{202e}fdp.exe",
        "&#9;b.pdf",
    ];
    let ids: Vec<String> = (0..names.len()).map(|number| format!("f{number}")).collect();
    let attached: Vec<_> =
        names.iter().zip(&ids).map(|(name, id)| file(id, name, id.as_bytes())).collect();
    let path = place.write("harm.edxml", document(&attached))?;
    fs::create_dir(place.path("in"))?;
    let extracted = place.json(&["extract", &path, "--to-dir", "in/to"])?;
    ensure!(place.names(".")? == ["harm.edxml", "in"] && place.names("in")? == ["to"]);
    let written = place.names("in/to")?;
    ensure!(written.len() == names.len(), "{written:?}");
    for (one, id) in items(&extracted)?.iter().zip(&ids) {
        let path = text(one, "/path")?;
        let name = path.strip_prefix("in/to/").context("below the directory")?;
        ensure!(
            !name.contains(['/', '\\', '\u{202e}', '\t']) && !name.starts_with('.'),
            "{name:?}"
        );
        ensure!(fs::read_to_string(place.path(&path))? == *id, "{path}");
    }
    for name in ["ngoài.pdf", "passwd", "a.pdf", "a (2).pdf", "A (3).PDF", "a (4).pdf", "_con.txt"]
    {
        ensure!(written.iter().any(|one| one == name), "{name} in {written:?}");
    }
    // Nothing that a name does reaches the terminal either.
    for command in
        [&["show", &path][..], &["extract", &path, "--to-dir", "again"], &["check", &path]]
    {
        let output = place.run(command)?;
        let said = String::from_utf8([output.stdout, output.stderr].concat())?;
        ensure!(!said.contains(['\u{202e}', '\t', '\u{1b}']), "{said}");
    }
    Ok(())
}

#[test]
fn files_are_complete_or_absent_and_never_written_over_unasked() -> Result<()> {
    let place = Place::new()?;
    let attached = [file("a", "a.pdf", b"first"), file("b", "b.pdf", &[7; 5_000])];
    let whole = document(&attached);
    // Cut amid the second file, and behind both: neither is taken for a whole document.
    let amid = whole.find("BwcHBw").context("the second file")? + 900;
    for (cut, lang) in [(amid, "en"), (whole.len() - "</edXML>\n".len(), "vi")] {
        let path = place.write("cut.edxml", &whole[..cut])?;
        let (code, said) = place.bad(&["extract", &path, "--to-dir", "to"], lang)?;
        ensure!(code == exit::FAILED && said.contains("LGSP-9802"), "{said}");
        ensure!(place.names("to")?.is_empty(), "nothing is left: {:?}", place.names("to")?);
    }
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        interrupted(&place, &whole[..amid], signal)?;
    }
    let path = place.write("whole.edxml", &whole)?;
    fs::write(place.path("to/b.pdf"), "mine")?;
    let (code, said) = place.bad(&["extract", &path, "--to-dir", "to"], "en")?;
    ensure!(code == exit::CONFLICT && said.contains("--force") && said.contains("b.pdf"), "{said}");
    ensure!(place.names("to")? == ["b.pdf"] && fs::read(place.path("to/b.pdf"))? == b"mine");
    // A name that leads elsewhere is not followed.
    fs::write(place.path("elsewhere"), "mine")?;
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("to/a.pdf"))?;
    place.well(&["extract", &path, "--to-dir", "to", "--force"])?;
    ensure!(place.names("to")? == ["a.pdf", "b.pdf"]);
    ensure!(fs::read(place.path("elsewhere"))? == b"mine");
    ensure!(fs::read(place.path("to/a.pdf"))? == b"first");
    ensure!(fs::read(place.path("to/b.pdf"))? == [7; 5_000]);

    // A type that stands behind the content comes too late for unzipping: the file says what it is.
    let zipped = fs::read_to_string(vector("edxml/document-new.edxml"))?;
    let zip = zipped.rfind("UEsDB").context("a ZIP")?;
    let zip: String =
        zipped[zip..].split('<').next().context("its end")?.split_whitespace().collect();
    let zip = STANDARD.decode(zip)?;
    let late =
        Attached { kind: "application/zip", is_kind_late: true, ..file("z", "z.xlsx", &zip) };
    let path = place.write("late.edxml", document(&[late]))?;
    let told = place.json(&["extract", &path, "--to-dir", "late"])?;
    ensure!(told["items"][0]["form"] == "left_zipped", "{told:#}");
    ensure!(fs::read(place.path("late/z.xlsx.zip"))? == zip);
    Ok(())
}

/// Stops the extraction of a document that is still coming.
fn interrupted(place: &Place, begin: &str, signal: Signal) -> Result<()> {
    let mut child = place.begin(&["extract", "-", "--to-dir", "to"], "en")?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    stdin.write_all(begin.as_bytes())?;
    let until = Instant::now() + Duration::from_secs(30);
    while place.names("to")?.len() < 2 {
        ensure!(Instant::now() < until, "both files are begun: {:?}", place.names("to")?);
        std::thread::yield_now();
    }
    ensure!(place.names("to")?.iter().all(|name| name.ends_with(".part")));
    kill_process(Pid::from_child(&child), signal)?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(exit::FAILED) && said.contains("LGSP-9811"), "{said}");
    ensure!(place.names("to")?.is_empty(), "nothing is left: {:?}", place.names("to")?);
    Ok(())
}

#[test]
fn bad_documents_are_told_with_their_line_and_how_to_mend_them() -> Result<()> {
    let place = Place::new()?;
    let whole = fs::read_to_string(vector("edxml/document-new.edxml"))?;
    let without = |from: &str, to: &str| whole.replacen(from, to, 1);
    let subject = whole.lines().find(|line| line.contains("<edXML:Subject>")).context("a line")?;
    for (bad, line, word, en, vi) in [
        (without(subject, ""), 5, "missing", "Add it.", "Thêm phần tử đó."),
        (
            without("Date>2026/11/20", "Date>20-11-2026"),
            26,
            "date",
            "Write a real day",
            "Viết ngày có thật",
        ),
        (
            without("JVBERi0", "JVBE!i0"),
            72,
            "base64_character",
            "Encode the attachment again.",
            "Mã hoá lại",
        ),
        (
            whole[..whole.len() - 10].to_owned(),
            0,
            "cut",
            "Send it again in full.",
            "Gửi lại trọn vẹn.",
        ),
        (without("<edXML xmlns", "<!DOCTYPE a [<!ENTITY b \"c\">]><edXML xmlns"), 2, "", "", ""),
    ] {
        let path = place.write("bad.edxml", &bad)?;
        let output = place.run(&["check", &path, "-o", "json"])?;
        ensure!(output.status.code() == Some(exit::FAILED), "{word}: {output:?}");
        let told: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(told["good"] == false && told["bad"] == 1, "{told:#}");
        let found = items(&told)?;
        let one = found.iter().find(|one| word.is_empty() || one["word"] == word);
        let one = one.with_context(|| format!("{word} in {told:#}"))?;
        ensure!(
            one["fix"].is_string() && one["column"].is_u64() && one["file"] == *path,
            "{one:#}"
        );
        let at = one["line"].as_u64().context("a line")?;
        let expected = bad.lines().count() as u64;
        ensure!(at == if line == 0 { expected } else { line }, "{word}: {one:#}");
        for (lang, mend) in [("en", en), ("vi", vi)] {
            let (code, said) = place.bad(&["check", &path], lang)?;
            let place = format!("bad.edxml:{at}:");
            ensure!(code == exit::FAILED && said.contains(&place) && said.contains(mend), "{said}");
            ensure!(said.contains("LGSP-9801"), "{said}");
        }
    }
    // One of several is enough; and a file that is not there is no document.
    let good = vector("edxml/status-03.edxml");
    let (code, said) = place.bad(&["check", &good, "bad.edxml"], "en")?;
    ensure!(code == exit::FAILED && said.contains("1 of 2"), "{said}");
    ensure!(place.bad(&["check", "none.edxml"], "en")?.0 == exit::NOT_FOUND);
    // It does not keep the ones behind it from being checked.
    let (code, said) = place.bad(&["check", "none.edxml", "bad.edxml"], "en")?;
    ensure!(code == exit::FAILED && said.contains("none.edxml") && said.contains("1 of 2"));
    // What came damaged can be refused, and not be accepted.
    let cut = place.write("cut.edxml", &whole[..whole.len() - 10])?;
    let answer = |code| {
        ["status", &cut, "--from", "H41.101", "--note", "x", "--code", code].map(str::to_owned)
    };
    for (code, expected) in [("03", exit::FAILED), ("02", exit::OK)] {
        let line = answer(code);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        ensure!(place.run(&line)?.status.code() == Some(expected), "{code}");
    }
    Ok(())
}

#[test]
fn signatures_of_captured_calls_are_tested() -> Result<()> {
    let place = Place::new()?;
    place.write("secret", format!("{SECRET}\n"))?;
    let test = |path: &str| ["sign-test", path, "--secret-file", "secret"].map(str::to_owned);
    let run = |path: &str, flags: &[&str]| -> Result<Output> {
        let line = test(path);
        let line: Vec<&str> =
            line.iter().map(String::as_str).chain(flags.iter().copied()).collect();
        place.run(&line)
    };
    for entry in fs::read_dir(vector("vxp"))? {
        let path = entry?.path().display().to_string();
        let output = run(&path, &["-o", "json"])?;
        let told: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(output.status.success() && told["good"] == true, "{path}: {told:#}");
        ensure!(told["system"] == "H41.08" && list(&told, "signed")?.len() >= 3, "{told:#}");
    }
    let call = fs::read_to_string(vector("vxp/06-sendEdoc.http"))?;
    let (head, _) = call.split_once("\r\n\r\n").context("a head")?;
    let hash = "XroadVnpt-hash-header: a2f1";
    for (changed, word, header) in [
        (call.replacen("-from: H41.08", "-from: H41.09", 1), "value", "XroadVnpt-from"),
        (call.replacen(hash, "XroadVnpt-hash-header: a2f2", 1), "hash", "XroadVnpt-hash-header"),
        (
            call.replacen("XroadVnpt-servicetype: eDoc\r\n", "", 1),
            "missing",
            "XroadVnpt-servicetype",
        ),
        (call.replacen("Host:", "XroadVnpt-to: []\r\nHost:", 1), "unsigned", "XroadVnpt-to"),
        (call.replacen("from;timestamp;", "from;", 1), "not_named", "XroadVnpt-timestamp"),
        (call.replacen("</edXML>", "</edXML >", 1), "body", "XroadVnpt-hash-file"),
    ] {
        let path = place.write("changed.http", &changed)?;
        let output = run(&path, &["-o", "json"])?;
        let told: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(output.status.code() == Some(exit::FAILED) && told["good"] == false, "{told:#}");
        let found = items(&told)?.iter().any(|one| one["word"] == word && one["header"] == header);
        ensure!(found, "{word}: {told:#}");
        let said = run(&path, &[])?;
        let said = String::from_utf8([said.stdout, said.stderr].concat())?;
        ensure!(said.contains(header) && said.contains("LGSP-9809"), "{said}");
        ensure!(!said.contains(SECRET), "the secret stays in its file");
    }
    // The head alone, as curl shows it, with its line ends lost.
    let curl = head.lines().map(|line| format!("> {line}\n")).collect::<String>();
    let path = place.write("curl.txt", curl)?;
    let told: Value = serde_json::from_slice(&run(&path, &["-o", "json"])?.stdout)?;
    ensure!(told["good"] == true && told["body"].is_null(), "{told:#}");
    for (broken, why) in [
        (head.replacen("Host:", "Host", 1), "line"),
        (head.replacen("XroadVnpt-hash-header", "X", 1), "XroadVnpt-hash-header is missing"),
        (head.replacen("{\"Xroad", "{Xroad", 1), "JSON"),
        ("A: b\n".repeat(2_000_000), "longer than 8000000 octets"),
    ] {
        let path = place.write("broken.http", broken)?;
        let output = run(&path, &[])?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(exit::FAILED) && said.contains(why), "{said}");
    }
    Ok(())
}

/// The commands of the guides are typed as they stand there; both languages have the same.
#[test]
fn the_commands_of_the_guides_work() -> Result<()> {
    let block = |name: &str| -> Result<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
        let guide = fs::read_to_string(path)?;
        let blocks = guide.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next());
        let mut found = blocks.filter(|block| block.contains("lgsp edxml"));
        let lines = found.next().context("a block")?.lines();
        let plain = lines.map(|line| line.split('#').next().unwrap_or_default().trim_end());
        Ok(plain.collect::<Vec<_>>().join("\n"))
    };
    let commands = block("operations.md")?;
    ensure!(commands == block("van-hanh.md")?, "the guides differ: {commands}");
    for verb in ["build", "check", "show", "extract", "status", "sign-test"] {
        ensure!(commands.contains(&format!("lgsp edxml {verb} ")), "{verb}: {commands}");
    }
    let place = Place::new()?;
    place.write("cong-van.pdf", "%PDF")?;
    place.write("vxp.secret", SECRET)?;
    fs::copy(vector("vxp/06-sendEdoc.http"), place.path("sendEdoc.http"))?;
    std::os::unix::fs::symlink(PROGRAM, place.path("lgsp"))?;
    let path = format!("{}:{}", place.0.path().display(), std::env::var("PATH")?);
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &commands]).env("PATH", path).current_dir(place.0.path());
    let output = shell.output()?;
    ensure!(output.status.success(), "{commands}\n{}", String::from_utf8_lossy(&output.stderr));
    ensure!(place.names("cong-van")? == ["cong-van.pdf"], "it was extracted");
    ensure!(fs::read_to_string(place.path("status.edxml"))?.contains("<edXML:StatusCode>03<"));
    Ok(())
}
