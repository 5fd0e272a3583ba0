//! A document that is read: from a file or from standard input, a piece at a time.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use wire::edxml::{Error, Event, Finding, Limits, Message, Place, Reader, steers};

use crate::{
    cli::{Exit, Failure, Out},
    texts::edxml as t,
};

/// Octets that are read or written at a time: large enough that the system's calls cost nothing beside base64.
pub const PIECE: usize = 64 << 10;

/// What octets come from.
pub struct Source {
    out: Out,
    path: PathBuf,
    from: Box<dyn Read>,
    piece: Vec<u8>,
}

impl Source {
    /// Opens a file; `-` is standard input.
    pub fn open(out: &Out, path: &Path) -> Result<Self, Failure> {
        let from: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            let opened = File::open(path);
            Box::new(opened.map_err(|error| Failure::file(out.lang, path, &error))?)
        };
        Ok(Self { out: *out, path: path.to_owned(), from, piece: vec![0; PIECE] })
    }

    /// The next piece; none at the end.
    pub fn piece(&mut self) -> Result<Option<&[u8]>, Failure> {
        loop {
            match self.from.read(&mut self.piece) {
                Ok(0) => return Ok(None),
                Ok(length) => return Ok(Some(&self.piece[..length])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::file(self.out.lang, &self.path, &error)),
            }
        }
    }

    /// The reader itself, for who reads lines.
    pub fn into_read(self) -> Box<dyn Read> {
        self.from
    }
}

/// The name of a source as people are told it.
pub fn shown(out: &Out, path: &Path) -> String {
    if path == Path::new("-") {
        return out.text(t::STDIN).to_owned();
    }
    path.display().to_string()
}

/// What a document says beside its attachments.
pub struct Whole {
    /// The envelope; none where it could not be read.
    pub message: Option<Message>,
    /// What was found, as far as it was read.
    pub findings: Vec<Finding>,
    /// Whether it was read to its end.
    pub end: Result<(), Error>,
}

/// Keeps the envelope, and hands on the rest until that fails.
struct Sorter<T> {
    take: T,
    message: Option<Message>,
    failed: Option<Failure>,
}

impl<T: FnMut(Event<'_>) -> Result<(), Failure>> Sorter<T> {
    fn sort(&mut self, event: Event<'_>) {
        match event {
            Event::Message(envelope) => self.message = Some(*envelope),
            event if self.failed.is_none() => self.failed = (self.take)(event).err(),
            _ => {}
        }
    }
}

/// Reads a document; `take` is handed what is attached, and may fail.
pub fn read(
    out: &Out,
    path: &Path,
    take: impl FnMut(Event<'_>) -> Result<(), Failure>,
) -> Result<Whole, Failure> {
    let mut sorter = Sorter { take, message: None, failed: None };
    let mut reader = Reader::new(Limits::DEFAULT);
    let mut source = Source::open(out, path)?;
    while let Some(piece) = source.piece()? {
        // What cannot be read any further is told by the end of the reading.
        let is_over = reader.feed(piece, &mut |event| sorter.sort(event)).is_err();
        if let Some(failure) = sorter.failed.take() {
            return Err(failure);
        }
        if is_over {
            break;
        }
    }
    let (end, findings) = reader.end(&mut |event| sorter.sort(event));
    match sorter.failed {
        Some(failure) => Err(failure),
        None => Ok(Whole { message: sorter.message, findings, end }),
    }
}

/// The failure of a document that cannot be read.
pub fn unreadable(out: &Out, path: &Path, error: &Error) -> Failure {
    let (finding, language) = (error.finding(), t::language(out.lang));
    let Place { line, column } = finding.place;
    let element = match finding.path.as_str() {
        "" => out.text(t::ROOT),
        path => path,
    };
    let why: [(&str, &dyn std::fmt::Display); 4] = [
        ("line", &line),
        ("column", &column),
        ("element", &element),
        ("text", &finding.word.text(language)),
    ];
    let shown = shown(out, path);
    let mut failure = Failure::new(Exit::Failed, out.fill(t::UNREADABLE, &[("path", &shown)]))
        .why(out.fill(t::UNREADABLE_WHY, &why))
        .fix(finding.word.mend(language))
        .code(9802);
    failure.chain = vec![error.to_string()];
    failure
}

/// A text of a document as a line may show it: it is a stranger's, so nothing of it may steer a terminal.
pub fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if steers(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(plain).collect()
}
