//! Secrets on command lines: `--password x`, `--user name:x`, `mysql -px`, as one line or as a list of arguments.

use super::Found;
use super::value;
use crate::policy::KeyPolicy;

/// So far back on the line the program's name is looked for.
const LINE_BYTES: usize = 256;
const NAME_BYTES: usize = 48;
const GAP_BYTES: usize = 64;
/// The longest argument that is looked at.
const LOOK_BYTES: usize = 2_048;

/// Words that stand behind a flag in prose and in help texts.
#[rustfmt::skip]
const PROSE: &[&str] = &[
    "and", "argument", "arguments", "as", "at", "before", "but", "by", "can", "cannot", "file", "flag", "flags", "for",
    "from", "has", "if", "in", "instead", "int", "is", "it", "must", "not", "of", "on", "only", "option", "options",
    "or", "requires", "required", "should", "string", "stringarray", "strings", "text", "than", "that", "the", "then",
    "to", "value", "via", "was", "were", "when", "which", "will", "with", "without",
];

const HTTP: &[&[u8]] = &[b"curl", b"wget", b"http", b"https", b"httpie", b"xh", b"ab"];

/// This is the first dash of a word.
pub(super) fn find(text: &str, at: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let begins = at == 0
        || bytes[at - 1].is_ascii_whitespace()
        || b"\"'`[(,=".contains(&bytes[at - 1])
        || at >= 2 && bytes[at - 2] == b'\\' && matches!(bytes[at - 1], b'n' | b't');
    if !begins {
        return None;
    }
    if bytes.get(at + 1) == Some(&b'-') { long(text, at, keys) } else { short(bytes, at) }
}

fn long(text: &str, at: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let start = at + 2;
    let len = bytes[start..]
        .iter()
        .take(NAME_BYTES)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        .count();
    let name = text.get(start..start + len).filter(|name| !name.is_empty())?;
    let end = start + len;
    if ["user", "proxy-user", "userpwd", "http-user", "creds", "auth"].contains(&name)
        && (bytes.get(end) == Some(&b'=') || argument(bytes, end).is_some())
    {
        let from = if bytes.get(end) == Some(&b'=') { end + 1 } else { argument(bytes, end)? };
        if let Some(found) = after_colon(bytes, from) {
            return Some(found);
        }
    }
    if bytes.get(end) == Some(&b'=') || !keys.redacts(name) {
        return None;
    }
    secret(bytes, argument(bytes, end)?)
}

/// Where the argument behind a flag begins: behind blanks, behind `', '` of a list, or on a continued line.
fn argument(bytes: &[u8], end: usize) -> Option<usize> {
    let mut at = end;
    let quoted = matches!(bytes.get(at), Some(b'"' | b'\''));
    if quoted {
        at += 1;
        at += usize::from(bytes.get(at) == Some(&b','));
    }
    let rest = bytes.get(at..)?;
    let mut gap = 0;
    while gap < GAP_BYTES {
        match rest.get(gap) {
            Some(byte) if byte.is_ascii_whitespace() => gap += 1,
            // A shell's continued line; other escapes are read where they are decoded.
            Some(b'\\') if matches!(rest.get(gap + 1), Some(b'\n' | b'\r')) => gap += 1,
            Some(b'\\') => return None,
            _ => break,
        }
    }
    if gap == 0 && !quoted {
        return None;
    }
    let newline = bytes[at..at + gap].contains(&b'\n');
    let continued = bytes[at..at + gap].contains(&b'\\');
    (!newline || continued || quoted).then_some(at + gap)
}

fn secret(bytes: &[u8], at: usize) -> Option<Found> {
    let (start, end) = extent(bytes, at)?;
    let content = &bytes[start..end];
    let quoted = start > at;
    let first = *content.first()?;
    let upper = content.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    let prose = PROSE.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(content));
    let stands_in = matches!(
        first,
        b'$' | b'<' | b'{' | b'[' | b'(' | b'-' | b'%' | b'|' | b'&' | b'=' | b',' | b'.' | b')'
    ) && content.len() < 64
        && !quoted
        || first == b'$'
        || content.starts_with(value::REDACTED)
        || content.iter().all(|byte| *byte == b'*');
    let taken = !stands_in && (quoted || !upper && !prose) && content.iter().any(u8::is_ascii_alphanumeric);
    taken.then(|| Found::new(start, end, "parameter"))
}

