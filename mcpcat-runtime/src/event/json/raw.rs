//! JSON text in, bounded JSON out: what `RawValue` holds gets the same limits and the same key policy as any
//! other value. One pass with a cursor and no recursion, so that a text of 200,000 brackets costs no stack.

use super::key::Verdict;
use super::{LEVEL_RESERVE, Shape, VALUE_RESERVE, Writer, value};
use crate::policy::Limits;

/// The text is not JSON.
pub(super) struct Invalid;

/// A number text longer than this is recorded as a string.
const NUMBER_CHARS: usize = VALUE_RESERVE;

/// What the cursor stands at.
enum Next {
    Value {
        binary: bool,
    },
    Member,
    /// A comma, the end of what is open, or the end of the text.
    After,
}

/// Members written so far, for each level.
type Counts = [usize; Limits::MAX_DEPTH + 1];

impl Writer<'_> {
    /// One value from JSON text.
    pub(super) fn raw(&mut self, json: &str) {
        let (level, len) = (self.level, self.out.len());
        if self.transcode(json).is_err() {
            self.roll_back(level, len);
            self.marker(format_args!("invalid JSON: {} bytes", json.len()));
        }
    }

    /// A number as it is written, or as a string where a reader could not take it as a number.
    pub(super) fn number(&mut self, number: &str) {
        let whole = Cursor { text: number, at: 0 }.number() == Some(number);
        let finite = number.parse::<f64>().is_ok_and(f64::is_finite);
        if whole && finite && number.len() <= NUMBER_CHARS {
            self.out.extend_from_slice(number.as_bytes());
        } else {
            self.string(number);
        }
    }

    fn transcode(&mut self, json: &str) -> Result<(), Invalid> {
        let mut cursor = Cursor { text: json, at: 0 };
        let mut counts: Counts = [0; Limits::MAX_DEPTH + 1];
        let base = self.level;
        let mut next = Next::Value { binary: false };
        loop {
            next = match next {
                Next::Value { binary } => self.raw_value(&mut cursor, &mut counts, binary)?,
                Next::Member => self.raw_member(&mut cursor, &mut counts)?,
                Next::After if self.level == base => break,
                Next::After if cursor.take(self.closing()) => {
                    self.close_to(self.level - 1);
                    Next::After
                }
                Next::After if cursor.take(b',') => Next::Member,
                Next::After => return Err(Invalid),
            }
        }
        if cursor.peek().is_none() { Ok(()) } else { Err(Invalid) }
    }

    fn closing(&self) -> u8 {
        if self.objects & 1 == 1 { b'}' } else { b']' }
    }

    fn raw_value(
        &mut self,
        cursor: &mut Cursor<'_>,
        counts: &mut Counts,
        binary: bool,
    ) -> Result<Next, Invalid> {
        match cursor.peek().ok_or(Invalid)? {
            open @ (b'{' | b'[') => {
                let shape = if open == b'{' { Shape::Object } else { Shape::Array };
                if !self.may_open() {
                    cursor.at += 1;
                    let members = cursor.skip_open()?;
                    self.summary(shape, Some(members));
                    return Ok(Next::After);
                }
                cursor.at += 1;
                self.open(shape);
                counts[self.level] = 0;
                if cursor.peek() != Some(self.closing()) {
                    return Ok(Next::Member);
                }
            }
            b'"' => {
                let (raw, escaped) = cursor.string().ok_or(Invalid)?;
                self.raw_text(raw, escaped, binary)?;
            }
            b'-' | b'0'..=b'9' => {
                let number = cursor.number().ok_or(Invalid)?;
                self.number(number);
            }
            _ => {
                let word = cursor.word();
                if !matches!(word, "true" | "false" | "null") {
                    return Err(Invalid);
                }
                self.out.extend_from_slice(word.as_bytes());
            }
        }
        Ok(Next::After)
    }

    fn raw_member(&mut self, cursor: &mut Cursor<'_>, counts: &mut Counts) -> Result<Next, Invalid> {
        let count = counts[self.level];
        if count >= self.policy.limits.members || self.room() < LEVEL_RESERVE + VALUE_RESERVE {
            let more = cursor.skip_open()?;
            self.rest(count == 0, Some(more));
            self.close_to(self.level - 1);
            return Ok(Next::After);
        }
        counts[self.level] += 1;
        if count > 0 {
            self.out.push(b',');
        }
        if self.objects & 1 == 0 {
            return Ok(Next::Value { binary: false });
        }
        if cursor.peek() != Some(b'"') {
            return Err(Invalid);
        }
        let (raw, escaped) = cursor.string().ok_or(Invalid)?;
        let verdict = self.raw_key(raw, escaped)?;
        if !cursor.take(b':') {
            return Err(Invalid);
        }
        if verdict.redact {
            cursor.skip_value()?;
            self.redacted();
            return Ok(Next::After);
        }
        Ok(Next::Value { binary: verdict.binary })
    }

    fn raw_key(&mut self, raw: &str, escaped: bool) -> Result<Verdict, Invalid> {
        if !escaped {
            self.key(raw);
            return Ok(Verdict::of(raw, self));
        }
        // A key that spells `password` with escapes means it all the same.
        let mut key = String::new();
        decode(raw, |piece| key.push_str(piece))?;
        self.key(&key);
        Ok(Verdict::of(&key, self))
    }

    fn raw_text(&mut self, raw: &str, escaped: bool, binary: bool) -> Result<(), Invalid> {
        if !escaped {
            self.text(raw, binary);
        } else if let Some(bytes) = value::content_size(raw, binary) {
            self.binary(bytes);
        } else {
            let mut text = self.bounded_text();
            decode(raw, |piece| text.push(piece))?;
            text.finish();
        }
        Ok(())
    }
}

