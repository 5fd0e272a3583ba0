//! What is wrong with a file of settings (TOML), in the language of the talk: the reader's own words are English.

use super::{
    Lang,
    help::{Entry, t},
    reasons, texts,
};

texts! {
    UNKNOWN = "không có mục {name}", "there is no setting {name}";
    UNKNOWN_NEAR = "không có mục {name}; có phải {near}?", "there is no setting {name}; did you mean {near}?";
    MISSING = "thiếu mục {name}", "the setting {name} is missing";
    WORD = "{name} không thuộc các giá trị được phép: {words}", "{name} is not one of the allowed values: {words}";
    TWICE = "mục này đã có ở trên", "this setting is already given further up";
    TEXT = "cần chuỗi ký tự trong dấu ngoặc kép", "a text in quotation marks is expected";
    BOOLEAN = "cần true hoặc false", "true or false is expected";
    NUMBER = "cần số nguyên không âm, không có dấu ngoặc kép", "a whole number from 0 on is expected, without quotation marks";
    LIST = "cần danh sách trong ngoặc vuông: [\"…\", \"…\"]", "a list in square brackets is expected: [\"…\", \"…\"]";
    TABLE = "cần một bảng: tên bảng trong ngoặc vuông trên một dòng riêng, các mục ở dưới", "a table is expected: its name in square brackets on a line of its own, its settings below";
    KIND = "giá trị thuộc kiểu khác với kiểu cần có", "the value is not of the expected kind";
    OPEN = "thiếu dấu đóng: ngoặc kép, ngoặc vuông hoặc ngoặc nhọn", "the closing quotation mark, square bracket or brace is missing";
    COMMA = "thiếu dấu phẩy", "a comma is missing";
    VALUE = "thiếu giá trị sau dấu =", "there is no value after the =";
    EQUALS = "thiếu dấu = sau tên mục", "there is no = after the name";
    KEY = "tên mục chỉ gồm chữ không dấu, chữ số, gạch nối và gạch dưới", "names have letters without accents, digits, hyphens and underscores only";
    STRING = "chuỗi ký tự viết sai: thiếu dấu ngoặc kép đóng, hoặc có dấu \\ không hợp lệ", "the text is not valid: its closing quotation mark is missing, or a \\ is in the wrong place";
    SYNTAX = "không đúng cú pháp TOML", "this is not valid TOML";
}

/// Help.
pub const HELP: Entry = Entry {
    path: "config",
    about: t("Tệp cấu hình của nút", "The node's configuration"),
    examples: ["lgsp config check /etc/lgsp/lgsp.toml", "lgsp config show /etc/lgsp/lgsp.toml"],
    args: &[],
};

/// Help.
pub const HELP_CHECK: Entry = Entry {
    path: "config check",
    about: t("Kiểm tra tệp cấu hình", "Check a configuration"),
    examples: ["lgsp config check /etc/lgsp/lgsp.toml", "lgsp config check lgsp.toml -o json"],
    args: &[("file", t("Tệp cấu hình", "The configuration"))],
};

/// Help.
pub const HELP_SHOW: Entry = Entry {
    path: "config show",
    about: t(
        "In cấu hình có hiệu lực, kể cả giá trị mặc định",
        "Print the configuration in force, defaults included",
    ),
    examples: ["lgsp config show /etc/lgsp/lgsp.toml", "lgsp config show lgsp.toml -o json"],
    args: &[("file", t("Tệp cấu hình", "The configuration"))],
};

/// What the reader of TOML found wrong.
pub fn of_toml(lang: Lang, said: &str) -> String {
    let quoted: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    let (name, words) = quoted.split_first().map_or(("", &[][..]), |(name, words)| (*name, words));
    let begins = |word: &str| said.starts_with(word);
    if begins("unknown field") {
        return match nearest(name, words) {
            Some(near) => UNKNOWN_NEAR.fill(lang, &[("name", &name), ("near", &near)]),
            None => UNKNOWN.fill(lang, &[("name", &name)]),
        };
    }
    if begins("unknown variant") {
        return WORD.fill(lang, &[("name", &name), ("words", &words.join(", "))]);
    }
    if begins("missing field") {
        return MISSING.fill(lang, &[("name", &name)]);
    }
    if begins("invalid type") || begins("invalid value") {
        let (_, expected) = said.split_once(", expected ").unwrap_or_default();
        return of_kind(lang, expected);
    }
    let text = match said {
        said if said.contains("duplicate key") => TWICE,
        said if said.contains("unclosed") => OPEN,
        said if said.contains("must be quoted") || said.contains("opening quote") => TEXT,
        said if said.contains("unquoted key") => KEY,
        said if said.contains("missing comma") => COMMA,
        said if said.contains("expected `=`") || said.contains("missing assignment") => EQUALS,
        said if said.contains("missing value") || said.contains("no value") => VALUE,
        said if said.contains("string") && begins("invalid") => STRING,
        _ => return reasons::of_value(lang, said).unwrap_or_else(|| SYNTAX.in_lang(lang).to_owned()),
    };
    text.in_lang(lang).to_owned()
}

fn of_kind(lang: Lang, expected: &str) -> String {
    let whole = |word: &str| ["u8", "u16", "u32", "u64", "usize", "i64"].contains(&word);
    let text = match expected {
        "a boolean" => BOOLEAN,
        "a sequence" => LIST,
        "a map" => TABLE,
        word if word.contains("string") => TEXT,
        word if word.starts_with("struct ") => TABLE,
        word if whole(word) => NUMBER,
        word => return reasons::of_value(lang, word).unwrap_or_else(|| KIND.in_lang(lang).to_owned()),
    };
    text.in_lang(lang).to_owned()
}

/// The word of a list that is meant, if one differs by a slip of the finger or two.
fn nearest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    let far = |other: &str| distance(word, other);
    let near = words.iter().copied().min_by_key(|other| far(other))?;
    (far(near) <= 1 + word.chars().count() / 4).then_some(near)
}

/// How many letters must be put in, left out or changed to come from one word to another.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], at + 1);
        for (place, theirs) in other.iter().enumerate() {
            let changed = before + usize::from(letter != *theirs);
            before = row[place + 1];
            row[place + 1] = changed.min(before + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_found() {
        let words = ["reserve", "spare", "content_max", "ended_kept"];
        assert_eq!(nearest("reserv", &words), Some("reserve"));
        assert_eq!(nearest("content-max", &words), Some("content_max"));
        assert_eq!(nearest("port", &words), None);
        assert_eq!((distance("", "ab"), distance("abc", "abc"), distance("abc", "axc")), (2, 0, 1));
    }
}
