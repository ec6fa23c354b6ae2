//! Finding one's way through the shapes of values.

use doors::typed::{DEPTH, Shape};

/// The shapes around a value, the outermost first: what `Again` names is one of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Above<'s>(Vec<&'s Shape>);

impl<'s> Above<'s> {
    /// The shape itself, where it is only named; and what is around its parts.
    pub(super) fn enter(&self, shape: &'s Shape) -> Result<(&'s Shape, Self), String> {
        // As by every door.
        if usize::try_from(DEPTH).is_ok_and(|most| self.0.len() >= most) {
            return Err("the values are nested too deep".to_owned());
        }
        let shape = match shape {
            Shape::Again(name) => {
                let named = |other: &&&Shape| name_of(other) == Some(name);
                let found = self.0.iter().rev().find(named);
                found
                    .copied()
                    .ok_or("the server names a type that it does not describe")?
            }
            other => other,
        };
        let mut above = self.clone();
        above.0.push(shape);
        Ok((shape, above))
    }
}

fn name_of(shape: &Shape) -> Option<&String> {
    match shape {
        Shape::Structure(name, _) | Shape::Choice(name, _) => Some(name),
        _ => None,
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
