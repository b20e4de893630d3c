//! What an event is written into: the record as it will lie in the spool, with the name and the parameters where
//! they belong, and one buffer for each rarer section, so that fields may come in any order and the usual event is
//! put together once. Nothing is allocated once a thread has published before.
//!
//! Every value is written as bounded, key-scrubbed JSON at once; no tree of values exists at any time.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;

pub(crate) use super::callsite::Place;
use super::callsite::{Callsite, Field};
use super::error::ErrorInfo;
use super::guard::{cut_to, user_code};
use super::json::{self, ValueError};
use super::record::{HEADER_LEN, Header};
use super::text::ToDuration;
use super::time;
use crate::policy::{self, Policy};
use mcpcat_wire::tag::MAX_TAGS;

/// A value an event can carry: anything `Serialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of an event",
    label = "this value does not implement `Serialize`",
    note = "write `display(value)` or `debug(value)` to send its text, or derive `serde::Serialize` for it"
)]
pub trait Value {
    /// Appends at most `bytes` of the value as JSON within the policy's limits. On an error nothing is
    /// appended.
    #[doc(hidden)]
    fn write(&self, out: &mut Vec<u8>, policy: &Policy, bytes: usize) -> Result<(), ValueError>;
}

impl<T: Serialize + ?Sized> Value for T {
    #[inline]
    fn write(&self, out: &mut Vec<u8>, policy: &Policy, bytes: usize) -> Result<(), ValueError> {
        json::write_value_within(out, self, policy, bytes)
    }
}

/// A value that is JSON text already; the policy is applied to what the text says.
struct Raw<'a>(&'a str);

/// What a section takes: a value, or JSON text.
trait Write {
    fn write(&self, out: &mut Vec<u8>, policy: &Policy, bytes: usize) -> Result<(), ValueError>;
}

impl Write for Raw<'_> {
    fn write(&self, out: &mut Vec<u8>, policy: &Policy, bytes: usize) -> Result<(), ValueError> {
        json::write_raw_within(out, self.0, policy, bytes);
        Ok(())
    }
}

impl Write for dyn Value + '_ {
    #[inline]
    fn write(&self, out: &mut Vec<u8>, policy: &Policy, bytes: usize) -> Result<(), ValueError> {
        Value::write(self, out, policy, bytes)
    }
}

/// What a value is written into, in the order in which a body has them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// The record itself: its header, the name, and the parameters, which stay open to the end.
    Line,
    Message,
    /// Parameters that are not an object.
    Bare,
    Response,
    Error,
    Tags,
    Properties,
    /// Whole members of the body, each with a leading comma: what only this crate's trackers write.
    Body,
}

/// Whoever the event is of must not be recorded: nothing is serialised.
const MUTED: u8 = 1;
/// No payload is recorded.
const NAMES_ONLY: u8 = 2;

const SECTIONS: usize = 8;
/// What stands around the sections beside the line, when there is something in them. `Bare` is a case of its own.
const SIDES: [(Section, &[u8], &[u8]); 6] = [
    (Section::Message, b",\"user_intent\":", b""),
    (Section::Response, b",\"response\":", b""),
    (Section::Error, b",\"error\":", b""),
    (Section::Tags, b",\"tags\":{", b"}"),
    (Section::Properties, b",\"properties\":{", b"}"),
    (Section::Body, b"", b""),
];
pub(super) const NAME: &[u8] = b",\"resource_name\":";
pub(super) const PARAMETERS: &str = ",\"parameters\":{";
pub(super) const PANICKED: &str = "its `Serialize` panicked";
/// What stands in for the value of a sensitive key.
const REDACTED: &str = "[redacted: key]";
/// A buffer that grew beyond this is not kept for the thread's next event.
const KEPT_BYTES: usize = 16 * 1024;

