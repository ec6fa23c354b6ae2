use doors::door;

#[door]
trait Store {
    #[id(1)]
    fn get(&self) -> u8;
    #[id(2)]
    #[id(3)]
    fn put(&self, value: u8);
}

fn main() {}
