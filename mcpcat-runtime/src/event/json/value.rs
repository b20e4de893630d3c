//! The serialiser itself. A compound asks before every member whether there is room and leave for one more; when
//! there is not, it writes the marker and stops the impl with an error that the next frame below turns into a
//! complete value. A real error takes back the member it happened in, so that an impl which ignores it still
//! leaves valid JSON.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use super::key::{KeySerializer, Verdict};
use super::{Kind, LEVEL_RESERVE, MAX_WRAPPERS, Shape, VALUE_RESERVE, ValueError, Writer, text};

/// A base64 string of so many characters is content, not text.
const BINARY_CHARS: usize = 10_240;
/// The same under a key that MCP uses for content.
const BINARY_MEMBER_CHARS: usize = 256;

/// A sequence or a tuple of so many `u8` is binary content. Shorter ones are colours, versions and the like.
const LEAST_BYTES: usize = 4;

/// The private names by which `serde_json` passes its raw values and big numbers through serde.
const RAW_VALUE: &str = "$serde_json::private::RawValue";
const NUMBER: &str = "$serde_json::private::Number";

/// How a string has to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// An element of a sequence, which may turn out to be one of bytes.
    Element,
    /// The member of an MCP content block that holds base64.
    Binary,
    /// JSON text.
    Raw,
    /// The text of a number.
    Number,
}

pub(super) struct ValueSerializer<'w, 'a> {
    pub(super) writer: &'w mut Writer<'a>,
    pub(super) form: Form,
}

type Done = Result<(), ValueError>;

impl<'w, 'a> ValueSerializer<'w, 'a> {
    fn display(self, value: impl fmt::Display) -> Done {
        use std::io::Write as _;
        // Writing into a Vec does not fail.
        let _ = write!(self.writer.out, "{value}");
        Ok(())
    }

    #[inline]
    fn integer(self, value: impl itoa::Integer) -> Done {
        self.writer.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        Ok(())
    }

    fn float(self, value: impl Serialize + Into<f64> + Copy) -> Done {
        let wide: f64 = value.into();
        if wide.is_finite() {
            return serde_json::to_writer(&mut *self.writer.out, &value).map_err(ser::Error::custom);
        }
        let word = if wide.is_nan() {
            "\"NaN\""
        } else if wide > 0.0 {
            "\"Infinity\""
        } else {
            "\"-Infinity\""
        };
        self.writer.out.extend_from_slice(word.as_bytes());
        Ok(())
    }

    /// One whose elements may all be bytes: serde writes `Vec<u8>` and `[u8; N]` like any other.
    fn sequence(self, len: Option<usize>) -> Result<Compound<'w, 'a>, ValueError> {
        let start = self.writer.out.len();
        Ok(Compound { bytes_from: Some(start), ..self.compound(Shape::Array, len)? })
    }

    fn compound(self, shape: Shape, len: Option<usize>) -> Result<Compound<'w, 'a>, ValueError> {
        let base = self.writer.level;
        self.compound_above(base, shape, len)
    }

    fn compound_above(
        self,
        base: usize,
        shape: Shape,
        len: Option<usize>,
    ) -> Result<Compound<'w, 'a>, ValueError> {
        if !self.writer.may_open() {
            self.writer.summary(shape, len);
            return Err(self.writer.stop());
        }
        self.writer.open(shape);
        Ok(Compound {
            writer: self.writer,
            base,
            count: 0,
            len,
            state: State::Open,
            pending: None,
            bytes_from: None,
        })
    }

    /// `{"Variant":` and then the compound, unless the variant's name is sensitive.
    fn variant(self, variant: &str, shape: Shape, len: usize) -> Result<Compound<'w, 'a>, ValueError> {
        let base = self.writer.level;
        if !self.writer.may_open() {
            self.writer.summary(Shape::Object, Some(1));
            return Err(self.writer.stop());
        }
        self.writer.open(Shape::Object);
        self.writer.key(variant);
        if self.writer.policy.keys.redacts(variant) {
            self.writer.redacted();
            self.writer.close_to(base);
            let state = State::Ignored;
            return Ok(Compound {
                writer: self.writer,
                base,
                count: 0,
                len: None,
                state,
                pending: None,
                bytes_from: None,
            });
        }
        self.compound_above(base, shape, Some(len))
    }

    /// `Some` and newtypes write nothing but use the stack.
    fn wrapped<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.writer.wrappers += 1;
        if self.writer.wrappers > MAX_WRAPPERS {
            self.writer.marker(format_args!("too deep"));
            return Err(self.writer.stop());
        }
        let form = self.form;
        value.serialize(ValueSerializer { writer: &mut *self.writer, form })?;
        self.writer.wrappers -= 1;
        Ok(())
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {
        $(#[inline]
        fn $method(self, value: $type) -> Done {
            self.integer(value)
        })*
    };
}