/// The fields of one event while it is being recorded.
pub struct Fields {
    policy: Arc<Policy>,
    sections: [Vec<u8>; SECTIONS],
    /// One bit for each section beside the line that something was written to.
    touched: u8,
    /// Where the name ends in the line; where the header does, if there is none.
    name_end: usize,
    /// The line ends in parameters.
    has_parameters: bool,
    /// Where the value that is being written begins in the line.
    mark: usize,
    tags: usize,
    duration_micros: Option<u64>,
    is_error: Option<bool>,
    has_error: bool,
    /// What the error says, where it is one.
    failure: Option<Box<str>>,
    problems: Vec<String>,
    /// Whose values are left alone: [`MUTED`], [`NAMES_ONLY`] or both.
    skips: u8,
    /// The body of their call has asked for them.
    asked: bool,
}

impl Fields {
    /// Marks them as asked for by the body of their call. False if they were already.
    #[inline]
    pub(crate) fn ask(&mut self) -> bool {
        !std::mem::replace(&mut self.asked, true)
    }

    /// Names the event: what the timeline shows as its label. The last name wins.
    pub fn name(&mut self, name: &str) {
        let limit = self.policy.limits.name_bytes;
        let line = &mut self.sections[Section::Line as usize];
        let (before, old) = (line.len(), HEADER_LEN..self.name_end);
        line.extend_from_slice(NAME);
        json::write_str(line, name, limit);
        let len = line.len() - before;
        if before > HEADER_LEN {
            // Another name, or one that comes behind what it belongs before.
            line[HEADER_LEN..].rotate_right(len);
            line.drain(old.start + len..old.end + len);
        }
        self.name_end = HEADER_LEN + len;
    }

    /// Names the event after its callsite.
    #[inline]
    pub(crate) fn name_of(&mut self, callsite: &'static Callsite) {
        let line = &mut self.sections[Section::Line as usize];
        if line.len() > HEADER_LEN || callsite.name.len() > self.policy.limits.name_bytes {
            return self.name(callsite.name);
        }
        line.extend_from_slice(&callsite.details().name_member);
        self.name_end = line.len();
    }

