use doors::door;

#[door]
trait Store {
    fn get<T: Default>(&self, key: T) -> u8;
}

fn main() {}