/// The text of a string with escapes, in pieces. A surrogate without its other half is a replacement character.
pub(super) fn decode(raw: &str, mut piece: impl FnMut(&str)) -> Result<(), Invalid> {
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        piece(&rest[..at]);
        let letter = *rest.as_bytes().get(at + 1).ok_or(Invalid)?;
        let mut used = at + 2;
        let character = match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = hex4(rest, used)?;
                used += 4;
                if !(0xd800..0xdc00).contains(&unit) {
                    char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
                } else if rest.as_bytes()[used..].starts_with(b"\\u") {
                    let low = hex4(rest, used + 2)?;
                    if (0xdc00..0xe000).contains(&low) {
                        used += 6;
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    } else {
                        char::REPLACEMENT_CHARACTER
                    }
                } else {
                    char::REPLACEMENT_CHARACTER
                }
            }
            _ => return Err(Invalid),
        };
        piece(character.encode_utf8(&mut [0; 4]));
        rest = rest.get(used..).ok_or(Invalid)?;
    }
    piece(rest);
    Ok(())
}

fn hex4(text: &str, at: usize) -> Result<u32, Invalid> {
    let digits = text.as_bytes().get(at..at + 4).ok_or(Invalid)?;
    digits.iter().try_fold(0, |sum, &digit| {
        char::from(digit).to_digit(16).map(|digit| sum * 16 + digit).ok_or(Invalid)
    })
}

/// A place in JSON text, always at a character boundary.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    /// The next byte that is not space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    /// The inside of the string that begins here, and whether it holds a backslash.
    fn string(&mut self) -> Option<(&'t str, bool)> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = start;
        let mut escaped = false;
        loop {
            match *bytes.get(at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                0..0x20 => return None,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some((self.text.get(start..at)?, escaped))
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        digits
    }

    fn eat(&mut self, any: &[u8]) -> bool {
        let is = self.text.as_bytes().get(self.at).is_some_and(|byte| any.contains(byte));
        self.at += usize::from(is);
        is
    }

    fn number(&mut self) -> Option<&'t str> {
        let start = self.at;
        self.eat(b"-");
        let leading_zero = self.text.as_bytes().get(self.at) == Some(&b'0');
        let digits = self.digits();
        if digits == 0 || leading_zero && digits > 1 || self.eat(b".") && self.digits() == 0 {
            return None;
        }
        if self.eat(b"eE") {
            self.eat(b"+-");
            if self.digits() == 0 {
                return None;
            }
        }
        self.text.get(start..self.at)
    }

    fn word(&mut self) -> &'t str {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        self.at +=
            rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        &self.text[start..self.at]
    }

    /// Passes to the end of the object or array that the cursor is in, and counts the members on the way.
    fn skip_open(&mut self) -> Result<usize, Invalid> {
        let mut depth = 1_usize;
        let mut members = 0;
        let mut empty = true;
        loop {
            let byte = self.peek().ok_or(Invalid)?;
            if byte == b'"' {
                self.string().ok_or(Invalid)?;
                empty = false;
                continue;
            }
            match byte {
                b']' | b'}' => depth -= 1,
                b'[' | b'{' => depth += 1,
                b',' if depth == 1 => members += 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(members + usize::from(!empty));
            }
            empty = false;
        }
    }

    fn skip_value(&mut self) -> Result<(), Invalid> {
        match self.peek() {
            Some(b'{' | b'[') => {
                self.at += 1;
                self.skip_open()?;
            }
            Some(b'"') => {
                self.string().ok_or(Invalid)?;
            }
            _ if self.word().is_empty() => return Err(Invalid),
            _ => {}
        }
        Ok(())
    }
}
