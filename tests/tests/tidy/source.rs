//! A source as tokens: what the product says, without comments, texts and what only tests see.
//!
//! It knows enough of Rust to tell words from texts and to find the end of an item; it does not
//! resolve names.

use std::collections::BTreeSet;

/// What a name is made of, or one sign.
pub type Token = String;

/// What stands for a text or a character.
const TEXT: &str = "\"\"";
/// What stands for a number with a fraction or an exponent.
pub const FLOAT: &str = "a float";

/// What an item begins with that no comma ends.
const ITEMS: &[&str] = &[
    "async", "const", "enum", "extern", "fn", "impl", "mod", "static", "struct", "trait", "type",
    "union", "unsafe",
];

/// The tokens of a source without what is compiled for its tests alone.
pub fn product(text: &str) -> Vec<Token> {
    without_tests(&tokens(text))
}

/// The tokens of a source: names, numbers, signs; comments are left out.
pub fn tokens(text: &str) -> Vec<Token> {
    let octets: Vec<char> = text.chars().collect();
    let mut found: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        let here = octets[at];
        let next = octets.get(at + 1).copied().unwrap_or(' ');
        if here.is_whitespace() {
            at += 1;
        } else if here == '/' && next == '/' {
            at = line_end(&octets, at);
        } else if here == '/' && next == '*' {
            at = comment_end(&octets, at);
        } else if let Some(end) = raw_text_end(&octets, at) {
            found.push(TEXT.into());
            at = end;
        } else if here == '"' || (matches!(here, 'b' | 'c') && next == '"') {
            found.push(TEXT.into());
            at = quoted_end(&octets, at + 1 + usize::from(here != '"'), '"');
        } else if here == '\'' || (here == 'b' && next == '\'') {
            let quote = at + usize::from(here == 'b');
            at = if is_character(&octets, quote) {
                found.push(TEXT.into());
                quoted_end(&octets, quote + 1, '\'')
            } else {
                // A lifetime: its name is no word of the product.
                name_end(&octets, quote + 1)
            };
        } else if is_name(here) && !here.is_ascii_digit() {
            let end = name_end(&octets, at);
            found.push(octets[at..end].iter().collect());
            at = end;
        } else if here.is_ascii_digit() {
            // After a dot it is the place in a tuple, which has no fraction.
            let place = found.last().is_some_and(|last| last == ".");
            let (end, float) = number_end(&octets, at, place);
            found.push(if float { FLOAT.into() } else { octets[at..end].iter().collect() });
            at = end;
        } else if here == ':' && next == ':' {
            found.push("::".into());
            at += 2;
        } else {
            found.push(here.into());
            at += 1;
        }
    }
    found
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn name_end(text: &[char], from: usize) -> usize {
    text[from..].iter().position(|c| !is_name(*c)).map_or(text.len(), |length| from + length)
}

fn line_end(text: &[char], from: usize) -> usize {
    text[from..].iter().position(|c| *c == '\n').map_or(text.len(), |length| from + length)
}

