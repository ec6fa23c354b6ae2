//! Finds out what the values of a type look like, by letting the type read itself.
//!
//! A type's `Deserialize` says what it expects at each step, so that is what is taken down, with every attribute of serde in
//! effect and without a second derive. It has to be given values meanwhile: a look gives it samples, and looks again
//! where a variant of an enumeration was not seen yet or a sample was refused.

mod fields;
mod known;
mod parts;
mod samples;
#[cfg(feature = "rkyv")]
pub(super) mod told;
mod types;
mod view;

use std::cell::Cell;
use std::fmt;
use std::os::fd::OwnedFd;

use serde::de::{Deserializer, Error, Visitor};

use self::fields::{Fields, Place};
use self::known::Known;
use self::parts::{Elements, Entries, OneOf};
pub(super) use self::types::Types;
use self::view::View;
use super::shape::{Plain, Shape};
use super::travel;
use super::unclaimed::Unclaimed;
use crate::sys::{kind, socket};

/// The newtype around a descriptor is called so.
pub(super) const DESCRIPTOR: &str = "$doors::Descriptor";

/// That around a door, whose interface's name is that of the unit structure inside.
pub(super) const DOOR: &str = "$doors::Door";

/// That around a frozen archive.
#[cfg(feature = "rkyv")]
pub(super) const FROZEN_ARCHIVE: &str = "$doors::FrozenArchive";

thread_local! {
    /// A look of this thread went without a descriptor to try, since none could be had.
    static LACKED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a look of this thread has lacked a descriptor since this was asked last: what it saw may be less than there is.
pub(super) fn lacked() -> bool {
    LACKED.replace(false)
}

/// A descriptor to try: a socket, as a door's is.
fn sample() -> Option<OwnedFd> {
    let pair = socket::pair().ok();
    if pair.is_none() {
        LACKED.set(true);
    }
    pair.map(|(one, _other)| one)
}

/// Something was not as the type wanted it.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// One place to look at.
struct Look<'v> {
    view: &'v View,
    /// What is seen there.
    out: &'v mut Shape,
}

impl<'v> Look<'v> {
    fn new(view: &'v View, out: &'v mut Shape) -> Self {
        Self { view, out }
    }

    /// Gives a sample to a visitor; the next one, if it refuses this.
    fn give<V, S: Copy>(
        self,
        plain: Plain,
        samples: &[S],
        visit: impl FnOnce(S) -> Result<V, Refused>,
    ) -> Result<V, Refused> {
        *self.out = Shape::Plain(plain);
        let part = kind::of::<V>();
        let refused = self.view.refused(part);
        let begin = self.view.samples.get().saturating_add(refused);
        let sample = samples.iter().copied().cycle().nth(begin).ok_or(Refused)?;
        let value = visit(sample);
        if value.is_err() && refused < samples.len() {
            self.view.refuse(part);
            self.view.moved.set(true);
        }
        value
    }

    /// Looks at a structure.
    fn structure<V: Visitor<'static>>(
        self,
        name: &'static str,
        fields: &[impl AsRef<str>],
        visit: impl FnOnce(Place, &mut [Shape]) -> Result<V::Value, Refused>,
    ) -> Result<V::Value, Refused> {
        let number = self.view.number::<V>(name)?;
        *self.out = Shape::Named(number);
        let above = self.view.enter(number)?;
        let place = Place::of_structure(number);
        let mut shapes = vec![Shape::Hidden; fields.len()];
        let value = visit(place, &mut shapes);
        self.view.leave(above, value.is_ok());
        // What is seen inside a type that contains itself is not all of it.
        if self.view.short.get() == 0 && !above || !self.view.knows(number) {
            let shapes = self.view.keep(place, shapes);
            let names = fields.iter().map(|field| field.as_ref().to_owned());
            self.view
                .learn(number, Known::Structure(name, names.zip(shapes).collect()));
        }
        value
    }

    /// Looks at something that has parts and no name; it gets a number where it contains itself without one that has a name
    /// between.
    fn nameless<V: Visitor<'static>>(
        self,
        look: impl FnOnce(&View) -> (Shape, Result<V::Value, Refused>),
    ) -> Result<V::Value, Refused> {
        let number = self.view.number::<V>("")?;
        let above = self.view.enter_nameless(number)?;
        let (shape, value) = look(self.view);
        self.view.leave(above, value.is_ok());
        let known = self.view.knows(number);
        *self.out = match (above, known) {
            (false, false) => shape,
            (above, known) => {
                if above && !known || !above && self.view.short.get() == 0 {
                    self.view.learn(number, Known::Nameless(shape));
                }
                Shape::Named(number)
            }
        };
        value
    }
}

macro_rules! plain {
    ($($method:ident $plain:ident $visit:ident $samples:ident;)*) => {$(
        fn $method<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.give(Plain::$plain, &samples::$samples, |sample| visitor.$visit(sample))
        }
    )*};
}

