//! Documents larger than the memory, and the files, that reading and writing them may take.

use std::{
    fs,
    io::{Read, Write},
    process::{Child, Command},
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::{PROGRAM, Place, document, file};

/// The most memory that a program had so far, in KiB.
fn peak(child: &Child) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("it has ended")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Hands a file on to a program, and measures it before the last piece.
fn fed(place: &Place, document: &str, arguments: &[&str]) -> Result<u64> {
    let mut child = place.begin(arguments, "en")?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    let mut file = fs::File::open(document)?;
    let size = file.metadata()?.len();
    // A pipe holds 64 KiB: with more than that written behind it, what was before was read.
    std::io::copy(&mut (&mut file).take(size - 16), &mut stdin)?;
    let peak = peak(&child)?;
    std::io::copy(&mut file, &mut stdin)?;
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(peak)
}

/// Its digest, a piece at a time.
fn digest(path: &str) -> Result<[u8; 32]> {
    let (mut hash, mut file) = (Sha256::new(), fs::File::open(path)?);
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&piece[..length]),
        }
    }
}

/// Memory of each command for a document with an attachment of some MiB, in KiB.
fn memory(place: &Place, name: &str, mib: usize) -> Result<Vec<u64>> {
    let piece: Vec<u8> =
        (0..1_u32 << 18).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let mut file = fs::File::create(place.path(name))?;
    (0..mib).try_for_each(|_| file.write_all(&piece))?;
    let mut line: Vec<&str> =
        "build --from A --to B --number 1 --notation C --subject D".split(' ').collect();
    line.extend(["--attach", name]);
    let mut child = place.begin(&line, "en")?;
    let mut stdout = child.stdout.take().context("a pipe")?;
    let document = place.path("large.edxml");
    let mut to = fs::File::create(&document)?;
    // Its size is known well enough: base64 of the file. The last measure is of the last MiB.
    let mut built = 0;
    while let Ok(now) = peak(&child) {
        built = now.max(built);
        let read = std::io::copy(&mut (&mut stdout).take(1 << 20), &mut to)?;
        if read == 0 {
            break;
        }
    }
    std::io::copy(&mut stdout, &mut to)?;
    ensure!(child.wait()?.success(), "it was built");
    let extract = ["extract", "-", "--to-dir", "large"];
    let all = [&["show", "-"][..], &["check", "-"], &extract];
    let mut peaks = vec![built];
    for arguments in all {
        peaks.push(fed(place, &document, arguments)?);
    }
    ensure!(fs::metadata(place.path(&format!("large/{name}")))?.len() == (mib as u64) << 20);
    ensure!(digest(&place.path(name))? == digest(&place.path(&format!("large/{name}")))?);
    fs::remove_dir_all(place.path("large"))?;
    Ok(peaks)
}

#[test]
fn memory_does_not_grow_with_the_document() -> Result<()> {
    const MORE_MAX_KIB: u64 = 4 << 10;
    let place = Place::new()?;
    for (name, mib) in [("a.pdf", 200), ("a.bin", 24)] {
        let (small, large) = (memory(&place, name, 1)?, memory(&place, name, mib)?);
        println!("KiB with 1 MiB attached: {small:?}; with {mib} MiB: {large:?}");
        for (small, large) in small.iter().zip(&large) {
            ensure!(*large <= small + MORE_MAX_KIB, "{name}: {small} KiB became {large} KiB");
        }
    }
    Ok(())
}

#[test]
fn many_attachments_are_not_many_open_files() -> Result<()> {
    let place = Place::new()?;
    let ids: Vec<String> = (0..1_000).map(|number| format!("f{number}")).collect();
    let attached: Vec<_> = ids.iter().map(|id| file(id, "a.pdf", id.as_bytes())).collect();
    place.write("many.edxml", document(&attached))?;
    let line = format!("ulimit -n 64 && exec {PROGRAM} edxml extract many.edxml --to-dir to");
    let output = Command::new("sh").args(["-c", &line]).current_dir(place.0.path()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(place.names("to")?.len() == ids.len());
    ensure!(fs::read_to_string(place.path("to/a (1000).pdf"))? == "f999");
    Ok(())
}
