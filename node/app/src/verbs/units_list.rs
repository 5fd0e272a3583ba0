//! Lists of units as people keep them: CSV of any dialect of office programs, in any order.
//!
//! Whatever is wrong is told with its line. Nothing is guessed about letters: an encoding that is neither UTF-8
//! nor UTF-16 would turn names into others.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use client::NewUnit;
use csv::StringRecord;
use model::{Label, UnitCode, UnitKind, lengths::in_memory};

use crate::{
    cli::{Exit, Failure, meant},
    texts::{Lang, Text, failures as t, reasons, units as u},
    written,
};

/// What may stand between two columns: commas, semicolons where the comma is a decimal mark, and tabs in
/// Excel's Unicode text.
const BETWEEN: [u8; 3] = [b',', b';', b'\t'];
/// The columns that are read; further ones are passed over.
const COLUMNS: [&str; 4] = ["code", "name", "kind", "parent"];

/// A unit of a list, and the line that it stands on.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The line, counted from 1.
    pub line: u64,
    /// The unit.
    pub unit: NewUnit,
}

/// What is wrong in a list, and where.
#[derive(Debug)]
struct Wrong {
    line: u64,
    why: String,
    fix: Text,
}

/// The units of a list, in its order.
pub fn read_units(lang: Lang, file: &Path, octets: &[u8]) -> Result<Vec<Listed>, Failure> {
    parsed(lang, octets).map_err(|wrong| {
        let values: [(&str, &dyn std::fmt::Display); 2] =
            [("path", &file.display()), ("line", &wrong.line)];
        Failure::new(Exit::Usage, t::CSV.fill(lang, &values))
            .why(wrong.why)
            .fix(wrong.fix.in_lang(lang))
            .code(9204)
    })
}

fn parsed(lang: Lang, octets: &[u8]) -> Result<Vec<Listed>, Wrong> {
    let text = decoded(octets).map_err(|line| Wrong {
        line,
        why: u::ENCODING.in_lang(lang).to_owned(),
        fix: u::FIX_ENCODING,
    })?;
    let (text, lines_before) = without_separator_line(&text);
    let header = |line, why: String| Wrong { line, why, fix: t::FIX_CSV };
    let lacking = || header(lines_before + 1, u::NO_COLUMNS.in_lang(lang).to_owned());
    let (between, columns) =
        BETWEEN.iter().find_map(|between| columns(text, *between)).ok_or_else(lacking)?;
    let mut units = Vec::new();
    let (mut seen, mut lines) = (BTreeMap::new(), Lines { text, at: 0, line: 1 });
    for record in reader(text, between).records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            header(line + lines_before, u::ROW.in_lang(lang).to_owned())
        })?;
        // Rows that a spreadsheet keeps although they were emptied.
        if record.iter().all(str::is_empty) {
            continue;
        }
        let line = lines.of(&record) + lines_before;
        let unit = unit_of(lang, &columns, &record).map_err(|why| header(line, why))?;
        if let Some(first) = seen.insert(unit.code.clone(), line) {
            let why = u::TWICE.fill(lang, &[("code", &unit.code), ("line", &first)]);
            return Err(header(line, why));
        }
        units.push(Listed { line, unit });
    }
    Ok(units)
}

/// Counts lines on the way through a text.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line on which a record begins. The reader's own count stands before the empty lines that it skips.
    fn of(&mut self, record: &StringRecord) -> u64 {
        let begin = record.position().map_or(0, |position| in_memory(position.byte()));
        let octets = self.text.as_bytes();
        let empty = |octet: &u8| matches!(octet, b'\n' | b'\r');
        let skipped =
            octets.get(begin..).map_or(0, |rest| rest.iter().take_while(|o| empty(o)).count());
        let passed = octets.get(self.at..begin + skipped).unwrap_or_default();
        self.line += passed.iter().filter(|octet| **octet == b'\n').count() as u64;
        self.at += passed.len();
        self.line
    }
}