    /// Adds a parameter.
    pub fn parameter<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.keyed(Place::Parameter, key, &value as &dyn Value);
    }

    /// Adds a tag; its value is sent as text. A tag that breaks a rule is left out and reported.
    pub fn tag<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.keyed(Place::Tag, key, &value as &dyn Value);
    }

    /// Adds a property.
    pub fn property<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.keyed(Place::Property, key, &value as &dyn Value);
    }

    /// Adds a property that is JSON text already.
    #[cfg(feature = "rmcp")]
    pub(crate) fn property_json(&mut self, key: &str, json: &str) {
        self.keyed(Place::Property, key, &Raw(json));
    }

    /// The name, as it was given: cut where it was too long.
    #[cfg(feature = "rmcp")]
    pub(crate) fn given_name(&self) -> Option<String> {
        let line = self.sections[Section::Line as usize].get(HEADER_LEN..self.name_end)?;
        serde_json::from_slice(line.strip_prefix(NAME)?).ok()
    }

    /// Sets all parameters from one value: the members of an object are added to those already there.
    pub fn parameters<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.all_parameters(&value as &dyn Value);
    }

    /// Whether values are left alone from here on; whether they were.
    pub(crate) fn mute(&mut self, muted: bool) -> bool {
        let before = self.skips & MUTED != 0;
        self.skips = self.skips & !MUTED | if muted { MUTED } else { 0 };
        before
    }

    /// Whether names are all that is written from here on: parameters, tags, properties, messages, responses and what
    /// errors say are left alone. What this crate says of an event itself is a [`fact`](Self::fact).
    #[inline]
    pub(crate) fn leave_payloads_out(&mut self, names_only: bool) {
        self.skips = self.skips & !NAMES_ONLY | if names_only { NAMES_ONLY } else { 0 };
    }

    pub(crate) fn is_names_only(&self) -> bool {
        self.skips & NAMES_ONLY != 0
    }

    /// Adds a property that holds nothing of anybody's: a word or a number of this crate's own.
    pub(crate) fn fact<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        let names_only = self.skips & NAMES_ONLY;
        self.skips ^= names_only;
        self.keyed(Place::Property, key, &value as &dyn Value);
        self.skips |= names_only;
    }

    /// Adds how many bytes of JSON a value has, as a [`fact`](Self::fact).
    #[cfg(feature = "rmcp")]
    pub(crate) fn size<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        if let Some(Some(bytes)) = user_code(|| json_bytes(value)) {
            self.fact(key, &bytes);
        }
    }

    /// Sets the response.
    pub fn response(&mut self, value: &dyn Value) {
        if self.skips != 0 {
            return;
        }
        self.cleared(Section::Response);
        self.write_to(Section::Response, "response", value);
    }

    /// Sets the message: one sentence for a reader of the timeline.
    pub fn message<T: fmt::Display + ?Sized>(&mut self, text: &T) {
        if self.skips != 0 {
            return;
        }
        let limit = self.policy.limits.message_bytes;
        if !json::write_display(self.cleared(Section::Message), text, limit) {
            self.problems.push("`message` could not be formatted".to_owned());
        }
    }

    /// Sets how long the operation took.
    pub fn duration(&mut self, duration: Duration) {
        self.duration_micros = Some(time::micros(duration));
    }

    /// The same as the macros' `duration` takes it, which may be missing.
    #[doc(hidden)]
    pub fn duration_of<T: ToDuration + ?Sized>(&mut self, duration: &T) {
        if let Some(duration) = duration.to_duration() {
            self.duration(duration);
        }
    }

    /// Says whether the operation failed.
    pub fn is_error(&mut self, failed: bool) {
        self.is_error = Some(failed);
    }

    /// Attaches an error. The event counts as failed unless [`is_error`](Self::is_error) says otherwise.
    pub fn error(&mut self, mut error: ErrorInfo) {
        if self.skips & MUTED != 0 {
            return;
        }
        if self.is_names_only() {
            error = error.without_payload();
        }
        cut_to(&mut error.message, self.policy.limits.message_bytes);
        for cause in &mut error.chain {
            cut_to(&mut cause.message, self.policy.limits.message_bytes);
        }
        self.has_error = true;
        self.failure = Some(error.message.as_str().into());
        self.cleared(Section::Error);
        self.write_to(Section::Error, "error", &error as &dyn Value);
    }

    /// What the error says, taken out.
    pub(crate) fn failure(&mut self) -> Option<Box<str>> {
        self.failure.take()
    }

    /// Adds everything that `data` records.
    pub fn data<T: super::EventData + ?Sized>(&mut self, data: &T) {
        if self.skips & MUTED == 0 {
            data.record(self);
        }
    }

    /// Adds the value of a field that a macro declared: the callsite's, by its index.
    #[doc(hidden)]
    pub fn value(&mut self, callsite: &'static Callsite, index: usize, value: &dyn Value) {
        if let Some(field) = callsite.details().fields.get(index) {
            self.declared(std::slice::from_ref(field), &[value]);
        }
    }

    /// Adds the values of a callsite's fields, in their order.
    #[doc(hidden)]
    #[inline]
    pub fn values(&mut self, callsite: &'static Callsite, values: &[&dyn Value]) {
        self.declared(&callsite.details().fields, values);
    }

    /// The values of some of a callsite's fields.
    fn declared(&mut self, fields: &[Field], values: &[&dyn Value]) {
        if self.skips != 0 {
            return;
        }
        let built_in = self.policy.keys.is_built_in();
        let count = fields.len().min(values.len());
        let (fields, values) = (&fields[..count], &values[..count]);
        let mut next = 0;
        while next < count {
            // A value's `Serialize` is the author's code: its panic must not become the host's. One net for all of
            // them, since they seldom do.
            let whole = user_code(|| {
                // What is behind a reference that the net holds is read again each time: a copy is not.
                let event = &mut *self;
                while next < count {
                    let (field, value) = (&fields[next], values[next]);
                    if built_in && field.plain {
                        event.plain(field, value);
                    } else {
                        event.with_care(field, value);
                    }
                    next += 1;
                }
            });
            if whole.is_some() {
                return;
            }
            self.take_back(&fields[next].key());
            next += 1;
        }
    }

    #[inline]
    fn plain(&mut self, field: &Field, value: &dyn Value) {
        let member = match std::mem::replace(&mut self.has_parameters, true) {
            true => &field.member,
            false => &field.first_parameter,
        };
        member.write(&mut self.sections[Section::Line as usize]);
        let room = self.room();
        let line = &mut self.sections[Section::Line as usize];
        self.mark = line.len();
        if let Err(why) = Value::write(value, line, &self.policy, room) {
            line.extend_from_slice(b"null");
            self.failed(field, &why);
        }
    }

    #[cold]
    fn failed(&mut self, field: &Field, why: &ValueError) {
        self.problem(&field.key(), &why.to_string());
    }

    /// A field that is not just a parameter of a harmless name.
    #[inline(never)]
    fn with_care(&mut self, field: &Field, value: &dyn Value) {
        let keys = &self.policy.keys;
        let secret = if keys.is_built_in() { field.sensitive } else { keys.redacts(&field.key()) };
        if field.redacted || secret {
            self.hide(field);
        } else if matches!(field.place, Place::Tag) {
            self.checked_tag(&field.key(), value);
        } else {
            self.begin(field.place).extend_from_slice(field.fragment().as_bytes());
            if let Err(why) = self.try_write(section(field.place), value) {
                self.problem(&field.key(), &why);
            }
        }
    }

    /// Replaces a value that panicked while it was being written to the line.
    #[cold]
    fn take_back(&mut self, key: &str) {
        let line = &mut self.sections[Section::Line as usize];
        line.truncate(self.mark);
        line.extend_from_slice(b"null");
        self.problem(key, PANICKED);
    }

    /// Adds a declared field whose value must never be read.
    #[doc(hidden)]
    pub fn redacted(&mut self, callsite: &'static Callsite, index: usize) {
        if self.skips != 0 {
            return;
        }
        if let Some(field) = callsite.details().fields.get(index) {
            self.hide(field);
        }
    }

    fn hide(&mut self, field: &Field) {
        let out = self.begin(field.place);
        out.extend_from_slice(field.fragment().as_bytes());
        json::write_str(out, REDACTED, usize::MAX);
    }

    /// The reserved member of the wire's body, written whole by a tracker: `,"key":value`.
    pub(crate) fn body_member(&mut self, key: &str, value: &dyn Value) {
        let out = self.side(Section::Body);
        out.push(b',');
        json::write_key(out, key);
        self.write_to(Section::Body, key, value);
    }

    /// Adds a value that was serialised earlier, or says why it could not be.
    pub(super) fn held(&mut self, place: Place, key: &str, held: &Result<String, String>) {
        self.keyed(place, key, &Raw(held.as_deref().unwrap_or("null")));
        self.note(key, held);
    }

    pub(super) fn held_parameters(&mut self, held: &Result<String, String>) {
        match held {
            Ok(text) => self.all_parameters(&Raw(text)),
            Err(_) => self.note("parameters", held),
        }
    }

    pub(super) fn held_response(&mut self, held: &Result<String, String>) {
        if self.skips != 0 {
            return;
        }
        self.cleared(Section::Response);
        self.write_to(Section::Response, "response", &Raw(held.as_deref().unwrap_or("null")));
        self.note("response", held);
    }

    fn note(&mut self, key: &str, held: &Result<String, String>) {
        if let Err(why) = held.as_ref().map_err(String::as_str)
            && self.skips == 0
        {
            self.problem(key, why);
        }
    }

    fn keyed<W: Write + ?Sized>(&mut self, place: Place, key: &str, value: &W) {
        if self.skips != 0 {
            return;
        }
        if self.policy.keys.redacts(key) {
            let out = self.begin(place);
            json::write_key(out, key);
            json::write_str(out, REDACTED, usize::MAX);
        } else if matches!(place, Place::Tag) {
            self.checked_tag(key, value);
        } else {
            json::write_key(self.begin(place), key);
            self.write_to(section(place), key, value);
        }
    }

    fn checked_tag<W: Write + ?Sized>(&mut self, key: &str, value: &W) {
        let mut text = std::mem::take(self.side(Section::Tags));
        let start = text.len();
        let refused = match attempt(value, &mut text, &self.policy, self.policy.limits.event_bytes) {
            Err(why) => Some(why),
            Ok(()) => match tag_text(&text[start..]) {
                None => Some("a tag's value is text, a number or a boolean".to_owned()),
                Some(decoded) => match policy::check_tag(key, &decoded) {
                    Err(problem) => Some(problem.to_string()),
                    Ok(()) if self.tags == MAX_TAGS => {
                        Some(format!("an event carries at most {MAX_TAGS} tags"))
                    }
                    Ok(()) => {
                        self.tags += 1;
                        text.truncate(start);
                        separate(&mut text);
                        json::write_key(&mut text, key);
                        json::write_str(&mut text, &decoded, usize::MAX);
                        None
                    }
                },
            },
        };
        if let Some(why) = refused {
            text.truncate(start);
            self.problems.push(format!("tag `{key}` was left out: {why}"));
        }
        self.sections[Section::Tags as usize] = text;
    }

    /// Starts a member of a section: what has to stand before its key.
    #[inline]
    fn begin(&mut self, place: Place) -> &mut Vec<u8> {
        let section = section(place);
        if section != Section::Line {
            let out = self.side(section);
            separate(out);
            return out;
        }
        let line = &mut self.sections[Section::Line as usize];
        if std::mem::replace(&mut self.has_parameters, true) {
            line.push(b',');
        } else {
            line.extend_from_slice(PARAMETERS.as_bytes());
        }
        line
    }

    /// A section beside the line, from now on one to be looked at.
    fn side(&mut self, section: Section) -> &mut Vec<u8> {
        self.touched |= 1 << section as u8;
        &mut self.sections[section as usize]
    }

    /// Writes a value at the end of a section, within what the event's limit leaves; a value that fails
    /// becomes `null` and is reported.
    fn write_to<W: Write + ?Sized>(&mut self, section: Section, key: &str, value: &W) {
        if let Err(why) = self.try_write(section, value) {
            self.problem(key, &why);
        }
    }

    #[inline]
    fn try_write<W: Write + ?Sized>(&mut self, section: Section, value: &W) -> Result<(), String> {
        let room = self.room();
        let out = &mut self.sections[section as usize];
        attempt(value, out, &self.policy, room).inspect_err(|_| out.extend_from_slice(b"null"))
    }

    /// Bytes that the event's limit leaves.
    #[inline]
    fn room(&self) -> usize {
        let [line, sides @ ..] = &self.sections;
        let beside: usize = if self.touched == 0 { 0 } else { sides.iter().map(Vec::len).sum() };
        self.policy.limits.event_bytes.saturating_sub(line.len() - HEADER_LEN + beside)
    }

    fn problem(&mut self, key: &str, why: &str) {
        self.problems.push(format!("the value of `{key}` was sent as null: {why}"));
    }

    fn all_parameters<W: Write + ?Sized>(&mut self, value: &W) {
        if self.skips != 0 {
            return;
        }
        let mut bare = std::mem::take(self.cleared(Section::Bare));
        let wrote = attempt(value, &mut bare, &self.policy, self.room());
        if let [b'{', members @ .., b'}'] = bare.as_slice() {
            if !members.is_empty() {
                self.begin(Place::Parameter).extend_from_slice(members);
            }
            bare.clear();
        }
        self.sections[Section::Bare as usize] = bare;
        if let Err(why) = wrote {
            self.problem("parameters", &why);
        }
    }

    fn cleared(&mut self, section: Section) -> &mut Vec<u8> {
        let out = self.side(section);
        out.clear();
        out
    }

    /// The event's own verdict: what was said, else whether there is an error.
    pub(crate) fn outcome(&self) -> Option<bool> {
        self.is_error.or(self.has_error.then_some(true))
    }

    pub(crate) fn duration_micros(&self) -> Option<u64> {
        self.duration_micros
    }

    /// What was left out or replaced, one sentence each.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The event as the spool takes it: its header, then the members of its body, each with a leading comma.
    #[inline]
    pub(crate) fn record(&mut self, header: &Header) -> &mut Vec<u8> {
        self.end_members();
        let line = &mut self.sections[Section::Line as usize];
        if let Some(room) = line.first_chunk_mut() {
            header.encode(room);
        }
        line
    }

    /// The members of the body alone.
    pub(crate) fn members(&mut self) -> &[u8] {
        self.end_members();
        &self.sections[Section::Line as usize][HEADER_LEN..]
    }

    /// Ends the parameters and puts what is beside the line behind it.
    #[inline]
    fn end_members(&mut self) {
        if self.touched != 0 {
            return self.end_with_sides();
        }
        if std::mem::take(&mut self.has_parameters) {
            self.sections[Section::Line as usize].push(b'}');
        }
    }

    #[inline(never)]
    fn end_with_sides(&mut self) {
        let [line, sides @ ..] = &mut self.sections;
        let bare = &mut sides[Section::Bare as usize - 1];
        if !bare.is_empty() {
            line.extend_from_slice(if self.has_parameters { b",\"value\":" } else { b",\"parameters\":" });
            line.append(bare);
        }
        if std::mem::take(&mut self.has_parameters) {
            line.push(b'}');
        }
        for (section, before, after) in SIDES {
            let side = &mut sides[section as usize - 1];
            if !side.is_empty() {
                line.extend_from_slice(before);
                line.append(side);
                line.extend_from_slice(after);
            }
        }
    }

    fn fresh(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            sections: std::array::from_fn(|i| if i == 0 { empty_line() } else { Vec::new() }),
            touched: 0,
            name_end: HEADER_LEN,
            has_parameters: false,
            mark: HEADER_LEN,
            tags: 0,
            duration_micros: None,
            is_error: None,
            has_error: false,
            failure: None,
            problems: Vec::new(),
            skips: 0,
            asked: false,
        }
    }

    #[inline]
    fn reset(&mut self) {
        let [line, sides @ ..] = &mut self.sections;
        line.truncate(HEADER_LEN);
        if line.capacity() > KEPT_BYTES {
            *line = empty_line();
        }
        if std::mem::take(&mut self.touched) != 0 {
            sides.iter_mut().for_each(emptied);
        }
        self.name_end = HEADER_LEN;
        self.has_parameters = false;
        self.tags = 0;
        self.duration_micros = None;
        self.is_error = None;
        self.has_error = false;
        self.failure = None;
        self.problems.clear();
        self.skips = 0;
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields").field("is_error", &self.is_error).finish_non_exhaustive()
    }
}

