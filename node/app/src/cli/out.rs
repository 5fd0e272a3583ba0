//! What goes where: data on stdout, talk on stderr, marks and colour only where they are seen.

use std::{
    fmt::Display,
    io::{IsTerminal, Write},
};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Exit, Failure};
use crate::texts::{Lang, Text, failures, words};

/// The widest table: what fits on a page and on a small terminal.
const WIDTH_MAX: u16 = 100;

/// The form of the data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document with a stable `schema`.
    Json,
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The sign in front of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It is good.
    Good,
    /// It should be looked at.
    Warn,
    /// It failed.
    Bad,
}

impl Mark {
    const fn sign(self, unicode: bool) -> &'static str {
        match (self, unicode) {
            (Self::Good, true) => "✓",
            (Self::Warn, _) => "!",
            (Self::Bad, true) => "✗",
            (Self::Good, false) => "+",
            (Self::Bad, false) => "x",
        }
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[31m",
        }
    }
}

/// The terminal, or what stands for it.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    /// The language of the talk.
    pub lang: Lang,
    /// The form of the data.
    pub output: Output,
    unicode: bool,
    colour: Colour,
    debug: bool,
}

impl Out {
    /// What the arguments and the surroundings ask for.
    pub fn new(lang: Lang, output: Output, colour: Colour, debug: bool) -> Self {
        Self { lang, output, unicode: is_utf8(), colour, debug }
    }

    /// A text in the language of the talk.
    pub fn text(&self, text: Text) -> &'static str {
        text.in_lang(self.lang)
    }

    /// A text with its places filled in.
    pub fn fill(&self, text: Text, values: &[(&str, &dyn Display)]) -> String {
        text.fill(self.lang, values)
    }

    /// Whether people, not programs, read the data.
    pub fn is_table(&self) -> bool {
        self.output == Output::Table
    }

    /// Says something on stderr.
    pub fn say(&self, line: impl Display) {
        // Who has closed our stderr does not want to hear of it.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Says on stderr that something is done.
    pub fn done(&self, text: Text, values: &[(&str, &dyn Display)]) {
        self.say(format_args!(
            "{} {}",
            self.mark(Mark::Good, std::io::stderr().is_terminal()),
            self.fill(text, values)
        ));
    }

    /// Says on stderr that something should be looked at.
    pub fn warn(&self, line: impl Display) {
        self.say(format_args!("{} {line}", self.mark(Mark::Warn, std::io::stderr().is_terminal())));
    }

    /// A sign for a line on stdout.
    pub fn sign(&self, mark: Mark) -> String {
        self.mark(mark, std::io::stdout().is_terminal())
    }

    /// Writes data for people on stdout. A closed pipe is a reader who has seen enough.
    pub fn print(&self, line: impl Display) {
        if writeln!(std::io::stdout().lock(), "{line}").is_err() {
            std::process::exit(Exit::Ok as i32);
        }
    }

    /// Writes the data of a command on stdout as JSON, under its schema's name.
    pub fn json(&self, schema: &str, data: impl Serialize) {
        let mut document = json!({ "schema": schema });
        match serde_json::to_value(data).expect("output has text keys and no failing parts") {
            Value::Object(members) => {
                document.as_object_mut().expect("made just above").extend(members)
            }
            other => document["items"] = other,
        }
        self.print(serde_json::to_string_pretty(&document).expect("a value is always written"));
    }

    fn mark(&self, mark: Mark, terminal: bool) -> String {
        let sign = mark.sign(self.unicode);
        let coloured = match self.colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        if coloured { format!("{}{sign}\x1b[0m", mark.colour()) } else { sign.to_owned() }
    }

    /// Tells a failure on stderr, and gives its exit code.
    pub fn fail(&self, failure: &Failure) -> Exit {
        if self.output == Output::Json {
            let document = json!({ "schema": "lgsp.error/1", "error": failure });
            self.say(serde_json::to_string_pretty(&document).expect("a value is always written"));
            return failure.exit;
        }
        self.say(format_args!(
            "{} {}",
            self.mark(Mark::Bad, std::io::stderr().is_terminal()),
            failure.what
        ));
        let indented = [(failures::WHY, &failure.why), (failures::FIX, &failure.fix)];
        let width = indented
            .iter()
            .map(|(label, _)| self.text(*label).chars().count())
            .max()
            .unwrap_or_default();
        for (label, text) in indented {
            if let Some(text) = text {
                let label = self.text(label);
                let gap = " ".repeat(width - label.chars().count() + 1);
                self.say(format_args!("  {label}{gap}{text}"));
            }
        }
        if let Some(code) = &failure.code {
            let trace =
                failure.trace.as_ref().map(|trace| format!(" · trace {trace}")).unwrap_or_default();
            self.say(format_args!("  {} {code}{trace}", self.text(failures::CODE)));
        }
        if self.debug {
            self.say(format_args!("  debug: {}", failure.chain.join(": ")));
        }
        failure.exit
    }

    /// Prints rows under their headers, or says that there are none.
    pub fn rows(&self, headers: &[Text], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            self.say(self.text(words::EMPTY));
            return;
        }
        self.print(table(headers.iter().map(|text| self.text(*text).to_owned()).collect(), rows));
    }
}

/// An aligned table without lines.
fn table(headers: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() || table.width().is_none_or(|width| width > WIDTH_MAX) {
        table.set_width(WIDTH_MAX);
    }
    table.set_header(headers);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A number of octets as people read it.
pub fn size_text(size: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    for (unit, shift) in UNITS {
        if size >= 1 << shift {
            let tenths = (u128::from(size) * 10) >> shift;
            return if tenths % 10 == 0 || tenths >= 1000 {
                format!("{} {unit}", tenths / 10)
            } else {
                format!("{}.{} {unit}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{size} B")
}

/// Whether the locale writes UTF-8, as POSIX finds it out. No locale at all is a program's
/// surroundings, where UTF-8 is the rule today.
fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    set.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (64 << 20, "64 MiB"),
            (1 << 40, "1 TiB"),
        ] {
            assert_eq!(size_text(size), text);
        }
    }

    #[test]
    fn tables_are_aligned_and_narrow() {
        let row = |name: &str| vec!["H41.02".to_owned(), name.to_owned()];
        let text = table(
            vec!["MÃ".into(), "TÊN".into()],
            vec![row("Sở Nội vụ"), row(&"rất dài ".repeat(40))],
        );
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(WIDTH_MAX)), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn marks_are_never_only_colour() {
        for mark in [Mark::Good, Mark::Warn, Mark::Bad] {
            assert_ne!(mark.sign(true), "");
            assert!(mark.sign(false).is_ascii());
        }
    }
}
