//! Texts that people and clients give: titles, labels, file names, nonces, idempotency keys.

use unicode_normalization::UnicodeNormalization;

use crate::Malformed;

/// Declares a text with a check: `FromStr`, `Display`, serde and minicbor as a string.
macro_rules! text_word {
    ($(#[$doc:meta])* $name:ident, $word:literal, $check:path) => {
        text_word!($(#[$doc])* $name, $word, $check, std::convert::identity);
    };
    ($(#[$doc:meta])* $name:ident, $word:literal, $check:path, $tidy:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A text that was checked before it was stored. It is not checked (or refused) again, whatever
            /// the check of this program says.
            pub fn stored(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                let tidy: fn(String) -> String = $tidy;
                let text = tidy(text.to_owned());
                $check(&text).map_err(|reason| Malformed::new($word, reason))?;
                Ok(Self(text.into()))
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self, e: &mut minicbor::Encoder<W>, _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.str().map(Self::stored)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_word;

text_word!(
    /// The title of a packet: 1 to 500 characters on one line, in NFC. Record: it outlives the content.
    Title, "title", check_title, nfc
);
text_word!(
    /// A name for people (of a unit, an application, a node): 1 to 200 characters on one line, in NFC.
    Label, "name", check_label, nfc
);
text_word!(
    /// The file name of a content: 1 to 255 characters in NFC, as Windows keeps them, no path. Goes when the
    /// content goes.
    FileName, "file name", check_file_name, nfc
);
text_word!(
    /// The media type of a content (RFC 9110 section 8.3.1): `type/subtype` with parameters, 1 to 127 characters.
    MediaType, "media type", check_media_type
);
text_word!(
    /// A nonce of a signed request: 16 to 128 printable ASCII characters.
    Nonce, "nonce", check_nonce
);
text_word!(
    /// An idempotency key: 1 to 128 printable ASCII characters.
    IdempotencyKey, "idempotency key", check_idempotency_key
);

text_word!(
    /// The name of a lease: what it gives the right to do, as `carrier.vxp`. 1 to 64 characters.
    LeaseName, "lease name", check_lease_name
);

impl Title {
    /// Characters that it has at the most.
    pub const CHARS_MAX: usize = 500;
}

impl Label {
    /// Characters that it has at the most.
    pub const CHARS_MAX: usize = 200;
}

impl FileName {
    /// Characters that it has at the most.
    pub const CHARS_MAX: usize = 255;
}

impl MediaType {
    /// Characters that it has at the most, all of them ASCII.
    pub const LEN_MAX: usize = 127;
}

impl IdempotencyKey {
    /// Characters that it has at the most, all of them ASCII.
    pub const LEN_MAX: usize = 128;
}

fn nfc(text: String) -> String {
    text.trim().nfc().collect()
}

fn check_title(text: &str) -> Result<(), &'static str> {
    check_line(text, Title::CHARS_MAX, "at most 500 characters are allowed")
}

fn check_label(text: &str) -> Result<(), &'static str> {
    check_line(text, Label::CHARS_MAX, "at most 200 characters are allowed")
}

fn check_line(text: &str, chars_max: usize, too_long: &'static str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.chars().count() > chars_max {
        return Err(too_long);
    }
    if text.chars().any(breaks_a_line) {
        return Err("it has a control character or a line break");
    }
    if text.chars().any(turns_text) {
        return Err("it has a mark that reverses the direction of text");
    }
    if text.chars().all(is_invisible) {
        return Err("it has no visible character");
    }
    Ok(())
}

/// Controls, and the two separators that many programs take for the end of a line.
fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The characters with the Unicode property Bidi_Control: they make `fdp.exe` look like `exe.pdf`.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Spaces, and characters that take no room: a text of these alone looks empty.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}')
}

fn check_file_name(text: &str) -> Result<(), &'static str> {
    if !(1..=FileName::CHARS_MAX).contains(&text.chars().count()) {
        return Err("1 to 255 characters are expected");
    }
    if text.chars().any(|c| breaks_a_line(c) || matches!(c, '/' | '\\')) {
        return Err("it has a path separator or a control character");
    }
    if text.chars().any(turns_text) {
        return Err("it has a mark that reverses the direction of text");
    }
    if text.chars().all(is_invisible) {
        return Err("it has no visible character");
    }
    if matches!(text, "." | "..") {
        return Err("it names a directory");
    }
    Ok(())
}

fn check_lease_name(text: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        Ok(())
    } else {
        Err("1 to 64 of a-z, 0-9, '.' and '-' are expected")
    }
}