/// A thread's buffers, on loan; they go back when the loan ends, to whichever thread that is.
#[derive(Debug, Default)]
pub(crate) struct PooledFields(Option<Box<Fields>>);

thread_local! {
    static SPARE: Cell<Option<Box<Fields>>> = const { Cell::new(None) };
}

impl PooledFields {
    /// The thread's spare buffers, or new ones: a value that publishes while it is serialised finds none.
    pub(crate) fn take(policy: &Arc<Policy>) -> Self {
        let spare = SPARE.try_with(Cell::take).ok().flatten().or_else(from_shelf);
        Self(Some(match spare {
            Some(mut fields) => {
                if !Arc::ptr_eq(&fields.policy, policy) {
                    fields.policy = Arc::clone(policy);
                }
                fields
            }
            None => Self::fresh(policy),
        }))
    }

    /// Has empty buffers for an event under this policy; those that [`clear`](Self::clear) left, if it did.
    #[inline]
    pub(crate) fn prepare(&mut self, policy: &Arc<Policy>) {
        match &mut self.0 {
            Some(fields) if Arc::ptr_eq(&fields.policy, policy) => {}
            _ => *self = Self::take(policy),
        }
    }

    /// The fields, for the body of their call to ask for.
    #[inline]
    pub(crate) fn lend(&mut self) -> Option<Box<Fields>> {
        let mut fields = self.0.take()?;
        fields.asked = false;
        Some(fields)
    }

