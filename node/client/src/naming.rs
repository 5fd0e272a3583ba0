//! The name under which a received content is kept: the sender's, made harmless.
//!
//! The name comes from a stranger. It may wish for a word, not for a place: no path, no hidden file, no option
//! of a command, no device, and never the name of a file that is there.

use model::{FileName, PacketId};
use percent_encoding::percent_decode_str;

/// The longest name, in octets: what file systems keep, less the room for a number and two marks.
const OCTETS_MAX: usize = 240;
/// How often one name may be there already: more of them are no accident.
pub(crate) const NUMBERS_MAX: u32 = 1000;
/// The ending of what is not whole yet.
pub(crate) const PART: &str = ".part";

/// What Windows takes for devices, whatever their ending.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];
/// The same with a digit behind them.
const PORTS: [&str; 2] = ["COM", "LPT"];

/// The name that a `Content-Disposition` (RFC 6266) tells in the form of RFC 8187.
pub(crate) fn told(disposition: &str) -> Option<FileName> {
    let parameters = parameters(disposition).filter_map(|part| part.split_once('='));
    let (_, value) = parameters
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("filename*"))
        .find_map(|(_, value)| Some((value, value.trim().split_once("''")?.1)))?;
    percent_decode_str(value).decode_utf8().ok()?.parse().ok()
}

/// The parts of a header between its semicolons. Those inside a quoted string belong to it: an older form of the name
/// stands there, and it is the sender's.
fn parameters(header: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    header.split(move |c| {
        let between = c == ';' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        between
    })
}

/// A sender's name as a file of ours may be called; none where nothing of it is left.
pub(crate) fn harmless(name: &FileName) -> Option<String> {
    let plain = |c: char| !c.is_control() && !r#"/\:*?"<>|"#.contains(c);
    let text: String = name.as_str().chars().map(|c| if plain(c) { c } else { '_' }).collect();
    // Windows drops them, and then it is another name: those of the sender, and those at which it is cut.
    let trimmed = |text: &str| text.trim_end_matches(['.', ' ']).to_owned();
    let mut text = trimmed(&shortened(&trimmed(&text)));
    if text.trim().is_empty() {
        return None;
    }
    let stem = text.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let port = stem.strip_suffix(|c: char| c.is_ascii_digit());
    let device = DEVICES.contains(&stem.as_str()) || port.is_some_and(|port| PORTS.contains(&port));
    // A dot hides a file and may name a program's settings; a hyphen is an option, a tilde somebody's home.
    if device || text.starts_with(['.', '-', '~', ' ']) {
        text.insert(0, '_');
    }
    if text.to_ascii_lowercase().ends_with(PART) {
        text.push('_');
    }
    Some(text)
}

/// The packet's own name, with the ending of its media type.
pub(crate) fn of_packet(packet: PacketId, media_type: Option<&str>) -> String {
    let essence = media_type.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    let ending = match essence.trim() {
        "application/pdf" => ".pdf",
        "application/edxml+xml" => ".edxml",
        "application/xml" | "text/xml" => ".xml",
        "application/json" => ".json",
        "application/zip" => ".zip",
        "text/plain" => ".txt",
        "text/csv" => ".csv",
        _ => ".bin",
    };
    format!("{packet}{ending}")
}

/// The name and, where it is there already, its successors: `a.pdf`, `a (2).pdf`, `a (3).pdf`.
pub(crate) fn numbered(name: &str, number: u32) -> String {
    let (stem, ending) = split(name);
    if number < 2 { name.to_owned() } else { format!("{stem} ({number}){ending}") }
}

/// A name without its ending, and the ending.
fn split(name: &str) -> (&str, &str) {
    // An ending of many octets is a sentence with a dot in it.
    const ENDING_MAX: usize = 16;
    let at = name.rfind('.').filter(|at| *at > 0 && name.len() - at <= ENDING_MAX);
    name.split_at(at.unwrap_or(name.len()))
}

