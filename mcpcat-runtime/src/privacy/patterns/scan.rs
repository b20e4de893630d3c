//! One pass from left to right. A table sorts bytes: most are passed, the start of a word is looked up by its
//! first letter, and the few marks that secrets have in them (`:` `=` `-` `@` `~`) have a matcher each.

use super::{Found, Patterns, card, flags, keyed, tags, vendors};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Letter,
    Digit,
    Dash,
    Colon,
    Equals,
    At,
    Backslash,
    Percent,
    Tilde,
    Less,
    /// May begin a phone number.
    Phone,
}

const CLASSES: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            b'-' => Class::Dash,
            b':' => Class::Colon,
            b'=' => Class::Equals,
            b'@' => Class::At,
            b'\\' => Class::Backslash,
            b'%' => Class::Percent,
            b'~' => Class::Tilde,
            b'<' => Class::Less,
            b'+' | b'(' => Class::Phone,
            _ => Class::Other,
        };
        byte += 1;
    }
    table
};

fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

/// The shortest that a built-in pattern can match in a text of letters, digits and underscores alone: a card number.
/// All others have a mark in them.
const LEAST: usize = 12;

/// Whether a text is so short and plain that no built-in pattern matches in it, as most keys and many values are.
#[inline]
pub(super) fn holds_nothing(text: &[u8]) -> bool {
    text.len() < LEAST
        && text.iter().all(|&byte| byte == b'_' || matches!(class(byte), Class::Letter | Class::Digit))
}

/// The first secret that begins at `from` or later; what stands before `from` is only looked at.
pub(super) fn find(text: &str, from: usize, patterns: &Patterns) -> Option<Found> {
    let bytes = text.as_bytes();
    let mut at = from;
    // Before here no JWT begins: one run of its characters is read once, not once for each `eyJ` in it.
    let mut barren = from;
    while at < bytes.len() {
        let mut found = None;
        let mut next = at + 1;
        match class(bytes[at]) {
            Class::Other => {}
            kind @ (Class::Letter | Class::Digit) => {
                if patterns.built_in {
                    found =
                        if kind == Class::Letter { word(bytes, at, &mut barren) } else { number(bytes, at) };
                }
                if found.is_none() && patterns.ip {
                    found = address(text, at);
                }
                if found.is_none() && patterns.phone && kind == Class::Digit {
                    found = phone(bytes, at);
                }
                next = word_end(bytes, at);
                if found.is_none()
                    && patterns.built_in
                    && kind == Class::Letter
                    && may_be_key(bytes[at], next - at)
                {
                    found = keyed::apart(text, at, next);
                }
            }
            Class::Dash if patterns.built_in => {
                found = pem(text, at)
                    .or_else(|| mailchimp(bytes, at).filter(|found| found.start >= from))
                    .or_else(|| flags::find(text, at, &patterns.keys));
            }
            Class::Colon if patterns.built_in => {
                found = userinfo(bytes, at).or_else(|| keyed::member(text, at, &patterns.keys));
            }
            Class::Equals if patterns.built_in => found = keyed::assignment(text, at, &patterns.keys),
            Class::Less if patterns.built_in => found = tags::find(text, at, &patterns.keys),
            Class::Tilde if patterns.built_in => found = azure(bytes, at).filter(|found| found.start >= from),
            Class::At if patterns.email => found = email(bytes, from, at),
            Class::Phone if patterns.phone => found = phone(bytes, at),
            // A word begins after an escape of JSON or of a URL, though a letter of the escape stands before it.
            Class::Backslash => next = after_backslash(bytes, at),
            Class::Percent if is_hex(bytes, at + 1, 2) => next = at + 3,
            _ => {}
        }
        if found.is_some() {
            return found;
        }
        at = next;
    }
    None
}

/// Whether a word can be one that [`keyed::apart`] knows.
pub(super) fn may_be_key(first: u8, len: usize) -> bool {
    matches!(
        (first | 32, len),
        (b'p', 3 | 6 | 8 | 10)
            | (b't', 5)
            | (b's', 6)
            | (b'a', 6)
            | (b'c', 10)
            | (b'r', 11)
            | (b'm', 10)
            | (b'b', 2)
    )
}

fn word_end(bytes: &[u8], start: usize) -> usize {
    let is_word = |byte: &&u8| matches!(class(**byte), Class::Letter | Class::Digit);
    start + bytes[start..].iter().take_while(is_word).count()
}

