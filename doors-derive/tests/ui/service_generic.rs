use doors::door;

#[door]
trait Store<T> {
    fn get(&self) -> u8;
}

fn main() {}
