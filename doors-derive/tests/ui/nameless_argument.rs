use doors::door;

#[door]
fn ignore(_: u32) {}

fn main() {}
