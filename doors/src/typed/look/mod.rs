//! Finds out what the values of a type look like, by letting the type read itself.
//!
//! A type's `Deserialize` says what it expects at each step, so that is what is taken down, with every attribute of serde in
//! effect and without a second derive. It has to be given values meanwhile: a look gives it samples, and looks again
//! where a variant of an enumeration was not seen yet or a sample was refused.

mod known;
mod parts;
mod samples;

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::os::fd::OwnedFd;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use self::known::Known;
use self::parts::{Elements, Entries, Fields, OneOf};
use super::shape::{Plain, Shape};
use super::travel;
use crate::sys::socket;

/// More looks do not show more.
const LOOKS: usize = 1_000;

/// A type that refuses every sample is looked at so often, each time with other samples for all its parts.
const SAMPLES: usize = 8;

/// So many parts are looked at, and written down, for one type: those that name each other again and again have more on paper than
/// there is to see.
const PARTS: usize = 20_000;

/// Nested deeper than this a type is not followed.
const DEPTH: usize = 64;

/// The newtype around a descriptor is called so.
pub(super) const DESCRIPTOR: &str = "$doors::Descriptor";

/// That around a door, whose interface's name is that of the unit structure inside.
pub(super) const DOOR: &str = "$doors::Door";

thread_local! {
    /// A look of this thread went without a descriptor to try, since none could be had.
    static LACKED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a look of this thread has lacked a descriptor since this was asked last: what it saw may be less than there is.
pub(super) fn lacked() -> bool {
    LACKED.replace(false)
}

/// What values of `T` look like.
pub(super) fn shape_of<T: Deserialize<'static>>() -> Shape {
    let view = View::default();
    let mut shape = Shape::Hidden;
    for _ in 0..LOOKS {
        let mut seen = Shape::Hidden;
        view.unseen.set(false);
        view.moved.set(false);
        let whole = T::deserialize(Look::new(&view, &mut seen)).is_ok();
        shape = seen;
        if whole && !view.unseen.get() {
            break;
        }
        if !whole && !view.moved.get() {
            // It was refused as a whole, or by somebody who does not say which part was wrong.
            view.samples.set(view.samples.get().saturating_add(1));
            if view.samples.get() >= SAMPLES {
                break;
            }
        }
        view.stack.borrow_mut().clear();
        view.short.set(0);
    }
    view.resolved(shape, &mut Vec::new())
}

/// What is known after some looks.
#[derive(Default)]
struct View {
    /// By the name of the visitor, which no other type has.
    known: RefCell<HashMap<&'static str, Known>>,
    /// Which structures and choices are being looked at.
    stack: RefCell<Vec<&'static str>>,
    /// Inside a type that contains itself: nothing more than necessary is looked at.
    short: Cell<usize>,
    /// How often each part refused a sample.
    refused: RefCell<HashMap<&'static str, usize>>,
    /// Which sample all parts begin with.
    samples: Cell<usize>,
    /// There is a variant that was not seen yet.
    unseen: Cell<bool>,
    /// Parts that were looked at, and parts that were written down.
    parts: Cell<usize>,
    written: Cell<usize>,
    /// This look has shown something, or the next one will be another.
    moved: Cell<bool>,
}

