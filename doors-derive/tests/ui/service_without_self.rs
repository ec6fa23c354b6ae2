use doors::door;

#[door]
trait Store {
    fn get(key: u8) -> u8;
    fn new() -> Self;
}

fn main() {}
