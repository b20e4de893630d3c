//! What stands behind a key: where a value begins and ends, and whether it can be a secret. Texts are full of types,
//! templates, states and code behind words like `token:`; those are no values.

use super::Found;
use super::key::{Key, Mark, Place};
use crate::policy::KeyPolicy;

pub(super) const REDACTED: &[u8] = b"[redacted";
/// Wrappers of Rust's `Debug` inside one another that are looked through: `Some(Token("x"))`.
const WRAPPERS: usize = 4;
/// Longest wrapper's name.
const NAME_BYTES: usize = 40;
/// So much of a value is looked at to decide; only what is taken is read to its end, or a text that is made of
/// beginnings would be read once for each of them.
const LOOK_BYTES: usize = 2_048;
/// The same for a value without quotes.
const WORD_BYTES: usize = 256;

/// States, types and kinds that stand where a secret would.
#[rustfmt::skip]
const NO_VALUES: &[&str] = &[
    "absent", "accepted", "anonymous", "any", "apikey", "array", "as", "basic", "bearer", "bool", "boolean", "buffer",
    "bytes", "cannot", "changed", "char", "cookie", "created", "default", "deleted", "denied", "digest", "disabled",
    "empty", "enabled", "expired", "f64", "failed", "false", "field", "filtered", "for", "forbidden", "found", "from",
    "has", "hidden", "i32", "i64", "id", "in", "include", "incorrect", "int", "integer", "invalid", "is", "jwt",
    "kerberos", "ldap", "list", "masked", "md5", "mismatch", "missing", "mtls", "must", "needed", "negotiate", "never",
    "new", "nil", "no", "none", "not", "null", "number", "oauth", "oauth2", "object", "oidc", "ok", "old", "omit",
    "omitted", "option", "optional", "or", "plain", "present", "provided", "received", "redacted", "refreshed",
    "rejected", "removed", "renewed", "required", "reset", "revoked", "rotated", "same-origin", "saml", "session",
    "set", "sha256", "should", "skipped", "str", "string", "success", "text", "the", "to", "true", "typing", "u32",
    "u64", "u8", "undefined", "unchanged", "unknown", "unset", "unused", "updated", "used", "usize", "valid", "vec",
    "void", "was", "will", "with", "wrong", "yes",
];

/// What variables hold a configuration or a request in, in code.
#[rustfmt::skip]
const OWNERS: &[&str] = &[
    "app", "args", "body", "cfg", "cls", "conf", "config", "context", "crate", "ctx", "data", "env", "event", "form",
    "input", "options", "opts", "os", "params", "process", "props", "req", "request", "self", "session", "settings",
    "state", "std", "super", "this", "user",
];

fn is_word_of(list: &[&str], word: &[u8]) -> bool {
    list.iter().any(|entry| entry.as_bytes().eq_ignore_ascii_case(word))
}

/// Whether a word looks like a credential rather than like prose: letters with digits or signs, or a change of case.
pub(super) fn is_strong(word: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| word.iter().any(is);
    let digit = has(u8::is_ascii_digit);
    let letter = has(u8::is_ascii_alphabetic);
    let sign = word.iter().skip(1).any(|byte| b"!@#$^*+=~?".contains(byte));
    let inner = word.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    let date = word.len() >= 8 && word[..4].iter().all(u8::is_ascii_digit) && matches!(word[4], b'-' | b'/');
    let plain = word.iter().all(u8::is_ascii_alphanumeric);
    word.len() >= 6
        && !date
        && letter
        && (digit || sign || inner && word.len() >= 8 && has(is_sign_or_digit) || plain && word.len() >= 20)
}

fn is_sign_or_digit(byte: &u8) -> bool {
    !byte.is_ascii_alphabetic()
}

/// Templates, masks and what was redacted already.
fn is_stand_in(content: &[u8]) -> bool {
    let Some(&first) = content.first() else {
        return true;
    };
    let same =
        content.iter().all(|&byte| byte == first) && (!first.is_ascii_alphanumeric() || first | 32 == b'x');
    let template =
        content.windows(2).any(|pair| pair == b"${" || pair == b"{{" || pair == b"$(" || pair == b"#{");
    let bracket =
        first == b'<' && content.last() == Some(&b'>') || first == b'{' && content.last() == Some(&b'}');
    let verb =
        first == b'%' && content.len() <= 3 || content.starts_with(b"%(") || content.starts_with(b"%{");
    let masked =
        content.len() >= 3 && content.iter().filter(|&&byte| byte == b'*').count() * 2 > content.len();
    content.starts_with(REDACTED)
        || content.len() >= 10 && content[..10].eq_ignore_ascii_case(b"[redacted]")
        || same
        || template
        || bracket
        || verb
        || masked
}