fn check_media_type(text: &str) -> Result<(), &'static str> {
    let well_formed = text.len() <= MediaType::LEN_MAX
        && text.bytes().all(|c| matches!(c, 0x20..=0x7e))
        && text.split_once('/').is_some_and(|(kind, rest)| {
            let subtype = rest.split(';').next().unwrap_or_default().trim_end();
            let token = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&c))
            };
            token(kind) && token(subtype)
        });
    if well_formed { Ok(()) } else { Err("type/subtype is expected, at most 127 characters") }
}

fn check_nonce(text: &str) -> Result<(), &'static str> {
    if !(16..=128).contains(&text.len()) {
        return Err("16 to 128 characters are expected");
    }
    check_printable(text)
}

fn check_idempotency_key(text: &str) -> Result<(), &'static str> {
    if !(1..=IdempotencyKey::LEN_MAX).contains(&text.len()) {
        return Err("1 to 128 characters are expected");
    }
    check_printable(text)
}

fn check_printable(text: &str) -> Result<(), &'static str> {
    if text.bytes().all(|c| matches!(c, 0x20..=0x7e)) {
        Ok(())
    } else {
        Err("printable ASCII characters are expected")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_nfc_and_no_paths() {
        let decomposed: FileName = "Co\u{302}ng va\u{306}n.pdf".parse().expect("a file name");
        assert_eq!(decomposed.as_str(), "Công văn.pdf");
        for text in ["", "a/b", "..", "a\\b", "a\nb"] {
            assert!(text.parse::<FileName>().is_err(), "{text:?}");
        }
        // Characters, and not octets, are what people and Windows count.
        assert!("ệ".repeat(255).parse::<FileName>().is_ok());
        assert!("e".repeat(256).parse::<FileName>().is_err());
    }

    /// F13 of the attack: what people read must be what is there.
    #[test]
    fn no_text_for_people_deceives_them() {
        fn refused<T: std::str::FromStr>(text: &str) -> bool {
            text.parse::<T>().is_err()
        }
        let marks = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{2028}\u{2029}\u{85}";
        for mark in marks.chars() {
            let text = format!("cong-van-{mark}fdp.exe");
            assert!(refused::<Title>(&text), "{text:?}");
            assert!(refused::<Label>(&text), "{text:?}");
            assert!(refused::<FileName>(&text), "{text:?}");
        }
        for text in ["\u{200b}", "\u{a0}\u{3000}", "\u{feff}\u{2060}", "\u{3164}", "\u{2800}"] {
            assert!(refused::<Title>(text) && refused::<FileName>(text), "{text:?}");
        }
        // Emoji are joined and chosen by invisible characters, and stay what they are.
        assert!("Hoả tốc ❤\u{fe0f}".parse::<Title>().is_ok());
        assert!("👩\u{200d}💻.txt".parse::<FileName>().is_ok());
    }

    #[test]
    fn media_types_have_two_parts() {
        for text in ["application/pdf", "text/plain; charset=utf-8", "application/edxml+xml"] {
            assert!(text.parse::<MediaType>().is_ok(), "{text}");
        }
        for text in ["", "pdf", "/", "a/", "text/plain\r\nx: y", "a b/c"] {
            assert!(text.parse::<MediaType>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_text() {
        let error = "secret\n".repeat(100).parse::<Title>().expect_err("too long");
        assert!(!error.to_string().contains("secret"));
    }
}
