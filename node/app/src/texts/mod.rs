//! Every text that people read, in Vietnamese and in English, and nowhere else.
//!
//! A text is one constant with both languages; `{name}` is a place that is filled in. What
//! machines read (words, codes, JSON) is not here: it is never translated.

use std::fmt::Display;

/// What a part says.
#[cfg(test)]
type Messages = fn() -> Vec<(String, Text)>;

/// Declares the parts, and `PARTS` for the file of all messages: a part that does not list what it says does not
/// compile.
macro_rules! parts {
    ($($name:ident),*) => {
        $(pub mod $name;)*

        /// What each part says, by its name.
        #[cfg(test)]
        const PARTS: &[(&str, Messages)] =
            &[$((stringify!($name), $name::messages)),*];
    };
}
parts!(
    authority, demo, edxml, encoding, exits, failures, help, identity, packets, reasons, receipts,
    settings, simulate, states, units, words
);
pub mod clocks;
pub mod edxml_help;
pub mod moments;

/// A language of the program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

impl Lang {
    /// The language of a word like `vi`, `en_US.UTF-8`; none when it is another one.
    pub fn of_locale(locale: &str) -> Option<Self> {
        let word = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
        match word.to_ascii_lowercase().as_str() {
            "vi" => Some(Self::Vi),
            "en" | "c" | "posix" => Some(Self::En),
            _ => None,
        }
    }

    /// The same for the client.
    pub const fn for_client(self) -> client::Language {
        match self {
            Self::Vi => client::Language::Vi,
            Self::En => client::Language::En,
        }
    }
}

/// One text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Vietnamese.
    pub vi: &'static str,
    /// English.
    pub en: &'static str,
}

impl Text {
    /// The text in a language.
    pub const fn in_lang(self, lang: Lang) -> &'static str {
        match lang {
            Lang::Vi => self.vi,
            Lang::En => self.en,
        }
    }

    /// The text with its places filled in. A value that is a moment is shown as people read one: all
    /// texts pass here, so that none shows another zone.
    pub fn fill(self, lang: Lang, values: &[(&str, &dyn Display)]) -> String {
        let mut rest = self.in_lang(lang);
        let mut filled = String::with_capacity(rest.len() + 32);
        while let Some(start) = rest.find('{') {
            let Some(length) = rest[start..].find('}') else { break };
            let name = &rest[start + 1..start + length];
            filled.push_str(&rest[..start]);
            match values.iter().find(|(key, _)| *key == name) {
                Some((_, value)) => filled.push_str(&moments::local(&value.to_string())),
                None => filled.push_str(&rest[start..=start + length]),
            }
            rest = &rest[start + length + 1..];
        }
        filled.push_str(rest);
        filled
    }
}

/// A text that is filled in already, for errors that do not know yet in which language they will be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    vi: String,
    en: String,
}

impl Said {
    /// What is said in each language.
    pub fn of(say: impl Fn(Lang) -> String) -> Self {
        Self { vi: say(Lang::Vi), en: say(Lang::En) }
    }

    /// The text in a language.
    pub fn in_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::Vi => &self.vi,
            Lang::En => &self.en,
        }
    }
}

impl Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.en)
    }
}