    /// Gets back what was lent.
    #[inline]
    pub(crate) fn put(&mut self, lent: Option<Box<Fields>>) {
        // Nothing stands there, and the compiler then knows that nothing is dropped.
        if self.0.is_none() {
            self.0 = lent;
        }
    }

    /// Forgets what was written, and keeps the buffers.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if let Some(fields) = &mut self.0 {
            fields.reset();
        }
    }

    #[cold]
    fn fresh(policy: &Arc<Policy>) -> Box<Fields> {
        Box::new(Fields::fresh(Arc::clone(policy)))
    }

    /// Begins anew under another policy, if it is another.
    pub(crate) fn restart(&mut self, policy: &Arc<Policy>, names_only: bool) -> bool {
        let fields = self.fields();
        let other = !Arc::ptr_eq(&fields.policy, policy) || fields.is_names_only() != names_only;
        if other {
            fields.reset();
            fields.policy = Arc::clone(policy);
            fields.leave_payloads_out(names_only);
        }
        other
    }

    /// The fields. Empty ones, should they have been lent and not come back.
    #[inline]
    pub(crate) fn fields(&mut self) -> &mut Fields {
        self.0.get_or_insert_with(|| Self::fresh(&Arc::default()))
    }

    pub(crate) fn shared(&self) -> &Fields {
        match &self.0 {
            Some(fields) => fields,
            None => unreachable!("who looks has the fields"),
        }
    }
}

