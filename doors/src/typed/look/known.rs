//! What is known of types, and how it is written down.

use super::{PARTS, View};
use crate::typed::shape::{Shape, Variant};

/// A structure or a choice; in its parts, `Again` names others by their visitors.
pub(super) enum Known {
    Structure(&'static str, Vec<(String, Shape)>),
    Choice(Choice),
}

pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) variants: Vec<(&'static str, Sight)>,
}

/// How far a variant was seen.
pub(super) enum Sight {
    Not,
    /// Somewhere on the stack.
    Looking,
    /// With no more of its parts than necessary.
    Briefly,
    Seen(Variant),
    /// A look at it came to nothing.
    Failed,
}

impl View {
    /// Follows the names of visitors.
    pub(super) fn resolved(&self, shape: Shape, above: &mut Vec<&'static str>) -> Shape {
        let each = |fields: Vec<(String, Shape)>, above: &mut Vec<_>| {
            fields
                .into_iter()
                .map(|(name, field)| (name, self.resolved(field, above)))
                .collect()
        };
        let written = self.written.get().saturating_add(1);
        self.written.set(written);
        if written > PARTS {
            return Shape::Hidden;
        }
        match shape {
            Shape::Option(inner) => Shape::Option(Box::new(self.resolved(*inner, above))),
            Shape::Sequence(inner) => Shape::Sequence(Box::new(self.resolved(*inner, above))),
            Shape::Map(entry) => {
                let (key, value) = *entry;
                Shape::Map(Box::new((
                    self.resolved(key, above),
                    self.resolved(value, above),
                )))
            }
            Shape::Tuple(parts) => Shape::Tuple(
                parts
                    .into_iter()
                    .map(|part| self.resolved(part, above))
                    .collect(),
            ),
            Shape::Again(visitor) => {
                let known = self.known.borrow();
                let Some((visitor, known)) = known.get_key_value(visitor.as_str()) else {
                    return Shape::Hidden;
                };
                let name = match known {
                    Known::Structure(name, _) => *name,
                    Known::Choice(choice) => choice.name,
                };
                if above.contains(visitor) {
                    return Shape::Again(name.to_owned());
                }
                above.push(visitor);
                let shape = match known {
                    Known::Structure(name, fields) => {
                        Shape::Structure((*name).to_owned(), each(fields.clone(), above))
                    }
                    Known::Choice(choice) => {
                        let variants = choice.variants.iter().map(|(name, sight)| {
                            let variant = match sight {
                                Sight::Seen(Variant::Newtype(inner)) => {
                                    Variant::Newtype(self.resolved(inner.clone(), above))
                                }
                                Sight::Seen(Variant::Tuple(parts)) => Variant::Tuple(
                                    parts
                                        .iter()
                                        .map(|part| self.resolved(part.clone(), above))
                                        .collect(),
                                ),
                                Sight::Seen(Variant::Structure(fields)) => {
                                    Variant::Structure(each(fields.clone(), above))
                                }
                                Sight::Seen(Variant::Unit) => Variant::Unit,
                                _ => Variant::Newtype(Shape::Hidden),
                            };
                            ((*name).to_owned(), variant)
                        });
                        Shape::Choice(choice.name.to_owned(), variants.collect())
                    }
                };
                above.pop();
                shape
            }
            plain => plain,
        }
    }
}
