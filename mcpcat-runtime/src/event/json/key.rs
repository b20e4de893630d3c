//! Map keys: JSON has strings only, so numbers, bools, chars and unit variants are quoted and all else is
//! refused, as `serde_json` does. Each key is judged here, since its value must not be touched before that.

use std::fmt;
use std::io::Write as _;

use serde::ser::{Impossible, Serialize, Serializer};

use super::{Kind, ValueError, Writer};

/// What a key says about its value.
#[derive(Clone, Copy, Default)]
pub(super) struct Verdict {
    /// The value is not recorded.
    pub(super) redact: bool,
    /// The value is where MCP keeps base64: content blocks and resource contents.
    pub(super) binary: bool,
}

impl Verdict {
    pub(super) fn of(key: &str, writer: &Writer<'_>) -> Self {
        Self { redact: writer.policy.keys.redacts(key), binary: matches!(key, "data" | "blob") }
    }
}

pub(super) struct KeySerializer<'w, 'a> {
    pub(super) writer: &'w mut Writer<'a>,
}

impl KeySerializer<'_, '_> {
    fn quoted(self, key: &impl fmt::Display) -> Result<Verdict, ValueError> {
        // Writing into a Vec does not fail.
        let _ = write!(self.writer.out, "\"{key}\":");
        Ok(Verdict::default())
    }

    fn float(self, key: impl Into<f64> + Serialize) -> Result<Verdict, ValueError> {
        let out = &mut *self.writer.out;
        out.push(b'"');
        serde_json::to_writer(&mut *out, &key).map_err(serde::ser::Error::custom)?;
        out.extend_from_slice(b"\":");
        if key.into().is_finite() { Ok(Verdict::default()) } else { Err(ValueError(Kind::Key)) }
    }
}

const REFUSED: Result<Impossible<Verdict, ValueError>, ValueError> = Err(ValueError(Kind::Key));

macro_rules! quoted {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, key: $type) -> Result<Verdict, ValueError> {
            self.quoted(&key)
        })*
    };
}

impl Serializer for KeySerializer<'_, '_> {
    type Ok = Verdict;
    type Error = ValueError;
    type SerializeSeq = Impossible<Verdict, ValueError>;
    type SerializeTuple = Impossible<Verdict, ValueError>;
    type SerializeTupleStruct = Impossible<Verdict, ValueError>;
    type SerializeTupleVariant = Impossible<Verdict, ValueError>;
    type SerializeMap = Impossible<Verdict, ValueError>;
    type SerializeStruct = Impossible<Verdict, ValueError>;
    type SerializeStructVariant = Impossible<Verdict, ValueError>;

    quoted!(
        serialize_bool: bool,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    );

    fn serialize_f32(self, key: f32) -> Result<Verdict, ValueError> {
        self.float(key)
    }

    fn serialize_f64(self, key: f64) -> Result<Verdict, ValueError> {
        self.float(key)
    }

    fn serialize_char(self, key: char) -> Result<Verdict, ValueError> {
        self.serialize_str(key.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, key: &str) -> Result<Verdict, ValueError> {
        self.writer.key(key);
        Ok(Verdict::of(key, self.writer))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Verdict, ValueError> {
        Err(ValueError(Kind::Key))
    }

    fn serialize_none(self) -> Result<Verdict, ValueError> {
        Err(ValueError(Kind::Key))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, key: &T) -> Result<Verdict, ValueError> {
        self.serialize_newtype_struct("", key)
    }

    fn serialize_unit(self) -> Result<Verdict, ValueError> {
        Err(ValueError(Kind::Key))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Verdict, ValueError> {
        Err(ValueError(Kind::Key))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Verdict, ValueError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        key: &T,
    ) -> Result<Verdict, ValueError> {
        self.writer.wrappers += 1;
        if self.writer.wrappers > super::MAX_WRAPPERS {
            return Err(ValueError(Kind::Key));
        }
        let verdict = key.serialize(KeySerializer { writer: &mut *self.writer })?;
        self.writer.wrappers -= 1;
        Ok(verdict)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Verdict, ValueError> {
        Err(ValueError(Kind::Key))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, ValueError> {
        REFUSED
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, ValueError> {
        REFUSED
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, ValueError> {
        REFUSED
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, ValueError> {
        REFUSED
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, ValueError> {
        REFUSED
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, ValueError> {
        REFUSED
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, ValueError> {
        REFUSED
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, key: &T) -> Result<Verdict, ValueError> {
        let start = self.writer.out.len() + 1;
        let room = self.writer.room().saturating_sub(super::VALUE_RESERVE);
        let mut text = super::Bounded::new(self.writer.out, self.writer.policy.limits.name_bytes, room);
        text.display(key);
        text.finish();
        // Judged as written: an escape inside does not change where the words are.
        let written =
            std::str::from_utf8(&self.writer.out[start..self.writer.out.len() - 1]).unwrap_or_default();
        let verdict = Verdict::of(written, self.writer);
        self.writer.out.push(b':');
        Ok(verdict)
    }
}
