//! Bytes into values, as the page of the module lays them out; what borrows points into the bytes.
//!
//! Nothing is spent on what is not there: the depth of values and the number of their elements are bounded, and no memory is
//! asked for that the bytes could not fill.

use std::fmt::Display;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::error::Malformed;
use super::fd::NO_DESCRIPTOR;

/// How deep values may be nested: each sequence, map, tuple, structure, variant, newtype and `Some` is a level.
///
/// The stack is finite, and a few bytes per level are enough to go down a recursive type.
pub const DEPTH: u32 = 128;

/// So many elements may take no byte at all, as those of a `Vec<()>` do. All others take at least one.
const EMPTY_ELEMENTS: usize = 65_536;

impl Error for Malformed {
    /// Of what a type says when it refuses a value, one thing can travel.
    #[cold]
    fn custom<T: Display>(message: T) -> Self {
        if message.to_string() == NO_DESCRIPTOR {
            Self::NoDescriptor
        } else {
            Self::BadValue
        }
    }
}

/// Takes values from the beginning of bytes.
#[derive(Debug)]
pub(super) struct Decoder<'data> {
    rest: &'data [u8],
    /// Levels that are left.
    depth: u32,
    /// Elements that are left to all sequences and maps together.
    elements: usize,
}

impl<'data> Decoder<'data> {
    pub(super) fn new(data: &'data [u8]) -> Self {
        Self {
            rest: data,
            depth: DEPTH,
            elements: data.len().saturating_add(EMPTY_ELEMENTS),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    fn fixed<const LEN: usize>(&mut self) -> Result<[u8; LEN], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    fn count(&mut self) -> Result<usize, Malformed> {
        let count = u32::from_le_bytes(self.fixed()?);
        usize::try_from(count).map_err(|_| Malformed::TooMany)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'data [u8], Malformed> {
        let count = self.count()?;
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn text(&mut self) -> Result<&'data str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::BadValue)
    }

    /// A `bool`, or whether an option has its value.
    #[inline]
    pub(super) fn is_some(&mut self) -> Result<bool, Malformed> {
        match self.fixed()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Malformed::BadValue),
        }
    }

    /// The number of elements of a sequence or map.
    #[inline]
    pub(super) fn elements(&mut self) -> Result<usize, Malformed> {
        let count = self.count()?;
        self.elements = self.elements.checked_sub(count).ok_or(Malformed::TooMany)?;
        Ok(count)
    }

    /// Goes a level down.
    #[inline]
    fn down<T>(
        &mut self,
        take: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        self.depth = self.depth.checked_sub(1).ok_or(Malformed::TooDeep)?;
        let value = take(self)?;
        // After an error nothing is read any more.
        self.depth = self.depth.saturating_add(1);
        Ok(value)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty)*) => {$(
        #[inline]
        fn $method<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
            visitor.$visit(<$type>::from_le_bytes(self.fixed()?))
        }
    )*};
}

/// The bytes do not say what they are: a type that asks is of no use here.
macro_rules! unknown {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'data>>(self, _: V) -> Result<V::Value, Malformed> {
            Err(Malformed::BadValue)
        }
    )*};
}

impl<'data> Deserializer<'data> for &mut Decoder<'data> {
    type Error = Malformed;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! {
        deserialize_i8 visit_i8 i8
        deserialize_i16 visit_i16 i16
        deserialize_i32 visit_i32 i32
        deserialize_i64 visit_i64 i64
        deserialize_i128 visit_i128 i128
        deserialize_u8 visit_u8 u8
        deserialize_u16 visit_u16 u16
        deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64
        deserialize_u128 visit_u128 u128
        deserialize_f32 visit_f32 f32
        deserialize_f64 visit_f64 f64
    }

    unknown! { deserialize_any deserialize_identifier deserialize_ignored_any }

    #[inline]
    fn deserialize_bool<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_bool(self.is_some()?)
    }

    #[inline]
    fn deserialize_char<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
        let value = u32::from_le_bytes(self.fixed()?);
        visitor.visit_char(char::from_u32(value).ok_or(Malformed::BadValue)?)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_borrowed_str(self.text()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_borrowed_str(self.text()?)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
        if self.is_some()? {
            self.down(|decoder| visitor.visit_some(decoder))
        } else {
            visitor.visit_none()
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'data>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'data>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.down(|decoder| visitor.visit_newtype_struct(decoder))
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
        let left = self.elements()?;
        self.down(|decoder| parts(decoder, left, visitor))
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'data>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.down(|decoder| parts(decoder, len, visitor))
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'data>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.down(|decoder| parts(decoder, len, visitor))
    }

    #[inline]
    fn deserialize_map<V: Visitor<'data>>(self, visitor: V) -> Result<V::Value, Malformed> {
        let left = self.elements()?;
        self.down(|decoder| {
            let mut entries = Parts { decoder, left };
            let value = visitor.visit_map(&mut entries)?;
            entries.end(value)
        })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'data>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.down(|decoder| parts(decoder, fields.len(), visitor))
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'data>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.down(|decoder| visitor.visit_enum(decoder))
    }
}

/// Takes parts of known number.
#[inline]
fn parts<'data, V: Visitor<'data>>(
    decoder: &mut Decoder<'data>,
    left: usize,
    visitor: V,
) -> Result<V::Value, Malformed> {
    let mut parts = Parts { decoder, left };
    let value = visitor.visit_seq(&mut parts)?;
    parts.end(value)
}

/// Elements, fields or entries.
struct Parts<'d, 'data> {
    decoder: &'d mut Decoder<'data>,
    left: usize,
}

impl Parts<'_, '_> {
    /// A visitor that has enough before the end would have what comes next read the rest.
    #[inline]
    fn end<T>(&self, value: T) -> Result<T, Malformed> {
        if self.left > 0 {
            return Err(Malformed::BadValue);
        }
        Ok(value)
    }

    /// At most as many as bytes are left: so much memory may be asked for at once.
    #[inline]
    fn hint(&self) -> usize {
        self.left.min(self.decoder.rest.len())
    }
}

impl<'data> SeqAccess<'data> for &mut Parts<'_, 'data> {
    type Error = Malformed;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'data>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Malformed> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'data> MapAccess<'data> for &mut Parts<'_, 'data> {
    type Error = Malformed;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'data>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Malformed> {
        self.next_element_seed(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'data>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Malformed> {
        seed.deserialize(&mut *self.decoder)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'data> EnumAccess<'data> for &mut Decoder<'data> {
    type Error = Malformed;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'data>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), Malformed> {
        let number = u32::from_le_bytes(self.fixed()?);
        let number: U32Deserializer<Malformed> = number.into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'data> VariantAccess<'data> for &mut Decoder<'data> {
    type Error = Malformed;

    #[inline]
    fn unit_variant(self) -> Result<(), Malformed> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'data>>(
        self,
        seed: S,
    ) -> Result<S::Value, Malformed> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'data>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        parts(self, len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'data>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        parts(self, fields.len(), visitor)
    }
}
