use doors::door;

#[door]
trait Store {
    fn get(self) -> u8;
    fn put(mut self: Box<Self>);
}

fn main() {}
