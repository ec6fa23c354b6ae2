//! What values look like in their bytes.

mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a value looks like in its bytes, as serde puts it there.
///
/// It is what two programs must have in common to read each other's values: names that the bytes do not have (of types, fields and
/// variants) are part of it, since a field that means something else now has another name as a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Shape {
    /// A number, a `bool`, a `char`, a text, bytes, or nothing.
    Plain(Plain),
    /// Perhaps a value.
    Option(Box<Shape>),
    /// As many values of one shape as there are.
    Sequence(Box<Shape>),
    /// Keys and their values.
    Map(Box<(Shape, Shape)>),
    /// Values of fixed number, one after the other.
    Tuple(Vec<Shape>),
    /// A type that stands in the list beside, at this place: each is described once, however often it is used.
    Named(u32),
    /// A descriptor, which travels beside the bytes.
    Descriptor,
    /// A door of the interface with this name, or of any if it is empty; it travels as a descriptor does.
    Door(String),
    /// It does not show itself: reading it fails for every value that was tried.
    Hidden,
    /// An archive of rkyv; of what, its root says.
    Archive(String),
    /// One in frozen memory, which travels as a descriptor does.
    FrozenArchive(String),
}

/// A type that a [`Shape`] names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Type {
    /// A structure; a newtype and a tuple structure have fields called `0`, `1` and so on.
    Structure(String, Vec<(String, Shape)>),
    /// One of several variants.
    Choice(String, Vec<(String, Variant)>),
    /// It has no name of its own, and contains itself.
    Nameless(Shape),
}

/// What a variant carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Variant {
    /// Nothing.
    Unit,
    /// One value.
    Newtype(Shape),
    /// Several values.
    Tuple(Vec<Shape>),
    /// Fields.
    Structure(Vec<(String, Shape)>),
}

/// A value without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the type of its name")]
pub enum Plain {
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Text,
    Bytes,
    Unit,
}

impl Plain {
    fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::I128 => "i128",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::U128 => "u128",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Char => "char",
            Self::Text => "str",
            Self::Bytes => "bytes",
            Self::Unit => "()",
        }
    }
}

impl Type {
    /// The name that it has in its program; others may have the same.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Structure(name, _) | Self::Choice(name, _) => name,
            Self::Nameless(_) => "",
        }
    }

    /// The shapes that it is made of.
    fn parts(&self) -> Vec<&Shape> {
        match self {
            Self::Structure(_, fields) => fields.iter().map(|(_, field)| field).collect(),
            Self::Choice(_, variants) => {
                let parts = variants.iter().flat_map(|(_, variant)| variant.parts());
                parts.collect()
            }
            Self::Nameless(shape) => vec![shape],
        }
    }
}

impl Variant {
    fn parts(&self) -> Vec<&Shape> {
        match self {
            Self::Unit => Vec::new(),
            Self::Newtype(inner) => vec![inner],
            Self::Tuple(parts) => parts.iter().collect(),
            Self::Structure(fields) => fields.iter().map(|(_, field)| field).collect(),
        }
    }
}

impl Shape {
    /// Whether a descriptor can be in a value; `types` are those beside it.
    #[must_use]
    pub fn has_descriptors(&self, types: &[Type]) -> bool {
        self.has(types, |_| true)
    }

    /// Whether a descriptor can be in a value whose close is the value's own affair: a door and a frozen archive see to theirs.
    pub(super) fn has_plain_descriptors(&self, types: &[Type]) -> bool {
        self.has(types, |shape| {
            matches!(shape, Self::Descriptor | Self::Hidden)
        })
    }

    /// Whether one of its descriptors is such a one.
    fn has(&self, types: &[Type], is_such: impl Fn(&Self) -> bool) -> bool {
        let mut seen = vec![false; types.len()];
        let mut left = vec![self];
        while let Some(shape) = left.pop() {
            match shape {
                Self::Plain(_) | Self::Archive(_) => {}
                Self::Option(inner) | Self::Sequence(inner) => left.push(inner),
                Self::Map(entry) => left.extend([&entry.0, &entry.1]),
                Self::Tuple(parts) => left.extend(parts),
                Self::Named(at) => {
                    let at = usize::try_from(*at).unwrap_or(usize::MAX);
                    if let (Some(seen @ false), Some(named)) = (seen.get_mut(at), types.get(at)) {
                        *seen = true;
                        left.extend(named.parts());
                    }
                }
                // Nobody knows what is in one that is hidden.
                Self::Descriptor | Self::Door(_) | Self::FrozenArchive(_) | Self::Hidden => {
                    if is_such(shape) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// In words; `types` are those beside it.
    #[must_use]
    pub fn shown<'s>(&'s self, types: &'s [Type]) -> impl fmt::Display + 's {
        fmt::from_fn(|f| text::shape(f, self, types))
    }
}

impl Type {
    /// In words; it is one of `types`.
    #[must_use]
    pub fn shown<'s>(&'s self, types: &'s [Type]) -> impl fmt::Display + 's {
        fmt::from_fn(|f| text::whole(f, self, types))
    }
}