/// The value that begins behind the mark.
pub(super) fn find(text: &str, key: &Key<'_>, start: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let mut at = start + blanks(bytes, start);
    if key.is_quoted() || matches!(key.mark, Mark::Arrow) {
        at = start + bytes[start..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }
    // Markdown's `**Password:** x`.
    let bold = bytes[at.min(bytes.len())..].iter().take(3).take_while(|&&byte| byte == b'*').count();
    if bold == 2 && matches!(key.mark, Mark::Colon) && bytes.get(at + 2) == Some(&b' ') {
        at += 3;
    }
    let at = unwrapped(bytes, at, key);
    match *bytes.get(at)? {
        b'\n' | b'\r' => block(bytes, key, at),
        quote @ (b'"' | b'\'' | b'`') => quoted(bytes, key, at, quote),
        b'|' | b'>' if matches!(key.mark, Mark::Colon) && key.place == Place::Line => block(bytes, key, at),
        b'{' | b'[' => container(bytes, key, at),
        b'0'..=b'9' | b'-' if key.is_quoted() => number(bytes, key, at),
        _ if matches!(key.mark, Mark::Colon) => structure(bytes, key, at)
            .or_else(|| if key.is_quoted() { None } else { word(text, key, start, at, keys) }),
        _ => word(text, key, start, at, keys),
    }
}

pub(super) fn blanks(bytes: &[u8], start: usize) -> usize {
    bytes.get(start..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// Past `Some(`, `Password(` and the prefixes of strings (`b"`, `r#"`), if a text, a number or a word follows.
fn unwrapped(bytes: &[u8], start: usize, key: &Key<'_>) -> usize {
    let mut at = start;
    for _ in 0..WRAPPERS {
        let name = bytes[at.min(bytes.len())..]
            .iter()
            .take(NAME_BYTES)
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        if name == 0 || !bytes[at].is_ascii_uppercase() || bytes.get(at + name) != Some(&b'(') {
            break;
        }
        at += name + 1;
    }
    let prefix = bytes[at.min(bytes.len())..]
        .iter()
        .take(2)
        .take_while(|byte| matches!(byte, b'b' | b'r' | b'u' | b'f' | b'@'))
        .count();
    if prefix > 0 && matches!(bytes.get(at + prefix), Some(b'"' | b'\'')) {
        return at + prefix;
    }
    // `r#"x"#`
    let hashes = bytes.get(at..).is_some_and(|rest| rest.starts_with(b"r#\"") || rest.starts_with(b"r##"));
    if hashes {
        return at + 1 + bytes[at + 1..].iter().take_while(|&&byte| byte == b'#').count();
    }
    let some = at > start && bytes[start..].starts_with(b"Some(");
    match bytes.get(at) {
        Some(b'"' | b'\'') => at,
        Some(_) if some && !key.is_quoted() => at,
        _ => start,
    }
}

/// Where a string's content ends: at the next quote that no backslash escapes.
pub(super) fn string_end(bytes: &[u8], start: usize, quote: u8) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr::memchr2(quote, b'\\', bytes.get(at..)?)?;
        if bytes[at] == quote {
            return Some(at);
        }
        at += 2;
    }
}

fn quoted(bytes: &[u8], key: &Key<'_>, at: usize, quote: u8) -> Option<Found> {
    // Python's and TOML's quotes of three.
    let triple = [quote; 3];
    if bytes[at..].starts_with(&triple) {
        let start = at + 3;
        let end = memchr::memmem::find(&bytes[start..], &triple).map_or(bytes.len(), |end| start + end);
        let content = &bytes[start..end];
        return (!is_stand_in(content)).then(|| Found::new(start, end, key.label()));
    }
    let start = at + 1;
    // One that was cut off reaches to the end; an apostrophe does not.
    let cut = if key.is_quoted() || quote == b'"' { bytes.len() } else { line_end(bytes, start) };
    let end = match string_end(&bytes[..bytes.len().min(start + LOOK_BYTES)], start, quote) {
        Some(end) => end,
        None if key.is_quoted() || quote == b'"' => string_end(bytes, start, quote).unwrap_or(cut),
        None => line_end(bytes, start),
    };
    let content = &bytes[start..end];
    if is_stand_in(content) && !(key.is_quoted() && !content.starts_with(REDACTED) && content.len() > 1) {
        return None;
    }
    if !key.is_quoted() {
        let speaks = is_word_of(NO_VALUES, content) || !content.iter().any(u8::is_ascii_alphanumeric);
        // `unexpected token: "else"`
        if speaks && content.len() < 12 || key.is_complained_of(bytes) && !is_strong(content) {
            return None;
        }
    }
    Some(Found::new(start, end, key.label()))
}

fn number(bytes: &[u8], key: &Key<'_>, at: usize) -> Option<Found> {
    if key.counts_texts_only() {
        return None;
    }
    let len = bytes[at..].iter().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
    Some(Found { quote: key.quote, ..Found::new(at, at + len, key.label()) })
}

/// Rust's `Debug` of a structure behind a quoted key (maps print those): `"login": Login { .. }`.
fn structure(bytes: &[u8], key: &Key<'_>, at: usize) -> Option<Found> {
    let name = bytes[at..]
        .iter()
        .take(NAME_BYTES)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    let open = at + name + blanks(bytes, at + name);
    let is_open =
        name > 0 && bytes[at].is_ascii_uppercase() && matches!(bytes.get(open), Some(b'{' | b'(' | b'['));
    if is_open { container(bytes, key, open) } else { None }
}

fn container(bytes: &[u8], key: &Key<'_>, at: usize) -> Option<Found> {
    let near = &bytes[..bytes.len().min(at + LOOK_BYTES)];
    let mut end = container_end(near, at);
    let seen = &bytes[at..end.unwrap_or(near.len())];
    let holds_text = holds_text(seen);
    if seen.len() <= 2 || seen.starts_with(REDACTED) || is_stand_in(seen) && !holds_text {
        return None;
    }
    let taken =
        if key.is_quoted() { holds_text || !key.counts_texts_only() } else { holds_text && end.is_some() };
    if !taken {
        return None;
    }
    if end.is_none() && near.len() < bytes.len() {
        end = container_end(bytes, at);
    }
    // One that was cut off reaches to the end.
    Some(Found { quote: key.quote, ..Found::new(at, end.unwrap_or(bytes.len()), key.label()) })
}

/// Whether a string stands in it that is no key.
fn holds_text(seen: &[u8]) -> bool {
    let mut at = 0;
    while let Some(quote) = memchr::memchr3(b'"', b'\'', b'`', &seen[at..]) {
        let start = at + quote;
        let Some(end) = string_end(seen, start + 1, seen[start]) else { return true };
        let after = end + 1 + seen[end + 1..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let is_key =
            matches!(seen.get(after), Some(b':')) || seen[after.min(seen.len())..].starts_with(b"=>");
        if !is_key && end > start + 1 && !seen[start + 1..].starts_with(REDACTED) {
            return true;
        }
        at = end + 1;
    }
    false
}

fn container_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth -= 1,
            // Inside a string that is escaped: read where it is decoded.
            b'"' if bytes[at - 1] == b'\\' => return None,
            quote @ (b'"' | b'\'') if quote == b'"' || opens(bytes, at) => {
                at = string_end(bytes, at + 1, quote)?
            }
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// An apostrophe that no letter stands before.
fn opens(bytes: &[u8], at: usize) -> bool {
    at == 0 || !bytes[at - 1].is_ascii_alphanumeric()
}

/// The end of the line, or of the JSON string that the line is the end of.
pub(super) fn line_end(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    let line = &rest[..memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())];
    let mut at = 0;
    while let Some(quote) = memchr::memchr(b'"', &line[at..]) {
        let quote = at + quote;
        let after = line[quote + 1..].trim_ascii_start();
        let closes = matches!(after.first(), Some(b'}' | b']')) || after.starts_with(b",\"");
        let alone = after.is_empty() && !line[..quote].contains(&b'"');
        if quote > 0 && (closes || alone) {
            let escapes = line[..quote].iter().rev().take_while(|&&byte| byte == b'\\').count();
            return start + quote - escapes;
        }
        at = quote + 1;
    }
    start + line.len()
}

/// The next lines that are indented deeper than the key's: YAML's block scalars, lists, and folded headers.
fn block(bytes: &[u8], key: &Key<'_>, at: usize) -> Option<Found> {
    if key.place != Place::Line || !matches!(key.mark, Mark::Colon) {
        return None;
    }
    // `|`, `>-` and the like; nothing else may stand there.
    let indicator = matches!(bytes[at], b'|' | b'>');
    let header = bytes[at..].iter().take(4).take_while(|byte| b"|>+-0123456789".contains(byte)).count();
    let end_of_line = at + header + blanks(bytes, at + header);
    if !matches!(bytes.get(end_of_line), Some(b'\n' | b'\r')) {
        return None;
    }
    let indent = key.indent(bytes);
    let (mut line, mut found) = (next_line(bytes, end_of_line), None::<(usize, usize)>);
    while line < bytes.len() {
        let deeper = blanks(bytes, line);
        let end = line_end(bytes, line);
        let item = bytes[line + deeper..end].starts_with(b"- ");
        if end > line + deeper && !(deeper > indent || item && deeper >= indent) {
            break;
        }
        let content = &bytes[line + deeper..end];
        // A mapping below: its keys are judged by themselves.
        let mapping = !indicator && content.windows(2).any(|pair| pair == b": ") || content.ends_with(b":");
        if mapping || content.starts_with(REDACTED) || content.starts_with(b"- [redacted") {
            break;
        }
        if end > line + deeper {
            found = Some((found.map_or(line + deeper, |(start, _)| start), end));
        }
        if !indicator && !item {
            break;
        }
        line = next_line(bytes, end);
    }
    let (start, end) = found?;
    let content = &bytes[start..end];
    let strong = content.split(u8::is_ascii_whitespace).any(is_strong);
    (indicator || strong).then(|| Found::new(start, end, key.label()))
}

fn next_line(bytes: &[u8], end: usize) -> usize {
    let crlf = bytes.get(end..).is_some_and(|rest| rest.starts_with(b"\r\n"));
    end + if crlf { 2 } else { 1 }
}

/// A value without quotes.
fn word(text: &str, key: &Key<'_>, after_mark: usize, at: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let end = word_end(&bytes[..bytes.len().min(at + WORD_BYTES)], key, at);
    let content = bytes.get(at..end).filter(|content| !content.is_empty())?;
    if is_stand_in(content)
        || matches!(content[0], b'=' | b'~' | b'&' | b'(') && key.place != Place::Parameter
    {
        return None;
    }
    let spaced = at > after_mark || key.gap > 0;
    let strict = matches!(key.place, Place::Parameter | Place::Flag | Place::Alone);
    let ends_line = ends_line(bytes, end, key);
    if content.iter().all(u8::is_ascii_digit) {
        let record = ends_line || matches!(bytes.get(end), Some(b',' | b'}' | b')' | b']' | b';'));
        let fits = strict || key.may_be_number(content.len()) && (!spaced || record);
        return (fits && !key.is_plural()).then(|| Found::new(at, end, key.label()));
    }
    let bare = content.strip_suffix(b":").unwrap_or(content);
    if key.place != Place::Parameter && (is_word_of(NO_VALUES, bare) || is_type(bare))
        || key.is_directory(content)
    {
        return None;
    }
    if (!strict || content.contains(&b'(') || matches!(content[0], b'<' | b'$' | b'{'))
        && is_code(text, content, key, keys)
    {
        return None;
    }
    let separated = bytes.get(end) == Some(&b';') && key_follows(bytes, end + 1);
    let taken = match key.mark {
        _ if strict => true,
        // The argument of a call may be a variable.
        Mark::Equals if !spaced => !key.is_argument(bytes) || !is_identifier(content) || content.len() >= 4,
        Mark::Equals => {
            key.place == Place::Line && (ends_line && bytes.get(end) != Some(&b';') || separated)
                || is_strong(content) && ends_line
        }
        Mark::Arrow => true,
        Mark::Colon => {
            let record = matches!(bytes.get(end), Some(b',' | b'}' | b']' | b')')) && key.in_record(bytes);
            let alone =
                key.place == Place::Line && ends_line && at > after_mark && bytes.get(end) != Some(&b';');
            (at > after_mark || is_strong(content) && key.is_long())
                && (is_strong(content) && !key.is_complained_of(bytes) || record || alone)
        }
    };
    let end = if end == at + WORD_BYTES { word_end(bytes, key, at) } else { end };
    taken.then(|| Found::new(at, end, key.label()))
}

/// Nothing but a comma, a comment or a closing sign stands between here and the end of the line.
fn ends_line(bytes: &[u8], end: usize, key: &Key<'_>) -> bool {
    let rest = &bytes[end..];
    let skip = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b',')).count();
    match rest.get(skip) {
        None | Some(b'\n' | b'\r' | b'"' | b'`') => true,
        Some(b'#') => skip > 0,
        Some(b';') => {
            skip > 0
                || matches!(key.mark, Mark::Equals)
                    && matches!(rest.get(skip + 1), None | Some(b'\n' | b'\r'))
        }
        Some(b'\\') => matches!(rest.get(skip + 1), Some(b'n' | b'r' | b't' | b'"' | b'\\')),
        _ => false,
    }
}