fn is_hex(bytes: &[u8], at: usize, count: usize) -> bool {
    bytes.get(at..at + count).is_some_and(|bytes| bytes.iter().all(u8::is_ascii_hexdigit))
}

fn after_backslash(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'n' | b'r' | b't' | b'b' | b'f') => at + 2,
        Some(b'u') if is_hex(bytes, at + 2, 4) => at + 6,
        _ => at + 1,
    }
}

/// What begins at the first letter of a word.
fn word(bytes: &[u8], at: usize, barren: &mut usize) -> Option<Found> {
    let found = match bytes[at] {
        b'e' if at >= *barren && bytes[at..].starts_with(b"eyJ") => {
            jwt(bytes, at).map_err(|end| *barren = end).ok()
        }
        b'b' | b'B' if matches!(bytes.get(at + 1), Some(b'a' | b'e' | b'A' | b'E')) => scheme(bytes, at),
        b'M' | b'N' | b'O' => discord_token(bytes, at),
        b'h' if bytes[at..].starts_with(b"hooks.") => webhook(bytes, at),
        b'd' if bytes[at..].starts_with(b"discord") => webhook(bytes, at),
        _ => None,
    };
    found.or_else(|| vendors::find(bytes, at))
}

/// What begins at the first digit of a word.
fn number(bytes: &[u8], at: usize) -> Option<Found> {
    if let Some(end) = card::find(bytes, at) {
        return Some(Found::new(at, end, "card"));
    }
    telegram(bytes, at)
}

fn run(bytes: &[u8], at: usize, also: &[u8]) -> usize {
    run_to(bytes, at, also, usize::MAX)
}

/// A run that is looked at no further than needed: a text made of beginnings must not be read once for each.
fn run_to(bytes: &[u8], at: usize, also: &[u8], most: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let rest = &rest[..rest.len().min(most)];
    rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || also.contains(byte)).count()
}

/// Three or five parts in base64url, the first of which is JSON; else the end of what could have been the first.
fn jwt(bytes: &[u8], at: usize) -> Result<Found, usize> {
    let head = run(bytes, at, b"_-");
    let mut end = at + head;
    let mut parts = 1;
    let payload = end + 1;
    while parts < 5 && bytes.get(end) == Some(&b'.') {
        let part = run(bytes, end + 1, b"_-");
        // An encrypted token with a direct key has an empty second part.
        if part == 0 && !(parts == 1 && bytes.get(end + 1) == Some(&b'.')) {
            break;
        }
        end += 1 + part;
        parts += 1;
    }
    let has_payload = bytes.get(payload..).is_some_and(|rest| rest.starts_with(b"eyJ"));
    if head >= 10 && (parts >= 3 || parts == 2 && has_payload) {
        Ok(Found::new(at, end, "jwt"))
    } else {
        Err(at + head)
    }
}

/// `Bearer …` and `Basic …`.
fn scheme(bytes: &[u8], at: usize) -> Option<Found> {
    let name = run(bytes, at, b"");
    let bearer = bytes[at..at + name].eq_ignore_ascii_case(b"bearer");
    if !bearer && !bytes[at..at + name].eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let rest = &bytes[at + name..];
    let gap = if rest.starts_with(b"%20") {
        3
    } else {
        rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
    };
    let start = at + name + gap;
    let len = run(bytes, start, b"._~+/-");
    let padding = bytes[start + len..].iter().take_while(|byte| **byte == b'=').count();
    let len = len + padding;
    let token = &bytes[start..start + len];
    // `bearer status=200` is a line of a log.
    let assigned = padding > 0 && bytes.get(start + len).is_some_and(u8::is_ascii_alphanumeric);
    if gap == 0 || assigned {
        return None;
    }
    if bearer {
        keyed::looks_secret(token).then(|| Found::new(start, start + len, "bearer token"))
    } else {
        names_and_password(token).then(|| Found::new(start, start + len, "basic credentials"))
    }
}

/// Base64 of `name:password`.
fn names_and_password(token: &[u8]) -> bool {
    let digits = token.iter().map_while(|&byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    });
    let (mut bits, mut held) = (0_u32, 0);
    let mut colon = false;
    for digit in digits {
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            let byte = (bits >> held) as u8;
            if byte < 0x20 || byte == 0x7f {
                return false;
            }
            colon |= byte == b':';
        }
    }
    colon && token.len() >= 4
}

