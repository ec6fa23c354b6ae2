//! Finding one's way through the shapes of values.

use doors::typed::{DEPTH, Shape, Type};

/// What the shapes of a method name, and how deep a value is nested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within<'s> {
    types: &'s [Type],
    depth: u32,
}

impl<'s> Within<'s> {
    pub(super) fn new(types: &'s [Type]) -> Self {
        Self { types, depth: 0 }
    }

    /// A level down.
    pub(super) fn enter(self) -> Result<Self, String> {
        // As by every door.
        if self.depth >= DEPTH {
            return Err("the values are nested too deep".to_owned());
        }
        let depth = self.depth.saturating_add(1);
        Ok(Self { depth, ..self })
    }

    pub(super) fn types(self) -> &'s [Type] {
        self.types
    }

    pub(super) fn named(self, at: u32) -> Result<&'s Type, String> {
        let named = usize::try_from(at).ok().and_then(|at| self.types.get(at));
        named.ok_or_else(|| "the server names a type that it does not describe".to_owned())
    }
}

/// How the fields of a structure stand in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    /// There are none: null.
    None,
    /// A newtype: its value.
    One,
    /// A tuple structure: an array.
    Numbered,
    /// An object.
    Named,
}

impl Fields {
    pub(super) fn of(fields: &[(String, Shape)]) -> Self {
        let numbered = || {
            let mut numbers = fields.iter().zip(0_usize..);
            numbers.all(|((name, _), number)| *name == number.to_string())
        };
        match fields {
            [] => Self::None,
            [(name, _)] if name == "0" => Self::One,
            _ if numbered() => Self::Numbered,
            _ => Self::Named,
        }
    }
}
