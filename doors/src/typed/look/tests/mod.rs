//! What types show of themselves.

mod hidden;
mod itself;
mod many;
mod names;
mod plain;

use serde::Deserialize;

use super::Types;

/// What a type shows of itself, and then each type that it names.
fn text<T: Deserialize<'static>>() -> String {
    let mut types = Types::default();
    let shape = types.look::<T>();
    let types = types.all();
    let named = types.iter().map(|named| named.shown(types).to_string());
    let all: Vec<_> = [shape.shown(types).to_string()]
        .into_iter()
        .chain(named)
        .collect();
    all.join("; ")
}
