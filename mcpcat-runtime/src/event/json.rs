//! Any `Serialize` value as JSON, straight into a buffer, within bounds.
//!
//! `serde_json` recurses as deep as the value does and copies all of it before anybody can say stop. This writer
//! stops *calling* `serialize` at a limit, so neither the stack nor the memory follows what is cut away, and a
//! sensitive key's value is never serialised at all. What was cut is marked with how much it was.

mod key;
mod raw;
mod text;
mod value;

use std::fmt;
use std::io::Write as _;

use serde::Serialize;

use super::guard::{self, Ended};
use crate::policy::Policy;
use text::Bounded;

/// Kept free for each open level: its end, and the marker that says what was cut from it.
const LEVEL_RESERVE: usize = 48;
/// Kept free for a value once it is started: the longest number or marker.
const VALUE_RESERVE: usize = 64;
/// The least room that a value is started in.
const LEAST_ROOM: usize = LEVEL_RESERVE * 2 + VALUE_RESERVE;
/// Wrappers (`Some`, newtypes) inside one another before a value is given up: they use the stack like levels do.
const MAX_WRAPPERS: usize = 128;
/// Bytes of what a value's own `Serialize` says when it fails.
const SAID_BYTES: usize = 1_024;
/// Bytes of a key written without a policy at hand.
const KEY_BYTES: usize = 256;

/// Why a value could not be written. The buffer is as it was before.
#[derive(Debug)]
pub struct ValueError(Kind);

#[derive(Debug)]
enum Kind {
    /// Not an error: a limit was reached and the output is complete as far as it goes.
    Stop,
    Key,
    KeyAlone,
    ValueAlone,
    Nothing,
    Said(Box<str>),
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Stop => write!(f, "a limit was reached"),
            Kind::Key => {
                write!(f, "a map's key must be a string, a number, a bool, a char or a unit variant")
            }
            Kind::KeyAlone => {
                write!(
                    f,
                    "a `Serialize` impl wrote a map's key without its value; call `serialize_value` after it"
                )
            }
            Kind::ValueAlone => {
                write!(
                    f,
                    "a `Serialize` impl wrote a map's value without its key; call `serialize_key` before it"
                )
            }
            Kind::Nothing => write!(f, "a `Serialize` impl ended a raw value without writing it"),
            Kind::Said(message) => write!(f, "a `Serialize` impl failed: {message}"),
        }
    }
}

impl std::error::Error for ValueError {}

impl serde::ser::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Kind::Said(guard::text(&message, SAID_BYTES).into()))
    }
}

/// Appends a value as JSON, at most `policy.limits.event_bytes` of it.
///
/// Cut and marked are: levels below `depth` (`"[object: 3 members]"`), members past `members` (`"…"` or a last
/// item says how many), strings past `string_bytes` (`…[+120 bytes]`). Replaced are: the value of a sensitive key
/// (`"[redacted: key]"`), bytes (what is serialised as such, and sequences and tuples of four `u8` or more, as serde
/// writes `Vec<u8>` and `[u8; N]`; numbers of other types stay), base64 of 10,240 characters or more, base64 of 256 or more under the keys `data`
/// and `blob`, data URLs (all `"[binary: 57 bytes]"`), and floats that JSON has no word for (`"NaN"`,
/// `"Infinity"`, `"-Infinity"`). All else is what `serde_json` writes.
///
/// # Errors
/// What the value's own `Serialize` returns, a map key that JSON cannot express, a map key without a value. `out`
/// is then as long as it was.
pub fn write_value<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
    policy: &Policy,
) -> Result<(), ValueError> {
    write_value_within(out, value, policy, policy.limits.event_bytes)
}

/// Like [`write_value`], with a budget of its own: `out` grows by at most `bytes`, or by the seven bytes of
/// `"[cut]"` where the budget is below 160.
///
/// # Errors
/// Those of [`write_value`].
#[inline]
pub fn write_value_within<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
    policy: &Policy,
    bytes: usize,
) -> Result<(), ValueError> {
    let start = out.len();
    let Some(mut writer) = Writer::new(out, policy, bytes) else {
        return Ok(());
    };
    let result = writer.nested(value, value::Form::Plain);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Appends a text that is JSON already, under the same limits and the same key policy as [`write_value`]. The
/// depth of the text costs neither stack nor memory. A text that is not JSON becomes `"[invalid JSON: 12 bytes]"`.
pub fn write_raw(out: &mut Vec<u8>, json: &str, policy: &Policy) {
    write_raw_within(out, json, policy, policy.limits.event_bytes);
}

/// Like [`write_raw`], with a budget of its own, as in [`write_value_within`].
pub fn write_raw_within(out: &mut Vec<u8>, json: &str, policy: &Policy, bytes: usize) {
    if let Some(mut writer) = Writer::new(out, policy, bytes) {
        writer.raw(json);
    }
}

/// Appends the text that the inside of a JSON string stands for. False if an escape is not one.
pub(crate) fn unescape(inside: &str, out: &mut String) -> bool {
    raw::decode(inside, |piece| out.push_str(piece)).is_ok()
}

/// Appends a JSON string. A text of more than `max_bytes` is cut at a character boundary, and ends with a marker
/// that says how many bytes are missing (`…[+120 bytes]`); the marker counts towards `max_bytes`, and is left out
/// where it does not fit.
pub fn write_str(out: &mut Vec<u8>, text: &str, max_bytes: usize) {
    text::push(out, text, max_bytes, usize::MAX);
}

/// Appends what a value displays as a JSON string, cut like [`write_str`] does, and without holding more of it than
/// that. False if it could not be formatted, or panicked; what there was until then is appended, and a placeholder.
pub(crate) fn write_display<T: fmt::Display + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
    max_bytes: usize,
) -> bool {
    let mut bounded = Bounded::new(out, max_bytes, usize::MAX);
    let ended = bounded.display(value);
    bounded.finish();
    ended == Ended::Well
}

