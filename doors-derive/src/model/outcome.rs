//! What a procedure gives back.

use syn::{GenericArgument, PathArguments, Type};

use super::Codec;
use super::names::{bare, inside, is_bytes, is_carried, is_frozen_archive, last_segment};

/// What the function returns.
pub(crate) enum Outcome<'a> {
    /// Nothing.
    Unit,
    /// A value.
    Value(&'a Type),
    /// A `Result`; the types of its halves, if they are there to be read.
    Fallible {
        ty: &'a Type,
        halves: Option<(&'a Type, &'a Type)>,
    },
}

impl<'a> Outcome<'a> {
    /// That of a type behind an arrow, with the `T` of an `Answer<T>`.
    pub(crate) fn returned(ty: &'a Type) -> (Self, Option<&'a Type>) {
        match inside(ty, "Answer") {
            // As where nothing is written: whether a procedure answers by its end is nothing to its callers.
            Some(answer) if matches!(bare(answer), Type::Tuple(tuple) if tuple.elems.is_empty()) => {
                (Self::Unit, Some(answer))
            }
            Some(answer) => (Self::of(answer), Some(answer)),
            None => (Self::of(ty), None),
        }
    }

    /// The types that travel.
    pub(crate) fn types(&self) -> Vec<&'a Type> {
        match *self {
            Self::Unit => Vec::new(),
            Self::Fallible {
                halves: Some((value, error)),
                ..
            } => vec![value, error],
            Self::Value(ty) | Self::Fallible { ty, .. } => vec![ty],
        }
    }

    fn of(ty: &'a Type) -> Self {
        let Some(segment) = last_segment(ty).filter(|segment| segment.ident == "Result") else {
            return Self::Value(ty);
        };
        let mut halves = Vec::new();
        if let PathArguments::AngleBracketed(list) = &segment.arguments {
            halves.extend(list.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(half) => Some(half),
                _ => None,
            }));
        }
        let halves = match halves.as_slice() {
            [value, error] => Some((*value, *error)),
            _ => None,
        };
        Self::Fallible { ty, halves }
    }
}

/// How a result travels.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Through serde.
    Value,
    /// `Vec<u8>`: all bytes at once.
    Bytes,
    /// As descriptors.
    Carried,
    /// As an archive.
    Archived,
}

impl Kind {
    pub(crate) fn of(ty: &Type, codec: Codec) -> Self {
        match ty {
            ty if codec == Codec::Rkyv && is_frozen_archive(ty) => Self::Carried,
            _ if codec == Codec::Rkyv => Self::Archived,
            ty if is_bytes(ty) => Self::Bytes,
            ty if is_carried(ty) => Self::Carried,
            _ => Self::Value,
        }
    }
    /// Of a half of a `Result`, if its type is there to be read; errors never have a way of their own.
    pub(crate) fn of_half(ty: Option<&Type>, codec: Codec) -> Self {
        match ty {
            Some(ty) => Self::of(ty, codec),
            None if codec == Codec::Rkyv => Self::Archived,
            None => Self::Value,
        }
    }
}