/// `123456789:AA…`
fn telegram(bytes: &[u8], at: usize) -> Option<Found> {
    let digits = word_end(bytes, at) - at;
    if !(8..=10).contains(&digits) || bytes.get(at + digits) != Some(&b':') {
        return None;
    }
    let secret = run_to(bytes, at + digits + 1, b"_-", 40);
    let mixed =
        |range: &[u8]| range.iter().any(u8::is_ascii_uppercase) && range.iter().any(u8::is_ascii_lowercase);
    let start = at + digits + 1;
    ((34..=36).contains(&secret) && mixed(&bytes[start..start + secret]))
        .then(|| Found::new(at, start + secret, "telegram token"))
}

/// A bot's token: its id in base64, a time, a signature.
fn discord_token(bytes: &[u8], at: usize) -> Option<Found> {
    let id = run_to(bytes, at, b"_-", 29);
    if !(23..=28).contains(&id) || bytes.get(at + id) != Some(&b'.') {
        return None;
    }
    let time = run_to(bytes, at + id + 1, b"_-", 8);
    let second = at + id + 1 + time;
    if !(5..=7).contains(&time) || bytes.get(second) != Some(&b'.') {
        return None;
    }
    let signature = run_to(bytes, second + 1, b"_-", 41);
    (27..=40).contains(&signature).then(|| Found::new(at, second + 1 + signature, "discord token"))
}

/// The secret part of an incoming webhook's address.
fn webhook(bytes: &[u8], at: usize) -> Option<Found> {
    let hooks: [(&[u8], &'static str); 4] = [
        (b"hooks.slack.com/", "slack webhook"),
        (b"hooks.zapier.com/hooks/catch/", "zapier webhook"),
        (b"discord.com/api/webhooks/", "discord webhook"),
        (b"discordapp.com/api/webhooks/", "discord webhook"),
    ];
    hooks.into_iter().find_map(|(host, label)| {
        let start = at + host.len();
        let len = if bytes[at..].starts_with(host) { run(bytes, start, b"/_-") } else { 0 };
        (len >= 16).then(|| Found::new(start, start + len, label))
    })
}

/// A whole block; one that was cut off reaches to the end.
fn pem(text: &str, at: usize) -> Option<Found> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    let label = text[at..].strip_prefix(BEGIN)?;
    let name = label.find("-----").filter(|&len| len <= 64)?;
    if name == 0 || !label[..name].bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ')
    {
        return None;
    }
    let inside = at + BEGIN.len() + name + 5;
    let end = text[inside..].find(END).map_or(text.len(), |end| {
        let line = inside + end + END.len();
        text[line..].find("-----").filter(|&len| len <= 64).map_or(line, |dashes| line + dashes + 5)
    });
    Some(Found::new(at, end, "pem"))
}

/// Thirty-two hex digits, `-us` and the number of a data centre; this is the dash.
fn mailchimp(bytes: &[u8], at: usize) -> Option<Found> {
    let rest = bytes[at..].strip_prefix(b"-us")?;
    let digits = run(rest, 0, b"");
    let fits = (1..=2).contains(&digits) && rest[..digits].iter().all(u8::is_ascii_digit);
    let start = at.checked_sub(32)?;
    let escape = start >= 2 && after_backslash(bytes, start - 2) == start && bytes[start - 2] == b'\\';
    let escape = escape || start >= 3 && bytes[start - 3] == b'%';
    let whole = start == 0 || !bytes[start - 1].is_ascii_alphanumeric() || escape;
    (fits && whole && is_hex(bytes, start, 32)).then(|| Found::new(start, at + 3 + digits, "mailchimp key"))
}

/// A client secret: three characters, a digit, `Q~` and 31 to 34 more; this is the tilde.
fn azure(bytes: &[u8], at: usize) -> Option<Found> {
    let start = at.checked_sub(5)?;
    let head = &bytes[start..at];
    let fits =
        head[4] == b'Q' && head[3].is_ascii_digit() && head[..3].iter().all(|b| !b.is_ascii_whitespace());
    let len = run_to(bytes, at + 1, b"_~.-", 40);
    // A full stop at the end of a sentence is not part of it.
    let len = bytes[at + 1..at + 1 + len].iter().rposition(|&byte| byte != b'.').map_or(0, |last| last + 1);
    (fits && head.is_ascii() && (30..=36).contains(&len))
        .then(|| Found::new(start, at + 1 + len, "azure secret"))
}

