use doors::door;

#[door]
trait Store {}

fn main() {}
