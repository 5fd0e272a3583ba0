//! Days and times of edXML: written without a zone, and meant in the only zone that Vietnam has.

use std::fmt;

use super::codes::Code;

/// How far Vietnam's clocks are ahead of UTC, in seconds. The wire names no zone (section 8.8).
const OFFSET_SECONDS: i64 = 7 * 3_600;

const DAY_SECONDS: i64 = 86_400;

/// A day as documents date it: `yyyy/MM/dd`, from 0001/01/01 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    year: u16,
    month: u8,
    day: u8,
}

/// A time as hubs stamp it: `yyyy/MM/dd HH:mm:ss`, in UTC+07:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime {
    day: Day,
    hour: u8,
    minute: u8,
    second: u8,
}

impl Day {
    /// A day of the calendar; none where there is no such day, or its year is not within 1 to 9999.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let length = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u8::from(leap),
            _ => return None,
        };
        let good = (1..=9_999).contains(&year) && (1..=length).contains(&day);
        good.then_some(Self { year, month, day })
    }

    /// The year, from 1 to 9999.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// Days since 1970/01/01, by the calendar of today.
    fn number(self) -> i64 {
        // Years begin in March here, so that the leap day is the last of a year.
        let month = (i64::from(self.month) + 9) % 12;
        let year = i64::from(self.year) - i64::from(month >= 10);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    fn from_number(number: i64) -> Option<Self> {
        let shifted = number.checked_add(719_468)?;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march + 2) / 5 + 1;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        Self::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?)
    }
}

impl LocalTime {
    /// A time of a day; none where the day has no such time. Leap seconds are not written.
    pub fn new(day: Day, hour: u8, minute: u8, second: u8) -> Option<Self> {
        let good = hour < 24 && minute < 60 && second < 60;
        good.then_some(Self { day, hour, minute, second })
    }

    /// The day.
    pub const fn day(self) -> Day {
        self.day
    }

    /// Seconds since 1970-01-01T00:00:00Z, negative before.
    pub fn unix_seconds(self) -> i64 {
        let of_day = i64::from(self.hour) * 3_600 + i64::from(self.minute) * 60;
        self.day.number() * DAY_SECONDS + of_day + i64::from(self.second) - OFFSET_SECONDS
    }

    /// The time on Vietnam's clocks, seconds since 1970-01-01T00:00:00Z; none outside years 1 to 9999.
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        let local = seconds.checked_add(OFFSET_SECONDS)?;
        let day = Day::from_number(local.div_euclid(DAY_SECONDS))?;
        let of_day = local.rem_euclid(DAY_SECONDS);
        let part = |value: i64| u8::try_from(value).ok();
        Self::new(day, part(of_day / 3_600)?, part(of_day / 60 % 60)?, part(of_day % 60)?)
    }
}

/// The numbers of a text that looks exactly like the pattern, in which a `0` stands for any digit.
fn numbers<const N: usize>(text: &str, pattern: &str) -> Option<[u16; N]> {
    let mut found = [0_u16; N];
    let mut index = 0;
    if text.len() != pattern.len() {
        return None;
    }
    for (octet, wanted) in text.bytes().zip(pattern.bytes()) {
        if wanted != b'0' {
            index += 1;
            if octet != wanted {
                return None;
            }
        } else if octet.is_ascii_digit() {
            // At most four digits stand together, so a number stays below 10,000.
            let number = found.get_mut(index)?;
            *number = *number * 10 + u16::from(octet - b'0');
        } else {
            return None;
        }
    }
    Some(found)
}

fn small(number: u16) -> Option<u8> {
    number.try_into().ok()
}

impl Code for Day {
    fn read(text: &str) -> Option<Self> {
        let [year, month, day] = numbers(text, "0000/00/00")?;
        Self::new(year, small(month)?, small(day)?)
    }

    fn spell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}/{:02}/{:02}", self.year, self.month, self.day)
    }
}

impl Code for LocalTime {
    fn read(text: &str) -> Option<Self> {
        let [year, month, day, hour, minute, second] = numbers(text, "0000/00/00 00:00:00")?;
        let day = Day::new(year, small(month)?, small(day)?)?;
        Self::new(day, small(hour)?, small(minute)?, small(second)?)
    }

    fn spell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:02}:{:02}:{:02}", self.day, self.hour, self.minute, self.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_day_or_time_is_not_read() {
        for text in ["0000/01/01", "2026/02/29", "2026/13/01", "2026/00/10", "2026/1/1", ""] {
            assert_eq!(Day::read(text), None, "{text:?}");
        }
        for text in ["2026-11-20", "20/11/2026", "2026/11/20 ", "２026/11/20", "2026/11/2x"] {
            assert_eq!(Day::read(text), None, "{text:?}");
        }
        for text in ["2026/11/20 24:00:00", "2026/11/20 09:60:00", "2026/11/20T09:00:00"] {
            assert_eq!(LocalTime::read(text), None, "{text:?}");
        }
        assert_eq!(Day::read("2024/02/29"), Day::new(2024, 2, 29));
    }

    #[test]
    fn times_are_those_of_vietnam() {
        let time = LocalTime::read("1970/01/01 07:00:00").expect("a time");
        assert_eq!(time.unix_seconds(), 0);
        let time = LocalTime::read("2026/11/20 09:15:02").expect("a time");
        assert_eq!(time.unix_seconds(), 1_795_140_902);
        assert_eq!(LocalTime::from_unix_seconds(i64::MAX), None);
        assert_eq!(LocalTime::from_unix_seconds(i64::MIN), None);
    }

    proptest! {
        #[test]
        fn every_second_has_one_time(seconds in -62_135_596_800_i64..253_402_275_600) {
            let time = LocalTime::from_unix_seconds(seconds).expect("years 1 to 9999");
            prop_assert_eq!(time.unix_seconds(), seconds);
            prop_assert_eq!(LocalTime::read(&time.to_string()), Some(time));
        }
    }
}