/// A descriptor to try: a socket, as a door's is.
fn sample() -> Option<OwnedFd> {
    let (one, _other) = socket::pair().ok()?;
    Some(one)
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
        let part = type_name::<V>();
        let refused = self.view.refused.borrow().get(part).copied().unwrap_or(0);
        let begin = self.view.samples.get().saturating_add(refused);
        let sample = samples.iter().copied().cycle().nth(begin).ok_or(Refused)?;
        let value = visit(sample);
        if value.is_err() && refused < samples.len() {
            let mut all = self.view.refused.borrow_mut();
            all.insert(part, refused.saturating_add(1));
            self.view.moved.set(true);
        }
        value
    }

    /// Looks at a structure, unless it is known.
    fn structure<'de, V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: Vec<String>,
        visit: impl FnOnce(Fields<'_>) -> Result<V::Value, Refused>,
    ) -> Result<V::Value, Refused> {
        let visitor = type_name::<V>();
        *self.out = Shape::Again(visitor.to_owned());
        let mut shapes = vec![Shape::Hidden; fields.len()];
        let above = self.enter(visitor)?;
        let value = visit(Fields::new(self.view, &mut shapes));
        self.view.leave(above);
        let fields = fields.into_iter().zip(shapes).collect();
        let mut known = self.view.known.borrow_mut();
        // What is seen inside a type that contains itself is not all of it.
        if self.view.short.get() == 0 && !above || !known.contains_key(visitor) {
            known.insert(visitor, Known::Structure(name, fields));
        }
        drop(known);
        value
    }

    /// Whether the type is being looked at already, further up.
    fn enter(&self, visitor: &'static str) -> Result<bool, Refused> {
        let parts = self.view.parts.get().saturating_add(1);
        self.view.parts.set(parts);
        let mut stack = self.view.stack.borrow_mut();
        if stack.len() >= DEPTH || parts > PARTS {
            return Err(Refused);
        }
        let above = stack.contains(&visitor);
        stack.push(visitor);
        if above {
            self.view.short.set(self.view.short.get().saturating_add(1));
        }
        Ok(above)
    }
}

impl View {
    fn leave(&self, above: bool) {
        self.stack.borrow_mut().pop();
        if above {
            self.short.set(self.short.get().saturating_sub(1));
        }
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
        let mut inner = Shape::Hidden;
        let value = if self.view.short.get() > 0 {
            visitor.visit_none()
        } else {
            visitor.visit_some(Look::new(self.view, &mut inner))
        };
        *self.out = Shape::Option(Box::new(inner));
        value
    }

    fn deserialize_seq<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        let mut element = vec![Shape::Hidden];
        let value = visitor.visit_seq(Elements::new(self.view, &mut element));
        *self.out = Shape::Sequence(Box::new(element.pop().unwrap_or(Shape::Hidden)));
        value
    }

    fn deserialize_map<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        let mut entry = (Shape::Hidden, Shape::Hidden);
        let value = visitor.visit_map(Entries::new(self.view, &mut entry));
        *self.out = Shape::Map(Box::new(entry));
        value
    }

    fn deserialize_tuple<V: Visitor<'static>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut parts = vec![Shape::Hidden; len];
        let value = visitor.visit_seq(Fields::new(self.view, &mut parts));
        *self.out = Shape::Tuple(parts);
        value
    }

    fn deserialize_unit_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.structure::<V>(name, Vec::new(), |_| visitor.visit_unit())
    }

    fn deserialize_newtype_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if name == DESCRIPTOR || name == DOOR {
            let sample = sample();
            if sample.is_none() {
                LACKED.set(true);
            }
            let mut arrived = VecDeque::from_iter(sample);
            let mut inner = Shape::Hidden;
            let look = Look::new(self.view, &mut inner);
            let value = travel::take(&mut arrived, || visitor.visit_newtype_struct(look));
            *self.out = match self.view.resolved(inner, &mut Vec::new()) {
                Shape::Structure(interface, _) if name == DOOR => Shape::Door(interface),
                _ => Shape::Descriptor,
            };
            return value;
        }
        self.structure::<V>(name, vec!["0".to_owned()], |mut fields| {
            fields.only(|look| visitor.visit_newtype_struct(look))
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let names = (0..len).map(|at| at.to_string()).collect();
        self.structure::<V>(name, names, |fields| visitor.visit_seq(fields))
    }

    fn deserialize_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let names = fields.iter().map(|&field| field.to_owned()).collect();
        self.structure::<V>(name, names, |fields| visitor.visit_seq(fields))
    }

    fn deserialize_enum<V: Visitor<'static>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let key = type_name::<V>();
        *self.out = Shape::Again(key.to_owned());
        let above = self.enter(key)?;
        let value = OneOf::new(self.view, key, name, variants)
            .ok_or(Refused)
            .and_then(|one| one.look(visitor));
        self.view.leave(above);
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
