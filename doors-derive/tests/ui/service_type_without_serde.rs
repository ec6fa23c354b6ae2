use doors::door;

struct Key;

#[door]
trait Store {
    fn get(&self, key: Key) -> u8;
}

fn main() {}