/// Declares texts, and `messages` for the file of all of them.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $vi:literal, $en:literal;)*) => {
        $(
            $(#[$doc])*
            pub const $name: $crate::texts::Text = $crate::texts::Text { vi: $vi, en: $en };
        )*

        /// Every text of this part, by its name.
        #[cfg(test)]
        pub(super) fn messages() -> Vec<(String, $crate::texts::Text)> {
            vec![$((stringify!($name).to_owned(), $name)),*]
        }
    };
}
pub(crate) use texts;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
            .collect()
    }

    fn all() -> Vec<(String, Text)> {
        let named = |(part, messages): &(&str, Messages)| {
            let part = (*part).to_owned();
            messages().into_iter().map(move |(name, text)| (format!("{part}::{name}"), text))
        };
        PARTS.iter().flat_map(named).collect()
    }

    #[test]
    fn no_text_is_missing_in_one_language() {
        for (name, text) in all() {
            assert!(!text.vi.trim().is_empty() && !text.en.trim().is_empty(), "{name}");
            assert_eq!(places(text.vi), places(text.en), "{name}: the places differ");
        }
    }

    /// Every message that people can meet, in both languages, so that a change of one is read by whoever reviews it.
    #[test]
    fn every_message_is_in_the_file_of_messages() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages.txt");
        let blocks = all().into_iter().map(|(name, Text { vi, en })| {
            let indented = |text: &str| text.replace('\n', "\n    ");
            format!("{name}\nvi: {}\nen: {}\n", indented(vi), indented(en))
        });
        let now = blocks.collect::<Vec<_>>().join("\n");
        if std::env::var_os("UPDATE_MESSAGES").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))
                .expect("a directory");
            std::fs::write(path, &now).expect("written");
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        let differing = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
        assert!(
            now == kept,
            "UPDATE_MESSAGES=1 writes {path} anew; the first difference: {differing:?}"
        );
    }

    /// Finding 25: `1 warnings`, `a importance`.
    #[test]
    fn english_counts_and_articles_are_right_for_every_value() {
        for (name, text) in all() {
            let words: Vec<&str> = text.en.split_whitespace().collect();
            for pair in words.windows(2) {
                let [first, second] = pair else { continue };
                let counts = ["{count}", "{days}", "{voters}", "{files}", "{packets}", "{added}"];
                let many = counts.contains(first) && second.ends_with('s');
                assert!(!many, "{name}: {first} {second} is wrong for one");
                let begins =
                    |letters: &str| second.to_lowercase().starts_with(|c| letters.contains(c));
                // «Nghệ An» is none.
                let article = |a: &str| *first == a;
                let sounds = [
                    "one", "unit", "unicode", "hour", "https", "http", "utf-8", "url", "usage",
                    "ssh", "rsa", "hmac", "lgsp",
                ];
                if sounds.iter().any(|word| second.to_lowercase().starts_with(word)) {
                    continue;
                }
                assert!(!(article("a") && begins("aeiou")), "{name}: {first} {second}");
                assert!(
                    !(article("an") && begins("bcdfgjklmnpqrstvwxyz")),
                    "{name}: {first} {second}"
                );
            }
        }
    }

    /// A text that is written elsewhere is in no file of messages.
    #[test]
    fn texts_are_written_here_and_nowhere_else() {
        fn visit(directory: &std::path::Path, see: &mut dyn FnMut(&std::path::Path, &str)) {
            for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    visit(&path, see);
                } else {
                    see(&path, &std::fs::read_to_string(&path).expect("a source"));
                }
            }
        }
        let vietnamese = |c: char| matches!(c, 'ă' | 'đ' | 'ơ' | 'ư' | '\u{1ea0}'..='\u{1ef9}');
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        visit(&source, &mut |path, text| {
            let shown = path.display().to_string();
            // The demonstration's packets have Vietnamese titles: data, not talk.
            if shown.contains("/texts/") || shown.contains("/demo/") || shown.ends_with("tests.rs")
            {
                return;
            }
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                assert!(!line.contains(vietnamese) && !line.contains("vi: \""), "{shown}: {line}");
            }
        });
    }

    #[test]
    fn places_are_filled_and_others_stay() {
        let text = Text { vi: "nút {node}: {what}", en: "node {node}: {what}" };
        assert_eq!(
            text.fill(Lang::Vi, &[("node", &3), ("what", &"tốt {node}")]),
            "nút 3: tốt {node}"
        );
        assert_eq!(text.fill(Lang::En, &[("node", &3)]), "node 3: {what}");
        assert_eq!(
            text.fill(Lang::En, &[("node", &3), ("what", &model::Moment(1_795_334_851_204))]),
            "node 3: 2026-11-22 15:07:31 +07"
        );
    }

    #[test]
    fn locales_choose_a_language() {
        assert_eq!(Lang::of_locale("vi_VN.UTF-8"), Some(Lang::Vi));
        assert_eq!(Lang::of_locale("en_US.UTF-8"), Some(Lang::En));
        assert_eq!(Lang::of_locale("C.UTF-8"), Some(Lang::En));
        assert_eq!(Lang::of_locale("fr_FR"), None);
    }
}