impl Drop for PooledFields {
    fn drop(&mut self) {
        if let Some(mut fields) = self.0.take() {
            fields.reset();
            if let Ok(Some(another)) = SPARE.try_with(|spare| spare.replace(Some(fields))) {
                to_shelf(another);
            }
        }
    }
}

/// Buffers of threads that end events which others have begun: an answer leaves on another thread than its handler runs on.
#[expect(clippy::vec_box, reason = "the boxes are what is lent")]
static SHELF: Mutex<Vec<Box<Fields>>> = Mutex::new(Vec::new());
const SHELF_LEN: usize = 16;

#[cold]
fn from_shelf() -> Option<Box<Fields>> {
    SHELF.try_lock().ok()?.pop()
}

#[cold]
fn to_shelf(fields: Box<Fields>) {
    if let Ok(mut shelf) = SHELF.try_lock()
        && shelf.len() < SHELF_LEN
    {
        shelf.push(fields);
    }
}

fn section(place: Place) -> Section {
    match place {
        Place::Parameter => Section::Line,
        Place::Tag => Section::Tags,
        Place::Property => Section::Properties,
    }
}

/// Writes a value, or leaves `out` as it was and says why. A value's `Serialize` is the author's code: its
/// panic must not become the host's.
#[inline]
fn attempt<W: Write + ?Sized>(
    value: &W,
    out: &mut Vec<u8>,
    policy: &Policy,
    room: usize,
) -> Result<(), String> {
    let start = out.len();
    match user_code(|| value.write(out, policy, room)) {
        Some(wrote) => wrote.map_err(|error| error.to_string()),
        None => {
            out.truncate(start);
            Err(PANICKED.to_owned())
        }
    }
}

/// Bytes of a value's JSON, counted up to a mebibyte, without keeping them.
#[cfg(feature = "rmcp")]
fn json_bytes<T: Serialize + ?Sized>(value: &T) -> Option<u64> {
    const MOST: u64 = 1 << 20;
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            if self.0 > MOST { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    let written = serde_json::to_writer(&mut count, value);
    (written.is_ok() || count.0 > MOST).then(|| count.0.min(MOST))
}

fn separate(out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
}

/// A line with nothing in it but room for the header.
fn empty_line() -> Vec<u8> {
    let mut line = Vec::with_capacity(1_024);
    line.resize(HEADER_LEN, 0);
    line
}

/// Empties a buffer, and lets go of one that a large value has grown.
#[inline]
fn emptied(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEPT_BYTES {
        *buffer = Vec::new();
    }
}

/// A scalar's text: what a tag sends for it.
fn tag_text(json: &[u8]) -> Option<String> {
    match json.first()? {
        b'"' => serde_json::from_slice(json).ok(),
        b'{' | b'[' => None,
        _ => str::from_utf8(json).ok().map(str::to_owned),
    }
}
