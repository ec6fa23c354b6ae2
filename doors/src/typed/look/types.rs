//! The types of a method, each written down once.

use serde::de::Deserialize;

use super::Look;
use super::known::{Known, Sight};
use super::view::{Key, SAMPLES, View};
use crate::typed::shape::{Shape, Type, Variant};

/// The types that shapes name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::typed) struct Types {
    all: Vec<Type>,
    /// Which they are.
    keys: Vec<Key>,
}

impl Types {
    /// What values of `T` look like.
    pub(in crate::typed) fn look<T: Deserialize<'static>>(&mut self) -> Shape {
        let view = View::new();
        let mut shape = Shape::Hidden;
        while view.begin() {
            let mut look = || T::deserialize(Look::new(&view, &mut shape)).is_ok();
            #[cfg(feature = "rkyv")]
            let whole = super::told::look(&mut look);
            #[cfg(not(feature = "rkyv"))]
            let whole = look();
            if whole && !view.unseen.get() && !view.skip() {
                break;
            }
            if !whole && !view.moved.get() {
                // It was refused as a whole, or by somebody who does not say which part was wrong.
                view.samples.set(view.samples.get().saturating_add(1));
                if view.samples.get() >= SAMPLES && !view.skip() {
                    break;
                }
            }
        }
        self.written(&view, &shape)
    }

    pub(in crate::typed) fn all(&self) -> &[Type] {
        &self.all
    }

    /// The same shape, with our numbers.
    fn written(&mut self, view: &View, shape: &Shape) -> Shape {
        match shape {
            Shape::Option(inner) => Shape::Option(Box::new(self.written(view, inner))),
            Shape::Sequence(inner) => Shape::Sequence(Box::new(self.written(view, inner))),
            Shape::Map(entry) => {
                let key = self.written(view, &entry.0);
                Shape::Map(Box::new((key, self.written(view, &entry.1))))
            }
            Shape::Tuple(parts) => Shape::Tuple(self.several(view, parts)),
            Shape::Named(number) => self.named(view, *number),
            plain => plain.clone(),
        }
    }

    fn several(&mut self, view: &View, parts: &[Shape]) -> Vec<Shape> {
        parts.iter().map(|part| self.written(view, part)).collect()
    }

    fn fields(&mut self, view: &View, fields: &[(String, Shape)]) -> Vec<(String, Shape)> {
        let written = |(name, field): &(String, Shape)| (name.clone(), self.written(view, field));
        fields.iter().map(written).collect()
    }

    fn variant(&mut self, view: &View, sight: &Sight) -> Variant {
        let (Sight::Seen(variant) | Sight::Partly(variant)) = sight else {
            return Variant::Newtype(Shape::Hidden);
        };
        match variant {
            Variant::Unit => Variant::Unit,
            Variant::Newtype(inner) => Variant::Newtype(self.written(view, inner)),
            Variant::Tuple(parts) => Variant::Tuple(self.several(view, parts)),
            Variant::Structure(fields) => Variant::Structure(self.fields(view, fields)),
        }
    }

    /// Where a type stands; it is written down if it was not yet.
    fn named(&mut self, view: &View, number: u32) -> Shape {
        let known = view.known.borrow();
        let known = usize::try_from(number).ok().and_then(|at| known.get(at));
        let Some((key, known)) = known.filter(|(_, known)| !matches!(known, Known::Number)) else {
            return Shape::Hidden;
        };
        if let Some(at) = self.keys.iter().position(|other| other == key) {
            return u32::try_from(at).map_or(Shape::Hidden, Shape::Named);
        }
        let at = self.all.len();
        let Ok(place) = u32::try_from(at) else {
            return Shape::Hidden;
        };
        // It has its place before its parts have theirs: one of them may be it again.
        self.keys.push(*key);
        self.all.push(Type::Nameless(Shape::Hidden));
        let named = match known {
            Known::Number => Type::Nameless(Shape::Hidden),
            Known::Structure(name, fields) => {
                Type::Structure((*name).to_owned(), self.fields(view, fields))
            }
            Known::Choice(choice) => {
                let variants = choice.variants.iter();
                let variants =
                    variants.map(|(name, sight)| ((*name).to_owned(), self.variant(view, sight)));
                Type::Choice(choice.name.to_owned(), variants.collect())
            }
            Known::Nameless(shape) => Type::Nameless(self.written(view, shape)),
        };
        if let Some(written) = self.all.get_mut(at) {
            *written = named;
        }
        Shape::Named(place)
    }
}