impl<'w, 'a> Serializer for ValueSerializer<'w, 'a> {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = Compound<'w, 'a>;
    type SerializeTuple = Compound<'w, 'a>;
    type SerializeTupleStruct = Compound<'w, 'a>;
    type SerializeTupleVariant = Compound<'w, 'a>;
    type SerializeMap = Compound<'w, 'a>;
    type SerializeStruct = Compound<'w, 'a>;
    type SerializeStructVariant = Compound<'w, 'a>;

    #[inline]
    fn serialize_u8(self, value: u8) -> Done {
        self.writer.byte = self.form == Form::Element;
        self.integer(value)
    }

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_i128(self, value: i128) -> Done {
        self.display(value)
    }

    fn serialize_u128(self, value: u128) -> Done {
        self.display(value)
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Done {
        self.writer.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Done {
        self.float(value)
    }

    fn serialize_f64(self, value: f64) -> Done {
        self.float(value)
    }

    fn serialize_char(self, value: char) -> Done {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Done {
        if matches!(self.form, Form::Plain | Form::Element) && value.len() < BINARY_MEMBER_CHARS {
            self.writer.string(value);
        } else {
            self.writer.formed(value, self.form);
        }
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Done {
        self.writer.binary(value.len());
        Ok(())
    }

    fn serialize_none(self) -> Done {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.wrapped(value)
    }

    fn serialize_unit(self) -> Done {
        self.writer.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.writer.string(variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        self.wrapped(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        let mut compound = self.compound(Shape::Object, Some(1))?;
        compound.member(variant, value)?;
        compound.finish()
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Compound<'w, 'a>, ValueError> {
        self.sequence(len)
    }

    fn serialize_tuple(self, len: usize) -> Result<Compound<'w, 'a>, ValueError> {
        self.sequence(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Compound<'w, 'a>, ValueError> {
        self.compound(Shape::Array, Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'w, 'a>, ValueError> {
        self.variant(variant, Shape::Array, len)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Compound<'w, 'a>, ValueError> {
        self.compound(Shape::Object, len)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Compound<'w, 'a>, ValueError> {
        let state = match name {
            RAW_VALUE => State::Text(Form::Raw),
            NUMBER => State::Text(Form::Number),
            _ => return self.compound(Shape::Object, Some(len)),
        };
        let base = self.writer.level;
        Ok(Compound {
            writer: self.writer,
            base,
            count: 0,
            len: Some(1),
            state,
            pending: None,
            bytes_from: None,
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'w, 'a>, ValueError> {
        self.variant(variant, Shape::Object, len)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Done {
        let mut text = self.writer.bounded_text();
        text.display(value);
        text.finish();
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Members may follow.
    Open,
    /// The marker is written, nothing may follow.
    Full,
    /// Already complete: what follows belongs to a sensitive variant.
    Ignored,
    /// One of `serde_json`'s private structs, waiting for its text.
    Text(Form),
    /// Its text has come.
    Complete,
}

/// A key that waits for its value, and where the member began.
struct Pending {
    verdict: Verdict,
    mark: usize,
}

pub(super) struct Compound<'w, 'a> {
    writer: &'w mut Writer<'a>,
    /// The level to go back to at the end; one or two below its own.
    base: usize,
    count: usize,
    len: Option<usize>,
    state: State,
    pending: Option<Pending>,
    /// Where the sequence began, while all its elements are bytes.
    bytes_from: Option<usize>,
}

impl Compound<'_, '_> {
    /// Makes ready for one more member of at least so many bytes; gives where it begins.
    fn begin(&mut self, bytes: usize) -> Result<usize, ValueError> {
        if self.state != State::Open {
            return Err(self.writer.stop());
        }
        if self.count >= self.writer.policy.limits.members || self.writer.room() < bytes {
            self.state = State::Full;
            if self.binary() {
                self.state = State::Ignored;
                return Err(self.writer.stop());
            }
            let more = self.len.and_then(|len| len.checked_sub(self.count)).filter(|&more| more > 0);
            self.writer.rest(self.count == 0, more);
            return Err(self.writer.stop());
        }
        let mark = self.writer.out.len();
        if self.count > 0 {
            self.writer.out.push(b',');
        }
        Ok(mark)
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        if self.state == State::Ignored {
            return Ok(());
        }
        let mark = self.begin(VALUE_RESERVE)?;
        let result = self.writer.nested(value, Form::Element);
        if !std::mem::take(&mut self.writer.byte) {
            self.bytes_from = None;
        }
        self.settle(mark, result)
    }

    /// Puts the size in place of a sequence of bytes, if it is one.
    fn binary(&mut self) -> bool {
        let Some(start) = self.bytes_from.take().filter(|_| self.count >= LEAST_BYTES) else { return false };
        self.writer.roll_back(self.base, start);
        match self.len {
            Some(len) => self.writer.binary(len.max(self.count)),
            None if self.state == State::Full => {
                self.writer.marker(format_args!("binary: more than {} bytes", self.count))
            }
            None => self.writer.binary(self.count),
        }
        true
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Done {
        match self.state {
            State::Ignored => return Ok(()),
            State::Text(form) => {
                self.state = State::Complete;
                return self.writer.nested(value, form);
            }
            State::Complete => return Ok(()),
            State::Open | State::Full => {}
        }
        let mark = self.begin(LEVEL_RESERVE + VALUE_RESERVE)?;
        self.writer.key(key);
        let verdict = Verdict::of(key, self.writer);
        let result = self.value(verdict, value);
        self.settle(mark, result)
    }

    fn value<T: Serialize + ?Sized>(&mut self, verdict: Verdict, value: &T) -> Done {
        if verdict.redact {
            self.writer.redacted();
            return Ok(());
        }
        self.writer.nested(value, if verdict.binary { Form::Binary } else { Form::Plain })
    }

    /// Counts a member that was written and takes back one that failed.
    fn settle(&mut self, mark: usize, result: Done) -> Done {
        match result {
            Ok(()) => self.count += 1,
            Err(_) => self.writer.out.truncate(mark),
        }
        result
    }

    fn finish(mut self) -> Done {
        match self.state {
            State::Text(_) => return Err(ValueError(Kind::Nothing)),
            _ if self.pending.is_some() => return Err(ValueError(Kind::KeyAlone)),
            _ => {}
        }
        // An impl that ignored the stop has ended properly after all.
        self.writer.stopping = false;
        // A sequence of bytes is no byte of another.
        self.writer.byte = false;
        if self.state == State::Open && self.binary() {
            return Ok(());
        }
        self.writer.close_to(self.base);
        Ok(())
    }
}

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        if self.pending.is_some() {
            return Err(ValueError(Kind::KeyAlone));
        }
        let mark = self.begin(LEVEL_RESERVE + VALUE_RESERVE)?;
        let wrappers = self.writer.wrappers;
        let verdict = key.serialize(KeySerializer { writer: &mut *self.writer });
        self.writer.wrappers = wrappers;
        match verdict {
            Ok(verdict) => {
                self.pending = Some(Pending { verdict, mark });
                Ok(())
            }
            Err(error) => {
                self.writer.out.truncate(mark);
                Err(error)
            }
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let Some(Pending { verdict, mark }) = self.pending.take() else {
            if self.state == State::Full {
                return Err(self.writer.stop());
            }
            return Err(ValueError(Kind::ValueAlone));
        };
        let result = self.value(verdict, value);
        self.settle(mark, result)
    }

    fn end(self) -> Done {
        self.finish()
    }
}

impl ser::SerializeStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
        self.member(key, value)
    }

    fn end(self) -> Done {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
        self.member(key, value)
    }

    fn end(self) -> Done {
        self.finish()
    }
}

macro_rules! sequences {
    ($($name:ident::$method:ident),*) => {
        $(impl ser::$name for Compound<'_, '_> {
            type Ok = ();
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.element(value)
            }

            fn end(self) -> Done {
                self.finish()
            }
        })*
    };
}

sequences!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

impl Writer<'_> {
    fn formed(&mut self, value: &str, form: Form) {
        match form {
            Form::Raw => self.raw(value),
            Form::Number => self.number(value),
            Form::Plain | Form::Element | Form::Binary => self.text(value, form == Form::Binary),
        }
    }

    /// A string, or what kind of content it is.
    pub(super) fn text(&mut self, value: &str, binary: bool) {
        let least = if binary { BINARY_MEMBER_CHARS } else { BINARY_CHARS };
        if value.len() >= BINARY_MEMBER_CHARS {
            if value.len() >= least
                && let Some(bytes) = text::base64_size(value, false)
            {
                return self.binary(bytes);
            }
            if let Some((kind, bytes)) = text::data_url(value) {
                return self.marker(format_args!("binary: {kind}, {bytes} bytes"));
            }
        }
        self.string(value);
    }
}

/// The size of what a string holds, if it is content. The text may still have its JSON escapes.
pub(super) fn content_size(raw: &str, binary: bool) -> Option<usize> {
    let least = if binary { BINARY_MEMBER_CHARS } else { BINARY_CHARS };
    if raw.len() < least { None } else { text::base64_size(raw, true) }
}