fn extent(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let bytes = &bytes[..bytes.len().min(at + LOOK_BYTES)];
    match *bytes.get(at)? {
        quote @ (b'"' | b'\'') => {
            let end =
                value::string_end(bytes, at + 1, quote).unwrap_or_else(|| value::line_end(bytes, at + 1));
            Some((at + 1, end))
        }
        _ => {
            let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"`".contains(byte);
            let mut end = at + bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at);
            while end > at
                && matches!(bytes[end - 1], b',' | b'.' | b')' | b']' | b';' | b'\'' | b':' | b'\\')
            {
                end -= 1;
            }
            // An escape of JSON ends it.
            let escape =
                bytes[at..end].windows(2).position(|pair| pair[0] == b'\\' && b"nrt\"".contains(&pair[1]));
            Some((at, escape.map_or(end, |escape| at + escape)))
        }
    }
}

/// The password of `name:password`.
fn after_colon(bytes: &[u8], at: usize) -> Option<Found> {
    let (start, end) = extent(bytes, at)?;
    let content = &bytes[start..end];
    let colon = memchr::memchr(b':', content)?;
    let (user, password) = (&content[..colon], &content[colon + 1..]);
    let ids = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let stands_in = matches!(password.first()?, b'$' | b'<' | b'{' | b'/' | b':' | b'%')
        || password.starts_with(value::REDACTED);
    // `--user 1000:1000` and `www-data:www-data` are a user and a group.
    let group = ids(user) && ids(password)
        || user == password && !runs(bytes, at, HTTP)
        || password == b"staff"
        || password == b"root";
    (!user.is_empty() && !stands_in && !group && !user.contains(&b'/'))
        .then(|| Found::new(start + colon + 1, end, "parameter"))
}

/// `-u name:x` of curl, `-p x` and `-px` of the programs that take a password so.
fn short(bytes: &[u8], at: usize) -> Option<Found> {
    let letter = *bytes.get(at + 1)?;
    if !matches!(letter, b'p' | b'P' | b'a' | b'u' | b'U' | b'w' | b'b') {
        return None;
    }
    let next = at + 2;
    let glued =
        bytes.get(next).is_some_and(|byte| !byte.is_ascii_whitespace() && !b"\"'`,)]=".contains(byte));
    let from = if glued { next } else { argument(bytes, next)? };
    if matches!(letter, b'u' | b'U') {
        return if runs(bytes, at, HTTP) { after_colon(bytes, from) } else { None };
    }
    let known: &[&[u8]] = match (letter, glued) {
        (b'p', true) => &[
            b"mysql",
            b"mysqldump",
            b"mysqladmin",
            b"mysqlimport",
            b"mysqlcheck",
            b"mariadb",
            b"mariadb-dump",
            b"7z",
            b"7za",
            b"sshpass",
            b"mongo",
            b"mongosh",
            b"unrar",
            b"rar",
            b"xfreerdp",
        ],
        (b'p', false) => &[
            b"sshpass",
            b"login",
            b"mongo",
            b"mongosh",
            b"mongodump",
            b"mongorestore",
            b"mysqladmin",
            b"snowsql",
            b"cqlsh",
            b"sqlplus",
            b"vncviewer",
            b"htpasswd",
        ],
        (b'P', _) => &[b"zip", b"unzip", b"sqlcmd", b"bcp", b"isql"],
        (b'a', _) => &[b"redis-cli"],
        (b'w', false) => &[b"ldapsearch", b"ldapadd", b"ldapmodify", b"ldapwhoami", b"ldappasswd"],
        _ => return None,
    };
    if runs(bytes, at, known) {
        return secret(bytes, from);
    }
    if letter != b'p' || glued {
        return None;
    }
    // Of a program that is not known: only what looks like nothing else.
    let (start, end) = extent(bytes, from)?;
    let content = &bytes[start..end];
    let has = |is: fn(&u8) -> bool| content.iter().any(is);
    let taken = content.len() >= 6
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && (has(|byte| b"!@#$^*".contains(byte))
            || has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))
        && !has(|byte| b"/:.,=".contains(byte))
        && content[0] != b'$'
        && !content.starts_with(value::REDACTED);
    taken.then(|| Found::new(start, end, "parameter"))
}

/// Whether one of the programs is named before it on its line.
fn runs(bytes: &[u8], at: usize, programs: &[&[u8]]) -> bool {
    let line = &bytes[at.saturating_sub(LINE_BYTES)..at];
    let line = &line[memchr::memrchr2(b'\n', b'|', line).map_or(0, |newline| newline + 1)..];
    line.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_'))
        .any(|word| programs.contains(&word))
}
