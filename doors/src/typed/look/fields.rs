//! Fields of structures and variants, one after the other or by their names.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::view::View;
use super::{Look, Refused};
use crate::typed::shape::Shape;

/// Whose parts: those of a structure, or of one of a choice's variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    number: u32,
    variant: Option<usize>,
}

impl Place {
    pub(super) fn of_structure(number: u32) -> Self {
        Self {
            number,
            variant: None,
        }
    }

    pub(super) fn of_variant(number: u32, at: usize) -> Self {
        Self {
            number,
            variant: Some(at),
        }
    }

    /// The choice and its variant, if it is one.
    pub(super) fn variant(self) -> Option<(u32, usize)> {
        self.variant.map(|variant| (self.number, variant))
    }
}

/// Has fields looked at: in their order, or by their names once there is one that refuses everything, since no type asks for the
/// next in order after that.
pub(super) fn visit<V: Visitor<'static>>(
    view: &View,
    place: Place,
    names: &'static [&'static str],
    shapes: &mut [Shape],
    visitor: V,
) -> Result<V::Value, Refused> {
    if (0..names.len()).any(|at| view.is_skipped(place, at)) {
        let fields = names.iter().zip(shapes).enumerate();
        return visitor.visit_map(ByName {
            view,
            place,
            fields,
            next: None,
        });
    }
    let value = visitor.visit_seq(Fields::new(view, shapes, Some(place)))?;
    view.succeed(place);
    Ok(value)
}

/// The parts of a tuple or a structure, one after the other.
pub(super) struct Fields<'v> {
    view: &'v View,
    left: std::iter::Enumerate<std::slice::IterMut<'v, Shape>>,
    /// Whose they are, if they can be asked for by their names.
    place: Option<Place>,
}

impl<'v> Fields<'v> {
    pub(super) fn new(view: &'v View, shapes: &'v mut [Shape], place: Option<Place>) -> Self {
        Self {
            view,
            left: shapes.iter_mut().enumerate(),
            place,
        }
    }
}

impl SeqAccess<'static> for Fields<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        let Some((at, shape)) = self.left.next() else {
            return Ok(None);
        };
        let value = seed.deserialize(Look::new(self.view, shape));
        if let (Err(Refused), Some(place)) = (&value, self.place) {
            self.view.fail(place, at);
        }
        value.map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

/// A field's number, its name and what is seen of it.
type Named<'v> = (usize, (&'v &'static str, &'v mut Shape));

/// All fields but those that refuse everything.
struct ByName<'v, F> {
    view: &'v View,
    place: Place,
    fields: F,
    next: Option<(usize, &'v mut Shape)>,
}

impl<'v, F: Iterator<Item = Named<'v>>> MapAccess<'static> for ByName<'v, F> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        let (view, place) = (self.view, self.place);
        let next = self.fields.find(|(at, _)| !view.is_skipped(place, *at));
        let Some((at, (name, shape))) = next else {
            return Ok(None);
        };
        self.next = Some((at, shape));
        seed.deserialize(BorrowedStrDeserializer::new(name))
            .map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Refused> {
        let (at, shape) = self.next.take().ok_or(Refused)?;
        let value = seed.deserialize(Look::new(self.view, shape));
        if value.is_err() {
            self.view.fail(self.place, at);
        }
        value
    }
}
