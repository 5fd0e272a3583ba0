//! What goes where: data on stdout, talk on stderr, marks and colour only where they are seen.

use std::{
    fmt::Display,
    io::{IsTerminal, Write},
};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Exit, Failure};
use crate::texts::{Lang, Text, failures, reasons, words};

/// The widest table: what fits on a page and on a small terminal.
const WIDTH_MAX: u16 = 100;

/// The form of the data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// The same, as wide as its lines are.
    Wide,
    /// One JSON document with a stable `schema`.
    Json,
    /// One JSON object a line: the items of a list, or the whole document.
    Ndjson,
    /// The same as rows under their names, for spreadsheets.
    Csv,
}

impl Output {
    /// The form that a word of the command line names.
    pub fn of_word(word: &str) -> Option<Self> {
        <Self as clap::ValueEnum>::from_str(word, false).ok()
    }
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
    /// Whether the program goes on when nobody takes its data: it has something to clear away.
    goes_on: bool,
}

impl Out {
    /// What the arguments and the surroundings ask for.
    pub fn new(lang: Lang, output: Output, colour: Colour, debug: bool) -> Self {
        Self { lang, output, unicode: is_utf8(), colour, debug, goes_on: false }
    }

    /// The same for a command that has to end well whether or not somebody reads what it prints.
    pub const fn going_on(self) -> Self {
        Self { goes_on: true, ..self }
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
        matches!(self.output, Output::Table | Output::Wide)
    }