/// The text of a file, or the line in which it is not UTF-8.
fn decoded(octets: &[u8]) -> Result<String, u64> {
    let Some((pair, octets)) = model::utf_16(octets) else {
        let text = written::text(octets).map(str::to_owned);
        return text.map_err(|encoding| match encoding {
            written::Encoding::Utf16 => 1,
            written::Encoding::Other { line } => line,
        });
    };
    // A spreadsheet's «Unicode text» is a dialect of its own, and read.
    let pairs = octets.chunks_exact(2).map(|two| pair([two[0], two[1]]));
    String::from_utf16(&pairs.collect::<Vec<_>>()).map_err(|_| 1)
}

/// Excel reads and writes a first line `sep=;`: it is no header.
fn without_separator_line(text: &str) -> (&str, u64) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let separator = first.trim().trim_matches('"').to_ascii_lowercase();
    if separator.starts_with("sep=") { (rest, 1) } else { (text, 0) }
}

fn reader(text: &str, between: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(between)
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes())
}

/// Where each column stands, if the header is cut by this octet.
fn columns(text: &str, between: u8) -> Option<(u8, [Option<usize>; COLUMNS.len()])> {
    let mut reader = reader(text, between);
    let header = reader.headers().ok()?;
    let place = |name: &str| header.iter().position(|title| title.eq_ignore_ascii_case(name));
    let places = COLUMNS.map(place);
    // The parent alone may be left out.
    places[..3].iter().all(Option::is_some).then_some((between, places))
}

fn unit_of(
    lang: Lang,
    columns: &[Option<usize>; COLUMNS.len()],
    record: &StringRecord,
) -> Result<NewUnit, String> {
    let cell = |column: usize| columns[column].and_then(|at| record.get(at)).map_or("", meant);
    Ok(NewUnit {
        code: word(lang, 0, cell(0))?,
        name: word::<Label>(lang, 1, cell(1))?.to_string(),
        kind: word::<UnitKind>(lang, 2, cell(2))?,
        parent: match cell(3) {
            "" => None,
            parent => Some(word(lang, 3, parent)?),
        },
        aliases: Vec::new(),
    })
}

fn word<T: std::str::FromStr<Err = model::Malformed>>(
    lang: Lang,
    column: usize,
    text: &str,
) -> Result<T, String> {
    text.parse().map_err(|error: model::Malformed| {
        let why = reasons::of_word(lang, &error, text);
        u::CELL.fill(lang, &[("column", &COLUMNS[column]), ("value", &text), ("why", &why)])
    })
}

