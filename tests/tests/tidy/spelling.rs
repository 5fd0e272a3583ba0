//! One spelling of tones: on the vowel that carries the syllable, as in «khoá, xoá, hoá, huỷ, tuỳ».
//!
//! The other spelling («on the first vowel») differs only in open syllables of oa, oe and uy. Names of places are
//! spelt as their decision spells them, and lie in data.

use std::{fs, path::Path};

/// Where nobody writes for people, or where names are quoted.
const LEFT_OUT: [&str; 4] = ["target", ".git", "data", "proptest-regressions"];

/// Files that people write and read.
fn written(directory: &Path, found: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(directory).expect("a directory of the source");
    for entry in entries.map(|entry| entry.expect("an entry")) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            written(&path, found);
        } else if ["rs", "md", "toml", "txt", "service", "sh", "py"].contains(&ending.as_str())
            && let Ok(text) = fs::read_to_string(&path)
        {
            found.push((path.display().to_string(), text));
        }
    }
}

/// The words of a line that are spelt the other way.
fn other_spellings(line: &str) -> Vec<&str> {
    let words = line.split(|c: char| !c.is_alphabetic());
    words.filter(|word| is_other(word)).collect()
}

fn is_other(word: &str) -> bool {
    let letters: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let [.., first, second] = letters.as_slice() else { return false };
    let open = "óòỏõọ".contains(*first) && "ae".contains(*second);
    open || ("úùủũụ".contains(*first) && *second == 'y')
}

#[test]
fn tones_are_spelt_in_one_way() {
    let mut files = Vec::new();
    written(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files);
    assert!(files.len() > 300, "the sources were found");
    let wrong: Vec<String> = files
        .iter()
        .filter(|(name, _)| !name.ends_with("spelling.rs"))
        .flat_map(|(name, text)| {
            let lines = text.lines().enumerate();
            lines.flat_map(move |(number, line)| {
                let words = other_spellings(line).into_iter();
                words.map(move |word| format!("{name}:{}: {word}", number + 1))
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{} words:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_other_spelling_is_found() {
    let found =
        other_spellings("khóa xóa Hóa hỏa HỎA tòa hủy tùy khỏe; khoá xoá hoá huỷ toàn quý của");
    assert_eq!(found, ["khóa", "xóa", "Hóa", "hỏa", "HỎA", "tòa", "hủy", "tùy", "khỏe"]);
}
