//! Bodies of forms, `application/x-www-form-urlencoded`, as browsers and HTTP clients write them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

/// What the WHATWG's serializer leaves as it is, beside letters and digits.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// Pairs of a form that is read: a token request has four at most.
const PAIRS_MAX: usize = 32;

/// Writes pairs as a form; a space is a plus sign.
pub(crate) fn write(pairs: &[(&str, &str)]) -> Zeroizing<String> {
    let encoded = |text| Zeroizing::new(utf8_percent_encode(text, ENCODED).to_string());
    let mut form = Zeroizing::new(String::new());
    for (name, value) in pairs {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(&encoded(name));
        form.push('=');
        form.push_str(&Zeroizing::new(encoded(value).replace("%20", "+")));
    }
    form
}

/// A name and its value; the value may be a secret.
pub(crate) type Pair = (String, Zeroizing<String>);

/// Reads a form; none if it has too many pairs, a broken escape or no UTF-8.
pub(crate) fn read(form: &str) -> Option<Vec<Pair>> {
    let parts = form.split('&').filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Some((decoded(name)?.to_string(), decoded(value)?))
    };
    let pairs: Vec<_> = parts.take(PAIRS_MAX + 1).map(pair).collect::<Option<_>>()?;
    (pairs.len() <= PAIRS_MAX).then_some(pairs)
}

/// One text of a form as it was before; none for a broken escape or no UTF-8.
pub(crate) fn decoded(text: &str) -> Option<Zeroizing<String>> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    let octets = spaced.as_bytes();
    let is_digit = |at: usize| octets.get(at).is_some_and(u8::is_ascii_hexdigit);
    let is_whole =
        |(at, octet): (usize, &u8)| *octet != b'%' || (is_digit(at + 1) && is_digit(at + 2));
    if !octets.iter().enumerate().all(is_whole) {
        return None;
    }
    let text = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Zeroizing::new(text.into_owned()))
}
