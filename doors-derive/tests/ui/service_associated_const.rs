use doors::door;

#[door]
trait Store {
    const LIMIT: usize;
    fn get(&self) -> u8;
}

fn main() {}
