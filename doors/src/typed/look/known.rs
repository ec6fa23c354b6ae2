//! What is known of types.

use crate::typed::shape::{Shape, Variant};

/// What is known of one type; in its parts, `Named` has the numbers of a view.
#[derive(Debug)]
pub(super) enum Known {
    /// That there is one.
    Number,
    Structure(&'static str, Vec<(String, Shape)>),
    Choice(Choice),
    Nameless(Shape),
}

#[derive(Debug)]
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) variants: Vec<(&'static str, Sight)>,
}

/// How far a variant was seen.
#[derive(Debug)]
pub(super) enum Sight {
    Not,
    /// Somewhere on the stack.
    Looking,
    /// With no more of its parts than necessary.
    Briefly,
    Seen(Variant),
    /// As far as it let itself be seen.
    Partly(Variant),
    /// A look at it came to nothing.
    Failed,
}
