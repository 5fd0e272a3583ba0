//! Checks of the fields of a body: each becomes a word, or an error with its pointer.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use model::{Malformed, Moment};

use crate::problem::{FieldError, Problem};

/// Gathers what is wrong in a body, so that a caller learns all of it at once.
#[derive(Default)]
pub(crate) struct Check {
    errors: Vec<FieldError>,
}

/// Errors that are told at once; more help nobody.
const ERRORS_MAX: usize = 50;

impl Check {
    /// Notes what is wrong.
    pub(crate) fn wrong(&mut self, pointer: impl Display, reason: &'static str) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(FieldError::new(pointer.to_string(), reason));
        }
    }

    /// A field that must be a word.
    pub(crate) fn word<T: FromStr<Err = Malformed>>(
        &mut self,
        pointer: impl Display,
        text: &str,
    ) -> Option<T> {
        text.parse().map_err(|error: Malformed| self.wrong(pointer, error.reason)).ok()
    }

    /// A field that is a word where it is there.
    pub(crate) fn optional<T: FromStr<Err = Malformed>>(
        &mut self,
        pointer: impl Display,
        text: Option<&str>,
    ) -> Option<T> {
        text.and_then(|text| self.word(pointer, text))
    }

    /// A list of words.
    pub(crate) fn words<T: FromStr<Err = Malformed>>(
        &mut self,
        pointer: &str,
        texts: &[String],
    ) -> Vec<T> {
        let mut words = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            words.extend(self.word(format_args!("{pointer}/{index}"), text));
        }
        words
    }

    /// A list that has so many items.
    pub(crate) fn count(
        &mut self,
        pointer: impl Display,
        count: usize,
        allowed: RangeInclusive<usize>,
    ) {
        if count < *allowed.start() {
            self.wrong(pointer, "the list is empty");
        } else if count > *allowed.end() {
            self.wrong(pointer, "the list is too long");
        }
    }

    /// A moment where it is there.
    pub(crate) fn moment(&mut self, pointer: impl Display, text: Option<&str>) -> Option<Moment> {
        let text = text?;
        let moment = moment(text);
        if moment.is_none() {
            self.wrong(pointer, "a moment of RFC 3339 with its offset is expected");
        }
        moment
    }

    /// What was made of the fields, if nothing was wrong.
    pub(crate) fn done<T>(self, made: Option<T>) -> Result<T, Problem> {
        match made {
            Some(made) if self.errors.is_empty() => Ok(made),
            _ => Err(Problem::fields(self.errors)),
        }
    }
}

/// Reads RFC 3339: `2026-11-22T15:07:31.204+07:00`. Parts of a millisecond are cut.
pub(crate) fn moment(text: &str) -> Option<Moment> {
    let octets = text.as_bytes();
    let separators = octets.get(4) == Some(&b'-')
        && octets.get(7) == Some(&b'-')
        && matches!(octets.get(10), Some(b'T' | b't' | b' '))
        && octets.get(13) == Some(&b':')
        && octets.get(16) == Some(&b':');
    if !separators || !text.is_ascii() {
        return None;
    }
    let number = |from: usize, to: usize| digits(text.get(from..to)?);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let (ms, zone) = fraction(&text[19..])?;
    let days = days_from_civil(year, month, day)?;
    // A leap second is taken as the first moment of the next minute.
    let in_day =
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)?;
    let secs = (days * 86_400 + in_day).checked_sub(offset(zone)?)?;
    Some(Moment(u64::try_from(secs).ok()?.checked_mul(1000)?.checked_add(ms)?))
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Milliseconds, and what follows them.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&len) {
        return None;
    }
    let ms = format!("{:0<3}", &rest[..len.min(3)]).parse().ok()?;
    Some((ms, &rest[len..]))
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let (hours, minutes) = (
        (hours.len() == 2).then(|| digits(hours))??,
        (minutes.len() == 2).then(|| digits(minutes))??,
    );
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days since 1970 of a civil date (proleptic Gregorian calendar, eras of 400 years).
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some(era * 146_097 + doe - 719_468)
}

#[cfg(test)]
mod tests {
    use model::{Title, UnitCode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_of_rfc_3339_are_read() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T08:07:31.204Z", 1_795_334_851_204),
            ("2026-11-22T15:07:31.204999+07:00", 1_795_334_851_204),
            ("2026-11-22t03:07:31.2-05:00", 1_795_334_851_200),
            ("2000-02-29 00:00:00z", 951_782_400_000),
        ] {
            assert_eq!(moment(text), Some(Moment(ms)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_moments() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T08:07:31",
            "2026-11-22T08:07:31.Z",
            "2026-13-22T08:07:31Z",
            "2026-02-29T08:07:31Z",
            "2026-11-22T24:07:31Z",
            "2026-11-22T08:07:31+7:00",
            "2026-11-22T08:07:31+07:00x",
            "1969-12-31T23:59:59Z",
            "+026-11-22T08:07:31Z",
            "2026-11-22T08:07:31.1234567890Z",
            "2026-11-22T08:07:3éZ",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut check = Check::default();
        let title: Option<Title> = check.word("/title", "");
        let targets: Vec<UnitCode> = check.words("/targets", &["H41.02".into(), "…".into()]);
        assert!(title.is_none() && targets.len() == 1);
        let pointers: Vec<_> = check.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/title", "/targets/1"]);
        assert!(check.done(Some(())).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,40}") {
            moment(&text);
        }

        #[test]
        fn moments_read_back(ms in 0u64..253_402_300_800_000) {
            prop_assert_eq!(moment(&Moment(ms).to_string()), Some(Moment(ms)));
        }

        #[test]
        fn anything_like_a_moment_is_read_without_harm(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})") {
            moment(&text);
        }
    }
}
