//! Every text that people read, in Vietnamese and in English, and nowhere else.
//!
//! A text is one constant with both languages; `{name}` is a place that is filled in. What
//! machines read (words, codes, JSON) is not here: it is never translated.

pub mod authority;
pub mod clocks;
pub mod demo;
pub mod exits;
pub mod failures;
pub mod help;
pub mod identity;
pub mod moments;
pub mod packets;
pub mod reasons;
pub mod states;
pub mod units;
pub mod words;

use std::fmt::Display;

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

/// Declares texts, and `ALL` for the test that none is missing.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $vi:literal, $en:literal;)*) => {
        $(
            $(#[$doc])*
            pub const $name: $crate::texts::Text = $crate::texts::Text { vi: $vi, en: $en };
        )*

        /// Every text of this part, by its name.
        #[cfg(test)]
        pub const ALL: &[(&str, $crate::texts::Text)] = &[$((stringify!($name), $name)),*];
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

    #[test]
    fn no_text_is_missing_in_one_language() {
        let parts = [
            ("demo", demo::ALL),
            ("failures", failures::ALL),
            ("authority", authority::ALL),
            ("identity", identity::ALL),
            ("packets", packets::ALL),
            ("units", units::ALL),
            ("words", words::ALL),
        ];
        for (part, all) in parts {
            for (name, text) in all {
                assert!(!text.vi.trim().is_empty() && !text.en.trim().is_empty(), "{part}::{name}");
                assert_eq!(places(text.vi), places(text.en), "{part}::{name}: the places differ");
            }
        }
        for entry in help::ALL {
            assert!(!entry.about.vi.is_empty() && !entry.about.en.is_empty(), "{}", entry.path);
            for (arg, text) in entry.args {
                assert!(!text.vi.is_empty() && !text.en.is_empty(), "{} {arg}", entry.path);
            }
        }
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
