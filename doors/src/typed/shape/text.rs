//! Shapes in words: in one line, and the same words for the same shape, since they go into the tag.

use std::fmt::{Formatter, Result};

use super::{Shape, Type, Variant};
use crate::typed::line::Line;

pub(super) fn shape(f: &mut Formatter<'_>, shape: &Shape, types: &[Type]) -> Result {
    match shape {
        Shape::Plain(plain) => f.write_str(plain.name()),
        Shape::Option(inner) => write!(f, "option<{}>", inner.shown(types)),
        Shape::Sequence(inner) => write!(f, "[{}]", inner.shown(types)),
        Shape::Map(entry) => {
            let (key, value) = (entry.0.shown(types), entry.1.shown(types));
            write!(f, "map<{key}, {value}>")
        }
        Shape::Tuple(parts) => tuple(f, parts, types),
        Shape::Named(at) => name(f, *at, types),
        Shape::Descriptor => f.write_str("descriptor"),
        Shape::Door(name) => write!(f, "door<{}>", Line(name)),
        Shape::Hidden => f.write_str("?"),
        Shape::Archive(root) => write!(f, "archive of {}", Line(root)),
        Shape::FrozenArchive(root) => write!(f, "frozen archive of {}", Line(root)),
    }
}

/// A type with all its parts.
pub(super) fn whole(f: &mut Formatter<'_>, named: &Type, types: &[Type]) -> Result {
    let at = types.iter().position(|other| std::ptr::eq(other, named));
    let at = at.and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX);
    match named {
        Type::Structure(_, parts) => {
            f.write_str("struct ")?;
            name(f, at, types)?;
            f.write_str(" ")?;
            fields(f, parts, types)
        }
        Type::Choice(_, variants) => {
            f.write_str("enum ")?;
            name(f, at, types)?;
            f.write_str(" { ")?;
            for (at, (name, variant)) in variants.iter().enumerate() {
                if at > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{}", Line(name))?;
                match variant {
                    Variant::Unit => {}
                    Variant::Newtype(inner) => write!(f, "({})", inner.shown(types))?,
                    Variant::Tuple(parts) => tuple(f, parts, types)?,
                    Variant::Structure(parts) => {
                        f.write_str(" ")?;
                        fields(f, parts, types)?;
                    }
                }
            }
            f.write_str(" }")
        }
        Type::Nameless(inner) => {
            f.write_str("type ")?;
            name(f, at, types)?;
            write!(f, " {}", inner.shown(types))
        }
    }
}

/// Its name, and which of that name it is where there are several.
fn name(f: &mut Formatter<'_>, at: u32, types: &[Type]) -> Result {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    let Some(named) = types.get(at) else {
        return f.write_str("?");
    };
    write!(f, "{}", Line(named.name()))?;
    let before = types.iter().take(at);
    match before.filter(|other| other.name() == named.name()).count() {
        0 if !named.name().is_empty() => Ok(()),
        before => write!(f, "#{}", before.saturating_add(1)),
    }
}

fn tuple(f: &mut Formatter<'_>, parts: &[Shape], types: &[Type]) -> Result {
    match parts {
        [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|part| part == first) => {
            write!(f, "[{}; {}]", first.shown(types), parts.len())
        }
        parts => {
            f.write_str("(")?;
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    f.write_str(", ")?;
                }
                shape(f, part, types)?;
            }
            f.write_str(")")
        }
    }
}

fn fields(f: &mut Formatter<'_>, parts: &[(String, Shape)], types: &[Type]) -> Result {
    f.write_str("{ ")?;
    for (at, (name, part)) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{}: {}", Line(name), part.shown(types))?;
    }
    f.write_str(" }")
}