/// The units that are to be added, those above before those below them. What is registered already is given; a unit
/// whose parent stands nowhere is an error with its line.
pub fn in_order(
    lang: Lang,
    file: &Path,
    mut listed: Vec<Listed>,
    registered: &BTreeSet<UnitCode>,
) -> Result<Vec<NewUnit>, Failure> {
    let mut known = registered.clone();
    let mut ordered = Vec::with_capacity(listed.len());
    while !listed.is_empty() {
        let before = listed.len();
        let (ready, waiting): (Vec<_>, Vec<_>) = listed
            .into_iter()
            .partition(|one| one.unit.parent.as_ref().is_none_or(|above| known.contains(above)));
        known.extend(ready.iter().map(|one| one.unit.code.clone()));
        ordered.extend(ready.into_iter().map(|one| one.unit));
        listed = waiting;
        if let (Some(first), true) = (listed.first(), listed.len() == before) {
            let above = first.unit.parent.as_ref().expect("it waits for one above it");
            let values: [(&str, &dyn std::fmt::Display); 2] =
                [("path", &file.display()), ("line", &first.line)];
            let nowhere = listed.iter().all(|one| one.unit.code != *above);
            let why = if nowhere { u::NO_PARENT } else { u::CIRCLE };
            return Err(Failure::new(Exit::Usage, t::CSV.fill(lang, &values))
                .why(why.fill(lang, &[("code", &first.unit.code), ("parent", above)]))
                .fix(u::FIX_PARENT.in_lang(lang))
                .code(9204));
        }
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Vec<Listed>, Failure> {
        read_units(Lang::En, Path::new("x.csv"), octets)
    }

    fn utf_16(text: &str, octets: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(octets).collect()
    }

    /// Case 6 of the field: what offices keep in Excel, as Excel writes it.
    #[test]
    fn every_dialect_of_office_programs_is_read() {
        let (comma, tab) = ("code,name,kind,parent\r\nH41.92,Sở Thử hai,department,H41\r\n", "\t");
        let tabs = comma.replace(',', tab);
        let dialects = [
            comma.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", comma.as_bytes()].concat(),
            comma.replace(',', ";").into_bytes(),
            format!("sep=;\r\n{}", comma.replace(',', ";")).into_bytes(),
            tabs.clone().into_bytes(),
            utf_16(&format!("\u{feff}{tabs}"), u16::to_le_bytes),
            utf_16(&format!("\u{feff}{tabs}"), u16::to_be_bytes),
            utf_16(&tabs, u16::to_le_bytes),
            "Kind;PARENT;note;Name;Code\ndepartment;H41;x;Sở Thử hai;H41.92\n;;;;\n".into(),
        ];
        for dialect in dialects {
            let units = read(&dialect).unwrap_or_else(|error| panic!("{dialect:?}: {error:?}"));
            assert_eq!(units.len(), 1, "{dialect:?}");
            let unit = &units[0].unit;
            assert_eq!((unit.code.as_str(), unit.name.as_str()), ("H41.92", "Sở Thử hai"));
            assert_eq!(unit.parent.as_ref().map(UnitCode::as_str), Some("H41"));
        }
        let quoted = "code;name;kind;parent\nH41.91;\"Sở Thử; một\";department;H41\n";
        assert_eq!(read(quoted.as_bytes()).expect("quoted")[0].unit.name, "Sở Thử; một");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let head = "code,name,kind,parent\nH41.90,A,department,H41\n";
        let with = |line: &str| format!("{head}{line}\n").into_bytes();
        let windows_1258 = [head.as_bytes(), b"H41.94,\"S\xf5 Th\xfd\",department,H41\n"].concat();
        for (list, line, word) in [
            (windows_1258, 3, "UTF-8"),
            (with("H 41,B,commune,H41"), 3, "H 41"),
            (with("H41.94,,commune,H41"), 3, "name"),
            (with("H41.94,B,city,H41"), 3, "city"),
            (with("H41.94,B"), 3, "kind"),
            (with("H41.90,B,commune,H41"), 3, "H41.90"),
            (b"ma,ten\nH41,A\n".to_vec(), 1, "code"),
            (b"sep=,\ncode,name,kind\n\nH41.9x,\n".to_vec(), 4, "name"),
        ] {
            let failure = read(&list).expect_err("it is wrong");
            assert!(failure.what.contains(&format!("line {line}.")), "{failure:?}");
            assert!(failure.why.as_ref().is_some_and(|why| why.contains(word)), "{failure:?}");
            assert!(failure.fix.is_some());
        }
    }

    #[test]
    fn units_stand_behind_the_one_above_them_whatever_the_order_of_the_list() {
        let registered = BTreeSet::from(["H41".parse::<UnitCode>().expect("a code")]);
        let order = |text: &str| {
            let listed = read(text.as_bytes()).expect("a list");
            in_order(Lang::En, Path::new("x.csv"), listed, &registered)
        };
        let head = "code,name,kind,parent\n";
        let list = format!("{head}H41.93.01,A,other,H41.93\nH41.93,B,department,H41\n");
        let codes: Vec<_> =
            order(&list).expect("in order").into_iter().map(|unit| unit.code.to_string()).collect();
        assert_eq!(codes, ["H41.93", "H41.93.01"]);
        let nowhere = order(&format!("{head}H41.93,B,department,H41\nH41.95.01,A,other,H41.95\n"));
        let nowhere = nowhere.expect_err("nobody is above it");
        assert!(nowhere.what.contains("line 3."), "{nowhere:?}");
        let circle = format!("{head}H41.93,B,other,H41.94\nH41.94,B,other,H41.93\n");
        assert!(order(&circle).is_err());
    }
}
