//! What the values of a method look like.

use std::fmt;

use serde::Deserialize;

use super::carried::Carried;
use super::look::Types;
use super::shape::{Plain, Shape, Type};

/// The shapes of a method's arguments, of its result and of its error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    types: Types,
    arguments: Vec<(&'static str, Shape)>,
    result: Shape,
    error: Option<Shape>,
    inside: Inside,
}

/// Whether values have descriptors inside that are closed with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inside {
    /// Some argument can.
    pub(super) arguments: bool,
    /// The result can, or the error.
    pub(super) results: bool,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            types: Types::default(),
            arguments: Vec::new(),
            result: Shape::Plain(Plain::Unit),
            error: None,
            inside: Inside::default(),
        }
    }
}

impl Values {
    /// What values of `T` look like, and whether descriptors are inside.
    fn look<T: Deserialize<'static>>(&mut self) -> (Shape, bool) {
        let shape = self.types.look::<T>();
        let inside = shape.has_plain_descriptors(self.types());
        (shape, inside)
    }

    /// Adds an argument.
    pub fn argument<T: Deserialize<'static>>(&mut self, name: &'static str) {
        let (shape, inside) = self.look::<T>();
        self.arguments.push((name, shape));
        self.inside.arguments |= inside;
    }

    /// Adds an argument that is put as bytes at once.
    pub fn argument_bytes(&mut self, name: &'static str) {
        self.arguments.push((name, Shape::Plain(Plain::Bytes)));
    }

    /// Adds an argument that is descriptors.
    pub fn argument_carried<C: Carried>(&mut self, name: &'static str) {
        self.arguments.push((name, C::shape()));
    }

    /// Says that the result is descriptors.
    pub fn result_carried<C: Carried>(&mut self) {
        self.result = C::shape();
    }

    /// Says what the result is; it is nothing otherwise.
    pub fn result<T: Deserialize<'static>>(&mut self) {
        let (shape, inside) = self.look::<T>();
        self.result = shape;
        self.inside.results |= inside;
    }

    /// Says that the result is bytes, put at once.
    pub fn result_bytes(&mut self) {
        self.result = Shape::Plain(Plain::Bytes);
    }

    /// Says what the error is; there is none otherwise.
    pub fn error<E: Deserialize<'static>>(&mut self) {
        let (shape, inside) = self.look::<E>();
        self.error = Some(shape);
        self.inside.results |= inside;
    }

    #[cfg(feature = "rkyv")]
    pub(super) fn add(&mut self, name: &'static str, shape: Shape) {
        self.arguments.push((name, shape));
    }

    #[cfg(feature = "rkyv")]
    pub(super) fn set_result(&mut self, shape: Shape) {
        self.result = shape;
    }

    #[cfg(feature = "rkyv")]
    pub(super) fn set_error(&mut self, shape: Shape) {
        self.error = Some(shape);
    }

    /// The arguments' names and shapes, in their order.
    #[must_use]
    pub fn arguments(&self) -> &[(&'static str, Shape)] {
        &self.arguments
    }

    /// The shapes of the result, and of the error if there is one.
    #[must_use]
    pub fn outcome(&self) -> (&Shape, Option<&Shape>) {
        (&self.result, self.error.as_ref())
    }

    /// The types that the shapes name.
    #[must_use]
    pub fn types(&self) -> &[Type] {
        self.types.all()
    }

    pub(super) fn inside(&self) -> Inside {
        self.inside
    }

    /// Whether descriptors can come with a call.
    pub(super) fn take_descriptors(&self) -> bool {
        self.arguments
            .iter()
            .any(|(_, argument)| argument.has_descriptors(self.types()))
    }
}

/// In one line, the same for the same values: it goes into the tag.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = self.types();
        f.write_str("(")?;
        for (at, (name, argument)) in self.arguments.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{name}: {}", argument.shown(types))?;
        }
        write!(f, ") -> {}", self.result.shown(types))?;
        if let Some(error) = &self.error {
            write!(f, " or {}", error.shown(types))?;
        }
        types
            .iter()
            .try_for_each(|named| write!(f, "; {}", named.shown(types)))
    }
}