/// Up to white space; within that, up to a separator behind which another key begins, and to a quote, a bracket or an
/// escape that closes.
fn word_end(bytes: &[u8], key: &Key<'_>, start: usize) -> usize {
    let parameter = key.place == Place::Parameter;
    let mut at = start;
    let mut open = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let closes = next.is_none_or(|next| !next.is_ascii_alphanumeric());
        match byte {
            _ if byte.is_ascii_whitespace() => break,
            b'&' => break,
            // `a:b:c` is one key behind the other.
            b':' if start > 0 && bytes[start - 1] == b':' => break,
            b'#' if parameter || at == start => break,
            b'<' | b'>' | b'|' => break,
            b'"' | b'`' => break,
            b'\'' if closes => break,
            b';' | b',' if parameter || closes || key_follows(bytes, at + 1) => break,
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' if open == 0 => break,
            b')' | b']' | b'}' => open -= 1,
            // An escape of libpq's connection strings is part of the value; one of JSON ends it.
            b'\\' if matches!(next, Some(b' ')) => at += 1,
            b'\\' if next.is_none_or(|next| b"nrt\"'u/\\".contains(&next)) => break,
            _ => {}
        }
        at += 1;
    }
    let mut end = at.min(bytes.len());
    if !parameter {
        // The end of a sentence.
        while end > start && matches!(bytes[end - 1], b'.' | b':' | b'?') && end - start > 1 {
            end -= 1;
        }
    }
    end
}

