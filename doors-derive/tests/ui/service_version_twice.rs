use doors::door;

#[door(version = "1.1", version = "1.2")]
trait Store {
    fn get(&self) -> u8;
}

fn main() {}
