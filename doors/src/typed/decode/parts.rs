//! What has parts: elements, entries, fields and variants.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::Decoder;
use crate::typed::error::Malformed;

/// Takes parts of known number.
#[inline]
pub(super) fn parts<'data, V: Visitor<'data>>(
    decoder: &mut Decoder<'data>,
    left: usize,
    visitor: V,
) -> Result<V::Value, Malformed> {
    let mut parts = Parts::new(decoder, left);
    let value = visitor.visit_seq(&mut parts)?;
    parts.end(value)
}

/// Elements, fields or entries.
pub(super) struct Parts<'d, 'data> {
    decoder: &'d mut Decoder<'data>,
    left: usize,
}

impl<'d, 'data> Parts<'d, 'data> {
    #[inline]
    pub(super) fn new(decoder: &'d mut Decoder<'data>, left: usize) -> Self {
        Self { decoder, left }
    }

    /// A visitor that has enough before the end would have what comes next read the rest.
    #[inline]
    pub(super) fn end<T>(&self, value: T) -> Result<T, Malformed> {
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
