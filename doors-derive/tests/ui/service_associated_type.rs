use doors::door;

#[door]
trait Store {
    type Value;
    fn get(&self) -> u8;
}

fn main() {}
