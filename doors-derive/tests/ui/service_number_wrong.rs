use doors::door;

#[door]
trait Store {
    #[id(0)]
    fn get(&self) -> u8;
    #[id(65536)]
    fn put(&self, value: u8);
    #[id(one)]
    fn clear(&self);
}

fn main() {}