    /// Says something on stderr.
    pub fn say(&self, line: impl Display) {
        // Who has closed our stderr does not want to hear of it.
        writeln!(std::io::stderr().lock(), "{line}").ok();
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

    /// Writes data for people on stdout. A closed pipe is a reader who has seen enough; on a full disk data are
    /// lost, which is a failure.
    pub fn print(&self, line: impl Display) {
        self.wrote(writeln!(std::io::stdout().lock(), "{line}"));
    }

    /// Writes data that are octets on stdout, as [`Out::print`] writes those for people.
    pub fn octets(&self, octets: &[u8]) {
        let mut stdout = std::io::stdout().lock();
        let wrote = stdout.write_all(octets).and_then(|()| stdout.flush());
        drop(stdout);
        self.wrote(wrote);
    }

    fn wrote(&self, wrote: std::io::Result<()>) {
        let Err(error) = wrote else { return };
        let exit = match self.unprinted(&error) {
            Some(failure) => self.fail(&failure),
            None => Exit::Ok,
        };
        if !self.goes_on {
            std::process::exit(exit as i32);
        }
    }

    /// What an error of stdout is to be told as, if at all.
    fn unprinted(&self, error: &std::io::Error) -> Option<Failure> {
        (error.kind() != std::io::ErrorKind::BrokenPipe).then(|| {
            Failure::new(Exit::Failed, self.text(failures::OUTPUT))
                .why(reasons::of_io(self.lang, error))
                .fix(self.text(failures::FIX_OUTPUT))
                .code(9110)
        })
    }

    /// Writes the data of a command on stdout for programs: as JSON under its schema's name, or its items
    /// one a line.
    pub fn json(&self, schema: &str, data: impl Serialize) {
        match self.output {
            Output::Ndjson => {
                for item in items(data) {
                    self.print(item);
                }
            }
            Output::Csv => self.print(csv_of(&items(data)).trim_end()),
            _ => self.document(schema, data),
        }
    }

    fn document(&self, schema: &str, data: impl Serialize) {
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
        if !self.is_table() {
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
            let trace = failure.trace.as_ref().map_or_else(String::new, |trace| {
                format!(" · {} {trace}", self.text(failures::TRACE))
            });
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
        let headers = headers.iter().map(|text| self.text(*text).to_owned()).collect();
        self.print(table(headers, rows, self.output == Output::Wide));
    }
}

/// The items of a list, or the whole of what is none.
fn items(data: impl Serialize) -> Vec<Value> {
    match serde_json::to_value(data).expect("output has text keys and no failing parts") {
        Value::Array(items) => items,
        Value::Object(mut members) => match members.remove("items") {
            Some(Value::Array(items)) => items,
            _ => vec![Value::Object(members)],
        },
        other => vec![other],
    }
}

/// A text as a spreadsheet shows it. Titles and names come from strangers: one that begins like a
/// formula would be run by whoever opens the list, so an apostrophe stands before it.
fn plain(text: &str) -> String {
    if is_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// The text of which such a cell was made.
pub fn meant(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_formula(text)).unwrap_or(cell)
}

/// Whether a text begins like a formula. Apostrophes of its own count for nothing, or they would not come back.
fn is_formula(text: &str) -> bool {
    // The wide forms count as the narrow ones in East Asian editions.
    const SIGNS: &[char] = &['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    text.trim_start_matches('\'').starts_with(SIGNS)
}

/// Rows under the names of all members, in the order in which they first come. It begins with the mark
/// of UTF-8, without which office programs take Vietnamese for something else.
fn csv_of(items: &[Value]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in items.iter().filter_map(Value::as_object).flat_map(|item| item.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return String::new();
    }
    let cell = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => plain(text),
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
            plain(&all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        Some(other) => other.to_string(),
    };
    let mut writer = csv::Writer::from_writer(b"\xef\xbb\xbf".to_vec());
    writer.write_record(&names).expect("a vector takes every octet");
    for item in items {
        let row = names.iter().map(|name| cell(item.get(*name)));
        writer.write_record(row).expect("a vector takes every octet");
    }
    let octets = writer.into_inner().expect("a vector takes every octet");
    String::from_utf8(octets).expect("made of texts alone")
}

/// An aligned table without lines.
fn table(headers: Vec<String>, rows: Vec<Vec<String>>, wide: bool) -> String {
    let mut table = Table::new();
    let arrangement = if wide { ContentArrangement::Disabled } else { ContentArrangement::Dynamic };
    table.load_style(presets::NOTHING).set_content_arrangement(arrangement);
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

    /// Finding 17: data that were not written are no success; a reader who has gone is.
    #[test]
    fn a_full_output_is_told_and_a_closed_one_is_not() {
        let out = Out::new(Lang::Vi, Output::Table, Default::default(), false);
        let full = out.unprinted(&std::io::ErrorKind::StorageFull.into()).expect("it is told");
        assert_eq!((full.exit, full.why.as_deref()), (Exit::Failed, Some("ổ đĩa đã đầy")));
        assert!(out.unprinted(&std::io::ErrorKind::BrokenPipe.into()).is_none());
    }

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
            false,
        );
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(WIDTH_MAX)), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn wide_tables_keep_their_lines_whole() {
        let long = "rất dài ".repeat(40);
        let text = table(vec!["TÊN".into()], vec![vec![long.clone()]], true);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains(long.trim_end()));
    }

    /// F10 of the attack, case 7 of the field: titles come from strangers.
    #[test]
    fn no_cell_of_a_spreadsheet_is_a_formula() {
        let titles = ["=1+1", "+84 238", "-2+3", "@SUM(1)", "\t=1", "\r=1", "＝1", "'=1", "''+1"];
        for title in titles {
            let written = csv_of(&items(json!([{ "title": title, "to": [title] }])));
            let mut read = csv::Reader::from_reader(written.as_bytes());
            let row = read.records().next().expect("a row").expect("it is CSV");
            assert!(row.iter().all(|cell| cell == format!("'{title}")), "{row:?}");
            assert!(row.iter().all(|cell| meant(cell) == title), "{row:?}");
        }
        for cell in ["=1", "'Sở A'", "''", "'", "", "A'=1"] {
            assert_eq!(meant(cell), cell, "nobody guarded it");
        }
        let plain = json!([{ "title": "Công văn 1-2 = 3", "size": -7 }]);
        assert!(csv_of(&items(plain)).ends_with("-7,Công văn 1-2 = 3\n"));
    }

    /// A list of units is written for a spreadsheet and read back from it: no name is another one then.
    #[test]
    fn what_is_exported_is_imported_as_it_was() {
        let names = ["-2 Phòng", "＝1", "@A", "'=1", "''+1", "Sở 'Một', \"hai\"; 3", "'Bốn'"];
        let units = names.iter().enumerate().map(|(at, name)| {
            json!({ "code": format!("H41.9{at}"), "name": name, "kind": "other", "parent": "H41" })
        });
        let written = csv_of(&units.collect::<Vec<_>>());
        let file = std::path::Path::new("x.csv");
        let read = crate::verbs::read_units(Lang::En, file, written.as_bytes()).expect("a list");
        let read: Vec<_> = read.into_iter().map(|one| one.unit.name).collect();
        assert_eq!(read, names);
    }

    #[test]
    fn spreadsheets_get_rows_under_all_names() {
        let list = json!({ "items": [
            { "code": "H41", "name": "Tỉnh, \"Nghệ An\"", "aliases": [] },
            { "code": "H41.02", "aliases": ["A", "B"], "size": 7, "parent": null },
        ], "more": false });
        assert_eq!(
            csv_of(&items(list)),
            "\u{feff}aliases,code,name,parent,size\n\
             ,H41,\"Tỉnh, \"\"Nghệ An\"\"\",,\nA B,H41.02,,,7\n"
        );
        assert_eq!(csv_of(&items(json!({ "ok": true }))), "\u{feff}ok\ntrue\n");
        assert_eq!(items(json!({ "items": [1, 2], "more": true })), [json!(1), json!(2)]);
    }

    #[test]
    fn marks_are_never_only_colour() {
        for mark in [Mark::Good, Mark::Warn, Mark::Bad] {
            assert_ne!(mark.sign(true), "");
            assert!(mark.sign(false).is_ascii());
        }
    }
}