fn key_follows(bytes: &[u8], at: usize) -> bool {
    let rest = &bytes[at..];
    let blank = blanks(bytes, at);
    let name = rest[blank..]
        .iter()
        .take(40)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-. ".contains(byte))
        .count();
    name > 0 && matches!(rest.get(blank + name), Some(b'=' | b':'))
}

fn is_identifier(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
}

/// `String`, `Option<..>`: what declarations have behind a name.
fn is_type(word: &[u8]) -> bool {
    const TYPES: &[&str] = &[
        "String",
        "Option",
        "Vec",
        "Secret",
        "SecretString",
        "Optional",
        "Union",
        "List",
        "Dict",
        "Any",
        "Boolean",
        "Number",
        "Buffer",
        "Promise",
        "Zeroizing",
        "Box",
        "Arc",
        "Cow",
        "SecretStr",
        "Uint8Array",
        "Text",
        "Token",
    ];
    let name = word.split(|byte| matches!(byte, b'<' | b'[' | b'(' | b'!' | b'?')).next().unwrap_or_default();
    TYPES.iter().any(|entry| entry.as_bytes() == name)
}

/// Calls, paths, and variables that are named like secrets.
fn is_code(text: &str, content: &[u8], key: &Key<'_>, keys: &KeyPolicy) -> bool {
    let called = content
        .windows(2)
        .any(|pair| pair[1] == b'(' && (pair[0].is_ascii_alphanumeric() || matches!(pair[0], b'_' | b'!')));
    if called
        || content.windows(2).any(|pair| pair == b"::" || pair == b"->" || pair == b"=>" || pair == b"==")
    {
        return true;
    }
    if !content
        .iter()
        .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b'[' | b']' | b'?'))
    {
        return matches!(content[0], b'$' | b'{' | b'<');
    }
    let first = content.split(|byte| matches!(byte, b'.' | b'[')).next().unwrap_or_default();
    if first.len() < content.len() && is_word_of(OWNERS, first) {
        return true;
    }
    let pairs = matches!(key.mark, Mark::Equals) && key.gap == 0 && !key.is_argument(text.as_bytes());
    !pairs
        && std::str::from_utf8(content)
            .is_ok_and(|word| keys.redacts(word) || is_word_of(&["key", "value", "input", "pw"], content))
}

/// A word of letters alone.
pub(super) fn is_plain(content: &[u8]) -> bool {
    content.iter().all(u8::is_ascii_alphabetic)
}

/// Names of algorithms and standards, which mix letters and digits: `sha256`, `rfc6265`, `utf-8`.
pub(super) fn is_named(content: &[u8]) -> bool {
    const NAMES: [&[u8]; 14] = [
        b"sha", b"md5", b"rfc", b"utf", b"base64", b"oauth", b"pbkdf2", b"argon2", b"bcrypt", b"aes",
        b"ed25519", b"x509", b"v1", b"v2",
    ];
    NAMES.iter().any(|name| content.len() >= name.len() && content[..name.len()].eq_ignore_ascii_case(name))
}
