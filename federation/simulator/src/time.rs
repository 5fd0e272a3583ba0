//! Times as the national side writes them, all local time of Việt Nam without a zone; and spans as people write them.

use std::time::Duration;

use model::Moment;
use wire::edxml::{Code, Day, LocalTime, Said};

const DAY_MS: u64 = 86_400_000;

/// When the population of the directory was made, and the earliest time that the clock may be moved to.
pub(crate) const POPULATED_AT: Moment = Moment::from_secs(1_751_302_800);
/// The latest time that the clock may be moved to: with years of four digits left for what comes after it.
pub(crate) const LATEST: Moment = Moment::from_secs(253_086_768_000);

/// The time of a moment. Beyond the year 9999 there is none, and the clock is never moved there.
pub(crate) fn local(at: Moment) -> Option<LocalTime> {
    i64::try_from(at.secs()).ok().and_then(LocalTime::from_unix_seconds)
}

/// `yyyy/MM/dd HH:mm:ss`, as lists and documents have it.
pub(crate) fn written(at: Moment) -> String {
    local(at).map(|time| Said::Known(time).to_string()).unwrap_or_default()
}

/// The same with milliseconds.
pub(crate) fn exact(at: Moment) -> String {
    format!("{}.{:03}", written(at), at.0 % 1000)
}

/// `yyyy/MM/dd`.
pub(crate) fn day(at: Moment) -> Option<Day> {
    local(at).map(LocalTime::day)
}

/// Reads a day in the form of the axis, or with hyphens.
pub(crate) fn parse_day(text: &str) -> Option<Day> {
    Day::read(&text.replace('-', "/"))
}

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", DAY_MS)];

/// Reads a span, as `"30 s"` or `"2 h"`; units are ms, s, min, h and d.
pub fn parse_span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let scale = UNITS.iter().find(|(name, _)| *name == unit.trim())?.1;
    number.parse::<u64>().ok()?.checked_mul(scale).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_times_are_read_as_they_are_written() {
        assert_eq!(parse_span("90 s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_span("2h"), Some(Duration::from_secs(7200)));
        for text in ["", "s", "1", "1 y", "-1 s", "99999999999999999999 s"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
        // 2026-11-29 08:30:15.007 in Việt Nam.
        let at = Moment(1_795_915_815_007);
        assert_eq!(exact(at), "2026/11/29 08:30:15.007");
        assert_eq!(parse_day("2026-11-29"), day(at));
        assert_eq!(parse_day("29/11/2026"), None);
    }
}
