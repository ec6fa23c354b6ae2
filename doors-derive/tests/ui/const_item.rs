use doors::door;

#[door]
const ADD: fn(u32) = |_| ();

fn main() {}
