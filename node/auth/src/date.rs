//! The date of HTTP (RFC 9110 section 5.6.7) in its one current form: `Sun, 06 Nov 1994 08:49:37 GMT`.
//!
//! The two obsolete forms are not read: no client that signs writes them.

use model::Moment;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const DAYS: [&[u8]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];

/// Reads a date of HTTP; none when it is not one, or is before 1970.
pub(crate) fn parse(text: &[u8]) -> Option<Moment> {
    let [d0, d1, d2, b',', b' ', day @ ..] = text else { return None };
    let [day1, day2, b' ', m0, m1, m2, b' ', y1, y2, y3, y4, b' ', time @ ..] = day else {
        return None;
    };
    let [h1, h2, b':', mi1, mi2, b':', s1, s2, b' ', b'G', b'M', b'T'] = time else { return None };

    let month = MONTHS.iter().position(|name| *name == [*m0, *m1, *m2])? as u64 + 1;
    let day = number(&[*day1, *day2])?;
    let year = number(&[*y1, *y2, *y3, *y4])?;
    let (hour, minute, second) =
        (number(&[*h1, *h2])?, number(&[*mi1, *mi2])?, number(&[*s1, *s2])?);
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
    if DAYS[(days % 7) as usize] != [*d0, *d1, *d2] {
        return None;
    }
    Some(Moment::from_secs(days * 86_400 + hour * 3600 + minute * 60 + second))
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
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
