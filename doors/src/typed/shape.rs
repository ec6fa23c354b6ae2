//! What values look like in their bytes.

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
    /// A structure; a newtype and a tuple structure have fields called `0`, `1` and so on.
    Structure(String, Vec<(String, Shape)>),
    /// One of several variants.
    Choice(String, Vec<(String, Variant)>),
    /// A descriptor, which travels beside the bytes.
    Descriptor,
    /// A door of the interface with this name, or of any if it is empty; it travels as a descriptor does.
    Door(String),
    /// A type of this name around this value.
    Again(String),
    /// It does not show itself: reading it fails for every value that was tried.
    Hidden,
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

impl Shape {
    /// Whether a descriptor can be in a value.
    #[must_use]
    pub fn has_descriptors(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Again(_) => false,
            Self::Option(inner) | Self::Sequence(inner) => inner.has_descriptors(),
            Self::Map(entry) => entry.0.has_descriptors() || entry.1.has_descriptors(),
            Self::Tuple(parts) => parts.iter().any(Self::has_descriptors),
            Self::Structure(_, fields) => fields.iter().any(|(_, field)| field.has_descriptors()),
            Self::Choice(_, variants) => variants.iter().any(|(_, variant)| match variant {
                Variant::Unit => false,
                Variant::Newtype(inner) => inner.has_descriptors(),
                Variant::Tuple(parts) => parts.iter().any(Self::has_descriptors),
                Variant::Structure(fields) => {
                    fields.iter().any(|(_, field)| field.has_descriptors())
                }
            }),
            // Nobody knows.
            Self::Descriptor | Self::Door(_) | Self::Hidden => true,
        }
    }
}

/// In one line, the same for the same shape: it goes into the tag.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(plain) => f.write_str(plain.name()),
            Self::Option(inner) => write!(f, "option<{inner}>"),
            Self::Sequence(inner) => write!(f, "[{inner}]"),
            Self::Map(entry) => write!(f, "map<{}, {}>", entry.0, entry.1),
            Self::Tuple(parts) => tuple(f, parts),
            Self::Structure(name, parts) => {
                write!(f, "struct {name} ")?;
                fields(f, parts)
            }
            Self::Choice(name, variants) => {
                write!(f, "enum {name} {{ ")?;
                for (at, (name, variant)) in variants.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    f.write_str(name)?;
                    match variant {
                        Variant::Unit => {}
                        Variant::Newtype(inner) => write!(f, "({inner})")?,
                        Variant::Tuple(parts) => tuple(f, parts)?,
                        Variant::Structure(parts) => {
                            f.write_str(" ")?;
                            fields(f, parts)?;
                        }
                    }
                }
                f.write_str(" }")
            }
            Self::Descriptor => f.write_str("descriptor"),
            Self::Door(name) => write!(f, "door<{name}>"),
            Self::Again(name) => f.write_str(name),
            Self::Hidden => f.write_str("?"),
        }
    }
}

fn tuple(f: &mut fmt::Formatter<'_>, parts: &[Shape]) -> fmt::Result {
    match parts {
        [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|part| part == first) => {
            write!(f, "[{first}; {}]", parts.len())
        }
        parts => {
            f.write_str("(")?;
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{part}")?;
            }
            f.write_str(")")
        }
    }
}

fn fields(f: &mut fmt::Formatter<'_>, parts: &[(String, Shape)]) -> fmt::Result {
    f.write_str("{ ")?;
    for (at, (name, part)) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{name}: {part}")?;
    }
    f.write_str(" }")
}
