use doors::door;

#[door]
trait Store {
    #[id(7)]
    fn get(&self) -> u8;
    #[id(7)]
    fn put(&self, value: u8);
}

fn main() {}
