use doors::door;

#[door]
trait Store {
    fn put(&mut self, value: u8);
}

fn main() {}