/// What stands between `://` and `@`; this is the colon.
fn userinfo(bytes: &[u8], at: usize) -> Option<Found> {
    let rest = &bytes[at + 1..];
    let slashes = if rest.starts_with(b"//") {
        2
    } else if rest.starts_with(br"\/\/") {
        4
    } else {
        return None;
    };
    let start = at + 1 + slashes;
    let authority = bytes[start..]
        .iter()
        .take_while(|byte| !byte.is_ascii_whitespace() && !br#"/\?#"'`<>,;()"#.contains(byte))
        .count();
    let host = bytes[start..start + authority].iter().rposition(|&byte| byte == b'@')?;
    let user = &bytes[start..start + host];
    // `git@` is a name that everybody uses; a long one is a token.
    let secret = user.contains(&b':') || user.len() >= 16;
    (secret && !user.starts_with(b"[redacted")).then(|| Found::new(start, start + host, "userinfo"))
}

/// This is the `@`; the name may reach back to where the last secret ended.
fn email(bytes: &[u8], from: usize, at: usize) -> Option<Found> {
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
    let name = bytes[from..at].iter().rev().take_while(is_name).count();
    let domain = run(bytes, at + 1, b".-");
    let domain = &bytes[at + 1..at + 1 + domain];
    let len = domain.iter().rposition(u8::is_ascii_alphanumeric)? + 1;
    let top = domain[..len].rsplit(|&byte| byte == b'.').next()?;
    let fits = name > 0 && top.len() >= 2 && top.len() < len && top.iter().all(u8::is_ascii_alphabetic);
    fits.then(|| Found::new(at - name, at + 1 + len, "email"))
}

/// `+49 30 901820`, `(555) 123-4567`, `555-123-4567`.
fn phone(bytes: &[u8], at: usize) -> Option<Found> {
    if at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || matches!(bytes[at - 1], b'.' | b'-' | b'/' | b'+'))
    {
        return None;
    }
    let international = bytes[at] == b'+';
    let mut shape = [0_usize; 8];
    let mut groups = 0;
    let mut gap = 1;
    // The last place where a number of the right length could end; more digits may follow that are not its own.
    let mut end = None;
    for (i, &byte) in bytes[at..].iter().enumerate().take(28) {
        match byte {
            b'0'..=b'9' => {
                groups += usize::from(gap > 0);
                gap = 0;
                let Some(group) = shape.get_mut(groups - 1) else {
                    break;
                };
                *group += 1;
                let digits: usize = shape.iter().sum();
                let fits =
                    if international { (8..=15).contains(&digits) } else { shape[..groups] == [3, 3, 4] };
                let next = bytes.get(at + i + 1);
                if fits && !next.is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_') {
                    end = Some(at + i + 1);
                }
            }
            b' ' | b'-' | b'.' | b'(' | b')' if gap < 2 || i == 1 => gap += 1,
            b'+' if i == 0 => {}
            _ => break,
        }
    }
    end.map(|end| Found::new(at, end, "phone"))
}

fn address(text: &str, at: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let before = at.checked_sub(1).map(|before| bytes[before]);
    if matches!(before, Some(b'.' | b':' | b'-' | b'_')) {
        return None;
    }
    let len =
        bytes[at..].iter().take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')).count();
    let shown = text[at..at + len].trim_end_matches(['.', ':']);
    let end = at + shown.len();
    if bytes.get(at + len).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_')) {
        return None;
    }
    let is_v4 = |text: &str| text.parse::<std::net::Ipv4Addr>().is_ok();
    let v6 = shown.matches(':').count() >= 2
        && shown.bytes().any(|byte| byte.is_ascii_digit())
        && shown.parse::<std::net::Ipv6Addr>().is_ok();
    if v6 || is_v4(shown) {
        return Some(Found::new(at, end, "ip"));
    }
    // `10.0.0.1:8080`
    let host = shown.split(':').next()?;
    is_v4(host).then(|| Found::new(at, at + host.len(), "ip"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_too_short_for_a_secret_is_not_looked_through(
            text in prop_oneof!["[A-Za-z0-9_]{0,13}", "(eyJ|xox|AKIA|sk_|SK|4111)[A-Za-z0-9_]{0,10}"],
        ) {
            let all = Patterns::new();
            prop_assert!(!holds_nothing(text.as_bytes()) || find(&text, 0, &all).is_none(), "{}", text);
        }
    }

    #[test]
    fn a_mark_or_a_length_is_looked_into() {
        for text in ["pwd=x", "pin: 1", "a://b:c@d", "Basic YTpi", "411111111111"] {
            assert!(!holds_nothing(text.as_bytes()), "{text}");
        }
    }
}
