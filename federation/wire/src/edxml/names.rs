//! Names of attached files: what must not stand in them, and a name that is safe to write under.

/// How long a safe name is, in octets: below the 255 of file systems, with room for what a tool adds.
pub const SAFE_NAME_OCTETS_MAX: usize = 200;

/// Whether a name has parts of a path, of any system: `/`, `\`, a drive, or a name that means a folder.
pub fn has_path(name: &str) -> bool {
    let drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    drive || name.contains(['/', '\\']) || matches!(name.trim(), "." | "..")
}

/// Whether a character steers a terminal or turns the direction of text, or is not seen: what Unicode's property
/// Default_Ignorable_Code_Point has, but for the selectors of variants, and its separators of lines.
pub fn steers(c: char) -> bool {
    let is_unseen = matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    );
    c.is_control() || is_unseen
}

/// A name under which a file may be written into a folder on any system: no path, no control
/// characters, no leading full stop or hyphen, not empty, at most [`SAFE_NAME_OCTETS_MAX`] octets. The ending
/// stays, since people open files by it.
pub fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |c: char| if steers(c) || "<>:\"|?*".contains(c) { '_' } else { c };
    let plain: String = last.chars().map(plain).collect();
    let plain = plain.trim_matches([' ', '.']);
    // A command that is given all names takes one that begins so for an option.
    let plain =
        &plain.strip_prefix('-').map_or_else(|| plain.to_owned(), |rest| format!("_{rest}"));
    if plain.is_empty() {
        return "tep-dinh-kem".to_owned();
    }
    let (stem, ending) = plain.rsplit_once('.').unwrap_or((plain, ""));
    let ending = if ending.is_empty() { String::new() } else { format!(".{ending}") };
    // Names that Windows keeps for devices, whatever their ending.
    let upper = plain.split('.').next().unwrap_or_default().trim().to_ascii_uppercase();
    let port = upper.strip_prefix("COM").or_else(|| upper.strip_prefix("LPT"));
    let device = matches!(upper.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || port.is_some_and(|port| port.len() == 1 && port.bytes().all(|b| b.is_ascii_digit()));
    let stem = if device { format!("_{stem}") } else { stem.to_owned() };
    if ending.len() > SAFE_NAME_OCTETS_MAX / 2 {
        return cut(&format!("{stem}{ending}"), SAFE_NAME_OCTETS_MAX).to_owned();
    }
    format!("{}{ending}", cut(&stem, SAFE_NAME_OCTETS_MAX - ending.len()))
}

/// The longest beginning of so many octets that ends between characters.
fn cut(text: &str, octets_max: usize) -> &str {
    let end = (0..=octets_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_lose_paths_and_what_steers() {
        for (name, safe) in [
            ("Công văn 1542.pdf", "Công văn 1542.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\a.exe", "a.exe"),
            ("a\u{202E}fdp.exe", "a_fdp.exe"),
            ("a\0b\n.pdf", "a_b_.pdf"),
            ("a\u{61C}b\u{AD}c\u{E0041}\u{3164}.pdf", "a_b_c__.pdf"),
            ("-rf", "_rf"),
            (" -rf.pdf", "_rf.pdf"),
            ("...", "tep-dinh-kem"),
            ("", "tep-dinh-kem"),
            ("con.txt", "_con.txt"),
            ("lpt1", "_lpt1"),
            (".bashrc", "bashrc"),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
        assert!(has_path("a/b") && has_path("a\\b") && has_path("C:a") && has_path(".."));
        assert!(!has_path("1542/SKHCN".split('/').next().expect("a part")));
    }

    proptest! {
        #[test]
        fn every_name_becomes_safe(name in any::<String>()) {
            let safe = safe_name(&name);
            prop_assert!(!safe.is_empty() && safe.len() <= SAFE_NAME_OCTETS_MAX);
            prop_assert!(!has_path(&safe) && !safe.starts_with('.') && !safe.chars().any(steers));
        }
    }
}
