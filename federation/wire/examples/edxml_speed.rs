//! How fast edXML is read and written, beside what no reader can go below, in one run.
//!
//! `cargo run --release -p lgsp-wire --example edxml_speed`. Memory is the peak of a process of its own.

use std::{
    env, fs,
    hint::black_box,
    process::Command,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use lgsp_wire::edxml::{Attachment, Check, Event, Limits, Reader, Writer};
use sha2::{Digest, Sha256};

#[path = "../tests/common/measured.rs"]
mod measured;

use measured::{message, noise};

const STATUS: &[u8] = include_bytes!("../tests/vectors/edxml/status-03.edxml");

/// What a socket gives at a time.
const PIECE: usize = 64 * 1_024;
const MIB: usize = 1 << 20;

/// Writes a document whose file has so many octets; each text that is ready is handed on.
fn write(name: &str, size: usize, mut hand_on: impl FnMut(&[u8])) {
    let piece: Vec<u8> = noise(PIECE);
    let file = Attachment::of_file("tep-1", name);
    let mut out = Vec::new();
    let mut flush = |out: &mut Vec<u8>| {
        hand_on(out);
        out.clear();
    };
    let writer = Writer::begin(&message(&file), &mut out).expect("a message");
    let mut attaching = writer.attach(&file, &mut out).expect("it is named");
    for _ in 0..size / PIECE {
        attaching.octets(&piece, &mut out).expect("not too long");
        flush(&mut out);
    }
    attaching.end(&mut out).expect("a file").finish(&mut out).expect("a document");
    flush(&mut out);
}

fn read(document: &[u8]) -> u64 {
    let mut reader = Reader::new(Limits::DEFAULT);
    let mut octets = 0;
    let mut take = |event: Event<'_>| {
        if let Event::End(attached) = event {
            octets += attached.octets;
            black_box(attached.sha256);
        }
    };
    for piece in document.chunks(PIECE) {
        reader.feed(piece, &mut take).expect("a document");
    }
    reader.finish(&mut take).expect("a document");
    octets
}

/// The best of some runs: what else the machine does only makes it slower.
fn best(runs: usize, mut work: impl FnMut()) -> Duration {
    let time = |_| {
        let begin = Instant::now();
        work();
        begin.elapsed()
    };
    (0..runs).map(time).min().expect("one run at least")
}

fn rate(octets: usize, time: Duration) -> f64 {
    octets as f64 / 1e6 / time.as_secs_f64()
}

/// The peak of resident memory of a process of this program, in KiB.
fn peak(what: &str) -> u64 {
    let program = env::current_exe().expect("this program");
    let output = Command::new(program).arg(what).output().expect("it runs");
    assert!(output.status.success(), "{what}");
    String::from_utf8(output.stdout).expect("a number").trim().parse().expect("a number")
}

fn own_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

/// One process of the memory figure.
fn child(what: &str) {
    let size = 1_024 * MIB;
    match what {
        "empty" => {}
        "write" => write("tep.pdf", size, |text| {
            black_box(text);
        }),
        "write-zip" => write("tep.bin", size, |text| {
            black_box(text);
        }),
        "read" | "read-zip" => {
            let mut reader = Reader::new(Limits::DEFAULT);
            let mut octets = 0;
            let mut take = |event: Event<'_>| {
                if let Event::End(attached) = event {
                    octets = attached.octets;
                }
            };
            let name = if what == "read" { "tep.pdf" } else { "tep.bin" };
            write(name, size, |text| reader.feed(text, &mut take).expect("a document"));
            reader.finish(&mut take).expect("a document");
            assert_eq!(octets, size as u64);
        }
        other => panic!("{other} is nothing"),
    }
    println!("{}", own_peak());
}

fn main() {
    if let Some(what) = env::args().nth(1) {
        return child(&what);
    }
    let size = 64 * MIB;
    let mut document = Vec::new();
    write("tep.pdf", size, |text| document.extend_from_slice(text));
    let base64 = STANDARD.encode(noise(PIECE / 4 * 3));
    let mut window = vec![0; PIECE];
    let floor = best(5, || {
        let mut hash = Sha256::new();
        for _ in 0..size / (PIECE / 4 * 3) {
            let wrote = STANDARD.decode_slice(black_box(&base64), &mut window).expect("base64");
            hash.update(&window[..wrote]);
        }
        black_box(hash.finalize());
    });
    let floor = rate(size, floor);
    println!("base64 and SHA-256 alone     {floor:8.0} MB/s of the file");
    let plain = rate(size, best(5, || assert_eq!(read(&document), size as u64)));
    println!("read, one line               {plain:8.0} MB/s, {:.2} of it", plain / floor);
    let text = String::from_utf8(document).expect("UTF-8");
    let (front, back) = text.rsplit_once("QCVN_102_2016\">").expect("a content");
    let (content, end) = back.split_once('<').expect("an end");
    let lines: Vec<&str> = content
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).expect("base64"))
        .collect();
    let lined = format!("{front}QCVN_102_2016\">{}<{end}", lines.join("\r\n"));
    let lined = rate(size, best(5, || assert_eq!(read(lined.as_bytes()), size as u64)));
    println!("read, lines of 76            {lined:8.0} MB/s, {:.2} of it", lined / floor);
    let written = best(3, || {
        write("tep.pdf", size, |text| {
            black_box(text);
        });
    });
    println!("write                        {:8.0} MB/s of the file", rate(size, written));

    let count = 20_000;
    let time = best(5, || {
        for _ in 0..count {
            let mut check = Check::new(Limits::DEFAULT);
            check.feed(black_box(STATUS));
            assert!(check.finish().is_empty());
        }
    });
    println!("statuses read and checked    {:8.0} a second", f64::from(count) / time.as_secs_f64());

    let empty = peak("empty");
    println!("memory of an empty process   {empty:8} KiB");
    for what in ["read", "write", "read-zip", "write-zip"] {
        println!("memory, 1 GiB, {what:10}    {:8} KiB above it", peak(what) - empty);
    }
}
