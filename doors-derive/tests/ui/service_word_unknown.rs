use doors::door;

#[door(codec = "json")]
trait Store {
    fn get(&self) -> u8;
}

fn main() {}