/// Appends `"key":`, the key cut like [`write_str`] does at 256 bytes.
pub fn write_key(out: &mut Vec<u8>, key: &str) {
    text::push(out, key, KEY_BYTES, usize::MAX);
    out.push(b':');
}

/// The buffer, what is open in it and how much may still go into it.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    policy: &'a Policy,
    end: usize,
    level: usize,
    /// One bit for each open level, the innermost lowest: set for an object.
    objects: u128,
    wrappers: usize,
    /// The value written last was one byte.
    byte: bool,
    /// A limit was reached and said so; errors until the next catch are its consequence.
    stopping: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Object,
    Array,
}

impl<'a> Writer<'a> {
    /// `None`, with the marker written, where there is no room for anything.
    #[inline]
    fn new(out: &'a mut Vec<u8>, policy: &'a Policy, bytes: usize) -> Option<Self> {
        if bytes < LEAST_ROOM {
            out.extend_from_slice(b"\"[cut]\"");
            return None;
        }
        let end = out.len().saturating_add(bytes);
        Some(Self { out, policy, end, level: 0, objects: 0, wrappers: 0, byte: false, stopping: false })
    }

    /// Bytes that may be written now without touching what the open levels need to end.
    #[inline]
    fn room(&self) -> usize {
        self.end.saturating_sub(self.out.len() + LEVEL_RESERVE * (self.level + 1))
    }

    fn may_open(&self) -> bool {
        self.level < self.policy.limits.depth.min(crate::policy::Limits::MAX_DEPTH)
            && self.room() >= LEVEL_RESERVE + VALUE_RESERVE
    }

    fn open(&mut self, shape: Shape) {
        self.level += 1;
        self.objects = self.objects << 1 | u128::from(shape == Shape::Object);
        self.out.push(if shape == Shape::Object { b'{' } else { b'[' });
    }

    fn close_to(&mut self, level: usize) {
        while self.level > level {
            self.out.push(if self.objects & 1 == 1 { b'}' } else { b']' });
            self.objects >>= 1;
            self.level -= 1;
        }
    }

    /// Forgets open levels whose text is about to be cut off.
    fn roll_back(&mut self, level: usize, len: usize) {
        let gone = self.level - level;
        self.objects >>= gone;
        self.level = level;
        self.out.truncate(len);
    }

    /// Serialises one value and leaves exactly one complete JSON value behind, or nothing and an error.
    #[inline]
    fn nested<T: Serialize + ?Sized>(&mut self, value: &T, form: value::Form) -> Result<(), ValueError> {
        let (level, len, wrappers) = (self.level, self.out.len(), self.wrappers);
        let result = value.serialize(value::ValueSerializer { writer: self, form });
        self.wrappers = wrappers;
        result.or_else(|error| self.recover(error, level, len))
    }

    /// Makes of what a value left behind a complete value, or nothing.
    #[cold]
    fn recover(&mut self, error: ValueError, level: usize, len: usize) -> Result<(), ValueError> {
        if std::mem::take(&mut self.stopping) {
            self.close_to(level);
            return Ok(());
        }
        self.roll_back(level, len);
        Err(error)
    }

    fn stop(&mut self) -> ValueError {
        self.stopping = true;
        ValueError(Kind::Stop)
    }

    #[inline]
    fn string(&mut self, text: &str) {
        let room = self.room();
        text::push(self.out, text, self.policy.limits.string_bytes, room);
    }

    /// Leaves room for a value after it.
    fn key(&mut self, key: &str) {
        let room = self.room().saturating_sub(VALUE_RESERVE);
        text::push(self.out, key, self.policy.limits.name_bytes, room);
        self.out.push(b':');
    }

    fn marker(&mut self, text: fmt::Arguments<'_>) {
        // Writing into a Vec does not fail.
        let _ = write!(self.out, "\"[{text}]\"");
    }

    fn binary(&mut self, bytes: usize) {
        self.marker(format_args!("binary: {bytes} bytes"));
    }

    fn redacted(&mut self) {
        self.out.extend_from_slice(b"\"[redacted: key]\"");
    }

    /// Stands for an object or array that is not written.
    fn summary(&mut self, shape: Shape, len: Option<usize>) {
        match (shape, len) {
            (Shape::Object, Some(len)) => self.marker(format_args!("object: {len} members")),
            (Shape::Object, None) => self.marker(format_args!("object")),
            (Shape::Array, Some(len)) => self.marker(format_args!("array: {len} items")),
            (Shape::Array, None) => self.marker(format_args!("array")),
        }
    }

    /// The last entry of an object or array that has more.
    fn rest(&mut self, first: bool, more: Option<usize>) {
        if !first {
            self.out.push(b',');
        }
        let what = if self.objects & 1 == 1 {
            self.out.extend_from_slice("\"…\":".as_bytes());
            "members"
        } else {
            "items"
        };
        match more {
            Some(more) => self.marker(format_args!("+{more} {what}")),
            None => self.marker(format_args!("more {what}")),
        }
    }

    fn bounded_text(&mut self) -> Bounded<'_> {
        let room = self.room();
        Bounded::new(self.out, self.policy.limits.string_bytes, room)
    }
}
