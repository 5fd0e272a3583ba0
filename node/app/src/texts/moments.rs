//! Moments as people read them: with their date, in the country's one zone.
//!
//! Data keep RFC 3339. Vietnam is UTC+7 the whole year, so that no database of zones is needed.

use model::Moment;

/// What Asia/Ho_Chi_Minh is ahead of UTC.
const AHEAD_MS: u64 = 7 * 3_600_000;
/// How people see that it is not UTC.
const ZONE: &str = "+07";

/// A moment that is written as RFC 3339 in UTC, as people read it: `2026-11-22 15:07:31 +07`. Any other text
/// stays as it is.
pub fn local(text: &str) -> String {
    let Some(moment) = parsed(text) else { return text.to_owned() };
    let shown = shifted(moment);
    format!("{} {} {ZONE}", &shown[..10], &shown[11..19])
}

/// The same to the millisecond, where steps follow one another: `2026-11-22 15:07:31.204 +07`.
pub fn local_ms(text: &str) -> String {
    let Some(moment) = parsed(text) else { return text.to_owned() };
    let shown = shifted(moment);
    format!("{} {} {ZONE}", &shown[..10], &shown[11..23])
}

/// The civil time of the zone, in the form of a moment.
fn shifted(moment: Moment) -> String {
    Moment(moment.0.saturating_add(AHEAD_MS)).to_string()
}

/// `YYYY-MM-DDThh:mm:ss[.fraction]Z`, from 1970 to 9999.
fn parsed(text: &str) -> Option<Moment> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let right = year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !right || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let ms: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let secs = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(Moment(secs * 1000 + ms))
}

fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut next = |digits| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        part.bytes().all(|digit| digit.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let all = [next(digits[0])?, next(digits[1])?, next(digits[2])?];
    parts.next().is_none().then_some(all)
}

/// The day number since 1970 of a civil date (proleptic Gregorian calendar, eras of 400 years).
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, yoe) = (year / 400, year % 400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finding 6: 10:39 in Vinh is not 03:39.
    #[test]
    fn moments_are_shown_with_their_date_in_the_zone_of_the_country() {
        assert_eq!(local("2026-11-28T03:39:02.488Z"), "2026-11-28 10:39:02 +07");
        assert_eq!(local_ms("2026-11-28T03:39:02.488Z"), "2026-11-28 10:39:02.488 +07");
        assert_eq!(local("2026-12-31T17:00:00Z"), "2027-01-01 00:00:00 +07");
        for text in ["", "?", "2026-11-28", "2026-11-28T03:39:02+07:00", "2026-13-01T00:00:00Z"] {
            assert_eq!(local(text), text);
            assert_eq!(local_ms(text), text);
        }
    }

    #[test]
    fn what_is_parsed_is_what_is_printed() {
        // Every day of two eras' turn, and some hours.
        for hours in (0..1_200_000).step_by(25) {
            let moment = Moment(hours * 3_600_000 + 1204);
            assert_eq!(parsed(&moment.to_string()), Some(moment), "{moment}");
        }
    }
}
