//! The date of HTTP (RFC 9110 section 5.6.7) in the three forms that a server must read: the current one,
//! `Sun, 06 Nov 1994 08:49:37 GMT`, that of RFC 850, `Sunday, 06-Nov-94 08:49:37 GMT`, and that of C's
//! asctime, `Sun Nov  6 08:49:37 1994`.

use model::Moment;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const DAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
/// Letters of a day's short name.
const DAY_LEN: usize = 3;
/// A year of two digits from here on is one of the century before: no signature is of 1969.
const CENTURY_BEGINS: u64 = 70;

/// The parts of a date, as they are written.
struct Written<'a> {
    day_name: &'a [u8],
    is_full_name: bool,
    day: u64,
    month: &'a [u8],
    year: u64,
    time: &'a [u8],
}

/// Reads a date of HTTP; none when it is not one, or is before 1970.
pub(crate) fn parse(text: &[u8]) -> Option<Moment> {
    let Written { day_name, is_full_name, day, month, year, time } =
        current(text).or_else(|| rfc_850(text)).or_else(|| asctime(text))?;
    let &[h1, h2, b':', mi1, mi2, b':', s1, s2] = time else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[mi1, mi2])?, number(&[s1, s2])?);
    // A leap second is written as 60.
    if year < 1970
        || !(1..=days_in(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let days = days_since_1970(year, month, day);
    let name = DAYS[(days % 7) as usize];
    let name = if is_full_name { name } else { &name[..DAY_LEN] };
    if name.as_bytes() != day_name {
        return None;
    }
    Some(Moment::from_secs(days * 86_400 + hour * 3600 + minute * 60 + second))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn current(text: &[u8]) -> Option<Written<'_>> {
    let (day_name, rest) = text.split_at_checked(DAY_LEN)?;
    let rest = rest.strip_prefix(b", ")?.strip_suffix(b" GMT")?;
    let (date, time) = rest.split_at_checked("06 Nov 1994 ".len())?;
    let [d1, d2, b' ', month @ .., b' ', y1, y2, y3, y4, b' '] = date else { return None };
    let (day, year) = (number(&[*d1, *d2])?, number(&[*y1, *y2, *y3, *y4])?);
    Some(Written { day_name, is_full_name: false, day, month, year, time })
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc_850(text: &[u8]) -> Option<Written<'_>> {
    let comma = text.iter().position(|c| *c == b',')?;
    let (day_name, rest) = text.split_at(comma);
    let rest = rest.strip_prefix(b", ")?.strip_suffix(b" GMT")?;
    let (date, time) = rest.split_at_checked("06-Nov-94 ".len())?;
    let [d1, d2, b'-', month @ .., b'-', y1, y2, b' '] = date else { return None };
    let (day, year) = (number(&[*d1, *d2])?, number(&[*y1, *y2])?);
    let year = if year < CENTURY_BEGINS { 2000 + year } else { 1900 + year };
    Some(Written { day_name, is_full_name: true, day, month, year, time })
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<Written<'_>> {
    let (day_name, rest) = text.split_at_checked(DAY_LEN)?;
    let (month, rest) = rest.strip_prefix(b" ")?.split_at_checked("Nov".len())?;
    let [b' ', d1, d2, b' ', time @ .., b' ', y1, y2, y3, y4] = rest else { return None };
    let d1 = if *d1 == b' ' { b'0' } else { *d1 };
    let (day, year) = (number(&[d1, *d2])?, number(&[*y1, *y2, *y3, *y4])?);
    Some(Written { day_name, is_full_name: false, day, month, year, time })
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + is_leap(year) as u64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to a civil date (proleptic Gregorian calendar, years that begin in March).
const fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = if month <= 2 { month + 9 } else { month - 3 };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        for (text, secs) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 20 Apr 2021 02:07:55 GMT", 1_618_884_475),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Thu, 05 Jan 2012 21:31:40 GMT", 1_325_799_100),
            ("Sun, 22 Nov 2026 08:07:31 GMT", 1_795_334_851),
            ("Sunday, 22-Nov-26 08:07:31 GMT", 1_795_334_851),
            ("Sun Nov 22 08:07:31 2026", 1_795_334_851),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(Moment::from_secs(secs)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Mon, 29 Feb 2027 00:00:00 GMT",
            "Monday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37",
            "Mon Nov  6 08:49:37 1994",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 1994 GMT",
            "Sun Nov    08:49:37 1994",
            "Wednesday, 31-Dec-69 23:59:59 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
