//! Values of answers as peers write them: a number for a text, a text for a number or a truth.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// Rows of a list: the directory had 111,339 in October 2025.
pub const ROWS_MAX: usize = 500_000;

/// What an answer is that cannot be JSON, as a peer in trouble sends it.
pub(crate) enum NoJson {
    Empty,
    /// A page for people, or an envelope of SOAP.
    Markup,
}

/// Whether an answer cannot be JSON, by how it begins.
pub(crate) fn no_json(body: &[u8]) -> Option<NoJson> {
    match body.trim_ascii().first() {
        None => Some(NoJson::Empty),
        Some(b'<') => Some(NoJson::Markup),
        Some(_) => None,
    }
}

/// A scalar of JSON, kept as the text that it would be.
struct Scalar(Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor).map(Self)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number, true, false or null")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(Some(truth.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A text that may be null, and may be written as a number.
pub(crate) fn text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Scalar::deserialize(d).map(|scalar| scalar.0)
}

/// A text that is there and is not empty: without it a row means nothing.
pub(crate) fn demanded<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let text = text(d)?.filter(|text| !text.is_empty());
    text.ok_or_else(|| D::Error::custom("it is empty"))
}

/// A whole number, also as a text.
pub(crate) fn number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    let text = text(d)?.filter(|text| !text.is_empty());
    let parse = |text: String| text.parse().map_err(|_| D::Error::custom("it is no whole number"));
    text.map(parse).transpose()
}

/// A truth, also as a text or as 0 and 1.
pub(crate) fn truth<'de, D: Deserializer<'de>>(d: D) -> Result<Option<bool>, D::Error> {
    let Some(text) = text(d)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.as_str() {
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        _ => Err(D::Error::custom("it is neither true nor false")),
    }
}

/// A JSON object. An array of its members in order, which serde would take for one, is none.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Rows up to their limit; the error says which row it is.
pub(crate) fn rows<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(RowsVisitor(PhantomData))
}

struct RowsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for RowsVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        loop {
            let row = seq.next_element::<Object<T>>();
            match row.map_err(|error| A::Error::custom(format!("row {}: {error}", rows.len())))? {
                None => return Ok(rows),
                Some(_) if rows.len() == ROWS_MAX => {
                    return Err(A::Error::custom("more rows than any directory has"));
                }
                Some(Object(row)) => rows.push(row),
            }
        }
    }
}
