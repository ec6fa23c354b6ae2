use doors::door;

#[door]
trait Store {
    #[id(1)]
    fn get(&self) -> u8;
    fn put(&self, value: u8);
}

fn main() {}
