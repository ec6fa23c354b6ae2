//! What has parts: elements, entries, fields and variants.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::known::{Choice, Known, Sight};
use super::{Look, Refused, View};
use crate::typed::shape::{Shape, Variant};

/// The parts of a tuple or a structure, one after the other.
pub(super) struct Fields<'v> {
    view: &'v View,
    left: std::slice::IterMut<'v, Shape>,
}

impl<'v> Fields<'v> {
    pub(super) fn new(view: &'v View, shapes: &'v mut [Shape]) -> Self {
        Self {
            view,
            left: shapes.iter_mut(),
        }
    }

    /// Looks at the part of a newtype.
    pub(super) fn only<T>(
        &mut self,
        look: impl FnOnce(Look<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let shape = self.left.next().ok_or(Refused)?;
        look(Look::new(self.view, shape))
    }
}

impl SeqAccess<'static> for Fields<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        match self.left.next() {
            Some(shape) => seed.deserialize(Look::new(self.view, shape)).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

/// A sequence of one element, or of none where a type contains itself.
pub(super) struct Elements<'v>(Fields<'v>);

impl<'v> Elements<'v> {
    pub(super) fn new(view: &'v View, shapes: &'v mut [Shape]) -> Self {
        let mut fields = Fields::new(view, shapes);
        if view.short.get() > 0 {
            fields.left = std::slice::IterMut::default();
        }
        Self(fields)
    }
}

impl SeqAccess<'static> for Elements<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        self.0.next_element_seed(seed)
    }
}

/// A map of one entry, or of none where a type contains itself.
pub(super) struct Entries<'v> {
    view: &'v View,
    key: Option<&'v mut Shape>,
    value: &'v mut Shape,
}

impl<'v> Entries<'v> {
    pub(super) fn new(view: &'v View, (key, value): &'v mut (Shape, Shape)) -> Self {
        Self {
            view,
            key: (view.short.get() == 0).then_some(key),
            value,
        }
    }
}

impl MapAccess<'static> for Entries<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        match self.key.take() {
            Some(shape) => seed.deserialize(Look::new(self.view, shape)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Refused> {
        seed.deserialize(Look::new(self.view, self.value))
    }
}

/// The variant of a choice that this look is for.
pub(super) struct OneOf<'v> {
    view: &'v View,
    key: &'static str,
    at: usize,
}

impl<'v> OneOf<'v> {
    /// The first that was not seen yet. Inside the same type, the first that ends; of those that were not seen yet if
    /// there is no other.
    pub(super) fn new(
        view: &'v View,
        key: &'static str,
        name: &'static str,
        variants: &'static [&'static str],
    ) -> Option<Self> {
        let mut known = view.known.borrow_mut();
        let known = known.entry(key).or_insert_with(|| {
            let variants = variants.iter().map(|&name| (name, Sight::Not)).collect();
            Known::Choice(Choice { name, variants })
        });
        let Known::Choice(choice) = known else {
            return None;
        };
        let find =
            |is: &dyn Fn(&Sight) -> bool| choice.variants.iter().position(|(_, sight)| is(sight));
        let unseen = || find(&|sight| matches!(sight, Sight::Not | Sight::Briefly));
        let ending = || {
            find(&|sight| matches!(sight, Sight::Seen(Variant::Unit)))
                .or_else(|| {
                    find(&|sight| matches!(sight, Sight::Seen(variant) if ends(variant, key)))
                })
                .or_else(|| find(&|sight| matches!(sight, Sight::Briefly)))
        };
        let at = if view.short.get() == 0 {
            unseen().or_else(ending)
        } else {
            ending().or_else(unseen)
        };
        let at = at.or_else(|| find(&|sight| matches!(sight, Sight::Seen(_))))?;
        if let Some((_, sight @ (Sight::Not | Sight::Briefly))) = choice.variants.get_mut(at) {
            *sight = Sight::Looking;
            view.moved.set(true);
        }
        Some(Self { view, key, at })
    }

    pub(super) fn look<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        let (view, key, at) = (self.view, self.key, self.at);
        let value = visitor.visit_enum(self);
        let mut known = view.known.borrow_mut();
        if let Some(Known::Choice(choice)) = known.get_mut(key) {
            if let Some((_, sight @ Sight::Looking)) = choice.variants.get_mut(at) {
                // A part that has another sample left makes another look.
                *sight = if value.is_err() && view.moved.get() && !view.stuck(key) {
                    Sight::Not
                } else {
                    Sight::Failed
                };
            }
            let is_unseen = |(_, sight): &(_, Sight)| matches!(sight, Sight::Not | Sight::Briefly);
            if choice.variants.iter().any(is_unseen) {
                view.unseen.set(true);
            }
        }
        value
    }

    fn seen(&self, variant: Variant) {
        let mut known = self.view.known.borrow_mut();
        if let Some(Known::Choice(choice)) = known.get_mut(self.key)
            && let Some((_, sight @ Sight::Looking)) = choice.variants.get_mut(self.at)
        {
            *sight = if self.view.short.get() == 0 {
                Sight::Seen(variant)
            } else {
                Sight::Briefly
            };
        }
    }
}

impl View {
    /// Whether a choice was tried too often.
    fn stuck(&self, key: &'static str) -> bool {
        let mut refused = self.refused.borrow_mut();
        let count = refused.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        *count > super::SAMPLES
    }
}

/// Whether a variant does not lead back to its choice at once.
fn ends(variant: &Variant, key: &str) -> bool {
    let leads = |shape: &Shape| matches!(shape, Shape::Again(other) if other == key);
    match variant {
        Variant::Unit => true,
        Variant::Newtype(inner) => !leads(inner),
        Variant::Tuple(parts) => !parts.iter().any(leads),
        Variant::Structure(fields) => !fields.iter().any(|(_, field)| leads(field)),
    }
}

impl EnumAccess<'static> for OneOf<'_> {
    type Error = Refused;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'static>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), Refused> {
        let number = u32::try_from(self.at).map_err(|_| Refused)?;
        let number: U32Deserializer<Refused> = number.into_deserializer();
        seed.deserialize(number).map(|variant| (variant, self))
    }
}

impl VariantAccess<'static> for OneOf<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        self.seen(Variant::Unit);
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'static>>(
        self,
        seed: S,
    ) -> Result<S::Value, Refused> {
        let mut shape = Shape::Hidden;
        let value = seed.deserialize(Look::new(self.view, &mut shape))?;
        self.seen(Variant::Newtype(shape));
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'static>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut shapes = vec![Shape::Hidden; len];
        let value = visitor.visit_seq(Fields::new(self.view, &mut shapes))?;
        self.seen(Variant::Tuple(shapes));
        Ok(value)
    }

    fn struct_variant<V: Visitor<'static>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut shapes = vec![Shape::Hidden; fields.len()];
        let value = visitor.visit_seq(Fields::new(self.view, &mut shapes))?;
        let names = fields.iter().map(|&field| field.to_owned());
        self.seen(Variant::Structure(names.zip(shapes).collect()));
        Ok(value)
    }
}
