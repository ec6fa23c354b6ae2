use doors::door;

use std::borrow::Cow;

#[door]
fn first(text: &str) -> Cow<'_, str> {
    text.into()
}

fn main() {}
