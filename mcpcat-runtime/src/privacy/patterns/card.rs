//! Payment card numbers: the right length under a known issuer's prefix, written in one piece or in the groups
//! that cards are printed in, and passing Luhn. Long ids and timestamps fail at one of these.

/// The end of the card number that begins at this digit, the start of a word.
pub(super) fn find(bytes: &[u8], start: usize) -> Option<usize> {
    if !begins(bytes, start) {
        return None;
    }
    let first = run(bytes, start);
    if first >= 12 {
        let end = start + first;
        return (first <= 19 && ends(bytes, end) && is_card(&bytes[start..end])).then_some(end);
    }
    if first != 4 {
        return None;
    }
    let separator = separator(bytes.get(start + 4..)?)?;
    [&[4, 4, 4, 4][..], &[4, 6, 5], &[4, 6, 4]].into_iter().find_map(|shape| {
        let mut digits = [0; 19];
        let mut count = 0;
        let mut at = start;
        for (i, &len) in shape.iter().enumerate() {
            if i > 0 {
                let rest = bytes.get(at..)?;
                // A line may end in the middle of it.
                at += match () {
                    () if rest.starts_with(separator) => separator.len(),
                    () if rest.starts_with(b"\r\n") => 2,
                    () if rest.starts_with(b"\n") => 1,
                    () => return None,
                };
            }
            if run(bytes, at) != len {
                return None;
            }
            digits[count..count + len].copy_from_slice(&bytes[at..at + len]);
            count += len;
            at += len;
        }
        (ends(bytes, at) && is_card(&digits[..count])).then_some(at)
    })
}

/// What stands between the groups: the same throughout.
fn separator(rest: &[u8]) -> Option<&'static [u8]> {
    const SEPARATORS: [&[u8]; 11] = [
        b"  ",
        b" - ",
        b" ",
        b"-",
        b".",
        b"\t",
        b"\n",
        b"\r\n",
        b"\xc2\xa0",
        b"\xe2\x80\x93",
        b"\xe2\x80\x91",
    ];
    SEPARATORS.into_iter().find(|separator| rest.starts_with(separator))
}

/// Whether digits alone are a card number.
pub(super) fn is_card(digits: &[u8]) -> bool {
    known_issuer(digits) && luhn(digits)
}

fn run(bytes: &[u8], start: usize) -> usize {
    bytes.get(start..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Not the tail of a longer number: `0.4111…`, `2024-4111…`.
fn begins(bytes: &[u8], start: usize) -> bool {
    let Some(before) = start.checked_sub(1) else {
        return true;
    };
    let joined = matches!(bytes[before], b'.' | b'-' | b'_' | b'/' | b',' | b'+');
    !(joined && before > 0 && bytes[before - 1].is_ascii_hexdigit())
}

fn ends(bytes: &[u8], end: usize) -> bool {
    match bytes.get(end) {
        None => true,
        Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => false,
        Some(b'.' | b'-') => !bytes.get(end + 1).is_some_and(u8::is_ascii_hexdigit),
        Some(_) => true,
    }
}

fn known_issuer(digits: &[u8]) -> bool {
    let prefix = |len: usize| digits[..len].iter().fold(0, |sum, &digit| sum * 10 + u32::from(digit - b'0'));
    if digits.len() < 12 {
        return false;
    }
    let (two, three, four) = (prefix(2), prefix(3), prefix(4));
    match digits.len() {
        // American Express
        15 if matches!(two, 34 | 37) => true,
        // Diners Club
        14 if matches!(three, 300..=305) || matches!(two, 36 | 38 | 39) => true,
        // Visa
        13 | 16 | 19 if digits[0] == b'4' => true,
        // Mastercard
        16 if matches!(two, 51..=55) || matches!(four, 2221..=2720) => true,
        // Discover, JCB, UnionPay, RuPay
        16..=19 => {
            matches!(four, 6011 | 3528..=3589) || matches!(three, 644..=649 | 508) || matches!(two, 62 | 65)
        }
        // Maestro
        12..=15 => matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761 | 6762 | 6763),
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &digit)| {
            let value = u32::from(digit - b'0') << (i % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|&digit| digit != digits[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        find(text.as_bytes(), 0).map(|end| &text[..end])
    }

    #[test]
    fn printed_cards_are_found() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "4111.1111.1111.1111",
            "4111 1111 1111\n1111",
            "4111  1111  1111  1111",
            "4111\u{a0}1111\u{a0}1111\u{a0}1111",
            "6011111111111117",
            "30569309025904",
            "3056 930902 5904",
            "3530111333300000",
            "6200000000000005",
        ] {
            assert_eq!(found(card), Some(card));
        }
        assert_eq!(found("4111 1111 1111 1111 12/29"), Some("4111 1111 1111 1111"));
        assert_eq!(found("4111111111111111."), Some("4111111111111111"));
    }

    #[test]
    fn other_numbers_are_not() {
        for number in [
            "4111111111111112",
            "1700000000000",
            "1234567890123456",
            "0000000000000000",
            "4444444444444444444444",
            "4111111111111111.5",
            "4111111111111111a",
            "4111-1111-1111-1111-1111",
            "9999999999999995",
            "411111111111",
        ] {
            assert_eq!(found(number), None, "{number}");
        }
        assert_eq!(find(b"0.4111111111111111", 2), None);
    }
}
