//! Elements, entries and variants.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::fields::{self, Fields, Place};
use super::known::{Choice, Known, Sight};
use super::view::View;
use super::{Look, Refused};
use crate::typed::shape::{Shape, Variant};

/// A sequence of one element, or of none where a type contains itself.
pub(super) struct Elements<'v> {
    view: &'v View,
    left: Option<&'v mut Shape>,
}

impl<'v> Elements<'v> {
    pub(super) fn new(view: &'v View, element: &'v mut Shape) -> Self {
        Self {
            view,
            left: (view.short.get() == 0).then_some(element),
        }
    }
}

impl SeqAccess<'static> for Elements<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        match self.left.take() {
            Some(shape) => seed.deserialize(Look::new(self.view, shape)).map(Some),
            None => Ok(None),
        }
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
    number: u32,
    at: usize,
}

impl<'v> OneOf<'v> {
    /// The first that was not seen yet. Inside the same type, the first that ends; of those that were not seen yet if
    /// there is no other.
    pub(super) fn new(
        view: &'v View,
        number: u32,
        name: &'static str,
        variants: &'static [&'static str],
    ) -> Option<Self> {
        if !view.knows(number) {
            view.found(variants.len());
            let variants = variants.iter().map(|&name| (name, Sight::Not)).collect();
            view.learn(number, Known::Choice(Choice { name, variants }));
        }
        let at = view.choice(number, |choice| {
            let short = view.short.get() > 0;
            let at = choice.next(number, short)?;
            if let Some((_, sight @ (Sight::Not | Sight::Briefly))) = choice.variants.get_mut(at) {
                *sight = Sight::Looking;
                view.moved.set(true);
            }
            Some(at)
        });
        let at = at.flatten()?;
        Some(Self { view, number, at })
    }

    pub(super) fn look<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        let (view, number, at) = (self.view, self.number, self.at);
        let value = visitor.visit_enum(self);
        view.choice(number, |choice| {
            if let Some((_, sight @ (Sight::Looking | Sight::Partly(_)))) =
                choice.variants.get_mut(at)
                && value.is_err()
            {
                // A part that has another sample left makes another look.
                if view.moved.get() && !view.stuck(number) {
                    *sight = Sight::Not;
                } else if matches!(sight, Sight::Looking) {
                    *sight = Sight::Failed;
                }
            }
            let is_unseen = |(_, sight): &(_, Sight)| matches!(sight, Sight::Not | Sight::Briefly);
            if choice.variants.iter().any(is_unseen) {
                view.unseen.set(true);
            }
        });
        value
    }

    /// Says what was seen of the variant.
    fn seen(&self, whole: bool, variant: Variant) {
        let short = self.view.short.get() > 0;
        self.view.choice(self.number, |choice| {
            if let Some((_, sight @ Sight::Looking)) = choice.variants.get_mut(self.at) {
                *sight = match (whole, short) {
                    (true, false) => Sight::Seen(variant),
                    (true, true) => Sight::Briefly,
                    (false, false) => Sight::Partly(variant),
                    (false, true) => Sight::Looking,
                };
            }
        });
    }

    fn place(&self) -> Place {
        Place::of_variant(self.number, self.at)
    }

    /// The shapes of the parts, as far as they were seen.
    fn kept(&self, shapes: Vec<Shape>) -> Vec<Shape> {
        if self.view.short.get() > 0 {
            return shapes;
        }
        self.view.keep(self.place(), shapes)
    }
}

impl Choice {
    /// Which variant comes next.
    fn next(&self, number: u32, short: bool) -> Option<usize> {
        let find =
            |is: &dyn Fn(&Sight) -> bool| self.variants.iter().position(|(_, sight)| is(sight));
        let unseen = || find(&|sight| matches!(sight, Sight::Not | Sight::Briefly));
        let ending = || {
            find(&|sight| matches!(sight, Sight::Seen(Variant::Unit)))
                .or_else(|| {
                    find(&|sight| matches!(sight, Sight::Seen(variant) if ends(variant, number)))
                })
                .or_else(|| find(&|sight| matches!(sight, Sight::Briefly)))
        };
        let next = if short {
            ending().or_else(unseen)
        } else {
            unseen().or_else(ending)
        };
        next.or_else(|| find(&|sight| matches!(sight, Sight::Seen(_))))
    }
}

/// Whether a variant does not lead back to its choice at once.
fn ends(variant: &Variant, number: u32) -> bool {
    let leads = |shape: &Shape| *shape == Shape::Named(number);
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
        self.seen(true, Variant::Unit);
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'static>>(
        self,
        seed: S,
    ) -> Result<S::Value, Refused> {
        let mut shape = Shape::Hidden;
        let value = seed.deserialize(Look::new(self.view, &mut shape));
        self.seen(value.is_ok(), Variant::Newtype(shape));
        value
    }

    fn tuple_variant<V: Visitor<'static>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut shapes = vec![Shape::Hidden; len];
        let value = visitor.visit_seq(Fields::new(self.view, &mut shapes, None));
        self.seen(value.is_ok(), Variant::Tuple(self.kept(shapes)));
        value
    }

    fn struct_variant<V: Visitor<'static>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut shapes = vec![Shape::Hidden; names.len()];
        let value = fields::visit(self.view, self.place(), names, &mut shapes, visitor);
        let names = names.iter().map(|&field| field.to_owned());
        let fields = names.zip(self.kept(shapes)).collect();
        self.seen(value.is_ok(), Variant::Structure(fields));
        value
    }
}
