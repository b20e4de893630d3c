//! Times of the wire, read once and for all readers: what the page, the API and the order of events show is this number.
//!
//! Senders write more forms than RFC 3339 has, and a browser reads some of them as another moment or as none. They are
//! accepted, because an event is worth more than its notation, and marked.

use super::suspect::Suspect;

/// A time as microseconds since 1970, and what is doubtful about its notation.
pub(crate) fn read(text: &str) -> Option<(i64, Suspect)> {
    let text = text.trim();
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        let notation = if is_rfc3339(text.as_bytes()) { Suspect::NONE } else { Suspect::ODD_TIME };
        return Some((at.as_microsecond(), notation));
    }
    // Without an offset it is taken as UTC, which the sender may not have meant.
    let at: jiff::Timestamp = format!("{text}Z").parse().ok()?;
    Some((at.as_microsecond(), Suspect::NO_ZONE))
}

/// A wire time as microseconds since 1970. A time without an offset is taken as UTC.
pub(crate) fn instant(text: &str) -> Option<i64> {
    read(text).map(|(at, _)| at)
}

/// Microseconds since 1970 as the wire writes them: UTC, six digits.
pub(crate) fn iso(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |at| format!("{at:.6}"))
}

/// `YYYY-MM-DDTHH:MM:SS[.f…](Z|±HH:MM)` with a second below 60.
fn is_rfc3339(text: &[u8]) -> bool {
    let shape = |pattern: &[u8], text: &[u8]| {
        pattern.len() == text.len()
            && pattern.iter().zip(text).all(|(want, got)| match want {
                b'0' => got.is_ascii_digit(),
                b'T' => matches!(got, b'T' | b't'),
                other => other == got,
            })
    };
    let Some((civil, rest)) = text.split_at_checked(19) else { return false };
    if !shape(b"0000-00-00T00:00:00", civil) || civil[17] == b'6' {
        return false;
    }
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            &fraction[digits..]
        }
    };
    matches!(rest, b"Z" | b"z") || shape(b"+00:00", rest) || shape(b"-00:00", rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_of_every_sdk_are_read_to_the_microsecond() {
        let micros = Some(1_795_355_824_390_000);
        assert_eq!(instant("2026-11-22T13:57:04.390Z"), micros);
        assert_eq!(instant("2026-11-22T13:57:04.390000+00:00"), micros);
        assert_eq!(instant("2026-11-22T13:57:04.390000000Z"), micros);
        assert_eq!(instant("2026-11-22T19:27:04.390+05:30"), micros);
        assert_eq!(instant("2026-11-22T13:57:04.390"), micros);
        assert_eq!(iso(1_795_355_824_390_000), "2026-11-22T13:57:04.390000Z");
    }

    #[test]
    fn notations_that_browsers_read_otherwise_are_marked() {
        for text in ["2026-11-22T13:57:04Z", "2026-11-22T13:57:04.3901234+05:30", "2026-11-22t13:57:04z"] {
            assert_eq!(read(text).unwrap().1, Suspect::NONE, "{text}");
        }
        for text in
            ["2026-11-22T13:57:60Z", "2026-11-22T13:57:04,5Z", "2026-11-22T13:57:04+00", "2026-11-22T13Z"]
        {
            assert_eq!(read(text).unwrap().1, Suspect::ODD_TIME, "{text}");
        }
        for text in ["2026-11-22T13:57:04", "2026-11-22 13:57:04.5"] {
            assert_eq!(read(text).unwrap().1, Suspect::NO_ZONE, "{text}");
        }
        assert_eq!(read("yesterday"), None);
    }

    proptest! {
        #[test]
        fn any_time_that_is_written_is_read(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
            prop_assert_eq!(read(&iso(micros)), Some((micros, Suspect::NONE)));
        }
    }
}
