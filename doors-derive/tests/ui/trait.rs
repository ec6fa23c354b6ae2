use doors::door;

#[door]
trait Calculator {
    fn add(&self, a: u32, b: u32) -> u32;
}

fn main() {}
