//! Values into bytes, as the page of the module lays them out.

use std::fmt::{self, Display};

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::room::Room;
use crate::pieces::LARGE;

/// Why a value cannot be put into bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unwritable {
    /// The value's own `Serialize` says so.
    Itself,
    /// A sequence, a map or a text has 2^32 - 1 elements or more.
    TooLong,
    /// It leaves a field out (`skip_serializing_if`), or says that it has another number of elements than it has: what is read would
    /// be something else.
    Uneven,
    /// It is nested so deep that the stack has no room for it.
    TooDeep,
}

impl Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Itself => "the value refuses",
            Self::TooLong => "2^32 - 1 elements or more",
            Self::Uneven => "parts are left out",
            Self::TooDeep => "nested deeper than the stack allows",
        })
    }
}

impl std::error::Error for Unwritable {}

impl Error for Unwritable {
    fn custom<T: Display>(_: T) -> Self {
        Self::Itself
    }
}

/// In place of their length: these bytes lie before all values of the message.
pub(super) const IN_FRONT: u32 = u32::MAX;

/// How many bytes there are of those that are to lie before the values. Smaller ones stand among the values, where it costs less to
/// copy them.
pub(super) fn fit_in_front(bytes: &[u8]) -> Option<u32> {
    let count = u32::try_from(bytes.len()).ok()?;
    (bytes.len() >= LARGE && count != IN_FRONT).then_some(count)
}

/// Puts values at the end of a buffer.
pub(super) struct Encoder<'out> {
    out: &'out mut Vec<u8>,
    room: Room,
}

impl<'out> Encoder<'out> {
    #[inline]
    pub(super) fn new(out: &'out mut Vec<u8>) -> Self {
        Self {
            out,
            room: Room::here(),
        }
    }

    /// Goes a level down, in what may be absent, empty or another variant: values that contain themselves end there.
    #[inline]
    fn down(&mut self) -> Result<(), Unwritable> {
        if self.room.is_left() {
            Ok(())
        } else {
            Err(Unwritable::TooDeep)
        }
    }

    #[inline]
    pub(super) fn count(&mut self, count: usize) -> Result<(), Unwritable> {
        let count = u32::try_from(count).map_err(|_| Unwritable::TooLong)?;
        if count == IN_FRONT {
            return Err(Unwritable::TooLong);
        }
        self.out.extend_from_slice(&count.to_le_bytes());
        Ok(())
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Unwritable> {
        self.count(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

/// Elements of a sequence or entries of a map.
pub(super) struct Counted<'e, 'out> {
    encoder: &'e mut Encoder<'out>,
    /// How many there are to be.
    said: Option<usize>,
    /// Where their number stands.
    at: usize,
    count: usize,
}

impl<'e, 'out> Counted<'e, 'out> {
    #[inline]
    fn begin(encoder: &'e mut Encoder<'out>, len: Option<usize>) -> Result<Self, Unwritable> {
        let at = encoder.out.len();
        encoder.down()?;
        encoder.count(len.unwrap_or(0))?;
        Ok(Self {
            encoder,
            said: len,
            at,
            count: 0,
        })
    }

    #[inline]
    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        value.serialize(&mut *self.encoder)
    }

    #[inline]
    fn end(self) -> Result<(), Unwritable> {
        match self.said {
            Some(said) if said == self.count => Ok(()),
            Some(_) => Err(Unwritable::Uneven),
            None => self.say(),
        }
    }

    /// Says afterwards how many there are.
    fn say(self) -> Result<(), Unwritable> {
        let count = u32::try_from(self.count).map_err(|_| Unwritable::TooLong)?;
        let place = self.encoder.out.get_mut(self.at..);
        if let Some(place) = place.and_then(<[u8]>::first_chunk_mut) {
            *place = count.to_le_bytes();
        }
        Ok(())
    }
}

macro_rules! numbers {
    ($($method:ident $type:ty)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), Unwritable> {
            self.out.extend_from_slice(&value.to_le_bytes());
            Ok(())
        }
    )*};
}

impl<'e, 'out> Serializer for &'e mut Encoder<'out> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Counted<'e, 'out>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Counted<'e, 'out>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! {
        serialize_i8 i8
        serialize_i16 i16
        serialize_i32 i32
        serialize_i64 i64
        serialize_i128 i128
        serialize_u8 u8
        serialize_u16 u16
        serialize_u32 u32
        serialize_u64 u64
        serialize_u128 u128
        serialize_f32 f32
        serialize_f64 f64
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Unwritable> {
        self.serialize_u8(u8::from(value))
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<(), Unwritable> {
        self.serialize_u32(u32::from(value))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Unwritable> {
        self.bytes(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Unwritable> {
        self.bytes(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Unwritable> {
        self.serialize_u8(0)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        // What is smaller than a pointer contains nothing.
        if size_of_val(value) >= size_of::<usize>() {
            self.down()?;
        }
        self.out.push(1);
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Unwritable> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unwritable> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
    ) -> Result<(), Unwritable> {
        self.serialize_u32(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        self.down()?;
        self.out.extend_from_slice(&variant.to_le_bytes());
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Counted<'e, 'out>, Unwritable> {
        Counted::begin(self, len)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, Unwritable> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Unwritable> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unwritable> {
        self.down()?;
        self.out.extend_from_slice(&variant.to_le_bytes());
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Counted<'e, 'out>, Unwritable> {
        Counted::begin(self, len)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Unwritable> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unwritable> {
        self.down()?;
        self.out.extend_from_slice(&variant.to_le_bytes());
        Ok(self)
    }
}

impl SerializeSeq for Counted<'_, '_> {
    type Ok = ();
    type Error = Unwritable;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        self.count = self.count.saturating_add(1);
        self.put(value)
    }

    #[inline]
    fn end(self) -> Result<(), Unwritable> {
        self.end()
    }
}

impl SerializeMap for Counted<'_, '_> {
    type Ok = ();
    type Error = Unwritable;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritable> {
        self.count = self.count.saturating_add(1);
        self.put(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        self.put(value)
    }

    #[inline]
    fn end(self) -> Result<(), Unwritable> {
        self.end()
    }
}

macro_rules! in_order {
    ($($trait:ident $method:ident ($($name:ident: $type:ty)?) $($skip:ident)?;)*) => {$(
        impl $trait for &mut Encoder<'_> {
            type Ok = ();
            type Error = Unwritable;

            #[inline]
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: $type,)?
                value: &T,
            ) -> Result<(), Unwritable> {
                value.serialize(&mut **self)
            }

            $(
                /// Whoever reads it would take the next one for it.
                fn $skip(&mut self, _: &'static str) -> Result<(), Unwritable> {
                    Err(Unwritable::Uneven)
                }
            )?

            #[inline]
            fn end(self) -> Result<(), Unwritable> {
                Ok(())
            }
        }
    )*};
}

in_order! {
    SerializeTuple serialize_element ();
    SerializeTupleStruct serialize_field ();
    SerializeTupleVariant serialize_field ();
    SerializeStruct serialize_field (_name: &'static str) skip_field;
    SerializeStructVariant serialize_field (_name: &'static str) skip_field;
}
