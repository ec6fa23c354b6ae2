//! Bytes into values, as the page of the module lays them out; what borrows points into the bytes.
//!
//! Nothing is spent on what is not there: the depth of values, the stack that they take and the number of their elements are
//! bounded, and no memory is asked for that the bytes could not fill.

mod parts;

use std::fmt::Display;

use serde::de::{Deserializer, Error, Expected, Unexpected, Visitor};

use self::parts::{Parts, parts};
use super::encode::IN_FRONT;
use super::error::Malformed;
use super::fd::NO_DESCRIPTOR;
use super::front::Front;
use super::room::Room;
use super::trial;

/// How deep values may be nested: each sequence, map, tuple, structure, variant, newtype and `Some` is a level.
///
/// The stack is finite, and a few bytes per level are enough to go down a recursive type. Where a level takes much of it, there are
/// fewer: values have three quarters of what is left of their thread's.
pub const DEPTH: u32 = 128;

/// So many elements may take no byte at all, as those of a `Vec<()>` do. All others take at least one.
const EMPTY_ELEMENTS: usize = 65_536;

/// Where a larger value begins the stack is looked at, which takes half a nanosecond: more than small ones have to spare.
const SMALL: usize = 128;

/// So many levels below the first, too: what a `Deserialize` has on the stack is more than its value, perhaps.
const LEVELS: u32 = 8;

impl Error for Malformed {
    /// Of what a type says when it refuses a value, few things can travel.
    #[cold]
    fn custom<T: Display>(message: T) -> Self {
        let message = message.to_string();
        if message == NO_DESCRIPTOR {
            return Self::NoDescriptor;
        }
        // What a value inside another one says.
        [Self::NotFrozen, Self::TooLarge, Self::NoRoom]
            .into_iter()
            .find(|reason| reason.to_string() == message)
            .unwrap_or_else(|| {
                trial::note_refusal();
                Self::BadValue
            })
    }

    /// Whatever stands for a descriptor, this is about the bytes.
    #[cold]
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        if matches!(unexpected, Unexpected::Other(_)) {
            return Self::custom(expected);
        }
        Self::BadValue
    }

    #[cold]
    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self::BadValue
    }

    #[cold]
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::BadValue
    }
}

/// Takes values from the beginning of bytes.
#[derive(Debug)]
pub(super) struct Decoder<'data> {
    rest: &'data [u8],
    /// Bytes that lie before the values.
    front: Front<'data>,
    /// Levels that are left.
    depth: u32,
    room: Room,
    /// Elements that are left to all sequences and maps together.
    elements: usize,
}

impl<'data> Decoder<'data> {
    pub(super) fn new(front: Front<'data>, data: &'data [u8]) -> Self {
        Self {
            rest: data,
            front,
            depth: DEPTH,
            room: Room::here(),
            elements: data.len().saturating_add(EMPTY_ELEMENTS),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty() && self.front.is_none()
    }

    #[inline]
    pub(super) fn fixed<const LEN: usize>(&mut self) -> Result<[u8; LEN], Malformed> {
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
        let count = u32::from_le_bytes(self.fixed()?);
        if count == IN_FRONT {
            return self.front.take().lent().ok_or(Malformed::Short);
        }
        self.part(usize::try_from(count).map_err(|_| Malformed::TooMany)?)
    }

    /// So many bytes as they are.
    #[inline]
    pub(super) fn part(&mut self, count: usize) -> Result<&'data [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Bytes of the receiver's own: those before the values are not copied.
    #[inline]
    pub(super) fn own_bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        if self.rest.first_chunk() == Some(&IN_FRONT.to_le_bytes())
            && let Some(own) = self.front.own()
        {
            let _mark: [u8; 4] = self.fixed()?;
            return Ok(own);
        }
        self.bytes().map(<[u8]>::to_vec)
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
        let is_looked_at = size_of::<T>() > SMALL || self.depth.is_multiple_of(LEVELS);
        if is_looked_at && !self.room.is_left() {
            return Err(Malformed::TooDeep);
        }
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
            let mut entries = Parts::new(decoder, left);
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