fn comment_end(text: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_end(text: &[char], from: usize, quote: char) -> usize {
    let mut at = from;
    while at < text.len() && text[at] != quote {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The end of a text like `r#"…"#`, if one begins here.
fn raw_text_end(text: &[char], from: usize) -> Option<usize> {
    let mut at = from + usize::from(matches!(text[from], 'b' | 'c'));
    if text.get(at) != Some(&'r') {
        return None;
    }
    at += 1;
    let marks = text[at..].iter().take_while(|c| **c == '#').count();
    if text.get(at + marks) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
    let body = at + marks + 1;
    let length = text[body..].windows(end.len()).position(|window| window == end);
    Some(length.map_or(text.len(), |length| body + length + end.len()))
}

/// Whether the quote here begins a character, not a lifetime.
fn is_character(text: &[char], quote: usize) -> bool {
    text.get(quote + 1) == Some(&'\\') || text.get(quote + 2) == Some(&'\'')
}

fn number_end(text: &[char], from: usize, place: bool) -> (usize, bool) {
    let mut end = name_end(text, from);
    let whole: String = text[from..end].iter().collect();
    let based = ["0x", "0o", "0b"].iter().any(|prefix| whole.starts_with(prefix));
    let mut float = !based
        && (whole.ends_with("f32") || whole.ends_with("f64") || whole.contains(['e', 'E']))
        && !whole.contains("size");
    let followed = text.get(end + 1).copied().unwrap_or(' ');
    let dot = text.get(end) == Some(&'.');
    // `0..5` and `1.max(2)` are no fractions; `1.` is one.
    if dot
        && !based
        && !place
        && followed != '.'
        && (followed.is_ascii_digit() || !is_name(followed))
    {
        float = true;
        end = name_end(text, end + 1);
    }
    (end, float)
}

/// Leaves out each item under `#[cfg(test)]` or `#[test]`: a module, a function, an import.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let attribute = attribute_end(tokens, at);
        match attribute {
            Some(end) if is_of_tests(&tokens[at..end]) => at = item_end(tokens, end),
            Some(end) => {
                kept.extend_from_slice(&tokens[at..end]);
                at = end;
            }
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

fn is_of_tests(attribute: &[Token]) -> bool {
    let inner = attribute.get(2..attribute.len() - 1).unwrap_or_default().concat();
    inner == "cfg(test)" || inner.starts_with("cfg(all(test,") || inner == "test"
}

/// The end of the outer attribute that begins here.
fn attribute_end(tokens: &[Token], at: usize) -> Option<usize> {
    let begins = tokens.get(at)? == "#" && tokens.get(at + 1)? == "[";
    begins.then(|| closed(tokens, at + 1))
}

/// After the sign that closes the one that opens here.
pub fn closed(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The end of an item, its further attributes included: a body, a semicolon, or, of a member or an
/// arm, a comma; the end of what encloses it ends it too.
fn item_end(tokens: &[Token], from: usize) -> usize {
    let mut at = from;
    while let Some(end) = attribute_end(tokens, at) {
        at = end;
    }
    let head =
        tokens[at..].iter().find(|token| !matches!(token.as_str(), "pub" | "(" | "crate" | ")"));
    let head = head.map(String::as_str).unwrap_or_default();
    let import = head == "use";
    let item = import || ITEMS.contains(&head);
    while at < tokens.len() {
        match tokens[at].as_str() {
            "(" | "[" => at = closed(tokens, at),
            "{" if import => at = closed(tokens, at),
            "{" => return closed(tokens, at),
            ";" => return at + 1,
            "," if !item => return at + 1,
            ")" | "]" | "}" => return at,
            _ => at += 1,
        }
    }
    at
}

/// Every path that is said, `use` trees flattened: `use std::{fs, fmt as f}` says `std::fs` and
/// `std::fmt`.
pub fn paths(tokens: &[Token]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at = tree(tokens, at + 1, "", &mut found);
        } else if names(&tokens[at]) {
            at = plain(tokens, at, &mut found);
        } else {
            at += 1;
        }
    }
    found
}

fn names(token: &str) -> bool {
    token != FLOAT && token.starts_with(|c: char| is_name(c) && !c.is_ascii_digit())
}

fn plain(tokens: &[Token], from: usize, found: &mut BTreeSet<String>) -> usize {
    let (mut path, mut at) = (tokens[from].clone(), from + 1);
    while at + 1 < tokens.len() && tokens[at] == "::" && names(&tokens[at + 1]) {
        path = path + "::" + &tokens[at + 1];
        at += 2;
    }
    found.insert(path);
    at
}

/// One branch of a `use` tree, under what was said before it; the place after it comes back.
fn tree(tokens: &[Token], from: usize, before: &str, found: &mut BTreeSet<String>) -> usize {
    let (mut path, mut at) = (before.to_owned(), from);
    while at < tokens.len() {
        match tokens[at].as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while at < tokens.len() && tokens[at] != "}" {
                    at = tree(tokens, at, &path, found);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            "self" if !path.is_empty() => at += 1,
            "as" => at += 2,
            token if names(token) || token == "*" => {
                path = if path.is_empty() { token.into() } else { format!("{path}::{token}") };
                at += 1;
            }
            _ => break,
        }
    }
    if !path.is_empty() {
        found.insert(path);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        paths(&product(text)).into_iter().collect()
    }

    #[test]
    fn imports_are_flattened() {
        let text = "use std::{collections::{BTreeMap, HashSet as H}, fmt, fs::{self, File}};";
        let paths = ["collections::BTreeMap", "collections::HashSet", "fmt", "fs", "fs::File"];
        assert_eq!(said(text), paths.map(|path| format!("std::{path}")));
        assert_eq!(said("pub use a::*; fn f() { b::c::<d::E>() }")[0], "a::*");
        assert!(said("fn f() { b::c::<d::E>() }").contains(&"d::E".to_owned()));
    }

    #[test]
    fn comments_texts_and_lifetimes_say_nothing() {
        let text = "// std::fs\n/* a /* std::net */ b */ fn f<'async>(x: &'async str) { \
                    g(\"std::env \\\" \", r#\"std::io\"#, 'x', '\\'', b\"tokio::x\") }";
        assert_eq!(said(text), ["f", "fn", "g", "str", "x"]);
    }

    #[test]
    fn fractions_are_told_from_ranges_places_and_calls() {
        let floats = |text: &str| tokens(text).iter().filter(|token| *token == FLOAT).count();
        assert_eq!(floats("1.5 + 2. + 1e9 + 3f64 + 2.5e3"), 5);
        assert_eq!(floats("0..5; 1.max(2); x.0.1; 0x1e5; 7_u64; 1..=2; 3usize"), 0);
    }

    #[test]
    fn what_is_compiled_for_tests_alone_is_left_out_and_nothing_else() {
        let text = "#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\nfn a() {}\n\
                    #[cfg(test)] use x::{y, z};\n#[cfg(not(test))] fn b() {}\n\
                    struct S { #[cfg(test)] hidden: u8, seen: u8 }\n\
                    #[cfg(test)] pub(crate) fn c<A, B>() -> [u8; 2] { use h::i; d::e() }\n\
                    #[cfg(test)] mod inner { fn f() { std::fs::read() } }\nfn g() { std::env::var() }";
        let said = said(text);
        for word in ["a", "b", "seen", "g", "std::env::var"] {
            assert!(said.contains(&word.to_owned()), "{word} in {said:?}");
        }
        for word in ["tests", "x::y", "hidden", "c", "d::e", "h::i", "inner", "std::fs::read"] {
            assert!(!said.contains(&word.to_owned()), "{word} in {said:?}");
        }
    }
}