impl Deserializer<'static> for Look<'_> {
    type Error = Refused;

    fn is_human_readable(&self) -> bool {
        false
    }

    plain! {
        deserialize_bool Bool visit_bool BOOL;
        deserialize_i8 I8 visit_i8 I8;
        deserialize_i16 I16 visit_i16 I16;
        deserialize_i32 I32 visit_i32 I32;
        deserialize_i64 I64 visit_i64 I64;
        deserialize_i128 I128 visit_i128 I128;
        deserialize_u8 U8 visit_u8 U8;
        deserialize_u16 U16 visit_u16 U16;
        deserialize_u32 U32 visit_u32 U32;
        deserialize_u64 U64 visit_u64 U64;
        deserialize_u128 U128 visit_u128 U128;
        deserialize_f32 F32 visit_f32 F32;
        deserialize_f64 F64 visit_f64 F64;
        deserialize_char Char visit_char CHAR;
        deserialize_str Text visit_borrowed_str TEXT;
        deserialize_string Text visit_borrowed_str TEXT;
        deserialize_bytes Bytes visit_borrowed_bytes BYTES;
        deserialize_byte_buf Bytes visit_borrowed_bytes BYTES;
    }

    fn deserialize_unit<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        *self.out = Shape::Plain(Plain::Unit);
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.nameless::<V>(|view| {
            let mut inner = Shape::Hidden;
            let value = if view.short.get() > 0 {
                visitor.visit_none()
            } else {
                visitor.visit_some(Look::new(view, &mut inner))
            };
            (Shape::Option(Box::new(inner)), value)
        })
    }

    fn deserialize_seq<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.nameless::<V>(|view| {
            let mut element = Shape::Hidden;
            let value = visitor.visit_seq(Elements::new(view, &mut element));
            (Shape::Sequence(Box::new(element)), value)
        })
    }

    fn deserialize_map<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.nameless::<V>(|view| {
            let mut entry = (Shape::Hidden, Shape::Hidden);
            let value = visitor.visit_map(Entries::new(view, &mut entry));
            (Shape::Map(Box::new(entry)), value)
        })
    }

    fn deserialize_tuple<V: Visitor<'static>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.nameless::<V>(|view| {
            let mut parts = vec![Shape::Hidden; len];
            let value = visitor.visit_seq(Fields::new(view, &mut parts, None));
            (Shape::Tuple(parts), value)
        })
    }

    fn deserialize_unit_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.structure::<V>(name, &[""; 0], |_, _| visitor.visit_unit())
    }

    fn deserialize_newtype_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let view = self.view;
        #[cfg(feature = "rkyv")]
        if name == FROZEN_ARCHIVE {
            let mut arrived = Unclaimed::ours(sample().into_iter().collect());
            let look = Look::new(view, self.out);
            let take = || visitor.visit_newtype_struct(look);
            let (value, told) = told::ask(|| travel::take(&mut arrived, take));
            *self.out = told.unwrap_or(Shape::Hidden);
            return value;
        }
        if name == DESCRIPTOR || name == DOOR {
            let mut arrived = Unclaimed::ours(sample().into_iter().collect());
            let mut inner = Shape::Hidden;
            let look = Look::new(view, &mut inner);
            let value = travel::take(&mut arrived, || visitor.visit_newtype_struct(look));
            *self.out = match inner {
                Shape::Named(number) if name == DOOR => Shape::Door(view.name(number)),
                _ => Shape::Descriptor,
            };
            return value;
        }
        self.structure::<V>(name, &["0"], |_, shapes| {
            let only = shapes.first_mut().ok_or(Refused)?;
            visitor.visit_newtype_struct(Look::new(view, only))
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let names: Vec<String> = (0..len).map(|at| at.to_string()).collect();
        let view = self.view;
        self.structure::<V>(name, &names, |_, shapes| {
            visitor.visit_seq(Fields::new(view, shapes, None))
        })
    }

    fn deserialize_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let view = self.view;
        self.structure::<V>(name, names, |place, shapes| {
            fields::visit(view, place, names, shapes, visitor)
        })
    }

    fn deserialize_enum<V: Visitor<'static>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let number = self.view.number::<V>(name)?;
        *self.out = Shape::Named(number);
        let above = self.view.enter(number)?;
        let value = OneOf::new(self.view, number, name, variants)
            .ok_or(Refused)
            .and_then(|one| one.look(visitor));
        self.view.leave(above, value.is_ok());
        value
    }

    /// Nothing in the bytes says what they are.
    fn deserialize_any<V: Visitor<'static>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused)
    }

    fn deserialize_identifier<V: Visitor<'static>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused)
    }

    fn deserialize_ignored_any<V: Visitor<'static>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused)
    }
}

#[cfg(test)]
mod tests;
