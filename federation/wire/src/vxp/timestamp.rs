//! The time of a VXP call: `22112026T150823+0100`, local time of Việt Nam and then milliseconds in four digits.
//!
//! The plus sign announces no zone: the SDK writes milliseconds behind it (section 3.1).

use model::Moment;

/// Việt Nam is seven hours before UTC, all year.
const OFFSET_MS: u64 = 7 * 3_600_000;
const DAY_MS: u64 = 86_400_000;
/// The last moment that four digits of a year can write: the end of 9999, local time.
const LAST: Moment = Moment(253_402_300_800_000 - OFFSET_MS - 1);
const YEAR_MAX: u64 = 9999;

/// Writes a moment as the axis reads it. Moments beyond the year 9999 are written as its last.
pub fn write(at: Moment) -> String {
    let local = at.min(LAST).0 + OFFSET_MS;
    let (days, ms) = (local / DAY_MS, local % DAY_MS);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{day:02}{month:02}{year:04}T{hour:02}{minute:02}{second:02}+{:04}", ms % 1000)
}

/// Reads a moment; none for another form, a date that no calendar has, or one before 1970 in UTC.
pub fn parse(text: &str) -> Option<Moment> {
    let (date, rest) = text.as_bytes().split_at_checked("ddMMyyyy".len())?;
    let (time, millis) = rest.strip_prefix(b"T")?.split_at_checked("HHmmss".len())?;
    let millis = millis.strip_prefix(b"+").filter(|digits| digits.len() == 4).and_then(number)?;
    let (day, month, year) = (number(&date[..2])?, number(&date[2..4])?, number(&date[4..])?);
    let (hour, minute, second) = (number(&time[..2])?, number(&time[2..4])?, number(&time[4..])?);
    let is_date = (1970..=YEAR_MAX).contains(&year) && (1..=12).contains(&month);
    if !is_date || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 || millis > 999 {
        return None;
    }
    let secs = hour * 3600 + minute * 60 + second;
    let local = days_since_1970(year, month, day) * DAY_MS + secs * 1000 + millis;
    local.checked_sub(OFFSET_MS).map(Moment)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_before(year: u64) -> u64 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    days_before(year) - days_before(1970) + months + day - 1
}

/// The civil date of a day number since 1970: at most two years and eleven months are walked.
fn civil(days: u64) -> (u64, u64, u64) {
    // A year never has fewer than 365 days, so this guess is never too early.
    let mut year = 1970 + days / 365;
    while days_since_1970(year, 1, 1) > days {
        year -= 1;
    }
    let (mut month, mut day) = (1, days - days_since_1970(year, 1, 1));
    while day >= days_in(year, month) {
        day -= days_in(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_time_of_a_captured_call() {
        // 2026-11-22 08:08:23.100 UTC.
        let at = Moment(1_795_334_903_100);
        assert_eq!(parse("22112026T150823+0100"), Some(at));
        assert_eq!(write(at), "22112026T150823+0100");
        assert_eq!(parse("01011970T070000+0000"), Some(Moment(0)));
        assert_eq!(write(Moment(u64::MAX)), "31129999T235959+0999");
        assert_eq!(parse("31129999T235959+0999"), Some(LAST));
    }

    #[test]
    fn impossible_times_are_none() {
        for text in [
            "",
            "22112026",
            "22112026T150823",
            "22112026T150823+100",
            "22112026T150823+01000",
            "31022026T150823+0100",
            "29022025T000000+0000",
            "29022100T000000+0000",
            "00112026T150823+0100",
            "22002026T150823+0100",
            "22132026T150823+0100",
            "22112026T240000+0000",
            "22112026T156023+0100",
            "22112026T150860+0100",
            "22112026T150823+1000",
            "22112026T150823-0100",
            "22112026 150823+0100",
            "22110000T150823+0100",
            "01011970T065959+0999",
            "+2112026T150823+0100",
            "22112026T150823+0100 ",
            "٢٢112026T150823+0100",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("29022024T000000+0000").is_some() && parse("29022000T000000+0000").is_some());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ms in 0..=LAST.0) {
            prop_assert_eq!(parse(&write(Moment(ms))), Some(Moment(ms)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}|[0-9T+]{18,22}") {
            if let Some(at) = parse(&text) {
                prop_assert_eq!(write(at), text);
            }
        }
    }
}
