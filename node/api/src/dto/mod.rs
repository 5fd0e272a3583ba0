//! The bodies of requests and answers: serde and OpenAPI live here, and only here.
//!
//! What comes in is text until [`check`] has made words of it; unknown fields are refused.

pub(crate) mod admin;
pub(crate) mod authority;
pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod history;
pub(crate) mod lost;
pub(crate) mod packets;
pub(crate) mod params;
pub(crate) mod problems;
pub(crate) mod schemas;
pub(crate) mod units;

use std::fmt;

use model::Moment;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Moment);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl At {
    pub(crate) fn some(moment: Option<Moment>) -> Option<Self> {
        moment.map(Self)
    }
}

/// A whole number in a request. JSON has one kind of numbers only: `5.0` is as whole as `5`, and some programs
/// write it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) u64);

/// From here on a number with a fraction stands for several whole ones.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl de::Visitor<'_> for Reader {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("u64")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole, E> {
                if number.fract() == 0.0 && (0.0..EXACT_MAX).contains(&number) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "it is whole and below EXACT_MAX"
                    )]
                    return Ok(Whole(number as u64));
                }
                Err(E::invalid_value(de::Unexpected::Float(number), &self))
            }
        }
        deserializer.deserialize_u64(Reader)
    }
}

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Page<T> {
    /// The items, in a stable order.
    pub(crate) items: Vec<T>,
    /// Asks for the next page as `?cursor=`; null on the last one.
    pub(crate) next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::Whole;
    use crate::json::from_json;

    #[derive(serde::Deserialize)]
    struct Sample {
        size: Option<Whole>,
    }

    #[test]
    fn whole_numbers_are_read_as_json_writes_them() {
        for (text, number) in [
            ("5", Some(5)),
            ("5.0", Some(5)),
            ("5e3", Some(5000)),
            ("-0.0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("null", None),
        ] {
            let body = format!("{{\"size\":{text}}}");
            let read: Sample = from_json(body.as_bytes()).expect("a whole number");
            assert_eq!(read.size.map(|size| size.0), number, "{text}");
        }
        for text in ["5.5", "-1", "-1.0", "1e16", "18446744073709551616", "1e400", "\"5\"", "true"]
        {
            let body = format!("{{\"size\":{text}}}");
            assert!(from_json::<Sample>(body.as_bytes()).is_err(), "{text}");
        }
    }
}