fn shortened(name: &str) -> String {
    let (stem, ending) = split(name);
    let room = OCTETS_MAX.saturating_sub(ending.len());
    let end = (0..=stem.len().min(room)).rev().find(|at| stem.is_char_boundary(*at));
    format!("{}{ending}", &stem[..end.unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str) -> String {
        harmless(&name.parse().expect("a file name")).expect("something is left")
    }

    #[test]
    fn a_senders_name_is_a_word_and_no_place() {
        for (sent, file) in [
            ("Công văn số 12.pdf", "Công văn số 12.pdf"),
            ("mat.txt.age", "mat.txt.age"),
            (".bashrc", "_.bashrc"),
            ("-rf", "_-rf"),
            ("~root.txt", "_~root.txt"),
            ("a:b*c?d\"e<f>g|h.txt", "a_b_c_d_e_f_g_h.txt"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("Com7.log", "_Com7.log"),
            ("COMBO.txt", "COMBO.txt"),
            ("a.pdf...", "a.pdf"),
            ("a.pdf.part", "a.pdf.part_"),
        ] {
            assert_eq!(kept(sent), file, "{sent}");
        }
        assert_eq!(harmless(&"...".parse().expect("a file name")), None);
        let long = format!("{}.pdf", "ạ".repeat(80));
        assert!(kept(&long).len() <= OCTETS_MAX && kept(&long).ends_with("ạ.pdf"));
    }

    #[test]
    fn a_long_name_is_cut_before_it_is_made_harmless() {
        let stem = |octets: usize| "a".repeat(octets);
        for (sent, file) in [
            (format!("{}. 17 octets of it", stem(238)), stem(238)),
            (format!("{}.part and the rest", stem(235)), format!("{}.part_", stem(235))),
            (format!("-{}.pdf", stem(250)), format!("_-{}.pdf", stem(235))),
            (format!("{}.pdf. .", stem(240)), format!("{}.pdf", stem(236))),
        ] {
            assert_eq!(kept(&sent), file);
            assert!(numbered(&file, NUMBERS_MAX).len() <= 255);
        }
    }

    #[test]
    fn names_are_told_by_the_header() {
        let name = |header: &str| told(header).map(|name| name.as_str().to_owned());
        for header in [
            "attachment; filename*=UTF-8''C%C3%B4ng%20v%C4%83n.pdf",
            "attachment; filename=\"C_ng v_n.pdf\"; FILENAME*=utf-8''C%C3%B4ng%20v%C4%83n.pdf",
            // The sender called it so, and once more with a quote of its own.
            "a; filename=\"a; filename*=UTF-8''b.pdf\"; filename*=UTF-8''C%C3%B4ng%20v%C4%83n.pdf",
            r#"a; filename="a\"; filename*=UTF-8''b.pdf"; filename*=UTF-8''C%C3%B4ng%20v%C4%83n.pdf"#,
            r#"a; filename="a\\"; filename*=UTF-8''C%C3%B4ng%20v%C4%83n.pdf"#,
        ] {
            assert_eq!(name(header).as_deref(), Some("Công văn.pdf"));
        }
        for header in [
            "attachment",
            "attachment; filename*=x",
            "a; filename*=UTF-8''..%2Fa",
            "a; filename=\"a; filename*=UTF-8''b.pdf\"",
            "a; filename=\"a; filename*=UTF-8''b.pdf",
        ] {
            assert_eq!(name(header), None, "{header}");
        }
    }

    #[test]
    fn a_name_that_is_there_gets_a_number() {
        assert_eq!(numbered("a.pdf", 1), "a.pdf");
        assert_eq!(numbered("a.pdf", 2), "a (2).pdf");
        assert_eq!(numbered("cong-van", 3), "cong-van (3)");
        assert_eq!(numbered("_.bashrc", 2), "_ (2).bashrc");
    }
}
