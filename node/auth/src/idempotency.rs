//! `Idempotency-Key`: the quoted string of the draft, and the bare token that many clients send.

use model::IdempotencyKey;
use sfv::{BareItem, Item, Parser};

use crate::{Rejection, RequestHead, head::trim};

/// The request's idempotency key; none when it has none.
pub fn idempotency_key(head: &RequestHead<'_>) -> Result<Option<IdempotencyKey>, Rejection> {
    let malformed = |reason| Rejection::Malformed { field: "idempotency-key", reason };
    let mut values = head.values("idempotency-key").map(trim);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed("it is given twice"));
    }
    let text = if value.starts_with(b"\"") {
        let item: Item = Parser::new(value)
            .parse()
            .map_err(|_| malformed("it is not a quoted string of RFC 9651"))?;
        match item.bare_item {
            BareItem::String(text) => String::from(text),
            _ => return Err(malformed("a string is expected")),
        }
    } else {
        // A bare key is one word: with white space, quotes or commas it could be read in two ways.
        if !value.iter().all(|c| matches!(c, b'!'..=b'~') && !matches!(c, b'"' | b',' | b'\\')) {
            return Err(malformed("a quoted string or one bare word is expected"));
        }
        String::from_utf8_lossy(value).into_owned()
    };
    text.parse().map(Some).map_err(|error: model::Malformed| malformed(error.reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Header;

    fn read(values: &[&str]) -> Result<Option<String>, Rejection> {
        let headers: Vec<Header<'_>> =
            values.iter().map(|value| ("idempotency-key", value.as_bytes())).collect();
        let head = RequestHead {
            method: "POST",
            authority: "",
            path: "/",
            query: None,
            headers: &headers,
        };
        idempotency_key(&head).map(|key| key.map(|key| key.to_string()))
    }

    #[test]
    fn both_spellings_are_one_key() {
        let key = Some("8e03978e-40d5-43dd-bc93-6894a57f9324".to_owned());
        assert_eq!(read(&["\"8e03978e-40d5-43dd-bc93-6894a57f9324\""]), Ok(key.clone()));
        assert_eq!(read(&[" 8e03978e-40d5-43dd-bc93-6894a57f9324 "]), Ok(key));
        assert_eq!(read(&["\"a \\\" b\""]), Ok(Some("a \" b".to_owned())));
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let long = "x".repeat(129);
        for values in [
            &["a", "b"][..],
            &[""],
            &["\"\""],
            &["a, b"],
            &["\"a"],
            &["a\"b"],
            &["a b"],
            &["đ"],
            &[&long],
        ] {
            assert!(read(values).is_err(), "{values:?}");
        }
    }
}
