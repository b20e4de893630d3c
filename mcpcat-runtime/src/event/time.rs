//! Time as microseconds, and as the text of the wire (`2026-11-22T13:34:11.114123Z`, UTC).

use std::time::Duration;

/// A duration in whole microseconds, saturating. Not through 128 bits: every event asks, and 64 last for half a million
/// years.
#[inline]
pub(crate) fn micros(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(duration.subsec_micros()))
}

/// The last moment that has a year of four digits, which is all that RFC 3339 knows.
const LAST_MICROS: u64 = 253_402_300_799_999_999;

/// Appends RFC 3339 text with microseconds. The calendar arithmetic is Howard Hinnant's `civil_from_days`.
pub(crate) fn write_rfc3339(out: &mut Vec<u8>, unix_micros: u64) {
    let unix_micros = unix_micros.min(LAST_MICROS);
    let seconds = unix_micros / 1_000_000;
    let days = (seconds / 86_400) as i64 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let of_day = (seconds % 86_400) as u32;
    let micros = (unix_micros % 1_000_000) as u32;
    // Digit by digit: the formatter would cost the worker more than all other numbers of the event.
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let numbers = [
        (0..4, year as u32),
        (5..7, month as u32),
        (8..10, day as u32),
        (11..13, of_day / 3_600),
        (14..16, of_day / 60 % 60),
        (17..19, of_day % 60),
        (20..26, micros),
    ];
    for (place, number) in numbers {
        let mut rest = number;
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(unix_micros: u64) -> String {
        let mut out = Vec::new();
        write_rfc3339(&mut out, unix_micros);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_moments() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(951_782_400_000_001), "2000-02-29T00:00:00.000001Z");
        assert_eq!(text(951_868_799_999_999), "2000-02-29T23:59:59.999999Z");
        assert_eq!(text(1_763_818_451_114_123), "2025-11-22T13:34:11.114123Z");
        assert_eq!(text(4_107_542_400_000_000), "2100-03-01T00:00:00.000000Z");
        assert_eq!(text(LAST_MICROS), "9999-12-31T23:59:59.999999Z");
        assert_eq!(text(u64::MAX), "9999-12-31T23:59:59.999999Z");
    }
}
