use doors::door;

#[door]
trait Store {
    fn get(&self) -> u8
    where
        Self: Sized;
}

fn main() {}
