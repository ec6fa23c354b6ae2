use doors::door;

#[door]
pub struct Calculator;

fn main() {}
