//! The dates of HTTP headers (RFC 9110, section 5.6.7), for `Retry-After` and `Date`. By hand because it is the only use of
//! dates as text that this crate reads, and a crate for it would be one more in every host's tree.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment in one of the three forms that a recipient must accept: `Sun, 06 Nov 1994 08:49:37 GMT`,
/// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`. The weekday says nothing that the date does not, and
/// is not checked. `None` for anything else, and for what lies before 1970.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let mut words = text.split([' ', ',', '-']).filter(|word| !word.is_empty()).skip(1);
    let (first, second, third, fourth) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (day, month, year, clock) = match words.next() {
        Some("GMT") => (first, second, third, fourth),
        None => (second, first, fourth, third),
        Some(_) => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (day, year) = (number(day, 31)?, full_year(year)?);
    let mut parts = clock.split(':');
    // A leap second is the last of its minute.
    let mut part = |most| number(parts.next()?, most);
    let seconds = part(23)? * 3_600 + part(59)? * 60 + part(60)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(days(year, month, day)? * 86_400 + seconds))
}

/// Digits alone, up to a bound.
fn number(text: &str, most: u64) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= most)
}

/// Two digits are of this century or the last one.
fn full_year(text: &str) -> Option<u64> {
    let year = number(text, 9_999)?;
    Some(match (text.len(), year) {
        (2, 0..70) => year + 2_000,
        (2, _) => year + 1_900,
        _ => year,
    })
}

/// Days since 1970, by Howard Hinnant's `days_from_civil`.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // The year begins in March, so that its leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let of_era = year % 400;
    let day_of_year = (153 * month + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    (year / 400 * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The last second of the year 9999, as far as four digits go.
    const LAST: u64 = 253_402_300_799;

    #[test]
    fn the_three_forms_of_one_moment() {
        let moment = Some(UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), moment);
        assert_eq!(parse("Sunday, 06-Nov-94 08:49:37 GMT"), moment);
        assert_eq!(parse("Sun Nov  6 08:49:37 1994"), moment);
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 GMT"), Some(UNIX_EPOCH));
        let leap_day = Some(UNIX_EPOCH + Duration::from_secs(951_782_400));
        assert_eq!(parse("Tue, 29 Feb 2000 00:00:00 GMT"), leap_day);
        assert_eq!(parse("Tuesday, 29-Feb-00 00:00:00 GMT"), leap_day);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "120",
            "-1",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nix 1994 08:49:37 GMT",
            "Sun, 06 Nov 19940 08:49:37 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Sat, 01 Jan 0000 00:00:00 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_date_is_read_as_the_crate_httpdate_writes_it(seconds in 0..=LAST) {
            let moment = UNIX_EPOCH + Duration::from_secs(seconds);
            prop_assert_eq!(parse(&httpdate::fmt_http_date(moment)), Some(moment));
        }

        #[test]
        fn foreign_text_does_not_panic(text in "[A-Za-z0-9:, -]{0,40}|\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
